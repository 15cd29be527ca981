//! Virtual disks: their files, sizes and identifiers.

use std::sync::LazyLock;

use vimsim_types::enums::SharesLevel;
use vimsim_types::views::{
    Datacenter, Datastore, HostScsiDisk, HostSystem, InvalidDatastore, InvalidDatastorePath, StorageIOAllocationInfo,
    VirtualDevice, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualDiskFlatVer2BackingInfo,
    VirtualDiskRawDiskMappingVer1BackingInfo, VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::device::{self, Site};
use super::{chain, config, disk_file, ethernet, layout, limits, snapshot, summary};
use crate::call::Call;
use crate::config::Fidelity;
use crate::files::{edit, fault};

/// A file on a datastore: `[datastore] path`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DatastorePath {
    pub(crate) datastore: String,
    /// Without the brackets and the space; empty for the datastore's root.
    pub(crate) path: String,
}

impl DatastorePath {
    /// Reads a path; `None` if it does not begin with a datastore in brackets.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (datastore, path) = text.trim().strip_prefix('[')?.split_once(']')?;
        Some(Self { datastore: datastore.into(), path: path.trim().trim_matches('/').into() })
    }

    /// The folder that the file is in.
    pub(crate) fn parent(&self) -> Self {
        let path = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        Self { datastore: self.datastore.clone(), path: path.into() }
    }

    /// A file in this folder.
    pub(crate) fn join(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.into() } else { format!("{}/{name}", self.path) };
        Self { datastore: self.datastore.clone(), path }
    }
}

impl std::fmt::Display for DatastorePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            write!(f, "[{}]", self.datastore)
        } else {
            write!(f, "[{}] {}", self.datastore, self.path)
        }
    }
}

/// `InvalidDatastorePath` for a text that is none.
pub(crate) fn invalid_path(text: &str) -> Fault {
    let detail = InvalidDatastorePath::with(|fault| {
        fault.set_datastore_path(text);
    });
    Fault::new(detail, format!("'{text}' is no datastore path: it has the form '[datastore] folder/file'"))
}

/// `InvalidDatastore` for a datastore that cannot be used.
pub(crate) fn invalid_datastore(name: &str, datastore: Option<Moref>, why: &str) -> Fault {
    let detail = InvalidDatastore::with(|fault| {
        fault.set_name(name);
        fault.set_datastore(datastore);
    });
    Fault::new(detail, format!("Invalid datastore '{name}': {why}"))
}

/// The datastore of this name in a datacenter.
pub(crate) fn datastore_by_name<T>(call: &Call<'_, T>, datacenter: &Moref, name: &str) -> Option<Moref> {
    let is_named = |datastore: &Moref| call.view::<Datastore>(datastore).is_some_and(|it| *it.name() == name);
    call.view::<Datacenter>(datacenter)?.datastore().iter().find(is_named)
}

/// The datastore of a file's path.
///
/// - `InvalidDatastorePath`, `InvalidDatastore`.
pub(super) fn find_datastore<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    file: &str,
    _index: usize,
) -> Result<Option<Moref>, Fault> {
    if file.is_empty() {
        return Ok(None);
    }
    let path = DatastorePath::parse(file).ok_or_else(|| invalid_path(file))?;
    match datastore_by_name(call, site.datacenter, &path.datastore) {
        Some(datastore) => Ok(Some(datastore)),
        // A CD image may lie on the host itself: `[] /vmimages/tools-isoimages/linux.iso`.
        None if path.datastore.is_empty() => Ok(None),
        None => Err(invalid_datastore(&path.datastore, None, "the datacenter has no such datastore")),
    }
}

/// Finds the datastores of files whose paths have changed, for the machine and for them.
///
/// - what `places::refresh` raises.
pub(crate) fn find_files<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let mut machine = call.get::<VirtualMachine>(moref)?.clone();
    let Some(datacenter) = call.datacenter_of(moref) else { return Ok(()) };
    for device in machine.config_mut().hardware_mut().device_mut().iter_mut() {
        let file = device.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>());
        let path = file.and_then(|file| DatastorePath::parse(file.file_name()));
        let found = path.and_then(|path| datastore_by_name(call, &datacenter, &path.datastore));
        if found.is_some() && file.and_then(|file| file.datastore()) != found {
            let backing = device.backing_mut().downcast_mut::<VirtualDeviceFileBackingInfo>();
            backing.into_iter().for_each(|backing| _ = backing.set_datastore(found.clone()));
        }
    }
    snapshot::store(call, moref, machine)
}

