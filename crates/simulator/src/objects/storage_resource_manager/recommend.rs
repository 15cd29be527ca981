//! Initial placement: on which datastore of a pod a virtual machine, or a disk of one, would best be.
//!
//! The best datastore is the one with the most free space among those that the machine's hosts mount and that have room. What
//! was recommended is remembered, so that it can be applied.

use std::collections::BTreeMap;

use vimsim_registry::Transaction;
use vimsim_types::enums::VirtualMachineRelocateDiskMoveOptions as DiskMove;
use vimsim_types::method::{
    ApplyStorageDrsRecommendationTask, ApplyStorageDrsRecommendationToPodTask, CancelStorageDrsRecommendation,
    CloneVMTask, CreateVMTask, RecommendDatastores, ReconfigVMTask, RelocateVMTask,
};
use vimsim_types::views::{
    ApplyStorageRecommendationResult, ClusterAction, ClusterDrsFaults, ClusterDrsFaultsFaultsByVm,
    ClusterRecommendation, ComputeResource, Datacenter, Datastore, Folder, HostSystem, InsufficientStorageSpace,
    ResourcePool, StoragePlacementAction, StoragePlacementResult, StoragePlacementSpec, StoragePod,
    StorageResourceManager, Task, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualMachine, VirtualMachineConfigSpec,
    VirtualMachineRelocateSpec, VirtualMachineRelocateSpecDiskLocator,
};
use vimsim_types::{EnumView, Fault, Method, MethodView, Moref, View};

use crate::call::{Call, Context};
use crate::objects::datastore::maintenance;

type Manager = StorageResourceManager;

/// How many recommendations are remembered.
const REMEMBERED: usize = 256;

/// What was recommended and has not been applied.
#[derive(Clone, Default)]
struct Recommended {
    made: u64,
    /// By key: what was asked, and the datastore.
    open: BTreeMap<u64, (StoragePlacementSpec, Moref)>,
}

/// What is to be placed.
pub(super) struct Wanted {
    pub(super) pod: Moref,
    /// The datastores must be mounted by one of these hosts; by any, if there are none.
    pub(super) hosts: Vec<Moref>,
    pub(super) bytes: i64,
    /// The keys of the disks, if they are new.
    pub(super) disks: Vec<i32>,
}

fn missing(property: &str) -> Fault {
    Fault::invalid_argument(property, "is needed for this placement")
}

/// Recommends datastores of a pod, best first.
///
/// - `InvalidArgument` for what the type of placement needs and is not there, for a pod whose Storage DRS is off, and for a
///   disk that the configuration does not have; `ManagedObjectNotFound` for what does not exist.
pub(super) fn recommend_datastores(
    call: &mut Call<'_, Manager>,
    request: RecommendDatastores,
) -> Result<StoragePlacementResult, Fault> {
    let spec = request.storage_spec();
    let wanted = wanted(call, spec)?;
    let pod = call.get::<StoragePod>(&wanted.pod)?.clone();
    if !pod.pod_storage_drs_entry().is_some_and(|entry| entry.storage_drs_config().pod_config().enabled()) {
        let why = format!("Storage DRS is off for '{}'", pod.name());
        return Err(Fault::invalid_argument("podSelectionSpec.storagePod", why));
    }
    let candidates = candidates(call, &pod, &wanted);
    if candidates.is_empty() {
        return Ok(nowhere(spec, &pod));
    }
    let mut recommendations = Vec::new();
    for (moref, used, capacity) in candidates {
        let mut placed = spec.clone();
        if placed.type_() == "relocate" {
            placed.relocate_spec_mut().set_datastore(moref.clone());
        }
        let action = action(spec, &wanted, &moref, used, capacity);
        let recommendation =
            remember(call, &wanted.pod, placed, &moref, ClusterAction::from_object_unchecked(action.into()))?;
        recommendations.push(ClusterRecommendation::with(|it| {
            *it = recommendation;
            it.set_rating(1).set_reason("storagePlacement");
            it.set_reason_text("Satisfy storage initial placement requests");
        }));
    }
    Ok(StoragePlacementResult::with(|result| _ = result.set_recommendations(recommendations)))
}

/// Remembers what is recommended, to be applied. What is left to say of it is its rating and reason.
pub(super) fn remember(
    call: &mut Call<'_, Manager>,
    pod: &Moref,
    spec: StoragePlacementSpec,
    datastore: &Moref,
    action: ClusterAction,
) -> Result<ClusterRecommendation, Fault> {
    let (this, now) = (call.moref(), call.now());
    let known = call.private::<Recommended>(&this)?;
    known.made += 1;
    let key = known.made;
    known.open.insert(key, (spec, datastore.clone()));
    if known.open.len() > REMEMBERED {
        known.open.pop_first();
    }
    Ok(ClusterRecommendation::with(|it| {
        it.set_key(key.to_string()).set_type("V1").set_time(now).set_target(pod.clone()).set_action([action]);
    }))
}

