//! `ListView`: the objects that a client has listed.

use vimsim_types::method::{DestroyView, ModifyListView, ResetListView, ResetListViewFromView};
use vimsim_types::views::{ContainerView, InventoryView, ListView, ManagedObjectView};
use vimsim_types::{Fault, Moref, Value, View};

use super::{container_view, inventory_view};
use crate::call::{Call, not_found};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ListView> {
    view_kind().write(modify).write(reset).write(reset_from_view)
}

/// The methods of every view.
pub(crate) fn view_kind<T: View>() -> Kind<T> {
    Kind::new().write(destroy)
}

/// Ends the view.
fn destroy(call: &mut Call<'_, vimsim_types::views::View>, _: DestroyView) -> Result<(), Fault> {
    let this = call.moref();
    call.remove(&this);
    Ok(())
}

/// The references to objects that are not there.
pub(crate) fn unresolved<T>(call: &Call<'_, T>, morefs: &[Moref]) -> Vec<Moref> {
    morefs.iter().filter(|moref| call.object(moref).is_none()).cloned().collect()
}

/// The references to objects that are there, as those name themselves.
pub(crate) fn resolve<T>(call: &Call<'_, T>, morefs: &[Moref]) -> Vec<Moref> {
    morefs.iter().filter_map(|moref| call.object(moref)).map(|object| object.moref().clone()).collect()
}

/// What another view has now.
pub(crate) fn members_of<T>(call: &Call<'_, T>, view: &Moref) -> Result<Vec<Moref>, Fault> {
    let context = call.context();
    let snapshot = context.service.snapshot();
    let object = snapshot.object(view).ok_or_else(|| not_found(view))?;
    let members = if object.view::<ContainerView>().is_some() {
        container_view::view(context, &snapshot, object)
    } else if object.view::<InventoryView>().is_some() {
        inventory_view::view(context, &snapshot, object)
    } else {
        let view = object.view::<ManagedObjectView>().ok_or_else(|| not_found(view))?;
        return Ok(view.view().iter().collect());
    };
    Ok(members.items().iter().filter_map(Value::moref).collect())
}

/// Adds and removes objects; answers the references that lead to none.
fn modify(call: &mut Call<'_, ListView>, request: ModifyListView) -> Result<Vec<Moref>, Fault> {
    let (add, remove): (Vec<Moref>, Vec<Moref>) = (request.add().iter().collect(), request.remove().iter().collect());
    let mut members: Vec<Moref> = call.this()?.view().iter().collect();
    members.retain(|member| !remove.contains(member));
    for moref in resolve(call, &add) {
        if !members.contains(&moref) {
            members.push(moref);
        }
    }
    call.this_mut()?.set_view(members);
    Ok(unresolved(call, &[add, remove].concat()))
}

/// Replaces the list; answers the references that lead to no object.
fn reset(call: &mut Call<'_, ListView>, request: ResetListView) -> Result<Vec<Moref>, Fault> {
    let morefs: Vec<Moref> = request.obj().iter().collect();
    let members = resolve(call, &morefs);
    call.this_mut()?.set_view(members);
    Ok(unresolved(call, &morefs))
}

/// Replaces the list by what another view has now.
fn reset_from_view(call: &mut Call<'_, ListView>, request: ResetListViewFromView) -> Result<(), Fault> {
    let members = members_of(call, &request.view())?;
    call.this_mut()?.set_view(members);
    Ok(())
}
