//! Ways through the inventory that more than one managed object needs.

use vimsim_registry::{ManagedObject, Snapshot, Transaction};
use vimsim_types::views::{ComputeResource, Datacenter, Folder, HostSystem, ManagedEntity, ResourcePool};
use vimsim_types::{List, Moref, Object, TypeId, Value, View};

use crate::call::Call;

/// Something in which objects can be looked up: a snapshot or a transaction.
pub(crate) trait Inventory {
    fn find(&self, moref: &Moref) -> Option<&std::sync::Arc<ManagedObject>>;
    fn find_value(&self, value: &str) -> Option<&std::sync::Arc<ManagedObject>>;

    /// Every object of a type.
    fn all(&self, kind: TypeId) -> Vec<Moref>;

    /// The object as a view.
    fn seen<V: View>(&self, moref: &Moref) -> Option<&V> {
        self.find(moref)?.view()
    }

    /// The object and its ancestors, nearest first.
    fn ancestry(&self, moref: &Moref) -> Vec<Moref> {
        let parent = |moref: &Moref| self.seen::<ManagedEntity>(moref)?.parent();
        std::iter::successors(Some(moref.clone()), parent).take(1_000).collect()
    }

    /// The nearest ancestor (or the object itself) of type `V`.
    fn ancestor<V: View>(&self, moref: &Moref) -> Option<Moref> {
        self.ancestry(moref).into_iter().find(|moref| moref.is::<V>())
    }
}

impl Inventory for Snapshot {
    fn find(&self, moref: &Moref) -> Option<&std::sync::Arc<ManagedObject>> {
        self.object(moref)
    }

    fn find_value(&self, value: &str) -> Option<&std::sync::Arc<ManagedObject>> {
        self.object_by_value(value)
    }

    fn all(&self, kind: TypeId) -> Vec<Moref> {
        self.objects().map(|object| object.moref()).filter(|moref| moref.kind().is_a(kind)).cloned().collect()
    }
}

impl Inventory for Transaction {
    fn find(&self, moref: &Moref) -> Option<&std::sync::Arc<ManagedObject>> {
        self.object(moref)
    }

    fn find_value(&self, value: &str) -> Option<&std::sync::Arc<ManagedObject>> {
        self.object_by_value(value)
    }

    fn all(&self, kind: TypeId) -> Vec<Moref> {
        self.objects().map(|object| object.moref()).filter(|moref| moref.kind().is_a(kind)).cloned().collect()
    }
}

/// The references in a list-valued or single property.
fn references(value: &Value) -> impl Iterator<Item = Moref> {
    value.moref().into_iter().chain(value.items().iter().filter_map(Value::moref))
}

/// What is left of a data object when these references are taken out of it, however deep: they leave the lists that they
/// are in, and properties that may be unset. What needs one of them goes with it, at last the object itself; so does an
/// element of a list that is about one of them.
pub(crate) fn without(object: &Object, gone: &[Moref]) -> Option<Object> {
    let mut left = object.clone();
    for (slot, field) in object.kind().info().fields().iter().enumerate() {
        let old = object.get(slot);
        let new = value_without(old, gone);
        if new.is_unset() && !old.is_unset() && !field.is_optional() {
            return None;
        }
        if new != *old {
            left.set(slot, new);
        }
    }
    Some(left)
}

fn names(value: &Value, gone: &[Moref]) -> bool {
    value.moref().is_some_and(|moref| gone.contains(&moref))
}

fn value_without(value: &Value, gone: &[Moref]) -> Value {
    match value {
        Value::Object(object) => without(object, gone).map_or(Value::Unset, Value::from),
        Value::List(list) => {
            let is_about = |value: &Value| value.object().is_some_and(|it| it.slots().iter().any(|it| names(it, gone)));
            let items = list.items().iter().filter(|item| !is_about(item)).map(|item| value_without(item, gone));
            List::new(list.element(), items.filter(|item| !item.is_unset()).collect()).into()
        }
        _ if names(value, gone) => Value::Unset,
        _ => value.clone(),
    }
}

