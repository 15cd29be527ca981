//! A host's network: one standard switch with two portgroups, two physical adapters, and the management interface.

use std::net::IpAddr;

use vimsim_types::enums::PortGroupConnecteeType;
use vimsim_types::views::{
    FcoeConfig, FcoeConfigVlanRange, HostConfigInfo, HostDnsConfig, HostIpConfig, HostIpRouteConfig, HostIpRouteEntry,
    HostIpRouteOp, HostIpRouteTableConfig, HostIpRouteTableInfo, HostNetCapabilities, HostNetOffloadCapabilities,
    HostNetStackInstance, HostNetworkInfo, HostNetworkPolicy, HostNicFailureCriteria, HostNicTeamingPolicy,
    HostPortGroup, HostPortGroupPort, HostPortGroupSpec, HostVMotionInfo, HostVirtualNic, HostVirtualNicManagerInfo,
    HostVirtualNicSpec, HostVirtualSwitch, HostVirtualSwitchBeaconConfig, HostVirtualSwitchBondBridge,
    HostVirtualSwitchSpec, LinkDiscoveryProtocolConfig, PhysicalNic, PhysicalNicLinkInfo, PhysicalNicSpec,
    VirtualNicManagerNetConfig,
};
use vimsim_types::{ArcStr, EnumView, View, literal};

use super::pci;

const SWITCH: &str = "vSwitch0";
const SWITCH_KEY: &str = "key-vim.host.VirtualSwitch-vSwitch0";
const VM_NETWORK: &str = "VM Network";
pub(super) const MANAGEMENT: &str = "Management Network";
const PORT_KEY: &str = "key-vim.host.PortGroup.Port-33554436";
const DEFAULT_STACK: &str = "defaultTcpipStack";

/// What a virtual network interface can be selected for.
const NIC_TYPES: [&str; 13] = [
    "faultToleranceLogging",
    "management",
    "nvmeRdma",
    "nvmeTcp",
    "ptp",
    "vSphereBackupNFC",
    "vSphereProvisioning",
    "vSphereReplication",
    "vSphereReplicationNFC",
    "vmotion",
    "vsan",
    "vsanExternal",
    "vsanWitness",
];

/// What the network of a host is made from.
pub(super) struct Identity<'a> {
    pub(super) name: &'a str,
    pub(super) uuid: &'a str,
    pub(super) address: IpAddr,
}

impl Identity<'_> {
    /// The address of a physical adapter. The management interface has that of the first, as ESXi sets it up.
    fn mac(&self, adapter: u8) -> String {
        let digits: Vec<u8> = self.uuid.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |at: usize| {
            let text = digits.get(2 * at..2 * at + 2).and_then(|pair| std::str::from_utf8(pair).ok());
            text.and_then(|text| u8::from_str_radix(text, 16).ok()).unwrap_or_default()
        };
        // Adapters of one virtual machine are ten apart.
        format!("00:0c:29:{:02x}:{:02x}:{:02x}", byte(13), byte(14), byte(15).wrapping_add(10 * adapter))
    }

    fn loopback(&self) -> bool {
        self.address.is_loopback()
    }

    fn mask(&self) -> &'static str {
        if self.loopback() { "255.0.0.0" } else { "255.255.255.0" }
    }

    /// The gateway: the first address of the subnet.
    fn gateway(&self) -> String {
        match self.address {
            IpAddr::V4(address) if !address.is_loopback() => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.1")
            }
            _ => "127.0.0.1".into(),
        }
    }

    /// The subnet and the length of its prefix.
    fn subnet(&self) -> (String, i32) {
        match self.address {
            IpAddr::V4(address) if !address.is_loopback() => {
                let [a, b, c, _] = address.octets();
                (format!("{a}.{b}.{c}.0"), 24)
            }
            _ => ("127.0.0.0".into(), 8),
        }
    }

    /// The address of the management interface: the service's own, which is where clients reach the host.
    pub(super) fn ip(&self) -> String {
        match self.address {
            IpAddr::V4(address) if !address.is_unspecified() => address.to_string(),
            _ => "127.0.0.1".into(),
        }
    }
}

