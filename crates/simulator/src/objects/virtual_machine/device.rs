//! Devices of virtual machines: adding, changing and removing them.

use vimsim_types::enums::{VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation};
use vimsim_types::views::{
    Description, DeviceHotPlugNotSupported, DeviceUnsupportedForVmPlatform, InvalidDeviceOperation, InvalidDeviceSpec,
    VirtualAHCIController, VirtualCdrom, VirtualController, VirtualDevice, VirtualDeviceConfigSpec,
    VirtualDeviceConnectInfo, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualDiskSparseVer2BackingInfo,
    VirtualEthernetCard, VirtualFloppy, VirtualIDEController, VirtualMachine, VirtualNVMEController,
    VirtualPCIController, VirtualPCIPassthrough, VirtualParallelPort, VirtualPrecisionClock, VirtualSCSIController,
    VirtualSIOController, VirtualSerialPort, VirtualSerialPortURIBackingInfo, VirtualSoundCard, VirtualTPM, VirtualUSB,
    VirtualWDT,
};
use vimsim_types::{Fault, Moref, Object, TypeId, Value, View};

use super::{device_identity, disk, disk_file, ethernet, limits, ports, template};
use crate::call::Call;
use crate::config::Fidelity;
use crate::objects::environment_browser::hardware;

/// The machine whose devices are being changed, and where it is.
pub(super) struct Site<'a> {
    pub(super) uuid: &'a str,
    pub(super) datacenter: &'a Moref,
    pub(super) host: &'a Moref,
    pub(super) is_on: bool,
    /// Whether the machine is new: what it has anyway is then not added again.
    pub(super) is_new: bool,
}

/// `InvalidDeviceSpec` for the change at this place.
pub(super) fn invalid(index: usize, property: &str, why: impl std::fmt::Display) -> Fault {
    let detail = InvalidDeviceSpec::with(|fault| {
        fault.set_property(property);
        fault.set_device_index(i32::try_from(index).unwrap_or(i32::MAX));
    });
    Fault::new(detail, format!("Invalid configuration for device '{index}': {why}"))
}

/// Carries out the changes, one after the other, and answers the keys of the devices that they were about.
///
/// - `InvalidDeviceSpec` (with the place of the change) if a key is not known, a controller is missing or a unit is taken;
/// - `InvalidDeviceBacking` for a network that does not exist, `InvalidDatastore` for a datastore;
/// - `InvalidDeviceOperation` for a disk that would shrink; `DeviceUnsupportedForVmPlatform` for sparse disks;
/// - `TooManyDevices` for more of a kind than a machine can have; `ResourceInUse` for a port that something is connected to;
/// - `DeviceHotPlugNotSupported` for a device that cannot come to a running machine, or leave it.
pub(super) fn change<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    machine: &mut VirtualMachine,
    changes: &[VirtualDeviceConfigSpec],
) -> Result<Vec<i32>, Fault> {
    let mut devices: Vec<VirtualDevice> = match machine.config() {
        Some(config) if !config.hardware().device().is_empty() => config.hardware().device().iter().cloned().collect(),
        _ => template::devices().to_vec(),
    };
    // Keys that the client chose for devices to come, and what they became.
    let mut renamed: Vec<(i32, i32)> = Vec::new();
    let (mut keys, mut added) = (Vec::with_capacity(changes.len()), Vec::new());
    let is_strict = is_strict(call);
    let (taken, mut orphans) = take_controllers(site, &mut devices, changes)?;
    for (index, change) in changes.iter().enumerate() {
        let mut device = change.device().clone();
        let wanted_controller = device.controller_key();
        if let Some((_, key)) = renamed.iter().find(|(wanted, _)| Some(*wanted) == device.controller_key()) {
            device.set_controller_key(*key);
        }
        match change.operation() {
            Some(VirtualDeviceConfigSpecOperation::Add) => {
                let wanted = device.key();
                if let Some(key) = stands_in(site, &devices, &device) {
                    keys.push(key);
                    renamed.push((wanted, key));
                    continue;
                }
                check_hot_plug(site, &device, index)?;
                if is_strict {
                    limits::check_bus(&devices, &device, index)?;
                }
                let device = add(call, site, machine, &devices, device, change, index)?;
                if device.key() != wanted {
                    renamed.push((wanted, device.key()));
                }
                keys.push(device.key());
                devices.push(device);
                added.push(keys.len() - 1);
                continue;
            }
            Some(VirtualDeviceConfigSpecOperation::Edit) => {
                let at = position(&devices, device.key()).ok_or_else(|| unknown(index, device.key()))?;
                let is_moved = device.controller_key() != wanted_controller;
                devices[at] = edit(call, site, machine, &devices, at, device, index)?;
                let controller = devices[at].controller_key();
                orphans.retain(|orphan| {
                    orphan.device != devices[at].key() || !is_moved && controller == Some(orphan.controller)
                });
            }
            Some(VirtualDeviceConfigSpecOperation::Remove) if taken.contains(&index) => {}
            Some(VirtualDeviceConfigSpecOperation::Remove) => {
                let at = position(&devices, device.key()).ok_or_else(|| unknown(index, device.key()))?;
                check_hot_plug(site, &devices[at], index)?;
                devices.remove(at);
                orphans.retain(|orphan| orphan.device != device.key());
            }
            // An edit without an operation is one of a profile or filter.
            None => {}
        }
        keys.push(change.device().key());
    }
    if let Some(Orphan { controller, index, .. }) = orphans.first() {
        let why = format!("there are devices on controller {controller}");
        return Err(invalid(*index, "virtualDeviceSpec.device.key", why));
    }
    for at in added.into_iter().filter(|_| is_strict) {
        if let Some(at) = position(&devices, keys[at]) {
            limits::check_count(&devices, &devices[at])?;
        }
    }
    list_on_controllers(&mut devices);
    machine.config_mut().hardware_mut().set_device(devices);
    Ok(keys)
}

