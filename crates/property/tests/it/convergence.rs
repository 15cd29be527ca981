//! Random edits of a toy world: the first update and all that follow, applied by a client that knows nothing of how they
//! are made, equal what is retrieved afresh.

use std::collections::BTreeMap;
use std::sync::Arc;

use vimsim_property::{FilterState, Selection, Update, retrieve};
use vimsim_types::enums::{ObjectUpdateKind, PropertyChangeOp, VirtualMachinePowerState};
use vimsim_types::views::*;
use vimsim_types::{Moref, Value, Version, View};

use crate::toy::*;

const ROUNDS: usize = 120;
const SEEDS: u64 = 8;
/// A path through a list without a key: the one kind that looks like a change within another path and is none.
const PROJECTION: &str = "config.hardware.device.key";

#[test]
fn updates_converge_without_partial_updates() {
    for_all_kinds_of_filters(false);
}

#[test]
fn updates_converge_with_partial_updates() {
    for_all_kinds_of_filters(true);
}

fn for_all_kinds_of_filters(partial: bool) {
    for seed in 1..=SEEDS {
        for (name, spec) in filters() {
            for limit in [1, 3, usize::MAX] {
                // Shown by a failing test.
                eprintln!("seed {seed}, {name}, limit {limit}, partial {partial}");
                check(seed, &spec, limit, partial);
            }
        }
    }
}

/// Every kind of traversal.
fn filters() -> Vec<(&'static str, PropertyFilterSpec)> {
    let tree = || [traversal::<Folder>("tree", "childEntity", &["tree"])];
    let view = |next: &[&str]| traversal::<ContainerView>("view", "view", next);
    vec![
        ("recursive, all", filter(moref::<Folder>(ROOT), false, tree(), [properties::<ManagedEntity>(&[])])),
        (
            "named and nested",
            filter(
                moref::<Folder>(ROOT),
                true,
                [
                    traversal::<Folder>("tree", "childEntity", &["tree", "host"]),
                    traversal::<VirtualMachine>("host", "runtime.host", &["vms"]),
                    traversal::<HostSystem>("vms", "vm", &["host"]),
                ],
                [
                    properties::<ManagedEntity>(&["name"]),
                    properties::<VirtualMachine>(&[
                        "config.hardware",
                        "config.hardware.device[4000].connectable.connected",
                        "config.extraConfig",
                        "datastore",
                        "guest.ipAddress",
                    ]),
                    properties::<HostSystem>(&["vm"]),
                ],
            ),
        ),
        (
            "container view",
            filter(
                moref::<ContainerView>(CONTAINER_VIEW),
                false,
                [view(&["host"]), traversal::<VirtualMachine>("host", "runtime.host", &[])],
                [
                    properties::<ContainerView>(&["view"]),
                    properties::<VirtualMachine>(&[
                        "name",
                        "runtime.powerState",
                        "config.hardware.device",
                        PROJECTION,
                        "config.hardware.device[2000].backing.fileName",
                        "config.hardware.device[4001]",
                        "config.extraConfig[\"key\"].value",
                    ]),
                ],
            ),
        ),
        (
            "list view of tasks",
            filter(
                moref::<ListView>(LIST_VIEW),
                true,
                [traversal::<ListView>("view", "view", &["entity"]), traversal::<Task>("entity", "info.entity", &[])],
                [
                    properties::<Task>(&["info.state", "info.entity"]),
                    properties::<VirtualMachine>(&["config", "guest"]),
                ],
            ),
        ),
    ]
}

fn check(seed: u64, spec: &PropertyFilterSpec, limit: usize, partial: bool) {
    let selection = Arc::new(Selection::compile(spec, Version::NEWEST).expect("valid"));
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut toy = Toy::new(4);
    let mut state = FilterState::new(selection.clone(), partial);
    let mut client = Client::default();
    let mut changed = Vec::new();
    let mut number = 100;
    for round in 0..ROUNDS {
        for _ in 0..random.below(4) {
            changed.extend(edit(&mut toy, &mut random, &mut number));
        }
        if random.below(12) == 0 {
            toggle_permission(&mut toy, &mut random);
            changed.clear();
            while client.take(state.update(&toy, None, limit), partial) {}
        }
        if random.below(3) == 0 {
            continue;
        }
        // Now and then a reply is lost, and the client asks again from where it was.
        let before = (random.below(5) == 0).then(|| state.clone());
        let hint = (random.below(6) != 0).then_some(&changed[..]);
        let update = state.update(&toy, hint, limit);
        assert!(update.objects.len() <= limit);
        if let Some(before) = before {
            state = before;
            continue;
        }
        changed.clear();
        if client.take(update, partial) && random.below(2) == 0 {
            continue;
        }
        while client.take(state.update(&toy, Some(&[]), limit), partial) {}
        client.compare(&toy, &selection, partial, round);
        assert!(state.update(&toy, None, limit).is_empty(), "nothing is left to tell in round {round}");
    }
}