/// `config.network` without what differs from host to host.
pub(super) fn network() -> HostNetworkInfo {
    let policy = policy();
    HostNetworkInfo::with(|network| {
        network.push_vswitch(switch(&policy));
        network.push_portgroup(port_group(VM_NETWORK, &policy));
        network.push_portgroup(port_group(MANAGEMENT, &policy));
        for (device, address) in ["vmnic0", "vmnic1"].into_iter().zip(pci::NICS) {
            network.push_pnic(adapter(device, address));
        }
        network.set_ip_v6_enabled(false).set_at_boot_ip_v6_enabled(false);
        for key in ["vSphereProvisioning", "vmotion"] {
            network.push_net_stack_instance(HostNetStackInstance::with(|stack| {
                stack.set_key(key);
                stack.set_dns_config(HostDnsConfig::with(|dns| {
                    // A stack that no interface uses has no names, and these are required.
                    dns.set_dhcp(false).set_host_name("").set_domain_name("");
                }));
                stack.set_ip_route_config(HostIpRouteConfig::new());
                limits(stack);
            }));
        }
    })
}

fn limits(stack: &mut HostNetStackInstance) {
    stack.set_requested_max_number_of_connections(11_000);
    stack.set_congestion_control_algorithm("newreno").set_ip_v6_enabled(true);
}

/// Gives the network, and what shows interfaces of it, the host's own names and addresses.
pub(super) fn identify(config: &mut HostConfigInfo, identity: &Identity<'_>) {
    let spec = management_spec(identity);
    let dns = dns(identity);
    let routes = HostIpRouteConfig::with(|routes| _ = routes.set_default_gateway(identity.gateway()));
    let network = config.network_mut();
    for (adapter, pnic) in (0..).zip(network.pnic_mut().iter_mut()) {
        let mac = identity.mac(adapter);
        pnic.set_mac(&mac);
        pnic.fcoe_configuration_mut().set_source_mac(&mac);
    }
    for group in network.portgroup_mut().iter_mut().filter(|group| group.spec().name() == MANAGEMENT) {
        group.set_port([HostPortGroupPort::with(|port| {
            port.set_key(literal!(PORT_KEY)).set_mac([identity.mac(0)]);
            port.set_type(PortGroupConnecteeType::Host.name());
        })]);
    }
    network.set_vnic([{
        let mut nic = candidate(literal!("key-vim.host.VirtualNic-vmk0"));
        nic.set_port(literal!(PORT_KEY)).set_spec(spec.clone());
        nic
    }]);
    network.set_dns_config(dns.clone());
    network.set_ip_route_config(routes.clone());
    let entries = route_entries(identity);
    network.set_route_table_info(HostIpRouteTableInfo::with(|table| {
        table.set_ip_route(entries.iter().cloned());
    }));
    network.push_net_stack_instance(HostNetStackInstance::with(|stack| {
        stack.set_key(literal!(DEFAULT_STACK)).set_name(literal!(DEFAULT_STACK));
        stack.set_dns_config(dns).set_ip_route_config(routes);
        limits(stack);
        stack.set_route_table_config(HostIpRouteTableConfig::with(|table| {
            table.set_ip_route(entries.into_iter().map(|entry| {
                HostIpRouteOp::with(|operation| {
                    operation.set_change_operation(literal!("ignore")).set_route(entry);
                })
            }));
        }));
    }));
    for nic in config.vmotion_mut().net_config_mut().candidate_vnic_mut().iter_mut() {
        nic.set_spec(spec.clone());
    }
    for selection in config.virtual_nic_manager_info_mut().net_config_mut().iter_mut() {
        for nic in selection.candidate_vnic_mut().iter_mut() {
            nic.set_spec(spec.clone());
        }
    }
}

/// `config.virtualNicManagerInfo` without the interface's specification, which is the host's own.
pub(super) fn nic_manager() -> HostVirtualNicManagerInfo {
    HostVirtualNicManagerInfo::with(|info| {
        info.set_net_config(NIC_TYPES.map(|nic_type| {
            VirtualNicManagerNetConfig::with(|config| {
                let key = ArcStr::from(format!("{nic_type}.key-vim.host.VirtualNic-vmk0"));
                config.set_nic_type(nic_type).set_multi_select_allowed(true);
                config.push_candidate_vnic(candidate(key.clone()));
                if nic_type == "management" {
                    config.push_selected_vnic(key);
                }
            })
        }));
    })
}

/// `config.vmotion`, likewise.
pub(super) fn vmotion() -> HostVMotionInfo {
    HostVMotionInfo::with(|vmotion| {
        let key = literal!("VMotionConfig.vmotion.key-vim.host.VirtualNic-vmk0");
        vmotion.net_config_mut().push_candidate_vnic(candidate(key));
    })
}

fn candidate(key: ArcStr) -> HostVirtualNic {
    HostVirtualNic::with(|nic| {
        nic.set_device(literal!("vmk0")).set_key(key).set_portgroup(literal!(MANAGEMENT));
    })
}

