//! Copying and moving first class disks.

use vimsim_types::views::{InvalidState, VStorageObject, VslmCloneSpec, VslmRelocateSpec};
use vimsim_types::{Fault, Moref, View};

use super::change::{data, write};
use super::create::{blank, check_name, disk_uuid, expect_free, profile_of, put, remove_file, set_metadata, target};
use super::{FirstClassDisk, Manager, author, describe, find, stored};
use crate::call::Call;
use crate::files::disk::Disk;
use crate::files::edit::{self, IfThere};

/// A disk as one that stands alone.
fn alone(mut disk: Disk) -> Disk {
    if disk.parent.take().is_some() || disk.kind == "sparseMonolithic" {
        disk.kind = "thin".into();
    }
    Disk { stream: None, ..disk }
}

/// Copies a disk.
///
/// - `NotFound`; `InvalidArgument` for a name that cannot be, and what [`target`] and [`edit::put_disk`] raise.
pub(crate) fn clone(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    spec: &VslmCloneSpec,
) -> Result<VStorageObject, Fault> {
    check_name(spec.name())?;
    let source = find(&**call, id, datastore)?.clone();
    let (place, file) = stored(&**call, &source)?;
    let data = data(call, &place)?;
    let mut made = FirstClassDisk {
        keeps: spec.keep_after_delete_vm().unwrap_or_default(),
        profile: profile_of(spec.profile()).or(source.profile),
        ..blank(call, spec.name(), None)?
    };
    set_metadata(&mut made.metadata, spec.metadata());
    put(call, made, spec.backing_spec(), alone(file), data)
}

/// Moves a disk to another datastore, with its snapshots.
///
/// - `NotFound`; `InvalidState` while a machine has it, if it must stay where it is, or if it is to move to where it is, and
///   what [`target`] and [`edit::put_disk`] raise.
pub(crate) fn relocate(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    spec: &VslmRelocateSpec,
) -> Result<VStorageObject, Fault> {
    let mut disk = find(&**call, id, datastore)?.clone();
    expect_free(call, &disk)?;
    if disk.is_fixed {
        return Err(Fault::new(InvalidState::new(), format!("the disk '{}' must not be relocated", disk.name)));
    }
    let (from, file) = stored(&**call, &disk)?;
    let mut moved = alone(file);
    let to = target(call, id, spec.backing_spec(), &mut moved)?;
    if to == from {
        return Err(Fault::new(InvalidState::new(), format!("the disk '{}' is there already", disk.name)));
    }
    moved.uuid = disk_uuid(call, &to);
    let (contents, author) = (data(call, &from)?, author(call));
    edit::put_disk(call, &author, &to, moved, contents, IfThere::Fail)?;
    for snapshot in &mut disk.snapshots {
        let kept = from.sibling(crate::files::path::split(&snapshot.path).1);
        let name = to.name().strip_suffix(".vmdk").unwrap_or(to.name());
        let target = to.sibling(&format!("{name}-{:06}.vmdk", snapshot.number));
        let (_, was) = edit::disk(&edit::volume(call, &kept.datastore)?, &kept)?;
        let contents = data(call, &kept)?;
        edit::put_disk(call, &author, &target, was, contents, IfThere::Fail)?;
        remove_file(call, &kept)?;
        snapshot.path = target.path;
    }
    remove_file(call, &from)?;
    disk.datastore = to.datastore;
    disk.path = to.path;
    disk.profile = profile_of(spec.profile()).or(disk.profile);
    write(call, disk)?;
    describe(&**call, find(&**call, id, None)?)
}
