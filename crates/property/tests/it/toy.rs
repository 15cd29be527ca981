//! A small inventory: folders, virtual machines, hosts, tasks and views.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use vimsim_property::World;
use vimsim_types::views::*;
use vimsim_types::{Fault, List, Moref, Object, Ty, Value, View, enums};

/// The folder that everything is in.
pub(crate) const ROOT: &str = "group-0";
/// The view whose `view` is computed: all virtual machines in folders below the root.
pub(crate) const CONTAINER_VIEW: &str = "view-1";
/// The view whose `view` is stored, and may refer to nothing.
pub(crate) const LIST_VIEW: &str = "view-2";

#[derive(Clone, Default)]
pub(crate) struct Toy {
    pub(crate) objects: BTreeMap<Moref, Object>,
    /// Raised by every change of the tree of folders.
    pub(crate) structure: u64,
    /// Properties that may not be read.
    pub(crate) denied: BTreeSet<(Moref, usize)>,
    /// How many objects were looked up.
    pub(crate) lookups: Cell<usize>,
    /// How often the container view was computed.
    pub(crate) computed: Cell<usize>,
}

pub(crate) fn moref<V: View>(value: &str) -> Moref {
    Moref::of::<V>(value)
}

impl World for Toy {
    fn object(&self, moref: &Moref) -> Option<&Object> {
        self.lookups.set(self.lookups.get() + 1);
        match self.objects.get(moref) {
            None => self.objects.iter().find(|(known, _)| known.value() == moref.value()).map(|(_, object)| object),
            found => found,
        }
    }

    fn stamp(&self, _: &Moref, object: &Object) -> Option<u64> {
        object.is::<ContainerView>().then_some(self.structure)
    }

    fn property(&self, _: &Moref, object: &Object, slot: usize) -> Value {
        if slot != ManagedObjectView::VIEW {
            return object.get(slot).clone();
        }
        self.computed.set(self.computed.get() + 1);
        let mut found = Vec::new();
        let mut pending = vec![moref::<Folder>(ROOT)];
        while let Some(folder) = pending.pop() {
            let Some(folder) = self.objects.get(&folder).and_then(Folder::from_ref) else { continue };
            for child in folder.child_entity() {
                match child.is::<Folder>() {
                    true => pending.push(child),
                    false => found.push(child.into()),
                }
            }
        }
        List::new(Ty::Moref(ManagedEntity::TYPE), found).into()
    }

    fn readable(&self, moref: &Moref, object: &Object, slot: usize) -> Result<(), Fault> {
        if !self.denied.contains(&(moref.clone(), slot)) {
            return Ok(());
        }
        Err(NoPermission::with(|fault| {
            fault.set_object(Moref::new(object.kind(), moref.value().clone())).set_privilege_id("System.Read");
        })
        .into())
    }
}

impl Toy {
    /// A root folder, both views, two hosts, and as many virtual machines in the root.
    pub(crate) fn new(virtual_machines: usize) -> Toy {
        let mut toy = Toy::default();
        toy.insert(
            ROOT,
            Folder::with(|folder| {
                folder.set_name("root");
            }),
        );
        toy.insert(
            CONTAINER_VIEW,
            ContainerView::with(|view| {
                view.set_container(moref::<Folder>(ROOT));
            }),
        );
        toy.insert(LIST_VIEW, ListView::new());
        for host in ["host-1", "host-2"] {
            toy.insert(
                host,
                HostSystem::with(|system| {
                    system.set_name(host);
                }),
            );
        }
        for number in 0..virtual_machines {
            toy.add_virtual_machine(ROOT, number, "host-1");
        }
        toy
    }

    pub(crate) fn insert<V: View>(&mut self, value: &str, object: V) -> Moref {
        let moref = Moref::of::<V>(value);
        self.objects.insert(moref.clone(), object.into());
        moref
    }

