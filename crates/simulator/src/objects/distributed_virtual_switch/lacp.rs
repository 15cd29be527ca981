//! Link aggregation groups: uplinks that several physical adapters of a host make up together.
//!
//! A group has its ports on every member host. They are uplink ports like the others: the uplink portgroup has their keys,
//! and so has the member.

use vimsim_types::enums::{
    ConfigSpecOperation, VMwareDvsLacpLoadBalanceAlgorithm, VMwareUplinkLacpMode, VMwareUplinkLacpTimeoutMode,
};
use vimsim_types::method::UpdateDVSLacpGroupConfigTask;
use vimsim_types::views::{
    DVPortSetting, DistributedVirtualPortgroup, DistributedVirtualSwitch,
    DistributedVirtualSwitchHostMemberPnicBacking, DvsFault, DvsReconfiguredEvent, VMwareDVSConfigInfo,
    VMwareDVSConfigSpec, VMwareDVSPortSetting, VMwareDvsLacpGroupConfig, VMwareDvsLacpGroupSpec,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, Value, View};

use super::{ports, proxy, reconfigure};
use crate::call::Call;

type Switch<'a> = Call<'a, DistributedVirtualSwitch>;

const MOST_GROUPS: usize = 64;
const MOST_UPLINKS: i32 = 32;

fn invalid(field: &str, why: impl Into<String>) -> Fault {
    Fault::invalid_argument(&format!("lacpGroupSpec.lacpGroupConfig.{field}"), why.into())
}

fn refused(why: String) -> Fault {
    Fault::new(DvsFault::new(), why)
}

/// The groups of a switch.
pub(super) fn groups(switch: &DistributedVirtualSwitch) -> impl Iterator<Item = &VMwareDvsLacpGroupConfig> {
    let config = switch.config().downcast::<VMwareDVSConfigInfo>();
    config.into_iter().flat_map(|config| config.lacp_group_config())
}

fn configuration<'a>(call: &'a mut Switch<'_>) -> Result<&'a mut VMwareDVSConfigInfo, Fault> {
    reconfigure::configuration(call)
}

/// `InvalidArgument` for a value that a group cannot have.
fn check(spec: &VMwareDvsLacpGroupSpec) -> Result<ConfigSpecOperation, Fault> {
    let Some(operation) = ConfigSpecOperation::from_name(spec.operation()) else {
        let why = format!("'{}' is none", spec.operation());
        return Err(Fault::invalid_argument("lacpGroupSpec.operation", why));
    };
    let group = spec.lacp_group_config();
    if operation == ConfigSpecOperation::Add && group.name().is_none_or(|name| name.is_empty()) {
        return Err(invalid("name", "a new group has no name"));
    }
    if operation != ConfigSpecOperation::Add && group.key().is_none() {
        return Err(invalid("key", "is not given"));
    }
    let known = |field: &str, value: Option<&ArcStr>, is_known: fn(&str) -> bool| match value {
        Some(value) if !is_known(value) => Err(invalid(field, format!("'{value}' is none"))),
        _ => Ok(()),
    };
    known("mode", group.mode(), |name| VMwareUplinkLacpMode::from_name(name).is_some())?;
    known("loadbalanceAlgorithm", group.loadbalance_algorithm(), |name| {
        VMwareDvsLacpLoadBalanceAlgorithm::from_name(name).is_some()
    })?;
    known("timeoutMode", group.timeout_mode(), |name| VMwareUplinkLacpTimeoutMode::from_name(name).is_some())?;
    match group.uplink_num() {
        Some(count) if !(1..=MOST_UPLINKS).contains(&count) => {
            Err(invalid("uplinkNum", format!("a group has 1 to {MOST_UPLINKS} uplinks")))
        }
        _ => Ok(operation),
    }
}

