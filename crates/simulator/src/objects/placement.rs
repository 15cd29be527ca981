//! Where a virtual machine would go: what `PlaceVm` of a cluster and `PlaceVmsXCluster` of the root folder recommend.
//!
//! The best host is the one with the fewest virtual machines among those that work, that no mandatory rule forbids, and
//! that mount a datastore that can be used; the best datastore is the one of it with the most free space.

use vimsim_types::enums::VirtualMachineRelocateDiskMoveOptions as DiskMove;
use vimsim_types::method::{PlaceVm, PlaceVmsXCluster};
use vimsim_types::views::{
    ClusterAction, ClusterClusterInitialPlacementAction, ClusterClusterReconfigurePlacementAction,
    ClusterClusterRelocatePlacementAction, ClusterComputeResource, ClusterConfigInfoEx, ClusterDrsFaults,
    ClusterDrsFaultsFaultsByVm, ClusterRecommendation, ComputeResource, Datastore, Folder, GenericDrsFault, HostSystem,
    InvalidState, ManagedEntity, NoCompatibleHost, NotSupported, PlaceVmsXClusterResult,
    PlaceVmsXClusterResultPlacementFaults, PlaceVmsXClusterResultPlacementInfo, PlaceVmsXClusterSpec,
    PlaceVmsXClusterSpecVmPlacementSpec, PlacementAction, PlacementResult, PlacementSpec, ResourcePool,
    VirtualDeviceFileBackingInfo, VirtualDisk, VirtualMachine, VirtualMachineConfigSpec, VirtualMachineRelocateSpec,
    VirtualMachineRelocateSpecDiskLocator,
};
use vimsim_types::{EnumView, Fault, Items, Moref, View};

use super::datastore::maintenance;
use super::{cluster_compute_resource, host_system, service_instance};
use crate::call::Look;

/// Where a virtual machine may go.
struct Candidates<'a> {
    cluster: &'a ComputeResource,
    vm: Option<Moref>,
    /// The hosts and datastores to choose from; all of the cluster if there are none.
    hosts: Vec<Moref>,
    datastores: Vec<Moref>,
}

impl<'a> Candidates<'a> {
    fn of(cluster: &'a ComputeResource, vm: Option<Moref>) -> Self {
        Self { cluster, vm, hosts: Vec::new(), datastores: Vec::new() }
    }

    /// The best host and its best datastore.
    fn best<T: View>(&self, look: &Look<'_, T>) -> Option<(Moref, Moref)> {
        let config = self.cluster.configuration_ex().downcast::<ClusterConfigInfoEx>();
        let is_allowed = |host: &Moref| match (config, &self.vm) {
            (Some(config), Some(vm)) => cluster_compute_resource::may_run_on(config, vm, host),
            _ => true,
        };
        let hosts = self.cluster.host().iter().filter(|host| self.hosts.is_empty() || self.hosts.contains(host));
        let usable = hosts.filter(is_allowed).filter_map(|moref| {
            let host = look.snapshot().view::<HostSystem>(&moref)?;
            let datastore = self.datastore(look, host.datastore()).filter(|_| host_system::is_effective(host))?;
            Some((host.vm().len(), moref, datastore))
        });
        usable.min_by_key(|(machines, ..)| *machines).map(|(_, host, datastore)| (host, datastore))
    }

    fn datastore<T: View>(&self, look: &Look<'_, T>, mounted: Items<'_, Moref>) -> Option<Moref> {
        let wanted = mounted.iter().filter(|moref| self.datastores.is_empty() || self.datastores.contains(moref));
        let usable = wanted.filter_map(|moref| {
            let datastore = look.snapshot().view::<Datastore>(&moref)?;
            let summary = datastore.summary();
            (summary.accessible() && maintenance::is_normal(datastore)).then(|| (summary.free_space(), moref))
        });
        // The first of those with the same space.
        let mut best: Option<(i64, Moref)> = None;
        for (space, moref) in usable {
            if best.as_ref().is_none_or(|(most, _)| space > *most) {
                best = Some((space, moref));
            }
        }
        best.map(|(_, moref)| moref)
    }
}

