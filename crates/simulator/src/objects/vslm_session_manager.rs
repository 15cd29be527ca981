//! `VslmSessionManager`: sessions of the service of first class disks. They are those of vSphere itself: a client shows the
//! cookie of one, in the header `vcSessionCookie` or as a cookie.

use vimsim_types::method::{VslmLoginByToken, VslmLogout};
use vimsim_types::views::{InvalidLogin, VslmSessionManager};
use vimsim_types::{Fault, View};

use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<VslmSessionManager> {
    Kind::new().read(login_by_token).read(logout)
}

/// Says that the session's user wants to use the service, which any can.
///
/// - `InvalidLogin` without a token.
fn login_by_token(_: &Look<'_, VslmSessionManager>, request: VslmLoginByToken) -> Result<(), Fault> {
    match request.delegated_token_xml().trim() {
        "" => Err(Fault::new(InvalidLogin::new(), "there is no token")),
        _ => Ok(()),
    }
}

/// Says that the user is done with the service. The session of vSphere goes on.
fn logout(_: &Look<'_, VslmSessionManager>, _: VslmLogout) -> Result<(), Fault> {
    Ok(())
}
