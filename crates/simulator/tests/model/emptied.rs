//! When everything is destroyed, nothing of it is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use vimsim_simulator::Service;
use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::method::{DestroyTask, PowerOffVMTask};
use vimsim_types::views::{Alarm, Folder, Task, VirtualMachine};
use vimsim_types::{Moref, View};

use crate::config;
use crate::driver::Run;
use crate::invariants::{Wrong, all};

/// No list has more elements than this beside those that a new service has: the 200 recent tasks are the most.
const MOST: usize = 200;

/// Destroys all that is in the root folder, and looks for what is there that is not in a new service in which the same is
/// done.
pub(crate) async fn check(run: &Run, wrong: &mut Wrong) {
    empty(run, wrong).await;
    let other = Run::new(Service::start(config()).unwrap()).await;
    empty(&other, wrong).await;
    let (left, usual) = (count(&run.service), count(&other.service));
    let (lists, usual_lists) = (longest(&run.service), longest(&other.service));
    other.service.stop();
    for (place, length) in lists {
        let usual = usual_lists.get(&place).copied().unwrap_or_default();
        wrong.unless(length <= usual + MOST, || format!("all is destroyed, and {place:?} has {length} elements"));
    }
    for (kind, left) in left {
        let usual = usual.get(kind).map_or(0, Vec::len);
        wrong.unless(left.len() <= usual, || {
            format!("all is destroyed, and of {kind} there are {} and not {usual}: {left:?}", left.len())
        });
    }
}

async fn empty(run: &Run, wrong: &mut Wrong) {
    let snapshot = run.service.snapshot();
    for (machine, properties) in all::<VirtualMachine>(&snapshot) {
        if properties.runtime().power_state() != VirtualMachinePowerState::PoweredOff
            && let Err(fault) = run.call(machine, PowerOffVMTask::new()).await
        {
            wrong.0.push(format!("{machine} cannot be powered off: {fault}"));
        }
    }
    let root = run.content().root_folder();
    let children: Vec<Moref> = run.service.snapshot().view::<Folder>(&root).unwrap().child_entity().iter().collect();
    for child in children {
        if let Err(fault) = run.call(&child, DestroyTask::new()).await {
            wrong.0.push(format!("{child} cannot be destroyed: {fault}"));
        }
    }
}

/// What there is of each type, beside tasks, what belongs to a session, and alarms of what is still there.
fn count(service: &Arc<Service>) -> BTreeMap<&'static str, Vec<Moref>> {
    let mut counts: BTreeMap<&'static str, Vec<Moref>> = BTreeMap::new();
    let snapshot = service.snapshot();
    for object in snapshot.objects().filter(|it| it.session().is_none() && !it.moref().is::<Task>()) {
        let alarm = object.view::<Alarm>();
        if alarm.is_some_and(|alarm| snapshot.object(&alarm.info().entity()).is_some()) {
            continue;
        }
        counts.entry(object.moref().kind().name()).or_default().push(object.moref().clone());
    }
    counts
}

/// How many elements the longest list of each property has.
fn longest(service: &Arc<Service>) -> BTreeMap<(&'static str, &'static str), usize> {
    let mut longest = BTreeMap::new();
    for object in service.snapshot().objects().filter(|it| it.session().is_none() && !it.moref().is::<Task>()) {
        let kind = object.moref().kind();
        for (field, value) in kind.info().fields().iter().zip(object.properties().slots()) {
            let known = longest.entry((kind.name(), field.name)).or_default();
            *known = value.items().len().max(*known);
        }
    }
    longest
}
