//! `CustomFieldsManager`: fields that users add to entities.
//!
//! A definition is offered to every entity of its type in `availableField`; a value is in the entity's `value` and
//! `customValue`.

use vimsim_registry::Transaction;
use vimsim_types::method::{AddCustomFieldDef, RemoveCustomFieldDef, RenameCustomFieldDef, SetCustomValue, SetField};
use vimsim_types::views::{
    CustomFieldDef, CustomFieldDefAddedEvent, CustomFieldDefRemovedEvent, CustomFieldDefRenamedEvent,
    CustomFieldStringValue, CustomFieldValueChangedEvent, CustomFieldsManager, DuplicateName, ManagedEntity,
};
use vimsim_types::{ArcStr, Fault, Moref, Namespace, TypeId, View};

use super::service_instance;
use crate::call::Call;
use crate::kind::Kind;
use crate::service::is_managed;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<CustomFieldsManager> {
    Kind::new()
        .write(add_custom_field_def)
        .write(remove_custom_field_def)
        .write(rename_custom_field_def)
        .write(set_field)
}

/// The manager's own properties: no fields.
pub(crate) fn properties() -> CustomFieldsManager {
    CustomFieldsManager::with(|manager| _ = manager.set_field(std::iter::empty::<CustomFieldDef>()))
}

/// The number of the next definition.
#[derive(Clone, Default)]
struct Next(i32);

fn moref() -> Moref {
    Moref::of::<CustomFieldsManager>("CustomFieldsManager")
}

/// Whether entities of this type have the field.
fn applies(definition: &CustomFieldDef, kind: TypeId) -> bool {
    let Some(name) = definition.managed_object_type() else { return true };
    TypeId::find(Namespace::VIM25, name).is_none_or(|wanted| kind.is_a(wanted))
}

/// Offers a new entity the fields that there are.
pub(crate) fn offer(transaction: &mut Transaction, entity: &Moref) -> Result<(), Fault> {
    let Some(manager) = transaction.view::<CustomFieldsManager>(&moref()) else { return Ok(()) };
    let offered = transaction.view::<ManagedEntity>(entity).map_or(0, |entity| entity.available_field().len());
    if manager.field().is_empty() && offered == 0 {
        return Ok(());
    }
    let fields: Vec<CustomFieldDef> =
        manager.field().iter().filter(|field| applies(field, entity.kind())).cloned().collect();
    if fields.len() != offered {
        transaction.edit::<ManagedEntity>(entity)?.set_available_field(fields);
    }
    Ok(())
}

/// Offers every entity the fields that there are now.
fn offer_to_all(call: &mut Call<'_, CustomFieldsManager>) -> Result<(), Fault> {
    let all = call.this()?.field().iter().cloned().collect::<Vec<CustomFieldDef>>();
    let entities = call.objects().filter(|object| object.view::<ManagedEntity>().is_some());
    let entities: Vec<Moref> = entities.map(|object| object.moref().clone()).collect();
    for entity in entities {
        let fields = all.iter().filter(|field| applies(field, entity.kind())).cloned();
        call.edit::<ManagedEntity>(&entity)?.set_available_field(fields);
    }
    Ok(())
}

fn root(call: &Call<'_, CustomFieldsManager>) -> Moref {
    service_instance::root_folder(call.context().is_virtual_center())
}

/// The definition of this number.
///
/// - `InvalidArgument` if there is none.
fn definition<T>(call: &Call<'_, T>, key: i32) -> Result<CustomFieldDef, Fault> {
    let found = call.get::<CustomFieldsManager>(&moref())?.field().iter().find(|field| field.key() == key);
    found.cloned().ok_or_else(|| Fault::invalid_argument("key", format!("no field has the number {key}")))
}

/// - `DuplicateName` if a field of the same type of object has this name; `InvalidArgument` if it is empty.
fn check_name(
    call: &Call<'_, CustomFieldsManager>,
    name: &ArcStr,
    kind: Option<&ArcStr>,
    own: Option<i32>,
) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::invalid_argument("name", "a field must have a name"));
    }
    let mut fields = call.this()?.field().iter();
    if fields.any(|field| field.name() == name && field.managed_object_type() == kind && Some(field.key()) != own) {
        return Err(DuplicateName::with(|fault| {
            fault.set_name(name).set_object(moref());
        })
        .into());
    }
    Ok(())
}

/// Defines a field, for all entities or those of one type.
///
/// - `DuplicateName`; `InvalidArgument` for a type that is no managed object's.
fn add_custom_field_def(
    call: &mut Call<'_, CustomFieldsManager>,
    request: AddCustomFieldDef,
) -> Result<CustomFieldDef, Fault> {
    let (name, kind) = (request.name(), request.mo_type());
    if let Some(kind) = kind
        && !TypeId::find(Namespace::VIM25, kind).is_some_and(is_managed)
    {
        return Err(Fault::invalid_argument("moType", format!("'{kind}' is no managed object type")));
    }
    check_name(call, name, kind, None)?;
    let this = call.moref();
    let next = call.private::<Next>(&this)?;
    let key = next.0;
    next.0 += 1;
    let definition = CustomFieldDef::with(|definition| {
        definition.set_key(key).set_name(name).set_type("string").set_managed_object_type(kind);
        if let Some(policy) = request.field_def_policy() {
            definition.set_field_def_privileges(policy.clone());
        }
        if let Some(policy) = request.field_policy() {
            definition.set_field_instance_privileges(policy.clone());
        }
    });
    call.this_mut()?.push_field(definition.clone());
    offer_to_all(call)?;
    let root = root(call);
    call.post(&root, CustomFieldDefAddedEvent::with(|event| _ = event.set_field_key(key).set_name(name)))?;
    Ok(definition)
}

