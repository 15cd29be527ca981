//! The ports of distributed portgroups that a machine's network adapters are on.

use vimsim_types::views::{
    DistributedVirtualPortgroup, DistributedVirtualSwitchPortConnection, ResourceNotAvailable, VirtualDevice,
    VirtualEthernetCard, VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualMachine,
    VirtualMachineConfigInfo,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::call::Call;
use crate::config::Fidelity;
use crate::objects::distributed_virtual_switch;

fn port(device: &VirtualDevice) -> Option<&DistributedVirtualSwitchPortConnection> {
    let backing = device.downcast::<VirtualEthernetCard>()?.backing()?;
    Some(backing.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>()?.port())
}

/// The portgroups and ports that the adapters of a machine name.
pub(crate) fn ports_of(config: &VirtualMachineConfigInfo) -> impl Iterator<Item = (&ArcStr, &ArcStr)> {
    let ports = config.hardware().device().iter().filter_map(port);
    ports.filter_map(|port| Some((port.portgroup_key()?, port.port_key()?)))
}

/// The portgroup and the port.
fn keys(port: &DistributedVirtualSwitchPortConnection) -> Option<(ArcStr, ArcStr)> {
    Some((port.portgroup_key()?.clone(), port.port_key().filter(|key| !key.is_empty())?.clone()))
}

/// An adapter that stays on its portgroup keeps its port, if the client names none.
pub(super) fn keep(old: &VirtualDevice, device: &mut VirtualDevice) {
    let (Some(before), Some(wanted)) = (port(old), port(device)) else { return };
    if before.portgroup_key() != wanted.portgroup_key() || keys(wanted).is_some() {
        return;
    }
    let (key, cookie) = (before.port_key().cloned(), before.connection_cookie());
    if let Some(card) = device.downcast_mut::<VirtualEthernetCard>()
        && let Some(backing) = card.backing_mut().downcast_mut::<VirtualEthernetCardDistributedVirtualPortBackingInfo>()
    {
        let port = backing.port_mut();
        key.into_iter().for_each(|key| _ = port.set_port_key(key));
        port.set_connection_cookie(cookie);
    }
}

/// Gives each adapter that is on a distributed portgroup a port of it: the one that it has, unless that is another's by
/// now, or else a free one.
///
/// - `ResourceNotAvailable` if the portgroup has no more, and does not grow.
// Fidelity: vCenter gives ports of ephemeral portgroups to adapters of running machines; ours have none. vcsim gives none
// at all, and the machines of the model are as vcsim's.
pub(super) fn connect<T>(call: &mut Call<'_, T>, moref: &Moref, machine: &mut VirtualMachine) -> Result<(), Fault> {
    if call.context().at_once || call.context().fidelity() == Fidelity::Vcsim {
        return Ok(());
    }
    let Some(config) = machine.config() else { return Ok(()) };
    let devices = config.hardware().device();
    let wanted: Vec<(usize, DistributedVirtualSwitchPortConnection)> =
        devices.iter().enumerate().filter_map(|(at, device)| Some((at, port(device)?.clone()))).collect();
    let before = call.view::<VirtualMachine>(moref).and_then(|before| before.config());
    let before = before.into_iter().flat_map(|config| config.hardware().device());
    let before: Vec<(ArcStr, ArcStr)> = before.filter_map(|device| keys(port(device)?)).collect();
    let mut own: Vec<(ArcStr, ArcStr)> = Vec::new();
    for (at, wanted) in wanted {
        let Some(group) = wanted.portgroup_key().cloned() else { continue };
        let Some(object) = call.object_by_value(&group) else { continue };
        let (portgroup, Some(view)) = (object.moref().clone(), object.view::<DistributedVirtualPortgroup>()) else {
            continue;
        };
        if view.config().type_() == "ephemeral" {
            continue;
        }
        let name = view.name().clone();
        let mine: Vec<ArcStr> = own.iter().filter(|(known, _)| *known == group).map(|(_, key)| key.clone()).collect();
        let kept = match keys(&wanted) {
            Some(pair) if own.contains(&pair) => None,
            Some(pair) if before.contains(&pair) => Some(pair.1),
            Some(pair) if distributed_virtual_switch::is_port_taken(call, &portgroup, moref, &pair.1)? => None,
            pair => pair.map(|(_, key)| key),
        };
        let key = match kept {
            Some(key) => key,
            None => distributed_virtual_switch::adapter_port(call, &portgroup, moref, &mine)?
                .ok_or_else(|| no_port(&name))?,
        };
        own.push((group, key.clone()));
        let is_same = wanted.port_key() == Some(&key) && wanted.connection_cookie().is_some();
        if is_same {
            continue;
        }
        let cookie = cookie(moref, &key);
        let devices = machine.config_mut().hardware_mut();
        let mut devices = devices.device_mut();
        if let Some(device) = devices.iter_mut().nth(at)
            && let Some(card) = device.downcast_mut::<VirtualEthernetCard>()
            && let Some(backing) =
                card.backing_mut().downcast_mut::<VirtualEthernetCardDistributedVirtualPortBackingInfo>()
        {
            backing.port_mut().set_port_key(key).set_connection_cookie(cookie);
        }
    }
    Ok(())
}

/// The number of this connection: another adapter's on the same port is another.
fn cookie(moref: &Moref, key: &str) -> i32 {
    let uuid = crate::uuid::named(&format!("{moref}/{key}"));
    i32::from_str_radix(uuid.get(..7).unwrap_or_default(), 16).unwrap_or(1).max(1)
}

fn no_port(portgroup: &str) -> Fault {
    let detail = ResourceNotAvailable::with(|fault| {
        fault.set_container_type("DistributedVirtualPortgroup").set_container_name(portgroup);
        fault.set_type("DistributedVirtualPort");
    });
    Fault::new(detail, format!("no free port is available in the distributed portgroup '{portgroup}'"))
}
