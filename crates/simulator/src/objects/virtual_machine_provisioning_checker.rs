//! `VirtualMachineProvisioningChecker`: whether a machine can be moved or copied to somewhere.
//!
//! A check does what it is asked about, and then undoes it: what would be refused is found out by trying.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{
    CheckCloneTask, CheckInstantCloneTask, CheckMigrateTask, CheckRelocateTask, QueryVMotionCompatibilityExTask,
};
use vimsim_types::views::{
    CheckResult, HostSystem, InvalidPowerState, VirtualMachine, VirtualMachineProvisioningChecker,
    VirtualMachineRelocateSpec,
};
use vimsim_types::{Fault, Moref, View};

use super::{managed_entity, virtual_machine};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<VirtualMachineProvisioningChecker> {
    Kind::new()
        .write(query_vmotion_compatibility_ex)
        .write(check_migrate)
        .write(check_relocate)
        .write(check_clone)
        .write(check_instant_clone)
}

fn result(machine: &Moref, host: Option<Moref>, errors: Vec<Fault>) -> CheckResult {
    CheckResult::with(|result| {
        result.set_vm(machine.clone()).set_host(host);
        if !errors.is_empty() {
            result.set_error(errors.iter().map(Fault::localized));
        }
    })
}

/// What a move there would be refused for.
fn relocation<T>(call: &Call<'_, T>, machine: &Moref, spec: &VirtualMachineRelocateSpec) -> Result<CheckResult, Fault> {
    let errors = virtual_machine::check_relocation(call, machine, spec).err().into_iter().collect();
    Ok(result(machine, spec.host(), errors))
}

/// Whether each of the machines could be moved to each of the hosts while it runs.
///
/// - `ManagedObjectNotFound` for a machine or host that is not there.
fn query_vmotion_compatibility_ex(
    call: &mut Call<'_, VirtualMachineProvisioningChecker>,
    request: QueryVMotionCompatibilityExTask,
) -> Result<Moref, Fault> {
    request.vm().iter().try_for_each(|machine| call.get::<VirtualMachine>(&machine).map(|_| ()))?;
    request.host().iter().try_for_each(|host| call.get::<HostSystem>(&host).map(|_| ()))?;
    call.start_task(move |call| {
        let mut results = Vec::new();
        for machine in request.vm() {
            for host in request.host() {
                let errors = virtual_machine::problems_on(call, &machine, &host)?;
                results.push(result(&machine, Some(host), errors));
            }
        }
        Ok(results)
    })
}

/// Whether the machine could be moved to another host or pool.
///
/// - `ManagedObjectNotFound` for what is not there; `InvalidArgument` if neither a host nor a pool is named.
fn check_migrate(
    call: &mut Call<'_, VirtualMachineProvisioningChecker>,
    request: CheckMigrateTask,
) -> Result<Moref, Fault> {
    call.get::<VirtualMachine>(&request.vm())?;
    let spec = VirtualMachineRelocateSpec::with(|spec| {
        spec.set_host(request.host()).set_pool(request.pool());
    });
    virtual_machine::check_location(call, &spec)?;
    if spec.host().is_none() && spec.pool().is_none() {
        return Err(Fault::invalid_argument("host", "neither a host nor a pool is named"));
    }
    call.start_task(move |call| {
        let existing = call.get::<VirtualMachine>(&request.vm())?.runtime().power_state();
        if let Some(wanted) = request.state().filter(|wanted| *wanted != existing) {
            return Ok(vec![result(&request.vm(), request.host(), vec![power(wanted, existing)])]);
        }
        Ok(vec![relocation(call, &request.vm(), &spec)?])
    })
}

fn power(wanted: Power, existing: Power) -> Fault {
    InvalidPowerState::with(|fault| {
        fault.set_requested_state(wanted).set_existing_state(existing);
    })
    .into()
}

/// Whether the machine could be moved as the specification says.
///
/// - `ManagedObjectNotFound` for what is not there.
fn check_relocate(
    call: &mut Call<'_, VirtualMachineProvisioningChecker>,
    request: CheckRelocateTask,
) -> Result<Moref, Fault> {
    call.get::<VirtualMachine>(&request.vm())?;
    virtual_machine::check_location(call, request.spec())?;
    call.start_task(move |call| Ok(vec![relocation(call, &request.vm(), request.spec())?]))
}

/// Whether the machine could be copied as the specification says.
///
/// - `ManagedObjectNotFound` for what is not there.
fn check_clone(
    call: &mut Call<'_, VirtualMachineProvisioningChecker>,
    request: CheckCloneTask,
) -> Result<Moref, Fault> {
    call.get::<VirtualMachine>(&request.vm())?;
    virtual_machine::check_location(call, request.spec().location())?;
    call.start_task(move |call| {
        let spec = request.spec().location();
        let errors: Vec<Fault> = managed_entity::check_name(call, &request.folder(), request.name())
            .err()
            .into_iter()
            .chain(virtual_machine::check_relocation(call, &request.vm(), spec).err())
            .collect();
        Ok(vec![result(&request.vm(), spec.host(), errors)])
    })
}

/// Whether the running machine could be forked as the specification says.
///
/// - `ManagedObjectNotFound` for what is not there.
fn check_instant_clone(
    call: &mut Call<'_, VirtualMachineProvisioningChecker>,
    request: CheckInstantCloneTask,
) -> Result<Moref, Fault> {
    call.get::<VirtualMachine>(&request.vm())?;
    virtual_machine::check_location(call, request.spec().location())?;
    call.start_task(move |call| {
        let spec = request.spec().location();
        let existing = call.get::<VirtualMachine>(&request.vm())?.runtime().power_state();
        let state = (existing != Power::PoweredOn).then(|| power(Power::PoweredOn, existing));
        let other = virtual_machine::check_relocation(call, &request.vm(), spec).err();
        Ok(vec![result(&request.vm(), spec.host(), state.into_iter().chain(other).collect())])
    })
}