fn recommendation<T: View>(
    look: &Look<'_, T>,
    cluster: &Moref,
    reason: &str,
    action: impl View,
) -> ClusterRecommendation {
    ClusterRecommendation::with(|recommendation| {
        recommendation.set_key("1").set_type("V1").set_time(look.context().now).set_rating(1);
        recommendation.set_reason(reason).set_reason_text(reason).set_target(cluster.clone());
        recommendation.set_action(ClusterAction::from_object(action.into()));
    })
}

/// Where in the cluster a virtual machine would best be created, cloned, reconfigured or moved to.
///
/// - `InvalidState` if the cluster has no hosts; `NotSupported` for a kind of placement that there is not;
/// - `InvalidArgument` for a reconfiguration without its specification, or a machine that is not there;
/// - `ManagedObjectNotFound` for a host, datastore or pool in the specification that is not there.
pub(super) fn place_vm(look: &Look<'_, ClusterComputeResource>, request: PlaceVm) -> Result<PlacementResult, Fault> {
    let (this, cluster, spec) = (look.moref(), look.this()?, request.placement_spec());
    if cluster.host().is_empty() {
        return Err(Fault::new(InvalidState::new(), format!("the cluster '{}' has no hosts", cluster.name())));
    }
    let mut candidates = Candidates::of(cluster, spec.vm());
    candidates.hosts = spec.hosts().iter().collect();
    candidates.datastores = spec.datastores().iter().collect();
    let default = if spec.vm().is_some() { "relocate" } else { "create" };
    let relocate = match spec.placement_type().map_or(default, |kind| kind.as_str()) {
        "create" | "clone" => candidates.best(look).map(|(host, datastore)| {
            VirtualMachineRelocateSpec::with(|spec| {
                spec.set_host(host).set_datastore(datastore).set_pool(cluster.resource_pool());
            })
        }),
        "reconfigure" => {
            if spec.config_spec().is_none() {
                return Err(Fault::invalid_argument("PlacementSpec.configSpec", "is needed to reconfigure"));
            }
            let machine = machine(look, spec)?;
            let wanted = VirtualMachineRelocateSpec::with(|spec| {
                spec.set_disk_move_type(DiskMove::MoveAllDiskBackingsAndAllowSharing.name());
            });
            stay(look, &candidates, machine, wanted)
        }
        "relocate" => {
            let machine = machine(look, spec)?;
            let wanted = spec.relocate_spec().cloned().unwrap_or_else(VirtualMachineRelocateSpec::new);
            check_relocation(look, machine, &wanted)?;
            stay(look, &candidates, machine, wanted).map(|spec| with_disks(machine, spec))
        }
        other => {
            return Err(Fault::new(NotSupported::new(), format!("'{other}' is no kind of placement")));
        }
    };
    let Some(relocate) = relocate else { return Ok(nowhere(spec)) };
    let action = PlacementAction::with(|action| {
        action.set_type("PlacementV1").set_target(this.clone());
        action.set_vm(spec.vm()).set_target_host(relocate.host()).set_relocate_spec(relocate);
    });
    let recommendation = recommendation(look, this, "xvmotionPlacement", action);
    Ok(PlacementResult::with(|result| _ = result.set_recommendations([recommendation])))
}

/// That no host will do.
fn nowhere(spec: &PlacementSpec) -> PlacementResult {
    let fault = Fault::new(NoCompatibleHost::new(), "no host of the cluster can take the virtual machine");
    PlacementResult::with(|result| {
        result.set_drs_fault(ClusterDrsFaults::with(|faults| {
            faults.set_reason("xvmotionPlacement");
            faults.set_faults_by_vm([ClusterDrsFaultsFaultsByVm::with(|by_machine| {
                by_machine.set_vm(spec.vm()).set_fault([fault.localized()]);
            })]);
        }));
    })
}

