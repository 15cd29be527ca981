//! What a host answers about itself.

use vimsim_types::enums::HostLockdownMode;
use vimsim_types::method::{
    EnterLockdownMode, ExitLockdownMode, QueryHostConnectionInfo, QueryMemoryOverhead, QueryMemoryOverheadEx,
    QueryProductLockerLocation, QueryTpmAttestationReport, ReconfigureHostForDASTask, RetrieveFreeEpcMemory,
    RetrieveHardwareUptime, UpdateFlags, UpdateIpmi,
};
use vimsim_types::views::{
    ClusterComputeResource, DasConfigFault, Datastore, HostConnectInfo, HostConnectInfoNetworkInfo,
    HostDatastoreConnectInfo, HostSystem, HostTpmAttestationReport, HostTpmDigestInfo, HostTpmEventLogEntry,
    InvalidState, Network, VirtualMachine,
};
use vimsim_types::{Fault, Moref, View};

use super::super::cluster_compute_resource::availability;
use super::super::host_access_manager::set_lockdown_mode;
use super::super::host_managers::expect_connected;
use crate::call::{Call, Context, Look};
use crate::kind::Kind;

/// Adds the methods of this file.
pub(super) fn add(kind: Kind<HostSystem>) -> Kind<HostSystem> {
    super::settings::add(kind)
        .read(query_connection_info)
        .read(query_tpm_attestation_report)
        .read(query_memory_overhead)
        .read(query_memory_overhead_ex)
        .read(query_product_locker_location)
        .read(retrieve_hardware_uptime)
        .read(retrieve_free_epc_memory)
        .write(enter_lockdown_mode)
        .write(exit_lockdown_mode)
        .write(update_flags)
        .write(update_ipmi)
        .write(reconfigure_for_das)
}

/// [`query_connection_info`] of a host that nobody has added yet.
pub(crate) fn connect_info_of_new(context: &Context, name: &str) -> HostConnectInfo {
    let mut host = super::data::host(context, name);
    host.set_name(name);
    super::summary::update(&mut host);
    HostConnectInfo::with(|info| {
        info.set_in_das_cluster(false).set_host(host.summary().clone());
        info.set_vim_account_name_required(false).set_cluster_supported(false);
        info.set_network([HostConnectInfoNetworkInfo::with(|network| {
            let name = super::super::network::DEFAULT;
            network.summary_mut().set_name(name).set_accessible(true).set_ip_pool_name("");
        })]);
        if let Some(capability) = host.capability() {
            info.set_capability(capability.clone());
        }
    })
}

/// What adding the host to a vCenter would bring: its summary, virtual machines, networks and datastores.
fn query_connection_info(look: &Look<'_, HostSystem>, _: QueryHostConnectionInfo) -> Result<HostConnectInfo, Fault> {
    let host = look.this()?;
    expect_connected(host)?;
    let snapshot = look.snapshot();
    Ok(HostConnectInfo::with(|info| {
        info.set_server_ip(host.summary().management_server_ip());
        info.set_in_das_cluster(host.parent().is_some_and(|parent| in_das_cluster(look, &parent)));
        info.set_host(host.summary().clone());
        let machines = host.vm().iter().filter_map(|moref| snapshot.view::<VirtualMachine>(&moref));
        info.set_vm(machines.map(|machine| machine.summary().clone()));
        info.set_vim_account_name_required(false).set_cluster_supported(false);
        let networks = host.network().iter().filter_map(|moref| snapshot.view::<Network>(&moref));
        info.set_network(
            networks.map(|network| {
                HostConnectInfoNetworkInfo::with(|info| _ = info.set_summary(network.summary().clone()))
            }),
        );
        let datastores = host.datastore().iter().filter_map(|moref| snapshot.view::<Datastore>(&moref));
        info.set_datastore(
            datastores.map(|datastore| {
                HostDatastoreConnectInfo::with(|info| _ = info.set_summary(datastore.summary().clone()))
            }),
        );
        if let Some(capability) = host.capability() {
            info.set_capability(capability.clone());
        }
    }))
}

/// Sets the host up for its cluster's high availability once more. Ours is never set up wrong: that it was done is told.
///
/// - `HostNotConnected` unless the host is connected;
/// - `DasConfigFault` if the host's cluster has no high availability, or the host is in none.
fn reconfigure_for_das(call: &mut Call<'_, HostSystem>, _: ReconfigureHostForDASTask) -> Result<Moref, Fault> {
    let host = call.this()?;
    expect_connected(host)?;
    let cluster = host.parent().and_then(|parent| call.view::<ClusterComputeResource>(&parent));
    if cluster.is_none_or(|cluster| cluster.configuration().das_config().enabled() != Some(true)) {
        let detail = DasConfigFault::with(|fault| _ = fault.set_reason("Other"));
        let why = format!("the host '{}' is in no cluster with high availability", host.name());
        return Err(Fault::new(detail, why));
    }
    call.start_task(|call| {
        let this = call.moref();
        availability::configured(call, &this)
    })
}

fn in_das_cluster(look: &Look<'_, HostSystem>, parent: &vimsim_types::Moref) -> bool {
    let cluster = look.snapshot().view::<ClusterComputeResource>(parent);
    cluster.is_some_and(|cluster| cluster.configuration().das_config().enabled() == Some(true))
}

