//! What the services of this face keep that no managed object shows. It lies in the registry, beside the rest of the
//! inventory, so that a request changes all that it should or nothing.

use std::sync::Arc;

use super::call::Call;
use super::{RestError, Result, appliance, library, lifecycle, namespaces, tasks};

/// All of it. Copied by each write, but for what that does not touch.
#[derive(Clone, Default)]
pub(super) struct Kept {
    pub(super) appliance: Arc<appliance::Appliance>,
    pub(super) libraries: Arc<library::Libraries>,
    pub(super) lifecycle: Arc<lifecycle::Lifecycle>,
    pub(super) namespaces: Arc<namespaces::Namespaces>,
    pub(super) tasks: Arc<tasks::Tasks>,
}

impl Call {
    /// What is kept.
    pub(super) fn kept(&self) -> Arc<Kept> {
        self.service().kept()
    }

    /// Changes what is kept; an error changes nothing.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Kept) -> Result<R>) -> Result<R> {
        self.service().change_kept::<Kept, R, RestError>(|kept, _| change(kept))
    }
}
