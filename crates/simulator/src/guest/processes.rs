//! Programs in a guest.

use futures_util::StreamExt;
use vimsim_container::ExecPart;
use vimsim_types::views::{
    CannotAccessFile, FileNotFound, GuestOperationsFault, GuestProcessInfo, GuestProcessNotFound, NotADirectory,
};
use vimsim_types::{ArcStr, DateTime, Fault, View};

use super::access::Guest;
use super::shell;

/// How long it is known how a program ended, in seconds, as the API says.
const REMEMBERED: i64 = 5 * 60;

/// A program that a client has started.
#[derive(Clone)]
pub(super) struct Process {
    /// Tells it from another that had its number.
    serial: u64,
    pid: i64,
    name: String,
    owner: ArcStr,
    line: String,
    started: DateTime,
    ended: Option<(DateTime, i32)>,
}

impl Process {
    fn info(&self) -> GuestProcessInfo {
        GuestProcessInfo::with(|info| {
            info.set_name(&self.name).set_pid(self.pid).set_owner(&self.owner).set_cmd_line(&self.line);
            info.set_start_time(self.started);
            if let Some((time, code)) = self.ended {
                info.set_end_time(time).set_exit_code(code);
            }
        })
    }
}

/// The program, its folder or nothing, and the line that a shell is to become: as VMware Tools do, which let the shell
/// read the arguments. The number of the process goes out first, and nothing after it.
const START: &str = r#"
if [ -n "$2" ]; then
    [ -e "$2" ] || exit 74
    cd "$2" || exit 76
