//! Pools in pools: moving machines and pools between them, and taking pools away.

use vimsim_types::method::{DestroyChildren, MoveIntoResourcePool, UpdateChildResourceConfiguration};
use vimsim_types::views::{
    DuplicateName, HostSystem, InvalidFolder, ManagedEntity, NotSupported, ResourcePool, ResourcePoolDestroyedEvent,
    ResourcePoolMovedEvent, VirtualApp, VirtualMachine, VmResourcePoolMovedEvent,
};
use vimsim_types::{Fault, Moref, View};

use crate::call::Call;
use crate::objects::{managed_entity, virtual_machine};
use crate::rules::link_key;
use crate::walk::{Inventory, remove_reference};

/// The pool and those that it is in, nearest first.
pub(crate) fn lineage<T>(call: &Call<'_, T>, pool: &Moref) -> Vec<Moref> {
    let transaction: &vimsim_registry::Transaction = call;
    transaction.ancestry(pool).into_iter().filter(|moref| moref.is::<ResourcePool>()).collect()
}

/// Removes the pool. What is in it comes into the pool that it is in.
///
/// - `NotSupported` for the root pool of a compute resource, which `Destroy_Task` itself refuses;
/// - `DuplicateName` if a pool in it has the name of one beside it.
pub(super) fn destroy(call: &mut Call<'_, ResourcePool>) -> Result<(), Fault> {
    let this = call.moref();
    let pool = call.this()?;
    let parent = pool.parent().filter(|parent| parent.is::<ResourcePool>());
    let parent = parent.ok_or_else(|| Fault::new(NotSupported::new(), "a root resource pool cannot be destroyed"))?;
    let pools: Vec<Moref> = pool.resource_pool().iter().collect();
    let machines: Vec<Moref> = pool.vm().iter().collect();
    for moref in pools.iter().chain(&machines) {
        if moref.is::<ResourcePool>() {
            expect_new_name(call, moref, &parent, &this)?;
        }
        adopt(call, moref, &parent)?;
    }
    call.post(&this, ResourcePoolDestroyedEvent::new())?;
    remove_reference(&mut call.edit::<ResourcePool>(&parent)?.resource_pool_mut(), &this);
    call.remove(&this);
    Ok(())
}

/// `DuplicateName` if the parent has a pool of this one's name, other than the one that goes.
fn expect_new_name<T>(call: &Call<'_, T>, pool: &Moref, parent: &Moref, gone: &Moref) -> Result<(), Fault> {
    let name = call.get::<ResourcePool>(pool)?.name();
    let is_same = |other: &Moref| call.view::<ResourcePool>(other).is_some_and(|other| other.name() == name);
    let mut others = call.get::<ResourcePool>(parent)?.resource_pool().iter().filter(|other| other != gone);
    match others.find(is_same) {
        None => Ok(()),
        Some(other) => Err(DuplicateName::with(|fault| _ = fault.set_name(name).set_object(other)).into()),
    }
}

/// Removes all pools in this one. Their machines come into it.
pub(super) fn destroy_children(call: &mut Call<'_, ResourcePool>, _: DestroyChildren) -> Result<(), Fault> {
    let children: Vec<Moref> = call.this()?.resource_pool().iter().collect();
    for child in children.iter().filter(|child| !child.is::<VirtualApp>()) {
        // From below, so that nothing is moved twice.
        destroy_children(&mut call.on(child), DestroyChildren::new())?;
        destroy(&mut call.on(child))?;
    }
    Ok(())
}

/// Moves a pool or machine into `pool`, which is of the same compute resource.
pub(crate) fn adopt<T>(call: &mut Call<'_, T>, moref: &Moref, pool: &Moref) -> Result<(), Fault> {
    if moref.is::<VirtualMachine>() {
        let machine = call.get::<VirtualMachine>(moref)?;
        let old = machine.resource_pool();
        virtual_machine::count_reservation(call, moref, -1)?;
        if let Some(old) = old {
            remove_reference(&mut call.edit::<ResourcePool>(&old)?.vm_mut(), moref);
        }
        call.edit::<ResourcePool>(pool)?.push_vm(moref.clone());
        let app = pool.is::<VirtualApp>().then(|| pool.clone());
        call.edit::<VirtualMachine>(moref)?.set_resource_pool(pool.clone()).set_parent_v_app(app);
        return virtual_machine::count_reservation(call, moref, 1);
    }
    let old = call.get::<ManagedEntity>(moref)?.parent();
    if let Some(old) = old.filter(|old| old.is::<ResourcePool>()) {
        remove_reference(&mut call.edit::<ResourcePool>(&old)?.resource_pool_mut(), moref);
    }
    call.edit::<ResourcePool>(pool)?.push_resource_pool(moref.clone());
    call.edit::<ManagedEntity>(moref)?.set_parent(pool.clone());
    if moref.is::<VirtualApp>() {
        let linked = call.indexed(link_key(moref)).next().map(|app| app.moref().clone());
        let app = pool.is::<VirtualApp>().then(|| pool.clone()).or(linked);
        call.edit::<VirtualApp>(moref)?.set_parent_v_app(app);
    }
    Ok(())
}

