//! Standard switches and their portgroups.

use vimsim_types::enums::PortGroupConnecteeType;
use vimsim_types::method::{
    AddPortGroup, AddVirtualSwitch, RemovePortGroup, RemoveVirtualSwitch, UpdatePortGroup, UpdateVirtualSwitch,
};
use vimsim_types::views::{
    AlreadyExists, HostConfigFault, HostNetworkInfo, HostNetworkPolicy, HostNetworkSystem, HostPortGroup,
    HostPortGroupSpec, HostSystem, HostVirtualSwitch, HostVirtualSwitchBondBridge, HostVirtualSwitchSpec, Network,
    ResourceInUse, VirtualMachine,
};
use vimsim_types::{EnumView, Fault, Moref, Value, View};

use super::super::host_managers::{edit_config, host_of, no_such};
use super::super::network;
use crate::call::{Call, not_found};
use crate::kind::Kind;

/// Adds the methods of this file.
pub(super) fn add(kind: Kind<HostNetworkSystem>) -> Kind<HostNetworkSystem> {
    kind.write(add_virtual_switch)
        .write(update_virtual_switch)
        .write(remove_virtual_switch)
        .write(add_port_group)
        .write(update_port_group)
        .write(remove_port_group)
}

type System<'a> = Call<'a, HostNetworkSystem>;

pub(super) fn host(call: &System<'_>) -> Result<Moref, Fault> {
    let manager = call.moref();
    host_of(call, &manager).ok_or_else(|| not_found(&manager))
}

pub(super) fn already_exists(name: &str) -> Fault {
    AlreadyExists::with(|fault| _ = fault.set_name(name)).into()
}

fn in_use(kind: &str, name: &str, why: String) -> Fault {
    let detail = ResourceInUse::with(|fault| {
        fault.set_type(kind).set_name(name);
    });
    Fault::new(detail, why)
}

pub(super) fn find_switch<'a>(network: &'a HostNetworkInfo, name: &str) -> Option<&'a HostVirtualSwitch> {
    network.vswitch().iter().find(|switch| switch.name() == name)
}

pub(super) fn find_port_group<'a>(network: &'a HostNetworkInfo, name: &str) -> Option<&'a HostPortGroup> {
    network.portgroup().iter().find(|group| group.spec().name() == name)
}

fn has_interface(network: &HostNetworkInfo, group: &str) -> bool {
    network.vnic().iter().any(|nic| nic.portgroup() == group)
}

/// `NotFound` for an adapter that the host does not have; `ResourceInUse` for one that another switch has.
fn check_uplinks(network: &HostNetworkInfo, name: &str, spec: &HostVirtualSwitchSpec) -> Result<Vec<String>, Fault> {
    let bond = spec.bridge().and_then(|bridge| bridge.downcast::<HostVirtualSwitchBondBridge>());
    let mut keys = Vec::new();
    for device in bond.into_iter().flat_map(|bond| bond.nic_device()) {
        let Some(nic) = network.pnic().iter().find(|nic| nic.device() == device) else {
            return Err(no_such("physical adapter", device));
        };
        let key = nic.key().map_or("", |key| key.as_str());
        let mut others = network.vswitch().iter().filter(|switch| switch.name() != name);
        if let Some(other) = others.find(|switch| switch.pnic().contains(key)) {
            let why = format!("the switch '{}' has the adapter '{device}'", other.name());
            return Err(in_use("PhysicalNic", device, why));
        }
        keys.push(key.to_owned());
    }
    Ok(keys)
}

fn check_ports(spec: &HostVirtualSwitchSpec) -> Result<(), Fault> {
    if !(0..=4_088).contains(&spec.num_ports()) {
        return Err(Fault::invalid_argument("spec.numPorts", "is not between 0 and 4088"));
    }
    if spec.mtu().is_some_and(|mtu| !(1_280..=9_190).contains(&mtu)) {
        return Err(Fault::invalid_argument("spec.mtu", "is not between 1280 and 9190"));
    }
    Ok(())
}

/// Adds a switch. Without a spec it has 128 ports and no uplink.
///
/// - `AlreadyExists` if the host has a switch of this name; `NotFound` or `ResourceInUse` for an uplink that is not there
///   or is another switch's; `InvalidArgument` for a name or spec that cannot be.
pub(super) fn add_virtual_switch(call: &mut System<'_>, request: AddVirtualSwitch) -> Result<(), Fault> {
    let name = request.vswitch_name();
    if name.is_empty() || name.len() > 31 {
        return Err(Fault::invalid_argument("vswitchName", "does not have 1 to 31 characters"));
    }
    let spec =
        request.spec().cloned().unwrap_or_else(|| HostVirtualSwitchSpec::with(|spec| _ = spec.set_num_ports(128)));
    check_ports(&spec)?;
    let network = edit_config(call)?.network_mut();
    if find_switch(network, name).is_some() {
        return Err(already_exists(name));
    }
    let uplinks = check_uplinks(network, name, &spec)?;
    network.push_vswitch(HostVirtualSwitch::with(|switch| {
        switch.set_name(name).set_key(format!("key-vim.host.VirtualSwitch-{name}"));
        switch.set_portgroup(std::iter::empty::<&str>());
        apply(switch, spec, uplinks);
    }));
    Ok(())
}

