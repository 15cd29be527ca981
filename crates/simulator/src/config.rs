//! What a simulator is told before it starts.

use std::fmt;
use std::sync::Arc;

use vimsim_container::{ContainerRuntime, ImageValue};
use vimsim_types::{Method, Moref, Object, Value};

/// Which product is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Product {
    /// A vCenter Server with an inventory of datacenters (`VPX`).
    #[default]
    VirtualCenter,
    /// One ESXi host (`ESX`).
    EsxHost,
}

/// The inventory to start with. The counts are those of `vcsim`'s flags of the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Datacenters.
    pub datacenter: usize,
    /// Clusters in each datacenter.
    pub cluster: usize,
    /// Hosts in each cluster.
    pub cluster_host: usize,
    /// Standalone hosts in each datacenter.
    pub host: usize,
    /// Local datastores in each datacenter (on `EsxHost`: of the host).
    pub datastore: usize,
    /// Virtual machines in each resource pool, standalone host and vApp (on `EsxHost`: of the host).
    pub machine: usize,
    /// Resource pools in each cluster, below its root pool.
    pub pool: usize,
    /// vApps in each cluster.
    pub app: usize,
    /// Storage pods in each datacenter.
    pub pod: usize,
    /// Distributed portgroups in each datacenter.
    pub portgroup: usize,
    /// Distributed portgroups with an NSX backing in each datacenter.
    pub portgroup_nsx: usize,
    /// Opaque NSX networks in each datacenter.
    pub opaque_network: usize,
    /// Datacenters (the last ones) that are put into folders, and whose folders get sub-folders.
    pub folder: usize,
    /// Whether the virtual machines are powered on.
    pub autostart: bool,
    /// How many virtual machines of each pool (at least one on each host) are created and started by method calls, with the
    /// tasks and events of that. The others are copies of these, which have none, and take a tenth of the time: nobody reads
    /// in thousands of events how they came to be.
    pub created: usize,
}

impl Model {
    /// The inventory of `vcsim` without flags.
    pub fn virtual_center() -> Self {
        Self {
            datacenter: 1,
            cluster: 1,
            cluster_host: 3,
            host: 1,
            datastore: 1,
            machine: 2,
            pool: 0,
            app: 0,
            pod: 0,
            portgroup: 1,
            portgroup_nsx: 0,
            opaque_network: 0,
            folder: 0,
            autostart: true,
            created: 20,
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::virtual_center()
    }
}

/// Who may log in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Anybody with a user name and a password that are not empty.
    #[default]
    Any,
    /// This user with this password.
    Fixed {
        /// The user name; `name@domain` and `DOMAIN\name` are also taken for it.
        user: String,
        /// The password.
        password: String,
    },
}

/// A managed object of a saved inventory.
#[derive(Clone, Debug)]
pub struct SavedObject {
    /// Its reference.
    pub moref: Moref,
    /// Its properties, as far as they were saved.
    pub properties: Object,
    /// What it answered to methods, where properties do not say it all.
    pub answers: Vec<(&'static Method, Value)>,
}

/// What containers are made with, and for which hosts.
#[derive(Clone, Default)]
pub struct Containers {
    /// The container engine; none if there is no use for one.
    pub runtime: Option<Arc<dyn ContainerRuntime>>,
    /// What every host of the inventory has as its option `RUN.container`; none for those that are no containers.
    pub hosts: Option<String>,
    /// The image, with or without a command, of an option that names none; none for `alpine:3.20.3 sleep infinity`.
    pub default_image: Option<ImageValue>,
}

impl Containers {
    /// The image and command of an option that names none.
    pub(crate) fn default_image(&self) -> (String, Vec<String>) {
        match &self.default_image {
            Some(ImageValue::Image { image, command }) => (image.clone(), command.clone()),
            // The image and command that vcsim has.
            _ => ("alpine:3.20.3".into(), vec!["sleep".into(), "infinity".into()]),
        }
    }
}

impl fmt::Debug for Containers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Containers")
            .field("runtime", &self.runtime.is_some())
            .field("hosts", &self.hosts)
            .field("default_image", &self.default_image)
            .finish()
    }
}

/// Whom to follow where vCenter and vcsim differ and scripts count on what vcsim does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// vCenter.
    #[default]
    VCenter,
    /// vcsim, as its scripts know it:
    /// - `about.fullName` ends with `(govmomi simulator)`;
    /// - `Task.info.name` is the method's name in VMODL (`CreateVm` for `CreateVM_Task`);
    /// - `CreateVM_Task` takes a name that another machine of the folder has;
    /// - names given by renaming, and those of portgroups, keep `/`, `\` and `%` as they are;
    /// - running machines take processors and memory without hot-add, and reserve what there is not;
    /// - machines have sizes, versions and numbers of devices that no machine can have, disks in folders that are not there,
    ///   and any file for a disk;
    /// - network adapters name no port of a distributed portgroup, however few it has, and have addresses of the type
    ///   `generated`, made of three characters of the machine's UUID;
    /// - machines start whatever has become of their disks, and whoever has them;
    /// - a host enters maintenance mode whatever runs on it, and says that it uses the same whatever that is;
    /// - property paths may begin their names with a capital; one that there is not is in `missingSet`, and no fault.
    Vcsim,
}

/// Everything a simulator is told before it starts.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What is simulated.
    pub product: Product,
    /// The inventory.
    pub model: Model,
    /// Who may log in.
    pub credentials: Credentials,
    /// The API version that is served and claimed in `about`, such as `8.0.3.0`; `None` for the default.
    pub api_version: Option<String>,
    /// A saved inventory, to start with instead of the model's. It says which product is simulated, too.
    pub saved: Option<Vec<SavedObject>>,
    /// What containers are made with, and for which hosts.
    pub containers: Containers,
    /// How long after a virtual machine was started the guest in it has come up, by the service's clock.
    pub guest_delay: std::time::Duration,
    /// How long tasks of these names take, by the service's clock. As in vcsim, the name is that of the method in VMODL, with
    /// a capital: `PowerOn` for `PowerOnVM_Task`.
    pub task_delays: std::collections::BTreeMap<String, std::time::Duration>,
    /// The address at which clients reach the service, as hosts' management address shows it.
    pub address: Option<std::net::SocketAddr>,
    /// Whether each host shows a port of its own (`summary.config.port`) instead of the service's.
    pub unique_host_ports: bool,
    /// Whether the datastores of the inventory have directories of this machine, whose paths are their URLs and whose files
    /// are on them.
    pub datastore_directories: bool,
    /// Whom to follow where vCenter and vcsim differ.
    pub fidelity: Fidelity,
    /// Whether clients reach the service over plain HTTP.
    pub plain_http: bool,
    /// The certificate (X.509, DER) that the service shows its clients; hosts have it for theirs, so that one who
    /// connects to a host finds what the vCenter said of it.
    pub certificate: Option<Vec<u8>>,
}
