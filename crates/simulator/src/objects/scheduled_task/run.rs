//! Waiting for a scheduled task's time, and calling its method.

use std::sync::Arc;
use std::time::Duration;

use vimsim_types::enums::TaskInfoState;
use vimsim_types::views::{
    MethodAction, ScheduledTask, ScheduledTaskCompletedEvent, ScheduledTaskFailedEvent, ScheduledTaskStartedEvent,
    Task, TaskReasonSchedule,
};
use vimsim_types::{Fault, Method, Moref, Object, Value, View};

use super::{Kept, call_of, post, set_next};
use crate::call::{Call, Context, Wait, not_found};
use crate::kind::Handler;
use crate::objects::authorization_manager::Access;
use crate::service::Service;
use crate::session::Session;

/// Waits for the times of a scheduled task and runs it, until it is changed, removed, or runs no more.
pub(super) async fn wait(service: Arc<Service>, moref: Moref, plan: u64) {
    loop {
        let snapshot = service.registry().snapshot();
        let is_current = snapshot.object(&moref).and_then(|object| object.private::<Kept>());
        if is_current.is_none_or(|kept| kept.plan != plan) {
            return;
        }
        let Some(due) = snapshot.view::<ScheduledTask>(&moref).and_then(|task| task.info().next_run_time()) else {
            return;
        };
        let left = due.micros() - service.clock().now().micros();
        if left > 0 {
            // The service's clock may be one that somebody moves by hand.
            let nap = u64::try_from(left).unwrap_or_default().min(if left > 10_000_000 { 500_000 } else { 50_000 });
            tokio::time::sleep(Duration::from_micros(nap)).await;
            continue;
        }
        // While it still runs, because somebody has it run by hand, this time is left out.
        let begun = service.transact::<ScheduledTask, bool>(&moref, |call| {
            let this = call.moref();
            let is_idle = call.this()?.info().state() != TaskInfoState::Running;
            if is_idle {
                begin(call, &this)?;
            }
            let now = call.now();
            set_next(call.this_mut()?.info_mut(), now);
            Ok(is_idle)
        });
        match begun {
            Ok(true) => run(service.clone(), moref.clone()).await,
            Ok(false) => {}
            Err(fault) => {
                tracing::error!(%moref, %fault, "a scheduled task could not run");
                return;
            }
        }
    }
}

/// Writes down that the task runs.
pub(super) fn begin(call: &mut Call<'_, ScheduledTask>, moref: &Moref) -> Result<(), Fault> {
    let now = call.now();
    let info = call.edit::<ScheduledTask>(moref)?.info_mut();
    info.set_state(TaskInfoState::Running).set_prev_run_time(now);
    let object = info.as_object_mut();
    for slot in [
        vimsim_types::views::ScheduledTaskInfo::ERROR,
        vimsim_types::views::ScheduledTaskInfo::RESULT,
        vimsim_types::views::ScheduledTaskInfo::PROGRESS,
    ] {
        object.set(slot, Value::Unset);
    }
    post(call, moref, ScheduledTaskStartedEvent::new())
}

/// Calls the method of a task that has begun, and writes down what came of it.
pub(super) async fn run(service: Arc<Service>, moref: Moref) {
    let result = act(&service, &moref).await;
    let written = service.transact::<ScheduledTask, ()>(&moref, |call| {
        let info = call.this_mut()?.info_mut();
        info.set_active_task(None);
        match result {
            Ok(value) => {
                info.set_state(TaskInfoState::Success);
                info.as_object_mut().set(vimsim_types::views::ScheduledTaskInfo::RESULT, value);
                post(call, &moref, ScheduledTaskCompletedEvent::new())
            }
            Err(fault) => {
                let reason = fault.localized();
                info.set_state(TaskInfoState::Error).set_error(reason.clone());
                post(call, &moref, ScheduledTaskFailedEvent::with(|event| _ = event.set_reason(reason)))
            }
        }
    });
    // It may be gone with its object, which may be what it did.
    if let Err(fault) = written {
        tracing::debug!(%moref, %fault, "a scheduled task is gone");
    }
}

