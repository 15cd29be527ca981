//! How guests are called: `OTHER_LINUX_64` here, `otherLinux64Guest` in the Web Services API.

use vimsim_types::EnumView;
use vimsim_types::enums::VirtualMachineGuestOsIdentifier as Identifier;

/// Names that do not follow from the identifier.
const OWN: [(&str, &str); 19] = [
    ("winNTGuest", "WIN_NT"),
    ("winXPHomeGuest", "WIN_XP_HOME"),
    ("winXPProGuest", "WIN_XP_PRO"),
    ("winXPPro64Guest", "WIN_XP_PRO_64"),
    ("windowsHyperVGuest", "WINDOWS_HYPERV"),
    ("windows2019srv_64Guest", "WINDOWS_SERVER_2019"),
    ("windows2019srvNext_64Guest", "WINDOWS_SERVER_2021"),
    ("windows2022srvNext_64Guest", "WINDOWS_SERVER_2025"),
    ("os2Guest", "OS2"),
    ("eComStationGuest", "ECOMSTATION"),
    ("eComStation2Guest", "ECOMSTATION_2"),
    ("openServer5Guest", "OPENSERVER_5"),
    ("openServer6Guest", "OPENSERVER_6"),
    ("unixWare7Guest", "UNIXWARE_7"),
    ("amazonlinux2_64Guest", "AMAZONLINUX2_64"),
    ("amazonlinux3_64Guest", "AMAZONLINUX3_64"),
    ("crxPod1Guest", "CRXPOD_1"),
    ("crxSys1Guest", "CRXSYS_1"),
    ("otherGuest64", "OTHER_64"),
];

/// `OTHER_LINUX_64` of `otherLinux64Guest`.
pub(in crate::rest) fn guest_os(id: &str) -> String {
    if let Some((_, own)) = OWN.iter().find(|(known, _)| *known == id) {
        return (*own).into();
    }
    let mut out = String::new();
    let mut before = '_';
    for c in id.strip_suffix("Guest").unwrap_or(id).chars() {
        if before != '_' && (c.is_ascii_uppercase() || (c.is_ascii_digit() && !before.is_ascii_digit())) {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
        before = c;
    }
    out
}

/// `otherLinux64Guest` of `OTHER_LINUX_64`; `None` if no guest is called so.
pub(super) fn identifier(name: &str) -> Option<&'static str> {
    Identifier::ALL.iter().map(|known| known.name()).find(|id| guest_os(id) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_identifiers() {
        for (id, name) in
            [("rhel8_64Guest", "RHEL_8_64"), ("otherGuest64", "OTHER_64"), ("vmkernel65Guest", "VMKERNEL_65")]
        {
            assert_eq!((guest_os(id).as_str(), identifier(name)), (name, Some(id)));
        }
        assert!(Identifier::ALL.iter().all(|id| identifier(&guest_os(id.name())) == Some(id.name())));
        assert_eq!(identifier("ENOENT"), None);
    }
}
