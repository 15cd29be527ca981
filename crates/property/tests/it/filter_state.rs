//! What a filter tells, and when it looks.

use std::sync::Arc;

use vimsim_property::{FilterState, Selection, Update};
use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::views::*;
use vimsim_types::{Moref, Version};

use crate::toy::*;

const ALL: usize = usize::MAX;

fn state(spec: &PropertyFilterSpec) -> FilterState {
    FilterState::new(Arc::new(Selection::compile(spec, Version::NEWEST).expect("valid")), true)
}

fn vms_in_view(paths: &[&str]) -> PropertyFilterSpec {
    let view = traversal::<ContainerView>("view", "view", &[]);
    filter(moref::<ContainerView>(CONTAINER_VIEW), true, [view], [properties::<VirtualMachine>(paths)])
}

/// What is told, as `Modify vm-0 name`.
fn told(update: &Update) -> Vec<String> {
    let line = |update: &ObjectUpdate| {
        let mut line = format!("{:?} {}", update.kind(), update.obj().value());
        update.change_set().iter().for_each(|change| line.extend([" ", change.name()]));
        update.missing_set().iter().for_each(|missing| line.extend([" !", missing.path()]));
        line
    };
    update.objects.iter().map(line).collect()
}

fn power_on(toy: &mut Toy, name: &str) -> Moref {
    toy.edit::<VirtualMachine>(name, |vm| _ = vm.runtime_mut().set_power_state(VirtualMachinePowerState::PoweredOn))
}

#[test]
fn objects_enter_change_and_leave() {
    let mut toy = Toy::new(2);
    let mut state = state(&vms_in_view(&["name", "runtime.powerState", "guest.ipAddress"]));
    let update = state.update(&toy, None, ALL);
    assert_eq!(told(&update), ["Enter vm-0 name runtime.powerState", "Enter vm-1 name runtime.powerState"]);
    assert!(state.update(&toy, None, ALL).is_empty());

    let changed = power_on(&mut toy, "vm-1");
    assert_eq!(told(&state.update(&toy, Some(&[changed]), ALL)), ["Modify vm-1 runtime.powerState"]);

    let vm = moref::<VirtualMachine>("vm-0");
    let mut changed = toy.orphan(ROOT, &vm);
    toy.objects.remove(&vm);
    changed.push(vm);
    changed.extend(toy.add_virtual_machine(ROOT, 7, "host-1"));
    let update = state.update(&toy, Some(&changed), ALL);
    assert_eq!(told(&update), ["Enter vm-7 name runtime.powerState", "Leave vm-0"]);
}

#[test]
fn a_change_of_nothing_selected_is_not_told() {
    let mut toy = Toy::new(1);
    let mut state = state(&vms_in_view(&["name"]));
    state.update(&toy, None, ALL);
    let changed = power_on(&mut toy, "vm-0");
    assert!(state.update(&toy, Some(std::slice::from_ref(&changed)), ALL).is_empty());
    assert!(state.update(&toy, None, ALL).is_empty());
}

#[test]
fn a_change_that_is_undone_is_not_told() {
    let mut toy = Toy::new(1);
    let mut state = state(&vms_in_view(&["name"]));
    state.update(&toy, None, ALL);
    let changed = toy.edit::<VirtualMachine>("vm-0", |vm| _ = vm.set_name("other"));
    toy.edit::<VirtualMachine>("vm-0", |vm| _ = vm.set_name("vm-0"));
    assert!(state.update(&toy, Some(&[changed]), ALL).is_empty());
}

