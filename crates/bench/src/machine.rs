//! The machine that the figures come from.

use std::fs;
use std::process::Command;

/// One line: processor, cores, memory, kernel.
pub(crate) fn line() -> String {
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unknown processor".into());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let memory = field("/proc/meminfo", "MemTotal");
    let kibibytes = memory.and_then(|memory| memory.strip_suffix(" kB")?.trim().parse::<f64>().ok());
    let memory = kibibytes.map_or_else(String::new, |kibibytes| format!(", {:.0} GiB", kibibytes / 1024.0 / 1024.0));
    format!("Machine: {processor}, {cores} cores{memory}, {}.\n", kernel())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn kernel() -> String {
    let output = Command::new("uname").arg("-sr").output();
    output.map_or_else(|_| std::env::consts::OS.into(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
}