fn edit(toy: &mut Toy, random: &mut Random, number: &mut usize) -> Vec<Moref> {
    let folders: Vec<Moref> = toy.objects.keys().filter(|moref| moref.is::<Folder>()).cloned().collect();
    let vms: Vec<Moref> = toy.objects.keys().filter(|moref| moref.is::<VirtualMachine>()).cloned().collect();
    let folder = folders[random.below(folders.len())].value().clone();
    let host = ["host-1", "host-2"][random.below(2)];
    *number += 1;
    let Some(vm) = vms.get(random.below(vms.len().max(1))) else {
        return toy.add_virtual_machine(&folder, *number, host);
    };
    let name = vm.value().clone();
    let edit = |toy: &mut Toy, edit: &mut dyn FnMut(&mut VirtualMachine)| vec![toy.edit(&name, |vm| edit(vm))];
    match random.below(24) {
        0 => toy.add_virtual_machine(&folder, *number, host),
        1 => {
            let parent = toy.get::<VirtualMachine>(&name).parent();
            let mut changed = vec![vm.clone()];
            if let Some(parent) = parent {
                changed.extend(toy.orphan(parent.value(), vm));
            }
            toy.objects.remove(vm);
            changed
        }
        2 => {
            let parent = toy.get::<VirtualMachine>(&name).parent().expect("it is in a folder");
            let mut changed = toy.orphan(parent.value(), vm);
            changed.extend(toy.adopt(&folder, vm));
            changed.push(toy.edit::<VirtualMachine>(&name, |vm| {
                vm.set_parent(moref::<Folder>(&folder));
            }));
            changed
        }
        3 if folders.len() < 6 => {
            let new = toy.insert(&format!("group-{number}"), Folder::new());
            let mut changed = toy.adopt(&folder, &new);
            changed.push(new);
            changed
        }
        4 if folder != ROOT && toy.get::<Folder>(&folder).child_entity().is_empty() => {
            let gone = moref::<Folder>(&folder);
            let parents =
                folders.iter().filter(|parent| toy.get::<Folder>(parent.value()).child_entity().contains(&gone));
            let parent = parents.map(|parent| parent.value().clone()).next();
            let mut changed = parent.map_or_else(Vec::new, |parent| toy.orphan(&parent, &gone));
            toy.objects.remove(&gone);
            changed.push(gone);
            changed
        }
        5 => edit(toy, &mut |vm| {
            let powered_on = vm.runtime().power_state() == VirtualMachinePowerState::PoweredOn;
            let next = [VirtualMachinePowerState::PoweredOn, VirtualMachinePowerState::PoweredOff];
            vm.runtime_mut().set_power_state(next[usize::from(powered_on)]);
        }),
        6 => edit(toy, &mut |vm| {
            vm.set_name(format!("renamed-{}", random.below(3)));
        }),
        7 => edit(toy, &mut |vm| {
            let key = [2001, 4001, 4002][random.below(3)];
            if !vm.config().is_some_and(|config| config.hardware().device().iter().any(|device| device.key() == key)) {
                match key {
                    2001 => vm.config_mut().hardware_mut().push_device(disk(key)),
                    _ => vm.config_mut().hardware_mut().push_device(card(key)),
                };
            }
        }),
        8 => edit(toy, &mut |vm| {
            let mut devices = vm.config_mut().hardware_mut().device_mut();
            let devices = devices.values();
            if !devices.is_empty() {
                devices.remove(random.below(devices.len()));
            }
        }),
        9 => edit(toy, &mut |vm| vm.config_mut().hardware_mut().device_mut().values().reverse()),
        10..=12 => edit(toy, &mut |vm| {
            for device in vm.config_mut().hardware_mut().device_mut().iter_mut() {
                match random.below(3) {
                    0 => drop(device.connectable_mut().set_connected(random.below(2) == 0).clone()),
                    1 => drop(device.set_unit_number(random.below(9) as i32).clone()),
                    _ => {}
                }
            }
        }),
        13 => edit(toy, &mut |vm| {
            if let Some(disk) = vm.config_mut().hardware_mut().device_mut().iter_mut().next() {
                disk.set_backing(VirtualDiskRawDiskMappingVer1BackingInfo::with(|backing| {
                    backing.set_file_name(format!("[ds] {}.vmdk", random.below(5)));
                }));
            }
        }),
        14 => edit(toy, &mut |vm| vm.as_object_mut().set(VirtualMachine::CONFIG, Value::Unset)),
        15 => edit(toy, &mut |vm| vm.as_object_mut().set(VirtualMachine::GUEST, Value::Unset)),
        16 => edit(toy, &mut |vm| {
            vm.guest_mut().set_ip_address(["10.0.0.1", "10.0.0.2"].get(random.below(3)).copied());
        }),
        17..=18 => edit(toy, &mut |vm| {
            let keys = ["key", "quo\"ted", "brack[et].s"];
            let key = keys[random.below(3)];
            let config = vm.config_mut();
            match random.below(3) {
                0 => config.extra_config_mut().retain(|option| option.key() != key),
                _ if config.extra_config().iter().any(|option| option.key() == key) => {
                    for option in config.extra_config_mut().iter_mut().filter(|option| option.key() == key) {
                        option.set_value(["a", "b"][random.below(2)]);
                    }
                }
                _ => drop(
                    config
                        .push_extra_config(OptionValue::with(|option| {
                            option.set_key(key).set_value("new");
                        }))
                        .clone(),
                ),
            }
        }),
        19 => edit(toy, &mut |vm| {
            let datastores = (0..random.below(3)).map(|number| moref::<Datastore>(&format!("datastore-{number}")));
            vm.set_datastore(datastores.collect::<Vec<_>>());
        }),
        20 => {
            let target = moref::<HostSystem>(host);
            let vm_moref = vm.clone();
            let mut changed = edit(toy, &mut |vm| {
                vm.runtime_mut().set_host(target.clone());
            });
            for host in ["host-1", "host-2"] {
                changed.push(toy.edit::<HostSystem>(host, |system| {
                    system.vm_mut().retain(|known| known != vm_moref);
                    if host == target.value().as_str() {
                        system.push_vm(vm_moref.clone());
                    }
                }));
            }
            changed
        }
        21 => {
            // A task, referred to before or after it is there.
            let task = format!("task-{}", random.below(6));
            let entity = vm.clone();
            let mut changed = vec![toy.edit::<ListView>(LIST_VIEW, |view| {
                let target = moref::<Task>(&task);
                match view.view().contains(&target) {
                    true => view.view_mut().retain(|known| known != target),
                    false => drop(view.push_view(target).clone()),
                }
            })];
            if random.below(2) == 0 {
                changed.push(toy.insert(
                    &task,
                    Task::with(|task| {
                        task.info_mut().set_entity(entity);
                    }),
                ));
            }
            changed
        }
        22 => {
            let task = moref::<Task>(&format!("task-{}", random.below(6)));
            match toy.objects.contains_key(&task) {
                true if random.below(2) == 0 => {
                    toy.objects.remove(&task);
                    vec![task]
                }
                true => vec![toy.edit::<Task>(task.value(), |task| {
                    task.info_mut().set_entity(vm.clone());
                })],
                false => vec![toy.insert(task.value(), Task::new())],
            }
        }
        _ => edit(toy, &mut |vm| {
            vm.config_mut().hardware_mut().set_num_cpu(random.below(8) as i32);
        }),
    }
}