/// Calls the method, and waits for the task that it may start. Answers the result.
async fn act(service: &Arc<Service>, moref: &Moref) -> Result<Value, Fault> {
    let snapshot = service.registry().snapshot();
    let object = snapshot.object(moref).ok_or_else(|| not_found(moref))?;
    let session = object.private::<Kept>().and_then(|kept| kept.session.clone());
    let info = object.view::<ScheduledTask>().ok_or_else(|| not_found(moref))?.info();
    let (name, target) = (info.name().clone(), info.task_object());
    let action = info.action().downcast::<MethodAction>();
    let action = action.ok_or_else(|| Fault::invalid_request("the scheduled task calls no method"))?;
    let (method, arguments) = call_of(&target, action)?;
    let answer = invoke(service, session, method, &target, arguments).await?;
    let Some(task) = answer.moref().filter(Moref::is::<Task>) else { return Ok(answer) };
    service.transact::<ScheduledTask, ()>(moref, |call| {
        let this = call.moref();
        call.this_mut()?.info_mut().set_active_task(task.clone());
        if call.object(&task).is_some() {
            call.edit::<Task>(&task)?.info_mut().set_reason(TaskReasonSchedule::with(|reason| {
                reason.set_name(&name).set_scheduled_task(this);
            }));
        }
        Ok(())
    })?;
    end_of(service, &task).await
}

/// Calls a method as the user of this session would.
///
/// - `ManagedObjectNotFound`, `NoPermission`, `NotSupported`; what the method raises.
async fn invoke(
    service: &Arc<Service>,
    session: Option<Arc<Session>>,
    method: &'static Method,
    this: &Moref,
    arguments: Object,
) -> Result<Value, Fault> {
    let snapshot = service.registry().snapshot();
    let mut context = Context::internal(service.clone(), false);
    context.session.clone_from(&session);
    context.method = Some(method);
    snapshot.object(this).ok_or_else(|| not_found(this))?;
    if let Some(access) = Access::of(&snapshot, session.as_deref(), context.is_virtual_center()) {
        access.check_call(method, this, &arguments)?;
    }
    let handler = service.kinds().handler(this.kind(), method.request).cloned();
    let waiting = match handler {
        Some(Handler::Wait(run)) => {
            let version = context.version;
            run(Wait { service: service.clone(), session, version, this: this.clone() }, arguments)
        }
        Some(Handler::Read(run)) => return run(&snapshot, &context, this.clone(), arguments),
        Some(Handler::Write(run)) => {
            return service.in_context(method.name, context, |transaction, context| {
                run(transaction, context, this.clone(), arguments)
            });
        }
        None => {
            let why = format!("{} is not simulated", method.name);
            return Err(Fault::new(vimsim_types::views::NotSupported::new(), why));
        }
    };
    waiting.await
}

/// Waits for a task to end, and answers its result.
async fn end_of(service: &Arc<Service>, task: &Moref) -> Result<Value, Fault> {
    let mut versions = service.registry().subscribe();
    loop {
        versions.borrow_and_update();
        let snapshot = service.registry().snapshot();
        let Some(info) = snapshot.view::<Task>(task).map(|task| task.info()) else { return Ok(Value::Unset) };
        match info.state() {
            TaskInfoState::Success => return Ok(info.result().clone()),
            TaskInfoState::Error => {
                let fault = info.error().map(|error| {
                    let message = error.localized_message().cloned().unwrap_or_default();
                    Fault::from_object(error.fault().as_object().clone(), message)
                });
                return Err(fault.unwrap_or_else(|| Fault::invalid_request("the task failed")));
            }
            TaskInfoState::Queued | TaskInfoState::Running => {}
        }
        drop(snapshot);
        if versions.changed().await.is_err() {
            return Ok(Value::Unset);
        }
    }
}