/// Whether what vCenter refuses is refused, too, of a client's specification.
fn is_strict<T>(call: &Call<'_, T>) -> bool {
    call.context().fidelity() == Fidelity::VCenter && !call.context().at_once
}

/// The hardware version that units of controllers go by; none where any are taken.
fn version<T>(call: &Call<'_, T>, machine: &VirtualMachine) -> Option<i32> {
    let version = machine.config().and_then(|config| hardware::parse(config.version()));
    is_strict(call).then_some(version.unwrap_or(i32::MAX))
}

/// A device whose controller is taken away: by the end of the changes it is on another one, or gone too.
struct Orphan {
    device: i32,
    controller: i32,
    /// The place of the change that takes the controller.
    index: usize,
}

fn is_controller(device: &VirtualDevice) -> bool {
    device.downcast::<VirtualController>().is_some()
}

/// Takes the controllers away that are to go, before anything else: their keys and bus numbers are those of the controllers
/// that replace them, wherever in the changes these are. The places of their changes and what was on them are answered.
fn take_controllers(
    site: &Site<'_>,
    devices: &mut Vec<VirtualDevice>,
    changes: &[VirtualDeviceConfigSpec],
) -> Result<(Vec<usize>, Vec<Orphan>), Fault> {
    let (mut taken, mut orphans) = (Vec::new(), Vec::new());
    for (index, change) in changes.iter().enumerate() {
        let is_removal = change.operation() == Some(VirtualDeviceConfigSpecOperation::Remove);
        let controller = change.device().key();
        let Some(at) = position(devices, controller).filter(|at| is_removal && is_controller(&devices[*at])) else {
            continue;
        };
        check_hot_plug(site, &devices[at], index)?;
        devices.remove(at);
        taken.push(index);
        let on = devices.iter().filter(|device| device.controller_key() == Some(controller));
        orphans.extend(on.map(|device| Orphan { device: device.key(), controller, index }));
    }
    Ok((taken, orphans))
}

fn unknown(index: usize, key: i32) -> Fault {
    invalid(index, "virtualDeviceSpec.device.key", format!("there is no device with the key {key}"))
}

fn position(devices: &[VirtualDevice], key: i32) -> Option<usize> {
    devices.iter().position(|device| device.key() == key)
}

