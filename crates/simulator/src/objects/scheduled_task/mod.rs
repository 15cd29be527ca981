//! `ScheduledTask`: a method that is called at certain times.
//!
//! ```text
//!  CreateScheduledTask ──▶ queued ──(its time, RunScheduledTask)──▶ running ──▶ success, error ──(its next time)──▶ running ...
//! ```

mod run;
mod schedule;

use std::sync::Arc;

use vimsim_registry::Transaction;
use vimsim_types::enums::TaskInfoState;
use vimsim_types::method::{ReconfigureScheduledTask, RemoveScheduledTask, RunScheduledTask};
use vimsim_types::views::{
    DuplicateName, Event, InvalidName, InvalidState, ManagedEntity, MethodAction, NotSupported, ScheduledTask,
    ScheduledTaskCreatedEvent, ScheduledTaskEvent, ScheduledTaskEventArgument, ScheduledTaskInfo, ScheduledTaskManager,
    ScheduledTaskReconfiguredEvent, ScheduledTaskRemovedEvent, ScheduledTaskSpec,
};
use vimsim_types::{DateTime, Fault, List, Method, Moref, Namespace, Object, Value, View, table::Field, table::Ty};

use super::service_instance;
use crate::call::{Call, not_found};
use crate::kind::Kind;
use crate::session::Session;
use crate::walk::{Inventory, remove_reference};

pub(crate) fn kind() -> Kind<ScheduledTask> {
    Kind::new().write(reconfigure_scheduled_task).write(remove_scheduled_task).write(run_scheduled_task)
}

/// What is kept beside a scheduled task's properties.
#[derive(Clone, Default)]
struct Kept {
    /// On whose behalf it runs: of who made it, or changed it last.
    session: Option<Arc<Session>>,
    /// Counts the changes, so that who waits for its time knows that another waits now.
    plan: u64,
}

/// The one manager of scheduled tasks.
pub(crate) fn manager() -> Moref {
    Moref::of::<ScheduledTaskManager>("ScheduledTaskManager")
}

/// `InvalidName` for an empty name or one that is too long, `DuplicateName` if another scheduled task has it.
fn check_name<T>(call: &Call<'_, T>, name: &str, own: Option<&Moref>) -> Result<(), Fault> {
    if name.is_empty() || name.chars().count() > 80 {
        return Err(InvalidName::with(|fault| _ = fault.set_name(name)).into());
    }
    let mut others = call.get::<ScheduledTaskManager>(&manager())?.scheduled_task().iter();
    let has_name = |moref: &Moref| call.view::<ScheduledTask>(moref).is_some_and(|task| task.info().name() == name);
    match others.find(|moref| Some(moref) != own && has_name(moref)) {
        Some(other) => Err(DuplicateName::with(|fault| _ = fault.set_name(name).set_object(other)).into()),
        None => Ok(()),
    }
}

/// `InvalidArgument` for a method that the object does not have, or arguments that it does not take; `NotSupported` for
/// something else than a method.
fn check_action(object: &Moref, spec: &ScheduledTaskSpec) -> Result<(), Fault> {
    let Some(action) = spec.action().downcast::<MethodAction>() else {
        let why = format!("a {} is not simulated: only methods are called", spec.action().as_object().kind().name());
        return Err(Fault::new(NotSupported::new(), why));
    };
    call_of(object, action).map(|_| ())
}

/// The method that an action calls, and what with.
fn call_of(object: &Moref, action: &MethodAction) -> Result<(&'static Method, Object), Fault> {
    let method = Method::find(Namespace::VIM25, action.name()).filter(|method| object.kind().is_a(method.owner));
    let Some(method) = method else {
        let why = format!("{object} has no method '{}'", action.name());
        return Err(Fault::invalid_argument("spec.action.name", why));
    };
    let (fields, given) = (method.request.info().fields(), action.argument());
    if given.len() > fields.len() {
        return Err(Fault::invalid_argument("spec.action.argument", format!("{} has fewer", method.name)));
    }
    let mut arguments = Object::new(method.request);
    let mut given = given.iter().map(|argument| argument.value());
    for (slot, field) in fields.iter().enumerate() {
        let value = given.next().and_then(|value| fit(field, value)).or_else(|| missing(field));
        let Some(value) = value else {
            let why = format!("'{}' of {} is missing, or of another type", field.name, method.name);
            return Err(Fault::invalid_argument("spec.action.argument", why));
        };
        arguments.set(slot, value);
    }
    Ok((method, arguments))
}

