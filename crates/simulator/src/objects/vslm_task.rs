//! `VslmTask`: a task, as the service of first class disks shows it. It is a `Task` under another name.

use vimsim_types::method::{VslmCancelTask, VslmQueryInfo, VslmQueryTaskResult};
use vimsim_types::views::{InvalidState, Task, VslmTask, VslmTaskInfo, VslmTaskReasonUser};
use vimsim_types::{EnumView, Fault, Moref, Value, View};

use crate::call::Look;
use crate::kind::Kind;

/// The methods are those of [`Task`] objects, because these are what is there.
pub(crate) fn kind() -> Kind<VslmTask> {
    Kind::new().read(query_info).read(query_result).read(cancel)
}

fn task<'a>(look: &Look<'a, VslmTask>) -> Result<&'a Task, Fault> {
    look.get::<Task>(look.moref())
}

/// What is known of the task.
fn query_info(look: &Look<'_, VslmTask>, _: VslmQueryInfo) -> Result<VslmTaskInfo, Fault> {
    let info = task(look)?.info();
    let user = info.reason().as_object().field("userName").text().unwrap_or_default();
    Ok(VslmTaskInfo::with(|own| {
        own.set_key(info.key()).set_task(Moref::of::<VslmTask>(look.moref().value()));
        own.set_name(info.name()).set_description_id(info.description_id());
        own.set_entity(info.entity()).set_entity_name(info.entity_name());
        own.set_state(vimsim_types::enums::VslmTaskInfoState::from_name(info.state().name()));
        own.set_cancelled(info.cancelled()).set_cancelable(info.cancelable());
        if let Some(error) = info.error() {
            own.set_error(error.clone());
        }
        own.set_result(info.result().clone());
        own.set_progress(info.progress());
        own.set_reason(VslmTaskReasonUser::with(|reason| _ = reason.set_user_name(user)));
        own.set_queue_time(info.queue_time()).set_start_time(info.start_time());
        own.set_complete_time(info.complete_time()).set_event_chain_id(info.event_chain_id());
    }))
}

/// What the task has resulted in, if it has.
fn query_result(look: &Look<'_, VslmTask>, _: VslmQueryTaskResult) -> Result<Value, Fault> {
    Ok(task(look)?.info().result().clone())
}

/// - `InvalidState`: none of these tasks can be cancelled.
fn cancel(look: &Look<'_, VslmTask>, _: VslmCancelTask) -> Result<(), Fault> {
    let name = task(look)?.info().description_id();
    Err(Fault::new(InvalidState::new(), format!("{name} cannot be cancelled")))
}
