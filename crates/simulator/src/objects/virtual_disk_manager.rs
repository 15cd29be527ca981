//! `VirtualDiskManager`: virtual disks on datastores that no machine need have.

use vimsim_types::enums::VirtualDiskType;
use vimsim_types::method::{
    CopyVirtualDiskTask, CreateChildDiskTask, CreateVirtualDiskTask, DefragmentVirtualDiskTask, DeleteVirtualDiskTask,
    EagerZeroVirtualDiskTask, ExtendVirtualDiskTask, ImportUnmanagedSnapshot, InflateVirtualDiskTask,
    MoveVirtualDiskTask, QueryVirtualDiskFragmentation, QueryVirtualDiskGeometry, QueryVirtualDiskInfoTask,
    QueryVirtualDiskUuid, ReleaseManagedSnapshot, SetVirtualDiskUuid, ShrinkVirtualDiskTask, ZeroFillVirtualDiskTask,
};
use vimsim_types::views::{
    FileBackedVirtualDiskSpec, HostDiskDimensionsChs, InvalidDatastore, NotFound, NotSupported,
    SeSparseVirtualDiskSpec, VirtualDiskInfo, VirtualDiskManager, VirtualDiskSpec, VvolDatastoreInfo,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::file_manager::locate;
use super::virtual_machine::disk::LARGEST;
use crate::call::{Call, Look};
use crate::files::disk::{Disk, unspaced};
use crate::files::edit::{self, Author, IfThere};
use crate::files::{Content, Place, Volume, fault};
use crate::kind::Kind;

type Manager<'a> = Call<'a, VirtualDiskManager>;

pub(crate) fn kind() -> Kind<VirtualDiskManager> {
    Kind::new()
        .write(create)
        .write(create_child)
        .write(delete)
        .write(rename)
        .write(copy)
        .write(extend)
        .write(inflate)
        .write(shrink)
        .write(defragment)
        .write(eager_zero)
        .write(zero_fill)
        .write(set_uuid)
        .read(query_uuid)
        .read(query_geometry)
        .read(query_fragmentation)
        .write(query_info)
        .write(import_unmanaged_snapshot)
        .write(release_managed_snapshot)
}

/// The disk at a place.
///
/// - what [`locate`] and [`edit::disk`] raise.
fn find(call: &Manager<'_>, datacenter: Option<&Moref>, name: &str) -> Result<(Place, Disk), Fault> {
    let place = locate(call, datacenter, name)?;
    let (_, disk) = edit::disk(&edit::volume(call, &place.datastore)?, &place)?;
    Ok((place, disk))
}

/// [`find`] in a read.
fn seen(look: &Look<'_, VirtualDiskManager>, datacenter: Option<&Moref>, name: &str) -> Result<(Place, Disk), Fault> {
    let mut place = Place::find(look.snapshot(), datacenter, name)?;
    let volume = Volume::of(look.snapshot(), &place.datastore)?;
    place.path = volume.named(&place.path);
    let (_, disk) = edit::disk(&volume, &place)?;
    Ok((place, disk))
}

/// `FileLocked` if a running machine has the disk.
fn expect_unlocked(call: &Manager<'_>, place: &Place) -> Result<(), Fault> {
    if edit::volume(call, &place.datastore)?.is_locked(&place.path) {
        return Err(fault::locked(&place.text));
    }
    Ok(())
}

/// The UUID of a disk that is not told one: it follows from its place, as in vcsim.
fn own_uuid(datacenter: Option<&Moref>, place: &Place) -> ArcStr {
    let text = ArcStr::from(place.text.as_str());
    match datacenter {
        Some(datacenter) => super::virtual_machine::disk::uuid(datacenter, &text).into(),
        None => crate::uuid::named(&text).into(),
    }
}

/// What a specification asks for.
///
/// - `InvalidArgument` for a type or adapter that there is not, or a size that is none; `NotSupported` for a device.
fn described(spec: &VirtualDiskSpec) -> Result<(i64, ArcStr, ArcStr), Fault> {
    let kind = match spec.disk_type().as_str() {
        "" => "preallocated".into(),
        name => ArcStr::from(name),
    };
    if VirtualDiskType::from_name(&kind).is_none() {
        return Err(Fault::invalid_argument("spec.diskType", format!("'{kind}' is none")));
    }
    let adapter = match spec.adapter_type().as_str() {
        "" => "lsiLogic".into(),
        name => ArcStr::from(name),
    };
    if !["ide", "busLogic", "lsiLogic"].contains(&adapter.as_str()) {
        return Err(Fault::invalid_argument("spec.adapterType", format!("'{adapter}' is none")));
    }
    let Some(file) = spec.downcast::<FileBackedVirtualDiskSpec>() else {
        return Err(Fault::new(NotSupported::new(), "a disk over a device needs a virtual machine"));
    };
    let kind = if spec.as_object().is::<SeSparseVirtualDiskSpec>() { "seSparse".into() } else { kind };
    let capacity = file.capacity_kb().checked_mul(1024).filter(|bytes| (1..=LARGEST).contains(bytes));
    let capacity =
        capacity.ok_or_else(|| Fault::invalid_argument("spec.capacityKb", format!("{} KB", file.capacity_kb())))?;
    Ok((capacity, kind, adapter))
}

/// Creates a disk; the task's result is its name.
///
/// - `InvalidArgument`, `NotSupported` for a specification that says nothing possible;
/// - as faults of the task, what [`locate`] and [`edit::put_disk`] raise; `FileNotFound` without its folder.
fn create(call: &mut Manager<'_>, request: CreateVirtualDiskTask) -> Result<Moref, Fault> {
    let (capacity, kind, adapter) = described(request.spec())?;
    call.start_task(move |call| {
        let datacenter = request.datacenter();
        let place = locate(call, datacenter.as_ref(), request.name())?;
        expect_folder(call, &place)?;
        let uuid = own_uuid(datacenter.as_ref(), &place);
        let disk = Disk { capacity, kind, adapter, uuid, parent: None, stream: None };
        let author = Author::of(call.context());
        edit::put_disk(call, &author, &place, disk, None, IfThere::Fail)?;
        Ok(request.name().clone())
    })
}

/// `FileNotFound` unless the folder that a file is to be in is there.
fn expect_folder(call: &Manager<'_>, place: &Place) -> Result<(), Fault> {
    let volume = edit::volume(call, &place.datastore)?;
    match volume.get(place.parent()) {
        Some(crate::files::Item::Folder(_)) => Ok(()),
        _ => Err(fault::not_found(&volume.name(place.parent()))),
    }
}

/// Creates a disk that has its differences to another.
///
/// - as faults of the task, what [`locate`], [`edit::disk`] and [`edit::put_disk`] raise.
fn create_child(call: &mut Manager<'_>, request: CreateChildDiskTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let child_datacenter = request.child_datacenter();
        let parent_datacenter = request.parent_datacenter().or_else(|| child_datacenter.clone());
        let (parent_place, parent) = find(call, parent_datacenter.as_ref(), request.parent_name())?;
        let place = locate(call, child_datacenter.as_ref(), request.child_name())?;
        expect_folder(call, &place)?;
        let uuid = own_uuid(child_datacenter.as_ref(), &place);
        let parent_name = ArcStr::from(parent_place.text.as_str());
        let disk = Disk { kind: "delta".into(), uuid, parent: Some(parent_name), stream: None, ..parent };
        let author = Author::of(call.context());
        edit::put_disk(call, &author, &place, disk, None, IfThere::Fail)?;
        Ok(request.child_name().clone())
    })
}

