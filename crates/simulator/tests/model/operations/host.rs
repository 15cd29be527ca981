//! What is done to hosts.

use vimsim_types::View;
use vimsim_types::enums::HostSystemConnectionState;
use vimsim_types::method::*;
use vimsim_types::views::*;

use crate::chooser::{Chooser, Operation, telling};

pub(super) fn enter_maintenance(chooser: &mut Chooser) -> Option<Operation> {
    // One with machines that nobody moves or stops is waited for.
    let is_empty = |host: &HostSystem| host.vm().is_empty();
    let host = if chooser.random.once_in(20) { chooser.some::<HostSystem>() } else { chooser.some_where(is_empty) };
    let all = chooser.random.once_in(2);
    let request = EnterMaintenanceModeTask::with(|request| {
        request.set_timeout(1).set_evacuate_powered_off_vms(all);
    });
    telling(Operation::new(host?, request), &["EnteredMaintenanceModeEvent"])
}

pub(super) fn exit_maintenance(chooser: &mut Chooser) -> Option<Operation> {
    let host = chooser.some_where::<HostSystem>(|host| host.runtime().in_maintenance_mode())?;
    let request = ExitMaintenanceModeTask::with(|request| _ = request.set_timeout(0));
    telling(Operation::new(host, request), &["ExitMaintenanceModeEvent"])
}

pub(super) fn disconnect(chooser: &mut Chooser) -> Option<Operation> {
    let host = chooser.some::<HostSystem>()?;
    telling(Operation::new(host, DisconnectHostTask::new()), &["HostDisconnectedEvent"])
}

pub(super) fn reconnect(chooser: &mut Chooser) -> Option<Operation> {
    let is_gone = |host: &HostSystem| host.runtime().connection_state() != HostSystemConnectionState::Connected;
    let host = chooser.some_where::<HostSystem>(is_gone)?;
    telling(Operation::new(host, ReconnectHostTask::new()), &["HostConnectedEvent"])
}

fn new_host(chooser: &mut Chooser) -> HostConnectSpec {
    let name = chooser.name("host");
    HostConnectSpec::with(|spec| _ = spec.set_host_name(name).set_force(false).set_user_name("root").set_password("x"))
}

pub(super) fn add(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<HostSystem>() >= 14 {
        return destroy(chooser);
    }
    let (cluster, spec) = (chooser.some::<ClusterComputeResource>()?, new_host(chooser));
    let connected = !chooser.random.once_in(10);
    let request = AddHostTask::with(|request| _ = request.set_spec(spec).set_as_connected(connected));
    telling(Operation::new(cluster, request), &["HostAddedEvent"])
}

pub(super) fn add_standalone(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<HostSystem>() >= 14 {
        return destroy(chooser);
    }
    let folder = chooser.some_where::<Folder>(|folder| folder.child_type().contains("ComputeResource"))?;
    let spec = new_host(chooser);
    let request = AddStandaloneHostTask::with(|request| _ = request.set_spec(spec).set_add_connected(true));
    telling(Operation::new(folder, request), &["HostAddedEvent"])
}

pub(super) fn destroy(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<HostSystem>() < 6 {
        return None;
    }
    let host = chooser.some::<HostSystem>()?;
    let events: &[&str] = if host.is::<HostSystem>() { &["HostRemovedEvent"] } else { &[] };
    telling(Operation::new(host, DestroyTask::new()), events)
}

pub(super) fn move_host(chooser: &mut Chooser) -> Option<Operation> {
    let (cluster, host) = (chooser.some::<ClusterComputeResource>()?, chooser.some::<HostSystem>()?);
    match chooser.random.below(3) {
        0 => Operation::new(cluster, MoveIntoTask::with(|request| _ = request.set_host([host]))),
        1 => {
            let folder = chooser.some_where::<Folder>(|folder| folder.child_type().contains("ComputeResource"))?;
            Operation::new(folder, MoveIntoFolderTask::with(|request| _ = request.set_list([host])))
        }
        _ => {
            let pool = chooser.maybe::<ResourcePool>();
            let request = MoveHostIntoTask::with(|request| _ = request.set_host(host).set_resource_pool(pool));
            Operation::new(cluster, request)
        }
    }
}
