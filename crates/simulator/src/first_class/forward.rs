//! One behaviour behind three faces: what a host and the service of `/vslm` call otherwise is done as a vCenter's own
//! manager does it.

use vimsim_types::views::{Datastore, Task, VslmTask};
use vimsim_types::{Fault, MethodView, Moref, Object, TypeId, Value, View};

use super::{Manager, find, manager};
use crate::call::{Call, Look};
use crate::kind::Handler;
use crate::walk::Inventory;

/// A request with the same arguments for another method. One that names only a disk is told the datastore that this is on.
///
/// - `NotFound` for a disk that there is not.
fn translate(inventory: &impl Inventory, arguments: &Object, target: TypeId) -> Result<Object, Fault> {
    let mut request = Object::new(target);
    for (slot, field) in target.info().fields().iter().enumerate() {
        if let Some(own) = arguments.kind().info().slot(field.name) {
            request.set(slot, arguments.get(own).clone());
        } else if field.name == "datastore"
            && let Some(id) = arguments.field("id").object().and_then(|id| id.field("id").text())
        {
            request.set(slot, find(inventory, id, None)?.datastore.clone().into());
        }
    }
    Ok(request)
}

/// Carries out the method `N` of the catalog's manager in place of `M`, with the same arguments.
pub(crate) fn write<T: View, M: MethodView, N: MethodView>(call: &mut Call<'_, T>, request: M) -> Result<Value, Fault> {
    write_as(&mut call.on::<Manager>(&call.moref()), request.into(), N::TYPE)
}

fn write_as(call: &mut Call<'_, Manager>, arguments: Object, target: TypeId) -> Result<Value, Fault> {
    let request = translate(&**call, &arguments, target)?;
    let (manager, context) = (manager(&**call)?, call.context());
    match context.service.kinds().handler(Manager::TYPE, target) {
        Some(Handler::Write(run)) => run(call, context, manager, request),
        _ => Err(Fault::invalid_request("the method does not write")),
    }
}

/// [`write`] for a method that returns a `VslmTask`: the same task under another name.
pub(crate) fn start<T: View, M: MethodView, N: MethodView>(call: &mut Call<'_, T>, request: M) -> Result<Value, Fault> {
    let task = write::<T, M, N>(call, request)?;
    Ok(vslm_task(&task))
}

/// A task as the service of `/vslm` names it.
pub(crate) fn vslm_task(task: &Value) -> Value {
    match task.moref().filter(|task| task.is::<Task>()) {
        Some(task) => Value::from(Moref::of::<VslmTask>(task.value())),
        None => task.clone(),
    }
}

/// Reads as the method `N` of the catalog's manager does in place of `M`, with the same arguments.
pub(crate) fn read<T: View, M: MethodView, N: MethodView>(look: &Look<'_, T>, request: M) -> Result<Value, Fault> {
    let request = translate(look.snapshot(), request.as_object(), N::TYPE)?;
    let manager = manager(look.snapshot())?;
    match look.context().service.kinds().handler(Manager::TYPE, N::TYPE) {
        Some(Handler::Read(run)) => run(look.snapshot(), look.context(), manager, request),
        _ => Err(Fault::invalid_request("the method does not read")),
    }
}

/// The datastore of a URL.
///
/// - `NotFound`.
pub(crate) fn datastore_of_url(inventory: &impl Inventory, url: &str) -> Result<Moref, Fault> {
    let wanted = url.trim_end_matches('/');
    let all = crate::files::place::datacenters(inventory).into_iter().flat_map(|datacenter| {
        let stores = inventory.seen::<vimsim_types::views::Datacenter>(&datacenter).map(|it| it.datastore());
        stores.into_iter().flatten().collect::<Vec<_>>()
    });
    let is_named = |moref: &Moref| {
        inventory.seen::<Datastore>(moref).is_some_and(|store| store.summary().url().trim_end_matches('/') == wanted)
    };
    let mut all = all;
    all.find(is_named).ok_or_else(|| super::unknown(url))
}
