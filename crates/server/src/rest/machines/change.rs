//! Changes of a machine's devices and settings, as a specification for the Web Services API.

use serde_json::Value as Json;
use vimsim_types::enums::{VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation, VirtualSCSISharing};
use vimsim_types::views::{
    DistributedVirtualPortgroup, Network, OpaqueNetwork, OpaqueNetworkSummary, ParaVirtualSCSIController,
    VirtualAHCIController, VirtualBusLogicController, VirtualCdrom, VirtualCdromAtapiBackingInfo,
    VirtualCdromIsoBackingInfo, VirtualCdromRemoteAtapiBackingInfo, VirtualCdromRemotePassthroughBackingInfo,
    VirtualController, VirtualDevice, VirtualDeviceConfigSpec, VirtualDeviceConnectInfo, VirtualDisk,
    VirtualDiskFlatVer2BackingInfo, VirtualE1000, VirtualE1000e, VirtualEthernetCard,
    VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualEthernetCardNetworkBackingInfo,
    VirtualEthernetCardOpaqueNetworkBackingInfo, VirtualIDEController, VirtualLsiLogicController,
    VirtualLsiLogicSASController, VirtualMachineConfigSpec, VirtualNVMEController, VirtualPCNet32,
    VirtualSATAController, VirtualSCSIController, VirtualVmxnet, VirtualVmxnet2, VirtualVmxnet3,
};
use vimsim_types::{Object, TypeId, View};

use super::show;
use crate::rest::call::Call;
use crate::rest::{ErrorKind, RestError, Result};

/// The capacity of a disk of which none is said, in bytes.
// Fidelity: in vCenter this depends on the guest.
const USUAL_CAPACITY: i64 = 16 << 30;

/// What devices hang on: its name, all controllers of the kind, the one that is made where none is said, and how many
/// devices each takes.
const BUSES: [(&str, TypeId, TypeId, i32); 4] = [
    ("IDE", VirtualIDEController::TYPE, VirtualIDEController::TYPE, 2),
    ("SCSI", VirtualSCSIController::TYPE, ParaVirtualSCSIController::TYPE, 16),
    ("SATA", VirtualSATAController::TYPE, VirtualAHCIController::TYPE, 30),
    ("NVME", VirtualNVMEController::TYPE, VirtualNVMEController::TYPE, 15),
];

const CARDS: [(&str, TypeId); 6] = [
    ("VMXNET3", VirtualVmxnet3::TYPE),
    ("E1000", VirtualE1000::TYPE),
    ("E1000E", VirtualE1000e::TYPE),
    ("PCNET32", VirtualPCNet32::TYPE),
    ("VMXNET", VirtualVmxnet::TYPE),
    ("VMXNET2", VirtualVmxnet2::TYPE),
];

const SCSI_TYPES: [(&str, TypeId); 4] = [
    ("PVSCSI", ParaVirtualSCSIController::TYPE),
    ("BUSLOGIC", VirtualBusLogicController::TYPE),
    ("LSILOGIC", VirtualLsiLogicController::TYPE),
    ("LSILOGICSAS", VirtualLsiLogicSASController::TYPE),
];

/// What is to change.
pub(super) struct Change<'a> {
    call: &'a Call,
    /// The devices that there are and will be; what is new has a key below zero.
    devices: Vec<VirtualDevice>,
    /// The datastore and folder of the machine's files: `[LocalDS_0] name/`.
    folder: String,
    pub(super) spec: VirtualMachineConfigSpec,
}

fn number(value: &Json) -> Option<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok())
}

fn invalid(message: &str) -> RestError {
    RestError::invalid(&message)
}

fn taken(message: String) -> RestError {
    RestError::new(ErrorKind::ResourceInUse, "com.vmware.api.vcenter.vm.hardware.address_in_use", message)
}

impl<'a> Change<'a> {
    /// Of a machine with these devices; of a new one without.
    pub(super) fn new(call: &'a Call, devices: Option<Vec<VirtualDevice>>, folder: String) -> Self {
        // Every machine has these.
        let ide = |bus: i32| {
            let controller = VirtualIDEController::with(|it| {
                it.set_bus_number(bus).set_key(200 + bus);
            });
            VirtualDevice::from_object_unchecked(controller.into())
        };
        let devices = devices.unwrap_or_else(|| vec![ide(0), ide(1)]);
        Self { call, devices, folder, spec: VirtualMachineConfigSpec::new() }
    }

