//! What happens to containers in the engine happens to their machines.

use std::sync::Arc;

use vimsim_container::{Container, RuntimeError, Status};
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::views::VirtualMachine;
use vimsim_types::{Fault, Moref};

use super::backing::{self, Backed};
use super::show;
use crate::call::Call;
use crate::containers::observe::watch;
use crate::objects::virtual_machine as machine;
use crate::service::Service;

/// What a container that is seen so means for its machine; none for what will not stay.
fn state_of(status: Status) -> Option<Power> {
    match status {
        Status::Running => Some(Power::PoweredOn),
        Status::Paused => Some(Power::Suspended),
        Status::Created | Status::Exited | Status::Dead => Some(Power::PoweredOff),
        Status::Restarting | Status::Removing => None,
    }
}

/// Listens to the engine from now on.
pub(super) fn begin(service: &Arc<Service>) {
    watch(service);
}

/// Looks at a machine's container as soon as nobody changes it.
pub(in crate::containers) fn look_later(service: &Arc<Service>, machine: &Moref) {
    let (looking, machine) = (service.clone(), machine.clone());
    service.spawner().spawn(async move { look(&looking, &machine).await });
}

/// Looks at these machines' containers: the engine may have changed them unheard.
pub(in crate::containers) fn look_all(service: &Arc<Service>) {
    let machines = service.engine().owners().into_iter().filter(Moref::is::<VirtualMachine>);
    machines.for_each(|machine| look_later(service, &machine));
}

async fn look(service: &Arc<Service>, this: &Moref) {
    let _turn = service.engine().turn(this).await;
    // What somebody is about to bring the container to, it need not be looked at for.
    if service.engine().is_pending(this) {
        return;
    }
    let Some(backed) = backing::seen(&service.snapshot(), this) else { return };
    let Ok(runtime) = service.engine().runtime() else { return };
    let seen = match runtime.inspect_container(&backed.container).await {
        Ok(seen) => Some(seen),
        Err(RuntimeError::NotFound { .. }) => None,
        Err(error) => {
            tracing::debug!(machine = %this, %error, "a machine's container cannot be seen");
            return;
        }
    };
    let written = service.transact::<VirtualMachine, _>(this, |call| match backing::of(call, this) {
        Some(now) if now.container == backed.container => apply(call, this, &now, seen.as_ref()),
        _ => Ok(()),
    });
    if let Err(fault) = written {
        tracing::error!(machine = %this, %fault, "cannot write down what became of a machine's container");
    }
}

/// Brings the machine to the state that its container is in.
fn apply(
    call: &mut Call<'_, VirtualMachine>,
    this: &Moref,
    backed: &Arc<Backed>,
    seen: Option<&Container>,
) -> Result<(), Fault> {
    let Some(state) = seen.map_or(Some(Power::PoweredOff), |seen| state_of(seen.state.status)) else { return Ok(()) };
    if backed.is_gone != seen.is_none() {
        backing::set(call, this, Some(Backed { is_gone: seen.is_none(), ..Backed::clone(backed) }))?;
    }
    let existing = call.this()?.runtime().power_state();
    // Something else has decided what the machine is to be, and is about to bring the container there.
    if existing != backed.state {
        return Ok(());
    }
    backing::set_state(call, this, state)?;
    match state {
        Power::PoweredOn => {
            if existing != state {
                machine::start_outside(call, this)?;
            }
            seen.map_or(Ok(()), |seen| show::show(call, this, backed, seen))
        }
        Power::PoweredOff if existing != state => {
            machine::stop(call, this)?;
            show::go_down(call, this)
        }
        Power::Suspended if existing == Power::PoweredOn => {
            machine::pause(call, this)?;
            show::freeze(call, this)
        }
        // Somebody has started a machine that is off, and frozen it.
        Power::Suspended if existing == Power::PoweredOff => {
            machine::start_outside(call, this)?;
            machine::pause(call, this)?;
            show::freeze(call, this)
        }
        _ => Ok(()),
    }
}
