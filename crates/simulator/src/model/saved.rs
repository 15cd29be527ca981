//! A saved inventory instead of a new one.
//!
//! What was saved is a part of what the other server had: some objects were not asked for, some could not be read. So the
//! objects are put in as they are, those that are missing and that others cannot do without are made up, and references
//! are made true both ways again.

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxHashSet;
use vimsim_registry::Transaction;
use vimsim_types::method::CreateDatacenter;
use vimsim_types::views::{
    ComputeResource, Datacenter, Datastore, DistributedVirtualPortgroup, DistributedVirtualSwitch, EventManager,
    Folder, HistoryCollector, HostSystem, HttpNfcLease, ManagedEntity, ManagedObjectView, Network, PerformanceManager,
    PropertyCollector, PropertyFilter, ResourcePool, SearchIndex, ServiceInstance, SessionManager, Task, TaskManager,
    ViewManager, VirtualMachine, VirtualMachineSnapshot, VirtualMachineSnapshotTree,
};
use vimsim_types::{ArcStr, Fault, List, Method, Moref, Object, TypeId, Value, Version, View};

use super::Builder;
use crate::call::Call;
use crate::config::{Config, Product, SavedObject};
use crate::objects::{host_datastore_browser, host_managers, host_system, service_instance};
use crate::walk::Inventory;

/// The kinds of objects that belong to sessions, that are worked out, or whose state is not in their properties: those of
/// this service are used instead.
const NOT_LOADED: [TypeId; 14] = [
    PropertyCollector::TYPE,
    PropertyFilter::TYPE,
    ViewManager::TYPE,
    ManagedObjectView::TYPE,
    SessionManager::TYPE,
    EventManager::TYPE,
    TaskManager::TYPE,
    Task::TYPE,
    HistoryCollector::TYPE,
    PerformanceManager::TYPE,
    vimsim_types::views::CustomizationSpecManager::TYPE,
    SearchIndex::TYPE,
    HttpNfcLease::TYPE,
    ServiceInstance::TYPE,
];

/// Methods whose saved answer is used though they are written: it tells of hardware and software that properties do not
/// show. What others would answer, the properties do show, and those change.
const ANSWERED: [&str; 4] =
    ["QueryNetworkHint", "QueryTpmAttestationReport", "QueryConfigOption", "QueryTargetCapabilities"];

/// Saved answers: by the object's identifier and the type of the request.
pub(crate) type Answers = HashMap<(ArcStr, TypeId), Value>;

/// The answers to use: those that nobody `is_written` for, and some others.
pub(crate) fn answers(saved: &[SavedObject], is_written: impl Fn(TypeId, &Method) -> bool) -> Answers {
    let mut answers = Answers::default();
    for object in saved {
        for (method, answer) in &object.answers {
            if ANSWERED.contains(&method.name) || !is_written(object.moref.kind(), method) {
                answers.insert((object.moref.value().clone(), method.request), answer.clone());
            }
        }
    }
    answers
}

/// Says in the configuration what the saved inventory tells of the product, unless it is configured otherwise.
pub(crate) fn configure(config: &mut Config, saved: &[SavedObject]) {
    let instance = saved.iter().find_map(|object| ServiceInstance::from_ref(&object.properties));
    let Some(about) = instance.map(|instance| instance.content().about()) else { return };
    match about.api_type().as_str() {
        "HostAgent" => config.product = Product::EsxHost,
        "VirtualCenter" => config.product = Product::VirtualCenter,
        _ => {}
    }
    let version = about.api_version().as_str();
    let is_known = |version: &str| Version::parse(vimsim_types::Namespace::VIM25, version).is_some();
    if config.api_version.is_none() && is_known(version) {
        config.api_version = Some(version.into());
    }
}