/// Moves pools, vApps and virtual machines into this pool, all or none.
///
/// - `DuplicateName` if a pool of that name is here; `InvalidArgument` for a machine of another compute resource, a
///   template, or what cannot be in a pool; `InvalidFolder` if a pool would come into itself; `NotSupported` for a root pool.
pub(super) fn move_into_resource_pool(
    call: &mut Call<'_, ResourcePool>,
    request: MoveIntoResourcePool,
) -> Result<(), Fault> {
    let this = call.moref();
    let owner = call.this()?.owner();
    for moref in request.list() {
        if moref.is::<VirtualMachine>() {
            let machine = call.get::<VirtualMachine>(&moref)?;
            let (old, host) = (machine.resource_pool(), machine.runtime().host());
            if old.is_none() {
                return Err(Fault::invalid_argument("list", format!("the template {moref} is in no pool")));
            }
            let parent = host.and_then(|host| call.view::<HostSystem>(&host)?.parent());
            if parent.as_ref() != Some(&owner) {
                return Err(Fault::invalid_argument("list", format!("{moref} is of another compute resource")));
            }
            if old.as_ref() != Some(&this) {
                adopt(call, &moref, &this)?;
                let old = old.map(|old| call.pool_argument(&old)).unwrap_or_else(View::new);
                let new = call.pool_argument(&this);
                let event = VmResourcePoolMovedEvent::with(|event| {
                    event.set_template(false);
                    event.set_old_parent(old).set_new_parent(new);
                });
                call.post(&moref, event)?;
            }
        } else if moref.is::<ResourcePool>() {
            move_pool(call, &this, &moref, &owner)?;
        } else {
            return Err(Fault::invalid_argument("list", format!("{moref} cannot be in a resource pool")));
        }
    }
    Ok(())
}

fn move_pool(call: &mut Call<'_, ResourcePool>, this: &Moref, moref: &Moref, owner: &Moref) -> Result<(), Fault> {
    let pool = call.get::<ResourcePool>(moref)?;
    let (name, parent) = (pool.name().clone(), pool.parent());
    let Some(parent) = parent.filter(|parent| parent.is::<ResourcePool>()) else {
        return Err(Fault::new(NotSupported::new(), format!("the root pool {moref} cannot be moved")));
    };
    if pool.owner() != *owner {
        return Err(Fault::invalid_argument("list", format!("{moref} is of another compute resource")));
    }
    if call.is_within(this, moref) {
        return Err(InvalidFolder::with(|fault| _ = fault.set_target(this.clone())).into());
    }
    if parent == *this {
        return Ok(());
    }
    managed_entity::check_name(call, this, &name)?;
    adopt(call, moref, this)?;
    let (old, new) = (call.pool_argument(&parent), call.pool_argument(this));
    let event = ResourcePoolMovedEvent::with(|event| _ = event.set_old_parent(old).set_new_parent(new));
    call.post(moref, event)
}

/// Changes the configurations of pools and machines in this one, all or none.
///
/// - `InvalidArgument` for what is not in the pool, or an allocation that contradicts itself.
pub(super) fn update_child_resource_configuration(
    call: &mut Call<'_, ResourcePool>,
    request: UpdateChildResourceConfiguration,
) -> Result<(), Fault> {
    for config in request.spec() {
        let this = call.this()?;
        let entity = config.entity().filter(|it| this.resource_pool().contains(it) || this.vm().contains(it));
        let entity = entity.ok_or_else(|| Fault::invalid_argument("spec.entity", "is not in this pool"))?;
        if entity.is::<ResourcePool>() {
            super::configure(call, &entity, config)?;
        } else {
            virtual_machine::set_allocations(call, &entity, config)?;
        }
    }
    Ok(())
}