/// `DeviceHotPlugNotSupported` for a device that a running machine must have from its start to its end.
// Fidelity: vCenter refuses what is on an IDE controller, floppy drives and serial ports, too. govc's users add them to
// vcsim's machines, which run, and so does govc's own suite.
fn check_hot_plug(site: &Site<'_>, device: &VirtualDevice, index: usize) -> Result<(), Fault> {
    let fixed = [
        VirtualTPM::TYPE,
        VirtualParallelPort::TYPE,
        VirtualSoundCard::TYPE,
        VirtualPCIPassthrough::TYPE,
        VirtualPrecisionClock::TYPE,
        VirtualWDT::TYPE,
    ];
    let kind = device.as_object().kind();
    if !site.is_on || !fixed.iter().any(|fixed| kind.is_a(*fixed)) {
        return Ok(());
    }
    let detail = DeviceHotPlugNotSupported::with(|fault| {
        fault.set_property("virtualDeviceSpec.operation");
        fault.set_device_index(i32::try_from(index).unwrap_or(i32::MAX));
    });
    let why = format!("a {} cannot be added or removed while the virtual machine runs", kind.name());
    Err(Fault::new(detail, why))
}

/// The key of the device that is there already, for one of which a machine has just one.
fn stands_in(site: &Site<'_>, devices: &[VirtualDevice], device: &VirtualDevice) -> Option<i32> {
    let is_base = device.controller_key().unwrap_or_default() == 0 && position(devices, device.key()).is_some();
    if is_base && device.downcast::<VirtualController>().is_some() {
        return Some(device.key());
    }
    let default = template::default_for(device)?;
    (site.is_new || device.downcast::<VirtualController>().is_some()).then_some(default.key())
}

fn add<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    machine: &VirtualMachine,
    devices: &[VirtualDevice],
    mut device: VirtualDevice,
    change: &VirtualDeviceConfigSpec,
    index: usize,
) -> Result<VirtualDevice, Fault> {
    let creates = change.file_operation() == Some(VirtualDeviceConfigSpecFileOperation::Create);
    if creates && device.downcast::<VirtualDisk>().is_some() && device.unit_number().is_none() {
        return Err(invalid(index, "virtualDeviceSpec.device.unitNumber", "a new disk needs a unit number"));
    }
    place(devices, &mut device, version(call, machine), index)?;
    device.set_key(device_identity::key(devices, &device));
    configure(call, site, machine, devices, &mut device, None, creates, index)?;
    Ok(device)
}

/// Puts the device on its controller, at the unit asked for or the first that is free.
fn place(
    devices: &[VirtualDevice],
    device: &mut VirtualDevice,
    version: Option<i32>,
    index: usize,
) -> Result<(), Fault> {
    let property = "virtualDeviceSpec.device.controllerKey";
    let wanted = device.controller_key().filter(|key| *key != 0);
    let controller = match wanted {
        Some(key) => {
            let known = position(devices, key).map(|at| &devices[at]);
            Some(known.ok_or_else(|| invalid(index, property, format!("there is no controller with the key {key}")))?)
        }
        None => default_controller(devices, device),
    };
    let Some(controller) = controller else { return Ok(()) };
    let Some((units, reserved)) = units(controller, device, version) else {
        return Err(invalid(index, property, format!("the device {} is no controller", controller.key())));
    };
    let key = controller.key();
    let own = device.key();
    let is_taken = |unit: i32| {
        let mut others = devices.iter().filter(|other| other.key() != own && other.controller_key() == Some(key));
        Some(unit) == reserved || others.any(|other| other.unit_number() == Some(unit))
    };
    let unit = match device.unit_number() {
        Some(unit) if units.contains(&unit) && !is_taken(unit) => unit,
        Some(unit) => {
            let why = format!("the unit {unit} of controller {key} is taken or does not exist");
            return Err(invalid(index, "virtualDeviceSpec.device.unitNumber", why));
        }
        None => units
            .clone()
            .find(|unit| !is_taken(*unit))
            .ok_or_else(|| invalid(index, property, format!("controller {key} has no free unit")))?,
    };
    device.set_controller_key(key);
    device.set_unit_number(unit);
    Ok(())
}

/// The controller for a device that names none.
fn default_controller<'a>(devices: &'a [VirtualDevice], device: &VirtualDevice) -> Option<&'a VirtualDevice> {
    let kind = if device.downcast::<VirtualEthernetCard>().is_some() {
        VirtualPCIController::TYPE
    } else if device.downcast::<VirtualCdrom>().is_some() {
        VirtualIDEController::TYPE
    } else if device.downcast::<VirtualFloppy>().is_some() || device.downcast::<VirtualSerialPort>().is_some() {
        VirtualSIOController::TYPE
    } else {
        // Fidelity: vCenter puts further controllers on the PCI bus. vcsim does not, and its clients read names and units.
        return None;
    };
    let count = |key: i32| devices.iter().filter(|device| device.controller_key() == Some(key)).count();
    devices
        .iter()
        .filter(|device| device.as_object().kind().is_a(kind))
        .find(|controller| kind != VirtualIDEController::TYPE || count(controller.key()) < 2)
}

