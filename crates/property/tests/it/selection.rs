//! Which objects and properties a filter selects.

use vimsim_property::{Selection, retrieve};
use vimsim_types::views::*;
use vimsim_types::{Fault, Moref, Ty, Value, Version, View};

use crate::toy::*;

fn compile(spec: &PropertyFilterSpec) -> Selection {
    Selection::compile(spec, Version::NEWEST).expect("valid")
}

/// What is retrieved, as `vm-0 name config.name`.
fn retrieved(toy: &Toy, spec: &PropertyFilterSpec) -> Vec<String> {
    let contents = retrieve(toy, &[compile(spec)]).expect("retrieved");
    let line = |content: ObjectContent| {
        let mut line = content.obj().value().to_string();
        content.prop_set().iter().for_each(|property| line.extend([" ", property.name()]));
        content.missing_set().iter().for_each(|missing| line.extend([" !", missing.path()]));
        line
    };
    contents.into_iter().map(line).collect()
}

fn tree() -> TraversalSpec {
    traversal::<Folder>("tree", "childEntity", &["tree"])
}

/// The properties that a machine of the inventory has, and its lists that are empty.
const ALL: &str = "value availableField parent customValue configIssue effectiveRole permission name disabledMethod \
                   recentTask declaredAlarmState triggeredAlarmState tag config runtime datastore network rootSnapshot";

/// The root with vm-0, vm-1 and a folder group-1 with vm-2.
fn inventory() -> Toy {
    let mut toy = Toy::new(2);
    let folder = toy.insert("group-1", Folder::with(|folder| _ = folder.set_name("folder")));
    toy.adopt(ROOT, &folder);
    toy.add_virtual_machine("group-1", 2, "host-2");
    toy
}

#[test]
fn one_object_is_retrieved() {
    let toy = inventory();
    let spec =
        |paths: &[&str]| filter(moref::<VirtualMachine>("vm-0"), false, [], [properties::<VirtualMachine>(paths)]);
    assert_eq!(retrieved(&toy, &spec(&["name", "config.name"])), ["vm-0 name config.name"]);
    assert_eq!(retrieved(&toy, &spec(&["name", "guest", "guest.ipAddress"])), ["vm-0 name"], "unset is left out");
    assert_eq!(retrieved(&toy, &spec(&["name", "name"])), ["vm-0 name"]);
    assert_eq!(retrieved(&toy, &spec(&[])), [format!("vm-0 {ALL}")]);
    let mut nothing = spec(&["name"]);
    nothing.prop_set_mut().iter_mut().for_each(|spec| _ = spec.set_path_set([""; 0]));
    assert_eq!(retrieved(&toy, &nothing), ["vm-0"], "no paths: the reference alone");
}

#[test]
fn lists_keep_their_declared_type() {
    let mut toy = inventory();
    toy.edit::<VirtualMachine>("vm-0", |vm| _ = vm.set_datastore::<Moref>([]));
    let paths = ["datastore", "config.hardware.device", "config.hardware.device.key"];
    let spec = filter(moref::<VirtualMachine>("vm-0"), false, [], [properties::<VirtualMachine>(&paths)]);
    let contents = retrieve(&toy, &[compile(&spec)]).expect("retrieved");
    let value =
        |at: usize| contents[0].prop_set().get(at).expect("there").as_object().get(DynamicProperty::VAL).clone();
    let elements: Vec<Ty> = (0..3).map(|at| value(at).list().expect("a list").element()).collect();
    assert_eq!(elements, [Ty::Moref(Datastore::TYPE), Ty::Data(VirtualDevice::TYPE), Ty::Int]);
    assert_eq!(value(0).items(), [], "set and empty is sent");
}

#[test]
fn recursion_by_name_follows_the_tree_in_order() {
    let toy = inventory();
    let spec = filter(moref::<Folder>(ROOT), false, [tree()], [properties::<ManagedEntity>(&["name"])]);
    assert_eq!(retrieved(&toy, &spec), ["group-0 name", "vm-0 name", "vm-1 name", "group-1 name", "vm-2 name"]);
}

