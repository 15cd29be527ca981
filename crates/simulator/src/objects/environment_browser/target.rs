//! What a virtual machine on some hosts can be connected to.

use vimsim_types::views::{
    ConfigTarget, Datastore, DistributedVirtualPortgroup, DistributedVirtualPortgroupInfo, DistributedVirtualSwitch,
    DistributedVirtualSwitchInfo, EnvironmentBrowser, HostSystem, Network, OpaqueNetwork, OpaqueNetworkSummary,
    OpaqueNetworkTargetInfo, VirtualMachineCdromInfo, VirtualMachineDatastoreInfo, VirtualMachineNetworkInfo,
};
use vimsim_types::{Moref, View};

use crate::call::Look;

/// The datastores and networks that one of the hosts has, and the sizes of what they have together.
pub(super) fn target(look: &Look<'_, EnvironmentBrowser>, hosts: &[Moref]) -> ConfigTarget {
    let snapshot = look.snapshot();
    let hosts: Vec<&HostSystem> = hosts.iter().filter_map(|host| snapshot.view::<HostSystem>(host)).collect();
    let mut target = ConfigTarget::new();
    let (mut threads, mut cores, mut nodes, mut most, mut memory) = (0, 0, 0, 0, 0_i64);
    for hardware in hosts.iter().filter_map(|host| host.hardware()) {
        let processors = i32::from(hardware.cpu_info().num_cpu_threads());
        threads += processors;
        cores += i32::from(hardware.cpu_info().num_cpu_cores());
        nodes += hardware.numa_info().map_or(1, |numa| numa.num_nodes());
        most = most.max(processors);
        memory = memory.max(hardware.memory_size() >> 20);
    }
    let memory = i32::try_from(memory).unwrap_or(i32::MAX);
    target.set_num_cpus(threads).set_num_cpu_cores(cores).set_num_numa_nodes(nodes).set_max_cpus_per_host(most);
    target.set_smc_present(false).set_max_mem_mb_optimal_perf(memory).set_supported_max_mem_mb(25_149_440);
    target.set_auto_vmotion(false).set_sev_supported(false).set_max_simultaneous_threads(1);
    let all = |of: fn(&HostSystem) -> Vec<Moref>| {
        let mut all: Vec<Moref> = Vec::new();
        for moref in hosts.iter().flat_map(|host| of(host)) {
            if !all.contains(&moref) {
                all.push(moref);
            }
        }
        all
    };
    for moref in all(|host| host.datastore().iter().collect()) {
        if let Some(datastore) = snapshot.view::<Datastore>(&moref) {
            target.push_datastore(datastore_info(datastore));
        }
    }
    let mut switches: Vec<Moref> = Vec::new();
    for moref in all(|host| host.network().iter().collect()) {
        let Some(object) = snapshot.object(&moref) else { continue };
        if let Some(portgroup) = object.view::<DistributedVirtualPortgroup>() {
            // A portgroup may outlive its switch's place in the inventory; it is then of no use.
            let Some(switch) = portgroup.config().distributed_virtual_switch() else { continue };
            let Some(of) = snapshot.view::<DistributedVirtualSwitch>(&switch) else { continue };
            target.push_distributed_virtual_portgroup(portgroup_info(&moref, portgroup, of));
            if !switches.contains(&switch) {
                switches.push(switch);
            }
        } else if let Some(opaque) = object.view::<OpaqueNetwork>() {
            if let Some(summary) = opaque.summary().downcast::<OpaqueNetworkSummary>() {
                let info = OpaqueNetworkTargetInfo::with(|info| {
                    info.set_name(opaque.name());
                    info.set_network(summary.clone());
                    info.set_network_reservation_supported(false);
                });
                target.push_opaque_network(info);
            }
        } else if let Some(network) = object.view::<Network>() {
            let info = VirtualMachineNetworkInfo::with(|info| {
                info.set_name(network.name());
                info.set_network(network.summary().clone());
            });
            target.push_network(info);
        }
    }
    for moref in switches {
        let Some(switch) = snapshot.view::<DistributedVirtualSwitch>(&moref) else { continue };
        let info = DistributedVirtualSwitchInfo::with(|info| {
            info.set_switch_name(switch.name()).set_switch_uuid(switch.uuid());
            info.set_distributed_virtual_switch(moref).set_network_reservation_supported(false);
        });
        target.push_distributed_virtual_switch(info);
    }
    target.push_cd_rom(VirtualMachineCdromInfo::with(|info| {
        _ = info.set_name("/vmfs/devices/cdrom/mpx.vmhba0:C0:T0:L0")
    }));
    target
}

fn datastore_info(datastore: &Datastore) -> VirtualMachineDatastoreInfo {
    VirtualMachineDatastoreInfo::with(|info| {
        info.set_name(datastore.name());
        info.set_datastore(datastore.summary().clone());
        info.set_capability(datastore.capability().clone());
        info.set_max_file_size(datastore.info().max_file_size());
        info.set_max_virtual_disk_capacity(datastore.info().max_virtual_disk_capacity());
        info.set_mode("readWrite").set_v_storage_support("vStorageUnsupported");
    })
}

fn portgroup_info(
    moref: &Moref,
    portgroup: &DistributedVirtualPortgroup,
    switch: &DistributedVirtualSwitch,
) -> DistributedVirtualPortgroupInfo {
    let config = portgroup.config();
    DistributedVirtualPortgroupInfo::with(|info| {
        info.set_switch_name(switch.name()).set_switch_uuid(switch.uuid());
        info.set_portgroup_name(portgroup.name()).set_portgroup_key(portgroup.key());
        info.set_portgroup_type(config.type_()).set_portgroup(moref.clone());
        info.set_uplink_portgroup(config.uplink().unwrap_or_default()).set_network_reservation_supported(false);
        info.set_backing_type(config.backing_type()).set_logical_switch_uuid(config.logical_switch_uuid());
        info.set_segment_id(config.segment_id());
    })
}
