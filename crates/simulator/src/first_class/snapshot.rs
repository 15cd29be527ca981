//! Snapshots of first class disks.
//!
//! A snapshot is a file beside the disk's, with what the disk had in it. So the disk's own file never changes its name.
// Fidelity: on VMFS, vCenter does it the other way around: the file becomes the snapshot's, and the disk goes on in a new one.

use vimsim_types::views::{
    DiskChangeExtent, DiskChangeInfo, KeyValue, VStorageObject, VStorageObjectSnapshotDetails,
    VStorageObjectSnapshotInfo, VStorageObjectSnapshotInfoVStorageObjectSnapshot, VsanDatastoreInfo,
    VslmCreateSpecDiskFileBackingSpec,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::change::{data, write};
use super::create::{blank, check_name, expect_free, put, remove_file};
use super::{FirstClassDisk, Manager, Snapshot, author, edit_catalog, find, id_of, stored, unknown};
use crate::call::Call;
use crate::files::disk::Disk;
use crate::files::edit::{self, IfThere};
use crate::files::{Place, fault};
use crate::walk::Inventory;

/// The snapshot of a disk.
///
/// - `NotFound`.
pub(super) fn of<'a>(disk: &'a FirstClassDisk, id: &str) -> Result<&'a Snapshot, Fault> {
    disk.snapshots.iter().find(|snapshot| snapshot.id == id).ok_or_else(|| unknown(id))
}

/// The file of a snapshot.
fn place_of(disk: &Place, snapshot: &Snapshot) -> Place {
    disk.sibling(crate::files::path::split(&snapshot.path).1)
}

/// Keeps a disk as it is now. The snapshot's identifier, and the disk's clock.
///
/// - `NotFound`; `NoDiskSpace`.
pub(crate) fn create(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    description: &ArcStr,
    wanted: Option<ArcStr>,
) -> Result<(ArcStr, i64), Fault> {
    let mut disk = find(&**call, id, datastore)?.clone();
    let (place, file) = stored(&**call, &disk)?;
    disk.snapped += 1;
    let number = disk.snapped;
    let name = place.name();
    let kept = place.sibling(&format!("{}-{number:06}.vmdk", name.strip_suffix(".vmdk").unwrap_or(name)));
    let (data, author) = (data(call, &place)?, author(call));
    let frozen = Disk { kind: "thin".into(), uuid: super::create::disk_uuid(call, &kept), ..file };
    edit::put_disk(call, &author, &kept, frozen, data, IfThere::Fail)?;
    let (now, known) = (call.now(), edit_catalog(call)?);
    let snapshot = wanted.filter(|id| !id.is_empty()).unwrap_or_else(|| known.new_id("fcd-snapshot"));
    disk.snapshots.push(Snapshot {
        id: snapshot.clone(),
        description: description.clone(),
        created: now,
        path: kept.path,
        metadata: disk.metadata.clone(),
        number,
    });
    Ok((snapshot, write(call, disk)?))
}

/// Deletes a snapshot.
///
/// - `NotFound`.
pub(crate) fn delete(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    snapshot: &str,
) -> Result<i64, Fault> {
    let mut disk = find(&**call, id, datastore)?.clone();
    let kept = place_of(&super::place(&**call, &disk)?, of(&disk, snapshot)?);
    remove_file(call, &kept)?;
    disk.snapshots.retain(|known| known.id != snapshot);
    write(call, disk)
}

/// Makes a disk what it was. The snapshots stay.
///
/// - `NotFound`; `InvalidState` while a machine has the disk.
pub(crate) fn revert(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    snapshot: &str,
) -> Result<i64, Fault> {
    let mut disk = find(&**call, id, datastore)?.clone();
    let snapshot = of(&disk, snapshot)?.clone();
    expect_free(call, &disk)?;
    let (place, file) = stored(&**call, &disk)?;
    let kept = place_of(&place, &snapshot);
    let (data, author) = (data(call, &kept)?, author(call));
    let (_, was) = edit::disk(&edit::volume(call, &kept.datastore)?, &kept)?;
    let was = Disk { kind: file.kind, uuid: file.uuid, ..was };
    edit::put_disk(call, &author, &place, was, data, IfThere::Replace)?;
    disk.metadata = snapshot.metadata;
    write(call, disk)
}

/// What a disk that is made of a snapshot is to be.
pub(crate) struct Wanted {
    pub(crate) name: ArcStr,
    pub(crate) profile: Option<ArcStr>,
    pub(crate) path: Option<ArcStr>,
    pub(crate) provisioning: Option<ArcStr>,
    pub(crate) id: Option<ArcStr>,
    pub(crate) datastore: Option<Moref>,
}

/// Makes a disk of what another was.
///
/// - `NotFound`; `InvalidArgument` for a name that cannot be; `NoDiskSpace`.
pub(crate) fn create_disk(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    snapshot: &str,
    wanted: Wanted,
) -> Result<VStorageObject, Fault> {
    check_name(&wanted.name)?;
    let disk = find(&**call, id, datastore)?.clone();
    let (place, file) = stored(&**call, &disk)?;
    let kept = place_of(&place, of(&disk, snapshot)?);
    let data = data(call, &kept)?;
    let (_, was) = edit::disk(&edit::volume(call, &kept.datastore)?, &kept)?;
    let backing = VslmCreateSpecDiskFileBackingSpec::with(|backing| {
        backing.set_provisioning_type(wanted.provisioning);
        backing.set_datastore(wanted.datastore.unwrap_or(disk.datastore)).set_path(wanted.path);
    });
    let was = Disk { kind: file.kind, ..was };
    let made = FirstClassDisk {
        profile: wanted.profile.or(disk.profile),
        ..blank(call, &wanted.name, wanted.id.filter(|id| !id.is_empty()))?
    };
    put(call, made, &backing, was, data)
}

