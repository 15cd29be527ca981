//! Children of vApps that are in pools elsewhere.
//!
//! Those that are vApps name the one that they are linked to as their `parentVApp`; the `parentVApp` of a virtual machine is
//! about the vApp whose pool it is in.

use vimsim_types::method::UpdateLinkedChildren;
use vimsim_types::views::{ManagedEntity, ResourcePool, VirtualApp, VirtualAppLinkInfo, VirtualMachine};
use vimsim_types::{Fault, Moref, View};

use super::{links, machines};
use crate::call::Call;
use crate::rules::link_key;

/// Adds, changes and takes away links, all or none.
///
/// - `ManagedObjectNotFound` for what is not there; `InvalidArgument` for what is neither a machine nor a vApp, for what is in
///   a vApp or linked to one already, for a template, for a vApp that this one is in or linked to, and for a link that is to
///   go and is none.
pub(super) fn update_linked_children(
    call: &mut Call<'_, VirtualApp>,
    request: UpdateLinkedChildren,
) -> Result<(), Fault> {
    let this = call.moref();
    for child in request.remove_set() {
        if !links(call, &this).contains(&child) {
            return Err(Fault::invalid_argument("removeSet", format!("{child} is not linked to the vApp")));
        }
        unlink(call, &this, &child)?;
    }
    for info in request.add_change_set() {
        let child = info.key();
        call.get::<ManagedEntity>(&child)?;
        if !links(call, &this).contains(&child) {
            check(call, &this, &child)?;
        }
        link(call, &this, info)?;
    }
    Ok(())
}

fn check<T>(call: &Call<'_, T>, this: &Moref, child: &Moref) -> Result<(), Fault> {
    let refuse = |why: String| Err(Fault::invalid_argument("addChangeSet.key", why));
    let parent = if let Some(machine) = call.view::<VirtualMachine>(child) {
        if machine.resource_pool().is_none() {
            return refuse(format!("the template {child} is in no pool"));
        }
        machine.parent_v_app()
    } else if let Some(app) = call.view::<VirtualApp>(child) {
        app.parent_v_app()
    } else {
        return refuse(format!("{child} is neither a virtual machine nor a vApp"));
    };
    if let Some(app) = call.indexed(link_key(child)).next() {
        return refuse(format!("{child} is linked to {} already", app.moref()));
    }
    if let Some(parent) = parent {
        return refuse(format!("{child} is in {parent} already"));
    }
    // Up from this vApp, by pools and by links.
    let mut next = vec![this.clone()];
    let mut seen: Vec<Moref> = Vec::new();
    while let Some(moref) = next.pop() {
        if moref == *child {
            return refuse(format!("the vApp is in {child}, or is it"));
        }
        if seen.contains(&moref) {
            continue;
        }
        next.extend(
            call.view::<ManagedEntity>(&moref).and_then(ManagedEntity::parent).filter(Moref::is::<ResourcePool>),
        );
        next.extend(call.indexed(link_key(&moref)).map(|app| app.moref().clone()));
        seen.push(moref);
    }
    // In the vApp, by pools of it.
    let inside = machines(call, this);
    if inside.contains(child) || call.view::<VirtualApp>(child).is_some() && is_below(call, child, this) {
        return refuse(format!("{child} is in the vApp"));
    }
    Ok(())
}

fn is_below<T>(call: &Call<'_, T>, child: &Moref, pool: &Moref) -> bool {
    let mut next = call.view::<ManagedEntity>(child).and_then(ManagedEntity::parent);
    while let Some(moref) = next {
        if moref == *pool {
            return true;
        }
        next = call.view::<ManagedEntity>(&moref).and_then(ManagedEntity::parent);
    }
    false
}

/// Writes down that something belongs to the vApp.
pub(super) fn link<T>(call: &mut Call<'_, T>, app: &Moref, info: &VirtualAppLinkInfo) -> Result<(), Fault> {
    let child = info.key();
    if call.view::<VirtualApp>(&child).is_some() {
        call.edit::<VirtualApp>(&child)?.set_parent_v_app(app.clone());
    }
    let known = call.edit::<VirtualApp>(app)?;
    match known.child_link().iter().position(|link| link.key() == child) {
        Some(at) => {
            if let Some(link) = known.child_link_mut().iter_mut().nth(at) {
                *link = info.clone();
            }
        }
        None => _ = known.push_child_link(info.clone()),
    }
    Ok(())
}

/// Writes down that something does not belong to the vApp any more.
pub(super) fn unlink<T>(call: &mut Call<'_, T>, app: &Moref, child: &Moref) -> Result<(), Fault> {
    if call.view::<VirtualApp>(child).is_some_and(|known| known.parent_v_app().as_ref() == Some(app)) {
        call.edit::<VirtualApp>(child)?.set_parent_v_app(None::<Moref>);
    }
    let known = call.edit::<VirtualApp>(app)?;
    known.child_link_mut().retain(|link| link.key() != *child);
    if known.child_link().is_empty() {
        known.as_object_mut().set(VirtualApp::CHILD_LINK, vimsim_types::Value::Unset);
    }
    Ok(())
}

/// Takes something that leaves off every vApp that it is linked to.
pub(crate) fn forget<T>(call: &mut Call<'_, T>, child: &Moref) -> Result<(), Fault> {
    let apps: Vec<Moref> = call.indexed(link_key(child)).map(|app| app.moref().clone()).collect();
    apps.iter().try_for_each(|app| unlink(call, app, child))
}
