//! What goes on outside the registry's lock, owned by the service and stopped with it.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;

/// The service's own futures.
#[derive(Default)]
pub(crate) struct Spawner {
    running: Mutex<Option<JoinSet<()>>>,
}

impl Spawner {
    /// Runs a future until it is done or the service stops. Needs a tokio runtime.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = running.get_or_insert_with(JoinSet::new);
        while running.try_join_next().is_some() {}
        running.spawn(future);
    }

    /// Drops all that is running.
    pub(crate) fn stop(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
