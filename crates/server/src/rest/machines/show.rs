//! What there is to say of a machine and its devices.

use serde_json::{Value as Json, json};
use vimsim_simulator::Snapshot;
use vimsim_types::views::{
    DistributedVirtualPortgroup, DistributedVirtualSwitch, VirtualAHCIController, VirtualCdrom, VirtualController,
    VirtualDevice, VirtualDeviceFileBackingInfo, VirtualDisk, VirtualEthernetCard,
    VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualEthernetCardNetworkBackingInfo, VirtualFloppy,
    VirtualIDEController, VirtualMachine, VirtualMachineBootOptionsBootableDiskDevice,
    VirtualMachineBootOptionsBootableEthernetDevice, VirtualMachineConfigInfo, VirtualNVMEController,
    VirtualParallelPort, VirtualSATAController, VirtualSCSIController, VirtualSerialPort, VirtualVmxnet3,
};
use vimsim_types::{EnumView, Moref, TypeId, Value, View};

use super::guest_os::guest_os;
use crate::rest::Style;
use crate::rest::call::Call;
use crate::rest::inventory::{network_type, upper};

/// A kind of device: its path below `hardware`, what its identifier is called, what a machine calls all of them, and its
/// type.
pub(super) struct Kind {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    all: &'static str,
    pub(super) kind: TypeId,
}

const fn kind(path: &'static str, name: &'static str, all: &'static str, kind: TypeId) -> Kind {
    Kind { path, name, all, kind }
}

/// All kinds.
pub(super) const KINDS: [Kind; 9] = [
    kind("disk", "disk", "disks", VirtualDisk::TYPE),
    kind("ethernet", "nic", "nics", VirtualEthernetCard::TYPE),
    kind("cdrom", "cdrom", "cdroms", VirtualCdrom::TYPE),
    kind("floppy", "floppy", "floppies", VirtualFloppy::TYPE),
    kind("parallel", "port", "parallel_ports", VirtualParallelPort::TYPE),
    kind("serial", "port", "serial_ports", VirtualSerialPort::TYPE),
    kind("adapter/sata", "adapter", "sata_adapters", VirtualSATAController::TYPE),
    kind("adapter/scsi", "adapter", "scsi_adapters", VirtualSCSIController::TYPE),
    kind("adapter/nvme", "adapter", "nvme_adapters", VirtualNVMEController::TYPE),
];

/// The devices of a kind.
pub(super) fn devices<'a>(
    config: &'a VirtualMachineConfigInfo,
    kind: &Kind,
) -> impl Iterator<Item = &'a VirtualDevice> {
    let kind = kind.kind;
    config.hardware().device().iter().filter(move |device| device.as_object().kind().is_a(kind))
}

/// All there is to say of a machine.
pub(super) fn machine(call: &Call, machine: &VirtualMachine) -> Json {
    let Some(config) = machine.config() else { return json!({ "name": machine.name().as_str() }) };
    let mut shown = json!({
        "name": machine.name().as_str(),
        "identity": {
            "name": machine.name().as_str(),
            "bios_uuid": config.uuid().as_str(),
            "instance_uuid": config.instance_uuid().map(|it| it.to_string()),
        },
        "guest_OS": guest_os(config.guest_id()),
        "power_state": upper(machine.runtime().power_state().name()),
        "cpu": cpu(config),
        "memory": memory(config),
        "hardware": hardware(config),
        "boot": boot(config),
        "boot_devices": boot_devices(config),
        "instant_clone_frozen": machine.runtime().instant_clone_frozen().unwrap_or_default(),
    });
    for kind in &KINDS {
        let entries = devices(config, kind).map(|it| (it.key(), device(config, it)));
        shown[kind.all] = map(call, entries);
    }
    shown
}

/// A map by key, as this family of paths writes it.
fn map(call: &Call, entries: impl Iterator<Item = (i32, Json)>) -> Json {
    match call.rest.style {
        Style::Rest => entries.map(|(key, value)| json!({ "key": key.to_string(), "value": value })).collect(),
        Style::Api => Json::Object(entries.map(|(key, value)| (key.to_string(), value)).collect()),
    }
}

