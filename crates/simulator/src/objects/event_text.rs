//! The text of events, and the events of operations that every entity knows.

use vimsim_types::views::{
    Datacenter, DatacenterRenamedEvent, Datastore, DatastoreRenamedEvent, Event, ResourcePool, ResourcePoolMovedEvent,
    VirtualMachine, VmRenamedEvent,
};
use vimsim_types::{Fault, Moref, View};

use crate::call::Call;

/// What an event says, for people.
pub(crate) fn text(event: &Event) -> String {
    let kind = event.as_object().kind().name();
    let mut words = String::new();
    for c in kind.trim_end_matches("Event").chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// The event that tells of an entity's new name, where the API has one for its type.
pub(crate) fn renamed<T>(call: &mut Call<'_, T>, moref: &Moref, old: &str, new: &str) -> Result<(), Fault> {
    if moref.is::<Datacenter>() {
        let event = DatacenterRenamedEvent::with(|event| {
            event.set_old_name(old);
            event.set_new_name(new);
        });
        call.post(moref, event)
    } else if moref.is::<Datastore>() {
        let event = DatastoreRenamedEvent::with(|event| {
            event.set_old_name(old);
            event.set_new_name(new);
        });
        call.post(moref, event)
    } else if moref.is::<VirtualMachine>() {
        let event = VmRenamedEvent::with(|event| {
            event.set_old_name(old);
            event.set_new_name(new);
        });
        call.post(moref, event)
    } else {
        Ok(())
    }
}

/// The event that tells that an entity was moved, where the API has one for its type.
pub(crate) fn moved<T>(call: &mut Call<'_, T>, moref: &Moref, from: &Moref, to: &Moref) -> Result<(), Fault> {
    if !moref.is::<ResourcePool>() {
        return Ok(());
    }
    let (old, new) = (call.pool_argument(from), call.pool_argument(to));
    let event = ResourcePoolMovedEvent::with(|event| {
        event.set_old_parent(old);
        event.set_new_parent(new);
    });
    call.post(moref, event)
}