/// The virtual machine that is to be placed.
// Fidelity: as vcsim has seen vCenter do, one that is not there is told as a missing `configSpec`: it would be a new one.
fn machine<'a>(look: &Look<'a, ClusterComputeResource>, spec: &PlacementSpec) -> Result<&'a VirtualMachine, Fault> {
    let moref = spec.vm().ok_or_else(|| Fault::invalid_argument("PlacementSpec", "names no virtual machine"))?;
    let missing = || Fault::invalid_argument("PlacementSpec.configSpec", format!("{moref} is not there"));
    look.snapshot().view::<VirtualMachine>(&moref).ok_or_else(missing)
}

fn check_relocation(
    look: &Look<'_, ClusterComputeResource>,
    machine: &VirtualMachine,
    spec: &VirtualMachineRelocateSpec,
) -> Result<(), Fault> {
    for moref in [spec.host(), spec.datastore(), spec.pool()].into_iter().flatten() {
        look.get::<ManagedEntity>(&moref)?;
    }
    for disk in spec.disk() {
        if !disks(machine).any(|known| known == disk.disk_id()) {
            let why = format!("it has no disk {}", disk.disk_id());
            return Err(Fault::invalid_argument("PlacementSpec.vm", why));
        }
        if look.snapshot().view::<Datastore>(&disk.datastore()).is_none() {
            return Err(Fault::invalid_argument("RelocateSpec", format!("{} is not there", disk.datastore())));
        }
    }
    Ok(())
}

fn disks(machine: &VirtualMachine) -> impl Iterator<Item = i32> {
    let devices = machine.config().into_iter().flat_map(|config| config.hardware().device());
    devices.filter_map(|device| device.downcast::<VirtualDisk>().map(|disk| disk.key()))
}

/// `wanted`, and for what it leaves open where the machine is now, if that is in the cluster; or else the best place.
fn stay<T: View>(
    look: &Look<'_, T>,
    candidates: &Candidates<'_>,
    machine: &VirtualMachine,
    mut wanted: VirtualMachineRelocateSpec,
) -> Option<VirtualMachineRelocateSpec> {
    let mut here = Candidates::of(candidates.cluster, candidates.vm.clone());
    here.hosts = wanted.host().or_else(|| machine.runtime().host()).into_iter().collect();
    here.datastores = wanted.datastore().or_else(|| machine.datastore().first()).into_iter().collect();
    let is_candidate = |moref: &Moref, all: &[Moref]| all.is_empty() || all.contains(moref);
    let current = here.best(look).filter(|(host, datastore)| {
        is_candidate(host, &candidates.hosts) && is_candidate(datastore, &candidates.datastores)
    });
    let (host, datastore) = current.or_else(|| candidates.best(look))?;
    let pool = machine.resource_pool().filter(|pool| {
        let owner = look.snapshot().view::<ResourcePool>(pool).map(|pool| pool.owner());
        owner.is_some()
            && owner
                == candidates
                    .cluster
                    .resource_pool()
                    .and_then(|root| Some(look.snapshot().view::<ResourcePool>(&root)?.owner()))
    });
    wanted.set_host(host).set_datastore(datastore);
    wanted.set_pool(wanted.pool().or(pool).or(candidates.cluster.resource_pool()));
    Some(wanted)
}

/// Says for every disk where it goes, unless the client has.
fn with_disks(machine: &VirtualMachine, mut spec: VirtualMachineRelocateSpec) -> VirtualMachineRelocateSpec {
    if spec.disk_move_type().is_none() {
        spec.set_disk_move_type(DiskMove::MoveAllDiskBackingsAndDisallowSharing.name());
    }
    if spec.disk().is_empty() {
        let (datastore, move_type) = (spec.datastore(), spec.disk_move_type().cloned());
        spec.set_disk(disks(machine).map(|key| {
            VirtualMachineRelocateSpecDiskLocator::with(|disk| {
                disk.set_disk_id(key).set_datastore(datastore.clone()).set_disk_move_type(move_type.clone());
            })
        }));
    }
    spec
}