fn missing(field: &Field) -> Option<Value> {
    (field.is_optional() || field.is_list()).then_some(Value::Unset)
}

/// A value as that of this parameter, if it is of its type.
fn fit(field: &Field, value: &Value) -> Option<Value> {
    match value {
        Value::Unset => missing(field),
        Value::List(list) if field.is_list() => {
            let items: Option<Vec<Value>> = list.items().iter().map(|item| fit_one(field.ty, item)).collect();
            Some(Value::List(List::new(field.ty, items?)))
        }
        value if !field.is_list() => fit_one(field.ty, value),
        _ => None,
    }
}

fn fit_one(ty: Ty, value: &Value) -> Option<Value> {
    let fits = match (ty, value) {
        (Ty::Long, Value::Int(number)) => return Some(Value::Long(i64::from(*number))),
        (Ty::Moref(kind), Value::Moref(..)) => value.moref().is_some_and(|moref| moref.kind().is_a(kind)),
        (Ty::Data(kind), Value::Object(object)) => object.kind().is_a(kind),
        (Ty::Enum(kind), Value::Enum(of, _)) => *of == kind,
        (Ty::Bool, Value::Bool(_))
        | (Ty::Byte, Value::Byte(_))
        | (Ty::Short, Value::Short(_))
        | (Ty::Int, Value::Int(_))
        | (Ty::Long, Value::Long(_))
        | (Ty::Float, Value::Float(_))
        | (Ty::Double, Value::Double(_))
        | (Ty::String, Value::String(_))
        | (Ty::Uri, Value::Uri(_))
        | (Ty::DateTime, Value::DateTime(_))
        | (Ty::Binary, Value::Binary(_))
        | (Ty::Any, _) => true,
        _ => false,
    };
    fits.then(|| value.clone())
}

/// Writes what a specification says into the information.
fn apply(info: &mut ScheduledTaskInfo, spec: &ScheduledTaskSpec) {
    for (slot, value) in spec.as_object().slots().iter().enumerate() {
        info.as_object_mut().set(slot, value.clone());
    }
}

/// Adds a scheduled task for an object.
///
/// - `InvalidName`, `DuplicateName`; `InvalidArgument` for a time or an action that cannot be; `NotSupported` for an action
///   that is no method; `ManagedObjectNotFound` if there is no such object.
pub(crate) fn create<T>(call: &mut Call<'_, T>, object: &Moref, spec: &ScheduledTaskSpec) -> Result<Moref, Fault> {
    let object = call.object(object).ok_or_else(|| not_found(object))?.moref().clone();
    check_name(call, spec.name(), None)?;
    schedule::check(spec.scheduler(), call.now())?;
    check_action(&object, spec)?;
    // What is no entity belongs to the root folder.
    let entity = match call.view::<ManagedEntity>(&object) {
        Some(_) => object.clone(),
        None => service_instance::root_folder(call.context().is_virtual_center()),
    };
    let moref = call.create_moref(ScheduledTask::TYPE);
    let (now, user) = (call.now(), call.context().user());
    let info = ScheduledTaskInfo::with(|info| {
        apply(info, spec);
        info.set_scheduled_task(moref.clone()).set_entity(entity).set_task_object(object);
        info.set_last_modified_time(now).set_last_modified_user(user).set_state(TaskInfoState::Queued);
    });
    call.insert(moref.clone(), ScheduledTask::with(|task| _ = task.set_info(info)));
    call.edit::<ScheduledTaskManager>(&manager())?.push_scheduled_task(moref.clone());
    post(call, &moref, ScheduledTaskCreatedEvent::new())?;
    plan(call, &moref)?;
    Ok(moref)
}

/// Tells of something that happened to a scheduled task.
fn post<T>(call: &mut Call<'_, T>, moref: &Moref, mut event: impl View) -> Result<(), Fault> {
    let info = call.get::<ScheduledTask>(moref)?.info();
    let (name, entity) = (info.name().clone(), info.entity());
    let place = call.entity_argument(&entity);
    if let Some(event) = event.downcast_mut::<ScheduledTaskEvent>() {
        event.set_entity(place);
        event.set_scheduled_task(ScheduledTaskEventArgument::with(|argument| {
            argument.set_scheduled_task(moref.clone()).set_name(name);
        }));
    }
    // It is done on behalf of who made it.
    let kept = call.object(moref).and_then(|object| object.private::<Kept>()?.session.clone());
    let user = kept.map_or_else(|| call.context().user(), |session| session.user().clone());
    match event.downcast_mut::<Event>() {
        Some(event) => _ = event.set_user_name(user),
        None => debug_assert!(false, "not an event"),
    }
    call.post(&entity, event)
}

