//! Parts of OVF machines, as devices.

use vimsim_ovf::{Envelope, Item};
use vimsim_types::enums::{VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation, VirtualSCSISharing};
use vimsim_types::views::{
    Datastore, DistributedVirtualPortgroup, DistributedVirtualSwitch, LocalizedMethodFault, Network, OpaqueNetwork,
    OvfInvalidValueReference, OvfUnsupportedDiskProvisioning, OvfUnsupportedType, VirtualAHCIController, VirtualCdrom,
    VirtualCdromIsoBackingInfo, VirtualCdromRemotePassthroughBackingInfo, VirtualController, VirtualDevice,
    VirtualDeviceConfigSpec, VirtualDeviceConnectInfo, VirtualDisk, VirtualDiskFlatVer2BackingInfo,
    VirtualDiskSeSparseBackingInfo, VirtualDiskSparseVer2BackingInfo, VirtualEthernetCard,
    VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualEthernetCardNetworkBackingInfo,
    VirtualEthernetCardOpaqueNetworkBackingInfo, VirtualFloppy, VirtualFloppyImageBackingInfo,
    VirtualFloppyRemoteDeviceBackingInfo, VirtualIDEController, VirtualNVMEController, VirtualSCSIController,
    VirtualUSBController, VirtualUSBXHCIController,
};
use vimsim_types::{Fault, Moref, Object, TypeId, View};

use super::PROVISIONING;
use crate::objects::http_nfc_lease::address;
use crate::walk::Inventory;

/// A file that is to be sent for a device.
pub(super) struct Upload {
    pub(super) device: String,
    pub(super) file: vimsim_ovf::File,
    pub(super) resource_type: i32,
    /// Whether the file does not exist until it is sent, as that of a disk does.
    pub(super) creates: bool,
}

/// The devices of a machine that is to be made.
pub(super) struct Builder<'a, I> {
    pub(super) inventory: &'a I,
    pub(super) envelope: &'a Envelope,
    pub(super) name: &'a str,
    pub(super) datastore: Moref,
    pub(super) provisioning: &'a str,
    /// The networks by the names that the descriptor has for them.
    pub(super) networks: &'a [(String, Moref)],
    /// The network for what is on none of these.
    pub(super) fallback: Option<Moref>,
    /// Those of the specification, beside the controllers that every machine has.
    pub(super) devices: Vec<VirtualDevice>,
    /// Controllers by the descriptor's names: their keys.
    controllers: Vec<(String, i32)>,
    pub(super) uploads: Vec<Upload>,
    pub(super) errors: Vec<LocalizedMethodFault>,
    pub(super) warnings: Vec<LocalizedMethodFault>,
    images: usize,
}

/// The keys of the IDE controllers that every machine has.
const IDE: i32 = 200;

impl<'a, I: Inventory> Builder<'a, I> {
    pub(super) fn new(
        inventory: &'a I,
        envelope: &'a Envelope,
        name: &'a str,
        datastore: Moref,
        provisioning: &'a str,
        networks: &'a [(String, Moref)],
        fallback: Option<Moref>,
    ) -> Self {
        let ide = |bus: i32| {
            VirtualIDEController::with(|controller| {
                controller.set_bus_number(bus).set_key(IDE + bus);
            })
        };
        let mut devices = vec![];
        devices.extend([ide(0), ide(1)].into_iter().map(|it| VirtualDevice::from_object_unchecked(it.into())));
        Self {
            inventory,
            envelope,
            name,
            datastore,
            provisioning,
            networks,
            fallback,
            devices,
            controllers: Vec::new(),
            uploads: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            images: 0,
        }
    }

    /// The changes that add the devices.
    pub(super) fn changes(&self) -> Vec<VirtualDeviceConfigSpec> {
        // Every machine has its IDE controllers already.
        let new = self.devices.iter().filter(|device| device.key() < 0);
        new.map(|device| {
            VirtualDeviceConfigSpec::with(|change| {
                change.set_operation(VirtualDeviceConfigSpecOperation::Add).set_device(device.clone());
                if device.downcast::<VirtualDisk>().is_some() {
                    change.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
                }
            })
        })
        .collect()
    }

    /// A key that no device has yet. It is replaced when the machine is made.
    fn key(&self) -> i32 {
        -100 - i32::try_from(self.devices.len()).unwrap_or(i32::MAX - 100)
    }

