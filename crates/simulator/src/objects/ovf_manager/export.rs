//! `CreateDescriptor`: the descriptor of a machine or vApp.

use vimsim_ovf::{Disk, Envelope, File, Guest, Hardware, Item, Product, Property, Startup, System};
use vimsim_types::method::CreateDescriptor;
use vimsim_types::views::{
    DistributedVirtualPortgroup, Network, OvfCreateDescriptorParams, OvfCreateDescriptorResult, OvfManager,
    ResourcePool, VAppProductInfo, VAppPropertyInfo, VirtualApp, VirtualCdrom, VirtualController, VirtualDevice,
    VirtualDeviceFileBackingInfo, VirtualDisk, VirtualEthernetCard,
    VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualEthernetCardNetworkBackingInfo,
    VirtualEthernetCardOpaqueNetworkBackingInfo, VirtualFloppy, VirtualMachine, VirtualMachineConfigInfo,
    VirtualMachineSnapshot, VmConfigInfo,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::guest;
use crate::call::Look;
use crate::objects::http_nfc_lease::address;
use crate::walk::Inventory;

/// The format in which disks travel.
const STREAM: &str = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";

/// Writes the descriptor of a machine or vApp, for files that were exported.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` for an object that is neither, or a snapshot of another machine.
pub(super) fn create_descriptor(
    look: &Look<'_, OvfManager>,
    request: CreateDescriptor,
) -> Result<OvfCreateDescriptorResult, Fault> {
    let (moref, wishes) = (request.obj(), request.cdp());
    let mut export = Export { look, wishes, envelope: Envelope::default() };
    let mut system = if look.snapshot().view::<VirtualApp>(&moref).is_some() {
        export.group(&moref)?
    } else if look.snapshot().view::<VirtualMachine>(&moref).is_some() {
        export.machine(&moref)?
    } else {
        look.get::<vimsim_types::views::ManagedEntity>(&moref)?;
        return Err(Fault::invalid_argument("obj", format!("{moref} is neither a virtual machine nor a vApp")));
    };
    if let Some(name) = wishes.name().filter(|name| !name.is_empty()) {
        system.id = identifier(name);
        system.name = Some(name.to_string());
    }
    if let Some(description) = wishes.description().filter(|text| !text.is_empty()) {
        system.annotation = Some(description.to_string());
    }
    export.envelope.system = system;
    let text = export.envelope.write();
    Ok(OvfCreateDescriptorResult::with(|result| {
        result.set_ovf_descriptor(text).set_include_image_files(wishes.include_image_files() == Some(true));
    }))
}

/// A name as XML's identifiers can be.
fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

struct Export<'a> {
    look: &'a Look<'a, OvfManager>,
    wishes: &'a OvfCreateDescriptorParams,
    envelope: Envelope,
}

