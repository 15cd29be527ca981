//! What the collectors of all sessions have told their clients. Kept beside the registry: no client can see it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use vimsim_property::{FilterState, Selection};
use vimsim_types::views::{
    InvalidCollectorVersion, NotAuthenticated, PropertyFilterUpdate, RequestCanceled, UpdateSet,
};
use vimsim_types::{ArcStr, Fault, Moref, Object, View};

use super::world::SessionWorld;
use crate::call::Wait;

/// Pages of retrievals that one collector keeps; the oldest go first.
const MOST_PAGES: usize = 16;

/// All collectors that have something to remember, by session and identifier.
#[derive(Default)]
pub(crate) struct Collectors(Mutex<HashMap<(ArcStr, ArcStr), Arc<Collector>>>);

impl Collectors {
    /// The collector `moref` as this session has it.
    pub(crate) fn get(&self, session: &ArcStr, moref: &Moref) -> Arc<Collector> {
        let key = (session.clone(), moref.value().clone());
        lock(&self.0).entry(key).or_default().clone()
    }

    /// Forgets a collector, ends its waits, and returns its filters.
    pub(crate) fn remove(&self, session: &ArcStr, moref: &Moref) -> Vec<Moref> {
        let removed = lock(&self.0).remove(&(session.clone(), moref.value().clone()));
        removed.map_or_else(Vec::new, |collector| {
            collector.cancel();
            collector.filters()
        })
    }

    /// Forgets all collectors of a session and ends their waits.
    pub(crate) fn forget(&self, session: &ArcStr) {
        lock(&self.0).retain(|(owner, _), collector| {
            if owner == session {
                collector.cancel();
            }
            owner != session
        });
    }

    /// Forgets a filter of this session.
    pub(crate) fn remove_filter(&self, session: &ArcStr, filter: &Moref) {
        let collectors: Vec<_> =
            lock(&self.0).iter().filter(|((owner, _), _)| owner == session).map(|(_, c)| c.clone()).collect();
        for collector in collectors {
            lock(&collector.state).filters.remove(filter);
        }
    }

    /// Keeps the rest of a retrieval and returns the token for it.
    pub(crate) fn keep_page(&self, session: &ArcStr, moref: &Moref, rest: Vec<Object>, page: usize) -> ArcStr {
        let collector = self.get(session, moref);
        let mut state = lock(&collector.state);
        state.last_token += 1;
        let token: ArcStr = state.last_token.to_string().into();
        state.pages.push_back((token.clone(), rest, page));
        while state.pages.len() > MOST_PAGES {
            state.pages.pop_front();
        }
        token
    }

    /// Takes the rest of a retrieval.
    pub(crate) fn take_page(&self, session: &ArcStr, moref: &Moref, token: &str) -> Option<(Vec<Object>, usize)> {
        let collector = self.get(session, moref);
        let mut state = lock(&collector.state);
        let at = state.pages.iter().position(|(known, ..)| known == token)?;
        state.pages.remove(at).map(|(_, rest, page)| (rest, page))
    }
}

/// One collector of one session.
pub(crate) struct Collector {
    state: Mutex<State>,
    /// Changes when waits are to end.
    cancelled: watch::Sender<u64>,
}

impl Default for Collector {
    fn default() -> Self {
        Self { state: Mutex::default(), cancelled: watch::Sender::new(0) }
    }
}

#[derive(Default)]
struct State {
    filters: BTreeMap<Moref, Filter>,
    /// The versions that the client may name: the one it asked from last, and the one it was given.
    known: Vec<Known>,
    last_version: u64,
    last_token: u64,
    pages: VecDeque<(ArcStr, Vec<Object>, usize)>,
}

struct Filter {
    selection: Arc<Selection>,
    partial: bool,
}

/// What the client knew at a version.
#[derive(Clone, Default)]
struct Known {
    version: u64,
    /// The registry's version at that time; 0 if the client knew nothing.
    registry: u64,
    states: HashMap<Moref, FilterState>,
}

impl Collector {
    pub(crate) fn add_filter(&self, moref: Moref, selection: Selection, partial: bool) {
        lock(&self.state).filters.insert(moref, Filter { selection: Arc::new(selection), partial });
    }

