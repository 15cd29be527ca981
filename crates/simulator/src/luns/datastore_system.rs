//! What `HostDatastoreSystem` does with LUNs: VMFS datastores are made, and made larger.

use vimsim_types::method::{
    CreateVmfsDatastore, ExpandVmfsDatastore, ExtendVmfsDatastore, QueryAvailableDisksForVmfs,
    QueryUnresolvedVmfsVolumes, QueryVmfsDatastoreCreateOptions, QueryVmfsDatastoreExpandOptions,
    QueryVmfsDatastoreExtendOptions, UpdateLocalSwapDatastore,
};
use vimsim_types::views::{
    Datastore, DatastoreNotWritableOnHost, HostDatastoreSystem, HostDiskPartitionAttributes, HostScsiDisk, HostSystem,
    HostUnresolvedVmfsVolume, HostVmfsVolume, InaccessibleDatastore, NotFound, VMFSDatastoreCreatedEvent,
    VMFSDatastoreExpandedEvent, VMFSDatastoreExtendedEvent, VmfsDatastoreAllExtentOption, VmfsDatastoreBaseOption,
    VmfsDatastoreCreateSpec, VmfsDatastoreExpandSpec, VmfsDatastoreExtendSpec, VmfsDatastoreOption,
    VmfsDatastoreSingleExtentOption, VmfsDatastoreSpec,
};
use vimsim_types::{Fault, Moref, View};

use super::partitions::{self, partition};
use super::{Lun, VMFS, all, at, by_uuid, is_on, named, refused, volume};
use crate::call::Call;
use crate::kind::Kind;
use crate::objects::host_datastore_system::{expect_new, host, place};
use crate::objects::{host_managers, managed_entity};

type System<'a> = Call<'a, HostDatastoreSystem>;

/// Adds the methods.
pub(crate) fn add(kind: Kind<HostDatastoreSystem>) -> Kind<HostDatastoreSystem> {
    kind.write(query_available_disks)
        .write(query_create_options)
        .write(create)
        .write(query_extend_options)
        .write(extend)
        .write(query_expand_options)
        .write(expand)
        .write(query_unresolved)
        .write(update_local_swap_datastore)
}

/// The host, if it can be asked.
///
/// - `HostNotConnected`.
fn connected(call: &System<'_>) -> Result<Moref, Fault> {
    let host = host(call)?;
    host_managers::expect_connected(call.get::<HostSystem>(&host)?)?;
    Ok(host)
}

/// The volume that a datastore of the host is.
///
/// - `NotFound` if the host does not mount it; `HostConfigFault` for a datastore of another kind.
fn volume_of(call: &System<'_>, host: &Moref, moref: &Moref) -> Result<HostVmfsVolume, Fault> {
    let datastore = call.get::<Datastore>(moref)?;
    if !call.get::<HostSystem>(host)?.datastore().contains(moref) {
        return Err(Fault::new(NotFound::new(), format!("the host does not mount '{}'", datastore.name())));
    }
    let volume = volume::of(datastore).cloned();
    volume.ok_or_else(|| refused(format!("the datastore '{}' is no VMFS volume", datastore.name())))
}

/// `HostConfigFault` unless a volume can be put on the LUN, or the one that is there be made larger.
fn expect_available(call: &System<'_>, lun: &Lun, own: Option<&HostVmfsVolume>) -> Result<(), Fault> {
    if !lun.is_attached() {
        return Err(refused(format!("the LUN '{}' is detached", lun.name())));
    }
    if own.is_none_or(|own| !is_on(own, &lun.name())) && lun.is_in_use(call) {
        return Err(refused(format!("the LUN '{}' is in use", lun.name())));
    }
    Ok(())
}

