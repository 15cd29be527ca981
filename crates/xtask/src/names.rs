//! Wire names as Rust names.

/// A wire name as a Rust type or variant: `PowerOnVM_Task` becomes `PowerOnVMTask`, `poweredOn` becomes `PoweredOn`.
pub(crate) fn pascal(wire: &str) -> String {
    let mut out = String::new();
    for part in wire.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        // Two numbers that a separator keeps apart stay apart: `1.2` is not `12`.
        if out.ends_with(|c: char| c.is_ascii_digit()) && part.starts_with(|c: char| c.is_ascii_digit()) {
            out.push('_');
        }
        let mut chars = part.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    if out == "Self" { "Self_".into() } else { out }
}

/// A wire name as a Rust function: `capacityInKB` becomes `capacity_in_kb`, `numCPUs` becomes `num_cpus`.
pub(crate) fn snake(wire: &str) -> String {
    // Units and plurals of abbreviations are one word.
    let wire = wire.replace("MHz", "Mhz").replace("CPUs", "Cpus").replace("VMs", "Vms").replace("LUNs", "Luns");
    let wire = wire.replace("IPs", "Ips").replace("IDs", "Ids").replace("URLs", "Urls").replace("IPv", "Ipv");
    let chars: Vec<char> = wire.chars().collect();
    let mut out = String::new();
    for (index, &c) in chars.iter().enumerate() {
        let next_is_lower = chars.get(index + 1).is_some_and(|next| next.is_ascii_lowercase());
        let after_word = index > 0 && (chars[index - 1].is_ascii_lowercase() || chars[index - 1].is_ascii_digit());
        let ends_acronym = index > 0 && chars[index - 1].is_ascii_uppercase() && next_is_lower;
        if c.is_ascii_uppercase() && (after_word || ends_acronym) && !out.ends_with('_') {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    out
}

/// A function name that is no keyword.
pub(crate) fn identifier(name: &str) -> String {
    const KEYWORDS: [&str; 14] = [
        "type", "match", "ref", "move", "where", "use", "in", "for", "loop", "self", "static", "virtual", "abstract",
        "final",
    ];
    if KEYWORDS.contains(&name) { format!("{name}_") } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_wire() {
        for (wire, rust) in [
            ("capacityInKB", "capacity_in_kb"),
            ("numCPU", "num_cpu"),
            ("vmPathName", "vm_path_name"),
            ("cpuMHz", "cpu_mhz"),
            ("numCPUs", "num_cpus"),
            ("ipAddress", "ip_address"),
            ("hostMaxVMs", "host_max_vms"),
        ] {
            assert_eq!(snake(wire), rust);
        }
        assert_eq!(pascal("PowerOnVM_Task"), "PowerOnVMTask");
        assert_eq!(pascal("configureVcha_Task"), "ConfigureVchaTask");
    }
}
