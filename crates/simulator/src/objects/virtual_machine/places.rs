//! The datastores and networks that a machine uses, and that know of it.

use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::views::{
    Datastore, GuestNicInfo, Network, VirtualDevice, VirtualDeviceFileBackingInfo, VirtualEthernetCard, VirtualMachine,
    VsanDatastoreInfo,
};
use vimsim_types::{Fault, Moref, View};

use super::device::Site;
use super::{chain, destination, disk, ethernet, layout, ports};
use crate::call::Call;
use crate::files::{self, edit, fault};
use crate::objects::datastore::{self, maintenance};
use crate::walk::remove_reference;

/// Brings `datastore`, `network` and `guest.net` up to what the devices say, and the references back.
///
/// - `InvalidDatastore` for a file on a datastore that the machine's host does not have; `InsufficientStorageSpace`;
///   `InvalidDatastoreState` for new files on a datastore in maintenance mode; `ResourceNotAvailable` for an adapter on a
///   portgroup without a free port.
pub(super) fn refresh<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    moref: &Moref,
    machine: &mut VirtualMachine,
    home: &Moref,
) -> Result<(), Fault> {
    ports::connect(call, moref, machine)?;
    ethernet::tell_addresses(call, moref, machine)?;
    let devices: Vec<VirtualDevice> = match machine.config() {
        Some(config) => config.hardware().device().iter().cloned().collect(),
        None => Vec::new(),
    };
    let mut datastores = vec![home.clone()];
    let mut networks: Vec<Moref> = Vec::new();
    let mut adapters: Vec<GuestNicInfo> = Vec::new();
    for device in &devices {
        let file = device.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>());
        if let Some(file) = file {
            let datastore = match file.datastore() {
                Some(datastore) => Some(datastore),
                None => disk::find_datastore(call, site, file.file_name(), 0).unwrap_or_default(),
            };
            datastores.extend(datastore.filter(|datastore| !datastores.contains(datastore)));
            // The files that a linked clone is linked to.
            let below = chain::backing(device).map(chain::files).unwrap_or_default();
            for datastore in below.into_iter().skip(1).filter_map(|file| file.datastore()) {
                if !datastores.contains(&datastore) && call.object(&datastore).is_some() {
                    datastores.push(datastore);
                }
            }
        }
        if let Some(card) = device.downcast::<VirtualEthernetCard>() {
            // A machine that goes back to a snapshot may be on a network that is no more.
            let network = ethernet::network_of(call, site, device).filter(|network| call.object(network).is_some());
            adapters.push(adapter(call, machine, card, network.as_ref()));
            networks.extend(network.filter(|network| !networks.contains(network)));
        }
    }
    // A disk that only a snapshot still has may be on another one. Where its files are may have changed.
    layout::keep_layout(call, Some(site.datacenter), machine);
    for datastore in layout::datastores(machine) {
        if !datastores.contains(&datastore) && call.object(&datastore).is_some() {
            datastores.push(datastore);
        }
    }
    expect_hosts(call, site, home)?;
    destination::check_mounts(call, site.host, &datastores)?;
    account(call, moref, machine)?;
    set_datastores(call, moref, machine, datastores)?;
    layout::keep_written(machine, files::machine::written(&**call, machine).0);
    set_networks(call, moref, machine, networks)?;
    let is_same = machine
        .guest()
        .is_some_and(|guest| guest.net().iter().map(View::as_object).eq(adapters.iter().map(View::as_object)));
    if !is_same {
        machine.guest_mut().set_net(adapters);
    }
    Ok(())
}

/// Takes what the machine's disks now have, and did not have before, of their datastores, or gives it back. A disk that was
/// a file before is now the machine's.
///
/// - `InsufficientStorageSpace` if a disk that is not thin does not fit; `InvalidDatastoreState` for one that is new on a
///   datastore in maintenance mode.
// Fidelity: on vCenter, a thin disk takes what was written into it. On vcsim, whose free space scripts compare, it takes its
// capacity, whether it is thin or not. What was written is in `storage`.
fn account<T>(call: &mut Call<'_, T>, moref: &Moref, machine: &VirtualMachine) -> Result<(), Fault> {
    let before = call.view::<VirtualMachine>(moref).cloned();
    if let Some(config) = machine.config() {
        edit::adopt_disks(call, before.as_ref().and_then(|before| before.config()), config)?;
    }
    // So are those that a machine has with its snapshots when it comes back into the inventory.
    for (datastore, file, ..) in disk::kept(machine) {
        edit::adopt(call, &datastore, file)?;
    }
    let before = before.as_ref().map(disk::usage).unwrap_or_default();
    let mut after = disk::usage(machine);
    for old in before {
        match after.iter().position(|new| *new == old) {
            Some(at) => _ = after.remove(at),
            None => datastore::reserve(call, &old.0, -old.1)?,
        }
    }
    for (datastore, size, is_thin) in after {
        maintenance::expect_normal(call, &datastore)?;
        if !is_thin {
            datastore::expect_space(call, &datastore, size)?;
        }
        datastore::reserve(call, &datastore, size)?;
    }
    Ok(())
}