/// The LUNs that a new volume, or more of a datastore's, can be put on.
///
/// - `NotFound`, `HostConfigFault` for a datastore that is no VMFS volume of the host.
fn query_available_disks(
    call: &mut System<'_>,
    request: QueryAvailableDisksForVmfs,
) -> Result<Vec<HostScsiDisk>, Fault> {
    let host = connected(call)?;
    let own = request.datastore().map(|moref| volume_of(call, &host, &moref)).transpose()?;
    let luns = all(call, &host).into_iter().filter(|lun| expect_available(call, lun, own.as_ref()).is_ok());
    Ok(luns.map(|lun| lun.disk).collect())
}

/// An option that has all, or one part, of a LUN be VMFS.
fn option(
    lun: &Lun,
    is_all: bool,
    new: &HostDiskPartitionAttributes,
    after: &[HostDiskPartitionAttributes],
    spec: impl View,
) -> VmfsDatastoreOption {
    let single = VmfsDatastoreSingleExtentOption::with(|info| {
        info.set_layout(partitions::layout(lun, after)).set_partition_format_change(false);
        info.set_vmfs_extent(partitions::range(new));
    });
    VmfsDatastoreOption::with(|option| {
        let info = match is_all {
            true => {
                let mut all = VmfsDatastoreAllExtentOption::new();
                for (slot, value) in single.as_object().slots().iter().enumerate() {
                    all.as_object_mut().set(slot, value.clone());
                }
                VmfsDatastoreBaseOption::from_object(all.into())
            }
            false => VmfsDatastoreBaseOption::from_object(single.into()),
        };
        info.into_iter().for_each(|info| _ = option.set_info(info));
        VmfsDatastoreSpec::from_object(spec.into()).into_iter().for_each(|spec| _ = option.set_spec(spec));
    })
}

/// What can become VMFS of a LUN: all of it, and its free parts if there are other partitions; and the tables after that.
fn choices(
    lun: &Lun,
    known: &[HostDiskPartitionAttributes],
    may_clear: bool,
) -> Vec<(bool, HostDiskPartitionAttributes, Vec<HostDiskPartitionAttributes>)> {
    let mut choices = Vec::new();
    if may_clear || known.is_empty() {
        let whole = partition(1, partitions::FIRST, partitions::last(lun), VMFS);
        choices.push((true, whole.clone(), vec![whole]));
    }
    if !known.is_empty() {
        let number = (1..).find(|number| known.iter().all(|it| it.partition() != *number)).unwrap_or(1);
        for (start, end) in partitions::gaps(lun, known) {
            let new = partition(number, start, end, VMFS);
            choices.push((false, new.clone(), known.iter().cloned().chain([new]).collect()));
        }
    }
    choices.retain(|(_, new, _)| volume::capacity(new).is_ok());
    choices
}

/// How a volume can be put on a LUN.
///
/// - `NotFound` for a path that there is not; `HostConfigFault` for a LUN that is in use; `InvalidArgument` for a version
///   of VMFS that hosts do not make.
fn query_create_options(
    call: &mut System<'_>,
    request: QueryVmfsDatastoreCreateOptions,
) -> Result<Vec<VmfsDatastoreOption>, Fault> {
    let host = connected(call)?;
    let lun = at(call, &host, request.device_path())?;
    expect_available(call, &lun, None)?;
    let version = request.vmfs_major_version().unwrap_or(6);
    if version != 5 && version != 6 {
        return Err(Fault::invalid_argument("vmfsMajorVersion", format!("hosts make VMFS 5 and 6, not {version}")));
    }
    let known = lun.partitions(call);
    let options = choices(&lun, &known, true).into_iter().map(|(is_all, new, after)| {
        let spec = VmfsDatastoreCreateSpec::with(|spec| {
            spec.set_disk_uuid(lun.disk.uuid());
            spec.set_partition(partitions::spec(&lun, "gpt", &after));
            let vmfs = spec.vmfs_mut();
            vmfs.set_extent(volume::extent(&lun.name(), new.partition()));
            vmfs.set_block_size_mb(1).set_major_version(version).set_volume_name("");
            if version == 6 {
                vmfs.set_block_size(1_024).set_unmap_granularity(1_024).set_unmap_priority("low");
            }
        });
        option(&lun, is_all, &new, &after, spec)
    });
    Ok(options.collect())
}

