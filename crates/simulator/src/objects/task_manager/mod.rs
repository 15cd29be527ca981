//! `TaskManager`: the tasks of late.

mod filter;

use archery::ArcTK;
use rpds::{Queue, Vector};
use vimsim_registry::ManagedObject;
use vimsim_types::enums::TaskInfoState;
use vimsim_types::method::{
    CreateCollectorForTasks, CreateCollectorWithInfoFilterForTasks, CreateTask, ReadNextTasksByViewSpec,
};
use vimsim_types::views::{
    ExtensionManager, ManagedEntity, NotSupported, Task, TaskEvent, TaskInfo, TaskManager, TaskManagerViewByStartId,
    TaskReasonUser,
};
use vimsim_types::{Fault, ItemsMut, Moref, View};

pub(crate) use self::filter::Filter;
use super::history::{self, Made};
use super::task_history_collector;
use crate::call::{Call, Look};
use crate::kind::Kind;
use crate::walk::Inventory;

/// The number of tasks that `recentTask` lists.
const MOST_LISTED: usize = 200;
/// How many seconds a task that has ended can still be read, as in vCenter: who started many and waits for one after the
/// other finds each of them.
const KEPT_SECONDS: i64 = 600;
/// The number of ended tasks that can be read, however young: a bound on memory.
const MOST_ENDED: usize = 10_000;
/// The number of older tasks whose information is kept at least; up to twice as many are.
const MOST_PAST: usize = 1_000;

/// How many collectors a session may have at a time.
const MOST_COLLECTORS: i32 = 32;

/// The identifier of the one task manager of a vCenter or host.
pub(crate) fn moref(is_virtual_center: bool) -> Moref {
    Moref::of::<TaskManager>(if is_virtual_center { "TaskManager" } else { "ha-taskmgr" })
}

pub(crate) fn kind() -> Kind<TaskManager> {
    Kind::new()
        .computed(TaskManager::DESCRIPTION, |_, _, _| super::task_description::description())
        .write(create_collector_for_tasks)
        .write(create_task)
        .write(create_collector_with_info_filter)
        .read(read_next_tasks_by_view_spec)
}

/// The task manager's own properties.
pub(crate) fn properties() -> TaskManager {
    TaskManager::with(|manager| {
        manager.set_max_collector(MOST_COLLECTORS);
        manager.set_recent_task(std::iter::empty::<Moref>());
    })
}

/// The tasks, oldest first.
///
/// ```text
///  recentTask (a property) ──▶ ended (not listed, can be read) ──▶ past (what is known of tasks that are gone)
/// ```
#[derive(Clone)]
pub(crate) struct Kept {
    ended: Queue<Moref, ArcTK>,
    past: Vector<TaskInfo, ArcTK>,
    pub(crate) collectors: Made,
}

impl Default for Kept {
    fn default() -> Self {
        Self { ended: Queue::new_with_ptr_kind(), past: Vector::new_with_ptr_kind(), collectors: Made::default() }
    }
}

/// What is known of all tasks, with their numbers; oldest first.
pub(crate) fn all<'a>(manager: &'a ManagedObject, inventory: &'a impl Inventory) -> Vec<(i64, &'a TaskInfo)> {
    let kept = manager.private::<Kept>();
    let recent = manager.view::<TaskManager>().into_iter().flat_map(|manager| manager.recent_task().iter());
    let existing = kept.into_iter().flat_map(|kept| kept.ended.iter().cloned()).chain(recent);
    let existing = existing.filter_map(|task| Some(inventory.seen::<Task>(&task)?.info()));
    let past = kept.into_iter().flat_map(|kept| kept.past.iter());
    let number = |info: &TaskInfo| i64::try_from(number(&info.task())).unwrap_or(i64::MAX);
    let mut all: Vec<_> = past.chain(existing).map(|info| (number(info), info)).collect();
    all.sort_by_key(|(number, _)| *number);
    all
}

impl Kept {
    fn remember_past(&mut self, info: Option<TaskInfo>) {
        if let Some(info) = info {
            self.past.push_back_mut(info);
        }
        if self.past.len() > 2 * MOST_PAST {
            let mut past = Vector::new_with_ptr_kind();
            for info in self.past.iter().skip(self.past.len() - MOST_PAST) {
                past.push_back_mut(info.clone());
            }
            self.past = past;
        }
    }
}

