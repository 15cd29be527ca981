//! A machine's keys ask for another container than it has, or for none any more.

use std::sync::Arc;

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::ReconfigVMTask;
use vimsim_types::views::{VirtualMachine, VirtualMachineConfigSpec};
use vimsim_types::{Fault, MethodView, Moref};

use super::act::{bring_up, up};
use super::backing::{self, Backed};
use super::make::{Made, make, unmake};
use super::plan::Plan;
use super::show;
use super::wanted::Wanted;
use super::{is_backed, observe};
use crate::call::{Call, not_found};
use crate::containers::engine::held;
use crate::containers::make::pull;
use crate::objects::virtual_machine as machine;
use crate::service::Service;
use crate::task::Cancel;
use crate::work::Work;

/// Whether a change of the machine may be one of its container: it has one, or runs and is to get one.
pub(crate) fn changes_container<T>(call: &Call<'_, T>, this: &Moref, spec: &VirtualMachineConfigSpec) -> bool {
    let is_off = |machine: &VirtualMachine| machine.runtime().power_state() == Power::PoweredOff;
    spec.extra_config().iter().any(|option| option.key().starts_with("RUN."))
        && !call.context().at_once
        && (is_backed(call, this) || !call.view::<VirtualMachine>(this).is_none_or(is_off))
}

/// What becomes of the machine's container.
enum Outcome {
    /// It stays, or there is none.
    Nothing,
    /// It was removed.
    Removed(Arc<Backed>),
    /// It was made, and is taken back unless it is written down.
    Made(Box<Made>),
}

/// Starts the task that changes the machine, and with it its container. A container that does not run is removed, and made
/// anew when the machine is started; one that runs is replaced at once. What the guest is told (`guestinfo.`) counts when a
/// container is made, as in vcsim.
///
/// - As [`machine::reconfigure`], and `PlatformConfigFault` with the engine's words, as faults of the task; machine and
///   container are then as before.
pub(crate) fn reconfigure(call: &mut Call<'_, VirtualMachine>, spec: VirtualMachineConfigSpec) -> Result<Moref, Fault> {
    let this = call.moref();
    call.start_work(ReconfigVMTask::method(), Cancel::Yes, move |work| async move {
        let turn = work.service().engine().turn(&this).await;
        let mut after = None;
        work.attempt::<VirtualMachine, _>(&this, |call| {
            machine::reconfigure(call, &this, &spec)?;
            after = Some(call.this()?.clone());
            Ok(())
        })?;
        let after = after.ok_or_else(|| not_found(&this))?;
        let outcome = replace(&work, &this, &after).await?;
        Ok(move |call: &mut Call<'_, VirtualMachine>| {
            held(call, turn);
            let service = call.context().service.clone();
            match outcome {
                Outcome::Nothing => machine::reconfigure(call, &this, &spec),
                Outcome::Removed(backed) => {
                    show::hide(call, &this, &backed)?;
                    backing::set(call, &this, None)?;
                    service.engine().forget(&this);
                    machine::reconfigure(call, &this, &spec)
                }
                Outcome::Made(made) => up(call, &this, Some(*made), |call| machine::reconfigure(call, &this, &spec)),
            }
        })
    })
}

/// Has the engine do what the machine's keys will ask for.
async fn replace(work: &Work, this: &Moref, after: &VirtualMachine) -> Result<Outcome, Fault> {
    let service: &Arc<Service> = work.service();
    let engine = service.engine();
    let snapshot = work.snapshot();
    let old = backing::seen(&snapshot, this);
    let wanted = after.config().map(Wanted::read).transpose()?.flatten();
    if old.as_ref().map(|old| &old.wanted) == wanted.as_ref() {
        return Ok(Outcome::Nothing);
    }
    let is_on = after.runtime().power_state() == Power::PoweredOn;
    let Some(wanted) = wanted.filter(|_| is_on) else {
        let Some(old) = old else { return Ok(Outcome::Nothing) };
        work.progress(10, "removing the container");
        if let Err(fault) = unmake(engine, &old).await {
            observe::look_later(service, this);
            return Err(fault);
        }
        return Ok(Outcome::Removed(old));
    };
    let host = after.runtime().host();
    observe::begin(service);
    let plan = Plan::new(&snapshot, this, after, wanted, host.as_ref());
    let Some(old) = old else {
        return make(engine, &plan, show::Before::of(after), Some(work)).await.map(Box::new).map(Outcome::Made);
    };
    // What is most likely to fail comes before anything is lost.
    pull(engine.instance()?, &plan.wanted.spec.image, Some(work)).await?;
    if let Err(fault) = unmake(engine, &old).await {
        observe::look_later(service, this);
        return Err(fault);
    }
    let failed = match make(engine, &plan, old.before.clone(), Some(work)).await {
        Ok(made) => return Ok(Outcome::Made(Box::new(made))),
        Err(fault) => fault,
    };
    let again = bring_up(service, this, None, None).await;
    let written =
        again.and_then(|made| service.transact::<VirtualMachine, _>(this, |call| up(call, this, made, |_| Ok(()))));
    if let Err(fault) = written {
        tracing::error!(machine = %this, %fault, "the container that was to be replaced cannot be brought back");
        observe::look_later(service, this);
    }
    Err(failed)
}
