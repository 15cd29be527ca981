//! Behaviour tests, in one binary.

mod client;
mod history;
mod host;
mod managers;
mod required;
