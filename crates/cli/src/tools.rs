//! The small commands that do not serve.

use std::io::{self, Write};

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Prints a random UUID, or the UUIDs that the inventory derives from names.
pub(crate) fn uuidgen(names: &[String]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if names.is_empty() {
        writeln!(stdout, "{}", Uuid::new_v4())?;
    }
    names.iter().try_for_each(|name| writeln!(stdout, "{}", named(name)))
}

/// The UUID of a name: version 5 in its layout, though from SHA-256, as vcsim makes them.
fn named(name: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::new().chain_update(Uuid::NAMESPACE_OID).chain_update(name).finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_sha1_bytes(bytes).into_uuid()
}

/// Prints the version and what it was built from, in vcsim's three lines. The build's environment has the last two.
pub(crate) fn version() -> io::Result<()> {
    let commit = option_env!("VIMSIM_BUILD_COMMIT").unwrap_or_default();
    let date = option_env!("VIMSIM_BUILD_DATE").unwrap_or_default();
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "Build Version: {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(stdout, "Build Commit: {commit}")?;
    writeln!(stdout, "Build Date: {date}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_named(name: &str, uuid: &str) {
        assert_eq!(named(name).to_string(), uuid);
    }

    #[test]
    fn names_have_the_uuids_of_vcsim() {
        check_named("DC0_H0", "efc5827c-ee19-5d35-84ef-a77d6ea6ee4c");
        check_named("[LocalDS_0] DC0_H0_VM0/DC0_H0_VM0.vmx", "63d40cc5-9cba-5cc1-884a-f7f19070ecea");
    }
}