/// Gives a switch what a checked spec says.
fn apply(switch: &mut HostVirtualSwitch, mut spec: HostVirtualSwitchSpec, uplinks: Vec<String>) {
    let used = switch.num_ports() - switch.num_ports_available();
    let mtu = spec.mtu().unwrap_or(1_500);
    switch.set_num_ports(spec.num_ports().max(used)).set_num_ports_available((spec.num_ports() - used).max(0));
    switch.set_mtu(mtu).set_pnic(uplinks);
    spec.set_mtu(mtu);
    if spec.policy().is_none() {
        spec.set_policy(super::super::host_system::switch_policy());
    }
    switch.set_spec(spec);
}

/// Changes a switch.
///
/// - `NotFound` if the host has no such switch, or no such uplink; `ResourceInUse` if an uplink is another switch's.
pub(super) fn update_virtual_switch(call: &mut System<'_>, request: UpdateVirtualSwitch) -> Result<(), Fault> {
    let name = request.vswitch_name();
    check_ports(request.spec())?;
    let network = edit_config(call)?.network_mut();
    let uplinks = check_uplinks(network, name, request.spec())?;
    match network.vswitch_mut().iter_mut().find(|switch| switch.name() == name) {
        Some(switch) => apply(switch, request.spec().clone(), uplinks),
        None => return Err(no_such("switch", name)),
    }
    Ok(())
}

/// Removes a switch with its portgroups.
///
/// - `NotFound` if the host has no such switch; `ResourceInUse` while a portgroup of it is in use.
pub(super) fn remove_virtual_switch(call: &mut System<'_>, request: RemoveVirtualSwitch) -> Result<(), Fault> {
    let name = request.vswitch_name();
    let network = edit_config(call)?.network_mut();
    if find_switch(network, name).is_none() {
        return Err(no_such("switch", name));
    }
    let groups = network.portgroup().iter().filter(|group| group.spec().vswitch_name() == name);
    let groups: Vec<_> = groups.map(|group| group.spec().name().clone()).collect();
    groups.iter().try_for_each(|group| remove_group(call, group))?;
    edit_config(call)?.network_mut().vswitch_mut().retain(|switch| switch.name() != name);
    Ok(())
}

fn check_group(network: &HostNetworkInfo, spec: &HostPortGroupSpec) -> Result<(), Fault> {
    if spec.name().is_empty() {
        return Err(Fault::new(HostConfigFault::new(), "the portgroup has no name"));
    }
    if !(0..=4_095).contains(&spec.vlan_id()) {
        return Err(Fault::invalid_argument("portgrp.vlanId", "is not between 0 and 4095"));
    }
    match find_switch(network, spec.vswitch_name()) {
        Some(_) => Ok(()),
        None => Err(no_such("switch", spec.vswitch_name())),
    }
}

/// The policy of a portgroup: its own where it says something, else its switch's.
fn computed_policy(network: &HostNetworkInfo, spec: &HostPortGroupSpec) -> HostNetworkPolicy {
    let switch = find_switch(network, spec.vswitch_name()).and_then(|switch| switch.spec().policy());
    let mut policy = switch.cloned().unwrap_or_else(View::new);
    overlay(policy.as_object_mut(), spec.policy().as_object());
    policy
}

/// Writes over `base` what `own` sets, at any depth.
fn overlay(base: &mut vimsim_types::Object, own: &vimsim_types::Object) {
    for (slot, value) in own.slots().iter().enumerate() {
        match (base.get(slot).clone(), value) {
            (_, Value::Unset) => {}
            (Value::Object(mut below), Value::Object(own)) => {
                overlay(&mut below, own);
                base.set(slot, Value::Object(below));
            }
            _ => base.set(slot, value.clone()),
        }
    }
}

fn key(name: &str) -> String {
    format!("key-vim.host.PortGroup-{name}")
}

/// Adds a portgroup, and the network for it: the datacenter's, if it has one of this name.
///
/// - `AlreadyExists` if the host has a portgroup of this name; `NotFound` if it has no such switch;
///   `InvalidArgument` or `HostConfigFault` for a VLAN or name that cannot be.
pub(super) fn add_port_group(call: &mut System<'_>, request: AddPortGroup) -> Result<(), Fault> {
    let spec = request.portgrp();
    let network = edit_config(call)?.network_mut();
    if find_port_group(network, spec.name()).is_some() {
        return Err(already_exists(spec.name()));
    }
    check_group(network, spec)?;
    list_group(network, spec);
    join(call, spec.name())
}

/// Puts a checked portgroup on its switch.
fn list_group(network: &mut HostNetworkInfo, spec: &HostPortGroupSpec) {
    let policy = computed_policy(network, spec);
    network.push_portgroup(HostPortGroup::with(|group| {
        group.set_key(key(spec.name())).set_vswitch(format!("key-vim.host.VirtualSwitch-{}", spec.vswitch_name()));
        group.set_computed_policy(policy).set_spec(spec.clone());
    }));
    for switch in network.vswitch_mut().iter_mut().filter(|switch| switch.name() == spec.vswitch_name()) {
        switch.push_portgroup(key(spec.name()));
    }
}

