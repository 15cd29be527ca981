//! `Network`: what virtual machines and hosts are connected to.
//!
//! Who is connected is kept on both sides: `network.host` and `host.network`, `network.vm` and `vm.network`. Hosts are
//! connected by the functions here, virtual machines by `virtual_machine::places`.

use std::collections::BTreeSet;

use vimsim_types::method::DestroyNetwork;
use vimsim_types::views::{
    ComputeResource, Datacenter, HostSystem, ManagedEntity, Network, VirtualDevice,
    VirtualEthernetCardNetworkBackingInfo, VirtualMachineConfigInfo, VirtualMachineSnapshot,
};
use vimsim_types::{ArcStr, Fault, Moref, Object, View};

use super::{distributed_virtual_switch, folder, managed_entity};
use crate::call::Call;
use crate::kind::Kind;
use crate::walk::remove_reference;

/// The network for virtual machines that every new host has, and with it every datacenter.
pub(crate) const DEFAULT: &str = "VM Network";

pub(crate) fn kind() -> Kind<Network> {
    managed_entity::kind().write(destroy_network).derive(derive).destroy(destroy)
}

/// Creates a standard network in `folder`.
pub(crate) fn create<T>(call: &mut Call<'_, T>, folder: &Moref, name: &str) -> Result<Moref, Fault> {
    let moref = call.create_moref(Network::TYPE);
    insert(call, moref.clone(), folder, name, Network::new())?;
    Ok(moref)
}

/// Adds a network of any kind to `folder`, under a reference of the caller's: sets what every network begins with.
pub(crate) fn insert<T>(
    call: &mut Call<'_, T>,
    moref: Moref,
    folder: &Moref,
    name: &str,
    network: impl View,
) -> Result<(), Fault> {
    let mut properties: Object = network.into();
    let network =
        Network::from_mut(&mut properties).ok_or_else(|| Fault::invalid_request(format!("{moref} is no network")))?;
    managed_entity::initialize(network, name, folder);
    network.set_host(std::iter::empty::<Moref>());
    network.set_vm(std::iter::empty::<Moref>());
    let summary = network.summary_mut();
    summary.set_network(moref.clone()).set_name(name).set_accessible(false);
    // Without an IP pool vCenter sends an empty name: the property is required.
    summary.set_ip_pool_name("");
    call.insert(moref.clone(), properties);
    folder::add_child(call, folder, &moref)?;
    if let Some(datacenter) = call.datacenter_of(folder) {
        call.edit::<Datacenter>(&datacenter)?.push_network(moref);
    }
    Ok(())
}

/// Takes the network, with which nobody is connected any more, out of the inventory.
pub(crate) fn remove<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    if let Some(datacenter) = call.datacenter_of(moref) {
        remove_reference(&mut call.edit::<Datacenter>(&datacenter)?.network_mut(), moref);
    }
    forget_in_snapshots(call, moref)?;
    managed_entity::remove(call, moref)
}

/// Has the adapters that machines had when snapshots were taken know only the name of a network that is no more.
fn forget_in_snapshots<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let is_it = |network: &Moref| network == moref;
    let snapshots =
        call.objects().filter_map(|object| Some((object.moref(), object.view::<VirtualMachineSnapshot>()?)));
    let on = snapshots.filter(|(_, snapshot)| is_on(snapshot.config(), &is_it));
    let on: Vec<Moref> = on.map(|(moref, _)| moref.clone()).collect();
    for snapshot in on {
        forget_in(call.edit::<VirtualMachineSnapshot>(&snapshot)?.config_mut(), &is_it);
    }
    Ok(())
}

/// The network of an adapter's backing.
fn behind(device: &VirtualDevice) -> Option<Moref> {
    device.backing()?.downcast::<VirtualEthernetCardNetworkBackingInfo>()?.network()
}

/// Whether an adapter of this configuration is on such a network.
fn is_on(config: &VirtualMachineConfigInfo, is_such: &dyn Fn(&Moref) -> bool) -> bool {
    config.hardware().device().iter().any(|device| behind(device).as_ref().is_some_and(is_such))
}

/// Has the adapters that are on such a network know only its name.
pub(crate) fn forget_in(config: &mut VirtualMachineConfigInfo, is_such: &dyn Fn(&Moref) -> bool) {
    if !is_on(config, is_such) {
        return;
    }
    let mut devices = config.hardware_mut().device_mut();
    for device in devices.iter_mut().filter(|device| behind(device).as_ref().is_some_and(is_such)) {
        if let Some(backing) = device.backing_mut().downcast_mut::<VirtualEthernetCardNetworkBackingInfo>() {
            backing.set_network(None);
        }
    }
}

/// Connects a host to a network, if it is not already.
pub(crate) fn connect_host<T>(call: &mut Call<'_, T>, network: &Moref, host: &Moref) -> Result<(), Fault> {
    if call.get::<HostSystem>(host)?.network().contains(network) {
        return Ok(());
    }
    call.edit::<Network>(network)?.push_host(host.clone());
    call.edit::<HostSystem>(host)?.push_network(network.clone());
    touch_parent(call, host)
}

/// Takes a host off a network.
pub(crate) fn disconnect_host<T>(call: &mut Call<'_, T>, network: &Moref, host: &Moref) -> Result<(), Fault> {
    remove_reference(&mut call.edit::<Network>(network)?.host_mut(), host);
    remove_reference(&mut call.edit::<HostSystem>(host)?.network_mut(), network);
    touch_parent(call, host)
}

