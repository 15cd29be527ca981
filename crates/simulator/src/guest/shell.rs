//! Scripts in a guest.

use futures_util::StreamExt;
use vimsim_container::{ContainerRuntime, ExecOutcome, ExecSpec, RuntimeError};
use vimsim_types::views::{
    CannotAccessFile, DirectoryNotEmpty, FileAlreadyExists, FileFault, FileNotFound, GuestOperationsFault,
    GuestOperationsUnavailable, GuestPermissionDenied, NoDiskSpace, NotADirectory, NotAFile,
};
use vimsim_types::{Fault, View};

use super::access::Guest;

/// How scripts say what is wrong with a path: by what they return.
pub(super) const NOT_FOUND: i64 = 64;
const EXISTS: i64 = 65;
const NO_DIRECTORY: i64 = 66;
const NO_FILE: i64 = 67;
const NOT_EMPTY: i64 = 68;

/// What the engine refuses, as a fault of a guest operation.
pub(super) fn refused(error: &RuntimeError) -> Fault {
    let words = error.to_string();
    match error {
        // It has stopped, or gone, since the machine was looked at.
        RuntimeError::Conflict { .. } | RuntimeError::NotFound { .. } | RuntimeError::NoEngine { .. } => {
            Fault::new(GuestOperationsUnavailable::new(), words)
        }
        _ => Fault::new(GuestOperationsFault::new(), words),
    }
}

/// A fault about a file.
pub(super) fn about<F>(path: &str, words: impl std::fmt::Display) -> Fault
where
    F: View + std::ops::Deref<Target = FileFault> + std::ops::DerefMut,
{
    Fault::new(F::with(|fault| _ = fault.set_file(path)), format!("{path}: {words}"))
}

/// What a script's failure says of a path.
pub(super) fn fault(path: &str, outcome: &ExecOutcome) -> Fault {
    let words = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
    match outcome.exit_code {
        NOT_FOUND => about::<FileNotFound>(path, "there is no such file or directory in the guest"),
        EXISTS => about::<FileAlreadyExists>(path, "there is such a file or directory in the guest already"),
        NO_DIRECTORY => about::<NotADirectory>(path, "is no directory"),
        NO_FILE => about::<NotAFile>(path, "is no file"),
        NOT_EMPTY => about::<DirectoryNotEmpty>(path, "is not empty"),
        _ if words.contains("Permission denied") || words.contains("not permitted") => {
            Fault::new(GuestPermissionDenied::new(), words)
        }
        _ if words.contains("Read-only file system") => about::<CannotAccessFile>(path, words),
        _ if words.contains("No space left") => about::<NoDiskSpace>(path, words),
        code => {
            let words = if words.is_empty() { format!("the command returned {code}") } else { words };
            Fault::new(GuestOperationsFault::new(), words)
        }
    }
}

/// The words of a command that runs a script with these arguments (`$1`, `$2`, ...).
pub(super) fn command(script: &str, arguments: &[&str]) -> ExecSpec {
    ExecSpec::new(["sh", "-c", script, "sh"].into_iter().chain(arguments.iter().copied()))
}

impl Guest {
    /// The engine that the guest is in.
    pub(super) fn runtime(&self) -> Result<&dyn ContainerRuntime, Fault> {
        self.service.engine().runtime()
    }

    /// Runs a script, whatever it returns.
    pub(super) async fn run(&self, script: &str, arguments: &[&str]) -> Result<ExecOutcome, Fault> {
        let spec = command(script, arguments);
        self.runtime()?.exec(&self.container, &spec).await.map_err(|error| refused(&error))
    }

    /// Runs a script about a path, its first argument: what it writes, or what its failure says.
    pub(super) async fn about(&self, script: &str, arguments: &[&str]) -> Result<String, Fault> {
        let outcome = self.run(script, arguments).await?;
        match outcome.exit_code {
            0 => Ok(String::from_utf8_lossy(&outcome.stdout).into_owned()),
            _ => Err(fault(arguments.first().copied().unwrap_or_default(), &outcome)),
        }
    }
}

/// The end of a command whose output is of no use.
pub(super) async fn end(mut parts: vimsim_container::ExecStream) -> Result<ExecOutcome, RuntimeError> {
    let mut outcome = ExecOutcome::default();
    while let Some(part) = parts.next().await {
        match part? {
            vimsim_container::ExecPart::Exit(code) => outcome.exit_code = code,
            vimsim_container::ExecPart::Stderr(words) if outcome.stderr.len() < 4096 => {
                outcome.stderr.extend_from_slice(&words);
            }
            _ => {}
        }
    }
    Ok(outcome)
}