    /// Adds the device for a part. Controllers must come before what is on them.
    pub(super) fn add(&mut self, item: &Item) {
        match item.resource_type {
            // VMCI and the video card are there anyway.
            1 | 24 => {}
            5 => {
                let number = item.address.filter(|number| (0..2).contains(number));
                let used = self.controllers.iter().filter(|(_, key)| (IDE..IDE + 2).contains(key)).count();
                let bus = number.unwrap_or_else(|| i32::try_from(used).unwrap_or_default());
                if bus > 1 {
                    return self.unsupported(item, "a machine has two IDE controllers");
                }
                self.controllers.push((item.instance_id.clone(), IDE + bus));
            }
            6 => match scsi(item.sub_type.as_deref()) {
                Some(kind) => self.controller(item, kind),
                None => self.unsupported(item, "the SCSI controller is not known"),
            },
            10 => self.adapter(item),
            14 => self.floppy(item),
            15 | 16 => self.cdrom(item),
            17 => self.disk(item),
            20 => match item.sub_type.as_deref().map(str::to_ascii_lowercase).as_deref() {
                Some("vmware.sata.ahci" | "ahci") => self.controller(item, VirtualAHCIController::TYPE),
                Some("vmware.nvme.controller" | "nvme") => self.controller(item, VirtualNVMEController::TYPE),
                _ => self.unsupported(item, "the storage controller is not known"),
            },
            23 => match item.sub_type.as_deref() {
                Some("vmware.usb.xhci") => self.controller(item, VirtualUSBXHCIController::TYPE),
                _ => self.controller(item, VirtualUSBController::TYPE),
            },
            kind => self.unsupported(item, &format!("unsupported resource type: {kind}")),
        }
    }

    /// Says that a part cannot be had. Without one that is not required, the machine is the same.
    fn unsupported(&mut self, item: &Item, why: &str) {
        let detail = OvfUnsupportedType::with(|fault| {
            fault.set_name(&item.name).set_instance_id(&item.instance_id).set_device_type(item.resource_type);
            fault.set_line_number(0);
        });
        let fault = Fault::new(detail, format!("{}: {why}", item.name)).localized();
        if item.is_required {
            self.errors.push(fault);
        } else {
            self.warnings.push(fault);
        }
    }

    fn controller(&mut self, item: &Item, kind: TypeId) {
        let same = self.devices.iter().filter(|device| {
            let own = device.as_object().kind();
            own == kind || own.is_a(VirtualSCSIController::TYPE) && kind.is_a(VirtualSCSIController::TYPE)
        });
        let next = i32::try_from(same.count()).unwrap_or_default();
        let key = self.key();
        let mut object = Object::new(kind);
        if let Some(controller) = VirtualController::from_mut(&mut object) {
            controller.set_bus_number(item.address.filter(|bus| *bus >= next).unwrap_or(next)).set_key(key);
        }
        if let Some(controller) = VirtualSCSIController::from_mut(&mut object) {
            controller.set_shared_bus(VirtualSCSISharing::NoSharing);
        }
        self.devices.push(VirtualDevice::from_object_unchecked(object));
        self.controllers.push((item.instance_id.clone(), key));
    }

    /// The controller of a part, and the unit there: the one asked for, or the next that is free. A part whose controller
    /// cannot be had cannot be had either.
    fn place(&self, item: &Item) -> Option<(i32, i32)> {
        let parent = item.parent.as_ref()?;
        let (_, key) = self.controllers.iter().find(|(known, _)| known == parent)?;
        let is_scsi = self
            .devices
            .iter()
            .any(|device| device.key() == *key && device.as_object().kind().is_a(VirtualSCSIController::TYPE));
        let is_free = |unit: &i32| {
            let mut others = self.devices.iter().filter(|device| device.controller_key() == Some(*key));
            !(is_scsi && *unit == 7) && others.all(|device| device.unit_number() != Some(*unit))
        };
        let wanted = item.address_on_parent.filter(|unit| *unit >= 0).filter(is_free);
        Some((*key, wanted.or_else(|| (0..128).find(is_free))?))
    }

    /// The address of the device that was added last.
    fn last_address(&self) -> String {
        let last = self.devices.last().map(|device| address(&self.devices, device)).unwrap_or_default();
        format!("/{}/{last}", self.name)
    }

    fn datastore_name(&self) -> String {
        self.inventory.seen::<Datastore>(&self.datastore).map(|it| it.name().to_string()).unwrap_or_default()
    }

