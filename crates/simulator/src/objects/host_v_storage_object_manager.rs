//! `HostVStorageObjectManager`: first class disks, as a host without a vCenter manages them: as
//! `VcenterVStorageObjectManager` does, under other names.

use vimsim_types::method::*;
use vimsim_types::views::{HostVStorageObjectManager, KeyValue};
use vimsim_types::{ArcStr, Fault, Moref};

use crate::call::{Call, Look};
use crate::first_class::forward::{read, write};
use crate::first_class::snapshot::{self, Wanted};
use crate::first_class::{create, manager};
use crate::kind::Kind;

type Manager = HostVStorageObjectManager;

pub(crate) fn kind() -> Kind<Manager> {
    own(Kind::new())
        .write(write::<Manager, HostCreateDiskTask, CreateDiskTask>)
        .write(write::<Manager, HostRegisterDisk, RegisterDisk>)
        .write(write::<Manager, HostExtendDiskTask, ExtendDiskTask>)
        .write(write::<Manager, HostInflateDiskTask, InflateDiskTask>)
        .write(write::<Manager, HostRenameVStorageObject, RenameVStorageObject>)
        .write(write::<Manager, HostDeleteVStorageObjectTask, DeleteVStorageObjectTask>)
        .write(write::<Manager, HostDeleteVStorageObjectExTask, DeleteVStorageObjectExTask>)
        .write(write::<Manager, HostCloneVStorageObjectTask, CloneVStorageObjectTask>)
        .write(write::<Manager, HostRelocateVStorageObjectTask, RelocateVStorageObjectTask>)
        .write(write::<Manager, HostSetVStorageObjectControlFlags, SetVStorageObjectControlFlags>)
        .write(write::<Manager, HostClearVStorageObjectControlFlags, ClearVStorageObjectControlFlags>)
        .write(write::<Manager, HostReconcileDatastoreInventoryTask, ReconcileDatastoreInventoryTask>)
        .write(write::<Manager, HostScheduleReconcileDatastoreInventory, ScheduleReconcileDatastoreInventory>)
        .write(write::<Manager, HostVStorageObjectCreateSnapshotTask, VStorageObjectCreateSnapshotTask>)
        .write(write::<Manager, HostVStorageObjectDeleteSnapshotTask, DeleteSnapshotTask>)
        .write(write::<Manager, HostVStorageObjectRevertTask, RevertVStorageObjectTask>)
        .write(write::<Manager, HostUpdateVStorageObjectMetadataTask, VCenterUpdateVStorageObjectMetadataExTask>)
        .write(write::<Manager, HostUpdateVStorageObjectMetadataExTask, VCenterUpdateVStorageObjectMetadataExTask>)
        .write(write::<Manager, HostSetVirtualDiskUuidTask, SetVirtualDiskUuidExTask>)
        .write(write::<Manager, VStorageObjectExtendDiskExTask, VStorageObjectExtendDiskExTask>)
        .write(write::<Manager, RenameVStorageObjectEx, RenameVStorageObjectEx>)
        .write(write::<Manager, VStorageObjectCreateSnapshotExTask, VStorageObjectCreateSnapshotExTask>)
        .write(write::<Manager, VStorageObjectDeleteSnapshotExTask, VStorageObjectDeleteSnapshotExTask>)
        .write(write::<Manager, RevertVStorageObjectExTask, RevertVStorageObjectExTask>)
        .write(write::<Manager, UnregisterDiskTask, UnregisterDiskTask>)
        .read(read::<Manager, HostRetrieveVStorageObject, RetrieveVStorageObject>)
        .read(read::<Manager, HostRetrieveVStorageObjectState, RetrieveVStorageObjectState>)
        .read(read::<Manager, HostListVStorageObject, ListVStorageObject>)
        .read(read::<Manager, HostVStorageObjectRetrieveSnapshotInfo, RetrieveSnapshotInfo>)
        .read(
            read::<Manager, HostRetrieveVStorageInfrastructureObjectPolicy, RetrieveVStorageInfrastructureObjectPolicy>,
        )
        .read(read::<Manager, HostQueryVirtualDiskUuid, QueryVirtualDiskUuidEx>)
}

/// What a vCenter's manager has no method for.
fn own(kind: Kind<Manager>) -> Kind<Manager> {
    kind.write(create_from_snapshot).read(metadata).read(metadata_value)
}

/// Makes a disk of a snapshot; the task's result is the disk.
///
/// - As faults of the task, what [`snapshot::create_disk`] raises.
fn create_from_snapshot(
    call: &mut Call<'_, Manager>,
    request: HostVStorageObjectCreateDiskFromSnapshotTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let wanted = Wanted {
            name: request.name().clone(),
            profile: create::profile_of(request.profile()),
            path: request.path().cloned(),
            provisioning: request.provisioning_type().cloned(),
            id: request.target_id().map(|id| id.id().clone()),
            datastore: request.target_datastore(),
        };
        let (manager, snapshot) = (manager(&**call)?, request.snapshot_id().id());
        snapshot::create_disk(&mut call.on(&manager), request.id().id(), Some(&request.datastore()), snapshot, wanted)
    })
}

/// The metadata of a disk or a snapshot, of the keys that begin so.
///
/// - `NotFound`.
fn metadata(look: &Look<'_, Manager>, request: HostRetrieveVStorageObjectMetadata) -> Result<Vec<KeyValue>, Fault> {
    let snapshot = request.snapshot_id().map(|id| id.id().as_str());
    let prefix = request.prefix().map_or("", |prefix| prefix);
    snapshot::metadata(look.snapshot(), request.id().id(), Some(&request.datastore()), snapshot, prefix)
}

/// One value of it.
///
/// - `NotFound`, `KeyNotFound`.
fn metadata_value(look: &Look<'_, Manager>, request: HostRetrieveVStorageObjectMetadataValue) -> Result<ArcStr, Fault> {
    let snapshot = request.snapshot_id().map(|id| id.id().as_str());
    snapshot::metadata_value(look.snapshot(), request.id().id(), Some(&request.datastore()), snapshot, request.key())
}
