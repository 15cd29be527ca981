//! What goes on outside the registry's lock, owned by the service and stopped with it.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

/// The service's own futures.
#[derive(Default)]
pub(crate) struct Spawner(Mutex<State>);

#[derive(Default)]
struct State {
    running: JoinSet<()>,
    /// Whether there was something to stop; none before the stop.
    stopped: Option<bool>,
}

impl Spawner {
    /// Runs a future until it is done or the service stops. Needs a tokio runtime. After the stop, nothing is run.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while state.running.try_join_next().is_some() {}
        if state.stopped.is_none() {
            state.running.spawn(future);
        }
    }

    /// Drops all that is running.
    pub(crate) fn stop(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while state.running.try_join_next().is_some() {}
        let had_work = !state.running.is_empty();
        state.stopped.get_or_insert(had_work);
        // Dropped outside the lock: what is dropped may want to spawn.
        let running = std::mem::take(&mut state.running);
        drop(state);
        drop(running);
    }

    /// Whether the stop broke something off.
    pub(crate) fn is_broken_off(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stopped == Some(true)
    }
}
