//! Hosts' VMkernel interfaces on a distributed switch.

use std::collections::BTreeSet;

use vimsim_types::views::{
    DistributedVirtualPortgroup, DistributedVirtualSwitchPortConnection, HostConfigFault, HostSystem, HostVirtualNic,
    NotFound, VirtualEthernetCard, VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View};

use super::ports;
use crate::call::Call;
use crate::objects::managed_entity;
use crate::rules::port_key;

/// The interfaces of a host, with the port of a portgroup that each is on.
pub(super) fn interfaces<'a>(
    host: &'a HostSystem,
    portgroup: &str,
) -> impl Iterator<Item = (&'a HostVirtualNic, &'a ArcStr)> {
    let nics = host.config().and_then(|config| config.network()).into_iter().flat_map(|network| network.vnic());
    nics.filter_map(move |nic| {
        let port = nic.spec().distributed_virtual_port()?;
        let is_there = port.portgroup_key().is_some_and(|key| key == portgroup);
        is_there.then_some((nic, port.port_key()?))
    })
}

/// `ResourceInUse` while an interface of a host is connected to the portgroup.
pub(crate) fn expect_no_interface<T>(call: &Call<'_, T>, portgroup: &Moref) -> Result<(), Fault> {
    for host in call.get::<DistributedVirtualPortgroup>(portgroup)?.host() {
        expect_no_interface_of(call, portgroup, &host)?;
    }
    Ok(())
}

/// `ResourceInUse` while an interface of this host is connected to the portgroup.
pub(super) fn expect_no_interface_of<T>(call: &Call<'_, T>, portgroup: &Moref, host: &Moref) -> Result<(), Fault> {
    let Some(host) = call.view::<HostSystem>(host) else { return Ok(()) };
    match interfaces(host, portgroup.value()).next() {
        Some((nic, _)) => {
            let why = format!("the interface '{}' of the host '{}' is connected to it", nic.device(), host.name());
            Err(managed_entity::in_use(portgroup.kind(), portgroup.value(), why))
        }
        None => Ok(()),
    }
}

/// The port that an interface of the host is to be connected to: the one given, or a free one of the portgroup given.
///
/// - `NotFound` if the host is no member of such a switch, or that has no such portgroup or port; `InvalidArgument` if
///   neither is given, or it is for uplinks;
/// - `ResourceInUse` for a port that is taken; `HostConfigFault` if the portgroup has no more.
pub(crate) fn connect_interface<T>(
    call: &mut Call<'_, T>,
    host: &Moref,
    device: &str,
    wanted: &DistributedVirtualSwitchPortConnection,
) -> Result<DistributedVirtualSwitchPortConnection, Fault> {
    const PORT: &str = "nic.distributedVirtualPort";
    let properties = call.get::<HostSystem>(host)?;
    let network = properties.config().and_then(|config| config.network());
    let mut switches = network.into_iter().flat_map(|network| network.proxy_switch());
    if !switches.any(|switch| switch.dvs_uuid() == wanted.switch_uuid()) {
        let why = format!("the host is no member of a distributed switch '{}'", wanted.switch_uuid());
        return Err(Fault::new(NotFound::new(), why));
    }
    let group_key = wanted.portgroup_key().filter(|key| !key.is_empty());
    let port_key = wanted.port_key().filter(|key| !key.is_empty());
    let is_wanted = |moref: &Moref| {
        let Some(portgroup) = call.view::<DistributedVirtualPortgroup>(moref) else { return false };
        match (group_key, port_key) {
            (Some(key), _) => moref.value() == key,
            (None, Some(key)) => portgroup.port_keys().contains(key) && is_of(call, portgroup, wanted.switch_uuid()),
            (None, None) => false,
        }
    };
    if group_key.is_none() && port_key.is_none() {
        return Err(Fault::invalid_argument(PORT, "names neither a portgroup nor a port"));
    }
    let portgroup = properties.network().iter().find(is_wanted);
    let portgroup = portgroup.ok_or_else(|| Fault::new(NotFound::new(), "the switch has no such portgroup or port"))?;
    let config = call.get::<DistributedVirtualPortgroup>(&portgroup)?.config();
    if config.uplink() == Some(true) {
        return Err(Fault::invalid_argument(PORT, format!("'{}' is for physical adapters", config.name())));
    }
    let key = match port_key {
        Some(key) => expect_free(call, &portgroup, key, (host, device))?,
        None => free_port(call, &portgroup)?,
    };
    Ok(DistributedVirtualSwitchPortConnection::with(|port| {
        port.set_switch_uuid(wanted.switch_uuid()).set_portgroup_key(portgroup.value()).set_port_key(key);
        port.set_connection_cookie(wanted.connection_cookie().unwrap_or(0));
    }))
}

