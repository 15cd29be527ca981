//! Tests that need an engine: `cargo xtask test` knows them by this module's name.

mod addresses;
mod commands;
mod events;
mod lifecycle;
mod names;
mod namespaces;
mod services;
