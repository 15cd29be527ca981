//! What a user whose permissions are limited may do and see.
//!
//! Most sessions are an administrator's, and for them there is no [`Access`], and nothing to ask.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use vimsim_registry::Snapshot;
use vimsim_types::views::{
    Alarm, HostDatastoreBrowser, ManagedEntity, NoPermission, NoPermissionEntityPrivileges, Permission, ResourcePool,
    Task, VirtualMachine, VirtualMachineSnapshot,
};
use vimsim_types::{ArcStr, Fault, List, Method, Moref, Object, Ty, Value, View};

use super::permissions::{self, ADMINISTRATORS, Granted, grants, is_same, own};
use super::required::required;
use crate::objects::{host_managers, service_instance};
use crate::session::Session;
use crate::walk::Inventory;

/// What everybody may do who has logged in, where it is about no entity.
const VIEW: &str = "System.View";
const READ: &str = "System.Read";
/// What even those may do who have not.
const ANONYMOUS: &str = "System.Anonymous";

/// The roles that one user has where.
pub(super) struct Roles<'a, I> {
    inventory: &'a I,
    is_virtual_center: bool,
    user: ArcStr,
    /// Whether the user is taken for a member of the administrators' group.
    is_administrator: bool,
    /// What entities pass on to those below them.
    passed_on: RefCell<FxHashMap<ArcStr, Rc<[i32]>>>,
}

impl<'a, I: Inventory> Roles<'a, I> {
    pub(super) fn new(inventory: &'a I, is_virtual_center: bool, user: &str) -> Self {
        let is_own = |permission: &Permission| is_users(permission, user);
        let is_administrator = !permissions::all(inventory, is_virtual_center).iter().any(is_own);
        Self { inventory, is_virtual_center, user: user.into(), is_administrator, passed_on: RefCell::default() }
    }

    /// The roles at an object: at the entity that it belongs to, or else at the root folder.
    pub(super) fn at(&self, object: &Moref) -> Rc<[i32]> {
        let root = || service_instance::root_folder(self.is_virtual_center);
        let entity = entity_of(self.inventory, object).unwrap_or_else(root);
        match self.given(&entity, true) {
            Some(roles) => roles,
            None => self.inherited(&entity),
        }
    }

    /// The roles that the user has been given at the entity itself, or those of the user's group.
    fn given(&self, entity: &Moref, here: bool) -> Option<Rc<[i32]>> {
        let entity = self.inventory.seen::<ManagedEntity>(entity)?;
        if entity.permission().is_empty() {
            return None;
        }
        let counts = |permission: &&Permission| here || permission.propagate();
        let roles = |is_wanted: &dyn Fn(&Permission) -> bool| -> Option<Rc<[i32]>> {
            let wanted = entity.permission().iter().filter(counts).filter(|permission| is_wanted(permission));
            let roles: Rc<[i32]> = wanted.map(|permission| permission.role_id()).collect();
            (!roles.is_empty()).then_some(roles)
        };
        let is_groups = |permission: &Permission| {
            self.is_administrator && permission.group() && is_same(permission.principal(), ADMINISTRATORS[0].0)
        };
        roles(&|permission| is_users(permission, &self.user)).or_else(|| roles(&is_groups))
    }

    /// The roles that an entity has from those above it. A virtual machine has them from its folder and from its pool.
    fn inherited(&self, entity: &Moref) -> Rc<[i32]> {
        let seen = self.inventory.seen::<ManagedEntity>(entity);
        let above = seen.and_then(|entity| entity.parent());
        let pool = self.inventory.seen::<VirtualMachine>(entity).and_then(|machine| machine.resource_pool());
        match (above, pool) {
            (Some(above), Some(pool)) => {
                let (folders, pools) = (self.passed_on_by(&above), self.passed_on_by(&pool));
                let new = pools.iter().filter(|role| !folders.contains(role));
                folders.iter().chain(new).copied().collect()
            }
            (Some(above), None) | (None, Some(above)) => self.passed_on_by(&above),
            (None, None) => Rc::default(),
        }
    }

    fn passed_on_by(&self, entity: &Moref) -> Rc<[i32]> {
        if let Some(known) = self.passed_on.borrow().get(entity.value()) {
            return known.clone();
        }
        let roles = self.given(entity, false).unwrap_or_else(|| self.inherited(entity));
        self.passed_on.borrow_mut().insert(entity.value().clone(), roles.clone());
        roles
    }

    fn grant(&self, roles: &[i32], privilege: &str) -> bool {
        grants(self.inventory, self.is_virtual_center, roles, privilege)
    }
}

fn is_users(permission: &Permission, user: &str) -> bool {
    !permission.group() && is_same(permission.principal(), user)
}

/// The entity whose permissions count for an object; `None` if it belongs to none.
fn entity_of(inventory: &impl Inventory, object: &Moref) -> Option<Moref> {
    let found = inventory.find(object)?;
    if found.view::<ManagedEntity>().is_some() {
        return Some(object.clone());
    }
    let browsed = |browser: &HostDatastoreBrowser| match browser.datastore().len() {
        1 => browser.datastore().first(),
        _ => None,
    };
    host_managers::host_in(inventory, object)
        .or_else(|| found.view::<VirtualMachineSnapshot>().map(|snapshot| snapshot.vm()))
        .or_else(|| found.view::<Task>().and_then(|task| task.info().entity()))
        .or_else(|| found.view::<Alarm>().map(|alarm| alarm.info().entity()))
        .or_else(|| found.view::<HostDatastoreBrowser>().and_then(browsed))
        .filter(|entity| inventory.seen::<ManagedEntity>(entity).is_some())
}

