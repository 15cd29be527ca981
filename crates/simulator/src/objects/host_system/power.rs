//! Turning a host off and on, and putting it to sleep.
//!
//! A container that backs the host is stopped, started again, or stopped until the host is woken up, and the task is done
//! when the engine says so. A host without one does it in no time.

use vimsim_types::enums::{HostSystemConnectionState, HostSystemPowerState, VirtualMachinePowerState};
use vimsim_types::method::{PowerDownHostToStandByTask, PowerUpHostFromStandByTask, RebootHostTask, ShutdownHostTask};
use vimsim_types::views::{
    EnteredStandbyModeEvent, EnteringStandbyModeEvent, ExitedStandbyModeEvent, ExitingStandbyModeEvent, HostSystem,
    VirtualMachine,
};
use vimsim_types::{Fault, Moref, View};

use super::super::{host_cpu_scheduler_system, host_pci_passthru_system, virtual_machine};
use super::connection::{self, invalid_state};
use crate::call::Call;
use crate::containers::{self, Deed};

/// What `HostShutdownEvent` says when nobody gave a reason.
const REASON: &str = "requested by a user";

/// - `InvalidState` unless the host is connected, on, and either in maintenance mode or to be forced.
fn expect_running(host: &HostSystem, force: bool) -> Result<(), Fault> {
    let (name, runtime) = (host.name(), host.runtime());
    if runtime.connection_state() != HostSystemConnectionState::Connected
        || runtime.power_state() != HostSystemPowerState::PoweredOn
    {
        return Err(invalid_state(format!("the host '{name}' is not connected and running")));
    }
    if !force && !runtime.in_maintenance_mode() {
        return Err(invalid_state(format!("the host '{name}' is not in maintenance mode, and force is not set")));
    }
    Ok(())
}

/// Turns the host off. It no longer responds, and its virtual machines are disconnected.
///
/// - `InvalidState` unless the host is connected and on, and in maintenance mode or `force` is set;
/// - `PlatformConfigFault` with the container engine's words, as a fault of the task.
pub(super) fn shutdown(call: &mut Call<'_, HostSystem>, request: ShutdownHostTask) -> Result<Moref, Fault> {
    expect_running(call.this()?, request.force())?;
    let end = |call: &mut Call<'_, HostSystem>| {
        let this = call.moref();
        connection::off(call, &this, REASON)
    };
    if containers::is_backed(call, &call.moref()) {
        return containers::act(call, Deed::Stop, |_| Ok(()), end);
    }
    call.start_task(end)
}

/// Turns the host off and on again. What ran on it does not run afterwards.
///
/// - As [`shutdown`].
pub(super) fn reboot(call: &mut Call<'_, HostSystem>, request: RebootHostTask) -> Result<Moref, Fault> {
    expect_running(call.this()?, request.force())?;
    let begin = |call: &mut Call<'_, HostSystem>| {
        let this = call.moref();
        connection::off(call, &this, "reboot requested by a user")
    };
    if containers::is_backed(call, &call.moref()) {
        return containers::act(call, Deed::Restart, begin, booted);
    }
    call.start_task(move |call| {
        begin(call)?;
        booted(call)
    })
}

/// The host has started: its boot time is now, it is connected, and its virtual machines are off.
fn booted(call: &mut Call<'_, HostSystem>) -> Result<(), Fault> {
    let (this, now) = (call.moref(), call.now());
    call.this_mut()?.runtime_mut().set_boot_time(now);
    host_cpu_scheduler_system::booted(call.this_mut()?);
    host_pci_passthru_system::booted(call.this_mut()?);
    connection::connected(call, &this)?;
    let machines: Vec<Moref> = call.this()?.vm().iter().collect();
    for machine in machines {
        if call.get::<VirtualMachine>(&machine)?.runtime().power_state() == VirtualMachinePowerState::PoweredOn {
            virtual_machine::stop(call, &machine)?;
        }
    }
    Ok(())
}

/// Puts the host to sleep: it does not respond until it is woken up.
///
/// - `NotSupported` on the host itself; `InvalidState` unless it is connected and on;
/// - `PlatformConfigFault` with the container engine's words, as a fault of the task.
pub(super) fn enter_standby(
    call: &mut Call<'_, HostSystem>,
    request: PowerDownHostToStandByTask,
) -> Result<Moref, Fault> {
    connection::only_virtual_center(call)?;
    let _ = request;
    expect_running(call.this()?, true)?;
    let this = call.moref();
    call.post(&this, EnteringStandbyModeEvent::new())?;
    let end = |call: &mut Call<'_, HostSystem>| {
        let this = call.moref();
        connection::asleep(call, &this)?;
        call.post(&this, EnteredStandbyModeEvent::new())
    };
    if containers::is_backed(call, &this) {
        return containers::act(call, Deed::Stop, |_| Ok(()), end);
    }
    call.start_task(end)
}

/// Wakes the host up.
///
/// - `NotSupported` on the host itself; `InvalidState` unless it is asleep;
/// - `PlatformConfigFault` with the container engine's words, as a fault of the task.
pub(super) fn exit_standby(
    call: &mut Call<'_, HostSystem>,
    request: PowerUpHostFromStandByTask,
) -> Result<Moref, Fault> {
    connection::only_virtual_center(call)?;
    let _ = request;
    let host = call.this()?;
    if host.runtime().power_state() != HostSystemPowerState::StandBy {
        return Err(invalid_state(format!("the host '{}' is not in standby mode", host.name())));
    }
    let this = call.moref();
    call.post(&this, ExitingStandbyModeEvent::new())?;
    let end = |call: &mut Call<'_, HostSystem>| {
        let this = call.moref();
        booted(call)?;
        call.post(&this, ExitedStandbyModeEvent::new())
    };
    if containers::is_backed(call, &this) {
        return containers::act(call, Deed::Start, |_| Ok(()), end);
    }
    call.start_task(end)
}
