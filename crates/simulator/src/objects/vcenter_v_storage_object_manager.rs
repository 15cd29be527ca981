//! `VcenterVStorageObjectManager`: first class disks, as a vCenter manages them. What it does is in
//! [`first_class`](crate::first_class), where the faults are told.
//!
//! `HostVStorageObjectManager` and the service of `/vslm` are other faces of it.

use vimsim_types::method::{
    AttachTagToVStorageObject, ClearVStorageObjectControlFlags, CloneVStorageObjectTask, CreateDiskFromSnapshotTask,
    CreateDiskTask, DeleteSnapshotTask, DeleteVStorageObjectExTask, DeleteVStorageObjectTask,
    DetachTagFromVStorageObject, ExtendDiskTask, InflateDiskTask, ListTagsAttachedToVStorageObject, ListVStorageObject,
    ListVStorageObjectsAttachedToTag, QueryVirtualDiskUuid, QueryVirtualDiskUuidEx, ReconcileDatastoreInventoryExTask,
    ReconcileDatastoreInventoryTask, RegisterDisk, RelocateVStorageObjectTask, RenameVStorageObject,
    RenameVStorageObjectEx, RetrieveSnapshotDetails, RetrieveSnapshotInfo, RetrieveVStorageInfrastructureObjectPolicy,
    RetrieveVStorageObject, RetrieveVStorageObjectAssociations, RetrieveVStorageObjectState,
    RevertVStorageObjectExTask, RevertVStorageObjectTask, ScheduleReconcileDatastoreInventory,
    SetVStorageObjectControlFlags, SetVirtualDiskUuid, SetVirtualDiskUuidExTask, UnregisterDiskTask,
    UpdateVStorageInfrastructureObjectPolicyTask, UpdateVStorageObjectPolicyTask,
    VCenterUpdateVStorageObjectMetadataExTask, VStorageObjectCreateSnapshotExTask, VStorageObjectCreateSnapshotTask,
    VStorageObjectDeleteSnapshotExTask, VStorageObjectExtendDiskExTask, VstorageObjectVCenterQueryChangedDiskAreas,
};
use vimsim_types::views::{
    Datastore, ID, InvalidDatastore, VStorageObject, VStorageObjectAssociations, VStorageObjectReconcileResult,
    VStorageObjectReconcileResultReconcileDetail, VStorageObjectSnapshot, VStorageObjectStateInfo, VirtualDiskManager,
    VsanDatastoreInfo, VslmInfrastructureObjectPolicy, VslmVClockInfo,
};
use vimsim_types::{ArcStr, Fault, IntoValue, Moref, Value, View};

use crate::call::{Call, Look};
use crate::first_class::snapshot::{self, Wanted};
use crate::first_class::{self, Manager, catalog, change, copy, create, edit_catalog, find, id_of, query, tags};
use crate::kind::Kind;

type Writer<'a> = Call<'a, Manager>;
type Reader<'a> = Look<'a, Manager>;
type Started = Result<Moref, Fault>;

pub(crate) fn kind() -> Kind<Manager> {
    snapshots(changes(reads(Kind::new())))
        .write(|call: &mut Writer<'_>, it: CreateDiskTask| -> Started {
            task(call, Box::new(move |call| value(create::create(call, it.spec()))))
        })
        .write(|call: &mut Writer<'_>, it: RegisterDisk| {
            create::register(call, it.path(), it.name(), it.id().map(|id| id.id().clone()))
        })
        .write(|call: &mut Writer<'_>, it: DeleteVStorageObjectTask| -> Started {
            task(call, Box::new(move |call| done(create::delete(call, it.id().id(), Some(&it.datastore())))))
        })
        .write(|call: &mut Writer<'_>, it: DeleteVStorageObjectExTask| -> Started {
            task(call, Box::new(move |call| clock(create::delete(call, it.id().id(), Some(&it.datastore())))))
        })
        .write(|call: &mut Writer<'_>, it: UnregisterDiskTask| -> Started {
            task(call, Box::new(move |call| clock(create::unregister(call, it.id().id(), Some(&it.datastore())))))
        })
        .write(|call: &mut Writer<'_>, it: CloneVStorageObjectTask| -> Started {
            let body = move |call: &mut Writer<'_>| copy::clone(call, it.id().id(), Some(&it.datastore()), it.spec());
            task(call, Box::new(move |call| value(body(call))))
        })
        .write(|call: &mut Writer<'_>, it: RelocateVStorageObjectTask| -> Started {
            let body =
                move |call: &mut Writer<'_>| copy::relocate(call, it.id().id(), Some(&it.datastore()), it.spec());
            task(call, Box::new(move |call| value(body(call))))
        })
        .write(|call: &mut Writer<'_>, it: ReconcileDatastoreInventoryTask| -> Started {
            task(call, Box::new(move |call| done(create::reconcile(call, &it.datastore(), false))))
        })
        .write(|call: &mut Writer<'_>, it: ScheduleReconcileDatastoreInventory| {
            create::reconcile(call, &it.datastore(), false).map(|_| ())
        })
        .write(reconcile_ex)
}