impl Export<'_> {
    fn group(&mut self, moref: &Moref) -> Result<System, Fault> {
        let app: &VirtualApp = self.look.get(moref)?;
        let pool: &ResourcePool = self.look.get(moref)?;
        let config = app.v_app_config();
        let mut children = Vec::new();
        let mut startup = Vec::new();
        for child in pool.vm().iter().chain(pool.resource_pool().iter()) {
            let system = match child.is::<VirtualMachine>() {
                true => self.machine(&child)?,
                false if child.is::<VirtualApp>() => self.group(&child)?,
                false => continue,
            };
            let entity =
                config.and_then(|config| config.entity_config().iter().find(|it| it.key().as_ref() == Some(&child)));
            if let Some(entity) = entity {
                startup.push(Startup {
                    id: system.id.clone(),
                    order: entity.start_order().unwrap_or_default(),
                    start_delay: entity.start_delay(),
                    stop_delay: entity.stop_delay(),
                    waiting_for_guest: entity.waiting_for_guest(),
                    start_action: entity.start_action().map(ArcStr::to_string),
                    stop_action: entity.stop_action().map(ArcStr::to_string),
                });
            }
            children.push(system);
        }
        let annotation = config.map(|config| config.annotation().to_string()).filter(|text| !text.is_empty());
        Ok(System {
            id: identifier(app.name()),
            name: Some(app.name().to_string()),
            annotation,
            eula: config.map(|config| texts(config.eula().iter())).unwrap_or_default(),
            products: config.map(|config| products(config)).unwrap_or_default(),
            startup,
            children: Some(children),
            ..System::default()
        })
    }

    fn machine(&mut self, moref: &Moref) -> Result<System, Fault> {
        let machine: &VirtualMachine = self.look.get(moref)?;
        let config = match self.wishes.snapshot() {
            Some(snapshot) => {
                let view: &VirtualMachineSnapshot = self.look.get(&snapshot)?;
                if view.vm() != *moref {
                    return Err(Fault::invalid_argument("cdp.snapshot", format!("{snapshot} is of another machine")));
                }
                Some(view.config())
            }
            None => machine.config(),
        };
        let config = config.ok_or_else(|| Fault::invalid_argument("obj", "the machine cannot be reached"))?;
        let app = config.v_app_config().and_then(|it| VmConfigInfo::from_ref(it.as_object()));
        let name = machine.name();
        Ok(System {
            id: identifier(name),
            name: Some(name.to_string()),
            annotation: config.annotation().map(ArcStr::to_string).filter(|text| !text.is_empty()),
            eula: app.map(|app| texts(app.eula().iter())).unwrap_or_default(),
            products: app.map(products).unwrap_or_default(),
            transport: app.map(|app| texts(app.ovf_environment_transport().iter())).unwrap_or_default(),
            guest: Some(Guest {
                id: guest::number(config.guest_id()),
                os_type: Some(config.guest_id().to_string()),
                description: Some(config.guest_full_name().to_string()).filter(|text| !text.is_empty()),
            }),
            hardware: self.hardware(moref, config),
            ..System::default()
        })
    }

    fn hardware(&mut self, moref: &Moref, config: &VirtualMachineConfigInfo) -> Hardware {
        let hardware = config.hardware();
        let item = |id: usize, kind: i32, name: String| Item {
            instance_id: id.to_string(),
            resource_type: kind,
            name,
            is_required: true,
            ..Item::default()
        };
        let processors = hardware.num_cpu();
        let mut items = vec![
            Item {
                units: Some("hertz * 10^6".into()),
                description: Some("Number of Virtual CPUs".into()),
                quantity: Some(i64::from(processors)),
                ..item(1, 3, format!("{processors} virtual CPU(s)"))
            },
            Item {
                units: Some("byte * 2^20".into()),
                description: Some("Memory Size".into()),
                quantity: Some(i64::from(hardware.memory_mb())),
                ..item(2, 4, format!("{}MB of memory", hardware.memory_mb()))
            },
        ];
        let devices: Vec<VirtualDevice> = hardware.device().iter().cloned().collect();
        // Controllers by their keys: the names of their parts.
        let mut parents: Vec<(i32, String)> = Vec::new();
        for device in &devices {
            if let Some(controller) = device.downcast::<VirtualController>()
                && let Some((kind, sub_type, description)) = controller_part(controller)
                && devices.iter().any(|it| it.controller_key() == Some(device.key()))
            {
                let id = items.len() + 1;
                parents.push((device.key(), id.to_string()));
                let number = parents.len() - 1;
                items.push(Item {
                    address: Some(controller.bus_number()),
                    sub_type: sub_type.map(String::from),
                    description: Some(description.into()),
                    ..item(id, kind, format!("{}{number}", description.replace(' ', "")))
                });
            }
        }
        let mut counts = [0_usize; 3];
        for device in &devices {
            let id = items.len() + 1;
            let parent =
                parents.iter().find(|(key, _)| Some(*key) == device.controller_key()).map(|(_, id)| id.clone());
            let key = format!("/{}/{}", moref.value(), address(&devices, device));
            if let Some(disk) = device.downcast::<VirtualDisk>() {
                let resource = self.disk(&key, disk);
                let name = format!("disk{}", counts[0]);
                counts[0] += 1;
                let address_on_parent = device.unit_number();
                items.push(Item { address_on_parent, parent, host_resource: vec![resource], ..item(id, 17, name) });
            } else if let Some(card) = device.downcast::<VirtualEthernetCard>() {
                let name = format!("ethernet{}", counts[1]);
                counts[1] += 1;
                items.push(self.adapter(card, item(id, 10, name)));
            } else if device.downcast::<VirtualCdrom>().is_some() && parent.is_some() {
                let name = format!("cdrom{}", counts[2]);
                counts[2] += 1;
                let host_resource = self.image(&key, device).into_iter().collect();
                let address_on_parent = device.unit_number();
                let drive = item(id, 15, name);
                items.push(Item { address_on_parent, parent, host_resource, automatic: Some(false), ..drive });
            } else if device.downcast::<VirtualFloppy>().is_some() {
                let host_resource = self.image(&key, device).into_iter().collect();
                items.push(Item { host_resource, automatic: Some(false), ..item(id, 14, "floppy0".into()) });
            }
        }
        Hardware {
            system_types: vec![config.version().to_string()],
            items,
            config: settings(config),
            extra_config: self.extra_config(config),
        }
    }

    /// Whether something is to be exported that is not by itself.
    fn has_option(&self, name: &str) -> bool {
        self.wishes.export_option().iter().any(|option| option.as_str() == name)
    }

    fn extra_config(&self, config: &VirtualMachineConfigInfo) -> Vec<(String, String)> {
        if !self.has_option("extraconfig") {
            return Vec::new();
        }
        let text =
            |option: &vimsim_types::views::OptionValue| Some((option.key().to_string(), option.value().text()?.into()));
        config.extra_config().iter().filter_map(text).collect()
    }

    /// A file that was exported for a device.
    fn file(&mut self, key: &str) -> Option<String> {
        let exported = self.wishes.ovf_files().iter().find(|file| file.device_id() == key)?;
        let id = format!("file{}", self.envelope.files.len() + 1);
        self.envelope.files.push(File {
            id: id.clone(),
            href: exported.path().to_string(),
            size: Some(exported.size()),
            compression: exported.compression_method().map(ArcStr::to_string).filter(|name| !name.is_empty()),
            chunk_size: exported.chunk_size().filter(|size| *size > 0),
        });
        Some(id)
    }

    /// Describes a disk, and returns what names it.
    fn disk(&mut self, key: &str, disk: &VirtualDisk) -> String {
        let file = self.file(key);
        let exported = self.wishes.ovf_files().iter().find(|file| file.device_id() == key);
        let id = format!("vmdisk{}", self.envelope.disks.len() + 1);
        self.envelope.disks.push(Disk {
            id: id.clone(),
            capacity: disk.capacity_in_bytes().unwrap_or_else(|| disk.capacity_in_kb().saturating_mul(1024)),
            format: Some(STREAM.into()),
            populated: exported.and_then(|file| file.populated_size()),
            file,
        });
        format!("ovf:/disk/{id}")
    }

    /// Describes the image of a drive, if it was exported, and returns what names it.
    fn image(&mut self, key: &str, device: &VirtualDevice) -> Option<String> {
        device.backing()?.downcast::<VirtualDeviceFileBackingInfo>()?;
        self.file(key).map(|id| format!("ovf:/file/{id}"))
    }

    fn adapter(&mut self, card: &VirtualEthernetCard, item: Item) -> Item {
        let network = network_name(self.look.snapshot(), card).unwrap_or_else(|| "VM Network".into());
        if self.envelope.networks.iter().all(|(known, _)| *known != network) {
            let description = format!("The {network} network");
            self.envelope.networks.push((network.clone(), description));
        }
        let kind = card.as_object().kind().name().trim_start_matches("Virtual");
        let kind = match kind {
            "Vmxnet3" => "VmxNet3",
            "Vmxnet2" => "VmxNet2",
            other => other,
        };
        Item {
            automatic: Some(card.connectable().is_none_or(|info| info.start_connected())),
            description: Some(format!("{kind} ethernet adapter on \"{network}\"")),
            own_address: card.mac_address().map(ArcStr::to_string).filter(|_| self.has_option("mac")),
            address_on_parent: card.unit_number(),
            connection: vec![network],
            sub_type: Some(kind.into()),
            config: vec![("wakeOnLanEnabled".into(), (card.wake_on_lan_enabled() == Some(true)).to_string())],
            ..item
        }
    }
}

