//! What the engine says of a host's container, in the host's properties: addresses and file systems.

use std::net::IpAddr;

use vimsim_container::{Container, Endpoint};
use vimsim_types::views::{
    HostConfigInfo, HostDnsConfig, HostFileSystemMountInfo, HostIpConfig, HostIpRouteConfig, HostIpRouteEntry,
    HostIpRouteOp, HostIpRouteTableConfig, HostIpRouteTableInfo, HostListSummary, HostNetStackInstance,
    HostNetworkInfo, HostSystem, HostVfatVolume, HostVirtualNicSpec, HostVmfsVolume, PhysicalNic,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View};

use super::backing::Backed;
use super::plan::Volume;
use super::underlay::{Port, underlay_of};
use crate::call::Call;

/// What a host's properties say without a container, as far as a container changes them.
#[derive(Clone)]
pub(crate) struct Before {
    network: HostNetworkInfo,
    management_server: Value,
}

impl Before {
    /// What they say now.
    pub(crate) fn of(host: &HostSystem) -> Self {
        let network = host.config().and_then(|config| config.network()).cloned();
        let management_server = host.summary().as_object().get(HostListSummary::MANAGEMENT_SERVER_IP).clone();
        Self { network: network.unwrap_or_else(View::new), management_server }
    }
}

/// Shows the container's addresses and file systems as the host's own.
pub(crate) fn show<T>(call: &mut Call<'_, T>, host: &Moref, backed: &Backed, seen: &Container) -> Result<(), Fault> {
    let is_managed = call.context().is_virtual_center();
    let host = call.edit::<HostSystem>(host)?;
    let mut gateway = None;
    let config = host.config_mut();
    let network = config.network_mut();
    adapters(network, backed, seen);
    for place in interfaces(network, backed) {
        let Some((device, underlay)) = place else { continue };
        if let Some(endpoint) = seen.endpoint(&underlay) {
            interface(network, &device, endpoint);
            if gateway.is_none() {
                gateway = Some(endpoint.clone());
                routes(network, &device, endpoint);
            }
        }
    }
    follow(config);
    for volume in &backed.volumes {
        mount(config, volume);
    }
    // The host reaches whoever manages it through its network's gateway, which is the machine that the engine runs on.
    if let Some(gateway) = gateway.and_then(|endpoint| endpoint.gateway).filter(|_| is_managed) {
        host.summary_mut().set_management_server_ip(gateway.to_string());
    }
    Ok(())
}

/// Shows what the host's properties said without the container.
pub(crate) fn hide<T>(call: &mut Call<'_, T>, host: &Moref, backed: &Backed) -> Result<(), Fault> {
    let before = &backed.before;
    let host = call.edit::<HostSystem>(host)?;
    host.summary_mut().as_object_mut().set(HostListSummary::MANAGEMENT_SERVER_IP, before.management_server.clone());
    let config = host.config_mut();
    let network = config.network_mut();
    for adapter in network.pnic_mut().iter_mut() {
        if let Some(known) = before.network.pnic().iter().find(|known| known.device() == adapter.device()) {
            *adapter = known.clone();
        }
    }
    for interface in network.vnic_mut().iter_mut() {
        if let Some(known) = before.network.vnic().iter().find(|known| known.device() == interface.device()) {
            for slot in [HostVirtualNicSpec::IP, HostVirtualNicSpec::MAC] {
                let value = known.spec().as_object().get(slot).clone();
                interface.spec_mut().as_object_mut().set(slot, value);
            }
        }
    }
    ports(network);
    for slot in [
        HostNetworkInfo::DNS_CONFIG,
        HostNetworkInfo::IP_ROUTE_CONFIG,
        HostNetworkInfo::ROUTE_TABLE_INFO,
        HostNetworkInfo::NET_STACK_INSTANCE,
    ] {
        let value = before.network.as_object().get(slot).clone();
        network.as_object_mut().set(slot, value);
    }
    follow(config);
    for volume in &backed.volumes {
        unmount(config, volume);
    }
    Ok(())
}

