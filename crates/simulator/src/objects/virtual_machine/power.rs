//! Power: on, off, suspended.
//!
//! ```text
//!               PowerOn              Suspend, StandbyGuest
//!  poweredOff ───────────▶ poweredOn ────────────────────▶ suspended
//!      ▲ ◀───────────────── │  ▲ ◀───────────────────────── │
//!      │ PowerOff, Shutdown  └──┘        PowerOn             │
//!      │                     Reset, Reboot                   │
//!      └──────────────────────────── PowerOff ───────────────┘
//! ```

use vimsim_types::enums::{ManagedEntityStatus, VirtualMachinePowerState as Power, VirtualMachineToolsStatus};
use vimsim_types::method::{
    PowerOffVMTask, PowerOnVMTask, RebootGuest, ResetVMTask, ShutdownGuest, StandbyGuest, SuspendVMTask,
};
use vimsim_types::views::{
    ComputeResource, GuestNicInfo, HostSystem, InsufficientCpuResourcesFault, InsufficientMemoryResourcesFault,
    InvalidPowerState, InvalidState, NotSupported, NumVirtualCpusNotSupported, ResourceAllocationInfo, ResourcePool,
    ToolsUnavailable, VirtualApp, VirtualMachine, VmGuestRebootEvent, VmGuestShutdownEvent, VmGuestStandbyEvent,
    VmPoweredOffEvent, VmPoweredOnEvent, VmResettingEvent, VmResumingEvent, VmStartingEvent, VmStoppingEvent,
    VmSuspendedEvent, VmSuspendingEvent,
};
use vimsim_types::{Fault, MethodView, Moref, View, literal};

use super::{create, device, disk_lock, guest};
use crate::call::Call;
use crate::containers;
use crate::objects::datastore::maintenance;
use crate::objects::resource_pool;

/// `InvalidPowerState`: the machine is in `existing`, where it would have to be in `requested`.
pub(crate) fn invalid_power_state(requested: Power, existing: Power) -> Fault {
    InvalidPowerState::with(|fault| {
        fault.set_requested_state(requested);
        fault.set_existing_state(existing);
    })
    .into()
}

fn state<T>(call: &Call<'_, T>, moref: &Moref) -> Result<Power, Fault> {
    Ok(call.get::<VirtualMachine>(moref)?.runtime().power_state())
}

/// `NotSupported` for a template, which cannot run (API reference, PowerOnVM_Task).
pub(super) fn check_no_template(machine: &VirtualMachine) -> Result<(), Fault> {
    if machine.config().is_some_and(|config| config.template()) {
        return Err(Fault::new(NotSupported::new(), format!("'{}' is a template", machine.name())));
    }
    Ok(())
}

/// Starts the machine, or lets it go on where it was suspended.
///
/// - As faults of the task: `InvalidPowerState` if it is on; `NotSupported` for a template, `InvalidState` on a host or
///   datastore in maintenance mode; `InvalidArgument` for a host of another compute resource; what
///   [`disk_lock::check`] says of its disks.
pub(super) fn power_on(call: &mut Call<'_, VirtualMachine>, request: PowerOnVMTask) -> Result<Moref, Fault> {
    if let Some(host) = request.host() {
        call.get::<HostSystem>(&host)?;
    }
    if is_contained(call) {
        return containers::machine::power_on(call, request.host());
    }
    call.start_task(move |call| {
        let this = call.moref();
        start(call, &this, request.host())
    })
}

/// Whether a container is behind the machine, or is to be.
fn is_contained(call: &Call<'_, VirtualMachine>) -> bool {
    let wants = |machine: &VirtualMachine| machine.config().is_some_and(containers::machine::is_contained);
    !call.context().at_once && (is_backed(call) || call.this().is_ok_and(wants))
}

/// Whether a container is behind the machine.
fn is_backed(call: &Call<'_, VirtualMachine>) -> bool {
    containers::machine::is_backed(call, &call.moref())
}

/// [`power_on`] as a task that another task starts.
pub(crate) fn start_as_task(call: &mut Call<'_, VirtualMachine>) -> Result<Moref, Fault> {
    if is_contained(call) {
        return containers::machine::power_on(call, None);
    }
    call.start_task_for(PowerOnVMTask::method(), |call| {
        let this = call.moref();
        start(call, &this, None)
    })
}

