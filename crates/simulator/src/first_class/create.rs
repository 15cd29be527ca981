//! First class disks come and go.

use vimsim_types::views::{
    AlreadyExists, Datacenter, Datastore, InvalidState, KeyValue, NotSupported, VStorageObject,
    VirtualMachineDefinedProfileSpec, VirtualMachineProfileSpec, VslmCreateSpec, VslmCreateSpecBackingSpec,
    VslmCreateSpecDiskFileBackingSpec,
};
use vimsim_types::{ArcStr, Fault, Items, Moref, View};

use super::{FirstClassDisk, MEGABYTE, Manager, author, catalog, describe, edit_catalog, find, holder, place, stored};
use crate::call::Call;
use crate::files::disk::Disk;
use crate::files::edit::{self, IfThere};
use crate::files::{Item, Place, fault};
use crate::objects::{file_manager, virtual_machine};

/// The folder in which a disk is made unless another is named.
const FOLDER: &str = "fcd";
/// The longest name of a disk.
const LONGEST_NAME: usize = 80;

/// Makes a disk.
///
/// - `InvalidArgument` without a name or a size, and for a type of provisioning that there is not; `NotSupported` for a disk
///   over a device; `InaccessibleDatastore`, and what [`edit::put_disk`] raises.
pub(crate) fn create(call: &mut Call<'_, Manager>, spec: &VslmCreateSpec) -> Result<VStorageObject, Fault> {
    check_name(spec.name())?;
    let capacity = spec.capacity_in_mb().checked_mul(MEGABYTE).filter(|bytes| *bytes > 0);
    let capacity = capacity.ok_or_else(|| {
        Fault::invalid_argument("spec.capacityInMB", format!("{} MB is no size", spec.capacity_in_mb()))
    })?;
    let wanted = spec.id().map(|id| id.id().clone()).filter(|id| !id.is_empty());
    let disk = Disk {
        capacity,
        kind: "thin".into(),
        adapter: "lsiLogic".into(),
        uuid: ArcStr::new(),
        parent: None,
        stream: None,
    };
    let mut made = FirstClassDisk {
        keeps: spec.keep_after_delete_vm().unwrap_or_default(),
        profile: profile_of(spec.profile()),
        ..blank(call, spec.name(), wanted)?
    };
    set_metadata(&mut made.metadata, spec.metadata());
    put(call, made, spec.backing_spec(), disk, None)
}

/// A disk that is nowhere yet.
///
/// - `AlreadyExists` if there is one of the identifier that is asked for.
pub(super) fn blank(
    call: &mut Call<'_, Manager>,
    name: &ArcStr,
    wanted: Option<ArcStr>,
) -> Result<FirstClassDisk, Fault> {
    let now = call.now();
    let known = edit_catalog(call)?;
    let id = match wanted {
        Some(id) if known.get(&id).is_some() => return Err(already_exists(&id)),
        Some(id) => id,
        None => known.new_id(&format!("fcd/{name}")),
    };
    Ok(FirstClassDisk {
        id,
        name: name.clone(),
        created: now,
        datastore: call.moref(),
        path: String::new(),
        keeps: false,
        is_fixed: false,
        is_tracked: false,
        metadata: Vec::new(),
        profile: None,
        snapshots: Vec::new(),
        snapped: 0,
        clock: 0,
    })
}

/// - `InvalidArgument` for a name that is empty or too long.
pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Fault::invalid_argument("name", format!("a disk's name has 1 to {LONGEST_NAME} letters")));
    }
    Ok(())
}

/// `AlreadyExists`.
fn already_exists(name: &str) -> Fault {
    let detail = AlreadyExists::with(|fault| _ = fault.set_name(name));
    Fault::new(detail, format!("'{name}' exists already"))
}

/// The storage policy that a specification names.
pub(crate) fn profile_of(profiles: Items<'_, VirtualMachineProfileSpec>) -> Option<ArcStr> {
    profiles.iter().find_map(|it| Some(it.downcast::<VirtualMachineDefinedProfileSpec>()?.profile_id().clone()))
}

