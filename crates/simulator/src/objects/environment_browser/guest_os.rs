//! The guest operating systems that ESXi 8 runs, with what it recommends for them.

use std::sync::LazyLock;

use vimsim_types::enums::{
    GuestOsDescriptorSupportLevel, VirtualMachineGuestOsFamily, VirtualMachineGuestOsIdentifier,
};
use vimsim_types::views::{GuestOsDescriptor, IntOption};
use vimsim_types::{EnumView, View};

/// Names that follow no rule, as vCenter shows them.
const NAMES: &[(&str, &str)] = &[
    ("dosGuest", "Microsoft MS-DOS"),
    ("win31Guest", "Microsoft Windows 3.1"),
    ("win95Guest", "Microsoft Windows 95"),
    ("win98Guest", "Microsoft Windows 98"),
    ("winMeGuest", "Microsoft Windows Millennium Edition"),
    ("winNTGuest", "Microsoft Windows NT"),
    ("win2000ProGuest", "Microsoft Windows 2000 Professional"),
    ("win2000ServGuest", "Microsoft Windows 2000 Server"),
    ("win2000AdvServGuest", "Microsoft Windows 2000"),
    ("winXPHomeGuest", "Microsoft Windows XP Home Edition"),
    ("winXPProGuest", "Microsoft Windows XP Professional (32-bit)"),
    ("winXPPro64Guest", "Microsoft Windows XP Professional (64-bit)"),
    ("winNetWebGuest", "Microsoft Windows Server 2003 Web Edition (32-bit)"),
    ("winNetStandardGuest", "Microsoft Windows Server 2003 Standard (32-bit)"),
    ("winNetEnterpriseGuest", "Microsoft Windows Server 2003 (32-bit)"),
    ("winNetDatacenterGuest", "Microsoft Windows Server 2003 Datacenter (32-bit)"),
    ("winNetBusinessGuest", "Microsoft Windows Small Business Server 2003"),
    ("winNetStandard64Guest", "Microsoft Windows Server 2003 Standard (64-bit)"),
    ("winNetEnterprise64Guest", "Microsoft Windows Server 2003 (64-bit)"),
    ("winLonghornGuest", "Microsoft Windows Server 2008 (32-bit)"),
    ("winLonghorn64Guest", "Microsoft Windows Server 2008 (64-bit)"),
    ("winNetDatacenter64Guest", "Microsoft Windows Server 2003 Datacenter (64-bit)"),
    ("winVistaGuest", "Microsoft Windows Vista (32-bit)"),
    ("winVista64Guest", "Microsoft Windows Vista (64-bit)"),
    ("windows7Guest", "Microsoft Windows 7 (32-bit)"),
    ("windows7_64Guest", "Microsoft Windows 7 (64-bit)"),
    ("windows7Server64Guest", "Microsoft Windows Server 2008 R2 (64-bit)"),
    ("windows8Guest", "Microsoft Windows 8.x (32-bit)"),
    ("windows8_64Guest", "Microsoft Windows 8.x (64-bit)"),
    ("windows8Server64Guest", "Microsoft Windows Server 2012 (64-bit)"),
    ("windows9Guest", "Microsoft Windows 10 (32-bit)"),
    ("windows9_64Guest", "Microsoft Windows 10 (64-bit)"),
    ("windows9Server64Guest", "Microsoft Windows Server 2016 (64-bit)"),
    ("windows11_64Guest", "Microsoft Windows 11 (64-bit)"),
    ("windows12_64Guest", "Microsoft Windows 12 (64-bit)"),
    ("windowsHyperVGuest", "Microsoft Windows Hyper-V"),
    ("windows2019srv_64Guest", "Microsoft Windows Server 2019 (64-bit)"),
    ("windows2019srvNext_64Guest", "Microsoft Windows Server 2022 (64-bit)"),
    ("windows2022srvNext_64Guest", "Microsoft Windows Server 2025 (64-bit)"),
    ("redhatGuest", "Red Hat Linux 2.1"),
    ("rhel2Guest", "Red Hat Enterprise Linux 2.1"),
    ("centosGuest", "CentOS 4/5 (32-bit)"),
    ("centos64Guest", "CentOS 4/5 or later (64-bit)"),
    ("oracleLinuxGuest", "Oracle Linux 4/5 (32-bit)"),
    ("oracleLinux64Guest", "Oracle Linux 4/5 or later (64-bit)"),
    ("suseGuest", "SUSE Linux (32-bit)"),
    ("suse64Guest", "SUSE Linux (64-bit)"),
    ("slesGuest", "SUSE Linux Enterprise 8/9 (32-bit)"),
    ("sles64Guest", "SUSE Linux Enterprise 8/9 (64-bit)"),
    ("nld9Guest", "Novell Linux Desktop 9"),
    ("oesGuest", "Novell Open Enterprise Server"),
    ("sjdsGuest", "Sun Java Desktop System"),
    ("mandrakeGuest", "Mandrake Linux"),
    ("mandrivaGuest", "Mandriva Linux (32-bit)"),
    ("mandriva64Guest", "Mandriva Linux (64-bit)"),
    ("turboLinuxGuest", "Turbolinux (32-bit)"),
    ("turboLinux64Guest", "Turbolinux (64-bit)"),
    ("ubuntuGuest", "Ubuntu Linux (32-bit)"),
    ("ubuntu64Guest", "Ubuntu Linux (64-bit)"),
    ("miraclelinux_64Guest", "MIRACLE LINUX (64-bit)"),
    ("pardus_64Guest", "Pardus (64-bit)"),
    ("opensuseGuest", "SUSE openSUSE (32-bit)"),
    ("opensuse64Guest", "SUSE openSUSE (64-bit)"),
    ("fedoraGuest", "Red Hat Fedora (32-bit)"),
    ("fedora64Guest", "Red Hat Fedora (64-bit)"),
    ("coreos64Guest", "CoreOS Linux (64-bit)"),
    ("vmwarePhoton64Guest", "VMware Photon OS (64-bit)"),
    ("otherLinuxGuest", "Other Linux (32-bit)"),
    ("otherLinux64Guest", "Other Linux (64-bit)"),
    ("genericLinuxGuest", "Other Linux"),
    ("fusionos_64Guest", "FusionOS (64-bit)"),
    ("prolinux_64Guest", "ProLinux (64-bit)"),
    ("kylinlinux_64Guest", "Kylin Linux (64-bit)"),
    ("flatcar_64Guest", "Flatcar Container Linux (64-bit)"),
    ("os2Guest", "IBM OS/2"),
    ("eComStationGuest", "Serenity Systems eComStation 1"),
    ("eComStation2Guest", "Serenity Systems eComStation 2"),
    ("netware4Guest", "Novell NetWare 4"),
    ("netware5Guest", "Novell NetWare 5.1"),
    ("netware6Guest", "Novell NetWare 6.x"),
    ("openServer5Guest", "SCO OpenServer 5"),
    ("openServer6Guest", "SCO OpenServer 6"),
    ("unixWare7Guest", "SCO UnixWare 7"),
    ("vmkernelGuest", "VMware ESX 4.x"),
    ("vmkernel65Guest", "VMware ESXi 6.5 or later"),
    ("amazonlinux2_64Guest", "Amazon Linux 2 (64-bit)"),
    ("amazonlinux3_64Guest", "Amazon Linux 3 (64-bit)"),
    ("crxPod1Guest", "VMware CRX Pod 1 (64-bit)"),
    ("crxSys1Guest", "VMware CRX System 1 (64-bit)"),
    ("rockylinux_64Guest", "Rocky Linux (64-bit)"),
    ("almalinux_64Guest", "AlmaLinux (64-bit)"),
    ("freebsdGuest", "FreeBSD Pre-11 versions (32-bit)"),
    ("freebsd64Guest", "FreeBSD Pre-11 versions (64-bit)"),
    ("otherGuest", "Other (32-bit)"),
    ("otherGuest64", "Other (64-bit)"),
];

