//! Network adapters: what they are connected to, and their addresses.

use rpds::RedBlackTreeSetSync as Set;
use vimsim_types::enums::SharesLevel;
use vimsim_types::views::{
    Datacenter, DistributedVirtualPort, DistributedVirtualPortgroup, DistributedVirtualSwitch, InvalidDeviceBacking,
    LocalizableMessage, ManagedEntity, Network, NotFound, OpaqueNetwork, SharesInfo, VirtualDevice,
    VirtualDeviceBackingInfo, VirtualEthernetCard, VirtualEthernetCardDistributedVirtualPortBackingInfo,
    VirtualEthernetCardNetworkBackingInfo, VirtualEthernetCardOpaqueNetworkBackingInfo,
    VirtualEthernetCardResourceAllocation, VirtualMachine, VmMacAssignedEvent, VmMacChangedEvent,
};
use vimsim_types::{ArcStr, Fault, Moref, View, literal};

use super::device::Site;
use super::limits;
use crate::call::Call;
use crate::config::Fidelity;
use crate::objects::{distributed_virtual_switch, managed_entity, service_instance};
use crate::rules::uuid_key;

/// Fills in a network adapter, and returns its summary.
///
/// - `InvalidDeviceBacking` if the network or the port does not exist, is for uplinks, or there is none; `ResourceInUse` for a
///   port that something is connected to; `InvalidDeviceSpec` for an address that is none;
/// - `InvalidArgument` if the machine's host is not on the distributed switch; `NotFound` for an unknown logical switch.
pub(super) fn configure<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    card: &mut VirtualEthernetCard,
    old: Option<&VirtualEthernetCard>,
    index: usize,
) -> Result<String, Fault> {
    let is_strict = call.context().fidelity() == Fidelity::VCenter && !call.context().at_once;
    let summary = connect(call, site, card, index)?;
    if is_strict {
        limits::check_address(card, index)?;
        check_port_key(call, site, card, old, index)?;
    }
    let is_given = card.mac_address().is_some_and(|address| !address.is_empty());
    let is_old = old.is_some_and(|old| old.mac_address() == card.mac_address());
    let is_chosen = card.address_type().is_none_or(|kind| kind.is_empty() || kind.eq_ignore_ascii_case("manual"));
    if !is_given || is_strict && !is_old && !is_chosen {
        renew_address(call, site, card)?;
    } else if card.address_type().is_none_or(|kind| kind.is_empty()) {
        card.set_address_type(literal!("manual"));
    }
    if card.resource_allocation().is_none() {
        card.set_resource_allocation(VirtualEthernetCardResourceAllocation::with(|allocation| {
            allocation.set_reservation(0);
            allocation.set_limit(-1);
            allocation.set_share(SharesInfo::with(|shares| {
                shares.set_shares(50);
                shares.set_level(SharesLevel::Normal);
            }));
        }));
    }
    if card.wake_on_lan_enabled().is_none() {
        card.set_wake_on_lan_enabled(true);
    }
    Ok(summary)
}

/// `InvalidDeviceBacking` for the change at this place.
pub(super) fn invalid_backing(index: usize, why: String) -> Fault {
    let detail = InvalidDeviceBacking::with(|fault| {
        fault.set_property("virtualDeviceSpec.device.backing");
        fault.set_device_index(i32::try_from(index).unwrap_or(i32::MAX));
    });
    Fault::new(detail, format!("Invalid configuration for device '{index}': {why}"))
}

