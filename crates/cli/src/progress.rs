//! How far long work is: a bar on a terminal, lines in the log elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use tracing::info;
use vimsim_simulator::HostProgress;

/// Shows how many hosts have their containers.
#[derive(Default)]
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// Shows it.
    pub(crate) fn show(&mut self, progress: &HostProgress) {
        let HostProgress { done, total, host } = progress;
        if !std::io::stderr().is_terminal() {
            info!(host, done, total, "a host has its container");
            return;
        }
        let bar = self.0.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} hosts, {msg}, {elapsed}");
            ProgressBar::new(*total as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(*done as u64);
        bar.set_message(host.clone());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}