/// Writes these pairs over those that are there.
pub(super) fn set_metadata(metadata: &mut Vec<(ArcStr, ArcStr)>, pairs: Items<'_, KeyValue>) {
    for pair in pairs {
        match metadata.iter_mut().find(|(key, _)| key == pair.key()) {
            Some((_, value)) => *value = pair.value().clone(),
            None => metadata.push((pair.key().clone(), pair.value().clone())),
        }
    }
}

/// Puts a disk where a specification says, with this data, and into the catalog.
///
/// - what [`create`] raises of the specification.
pub(super) fn put(
    call: &mut Call<'_, Manager>,
    mut made: FirstClassDisk,
    backing: &VslmCreateSpecBackingSpec,
    mut disk: Disk,
    data: Option<std::sync::Arc<crate::files::content::Blob>>,
) -> Result<VStorageObject, Fault> {
    let place = target(call, &made.id, backing, &mut disk)?;
    disk.uuid = disk_uuid(call, &place);
    let author = author(call);
    edit::put_disk(call, &author, &place, disk, data, IfThere::Fail)?;
    made.datastore = place.datastore;
    made.path = place.path;
    let id = made.id.clone();
    edit_catalog(call)?.set(made);
    describe(&**call, find(&**call, &id, None)?)
}

/// The place that a specification names for a disk, which becomes one of the provisioning that it names.
///
/// - `InvalidArgument` for a type of provisioning that there is not; `NotSupported` for a disk over a device;
/// - `ManagedObjectNotFound`, `InaccessibleDatastore`, `InvalidDatastorePath` for where it is to be.
pub(super) fn target(
    call: &Call<'_, Manager>,
    id: &str,
    backing: &VslmCreateSpecBackingSpec,
    disk: &mut Disk,
) -> Result<Place, Fault> {
    let Some(file) = backing.downcast::<VslmCreateSpecDiskFileBackingSpec>() else {
        return Err(Fault::new(NotSupported::new(), "a first class disk over a device is not simulated"));
    };
    if let Some(wanted) = file.provisioning_type().filter(|wanted| !wanted.is_empty()) {
        disk.kind = match wanted.as_str() {
            "thin" | "eagerZeroedThick" => wanted.clone(),
            "lazyZeroedThick" => "preallocated".into(),
            other => {
                let why = format!("'{other}' is no type of provisioning");
                return Err(Fault::invalid_argument("spec.backingSpec.provisioningType", why));
            }
        };
    }
    let datastore = backing.datastore();
    edit::expect_accessible(call, &datastore)?;
    let wanted = backing.path().map_or(FOLDER, |path| if path.is_empty() { FOLDER } else { path });
    let path = if wanted.ends_with(".vmdk") { wanted.to_string() } else { format!("{wanted}/{id}.vmdk") };
    Place::new(&datastore, call.get::<Datastore>(&datastore)?, &path, &path)
}

/// The UUID of the disk at a place.
pub(super) fn disk_uuid(call: &Call<'_, Manager>, place: &Place) -> ArcStr {
    let text = ArcStr::from(place.text.as_str());
    match call.datacenter_of(&place.datastore) {
        Some(datacenter) => virtual_machine::disk::uuid(&datacenter, &text).into(),
        None => crate::uuid::named(&text).into(),
    }
}

/// Makes a first class disk of one that is there: of the URL of its file.
///
/// - `FileNotFound`; `FileFault` for a file that is no disk; `AlreadyExists` if it is one already;
/// - what [`Place::find`](crate::files::Place::find) raises.
pub(crate) fn register(
    call: &mut Call<'_, Manager>,
    path: &str,
    name: Option<&ArcStr>,
    wanted: Option<ArcStr>,
) -> Result<VStorageObject, Fault> {
    let datacenter = crate::files::place::only_datacenter(&**call);
    let place = file_manager::locate(call, datacenter.as_ref(), path)?;
    let volume = edit::volume(call, &place.datastore)?;
    if matches!(volume.get(&place.path), Some(Item::Folder(_))) {
        return Err(fault::general(&place.text, "it is a folder"));
    }
    edit::disk(&volume, &place)?;
    let mut known = catalog(&**call).into_iter().flat_map(super::Catalog::disks);
    let is_known = known.any(|disk| disk.datastore == place.datastore && disk.path == place.path);
    drop(known);
    if is_known {
        return Err(already_exists(&place.text));
    }
    let own_name = ArcStr::from(place.name().strip_suffix(".vmdk").unwrap_or(place.name()));
    let name = name.filter(|name| !name.is_empty()).unwrap_or(&own_name);
    check_name(name)?;
    let mut made = blank(call, name, wanted)?;
    made.datastore = place.datastore;
    made.path = place.path;
    let id = made.id.clone();
    edit_catalog(call)?.set(made);
    describe(&**call, find(&**call, &id, None)?)
}

