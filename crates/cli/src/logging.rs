//! Log lines, on standard error.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::options::{Diagnosis, LogFormat};

/// Starts logging what the flag, or else `RUST_LOG`, asks for.
pub(crate) fn start(diagnosis: &Diagnosis) -> anyhow::Result<()> {
    let filter = match (&diagnosis.log, std::env::var("RUST_LOG")) {
        (Some(filter), _) => filter.clone(),
        (None, Ok(filter)) if !filter.is_empty() => filter,
        (None, _) => "warn".to_owned(),
    };
    let filter: Targets = filter.parse().context("RUST_LOG is no log filter")?;
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines = match diagnosis.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}
