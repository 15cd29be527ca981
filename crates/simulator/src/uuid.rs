//! UUIDs that follow from names, so that every run gives the same ones.

use sha2::{Digest, Sha256};

/// The name space for object identifiers, RFC 9562 section 6.6.
const NAMESPACE_OID: [u8; 16] =
    [0x6b, 0xa7, 0xb8, 0x12, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

/// The UUID of a name: version 5 layout over SHA-256 in the OID name space, as `vcsim` makes its own
/// (observed: `LocalDS_0`'s VMs, hosts and switches of the default inventory).
pub(crate) fn named(name: &str) -> String {
    let digest = Sha256::new().chain_update(NAMESPACE_OID).chain_update(name).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    format_bytes(bytes)
}

/// A UUID nobody can guess.
pub(crate) fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    format_bytes(bytes)
}

fn format_bytes(bytes: [u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    out
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