/// Adds, changes and removes link aggregation groups.
///
/// - `InvalidArgument` for a value that cannot be, or a group that there is not;
/// - `DvsFault` if the switch has the older LACP that knows no groups, or has as many as can be, and for a name that another
///   group has; for a group to remove that portgroups send through; for uplinks to remove that have physical adapters: as
///   faults of the task.
pub(crate) fn update_lacp_groups(call: &mut Switch<'_>, request: UpdateDVSLacpGroupConfigTask) -> Result<Moref, Fault> {
    for spec in request.lacp_group_spec() {
        check(spec)?;
    }
    call.start_task(move |call| {
        if configuration(call)?.lacp_api_version().is_some_and(|version| version == "singleLag") {
            return Err(refused("the switch has one link aggregation group, that of its uplinks".into()));
        }
        for spec in request.lacp_group_spec() {
            let wanted = spec.lacp_group_config();
            match check(spec)? {
                ConfigSpecOperation::Add => add(call, wanted)?,
                ConfigSpecOperation::Edit => edit(call, wanted)?,
                ConfigSpecOperation::Remove => remove(call, wanted.key().map_or("", |key| key.as_str()))?,
            }
        }
        let this = call.moref();
        let version = reconfigure::next_version(call.this()?.config().config_version());
        call.this_mut()?.config_mut().set_config_version(version);
        proxy::show(call)?;
        call.post(&this, DvsReconfiguredEvent::with(|event| _ = event.set_config_spec(VMwareDVSConfigSpec::new())))
    })
}

fn expect_free_name(call: &Switch<'_>, name: &str, key: Option<&str>) -> Result<(), Fault> {
    let is_other = |group: &&VMwareDvsLacpGroupConfig| group.key().map(|key| key.as_str()) != key;
    let mut others = groups(call.this()?).filter(is_other);
    match others.any(|group| group.name().is_some_and(|known| known == name)) {
        true => Err(refused(format!("the switch has a link aggregation group '{name}' already"))),
        false => Ok(()),
    }
}

fn uplink_names(name: &str, count: i32) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{name}-{number}"))
}

fn add(call: &mut Switch<'_>, wanted: &VMwareDvsLacpGroupConfig) -> Result<(), Fault> {
    let name = wanted.name().cloned().unwrap_or_default();
    expect_free_name(call, &name, None)?;
    if groups(call.this()?).count() >= MOST_GROUPS {
        return Err(refused(format!("a switch has no more than {MOST_GROUPS} link aggregation groups")));
    }
    let keys = groups(call.this()?).filter_map(|group| group.key()?.parse::<u32>().ok());
    let key = keys.max().unwrap_or_default() + 1;
    let mut group = wanted.clone();
    let count = wanted.uplink_num().unwrap_or(2);
    group.set_key(key.to_string()).set_uplink_num(count);
    group.set_uplink_name(uplink_names(&name, count)).set_uplink_port_key(std::iter::empty::<&str>());
    if group.mode().is_none() {
        group.set_mode(VMwareUplinkLacpMode::Passive.name());
    }
    if group.loadbalance_algorithm().is_none() {
        group.set_loadbalance_algorithm(VMwareDvsLacpLoadBalanceAlgorithm::SrcDestIpTcpUdpPortVlan.name());
    }
    if group.timeout_mode().is_none() {
        group.set_timeout_mode(VMwareUplinkLacpTimeoutMode::Slow.name());
    }
    configuration(call)?.push_lacp_group_config(group);
    let members: Vec<Moref> = call.this()?.config().host().iter().filter_map(|member| member.config().host()).collect();
    members.iter().try_for_each(|host| add_ports(call, &key.to_string(), host, count))
}

/// Changes the group of this key. `InvalidArgument` if there is none.
fn change<R>(
    call: &mut Switch<'_>,
    key: &str,
    change: impl FnOnce(&mut VMwareDvsLacpGroupConfig) -> R,
) -> Result<R, Fault> {
    let mut groups = configuration(call)?.lacp_group_config_mut();
    let group = groups.iter_mut().find(|group| group.key().is_some_and(|known| known == key));
    group.map(change).ok_or_else(|| invalid("key", format!("the switch has no link aggregation group '{key}'")))
}

