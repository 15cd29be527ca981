//! What is true of an inventory, whatever has been done to it.
//!
//! Each check looks at one snapshot and writes down what is wrong. It knows the API, and nothing of how it is simulated.

mod devices;
mod names;
mod places;
mod references;
mod snapshots;
mod summaries;
pub(crate) mod tasks;

use std::collections::BTreeSet;

use vimsim_registry::Snapshot;
use vimsim_types::{ArcStr, View};

pub(crate) mod files;
pub(crate) mod read;

/// What was found to be wrong.
#[derive(Default)]
pub(crate) struct Wrong(pub(crate) Vec<String>);

impl Wrong {
    pub(crate) fn unless(&mut self, is_right: bool, say: impl FnOnce() -> String) {
        if !is_right {
            self.0.push(say());
        }
    }
}

/// What was there before anything was done, and may stay as it is.
pub(crate) struct Baseline {
    unreferenced: BTreeSet<ArcStr>,
    dangling: BTreeSet<(&'static str, &'static str)>,
}

impl Baseline {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self {
            unreferenced: references::unreferenced(snapshot),
            dangling: references::dangling(snapshot).into_iter().map(|found| (found.kind, found.property)).collect(),
        }
    }
}

/// All that is wrong with a snapshot.
pub(crate) fn check(snapshot: &Snapshot, baseline: &Baseline) -> Wrong {
    let mut wrong = Wrong::default();
    references::check(snapshot, baseline, &mut wrong);
    places::check(snapshot, &mut wrong);
    names::check(snapshot, &mut wrong);
    devices::check(snapshot, &mut wrong);
    snapshots::check(snapshot, &mut wrong);
    summaries::check(snapshot, &mut wrong);
    wrong
}

/// All that is wrong with a snapshot while nobody does anything.
pub(crate) fn check_quiet(snapshot: &Snapshot, baseline: &Baseline) -> Wrong {
    let mut wrong = check(snapshot, baseline);
    tasks::check(snapshot, &mut wrong);
    wrong
}

/// All objects of a type.
pub(crate) fn all<V: View>(snapshot: &Snapshot) -> impl Iterator<Item = (&vimsim_types::Moref, &V)> {
    snapshot.objects().filter_map(|object| Some((object.moref(), object.view::<V>()?)))
}
