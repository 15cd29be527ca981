//! What a machine's container is.

use std::sync::Arc;

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::{Fault, Moref};

use super::show::Before;
use super::wanted::Wanted;
use crate::call::Call;

/// Kept beside the properties of a machine: its container, if it has one.
#[derive(Clone, Default)]
pub(crate) struct Backing(Option<Arc<Backed>>);

/// The container of a machine.
#[derive(Clone)]
pub(crate) struct Backed {
    /// What was asked for.
    pub(crate) wanted: Wanted,
    /// The container's identifier.
    pub(crate) container: String,
    /// The container's name.
    pub(crate) name: String,
    /// Its volume with the files of the firmware.
    pub(crate) volume: Option<String>,
    /// The networks that it is in, in order.
    pub(crate) networks: Vec<String>,
    /// Whether these are behind its host's adapters, and it is one of their users.
    pub(crate) is_user: bool,
    /// Which of the networks each network card is on.
    pub(crate) cards: Vec<(i32, String)>,
    /// What the machine's properties said without it.
    pub(crate) before: Before,
    /// The power state that it was last brought to, or seen in.
    pub(crate) state: Power,
    /// Whether it was gone when it was last looked at.
    pub(crate) is_gone: bool,
}

/// The container of a machine, in a snapshot.
pub(crate) fn seen(snapshot: &Snapshot, machine: &Moref) -> Option<Arc<Backed>> {
    snapshot.object(machine)?.private::<Backing>()?.0.clone()
}

/// The container of a machine, in a transaction.
pub(crate) fn of(transaction: &Transaction, machine: &Moref) -> Option<Arc<Backed>> {
    transaction.object(machine)?.private::<Backing>()?.0.clone()
}

/// Whether the machine has a container.
pub(crate) fn is_backed<T>(call: &Call<'_, T>, machine: &Moref) -> bool {
    of(call, machine).is_some()
}

/// Writes down which container the machine has.
pub(crate) fn set(transaction: &mut Transaction, machine: &Moref, backed: Option<Backed>) -> Result<(), Fault> {
    transaction.private::<Backing>(machine)?.0 = backed.map(Arc::new);
    Ok(())
}

/// Writes down to which power state the container was brought.
pub(crate) fn set_state(transaction: &mut Transaction, machine: &Moref, state: Power) -> Result<(), Fault> {
    match of(transaction, machine) {
        Some(backed) if backed.state != state => {
            set(transaction, machine, Some(Backed { state, ..Backed::clone(&backed) }))
        }
        _ => Ok(()),
    }
}
