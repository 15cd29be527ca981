//! `ClusterEVCManager`: has the machines of a cluster see processors of one generation, so that they can move between hosts.
//!
//! The cluster's `summary.currentEVCModeKey` is the truth; its hosts' summaries and the manager follow it. The manager is
//! there from when somebody first asks for it.
// Fidelity: modes show the main features of their generations, not each bit of `cpuid`.

mod mode;

use vimsim_registry::Transaction;
use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::method::{
    CheckAddHostEvcTask, CheckConfigureEvcModeTask, ConfigureEvcModeTask, DisableEvcModeTask, EvcManager,
};
use vimsim_types::views::{
    ActiveVMsBlockingEVC, ClusterComputeResource, ClusterComputeResourceSummary, ClusterEVCManager,
    ClusterEVCManagerCheckResult, ClusterEVCManagerEVCState, EVCModeIllegalByVendor, EVCModeUnsupportedByHosts,
    HostSystem, VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::compute_resource;
use crate::call::{Call, not_found};
use crate::kind::Kind;

use self::mode::Place;
pub(crate) use self::mode::all as modes;

pub(crate) fn kind() -> Kind<ClusterEVCManager> {
    Kind::new().write(configure).write(disable).write(check_configure).write(check_add_host)
}

type Manager<'a> = Call<'a, ClusterEVCManager>;

fn moref_of(cluster: &Moref) -> Moref {
    Moref::of::<ClusterEVCManager>(format!("evc-{}", cluster.value()))
}

/// The manager of a cluster.
pub(crate) fn evc_manager(call: &mut Call<'_, ClusterComputeResource>, _: EvcManager) -> Result<Moref, Fault> {
    let this = call.moref();
    let moref = moref_of(&this);
    if call.object(&moref).is_none() {
        let current = current(call, &this);
        let manager = ClusterEVCManager::with(|manager| {
            manager.set_managed_cluster(this).set_evc_state(state(current.as_ref()));
        });
        call.insert(moref.clone(), manager);
    }
    Ok(moref)
}

/// Removes the manager of a cluster that is removed.
pub(crate) fn forget(transaction: &mut Transaction, cluster: &Moref) {
    let moref = moref_of(cluster);
    if transaction.object(&moref).is_some() {
        transaction.remove(&moref);
    }
}

/// The mode of a cluster, if it has one.
pub(crate) fn current(transaction: &Transaction, cluster: &Moref) -> Option<ArcStr> {
    let cluster = transaction.view::<ClusterComputeResource>(cluster)?;
    cluster.summary().downcast::<ClusterComputeResourceSummary>()?.current_evc_mode_key().cloned()
}

fn state(current: Option<&ArcStr>) -> ClusterEVCManagerEVCState {
    ClusterEVCManagerEVCState::with(|state| {
        state.set_supported_evc_mode(modes()).set_current_evc_mode_key(current);
        if let Some(place) = current.and_then(|key| mode::place(key)) {
            state.set_feature_capability(mode::capabilities(place)).set_feature_mask(mode::masks(place));
            state.set_feature_requirement(mode::requirements(place));
        }
    })
}

/// The mode of this key.
///
/// - `InvalidArgument`.
fn wanted(key: &str, graphics: Option<&ArcStr>) -> Result<Place, Fault> {
    if graphics.is_some_and(|key| !key.is_empty()) {
        return Err(Fault::invalid_argument("evcGraphicsModeKey", "is no mode of the hosts' graphics"));
    }
    mode::place(key).ok_or_else(|| Fault::invalid_argument("evcModeKey", format!("there is no mode '{key}'")))
}

fn cluster(call: &Manager<'_>) -> Result<Moref, Fault> {
    let moref = call.this()?.managed_cluster();
    if call.object(&moref).is_none() { Err(not_found(&moref)) } else { Ok(moref) }
}

/// The newest generation whose features a host's machines may see.
fn newest(host: &HostSystem) -> Option<Place> {
    mode::place(host.summary().max_evc_mode_key()?)
}

/// What is in the way of a mode, with the hosts concerned.
fn obstacles(call: &Manager<'_>, cluster: &Moref, key: &str, wanted: Place) -> Result<Vec<(Fault, Vec<Moref>)>, Fault> {
    let (mut foreign, mut older, mut active): (Vec<Moref>, Vec<Moref>, Vec<Moref>) = Default::default();
    let mut vendor = None;
    for moref in call.get::<ClusterComputeResource>(cluster)?.host() {
        let host = call.get::<HostSystem>(&moref)?;
        let Some(own) = newest(host) else { continue };
        if own.vendor != wanted.vendor {
            vendor = Some(own.vendor);
            foreign.push(moref);
        } else if own.tier < wanted.tier {
            older.push(moref);
        } else if runs_newer(call, host, own, wanted) {
            active.push(moref);
        }
    }
    let names = |hosts: &[Moref]| -> Vec<ArcStr> {
        hosts.iter().filter_map(|host| Some(call.view::<HostSystem>(host)?.name().clone())).collect()
    };
    let mut found = Vec::new();
    if let Some(vendor) = vendor {
        let detail = EVCModeIllegalByVendor::with(|fault| {
            fault.set_cluster_cpu_vendor(vendor).set_mode_cpu_vendor(wanted.vendor);
        });
        found.push((Fault::new(detail, format!("the hosts have processors of '{vendor}'")), foreign));
    }
    if !older.is_empty() {
        let detail = EVCModeUnsupportedByHosts::with(|fault| {
            fault.set_evc_mode(key).set_host(older.iter().cloned()).set_host_name(names(&older));
        });
        let why = format!("hosts have processors that are older than '{key}'");
        found.push((Fault::new(detail, why), older));
    }
    if !active.is_empty() {
        let detail = ActiveVMsBlockingEVC::with(|fault| {
            fault.set_evc_mode(key).set_host(active.iter().cloned()).set_host_name(names(&active));
        });
        let why = format!("virtual machines are on that see more than '{key}' has");
        found.push((Fault::new(detail, why), active));
    }
    Ok(found)
}

/// Whether machines are on that have seen more of the processor than the mode would let them see.
fn runs_newer(call: &Manager<'_>, host: &HostSystem, own: Place, wanted: Place) -> bool {
    host.vm().iter().filter_map(|moref| call.view::<VirtualMachine>(&moref)).any(|machine| {
        let runtime = machine.runtime();
        let seen = runtime.min_required_evc_mode_key().and_then(|key| mode::place(key)).unwrap_or(own);
        runtime.power_state() != VirtualMachinePowerState::PoweredOff && seen.tier > wanted.tier
    })
}

/// Has the machines of the cluster see processors of one generation.
///
/// - `InvalidArgument` for a mode that there is not;
/// - `EVCModeIllegalByVendor`, `EVCModeUnsupportedByHosts` and `ActiveVMsBlockingEVC` for what is in the way of it, as faults
///   of the task.
fn configure(call: &mut Manager<'_>, request: ConfigureEvcModeTask) -> Result<Moref, Fault> {
    let key = request.evc_mode_key().clone();
    let place = wanted(&key, request.evc_graphics_mode_key())?;
    let cluster = cluster(call)?;
    call.start_task(move |call| match obstacles(call, &cluster, &key, place)?.into_iter().next() {
        Some((fault, _)) => Err(fault),
        None => set(call, &cluster, Some(key)),
    })
}

/// Has each machine of the cluster see the processor of its host.
fn disable(call: &mut Manager<'_>, _: DisableEvcModeTask) -> Result<Moref, Fault> {
    let cluster = cluster(call)?;
    call.start_task(move |call| set(call, &cluster, None))
}

fn set(call: &mut Manager<'_>, cluster: &Moref, key: Option<ArcStr>) -> Result<(), Fault> {
    let properties = call.edit::<ClusterComputeResource>(cluster)?;
    if let Some(summary) = properties.summary_mut().downcast_mut::<ClusterComputeResourceSummary>() {
        summary.set_current_evc_mode_key(key.as_ref());
    }
    let hosts: Vec<Moref> = properties.host().iter().collect();
    hosts.iter().try_for_each(|host| follow(call, host))?;
    call.this_mut()?.set_evc_state(state(key.as_ref()));
    Ok(())
}

/// Brings a host's summary up to the mode of the cluster that it is in.
pub(crate) fn follow(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let host = transaction.get::<HostSystem>(moref)?;
    let mode = host.parent().and_then(|parent| current(transaction, &parent));
    if host.summary().current_evc_mode_key() != mode.as_ref() {
        transaction.edit::<HostSystem>(moref)?.summary_mut().set_current_evc_mode_key(mode);
    }
    Ok(())
}

/// Says what would be in the way of a mode.
///
/// - `InvalidArgument` for a mode that there is not.
fn check_configure(call: &mut Manager<'_>, request: CheckConfigureEvcModeTask) -> Result<Moref, Fault> {
    let key = request.evc_mode_key().clone();
    let place = wanted(&key, request.evc_graphics_mode_key())?;
    let cluster = cluster(call)?;
    call.start_task(move |call| {
        let result = |(fault, hosts): (Fault, Vec<Moref>)| {
            ClusterEVCManagerCheckResult::with(|result| {
                result.set_evc_mode_key(&key).set_error(fault.localized()).set_host(hosts);
            })
        };
        Ok(obstacles(call, &cluster, &key, place)?.into_iter().map(result).collect::<Vec<_>>())
    })
}

/// Says what would be in the way of adding a host. The processors of those that could be added fit any mode that a cluster
/// can have, and no machine runs on them.
///
/// - `NoHost` if the specification names none; `DuplicateName` if the inventory has it.
fn check_add_host(call: &mut Manager<'_>, request: CheckAddHostEvcTask) -> Result<Moref, Fault> {
    let cluster = cluster(call)?;
    compute_resource::check_connect_spec(&call.on::<ClusterComputeResource>(&cluster), request.cnx_spec())?;
    call.start_task(|_| Ok(Vec::<ClusterEVCManagerCheckResult>::new()))
}
