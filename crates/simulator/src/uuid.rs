//! UUIDs that follow from names, so that every run gives the same ones; and random ones for sessions.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The UUID of a name: version 5 in its layout, though from SHA-256, as `vcsim` makes them (observed: the hosts, virtual
/// machines and switches of its default inventory).
pub fn named(name: &str) -> String {
    let hash: [u8; 32] = Sha256::new().chain_update(Uuid::NAMESPACE_OID).chain_update(name).finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_sha1_bytes(bytes).into_uuid().to_string()
}

/// A UUID nobody can guess.
pub fn random() -> String {
    Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_give_the_uuids_of_vcsim() {
        // Observed in vcsim's default inventory.
        assert_eq!(super::named("DC0_H0"), "efc5827c-ee19-5d35-84ef-a77d6ea6ee4c");
        assert_eq!(super::named("[LocalDS_0] DC0_H0_VM0/DC0_H0_VM0.vmx"), "63d40cc5-9cba-5cc1-884a-f7f19070ecea");
    }
}
