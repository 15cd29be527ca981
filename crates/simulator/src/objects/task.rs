//! `Task`: one operation under way, or done.

use vimsim_types::enums::TaskInfoState;
use vimsim_types::method::{CancelTask, SetTaskDescription, SetTaskState, UpdateProgress};
use vimsim_types::views::{InvalidState, LocalizedMethodFault, OutOfBounds, RequestCanceled, Task, TaskInfo};
use vimsim_types::{Fault, View};

use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<Task> {
    Kind::new().write(cancel).write(update_progress).write(set_task_state).write(set_task_description)
}

/// Cancels the task. One that has not begun ends at once with `RequestCanceled`; one under way is asked to end.
///
/// - `InvalidState` if it has ended; `NotSupported` if it cannot be cancelled.
fn cancel(call: &mut Call<'_, Task>, _: CancelTask) -> Result<(), Fault> {
    check_active(call)?;
    let now = call.now();
    let info = call.this_mut()?.info_mut();
    info.set_cancelled(true);
    if info.state() == TaskInfoState::Queued {
        info.set_state(TaskInfoState::Error);
        info.set_error(Fault::from(RequestCanceled::new()).localized());
        info.set_complete_time(now);
    }
    Ok(())
}

/// Says how far the task is, in percent.
///
/// - `OutOfBounds` unless from 0 to 100; `InvalidState` if the task is not running.
fn update_progress(call: &mut Call<'_, Task>, request: UpdateProgress) -> Result<(), Fault> {
    let percent = request.percent_done();
    if !(0..=100).contains(&percent) {
        let detail = OutOfBounds::with(|fault| {
            fault.set_argument_name("percentDone");
        });
        return Err(Fault::new(detail, format!("percentDone is {percent}, not within 0 and 100")));
    }
    if call.this()?.info().state() != TaskInfoState::Running {
        return Err(invalid_state(call)?);
    }
    call.this_mut()?.info_mut().set_progress(percent);
    Ok(())
}

/// Puts the task into another state, as an extension does with its own tasks.
///
/// - `InvalidState` if it has ended.
fn set_task_state(call: &mut Call<'_, Task>, request: SetTaskState) -> Result<(), Fault> {
    check_active(call)?;
    let now = call.now();
    let info = call.this_mut()?.info_mut();
    info.set_state(request.state());
    match request.state() {
        TaskInfoState::Queued => {}
        TaskInfoState::Running => {
            info.set_start_time(now);
        }
        TaskInfoState::Success => {
            info.as_object_mut().set(TaskInfo::RESULT, request.result().clone());
            info.set_complete_time(now);
        }
        TaskInfoState::Error => {
            let fault = request.fault().cloned().unwrap_or_else(|| LocalizedMethodFault::with(|_| {}));
            info.set_error(fault);
            info.set_complete_time(now);
        }
    }
    Ok(())
}

/// Says what the task is doing.
fn set_task_description(call: &mut Call<'_, Task>, request: SetTaskDescription) -> Result<(), Fault> {
    call.this_mut()?.info_mut().set_description(request.description().clone());
    Ok(())
}

fn check_active(call: &Call<'_, Task>) -> Result<(), Fault> {
    match call.this()?.info().state() {
        TaskInfoState::Queued | TaskInfoState::Running => Ok(()),
        _ => Err(invalid_state(call)?),
    }
}

fn invalid_state(call: &Call<'_, Task>) -> Result<Fault, Fault> {
    use vimsim_types::EnumView;
    let info = call.this()?.info();
    let message = format!("the task {} is in the state {}", info.key(), info.state().name());
    Ok(Fault::new(InvalidState::new(), message))
}
