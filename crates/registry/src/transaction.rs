//! One write.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use vimsim_types::{ArcStr, Fault, Moref, Object, View, views};

use crate::managed_object::ManagedObject;
use crate::registry::Rules;
use crate::snapshot::{Found, IndexKey, Map, Snapshot, World};

/// A write in progress: the inventory as the writer sees it. Dropped unless its closure succeeds.
pub struct Transaction {
    base: Arc<World>,
    world: World,
    touched: FxHashMap<ArcStr, Touch>,
    /// The objects touched, each once, in the order in which they were.
    order: Vec<Moref>,
    /// Those not yet shown to [`Rules::derive`].
    fresh: Vec<Moref>,
    /// Brought up to date when something is looked up in it, and at the end.
    index: RefCell<Index>,
    rules: Arc<dyn Rules>,
}

/// Where an object stands.
#[derive(Clone, Copy)]
struct Touch {
    /// Whether it is in [`Transaction::fresh`].
    is_fresh: bool,
    /// Whether it is in [`Index::stale`], as of this generation of it.
    stale: u32,
}

/// The index as this write has changed it.
struct Index {
    found: Map<IndexKey, Found>,
    /// The keys of the objects that have been indexed anew in this write: where they are in `all_keys`.
    keys: FxHashMap<ArcStr, std::ops::Range<u32>>,
    all_keys: Vec<IndexKey>,
    /// The objects that were touched since they were last indexed.
    stale: Vec<ArcStr>,
    /// How often everything stale has been indexed.
    generation: u32,
}

impl Transaction {
    pub(crate) fn new(base: Arc<World>, rules: Arc<dyn Rules>) -> Self {
        let world = World::clone(&base);
        let index = Index {
            found: world.index.clone(),
            keys: FxHashMap::default(),
            all_keys: Vec::new(),
            stale: Vec::new(),
            generation: 1,
        };
        Self {
            base,
            world,
            touched: FxHashMap::default(),
            order: Vec::new(),
            fresh: Vec::new(),
            index: RefCell::new(index),
            rules,
        }
    }

    /// The version that this write builds on.
    pub fn version(&self) -> u64 {
        self.base.version
    }

    /// The inventory as it was before this write.
    pub fn before(&self) -> Snapshot {
        Snapshot(self.base.clone())
    }

    /// The next number for a new object's identifier. No two objects that ever existed get the same.
    pub fn next_number(&mut self) -> u64 {
        self.world.counter += 1;
        self.world.counter
    }

    /// Lets the numbers go on behind this one.
    pub fn skip_numbers(&mut self, last: u64) {
        self.world.counter = self.world.counter.max(last);
    }

    /// The object of this reference.
    pub fn object(&self, moref: &Moref) -> Option<&Arc<ManagedObject>> {
        self.world.objects.get(moref.value())
    }

    /// The object with this identifier.
    pub fn object_by_value(&self, value: &str) -> Option<&Arc<ManagedObject>> {
        self.world.objects.get(value)
    }

    /// The properties of this object, if it exists and is a `T`.
    pub fn view<T: View>(&self, moref: &Moref) -> Option<&T> {
        self.object(moref)?.view()
    }

    /// The properties of this object as a `T`; `ManagedObjectNotFound` if there is no such object.
    pub fn get<T: View>(&self, moref: &Moref) -> Result<&T, Fault> {
        self.view(moref).ok_or_else(|| not_found(moref))
    }

    /// The properties of this object as a `T`, to change; `ManagedObjectNotFound` if there is no such object.
    pub fn edit<T: View>(&mut self, moref: &Moref) -> Result<&mut T, Fault> {
        let object = self.touch(moref)?;
        T::from_mut(object.properties_mut()).ok_or_else(|| not_found(moref))
    }

