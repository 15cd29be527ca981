//! What a host's container is.

use std::sync::Arc;

use vimsim_registry::{ManagedObject, Snapshot, Transaction};
use vimsim_types::{Fault, Moref};

use super::plan::Volume;
use super::reflect::Before;
use super::wanted::Wanted;
use crate::call::Call;
use crate::usage::Usage;

/// Kept beside the properties of a host: its container, if it has one, and what its machines use.
#[derive(Clone, Default)]
pub(crate) struct Backing(Option<Arc<Backed>>, Usage);

/// The container of a host.
#[derive(Clone)]
pub(crate) struct Backed {
    /// What was asked for.
    pub(crate) wanted: Wanted,
    /// The network behind each physical adapter.
    pub(crate) cables: Vec<(String, Option<String>)>,
    /// The container's identifier.
    pub(crate) container: String,
    /// The container's name.
    pub(crate) name: String,
    /// Its file systems.
    pub(crate) volumes: Vec<Volume>,
    /// What the host's properties said without it.
    pub(crate) before: Before,
    /// Whether it was gone when it was last looked at.
    pub(crate) is_gone: bool,
}

impl Backed {
    /// The networks that the container is in.
    pub(crate) fn networks(&self) -> impl Iterator<Item = &str> {
        self.cables.iter().filter_map(|(_, network)| network.as_deref())
    }
}

/// The container of a host, in a snapshot.
pub(crate) fn seen(snapshot: &Snapshot, host: &Moref) -> Option<Arc<Backed>> {
    snapshot.object(host)?.private::<Backing>()?.0.clone()
}

/// The container of a host, in a transaction.
pub(crate) fn of(transaction: &Transaction, host: &Moref) -> Option<Arc<Backed>> {
    transaction.object(host)?.private::<Backing>()?.0.clone()
}

/// Whether the host has a container.
pub(crate) fn is_backed<T>(call: &Call<'_, T>, host: &Moref) -> bool {
    of(call, host).is_some()
}

/// Writes down which container the host has.
pub(crate) fn set(transaction: &mut Transaction, host: &Moref, backed: Option<Backed>) -> Result<(), Fault> {
    transaction.private::<Backing>(host)?.0 = backed.map(Arc::new);
    Ok(())
}

/// What the host's machines use.
pub(crate) fn usage(host: &ManagedObject) -> Usage {
    host.private::<Backing>().map_or_else(Usage::default, |backing| backing.1)
}

/// Writes down what the host's machines use.
pub(crate) fn set_usage(transaction: &mut Transaction, host: &Moref, usage: Usage) -> Result<(), Fault> {
    transaction.private::<Backing>(host)?.1 = usage;
    Ok(())
}