/// How many hosts a vSAN datastore needs before it takes new objects.
const VSAN_HOSTS: usize = 3;

/// `CannotCreateFile` for a new machine on a vSAN datastore with too few hosts to keep its copies.
fn expect_hosts<T>(call: &Call<'_, T>, site: &Site<'_>, home: &Moref) -> Result<(), Fault> {
    let datastore = call.get::<Datastore>(home)?;
    if !site.is_new || !datastore.info().as_object().is::<VsanDatastoreInfo>() || datastore.host().len() >= VSAN_HOSTS {
        return Ok(());
    }
    let why = format!("the policy needs {VSAN_HOSTS} fault domains, and there are {}", datastore.host().len());
    Err(fault::cannot_create(&format!("[{}]", datastore.name()), &why))
}

/// An adapter as the guest reports it; what the guest said of its addresses stays.
fn adapter<T>(
    call: &Call<'_, T>,
    machine: &VirtualMachine,
    card: &VirtualEthernetCard,
    network: Option<&Moref>,
) -> GuestNicInfo {
    let known = machine.guest().and_then(|guest| guest.net().iter().find(|net| net.device_config_id() == card.key()));
    let mut adapter =
        known.cloned().unwrap_or_else(|| GuestNicInfo::with(|adapter| _ = adapter.set_device_config_id(card.key())));
    // One that is off says what its cards will be.
    let is_on = machine.runtime().power_state() == VirtualMachinePowerState::PoweredOn;
    let plug = card.connectable();
    adapter.set_connected(plug.is_none_or(|plug| if is_on { plug.connected() } else { plug.start_connected() }));
    let name = network.and_then(|network| call.view::<Network>(network)).map(|network| network.name());
    adapter.set_network(name);
    adapter.set_mac_address(card.mac_address());
    adapter
}

fn set_datastores<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    machine: &mut VirtualMachine,
    datastores: Vec<Moref>,
) -> Result<(), Fault> {
    let old: Vec<Moref> = machine.datastore().iter().collect();
    if old == datastores {
        return Ok(());
    }
    for datastore in old.iter().filter(|datastore| !datastores.contains(datastore)) {
        if call.object(datastore).is_some() {
            remove_reference(&mut call.edit::<Datastore>(datastore)?.vm_mut(), moref);
        }
    }
    for datastore in datastores.iter().filter(|datastore| !old.contains(datastore)) {
        maintenance::expect_normal(call, datastore)?;
        call.edit::<Datastore>(datastore)?.push_vm(moref.clone());
    }
    machine.set_datastore(datastores);
    Ok(())
}

fn set_networks<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    machine: &mut VirtualMachine,
    networks: Vec<Moref>,
) -> Result<(), Fault> {
    let old: Vec<Moref> = machine.network().iter().collect();
    if old == networks && !machine.as_object().get(VirtualMachine::NETWORK).is_unset() {
        return Ok(());
    }
    for network in old.iter().filter(|network| !networks.contains(network)) {
        if call.object(network).is_some() {
            remove_reference(&mut call.edit::<Network>(network)?.vm_mut(), moref);
        }
    }
    for network in networks.iter().filter(|network| !old.contains(network)) {
        call.edit::<Network>(network)?.push_vm(moref.clone());
    }
    machine.set_network(networks);
    Ok(())
}

/// Gives back what a machine's disks have of their datastores, when its files are deleted.
pub(super) fn give_back<T>(call: &mut Call<'_, T>, machine: &VirtualMachine) -> Result<(), Fault> {
    disk::usage(machine).into_iter().try_for_each(|(datastore, size, _)| datastore::reserve(call, &datastore, -size))
}

/// Takes a machine that is no more off its datastores and networks.
pub(super) fn leave<T>(call: &mut Call<'_, T>, moref: &Moref, machine: &VirtualMachine) -> Result<(), Fault> {
    let mut left = machine.clone();
    set_datastores(call, moref, &mut left, Vec::new())?;
    set_networks(call, moref, &mut left, Vec::new())
}
