//! Time, as the service is told it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use vimsim_types::DateTime;

/// Where the service gets the time from.
pub trait Clock: Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> DateTime;
}

/// Waits until so much time has gone by on a clock, which may be one that somebody moves by hand.
pub(crate) async fn pass(clock: &dyn Clock, time: Duration) {
    let due = clock.now().micros().saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    loop {
        let left = due - clock.now().micros();
        if left <= 0 {
            return;
        }
        tokio::time::sleep(Duration::from_micros(u64::try_from(left).unwrap_or_default().min(50_000))).await;
    }
}

/// The time of day.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that asks the operating system")]
    fn now(&self) -> DateTime {
        jiff::Timestamp::now().into()
    }
}

/// A clock that stands still until it is told to go on.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at this time.
    pub fn new(now: DateTime) -> Self {
        Self(AtomicI64::new(now.micros()))
    }

    /// Goes on by this many seconds.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime {
        DateTime::from_micros(self.0.load(Ordering::Relaxed))
    }
}