    /// Writes what [`Rules::derive`] made of an object, and of which nothing further follows: it is not asked for again.
    /// `ManagedObjectNotFound` if there is no such object.
    pub fn settle(&mut self, moref: &Moref, properties: impl Into<Object>) -> Result<(), Fault> {
        let fresh = self.fresh.len();
        let object = self.touch(moref)?;
        *object.properties_mut() = properties.into();
        for moref in self.fresh.drain(fresh..) {
            if let Some(touch) = self.touched.get_mut(moref.value()) {
                touch.is_fresh = false;
            }
        }
        Ok(())
    }

    /// What the object's behaviour keeps beside its properties, to change; a new `T` if there is none.
    pub fn private<T>(&mut self, moref: &Moref) -> Result<&mut T, Fault>
    where
        T: std::any::Any + Send + Sync + Clone + Default,
    {
        Ok(self.touch(moref)?.private_mut())
    }

    /// Adds an object. Its identifier must be new.
    pub fn insert(&mut self, moref: Moref, properties: impl Into<Object>) {
        self.insert_for_session(moref, properties, None);
    }

    /// Adds an object that only this session sees.
    pub fn insert_for_session(&mut self, moref: Moref, properties: impl Into<Object>, session: Option<ArcStr>) {
        let object = ManagedObject::new(moref.clone(), properties.into(), session);
        self.world.objects.insert_mut(moref.value().clone(), Arc::new(object));
        self.note(moref);
    }

    /// Removes an object. What refers to it is the caller's to mend.
    pub fn remove(&mut self, moref: &Moref) {
        if self.world.objects.remove_mut(moref.value()) {
            self.note(moref.clone());
        }
    }

    /// The objects indexed under a key, as this write has left them so far.
    pub fn indexed(&self, key: IndexKey) -> impl Iterator<Item = &Arc<ManagedObject>> {
        let mut index = self.index.borrow_mut();
        self.reindex(&mut index);
        let found = index.found.get(&key).cloned();
        found.into_iter().flat_map(Found::into_values).filter_map(|value| self.world.objects.get(&value))
    }

    /// The objects indexed under a key before this write.
    pub fn indexed_before(&self, key: IndexKey) -> impl Iterator<Item = &Arc<ManagedObject>> {
        let found = self.base.index.get(&key).into_iter().flat_map(Found::values);
        found.filter_map(|value| self.world.objects.get(value))
    }

    /// The objects that this write has touched so far and that still exist.
    pub fn touched(&self) -> impl Iterator<Item = &Arc<ManagedObject>> {
        self.order.iter().filter_map(|moref| self.object(moref))
    }

    /// The references of the objects that this write has touched so far, those it removed included.
    pub fn noted(&self) -> &[Moref] {
        &self.order
    }