#[test]
fn only_types_with_a_property_spec_are_reported() {
    let toy = inventory();
    let spec = filter(moref::<Folder>(ROOT), false, [tree()], [properties::<VirtualMachine>(&["name"])]);
    assert_eq!(retrieved(&toy, &spec), ["vm-0 name", "vm-1 name", "vm-2 name"]);
}

#[test]
fn property_specs_of_base_types_add_up() {
    let toy = inventory();
    let specs = [
        properties::<ManagedEntity>(&["name"]),
        properties::<VirtualMachine>(&["config.name", "name"]),
        properties::<Folder>(&["childEntity"]),
    ];
    let spec = filter(moref::<Folder>("group-1"), false, [tree()], specs);
    assert_eq!(retrieved(&toy, &spec), ["group-1 name childEntity", "vm-2 name config.name"]);
}

#[test]
fn all_of_a_base_type_is_all_of_the_object() {
    let toy = inventory();
    let spec = filter(moref::<VirtualMachine>("vm-0"), false, [], [properties::<ManagedEntity>(&[])]);
    assert_eq!(retrieved(&toy, &spec), [format!("vm-0 {ALL}")]);
}

#[test]
fn skip_hides_but_does_not_stop() {
    let toy = inventory();
    let names = || [properties::<ManagedEntity>(&["name"])];
    let spec = filter(moref::<Folder>("group-1"), true, [tree()], names());
    assert_eq!(retrieved(&toy, &spec), ["vm-2 name"]);
    let mut vms = traversal::<Folder>("vms", "childEntity", &["host"]);
    vms.set_skip(true);
    let host = traversal::<VirtualMachine>("host", "runtime.host", &[]);
    let spec = filter(moref::<Folder>("group-1"), true, [vms.clone(), host.clone()], names());
    assert_eq!(retrieved(&toy, &spec), ["host-2 name"]);
    // What one traversal skips another may report.
    let spec = filter(moref::<Folder>("group-1"), true, [vms, host, tree()], names());
    assert_eq!(retrieved(&toy, &spec), ["host-2 name", "vm-2 name"]);
}

#[test]
fn traversals_apply_to_their_type() {
    let toy = inventory();
    let start = moref::<VirtualMachine>("vm-0");
    let names = || [properties::<ManagedEntity>(&["name"])];
    let parent = traversal::<Folder>("parent", "parent", &[]);
    assert_eq!(retrieved(&toy, &filter(start.clone(), true, [parent], names())), [""; 0]);
    let parent = traversal::<ManagedEntity>("parent", "parent", &[]);
    assert_eq!(retrieved(&toy, &filter(start, true, [parent], names())), ["group-0 name"]);
}

#[test]
fn computed_lists_and_nested_paths_are_followed() {
    let mut toy = inventory();
    let view = traversal::<ContainerView>("view", "view", &["host"]);
    let host = traversal::<VirtualMachine>("host", "runtime.host", &[]);
    let names = || [properties::<ManagedEntity>(&["name"])];
    let spec = filter(moref::<ContainerView>(CONTAINER_VIEW), true, [view, host], names());
    assert_eq!(retrieved(&toy, &spec), ["vm-0 name", "host-1 name", "vm-1 name", "vm-2 name", "host-2 name"]);
    toy.insert("task-1", Task::with(|task| _ = task.info_mut().set_entity(moref::<VirtualMachine>("vm-1"))));
    let entity = traversal::<Task>("entity", "info.entity", &[]);
    assert_eq!(retrieved(&toy, &filter(moref::<Task>("task-1"), true, [entity], names())), ["vm-1 name"]);
}

