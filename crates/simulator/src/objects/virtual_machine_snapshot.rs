//! `VirtualMachineSnapshot`: what a virtual machine was at a moment. `virtual_machine::snapshot` does the work.

use vimsim_types::method::{RemoveSnapshotTask, RenameSnapshot, RevertToSnapshotTask};
use vimsim_types::views::{VirtualMachine, VirtualMachineSnapshot};
use vimsim_types::{Fault, Moref};

use super::virtual_machine;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<VirtualMachineSnapshot> {
    Kind::new()
        .write(revert_to_snapshot)
        .write(remove_snapshot)
        .write(rename_snapshot)
        .write(super::http_nfc_lease::export_snapshot)
}

/// Makes the machine what it was, as a task of the machine.
///
/// - As faults of the task: `SnapshotLocked` if the machine's flags say so; `InvalidState` for a host that cannot take it.
fn revert_to_snapshot(
    call: &mut Call<'_, VirtualMachineSnapshot>,
    request: RevertToSnapshotTask,
) -> Result<Moref, Fault> {
    let (this, machine) = (call.moref(), call.this()?.vm());
    call.on::<VirtualMachine>(&machine).start_task(move |call| {
        virtual_machine::revert(call, &this, request.host(), request.suppress_power_on().unwrap_or_default())
    })
}

/// Forgets the snapshot, as a task of the machine.
fn remove_snapshot(call: &mut Call<'_, VirtualMachineSnapshot>, request: RemoveSnapshotTask) -> Result<Moref, Fault> {
    let (this, machine) = (call.moref(), call.this()?.vm());
    call.on::<VirtualMachine>(&machine).start_task(move |call| {
        virtual_machine::remove_snapshot(call, &this, request.remove_children(), request.consolidate().unwrap_or(true))
    })
}

/// Gives the snapshot another name or description.
///
/// - `InvalidName` for a name that a snapshot cannot have.
fn rename_snapshot(call: &mut Call<'_, VirtualMachineSnapshot>, request: RenameSnapshot) -> Result<(), Fault> {
    let this = call.moref();
    virtual_machine::rename_snapshot(call, &this, request.name(), request.description())
}