pub(super) fn cpu(config: &VirtualMachineConfigInfo) -> Json {
    let hardware = config.hardware();
    json!({
        "count": hardware.num_cpu(),
        "cores_per_socket": hardware.num_cores_per_socket().unwrap_or(1),
        "hot_add_enabled": config.cpu_hot_add_enabled().unwrap_or_default(),
        "hot_remove_enabled": config.cpu_hot_remove_enabled().unwrap_or_default(),
    })
}

pub(super) fn memory(config: &VirtualMachineConfigInfo) -> Json {
    let mut shown = json!({
        "size_MiB": config.hardware().memory_mb(),
        "hot_add_enabled": config.memory_hot_add_enabled().unwrap_or_default(),
    });
    for (name, value) in [
        ("hot_add_increment_size_MiB", config.hot_plug_memory_increment_size()),
        ("hot_add_limit_MiB", config.hot_plug_memory_limit()),
    ] {
        if let Some(value) = value {
            shown[name] = json!(value);
        }
    }
    shown
}

pub(super) fn hardware(config: &VirtualMachineConfigInfo) -> Json {
    let upgrade = config.scheduled_hardware_upgrade_info();
    let word = |word: Option<String>, otherwise: &str| word.unwrap_or_else(|| otherwise.into());
    let policy = upgrade.and_then(|it| it.upgrade_policy()).map(|it| match it.as_str() {
        "onSoftPowerOff" => "AFTER_CLEAN_SHUTDOWN".to_string(),
        other => upper(other),
    });
    let status = upgrade.and_then(|it| it.scheduled_hardware_upgrade_status()).map(|it| upper(it));
    let version = upgrade.and_then(|it| it.version_key()).map(|it| version(it));
    let mut shown = json!({
        "version": self::version(config.version()),
        "upgrade_policy": word(policy, "NEVER"),
        "upgrade_status": word(status, "NONE"),
    });
    if let Some(version) = version {
        shown["upgrade_version"] = json!(version);
    }
    shown
}

/// `VMX_19` of `vmx-19`, and of `vmx-08`, too: `VMX_08`.
fn version(key: &str) -> String {
    key.to_uppercase().replace('-', "_")
}

pub(super) fn boot(config: &VirtualMachineConfigInfo) -> Json {
    let (options, is_efi) = (config.boot_options(), config.firmware().is_some_and(|it| *it == "efi"));
    let mut shown = json!({
        "type": if is_efi { "EFI" } else { "BIOS" },
        "delay": options.and_then(|it| it.boot_delay()).unwrap_or_default(),
        "retry": options.and_then(|it| it.boot_retry_enabled()).unwrap_or_default(),
        "retry_delay": options.and_then(|it| it.boot_retry_delay()).unwrap_or(10_000),
        "enter_setup_mode": options.and_then(|it| it.enter_bios_setup()).unwrap_or_default(),
    });
    if is_efi {
        let protocol = options.and_then(|it| it.network_boot_protocol());
        shown["network_protocol"] = json!(if protocol.is_some_and(|it| *it == "ipv6") { "IPV6" } else { "IPV4" });
        shown["efi_legacy_boot"] = json!(false);
    }
    shown
}

/// What the machine is to start from, in this order; disks are named together, where the first of them is.
pub(super) fn boot_devices(config: &VirtualMachineConfigInfo) -> Json {
    let (mut shown, mut disks) = (Vec::<Json>::new(), Vec::new());
    for device in config.boot_options().into_iter().flat_map(|options| options.boot_order().iter()) {
        if let Some(disk) = device.downcast::<VirtualMachineBootOptionsBootableDiskDevice>() {
            disks.push(json!(disk.device_key().to_string()));
            if disks.len() == 1 {
                shown.push(json!({ "type": "DISK" }));
            }
        } else if let Some(card) = device.downcast::<VirtualMachineBootOptionsBootableEthernetDevice>() {
            shown.push(json!({ "type": "ETHERNET", "nic": card.device_key().to_string() }));
        } else {
            let is_cdrom = device.as_object().kind().name().contains("Cdrom");
            shown.push(json!({ "type": if is_cdrom { "CDROM" } else { "FLOPPY" } }));
        }
    }
    for entry in shown.iter_mut().filter(|entry| entry["type"] == "DISK") {
        entry["disks"] = json!(disks);
    }
    json!(shown)
}

