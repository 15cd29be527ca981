//! `ContainerView`: what is in a container, as it comes and goes.

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::views::{ContainerView, ManagedEntity, ManagedObjectView};
use vimsim_types::{List, Ty, TypeId, Value, View};

use super::{list_view, view_manager};
use crate::call::Context;
use crate::kind::Kind;
use crate::walk::descendants;

pub(crate) fn kind() -> Kind<ContainerView> {
    list_view::view_kind().computed(ManagedObjectView::VIEW, view)
}

/// `view`: the entities in the container of the types asked for; of all types if none was.
pub(crate) fn view(_: &Context, snapshot: &Snapshot, object: &ManagedObject) -> Value {
    let mut members = Vec::new();
    if let Some(view) = object.view::<ContainerView>() {
        let types: Vec<TypeId> = view_manager::managed_types("type", view.type_().iter()).unwrap_or_default();
        descendants(snapshot, &view.container(), view.recursive(), &mut |moref| {
            if types.is_empty() || types.iter().any(|kind| moref.kind().is_a(*kind)) {
                members.push(Value::from(moref));
            }
        });
    }
    Value::List(List::new(Ty::Moref(ManagedEntity::TYPE), members))
}