fn texts<'a>(texts: impl Iterator<Item = &'a ArcStr>) -> Vec<String> {
    texts.map(ArcStr::to_string).collect()
}

/// The part that a controller is: its number with CIM, its kind, and what it is called.
fn controller_part(controller: &VirtualController) -> Option<(i32, Option<&'static str>, &'static str)> {
    Some(match controller.as_object().kind().name() {
        "VirtualIDEController" => (5, None, "IDE Controller"),
        "ParaVirtualSCSIController" => (6, Some("VirtualSCSI"), "SCSI Controller"),
        "VirtualLsiLogicController" => (6, Some("lsilogic"), "SCSI Controller"),
        "VirtualLsiLogicSASController" => (6, Some("lsilogicsas"), "SCSI Controller"),
        "VirtualBusLogicController" => (6, Some("buslogic"), "SCSI Controller"),
        "VirtualAHCIController" => (20, Some("vmware.sata.ahci"), "SATA Controller"),
        "VirtualNVMEController" => (20, Some("vmware.nvme.controller"), "NVME Controller"),
        _ => return None,
    })
}

/// The name of the network that an adapter is on.
fn network_name(inventory: &vimsim_registry::Snapshot, card: &VirtualEthernetCard) -> Option<String> {
    let backing = card.backing()?;
    if let Some(port) = backing.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>() {
        let portgroup = inventory.find_value(port.port().portgroup_key()?)?;
        return portgroup.view::<DistributedVirtualPortgroup>().map(|it| it.name().to_string());
    }
    if let Some(opaque) = backing.downcast::<VirtualEthernetCardOpaqueNetworkBackingInfo>() {
        return Some(opaque.opaque_network_id().to_string());
    }
    let own = backing.downcast::<VirtualEthernetCardNetworkBackingInfo>()?;
    let network = own.network().and_then(|network| inventory.view::<Network>(&network)).map(|it| it.name().to_string());
    network.or_else(|| Some(own.device_name().to_string()).filter(|name| !name.is_empty()))
}

