//! How a property changed between two states of an object.
//!
//! What the operations mean is from the API reference (`PropertyChangeOp`): `assign` is a new value, and none for a
//! property that was unset; `add` and `remove` are items of a list that came and went; `indirectRemove` is a property that
//! went because what contains it went.

use std::collections::HashMap;
use std::fmt::Write;

use vimsim_types::enums::PropertyChangeOp;
use vimsim_types::views::PropertyChange;
use vimsim_types::{List, Object, Value, View};

use crate::key::Identity;
use crate::path::{Path, is_known};

/// The changes that turn what `path` leads to in `old` into what it leads to in `new`, added to `changes`.
///
/// Without `partial` a changed property is assigned whole. With it, changes are as small as paths can name them: data
/// objects are compared field by field, lists of data objects that have keys item by item; other lists, and objects that
/// became ones of another type, are assigned whole.
pub fn diff(path: &Path, old: &Object, new: &Object, partial: bool, changes: &mut Vec<PropertyChange>) {
    if old.get(path.slot()).same(new.get(path.slot())) {
        return;
    }
    let (was, is) = (path.get(old), path.get(new));
    let had_parent = |object| path.parent(object).is_none_or(|parent| !parent.is_unset());
    let op = match (was.is_unset(), is.is_unset()) {
        (true, true) => return,
        (false, false) if partial && !path.is_projection() => {
            let mut nested = Nested { path, name: path.name().to_string(), changes };
            return nested.compare(&was, &is);
        }
        (false, false) if was == is => return,
        (false, true) if !had_parent(new) => PropertyChangeOp::IndirectRemove,
        (false, true) if path.ends_at_item() => PropertyChangeOp::Remove,
        (true, false) if path.ends_at_item() && had_parent(old) => PropertyChangeOp::Add,
        _ => PropertyChangeOp::Assign,
    };
    changes.push(change(path.name(), op, is.into_owned()));
}

/// A `PropertyChange`; unset is no value.
pub(crate) fn change(name: &str, op: PropertyChangeOp, value: Value) -> PropertyChange {
    PropertyChange::with(|change| {
        change.set_name(name).set_op(op).set_val(value);
    })
}

/// Compares within a property.
struct Nested<'a> {
    path: &'a Path,
    /// The path of what is being compared.
    name: String,
    changes: &'a mut Vec<PropertyChange>,
}

impl Nested<'_> {
    fn push(&mut self, op: PropertyChangeOp, value: &Value) {
        self.changes.push(change(&self.name, op, value.clone()));
    }

    /// Goes on with the name extended.
    fn within(&mut self, suffix: impl std::fmt::Display, compare: impl FnOnce(&mut Self)) {
        let length = self.name.len();
        write!(self.name, "{suffix}").expect("a string takes all text");
        compare(self);
        self.name.truncate(length);
    }

    fn compare(&mut self, was: &Value, is: &Value) {
        if was.same(is) {
            return;
        }
        match (was, is) {
            (Value::Object(was), Value::Object(is)) if was.kind() == is.kind() => self.fields(was, is),
            (Value::List(was), Value::List(is)) if self.items(was, is) => {}
            _ if was != is => self.push(PropertyChangeOp::Assign, is),
            _ => {}
        }
    }

    fn fields(&mut self, was: &Object, is: &Object) {
        let kind = is.kind();
        for (slot, field) in kind.info().fields().iter().enumerate() {
            let (was, is) = (was.get(slot), is.get(slot));
            if !was.same(is) && is_known(kind, field, self.path.version()) {
                self.within(format_args!(".{}", field.name), |nested| nested.compare(was, is));
            }
        }
    }

    /// Compares lists by their items' keys. Says no if that cannot be done: items without keys or with equal ones, or in
    /// an order that removing and adding at the end does not give.
    fn items(&mut self, was: &List, is: &List) -> bool {
        let (Some(old), Some(new)) = (keyed(was), keyed(is)) else { return false };
        let index: HashMap<Identity<'_>, &Value> = old.iter().copied().collect();
        let kept = new.iter().take_while(|(key, _)| index.contains_key(key)).count();
        let (common, added) = new.split_at(kept);
        let has_common: HashMap<Identity<'_>, usize> =
            common.iter().zip(0..).map(|((key, _), at)| (*key, at)).collect();
        let order = old.iter().filter_map(|(key, _)| has_common.get(key));
        let in_order = order.copied().eq(0..common.len());
        let unique = index.len() == old.len() && has_common.len() == common.len();
        let added_is_new = added.iter().all(|(key, _)| !index.contains_key(key));
        if !(in_order && unique && added_is_new && are_unique(added)) {
            return false;
        }
        for (key, _) in old.iter().filter(|(key, _)| !has_common.contains_key(key)) {
            self.within(key, |nested| nested.push(PropertyChangeOp::Remove, &Value::Unset));
        }
        for (key, item) in common {
            self.within(key, |nested| nested.compare(index[key], item));
        }
        for (key, item) in added {
            self.within(key, |nested| nested.push(PropertyChangeOp::Add, item));
        }
        true
    }
}

