//! `HostLocalAccountManager`: the users of an ESXi host itself.
// Fidelity: groups are not there, as in ESXi since 5.1.

use std::collections::BTreeMap;
use std::sync::Arc;

use vimsim_types::method::{ChangePassword, CreateUser, RemoveUser, UpdateUser};
use vimsim_types::views::{AlreadyExists, HostAccountSpec, HostLocalAccountManager, InvalidLogin, UserNotFound};
use vimsim_types::{ArcStr, Fault, View};

use super::host_managers;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostLocalAccountManager> {
    Kind::new().write(create_user).write(update_user).write(remove_user).write(change_password)
}

type Manager<'a> = Call<'a, HostLocalAccountManager>;

/// The users that every ESXi host has, which stay.
pub(crate) const BUILT_IN: [&str; 3] = ["dcui", "root", "vpxuser"];

/// A user of a host.
#[derive(Clone, Default)]
pub(crate) struct Account {
    password: ArcStr,
    pub(crate) description: ArcStr,
}

/// The users of a host that somebody has made, by name.
pub(crate) type Accounts = Arc<BTreeMap<ArcStr, Account>>;

pub(crate) fn unknown(name: &str) -> Fault {
    let detail = UserNotFound::with(|fault| _ = fault.set_principal(name).set_unresolved(false));
    Fault::new(detail, format!("the host has no user '{name}'"))
}

fn accounts<'a>(call: &'a mut Manager<'_>) -> Result<&'a mut BTreeMap<ArcStr, Account>, Fault> {
    // Says whether the host can be reached, too.
    host_managers::edit_config(call)?;
    host_managers::accounts_mut(call)
}

/// `InvalidArgument` for a name that no user can have.
fn check_name(name: &str) -> Result<(), Fault> {
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_fine = name.chars().all(|it| it.is_ascii_alphanumeric() || "._-".contains(it));
    match begins_well && is_fine && name.len() <= 32 {
        true => Ok(()),
        false => Err(Fault::invalid_argument("user.id", format!("'{name}' cannot be the name of a user"))),
    }
}

/// Adds a user to the host.
///
/// - `AlreadyExists` if the host has a user of this name; `InvalidArgument` for a name that cannot be;
/// - `HostNotConnected` if vCenter cannot reach the host.
fn create_user(call: &mut Manager<'_>, request: CreateUser) -> Result<(), Fault> {
    let spec: &HostAccountSpec = request.user();
    check_name(spec.id())?;
    let accounts = accounts(call)?;
    if BUILT_IN.contains(&spec.id().as_str()) || accounts.contains_key(spec.id()) {
        let why = format!("the host has a user '{}'", spec.id());
        return Err(Fault::new(AlreadyExists::with(|fault| _ = fault.set_name(spec.id())), why));
    }
    let (password, description) = (spec.password().cloned(), spec.description().cloned());
    let account = Account { password: password.unwrap_or_default(), description: description.unwrap_or_default() };
    accounts.insert(spec.id().clone(), account);
    Ok(())
}

/// Changes a user's password and description; what the specification does not set stays.
///
/// - `UserNotFound` if the host has no such user that somebody has made.
fn update_user(call: &mut Manager<'_>, request: UpdateUser) -> Result<(), Fault> {
    let spec: &HostAccountSpec = request.user();
    if BUILT_IN.contains(&spec.id().as_str()) {
        return Ok(());
    }
    let account = accounts(call)?.get_mut(spec.id()).ok_or_else(|| unknown(spec.id()))?;
    if let Some(password) = spec.password() {
        account.password = password.clone();
    }
    if let Some(description) = spec.description() {
        account.description = description.clone();
    }
    Ok(())
}

/// Removes a user from the host.
///
/// - `UserNotFound` if the host has no such user; `InvalidArgument` for one that every host has.
fn remove_user(call: &mut Manager<'_>, request: RemoveUser) -> Result<(), Fault> {
    let name = request.user_name();
    if BUILT_IN.contains(&name.as_str()) {
        return Err(Fault::invalid_argument("userName", format!("the host needs its user '{name}'")));
    }
    accounts(call)?.remove(name).map(|_| ()).ok_or_else(|| unknown(name))
}

/// Gives a user another password, which who knows the old one may.
///
/// - `InvalidLogin` if there is no such user, or the old password is another.
fn change_password(call: &mut Manager<'_>, request: ChangePassword) -> Result<(), Fault> {
    match accounts(call)?.get_mut(request.user()) {
        Some(account) if account.password == *request.old_password() => {
            account.password = request.new_password().clone();
            Ok(())
        }
        _ => Err(Fault::new(InvalidLogin::new(), "there is no such user, or the password is another")),
    }
}
