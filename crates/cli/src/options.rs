//! The command line, as values.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::Targets;
use vimsim_container::{Engine, ImageValue};
use vimsim_server::{Config, Delay, Limits, Tls, Trace, parse_method_delays};
use vimsim_simulator::Product;

/// An inventory of more objects is a slip of the keyboard.
const MAX_OBJECTS: u32 = 2_000_000;

/// The spread of delays is the same in every run.
const DELAY_SEED: u64 = 0;

const USAGE: &str =
    "vimsim [FLAG]...\n       vimsim uuidgen [NAME]...\n       vimsim healthz [HOST:PORT]\n       vimsim version";

const EXAMPLES: &str = "\
Examples:
  vimsim                       a vCenter at https://127.0.0.1:8989/sdk, with a cluster of 3 hosts
  vimsim -l :0 -vm 100         on a free port of every address, 100 machines per resource pool
  vimsim -esx -username root -password secret.txt
                               an ESXi host with one user, whose password is in a file
  vimsim -dc 2 -cluster 4 -host 8
                               2 datacenters with 4 clusters of 8 hosts each
  vimsim -host-container true  every host is a container, with an address that answers
  vimsim -delay 50 -delay-jitter 0.5 -method-delay PowerOn:2000
                               slow and uneven, and machines take two seconds to power on

Flags may be written -vm 10, -vm=10, --vm 10 or --vm=10. A BOOL follows its flag after `=`; the flag
alone means true. The ready line, `export GOVC_URL=... GOVC_SIM_PID=...`, can be read by a shell and
tells govc where to connect. SIGINT or SIGTERM stops the service, and a second one kills it.";

/// A simulated vCenter or ESXi: the vSphere Web Services API in one process.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "vimsim",
    version,
    override_usage = USAGE,
    after_help = EXAMPLES,
    subcommand_help_heading = "Tools",
    disable_help_subcommand = true,
    args_override_self = true
)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) service: Service,
    #[command(flatten)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) containers: Containers,
    #[command(flatten)]
    pub(crate) latency: Latency,
    #[command(flatten)]
    pub(crate) diagnosis: Diagnosis,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Something small to do instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Print a random UUID, or for each name the UUID that the inventory derives from it
    Uuidgen {
        /// A host's name, for example, or the path of a virtual machine's .vmx file
        names: Vec<String>,
    },
    /// Ask a running service whether it is well: exit code 0 if it is, 1 if not
    Healthz {
        /// Where it listens, with TLS or without
        #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:8989")]
        address: String,
    },
    /// Print the version and what it was built from
    Version,
}

/// Where we listen, and who may come in.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service")]
pub(crate) struct Service {
    /// Listen address; port 0 is any free one, and no host is every address of this machine
    #[arg(short = 'l', long = "listen", alias = "l", value_name = "HOST:PORT")]
    #[arg(default_value = "127.0.0.1:8989")]
    pub(crate) listen: String,

    /// Write the ready line to this file or FIFO; `-` is standard output
    #[arg(short = 'E', long = "env", alias = "E", value_name = "FILE", default_value = "-")]
    pub(crate) environment: PathBuf,

    /// Speak TLS
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) tls: bool,

    /// Certificate to show, a PEM file [default: self-signed, made at start]
    #[arg(long = "tlscert", value_name = "FILE")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// Private key of the certificate, a PEM file
    #[arg(long = "tlskey", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The only user who may log in; the value can be a file that holds it [default: anybody]
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,

    /// That user's password; the value can be a file that holds it
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,

    /// Port of an HTTP CONNECT tunnel to the service; 0 is any free one, -1 is none
    #[arg(long, value_name = "PORT", default_value_t = -1)]
    #[arg(value_parser = clap::value_parser!(i32).range(-1..=65535))]
    pub(crate) tunnel: i32,

    /// Largest request body that is read; K, M and G may follow
    #[arg(long, value_name = "BYTES", default_value = "64M", value_parser = byte_size)]
    pub(crate) body_limit: usize,

    /// Stop when a line, or the end, arrives at standard input
    #[arg(long = "stdinexit", value_name = "BOOL", default_value = "false", value_parser = boolean)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) stdin_exit: bool,
}