/// What there is to say of a device.
pub(super) fn device(config: &VirtualMachineConfigInfo, device: &VirtualDevice) -> Json {
    let mut shown = json!({ "label": device.device_info().map(|info| info.label().to_string()) });
    if let Some(controller) = device.downcast::<VirtualController>() {
        adapter(&mut shown, controller);
        return shown;
    }
    if let Some(it) = device.connectable() {
        shown["state"] = json!(if it.connected() { "CONNECTED" } else { "NOT_CONNECTED" });
        shown["start_connected"] = json!(it.start_connected());
        shown["allow_guest_control"] = json!(it.allow_guest_control());
    }
    if let Some(card) = device.downcast::<VirtualEthernetCard>() {
        shown["type"] = json!(card.as_object().kind().name().trim_start_matches("Virtual").to_uppercase());
        shown["mac_type"] = json!(match card.address_type().map(|it| it.as_str()) {
            Some("manual") => "MANUAL",
            Some("generated") => "GENERATED",
            _ => "ASSIGNED",
        });
        shown["mac_address"] = json!(card.mac_address().map(|it| it.to_string()));
        shown["wake_on_lan_enabled"] = json!(card.wake_on_lan_enabled().unwrap_or_default());
        if card.as_object().is::<VirtualVmxnet3>() {
            shown["upt_compatibility_enabled"] = json!(card.upt_compatibility_enabled().unwrap_or_default());
        }
        shown["backing"] = network(device);
        return shown;
    }
    if device.as_object().kind().is_a(VirtualDisk::TYPE) || device.as_object().kind().is_a(VirtualCdrom::TYPE) {
        address(&mut shown, config, device);
    }
    if let Some(disk) = device.downcast::<VirtualDisk>() {
        shown["capacity"] = json!(disk.capacity_in_bytes().unwrap_or(disk.capacity_in_kb() * 1024));
        shown["backing"] = json!({ "type": "VMDK_FILE", "vmdk_file": file(device) });
    } else {
        shown["backing"] = backing(device);
        if let Some(port) = device.downcast::<VirtualSerialPort>() {
            shown["yield_on_poll"] = json!(port.yield_on_poll());
        }
    }
    shown
}

fn file(device: &VirtualDevice) -> Option<String> {
    let backing = device.backing()?.downcast::<VirtualDeviceFileBackingInfo>()?;
    Some(backing.file_name().to_string())
}

/// What is behind a device that is neither disk nor network card.
fn backing(device: &VirtualDevice) -> Json {
    let Some(backing) = device.backing() else { return json!({ "type": "CLIENT_DEVICE" }) };
    let kind = backing.as_object().kind().name();
    let text = |name: &str| backing.as_object().field(name).text().map(str::to_string);
    let name = text("deviceName").filter(|name| !name.is_empty());
    let access = kind.contains("Cdrom").then(|| if kind.contains("Atapi") { "EMULATION" } else { "PASSTHROUGH" });
    if kind.contains("Remote") {
        with_access(json!({ "type": "CLIENT_DEVICE" }), access)
    } else if let Some(file) = file(device) {
        match () {
            () if kind.contains("Cdrom") => json!({ "type": "ISO_FILE", "iso_file": file }),
            () if kind.contains("Floppy") => json!({ "type": "IMAGE_FILE", "image_file": file }),
            () => json!({ "type": "FILE", "file": file }),
        }
    } else if let Some(uri) = text("serviceURI") {
        let is_server = text("direction").is_some_and(|it| it == "server");
        let kind = if is_server { "NETWORK_SERVER" } else { "NETWORK_CLIENT" };
        json!({ "type": kind, "network_location": uri, "proxy": text("proxyURI") })
    } else if let Some(pipe) = text("pipeName") {
        let is_server = text("endpoint").is_some_and(|it| it == "server");
        let kind = if is_server { "PIPE_SERVER" } else { "PIPE_CLIENT" };
        let is_lossless = matches!(backing.as_object().field("noRxLoss"), Value::Bool(true));
        json!({ "type": kind, "pipe": pipe, "no_rx_loss": is_lossless })
    } else {
        with_access(json!({ "type": "HOST_DEVICE", "auto_detect": name.is_none(), "host_device": name }), access)
    }
}