    pub(crate) fn edit<V: View>(&mut self, value: &str, edit: impl FnOnce(&mut V)) -> Moref {
        let moref = Moref::of::<V>(value);
        edit(V::from_mut(self.objects.get_mut(&moref).expect("it is there")).expect("of this type"));
        moref
    }

    pub(crate) fn get<V: View>(&self, value: &str) -> &V {
        V::from_ref(&self.objects[&Moref::of::<V>(value)]).expect("of this type")
    }

    /// Adds a virtual machine with two devices. Returns what was changed.
    pub(crate) fn add_virtual_machine(&mut self, folder: &str, number: usize, host: &str) -> Vec<Moref> {
        let name = format!("vm-{number}");
        let moref = self.insert(
            &name,
            VirtualMachine::with(|vm| {
                vm.set_name(&name).set_parent(moref::<Folder>(folder));
                vm.runtime_mut()
                    .set_host(moref::<HostSystem>(host))
                    .set_power_state(enums::VirtualMachinePowerState::PoweredOff);
                vm.set_datastore([Moref::of::<Datastore>("datastore-1")]);
                let config = vm.config_mut();
                config.set_name(&name);
                config.hardware_mut().push_device(disk(2000)).push_device(card(4000));
            }),
        );
        let mut changed = self.adopt(folder, &moref);
        changed.push(moref);
        changed
    }

    /// Puts an entity among the children of a folder.
    pub(crate) fn adopt(&mut self, folder: &str, child: &Moref) -> Vec<Moref> {
        self.structure += 1;
        let child = child.clone();
        vec![self.edit::<Folder>(folder, |folder| {
            folder.push_child_entity(child);
        })]
    }

    /// Takes an entity out of its folder.
    pub(crate) fn orphan(&mut self, folder: &str, child: &Moref) -> Vec<Moref> {
        self.structure += 1;
        vec![self.edit::<Folder>(folder, |folder| folder.child_entity_mut().retain(|known| known != *child))]
    }
}

pub(crate) fn disk(key: i32) -> VirtualDisk {
    VirtualDisk::with(|disk| {
        disk.set_key(key);
        disk.set_capacity_in_kb(1024);
        disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
            backing.set_file_name(format!("[ds] {key}.vmdk"));
        }));
    })
}

pub(crate) fn card(key: i32) -> VirtualE1000 {
    VirtualE1000::with(|card| {
        card.set_key(key);
        card.set_mac_address(format!("00:0c:29:00:{:02x}:{:02x}", key >> 8 & 255, key & 255));
        card.connectable_mut().set_connected(true);
    })
}

/// A `PropertySpec`; all properties if no path is given.
pub(crate) fn properties<V: View>(paths: &[&str]) -> PropertySpec {
    PropertySpec::with(|spec| {
        spec.set_type(V::TYPE.name()).set_all(paths.is_empty());
        spec.set_path_set(paths.iter().copied());
    })
}

/// A named `TraversalSpec` that goes on with the named ones.
pub(crate) fn traversal<V: View>(name: &str, path: &str, next: &[&str]) -> TraversalSpec {
    TraversalSpec::with(|spec| {
        spec.set_type(V::TYPE.name()).set_path(path).set_name(name);
        spec.set_select_set(next.iter().map(|name| named(name)));
    })
}

/// A reference to a `TraversalSpec`.
pub(crate) fn named(name: &str) -> SelectionSpec {
    SelectionSpec::with(|spec| {
        spec.set_name(name);
    })
}

/// A `PropertyFilterSpec` that starts from one object, which is not reported if it is to `skip` it.
pub(crate) fn filter(
    start: Moref,
    skip: bool,
    traversals: impl IntoIterator<Item = TraversalSpec>,
    properties: impl IntoIterator<Item = PropertySpec>,
) -> PropertyFilterSpec {
    PropertyFilterSpec::with(|spec| {
        spec.set_prop_set(properties);
        spec.push_object_set(ObjectSpec::with(|spec| {
            spec.set_obj(start).set_skip(skip).set_select_set(traversals);
        }));
    })
}