/// Gives a group this many more ports on a member host.
fn add_ports(call: &mut Switch<'_>, key: &str, host: &Moref, count: i32) -> Result<(), Fault> {
    let this = call.moref();
    let ports = ports::new_port_keys(call, &this, usize::try_from(count).unwrap_or_default())?;
    change(call, key, |group| ports.iter().for_each(|port| _ = group.push_uplink_port_key(port)))?;
    let uplinks = call.this()?.config().uplink_portgroup().first();
    if let Some(uplinks) = uplinks {
        let portgroup = call.edit::<DistributedVirtualPortgroup>(&uplinks)?;
        portgroup.port_keys_mut().values().extend(ports.iter().cloned().map(Value::String));
    }
    for member in call.this_mut()?.config_mut().host_mut().iter_mut() {
        if member.config().host().as_ref() == Some(host) {
            ports.iter().for_each(|port| _ = member.push_uplink_port_key(port));
        }
    }
    Ok(())
}

/// Takes ports out of a group, its portgroup and the members. `DvsFault` while one of them has a physical adapter.
fn remove_ports(call: &mut Switch<'_>, key: &str, gone: &[ArcStr]) -> Result<(), Fault> {
    for member in call.this()?.config().host() {
        let backing = member.config().backing().downcast::<DistributedVirtualSwitchHostMemberPnicBacking>();
        for pnic in backing.into_iter().flat_map(|backing| backing.pnic_spec()) {
            if pnic.uplink_port_key().is_some_and(|port| gone.contains(port)) {
                let why =
                    format!("the physical adapter '{}' of a host is on an uplink of the group", pnic.pnic_device());
                return Err(refused(why));
            }
        }
    }
    change(call, key, |group| group.uplink_port_key_mut().retain(|port| !gone.contains(port)))?;
    if let Some(uplinks) = call.this()?.config().uplink_portgroup().first() {
        call.edit::<DistributedVirtualPortgroup>(&uplinks)?.port_keys_mut().retain(|port| !gone.contains(port));
    }
    for member in call.this_mut()?.config_mut().host_mut().iter_mut() {
        member.uplink_port_key_mut().retain(|port| !gone.contains(port));
    }
    Ok(())
}

/// The ports of the group that each member host has.
fn ports_by_host(switch: &DistributedVirtualSwitch, key: &str) -> Vec<(Moref, Vec<ArcStr>)> {
    let Some(group) = groups(switch).find(|group| group.key().is_some_and(|known| known == key)) else {
        return Vec::new();
    };
    let members = switch.config().host().iter().filter_map(|member| Some((member.config().host()?, member)));
    let own = members.map(|(host, member)| {
        let ports = member.uplink_port_key().iter().filter(|port| group.uplink_port_key().contains(port.as_str()));
        (host, ports.cloned().collect())
    });
    own.collect()
}

fn edit(call: &mut Switch<'_>, wanted: &VMwareDvsLacpGroupConfig) -> Result<(), Fault> {
    let key = wanted.key().cloned().unwrap_or_default();
    let old = change(call, &key, |group| group.clone())?;
    let (old_name, old_count) = (old.name().cloned().unwrap_or_default(), old.uplink_num().unwrap_or_default());
    let name = wanted.name().cloned().unwrap_or_else(|| old_name.clone());
    let count = wanted.uplink_num().unwrap_or(old_count);
    if name != old_name {
        expect_free_name(call, &name, Some(&key))?;
        rename_uplink(call, &old_name, &name)?;
    }
    for (host, ports) in ports_by_host(call.this()?, &key) {
        let kept = usize::try_from(count).unwrap_or_default();
        match ports.get(kept..) {
            Some(gone) => remove_ports(call, &key, gone)?,
            None => add_ports(call, &key, &host, count - i32::try_from(ports.len()).unwrap_or_default())?,
        }
    }
    change(call, &key, |group| {
        let ports: Vec<ArcStr> = group.uplink_port_key().iter().cloned().collect();
        for (slot, value) in wanted.as_object().slots().iter().enumerate().filter(|(_, value)| !value.is_unset()) {
            group.as_object_mut().set(slot, value.clone());
        }
        group.set_uplink_num(count).set_uplink_name(uplink_names(&name, count)).set_uplink_port_key(ports);
    })
}

