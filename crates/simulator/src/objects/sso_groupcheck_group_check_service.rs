//! `SsoGroupcheckGroupCheckService`: the groups that somebody is in.

use vimsim_types::Fault;
use vimsim_types::method::SsoFindAllParentGroups;
use vimsim_types::views::{SsoGroupcheckGroupCheckService, SsoPrincipalId};

use super::sso_principal_management_service::{Name, directory};
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoGroupcheckGroupCheckService> {
    Kind::new().read(find_all_parent_groups)
}

/// The groups that the user is in, and the groups that those are in.
///
/// - `NotFound` if there is no such user.
fn find_all_parent_groups(
    look: &Look<'_, SsoGroupcheckGroupCheckService>,
    request: SsoFindAllParentGroups,
) -> Result<Vec<SsoPrincipalId>, Fault> {
    let directory = directory(look.snapshot(), look.context().service.config());
    let user = Name::of(request.user_id());
    directory.expect_user(&user)?;
    Ok(directory.groups_of(&user).iter().map(Name::id).collect())
}
