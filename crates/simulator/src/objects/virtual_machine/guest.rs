//! The guest: what runs in a virtual machine and what VMware Tools in it report.
//!
//! A machine that a client starts has an operating system if it has a disk, and Tools in it. They report a name and, for each
//! network adapter, an address of its network: `10.N.0.0/16` for the network with the number N. A machine that a container
//! stands behind has what the container has.

use std::net::Ipv4Addr;

use vimsim_types::enums::{ManagedEntityStatus, VirtualMachinePowerState as Power, VirtualMachineToolsStatus as Tools};
use vimsim_types::method::ResetGuestInformation;
use vimsim_types::views::{
    GuestInfo, GuestNicInfo, GuestStackInfo, NetDnsConfigInfo, NetIpConfigInfo, NetIpConfigInfoIpAddress,
    NetIpRouteConfigInfo, NetIpRouteConfigInfoGateway, NetIpRouteConfigInfoIpRoute, VirtualDisk, VirtualEthernetCard,
    VirtualMachine, VirtualMachineConfigInfo,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View, literal};

use super::{customize, ethernet, guest_disk, power};
use crate::call::{Call, Context};
use crate::clock;
use crate::containers::machine::is_contained;
use crate::objects::{alarm_manager, environment_browser};
use crate::rules::ip_key;

/// The version of open-vm-tools that guests report: 12.3.5.
const TOOLS_VERSION: i32 = 12_357;

/// The length of the prefix of the networks that addresses are given from.
const PREFIX: i32 = 16;

/// Whether the machine has an operating system that is not a container's.
fn has_system(config: &VirtualMachineConfigInfo) -> bool {
    !is_contained(config) && config.hardware().device().iter().any(|device| device.downcast::<VirtualDisk>().is_some())
}

/// Has the guest of a machine that was started come up: now, or when the time that it takes has gone by.
pub(super) fn boot<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let context = call.context();
    let delay = context.service.config().guest_delay;
    if context.at_once || !call.get::<VirtualMachine>(moref)?.config().is_some_and(has_system) {
        return Ok(());
    }
    if delay.is_zero() {
        return come_up(call, moref);
    }
    let started = call.get::<VirtualMachine>(moref)?.runtime().boot_time();
    let (service, moref) = (context.service.clone(), moref.clone());
    context.service.spawner().spawn(async move {
        clock::pass(service.clock(), delay).await;
        let context = Context::internal(service.clone(), false);
        let result: Result<(), Fault> = service.registry().write(|transaction| {
            let mut call: Call<'_, VirtualMachine> = Call::new(transaction, &context, moref.clone());
            // The machine may be gone, or off, or started anew.
            let is_same = call.view::<VirtualMachine>(&moref).is_some_and(|machine| {
                machine.runtime().power_state() == Power::PoweredOn && machine.runtime().boot_time() == started
            });
            if is_same { come_up(&mut call, &moref) } else { Ok(()) }
        });
        if let Err(fault) = result {
            tracing::error!(%moref, %fault, "the guest of a virtual machine could not come up");
        }
    });
    Ok(())
}

/// Has VMware Tools run in the guest and report.
fn come_up<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.edit::<VirtualMachine>(moref)?;
    let Some(config) = machine.config() else { return Ok(()) };
    let (id, name) = (config.guest_id().clone(), host_name(config.name()));
    let is_windows = environment_browser::guest_family(&id) == "windowsGuest";
    machine.config_mut().tools_mut().set_tools_version(TOOLS_VERSION);
    machine.set_guest_heartbeat_status(ManagedEntityStatus::Green);
    let guest = machine.guest_mut();
    let version_status = if is_windows { literal!("guestToolsCurrent") } else { literal!("guestToolsUnmanaged") };
    guest.set_tools_status(Tools::ToolsOk).set_tools_running_status(literal!("guestToolsRunning"));
    guest.set_tools_version_status(&version_status).set_tools_version_status2(version_status);
    guest.set_tools_version(TOOLS_VERSION.to_string());
    guest.set_tools_install_type(if is_windows {
        literal!("guestToolsTypeMSI")
    } else {
        literal!("guestToolsTypeOpenVMTools")
    });
    guest.set_guest_id(&id).set_guest_family(environment_browser::guest_family(&id));
    guest.set_guest_full_name(environment_browser::guest_full_name(&id));
    guest.set_guest_state(literal!("running")).set_guest_state_change_supported(true);
    if guest.host_name().is_none() {
        guest.set_host_name(name);
    }
    guest_disk::report(call.edit::<VirtualMachine>(moref)?, true);
    customize::carry_out(call, moref)?;
    give_addresses(call, moref)?;
    alarm_manager::compare_states(call, moref)
}

