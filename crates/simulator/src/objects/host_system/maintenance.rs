//! Maintenance mode: nothing runs on the host.
//!
//! ```text
//!  EnterMaintenanceMode_Task ──▶ machines are moved away ──▶ in maintenance mode
//!                                  │                  ▲
//!                                  └─ some stay ──▶ the last is off or gone
//! ```

use vimsim_types::enums::{HostSystemConnectionState, VirtualMachinePowerState as Power};
use vimsim_types::method::{EnterMaintenanceModeTask, ExitMaintenanceModeTask};
use vimsim_types::views::{
    ClusterComputeResource, EnteredMaintenanceModeEvent, EnteringMaintenanceModeEvent, ExitMaintenanceModeEvent,
    HostSystem, Timedout, VirtualMachine,
};
use vimsim_types::{Fault, MethodView, Moref, View};

use super::{invalid_state, touch_compute_resource};
use crate::call::Call;
use crate::clock;
use crate::config::Fidelity;
use crate::objects::virtual_machine;
use crate::task::Cancel;
use crate::walk::Inventory;
use crate::work::Work;

/// Begins maintenance. The task ends when nothing runs on the host: machines are moved away where DRS does so by itself, and
/// others are waited for. `timeout` is in seconds; 0 waits for ever.
///
/// - `InvalidArgument` for a timeout below zero;
/// - as faults of the task: `InvalidState` if the host is in maintenance mode or is not connected; `Timedout`, and
///   `RequestCanceled`, with the host as it was.
pub(super) fn enter(call: &mut Call<'_, HostSystem>, request: EnterMaintenanceModeTask) -> Result<Moref, Fault> {
    let seconds = u64::try_from(request.timeout()).map_err(|_| Fault::invalid_argument("timeout", "is negative"))?;
    let powered_off = request.evacuate_powered_off_vms().unwrap_or_default();
    // Fidelity: vcsim waits for nothing.
    if call.context().fidelity() == Fidelity::Vcsim {
        return call.start_task(move |call| {
            announce(call)?;
            begin(call, powered_off, true).map(|_| ())
        });
    }
    let this = call.moref();
    call.start_work(EnterMaintenanceModeTask::method(), Cancel::Yes, move |work| async move {
        work.write::<HostSystem, _>(&this, announce)?;
        let entered = wait(&work, &this, powered_off);
        match seconds {
            0 => entered.await?,
            seconds => tokio::select! {
                entered = entered => entered?,
                () = clock::pass(work.service().clock(), std::time::Duration::from_secs(seconds)) => {
                    return Err(Fault::new(Timedout::new(), "machines still run on the host"));
                }
            },
        }
        Ok(|_: &mut Call<'_, HostSystem>| Ok(()))
    })
}

fn announce(call: &mut Call<'_, HostSystem>) -> Result<(), Fault> {
    check(call)?;
    let this = call.moref();
    call.post(&this, EnteringMaintenanceModeEvent::new())
}

fn check(call: &Call<'_, HostSystem>) -> Result<(), Fault> {
    let host = call.this()?;
    let (name, runtime) = (host.name(), host.runtime());
    if runtime.in_maintenance_mode() {
        return Err(invalid_state(format!("the host '{name}' is in maintenance mode")));
    }
    if runtime.connection_state() != HostSystemConnectionState::Connected {
        return Err(invalid_state(format!("the host '{name}' is not connected")));
    }
    Ok(())
}

/// Has the host in maintenance mode as soon as nothing runs on it.
async fn wait(work: &Work, this: &Moref, powered_off: bool) -> Result<(), Fault> {
    while !work.write::<HostSystem, _>(this, |call| begin(call, powered_off, false))? {
        work.until(&|snapshot| is_free(snapshot, this, powered_off)).await?;
    }
    Ok(())
}

/// Moves away what can be moved. The host is in maintenance mode then if nothing is left that runs, or `regardless`; whether
/// it is.
fn begin(call: &mut Call<'_, HostSystem>, powered_off: bool, regardless: bool) -> Result<bool, Fault> {
    check(call)?;
    let this = call.moref();
    // Nothing is moved to a host in maintenance mode.
    call.this_mut()?.runtime_mut().set_in_maintenance_mode(true);
    virtual_machine::evacuate(call, &this, powered_off)?;
    if !regardless && !is_free(&**call, &this, powered_off) {
        call.this_mut()?.runtime_mut().set_in_maintenance_mode(false);
        return Ok(false);
    }
    touch_compute_resource(call, &this)?;
    call.post(&this, EnteredMaintenanceModeEvent::new())?;
    Ok(true)
}

/// Whether nothing keeps the host from maintenance any more, or it is gone: a machine that runs does and, if that is asked of
/// a cluster, one that is off.
fn is_free(inventory: &impl Inventory, this: &Moref, powered_off: bool) -> bool {
    let Some(host) = inventory.seen::<HostSystem>(this) else { return true };
    let all = powered_off && host.parent().is_some_and(|parent| parent.is::<ClusterComputeResource>());
    let mut machines = host.vm().iter().filter_map(|machine| inventory.seen::<VirtualMachine>(&machine));
    !machines.any(|machine| all || machine.runtime().power_state() == Power::PoweredOn)
}

/// Ends maintenance.
///
/// - `InvalidState` if the host is not in maintenance mode, as a fault of the task.
pub(super) fn exit(call: &mut Call<'_, HostSystem>, _: ExitMaintenanceModeTask) -> Result<Moref, Fault> {
    call.start_task(|call| {
        let this = call.moref();
        let host = call.this()?;
        if !host.runtime().in_maintenance_mode() {
            return Err(invalid_state(format!("the host '{}' is not in maintenance mode", host.name())));
        }
        call.this_mut()?.runtime_mut().set_in_maintenance_mode(false);
        touch_compute_resource(call, &this)?;
        call.post(&this, ExitMaintenanceModeEvent::new())
    })
}
