//! VMkernel interfaces: adding, changing and removing them.
//!
//! `config.network.vnic` is the truth. What repeats an interface follows it: the ports of standard portgroups, the routes to
//! its subnet, and what interfaces can be and are selected for.

use std::net::Ipv4Addr;

use vimsim_types::enums::PortGroupConnecteeType;
use vimsim_types::method::{AddVirtualNic, RemoveVirtualNic, UpdateVirtualNic};
use vimsim_types::views::{
    DistributedVirtualSwitchPortConnection, HostConfigFault, HostConfigInfo, HostIpConfig, HostIpRouteEntry,
    HostIpRouteOp, HostNetworkInfo, HostNetworkSystem, HostPortGroupPort, HostSystem, HostVirtualNic,
    HostVirtualNicSpec, InvalidState, NotSupported,
};
use vimsim_types::{ArcStr, EnumView, Fault, Value, View};

use super::super::distributed_virtual_switch;
use super::super::host_managers::{edit_config, no_such};
use super::super::iscsi_manager;
use super::switch;
use crate::call::Call;
use crate::containers;
use crate::kind::Kind;

/// Adds the methods of this file.
pub(super) fn add(kind: Kind<HostNetworkSystem>) -> Kind<HostNetworkSystem> {
    kind.write(add_virtual_nic).write(update_virtual_nic).write(remove_virtual_nic)
}

type System<'a> = Call<'a, HostNetworkSystem>;

const DEFAULT_STACK: &str = "defaultTcpipStack";
/// The stacks that serve one purpose each, by the name of which an interface of them can be selected.
const OWN_STACKS: [&str; 2] = ["vmotion", "vSphereProvisioning"];

/// What an interface is connected to.
enum Place {
    Group(ArcStr),
    Port(DistributedVirtualSwitchPortConnection),
}

/// A text that says something: clients written in Go send empty ones for those that they do not set.
fn given(text: Option<&ArcStr>) -> Option<&ArcStr> {
    text.filter(|text| !text.is_empty())
}

/// `InvalidArgument` for an address, mask, size of frames or hardware address that cannot be; `InvalidState` for an IPv6
/// address on a host that does not speak IPv6.
fn check(network: &HostNetworkInfo, spec: &HostVirtualNicSpec) -> Result<(), Fault> {
    if spec.opaque_network().is_some() {
        return Err(Fault::new(NotSupported::new(), "the host has no opaque networks that interfaces could be on"));
    }
    if spec.mtu().is_some_and(|mtu| mtu != 0 && !(1_280..=9_190).contains(&mtu)) {
        return Err(Fault::invalid_argument("nic.mtu", "is not between 1280 and 9190"));
    }
    if let Some(mac) = given(spec.mac()) {
        let bytes: Vec<_> = mac.split(':').map(|byte| (byte.len(), u8::from_str_radix(byte, 16))).collect();
        if bytes.len() != 6 || bytes.iter().any(|(length, byte)| *length != 2 || byte.is_err()) {
            return Err(Fault::invalid_argument("nic.mac", format!("'{mac}' is no hardware address")));
        }
    }
    if let Some(stack) = given(spec.net_stack_instance_key())
        && !network.net_stack_instance().iter().any(|known| known.key() == Some(stack))
    {
        return Err(Fault::invalid_argument("nic.netStackInstanceKey", format!("the host has no stack '{stack}'")));
    }
    spec.ip().map_or(Ok(()), |ip| check_ip(network, ip))
}

fn check_ip(network: &HostNetworkInfo, ip: &HostIpConfig) -> Result<(), Fault> {
    let version_6 = ip.ip_v6_config().is_some_and(|config| !config.ip_v6_address().is_empty());
    if version_6 && network.ip_v6_enabled() != Some(true) {
        return Err(Fault::new(InvalidState::new(), "the host does not speak IPv6"));
    }
    if ip.dhcp() {
        return Ok(());
    }
    let Some(address) = given(ip.ip_address()) else {
        let why = "an interface that does not ask for an address has none given";
        return if version_6 { Ok(()) } else { Err(Fault::invalid_argument("nic.ip.ipAddress", why)) };
    };
    match address.parse::<Ipv4Addr>() {
        Ok(address) if !address.is_multicast() && !address.is_broadcast() && !address.is_unspecified() => {}
        _ => return Err(Fault::invalid_argument("nic.ip.ipAddress", format!("'{address}' is no address"))),
    }
    let mask = given(ip.subnet_mask()).map_or("", |mask| mask.as_str());
    match mask.parse::<Ipv4Addr>() {
        Ok(mask) if mask.to_bits() != 0 && mask.to_bits().leading_ones() + mask.to_bits().trailing_zeros() == 32 => {
            Ok(())
        }
        _ => Err(Fault::invalid_argument("nic.ip.subnetMask", format!("'{mask}' is no mask"))),
    }
}

