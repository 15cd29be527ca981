//! What an operation is made of: objects that there are, or were, and now and then what never was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use vimsim_registry::Snapshot;
use vimsim_types::views::{Datacenter, ManagedEntity, Task, VirtualMachine, VirtualMachineSnapshot};
use vimsim_types::{ArcStr, Method, MethodView, Moref, Object, TypeId, View};

use crate::driver::lock;
use crate::random::Random;

/// A call that a client makes.
pub(crate) struct Operation {
    pub(crate) this: Moref,
    pub(crate) method: &'static Method,
    pub(crate) arguments: Object,
    /// The types of the events that must be told of it if it succeeds.
    pub(crate) events: &'static [&'static str],
}

impl Operation {
    pub(crate) fn new<M: MethodView>(this: Moref, arguments: M) -> Option<Self> {
        Some(Self { this, method: M::method(), arguments: arguments.into(), events: &[] })
    }
}

/// Adds the events that must be told of an operation.
pub(crate) fn telling(operation: Option<Operation>, events: &'static [&'static str]) -> Option<Operation> {
    operation.map(|operation| Operation { events, ..operation })
}

/// The datacenter that an entity or a machine's snapshot is in.
pub(crate) fn datacenter(snapshot: &Snapshot, moref: &Moref) -> Option<ArcStr> {
    let moref = snapshot.view::<VirtualMachineSnapshot>(moref).map_or_else(|| moref.clone(), |kept| kept.vm());
    let parent = |moref: &Moref| snapshot.view::<ManagedEntity>(moref)?.parent();
    std::iter::successors(Some(moref), parent).find(|it| it.is::<Datacenter>()).map(|it| it.value().clone())
}

/// What there was when somebody looked.
struct Sight {
    snapshot: Snapshot,
    /// What there is of each type, by its own type, with the datacenter that it is in.
    known: BTreeMap<TypeId, Vec<(Moref, Option<ArcStr>)>>,
}

impl Sight {
    fn of(snapshot: Snapshot) -> Arc<Self> {
        let mut known: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for object in snapshot.objects().filter(|object| object.session().is_none() && !object.moref().is::<Task>()) {
            let datacenter = datacenter(&snapshot, object.moref());
            known.entry(object.moref().kind()).or_default().push((object.moref().clone(), datacenter));
        }
        known.values_mut().for_each(|known| known.sort_by(|(a, _), (b, _)| a.value().cmp(b.value())));
        Arc::new(Self { snapshot, known })
    }
}

/// What all clients know.
pub(crate) struct Common {
    clients: usize,
    /// What there was at the newest look, and how many have taken it over. Looking is much of what a client does: one does
    /// it for as many as there are.
    sight: Mutex<(usize, Arc<Sight>)>,
    /// The paths of machines that some client wanted to unregister.
    pub(crate) left: Mutex<Vec<String>>,
}

impl Common {
    pub(crate) fn new(clients: usize, snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self { clients, sight: Mutex::new((0, Sight::of(snapshot))), left: Mutex::default() })
    }
}

/// Chooses for one client.
pub(crate) struct Chooser {
    pub(crate) random: Random,
    sight: Arc<Sight>,
    /// The datacenter that the next operation is about, most of it.
    home: Option<ArcStr>,
    common: Arc<Common>,
    leaves_all: bool,
    client: usize,
    made: usize,
}

impl Chooser {
    pub(crate) fn new(random: Random, common: Arc<Common>, client: usize) -> Self {
        let sight = lock(&common.sight).1.clone();
        Self { random, sight, home: None, common, leaves_all: false, client, made: 0 }
    }

    /// Looks around anew, or sees what others saw not long ago. Between two looks, what is chosen may be gone: clients know
    /// no better.
    pub(crate) fn look(&mut self, snapshot: Snapshot) {
        let (taken, newest) = &mut *lock(&self.common.sight);
        if *taken == 0 {
            *newest = Sight::of(snapshot);
        }
        *taken = (*taken + 1) % self.common.clients;
        self.sight = newest.clone();
    }

    /// Looks around now.
    pub(crate) fn look_closely(&mut self, snapshot: Snapshot) {
        self.sight = Sight::of(snapshot);
    }

    /// Decides which datacenter the next operation is about.
    pub(crate) fn begin(&mut self) {
        let datacenters = self.all::<Datacenter>();
        self.home = self.random.one(&datacenters).map(|moref| moref.value().clone());
    }