/// What a specification is about.
fn wanted(call: &Call<'_, Manager>, spec: &StoragePlacementSpec) -> Result<Wanted, Fault> {
    let (mut hosts, mut disks) = (Vec::new(), Vec::new());
    let bytes;
    match spec.type_().as_str() {
        "create" => {
            let pool = spec.resource_pool().ok_or_else(|| missing("resourcePool"))?;
            let config = spec.config_spec().ok_or_else(|| missing("configSpec"))?;
            let owner = call.get::<ResourcePool>(&pool)?.owner();
            hosts = call.get::<ComputeResource>(&owner)?.host().iter().collect();
            (disks, bytes) = new_disks(config);
        }
        "reconfigure" => {
            let machine = call.get::<VirtualMachine>(&spec.vm().ok_or_else(|| missing("vm"))?)?;
            let config = spec.config_spec().ok_or_else(|| missing("configSpec"))?;
            hosts = machine.runtime().host().into_iter().collect();
            (disks, bytes) = new_disks(config);
        }
        "clone" => {
            let folder = spec.folder().ok_or_else(|| missing("folder"))?;
            call.get::<Folder>(&folder)?;
            let machine = call.get::<VirtualMachine>(&spec.vm().ok_or_else(|| missing("vm"))?)?;
            if spec.clone_name().is_none_or(|name| name.is_empty()) {
                return Err(missing("cloneName"));
            }
            spec.clone_spec().ok_or_else(|| missing("cloneSpec"))?;
            bytes = size(machine);
        }
        "relocate" => {
            let machine = call.get::<VirtualMachine>(&spec.vm().ok_or_else(|| missing("vm"))?)?;
            hosts = machine.runtime().host().into_iter().collect();
            bytes = size(machine);
        }
        other => return Err(Fault::invalid_argument("type", format!("'{other}' is no type of placement"))),
    }
    if let Some(host) = spec.host() {
        call.get::<HostSystem>(&host)?;
        hosts = vec![host];
    }
    let selection = spec.pod_selection_spec();
    let is_known = |key: i32| disks.contains(&key) || spec.type_() == "relocate" || spec.type_() == "clone";
    for config in selection.initial_vm_config() {
        if config.disk().iter().any(|disk| !is_known(disk.disk_id())) {
            let property = "podSelectionSpec.initialVmConfig.disk.fileBacking";
            return Err(Fault::invalid_argument(property, "the configuration has no such disk"));
        }
    }
    let pod = selection.initial_vm_config().first().map(|config| config.storage_pod()).or(selection.storage_pod());
    let pod = pod.ok_or_else(|| missing("podSelectionSpec.storagePod"))?;
    Ok(Wanted { pod, hosts, bytes, disks })
}

/// The keys of the disks that a configuration adds, and their size.
fn new_disks(config: &VirtualMachineConfigSpec) -> (Vec<i32>, i64) {
    let disks = config.device_change().iter().filter_map(|change| change.device().downcast::<VirtualDisk>());
    disks.fold((Vec::new(), 0), |(mut keys, bytes), disk| {
        keys.push(disk.key());
        (keys, bytes.saturating_add(bytes_of(disk)))
    })
}

pub(super) fn bytes_of(disk: &VirtualDisk) -> i64 {
    let kilobytes = disk.capacity_in_kb().saturating_mul(1024);
    disk.capacity_in_bytes().filter(|bytes| *bytes > 0).unwrap_or(kilobytes).max(0)
}

/// The size of a machine's disks.
fn size(machine: &VirtualMachine) -> i64 {
    let devices = machine.config().map(|config| config.hardware().device());
    let disks = devices.into_iter().flatten().filter_map(|device| device.downcast::<VirtualDisk>());
    disks.map(bytes_of).fold(0, i64::saturating_add)
}

