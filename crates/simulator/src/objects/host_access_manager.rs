//! `HostAccessManager`: who may use a host directly.

use vimsim_types::Fault;
use vimsim_types::enums::HostLockdownMode;
use vimsim_types::method::ChangeLockdownMode;
use vimsim_types::views::{HostAccessManager, HostConfigInfo};

use super::host_managers::edit_config;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostAccessManager> {
    Kind::new().write(change_lockdown_mode)
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