/// Names that are made of a word and a number: the identifier's first part, and the words before and behind the number.
const RULES: &[(&str, &str, &str)] = &[
    ("freebsd", "FreeBSD ", ""),
    ("rhel", "Red Hat Enterprise Linux ", ""),
    ("centos", "CentOS ", ""),
    ("oracleLinux", "Oracle Linux ", ""),
    ("sles", "SUSE Linux Enterprise ", ""),
    ("debian", "Debian GNU/Linux ", ""),
    ("asianux", "Asianux ", ""),
    ("solaris", "Oracle Solaris ", ""),
    ("darwin", "Apple macOS (Darwin ", ")"),
    ("vmkernel", "VMware ESXi ", ".x"),
];

/// The name of a guest operating system; its identifier if it has none.
pub(crate) fn full_name(id: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == id) {
        return (*name).into();
    }
    let stem = id.strip_suffix("Guest").unwrap_or(id);
    let (stem, is_64) = match stem.strip_suffix("_64") {
        Some(stem) => (stem, true),
        None => (stem, false),
    };
    // `other4xLinux64Guest`
    if let Some(kernel) = stem.strip_prefix("other").and_then(|rest| rest.split_once("Linux")) {
        let number = kernel.0.trim_end_matches('x');
        let number = if number.len() == 2 { format!("{}.{}", &number[..1], &number[1..]) } else { number.into() };
        let bits = if kernel.1 == "64" { "64-bit" } else { "32-bit" };
        return format!("Other {number}.x or later Linux ({bits})");
    }
    let rule = RULES.iter().find_map(|(word, before, behind)| {
        let number = stem.strip_prefix(word)?;
        let bits = if is_64 { " (64-bit)" } else { " (32-bit)" };
        let bits = if *word == "vmkernel" { "" } else { bits };
        Some(format!("{before}{number}{behind}{bits}"))
    });
    rule.unwrap_or_else(|| id.into())
}

