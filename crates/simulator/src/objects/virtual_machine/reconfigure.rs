//! Changing virtual machines.

use vimsim_types::enums::{
    VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation, VirtualMachinePowerState as Power,
};
use vimsim_types::method::{ReconfigVMTask, RenameTask};
use vimsim_types::views::{
    ConcurrentAccess, CryptoSpecDecrypt, InvalidState, ManagedEntity, NotSupported, ResourceConfigSpec,
    VirtualDeviceConfigSpec, VirtualMachine, VirtualMachineConfigSpec, VmInstanceUuidChangedEvent, VmReconfiguredEvent,
    VmUuidChangedEvent,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::device::{self, Site};
use super::{config, create, encryption, guest, limits, places, power, power_rules, set_property, summary};
use crate::call::Call;
use crate::config::Fidelity;
use crate::containers;
use crate::files::edit;
use crate::objects::{event_manager, managed_entity, pbm_profile_manager};

/// Changes the machine as the specification says, all of it or nothing.
///
/// - As faults of the task: what [`encryption::apply`] says; `NotSupported` for more than the name and the annotation of a
///   template; `InvalidName`, `DuplicateName`; `ConcurrentAccess` if it has changed since `changeVersion`; for what it
///   takes only while it is off what [`power_rules::check`] says; `InvalidArgument` and `InvalidVmConfig` as when it is
///   created, and what [`device::change`] says of devices.
pub(super) fn reconfig_vm(call: &mut Call<'_, VirtualMachine>, request: ReconfigVMTask) -> Result<Moref, Fault> {
    if containers::machine::changes_container(call, &call.moref(), request.spec()) {
        return containers::machine::reconfigure(call, request.spec().clone());
    }
    call.start_task(move |call| {
        let this = call.moref();
        reconfigure(call, &this, request.spec())
    })
}

/// What [`reconfig_vm`] does.
pub(crate) fn reconfigure<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    spec: &VirtualMachineConfigSpec,
) -> Result<(), Fault> {
    let (rest, assignments) = set_property::split(spec).unzip();
    let spec = rest.as_ref().unwrap_or(spec);
    let mut machine = call.get::<VirtualMachine>(moref)?.clone();
    check(&machine, spec, call.context().fidelity())?;
    power::count_reservation(call, moref, -1)?;
    let old_name = machine.name().clone();
    if let Some(wanted) = spec.name().filter(|name| !name.is_empty()) {
        let name = check_name(call, moref, &machine, wanted)?;
        machine.set_name(&name);
        machine.config_mut().set_name(managed_entity::written(wanted, &name));
    }
    if let Some(uuid) = spec.uuid().filter(|uuid| !uuid.is_empty()) {
        machine.config_mut().set_uuid(uuid);
    }
    if let Some(uuid) = spec.instance_uuid().filter(|uuid| !uuid.is_empty()) {
        machine.config_mut().set_instance_uuid(create::instance_uuid(call, uuid, moref));
    }
    config::apply(machine.config_mut(), spec);
    config::apply_v_app(machine.config_mut(), spec)?;
    config::set_guest_family(&mut machine);
    config::touch(machine.config_mut(), call.now());
    let host = machine.runtime().host();
    let mut policies = pbm_profile_manager::Changes::default();
    policies.home(spec.vm_profile());
    // Disks are encrypted after their machine, and decrypted before it.
    let is_decrypt = spec.crypto().is_some_and(|spec| spec.downcast::<CryptoSpecDecrypt>().is_some());
    if !is_decrypt {
        encryption::apply(call, host.as_ref(), &mut machine, spec.crypto())?;
    }
    if !spec.device_change().is_empty() {
        let keys = change_devices(call, moref, &mut machine, spec)?;
        let changes: Vec<VirtualDeviceConfigSpec> = spec.device_change().iter().cloned().collect();
        policies.devices(&changes, &keys);
        encryption::follow_tpm(call, host.as_ref(), &mut machine)?;
    }
    if is_decrypt {
        encryption::apply(call, host.as_ref(), &mut machine, spec.crypto())?;
    }
    encryption::show(&mut machine);
    set_property::assign(&mut machine, assignments.as_deref().unwrap_or_default())?;
    let new_name = machine.name().clone();
    if let Some(config) = machine.config() {
        limits::check_boot_order(spec, config)?;
    }
    limits::check_reservation(call, call.get::<VirtualMachine>(moref)?, &machine)?;
    let old = std::mem::replace(call.edit::<VirtualMachine>(moref)?, machine);
    policies.apply(call, moref)?;
    power::count_reservation(call, moref, 1)?;
    if !spec.device_change().is_empty() {
        guest::give_addresses(call, moref)?;
        containers::machine::replug(call, moref);
    }
    if new_name != old_name {
        event_manager::renamed(call, moref, &old_name, &new_name)?;
    }
    tell_uuids(call, moref, &old)?;
    call.post(
        moref,
        VmReconfiguredEvent::with(|event| {
            event.set_template(false);
            event.set_config_spec(spec.clone());
        }),
    )
}

