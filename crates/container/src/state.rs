//! What an engine answers.

use std::net::IpAddr;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::{Labels, Result, RuntimeError};

/// Which engine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineVersion {
    /// Such as `Docker Engine - Community` or `Podman Engine`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of the API that we agreed on.
    pub api_version: String,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What identifies it: engines know volumes by name only.
    pub name: String,
    /// Where it is on the engine's machine.
    pub mountpoint: String,
    /// Its labels.
    pub labels: Labels,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its driver, such as `bridge`.
    pub driver: String,
    /// Its addresses (`172.18.0.0/16`), if it has some.
    pub subnet: Option<String>,
    /// Its gateway, if it has one.
    pub gateway: Option<IpAddr>,
    /// Its labels.
    pub labels: Labels,
}

/// A container, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without the slash that engines put before it.
    pub name: String,
    /// The image's name, as given when it was made.
    pub image: String,
    /// Its host name inside.
    pub hostname: String,
    /// What it is doing.
    pub state: ContainerState,
    /// Its labels.
    pub labels: Labels,
    /// Its place in each network, in order of the networks' names. Addresses are there only while it runs.
    pub endpoints: Vec<Endpoint>,
    /// What is mounted, in order of the paths inside.
    pub mounts: Vec<MountPoint>,
}

impl Container {
    /// Its place in the network of this name.
    pub fn endpoint(&self, network: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.network == network)
    }

    /// Whether it runs and is not paused.
    pub fn is_running(&self) -> bool {
        self.state.status == Status::Running
    }
}

/// A container in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSummary {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub status: Status,
    /// Its labels.
    pub labels: Labels,
}

/// What a container is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerState {
    /// In one word.
    pub status: Status,
    /// How its last run ended, if it has.
    pub exit_code: Option<i64>,
    /// Why it could not start, if so.
    pub error: String,
    /// When it was last started (RFC 3339); empty if never.
    pub started_at: String,
    /// Its first process, in the engine's name space; 0 if it does not run.
    pub pid: i64,
}

/// A container's state in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Made and never started.
    #[default]
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// About to be started again by the engine.
    Restarting,
    /// About to be gone.
    Removing,
    /// Ended.
    Exited,
    /// Half removed.
    Dead,
}

/// A container's place in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The network's name.
    pub network: String,
    /// The network's identifier; empty before the container first runs on some engines, and its name on Podman 4.
    pub network_id: String,
    /// `02:42:ac:12:00:02`; unset while the container does not run.
    pub mac_address: Option<String>,
    /// Unset while the container does not run.
    pub address: Option<IpAddr>,
    /// The length of the network's prefix; 0 if there is no address.
    pub prefix_length: u8,
    /// The network's gateway.
    pub gateway: Option<IpAddr>,
}

/// What is mounted in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// The volume's name; none for a path of the engine's machine.
    pub volume: Option<String>,
    /// Where it is on the engine's machine.
    pub source: String,
    /// The path inside.
    pub target: String,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutcome {
    /// 0 for success; 126 and 127 when the program cannot be run.
    pub exit_code: i64,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
}

impl ExecOutcome {
    /// What it wrote, as text without the blanks around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}

/// A part of what a command writes, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecPart {
    /// Some of its output.
    Stdout(Bytes),
    /// Some of its complaints.
    Stderr(Bytes),
    /// It has ended with this: the last part.
    Exit(i64),
}

/// What a command writes, and how it ends.
pub type ExecStream = BoxStream<'static, Result<ExecPart>>;

/// A process in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// In the engine's name space.
    pub pid: i64,
    /// As whom it runs.
    pub user: String,
    /// Its command line.
    pub command: String,
}

/// A file in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStat {
    /// Its name, without the path.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// What it is.
    pub kind: PathKind,
    /// Permission bits, as in `0o755`.
    pub permissions: u32,
    /// When it was last changed, in seconds since 1970.
    pub modified: i64,
    /// Where a symbolic link leads.
    pub link_target: Option<String>,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Other,
}

/// News from the engine.
///
/// A container's event is a hint that its state has changed since; what its state is, [`inspect_container`] says. Events
/// of containers that changed twice may arrive after both changes.
///
/// [`inspect_container`]: crate::ContainerRuntime::inspect_container
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// The engine listens to us, first or again: what happens from now on is told, so look at everything once.
    Connected,
    /// The engine went away. The stream tries by itself to find it again.
    Lost(RuntimeError),
    /// Something happened to a container.
    Container(ContainerEvent),
}

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The container's identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// What happened.
    pub action: ContainerAction,
}

/// The changes of a container that are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerAction {
    /// It was made.
    Create,
    /// It runs.
    Start,
    /// Its first process ended, in whatever way.
    Die {
        /// What it returned, if known.
        exit_code: Option<i64>,
    },
    /// It is frozen.
    Pause,
    /// It goes on.
    Unpause,
    /// It is gone.
    Destroy,
    /// It joined or left a network, or has a new name.
    Change,
}