/// What [`power_on`] does.
pub(crate) fn start<T>(call: &mut Call<'_, T>, moref: &Moref, host: Option<Moref>) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    check_no_template(machine)?;
    let existing = machine.runtime().power_state();
    if existing == Power::PoweredOn {
        return Err(invalid_power_state(Power::PoweredOn, existing));
    }
    let current = machine.runtime().host();
    if let Some(host) = host.filter(|host| Some(host) != current.as_ref()) {
        change_host(call, moref, current.as_ref(), &host)?;
    }
    let host = call.get::<VirtualMachine>(moref)?.runtime().host();
    let host = host.ok_or_else(|| Fault::new(InvalidState::new(), "the virtual machine is on no host"))?;
    create::check_host(call.get::<HostSystem>(&host)?)?;
    maintenance::expect_startable(call, call.get::<VirtualMachine>(moref)?)?;
    disk_lock::check(call, moref)?;
    check_processors(call, moref)?;
    check_resources(call, moref)?;
    start_outside(call, moref)?;
    guest::boot(call, moref)
}

/// Writes down that the machine was started, by whom and where ever.
pub(crate) fn start_outside<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    if state(call, moref)? == Power::Suspended {
        call.post(moref, VmResumingEvent::with(|event| _ = event.set_template(false)))?;
    } else {
        call.post(moref, VmStartingEvent::with(|event| _ = event.set_template(false)))?;
    }
    set_state(call, moref, Power::PoweredOn)?;
    call.post(moref, VmPoweredOnEvent::with(|event| _ = event.set_template(false)))
}

/// `NumVirtualCpusNotSupported` for more processors than a machine can have on its host (`capability.maxSupportedVcpus`).
// Fidelity: vCenter raises NotEnoughCpus for more processors than the host itself has. The hosts are vcsim's, with two of
// them, and its clients start machines with more.
fn check_processors<T>(call: &Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    let host = machine.runtime().host().and_then(|host| call.view::<HostSystem>(&host));
    let most = host.and_then(|host| host.capability()).and_then(|capability| capability.max_supported_vcpus());
    let processors = machine.config().map_or(0, |config| config.hardware().num_cpu());
    match most.filter(|most| processors > *most) {
        None => Ok(()),
        Some(most) => {
            let detail = NumVirtualCpusNotSupported::with(|fault| {
                fault.set_max_supported_vcpus_dest(most).set_num_cpu_vm(processors);
            });
            let why = format!("the virtual machine has {processors} processors, and its host lets it have {most}");
            Err(Fault::new(detail, why))
        }
    }
}

/// `InsufficientCpuResourcesFault` or `InsufficientMemoryResourcesFault` if the machine's pool has less left than the
/// machine reserves.
// Fidelity: vCenter also counts the memory that a machine needs for itself.
fn check_resources<T>(call: &Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    let pool = machine.resource_pool().and_then(|pool| call.view::<ResourcePool>(&pool));
    let (Some(pool), Some(config)) = (pool, machine.config()) else { return Ok(()) };
    let reserved =
        |allocation: Option<&ResourceAllocationInfo>| allocation.and_then(|it| it.reservation()).unwrap_or(0);
    let (cpu, memory) = (reserved(config.cpu_allocation()), reserved(config.memory_allocation()));
    if cpu > 0 {
        expect_cpu(cpu, pool.runtime().cpu().unreserved_for_vm())?;
    }
    if memory > 0 {
        expect_memory(memory.saturating_mul(1 << 20), pool.runtime().memory().unreserved_for_vm())?;
    }
    Ok(())
}

/// `InsufficientCpuResourcesFault` if this many MHz are asked for, and not so many left.
pub(crate) fn expect_cpu(requested: i64, unreserved: i64) -> Result<(), Fault> {
    if requested <= unreserved {
        return Ok(());
    }
    let detail = InsufficientCpuResourcesFault::with(|fault| {
        fault.set_unreserved(unreserved).set_requested(requested);
    });
    Err(Fault::new(detail, format!("{requested} MHz are reserved for it, and the pool has {unreserved} left")))
}

