//! Customization: a name and addresses for the guest, set when the machine is next started.

use std::collections::BTreeMap;

use vimsim_types::enums::{GuestInfoCustomizationStatus as Status, VirtualMachinePowerState as Power};
use vimsim_types::method::{CheckCustomizationSpec, CustomizeVMTask};
use vimsim_types::views::{
    CustomizationAdapterMapping, CustomizationCloudinitPrep, CustomizationFixedIp, CustomizationFixedName,
    CustomizationLinuxPrep, CustomizationName, CustomizationNetworkSetupFailed, CustomizationPending,
    CustomizationPrefixName, CustomizationSpec, CustomizationStartedEvent, CustomizationSucceeded,
    CustomizationSysprep, GuestInfo, GuestInfoCustomizationInfo, GuestNicInfo, HostSystem, InvalidState,
    NicSettingMismatch, NotSupported, ToolsConfigInfo, UncustomizableGuest, VirtualEthernetCard, VirtualMachine,
    VirtualMachineGuestCustomizationManager,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, Value, View};

use super::disk::DatastorePath;
use super::{create, guest, power};
use crate::call::Call;
use crate::objects::environment_browser;

/// The specifications of machines that have not been started since, kept by the customization manager.
#[derive(Clone, Default)]
struct Pending(BTreeMap<ArcStr, CustomizationSpec>);

fn manager() -> Moref {
    Moref::of::<VirtualMachineGuestCustomizationManager>("GuestCustomizationManager")
}

/// Customizes the guest when the machine is next started.
///
/// - As faults of the task: `InvalidPowerState` unless the machine is off; `InvalidState` on a host in maintenance mode;
///   `CustomizationPending`; `NicSettingMismatch`; `UncustomizableGuest` for Linux settings of Windows, or the reverse.
pub(super) fn customize_vm(call: &mut Call<'_, VirtualMachine>, request: CustomizeVMTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let this = call.moref();
        let machine = call.this()?;
        let existing = machine.runtime().power_state();
        if existing != Power::PoweredOff {
            return Err(power::invalid_power_state(Power::PoweredOff, existing));
        }
        if machine.config().is_some_and(|config| config.template()) {
            return Err(Fault::new(NotSupported::new(), format!("'{}' is a template", machine.name())));
        }
        if let Some(host) = machine.runtime().host() {
            create::check_host(call.get::<HostSystem>(&host)?)?;
        }
        apply(call, &this, request.spec())
    })
}

/// Says whether the guest could be customized so.
///
/// - `NicSettingMismatch`, `UncustomizableGuest`.
pub(super) fn check_customization_spec(
    call: &mut Call<'_, VirtualMachine>,
    request: CheckCustomizationSpec,
) -> Result<(), Fault> {
    check(call.this()?, request.spec())?;
    check_adapters(call.this()?, request.spec())
}

fn pending(machine: &VirtualMachine) -> Option<&ArcStr> {
    machine.config()?.tools()?.pending_customization().filter(|path| !path.is_empty())
}

/// What [`customize_vm`] raises of the guest.
pub(super) fn check(machine: &VirtualMachine, spec: &CustomizationSpec) -> Result<(), Fault> {
    let Some(config) = machine.config() else { return Ok(()) };
    let family = environment_browser::guest_family(config.guest_id());
    let identity = spec.identity();
    let is_wrong = (family == "windowsGuest" && identity.downcast::<CustomizationLinuxPrep>().is_some())
        || (family == "linuxGuest" && identity.downcast::<CustomizationSysprep>().is_some());
    if is_wrong {
        let detail = UncustomizableGuest::with(|fault| {
            fault.set_uncustomizable_guest_os(config.guest_full_name());
        });
        let why = format!("the settings are not for the guest operating system '{}'", config.guest_full_name());
        return Err(Fault::new(detail, why));
    }
    Ok(())
}

fn cards(machine: &VirtualMachine) -> usize {
    let devices = machine.config().map(|config| config.hardware().device());
    let devices = devices.iter().flat_map(|devices| devices.iter());
    devices.filter(|device| device.downcast::<VirtualEthernetCard>().is_some()).count()
}