/// What an interface is to be connected to; nothing if the specification does not say.
///
/// - `InvalidArgument` if it says two things, `NotFound` for a portgroup, switch or port that the host does not have;
/// - `AlreadyExists` for a standard portgroup that another interface is on; `ResourceInUse` and `HostConfigFault` for a port
///   that is taken, or of a portgroup that has no more.
fn place(
    call: &mut System<'_>,
    device: &str,
    portgroup: Option<&ArcStr>,
    spec: &HostVirtualNicSpec,
) -> Result<Option<Place>, Fault> {
    match (portgroup, spec.distributed_virtual_port()) {
        (Some(_), Some(_)) => {
            let why = "an interface is on a portgroup or on a distributed port, not on both";
            Err(Fault::invalid_argument("portgroup", why))
        }
        (None, None) => Ok(None),
        (Some(name), None) => {
            let network = edit_config(call)?.network_mut();
            if switch::find_port_group(network, name).is_none() {
                return Err(no_such("portgroup", name));
            }
            if network.vnic().iter().any(|nic| nic.device() != device && nic.portgroup() == name) {
                return Err(switch::already_exists(name));
            }
            Ok(Some(Place::Group(name.clone())))
        }
        (None, Some(port)) => {
            let host = switch::host(call)?;
            distributed_virtual_switch::connect_interface(call, &host, device, port).map(|port| Some(Place::Port(port)))
        }
    }
}

/// The hardware address of a new interface: of the range that ESXi takes them from, and the same in every run.
fn mac(host: &HostSystem, device: &str) -> String {
    let uuid = host.hardware().map_or("", |hardware| hardware.system_info().uuid().as_str());
    let digits = crate::uuid::named(&format!("{uuid}-{device}"));
    let digit = |range| digits.get(range).unwrap_or("00").to_owned();
    format!("00:50:56:6{}:{}:{}", digit(0..1), digit(2..4), digit(4..6))
}

/// The addresses of an interface. One that asks for an address, which nobody here gives, has one of its own link.
fn addresses(wanted: Option<&HostIpConfig>, mac: &str) -> HostIpConfig {
    let Some(wanted) = wanted else {
        return HostIpConfig::with(|ip| {
            ip.set_dhcp(false).set_ip_address("0.0.0.0").set_subnet_mask("0.0.0.0");
        });
    };
    let mut ip = wanted.clone();
    if ip.dhcp() && given(ip.ip_address()).is_none() {
        let mut bytes = mac.rsplit(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok());
        let (last, middle) = (bytes.next().unwrap_or(1), bytes.next().unwrap_or(1));
        ip.set_ip_address(format!("169.254.{}.{last}", middle.clamp(1, 254))).set_subnet_mask("255.255.0.0");
    }
    ip
}