/// The bytes of the largest disk that vSphere has: 62 TiB (Configuration Maximums).
pub(crate) const LARGEST: i64 = 62 << 40;

/// Fills in a disk, and returns its summary.
///
/// - `InvalidDeviceSpec` for a new disk without a size, or one that is too large; `InvalidDeviceOperation` for one that would
///   shrink, or grow although it has snapshots;
/// - `InvalidDatastore` if its datastore does not exist, or the host does not have it; `FileAlreadyExists` if a new disk's
///   very file was named, and it is there; `FileNotFound` for one that is to be there, and is not; `InvalidDeviceBacking` for
///   one that another disk of the machine has, or that is no disk.
#[expect(clippy::too_many_arguments, reason = "what a change of devices consists of")]
pub(super) fn configure<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    machine: &VirtualMachine,
    devices: &[VirtualDevice],
    disk: &mut VirtualDisk,
    old: Option<&VirtualDisk>,
    creates: bool,
    index: usize,
) -> Result<String, Fault> {
    if old.is_none() {
        map_raw(call, site, disk, index)?;
    }
    if creates || old.and_then(named_file) != named_file(disk) {
        check_file(call, site, devices, disk, creates, index)?;
        match creates {
            true => disk_file::check_folder(call, site, machine, disk)?,
            false => disk_file::read(call, site, disk, index)?,
        }
    }
    let bytes = size(disk, old, index)?;
    if !(0..=LARGEST).contains(&bytes) {
        let why = format!("a disk of {bytes} bytes is not within 0 and 62 TiB");
        return Err(device::invalid(index, "virtualDeviceSpec.device.capacityInBytes", why));
    }
    let has_parent = disk.backing().and_then(|backing| backing.downcast::<VirtualDiskFlatVer2BackingInfo>());
    let has_parent = has_parent.is_some_and(|backing| backing.parent().is_some());
    if creates && bytes <= 0 && !has_parent {
        return Err(device::invalid(index, "virtualDeviceSpec.device.capacityInBytes", "a new disk needs a size"));
    }
    disk.set_capacity_in_bytes(bytes).set_capacity_in_kb(bytes / 1024);
    share_bandwidth(disk, old);
    place_file(call, site, machine, devices, disk, index)?;
    if let Some(backing) = disk.backing_mut().downcast_mut::<VirtualDiskFlatVer2BackingInfo>() {
        if call.context().fidelity() == Fidelity::VCenter {
            limits::check_mode(backing, index)?;
        }
        complete(site, backing);
    }
    Ok(format!("{} KB", grouped(bytes / 1024)))
}

/// What a disk gets of its datastore's bandwidth where the client does not say: as before, or what every other disk gets.
/// `shares` is the older name of a part of `storageIOAllocation`, and says the same.
fn share_bandwidth(disk: &mut VirtualDisk, old: Option<&VirtualDisk>) {
    static NORMAL: LazyLock<StorageIOAllocationInfo> = LazyLock::new(|| {
        StorageIOAllocationInfo::with(|allocation| {
            allocation.shares_mut().set_shares(1000).set_level(SharesLevel::Normal);
            allocation.set_limit(-1).set_reservation(0);
        })
    });
    let before = old.and_then(|old| old.storage_io_allocation()).unwrap_or_else(|| &NORMAL);
    let mut allocation = before.clone();
    if let Some(wanted) = disk.storage_io_allocation() {
        config::overlay(allocation.as_object_mut(), wanted.as_object());
    }
    let newer =
        |disk: &VirtualDisk| disk.storage_io_allocation().and_then(|it| it.shares()).map(View::as_object).cloned();
    let is_newer = newer(disk).is_some_and(|wanted| old.and_then(newer).is_none_or(|known| known != wanted));
    let shares = disk.shares().filter(|_| !is_newer).or(allocation.shares()).or(NORMAL.shares()).cloned();
    let Some(mut shares) = shares else { return };
    // The number counts where the level is custom.
    let number = match shares.level() {
        SharesLevel::Low => 500,
        SharesLevel::Normal => 1000,
        SharesLevel::High => 2000,
        _ => shares.shares(),
    };
    // What is equal to the usual stays the same object, for thousands of disks.
    if shares.shares() != number {
        shares.set_shares(number);
    }
    if allocation.shares().is_none_or(|known| known.as_object() != shares.as_object()) {
        allocation.set_shares(shares.clone());
    }
    disk.set_shares(shares);
    disk.set_storage_io_allocation(allocation);
}

