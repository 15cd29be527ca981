//! `VslmVStorageObjectManager`: first class disks wherever they are, as the service of `/vslm` finds them in its catalog: as
//! `VcenterVStorageObjectManager` does, without being told the datastore.

use vimsim_types::method::*;
use vimsim_types::views::{
    Datacenter, Datastore, KeyValue, VirtualMachine, VslmDatastoreSyncStatus, VslmVStorageObjectManager,
    VslmVsoVStorageObjectAssociations, VslmVsoVStorageObjectAssociationsVmDiskAssociation,
    VslmVsoVStorageObjectQueryResult, VslmVsoVStorageObjectResult,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View};

use crate::call::{Call, Look};
use crate::files::place::datacenters;
use crate::first_class::forward::{datastore_of_url, read, start, vslm_task, write};
use crate::first_class::{self, Catalog, attach, catalog, find, id_of, manager, query, snapshot};
use crate::kind::Kind;

type Manager = VslmVStorageObjectManager;

pub(crate) fn kind() -> Kind<Manager> {
    own(Kind::new())
        .write(start::<Manager, VslmCreateDiskTask, CreateDiskTask>)
        .write(write::<Manager, VslmRegisterDisk, RegisterDisk>)
        .write(start::<Manager, VslmExtendDiskTask, ExtendDiskTask>)
        .write(start::<Manager, VslmInflateDiskTask, InflateDiskTask>)
        .write(write::<Manager, VslmRenameVStorageObject, RenameVStorageObject>)
        .write(start::<Manager, VslmUpdateVstorageObjectPolicyTask, UpdateVStorageObjectPolicyTask>)
        .write(
            start::<
                Manager,
                VslmUpdateVStorageInfrastructureObjectPolicyTask,
                UpdateVStorageInfrastructureObjectPolicyTask,
            >,
        )
        .write(start::<Manager, VslmDeleteVStorageObjectTask, DeleteVStorageObjectTask>)
        .write(start::<Manager, VslmCloneVStorageObjectTask, CloneVStorageObjectTask>)
        .write(start::<Manager, VslmRelocateVStorageObjectTask, RelocateVStorageObjectTask>)
        .write(write::<Manager, VslmSetVStorageObjectControlFlags, SetVStorageObjectControlFlags>)
        .write(write::<Manager, VslmClearVStorageObjectControlFlags, ClearVStorageObjectControlFlags>)
        .write(write::<Manager, VslmAttachTagToVStorageObject, AttachTagToVStorageObject>)
        .write(write::<Manager, VslmDetachTagFromVStorageObject, DetachTagFromVStorageObject>)
        .write(start::<Manager, VslmReconcileDatastoreInventoryTask, ReconcileDatastoreInventoryTask>)
        .write(write::<Manager, VslmScheduleReconcileDatastoreInventory, ScheduleReconcileDatastoreInventory>)
        .write(start::<Manager, VslmCreateSnapshotTask, VStorageObjectCreateSnapshotTask>)
        .write(start::<Manager, VslmDeleteSnapshotTask, DeleteSnapshotTask>)
        .write(start::<Manager, VslmCreateDiskFromSnapshotTask, CreateDiskFromSnapshotTask>)
        .write(start::<Manager, VslmRevertVStorageObjectTask, RevertVStorageObjectTask>)
        .write(start::<Manager, VslmUpdateVStorageObjectMetadataTask, VCenterUpdateVStorageObjectMetadataExTask>)
        .read(
            read::<Manager, VslmRetrieveVStorageInfrastructureObjectPolicy, RetrieveVStorageInfrastructureObjectPolicy>,
        )
        .read(read::<Manager, VslmRetrieveVStorageObject, RetrieveVStorageObject>)
        .read(read::<Manager, VslmRetrieveVStorageObjectState, RetrieveVStorageObjectState>)
        .read(read::<Manager, VslmListVStorageObjectsAttachedToTag, ListVStorageObjectsAttachedToTag>)
        .read(read::<Manager, VslmListTagsAttachedToVStorageObject, ListTagsAttachedToVStorageObject>)
        .read(read::<Manager, VslmRetrieveSnapshotInfo, RetrieveSnapshotInfo>)
        .read(read::<Manager, VslmRetrieveSnapshotDetails, RetrieveSnapshotDetails>)
        .read(read::<Manager, VslmQueryChangedDiskAreas, VstorageObjectVCenterQueryChangedDiskAreas>)
}

/// What a vCenter's own manager has no method for.
fn own(kind: Kind<Manager>) -> Kind<Manager> {
    kind.read(list_for_spec)
        .read(associations)
        .read(objects)
        .read(metadata)
        .read(metadata_value)
        .read(sync_status)
        .read(sync_status_for_datastore)
        .write(attach_disk)
}

/// The identifier of the one there is.
pub(crate) fn moref() -> Moref {
    Moref::of::<Manager>("VslmVStorageObjectManager")
}

/// The disks that all of the queries are about, by their identifiers.
///
/// - what [`query::list`] raises.
fn list_for_spec(
    look: &Look<'_, Manager>,
    request: VslmListVStorageObjectForSpec,
) -> Result<VslmVsoVStorageObjectQueryResult, Fault> {
    query::list(look.snapshot(), request.query(), request.max_result())
}

