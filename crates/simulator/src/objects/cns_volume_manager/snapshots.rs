//! Snapshots of volumes.

use vimsim_types::method::{CnsCreateSnapshots, CnsDeleteSnapshots, CnsQuerySnapshots};
use vimsim_types::views::{
    CnsSnapshot, CnsSnapshotCreateResult, CnsSnapshotDeleteResult, CnsSnapshotId, CnsSnapshotNotFoundFault,
    CnsSnapshotQueryResult, CnsSnapshotQueryResultEntry, CnsSnapshotQuerySpec, CnsVolumeId, CnsVolumeNotFoundFault,
    CnsVolumeOperationResult,
};
use vimsim_types::{Fault, Moref, View};

use super::query::{next, window};
use super::{Manager, batch, disks, expect_some, find, volume_id, volumes};
use crate::call::Call;
use crate::first_class::{self, Snapshot, snapshot};
use crate::walk::Inventory;

fn snapshot_id(id: &str) -> CnsSnapshotId {
    CnsSnapshotId::with(|it| _ = it.set_id(id))
}

/// `CnsVolumeNotFoundFault` if there is no such volume.
fn expect_volume(inventory: &impl Inventory, id: &CnsVolumeId) -> Result<(), Fault> {
    find(inventory, id).map(|_| ()).map_err(|_| {
        let why = format!("The volume {} was not found", id.id());
        let detail = CnsVolumeNotFoundFault::with(|fault| {
            fault.set_volume_id(id.clone());
            fault.set_reason(&why);
        });
        Fault::new(detail, why)
    })
}

/// `CnsSnapshotNotFoundFault`.
fn missing(volume: &CnsVolumeId, snapshot: &CnsSnapshotId) -> Fault {
    let why = format!("The volume {} has no snapshot {}", volume.id(), snapshot.id());
    let detail = CnsSnapshotNotFoundFault::with(|fault| {
        fault.set_volume_id(volume.clone()).set_snapshot_id(snapshot.clone());
        fault.set_reason(&why);
    });
    Fault::new(detail, why)
}

fn describe(volume: &str, snapshot: &Snapshot) -> CnsSnapshot {
    CnsSnapshot::with(|it| {
        it.set_snapshot_id(snapshot_id(&snapshot.id)).set_volume_id(volume_id(volume));
        it.set_create_time(snapshot.created);
        it.set_description(Some(&snapshot.description).filter(|text| !text.is_empty()));
    })
}

/// Makes snapshots of volumes. The task's result is what became of each.
///
/// - As a fault of the task, `InvalidArgument` without any; as a fault of a volume, `CnsVolumeNotFoundFault`.
pub(super) fn create(call: &mut Call<'_, Manager>, request: CnsCreateSnapshots) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.snapshot_specs().iter().cloned().collect();
        expect_some(specs.len(), "CnsSnapshotCreateSpec")?;
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let (id, wanted) = (specs[at].volume_id(), specs[at].snapshot_id().map(|id| id.id().clone()));
            expect_volume(&**call, id)?;
            let (made, _) = snapshot::create(&mut disks(call)?, id.id(), None, specs[at].description(), wanted)?;
            let disk = first_class::find(&**call, id.id(), None)?;
            let made = disk.snapshots.iter().find(|known| known.id == made);
            let made = made.map(|made| describe(id.id(), made)).unwrap_or_else(CnsSnapshot::new);
            let result = CnsSnapshotCreateResult::with(|result| _ = result.set_snapshot(made));
            Ok(CnsVolumeOperationResult::from_object_unchecked(result.into()))
        }))
    })
}

/// Deletes snapshots of volumes. The task's result is what became of each.
///
/// - As a fault of the task, `InvalidArgument` without any; as faults of a volume, `CnsVolumeNotFoundFault` and
///   `CnsSnapshotNotFoundFault`.
pub(super) fn delete(call: &mut Call<'_, Manager>, request: CnsDeleteSnapshots) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.snapshot_delete_specs().iter().cloned().collect();
        expect_some(specs.len(), "CnsSnapshotDeleteSpec")?;
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let (id, snapshot) = (specs[at].volume_id(), specs[at].snapshot_id());
            expect_volume(&**call, id)?;
            let disk = first_class::find(&**call, id.id(), None)?;
            if !disk.snapshots.iter().any(|known| known.id == *snapshot.id()) {
                return Err(missing(id, snapshot));
            }
            snapshot::delete(&mut disks(call)?, id.id(), None, snapshot.id())?;
            let result = CnsSnapshotDeleteResult::with(|result| _ = result.set_snapshot_id(snapshot.clone()));
            Ok(CnsVolumeOperationResult::from_object_unchecked(result.into()))
        }))
    })
}

/// The snapshots of a volume, or of all, a page at a time; the task's result. What is not there is an entry with its fault:
/// `CnsVolumeNotFoundFault` or `CnsSnapshotNotFoundFault`.
///
/// - As faults of the task, `InvalidArgument` for more than one volume, and for a cursor that cannot be.
pub(super) fn query(call: &mut Call<'_, Manager>, request: CnsQuerySnapshots) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let filter = request.snapshot_query_filter();
        let specs = filter.snapshot_query_specs();
        if specs.len() > 1 {
            return Err(Fault::invalid_argument("CnsSnapshotQuerySpec", "there must be one at most"));
        }
        let (offset, limit) = window(filter.cursor(), "snapshotQueryFilter.cursor")?;
        let found = match specs.first() {
            Some(spec) => of_one(&**call, spec).unwrap_or_else(|fault| {
                vec![CnsSnapshotQueryResultEntry::with(|entry| _ = entry.set_error(fault.localized()))]
            }),
            None => of_all(&**call),
        };
        let total = found.len();
        let first = usize::try_from(offset).unwrap_or(usize::MAX);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let answered: Vec<_> = found.into_iter().skip(first).take(most).collect();
        Ok(CnsSnapshotQueryResult::with(|result| {
            result.set_cursor(next(offset, limit, answered.len(), total));
            result.set_entries(answered);
        }))
    })
}

fn entry(volume: &str, snapshot: &Snapshot) -> CnsSnapshotQueryResultEntry {
    CnsSnapshotQueryResultEntry::with(|entry| _ = entry.set_snapshot(describe(volume, snapshot)))
}

fn of_one(inventory: &impl Inventory, spec: &CnsSnapshotQuerySpec) -> Result<Vec<CnsSnapshotQueryResultEntry>, Fault> {
    let id = spec.volume_id();
    expect_volume(inventory, id)?;
    let disk = first_class::find(inventory, id.id(), None)?;
    match spec.snapshot_id().filter(|wanted| !wanted.id().is_empty()) {
        None => Ok(disk.snapshots.iter().map(|snapshot| entry(id.id(), snapshot)).collect()),
        Some(wanted) => {
            let found = disk.snapshots.iter().find(|snapshot| snapshot.id == *wanted.id());
            Ok(vec![entry(id.id(), found.ok_or_else(|| missing(id, wanted))?)])
        }
    }
}

fn of_all(inventory: &impl Inventory) -> Vec<CnsSnapshotQueryResultEntry> {
    let ids = volumes(inventory).into_iter().flat_map(|volumes| volumes.0.keys());
    let disks = ids.filter_map(|id| first_class::find(inventory, id, None).ok());
    disks.flat_map(|disk| disk.snapshots.iter().map(|snapshot| entry(&disk.id, snapshot))).collect()
}