/// Cloud-init has its adapters in its own data.
fn check_adapters(machine: &VirtualMachine, spec: &CustomizationSpec) -> Result<(), Fault> {
    let (settings, adapters) = (spec.nic_setting_map().len(), cards(machine));
    if settings == adapters || spec.identity().downcast::<CustomizationCloudinitPrep>().is_some() {
        return Ok(());
    }
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let detail = NicSettingMismatch::with(|fault| {
        fault.set_number_of_nics_in_spec(number(settings)).set_number_of_nics_in_vm(number(adapters));
    });
    let why = format!("the specification is for {settings} network adapters, the virtual machine has {adapters}");
    Err(Fault::new(detail, why))
}

/// Keeps the specification for the machine's next start.
pub(super) fn apply<T>(call: &mut Call<'_, T>, moref: &Moref, spec: &CustomizationSpec) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    check(machine, spec)?;
    if pending(machine).is_some() {
        let why = format!("'{}' is to be customized already", machine.name());
        return Err(Fault::new(CustomizationPending::new(), why));
    }
    check_adapters(machine, spec)?;
    if call.object(&manager()).is_none() {
        return Err(Fault::new(NotSupported::new(), "only vCenter customizes guests"));
    }
    let home = machine.config().and_then(|config| config.files().vm_path_name());
    let home = home.and_then(|path| DatastorePath::parse(path)).map(|path| path.parent());
    let package = home.map(|home| home.join(&format!("imc-{}.cab", moref.value())).to_string());
    let mut spec = spec.clone();
    adopt_addresses(call, moref, &mut spec)?;
    let machine = call.edit::<VirtualMachine>(moref)?;
    machine.config_mut().tools_mut().set_pending_customization(package.unwrap_or_else(|| "imc.cab".into()));
    set_status(machine.guest_mut(), Status::TOOLSDEPLOYPKGPENDING, None);
    call.private::<Pending>(&manager())?.0.insert(moref.value().clone(), spec);
    Ok(())
}

/// Gives the machine's adapters the addresses that the settings are for.
// Fidelity: in vCenter the settings must name addresses that adapters have. vcsim gives the adapters those that are named, in
// their order, and its clients rely on it.
fn adopt_addresses<T>(call: &mut Call<'_, T>, moref: &Moref, spec: &mut CustomizationSpec) -> Result<(), Fault> {
    let wanted: Vec<Option<ArcStr>> = spec
        .nic_setting_map()
        .iter()
        .map(|mapping| mapping.mac_address().filter(|address| !address.is_empty()).cloned())
        .collect();
    if wanted.iter().all(Option::is_none) {
        return Ok(());
    }
    let machine = call.edit::<VirtualMachine>(moref)?;
    let mut changed: Vec<(i32, ArcStr)> = Vec::new();
    let devices = machine.config_mut().hardware_mut().device_mut();
    let mut devices = devices;
    let cards = devices.iter_mut().filter_map(|device| device.downcast_mut::<VirtualEthernetCard>());
    for (card, address) in cards.zip(wanted) {
        let Some(address) = address else { continue };
        if card.mac_address().is_none_or(|own| !own.eq_ignore_ascii_case(&address)) {
            let address = ArcStr::from(address.to_ascii_lowercase());
            card.set_mac_address(&address).set_address_type("manual");
            changed.push((card.key(), address));
        }
    }
    for adapter in machine.guest_mut().net_mut().iter_mut() {
        if let Some((_, address)) = changed.iter().find(|(key, _)| *key == adapter.device_config_id()) {
            adapter.set_mac_address(address);
        }
    }
    Ok(())
}

fn set_status(guest: &mut GuestInfo, status: Status, error: Option<&str>) {
    guest.set_customization_info(GuestInfoCustomizationInfo::with(|info| {
        info.set_customization_status(status.name());
        info.set_error_msg(error);
    }));
}

/// Forgets what a machine that is no more was to become.
pub(super) fn forget<T>(call: &mut Call<'_, T>, moref: &Moref, machine: &VirtualMachine) -> Result<(), Fault> {
    if pending(machine).is_some() && call.object(&manager()).is_some() {
        call.private::<Pending>(&manager())?.0.remove(moref.value());
    }
    Ok(())
}

