//! Commands and files in containers.

use std::pin::Pin;
use std::time::Duration;

use bollard::body_try_stream;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, TopOptions, UploadToContainerOptions,
};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use tokio::io::AsyncWriteExt;

use crate::engine::containers::env;
use crate::engine::convert::{checked, seconds};
use crate::{
    ByteStream, Engine, ExecOutcome, ExecPart, ExecSpec, ExecStream, PathKind, PathStat, Process, Result, RuntimeError,
};

/// Of what a command writes, so much is kept of each stream.
const MOST_OUTPUT: usize = 64 << 20;
/// So long after the end of its output may a command still run.
const EXIT_PATIENCE: Duration = Duration::from_secs(10);

// Go's bits for a file's kind.
const DIRECTORY: u32 = 1 << 31;
const LINK: u32 = 1 << 27;
const ANY_KIND: u32 = DIRECTORY | LINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;

impl Engine {
    pub(super) async fn run(&self, container: &str, spec: &ExecSpec) -> Result<ExecOutcome> {
        let mut parts = self.run_stream(container, spec, None).await?;
        let mut outcome = ExecOutcome::default();
        while let Some(part) = parts.next().await {
            let (kept, message) = match part? {
                ExecPart::Stdout(message) => (&mut outcome.stdout, message),
                ExecPart::Stderr(message) => (&mut outcome.stderr, message),
                ExecPart::Exit(code) => {
                    outcome.exit_code = code;
                    break;
                }
            };
            let room = MOST_OUTPUT.saturating_sub(kept.len());
            kept.extend_from_slice(&message[..message.len().min(room)]);
        }
        Ok(outcome)
    }

    /// The command is told what it reads, and answers what it writes, at the same time.
    pub(super) async fn run_stream(
        &self,
        container: &str,
        spec: &ExecSpec,
        stdin: Option<ByteStream>,
    ) -> Result<ExecStream> {
        let docker = self.docker().await?;
        let reads = stdin.is_some() || !spec.stdin.is_empty();
        let config = ExecConfig {
            attach_stdin: Some(reads),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: (!spec.env.is_empty()).then(|| env(&spec.env)),
            cmd: Some(spec.command.clone()),
            user: spec.user.clone(),
            working_dir: spec.working_dir.clone(),
            ..ExecConfig::default()
        };
        let id = docker.create_exec(checked(container)?, config).await.map_err(|error| self.error(error))?.id;
        let started = docker.start_exec(&id, None::<StartExecOptions>).await.map_err(|error| self.error(error))?;
        let StartExecResults::Attached { output, mut input } = started else {
            return Err(RuntimeError::engine("the engine detached a command"));
        };
        let given = (!spec.stdin.is_empty()).then(|| Ok(spec.stdin.clone().into()));
        let mut given = stream::iter(given).chain(stdin.unwrap_or_else(|| stream::empty().boxed()));
        let write = async move {
            while reads && let Some(part) = given.next().await {
                input.write_all(&part?).await?;
            }
            if reads { input.shutdown().await } else { Ok(()) }
        };
        // Nothing is written where nothing is read; the connection's half stays open until the command has ended.
        let write: BoxFuture<'static, std::io::Result<()>> = write.boxed();
        let engine = self.clone();
        let running = Running { engine, id, output, write: Some(write), written: None, is_over: false };
        Ok(stream::unfold(running, |mut running| async move {
            let part = running.next().await?;
            Some((part, running))
        })
        .boxed())
    }

