//! VMFS volumes on LUNs, and the datastores that they are.

use vimsim_registry::Transaction;
use vimsim_types::enums::HostMountMode;
use vimsim_types::views::{
    Datacenter, Datastore, DatastoreDiscoveredEvent, DatastoreEventArgument, HostDiskPartitionAttributes,
    HostFileSystemMountInfo, HostScsiDiskPartition, HostSystem, HostVmfsSpec, HostVmfsVolume, VmfsDatastoreInfo,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, Value, View};

use super::{Lun, SECTOR, VMFS, all, named, refused};
use crate::call::Call;
use crate::objects::{datastore, host_system};
use crate::walk::descendants;

/// What VMFS divides its LUNs in: the rest at the end is not used.
const UNIT: i64 = 256 << 20;
/// The smallest volume.
const LEAST: i64 = 1_300 << 20;
/// The largest file with a raw device's mapping: 64 TiB, and 62 TiB if it is virtual, as other disks are.
const LARGEST_FILE: i64 = 64 << 40;
const LARGEST_DISK: i64 = 62 << 40;

/// The bytes that a volume has of a partition.
///
/// - `HostConfigFault` if these are too few.
pub(super) fn capacity(partition: &HostDiskPartitionAttributes) -> Result<i64, Fault> {
    let size = (partition.end_sector() - partition.start_sector() + 1).saturating_mul(SECTOR);
    if *partition.type_() != VMFS || size < LEAST {
        let number = partition.partition();
        return Err(refused(format!(
            "a VMFS volume needs {LEAST} bytes of type '{VMFS}'; the partition {number} is not"
        )));
    }
    Ok(size / UNIT * UNIT)
}

pub(super) fn extent(disk: &str, partition: i32) -> HostScsiDiskPartition {
    HostScsiDiskPartition::with(|extent| _ = extent.set_disk_name(disk).set_partition(partition))
}

/// What a new volume is, on this partition.
pub(super) fn volume(
    lun: &Lun,
    partition: &HostDiskPartitionAttributes,
    spec: &HostVmfsSpec,
    name: &str,
) -> Result<HostVmfsVolume, Fault> {
    let number = partition.partition();
    let (owner, disk) = lun.key();
    let mut volume = host_system::vmfs_volume(name, capacity(partition)?);
    volume.set_uuid(datastore::volume_id(&crate::uuid::named(&format!("{owner}/{disk}/{number}/{name}"))));
    volume.set_extent([extent(&disk, number)]).set_local(lun.is_local()).set_ssd(lun.disk.ssd());
    match spec.major_version() {
        6 => {
            volume.set_block_size(spec.block_size().or(Some(1_024)));
            volume.set_unmap_priority(spec.unmap_priority().map_or("low", |priority| priority));
        }
        5 => {
            volume.set_major_version(5).set_version("5.81");
            let unset = [
                HostVmfsVolume::UNMAP_GRANULARITY,
                HostVmfsVolume::UNMAP_PRIORITY,
                HostVmfsVolume::UNMAP_BANDWIDTH_SPEC,
            ];
            unset.into_iter().for_each(|slot| volume.as_object_mut().set(slot, Value::Unset));
        }
        other => return Err(refused(format!("hosts make volumes of VMFS 5 and 6, not {other}"))),
    }
    Ok(volume)
}

/// Adds the datastore that a new volume is, and mounts it where its LUNs are seen. `host` has made it.
pub(super) fn add<T>(
    call: &mut Call<'_, T>,
    host: &Moref,
    folder: &Moref,
    name: &str,
    volume: HostVmfsVolume,
) -> Result<Moref, Fault> {
    let capacity = volume.capacity();
    let info = VmfsDatastoreInfo::with(|info| {
        info.set_url(format!("ds:///vmfs/volumes/{}/", volume.uuid()));
        info.set_max_physical_rdm_file_size(LARGEST_FILE).set_max_virtual_rdm_file_size(LARGEST_DISK);
        info.set_vmfs(volume.clone());
    });
    let moref = datastore::create(call, folder, name, "VMFS", info)?;
    set_capacity(call.edit::<Datastore>(&moref)?, capacity);
    for other in hosts(call, host, &volume) {
        mount(call, &moref, &other, &volume)?;
        if other != *host {
            discovered(call, &moref, &other)?;
        }
    }
    Ok(moref)
}

pub(super) fn set_capacity(datastore: &mut Datastore, capacity: i64) {
    datastore::set_capacity(datastore, capacity);
    let info = datastore.info_mut();
    info.set_max_file_size(LARGEST_FILE).set_max_memory_file_size(LARGEST_FILE);
    info.set_max_virtual_disk_capacity(LARGEST_DISK);
}

/// The hosts that see the volume: its own one if it is local, else those of the datacenter that have all of its LUNs.
fn hosts<T>(call: &Call<'_, T>, host: &Moref, volume: &HostVmfsVolume) -> Vec<Moref> {
    let datacenter = call.datacenter_of(host).and_then(|datacenter| call.view::<Datacenter>(&datacenter));
    let Some(datacenter) = datacenter.filter(|_| volume.local() == Some(false)) else { return vec![host.clone()] };
    let mut hosts = Vec::new();
    descendants(&**call, &datacenter.host_folder(), true, &mut |moref| {
        if moref.is::<HostSystem>() && sees(call, moref, volume) {
            hosts.push(moref.clone());
        }
    });
    hosts
}