/// `InsufficientMemoryResourcesFault` if this many bytes are asked for, and not so many left.
pub(crate) fn expect_memory(requested: i64, unreserved: i64) -> Result<(), Fault> {
    if requested <= unreserved {
        return Ok(());
    }
    let detail = InsufficientMemoryResourcesFault::with(|fault| {
        fault.set_unreserved(unreserved).set_requested(requested);
    });
    let why = format!("{requested} bytes of memory are reserved for it, and the pool has {unreserved} left");
    Err(Fault::new(detail, why))
}

/// Moves a machine that does not run to another host of its compute resource.
pub(super) fn change_host<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    from: Option<&Moref>,
    to: &Moref,
) -> Result<(), Fault> {
    let target = call.get::<HostSystem>(to)?;
    create::check_host(target)?;
    let parent = target.parent();
    let same = from.and_then(|from| call.view::<HostSystem>(from)).is_some_and(|from| from.parent() == parent);
    let is_cluster = parent.is_some_and(|parent| call.view::<ComputeResource>(&parent).is_some());
    if !same || !is_cluster {
        return Err(Fault::invalid_argument("host", format!("{to} is not of the machine's compute resource")));
    }
    let datastores: Vec<Moref> = call.get::<VirtualMachine>(moref)?.datastore().iter().collect();
    if !datastores.iter().all(|datastore| target.datastore().contains(datastore)) {
        return Err(Fault::invalid_argument("host", format!("{to} does not have the machine's datastores")));
    }
    if let Some(from) = from {
        crate::walk::remove_reference(&mut call.edit::<HostSystem>(from)?.vm_mut(), moref);
    }
    call.edit::<HostSystem>(to)?.push_vm(moref.clone());
    call.edit::<VirtualMachine>(moref)?.runtime_mut().set_host(to.clone());
    Ok(())
}

/// Stops the machine at once.
///
/// - `InvalidPowerState` if it is off, as a fault of the task.
pub(super) fn power_off(call: &mut Call<'_, VirtualMachine>, _: PowerOffVMTask) -> Result<Moref, Fault> {
    if is_backed(call) {
        return containers::machine::power_off(call);
    }
    call.start_task(|call| {
        let this = call.moref();
        stop(call, &this)
    })
}

/// What [`power_off`] does.
pub(crate) fn stop<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    check_no_template(machine)?;
    let existing = machine.runtime().power_state();
    if existing == Power::PoweredOff {
        return Err(invalid_power_state(Power::PoweredOff, existing));
    }
    call.post(moref, VmStoppingEvent::with(|event| _ = event.set_template(false)))?;
    set_state(call, moref, Power::PoweredOff)?;
    call.post(moref, VmPoweredOffEvent::with(|event| _ = event.set_template(false)))
}

/// Suspends the machine.
///
/// - `InvalidPowerState` unless it is on, as a fault of the task.
pub(super) fn suspend(call: &mut Call<'_, VirtualMachine>, _: SuspendVMTask) -> Result<Moref, Fault> {
    if is_backed(call) {
        return containers::machine::suspend(call);
    }
    call.start_task(|call| {
        let this = call.moref();
        pause(call, &this)
    })
}

/// What [`suspend`] does.
pub(crate) fn pause<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    check_no_template(machine)?;
    let existing = machine.runtime().power_state();
    match existing {
        Power::PoweredOn => {}
        Power::Suspended => return Err(invalid_power_state(Power::Suspended, existing)),
        // The state that a machine must be in to be suspended, as vCenter and vcsim say it.
        Power::PoweredOff => return Err(invalid_power_state(Power::PoweredOn, existing)),
    }
    call.post(moref, VmSuspendingEvent::with(|event| _ = event.set_template(false)))?;
    set_state(call, moref, Power::Suspended)?;
    call.post(moref, VmSuspendedEvent::with(|event| _ = event.set_template(false)))
}

