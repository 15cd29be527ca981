//! `vcenter/vm`: machines, their hardware, what their guests say, and whether they run. All of it is what the Web Services
//! API says and does, by other names.

mod change;
mod create;
mod guest;
mod guest_os;
mod show;

use serde_json::{Value as Json, json};
use vimsim_simulator::Snapshot;
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{
    DestroyTask, PowerOffVMTask, PowerOnVMTask, ReconfigVMTask, ResetVMTask, SuspendVMTask, UpgradeVMTask,
};
use vimsim_types::views::{
    InvalidPowerState, ScheduledHardwareUpgradeInfo, VirtualDevice, VirtualMachine,
    VirtualMachineBootOptionsBootableCdromDevice, VirtualMachineBootOptionsBootableDevice,
    VirtualMachineBootOptionsBootableDiskDevice, VirtualMachineBootOptionsBootableEthernetDevice,
    VirtualMachineBootOptionsBootableFloppyDevice, VirtualMachineConfigInfo, VirtualMachineConfigSpec,
};
use vimsim_types::{EnumView, Fault, Moref, View};

pub(super) use guest_os::guest_os;

use self::change::Change;
use super::call::Call;
use super::inventory::upper;
use super::{Answer, ErrorKind, RestError, Result};

/// A machine as it was when the request came.
struct Machine {
    moref: Moref,
    snapshot: Snapshot,
}

impl Machine {
    fn find(call: &Call, id: &str) -> Result<Self> {
        let moref = call.object::<VirtualMachine>(id)?;
        Ok(Self { moref, snapshot: call.service().snapshot() })
    }

    fn view(&self) -> Result<&VirtualMachine> {
        let missing = || RestError::unavailable("The machine is not there any more.");
        self.snapshot.view(&self.moref).ok_or_else(missing)
    }

    fn config(&self) -> Result<&VirtualMachineConfigInfo> {
        let missing = || RestError::unavailable("The configuration of the machine cannot be read.");
        self.view()?.config().ok_or_else(missing)
    }

    /// The device of a kind that an identifier names; `NOT_FOUND` if there is none.
    fn device(&self, kind: &show::Kind, id: &str) -> Result<&VirtualDevice> {
        let found = show::devices(self.config()?, kind).find(|device| device.key().to_string() == id);
        let message = || format!("The machine has no {} '{id}'.", kind.path);
        found
            .ok_or_else(|| RestError::new(ErrorKind::NotFound, "com.vmware.api.vcenter.vm.device_not_found", message()))
    }

    /// A change of this machine.
    fn change<'a>(&self, call: &'a Call) -> Result<Change<'a>> {
        let config = self.config()?;
        let path = config.files().vm_path_name().map_or("", |path| path.as_str());
        let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let devices = config.hardware().device().iter().cloned().collect();
        Ok(Change::new(call, Some(devices), folder))
    }

    async fn reconfigure(&self, call: &Call, spec: VirtualMachineConfigSpec) -> Result {
        call.task(&self.moref, ReconfigVMTask::with(|request| _ = request.set_spec(spec))).await?;
        Ok(Answer::Nothing)
    }
}

/// What is to be made or changed, in its wrapping or without.
fn spec(call: &Call) -> &Json {
    call.body.get("spec").unwrap_or(&call.body)
}

/// Answers what is below `vcenter/vm`, but for the list.
pub(super) async fn answer(call: &Call, rest: &[&str]) -> Result {
    let Some((id, rest)) = rest.split_first() else { return create::answer(call).await };
    let machine = Machine::find(call, id)?;
    let method = call.method.as_str();
    match (method, rest) {
        ("GET", []) => Ok(Answer::Value(show::machine(call, machine.view()?))),
        ("DELETE", []) => {
            call.task(&machine.moref, DestroyTask::new()).await?;
            Ok(Answer::Nothing)
        }
        ("POST", []) => create::act(call, &machine.moref).await,
        ("GET", ["power"]) => {
            Ok(Answer::Value(json!({ "state": upper(machine.view()?.runtime().power_state().name()) })))
        }
        ("POST", ["power", rest @ ..]) => power(call, &machine.moref, call.action().or(rest.first().copied())).await,
        (_, ["hardware", rest @ ..]) => hardware(call, &machine, rest).await,
        (_, ["guest", rest @ ..]) => guest::answer(call, &machine, rest).await,
        (_, ["tools"]) => guest::tools(call, &machine).await,
        _ => Err(call.unknown()),
    }
}