fi
case "$1" in
*/*) [ -e "$1" ] || exit 64; [ -x "$1" ] && [ ! -d "$1" ] || exit 77 ;;
*) command -v "$1" >/dev/null || exit 64 ;;
esac
echo $$
exec >/dev/null 2>&1
eval "exec \"\$1\" $3"
"#;

/// What runs: number, owner's number, the kernel's words, the command line; then when the computer started, and its users.
const LIST: &str = r#"
for d in /proc/[0-9]*; do
    p=${d#/proc/}
    [ "$p" = $$ ] && continue
    { read -r stat < "$d/stat"; } 2>/dev/null || continue
    u=0
    while read -r key value rest; do [ "$key" = Uid: ] && u=$value && break; done < "$d/status" 2>/dev/null
    line=$(tr '\000\011\012' '   ' < "$d/cmdline" 2>/dev/null)
    printf '%s\t%s\t%s\t%s\n' "$p" "$u" "$stat" "$line"
done
while read -r key value rest; do [ "$key" = btime ] && printf 'boot\t%s\n' "$value" && break; done < /proc/stat
[ -r /etc/passwd ] && while IFS=: read -r name x uid rest; do printf 'user\t%s\t%s\n' "$uid" "$name"; done < /etc/passwd
exit 0
"#;

/// Asks a process to end, and ends it if it does not.
const KILL: &str = r#"
kill -0 "$1" 2>/dev/null || exit 64
kill -TERM "$1" || exit 1
n=0
while kill -0 "$1" 2>/dev/null && [ $n -lt 10 ]; do
    { read -r stat < "/proc/$1/stat"; } 2>/dev/null || exit 0
    case "$stat" in *") Z "*) exit 0 ;; esac
    sleep 0.1
    n=$((n + 1))
done
kill -0 "$1" 2>/dev/null && kill -KILL "$1"
exit 0
"#;

impl Guest {
    /// Starts a program; the number of its process.
    ///
    /// - `FileNotFound` for the program or its folder, `CannotAccessFile` for what is no program; `InvalidArgument` for
    ///   environment variables that are none.
    pub(crate) async fn start(
        &self,
        program: &str,
        arguments: &str,
        folder: Option<&str>,
        environment: Vec<String>,
    ) -> Result<i64, Fault> {
        let mut spec = shell::command(START, &[program, folder.unwrap_or_default(), arguments]);
        for variable in environment {
            let Some((name, value)) = variable.split_once('=') else {
                return Err(Fault::invalid_argument("spec.envVariables", format!("'{variable}' has no value")));
            };
            spec.env.push((name.to_owned(), value.to_owned()));
        }
        let started = self.runtime()?.exec_stream(&self.container, &spec, None).await;
        let mut parts = started.map_err(|error| shell::refused(&error))?;
        let (mut line, mut words) = (Vec::new(), Vec::new());
        let pid = loop {
            match parts.next().await.transpose().map_err(|error| shell::refused(&error))? {
                Some(ExecPart::Stdout(bytes)) => line.extend_from_slice(&bytes),
                Some(ExecPart::Stderr(bytes)) => words.extend_from_slice(&bytes),
                Some(ExecPart::Exit(code)) => return Err(not_started(program, folder, code, &words)),
                None => return Err(not_started(program, folder, -1, &words)),
            }
            if let Some(end) = line.iter().position(|byte| *byte == b'\n')
                && let Ok(pid) = String::from_utf8_lossy(&line[..end]).trim().parse::<i64>()
            {
                break pid;
            }
        };
        let serial = self.note_start(pid, program, arguments);
        let service = self.service.clone();
        let machine = self.machine.value().clone();
        self.service.spawner().spawn(async move {
            // What breaks off has ended with its container.
            let code = shell::end(parts).await.map_or(-1, |outcome| i32::try_from(outcome.exit_code).unwrap_or(-1));
            let now = service.clock().now();
            let mut known = service.guests().known();
            let processes = known.processes.get_mut(&machine);
            if let Some(process) = processes.and_then(|all| all.iter_mut().find(|process| process.serial == serial)) {
                process.ended = Some((now, code));
            }
        });
        Ok(pid)
    }

    fn note_start(&self, pid: i64, program: &str, arguments: &str) -> u64 {
        let started = self.service.clock().now();
        let mut known = self.service.guests().known();
        let processes = known.processes.entry(self.machine.value().clone()).or_default();
        let serial = processes.last().map_or(0, |process| process.serial + 1);
        processes.retain(|process| process.pid != pid);
        processes.push(Process {
            serial,
            pid,
            name: program.rsplit('/').next().unwrap_or(program).to_owned(),
            owner: self.user.clone(),
            line: format!("{program} {arguments}").trim_end().to_owned(),
            started,
            ended: None,
        });
        serial
    }

    /// The programs that clients have started here, as far as they are remembered.
    fn started(&self) -> Vec<Process> {
        let now = self.service.clock().now();
        let mut known = self.service.guests().known();
        let Some(processes) = known.processes.get_mut(self.machine.value()) else { return Vec::new() };
        processes.retain(|process| process.ended.is_none_or(|(end, _)| end.plus_seconds(REMEMBERED) > now));
        processes.clone()
    }

    /// The processes of these numbers, or all: what runs, and what clients have started and has ended since.
    pub(crate) async fn list(&self, pids: &[i64]) -> Result<Vec<GuestProcessInfo>, Fault> {
        let started = self.started();
        let mut found: Vec<GuestProcessInfo> = started.iter().map(Process::info).collect();
        if pids.is_empty() || !pids.iter().all(|pid| started.iter().any(|process| process.pid == *pid)) {
            let outcome = self.run(LIST, &[]).await?;
            let running = running(&String::from_utf8_lossy(&outcome.stdout));
            found.extend(running.into_iter().filter(|info| !started.iter().any(|known| known.pid == info.pid())));
        }
        found.retain(|info| pids.is_empty() || pids.contains(&info.pid()));
        found.sort_by_key(|info| info.pid());
        Ok(found)
    }

    /// Ends a process. One that has ended already, and is remembered, is no failure, as in vcsim.
    ///
    /// - `GuestProcessNotFound`, `GuestPermissionDenied`.
    pub(crate) async fn terminate(&self, pid: i64) -> Result<(), Fault> {
        let has_ended = self.started().iter().any(|process| process.pid == pid && process.ended.is_some());
        if has_ended {
            return Ok(());
        }
        let number = pid.to_string();
        let outcome = match pid {
            1.. => self.run(KILL, &[&number]).await?,
            _ => vimsim_container::ExecOutcome { exit_code: shell::NOT_FOUND, ..Default::default() },
        };
        match outcome.exit_code {
            0 => Ok(()),
            shell::NOT_FOUND => {
                let detail = GuestProcessNotFound::with(|fault| _ = fault.set_pid(pid));
                Err(Fault::new(detail, format!("there is no process {pid} in the guest")))
            }
            _ => Err(shell::fault(&number, &outcome)),
        }
    }

    /// The environment variables of these names that the guest has, or all, as `NAME=value`.
    pub(crate) async fn environment(&self, names: &[String]) -> Result<Vec<String>, Fault> {
        let text = self.about("env", &[]).await?;
        let mut variables: Vec<String> = Vec::new();
        for line in text.lines() {
            let is_name =
                |name: &str| !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
            match (line.split_once('='), variables.last_mut()) {
                (Some((name, _)), _) if is_name(name) => variables.push(line.to_owned()),
                // A value may have lines.
                (_, Some(last)) => {
                    last.push('\n');
                    last.push_str(line);
                }
                _ => {}
            }
        }
        let name_of = |variable: &String| variable.split('=').next().unwrap_or_default().to_owned();
        // The shell's own are none of the guest's.
        variables.retain(|variable| {
            !["_", "SHLVL", "PWD", "OLDPWD"].contains(&name_of(variable).as_str()) || names.contains(&name_of(variable))
        });
        if names.is_empty() {
            return Ok(variables);
        }
        let find = |name: &String| variables.iter().find(|variable| name_of(variable) == *name).cloned();
        Ok(names.iter().filter_map(find).collect())
    }
}

fn not_started(program: &str, folder: Option<&str>, code: i64, words: &[u8]) -> Fault {
    let folder = folder.unwrap_or_default();
    match code {
        shell::NOT_FOUND => shell::about::<FileNotFound>(program, "there is no such program in the guest"),
        74 => shell::about::<FileNotFound>(folder, "there is no such directory in the guest"),
        76 => shell::about::<NotADirectory>(folder, "cannot be worked in"),
        77 => shell::about::<CannotAccessFile>(program, "cannot be run"),
        code => {
            let words = String::from_utf8_lossy(words).trim().to_owned();
            let words = if words.is_empty() { format!("the guest's shell returned {code}") } else { words };
            Fault::new(GuestOperationsFault::new(), words)
        }
    }
}

/// The processes that [`LIST`] has written.
fn running(text: &str) -> Vec<GuestProcessInfo> {
    /// How many units of the kernel's time a second has, on every Linux.
    const TICKS: i64 = 100;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let boot = rows.iter().find(|row| row[0] == "boot").and_then(|row| row.get(1)?.parse::<i64>().ok()).unwrap_or(0);
    let name_of = |uid: &str| {
        let user = rows.iter().find(|row| row[0] == "user" && row.get(1) == Some(&uid));
        user.and_then(|row| row.get(2)).map_or_else(|| uid.to_owned(), |name| (*name).to_owned())
    };
    let process = |row: &Vec<&str>| {
        let [pid, uid, stat, line] = row.as_slice() else { return None };
        let pid: i64 = pid.parse().ok()?;
        // The name is in brackets, and may have any letters.
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let ticks: i64 = rest.split_whitespace().nth(19)?.parse().ok()?;
        let line = line.trim();
        let line = if line.is_empty() { format!("[{name}]") } else { line.to_owned() };
        Some(GuestProcessInfo::with(|info| {
            info.set_name(name).set_pid(pid).set_owner(name_of(uid)).set_cmd_line(line);
            info.set_start_time(DateTime::from_micros(boot * 1_000_000 + ticks * 1_000_000 / TICKS));
        }))
    };
    rows.iter().filter_map(process).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_words_become_processes() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 0 0 0 0 20 0 1 0 250 1 2 3";
        let text =
            format!("7\t1000\t{stat}\tsleep 5 \n9\t0\t{}\t\nboot\t1000\nuser\t1000\tguest\n", stat.replace('7', "9"));
        let found = running(&text);
        let seen: Vec<_> =
            found.iter().map(|info| (info.pid(), info.owner().as_str(), info.cmd_line().as_str())).collect();
        assert_eq!(seen, [(7, "guest", "sleep 5"), (9, "0", "[a) b]")]);
        assert_eq!((found[0].name().as_str(), found[0].start_time().micros()), ("a) b", 1_002_500_000));
    }
}
