//! What a new host is made of: one template for all, and what is the host's own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use vimsim_types::enums::{HostSystemConnectionState, HostSystemPowerState, ManagedEntityStatus};
use vimsim_types::views::{
    HostListSummary, HostRuntimeInfo, HostRuntimeInfoNetStackInstanceRuntimeInfo, HostSystem, KeyAnyValue,
};
use vimsim_types::{Moref, Value, View};

use super::{capability, config, hardware, health, network, storage};
use crate::call::Context;

/// What all hosts of one product share. Built once, because nothing in it depends on anything but constants.
static TEMPLATES: [LazyLock<HostSystem>; 2] = [LazyLock::new(|| template(false)), LazyLock::new(|| template(true))];

/// The port of a host's agent.
const AGENT_PORT: i32 = 902;

/// A new host of this name.
pub(crate) fn host(context: &Context, name: &str) -> HostSystem {
    let is_managed = context.is_virtual_center();
    let uuid = match is_managed {
        true => crate::uuid::named(name),
        // Fidelity: the one ESXi host of vcsim has this UUID, which users' scripts know.
        false => "564d2f12-8041-639b-5018-05a835b72eaf".into(),
    };
    let listen = context.service.config().address;
    // A host that was added by its address has that one; the others answer where the service does.
    let by_name = name.parse().ok().or(listen.map(|address| address.ip()));
    let address = by_name.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let identity = network::Identity { name, uuid: &uuid, address };
    let mut host = TEMPLATES[usize::from(is_managed)].clone();
    hardware::identify(host.hardware_mut(), &uuid);
    host.runtime_mut().set_boot_time(context.now);
    let config = host.config_mut();
    network::identify(config, &identity);
    storage::identify(config.file_system_volume_mut(), &uuid);
    let summary = host.summary_mut();
    // Fidelity: vcsim shows the service's own port where it was told one (`-l host:port`), for clients that go on to
    // connect to the host.
    let port = listen.map_or(0, |address| i32::from(address.port()));
    summary.config_mut().set_port(if port == 0 { AGENT_PORT } else { port });
    if is_managed {
        summary.set_management_server_ip(identity.ip());
    }
    context.service.certificate().put(&mut host);
    super::summary::update(&mut host);
    host
}

/// The port of this host where each has its own: one that clients may connect to, and neither the service's nor that of
/// another host.
pub(super) fn own_port(service: i32, moref: &Moref) -> i32 {
    const FIRST: i32 = 1_024;
    let number = moref.value().rsplit('-').next().and_then(|number| number.parse::<i32>().ok()).unwrap_or(1);
    let count = i32::from(u16::MAX) + 1 - FIRST;
    // Never a multiple of `count`, which would be the service's again.
    FIRST + (service.max(FIRST) - FIRST + 1 + (number - 1).rem_euclid(count - 1)) % count
}

/// Writes the host's own reference where its properties hold it.
pub(crate) fn set_reference(host: &mut HostSystem, moref: &Moref) {
    host.summary_mut().set_host(moref.clone());
    let config = host.config_mut();
    config.set_host(moref.clone());
    config.vsan_host_config_mut().set_host_system(moref.clone());
}

fn template(is_managed: bool) -> HostSystem {
    HostSystem::with(|host| {
        host.set_hardware(hardware::hardware());
        host.set_capability(capability::capability());
        host.set_runtime(runtime());
        let config = config::config(is_managed);
        if let Some(resources) = config.system_resources() {
            host.set_system_resources(resources.clone());
        }
        host.set_config(config);
        host.set_summary(summary());
        host.licensable_resource_mut().push_resource(KeyAnyValue::with(|resource| {
            resource.set_key("numCpuPackages").set_value(Value::Int(i32::from(hardware::PACKAGES)));
        }));
        host.set_datastore(std::iter::empty::<Moref>());
        host.set_network(std::iter::empty::<Moref>());
        host.set_vm(std::iter::empty::<Moref>());
    })
}

fn runtime() -> HostRuntimeInfo {
    HostRuntimeInfo::with(|runtime| {
        runtime.set_connection_state(HostSystemConnectionState::Connected);
        runtime.set_power_state(HostSystemPowerState::PoweredOn);
        runtime.set_standby_mode("none").set_in_maintenance_mode(false).set_in_quarantine_mode(false);
        runtime.set_health_system_runtime(health::health());
        runtime.vsan_runtime_info_mut();
        runtime.network_runtime_info_mut().push_net_stack_instance_runtime_info(
            HostRuntimeInfoNetStackInstanceRuntimeInfo::with(|stack| {
                stack.set_net_stack_instance_key("defaultTcpipStack").set_state("active").set_vmknic_keys(["vmk0"]);
                stack.set_max_number_of_connections(11_000).set_current_ip_v6_enabled(false);
            }),
        );
        let flash = runtime.v_flash_resource_runtime_info_mut();
        flash.set_usage(0).set_capacity(0).set_accessible(false).set_capacity_for_vm_cache(0);
        flash.set_free_for_vm_cache(0);
        // 62 TB, the most that a virtual disk can have on VMFS 6.
        runtime.set_host_max_virtual_disk_capacity(68_169_720_922_112);
        runtime.set_crypto_state("incapable");
        let encryption = runtime.state_encryption_mut();
        encryption.set_protection_mode("none").set_require_secure_boot(false);
        encryption.set_require_exec_installed_only(false);
    })
}

/// The parts of the summary that do not follow from other properties.
fn summary() -> HostListSummary {
    HostListSummary::with(|summary| {
        summary.set_overall_status(ManagedEntityStatus::Green).set_reboot_required(false);
        summary.set_max_evc_mode_key("intel-ivybridge");
        let stats = summary.quick_stats_mut();
        stats.set_uptime(0);
        stats.set_distributed_cpu_fairness(0).set_distributed_memory_fairness(0).set_available_p_mem_capacity(0);
    })
}
