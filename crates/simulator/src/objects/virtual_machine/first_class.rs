//! First class disks of a machine.

use vimsim_types::method::{AttachDiskTask, DetachDiskTask};
use vimsim_types::views::VirtualMachine;
use vimsim_types::{Fault, Moref};

use crate::call::Call;
use crate::first_class::{Manager, attach, manager};

/// Gives the machine a first class disk.
///
/// - As faults of the task, what [`attach::attach`] raises.
pub(super) fn attach_disk(call: &mut Call<'_, VirtualMachine>, request: AttachDiskTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let (this, manager) = (call.moref(), manager(&**call)?);
        let (datastore, controller, unit) = (request.datastore(), request.controller_key(), request.unit_number());
        let call = &mut call.on::<Manager>(&manager);
        attach::attach(call, &this, request.disk_id().id(), Some(&datastore), controller, unit).map(|_| ())
    })
}

/// Takes a first class disk from the machine. It stays where it is.
///
/// - As faults of the task, what [`attach::detach`] raises.
pub(super) fn detach_disk(call: &mut Call<'_, VirtualMachine>, request: DetachDiskTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let (this, manager) = (call.moref(), manager(&**call)?);
        attach::detach(&mut call.on::<Manager>(&manager), &this, request.disk_id().id())
    })
}
