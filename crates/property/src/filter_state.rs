//! What a filter has told its client, and what it has still to tell.
//!
//! ```text
//!            changed traversal, or unknown changes
//!      ┌──────────────── walk again ◄───────────────┐
//!      ▼                                            │
//!   targets (every object the filter may have to speak of, numbered)
//!      0 ············ cursor ············ n         │ changed objects
//!      └─ compared ───┴─ to be compared ──┘ ────────┤ the walk does not depend on
//!            ▲                                      │
//!            └───────────── dirty ◄─────────────────┘
//! ```
//!
//! Each target is compared with what was delivered of it, and an update made of the difference. Updates beyond the limit
//! are simply not made: the target stays different, before the cursor and dirty or behind it, and is met again next time.

use std::collections::HashSet;
use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeSetSync};
use rustc_hash::FxHashMap;
use vimsim_types::enums::{ObjectUpdateKind, PropertyChangeOp};
use vimsim_types::views::{MissingObject, ObjectUpdate};
use vimsim_types::{Fault, Moref, Object, View};

use crate::diff::{change, diff};
use crate::retrieve::missing;
use crate::selection::{Plans, Selection, not_found};
use crate::walk::Walk;
use crate::world::{World, see};

/// The state of a property filter. A clone is another version of it, and costs little: all that is large is shared.
#[derive(Clone, Debug)]
pub struct FilterState {
    selection: Arc<Selection>,
    partial: bool,
    /// `None` before the first update.
    targets: Option<Arc<Targets>>,
    /// All targets before this have been compared since the walk.
    cursor: usize,
    /// Targets before the cursor that changed since.
    dirty: RedBlackTreeSetSync<usize>,
    /// The targets that have computed properties, and the stamps that these were last seen with.
    stamps: Vec<(usize, u64)>,
    delivered: HashTrieMapSync<Moref, Arc<Delivered>>,
    /// The missing objects that were reported.
    missing: Vec<Moref>,
}

/// What is new since the last update.
#[derive(Clone, Default)]
pub struct Update {
    /// The objects that entered, changed or left.
    pub objects: Vec<ObjectUpdate>,
    /// Objects that the filter starts from and that are not there, where it is to report them.
    pub missing: Vec<MissingObject>,
    /// Whether there is more than the limit allowed.
    pub truncated: bool,
}

impl Update {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.missing.is_empty()
    }
}

/// The objects that a walk came to, and those that it no longer came to but the client still has.
#[derive(Debug)]
struct Targets {
    list: Vec<Target>,
    index: FxHashMap<Moref, u32>,
    plans: Plans,
}

#[derive(Debug)]
struct Target {
    moref: Moref,
    is_selected: bool,
    /// Whether it has computed properties.
    is_stamped: bool,
    /// Whether the walk came to it and found an object; `None` if it did not come to it.
    exists: Option<bool>,
    /// The object when the walk went on from it.
    traversed: Option<Object>,
}

impl Target {
    /// One that the client still has and no walk came to.
    fn left(moref: Moref) -> Self {
        Self { moref, is_selected: false, is_stamped: false, exists: None, traversed: None }
    }
}

/// What the client knows of an object.
#[derive(Debug)]
struct Delivered {
    object: Object,
    /// The paths, by their place in the plan and in that order, that could not be read.
    missing: Vec<(usize, Fault)>,
}

impl Delivered {
    /// Whether the path at this place could not be read.
    fn denies(&self, at: usize) -> bool {
        self.missing.binary_search_by_key(&at, |(at, _)| *at).is_ok()
    }
}

/// What comparing a target with what was delivered gave.
enum Difference {
    /// The object has not changed.
    None,
    /// The object changed in nothing that is selected.
    Silent(Delivered),
    /// There is something to tell; what is delivered with it is `None` for an object that left.
    Update(ObjectUpdate, Option<Delivered>),
}

impl FilterState {
    /// The state of a filter that has told nothing yet. With `partial` (`partialUpdates` of `CreateFilter`), changes are
    /// told as finely as paths can name them.
    pub fn new(selection: Arc<Selection>, partial: bool) -> Self {
        Self {
            selection,
            partial,
            targets: None,
            cursor: 0,
            dirty: RedBlackTreeSetSync::new_sync(),
            stamps: Vec::new(),
            delivered: HashTrieMapSync::new_sync(),
            missing: Vec::new(),
        }
    }

    /// The selection that the filter was made with.
    pub fn selection(&self) -> &Arc<Selection> {
        &self.selection
    }

