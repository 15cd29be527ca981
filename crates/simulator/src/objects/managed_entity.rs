//! `ManagedEntity`: what everything in the inventory has in common.

use vimsim_types::enums::ManagedEntityStatus;
use vimsim_types::method::{DestroyTask, Reload, RenameTask};
use vimsim_types::views::{
    Datacenter, Datastore, DuplicateName, Folder, HostSystem, InvalidName, ManagedEntity, Network, NotSupported,
    ResourceInUse, ResourcePool, StoragePod,
};
use vimsim_types::{ArcStr, Fault, Moref, TypeId, View};

use crate::call::{Call, Look};
use crate::config::Fidelity;
use crate::containers;
use crate::kind::Kind;
use crate::rules::child_key;
use crate::walk::{Inventory, remove_reference};

/// The methods of every entity. `T` adds its own, and says with `destroy` how it is destroyed.
pub(crate) fn kind<T: View>() -> Kind<T> {
    Kind::new()
        .write(rename)
        .write(destroy)
        .read(reload)
        .write(super::custom_fields_manager::set_custom_value)
        .derive(super::custom_fields_manager::offer)
}

/// Sets what every new entity has: its name, parent and status.
pub(crate) fn initialize(entity: &mut ManagedEntity, name: &str, parent: &Moref) {
    entity.set_name(name);
    entity.set_parent(parent.clone());
    entity.set_overall_status(ManagedEntityStatus::Green);
    entity.set_config_status(ManagedEntityStatus::Green);
    // The caller's role: -1 is Admin.
    entity.set_effective_role([-1]);
}