/// What is simulated. The names are vcsim's.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Inventory")]
pub(crate) struct Model {
    /// Simulate a standalone ESXi host; of the numbers below only -ds and -vm apply
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) esx: bool,

    /// Load the inventory from a directory that `govc object.save` wrote; the numbers below do not apply
    #[arg(long, value_name = "DIR")]
    pub(crate) load: Option<PathBuf>,

    /// Datacenters
    #[arg(long = "dc", value_name = "N", default_value = "1", value_parser = count)]
    pub(crate) datacenter: u32,

    /// Clusters per datacenter
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    pub(crate) cluster: u32,

    /// Hosts per cluster
    #[arg(long = "host", value_name = "N", default_value = "3", value_parser = count)]
    pub(crate) cluster_host: u32,

    /// Standalone hosts per datacenter
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    pub(crate) standalone_host: u32,

    /// Local datastores per datacenter
    #[arg(long = "ds", value_name = "N", default_value = "1", value_parser = count)]
    pub(crate) datastore: u32,

    /// Virtual machines per resource pool, vApp and standalone host
    #[arg(long = "vm", value_name = "N", default_value = "2", value_parser = count)]
    pub(crate) virtual_machine: u32,

    /// Resource pools per cluster, besides its own
    #[arg(long, value_name = "N", default_value = "0", value_parser = count)]
    pub(crate) pool: u32,

    /// vApps per cluster
    #[arg(long, value_name = "N", default_value = "0", value_parser = count)]
    pub(crate) app: u32,

    /// Storage pods per datacenter
    #[arg(long, value_name = "N", default_value = "0", value_parser = count)]
    pub(crate) pod: u32,

    /// Port groups per datacenter
    #[arg(long = "pg", value_name = "N", default_value = "1", value_parser = count)]
    pub(crate) portgroup: u32,

    /// NSX backed port groups per datacenter
    #[arg(long = "pg-nsx", value_name = "N", default_value = "0", value_parser = count)]
    pub(crate) portgroup_nsx: u32,

    /// NSX backed opaque networks per datacenter
    #[arg(long = "nsx", value_name = "N", default_value = "0", value_parser = count)]
    pub(crate) opaque_network: u32,

    /// Datacenters that lie in a folder, and have folders in their own
    #[arg(long, value_name = "N", default_value = "0", value_parser = count)]
    pub(crate) folder: u32,

    /// Power the virtual machines on
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) autostart: bool,

    /// Give each datastore a directory of this machine, which is its URL and whose files are on it [as vcsim: true]
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, hide_default_value = true)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) datastore_directories: bool,

    /// Whom to follow where vCenter and vcsim differ: vcsim where we are called by its name.
    #[arg(skip)]
    pub(crate) fidelity: vimsim_simulator::Fidelity,

    /// The vSphere API version to be [default: 8.0.3.0]
    #[arg(long, value_name = "VERSION", value_parser = api_version)]
    pub(crate) api_version: Option<String>,
}

/// Hosts with a container behind them. The engine is Docker or Podman: DOCKER_HOST, or the first of the usual sockets.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Containers")]
pub(crate) struct Containers {
    /// Put a container behind every host: an image, with or without a command, in words or as a JSON array; `true` is the
    /// default image
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub(crate) host_container: Option<String>,

    /// The default image, with or without a command [default: alpine:3.20.3 sleep infinity]
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub(crate) container_image: Option<String>,
}

/// How slow we are, on purpose.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Latency")]
pub(crate) struct Latency {
    /// Delay of every method
    #[arg(long, value_name = "MS", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u32).range(..=86_400_000))]
    pub(crate) delay: u32,

