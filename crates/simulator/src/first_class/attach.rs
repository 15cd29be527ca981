//! First class disks as devices of virtual machines.

use vimsim_types::enums::VirtualDeviceConfigSpecOperation;
use vimsim_types::views::{
    InvalidController, MissingController, NotFound, VirtualController, VirtualDevice, VirtualDeviceConfigSpec,
    VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualMachine, VirtualMachineConfigSpec, VirtualSCSIController,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::{Manager, find, holder, id_of, stored};
use crate::call::Call;
use crate::files::machine;
use crate::objects::virtual_machine;

/// Gives a machine a disk; the UUID of its device's backing.
///
/// - `NotFound`; `InvalidState` while a machine has it; `InvalidController` for a key that is no controller's,
///   `MissingController` without any that a disk could be on, and what changing devices raises.
pub(crate) fn attach(
    call: &mut Call<'_, Manager>,
    machine: &Moref,
    id: &str,
    datastore: Option<&Moref>,
    controller: Option<i32>,
    unit: Option<i32>,
) -> Result<ArcStr, Fault> {
    let disk = find(&**call, id, datastore)?.clone();
    let (place, file) = stored(&**call, &disk)?;
    super::create::expect_free(call, &disk)?;
    let controller = controller_for(call.get::<VirtualMachine>(machine)?, controller.filter(|key| *key > 0))?;
    let uuid = file.uuid.clone();
    let device = VirtualDisk::with(|device| {
        device.set_key(-1).set_controller_key(controller).set_unit_number(unit.filter(|unit| *unit >= 0));
        device.set_capacity_in_bytes(file.capacity).set_capacity_in_kb(file.capacity / 1024);
        device.set_v_disk_id(id_of(&disk.id));
        device.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
            backing.set_datastore(place.datastore.clone());
            backing.set_file_name(&place.text);
            backing.set_disk_mode("persistent").set_uuid(&file.uuid);
            backing.set_thin_provisioned(file.is_thin()).set_eagerly_scrub(file.kind == "eagerZeroedThick");
        }));
    });
    let spec = VirtualMachineConfigSpec::with(|spec| {
        spec.set_device_change([VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Add);
            change.set_device(VirtualDevice::from_object_unchecked(device.into()));
        })]);
    });
    virtual_machine::reconfigure(call, machine, &spec)?;
    super::change::write(call, disk)?;
    Ok(uuid)
}

/// The controller that a disk goes on: the one that is named, or else the first for SCSI disks that has room.
fn controller_for(machine: &VirtualMachine, wanted: Option<i32>) -> Result<i32, Fault> {
    let devices = machine.config().map(|config| config.hardware().device());
    let mut controllers = devices.into_iter().flatten().filter_map(|device| device.downcast::<VirtualController>());
    match wanted {
        Some(key) => controllers.find(|controller| controller.key() == key).map(|it| it.key()).ok_or_else(|| {
            let detail = InvalidController::with(|fault| _ = fault.set_controller_key(key));
            Fault::new(detail, format!("the virtual machine has no controller with the key {key}"))
        }),
        None => {
            let mut fitting = controllers.filter(|it| it.as_object().is::<VirtualSCSIController>());
            let found = fitting.find(|controller| controller.device().len() < 15).map(|controller| controller.key());
            found.ok_or_else(|| {
                let why = "the virtual machine has no controller that a disk can be on";
                Fault::new(MissingController::new(), why)
            })
        }
    }
}

/// Takes a disk from a machine; it stays where it is.
///
/// - `NotFound` if there is no such disk, or another machine has it.
pub(crate) fn detach(call: &mut Call<'_, Manager>, machine: &Moref, id: &str) -> Result<(), Fault> {
    call.get::<VirtualMachine>(machine)?;
    let disk = find(&**call, id, None)?.clone();
    let held = holder(&**call, &disk).filter(|(holder, _)| holder == machine);
    let Some((_, key)) = held else {
        let why = format!("the disk '{}' is not attached to {machine}", disk.name);
        return Err(Fault::new(NotFound::new(), why));
    };
    remove_devices(call, machine, &[key])?;
    super::change::write(call, disk).map(|_| ())
}

fn remove_devices<T>(call: &mut Call<'_, T>, machine: &Moref, keys: &[i32]) -> Result<(), Fault> {
    let devices = call.get::<VirtualMachine>(machine)?.config().map(|config| config.hardware().device());
    let wanted = devices.into_iter().flatten().filter(|device| keys.contains(&device.key()));
    let changes = wanted.map(|device| {
        VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Remove).set_device(device.clone());
        })
    });
    let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.set_device_change(changes));
    virtual_machine::reconfigure(call, machine, &spec)
}

/// Takes the disks that are to outlive it from a machine that will be deleted.
pub(crate) fn keep<T>(call: &mut Call<'_, T>, machine: &Moref) -> Result<(), Fault> {
    let Some(catalog) = super::catalog(&**call) else { return Ok(()) };
    let Some(config) = call.get::<VirtualMachine>(machine)?.config() else { return Ok(()) };
    let keeps = |id: &str| catalog.get(id).is_some_and(|disk| disk.keeps);
    let kept = machine::disks(config).filter(|(disk, _)| disk.v_disk_id().is_some_and(|id| keeps(id.id())));
    let keys: Vec<i32> = kept.map(|(disk, _)| disk.key()).collect();
    if keys.is_empty() { Ok(()) } else { remove_devices(call, machine, &keys) }
}
