//! Making volumes.

use vimsim_types::method::CnsCreateVolume;
use vimsim_types::views::{
    CnsAlreadyRegisteredFault, CnsBlockBackingDetails, CnsCloneVolumeSource, CnsPlacementResult,
    CnsSnapshotVolumeSource, CnsVolumeCreateResult, CnsVolumeCreateSpec, CnsVolumeMetadata, CnsVolumeOperationResult,
    Datacenter, Datastore, VStorageObject, VslmCloneSpec, VslmCreateSpec, VslmCreateSpecDiskFileBackingSpec,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::metadata::write_to_disk;
use super::{Manager, Volume, Volumes, batch, disks, edit, expect_one, find, volume_id, volumes};
use crate::call::Call;
use crate::files::place::datacenters;
use crate::first_class::snapshot::{self, Wanted};
use crate::first_class::{self, MEGABYTE, copy, create};

/// Makes a volume: of a new disk, of a snapshot or a copy of another volume, or of a disk that there is. The task's result
/// is what became of it.
///
/// - As faults of the task: `InvalidArgument` for anything but one specification, for one of no block volume, and for a disk
///   or a file that is not there;
/// - as faults of the volume: `CnsAlreadyRegisteredFault` for a disk that is a volume already, and what making a disk raises.
pub(super) fn create_volume(call: &mut Call<'_, Manager>, request: CnsCreateVolume) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        expect_one(request.create_specs().len())?;
        let spec = request.create_specs().first().cloned().unwrap_or_else(CnsVolumeCreateSpec::new);
        let Some(details) = spec.backing_object_details().downcast::<CnsBlockBackingDetails>() else {
            let why = "only block volumes are simulated";
            return Err(Fault::invalid_argument("createSpecs.backingObjectDetails", why));
        };
        let named = details.backing_disk_id().filter(|id| !id.is_empty());
        if named.is_some_and(|id| first_class::find(&**call, id, None).is_err()) {
            return Err(Fault::invalid_argument("VolumeId", "there is no such disk"));
        }
        Ok(batch(call, vec![None], &mut |call, _| create_one(call, &spec, details)))
    })
}

fn create_one(
    call: &mut Call<'_, Manager>,
    spec: &CnsVolumeCreateSpec,
    details: &CnsBlockBackingDetails,
) -> Result<CnsVolumeOperationResult, Fault> {
    let disk = match (details.backing_disk_id(), details.backing_disk_url_path()) {
        (Some(id), _) if !id.is_empty() => known_disk(call, id)?,
        (_, Some(url)) if !url.is_empty() => disk_of_url(call, url, spec.name())?,
        _ => new_disk(call, spec, details)?,
    };
    let (id, datastore) = (disk.config().id().id().clone(), disk.config().backing().datastore());
    let profile = create::profile_of(spec.profile());
    first_class::change::change(&mut disks(call)?, &id, None, &mut |disk| {
        disk.keeps = true;
        if profile.is_some() {
            disk.profile.clone_from(&profile);
        }
        Ok(())
    })?;
    let kind: ArcStr = if spec.volume_type().is_empty() { "BLOCK".into() } else { spec.volume_type().clone() };
    let metadata = spec.metadata().cloned().unwrap_or_else(CnsVolumeMetadata::new);
    write_to_disk(call, &id, &metadata)?;
    let Volumes(all) = edit(call)?;
    all.insert_mut(id.clone(), Volume { name: spec.name().clone(), kind, metadata });
    let made = CnsVolumeCreateResult::with(|result| {
        result.set_name(spec.name());
        result.push_placement_results(CnsPlacementResult::with(|placed| _ = placed.set_datastore(datastore)));
        result.set_volume_id(volume_id(&id));
    });
    Ok(CnsVolumeOperationResult::from_object_unchecked(made.into()))
}

/// A disk that there is.
///
/// - `CnsAlreadyRegisteredFault` if it is a volume.
fn known_disk(call: &Call<'_, Manager>, id: &str) -> Result<VStorageObject, Fault> {
    if volumes(&**call).is_some_and(|volumes| volumes.0.contains_key(id)) {
        let detail = CnsAlreadyRegisteredFault::with(|fault| {
            fault.set_volume_id(volume_id(id));
            fault.set_reason("The disk is a volume already");
        });
        return Err(Fault::new(detail, format!("the disk {id} is a volume already")));
    }
    first_class::describe(&**call, first_class::find(&**call, id, None)?)
}

