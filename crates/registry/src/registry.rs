//! The registry: the newest snapshot, and the way to make the next.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use vimsim_types::{Moref, Object};

use crate::changes::{Change, ChangeLog};
use crate::managed_object::ManagedObject;
use crate::snapshot::{IndexKey, Snapshot, World};
use crate::transaction::Transaction;

/// What the registry asks those who know vSphere.
pub trait Rules: Send + Sync + 'static {
    /// Brings properties that follow from others (`summary`, counts, totals) up to date in a transaction that touched
    /// these objects. What it touches in turn is asked for again, until nothing more is touched.
    fn derive(&self, transaction: &mut Transaction, touched: &[Moref]);

    /// The keys under which an object is to be found.
    fn index(&self, object: &ManagedObject, keys: &mut Vec<IndexKey>);

    /// Whether the two versions of an object are surely found under the same keys: a quick look, which may say no.
    fn indexed_alike(&self, old: &ManagedObject, new: &ManagedObject) -> bool;

    /// Whether the two differ in who contains whom.
    fn moves(&self, old: &Object, new: &Object) -> bool;
}

/// All managed objects of one simulator.
pub struct Registry {
    current: ArcSwap<World>,
    writer: Mutex<()>,
    line: tokio::sync::Mutex<()>,
    changes: Mutex<ChangeLog>,
    version: watch::Sender<u64>,
    rules: Arc<dyn Rules>,
}

impl Registry {
    /// A registry with nothing in it.
    pub fn new(rules: impl Rules) -> Self {
        Self {
            current: ArcSwap::from_pointee(World::empty()),
            writer: Mutex::new(()),
            line: tokio::sync::Mutex::default(),
            changes: Mutex::default(),
            version: watch::Sender::new(0),
            rules: Arc::new(rules),
        }
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.current.load_full())
    }

    /// The number of the newest version, to wait on for one above a known one.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The objects that changed after version `from`, up to and with `to`, with repetitions; `None` if that is too long
    /// ago to say.
    pub fn changes(&self, from: u64, to: u64) -> Option<Vec<Moref>> {
        lock(&self.changes).between(from, to)
    }

    /// Waits to be the first in line for a [turn](Self::turn), which is then there at once, or as soon as somebody who did not
    /// stand in line is done. Many who want to write wait here and not there: meanwhile, the thread does something else.
    pub async fn line(&self) -> impl Drop {
        self.line.lock().await
    }

    /// Waits until nobody else writes. Until the turn is dropped nobody else will: it must be short.
    pub fn turn(&self) -> Turn<'_> {
        // A writer that panicked left nothing half done, so its poison says nothing.
        Turn { registry: self, replaced: RefCell::default(), lock: Some(lock(&self.writer)) }
    }

    /// [`Turn::write`] in a turn of its own.
    pub fn write<T, E>(&self, work: impl FnOnce(&mut Transaction) -> Result<T, E>) -> Result<T, E> {
        self.turn().write(work)
    }

    /// Makes what a transaction changed the newest snapshot, if it changed anything. Returns the one before.
    fn publish(&self, transaction: Transaction) -> Option<Arc<World>> {
        let (world, objects) = transaction.finish()?;
        let version = world.version;
        lock(&self.changes).push(Change { version, objects: objects.into() });
        Some(self.current.swap(Arc::new(world)))
    }
}

/// The only writer: what it writes in several transactions, nobody writes between, and those who wait for a new version are
/// woken once.
pub struct Turn<'a> {
    registry: &'a Registry,
    /// The versions before those that it wrote. To drop one takes a while, in which others can write.
    replaced: RefCell<Vec<Arc<World>>>,
    lock: Option<MutexGuard<'a, ()>>,
}

impl Turn<'_> {
    /// Runs `work` on a transaction and publishes what it changed as one new version. If it fails or panics, nothing has
    /// changed. `work` must be short and must not wait for a turn itself.
    pub fn write<T, E>(&self, work: impl FnOnce(&mut Transaction) -> Result<T, E>) -> Result<T, E> {
        let mut transaction = Transaction::new(self.registry.current.load_full(), self.registry.rules.clone());
        let answer = work(&mut transaction)?;
        self.replaced.borrow_mut().extend(self.registry.publish(transaction));
        Ok(answer)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        drop(self.lock.take());
        if !self.replaced.get_mut().is_empty() {
            let newest = self.registry.current.load().version;
            // Others may have written meanwhile, and told so.
            self.registry.version.send_if_modified(|version| {
                let is_newer = *version < newest;
                *version = newest.max(*version);
                is_newer
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
