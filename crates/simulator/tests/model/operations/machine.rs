//! What is done to virtual machines as wholes.

use vimsim_types::View;
use vimsim_types::enums::{VirtualMachineMovePriority, VirtualMachinePowerState as Power};
use vimsim_types::method::*;
use vimsim_types::views::*;

use crate::chooser::{Chooser, Operation, telling};

/// More machines than this are not created.
pub(crate) const MOST: usize = 60;

fn folder(chooser: &mut Chooser) -> Option<vimsim_types::Moref> {
    match chooser.random.once_in(20) {
        true => chooser.some::<Folder>(),
        false => chooser.some_where::<Folder>(|folder| folder.child_type().contains("VirtualMachine")),
    }
}

/// A place for a machine's files.
pub(crate) fn place(chooser: &mut Chooser) -> String {
    let datastore = chooser.some_where::<Datastore>(|_| true);
    let name = datastore.and_then(|moref| Some(chooser.seen::<Datastore>(&moref)?.name().to_string()));
    match chooser.random.below(30) {
        0 => "[nowhere]".into(),
        1 => "no path".into(),
        _ => format!("[{}]", name.unwrap_or_default()),
    }
}

/// A place that most likely suits this pool.
fn place_in(chooser: &mut Chooser, pool: &vimsim_types::Moref) -> String {
    let owner = chooser.seen::<ResourcePool>(pool).map(|pool| pool.owner());
    let owner = owner.and_then(|owner| chooser.seen::<ComputeResource>(&owner)).cloned();
    let datastores: Vec<_> = owner.iter().flat_map(|owner| owner.datastore().iter()).collect();
    let one = chooser.random.one(&datastores).cloned();
    match one.and_then(|moref| Some(chooser.seen::<Datastore>(&moref)?.name().clone())) {
        Some(name) if !chooser.random.once_in(10) => format!("[{name}]"),
        _ => place(chooser),
    }
}

/// A new disk, whose size may be none.
pub(crate) fn disk(chooser: &mut Chooser, controller: i32, unit: Option<i32>) -> VirtualDeviceConfigSpec {
    let kilobytes =
        chooser.random.of(&[1024, 1024, 1024, 1024, 4096, 4096, 4096, 1 << 20, 1 << 20, 1 << 33, 0, -5, i64::MAX]);
    let thin = chooser.random.once_in(2);
    VirtualDeviceConfigSpec::with(|change| {
        change.set_operation(vimsim_types::enums::VirtualDeviceConfigSpecOperation::Add);
        change.set_file_operation(vimsim_types::enums::VirtualDeviceConfigSpecFileOperation::Create);
        change.set_device(VirtualDisk::with(|disk| {
            disk.set_key(-2).set_controller_key(controller).set_unit_number(unit);
            disk.set_capacity_in_kb(kilobytes);
            disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_thin_provisioned(thin).set_file_name("");
            }));
        }));
    })
}

/// A configuration for a new machine.
pub(crate) fn new_config(chooser: &mut Chooser, pool: &vimsim_types::Moref) -> VirtualMachineConfigSpec {
    let (name, path) = (chooser.name("vm"), place_in(chooser, pool));
    let disks = chooser.random.below(3);
    let changes: Vec<_> = (0..disks).map(|unit| disk(chooser, 100, Some(unit as i32))).collect();
    VirtualMachineConfigSpec::with(|spec| {
        spec.set_name(name).set_guest_id("otherGuest").set_num_cpus(chooser.random.of(&[1, 2, 4]));
        spec.set_memory_mb(chooser.random.of(&[32, 128, 1024])).files_mut().set_vm_path_name(path);
        if !changes.is_empty() {
            spec.push_device_change(VirtualDeviceConfigSpec::with(|change| {
                change.set_operation(vimsim_types::enums::VirtualDeviceConfigSpecOperation::Add);
                change.set_device(VirtualLsiLogicController::with(|controller| {
                    controller.set_key(100);
                    controller.set_bus_number(0);
                    controller.set_shared_bus(vimsim_types::enums::VirtualSCSISharing::NoSharing);
                }));
            }));
        }
        changes.into_iter().for_each(|change| _ = spec.push_device_change(change));
    })
}

pub(super) fn create(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<VirtualMachine>() >= MOST {
        return destroy(chooser);
    }
    let (folder, pool) = (folder(chooser)?, chooser.some::<ResourcePool>()?);
    let config = new_config(chooser, &pool);
    let host = if chooser.random.once_in(12) { chooser.some::<HostSystem>() } else { None };
    let request = CreateVMTask::with(|request| {
        request.set_config(config).set_pool(pool).set_host(host);
    });
    telling(Operation::new(folder, request), &["VmBeingCreatedEvent", "VmCreatedEvent"])
}

