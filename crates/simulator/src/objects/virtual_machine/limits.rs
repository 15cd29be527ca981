//! What no machine can be, and how many devices of a kind it can have (vSphere's Configuration Maximums).
// Fidelity: vcsim knows no limits, and its scripts go beyond some of them; called so, neither do we.

use vimsim_types::enums::{GuestOsDescriptorFirmwareType, VirtualDiskMode, VirtualMachinePowerState};
use vimsim_types::views::{
    ParaVirtualSCSIController, ResourceAllocationInfo, ResourcePool, TooManyDevices, VirtualController, VirtualDevice,
    VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualEthernetCard, VirtualFloppy, VirtualIDEController,
    VirtualMachine, VirtualMachineBootOptionsBootableDiskDevice, VirtualMachineBootOptionsBootableEthernetDevice,
    VirtualMachineConfigInfo, VirtualMachineConfigSpec, VirtualNVMEController, VirtualParallelPort,
    VirtualSATAController, VirtualSCSIController, VirtualSerialPort, VirtualSoundCard, VirtualTPM,
    VirtualUSBController, VirtualUSBXHCIController, VirtualWDT,
};
use vimsim_types::{EnumView, Fault, TypeId, View};

use super::{config, device, ethernet, power};
use crate::call::Call;
use crate::config::Fidelity;
use crate::objects::environment_browser::hardware;

/// The logical processors of the largest host that ESXi runs on.
const PROCESSORS: i32 = 960;

/// - `InvalidArgument` for memory that is not in steps of 4 MB or more than a machine of this version can have, for more
///   processors than any host has, for a firmware and a version that there is not.
pub(super) fn check(spec: &VirtualMachineConfigSpec, current: Option<&VirtualMachineConfigInfo>) -> Result<(), Fault> {
    let given = spec.version().filter(|version| !version.is_empty());
    let version = given.or(current.map(|current| current.version())).and_then(|version| hardware::parse(version));
    if let (Some(wanted), None) = (given, version) {
        return Err(Fault::invalid_argument("configSpec.version", format!("there is no hardware version '{wanted}'")));
    }
    if let Some(memory) = spec.memory_mb().filter(|memory| *memory != 0) {
        let most = hardware::limits(version.unwrap_or_default()).1;
        if memory % 4 != 0 || memory > most {
            let why = format!("{memory} MB are not a multiple of 4 MB up to {most} MB");
            return Err(Fault::invalid_argument("configSpec.memoryMB", why));
        }
    }
    if let Some(processors) = spec.num_cpus().filter(|processors| *processors > PROCESSORS) {
        let why = format!("{processors} processors are more than any host has");
        return Err(Fault::invalid_argument("configSpec.numCPUs", why));
    }
    let firmware = spec.firmware().filter(|firmware| !firmware.is_empty());
    match firmware.filter(|firmware| GuestOsDescriptorFirmwareType::from_name(firmware).is_none()) {
        Some(firmware) => {
            Err(Fault::invalid_argument("configSpec.firmware", format!("there is no firmware '{firmware}'")))
        }
        None => Ok(()),
    }
}

/// `InvalidVmConfig` for a boot order with a device that the machine does not have.
pub(super) fn check_boot_order(
    spec: &VirtualMachineConfigSpec,
    config: &VirtualMachineConfigInfo,
) -> Result<(), Fault> {
    let order = spec.boot_options().into_iter().flat_map(|options| options.boot_order().iter());
    for entry in order {
        let disk = entry
            .downcast::<VirtualMachineBootOptionsBootableDiskDevice>()
            .map(|it| (it.device_key(), VirtualDisk::TYPE));
        let card = entry.downcast::<VirtualMachineBootOptionsBootableEthernetDevice>();
        let wanted = disk.or(card.map(|it| (it.device_key(), VirtualEthernetCard::TYPE)));
        let Some((key, kind)) = wanted else { continue };
        let mut devices = config.hardware().device().iter();
        if !devices.any(|device| device.key() == key && device.as_object().kind().is_a(kind)) {
            let why = format!("the machine has no such device with the key {key}");
            return Err(config::invalid("configSpec.bootOptions.bootOrder", why));
        }
    }
    Ok(())
}

/// `InsufficientCpuResourcesFault` or `InsufficientMemoryResourcesFault` if a running machine is to reserve more than it does,
/// and its pool does not have that.
pub(super) fn check_reservation<T>(
    call: &Call<'_, T>,
    before: &VirtualMachine,
    after: &VirtualMachine,
) -> Result<(), Fault> {
    let pool = before.resource_pool().and_then(|pool| call.view::<ResourcePool>(&pool));
    let is_on = before.runtime().power_state() == VirtualMachinePowerState::PoweredOn;
    let Some(pool) = pool.filter(|_| is_on && call.context().fidelity() == Fidelity::VCenter) else { return Ok(()) };
    let reserved = |machine: &VirtualMachine| {
        let of = |it: Option<&ResourceAllocationInfo>| it.and_then(|it| it.reservation()).unwrap_or_default();
        machine.config().map_or((0, 0), |config| (of(config.cpu_allocation()), of(config.memory_allocation())))
    };
    let (old, new) = (reserved(before), reserved(after));
    if new.0 > old.0 {
        power::expect_cpu(new.0 - old.0, pool.runtime().cpu().unreserved_for_vm())?;
    }
    if new.1 > old.1 {
        power::expect_memory((new.1 - old.1).saturating_mul(1 << 20), pool.runtime().memory().unreserved_for_vm())?;
    }
    Ok(())
}

