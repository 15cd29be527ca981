//! Walking from a selection's objects along its traversals.

use rustc_hash::FxHashMap;
use std::borrow::Cow;
use vimsim_types::{Moref, Object, Value};

use crate::selection::{From, Plan, Plans, Selection};
use crate::world::{World, see};

/// The objects that a selection comes to, first met first.
pub(crate) struct Walk<'w> {
    pub(crate) visits: Vec<Visit<'w>>,
    /// Where in `visits` an object is.
    pub(crate) index: FxHashMap<Moref, u32>,
}

/// An object that a walk came to.
pub(crate) struct Visit<'w> {
    pub(crate) moref: Moref,
    /// The object as it is seen; `None` for a reference to nothing.
    pub(crate) object: Option<Cow<'w, Object>>,
    /// Whether it is selected, or only on the way. Whether it is reported depends on its type as well.
    pub(crate) is_selected: bool,
    /// Whether a traversal went on from it.
    pub(crate) is_traversed: bool,
}

/// References still to be followed: one or a list, all come to in the same way.
struct Frame {
    targets: Value,
    at: usize,
    from: From,
}

impl Frame {
    fn next(&mut self) -> Option<Moref> {
        let targets = match &self.targets {
            Value::List(list) => list.items(),
            single => std::slice::from_ref(single),
        };
        loop {
            let target = targets.get(self.at)?;
            self.at += 1;
            if let Some(moref) = target.moref() {
                return Some(moref);
            }
        }
    }
}

impl<'w> Walk<'w> {
    /// Walks depth first, and from each object in each way that it was come to only once, so that cycles end. Each object
    /// is handed to `select` when it is found to be selected.
    pub(crate) fn new(
        world: &'w (impl World + ?Sized),
        selection: &Selection,
        plans: &mut Plans,
        mut select: impl FnMut(&Moref, &Object, &Plan),
    ) -> Walk<'w> {
        let mut walk = Walk { visits: Vec::new(), index: FxHashMap::default() };
        let mut followed = Followed::new(selection.traversals.len());
        let roots = selection.roots.iter().enumerate().rev();
        let frame = |(at, root): (usize, &crate::selection::Root)| Frame {
            targets: Value::from(&root.moref),
            at: 0,
            from: From::Root(at),
        };
        let mut frames: Vec<Frame> = roots.map(frame).collect();
        while let Some(frame) = frames.last_mut() {
            let from = frame.from;
            let Some(moref) = frame.next() else {
                frames.pop();
                continue;
            };
            let reach = selection.reach(from);
            let at = walk.visit(world, selection, plans, moref);
            let visit = &mut walk.visits[at];
            let Some(object) = &visit.object else { continue };
            if !reach.skip && !visit.is_selected {
                visit.is_selected = true;
                select(&visit.moref, object, plans.of(selection, object.kind()));
            }
            for &next in reach.next.iter().rev() {
                let traversal = &selection.traversals[next];
                if !object.kind().is_a(traversal.kind) || !followed.insert(at, next) {
                    continue;
                }
                visit.is_traversed = true;
                if world.readable(&visit.moref, object, traversal.path.slot()).is_ok() {
                    let targets = traversal.path.get(object).into_owned();
                    walk.index.reserve(targets.items().len());
                    frames.push(Frame { targets, at: 0, from: From::Traversal(next) });
                }
            }
        }
        walk
    }

    /// The place of an object among the visits, a new one if it is met for the first time.
    fn visit(
        &mut self,
        world: &'w (impl World + ?Sized),
        selection: &Selection,
        plans: &mut Plans,
        moref: Moref,
    ) -> usize {
        let at = self.visits.len();
        let known = *self.index.entry(moref.clone()).or_insert(at as u32) as usize;
        if known != at {
            return known;
        }
        let object = world.object(&moref);
        let Some(object) = object.filter(|object| object.kind() != moref.kind()) else {
            self.arrive(world, selection, plans, moref, object);
            return at;
        };
        // A client wrote another type than the object's into the reference: both are the same visit.
        let own = Moref::new(object.kind(), moref.value().clone());
        let known = *self.index.entry(own.clone()).or_insert(at as u32) as usize;
        self.index.insert(moref, known as u32);
        if known == at {
            self.arrive(world, selection, plans, own, Some(object));
        }
        known
    }

    fn arrive(
        &mut self,
        world: &'w (impl World + ?Sized),
        selection: &Selection,
        plans: &mut Plans,
        moref: Moref,
        object: Option<&'w Object>,
    ) {
        let object = object.map(|object| see(world, &moref, object, &plans.of(selection, object.kind()).slots));
        self.visits.push(Visit { moref, object, is_selected: false, is_traversed: false });
    }
}

/// Which traversals were followed from which visits: a row of bits for each.
struct Followed {
    words: usize,
    bits: Vec<u64>,
}

impl Followed {
    fn new(traversals: usize) -> Self {
        Self { words: traversals.div_ceil(64), bits: Vec::new() }
    }

    /// Notes that a traversal is followed; no if it already was.
    fn insert(&mut self, visit: usize, traversal: usize) -> bool {
        let word = visit * self.words + traversal / 64;
        if word >= self.bits.len() {
            self.bits.resize((visit + 1) * self.words, 0);
        }
        let bit = 1 << (traversal % 64);
        let is_new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        is_new
    }
}