/// What is asked.
fn reads(kind: Kind<Manager>) -> Kind<Manager> {
    kind.read(list)
        .read(|look: &Reader<'_>, it: RetrieveVStorageObject| {
            let disk = find(look.snapshot(), it.id().id(), Some(&it.datastore()))?;
            first_class::describe(look.snapshot(), disk)
        })
        .read(|look: &Reader<'_>, it: RetrieveVStorageObjectState| {
            find(look.snapshot(), it.id().id(), Some(&it.datastore()))?;
            Ok(VStorageObjectStateInfo::with(|state| _ = state.set_tentative(false)))
        })
        .read(associations)
        .read(|look: &Reader<'_>, it: RetrieveSnapshotInfo| {
            snapshot::list(look.snapshot(), it.id().id(), Some(&it.datastore()))
        })
        .read(|look: &Reader<'_>, it: RetrieveSnapshotDetails| {
            snapshot::details(look.snapshot(), it.id().id(), Some(&it.datastore()), it.snapshot_id().id())
        })
        .read(|look: &Reader<'_>, it: VstorageObjectVCenterQueryChangedDiskAreas| {
            let (datastore, start, since) = (it.datastore(), it.start_offset(), it.change_id());
            let snapshot = it.snapshot_id().id();
            snapshot::changed_areas(look.snapshot(), it.id().id(), Some(&datastore), snapshot, start, since)
        })
        .read(|look: &Reader<'_>, it: ListVStorageObjectsAttachedToTag| {
            tags::disks(look.snapshot(), it.category(), it.tag())
        })
        .read(|look: &Reader<'_>, it: ListTagsAttachedToVStorageObject| {
            find(look.snapshot(), it.id().id(), None)?;
            Ok(tags::list(look.snapshot(), it.id().id()))
        })
        .read(infrastructure_policies)
        .read(query_virtual_disk_uuid)
}

/// What is changed of a disk that there is.
fn changes(kind: Kind<Manager>) -> Kind<Manager> {
    kind.write(|call: &mut Writer<'_>, it: ExtendDiskTask| -> Started {
        let (datastore, size) = (it.datastore(), it.new_capacity_in_mb());
        task(call, Box::new(move |call| done(change::extend(call, it.id().id(), Some(&datastore), size))))
    })
    .write(|call: &mut Writer<'_>, it: VStorageObjectExtendDiskExTask| -> Started {
        let (datastore, size) = (it.datastore(), it.new_capacity_in_mb());
        task(call, Box::new(move |call| clock(change::extend(call, it.id().id(), Some(&datastore), size))))
    })
    .write(|call: &mut Writer<'_>, it: InflateDiskTask| -> Started {
        task(call, Box::new(move |call| done(change::inflate(call, it.id().id(), Some(&it.datastore())))))
    })
    .write(|call: &mut Writer<'_>, it: RenameVStorageObject| {
        change::rename(call, it.id().id(), Some(&it.datastore()), it.name()).map(|_| ())
    })
    .write(|call: &mut Writer<'_>, it: RenameVStorageObjectEx| {
        change::rename(call, it.id().id(), Some(&it.datastore()), it.name()).map(clock_of)
    })
    .write(|call: &mut Writer<'_>, it: SetVStorageObjectControlFlags| {
        change::set_flags(call, it.id().id(), Some(&it.datastore()), it.control_flags(), true).map(|_| ())
    })
    .write(|call: &mut Writer<'_>, it: ClearVStorageObjectControlFlags| {
        change::set_flags(call, it.id().id(), Some(&it.datastore()), it.control_flags(), false).map(|_| ())
    })
    .write(update_policy)
    .write(update_infrastructure_policy)
    .write(update_metadata)
    .write(|call: &mut Writer<'_>, it: AttachTagToVStorageObject| {
        find(&**call, it.id().id(), None)?;
        tags::attach(call, it.id().id(), it.category(), it.tag())
    })
    .write(|call: &mut Writer<'_>, it: DetachTagFromVStorageObject| {
        find(&**call, it.id().id(), None)?;
        tags::detach(call, it.id().id(), it.category(), it.tag())
    })
    .write(set_virtual_disk_uuid)
}

