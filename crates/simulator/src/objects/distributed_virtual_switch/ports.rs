//! The ports of a distributed switch. They are not kept: a portgroup keeps their keys, and the rest follows from it and
//! from the virtual machines that are connected to it.

use std::collections::{BTreeMap, BTreeSet};

use vimsim_types::enums::DistributedVirtualSwitchPortConnecteeConnecteeType as ConnecteeType;
use vimsim_types::method::{
    FetchDVPortKeys, FetchDVPorts, LookupDvPortGroup, QueryUsedVlanIdInDvs, RefreshDVPortState,
};
use vimsim_types::views::{
    DVPortConfigInfo, DVPortSetting, DVPortStatus, DVSNameArrayUplinkPortPolicy, DistributedVirtualPort,
    DistributedVirtualPortgroup, DistributedVirtualSwitch, DistributedVirtualSwitchPortConnectee,
    DistributedVirtualSwitchPortCriteria, DistributedVirtualSwitchPortStatistics, HostSystem, NotFound,
    VMwareDVSPortSetting, VirtualEthernetCard, VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualMachine,
    VmwareDistributedVirtualSwitchTrunkVlanSpec, VmwareDistributedVirtualSwitchVlanIdSpec,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::{interface, lacp, setting};
use crate::call::Look;

/// What a switch keeps of its ports beside their keys.
#[derive(Clone, Default)]
pub(super) struct Ports {
    /// The number of the next port, which no port had before.
    next: Option<u32>,
    /// The ports that have been configured one by one.
    pub(super) own: BTreeMap<ArcStr, DVPortConfigInfo>,
}

/// Keys for new ports of a switch.
pub(crate) fn new_port_keys(
    transaction: &mut vimsim_registry::Transaction,
    switch: &Moref,
    count: usize,
) -> Result<Vec<ArcStr>, Fault> {
    let known = transaction.private::<Ports>(switch)?.next;
    let first = match known {
        Some(next) => next,
        None => {
            // The switch may come from a saved inventory.
            let portgroups = transaction.get::<DistributedVirtualSwitch>(switch)?.portgroup();
            let portgroups =
                portgroups.iter().filter_map(|moref| transaction.view::<DistributedVirtualPortgroup>(&moref));
            let keys = portgroups.flat_map(|portgroup| portgroup.port_keys().iter());
            keys.filter_map(|key| key.parse::<u32>().ok()).max().map_or(0, |last| last + 1)
        }
    };
    let end = first.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    transaction.private::<Ports>(switch)?.next = Some(end);
    Ok((first..end).map(|number| number.to_string().into()).collect())
}

/// Who is connected to a port.
struct Connectee {
    entity: Moref,
    nic: ArcStr,
    mac: Option<ArcStr>,
    cookie: i32,
    host: Option<Moref>,
    kind: ConnecteeType,
}

/// The adapters of virtual machines and the interfaces of hosts on a portgroup, by port: each on the port that it names, the others on free ones in
/// the order of the virtual machines.
fn connectees(look: &Look<'_, DistributedVirtualSwitch>, moref: &Moref) -> BTreeMap<ArcStr, Connectee> {
    let mut taken = BTreeMap::new();
    let mut waiting = Vec::new();
    let Some(portgroup) = look.snapshot().view::<DistributedVirtualPortgroup>(moref) else { return taken };
    for machine in portgroup.vm() {
        let Some(properties) = look.snapshot().view::<VirtualMachine>(&machine) else { continue };
        let devices = properties.config().map(|config| config.hardware().device());
        for card in devices.into_iter().flatten().filter_map(|device| device.downcast::<VirtualEthernetCard>()) {
            let backing = card
                .backing()
                .and_then(|backing| backing.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>());
            let Some(port) = backing.map(|backing| backing.port()) else { continue };
            if port.portgroup_key().is_none_or(|key| key != moref.value()) {
                continue;
            }
            let connectee = Connectee {
                entity: machine.clone(),
                nic: card.key().to_string().into(),
                mac: card.mac_address().cloned(),
                cookie: port.connection_cookie().unwrap_or_default(),
                host: properties.runtime().host(),
                kind: ConnecteeType::VmVnic,
            };
            match port.port_key().filter(|key| !key.is_empty()) {
                Some(key) => _ = taken.insert(key.clone(), connectee),
                None => waiting.push(connectee),
            }
        }
    }
    for host in portgroup.host() {
        let Some(properties) = look.snapshot().view::<HostSystem>(&host) else { continue };
        for (nic, key) in interface::interfaces(properties, moref.value()) {
            let connectee = Connectee {
                entity: host.clone(),
                nic: nic.device().clone(),
                mac: nic.spec().mac().cloned(),
                cookie: nic
                    .spec()
                    .distributed_virtual_port()
                    .and_then(|port| port.connection_cookie())
                    .unwrap_or_default(),
                host: Some(host.clone()),
                kind: ConnecteeType::HostVmkVnic,
            };
            taken.insert(key.clone(), connectee);
        }
    }
    let free: Vec<&ArcStr> = portgroup.port_keys().iter().filter(|key| !taken.contains_key(*key)).collect();
    for (key, connectee) in free.into_iter().cloned().zip(waiting) {
        taken.insert(key, connectee);
    }
    taken
}

/// The member host that each uplink port is on, and the uplink's name, which is the same on all hosts.
fn uplinks(switch: &DistributedVirtualSwitch) -> BTreeMap<&ArcStr, (Moref, Option<&ArcStr>)> {
    let policy = switch.config().uplink_port_policy().downcast::<DVSNameArrayUplinkPortPolicy>();
    let names: Vec<&ArcStr> = policy.into_iter().flat_map(|policy| policy.uplink_port_name()).collect();
    let mut aggregated: BTreeMap<&ArcStr, Option<&ArcStr>> = BTreeMap::new();
    for group in lacp::groups(switch) {
        let names: Vec<&ArcStr> = group.uplink_name().iter().collect();
        aggregated.extend(group.uplink_port_key().iter().zip(names.into_iter().map(Some).cycle()));
    }
    let mut uplinks = BTreeMap::new();
    for member in switch.config().host() {
        let Some(host) = member.config().host() else { continue };
        let mut names = names.iter().copied();
        for key in member.uplink_port_key() {
            let name = aggregated.get(key).copied().unwrap_or_else(|| names.next());
            uplinks.insert(key, (host.clone(), name));
        }
    }
    uplinks
}

/// The ports that meet the criteria, all without any, in the order of the portgroups.
fn matching(
    look: &Look<'_, DistributedVirtualSwitch>,
    criteria: Option<&DistributedVirtualSwitchPortCriteria>,
) -> Result<Vec<DistributedVirtualPort>, Fault> {
    let switch = look.this()?;
    let uplinks = uplinks(switch);
    let kept = look.snapshot().object(look.moref()).and_then(|object| object.private::<Ports>());
    let mut found = Vec::new();
    for moref in switch.portgroup() {
        let Some(portgroup) = look.snapshot().view::<DistributedVirtualPortgroup>(&moref) else { continue };
        if criteria.is_some_and(|criteria| !portgroup_matches(portgroup, criteria)) {
            continue;
        }
        let connectees = connectees(look, &moref);
        let template = template(switch, portgroup);
        for key in portgroup.port_keys() {
            if criteria.is_some_and(|wanted| !wanted.port_key().is_empty() && !wanted.port_key().contains(key)) {
                continue;
            }
            let mut port = template.clone();
            port.set_key(key);
            if let Some((_, Some(name))) = uplinks.get(key) {
                port.config_mut().set_name(*name);
            }
            if let Some(own) = kept.and_then(|ports| ports.own.get(key)) {
                configure(&mut port, own, portgroup);
            }
            connect(&mut port, connectees.get(key), uplinks.get(key).map(|(host, _)| host));
            if criteria.is_none_or(|criteria| port_matches(&port, criteria)) {
                found.push(port);
            }
        }
    }
    Ok(found)
}

fn portgroup_matches(portgroup: &DistributedVirtualPortgroup, criteria: &DistributedVirtualSwitchPortCriteria) -> bool {
    let keys = criteria.portgroup_key();
    let config = portgroup.config();
    let inside = criteria.inside().is_none_or(|inside| keys.is_empty() || keys.contains(portgroup.key()) == inside);
    let uplink = criteria.uplink_port().is_none_or(|uplink| config.uplink().unwrap_or(false) == uplink);
    let is_nsx = config.backing_type().is_some_and(|backing| backing == "nsx");
    inside && uplink && criteria.nsx_port().is_none_or(|nsx| nsx == is_nsx)
}

fn port_matches(port: &DistributedVirtualPort, criteria: &DistributedVirtualSwitchPortCriteria) -> bool {
    let connected = criteria.connected().is_none_or(|connected| port.connectee().is_some() == connected);
    let active = port.state().and_then(|state| state.runtime_info()).is_some_and(|status| status.link_up());
    let host = criteria.host();
    let on_host = host.is_empty() || port.proxy_host().is_some_and(|proxy| host.contains(&proxy));
    let connectee = port.connectee().and_then(|connectee| connectee.connected_entity());
    let in_scope = criteria.scope().is_none_or(|scope| connectee.as_ref() == Some(&scope));
    connected && criteria.active().is_none_or(|wanted| wanted == active) && on_host && in_scope
}

/// A port of the portgroup that nobody is connected to.
fn template(switch: &DistributedVirtualSwitch, portgroup: &DistributedVirtualPortgroup) -> DistributedVirtualPort {
    DistributedVirtualPort::with(|port| {
        port.set_dvs_uuid(switch.uuid()).set_portgroup_key(portgroup.key()).set_conflict(false);
        port.set_connection_cookie(0).set_host_local_port(false);
        port.set_last_status_change(switch.config().create_time());
        let config = port.config_mut();
        config.set_config_version("0");
        if let Some(setting) = portgroup.config().default_port_config() {
            config.set_setting(setting.clone());
        }
        port.state_mut().set_stats(no_traffic());
        port.state_mut().set_runtime_info(DVPortStatus::with(|status| {
            status.set_link_up(false).set_blocked(false).set_mtu(1500);
            set_ranges(status, vlan_ranges(portgroup));
        }));
    })
}

fn no_traffic() -> DistributedVirtualSwitchPortStatistics {
    let mut stats = DistributedVirtualSwitchPortStatistics::new();
    for slot in stats.as_object_mut().slots_mut() {
        *slot = vimsim_types::Value::Long(0);
    }
    stats
}

fn connect(port: &mut DistributedVirtualPort, connectee: Option<&Connectee>, uplink_host: Option<&Moref>) {
    if let Some(host) = uplink_host {
        port.set_proxy_host(host.clone());
        port.set_connectee(DistributedVirtualSwitchPortConnectee::with(|connectee| {
            connectee.set_connected_entity(host.clone()).set_type("pnic");
        }));
    }
    let Some(connected) = connectee else { return };
    port.set_proxy_host(connected.host.clone());
    port.set_connection_cookie(connected.cookie);
    port.set_connectee(DistributedVirtualSwitchPortConnectee::with(|connectee| {
        connectee.set_connected_entity(connected.entity.clone());
        connectee.set_nic_key(&connected.nic).set_type(connected.kind.name());
    }));
    let status = port.state_mut().runtime_info_mut();
    status.set_link_up(true).set_mac_address(connected.mac.clone());
}

/// Gives a port what was configured of it alone, over what its portgroup says now.
fn configure(port: &mut DistributedVirtualPort, own: &DVPortConfigInfo, portgroup: &DistributedVirtualPortgroup) {
    let mut config = own.clone();
    if let Some(above) = portgroup.config().default_port_config() {
        config.set_setting(setting::below(above, own.setting(), None));
    }
    let ranges = vlan_ranges_of(config.setting());
    let blocked = config.setting().and_then(|setting| setting.blocked()).and_then(|blocked| blocked.value());
    port.set_config(config);
    let status = port.state_mut().runtime_info_mut();
    status.set_blocked(blocked.unwrap_or(false));
    set_ranges(status, ranges);
}

fn set_ranges(status: &mut DVPortStatus, ranges: Vec<(i32, i32)>) {
    status.set_trunking_mode(ranges.iter().any(|(start, end)| start != end));
    status.set_vlan_ids(
        ranges.into_iter().map(|(start, end)| {
            vimsim_types::views::NumericRange::with(|range| _ = range.set_start(start).set_end(end))
        }),
    );
}

/// The ranges of VLANs that a portgroup carries.
fn vlan_ranges(portgroup: &DistributedVirtualPortgroup) -> Vec<(i32, i32)> {
    vlan_ranges_of(portgroup.config().default_port_config())
}

fn vlan_ranges_of(setting: Option<&DVPortSetting>) -> Vec<(i32, i32)> {
    let vlan =
        setting.and_then(|setting| setting.downcast::<VMwareDVSPortSetting>()).and_then(|setting| setting.vlan());
    let Some(vlan) = vlan else { return Vec::new() };
    if let Some(vlan) = vlan.downcast::<VmwareDistributedVirtualSwitchVlanIdSpec>() {
        return vec![(vlan.vlan_id(), vlan.vlan_id())];
    }
    let trunk = vlan.downcast::<VmwareDistributedVirtualSwitchTrunkVlanSpec>();
    trunk.map(|trunk| trunk.vlan_id().iter().map(|range| (range.start(), range.end())).collect()).unwrap_or_default()
}

/// The ports that meet the criteria.
pub(super) fn fetch_dv_ports(
    look: &Look<'_, DistributedVirtualSwitch>,
    request: FetchDVPorts,
) -> Result<Vec<DistributedVirtualPort>, Fault> {
    matching(look, request.criteria())
}

/// The keys of the ports that meet the criteria.
pub(super) fn fetch_dv_port_keys(
    look: &Look<'_, DistributedVirtualSwitch>,
    request: FetchDVPortKeys,
) -> Result<Vec<ArcStr>, Fault> {
    Ok(matching(look, request.criteria())?.iter().map(|port| port.key().clone()).collect())
}

/// The VLANs that portgroups other than the uplinks use.
pub(super) fn query_used_vlan_id(
    look: &Look<'_, DistributedVirtualSwitch>,
    _: QueryUsedVlanIdInDvs,
) -> Result<Vec<i32>, Fault> {
    let mut used = BTreeSet::new();
    for moref in look.this()?.portgroup() {
        let portgroup = look.get::<DistributedVirtualPortgroup>(&moref)?;
        if !portgroup.config().uplink().unwrap_or(false) {
            used.extend(vlan_ranges(portgroup).into_iter().flat_map(|(start, end)| start..=end));
        }
    }
    used.remove(&0);
    Ok(used.into_iter().collect())
}

/// The portgroup of this key. `NotFound` if the switch has none.
pub(super) fn lookup_portgroup(
    look: &Look<'_, DistributedVirtualSwitch>,
    request: LookupDvPortGroup,
) -> Result<Moref, Fault> {
    let key = request.portgroup_key();
    let found = look.this()?.portgroup().iter().find(|portgroup| portgroup.value() == key);
    found.ok_or_else(|| Fault::new(NotFound::new(), format!("the switch has no portgroup '{key}'")))
}

/// Reads the ports' state anew, which is never stale. `NotFound` for a port that there is not.
pub(super) fn refresh_port_state(
    look: &Look<'_, DistributedVirtualSwitch>,
    request: RefreshDVPortState,
) -> Result<(), Fault> {
    let known: BTreeSet<ArcStr> = matching(look, None)?.iter().map(|port| port.key().clone()).collect();
    match request.port_keys().iter().find(|key| !known.contains(*key)) {
        Some(key) => Err(Fault::new(NotFound::new(), format!("the switch has no port '{key}'"))),
        None => Ok(()),
    }
}
