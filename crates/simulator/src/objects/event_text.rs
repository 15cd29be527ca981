//! What each type of event says, and the events of operations that every entity knows.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::OnceLock;

use vimsim_types::views::{
    ClusterEvent, DVPortgroupRenamedEvent, Datacenter, DatacenterRenamedEvent, Datastore, DatastoreEvent,
    DatastoreRenamedEvent, DistributedVirtualPortgroup, DistributedVirtualSwitch, DvsEvent, DvsRenamedEvent, Event,
    EventArgument, HostEvent, ResourcePool, ResourcePoolMovedEvent, TaskEvent, VirtualMachine, VmEvent, VmRenamedEvent,
};
use vimsim_types::{Fault, Moref, Object, TypeId, Value, View};

use super::descriptions::words;
use super::task_description;
use crate::call::Call;

/// How an event of a type is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Style {
    /// `info`, `warning`, `error` or `user`.
    pub(crate) category: &'static str,
    /// What it is.
    pub(crate) description: String,
    /// What it says: text in which `{vm.name}` stands for a property of the event.
    pub(crate) format: String,
}

/// The table's rows, by type: category, description, format.
fn table() -> &'static HashMap<&'static str, [&'static str; 3]> {
    static TABLE: OnceLock<HashMap<&str, [&str; 3]>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = include_str!("../../data/events.txt").lines().filter(|line| !line.starts_with('#'));
        let row = |line: &'static str| {
            let mut fields = line.splitn(4, '|');
            Some((fields.next()?, [fields.next()?, fields.next()?, fields.next()?]))
        };
        lines.filter_map(row).collect()
    })
}

/// How events of this type are shown. A type without a row of its own says its name in words, and where it happened.
pub(crate) fn style(kind: TypeId) -> Style {
    let name = kind.name();
    if let Some([category, description, format]) = table().get(name).copied() {
        return Style { category, description: description.into(), format: format.into() };
    }
    let bare = name.strip_suffix("Event").filter(|bare| !bare.is_empty()).unwrap_or(name);
    let description = words(bare);
    let place = if kind.is_a(VmEvent::TYPE) {
        ": {vm.name} on {host.name} in {datacenter.name}"
    } else if kind.is_a(HostEvent::TYPE) {
        ": {host.name} in {datacenter.name}"
    } else if kind.is_a(ClusterEvent::TYPE) {
        ": {computeResource.name} in {datacenter.name}"
    } else if kind.is_a(DvsEvent::TYPE) {
        ": {dvs.name} in {datacenter.name}"
    } else if kind.is_a(DatastoreEvent::TYPE) {
        ": {datastore.name} in {datacenter.name}"
    } else if kind.info().slot("message").is_some() {
        ": {message}"
    } else {
        ""
    };
    let format = format!("{description}{place}");
    Style { category: category_of_name(name), description, format }
}

fn category_of_name(name: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["Fail", "Error", "Lost", "Crashed", "Expired", "Invalid", "TimedOut", "Timeout", "Conflict"]) {
        "error"
    } else if has(&["Warning", "Violation", "Overcommitted", "Insufficient", "Missing", "Inconsistent", "No"]) {
        "warning"
    } else {
        "info"
    }
}

/// The category of an event: that of its type, or what an `EventEx` says of itself.
pub(crate) fn category(event: &Event) -> &str {
    let kind = event.as_object().kind();
    match event.as_object().field("severity").text() {
        Some(severity) => severity,
        None => table().get(kind.name()).map_or_else(|| category_of_name(kind.name()), |row| row[0]),
    }
}

/// What an event says, for people.
pub(crate) fn text(event: &Event) -> String {
    if let Some(event) = event.downcast::<TaskEvent>() {
        return format!("Task: {}", task_description::label(event.info().description_id()));
    }
    let kind = event.as_object().kind();
    match table().get(kind.name()) {
        Some([_, _, format]) => fill(format, event.as_object()),
        None => fill(&style(kind).format, event.as_object()),
    }
}

/// The format with the event's properties in their places.
fn fill(format: &str, event: &Object) -> String {
    let mut out = String::with_capacity(format.len() + 48);
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((path, after)) = after.split_once('}') else { break };
        out.push_str(before);
        let mut value = event.field(path.split('.').next().unwrap_or(path));
        for name in path.split('.').skip(1) {
            value = value.object().map_or(&Value::Unset, |object| object.field(name));
        }
        show(value, &mut out);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A value as a text shows it.
fn show(value: &Value, out: &mut String) {
    let written = match value {
        Value::Unset => Ok(()),
        Value::Bool(value) => write!(out, "{}", if *value { "Enabled" } else { "Disabled" }),
        Value::Int(value) => write!(out, "{value}"),
        Value::Long(value) => write!(out, "{value}"),
        Value::DateTime(value) => write!(out, "{value}"),
        Value::Object(object) if object.is::<EventArgument>() => {
            out.write_str(object.field("name").text().unwrap_or(""))
        }
        Value::Object(object) => out.write_str(object.field("localizedMessage").text().unwrap_or_default()),
        Value::List(list) => {
            for (place, item) in list.items().iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                show(item, out);
            }
            Ok(())
        }
        value => out.write_str(value.text().unwrap_or_default()),
    };
    debug_assert!(written.is_ok(), "a string takes everything");
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
    } else if moref.is::<DistributedVirtualSwitch>() {
        let event = DvsRenamedEvent::with(|event| {
            event.set_old_name(old);
            event.set_new_name(new);
        });
        call.post(moref, event)
    } else if moref.is::<DistributedVirtualPortgroup>() {
        let event = DVPortgroupRenamedEvent::with(|event| {
            event.set_old_name(old);
            event.set_new_name(new);
        });
        super::distributed_virtual_portgroup::post(call, moref, event)
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