#[test]
fn cycles_end_and_objects_come_once() {
    let mut toy = inventory();
    toy.edit::<HostSystem>("host-1", |host| {
        host.push_vm(moref::<VirtualMachine>("vm-0")).push_vm(moref::<VirtualMachine>("vm-1"));
    });
    let host = traversal::<VirtualMachine>("host", "runtime.host", &["vm", "host"]);
    let vm = traversal::<HostSystem>("vm", "vm", &["host", "vm"]);
    let names = || [properties::<ManagedEntity>(&["name"])];
    let mut spec = filter(moref::<VirtualMachine>("vm-0"), false, [host, vm], names());
    assert_eq!(retrieved(&toy, &spec), ["vm-0 name", "host-1 name", "vm-1 name"]);
    let start = spec.object_set().first().expect("one").clone();
    spec.push_object_set(start);
    assert_eq!(retrieved(&toy, &spec).len(), 3);
}

#[test]
fn names_are_found_in_the_whole_filter() {
    let toy = inventory();
    let mut spec = filter(moref::<Folder>("group-1"), true, [tree()], [properties::<ManagedEntity>(&["name"])]);
    spec.push_object_set(ObjectSpec::with(|spec| {
        spec.set_obj(moref::<Folder>(ROOT)).set_skip(true).push_select_set(named("tree"));
    }));
    assert_eq!(retrieved(&toy, &spec), ["vm-2 name", "vm-0 name", "vm-1 name", "group-1 name"]);
}

#[test]
fn several_filters_add_up() {
    let toy = inventory();
    let spec =
        |path| filter(moref::<VirtualMachine>("vm-0"), false, [], [properties::<VirtualMachine>(&["name", path])]);
    let contents = retrieve(&toy, &[compile(&spec("config.name")), compile(&spec("runtime.host"))]).expect("retrieved");
    assert_eq!(contents.len(), 1);
    let names: Vec<&str> = contents[0].prop_set().iter().map(|property| property.name().as_str()).collect();
    assert_eq!(names, ["name", "config.name", "runtime.host"]);
}

#[test]
fn what_may_not_be_read_is_missing() {
    let mut toy = inventory();
    toy.denied.insert((moref::<VirtualMachine>("vm-0"), VirtualMachine::CONFIG));
    toy.denied.insert((moref::<Folder>("group-1"), Folder::CHILD_ENTITY));
    let properties = [properties::<VirtualMachine>(&["name", "config.name"])];
    let spec = filter(moref::<Folder>(ROOT), false, [tree()], properties);
    assert_eq!(retrieved(&toy, &spec), ["vm-0 name !config.name", "vm-1 name config.name"]);
    let contents = retrieve(&toy, &[compile(&spec)]).expect("retrieved");
    let missing = contents[0].missing_set().first().expect("one").fault();
    assert!(missing.as_object().field("fault").object().is_some_and(|fault| fault.is::<NoPermission>()));
}

#[test]
fn a_missing_start_is_a_fault_or_left_out() {
    let toy = inventory();
    let gone = moref::<VirtualMachine>("vm-99");
    let mut spec = filter(gone.clone(), false, [], [properties::<VirtualMachine>(&["name"])]);
    let fault = retrieve(&toy, &[compile(&spec)]).map(drop).expect_err("it is missing");
    let found = fault.detail().downcast::<ManagedObjectNotFound>().map(|fault| fault.obj());
    assert_eq!(found, Some(gone));
    assert!(compile(&spec).check(&toy).is_err());
    spec.set_report_missing_objects_in_results(true);
    assert_eq!(retrieved(&toy, &spec), [""; 0]);
    assert!(compile(&spec).check(&toy).is_ok());
}

#[test]
fn references_to_nothing_are_passed_over() {
    let mut toy = inventory();
    toy.edit::<ListView>(LIST_VIEW, |view| {
        view.push_view(moref::<VirtualMachine>("vm-99")).push_view(moref::<VirtualMachine>("vm-0"));
    });
    let view = traversal::<ListView>("view", "view", &[]);
    let spec = filter(moref::<ListView>(LIST_VIEW), true, [view], [properties::<VirtualMachine>(&["name"])]);
    assert_eq!(retrieved(&toy, &spec), ["vm-0 name"]);
}

#[test]
fn references_take_the_type_of_their_object() {
    let toy = inventory();
    let spec = filter(moref::<ManagedEntity>("vm-0"), false, [], [properties::<VirtualMachine>(&["name"])]);
    let contents = retrieve(&toy, &[compile(&spec)]).expect("retrieved");
    assert_eq!(contents[0].obj(), moref::<VirtualMachine>("vm-0"));
}