/// In which of the clusters that own the pools the virtual machines would best be created, moved or reconfigured.
///
/// - `NotSupported` of any folder but the root of a vCenter;
/// - `InvalidArgument` without pools, or for a kind of placement that there is not, or a machine that is not there or has
///   no specification.
pub(super) fn place_vms_x_cluster(
    look: &Look<'_, Folder>,
    request: PlaceVmsXCluster,
) -> Result<PlaceVmsXClusterResult, Fault> {
    let spec = request.placement_spec();
    if !look.context().is_virtual_center() || *look.moref() != service_instance::root_folder(true) {
        return Err(Fault::new(NotSupported::new(), "only the root folder of a vCenter places virtual machines"));
    }
    let kind = spec.placement_type().map_or("createAndPowerOn", |kind| kind.as_str());
    if !["createAndPowerOn", "relocate", "reconfigure"].contains(&kind) {
        return Err(Fault::invalid_argument("placementType", format!("'{kind}' is no kind of placement")));
    }
    if spec.vm_placement_specs().is_empty() {
        return Err(Fault::invalid_argument("vmPlacementSpecs", "there is nothing to place"));
    }
    let mut result = PlaceVmsXClusterResult::new();
    for machine in spec.vm_placement_specs() {
        place_one(look, spec, kind, machine, &mut result)?;
    }
    Ok(result)
}

fn place_one(
    look: &Look<'_, Folder>,
    spec: &PlaceVmsXClusterSpec,
    kind: &str,
    wanted: &PlaceVmsXClusterSpecVmPlacementSpec,
    result: &mut PlaceVmsXClusterResult,
) -> Result<(), Fault> {
    let machine = match (kind, wanted.vm()) {
        ("createAndPowerOn", _) => None,
        (_, Some(moref)) => {
            let missing = || Fault::invalid_argument("vm", format!("{moref} is not there"));
            Some(look.snapshot().view::<VirtualMachine>(&moref).ok_or_else(missing)?)
        }
        (_, None) => return Err(Fault::invalid_argument("vm", "names no virtual machine")),
    };
    if kind == "relocate" && wanted.relocate_spec().is_none() {
        return Err(Fault::invalid_argument("relocateSpec", "is needed to relocate"));
    }
    // A machine that is reconfigured stays in its pool.
    let own = machine.filter(|_| kind == "reconfigure").and_then(|machine| machine.resource_pool());
    let pools: Vec<Moref> =
        if own.is_some() { own.into_iter().collect() } else { spec.resource_pools().iter().collect() };
    let first =
        pools.first().ok_or_else(|| Fault::invalid_argument("resourcePools", "there are none to choose from"))?;
    let mut best: Option<(usize, Moref, Moref, Moref, Moref)> = None;
    for pool in &pools {
        let owner = look.get::<ResourcePool>(pool)?.owner();
        let Some(cluster) = look.snapshot().view::<ClusterComputeResource>(&owner) else {
            return Err(Fault::invalid_argument("resourcePools", format!("{pool} is of no cluster")));
        };
        let candidates = Candidates::of(cluster, wanted.vm());
        let place = match machine {
            Some(machine) if kind == "reconfigure" => {
                stay(look, &candidates, machine, VirtualMachineRelocateSpec::new())
                    .and_then(|spec| Some((spec.host()?, spec.datastore()?)))
            }
            _ => candidates.best(look),
        };
        let Some((host, datastore)) = place else { continue };
        let load = look.snapshot().view::<HostSystem>(&host).map_or(0, |host| host.vm().len());
        if best.as_ref().is_none_or(|(least, ..)| load < *least) {
            best = Some((load, pool.clone(), owner, host, datastore));
        }
    }
    let name = machine.map_or_else(|| wanted.config_spec().name().cloned().unwrap_or_default(), |it| it.name().clone());
    let Some((_, pool, owner, host, datastore)) = best else {
        let fault = Fault::new(GenericDrsFault::new(), "no host of the clusters can take the virtual machine");
        result.push_faults(PlaceVmsXClusterResultPlacementFaults::with(|faults| {
            faults.set_resource_pool(first.clone()).set_vm_name(name).set_vm(wanted.vm());
            faults.set_faults([fault.localized()]);
        }));
        return Ok(());
    };
    let host = spec.host_recomm_required().unwrap_or(false).then_some(host);
    let datastore = spec.datastore_recomm_required().unwrap_or(false).then_some(datastore);
    let cluster = look.get::<ComputeResource>(&owner)?;
    let action = action(look, kind, wanted, cluster, (pool, host, datastore));
    let recommendation = recommendation(look, &owner, "xClusterPlacement", action);
    result.push_placement_infos(PlaceVmsXClusterResultPlacementInfo::with(|info| {
        info.set_vm_name(name).set_vm(wanted.vm()).set_recommendation(recommendation);
    }));
    Ok(())
}