fn remove(call: &mut Switch<'_>, key: &str) -> Result<(), Fault> {
    let (name, ports) = change(call, key, |group| {
        (group.name().cloned().unwrap_or_default(), group.uplink_port_key().iter().cloned().collect::<Vec<_>>())
    })?;
    for moref in call.this()?.portgroup() {
        let Some(portgroup) = call.view::<DistributedVirtualPortgroup>(&moref) else { continue };
        if portgroup.config().default_port_config().is_some_and(|setting| sends_through(setting, &name)) {
            let why = format!("the portgroup '{}' sends through the group '{name}'", portgroup.name());
            return Err(refused(why));
        }
    }
    remove_ports(call, key, &ports)?;
    configuration(call)?.lacp_group_config_mut().retain(|group| group.key().is_none_or(|known| known != key));
    Ok(())
}

fn sends_through(setting: &DVPortSetting, uplink: &str) -> bool {
    let setting = setting.downcast::<VMwareDVSPortSetting>();
    let order = setting.and_then(|setting| setting.uplink_teaming_policy()?.uplink_port_order());
    order.is_some_and(|order| {
        order.active_uplink_port().contains(uplink) || order.standby_uplink_port().contains(uplink)
    })
}

/// Has the teaming of the switch and its portgroups know an uplink by another name.
fn rename_uplink(call: &mut Switch<'_>, old: &str, new: &str) -> Result<(), Fault> {
    let rename = |setting: &mut DVPortSetting| {
        if !sends_through(setting, old) {
            return;
        }
        let Some(setting) = setting.downcast_mut::<VMwareDVSPortSetting>() else { return };
        let order = setting.uplink_teaming_policy_mut().uplink_port_order_mut();
        let renamed = |name: &ArcStr| if name == old { ArcStr::from(new) } else { name.clone() };
        let active: Vec<ArcStr> = order.active_uplink_port().iter().map(renamed).collect();
        let standby: Vec<ArcStr> = order.standby_uplink_port().iter().map(renamed).collect();
        order.set_active_uplink_port(active).set_standby_uplink_port(standby);
    };
    rename(call.this_mut()?.config_mut().default_port_config_mut());
    let portgroups: Vec<Moref> = call.this()?.portgroup().iter().collect();
    for moref in &portgroups {
        rename(call.edit::<DistributedVirtualPortgroup>(moref)?.config_mut().default_port_config_mut());
    }
    Ok(())
}

/// Gives every group its ports on a host that has just become a member.
pub(super) fn join(call: &mut Switch<'_>, host: &Moref) -> Result<(), Fault> {
    let groups: Vec<(ArcStr, i32)> = groups(call.this()?)
        .filter_map(|group| Some((group.key()?.clone(), group.uplink_num().unwrap_or_default())))
        .collect();
    groups.iter().try_for_each(|(key, count)| add_ports(call, key, host, *count))
}

/// Takes the ports of a host that is a member no more out of the groups.
pub(super) fn leave(call: &mut Switch<'_>, gone: &[ArcStr]) -> Result<(), Fault> {
    if groups(call.this()?).next().is_none() {
        return Ok(());
    }
    for group in configuration(call)?.lacp_group_config_mut().iter_mut() {
        group.uplink_port_key_mut().retain(|port| !gone.contains(port));
    }
    Ok(())
}
