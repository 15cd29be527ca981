//! How keys are shown to people: what the `description` properties of managers are made of.

use vimsim_types::views::{ElementDescription, TypeDescription};
use vimsim_types::{EnumView, View};

/// Words that are written in capitals.
const ACRONYMS: &[&str] = &[
    "Cpu", "Das", "Dns", "Drs", "Dvs", "Evc", "Ft", "Guid", "Ha", "Hba", "Id", "Ip", "Iscsi", "Kms", "Mac", "Nas",
    "Nic", "Ntp", "Numa", "Os", "Ovf", "Pci", "Scsi", "Snmp", "Ssl", "Tpm", "Url", "Usb", "Uuid", "Vm", "Vmfs", "Wwn",
];

/// A name in camel case as words: `VmPoweredOn` is `VM powered on`.
pub(crate) fn words(name: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut was_lower = false;
    for c in name.chars() {
        match parts.last_mut() {
            Some(part) if !(c.is_ascii_uppercase() && was_lower) => part.push(c),
            _ => parts.push(c.to_string()),
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    let mut out = String::new();
    for (place, part) in parts.iter().enumerate() {
        let mut chars = part.chars();
        let first = chars.next().unwrap_or_default();
        let capital: String = first.to_uppercase().chain(chars).collect();
        if place > 0 {
            out.push(' ');
        }
        if ACRONYMS.contains(&capital.as_str()) {
            out.push_str(&capital.to_ascii_uppercase());
        } else if place == 0 || part.chars().skip(1).any(|c| c.is_ascii_uppercase()) {
            out.push_str(&capital);
        } else {
            out.push_str(&part.to_ascii_lowercase());
        }
    }
    out
}

/// A described key.
pub(crate) fn element(key: &str, label: &str, summary: &str) -> ElementDescription {
    ElementDescription::with(|element| {
        element.set_key(key);
        element.set_label(label);
        element.set_summary(summary);
    })
}

/// A described type.
pub(crate) fn type_description(key: &str, label: &str, summary: &str) -> TypeDescription {
    TypeDescription::with(|element| {
        element.set_key(key);
        element.set_label(label);
        element.set_summary(summary);
    })
}

/// The values of an enumeration, each with its words.
pub(crate) fn values<E: EnumView>() -> impl Iterator<Item = ElementDescription> {
    E::ALL.iter().map(|value| {
        let words = words(value.name());
        element(value.name(), &words, &words)
    })
}

/// The lines of a data file, its comments aside, split at blanks into at most `fields` fields.
pub(crate) fn rows(text: &'static str, fields: usize) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(move |line| line.splitn(fields, ' ').collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_become_words() {
        assert_eq!(super::words("VmPoweredOn"), "VM powered on");
        assert_eq!(super::words("powerOn"), "Power on");
        assert_eq!(super::words("DVPortgroupCreated"), "DVPortgroup created");
    }
}