/// Tells that the machine has other identifiers than before.
fn tell_uuids<T>(call: &mut Call<'_, T>, moref: &Moref, old: &VirtualMachine) -> Result<(), Fault> {
    let of = |machine: &VirtualMachine| machine.config().map(|it| (it.uuid().clone(), it.instance_uuid().cloned()));
    let new = of(call.get::<VirtualMachine>(moref)?);
    let (Some((old, old_instance)), Some((new, new_instance))) = (of(old), new) else { return Ok(()) };
    if old != new {
        let event = VmUuidChangedEvent::with(|event| {
            event.set_template(false);
            event.set_old_uuid(old).set_new_uuid(new);
        });
        call.post(moref, event)?;
    }
    match (old_instance, new_instance) {
        (Some(old), Some(new)) if old != new => {
            let event = VmInstanceUuidChangedEvent::with(|event| {
                event.set_template(false);
                event.set_old_instance_uuid(old).set_new_instance_uuid(new);
            });
            call.post(moref, event)
        }
        _ => Ok(()),
    }
}

fn change_devices<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    machine: &mut VirtualMachine,
    spec: &VirtualMachineConfigSpec,
) -> Result<Vec<i32>, Fault> {
    let nowhere = || Fault::new(InvalidState::new(), "the virtual machine is on no host and no datastore");
    let datacenter = call.datacenter_of(moref).ok_or_else(nowhere)?;
    let host = machine.runtime().host().ok_or_else(nowhere)?;
    let home = machine.datastore().first().ok_or_else(nowhere)?;
    let uuid = machine.config().map(|config| config.uuid().clone()).unwrap_or_default();
    let is_on = machine.runtime().power_state() == Power::PoweredOn;
    let site = Site { uuid: &uuid, datacenter: &datacenter, host: &host, is_on, is_new: false };
    let mut changes: Vec<VirtualDeviceConfigSpec> = spec.device_change().iter().cloned().collect();
    encryption::with_keys(call, &host, machine, &mut changes)?;
    let before = machine.config().cloned();
    let keys = device::change(call, &site, machine, &changes)?;
    places::refresh(call, &site, moref, machine, &home)?;
    if let (Some(before), Some(after)) = (before, machine.config()) {
        let deleted = changes.iter().filter(|change| {
            change.operation() == Some(VirtualDeviceConfigSpecOperation::Remove)
                && change.file_operation() == Some(VirtualDeviceConfigSpecFileOperation::Destroy)
        });
        let deleted: Vec<i32> = deleted.map(|change| change.device().key()).collect();
        edit::release_disks(call, &before, after, &deleted)?;
    }
    summary::count_storage(machine, call.now());
    Ok(keys)
}

/// Changes only the machine's allocations, as its pool may.
///
/// - `InvalidArgument` for one that contradicts itself.
pub(crate) fn set_allocations<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    wanted: &ResourceConfigSpec,
) -> Result<(), Fault> {
    let spec = VirtualMachineConfigSpec::with(|spec| {
        spec.set_cpu_allocation(wanted.cpu_allocation().clone());
        spec.set_memory_allocation(wanted.memory_allocation().clone());
    });
    reconfigure(call, moref, &spec)
}

/// Checks what depends on the machine as it is.
fn check(machine: &VirtualMachine, spec: &VirtualMachineConfigSpec, fidelity: Fidelity) -> Result<(), Fault> {
    let Some(current) = machine.config() else {
        return Err(Fault::new(InvalidState::new(), "the virtual machine has no configuration"));
    };
    if current.template() {
        let allowed = [VirtualMachineConfigSpec::NAME, VirtualMachineConfigSpec::ANNOTATION];
        let mut set = spec.as_object().slots().iter().enumerate().filter(|(_, value)| !is_nothing(value));
        if set.any(|(slot, _)| !allowed.contains(&slot)) {
            let message = format!("only the name and the annotation of the template '{}' can change", machine.name());
            return Err(Fault::new(NotSupported::new(), message));
        }
    }
    if let Some(version) = spec.change_version().filter(|version| !version.is_empty())
        && version != current.change_version()
    {
        return Err(Fault::new(ConcurrentAccess::new(), "the virtual machine has been changed by another"));
    }
    config::check(spec, Some(current))?;
    if fidelity == Fidelity::VCenter {
        limits::check(spec, Some(current))?;
    }
    // Fidelity: vcsim does not look at the power state.
    if fidelity == Fidelity::VCenter {
        power_rules::check(machine, current, spec)?;
    }
    Ok(())
}

fn is_nothing(value: &vimsim_types::Value) -> bool {
    value.is_unset() || value.list().is_some_and(|list| list.items().is_empty())
}

fn check_name<T>(call: &Call<'_, T>, moref: &Moref, machine: &VirtualMachine, name: &ArcStr) -> Result<ArcStr, Fault> {
    if *machine.name() == managed_entity::escape(name).as_str() {
        return Ok(machine.name().clone());
    }
    let parent = call.get::<ManagedEntity>(moref)?.parent();
    let checked = match parent {
        Some(parent) => managed_entity::check_name(call, &parent, name)?,
        None => managed_entity::valid_name(name)?,
    };
    Ok(managed_entity::later_name(call, name, checked))
}

/// Gives the machine another name. Its files keep theirs.
///
/// - `DuplicateName`, `InvalidName`, as faults of the task.
pub(super) fn rename(call: &mut Call<'_, VirtualMachine>, request: RenameTask) -> Result<Moref, Fault> {
    let wanted = request.new_name().clone();
    call.start_task(move |call| {
        let this = call.moref();
        let machine = call.this()?;
        let old = machine.name().clone();
        if old == managed_entity::escape(&wanted).as_str() {
            return Ok(());
        }
        let name = check_name(call, &this, machine, &wanted)?;
        let machine = call.this_mut()?;
        machine.set_name(&name);
        machine.config_mut().set_name(managed_entity::written(&wanted, &name));
        event_manager::renamed(call, &this, &old, &name)
    })
}