/// The same, with how a CD-ROM drive is reached.
fn with_access(mut shown: Json, access: Option<&str>) -> Json {
    if let Some(access) = access {
        shown["device_access_type"] = json!(access);
    }
    shown
}

/// Where a network card is plugged in.
fn network(device: &VirtualDevice) -> Json {
    let backing = device.backing();
    if let Some(backing) = backing.and_then(|it| it.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>())
    {
        let port = backing.port();
        let group = port.portgroup_key().map(|key| Moref::of::<DistributedVirtualPortgroup>(key.clone()));
        return json!({
            "type": "DISTRIBUTED_PORTGROUP",
            "network": group.as_ref().map(|it| it.value().to_string()),
            "distributed_switch_uuid": port.switch_uuid().as_str(),
            "distributed_port": port.port_key().map(|it| it.to_string()),
            "connection_cookie": port.connection_cookie(),
        });
    }
    if let Some(backing) = backing.and_then(|it| it.downcast::<VirtualEthernetCardNetworkBackingInfo>()) {
        let network = backing.network();
        let kind = network.as_ref().map_or("STANDARD_PORTGROUP", network_type);
        let id = network.map(|it| it.value().to_string());
        return json!({ "type": kind, "network": id, "network_name": backing.device_name().as_str() });
    }
    let text = |name: &str| backing.and_then(|it| it.as_object().field(name).text()).map(str::to_string);
    json!({
        "type": "OPAQUE_NETWORK",
        "opaque_network_type": text("opaqueNetworkType"),
        "opaque_network_id": text("opaqueNetworkId"),
    })
}

/// The universal identifier of a distributed switch.
pub(super) fn switch_uuid(snapshot: &Snapshot, switch: &Moref) -> Option<String> {
    Some(snapshot.view::<DistributedVirtualSwitch>(switch)?.uuid().to_string())
}

/// By what a device is connected, and where it is there.
fn address(shown: &mut Json, config: &VirtualMachineConfigInfo, device: &VirtualDevice) {
    let devices = config.hardware().device();
    let controller = device.controller_key().and_then(|key| devices.iter().find(|it| it.key() == key));
    let Some(controller) = controller.and_then(|it| it.downcast::<VirtualController>()) else { return };
    let (bus, unit) = (controller.bus_number(), device.unit_number().unwrap_or_default());
    let kind = controller.as_object().kind();
    let (kind, address) = match () {
        () if kind.is_a(VirtualIDEController::TYPE) => ("IDE", json!({ "primary": bus == 0, "master": unit == 0 })),
        () if kind.is_a(VirtualSATAController::TYPE) => ("SATA", json!({ "bus": bus, "unit": unit })),
        () if kind.is_a(VirtualNVMEController::TYPE) => ("NVME", json!({ "bus": bus, "unit": unit })),
        () => ("SCSI", json!({ "bus": bus, "unit": unit })),
    };
    shown["type"] = json!(kind);
    shown[kind.to_lowercase()] = address;
}

fn adapter(shown: &mut Json, controller: &VirtualController) {
    let bus = controller.bus_number();
    let kind = controller.as_object().kind();
    if let Some(scsi) = controller.downcast::<VirtualSCSIController>() {
        shown["type"] = json!(match kind.name() {
            "VirtualBusLogicController" => "BUSLOGIC",
            "VirtualLsiLogicController" => "LSILOGIC",
            "VirtualLsiLogicSASController" => "LSILOGICSAS",
            _ => "PVSCSI",
        });
        shown["scsi"] = json!({ "bus": bus, "unit": scsi.scsi_ctlr_unit_number().unwrap_or(7) });
        shown["sharing"] = json!(match scsi.shared_bus().name() {
            "virtualSharing" => "VIRTUAL",
            "physicalSharing" => "PHYSICAL",
            _ => "NONE",
        });
    } else {
        shown["bus"] = json!(bus);
        if kind.is_a(VirtualAHCIController::TYPE) {
            shown["type"] = json!("AHCI");
        }
    }
}