/// The file with the disk's data, if it is there.
fn extent(call: &Manager<'_>, place: &Place, disk: &Disk) -> Result<Option<Place>, Fault> {
    let extent = place.sibling(&disk.extent(place.name()));
    Ok(edit::volume(call, &place.datastore)?.file(&extent.path).map(|_| extent))
}

/// Deletes a disk, with the file of its data.
///
/// - as faults of the task, what [`locate`], [`edit::disk`] and [`edit::remove`] raise.
fn delete(call: &mut Manager<'_>, request: DeleteVirtualDiskTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let (place, disk) = find(call, request.datacenter().as_ref(), request.name())?;
        if let Some(extent) = extent(call, &place, &disk)? {
            edit::remove(call, &extent)?;
        }
        edit::remove(call, &place)
    })
}

/// Moves a disk; the task's result is its new name.
///
/// - as faults of the task, what [`locate`], [`edit::disk`] and [`edit::rename`] raise.
fn rename(call: &mut Manager<'_>, request: MoveVirtualDiskTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let source = request.source_datacenter();
        let (from, disk) = find(call, source.as_ref(), request.source_name())?;
        let target = request.dest_datacenter().or(source);
        let to = locate(call, target.as_ref(), request.dest_name())?;
        let if_there = if request.force() == Some(true) { IfThere::Replace } else { IfThere::Fail };
        let author = Author::of(call.context());
        if let Some(extent) = extent(call, &from, &disk)? {
            let data = to.sibling(&disk.extent(to.name()));
            edit::rename(call, &author, &extent, &data, if_there)?;
        }
        edit::rename(call, &author, &from, &to, if_there)?;
        Ok(request.dest_name().clone())
    })
}

