//! What the versions of virtual hardware allow.

use vimsim_types::View;
use vimsim_types::enums::SharesLevel;
use vimsim_types::views::{
    BoolOption, DatastoreOption, IntOption, LongOption, ResourceAllocationOption, ResourceConfigOption, SharesOption,
    VirtualControllerOption, VirtualDeviceOption, VirtualHardwareOption, VirtualMachineConfigOption,
};

use super::guest_os;
use crate::objects::virtual_machine;

/// The versions of virtual hardware that there have been: the number, the product that brought it, the most processors and
/// the most memory in megabytes (Broadcom, "Hardware features available with virtual machine compatibility settings").
const VERSIONS: &[(i32, &str, i32, i64)] = &[
    (3, "ESX Server 2.x", 2, 3_600),
    (4, "ESX/ESXi 3.x", 4, 65_532),
    (6, "VMware Server 1.x", 4, 65_532),
    (7, "ESX/ESXi 4.x", 8, 261_120),
    (8, "ESXi 5.0", 32, 1_035_264),
    (9, "ESXi 5.1", 64, 1_035_264),
    (10, "ESXi 5.5", 64, 1_035_264),
    (11, "ESXi 6.0", 128, 4_177_920),
    (12, "Workstation 12.x", 128, 4_177_920),
    (13, "ESXi 6.5", 128, 6_128_640),
    (14, "ESXi 6.7", 128, 6_128_640),
    (15, "ESXi 6.7 U2", 256, 6_128_640),
    (16, "Workstation 15.x", 256, 6_128_640),
    (17, "ESXi 7.0", 256, 6_128_640),
    (18, "ESXi 7.0 U1", 768, 25_149_440),
    (19, "ESXi 7.0 U2", 768, 25_149_440),
    (20, "ESXi 8.0", 768, 25_149_440),
    (21, "ESXi 8.0 U2", 768, 25_149_440),
    (22, "ESXi 9.0", 960, 25_149_440),
];

/// The newest version that a host of this product version runs.
pub(crate) fn newest_for(version: &str) -> i32 {
    let mut numbers = version.split('.').map(|part| part.parse::<i32>().unwrap_or_default());
    let (major, minor, update) =
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    match (major, minor, update) {
        (9.., ..) => 22,
        (8, 0, 0..=1) => 20,
        (8, ..) => 21,
        (7, 0, 0) => 17,
        (7, 0, 1) => 18,
        (7, ..) => 19,
        (6, 7, 0..=1) => 14,
        (6, 7, _) => 15,
        (6, 5, _) => 13,
        (6, ..) => 11,
        (5, 5, _) => 10,
        (5, 1, _) => 9,
        (5, ..) => 8,
        _ => 7,
    }
}

/// The numbers of the versions up to this one, oldest first, with the product that brought each.
pub(super) fn versions(newest: i32) -> impl Iterator<Item = (i32, &'static str)> {
    VERSIONS.iter().map(|(number, name, ..)| (*number, *name)).filter(move |(number, _)| *number <= newest)
}

/// The number of `vmx-21`; `None` for a text that is no version there has been.
pub(crate) fn parse(version: &str) -> Option<i32> {
    let number = version.strip_prefix("vmx-")?.parse().ok()?;
    VERSIONS.iter().any(|(known, ..)| *known == number).then_some(number)
}

/// How a version is written. The early ones have two digits.
pub(crate) fn key(number: i32) -> String {
    format!("vmx-{number}")
}

/// The most processors and megabytes of memory that a machine of this version can have.
pub(crate) fn limits(number: i32) -> (i32, i64) {
    let found = VERSIONS.iter().find(|(known, ..)| *known == number);
    found.map_or((768, 25_149_440), |(_, _, processors, memory)| (*processors, *memory))
}

fn range(min: i32, max: i32, value: i32) -> IntOption {
    IntOption::with(|option| {
        option.set_min(min).set_max(max).set_default_value(value);
    })
}

/// What machines of this version can be made of. `guests` names the guest operating systems to describe; all if there is
/// none of these.
pub(super) fn option(number: i32, guests: &[&str]) -> VirtualMachineConfigOption {
    let name = VERSIONS.iter().find(|(known, ..)| *known == number).map_or("ESXi", |(_, name, ..)| name);
    VirtualMachineConfigOption::with(|option| {
        option.set_version(key(number)).set_description(format!("{name} virtual machine"));
        let wanted = guest_os::descriptors().iter().filter(|guest| guests.contains(&guest.id().as_str()));
        let wanted: Vec<_> = wanted.cloned().collect();
        if wanted.is_empty() {
            option.set_guest_os_descriptor(guest_os::descriptors().iter().cloned());
        } else {
            option.set_guest_os_descriptor(wanted);
        }
        option.set_guest_os_default_index(0).set_hardware_options(hardware(number));
        option.set_capabilities(virtual_machine::capability()).set_datastore(DatastoreOption::new());
        option.set_default_device(virtual_machine::default_devices().iter().cloned());
        option.set_supported_monitor_type(["release", "debug", "stats"]);
        option.set_supported_ovf_environment_transport(["iso", "com.vmware.guestInfo"]);
        option.set_supported_ovf_install_transport(["iso"]);
    })
}