/// Changes whether a machine runs. `ALREADY_IN_DESIRED_STATE` if it is so already.
async fn power(call: &Call, moref: &Moref, action: Option<&str>) -> Result {
    let (desired, done) = match action {
        Some("start") => (Some(Power::PoweredOn), call.task(moref, PowerOnVMTask::new()).await),
        Some("stop") => (Some(Power::PoweredOff), call.task(moref, PowerOffVMTask::new()).await),
        Some("suspend") => (Some(Power::Suspended), call.task(moref, SuspendVMTask::new()).await),
        Some("reset") => (None, call.task(moref, ResetVMTask::new()).await),
        _ => return Err(call.unknown()),
    };
    let is_so_already = |fault: &Fault| {
        let existing = InvalidPowerState::from_ref(fault.detail().as_object()).map(|fault| fault.existing_state());
        desired.is_some() && existing == desired
    };
    match done {
        Ok(_) => Ok(Answer::Nothing),
        Err(fault) if is_so_already(&fault) => Err(RestError::from(fault).of_kind(ErrorKind::AlreadyInDesiredState)),
        Err(fault) => Err(fault.into()),
    }
}

async fn hardware(call: &Call, machine: &Machine, rest: &[&str]) -> Result {
    let config = machine.config()?;
    let wanted = spec(call);
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(Answer::Value(show::hardware(config))),
        ("PATCH", []) => machine.reconfigure(call, scheduled_upgrade(wanted)?).await,
        ("POST", [] | ["action", "upgrade"]) if rest.len() == 2 || call.action() == Some("upgrade") => {
            let version = call.text("/version").map(|version| version.to_lowercase().replace('_', "-"));
            let request = UpgradeVMTask::with(|request| _ = request.set_version(version));
            call.task(&machine.moref, request).await?;
            Ok(Answer::Nothing)
        }
        ("GET", ["cpu"]) => Ok(Answer::Value(show::cpu(config))),
        ("GET", ["memory"]) => Ok(Answer::Value(show::memory(config))),
        ("GET", ["boot"]) => Ok(Answer::Value(show::boot(config))),
        ("GET", ["boot", "device"]) => Ok(Answer::Value(show::boot_devices(config))),
        ("PATCH", ["cpu"]) => machine.reconfigure(call, VirtualMachineConfigSpec::with(|it| cpu(it, wanted))).await,
        ("PATCH", ["memory"]) => {
            machine.reconfigure(call, VirtualMachineConfigSpec::with(|it| memory(it, wanted))).await
        }
        ("PATCH", ["boot"]) => machine.reconfigure(call, VirtualMachineConfigSpec::with(|it| boot(it, wanted))).await,
        ("PUT", ["boot", "device"]) => {
            let devices = call.body.get("devices").unwrap_or(&call.body);
            boot_from(call, machine, devices).await
        }
        (_, ["adapter", kind, rest @ ..]) => devices(call, machine, &format!("adapter/{kind}"), rest).await,
        (_, [kind, rest @ ..]) => devices(call, machine, kind, rest).await,
        _ => Err(call.unknown()),
    }
}

fn scheduled_upgrade(wanted: &Json) -> Result<VirtualMachineConfigSpec> {
    let policy = match wanted["upgrade_policy"].as_str() {
        None => None,
        Some("NEVER") => Some("never"),
        Some("AFTER_CLEAN_SHUTDOWN") => Some("onSoftPowerOff"),
        Some("ALWAYS") => Some("always"),
        Some(_) => return Err(RestError::invalid(&"no such upgrade_policy")),
    };
    let version = wanted["upgrade_version"].as_str().map(|version| version.to_lowercase().replace('_', "-"));
    Ok(VirtualMachineConfigSpec::with(|spec| {
        spec.set_scheduled_hardware_upgrade_info(ScheduledHardwareUpgradeInfo::with(|info| {
            info.set_upgrade_policy(policy).set_version_key(version);
        }));
    }))
}

fn number(value: &Json) -> Option<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok())
}

fn cpu(spec: &mut VirtualMachineConfigSpec, wanted: &Json) {
    spec.set_num_cpus(number(&wanted["count"])).set_num_cores_per_socket(number(&wanted["cores_per_socket"]));
    spec.set_cpu_hot_add_enabled(wanted["hot_add_enabled"].as_bool());
    spec.set_cpu_hot_remove_enabled(wanted["hot_remove_enabled"].as_bool());
}

fn memory(spec: &mut VirtualMachineConfigSpec, wanted: &Json) {
    spec.set_memory_mb(wanted["size_MiB"].as_i64()).set_memory_hot_add_enabled(wanted["hot_add_enabled"].as_bool());
}

