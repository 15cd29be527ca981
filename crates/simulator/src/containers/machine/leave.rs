//! A machine leaves the inventory when its container is gone.

use vimsim_types::method::UnregisterVM;
use vimsim_types::views::{ManagedEntity, ResourceInUse, ResourcePool, VirtualMachine};
use vimsim_types::{Fault, MethodView, Moref, View};

use super::backing;
use super::make::unmake;
use super::observe;
use crate::call::{Call, Wait, not_found};
use crate::objects::virtual_machine as machine;

/// The machines with containers, or about to get them, that go with an entity: it itself, and those in a folder, a
/// datacenter or a vApp.
pub(crate) fn leaving<T>(call: &Call<'_, T>, moref: &Moref) -> Vec<Moref> {
    let engine = call.context().service.engine();
    let mut machines = engine.owners();
    machines.extend(Some(moref.clone()).filter(|moref| engine.is_pending(moref)));
    machines.retain(|machine| {
        machine.is::<VirtualMachine>()
            && (backing::is_backed(call, machine) || engine.is_pending(machine))
            && is_in(call, machine, moref)
    });
    machines.sort_by(|a, b| a.value().cmp(b.value()));
    machines.dedup();
    machines
}

/// Whether a machine goes with an entity.
fn is_in<T>(call: &Call<'_, T>, machine: &Moref, entity: &Moref) -> bool {
    let pool = call.view::<VirtualMachine>(machine).and_then(|machine| machine.parent_v_app());
    let mut next: Vec<Moref> = [Some(machine.clone()), pool].into_iter().flatten().collect();
    while let Some(moref) = next.pop() {
        if moref == *entity {
            return true;
        }
        let parent = call.view::<ManagedEntity>(&moref).and_then(ManagedEntity::parent);
        // A pool that is destroyed hands its machines on; only a vApp takes them with it.
        next.extend(parent.filter(|parent| !moref.is::<ResourcePool>() || parent.is::<ResourcePool>()));
    }
    false
}

/// `ResourceInUse` while the machine has a container: the machine is gone only when that is.
pub(crate) fn expect_torn_down<T>(call: &Call<'_, T>, this: &Moref) -> Result<(), Fault> {
    let Some(backed) = backing::of(call, this) else { return Ok(()) };
    let name = call.get::<VirtualMachine>(this)?.name().clone();
    let detail = ResourceInUse::with(|fault| _ = fault.set_type(VirtualMachine::TYPE.name()).set_name(&name));
    Err(Fault::new(detail, format!("the virtual machine '{name}' has the container {}", backed.name)))
}

/// Writes down that the machine has no container any more.
pub(crate) fn tear_down<T>(call: &mut Call<'_, T>, this: &Moref) -> Result<(), Fault> {
    backing::set(call, this, None)
}

/// `UnregisterVM` of a machine that may have a container, which is removed first.
///
/// - As the machine's own; `PlatformConfigFault` with the engine's words, and the machine stays.
pub(crate) async fn unregister(wait: Wait, _: UnregisterVM) -> Result<(), Fault> {
    let (service, this) = (wait.service.clone(), wait.this.clone());
    let method = UnregisterVM::method();
    let engine = service.engine();
    let turn = engine.is_used().then(|| engine.turn(&this));
    let _turn = match turn {
        Some(turn) => Some(turn.await),
        None => None,
    };
    let Some(backed) = backing::seen(&service.snapshot(), &this) else {
        return wait.write::<VirtualMachine, _>(method, machine::unregister);
    };
    let mut outcome = Err(not_found(&this));
    // Nothing of this is kept.
    let _ = wait.write::<VirtualMachine, ()>(method, |call| {
        outcome = tear_down(call, &this).and_then(|()| machine::unregister(call));
        Err(Fault::invalid_request("on trial"))
    });
    outcome?;
    if let Err(fault) = unmake(engine, &backed).await {
        observe::look_later(&service, &this);
        return Err(fault);
    }
    engine.forget(&this);
    wait.write::<VirtualMachine, _>(method, |call| {
        tear_down(call, &this)?;
        machine::unregister(call)
    })
}
