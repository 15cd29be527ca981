//! `cis/tasks`: what became of what services of this face have begun. All of it is done at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::call::Call;
use super::{Answer, ErrorKind, RestError, Result};

/// How many are remembered.
const REMEMBERED: usize = 200;

/// The tasks, by identifier.
#[derive(Clone, Default)]
pub(super) struct Tasks {
    by_id: BTreeMap<String, Value>,
    order: Vec<String>,
}

impl Call {
    /// Remembers a task that succeeded, or failed for a reason.
    pub(super) fn begin_task(&self, id: &str, service: &str, error: Option<String>) -> Result<()> {
        let now = self.service().now().to_string();
        let (service, operation) = service.rsplit_once('.').unwrap_or((service, ""));
        let mut task = json!({
            "status": if error.is_some() { "FAILED" } else { "SUCCEEDED" },
            "service": service,
            "operation": operation,
            "user": self.session.user().as_str(),
            "cancelable": false,
            "start_time": now,
            "end_time": now,
            "description": { "id": format!("{service}.{operation}"), "default_message": operation, "args": [] },
        });
        if let Some(error) = error {
            let messages = json!([{ "id": format!("{service}.failed"), "default_message": error, "args": [] }]);
            task["error"] = json!({ "error_type": "ERROR", "messages": messages });
        }
        self.change(|kept| {
            let tasks = Arc::make_mut(&mut kept.tasks);
            tasks.by_id.insert(id.into(), task);
            tasks.order.push(id.into());
            while tasks.order.len() > REMEMBERED {
                tasks.by_id.remove(&tasks.order.remove(0));
            }
            Ok(())
        })
    }
}

/// Answers what is below `cis/tasks`.
pub(super) fn answer(call: &Call, rest: &[&str]) -> Result {
    let kept = call.kept();
    let tasks = &kept.tasks.by_id;
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(Answer::Value(json!(tasks))),
        ("GET", [id]) => {
            let message = || format!("There is no task '{id}'.");
            let missing = || RestError::new(ErrorKind::NotFound, "com.vmware.cis.tasks.not_found", message());
            tasks.get(*id).cloned().map(Answer::Value).ok_or_else(missing)
        }
        _ => Err(call.unknown()),
    }
}
