//! Chains of disk files: each snapshot freezes the file that a disk writes to, and what is written after it goes into a new
//! one, whose parent the frozen file is. A file that no snapshot and no machine ends in is merged into its parent.

use std::collections::BTreeMap;

use vimsim_types::views::{VirtualDevice, VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualMachineConfigInfo};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::disk::DatastorePath;
use super::summary;
use crate::call::Call;
use crate::files::edit;

/// The files of a disk, from the one that is written to down to the first.
pub(super) fn files(backing: &VirtualDiskFlatVer2BackingInfo) -> Vec<&VirtualDiskFlatVer2BackingInfo> {
    std::iter::successors(Some(backing), |backing| backing.parent()).take(1_000).collect()
}

/// The disk's backing, if it is a file that can have a parent.
pub(super) fn backing(device: &VirtualDevice) -> Option<&VirtualDiskFlatVer2BackingInfo> {
    device.downcast::<VirtualDisk>()?.backing()?.downcast()
}

/// The backings of a machine's disks.
pub(super) fn backings(config: &VirtualMachineConfigInfo) -> impl Iterator<Item = &VirtualDiskFlatVer2BackingInfo> {
    config.hardware().device().iter().filter_map(backing)
}

/// Has what clients put into a disk's files go where the disk goes. A disk whose chain becomes one file has the contents of
/// the topmost file that holds all of it.
pub(super) fn carry<T>(
    call: &mut Call<'_, T>,
    from: &VirtualDiskFlatVer2BackingInfo,
    to: &VirtualDiskFlatVer2BackingInfo,
    is_move: bool,
) -> Result<(), Fault> {
    let Some(target) = to.datastore() else { return Ok(()) };
    let candidates = if to.parent().is_some() { vec![from] } else { files(from) };
    for source in candidates {
        let Some(datastore) = source.datastore() else { continue };
        for (old, new) in summary::disk_files(source).into_iter().zip(summary::disk_files(to)) {
            let (Some(old), Some(new)) = (DatastorePath::parse(&old.0), DatastorePath::parse(&new.0)) else { continue };
            if edit::carry(call, (&datastore, &old.path), (&target, &new.path), is_move)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether snapshots leave the disk alone.
pub(super) fn is_independent(backing: &VirtualDiskFlatVer2BackingInfo) -> bool {
    backing.disk_mode().starts_with("independent")
}

/// Has every disk write to a new file on top of the one that it writes to now. `taken` are the names of files that there
/// are.
pub(super) fn extend(config: &mut VirtualMachineConfigInfo, taken: &mut Vec<ArcStr>) {
    if !backings(config).any(|backing| !is_independent(backing)) {
        return;
    }
    for device in config.hardware_mut().device_mut().iter_mut() {
        let Some(old) = backing(device).filter(|backing| !is_independent(backing)).cloned() else { continue };
        let name = next_name(old.file_name(), taken);
        taken.push(name.clone());
        device.set_backing(child(&old, &name));
    }
}

/// Gives every disk of a machine whose changes are tracked an identifier of the moment of this snapshot: the disk's own, and
/// the snapshot's number, which no other ever has: who asks what has changed since a snapshot that is gone must not be told
/// that it was nothing.
pub(super) fn stamp(config: &mut VirtualMachineConfigInfo, snapshot: &Moref) {
    if !config.change_tracking_enabled().unwrap_or_default() {
        return;
    }
    let number = snapshot.value().rsplit('-').next().unwrap_or_default();
    for device in config.hardware_mut().device_mut().iter_mut() {
        let Some(mut backing) = backing(device).filter(|backing| !is_independent(backing)).cloned() else { continue };
        let id = format!("{}/{number}", backing.uuid().cloned().unwrap_or_default());
        backing.set_change_id(id);
        device.set_backing(backing);
    }
}

/// A new file on top of `parent`.
pub(super) fn child(parent: &VirtualDiskFlatVer2BackingInfo, name: &ArcStr) -> VirtualDiskFlatVer2BackingInfo {
    let mut child = parent.clone();
    child.set_file_name(name);
    child.set_thin_provisioned(true).set_delta_disk_format("redoLogFormat");
    child.set_parent(parent.clone());
    child
}

/// `disk-000001.vmdk` for `disk.vmdk` and what comes after it: the first number that is free.
fn next_name(file: &str, taken: &[ArcStr]) -> ArcStr {
    let stem = file.strip_suffix(".vmdk").unwrap_or(file);
    let stem = match stem.rsplit_once('-') {
        Some((first, number)) if number.len() == 6 && number.bytes().all(|b| b.is_ascii_digit()) => first,
        _ => stem,
    };
    let candidate = |number: u32| ArcStr::from(format!("{stem}-{number:06}.vmdk"));
    (1..=999_999).map(candidate).find(|name| !taken.contains(name)).unwrap_or_else(|| candidate(1_000_000))
}

/// The names of all files of the disks of some configurations.
pub(super) fn names<'a>(configs: impl Iterator<Item = &'a VirtualMachineConfigInfo>) -> Vec<ArcStr> {
    let mut names = Vec::new();
    for file in configs.flat_map(backings).flat_map(files) {
        if !names.contains(file.file_name()) {
            names.push(file.file_name().clone());
        }
    }
    names
}

/// Merges every file that no configuration ends in, and that is the parent of one file only, with that file. Files from
/// outside the folders of the machine (of a linked clone's source) stay: `is_own` says which may be merged. What each file
/// that took another's place was, and is.
pub(super) fn consolidate(configs: &mut [VirtualMachineConfigInfo], is_own: &dyn Fn(&str) -> bool) -> Vec<Merged> {
    let mut places = Vec::new();
    let mut children: BTreeMap<ArcStr, Vec<ArcStr>> = BTreeMap::new();
    let mut ends: Vec<ArcStr> = Vec::new();
    for backing in configs.iter().flat_map(backings) {
        ends.push(backing.file_name().clone());
        for pair in files(backing).windows(2) {
            let known = children.entry(pair[1].file_name().clone()).or_default();
            if !known.contains(pair[0].file_name()) {
                known.push(pair[0].file_name().clone());
            }
        }
    }
    let stays =
        |file: &ArcStr| ends.contains(file) || children.get(file).is_some_and(|of| of.len() > 1) || !is_own(file);
    for config in configs {
        let is_needed = backings(config).any(|backing| files(backing).iter().any(|file| !stays(file.file_name())));
        if !is_needed {
            continue;
        }
        for device in config.hardware_mut().device_mut().iter_mut() {
            if let Some(merged) = backing(device).map(|backing| merge(backing, &stays, &mut places)) {
                device.set_backing(merged);
            }
        }
    }
    places
}

/// A file of a chain before and after those below it were merged.
pub(super) type Merged = (VirtualDiskFlatVer2BackingInfo, VirtualDiskFlatVer2BackingInfo);

/// The chain with the files merged that do not stay: what they hold is then in the file below them.
fn merge(
    backing: &VirtualDiskFlatVer2BackingInfo,
    stays: &dyn Fn(&ArcStr) -> bool,
    places: &mut Vec<Merged>,
) -> VirtualDiskFlatVer2BackingInfo {
    let mut merged: Option<VirtualDiskFlatVer2BackingInfo> = None;
    // The lowest of the files that are being merged.
    let mut lowest: Option<&VirtualDiskFlatVer2BackingInfo> = None;
    for file in files(backing).into_iter().rev() {
        if !stays(file.file_name()) {
            lowest = lowest.or(Some(file));
            continue;
        }
        let mut next = file.clone();
        let takes_a_place = lowest.is_some();
        if let Some(lowest) = lowest.take() {
            next.set_file_name(lowest.file_name());
            next.set_thin_provisioned(lowest.thin_provisioned()).set_delta_disk_format(lowest.delta_disk_format());
            next.set_datastore(lowest.datastore());
        }
        match merged.take() {
            Some(parent) => _ = next.set_parent(parent),
            None => next.as_object_mut().set(VirtualDiskFlatVer2BackingInfo::PARENT, vimsim_types::Value::Unset),
        }
        if takes_a_place && places.iter().all(|(old, _)| old.file_name() != file.file_name()) {
            places.push((file.clone(), next.clone()));
        }
        merged = Some(next);
    }
    merged.unwrap_or_else(|| backing.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(file: &str) -> VirtualMachineConfigInfo {
        VirtualMachineConfigInfo::with(|config| {
            config.hardware_mut().push_device(VirtualDisk::with(|disk| {
                disk.set_key(2000);
                disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                    backing.set_disk_mode("persistent");
                    backing.set_file_name(file);
                }));
            }));
        })
    }

    fn chain(config: &VirtualMachineConfigInfo) -> Vec<String> {
        backings(config).flat_map(files).map(|file| file.file_name().to_string()).collect()
    }

    #[test]
    fn files_are_merged_when_no_snapshot_ends_in_them() {
        let first = config("[a] b/c.vmdk");
        let mut taken = names([&first].into_iter());
        let mut second = first.clone();
        extend(&mut second, &mut taken);
        let mut third = second.clone();
        extend(&mut third, &mut taken);
        assert_eq!(chain(&third), ["[a] b/c-000002.vmdk", "[a] b/c-000001.vmdk", "[a] b/c.vmdk"]);
        // Without the snapshot that ended in the second file, what the machine writes goes into it.
        let mut left = [first, third.clone()];
        consolidate(&mut left, &|_| true);
        assert_eq!(chain(&left[1]), ["[a] b/c-000001.vmdk", "[a] b/c.vmdk"]);
        let mut alone = [third];
        consolidate(&mut alone, &|_| true);
        assert_eq!(chain(&alone[0]), ["[a] b/c.vmdk"]);
    }

    #[test]
    fn what_two_branches_share_stays() {
        let first = config("[a] c.vmdk");
        let mut taken = names([&first].into_iter());
        let (mut left, mut right) = (first.clone(), first);
        extend(&mut left, &mut taken);
        extend(&mut right, &mut taken);
        let mut both = [left, right];
        consolidate(&mut both, &|_| true);
        assert_eq!(chain(&both[0]), ["[a] c-000001.vmdk", "[a] c.vmdk"]);
        assert_eq!(chain(&both[1]), ["[a] c-000002.vmdk", "[a] c.vmdk"]);
    }
}
