//! The hardware that every host has; only its identity is the host's own.

use vimsim_types::views::{
    ElementDescription, HostBIOSInfo, HostCpuIdInfo, HostCpuInfo, HostCpuPackage, HostCpuPowerManagementInfo,
    HostHardwareInfo, HostNumaInfo, HostNumaNode, HostReliableMemoryInfo, HostSystemIdentificationInfo, HostSystemInfo,
};
use vimsim_types::{DateTime, View};

/// Processor packages, each with one core of one thread.
pub(super) const PACKAGES: i16 = 2;
/// The clock of a core. What `vcsim` shows as `cpuMhz`, with the multiplier of 23 of the processor below.
const HERTZ: i64 = 2_294_542_997;
const BUS_HERTZ: i64 = 99_762_739;
/// The memory that a virtual machine of 4 GiB leaves to the operating system in it, as `vcsim` shows it.
const MEMORY: i64 = 4_294_430_720;
const CPU_MODEL: &str = "Intel(R) Core(TM) i7-3615QM CPU @ 2.30GHz";

/// The hardware without what identifies a host.
pub(super) fn hardware() -> HostHardwareInfo {
    let features = cpu_features();
    HostHardwareInfo::with(|hardware| {
        hardware.set_system_info(HostSystemInfo::with(|system| {
            system.set_vendor("VMware, Inc.").set_model("VMware Virtual Platform");
            system.set_other_identifying_info(identification());
        }));
        hardware.set_cpu_power_management_info(HostCpuPowerManagementInfo::with(|info| {
            info.set_current_policy("Balanced");
        }));
        hardware.set_cpu_info(HostCpuInfo::with(|cpu| {
            cpu.set_num_cpu_packages(PACKAGES).set_num_cpu_cores(PACKAGES).set_num_cpu_threads(PACKAGES).set_hz(HERTZ);
        }));
        hardware.set_cpu_pkg((0..PACKAGES).map(|index| package(index, &features)));
        hardware.set_memory_size(MEMORY);
        hardware.set_numa_info(numa());
        hardware.set_smc_present(false);
        hardware.set_pci_device(super::pci::devices());
        hardware.set_cpu_feature(features);
        hardware.set_bios_info(bios());
        hardware.set_reliable_memory_info(HostReliableMemoryInfo::with(|info| _ = info.set_memory_size(0)));
    })
}

/// Gives the hardware a UUID, and with it the serial number that a VMware virtual machine has.
pub(super) fn identify(hardware: &mut HostHardwareInfo, uuid: &str) {
    let serial = serial_number(uuid);
    let system = hardware.system_info_mut();
    system.set_uuid(uuid);
    system.set_serial_number(&serial);
    system.push_other_identifying_info(identity("ServiceTag", "Service tag", "Service tag of the system", &serial));
}

/// `VMware-56 4d 2f 12 80 41 63 9b-50 18 05 a8 35 b7 2e af`: what a VMware BIOS makes of a UUID.
fn serial_number(uuid: &str) -> String {
    let digits: Vec<char> = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    let bytes: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    format!("VMware-{}-{}", first.join(" "), second.join(" "))
}

fn identity(key: &str, label: &str, summary: &str, value: &str) -> HostSystemIdentificationInfo {
    HostSystemIdentificationInfo::with(|info| {
        info.set_identifier_value(value);
        info.set_identifier_type(description(key, label, summary));
    })
}

/// The identifiers that are the same for every host.
fn identification() -> Vec<HostSystemIdentificationInfo> {
    let oem = |value| identity("OemSpecificString", "OEM specific string", "OEM specific string", value);
    vec![
        identity("AssetTag", "Asset Tag", "Asset tag of the system", " No Asset Tag"),
        oem("[MS_VM_CERT/SHA1/27d66596a61c48dd3dc7216fd715126e33f59ae7]"),
        oem("Welcome to the Virtual Machine"),
    ]
}

/// An element description: a key with what people read.
pub(super) fn description(key: &str, label: &str, summary: &str) -> ElementDescription {
    ElementDescription::with(|description| {
        description.set_key(key).set_label(label).set_summary(summary);
    })
}

fn package(index: i16, features: &[HostCpuIdInfo]) -> HostCpuPackage {
    HostCpuPackage::with(|package| {
        package.set_index(index).set_vendor("intel").set_hz(HERTZ).set_bus_hz(BUS_HERTZ);
        package.set_description(CPU_MODEL);
        package.set_thread_id([index]);
        package.set_cpu_feature(features.iter().cloned());
        package.set_family(6).set_model(58).set_stepping(9);
    })
}

/// What the CPUID instruction answers: the level and the registers eax, ebx, ecx, edx of an Ivy Bridge processor.
const CPUID: [(u32, [u32; 4]); 5] = [
    (0, [0x0000_000d, 0x756e_6547, 0x6c65_746e, 0x4965_6e69]),
    (1, [0x0003_06a9, 0x0001_0800, 0xf7ba_222b, 0x0fab_fbff]),
    (0x8000_0000, [0x8000_0008, 0, 0, 0]),
    (0x8000_0001, [0, 0, 1, 0x2810_0800]),
    (0x8000_0008, [0x0000_302a, 0, 0, 0]),
];

fn cpu_features() -> Vec<HostCpuIdInfo> {
    let feature = |(level, [eax, ebx, ecx, edx]): (u32, [u32; 4])| {
        HostCpuIdInfo::with(|info| {
            info.set_level(level.cast_signed());
            info.set_eax(register(eax)).set_ebx(register(ebx)).set_ecx(register(ecx)).set_edx(register(edx));
        })
    };
    CPUID.into_iter().map(feature).collect()
}

/// A register as the API writes it: eight groups of four bits.
fn register(value: u32) -> String {
    let group = |nibble: u32| format!("{:04b}", value >> (28 - 4 * nibble) & 15);
    (0..8).map(group).collect::<Vec<_>>().join(":")
}

fn numa() -> HostNumaInfo {
    HostNumaInfo::with(|numa| {
        numa.set_type("NUMA").set_num_nodes(1);
        numa.set_numa_node([HostNumaNode::with(|node| {
            node.set_type_id(0);
            node.set_cpu_id([1_i16, 0]);
            node.set_memory_size(MEMORY);
            node.set_memory_range_begin(0).set_memory_range_length(MEMORY);
        })]);
    })
}

fn bios() -> HostBIOSInfo {
    HostBIOSInfo::with(|bios| {
        bios.set_vendor("Phoenix Technologies LTD").set_bios_version("6.00");
        // 2015-07-02
        bios.set_release_date(DateTime::from_micros(1_435_795_200_000_000));
        bios.set_major_release(4).set_minor_release(6).set_firmware_major_release(0).set_firmware_minor_release(0);
        bios.set_firmware_type("BIOS");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_written_as_a_vmware_bios_does() {
        assert_eq!(
            serial_number("564d2f12-8041-639b-5018-05a835b72eaf"),
            "VMware-56 4d 2f 12 80 41 63 9b-50 18 05 a8 35 b7 2e af"
        );
    }

    #[test]
    fn registers_are_written_in_groups_of_four_bits() {
        assert_eq!(register(0x756e_6547), "0111:0101:0110:1110:0110:0101:0100:0111");
    }

    #[test]
    fn the_clock_is_the_bus_clock_times_23() {
        assert_eq!(HERTZ, 23 * BUS_HERTZ);
    }
}