/// What a session may do whose user's permissions are limited.
pub(crate) struct Access<'a> {
    snapshot: &'a Snapshot,
    roles: Roles<'a, Snapshot>,
    /// The entities above those where the user has a role: who may see an entity may find the way to it.
    // Fidelity: as in vCenter, such an entity has System.View for the user, and nothing else.
    passages: FxHashSet<ArcStr>,
}

impl<'a> Access<'a> {
    /// The access of the session's user; `None` for one who may do everything.
    pub(crate) fn of(snapshot: &'a Snapshot, session: Option<&Session>, is_virtual_center: bool) -> Option<Self> {
        Self::of_user(snapshot, session?.user(), is_virtual_center)
    }

    /// The access of this user; `None` for one who may do everything.
    pub(crate) fn of_user(snapshot: &'a Snapshot, user: &str, is_virtual_center: bool) -> Option<Self> {
        let granted = permissions::granted(snapshot, is_virtual_center)?;
        if !granted.limits(user) {
            return None;
        }
        let roles = Roles::new(snapshot, is_virtual_center, user);
        let passages = passages(snapshot, granted, &roles);
        Some(Self { snapshot, roles, passages })
    }

    /// Whether the user has a privilege at an object.
    pub(crate) fn allows(&self, object: &Moref, privilege: &str) -> bool {
        if privilege == ANONYMOUS {
            return true;
        }
        let is_seeing = privilege == VIEW || privilege == READ;
        if is_seeing && entity_of(self.snapshot, object).is_none() {
            return true;
        }
        self.roles.grant(&self.roles.at(object), privilege)
            || (privilege == VIEW && self.passages.contains(object.value()))
    }

    /// Whether the user may know of an object.
    pub(crate) fn sees(&self, object: &Moref) -> bool {
        self.allows(object, VIEW)
    }

    /// - `NoPermission` unless the user has the privilege at the object.
    pub(crate) fn check(&self, object: &Moref, privilege: &str) -> Result<(), Fault> {
        if self.allows(object, privilege) { Ok(()) } else { Err(no_permission(&[(object.clone(), privilege)])) }
    }

    /// Checks that the user may make a call.
    ///
    /// - `NoPermission` with all that is missing.
    pub(crate) fn check_call(&self, method: &Method, this: &Moref, arguments: &Object) -> Result<(), Fault> {
        let mut missing = required(self.snapshot, method, this, arguments);
        missing.retain(|(object, privilege)| !self.allows(object, privilege));
        if missing.is_empty() { Ok(()) } else { Err(no_permission(&missing)) }
    }

    /// A value without the references to what the user may not know of; a list loses them, a reference is unset.
    pub(crate) fn visible(&self, value: Value) -> Value {
        match &value {
            Value::Moref(..) if value.moref().is_some_and(|moref| !self.sees(&moref)) => Value::Unset,
            Value::List(list) if matches!(list.element(), Ty::Moref(_)) => {
                let seen = |value: &&Value| value.moref().is_none_or(|moref| self.sees(&moref));
                let items: Vec<Value> = list.items().iter().filter(seen).cloned().collect();
                if items.len() == list.items().len() { value } else { Value::List(List::new(list.element(), items)) }
            }
            _ => value,
        }
    }

    /// `effectiveRole`: the roles that the user has at an entity.
    pub(crate) fn effective_role(&self, entity: &Moref) -> Value {
        let roles = self.roles.at(entity).iter().map(|role| Value::Int(*role)).collect();
        Value::List(List::new(Ty::Int, roles))
    }
}

fn passages(snapshot: &Snapshot, granted: &Granted, roles: &Roles<'_, Snapshot>) -> FxHashSet<ArcStr> {
    let mut passages = FxHashSet::default();
    for entity in granted.entities.values() {
        let is_given = own(snapshot, entity).iter().any(|permission| is_users(permission, &roles.user));
        if !is_given || !roles.grant(&roles.at(entity), VIEW) {
            continue;
        }
        let mut pending = vec![entity.clone()];
        while let Some(moref) = pending.pop() {
            let parent = snapshot.seen::<ManagedEntity>(&moref).and_then(|entity| entity.parent());
            let pool = snapshot.seen::<VirtualMachine>(&moref).and_then(|machine| machine.resource_pool());
            let owner = snapshot.seen::<ResourcePool>(&moref).map(|pool| pool.owner());
            for above in [parent, pool, owner].into_iter().flatten() {
                if passages.insert(above.value().clone()) {
                    pending.push(above);
                }
            }
        }
    }
    passages
}

/// `NoPermission` for what is missing, which is something.
fn no_permission(missing: &[(Moref, &str)]) -> Fault {
    let detail = NoPermission::with(|fault| {
        if let Some((object, privilege)) = missing.first() {
            fault.set_object(object.clone()).set_privilege_id(*privilege);
        }
        fault.set_missing_privileges(missing.iter().map(|(object, privilege)| {
            NoPermissionEntityPrivileges::with(|entry| {
                entry.set_entity(object.clone()).set_privilege_ids([*privilege]);
            })
        }));
    });
    let names: Vec<String> = missing.iter().map(|(object, privilege)| format!("{privilege} on {object}")).collect();
    Fault::new(detail, format!("Permission to perform this operation was denied: {}", names.join(", ")))
}
