//! Sharing: thousands of machines that are alike keep what is equal in them once.

use vimsim_types::{Object, Value};

/// Lets `object` share with `model` every part in which both are equal.
///
/// A part that a machine was given (from its specification, or worked out) is its own although another machine's is equal.
/// After this it is the other machine's.
pub(super) fn share(object: &mut Object, model: &Object) {
    if object.same(model) || object.kind() != model.kind() {
        return;
    }
    for slot in 0..object.slots().len() {
        let (own, other) = (object.get(slot), model.get(slot));
        if own.same(other) || own.is_unset() || other.is_unset() {
            continue;
        }
        if own == other {
            object.set(slot, other.clone());
        } else if holds_values(own) && holds_values(other) {
            share_within(object.slot_mut(slot), other);
        }
    }
}

fn holds_values(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::List(_))
}

/// [`share`] for two values that differ.
fn share_within(own: &mut Value, model: &Value) {
    match (own, model) {
        (Value::Object(own), Value::Object(model)) => share(own, model),
        (Value::List(own), Value::List(model)) if own.items().len() == model.items().len() => {
            let pairs = own.items().iter().zip(model.items());
            if pairs.clone().all(|(own, model)| own.same(model) || own != model && !holds_values(own)) {
                return;
            }
            for (own, model) in own.items_mut().iter_mut().zip(model.items()) {
                if own.same(model) {
                } else if own == model {
                    *own = model.clone();
                } else {
                    share_within(own, model);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vimsim_types::View;
    use vimsim_types::views::VirtualMachineConfigInfo;

    #[test]
    fn equal_parts_become_one_and_values_stay() {
        let config = |name: &str| {
            VirtualMachineConfigInfo::with(|config| {
                config.set_name(name);
                config.files_mut().set_vm_path_name("[a] b/c.vmx");
                config.hardware_mut().set_num_cpu(2);
            })
        };
        let (first, mut second) = (config("one"), config("two"));
        let before = config("two");
        share(second.as_object_mut(), first.as_object());
        assert!(second.as_object() == before.as_object());
        assert!(second.hardware().as_object().same(first.hardware().as_object()));
        assert!(second.files().as_object().same(first.files().as_object()));
    }
}