/// Has VMware Tools of a container report, or not: what runs in a container is Linux, whatever the machine was made for.
pub(crate) fn tools_run(machine: &mut VirtualMachine, is_on: bool) {
    let Some(config) = machine.config() else { return };
    let wanted = config.guest_id().clone();
    let is_linux = environment_browser::guest_family(&wanted) == "linuxGuest";
    let id = if is_linux { wanted } else { literal!("otherLinux64Guest") };
    machine.config_mut().tools_mut().set_tools_version(TOOLS_VERSION);
    machine.set_guest_heartbeat_status(if is_on { ManagedEntityStatus::Green } else { ManagedEntityStatus::Gray });
    let guest = machine.guest_mut();
    guest.set_tools_status(if is_on { Tools::ToolsOk } else { Tools::ToolsNotRunning });
    guest.set_tools_running_status(if is_on {
        literal!("guestToolsRunning")
    } else {
        literal!("guestToolsNotRunning")
    });
    guest.set_tools_version_status(literal!("guestToolsUnmanaged"));
    guest.set_tools_version_status2(literal!("guestToolsUnmanaged"));
    guest.set_tools_version(TOOLS_VERSION.to_string()).set_tools_install_type(literal!("guestToolsTypeOpenVMTools"));
    guest.set_guest_id(&id).set_guest_family(environment_browser::guest_family(&id));
    guest.set_guest_full_name(environment_browser::guest_full_name(&id));
    guest.set_guest_state(if is_on { literal!("running") } else { literal!("notRunning") });
    guest.set_guest_state_change_supported(is_on).set_guest_operations_ready(is_on);
    guest_disk::report(machine, is_on);
}

/// What a machine's operating system is called: the machine's name with nothing that a host name cannot have.
pub(super) fn host_name(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let name: String = letters.take(63).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "localhost".into() } else { name.into() }
}

/// Gives every adapter of a running guest that has none an address of its network.
pub(super) fn give_addresses<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    let is_running = machine.guest().and_then(|guest| guest.tools_running_status());
    let is_contained = machine.config().is_none_or(|config| !has_system(config));
    if is_contained || is_running.is_none_or(|status| *status != "guestToolsRunning") {
        return Ok(());
    }
    let mut guest = machine.guest().cloned().unwrap_or_else(GuestInfo::new);
    let mut adapters: Vec<GuestNicInfo> = guest.net().iter().cloned().collect();
    let mut taken: Vec<Ipv4Addr> = Vec::new();
    let networks: Vec<(i32, Moref)> = networks(call, moref)?;
    for adapter in adapters.iter_mut().filter(|adapter| adapter.ip_address().is_empty()) {
        if let Some((address, prefix)) = fixed_address(adapter) {
            set_address(adapter, &address, prefix, "manual");
            continue;
        }
        let network = networks.iter().find(|(key, _)| *key == adapter.device_config_id());
        let Some((_, network)) = network else { continue };
        let address = free_address(call, moref, network, &taken);
        taken.push(address);
        set_address(adapter, &address.to_string(), PREFIX, "dhcp");
    }
    guest.set_net(adapters);
    let stack = guest.ip_stack().first().cloned();
    let gateway = stack.as_ref().and_then(default_gateway).or_else(|| gateway_of(&guest));
    // What was set by hand stays.
    let dns = stack.as_ref().and_then(|stack| stack.dns_config()).filter(|dns| !dns.dhcp());
    let servers: Vec<ArcStr> = dns.iter().flat_map(|dns| dns.ip_address().iter().cloned()).collect();
    let domain = dns.map(|dns| dns.domain_name().clone()).filter(|domain| !domain.is_empty());
    summarize(&mut guest, gateway.as_deref(), &servers, domain.as_deref());
    call.edit::<VirtualMachine>(moref)?.set_guest(guest);
    Ok(())
}

/// The address that an adapter was given by hand, and the length of its prefix.
fn fixed_address(adapter: &GuestNicInfo) -> Option<(ArcStr, i32)> {
    let info = adapter.ip_config()?.ip_address().first()?;
    let is_fixed = info.origin().is_some_and(|origin| *origin == "manual");
    is_fixed.then(|| (info.ip_address().clone(), info.prefix_length()))
}

