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
    pub(crate) index: Map<IndexKey, Found>,
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
}

/// The objects under a key of the index. There is nearly always one.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    One(ArcStr),
    Many(Arc<[ArcStr]>),
}

impl Found {
    pub(crate) fn values(&self) -> &[ArcStr] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = ArcStr> {
        (0..self.values().len()).map(move |at| self.values()[at].clone())
    }

    pub(crate) fn add(index: &mut Map<IndexKey, Self>, key: IndexKey, value: &ArcStr) {
        let found = index.get(&key).map_or(&[][..], Self::values);
        if found.is_empty() {
            index.insert_mut(key, Self::One(value.clone()));
        } else if !found.contains(value) {
            let found = found.iter().chain([value]).cloned().collect();
            index.insert_mut(key, Self::Many(found));
        }
    }

    pub(crate) fn remove(index: &mut Map<IndexKey, Self>, key: IndexKey, value: &ArcStr) {
        let Some(found) = index.get(&key) else { return };
        let mut left = found.values().iter().filter(|known| *known != value).cloned();
        match (left.next(), left.next()) {
            (None, _) => {
                drop(left);
                index.remove_mut(&key);
            }
            (Some(first), None) => {
                drop(left);
                index.insert_mut(key, Self::One(first));
            }
            (Some(first), Some(second)) => {
                let left = [first, second].into_iter().chain(left).collect();
                index.insert_mut(key, Self::Many(left));
            }
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

    /// The version that last changed who contains whom, or which entities exist.
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
        let found = self.0.index.get(&key).into_iter().flat_map(Found::values);
        found.filter_map(|value| self.0.objects.get(value))
    }

    /// All objects, in no particular order.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<ManagedObject>> {
        self.0.objects.values()
    }
}
