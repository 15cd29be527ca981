//! What is done with volumes that there are.

use vimsim_types::method::{
    CnsAttachVolume, CnsClearVolumeControlFlags, CnsDeleteVolume, CnsDetachVolume, CnsExtendVolume,
    CnsReconfigVolumePolicy, CnsRelocateVolume, CnsSetVolumeControlFlags, CnsSyncDatastore, CnsSyncVolume,
    CnsUnregisterVolume,
};
use vimsim_types::views::{
    AlreadyExists, CnsVolumeAttachResult, CnsVolumeControlFlagsSpec, CnsVolumeId, CnsVolumeOperationResult,
    ResourceInUse, VirtualMachine, VslmCreateSpecDiskFileBackingSpec, VslmRelocateSpec,
};
use vimsim_types::{Fault, Items, Moref, View};

use super::{Manager, batch, disks, edit, expect_one, expect_some, find, metadata};
use crate::call::Call;
use crate::first_class::{self, attach, change, copy, create};

/// `ResourceInUse` while a machine has the volume.
fn expect_detached(call: &Call<'_, Manager>, id: &CnsVolumeId) -> Result<(), Fault> {
    let disk = first_class::find(&**call, id.id(), None)?;
    match first_class::holder(&**call, disk) {
        None => Ok(()),
        Some((machine, _)) => {
            let detail = ResourceInUse::with(|fault| {
                fault.set_type("VirtualMachine").set_name(machine.value());
            });
            Err(Fault::new(detail, format!("The volume {} is attached to {machine}", id.id())))
        }
    }
}

/// Makes a volume none: with its disk, or only what is known of it beside.
fn forget(call: &mut Call<'_, Manager>, id: &CnsVolumeId, is_deleted: bool) -> Result<(), Fault> {
    if is_deleted {
        create::delete(&mut disks(call)?, id.id(), None)?;
    } else {
        metadata::remove_from_disk(call, id.id())?;
    }
    edit(call)?.0.remove_mut(id.id());
    Ok(())
}

/// Deletes a volume, with its disk or without. The task's result is what became of it.
///
/// - As a fault of the task, `InvalidArgument` for anything but one volume; as faults of the volume, `NotFound`, and
///   `ResourceInUse` while a machine has it.
pub(super) fn delete_volume(call: &mut Call<'_, Manager>, request: CnsDeleteVolume) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let ids: Vec<_> = request.volume_ids().iter().cloned().collect();
        expect_one(ids.len())?;
        let named = ids.iter().cloned().map(Some).collect();
        Ok(batch(call, named, &mut |call, at| {
            find(&**call, &ids[at])?;
            expect_detached(call, &ids[at])?;
            forget(call, &ids[at], request.delete_disk())?;
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

/// Gives machines volumes. The task's result is what became of each, with the UUID by which the guest sees the disk.
///
/// - As faults of the task, `InvalidArgument` without any, `ManagedObjectNotFound` for a machine that is not there;
/// - as faults of a volume: `NotFound`, `ResourceInUse` if a machine has it, and what attaching a disk raises.
pub(super) fn attach_volume(call: &mut Call<'_, Manager>, request: CnsAttachVolume) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.attach_specs().iter().cloned().collect();
        expect_some(specs.len(), "CnsAttachVolumeSpec")?;
        for spec in &specs {
            call.get::<VirtualMachine>(&spec.vm())?;
        }
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let spec = &specs[at];
            find(&**call, spec.volume_id())?;
            expect_detached(call, spec.volume_id())?;
            let (id, controller, unit) = (spec.volume_id().id(), spec.controller_key(), spec.unit_number());
            let uuid = attach::attach(&mut disks(call)?, &spec.vm(), id, None, controller, unit)?;
            let result = CnsVolumeAttachResult::with(|result| _ = result.set_disk_uuid(uuid.replace('-', "")));
            Ok(CnsVolumeOperationResult::from_object_unchecked(result.into()))
        }))
    })
}

