//! The events of a task that fails. Its transaction leaves nothing behind, and so not the events that it posted either: those
//! that are to stay are posted afterwards, with the failure.

use std::cell::RefCell;

use vimsim_registry::Transaction;
use vimsim_types::method::PowerOnVMTask;
use vimsim_types::views::{Task, VirtualMachine, VmFailedToPowerOnEvent};
use vimsim_types::{Fault, MethodView, Moref, Object, Value, View};

use crate::call::{Call, Context};

/// The events of a failure: to whom they happen, in their order. A `reason` is filled in when it is known.
#[derive(Default)]
pub(crate) struct IfFailed(RefCell<Vec<(Moref, Object)>>);

impl<T> Call<'_, T> {
    /// Has the event posted if the task fails that this call is the body of.
    pub(crate) fn post_if_failed(&self, subject: &Moref, event: impl View) {
        self.context().if_failed.0.borrow_mut().push((subject.clone(), event.into()));
    }
}

/// Posts what tells of a task's failure.
pub(crate) fn post_failure(
    transaction: &mut Transaction,
    context: &Context,
    task: &Moref,
    fault: &Fault,
) -> Result<(), Fault> {
    let mut events = context.if_failed.0.take();
    let entity = transaction.view::<Task>(task).and_then(|task| task.info().entity());
    if context.method.is_some_and(|method| std::ptr::eq(method, PowerOnVMTask::method()))
        && let Some(machine) = entity.filter(|entity| entity.is::<VirtualMachine>())
    {
        events.push((machine, VmFailedToPowerOnEvent::with(|event| _ = event.set_template(false)).into()));
    }
    for (subject, mut event) in events {
        if transaction.object(&subject).is_none() {
            continue;
        }
        if let Some(slot) = event.kind().info().slot("reason") {
            event.set(slot, Value::Object(fault.clone().localized().into()));
        }
        let mut call: Call<'_, ()> = Call::new(transaction, context, subject.clone());
        call.post_of_task(&subject, event)?;
    }
    Ok(())
}
