//! What a task does outside the registry's lock: its hands on the inventory while it runs.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use vimsim_registry::Snapshot;
use vimsim_types::views::{LocalizableMessage, RequestCanceled, SystemError, Task};
use vimsim_types::{Fault, Method, Moref, View};

use crate::call::{Call, Context};
use crate::service::{Service, panicked};
use crate::session::Session;

/// A task's work under way: writes progress, and whatever else, in transactions of their own.
#[derive(Clone)]
pub(crate) struct Work {
    service: Arc<Service>,
    task: Moref,
    method: &'static Method,
    session: Option<Arc<Session>>,
    /// Whether `CancelTask` is not heeded any more.
    is_regardless: bool,
}

impl Work {
    pub(crate) fn new(
        service: Arc<Service>,
        task: Moref,
        method: &'static Method,
        session: Option<Arc<Session>>,
    ) -> Self {
        Self { service, task, method, session, is_regardless: false }
    }

    /// The same work, which is not given up any more.
    pub(crate) fn regardless(&self) -> Self {
        Self { is_regardless: true, ..self.clone() }
    }

    /// The service that the work is done in.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The inventory as it is now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.service.snapshot()
    }

    /// Changes something, all of it or nothing, in the name of the task.
    pub(crate) fn write<V: View, R>(
        &self,
        on: &Moref,
        body: impl FnOnce(&mut Call<'_, V>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let mut context = Context::internal(self.service.clone(), false);
        context.session.clone_from(&self.session);
        context.method = Some(self.method);
        context.task = Some(self.task.clone());
        self.service.in_context(self.method.name, context, |transaction, context| {
            body(&mut Call::new(transaction, context, on.clone()))
        })
    }

    /// Changes something, and keeps nothing of it: the fault that a write would have.
    pub(crate) fn attempt<V: View, R>(
        &self,
        on: &Moref,
        body: impl FnOnce(&mut Call<'_, V>) -> Result<R, Fault>,
    ) -> Result<(), Fault> {
        let mut outcome = Ok(());
        let kept = self.write::<V, ()>(on, |call| {
            outcome = body(call).map(drop);
            Err(Fault::invalid_request("nothing of this is kept"))
        });
        // A panic never came to an outcome.
        match (outcome, kept) {
            (Ok(()), Err(fault)) if fault.is::<SystemError>() => Err(fault),
            (outcome, _) => outcome,
        }
    }

    /// Says how far the work is, in percent, and what it is doing. A task that is gone is told nothing.
    pub(crate) fn progress(&self, percent: i32, doing: &str) {
        let percent = percent.clamp(0, 100);
        let is_known = |task: &Task| {
            let info = task.info();
            info.progress() == Some(percent)
                && info.description().and_then(|text| text.message()).is_some_and(|text| text == doing)
        };
        if self.snapshot().view::<Task>(&self.task).is_none_or(is_known) {
            return;
        }
        let written = self.write::<Task, _>(&self.task, |call| {
            let info = call.this_mut()?.info_mut();
            info.set_progress(percent);
            info.set_description(LocalizableMessage::with(|text| {
                text.set_key("com.vmware.vim.task.progress").set_message(doing);
            }));
            Ok(())
        });
        if let Err(fault) = written {
            tracing::debug!(task = %self.task, %fault, "cannot write down how far a task is");
        }
    }

    /// Whether `CancelTask` was called.
    pub(crate) fn is_cancelled(&self) -> bool {
        let snapshot = self.snapshot();
        !self.is_regardless && snapshot.view::<Task>(&self.task).is_some_and(|task| task.info().cancelled())
    }

    /// Returns when `CancelTask` was called; never, if it is not.
    async fn cancelled(&self) {
        if self.is_regardless {
            return std::future::pending().await;
        }
        let mut versions = self.service.registry().subscribe();
        loop {
            versions.borrow_and_update();
            match self.snapshot().view::<Task>(&self.task) {
                Some(task) if task.info().cancelled() => return,
                Some(_) => {}
                None => return std::future::pending().await,
            }
            if versions.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Returns when this is so of the inventory: `RequestCanceled` when `CancelTask` is called meanwhile.
    pub(crate) async fn until(&self, is_so: &(dyn Fn(&Snapshot) -> bool + Send + Sync)) -> Result<(), Fault> {
        let mut versions = self.service.registry().subscribe();
        let seen = async {
            loop {
                versions.borrow_and_update();
                if is_so(&self.snapshot()) {
                    return;
                }
                if versions.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        self.unless_cancelled(seen).await
    }

    /// Waits for something that may be given up at any time: `RequestCanceled` when `CancelTask` is called meanwhile.
    pub(crate) async fn unless_cancelled<R>(&self, what: impl Future<Output = R>) -> Result<R, Fault> {
        tokio::select! {
            result = what => Ok(result),
            () = self.cancelled() => Err(RequestCanceled::new().into()),
        }
    }
}

/// A future whose panic becomes a fault.
pub(crate) async fn unwinding<R>(name: &str, future: impl Future<Output = Result<R, Fault>>) -> Result<R, Fault> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(panicked(name, &*panic))),
    })
    .await
}
