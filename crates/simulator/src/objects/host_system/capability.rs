//! What an ESXi 8 host can do.

use vimsim_types::views::HostCapability;
use vimsim_types::{Ty, Value, Version, View};

/// What ESXi 8 in a virtual machine without special hardware cannot do. It can do everything else that can be said yes to.
const LACKING: &[&str] = &[
    "accel3dSupported",
    "cryptoSupported",
    "datastorePrincipalSupported",
    "deviceRebindWithoutRebootSupported",
    "encryptionFaultToleranceSupported",
    "encryptionRDMSupported",
    "encryptionVFlashSupported",
    "fptHotplugSupported",
    "hppPspSupported",
    "iommuSLDirtyCapable",
    "ipmiSupported",
    "localSwapDatastoreSupported",
    "pMemFailoverSupported",
    "pMemSnapshotSupported",
    "pMemSupported",
    "quickBootSupported",
    "recordReplaySupported",
    "reliableMemoryAware",
    "remoteDeviceVMotionSupported",
    "restrictedSnapshotRelocateSupported",
    "sgxRegistrationSupported",
    "smartCardAuthenticationSupported",
    "tpmSupported",
    "txtEnabled",
    "uefiSecureBoot",
    "useFeatureReqsForOldHWv",
    "virtualExecUsageIgnored",
    "virtualMmuUsageIgnored",
    "vmDirectPathGen2Supported",
];

/// The limits of ESXi 8, as its configuration maximums list them.
const LIMITS: &[(&str, i32)] = &[
    ("maxSupportedVMs", 1_024),
    ("maxRunningVMs", 1_024),
    ("maxSupportedVcpus", 768),
    ("maxRegisteredVMs", 4_096),
    ("maxNumDisksSVMotion", 248),
    ("maxVirtualDiskDescVersionSupported", 4),
    ("maxVcpusPerFtVm", 8),
    ("maxHostRunningVms", 1_024),
    ("maxHostSupportedVcpus", 4_096),
    ("maxMemMBPerFtVm", 131_072),
    ("maxSupportedVmMemory", 25_149_440),
    ("maxSupportedSimultaneousThreads", 2),
    ("maxSupportedPtpPorts", 5),
];

/// `capability`: every yes or no that API 8.0.3 knows, and the limits.
pub(super) fn capability() -> HostCapability {
    let newest = Version::parse(vimsim_types::Namespace::VIM25, "8.0.3.0").unwrap_or(Version::NEWEST);
    HostCapability::with(|capability| {
        for (slot, field) in HostCapability::TYPE.info().fields().iter().enumerate() {
            if field.ty == Ty::Bool && !field.is_list() && field.since <= newest {
                capability.as_object_mut().set(slot, Value::Bool(!LACKING.contains(&field.name)));
            }
            if let Some((_, limit)) = LIMITS.iter().find(|(name, _)| *name == field.name) {
                capability.as_object_mut().set(slot, Value::Int(*limit));
            }
        }
        capability.set_supported_vmfs_major_version([5, 6]);
        capability.set_unmap_method_supported("dynamic");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_schema() {
        let info = HostCapability::TYPE.info();
        let names = LACKING.iter().copied().chain(LIMITS.iter().map(|(name, _)| *name));
        for name in names {
            assert!(info.slot(name).is_some(), "{name}");
        }
        assert!(!capability().tpm_supported());
        assert!(capability().vmotion_supported());
    }
}
