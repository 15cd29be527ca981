//! Virtual machines with a container behind them, over the engine in memory.

use std::time::Duration;

use vimsim::container::{ContainerRuntime, ExecOutcome, RuntimeError, Status, Step};
use vimsim::types::enums::{
    VirtualDeviceConfigSpecOperation, VirtualMachinePowerState as Power, VirtualMachineToolsStatus as Tools,
};
use vimsim::types::method::{
    CloneVMTask, CreateFolder, DestroyTask, ListProcessesInGuest, MakeDirectoryInGuest, MoveIntoFolderTask,
    PowerOffVMTask, PowerOnVMTask, RebootGuest, ReconfigVMTask, RelocateVMTask, ResetVMTask, ShutdownGuest,
    StartProgramInGuest, SuspendVMTask, UnregisterAndDestroyTask, UnregisterVM, ValidateCredentialsInGuest,
};
use vimsim::types::views::{
    FileAlreadyExists, FileNotFound, GuestAuthManager, GuestFileManager, GuestOperationsUnavailable,
    GuestProcessManager, GuestProgramSpec, InvalidArgument, InvalidGuestLogin, InvalidPowerState,
    NamePasswordAuthentication, OptionValue, PlatformConfigFault, VirtualDeviceConfigSpec, VirtualEthernetCard,
    VirtualEthernetCardNetworkBackingInfo, VirtualMachine, VirtualMachineConfigSpec, VirtualMachineRelocateSpec,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Config, Error};

use super::Lab;
use crate::check_fault;

impl Lab {
    pub(super) fn machine(&self, name: &str) -> Moref {
        let snapshot = self.simulator.service().snapshot();
        let mut all = snapshot.objects().filter_map(|object| Some((object.moref(), object.view::<VirtualMachine>()?)));
        all.find(|(_, machine)| machine.name() == name).expect("there is such a machine").0.clone()
    }

    pub(super) fn vm(&self, machine: &Moref) -> VirtualMachine {
        self.simulator.service().snapshot().view::<VirtualMachine>(machine).expect("it is there").clone()
    }

    /// Sets keys of a machine's extraConfig, and waits for the task.
    pub(super) async fn keys(&self, machine: &Moref, keys: &[(&str, &str)]) -> Result<Value, Error> {
        let keys =
            keys.iter().map(|(key, value)| OptionValue::with(|option| _ = option.set_key(*key).set_value(*value)));
        let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.set_extra_config(keys));
        self.client.run(machine, ReconfigVMTask::with(|request| _ = request.set_spec(spec))).await
    }

    pub(super) async fn until_machine(&self, machine: &Moref, what: &str, is_so: impl Fn(&VirtualMachine) -> bool) {
        let waiting = async {
            while !is_so(&self.vm(machine)) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), waiting).await.is_err() {
            panic!("{what} has not come true");
        }
    }
}

