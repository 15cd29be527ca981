//! Whether Fault Tolerance could be turned on for a virtual machine. It cannot be turned on.

use vimsim_types::enums::VmFaultToleranceConfigIssueReasonForIssue as Reason;
use vimsim_types::method::{QueryFaultToleranceCompatibility, QueryFaultToleranceCompatibilityEx};
use vimsim_types::views::{
    ClusterComputeResource, ClusterConfigInfoEx, HostSystem, LocalizedMethodFault, ManagedEntity, VirtualMachine,
    VirtualMachineVideoCard, VmFaultToleranceConfigIssue,
};
use vimsim_types::{EnumView, Fault, Moref, View};

use crate::call::Look;
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
    let machine = look.this()?;
    let mut found = Vec::new();
    let mut add = |reason: Reason, entity: &Moref, why: &str| {
        let name = look.snapshot().view::<ManagedEntity>(entity).map(|entity| entity.name().clone());
        let detail = VmFaultToleranceConfigIssue::with(|issue| {
            issue.set_reason(reason.name()).set_entity(entity.clone()).set_entity_name(name.clone());
        });
        found.push(Fault::new(detail, format!("'{}' {why}", name.unwrap_or_default())).localized());
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
