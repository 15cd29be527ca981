//! How one service knows whether another still lives.
//!
//! What a service makes carries a label that says which process it is: its number, when it was started, in which
//! process name space, since which start of the machine's kernel, and in which container, if the engine knows it. Numbers
//! of processes are used again, but not with the same start; name spaces' numbers are used again only when all in them is
//! dead. Who cannot see that process (it is in another name space, or on another machine) asks the engine about its container,
//! or looks whether its name space has any process left; and where that is no answer either, the service counts as alive.

use serde::{Deserialize, Serialize};

use crate::{ContainerRuntime, Result, RuntimeError, Status};

/// The process name space that a machine's kernel starts with.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// A process, so that others can look for it. Empty texts and zeros where the system does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The machine, however often it is started; nothing in containers, which may all say the same.
    machine: Option<String>,
    /// The start of the machine's kernel.
    boot: String,
    /// The process name space.
    namespace: String,
    pid: i32,
    /// When the process was started, in ticks since the kernel's start.
    started: u64,
    /// The container that it runs in, if it runs in one of this engine.
    container: Option<OwnContainer>,
}

/// A container, and when it was last started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OwnContainer {
    id: String,
    started: String,
}

/// Whether a service still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    Dead,
    /// Nobody here can tell.
    Unsure,
}