/// The items of a list of data objects with their keys; `None` if one has none.
fn keyed(list: &List) -> Option<Vec<(Identity<'_>, &Value)>> {
    list.items().iter().map(|item| Some((Identity::of(item.object().map(|_| item)?)?, item))).collect()
}

fn are_unique(items: &[(Identity<'_>, &Value)]) -> bool {
    let mut seen = std::collections::HashSet::new();
    items.iter().all(|(key, _)| seen.insert(*key))
}

#[cfg(test)]
mod tests {
    use vimsim_types::enums::VirtualMachinePowerState;
    use vimsim_types::views::*;
    use vimsim_types::{Moref, Version, View};

    use super::*;

    fn virtual_machine() -> VirtualMachine {
        VirtualMachine::with(|vm| {
            vm.set_name("vm");
            vm.set_datastore([Moref::of::<Datastore>("datastore-1")]);
            vm.guest_mut().set_ip_address("10.0.0.1");
            let config = vm.config_mut();
            config.push_extra_config(option("a", "1")).push_extra_config(option("b \"2\"", "2"));
            let hardware = config.hardware_mut();
            hardware.set_num_cpu(1);
            for key in [2000, 4000] {
                hardware.push_device(VirtualE1000::with(|card| {
                    card.set_key(key);
                    card.connectable_mut().set_connected(true);
                }));
            }
        })
    }

    fn option(key: &str, value: &str) -> OptionValue {
        OptionValue::with(|option| {
            option.set_key(key).set_value(value);
        })
    }

    /// The changes of an edit, as `assign config.name`, an unset value as `assign config.name -`.
    fn changes(path: &str, partial: bool, edit: impl FnOnce(&mut VirtualMachine)) -> Vec<String> {
        let old = virtual_machine();
        let mut new = old.clone();
        edit(&mut new);
        changes_between(path, partial, &old, &new)
    }

    fn changes_between(path: &str, partial: bool, old: &VirtualMachine, new: &VirtualMachine) -> Vec<String> {
        let path = Path::compile(path, VirtualMachine::TYPE, Version::NEWEST).expect("valid");
        let mut changes = Vec::new();
        diff(&path, old.as_object(), new.as_object(), partial, &mut changes);
        let line = |change: PropertyChange| {
            let unset = if change.as_object().get(PropertyChange::VAL).is_unset() { " -" } else { "" };
            let op = change.as_object().get(PropertyChange::OP).text().expect("an operation");
            format!("{op} {}{unset}", change.name())
        };
        changes.into_iter().map(line).collect()
    }

    fn devices(vm: &mut VirtualMachine, edit: impl FnOnce(&mut Vec<Value>)) {
        edit(vm.config_mut().hardware_mut().device_mut().values());
    }

    fn connect(vm: &mut VirtualMachine, at: usize) {
        let mut devices = vm.config_mut().hardware_mut().device_mut();
        devices.iter_mut().nth(at).expect("a device").connectable_mut().set_connected(false);
    }

    #[test]
    fn whole_properties_are_assigned() {
        assert_eq!(changes("name", false, |vm| _ = vm.set_name("new")), ["assign name"]);
        assert_eq!(changes("name", false, |vm| _ = vm.set_name("vm")), [""; 0]);
        assert_eq!(changes("config", false, |vm| connect(vm, 0)), ["assign config"]);
        assert_eq!(changes("config.hardware", false, |vm| connect(vm, 0)), ["assign config.hardware"]);
        assert_eq!(changes("config.extraConfig", false, |vm| connect(vm, 0)), [""; 0]);
        assert_eq!(
            changes("runtime", false, |vm| {
                vm.runtime_mut().set_power_state(VirtualMachinePowerState::PoweredOn);
            }),
            ["assign runtime"]
        );
    }

    #[test]
    fn unset_is_an_assignment_of_nothing() {
        for partial in [false, true] {
            let unset = |vm: &mut VirtualMachine| vm.as_object_mut().set(VirtualMachine::CONFIG, Value::Unset);
            assert_eq!(changes("config", partial, unset), ["assign config -"]);
            assert_eq!(
                changes("guest.ipAddress", partial, |vm| {
                    vm.guest_mut().set_ip_address(None::<&str>);
                }),
                ["assign guest.ipAddress -"]
            );
        }
        assert_eq!(
            changes("guest", true, |vm| {
                vm.guest_mut().set_ip_address(None::<&str>);
            }),
            ["assign guest.ipAddress -"]
        );
    }

    #[test]
    fn what_went_with_its_parent_is_removed_indirectly() {
        let unset = |vm: &mut VirtualMachine| vm.as_object_mut().set(VirtualMachine::CONFIG, Value::Unset);
        assert_eq!(changes("config.hardware.numCPU", false, unset), ["indirectRemove config.hardware.numCPU -"]);
        assert_eq!(
            changes("config.hardware.device[4000]", true, unset),
            ["indirectRemove config.hardware.device[4000] -"]
        );
        assert_eq!(
            changes("config.hardware.device[4000].key", true, |vm| devices(vm, Vec::clear)),
            ["indirectRemove config.hardware.device[4000].key -"]
        );
        assert_eq!(changes("config.hardware.device.key", true, unset), ["indirectRemove config.hardware.device.key -"]);
    }

    #[test]
    fn selected_items_are_added_and_removed() {
        let path = "config.hardware.device[4000]";
        let removed = |vm: &mut VirtualMachine| devices(vm, |devices| _ = devices.pop());
        assert_eq!(changes(path, false, removed), ["remove config.hardware.device[4000] -"]);
        let mut without = virtual_machine();
        removed(&mut without);
        assert_eq!(changes_between(path, false, &without, &virtual_machine()), ["add config.hardware.device[4000]"]);
        assert_eq!(
            changes_between(path, false, &VirtualMachine::new(), &virtual_machine()),
            ["assign config.hardware.device[4000]"]
        );
    }

    #[test]
    fn partial_changes_are_named_down_to_the_leaf() {
        assert_eq!(
            changes("config", true, |vm| connect(vm, 1)),
            ["assign config.hardware.device[4000].connectable.connected"]
        );
        assert_eq!(
            changes("config.hardware.device[4000]", true, |vm| connect(vm, 1)),
            ["assign config.hardware.device[4000].connectable.connected"]
        );
        assert_eq!(
            changes("config", true, |vm| {
                let config = vm.config_mut();
                config.set_annotation("note").hardware_mut().set_num_cpu(2);
                config.extra_config_mut().iter_mut().for_each(|option| _ = option.set_value("3"));
            }),
            [
                "assign config.annotation",
                "assign config.hardware.numCPU",
                "assign config.extraConfig[\"a\"].value",
                "assign config.extraConfig[\"b \\\"2\\\"\"].value",
            ]
        );
    }

    #[test]
    fn partial_changes_add_and_remove_items() {
        let card = |key| {
            Value::from(Object::from(VirtualE1000::with(|card| {
                card.set_key(key);
            })))
        };
        assert_eq!(
            changes("config.hardware", true, |vm| {
                connect(vm, 1);
                devices(vm, |devices| {
                    devices.remove(0);
                    devices.push(card(4001));
                });
            }),
            [
                "remove config.hardware.device[2000] -",
                "assign config.hardware.device[4000].connectable.connected",
                "add config.hardware.device[4001]",
            ]
        );
        assert_eq!(
            changes("config", true, |vm| devices(vm, |devices| devices[1] = Object::from(VirtualDisk::with(|disk| {
                disk.set_key(4000);
            }))
            .into())),
            ["assign config.hardware.device[4000]"]
        );
    }

    #[test]
    fn lists_that_items_cannot_explain_are_assigned() {
        let whole = ["assign config.hardware.device"];
        let path = "config.hardware.device";
        assert_eq!(changes(path, true, |vm| devices(vm, |devices| devices.reverse())), whole);
        assert_eq!(changes(path, true, |vm| devices(vm, |devices| devices.push(devices[0].clone()))), whole);
        assert_eq!(
            changes(path, true, |vm| devices(vm, |devices| {
                let new = Object::from(VirtualE1000::with(|card| {
                    card.set_key(1);
                }));
                devices.insert(0, new.into());
            })),
            whole
        );
        assert_eq!(
            changes("datastore", true, |vm| {
                vm.push_datastore(Moref::of::<Datastore>("datastore-2"));
            }),
            ["assign datastore"]
        );
        assert_eq!(
            changes("config.hardware.device.key", true, |vm| devices(vm, |devices| _ = devices.pop())),
            ["assign config.hardware.device.key"]
        );
    }

    #[test]
    fn equal_copies_are_no_change() {
        let (old, new) = (virtual_machine(), virtual_machine());
        for partial in [false, true] {
            for path in ["config", "config.hardware.device", "datastore", "guest", "config.hardware.device.key"] {
                assert_eq!(changes_between(path, partial, &old, &new), [""; 0], "{path}");
            }
        }
    }
}
