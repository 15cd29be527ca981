//! What `HostStorageSystem` does with LUNs: partitions, volumes that come and go, and LUNs that are detached.

use vimsim_types::method::{
    AttachScsiLun, ComputeDiskPartitionInfo, ComputeDiskPartitionInfoForResize, DetachScsiLun, FormatVmfs,
    MountVmfsVolume, QueryUnresolvedVmfsVolume, QueryVmfsConfigOption, RetrieveDiskPartitionInfo, UnmountVmfsVolume,
    UpdateDiskPartitions,
};
use vimsim_types::views::{
    AlreadyExists, Datastore, HostDiskPartitionAttributes, HostDiskPartitionInfo, HostStorageSystem, HostSystem,
    HostUnresolvedVmfsVolume, HostVmfsVolume, InvalidState, LongOption, ScsiLun, VmfsConfigOption,
};
use vimsim_types::{Fault, Moref, View};

use super::{
    Lun, VMFS, at, by_uuid, devices, is_on, iscsi, multipath, named, not_found, partitions, refused, volume, volumes,
};
use crate::call::{Call, not_found as gone};
use crate::kind::Kind;
use crate::objects::host_datastore_system::{expect_new, place};
use crate::objects::{host_managers, managed_entity};

pub(super) type System<'a> = Call<'a, HostStorageSystem>;

/// Adds the methods.
pub(crate) fn add(kind: Kind<HostStorageSystem>) -> Kind<HostStorageSystem> {
    let kind = kind
        .write(retrieve_partitions)
        .write(compute_partitions)
        .write(compute_resize)
        .write(update_partitions)
        .write(format_vmfs)
        .write(mount)
        .write(unmount)
        .write(attach)
        .write(detach)
        .write(query_unresolved)
        .write(query_config_option);
    multipath::add(devices::add(iscsi::add(kind)))
}

/// The host whose storage system this is.
///
/// - `HostNotConnected`.
pub(super) fn connected(call: &System<'_>) -> Result<Moref, Fault> {
    let this = call.moref();
    let host = host_managers::host_of(call, &this).ok_or_else(|| gone(&this))?;
    host_managers::expect_connected(call.get::<HostSystem>(&host)?)?;
    Ok(host)
}

/// How LUNs are partitioned.
///
/// - `NotFound` for a path that there is not.
fn retrieve_partitions(
    call: &mut System<'_>,
    request: RetrieveDiskPartitionInfo,
) -> Result<Vec<HostDiskPartitionInfo>, Fault> {
    let host = connected(call)?;
    let info = |path: &vimsim_types::ArcStr| {
        let lun = at(call, &host, path)?;
        Ok(partitions::info(&lun, "gpt", &lun.partitions(call)))
    };
    request.device_path().iter().map(info).collect()
}

/// The table of partitions that has these ranges of blocks.
///
/// - `NotFound` for a path that there is not; `HostConfigFault` for ranges that are not beside each other on the LUN;
///   `InvalidArgument` for a format that there is not.
fn compute_partitions(
    call: &mut System<'_>,
    request: ComputeDiskPartitionInfo,
) -> Result<HostDiskPartitionInfo, Fault> {
    let host = connected(call)?;
    let lun = at(call, &host, request.device_path())?;
    let format = partitions::format(request.partition_format())?;
    let mut table: Vec<HostDiskPartitionAttributes> = Vec::new();
    let given: Vec<i32> = request.layout().partition().iter().filter_map(|range| range.partition()).collect();
    for range in request.layout().partition() {
        let is_free = |number: &i32| !given.contains(number) && table.iter().all(|it| it.partition() != *number);
        let number = (1..).find(is_free).unwrap_or(1);
        table.push(partitions::of_range(range, number));
    }
    partitions::check(&lun, &table)?;
    Ok(partitions::info(&lun, format, &table))
}

/// The table in which a partition has another range of blocks.
///
/// - `NotFound` for a LUN or a partition that there is not; `HostConfigFault` for a range that it cannot have.
fn compute_resize(
    call: &mut System<'_>,
    request: ComputeDiskPartitionInfoForResize,
) -> Result<HostDiskPartitionInfo, Fault> {
    let host = connected(call)?;
    let wanted = request.partition();
    let lun = named(call, &host, wanted.disk_name()).ok_or_else(|| not_found("LUN", wanted.disk_name()))?;
    let format = partitions::format(request.partition_format())?;
    let mut table = lun.partitions(call);
    let known = table.iter_mut().find(|partition| partition.partition() == wanted.partition());
    let known = known.ok_or_else(|| not_found("partition", &wanted.partition().to_string()))?;
    let range = partitions::of_range(request.block_range(), wanted.partition());
    known.set_start_sector(range.start_sector()).set_end_sector(range.end_sector());
    partitions::check(&lun, &table)?;
    Ok(partitions::info(&lun, format, &table))
}