/// Takes volumes from machines. The task's result is what became of each.
///
/// - As faults of the task, those of [`attach_volume`]; as a fault of a volume, `NotFound`, also if the machine has it not.
// Fidelity: vcsim fails the task with `InvalidArgument` for a volume that no machine has; drivers take `NotFound` as done.
pub(super) fn detach_volume(call: &mut Call<'_, Manager>, request: CnsDetachVolume) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.detach_specs().iter().cloned().collect();
        expect_some(specs.len(), "CnsDetachVolumeSpec")?;
        for spec in &specs {
            call.get::<VirtualMachine>(&spec.vm())?;
        }
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let spec = &specs[at];
            find(&**call, spec.volume_id())?;
            attach::detach(&mut disks(call)?, &spec.vm(), spec.volume_id().id())?;
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

/// Makes a volume larger. The task's result is what became of it.
///
/// - As a fault of the task, `InvalidArgument` for anything but one; as faults of the volume, `NotFound`, and what making a
///   disk larger raises.
pub(super) fn extend_volume(call: &mut Call<'_, Manager>, request: CnsExtendVolume) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.extend_specs().iter().cloned().collect();
        expect_one(specs.len())?;
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let (id, size) = (specs[at].volume_id(), specs[at].capacity_in_mb());
            find(&**call, id)?;
            change::extend(&mut disks(call)?, id.id(), None, size)?;
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

/// Moves volumes to other datastores. The task's result is what became of each.
///
/// - As a fault of the task, `InvalidArgument` without any; as faults of a volume, `NotFound`, `AlreadyExists` for one that
///   is there, `ResourceInUse` while a machine has it, and what relocating a disk raises.
pub(super) fn relocate_volume(call: &mut Call<'_, Manager>, request: CnsRelocateVolume) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.relocate_specs().iter().cloned().collect();
        expect_some(specs.len(), "relocateSpecs")?;
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let spec = &specs[at];
            find(&**call, spec.volume_id())?;
            expect_detached(call, spec.volume_id())?;
            let id = spec.volume_id().id();
            if first_class::find(&**call, id, None)?.datastore == spec.datastore() {
                let detail = AlreadyExists::with(|fault| _ = fault.set_name(id));
                return Err(Fault::new(detail, format!("The volume {id} is on {} already", spec.datastore())));
            }
            let wanted = VslmRelocateSpec::with(|wanted| {
                wanted.set_backing_spec(VslmCreateSpecDiskFileBackingSpec::with(|backing| {
                    backing.set_datastore(spec.datastore());
                }));
                wanted.set_profile(spec.profile().iter().cloned());
            });
            copy::relocate(&mut disks(call)?, id, None, &wanted)?;
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

/// Asks for other storage policies for volumes. The task's result is what became of each.
///
/// - As a fault of the task, `InvalidArgument` without any; as a fault of a volume, `NotFound`.
pub(super) fn reconfigure_policy(
    call: &mut Call<'_, Manager>,
    request: CnsReconfigVolumePolicy,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.volume_policy_reconfig_specs().iter().cloned().collect();
        expect_some(specs.len(), "volumePolicyReconfigSpecs")?;
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let spec = &specs[at];
            find(&**call, spec.volume_id())?;
            let profile = create::profile_of(spec.profile());
            change::change(&mut disks(call)?, spec.volume_id().id(), None, &mut |disk| {
                disk.profile.clone_from(&profile);
                Ok(())
            })?;
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

/// Makes volumes none; their disks stay, as first class disks or (`LEGACY_DISK`) only as files. The task's result is what
/// became of each.
///
/// - As a fault of the task, `InvalidArgument` without any; as faults of a volume, `NotFound`, and `ResourceInUse` while a
///   machine has one that is to be only a file.
pub(super) fn unregister_volume(call: &mut Call<'_, Manager>, request: CnsUnregisterVolume) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let specs: Vec<_> = request.unregister_spec().iter().cloned().collect();
        expect_some(specs.len(), "unregisterSpec")?;
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let spec = &specs[at];
            find(&**call, spec.volume_id())?;
            let is_file = match spec.target_volume_type().as_str() {
                "FCD" => false,
                "LEGACY_DISK" => true,
                other => {
                    let why = format!("'{other}' is neither FCD nor LEGACY_DISK");
                    return Err(Fault::invalid_argument("unregisterSpec.targetVolumeType", why));
                }
            };
            if is_file {
                expect_detached(call, spec.volume_id())?;
            }
            forget(call, spec.volume_id(), false)?;
            if is_file {
                create::unregister(&mut disks(call)?, spec.volume_id().id(), None)?;
            }
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

fn change_flags(
    call: &mut Call<'_, Manager>,
    specs: Items<'_, CnsVolumeControlFlagsSpec>,
    is_set: bool,
) -> Result<Moref, Fault> {
    let specs: Vec<_> = specs.iter().cloned().collect();
    call.start_task(move |call| {
        expect_some(specs.len(), "controlFlagsSpecs")?;
        let ids = specs.iter().map(|spec| Some(spec.volume_id().clone())).collect();
        Ok(batch(call, ids, &mut |call, at| {
            let (id, flags) = (specs[at].volume_id(), specs[at].control_flags());
            find(&**call, id)?;
            change::set_flags(&mut disks(call)?, id.id(), None, flags, is_set)?;
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

/// Sets control flags of volumes' disks. The task's result is what became of each.
///
/// - As a fault of the task, `InvalidArgument` without any; as faults of a volume, `NotFound`, and `InvalidArgument` for a
///   flag that there is not.
pub(super) fn set_control_flags(
    call: &mut Call<'_, Manager>,
    request: CnsSetVolumeControlFlags,
) -> Result<Moref, Fault> {
    change_flags(call, request.control_flags_specs(), true)
}

/// Clears them.
///
/// - as [`set_control_flags`].
pub(super) fn clear_control_flags(
    call: &mut Call<'_, Manager>,
    request: CnsClearVolumeControlFlags,
) -> Result<Moref, Fault> {
    change_flags(call, request.control_flags_specs(), false)
}

/// Brings what is known of volumes up to their disks, which it always is. The task's result is what became of each.
///
/// - As a fault of the task, `InvalidArgument` without any; as a fault of a volume, `NotFound`.
pub(super) fn sync_volume(call: &mut Call<'_, Manager>, request: CnsSyncVolume) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let ids: Vec<_> = request.sync_specs().iter().map(|spec| spec.volume_id().clone()).collect();
        expect_some(ids.len(), "syncSpecs")?;
        let named = ids.iter().cloned().map(Some).collect();
        Ok(batch(call, named, &mut |call, at| {
            find(&**call, &ids[at])?;
            Ok(CnsVolumeOperationResult::new())
        }))
    })
}

/// Brings what is known of volumes up to what is on a datastore, or on all.
///
/// - As a fault of the task, `NotFound` for a URL that is no datastore's.
pub(super) fn sync_datastore(call: &mut Call<'_, Manager>, request: CnsSyncDatastore) -> Result<Moref, Fault> {
    call.start_task(move |call| match request.datastore_url().filter(|url| !url.is_empty()) {
        Some(url) => {
            let datastore = first_class::forward::datastore_of_url(&**call, url)?;
            create::reconcile(&mut disks(call)?, &datastore, false).map(|_| ())
        }
        None => Ok(()),
    })
}
