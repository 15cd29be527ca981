//! Steps that are taken back when a later one fails.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::{Result, RuntimeError};

/// Remembers how to take back what has been done. Unless it is committed, everything is taken back, the last first: by
/// [`Undo::rollback`], or on its own when it is dropped, as happens when the future that holds it is cancelled.
#[derive(Default)]
pub struct Undo {
    steps: Vec<(String, BoxFuture<'static, Result<()>>)>,
}

impl Undo {
    /// Nothing has been done yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something has been done, and this takes it back. The future is run only then.
    pub fn push(&mut self, what: impl Into<String>, back: impl Future<Output = Result<()>> + Send + 'static) {
        self.steps.push((what.into(), back.boxed()));
    }

    /// All went well: nothing is taken back.
    pub fn commit(mut self) {
        self.steps.clear();
    }

    /// Takes everything back, the last first, whatever fails; returns what could not be taken back. What is gone already
    /// counts as taken back.
    pub async fn rollback(mut self) -> Vec<(String, RuntimeError)> {
        roll_back(std::mem::take(&mut self.steps)).await
    }
}

async fn roll_back(steps: Vec<(String, BoxFuture<'static, Result<()>>)>) -> Vec<(String, RuntimeError)> {
    let mut failures = Vec::new();
    for (what, back) in steps.into_iter().rev() {
        if let Err(error) = crate::error::gone(back.await) {
            tracing::warn!(what, %error, "cannot take back");
            failures.push((what, error));
        }
    }
    failures
}

impl Drop for Undo {
    fn drop(&mut self) {
        let steps = std::mem::take(&mut self.steps);
        if steps.is_empty() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(roll_back(steps))),
            Err(_) => tracing::warn!("{} steps are not taken back: the service has ended", steps.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Three steps that write their names when they are taken back; the second fails.
    fn three_steps(log: &Arc<Mutex<Vec<&'static str>>>) -> Undo {
        let mut undo = Undo::new();
        for (name, result) in
            [("a", Ok(())), ("b", Err(RuntimeError::conflict("in use"))), ("c", Err(RuntimeError::not_found("gone")))]
        {
            let log = log.clone();
            undo.push(name, async move {
                log.lock().unwrap().push(name);
                result
            });
        }
        undo
    }

    #[tokio::test]
    async fn takes_back_in_reverse_whatever_fails() {
        let log = Arc::default();
        let failures = three_steps(&log).rollback().await;
        assert_eq!(*log.lock().unwrap(), ["c", "b", "a"]);
        assert_eq!(failures, [("b".to_owned(), RuntimeError::conflict("in use"))]);
    }

    #[tokio::test]
    async fn a_committed_one_does_nothing() {
        let log = Arc::default();
        three_steps(&log).commit();
        tokio::task::yield_now().await;
        assert!(log.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_dropped_one_takes_back_too() {
        let log = Arc::default();
        drop(three_steps(&log));
        while log.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*log.lock().unwrap(), ["c", "b", "a"]);
    }
}
