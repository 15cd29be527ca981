//! `SsoAdminPrincipalDiscoveryService`: looking for users and groups.

use vimsim_types::Fault;
use vimsim_types::method::{
    SsoFindGroup, SsoFindGroups, SsoFindGroupsInGroup, SsoFindPersonUser, SsoFindPersonUsers,
    SsoFindPersonUsersInGroup, SsoFindSolutionUser, SsoFindSolutionUsers, SsoFindUser, SsoFindUsersInGroup,
};
use vimsim_types::views::{
    SsoAdminGroup, SsoAdminPersonUser, SsoAdminPrincipalDiscoveryService, SsoAdminSolutionUser, SsoAdminUser,
};

use super::sso_principal_management_service::{Directory, Name, directory};
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoAdminPrincipalDiscoveryService> {
    Kind::new()
        .read(find_user)
        .read(find_person_user)
        .read(find_person_users)
        .read(find_solution_user)
        .read(find_solution_users)
        .read(find_group)
        .read(find_groups)
        .read(find_users_in_group)
        .read(find_person_users_in_group)
        .read(find_groups_in_group)
}

type Service<'a> = Look<'a, SsoAdminPrincipalDiscoveryService>;

fn known(look: &Service<'_>) -> Directory {
    directory(look.snapshot(), look.context().service.config())
}

/// No more than were asked for.
fn limited<T>(found: impl Iterator<Item = T>, limit: i32) -> Vec<T> {
    found.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
}

fn fits(name: &Name, domain: &str, text: &str) -> bool {
    (domain.is_empty() || name.domain == domain) && name.name.contains(text)
}

/// Any user of this name.
fn find_user(look: &Service<'_>, request: SsoFindUser) -> Result<Option<SsoAdminUser>, Fault> {
    Ok(known(look).user(&Name::of(request.user_id())))
}

/// The person of this name.
fn find_person_user(look: &Service<'_>, request: SsoFindPersonUser) -> Result<Option<SsoAdminPersonUser>, Fault> {
    Ok(known(look).person(&Name::of(request.user_id())))
}

/// The people of a domain whose names contain a text.
fn find_person_users(look: &Service<'_>, request: SsoFindPersonUsers) -> Result<Vec<SsoAdminPersonUser>, Fault> {
    let (known, criteria) = (known(look), request.criteria());
    let names = known.users().filter(|name| fits(name, criteria.domain(), criteria.search_string()));
    Ok(limited(names.filter_map(|name| known.person(name)), request.limit()))
}

/// The service of this name.
fn find_solution_user(look: &Service<'_>, request: SsoFindSolutionUser) -> Result<Option<SsoAdminSolutionUser>, Fault> {
    Ok(known(look).solution(&Name::parse(request.user_name())))
}

/// The services whose names contain a text.
fn find_solution_users(look: &Service<'_>, request: SsoFindSolutionUsers) -> Result<Vec<SsoAdminSolutionUser>, Fault> {
    let known = known(look);
    let names = known.users().filter(|name| fits(name, "", request.search_string()));
    Ok(limited(names.filter_map(|name| known.solution(name)), request.limit()))
}

/// The group of this name.
fn find_group(look: &Service<'_>, request: SsoFindGroup) -> Result<Option<SsoAdminGroup>, Fault> {
    Ok(known(look).group(&Name::of(request.group_id())))
}

/// The groups of a domain whose names contain a text.
fn find_groups(look: &Service<'_>, request: SsoFindGroups) -> Result<Vec<SsoAdminGroup>, Fault> {
    let (known, criteria) = (known(look), request.criteria());
    let names = known.groups().filter(|name| fits(name, criteria.domain(), criteria.search_string()));
    Ok(limited(names.filter_map(|name| known.group(name)), request.limit()))
}

/// The users in a group; `NotFound` if there is no such group.
fn find_users_in_group(look: &Service<'_>, request: SsoFindUsersInGroup) -> Result<Vec<SsoAdminUser>, Fault> {
    let known = known(look);
    let members = known.members(&Name::of(request.group_id()))?;
    let names = members.iter().filter(|name| fits(name, "", request.search_string()));
    Ok(limited(names.filter_map(|name| known.user(name)), request.limit()))
}

/// The people in a group; `NotFound` if there is no such group.
fn find_person_users_in_group(
    look: &Service<'_>,
    request: SsoFindPersonUsersInGroup,
) -> Result<Vec<SsoAdminPersonUser>, Fault> {
    let known = known(look);
    let members = known.members(&Name::of(request.group_id()))?;
    let names = members.iter().filter(|name| fits(name, "", request.search_string()));
    Ok(limited(names.filter_map(|name| known.person(name)), request.limit()))
}

/// The groups in a group, and those that it is in itself; `NotFound` if there is no such group.
// Fidelity: vCenter answers the former only. govc's tests expect the latter, which vcsim answers.
fn find_groups_in_group(look: &Service<'_>, request: SsoFindGroupsInGroup) -> Result<Vec<SsoAdminGroup>, Fault> {
    let known = known(look);
    let name = Name::of(request.group_id());
    let mut names = known.members(&name)?.clone();
    names.extend(known.groups().filter(|group| known.members(group).is_ok_and(|it| it.contains(&name))).cloned());
    let names = names.iter().filter(|name| fits(name, "", request.search_string()));
    Ok(limited(names.filter_map(|name| known.group(name)), request.limit()))
}
