//! What is to be made for a host, worked out before the engine is asked for anything.

use sha2::{Digest, Sha256};
use vimsim_registry::Snapshot;
use vimsim_types::views::{HostFileSystemMountInfo, HostSystem, HostVfatVolume, HostVmfsVolume};
use vimsim_types::{Fault, Moref, View};

use super::backing::Backed;
use super::wanted::Wanted;
use crate::objects::datastore::volume_id;
use crate::objects::host_system::default_volumes;
use crate::rules::uuid_key;

/// What is to be made.
#[derive(Clone)]
pub(crate) struct Plan {
    /// The host.
    pub(crate) host: Moref,
    /// Its name, as the container's own host name.
    pub(crate) hostname: String,
    /// The container's name.
    pub(crate) name: String,
    pub(crate) wanted: Wanted,
    pub(crate) cables: Vec<(String, Option<String>)>,
    pub(crate) volumes: Vec<Volume>,
}

/// One of the host's file systems.
#[derive(Clone)]
pub(crate) struct Volume {
    /// The volume's identifier in the engine: 64 hexadecimal digits.
    pub(crate) id: String,
    /// The host's identifier of it: the first 32 digits, in groups of 8, 8, 4 and 12.
    pub(crate) uuid: String,
    /// What the host calls it.
    pub(crate) name: String,
    pub(crate) read_only: bool,
    /// Whether it is where the system keeps its data.
    pub(crate) is_system_data: bool,
    /// What the host's properties say of it without a container.
    pub(crate) before: HostFileSystemMountInfo,
}

impl Volume {
    /// Where it is mounted.
    pub(crate) fn path(&self) -> String {
        format!("/vmfs/volumes/{}", self.uuid)
    }
}

/// What the system's data volume is called, before its identifier.
const SYSTEM_DATA: &str = "OSDATA";

impl Plan {
    /// What `wanted` means for a host, which may have a container now. `instance` makes its volumes' identifiers differ from
    /// those of other services.
    ///
    /// - As [`Wanted::cables`].
    pub(crate) fn new(
        instance: &str,
        moref: &Moref,
        host: &HostSystem,
        wanted: Wanted,
        name: String,
        backed: Option<&Backed>,
    ) -> Result<Self, Fault> {
        let config = host.config();
        let network = config.and_then(|config| config.network());
        let cables = wanted.cables(network.unwrap_or(&View::new()))?;
        let shown = config.and_then(|config| config.file_system_volume()).into_iter();
        let own: Vec<HostFileSystemMountInfo> = match backed {
            Some(backed) => backed.volumes.iter().map(|volume| volume.before.clone()).collect(),
            None => shown.flat_map(|volumes| volumes.mount_info()).filter(|mount| is_local(mount)).cloned().collect(),
        };
        let mounts = if own.is_empty() { default_volumes() } else { own };
        let volumes = mounts.into_iter().map(|mount| volume(instance, moref, mount)).collect();
        Ok(Self { host: moref.clone(), hostname: label(host.name(), 63), name, wanted, cables, volumes })
    }

    /// The container that a host had, once more.
    pub(crate) fn again(moref: &Moref, host: &HostSystem, backed: &Backed, name: String) -> Self {
        Self {
            host: moref.clone(),
            hostname: label(host.name(), 63),
            name,
            wanted: backed.wanted.clone(),
            cables: backed.cables.clone(),
            volumes: backed.volumes.clone(),
        }
    }
}

/// Whether a file system is one of the host's own disks.
fn is_local(mount: &HostFileSystemMountInfo) -> bool {
    let volume = mount.volume();
    volume.downcast::<HostVmfsVolume>().is_some_and(|volume| volume.local() != Some(false))
        || volume.downcast::<HostVfatVolume>().is_some()
}

fn volume(instance: &str, host: &Moref, mount: HostFileSystemMountInfo) -> Volume {
    let known = mount.volume().name().to_string();
    let is_system_data = known == SYSTEM_DATA || known.starts_with("OSDATA-");
    let name = if is_system_data { SYSTEM_DATA } else { &known };
    let digest: [u8; 32] = Sha256::digest(format!("{instance} {host} {name}")).into();
    let id: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let uuid = volume_id(&id);
    Volume {
        name: if is_system_data { format!("{SYSTEM_DATA}-{uuid}") } else { known },
        read_only: mount.mount_info().access_mode() == "readOnly",
        is_system_data,
        uuid,
        id,
        before: mount,
    }
}

/// `vcsim-<host name>-<uuid>`, as vcsim names it. Hosts of one name have one UUID; all but the first get another one here.
pub(crate) fn container_name(snapshot: &Snapshot, moref: &Moref, host: &HostSystem) -> String {
    let uuid = host.hardware().map_or_else(String::new, |hardware| hardware.system_info().uuid().to_string());
    let twins = snapshot.indexed(uuid_key(&uuid));
    let is_elder = |other: &Moref| other.is::<HostSystem>() && number(other) < number(moref);
    let has_elder = twins.into_iter().any(|twin| is_elder(twin.moref()));
    let uuid = if has_elder { crate::uuid::named(&format!("{moref} {}", host.name())) } else { uuid };
    format!("vcsim-{}-{uuid}", label(host.name(), 80))
}

fn number(moref: &Moref) -> u64 {
    moref.value().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// A name in the characters that engines and host names take.
fn label(name: &str, longest: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-' { c } else { '-' };
    name.chars().take(longest).map(plain).collect()
}
