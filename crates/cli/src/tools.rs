//! The small commands that do not serve.

use std::io::{self, Write};

use vimsim_simulator::uuid;

/// Prints a random UUID, or the UUIDs that the inventory derives from names.
pub(crate) fn uuidgen(names: &[String]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if names.is_empty() {
        writeln!(stdout, "{}", uuid::random())?;
    }
    names.iter().try_for_each(|name| writeln!(stdout, "{}", uuid::named(name)))
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