    /// Further delay of calls (PowerOnVM_Task:2000), and of tasks by vcsim's names for them (PowerOn:2000)
    #[arg(long, value_name = "METHOD:MS,...", default_value = "", hide_default_value = true)]
    #[arg(value_parser = parse_method_delays)]
    pub(crate) method_delay: BTreeMap<String, Duration>,

    /// Spread of delays, as a fraction of the delay; 0.5 is a good value to start with
    #[arg(long, value_name = "FRACTION", default_value = "0", value_parser = fraction)]
    pub(crate) delay_jitter: f64,

    /// Time from a virtual machine's start to the first word of its guest
    #[arg(long, value_name = "MS", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u32).range(..=86_400_000))]
    pub(crate) guest_delay: u32,
}

/// What we tell about ourselves.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Diagnosis")]
pub(crate) struct Diagnosis {
    /// Write SOAP requests and responses to the trace file
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) trace: bool,

    /// The trace file; naming one turns the trace on [default: standard error]
    #[arg(long, value_name = "FILE")]
    pub(crate) trace_file: Option<PathBuf>,

    /// What to log, such as `info` or `warn,vimsim_server=debug` [default: $RUST_LOG, or warn]
    #[arg(long, value_name = "FILTER", value_parser = log_filter)]
    pub(crate) log: Option<String>,

    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The one user who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Options {
    /// What no single flag can tell is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Service { tls_certificate, tls_key, .. } = &self.service;
        if tls_certificate.is_some() != tls_key.is_some() {
            return Err("-tlscert and -tlskey belong together".to_owned());
        }
        let objects = self.model.objects();
        if objects > MAX_OBJECTS.into() {
            return Err(format!("an inventory of {objects} objects is more than {MAX_OBJECTS}"));
        }
        Ok(())
    }

    /// What the server needs to know.
    pub(crate) fn server(&self) -> Config {
        let service = &self.service;
        let tls = match (service.tls, &service.tls_certificate, &service.tls_key) {
            (false, ..) => Tls::Off,
            (true, Some(certificate), Some(key)) => Tls::Files { certificate: certificate.clone(), key: key.clone() },
            (true, ..) => Tls::SelfSigned,
        };
        Config {
            listen: service.listen.clone(),
            tls,
            tunnel: u16::try_from(service.tunnel).ok(),
            limits: Limits { body: service.body_limit, ..Limits::default() },
            ..Config::default()
        }
    }

    /// What is simulated.
    pub(crate) fn simulator(
        &self,
        address: SocketAddr,
        credentials: Option<&Credentials>,
    ) -> anyhow::Result<vimsim_simulator::Config> {
        let model = &self.model;
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(vimsim_simulator::Config {
            product: if model.esx { Product::EsxHost } else { Product::VirtualCenter },
            model: vimsim_simulator::Model {
                datacenter: count(model.datacenter),
                cluster: count(model.cluster),
                cluster_host: count(model.cluster_host),
                host: count(model.standalone_host),
                datastore: count(model.datastore),
                machine: count(model.virtual_machine),
                pool: count(model.pool),
                app: count(model.app),
                pod: count(model.pod),
                portgroup: count(model.portgroup),
                portgroup_nsx: count(model.portgroup_nsx),
                opaque_network: count(model.opaque_network),
                folder: count(model.folder),
                autostart: model.autostart,
                ..vimsim_simulator::Model::default()
            },
            credentials: match credentials {
                None => vimsim_simulator::Credentials::Any,
                Some(Credentials { username, password }) => {
                    vimsim_simulator::Credentials::Fixed { user: username.clone(), password: password.clone() }
                }
            },
            api_version: model.api_version.clone().filter(|version| !version.is_empty()),
            saved: None,
            guest_delay: Duration::from_millis(self.latency.guest_delay.into()),
            task_delays: self.latency.method_delay.clone(),
            address: Some(address),
            containers: self.containers.simulator()?,
            datastore_directories: model.datastore_directories,
            fidelity: model.fidelity,
            plain_http: !self.service.tls,
            ..vimsim_simulator::Config::default()
        })
    }

    /// How long calls wait before they run.
    pub(crate) fn delay(&self) -> Delay {
        let Latency { delay, method_delay, delay_jitter, .. } = &self.latency;
        let base = Duration::from_millis((*delay).into());
        Delay::new(base, method_delay.clone(), *delay_jitter, DELAY_SEED)
    }

    /// Opens the trace.
    pub(crate) fn trace(&self) -> anyhow::Result<Trace> {
        match &self.diagnosis {
            Diagnosis { trace_file: Some(path), .. } => {
                Trace::file(path).with_context(|| format!("cannot write `{}`", path.display()))
            }
            Diagnosis { trace: true, .. } => Ok(Trace::stderr()),
            _ => Ok(Trace::off()),
        }
    }

    /// The one user who may log in; `None` lets anybody in. A password without a user name means nothing.
    pub(crate) fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let Service { username, password, .. } = &self.service;
        let Some(username) = username.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let username = secret(username)?;
        let password = secret(password.as_deref().unwrap_or_default())?;
        Ok(Some(Credentials { username, password }))
    }
}