/// The products of a machine or vApp, with their properties.
fn products(config: &VmConfigInfo) -> Vec<Product> {
    let text = |text: Option<&ArcStr>| text.map(ArcStr::to_string).filter(|text| !text.is_empty());
    let product = |info: &VAppProductInfo| Product {
        class: text(info.class_id()).unwrap_or_default(),
        instance: text(info.instance_id()).unwrap_or_default(),
        name: text(info.name()),
        vendor: text(info.vendor()),
        version: text(info.version()),
        full_version: text(info.full_version()),
        product_url: text(info.product_url()),
        vendor_url: text(info.vendor_url()),
        app_url: text(info.app_url()),
        properties: Vec::new(),
    };
    let mut products: Vec<Product> = config.product().iter().map(product).collect();
    for info in config.property().iter() {
        let (class, instance) =
            (text(info.class_id()).unwrap_or_default(), text(info.instance_id()).unwrap_or_default());
        let at = products.iter().position(|known| known.class == class && known.instance == instance);
        let at = at.unwrap_or_else(|| {
            products.push(Product { class, instance, ..Product::default() });
            products.len() - 1
        });
        products[at].properties.push(property(info));
    }
    products
}

fn property(info: &VAppPropertyInfo) -> Property {
    let text = |text: Option<&ArcStr>| text.map(ArcStr::to_string).filter(|text| !text.is_empty());
    // What was chosen here is what the next one begins with.
    let value = text(info.value()).or_else(|| text(info.default_value()));
    Property {
        key: text(info.id()).unwrap_or_default(),
        category: text(info.category()),
        type_name: text(info.type_()).unwrap_or_else(|| "string".into()),
        user_configurable: info.user_configurable() == Some(true),
        default: value.unwrap_or_default(),
        defaults: Vec::new(),
        label: text(info.label()),
        description: text(info.description()),
    }
}

/// VMware's own settings of a machine.
fn settings(config: &VirtualMachineConfigInfo) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: Option<String>| settings.extend(value.map(|value| (key.to_string(), value)));
    add("cpuHotAddEnabled", config.cpu_hot_add_enabled().map(|it| it.to_string()));
    add("memoryHotAddEnabled", config.memory_hot_add_enabled().map(|it| it.to_string()));
    add("firmware", config.firmware().map(ArcStr::to_string));
    add("nestedHVEnabled", config.nested_hv_enabled().map(|it| it.to_string()));
    let secure = config.boot_options().and_then(|options| options.efi_secure_boot_enabled());
    add("bootOptions.efiSecureBootEnabled", secure.map(|it| it.to_string()));
    settings
}
