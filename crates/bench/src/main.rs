//! Measures vcsim-compatible binaries side by side: `cargo xtask bench`.
//!
//! Each binary is started as a process of its own on a loopback address, with a folder of its own for temporary files,
//! and is driven over plain HTTP by a client that does as little as it can, so that the figures are the server's. The
//! binaries take turns, step by step, so that what else the machine does falls on all of them.

mod changes;
mod client;
mod containers;
mod figure;
mod machine;
mod report;
mod server;
mod soap;
mod steps;
mod table;
mod work;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use crate::report::Report;
use crate::server::{Binary, Clock};
use crate::steps::{Effort, STEPS};

#[derive(Parser)]
#[command(about = "Measures vcsim-compatible binaries and prints a table in Markdown")]
struct Arguments {
    /// Repeats less, and leaves out 100,000 VMs.
    #[arg(long)]
    quick: bool,
    /// The longest that a binary may take to start. [default: 60, or 30 with --quick]
    #[arg(long, value_name = "SECONDS")]
    max_start: Option<u64>,
    /// Does only the step of this name: default, 10, 1000, 10000, 100000.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Measures only the rows whose name contains this, beside the start.
    #[arg(long, value_name = "TEXT", default_value = "")]
    row: String,
    /// Measures the processor time that the servers use, in place of time on the clock: for a busy machine, and for work
    /// of more than some milliseconds.
    #[arg(long)]
    cpu: bool,
    /// Looks at memory after a million tasks, in place of 100,000.
    #[arg(long)]
    million_tasks: bool,
    /// Measures only this: as many hosts that get a container at once, and as many bare containers beside them.
    #[arg(long, value_name = "NUMBER")]
    hosts: Option<usize>,
    /// The binaries: the first is held against the budgets, the others are beside it.
    #[arg(required = true, value_name = "BINARY")]
    binaries: Vec<PathBuf>,
}

impl Arguments {
    fn clock(&self) -> Clock {
        if self.cpu { Clock::Processor } else { Clock::Wall }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let binaries = arguments.binaries.iter().map(|path| Binary::new(path)).collect::<Result<Vec<_>>>()?;
    let max_start = arguments.max_start.unwrap_or(if arguments.quick { 30 } else { 60 });
    let effort = Effort {
        quick: arguments.quick,
        max_start: Duration::from_secs(max_start),
        clock: arguments.clock(),
        million_tasks: arguments.million_tasks,
    };
    // One thread: the client is to leave the machine to the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(hosts) = arguments.hosts {
        let rows = runtime.block_on(containers::measure(&binaries[0], hosts))?;
        write!(io::stdout(), "{}\n\n{rows}", machine::line())?;
        return Ok(());
    }
    let mut report = Report::new(&binaries, arguments.row, effort.clock);
    for step in STEPS {
        if arguments.only.as_ref().is_some_and(|only| step.name != only) {
            continue;
        }
        for (column, binary) in binaries.iter().enumerate() {
            writeln!(io::stderr(), "{}: {}", binary.label, step.name)?;
            runtime.block_on(step.run(binary, effort, &mut report.column(column)));
        }
    }
    write!(io::stdout(), "{}\n{report}", machine::line())?;
    Ok(())
}