pub(super) fn join(call: &mut System<'_>, name: &str) -> Result<(), Fault> {
    let host = host(call)?;
    match call.datacenter_of(&host) {
        Some(datacenter) => network::join(call, &datacenter, &host, name),
        None => Ok(()),
    }
}

/// Changes a portgroup; it may get another name or switch.
///
/// - `NotFound` if the host has no such portgroup or switch; `AlreadyExists` if it has one of the new name;
///   `ResourceInUse` if it is to get another name while it is in use.
pub(super) fn update_port_group(call: &mut System<'_>, request: UpdatePortGroup) -> Result<(), Fault> {
    let (name, spec) = (request.pg_name(), request.portgrp());
    let network = edit_config(call)?.network_mut();
    let Some(known) = find_port_group(network, name) else { return Err(no_such("portgroup", name)) };
    let ports: Vec<_> = known.port().iter().cloned().collect();
    check_group(network, spec)?;
    if spec.name() != name {
        if find_port_group(network, spec.name()).is_some() {
            return Err(already_exists(spec.name()));
        }
        remove_group(call, name)?;
        list_group(edit_config(call)?.network_mut(), spec);
        return join(call, spec.name());
    }
    unlist(network, name);
    list_group(network, spec);
    for group in network.portgroup_mut().iter_mut().filter(|group| group.spec().name() == name) {
        if !ports.is_empty() {
            group.set_port(ports.iter().cloned());
        }
    }
    Ok(())
}

/// Removes a portgroup, and the network of it when no other host provides it.
///
/// - `NotFound` if the host has no such portgroup; `ResourceInUse` while a VMkernel interface or a virtual machine of the
///   host is connected to it.
pub(super) fn remove_port_group(call: &mut System<'_>, request: RemovePortGroup) -> Result<(), Fault> {
    remove_group(call, request.pg_name())
}

fn unlist(network: &mut HostNetworkInfo, name: &str) {
    let key = key(name);
    network.portgroup_mut().retain(|group| group.spec().name() != name);
    for switch in network.vswitch_mut().iter_mut().filter(|switch| switch.portgroup().contains(&key)) {
        switch.portgroup_mut().retain(|known| *known != key);
    }
}

fn remove_group(call: &mut System<'_>, name: &str) -> Result<(), Fault> {
    let host = host(call)?;
    let info = edit_config(call)?.network_mut();
    if find_port_group(info, name).is_none() {
        return Err(no_such("portgroup", name));
    }
    if has_interface(info, name) {
        let connected = PortGroupConnecteeType::Host.name();
        return Err(in_use("HostPortGroup", name, format!("an interface of the {connected} is connected to '{name}'")));
    }
    unlist(info, name);
    let Some(moref) = network_of(call, &host, name)? else { return Ok(()) };
    if let Some(machine) = machine_on(call, &host, &moref)? {
        return Err(in_use("HostPortGroup", name, format!("{machine} is connected to '{name}'")));
    }
    withdraw(call, &host, &moref, name)
}

/// The network of a standard portgroup, if the host provides one.
fn network_of(call: &System<'_>, host: &Moref, name: &str) -> Result<Option<Moref>, Fault> {
    let name = network::portgroup_name(call, name);
    let found = call.datacenter_of(host).and_then(|datacenter| network::find(call, &datacenter, &name));
    let networks = call.get::<HostSystem>(host)?.network();
    Ok(found.filter(|moref| networks.contains(moref)))
}

/// A virtual machine of the host that is connected to the network.
fn machine_on(call: &System<'_>, host: &Moref, moref: &Moref) -> Result<Option<Moref>, Fault> {
    let ours = |machine: &Moref| {
        call.view::<VirtualMachine>(machine).is_some_and(|machine| machine.runtime().host().as_ref() == Some(host))
    };
    Ok(call.get::<Network>(moref)?.vm().iter().find(ours))
}

/// Has the host provide the network no more, which goes when nobody does.
fn withdraw(call: &mut System<'_>, host: &Moref, moref: &Moref, name: &str) -> Result<(), Fault> {
    network::disconnect_host(call, moref, host)?;
    let left = call.get::<Network>(moref)?;
    // Fidelity: a datacenter keeps the network it began with, as in vcsim.
    if left.host().is_empty() && left.vm().is_empty() && name != network::DEFAULT {
        network::remove(call, moref)?;
    }
    Ok(())
}

/// Has a portgroup that an interface is about to be on be no network for virtual machines, unless one is connected to it.
pub(super) fn leave_network(call: &mut System<'_>, host: &Moref, name: &str) -> Result<(), Fault> {
    match network_of(call, host, name)? {
        Some(moref) if machine_on(call, host, &moref)?.is_none() => withdraw(call, host, &moref, name),
        _ => Ok(()),
    }
}
