//! A server under measurement: a process that ends with us.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a server may take to stop when it is asked to.
const GRACE: Duration = Duration::from_secs(30);

/// A program to measure.
pub(crate) struct Binary {
    path: PathBuf,
    /// What it calls itself: its file name and the version that it prints.
    pub(crate) label: String,
}

impl Binary {
    /// Asks the program for its version.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let path = fs::canonicalize(path).with_context(|| format!("no such binary: {}", path.display()))?;
        let output = Command::new(&path).arg("version").stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().find_map(|line| line.strip_prefix("Build Version:"));
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let label = [name.as_str(), version.unwrap_or_default().trim()].join(" ").trim().to_owned();
        Ok(Self { path, label })
    }
}

/// What came of starting a server.
pub(crate) enum Started {
    Ready(Server),
    /// It was not ready in time, and is gone.
    TooSlow,
}

/// What time is measured by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Clock {
    /// Time as it passes.
    Wall,
    /// Time that the server was on a processor: much the same whatever else the machine does.
    Processor,
}

/// A running server. Dropping it ends the process and removes its temporary files.
pub(crate) struct Server {
    process: Child,
    /// The process ends when this is closed (`-stdinexit`), which is so even if we are killed.
    stdin: Option<ChildStdin>,
    folder: PathBuf,
    clock: Clock,
    begun: Instant,
    /// What each thread was seen to have spent on a processor: one that ended is not seen any more.
    spent: RefCell<BTreeMap<OsString, u64>>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From the start of the process to its ready line.
    pub(crate) ready: Duration,
}

impl Server {
    /// Starts the binary with these flags and waits for its ready line.
    pub(crate) fn start(binary: &Binary, flags: &[String], clock: Clock, limit: Duration) -> Result<Started> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("vimsim-bench-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let begun = Instant::now();
        let mut process = Command::new(&binary.path)
            .args(["-l", "127.0.0.1:0", "-tls=false", "-stdinexit"])
            .args(flags)
            .env("TMPDIR", &folder)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.path.display()))?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take().context("no standard output")?);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server =
            Self { process, stdin, folder, clock, begun, spent: RefCell::default(), address, ready: Duration::ZERO };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(io::Result::ok) {
                if line.contains("GOVC_URL=") {
                    // Who waited may have given up.
                    let _ = sender.send((Instant::now(), line));
                }
            }
        });
        match receiver.recv_timeout(limit) {
            Ok((ready, line)) => {
                server.ready = match clock {
                    Clock::Wall => ready - begun,
                    Clock::Processor => server.now(),
                };
                server.address = address_in(&line).with_context(|| format!("no address in {line:?}"))?;
                Ok(Started::Ready(server))
            }
            Err(RecvTimeoutError::Timeout) => Ok(Started::TooSlow),
            Err(RecvTimeoutError::Disconnected) => bail!("it ended before it was ready"),
        }
    }

    /// Time since it was started.
    pub(crate) fn now(&self) -> Duration {
        match self.clock {
            Clock::Wall => self.begun.elapsed(),
            Clock::Processor => self.processor_time(),
        }
    }

    /// What its threads have spent on a processor.
    fn processor_time(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).into_iter().flatten().flatten();
        let mut spent = self.spent.borrow_mut();
        for thread in threads {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let nanoseconds: u64 = text.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
            let known = spent.entry(thread.file_name()).or_default();
            *known = nanoseconds.max(*known);
        }
        Duration::from_nanos(spent.values().sum())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// The number of files that it made.
    pub(crate) fn files(&self) -> u64 {
        count_files(&self.folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < GRACE && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The address in `export GOVC_URL=http://user:pass@127.0.0.1:8989/sdk GOVC_SIM_PID=1`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, url) = line.split_once("GOVC_URL=")?;
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', ' ']).next()?;
    authority.rsplit('@').next()?.parse().ok()
}

fn count_files(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let count = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => count_files(&entry.path()),
        Ok(_) => 1,
        Err(_) => 0,
    };
    entries.flatten().map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_the_ready_line() {
        for (line, address) in [
            ("export GOVC_URL=http://user:pass@127.0.0.1:8989/sdk GOVC_SIM_PID=1", Some("127.0.0.1:8989")),
            ("export GOVC_URL=http://127.0.0.1:1 GOVC_SIM_PID=1", Some("127.0.0.1:1")),
            ("hello", None),
        ] {
            assert_eq!(address_in(line).map(|address| address.to_string()).as_deref(), address, "{line}");
        }
    }
}