fn sees(transaction: &Transaction, host: &Moref, volume: &HostVmfsVolume) -> bool {
    let shared: Vec<ArcStr> = all(transaction, host).iter().filter(|lun| !lun.is_local()).map(Lun::name).collect();
    volume.extent().iter().all(|extent| shared.contains(extent.disk_name()))
}

fn mount<T>(call: &mut Call<'_, T>, moref: &Moref, host: &Moref, volume: &HostVmfsVolume) -> Result<(), Fault> {
    let path = format!("/vmfs/volumes/{}", volume.uuid());
    datastore::mount(call, moref, host, &path, HostMountMode::ReadWrite.name())?;
    let mut shown = host_system::mounted(volume.clone());
    shown.mount_info_mut().set_path(path);
    call.edit::<HostSystem>(host)?.config_mut().file_system_volume_mut().push_mount_info(shown);
    Ok(())
}

/// Tells that a host has come to see a datastore.
fn discovered<T>(call: &mut Call<'_, T>, moref: &Moref, host: &Moref) -> Result<(), Fault> {
    let argument = argument(call, moref)?;
    call.post(host, DatastoreDiscoveredEvent::with(|event| _ = event.set_datastore(argument)))
}

pub(super) fn argument<T>(call: &Call<'_, T>, moref: &Moref) -> Result<DatastoreEventArgument, Fault> {
    let datastore = call.get::<Datastore>(moref)?;
    Ok(DatastoreEventArgument::with(|argument| {
        argument.set_datastore(moref.clone()).set_name(datastore.name());
    }))
}

/// The volume that a datastore is.
pub(super) fn of(datastore: &Datastore) -> Option<&HostVmfsVolume> {
    datastore.info().downcast::<VmfsDatastoreInfo>()?.vmfs()
}

/// Whether the datastore is a VMFS volume.
pub(crate) fn is_volume(datastore: &Datastore) -> bool {
    of(datastore).is_some()
}

/// Mounts the volumes that a new host of the datacenter sees.
pub(crate) fn discover<T>(call: &mut Call<'_, T>, host: &Moref) -> Result<(), Fault> {
    let datacenter = call.datacenter_of(host).and_then(|datacenter| call.view::<Datacenter>(&datacenter));
    let datastores = datacenter.into_iter().flat_map(|datacenter| datacenter.datastore());
    let known = datastores.filter_map(|moref| Some((moref.clone(), of(call.view::<Datastore>(&moref)?)?.clone())));
    let known: Vec<_> = known.filter(|(_, volume)| volume.local() == Some(false)).collect();
    for (moref, volume) in known {
        let is_mounted = call.get::<HostSystem>(host)?.datastore().contains(&moref);
        if !is_mounted && sees(call, host, &volume) {
            mount(call, &moref, host, &volume)?;
            discovered(call, &moref, host)?;
        }
    }
    Ok(())
}

/// Frees the LUNs of a datastore that is destroyed, if it is a volume: hosts show it no more, and its partitions are gone.
pub(crate) fn free<T>(call: &mut Call<'_, T>, datastore: &Datastore) -> Result<(), Fault> {
    let Some(volume) = of(datastore) else { return Ok(()) };
    for host in datastore.host().iter().map(|mount| mount.key()) {
        for extent in volume.extent() {
            let Some(lun) = named(call, &host, extent.disk_name()) else { continue };
            let mut left = lun.partitions(call);
            left.retain(|partition| partition.partition() != extent.partition());
            lun.set_partitions(call, left)?;
        }
        let shown = call.edit::<HostSystem>(&host)?.config_mut().file_system_volume_mut();
        shown.mount_info_mut().retain(|mount| !is_mount_of(mount, volume.uuid()));
    }
    Ok(())
}

/// Whether this is where the volume is mounted.
pub(super) fn is_mount_of(mount: &HostFileSystemMountInfo, uuid: &str) -> bool {
    mount.volume().downcast::<HostVmfsVolume>().is_some_and(|volume| *volume.uuid() == uuid)
}

/// Gives a volume the new name of its datastore, wherever it is shown.
pub(crate) fn rename(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let datastore = transaction.get::<Datastore>(moref)?;
    let Some(mut volume) = of(datastore).cloned() else { return Ok(()) };
    volume.set_name(datastore.name());
    write(transaction, moref, &volume)
}

/// Writes a volume that has changed wherever it is shown.
pub(super) fn write(transaction: &mut Transaction, moref: &Moref, volume: &HostVmfsVolume) -> Result<(), Fault> {
    let datastore = transaction.edit::<Datastore>(moref)?;
    let hosts: Vec<Moref> = datastore.host().iter().map(|mount| mount.key()).collect();
    if let Some(info) = datastore.info_mut().downcast_mut::<VmfsDatastoreInfo>() {
        info.set_vmfs(volume.clone());
    }
    for host in hosts {
        let shown = transaction.edit::<HostSystem>(&host)?.config_mut().file_system_volume_mut();
        for mount in shown.mount_info_mut().iter_mut().filter(|mount| is_mount_of(mount, volume.uuid())) {
            mount.set_volume(volume.clone());
        }
    }
    Ok(())
}
