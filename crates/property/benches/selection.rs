//! Times what a property collector does on large inventories: `cargo bench -p vimsim-property`.
//!
//! The world is a persistent map, as the registry's is; the numbers are the best of several runs.
#![allow(clippy::print_stdout)]

use std::hash::BuildHasherDefault;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archery::ArcTK;
use rpds::HashTrieMap;
use rustc_hash::FxHasher;
use vimsim_property::{FilterState, Selection, World, retrieve};
use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::views::*;
use vimsim_types::{ArcStr, Moref, Object, Version, View};

type Objects = HashTrieMap<ArcStr, Object, ArcTK, BuildHasherDefault<FxHasher>>;

struct Inventory {
    objects: Objects,
    view: Moref,
    last: Moref,
}

impl World for Inventory {
    fn object(&self, moref: &Moref) -> Option<&Object> {
        self.objects.get(moref.value())
    }
}

impl Inventory {
    /// Virtual machines in one view, a hundred in each of a tree of folders.
    fn new(count: usize) -> Self {
        let mut objects = Objects::new_with_hasher_and_ptr_kind(BuildHasherDefault::default());
        let vms: Vec<Moref> = (0..count).map(|number| Moref::of::<VirtualMachine>(format!("vm-{number}"))).collect();
        for vm in &vms {
            let object = VirtualMachine::with(|machine| {
                machine.set_name(vm.value());
                machine.set_datastore([Moref::of::<Datastore>("datastore-1")]);
                machine.runtime_mut().set_host(Moref::of::<HostSystem>("host-1"));
                let config = machine.config_mut();
                config.set_name(vm.value());
                for key in 0..12 {
                    config.hardware_mut().push_device(VirtualE1000::with(|card| {
                        card.set_key(key);
                        card.connectable_mut().set_connected(true);
                    }));
                }
            });
            objects.insert_mut(vm.value().clone(), object.into());
        }
        let folders = vms.chunks(100).enumerate().map(|(number, vms)| {
            let folder = Folder::with(|folder| {
                folder.set_child_entity(vms.iter().cloned());
            });
            (Moref::of::<Folder>(format!("group-{}", number + 1)), folder)
        });
        let folders: Vec<(Moref, Folder)> = folders.collect();
        let root = Folder::with(|root| {
            root.set_child_entity(folders.iter().map(|(moref, _)| moref.clone()));
        });
        for (moref, folder) in folders {
            objects.insert_mut(moref.value().clone(), folder.into());
        }
        objects.insert_mut("group-0".into(), root.into());
        let (view, last) = (Moref::of::<ListView>("view-1"), vms[count - 1].clone());
        let list = ListView::with(|view| {
            view.set_view(vms);
        });
        objects.insert_mut(view.value().clone(), list.into());
        Inventory { objects, view, last }
    }

    fn edit(&mut self, edit: impl FnOnce(&mut VirtualMachine)) {
        let mut object = self.objects[self.last.value()].clone();
        edit(VirtualMachine::from_mut(&mut object).expect("a virtual machine"));
        self.objects.insert_mut(self.last.value().clone(), object);
    }
}

fn filter(start: Moref, traversal: TraversalSpec, paths: &[&str]) -> PropertyFilterSpec {
    PropertyFilterSpec::with(|spec| {
        spec.push_prop_set(PropertySpec::with(|spec| {
            spec.set_type("VirtualMachine").set_path_set(paths.iter().copied()).set_all(paths.is_empty());
        }));
        spec.push_object_set(ObjectSpec::with(|spec| {
            spec.set_obj(start).set_skip(true).push_select_set(traversal);
        }));
    })
}

fn traversal(kind: &str, path: &str) -> TraversalSpec {
    TraversalSpec::with(|spec| {
        spec.set_type(kind).set_path(path).set_name(path);
        spec.push_select_set(SelectionSpec::with(|spec| {
            spec.set_name(path);
        }));
    })
}

fn measure<T>(what: &str, objects: usize, mut work: impl FnMut() -> T) {
    let time = |work: &mut dyn FnMut() -> T| {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    };
    let best = (0..7).map(|_| time(&mut work)).min().unwrap_or(Duration::ZERO);
    println!("{what:50} {best:>12.2?} {:>9.0} ns per object", best.as_nanos() as f64 / objects as f64);
}

fn main() {
    for count in [10_000, 100_000] {
        println!("{count} virtual machines");
        let mut inventory = Inventory::new(count);
        let view = traversal("ListView", "view");
        let names = filter(inventory.view.clone(), view.clone(), &["name"]);
        let compile = |spec: &PropertyFilterSpec| Selection::compile(spec, Version::NEWEST).expect("valid");
        measure("compile", 1, || compile(&names));
        let selection = [compile(&names)];
        measure("names through a view", count, || retrieve(&inventory, &selection));
        let tree = filter(Moref::of::<Folder>("group-0"), traversal("Folder", "childEntity"), &["name"]);
        let tree = [compile(&tree)];
        measure("names through a tree of folders", count, || retrieve(&inventory, &tree));
        let all = [compile(&filter(inventory.view.clone(), view.clone(), &[]))];
        measure("all properties through a view", count, || retrieve(&inventory, &all));
        let one = PropertyFilterSpec::with(|spec| {
            spec.push_prop_set(PropertySpec::with(|spec| {
                spec.set_type("VirtualMachine").set_path_set(["name", "runtime.powerState"]);
            }));
            spec.push_object_set(ObjectSpec::with(|spec| {
                spec.set_obj(inventory.last.clone());
            }));
        });
        measure("two properties of one, compiled each time", 1, || retrieve(&inventory, &[compile(&one)]));

        let watched = filter(inventory.view.clone(), view, &["name", "runtime", "config.hardware.device"]);
        let new = FilterState::new(Arc::new(compile(&watched)), true);
        measure("first update", count, || new.clone().update(&inventory, None, usize::MAX));
        measure("first update, 100 at a time", count, || {
            let mut state = new.clone();
            while state.update(&inventory, Some(&[]), 100).truncated {}
        });
        let mut state = new.clone();
        state.update(&inventory, None, usize::MAX);
        measure("update, nothing known, nothing changed", count, || state.update(&inventory, None, usize::MAX));
        let changed = [inventory.last.clone()];
        let mut powered_on = false;
        measure("update, one power state changed", 1, || {
            powered_on = !powered_on;
            let next = [VirtualMachinePowerState::PoweredOff, VirtualMachinePowerState::PoweredOn];
            inventory.edit(|vm| {
                vm.runtime_mut().set_power_state(next[usize::from(powered_on)]);
            });
            state.clone().update(&inventory, Some(&changed), usize::MAX)
        });
        measure("update, one device changed", 1, || {
            inventory.edit(|vm| {
                let mut devices = vm.config_mut().hardware_mut().device_mut();
                let card = devices.iter_mut().nth(7).expect("a device").connectable_mut();
                card.set_connected(!card.connected());
            });
            state.clone().update(&inventory, Some(&changed), usize::MAX)
        });
        let older = state.clone();
        let created = Moref::of::<VirtualMachine>("vm-new");
        inventory.objects.insert_mut(created.value().clone(), VirtualMachine::new().into());
        let mut list = inventory.objects[inventory.view.value()].clone();
        ListView::from_mut(&mut list).expect("a view").push_view(created.clone());
        inventory.objects.insert_mut(inventory.view.value().clone(), list);
        let changed = [created, inventory.view.clone()];
        measure("update, one virtual machine created", count, || {
            older.clone().update(&inventory, Some(&changed), usize::MAX)
        });
        println!();
    }
}
