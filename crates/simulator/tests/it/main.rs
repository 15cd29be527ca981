//! Behaviour tests, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::cloned_ref_to_slice_refs,
    reason = "a test that cannot go on fails, and says it plainly"
)]

mod client;
mod copies;
mod history;
mod host;
mod managers;
mod required;
mod whole;
