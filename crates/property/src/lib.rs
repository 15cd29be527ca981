//! What a property collector computes, as pure functions over a [`World`]: no IO, no locks, no registry.
//!
//! - [`Path`]: a property path such as `config.hardware.device[4000].macAddress`, compiled once into slots.
//! - [`Selection`]: a `PropertyFilterSpec`, checked and compiled: which objects, and which of their properties.
//! - [`retrieve`]: what a selection holds now, for `RetrievePropertiesEx`.
//! - [`diff`]: how a property changed between two states of an object, for `partialUpdates` and without.
//! - [`FilterState`]: what a filter has told its client, and so what `WaitForUpdatesEx` has still to tell.
//!
//! Comparing is by pointer first: values are shared until they are changed ([`vimsim_types::Value::same`]), so finding
//! what changed costs what changed, not what there is.

mod diff;
mod filter_state;
mod key;
mod path;
mod retrieve;
mod selection;
mod walk;
mod world;

pub use diff::diff;
pub use filter_state::{FilterState, Update};
pub use path::Path;
pub use retrieve::retrieve;
pub use selection::Selection;
pub use world::World;