fn is_of<T>(call: &Call<'_, T>, portgroup: &DistributedVirtualPortgroup, uuid: &str) -> bool {
    let switch = portgroup.config().distributed_virtual_switch();
    let switch = switch
        .and_then(|switch| call.view::<vimsim_types::views::DistributedVirtualSwitch>(&switch).map(|it| it.uuid()));
    switch.is_some_and(|known| known == uuid)
}

/// A port that is taken, with the host and interface that it is taken by if it is one.
type Taken = (ArcStr, Option<(Moref, ArcStr)>);

/// The ports that are taken, with the interface that one is taken by; and how many virtual machines' adapters still need
/// one. Those of one machine may be left out.
fn taken<T>(call: &Call<'_, T>, portgroup: &Moref, except: Option<&Moref>) -> Result<(Vec<Taken>, usize), Fault> {
    let (mut taken, mut waiting) = (Vec::new(), 0);
    let properties = call.get::<DistributedVirtualPortgroup>(portgroup)?;
    for host in properties.host() {
        let Some(view) = call.view::<HostSystem>(&host) else { continue };
        let own = interfaces(view, portgroup.value());
        taken.extend(own.map(|(nic, key)| (key.clone(), Some((host.clone(), nic.device().clone())))));
    }
    let machines = properties.vm().iter().filter(|machine| Some(machine) != except);
    let machines = machines.filter_map(|machine| call.view::<VirtualMachine>(&machine));
    for device in machines.filter_map(|machine| machine.config()).flat_map(|config| config.hardware().device()) {
        let backing = device.downcast::<VirtualEthernetCard>().and_then(|card| card.backing());
        let backing =
            backing.and_then(|backing| backing.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>());
        let Some(port) = backing.map(|backing| backing.port()) else { continue };
        if port.portgroup_key().is_none_or(|key| key != portgroup.value()) {
            continue;
        }
        match port.port_key().filter(|key| !key.is_empty()) {
            Some(key) => taken.push((key.clone(), None)),
            None => waiting += 1,
        }
    }
    Ok((taken, waiting))
}

fn expect_free<T>(
    call: &Call<'_, T>,
    portgroup: &Moref,
    key: &ArcStr,
    (host, device): (&Moref, &str),
) -> Result<ArcStr, Fault> {
    if !call.get::<DistributedVirtualPortgroup>(portgroup)?.port_keys().contains(key.as_str()) {
        return Err(Fault::new(NotFound::new(), format!("the portgroup has no port '{key}'")));
    }
    let by_other =
        |(known, by): &Taken| known == key && by.as_ref().is_none_or(|(on, nic)| on != host || nic != device);
    match taken(call, portgroup, None)?.0.iter().any(by_other) {
        true => {
            Err(managed_entity::in_use(portgroup.kind(), key, format!("something is connected to the port '{key}'")))
        }
        false => Ok(key.clone()),
    }
}

