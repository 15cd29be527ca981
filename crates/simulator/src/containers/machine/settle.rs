//! A machine's power state that changed without its container: a vApp was started, a snapshot reverted to, a machine
//! cloned and started in one task. What the machine is to be is written already; the container follows.

use std::sync::Arc;

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::views::{VirtualMachine, VmFailedToPowerOnEvent};
use vimsim_types::{Fault, Moref, View};

use super::act::{self, Deed};
use super::wanted::is_contained;
use super::{backing, observe, show};
use crate::call::Call;
use crate::objects::virtual_machine as machine;
use crate::service::Service;

/// Told of every change of a machine's power state, in the transaction that makes it. Has the container follow, unless it
/// is in that state already.
pub(crate) fn follow<T>(call: &mut Call<'_, T>, this: &Moref, state: Power) -> Result<(), Fault> {
    match backing::of(call, this) {
        Some(backed) if backed.state == state => return Ok(()),
        Some(_) => backing::set_state(call, this, state)?,
        None => {
            let starts = state == Power::PoweredOn && !call.context().at_once;
            let wants = |machine: &VirtualMachine| machine.config().is_some_and(is_contained);
            if !starts || !call.view::<VirtualMachine>(this).is_some_and(wants) {
                return Ok(());
            }
        }
    }
    let (service, this) = (call.context().service.clone(), this.clone());
    let pending = service.engine().pend(&this);
    call.context().after(async move {
        let turn = service.engine().turn(&this).await;
        let result = settle(&service, &this).await;
        drop((turn, pending));
        if let Err(fault) = result {
            tracing::warn!(machine = %this, %fault, "a machine's container cannot follow it");
            failed(&service, &this, &fault);
        }
    });
    Ok(())
}

/// Brings the container to the state that the machine is in.
async fn settle(service: &Arc<Service>, this: &Moref) -> Result<(), Fault> {
    let snapshot = service.snapshot();
    let Some(properties) = snapshot.view::<VirtualMachine>(this) else { return Ok(()) };
    let deed = match properties.runtime().power_state() {
        Power::PoweredOn => {
            let made = act::bring_up(service, this, None, None).await?;
            return service.transact::<VirtualMachine, _>(this, |call| act::up(call, this, made, |_| Ok(())));
        }
        Power::PoweredOff => Deed::Kill,
        Power::Suspended => Deed::Pause,
    };
    let Some(backed) = backing::seen(&snapshot, this) else { return Ok(()) };
    act::carry_out(service.engine(), &backed, deed).await?;
    service.transact::<VirtualMachine, _>(this, |call| match deed {
        Deed::Kill => show::go_down(call, this),
        _ => show::freeze(call, this),
    })
}

/// The machine is what its container is; one that has none does not run.
fn failed(service: &Arc<Service>, this: &Moref, fault: &Fault) {
    let written = service.transact::<VirtualMachine, _>(this, |call| {
        let is_on = call.this()?.runtime().power_state() == Power::PoweredOn;
        if is_on {
            let reason = fault.localized();
            call.post(
                this,
                VmFailedToPowerOnEvent::with(|event| {
                    event.set_template(false);
                    event.set_reason(reason);
                }),
            )?;
        }
        if is_on && !backing::is_backed(call, this) {
            return machine::stop(call, this);
        }
        Ok(())
    });
    if let Err(fault) = written {
        tracing::error!(machine = %this, %fault, "cannot write down that a container did not follow");
    }
    observe::look_later(service, this);
}