    fn change(&mut self, device: VirtualDevice, operation: VirtualDeviceConfigSpecOperation) {
        self.spec.push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(operation).set_device(device);
        }));
    }

    fn add(&mut self, device: VirtualDevice) {
        self.devices.push(device.clone());
        self.change(device, VirtualDeviceConfigSpecOperation::Add);
    }

    /// A key that no device has.
    fn key(&self) -> i32 {
        -100 - i32::try_from(self.devices.len()).unwrap_or(i32::MAX - 100)
    }

    /// Takes a device away; the file of a disk stays.
    pub(super) fn remove(&mut self, device: &VirtualDevice) {
        self.change(device.clone(), VirtualDeviceConfigSpecOperation::Remove);
    }

    fn controllers(&self, kind: TypeId) -> impl Iterator<Item = &VirtualController> {
        let all = self.devices.iter().filter(move |device| device.as_object().kind().is_a(kind));
        all.filter_map(|device| device.downcast::<VirtualController>())
    }

    /// Adds a controller: at the bus that is asked for, or the next that is free.
    pub(super) fn add_adapter(&mut self, name: &str, wanted: &Json) -> Result<i32> {
        let bus =
            BUSES.iter().find(|bus| bus.0.eq_ignore_ascii_case(name)).ok_or_else(|| invalid("no such adapter"))?;
        let kind = match wanted["type"].as_str().filter(|_| bus.0 == "SCSI") {
            Some(word) => SCSI_TYPES.iter().find(|known| known.0 == word).ok_or_else(|| invalid("no such type"))?.1,
            None => bus.2,
        };
        let sharing = match wanted["sharing"].as_str() {
            Some("VIRTUAL") => VirtualSCSISharing::VirtualSharing,
            Some("PHYSICAL") => VirtualSCSISharing::PhysicalSharing,
            _ => VirtualSCSISharing::NoSharing,
        };
        let used: Vec<i32> = self.controllers(bus.1).map(|it| it.bus_number()).collect();
        let number = number(&wanted["bus"]).or_else(|| (0..4).find(|number| !used.contains(number)));
        let number = number.filter(|number| (0..4).contains(number)).ok_or_else(|| invalid("there is no such bus"))?;
        if used.contains(&number) {
            return Err(taken(format!("{} bus {number} is in use.", bus.0)));
        }
        let key = self.key();
        let mut object = Object::new(kind);
        if let Some(controller) = VirtualController::from_mut(&mut object) {
            controller.set_bus_number(number).set_key(key);
        }
        if let Some(controller) = VirtualSCSIController::from_mut(&mut object) {
            controller.set_shared_bus(sharing);
        }
        self.add(VirtualDevice::from_object_unchecked(object));
        Ok(key)
    }

    /// Finds the controller and the unit for a disk or drive. A controller that is missing is made, but for IDE.
    fn place(&mut self, wanted: &Json, usual: &str) -> Result<(i32, i32)> {
        let named = BUSES.iter().find(|bus| wanted[bus.0.to_lowercase()].is_object()).map(|bus| bus.0);
        let name = wanted["type"].as_str().or(named).unwrap_or(usual);
        let bus = *BUSES.iter().find(|bus| bus.0 == name).ok_or_else(|| invalid("no such type"))?;
        let address = &wanted[name.to_lowercase()];
        let place = |field: &str| address[field].as_bool().map(|first| i32::from(!first));
        let (number, unit) = match name {
            "IDE" => (place("primary"), place("master")),
            _ => (number(&address["bus"]), number(&address["unit"])),
        };
        let is_free = |devices: &[VirtualDevice], controller: i32, unit: i32| {
            let is_there =
                |it: &VirtualDevice| it.controller_key() == Some(controller) && it.unit_number() == Some(unit);
            let is_own = name == "SCSI" && unit == 7;
            !is_own && !devices.iter().any(is_there)
        };
        let known = self.controllers(bus.1).filter(|it| number.is_none_or(|number| it.bus_number() == number));
        let known: Vec<i32> = known.map(|it| it.key()).collect();
        for controller in &known {
            let free = match unit {
                Some(unit) => Some(unit).filter(|unit| is_free(&self.devices, *controller, *unit)),
                None => (0..bus.3).find(|unit| is_free(&self.devices, *controller, *unit)),
            };
            if let Some(unit) = free {
                return Ok((*controller, unit));
            }
        }
        if !known.is_empty() && (number.is_some() || unit.is_some()) || name == "IDE" {
            return Err(taken(format!("There is no free address of {name}.")));
        }
        let controller = self.add_adapter(name, &serde_json::json!({ "bus": number }))?;
        Ok((controller, unit.unwrap_or_default()))
    }

    /// Adds a disk: a new one, or that of a file.
    pub(super) fn add_disk(&mut self, wanted: &Json) -> Result<()> {
        let (controller, unit) = self.place(wanted, "SCSI")?;
        let known = wanted["backing"]["vmdk_file"].as_str();
        let new = &wanted["new_vmdk"];
        if known.is_some() == new.is_object() {
            return Err(invalid("either backing or new_vmdk must be given"));
        }
        let capacity = new["capacity"].as_i64().unwrap_or(USUAL_CAPACITY);
        if known.is_none() && capacity <= 0 {
            return Err(invalid("capacity must be above 0"));
        }
        let file = match (known, new["name"].as_str()) {
            (Some(file), _) => file.to_string(),
            (None, Some(name)) => format!("{}{}.vmdk", self.folder, name.trim_end_matches(".vmdk")),
            (None, None) => String::new(),
        };
        let key = self.key();
        let disk = VirtualDisk::with(|disk| {
            disk.set_key(key).set_controller_key(controller).set_unit_number(unit);
            if known.is_none() {
                disk.set_capacity_in_kb(capacity / 1024).set_capacity_in_bytes(capacity);
            }
            disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_file_name(file);
            }));
        });
        let disk = VirtualDevice::from_object_unchecked(disk.into());
        self.devices.push(disk.clone());
        self.spec.push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Add).set_device(disk);
            if known.is_none() {
                change.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
            }
        }));
        Ok(())
    }

    /// Adds a network card.
    pub(super) fn add_card(&mut self, wanted: &Json) -> Result<()> {
        let name = wanted["type"].as_str().unwrap_or("VMXNET3");
        let kind = CARDS.iter().find(|known| known.0 == name).ok_or_else(|| invalid("no such type"))?.1;
        let mut device = VirtualDevice::from_object_unchecked(Object::new(kind));
        device.set_key(self.key());
        if wanted["backing"].is_null() {
            return Err(invalid("backing is missing"));
        }
        self.fill_card(&mut device, wanted)?;
        connect(&mut device, wanted, true);
        self.add(device);
        Ok(())
    }

    fn fill_card(&self, device: &mut VirtualDevice, wanted: &Json) -> Result<()> {
        if !wanted["backing"].is_null() {
            device.as_object_mut().set(VirtualDevice::BACKING, self.network(&wanted["backing"])?.into());
        }
        let Some(card) = device.downcast_mut::<VirtualEthernetCard>() else { return Ok(()) };
        if let Some(enabled) = wanted["wake_on_lan_enabled"].as_bool() {
            card.set_wake_on_lan_enabled(enabled);
        }
        match (wanted["mac_type"].as_str(), wanted["mac_address"].as_str()) {
            (Some("MANUAL"), Some(address)) => _ = card.set_address_type("manual").set_mac_address(address),
            (Some("MANUAL"), None) if card.mac_address().is_none() => return Err(invalid("mac_address is missing")),
            (Some("MANUAL"), None) => _ = card.set_address_type("manual"),
            (Some(word), _) => _ = card.set_address_type(word.to_lowercase()).set_mac_address(None::<&str>),
            (None, Some(address)) => _ = card.set_address_type("manual").set_mac_address(address),
            (None, None) => {}
        }
        Ok(())
    }

    /// What a network card is plugged into.
    fn network(&self, wanted: &Json) -> Result<Object> {
        let moref = self.call.object::<Network>(wanted["network"].as_str().unwrap_or_default())?;
        let snapshot = self.call.service().snapshot();
        let missing = || self.call.no_object(Network::TYPE, moref.value());
        if let Some(group) = snapshot.view::<DistributedVirtualPortgroup>(&moref) {
            let switch = group.config().distributed_virtual_switch().ok_or_else(missing)?;
            let uuid = show::switch_uuid(&snapshot, &switch).ok_or_else(missing)?;
            let backing = VirtualEthernetCardDistributedVirtualPortBackingInfo::with(|backing| {
                let port = backing.port_mut();
                port.set_switch_uuid(uuid).set_portgroup_key(group.key());
                port.set_port_key(wanted["distributed_port"].as_str());
            });
            return Ok(backing.into());
        }
        if let Some(network) = snapshot.view::<OpaqueNetwork>(&moref) {
            let summary = network.summary().downcast::<OpaqueNetworkSummary>().ok_or_else(missing)?;
            let backing = VirtualEthernetCardOpaqueNetworkBackingInfo::with(|backing| {
                backing.set_opaque_network_id(summary.opaque_network_id());
                backing.set_opaque_network_type(summary.opaque_network_type());
            });
            return Ok(backing.into());
        }
        let network: &Network = snapshot.view(&moref).ok_or_else(missing)?;
        let backing = VirtualEthernetCardNetworkBackingInfo::with(|backing| {
            backing.set_network(moref.clone()).set_device_name(network.name());
        });
        Ok(backing.into())
    }

    /// Adds a CD-ROM drive.
    pub(super) fn add_cdrom(&mut self, wanted: &Json) -> Result<()> {
        let (controller, unit) = self.place(wanted, "IDE")?;
        let mut device = VirtualDevice::from_object_unchecked(Object::new(VirtualCdrom::TYPE));
        device.set_key(self.key()).set_controller_key(controller).set_unit_number(unit);
        device.as_object_mut().set(VirtualDevice::BACKING, medium(&wanted["backing"])?.into());
        connect(&mut device, wanted, true);
        self.add(device);
        Ok(())
    }

    /// Changes what can be changed of a device.
    pub(super) fn edit(&mut self, device: &VirtualDevice, wanted: &Json) -> Result<()> {
        let mut device = device.clone();
        let kind = device.as_object().kind();
        if kind.is_a(VirtualEthernetCard::TYPE) {
            self.fill_card(&mut device, wanted)?;
        } else if kind.is_a(VirtualCdrom::TYPE) {
            if !wanted["backing"].is_null() {
                device.as_object_mut().set(VirtualDevice::BACKING, medium(&wanted["backing"])?.into());
            }
        } else if let Some(disk) = device.downcast_mut::<VirtualDisk>() {
            let file =
                wanted["backing"]["vmdk_file"].as_str().ok_or_else(|| invalid("backing.vmdk_file is missing"))?;
            disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_file_name(file);
            }));
        } else if let Some(controller) = device.downcast_mut::<VirtualSCSIController>() {
            match wanted["sharing"].as_str() {
                Some("VIRTUAL") => _ = controller.set_shared_bus(VirtualSCSISharing::VirtualSharing),
                Some("PHYSICAL") => _ = controller.set_shared_bus(VirtualSCSISharing::PhysicalSharing),
                Some("NONE") => _ = controller.set_shared_bus(VirtualSCSISharing::NoSharing),
                _ => {}
            }
        }
        connect(&mut device, wanted, false);
        self.change(device, VirtualDeviceConfigSpecOperation::Edit);
        Ok(())
    }

    /// Plugs a device in, or pulls it out.
    pub(super) fn plug(&mut self, device: &VirtualDevice, connected: bool) {
        let mut device = device.clone();
        device.connectable_mut().set_connected(connected);
        self.change(device, VirtualDeviceConfigSpecOperation::Edit);
    }
}