    /// That datacenter.
    pub(crate) fn home(&self) -> Option<Moref> {
        self.home.clone().map(Moref::of::<Datacenter>)
    }

    /// All that there is of a type.
    pub(crate) fn all<V: View>(&self) -> Vec<Moref> {
        self.of_kind(V::TYPE)
    }

    pub(crate) fn of_kind(&self, kind: TypeId) -> Vec<Moref> {
        self.sight
            .known
            .iter()
            .filter(|(known, _)| known.is_a(kind))
            .flat_map(|(_, known)| known)
            .map(|(moref, _)| moref.clone())
            .collect()
    }

    /// How many there are of a type.
    pub(crate) fn count<V: View>(&self) -> usize {
        self.sight.known.iter().filter(|(known, _)| known.is_a(V::TYPE)).map(|(_, known)| known.len()).sum()
    }

    /// Some object of a type; once in fifty one that does not exist, once in fifty one of another type.
    pub(crate) fn some<V: View>(&mut self) -> Option<Moref> {
        match self.random.below(50) {
            0 => Some(Moref::of::<V>("nowhere-1")),
            1 => self.some_where::<ManagedEntity>(|_| true),
            _ => self.some_where::<V>(|_| true),
        }
    }

    /// Some object of a type that is as wanted.
    pub(crate) fn some_where<V: View>(&mut self, is_wanted: impl Fn(&V) -> bool) -> Option<Moref> {
        let is_strange = self.random.once_in(12);
        let known = self.sight.known.iter().filter(|(known, _)| known.is_a(V::TYPE)).flat_map(|(_, known)| known);
        let near = known.filter(|(_, at)| is_strange || at.is_none() || *at == self.home).map(|(moref, _)| moref);
        let near = near.filter(|moref| self.sight.snapshot.view::<V>(moref).is_some_and(&is_wanted));
        let all: Vec<Moref> = near.cloned().collect();
        self.random.one(&all).cloned()
    }

    /// Some object of a type, or none.
    pub(crate) fn maybe<V: View>(&mut self) -> Option<Moref> {
        if self.random.once_in(2) { self.some::<V>() } else { None }
    }

    /// The properties of an object as they were at the last look.
    pub(crate) fn seen<V: View>(&self, moref: &Moref) -> Option<&V> {
        self.sight.snapshot.view(moref)
    }

    pub(crate) fn machine(&mut self) -> Option<Moref> {
        self.some::<VirtualMachine>()
    }

    pub(crate) fn snapshot_of_a_machine(&mut self) -> Option<Moref> {
        self.some_where::<VirtualMachineSnapshot>(|_| true)
    }

    /// Remembers that a machine may be left on its datastore.
    pub(crate) fn leave(&mut self, path: &str) {
        let mut left = lock(&self.common.left);
        if !left.iter().any(|known| known == path) {
            left.push(path.into());
        }
    }

    /// Remembers that any machine may be left on its datastore.
    pub(crate) fn leave_all(&mut self) {
        self.leaves_all = true;
        for machine in self.all::<VirtualMachine>() {
            let config = self.seen::<VirtualMachine>(&machine).and_then(|machine| machine.config());
            if let Some(path) = config.and_then(|config| config.files().vm_path_name()).cloned() {
                self.leave(&path);
            }
        }
    }

    /// Whether the operation that was chosen last may leave any machine on its datastore; asked once.
    pub(crate) fn leaves_all(&mut self) -> bool {
        std::mem::take(&mut self.leaves_all)
    }

    /// The path of a machine that may be left on its datastore.
    pub(crate) fn some_left(&mut self) -> Option<String> {
        let left = lock(&self.common.left);
        let newest = &left[left.len().saturating_sub(20)..];
        self.random.one(newest).cloned()
    }

    /// A name that is new; now and then one that is taken, or cannot be.
    pub(crate) fn name(&mut self, word: &str) -> String {
        self.made += 1;
        match self.random.below(40) {
            0 => String::new(),
            1 => "x".repeat(81),
            2 => format!("{word}/\\%{}", self.random.below(10)),
            3 | 4 => {
                let other = self.some_where::<ManagedEntity>(|_| true);
                let other = other.and_then(|moref| Some(self.seen::<ManagedEntity>(&moref)?.name().to_string()));
                other.unwrap_or_default()
            }
            5 => format!("{word}-{}", self.random.below(10)),
            _ => format!("{word}-{}-{}", self.client, self.made),
        }
    }
}
