//! What the engine says of a machine's container, in the machine's properties: what VMware Tools in a guest would report.

use vimsim_container::{Container, Endpoint};
use vimsim_types::enums::ManagedEntityStatus;
use vimsim_types::views::{
    GuestInfo, GuestNicInfo, GuestStackInfo, NetDnsConfigInfo, NetIpConfigInfo, NetIpConfigInfoIpAddress,
    NetIpRouteConfigInfo, NetIpRouteConfigInfoGateway, NetIpRouteConfigInfoIpRoute, VirtualEthernetCard,
    VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View, literal};

use super::backing::Backed;
use crate::call::Call;
use crate::objects::virtual_machine::{forget_addresses, tools_run};

/// What a machine's properties say without a container, as far as a container changes them.
#[derive(Clone)]
pub(crate) struct Before {
    guest: Option<GuestInfo>,
    heartbeat: ManagedEntityStatus,
    /// The cards' addresses, by their keys.
    macs: Vec<(i32, Option<ArcStr>)>,
}

impl Before {
    /// What they say now.
    pub(super) fn of(machine: &VirtualMachine) -> Self {
        let devices = machine.config().into_iter().flat_map(|config| config.hardware().device());
        let macs = devices.filter_map(|device| {
            Some((device.key(), device.downcast::<VirtualEthernetCard>()?.mac_address().cloned()))
        });
        Self { guest: machine.guest().cloned(), heartbeat: machine.guest_heartbeat_status(), macs: macs.collect() }
    }
}

/// Shows what runs in the container as what runs in the machine.
pub(super) fn show<T>(call: &mut Call<'_, T>, moref: &Moref, backed: &Backed, seen: &Container) -> Result<(), Fault> {
    let mut machine = call.get::<VirtualMachine>(moref)?.clone();
    tools_run(&mut machine, true);
    let places = places(&machine, backed, seen);
    for device in machine.config_mut().hardware_mut().device_mut().iter_mut() {
        let place = places.iter().find(|(key, _)| *key == Some(device.key()));
        if let Some(mac) = place.and_then(|(_, endpoint)| endpoint.mac_address.as_ref())
            && let Some(card) = device.downcast_mut::<VirtualEthernetCard>()
        {
            card.set_mac_address(mac);
        }
    }
    let guest = machine.guest_mut();
    forget_addresses(guest);
    if !seen.hostname.is_empty() {
        guest.set_host_name(&seen.hostname);
    }
    let known: Vec<GuestNicInfo> = guest.net().iter().cloned().collect();
    let mut adapters: Vec<GuestNicInfo> = Vec::new();
    for (key, endpoint) in &places {
        let card = known.iter().find(|adapter| Some(adapter.device_config_id()) == *key);
        let mut adapter = card.cloned().unwrap_or_else(|| {
            GuestNicInfo::with(|adapter| {
                adapter.set_network(endpoint.network.as_str()).set_device_config_id(key.unwrap_or(-1));
            })
        });
        address(&mut adapter, endpoint);
        adapters.push(adapter);
    }
    // A card that leads nowhere has no address.
    let rest =
        known.into_iter().filter(|adapter| !places.iter().any(|(key, _)| *key == Some(adapter.device_config_id())));
    adapters.extend(rest.filter(|adapter| adapter.device_config_id() >= 0));
    guest.set_net(adapters);
    let first = places.iter().map(|(_, endpoint)| endpoint).find(|endpoint| endpoint.address.is_some());
    if let Some(first) = first {
        guest.set_ip_address(first.address.map(|address| address.to_string()));
        let servers = &backed.wanted.spec.name_servers;
        guest.set_ip_stack([stack(&seen.hostname, servers, first)]);
    }
    *call.edit::<VirtualMachine>(moref)? = machine;
    Ok(())
}

