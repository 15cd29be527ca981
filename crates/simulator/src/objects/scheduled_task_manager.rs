//! `ScheduledTaskManager`: methods that are called at certain times.

use vimsim_types::method::{
    CreateObjectScheduledTask, CreateScheduledTask, RetrieveEntityScheduledTask, RetrieveObjectScheduledTask,
};
use vimsim_types::views::{ManagedEntity, ScheduledTask, ScheduledTaskManager};
use vimsim_types::{Fault, Moref};

use super::scheduled_task;
use crate::call::{Call, Look, not_found};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ScheduledTaskManager> {
    Kind::new()
        .write(create_scheduled_task)
        .write(create_object_scheduled_task)
        .read(retrieve_entity_scheduled_task)
        .read(retrieve_object_scheduled_task)
}

type Manager<'a> = Call<'a, ScheduledTaskManager>;

/// Has a method of an entity called at certain times.
///
/// - `InvalidName`, `DuplicateName`; `InvalidArgument` for a time, method or argument that cannot be; `NotSupported` for an
///   action that is no method.
fn create_scheduled_task(call: &mut Manager<'_>, request: CreateScheduledTask) -> Result<Moref, Fault> {
    call.get::<ManagedEntity>(&request.entity())?;
    scheduled_task::create(call, &request.entity(), request.spec())
}

/// Has a method of any object called at certain times. Faults as [`create_scheduled_task`] does.
fn create_object_scheduled_task(call: &mut Manager<'_>, request: CreateObjectScheduledTask) -> Result<Moref, Fault> {
    scheduled_task::create(call, &request.obj(), request.spec())
}

/// The scheduled tasks of an entity, or all.
///
/// - `ManagedObjectNotFound`
fn retrieve_entity_scheduled_task(
    look: &Look<'_, ScheduledTaskManager>,
    request: RetrieveEntityScheduledTask,
) -> Result<Vec<Moref>, Fault> {
    of(look, request.entity())
}

/// The scheduled tasks of an object, or all.
///
/// - `ManagedObjectNotFound`
fn retrieve_object_scheduled_task(
    look: &Look<'_, ScheduledTaskManager>,
    request: RetrieveObjectScheduledTask,
) -> Result<Vec<Moref>, Fault> {
    of(look, request.obj())
}

fn of(look: &Look<'_, ScheduledTaskManager>, object: Option<Moref>) -> Result<Vec<Moref>, Fault> {
    let mut found: Vec<Moref> = look.this()?.scheduled_task().iter().collect();
    if let Some(object) = object {
        look.snapshot().object(&object).ok_or_else(|| not_found(&object))?;
        let is_of = |moref: &Moref| {
            look.snapshot().view::<ScheduledTask>(moref).is_some_and(|task| task.info().task_object() == object)
        };
        found.retain(is_of);
    }
    Ok(found)
}
