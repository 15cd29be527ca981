//! `SsoAdminRoleManagementService`: what users may do in single sign-on itself.

use vimsim_types::Fault;
use vimsim_types::method::{SsoGrantWSTrustRole, SsoRevokeWSTrustRole, SsoSetRole};
use vimsim_types::views::{SsoAdminRoleManagementService, SsoPrincipalId};

use super::sso_principal_management_service::{Name, change};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoAdminRoleManagementService> {
    Kind::new().write(set_role).write(grant).write(revoke)
}

type Service<'a> = Call<'a, SsoAdminRoleManagementService>;

/// Changes the roles of a user; whether that changed anything.
///
/// - `NotFound` if there is no such user.
fn change_roles(
    call: &mut Service<'_>,
    user: &SsoPrincipalId,
    edit: impl FnOnce(&mut Vec<String>),
) -> Result<bool, Fault> {
    change(call, |directory| {
        let user = directory.user_mut(&Name::of(user))?;
        let before = user.roles.clone();
        edit(&mut user.roles);
        Ok(user.roles != before)
    })
}

/// Gives a user another role, instead of the one there was.
fn set_role(call: &mut Service<'_>, request: SsoSetRole) -> Result<bool, Fault> {
    change_roles(call, request.user_id(), |roles| {
        roles.retain(|role| role.starts_with("ActAs"));
        roles.push(request.role().to_string());
    })
}

/// Gives a user a role for tokens, such as `ActAsUser`.
fn grant(call: &mut Service<'_>, request: SsoGrantWSTrustRole) -> Result<bool, Fault> {
    change_roles(call, request.user_id(), |roles| {
        if !roles.iter().any(|role| request.role() == role) {
            roles.push(request.role().to_string());
        }
    })
}

/// Takes such a role away again.
fn revoke(call: &mut Service<'_>, request: SsoRevokeWSTrustRole) -> Result<bool, Fault> {
    change_roles(call, request.user_id(), |roles| roles.retain(|role| request.role() != role))
}