/// Finds the network that the adapter's backing names, and completes the backing.
fn connect<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    card: &mut VirtualEthernetCard,
    index: usize,
) -> Result<String, Fault> {
    let backing = card.backing().ok_or_else(|| invalid_backing(index, "the adapter has no backing".into()))?;
    if let Some(opaque) = backing.downcast::<VirtualEthernetCardOpaqueNetworkBackingInfo>() {
        if opaque.opaque_network_type() == "nsx.LogicalSwitch" {
            let port = logical_switch_port(call, site, opaque.opaque_network_id())?;
            card.set_backing(port);
        } else {
            let id = opaque.opaque_network_id().clone();
            return match opaque_network(call, site, &id) {
                Some(_) => Ok(id.to_string()),
                None => Err(invalid_backing(index, format!("there is no opaque network '{id}'"))),
            };
        }
    }
    let backing = card.backing().cloned().unwrap_or_else(View::new);
    if let Some(port) = backing.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>() {
        check_port(call, site, port, index)?;
        return Ok(format!("DVSwitch: {}", port.port().switch_uuid()));
    }
    if let Some(standard) = backing.downcast::<VirtualEthernetCardNetworkBackingInfo>() {
        let network = standard_network(call, site, standard)
            .ok_or_else(|| invalid_backing(index, format!("there is no network '{}'", standard.device_name())))?;
        let name = call.get::<ManagedEntity>(&network)?.name().clone();
        if standard.network().as_ref() != Some(&network) || *standard.device_name() != name {
            let mut standard = standard.clone();
            standard.set_network(network).set_device_name(&name);
            card.set_backing(standard);
        }
        return Ok(name.to_string());
    }
    Err(invalid_backing(index, format!("{} is not supported", backing.as_object().kind().name())))
}

/// The standard network of a backing: by its reference, or else by its name in the datacenter.
fn standard_network<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    backing: &VirtualEthernetCardNetworkBackingInfo,
) -> Option<Moref> {
    if let Some(network) = backing.network() {
        return call.view::<Network>(&network).map(|_| network);
    }
    let is_named = |network: &Moref| call.view::<Network>(network).is_some_and(|it| it.name() == backing.device_name());
    call.view::<Datacenter>(site.datacenter)?.network().iter().find(is_named)
}

fn opaque_network<T>(call: &Call<'_, T>, site: &Site<'_>, id: &str) -> Option<Moref> {
    let is_it = |network: &Moref| {
        let summary = call.view::<OpaqueNetwork>(network).map(|network| network.summary());
        let summary = summary.and_then(|summary| summary.downcast::<vimsim_types::views::OpaqueNetworkSummary>());
        summary.is_some_and(|summary| summary.opaque_network_id() == id)
    };
    call.view::<Datacenter>(site.datacenter)?.network().iter().find(is_it)
}

/// The portgroup that stands for an NSX logical switch, as a backing.
fn logical_switch_port<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    id: &str,
) -> Result<VirtualEthernetCardDistributedVirtualPortBackingInfo, Fault> {
    let networks = call.get::<Datacenter>(site.datacenter)?.network();
    for network in networks.iter() {
        let Some(portgroup) = call.view::<DistributedVirtualPortgroup>(&network) else { continue };
        if portgroup.config().logical_switch_uuid().is_none_or(|uuid| *uuid != id) {
            continue;
        }
        let switch = portgroup.config().distributed_virtual_switch();
        let uuid = switch.and_then(|switch| Some(call.view::<DistributedVirtualSwitch>(&switch)?.uuid().clone()));
        return Ok(VirtualEthernetCardDistributedVirtualPortBackingInfo::with(|backing| {
            backing.port_mut().set_portgroup_key(portgroup.key()).set_switch_uuid(uuid.unwrap_or_default());
        }));
    }
    let message = format!("the logical switch '{id}' cannot be found");
    let detail = NotFound::with(|fault| {
        fault.push_fault_message(LocalizableMessage::with(|text| {
            text.set_key("com.vmware.nsx.attachFailed").set_message(&message);
        }));
    });
    Err(Fault::new(detail, message))
}

/// The portgroup of a port exists, and the machine's host is on its switch.
fn check_port<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    backing: &VirtualEthernetCardDistributedVirtualPortBackingInfo,
    index: usize,
) -> Result<(), Fault> {
    let port = backing.port();
    let key = port.portgroup_key().map_or("", |key| key);
    let found = call.object_by_value(key).and_then(|object| object.view::<DistributedVirtualPortgroup>());
    let portgroup = found.ok_or_else(|| invalid_backing(index, format!("there is no portgroup '{key}'")))?;
    let property = "spec.deviceChange.device.port.switchUuid";
    let switch = portgroup.config().distributed_virtual_switch();
    if let Some(switch) = switch.and_then(|switch| call.view::<DistributedVirtualSwitch>(&switch))
        && switch.uuid() != port.switch_uuid()
    {
        return Err(Fault::invalid_argument(property, format!("portgroup '{key}' is not of this switch")));
    }
    if portgroup.host().contains(site.host) {
        return Ok(());
    }
    Err(Fault::invalid_argument(property, format!("{} is not on the switch of '{}'", site.host, portgroup.name())))
}

