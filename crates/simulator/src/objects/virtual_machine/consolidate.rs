//! Merging the files of disks that no snapshot needs.

use vimsim_types::method::{ConsolidateVMDisksTask, EstimateStorageForConsolidateSnapshotsTask};
use vimsim_types::views::{StorageRequirement, VirtualMachine};
use vimsim_types::{Fault, Moref, View};

use super::snapshot::{consolidate, store};
use crate::call::Call;

/// Merges the files that were left when snapshots were removed without.
pub(super) fn consolidate_vm_disks(
    call: &mut Call<'_, VirtualMachine>,
    _: ConsolidateVMDisksTask,
) -> Result<Moref, Fault> {
    call.start_task(|call| {
        let this = call.moref();
        let mut machine = call.this()?.clone();
        consolidate(call, &mut machine)?;
        store(call, &this, machine)
    })
}

/// The space that merging the files of the machine's disks takes: none, since what is simulated is never copied.
pub(super) fn estimate_storage_for_consolidate_snapshots(
    call: &mut Call<'_, VirtualMachine>,
    _: EstimateStorageForConsolidateSnapshotsTask,
) -> Result<Moref, Fault> {
    call.start_task(|call| {
        let datastores = call.this()?.datastore();
        let none = |datastore: Moref| {
            StorageRequirement::with(|requirement| {
                requirement.set_datastore(datastore).set_free_space_required_in_kb(0);
            })
        };
        Ok(datastores.iter().map(none).collect::<Vec<_>>())
    })
}