/// The devices of a machine: their types, how many are on one controller, and the controller's type.
const DEVICES: &[(&str, &str, bool)] = &[
    ("VirtualDisk", "VirtualSCSIController", true),
    ("VirtualCdrom", "VirtualIDEController", false),
    ("VirtualFloppy", "VirtualSIOController", false),
    ("VirtualSerialPort", "VirtualSIOController", false),
    ("VirtualParallelPort", "VirtualSIOController", false),
    ("VirtualPCNet32", "VirtualPCIController", true),
    ("VirtualE1000", "VirtualPCIController", true),
    ("VirtualE1000e", "VirtualPCIController", true),
    ("VirtualVmxnet2", "VirtualPCIController", true),
    ("VirtualVmxnet3", "VirtualPCIController", true),
    ("VirtualUSB", "VirtualUSBController", true),
    ("VirtualTPM", "VirtualPCIController", false),
    ("VirtualHdAudioCard", "VirtualPCIController", false),
];

const CONTROLLERS: &[(&str, i32)] = &[
    ("VirtualIDEController", 2),
    ("VirtualAHCIController", 30),
    ("VirtualNVMEController", 64),
    ("VirtualUSBController", 20),
    ("VirtualUSBXHCIController", 20),
    ("VirtualLsiLogicController", 15),
    ("VirtualBusLogicController", 15),
    ("VirtualLsiLogicSASController", 15),
    ("ParaVirtualSCSIController", 64),
];

fn devices() -> Vec<VirtualDeviceOption> {
    let device = |name: &str, controller: Option<&str>, hot: bool| {
        VirtualDeviceOption::with(|option| {
            option.set_type(name).set_controller_type(controller.unwrap_or("VirtualPCIController"));
            option.set_deprecated(matches!(name, "VirtualPCNet32" | "VirtualVmxnet2" | "VirtualBusLogicController"));
            option.set_plug_and_play(hot).set_hot_remove_supported(hot);
        })
    };
    let mut all: Vec<VirtualDeviceOption> = CONTROLLERS
        .iter()
        .filter_map(|(name, most)| {
            let base = device(name, None, name.contains("SCSI") || name.contains("Logic"));
            let mut option = VirtualControllerOption::new();
            for (slot, value) in base.as_object().slots().iter().enumerate() {
                option.as_object_mut().set(slot, value.clone());
            }
            option.set_devices(range(0, *most, 0));
            VirtualDeviceOption::from_object(option.into())
        })
        .collect();
    all.extend(DEVICES.iter().map(|(name, controller, hot)| device(name, Some(controller), *hot)));
    all
}

fn hardware(number: i32) -> VirtualHardwareOption {
    let (processors, memory) = limits(number);
    let allocation = || {
        ResourceAllocationOption::with(|option| {
            option.set_shares_option(SharesOption::with(|shares| {
                shares.set_shares_option(range(0, 1_000_000, 4_000)).set_default_level(SharesLevel::Normal);
            }));
        })
    };
    VirtualHardwareOption::with(|hardware| {
        hardware.set_hw_version(number).set_virtual_device_option(devices()).set_device_list_readonly(false);
        hardware.set_num_cpu(1..=processors).set_num_cores_per_socket(range(1, processors, 1));
        hardware.set_auto_cores_per_socket(BoolOption::with(|option| {
            option.set_supported(number >= 20).set_default_value(false);
        }));
        hardware.set_num_cpu_readonly(false).set_memory_mb(LongOption::with(|option| {
            option.set_min(4).set_max(memory).set_default_value(if number >= 13 { 2_048 } else { 256 });
        }));
        hardware.set_num_pci_controllers(range(1, 1, 1)).set_num_ide_controllers(range(2, 2, 2));
        hardware.set_num_usb_controllers(range(0, 1, 0)).set_num_usbxhci_controllers(range(0, 1, 0));
        hardware.set_num_sio_controllers(range(1, 1, 1)).set_num_ps2_controllers(range(1, 1, 1));
        hardware.set_num_supported_wwn_ports(range(1, 16, 4)).set_num_supported_wwn_nodes(range(1, 1, 1));
        hardware.set_resource_config_option(ResourceConfigOption::with(|option| {
            option.set_cpu_allocation_option(allocation()).set_memory_allocation_option(allocation());
        }));
        let one_from = |first: i32| range(0, i32::from(number >= first), 0);
        hardware.set_num_nvdimm_controllers(one_from(14)).set_num_tpm_devices(one_from(14));
        hardware.set_num_wdt_devices(one_from(17)).set_num_precision_clock_devices(one_from(17));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_type(name: &str) -> bool {
        vimsim_types::TypeId::find(vimsim_types::Namespace::VIM25, name).is_some()
    }

    #[test]
    fn the_devices_are_types_of_the_schema() {
        let named = DEVICES.iter().flat_map(|(name, controller, _)| [*name, *controller]);
        for name in named.chain(CONTROLLERS.iter().map(|(name, _)| *name)) {
            assert!(is_type(name), "{name}");
        }
    }

    #[test]
    fn hosts_run_the_hardware_of_their_time() {
        let expected = [("8.0.3", 21), ("8.0.0", 20), ("7.0.1", 18), ("6.7.0", 14), ("6.5.0", 13), ("9.0.0", 22)];
        for (version, number) in expected {
            assert_eq!(newest_for(version), number, "{version}");
        }
        assert_eq!((parse("vmx-13"), parse("vmx-5"), parse("13")), (Some(13), None, None));
    }
}