/// The family of a guest operating system.
pub(crate) fn family(id: &str) -> VirtualMachineGuestOsFamily {
    let is = |word: &str| id.starts_with(word);
    if is("win") {
        VirtualMachineGuestOsFamily::WindowsGuest
    } else if is("darwin") {
        VirtualMachineGuestOsFamily::DarwinGuestFamily
    } else if is("netware") {
        VirtualMachineGuestOsFamily::NetwareGuest
    } else if is("solaris") {
        VirtualMachineGuestOsFamily::SolarisGuest
    } else if ["dos", "os2", "eCom", "openServer", "unixWare", "vmkernel", "freebsd", "crx"].iter().any(|it| is(it))
        || id == "otherGuest"
        || id == "otherGuest64"
    {
        VirtualMachineGuestOsFamily::OtherGuestFamily
    } else {
        VirtualMachineGuestOsFamily::LinuxGuest
    }
}

/// Whether it is new enough for paravirtual devices, EFI and memory hot-add.
fn is_modern(id: &str) -> bool {
    let old = ["win95", "win98", "winMe", "winNT", "win3", "win2000", "winXP", "rhel2", "rhel3", "rhel4"];
    id.contains("64") && !old.iter().any(|word| id.starts_with(word))
}

static DESCRIPTORS: LazyLock<Vec<GuestOsDescriptor>> =
    LazyLock::new(|| VirtualMachineGuestOsIdentifier::ALL.iter().map(|id| descriptor(id.name())).collect());

/// All guest operating systems that can be configured.
pub(super) fn descriptors() -> &'static [GuestOsDescriptor] {
    &DESCRIPTORS
}

