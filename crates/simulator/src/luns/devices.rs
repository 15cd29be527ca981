//! What `HostStorageSystem` does with disks and volumes beside partitions: names, marks, many at once, and the user for NFS.

use vimsim_types::enums::HostVmfsVolumeUnmapPriority;
use vimsim_types::method::{
    AttachScsiLunExTask, AttachVmfsExtent, ChangeNFSUserPassword, ClearNFSUser, DetachScsiLunExTask, ExpandVmfsExtent,
    MarkAsLocalTask, MarkAsNonLocalTask, MarkAsNonSsdTask, MarkAsSsdTask, MarkPerenniallyReserved,
    MountVmfsVolumeExTask, QueryAvailableSsds, QueryNFSUser, SetNFSUser, UnmountVmfsVolumeExTask,
    UpdateScsiLunDisplayName, UpdateVmfsUnmapBandwidth, UpdateVmfsUnmapPriority, UpgradeVmfs,
};
use vimsim_types::views::{
    Datastore, DuplicateName, HostDiskPartitionAttributes, HostNasVolumeUserInfo, HostScsiDisk, HostScsiDiskPartition,
    HostStorageSystem, HostStorageSystemScsiLunResult, HostStorageSystemVmfsVolumeResult, HostSystem, HostVmfsVolume,
    InvalidName, ScsiLun,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::storage_system::{System, connected, datastore_of, set_attached, set_mounted};
use super::{Lun, all, by_uuid, named, not_found, refused, volume, volumes};
use crate::call::Look;
use crate::kind::Kind;
use crate::objects::host_managers::{edit_config, keep, kept, look_host};

/// Adds the methods.
pub(super) fn add(kind: Kind<HostStorageSystem>) -> Kind<HostStorageSystem> {
    kind.write(set_display_name)
        .write(mark_as_ssd)
        .write(mark_as_non_ssd)
        .write(mark_as_local)
        .write(mark_as_non_local)
        .write(mark_reserved)
        .write(attach_all)
        .write(detach_all)
        .write(mount_all)
        .write(unmount_all)
        .write(expand)
        .write(attach_extent)
        .write(upgrade)
        .write(set_unmap_priority)
        .write(set_unmap_bandwidth)
        .write(query_ssds)
        .write(set_user)
        .write(change_password)
        .read(query_user)
        .write(clear_user)
}

/// Changes what a LUN of the host shows.
fn edit_lun(call: &mut System<'_>, uuid: &str, edit: &dyn Fn(&mut ScsiLun)) -> Result<(), Fault> {
    let device = edit_config(call)?.storage_device_mut();
    device.scsi_lun_mut().iter_mut().filter(|lun| *lun.uuid() == uuid).for_each(edit);
    Ok(())
}

/// Gives a LUN another name to be shown by.
///
/// - `NotFound`; `InvalidName` for a name that is empty or too long; `DuplicateName` if another LUN has it;
/// - `HostConfigFault` for a device whose name is not kept anywhere.
fn set_display_name(call: &mut System<'_>, request: UpdateScsiLunDisplayName) -> Result<(), Fault> {
    let (uuid, name) = (request.lun_uuid(), request.display_name());
    let device = edit_config(call)?.storage_device_mut();
    let known = device.scsi_lun().iter().find(|lun| lun.uuid() == uuid);
    let known = known.ok_or_else(|| not_found("LUN with the UUID", uuid))?;
    if !known.capabilities().is_some_and(|can| can.update_display_name_supported()) {
        return Err(refused(format!("the name of '{}' cannot be changed", known.canonical_name().map_or("", |it| it))));
    }
    if name.is_empty() || name.len() > 255 {
        let detail = InvalidName::with(|fault| _ = fault.set_name(name));
        return Err(Fault::new(detail, format!("'{name}' is no name of a LUN")));
    }
    if device.scsi_lun().iter().any(|lun| lun.uuid() != uuid && lun.display_name() == Some(name)) {
        let detail = DuplicateName::with(|fault| _ = fault.set_name(name));
        return Err(Fault::new(detail, format!("another LUN has the name '{name}'")));
    }
    edit_lun(call, uuid, &|lun| _ = lun.set_display_name(name))
}

/// Changes what a disk is said to be, as a task.
///
/// - `NotFound`; as a fault of the task, `HostConfigFault` for a disk in use whose hosts would be others.
fn mark(call: &mut System<'_>, uuid: &ArcStr, ssd: Option<bool>, local: Option<bool>) -> Result<Moref, Fault> {
    let host = connected(call)?;
    by_uuid(call, &host, uuid)?;
    let uuid = uuid.clone();
    call.start_task(move |call| {
        let lun = by_uuid(call, &host, &uuid)?;
        let changes_hosts = local.is_some_and(|local| local != lun.is_local());
        if changes_hosts && (lun.is_in_use(call) || !lun.partitions(call).is_empty()) {
            return Err(refused(format!("the LUN '{}' is in use", lun.name())));
        }
        edit_lun(call, &uuid, &|lun| {
            let Some(disk) = lun.downcast_mut::<HostScsiDisk>() else { return };
            if ssd.is_some() {
                disk.set_ssd(ssd);
            }
            if local.is_some() {
                disk.set_local_disk(local);
            }
        })
    })
}

/// Has a disk count as a flash disk; faults as [`mark`].
fn mark_as_ssd(call: &mut System<'_>, request: MarkAsSsdTask) -> Result<Moref, Fault> {
    mark(call, request.scsi_disk_uuid(), Some(true), None)
}

/// Has a disk count as no flash disk; faults as [`mark`].
fn mark_as_non_ssd(call: &mut System<'_>, request: MarkAsNonSsdTask) -> Result<Moref, Fault> {
    mark(call, request.scsi_disk_uuid(), Some(false), None)
}

/// Has a disk count as its host's own; faults as [`mark`].
fn mark_as_local(call: &mut System<'_>, request: MarkAsLocalTask) -> Result<Moref, Fault> {
    mark(call, request.scsi_disk_uuid(), None, Some(true))
}

/// Has a disk count as one that hosts share; faults as [`mark`].
fn mark_as_non_local(call: &mut System<'_>, request: MarkAsNonLocalTask) -> Result<Moref, Fault> {
    mark(call, request.scsi_disk_uuid(), None, Some(false))
}

/// Says whether a cluster of guests keeps a LUN reserved, so that hosts do not wait for it when they start.
///
/// - `NotFound`.
fn mark_reserved(call: &mut System<'_>, request: MarkPerenniallyReserved) -> Result<(), Fault> {
    let host = connected(call)?;
    by_uuid(call, &host, request.lun_uuid())?;
    edit_lun(call, request.lun_uuid(), &|lun| _ = lun.set_perennially_reserved(request.state()))
}

/// Attaches or detaches each LUN for itself: the task's result says which failed.
fn change_luns(call: &mut System<'_>, uuids: Vec<ArcStr>, is_attached: bool) -> Result<Moref, Fault> {
    connected(call)?;
    call.start_task(move |call| {
        let mut results = Vec::new();
        for uuid in uuids {
            let outcome = set_attached(call, &uuid, is_attached);
            results.push(HostStorageSystemScsiLunResult::with(|result| {
                result.set_key(uuid);
                if let Err(fault) = outcome {
                    result.set_fault(fault.localized());
                }
            }));
        }
        Ok(results)
    })
}

/// Attaches LUNs again, each for itself.
fn attach_all(call: &mut System<'_>, request: AttachScsiLunExTask) -> Result<Moref, Fault> {
    change_luns(call, request.lun_uuid().iter().cloned().collect(), true)
}

/// Detaches LUNs, each for itself.
fn detach_all(call: &mut System<'_>, request: DetachScsiLunExTask) -> Result<Moref, Fault> {
    change_luns(call, request.lun_uuid().iter().cloned().collect(), false)
}

/// Mounts or unmounts each volume for itself: the task's result says which failed.
fn change_volumes(call: &mut System<'_>, uuids: Vec<ArcStr>, is_mounted: bool) -> Result<Moref, Fault> {
    connected(call)?;
    call.start_task(move |call| {
        let mut results = Vec::new();
        for uuid in uuids {
            let outcome = set_mounted(call, &uuid, is_mounted);
            results.push(HostStorageSystemVmfsVolumeResult::with(|result| {
                result.set_key(uuid);
                if let Err(fault) = outcome {
                    result.set_fault(fault.localized());
                }
            }));
        }
        Ok(results)
    })
}

/// Mounts volumes again, each for itself.
fn mount_all(call: &mut System<'_>, request: MountVmfsVolumeExTask) -> Result<Moref, Fault> {
    change_volumes(call, request.vmfs_uuid().iter().cloned().collect(), true)
}

/// Unmounts volumes, each for itself.
fn unmount_all(call: &mut System<'_>, request: UnmountVmfsVolumeExTask) -> Result<Moref, Fault> {
    change_volumes(call, request.vmfs_uuid().iter().cloned().collect(), false)
}

/// The volume of the host that is mounted at a path, and its datastore.
///
/// - `NotFound`; `HostConfigFault` for a volume that is no datastore.
fn mounted_at(call: &System<'_>, host: &Moref, path: &str) -> Result<(HostVmfsVolume, Moref), Fault> {
    let uuid = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_it = |volume: &HostVmfsVolume| *volume.uuid() == uuid || *volume.name() == uuid;
    let volume = volumes(call, host).into_iter().find(is_it).ok_or_else(|| not_found("volume at", path))?;
    let datastore = datastore_of(call, host, volume.uuid());
    let datastore = datastore.ok_or_else(|| refused(format!("the volume '{}' is no datastore", volume.name())))?;
    Ok((volume, datastore))
}

/// The partition that an extent is.
fn partition_of(call: &System<'_>, lun: &Lun, number: i32) -> Result<HostDiskPartitionAttributes, Fault> {
    let found = lun.partitions(call).into_iter().find(|partition| partition.partition() == number);
    found.ok_or_else(|| refused(format!("the LUN '{}' has no partition {number}", lun.name())))
}

fn lun_of(call: &System<'_>, host: &Moref, extent: &HostScsiDiskPartition) -> Result<Lun, Fault> {
    named(call, host, extent.disk_name()).ok_or_else(|| not_found("LUN", extent.disk_name()))
}

fn set_capacity(call: &mut System<'_>, moref: &Moref, volume: &HostVmfsVolume) -> Result<(), Fault> {
    volume::write(call, moref, volume)?;
    volume::set_capacity(call.edit::<Datastore>(moref)?, volume.capacity());
    Ok(())
}

/// Has a volume use all of a partition of it that has become larger.
///
/// - `NotFound` for a volume or LUN that there is not; `HostConfigFault` for a partition that is not the volume's.
fn expand(call: &mut System<'_>, request: ExpandVmfsExtent) -> Result<(), Fault> {
    let host = connected(call)?;
    let (mut volume, datastore) = mounted_at(call, &host, request.vmfs_path())?;
    lun_of(call, &host, request.extent())?;
    if !volume.extent().iter().any(|known| known.as_object() == request.extent().as_object()) {
        return Err(refused(format!("the partition {} is not the volume's", request.extent().partition())));
    }
    let mut capacity = 0;
    for extent in volume.extent() {
        let lun = lun_of(call, &host, extent)?;
        capacity += volume::capacity(&partition_of(call, &lun, extent.partition())?)?;
    }
    let capacity = capacity.max(volume.capacity());
    volume.set_capacity(capacity);
    set_capacity(call, &datastore, &volume)
}

/// Adds a partition of another LUN to a volume.
///
/// - `NotFound` for a volume or LUN that there is not; `HostConfigFault` for a partition that there is not, is not VMFS's, is
///   too small, or has a volume, and for a LUN that not all hosts of the volume see.
fn attach_extent(call: &mut System<'_>, request: AttachVmfsExtent) -> Result<(), Fault> {
    let host = connected(call)?;
    let (mut volume, datastore) = mounted_at(call, &host, request.vmfs_path())?;
    let extent = request.extent();
    let lun = lun_of(call, &host, extent)?;
    let added = volume::capacity(&partition_of(call, &lun, extent.partition())?)?;
    let is_taken = |volume: &HostVmfsVolume| volume.extent().iter().any(|it| it.as_object() == extent.as_object());
    if volumes(call, &host).iter().any(is_taken) || !lun.is_attached() {
        return Err(refused(format!("the partition {} of '{}' is in use", extent.partition(), lun.name())));
    }
    if lun.is_local() != volume.local().unwrap_or(true) {
        return Err(refused("a volume is on local LUNs or on shared ones, not on both"));
    }
    volume.push_extent(extent.clone());
    let capacity = volume.capacity().saturating_add(added);
    volume.set_capacity(capacity);
    set_capacity(call, &datastore, &volume)
}

/// Has a volume be one of the next version. None of those that hosts make can be: from VMFS 5 no way leads to VMFS 6.
///
/// - `NotFound` for a volume that there is not; `HostConfigFault` for any other.
fn upgrade(call: &mut System<'_>, request: UpgradeVmfs) -> Result<(), Fault> {
    let host = connected(call)?;
    let (volume, _) = mounted_at(call, &host, request.vmfs_path())?;
    Err(refused(format!("VMFS {} cannot be upgraded", volume.major_version())))
}

/// The volume of this UUID, and its datastore.
///
/// - `NotFound`; `HostConfigFault` for one that does not give space back by itself.
fn unmappable(call: &System<'_>, uuid: &str) -> Result<(HostVmfsVolume, Moref), Fault> {
    let host = connected(call)?;
    let found = volumes(call, &host).into_iter().find(|volume| *volume.uuid() == uuid);
    let volume = found.ok_or_else(|| not_found("volume", uuid))?;
    let datastore = datastore_of(call, &host, uuid).filter(|_| volume.major_version() >= 6);
    let datastore = datastore.ok_or_else(|| refused(format!("the volume '{uuid}' does not give space back")))?;
    Ok((volume, datastore))
}

/// Changes how eagerly a volume gives space back that is free.
///
/// - `NotFound`; `InvalidArgument` for a priority that there is not; `HostConfigFault` for a volume that does not do it.
fn set_unmap_priority(call: &mut System<'_>, request: UpdateVmfsUnmapPriority) -> Result<(), Fault> {
    if HostVmfsVolumeUnmapPriority::from_name(request.unmap_priority()).is_none() {
        let why = format!("there is no priority '{}'", request.unmap_priority());
        return Err(Fault::invalid_argument("unmapPriority", why));
    }
    let (mut volume, datastore) = unmappable(call, request.vmfs_uuid())?;
    volume.set_unmap_priority(request.unmap_priority());
    volume::write(call, &datastore, &volume)
}

/// Changes how many MB a second a volume gives back.
///
/// - `NotFound`; `InvalidArgument` for a policy that there is not; `HostConfigFault` for a volume that does not do it.
fn set_unmap_bandwidth(call: &mut System<'_>, request: UpdateVmfsUnmapBandwidth) -> Result<(), Fault> {
    let wanted = request.unmap_bandwidth_spec();
    let rate = 0..=2_000;
    let is_fine = match wanted.policy().as_str() {
        "fixed" => rate.contains(&wanted.fixed_value()),
        "dynamic" => {
            rate.contains(&wanted.dynamic_min()) && (wanted.dynamic_min()..=2_000).contains(&wanted.dynamic_max())
        }
        _ => false,
    };
    if !is_fine {
        return Err(Fault::invalid_argument("unmapBandwidthSpec", "is no bandwidth that a volume can have"));
    }
    let (mut volume, datastore) = unmappable(call, request.vmfs_uuid())?;
    volume.set_unmap_bandwidth_spec(wanted.clone());
    volume::write(call, &datastore, &volume)
}

/// The host's own flash disks that are free.
///
/// - `NotFound` for a flash volume: there are none.
fn query_ssds(call: &mut System<'_>, request: QueryAvailableSsds) -> Result<Vec<HostScsiDisk>, Fault> {
    let host = connected(call)?;
    if let Some(path) = request.vffs_path().filter(|path| !path.is_empty()) {
        return Err(not_found("flash volume at", path));
    }
    let is_free = |lun: &Lun| lun.is_local() && lun.is_attached() && lun.partitions(call).is_empty();
    let disks = all(call, &host).into_iter().filter(|lun| lun.disk.ssd() == Some(true) && is_free(lun));
    Ok(disks.map(|lun| lun.disk).collect())
}

/// As whom the host uses NFS 4.1 with Kerberos. The password opens nothing here, so nobody keeps it.
struct NfsUser(ArcStr);

/// Says as whom the host uses NFS 4.1 with Kerberos.
///
/// - `HostConfigFault` for a user without a name.
fn set_user(call: &mut System<'_>, request: SetNFSUser) -> Result<(), Fault> {
    connected(call)?;
    if request.user().is_empty() {
        return Err(refused("the user has no name"));
    }
    let this = call.moref();
    keep(call, &this, Some(NfsUser(request.user().clone())))
}

fn user<'a>(inventory: &'a impl crate::walk::Inventory, storage: &Moref) -> Option<&'a NfsUser> {
    kept::<Option<NfsUser>>(inventory, storage)?.as_ref()
}

/// Gives the user another password.
///
/// - `NotFound` if there is no user.
fn change_password(call: &mut System<'_>, _: ChangeNFSUserPassword) -> Result<(), Fault> {
    connected(call)?;
    user(&**call, &call.moref()).map(|_| ()).ok_or_else(|| not_found("user of", "NFS"))
}

/// As whom the host uses NFS 4.1 with Kerberos, if somebody has said so.
fn query_user(look: &Look<'_, HostStorageSystem>, _: QueryNFSUser) -> Result<Option<HostNasVolumeUserInfo>, Fault> {
    let _: &HostSystem = look_host(look)?;
    let user = user(look.snapshot(), look.moref());
    Ok(user.map(|user| HostNasVolumeUserInfo::with(|info| _ = info.set_user(&user.0))))
}

/// Forgets as whom the host uses NFS.
fn clear_user(call: &mut System<'_>, _: ClearNFSUser) -> Result<(), Fault> {
    connected(call)?;
    let this = call.moref();
    keep(call, &this, None::<NfsUser>)
}
