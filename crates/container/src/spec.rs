//! What is asked of an engine.

use std::net::IpAddr;

use crate::Labels;

/// A volume to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Its name, unique in the engine.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// A bridge network to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name. Engines allow duplicates; we join what has the name.
    pub name: String,
    /// Its labels, if it has to be made.
    pub labels: Labels,
    /// Its addresses, such as `10.1.0.0/24`; without one, the engine chooses.
    pub subnet: Option<String>,
}

/// A container to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Its name, unique in the engine.
    pub name: String,
    /// The image's name.
    pub image: String,
    /// The command's words; none for the image's own.
    pub command: Vec<String>,
    /// Environment variables, as names and values.
    pub env: Vec<(String, String)>,
    /// Its labels.
    pub labels: Labels,
    /// What is mounted where.
    pub mounts: Vec<Mount>,
    /// Names of the networks it joins, in this order; none for the engine's default network.
    pub networks: Vec<String>,
    /// Ports published on the engine's machine.
    pub ports: Vec<Port>,
    /// The host name inside; without one, the engine's choice.
    pub hostname: Option<String>,
    /// Paths with a file system in memory, and its options (`size=64m`, or empty).
    pub tmpfs: Vec<(String, String)>,
    /// The signal that asks it to stop, such as `SIGKILL`; without one, the image's.
    pub stop_signal: Option<String>,
    /// Whether the engine runs its small init as process 1, which passes signals on and reaps the dead.
    pub init: bool,
    /// The program that the command is given to; without one, the image's.
    pub entrypoint: Vec<String>,
    /// As whom it runs; without one, as the image says.
    pub user: Option<String>,
    /// Where it runs; without one, where the image says.
    pub working_dir: Option<String>,
    /// Whether it may do all that the engine's machine can.
    pub privileged: bool,
    /// What it may do beside the usual, such as `NET_ADMIN`.
    pub capabilities: Vec<String>,
    /// The addresses of its name servers; none for the engine's choice.
    pub name_servers: Vec<String>,
    /// More lines of its `/etc/hosts`, as `name:address`.
    pub hosts: Vec<String>,
    /// Whether its first process has a terminal.
    pub terminal: bool,
}

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// A volume's name or, when it begins with a slash, a path on the engine's machine.
    pub source: String,
    /// The path inside.
    pub target: String,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The port inside.
    pub container: u16,
    /// The port outside; without one, the engine chooses.
    pub host: Option<u16>,
    /// The address outside; without one, all of the machine's.
    pub host_address: Option<IpAddr>,
    /// Its protocol.
    pub protocol: Protocol,
}

/// A published port's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// How a container is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Kill it first if it runs.
    pub force: bool,
    /// Remove its anonymous volumes, too.
    pub volumes: bool,
}

impl Removal {
    /// Whatever it is doing, with everything that is only its own.
    pub const ALL: Self = Self { force: true, volumes: true };
}

/// A command to run in a running container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSpec {
    /// The command's words; the first is the program.
    pub command: Vec<String>,
    /// Environment variables, as names and values.
    pub env: Vec<(String, String)>,
    /// Where it runs; without one, the image's working directory.
    pub working_dir: Option<String>,
    /// As whom it runs (`name`, `uid`, `uid:gid`); without one, as the container's user.
    pub user: Option<String>,
    /// What it reads; without it, its standard input is empty.
    pub stdin: Vec<u8>,
}

impl ExecSpec {
    /// A command without anything else.
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}