/// The physical adapters: those with a cable have the container's addresses, those without have no link.
fn adapters(network: &mut HostNetworkInfo, backed: &Backed, seen: &Container) {
    for adapter in network.pnic_mut().iter_mut() {
        let cable = backed.cables.iter().find(|(device, _)| device == adapter.device().as_str());
        let known = backed.before.network.pnic().iter().find(|known| known.device() == adapter.device());
        match cable.and_then(|(_, network)| seen.endpoint(network.as_deref()?)) {
            Some(endpoint) => {
                if let Some(mac) = &endpoint.mac_address {
                    adapter.set_mac(mac);
                    adapter.fcoe_configuration_mut().set_source_mac(mac);
                }
                let link = known.map(|known| known.as_object().get(PhysicalNic::LINK_SPEED).clone());
                adapter.as_object_mut().set(PhysicalNic::LINK_SPEED, link.unwrap_or_default());
                adapter.spec_mut().set_ip(address(endpoint));
            }
            None => {
                adapter.as_object_mut().set(PhysicalNic::LINK_SPEED, Value::Unset);
                adapter.spec_mut().set_ip(HostIpConfig::with(|ip| _ = ip.set_dhcp(false)));
            }
        }
    }
}

/// Each VMkernel interface's device and underlay. Only the first on an underlay has the container's address there; none
/// where an interface leads nowhere.
fn interfaces(network: &mut HostNetworkInfo, backed: &Backed) -> Vec<Option<(ArcStr, String)>> {
    let mut taken: Vec<String> = Vec::new();
    let mut places = Vec::new();
    for interface in network.vnic() {
        let underlay = underlay_of(network, &backed.cables, Port::of(interface)).map(str::to_owned);
        let underlay = underlay.filter(|underlay| !taken.contains(underlay));
        taken.extend(underlay.clone());
        places.push(underlay.map(|underlay| (interface.device().clone(), underlay)));
    }
    // What is left has no address that anybody could reach.
    for (interface, place) in network.vnic_mut().iter_mut().zip(&places) {
        let is_loopback = |address: &ArcStr| address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if place.is_none() && interface.spec().ip().and_then(|ip| ip.ip_address()).is_some_and(is_loopback) {
            interface.spec_mut().set_ip(HostIpConfig::with(|ip| _ = ip.set_dhcp(true)));
        }
    }
    places
}

/// Gives a VMkernel interface an address.
fn interface(network: &mut HostNetworkInfo, device: &str, endpoint: &Endpoint) {
    for interface in network.vnic_mut().iter_mut().filter(|interface| interface.device() == device) {
        let spec = interface.spec_mut();
        let mut ip = address(endpoint);
        ip.set_dhcp(true);
        spec.set_ip(ip);
        if let Some(mac) = &endpoint.mac_address {
            spec.set_mac(mac);
        }
    }
    ports(network);
}

/// Lets the portgroups' ports say which interfaces are on them.
fn ports(network: &mut HostNetworkInfo) {
    let macs: Vec<(ArcStr, ArcStr)> = network
        .vnic()
        .iter()
        .filter_map(|interface| Some((interface.port()?.clone(), interface.spec().mac()?.clone())))
        .collect();
    for group in network.portgroup_mut().iter_mut().filter(|group| !group.port().is_empty()) {
        for port in group.port_mut().iter_mut() {
            if let Some((_, mac)) = macs.iter().find(|(key, _)| port.key() == Some(key)) {
                port.set_mac([mac.clone()]);
            }
        }
    }
}

/// An address as a host is configured with it.
fn address(endpoint: &Endpoint) -> HostIpConfig {
    HostIpConfig::with(|ip| {
        ip.set_dhcp(false);
        if let Some(address) = endpoint.address {
            ip.set_ip_address(address.to_string());
            if address.is_ipv4() {
                ip.set_subnet_mask(mask(endpoint.prefix_length));
            }
        }
    })
}

/// `255.255.0.0` for 16.
fn mask(length: u8) -> String {
    let bits = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
    std::net::Ipv4Addr::from_bits(bits).to_string()
}

/// The network that an address is in.
fn subnet(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            std::net::Ipv4Addr::from_bits(address.to_bits() & bits).into()
        }
        IpAddr::V6(address) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            std::net::Ipv6Addr::from_bits(address.to_bits() & bits).into()
        }
    }
}

