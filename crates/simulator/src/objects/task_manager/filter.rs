//! Which tasks a filter asks for.

use vimsim_types::enums::{TaskFilterSpecRecursionOption, TaskFilterSpecTimeOption};
use vimsim_types::views::{
    TaskFilterSpec, TaskInfo, TaskInfoFilterSpec, TaskInfoFilterSpecFilterTaskResults, TaskReasonAlarm,
    TaskReasonSchedule, TaskReasonUser,
};
use vimsim_types::{Fault, View};

use crate::walk::Inventory;

/// What is asked for.
#[derive(Clone)]
pub(crate) struct Filter(TaskFilterSpec, Option<TaskInfoFilterSpecFilterTaskResults>);

impl Filter {
    /// The filter of a specification.
    ///
    /// - `ManagedObjectNotFound` for an entity that is not there.
    pub(crate) fn new(spec: &TaskFilterSpec, inventory: &impl Inventory) -> Result<Self, Fault> {
        match spec.entity().map(|by| by.entity()) {
            Some(entity) if inventory.find(&entity).is_none() => Err(crate::call::not_found(&entity)),
            _ => Ok(Self(spec.clone(), None)),
        }
    }

    /// The filter that shows of tasks what this asks for.
    pub(crate) fn showing(self, info: Option<&TaskInfoFilterSpec>) -> Self {
        Self(self.0, info.and_then(|info| info.filter_task_results()).cloned())
    }

    /// What is shown of a task: all of it, or not its result.
    pub(crate) fn shown(&self, info: &TaskInfo) -> TaskInfo {
        let mut shown = info.clone();
        let is_hidden = self.1.as_ref().is_some_and(|results| {
            let is_named = results.description_ids().contains(info.description_id());
            let is_wanted = results.filter_in().unwrap_or_default() == is_named;
            results.remove_all().unwrap_or_default() || (!results.description_ids().is_empty() && !is_wanted)
        });
        if is_hidden {
            shown.as_object_mut().set(TaskInfo::RESULT, vimsim_types::Value::Unset);
        }
        shown
    }

    /// Whether the task is asked for.
    pub(crate) fn matches(&self, info: &TaskInfo, inventory: &impl Inventory) -> bool {
        let spec = &self.0;
        let reason = info.reason();
        let alarm = reason.downcast::<TaskReasonAlarm>().map(|reason| reason.alarm());
        let scheduled = reason.downcast::<TaskReasonSchedule>().map(|reason| reason.scheduled_task());
        let keyed = |wanted: vimsim_types::Items<'_, vimsim_types::ArcStr>, key: Option<&vimsim_types::ArcStr>| {
            wanted.is_empty() || key.is_some_and(|key| wanted.contains(key))
        };
        (spec.state().is_empty() || spec.state().iter().any(|state| state == info.state()))
            && (spec.event_chain_id().is_empty() || spec.event_chain_id().iter().any(|id| id == info.event_chain_id()))
            && keyed(spec.tag(), info.change_tag())
            && keyed(spec.activation_id(), info.activation_id())
            && keyed(spec.parent_task_key(), info.parent_task_key())
            && keyed(spec.root_task_key(), info.root_task_key())
            && (spec.alarm().is_none() || spec.alarm() == alarm)
            && (spec.scheduled_task().is_none() || spec.scheduled_task() == scheduled)
            && self.is_in_time(info)
            && self.is_by_user(info)
            && self.is_within(info, inventory)
    }

    fn is_in_time(&self, info: &TaskInfo) -> bool {
        let Some(by) = self.0.time() else { return true };
        let time = match by.time_type() {
            TaskFilterSpecTimeOption::QueuedTime => Some(info.queue_time()),
            TaskFilterSpecTimeOption::StartedTime => info.start_time(),
            TaskFilterSpecTimeOption::CompletedTime => info.complete_time(),
        };
        time.is_some_and(|time| {
            by.begin_time().is_none_or(|begin| begin <= time) && by.end_time().is_none_or(|end| time <= end)
        })
    }

    fn is_by_user(&self, info: &TaskInfo) -> bool {
        let Some(by) = self.0.user_name() else { return true };
        let user = info.reason().downcast::<TaskReasonUser>().map(|reason| reason.user_name());
        match user.filter(|user| !user.is_empty()) {
            Some(user) => by.user_list().contains(user),
            None => by.system_user(),
        }
    }

    fn is_within(&self, info: &TaskInfo, inventory: &impl Inventory) -> bool {
        let Some(by) = self.0.entity() else { return true };
        let wanted = by.entity();
        let Some(entity) = info.entity() else { return false };
        let is_self = entity.value() == wanted.value();
        let is_below = || inventory.ancestry(&entity).iter().any(|above| above.value() == wanted.value());
        match by.recursion() {
            TaskFilterSpecRecursionOption::Self_ => is_self,
            TaskFilterSpecRecursionOption::Children => !is_self && is_below(),
            TaskFilterSpecRecursionOption::All => is_self || is_below(),
        }
    }
}