/// The datastores of a pod that will do, with what is in use of them and their size; the one with the most space first.
pub(super) fn candidates(transaction: &Transaction, pod: &StoragePod, wanted: &Wanted) -> Vec<(Moref, i64, i64)> {
    let is_mounted = |moref: &Moref| {
        let mut hosts = wanted.hosts.iter().filter_map(|host| transaction.view::<HostSystem>(host));
        wanted.hosts.is_empty() || hosts.any(|host| host.datastore().contains(moref))
    };
    let usable = pod.child_entity().iter().filter(is_mounted).filter_map(|moref| {
        let datastore = transaction.view::<Datastore>(&moref)?;
        let summary = datastore.summary();
        let (free, capacity) = (summary.free_space(), summary.capacity());
        let is_usable = summary.accessible() && maintenance::is_normal(datastore) && free >= wanted.bytes;
        is_usable.then_some((moref, capacity - free, capacity))
    });
    let mut all: Vec<_> = usable.collect();
    all.sort_by_key(|(_, used, capacity)| used - capacity);
    all
}

/// So many bytes of a datastore's capacity, in percent.
pub(super) fn percent(bytes: i64, capacity: i64) -> f32 {
    (bytes as f64 * 100.0 / capacity.max(1) as f64) as f32
}

fn action(
    spec: &StoragePlacementSpec,
    wanted: &Wanted,
    datastore: &Moref,
    used: i64,
    capacity: i64,
) -> StoragePlacementAction {
    let percent = |bytes: i64| percent(bytes, capacity);
    StoragePlacementAction::with(|action| {
        action.set_vm(spec.vm()).set_destination(datastore.clone());
        action.set_space_util_before(percent(used)).set_space_demand_before(percent(used));
        let after = used.saturating_add(wanted.bytes);
        action.set_space_util_after(percent(after)).set_space_demand_after(percent(after)).set_io_latency_before(0.0);
        let mut relocate = spec.relocate_spec().cloned().unwrap_or_else(VirtualMachineRelocateSpec::new);
        relocate.set_datastore(datastore.clone());
        relocate.set_disk_move_type(DiskMove::MoveAllDiskBackingsAndAllowSharing.name());
        for key in &wanted.disks {
            relocate.push_disk(VirtualMachineRelocateSpecDiskLocator::with(|locator| {
                locator.set_disk_id(*key).set_datastore(datastore.clone());
            }));
        }
        action.set_relocate_spec(relocate);
        action.set_type("StoragePlacementV1");
    })
}

/// That no datastore of the pod will do.
fn nowhere(spec: &StoragePlacementSpec, pod: &StoragePod) -> StoragePlacementResult {
    let why = format!("no datastore of '{}' that the hosts mount has enough space", pod.name());
    let fault = Fault::new(InsufficientStorageSpace::new(), why);
    StoragePlacementResult::with(|result| {
        result.set_drs_fault(ClusterDrsFaults::with(|faults| {
            faults.set_reason("storagePlacement");
            faults.set_faults_by_vm([ClusterDrsFaultsFaultsByVm::with(|by_machine| {
                by_machine.set_vm(spec.vm()).set_fault([fault.localized()]);
            })]);
        }));
    })
}

/// Forgets recommendations.
///
/// - `InvalidArgument` for a key that nothing was recommended under.
pub(super) fn cancel(call: &mut Call<'_, Manager>, request: CancelStorageDrsRecommendation) -> Result<(), Fault> {
    take(call, request.key().iter().map(|key| key.as_str())).map(|_| ())
}

/// The recommendations of these keys, which are forgotten.
pub(super) fn take<'a>(
    call: &mut Call<'_, Manager>,
    keys: impl Iterator<Item = &'a str>,
) -> Result<Vec<(StoragePlacementSpec, Moref)>, Fault> {
    let this = call.moref();
    let known = call.private::<Recommended>(&this)?;
    let mut one = |key: &str| {
        let found = key.parse().ok().and_then(|key: u64| known.open.remove(&key));
        found.ok_or_else(|| Fault::invalid_argument("key", format!("nothing is recommended under '{key}'")))
    };
    let taken: Vec<_> = keys.map(|key| Ok((key, one(key)?))).collect::<Result<_, Fault>>()?;
    let mut all = Vec::with_capacity(taken.len());
    for (key, it) in taken {
        withdraw(call, key, it.0.pod_selection_spec().storage_pod())?;
        all.push(it);
    }
    Ok(all)
}

/// Takes a recommendation off the pod's list.
fn withdraw(call: &mut Call<'_, Manager>, key: &str, pod: Option<Moref>) -> Result<(), Fault> {
    let Some(pod) = pod else { return Ok(()) };
    let entry = call.view::<StoragePod>(&pod).and_then(|pod| pod.pod_storage_drs_entry());
    if entry.is_some_and(|entry| entry.recommendation().iter().any(|it| it.key() == key)) {
        let entry = call.edit::<StoragePod>(&pod)?.pod_storage_drs_entry_mut();
        entry.recommendation_mut().retain(|it| it.key() != key);
    }
    Ok(())
}

