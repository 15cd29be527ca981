//! `GuestAuthManager`: who may do something in a guest.

use vimsim_types::Fault;
use vimsim_types::method::{AcquireCredentialsInGuest, ReleaseCredentialsInGuest, ValidateCredentialsInGuest};
use vimsim_types::views::{GuestAuthManager, TicketedSessionAuthentication};

use crate::call::Wait;
use crate::guest::Guest;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<GuestAuthManager> {
    Kind::new().wait(validate_credentials).wait(acquire_credentials).wait(release_credentials)
}

/// Whether the guest knows this user.
///
/// - As [`Guest::enter`]; so do all the methods of guest operations.
async fn validate_credentials(wait: Wait, request: ValidateCredentialsInGuest) -> Result<(), Fault> {
    Guest::enter(&wait, &request.vm(), request.auth()).map(drop)
}

/// A ticket that can be used instead of the name and password.
async fn acquire_credentials(
    wait: Wait,
    request: AcquireCredentialsInGuest,
) -> Result<TicketedSessionAuthentication, Fault> {
    Guest::enter(&wait, &request.vm(), request.requested_auth()).map(|guest| guest.ticket())
}

/// Makes a ticket worthless.
async fn release_credentials(wait: Wait, request: ReleaseCredentialsInGuest) -> Result<(), Fault> {
    Guest::enter(&wait, &request.vm(), request.auth()).map(|guest| guest.release(request.auth()))
}
