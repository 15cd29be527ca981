//! The modes of Enhanced vMotion Compatibility: generations of processors, and what each adds to the one before.

use vimsim_types::View;
use vimsim_types::views::{EVCMode, HostFeatureCapability, HostFeatureMask, VirtualMachineFeatureRequirement};

/// A generation: key, name, what it adds. Its tier is its place in the list of its vendor.
type Generation = (&'static str, &'static str, &'static [&'static str]);

const INTEL: [Generation; 12] = [
    (
        "intel-merom",
        "Intel® \"Merom\" Generation",
        &["CMPXCHG16B", "DS", "INTEL", "LAHF64", "LM", "NX", "SS", "SSE3", "SSSE3"],
    ),
    ("intel-penryn", "Intel® \"Penryn\" Generation", &["SSE41"]),
    ("intel-nehalem", "Intel® \"Nehalem\" Generation", &["POPCNT", "RDTSCP", "SSE42"]),
    ("intel-westmere", "Intel® \"Westmere\" Generation", &["AES", "PCLMULQDQ", "PDPE1GB"]),
    (
        "intel-sandybridge",
        "Intel® \"Sandy Bridge\" Generation",
        &["AVX", "XCR0_MASTER_SSE", "XCR0_MASTER_YMM_H", "XSAVE", "XSAVEOPT"],
    ),
    ("intel-ivybridge", "Intel® \"Ivy Bridge\" Generation", &["ENFSTRG", "F16C", "FSGSBASE", "RDRAND", "SMEP"]),
    ("intel-haswell", "Intel® \"Haswell\" Generation", &["ABM", "AVX2", "BMI1", "BMI2", "FMA", "INVPCID", "MOVBE"]),
    ("intel-broadwell", "Intel® \"Broadwell\" Generation", &["ADX", "RDSEED", "SMAP"]),
    (
        "intel-skylake",
        "Intel® \"Skylake\" Generation",
        &["AVX512BW", "AVX512CD", "AVX512DQ", "AVX512F", "AVX512VL", "CLFLUSHOPT", "CLWB", "PKU", "XSAVEC", "XSAVES"],
    ),
    ("intel-cascadelake", "Intel® \"Cascade Lake\" Generation", &["AVX512VNNI"]),
    (
        "intel-icelake",
        "Intel® \"Ice Lake\" Generation",
        &["AVX512IFMA", "AVX512VBMI", "AVX512VBMI2", "GFNI", "RDPID", "SHA", "UMIP", "VAES", "VPCLMULQDQ"],
    ),
    (
        "intel-sapphirerapids",
        "Intel® \"Sapphire Rapids\" Generation",
        &["AMX_BF16", "AMX_INT8", "AMX_TILE", "AVX512FP16", "AVXVNNI", "CLDEMOTE", "SERIALIZE"],
    ),
];

const AMD: [Generation; 11] = [
    ("amd-rev-e", "AMD Opteron™ Generation 1", &["3DNOW", "AMD", "CMPXCHG16B", "LM", "NX", "SSE3"]),
    ("amd-rev-f", "AMD Opteron™ Generation 2", &["CR8AVAIL", "RDTSCP"]),
    ("amd-greyhound-no3dnow", "AMD Opteron™ Gen. 3 (no 3DNow!™)", &["ABM", "LAHF64", "POPCNT", "SSE4A"]),
    ("amd-greyhound", "AMD Opteron™ Generation 3", &["MISALIGNED_SSE", "PDPE1GB"]),
    (
        "amd-bulldozer",
        "AMD Opteron™ Generation 4",
        &["AES", "AVX", "FMA4", "PCLMULQDQ", "SSE41", "SSE42", "SSSE3", "XOP", "XSAVE"],
    ),
    ("amd-piledriver", "AMD Opteron™ \"Piledriver\" Generation", &["BMI1", "F16C", "FMA", "TBM"]),
    ("amd-steamroller", "AMD Opteron™ \"Steamroller\" Generation", &["FSGSBASE", "XSAVEOPT"]),
    (
        "amd-zen",
        "AMD \"Zen\" Generation",
        &["ADX", "AVX2", "BMI2", "CLFLUSHOPT", "MOVBE", "RDRAND", "RDSEED", "SHA", "SMAP", "SMEP", "XSAVEC"],
    ),
    ("amd-zen2", "AMD \"Zen 2\" Generation", &["CLWB", "RDPID", "UMIP", "WBNOINVD"]),
    ("amd-zen3", "AMD \"Zen 3\" Generation", &["INVPCID", "PKU", "VAES", "VPCLMULQDQ"]),
    ("amd-zen4", "AMD \"Zen 4\" Generation", &["AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL", "AVX512VNNI", "GFNI"]),
];

