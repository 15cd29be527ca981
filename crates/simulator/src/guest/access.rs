//! Who may do what in which guest.

use std::sync::Arc;

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::views::{
    GuestAuthentication, GuestOperationsUnavailable, InvalidGuestLogin, InvalidPowerState, NamePasswordAuthentication,
    OperationNotSupportedByGuest, TicketedSessionAuthentication, VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::call::{Wait, not_found};
use crate::containers::machine;
use crate::service::Service;

/// A guest that somebody has logged in to.
pub(crate) struct Guest {
    pub(super) service: Arc<Service>,
    pub(super) machine: Moref,
    /// The container's identifier.
    pub(super) container: String,
    /// As whom.
    pub(super) user: ArcStr,
}

impl Guest {
    /// Logs in to the guest of this machine.
    ///
    /// - `ManagedObjectNotFound`; `GuestOperationsUnavailable` if no container is behind the machine or nothing answers in
    ///   it; `InvalidPowerState` unless the machine is on;
    /// - `InvalidGuestLogin` without a name and a password, or a ticket that was given out.
    pub(crate) fn enter(wait: &Wait, moref: &Moref, auth: &GuestAuthentication) -> Result<Self, Fault> {
        let service = wait.service.clone();
        let container = container(&service, moref)?;
        let user = user(&service, moref, auth)?;
        Ok(Self { service, machine: moref.clone(), container, user })
    }

    /// Checks who somebody is in the guest of this machine, which need not be a container.
    ///
    /// - `InvalidGuestLogin`, as [`Self::enter`].
    pub(crate) fn expect_user(wait: &Wait, moref: &Moref, auth: &GuestAuthentication) -> Result<(), Fault> {
        user(&wait.service, moref, auth).map(drop)
    }

    /// Gives out a ticket that stands for the one who has logged in.
    pub(crate) fn ticket(&self) -> TicketedSessionAuthentication {
        let ticket = crate::uuid::random();
        self.service.guests().known().tickets.insert(ticket.clone(), (self.machine.clone(), self.user.clone()));
        TicketedSessionAuthentication::with(|auth| {
            auth.set_interactive_session(false);
            auth.set_ticket(ticket);
        })
    }

    /// Makes a ticket worthless. What is none is not missed.
    pub(crate) fn release(&self, auth: &GuestAuthentication) {
        if let Some(auth) = auth.downcast::<TicketedSessionAuthentication>() {
            self.service.guests().known().tickets.remove(auth.ticket().as_str());
        }
    }
}

/// The container of a machine whose guest can be asked for something now.
pub(super) fn container(service: &Service, moref: &Moref) -> Result<String, Fault> {
    let snapshot = service.snapshot();
    let properties = snapshot.view::<VirtualMachine>(moref).ok_or_else(|| not_found(moref))?;
    let name = properties.name();
    let unavailable = |why: &str| Fault::new(GuestOperationsUnavailable::new(), format!("the guest of '{name}' {why}"));
    let Some(backed) = machine::seen(&snapshot, moref) else {
        return Err(unavailable("is no container: RUN.container makes it one when the machine is started"));
    };
    let existing = properties.runtime().power_state();
    if existing != Power::PoweredOn {
        let detail = InvalidPowerState::with(|fault| {
            fault.set_requested_state(Power::PoweredOn).set_existing_state(existing);
        });
        return Err(Fault::new(detail, format!("'{name}' is not powered on")));
    }
    let tools = properties.guest().and_then(|guest| guest.tools_running_status());
    if tools.is_none_or(|status| *status != "guestToolsRunning") {
        return Err(unavailable("does not run VMware Tools"));
    }
    Ok(backed.container.clone())
}

/// Who this is. Like vcsim, a guest takes every name with every password.
fn user(service: &Service, moref: &Moref, auth: &GuestAuthentication) -> Result<ArcStr, Fault> {
    if let Some(auth) = auth.downcast::<NamePasswordAuthentication>()
        && !auth.username().is_empty()
        && !auth.password().is_empty()
    {
        return Ok(auth.username().clone());
    }
    if let Some(auth) = auth.downcast::<TicketedSessionAuthentication>()
        && let Some((machine, user)) = service.guests().known().tickets.get(auth.ticket().as_str())
        && machine == moref
    {
        return Ok(user.clone());
    }
    Err(Fault::new(InvalidGuestLogin::new(), "the guest does not know this user with this password"))
}

/// An operation that no container can do: its guest has neither a Windows registry nor the service that keeps aliases.
///
/// - As [`Guest::enter`]; `OperationNotSupportedByGuest`.
pub(crate) fn unsupported(wait: &Wait, moref: &Moref, auth: &GuestAuthentication) -> Result<(), Fault> {
    Guest::enter(wait, moref, auth)?;
    Err(Fault::new(OperationNotSupportedByGuest::new(), "a Linux guest without VGAuth cannot do this"))
}
