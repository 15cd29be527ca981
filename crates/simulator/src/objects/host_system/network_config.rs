//! A host's network as the specification that would make it.

use vimsim_types::View;
use vimsim_types::views::{
    HostIpRouteOp, HostIpRouteTableConfig, HostNetworkConfig, HostNetworkConfigNetStackSpec, HostNetworkInfo,
    HostPortGroupConfig, HostProxySwitchConfig, HostVirtualNicConfig, HostVirtualSwitchConfig, PhysicalNicConfig,
};

/// `HostNetworkSystem.networkConfig` for this network.
pub(crate) fn network_config(network: &HostNetworkInfo) -> HostNetworkConfig {
    HostNetworkConfig::with(|config| {
        config.set_vswitch(network.vswitch().iter().map(|switch| {
            HostVirtualSwitchConfig::with(|config| {
                config.set_name(switch.name()).set_spec(switch.spec().clone());
            })
        }));
        if !network.proxy_switch().is_empty() {
            config.set_proxy_switch(network.proxy_switch().iter().map(|switch| {
                HostProxySwitchConfig::with(|config| {
                    config.set_uuid(switch.dvs_uuid()).set_spec(switch.spec().clone());
                })
            }));
        }
        config.set_portgroup(
            network
                .portgroup()
                .iter()
                .map(|group| HostPortGroupConfig::with(|config| _ = config.set_spec(group.spec().clone()))),
        );
        config.set_pnic(network.pnic().iter().map(|nic| {
            PhysicalNicConfig::with(|config| {
                config.set_device(nic.device()).set_spec(nic.spec().clone());
            })
        }));
        config.set_vnic(network.vnic().iter().map(|nic| {
            HostVirtualNicConfig::with(|config| {
                config.set_device(nic.device()).set_portgroup(nic.portgroup()).set_spec(nic.spec().clone());
            })
        }));
        if let Some(dns) = network.dns_config() {
            config.set_dns_config(dns.clone());
        }
        if let Some(routes) = network.ip_route_config() {
            config.set_ip_route_config(routes.clone());
        }
        if let Some(table) = network.route_table_info() {
            config.set_route_table_config(HostIpRouteTableConfig::with(|config| {
                config.set_ip_route(table.ip_route().iter().map(|route| {
                    HostIpRouteOp::with(|operation| {
                        operation.set_change_operation("ignore").set_route(route.clone());
                    })
                }));
            }));
        }
        config.set_ip_v6_enabled(network.ip_v6_enabled());
        config.set_net_stack_spec(
            network.net_stack_instance().iter().map(|stack| {
                HostNetworkConfigNetStackSpec::with(|spec| _ = spec.set_net_stack_instance(stack.clone()))
            }),
        );
    })
}
