//! The project's chores: `cargo xtask --help`.

mod bench;
mod codegen;
mod engine;
mod kinds;
mod names;
mod schema;
mod shape;
mod test;
mod tidy;
mod viewed;

use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "The project's chores")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the tables and views from wsdl/*.schema, and the list of managed objects from their files
    Codegen {
        /// Write nothing; fail if a generated file is not current
        #[arg(long)]
        check: bool,
    },
    /// Write COVERAGE.md: every method of the schema, and whether it is simulated
    Coverage {
        /// Write nothing; fail if the file is not current
        #[arg(long)]
        check: bool,
    },
    /// Run every check and test there is, as CI does; needs Python 3 with venv for the conformance tests
    Test {
        /// Only these steps, by their names
        steps: Vec<String>,
    },
    /// Build the images of docker/ in the container engine, without a network; needs busybox-static
    Images {
        /// Optimise the service, as for real use
        #[arg(long)]
        release: bool,
    },
    /// Look for what does not belong in the repository
    Tidy,
    /// Measure vimsim, beside any other vcsim-compatible binary that is named
    Bench(bench::Arguments),
    /// Measure a clean check and a clean release build of the workspace
    BuildTime,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Codegen { check } => codegen(check),
        Command::Coverage { check } => coverage(check),
        Command::Test { steps } => test::run(&steps),
        Command::Images { release } => engine::images(release),
        Command::Tidy => tidy::run(),
        Command::Bench(arguments) => bench::run(arguments),
        Command::BuildTime => build_time(),
    }
}

/// The top of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/xtask is two levels down").into()
}

/// A command to run at the top of the repository.
fn process(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Process {
    let mut process = Process::new(program);
    process.args(arguments).current_dir(root());
    process
}

fn codegen(check: bool) -> Result<()> {
    let schema = schema::Schema::load(&root().join("wsdl"))?;
    let folder = root().join("crates/types/src/generated");
    let objects = root().join("crates/simulator/src/objects");
    let generated = codegen::generate(&schema)?.into_iter().map(|(name, text)| (folder.join(name), text));
    let generated = generated.chain([(objects.join("mod.rs"), kinds::generate(&objects)?)]);
    update(generated, check, "cargo xtask codegen")
}

fn coverage(check: bool) -> Result<()> {
    let output =
        process("cargo", &["run", "--quiet", "--package", "vimsim-simulator", "--example", "coverage"]).output()?;
    if !output.status.success() {
        bail!("cannot tell the coverage: {}", String::from_utf8_lossy(&output.stderr));
    }
    update([(root().join("COVERAGE.md"), String::from_utf8(output.stdout)?)], check, "cargo xtask coverage")
}

/// Writes the files that are not current, or with `check` says which those are.
fn update(files: impl IntoIterator<Item = (PathBuf, String)>, check: bool, command: &str) -> Result<()> {
    let mut stale = Vec::new();
    for (path, text) in files {
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            stale.push(path.display().to_string());
            if !check {
                std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    if check && !stale.is_empty() {
        bail!("not current: {}; run `{command}`", stale.join(", "));
    }
    Ok(())
}

/// Budgets: 2 minutes for the check, 4 for the build, on two cores.
fn build_time() -> Result<()> {
    let target = root().join("target/build-time");
    for arguments in [&["check", "--workspace"][..], &["build", "--workspace", "--release"]] {
        std::fs::remove_dir_all(&target).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let begun = Instant::now();
        let status = process("cargo", arguments).arg("--quiet").env("CARGO_TARGET_DIR", &target).status()?;
        if !status.success() {
            bail!("cargo {} failed", arguments.join(" "));
        }
        let cores = std::thread::available_parallelism()?;
        eprintln!("clean cargo {}: {:.0} s on {cores} cores", arguments.join(" "), begun.elapsed().as_secs_f64());
    }
    std::fs::remove_dir_all(&target)?;
    Ok(())
}
