//! `AuthorizationManager`: privileges, the roles that group them, and who has which role where.

mod access;
mod permissions;
mod privileges;
mod queries;
mod required;
mod roles;

use vimsim_types::method::{
    AddAuthorizationRole, MergePermissions, RemoveAuthorizationRole, RemoveEntityPermission, ResetEntityPermissions,
    SetEntityPermissions, UpdateAuthorizationRole,
};
use vimsim_types::views::{
    AlreadyExists, AuthorizationManager, AuthorizationRole, InvalidName, ManagedEntity, NotFound, Permission,
    PermissionAddedEvent, PermissionRemovedEvent, PermissionUpdatedEvent, RemoveFailed, RoleAddedEvent,
    RoleRemovedEvent, RoleUpdatedEvent, UserNotFound,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

pub(crate) use self::access::Access;
pub(crate) use self::permissions::begin;
use self::permissions::{Granted, is_same, own, role, role_argument};
use super::service_instance;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<AuthorizationManager> {
    let kind = Kind::new()
        .computed(AuthorizationManager::PRIVILEGE_LIST, |_, _, _| privileges::list())
        .computed(AuthorizationManager::DESCRIPTION, |_, _, _| privileges::description())
        .write(add_authorization_role)
        .write(update_authorization_role)
        .write(remove_authorization_role)
        .write(merge_permissions)
        .write(set_entity_permissions)
        .write(reset_entity_permissions)
        .write(remove_entity_permission);
    queries::add(kind)
}

/// The authorization manager's own properties: the roles of the system.
pub(crate) fn properties() -> AuthorizationManager {
    AuthorizationManager::with(|manager| _ = manager.set_role_list(roles::system()))
}

type Manager<'a> = Call<'a, AuthorizationManager>;

/// Privileges that every role has, so that who has it can find the entity.
const EVERY_ROLE: [&str; 3] = ["System.Anonymous", "System.Read", "System.View"];

/// The privileges of a role: those asked for and those of every role.
///
/// - `InvalidArgument` for one that does not exist.
fn checked_privileges<'a>(asked: impl Iterator<Item = &'a ArcStr>) -> Result<Vec<ArcStr>, Fault> {
    let mut found: Vec<ArcStr> = EVERY_ROLE.map(ArcStr::from).into();
    for id in asked {
        if !privileges::exists(id) {
            return Err(Fault::invalid_argument("privIds", format!("there is no privilege '{id}'")));
        }
        found.push(id.clone());
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// - `InvalidName` for an empty or too long name, `AlreadyExists` if another role has it.
fn check_name(call: &Manager<'_>, name: &str, own: Option<i32>) -> Result<(), Fault> {
    if name.is_empty() || name.chars().count() > 80 {
        return Err(InvalidName::with(|fault| _ = fault.set_name(name)).into());
    }
    let roles = call.this()?.role_list();
    if roles.iter().any(|role| role.name() == name && Some(role.role_id()) != own) {
        return Err(AlreadyExists::with(|fault| _ = fault.set_name(name)).into());
    }
    Ok(())
}

/// A role that can be changed.
///
/// - `NotFound` if there is none of this number; `InvalidArgument` for one of the system's.
fn changeable(call: &Manager<'_>, id: i32) -> Result<AuthorizationRole, Fault> {
    let role = existing(call, id)?;
    if role.system() {
        return Err(Fault::invalid_argument("roleId", format!("the role {} is one of the system's", role.name())));
    }
    Ok(role)
}

fn existing(call: &Manager<'_>, id: i32) -> Result<AuthorizationRole, Fault> {
    let found = call.this()?.role_list().iter().find(|role| role.role_id() == id);
    found.cloned().ok_or_else(|| Fault::new(NotFound::new(), format!("no role has the number {id}")))
}

fn root(call: &Manager<'_>) -> Moref {
    service_instance::root_folder(call.context().is_virtual_center())
}

/// Adds a role.
///
/// - `AlreadyExists`, `InvalidName`; `InvalidArgument` for a privilege that does not exist.
fn add_authorization_role(call: &mut Manager<'_>, request: AddAuthorizationRole) -> Result<i32, Fault> {
    let name = request.name();
    check_name(call, name, None)?;
    let privileges = checked_privileges(request.priv_ids().iter())?;
    let this = call.moref();
    let granted = call.private::<Granted>(&this)?;
    granted.last_role += 1;
    let id = granted.last_role;
    let role = AuthorizationRole::with(|role| {
        role.set_role_id(id).set_system(false).set_name(name).set_privilege(&privileges);
        role.info_mut().set_label(name).set_summary(name);
    });
    call.this_mut()?.push_role_list(role.clone());
    let event = RoleAddedEvent::with(|event| {
        event.set_privilege_list(&privileges);
        event.set_role(role_argument(&role));
    });
    let root = root(call);
    call.post(&root, event)?;
    Ok(id)
}

/// Gives a role another name and other privileges.
///
/// - `NotFound`, `AlreadyExists`, `InvalidName`; `InvalidArgument` for a role of the system's or an unknown privilege.
fn update_authorization_role(call: &mut Manager<'_>, request: UpdateAuthorizationRole) -> Result<(), Fault> {
    let before = changeable(call, request.role_id())?;
    let name = request.new_name();
    check_name(call, name, Some(before.role_id()))?;
    let privileges = checked_privileges(request.priv_ids().iter())?;
    let mut after = before.clone();
    after.set_name(name).set_privilege(&privileges);
    after.info_mut().set_label(name).set_summary(name);
    for role in call.this_mut()?.role_list_mut().iter_mut().filter(|role| role.role_id() == after.role_id()) {
        *role = after.clone();
    }
    let event = RoleUpdatedEvent::with(|event| {
        event.set_role(role_argument(&after));
        event.set_privilege_list(&privileges).set_prev_role_name(before.name());
        event.set_privileges_added(privileges.iter().filter(|id| !before.privilege().contains(id)));
        event.set_privileges_removed(before.privilege().iter().filter(|id| !privileges.contains(id)));
    });
    let root = root(call);
    call.post(&root, event)
}

/// Removes a role, and the permissions that gave it.
///
/// - `NotFound`; `InvalidArgument` for a role of the system's; `RemoveFailed` if it is in use and must not be.
fn remove_authorization_role(call: &mut Manager<'_>, request: RemoveAuthorizationRole) -> Result<(), Fault> {
    let role = changeable(call, request.role_id())?;
    let users = given(call, role.role_id());
    if request.fail_if_used() && !users.is_empty() {
        return Err(Fault::new(RemoveFailed::new(), format!("the role {} is in use", role.name())));
    }
    for entity in users {
        let mut kept = own(&**call, &entity);
        kept.retain(|permission| permission.role_id() != role.role_id());
        replace(call, &entity, kept)?;
    }
    call.this_mut()?.role_list_mut().retain(|known| known.role_id() != role.role_id());
    let root = root(call);
    call.post(&root, RoleRemovedEvent::with(|event| _ = event.set_role(role_argument(&role))))
}

/// The entities where a role has been given.
fn given(call: &Manager<'_>, role: i32) -> Vec<Moref> {
    let all = permissions::all(&**call, call.context().is_virtual_center());
    let mut entities: Vec<Moref> =
        all.iter().filter(|given| given.role_id() == role).filter_map(|given| given.entity()).collect();
    entities.dedup();
    entities
}

/// Gives everybody who has one role another instead.
///
/// - `NotFound` if one of them does not exist; `AuthMinimumAdminPermission` if no administrator would be left.
fn merge_permissions(call: &mut Manager<'_>, request: MergePermissions) -> Result<(), Fault> {
    let (from, to) = (existing(call, request.src_role_id())?, existing(call, request.dst_role_id())?);
    for entity in given(call, from.role_id()) {
        let mut permissions = own(&**call, &entity);
        for permission in permissions.iter_mut().filter(|permission| permission.role_id() == from.role_id()) {
            permission.set_role_id(to.role_id());
        }
        replace(call, &entity, permissions)?;
    }
    Ok(())
}

/// The permissions asked for, as they are kept.
///
/// - `NotFound` for a role that does not exist; `UserNotFound` for nobody; `InvalidArgument` for a role that cannot be
///   given.
fn checked(call: &Manager<'_>, entity: &Moref, asked: &Permission) -> Result<Permission, Fault> {
    let role = existing(call, asked.role_id())?;
    if matches!(role.name().as_str(), "Anonymous" | "View") {
        return Err(Fault::invalid_argument("permission", format!("the role {} cannot be given", role.name())));
    }
    if asked.principal().is_empty() {
        let detail = UserNotFound::with(|fault| _ = fault.set_principal("").set_unresolved(true));
        return Err(Fault::new(detail, "a permission is somebody's"));
    }
    let mut permission = asked.clone();
    permission.set_entity(entity.clone());
    Ok(permission)
}

fn is_of(permission: &Permission, principal: &str, is_group: bool) -> bool {
    permission.group() == is_group && is_same(permission.principal(), principal)
}

/// Gives roles at an entity; who has one there already gets the new one.
///
/// - `NotFound`, `UserNotFound`, `AuthMinimumAdminPermission`; `ManagedObjectNotFound` for the entity.
fn set_entity_permissions(call: &mut Manager<'_>, request: SetEntityPermissions) -> Result<(), Fault> {
    let entity = request.entity();
    call.get::<ManagedEntity>(&entity)?;
    let mut permissions = own(&**call, &entity);
    for asked in request.permission() {
        let new = checked(call, &entity, asked)?;
        match permissions.iter_mut().find(|known| is_of(known, new.principal(), new.group())) {
            Some(known) => *known = new,
            None => permissions.push(new),
        }
    }
    replace(call, &entity, permissions)
}

/// Makes these the only roles given at an entity.
///
/// - `NotFound`, `UserNotFound`, `AuthMinimumAdminPermission`; `ManagedObjectNotFound` for the entity.
fn reset_entity_permissions(call: &mut Manager<'_>, request: ResetEntityPermissions) -> Result<(), Fault> {
    let entity = request.entity();
    call.get::<ManagedEntity>(&entity)?;
    let new: Result<Vec<_>, _> = request.permission().iter().map(|asked| checked(call, &entity, asked)).collect();
    replace(call, &entity, new?)
}

/// Takes the role of a user or group at an entity away.
///
/// - `NotFound` if they have none there; `AuthMinimumAdminPermission`; `ManagedObjectNotFound` for the entity.
fn remove_entity_permission(call: &mut Manager<'_>, request: RemoveEntityPermission) -> Result<(), Fault> {
    let entity = request.entity();
    call.get::<ManagedEntity>(&entity)?;
    let mut permissions = own(&**call, &entity);
    let before = permissions.len();
    permissions.retain(|permission| !is_of(permission, request.user(), request.is_group()));
    if permissions.len() == before {
        let message = format!("{} has no permission at {entity}", request.user());
        return Err(Fault::new(NotFound::new(), message));
    }
    replace(call, &entity, permissions)
}

/// Makes these the permissions given at an entity, and tells of what is different.
fn replace(call: &mut Manager<'_>, entity: &Moref, permissions: Vec<Permission>) -> Result<(), Fault> {
    let is_virtual_center = call.context().is_virtual_center();
    let before = own(&**call, entity);
    permissions::set(call, is_virtual_center, entity, permissions.clone())?;
    let argument = call.entity_argument(entity);
    let named = |call: &Manager<'_>, id: i32| role(&**call, is_virtual_center, id).map(role_argument);
    for old in &before {
        if !permissions.iter().any(|new| is_of(new, old.principal(), old.group())) {
            let event = PermissionRemovedEvent::with(|event| {
                event.set_entity(argument.clone()).set_principal(old.principal()).set_group(old.group());
            });
            call.post(entity, event)?;
        }
    }
    for new in &permissions {
        let (Some(role), old) =
            (named(call, new.role_id()), before.iter().find(|old| is_of(old, new.principal(), new.group())))
        else {
            continue;
        };
        match old {
            None => {
                let event = PermissionAddedEvent::with(|event| {
                    event.set_entity(argument.clone()).set_principal(new.principal()).set_group(new.group());
                    event.set_role(role).set_propagate(new.propagate());
                });
                call.post(entity, event)?;
            }
            Some(old) if old.role_id() != new.role_id() || old.propagate() != new.propagate() => {
                let previous = named(call, old.role_id());
                let event = PermissionUpdatedEvent::with(|event| {
                    event.set_entity(argument.clone()).set_principal(new.principal()).set_group(new.group());
                    event.set_role(role).set_propagate(new.propagate()).set_prev_propagate(old.propagate());
                    if let Some(previous) = previous {
                        event.set_prev_role(previous);
                    }
                });
                call.post(entity, event)?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}