    /// All objects, in no particular order.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<ManagedObject>> {
        self.world.objects.values()
    }

    fn touch(&mut self, moref: &Moref) -> Result<&mut ManagedObject, Fault> {
        // Noted under its own reference: the caller's may be of another type.
        let known = if self.is_noted(moref) { None } else { self.world.objects.get(moref.value()) };
        if let Some(object) = known {
            self.note(object.moref().clone());
        }
        let object = self.world.objects.get_mut(moref.value()).ok_or_else(|| not_found(moref))?;
        Ok(Arc::make_mut(object))
    }

    /// Whether a further touch of the object needs no note.
    fn is_noted(&mut self, moref: &Moref) -> bool {
        let generation = self.index.get_mut().generation;
        self.touched.get(moref.value()).is_some_and(|touch| touch.is_fresh && touch.stale == generation)
    }

    fn note(&mut self, moref: Moref) {
        let index = self.index.get_mut();
        let touch = match self.touched.get_mut(moref.value()) {
            Some(touch) => touch,
            None => {
                self.order.push(moref.clone());
                self.touched.entry(moref.value().clone()).or_insert(Touch { is_fresh: false, stale: 0 })
            }
        };
        if touch.stale != index.generation {
            touch.stale = index.generation;
            index.stale.push(moref.value().clone());
        }
        if !touch.is_fresh {
            touch.is_fresh = true;
            self.fresh.push(moref);
        }
    }

    /// Indexes anew what was touched since this was last done.
    fn reindex(&self, index: &mut Index) {
        if index.stale.is_empty() {
            return;
        }
        index.generation += 1;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for value in std::mem::take(&mut index.stale) {
            before.clear();
            after.clear();
            let (old, new) = (self.base.objects.get(&value), self.world.objects.get(&value));
            if let (Some(old), Some(new)) = (old, new)
                && !index.keys.contains_key(&value)
                && self.rules.indexed_alike(old, new)
            {
                continue;
            }
            match index.keys.get(&value) {
                Some(at) => before.extend_from_slice(&index.all_keys[at.start as usize..at.end as usize]),
                None => old.into_iter().for_each(|old| self.rules.index(old, &mut before)),
            }
            new.into_iter().for_each(|new| self.rules.index(new, &mut after));
            for key in before.iter().filter(|key| !after.contains(key)) {
                Found::remove(&mut index.found, *key, &value);
            }
            for key in after.iter().filter(|key| !before.contains(key)) {
                Found::add(&mut index.found, *key, &value);
            }
            if before != after {
                let start = index.all_keys.len() as u32;
                index.all_keys.extend_from_slice(&after);
                index.keys.insert(value, start..index.all_keys.len() as u32);
            }
        }
    }

    /// Derives what follows from the edits and compares with the version before: the next world and what changed in it,
    /// or `None` if nothing did.
    pub(crate) fn finish(mut self) -> Option<(World, Vec<Moref>)> {
        let rules = self.rules.clone();
        // Derivations settle in two or three rounds; a cycle of rules must not hang the writer.
        for _ in 0..8 {
            let fresh = std::mem::take(&mut self.fresh);
            if fresh.is_empty() {
                break;
            }
            for moref in &fresh {
                if let Some(touch) = self.touched.get_mut(moref.value()) {
                    touch.is_fresh = false;
                }
            }
            rules.derive(&mut self, &fresh);
        }

        let mut changed = Vec::new();
        let mut moved = false;
        for moref in std::mem::take(&mut self.order) {
            let old = self.base.objects.get(moref.value());
            let new = self.world.objects.get(moref.value());
            match (old, new) {
                (None, None) => continue,
                (Some(old), Some(new)) if old.same(new) => continue,
                (Some(old), Some(new)) => moved = moved || rules.moves(old.properties(), new.properties()),
                _ => moved = moved || moref.kind().is_a(views::ManagedEntity::TYPE),
            }
            changed.push(moref);
        }
        if changed.is_empty() && self.world.counter == self.base.counter {
            return None;
        }
        self.reindex(&mut self.index.borrow_mut());
        self.world.index = self.index.into_inner().found;
        self.world.version += 1;
        if moved {
            self.world.topology = self.world.version;
        }
        Some((self.world, changed))
    }
}

fn not_found(moref: &Moref) -> Fault {
    views::ManagedObjectNotFound::with(|fault| {
        fault.set_obj(moref.clone());
    })
    .into()
}

#[cfg(test)]
mod tests {
    use vimsim_types::enums::ManagedEntityStatus;
    use vimsim_types::views::{Datastore, Folder, ManagedEntity};

    use super::*;
    use crate::registry::Registry;

    /// Keeps every folder's configStatus equal to its overallStatus, and indexes entities by name.
    struct TestRules;

    impl Rules for TestRules {
        fn derive(&self, transaction: &mut Transaction, touched: &[Moref]) {
            for moref in touched {
                if let Ok(folder) = transaction.get::<Folder>(moref) {
                    let status = folder.overall_status();
                    if folder.config_status() != status {
                        transaction.edit::<Folder>(moref).expect("exists").set_config_status(status);
                    }
                }
            }
        }

        fn index(&self, object: &ManagedObject, keys: &mut Vec<IndexKey>) {
            keys.extend(object.view::<ManagedEntity>().map(|entity| IndexKey::new(entity.name().as_str())));
        }