fn default_gateway(stack: &GuestStackInfo) -> Option<String> {
    let routes = stack.ip_route_config()?.ip_route();
    let default = routes.iter().find(|route| route.prefix_length() == 0)?;
    default.gateway().ip_address().map(ToString::to_string)
}

/// The networks of the machine's connected adapters, by the adapters' keys.
fn networks<T>(call: &Call<'_, T>, moref: &Moref) -> Result<Vec<(i32, Moref)>, Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    let Some(config) = machine.config() else { return Ok(Vec::new()) };
    let (Some(datacenter), Some(host)) = (call.datacenter_of(moref), machine.runtime().host()) else {
        return Ok(Vec::new());
    };
    let site = super::device::Site { uuid: "", datacenter: &datacenter, host: &host, is_on: true, is_new: false };
    let devices = config.hardware().device();
    let connected = devices.iter().filter(|device| {
        device.downcast::<VirtualEthernetCard>().is_some()
            && device.connectable().is_none_or(|connectable| connectable.connected())
    });
    Ok(connected.filter_map(|device| Some((device.key(), ethernet::network_of(call, &site, device)?))).collect())
}

/// The number at the end of a reference.
fn number(moref: &Moref) -> u32 {
    let value = moref.value();
    let digits = value.len() - value.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    value[value.len() - digits..].parse().unwrap_or_default()
}

/// The first address of a network that nobody has, from one on that follows from the machine's number.
fn free_address<T>(call: &Call<'_, T>, machine: &Moref, network: &Moref, taken: &[Ipv4Addr]) -> Ipv4Addr {
    let net = (10 << 24) | ((number(network) % 256) << 16);
    // The first 16 are for gateways and servers, the last is the broadcast address.
    const FIRST: u32 = 16;
    const COUNT: u32 = 0xffff - FIRST;
    let start = number(machine) % COUNT;
    let candidate = |step: u32| Ipv4Addr::from(net | (FIRST + (start + step) % COUNT));
    let is_free =
        |address: &Ipv4Addr| !taken.contains(address) && call.indexed(ip_key(&address.to_string())).next().is_none();
    (0..COUNT).map(candidate).find(is_free).unwrap_or_else(|| candidate(0))
}

/// Writes an adapter's one address.
pub(super) fn set_address(adapter: &mut GuestNicInfo, address: &str, prefix: i32, origin: &'static str) {
    adapter.set_connected(true);
    adapter.set_ip_address([address]);
    adapter.set_ip_config(NetIpConfigInfo::with(|config| {
        config.set_ip_address([NetIpConfigInfoIpAddress::with(|info| {
            info.set_ip_address(address).set_prefix_length(prefix).set_origin(origin);
            info.set_state(literal!("preferred"));
        })]);
    }));
}

/// The first host of the network of the guest's first address.
fn gateway_of(guest: &GuestInfo) -> Option<String> {
    let info = guest.net().iter().find_map(|adapter| adapter.ip_config()?.ip_address().first())?;
    let address: Ipv4Addr = info.ip_address().parse().ok()?;
    Some((network_address(address, info.prefix_length()) | Ipv4Addr::new(0, 0, 0, 1)).to_string())
}

fn network_address(address: Ipv4Addr, prefix: i32) -> Ipv4Addr {
    let prefix = u32::try_from(prefix.clamp(0, 32)).unwrap_or_default();
    Ipv4Addr::from(u32::from(address) & u32::MAX.checked_shl(32 - prefix).unwrap_or_default())
}

