//! `HostVsanSystem`: a host's part in the vSAN of its cluster, and the disks that it gives to it.
//!
//! A disk group is a LUN of flash for the cache and others for the data, all of the host's own. What is in one is used by
//! nothing else; the vSAN datastore has its size however many there are.

use vimsim_types::enums::{VsanHostDiskResultState as State, VsanHostHealthState, VsanHostNodeState};
use vimsim_types::method::{
    AddDisksTask, EvacuateVsanNodeTask, InitializeDisksTask, QueryDisksForVsan, QueryHostStatus,
    RecommissionVsanNodeTask, RemoveDiskMappingTask, RemoveDiskTask, UnmountDiskMappingTask, UpdateVsanTask,
};
use vimsim_types::views::{
    ComputeResource, DiskHasPartitions, DiskIsNonLocal, HostScsiDisk, HostSystem, HostVsanSystem, InvalidState,
    NotFound, ResourceInUse, VsanHostClusterStatus, VsanHostConfigInfo, VsanHostDiskMapInfo, VsanHostDiskMapResult,
    VsanHostDiskMapping, VsanHostDiskResult,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::host_managers::{self, host_seen, look_host};
use crate::call::{Call, Look, not_found};
use crate::kind::Kind;
use crate::luns;

pub(crate) fn kind() -> Kind<HostVsanSystem> {
    Kind::new()
        .read(query_host_status)
        .write(query_disks)
        .write(add_disks)
        .write(initialize_disks)
        .write(remove_disk)
        .write(remove_disk_mapping)
        .write(unmount_disk_mapping)
        .write(update)
        .write(evacuate_node)
        .write(recommission_node)
}

type System<'a> = Call<'a, HostVsanSystem>;

/// What the host is in its vSAN cluster: the first of the cluster's hosts leads, the second stands in for it. A host where
/// vSAN is off is in none, and nothing is known of its health.
fn query_host_status(look: &Look<'_, HostVsanSystem>, _: QueryHostStatus) -> Result<VsanHostClusterStatus, Fault> {
    look_host(look)?;
    let snapshot = look.snapshot();
    let node = |host: &Moref| {
        let hardware = snapshot.view::<HostSystem>(host)?.hardware()?;
        Some(hardware.system_info().uuid().clone())
    };
    let this = host_seen(snapshot, look.moref());
    let host = this.as_ref().and_then(|host| snapshot.view::<HostSystem>(host));
    let vsan = host.and_then(|host| host.config()?.vsan_host_config()).filter(|vsan| vsan.enabled() == Some(true));
    let cluster = host.and_then(|host| host.parent()).and_then(|parent| snapshot.view::<ComputeResource>(&parent));
    Ok(VsanHostClusterStatus::with(|status| {
        status.set_node_uuid(this.as_ref().and_then(node));
        let Some((vsan, cluster)) = vsan.zip(cluster) else {
            status.set_health(VsanHostHealthState::Unknown.name());
            status.node_state_mut().set_state(VsanHostNodeState::Disabled.name());
            return;
        };
        let place = cluster.host().iter().position(|host| this.as_ref() == Some(&host));
        let state = match place {
            Some(0) => VsanHostNodeState::Master,
            Some(1) => VsanHostNodeState::Backup,
            _ => VsanHostNodeState::Agent,
        };
        status.set_uuid(vsan.cluster_info().and_then(|cluster| cluster.uuid()).cloned());
        status.set_health(VsanHostHealthState::Healthy.name());
        status.node_state_mut().set_state(state.name());
        status.set_member_uuid(cluster.host().iter().filter_map(|host| node(&host)));
    }))
}

/// The host, if it can be asked.
///
/// - `HostNotConnected`.
fn connected(call: &System<'_>) -> Result<Moref, Fault> {
    let host = host_managers::host_of(call, &call.moref()).ok_or_else(|| not_found(&call.moref()))?;
    host_managers::expect_connected(call.get::<HostSystem>(&host)?)?;
    Ok(host)
}

/// The host's disk groups.
fn groups(call: &System<'_>, host: &Moref) -> Vec<VsanHostDiskMapping> {
    let config = call.view::<HostSystem>(host).and_then(|host| host.config()?.vsan_host_config()?.storage_info());
    config.into_iter().flat_map(|info| info.disk_mapping()).cloned().collect()
}

/// Keeps these disk groups, of which those with these caches are not mounted.
fn set_groups(call: &mut System<'_>, host: &Moref, groups: Vec<VsanHostDiskMapping>) -> Result<(), Fault> {
    let info = call.edit::<HostSystem>(host)?.config_mut().vsan_host_config_mut().storage_info_mut();
    let unmounted: Vec<ArcStr> =
        info.disk_map_info().iter().filter(|map| !map.mounted()).map(|map| cache(map.mapping())).collect();
    info.set_disk_map_info(groups.iter().map(|group| {
        VsanHostDiskMapInfo::with(|map| {
            map.set_mapping(group.clone()).set_mounted(!unmounted.contains(&cache(group)));
        })
    }));
    info.set_disk_mapping(groups);
    Ok(())
}

fn name(disk: &HostScsiDisk) -> ArcStr {
    disk.canonical_name().cloned().unwrap_or_default()
}

fn cache(group: &VsanHostDiskMapping) -> ArcStr {
    name(group.ssd())
}

fn is_in(group: &VsanHostDiskMapping, disk: &str) -> bool {
    cache(group) == disk || group.non_ssd().iter().any(|own| name(own) == disk)
}

/// The host's LUN, as it is, of a disk that a client names by its canonical name, UUID or device name.
///
/// - `NotFound`.
fn own_disk(call: &System<'_>, host: &Moref, wanted: &HostScsiDisk) -> Result<HostScsiDisk, Fault> {
    let disks = luns::disks(call, host);
    let is_it = |disk: &&HostScsiDisk| {
        let same = |a: &str, b: &str| !a.is_empty() && a == b;
        same(&name(disk), &name(wanted))
            || same(disk.uuid(), wanted.uuid())
            || same(disk.device_name(), wanted.device_name())
    };
    let missing = || Fault::new(NotFound::new(), format!("the host has no disk '{}'", name(wanted)));
    disks.iter().find(is_it).cloned().ok_or_else(missing)
}

/// Why a disk cannot become vSAN's, if something is in the way: `ResourceInUse` in a disk group, `DiskIsNonLocal` for one that
/// hosts share, `DiskHasPartitions` with a volume on it.
fn obstacle(call: &System<'_>, host: &Moref, disk: &HostScsiDisk) -> Option<Fault> {
    let own = name(disk);
    if groups(call, host).iter().any(|group| is_in(group, &own)) {
        let detail = ResourceInUse::with(|fault| _ = fault.set_name(&own));
        return Some(Fault::new(detail, format!("the disk '{own}' is in a disk group")));
    }
    if disk.local_disk() == Some(false) {
        return Some(Fault::new(DiskIsNonLocal::new(), format!("the disk '{own}' is not the host's own")));
    }
    let why = || format!("the disk '{own}' is in use");
    luns::is_in_use(call, host, &own).then(|| Fault::new(DiskHasPartitions::new(), why()))
}

/// An identifier of a disk of vSAN's.
fn vsan_uuid(host: &Moref, disk: &HostScsiDisk) -> String {
    crate::uuid::named(&format!("{host}/vsan/{}", name(disk)))
}

fn result(host: &Moref, disk: HostScsiDisk, state: State, fault: Option<&Fault>) -> VsanHostDiskResult {
    VsanHostDiskResult::with(|result| {
        result.set_state(state.name());
        if state == State::InUse {
            result.set_vsan_uuid(vsan_uuid(host, &disk)).set_degraded(false);
        }
        if let Some(fault) = fault {
            result.set_error(fault.localized());
        }
        result.set_disk(disk);
    })
}

/// The host's disks, all or those of these names: whether vSAN has them, or could.
///
/// - `HostNotConnected`.
fn query_disks(call: &mut System<'_>, request: QueryDisksForVsan) -> Result<Vec<VsanHostDiskResult>, Fault> {
    let host = connected(call)?;
    let wanted = request.canonical_name();
    let groups = groups(call, &host);
    let disks = luns::disks(call, &host).into_iter();
    let disks = disks.filter(|disk| wanted.is_empty() || wanted.contains(&name(disk)));
    let found = disks.map(|disk| {
        if groups.iter().any(|group| is_in(group, &name(&disk))) {
            return result(&host, disk, State::InUse, None);
        }
        match obstacle(call, &host, &disk) {
            Some(fault) => result(&host, disk, State::Ineligible, Some(&fault)),
            None => result(&host, disk, State::Eligible, None),
        }
    });
    Ok(found.collect())
}

/// What became of the disks of a group.
fn map_result(host: &Moref, group: &VsanHostDiskMapping, fault: Option<&Fault>) -> VsanHostDiskMapResult {
    VsanHostDiskMapResult::with(|map| {
        map.set_mapping(group.clone());
        match fault {
            Some(fault) => _ = map.set_error(fault.localized()),
            None => {
                let disks = std::iter::once(group.ssd()).chain(group.non_ssd().iter());
                map.set_disk_result(disks.map(|disk| result(host, disk.clone(), State::InUse, None)));
            }
        }
    })
}

/// Makes a disk group of the host's own disks.
///
/// - `NotFound`; what [`obstacle`] says; `InvalidArgument` for a cache that is no flash, or a group without data.
fn make(call: &mut System<'_>, host: &Moref, wanted: &VsanHostDiskMapping) -> Result<VsanHostDiskMapping, Fault> {
    let ssd = own_disk(call, host, wanted.ssd())?;
    if ssd.ssd() != Some(true) {
        return Err(Fault::invalid_argument("mapping.ssd", format!("the disk '{}' is no flash", name(&ssd))));
    }
    let mut data = Vec::new();
    for disk in wanted.non_ssd() {
        data.push(own_disk(call, host, disk)?);
    }
    if data.is_empty() {
        return Err(Fault::invalid_argument("mapping.nonSsd", "a disk group needs a disk for data"));
    }
    if let Some(fault) = std::iter::once(&ssd).chain(&data).find_map(|disk| obstacle(call, host, disk)) {
        return Err(fault);
    }
    let group = VsanHostDiskMapping::with(|group| _ = group.set_ssd(ssd).set_non_ssd(data));
    let mut all = groups(call, host);
    all.push(group.clone());
    set_groups(call, host, all)?;
    Ok(group)
}

/// Makes disk groups, each by itself: the result tells of each what became of it.
///
/// - `HostNotConnected`.
fn initialize_disks(call: &mut System<'_>, request: InitializeDisksTask) -> Result<Moref, Fault> {
    let host = connected(call)?;
    call.start_task(move |call| {
        let one = |wanted: &VsanHostDiskMapping| match make(call, &host, wanted) {
            Ok(group) => map_result(&host, &group, None),
            Err(fault) => map_result(&host, wanted, Some(&fault)),
        };
        Ok(request.mapping().iter().map(one).collect::<Vec<_>>())
    })
}

/// Adds disks to the host's first disk group: flash and others that make none by themselves.
///
/// - `HostNotConnected`.
fn add_disks(call: &mut System<'_>, request: AddDisksTask) -> Result<Moref, Fault> {
    let host = connected(call)?;
    call.start_task(move |call| {
        let mut results = Vec::new();
        for wanted in request.disk() {
            let added = add(call, &host, wanted);
            let group = VsanHostDiskMapping::with(|group| {
                group.set_ssd(wanted.clone()).set_non_ssd([wanted.clone()]);
            });
            results.push(match &added {
                Ok(group) => map_result(&host, group, None),
                Err(fault) => map_result(&host, &group, Some(fault)),
            });
        }
        Ok(results)
    })
}

/// - `InvalidState` without a disk group; what [`make`] raises of a disk.
fn add(call: &mut System<'_>, host: &Moref, wanted: &HostScsiDisk) -> Result<VsanHostDiskMapping, Fault> {
    let disk = own_disk(call, host, wanted)?;
    if let Some(fault) = obstacle(call, host, &disk) {
        return Err(fault);
    }
    let mut all = groups(call, host);
    let first = all.first_mut().ok_or_else(|| Fault::new(InvalidState::new(), "the host has no disk group"))?;
    first.push_non_ssd(disk);
    let group = first.clone();
    set_groups(call, host, all)?;
    Ok(group)
}

/// Takes disks out of disk groups; with its cache, or its last disk of data, a group is gone.
///
/// - `HostNotConnected`.
fn remove_disk(call: &mut System<'_>, request: RemoveDiskTask) -> Result<Moref, Fault> {
    let host = connected(call)?;
    call.start_task(move |call| {
        let mut results = Vec::new();
        for wanted in request.disk() {
            let disk = own_disk(call, &host, wanted);
            let own = disk.as_ref().map(name).unwrap_or_default();
            let mut all = groups(call, &host);
            if let Ok(disk) = disk
                && all.iter().any(|group| is_in(group, &own))
            {
                all.retain(|group| cache(group) != own);
                all.iter_mut().for_each(|group| group.non_ssd_mut().retain(|it| name(it) != own));
                all.retain(|group| !group.non_ssd().is_empty());
                set_groups(call, &host, all)?;
                results.push(result(&host, disk, State::Eligible, None));
            } else {
                let fault = Fault::new(NotFound::new(), format!("no disk group has the disk '{}'", name(wanted)));
                results.push(result(&host, wanted.clone(), State::Ineligible, Some(&fault)));
            }
        }
        Ok(results)
    })
}

/// Removes disk groups, or only takes them out of use: those with these caches.
fn take_out(call: &mut System<'_>, host: &Moref, wanted: &VsanHostDiskMapping, is_kept: bool) -> Result<(), Fault> {
    let mut all = groups(call, host);
    let Some(place) = all.iter().position(|group| cache(group) == cache(wanted)) else {
        return Err(Fault::new(NotFound::new(), format!("no disk group has the cache '{}'", cache(wanted))));
    };
    if !is_kept {
        all.remove(place);
        return set_groups(call, host, all);
    }
    let info = call.edit::<HostSystem>(host)?.config_mut().vsan_host_config_mut().storage_info_mut();
    for map in info.disk_map_info_mut().iter_mut() {
        if cache(map.mapping()) == cache(wanted) {
            map.set_mounted(false);
        }
    }
    Ok(())
}

fn out(call: &mut System<'_>, groups: Vec<VsanHostDiskMapping>, is_kept: bool) -> Result<Moref, Fault> {
    let host = connected(call)?;
    call.start_task(move |call| {
        let one = |wanted: &VsanHostDiskMapping| {
            let fault = take_out(call, &host, wanted, is_kept).err();
            VsanHostDiskMapResult::with(|map| {
                map.set_mapping(wanted.clone());
                if let Some(fault) = fault {
                    map.set_error(fault.localized());
                }
            })
        };
        Ok(groups.iter().map(one).collect::<Vec<_>>())
    })
}

/// Removes disk groups: those with these caches.
///
/// - `HostNotConnected`.
fn remove_disk_mapping(call: &mut System<'_>, request: RemoveDiskMappingTask) -> Result<Moref, Fault> {
    out(call, request.mapping().iter().cloned().collect(), false)
}

/// Takes disk groups out of use, which stay.
///
/// - `HostNotConnected`.
fn unmount_disk_mapping(call: &mut System<'_>, request: UnmountDiskMappingTask) -> Result<Moref, Fault> {
    out(call, request.mapping().iter().cloned().collect(), true)
}

/// Changes the host's part: its fault domain, what it claims, the networks of vSAN. What is left out stays. Whether vSAN is
/// on, and in which cluster, the cluster says.
///
/// - `HostNotConnected`.
fn update(call: &mut System<'_>, request: UpdateVsanTask) -> Result<Moref, Fault> {
    let host = connected(call)?;
    call.start_task(move |call| {
        let wanted: &VsanHostConfigInfo = request.config();
        let config = call.edit::<HostSystem>(&host)?.config_mut().vsan_host_config_mut();
        if let Some(network) = wanted.network_info() {
            config.set_network_info(network.clone());
        }
        if let Some(domain) = wanted.fault_domain_info() {
            config.set_fault_domain_info(domain.clone());
        }
        if let Some(storage) = wanted.storage_info() {
            let info = config.storage_info_mut();
            if let Some(claims) = storage.auto_claim_storage() {
                info.set_auto_claim_storage(claims);
            }
            if let Some(checks) = storage.checksum_enabled() {
                info.set_checksum_enabled(checks);
            }
        }
        Ok(())
    })
}

/// Moves the host's share of vSAN objects to others: it holds none by itself.
///
/// - `HostNotConnected`; `InvalidState` where vSAN is off.
fn evacuate_node(call: &mut System<'_>, _: EvacuateVsanNodeTask) -> Result<Moref, Fault> {
    part(call)
}

/// Ends what [`evacuate_node`] began.
///
/// - As there.
fn recommission_node(call: &mut System<'_>, _: RecommissionVsanNodeTask) -> Result<Moref, Fault> {
    part(call)
}

fn part(call: &mut System<'_>) -> Result<Moref, Fault> {
    let host = connected(call)?;
    let vsan = call.get::<HostSystem>(&host)?.config().and_then(|config| config.vsan_host_config());
    if vsan.and_then(|vsan| vsan.enabled()) != Some(true) {
        return Err(Fault::new(InvalidState::new(), "the host is in no vSAN cluster"));
    }
    call.start_task(|_| Ok(()))
}
