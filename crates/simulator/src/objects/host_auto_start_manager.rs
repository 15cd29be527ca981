//! `HostAutoStartManager`: which virtual machines start and stop with their host.

use vimsim_types::method::ReconfigureAutostart;
use vimsim_types::views::{AutoStartDefaults, AutoStartPowerInfo, HostAutoStartManager, HostSystem};
use vimsim_types::{Fault, Moref, Value, View};

use super::host_managers::edit_config;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostAutoStartManager> {
    Kind::new().write(reconfigure_autostart)
}

/// Changes what the request names: the defaults, and what holds for single virtual machines.
///
/// - `InvalidArgument` for a virtual machine that is not on the host.
fn reconfigure_autostart(
    call: &mut Call<'_, HostAutoStartManager>,
    request: ReconfigureAutostart,
) -> Result<(), Fault> {
    let manager = call.moref();
    let machines = super::host_managers::host_of(call, &manager)
        .and_then(|host| call.view::<HostSystem>(&host))
        .map(|host| host.vm().iter().collect::<Vec<_>>())
        .unwrap_or_default();
    let changed: Vec<AutoStartPowerInfo> = request.spec().power_info().iter().cloned().collect();
    if let Some(info) = changed.iter().find(|info| !machines.contains(&info.key())) {
        let why = format!("{} is not on the host", info.key());
        return Err(Fault::invalid_argument("spec.powerInfo", why));
    }
    let config = edit_config(call)?.auto_start_mut();
    if let Some(defaults) = request.spec().defaults() {
        set_defaults(config.defaults_mut(), defaults);
    }
    for info in changed {
        config.power_info_mut().retain(|known| known.key() != info.key());
        config.push_power_info(info);
    }
    Ok(())
}

/// Forgets the virtual machines that are no longer on the host.
pub(crate) fn forget_absent(host: &mut HostSystem) {
    let is_absent = |info: &AutoStartPowerInfo| !host.vm().contains(&info.key());
    let known = host.config().and_then(|config| config.auto_start());
    let absent: Vec<Moref> = known
        .iter()
        .flat_map(|known| known.power_info().iter())
        .filter(|info| is_absent(info))
        .map(|info| info.key())
        .collect();
    if !absent.is_empty() {
        host.config_mut().auto_start_mut().power_info_mut().retain(|info| !absent.contains(&info.key()));
    }
}

/// Sets the defaults that are set in the request.
fn set_defaults(defaults: &mut AutoStartDefaults, changed: &AutoStartDefaults) {
    for (slot, value) in changed.as_object().slots().iter().enumerate() {
        if *value != Value::Unset {
            defaults.as_object_mut().set(slot, value.clone());
        }
    }
}