/// Gives a raw device mapping the size and identity of the host's disk that it maps.
///
/// - `InvalidDeviceBacking` if the host has no such disk.
fn map_raw<T>(call: &Call<'_, T>, site: &Site<'_>, disk: &mut VirtualDisk, index: usize) -> Result<(), Fault> {
    let raw = disk.backing().and_then(|backing| backing.downcast::<VirtualDiskRawDiskMappingVer1BackingInfo>());
    let Some(name) = raw.and_then(|raw| raw.device_name().cloned()).filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let host = call.view::<HostSystem>(site.host);
    let storage = host.as_ref().and_then(|host| host.config()?.storage_device());
    let found = storage.into_iter().flat_map(|storage| storage.scsi_lun().iter()).find_map(|lun| {
        let is_it = *lun.device_name() == name || lun.canonical_name().is_some_and(|known| *known == name);
        let is_it = is_it || lun.descriptor().iter().any(|it| name.ends_with(it.id().as_str()));
        lun.downcast::<HostScsiDisk>().filter(|_| is_it)
    });
    let Some(lun) = found else {
        return Err(ethernet::invalid_backing(index, format!("the host has no disk '{name}'")));
    };
    let bytes = lun.capacity().block().saturating_mul(lun.capacity().block_size().into());
    let uuid = lun.uuid().clone();
    disk.set_capacity_in_bytes(bytes).set_capacity_in_kb(bytes / 1024);
    if let Some(raw) = disk.backing_mut().downcast_mut::<VirtualDiskRawDiskMappingVer1BackingInfo>() {
        raw.set_lun_uuid(uuid);
    }
    Ok(())
}

/// The very file that a disk names, if it names one.
pub(super) fn named_file(disk: &VirtualDisk) -> Option<DatastorePath> {
    let backing = disk.backing()?.downcast::<VirtualDeviceFileBackingInfo>()?;
    DatastorePath::parse(backing.file_name()).filter(|path| path.path.ends_with(".vmdk"))
}

/// Whether another disk of the machine has the file.
fn is_taken(devices: &[VirtualDevice], disk: &VirtualDisk, file: &DatastorePath) -> bool {
    let mut others = devices.iter().filter(|device| device.key() != disk.key()).filter_map(|it| it.downcast());
    others.any(|other| named_file(other).as_ref() == Some(file))
}

/// Whether the very file that a disk names, if it names one, is free where it is to be made, or there where it is to be found.
/// Of a datastore that is not there, others tell.
///
/// - `FileAlreadyExists` for a new file that is there, or that another disk of the machine has;
/// - `FileNotFound` for a known one that is not there; `InvalidDeviceBacking` if another disk of the machine has it.
// Fidelity: vcsim makes a disk of a file that is not there, and lets a machine have the same one twice.
fn check_file<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    devices: &[VirtualDevice],
    disk: &VirtualDisk,
    is_new: bool,
    index: usize,
) -> Result<(), Fault> {
    let Some(wanted) = named_file(disk) else { return Ok(()) };
    let is_taken = is_taken(devices, disk, &wanted);
    let is_there = match datastore_by_name(call, site.datacenter, &wanted.datastore) {
        Some(datastore) => edit::volume(call, &datastore)?.get(&wanted.path).is_some(),
        None => !is_new,
    };
    match is_new {
        true if is_taken || is_there => Err(fault::already_exists(&wanted.to_string())),
        false if is_taken => {
            Err(ethernet::invalid_backing(index, format!("another disk of the virtual machine is {wanted}")))
        }
        false if !is_there => Err(fault::not_found(&wanted.to_string())),
        _ => Ok(()),
    }
}

/// The size asked for, in bytes. A client may give either field, and the one that it changed counts.
fn size(disk: &VirtualDisk, old: Option<&VirtualDisk>, index: usize) -> Result<i64, Fault> {
    let own = |disk: &VirtualDisk| match disk.capacity_in_bytes() {
        Some(bytes) if bytes != 0 => bytes,
        _ => disk.capacity_in_kb().saturating_mul(1024),
    };
    let Some(old) = old else { return Ok(own(disk)) };
    let before = own(old);
    let in_kilobytes = disk.capacity_in_kb().saturating_mul(1024);
    let bytes = match disk.capacity_in_bytes() {
        Some(bytes) if bytes != 0 && bytes != before => bytes,
        _ if in_kilobytes != 0 && in_kilobytes != before / 1024 * 1024 => in_kilobytes,
        _ => before,
    };
    if bytes < before {
        return Err(device::invalid_operation(index, format!("a disk cannot shrink from {before} to {bytes} bytes")));
    }
    let flat = |disk: &VirtualDisk| disk.backing()?.downcast::<VirtualDiskFlatVer2BackingInfo>()?.parent().map(|_| ());
    if bytes > before && flat(old).is_some() {
        return Err(device::invalid_operation(index, "a disk with snapshots cannot grow".into()));
    }
    Ok(bytes)
}