/// Stops the machine and starts it again.
///
/// - `InvalidPowerState` unless it is on, as a fault of the task.
pub(super) fn reset(call: &mut Call<'_, VirtualMachine>, _: ResetVMTask) -> Result<Moref, Fault> {
    if is_backed(call) {
        return containers::machine::reset(call);
    }
    call.start_task(|call| {
        let this = call.moref();
        check_no_template(call.this()?)?;
        let existing = state(call, &this)?;
        if existing != Power::PoweredOn {
            return Err(invalid_power_state(Power::PoweredOn, existing));
        }
        call.post(&this, VmResettingEvent::with(|event| _ = event.set_template(false)))?;
        set_state(call, &this, Power::PoweredOff)?;
        set_state(call, &this, Power::PoweredOn)?;
        guest::boot(call, &this)
    })
}

/// What [`reset`] writes of a machine whose container was started anew.
pub(crate) fn reset_now(call: &mut Call<'_, VirtualMachine>) -> Result<(), Fault> {
    check_on(call)?;
    let this = call.moref();
    call.post(&this, VmResettingEvent::with(|event| _ = event.set_template(false)))?;
    booted(call)
}

/// The machine has been started anew.
pub(crate) fn booted(call: &mut Call<'_, VirtualMachine>) -> Result<(), Fault> {
    let now = call.now();
    call.this_mut()?.runtime_mut().set_boot_time(now);
    Ok(())
}

/// `InvalidPowerState` unless the machine is on.
fn check_on(call: &Call<'_, VirtualMachine>) -> Result<(), Fault> {
    check_no_template(call.this()?)?;
    match call.this()?.runtime().power_state() {
        Power::PoweredOn => Ok(()),
        existing => Err(invalid_power_state(Power::PoweredOn, existing)),
    }
}

/// Asks the guest to shut down. It does so at once.
///
/// - `InvalidPowerState` unless the machine is on.
// Fidelity: vCenter raises ToolsUnavailable where no VMware Tools run. Scripts written for vcsim shut down its machines,
// which have none.
pub(super) fn shutdown_guest(call: &mut Call<'_, VirtualMachine>, _: ShutdownGuest) -> Result<(), Fault> {
    check_on(call)?;
    let this = call.moref();
    call.post(&this, VmGuestShutdownEvent::with(|event| _ = event.set_template(false)))?;
    if is_backed(call) {
        containers::machine::shutdown_guest(call);
        return Ok(());
    }
    stop(call, &this)
}

/// Asks the guest to suspend itself. As [`shutdown_guest`].
pub(super) fn standby_guest(call: &mut Call<'_, VirtualMachine>, _: StandbyGuest) -> Result<(), Fault> {
    check_on(call)?;
    let this = call.moref();
    call.post(&this, VmGuestStandbyEvent::with(|event| _ = event.set_template(false)))?;
    if is_backed(call) {
        containers::machine::standby_guest(call);
        return Ok(());
    }
    pause(call, &this)
}

/// Asks the guest to start again.
///
/// - `InvalidPowerState` unless the machine is on; `ToolsUnavailable` unless VMware Tools run in it.
pub(super) fn reboot_guest(call: &mut Call<'_, VirtualMachine>, _: RebootGuest) -> Result<(), Fault> {
    check_on(call)?;
    let tools = call.this()?.guest().and_then(|guest| guest.tools_running_status());
    if tools.is_none_or(|status| *status != "guestToolsRunning") {
        let message = format!("VMware Tools are not running in '{}'", call.this()?.name());
        return Err(Fault::new(ToolsUnavailable::new(), message));
    }
    let this = call.moref();
    call.post(&this, VmGuestRebootEvent::with(|event| _ = event.set_template(false)))?;
    if is_backed(call) {
        containers::machine::reboot_guest(call);
        return Ok(());
    }
    booted(call)
}

/// Adds what a running machine reserves to what its pool counts (1), or takes it away (-1).
pub(crate) fn count_reservation<T>(call: &mut Call<'_, T>, moref: &Moref, sign: i64) -> Result<(), Fault> {
    let machine = call.get::<VirtualMachine>(moref)?;
    if machine.runtime().power_state() != Power::PoweredOn {
        return Ok(());
    }
    let reservation = |allocation: Option<&ResourceAllocationInfo>| {
        allocation.and_then(|allocation| allocation.reservation()).unwrap_or_default()
    };
    let config = machine.config();
    let cpu = reservation(config.and_then(|config| config.cpu_allocation()));
    let memory = reservation(config.and_then(|config| config.memory_allocation()));
    match machine.resource_pool() {
        Some(pool) if cpu != 0 || memory != 0 => resource_pool::reserve(call, &pool, cpu, memory, sign),
        _ => Ok(()),
    }
}

