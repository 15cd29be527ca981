//! Log lines, on standard error.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::options::{Diagnosis, LogFormat};

/// Starts logging what the flag, or else `RUST_LOG`, asks for.
pub(crate) fn start(diagnosis: &Diagnosis) -> anyhow::Result<()> {
    let filter = match (&diagnosis.log, std::env::var("RUST_LOG")) {
        (Some(filter), _) => filter.clone(),
        (None, Ok(filter)) if !filter.is_empty() => filter,
        (None, _) => "warn".to_owned(),
    };
    let filter = EnvFilter::try_new(filter).context("RUST_LOG is no log filter")?;
    let logger =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    match diagnosis.log_format {
        LogFormat::Text => logger.init(),
        LogFormat::Json => logger.json().init(),
    }
    Ok(())
}
