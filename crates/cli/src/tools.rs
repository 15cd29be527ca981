//! The small commands that do not serve.

use std::io::{self, Write};

use anyhow::Context;
use vimsim_server::probe;
use vimsim_simulator::uuid;

/// Prints a random UUID, or the UUIDs that the inventory derives from names.
pub(crate) fn uuidgen(names: &[String]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if names.is_empty() {
        writeln!(stdout, "{}", uuid::random())?;
    }
    names.iter().try_for_each(|name| writeln!(stdout, "{}", uuid::named(name)))
}

/// Asks the service at an address whether it is well. With TLS first, as it is by default.
pub(crate) fn healthz(address: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match probe(address, true).await {
            Ok(()) => Ok(()),
            Err(secured) => probe(address, false)
                .await
                .with_context(|| format!("{address} is not well (with TLS: {secured}; without TLS)")),
        }
    })
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