/// The properties through which an entity contains others, in the order in which a container view lists them.
fn child_slots(kind: TypeId) -> &'static [usize] {
    if kind.is_a(Folder::TYPE) {
        &[Folder::CHILD_ENTITY]
    } else if kind.is_a(Datacenter::TYPE) {
        &[Datacenter::VM_FOLDER, Datacenter::HOST_FOLDER, Datacenter::DATASTORE_FOLDER, Datacenter::NETWORK_FOLDER]
    } else if kind.is_a(ComputeResource::TYPE) {
        &[ComputeResource::HOST, ComputeResource::RESOURCE_POOL]
    } else if kind.is_a(ResourcePool::TYPE) {
        &[ResourcePool::RESOURCE_POOL, ResourcePool::VM]
    } else if kind.is_a(HostSystem::TYPE) {
        &[HostSystem::VM]
    } else {
        &[]
    }
}

/// What an entity directly contains.
pub(crate) fn children(object: &ManagedObject) -> Vec<Moref> {
    let slots = child_slots(object.moref().kind());
    slots.iter().flat_map(|slot| references(object.properties().get(*slot))).collect()
}

/// Everything below a container, each once, parents before children: `recursive` or only what it directly contains.
pub(crate) fn descendants(
    inventory: &impl Inventory,
    container: &Moref,
    recursive: bool,
    visit: &mut dyn FnMut(&Moref),
) {
    let mut seen = rustc_hash::FxHashSet::default();
    let mut pending: Vec<Moref> = inventory.find(container).map(|object| children(object)).unwrap_or_default();
    pending.reverse();
    while let Some(moref) = pending.pop() {
        if !seen.insert(moref.value().clone()) {
            continue;
        }
        visit(&moref);
        if recursive
            && !child_slots(moref.kind()).is_empty()
            && let Some(object) = inventory.find(&moref)
        {
            let first = pending.len();
            pending.extend(children(object));
            pending[first..].reverse();
        }
    }
}

/// The letters before the number in identifiers of a type, as vCenter and `vcsim` choose them.
fn prefix(kind: TypeId) -> String {
    match kind.name() {
        "DistributedVirtualPortgroup" => "dvportgroup-".into(),
        "DistributedVirtualSwitch" | "VmwareDistributedVirtualSwitch" => "dvs-".into(),
        "EnvironmentBrowser" => "envbrowser-".into(),
        "HostSystem" => "host-".into(),
        "ResourcePool" => "resgroup-".into(),
        "ScheduledTask" => "schedule-".into(),
        "VirtualApp" => "resgroup-v".into(),
        "VirtualMachine" => "vm-".into(),
        "VirtualMachineSnapshot" => "snapshot-".into(),
        "ClusterComputeResource" => "domain-c".into(),
        "ComputeResource" => "domain-s".into(),
        "Folder" => "group-".into(),
        "StoragePod" => "group-p".into(),
        name => format!("{}-", name.to_ascii_lowercase()),
    }
}

impl<T> Call<'_, T> {
    /// A reference for a new object of this type.
    pub(crate) fn create_moref(&mut self, kind: TypeId) -> Moref {
        let number = self.next_number();
        Moref::new(kind, format!("{}{number}", prefix(kind)))
    }

    /// Adds a new object and returns its reference.
    pub(crate) fn create<V: View>(&mut self, properties: V) -> Moref {
        let moref = self.create_moref(properties.as_object().kind());
        self.insert(moref.clone(), properties);
        moref
    }

    /// The datacenter that the object is in, if it is in one.
    pub(crate) fn datacenter_of(&self, moref: &Moref) -> Option<Moref> {
        let transaction: &Transaction = self;
        transaction.ancestor::<Datacenter>(moref)
    }

    /// Whether `moref` is `ancestor` or below it.
    pub(crate) fn is_within(&self, moref: &Moref, ancestor: &Moref) -> bool {
        let transaction: &Transaction = self;
        transaction.ancestry(moref).contains(ancestor)
    }
}

/// Removes a reference from a list property.
pub(crate) fn remove_reference(items: &mut vimsim_types::ItemsMut<'_, Moref>, moref: &Moref) {
    items.retain(|known| known.value() != moref.value());
}
