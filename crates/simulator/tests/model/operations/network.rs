//! What is done to networks.

use vimsim_types::method::*;
use vimsim_types::views::*;
use vimsim_types::{Moref, View};

use crate::chooser::{Chooser, Operation};

fn network_system(chooser: &mut Chooser) -> Option<Moref> {
    let host = chooser.some_where::<HostSystem>(|_| true)?;
    chooser.seen::<HostSystem>(&host)?.config_manager().network_system()
}

/// One of few names, so that hosts share networks.
fn name(chooser: &mut Chooser) -> &'static str {
    chooser.random.of(&["net-a", "net-b", "net-c", "VM Network", "Management Network", ""])
}

fn portgroup(chooser: &mut Chooser) -> HostPortGroupSpec {
    let (name, switch) = (name(chooser), chooser.random.of(&["vSwitch0", "vSwitch0", "vSwitch0", "vSwitch9"]));
    let vlan = chooser.random.of(&[0, 1, 4095, 5000]);
    HostPortGroupSpec::with(|spec| {
        spec.set_name(name).set_vlan_id(vlan).set_vswitch_name(switch).set_policy(HostNetworkPolicy::new());
    })
}

pub(super) fn add_portgroup(chooser: &mut Chooser) -> Option<Operation> {
    let (system, spec) = (network_system(chooser)?, portgroup(chooser));
    Operation::new(system, AddPortGroup::with(|request| _ = request.set_portgrp(spec)))
}

pub(super) fn update_portgroup(chooser: &mut Chooser) -> Option<Operation> {
    let (system, name, spec) = (network_system(chooser)?, name(chooser), portgroup(chooser));
    Operation::new(system, UpdatePortGroup::with(|request| _ = request.set_pg_name(name).set_portgrp(spec)))
}

pub(super) fn remove_portgroup(chooser: &mut Chooser) -> Option<Operation> {
    let (system, name) = (network_system(chooser)?, name(chooser));
    Operation::new(system, RemovePortGroup::with(|request| _ = request.set_pg_name(name)))
}

pub(super) fn create(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<DistributedVirtualPortgroup>() >= 12 {
        return destroy(chooser);
    }
    let (switch, name) = (chooser.some::<DistributedVirtualSwitch>()?, chooser.name("portgroup"));
    let ports = chooser.random.of(&[0, 1, 8, 128, -1]);
    let request = CreateDVPortgroupTask::with(|request| {
        request.spec_mut().set_name(name).set_num_ports(ports).set_type("earlyBinding");
    });
    Operation::new(switch, request)
}

pub(super) fn reconfigure(chooser: &mut Chooser) -> Option<Operation> {
    let (portgroup, name) = (chooser.some::<DistributedVirtualPortgroup>()?, chooser.name("portgroup"));
    let ports = chooser.random.of(&[0, 1, 8, 128, -1]);
    let request = ReconfigureDVPortgroupTask::with(|request| {
        request.spec_mut().set_name(name).set_num_ports(ports);
    });
    Operation::new(portgroup, request)
}

pub(super) fn destroy(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.some::<DistributedVirtualPortgroup>()?, DestroyTask::new())
}