/// The disk of a file's URL, which becomes a first class disk if it is none.
fn disk_of_url(call: &mut Call<'_, Manager>, url: &str, name: &ArcStr) -> Result<VStorageObject, Fault> {
    let datacenter = crate::files::place::only_datacenter(&**call);
    let place = crate::files::Place::find(&**call, datacenter.as_ref(), url)?;
    let known = first_class::catalog(&**call).into_iter().flat_map(first_class::Catalog::disks);
    let mut known = known.filter(|disk| disk.datastore == place.datastore && disk.path == place.path);
    let id = known.next().map(|disk| disk.id.clone());
    drop(known);
    match id {
        Some(id) => known_disk(call, &id),
        None => create::register(&mut disks(call)?, url, Some(name), None),
    }
}

fn new_disk(
    call: &mut Call<'_, Manager>,
    spec: &CnsVolumeCreateSpec,
    details: &CnsBlockBackingDetails,
) -> Result<VStorageObject, Fault> {
    let megabytes = details.capacity_in_mb().unwrap_or_default();
    let wanted = spec.datastores().iter().collect::<Vec<_>>();
    let source = spec.volume_source();
    if let Some(source) = source.and_then(|source| source.downcast::<CnsSnapshotVolumeSource>()) {
        return of_snapshot(call, spec, source);
    }
    let cloned = source.and_then(|source| source.downcast::<CnsCloneVolumeSource>());
    let datastore = match cloned {
        Some(source) if wanted.is_empty() => {
            first_class::find(&**call, source.volume_id().id(), None)?.datastore.clone()
        }
        _ => choose(call, &wanted, megabytes)?,
    };
    let backing = VslmCreateSpecDiskFileBackingSpec::with(|backing| {
        backing.set_provisioning_type("thin");
        backing.set_datastore(datastore);
    });
    if let Some(source) = cloned {
        find(&**call, source.volume_id())?;
        let wanted = VslmCloneSpec::with(|wanted| {
            wanted.set_name(spec.name()).set_keep_after_delete_vm(true);
            wanted.set_backing_spec(backing);
            wanted.set_profile(spec.profile().iter().cloned());
        });
        return copy::clone(&mut disks(call)?, source.volume_id().id(), None, &wanted);
    }
    let wanted = VslmCreateSpec::with(|wanted| {
        wanted.set_name(spec.name()).set_keep_after_delete_vm(true).set_capacity_in_mb(megabytes);
        wanted.set_backing_spec(backing);
        wanted.set_profile(spec.profile().iter().cloned());
        if let Some(id) = spec.volume_id() {
            wanted.set_id(first_class::id_of(id.id()));
        }
    });
    create::create(&mut disks(call)?, &wanted)
}

fn of_snapshot(
    call: &mut Call<'_, Manager>,
    spec: &CnsVolumeCreateSpec,
    source: &CnsSnapshotVolumeSource,
) -> Result<VStorageObject, Fault> {
    let missing = || Fault::invalid_argument("createSpecs.volumeSource", "names no snapshot of a volume");
    let volume = source.volume_id().ok_or_else(missing)?;
    let snapshot = source.snapshot_id().ok_or_else(missing)?;
    find(&**call, volume)?;
    let wanted = Wanted {
        name: spec.name().clone(),
        profile: create::profile_of(spec.profile()),
        path: None,
        provisioning: None,
        id: spec.volume_id().map(|id| id.id().clone()),
        datastore: spec.datastores().first(),
    };
    snapshot::create_disk(&mut disks(call)?, volume.id(), None, snapshot.id(), wanted)
}

/// The datastore with the most free space, of those that are named or else of all that all hosts can reach.
///
/// - `ManagedObjectNotFound` for one that is not there; `InvalidArgument` if none will do.
fn choose(call: &Call<'_, Manager>, wanted: &[Moref], megabytes: i64) -> Result<Moref, Fault> {
    let mut all: Vec<Moref> = wanted.to_vec();
    if all.is_empty() {
        for datacenter in datacenters(&**call) {
            all.extend(call.get::<Datacenter>(&datacenter)?.datastore().iter());
        }
    }
    let bytes = megabytes.saturating_mul(MEGABYTE);
    let mut best: Option<(i64, Moref)> = None;
    for moref in all {
        let summary = call.get::<Datastore>(&moref)?.summary();
        let free = summary.free_space();
        if summary.accessible() && free >= bytes && best.as_ref().is_none_or(|(most, _)| free > *most) {
            best = Some((free, moref));
        }
    }
    let why = "no datastore can be reached and has enough space";
    best.map(|(_, moref)| moref).ok_or_else(|| Fault::invalid_argument("createSpecs.datastores", why))
}