/// Has the lists of the host's compute resource, which follow from its hosts', worked out anew.
pub(crate) fn touch_parent<T>(call: &mut Call<'_, T>, host: &Moref) -> Result<(), Fault> {
    match call.get::<HostSystem>(host)?.parent() {
        Some(parent) if call.object(&parent).is_some() => call.edit::<ComputeResource>(&parent).map(|_| ()),
        _ => Ok(()),
    }
}

/// The names of a host's portgroups for virtual machines: those that no VMkernel adapter is on.
fn machine_portgroups(host: &HostSystem) -> Vec<ArcStr> {
    let network = host.config().and_then(|config| config.network());
    let Some(network) = network.filter(|network| !network.portgroup().is_empty()) else {
        return vec![DEFAULT.into()];
    };
    let kernel: BTreeSet<&str> = network.vnic().iter().map(|vnic| vnic.portgroup().as_str()).collect();
    let names = network.portgroup().iter().map(|portgroup| portgroup.spec().name());
    names.filter(|name| !kernel.contains(name.as_str())).cloned().collect()
}

/// The name of the standard network of a portgroup of this name.
pub(crate) fn portgroup_name<T>(call: &Call<'_, T>, name: &str) -> ArcStr {
    managed_entity::later_name(call, name, managed_entity::escape(name).into())
}

/// The standard network of this name in a datacenter.
pub(crate) fn find<T>(call: &Call<'_, T>, datacenter: &Moref, name: &str) -> Option<Moref> {
    let networks = call.view::<Datacenter>(datacenter)?.network();
    let named = |moref: &Moref| call.view::<Network>(moref).is_some_and(|network| network.name() == name);
    networks.iter().find(|moref| moref.kind() == Network::TYPE && named(moref))
}

/// Connects a host to the standard networks of its portgroups; the datacenter gets those that it does not have.
pub(crate) fn join_default_networks<T>(call: &mut Call<'_, T>, host: &Moref) -> Result<(), Fault> {
    let Some(datacenter) = call.datacenter_of(host) else { return Ok(()) };
    for name in machine_portgroups(call.get(host)?) {
        join(call, &datacenter, host, &name)?;
    }
    Ok(())
}

/// Connects a host to the standard network of this name.
pub(crate) fn join<T>(call: &mut Call<'_, T>, datacenter: &Moref, host: &Moref, name: &str) -> Result<(), Fault> {
    let name = portgroup_name(call, name);
    let network = match find(call, datacenter, &name) {
        Some(network) => network,
        None => {
            let folder = call.get::<Datacenter>(datacenter)?.network_folder();
            create(call, &folder, &name)?
        }
    };
    connect_host(call, &network, host)
}

/// Takes a host that is being removed off its networks and distributed switches.
pub(crate) fn leave_all<T>(call: &mut Call<'_, T>, moref: &Moref, host: &HostSystem) -> Result<(), Fault> {
    distributed_virtual_switch::remove_host(call, moref, host)?;
    for network in host.network() {
        if call.object(&network).is_some() {
            disconnect_host(call, &network, moref)?;
        }
    }
    Ok(())
}

/// Brings `summary` up to what the other properties say: a network is accessible while a host provides it.
pub(crate) fn derive(transaction: &mut vimsim_registry::Transaction, moref: &Moref) -> Result<(), Fault> {
    let network = transaction.get::<Network>(moref)?;
    let (summary, accessible) = (network.summary(), !network.host().is_empty());
    if summary.name() == network.name() && summary.accessible() == accessible {
        return Ok(());
    }
    let name = network.name().clone();
    transaction.edit::<Network>(moref)?.summary_mut().set_name(name).set_accessible(accessible);
    Ok(())
}

/// `ResourceInUse` while a virtual machine is connected to the network.
pub(crate) fn expect_no_machine<T>(call: &Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let network = call.get::<Network>(moref)?;
    match network.vm().first() {
        None => Ok(()),
        Some(machine) => {
            let name = call.view::<ManagedEntity>(&machine).map(|machine| machine.name().clone()).unwrap_or_default();
            let why = format!("the virtual machine '{name}' is connected to '{}'", network.name());
            Err(managed_entity::in_use(moref.kind(), network.name(), why))
        }
    }
}

/// Removes a network that is no longer in use.
///
/// - `ResourceInUse` while a host or virtual machine is connected to it.
fn destroy_network(call: &mut Call<'_, Network>, _: DestroyNetwork) -> Result<(), Fault> {
    let this = call.moref();
    managed_entity::destroy_entity(call, &this)
}

/// [`destroy_network`], as `Destroy_Task` does it.
pub(crate) fn destroy(call: &mut Call<'_, Network>) -> Result<(), Fault> {
    let this = call.moref();
    expect_no_machine(call, &this)?;
    let network = call.this()?;
    if let Some(host) = network.host().first() {
        let name = call.view::<HostSystem>(&host).map(|host| host.name().clone()).unwrap_or_default();
        let why = format!("the host '{name}' provides the network '{}'", network.name());
        return Err(managed_entity::in_use(this.kind(), network.name(), why));
    }
    remove(call, &this)
}