/// Whether a device starts connected, and who may change that.
fn connect(device: &mut VirtualDevice, wanted: &Json, is_new: bool) {
    let (start, control) = (wanted["start_connected"].as_bool(), wanted["allow_guest_control"].as_bool());
    if is_new {
        device.set_connectable(VirtualDeviceConnectInfo::with(|it| {
            it.set_start_connected(start.unwrap_or_default()).set_allow_guest_control(control.unwrap_or_default());
            it.set_connected(false);
        }));
    } else if start.is_some() || control.is_some() {
        let connectable = device.connectable_mut();
        if let Some(start) = start {
            connectable.set_start_connected(start);
        }
        if let Some(control) = control {
            connectable.set_allow_guest_control(control);
        }
    }
}

/// What is in a CD-ROM drive.
fn medium(wanted: &Json) -> Result<Object> {
    let backing: Object = match wanted["type"].as_str() {
        Some("ISO_FILE") => {
            let file = wanted["iso_file"].as_str().ok_or_else(|| invalid("iso_file is missing"))?;
            VirtualCdromIsoBackingInfo::with(|backing| _ = backing.set_file_name(file)).into()
        }
        Some("HOST_DEVICE") => VirtualCdromAtapiBackingInfo::with(|backing| {
            let name = wanted["host_device"].as_str();
            backing.set_device_name(name.unwrap_or_default()).set_use_auto_detect(name.is_none());
        })
        .into(),
        Some("CLIENT_DEVICE") if wanted["device_access_type"] == "EMULATION" => {
            VirtualCdromRemoteAtapiBackingInfo::with(|backing| _ = backing.set_device_name("")).into()
        }
        None | Some("CLIENT_DEVICE") => VirtualCdromRemotePassthroughBackingInfo::with(|backing| {
            backing.set_exclusive(false).set_device_name("");
        })
        .into(),
        Some(_) => return Err(invalid("no such type of backing")),
    };
    Ok(backing)
}
