//! The operating systems of guests: CIM's numbers for them, and vSphere's names.

/// CIM's numbers (`CIM_OperatingSystem.OSType`) of what vSphere has a name for. Of several numbers or names, the first is
/// the one that is written.
const GUESTS: &[(i32, &str)] = &[
    (1, "otherGuest"),
    (102, "otherGuest64"),
    (15, "win31Guest"),
    (16, "win95Guest"),
    (17, "win98Guest"),
    (18, "winNTGuest"),
    (58, "win2000ServGuest"),
    (67, "winXPProGuest"),
    (71, "winXPPro64Guest"),
    (69, "winNetStandardGuest"),
    (70, "winNetStandard64Guest"),
    (73, "winVistaGuest"),
    (74, "winVista64Guest"),
    (76, "winLonghornGuest"),
    (77, "winLonghorn64Guest"),
    (103, "windows7Server64Guest"),
    (105, "windows7_64Guest"),
    (113, "windows8Server64Guest"),
    (115, "windows8_64Guest"),
    (120, "windows9_64Guest"),
    (112, "windows9Server64Guest"),
    (36, "otherLinuxGuest"),
    (101, "otherLinux64Guest"),
    (42, "freebsdGuest"),
    (78, "freebsd64Guest"),
    (29, "solaris10Guest"),
    (79, "rhel5Guest"),
    (80, "rhel7_64Guest"),
    (81, "solaris10_64Guest"),
    (82, "suseGuest"),
    (83, "suse64Guest"),
    (84, "slesGuest"),
    (85, "sles64Guest"),
    (93, "ubuntuGuest"),
    (94, "ubuntu64Guest"),
    (95, "debian10Guest"),
    (96, "debian10_64Guest"),
    (97, "other24xLinuxGuest"),
    (98, "other24xLinux64Guest"),
    (99, "other26xLinuxGuest"),
    (100, "other26xLinux64Guest"),
    (106, "centosGuest"),
    (107, "centos64Guest"),
    (108, "oracleLinuxGuest"),
    (109, "oracleLinux64Guest"),
];

/// vSphere's name for CIM's number.
pub(super) fn name(number: i32) -> &'static str {
    GUESTS.iter().find(|(known, _)| *known == number).map_or("otherGuest", |(_, name)| name)
}

/// CIM's number for vSphere's name: that of its family, if it has none of its own.
pub(super) fn number(name: &str) -> i32 {
    let own = |name: &str| GUESTS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
    own(name).unwrap_or_else(|| {
        let is_64 = name.contains("64");
        let families =
            [("ubuntu", 93), ("debian", 95), ("rhel", 79), ("centos", 106), ("oracleLinux", 108), ("sles", 84)];
        let family = families.into_iter().find(|(prefix, _)| name.starts_with(prefix));
        match family {
            Some((_, number)) => number + i32::from(is_64),
            None if name.to_ascii_lowercase().contains("linux") => {
                if is_64 {
                    101
                } else {
                    36
                }
            }
            None => {
                if is_64 {
                    102
                } else {
                    1
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_and_numbers_belong_together() {
        assert_eq!(
            (super::name(94), super::name(36), super::name(9999)),
            ("ubuntu64Guest", "otherLinuxGuest", "otherGuest")
        );
        assert_eq!(
            (super::number("ubuntu64Guest"), super::number("debian12_64Guest"), super::number("x")),
            (94, 96, 1)
        );
    }
}