        fn indexed_alike(&self, _: &ManagedObject, _: &ManagedObject) -> bool {
            false
        }

        fn moves(&self, old: &Object, new: &Object) -> bool {
            old.get(ManagedEntity::PARENT) != new.get(ManagedEntity::PARENT)
        }
    }

    fn folder(name: &str) -> Folder {
        Folder::with(|folder| {
            folder.set_name(name);
        })
    }

    fn registry_with_folder() -> (Registry, Moref) {
        let registry = Registry::new(TestRules);
        let moref = Moref::of::<Folder>("group-1");
        registry
            .write::<_, Fault>(|tx| {
                tx.insert(moref.clone(), folder("a"));
                Ok(())
            })
            .expect("succeeds");
        (registry, moref)
    }

    #[test]
    fn what_is_settled_is_published_and_not_derived_from() {
        let (registry, moref) = registry_with_folder();
        registry
            .write::<_, Fault>(|tx| {
                let mut changed = tx.get::<Folder>(&moref)?.clone();
                changed.set_name("b").set_overall_status(ManagedEntityStatus::Red);
                tx.settle(&moref, changed)
            })
            .expect("succeeds");
        let snapshot = registry.snapshot();
        let folder = snapshot.view::<Folder>(&moref).expect("exists");
        assert_eq!(folder.overall_status(), ManagedEntityStatus::Red);
        assert_ne!(folder.config_status(), ManagedEntityStatus::Red);
        assert_eq!(snapshot.indexed(IndexKey::new("b")).count(), 1);
    }

    #[test]
    fn a_write_makes_one_version_and_old_snapshots_stay() {
        let (registry, moref) = registry_with_folder();
        let before = registry.snapshot();
        registry
            .write::<_, Fault>(|tx| {
                tx.edit::<Folder>(&moref)?.set_name("b");
                tx.edit::<Folder>(&moref)?.set_name("c");
                Ok(())
            })
            .expect("succeeds");
        let after = registry.snapshot();
        assert_eq!((before.version(), after.version()), (1, 2));
        assert_eq!(before.view::<Folder>(&moref).expect("exists").name(), "a");
        assert_eq!(after.view::<Folder>(&moref).expect("exists").name(), "c");
        assert_eq!(*registry.subscribe().borrow(), 2);
        assert_eq!(registry.changes(1, 2), Some(vec![moref]));
    }