fn descriptor(id: &str) -> GuestOsDescriptor {
    let family = family(id);
    let modern = is_modern(id);
    let is_windows = family == VirtualMachineGuestOsFamily::WindowsGuest;
    let is_mac = family == VirtualMachineGuestOsFamily::DarwinGuestFamily;
    let efi = modern && (id.starts_with("windows") || is_mac || is_recent_linux(id));
    GuestOsDescriptor::with(|guest| {
        guest.set_id(id).set_family(family.name()).set_full_name(full_name(id));
        guest.set_supported_max_cpus(if modern { 768 } else { 8 });
        guest.set_num_supported_physical_sockets(if modern { 128 } else { 8 });
        guest.set_num_supported_cores_per_socket(if modern { 768 } else { 8 });
        guest.set_supported_min_mem_mb(4).set_supported_max_mem_mb(if modern { 25_149_440 } else { 65_536 });
        guest.set_recommended_mem_mb(match (modern, is_windows) {
            (true, true) => 4_096,
            (true, false) => 2_048,
            (false, _) => 256,
        });
        guest.set_recommended_color_depth(24);
        let controllers = [
            "VirtualIDEController",
            "VirtualLsiLogicController",
            "VirtualBusLogicController",
            "VirtualLsiLogicSASController",
            "VirtualAHCIController",
            "ParaVirtualSCSIController",
            "VirtualNVMEController",
        ];
        guest.set_supported_disk_controller_list(controllers.into_iter().take(if modern { 7 } else { 3 }));
        let scsi = match (modern, is_windows) {
            (true, true) => "VirtualLsiLogicSASController",
            (true, false) => "ParaVirtualSCSIController",
            (false, _) => "VirtualLsiLogicController",
        };
        guest.set_recommended_scsi_controller(scsi).set_recommended_disk_controller(scsi);
        guest.set_supported_num_disks(256).set_recommended_disk_size_mb(if is_windows && modern {
            40_960
        } else {
            16_384
        });
        guest.set_recommended_cdrom_controller(if modern { "VirtualAHCIController" } else { "VirtualIDEController" });
        let cards = [
            "VirtualE1000",
            "VirtualPCNet32",
            "VirtualVmxnet2",
            "VirtualE1000e",
            "VirtualVmxnet3",
            "VirtualSriovEthernetCard",
        ];
        guest.set_supported_ethernet_card(cards.into_iter().take(if modern { 6 } else { 3 }));
        guest.set_recommended_ethernet_card(match (modern, is_windows) {
            (true, true) => "VirtualE1000e",
            (true, false) => "VirtualVmxnet3",
            (false, _) => "VirtualE1000",
        });
        guest.set_supports_slave_disk(true).set_smc_required(is_mac).set_supports_wake_on_lan(true);
        guest.set_supports_vmi(false).set_supports_memory_hot_add(modern).set_supports_cpu_hot_add(modern);
        guest.set_supports_cpu_hot_remove(false);
        guest.set_supported_firmware(["bios", "efi"].into_iter().take(if efi { 2 } else { 1 }));
        guest.set_recommended_firmware(if efi { "efi" } else { "bios" });
        guest.set_supported_usb_controller_list(["VirtualUSBController", "VirtualUSBXHCIController"]);
        guest.set_supports3_d(modern).set_recommended3_d(false).set_smc_recommended(is_mac);
        guest.set_ich7m_recommended(is_mac).set_usb_recommended(is_mac);
        let level =
            if modern { GuestOsDescriptorSupportLevel::Supported } else { GuestOsDescriptorSupportLevel::Legacy };
        guest.set_support_level(level.name()).set_supported_for_create(true);
        guest.set_v_ram_size_in_kb(IntOption::with(|option| {
            option.set_min(2_048).set_max(262_144).set_default_value(4_096);
        }));
        guest.set_num_supported_floppy_devices(2);
        guest.set_wake_on_lan_ethernet_card(["VirtualE1000", "VirtualVmxnet3"]);
        guest.set_supports_pvscsi_controller_for_boot(modern).set_disk_uuid_enabled(false);
        guest.set_supports_hot_plug_pci(modern).set_supports_secure_boot(efi && !is_mac);
        guest.set_default_secure_boot(efi && is_windows);
    })
}

fn is_recent_linux(id: &str) -> bool {
    let recent = [
        "rhel8",
        "rhel9",
        "rhel10",
        "centos8",
        "centos9",
        "oracleLinux8",
        "oracleLinux9",
        "sles15",
        "sles16",
        "debian1",
        "ubuntu64",
        "rocky",
        "alma",
        "vmwarePhoton",
        "amazonlinux",
        "flatcar",
        "other5x",
        "other6x",
    ];
    recent.iter().any(|word| id.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> =
            descriptors().iter().map(|guest| guest.full_name().clone()).collect();
        assert_eq!(names.len(), descriptors().len());
        assert!(descriptors().iter().all(|guest| guest.full_name() != guest.id()));
        assert_eq!(full_name("rhel9_64Guest"), "Red Hat Enterprise Linux 9 (64-bit)");
        assert_eq!(full_name("other26xLinux64Guest"), "Other 2.6.x or later Linux (64-bit)");
        assert_eq!(full_name("vmkernel7Guest"), "VMware ESXi 7.x");
    }
}
