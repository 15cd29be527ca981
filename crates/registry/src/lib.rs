//! Every managed object there is, as immutable snapshots with one writer.
//!
//! ```text
//!  write(|tx| …) ─ one at a time ─▶ Transaction ─ derive, diff, index ─▶ Snapshot (version + 1) ─▶ subscribers wake
//!  snapshot()    ─ never waits ───▶ Snapshot
//! ```
//!
//! A [`Snapshot`] is the whole inventory at one version and costs a pointer. [`Registry::write`] runs a short synchronous
//! closure on a [`Transaction`]; if it returns a fault or panics, nothing has happened. Otherwise everything that really
//! changed becomes one new version. Nothing here does IO or waits.

mod changes;
mod managed_object;
mod registry;
mod snapshot;
mod transaction;

pub use changes::Change;
pub use managed_object::ManagedObject;
pub use registry::{Registry, Rules, Turn};
pub use snapshot::{IndexKey, Snapshot};
pub use transaction::Transaction;