    /// What to tell the client so that it knows the world as it is now: at most `limit` objects; the rest comes with the
    /// next call. What is returned counts as told.
    ///
    /// `changed` names the objects that were created, changed or removed since the last call, if that is known. `None`
    /// compares everything, which is also needed after what the caller may read has changed. For a clone, "the last call"
    /// is the one before it was cloned.
    pub fn update(&mut self, world: &(impl World + ?Sized), changed: Option<&[Moref]>, limit: usize) -> Update {
        let targets = self.refresh(world, changed);
        let mut update = Update { missing: self.newly_missing(&targets), ..Update::default() };
        let dirty: Vec<usize> = self.dirty.iter().copied().collect();
        for at in dirty {
            if !self.deliver(world, &targets, at, limit, &mut update) {
                return update;
            }
            self.dirty.remove_mut(&at);
        }
        while self.cursor < targets.list.len() {
            if !self.deliver(world, &targets, self.cursor, limit, &mut update) {
                return update;
            }
            self.cursor += 1;
        }
        update
    }

    /// Brings the targets up to date, and notes which of them are to be compared.
    fn refresh(&mut self, world: &(impl World + ?Sized), changed: Option<&[Moref]>) -> Arc<Targets> {
        if let (Some(targets), Some(changed)) = (self.targets.clone(), changed) {
            let restamped = self.restamped(world, &targets);
            let changed = changed.iter().filter_map(|moref| targets.index.get(moref).map(|at| *at as usize));
            let changed: Vec<usize> = changed.chain(restamped).collect();
            if !changed.iter().any(|at| targets.leads_elsewhere(world, &self.selection, *at)) {
                for at in changed.into_iter().filter(|at| *at < self.cursor && targets.list[*at].is_selected) {
                    self.dirty.insert_mut(at);
                }
                return targets;
            }
        }
        let before = self.targets.take();
        let targets = Arc::new(self.walk(world, before.as_deref()));
        let was_compared = self.dirty.is_empty() && before.as_ref().is_some_and(|old| self.cursor == old.list.len());
        (self.cursor, self.dirty) = (0, RedBlackTreeSetSync::new_sync());
        // Where all had been compared, only what is new, gone or changed has to be compared again.
        if let (Some(before), Some(changed), true) = (before, changed, was_compared) {
            self.cursor = targets.list.len();
            let changed: HashSet<&Moref> = changed.iter().collect();
            for (at, target) in targets.list.iter().enumerate() {
                let old = before.index.get(&target.moref).map(|at| &before.list[*at as usize]);
                let is_settled = old.is_some_and(|old| old.is_selected == target.is_selected && !target.is_stamped);
                if !is_settled || changed.contains(&target.moref) {
                    self.dirty.insert_mut(at);
                }
            }
        }
        self.targets = Some(targets.clone());
        targets
    }

    /// The targets whose computed properties may have changed.
    fn restamped(&mut self, world: &(impl World + ?Sized), targets: &Targets) -> Vec<usize> {
        let mut restamped = Vec::new();
        for (at, stamp) in &mut self.stamps {
            let moref = &targets.list[*at].moref;
            if let Some(now) = world.object(moref).and_then(|object| world.stamp(moref, object))
                && now != *stamp
            {
                *stamp = now;
                restamped.push(*at);
            }
        }
        restamped
    }

    fn walk(&mut self, world: &(impl World + ?Sized), before: Option<&Targets>) -> Targets {
        let mut plans = before.map_or_else(Plans::default, |before| before.plans.clone());
        let Walk { visits, mut index } = Walk::new(world, &self.selection, &mut plans, |_, _, _| {});
        self.stamps.clear();
        let mut list = Vec::with_capacity(visits.len());
        for visit in visits {
            let object = visit.object.as_deref();
            let stamp = object.and_then(|object| world.stamp(&visit.moref, object));
            self.stamps.extend(stamp.map(|stamp| (list.len(), stamp)));
            list.push(Target {
                is_selected: visit.is_selected,
                is_stamped: stamp.is_some(),
                exists: Some(object.is_some()),
                traversed: object.filter(|_| visit.is_traversed).cloned(),
                moref: visit.moref,
            });
        }
        for target in before.into_iter().flat_map(|before| &before.list) {
            if !index.contains_key(&target.moref) && self.delivered.contains_key(&target.moref) {
                index.insert(target.moref.clone(), list.len() as u32);
                list.push(Target::left(target.moref.clone()));
            }
        }
        Targets { list, index, plans }
    }