impl Identity {
    /// This process, as this engine sees it.
    pub(crate) async fn of_this_process(runtime: &dyn ContainerRuntime) -> Result<Self> {
        let mut identity = Self::of_process(rustix::process::getpid().as_raw_pid());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if let Some(id) = container_of(&mounts) {
            match runtime.inspect_container(id).await {
                Ok(seen) => identity.container = Some(OwnContainer { id: seen.id, started: seen.state.started_at }),
                Err(RuntimeError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(identity)
    }

    /// A process of this name space.
    fn of_process(pid: i32) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let namespace = link.to_string_lossy().into_owned();
        let is_contained = !namespace.is_empty() && namespace != FIRST_NAMESPACE;
        Self {
            machine: (!is_contained).then(|| machine(&read("/etc/machine-id"))),
            boot: read("/proc/sys/kernel/random/boot_id"),
            namespace,
            pid,
            started: start_of(pid).unwrap_or_default(),
            container: None,
        }
    }

    /// The label's value.
    pub(crate) fn to_label(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written")
    }

    /// Reads a label's value.
    pub(crate) fn from_label(label: &str) -> Option<Self> {
        serde_json::from_str(label).ok()
    }

    /// Whether another service lives, as far as this one can see.
    pub(crate) async fn judge(&self, other: &Self, runtime: &dyn ContainerRuntime) -> Verdict {
        if (&self.boot, &self.namespace, &self.machine) == (&other.boot, &other.namespace, &other.machine) {
            return if is_running(other.pid, other.started) { Verdict::Alive } else { Verdict::Dead };
        }
        if let Some(container) = &other.container {
            return match runtime.inspect_container(&container.id).await {
                Ok(seen) if seen.state.started_at != container.started => Verdict::Dead,
                Ok(seen) => match seen.state.status {
                    Status::Running | Status::Paused => Verdict::Alive,
                    _ => Verdict::Dead,
                },
                Err(RuntimeError::NotFound { .. }) => Verdict::Dead,
                Err(_) => Verdict::Unsure,
            };
        }
        if self.boot == other.boot && self.namespace == FIRST_NAMESPACE {
            return match is_populated(&other.namespace) {
                Some(false) => Verdict::Dead,
                _ => Verdict::Unsure,
            };
        }
        let is_earlier_boot = self.machine.is_some() && self.machine == other.machine && self.boot != other.boot;
        if is_earlier_boot { Verdict::Dead } else { Verdict::Unsure }
    }
}

/// A number for this machine, from what it does not tell everybody and its name.
fn machine(machine_id: &str) -> String {
    let name = rustix::system::uname();
    let bytes = machine_id.bytes().chain(*b"/").chain(name.nodename().to_bytes().iter().copied());
    // FNV-1a.
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// When a process was started. Nothing if there is none, it has ended and nobody has noticed yet, or no `/proc` tells.
fn start_of(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may have blanks and brackets in it.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// Whether the process of this number is the one that was started then. Who may not look counts it as running.
fn is_running(pid: i32, started: u64) -> bool {
    if let Some(start) = start_of(pid) {
        return start == started;
    }
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return false };
    match rustix::process::test_kill_process(pid) {
        // Without `/proc` there is no better answer; with it, it is a process that has ended and nobody has noticed.
        Ok(()) => !std::path::Path::new("/proc/self/stat").exists(),
        Err(rustix::io::Errno::PERM) => true,
        Err(_) => false,
    }
}

/// Whether a process name space of this machine has a process in it, if that can be seen: the first name space sees them all, but
/// only root may look.
fn is_populated(namespace: &str) -> Option<bool> {
    for entry in std::fs::read_dir("/proc").ok()? {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // The first process is in the first name space, and may be hidden even from root.
        if name == "1" || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        match std::fs::read_link(entry.path().join("ns/pid")) {
            Ok(link) if link.to_string_lossy() == namespace => return Some(true),
            Ok(_) => {}
            // It has ended meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(false)
}

/// The container that a process with these mounts runs in: engines mount `/etc/hostname` from a folder of its name.
fn container_of(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_ours = matches!(point, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf");
        is_ours.then(|| root.split('/').find(is_id))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContainerSpec, MemoryRuntime, Removal};

    fn check(verdict: Verdict, expected: Verdict) {
        assert_eq!(verdict, expected);
    }

    #[tokio::test]
    async fn sees_processes_live_and_die() {
        let runtime = MemoryRuntime::new();
        let this = Identity::of_this_process(&runtime).await.unwrap();
        check(this.judge(&this, &runtime).await, Verdict::Alive);
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let other = Identity::of_process(child.id() as i32);
        assert_eq!(Identity::from_label(&other.to_label()), Some(other.clone()));
        check(this.judge(&other, &runtime).await, Verdict::Alive);
        let earlier = Identity { started: other.started - 1, ..other.clone() };
        check(this.judge(&earlier, &runtime).await, Verdict::Dead);
        child.kill().unwrap();
        // Nobody has waited for it yet: it is dead all the same, as soon as the signal has arrived.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while this.judge(&other, &runtime).await != Verdict::Dead {
            assert!(std::time::Instant::now() < deadline, "it lives on");
            tokio::task::yield_now().await;
        }
        child.wait().unwrap();
        check(this.judge(&other, &runtime).await, Verdict::Dead);
    }

    #[tokio::test]
    async fn leaves_other_machines_alone() {
        let runtime = MemoryRuntime::new();
        let this = Identity { machine: Some("one".into()), ..Identity::of_process(1) };
        let elsewhere = Identity { machine: Some("two".into()), boot: "other".into(), ..this.clone() };
        check(this.judge(&elsewhere, &runtime).await, Verdict::Unsure);
        let before = Identity { boot: "before".into(), ..this.clone() };
        check(this.judge(&before, &runtime).await, Verdict::Dead);
        let contained = Identity { machine: None, namespace: "pid:[1]".into(), ..elsewhere.clone() };
        check(this.judge(&contained, &runtime).await, Verdict::Unsure);
    }

    #[tokio::test]
    async fn asks_the_engine_about_containers() {
        let runtime = MemoryRuntime::new();
        runtime.add_image("vimsim");
        let spec = ContainerSpec { name: "service".into(), image: "vimsim".into(), ..ContainerSpec::default() };
        let id = runtime.create_container(&spec).await.unwrap();
        runtime.start_container(&id).await.unwrap();
        let started = runtime.inspect_container(&id).await.unwrap().state.started_at;
        let this = Identity::of_process(1);
        let other = Identity {
            namespace: "pid:[1]".into(),
            container: Some(OwnContainer { id: id.clone(), started }),
            ..this.clone()
        };
        check(this.judge(&other, &runtime).await, Verdict::Alive);
        runtime.lose();
        check(this.judge(&other, &runtime).await, Verdict::Unsure);
        runtime.come_back();
        runtime.stop_container(&id, 1).await.unwrap();
        check(this.judge(&other, &runtime).await, Verdict::Dead);
        runtime.start_container(&id).await.unwrap();
        check(this.judge(&other, &runtime).await, Verdict::Dead);
        runtime.remove_container(&id, Removal::ALL).await.unwrap();
        check(this.judge(&other, &runtime).await, Verdict::Dead);
    }

    #[tokio::test]
    async fn sees_into_other_name_spaces_only_from_above() {
        let runtime = MemoryRuntime::new();
        let empty = Identity { machine: None, namespace: "pid:[1]".into(), ..Identity::of_process(1) };
        let below = Identity { namespace: "pid:[2]".into(), ..empty.clone() };
        check(below.judge(&empty, &runtime).await, Verdict::Unsure);
        let above = Identity { namespace: FIRST_NAMESPACE.into(), ..empty.clone() };
        let expected = if is_populated(&empty.namespace).is_some() { Verdict::Dead } else { Verdict::Unsure };
        check(above.judge(&empty, &runtime).await, expected);
        assert_ne!(is_populated(&Identity::of_process(1).namespace), Some(false), "this process is in it");
    }

    #[test]
    fn finds_the_own_container() {
        let id = "0123456789abcdef".repeat(4);
        let inside =
            format!("812 800 254:0 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/vda rw");
        assert_eq!(container_of(&inside), Some(id.as_str()));
        let outside = format!("90 30 0:50 / /var/lib/docker/containers/{id}/mounts/shm rw - tmpfs shm rw");
        assert_eq!(container_of(&outside), None);
    }
}