/// The port that a client names is one of the portgroup's for machines, and free or the adapter's own.
fn check_port_key<T>(
    call: &Call<'_, T>,
    site: &Site<'_>,
    card: &VirtualEthernetCard,
    old: Option<&VirtualEthernetCard>,
    index: usize,
) -> Result<(), Fault> {
    let port = |card: &VirtualEthernetCard| {
        let backing = card.backing()?.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>()?;
        Some(backing.port().clone())
    };
    let Some(wanted) = port(card) else { return Ok(()) };
    let object = wanted.portgroup_key().and_then(|key| call.object_by_value(key));
    let Some((moref, portgroup)) = object.and_then(|it| Some((it.moref(), it.view::<DistributedVirtualPortgroup>()?)))
    else {
        return Ok(());
    };
    if portgroup.config().uplink() == Some(true) {
        return Err(invalid_backing(index, format!("'{}' is for physical adapters", portgroup.name())));
    }
    let Some(key) = wanted.port_key().filter(|key| !key.is_empty()) else { return Ok(()) };
    let before = old.and_then(port);
    if before.is_some_and(|it| it.port_key() == Some(key) && it.portgroup_key() == wanted.portgroup_key()) {
        return Ok(());
    }
    if !portgroup.port_keys().contains(key.as_str()) {
        return Err(invalid_backing(index, format!("'{}' has no port '{key}'", portgroup.name())));
    }
    let own = call.indexed(uuid_key(site.uuid)).next().map(|machine| machine.moref().clone());
    let own = own.unwrap_or_else(|| Moref::of::<VirtualMachine>(""));
    match distributed_virtual_switch::is_port_taken(call, moref, &own, key)? {
        true => Err(managed_entity::in_use(
            DistributedVirtualPort::TYPE,
            key,
            format!("something is connected to the port '{key}'"),
        )),
        false => Ok(()),
    }
}

/// The network that a device is connected to, if it is a network adapter.
pub(super) fn network_of<T>(call: &Call<'_, T>, site: &Site<'_>, device: &VirtualDevice) -> Option<Moref> {
    let backing: &VirtualDeviceBackingInfo = device.downcast::<VirtualEthernetCard>()?.backing()?;
    if let Some(port) = backing.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>() {
        let object = call.object_by_value(port.port().portgroup_key()?)?;
        Some(object.moref().clone())
    } else if let Some(standard) = backing.downcast::<VirtualEthernetCardNetworkBackingInfo>() {
        standard.network()
    } else {
        let opaque = backing.downcast::<VirtualEthernetCardOpaqueNetworkBackingInfo>()?;
        opaque_network(call, site, opaque.opaque_network_id())
    }
}

/// The addresses that were generated, so that no two adapters get the same.
#[derive(Clone, Default)]
struct Addresses {
    /// One bit for each address that [`from_uuid`] can make, by [`Addresses::bit`].
    taken: Vec<u64>,
    /// Those that were assigned, by what is behind [`VCENTER`], from `80:00:00` on.
    assigned: Set<u32>,
    /// The number of the next address that is not made from a UUID.
    next: u32,
}

impl Addresses {
    /// The place of an address made of three characters: the first may have been raised by a unit number.
    fn bit([first, second, third]: [u8; 3]) -> Option<usize> {
        let digit = |c: u8| char::from(c).to_digit(16).map(|digit| digit as usize);
        let first = usize::from(first.checked_sub(b'0')?);
        (first < 128).then_some(first * 256 + digit(second)? * 16 + digit(third)?)
    }