    /// The missing objects that have not been reported.
    fn newly_missing(&mut self, targets: &Targets) -> Vec<MissingObject> {
        if !self.selection.reports_missing() {
            return Vec::new();
        }
        let is_missing = |moref: &Moref| {
            let at = targets.index.get(moref);
            at.is_some_and(|at| targets.list[*at as usize].exists == Some(false))
        };
        let roots = self.selection.roots.iter().map(|root| &root.moref);
        let missing: Vec<Moref> = roots.filter(|moref| is_missing(moref)).cloned().collect();
        let new = missing.iter().filter(|moref| !self.missing.contains(moref)).map(|moref| {
            MissingObject::with(|missing| {
                missing.set_obj(moref.clone()).set_fault(not_found(moref).localized());
            })
        });
        let new = new.collect();
        self.missing = missing;
        new
    }

    /// Adds the update for a target, if there is one. No if the limit does not allow it.
    fn deliver(
        &mut self,
        world: &(impl World + ?Sized),
        targets: &Targets,
        at: usize,
        limit: usize,
        update: &mut Update,
    ) -> bool {
        let moref = &targets.list[at].moref;
        let delivered = match self.compare(world, targets, at) {
            Difference::None => return true,
            Difference::Silent(delivered) => Some(delivered),
            Difference::Update(..) if update.objects.len() >= limit => {
                update.truncated = true;
                return false;
            }
            Difference::Update(object, delivered) => {
                update.objects.push(object);
                delivered
            }
        };
        match delivered {
            Some(delivered) => self.delivered.insert_mut(moref.clone(), Arc::new(delivered)),
            None => {
                self.delivered.remove_mut(moref);
            }
        }
        true
    }

    fn compare(&self, world: &(impl World + ?Sized), targets: &Targets, at: usize) -> Difference {
        let target = &targets.list[at];
        let moref = &target.moref;
        let old = self.delivered.get(moref);
        let object = if target.is_selected { world.object(moref) } else { None };
        let plan = object.and_then(|object| targets.plans.get(object.kind()));
        let Some((object, plan, paths)) =
            object.zip(plan).and_then(|(object, plan)| Some((object, plan, plan.paths.as_ref()?)))
        else {
            return match old {
                None => Difference::None,
                Some(_) => Difference::Update(object_update(ObjectUpdateKind::Leave, moref), None),
            };
        };
        let object = see(world, moref, object, &plan.slots);
        let readable = |path: &crate::Path| world.readable(moref, &object, path.slot());
        let denied = paths.iter().enumerate().filter_map(|(at, path)| Some((at, readable(path).err()?)));
        let now = Delivered { missing: denied.collect(), object: object.clone().into_owned() };
        if old.is_some_and(|old| old.object.same(&now.object) && old.missing == now.missing) {
            return Difference::None;
        }
        let mut changes = Vec::new();
        for (at, path) in paths.iter().enumerate().filter(|(at, _)| !now.denies(*at)) {
            match old {
                Some(_) if self.partial && plan.is_nested[at] => {}
                Some(old) if !old.denies(at) => diff(path, &old.object, &now.object, self.partial, &mut changes),
                _ => {
                    let value = path.get(&now.object);
                    // That a property can be read again is told even where it turns out to have no value.
                    if !value.is_unset() || old.is_some() {
                        changes.push(change(path.name(), PropertyChangeOp::Assign, value.into_owned()));
                    }
                }
            }
        }
        let newly = now.missing.iter().filter(|(at, _)| old.is_none_or(|old| !old.denies(*at)));
        let newly: Vec<_> = newly.map(|(at, fault)| missing(paths[*at].name(), fault)).collect();
        let kind = match old {
            Some(_) if changes.is_empty() && newly.is_empty() => return Difference::Silent(now),
            Some(_) => ObjectUpdateKind::Modify,
            None => ObjectUpdateKind::Enter,
        };
        let mut update = object_update(kind, moref);
        if !changes.is_empty() {
            update.set_change_set(changes);
        }
        if !newly.is_empty() {
            update.set_missing_set(newly);
        }
        Difference::Update(update, Some(now))
    }
}

impl Targets {
    /// Whether a walk would now go another way at this target.
    fn leads_elsewhere(&self, world: &(impl World + ?Sized), selection: &Selection, at: usize) -> bool {
        let target = &self.list[at];
        let Some(existed) = target.exists else { return false };
        let object = world.object(&target.moref);
        if object.is_some() != existed {
            return true;
        }
        let (Some(object), Some(old)) = (object, &target.traversed) else { return false };
        let slots = self.plans.get(object.kind()).map_or(&[][..], |plan| &plan.slots);
        let object = see(world, &target.moref, object, slots);
        let mut traversals = selection.traversals.iter().filter(|traversal| object.kind().is_a(traversal.kind));
        traversals.any(|traversal| traversal.path.get(old) != traversal.path.get(&object))
    }
}

fn object_update(kind: ObjectUpdateKind, moref: &Moref) -> ObjectUpdate {
    ObjectUpdate::with(|update| {
        update.set_kind(kind).set_obj(moref.clone());
    })
}