#[test]
fn limits_leave_the_rest_for_later() {
    let mut toy = Toy::new(5);
    let mut state = state(&vms_in_view(&["name"]));
    let mut sizes = Vec::new();
    loop {
        let update = state.update(&toy, Some(&[]), 2);
        sizes.push(update.objects.len());
        if !update.truncated {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    let changed: Vec<Moref> =
        ["vm-1", "vm-3", "vm-4"].map(|name| toy.edit::<VirtualMachine>(name, |vm| _ = vm.set_name("new"))).into();
    let first = state.update(&toy, Some(&changed), 2);
    assert!(first.truncated);
    assert_eq!(told(&first), ["Modify vm-1 name", "Modify vm-3 name"]);
    let second = state.update(&toy, Some(&[]), 2);
    assert!(!second.truncated);
    assert_eq!(told(&second), ["Modify vm-4 name"]);
}

#[test]
fn an_exact_limit_is_not_truncated() {
    let toy = Toy::new(2);
    let update = state(&vms_in_view(&["name"])).update(&toy, None, 2);
    assert_eq!((update.objects.len(), update.truncated), (2, false));
}

#[test]
fn an_older_state_tells_the_same_again() {
    let mut toy = Toy::new(3);
    let mut state = state(&vms_in_view(&["runtime.powerState"]));
    state.update(&toy, None, ALL);
    let older = state.clone();
    let changed = [power_on(&mut toy, "vm-2")];
    let first = told(&state.update(&toy, Some(&changed), ALL));
    assert_eq!(told(&older.clone().update(&toy, Some(&changed), ALL)), first);
    assert_eq!(told(&older.clone().update(&toy, None, ALL)), first);
}

#[test]
fn one_change_among_many_looks_at_little() {
    let mut toy = Toy::new(500);
    let mut state = state(&vms_in_view(&["runtime.powerState"]));
    state.update(&toy, None, ALL);
    let changed = power_on(&mut toy, "vm-77");
    let (lookups, computed) = (toy.lookups.get(), toy.computed.get());
    assert_eq!(told(&state.update(&toy, Some(&[changed]), ALL)), ["Modify vm-77 runtime.powerState"]);
    assert!(toy.lookups.get() - lookups < 8, "the walk was not repeated");
    assert_eq!(toy.computed.get(), computed, "nor the view computed");
}

#[test]
fn a_restamped_view_that_stayed_the_same_is_not_walked() {
    let mut toy = Toy::new(500);
    let mut state = state(&vms_in_view(&["name"]));
    state.update(&toy, None, ALL);
    toy.structure += 1;
    let (lookups, computed) = (toy.lookups.get(), toy.computed.get());
    assert!(state.update(&toy, Some(&[]), ALL).is_empty());
    assert!(toy.lookups.get() - lookups < 8);
    assert_eq!(toy.computed.get(), computed + 1);
}

#[test]
fn a_computed_property_is_told_when_it_changes() {
    let mut toy = Toy::new(1);
    let spec = filter(
        moref::<ContainerView>(CONTAINER_VIEW),
        false,
        [],
        [properties::<ContainerView>(&["view", "container"])],
    );
    let mut state = state(&spec);
    assert_eq!(told(&state.update(&toy, None, ALL)), ["Enter view-1 view container"]);
    toy.add_virtual_machine(ROOT, 1, "host-1");
    assert_eq!(told(&state.update(&toy, Some(&[]), ALL)), ["Modify view-1 view"]);
}

#[test]
fn what_a_dangling_reference_names_may_come() {
    let mut toy = Toy::new(0);
    toy.edit::<ListView>(LIST_VIEW, |view| _ = view.push_view(moref::<VirtualMachine>("vm-5")));
    let view = traversal::<ListView>("view", "view", &[]);
    let spec = filter(moref::<ListView>(LIST_VIEW), true, [view], [properties::<VirtualMachine>(&["name"])]);
    let mut state = state(&spec);
    assert!(state.update(&toy, None, ALL).is_empty());
    let changed = toy.add_virtual_machine(ROOT, 5, "host-1");
    assert_eq!(told(&state.update(&toy, Some(&changed), ALL)), ["Enter vm-5 name"]);
}

#[test]
fn permissions_come_and_go() {
    let mut toy = Toy::new(1);
    let mut state = state(&vms_in_view(&["name", "config.name"]));
    state.update(&toy, None, ALL);
    let property = (moref::<VirtualMachine>("vm-0"), VirtualMachine::CONFIG);
    toy.denied.insert(property.clone());
    assert_eq!(told(&state.update(&toy, None, ALL)), ["Modify vm-0 !config.name"]);
    assert!(state.update(&toy, None, ALL).is_empty());
    toy.denied.remove(&property);
    assert_eq!(told(&state.update(&toy, None, ALL)), ["Modify vm-0 config.name"]);
}

#[test]
fn missing_starts_are_reported_once() {
    let mut toy = Toy::new(0);
    let mut spec = filter(moref::<VirtualMachine>("vm-0"), false, [], [properties::<VirtualMachine>(&["name"])]);
    spec.set_report_missing_objects_in_results(true);
    let mut state = state(&spec);
    let missing = |update: &Update| update.missing.iter().map(|missing| missing.obj()).collect::<Vec<_>>();
    assert_eq!(missing(&state.update(&toy, None, ALL)), [moref::<VirtualMachine>("vm-0")]);
    assert!(state.update(&toy, None, ALL).is_empty());
    let changed = toy.add_virtual_machine(ROOT, 0, "host-1");
    assert_eq!(told(&state.update(&toy, Some(&changed), ALL)), ["Enter vm-0 name"]);
    toy.objects.remove(&moref::<VirtualMachine>("vm-0"));
    let update = state.update(&toy, Some(&changed), ALL);
    assert_eq!((told(&update).len(), missing(&update).len()), (1, 1));
}

#[test]
fn paths_within_other_paths_are_told_once_when_partial() {
    let mut toy = Toy::new(1);
    let mut state = state(&vms_in_view(&["config.hardware", "config", "config.hardware.device[4000]"]));
    state.update(&toy, None, ALL);
    let changed = toy.edit::<VirtualMachine>("vm-0", |vm| {
        for device in vm.config_mut().hardware_mut().device_mut().iter_mut() {
            device.connectable_mut().set_connected(false);
        }
    });
    let changes = "config.hardware.device[2000].connectable config.hardware.device[4000].connectable.connected";
    assert_eq!(told(&state.update(&toy, Some(&[changed]), ALL)), [format!("Modify vm-0 {changes}")]);
}