/// Finds out when the task runs next, and waits for that.
fn plan<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let (now, session) = (call.now(), call.context().session.clone());
    let kept = call.private::<Kept>(moref)?;
    kept.session = session.or(kept.session.take());
    kept.plan += 1;
    let plan = kept.plan;
    set_next(call.edit::<ScheduledTask>(moref)?.info_mut(), now);
    let context = call.context();
    if call.get::<ScheduledTask>(moref)?.info().next_run_time().is_some() {
        context.after(run::wait(context.service.clone(), moref.clone(), plan));
    }
    Ok(())
}

/// Writes down when the task runs next.
fn set_next(info: &mut ScheduledTaskInfo, now: DateTime) {
    let next = info.enabled().then(|| schedule::next(info.scheduler(), now, info.prev_run_time())).flatten();
    info.set_next_run_time(next);
}

/// `InvalidState` while the task is running.
fn expect_idle(call: &Call<'_, ScheduledTask>) -> Result<(), Fault> {
    let info = call.this()?.info();
    match info.state() {
        TaskInfoState::Running => {
            Err(Fault::new(InvalidState::new(), format!("the scheduled task '{}' is running", info.name())))
        }
        _ => Ok(()),
    }
}

/// Changes what is done, or when.
///
/// - `InvalidState` while the task is running; else as `CreateScheduledTask`.
fn reconfigure_scheduled_task(
    call: &mut Call<'_, ScheduledTask>,
    request: ReconfigureScheduledTask,
) -> Result<(), Fault> {
    let (this, spec) = (call.moref(), request.spec());
    expect_idle(call)?;
    check_name(call, spec.name(), Some(&this))?;
    schedule::check(spec.scheduler(), call.now())?;
    check_action(&call.this()?.info().task_object(), spec)?;
    let (now, user) = (call.now(), call.context().user());
    let info = call.this_mut()?.info_mut();
    let is_same = info.scheduler().as_object() == spec.scheduler().as_object();
    apply(info, spec);
    info.set_last_modified_time(now).set_last_modified_user(user);
    if !is_same {
        // Another schedule does not go on from where the old one was.
        info.set_prev_run_time(None).set_state(TaskInfoState::Queued);
    }
    post(call, &this, ScheduledTaskReconfiguredEvent::new())?;
    plan(call, &this)
}

/// Removes the scheduled task.
///
/// - `InvalidState` while it is running.
fn remove_scheduled_task(call: &mut Call<'_, ScheduledTask>, _: RemoveScheduledTask) -> Result<(), Fault> {
    expect_idle(call)?;
    let this = call.moref();
    post(call, &this, ScheduledTaskRemovedEvent::new())?;
    forget(call, &this)
}

fn forget(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    transaction.remove(moref);
    remove_reference(&mut transaction.edit::<ScheduledTaskManager>(&manager())?.scheduled_task_mut(), moref);
    Ok(())
}

/// Removes the scheduled tasks of an object that is gone.
pub(crate) fn follow(transaction: &mut Transaction, gone: &Moref) -> Result<(), Fault> {
    let Some(known) = transaction.seen::<ScheduledTaskManager>(&manager()) else { return Ok(()) };
    if known.scheduled_task().is_empty() {
        return Ok(());
    }
    let is_of = |moref: &Moref| {
        transaction.seen::<ScheduledTask>(moref).is_some_and(|task| {
            let info = task.info();
            info.entity() == *gone || info.task_object() == *gone
        })
    };
    let own: Vec<Moref> = known.scheduled_task().iter().filter(is_of).collect();
    own.iter().try_for_each(|moref| forget(transaction, moref))
}

/// Runs the task now, whether it is enabled or not; its next time stays.
///
/// - `InvalidState` while it is running.
fn run_scheduled_task(call: &mut Call<'_, ScheduledTask>, _: RunScheduledTask) -> Result<(), Fault> {
    expect_idle(call)?;
    let this = call.moref();
    run::begin(call, &this)?;
    let context = call.context();
    context.after(run::run(context.service.clone(), this));
    Ok(())
}
