//! Behaviour tests, in one binary.

mod client;
mod history;
mod required;
