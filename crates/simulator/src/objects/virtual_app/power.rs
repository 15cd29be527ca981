//! Starting, stopping and suspending vApps: their machines one after the other, as the configuration says.
//!
//! What has the same `startOrder` belongs together; a `startDelay` is waited before the next. A child vApp is gone through in
//! its own order when its turn comes. Where nothing has to be waited for, everything happens in one transaction. Otherwise the
//! task has the vApp and all machines in it to itself until it has ended, and those that were started before one that cannot
//! be started run on, as in vCenter.

use std::time::Duration;

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::enums::{ManagedEntityStatus, VAppAutoStartAction, VirtualAppVAppState as State};
use vimsim_types::method::{PowerOffVAppTask, PowerOnVAppTask, SuspendVAppTask};
use vimsim_types::views::{
    InvalidState, MissingPowerOffConfiguration, MissingPowerOnConfiguration, NoVmInVApp, VAppEntityConfigInfo,
    VirtualApp, VirtualMachine,
};
use vimsim_types::{EnumView, Fault, Method, MethodView, Moref, View};

use super::{machines, state_of};
use crate::call::Call;
use crate::containers;
use crate::containers::machine::Halt;
use crate::objects::{resource_pool, virtual_machine};
use crate::task::Cancel;
use crate::work::Work;

/// What is done to machines that belong together, and what is waited for afterwards.
#[derive(Clone, Debug, Default)]
struct Step {
    machines: Vec<(Moref, Deed)>,
    /// In seconds.
    delay: i32,
    /// Whether the delay is over when all guests have reported.
    is_over_with_guests: bool,
}

/// What is done to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Start,
    Halt(Halt),
}

/// What a task does to a vApp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Start,
    /// As the configuration says.
    Stop,
    /// All at once, whatever the configuration says.
    Kill,
    Suspend,
}

impl Way {
    /// What becomes of something with this configuration, if anything does.
    fn deed(self, config: Option<&VAppEntityConfigInfo>) -> Option<Deed> {
        let action = |text: Option<&vimsim_types::ArcStr>| text.and_then(|text| VAppAutoStartAction::from_name(text));
        let stop = || action(config.and_then(|config| config.stop_action()));
        match self {
            Self::Start => {
                let wanted = action(config.and_then(|config| config.start_action()));
                (wanted != Some(VAppAutoStartAction::None)).then_some(Deed::Start)
            }
            Self::Kill => Some(Deed::Halt(Halt::Off)),
            Self::Suspend => Some(Deed::Halt(Halt::Suspend)),
            Self::Stop => match stop() {
                Some(VAppAutoStartAction::None) => None,
                Some(VAppAutoStartAction::GuestShutdown) => Some(Deed::Halt(Halt::Shutdown)),
                Some(VAppAutoStartAction::Suspend) => Some(Deed::Halt(Halt::Suspend)),
                _ => Some(Deed::Halt(Halt::Off)),
            },
        }
    }

    /// Whether a machine in this state is none of the task's business.
    fn is_done(self, state: Power) -> bool {
        match self {
            Self::Start => state == Power::PoweredOn,
            Self::Stop | Self::Kill => state == Power::PoweredOff,
            Self::Suspend => state != Power::PoweredOn,
        }
    }
}