/// Adds an interface, and answers its device.
///
/// - `AlreadyExists` for a standard portgroup that has an interface; `NotFound` for a portgroup, switch or port that the
///   host does not have; `InvalidArgument` for an address, mask or stack that cannot be, or nothing to be connected to;
/// - `InvalidState` for an IPv6 address on a host that does not speak IPv6; `ResourceInUse` or `HostConfigFault` for a
///   distributed port that cannot be had; `NotSupported` for an opaque network.
pub(super) fn add_virtual_nic(call: &mut System<'_>, request: AddVirtualNic) -> Result<ArcStr, Fault> {
    let wanted = request.nic();
    let network = edit_config(call)?.network_mut();
    check(network, wanted)?;
    let is_taken = |device: &String| network.vnic().iter().any(|nic| nic.device() == device.as_str());
    let device = (0..).map(|number| format!("vmk{number}")).find(|device| !is_taken(device));
    let device = ArcStr::from(device.unwrap_or_default());
    let portgroup = given(Some(request.portgroup())).or_else(|| given(wanted.portgroup()));
    let Some(place) = place(call, &device, portgroup, wanted)? else {
        return Err(Fault::invalid_argument("portgroup", "names nothing that the interface is to be connected to"));
    };
    let host = switch::host(call)?;
    let mac = match given(wanted.mac()) {
        Some(mac) => mac.clone(),
        None => mac(call.get(&host)?, &device).into(),
    };
    let mut spec = wanted.clone();
    spec.set_ip(addresses(wanted.ip(), &mac)).set_mac(mac);
    spec.set_mtu(wanted.mtu().filter(|mtu| *mtu != 0).unwrap_or(1_500));
    spec.set_tso_enabled(wanted.tso_enabled().unwrap_or(true)).set_system_owned(false);
    let stack = given(wanted.net_stack_instance_key()).cloned().unwrap_or_else(|| DEFAULT_STACK.into());
    spec.set_net_stack_instance_key(&stack);
    let nic = HostVirtualNic::with(|nic| {
        nic.set_device(&device).set_key(format!("key-vim.host.VirtualNic-{device}")).set_portgroup("").set_spec(spec);
    });
    edit_config(call)?.network_mut().push_vnic(nic);
    connect(call, &device, place)?;
    let config = edit_config(call)?;
    follow(config);
    if OWN_STACKS.contains(&stack.as_str()) {
        for selection in config.virtual_nic_manager_info_mut().net_config_mut().iter_mut() {
            if selection.nic_type() == stack.as_str() {
                let key = format!("{stack}.key-vim.host.VirtualNic-{device}");
                selection.push_selected_vnic(key);
            }
        }
    }
    Ok(device)
}

/// Connects an interface of the host. A standard portgroup that it is on is no network for virtual machines.
fn connect(call: &mut System<'_>, device: &str, place: Place) -> Result<(), Fault> {
    disconnect(call, device)?;
    if let Place::Group(name) = &place {
        let host = switch::host(call)?;
        switch::leave_network(call, &host, name)?;
    }
    let network = edit_config(call)?.network_mut();
    let Some(nic) = network.vnic_mut().iter_mut().find(|nic| nic.device() == device).map(|nic| {
        match &place {
            Place::Group(name) => {
                let number: u32 = device.trim_start_matches("vmk").parse().unwrap_or_default();
                let port = format!("key-vim.host.PortGroup.Port-{}", 33_554_436 + number);
                nic.set_portgroup(name).set_port(port).spec_mut().set_portgroup(name);
            }
            Place::Port(port) => _ = nic.spec_mut().set_distributed_virtual_port(port.clone()),
        }
        nic.clone()
    }) else {
        return Ok(());
    };
    if let Place::Group(name) = &place {
        for group in network.portgroup_mut().iter_mut().filter(|group| group.spec().name() == name) {
            group.push_port(HostPortGroupPort::with(|port| {
                port.set_key(nic.port().cloned()).set_mac(nic.spec().mac());
                port.set_type(PortGroupConnecteeType::Host.name());
            }));
        }
    }
    Ok(())
}

/// Takes an interface off what it is on.
fn disconnect(call: &mut System<'_>, device: &str) -> Result<(), Fault> {
    let network = edit_config(call)?.network_mut();
    let mut left = None;
    for nic in network.vnic_mut().iter_mut().filter(|nic| nic.device() == device) {
        left = given(Some(nic.portgroup())).cloned().map(|name| (name, nic.port().cloned()));
        nic.set_portgroup("").set_port(None::<ArcStr>);
        nic.spec_mut().set_portgroup(None::<ArcStr>);
        nic.spec_mut().as_object_mut().set(HostVirtualNicSpec::DISTRIBUTED_VIRTUAL_PORT, Value::Unset);
    }
    let Some((name, port)) = left else { return Ok(()) };
    for group in network.portgroup_mut().iter_mut().filter(|group| *group.spec().name() == name) {
        group.port_mut().retain(|known| known.key() != port.as_ref());
    }
    // The portgroup is free for virtual machines again.
    switch::join(call, &name)
}