impl Lab {
    /// Waits until a machine's container is in these networks and no others, and the machine has its address.
    async fn until_networks(&self, machine: &Moref, container: &str, networks: &[&str]) {
        let mut seen = Vec::new();
        let waiting = async {
            loop {
                let endpoints = self.engine.inspect_container(container).await.unwrap().endpoints;
                let address =
                    endpoints.first().and_then(|endpoint| endpoint.address).map(|address| address.to_string());
                let shown = self.vm(machine).guest().and_then(|guest| guest.ip_address()).map(ToString::to_string);
                seen = endpoints.into_iter().map(|endpoint| endpoint.network).collect();
                if seen == networks && address == shown {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let outcome = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(outcome.is_ok(), "it is in {seen:?} and not in {networks:?}");
    }
}

/// A vCenter whose machines do not run yet.
async fn lab() -> Lab {
    let mut config = Config::default();
    config.model.autostart = false;
    Lab::with(config).await
}

/// A machine whose container runs.
async fn running(keys: &[(&str, &str)]) -> (Lab, Moref) {
    let lab = lab().await;
    let machine = lab.machine("DC0_H0_VM0");
    lab.keys(&machine, keys).await.unwrap();
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    (lab, machine)
}

fn is(state: Power) -> impl Fn(&VirtualMachine) -> bool {
    move |machine| machine.runtime().power_state() == state
}

#[tokio::test]
async fn a_started_machine_is_a_container() {
    let lab = lab().await;
    let machine = lab.machine("DC0_H0_VM0");
    lab.keys(&machine, &[("RUN.container", "-e A=1 nginx"), ("RUN.env.B", "2"), ("guestinfo.c.d", "3")]).await.unwrap();
    assert!(lab.engine.left().is_empty());
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();

    let container = lab.container().await;
    let seen = lab.vm(&machine);
    let uuid = seen.config().unwrap().uuid();
    assert_eq!(container.name, format!("vcsim-DC0_H0_VM0-{uuid}"));
    assert_eq!((container.image.as_str(), container.state.status), ("nginx", Status::Running));
    assert_eq!(container.labels["vimsim.owner"], machine.to_string());
    let volume = lab.engine.inspect_volume(&format!("{}--dmi", container.name)).await.unwrap();
    assert_eq!(
        (volume.labels["lifecycle"].as_str(), volume.labels["container"].as_str()),
        ("container", &*container.name)
    );
    let serial = lab.engine.file(&container.name, "/sys/class/dmi/id/product_serial").unwrap();
    assert!(serial.starts_with(format!("VMware-{} ", &uuid[..2]).as_bytes()), "{}", String::from_utf8_lossy(&serial));

    // What the container has is what the machine has, everywhere.
    let endpoint = &container.endpoints[0];
    let address = endpoint.address.unwrap().to_string();
    let guest = seen.guest().unwrap();
    assert_eq!(guest.ip_address().unwrap(), &*address);
    assert_eq!(guest.host_name().unwrap(), container.hostname.as_str());
    assert_eq!((guest.tools_status(), guest.guest_operations_ready()), (Some(Tools::ToolsOk), Some(true)));
    assert_eq!(guest.guest_family().unwrap(), "linuxGuest");
    let adapter = guest.net().first().unwrap();
    assert_eq!(adapter.ip_address().first().unwrap().as_str(), address);
    let card = seen
        .config()
        .unwrap()
        .hardware()
        .device()
        .iter()
        .find_map(|device| device.downcast::<VirtualEthernetCard>())
        .unwrap()
        .clone();
    assert_eq!((adapter.device_config_id(), adapter.mac_address()), (card.key(), card.mac_address()));
    assert_eq!(card.mac_address().unwrap(), endpoint.mac_address.as_deref().unwrap());
    let stack = guest.ip_stack().first().unwrap();
    assert_eq!(stack.dns_config().unwrap().host_name(), container.hostname.as_str());
    let route = stack.ip_route_config().unwrap().ip_route().first().unwrap();
    assert_eq!(route.gateway().ip_address().unwrap(), &*endpoint.gateway.unwrap().to_string());
    let summary = lab.client.property(&machine, "summary.guest.ipAddress").await.unwrap();
    assert_eq!(summary, Value::from(address.as_str()));
}

#[tokio::test]
async fn power_is_the_container_s() {
    let (lab, machine) = running(&[("RUN.container", "nginx")]).await;
    let status = async || lab.container().await.state.status;
    lab.client.run(&machine, SuspendVMTask::new()).await.unwrap();
    assert_eq!((status().await, lab.vm(&machine).runtime().power_state()), (Status::Paused, Power::Suspended));
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    assert_eq!(status().await, Status::Running);
    let started = lab.container().await.state.started_at;
    lab.client.run(&machine, ResetVMTask::new()).await.unwrap();
    assert_ne!(lab.container().await.state.started_at, started);
    let started = lab.container().await.state.started_at;
    lab.client.call(&machine, RebootGuest::new()).await.unwrap();
    while lab.container().await.state.started_at == started {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    lab.client.call(&machine, ShutdownGuest::new()).await.unwrap();
    lab.until_machine(&machine, "off", is(Power::PoweredOff)).await;
    assert_eq!(status().await, Status::Exited);
    let guest = lab.vm(&machine).guest().unwrap().clone();
    assert_eq!((guest.ip_address(), guest.tools_status()), (None, Some(Tools::ToolsNotRunning)));
    assert_eq!(guest.guest_operations_ready(), Some(false));
    check_fault::<InvalidPowerState>(lab.client.run(&machine, PowerOffVMTask::new()).await);
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    assert_eq!(lab.names().await.len(), 1);
    check_fault::<InvalidPowerState>(lab.client.run(&machine, DestroyTask::new()).await);
    lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    lab.client.run(&machine, DestroyTask::new()).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

#[tokio::test]
async fn what_happens_outside_happens_to_the_machine() {
    let (lab, machine) = running(&[("RUN.container", "nginx")]).await;
    let container = lab.container().await.name;
    lab.engine.kill_outside(&container).unwrap();
    lab.until_machine(&machine, "off", is(Power::PoweredOff)).await;
    assert_eq!(lab.vm(&machine).guest().unwrap().ip_address(), None);
    lab.engine.start_outside(&container).unwrap();
    lab.until_machine(&machine, "on", is(Power::PoweredOn)).await;
    assert_eq!(lab.vm(&machine).guest().unwrap().tools_status(), Some(Tools::ToolsOk));
    lab.engine.pause_outside(&container).unwrap();
    lab.until_machine(&machine, "suspended", is(Power::Suspended)).await;
    lab.engine.unpause_outside(&container).unwrap();
    lab.until_machine(&machine, "on", is(Power::PoweredOn)).await;
    lab.engine.remove_outside(&container).unwrap();
    lab.until_machine(&machine, "off", is(Power::PoweredOff)).await;
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    assert_eq!(lab.container().await.name, container);
    lab.engine.lose();
    lab.engine.come_back();
    lab.engine.kill_outside(&container).unwrap();
    lab.until_machine(&machine, "off", is(Power::PoweredOff)).await;
}

#[tokio::test]
async fn what_the_engine_refuses_leaves_nothing() {
    let lab = lab().await;
    let machine = lab.machine("DC0_H0_VM0");
    lab.keys(&machine, &[("RUN.container", "nginx")]).await.unwrap();
    for step in [Step::PullImage, Step::CreateVolume, Step::CreateContainer, Step::Upload, Step::StartContainer] {
        lab.engine.fail(step, 1, RuntimeError::engine("not today"));
        let error = lab.client.run(&machine, PowerOnVMTask::new()).await.expect_err("it fails");
        assert!(error.to_string().contains("not today"), "{error}");
        assert!(error.fault().is_some_and(|fault| fault.is::<PlatformConfigFault>()), "{error}");
        assert!(lab.engine.left().is_empty(), "{step:?}: {:?}", lab.engine.left());
        assert_eq!(lab.vm(&machine).runtime().power_state(), Power::PoweredOff);
    }
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    lab.engine.fail(Step::PauseContainer, 1, RuntimeError::engine("not today"));
    check_fault::<PlatformConfigFault>(lab.client.run(&machine, SuspendVMTask::new()).await);
    assert_eq!(lab.vm(&machine).runtime().power_state(), Power::PoweredOn);
    check_fault::<InvalidArgument>(lab.keys(&machine, &[("RUN.container", "--gpus all x")]).await);
    check_fault::<InvalidArgument>(lab.keys(&machine, &[("RUN.port.80", "http")]).await);
}

#[tokio::test]
async fn a_kernel_without_firmware_shows_it_elsewhere() {
    let lab = lab().await;
    let machine = lab.machine("DC0_H0_VM0");
    lab.keys(&machine, &[("RUN.container", "nginx")]).await.unwrap();
    let words = "error mounting to rootfs at \"/sys/class/dmi/id\": no such file or directory";
    lab.engine.fail(Step::StartContainer, 1, RuntimeError::engine(words));
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    let container = lab.container().await;
    assert_eq!(container.mounts[0].target, "/sys/class");
    assert!(lab.engine.file(&container.name, "/sys/class/dmi/id/product_uuid").is_some());
    assert_eq!(lab.engine.link(&container.name, "/sys/class/net").as_deref(), Some("/sys/devices/virtual/net"));
}

#[tokio::test]
async fn changed_keys_change_the_container() {
    let (lab, machine) = running(&[("RUN.container", "nginx")]).await;
    let first = lab.container().await;
    lab.keys(&machine, &[("RUN.port.80", "8080")]).await.unwrap();
    let second = lab.container().await;
    assert_ne!(second.id, first.id);
    lab.keys(&machine, &[("guestinfo.a", "b")]).await.unwrap();
    assert_eq!(lab.container().await.id, second.id);
    lab.engine.fail(Step::StartContainer, 1, RuntimeError::engine("not today"));
    check_fault::<PlatformConfigFault>(lab.keys(&machine, &[("RUN.container", "httpd")]).await);
    assert_eq!(lab.container().await.image, "nginx");
    let value = lab
        .vm(&machine)
        .config()
        .unwrap()
        .extra_config()
        .iter()
        .find(|option| option.key() == "RUN.container")
        .unwrap()
        .value()
        .clone();
    assert_eq!(value, Value::from("nginx"));
    lab.keys(&machine, &[("RUN.container", "")]).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
    let seen = lab.vm(&machine);
    assert_eq!((seen.runtime().power_state(), seen.guest().unwrap().ip_address()), (Power::PoweredOn, None));
    lab.keys(&machine, &[("RUN.container", "httpd")]).await.unwrap();
    assert_eq!(lab.container().await.image, "httpd");
    // A machine that is off gets its container when it is started.
    lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    lab.keys(&machine, &[("RUN.container", "nginx")]).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

#[tokio::test]
async fn a_copy_has_a_container_of_its_own() {
    let (lab, machine) = running(&[("RUN.container", "nginx")]).await;
    let folder = lab.vm(&machine).parent().unwrap();
    let clone = CloneVMTask::with(|request| {
        request.set_folder(folder).set_name("copy").spec_mut().set_power_on(true).location_mut();
    });
    let copy = lab.client.run(&machine, clone).await.unwrap().moref().unwrap();
    lab.until_machine(&copy, "an address", |machine| machine.guest().is_some_and(|guest| guest.ip_address().is_some()))
        .await;
    assert_eq!(lab.names().await.len(), 2);
    let address = |machine| lab.vm(machine).guest().unwrap().ip_address().cloned();
    assert_ne!(address(&copy), address(&machine));
    lab.client.run(&copy, PowerOffVMTask::new()).await.unwrap();
    lab.client.call(&copy, UnregisterVM::new()).await.unwrap();
    assert_eq!(lab.names().await.len(), 1);
}

#[tokio::test]
async fn a_folder_takes_its_machines_containers_with_it() {
    for unregister in [false, true] {
        let (lab, machine) = running(&[("RUN.container", "nginx")]).await;
        let parent = lab.vm(&machine).parent().unwrap();
        let folder = lab.client.call(&parent, CreateFolder::with(|request| _ = request.set_name("f"))).await.unwrap();
        let folder = folder.moref().unwrap();
        let into = MoveIntoFolderTask::with(|request| _ = request.set_list([machine.clone()]));
        lab.client.run(&folder, into).await.unwrap();
        // A machine that runs keeps the folder, and its container.
        lab.client.run(&folder, DestroyTask::new()).await.expect_err("the machine runs");
        assert!(lab.container().await.is_running());
        lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
        match unregister {
            true => lab.client.run(&folder, UnregisterAndDestroyTask::new()).await.unwrap(),
            false => lab.client.run(&folder, DestroyTask::new()).await.unwrap(),
        };
        assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
        assert!(lab.simulator.service().snapshot().object(&machine).is_none());
    }
}

#[tokio::test]
async fn a_machine_is_on_its_host_s_underlay() {
    let lab = lab().await;
    let host = lab.host("DC0_H0");
    lab.back(&host, &[("RUN.container", "true"), ("RUN.underlay.vmnic0", "blue")]).await.unwrap();
    let machine = lab.machine("DC0_H0_VM0");
    lab.keys(&machine, &[("RUN.container", "nginx")]).await.unwrap();
    let names = lab.names().await;
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    let mine = lab.names().await.into_iter().find(|name| !names.contains(name)).unwrap();
    let container = lab.engine.inspect_container(&mine).await.unwrap();
    let networks: Vec<_> = container.endpoints.iter().map(|endpoint| endpoint.network.as_str()).collect();
    assert!(networks == ["blue"] || networks == ["bridge"], "{networks:?}");
    lab.keys(&machine, &[("RUN.network", "blue")]).await.unwrap();
    assert!(lab.engine.inspect_container(&mine).await.unwrap().endpoint("blue").is_some());
    lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    lab.client.run(&machine, DestroyTask::new()).await.unwrap();
    lab.back(&host, &[("RUN.container", ""), ("RUN.underlay.vmnic0", "")]).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

/// The change that plugs a machine's first network card into a standard portgroup.
fn plugged(machine: &VirtualMachine, portgroup: &str) -> ReconfigVMTask {
    let devices = machine.config().expect("it has one").hardware().device();
    let card = devices.iter().find(|device| device.downcast::<VirtualEthernetCard>().is_some());
    let mut card = card.expect("it has a card").clone();
    card.set_backing(VirtualEthernetCardNetworkBackingInfo::with(|backing| _ = backing.set_device_name(portgroup)));
    let change = VirtualDeviceConfigSpec::with(|change| {
        change.set_operation(VirtualDeviceConfigSpecOperation::Edit).set_device(card);
    });
    let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.push_device_change(change));
    ReconfigVMTask::with(|request| _ = request.set_spec(spec))
}

#[tokio::test]
async fn a_machine_s_container_follows_its_card_and_its_host() {
    let lab = lab().await;
    let hosts = ["DC0_C0_H0", "DC0_C0_H1"].map(|name| lab.host(name));
    for (host, underlay) in hosts.iter().zip(["blue", "green"]) {
        lab.back(host, &[("RUN.container", "true"), ("RUN.underlay.vmnic0", underlay)]).await.unwrap();
    }
    let machine = lab.machine("DC0_C0_RP0_VM0");
    let to = |host: &Moref| {
        let spec = VirtualMachineRelocateSpec::with(|spec| _ = spec.set_host(host.clone()));
        RelocateVMTask::with(|request| _ = request.set_spec(spec))
    };
    lab.client.run(&machine, to(&hosts[0])).await.unwrap();
    lab.keys(&machine, &[("RUN.container", "nginx")]).await.unwrap();
    let names = lab.names().await;
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    let mine = lab.names().await.into_iter().find(|name| !names.contains(name)).unwrap();

    lab.client.run(&machine, plugged(&lab.vm(&machine), "VM Network")).await.unwrap();
    lab.until_networks(&machine, &mine, &["blue"]).await;
    lab.client.run(&machine, to(&hosts[1])).await.unwrap();
    lab.until_networks(&machine, &mine, &["green"]).await;

    // A machine that is off finds its place when it starts.
    lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    lab.client.run(&machine, to(&hosts[0])).await.unwrap();
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    lab.until_networks(&machine, &mine, &["blue"]).await;

    // What the engine refuses changes nothing.
    lab.engine.fail(Step::JoinNetwork, 1, RuntimeError::engine("no more addresses"));
    lab.client.run(&machine, to(&hosts[1])).await.unwrap();
    lab.client.run(&machine, to(&hosts[0])).await.unwrap();
    lab.until_networks(&machine, &mine, &["blue"]).await;

    lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    lab.client.run(&machine, DestroyTask::new()).await.unwrap();
    for host in &hosts {
        lab.back(host, &[("RUN.container", ""), ("RUN.underlay.vmnic0", "")]).await.unwrap();
    }
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

fn login(user: &str, password: &str) -> NamePasswordAuthentication {
    NamePasswordAuthentication::with(|auth| {
        auth.set_username(user).set_password(password);
        auth.set_interactive_session(false);
    })
}

#[tokio::test]
async fn who_may_not_enter_a_guest_is_told_why() {
    let (lab, machine) = running(&[("RUN.container", "nginx")]).await;
    let manager = Moref::of::<GuestAuthManager>("guestOperationsAuthManager");
    let validate = async |machine: &Moref, user: &str, password: &str| {
        let request = ValidateCredentialsInGuest::with(|request| {
            request.set_vm(machine.clone()).set_auth(login(user, password));
        });
        lab.client.call(&manager, request).await
    };
    validate(&machine, "user", "pass").await.unwrap();
    check_fault::<InvalidGuestLogin>(validate(&machine, "", "").await);
    check_fault::<GuestOperationsUnavailable>(validate(&lab.machine("DC0_H0_VM1"), "user", "pass").await);
    lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    check_fault::<InvalidPowerState>(validate(&machine, "user", "pass").await);
}

#[tokio::test]
async fn a_guest_s_answers_are_read() {
    let (lab, machine) = running(&[("RUN.container", "nginx")]).await;
    lab.engine.on_exec(|_, spec| {
        let arguments: Vec<&str> = spec.command.iter().skip(4).map(String::as_str).collect();
        let (exit_code, stdout) = match arguments.as_slice() {
            ["/taken", ..] => (65, ""),
            ["/none/x", ..] | ["/no/program", ..] => (64, ""),
            ["/bin/true", ..] => (3, "17\n"),
            _ => (0, ""),
        };
        ExecOutcome { exit_code, stdout: stdout.into(), stderr: Vec::new() }
    });
    let files = Moref::of::<GuestFileManager>("guestOperationsFileManager");
    let make = async |path: &str| {
        let request = MakeDirectoryInGuest::with(|request| {
            request.set_vm(machine.clone()).set_auth(login("user", "pass")).set_directory_path(path);
            request.set_create_parent_directories(false);
        });
        lab.client.call(&files, request).await
    };
    make("/new").await.unwrap();
    check_fault::<FileAlreadyExists>(make("/taken").await);
    check_fault::<FileNotFound>(make("/none/x/").await);

    let processes = Moref::of::<GuestProcessManager>("guestOperationsProcessManager");
    let start = async |program: &str| {
        let spec = GuestProgramSpec::with(|spec| _ = spec.set_program_path(program).set_arguments("-x"));
        let request = StartProgramInGuest::with(|request| {
            request.set_vm(machine.clone()).set_auth(login("user", "pass")).set_spec(spec);
        });
        lab.client.call(&processes, request).await
    };
    check_fault::<FileNotFound>(start("/no/program").await);
    assert_eq!(start("/bin/true").await.unwrap(), Value::Long(17));
    let list = async || {
        let request = ListProcessesInGuest::with(|request| {
            request.set_vm(machine.clone()).set_auth(login("user", "pass")).set_pids([17_i64]);
        });
        lab.client.call(&processes, request).await.unwrap()
    };
    let ended = async {
        loop {
            let answer = list().await;
            let info =
                vimsim::types::views::GuestProcessInfo::from_ref(answer.items()[0].object().unwrap()).unwrap().clone();
            if info.end_time().is_some() {
                return info;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let info = tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it has ended");
    assert_eq!((info.owner().as_str(), info.cmd_line().as_str(), info.exit_code()), ("user", "/bin/true -x", Some(3)));
}