/// Removes a field, and the values that entities have for it.
///
/// - `InvalidArgument` if there is no such field.
fn remove_custom_field_def(
    call: &mut Call<'_, CustomFieldsManager>,
    request: RemoveCustomFieldDef,
) -> Result<(), Fault> {
    let removed = definition(call, request.key())?;
    call.this_mut()?.field_mut().retain(|field| field.key() != removed.key());
    let has = |entity: &ManagedEntity| entity.custom_value().iter().any(|value| value.key() == removed.key());
    let having = call.objects().filter(|object| object.view::<ManagedEntity>().is_some_and(has));
    let having: Vec<Moref> = having.map(|object| object.moref().clone()).collect();
    for entity in having {
        write_value(call.edit(&entity)?, removed.key(), "");
    }
    offer_to_all(call)?;
    let root = root(call);
    let event = CustomFieldDefRemovedEvent::with(|event| {
        event.set_field_key(removed.key()).set_name(removed.name());
    });
    call.post(&root, event)
}

/// Gives a field another name.
///
/// - `InvalidArgument` if there is no such field; `DuplicateName`.
fn rename_custom_field_def(
    call: &mut Call<'_, CustomFieldsManager>,
    request: RenameCustomFieldDef,
) -> Result<(), Fault> {
    let old = definition(call, request.key())?;
    check_name(call, request.name(), old.managed_object_type(), Some(old.key()))?;
    for field in call.this_mut()?.field_mut().iter_mut().filter(|field| field.key() == old.key()) {
        field.set_name(request.name());
    }
    offer_to_all(call)?;
    let root = root(call);
    let event = CustomFieldDefRenamedEvent::with(|event| {
        event.set_new_name(request.name());
        event.set_field_key(old.key()).set_name(old.name());
    });
    call.post(&root, event)
}

/// Sets an entity's value of a field; an empty one removes it.
///
/// - `InvalidArgument` if there is no such field, or not for entities of this type; `ManagedObjectNotFound`.
fn set_field(call: &mut Call<'_, CustomFieldsManager>, request: SetField) -> Result<(), Fault> {
    let field = definition(call, request.key())?;
    set_value(call, &request.entity(), &field, request.value())
}

/// Sets the value of the field with a name.
///
/// - `InvalidArgument` if the entity has no such field.
pub(crate) fn set_custom_value(call: &mut Call<'_, ManagedEntity>, request: SetCustomValue) -> Result<(), Fault> {
    let entity = call.moref();
    let fields = call.get::<CustomFieldsManager>(&moref())?.field();
    let field = fields.iter().find(|field| field.name() == request.key() && applies(field, entity.kind())).cloned();
    let why = || format!("{entity} has no field '{}'", request.key());
    let field = field.ok_or_else(|| Fault::invalid_argument("key", why()))?;
    set_value(call, &entity, &field, request.value())
}

fn set_value<T>(call: &mut Call<'_, T>, entity: &Moref, field: &CustomFieldDef, value: &str) -> Result<(), Fault> {
    let inventory: &Transaction = call;
    let entity = inventory.find(entity).ok_or_else(|| crate::call::not_found(entity))?.moref().clone();
    if !applies(field, entity.kind()) {
        return Err(Fault::invalid_argument("key", format!("'{}' is no field of {entity}", field.name())));
    }
    let previous = write_value(call.edit(&entity)?, field.key(), value);
    let argument = call.entity_argument(&entity);
    let event = CustomFieldValueChangedEvent::with(|event| {
        event.set_entity(argument).set_field_key(field.key()).set_name(field.name()).set_value(value);
        event.set_prev_state(previous);
    });
    call.post(&entity, event)
}

/// Writes a value into an entity, and returns the one before.
fn write_value(entity: &mut ManagedEntity, key: i32, value: &str) -> Option<ArcStr> {
    let known = entity.custom_value().iter().find(|known| known.key() == key);
    let previous =
        known.and_then(|known| known.downcast::<CustomFieldStringValue>()).map(|known| known.value().clone());
    entity.custom_value_mut().retain(|known| known.key() != key);
    entity.value_mut().retain(|known| known.key() != key);
    if !value.is_empty() {
        let new = CustomFieldStringValue::with(|new| {
            new.set_value(value);
            new.set_key(key);
        });
        entity.push_custom_value(new.clone());
        entity.push_value(new);
    }
    previous
}
