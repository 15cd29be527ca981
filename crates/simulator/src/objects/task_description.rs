//! `TaskManager.description`: what operations are called. Made when somebody asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use vimsim_types::enums::TaskInfoState;
use vimsim_types::table::Kind as TypeKind;
use vimsim_types::views::{ElementDescription, ManagedEntity, TaskDescription};
use vimsim_types::{EnumView, Method, Namespace, TypeId, Value, View};

use super::descriptions::{element, type_description, words};

/// The labels of operations, by description identifier.
fn labels() -> &'static BTreeMap<&'static str, &'static str> {
    static LABELS: OnceLock<BTreeMap<&str, &str>> = OnceLock::new();
    LABELS.get_or_init(|| {
        let lines = include_str!("../../data/task_labels.txt").lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once(' ')).collect()
    })
}

/// What an operation is called: `Power On virtual machine` for `VirtualMachine.powerOn`.
pub(crate) fn label(description_id: &str) -> String {
    match labels().get(description_id) {
        Some(label) => (*label).into(),
        None => words(description_id.rsplit('.').next().unwrap_or(description_id)),
    }
}

/// The description identifiers of all methods; those of entities also under the name of each type of entity.
fn identifiers() -> BTreeSet<String> {
    let entities: Vec<TypeId> =
        TypeId::all().filter(|kind| kind.is_a(ManagedEntity::TYPE) && kind.info().kind == TypeKind::Managed).collect();
    let mut found = BTreeSet::new();
    for method in Method::all().iter().filter(|method| method.namespace() == Namespace::VIM25) {
        found.insert(method.vmodl.to_string());
        let name = method.vmodl.rsplit('.').next().unwrap_or(method.vmodl);
        for kind in entities.iter().filter(|kind| kind.is_a(method.owner)) {
            found.insert(format!("{}.{name}", kind.name()));
        }
    }
    found
}

/// `description`
pub(crate) fn description() -> Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| Value::Object(describe().into())).clone()
}

fn describe() -> TaskDescription {
    let mut keys = identifiers();
    keys.extend(labels().keys().map(|key| (*key).to_string()));
    let methods = keys.iter().map(|key| {
        let label = label(key);
        element(key, &label, &label)
    });
    TaskDescription::with(|description| {
        description.set_method_info(methods.collect::<Vec<ElementDescription>>());
        description.set_state(TaskInfoState::ALL.iter().map(|state| {
            let (label, summary) = match state {
                TaskInfoState::Queued => ("Queued", "Task is queued"),
                TaskInfoState::Running => ("Running", "Task is in progress"),
                TaskInfoState::Success => ("Success", "Task completed successfully"),
                TaskInfoState::Error => ("Error", "Task completed with a failure"),
            };
            element(state.name(), label, summary)
        }));
        description.set_reason([
            type_description("TaskReasonSchedule", "Scheduled task", "Task started by a scheduled task"),
            type_description("TaskReasonUser", "User task", "Task started by a specific user"),
            type_description("TaskReasonSystem", "System task", "Task started by the server"),
            type_description("TaskReasonAlarm", "Alarm task", "Task started by an alarm"),
        ]);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_labels() {
        assert_eq!(label("VirtualMachine.powerOn"), "Power On virtual machine");
        assert_eq!(label("Folder.aNewOne"), "A new one");
        let value = description();
        let description = TaskDescription::from_ref(value.object().expect("set")).expect("of this type");
        assert!(description.method_info().len() > 1_400);
    }
}