/// A name as the inventory keeps it: `%`, `/` and `\` are escaped, because paths are made of names.
pub(crate) fn escape(name: &str) -> String {
    // An escaped name stays as it is.
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let escaped = ["%25", "%2f", "%2F", "%5c", "%5C"].iter().any(|escape| rest.starts_with(escape));
        match c {
            '%' if !escaped => out.push_str("%25"),
            '/' => out.push_str("%2f"),
            '\\' => out.push_str("%5c"),
            _ => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// A name that an entity is given later than at its creation, or that of a portgroup: `escaped`, but for vcsim, which
/// escapes what is created only.
pub(crate) fn later_name<T>(call: &Call<'_, T>, name: &str, escaped: ArcStr) -> ArcStr {
    match call.context().fidelity() {
        Fidelity::VCenter => escaped,
        Fidelity::Vcsim => written(name, &escaped),
    }
}

/// A name as who gave it wrote it: the escaped one itself where that is the same.
pub(crate) fn written(name: &str, escaped: &ArcStr) -> ArcStr {
    if *escaped == name { escaped.clone() } else { name.into() }
}

/// The name for a new or renamed child of `parent`. `InvalidName` if it is empty or longer than 80 characters, which is
/// vCenter's limit; `DuplicateName` if another child has it.
pub(crate) fn check_name<T>(call: &Call<'_, T>, parent: &Moref, name: &str) -> Result<ArcStr, Fault> {
    let escaped = valid_name(name)?;
    if let Some(object) = child(call, parent, &escaped) {
        return Err(DuplicateName::with(|fault| {
            fault.set_name(name);
            fault.set_object(object);
        })
        .into());
    }
    Ok(escaped)
}

/// The name of what is in nothing. `InvalidName` as [`check_name`].
pub(crate) fn valid_name(name: &str) -> Result<ArcStr, Fault> {
    if name.is_empty() || name.chars().count() > 80 {
        let detail = InvalidName::with(|fault| {
            fault.set_name(name);
        });
        return Err(Fault::new(detail, format!("The name '{name}' is not valid: it must have 1 to 80 characters")));
    }
    Ok(escape(name).into())
}

/// The child of `parent` with this (escaped) name, as the transaction sees it.
pub(crate) fn child<T>(call: &Call<'_, T>, parent: &Moref, name: &str) -> Option<Moref> {
    let matches = |entity: &ManagedEntity| entity.name() == name && entity.parent().as_ref() == Some(parent);
    call.indexed(child_key(parent, name))
        .find(|object| object.view::<ManagedEntity>().is_some_and(matches))
        .map(|object| object.moref().clone())
}

/// Gives the entity another name.
///
/// - `DuplicateName` if a sibling has it, `InvalidName` if it cannot be one.
fn rename(call: &mut Call<'_, ManagedEntity>, request: RenameTask) -> Result<Moref, Fault> {
    let wanted = request.new_name().clone();
    call.start_task(move |call| {
        let this = call.this()?;
        if *this.name() == escape(&wanted).as_str() {
            return Ok(());
        }
        let name = match this.parent() {
            Some(parent) => check_name(call, &parent, &wanted)?,
            None => valid_name(&wanted)?,
        };
        let name = later_name(call, &wanted, name);
        rename_to(call, name)
    })
}

/// `DuplicateName` for a host, datastore or standard network if its datacenter has another of this name, in whatever folder:
/// paths and portgroups name them without one, and hosts are added and moved by their names.
fn expect_unique<T>(call: &Call<'_, T>, moref: &Moref, name: &ArcStr) -> Result<(), Fault> {
    if moref.is::<HostSystem>() {
        return super::host_system::check_unknown(call, moref, name);
    }
    let datacenter = call.datacenter_of(moref).and_then(|datacenter| call.view::<Datacenter>(&datacenter));
    let others = match datacenter {
        Some(datacenter) if moref.is::<Datastore>() => datacenter.datastore(),
        Some(datacenter) if moref.kind() == Network::TYPE => datacenter.network(),
        _ => return Ok(()),
    };
    let is_same = |other: &Moref| {
        let is_named = call.view::<ManagedEntity>(other).is_some_and(|other| other.name() == name);
        other != moref && other.kind() == moref.kind() && is_named
    };
    match others.iter().find(is_same) {
        None => Ok(()),
        Some(other) => Err(DuplicateName::with(|fault| _ = fault.set_name(name).set_object(other)).into()),
    }
}

/// Writes a checked name and tells of it.
///
/// - `DuplicateName` as [`expect_unique`].
pub(crate) fn rename_to<T: View>(call: &mut Call<'_, T>, name: ArcStr) -> Result<(), Fault> {
    let moref = call.moref();
    expect_unique(call, &moref, &name)?;
    let entity = call.edit::<ManagedEntity>(&moref)?;
    let old = entity.name().clone();
    entity.set_name(&name);
    super::event_manager::renamed(call, &moref, &old, &name)
}

/// Destroys the entity and everything in it, or nothing. Hosts are gone when the containers behind them are.
///
/// - `NotSupported` for the roots of the inventory and of a datacenter; `PlatformConfigFault` with the container engine's
///   words, as a fault of the task.
fn destroy(call: &mut Call<'_, ManagedEntity>, _: DestroyTask) -> Result<Moref, Fault> {
    let this = call.moref();
    if is_root(call, &this) {
        return Err(Fault::new(NotSupported::new(), format!("{this} cannot be destroyed")));
    }
    let backed = containers::holds_backed(call, &this);
    if !backed.is_empty() {
        return containers::destroy_backed(call, backed, destroy_entity);
    }
    call.start_task(move |call| destroy_entity(call, &this))
}

/// `ResourceInUse` for an entity of this type and name.
pub(crate) fn in_use(kind: TypeId, name: &str, why: String) -> Fault {
    let detail = ResourceInUse::with(|fault| {
        fault.set_type(kind.name());
        fault.set_name(name);
    });
    Fault::new(detail, why)
}

/// Whether the entity belongs to what it is in: the root folder, the four folders of a datacenter, a root resource pool,
/// the one datacenter of an ESXi host.
fn is_root<T>(call: &Call<'_, T>, moref: &Moref) -> bool {
    let transaction: &vimsim_registry::Transaction = call;
    let Some(parent) = transaction.seen::<ManagedEntity>(moref).and_then(ManagedEntity::parent) else { return true };
    (moref.is::<Folder>() && parent.is::<Datacenter>())
        || (moref.is::<ResourcePool>() && !parent.is::<ResourcePool>())
        || (moref.is::<Datacenter>() && !call.context().is_virtual_center())
}

/// Destroys an entity as its kind says.
pub(crate) fn destroy_entity<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let context = call.context();
    let destroy = context.service.kinds().table(moref.kind()).and_then(|table| table.destroy.clone());
    match destroy {
        Some(destroy) => destroy(call, context, moref.clone()),
        None => Err(Fault::new(NotSupported::new(), format!("a {} cannot be destroyed", moref.kind().name()))),
    }
}

/// Takes the entity out of its parent folder, and out of the inventory.
pub(crate) fn remove<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let parent = call.get::<ManagedEntity>(moref)?.parent();
    if let Some(parent) = parent.filter(|parent| parent.is::<Folder>() || parent.is::<StoragePod>())
        && call.object(&parent).is_some()
    {
        remove_reference(&mut call.edit::<Folder>(&parent)?.child_entity_mut(), moref);
    }
    call.remove(moref);
    Ok(())
}

/// Reads the entity's state anew. Ours is never stale.
fn reload(look: &Look<'_, ManagedEntity>, _: Reload) -> Result<(), Fault> {
    look.this().map(|_| ())
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_escaped_once() {
        assert_eq!(super::escape("a/b\\c%d"), "a%2fb%5cc%25d");
        assert_eq!(super::escape("a%2fb"), "a%2fb");
    }
}
