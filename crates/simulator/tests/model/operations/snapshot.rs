//! What is done with snapshots of virtual machines.

use vimsim_types::View;
use vimsim_types::method::*;
use vimsim_types::views::HostSystem;

use crate::chooser::{Chooser, Operation};

pub(super) fn create(chooser: &mut Chooser) -> Option<Operation> {
    let (machine, name) = (chooser.machine()?, chooser.name("snapshot"));
    let (memory, quiesce) = (chooser.random.once_in(2), chooser.random.once_in(2));
    let request =
        CreateSnapshotTask::with(|request| _ = request.set_name(name).set_memory(memory).set_quiesce(quiesce));
    Operation::new(machine, request)
}

pub(super) fn revert(chooser: &mut Chooser) -> Option<Operation> {
    let snapshot = chooser.snapshot_of_a_machine()?;
    let host = if chooser.random.once_in(8) { chooser.some::<HostSystem>() } else { None };
    let stays_off = chooser.random.once_in(3);
    let request = RevertToSnapshotTask::with(|request| _ = request.set_host(host).set_suppress_power_on(stays_off));
    Operation::new(snapshot, request)
}

pub(super) fn revert_current(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.machine()?, RevertToCurrentSnapshotTask::new())
}

pub(super) fn remove(chooser: &mut Chooser) -> Option<Operation> {
    let children = chooser.random.once_in(3);
    let request = RemoveSnapshotTask::with(|request| _ = request.set_remove_children(children));
    Operation::new(chooser.snapshot_of_a_machine()?, request)
}

pub(super) fn remove_all(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.machine()?, RemoveAllSnapshotsTask::new())
}

pub(super) fn rename(chooser: &mut Chooser) -> Option<Operation> {
    let name = chooser.name("renamed");
    Operation::new(chooser.snapshot_of_a_machine()?, RenameSnapshot::with(|request| _ = request.set_name(name)))
}