/// Customizes the guest that has just come up, if that is to be done.
pub(super) fn carry_out<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    if pending(machine).is_none() || call.object(&manager()).is_none() {
        return Ok(());
    }
    let mut machine = machine.clone();
    let spec = call.private::<Pending>(&manager())?.0.remove(moref.value());
    machine.config_mut().tools_mut().as_object_mut().set(ToolsConfigInfo::PENDING_CUSTOMIZATION, Value::Unset);
    let Some(spec) = spec else {
        *call.edit::<VirtualMachine>(moref)? = machine;
        return Ok(());
    };
    set_up(call, moref, machine, &spec)
}

/// What is in the way of customizing the guest while it runs.
///
/// - `InvalidState` unless the machine runs; what [`check`] raises.
pub(crate) fn check_guest(machine: &VirtualMachine, spec: Option<&CustomizationSpec>) -> Result<(), Fault> {
    if machine.runtime().power_state() != Power::PoweredOn {
        return Err(Fault::new(InvalidState::new(), format!("'{}' does not run", machine.name())));
    }
    spec.map_or(Ok(()), |spec| check(machine, spec))
}

/// Customizes the guest of a machine that runs.
///
/// - What [`check_guest`] raises; `NicSettingMismatch`.
pub(crate) fn customize_now<T>(call: &mut Call<'_, T>, moref: &Moref, spec: &CustomizationSpec) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    check_guest(machine, Some(spec))?;
    check_adapters(machine, spec)?;
    let machine = machine.clone();
    set_up(call, moref, machine, spec)
}

/// Customizes the guest, or writes down why it cannot be.
fn set_up<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    mut machine: VirtualMachine,
    spec: &CustomizationSpec,
) -> Result<(), Fault> {
    call.post(moref, CustomizationStartedEvent::with(|event| _ = event.set_template(false)))?;
    let now = call.now();
    if let Err(fault) = check_adapters(&machine, spec) {
        set_status(machine.guest_mut(), Status::TOOLSDEPLOYPKGFAILED, Some(fault.message()));
        *call.edit::<VirtualMachine>(moref)? = machine;
        let event = CustomizationNetworkSetupFailed::with(|event| {
            event.set_template(false);
            event.set_reason(fault.message());
        });
        return call.post(moref, event);
    }
    let name = machine.name().clone();
    customize(machine.guest_mut(), &name, spec);
    let guest = machine.guest_mut();
    set_status(guest, Status::TOOLSDEPLOYPKGSUCCEEDED, None);
    guest.customization_info_mut().set_start_time(now).set_end_time(now);
    *call.edit::<VirtualMachine>(moref)? = machine;
    call.post(moref, CustomizationSucceeded::with(|event| _ = event.set_template(false)))
}

/// Writes the name and the addresses that the specification sets into what the guest reports.
fn customize(guest: &mut GuestInfo, machine: &str, spec: &CustomizationSpec) {
    if let Some(prep) = spec.identity().downcast::<CustomizationCloudinitPrep>() {
        return cloud_init(guest, prep.metadata());
    }
    let (name, domain) = identity(machine, spec);
    guest.set_host_name(match &domain {
        Some(domain) if !domain.is_empty() && spec.identity().downcast::<CustomizationSysprep>().is_some() => {
            format!("{name}.{domain}")
        }
        _ => name,
    });
    let settings: Vec<CustomizationAdapterMapping> = spec.nic_setting_map().iter().cloned().collect();
    let mut gateway = None;
    for (adapter, mapping) in guest.net_mut().iter_mut().zip(&settings) {
        let settings = mapping.adapter();
        let Some(fixed) = settings.ip().downcast::<CustomizationFixedIp>() else { continue };
        let prefix = settings.subnet_mask().and_then(|mask| prefix_length(mask)).unwrap_or(24);
        guest::set_address(adapter, fixed.ip_address(), prefix, "manual");
        gateway = gateway.or_else(|| settings.gateway().first().cloned());
    }
    let own = settings.iter().flat_map(|mapping| mapping.adapter().dns_server_list().iter().cloned());
    let mut servers: Vec<ArcStr> = Vec::new();
    for server in spec.global_ip_settings().dns_server_list().iter().cloned().chain(own) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    let suffix = spec.global_ip_settings().dns_suffix_list().first().cloned();
    let domain = suffix.map(|suffix| suffix.to_string()).or(domain).filter(|domain| !domain.is_empty());
    guest::summarize(guest, gateway.as_deref(), &servers, domain.as_deref());
}