/// Everything leaves through this interface.
fn routes(network: &mut HostNetworkInfo, device: &str, endpoint: &Endpoint) {
    let Some(address) = endpoint.address else { return };
    let entry = |network: String, length: u8, gateway: String| {
        HostIpRouteEntry::with(|entry| {
            entry.set_network(network).set_prefix_length(i32::from(length)).set_gateway(gateway);
            entry.set_device_name(device);
        })
    };
    let nothing = if address.is_ipv4() { "0.0.0.0" } else { "::" };
    let mut entries = Vec::new();
    entries.extend(endpoint.gateway.map(|gateway| entry(nothing.into(), 0, gateway.to_string())));
    let own = subnet(address, endpoint.prefix_length).to_string();
    entries.push(entry(own, endpoint.prefix_length, nothing.into()));
    let routes = HostIpRouteConfig::with(|routes| {
        routes.set_default_gateway(endpoint.gateway.map(|gateway| gateway.to_string()));
    });
    // Nobody has said which name servers the container's network has.
    let mut dns = network.dns_config().cloned().unwrap_or_else(HostDnsConfig::new);
    dns.set_address(std::iter::empty::<&str>());
    network.set_dns_config(dns.clone()).set_ip_route_config(routes.clone());
    network.set_route_table_info(HostIpRouteTableInfo::with(|table| _ = table.set_ip_route(entries.iter().cloned())));
    let is_default = |stack: &&mut HostNetStackInstance| stack.key().is_some_and(|key| key == "defaultTcpipStack");
    for stack in network.net_stack_instance_mut().iter_mut().filter(is_default) {
        stack.set_dns_config(dns.clone()).set_ip_route_config(routes.clone());
        stack.set_route_table_config(HostIpRouteTableConfig::with(|table| {
            table.set_ip_route(entries.iter().map(|entry| {
                HostIpRouteOp::with(|operation| _ = operation.set_change_operation("ignore").set_route(entry.clone()))
            }));
        }));
    }
}

/// Lets what repeats the VMkernel interfaces say the same: what they can be, and are, selected for.
fn follow(config: &mut HostConfigInfo) {
    let interfaces: Vec<_> = config.network_mut().vnic().iter().cloned().collect();
    let spec =
        |device: &str| interfaces.iter().find(|interface| interface.device() == device).map(|known| known.spec());
    for selection in config.virtual_nic_manager_info_mut().net_config_mut().iter_mut() {
        for candidate in selection.candidate_vnic_mut().iter_mut() {
            if let Some(spec) = spec(candidate.device()) {
                candidate.set_spec(spec.clone());
            }
        }
    }
    for candidate in config.vmotion_mut().net_config_mut().candidate_vnic_mut().iter_mut() {
        if let Some(spec) = spec(candidate.device()) {
            candidate.set_spec(spec.clone());
        }
    }
}

/// Shows a volume where the host's file system was.
fn mount(config: &mut HostConfigInfo, volume: &Volume) {
    let path = volume.path();
    let mut shown = volume.before.clone();
    let info = shown.mount_info_mut();
    info.set_path(&path).set_mounted(true).set_accessible(true);
    if info.access_mode().is_empty() {
        info.set_access_mode("readWrite");
    }
    if shown.v_storage_support().is_none() {
        shown.set_v_storage_support("vStorageUnsupported");
    }
    shown.volume_mut().set_name(&volume.name);
    if let Some(volume_info) = shown.volume_mut().downcast_mut::<HostVmfsVolume>() {
        volume_info.set_uuid(&volume.uuid).set_ssd(true).set_local(true);
    }
    let is_same = |mount: &HostFileSystemMountInfo| is_at(mount, &path) || is_same_volume(mount, &volume.before);
    if let Some(mount) = config.file_system_volume_mut().mount_info_mut().iter_mut().find(|mount| is_same(mount)) {
        *mount = shown;
    } else {
        config.file_system_volume_mut().push_mount_info(shown);
    }
}

/// Shows the host's own file system again where a volume was.
fn unmount(config: &mut HostConfigInfo, volume: &Volume) {
    let path = volume.path();
    for mount in config.file_system_volume_mut().mount_info_mut().iter_mut().filter(|mount| is_at(mount, &path)) {
        *mount = volume.before.clone();
    }
}

fn is_at(mount: &HostFileSystemMountInfo, path: &str) -> bool {
    mount.mount_info().path().is_some_and(|known| known == path)
}

fn is_same_volume(mount: &HostFileSystemMountInfo, other: &HostFileSystemMountInfo) -> bool {
    let is_vfat = |mount: &HostFileSystemMountInfo| mount.volume().downcast::<HostVfatVolume>().is_some();
    mount.mount_info().path() == other.mount_info().path()
        && mount.volume().name() == other.volume().name()
        && is_vfat(mount) == is_vfat(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_follow_from_the_length() {
        let check = |length, expected: &str| assert_eq!(mask(length), expected);
        check(0, "0.0.0.0");
        check(16, "255.255.0.0");
        check(23, "255.255.254.0");
        check(32, "255.255.255.255");
    }

    #[test]
    fn subnets_follow_from_addresses() {
        let check = |address: &str, length, expected: &str| {
            assert_eq!(subnet(address.parse().expect("an address"), length).to_string(), expected);
        };
        check("172.18.3.7", 16, "172.18.0.0");
        check("10.0.0.1", 0, "0.0.0.0");
        check("fd00::1:2", 64, "fd00::");
    }
}