/// Where a mode stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) vendor: &'static str,
    pub(super) tier: usize,
}

/// The vendors and their generations, oldest first.
const VENDORS: [(&str, &[Generation]); 2] = [("intel", &INTEL), ("amd", &AMD)];

/// The mode of this key.
pub(super) fn place(key: &str) -> Option<Place> {
    VENDORS.iter().find_map(|(vendor, generations)| {
        let tier = generations.iter().position(|(known, ..)| *known == key)?;
        Some(Place { vendor, tier })
    })
}

/// The names of what a mode lets machines see.
fn features(place: Place) -> Vec<String> {
    let known = VENDORS.iter().find(|(vendor, _)| *vendor == place.vendor).map_or(&[][..], |(_, known)| *known);
    let mut names: Vec<String> = known
        .iter()
        .take(place.tier + 1)
        .flat_map(|(.., added)| added.iter())
        .map(|it| format!("cpuid.{it}"))
        .collect();
    names.sort_unstable();
    names
}

pub(super) fn capabilities(place: Place) -> impl Iterator<Item = HostFeatureCapability> {
    features(place).into_iter().map(|name| {
        HostFeatureCapability::with(|feature| _ = feature.set_key(&name).set_feature_name(&name).set_value("1"))
    })
}

pub(super) fn masks(place: Place) -> impl Iterator<Item = HostFeatureMask> {
    features(place).into_iter().map(|name| {
        HostFeatureMask::with(|feature| _ = feature.set_key(&name).set_feature_name(&name).set_value("Val:1"))
    })
}

pub(super) fn requirements(place: Place) -> impl Iterator<Item = VirtualMachineFeatureRequirement> {
    features(place).into_iter().map(|name| {
        VirtualMachineFeatureRequirement::with(|feature| {
            feature.set_key(&name).set_feature_name(&name).set_value("Bool:Min:1");
        })
    })
}

fn mode(place: Place, key: &str, label: &str) -> EVCMode {
    EVCMode::with(|mode| {
        mode.set_vendor(place.vendor).set_track([place.vendor]);
        mode.set_vendor_tier(i32::try_from(place.tier).unwrap_or_default());
        mode.set_feature_capability(capabilities(place)).set_feature_mask(masks(place));
        mode.set_feature_requirement(requirements(place));
        mode.set_key(key).set_label(label);
        mode.set_summary(format!("Virtual machines see what processors of the {label} have, and nothing newer"));
    })
}

/// All modes, oldest first.
pub(crate) fn all() -> Vec<EVCMode> {
    let of_vendor = |(vendor, generations): (&'static str, &'static [Generation])| {
        let of = move |(tier, (key, label, _)): (usize, &Generation)| mode(Place { vendor, tier }, key, label);
        generations.iter().enumerate().map(of)
    };
    VENDORS.into_iter().flat_map(of_vendor).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_mode_has_what_the_ones_before_have() {
        for (vendor, generations) in super::VENDORS {
            for (tier, (key, ..)) in generations.iter().enumerate() {
                let place = super::place(key).unwrap();
                assert!(place.vendor == vendor && place.tier == tier, "{key}");
                let older = super::Place { tier: tier.saturating_sub(1), ..place };
                let (own, older) = (super::features(place), super::features(older));
                assert!(older.iter().all(|feature| own.contains(feature)), "{key}");
            }
        }
    }
}