/// How many devices of a kind a machine can have.
const COUNTS: [(TypeId, usize); 12] = [
    (VirtualSCSIController::TYPE, 4),
    (VirtualSATAController::TYPE, 4),
    (VirtualNVMEController::TYPE, 4),
    (VirtualIDEController::TYPE, 2),
    (VirtualEthernetCard::TYPE, 10),
    (VirtualFloppy::TYPE, 2),
    (VirtualSerialPort::TYPE, 32),
    (VirtualParallelPort::TYPE, 3),
    (VirtualUSBXHCIController::TYPE, 1),
    (VirtualSoundCard::TYPE, 1),
    (VirtualTPM::TYPE, 1),
    (VirtualWDT::TYPE, 1),
];

/// Checks a device that was added, with all that the machine has at the end of its changes.
///
/// - `TooManyDevices` for more of its kind than a machine can have.
pub(super) fn check_count(devices: &[VirtualDevice], added: &VirtualDevice) -> Result<(), Fault> {
    let kind = added.as_object().kind();
    let count = |base: TypeId| devices.iter().filter(|device| device.as_object().kind().is_a(base)).count();
    let exceeded = COUNTS.iter().find(|(base, most)| kind.is_a(*base) && count(*base) > *most).map(|(_, most)| *most);
    let is_usb = |device: &VirtualDevice| device.downcast::<VirtualUSBController>().is_some();
    let exceeded = exceeded.or((is_usb(added) && devices.iter().filter(|it| is_usb(it)).count() > 1).then_some(1));
    match exceeded {
        None => Ok(()),
        Some(most) => {
            let detail = TooManyDevices::with(|fault| _ = fault.set_property("virtualDeviceSpec.device"));
            let why = format!("a virtual machine has no more than {most} devices of the kind of {}", kind.name());
            Err(Fault::new(detail, why))
        }
    }
}

/// The buses of controllers: of each family there are four, or two.
const BUSES: [(TypeId, i32); 4] = [
    (VirtualSCSIController::TYPE, 4),
    (VirtualSATAController::TYPE, 4),
    (VirtualNVMEController::TYPE, 4),
    (VirtualIDEController::TYPE, 2),
];

/// Checks a controller that is to be added: `TooManyDevices` if there are enough of its family, `InvalidDeviceSpec` if its
/// bus is another's or does not exist.
pub(super) fn check_bus(devices: &[VirtualDevice], added: &VirtualDevice, index: usize) -> Result<(), Fault> {
    let Some(controller) = added.downcast::<VirtualController>() else { return Ok(()) };
    let kind = controller.as_object().kind();
    let Some((base, buses)) = BUSES.iter().find(|(base, _)| kind.is_a(*base)) else { return Ok(()) };
    let family = devices.iter().filter(|device| device.as_object().kind().is_a(*base));
    let taken: Vec<i32> =
        family.filter_map(|it| it.downcast::<VirtualController>()).map(|it| it.bus_number()).collect();
    if taken.len() < buses.unsigned_abs() as usize
        && (!(0..*buses).contains(&controller.bus_number()) || taken.contains(&controller.bus_number()))
    {
        let why = format!("the bus {} is another controller's or does not exist", controller.bus_number());
        return Err(device::invalid(index, "virtualDeviceSpec.device.busNumber", why));
    }
    Ok(())
}

/// How many units a SCSI controller has: 16, and 64 where it is paravirtual and of hardware version 14 or later.
pub(super) fn scsi_units(controller: &VirtualDevice, version: i32) -> i32 {
    let is_wide = controller.downcast::<ParaVirtualSCSIController>().is_some() && version >= 14;
    if is_wide { 64 } else { 16 }
}

/// `InvalidDeviceBacking` for a disk with a mode that there is not.
pub(super) fn check_mode(backing: &VirtualDiskFlatVer2BackingInfo, index: usize) -> Result<(), Fault> {
    let mode = backing.disk_mode();
    match mode.is_empty() || VirtualDiskMode::from_name(mode).is_some() {
        true => Ok(()),
        false => Err(ethernet::invalid_backing(index, format!("there is no disk mode '{mode}'"))),
    }
}

/// `InvalidDeviceSpec` for an address that is none of one network adapter.
pub(super) fn check_address(card: &VirtualEthernetCard, index: usize) -> Result<(), Fault> {
    let Some(address) = card.mac_address().filter(|address| !address.is_empty()) else { return Ok(()) };
    let is_byte = |text: &str| text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |text: &str| u8::from_str_radix(text, 16).ok().filter(|_| is_byte(text));
    let bytes: Option<Vec<u8>> = address.split([':', '-']).map(byte).collect();
    match bytes.filter(|bytes| bytes.len() == 6).is_some_and(|bytes| bytes[0] & 1 == 0) {
        true => Ok(()),
        false => {
            let why = format!("'{address}' is no address of a network adapter");
            Err(device::invalid(index, "virtualDeviceSpec.device.macAddress", why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_one_adapter() {
        let is_one = |address: &str| {
            check_address(&View::with(|card: &mut VirtualEthernetCard| _ = card.set_mac_address(address)), 0).is_ok()
        };
        assert!(is_one("00:50:56:00:11:22") && is_one("") && is_one("00-50-56-00-11-22"));
        for address in ["zz", "01:00:00:00:00:00", "00:50:56:00:11", "00:50:56:00:11:+2", "00:50:56:00:11:222"] {
            assert!(!is_one(address), "{address}");
        }
    }
}