fn toggle_permission(toy: &mut Toy, random: &mut Random) {
    let vms: Vec<Moref> = toy.objects.keys().filter(|moref| moref.is::<VirtualMachine>()).cloned().collect();
    if !vms.is_empty() {
        let slots = [VirtualMachine::CONFIG, VirtualMachine::RUNTIME, VirtualMachine::GUEST];
        let property = (vms[random.below(vms.len())].clone(), slots[random.below(3)]);
        if !toy.denied.remove(&property) {
            toy.denied.insert(property);
        }
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }
}

/// What a client makes of the updates. `None` is a property that could not be read.
#[derive(Default)]
struct Client {
    objects: BTreeMap<Moref, BTreeMap<String, Option<Value>>>,
}

impl Client {
    /// Applies an update. Says whether there is more to come.
    fn take(&mut self, update: Update, partial: bool) -> bool {
        for update in update.objects {
            let moref = update.obj();
            match update.kind() {
                ObjectUpdateKind::Leave => assert!(self.objects.remove(&moref).is_some(), "{moref} was not there"),
                ObjectUpdateKind::Enter => {
                    let known = self.objects.insert(moref.clone(), BTreeMap::new());
                    assert!(known.is_none(), "{moref} was there");
                    self.apply(&moref, &update, partial);
                }
                ObjectUpdateKind::Modify => {
                    assert!(!update.change_set().is_empty() || !update.missing_set().is_empty(), "nothing modified");
                    self.apply(&moref, &update, partial);
                }
            }
        }
        update.truncated
    }

