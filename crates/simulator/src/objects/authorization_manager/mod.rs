//! `AuthorizationManager`: privileges, the roles that group them, and who has which role where.

mod privileges;
mod roles;

use vimsim_types::View;
use vimsim_types::views::AuthorizationManager;

use crate::kind::Kind;

pub(crate) fn kind() -> Kind<AuthorizationManager> {
    Kind::new()
        .computed(AuthorizationManager::PRIVILEGE_LIST, |_, _, _| privileges::list())
        .computed(AuthorizationManager::DESCRIPTION, |_, _, _| privileges::description())
}

/// The authorization manager's own properties: the roles of the system.
pub(crate) fn properties() -> AuthorizationManager {
    AuthorizationManager::with(|manager| _ = manager.set_role_list(roles::system()))
}
