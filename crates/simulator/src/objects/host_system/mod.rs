//! `HostSystem`: an ESXi host.

mod capability;
mod certificate;
mod config;
mod connection;
mod crypto;
mod data;
mod firewall;
mod hardware;
mod health;
mod license;
mod maintenance;
mod managers;
mod network;
mod network_config;
mod option;
mod option_table;
mod pci;
mod power;
mod query;
mod service;
mod settings;
mod storage;
mod summary;

use vimsim_types::enums::{HostSystemConnectionState, HostSystemPowerState};
use vimsim_types::views::{
    ComputeResource, DuplicateName, HostAddedEvent, HostConnectSpec, HostConnectedEvent, HostRemovedEvent, HostSystem,
    ManagedEntity, NotSupported, ResourceInUse, VirtualMachine,
};
use vimsim_types::{Fault, Moref, View};

use super::{compute_resource, internal_dynamic_type_manager, managed_entity};
use crate::call::Call;
use crate::containers;
use crate::kind::Kind;
use crate::luns;
use crate::walk::remove_reference;

use self::connection::{invalid_state, touch_compute_resource};

pub use certificate::thumbprints;
pub(crate) use certificate::{ATTRIBUTES as DN_ATTRIBUTES, Certificate, subject};
pub(crate) use connection::{connected, expect_not_connected, is_disconnected, lost};
pub(crate) use crypto::{make_safe, make_safe_with};
pub(crate) use license::licenses;
pub(crate) use managers::{Managers, create_managers, of as managers, stores};
pub(crate) use network::policy as switch_policy;
pub(crate) use network_config::network_config;
pub(crate) use query::connect_info_of_new;
pub(crate) use storage::{boot_partitions, default_volumes, diagnostic_partition, mounted, vmfs_volume};
pub(crate) use summary::{derive, put};

pub(crate) fn kind() -> Kind<HostSystem> {
    crypto::add(internal_dynamic_type_manager::add_to_host(query::add(managed_entity::kind())))
        .write(connection::disconnect)
        .write(connection::reconnect)
        .write(power::shutdown)
        .write(power::reboot)
        .write(power::enter_standby)
        .write(power::exit_standby)
        .write(maintenance::enter)
        .write(maintenance::exit)
        .derive(derive)
        .destroy(destroy)
}

/// `DuplicateName` if the datacenter of `place` has a host of this name already.
pub(crate) fn check_unknown<T>(call: &Call<'_, T>, place: &Moref, name: &str) -> Result<(), Fault> {
    let datacenter = call.datacenter_of(place);
    let mut known = call.indexed(crate::rules::host_key(name));
    let is_same = |object: &&std::sync::Arc<vimsim_registry::ManagedObject>| {
        object.view::<HostSystem>().is_some_and(|host| host.name() == name)
            && call.datacenter_of(object.moref()) == datacenter
    };
    match known.find(is_same) {
        None => Ok(()),
        Some(object) => Err(DuplicateName::with(|fault| {
            fault.set_name(name);
            fault.set_object(object.moref().clone());
        })
        .into()),
    }
}

/// Adds a host with its managers; the caller lists it in its compute resource.
pub(crate) fn insert<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    spec: &HostConnectSpec,
    parent: &Moref,
    managers: Managers,
) -> Result<(), Fault> {
    let name = spec.host_name().cloned().unwrap_or_default();
    // Another may have been added since the call was checked.
    check_unknown(call, parent, &name)?;
    let mut host = data::host(call.context(), &name);
    managed_entity::initialize(&mut host, &name, parent);
    data::set_reference(&mut host, moref);
    if call.context().service.config().unique_host_ports {
        let config = host.summary_mut().config_mut();
        let port = data::own_port(config.port(), moref);
        config.set_port(port);
    }
    managers::insert(call, moref, &mut host, managers)?;
    call.insert(moref.clone(), host);
    super::network::join_default_networks(call, moref)?;
    luns::discover(call, moref)
}

/// Tells of a new host, and connects it unless that is not wanted.
pub(crate) fn added<T>(call: &mut Call<'_, T>, moref: &Moref, connected: bool) -> Result<(), Fault> {
    call.post(moref, HostAddedEvent::new())?;
    if connected { call.post(moref, HostConnectedEvent::new()) } else { connection::disconnected(call, moref) }
}

/// Tells that a host came into another compute resource.
pub(crate) fn moved<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    super::network::join_default_networks(call, moref)
}

/// Whether the host's resources count: connected, on, and not in maintenance mode.
pub(crate) fn is_effective(host: &HostSystem) -> bool {
    let runtime = host.runtime();
    runtime.connection_state() == HostSystemConnectionState::Connected
        && runtime.power_state() == HostSystemPowerState::PoweredOn
        && !runtime.in_maintenance_mode()
}

/// Removes the host from the inventory. A standalone one goes with its compute resource.
///
/// - `ResourceInUse` while virtual machines are on it;
/// - `InvalidState` for one of a cluster that is neither in maintenance mode nor disconnected, where vCenter wants that.
fn destroy(call: &mut Call<'_, HostSystem>) -> Result<(), Fault> {
    let parent = call.this()?.parent();
    if !call.context().is_virtual_center() {
        return Err(Fault::new(NotSupported::new(), "a host cannot remove itself"));
    }
    match parent {
        Some(parent) if !parent.is::<vimsim_types::views::ClusterComputeResource>() => {
            compute_resource::destroy(call, &parent)
        }
        _ => remove(call),
    }
}

/// Takes the host out of its compute resource and removes all that is its own.
pub(crate) fn remove(call: &mut Call<'_, HostSystem>) -> Result<(), Fault> {
    let this = call.moref();
    containers::expect_torn_down(call, &this)?;
    let host = call.this()?.clone();
    if let Some(machine) = host.vm().first() {
        let detail = ResourceInUse::with(|fault| {
            fault.set_type(VirtualMachine::TYPE.name());
            fault.set_name(host.name());
        });
        let name = call.view::<ManagedEntity>(&machine).map(|machine| machine.name().clone()).unwrap_or_default();
        return Err(Fault::new(detail, format!("the virtual machine '{name}' is on the host '{}'", host.name())));
    }
    call.post(&this, HostRemovedEvent::new())?;
    if let Some(parent) = host.parent() {
        remove_reference(&mut call.edit::<ComputeResource>(&parent)?.host_mut(), &this);
    }
    super::network::leave_all(call, &this, &host)?;
    super::datastore::unmount_all(call, &this, &host)?;
    luns::forget_host(call, &this)?;
    for manager in managers::of(&host) {
        call.remove(&manager);
    }
    internal_dynamic_type_manager::remove_with_host(call, &this);
    call.remove(&this);
    Ok(())
}
