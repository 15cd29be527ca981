//! The files on datastores.
//!
//! A datastore keeps only what clients made there ([`store`]); the files of virtual machines follow from the machines
//! ([`machine`]), so that a machine costs nothing here. [`Volume`] shows both as one tree of folders and files, and
//! [`edit`] changes it, inside the transaction of the call that asks. Bytes are apart, shared and unchanging
//! ([`content`]), because a transaction must not wait for them. No path is ever given to the operating system: what
//! clients call a path is a key of a map.

pub(crate) mod content;
pub(crate) mod disk;
pub(crate) mod edit;
pub(crate) mod fault;
pub(crate) mod machine;
pub(crate) mod path;
pub(crate) mod place;
pub(crate) mod renamed;
pub(crate) mod store;
pub(crate) mod stream;
pub(crate) mod transfer;
mod volume;
mod window;

pub(crate) use place::Place;
pub(crate) use store::{Content, File, Files, Item};
pub(crate) use volume::Volume;
