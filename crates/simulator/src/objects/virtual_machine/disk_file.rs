//! What a disk is that there is already: its file says how large it is, not the client.

use vimsim_types::views::{
    VirtualDevice, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualMachine,
    VirtualMachineConfigInfo,
};
use vimsim_types::{Fault, View};

use super::device::Site;
use super::disk::DatastorePath;
use super::{chain, config, disk, ethernet};
use crate::call::Call;
use crate::config::Fidelity;
use crate::files::{Place, edit, fault};

/// Gives a disk that is attached the size, the format and the identity that its file has, whatever the client says of them.
///
/// - `InvalidDeviceBacking` for a file that is no disk.
pub(super) fn read<T>(call: &Call<'_, T>, site: &Site<'_>, disk: &mut VirtualDisk, index: usize) -> Result<(), Fault> {
    let Some(file) = disk::named_file(disk) else { return Ok(()) };
    let Some(datastore) = disk::datastore_by_name(call, site.datacenter, &file.datastore) else { return Ok(()) };
    let place = Place { datastore: datastore.clone(), path: file.path.clone(), text: file.to_string() };
    let stored = match edit::disk(&edit::volume(call, &datastore)?, &place) {
        Ok((_, stored)) => stored,
        // Fidelity: scripts of vcsim attach any file.
        Err(_) if call.context().fidelity() == Fidelity::Vcsim => return Ok(()),
        Err(_) => return Err(ethernet::invalid_backing(index, format!("{file} is no virtual disk"))),
    };
    disk.set_capacity_in_bytes(stored.capacity).set_capacity_in_kb(stored.capacity / 1024);
    if let Some(backing) = disk.backing_mut().downcast_mut::<VirtualDiskFlatVer2BackingInfo>() {
        backing.set_thin_provisioned(stored.kind == "thin");
        backing.set_eagerly_scrub(stored.kind == "eagerZeroedThick");
        if !stored.uuid.is_empty() {
            backing.set_uuid(stored.uuid);
        }
    }
    Ok(())
}

/// `FileNotFound` for a new disk in a folder that there is not. That of a new machine is made with it.
// Fidelity: vcsim makes the folder.
pub(super) fn check_folder<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    machine: &VirtualMachine,
    disk: &VirtualDisk,
) -> Result<(), Fault> {
    let Some(folder) = disk::named_file(disk).map(|file| file.parent()).filter(|folder| !folder.path.is_empty()) else {
        return Ok(());
    };
    let home = machine.config().and_then(|config| config.files().vm_path_name());
    let home = home.and_then(|path| DatastorePath::parse(path)).map(|path| path.parent().path);
    if call.context().fidelity() == Fidelity::Vcsim || home.as_ref() == Some(&folder.path) {
        return Ok(());
    }
    let Some(datastore) = disk::datastore_by_name(call, site.datacenter, &folder.datastore) else { return Ok(()) };
    match edit::volume(call, &datastore)?.get(&folder.path) {
        Some(_) => Ok(()),
        None => Err(fault::not_found(&folder.to_string())),
    }
}

/// What an edit leaves unset of a disk's backing stays as it was, as long as the disk is the same file. A client that names
/// none means that file.
pub(super) fn keep_backing(old: &VirtualDevice, device: &mut VirtualDevice) {
    let (Some(before), Some(wanted)) = (chain::backing(old), chain::backing(device)) else { return };
    let name = wanted.file_name();
    if !name.is_empty() && name != before.file_name() || before.as_object() == wanted.as_object() {
        return;
    }
    let mut backing = before.clone();
    config::overlay(backing.as_object_mut(), wanted.as_object());
    backing.set_file_name(before.file_name());
    if wanted.disk_mode().is_empty() {
        backing.set_disk_mode(before.disk_mode());
    }
    device.set_backing(backing);
}

/// The change of a disk of a copy: clients describe the source's disk, whose file the copy's is not.
pub(super) fn of_copy(source: &VirtualMachineConfigInfo, device: &mut VirtualDevice) {
    let known = source.hardware().device().iter().find(|known| known.key() == device.key()).and_then(chain::backing);
    let (Some(known), Some(wanted)) = (known, chain::backing(device)) else { return };
    if chain::files(known).iter().all(|file| file.file_name() != wanted.file_name()) {
        return;
    }
    let mut backing = wanted.clone();
    backing.set_file_name("");
    for slot in [
        VirtualDeviceFileBackingInfo::DATASTORE,
        VirtualDeviceFileBackingInfo::BACKING_OBJECT_ID,
        VirtualDiskFlatVer2BackingInfo::UUID,
        VirtualDiskFlatVer2BackingInfo::CONTENT_ID,
        VirtualDiskFlatVer2BackingInfo::CHANGE_ID,
        VirtualDiskFlatVer2BackingInfo::PARENT,
        VirtualDiskFlatVer2BackingInfo::DELTA_DISK_FORMAT,
    ] {
        backing.as_object_mut().set(slot, vimsim_types::Value::Unset);
    }
    device.set_backing(backing);
}