/// The number in a task's identifier.
pub(crate) fn number(task: &Moref) -> u64 {
    task.value().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Lists a new task as recent, here and at its entity, writes down that it began, and forgets the oldest that have ended.
pub(crate) fn remember(call: &mut Call<'_, ()>, task: &Moref) -> Result<(), Fault> {
    let context = call.context();
    let manager = moref(context.is_virtual_center());
    if call.object(&manager).is_none() {
        return Ok(());
    }
    call.edit::<TaskManager>(&manager)?.push_recent_task(task.clone());
    let entity = call.moref();
    if call.view::<ManagedEntity>(&entity).is_some() {
        call.edit::<ManagedEntity>(&entity)?.push_recent_task(task.clone());
    }
    // What the model is made of is not what somebody did.
    if !context.at_once {
        let info = call.get::<Task>(task)?.info().clone();
        let chain = info.event_chain_id();
        call.post_in_chain(&entity, Some(chain), TaskEvent::with(|event| _ = event.set_info(info)))?;
    }
    let recent = call.get::<TaskManager>(&manager)?.recent_task();
    let surplus: Vec<Moref> = recent.iter().take(recent.len().saturating_sub(MOST_LISTED)).collect();
    for task in surplus {
        let ended = call
            .view::<Task>(&task)
            .is_none_or(|task| matches!(task.info().state(), TaskInfoState::Success | TaskInfoState::Error));
        if ended {
            unlist(call, &manager, &task)?;
            // Nobody waits for the tasks that the model was made by.
            if context.at_once {
                forget(call, &manager, &task)?;
            } else {
                call.private::<Kept>(&manager)?.ended.enqueue_mut(task);
            }
        }
    }
    forget_old(call, &manager)
}

/// Forgets the ended tasks that are too old, or too many.
fn forget_old(call: &mut Call<'_, ()>, manager: &Moref) -> Result<(), Fault> {
    let oldest = call.now().plus_seconds(-KEPT_SECONDS);
    loop {
        let kept = call.object(manager).and_then(|object| object.private::<Kept>());
        let Some(ended) = kept.map(|kept| &kept.ended) else { return Ok(()) };
        let is_full = ended.len() > MOST_ENDED;
        let Some(task) = ended.peek().cloned() else { return Ok(()) };
        let is_young = |task: &Task| task.info().complete_time().is_some_and(|time| time >= oldest);
        if !is_full && call.view::<Task>(&task).is_some_and(is_young) {
            return Ok(());
        }
        call.private::<Kept>(manager)?.ended.dequeue_mut();
        forget(call, manager, &task)?;
    }
}

/// Removes a task that nothing lists.
fn forget(call: &mut Call<'_, ()>, manager: &Moref, task: &Moref) -> Result<(), Fault> {
    let info = call.view::<Task>(task).map(|task| task.info().clone());
    call.private::<Kept>(manager)?.remember_past(info);
    call.remove(task);
    Ok(())
}

/// Takes a task off the lists of recent ones.
fn unlist(call: &mut Call<'_, ()>, manager: &Moref, task: &Moref) -> Result<(), Fault> {
    let entity = call.view::<Task>(task).and_then(|task| task.info().entity());
    remove_oldest(&mut call.edit::<TaskManager>(manager)?.recent_task_mut(), task);
    if let Some(entity) = entity.filter(|entity| call.object(entity).is_some()) {
        let entity = call.edit::<ManagedEntity>(&entity)?;
        remove_oldest(&mut entity.recent_task_mut(), task);
        if entity.recent_task().is_empty() {
            // An empty list for each of many thousand entities would be a waste.
            entity.as_object_mut().set(ManagedEntity::RECENT_TASK, vimsim_types::Value::Unset);
        }
    }
    Ok(())
}

/// Removes a task from a list; most often it is the first.
fn remove_oldest(tasks: &mut ItemsMut<'_, Moref>, task: &Moref) {
    let is_first = tasks.values().first().and_then(|first| first.moref()).as_ref() == Some(task);
    if is_first {
        tasks.values().remove(0);
    } else {
        tasks.retain(|known| known.value() != task.value());
    }
}

/// Creates a collector of the tasks that pass a filter, for the caller's session.
///
/// - `InvalidState` if the session has `maxCollector` of them already; `ManagedObjectNotFound` for an entity of the
///   filter that is not there; `NotSupported` on a host, which keeps no history.
fn create_collector_for_tasks(
    call: &mut Call<'_, TaskManager>,
    request: CreateCollectorForTasks,
) -> Result<Moref, Fault> {
    if !call.context().is_virtual_center() {
        return Err(Fault::new(NotSupported::new(), "a host keeps no history of tasks"));
    }
    task_history_collector::create(call, request.filter(), None)
}

/// [`create_collector_for_tasks`], of which the tasks are shown with or without their results.
///
/// - As there.
fn create_collector_with_info_filter(
    call: &mut Call<'_, TaskManager>,
    request: CreateCollectorWithInfoFilterForTasks,
) -> Result<Moref, Fault> {
    if !call.context().is_virtual_center() {
        return Err(Fault::new(NotSupported::new(), "a host keeps no history of tasks"));
    }
    task_history_collector::create(call, request.filter(), request.info_filter())
}

/// So many of the tasks that pass a filter, from one on; oldest first.
///
/// - `InvalidArgument` for a count that is not within 1 and 1,000; `ManagedObjectNotFound` for an entity of the filter.
fn read_next_tasks_by_view_spec(
    look: &Look<'_, TaskManager>,
    request: ReadNextTasksByViewSpec,
) -> Result<Vec<TaskInfo>, Fault> {
    let view = request.view_spec().downcast::<TaskManagerViewByStartId>();
    let count = view.map_or(Ok(usize::MAX), |view| history::count(view.count()))?;
    let start = view.map_or("", |view| view.start_id().as_str());
    let start: i64 = start.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    let filter = Filter::new(request.filter_spec(), look.snapshot())?;
    let filter = filter.showing(request.info_filter_spec());
    let tasks = task_history_collector::matching(look.snapshot(), look.context(), &filter).into_iter();
    let tasks = tasks.filter(|(number, _)| *number >= start).take(count);
    Ok(tasks.map(|(_, info)| filter.shown(info)).collect())
}

/// Creates a task that an extension carries out and reports on.
///
/// - `InvalidArgument` for a type that no extension has declared; `ManagedObjectNotFound` for an object that is not there.
fn create_task(call: &mut Call<'_, TaskManager>, request: CreateTask) -> Result<TaskInfo, Fault> {
    let id = request.task_type_id();
    let extensions = call.view::<ExtensionManager>(&Moref::of::<ExtensionManager>("ExtensionManager"));
    let declared = extensions.is_some_and(|manager| {
        manager.extension_list().iter().flat_map(|extension| extension.task_list()).any(|task| task.task_id() == id)
    });
    if !declared {
        return Err(Fault::invalid_argument("taskType", format!("no extension has tasks of type '{id}'")));
    }
    let inventory: &vimsim_registry::Transaction = call;
    let object = inventory.find(&request.obj()).ok_or_else(|| crate::call::not_found(&request.obj()))?.moref().clone();
    let (now, user) = (call.now(), call.context().user());
    let user = request.initiated_by().cloned().unwrap_or(user);
    let task = call.create_moref(Task::TYPE);
    let info = TaskInfo::with(|info| {
        info.set_key(task.value()).set_task(task.clone());
        info.set_description_id(id);
        if let Some(entity) = call.view::<ManagedEntity>(&object) {
            info.set_entity(object.clone()).set_entity_name(entity.name());
        }
        info.set_state(TaskInfoState::Queued).set_cancelled(false).set_cancelable(request.cancelable());
        info.set_reason(TaskReasonUser::with(|reason| _ = reason.set_user_name(user)));
        info.set_queue_time(now);
        info.set_event_chain_id(i32::try_from(number(&task)).unwrap_or_default());
        info.set_parent_task_key(request.parent_task_key()).set_activation_id(request.activation_id());
    });
    call.insert(task.clone(), Task::with(|task| _ = task.set_info(info.clone())));
    remember(&mut call.on(&object), &task)?;
    Ok(info)
}
