//! How long large inventories take to build, and what they keep in memory: `cargo run --release --example scale`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for the terminal")]

use std::time::Instant;

use vimsim_simulator::{Config, Model, Service};

/// The resident memory of this process, in MiB.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1024.0
}

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10_000] } else { sizes };
    for size in sizes {
        let model = Model { host: 0, machine: size, ..Model::virtual_center() };
        let before = resident();
        let start = Instant::now();
        let service = Service::start(Config { model, ..Config::default() }).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let after = resident();
        let objects = service.snapshot().len();
        let each = (after - before) * 1024.0 * 1024.0 / size as f64;
        println!("{size} machines: {seconds:.3} s, {after:.1} MiB resident, {each:.0} bytes each, {objects} objects");
    }
}
