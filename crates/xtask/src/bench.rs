//! `cargo xtask bench`: vimsim measured, and others beside it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Repeat less, and leave out the largest inventory
    #[arg(long)]
    quick: bool,
    /// The longest that a binary may take to start
    #[arg(long, value_name = "SECONDS")]
    max_start: Option<u64>,
    /// Do only the step of this name
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Measure only the rows whose name contains this
    #[arg(long, value_name = "TEXT")]
    row: Option<String>,
    /// Measure the processor time of the servers, on a busy machine
    #[arg(long)]
    cpu: bool,
    /// Look at memory after a million tasks, in place of 100,000
    #[arg(long)]
    million_tasks: bool,
    /// Measure only as many hosts that get a container at once, beside as many `docker run`s
    #[arg(long, value_name = "NUMBER")]
    hosts: Option<usize>,
    /// Other vcsim-compatible binaries
    #[arg(value_name = "BINARY")]
    others: Vec<PathBuf>,
}

/// Builds vimsim and the benchmark as they are released, and runs the one on the other.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let build = ["build", "--release", "--package", "vimsim-cli", "--package", "vimsim-bench"];
    if !process("cargo", &build).status()?.success() {
        bail!("vimsim or its benchmark cannot be built");
    }
    // We are target/debug/vimsim-xtask.
    let this = std::env::current_exe()?;
    let release = this.ancestors().nth(2).context("not in a target directory")?.join("release");
    let Arguments { quick, max_start, only, row, cpu, million_tasks, hosts, others } = arguments;
    let others = others.iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
    let mut bench = process(release.join("vimsim-bench"), &[]);
    bench.args(quick.then_some("--quick"));
    bench.args(max_start.map(|seconds| format!("--max-start={seconds}")));
    bench.args(only.map(|name| format!("--only={name}")));
    bench.args(row.map(|text| format!("--row={text}")));
    bench.args(hosts.map(|number| format!("--hosts={number}")));
    bench.args(cpu.then_some("--cpu"));
    bench.args(million_tasks.then_some("--million-tasks"));
    bench.args([release.join("vimsim")].into_iter().chain(others).map(OsString::from));
    if !bench.status()?.success() {
        bail!("the benchmark failed");
    }
    Ok(())
}
