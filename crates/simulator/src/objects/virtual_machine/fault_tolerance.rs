//! Whether Fault Tolerance could be turned on for a virtual machine, and older things of its kind.
//!
//! It cannot be turned on: where nothing else is in the way, no other host can take the second machine.

use vimsim_types::enums::VmFaultToleranceConfigIssueReasonForIssue as Reason;
use vimsim_types::method::{
    CreateSecondaryVMExTask, CreateSecondaryVMTask, DisableSecondaryVMTask, EnableSecondaryVMTask, MakePrimaryVMTask,
    QueryFaultToleranceCompatibility, QueryFaultToleranceCompatibilityEx, StartRecordingTask, StartReplayingTask,
    StopRecordingTask, StopReplayingTask, TerminateFaultTolerantVMTask, TurnOffFaultToleranceForVMTask,
};
use vimsim_types::views::{
    ClusterComputeResource, ClusterConfigInfoEx, HostIncompatibleForRecordReplay, HostSystem, InvalidState,
    LocalizedMethodFault, ManagedEntity, NotSupported, VirtualMachine, VirtualMachineVideoCard,
    VmFaultToleranceConfigIssue,
};
use vimsim_types::{EnumView, Fault, Moref, View};

use crate::call::{Call, Look};
use crate::walk::Inventory;

/// What a virtual machine with Fault Tolerance has at most, in vSphere 8 with the licence that has it all.
const MOST_CPUS: i32 = 8;
const MOST_MEMORY_MB: i32 = 128 * 1024;

/// What is in the way of the older Fault Tolerance, which had one processor.
pub(super) fn query_fault_tolerance_compatibility(
    look: &Look<'_, VirtualMachine>,
    _: QueryFaultToleranceCompatibility,
) -> Result<Vec<LocalizedMethodFault>, Fault> {
    issues(look, true)
}

/// What is in the way of Fault Tolerance, the older one if that is asked for.
pub(super) fn query_fault_tolerance_compatibility_ex(
    look: &Look<'_, VirtualMachine>,
    request: QueryFaultToleranceCompatibilityEx,
) -> Result<Vec<LocalizedMethodFault>, Fault> {
    issues(look, request.for_legacy_ft().unwrap_or(false))
}

fn issues(look: &Look<'_, VirtualMachine>, is_legacy: bool) -> Result<Vec<LocalizedMethodFault>, Fault> {
    Ok(faults(look, is_legacy)?.iter().map(Fault::localized).collect())
}

/// Why the machine cannot have a second one: the first of what [`query_fault_tolerance_compatibility_ex`] tells.
fn refuse(call: &Call<'_, VirtualMachine>) -> Result<Moref, Fault> {
    let snapshot = call.before();
    let look = Look::new(&snapshot, call.context(), call.moref());
    let why = "Fault Tolerance is not simulated";
    Err(faults(&look, false)?.into_iter().next().unwrap_or_else(|| Fault::new(NotSupported::new(), why)))
}

/// Makes a second machine that runs along.
///
/// - As [`refuse`].
pub(super) fn create_secondary(call: &mut Call<'_, VirtualMachine>, _: CreateSecondaryVMTask) -> Result<Moref, Fault> {
    refuse(call)
}

/// [`create_secondary`].
///
/// - As there.
pub(super) fn create_secondary_ex(
    call: &mut Call<'_, VirtualMachine>,
    _: CreateSecondaryVMExTask,
) -> Result<Moref, Fault> {
    refuse(call)
}

/// `InvalidState`: the machine has no second one.
fn alone(call: &Call<'_, VirtualMachine>) -> Result<Moref, Fault> {
    let name = call.this()?.name();
    Err(Fault::new(InvalidState::new(), format!("Fault Tolerance is not turned on for '{name}'")))
}

/// Ends Fault Tolerance.
///
/// - `InvalidState` unless it is on, as for all that follow.
pub(super) fn turn_off(call: &mut Call<'_, VirtualMachine>, _: TurnOffFaultToleranceForVMTask) -> Result<Moref, Fault> {
    alone(call)
}

pub(super) fn make_primary(call: &mut Call<'_, VirtualMachine>, _: MakePrimaryVMTask) -> Result<Moref, Fault> {
    alone(call)
}

pub(super) fn terminate(call: &mut Call<'_, VirtualMachine>, _: TerminateFaultTolerantVMTask) -> Result<Moref, Fault> {
    alone(call)
}

pub(super) fn disable(call: &mut Call<'_, VirtualMachine>, _: DisableSecondaryVMTask) -> Result<Moref, Fault> {
    alone(call)
}

pub(super) fn enable(call: &mut Call<'_, VirtualMachine>, _: EnableSecondaryVMTask) -> Result<Moref, Fault> {
    alone(call)
}