impl Builder<'_> {
    /// The saved inventory.
    pub(super) fn saved(&mut self, saved: Vec<SavedObject>) -> Result<(), Fault> {
        let mut loaded = Vec::with_capacity(saved.len());
        let mut last = 0;
        for object in saved {
            last = last.max(number(object.moref.value()));
            if object.moref.is::<ServiceInstance>() {
                self.about(&object.properties)?;
            } else if !NOT_LOADED.iter().any(|kind| object.moref.kind().is_a(*kind)) {
                loaded.push(self.put(object)?);
            }
        }
        self.transaction.skip_numbers(last);
        self.adopt(&loaded)?;
        for moref in &loaded {
            self.forget_unknown(moref)?;
        }
        self.mend()?;
        for moref in &loaded {
            self.complete(moref)?;
        }
        Ok(())
    }

    /// Takes over what the saved service says about itself.
    fn about(&mut self, properties: &Object) -> Result<(), Fault> {
        let Some(saved) = ServiceInstance::from_ref(properties) else { return Ok(()) };
        let content = self.transaction.edit::<ServiceInstance>(&service_instance::moref())?.content_mut();
        for (slot, value) in saved.content().about().as_object().slots().iter().enumerate() {
            if !value.is_unset() {
                content.about_mut().as_object_mut().set(slot, value.clone());
            }
        }
        Ok(())
    }

    /// Puts in a saved object: over the properties of the service's own, if there is one by this reference.
    fn put(&mut self, object: SavedObject) -> Result<Moref, Fault> {
        let SavedObject { moref, properties, .. } = object;
        let kinds = self.context.service.kinds();
        let known = self.transaction.object(&moref).map(|known| known.moref().clone());
        let Some(moref) = known.clone().filter(|known| known.kind() == moref.kind()) else {
            self.transaction.insert(moref.clone(), properties);
            return Ok(moref);
        };
        for (slot, value) in properties.slots().iter().enumerate() {
            if value.is_unset() || kinds.compute(moref.kind(), slot).is_some() {
                continue;
            }
            // Managers that were not saved have the names that they have here.
            if value.moref().is_some_and(|moref| !moref.is::<ManagedEntity>()) {
                continue;
            }
            let object = self.transaction.edit::<vimsim_types::views::ManagedObject>(&moref)?;
            object.as_object_mut().set(slot, value.clone());
        }
        Ok(moref)
    }

    /// Gives entities whose parent was not saved another one: a folder of the first datacenter.
    fn adopt(&mut self, loaded: &[Moref]) -> Result<(), Fault> {
        let root = service_instance::root_folder(self.context.is_virtual_center());
        let is_orphan = |this: &Self, moref: &Moref| {
            let entity = this.transaction.view::<ManagedEntity>(moref);
            let parent = entity.map(|entity| entity.parent());
            *moref != root
                && parent.is_some_and(|parent| match parent {
                    Some(parent) => this.transaction.object(&parent).is_none(),
                    // A virtual machine in a vApp has no parent.
                    None => !moref.is::<VirtualMachine>(),
                })
        };
        let orphans: Vec<&Moref> = loaded.iter().filter(|moref| is_orphan(self, moref)).collect();
        for moref in orphans.iter().filter(|moref| moref.is::<Datacenter>()) {
            self.transaction.edit::<ManagedEntity>(moref)?.set_parent(root.clone());
        }
        for moref in orphans.iter().filter(|moref| !moref.is::<Datacenter>()) {
            match self.home(moref, loaded, &root)? {
                Some(home) => {
                    tracing::info!(%moref, %home, "an object was saved without its parent and gets another");
                    self.transaction.edit::<ManagedEntity>(moref)?.set_parent(home);
                }
                None => tracing::warn!(%moref, "an object was saved without what holds it, and is out of reach"),
            }
        }
        Ok(())
    }

    /// The folder for an entity whose parent was not saved.
    fn home(&mut self, moref: &Moref, loaded: &[Moref], root: &Moref) -> Result<Option<Moref>, Fault> {
        let takes = |this: &Self, child: &str| {
            let folder = this.transaction.view::<Folder>(moref);
            folder.is_some_and(|folder| folder.child_type().iter().any(|kind| kind.ends_with(child)))
        };
        if takes(self, "Datacenter") {
            return Ok(Some(root.clone()));
        }
        let place = if moref.is::<VirtualMachine>() || takes(self, "VirtualMachine") {
            Datacenter::VM_FOLDER
        } else if moref.is::<ComputeResource>() || takes(self, "ComputeResource") {
            Datacenter::HOST_FOLDER
        } else if moref.is::<Datastore>() || takes(self, "Datastore") {
            Datacenter::DATASTORE_FOLDER
        } else if moref.is::<Network>() || moref.is::<DistributedVirtualSwitch>() || takes(self, "Network") {
            Datacenter::NETWORK_FOLDER
        } else {
            return Ok(None);
        };
        let known = loaded.iter().find(|moref| moref.is::<Datacenter>()).cloned();
        let known = known.or_else(|| {
            let root = self.transaction.view::<Folder>(root)?;
            root.child_entity().iter().find(|moref| moref.is::<Datacenter>())
        });
        let datacenter = match known {
            Some(datacenter) => datacenter,
            None if !self.context.is_virtual_center() => return Ok(None),
            None => self.create(root, CreateDatacenter::with(|request| _ = request.set_name("DC0")))?,
        };
        let home = self.transaction.get::<Datacenter>(&datacenter)?.as_object().get(place).moref();
        Ok(home.filter(|home| self.transaction.object(home).is_some() && home != moref))
    }

    /// Takes references to what was not saved out of the object's lists.
    fn forget_unknown(&mut self, moref: &Moref) -> Result<(), Fault> {
        let Some(object) = self.transaction.object(moref) else { return Ok(()) };
        let is_unknown = |item: &Value| item.moref().is_some_and(|moref| self.transaction.object(&moref).is_none());
        let mut kept = Vec::new();
        for (slot, value) in object.properties().slots().iter().enumerate() {
            if let Value::List(list) = value
                && list.items().iter().any(is_unknown)
            {
                let items = list.items().iter().filter(|item| !is_unknown(item)).cloned().collect();
                kept.push((slot, List::new(list.element(), items)));
            }
        }
        for (slot, list) in kept {
            let object = self.transaction.edit::<vimsim_types::views::ManagedObject>(moref)?;
            object.as_object_mut().set(slot, list.into());
        }
        Ok(())
    }

    /// Makes lists of references say what the objects in them say.
    fn mend(&mut self) -> Result<(), Fault> {
        let mut said: BTreeMap<Moref, BTreeMap<usize, Vec<Moref>>> = BTreeMap::new();
        let mut entities: Vec<Moref> = self.transaction.objects().map(|object| object.moref().clone()).collect();
        entities.sort();
        for moref in &entities {
            let Some(object) = self.transaction.object(moref) else { continue };
            for slot in repeating(moref.kind()) {
                said.entry(moref.clone()).or_default().entry(*slot).or_default();
            }
            for (holder, slot) in holders(self.transaction, moref, object.properties()) {
                if self.transaction.object(&holder).is_some() {
                    said.entry(holder).or_default().entry(slot).or_default().push(moref.clone());
                }
            }
        }
        for (holder, slots) in said {
            for (slot, members) in slots {
                let Some(object) = self.transaction.object(&holder) else { continue };
                let wanted: FxHashSet<&ArcStr> = members.iter().map(Moref::value).collect();
                let listed = object.properties().get(slot).items().iter().filter_map(Value::moref);
                let mut seen = FxHashSet::default();
                let mut list: Vec<Moref> = listed.filter(|moref| wanted.contains(moref.value())).collect();
                list.extend(members.iter().cloned());
                list.retain(|moref| seen.insert(moref.value().clone()));
                let same =
                    object.properties().get(slot).items().iter().filter_map(Value::moref).eq(list.iter().cloned());
                if same && !object.properties().get(slot).is_unset() {
                    continue;
                }
                let element = holder.kind().info().fields()[slot].ty;
                let list = List::new(element, list.into_iter().map(Value::from).collect());
                let object = self.transaction.edit::<vimsim_types::views::ManagedObject>(&holder)?;
                object.as_object_mut().set(slot, list.into());
            }
        }
        Ok(())
    }

    /// Makes up what the object cannot do without.
    fn complete(&mut self, moref: &Moref) -> Result<(), Fault> {
        let Some(object) = self.transaction.object(moref).map(|object| object.properties().clone()) else {
            return Ok(());
        };
        if let Some(host) = HostSystem::from_ref(&object) {
            for manager in host_system::managers(host) {
                self.make(&manager, |kind| host_managers::properties(kind, host));
                let mut call = Call::<HostSystem>::new(self.transaction, self.context, moref.clone());
                host_managers::set_host(&mut call, &manager, moref)?;
            }
        } else if object.is::<ResourcePool>() {
            self.transaction.edit::<ResourcePool>(moref)?.config_mut().set_entity(moref.clone());
        } else if let Some(datastore) = Datastore::from_ref(&object) {
            self.make(&datastore.browser(), |_| host_datastore_browser::properties([moref.clone()]).into());
        } else if let Some(machine) = VirtualMachine::from_ref(&object) {
            self.make(&machine.environment_browser(), Object::new);
            for snapshot in machine.snapshot().iter().flat_map(|info| info.root_snapshot_list()) {
                self.snapshot(machine, moref, snapshot);
            }
        } else if let Some(compute_resource) = ComputeResource::from_ref(&object)
            && let Some(browser) = compute_resource.environment_browser()
        {
            self.make(&browser, Object::new);
        }
        Ok(())
    }

    /// Puts in an object that was not saved.
    fn make(&mut self, moref: &Moref, properties: impl FnOnce(TypeId) -> Object) {
        if !moref.value().is_empty() && self.transaction.object(moref).is_none() {
            self.transaction.insert(moref.clone(), properties(moref.kind()));
        }
    }

    /// The snapshots of a virtual machine, as its tree names them. How it was then is not saved.
    fn snapshot(&mut self, machine: &VirtualMachine, moref: &Moref, tree: &VirtualMachineSnapshotTree) {
        let children = tree.child_snapshot_list();
        self.make(&tree.snapshot(), |_| {
            let snapshot = VirtualMachineSnapshot::with(|snapshot| {
                snapshot.set_vm(moref.clone());
                snapshot.set_child_snapshot(children.iter().map(|child| child.snapshot()));
                if let Some(config) = machine.config() {
                    snapshot.set_config(config.clone());
                }
            });
            snapshot.into()
        });
        for child in children {
            self.snapshot(machine, moref, child);
        }
    }
}