/// What the TPM has measured since the host started: nothing, there is none.
fn query_tpm_attestation_report(
    look: &Look<'_, HostSystem>,
    _: QueryTpmAttestationReport,
) -> Result<Option<HostTpmAttestationReport>, Fault> {
    let host = look.this()?;
    expect_connected(host)?;
    let has_tpm = host.capability().is_some_and(|capability| capability.tpm_supported());
    Ok(has_tpm.then(|| {
        HostTpmAttestationReport::with(|report| {
            report.set_tpm_pcr_values(std::iter::empty::<HostTpmDigestInfo>());
            report.set_tpm_events(std::iter::empty::<HostTpmEventLogEntry>());
            report.set_tpm_log_reliable(true);
        })
    }))
}

/// The memory in bytes that a virtual machine of this size needs besides its own, by the table of sample overheads in the
/// vSphere resource management guide: 20.29 MB for 256 MB and one processor, 168.60 MB for 16 GB and eight.
fn overhead(memory: i64, processors: i64) -> i64 {
    const MIB: i64 = 1 << 20;
    let by_size = memory / 10_000 * 74 + memory % 10_000 * 74 / 10_000;
    (18 * MIB + MIB / 2 + (processors - 1).max(0) * 4 * MIB).saturating_add(by_size)
}

/// The memory that a virtual machine needs besides its own.
///
/// - `InvalidArgument` for a size or number that is not positive.
fn query_memory_overhead(look: &Look<'_, HostSystem>, request: QueryMemoryOverhead) -> Result<i64, Fault> {
    look.this()?;
    if request.memory_size() <= 0 {
        return Err(Fault::invalid_argument("memorySize", "is not positive"));
    }
    if request.num_vcpus() <= 0 {
        return Err(Fault::invalid_argument("numVcpus", "is not positive"));
    }
    let video = request.video_ram_size().map_or(0, i64::from);
    Ok(overhead(request.memory_size(), i64::from(request.num_vcpus())).saturating_add(video))
}

/// [`query_memory_overhead`] of a whole configuration.
fn query_memory_overhead_ex(look: &Look<'_, HostSystem>, request: QueryMemoryOverheadEx) -> Result<i64, Fault> {
    look.this()?;
    let hardware = request.vm_config_info().hardware();
    Ok(overhead(i64::from(hardware.memory_mb()) << 20, i64::from(hardware.num_cpu())))
}

/// The folder with VMware Tools.
fn query_product_locker_location(
    look: &Look<'_, HostSystem>,
    _: QueryProductLockerLocation,
) -> Result<&'static str, Fault> {
    expect_connected(look.this()?)?;
    Ok("/locker/packages/vmtoolsRepo/")
}

/// Seconds since the host started.
fn retrieve_hardware_uptime(look: &Look<'_, HostSystem>, _: RetrieveHardwareUptime) -> Result<i64, Fault> {
    let host = look.this()?;
    expect_connected(host)?;
    let started = host.runtime().boot_time().unwrap_or(look.context().now);
    Ok((look.context().now.micros() - started.micros()).max(0) / 1_000_000)
}

/// The enclave page cache that is free: none, the host has no SGX.
fn retrieve_free_epc_memory(look: &Look<'_, HostSystem>, _: RetrieveFreeEpcMemory) -> Result<i64, Fault> {
    expect_connected(look.this()?).map(|()| 0)
}

fn lockdown(call: &mut Call<'_, HostSystem>, mode: HostLockdownMode) -> Result<(), Fault> {
    let host = call.this_mut()?;
    expect_connected(host)?;
    let is_locked = host.config().is_some_and(|config| config.admin_disabled() == Some(true));
    if is_locked == (mode != HostLockdownMode::LockdownDisabled) {
        let state = if is_locked { "in" } else { "not in" };
        return Err(Fault::new(InvalidState::new(), format!("the host '{}' is {state} lockdown mode", host.name())));
    }
    set_lockdown_mode(host.config_mut(), mode);
    Ok(())
}

/// Has the host administered by vCenter alone.
///
/// - `InvalidState` if it is so already.
fn enter_lockdown_mode(call: &mut Call<'_, HostSystem>, _: EnterLockdownMode) -> Result<(), Fault> {
    lockdown(call, HostLockdownMode::LockdownNormal)
}

/// Has the host administered by its own users, too.
///
/// - `InvalidState` if it is so already.
fn exit_lockdown_mode(call: &mut Call<'_, HostSystem>, _: ExitLockdownMode) -> Result<(), Fault> {
    lockdown(call, HostLockdownMode::LockdownDisabled)
}

/// Changes flags.
fn update_flags(call: &mut Call<'_, HostSystem>, request: UpdateFlags) -> Result<(), Fault> {
    let host = call.this_mut()?;
    expect_connected(host)?;
    host.config_mut().set_flags(request.flag_info().clone());
    Ok(())
}

/// Changes how the host's management controller is reached. The password is not kept where it can be read.
fn update_ipmi(call: &mut Call<'_, HostSystem>, request: UpdateIpmi) -> Result<(), Fault> {
    let mut ipmi = request.ipmi_info().clone();
    ipmi.set_password(None::<&str>);
    let host = call.this_mut()?;
    expect_connected(host)?;
    host.config_mut().set_ipmi(ipmi);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn overhead_is_that_of_the_guide() {
        let check = |megabytes: i64, processors, expected: f64| {
            let overhead = super::overhead(megabytes << 20, processors) as f64 / f64::from(1 << 20);
            assert!((overhead - expected).abs() < 2.0, "{megabytes} MB, {processors}: {overhead} MB");
        };
        check(256, 1, 20.29);
        check(1_024, 2, 29.91);
        check(4_096, 4, 60.67);
        check(16_384, 8, 168.60);
    }
}
