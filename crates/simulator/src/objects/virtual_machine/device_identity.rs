//! What a virtual machine calls its devices: the keys and labels that vCenter gives them.

use vimsim_types::views::{
    ParaVirtualSCSIController, VirtualAHCIController, VirtualBusLogicController, VirtualCdrom, VirtualController,
    VirtualDevice, VirtualDisk, VirtualEthernetCard, VirtualFloppy, VirtualIDEController, VirtualLsiLogicController,
    VirtualLsiLogicSASController, VirtualMachineVMCIDevice, VirtualNVDIMM, VirtualNVDIMMController,
    VirtualNVMEController, VirtualPCIController, VirtualPCIPassthrough, VirtualPS2Controller, VirtualParallelPort,
    VirtualPrecisionClock, VirtualSATAController, VirtualSCSIController, VirtualSIOController, VirtualSerialPort,
    VirtualSoundCard, VirtualTPM, VirtualUSB, VirtualUSBController, VirtualUSBXHCIController, VirtualWDT,
};
use vimsim_types::{TypeId, View};

/// The key for a new device: the one asked for, or else where vCenter begins to count devices of its kind, by their place
/// on the controller where that decides; the next that is free.
// Fidelity: vCenter heeds no key that a client asks for. vcsim does, and the devices of its model have such keys.
pub(super) fn key(devices: &[VirtualDevice], device: &VirtualDevice) -> i32 {
    let first = if device.key() > 0 { device.key() } else { first_key(devices, device) };
    (first..).find(|key| devices.iter().all(|other| other.key() != *key)).unwrap_or(first)
}

fn first_key(devices: &[VirtualDevice], device: &VirtualDevice) -> i32 {
    let kind = device.as_object().kind();
    let unit = device.unit_number().unwrap_or_default();
    if kind.is_a(VirtualDisk::TYPE) || kind.is_a(VirtualCdrom::TYPE) {
        return on_controller(devices, device, unit);
    }
    let bus = device.downcast::<VirtualController>().map_or(0, |controller| controller.bus_number());
    let numbered = [
        (VirtualPCIController::TYPE, 100 + bus),
        (VirtualIDEController::TYPE, 200 + bus),
        (VirtualPS2Controller::TYPE, 300 + bus),
        (VirtualSIOController::TYPE, 400 + bus),
        (VirtualSCSIController::TYPE, 1000 + bus),
        (VirtualSATAController::TYPE, 15000 + bus),
        (VirtualNVMEController::TYPE, 31000 + bus),
        (VirtualNVDIMMController::TYPE, 28000 + bus),
        (VirtualUSBXHCIController::TYPE, 14000 + bus),
        (VirtualUSBController::TYPE, 7000 + bus),
        (VirtualEthernetCard::TYPE, 4000 + (unit - 7).max(0)),
        (VirtualSoundCard::TYPE, 5000),
        (VirtualFloppy::TYPE, 8000 + unit),
        (VirtualSerialPort::TYPE, 9000),
        (VirtualParallelPort::TYPE, 10000),
        (VirtualTPM::TYPE, 11000),
        (VirtualMachineVMCIDevice::TYPE, 12000),
        (VirtualPCIPassthrough::TYPE, 13000),
        (VirtualWDT::TYPE, 18000),
        (VirtualPrecisionClock::TYPE, 19000),
        (VirtualUSB::TYPE, 20000),
        (VirtualNVDIMM::TYPE, 29000),
    ];
    numbered.iter().find(|(base, _)| kind.is_a(*base)).map_or(202, |(_, key)| *key)
}

/// The key of a disk or CD drive: each bus of each kind of controller has its range.
fn on_controller(devices: &[VirtualDevice], device: &VirtualDevice, unit: i32) -> i32 {
    let controller = devices.iter().find(|other| Some(other.key()) == device.controller_key());
    let Some(controller) = controller.and_then(|device| device.downcast::<VirtualController>()) else { return 2000 };
    let (bus, kind) = (controller.bus_number(), controller.as_object().kind());
    match () {
        () if kind.is_a(VirtualIDEController::TYPE) => 3000 + 2 * bus + unit,
        () if kind.is_a(VirtualSATAController::TYPE) => 16000 + 30 * bus + unit,
        () if kind.is_a(VirtualNVMEController::TYPE) => 32000 + 64 * bus + unit,
        () => 2000 + 16 * bus + unit,
    }
}