/// The partition of a new table that VMFS is put on, and the table.
fn wanted(
    lun: &Lun,
    spec: &vimsim_types::views::HostDiskPartitionSpec,
    disk: &str,
    number: i32,
) -> Result<(HostDiskPartitionAttributes, Vec<HostDiskPartitionAttributes>), Fault> {
    if disk != lun.name() {
        return Err(refused(format!("the extent is on '{disk}', and not on the LUN '{}'", lun.name())));
    }
    let table: Vec<_> = spec.partition().iter().cloned().collect();
    partitions::check(lun, &table)?;
    let found = table.iter().find(|partition| partition.partition() == number).cloned();
    let found = found.ok_or_else(|| refused(format!("the table has no partition {number}")))?;
    Ok((found, table))
}

/// Makes a VMFS volume on a LUN, which is a datastore on every host that sees the LUN.
///
/// - `DuplicateName`, `InvalidName`; `NotFound` for a LUN that there is not;
/// - `HostConfigFault` for a LUN that is in use or detached, a table of partitions that cannot be, a partition that is not
///   VMFS's or too small, a version that hosts do not make, and extents beside the first, which come with an extension.
fn create(call: &mut System<'_>, request: CreateVmfsDatastore) -> Result<Moref, Fault> {
    let host = connected(call)?;
    let spec = request.spec();
    let lun = by_uuid(call, &host, spec.disk_uuid())?;
    expect_available(call, &lun, None)?;
    let first = spec.vmfs().extent();
    let (partition, table) = wanted(&lun, spec.partition(), first.disk_name(), first.partition())?;
    if spec.extent().iter().any(|extent| extent.as_object() != first.as_object()) {
        return Err(refused("a new volume is on one partition"));
    }
    let (_, folder) = place(call, &host, None)?;
    let name = spec.vmfs().volume_name();
    expect_new(call, &host, name)?;
    let name = managed_entity::check_name(call, &folder, name)?;
    let volume = volume::volume(&lun, &partition, spec.vmfs(), &name)?;
    lun.set_partitions(call, table)?;
    let moref = volume::add(call, &host, &folder, &name, volume)?;
    let argument = volume::argument(call, &moref)?;
    let url = call.get::<Datastore>(&moref)?.summary().url().clone();
    call.post(
        &host,
        VMFSDatastoreCreatedEvent::with(|event| _ = event.set_datastore(argument).set_datastore_url(url)),
    )?;
    Ok(moref)
}

/// How a datastore can have more of a LUN.
///
/// - `NotFound`, `HostConfigFault` for a datastore that is no volume of the host, and a LUN that there is not or is in use.
fn query_extend_options(
    call: &mut System<'_>,
    request: QueryVmfsDatastoreExtendOptions,
) -> Result<Vec<VmfsDatastoreOption>, Fault> {
    let host = connected(call)?;
    let own = volume_of(call, &host, &request.datastore())?;
    let lun = at(call, &host, request.device_path())?;
    expect_available(call, &lun, Some(&own))?;
    let known = lun.partitions(call);
    let is_own = is_on(&own, &lun.name());
    let mut choices = choices(&lun, &known, !is_own);
    if is_own && request.suppress_expand_candidates() == Some(true) {
        // What follows a partition of the volume is for that to grow into.
        choices.retain(|(_, new, _)| known.iter().all(|it| it.end_sector() + 1 != new.start_sector()));
    }
    let options = choices.into_iter().map(|(is_all, new, after)| {
        let spec = VmfsDatastoreExtendSpec::with(|spec| {
            spec.set_disk_uuid(lun.disk.uuid());
            spec.set_partition(partitions::spec(&lun, "gpt", &after));
            spec.push_extent(volume::extent(&lun.name(), new.partition()));
        });
        option(&lun, is_all, &new, &after, spec)
    });
    Ok(options.collect())
}