/// Partitions a LUN.
///
/// - `NotFound` for a path that there is not; `HostConfigFault` for a table that cannot be, or from which the partition of a
///   volume is gone.
fn update_partitions(call: &mut System<'_>, request: UpdateDiskPartitions) -> Result<(), Fault> {
    let host = connected(call)?;
    let lun = at(call, &host, request.device_path())?;
    let table: Vec<_> = request.spec().partition().iter().cloned().collect();
    partitions::check(&lun, &table)?;
    partitions::format(request.spec().partition_format())?;
    let name = lun.name();
    let is_kept = |old: &HostDiskPartitionAttributes| {
        table.iter().any(|new| {
            new.partition() == old.partition()
                && new.start_sector() == old.start_sector()
                && new.end_sector() >= old.end_sector()
        })
    };
    let shown = volumes(call, &host);
    let extents = shown.iter().flat_map(|volume| volume.extent()).filter(|extent| *extent.disk_name() == name);
    let used: Vec<i32> = extents.map(|extent| extent.partition()).collect();
    let known = lun.partitions(call);
    // A volume that this host does not show may be another datacenter's.
    let is_used = |it: &HostDiskPartitionAttributes| used.contains(&it.partition()) || is_foreign(&lun, it, &shown);
    if let Some(lost) = known.iter().find(|partition| is_used(partition) && !is_kept(partition)) {
        return Err(refused(format!("a volume is on the partition {} of '{name}'", lost.partition())));
    }
    lun.set_partitions(call, table)
}

/// Whether a partition of a shared LUN may have a volume that this host does not show.
fn is_foreign(lun: &Lun, partition: &HostDiskPartitionAttributes, shown: &[HostVmfsVolume]) -> bool {
    !lun.is_local() && *partition.type_() == VMFS && shown.iter().all(|volume| !is_on(volume, &lun.name()))
}

/// Makes a VMFS volume on a partition that there is. It is a datastore on all hosts that see the LUN.
///
/// - `AlreadyExists` if the host has a datastore of this name; `NotFound` for a LUN that there is not;
/// - `HostConfigFault` for a partition that there is not, has a volume, is not VMFS's or too small, a detached LUN, or a
///   version that hosts do not make.
fn format_vmfs(call: &mut System<'_>, request: FormatVmfs) -> Result<HostVmfsVolume, Fault> {
    let host = connected(call)?;
    let spec = request.create_spec();
    let extent = spec.extent();
    let lun = named(call, &host, extent.disk_name()).ok_or_else(|| not_found("LUN", extent.disk_name()))?;
    let table = lun.partitions(call);
    let found = table.iter().find(|partition| partition.partition() == extent.partition());
    let found = found.ok_or_else(|| refused(format!("the LUN has no partition {}", extent.partition())))?;
    let has_volume =
        volumes(call, &host).iter().any(|it| it.extent().iter().any(|it| it.as_object() == extent.as_object()));
    if has_volume || !lun.is_attached() {
        return Err(refused(format!(
            "no volume can be made on the partition {} of '{}'",
            extent.partition(),
            lun.name()
        )));
    }
    let (_, folder) = place(call, &host, None)?;
    let name = spec.volume_name();
    if expect_new(call, &host, name).is_err() {
        let detail = AlreadyExists::with(|fault| _ = fault.set_name(name));
        return Err(Fault::new(detail, format!("there is a datastore '{name}'")));
    }
    let name = managed_entity::check_name(call, &folder, name)?;
    let volume = volume::volume(&lun, found, spec, &name)?;
    lun.set_partitions(call, table.clone())?;
    volume::add(call, &host, &folder, &name, volume.clone())?;
    Ok(volume)
}

/// The datastore of the host that is the volume.
pub(super) fn datastore_of(call: &System<'_>, host: &Moref, uuid: &str) -> Option<Moref> {
    let is_it = |moref: &Moref| {
        let volume = call.view::<Datastore>(moref).and_then(volume::of);
        volume.is_some_and(|volume| *volume.uuid() == uuid)
    };
    call.view::<HostSystem>(host)?.datastore().iter().find(is_it)
}

/// Mounts a volume that was unmounted.
///
/// - `NotFound`; `InvalidState` if it is mounted; `HostConfigFault` while one of its LUNs is detached.
fn mount(call: &mut System<'_>, request: MountVmfsVolume) -> Result<(), Fault> {
    set_mounted(call, request.vmfs_uuid(), true)
}

/// Unmounts a volume. It stays the host's, and out of reach.
///
/// - `NotFound`; `InvalidState` if it is not mounted; `ResourceInUse` while virtual machines of the host are on it, and for
///   the volume that the host runs from.
fn unmount(call: &mut System<'_>, request: UnmountVmfsVolume) -> Result<(), Fault> {
    set_mounted(call, request.vmfs_uuid(), false)
}