/// Gives the disk a file of its own where the client named only the datastore or the folder, and finds the datastore.
///
/// - `InvalidDatastorePath`; `InvalidDatastore` for one that does not exist, none at all, or one that the host does not have.
fn place_file<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    machine: &VirtualMachine,
    devices: &[VirtualDevice],
    disk: &mut VirtualDisk,
    index: usize,
) -> Result<(), Fault> {
    let Some(backing) = disk.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>()) else {
        return Ok(());
    };
    let given = backing.file_name().clone();
    let wanted = match DatastorePath::parse(&given) {
        Some(path) => path,
        None if given.is_empty() => {
            let by_reference = backing.datastore().and_then(|datastore| call.view::<Datastore>(&datastore));
            let datastore = by_reference.map(|datastore| datastore.name().to_string()).unwrap_or_default();
            DatastorePath { datastore, path: String::new() }
        }
        None => return Err(invalid_path(&given)),
    };
    let files = machine.config().map(|config| config.files());
    let home = files.and_then(|files| files.vm_path_name()).and_then(|path| DatastorePath::parse(path));
    let home = home.map(|path| path.parent());
    let file = if wanted.path.is_empty() {
        let home = home.unwrap_or(DatastorePath { datastore: String::new(), path: machine.name().to_string() });
        let datastore = if wanted.datastore.is_empty() { home.datastore.clone() } else { wanted.datastore };
        let folder = DatastorePath { datastore, path: home.path };
        let mut taken = snapshot::taken_names(call, machine);
        let own = devices.iter().find(|device| device.key() == disk.key()).and_then(chain::backing);
        taken.retain(|name| own.is_none_or(|own| own.file_name() != name));
        free_file(devices, &taken, disk.key(), &folder, machine.name())
    } else if wanted.datastore.is_empty() {
        return Err(invalid_datastore("", None, "a disk is on a datastore"));
    } else {
        wanted
    };
    let name = file.to_string();
    let datastore = find_datastore(call, site, &name, index)?;
    let host = call.view::<HostSystem>(site.host);
    if let Some(missing) = datastore.as_ref().filter(|it| host.is_some_and(|host| !host.datastore().contains(it))) {
        return Err(invalid_datastore(&file.datastore, Some(missing.clone()), "the host does not have it"));
    }
    if let Some(backing) = disk.backing_mut().downcast_mut::<VirtualDeviceFileBackingInfo>() {
        if *backing.file_name() != name {
            backing.set_file_name(name);
        }
        backing.set_datastore(datastore);
    }
    Ok(())
}

/// The first of `NAME.vmdk`, `NAME_1.vmdk` ... that no other disk of the machine or of a snapshot of it has.
fn free_file(
    devices: &[VirtualDevice],
    taken: &[ArcStr],
    own: i32,
    folder: &DatastorePath,
    name: &str,
) -> DatastorePath {
    let others = || {
        let disks = devices.iter().filter(|device| device.key() != own).filter_map(|it| it.downcast::<VirtualDisk>());
        disks.filter_map(|disk| disk.backing()?.downcast::<VirtualDeviceFileBackingInfo>())
    };
    let candidate = |number: usize| match number {
        0 => folder.join(&format!("{name}.vmdk")),
        _ => folder.join(&format!("{name}_{number}.vmdk")),
    };
    let is_free = |path: &DatastorePath| {
        let path = path.to_string();
        others().all(|backing| *backing.file_name() != path) && taken.iter().all(|name| *name != path)
    };
    let most = devices.len() + taken.len();
    (0..=most).map(candidate).find(is_free).unwrap_or_else(|| candidate(most))
}

/// What a flat disk has where nothing was asked, and its UUID.
fn complete(site: &Site<'_>, backing: &mut VirtualDiskFlatVer2BackingInfo) {
    if backing.disk_mode().is_empty() {
        backing.set_disk_mode("persistent");
    }
    let slots = [
        VirtualDiskFlatVer2BackingInfo::SPLIT,
        VirtualDiskFlatVer2BackingInfo::WRITE_THROUGH,
        VirtualDiskFlatVer2BackingInfo::THIN_PROVISIONED,
        VirtualDiskFlatVer2BackingInfo::EAGERLY_SCRUB,
        VirtualDiskFlatVer2BackingInfo::DIGEST_ENABLED,
    ];
    for slot in slots {
        if backing.as_object().get(slot).is_unset() {
            backing.as_object_mut().set(slot, false.into());
        }
    }
    if backing.uuid().is_none_or(|uuid| uuid.is_empty()) {
        backing.set_uuid(uuid(site.datacenter, backing.file_name()));
    }
}

