//! `TaskManager`: the tasks of late.

use std::collections::VecDeque;

use vimsim_types::enums::TaskInfoState;
use vimsim_types::views::{ManagedEntity, Task, TaskManager};
use vimsim_types::{Fault, Moref, View};

use crate::call::Call;
use crate::kind::Kind;
use crate::walk::remove_reference;

/// The number of tasks that are kept. vCenter keeps those of the last ten minutes; a number bounds memory as well when a
/// client starts thousands in a second.
const MOST_KEPT: usize = 200;

/// How many collectors a session may have at a time.
const MOST_COLLECTORS: i32 = 32;

/// The identifier of the one task manager of a vCenter or host.
pub(crate) fn moref(is_virtual_center: bool) -> Moref {
    Moref::of::<TaskManager>(if is_virtual_center { "TaskManager" } else { "ha-taskmgr" })
}

pub(crate) fn kind() -> Kind<TaskManager> {
    Kind::new().computed(TaskManager::DESCRIPTION, |_, _, _| super::task_description::description())
}

/// The task manager's own properties.
pub(crate) fn properties() -> TaskManager {
    TaskManager::with(|manager| {
        manager.set_max_collector(MOST_COLLECTORS);
        manager.set_recent_task(std::iter::empty::<Moref>());
    })
}

/// The tasks that exist, oldest first.
#[derive(Clone, Default)]
struct Kept(VecDeque<Moref>);

/// The number in a task's identifier.
pub(crate) fn number(task: &Moref) -> u64 {
    task.value().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Lists a new task as recent, here and at its entity, and forgets the oldest that have ended.
pub(crate) fn remember<T: View>(call: &mut Call<'_, T>, task: &Moref) -> Result<(), Fault> {
    let manager = moref(call.context().is_virtual_center());
    if call.object(&manager).is_none() {
        return Ok(());
    }
    call.edit::<TaskManager>(&manager)?.push_recent_task(task.clone());
    let entity = call.moref();
    if call.view::<ManagedEntity>(&entity).is_some() {
        call.edit::<ManagedEntity>(&entity)?.push_recent_task(task.clone());
    }
    let kept = &mut call.private::<Kept>(&manager)?.0;
    kept.push_back(task.clone());
    let surplus: Vec<Moref> = kept.iter().take(kept.len().saturating_sub(MOST_KEPT)).cloned().collect();
    for task in surplus {
        let ended = call
            .view::<Task>(&task)
            .is_none_or(|task| matches!(task.info().state(), TaskInfoState::Success | TaskInfoState::Error));
        if ended {
            forget(call, &manager, &task)?;
        }
    }
    Ok(())
}

fn forget<T>(call: &mut Call<'_, T>, manager: &Moref, task: &Moref) -> Result<(), Fault> {
    let entity = call.view::<Task>(task).and_then(|task| task.info().entity());
    remove_reference(&mut call.edit::<TaskManager>(manager)?.recent_task_mut(), task);
    call.private::<Kept>(manager)?.0.retain(|known| known != task);
    if let Some(entity) = entity.filter(|entity| call.object(entity).is_some()) {
        remove_reference(&mut call.edit::<ManagedEntity>(&entity)?.recent_task_mut(), task);
    }
    call.remove(task);
    Ok(())
}
