//! Questions that a machine asks before it goes on.
//!
//! A machine that was copied or moved by its files asks whether it was moved or copied when it is first started. Ours knows,
//! and so does not ask. What is asked is in `runtime.question`, where a saved inventory may have it.

use vimsim_types::method::AnswerVM;
use vimsim_types::views::{ConcurrentAccess, VirtualMachine, VirtualMachineRuntimeInfo};
use vimsim_types::{Fault, Value, View};

use crate::call::Call;

/// Answers the machine's question.
///
/// - `InvalidArgument` for an answer that is not among the choices; `ConcurrentAccess` if that question is not, or no more,
///   asked.
pub(super) fn answer_vm(call: &mut Call<'_, VirtualMachine>, request: AnswerVM) -> Result<(), Fault> {
    let question = call.this()?.runtime().question().filter(|question| question.id() == request.question_id());
    let Some(question) = question else {
        let why = format!("the question '{}' is not asked", request.question_id());
        return Err(Fault::new(ConcurrentAccess::new(), why));
    };
    let mut choices = question.choice().choice_info().iter();
    if !choices.any(|choice| choice.key() == request.answer_choice()) {
        let why = format!("'{}' is no answer to the question", request.answer_choice());
        return Err(Fault::invalid_argument("answerChoice", why));
    }
    let runtime = call.this_mut()?.runtime_mut();
    runtime.as_object_mut().set(VirtualMachineRuntimeInfo::QUESTION, Value::Unset);
    Ok(())
}