/// The units that a controller has for this device, and the one it takes itself. `None` if it is no controller.
fn units(
    controller: &VirtualDevice,
    device: &VirtualDevice,
    version: Option<i32>,
) -> Option<(std::ops::Range<i32>, Option<i32>)> {
    controller.downcast::<VirtualController>()?;
    Some(if let Some(scsi) = controller.downcast::<VirtualSCSIController>() {
        let units = version.map_or(65, |version| limits::scsi_units(controller, version));
        (0..units, Some(scsi.scsi_ctlr_unit_number().unwrap_or(7)))
    } else if controller.downcast::<VirtualIDEController>().is_some() {
        (0..2, None)
    } else if controller.downcast::<VirtualAHCIController>().is_some() {
        (0..30, None)
    } else if controller.downcast::<VirtualNVMEController>().is_some() {
        (0..64, None)
    } else if controller.downcast::<VirtualPCIController>().is_some()
        && device.downcast::<VirtualEthernetCard>().is_some()
    {
        // Network adapters come behind the seven other devices of the bus.
        (7..46, None)
    } else {
        (0..128, None)
    })
}

fn edit<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    machine: &VirtualMachine,
    devices: &[VirtualDevice],
    at: usize,
    wanted: VirtualDevice,
    index: usize,
) -> Result<VirtualDevice, Fault> {
    let old = &devices[at];
    if old.as_object().kind() != wanted.as_object().kind() {
        return Err(invalid(index, "virtualDeviceSpec.device", "a device cannot become one of another type"));
    }
    // Unset fields stay as they are; a backing or connection that is given replaces the old, but for the same disk's.
    let mut object: Object = old.as_object().clone();
    let is_given = |slot: usize, value: &Value| match slot {
        // No device is on a controller with the key 0.
        VirtualDevice::CONTROLLER_KEY => *value != Value::Int(0) && !value.is_unset(),
        _ => !value.is_unset(),
    };
    for (slot, value) in wanted.as_object().slots().iter().enumerate().filter(|(slot, value)| is_given(*slot, value)) {
        object.set(slot, value.clone());
    }
    let mut device = VirtualDevice::from_object_unchecked(object);
    disk_file::keep_backing(old, &mut device);
    ports::keep(old, &mut device);
    let label = old.device_info().map(|info| info.label().clone()).unwrap_or_default();
    device.device_info_mut().set_summary("").set_label(label);
    if device.controller_key() != old.controller_key() || device.unit_number() != old.unit_number() {
        place(devices, &mut device, version(call, machine), index)?;
    }
    configure(call, site, machine, devices, &mut device, Some(old), false, index)?;
    Ok(device)
}

/// Fills in what the client left open, and what follows from the backing.
#[expect(clippy::too_many_arguments, reason = "the two callers have all of them at hand")]
fn configure<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    machine: &VirtualMachine,
    devices: &[VirtualDevice],
    device: &mut VirtualDevice,
    old: Option<&VirtualDevice>,
    creates: bool,
    index: usize,
) -> Result<(), Fault> {
    let label = device_identity::label(devices, device);
    let mut summary = device_identity::summary(device, &label);
    if let Some(card) = device.downcast_mut::<VirtualEthernetCard>() {
        let before = old.and_then(|old| old.downcast::<VirtualEthernetCard>());
        summary = ethernet::configure(call, site, card, before, index)?;
    } else if device.downcast::<VirtualDisk>().is_some() {
        if device.backing().is_some_and(|backing| backing.downcast::<VirtualDiskSparseVer2BackingInfo>().is_some()) {
            let detail = DeviceUnsupportedForVmPlatform::with(|fault| {
                fault.set_property("VirtualDeviceSpec.device.backing");
                fault.set_device_index(i32::try_from(index).unwrap_or(i32::MAX));
            });
            return Err(Fault::new(detail, "ESXi has no sparse disks of version 2"));
        }
        let old = old.and_then(|old| old.downcast::<VirtualDisk>());
        if let Some(new) = device.downcast_mut::<VirtualDisk>() {
            summary = disk::configure(call, site, machine, devices, new, old, creates, index)?;
        }
    } else if let Some(backing) = device.backing() {
        let file = backing.downcast::<VirtualDeviceFileBackingInfo>().map(|backing| backing.file_name());
        let uri = backing.downcast::<VirtualSerialPortURIBackingInfo>().map(|backing| backing.service_uri());
        let word = |kind: TypeId| match () {
            () if kind.is_a(VirtualCdrom::TYPE) => "ISO",
            () if kind.is_a(VirtualFloppy::TYPE) => "Image",
            () => "File",
        };
        if let Some(file) = file {
            summary = format!("{} {file}", word(device.as_object().kind()));
            disk::find_datastore(call, site, file, index)?;
        } else if let Some(uri) = uri {
            summary = format!("Remote {uri}");
        }
    }
    describe(device, &label, &summary);
    connect(device, site.is_on);
    Ok(())
}

