//! The end of virtual machines, and templates.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{MarkAsTemplate, MarkAsVirtualMachine, RefreshStorageInfo};
use vimsim_types::views::{
    ComputeResource, Datastore, HostSystem, InvalidState, NotSupported, ResourcePool, VirtualApp, VirtualMachine,
    VmRemovedEvent,
};
use vimsim_types::{Fault, Moref, View};

use super::disk::invalid_datastore;
use super::power::invalid_power_state;
use super::{create, customize, ethernet, places, register, snapshot, summary};
use crate::call::Call;
use crate::containers;
use crate::files::edit;
use crate::first_class::attach;
use crate::objects::{agency, managed_entity, pbm_profile_manager, virtual_app};
use crate::walk::remove_reference;

/// Deletes the machine with its files.
///
/// - `InvalidPowerState` unless it is off.
pub(super) fn destroy(call: &mut Call<'_, VirtualMachine>) -> Result<(), Fault> {
    check_off(call)?;
    let this = call.moref();
    attach::keep(call, &this)?;
    let machine = call.this()?.clone();
    places::give_back(call, &machine)?;
    edit::forget_machine(call, &this)?;
    remove(call)
}

/// Takes the machine out of the inventory; its files stay. A container behind it has to be gone.
///
/// - `InvalidPowerState` unless it is off; `ResourceInUse` while it has a container.
pub(crate) fn unregister(call: &mut Call<'_, VirtualMachine>) -> Result<(), Fault> {
    check_off(call)?;
    let (this, machine) = (call.moref(), call.this()?.clone());
    register::keep(call, &this, &machine)?;
    // What its disks take is from now on taken by their files.
    places::give_back(call, &machine)?;
    edit::keep_machine(call, &this)?;
    remove(call)
}

/// `InvalidPowerState` unless it is off; `TaskInProgress` while a task that takes time is under way on it.
fn check_off(call: &Call<'_, VirtualMachine>) -> Result<(), Fault> {
    call.expect_free(&call.moref())?;
    match call.this()?.runtime().power_state() {
        Power::PoweredOff => Ok(()),
        existing => Err(invalid_power_state(Power::PoweredOff, existing)),
    }
}

/// Removes the machine, and every reference to it.
fn remove(call: &mut Call<'_, VirtualMachine>) -> Result<(), Fault> {
    let this = call.moref();
    containers::machine::expect_torn_down(call, &this)?;
    call.context().service.guests().forget(&this);
    call.post(&this, VmRemovedEvent::with(|event| _ = event.set_template(false)))?;
    let machine = call.this()?.clone();
    virtual_app::forget_links(call, &this)?;
    places::leave(call, &this, &machine)?;
    ethernet::give_back_addresses(call, &machine)?;
    if let Some(host) = machine.runtime().host().filter(|host| call.object(host).is_some()) {
        remove_reference(&mut call.edit::<HostSystem>(&host)?.vm_mut(), &this);
    }
    if let Some(pool) = machine.resource_pool().filter(|pool| call.object(pool).is_some()) {
        remove_reference(&mut call.edit::<ResourcePool>(&pool)?.vm_mut(), &this);
    }
    snapshot::remove_with_machine(call, &machine);
    customize::forget(call, &this, &machine)?;
    pbm_profile_manager::forget(call, &this)?;
    agency::replace(call, &this)?;
    managed_entity::remove(call, &this)
}

/// Makes the machine a template: it leaves its pool and cannot be started.
///
/// - `InvalidPowerState` unless it is off; `NotSupported` if it is one.
pub(super) fn mark_as_template(call: &mut Call<'_, VirtualMachine>, _: MarkAsTemplate) -> Result<(), Fault> {
    if call.this()?.config().is_some_and(|config| config.template()) {
        return Err(Fault::new(NotSupported::new(), format!("'{}' is a template", call.this()?.name())));
    }
    check_off(call)?;
    let this = call.moref();
    if let Some(pool) = call.this()?.resource_pool() {
        remove_reference(&mut call.edit::<ResourcePool>(&pool)?.vm_mut(), &this);
    }
    virtual_app::forget_links(call, &this)?;
    let machine = call.this_mut()?;
    machine.config_mut().set_template(true);
    machine.set_resource_pool(None);
    machine.set_parent_v_app(None);
    Ok(())
}

/// Makes the template a virtual machine again, in this pool and on this host.
///
/// - `NotSupported` if it is none; `InvalidArgument` if the host is not of the pool's compute resource;
/// - `InvalidState` for a host that takes no machines; `InvalidDatastore` for one that does not have the machine's
///   datastores.
pub(super) fn mark_as_virtual_machine(
    call: &mut Call<'_, VirtualMachine>,
    request: MarkAsVirtualMachine,
) -> Result<(), Fault> {
    let this = call.moref();
    let machine = call.this()?;
    if !machine.config().is_some_and(|config| config.template()) {
        return Err(Fault::new(NotSupported::new(), format!("'{}' is no template", machine.name())));
    }
    let (pool, old_host) = (request.pool(), machine.runtime().host());
    let owner = call.get::<ResourcePool>(&pool)?.owner();
    let hosts: Vec<Moref> = call.get::<ComputeResource>(&owner)?.host().iter().collect();
    let missing = |host: &Moref| {
        let host = call.view::<HostSystem>(host);
        machine.datastore().iter().find(|it| !host.is_some_and(|host| host.datastore().contains(it)))
    };
    let wanted = request.host().or_else(|| old_host.clone().filter(|host| hosts.contains(host)));
    let host = match wanted {
        Some(host) if hosts.contains(&host) => host,
        Some(host) => {
            return Err(Fault::invalid_argument("host", format!("{host} is not of the pool's compute resource")));
        }
        None => {
            let fits = hosts.iter().find(|host| missing(host).is_none()).or(hosts.first());
            fits.cloned().ok_or_else(|| Fault::new(InvalidState::new(), "the pool has no host"))?
        }
    };
    create::check_host(call.get::<HostSystem>(&host)?)?;
    if let Some(datastore) = missing(&host) {
        let name = call.get::<Datastore>(&datastore)?.name();
        return Err(invalid_datastore(name, Some(datastore.clone()), "the host does not have it"));
    }
    if old_host.as_ref() != Some(&host) {
        if let Some(old) = old_host.filter(|old| call.object(old).is_some()) {
            remove_reference(&mut call.edit::<HostSystem>(&old)?.vm_mut(), &this);
        }
        call.edit::<HostSystem>(&host)?.push_vm(this.clone());
    }
    call.edit::<ResourcePool>(&pool)?.push_vm(this.clone());
    let browser = call.get::<ComputeResource>(&owner)?.environment_browser();
    let machine = call.this_mut()?;
    machine.config_mut().set_template(false);
    machine.runtime_mut().set_host(host);
    machine.set_parent_v_app(pool.is::<VirtualApp>().then(|| pool.clone()));
    machine.set_resource_pool(pool);
    machine.set_environment_browser(browser);
    Ok(())
}

/// Works out anew what the machine's files use.
pub(super) fn refresh_storage_info(call: &mut Call<'_, VirtualMachine>, _: RefreshStorageInfo) -> Result<(), Fault> {
    let now = call.now();
    summary::count_storage(call.this_mut()?, now);
    Ok(())
}
