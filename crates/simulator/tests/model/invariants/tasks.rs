//! Tasks end, and are listed where they belong.

use vimsim_registry::Snapshot;
use vimsim_types::View;
use vimsim_types::enums::TaskInfoState;
use vimsim_types::method::QueryEvents;
use vimsim_types::views::{EventFilterSpec, Task, TaskManager};

use super::{Wrong, all};
use crate::driver::Run;

/// More tasks than this are never kept: 200 recent ones and 10,000 that have ended.
const MOST_TASKS: usize = 10_210;

/// More events than this are never kept.
const MOST_EVENTS: usize = 5_000;

/// Whether a task has not ended.
pub(crate) fn is_busy(snapshot: &Snapshot) -> bool {
    all::<Task>(snapshot).any(|(_, task)| !has_ended(task))
}

fn has_ended(task: &Task) -> bool {
    matches!(task.info().state(), TaskInfoState::Success | TaskInfoState::Error)
}

pub(crate) fn check(snapshot: &Snapshot, wrong: &mut Wrong) {
    let mut count = 0;
    for (moref, task) in all::<Task>(snapshot) {
        count += 1;
        let info = task.info();
        let has_ended = has_ended(task);
        wrong.unless(has_ended, || format!("{moref} of {} has not ended", info.description_id()));
        wrong.unless(info.complete_time().is_some(), || format!("{moref} ended at no time"));
        wrong.unless((info.state() == TaskInfoState::Error) == info.error().is_some(), || {
            format!("{moref} is {:?} and has an error: {}", info.state(), info.error().is_some())
        });
    }
    wrong.unless(count <= MOST_TASKS, || format!("{count} tasks are kept"));
    for (_, manager) in all::<TaskManager>(snapshot) {
        wrong.unless(manager.recent_task().len() <= 200, || format!("{} recent tasks", manager.recent_task().len()));
    }
}

/// The events of old are forgotten.
pub(crate) async fn check_events(run: &Run, wrong: &mut Wrong) {
    let manager = run.content().event_manager().expect("named");
    let all = QueryEvents::with(|request| _ = request.set_filter(EventFilterSpec::new()));
    match run.call(&manager, all).await {
        Ok(events) => {
            wrong.unless(events.items().len() <= MOST_EVENTS, || format!("{} events are kept", events.items().len()));
        }
        Err(fault) => wrong.0.push(format!("the events cannot be had: {fault}")),
    }
}