/// Copies a disk, perhaps into another format; the task's result is its new name. The copy has a UUID of its own.
///
/// - `InvalidArgument` for a specification that asks for nothing possible;
/// - as faults of the task, what [`locate`], [`edit::disk`] and [`edit::put_disk`] raise; `FileNotFound` without its folder.
fn copy(call: &mut Manager<'_>, request: CopyVirtualDiskTask) -> Result<Moref, Fault> {
    // The size is the source's, whatever the specification says.
    let wanted = request.dest_spec().map(|spec| (spec.disk_type().clone(), spec.adapter_type().clone()));
    let kind = wanted.map(|(kind, _)| kind).filter(|kind| !kind.is_empty());
    if let Some(kind) = &kind
        && VirtualDiskType::from_name(kind).is_none()
    {
        return Err(Fault::invalid_argument("destSpec.diskType", format!("'{kind}' is none")));
    }
    call.start_task(move |call| {
        let source = request.source_datacenter();
        let (from, mut disk) = find(call, source.as_ref(), request.source_name())?;
        let target = request.dest_datacenter().or(source);
        let to = locate(call, target.as_ref(), request.dest_name())?;
        if from == to {
            return Err(Fault::invalid_argument("destName", "is the disk itself"));
        }
        expect_folder(call, &to)?;
        let data = match extent(call, &from, &disk)? {
            Some(extent) => edit::volume(call, &extent.datastore)?.file(&extent.path),
            None => None,
        };
        let data = data.and_then(|file| match file.content {
            Content::Bytes(blob) if !blob.is_zeros() => Some(blob),
            _ => None,
        });
        // A copy stands alone.
        if disk.parent.take().is_some() {
            disk.kind = "thin".into();
        }
        if disk.kind == "sparseMonolithic" {
            disk.kind = "thin".into();
        }
        if let Some(kind) = kind {
            disk.kind = kind;
        }
        disk.uuid = own_uuid(target.as_ref(), &to);
        let if_there = if request.force() == Some(true) { IfThere::Replace } else { IfThere::Fail };
        let author = Author::of(call.context());
        edit::put_disk(call, &author, &to, disk, data, if_there)?;
        Ok(request.dest_name().clone())
    })
}

/// Changes the disk at a place in a task, unless a running machine has it.
fn change(
    call: &mut Manager<'_>,
    datacenter: Option<Moref>,
    name: ArcStr,
    change: impl FnOnce(&Place, &mut Disk) -> Result<(), Fault> + Send + 'static,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let (place, mut disk) = find(call, datacenter.as_ref(), &name)?;
        expect_unlocked(call, &place)?;
        let data = match extent(call, &place, &disk)? {
            Some(extent) => edit::volume(call, &extent.datastore)?.file(&extent.path),
            None => None,
        };
        change(&place, &mut disk)?;
        let data = data.and_then(|file| match file.content {
            Content::Bytes(blob) if !blob.is_zeros() => Some(blob),
            _ => None,
        });
        let author = Author::of(call.context());
        edit::put_disk(call, &author, &place, disk, data, IfThere::Replace)
    })
}

