//! Sharing: thousands of machines that are alike keep what is equal in them once.

use vimsim_types::{Object, Value};

/// Lets `object` share with `model` every part in which both are equal.
///
/// A part that a machine was given (from its specification, or worked out) is its own although another machine's is equal.
/// After this it is the other machine's.
pub(super) fn share(object: &mut Object, model: &Object) {
    if let Sharing::Partly(Value::Object(shared)) = of_objects(object, model) {
        *object = shared;
    }
}

/// What two values have to share.
enum Sharing {
    /// They are one already, or nothing that takes room.
    One,
    /// All: they are equal.
    Equal,
    /// The first, with what is equal in it shared.
    Partly(Value),
    Nothing,
}

fn of(own: &Value, model: &Value) -> Sharing {
    if own.same(model) {
        return Sharing::One;
    }
    match (own, model) {
        (Value::Object(own), Value::Object(model)) => of_objects(own, model),
        (Value::List(list), Value::List(other)) if list.items().len() == other.items().len() => {
            match of_all(list.items(), other.items()) {
                Some(shared) if shared.is_empty() => Sharing::Nothing,
                Some(shared) => {
                    let mut list = list.clone();
                    let items = list.items_mut();
                    shared.into_iter().for_each(|(at, value)| items[at] = value);
                    Sharing::Partly(Value::List(list))
                }
                // An empty list of another type differs all the same.
                None if list.element() == other.element() => Sharing::Equal,
                None => Sharing::Nothing,
            }
        }
        _ if own == model => Sharing::Equal,
        _ => Sharing::Nothing,
    }
}

fn of_objects(own: &Object, model: &Object) -> Sharing {
    if own.kind() != model.kind() {
        return Sharing::Nothing;
    }
    // One of the two may have fewer slots, the others being unset.
    let both = own.slots().len().min(model.slots().len());
    let is_whole = own.slots()[both..].iter().chain(&model.slots()[both..]).all(Value::is_unset);
    let shared = match of_all(&own.slots()[..both], &model.slots()[..both]) {
        None if is_whole => return Sharing::Equal,
        // All of the slots that both have.
        None => (0..both).map(|slot| (slot, model.get(slot).clone())).collect(),
        Some(shared) => shared,
    };
    if shared.is_empty() {
        return Sharing::Nothing;
    }
    let mut object = own.clone();
    shared.into_iter().for_each(|(slot, value)| object.set(slot, value));
    Sharing::Partly(Value::Object(object))
}

/// Which of these values are to be replaced to share with the others, and by what; `None` if all are equal to them.
fn of_all(own: &[Value], model: &[Value]) -> Option<Vec<(usize, Value)>> {
    let (mut shared, mut is_equal) = (Vec::new(), true);
    for (at, (own, model)) in own.iter().zip(model).enumerate() {
        match of(own, model) {
            Sharing::One => {}
            Sharing::Equal => shared.push((at, model.clone())),
            Sharing::Partly(value) => {
                is_equal = false;
                shared.push((at, value));
            }
            Sharing::Nothing => is_equal = false,
        }
    }
    (!is_equal).then_some(shared)
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