/// What is done with snapshots.
fn snapshots(kind: Kind<Manager>) -> Kind<Manager> {
    kind.write(|call: &mut Writer<'_>, it: VStorageObjectCreateSnapshotTask| -> Started {
        let body = move |call: &mut Writer<'_>| {
            let made = snapshot::create(call, it.id().id(), Some(&it.datastore()), it.description(), None)?;
            Ok(id_of(&made.0))
        };
        task(call, Box::new(move |call| value(body(call))))
    })
    .write(|call: &mut Writer<'_>, it: VStorageObjectCreateSnapshotExTask| -> Started {
        let body = move |call: &mut Writer<'_>| {
            let wanted = it.snapshot_id().map(|id| id.id().clone());
            let made = snapshot::create(call, it.id().id(), Some(&it.datastore()), it.description(), wanted)?;
            Ok(VStorageObjectSnapshot::with(|snapshot| {
                snapshot.set_id(id_of(&made.0)).set_vclock(clock_of(made.1));
            }))
        };
        task(call, Box::new(move |call| value(body(call))))
    })
    .write(|call: &mut Writer<'_>, it: DeleteSnapshotTask| -> Started {
        let body = move |call: &mut Writer<'_>| {
            snapshot::delete(call, it.id().id(), Some(&it.datastore()), it.snapshot_id().id())
        };
        task(call, Box::new(move |call| done(body(call))))
    })
    .write(|call: &mut Writer<'_>, it: VStorageObjectDeleteSnapshotExTask| -> Started {
        let body = move |call: &mut Writer<'_>| {
            snapshot::delete(call, it.id().id(), Some(&it.datastore()), it.snapshot_id().id())
        };
        task(call, Box::new(move |call| clock(body(call))))
    })
    .write(|call: &mut Writer<'_>, it: RevertVStorageObjectTask| -> Started {
        let body = move |call: &mut Writer<'_>| {
            snapshot::revert(call, it.id().id(), Some(&it.datastore()), it.snapshot_id().id())
        };
        task(call, Box::new(move |call| done(body(call))))
    })
    .write(|call: &mut Writer<'_>, it: RevertVStorageObjectExTask| -> Started {
        let body = move |call: &mut Writer<'_>| {
            snapshot::revert(call, it.id().id(), Some(&it.datastore()), it.snapshot_id().id())
        };
        task(call, Box::new(move |call| clock(body(call))))
    })
    .write(create_from_snapshot)
}