impl Containers {
    /// What containers are made with. The engine is asked for nothing until there is a use for it.
    fn simulator(&self) -> anyhow::Result<vimsim_simulator::Containers> {
        let engine = Engine::from_environment(|name| std::env::var(name).ok());
        Ok(vimsim_simulator::Containers {
            runtime: Some(Arc::new(engine)),
            hosts: self.host_container.clone(),
            default_image: self.container_image.as_deref().map(ImageValue::parse).transpose()?,
        })
    }
}

impl Model {
    /// About how many objects this makes. No flag exceeds `MAX_OBJECTS`, so nothing here overflows.
    fn objects(&self) -> u128 {
        let [dc, cluster, host, standalone, vm] =
            [self.datacenter, self.cluster, self.cluster_host, self.standalone_host, self.virtual_machine]
                .map(u128::from);
        let [pool, app, ds] = [self.pool, self.app, self.datastore].map(u128::from);
        if self.esx {
            return ds + vm;
        }
        let networks = [self.portgroup, self.portgroup_nsx, self.opaque_network].map(u128::from);
        let others = ds + u128::from(self.pod) + networks.iter().sum::<u128>();
        let per_cluster = 1 + host + (1 + pool + app) * (1 + vm);
        dc * (1 + cluster * per_cluster + standalone * (1 + vm) + others)
    }
}

/// The trimmed contents of the file a value names, or else the value.
fn secret(value: &str) -> anyhow::Result<String> {
    use std::io::ErrorKind::PermissionDenied;
    match std::fs::read_to_string(value) {
        Ok(contents) => Ok(contents.trim().to_owned()),
        Err(error) if error.kind() == PermissionDenied => Err(error).with_context(|| format!("cannot read `{value}`")),
        Err(_) => Ok(value.to_owned()),
    }
}

/// A truth value as Go writes it.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn count(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number <= MAX_OBJECTS);
    number.ok_or_else(|| format!("expected a number from 0 to {MAX_OBJECTS}"))
}

fn fraction(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 100".to_owned())
}

fn byte_size(text: &str) -> Result<usize, String> {
    let units = [('K', 10), ('M', 20), ('G', 30)];
    let (digits, shift) =
        units.iter().find_map(|&(unit, shift)| Some((text.strip_suffix(unit)?, shift))).unwrap_or((text, 0));
    let size = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(1 << shift));
    size.ok_or_else(|| "expected a number of bytes such as 1000000 or 64M".to_owned())
}

fn api_version(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        Ok(text.to_owned())
    } else {
        Err("expected numbers and dots such as 8.0.3.0, or a word".to_owned())
    }
}

/// An image and a command, as `RUN.container` takes them.
fn image(text: &str) -> Result<String, String> {
    ImageValue::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn log_filter(text: &str) -> Result<String, String> {
    text.parse::<Targets>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
