//! What a member host shows of a distributed switch: `config.network.proxySwitch`.

use vimsim_types::views::{
    DVSNameArrayUplinkPortPolicy, DistributedVirtualSwitch, DistributedVirtualSwitchHostMember,
    DistributedVirtualSwitchHostMemberPnicBacking, HostNetworkInfo, HostProxySwitch, HostProxySwitchHostLagConfig,
    HostSystem, KeyValue, VMwareDVSConfigInfo, VMwareDvsLacpGroupConfig,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::lacp;
use crate::call::Call;

/// Has every member host show the switch as it is.
pub(super) fn show(call: &mut Call<'_, DistributedVirtualSwitch>) -> Result<(), Fault> {
    let switch = call.this()?.clone();
    for member in switch.config().host() {
        if let Some(host) = member.config().host() {
            show_on(call, &switch, &host)?;
        }
    }
    Ok(())
}

/// Has one member host show the switch as it is.
pub(super) fn show_on<T>(call: &mut Call<'_, T>, switch: &DistributedVirtualSwitch, host: &Moref) -> Result<(), Fault> {
    let mut members = switch.config().host().iter();
    let Some(member) = members.find(|member| member.config().host().as_ref() == Some(host)) else { return Ok(()) };
    let Some(network) = call.get::<HostSystem>(host)?.config().and_then(|config| config.network()) else {
        return Ok(());
    };
    let known = network.proxy_switch().iter().find(|proxy| proxy.dvs_uuid() == switch.uuid());
    let key = known.map_or_else(|| free_key(network), |known| known.key().clone());
    let proxy = proxy(switch, member, key, network);
    if known.is_some_and(|known| known.as_object() == proxy.as_object()) {
        return Ok(());
    }
    let network = call.edit::<HostSystem>(host)?.config_mut().network_mut();
    network.proxy_switch_mut().retain(|known| known.dvs_uuid() != switch.uuid());
    network.push_proxy_switch(proxy);
    Ok(())
}

/// Has a host that is no member any more show the switch no longer.
pub(super) fn hide<T>(call: &mut Call<'_, T>, uuid: &str, host: &Moref) -> Result<(), Fault> {
    let network = call.get::<HostSystem>(host)?.config().and_then(|config| config.network());
    if network.is_some_and(|network| network.proxy_switch().iter().any(|proxy| proxy.dvs_uuid() == uuid)) {
        let network = call.edit::<HostSystem>(host)?.config_mut().network_mut();
        network.proxy_switch_mut().retain(|proxy| proxy.dvs_uuid() != uuid);
    }
    Ok(())
}

/// A key that no other switch of the host has.
fn free_key(network: &HostNetworkInfo) -> ArcStr {
    let taken = |key: &str| network.proxy_switch().iter().any(|proxy| proxy.key() == key);
    let keys = (0..=network.proxy_switch().len()).map(|number| format!("DvsPortset-{number}"));
    keys.into_iter().find(|key| !taken(key)).unwrap_or_default().into()
}

fn proxy(
    switch: &DistributedVirtualSwitch,
    member: &DistributedVirtualSwitchHostMember,
    key: ArcStr,
    network: &HostNetworkInfo,
) -> HostProxySwitch {
    let (config, backing) = (switch.config(), member.config().backing());
    let names = config.uplink_port_policy().downcast::<DVSNameArrayUplinkPortPolicy>();
    let names = names.map(|policy| policy.uplink_port_name().iter()).into_iter().flatten();
    let pnics = backing.downcast::<DistributedVirtualSwitchHostMemberPnicBacking>().map(|backing| backing.pnic_spec());
    let devices: Vec<&ArcStr> = pnics.into_iter().flatten().map(|pnic| pnic.pnic_device()).collect();
    let pnics = network.pnic().iter().filter(|pnic| devices.contains(&pnic.device())).map(|pnic| pnic.key());
    let ports = member.config().max_proxy_switch_ports();
    let groups: Vec<&VMwareDvsLacpGroupConfig> = lacp::groups(switch).collect();
    let is_aggregated = |port: &ArcStr| groups.iter().any(|group| group.uplink_port_key().contains(port.as_str()));
    let plain = member.uplink_port_key().iter().filter(|port| !is_aggregated(port));
    HostProxySwitch::with(|proxy| {
        proxy.set_dvs_uuid(switch.uuid()).set_dvs_name(switch.name()).set_key(key);
        proxy.set_num_ports(ports).set_config_num_ports(ports).set_num_ports_available(ports);
        proxy.set_uplink_port(plain.zip(names).map(|(key, name)| key_value(key, name)));
        proxy.set_host_lag(groups.iter().map(|group| host_group(group, member)));
        proxy.set_mtu(config.downcast::<VMwareDVSConfigInfo>().map(|config| config.max_mtu()));
        proxy.set_pnic(pnics);
        proxy.spec_mut().set_backing(backing.clone());
        proxy.set_network_reservation_supported(true);
    })
}

fn key_value(key: &str, value: &str) -> KeyValue {
    KeyValue::with(|pair| {
        pair.set_key(key).set_value(value);
    })
}

/// A link aggregation group with the ports that it has on a member host.
fn host_group(
    group: &VMwareDvsLacpGroupConfig,
    member: &DistributedVirtualSwitchHostMember,
) -> HostProxySwitchHostLagConfig {
    let own = member.uplink_port_key().iter().filter(|port| group.uplink_port_key().contains(port.as_str()));
    HostProxySwitchHostLagConfig::with(|lag| {
        lag.set_lag_key(group.key().cloned()).set_lag_name(group.name().cloned());
        lag.set_uplink_port(own.zip(group.uplink_name()).map(|(key, name)| key_value(key, name)));
    })
}