/// Makes a disk larger; `eagerZero` makes it thick as well.
///
/// - as faults of the task: `InvalidArgument` for a size that is none, `FileFault` for one that is smaller, `FileLocked`,
///   `NoDiskSpace`, and what [`locate`] and [`edit::disk`] raise.
fn extend(call: &mut Manager<'_>, request: ExtendVirtualDiskTask) -> Result<Moref, Fault> {
    let (kilobytes, zeroes) = (request.new_capacity_kb(), request.eager_zero() == Some(true));
    change(call, request.datacenter(), request.name().clone(), move |place, disk| {
        let capacity = kilobytes.checked_mul(1024).filter(|bytes| (1..=LARGEST).contains(bytes));
        let capacity = capacity.ok_or_else(|| Fault::invalid_argument("newCapacityKb", format!("{kilobytes} KB")))?;
        if capacity < disk.capacity {
            return Err(fault::general(&place.text, "a disk cannot shrink"));
        }
        disk.capacity = capacity;
        if zeroes && disk.kind == "preallocated" {
            disk.kind = "eagerZeroedThick".into();
        }
        Ok(())
    })
}

/// Makes a thin disk thick, with all its blocks zeroed.
///
/// - as faults of the task: `FileFault` for one that has its differences to another; else as [`extend`].
fn inflate(call: &mut Manager<'_>, request: InflateVirtualDiskTask) -> Result<Moref, Fault> {
    change(call, request.datacenter(), request.name().clone(), thicken)
}

fn thicken(place: &Place, disk: &mut Disk) -> Result<(), Fault> {
    if disk.parent.is_some() {
        return Err(fault::general(&place.text, "it has its differences to another disk"));
    }
    disk.kind = "eagerZeroedThick".into();
    Ok(())
}

/// Gives back what a disk does not use: ours holds no blocks that it does not use.
///
/// - as faults of the task: `FileLocked`, and what [`locate`] and [`edit::disk`] raise.
// Fidelity: vCenter copies the disk when `copy` is not false. Nobody can tell by the result.
fn shrink(call: &mut Manager<'_>, request: ShrinkVirtualDiskTask) -> Result<Moref, Fault> {
    change(call, request.datacenter(), request.name().clone(), |_, _| Ok(()))
}

/// Puts the blocks of a disk in order: ours are.
///
/// - as [`shrink`].
fn defragment(call: &mut Manager<'_>, request: DefragmentVirtualDiskTask) -> Result<Moref, Fault> {
    change(call, request.datacenter(), request.name().clone(), |_, _| Ok(()))
}

/// Zeroes the blocks of a thick disk that were not used yet.
///
/// - as [`inflate`]; `FileFault` for a thin disk.
fn eager_zero(call: &mut Manager<'_>, request: EagerZeroVirtualDiskTask) -> Result<Moref, Fault> {
    change(call, request.datacenter(), request.name().clone(), |place, disk| {
        if disk.is_thin() {
            return Err(fault::general(&place.text, "it is thin"));
        }
        thicken(place, disk)
    })
}

/// Overwrites a disk with zeros.
///
/// - as [`inflate`].
fn zero_fill(call: &mut Manager<'_>, request: ZeroFillVirtualDiskTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let (place, mut disk) = find(call, request.datacenter().as_ref(), request.name())?;
        expect_unlocked(call, &place)?;
        thicken(&place, &mut disk)?;
        disk.stream = None;
        let author = Author::of(call.context());
        edit::put_disk(call, &author, &place, disk, None, IfThere::Replace)
    })
}

/// Gives a disk another UUID.
///
/// - `InvalidArgument` for a text that is none; what [`locate`] and [`edit::disk`] raise.
fn set_uuid(call: &mut Manager<'_>, request: SetVirtualDiskUuid) -> Result<(), Fault> {
    let uuid = unspaced(request.uuid());
    if uuid::Uuid::parse_str(&uuid).is_err() {
        return Err(Fault::invalid_argument("uuid", format!("'{}' is none", request.uuid())));
    }
    let (place, mut disk) = find(call, request.datacenter().as_ref(), request.name())?;
    disk.uuid = uuid.into();
    let author = Author::of(call.context());
    edit::put(call, &author, &place, Content::Disk(disk.into()), IfThere::Replace)
}

