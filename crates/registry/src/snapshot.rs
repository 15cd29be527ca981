//! The inventory at one version.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use archery::ArcTK;
use rpds::HashTrieMap;
use rustc_hash::FxHasher;
use vimsim_types::{ArcStr, Moref, View};

use crate::managed_object::ManagedObject;

pub(crate) type Map<K, V> = HashTrieMap<K, V, ArcTK, BuildHasherDefault<FxHasher>>;

/// A key of the index: the hash of what is looked for. Different things may share one, so who finds an object checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey(u64);

impl IndexKey {
    /// The key for these words, such as `("uuid", "…")`.
    pub fn new(words: impl Hash) -> Self {
        let mut hasher = FxHasher::default();
        words.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The state behind a snapshot. Every part is persistent: a clone shares everything.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) version: u64,
    pub(crate) topology: u64,
    pub(crate) counter: u64,
    pub(crate) objects: Map<ArcStr, Arc<ManagedObject>>,
    pub(crate) index: Map<IndexKey, Arc<[ArcStr]>>,
}

impl World {
    pub(crate) fn empty() -> Self {
        Self {
            version: 0,
            topology: 0,
            counter: 0,
            objects: Map::new_with_hasher_and_ptr_kind(BuildHasherDefault::default()),
            index: Map::new_with_hasher_and_ptr_kind(BuildHasherDefault::default()),
        }
    }

    pub(crate) fn index_add(&mut self, key: IndexKey, value: &ArcStr) {
        let found = self.index.get(&key).map_or(&[][..], |found| found);
        if !found.contains(value) {
            let found = found.iter().chain([value]).cloned().collect();
            self.index.insert_mut(key, found);
        }
    }

    pub(crate) fn index_remove(&mut self, key: IndexKey, value: &ArcStr) {
        let Some(found) = self.index.get(&key) else { return };
        let left: Arc<[ArcStr]> = found.iter().filter(|known| *known != value).cloned().collect();
        if left.is_empty() {
            self.index.remove_mut(&key);
        } else {
            self.index.insert_mut(key, left);
        }
    }
}

/// Every managed object at one version. Cloning it costs a pointer; it never changes.
#[derive(Clone)]
pub struct Snapshot(pub(crate) Arc<World>);

impl Snapshot {
    /// The version: it rises by one with every write that changes something.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// The version that last changed who contains whom, or who exists.
    pub fn topology(&self) -> u64 {
        self.0.topology
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.objects.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.objects.is_empty()
    }

    /// The object of this reference. The reference's type is not compared: clients may name a base type.
    pub fn object(&self, moref: &Moref) -> Option<&Arc<ManagedObject>> {
        self.0.objects.get(moref.value())
    }

    /// The object with this identifier.
    pub fn object_by_value(&self, value: &str) -> Option<&Arc<ManagedObject>> {
        self.0.objects.get(value)
    }

    /// The properties of this object, if it exists and is a `T`.
    pub fn view<T: View>(&self, moref: &Moref) -> Option<&T> {
        self.object(moref)?.view()
    }

    /// The objects indexed under a key, in the order in which they came.
    pub fn indexed(&self, key: IndexKey) -> impl Iterator<Item = &Arc<ManagedObject>> {
        let found = self.0.index.get(&key).map_or(&[][..], |found| found);
        found.iter().filter_map(|value| self.0.objects.get(value))
    }

    /// All objects, in no particular order.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<ManagedObject>> {
        self.0.objects.values()
    }
}