    #[test]
    fn a_failed_or_panicking_write_changes_nothing() {
        let (registry, moref) = registry_with_folder();
        let failed: Result<(), Fault> = registry.write(|tx| {
            tx.edit::<Folder>(&moref)?.set_name("b");
            tx.edit::<Folder>(&Moref::of::<Folder>("group-9"))?;
            Ok(())
        });
        assert!(failed.expect_err("group-9 does not exist").is::<views::ManagedObjectNotFound>());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _: Result<(), Fault> = registry.write(|tx| {
                tx.edit::<Folder>(&moref)?.set_name("b");
                panic!("on purpose");
            });
        }));
        assert!(panicked.is_err());
        assert_eq!(registry.snapshot().version(), 1);
        assert_eq!(registry.snapshot().view::<Folder>(&moref).expect("exists").name(), "a");
        registry
            .write::<_, Fault>(|tx| {
                let _: () = tx.remove(&moref);
                Ok(())
            })
            .expect("the registry still works");
        assert!(registry.snapshot().is_empty());
    }

    #[test]
    fn a_write_that_changes_nothing_makes_no_version() {
        let (registry, moref) = registry_with_folder();
        registry.write::<_, Fault>(|tx| tx.get::<Folder>(&moref).map(|_| ())).expect("succeeds");
        assert_eq!(registry.snapshot().version(), 1);
        assert_eq!(registry.snapshot().topology(), 1);
    }

    #[test]
    fn only_entities_are_part_of_the_topology() {
        let (registry, _) = registry_with_folder();
        let create = |moref: Moref, object: vimsim_types::Object| {
            registry
                .write::<_, Fault>(|tx| {
                    tx.insert(moref, object);
                    Ok(())
                })
                .expect("ok");
        };
        create(Moref::of::<views::Task>("task-1"), views::Task::new().into());
        assert_eq!(
            (registry.snapshot().version(), registry.snapshot().topology()),
            (2, 1),
            "tasks come and go all the time"
        );
        create(Moref::of::<Folder>("group-2"), Folder::new().into());
        assert_eq!(registry.snapshot().topology(), 3);
    }

    #[test]
    fn the_index_follows_the_objects() {
        let (registry, moref) = registry_with_folder();
        let found = |name: &str| registry.snapshot().indexed(IndexKey::new(name)).count();
        assert_eq!((found("a"), found("b")), (1, 0));
        registry.write::<_, Fault>(|tx| tx.edit::<Folder>(&moref).map(|folder| _ = folder.set_name("b"))).expect("ok");
        assert_eq!((found("a"), found("b")), (0, 1));
        registry
            .write::<_, Fault>(|tx| {
                let _: () = tx.remove(&moref);
                Ok(())
            })
            .expect("ok");
        assert_eq!((found("a"), found("b")), (0, 0));
    }

    #[test]
    fn a_write_finds_what_it_has_changed() {
        let (registry, moref) = registry_with_folder();
        registry
            .write::<_, Fault>(|tx| {
                let found = |tx: &Transaction, name: &str| tx.indexed(IndexKey::new(name)).count();
                assert_eq!((found(tx, "a"), found(tx, "b")), (1, 0));
                tx.edit::<Folder>(&moref)?.set_name("b");
                assert_eq!((found(tx, "a"), found(tx, "b")), (0, 1));
                tx.edit::<Folder>(&moref)?.set_name("c");
                tx.insert(Moref::of::<Folder>("group-2"), folder("c"));
                assert_eq!((found(tx, "b"), found(tx, "c")), (0, 2));
                tx.remove(&moref);
                assert_eq!(found(tx, "c"), 1);
                tx.edit::<Folder>(&Moref::of::<Folder>("group-2"))?.set_name("a");
                Ok(())
            })
            .expect("succeeds");
        let found = |name: &str| registry.snapshot().indexed(IndexKey::new(name)).count();
        assert_eq!((found("a"), found("b"), found("c")), (1, 0, 0));
    }

    #[test]
    fn derived_properties_are_part_of_the_same_version() {
        use vimsim_types::enums::ManagedEntityStatus::Red;
        let (registry, moref) = registry_with_folder();
        let change = |tx: &mut Transaction| tx.edit::<Folder>(&moref).map(|folder| _ = folder.set_overall_status(Red));
        registry.write::<_, Fault>(change).expect("ok");
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.version(), 2);
        assert_eq!(snapshot.view::<Folder>(&moref).expect("exists").config_status(), Red);
    }

    #[test]
    fn an_edit_as_another_type_is_not_found() {
        let (registry, moref) = registry_with_folder();
        let result = registry.write::<_, Fault>(|tx| tx.edit::<Datastore>(&moref).map(|_| ()));
        assert!(result.is_err());
    }

    #[test]
    fn private_state_is_copied_when_a_snapshot_shares_it() {
        let (registry, moref) = registry_with_folder();
        let push = |number: u32| {
            registry
                .write::<_, Fault>(|tx| {
                    tx.private::<Vec<u32>>(&moref)?.push(number);
                    Ok(())
                })
                .expect("ok");
        };
        push(1);
        let before = registry.snapshot();
        push(2);
        let kept = |snapshot: &crate::Snapshot| snapshot.object(&moref).and_then(|o| o.private::<Vec<u32>>().cloned());
        assert_eq!(kept(&before), Some(vec![1]));
        assert_eq!(kept(&registry.snapshot()), Some(vec![1, 2]));
    }
}