/// The UUID of a disk.
///
/// - what [`Place::find`] and [`edit::disk`] raise.
pub(crate) fn query_uuid(look: &Look<'_, VirtualDiskManager>, request: QueryVirtualDiskUuid) -> Result<ArcStr, Fault> {
    let datacenter = request.datacenter();
    let (place, disk) = seen(look, datacenter.as_ref(), request.name())?;
    Ok(if disk.uuid.is_empty() { own_uuid(datacenter.as_ref(), &place) } else { disk.uuid })
}

/// Cylinders, heads and sectors of a disk.
///
/// - what [`Place::find`] and [`edit::disk`] raise.
fn query_geometry(
    look: &Look<'_, VirtualDiskManager>,
    request: QueryVirtualDiskGeometry,
) -> Result<HostDiskDimensionsChs, Fault> {
    let (_, disk) = seen(look, request.datacenter().as_ref(), request.name())?;
    let (cylinders, heads, sectors) = disk.geometry();
    Ok(HostDiskDimensionsChs::with(|geometry| {
        geometry.set_cylinder(cylinders).set_head(heads).set_sector(sectors);
    }))
}

/// How fragmented a disk is, in percent: ours never are.
///
/// - what [`Place::find`] and [`edit::disk`] raise.
fn query_fragmentation(
    look: &Look<'_, VirtualDiskManager>,
    request: QueryVirtualDiskFragmentation,
) -> Result<i32, Fault> {
    seen(look, request.datacenter().as_ref(), request.name()).map(|_| 0)
}

/// The type and the parent of a disk, and with `includeParents` of its parents: the task's result.
///
/// - as faults of the task, what [`locate`] and [`edit::disk`] raise.
fn query_info(call: &mut Manager<'_>, request: QueryVirtualDiskInfoTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let datacenter = request.datacenter();
        let mut infos: Vec<VirtualDiskInfo> = Vec::new();
        let mut next = Some(request.name().clone());
        while let Some(name) = next.take() {
            let (_, disk) = find(call, datacenter.as_ref(), &name)?;
            infos.push(VirtualDiskInfo::with(|info| {
                info.unit_mut().set_name(&name);
                info.set_disk_type(&disk.kind).set_parent(disk.parent.as_ref());
            }));
            // A chain that a client closed to a circle ends here.
            let is_known = |parent: &ArcStr| infos.iter().any(|info| info.unit().name() == parent);
            next = disk.parent.filter(|parent| request.include_parents() && !is_known(parent));
        }
        Ok(infos)
    })
}

/// `InvalidDatastore` unless a disk is on a datastore of virtual volumes, where it can have snapshots of the array.
fn expect_virtual_volumes(call: &Manager<'_>, datacenter: Option<&Moref>, name: &str) -> Result<(), Fault> {
    let (place, _) = find(call, datacenter, name)?;
    let volume = edit::volume(call, &place.datastore)?;
    if volume.datastore().info().as_object().is::<VvolDatastoreInfo>() {
        return Err(Fault::new(NotFound::new(), "the array has no such snapshot"));
    }
    let detail = InvalidDatastore::with(|fault| {
        fault.set_datastore(place.datastore.clone()).set_name(volume.datastore().name());
    });
    Err(Fault::new(detail, format!("{} is not on a datastore of virtual volumes", place.text)))
}

/// Imports a snapshot that the array has of a disk.
///
/// - `InvalidDatastore` on a datastore that is none of virtual volumes; `NotFound` without such a snapshot.
fn import_unmanaged_snapshot(call: &mut Manager<'_>, request: ImportUnmanagedSnapshot) -> Result<(), Fault> {
    expect_virtual_volumes(call, request.datacenter().as_ref(), request.vdisk())
}

/// Releases a snapshot that the array has of a disk.
///
/// - as [`import_unmanaged_snapshot`].
fn release_managed_snapshot(call: &mut Manager<'_>, request: ReleaseManagedSnapshot) -> Result<(), Fault> {
    expect_virtual_volumes(call, request.datacenter().as_ref(), request.vdisk())
}