/// The properties that only repeat what others say: the lists of what is in a container or on a host.
fn repeating(kind: TypeId) -> &'static [usize] {
    if kind.is_a(Folder::TYPE) {
        &[Folder::CHILD_ENTITY]
    } else if kind.is_a(Datacenter::TYPE) {
        &[Datacenter::DATASTORE, Datacenter::NETWORK]
    } else if kind.is_a(HostSystem::TYPE) {
        &[HostSystem::VM]
    } else if kind.is_a(ResourcePool::TYPE) {
        &[ResourcePool::RESOURCE_POOL, ResourcePool::VM]
    } else if kind.is_a(ComputeResource::TYPE) {
        &[ComputeResource::HOST]
    } else if kind.is_a(Datastore::TYPE) {
        &[Datastore::VM]
    } else if kind.is_a(Network::TYPE) {
        &[Network::HOST, Network::VM]
    } else {
        &[]
    }
}

/// Who lists the object, and where.
fn holders(transaction: &Transaction, moref: &Moref, object: &Object) -> Vec<(Moref, usize)> {
    let Some(entity) = ManagedEntity::from_ref(object) else { return Vec::new() };
    let mut holders = Vec::new();
    match entity.parent() {
        Some(parent) if parent.is::<Folder>() => holders.push((parent, Folder::CHILD_ENTITY)),
        Some(parent) if moref.is::<HostSystem>() => holders.push((parent, ComputeResource::HOST)),
        Some(parent) if moref.is::<ResourcePool>() && parent.is::<ResourcePool>() => {
            holders.push((parent, ResourcePool::RESOURCE_POOL));
        }
        _ => {}
    }
    if moref.is::<Datastore>() {
        holders.extend(transaction.ancestor::<Datacenter>(moref).map(|moref| (moref, Datacenter::DATASTORE)));
    } else if moref.is::<Network>() {
        holders.extend(transaction.ancestor::<Datacenter>(moref).map(|moref| (moref, Datacenter::NETWORK)));
    }
    if let Some(machine) = VirtualMachine::from_ref(object) {
        holders.extend(machine.runtime().host().map(|host| (host, HostSystem::VM)));
        holders.extend(machine.resource_pool().map(|pool| (pool, ResourcePool::VM)));
        holders.extend(machine.datastore().iter().map(|datastore| (datastore, Datastore::VM)));
        holders.extend(machine.network().iter().map(|network| (network, Network::VM)));
    } else if let Some(host) = HostSystem::from_ref(object) {
        holders.extend(host.network().iter().map(|network| (network, Network::HOST)));
    } else if let Some(portgroup) = DistributedVirtualPortgroup::from_ref(object)
        && let Some(switch) = portgroup.config().distributed_virtual_switch()
    {
        holders.push((switch, DistributedVirtualSwitch::PORTGROUP));
    }
    holders
}

/// The number at the end of an identifier such as `vm-62`, `group-v3` or `resgroup-v12`; 0 for others.
fn number(value: &str) -> u64 {
    let Some((words, rest)) = value.rsplit_once('-') else { return 0 };
    let digits = rest.strip_prefix(|letter: char| letter.is_ascii_lowercase()).unwrap_or(rest);
    let is_plain = words.bytes().all(|byte| byte.is_ascii_alphabetic());
    digits.parse().ok().filter(|number| is_plain && *number <= u64::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_at_the_end_of_identifiers() {
        let numbers = ["vm-62", "group-v3", "resgroup-v12", "domain-c8", "ha-folder-vm", "propertyCollector"];
        assert_eq!(numbers.map(super::number), [62, 3, 12, 8, 0, 0]);
        assert_eq!(super::number("datastore-5980f676-21a5db76-9eef-15000100"), 0);
    }
}