/// Has a volume take further partitions of a LUN.
///
/// - `NotFound`, `HostConfigFault` as for the options; `HostConfigFault` for a table that cannot be or in which a partition
///   of the volume is another, a host of the volume's that does not see the LUN, and for no extent.
fn extend(call: &mut System<'_>, request: ExtendVmfsDatastore) -> Result<Moref, Fault> {
    let host = connected(call)?;
    let (moref, spec) = (request.datastore(), request.spec());
    let mut own = volume_of(call, &host, &moref)?;
    let lun = by_uuid(call, &host, spec.disk_uuid())?;
    expect_available(call, &lun, Some(&own))?;
    expect_kept(call, &lun, spec.partition(), &own)?;
    if lun.is_local() && own.local() == Some(false) {
        return Err(refused("the volume is on shared LUNs, and this one is not seen by its other hosts"));
    }
    let mut added = 0;
    let mut table = None;
    for extent in spec.extent() {
        let (partition, after) = wanted(&lun, spec.partition(), extent.disk_name(), extent.partition())?;
        if own.extent().iter().any(|known| known.as_object() == extent.as_object()) {
            return Err(refused(format!("the partition {} is the volume's already", extent.partition())));
        }
        added += volume::capacity(&partition)?;
        own.push_extent(extent.clone());
        table = Some(after);
    }
    let table = table.ok_or_else(|| refused("there is no extent to add"))?;
    lun.set_partitions(call, table)?;
    grow(call, &moref, own, added)?;
    let argument = volume::argument(call, &moref)?;
    call.post(&host, VMFSDatastoreExtendedEvent::with(|event| _ = event.set_datastore(argument)))?;
    Ok(moref)
}

/// `HostConfigFault` unless the volume's partitions on the LUN are in the new table what they were.
fn expect_kept(
    call: &System<'_>,
    lun: &Lun,
    spec: &vimsim_types::views::HostDiskPartitionSpec,
    own: &HostVmfsVolume,
) -> Result<(), Fault> {
    let name = lun.name();
    let is_own = |number: i32| own.extent().iter().any(|it| *it.disk_name() == name && it.partition() == number);
    let is_kept = |old: &HostDiskPartitionAttributes| {
        spec.partition().iter().any(|new| {
            new.partition() == old.partition()
                && new.start_sector() == old.start_sector()
                && new.end_sector() == old.end_sector()
        })
    };
    let known = lun.partitions(call);
    match known.iter().find(|partition| is_own(partition.partition()) && !is_kept(partition)) {
        Some(lost) => Err(refused(format!("the volume is on the partition {}", lost.partition()))),
        None => Ok(()),
    }
}

fn grow(call: &mut System<'_>, moref: &Moref, mut own: HostVmfsVolume, added: i64) -> Result<(), Fault> {
    let capacity = own.capacity().saturating_add(added);
    own.set_capacity(capacity);
    volume::write(call, moref, &own)?;
    volume::set_capacity(call.edit::<Datastore>(moref)?, capacity);
    Ok(())
}

/// How a datastore's partitions can grow into what is free behind them.
///
/// - `NotFound`, `HostConfigFault` for a datastore that is no volume of the host.
fn query_expand_options(
    call: &mut System<'_>,
    request: QueryVmfsDatastoreExpandOptions,
) -> Result<Vec<VmfsDatastoreOption>, Fault> {
    let host = connected(call)?;
    let own = volume_of(call, &host, &request.datastore())?;
    let mut options = Vec::new();
    for extent in own.extent() {
        let Some(lun) = named(call, &host, extent.disk_name()).filter(Lun::is_attached) else { continue };
        let known = lun.partitions(call);
        let Some(old) = known.iter().find(|partition| partition.partition() == extent.partition()) else { continue };
        let gaps = partitions::gaps(&lun, &known);
        let Some((_, end)) = gaps.into_iter().find(|(start, _)| *start == old.end_sector() + 1) else { continue };
        let new = partition(old.partition(), old.start_sector(), end, VMFS);
        let same = |it: &HostDiskPartitionAttributes| it.partition() == new.partition();
        let after: Vec<_> = known.iter().map(|it| if same(it) { new.clone() } else { it.clone() }).collect();
        let spec = VmfsDatastoreExpandSpec::with(|spec| {
            spec.set_disk_uuid(lun.disk.uuid());
            spec.set_partition(partitions::spec(&lun, "gpt", &after));
            spec.set_extent(extent.clone());
        });
        options.push(option(&lun, false, &new, &after, spec));
    }
    Ok(options)
}

