//! What one session sees of a snapshot.

use vimsim_property::World;
use vimsim_registry::Snapshot;
use vimsim_types::views::{ContainerView, ManagedEntity, PropertyCollector, ServiceInstance, SessionManager};
use vimsim_types::{Fault, Moref, Object, Value};

use crate::call::{Context, is_named};
use crate::objects::authorization_manager::Access;
use crate::service::not_authenticated;

/// A snapshot through the eyes of a session, for the property collector.
pub(crate) struct SessionWorld<'a> {
    snapshot: &'a Snapshot,
    context: &'a Context,
    /// What limits the session's user, if anything does.
    access: Option<Access<'a>>,
}

impl<'a> SessionWorld<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, context: &'a Context) -> Self {
        Self {
            snapshot,
            context,
            access: Access::of(snapshot, context.session.as_deref(), context.is_virtual_center()),
        }
    }

    /// A property's value as far as somebody may see it whose permissions are limited.
    fn limited(&self, access: &Access<'_>, moref: &Moref, object: &Object, slot: usize) -> Value {
        if slot == ManagedEntity::EFFECTIVE_ROLE && moref.is::<ManagedEntity>() {
            return access.effective_role(moref);
        }
        access.visible(self.whole(moref, object, slot))
    }

    /// A property's value.
    fn whole(&self, moref: &Moref, object: &Object, slot: usize) -> Value {
        let compute = self.context.service.kinds().compute(object.kind(), slot);
        match (compute, self.snapshot.object(moref)) {
            (Some(compute), Some(managed)) => compute(self.context, self.snapshot, managed),
            _ => self.follows(moref, object, slot).unwrap_or_else(|| object.get(slot).clone()),
        }
    }
}

impl World for SessionWorld<'_> {
    fn object(&self, moref: &Moref) -> Option<&Object> {
        let object = self.snapshot.object(moref).filter(|object| is_named(object.moref(), moref))?;
        let visible = match object.session() {
            None => true,
            Some(owner) => self.context.session.as_ref().is_some_and(|session| session.key() == owner),
        };
        visible.then(|| object.properties())
    }

    fn stamp(&self, _: &Moref, object: &Object) -> Option<u64> {
        if self.access.is_some() {
            // What is above or below may be hidden from the user by any change.
            return Some(self.snapshot.version());
        }
        let table = self.context.service.kinds().table(object.kind())?;
        if table.computed.is_empty() {
            return None;
        }
        // What a container view holds changes only when something is created, removed or moved.
        let follows_topology = object.is::<ContainerView>();
        Some(if follows_topology { self.snapshot.topology() } else { self.snapshot.version() })
    }

    fn property(&self, moref: &Moref, object: &Object, slot: usize) -> Value {
        match &self.access {
            Some(access) => self.limited(access, moref, object, slot),
            None => self.whole(moref, object, slot),
        }
    }

    fn follows(&self, moref: &Moref, object: &Object, slot: usize) -> Option<Value> {
        self.context.service.kinds().follows(moref, object, slot, self.context.now)
    }

    /// Without a session, only what leads to a login can be read, as in vCenter.
    fn readable(&self, moref: &Moref, object: &Object, slot: usize) -> Result<(), Fault> {
        if let Some(access) = &self.access {
            let privilege = object.kind().info().fields().get(slot).and_then(|field| field.privilege());
            return access.check(moref, privilege.unwrap_or("System.Read"));
        }
        let open = object.is::<ServiceInstance>() || object.is::<SessionManager>() || object.is::<PropertyCollector>();
        if self.context.session.is_some() || open { Ok(()) } else { Err(not_authenticated(moref, "System.Read")) }
    }
}
