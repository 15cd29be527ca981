//! What Storage DRS does about the virtual machines on a datastore that is to enter maintenance mode: it recommends where
//! in the pod their files would go, or moves them by itself.

use std::collections::BTreeMap;

use vimsim_types::enums::{ActionType, RecommendationReasonCode, VirtualMachineRelocateDiskMoveOptions as DiskMove};
use vimsim_types::views::{
    ClusterAction, ClusterDrsFaults, ClusterDrsFaultsFaultsByVm, ClusterRecommendation, Datastore,
    InsufficientStorageSpace, StorageDrsCannotMoveTemplate, StorageDrsConfigInfo, StorageDrsDisabledOnVm,
    StorageDrsUnableToMoveFiles, StorageMigrationAction, StoragePlacementResult, StoragePlacementSpec, StoragePod,
    StorageResourceManager, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualMachine, VirtualMachineRelocateSpec,
    VirtualMachineRelocateSpecDiskLocator,
};
use vimsim_types::{EnumView, Fault, Moref, View};

use super::recommend::{self, Wanted};
use crate::call::Call;
use crate::work::Work;

/// What is to become of the machines.
#[derive(Default)]
pub(crate) struct Plan {
    /// What a client is told, without the task.
    pub(crate) result: Option<StoragePlacementResult>,
    /// What Storage DRS does by itself: what is asked for, and the datastore.
    pub(crate) moves: Vec<(StoragePlacementSpec, Moref)>,
    /// The keys of what a client is to approve.
    pub(crate) keys: Vec<String>,
}

/// One machine's move.
struct Move {
    spec: StoragePlacementSpec,
    to: Moref,
    action: StorageMigrationAction,
}

fn manager() -> Moref {
    Moref::of::<StorageResourceManager>("StorageResourceManager")
}

/// Plans where the machines on a datastore go. Nothing is planned where Storage DRS is off.
pub(crate) fn plan<T>(call: &mut Call<'_, T>, datastore: &Moref) -> Result<Plan, Fault> {
    let parent = call.get::<Datastore>(datastore)?.parent();
    let Some(pod) = parent.filter(|parent| parent.is::<StoragePod>()) else { return Ok(Plan::default()) };
    let config = call.get::<StoragePod>(&pod)?.pod_storage_drs_entry().map(|entry| entry.storage_drs_config().clone());
    let Some(config) = config.filter(|config| config.pod_config().enabled()) else { return Ok(Plan::default()) };
    let machines: Vec<Moref> = call.get::<Datastore>(datastore)?.vm().iter().collect();
    let (mut plan, mut planned) = (Plan::default(), BTreeMap::new());
    let (mut recommendations, mut faults) = (Vec::new(), Vec::new());
    for machine in machines {
        match one(call, &pod, datastore, &config, &machine, &mut planned) {
            Ok(it) if is_automatic(&config, &machine) => plan.moves.push((it.spec, it.to)),
            Ok(it) => {
                let action = ClusterAction::from_object_unchecked(it.action.into());
                let mut one = recommend::remember(&mut call.on(&manager()), &pod, it.spec, &it.to, action)?;
                // The highest: maintenance depends on it.
                one.set_rating(5).set_reason(RecommendationReasonCode::DatastoreMaint.name());
                one.set_reason_text("The datastore is entering maintenance mode");
                plan.keys.push(one.key().to_string());
                recommendations.push(one);
            }
            Err(fault) => faults.push(ClusterDrsFaultsFaultsByVm::with(|by_machine| {
                by_machine.set_vm(machine).set_fault([fault.localized()]);
            })),
        }
    }
    if !recommendations.is_empty() {
        let entry = call.edit::<StoragePod>(&pod)?.pod_storage_drs_entry_mut();
        recommendations.iter().for_each(|one: &ClusterRecommendation| _ = entry.push_recommendation(one.clone()));
    }
    plan.result = Some(StoragePlacementResult::with(|result| {
        if !recommendations.is_empty() {
            result.set_recommendations(recommendations);
        }
        if !faults.is_empty() {
            result.set_drs_fault(ClusterDrsFaults::with(|all| {
                all.set_reason(RecommendationReasonCode::DatastoreMaint.name()).set_faults_by_vm(faults);
            }));
        }
    }));
    Ok(plan)
}

/// Whether Storage DRS moves the machine by itself: what is said of the machine counts, then what is said of evacuations, then
/// what is said of the pod.
fn is_automatic(config: &StorageDrsConfigInfo, machine: &Moref) -> bool {
    let pod = config.pod_config();
    let own = config.vm_config().iter().find(|it| it.vm().as_ref() == Some(machine)).and_then(|it| it.behavior());
    let of_evacuation = pod.automation_overrides().and_then(|it| it.vm_evacuation_automation_mode());
    own.or(of_evacuation).unwrap_or(pod.default_vm_behavior()) == "automated"
}