/// Fills in the label and the summary where they are open.
fn describe(device: &mut VirtualDevice, label: &str, summary: &str) {
    let info = device.device_info();
    let given = |text: Option<&vimsim_types::ArcStr>| text.filter(|text| !text.is_empty()).cloned();
    let label = given(info.map(|info| info.label())).unwrap_or_else(|| label.into());
    let summary = given(info.map(|info| info.summary())).unwrap_or_else(|| summary.into());
    device.set_device_info(Description::with(|info| {
        info.set_label(label).set_summary(summary);
    }));
}

/// A device that can be connected says whether it is; only one of a running machine can be.
fn connect(device: &mut VirtualDevice, is_on: bool) {
    let connectable = [VirtualEthernetCard::TYPE, VirtualCdrom::TYPE, VirtualFloppy::TYPE, VirtualSerialPort::TYPE];
    let kind = device.as_object().kind();
    let has_plug = kind.is_a(VirtualUSB::TYPE) || connectable.iter().any(|base| kind.is_a(*base));
    if device.connectable().is_none() && has_plug {
        device.set_connectable(VirtualDeviceConnectInfo::with(|info| {
            info.set_start_connected(true).set_allow_guest_control(true).set_connected(true);
        }));
    }
    if device.connectable().is_some_and(|info| info.connected() && !is_on) {
        device.connectable_mut().set_connected(false);
    }
}

/// Connects the devices that are to be connected when the machine starts, or disconnects all.
pub(super) fn set_connected(machine: &mut VirtualMachine, is_on: bool) {
    let Some(config) = machine.config() else { return };
    let is_wrong = |device: &VirtualDevice| {
        device.connectable().is_some_and(|info| info.connected() != (is_on && info.start_connected()))
    };
    if !config.hardware().device().iter().any(is_wrong) {
        return;
    }
    for device in machine.config_mut().hardware_mut().device_mut().iter_mut().filter(|device| is_wrong(device)) {
        let connected = is_on && device.connectable().is_some_and(|info| info.start_connected());
        device.connectable_mut().set_connected(connected);
    }
}

/// Has every controller list the devices that are on it.
fn list_on_controllers(devices: &mut [VirtualDevice]) {
    for at in 0..devices.len() {
        let key = devices[at].key();
        let Some(controller) = devices[at].downcast::<VirtualController>() else { continue };
        let on = devices.iter().filter(|device| device.controller_key() == Some(key)).map(|device| device.key());
        if controller.device().iter().eq(on.clone()) {
            continue;
        }
        let on: Vec<i32> = on.collect();
        if let Some(controller) = devices[at].downcast_mut::<VirtualController>() {
            if on.is_empty() {
                controller.as_object_mut().set(VirtualController::DEVICE, Value::Unset);
            } else {
                controller.set_device(on);
            }
        }
    }
}

/// `InvalidDeviceOperation` for a device that cannot be changed so.
pub(super) fn invalid_operation(index: usize, why: String) -> Fault {
    let detail = InvalidDeviceOperation::with(|fault| {
        fault.set_device_index(i32::try_from(index).unwrap_or(i32::MAX));
    });
    Fault::new(detail, why)
}