    /// Takes this address. No if it is taken.
    fn take(&mut self, address: [u8; 3]) -> bool {
        let Some(bit) = Self::bit(address) else { return false };
        if self.taken.len() <= bit / 64 {
            self.taken.resize(bit / 64 + 1, 0);
        }
        let mask = 1 << (bit % 64);
        let is_free = self.taken[bit / 64] & mask == 0;
        self.taken[bit / 64] |= mask;
        is_free
    }

    fn give_back(&mut self, address: [u8; 3]) {
        if let Some(bit) = Self::bit(address)
            && let Some(word) = self.taken.get_mut(bit / 64)
        {
            *word &= !(1 << (bit % 64));
        }
    }
}

/// The last three characters of the machine's UUID, the first of them raised by the adapter's number.
fn from_uuid(uuid: &str, unit: i32) -> Option<[u8; 3]> {
    let [.., first, second, third] = uuid.as_bytes() else { return None };
    let first = i32::from(*first) + unit - 7;
    Some([u8::try_from(first).ok()?, *second, *third])
}

/// Gives an adapter an address that the server chooses, in place of the one that it has.
// Fidelity: vcsim generates addresses as a host does, and those of the model's machines are its. vCenter assigns them
// of a range of its own, also to clients that ask for `generated`.
pub(super) fn renew_address<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    card: &mut VirtualEthernetCard,
) -> Result<(), Fault> {
    let unit = card.unit_number().unwrap_or(7);
    let is_assigned = call.context().fidelity() == Fidelity::VCenter && !call.context().at_once;
    if !is_assigned {
        card.set_mac_address(generate_address(call, site, unit)?);
        card.set_address_type(literal!("generated"));
        return Ok(());
    }
    let uuid = crate::uuid::named(&format!("{}/{unit}", site.uuid));
    let wanted = u32::from_str_radix(uuid.get(..8).unwrap_or_default(), 16).unwrap_or_default() % ASSIGNED;
    let assigned = &mut call.private::<Addresses>(&service_instance::moref())?.assigned;
    let number = (wanted..ASSIGNED).chain(0..wanted).find(|number| !assigned.contains(number)).unwrap_or(wanted);
    assigned.insert_mut(number);
    let [_, a, b, c] = (0x80_0000 + number).to_be_bytes();
    card.set_mac_address(format!("{VCENTER}{a:02x}:{b:02x}:{c:02x}"));
    card.set_address_type(literal!("assigned"));
    Ok(())
}

/// What the addresses begin with that a vCenter assigns, and how many they are: `80:00:00` to `bf:ff:ff`.
const VCENTER: &str = "00:50:56:";
const ASSIGNED: u32 = 0x40_0000;

/// A new address for an adapter at this unit.
// Fidelity: vcsim makes addresses of three characters of the machine's UUID, which soon repeat. The first adapter for which
// one comes up gets it, as in vcsim; others get the next of a range that no characters lead to.
pub(super) fn generate_address<T>(call: &mut Call<'_, T>, site: &Site<'_>, unit: i32) -> Result<String, Fault> {
    let addresses = call.private::<Addresses>(&service_instance::moref())?;
    let wanted = from_uuid(site.uuid, unit).filter(|wanted| addresses.take(*wanted));
    let [a, b, c] = wanted.unwrap_or_else(|| {
        addresses.next += 1;
        let [_, a, b, c] = (0x80_0000 + addresses.next % 0x80_0000).to_be_bytes();
        [a, b, c]
    });
    Ok(format!("{HOST}{a:02x}:{b:02x}:{c:02x}"))
}