type Body = Box<dyn FnOnce(&mut Writer<'_>) -> Result<Value, Fault> + Send>;

/// One instance of what would be many.
fn task(call: &mut Writer<'_>, body: Body) -> Started {
    call.start_task(body)
}

/// The result of a task that has none.
fn done<R>(result: Result<R, Fault>) -> Result<Value, Fault> {
    result.map(|_| Value::Unset)
}

fn value<R: IntoValue>(result: Result<R, Fault>) -> Result<Value, Fault> {
    result.map(IntoValue::into_value)
}

/// The result of a task that answers the disk's clock.
fn clock(result: Result<i64, Fault>) -> Result<Value, Fault> {
    value(result.map(clock_of))
}

fn clock_of(time: i64) -> VslmVClockInfo {
    VslmVClockInfo::with(|clock| _ = clock.set_v_clock_time(time))
}

/// The identifiers of the disks on a datastore.
///
/// - `ManagedObjectNotFound` if there is no such datastore.
fn list(look: &Reader<'_>, request: ListVStorageObject) -> Result<Vec<ID>, Fault> {
    let datastore = request.datastore();
    look.get::<Datastore>(&datastore)?;
    let all = catalog(look.snapshot()).into_iter().flat_map(first_class::Catalog::disks);
    Ok(all.filter(|disk| disk.datastore == datastore).map(|disk| id_of(&disk.id)).collect())
}

/// Which machines have these disks. One that cannot be found has its fault.
fn associations(
    look: &Reader<'_>,
    request: RetrieveVStorageObjectAssociations,
) -> Result<Vec<VStorageObjectAssociations>, Fault> {
    let of = |id: &str, datastore: Option<&Moref>| {
        VStorageObjectAssociations::with(|it| {
            it.set_id(id_of(id));
            match find(look.snapshot(), id, datastore) {
                Ok(disk) => _ = it.set_vm_disk_associations(query::association(look.snapshot(), disk)),
                Err(fault) => _ = it.set_fault(fault.localized()),
            }
        })
    };
    if request.ids().is_empty() {
        let all = catalog(look.snapshot()).into_iter().flat_map(first_class::Catalog::disks);
        return Ok(all.map(|disk| of(&disk.id, None)).collect());
    }
    Ok(request.ids().iter().map(|spec| of(spec.id().id(), Some(&spec.datastore()))).collect())
}

/// Asks for another storage policy for a disk.
///
/// - As a fault of the task, `NotFound`.
fn update_policy(call: &mut Writer<'_>, request: UpdateVStorageObjectPolicyTask) -> Started {
    let body = move |call: &mut Writer<'_>| {
        let profile = create::profile_of(request.profile());
        change::change(call, request.id().id(), Some(&request.datastore()), &mut |disk| {
            disk.profile.clone_from(&profile);
            Ok(())
        })
    };
    task(call, Box::new(move |call| done(body(call))))
}

/// Changes a disk's metadata; the task's result is the disk.
///
/// - As faults of the task, what [`change::update_metadata`] raises.
fn update_metadata(call: &mut Writer<'_>, request: VCenterUpdateVStorageObjectMetadataExTask) -> Started {
    let body = move |call: &mut Writer<'_>| -> Result<VStorageObject, Fault> {
        let (id, datastore) = (request.id().id(), request.datastore());
        change::update_metadata(call, id, Some(&datastore), request.metadata(), request.delete_keys())?;
        first_class::describe(&**call, find(&**call, id, None)?)
    };
    task(call, Box::new(move |call| value(body(call))))
}

/// Makes a disk of a snapshot; the task's result is the disk.
///
/// - As faults of the task, what [`snapshot::create_disk`] raises.
fn create_from_snapshot(call: &mut Writer<'_>, request: CreateDiskFromSnapshotTask) -> Started {
    let body = move |call: &mut Writer<'_>| {
        let wanted = Wanted {
            name: request.name().clone(),
            profile: create::profile_of(request.profile()),
            path: request.path().cloned(),
            provisioning: None,
            id: request.target_id().map(|id| id.id().clone()),
            datastore: request.target_datastore(),
        };
        let snapshot = request.snapshot_id().id();
        snapshot::create_disk(call, request.id().id(), Some(&request.datastore()), snapshot, wanted)
    };
    task(call, Box::new(move |call| value(body(call))))
}

/// `InvalidDatastore` unless it is one of vSAN, which has objects for what the catalog itself needs.
fn expect_vsan(datastore: &Datastore, moref: &Moref) -> Result<(), Fault> {
    if datastore.info().as_object().is::<VsanDatastoreInfo>() {
        return Ok(());
    }
    let detail = InvalidDatastore::with(|fault| {
        fault.set_datastore(moref.clone()).set_name(datastore.name());
    });
    Err(Fault::new(detail, format!("'{}' is no datastore of vSAN", datastore.name())))
}