/// A port that nobody has; a new one where the portgroup may grow. The last, so that virtual machines that are connected to
/// no certain port keep theirs.
fn free_port<T>(call: &mut Call<'_, T>, portgroup: &Moref) -> Result<ArcStr, Fault> {
    let (taken, waiting) = taken(call, portgroup, None)?;
    let properties = call.get::<DistributedVirtualPortgroup>(portgroup)?;
    let free: Vec<&ArcStr> =
        properties.port_keys().iter().filter(|key| !taken.iter().any(|(known, _)| known == *key)).collect();
    if let Some(key) = free.last().filter(|_| free.len() > waiting) {
        return Ok((*key).clone());
    }
    let config = properties.config();
    let why = format!("the portgroup '{}' has no free port", config.name());
    expand(call, portgroup, 1)?.ok_or_else(|| Fault::new(HostConfigFault::new(), why))
}

/// Gives a portgroup that grows this many ports more, and answers the first; none if it does not.
fn expand<T>(call: &mut Call<'_, T>, portgroup: &Moref, count: usize) -> Result<Option<ArcStr>, Fault> {
    let config = call.get::<DistributedVirtualPortgroup>(portgroup)?.config();
    let grows = config.auto_expand().unwrap_or(false) || config.type_() == "ephemeral";
    let Some(switch) = config.distributed_virtual_switch().filter(|_| grows) else { return Ok(None) };
    let keys = ports::new_port_keys(call, &switch, count)?;
    let first = keys.first().cloned();
    let properties = call.edit::<DistributedVirtualPortgroup>(portgroup)?;
    properties.port_keys_mut().values().extend(keys.into_iter().map(Value::String));
    super::touch(call, &switch)?;
    Ok(first)
}

/// How many machines on a portgroup are many.
const MANY: usize = 256;

/// A port for an adapter of the machine that neither another machine nor, as `own` says, the machine itself has; a new one
/// where the portgroup may grow, which it does by eight. The first, but for those that adapters without a certain port are on.
pub(crate) fn adapter_port<T>(
    call: &mut Call<'_, T>,
    portgroup: &Moref,
    machine: &Moref,
    own: &[ArcStr],
) -> Result<Option<ArcStr>, Fault> {
    let properties = call.get::<DistributedVirtualPortgroup>(portgroup)?;
    if properties.vm().len() > MANY && properties.config().auto_expand().unwrap_or(false) {
        // Not all of the machines are looked at: a port too many does no harm.
        let keys = properties.port_keys();
        for key in (keys.len().saturating_sub(16)..keys.len()).filter_map(|at| keys.get(at)) {
            if !own.contains(key) && !is_port_taken(call, portgroup, machine, key)? {
                return Ok(Some(key.clone()));
            }
        }
        return expand(call, portgroup, 8);
    }
    let (taken, waiting) = taken(call, portgroup, Some(machine))?;
    let taken: BTreeSet<&ArcStr> = taken.iter().map(|(key, _)| key).chain(own).collect();
    let keys = call.get::<DistributedVirtualPortgroup>(portgroup)?.port_keys();
    match keys.iter().filter(|key| !taken.contains(key)).nth(waiting) {
        Some(key) => Ok(Some(key.clone())),
        None => expand(call, portgroup, 8),
    }
}

/// Whether somebody else than this machine is connected to a port.
pub(crate) fn is_port_taken<T>(
    call: &Call<'_, T>,
    portgroup: &Moref,
    machine: &Moref,
    key: &str,
) -> Result<bool, Fault> {
    let mut machines = call.indexed(port_key(portgroup.value(), key));
    if machines.any(|other| other.moref() != machine) {
        return Ok(true);
    }
    let mut hosts = call.get::<DistributedVirtualPortgroup>(portgroup)?.host().iter();
    let has_it = |host: &HostSystem| interfaces(host, portgroup.value()).any(|(_, known)| known == key);
    Ok(hosts.any(|host| call.view::<HostSystem>(&host).is_some_and(has_it)))
}

/// The ports that somebody is connected to, and how many there have to be for all.
pub(crate) fn used_ports<T>(call: &Call<'_, T>, portgroup: &Moref) -> Result<(BTreeSet<ArcStr>, usize), Fault> {
    let (taken, waiting) = taken(call, portgroup, None)?;
    let taken: BTreeSet<ArcStr> = taken.into_iter().map(|(key, _)| key).collect();
    let count = taken.len() + waiting;
    Ok((taken, count))
}
