//! References lead somewhere, and everything is led to.

use std::collections::BTreeSet;

use vimsim_registry::Snapshot;
use vimsim_types::views::{Alarm, EventManager, ServiceInstance, Task};
use vimsim_types::{ArcStr, Moref, Value};

use super::{Baseline, Wrong};

/// A property that refers to what is not there.
pub(super) struct Dangling {
    from: Moref,
    pub(super) kind: &'static str,
    pub(super) property: &'static str,
    /// Where in the property.
    path: String,
    to: Moref,
}

/// Where in a value a reference is.
fn path_to(value: &Value, moref: &Moref) -> Option<String> {
    match value {
        Value::Object(object) => {
            let mut fields = object.kind().info().fields().iter().zip(object.slots());
            fields.find_map(|(field, value)| Some(format!(".{}{}", field.name, path_to(value, moref)?)))
        }
        Value::List(list) => {
            let mut items = list.items().iter().enumerate();
            items.find_map(|(at, item)| Some(format!("[{at}]{}", path_to(item, moref)?)))
        }
        _ => (value.moref().as_ref() == Some(moref)).then(String::new),
    }
}

/// The references in a property.
fn references(value: &Value) -> Vec<Moref> {
    let mut found = Vec::new();
    match value {
        Value::Object(object) => object.morefs(&mut found),
        Value::List(list) => list.items().iter().for_each(|item| found.extend(references(item))),
        _ => found.extend(value.moref()),
    }
    found
}

pub(super) fn dangling(snapshot: &Snapshot) -> Vec<Dangling> {
    let mut all = Vec::new();
    // Events and tasks tell of what was, and alarms of what may be.
    let tells = |moref: &Moref| moref.is::<Task>() || moref.is::<EventManager>() || moref.is::<Alarm>();
    let present = snapshot.objects().filter(|it| !tells(it.moref()));
    for object in present {
        let kind = object.moref().kind();
        for (field, value) in kind.info().fields().iter().zip(object.properties().slots()) {
            for to in references(value).into_iter().filter(|to| snapshot.object(to).is_none()) {
                let path = path_to(value, &to).unwrap_or_default();
                all.push(Dangling { from: object.moref().clone(), kind: kind.name(), property: field.name, path, to });
            }
        }
    }
    all
}

/// The objects that nothing leads to from the service instance, beside tasks, alarms and what belongs to a session.
pub(super) fn unreferenced(snapshot: &Snapshot) -> BTreeSet<ArcStr> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![Moref::of::<ServiceInstance>("ServiceInstance")];
    while let Some(moref) = pending.pop() {
        if let Some(object) = snapshot.object(&moref)
            && reached.insert(moref.value().clone())
            && !moref.is::<Task>()
        {
            object.properties().morefs(&mut pending);
        }
    }
    // What esxcli talks to, and a cluster's modes, are made when a client asks a host or a cluster for them.
    let is_made = |moref: &Moref| {
        let words = ["dynamic-type-manager-", "managed-method-executer-", "evc-domain-"];
        words.iter().any(|word| moref.value().contains(word))
    };
    let is_known = |moref: &Moref| !moref.is::<Task>() && !moref.is::<Alarm>() && !is_made(moref);
    let objects = snapshot.objects().filter(|it| it.session().is_none() && is_known(it.moref()));
    let all: BTreeSet<ArcStr> = objects.map(|object| object.moref().value().clone()).collect();
    all.difference(&reached).cloned().collect()
}

pub(super) fn check(snapshot: &Snapshot, baseline: &Baseline, wrong: &mut Wrong) {
    for found in dangling(snapshot) {
        wrong.unless(baseline.dangling.contains(&(found.kind, found.property)), || {
            format!("{}.{}{} refers to {}, which is not there", found.from, found.property, found.path, found.to)
        });
    }
    for left in unreferenced(snapshot).difference(&baseline.unreferenced) {
        wrong.0.push(format!("nothing refers to {left}"));
    }
}