/// Registers what may have been unregistered before.
pub(super) fn register(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<VirtualMachine>() >= MOST {
        return destroy(chooser);
    }
    let left = chooser.some_left();
    let path = left.unwrap_or_else(|| place(chooser) + " nothing/nothing.vmx");
    let (folder, pool) = (folder(chooser)?, chooser.maybe::<ResourcePool>());
    let name = chooser.random.once_in(3).then(|| chooser.name("registered"));
    let as_template = chooser.random.once_in(5);
    let host = if as_template || chooser.random.once_in(5) { chooser.some::<HostSystem>() } else { None };
    let request = RegisterVMTask::with(|request| {
        request.set_path(path).set_name(name).set_as_template(as_template).set_pool(pool).set_host(host);
    });
    telling(Operation::new(folder, request), &["VmRegisteredEvent"])
}

pub(super) fn unregister(chooser: &mut Chooser) -> Option<Operation> {
    let machine = chooser.machine()?;
    let config = chooser.seen::<VirtualMachine>(&machine).and_then(|machine| machine.config());
    if let Some(path) = config.and_then(|config| config.files().vm_path_name()).cloned() {
        chooser.leave(&path);
    }
    Operation::new(machine, UnregisterVM::new())
}

pub(super) fn destroy(chooser: &mut Chooser) -> Option<Operation> {
    let is_off = |machine: &VirtualMachine| machine.runtime().power_state() == Power::PoweredOff;
    let machine = chooser.some_where::<VirtualMachine>(is_off)?;
    telling(Operation::new(machine, DestroyTask::new()), &["VmRemovedEvent"])
}

pub(super) fn power_on(chooser: &mut Chooser) -> Option<Operation> {
    let host = if chooser.random.once_in(10) { chooser.some::<HostSystem>() } else { None };
    let machine = chooser.machine()?;
    let request = PowerOnVMTask::with(|request| _ = request.set_host(host));
    telling(Operation::new(machine, request), &["VmStartingEvent|VmResumingEvent", "VmPoweredOnEvent"])
}

pub(super) fn power_off(chooser: &mut Chooser) -> Option<Operation> {
    telling(Operation::new(chooser.machine()?, PowerOffVMTask::new()), &["VmPoweredOffEvent"])
}

pub(super) fn suspend(chooser: &mut Chooser) -> Option<Operation> {
    telling(Operation::new(chooser.machine()?, SuspendVMTask::new()), &["VmSuspendedEvent"])
}

pub(super) fn reset(chooser: &mut Chooser) -> Option<Operation> {
    telling(Operation::new(chooser.machine()?, ResetVMTask::new()), &["VmResettingEvent"])
}

pub(super) fn power_on_many(chooser: &mut Chooser) -> Option<Operation> {
    let datacenter = chooser.some::<Datacenter>()?;
    let machines: Vec<_> = (0..3).filter_map(|_| chooser.machine()).collect();
    Operation::new(datacenter, PowerOnMultiVMTask::with(|request| _ = request.set_vm(machines)))
}

pub(super) fn reconfigure(chooser: &mut Chooser) -> Option<Operation> {
    let machine = chooser.machine()?;
    let name = chooser.random.once_in(6).then(|| chooser.name("vm"));
    let random = &mut chooser.random;
    let spec = VirtualMachineConfigSpec::with(|spec| match random.below(6) {
        0 => _ = spec.set_num_cpus(random.of(&[0, 1, 2, 8, 1000, -1])).set_name(name),
        1 => _ = spec.set_memory_mb(random.of(&[0, 4, 64, 512, 4096, 5, i64::MAX])),
        2 => _ = spec.set_cpu_hot_add_enabled(random.once_in(2)).set_memory_hot_add_enabled(random.once_in(2)),
        3 => _ = spec.set_annotation("changed").set_guest_id("ubuntu64Guest").set_name(name),
        4 => {
            let reservation = random.of(&[0, 10, 100, -1]);
            spec.cpu_allocation_mut().set_reservation(reservation);
            spec.memory_allocation_mut().set_reservation(reservation).set_limit(random.of(&[-1, 64, 4096]));
        }
        _ => _ = spec.push_extra_config(OptionValue::with(|option| _ = option.set_key("a.b").set_value("c"))),
    });
    let request = ReconfigVMTask::with(|request| _ = request.set_spec(spec));
    telling(Operation::new(machine, request), &["VmReconfiguredEvent"])
}

pub(super) fn rename(chooser: &mut Chooser) -> Option<Operation> {
    let (machine, name) = (chooser.machine()?, chooser.name("renamed"));
    Operation::new(machine, RenameTask::with(|request| _ = request.set_new_name(name)))
}