/// Which vCenter refuses, and govc counts on.
#[test]
fn a_path_of_derived_types_is_read_of_those_that_have_it() {
    let spec = filter(moref::<Folder>(ROOT), false, [tree()], [properties::<ManagedEntity>(&["name", "childEntity"])]);
    let toy = inventory();
    let contents = retrieve(&toy, &[compile(&spec)]).expect("retrieved");
    let has = |content: &ObjectContent| content.prop_set().iter().any(|property| *property.name() == "childEntity");
    assert!(
        contents.iter().all(|content| has(content) == content.obj().is::<Folder>() && content.missing_set().is_empty())
    );
    assert!(contents.iter().any(has) && !contents.iter().all(has));
}

#[test]
fn bad_filters_are_refused() {
    fn fault(spec: &PropertyFilterSpec) -> Fault {
        Selection::compile(spec, Version::NEWEST).map(drop).expect_err("it is not valid")
    }
    let start = || moref::<Folder>(ROOT);
    let good = || [properties::<VirtualMachine>(&["name"])];

    assert!(fault(&filter(start(), false, [], [properties::<VirtualMachine>(&["nope"])])).is::<InvalidProperty>());
    assert!(fault(&filter(start(), false, [], [properties::<Folder>(&["config"])])).is::<InvalidProperty>());
    let bad_path = traversal::<Folder>("tree", "children", &[]);
    assert!(fault(&filter(start(), false, [bad_path], good())).is::<InvalidProperty>());

    for name in ["Nope", "", "VirtualMachineConfigInfo", "PowerOnVMRequestType"] {
        let unknown = PropertySpec::with(|spec| _ = spec.set_type(name));
        assert!(fault(&filter(start(), false, [], [unknown])).is::<InvalidType>(), "{name}");
        let unknown = TraversalSpec::with(|spec| _ = spec.set_type(name).set_path("name"));
        assert!(fault(&filter(start(), false, [unknown], good())).is::<InvalidType>(), "{name}");
    }

    let undefined = fault(&filter(start(), false, [traversal::<Folder>("tree", "childEntity", &["three"])], good()));
    assert!(undefined.is::<InvalidArgument>() && undefined.message().contains("three"), "{undefined}");
    let many = (0..300).map(|number| traversal::<Folder>(&format!("t{number}"), "childEntity", &[]));
    assert!(fault(&filter(start(), false, many, good())).is::<InvalidArgument>());
}

#[test]
fn deep_selection_sets_do_not_exhaust_the_stack() {
    let mut deep = tree();
    for _ in 0..200 {
        let inner = deep;
        deep = traversal::<Folder>("", "childEntity", &[]);
        deep.push_select_set(inner);
    }
    let spec = filter(moref::<Folder>(ROOT), false, [deep], [properties::<ManagedEntity>(&["name"])]);
    assert_eq!(retrieved(&inventory(), &spec).len(), 5);
}

#[test]
fn versions_limit_what_is_selected() {
    let old = Version::parse(vimsim_types::Namespace::VIM25, "2.5").expect("a version");
    let spec = filter(moref::<VirtualMachine>("vm-0"), false, [], [properties::<VirtualMachine>(&["layoutEx"])]);
    assert!(Selection::compile(&spec, old).is_err());
    let mut toy = inventory();
    toy.edit::<VirtualMachine>("vm-0", |vm| vm.as_object_mut().set(VirtualMachine::LAYOUT_EX, Value::Bool(true)));
    let all = filter(moref::<VirtualMachine>("vm-0"), false, [], [properties::<VirtualMachine>(&[])]);
    let count = |version| {
        let selection = Selection::compile(&all, version).expect("valid");
        retrieve(&toy, &[selection]).expect("retrieved")[0].prop_set().len()
    };
    assert_eq!(count(old) + 3, count(Version::NEWEST), "layoutEx, and the lists of tags and root snapshots");
}