/// Changes an interface; what the specification does not set stays.
///
/// - `NotFound` if the host has no such interface, or nothing such to connect it to; `InvalidArgument` for an address, mask
///   or stack that cannot be; `InvalidState` for an IPv6 address on a host that does not speak IPv6; `AlreadyExists`,
///   `ResourceInUse` and `HostConfigFault` as [`add_virtual_nic`] does;
/// - `HostConfigFault` for another address of the interface that a host's container has its own on.
pub(super) fn update_virtual_nic(call: &mut System<'_>, request: UpdateVirtualNic) -> Result<(), Fault> {
    let (device, wanted) = (request.device(), request.nic());
    let host = switch::host(call)?;
    let network = edit_config(call)?.network_mut();
    let known = network.vnic().iter().find(|nic| nic.device() == device).cloned();
    let known = known.ok_or_else(|| no_such("interface", device))?;
    check(network, wanted)?;
    if let Some(stack) = given(wanted.net_stack_instance_key())
        && Some(stack) != known.spec().net_stack_instance_key()
    {
        return Err(Fault::invalid_argument("nic.netStackInstanceKey", "an interface stays on its stack"));
    }
    if let Some(ip) = wanted.ip()
        && containers::is_backed(call, &host)
        && given(ip.ip_address()).is_some_and(|ip| Some(ip) != known.spec().ip().and_then(|ip| ip.ip_address()))
    {
        let why = format!("the address of '{device}' is the container's");
        return Err(Fault::new(HostConfigFault::new(), why));
    }
    let portgroup = given(wanted.portgroup()).filter(|name| *name != known.portgroup());
    let same_port = wanted.distributed_virtual_port().map(|port| port.as_object())
        == known.spec().distributed_virtual_port().map(|port| port.as_object());
    let place = if same_port { None } else { place(call, device, portgroup, wanted)? };
    let place = match (place, portgroup) {
        (None, Some(_)) => self::place(call, device, portgroup, &HostVirtualNicSpec::new())?,
        (place, _) => place,
    };
    if let Some(place) = place {
        connect(call, device, place)?;
    }
    let config = edit_config(call)?;
    for nic in config.network_mut().vnic_mut().iter_mut().filter(|nic| nic.device() == device) {
        let spec = nic.spec_mut();
        if let Some(mac) = given(wanted.mac()) {
            spec.set_mac(mac);
        }
        if let Some(ip) = wanted.ip() {
            let ip = addresses(Some(ip), spec.mac().map_or("", |mac| mac.as_str()));
            spec.set_ip(ip);
        }
        if let Some(mtu) = wanted.mtu().filter(|mtu| *mtu != 0) {
            spec.set_mtu(mtu);
        }
        if let Some(tso) = wanted.tso_enabled() {
            spec.set_tso_enabled(tso);
        }
        if let Some(route) = wanted.ip_route_spec() {
            spec.set_ip_route_spec(route.clone());
        }
        if let Some(adapter) = given(wanted.pinned_pnic()) {
            spec.set_pinned_pnic(adapter);
        }
    }
    follow(config);
    Ok(())
}

/// Removes an interface.
///
/// - `NotFound` if the host has no such interface; `HostConfigFault` for the last one that the host is managed through.
pub(super) fn remove_virtual_nic(call: &mut System<'_>, request: RemoveVirtualNic) -> Result<(), Fault> {
    let device = request.device();
    let config = edit_config(call)?;
    if !config.network_mut().vnic().iter().any(|nic| nic.device() == device) {
        return Err(no_such("interface", device));
    }
    let key = format!("management.key-vim.host.VirtualNic-{device}");
    let uses = config.virtual_nic_manager_info().into_iter().flat_map(|info| info.net_config());
    let mut management = uses.filter(|selection| selection.nic_type() == "management");
    if management.any(|management| management.selected_vnic().iter().all(|known| *known == key.as_str())) {
        let why = format!("the host is managed through '{device}' and no other interface");
        return Err(Fault::new(HostConfigFault::new(), why));
    }
    let host = switch::host(call)?;
    let transaction: &vimsim_registry::Transaction = call;
    if iscsi_manager::is_bound(transaction, transaction.get(&host)?, device) {
        return Err(Fault::new(HostConfigFault::new(), format!("iSCSI uses the interface '{device}'")));
    }
    disconnect(call, device)?;
    let config = edit_config(call)?;
    config.network_mut().vnic_mut().retain(|nic| nic.device() != device);
    follow(config);
    Ok(())
}

