//! `SsoSessionManager`: logins of single sign-on, which are sessions like any other.

use vimsim_types::method::{LoginByToken, SsoLogin, SsoLogout};
use vimsim_types::views::{SessionManager, SsoSessionManager};
use vimsim_types::{Fault, Moref, View};

use super::session_manager;
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoSessionManager> {
    Kind::new().write(login).read(logout)
}

/// Begins a session of the user whom the SAML token names that came with the call; who has one keeps it.
///
/// - `InvalidLogin` as `SessionManager.LoginByToken`.
fn login(call: &mut Call<'_, SsoSessionManager>, _: SsoLogin) -> Result<(), Fault> {
    if call.context().session.is_some() {
        return Ok(());
    }
    let manager = Moref::of::<SessionManager>("SessionManager");
    session_manager::login_by_token(&mut call.on(&manager), LoginByToken::new()).map(drop)
}

/// Ends what the login began. The session is that of vSphere itself, and goes on: clients log out here before they go on
/// there.
fn logout(_: &Look<'_, SsoSessionManager>, _: SsoLogout) -> Result<(), Fault> {
    Ok(())
}