/// What is recommended for one machine.
fn action(
    look: &Look<'_, Folder>,
    kind: &str,
    wanted: &PlaceVmsXClusterSpecVmPlacementSpec,
    cluster: &ComputeResource,
    (pool, host, datastore): (Moref, Option<Moref>, Option<Moref>),
) -> ClusterAction {
    // Those of the candidates that the cluster has, each once.
    let mut networks: Vec<Moref> = Vec::new();
    for network in wanted.candidate_networks().iter().flat_map(|nic| nic.networks()) {
        if cluster.network().contains(&network) && !networks.contains(&network) {
            networks.push(network);
        }
    }
    let config = || datastore.as_ref().and_then(|datastore| on_datastore(look, wanted.config_spec(), datastore));
    let mut action: ClusterAction = match kind {
        "relocate" => {
            let action = ClusterClusterRelocatePlacementAction::with(|action| {
                action.set_target_host(host).set_pool(pool);
                if let Some(datastore) = &datastore {
                    let mut spec = wanted.relocate_spec().cloned().unwrap_or_else(VirtualMachineRelocateSpec::new);
                    spec.set_datastore(datastore.clone());
                    spec.disk_mut().iter_mut().for_each(|disk| _ = disk.set_datastore(datastore.clone()));
                    action.set_relocate_spec(spec);
                }
                if !networks.is_empty() {
                    action.set_available_networks(networks);
                }
            });
            ClusterAction::from_object_unchecked(action.into())
        }
        "reconfigure" => {
            let action = ClusterClusterReconfigurePlacementAction::with(|action| {
                action.set_target_host(host).set_pool(pool);
                if let Some(config) = config() {
                    action.set_config_spec(config);
                }
            });
            ClusterAction::from_object_unchecked(action.into())
        }
        _ => {
            let action = ClusterClusterInitialPlacementAction::with(|action| {
                action.set_target_host(host).set_pool(pool);
                if let Some(config) = config() {
                    action.set_config_spec(config);
                }
                if !networks.is_empty() {
                    action.set_available_networks(networks);
                }
            });
            ClusterAction::from_object_unchecked(action.into())
        }
    };
    action.set_type("PlacementV1");
    action
}

/// The specification with its files on the datastore.
fn on_datastore(
    look: &Look<'_, Folder>,
    spec: &VirtualMachineConfigSpec,
    datastore: &Moref,
) -> Option<VirtualMachineConfigSpec> {
    let name = format!("[{}]", look.snapshot().view::<Datastore>(datastore)?.name());
    let mut spec = spec.clone();
    spec.files_mut().set_vm_path_name(&name);
    for change in spec.device_change_mut().iter_mut() {
        let device = change.device_mut();
        if device.as_object().is::<VirtualDisk>()
            && let Some(backing) =
                device.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>())
        {
            let mut backing = backing.clone();
            backing.set_datastore(datastore.clone()).set_file_name(&name);
            device
                .as_object_mut()
                .set(vimsim_types::views::VirtualDevice::BACKING, vimsim_types::Value::Object(backing.into()));
        }
    }
    Some(spec)
}
