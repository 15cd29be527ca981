//! What is done to a machine is done to its container.

use std::sync::Arc;

use vimsim_container::{Container, RuntimeError, Status, Undo};
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{PowerOffVMTask, PowerOnVMTask, ResetVMTask, SuspendVMTask};
use vimsim_types::views::{VirtualMachine, VmGuestShutdownEvent};
use vimsim_types::{Fault, Method, MethodView, Moref, View};

use super::backing::{self, Backed};
use super::make::{Made, make};
use super::observe;
use super::plan::Plan;
use super::show::{self, Before};
use super::wanted::Wanted;
use crate::call::{Call, not_found};
use crate::containers::engine::{Engine, fault, held};
use crate::objects::virtual_machine as machine;
use crate::service::Service;
use crate::task::Cancel;
use crate::work::Work;

/// How long what runs in a guest may take to shut down, in seconds.
const GRACE: u32 = 10;

/// Starts a task that brings a machine on, or lets it go on where it was suspended, with its container.
///
/// - As the machine's own, and `PlatformConfigFault` with the engine's words, as faults of the task; nothing has happened
///   then.
pub(crate) fn power_on(call: &mut Call<'_, VirtualMachine>, host: Option<Moref>) -> Result<Moref, Fault> {
    let this = call.moref();
    call.start_work(PowerOnVMTask::method(), Cancel::Yes, move |work| async move {
        let turn = work.service().engine().turn(&this).await;
        work.attempt::<VirtualMachine, _>(&this, |call| machine::start(call, &this, host.clone()))?;
        let made = bring_up(work.service(), &this, host.as_ref(), Some(&work)).await?;
        Ok(move |call: &mut Call<'_, VirtualMachine>| {
            held(call, turn);
            up(call, &this, made, |call| machine::start(call, &this, host))
        })
    })
}