/// The label that vCenter gives a device: `Hard disk 1`, `Network adapter 2`, `SCSI controller 0`. Numbers are the first
/// that no other device has.
pub(super) fn label(devices: &[VirtualDevice], device: &VirtualDevice) -> String {
    let kind = device.as_object().kind();
    if let Some(controller) = device.downcast::<VirtualController>() {
        return match controller_word(kind) {
            "USB controller" => "USB controller".into(),
            "USB xHCI controller" => "USB xHCI controller ".into(),
            word => format!("{word} {}", controller.bus_number()),
        };
    }
    let single = [
        (VirtualMachineVMCIDevice::TYPE, "VMCI device"),
        (VirtualTPM::TYPE, "Virtual TPM"),
        (VirtualWDT::TYPE, "Virtual Watchdog Timer"),
        (VirtualPrecisionClock::TYPE, "Precision clock"),
        (VirtualSoundCard::TYPE, "Sound card "),
    ];
    if let Some((_, label)) = single.iter().find(|(base, _)| kind.is_a(*base)) {
        return (*label).into();
    }
    let Some((base, word)) = numbered_word(kind) else { return word(kind.name()) };
    // A device that another labelled differs in nothing else, and counts too.
    let is_taken = |label: &str, number: usize| {
        let mut others = devices.iter().filter(|other| other.key() != device.key());
        let alike = devices.iter().filter(|other| other.as_object().kind().is_a(base)).collect::<Vec<_>>();
        let foreign = alike.get(number - 1).is_some_and(|other| {
            other.key() != device.key() && !other.device_info().is_some_and(|info| info.label().starts_with(word))
        });
        foreign || others.any(|other| other.device_info().is_some_and(|info| info.label() == label))
    };
    let mut labels = (1..).map(|number: usize| (number, format!("{word} {number}")));
    labels.find(|(number, label)| !is_taken(label, *number)).map(|(_, label)| label).unwrap_or_default()
}

/// The summary of a device that has no backing to tell of.
pub(super) fn summary(device: &VirtualDevice, label: &str) -> String {
    let kind = device.as_object().kind();
    let named = [
        (ParaVirtualSCSIController::TYPE, "VMware paravirtual SCSI"),
        (VirtualLsiLogicSASController::TYPE, "LSI Logic SAS"),
        (VirtualLsiLogicController::TYPE, "LSI Logic"),
        (VirtualBusLogicController::TYPE, "BusLogic"),
        (VirtualAHCIController::TYPE, "AHCI"),
    ];
    named.iter().find(|(base, _)| kind.is_a(*base)).map_or_else(|| label.trim_end().into(), |(_, name)| (*name).into())
}

fn controller_word(kind: TypeId) -> &'static str {
    let words = [
        (VirtualPCIController::TYPE, "PCI controller"),
        (VirtualIDEController::TYPE, "IDE"),
        (VirtualPS2Controller::TYPE, "PS2 controller"),
        (VirtualSIOController::TYPE, "SIO controller"),
        (VirtualSCSIController::TYPE, "SCSI controller"),
        (VirtualSATAController::TYPE, "SATA controller"),
        (VirtualNVMEController::TYPE, "NVME controller"),
        (VirtualNVDIMMController::TYPE, "NVDIMM controller"),
        (VirtualUSBXHCIController::TYPE, "USB xHCI controller"),
        (VirtualUSBController::TYPE, "USB controller"),
    ];
    words.iter().find(|(base, _)| kind.is_a(*base)).map_or("Controller", |(_, word)| word)
}

/// What devices of which a machine has several are labelled with, before their number.
fn numbered_word(kind: TypeId) -> Option<(TypeId, &'static str)> {
    let words = [
        (VirtualDisk::TYPE, "Hard disk"),
        (VirtualEthernetCard::TYPE, "Network adapter"),
        (VirtualCdrom::TYPE, "CD/DVD drive"),
        (VirtualFloppy::TYPE, "Floppy drive"),
        (VirtualSerialPort::TYPE, "Serial port"),
        (VirtualParallelPort::TYPE, "Parallel port"),
        (VirtualPCIPassthrough::TYPE, "PCI device"),
        (VirtualUSB::TYPE, "USB"),
        (VirtualNVDIMM::TYPE, "NVDIMM"),
    ];
    words.into_iter().find(|(base, _)| kind.is_a(*base))
}

/// The word for another type of device: its name without what all have in common.
fn word(kind: &str) -> String {
    let word = kind.strip_prefix("Virtual").unwrap_or(kind);
    word.strip_prefix("Machine").unwrap_or(word).into()
}