/// The steps for a pool or vApp in the order of starting.
fn steps<T>(call: &Call<'_, T>, pool: &Moref, way: Way) -> Vec<Step> {
    let Some(view) = call.view::<vimsim_types::views::ResourcePool>(pool) else { return Vec::new() };
    let config = view.downcast::<VirtualApp>().and_then(|app| app.v_app_config());
    let of = |child: &Moref| {
        let entities = config.map(|config| config.entity_config());
        let mut entities = entities.iter().flat_map(|entities| entities.iter());
        entities.find(|entity| entity.key().as_ref() == Some(child))
    };
    let order = |child: &Moref| of(child).and_then(|entity| entity.start_order()).unwrap_or(i32::MAX);
    let mut children: Vec<Moref> = view.vm().iter().chain(view.resource_pool().iter()).collect();
    children.extend(super::links(call, pool).into_iter().filter(|link| !view.vm().contains(link)));
    children.sort_by_key(order);
    let mut all = Vec::new();
    for group in children.chunk_by(|a, b| order(a) == order(b)) {
        let mut step = Step { is_over_with_guests: true, ..Step::default() };
        let mut inner = Vec::new();
        for child in group {
            let Some(deed) = way.deed(of(child)) else { continue };
            if let Some(entity) = of(child) {
                step.delay = step.delay.max(entity.start_delay().unwrap_or_default());
                step.is_over_with_guests &= entity.waiting_for_guest().unwrap_or_default();
            }
            if child.is::<VirtualMachine>() {
                if !way.is_done(state_of(call, child)) {
                    step.machines.push((child.clone(), deed));
                }
            } else {
                inner.extend(steps(call, child, way));
            }
        }
        if let Some(last) = inner.last_mut().filter(|_| step.machines.is_empty()) {
            last.delay = last.delay.max(step.delay);
        }
        all.extend(inner);
        if !step.machines.is_empty() {
            all.push(step);
        }
    }
    all
}

/// What a task on this vApp does, or the fault that there is nothing to do.
fn plan<T>(call: &Call<'_, T>, this: &Moref, way: Way) -> Result<Vec<Step>, Fault> {
    let mut steps = steps(call, this, way);
    if way != Way::Start {
        // The reverse of starting, and nothing is waited for: guests shut down at once, or are made to.
        steps.reverse();
        steps.iter_mut().for_each(|step| step.delay = 0);
    }
    if let Some(last) = steps.last_mut() {
        last.delay = 0;
    }
    if !steps.is_empty() {
        return Ok(steps);
    }
    let mut inside = machines(call, this);
    inside.extend(super::links(call, this).into_iter().filter(Moref::is::<VirtualMachine>));
    if inside.is_empty() {
        return Err(Fault::new(NoVmInVApp::new(), "the vApp has no virtual machine"));
    }
    if inside.iter().all(|machine| way.is_done(state_of(call, machine))) {
        let why = match way {
            Way::Start => "all machines of the vApp run",
            _ => "no machine of the vApp is running",
        };
        return Err(Fault::new(InvalidState::new(), why));
    }
    match way {
        Way::Start => {
            Err(Fault::new(MissingPowerOnConfiguration::new(), "no machine of the vApp is to be started with it"))
        }
        _ => Err(Fault::new(MissingPowerOffConfiguration::new(), "no machine of the vApp is to be stopped with it")),
    }
}

/// Whether something has to be waited for: an engine, or a time between two machines.
fn takes_time<T>(call: &Call<'_, T>, steps: &[Step]) -> bool {
    let has_container = |machine: &Moref| {
        let config = call.view::<VirtualMachine>(machine).and_then(|machine| machine.config());
        containers::machine::is_backed(call, machine) || config.is_some_and(containers::machine::is_contained)
    };
    let mut machines = steps.iter().flat_map(|step| &step.machines);
    !call.context().at_once
        && (steps.iter().any(|step| step.delay > 0) || machines.any(|(machine, _)| has_container(machine)))
}

