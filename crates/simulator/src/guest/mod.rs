//! Guest operations: files and programs in a virtual machine, which are those of the container behind it.
//!
//! Everything is done by a shell in the container, with what any small image has. What a command has to be told travels
//! beside the script, as arguments, so that no name is ever read as a command.

mod access;
mod attributes;
pub(crate) mod files;
pub(crate) mod processes;
mod shell;
mod transfer;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vimsim_types::{ArcStr, Moref};

use self::processes::Process;
use self::transfer::Transfer;

pub(crate) use self::access::{Guest, unsupported};
pub use self::transfer::GuestFile;

/// What is remembered of guests beside the inventory, as long as the service runs.
#[derive(Default)]
pub(crate) struct Guests(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Who has logged in with a ticket, to which machine.
    tickets: BTreeMap<String, (Moref, ArcStr)>,
    /// The programs that clients have started, the oldest first.
    processes: BTreeMap<ArcStr, Vec<Process>>,
    /// What may be transferred, the oldest first.
    transfers: Vec<Transfer>,
}

impl Guests {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all of a machine that has left the inventory.
    pub(crate) fn forget(&self, machine: &Moref) {
        let mut known = self.known();
        known.tickets.retain(|_, (of, _)| of != machine);
        known.processes.remove(machine.value());
        known.transfers.retain(|transfer| transfer.machine != *machine);
    }
}
