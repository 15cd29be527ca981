//! Commands and files in containers.

use std::time::Duration;

use bollard::body_try_stream;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, TopOptions, UploadToContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::AsyncWriteExt;

use crate::engine::containers::env;
use crate::engine::convert::{checked, seconds};
use crate::{ByteStream, Engine, ExecOutcome, ExecSpec, PathKind, PathStat, Process, Result, RuntimeError};

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
        let docker = self.docker().await?;
        let config = ExecConfig {
            attach_stdin: Some(!spec.stdin.is_empty()),
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
        let StartExecResults::Attached { mut output, mut input } = started else {
            return Err(RuntimeError::engine("the engine detached a command"));
        };
        let write = async {
            if spec.stdin.is_empty() {
                return Ok(());
            }
            input.write_all(&spec.stdin).await?;
            input.shutdown().await
        };
        let mut outcome = ExecOutcome::default();
        let read = async {
            while let Some(part) = output.next().await {
                let (kept, message) = match part? {
                    LogOutput::StdErr { message } => (&mut outcome.stderr, message),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut outcome.stdout, message),
                    LogOutput::StdIn { .. } => continue,
                };
                let room = MOST_OUTPUT.saturating_sub(kept.len());
                kept.extend_from_slice(&message[..message.len().min(room)]);
            }
            Ok(())
        };
        let (written, result): (std::io::Result<()>, _) = futures_util::join!(write, read);
        match result {
            // A command that did not read to its end has ended; some engines then break off.
            Err(_) if written.is_err() => {}
            result => result.map_err(|error| self.error(error))?,
        }
        outcome.exit_code = self.exit_code(&id).await?;
        Ok(outcome)
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
