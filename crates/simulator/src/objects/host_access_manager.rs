//! `HostAccessManager`: who may use a host directly.

use std::collections::BTreeMap;
use std::sync::Arc;

use vimsim_types::enums::{HostAccessMode, HostLockdownMode};
use vimsim_types::method::{
    ChangeAccessMode, ChangeLockdownMode, QueryLockdownExceptions, QuerySystemUsers, RetrieveHostAccessControlEntries,
    UpdateLockdownExceptions, UpdateSystemUsers,
};
use vimsim_types::views::{AuthMinimumAdminPermission, HostAccessControlEntry, HostAccessManager, HostConfigInfo};
use vimsim_types::{ArcStr, Fault, View};

use super::host_local_account_manager::{BUILT_IN, unknown};
use super::host_managers::{self, edit_config, look_host};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostAccessManager> {
    Kind::new()
        .write(change_lockdown_mode)
        .read(query_lockdown_exceptions)
        .write(update_lockdown_exceptions)
        .read(retrieve_entries)
        .write(change_access_mode)
        .read(query_system_users)
        .write(update_system_users)
}

/// Who may do what on the host: by name, and whether that is a group's.
type Entries = BTreeMap<(ArcStr, bool), HostAccessMode>;

/// What is kept beside the exceptions.
#[derive(Clone, Default)]
struct Access {
    /// The entries that somebody has made or changed.
    entries: Arc<Entries>,
    /// The users of services that run on the host.
    system: Arc<[ArcStr]>,
}

/// The users who administer every host.
const ADMINISTRATORS: [&str; 3] = ["dcui", "root", "vpxuser"];

/// The entries: those that every host has, and those that were changed. Who may do nothing has none.
fn entries(access: Option<&Access>) -> Entries {
    let first = ADMINISTRATORS.iter().map(|name| ((ArcStr::from(*name), false), HostAccessMode::AccessAdmin));
    let mut entries: Entries = first.collect();
    entries.extend(access.iter().flat_map(|access| access.entries.iter().map(|(who, mode)| (who.clone(), *mode))));
    entries.retain(|_, mode| *mode != HostAccessMode::AccessNone);
    entries
}

/// Who may do what on the host.
fn retrieve_entries(
    look: &Look<'_, HostAccessManager>,
    _: RetrieveHostAccessControlEntries,
) -> Result<Vec<HostAccessControlEntry>, Fault> {
    look_host(look)?;
    let entries = entries(host_managers::kept::<Access>(look.snapshot(), look.moref()));
    let entry = |((principal, is_group), mode): ((ArcStr, bool), HostAccessMode)| {
        HostAccessControlEntry::with(|entry| {
            entry.set_principal(principal).set_group(is_group).set_access_mode(mode);
        })
    };
    Ok(entries.into_iter().map(entry).collect())
}

/// Changes what a user or a group may do on the host; `accessNone` takes the entry away.
///
/// - `UserNotFound` for a user whom the host does not have; `InvalidArgument` for a mode that is no one mode;
/// - `AuthMinimumAdminPermission` if nobody could administer the host any more, or for `vpxuser`, whom vCenter needs.
fn change_access_mode(call: &mut Call<'_, HostAccessManager>, request: ChangeAccessMode) -> Result<(), Fault> {
    edit_config(call)?;
    let (principal, mode) = (request.principal(), request.access_mode());
    if mode == HostAccessMode::AccessOther {
        return Err(Fault::invalid_argument("accessMode", "is not one that can be given"));
    }
    if !request.is_group() {
        expect_user(call, principal)?;
    }
    let this = call.moref();
    let mut access = host_managers::kept::<Access>(&**call, &this).cloned().unwrap_or_default();
    Arc::make_mut(&mut access.entries).insert((principal.clone(), request.is_group()), mode);
    let is_left =
        |name: &str| entries(Some(&access)).get(&(ArcStr::from(name), false)) == Some(&HostAccessMode::AccessAdmin);
    if !is_left("vpxuser")
        || !entries(Some(&access)).iter().any(|((name, _), mode)| {
            *mode == HostAccessMode::AccessAdmin && !["vpxuser", "dcui"].contains(&name.as_str())
        })
    {
        let why = "nobody could administer the host";
        return Err(Fault::new(AuthMinimumAdminPermission::new(), why));
    }
    host_managers::keep(call, &this, access)
}

/// The users of services that run on the host, whom clients may want to hide.
fn query_system_users(look: &Look<'_, HostAccessManager>, _: QuerySystemUsers) -> Result<Vec<ArcStr>, Fault> {
    look_host(look)?;
    let access = host_managers::kept::<Access>(look.snapshot(), look.moref());
    Ok(access.map(|access| access.system.to_vec()).unwrap_or_default())
}

/// Says anew which users are those of services.
///
/// - `UserNotFound` for a user whom the host does not have.
fn update_system_users(call: &mut Call<'_, HostAccessManager>, request: UpdateSystemUsers) -> Result<(), Fault> {
    edit_config(call)?;
    request.users().iter().try_for_each(|user| expect_user(call, user))?;
    let this = call.moref();
    let mut access = host_managers::kept::<Access>(&**call, &this).cloned().unwrap_or_default();
    access.system = request.users().iter().cloned().collect();
    host_managers::keep(call, &this, access)
}

/// `UserNotFound` for a user whom the host does not have. Those of a domain are not looked for.
fn expect_user(call: &Call<'_, HostAccessManager>, user: &str) -> Result<(), Fault> {
    let inventory: &vimsim_registry::Transaction = call;
    let accounts = host_managers::accounts(inventory, &call.moref());
    let is_known = user.contains(['\\', '@']) || BUILT_IN.contains(&user) || accounts.contains_key(user);
    if is_known { Ok(()) } else { Err(unknown(user)) }
}

/// Changes whether only vCenter may administer the host.
fn change_lockdown_mode(call: &mut Call<'_, HostAccessManager>, request: ChangeLockdownMode) -> Result<(), Fault> {
    set_lockdown_mode(edit_config(call)?, request.mode());
    Ok(())
}

/// Writes the mode, and the older property that says the same.
pub(crate) fn set_lockdown_mode(config: &mut HostConfigInfo, mode: HostLockdownMode) {
    config.set_lockdown_mode(mode);
    config.set_admin_disabled(mode != HostLockdownMode::LockdownDisabled);
}

/// The users who may use the host in lockdown mode, too.
fn query_lockdown_exceptions(
    look: &Look<'_, HostAccessManager>,
    _: QueryLockdownExceptions,
) -> Result<Vec<ArcStr>, Fault> {
    look_host(look)?;
    Ok(host_managers::exceptions(look.snapshot(), look.moref()).to_vec())
}

/// Says anew who may use the host in lockdown mode, too.
///
/// - `UserNotFound` for a user whom the host does not have. Those of a domain are not looked for.
fn update_lockdown_exceptions(
    call: &mut Call<'_, HostAccessManager>,
    request: UpdateLockdownExceptions,
) -> Result<(), Fault> {
    edit_config(call)?;
    request.users().iter().try_for_each(|user| expect_user(call, user))?;
    host_managers::set_exceptions(call, request.users().iter().cloned().collect())
}
