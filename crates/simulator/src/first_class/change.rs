//! Changing first class disks.

use vimsim_types::enums::VirtualDeviceConfigSpecOperation;
use vimsim_types::views::{
    InvalidState, KeyValue, VirtualDeviceConfigSpec, VirtualDisk, VirtualMachine, VirtualMachineConfigSpec,
};
use vimsim_types::{ArcStr, Fault, Items, Moref, View};

use super::create::{check_name, set_metadata};
use super::{FirstClassDisk, MEGABYTE, Manager, author, edit_catalog, find, holder, stored};
use crate::call::Call;
use crate::files::content::Blob;
use crate::files::edit::{self, IfThere};
use crate::files::{Content, Place, fault};
use crate::objects::virtual_machine;

/// Changes what the catalog says of a disk, and returns its clock after that.
///
/// - `NotFound`, and what `change` raises.
pub(crate) fn change(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    change: &mut dyn FnMut(&mut FirstClassDisk) -> Result<(), Fault>,
) -> Result<i64, Fault> {
    let mut disk = find(&**call, id, datastore)?.clone();
    stored(&**call, &disk)?;
    change(&mut disk)?;
    write(call, disk)
}

/// Writes a disk down, and returns its clock.
pub(super) fn write(call: &mut Call<'_, Manager>, disk: FirstClassDisk) -> Result<i64, Fault> {
    let known = edit_catalog(call)?;
    known.set(disk);
    Ok(known.clock)
}

/// Gives a disk another name.
///
/// - `NotFound`; `InvalidArgument` for a name that cannot be.
pub(crate) fn rename(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    name: &ArcStr,
) -> Result<i64, Fault> {
    check_name(name)?;
    change(call, id, datastore, &mut |disk| {
        disk.name = name.clone();
        Ok(())
    })
}

/// Writes these pairs over the metadata that is there, without those of the keys to delete.
///
/// - `NotFound`; `InvalidArgument` for an empty key.
pub(crate) fn update_metadata(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    pairs: Items<'_, KeyValue>,
    deleted: Items<'_, ArcStr>,
) -> Result<i64, Fault> {
    if pairs.iter().any(|pair| pair.key().is_empty()) {
        return Err(Fault::invalid_argument("metadata.key", "it is empty"));
    }
    change(call, id, datastore, &mut |disk| {
        disk.metadata.retain(|(key, _)| !deleted.contains(key));
        set_metadata(&mut disk.metadata, pairs);
        Ok(())
    })
}

/// Sets control flags, or clears them.
///
/// - `NotFound`; `InvalidArgument` for a flag that there is not.
pub(crate) fn set_flags(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    flags: Items<'_, ArcStr>,
    is_set: bool,
) -> Result<i64, Fault> {
    change(call, id, datastore, &mut |disk| {
        for flag in flags {
            match flag.as_str() {
                "keepAfterDeleteVm" => disk.keeps = is_set,
                "disableRelocation" => disk.is_fixed = is_set,
                "enableChangedBlockTracking" => disk.is_tracked = is_set,
                other => return Err(Fault::invalid_argument("controlFlags", format!("'{other}' is no flag"))),
            }
        }
        Ok(())
    })
}

/// The data of the disk at a place, if it is more than zeros.
pub(super) fn data(call: &Call<'_, Manager>, place: &Place) -> Result<Option<std::sync::Arc<Blob>>, Fault> {
    let volume = edit::volume(call, &place.datastore)?;
    let (_, disk) = edit::disk(&volume, place)?;
    let file = volume.file(&place.sibling(&disk.extent(place.name())).path);
    Ok(file.and_then(|file| match file.content {
        Content::Bytes(blob) if !blob.is_zeros() => Some(blob),
        _ => None,
    }))
}

/// Makes a disk larger, and the device of the machine that has it.
///
/// - `NotFound`; `InvalidArgument` for a size that is smaller; `InvalidState` for a disk with snapshots; `NoDiskSpace`.
pub(crate) fn extend(
    call: &mut Call<'_, Manager>,
    id: &str,
    datastore: Option<&Moref>,
    megabytes: i64,
) -> Result<i64, Fault> {
    let disk = find(&**call, id, datastore)?.clone();
    let (place, mut file) = stored(&**call, &disk)?;
    let bytes = megabytes.checked_mul(MEGABYTE).filter(|bytes| *bytes >= file.capacity);
    let bytes = bytes.ok_or_else(|| {
        let why = format!("the disk has {} MB, and cannot have {megabytes} MB", file.capacity / MEGABYTE);
        Fault::invalid_argument("newCapacityInMB", why)
    })?;
    if !disk.snapshots.is_empty() {
        let why = format!("the disk '{}' has snapshots, and cannot grow", disk.name);
        return Err(Fault::new(InvalidState::new(), why));
    }
    if let Some((machine, key)) = holder(&**call, &disk) {
        resize_device(call, &machine, key, bytes)?;
    } else {
        file.capacity = bytes;
        let (data, author) = (data(call, &place)?, author(call));
        edit::put_disk(call, &author, &place, file, data, IfThere::Replace)?;
    }
    write(call, disk)
}

fn resize_device(call: &mut Call<'_, Manager>, machine: &Moref, key: i32, bytes: i64) -> Result<(), Fault> {
    let devices = call.get::<VirtualMachine>(machine)?.config().map(|config| config.hardware().device());
    let device = devices.into_iter().flatten().find(|device| device.key() == key).cloned();
    let Some(mut device) = device else { return Ok(()) };
    if let Some(disk) = device.downcast_mut::<VirtualDisk>() {
        disk.set_capacity_in_bytes(bytes).set_capacity_in_kb(bytes / 1024);
    }
    let spec = VirtualMachineConfigSpec::with(|spec| {
        spec.set_device_change([VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Edit).set_device(device);
        })]);
    });
    virtual_machine::reconfigure(call, machine, &spec)
}

/// Makes a thin disk thick, with all its blocks zeroed.
///
/// - `NotFound`; `InvalidState` while a machine has it; `NoDiskSpace`.
pub(crate) fn inflate(call: &mut Call<'_, Manager>, id: &str, datastore: Option<&Moref>) -> Result<i64, Fault> {
    let disk = find(&**call, id, datastore)?.clone();
    super::create::expect_free(call, &disk)?;
    let (place, mut file) = stored(&**call, &disk)?;
    if file.parent.is_some() {
        return Err(fault::general(&place.text, "it has its differences to another disk"));
    }
    file.kind = "eagerZeroedThick".into();
    let (data, author) = (data(call, &place)?, author(call));
    edit::put_disk(call, &author, &place, file, data, IfThere::Replace)?;
    write(call, disk)
}