/// The snapshots of a disk, oldest first.
///
/// - `NotFound`.
pub(crate) fn list(
    inventory: &impl Inventory,
    id: &str,
    datastore: Option<&Moref>,
) -> Result<VStorageObjectSnapshotInfo, Fault> {
    let disk = find(inventory, id, datastore)?;
    stored(inventory, disk)?;
    let store = inventory.seen::<vimsim_types::views::Datastore>(&disk.datastore);
    let is_vsan = store.is_some_and(|store| store.info().as_object().is::<VsanDatastoreInfo>());
    Ok(VStorageObjectSnapshotInfo::with(|info| {
        for snapshot in &disk.snapshots {
            info.push_snapshots(VStorageObjectSnapshotInfoVStorageObjectSnapshot::with(|it| {
                it.set_id(id_of(&snapshot.id)).set_create_time(snapshot.created);
                it.set_description(&snapshot.description);
                if is_vsan {
                    it.set_backing_object_id(crate::uuid::named(&format!("{}/{}", disk.datastore, snapshot.path)));
                }
            }));
        }
    }))
}

/// Where a snapshot is, and the identifier of the changes up to it.
///
/// - `NotFound`.
pub(crate) fn details(
    inventory: &impl Inventory,
    id: &str,
    datastore: Option<&Moref>,
    snapshot: &str,
) -> Result<VStorageObjectSnapshotDetails, Fault> {
    let disk = find(inventory, id, datastore)?;
    let snapshot = of(disk, snapshot)?;
    let (place, _) = stored(inventory, disk)?;
    Ok(VStorageObjectSnapshotDetails::with(|details| {
        details.set_path(place_of(&place, snapshot).text);
        if disk.is_tracked {
            details.set_changed_block_tracking_id(change_id(disk, snapshot));
        }
    }))
}

/// The identifier of the changes up to a snapshot: 16 bytes of the disk, and a number.
fn change_id(disk: &FirstClassDisk, snapshot: &Snapshot) -> String {
    let digits: Vec<char> = crate::uuid::named(&format!("cbt/{}", disk.id)).chars().filter(|it| *it != '-').collect();
    let pairs: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
    format!("{}-{}/{}", pairs[..8].join(" "), pairs[8..].join(" "), snapshot.number)
}

/// The parts of a disk in which a snapshot differs from an earlier state; `*` asks for all that are in use. What cannot be
/// known counts as changed.
///
/// - `NotFound`; `InvalidArgument` for an offset that there is not; `FileFault` for an identifier that is none, or where
///   changes are not tracked.
pub(crate) fn changed_areas(
    inventory: &impl Inventory,
    id: &str,
    datastore: Option<&Moref>,
    snapshot: &str,
    start: i64,
    since: &str,
) -> Result<DiskChangeInfo, Fault> {
    let disk = find(inventory, id, datastore)?;
    let snapshot = of(disk, snapshot)?;
    let (place, _) = stored(inventory, disk)?;
    let kept = place_of(&place, snapshot);
    let (_, was) = edit::disk(&crate::files::Volume::of(inventory, &kept.datastore)?, &kept)?;
    if start < 0 || start > was.capacity {
        let why = format!("{start} is not in a disk of {} bytes", was.capacity);
        return Err(Fault::invalid_argument("startOffset", why));
    }
    let own = change_id(disk, snapshot);
    let number = own.rsplit_once('/').and_then(|(own, _)| since.strip_prefix(own)?.strip_prefix('/')?.parse().ok());
    let is_known = since == "*" || number.is_some_and(|number: u32| number <= snapshot.number);
    if !disk.is_tracked || !is_known {
        return Err(fault::general(&kept.text, &format!("the changes since '{since}' are not known")));
    }
    let is_same = number == Some(snapshot.number);
    Ok(DiskChangeInfo::with(|info| {
        info.set_start_offset(start).set_length(was.capacity - start);
        if !is_same && was.capacity > start {
            info.push_changed_area(DiskChangeExtent::with(|area| {
                area.set_start(start).set_length(was.capacity - start);
            }));
        }
    }))
}

/// The metadata of a disk, or that it had, of the keys that begin so.
///
/// - `NotFound`.
pub(crate) fn metadata(
    inventory: &impl Inventory,
    id: &str,
    datastore: Option<&Moref>,
    snapshot: Option<&str>,
    prefix: &str,
) -> Result<Vec<KeyValue>, Fault> {
    let disk = find(inventory, id, datastore)?;
    stored(inventory, disk)?;
    let metadata = match snapshot {
        Some(snapshot) => &of(disk, snapshot)?.metadata,
        None => &disk.metadata,
    };
    let wanted: Vec<_> = metadata.iter().filter(|(key, _)| key.starts_with(prefix)).cloned().collect();
    Ok(super::pairs(&wanted))
}

/// One value of [`metadata`].
///
/// - `NotFound`; `KeyNotFound`.
pub(crate) fn metadata_value(
    inventory: &impl Inventory,
    id: &str,
    datastore: Option<&Moref>,
    snapshot: Option<&str>,
    key: &str,
) -> Result<ArcStr, Fault> {
    let all = metadata(inventory, id, datastore, snapshot, key)?;
    let found = all.iter().find(|pair| pair.key() == key).map(|pair| pair.value().clone());
    found.ok_or_else(|| {
        let detail = vimsim_types::views::KeyNotFound::with(|fault| _ = fault.set_key(key));
        Fault::new(detail, format!("the disk has no metadata '{key}'"))
    })
}
