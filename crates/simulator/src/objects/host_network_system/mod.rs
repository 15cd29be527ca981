//! `HostNetworkSystem`: a host's switches, portgroups and addresses.

mod config;
mod interface;
mod switch;

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::method::{QueryNetworkHint, RefreshNetworkSystem, UpdateDnsConfig, UpdateIpRouteConfig};
use vimsim_types::views::{
    HostDnsConfig, HostIpRouteConfig, HostNetStackInstance, HostNetworkSystem, PhysicalNicHintInfo,
};
use vimsim_types::{Fault, Value, View};

use super::host_managers::{edit_config, look_host, no_such, refreshed};
use super::host_system;
use crate::call::{Call, Context, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostNetworkSystem> {
    config::add(interface::add(switch::add(Kind::new())))
        .computed(HostNetworkSystem::NETWORK_CONFIG, network_config)
        .read(query_network_hint)
        .read(refreshed::<HostNetworkSystem, RefreshNetworkSystem>)
        .write(update_dns_config)
        .write(update_ip_route_config)
}

/// The specification that would make the network as it is.
fn network_config(_: &Context, _: &Snapshot, object: &ManagedObject) -> Value {
    let network = object.view::<HostNetworkSystem>().and_then(|system| system.network_info());
    network.map_or(Value::Unset, |network| Value::Object(host_system::network_config(network).into()))
}

/// What the named physical adapters (or all) can tell of the networks they are connected to: nothing, there is no switch
/// behind them that would say.
///
/// - `NotFound` if the host has no such adapter.
fn query_network_hint(
    look: &Look<'_, HostNetworkSystem>,
    request: QueryNetworkHint,
) -> Result<Vec<PhysicalNicHintInfo>, Fault> {
    let network = look_host(look)?.config().and_then(|config| config.network());
    let devices: Vec<_> = network.into_iter().flat_map(|network| network.pnic()).map(|nic| nic.device()).collect();
    for device in request.device() {
        if !devices.contains(&device) {
            return Err(no_such("physical adapter", device));
        }
    }
    let wanted = |device: &str| request.device().is_empty() || request.device().contains(device);
    let devices = devices.into_iter().filter(|device| wanted(device));
    Ok(devices.map(|device| PhysicalNicHintInfo::with(|hint| _ = hint.set_device(device))).collect())
}

/// Changes the host's name and name servers.
///
/// - `InvalidArgument` if the host would have no name; `NotFound` if the host has no such interface.
fn update_dns_config(call: &mut Call<'_, HostNetworkSystem>, request: UpdateDnsConfig) -> Result<(), Fault> {
    set_dns(call, request.config())
}

fn set_dns(call: &mut Call<'_, HostNetworkSystem>, wanted: &HostDnsConfig) -> Result<(), Fault> {
    let dns = wanted.clone();
    if dns.host_name().is_empty() {
        return Err(Fault::invalid_argument("config.hostName", "is empty"));
    }
    let network = edit_config(call)?.network_mut();
    if let Some(device) = dns.virtual_nic_device().filter(|_| dns.dhcp())
        && !network.vnic().iter().any(|nic| nic.device() == device)
    {
        return Err(no_such("interface", device));
    }
    network.set_dns_config(dns.clone());
    for stack in network.net_stack_instance_mut().iter_mut().filter(is_default) {
        stack.set_dns_config(dns.clone());
    }
    Ok(())
}

/// Changes the host's default gateway.
///
/// - `InvalidArgument` if it is no address.
fn update_ip_route_config(call: &mut Call<'_, HostNetworkSystem>, request: UpdateIpRouteConfig) -> Result<(), Fault> {
    set_routes(call, request.config())
}

fn set_routes(call: &mut Call<'_, HostNetworkSystem>, wanted: &HostIpRouteConfig) -> Result<(), Fault> {
    let routes = wanted.clone();
    let gateway = routes.default_gateway().cloned();
    if gateway.as_ref().is_some_and(|gateway| gateway.parse::<std::net::Ipv4Addr>().is_err()) {
        return Err(Fault::invalid_argument("config.defaultGateway", "is no address"));
    }
    let network = edit_config(call)?.network_mut();
    network.set_ip_route_config(routes.clone());
    if let Some(gateway) = &gateway {
        let is_default = |route: &&mut vimsim_types::views::HostIpRouteEntry| route.prefix_length() == 0;
        for route in network.route_table_info_mut().ip_route_mut().iter_mut().filter(is_default) {
            route.set_gateway(gateway);
        }
    }
    for stack in network.net_stack_instance_mut().iter_mut().filter(is_default) {
        stack.set_ip_route_config(routes.clone());
        let Some(gateway) = &gateway else { continue };
        for operation in stack.route_table_config_mut().ip_route_mut().iter_mut() {
            if operation.route().prefix_length() == 0 {
                operation.route_mut().set_gateway(gateway);
            }
        }
    }
    Ok(())
}

fn is_default(stack: &&mut HostNetStackInstance) -> bool {
    stack.key().is_some_and(|key| key == "defaultTcpipStack")
}