/// Where one machine's files go, to the datastore of the pod that has the most room left.
///
/// - The faults that Storage DRS reports: `StorageDrsDisabledOnVm`, `StorageDrsCannotMoveTemplate`,
///   `StorageDrsUnableToMoveFiles` for a machine that has only an image here, `InsufficientStorageSpace`.
fn one<T>(
    call: &Call<'_, T>,
    pod: &Moref,
    from: &Moref,
    config: &StorageDrsConfigInfo,
    moref: &Moref,
    planned: &mut BTreeMap<Moref, i64>,
) -> Result<Move, Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    let name = machine.name();
    let own = config.vm_config().iter().find(|it| it.vm().as_ref() == Some(moref));
    if own.is_some_and(|own| own.enabled() == Some(false)) {
        return Err(Fault::new(StorageDrsDisabledOnVm::new(), format!("Storage DRS is off for '{name}'")));
    }
    if machine.config().is_some_and(|config| config.template()) {
        return Err(Fault::new(StorageDrsCannotMoveTemplate::new(), format!("'{name}' is a template")));
    }
    let mut disks = Vec::new();
    for disk in machine.config().iter().flat_map(|config| config.hardware().device().iter()) {
        let Some(disk) = disk.downcast::<VirtualDisk>() else { continue };
        let file = disk.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>());
        if let Some(at) = file.and_then(|file| file.datastore()) {
            disks.push((disk.key(), at, recommend::bytes_of(disk)));
        }
    }
    let bytes = disks.iter().filter(|(_, at, _)| at == from).fold(0_i64, |sum, (.., bytes)| sum.saturating_add(*bytes));
    let moves_home = machine.datastore().first().as_ref() == Some(from);
    if !moves_home && disks.iter().all(|(_, at, _)| at != from) {
        let why = format!("'{name}' has an image on the datastore, or files that its disks are linked to");
        return Err(Fault::new(StorageDrsUnableToMoveFiles::new(), why));
    }
    let hosts: Vec<Moref> = machine.runtime().host().into_iter().collect();
    let wanted = Wanted { pod: pod.clone(), hosts, bytes, disks: Vec::new() };
    let left = |at: &Moref, used: i64, capacity: i64| capacity - used - planned.get(at).copied().unwrap_or_default();
    let candidates = recommend::candidates(call, call.get::<StoragePod>(pod)?, &wanted);
    let candidates = candidates.into_iter().filter(|(at, ..)| at != from);
    let candidates = candidates.map(|(at, used, capacity)| (left(&at, used, capacity), at, used, capacity));
    let best = candidates.filter(|(left, ..)| *left >= bytes).reduce(|best, it| if it.0 > best.0 { it } else { best });
    let Some((_, to, used, capacity)) = best else {
        let why = format!("no datastore of the pod that the host of '{name}' mounts has {bytes} bytes left");
        return Err(Fault::new(InsufficientStorageSpace::new(), why));
    };
    *planned.entry(to.clone()).or_default() += bytes;
    let relocate = VirtualMachineRelocateSpec::with(|relocate| {
        relocate.set_disk_move_type(DiskMove::MoveAllDiskBackingsAndAllowSharing.name());
        relocate.set_datastore(moves_home.then(|| to.clone()));
        // Disks that are elsewhere stay there.
        for (key, at, _) in disks.iter().filter(|(_, at, _)| moves_home || at == from) {
            relocate.push_disk(VirtualMachineRelocateSpecDiskLocator::with(|locator| {
                locator.set_disk_id(*key).set_datastore(if at == from { to.clone() } else { at.clone() });
            }));
        }
    });
    let spec = StoragePlacementSpec::with(|spec| {
        spec.set_type("relocate").set_vm(moref.clone()).set_relocate_spec(relocate.clone());
        spec.pod_selection_spec_mut().set_storage_pod(pod.clone());
    });
    let source = call.get::<Datastore>(from)?.summary();
    let (size, in_use) = (source.capacity(), source.capacity() - source.free_space());
    let action = StorageMigrationAction::with(|action| {
        action.set_vm(moref.clone()).set_relocate_spec(relocate).set_source(from.clone()).set_destination(to.clone());
        action.set_size_transferred(bytes / 1024).set_type(ActionType::StorageMigrationV1.name());
        action.set_target(moref.clone());
        action.set_space_util_src_before(recommend::percent(in_use, size));
        action.set_space_util_src_after(recommend::percent(in_use - bytes, size));
        action.set_space_util_dst_before(recommend::percent(used, capacity));
        action.set_space_util_dst_after(recommend::percent(used.saturating_add(bytes), capacity));
    });
    Ok(Move { spec, to, action })
}

/// Moves the machines that Storage DRS moves by itself. One that cannot be moved after all stays.
pub(crate) fn carry_out(work: &Work, moves: &[(StoragePlacementSpec, Moref)]) {
    for (spec, to) in moves {
        if work.is_cancelled() {
            return;
        }
        let moved = work.write::<StorageResourceManager, _>(&manager(), |call| recommend::place(call, spec, to));
        if let Err(fault) = moved {
            tracing::warn!(machine = ?spec.vm(), %fault, "Storage DRS cannot move a virtual machine");
        }
    }
}

/// Forgets what was recommended and not applied.
pub(crate) fn forget(work: &Work, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    let forgotten = work.write::<StorageResourceManager, _>(&manager(), |call| {
        for key in keys {
            // What was applied or cancelled is known no more.
            _ = recommend::take(call, [key.as_str()].into_iter());
        }
        Ok(())
    });
    if let Err(fault) = forgotten {
        tracing::warn!(%fault, "cannot forget what Storage DRS recommended");
    }
}