/// The UUID of a disk: that of its datacenter's reference and its path, as vcsim has it.
pub(crate) fn uuid(datacenter: &Moref, file: &ArcStr) -> String {
    crate::uuid::named(&format!("{datacenter}{file}"))
}

/// A number with commas between thousands.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The size and the thin provisioning of every disk, with its datastore: also of those that only a snapshot still has, and
/// of the states and memories of snapshots.
pub(super) fn usage(machine: &VirtualMachine) -> Vec<(Moref, i64, bool)> {
    let Some(config) = machine.config() else { return Vec::new() };
    let disks = config.hardware().device().iter().filter_map(|device| device.downcast::<VirtualDisk>());
    let mut usage: Vec<_> = disks
        .filter_map(|disk| {
            let backing = disk.backing()?;
            let datastore = backing.downcast::<VirtualDeviceFileBackingInfo>()?.datastore()?;
            // What snapshots added grows with use; the file below decides. That of a linked clone is another machine's.
            let top = backing.downcast::<VirtualDiskFlatVer2BackingInfo>();
            let last = std::iter::successors(top, |flat| flat.parent()).last();
            let folder =
                |flat: &VirtualDiskFlatVer2BackingInfo| DatastorePath::parse(flat.file_name()).map(|it| it.parent());
            let is_linked = top.is_some_and(|top| top.parent().is_some()) && top.map(folder) != last.map(folder);
            let is_thin = is_linked || last.and_then(|flat| flat.thin_provisioned()).unwrap_or_default();
            let size = disk.capacity_in_bytes().unwrap_or_else(|| disk.capacity_in_kb().saturating_mul(1024));
            Some((datastore, size, is_thin))
        })
        .collect();
    usage.extend(kept(machine).into_iter().map(|(datastore, _, size, is_thin)| (datastore, size, is_thin)));
    usage
}

/// What only the machine's snapshots still have, the data of disks and their own: datastore, file, size and thin provisioning.
pub(super) fn kept(machine: &VirtualMachine) -> Vec<(Moref, &ArcStr, i64, bool)> {
    let Some(config) = machine.config() else { return Vec::new() };
    let Some(layout) = machine.layout_ex().filter(|layout| !layout.snapshot().is_empty()) else { return Vec::new() };
    let known: Vec<ArcStr> =
        chain::backings(config).flat_map(chain::files).map(|file| summary::disk_files(file)[0].0.clone()).collect();
    let folder = |file: &str| DatastorePath::parse(file).map(|path| path.parent());
    let linked: Vec<_> = snapshot::linked_files(machine).iter().map(|file| folder(file)).collect();
    let others = layout.file().iter().filter(|file| file.key() >= 0 && !known.contains(file.name()));
    let kept = others.filter_map(|file| {
        let datastore = layout::datastore_of(file).filter(|_| file.size() > 0)?;
        let is_thin = file.unique_size() == Some(0) || linked.contains(&folder(file.name()));
        Some((datastore, file.name(), file.size(), is_thin))
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written() {
        let path = DatastorePath::parse("[LocalDS_0] a/b.vmx").expect("a path");
        assert_eq!(
            (path.to_string(), path.parent().to_string()),
            ("[LocalDS_0] a/b.vmx".into(), "[LocalDS_0] a".into())
        );
        assert_eq!(DatastorePath::parse("[x]").map(|path| path.join("y").to_string()), Some("[x] y".into()));
        assert_eq!(DatastorePath::parse("x/y"), None);
    }

    #[test]
    fn the_uuid_of_a_disk_is_that_of_vcsim() {
        let datacenter = Moref::of::<Datacenter>("datacenter-1");
        let found = uuid(&datacenter, &"[LocalDS_0] DC0_H0_VM0/disk1.vmdk".into());
        assert_eq!(found, "b95003e9-7241-514a-9ba0-82a06c0d235a");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(10_485_760), "10,485,760");
        assert_eq!((grouped(0), grouped(999), grouped(1000)), ("0".into(), "999".into(), "1,000".into()));
    }
}