/// `InvalidState` if a machine has the disk.
pub(crate) fn expect_free(call: &Call<'_, Manager>, disk: &FirstClassDisk) -> Result<(), Fault> {
    match holder(&**call, disk) {
        Some((machine, _)) => {
            let why = format!("the disk '{}' is attached to {machine}", disk.name);
            Err(Fault::new(InvalidState::new(), why))
        }
        None => Ok(()),
    }
}

/// Deletes a disk with its file and its snapshots. The clock of the catalog after that.
///
/// - `NotFound`; `InvalidState` while a machine has it.
pub(crate) fn delete(call: &mut Call<'_, Manager>, id: &str, datastore: Option<&Moref>) -> Result<i64, Fault> {
    let disk = find(&**call, id, datastore)?.clone();
    expect_free(call, &disk)?;
    let (place, _) = stored(&**call, &disk)?;
    for snapshot in &disk.snapshots {
        remove_file(call, &place.sibling(crate::files::path::split(&snapshot.path).1))?;
    }
    remove_file(call, &place)?;
    forget(call, id)
}

/// Takes a disk out of the catalog; its file stays.
///
/// - `NotFound`; `InvalidState` while a machine has it.
pub(crate) fn unregister(call: &mut Call<'_, Manager>, id: &str, datastore: Option<&Moref>) -> Result<i64, Fault> {
    let disk = find(&**call, id, datastore)?.clone();
    expect_free(call, &disk)?;
    forget(call, id)
}

fn forget(call: &mut Call<'_, Manager>, id: &str) -> Result<i64, Fault> {
    let known = edit_catalog(call)?;
    known.remove(id);
    let clock = known.clock;
    super::tags::forget(call, id)?;
    Ok(clock)
}

/// Removes the file of a disk and that of its data, as far as they are there.
pub(super) fn remove_file(call: &mut Call<'_, Manager>, place: &Place) -> Result<(), Fault> {
    let volume = edit::volume(call, &place.datastore)?;
    let Ok((_, disk)) = edit::disk(&volume, place) else { return Ok(()) };
    let extent = place.sibling(&disk.extent(place.name()));
    if volume.file(&extent.path).is_some() {
        edit::remove(call, &extent)?;
    }
    edit::remove(call, place)
}

/// Takes the disks of a datastore whose files are gone out of the catalog. How many there were before, and are now.
///
/// - `ManagedObjectNotFound` if there is no such datastore; `InaccessibleDatastore`.
pub(crate) fn reconcile(call: &mut Call<'_, Manager>, datastore: &Moref, is_trial: bool) -> Result<(i32, i32), Fault> {
    edit::expect_accessible(call, datastore)?;
    let here = catalog(&**call).into_iter().flat_map(super::Catalog::disks).filter(|disk| disk.datastore == *datastore);
    let (mut before, mut gone) = (0, Vec::new());
    for disk in here {
        before += 1;
        let place = place(&**call, disk)?;
        if edit::volume(call, datastore)?.file(&place.path).is_none() {
            gone.push(disk.id.clone());
        }
    }
    let after = before - i32::try_from(gone.len()).unwrap_or(before);
    if !is_trial {
        for id in gone {
            forget(call, &id)?;
        }
    }
    Ok((before, after))
}

/// The datacenter that a datastore is in.
pub(crate) fn datacenter_of(inventory: &impl crate::walk::Inventory, datastore: &Moref) -> Option<Moref> {
    inventory.ancestor::<Datacenter>(datastore)
}