    fn apply(&mut self, moref: &Moref, update: &ObjectUpdate, partial: bool) {
        let held = self.objects.get_mut(moref).unwrap_or_else(|| panic!("{moref} is not there"));
        for missing in update.missing_set() {
            held.insert(missing.path().to_string(), None);
        }
        for change in update.change_set() {
            let (name, op) = (change.name().as_str(), change.op());
            let value = change.as_object().get(PropertyChange::VAL).clone();
            let is_whole = !partial || name == PROJECTION || held.contains_key(name);
            if is_whole || op == PropertyChangeOp::Assign && !is_within_held(held, name) {
                match value.is_unset() {
                    true => held.remove(name),
                    false => held.insert(name.to_owned(), Some(value)),
                };
                continue;
            }
            let outer = held.keys().filter(|path| is_within(name, path)).min_by_key(|path| path.len());
            let Some(outer) = outer.cloned() else { panic!("{name} is in nothing that was sent") };
            let target = held.get_mut(&outer).and_then(Option::as_mut).expect("it can be read");
            apply_within(target, &name[outer.len()..], op, value);
        }
    }

    fn compare(&self, toy: &Toy, selection: &Selection, partial: bool, round: usize) {
        let contents = retrieve(toy, std::slice::from_ref(selection)).expect("the start is there");
        let mut fresh: BTreeMap<Moref, BTreeMap<String, Option<Value>>> = BTreeMap::new();
        for content in contents {
            let held = fresh.entry(content.obj()).or_default();
            for property in content.prop_set() {
                let value = property.as_object().get(DynamicProperty::VAL).clone();
                held.insert(property.name().to_string(), Some(value));
            }
            held.extend(content.missing_set().iter().map(|missing| (missing.path().to_string(), None)));
        }
        let mut held = self.objects.clone();
        if partial {
            // What is within another path is told under that one.
            fresh.values_mut().chain(held.values_mut()).for_each(drop_nested);
        }
        assert_eq!(held.keys().collect::<Vec<_>>(), fresh.keys().collect::<Vec<_>>(), "objects in round {round}");
        for (moref, held) in held {
            assert_eq!(held, fresh[&moref], "{moref} in round {round}");
        }
    }
}

fn is_within(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn is_within_held(held: &BTreeMap<String, Option<Value>>, name: &str) -> bool {
    held.iter().any(|(path, value)| value.is_some() && is_within(name, path))
}

fn drop_nested(held: &mut BTreeMap<String, Option<Value>>) {
    let outer = ["config", "config.hardware", "config.hardware.device", "guest"];
    held.retain(|path, _| path == PROJECTION || !outer.iter().any(|outer| is_within(path, outer)));
}

/// Applies a change to the place in `value` that `rest` (`.name` and `[key]`) leads to.
fn apply_within(value: &mut Value, rest: &str, op: PropertyChangeOp, new: Value) {
    match (value, rest.as_bytes().first()) {
        (value, None) => *value = new,
        (Value::Object(object), Some(b'.')) => {
            let name = &rest[1..];
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let slot = object.kind().info().slot(&name[..end]).expect("a field");
            apply_within(&mut object.slots_mut()[slot], &name[end..], op, new);
        }
        (Value::List(list), Some(b'[')) => {
            let (key, after) = match rest.strip_prefix("[\"") {
                Some(quoted) => {
                    let end = quoted.find("\"]").expect("an end");
                    (Value::from(quoted[..end].replace("\\\"", "\"").as_str()), &quoted[end + 2..])
                }
                None => {
                    let end = rest.find(']').expect("an end");
                    (Value::Int(rest[1..end].parse().expect("a number")), &rest[end + 1..])
                }
            };
            let items = list.items_mut();
            let place = items.iter().position(|item| *item.object().expect("an object").field("key") == key);
            match (place, op) {
                (None, PropertyChangeOp::Add) => items.push(new),
                (Some(place), PropertyChangeOp::Remove) if after.is_empty() => drop(items.remove(place)),
                (Some(place), _) => apply_within(&mut items[place], after, op, new),
                (None, _) => panic!("no item {key:?}"),
            }
        }
        (value, _) => panic!("{rest} in {value:?}"),
    }
}
