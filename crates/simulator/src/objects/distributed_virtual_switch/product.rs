//! The versions of distributed switches, and what each can do.

use vimsim_types::enums::SharesLevel;
use vimsim_types::views::{
    DVSBackupRestoreCapability, DVSCapability, DVSNetworkResourceManagementCapability, DVSRollbackCapability,
    DistributedVirtualSwitchHostProductSpec, DistributedVirtualSwitchProductSpec, DvsHostInfrastructureTrafficResource,
    SharesInfo, VMwareDVSFeatureCapability, VMwareDVSHealthCheckCapability, VMwareDVSVspanCapability,
    VMwareDvsIpfixCapability, VMwareDvsLacpCapability, VMwareDvsMtuCapability,
};
use vimsim_types::{Fault, View};

/// The versions that a vCenter 8.0.3 makes switches of, newest first.
pub(crate) const VERSIONS: [&str; 7] = ["8.0.3", "8.0.0", "7.0.3", "7.0.2", "7.0.0", "6.6.0", "6.5.0"];
/// The hosts that the inventory has at least: a switch takes those of its own version and newer ones.
const HOST_VERSIONS: [&str; 7] = ["8.0.3", "8.0.0", "7.0.3", "7.0.2", "7.0.0", "6.7.0", "6.5.0"];
const BUILD: &str = "24022515";

/// The description of a switch of this version.
pub(crate) fn specification(version: &str) -> DistributedVirtualSwitchProductSpec {
    DistributedVirtualSwitchProductSpec::with(|product| {
        product.set_name("DVS").set_vendor("VMware, Inc.").set_version(version);
        product.set_build(BUILD).set_forwarding_class("etherswitch");
    })
}

/// The description of the switch that is asked for; of the newest version where none is.
///
/// - `InvalidArgument` for a version that there is not.
pub(crate) fn wanted(
    product: Option<&DistributedVirtualSwitchProductSpec>,
) -> Result<DistributedVirtualSwitchProductSpec, Fault> {
    let version = product.and_then(|product| product.version()).map_or("", |version| version.as_str());
    if version.is_empty() {
        return Ok(specification(VERSIONS[0]));
    }
    match VERSIONS.iter().find(|known| **known == version) {
        Some(version) => Ok(specification(version)),
        None => {
            let why = format!("'{version}' is no version of a distributed switch: {}", VERSIONS.join(", "));
            Err(Fault::invalid_argument("spec.productInfo.version", why))
        }
    }
}

/// The hosts that a switch of this version can have.
pub(crate) fn compatible_hosts(version: &str) -> Vec<DistributedVirtualSwitchHostProductSpec> {
    let oldest = VERSIONS.iter().position(|known| *known == version).unwrap_or(0);
    let host = |version: &&str| {
        DistributedVirtualSwitchHostProductSpec::with(|product| {
            product.set_product_line_id("embeddedEsx").set_version(*version);
        })
    };
    HOST_VERSIONS[..=oldest].iter().map(host).collect()
}

/// What a switch of this version can do.
pub(crate) fn capability(version: &str) -> DVSCapability {
    DVSCapability::with(|capability| {
        capability.set_dvs_operation_supported(true);
        capability.set_dv_port_group_operation_supported(true);
        capability.set_dv_port_operation_supported(true);
        capability.set_compatible_host_component_product_info(compatible_hosts(version));
        capability.set_features_supported(features(version));
    })
}

/// The features of a switch of this version.
pub(crate) fn features(version: &str) -> VMwareDVSFeatureCapability {
    let at_least = |wanted: &str| version >= wanted;
    VMwareDVSFeatureCapability::with(|features| {
        features.set_network_resource_management_supported(true);
        features.set_vm_direct_path_gen2_supported(false);
        features.set_nic_teaming_policy([
            "loadbalance_ip",
            "loadbalance_srcmac",
            "loadbalance_srcid",
            "failover_explicit",
            "loadbalance_loadbased",
        ]);
        features.set_network_resource_pool_high_share_value(100);
        features.set_network_resource_management_capability(DVSNetworkResourceManagementCapability::with(
            |capability| {
                capability.set_network_resource_management_supported(true);
                capability.set_network_resource_pool_high_share_value(100);
                capability.set_qos_supported(true);
                capability.set_user_defined_network_resource_pools_supported(true);
                capability.set_network_resource_control_version3_supported(true);
                capability.set_user_defined_infra_traffic_pool_supported(at_least("6.6.0"));
            },
        ));
        features.set_health_check_capability(VMwareDVSHealthCheckCapability::with(|capability| {
            capability.set_vlan_mtu_supported(true).set_teaming_supported(true);
        }));
        features.set_rollback_capability(DVSRollbackCapability::with(|capability| {
            capability.set_rollback_supported(true);
        }));
        features.set_backup_restore_capability(DVSBackupRestoreCapability::with(|capability| {
            capability.set_backup_restore_supported(true);
        }));
        features.set_network_filter_supported(true);
        features.set_mac_learning_supported(at_least("6.6.0"));
        features.set_vspan_supported(true).set_lldp_supported(true).set_ipfix_supported(true);
        features.set_ipfix_capability(VMwareDvsIpfixCapability::with(|capability| {
            capability.set_ipfix_supported(true);
            capability.set_ipv6_for_ipfix_supported(true);
            capability.set_observation_domain_id_supported(true);
        }));
        features.set_multicast_snooping_supported(true);
        features.set_vspan_capability(VMwareDVSVspanCapability::with(|capability| {
            capability.set_mixed_dest_supported(true).set_dvport_supported(true);
            capability.set_remote_source_supported(true).set_remote_dest_supported(true);
            capability.set_encap_remote_source_supported(true).set_erspan_protocol_supported(true);
            capability.set_mirror_netstack_supported(true);
        }));
        features.set_lacp_capability(VMwareDvsLacpCapability::with(|capability| {
            capability.set_lacp_supported(true).set_multi_lacp_group_supported(true);
            capability.set_lacp_fast_mode_supported(at_least("7.0.2"));
        }));
        features.set_nsx_supported(at_least("7.0.0"));
        features.set_mtu_capability(VMwareDvsMtuCapability::with(|capability| {
            capability.set_min_mtu_supported(*super::MTU.start()).set_max_mtu_supported(*super::MTU.end());
        }));
    })
}

/// The shares of the kinds of traffic, as Network I/O Control version 3 begins.
pub(crate) fn traffic_resources() -> Vec<DvsHostInfrastructureTrafficResource> {
    let traffic = [
        "management",
        "faultTolerance",
        "vmotion",
        "virtualMachine",
        "iSCSI",
        "nfs",
        "hbr",
        "vsan",
        "vdp",
        "backupNfc",
        "nvmetcp",
    ];
    let resource = |key: &str| {
        let (level, shares) =
            if key == "virtualMachine" { (SharesLevel::High, 100) } else { (SharesLevel::Normal, 50) };
        DvsHostInfrastructureTrafficResource::with(|resource| {
            resource.set_key(key);
            let allocation = resource.allocation_info_mut();
            allocation.set_limit(-1).set_reservation(0);
            allocation.set_shares(SharesInfo::with(|info| {
                info.set_shares(shares).set_level(level);
            }));
        })
    };
    traffic.map(resource).into()
}
