//! `HostAutoStartManager`: which virtual machines start and stop with their host.

use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::method::{
    AutoStartPowerOff, AutoStartPowerOn, PowerOffVMTask, PowerOnVMTask, ReconfigureAutostart, ShutdownGuest,
    SuspendVMTask,
};
use vimsim_types::views::{AutoStartDefaults, AutoStartPowerInfo, HostAutoStartManager, HostSystem, VirtualMachine};
use vimsim_types::{Fault, Moref, Value, View};

use super::host_managers::edit_config;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostAutoStartManager> {
    Kind::new().write(reconfigure_autostart).write(power_on).write(power_off)
}

/// The machines that start or stop with the host, in that order: by their number, those without one at the end.
fn in_order(call: &mut Call<'_, HostAutoStartManager>, starts: bool) -> Result<Vec<(Moref, String)>, Fault> {
    let config = edit_config(call)?.auto_start_mut();
    let default = config.defaults().and_then(|defaults| defaults.stop_action()).map(ToString::to_string);
    let mut infos: Vec<AutoStartPowerInfo> = config.power_info().iter().cloned().collect();
    infos.sort_by_key(|info| if info.start_order() < 0 { i32::MAX } else { info.start_order() });
    if !starts {
        infos.reverse();
    }
    let action = |info: &AutoStartPowerInfo| {
        if starts {
            return info.start_action().to_string();
        }
        match info.stop_action().as_str() {
            "systemDefault" => default.clone().unwrap_or_else(|| "powerOff".to_owned()),
            other => other.to_owned(),
        }
    };
    Ok(infos.iter().map(|info| (info.key(), action(info))).collect())
}

/// Powers on the machines that start with the host and are off, in their order.
fn power_on(call: &mut Call<'_, HostAutoStartManager>, _: AutoStartPowerOn) -> Result<(), Fault> {
    for (machine, action) in in_order(call, true)? {
        let state = call.view::<VirtualMachine>(&machine).map(|machine| machine.runtime().power_state());
        if action == "powerOn" && state.is_some_and(|state| state != VirtualMachinePowerState::PoweredOn) {
            _ = call.invoke(&machine, PowerOnVMTask::new())?;
        }
    }
    Ok(())
}

/// Stops the machines that start with the host and are on, in the other order, each as is said of it.
fn power_off(call: &mut Call<'_, HostAutoStartManager>, _: AutoStartPowerOff) -> Result<(), Fault> {
    for (machine, action) in in_order(call, false)? {
        let state = call.view::<VirtualMachine>(&machine).map(|machine| machine.runtime().power_state());
        if state != Some(VirtualMachinePowerState::PoweredOn) {
            continue;
        }
        match action.as_str() {
            "powerOff" => _ = call.invoke(&machine, PowerOffVMTask::new())?,
            "suspend" => _ = call.invoke(&machine, SuspendVMTask::new())?,
            "guestShutdown" => _ = call.invoke(&machine, ShutdownGuest::new())?,
            _ => {}
        }
    }
    Ok(())
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