/// Has a partition of a volume grow.
///
/// - `NotFound`, `HostConfigFault` as for the options; `HostConfigFault` for a partition that is not the volume's or does
///   not become larger where it is, and a table that cannot be.
fn expand(call: &mut System<'_>, request: ExpandVmfsDatastore) -> Result<Moref, Fault> {
    let host = connected(call)?;
    let (moref, spec) = (request.datastore(), request.spec());
    let own = volume_of(call, &host, &moref)?;
    let lun = by_uuid(call, &host, spec.disk_uuid())?;
    let extent = spec.extent();
    let (new, table) = wanted(&lun, spec.partition(), extent.disk_name(), extent.partition())?;
    let is_own = own.extent().iter().any(|known| known.as_object() == extent.as_object());
    let known = lun.partitions(call);
    let old = known.iter().find(|partition| is_own && partition.partition() == extent.partition());
    let old = old.ok_or_else(|| refused(format!("the partition {} is not the volume's", extent.partition())))?;
    if new.start_sector() != old.start_sector() || new.end_sector() <= old.end_sector() {
        return Err(refused("a partition grows at its end"));
    }
    let is_kept = |old: &HostDiskPartitionAttributes| table.iter().any(|new| new.partition() == old.partition());
    if let Some(lost) = known.iter().find(|partition| *partition.type_() == VMFS && !is_kept(partition)) {
        return Err(refused(format!("a volume is on the partition {}", lost.partition())));
    }
    let added = volume::capacity(&new)? - volume::capacity(old)?;
    lun.set_partitions(call, table)?;
    grow(call, &moref, own, added)?;
    let argument = volume::argument(call, &moref)?;
    call.post(&host, VMFSDatastoreExpandedEvent::with(|event| _ = event.set_datastore(argument)))?;
    Ok(moref)
}

/// The volumes whose LUNs are copies of others, or not all there: none.
fn query_unresolved(
    call: &mut System<'_>,
    _: QueryUnresolvedVmfsVolumes,
) -> Result<Vec<HostUnresolvedVmfsVolume>, Fault> {
    connected(call).map(|_| Vec::new())
}

/// Has the host put its machines' swap files on one of its datastores, or again where each machine is.
///
/// - `InaccessibleDatastore` if the host does not reach it; `DatastoreNotWritableOnHost` if it only reads it.
fn update_local_swap_datastore(call: &mut System<'_>, request: UpdateLocalSwapDatastore) -> Result<(), Fault> {
    let host = connected(call)?;
    let wanted = request.datastore();
    if let Some(moref) = &wanted {
        let datastore = call.get::<Datastore>(moref)?;
        let mount = datastore.host().iter().find(|mount| mount.key() == host);
        let mount = mount.map(|mount| mount.mount_info()).filter(|mount| mount.accessible() != Some(false));
        let Some(mount) = mount else {
            let detail = InaccessibleDatastore::with(|fault| {
                fault.set_datastore(moref.clone()).set_name(datastore.name());
            });
            return Err(Fault::new(detail, format!("the host cannot reach the datastore '{}'", datastore.name())));
        };
        if *mount.access_mode() != "readWrite" {
            let detail = DatastoreNotWritableOnHost::with(|fault| {
                fault.set_host(host.clone()).set_datastore(moref.clone()).set_name(datastore.name());
            });
            return Err(Fault::new(detail, format!("the host only reads the datastore '{}'", datastore.name())));
        }
    }
    host_managers::edit_config(call)?.set_local_swap_datastore(wanted);
    Ok(())
}
