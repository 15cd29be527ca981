//! `UserDirectory`: users and groups.

use vimsim_types::method::RetrieveUserGroups;
use vimsim_types::views::{NotFound, UserDirectory, UserSearchResult};
use vimsim_types::{Fault, View};

use super::host_managers;
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<UserDirectory> {
    Kind::new().read(retrieve_user_groups)
}

/// The single sign-on domain of a vCenter.
pub(crate) const DOMAIN: &str = "VSPHERE.LOCAL";

/// The users and groups that vcsim knows: name, full name, whether it is a group.
const KNOWN: &[(&str, &str, bool)] =
    &[("root", "root", true), ("root", "root", false), ("admin", "administrator", false)];

/// The directory's own properties.
pub(crate) fn properties(is_virtual_center: bool) -> UserDirectory {
    UserDirectory::with(|directory| {
        directory.set_domain_list(is_virtual_center.then_some(DOMAIN));
    })
}

/// The users and groups whose name contains the text, or is it; those who are logged in are known, too, and to a host those
/// that it has itself.
///
/// - `NotFound` for a domain, group or user that is not known.
fn retrieve_user_groups(
    look: &Look<'_, UserDirectory>,
    request: RetrieveUserGroups,
) -> Result<Vec<UserSearchResult>, Fault> {
    let domains = look.this()?.domain_list();
    if let Some(domain) = request.domain().filter(|domain| !domain.is_empty())
        && !domains.iter().any(|known| known.eq_ignore_ascii_case(domain))
    {
        return Err(Fault::new(NotFound::new(), format!("there is no domain '{domain}'")));
    }
    let result = |name: &str, full_name: &str, is_group: bool| {
        UserSearchResult::with(|result| _ = result.set_principal(name).set_full_name(full_name).set_group(is_group))
    };
    let mut all: Vec<UserSearchResult> =
        KNOWN.iter().map(|(name, full_name, is_group)| result(name, full_name, *is_group)).collect();
    for (name, account) in host_managers::accounts(look.snapshot(), look.moref()).iter() {
        all.push(result(name, &account.description, false));
    }
    for session in look.context().service.sessions().all() {
        if !all.iter().any(|known| !known.group() && known.principal() == session.user()) {
            all.push(result(session.user(), session.user(), false));
        }
    }
    // Every user is in the one group.
    for (wanted, is_group) in [(request.belongs_to_group(), true), (request.belongs_to_user(), false)] {
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { continue };
        if !all.iter().any(|known| known.group() == is_group && known.principal().eq_ignore_ascii_case(wanted)) {
            return Err(Fault::new(NotFound::new(), format!("there is no '{wanted}'")));
        }
        all.retain(|known| known.group() != is_group);
    }
    let text = request.search_str().to_ascii_lowercase();
    all.retain(|known| {
        let name = known.principal().to_ascii_lowercase();
        let is_wanted = if known.group() { request.find_groups() } else { request.find_users() };
        is_wanted && if request.exact_match() { name == text } else { name.contains(&text) }
    });
    Ok(all)
}
