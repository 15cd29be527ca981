//! The LUNs that hosts see: how they are partitioned, which are free, and the VMFS volumes on them.
//!
//! A LUN is a `HostScsiDisk` of a host's `config.storageDevice`. A local one is its host's own; any other is one and the
//! same on all hosts that show it by this canonical name. A VMFS volume is made once, and mounted by all hosts of its
//! datacenter that see each of its LUNs, also by those that are added later.
//!
//! The tables of partitions are kept beside all properties; volumes are their datastores' `info`.
// Fidelity: vCenter lists a volume that hosts of two datacenters see as a datastore of each. Here the hosts of the other
// datacenter see that the LUN is in use, and do not mount it.

mod datastore_system;
mod devices;
mod iscsi;
mod iscsi_adapter;
mod multipath;
mod partitions;
mod storage_system;
mod volume;

use std::collections::BTreeMap;
use std::sync::Arc;

use vimsim_registry::Transaction;
use vimsim_types::views::{
    HostConfigFault, HostDiskPartitionAttributes, HostScsiDisk, HostSystem, HostVmfsVolume, NotFound,
    VirtualDiskRawDiskMappingVer1BackingInfo, VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::automation;
use crate::objects::host_system;

pub(crate) use datastore_system::add as add_to_datastore_system;
pub(crate) use partitions::partition;
pub(crate) use storage_system::add as add_to_storage_system;
pub(crate) use volume::{discover, free, is_volume, rename};

/// The bytes of the sectors that partitions are counted in.
pub(crate) const SECTOR: i64 = 512;

/// The type of a partition that VMFS is on.
const VMFS: &str = "vmfs";

/// The partitions of the LUNs that somebody has partitioned, by the host that has the LUN for itself, if one does, and the
/// LUN's canonical name.
#[derive(Clone, Default)]
pub(crate) struct Tables(BTreeMap<(ArcStr, ArcStr), Arc<[HostDiskPartitionAttributes]>>);

/// A LUN as a host sees it.
#[derive(Clone)]
struct Lun {
    host: Moref,
    disk: HostScsiDisk,
}

impl Lun {
    fn name(&self) -> ArcStr {
        self.disk.canonical_name().cloned().unwrap_or_default()
    }

    fn is_local(&self) -> bool {
        // What does not say is a disk of its host's.
        self.disk.local_disk() != Some(false)
    }

    fn sectors(&self) -> i64 {
        let size = self.disk.capacity();
        size.block().saturating_mul(i64::from(size.block_size())) / SECTOR
    }

    fn is_attached(&self) -> bool {
        self.disk.operational_state().iter().any(|state| *state == "ok")
    }

    /// What tells the LUN from all others.
    fn key(&self) -> (ArcStr, ArcStr) {
        (if self.is_local() { self.host.value().clone() } else { ArcStr::new() }, self.name())
    }

    fn partitions(&self, transaction: &Transaction) -> Vec<HostDiskPartitionAttributes> {
        let kept = automation::written(transaction).and_then(|kept| kept.luns.0.get(&self.key()));
        match kept {
            Some(kept) => kept.to_vec(),
            None => host_system::boot_partitions(&self.name()),
        }
    }

    /// Writes down how the LUN is partitioned.
    fn set_partitions(
        &self,
        transaction: &mut Transaction,
        partitions: Vec<HostDiskPartitionAttributes>,
    ) -> Result<(), Fault> {
        let tables = &mut automation::edit(transaction)?.luns.0;
        tables.insert(self.key(), partitions.into());
        Ok(())
    }

    /// Whether a VMFS volume is on it, or a virtual machine of the host has it for a disk.
    fn is_in_use(&self, transaction: &Transaction) -> bool {
        let name = self.name();
        self.partitions(transaction).iter().any(|partition| *partition.type_() == VMFS)
            || volumes(transaction, &self.host).iter().any(|volume| is_on(volume, &name))
            || self.is_mapped(transaction)
            || self.is_of_vsan(transaction)
    }

    /// Whether it is in a disk group of vSAN.
    fn is_of_vsan(&self, transaction: &Transaction) -> bool {
        let name = self.name();
        let host = transaction.view::<HostSystem>(&self.host);
        let info = host.and_then(|host| host.config()?.vsan_host_config()?.storage_info());
        let mut disks = info
            .into_iter()
            .flat_map(|info| info.disk_mapping())
            .flat_map(|group| std::iter::once(group.ssd()).chain(group.non_ssd().iter()));
        disks.any(|disk| disk.canonical_name().is_some_and(|own| *own == name))
    }

    fn is_mapped(&self, transaction: &Transaction) -> bool {
        let Some(host) = transaction.view::<HostSystem>(&self.host) else { return false };
        let is_this = |raw: &VirtualDiskRawDiskMappingVer1BackingInfo| {
            raw.lun_uuid().is_some_and(|uuid| uuid == self.disk.uuid())
                || raw.device_name().is_some_and(|name| name.ends_with(self.name().as_str()))
        };
        host.vm().iter().filter_map(|machine| transaction.view::<VirtualMachine>(&machine)).any(|machine| {
            let devices = machine.config().map(|config| config.hardware().device());
            let mut backings = devices.iter().flat_map(|devices| devices.iter()).filter_map(|device| device.backing());
            backings.any(|backing| backing.downcast::<VirtualDiskRawDiskMappingVer1BackingInfo>().is_some_and(is_this))
        })
    }
}

/// Forgets how the LUNs were partitioned that only this host had.
pub(crate) fn forget_host(transaction: &mut Transaction, host: &Moref) -> Result<(), Fault> {
    let is_known = |tables: &Tables| tables.0.keys().any(|(owner, _)| owner == host.value());
    if automation::written(transaction).is_some_and(|kept| is_known(&kept.luns)) {
        automation::edit(transaction)?.luns.0.retain(|(owner, _), _| owner != host.value());
    }
    Ok(())
}

/// The LUNs that a host sees.
fn all(transaction: &Transaction, host: &Moref) -> Vec<Lun> {
    let device = transaction.view::<HostSystem>(host).and_then(|host| host.config()?.storage_device());
    let disks =
        device.into_iter().flat_map(|device| device.scsi_lun()).filter_map(|lun| lun.downcast::<HostScsiDisk>());
    disks.map(|disk| Lun { host: host.clone(), disk: disk.clone() }).collect()
}

/// The disks that a host sees.
pub(crate) fn disks(transaction: &Transaction, host: &Moref) -> Vec<HostScsiDisk> {
    all(transaction, host).into_iter().map(|lun| lun.disk).collect()
}

/// Whether something is on the host's disk of this canonical name.
pub(crate) fn is_in_use(transaction: &Transaction, host: &Moref, name: &str) -> bool {
    named(transaction, host, name).is_some_and(|lun| lun.is_in_use(transaction))
}

/// The host's LUN of this canonical name.
fn named(transaction: &Transaction, host: &Moref, name: &str) -> Option<Lun> {
    all(transaction, host).into_iter().find(|lun| lun.name() == name)
}

/// The host's LUN of this UUID.
///
/// - `NotFound`.
fn by_uuid(transaction: &Transaction, host: &Moref, uuid: &str) -> Result<Lun, Fault> {
    let found = all(transaction, host).into_iter().find(|lun| *lun.disk.uuid() == uuid);
    found.ok_or_else(|| not_found("LUN with the UUID", uuid))
}

/// The host's LUN at this path.
///
/// - `NotFound`.
fn at(transaction: &Transaction, host: &Moref, path: &str) -> Result<Lun, Fault> {
    let found = all(transaction, host).into_iter().find(|lun| *lun.disk.device_path() == path);
    found.ok_or_else(|| not_found("LUN at", path))
}

/// The VMFS volumes that a host shows.
fn volumes(transaction: &Transaction, host: &Moref) -> Vec<HostVmfsVolume> {
    let shown = transaction.view::<HostSystem>(host).and_then(|host| host.config()?.file_system_volume());
    let mounts = shown.into_iter().flat_map(|shown| shown.mount_info());
    mounts.filter_map(|mount| mount.volume().downcast::<HostVmfsVolume>().cloned()).collect()
}

/// Whether part of the volume is on the LUN of this name.
fn is_on(volume: &HostVmfsVolume, name: &str) -> bool {
    volume.extent().iter().any(|extent| *extent.disk_name() == name)
}

fn not_found(what: &str, id: &str) -> Fault {
    Fault::new(NotFound::new(), format!("the host has no {what} '{id}'"))
}

fn refused(why: impl Into<String>) -> Fault {
    Fault::new(HostConfigFault::new(), why.into())
}
