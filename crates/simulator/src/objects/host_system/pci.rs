//! The PCI devices of a host: those of the virtual chipset, a storage controller and two network cards.

use vimsim_types::View;
use vimsim_types::views::{HostPciDevice, HostPciPassthruInfo};

/// The address of the network cards and the storage controller, which other properties refer to.
pub(super) const STORAGE: &str = "0000:03:00.0";
pub(super) const IDE: &str = "0000:00:07.1";
pub(super) const NICS: [&str; 2] = ["0000:0b:00.0", "0000:13:00.0"];

const INTEL: u16 = 0x8086;
const VMWARE: u16 = 0x15ad;

/// A device: bus, slot, function; class; vendor and device; the same of the subsystem; names; the bridge it is behind.
struct Device {
    at: (u8, u8, u8),
    class: u16,
    id: (u16, u16),
    subsystem: (u16, u16),
    vendor: &'static str,
    name: &'static str,
    bridge: Option<&'static str>,
}

const fn intel(slot: u8, function: u8, class: u16, device: u16, subsystem: (u16, u16), name: &'static str) -> Device {
    let at = (0, slot, function);
    Device { at, class, id: (INTEL, device), subsystem, vendor: "Intel Corporation", name, bridge: None }
}

const fn vmware(at: (u8, u8, u8), class: u16, device: u16, subsystem: (u16, u16), name: &'static str) -> Device {
    Device { at, class, id: (VMWARE, device), subsystem, vendor: "VMware", name, bridge: None }
}

const fn behind(device: Device, bridge: &'static str) -> Device {
    Device { bridge: Some(bridge), ..device }
}

const VMXNET3: &str = "vmxnet3 Virtual Ethernet Controller";

const CHIPSET: [Device; 8] = [
    intel(0, 0, 0x600, 0x7190, (VMWARE, 0x1976), "Virtual Machine Chipset"),
    intel(1, 0, 0x604, 0x7191, (0, 0), "440BX/ZX/DX - 82443BX/ZX/DX AGP bridge"),
    intel(7, 0, 0x601, 0x7110, (VMWARE, 0x1976), "Virtual Machine Chipset"),
    intel(7, 1, 0x101, 0x7111, (VMWARE, 0x1976), "PIIX4 for 430TX/440BX/MX IDE Controller"),
    intel(7, 3, 0x680, 0x7113, (VMWARE, 0x1976), "Virtual Machine Chipset"),
    vmware((0, 7, 7), 0x880, 0x740, (VMWARE, 0x740), "Virtual Machine Communication Interface"),
    vmware((0, 15, 0), 0x300, 0x405, (VMWARE, 0x405), "SVGA II Adapter"),
    vmware((0, 17, 0), 0x604, 0x790, (0, 0), "PCI bridge"),
];

const CARDS: [Device; 3] = [
    behind(vmware((3, 0, 0), 0x107, 0x7c0, (VMWARE, 0x7c0), "PVSCSI SCSI Controller"), "0000:00:15.0"),
    behind(vmware((11, 0, 0), 0x200, 0x7b0, (VMWARE, 0x7b0), VMXNET3), "0000:00:16.0"),
    behind(vmware((19, 0, 0), 0x200, 0x7b0, (VMWARE, 0x7b0), VMXNET3), "0000:00:17.0"),
];

/// The 32 root ports of a virtual machine's PCI Express bus, 8 in each of the slots 15 to 18 (hexadecimal).
fn root_ports() -> impl Iterator<Item = Device> {
    let port = |slot, function| vmware((0, slot, function), 0x604, 0x7a0, (0, 0), "PCI Express Root Port");
    (0x15..=0x18).flat_map(move |slot| (0..8).map(move |function| port(slot, function)))
}

fn all() -> impl Iterator<Item = Device> {
    CHIPSET.into_iter().chain(root_ports()).chain(CARDS)
}

impl Device {
    fn address(&self) -> String {
        let (bus, slot, function) = self.at;
        format!("0000:{bus:02x}:{slot:02x}.{function}")
    }
}

/// `hardware.pciDevice`.
pub(super) fn devices() -> impl Iterator<Item = HostPciDevice> {
    all().map(|row| {
        HostPciDevice::with(|device| {
            let (bus, slot, function) = row.at;
            device.set_id(row.address());
            device.set_class_id(row.class.cast_signed());
            device.set_bus(bus.cast_signed()).set_slot(slot.cast_signed()).set_function(function.cast_signed());
            device.set_vendor_id(row.id.0.cast_signed()).set_device_id(row.id.1.cast_signed());
            device.set_sub_vendor_id(row.subsystem.0.cast_signed());
            device.set_sub_device_id(row.subsystem.1.cast_signed());
            device.set_vendor_name(row.vendor).set_device_name(row.name);
            device.set_parent_bridge(row.bridge);
        })
    })
}

/// `config.pciPassthruInfo`: only the second network card, which nothing needs, can be passed through.
pub(super) fn passthrough() -> impl Iterator<Item = HostPciPassthruInfo> {
    all().map(|row| {
        HostPciPassthruInfo::with(|info| {
            let address = row.address();
            info.set_id(&address).set_dependent_device(&address);
            let is_spare = address == NICS[1];
            info.set_passthru_enabled(false).set_passthru_capable(is_spare).set_passthru_active(false);
        })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_devices_that_others_refer_to_exist() {
        let known: Vec<String> = super::all().map(|device| device.address()).collect();
        for address in super::NICS.iter().chain([&super::STORAGE, &super::IDE]) {
            assert!(known.iter().any(|known| known == address), "{address}");
        }
    }
}
