//! vApps that leave the inventory while the files of their machines stay.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::UnregisterVAppTask;
use vimsim_types::views::{InvalidState, ManagedEntity, ResourcePool, VirtualApp};
use vimsim_types::{Fault, Moref, View};

use super::{link, links, machines, remove, state_of};
use crate::call::Call;
use crate::containers;
use crate::objects::{managed_entity, virtual_machine};

/// Takes the vApp, and the machines and vApps in it, out of the inventory.
///
/// - `InvalidState`, as a fault of the task, while one of its machines is not off; `TaskInProgress` while something is done to
///   one of them.
pub(super) fn unregister_v_app(call: &mut Call<'_, VirtualApp>, _: UnregisterVAppTask) -> Result<Moref, Fault> {
    let this = call.moref();
    let backed = containers::holds_backed(call, &this);
    if !backed.is_empty() {
        return containers::destroy_backed(&mut call.on::<ManagedEntity>(&this), backed, unregister_entity);
    }
    call.start_task(unregister)
}

fn unregister_entity(call: &mut Call<'_, ManagedEntity>, moref: &Moref) -> Result<(), Fault> {
    unregister(&mut call.on(moref))
}

fn unregister(call: &mut Call<'_, VirtualApp>) -> Result<(), Fault> {
    let this = call.moref();
    let inside = machines(call, &this);
    if let Some(machine) = inside.iter().find(|machine| state_of(call, machine) != Power::PoweredOff) {
        return Err(Fault::new(InvalidState::new(), format!("{machine} is not powered off")));
    }
    for machine in &inside {
        virtual_machine::unregister(&mut call.on(machine))?;
    }
    while let Some(child) = call.this()?.resource_pool().first() {
        if child.is::<VirtualApp>() {
            unregister(&mut call.on(&child))?;
        } else {
            managed_entity::destroy_entity(call, &child)?;
        }
    }
    for linked in links(call, &this) {
        link::unlink(call, &this, &linked)?;
    }
    let parent = call.this()?.parent().filter(Moref::is::<ResourcePool>);
    remove(call, parent)
}