/// Records what the machine does, which no host can since ESXi 6.0.
///
/// - `HostIncompatibleForRecordReplay`.
pub(super) fn start_recording(call: &mut Call<'_, VirtualMachine>, _: StartRecordingTask) -> Result<Moref, Fault> {
    no_recording(call)
}

/// [`start_recording`].
///
/// - As there.
pub(super) fn start_replaying(call: &mut Call<'_, VirtualMachine>, _: StartReplayingTask) -> Result<Moref, Fault> {
    no_recording(call)
}

fn no_recording(call: &Call<'_, VirtualMachine>) -> Result<Moref, Fault> {
    let host = call.this()?.runtime().host();
    let host = host.and_then(|host| call.view::<HostSystem>(&host)).map(|host| host.name().clone()).unwrap_or_default();
    let detail = HostIncompatibleForRecordReplay::with(|fault| {
        fault.set_host_name(&host).set_reason("product");
    });
    Err(Fault::new(detail, format!("the host '{host}' does not support record and replay")))
}

/// - `InvalidState`: nothing is being recorded.
pub(super) fn stop_recording(call: &mut Call<'_, VirtualMachine>, _: StopRecordingTask) -> Result<Moref, Fault> {
    Err(Fault::new(InvalidState::new(), format!("'{}' is not being recorded", call.this()?.name())))
}

/// - `InvalidState`: nothing is being replayed.
pub(super) fn stop_replaying(call: &mut Call<'_, VirtualMachine>, _: StopReplayingTask) -> Result<Moref, Fault> {
    Err(Fault::new(InvalidState::new(), format!("'{}' is not replaying", call.this()?.name())))
}

fn faults(look: &Look<'_, VirtualMachine>, is_legacy: bool) -> Result<Vec<Fault>, Fault> {
    let machine = look.this()?;
    let mut found = Vec::new();
    let mut add = |reason: Reason, entity: &Moref, why: &str| {
        let name = look.snapshot().view::<ManagedEntity>(entity).map(|entity| entity.name().clone());
        let detail = VmFaultToleranceConfigIssue::with(|issue| {
            issue.set_reason(reason.name()).set_entity(entity.clone()).set_entity_name(name.clone());
        });
        found.push(Fault::new(detail, format!("'{}' {why}", name.unwrap_or_default())));
    };
    let this = look.moref();
    let Some(config) = machine.config() else {
        add(Reason::NoConfig, this, "has no configuration that could be read");
        return Ok(found);
    };
    let hardware = config.hardware();
    if config.template() {
        add(Reason::TemplateVm, this, "is a template");
    }
    match hardware.num_cpu() {
        2.. if is_legacy => add(Reason::MultipleVCPU, this, "has more than one processor"),
        count if count > MOST_CPUS => add(Reason::TooManyVCPUs, this, "has more than eight processors"),
        _ => {}
    }
    if hardware.memory_mb() > MOST_MEMORY_MB {
        add(Reason::TooMuchMemory, this, "has more than 128 GB of memory");
    }
    if machine.snapshot().is_some() {
        add(Reason::HasSnapshots, this, "has snapshots");
    }
    if config.nested_hv_enabled() == Some(true) {
        add(Reason::HasNestedHVConfiguration, this, "shows the processors' virtualization to its guest");
    }
    let mut cards = hardware.device().iter().filter_map(|device| device.downcast::<VirtualMachineVideoCard>());
    if cards.any(|card| card.enable3_d_support() == Some(true)) {
        add(Reason::Video3dEnabled, this, "has a video card with 3D");
    }
    let Some(host) = machine.runtime().host() else { return Ok(found) };
    let cluster = look.snapshot().ancestor::<ClusterComputeResource>(&host);
    let cluster_config = cluster.as_ref().and_then(|cluster| look.snapshot().view::<ClusterComputeResource>(cluster));
    let cluster_config =
        cluster_config.and_then(|cluster| cluster.configuration_ex().downcast::<ClusterConfigInfoEx>());
    if cluster_config.is_none_or(|config| config.das_config().enabled() != Some(true)) {
        add(Reason::HaNotEnabled, cluster.as_ref().unwrap_or(&host), "does not have vSphere HA");
    }
    let uses = look.get::<HostSystem>(&host)?.config().and_then(|config| config.virtual_nic_manager_info());
    let uses = |nic_type: &str| {
        let mut uses = uses.into_iter().flat_map(|info| info.net_config());
        uses.any(|known| known.nic_type() == nic_type && !known.selected_vnic().is_empty())
    };
    if !uses("vmotion") {
        add(Reason::MissingVMotionNic, &host, "has no interface for vMotion");
    }
    if !uses("faultToleranceLogging") {
        add(Reason::MissingFTLoggingNic, &host, "has no interface for the logging of Fault Tolerance");
    }
    Ok(found)
}