/// Writes down that a container is up, together with what `write` does.
pub(super) fn up<T>(
    call: &mut Call<'_, T>,
    this: &Moref,
    made: Option<Made>,
    write: impl FnOnce(&mut Call<'_, T>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some(Made { backed, seen, undo }) = made else { return write(call) };
    let service = call.context().service.clone();
    backing::set(call, this, Some(Backed { state: Power::PoweredOn, is_gone: false, ..backed.clone() }))?;
    write(call)?;
    show::show(call, this, &backed, &seen)?;
    service.engine().remember(&backed.container, this);
    observe::look_later(&service, this);
    undo.commit();
    Ok(())
}

/// Has the container of a machine run, which is made if there is none. None if the machine is to have none.
pub(super) async fn bring_up(
    service: &Arc<Service>,
    this: &Moref,
    host: Option<&Moref>,
    work: Option<&Work>,
) -> Result<Option<Made>, Fault> {
    let engine = service.engine();
    let snapshot = service.snapshot();
    let properties = snapshot.view::<VirtualMachine>(this).ok_or_else(|| not_found(this))?;
    let old = backing::seen(&snapshot, this);
    if let Some(old) = &old
        && let Some((seen, undo)) = go_on(engine, old).await?
    {
        return Ok(Some(Made { backed: Backed::clone(old), seen, undo }));
    }
    let wanted = match &old {
        Some(old) => Some(old.wanted.clone()),
        None => properties.config().map(Wanted::read).transpose()?.flatten(),
    };
    let Some(wanted) = wanted else { return Ok(None) };
    observe::begin(service);
    let current = properties.runtime().host();
    let plan = Plan::new(&snapshot, this, properties, wanted, host.or(current.as_ref()));
    let before = old.as_ref().map_or_else(|| Before::of(properties), |old| old.before.clone());
    if let Some(old) = &old {
        // Its volume and its places in networks are left of the one that is gone.
        super::make::unmake(engine, old).await?;
    }
    make(engine, &plan, before, work).await.map(Some)
}

/// Starts a container that does not run, or lets a paused one go on, and says how to take that back. None if it is gone.
async fn go_on(engine: &Engine, backed: &Backed) -> Result<Option<(Container, Undo)>, Fault> {
    let runtime = engine.instance()?.runtime().clone();
    let id = backed.container.clone();
    let failed = |error: RuntimeError| fault(&error);
    let status = match runtime.inspect_container(&id).await {
        Ok(seen) => seen.state.status,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut undo = Undo::new();
    let again = runtime.clone();
    match status {
        Status::Running | Status::Restarting => {}
        Status::Paused => {
            runtime.unpause_container(&id).await.map_err(failed)?;
            undo.push("a container that goes on", {
                let id = id.clone();
                async move { again.pause_container(&id).await }
            });
        }
        _ => {
            runtime.start_container(&id).await.map_err(failed)?;
            undo.push("a started container", {
                let id = id.clone();
                async move { again.kill_container(&id, "SIGKILL").await }
            });
        }
    }
    Ok(Some((runtime.inspect_container(&id).await.map_err(failed)?, undo)))
}

/// What is done to a container that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Like pulling the plug.
    Kill,
    /// Asked to stop, and killed when it takes too long.
    Stop,
    /// Frozen.
    Pause,
    /// Killed, and started again.
    Reset,
    /// Asked to stop, and started again.
    Restart,
}

/// Does it; the container as it is then, if it runs. What is gone, or has ended, is stopped already.
pub(super) async fn carry_out(engine: &Engine, backed: &Backed, deed: Deed) -> Result<Option<Container>, Fault> {
    let runtime = engine.runtime()?;
    let id = &backed.container;
    let failed = |error: RuntimeError| fault(&error);
    let stops = matches!(deed, Deed::Kill | Deed::Stop);
    let seen = match runtime.inspect_container(id).await {
        Ok(seen) => seen,
        Err(error) if error.is_not_found() && stops => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let runs = matches!(seen.state.status, Status::Running | Status::Paused | Status::Restarting);
    if seen.state.status == Status::Paused && deed != Deed::Pause {
        // What is frozen hears no signal.
        runtime.unpause_container(id).await.map_err(failed)?;
    }
    let kill = || async {
        match runtime.kill_container(id, "SIGKILL").await {
            // It has ended meanwhile.
            Err(RuntimeError::Conflict { .. }) => runtime.stop_container(id, 0).await,
            Ok(()) => runtime.stop_container(id, 1).await,
            result => result,
        }
    };
    let done = match deed {
        Deed::Kill if runs => kill().await,
        Deed::Stop if runs => runtime.stop_container(id, GRACE).await,
        Deed::Kill | Deed::Stop => Ok(()),
        Deed::Pause if seen.state.status == Status::Paused => Ok(()),
        Deed::Pause => runtime.pause_container(id).await,
        Deed::Reset => match if runs { kill().await } else { Ok(()) } {
            Ok(()) => runtime.start_container(id).await,
            error => error,
        },
        Deed::Restart => runtime.restart_container(id, GRACE).await,
    };
    match done {
        Err(error) if error.is_not_found() && stops => return Ok(None),
        done => done.map_err(failed)?,
    }
    if stops { Ok(None) } else { runtime.inspect_container(id).await.map(Some).map_err(failed) }
}

/// What a machine's method writes.
pub(crate) type Write = fn(&mut Call<'_, VirtualMachine>) -> Result<(), Fault>;

/// Starts a task that does this to the machine's container and then writes; what is written is tried first.
fn act(
    call: &mut Call<'_, VirtualMachine>,
    method: &'static Method,
    deed: Deed,
    state: Power,
    write: Write,
) -> Result<Moref, Fault> {
    let this = call.moref();
    call.start_work(method, Cancel::No, move |work| async move {
        let service = work.service().clone();
        let turn = service.engine().turn(&this).await;
        work.attempt::<VirtualMachine, _>(&this, write)?;
        work.progress(10, "the container engine is at work");
        let seen = done(&service, &this, deed).await?;
        Ok(move |call: &mut Call<'_, VirtualMachine>| {
            held(call, turn);
            finish(call, &this, state, seen.as_ref(), write)
        })
    })
}

/// Does it to the container that the machine has now, if it has one. If that fails, what became of it is looked at.
async fn done(service: &Arc<Service>, this: &Moref, deed: Deed) -> Result<Option<Container>, Fault> {
    let Some(backed) = backing::seen(&service.snapshot(), this) else { return Ok(None) };
    let done = carry_out(service.engine(), &backed, deed).await;
    if done.is_err() {
        observe::look_later(service, this);
    }
    done
}

/// Writes what a method does to the machine whose container has been brought to this state.
fn finish(
    call: &mut Call<'_, VirtualMachine>,
    this: &Moref,
    state: Power,
    seen: Option<&Container>,
    write: Write,
) -> Result<(), Fault> {
    backing::set_state(call, this, state)?;
    write(call)?;
    match (state, backing::of(call, this), seen) {
        (Power::PoweredOn, Some(backed), Some(seen)) => show::show(call, this, &backed, seen)?,
        (Power::PoweredOff, Some(_), _) => show::go_down(call, this)?,
        (Power::Suspended, Some(_), _) => show::freeze(call, this)?,
        _ => {}
    }
    observe::look_later(&call.context().service, this);
    Ok(())
}

/// `PowerOffVM_Task` of a machine with a container, which is killed.
pub(crate) fn power_off(call: &mut Call<'_, VirtualMachine>) -> Result<Moref, Fault> {
    act(call, PowerOffVMTask::method(), Deed::Kill, Power::PoweredOff, off)
}

fn off(call: &mut Call<'_, VirtualMachine>) -> Result<(), Fault> {
    let this = call.moref();
    machine::stop(call, &this)
}

fn suspended(call: &mut Call<'_, VirtualMachine>) -> Result<(), Fault> {
    let this = call.moref();
    machine::pause(call, &this)
}

/// `SuspendVM_Task` of a machine with a container, which is frozen.
pub(crate) fn suspend(call: &mut Call<'_, VirtualMachine>) -> Result<Moref, Fault> {
    act(call, SuspendVMTask::method(), Deed::Pause, Power::Suspended, suspended)
}

/// `ResetVM_Task` of a machine with a container, which is killed and started.
pub(crate) fn reset(call: &mut Call<'_, VirtualMachine>) -> Result<Moref, Fault> {
    act(call, ResetVMTask::method(), Deed::Reset, Power::PoweredOn, machine::reset_now)
}

/// Does this to the machine's container once the call is carried out, and then writes, unless the machine has changed its
/// state meanwhile: what a guest is asked for takes its time, and nobody waits for it.
fn later(call: &mut Call<'_, VirtualMachine>, deed: Deed, state: Power, write: Write) {
    let (service, this) = (call.context().service.clone(), call.moref());
    call.context().after(async move {
        let _turn = service.engine().turn(&this).await;
        let is_on = |machine: &VirtualMachine| machine.runtime().power_state() == Power::PoweredOn;
        if !service.snapshot().view::<VirtualMachine>(&this).is_some_and(is_on) {
            return;
        }
        let outcome = done(&service, &this, deed).await;
        let written = outcome.and_then(|seen| {
            service.transact::<VirtualMachine, _>(&this, |call| finish(call, &this, state, seen.as_ref(), write))
        });
        if let Err(fault) = written {
            tracing::warn!(machine = %this, %fault, "a guest did not do what it was asked for");
        }
    });
}

/// Asks the guest of a machine with a container to shut down: the container is asked to stop.
pub(crate) fn shutdown_guest(call: &mut Call<'_, VirtualMachine>) {
    later(call, Deed::Stop, Power::PoweredOff, off);
}

/// Asks the guest of a machine with a container to suspend itself.
pub(crate) fn standby_guest(call: &mut Call<'_, VirtualMachine>) {
    later(call, Deed::Pause, Power::Suspended, suspended);
}

/// Asks the guest of a machine with a container to start again: the container is asked to stop, and started.
pub(crate) fn reboot_guest(call: &mut Call<'_, VirtualMachine>) {
    later(call, Deed::Restart, Power::PoweredOn, machine::booted);
}

/// How a machine is stopped that is one of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Like pulling the plug.
    Off,
    /// Its guest is asked to shut down, and the plug is pulled when that takes too long.
    Shutdown,
    /// It is suspended.
    Suspend,
}

impl Halt {
    /// What it writes of a machine.
    pub(crate) fn write(self) -> Write {
        match self {
            Self::Off => off,
            Self::Shutdown => shut_down,
            Self::Suspend => suspended,
        }
    }
}

fn shut_down(call: &mut Call<'_, VirtualMachine>) -> Result<(), Fault> {
    let this = call.moref();
    call.post(&this, VmGuestShutdownEvent::with(|event| _ = event.set_template(false)))?;
    machine::stop(call, &this)
}

/// Starts a machine as a part of a task on something else, with its container if it is to have one.
///
/// - As [`power_on`]; nothing has happened to the machine then.
pub(crate) async fn start_within(work: &Work, this: &Moref) -> Result<(), Fault> {
    let turn = work.service().engine().turn(this).await;
    work.attempt::<VirtualMachine, _>(this, |call| machine::start(call, this, None))?;
    let made = bring_up(work.service(), this, None, Some(work)).await?;
    work.write::<VirtualMachine, _>(this, |call| {
        held(call, turn);
        up(call, this, made, |call| machine::start(call, this, None))
    })
}

/// Stops a machine as a part of a task on something else, and its container if it has one.
pub(crate) async fn stop_within(work: &Work, this: &Moref, halt: Halt) -> Result<(), Fault> {
    let (deed, state) = match halt {
        Halt::Off => (Deed::Kill, Power::PoweredOff),
        Halt::Shutdown => (Deed::Stop, Power::PoweredOff),
        Halt::Suspend => (Deed::Pause, Power::Suspended),
    };
    let service = work.service();
    let turn = service.engine().turn(this).await;
    work.attempt::<VirtualMachine, _>(this, halt.write())?;
    let seen = done(service, this, deed).await?;
    work.write::<VirtualMachine, _>(this, |call| {
        held(call, turn);
        finish(call, this, state, seen.as_ref(), halt.write())
    })
}