pub(super) fn set_mounted(call: &mut System<'_>, uuid: &str, is_mounted: bool) -> Result<(), Fault> {
    let host = connected(call)?;
    let config = call.get::<HostSystem>(&host)?.config().and_then(|config| config.file_system_volume());
    let mut mounts = config.into_iter().flat_map(|config| config.mount_info());
    let mount = mounts.find(|mount| volume::is_mount_of(mount, uuid)).ok_or_else(|| not_found("volume", uuid))?;
    if mount.mount_info().mounted().unwrap_or(true) == is_mounted {
        let state = if is_mounted { "mounted" } else { "unmounted" };
        return Err(Fault::new(InvalidState::new(), format!("the volume '{uuid}' is {state} already")));
    }
    let name = mount.volume().name().clone();
    let datastore = datastore_of(call, &host, uuid);
    if !is_mounted {
        let machines = call.get::<HostSystem>(&host)?.vm();
        let used = datastore.as_ref().and_then(|moref| call.view::<Datastore>(moref));
        let machine = used.and_then(|datastore| machines.iter().find(|machine| datastore.vm().contains(machine)));
        if *mount.volume().type_() != "VMFS" || machine.is_some() {
            return Err(managed_entity::in_use(Datastore::TYPE, &name, format!("the volume '{name}' is in use")));
        }
    }
    let shown = volumes(call, &host).into_iter().filter(|volume| *volume.uuid() == uuid);
    let extents: Vec<_> = shown.flat_map(|volume| volume.extent().iter().cloned().collect::<Vec<_>>()).collect();
    let is_there = |disk: &str| named(call, &host, disk).is_some_and(|lun| lun.is_attached());
    if let Some(lost) = extents.iter().find(|extent| is_mounted && !is_there(extent.disk_name())) {
        return Err(refused(format!("the LUN '{}' is detached", lost.disk_name())));
    }
    let config = host_managers::edit_config(call)?;
    for mount in config.file_system_volume_mut().mount_info_mut().iter_mut() {
        if volume::is_mount_of(mount, uuid) {
            mount.mount_info_mut().set_mounted(is_mounted).set_accessible(is_mounted);
        }
    }
    if let Some(datastore) = datastore {
        for mount in call.edit::<Datastore>(&datastore)?.host_mut().iter_mut().filter(|mount| mount.key() == host) {
            mount.mount_info_mut().set_mounted(is_mounted).set_accessible(is_mounted);
        }
    }
    Ok(())
}

/// Has the host use a LUN again.
///
/// - `NotFound`; `InvalidState` if it is attached.
fn attach(call: &mut System<'_>, request: AttachScsiLun) -> Result<(), Fault> {
    set_attached(call, request.lun_uuid(), true)
}

/// Has the host use a LUN no more.
///
/// - `NotFound`; `InvalidState` if it is detached; `ResourceInUse` while a mounted volume or a virtual machine is on it.
fn detach(call: &mut System<'_>, request: DetachScsiLun) -> Result<(), Fault> {
    set_attached(call, request.lun_uuid(), false)
}

pub(super) fn set_attached(call: &mut System<'_>, uuid: &str, is_attached: bool) -> Result<(), Fault> {
    let host = connected(call)?;
    let lun = by_uuid(call, &host, uuid)?;
    let name = lun.name();
    if lun.is_attached() == is_attached {
        let state = if is_attached { "attached" } else { "detached" };
        return Err(Fault::new(InvalidState::new(), format!("the LUN '{name}' is {state} already")));
    }
    if !is_attached {
        let shown = call.get::<HostSystem>(&host)?.config().and_then(|config| config.file_system_volume());
        let mut mounts = shown.into_iter().flat_map(|shown| shown.mount_info());
        let is_mounted = mounts.any(|mount| {
            let volume = mount.volume().downcast::<HostVmfsVolume>();
            mount.mount_info().mounted() != Some(false) && volume.is_some_and(|volume| is_on(volume, &name))
        });
        if is_mounted || lun.is_mapped(call) {
            return Err(managed_entity::in_use(ScsiLun::TYPE, &name, format!("the LUN '{name}' is in use")));
        }
    }
    let state = if is_attached { "ok" } else { "off" };
    for lun in host_managers::edit_config(call)?.storage_device_mut().scsi_lun_mut().iter_mut() {
        if *lun.uuid() == uuid {
            lun.set_operational_state([state]);
        }
    }
    Ok(())
}

/// The volumes whose LUNs are copies of others, or not all there: none.
fn query_unresolved(
    call: &mut System<'_>,
    _: QueryUnresolvedVmfsVolume,
) -> Result<Vec<HostUnresolvedVmfsVolume>, Fault> {
    connected(call).map(|_| Vec::new())
}

/// What a volume of VMFS 6 can be made with.
fn query_config_option(call: &mut System<'_>, _: QueryVmfsConfigOption) -> Result<Vec<VmfsConfigOption>, Fault> {
    connected(call)?;
    Ok(vec![VmfsConfigOption::with(|option| {
        option.set_block_size_option(1_024).set_unmap_granularity_option([1_024]);
        option.set_unmap_bandwidth_fixed_value(LongOption::with(|value| {
            value.set_min(100).set_max(2_000).set_default_value(100);
        }));
    })])
}
