//! The connection between vCenter and a host, and what comes with it: power state, events, alarms, virtual machines.
//!
//! ```text
//!              lost                          a host that is off or asleep does not respond either
//!  connected ───────▶ notResponding ◀── off, asleep
//!    ▲  │ ▲               │
//!    │  │ └───────────────┘ connected
//!    │  └─ disconnect ─▶ disconnected
//!    └──── reconnect ───────┘
//! ```

use vimsim_types::enums::{HostSystemConnectionState, HostSystemPowerState, VirtualMachineConnectionState};
use vimsim_types::method::{DisconnectHostTask, ReconnectHostTask};
use vimsim_types::views::{
    ComputeResource, HostConnectedEvent, HostConnectionLostEvent, HostDisconnectedEvent, HostShutdownEvent, HostSystem,
    InvalidState, NotSupported, VirtualMachine, VmConnectedEvent, VmDisconnectedEvent,
};
use vimsim_types::{Fault, Moref, View};

use super::super::alarm_manager;
use crate::call::Call;
use crate::containers;

pub(super) fn invalid_state(why: String) -> Fault {
    Fault::new(InvalidState::new(), why)
}

/// Has the totals of the host's compute resource worked out anew.
pub(super) fn touch_compute_resource<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    match call.get::<HostSystem>(moref)?.parent() {
        Some(parent) => call.edit::<ComputeResource>(&parent).map(|_| ()),
        None => Ok(()),
    }
}

/// Writes the state, and lets the host's virtual machines and alarms follow.
fn set_state<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    connection: HostSystemConnectionState,
    power: HostSystemPowerState,
) -> Result<(), Fault> {
    let runtime = call.edit::<HostSystem>(moref)?.runtime_mut();
    runtime.set_connection_state(connection).set_power_state(power);
    touch_compute_resource(call, moref)?;
    let is_connected = connection == HostSystemConnectionState::Connected;
    let machines: Vec<Moref> = call.get::<HostSystem>(moref)?.vm().iter().collect();
    let state = match is_connected {
        true => VirtualMachineConnectionState::Connected,
        false => VirtualMachineConnectionState::Disconnected,
    };
    for machine in machines {
        if call.get::<VirtualMachine>(&machine)?.runtime().connection_state() == state {
            continue;
        }
        call.edit::<VirtualMachine>(&machine)?.runtime_mut().set_connection_state(state);
        match is_connected {
            true => call.post(&machine, VmConnectedEvent::with(|event| _ = event.set_template(false)))?,
            false => call.post(&machine, VmDisconnectedEvent::with(|event| _ = event.set_template(false)))?,
        }
    }
    alarm_manager::compare_states(call, moref)
}

/// The host is there, or there again. Nothing happens if it was.
pub(crate) fn connected<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let runtime = call.get::<HostSystem>(moref)?.runtime();
    if runtime.connection_state() == HostSystemConnectionState::Connected
        && runtime.power_state() == HostSystemPowerState::PoweredOn
    {
        return Ok(());
    }
    call.edit::<HostSystem>(moref)?.runtime_mut().set_standby_mode("none");
    set_state(call, moref, HostSystemConnectionState::Connected, HostSystemPowerState::PoweredOn)?;
    call.post(moref, HostConnectedEvent::new())
}

/// The host no longer answers; `why` is told if it is known. Nothing happens if it did not answer before.
pub(crate) fn lost<T>(call: &mut Call<'_, T>, moref: &Moref, why: &str) -> Result<(), Fault> {
    let runtime = call.get::<HostSystem>(moref)?.runtime();
    if runtime.connection_state() == HostSystemConnectionState::NotResponding {
        return Ok(());
    }
    set_state(call, moref, HostSystemConnectionState::NotResponding, HostSystemPowerState::Unknown)?;
    call.post(moref, connection_lost(call, moref, why)?)
}

fn connection_lost<T>(call: &Call<'_, T>, moref: &Moref, why: &str) -> Result<HostConnectionLostEvent, Fault> {
    let name = call.get::<HostSystem>(moref)?.name().clone();
    let reason = if why.is_empty() { String::new() } else { format!(": {why}") };
    Ok(HostConnectionLostEvent::with(|event| {
        if !reason.is_empty() {
            event.set_full_formatted_message(format!("Host {name} is not responding{reason}"));
        }
    }))
}

/// The host was turned off by somebody who said why.
pub(super) fn off<T>(call: &mut Call<'_, T>, moref: &Moref, reason: &str) -> Result<(), Fault> {
    call.post(moref, HostShutdownEvent::with(|event| _ = event.set_reason(reason)))?;
    set_state(call, moref, HostSystemConnectionState::NotResponding, HostSystemPowerState::PoweredOff)?;
    call.post(moref, connection_lost(call, moref, "")?)
}

/// The host was put to sleep.
pub(super) fn asleep<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    call.edit::<HostSystem>(moref)?.runtime_mut().set_standby_mode("in");
    set_state(call, moref, HostSystemConnectionState::NotResponding, HostSystemPowerState::StandBy)
}

/// The host is not to be connected.
pub(super) fn disconnected<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    // What is not seen cannot be known.
    set_state(call, moref, HostSystemConnectionState::Disconnected, HostSystemPowerState::Unknown)
}

/// Whether somebody has ended the connection.
pub(crate) fn is_disconnected(host: &HostSystem) -> bool {
    host.runtime().connection_state() == HostSystemConnectionState::Disconnected
}

pub(super) fn only_virtual_center(call: &Call<'_, HostSystem>) -> Result<(), Fault> {
    if call.context().is_virtual_center() {
        return Ok(());
    }
    Err(Fault::new(NotSupported::new(), "a host is connected to a vCenter, not to itself"))
}

fn expect_connected(host: &HostSystem) -> Result<(), Fault> {
    match host.runtime().connection_state() {
        HostSystemConnectionState::Connected => Ok(()),
        _ => Err(invalid_state(format!("the host '{}' is not connected", host.name()))),
    }
}

/// Ends the connection to the host. Its virtual machines go on and are not seen; a container that backs it goes on, too,
/// and what becomes of it is not seen either, until the host is connected again.
///
/// - `InvalidState` if it is not connected, as a fault of the task.
pub(super) fn disconnect(call: &mut Call<'_, HostSystem>, _: DisconnectHostTask) -> Result<Moref, Fault> {
    only_virtual_center(call)?;
    call.start_task(|call| {
        let this = call.moref();
        expect_connected(call.this()?)?;
        disconnected(call, &this)?;
        call.post(&this, HostDisconnectedEvent::with(|event| _ = event.set_reason("userRequest")))
    })
}

/// Connects the host again. A container that backs it is started if it stands still, and made anew if it is gone.
///
/// - `InvalidState` if it is connected, as a fault of the task; `PlatformConfigFault` with the container engine's words if
///   its container cannot be brought back.
pub(super) fn reconnect(call: &mut Call<'_, HostSystem>, request: ReconnectHostTask) -> Result<Moref, Fault> {
    only_virtual_center(call)?;
    let _ = request;
    if containers::is_backed(call, &call.moref()) {
        return containers::reconnect(call);
    }
    call.start_task(|call| {
        let this = call.moref();
        expect_not_connected(call.this()?)?;
        connected(call, &this)
    })
}

/// `InvalidState` if the host is connected.
pub(crate) fn expect_not_connected(host: &HostSystem) -> Result<(), Fault> {
    match host.runtime().connection_state() {
        HostSystemConnectionState::Connected => Err(invalid_state(format!("the host '{}' is connected", host.name()))),
        _ => Ok(()),
    }
}