/// Does it, in one transaction or in several.
fn carry_out(call: &mut Call<'_, VirtualApp>, method: &'static Method, way: Way) -> Result<Moref, Fault> {
    let this = call.moref();
    let begin = plan(call, &this, way).unwrap_or_default();
    if !takes_time(call, &begin) {
        return call.start_task_for(method, move |call| {
            let this = call.moref();
            let steps = plan(call, &this, way)?;
            for (machine, deed) in steps.iter().flat_map(|step| &step.machines) {
                call.expect_free(machine)?;
                match deed {
                    Deed::Start => virtual_machine::start(call, machine, None)?,
                    Deed::Halt(halt) => halt.write()(&mut call.on(machine))?,
                }
            }
            Ok(())
        });
    }
    let mut others = machines(call, &this);
    others.extend(begin.iter().flat_map(|step| step.machines.iter().map(|(machine, _)| machine.clone())));
    others.extend(below(call, &this));
    call.start_work_with(method, Cancel::Yes, others, move |work| async move {
        let state = if way == Way::Start { State::Starting } else { State::Stopping };
        let mut steps = Vec::new();
        work.write::<VirtualApp, _>(&this, |call| {
            steps = plan(call, &this, way)?;
            change(call, &this, Some(state))
        })?;
        let outcome = run(&work, &steps).await;
        if let Err(fault) = outcome {
            work.write::<VirtualApp, _>(&this, |call| change(call, &this, None))?;
            return Err(fault);
        }
        Ok(move |call: &mut Call<'_, VirtualApp>| change(call, &this, None))
    })
}

/// Writes down that the vApp is on its way to another state, or that it has arrived.
fn change(call: &mut Call<'_, VirtualApp>, this: &Moref, state: Option<State>) -> Result<(), Fault> {
    resource_pool::set_app_state(call, this, state)?;
    call.this_mut().map(|_| ())
}

/// The pools and vApps in this one.
fn below<T>(call: &Call<'_, T>, pool: &Moref) -> Vec<Moref> {
    let Some(view) = call.view::<vimsim_types::views::ResourcePool>(pool) else { return Vec::new() };
    let children: Vec<Moref> = view.resource_pool().iter().collect();
    let inner: Vec<Moref> = children.iter().flat_map(|child| below(call, child)).collect();
    children.into_iter().chain(inner).collect()
}

async fn run(work: &Work, steps: &[Step]) -> Result<(), Fault> {
    let count = steps.iter().map(|step| step.machines.len()).sum::<usize>().max(1);
    let mut done = 0;
    for step in steps {
        for (machine, deed) in &step.machines {
            if work.is_cancelled() {
                return Err(vimsim_types::views::RequestCanceled::new().into());
            }
            match deed {
                Deed::Start => containers::machine::start_within(work, machine).await?,
                Deed::Halt(halt) => containers::machine::stop_within(work, machine, *halt).await?,
            }
            done += 1;
            work.progress(i32::try_from(done * 99 / count).unwrap_or(99), "machine after machine");
        }
        if step.delay > 0 {
            work.unless_cancelled(wait(work, step)).await?;
        }
    }
    Ok(())
}

/// Waits until the time between two machines is over.
async fn wait(work: &Work, step: &Step) {
    let clock = work.service().clock();
    let due = clock.now().micros() + i64::from(step.delay) * 1_000_000;
    let has_reported = |machine: &Moref| {
        let snapshot = work.snapshot();
        let machine = snapshot.view::<VirtualMachine>(machine);
        machine.is_none_or(|machine| machine.guest_heartbeat_status() == ManagedEntityStatus::Green)
    };
    // The service's clock may be one that somebody moves by hand.
    while clock.now().micros() < due {
        if step.is_over_with_guests && step.machines.iter().all(|(machine, _)| has_reported(machine)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Starts the machines of the vApp that are not running, in the order of its configuration.
///
/// - As faults of the task: `NoVmInVApp`; `InvalidState` if all are running; `MissingPowerOnConfiguration` if none is to be
///   started with it; what starting a machine raises. `TaskInProgress` while something else is done to one of them.
pub(super) fn power_on(call: &mut Call<'_, VirtualApp>, _: PowerOnVAppTask) -> Result<Moref, Fault> {
    carry_out(call, PowerOnVAppTask::method(), Way::Start)
}

/// Stops the machines of the vApp, in the reverse order and as its configuration says; all at once if that is forced.
///
/// - As faults of the task: `NoVmInVApp`; `InvalidState` if none is running; `MissingPowerOffConfiguration` if none is to be
///   stopped with it.
pub(super) fn power_off(call: &mut Call<'_, VirtualApp>, request: PowerOffVAppTask) -> Result<Moref, Fault> {
    carry_out(call, PowerOffVAppTask::method(), if request.force() { Way::Kill } else { Way::Stop })
}

/// Suspends the running machines of the vApp, in the reverse order.
///
/// - As faults of the task: `NoVmInVApp`; `InvalidState` if none is running.
pub(super) fn suspend(call: &mut Call<'_, VirtualApp>, _: SuspendVAppTask) -> Result<Moref, Fault> {
    carry_out(call, SuspendVAppTask::method(), Way::Suspend)
}