/// Writes the new state, and all that comes with it.
pub(super) fn set_state<T>(call: &mut Call<'_, T>, moref: &Moref, state: Power) -> Result<(), Fault> {
    let now = call.now();
    count_reservation(call, moref, -1)?;
    let mut machine = call.get::<VirtualMachine>(moref)?.clone();
    let resumes = machine.runtime().power_state() == Power::Suspended && state == Power::PoweredOn;
    let host = machine.runtime().host();
    let speed = host.as_ref().and_then(|host| call.view::<HostSystem>(host));
    let speed = speed.and_then(|host| host.summary().hardware()).map_or(0, |hardware| hardware.cpu_mhz());
    let hardware = machine.config().map(|config| config.hardware());
    let (processors, memory) = hardware.map_or((0, 0), |hardware| (hardware.num_cpu(), hardware.memory_mb()));
    let runtime = machine.runtime_mut();
    runtime.set_power_state(state);
    runtime.set_suspend_time((state == Power::Suspended).then_some(now));
    runtime.set_clean_power_off(state == Power::PoweredOff);
    if state == Power::PoweredOff {
        runtime.set_boot_time(None);
    } else if state == Power::PoweredOn && !resumes {
        runtime.set_boot_time(now);
    }
    let is_on = state == Power::PoweredOn;
    runtime.set_max_cpu_usage(is_on.then_some(processors.saturating_mul(speed)));
    runtime.set_max_memory_usage(is_on.then_some(memory));
    device::set_connected(&mut machine, is_on);
    if is_on {
        plug_adapters(&mut machine);
    }
    set_guest(&mut machine, state);
    if state == Power::PoweredOff {
        guest::go_down(&mut machine);
    }
    if let Some(host) = host {
        create::share_with_neighbour(call, &mut machine, &host);
    }
    let app = machine.parent_v_app();
    *call.edit::<VirtualMachine>(moref)? = machine;
    count_reservation(call, moref, 1)?;
    containers::machine::follow(call, moref, state)?;
    // A vApp says whether its machines run.
    match app.filter(|app| call.object(app).is_some()) {
        Some(app) => call.edit::<VirtualApp>(&app).map(|_| ()),
        None => Ok(()),
    }
}

/// Has the guest of a machine that starts see its adapters as connected as they are then.
fn plug_adapters(machine: &mut VirtualMachine) {
    let plugged = |machine: &VirtualMachine, key: i32| {
        let device = machine.config()?.hardware().device().iter().find(|device| device.key() == key)?;
        Some(device.connectable()?.connected())
    };
    let Some(guest) = machine.guest() else { return };
    let of = |net: &GuestNicInfo| plugged(machine, net.device_config_id()).unwrap_or(net.connected());
    if guest.net().iter().all(|net| net.connected() == of(net)) {
        return;
    }
    let adapters = guest.net().iter().map(|net| {
        let mut net = net.clone();
        net.set_connected(of(&net));
        net
    });
    let adapters: Vec<GuestNicInfo> = adapters.collect();
    machine.guest_mut().set_net(adapters);
}

/// What the guest says of itself: nothing that it could say while it does not run.
fn set_guest(machine: &mut VirtualMachine, state: Power) {
    let has_tools = machine.guest().and_then(|guest| guest.tools_status());
    let has_tools = has_tools.is_some_and(|status| status != VirtualMachineToolsStatus::ToolsNotInstalled);
    let is_on = state == Power::PoweredOn;
    if !has_tools {
        return;
    }
    let guest = machine.guest_mut();
    guest.set_guest_state(if is_on { literal!("running") } else { literal!("notRunning") });
    guest.set_tools_running_status(if is_on {
        literal!("guestToolsRunning")
    } else {
        literal!("guestToolsNotRunning")
    });
    guest.set_tools_status(if is_on {
        VirtualMachineToolsStatus::ToolsOk
    } else {
        VirtualMachineToolsStatus::ToolsNotRunning
    });
    let status = if is_on { ManagedEntityStatus::Green } else { ManagedEntityStatus::Gray };
    machine.set_guest_heartbeat_status(status);
}