/// The container's places in networks, those of the machine's cards first. A card that nothing says otherwise of is on the
/// next network that no card is on.
fn places<'a>(machine: &VirtualMachine, backed: &Backed, seen: &'a Container) -> Vec<(Option<i32>, &'a Endpoint)> {
    let mut left: Vec<&Endpoint> = backed.networks.iter().filter_map(|network| seen.endpoint(network)).collect();
    for endpoint in &seen.endpoints {
        if !left.iter().any(|known| known.network == endpoint.network) {
            left.push(endpoint);
        }
    }
    let mut places = Vec::new();
    for device in machine.config().into_iter().flat_map(|config| config.hardware().device()) {
        if device.downcast::<VirtualEthernetCard>().is_none() || left.is_empty() {
            continue;
        }
        let network = backed.cards.iter().find(|(key, _)| *key == device.key()).map(|(_, network)| network);
        let at = match network {
            Some(network) => left.iter().position(|endpoint| endpoint.network == *network),
            None if backed.cards.is_empty() => Some(0),
            None => None,
        };
        if let Some(at) = at {
            places.push((Some(device.key()), left.remove(at)));
        }
    }
    places.extend(left.into_iter().map(|endpoint| (None, endpoint)));
    places
}

fn address(adapter: &mut GuestNicInfo, endpoint: &Endpoint) {
    adapter.set_connected(endpoint.address.is_some());
    if let Some(mac) = &endpoint.mac_address {
        adapter.set_mac_address(mac);
    }
    let Some(address) = endpoint.address else { return };
    adapter.set_ip_address([address.to_string()]);
    adapter.set_ip_config(NetIpConfigInfo::with(|config| {
        config.set_ip_address([NetIpConfigInfoIpAddress::with(|info| {
            info.set_ip_address(address.to_string()).set_prefix_length(i32::from(endpoint.prefix_length));
            info.set_state(literal!("preferred"));
        })]);
    }));
}

fn stack(hostname: &str, servers: &[String], endpoint: &Endpoint) -> GuestStackInfo {
    GuestStackInfo::with(|stack| {
        stack.set_dns_config(NetDnsConfigInfo::with(|dns| {
            dns.set_dhcp(false).set_host_name(hostname).set_domain_name(literal!("localdomain"));
            dns.set_ip_address(servers.iter().map(String::as_str));
        }));
        let Some(gateway) = endpoint.gateway else { return };
        let everything = if gateway.is_ipv4() { "0.0.0.0" } else { "::" };
        stack.set_ip_route_config(NetIpRouteConfigInfo::with(|config| {
            config.set_ip_route([NetIpRouteConfigInfoIpRoute::with(|route| {
                route.set_network(everything).set_prefix_length(0);
                route.set_gateway(NetIpRouteConfigInfoGateway::with(|hop| {
                    hop.set_ip_address(gateway.to_string()).set_device(literal!("0"));
                }));
            })]);
        }));
    })
}

/// Shows that what runs in the machine stands still. Its addresses are what they were.
pub(super) fn freeze<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    tools_run(call.edit::<VirtualMachine>(moref)?, false);
    Ok(())
}

/// Shows that nothing runs in the machine.
pub(super) fn go_down<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let mut machine = call.get::<VirtualMachine>(moref)?.clone();
    tools_run(&mut machine, false);
    forget_addresses(machine.guest_mut());
    *call.edit::<VirtualMachine>(moref)? = machine;
    Ok(())
}

/// Shows what the machine's properties said without the container.
pub(super) fn hide<T>(call: &mut Call<'_, T>, moref: &Moref, backed: &Backed) -> Result<(), Fault> {
    let machine = call.edit::<VirtualMachine>(moref)?;
    let before = &backed.before;
    machine
        .as_object_mut()
        .set(VirtualMachine::GUEST, before.guest.clone().map_or(Value::Unset, |guest| Value::Object(guest.into())));
    machine.set_guest_heartbeat_status(before.heartbeat);
    for device in machine.config_mut().hardware_mut().device_mut().iter_mut() {
        let known = before.macs.iter().find(|(key, _)| *key == device.key()).and_then(|(_, mac)| mac.clone());
        if let (Some(mac), Some(card)) = (known, device.downcast_mut::<VirtualEthernetCard>()) {
            card.set_mac_address(mac);
        }
    }
    Ok(())
}