/// Whether an interface can be selected for this use.
fn can_serve(nic: &HostVirtualNic, nic_type: &str) -> bool {
    match nic.spec().net_stack_instance_key().map(|stack| stack.as_str()) {
        None | Some(DEFAULT_STACK) => true,
        Some(stack) => OWN_STACKS.contains(&stack) && stack == nic_type,
    }
}

/// Lets what repeats the interfaces say the same: what they can be, and are, selected for, and the routes.
fn follow(config: &mut HostConfigInfo) {
    let nics: Vec<HostVirtualNic> = config.network_mut().vnic().iter().cloned().collect();
    let candidates = |prefix: &str, nic_type: &str| -> Vec<HostVirtualNic> {
        let able = nics.iter().filter(|nic| can_serve(nic, nic_type));
        able.map(|nic| {
            let mut nic = nic.clone();
            let key = format!("{prefix}{nic_type}.{}", nic.key());
            nic.set_key(key).set_port(None::<ArcStr>);
            nic
        })
        .collect()
    };
    for selection in config.virtual_nic_manager_info_mut().net_config_mut().iter_mut() {
        let able = candidates("", selection.nic_type());
        selection.selected_vnic_mut().retain(|key| able.iter().any(|nic| nic.key() == key));
        selection.set_candidate_vnic(able);
    }
    let able = candidates("VMotionConfig.", "vmotion");
    let selected = config.virtual_nic_manager_info().and_then(|info| {
        let vmotion = info.net_config().iter().find(|selection| selection.nic_type() == "vmotion")?;
        Some(format!("VMotionConfig.{}", vmotion.selected_vnic().first()?))
    });
    let vmotion = config.vmotion_mut().net_config_mut();
    vmotion.set_selected_vnic(selected).set_candidate_vnic(able);
    routes(config.network_mut(), &nics);
}

/// Has the routes of the default stack lead to the subnets of its interfaces, each through its own.
fn routes(network: &mut HostNetworkInfo, nics: &[HostVirtualNic]) {
    let own = nics.iter().filter(|nic| nic.spec().net_stack_instance_key().is_none_or(|stack| stack == DEFAULT_STACK));
    let wanted: Vec<HostIpRouteEntry> = own.filter_map(route).collect();
    let known = network.route_table_info().into_iter().flat_map(|table| table.ip_route());
    let is_left = |route: &&HostIpRouteEntry| {
        let device = route.device_name();
        route.prefix_length() == 0 && device.is_none_or(|device| nics.iter().any(|nic| nic.device() == device))
    };
    let mut entries: Vec<HostIpRouteEntry> = known.filter(is_left).cloned().collect();
    entries.extend(wanted);
    let operations = entries.iter().map(|entry| {
        HostIpRouteOp::with(|operation| {
            operation.set_change_operation("ignore").set_route(entry.clone());
        })
    });
    let operations: Vec<_> = operations.collect();
    for stack in network.net_stack_instance_mut().iter_mut() {
        if stack.key().is_some_and(|key| key == DEFAULT_STACK) {
            stack.route_table_config_mut().set_ip_route(operations.iter().cloned());
        }
    }
    network.route_table_info_mut().set_ip_route(entries);
}

/// The route to the subnet of an interface.
fn route(nic: &HostVirtualNic) -> Option<HostIpRouteEntry> {
    let ip = nic.spec().ip()?;
    let address: Ipv4Addr = ip.ip_address()?.parse().ok()?;
    let mask: Ipv4Addr = ip.subnet_mask()?.parse().ok()?;
    if address.is_unspecified() {
        return None;
    }
    let subnet = Ipv4Addr::from_bits(address.to_bits() & mask.to_bits());
    let length = i32::try_from(mask.to_bits().leading_ones()).unwrap_or_default();
    Some(HostIpRouteEntry::with(|entry| {
        entry.set_network(subnet.to_string()).set_prefix_length(length).set_gateway("0.0.0.0");
        entry.set_device_name(nic.device());
    }))
}