    pub(crate) fn filters(&self) -> Vec<Moref> {
        lock(&self.state).filters.keys().cloned().collect()
    }

    /// Ends the waits that are under way.
    pub(crate) fn cancel(&self) {
        self.cancelled.send_modify(|count| *count += 1);
    }

    /// Waits until there is something to tell the client that knows `version`: at most `limit` objects. `None` when
    /// `seconds` have passed without.
    pub(crate) async fn wait(
        &self,
        wait: &Wait,
        version: &str,
        limit: usize,
        seconds: Option<u64>,
    ) -> Result<Option<UpdateSet>, Fault> {
        let mut changes = wait.service.registry().subscribe();
        let mut cancelled = self.cancelled.subscribe();
        let mut stopping = wait.service.stopping();
        // Longer than any connection lives stands for ever, and no clock overflows.
        let longest = Duration::from_secs(seconds.unwrap_or(u64::MAX).min(30 * 24 * 3600));
        let deadline = tokio::time::sleep(longest);
        tokio::pin!(deadline);
        loop {
            changes.borrow_and_update();
            if let Some(update) = self.update(wait, version, limit)? {
                return Ok(Some(update));
            }
            if seconds == Some(0) || *stopping.borrow() {
                return Ok(None);
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = &mut deadline => return Ok(None),
                _ = stopping.changed() => return Ok(None),
                _ = cancelled.changed() => {
                    let session = wait.session()?;
                    return Err(match wait.service.sessions().is_live(session) {
                        true => RequestCanceled::new().into(),
                        false => NotAuthenticated::new().into(),
                    });
                }
            }
        }
    }

    /// What the client that knows `version` has yet to be told.
    fn update(&self, wait: &Wait, version: &str, limit: usize) -> Result<Option<UpdateSet>, Fault> {
        let context = wait.context();
        let mut state = lock(&self.state);
        let state = &mut *state;
        let from = match version {
            "" => None,
            version => Some(
                version
                    .parse()
                    .ok()
                    .and_then(|version: u64| state.known.iter().position(|known| known.version == version))
                    .ok_or_else(|| invalid_version(version))?,
            ),
        };
        let mut next = from.map(|from| state.known[from].clone()).unwrap_or_default();
        let snapshot = wait.service.snapshot();
        let world = SessionWorld::new(&snapshot, &context);
        let changed = match next.registry {
            0 => None,
            registry => wait.service.registry().changes(registry, snapshot.version()),
        };
        next.states.retain(|filter, _| state.filters.contains_key(filter));
        let (mut updates, mut truncated, mut left) = (Vec::new(), false, limit);
        for (moref, filter) in &state.filters {
            let told = next
                .states
                .entry(moref.clone())
                .or_insert_with(|| FilterState::new(filter.selection.clone(), filter.partial));
            let update = told.update(&world, changed.as_deref(), left);
            left -= update.objects.len();
            truncated |= update.truncated;
            if !update.is_empty() {
                updates.push(PropertyFilterUpdate::with(|filter_update| {
                    filter_update.set_filter(moref.clone());
                    filter_update.set_object_set(update.objects);
                    filter_update.set_missing_set(update.missing);
                }));
            }
        }
        next.registry = snapshot.version();
        if updates.is_empty() {
            // Nothing to tell, but what was looked at need not be looked at again.
            if let Some(from) = from {
                state.known[from] = next;
            }
            return Ok(None);
        }
        state.last_version += 1;
        next.version = state.last_version;
        // Asking from a version says that it came: what is older is not asked for again.
        let kept = from.map(|from| state.known.swap_remove(from));
        state.known.clear();
        state.known.extend(kept);
        state.known.push(next);
        Ok(Some(UpdateSet::with(|set| {
            set.set_version(state.last_version.to_string());
            set.set_filter_set(updates);
            set.set_truncated(truncated.then_some(true));
        })))
    }
}

fn invalid_version(version: &str) -> Fault {
    let message = format!("'{version}' is not a version that this property collector returned of late");
    Fault::new(InvalidCollectorVersion::new(), message)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
