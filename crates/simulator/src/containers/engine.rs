//! The container engine, as one service uses it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, Semaphore, SemaphorePermit};
use vimsim_container::{ContainerRuntime, Instance, RuntimeError};
use vimsim_types::views::PlatformConfigFault;
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::call::Call;
use crate::config;

/// So many containers are made at once: more only wait for each other in the engine.
const MADE_AT_ONCE: usize = 16;
/// How long an engine may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(15);

/// The engine, if there is one, and who is doing what with it.
pub(crate) struct Engine {
    instance: Option<Arc<Instance>>,
    turns: Mutex<HashMap<ArcStr, Arc<tokio::sync::Mutex<()>>>>,
    permits: Semaphore,
    /// Whether its events are listened to.
    watched: AtomicBool,
    /// How many things are being made.
    busy: AtomicUsize,
    /// The hosts and machines that are to get containers, and by how many tasks.
    pending: Arc<Mutex<HashMap<ArcStr, usize>>>,
    /// The hosts and machines that have containers, by the containers' identifiers.
    owners: Mutex<BTreeMap<String, Moref>>,
    /// Whether the engine's kernel has been found to know no firmware (`/sys/class/dmi`).
    lacks_firmware: AtomicBool,
}

/// The right to change a host's container, until it is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

impl Engine {
    pub(crate) fn new(config: &config::Containers) -> Self {
        Self {
            instance: config.runtime.clone().map(|runtime| Arc::new(Instance::new(runtime))),
            turns: Mutex::default(),
            permits: Semaphore::new(MADE_AT_ONCE),
            watched: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            pending: Arc::default(),
            owners: Mutex::default(),
            lacks_firmware: AtomicBool::new(false),
        }
    }

    /// This service among those that use the engine; a fault that says what is missing if there is no engine.
    pub(crate) fn instance(&self) -> Result<&Arc<Instance>, Fault> {
        let missing = || RuntimeError::NoEngine { reason: "the service was started without one".into() };
        self.instance.as_ref().ok_or_else(|| fault(&missing()))
    }

    /// The engine itself; faults as [`Engine::instance`] does.
    pub(crate) fn runtime(&self) -> Result<&dyn ContainerRuntime, Fault> {
        Ok(&**self.instance()?.runtime())
    }

    /// Fails, with what is missing and how to get it, unless an engine answers.
    pub(crate) async fn expect(&self) -> Result<(), Fault> {
        let version = self.runtime()?.version();
        match tokio::time::timeout(PATIENCE, version).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(fault(&error)),
            Err(_) => {
                let reason = format!("no answer within {} seconds", PATIENCE.as_secs());
                Err(fault(&RuntimeError::NoEngine { reason }))
            }
        }
    }

    /// Waits until nobody else changes the host's container.
    pub(crate) async fn turn(&self, host: &Moref) -> Turn {
        let lock = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(host.value().clone()).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// Remembers which host or machine a container is behind.
    pub(crate) fn remember(&self, container: &str, owner: &Moref) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|_, known| known != owner);
        owners.insert(container.to_owned(), owner.clone());
    }

    /// Forgets the container of a host or machine.
    pub(crate) fn forget(&self, owner: &Moref) {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, known| known != owner);
    }

    /// The host or machine that a container is behind.
    pub(crate) fn owner_of(&self, container: &str) -> Option<Moref> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(container).cloned()
    }

    /// All hosts and machines that have containers.
    pub(crate) fn owners(&self) -> Vec<Moref> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Says that a task will change the host's container, until the answer is dropped.
    pub(crate) fn pend(&self, host: &Moref) -> Pending {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner).entry(host.value().clone()).or_default() += 1;
        Pending { all: self.pending.clone(), host: host.value().clone() }
    }

    /// Whether a task will change the host's container.
    pub(crate) fn is_pending(&self, host: &Moref) -> bool {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).contains_key(host.value())
    }

    /// Whether the engine's kernel may know the firmware that it was started by.
    pub(crate) fn has_firmware(&self) -> bool {
        !self.lacks_firmware.load(Ordering::Relaxed)
    }

    /// It was found to know none.
    pub(crate) fn note_no_firmware(&self) {
        self.lacks_firmware.store(true, Ordering::Relaxed);
    }

    /// Waits until few enough others make containers.
    pub(crate) async fn permit(&self) -> Busy<'_> {
        let permit = self.permits.acquire().await.ok();
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy { engine: self, _permit: permit }
    }

    /// Whether something is being made.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// Whether containers were made, or may be: nobody has to look for any otherwise.
    pub(crate) fn is_used(&self) -> bool {
        self.watched.load(Ordering::Acquire) || !self.pending.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether the caller is the first to make a container, and is to listen to the engine from now on.
    pub(crate) fn begin_watching(&self) -> bool {
        !self.watched.swap(true, Ordering::AcqRel)
    }
}

/// Keeps something, such as a turn, until what the call writes can be seen by whoever comes next.
pub(crate) fn held<T>(call: &Call<'_, T>, what: impl Send + 'static) {
    call.context().after(async move { drop(what) });
}

/// A task will change a host's container.
pub(crate) struct Pending {
    all: Arc<Mutex<HashMap<ArcStr, usize>>>,
    host: ArcStr,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.host);
            }
        }
    }
}

/// Something is being made.
pub(crate) struct Busy<'a> {
    engine: &'a Engine,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.engine.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the engine refused, in its own words.
pub(crate) fn fault(error: &RuntimeError) -> Fault {
    let words = error.to_string();
    Fault::new(PlatformConfigFault::with(|fault| _ = fault.set_text(&words)), words)
}
