//! From what something is connected to, to the network of the container engine that it is on:
//!
//! ```text
//!  portgroup ──▶ standard switch ────┐
//!                                    ├──▶ uplink (physical adapter) ──▶ underlay
//!  distributed switch, by its UUID ──┘
//! ```
//!
//! Hosts' VMkernel interfaces and virtual machines' network cards use it alike.

use vimsim_types::View;
use vimsim_types::views::{
    DistributedVirtualSwitchHostMemberPnicBacking, HostNetworkInfo, HostNetworkPolicy, HostVirtualNic,
    HostVirtualSwitchBondBridge,
};

/// What a network card is connected to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Port<'a> {
    /// A portgroup of a standard switch, by name.
    Portgroup(&'a str),
    /// A distributed switch, by UUID.
    Switch(&'a str),
}

impl<'a> Port<'a> {
    /// What a VMkernel interface is connected to.
    pub(crate) fn of(interface: &'a HostVirtualNic) -> Self {
        match interface.spec().distributed_virtual_port() {
            Some(port) => Self::Switch(port.switch_uuid()),
            None => Self::Portgroup(interface.portgroup()),
        }
    }
}

/// The network behind this port; none where no cable leads from it. `cables` says what is behind each physical adapter.
pub(crate) fn underlay_of<'a>(
    network: &HostNetworkInfo,
    cables: &'a [(String, Option<String>)],
    port: Port<'_>,
) -> Option<&'a str> {
    let behind = |adapter: &str| {
        let cable = cables.iter().find(|(known, _)| known == adapter)?;
        cable.1.as_deref()
    };
    uplinks(network, port).iter().find_map(|adapter| behind(adapter))
}

/// The physical adapters that traffic of a port may take, the preferred first.
fn uplinks(network: &HostNetworkInfo, port: Port<'_>) -> Vec<String> {
    let name = match port {
        Port::Portgroup(name) => name,
        Port::Switch(uuid) => {
            let switch = network.proxy_switch().iter().find(|switch| switch.dvs_uuid() == uuid);
            let backing = switch.and_then(|switch| {
                switch.spec().backing()?.downcast::<DistributedVirtualSwitchHostMemberPnicBacking>()
            });
            let adapters = backing.into_iter().flat_map(|backing| backing.pnic_spec());
            return adapters.map(|adapter| adapter.pnic_device().to_string()).collect();
        }
    };
    let Some(group) = network.portgroup().iter().find(|group| group.spec().name() == name) else { return Vec::new() };
    let switch = network.vswitch().iter().find(|switch| switch.name() == group.spec().vswitch_name());
    let Some(switch) = switch else { return Vec::new() };
    let bond = switch.spec().bridge().and_then(|bridge| bridge.downcast::<HostVirtualSwitchBondBridge>());
    let bound: Vec<String> = bond.into_iter().flat_map(|bond| bond.nic_device()).map(ToString::to_string).collect();
    // The portgroup's own order counts, then the switch's; what no order names is used last, as on a switch without one.
    let mut order: Vec<String> = Vec::new();
    let own = active(Some(group.spec().policy()));
    let of_switch = active(switch.spec().policy());
    let preferred = if own.is_empty() { of_switch } else { own };
    order.extend(preferred.into_iter().filter(|adapter| bound.contains(adapter)));
    for adapter in bound {
        if !order.contains(&adapter) {
            order.push(adapter);
        }
    }
    order
}

fn active(policy: Option<&HostNetworkPolicy>) -> Vec<String> {
    let order = policy.and_then(|policy| policy.nic_teaming()).and_then(|teaming| teaming.nic_order());
    order.into_iter().flat_map(|order| order.active_nic()).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use vimsim_types::views::{
        DistributedVirtualSwitchHostMemberPnicSpec, HostPortGroup, HostProxySwitch, HostVirtualSwitch,
    };

    use super::*;

    /// `vSwitch0` over vmnic0 and vmnic1, with portgroups that prefer neither and the second; a distributed switch over
    /// vmnic2; a switch without an uplink.
    fn network() -> HostNetworkInfo {
        let switch = |name: &str, adapters: &[&str]| {
            HostVirtualSwitch::with(|switch| {
                switch.set_name(name);
                if !adapters.is_empty() {
                    switch.spec_mut().set_bridge(HostVirtualSwitchBondBridge::with(|bridge| {
                        bridge.set_nic_device(adapters.iter().copied());
                    }));
                }
            })
        };
        let group = |name: &str, switch: &str, order: &[&str]| {
            HostPortGroup::with(|group| {
                let spec = group.spec_mut();
                spec.set_name(name).set_vswitch_name(switch);
                if !order.is_empty() {
                    let teaming = spec.policy_mut().nic_teaming_mut();
                    teaming.nic_order_mut().set_active_nic(order.iter().copied());
                }
            })
        };
        HostNetworkInfo::with(|network| {
            network.push_vswitch(switch("vSwitch0", &["vmnic0", "vmnic1"]));
            network.push_vswitch(switch("inside", &[]));
            network.push_portgroup(group("any", "vSwitch0", &[]));
            network.push_portgroup(group("second", "vSwitch0", &["vmnic1"]));
            network.push_portgroup(group("inside", "inside", &[]));
            network.push_proxy_switch(HostProxySwitch::with(|switch| {
                switch.set_dvs_uuid("50 1");
                let mut backing = DistributedVirtualSwitchHostMemberPnicBacking::new();
                backing.push_pnic_spec(DistributedVirtualSwitchHostMemberPnicSpec::with(|adapter| {
                    adapter.set_pnic_device("vmnic2");
                }));
                switch.spec_mut().set_backing(backing);
            }));
        })
    }

    #[test]
    fn a_port_leads_to_the_network_behind_its_uplink() {
        let network = network();
        let cables =
            ["vmnic0", "vmnic1", "vmnic2"].map(|adapter| (adapter.to_owned(), Some(format!("behind-{adapter}"))));
        let check = |port, expected| assert_eq!(underlay_of(&network, &cables, port), expected, "{port:?}");
        check(Port::Portgroup("any"), Some("behind-vmnic0"));
        check(Port::Portgroup("second"), Some("behind-vmnic1"));
        check(Port::Portgroup("inside"), None);
        check(Port::Portgroup("no such"), None);
        check(Port::Switch("50 1"), Some("behind-vmnic2"));
        check(Port::Switch("50 2"), None);
    }

    #[test]
    fn an_uplink_without_a_cable_is_passed_over() {
        let cables = [("vmnic0".to_owned(), None), ("vmnic1".to_owned(), Some("b".to_owned()))];
        assert_eq!(underlay_of(&network(), &cables, Port::Portgroup("any")), Some("b"));
    }
}
