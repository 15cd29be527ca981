//! The built binary, as a user or a script runs it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn vimsim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vimsim"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

fn output(arguments: &[&str]) -> Output {
    vimsim(arguments).output().unwrap()
}

fn check_fails(arguments: &[&str], code: i32, line: &str) {
    let output = output(arguments);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("{line}\n"));
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]));
}

/// A running service, killed when the test is over.
struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = vimsim(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Waits for the end, but not for long.
    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still running");
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_goes_to_stdout() {
    for flag in ["-h", "-help", "--help"] {
        let output = output(&[flag]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(help.starts_with("A simulated vCenter or ESXi"), "{help}");
        assert!(help.contains("Inventory:") && help.contains("Examples:"), "{help}");
    }
}

#[test]
fn version_has_three_lines() {
    let text = String::from_utf8(output(&["version"]).stdout).unwrap();
    let names: Vec<_> = text.lines().map(|line| line.split_once(':').unwrap().0).collect();
    assert_eq!(names, ["Build Version", "Build Commit", "Build Date"]);
}

#[test]
fn uuidgen_is_random_without_a_name() {
    let uuid = || String::from_utf8(output(&["uuidgen"]).stdout).unwrap();
    let (one, other) = (uuid(), uuid());
    assert_eq!((one.len(), other.len()), (37, 37));
    assert_ne!(one, other);
    let named = output(&["uuidgen", "DC0_H0"]).stdout;
    assert_eq!(named, b"efc5827c-ee19-5d35-84ef-a77d6ea6ee4c\n");
}

#[test]
fn a_wrong_command_line_is_one_line_and_exit_code_2() {
    let try_help = "(try `vimsim --help`)";
    check_fails(&["-nope"], 2, &format!("vimsim: unexpected argument '--nope' found {try_help}"));
    check_fails(
        &["-vm", "many"],
        2,
        &format!("vimsim: invalid value 'many' for '--vm <N>': expected a number from 0 to 2000000 {try_help}"),
    );
}

#[test]
fn what_cannot_run_is_one_line_and_exit_code_1() {
    check_fails(&["-l", "here"], 1, "vimsim: listen address `here` is not HOST:PORT");
    check_fails(
        &["-l", "127.0.0.1:0", "-tlscert", "no.pem", "-tlskey", "no.pem"],
        1,
        "vimsim: cannot read `no.pem`: I/O error: No such file or directory (os error 2)",
    );
    check_fails(
        &["-l", "127.0.0.1:0", "-E", "no/such/file"],
        1,
        "vimsim: cannot write `no/such/file`: No such file or directory (os error 2)",
    );
}

#[cfg(unix)]
#[test]
fn says_where_it_is_and_stops_when_told() {
    for signal in ["-INT", "-TERM"] {
        let mut running = Running::start(&["-l", "127.0.0.1:0", "-tls=false"]);
        let line = running.read_line();
        let url = line.strip_prefix("export GOVC_URL=http://user:pass@").unwrap();
        let (address, rest) = url.split_once("/sdk ").unwrap();
        assert_eq!(rest, format!("GOVC_SIM_PID={}\n", running.child.id()));

        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("ok\n"), "{answer}");

        running.signal(signal);
        assert_eq!(running.exit_code(), Some(0));
    }
}

#[test]
fn healthz_says_whether_a_service_is_well() {
    for tls in ["-tls=true", "-tls=false"] {
        let mut running = Running::start(&["-l", "127.0.0.1:0", tls]);
        let line = running.read_line();
        let (_, rest) = line.split_once('@').unwrap();
        let (address, _) = rest.split_once("/sdk ").unwrap();
        let output = output(&["healthz", address]);
        assert!(output.status.success(), "{output:?}");
    }
    let output = output(&["healthz", "127.0.0.1:1"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("vimsim: 127.0.0.1:1 is not well (with TLS: ") && text.lines().count() == 1, "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn stops_at_a_line_or_the_end_of_standard_input() {
    let start = || {
        let mut running = Running::start(&["-l", "127.0.0.1:0", "-stdinexit"]);
        assert!(running.read_line().starts_with("export GOVC_URL=https://"));
        assert_eq!(running.read_line(), "Press any key to exit\n");
        running
    };
    let mut running = start();
    running.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    assert_eq!(running.exit_code(), Some(0));
    let mut running = start();
    drop(running.child.stdin.take());
    assert_eq!(running.exit_code(), Some(0));
}

#[cfg(unix)]
#[test]
fn writes_the_ready_line_to_a_fifo_and_can_be_stopped_before() {
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ready.fifo");
    let _ = std::fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let arguments = ["-l", "127.0.0.1:0", "-tunnel", "0", "-E", path.to_str().unwrap()];

    let running = Running::start(&arguments);
    let line = std::fs::read_to_string(&path).unwrap();
    assert!(line.contains("/sdk?GOVMOMI_TUNNEL_PROXY_PORT="), "{line}");
    drop(running);

    let mut running = Running::start(&arguments); // nobody reads
    std::thread::sleep(Duration::from_millis(500));
    running.signal("-TERM");
    assert_eq!(running.exit_code(), Some(0));
}
