//! `InventoryView`: the inventory as a tree whose branches are open or closed.

use std::collections::BTreeSet;

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::method::{CloseInventoryViewFolder, OpenInventoryViewFolder};
use vimsim_types::views::{InventoryView, ManagedEntity, ManagedObjectView};
use vimsim_types::{Fault, List, Moref, Ty, Value, View};

use super::{list_view, service_instance};
use crate::call::{Call, Context};
use crate::kind::Kind;
use crate::walk::children;

pub(crate) fn kind() -> Kind<InventoryView> {
    list_view::view_kind().write(open).write(close).computed(ManagedObjectView::VIEW, view)
}

/// The open branches of one view.
#[derive(Clone, Default)]
struct Open(BTreeSet<Moref>);

/// `view`: the root folder, and the children of every open branch that can be seen.
pub(crate) fn view(context: &Context, snapshot: &Snapshot, object: &ManagedObject) -> Value {
    let open = object.private::<Open>();
    let mut members = Vec::new();
    let mut pending = vec![service_instance::root_folder(context.is_virtual_center())];
    while let Some(moref) = pending.pop() {
        if let Some(entity) = snapshot.object(&moref)
            && open.is_some_and(|open| open.0.contains(&moref))
        {
            pending.extend(children(entity).into_iter().rev());
        }
        members.push(Value::from(moref));
    }
    Value::List(List::new(Ty::Moref(ManagedEntity::TYPE), members))
}

/// Opens branches; answers the references that lead to no object.
fn open(call: &mut Call<'_, InventoryView>, request: OpenInventoryViewFolder) -> Result<Vec<Moref>, Fault> {
    let entities: Vec<Moref> = request.entity().iter().collect();
    let this = call.moref();
    let known = list_view::resolve(call, &entities);
    call.private::<Open>(&this)?.0.extend(known);
    Ok(list_view::unresolved(call, &entities))
}

/// Closes branches; answers the references that lead to no object.
fn close(call: &mut Call<'_, InventoryView>, request: CloseInventoryViewFolder) -> Result<Vec<Moref>, Fault> {
    let entities: Vec<Moref> = request.entity().iter().collect();
    let this = call.moref();
    let open = &mut call.private::<Open>(&this)?.0;
    for entity in &entities {
        open.remove(entity);
    }
    Ok(list_view::unresolved(call, &entities))
}
