//! `ExportVm`, `ExportVApp` and `ExportSnapshot`: leases to fetch the files of machines.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{ExportSnapshot, ExportVApp, ExportVm};
use vimsim_types::views::{InvalidPowerState, ResourcePool, VirtualApp, VirtualMachine, VirtualMachineSnapshot};
use vimsim_types::{Fault, Method, MethodView, Moref, View};

use super::{create, device, make_ready, watch};
use crate::call::Call;

/// `InvalidPowerState` unless the machine is off.
fn expect_off<T>(call: &Call<'_, T>, machine: &Moref) -> Result<(), Fault> {
    let existing = call.get::<VirtualMachine>(machine)?.runtime().power_state();
    if existing == Power::PoweredOff {
        return Ok(());
    }
    Err(InvalidPowerState::with(|fault| {
        fault.set_requested_state(Power::PoweredOff).set_existing_state(existing);
    })
    .into())
}

/// Gives out the files of these machines.
///
/// - `TaskInProgress` while another task is under way on one of them.
fn export<T>(
    call: &mut Call<'_, T>,
    method: &'static Method,
    entity: &Moref,
    machines: &[Moref],
) -> Result<Moref, Fault> {
    let mut devices = Vec::new();
    let mut taken = Vec::new();
    for moref in machines {
        let machine = call.get::<VirtualMachine>(moref)?;
        if let Some(config) = machine.config() {
            devices.extend(device::of(call, moref, machine.name(), config, &mut taken));
        }
    }
    let devices = device::load(call, devices)?;
    let lease = create(call, false)?;
    let running = call.begin_task(method, machines)?;
    let task = running.0.clone();
    make_ready(call, &lease, entity, Vec::new(), devices, Some(running))?;
    watch(call.context(), &lease, Some(task));
    Ok(lease)
}

/// A lease to fetch the machine's disks and images.
///
/// - `InvalidPowerState` unless the machine is off; `FileNotFound` for a disk that is not there.
pub(crate) fn export_vm(call: &mut Call<'_, VirtualMachine>, _: ExportVm) -> Result<Moref, Fault> {
    let this = call.moref();
    expect_off(call, &this)?;
    export(call, ExportVm::method(), &this, std::slice::from_ref(&this))
}

/// A lease to fetch the disks and images of all machines of the vApp.
///
/// - `InvalidPowerState` unless all are off; `FileNotFound` for a disk that is not there.
pub(crate) fn export_v_app(call: &mut Call<'_, VirtualApp>, _: ExportVApp) -> Result<Moref, Fault> {
    let this = call.moref();
    let machines = super::super::virtual_app::machines(call, &this);
    machines.iter().try_for_each(|machine| expect_off(call, machine))?;
    call.get::<ResourcePool>(&this)?;
    export(call, ExportVApp::method(), &this, &machines)
}

/// A lease to fetch the disks and images that the machine had when the snapshot was taken. It may run meanwhile.
///
/// - `FileNotFound` for a disk that is not there.
pub(crate) fn export_snapshot(call: &mut Call<'_, VirtualMachineSnapshot>, _: ExportSnapshot) -> Result<Moref, Fault> {
    let snapshot = call.this()?.clone();
    let machine = snapshot.vm();
    let name = call.get::<VirtualMachine>(&machine)?.name().clone();
    let devices = device::of(call, &machine, &name, snapshot.config(), &mut Vec::new());
    let devices = device::load(call, devices)?;
    let lease = create(call, false)?;
    make_ready(call, &lease, &machine, Vec::new(), devices, None)?;
    watch(call.context(), &lease, None);
    Ok(lease)
}