/// Brings the guest's own address and its routes up to what its adapters have.
pub(super) fn summarize(guest: &mut GuestInfo, gateway: Option<&str>, servers: &[ArcStr], domain: Option<&str>) {
    let first = guest.net().iter().find_map(|adapter| adapter.ip_address().first().cloned());
    let Some(first) = first else { return };
    guest.set_ip_address(&first);
    let mut routes: Vec<(String, i32, Option<String>, usize)> = Vec::new();
    if let Some(gateway) = gateway {
        routes.push(("0.0.0.0".into(), 0, Some(gateway.into()), 0));
    }
    for (at, adapter) in guest.net().iter().enumerate() {
        for info in adapter.ip_config().iter().flat_map(|config| config.ip_address().iter()) {
            if let Ok(address) = info.ip_address().parse() {
                let network = network_address(address, info.prefix_length()).to_string();
                routes.push((network, info.prefix_length(), None, at));
            }
        }
    }
    let is_dhcp = servers.is_empty();
    let servers: Vec<ArcStr> = match gateway {
        Some(gateway) if is_dhcp => vec![gateway.into()],
        _ => servers.to_vec(),
    };
    let name = guest.host_name().map(|name| name.split('.').next().unwrap_or(name).to_string()).unwrap_or_default();
    let domain = domain.unwrap_or("localdomain");
    guest.set_ip_stack([GuestStackInfo::with(|stack| {
        stack.set_dns_config(NetDnsConfigInfo::with(|dns| {
            dns.set_dhcp(is_dhcp).set_host_name(name).set_domain_name(domain);
            dns.set_ip_address(servers).set_search_domain([domain]);
        }));
        stack.set_ip_route_config(NetIpRouteConfigInfo::with(|config| {
            config.set_ip_route(routes.into_iter().map(|(network, prefix, gateway, device)| {
                NetIpRouteConfigInfoIpRoute::with(|route| {
                    route.set_network(network).set_prefix_length(prefix);
                    route.set_gateway(NetIpRouteConfigInfoGateway::with(|hop| {
                        hop.set_ip_address(gateway).set_device(device.to_string());
                    }));
                })
            }));
        }));
    })]);
}

/// What a guest says no more once it does not run: its addresses.
pub(super) fn go_down(machine: &mut VirtualMachine) {
    guest_disk::report(machine, false);
    let Some(config) = machine.config() else { return };
    // What was set by hand, in a machine without Tools, stays.
    let has_tools = machine.guest().and_then(|guest| guest.tools_status());
    let has_tools = has_tools.is_some_and(|status| status != Tools::ToolsNotInstalled);
    let has_addresses = machine.guest().is_some_and(|guest| guest.ip_address().is_some());
    if !has_tools || !has_addresses || !has_system(config) {
        return;
    }
    forget_addresses(machine.guest_mut());
}

/// Unsets what only a running guest has. What was set in it by hand is there again when it comes up, so `ipConfig` and
/// `ipStack` keep it.
pub(crate) fn forget_addresses(guest: &mut GuestInfo) {
    guest.as_object_mut().set(GuestInfo::IP_ADDRESS, Value::Unset);
    if !guest.net().iter().any(|adapter| fixed_address(adapter).is_some()) {
        guest.as_object_mut().set(GuestInfo::IP_STACK, Value::Unset);
    }
    for adapter in guest.net_mut().iter_mut() {
        adapter.as_object_mut().set(GuestNicInfo::IP_ADDRESS, Value::Unset);
        if fixed_address(adapter).is_none() {
            adapter.as_object_mut().set(GuestNicInfo::IP_CONFIG, Value::Unset);
        }
    }
}

/// Forgets what the guest said of itself.
///
/// - `InvalidPowerState` unless the machine is off.
pub(super) fn reset_guest_information(
    call: &mut Call<'_, VirtualMachine>,
    _: ResetGuestInformation,
) -> Result<(), Fault> {
    let existing = call.this()?.runtime().power_state();
    if existing != Power::PoweredOff {
        return Err(power::invalid_power_state(Power::PoweredOff, existing));
    }
    let guest = call.this_mut()?.guest_mut();
    let slots = [
        GuestInfo::GUEST_ID,
        GuestInfo::GUEST_FAMILY,
        GuestInfo::GUEST_FULL_NAME,
        GuestInfo::HOST_NAME,
        GuestInfo::DISK,
        GuestInfo::SCREEN,
    ];
    slots.into_iter().for_each(|slot| guest.as_object_mut().set(slot, Value::Unset));
    forget_addresses(guest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_host_names() {
        assert_eq!((host_name("DC0_H0_VM0"), host_name("__")), ("dc0-h0-vm0".into(), "localhost".into()));
    }

    #[test]
    fn networks_are_masked() {
        let address = Ipv4Addr::new(10, 1, 2, 3);
        assert_eq!(network_address(address, 16), Ipv4Addr::new(10, 1, 0, 0));
        assert_eq!((network_address(address, 0), network_address(address, 32)), (Ipv4Addr::UNSPECIFIED, address));
    }
}