/// The storage policies of what the catalog itself keeps on a datastore of vSAN.
///
/// - `InvalidDatastore` for another.
fn infrastructure_policies(
    look: &Reader<'_>,
    request: RetrieveVStorageInfrastructureObjectPolicy,
) -> Result<Vec<VslmInfrastructureObjectPolicy>, Fault> {
    let moref = request.datastore();
    expect_vsan(look.get::<Datastore>(&moref)?, &moref)?;
    let known = catalog(look.snapshot()).and_then(|catalog| catalog.policies.get(&moref).cloned());
    Ok(known.into_iter().map(|profile| policy(&moref, &profile)).collect())
}

fn policy(datastore: &Moref, profile: &ArcStr) -> VslmInfrastructureObjectPolicy {
    VslmInfrastructureObjectPolicy::with(|policy| {
        policy.set_name("fcd").set_profile_id(profile);
        policy.set_backing_object_id(crate::uuid::named(&format!("{datastore}/fcd")));
    })
}

/// Asks for another storage policy for what the catalog keeps on a datastore of vSAN.
///
/// - As faults of the task: `InvalidDatastore` for another; `InvalidArgument` without a policy.
fn update_infrastructure_policy(
    call: &mut Writer<'_>,
    request: UpdateVStorageInfrastructureObjectPolicyTask,
) -> Started {
    let body = move |call: &mut Writer<'_>| {
        let moref = request.spec().datastore();
        expect_vsan(call.get::<Datastore>(&moref)?, &moref)?;
        let profile = create::profile_of(request.spec().profile());
        let profile = profile.ok_or_else(|| Fault::invalid_argument("spec.profile", "names no policy"))?;
        edit_catalog(call)?.policies.insert_mut(moref, profile);
        Ok(())
    };
    task(call, Box::new(move |call| value(body(call))))
}

/// Reconciles a datastore, or on trial says what that would do; the task's result is how many disks there were and are.
///
/// - As faults of the task, what [`create::reconcile`] raises.
fn reconcile_ex(call: &mut Writer<'_>, request: ReconcileDatastoreInventoryExTask) -> Started {
    let body = move |call: &mut Writer<'_>| {
        let spec = request.spec();
        let (before, after) = create::reconcile(call, &spec.datastore(), spec.dry_run() == Some(true))?;
        Ok(VStorageObjectReconcileResult::with(|result| {
            result.set_reconcile_details([VStorageObjectReconcileResultReconcileDetail::with(|detail| {
                detail.set_is_reconciled(spec.dry_run() != Some(true)).set_is_deep_scanned(spec.deep_scan());
                detail.set_number_of_reconcile_issues(before - after);
                detail.set_number_of_fcds_before_reconcile(before).set_number_of_fcds_after_reconcile(after);
            })]);
        }))
    };
    task(call, Box::new(move |call| value(body(call))))
}

/// Gives a virtual disk another UUID: a new one if none is named.
///
/// - As faults of the task, those of `SetVirtualDiskUuid`.
fn set_virtual_disk_uuid(call: &mut Writer<'_>, request: SetVirtualDiskUuidExTask) -> Started {
    let body = move |call: &mut Writer<'_>| {
        let made = edit_catalog(call)?.new_id(request.name());
        let wanted = SetVirtualDiskUuid::with(|wanted| {
            wanted.set_name(request.name()).set_datacenter(request.datacenter());
            wanted.set_uuid(request.uuid().filter(|uuid| !uuid.is_empty()).unwrap_or(&made));
        });
        let (context, manager) = (call.context(), disk_manager(call.context().is_virtual_center()));
        context.service.invoke(call, context, &manager, wanted)
    };
    task(call, Box::new(body))
}

fn disk_manager(is_virtual_center: bool) -> Moref {
    Moref::of::<VirtualDiskManager>(if is_virtual_center { "virtualDiskManager" } else { "ha-vdiskmanager" })
}

/// The UUID of a virtual disk.
///
/// - as `QueryVirtualDiskUuid`.
fn query_virtual_disk_uuid(look: &Reader<'_>, request: QueryVirtualDiskUuidEx) -> Result<ArcStr, Fault> {
    let manager = disk_manager(look.context().is_virtual_center());
    let look = Look::new(look.snapshot(), look.context(), manager);
    let wanted = QueryVirtualDiskUuid::with(|wanted| {
        wanted.set_name(request.name()).set_datacenter(request.datacenter());
    });
    super::virtual_disk_manager::query_uuid(&look, wanted)
}
