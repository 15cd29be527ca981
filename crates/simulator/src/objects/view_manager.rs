//! `ViewManager`: sets of objects to read or watch together.

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::method::{CreateContainerView, CreateInventoryView, CreateListView, CreateListViewFromView};
use vimsim_types::views::View as ViewObject;
use vimsim_types::views::{
    ComputeResource, ContainerView, Datacenter, Folder, HostSystem, InventoryView, ListView, ResourcePool, ViewManager,
};
use vimsim_types::{ArcStr, Fault, List, Moref, Namespace, Ty, TypeId, Value, View};

use super::list_view;
use super::property_collector::session_moref;
use crate::call::{Call, Context};
use crate::kind::Kind;
use crate::service::is_managed;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<ViewManager> {
    Kind::new()
        .write(create_container_view)
        .write(create_list_view)
        .write(create_list_view_from_view)
        .write(create_inventory_view)
        .computed(ViewManager::VIEW_LIST, view_list)
}

/// `viewList`: the caller's views.
fn view_list(context: &Context, snapshot: &Snapshot, _: &ManagedObject) -> Value {
    let key = context.session.as_ref().map(|session| session.key());
    let mut views: Vec<Moref> = snapshot
        .objects()
        .filter(|object| key.is_some() && object.session() == key && object.moref().is::<ViewObject>())
        .map(|object| object.moref().clone())
        .collect();
    views.sort();
    Value::List(List::new(Ty::Moref(ViewObject::TYPE), views.iter().map(Value::from).collect()))
}

fn add_view<V: View>(call: &mut Call<'_, ViewManager>, view: V) -> Result<Moref, Fault> {
    let session = call.context().session()?.key().clone();
    let moref = session_moref::<V>(&session);
    call.insert_for_session(moref.clone(), view, Some(session));
    Ok(moref)
}

/// Creates a view of what is in a container, which follows what comes and goes.
///
/// - `InvalidArgument` for something that contains nothing, or a name that is no managed type's.
fn create_container_view(call: &mut Call<'_, ViewManager>, request: CreateContainerView) -> Result<Moref, Fault> {
    let container = request.container();
    let inventory: &vimsim_registry::Transaction = call;
    let object = inventory.find(&container).ok_or_else(|| crate::call::not_found(&container))?;
    let container = object.moref().clone();
    let contains = container.is::<Folder>()
        || container.is::<Datacenter>()
        || container.is::<ComputeResource>()
        || container.is::<ResourcePool>()
        || container.is::<HostSystem>();
    if !contains {
        return Err(Fault::invalid_argument("container", format!("{container} contains nothing")));
    }
    let types: Vec<ArcStr> = request.type_().iter().cloned().collect();
    managed_types("type", types.iter())?;
    let view = ContainerView::with(|view| {
        view.set_container(container);
        view.set_type(types);
        view.set_recursive(request.recursive());
    });
    add_view(call, view)
}

/// The types of these names; `InvalidArgument` for one that is no managed type's.
pub(crate) fn managed_types<'a>(property: &str, names: impl Iterator<Item = &'a ArcStr>) -> Result<Vec<TypeId>, Fault> {
    names
        .map(|name| {
            TypeId::find(Namespace::VIM25, name)
                .filter(|kind| is_managed(*kind))
                .ok_or_else(|| Fault::invalid_argument(property, format!("'{name}' is no managed object type")))
        })
        .collect()
}

/// Creates a view of the objects given.
///
/// - `ManagedObjectNotFound` for one that is not there.
fn create_list_view(call: &mut Call<'_, ViewManager>, request: CreateListView) -> Result<Moref, Fault> {
    let members: Vec<Moref> = request.obj().iter().collect();
    let unresolved = list_view::unresolved(call, &members);
    if let Some(missing) = unresolved.first() {
        return Err(crate::call::not_found(missing));
    }
    let view = ListView::with(|view| {
        view.set_view(list_view::resolve(call, &members));
    });
    add_view(call, view)
}

/// Creates a view of the objects that another view has now.
fn create_list_view_from_view(
    call: &mut Call<'_, ViewManager>,
    request: CreateListViewFromView,
) -> Result<Moref, Fault> {
    let members = list_view::members_of(call, &request.view())?;
    let view = ListView::with(|view| {
        view.set_view(members);
    });
    add_view(call, view)
}

/// Creates a view of the inventory that starts as the root folder and can be opened like a tree.
fn create_inventory_view(call: &mut Call<'_, ViewManager>, _: CreateInventoryView) -> Result<Moref, Fault> {
    add_view(call, InventoryView::new())
}
