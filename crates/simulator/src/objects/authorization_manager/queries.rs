//! What the permissions are, and what they allow.

use vimsim_types::method::{
    FetchUserPrivilegeOnEntities, HasPrivilegeOnEntities, HasPrivilegeOnEntity, HasUserPrivilegeOnEntities,
    RetrieveAllPermissions, RetrieveEntityPermissions, RetrieveRolePermissions,
};
use vimsim_types::views::{
    AuthorizationManager, EntityPrivilege, ManagedEntity, NotFound, Permission, PrivilegeAvailability,
    UserPrivilegeResult,
};
use vimsim_types::{ArcStr, Fault, Items, Moref, Value, View};

use super::permissions::{all, grants, own, role, roles_of};
use super::privileges;
use crate::call::Look;
use crate::kind::Kind;
use crate::walk::Inventory;

type Manager<'a> = Look<'a, AuthorizationManager>;

pub(super) fn add(kind: Kind<AuthorizationManager>) -> Kind<AuthorizationManager> {
    kind.read(retrieve_all_permissions)
        .read(retrieve_role_permissions)
        .read(retrieve_entity_permissions)
        .read(has_privilege_on_entity)
        .read(has_privilege_on_entities)
        .read(has_user_privilege_on_entities)
        .read(fetch_user_privilege_on_entities)
}

fn retrieve_all_permissions(look: &Manager<'_>, _: RetrieveAllPermissions) -> Result<Vec<Permission>, Fault> {
    Ok(all(look.snapshot(), look.context().is_virtual_center()))
}

/// The permissions that give a role.
///
/// - `NotFound` if there is no such role.
fn retrieve_role_permissions(look: &Manager<'_>, request: RetrieveRolePermissions) -> Result<Vec<Permission>, Fault> {
    let is_virtual_center = look.context().is_virtual_center();
    if role(look.snapshot(), is_virtual_center, request.role_id()).is_none() {
        return Err(Fault::new(NotFound::new(), format!("no role has the number {}", request.role_id())));
    }
    let mut found = all(look.snapshot(), is_virtual_center);
    found.retain(|permission| permission.role_id() == request.role_id());
    Ok(found)
}

/// The permissions given at an entity, and above it if `inherited`.
///
/// - `ManagedObjectNotFound` if there is no such entity.
fn retrieve_entity_permissions(
    look: &Manager<'_>,
    request: RetrieveEntityPermissions,
) -> Result<Vec<Permission>, Fault> {
    let entity = request.entity();
    look.get::<ManagedEntity>(&entity)?;
    let mut found = own(look.snapshot(), &entity);
    if request.inherited() {
        let above = look.snapshot().ancestry(&entity);
        let above = above.iter().skip(1).flat_map(|place| own(look.snapshot(), place));
        found.extend(above.filter(|permission| permission.propagate()));
    }
    Ok(found)
}

/// The user of a session.
///
/// - `InvalidArgument` if there is no session of that key.
fn user_of(look: &Manager<'_>, session: &str) -> Result<ArcStr, Fault> {
    let session = look.context().service.sessions().by_key(session);
    let session = session.ok_or_else(|| Fault::invalid_argument("sessionId", "there is no session of that key"))?;
    Ok(session.user().clone())
}

/// Which of the privileges a user has at an object.
fn granted(look: &Manager<'_>, user: &str, object: &Moref, ids: Items<'_, ArcStr>) -> Result<Vec<bool>, Fault> {
    if look.snapshot().find(object).is_none() {
        return Err(crate::call::not_found(object));
    }
    let is_virtual_center = look.context().is_virtual_center();
    let roles = roles_of(look.snapshot(), is_virtual_center, user, object);
    let grants = |id: &ArcStr| privileges::exists(id) && grants(look.snapshot(), is_virtual_center, &roles, id);
    Ok(ids.iter().map(grants).collect())
}

fn has_privilege_on_entity(look: &Manager<'_>, request: HasPrivilegeOnEntity) -> Result<Vec<Value>, Fault> {
    let user = user_of(look, request.session_id())?;
    let granted = granted(look, &user, &request.entity(), request.priv_id())?;
    Ok(granted.into_iter().map(Value::from).collect())
}

fn entity_privileges(
    look: &Manager<'_>,
    user: &str,
    objects: Items<'_, Moref>,
    ids: Items<'_, ArcStr>,
) -> Result<Vec<EntityPrivilege>, Fault> {
    let on = |object: Moref| {
        let granted = granted(look, user, &object, ids)?;
        Ok(EntityPrivilege::with(|entity| {
            entity.set_entity(object);
            entity.set_priv_availability(ids.iter().zip(granted).map(|(id, is_granted)| {
                PrivilegeAvailability::with(|availability| {
                    availability.set_priv_id(id).set_is_granted(is_granted);
                })
            }));
        }))
    };
    objects.iter().map(on).collect()
}

fn has_privilege_on_entities(
    look: &Manager<'_>,
    request: HasPrivilegeOnEntities,
) -> Result<Vec<EntityPrivilege>, Fault> {
    let user = user_of(look, request.session_id())?;
    entity_privileges(look, &user, request.entity(), request.priv_id())
}

fn has_user_privilege_on_entities(
    look: &Manager<'_>,
    request: HasUserPrivilegeOnEntities,
) -> Result<Vec<EntityPrivilege>, Fault> {
    entity_privileges(look, request.user_name(), request.entities(), request.priv_id())
}

/// Every privilege that a user has at each of the entities.
fn fetch_user_privilege_on_entities(
    look: &Manager<'_>,
    request: FetchUserPrivilegeOnEntities,
) -> Result<Vec<UserPrivilegeResult>, Fault> {
    let is_virtual_center = look.context().is_virtual_center();
    let on = |entity: Moref| {
        look.get::<ManagedEntity>(&entity)?;
        let roles = roles_of(look.snapshot(), is_virtual_center, request.user_name(), &entity);
        let has = |id: &&ArcStr| grants(look.snapshot(), is_virtual_center, &roles, id);
        Ok(UserPrivilegeResult::with(|result| {
            result.set_entity(entity);
            result.set_privileges(privileges::all().iter().map(|privilege| &privilege.id).filter(has));
        }))
    };
    request.entities().iter().map(on).collect()
}