    fn disk(&mut self, item: &Item) {
        let Some((controller, unit)) = self.place(item) else {
            return self.unsupported(item, "its controller is missing");
        };
        let resource = item.host_resource.first().map(String::as_str).unwrap_or_default();
        let Some(description) = self.envelope.disk(resource).cloned() else {
            let detail = OvfInvalidValueReference::with(|fault| {
                fault.set_value(resource).set_element_name("HostResource").set_attribute_name("").set_line_number(0);
            });
            let why = format!("{}: there is no disk '{resource}'", item.name);
            return self.errors.push(Fault::new(detail, why).localized());
        };
        // A disk has whole kilobytes, and one at least.
        let kilobytes = (description.capacity.saturating_add(1023) / 1024).max(1);
        let key = self.key();
        let file = format!("[{}]", self.datastore_name());
        let backing = self.backing(&file);
        self.devices.push(VirtualDevice::from_object_unchecked(
            VirtualDisk::with(|disk| {
                disk.set_key(key).set_controller_key(controller).set_unit_number(unit);
                disk.set_capacity_in_kb(kilobytes).set_capacity_in_bytes(kilobytes.saturating_mul(1024));
                disk.as_object_mut().set(VirtualDevice::BACKING, backing.into());
            })
            .into(),
        ));
        if let Some(file) = description.file.as_deref().and_then(|id| self.envelope.file(id)).cloned() {
            let device = self.last_address();
            self.uploads.push(Upload { device, file, resource_type: item.resource_type, creates: false });
        }
    }

    /// The backing of a new disk, as its provisioning asks.
    fn backing(&mut self, file: &str) -> Object {
        let kind = self.provisioning;
        if kind == "monolithicSparse" {
            return VirtualDiskSparseVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_file_name(file);
            })
            .into();
        }
        if kind == "seSparse" {
            return VirtualDiskSeSparseBackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_file_name(file).set_datastore(self.datastore.clone());
            })
            .into();
        }
        if !kind.is_empty() && !PROVISIONING.contains(&kind) {
            let detail = OvfUnsupportedDiskProvisioning::with(|fault| {
                fault.set_disk_provisioning(kind).set_supported_disk_provisioning(PROVISIONING.join(","));
            });
            let why = format!("Disk provisioning type not supported: {kind}");
            if self.errors.iter().all(|known| *known.localized_message().cloned().unwrap_or_default() != why) {
                self.errors.push(Fault::new(detail, why).localized());
            }
        }
        VirtualDiskFlatVer2BackingInfo::with(|backing| {
            backing.set_disk_mode("persistent").set_file_name(file).set_datastore(self.datastore.clone());
            backing.set_thin_provisioned(kind == "thin").set_eagerly_scrub(kind == "eagerZeroedThick");
        })
        .into()
    }

    fn plug(item: &Item) -> VirtualDeviceConnectInfo {
        VirtualDeviceConnectInfo::with(|info| {
            info.set_start_connected(item.automatic.unwrap_or(true)).set_allow_guest_control(true);
            info.set_connected(false);
        })
    }

    /// The file of a drive, and where it goes.
    fn image(&mut self, item: &Item, extension: &str) -> Option<(vimsim_ovf::File, String)> {
        let resource = item.host_resource.first()?;
        let file = self.envelope.resource_file(resource)?.clone();
        let name = format!("[{}] {}/_deviceImage{}.{extension}", self.datastore_name(), self.name, self.images);
        self.images += 1;
        Some((file, name))
    }

    fn cdrom(&mut self, item: &Item) {
        let Some((controller, unit)) = self.place(item) else {
            return self.unsupported(item, "its controller is missing");
        };
        let image = self.image(item, "iso");
        let (key, datastore) = (self.key(), self.datastore.clone());
        let drive = VirtualCdrom::with(|drive| {
            drive.set_key(key).set_controller_key(controller).set_unit_number(unit).set_connectable(Self::plug(item));
            match &image {
                Some((_, name)) => drive.set_backing(VirtualCdromIsoBackingInfo::with(|backing| {
                    backing.set_file_name(name).set_datastore(datastore);
                })),
                None => drive.set_backing(VirtualCdromRemotePassthroughBackingInfo::with(|backing| {
                    backing.set_exclusive(false).set_device_name("").set_use_auto_detect(false);
                })),
            };
        });
        self.devices.push(VirtualDevice::from_object_unchecked(drive.into()));
        if let Some((file, _)) = image {
            let device = self.last_address();
            self.uploads.push(Upload { device, file, resource_type: item.resource_type, creates: true });
        }
    }

    fn floppy(&mut self, item: &Item) {
        let image = self.image(item, "flp");
        let (key, datastore) = (self.key(), self.datastore.clone());
        let drive = VirtualFloppy::with(|drive| {
            drive.set_key(key).set_connectable(Self::plug(item));
            match &image {
                Some((_, name)) => drive.set_backing(VirtualFloppyImageBackingInfo::with(|backing| {
                    backing.set_file_name(name).set_datastore(datastore);
                })),
                None => drive.set_backing(VirtualFloppyRemoteDeviceBackingInfo::with(|backing| {
                    backing.set_device_name("").set_use_auto_detect(false);
                })),
            };
        });
        self.devices.push(VirtualDevice::from_object_unchecked(drive.into()));
        if let Some((file, _)) = image {
            let device = self.last_address();
            self.uploads.push(Upload { device, file, resource_type: item.resource_type, creates: true });
        }
    }

    fn adapter(&mut self, item: &Item) {
        let Some(kind) = adapter_type(item.sub_type.as_deref()) else {
            return self.unsupported(item, "the network adapter is not known");
        };
        let wanted = item.connection.first();
        let mapped = wanted.and_then(|name| self.networks.iter().find(|(known, _)| known == name));
        let network = mapped.map(|(_, network)| network.clone()).or_else(|| self.fallback.clone());
        let backing = network.and_then(|network| backing_on(self.inventory, &network));
        let key = self.key();
        let mut object = Object::new(kind);
        if let Some(card) = VirtualEthernetCard::from_mut(&mut object) {
            card.set_address_type("generated").set_key(key).set_connectable(Self::plug(item));
            let wake = item.config.iter().find(|(key, _)| key == "wakeOnLanEnabled");
            card.set_wake_on_lan_enabled(wake.is_some_and(|(_, value)| value == "true"));
            if let Some(backing) = backing {
                card.as_object_mut().set(VirtualDevice::BACKING, backing.into());
            }
        }
        self.devices.push(VirtualDevice::from_object_unchecked(object));
    }
}

