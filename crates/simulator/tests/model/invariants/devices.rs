//! Keys, units and controllers of devices.

use std::collections::BTreeSet;

use vimsim_registry::Snapshot;
use vimsim_types::views::{
    VirtualController, VirtualDevice, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualMachine,
    VirtualMachineConfigInfo, VirtualMachineSnapshot,
};
use vimsim_types::{Moref, View};

use super::{Wrong, all};

pub(super) fn check(snapshot: &Snapshot, wrong: &mut Wrong) {
    for (moref, machine) in all::<VirtualMachine>(snapshot) {
        let Some(config) = machine.config() else {
            wrong.0.push(format!("{moref} has no configuration"));
            continue;
        };
        check_config(moref, config, wrong);
        wrong.unless(config.hardware().num_cpu() > 0 && config.hardware().memory_mb() > 0, || {
            format!("{moref} has {} processors and {} MB", config.hardware().num_cpu(), config.hardware().memory_mb())
        });
        // Where its disks are is where it is.
        for device in config.hardware().device() {
            let file = device.backing().and_then(|it| it.downcast::<VirtualDeviceFileBackingInfo>());
            let Some(datastore) = file.and_then(|file| file.datastore()) else { continue };
            wrong.unless(machine.datastore().contains(&datastore), || {
                format!("{moref} has a device on {datastore}, and is not on that")
            });
        }
    }
    for (moref, kept) in all::<VirtualMachineSnapshot>(snapshot) {
        check_config(moref, kept.config(), wrong);
    }
}

fn check_config(moref: &Moref, config: &VirtualMachineConfigInfo, wrong: &mut Wrong) {
    let devices = config.hardware().device();
    let (mut keys, mut units, mut files) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for device in devices {
        let key = device.key();
        wrong.unless(keys.insert(key), || format!("{moref} has two devices with the key {key}"));
        if let (Some(controller), Some(unit)) = (device.controller_key(), device.unit_number()) {
            let is_free = units.insert((controller, unit));
            wrong.unless(is_free && unit >= 0, || format!("{moref} has two devices at {controller}:{unit}"));
            check_controller(moref, devices.iter(), device, controller, wrong);
        }
        if device.downcast::<VirtualDisk>().is_some()
            && let Some(file) = device.backing().and_then(|it| it.downcast::<VirtualDeviceFileBackingInfo>())
        {
            let name = file.file_name().clone();
            wrong.unless(files.insert(name.clone()), || format!("{moref} has two disks on {name}"));
        }
        if let Some(disk) = device.downcast::<VirtualDisk>() {
            wrong.unless(disk.capacity_in_kb() >= 0, || format!("the disk {key} of {moref} has no size"));
        }
        if let Some(controller) = device.downcast::<VirtualController>() {
            let on = devices.iter().filter(|it| it.controller_key() == Some(key)).map(|it| it.key());
            let (mut listed, mut on): (Vec<i32>, Vec<i32>) = (controller.device().iter().collect(), on.collect());
            listed.sort_unstable();
            on.sort_unstable();
            wrong.unless(listed == on, || format!("{key} of {moref} lists {listed:?}, and has {on:?}"));
        }
    }
}

fn check_controller<'a>(
    moref: &Moref,
    mut devices: impl Iterator<Item = &'a VirtualDevice>,
    device: &VirtualDevice,
    controller: i32,
    wrong: &mut Wrong,
) {
    let is_there = devices.any(|it| it.key() == controller && it.downcast::<VirtualController>().is_some());
    wrong.unless(is_there, || format!("the controller {controller} of {} of {moref} is not there", device.key()));
}
