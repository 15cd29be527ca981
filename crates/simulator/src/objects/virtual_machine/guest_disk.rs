//! The file systems that VMware Tools report: one on each of the machine's disks.

use vimsim_types::views::{
    GuestDiskInfo, GuestInfo, GuestInfoVirtualDiskMapping, VirtualDisk, VirtualMachine, VirtualMachineConfigInfo,
};
use vimsim_types::{Value, View};

use crate::objects::environment_browser;

/// Has the guest report its file systems, or nothing if it does not run.
pub(super) fn report(machine: &mut VirtualMachine, is_on: bool) {
    let disks = machine.config().filter(|_| is_on).map(file_systems).unwrap_or_default();
    if !disks.is_empty() {
        machine.guest_mut().set_disk(disks);
    } else if machine.guest().is_some_and(|guest| !guest.disk().is_empty()) {
        machine.guest_mut().as_object_mut().set(GuestInfo::DISK, Value::Unset);
    }
}

/// A file system fills its disk. That with the operating system is filled to a quarter, others to a hundredth.
fn file_systems(config: &VirtualMachineConfigInfo) -> Vec<GuestDiskInfo> {
    let is_windows = environment_browser::guest_family(config.guest_id()) == "windowsGuest";
    let devices = config.hardware().device();
    let disks = devices.iter().filter_map(|device| device.downcast::<VirtualDisk>());
    let number_of = |at: usize| u8::try_from(at).ok().filter(|at| *at < 24);
    let found = disks.enumerate().filter_map(|(at, disk)| {
        let path = match (is_windows, at) {
            (true, at) => format!("{}:\\", char::from(b'C' + number_of(at)?)),
            (false, 0) => "/".to_owned(),
            (false, at) => format!("/mnt/disk{at}"),
        };
        let capacity = disk.capacity_in_bytes().unwrap_or_else(|| disk.capacity_in_kb().saturating_mul(1024));
        let used = if at == 0 { capacity / 4 } else { capacity / 100 };
        Some(GuestDiskInfo::with(|info| {
            info.set_disk_path(path).set_capacity(capacity).set_free_space(capacity - used);
            info.set_filesystem_type(if is_windows { "NTFS" } else { "ext4" });
            info.set_mappings([GuestInfoVirtualDiskMapping::with(|mapping| _ = mapping.set_key(disk.key()))]);
        }))
    });
    found.collect()
}
