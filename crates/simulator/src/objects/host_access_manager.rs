//! `HostAccessManager`: who may use a host directly.

use vimsim_types::enums::HostLockdownMode;
use vimsim_types::method::{ChangeLockdownMode, QueryLockdownExceptions, UpdateLockdownExceptions};
use vimsim_types::views::{HostAccessManager, HostConfigInfo};
use vimsim_types::{ArcStr, Fault};

use super::host_local_account_manager::{BUILT_IN, unknown};
use super::host_managers::{self, edit_config, look_host};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostAccessManager> {
    Kind::new().write(change_lockdown_mode).read(query_lockdown_exceptions).write(update_lockdown_exceptions)
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
    let inventory: &vimsim_registry::Transaction = call;
    let accounts = host_managers::accounts(inventory, &call.moref());
    let is_known = |user: &str| user.contains(['\\', '@']) || BUILT_IN.contains(&user) || accounts.contains_key(user);
    if let Some(user) = request.users().iter().find(|user| !is_known(user)) {
        return Err(unknown(user));
    }
    host_managers::set_exceptions(call, request.users().iter().cloned().collect())
}