/// Does what was recommended; the task's result is the machine of the last.
///
/// - `InvalidArgument` for a key that nothing was recommended under, or without any;
/// - as faults of the task, those of `CreateVM_Task`, `CloneVM_Task`, `RelocateVM_Task` or `ReconfigVM_Task`.
pub(super) fn apply(call: &mut Call<'_, Manager>, request: ApplyStorageDrsRecommendationTask) -> Result<Moref, Fault> {
    if request.key().is_empty() {
        return Err(missing("key"));
    }
    let all = take(call, request.key().iter().map(|key| key.as_str()))?;
    start(call, all)
}

/// [`apply`] for one recommendation of a pod.
///
/// - `ManagedObjectNotFound` if there is no such pod.
pub(super) fn apply_to_pod(
    call: &mut Call<'_, Manager>,
    request: ApplyStorageDrsRecommendationToPodTask,
) -> Result<Moref, Fault> {
    call.get::<StoragePod>(&request.pod())?;
    let all = take(call, std::iter::once(request.key().as_str()))?;
    start(call, all)
}

fn start(call: &mut Call<'_, Manager>, all: Vec<(StoragePlacementSpec, Moref)>) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let mut machine = None;
        for (spec, datastore) in all {
            machine = place(call, &spec, &datastore)?;
        }
        Ok(ApplyStorageRecommendationResult::with(|result| _ = result.set_vm(machine)))
    })
}

/// Does what was asked, on this datastore. The machine.
pub(super) fn place(
    call: &mut Call<'_, Manager>,
    spec: &StoragePlacementSpec,
    datastore: &Moref,
) -> Result<Option<Moref>, Fault> {
    let context = call.context();
    let service = context.service.clone();
    let at_once = |method: &'static Method| Context {
        session: context.session.clone(),
        now: context.now,
        method: Some(method),
        ..Context::internal(service.clone(), true)
    };
    let name = call.get::<Datastore>(datastore)?.name().clone();
    let machine = spec.vm();
    let config = spec.config_spec().map(|config| on(config, datastore, &name));
    let of_machine = || machine.clone().ok_or_else(|| missing("vm"));
    let task = match spec.type_().as_str() {
        "create" => {
            let mut config = config.ok_or_else(|| missing("configSpec"))?;
            config.files_mut().set_vm_path_name(format!("[{name}]"));
            let folder = match spec.folder() {
                Some(folder) => folder,
                None => {
                    let datacenter = call.datacenter_of(datastore).ok_or_else(|| missing("folder"))?;
                    call.get::<Datacenter>(&datacenter)?.vm_folder()
                }
            };
            let request = CreateVMTask::with(|request| {
                request.set_config(config).set_pool(spec.resource_pool()).set_host(spec.host());
            });
            service.invoke(call, &at_once(CreateVMTask::method()), &folder, request)?
        }
        "clone" => {
            let mut wanted = spec.clone_spec().cloned().ok_or_else(|| missing("cloneSpec"))?;
            wanted.location_mut().set_datastore(datastore.clone());
            let request = CloneVMTask::with(|request| {
                request.set_folder(spec.folder()).set_name(spec.clone_name()).set_spec(wanted);
            });
            service.invoke(call, &at_once(CloneVMTask::method()), &of_machine()?, request)?
        }
        "relocate" => {
            let wanted = spec.relocate_spec().cloned().unwrap_or_else(VirtualMachineRelocateSpec::new);
            let request = RelocateVMTask::with(|request| _ = request.set_spec(wanted));
            service.invoke(call, &at_once(RelocateVMTask::method()), &of_machine()?, request)?
        }
        _ => {
            let request = ReconfigVMTask::with(|request| {
                _ = request.set_spec(config.unwrap_or_else(VirtualMachineConfigSpec::new))
            });
            service.invoke(call, &at_once(ReconfigVMTask::method()), &of_machine()?, request)?
        }
    };
    let result = task.moref().and_then(|task| call.view::<Task>(&task)?.info().result().moref());
    Ok(result.filter(|moref| moref.is::<VirtualMachine>()).or(machine))
}

/// A configuration whose new disks are on this datastore.
fn on(config: &VirtualMachineConfigSpec, datastore: &Moref, name: &str) -> VirtualMachineConfigSpec {
    let mut config = config.clone();
    for change in config.device_change_mut().iter_mut() {
        let Some(disk) = change.device_mut().downcast_mut::<VirtualDisk>() else { continue };
        if let Some(backing) = disk.backing_mut().downcast_mut::<VirtualDeviceFileBackingInfo>() {
            backing.set_datastore(datastore.clone()).set_file_name(format!("[{name}]"));
        }
    }
    config
}