fn management_spec(identity: &Identity<'_>) -> HostVirtualNicSpec {
    HostVirtualNicSpec::with(|spec| {
        spec.set_ip(HostIpConfig::with(|ip| {
            ip.set_dhcp(true).set_ip_address(identity.ip()).set_subnet_mask(identity.mask());
        }));
        spec.set_mac(identity.mac(0)).set_portgroup(literal!(MANAGEMENT)).set_mtu(1500).set_tso_enabled(true);
        spec.set_net_stack_instance_key(literal!(DEFAULT_STACK)).set_system_owned(false);
    })
}

/// The host's name, split into its first label and the rest.
///
/// Fidelity: a host that was added by an address or by a name without a domain is what a new ESXi calls itself,
/// `localhost.localdomain`; govc's suite (host.bats) looks for that, and for `DC0_H0` in vain.
fn dns(identity: &Identity<'_>) -> HostDnsConfig {
    let by_address = identity.name.parse::<IpAddr>().is_ok();
    let split = identity.name.split_once('.').filter(|_| !by_address);
    let (host, domain) = split.unwrap_or(("localhost", "localdomain"));
    HostDnsConfig::with(|dns| {
        dns.set_dhcp(true).set_virtual_nic_device(literal!("vmk0"));
        dns.set_host_name(host).set_domain_name(domain);
        dns.set_address([literal!("8.8.8.8")]).set_search_domain([domain]);
    })
}

fn route_entries(identity: &Identity<'_>) -> [HostIpRouteEntry; 2] {
    let (subnet, length) = identity.subnet();
    let entry = |network: &str, length, gateway: &str| {
        HostIpRouteEntry::with(|entry| {
            entry.set_network(network).set_prefix_length(length).set_gateway(gateway);
            entry.set_device_name(literal!("vmk0"));
        })
    };
    [entry("0.0.0.0", 0, &identity.gateway()), entry(&subnet, length, "0.0.0.0")]
}

fn switch(policy: &HostNetworkPolicy) -> HostVirtualSwitch {
    HostVirtualSwitch::with(|switch| {
        switch.set_name(SWITCH).set_key(SWITCH_KEY).set_num_ports(1536).set_num_ports_available(1530).set_mtu(1500);
        switch.set_portgroup([VM_NETWORK, MANAGEMENT].map(|name| format!("key-vim.host.PortGroup-{name}")));
        switch.set_pnic(["key-vim.host.PhysicalNic-vmnic0"]);
        switch.set_spec(HostVirtualSwitchSpec::with(|spec| {
            spec.set_num_ports(128).set_mtu(1500).set_policy(policy.clone());
            spec.set_bridge(HostVirtualSwitchBondBridge::with(|bridge| {
                bridge.set_nic_device(["vmnic0"]);
                bridge.set_beacon(HostVirtualSwitchBeaconConfig::with(|beacon| _ = beacon.set_interval(1)));
                bridge.set_link_discovery_protocol_config(LinkDiscoveryProtocolConfig::with(|discovery| {
                    discovery.set_protocol("cdp").set_operation("listen");
                }));
            }));
        }));
    })
}

/// The policy of a switch that nobody has changed.
pub(crate) fn policy() -> HostNetworkPolicy {
    HostNetworkPolicy::with(|policy| {
        policy.security_mut().set_allow_promiscuous(false).set_mac_changes(true).set_forged_transmits(true);
        policy.set_nic_teaming(HostNicTeamingPolicy::with(|teaming| {
            teaming.set_policy("loadbalance_srcid").set_reverse_policy(true);
            teaming.set_notify_switches(true).set_rolling_order(false);
            teaming.set_failure_criteria(HostNicFailureCriteria::with(|criteria| {
                criteria.set_check_speed("minimum").set_speed(10).set_check_duplex(false).set_full_duplex(false);
                criteria.set_check_error_percent(false).set_percentage(0).set_check_beacon(false);
            }));
            teaming.nic_order_mut().set_active_nic(["vmnic0"]);
        }));
        policy.set_offload_policy(offload());
        policy.shaping_policy_mut().set_enabled(false);
    })
}

/// `config.offloadCapabilities`.
pub(super) fn offload() -> HostNetOffloadCapabilities {
    HostNetOffloadCapabilities::with(|offload| {
        offload.set_csum_offload(true).set_tcp_segmentation(true).set_zero_copy_xmit(true);
    })
}

