//! A host's services.

use vimsim_types::View;
use vimsim_types::views::{HostService, HostServiceInfo, HostServiceSourcePackage};

/// A service: key, label, whether it is required, whether it runs, its start policy, and the firewall rulesets it uses.
type Row = (&'static str, &'static str, bool, bool, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const SERVICES: &[Row] = &[
    ("DCUI", "Direct Console UI", false, true, "on", &[]),
    ("TSM", "ESXi Shell", false, false, "off", &[]),
    ("TSM-SSH", "SSH", false, false, "off", &[]),
    ("attestd", "attestd", false, false, "off", &[]),
    ("dpd", "dpd", false, false, "off", &[]),
    ("entropyd", "entropyd", false, true, "on", &[]),
    ("kmxd", "kmxd", false, false, "off", &[]),
    ("lbtd", "Load-Based Teaming Daemon", false, true, "on", &[]),
    ("lwsmd", "Active Directory Service", false, false, "off", &[]),
    ("ntpd", "NTP Daemon", false, false, "off", &["ntpClient"]),
    ("pcscd", "PC/SC Smart Card Daemon", false, false, "off", &[]),
    ("ptpd", "PTP Daemon", false, false, "off", &[]),
    ("sfcbd-watchdog", "CIM Server", false, false, "on", &["CIMHttpServer", "CIMHttpsServer"]),
    ("slpd", "slpd", false, false, "off", &["CIMSLP"]),
    ("snmpd", "SNMP Server", false, false, "on", &["snmp"]),
    ("vltd", "vltd", false, false, "off", &[]),
    ("vmsyslogd", "Syslog Server", true, true, "on", &[]),
    ("vpxa", "VMware vCenter Agent", false, false, "on", &["vpxHeartbeats"]),
    ("xorg", "X.Org Server", false, false, "on", &[]),
];

/// `config.service`. The vCenter agent runs where there is a vCenter.
pub(super) fn services(is_managed: bool) -> HostServiceInfo {
    let base = package("esx-base", "This VIB contains all of the base functionality of vSphere ESXi.");
    let xserver =
        package("esx-xserver", "This VIB contains X Server used for virtual machine 3D hardware acceleration.");
    HostServiceInfo::with(|info| {
        info.set_service(SERVICES.iter().map(|(key, label, required, running, policy, rulesets)| {
            HostService::with(|service| {
                service.set_key(*key).set_label(*label).set_required(*required).set_uninstallable(false);
                service.set_running(*running || (*key == "vpxa" && is_managed)).set_policy(*policy);
                if !rulesets.is_empty() {
                    service.set_ruleset(rulesets.iter().copied());
                }
                service.set_source_package(if *key == "xorg" { xserver.clone() } else { base.clone() });
            })
        }));
    })
}

fn package(name: &str, description: &str) -> HostServiceSourcePackage {
    HostServiceSourcePackage::with(|package| {
        package.set_source_package_name(name).set_description(description);
    })
}