/// Lets the generated addresses of a machine that is no more be generated again.
pub(super) fn give_back_addresses<T>(call: &mut Call<'_, T>, machine: &VirtualMachine) -> Result<(), Fault> {
    let Some(config) = machine.config() else { return Ok(()) };
    let cards = config.hardware().device().iter().filter_map(|device| device.downcast::<VirtualEthernetCard>());
    let of_type = |card: &VirtualEthernetCard, wanted: &str| card.address_type().is_some_and(|kind| *kind == wanted);
    let addresses: Vec<(bool, [u8; 3])> = cards
        .filter_map(|card| match card.mac_address()? {
            address if of_type(card, "generated") => Some((false, parse(address, HOST)?)),
            address if of_type(card, "assigned") => Some((true, parse(address, VCENTER)?)),
            _ => None,
        })
        .collect();
    if !addresses.is_empty() {
        let taken = call.private::<Addresses>(&service_instance::moref())?;
        for (is_assigned, [a, b, c]) in addresses {
            match is_assigned {
                true => _ = taken.assigned.remove_mut(&u32::from_be_bytes([0, a, b, c]).wrapping_sub(0x80_0000)),
                false => taken.give_back([a, b, c]),
            }
        }
    }
    Ok(())
}

/// What generated addresses begin with.
const HOST: &str = "00:0c:29:";

fn parse(address: &str, prefix: &str) -> Option<[u8; 3]> {
    let mut bytes = address.strip_prefix(prefix)?.split(':').map(|byte| u8::from_str_radix(byte, 16).ok());
    Some([bytes.next()??, bytes.next()??, bytes.next()??])
}

/// Tells of the addresses that were assigned to adapters since the machine was as it is seen.
pub(super) fn tell_addresses<T>(call: &mut Call<'_, T>, moref: &Moref, machine: &VirtualMachine) -> Result<(), Fault> {
    if call.context().at_once || call.context().fidelity() == Fidelity::Vcsim {
        return Ok(());
    }
    let cards = |machine: &VirtualMachine| -> Vec<(i32, ArcStr, ArcStr, bool)> {
        let devices = machine.config().into_iter().flat_map(|config| config.hardware().device());
        let cards = devices.filter_map(|device| Some((device, device.downcast::<VirtualEthernetCard>()?)));
        let cards = cards.filter_map(|(device, card)| {
            let is_assigned = card.address_type().is_some_and(|kind| *kind == "assigned");
            Some((device.key(), device.device_info()?.label().clone(), card.mac_address()?.clone(), is_assigned))
        });
        cards.collect()
    };
    let before = call.view::<VirtualMachine>(moref).map(cards).unwrap_or_default();
    for (key, adapter, mac, is_assigned) in cards(machine) {
        match before.iter().find(|(known, ..)| *known == key) {
            Some((_, _, old, _)) if *old == mac => {}
            Some((_, _, old, _)) => {
                let event = VmMacChangedEvent::with(|event| {
                    event.set_adapter(adapter).set_old_mac(old).set_new_mac(mac).set_template(false);
                });
                call.post(moref, event)?;
            }
            None if is_assigned => {
                let event = VmMacAssignedEvent::with(|event| {
                    event.set_adapter(adapter).set_mac(mac).set_template(false);
                });
                call.post(moref, event)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// The network adapters of a machine that are on networks, and the networks.
pub(crate) fn cards<T>(call: &Call<'_, T>, moref: &Moref) -> Result<Vec<(VirtualDevice, Moref)>, Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    let (Some(config), Some(host)) = (machine.config(), machine.runtime().host()) else { return Ok(Vec::new()) };
    let Some(datacenter) = call.datacenter_of(moref) else { return Ok(Vec::new()) };
    let site = Site { uuid: "", datacenter: &datacenter, host: &host, is_on: false, is_new: false };
    let devices = config.hardware().device();
    let cards = devices.iter().filter(|device| device.downcast::<VirtualEthernetCard>().is_some());
    Ok(cards.filter_map(|card| Some((card.clone(), network_of(call, &site, card)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_vcsim_while_they_are_free() {
        let wanted = from_uuid("63d40cc5-9cba-5cc1-884a-f7f19070ecea", 7).expect("a UUID");
        assert_eq!(wanted, [0x63, 0x65, 0x61]);
        let mut addresses = Addresses::default();
        assert!(addresses.take(wanted));
        assert!(!addresses.take(wanted));
        addresses.give_back(wanted);
        assert!(addresses.take(wanted));
        assert_eq!(parse("00:0c:29:63:65:61", HOST), Some(wanted));
    }
}