/// The backing of an adapter on a network.
pub(crate) fn backing_on(inventory: &impl Inventory, moref: &Moref) -> Option<Object> {
    if let Some(portgroup) = inventory.seen::<DistributedVirtualPortgroup>(moref) {
        let switch = portgroup.config().distributed_virtual_switch()?;
        let switch = inventory.seen::<DistributedVirtualSwitch>(&switch)?;
        return Some(
            VirtualEthernetCardDistributedVirtualPortBackingInfo::with(|backing| {
                backing.port_mut().set_portgroup_key(portgroup.key()).set_switch_uuid(switch.uuid());
            })
            .into(),
        );
    }
    if let Some(opaque) = inventory.seen::<OpaqueNetwork>(moref)
        && let Some(summary) =
            opaque.summary().as_object().is::<vimsim_types::views::OpaqueNetworkSummary>().then(|| opaque.summary())
    {
        let summary = vimsim_types::views::OpaqueNetworkSummary::from_ref(summary.as_object())?;
        return Some(
            VirtualEthernetCardOpaqueNetworkBackingInfo::with(|backing| {
                backing.set_opaque_network_id(summary.opaque_network_id());
                backing.set_opaque_network_type(summary.opaque_network_type());
            })
            .into(),
        );
    }
    let name = inventory.seen::<Network>(moref)?.name();
    Some(VirtualEthernetCardNetworkBackingInfo::with(|backing| _ = backing.set_device_name(name)).into())
}

fn scsi(name: Option<&str>) -> Option<TypeId> {
    use vimsim_types::views::{
        ParaVirtualSCSIController, VirtualBusLogicController, VirtualLsiLogicController, VirtualLsiLogicSASController,
    };
    match name.map(str::to_ascii_lowercase).as_deref() {
        None | Some("lsilogic" | "scsi") => Some(VirtualLsiLogicController::TYPE),
        Some("virtualscsi" | "pvscsi") => Some(ParaVirtualSCSIController::TYPE),
        Some("lsilogicsas" | "lsilogic-sas") => Some(VirtualLsiLogicSASController::TYPE),
        Some("buslogic") => Some(VirtualBusLogicController::TYPE),
        Some(_) => None,
    }
}

fn adapter_type(name: Option<&str>) -> Option<TypeId> {
    use vimsim_types::views::{
        VirtualE1000, VirtualE1000e, VirtualPCNet32, VirtualSriovEthernetCard, VirtualVmxnet2, VirtualVmxnet3,
    };
    // Of several that a descriptor allows, the first that we know.
    let names = name.unwrap_or("e1000").to_ascii_lowercase();
    names.split([' ', ',']).find_map(|name| match name {
        "e1000" => Some(VirtualE1000::TYPE),
        "e1000e" => Some(VirtualE1000e::TYPE),
        "vmxnet3" => Some(VirtualVmxnet3::TYPE),
        "vmxnet2" | "vmxnet" => Some(VirtualVmxnet2::TYPE),
        "pcnet32" => Some(VirtualPCNet32::TYPE),
        "sriov" => Some(VirtualSriovEthernetCard::TYPE),
        _ => None,
    })
}
