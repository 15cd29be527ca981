//! What is to be made for a machine, worked out before the engine is asked for anything.

use vimsim_registry::Snapshot;
use vimsim_types::views::{
    HostSystem, VirtualDevice, VirtualDeviceDeviceBackingInfo, VirtualEthernetCard,
    VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualMachine,
};
use vimsim_types::{Moref, View};

use super::wanted::Wanted;
use crate::containers::backing as host_backing;
use crate::containers::underlay::{Port, underlay_of};

/// What is to be made.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) machine: Moref,
    /// The container's name.
    pub(super) name: String,
    /// The machine's UUID.
    pub(super) uuid: String,
    pub(super) wanted: Wanted,
    pub(super) env: Vec<(String, String)>,
    /// The networks that it joins; none for the engine's default.
    pub(super) networks: Vec<String>,
    /// Whether these are behind its host's adapters.
    pub(super) is_user: bool,
    pub(super) cards: Vec<(i32, String)>,
}

impl Plan {
    /// What `wanted` means for a machine on this host.
    pub(super) fn new(
        snapshot: &Snapshot,
        moref: &Moref,
        machine: &VirtualMachine,
        wanted: Wanted,
        host: Option<&Moref>,
    ) -> Self {
        let uuid = machine.config().map(|config| config.uuid().to_string()).unwrap_or_default();
        let env = machine.config().map(|config| wanted.environment(config)).unwrap_or_default();
        // Which network the client has named goes before what the machine is plugged into.
        let cards = match host {
            Some(host) if wanted.spec.networks.is_empty() => cables(snapshot, machine, host),
            _ => Vec::new(),
        };
        let mut networks = wanted.spec.networks.clone();
        for (_, network) in &cards {
            if !networks.contains(network) {
                networks.push(network.clone());
            }
        }
        let name = format!("vcsim-{}-{uuid}", plain(machine.name()));
        Self { machine: moref.clone(), name, uuid, env, is_user: !cards.is_empty(), wanted, networks, cards }
    }
}

/// A name in the characters that engines take.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-' { c } else { '-' };
    name.chars().map(plain).collect()
}

/// The engine's network that each of the machine's cards is on, if its host is a container: that behind the uplink of the
/// card's portgroup. Two cards on one network are one place in it, that of the first.
fn cables(snapshot: &Snapshot, machine: &VirtualMachine, host: &Moref) -> Vec<(i32, String)> {
    let Some(backed) = host_backing::seen(snapshot, host) else { return Vec::new() };
    let Some(network) = snapshot.view::<HostSystem>(host).and_then(|host| host.config()?.network()) else {
        return Vec::new();
    };
    let mut cards: Vec<(i32, String)> = Vec::new();
    for device in machine.config().into_iter().flat_map(|config| config.hardware().device()) {
        let underlay = port_of(device).and_then(|port| underlay_of(network, &backed.cables, port));
        if let Some(underlay) = underlay
            && !cards.iter().any(|(_, known)| known == underlay)
        {
            cards.push((device.key(), underlay.to_owned()));
        }
    }
    cards
}

/// What a network card is connected to.
fn port_of(device: &VirtualDevice) -> Option<Port<'_>> {
    device.downcast::<VirtualEthernetCard>()?;
    let backing = device.backing()?;
    if let Some(distributed) = backing.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>() {
        return Some(Port::Switch(distributed.port().switch_uuid()));
    }
    Some(Port::Portgroup(backing.downcast::<VirtualDeviceDeviceBackingInfo>()?.device_name()))
}