/// The identifiers of all disks, if none are named.
fn named(look: &Look<'_, Manager>, ids: Vec<ArcStr>) -> Vec<ArcStr> {
    if ids.is_empty() {
        let all = catalog(look.snapshot()).into_iter().flat_map(Catalog::disks);
        return all.map(|disk| disk.id.clone()).collect();
    }
    ids
}

/// Which machines have these disks. One that cannot be found has its fault.
fn associations(
    look: &Look<'_, Manager>,
    request: VslmRetrieveVStorageObjectAssociations,
) -> Result<Vec<VslmVsoVStorageObjectAssociations>, Fault> {
    let ids = named(look, request.ids().iter().map(|id| id.id().clone()).collect());
    let of = |id: &ArcStr| {
        VslmVsoVStorageObjectAssociations::with(|it| {
            it.set_id(id_of(id));
            match find(look.snapshot(), id, None) {
                Ok(disk) => {
                    if let Some(known) = query::association(look.snapshot(), disk) {
                        it.push_vm_disk_association(VslmVsoVStorageObjectAssociationsVmDiskAssociation::with(|own| {
                            own.set_vm_id(known.vm_id()).set_disk_key(known.disk_key());
                        }));
                    }
                }
                Err(fault) => _ = it.set_fault(fault.localized()),
            }
        })
    };
    Ok(ids.iter().map(of).collect())
}

/// What the catalog knows of these disks. One that cannot be found has an error.
fn objects(
    look: &Look<'_, Manager>,
    request: VslmRetrieveVStorageObjects,
) -> Result<Vec<VslmVsoVStorageObjectResult>, Fault> {
    let ids = named(look, request.ids().iter().map(|id| id.id().clone()).collect());
    let of = |id: &ArcStr| match find(look.snapshot(), id, None) {
        Ok(disk) => query::describe(look.snapshot(), disk),
        Err(fault) => VslmVsoVStorageObjectResult::with(|result| {
            result.set_id(id_of(id)).set_capacity_in_mb(0).set_error(fault.localized());
        }),
    };
    Ok(ids.iter().map(of).collect())
}

/// The metadata of a disk or a snapshot, of the keys that begin so.
///
/// - `NotFound`.
fn metadata(look: &Look<'_, Manager>, request: VslmRetrieveVStorageObjectMetadata) -> Result<Vec<KeyValue>, Fault> {
    let snapshot = request.snapshot_id().map(|id| id.id().as_str());
    let prefix = request.prefix().map_or("", |prefix| prefix);
    snapshot::metadata(look.snapshot(), request.id().id(), None, snapshot, prefix)
}

/// One value of it.
///
/// - `NotFound`, `KeyNotFound`.
fn metadata_value(look: &Look<'_, Manager>, request: VslmRetrieveVStorageObjectMetadataValue) -> Result<ArcStr, Fault> {
    let snapshot = request.snapshot_id().map(|id| id.id().as_str());
    snapshot::metadata_value(look.snapshot(), request.id().id(), None, snapshot, request.key())
}

/// How far the catalog knows what is on a datastore: all of it, always.
fn status(look: &Look<'_, Manager>, moref: &Moref) -> Result<VslmDatastoreSyncStatus, Fault> {
    let url = look.get::<Datastore>(moref)?.summary().url();
    let here = catalog(look.snapshot()).into_iter().flat_map(Catalog::disks).filter(|disk| disk.datastore == *moref);
    let clock = here.map(|disk| disk.clock).max().unwrap_or_default();
    Ok(VslmDatastoreSyncStatus::with(|status| {
        status.set_datastore_url(url).set_object_v_clock(clock).set_sync_v_clock(clock);
        status.set_sync_time(look.context().now).set_number_of_retries(0);
    }))
}

/// [`status`] of every datastore.
fn sync_status(
    look: &Look<'_, Manager>,
    _: VslmQueryGlobalCatalogSyncStatus,
) -> Result<Vec<VslmDatastoreSyncStatus>, Fault> {
    let mut all = Vec::new();
    for datacenter in datacenters(look.snapshot()) {
        for datastore in look.get::<Datacenter>(&datacenter)?.datastore() {
            all.push(status(look, &datastore)?);
        }
    }
    Ok(all)
}

/// [`status`] of one.
///
/// - `NotFound` for a URL that is no datastore's.
fn sync_status_for_datastore(
    look: &Look<'_, Manager>,
    request: VslmQueryGlobalCatalogSyncStatusForDatastore,
) -> Result<VslmDatastoreSyncStatus, Fault> {
    status(look, &datastore_of_url(look.snapshot(), request.datastore_url())?)
}

/// Gives a machine a disk.
///
/// - `ManagedObjectNotFound` if there is no such machine; as faults of the task, what [`attach::attach`] raises.
fn attach_disk(call: &mut Call<'_, Manager>, request: VslmAttachDiskTask) -> Result<Value, Fault> {
    let machine = request.vm();
    call.get::<VirtualMachine>(&machine)?;
    let task = call.on::<VirtualMachine>(&machine).start_task(move |call| {
        let (this, manager) = (call.moref(), manager(&**call)?);
        let (controller, unit) = (request.controller_key(), request.unit_number());
        attach::attach(&mut call.on::<first_class::Manager>(&manager), &this, request.id().id(), None, controller, unit)
            .map(|_| ())
    })?;
    Ok(vslm_task(&task.into()))
}