/// A portgroup that takes everything from its switch.
fn port_group(name: &str, policy: &HostNetworkPolicy) -> HostPortGroup {
    HostPortGroup::with(|group| {
        group.set_key(format!("key-vim.host.PortGroup-{name}")).set_vswitch(SWITCH_KEY);
        group.set_computed_policy(policy.clone());
        group.set_spec(HostPortGroupSpec::with(|spec| {
            spec.set_name(name).set_vlan_id(0).set_vswitch_name(SWITCH);
            let own = spec.policy_mut();
            own.security_mut();
            own.offload_policy_mut();
            own.shaping_policy_mut();
            let teaming = own.nic_teaming_mut();
            teaming.failure_criteria_mut();
            if name == MANAGEMENT {
                teaming.set_policy("loadbalance_srcid").set_notify_switches(true).set_rolling_order(false);
                teaming.failure_criteria_mut().set_check_beacon(false);
                teaming.nic_order_mut().set_active_nic(["vmnic0"]);
            }
        }));
    })
}

fn adapter(device: &str, address: &'static str) -> PhysicalNic {
    let link = PhysicalNicLinkInfo::with(|link| _ = link.set_speed_mb(10_000).set_duplex(true));
    PhysicalNic::with(|nic| {
        nic.set_key(format!("key-vim.host.PhysicalNic-{device}")).set_device(device).set_pci(address);
        nic.set_driver("nvmxnet3").set_driver_version("2.0.0.31").set_firmware_version("N/A");
        nic.set_link_speed(link.clone()).set_valid_link_specification([link.clone()]);
        nic.set_spec(PhysicalNicSpec::with(|spec| {
            spec.ip_mut().set_dhcp(false);
            spec.set_link_speed(link).set_enable_enhanced_networking_stack(false).set_ens_interrupt_enabled(false);
        }));
        nic.set_wake_on_lan_supported(false);
        nic.set_fcoe_configuration(FcoeConfig::with(|fcoe| {
            fcoe.set_priority_class(3).set_fcoe_active(false);
            fcoe.push_vlan_range(FcoeConfigVlanRange::with(|range| _ = range.set_vlan_low(0).set_vlan_high(0)));
            let can = fcoe.capabilities_mut();
            can.set_priority_class(false).set_source_mac_address(false).set_vlan_range(true);
        }));
        nic.set_vm_direct_path_gen2_supported(false).set_resource_pool_scheduler_allowed(true);
        nic.set_auto_negotiate_supported(false);
        nic.set_enhanced_networking_stack_supported(false).set_ens_interrupt_supported(false);
    })
}

/// `config.capabilities`.
pub(super) fn capabilities() -> HostNetCapabilities {
    HostNetCapabilities::with(|can| {
        can.set_can_set_physical_nic_link_speed(true).set_supports_nic_teaming(true);
        can.set_nic_teaming_policy(["loadbalance_ip", "loadbalance_srcmac", "loadbalance_srcid", "failover_explicit"]);
        can.set_supports_vlan(true).set_uses_service_console_nic(false).set_supports_network_hints(true);
        can.set_vswitch_config_supported(true).set_vnic_config_supported(true);
        can.set_ip_route_config_supported(true).set_dns_config_supported(true);
        can.set_dhcp_on_vnic_supported(true).set_ip_v6_supported(true).set_backup_nfc_nioc_supported(true);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &'static str, address: &str) -> Identity<'static> {
        let address = address.parse().expect("an address");
        Identity { name, uuid: "efc5827c-ee19-5d35-84ef-a77d6ea6ee4c", address }
    }

    #[test]
    fn hardware_addresses_follow_from_the_uuid() {
        let identity = identity("DC0_H0", "127.0.0.1");
        assert_eq!(identity.mac(0), "00:0c:29:a6:ee:4c");
        assert_eq!(identity.mac(1), "00:0c:29:a6:ee:56");
    }

    #[test]
    fn names_are_split_into_host_and_domain() {
        let check = |name, host, domain| {
            let dns = dns(&identity(name, "127.0.0.1"));
            assert_eq!((dns.host_name().as_str(), dns.domain_name().as_str()), (host, domain));
        };
        check("DC0_H0", "localhost", "localdomain");
        check("esx1.example.com", "esx1", "example.com");
        check("10.0.0.7", "localhost", "localdomain");
    }

    #[test]
    fn the_subnet_is_that_of_the_address() {
        let identity = identity("h", "10.1.2.3");
        assert_eq!((identity.gateway().as_str(), identity.mask()), ("10.1.2.1", "255.255.255.0"));
        assert_eq!(identity.subnet(), ("10.1.2.0".into(), 24));
    }
}
