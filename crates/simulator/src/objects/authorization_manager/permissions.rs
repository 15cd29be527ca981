//! Who has which role where, and what follows from it.
//!
//! A permission is kept where it was given, in the entity's `permission` property. The nearest entity on the way up that
//! has a permission of the user's decides; a permission of the user there counts for more than those of the user's groups,
//! which add up.

use std::collections::BTreeMap;

use vimsim_registry::Transaction;
use vimsim_types::views::{
    AuthMinimumAdminPermission, AuthorizationManager, AuthorizationRole, ManagedEntity, Permission, RoleEventArgument,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::access::Roles;
use super::roles::ADMIN;
use crate::objects::service_instance;
use crate::walk::Inventory;

/// Who may do everything to begin with, as vcsim has it: the principal, and whether it is a group.
pub(super) const ADMINISTRATORS: &[(&str, bool)] = &[("root", true), ("root", false), ("admin", false)];

/// What the manager remembers: the entities that have permissions of their own, and the last number given to a role.
#[derive(Clone, Default)]
pub(super) struct Granted {
    pub(super) entities: BTreeMap<ArcStr, Moref>,
    pub(super) last_role: i32,
    /// The users who have a permission that is not the Administrator's everywhere.
    limited: Vec<ArcStr>,
    /// Whether the administrators' group has such a permission.
    limits_administrators: bool,
}

impl Granted {
    /// Whether there is something that the user may not do.
    // Fidelity: a simulator knows nobody, and lets in whom it is told to. Who has no permission of their own anywhere is
    // taken for a member of the administrators' group; giving somebody a role somewhere is what makes them a user like
    // others, who may do what their roles say and nothing else.
    pub(super) fn limits(&self, user: &str) -> bool {
        self.limits_administrators || self.limited.iter().any(|known| is_same(known, user))
    }
}

/// What the manager remembers.
pub(super) fn granted(inventory: &impl Inventory, is_virtual_center: bool) -> Option<&Granted> {
    let id = if is_virtual_center { "AuthorizationManager" } else { "ha-authmgr" };
    inventory.find_value(id)?.private()
}

/// The identifier of the one authorization manager of a vCenter or host.
pub(crate) fn moref(is_virtual_center: bool) -> Moref {
    Moref::of::<AuthorizationManager>(if is_virtual_center { "AuthorizationManager" } else { "ha-authmgr" })
}

/// Gives the administrators their role on the root folder of a new inventory.
pub(crate) fn begin(transaction: &mut Transaction, is_virtual_center: bool) -> Result<(), Fault> {
    let root = service_instance::root_folder(is_virtual_center);
    let permissions = ADMINISTRATORS.iter().map(|(principal, is_group)| {
        Permission::with(|permission| {
            permission.set_entity(root.clone());
            permission.set_principal(*principal).set_group(*is_group).set_role_id(ADMIN).set_propagate(true);
        })
    });
    set(transaction, is_virtual_center, &root, permissions.collect())
}

/// The permissions given at this entity.
pub(super) fn own(inventory: &impl Inventory, entity: &Moref) -> Vec<Permission> {
    inventory
        .seen::<ManagedEntity>(entity)
        .map_or_else(Vec::new, |entity| entity.permission().iter().cloned().collect())
}

/// All permissions, by entity.
pub(super) fn all(inventory: &impl Inventory, is_virtual_center: bool) -> Vec<Permission> {
    let granted = inventory.find(&moref(is_virtual_center)).and_then(|manager| manager.private::<Granted>());
    granted
        .into_iter()
        .flat_map(|granted| granted.entities.values())
        .flat_map(|entity| own(inventory, entity))
        .collect()
}

/// Makes these the permissions given at this entity.
///
/// - `AuthMinimumAdminPermission` if nobody would be left who may do everything.
pub(super) fn set(
    transaction: &mut Transaction,
    is_virtual_center: bool,
    entity: &Moref,
    permissions: Vec<Permission>,
) -> Result<(), Fault> {
    let is_admin = |permission: &Permission| permission.role_id() == ADMIN && permission.propagate();
    if *entity == service_instance::root_folder(is_virtual_center) && !permissions.iter().any(is_admin) {
        let detail = AuthMinimumAdminPermission::new();
        return Err(Fault::new(detail, "nobody would be left with the Administrator role on the whole inventory"));
    }
    let granted = transaction.private::<Granted>(&moref(is_virtual_center))?;
    if permissions.is_empty() {
        granted.entities.remove(entity.value());
    } else {
        granted.entities.insert(entity.value().clone(), entity.clone());
    }
    transaction.edit::<ManagedEntity>(entity)?.set_permission(permissions);
    let root = service_instance::root_folder(is_virtual_center);
    let is_unlimited = |permission: &Permission| is_admin(permission) && permission.entity().as_ref() == Some(&root);
    let (mut limited, mut limits_administrators) = (Vec::new(), false);
    for permission in all(transaction, is_virtual_center).iter().filter(|permission| !is_unlimited(permission)) {
        match permission.group() {
            true => limits_administrators |= is_same(permission.principal(), ADMINISTRATORS[0].0),
            false => limited.push(permission.principal().clone()),
        }
    }
    let granted = transaction.private::<Granted>(&moref(is_virtual_center))?;
    granted.limited = limited;
    granted.limits_administrators = limits_administrators;
    Ok(())
}

/// The role of this number.
pub(super) fn role(inventory: &impl Inventory, is_virtual_center: bool, id: i32) -> Option<&AuthorizationRole> {
    let manager = inventory.seen::<AuthorizationManager>(&moref(is_virtual_center))?;
    manager.role_list().iter().find(|role| role.role_id() == id)
}

/// The event argument that names a role.
pub(super) fn role_argument(role: &AuthorizationRole) -> RoleEventArgument {
    RoleEventArgument::with(|argument| _ = argument.set_role_id(role.role_id()).set_name(role.name()))
}

/// Whether both name the same principal: with or without a domain, in capitals or not.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    bare(one).eq_ignore_ascii_case(bare(other))
}

/// `name` of `name@domain` and `DOMAIN\name`.
fn bare(principal: &str) -> &str {
    let principal = principal.rsplit('\\').next().unwrap_or(principal);
    principal.split('@').next().unwrap_or(principal)
}

/// The roles that a user has at an object.
pub(super) fn roles_of(inventory: &impl Inventory, is_virtual_center: bool, user: &str, object: &Moref) -> Vec<i32> {
    Roles::new(inventory, is_virtual_center, user).at(object).to_vec()
}

/// Whether one of these roles has a privilege.
pub(super) fn grants(inventory: &impl Inventory, is_virtual_center: bool, roles: &[i32], privilege: &str) -> bool {
    let has = |id: &i32| {
        *id == ADMIN || role(inventory, is_virtual_center, *id).is_some_and(|role| role.privilege().contains(privilege))
    };
    roles.iter().any(has)
}