fn boot(spec: &mut VirtualMachineConfigSpec, wanted: &Json) {
    spec.set_firmware(wanted["type"].as_str().map(str::to_lowercase));
    let options = spec.boot_options_mut();
    options.set_boot_delay(wanted["delay"].as_i64()).set_boot_retry_enabled(wanted["retry"].as_bool());
    options.set_boot_retry_delay(wanted["retry_delay"].as_i64());
    options.set_enter_bios_setup(wanted["enter_setup_mode"].as_bool());
    options.set_network_boot_protocol(wanted["network_protocol"].as_str().map(str::to_lowercase));
}

/// Sets from what a machine is to start, in this order. Who names no disks or card means all of them.
async fn boot_from(call: &Call, machine: &Machine, wanted: &Json) -> Result {
    let config = machine.config()?;
    let entries = wanted.as_array().ok_or_else(|| RestError::invalid(&"devices is missing"))?;
    let mut order: Vec<VirtualMachineBootOptionsBootableDevice> = Vec::new();
    let mut push = |device: vimsim_types::Object| {
        order.push(VirtualMachineBootOptionsBootableDevice::from_object_unchecked(device));
    };
    let all = |kind: &show::Kind| show::devices(config, kind).map(|it| it.key().to_string()).collect::<Vec<_>>();
    for entry in entries {
        match entry["type"].as_str() {
            Some("CDROM") => push(VirtualMachineBootOptionsBootableCdromDevice::new().into()),
            Some("FLOPPY") => push(VirtualMachineBootOptionsBootableFloppyDevice::new().into()),
            Some("DISK") => {
                let named = entry["disks"].as_array().filter(|disks| !disks.is_empty());
                let named = named.map(|all| all.iter().filter_map(Json::as_str).map(str::to_string).collect());
                for id in named.unwrap_or_else(|| all(&show::KINDS[0])) {
                    let key = machine.device(&show::KINDS[0], &id)?.key();
                    push(VirtualMachineBootOptionsBootableDiskDevice::with(|it| _ = it.set_device_key(key)).into());
                }
            }
            Some("ETHERNET") => {
                let named = entry["nic"].as_str().map(|nic| vec![nic.to_string()]);
                for id in named.unwrap_or_else(|| all(&show::KINDS[1])) {
                    let key = machine.device(&show::KINDS[1], &id)?.key();
                    push(VirtualMachineBootOptionsBootableEthernetDevice::with(|it| _ = it.set_device_key(key)).into());
                }
            }
            _ => return Err(RestError::invalid(&"no such type of device to start from")),
        }
    }
    if order.is_empty() {
        // By this the Web Services API knows that the order is to be the usual one.
        order.push(VirtualMachineBootOptionsBootableDevice::new());
    }
    let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.boot_options_mut().set_boot_order(order));
    machine.reconfigure(call, spec).await
}

/// The devices of a kind: all of them, or one.
async fn devices(call: &Call, machine: &Machine, path: &str, rest: &[&str]) -> Result {
    let kind = show::KINDS.iter().find(|kind| kind.path == path).ok_or_else(|| call.unknown())?;
    let config = machine.config()?;
    let wanted = spec(call);
    let mut change = machine.change(call)?;
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let one = |device: &VirtualDevice| json!({ kind.name: device.key().to_string() });
            return Ok(Answer::Value(show::devices(config, kind).map(one).collect()));
        }
        ("POST", []) => {
            match path.split_once('/') {
                Some((_, name)) => _ = change.add_adapter(name, wanted)?,
                None if path == "disk" => change.add_disk(wanted)?,
                None if path == "ethernet" => change.add_card(wanted)?,
                None if path == "cdrom" => change.add_cdrom(wanted)?,
                None => return Err(call.unknown()),
            }
            machine.reconfigure(call, change.spec).await?;
            let now = Machine::find(call, machine.moref.value())?;
            let known: Vec<i32> = show::devices(config, kind).map(|it| it.key()).collect();
            let new = show::devices(now.config()?, kind).find(|device| !known.contains(&device.key()));
            return Ok(Answer::Created(json!(new.map(|device| device.key().to_string()))));
        }
        ("GET", [id]) => {
            let device = machine.device(kind, id)?;
            return Ok(Answer::Value(show::device(config, device)));
        }
        ("PATCH", [id]) => change.edit(machine.device(kind, id)?, wanted)?,
        ("DELETE", [id]) => change.remove(machine.device(kind, id)?),
        ("POST", [id, rest @ ..]) => match call.action().or(rest.first().copied()) {
            Some(action @ ("connect" | "disconnect")) if rest.len() < 2 => {
                change.plug(machine.device(kind, id)?, action == "connect");
            }
            _ => return Err(call.unknown()),
        },
        _ => return Err(call.unknown()),
    }
    machine.reconfigure(call, change.spec).await
}
