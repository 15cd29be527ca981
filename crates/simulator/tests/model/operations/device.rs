//! What is done to the devices of virtual machines.

use vimsim_types::enums::VirtualDeviceConfigSpecFileOperation as FileOperation;
use vimsim_types::enums::VirtualDeviceConfigSpecOperation as Do;
use vimsim_types::enums::VirtualSCSISharing;
use vimsim_types::method::ReconfigVMTask;
use vimsim_types::views::*;
use vimsim_types::{Moref, View};

use super::machine;
use crate::chooser::{Chooser, Operation, telling};

fn change(machine: Moref, changes: impl IntoIterator<Item = VirtualDeviceConfigSpec>) -> Option<Operation> {
    let request = ReconfigVMTask::with(|request| _ = request.spec_mut().set_device_change(changes));
    telling(Operation::new(machine, request), &["VmReconfiguredEvent"])
}

/// A device of the machine that is as wanted.
fn device(chooser: &mut Chooser, machine: &Moref, is_wanted: fn(&VirtualDevice) -> bool) -> Option<VirtualDevice> {
    let config = chooser.seen::<VirtualMachine>(machine)?.config()?;
    let devices: Vec<_> = config.hardware().device().iter().filter(|it| is_wanted(it)).cloned().collect();
    chooser.random.one(&devices).cloned()
}

pub(super) fn add_disk(chooser: &mut Chooser) -> Option<Operation> {
    let moref = chooser.machine()?;
    let is_for_disks = |it: &VirtualDevice| {
        it.downcast::<VirtualSCSIController>().is_some() || it.downcast::<VirtualIDEController>().is_some()
    };
    let controller = device(chooser, &moref, is_for_disks)?.key();
    let unit = match chooser.random.below(10) {
        0 => None,
        1 => Some(chooser.random.of(&[7, 16, 99, -3])),
        _ => Some(chooser.random.below(7) as i32),
    };
    let mut new = machine::disk(chooser, controller, unit);
    match chooser.random.below(8) {
        // A file that there may be.
        0 => {
            let path = super::storage::path(chooser, ".vmdk");
            new.as_object_mut().set(VirtualDeviceConfigSpec::FILE_OPERATION, vimsim_types::Value::Unset);
            new.device_mut().set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_file_name(path);
            }));
        }
        // A place of its own.
        1 => {
            let place = machine::place(chooser);
            new.device_mut().set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("independent_persistent").set_file_name(place);
            }));
        }
        _ => {}
    }
    let second = chooser.random.once_in(5).then(|| machine::disk(chooser, controller, Some(8)));
    change(moref, std::iter::once(new).chain(second))
}

/// A backing on some network.
fn backing(chooser: &mut Chooser) -> Option<VirtualDeviceBackingInfo> {
    let network = chooser.some_where::<Network>(|_| true)?;
    if let Some(portgroup) = chooser.seen::<DistributedVirtualPortgroup>(&network) {
        let switch = portgroup.config().distributed_virtual_switch()?;
        let uuid = chooser.seen::<DistributedVirtualSwitch>(&switch)?.uuid().clone();
        let key = portgroup.key().clone();
        return VirtualDeviceBackingInfo::from_object(
            VirtualEthernetCardDistributedVirtualPortBackingInfo::with(|backing| {
                backing.port_mut().set_switch_uuid(uuid).set_portgroup_key(key);
            })
            .into(),
        );
    }
    let name = match chooser.random.once_in(10) {
        true => "nowhere".into(),
        false => chooser.seen::<Network>(&network)?.name().clone(),
    };
    VirtualDeviceBackingInfo::from_object(
        VirtualEthernetCardNetworkBackingInfo::with(|backing| _ = backing.set_device_name(name)).into(),
    )
}

pub(super) fn add_adapter(chooser: &mut Chooser) -> Option<Operation> {
    let (machine, backing) = (chooser.machine()?, backing(chooser)?);
    let address = chooser.random.once_in(5).then_some("00:50:56:00:00:01");
    change(
        machine,
        [VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(Do::Add);
            change.set_device(VirtualVmxnet3::with(|card| {
                card.set_key(-1).set_backing(backing);
                if let Some(address) = address {
                    card.set_address_type("manual").set_mac_address(address);
                }
            }));
        })],
    )
}

pub(super) fn add_controller(chooser: &mut Chooser) -> Option<Operation> {
    let moref = chooser.machine()?;
    let number = chooser.random.of(&[0, 1, 1, 2, 2, 3, 3, 4, -1]);
    let mut changes = vec![VirtualDeviceConfigSpec::with(|change| {
        change.set_operation(Do::Add);
        change.set_device(ParaVirtualSCSIController::with(|controller| {
            controller.set_key(-7);
            controller.set_bus_number(number);
            controller.set_shared_bus(VirtualSCSISharing::NoSharing);
        }));
    })];
    if chooser.random.once_in(2) {
        changes.push(machine::disk(chooser, -7, Some(0)));
    }
    change(moref, changes)
}

pub(super) fn edit(chooser: &mut Chooser) -> Option<Operation> {
    let moref = chooser.machine()?;
    let mut device = device(chooser, &moref, |device| {
        device.downcast::<VirtualDisk>().is_some() || device.downcast::<VirtualEthernetCard>().is_some()
    })?;
    match chooser.random.below(4) {
        0 => _ = device.set_unit_number(chooser.random.of(&[0, 1, 7, 9, 12, 100, -1])),
        1 => {
            let other = chooser.random.of(&[200, 201, 1000, 1001, 15000, 100, 0]);
            device.set_controller_key(other);
        }
        _ if device.downcast::<VirtualDisk>().is_some() => {
            let disk = device.downcast_mut::<VirtualDisk>()?;
            let grown = disk.capacity_in_kb().saturating_mul(chooser.random.of(&[2, 1, 0, -1, 1000]));
            disk.set_capacity_in_kb(grown);
            disk.as_object_mut().set(VirtualDisk::CAPACITY_IN_BYTES, vimsim_types::Value::Unset);
        }
        _ => _ = device.set_backing(backing(chooser)?),
    }
    change(moref, [VirtualDeviceConfigSpec::with(|change| _ = change.set_operation(Do::Edit).set_device(device))])
}

pub(super) fn remove(chooser: &mut Chooser) -> Option<Operation> {
    let moref = chooser.machine()?;
    let device = device(chooser, &moref, |device| device.key() >= 1000)?;
    let destroys = device.downcast::<VirtualDisk>().is_some() && chooser.random.once_in(2);
    change(
        moref,
        [VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(Do::Remove).set_device(device);
            change.set_file_operation(destroys.then_some(FileOperation::Destroy));
        })],
    )
}