/// A place to be: any part of it may be left open, or not fit the others.
fn location(chooser: &mut Chooser) -> VirtualMachineRelocateSpec {
    let mut one = |asks: usize| chooser.random.once_in(asks);
    let (moves_files, moves_pool, moves_host) = (one(3), one(3), one(4));
    let datastore = if moves_files { chooser.some::<Datastore>() } else { None };
    let pool = if moves_pool { chooser.some::<ResourcePool>() } else { None };
    let host = if moves_host { chooser.some::<HostSystem>() } else { None };
    let folder = if chooser.random.once_in(5) { folder(chooser) } else { None };
    VirtualMachineRelocateSpec::with(|spec| {
        spec.set_datastore(datastore).set_pool(pool).set_host(host).set_folder(folder);
    })
}

pub(super) fn clone(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<VirtualMachine>() >= MOST {
        return destroy(chooser);
    }
    let (machine, folder, name) = (chooser.machine()?, folder(chooser)?, chooser.name("clone"));
    let location = location(chooser);
    let (template, power_on) = (chooser.random.once_in(4), chooser.random.once_in(4));
    let is_changed = chooser.random.once_in(4);
    let request = CloneVMTask::with(|request| {
        request.set_folder(folder).set_name(name);
        let spec = request.spec_mut();
        spec.set_template(template).set_power_on(power_on).set_location(location);
        if is_changed {
            spec.config_mut().set_num_cpus(2);
        }
    });
    telling(Operation::new(machine, request), &["VmClonedEvent|VmDeployedEvent"])
}

pub(super) fn clone_linked(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<VirtualMachine>() >= MOST {
        return destroy(chooser);
    }
    let snapshot = chooser.snapshot_of_a_machine()?;
    let machine = match chooser.random.once_in(10) {
        true => chooser.machine()?,
        false => chooser.seen::<VirtualMachineSnapshot>(&snapshot)?.vm(),
    };
    let (folder, name) = (folder(chooser)?, chooser.name("linked"));
    let move_type = chooser.random.of(&["createNewChildDiskBacking", "moveAllDiskBackingsAndAllowSharing", "other"]);
    let request = CloneVMTask::with(|request| {
        request.set_folder(folder).set_name(name);
        let spec = request.spec_mut();
        spec.set_template(false).set_power_on(false).set_snapshot(snapshot);
        spec.location_mut().set_disk_move_type(move_type);
    });
    telling(Operation::new(machine, request), &["VmClonedEvent"])
}

pub(super) fn instant_clone(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<VirtualMachine>() >= MOST {
        return destroy(chooser);
    }
    let machine = match chooser.random.once_in(5) {
        true => chooser.machine()?,
        false => chooser.some_where::<VirtualMachine>(|it| it.runtime().power_state() == Power::PoweredOn)?,
    };
    let name = chooser.name("instant");
    let location = if chooser.random.once_in(3) { location(chooser) } else { VirtualMachineRelocateSpec::new() };
    let request = InstantCloneTask::with(|request| {
        request.spec_mut().set_name(name).set_location(location);
    });
    Operation::new(machine, request)
}

pub(super) fn relocate(chooser: &mut Chooser) -> Option<Operation> {
    let (machine, location) = (chooser.machine()?, location(chooser));
    Operation::new(machine, RelocateVMTask::with(|request| _ = request.set_spec(location)))
}

pub(super) fn migrate(chooser: &mut Chooser) -> Option<Operation> {
    let machine = chooser.machine()?;
    let pool = if chooser.random.once_in(3) { chooser.some::<ResourcePool>() } else { None };
    let host = chooser.maybe::<HostSystem>();
    let state = chooser.random.once_in(3).then_some(Power::PoweredOn);
    let request = MigrateVMTask::with(|request| {
        request.set_pool(pool).set_host(host).set_priority(VirtualMachineMovePriority::DefaultPriority);
        request.set_state(state);
    });
    Operation::new(machine, request)
}

pub(super) fn mark_as_template(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.machine()?, MarkAsTemplate::new())
}

pub(super) fn mark_as_machine(chooser: &mut Chooser) -> Option<Operation> {
    let is_template = |machine: &VirtualMachine| machine.config().is_some_and(|config| config.template());
    let machine = match chooser.random.once_in(10) {
        true => chooser.machine()?,
        false => chooser.some_where::<VirtualMachine>(is_template)?,
    };
    let (pool, host) = (chooser.some::<ResourcePool>()?, chooser.maybe::<HostSystem>());
    Operation::new(machine, MarkAsVirtualMachine::with(|request| _ = request.set_pool(pool).set_host(host)))
}

pub(super) fn promote(chooser: &mut Chooser) -> Option<Operation> {
    let unlink = chooser.random.once_in(2);
    Operation::new(chooser.machine()?, PromoteDisksTask::with(|request| _ = request.set_unlink(unlink)))
}