    /// The engine notices a command's end a moment after the end of its output.
    async fn exit_code(&self, exec: &str) -> Result<i64> {
        let docker = self.docker().await?;
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(2);
        loop {
            let seen = docker.inspect_exec(exec).await.map_err(|error| self.error(error))?;
            if seen.running != Some(true) && seen.exit_code.is_some() {
                return Ok(seen.exit_code.unwrap_or_default());
            }
            if waited > EXIT_PATIENCE {
                return Err(RuntimeError::engine("the command closed its output and goes on"));
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    pub(super) async fn top(&self, container: &str) -> Result<Vec<Process>> {
        let options = TopOptions { ps_args: "-ef".into() };
        let top = self.docker().await?.top_processes(checked(container)?, Some(options)).await;
        let top = top.map_err(|error| self.error(error))?;
        Ok(processes(top.titles.unwrap_or_default(), top.processes.unwrap_or_default()))
    }

    pub(super) async fn put(&self, container: &str, directory: &str, tar: ByteStream) -> Result<()> {
        let options = UploadToContainerOptions { path: directory.into(), ..UploadToContainerOptions::default() };
        let docker = self.docker().await?;
        let sent = docker.upload_to_container(checked(container)?, Some(options), body_try_stream(tar)).await;
        sent.map_err(|error| self.error(error))
    }

    /// Waits for the first bytes, so that a path that is not there is an error and not an empty stream.
    pub(super) async fn get(&self, container: &str, path: &str) -> Result<ByteStream> {
        let options = DownloadFromContainerOptions { path: path.into() };
        let docker = self.docker().await?;
        let container = checked(container)?.to_owned();
        let mut bytes = Box::pin(docker.download_from_container(&container, Some(options)));
        let first = bytes.next().await.transpose().map_err(|error| self.error(error))?;
        let rest = bytes.map_err(std::io::Error::other);
        Ok(stream::iter(first.map(Ok)).chain(rest).boxed())
    }

    pub(super) async fn stat(&self, container: &str, path: &str) -> Result<PathStat> {
        let options = ContainerArchiveInfoOptions { path: path.into() };
        let docker = self.docker().await?;
        let seen = docker.get_container_archive_info(checked(container)?, Some(options)).await;
        let seen = seen.map_err(|error| match self.error(error) {
            // An answer without a body has no words.
            RuntimeError::NotFound { message } if message.is_empty() => {
                RuntimeError::not_found(format!("no such path in {container}: {path}"))
            }
            error => error,
        })?;
        let kind = match seen.file_mode & ANY_KIND {
            0 => PathKind::File,
            kind if kind & DIRECTORY != 0 => PathKind::Directory,
            kind if kind & LINK != 0 => PathKind::Link,
            _ => PathKind::Other,
        };
        Ok(PathStat {
            name: seen.name,
            size: seen.size.max(0) as u64,
            kind,
            permissions: seen.file_mode & 0o777,
            modified: seen.modification_time.and_then(|time| seconds(&time)).unwrap_or_default(),
            link_target: Some(seen.link_target).filter(|target| !target.is_empty() && kind == PathKind::Link),
        })
    }
}

/// A command that runs.
struct Running {
    engine: Engine,
    id: String,
    output: Pin<Box<dyn Stream<Item = std::result::Result<LogOutput, bollard::errors::Error>> + Send>>,
    /// What it is yet to read.
    write: Option<BoxFuture<'static, std::io::Result<()>>>,
    written: Option<std::io::Result<()>>,
    is_over: bool,
}

impl Running {
    /// The next part of what it writes; none after its end.
    async fn next(&mut self) -> Option<Result<ExecPart>> {
        loop {
            if self.is_over {
                return None;
            }
            let part = match &mut self.write {
                Some(write) => tokio::select! {
                    written = write => {
                        self.written = Some(written);
                        self.write = None;
                        continue;
                    }
                    part = self.output.next() => part,
                },
                None => self.output.next().await,
            };
            match part {
                Some(Ok(LogOutput::StdErr { message })) => return Some(Ok(ExecPart::Stderr(message))),
                Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => {
                    return Some(Ok(ExecPart::Stdout(message)));
                }
                Some(Ok(LogOutput::StdIn { .. })) => {}
                // A command that did not read to its end has ended; some engines then break off.
                Some(Err(error)) if self.write.is_none() && !matches!(self.written, Some(Err(_))) => {
                    self.is_over = true;
                    return Some(Err(self.engine.error(error)));
                }
                Some(Err(_)) | None => {
                    self.is_over = true;
                    self.write = None;
                    return Some(self.engine.exit_code(&self.id).await.map(ExecPart::Exit));
                }
            }
        }
    }
}

/// The processes of a table. Podman may answer each of its lines as one text.
fn processes(titles: Vec<String>, rows: Vec<Vec<String>>) -> Vec<Process> {
    let titles: Vec<&str> = titles.iter().flat_map(|titles| titles.split_whitespace()).collect();
    let column = |names: &[&str]| titles.iter().position(|title| names.contains(title));
    let (pid, user) = (column(&["PID"]), column(&["USER", "UID"]));
    let command = column(&["COMMAND", "CMD", "ARGS"]);
    let process = |row: Vec<String>| {
        let words: Vec<&str> = match row.as_slice() {
            [line] => words(line, titles.len()),
            fields => fields.iter().map(String::as_str).collect(),
        };
        let field = |column: Option<usize>| column.and_then(|column| words.get(column)).copied().unwrap_or_default();
        Process {
            pid: field(pid).parse().unwrap_or_default(),
            user: field(user).to_owned(),
            command: field(command).to_owned(),
        }
    };
    rows.into_iter().map(process).collect()
}

/// A line's words, the last of which has all the rest.
fn words(line: &str, count: usize) -> Vec<&str> {
    let mut rest = line.trim();
    let mut words = Vec::new();
    while words.len() + 1 < count {
        let Some((word, more)) = rest.split_once(char::is_whitespace) else { break };
        words.push(word);
        rest = more.trim_start();
    }
    words.push(rest);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_processes_is_read() {
        let text = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        let expected = [Process { pid: 12, user: "root".into(), command: "sleep 100 200".into() }];
        let docker = processes(text(&["UID", "PID", "CMD"]), vec![text(&["root", "12", "sleep 100 200"])]);
        assert_eq!(docker, expected);
        let podman = processes(text(&["PID   USER     COMMAND"]), vec![text(&["12 root     sleep 100 200"])]);
        assert_eq!(podman, expected);
    }
}
