//! `SsoGroupcheckServiceInstance`: where one asks what groups somebody is in.

use vimsim_types::method::CallSsoGroupcheckServiceInstance;
use vimsim_types::views::{SsoGroupcheckServiceContent, SsoGroupcheckServiceInstance};
use vimsim_types::{Fault, Moref, View};

use super::sso_admin_service_instance::{group_check, session_manager};
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoGroupcheckServiceInstance> {
    Kind::new().read(content)
}

/// The identifier by which it is kept. Clients call it `ServiceInstance`, as they do that of vSphere itself.
pub(crate) fn moref() -> Moref {
    Moref::of::<SsoGroupcheckServiceInstance>("SsoGroupcheckServiceInstance")
}

/// Where the parts of the service are.
fn content(
    _: &Look<'_, SsoGroupcheckServiceInstance>,
    _: CallSsoGroupcheckServiceInstance,
) -> Result<SsoGroupcheckServiceContent, Fault> {
    Ok(SsoGroupcheckServiceContent::with(|content| {
        content.set_session_manager(session_manager()).set_group_check_service(group_check());
    }))
}