/// The name that the guest gets, and its domain.
fn identity(machine: &str, spec: &CustomizationSpec) -> (String, Option<String>) {
    let identity = spec.identity();
    let named = |name: &CustomizationName| {
        if let Some(fixed) = name.downcast::<CustomizationFixedName>() {
            fixed.name().to_string()
        } else if let Some(prefix) = name.downcast::<CustomizationPrefixName>() {
            format!("{}-1", prefix.base())
        } else {
            guest::host_name(machine)
        }
    };
    if let Some(linux) = identity.downcast::<CustomizationLinuxPrep>() {
        (named(linux.host_name()), Some(linux.domain().to_string()))
    } else if let Some(windows) = identity.downcast::<CustomizationSysprep>() {
        (named(windows.user_data().computer_name()), None)
    } else {
        (guest::host_name(machine), None)
    }
}

/// The length of the prefix of a mask such as 255.255.0.0.
fn prefix_length(mask: &str) -> Option<i32> {
    let mask: std::net::Ipv4Addr = mask.parse().ok()?;
    i32::try_from(u32::from(mask).leading_ones()).ok()
}

/// Reads the name and the addresses out of cloud-init's meta data, which is YAML or JSON.
fn cloud_init(guest: &mut GuestInfo, metadata: &str) {
    let (mut name, mut gateway) = (None, None);
    let mut addresses: Vec<String> = Vec::new();
    let mut in_addresses = false;
    let clean = |text: &str| text.trim().trim_matches(['"', '\'', ',', '[', ']', ' ']).to_string();
    for line in metadata.lines() {
        let line = line.trim();
        if let Some(item) = line.strip_prefix("- ").filter(|_| in_addresses) {
            addresses.push(clean(item));
            continue;
        }
        in_addresses = false;
        let Some((key, value)) = line.split_once(':') else { continue };
        match clean(key).as_str() {
            "local-hostname" => name = Some(clean(value)),
            "hostname" if name.is_none() => name = Some(clean(value)),
            "gateway4" => gateway = Some(clean(value)),
            "addresses" => {
                addresses.extend(value.split(',').map(clean).filter(|address| !address.is_empty()));
                in_addresses = true;
            }
            _ => {}
        }
    }
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        guest.set_host_name(name);
    }
    // An address of an adapter has its prefix; one of a name server has none.
    let (own, servers): (Vec<String>, Vec<String>) = addresses.into_iter().partition(|address| address.contains('/'));
    for (adapter, address) in guest.net_mut().iter_mut().zip(&own) {
        let (address, prefix) = address.split_once('/').unwrap_or((address, "24"));
        set_fixed(adapter, address, prefix.parse().unwrap_or(24));
    }
    let servers: Vec<ArcStr> = servers.into_iter().map(ArcStr::from).collect();
    guest::summarize(guest, gateway.as_deref(), &servers, None);
}

fn set_fixed(adapter: &mut GuestNicInfo, address: &str, prefix: i32) {
    guest::set_address(adapter, address, prefix, "manual");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_lengths() {
        assert_eq!((prefix_length("255.255.0.0"), prefix_length("255.255.255.128")), (Some(16), Some(25)));
        assert_eq!(prefix_length("x"), None);
    }

    #[test]
    fn cloud_init_names_the_guest_and_its_addresses() {
        let mut guest = GuestInfo::with(|guest| {
            guest.push_net(GuestNicInfo::with(|adapter| _ = adapter.set_connected(true).set_device_config_id(4000)));
        });
        let metadata = "instance-id: a\nlocal-hostname: box\nnetwork:\n  ethernets:\n    eth0:\n      addresses:\n      - \
                        192.168.0.7/24\n      gateway4: 192.168.0.1\n      nameservers:\n        addresses: [1.1.1.1]\n";
        cloud_init(&mut guest, metadata);
        assert_eq!(guest.host_name().map(|name| name.as_str()), Some("box"));
        assert_eq!(guest.ip_address().map(|name| name.as_str()), Some("192.168.0.7"));
        let stack = guest.ip_stack().first().expect("a stack");
        assert_eq!(
            stack.dns_config().expect("set").ip_address().first().map(|it| it.to_string()),
            Some("1.1.1.1".into())
        );
    }
}
