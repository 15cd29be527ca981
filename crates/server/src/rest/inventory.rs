//! `/vcenter/vm`, `/vcenter/host` and so on: the inventory as lists, and what there is to say of each thing in it.

use serde_json::{Map, Value as Json, json};
use vimsim_simulator::Snapshot;
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{CreateDatacenter, DestroyTask, PowerOffVMTask, PowerOnVMTask, ResetVMTask, SuspendVMTask};
use vimsim_types::views::{
    ClusterComputeResource, Datacenter, Datastore, DistributedVirtualPortgroup, Folder, HostSystem, ManagedEntity,
    Network, OpaqueNetwork, ResourcePool, VirtualDisk, VirtualEthernetCard, VirtualMachine,
};
use vimsim_types::{EnumView, Moref, TypeId, View};

use super::call::Call;
use super::{Answer, RestError, Result, Style};

/// A kind of thing: its path, what its identifier is called, and its type.
const KINDS: [(&str, &str, TypeId); 8] = [
    ("vm", "vm", VirtualMachine::TYPE),
    ("host", "host", HostSystem::TYPE),
    ("cluster", "cluster", ClusterComputeResource::TYPE),
    ("datacenter", "datacenter", Datacenter::TYPE),
    ("datastore", "datastore", Datastore::TYPE),
    ("folder", "folder", Folder::TYPE),
    ("network", "network", Network::TYPE),
    ("resource-pool", "resource_pool", ResourcePool::TYPE),
];

pub(super) async fn answer(call: &Call, rest: &[&str]) -> Result {
    let Some((path, rest)) = rest.split_first() else { return Err(call.unknown()) };
    let kind = KINDS.iter().find(|(known, ..)| known == path).ok_or_else(|| call.unknown())?;
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(list(call, kind.1, kind.2)),
        ("POST", []) if kind.0 == "datacenter" => create_datacenter(call).await,
        ("GET", [id]) => describe(call, kind.2, id),
        ("DELETE", [id]) if matches!(kind.0, "vm" | "datacenter") => {
            call.task(&find(call, kind.2, id)?, DestroyTask::new()).await?;
            Ok(Answer::Nothing)
        }
        ("GET", [id, "power"]) if kind.0 == "vm" => {
            let moref = find(call, kind.2, id)?;
            let snapshot = call.service().snapshot();
            let machine = view::<VirtualMachine>(call, &snapshot, &moref)?;
            Ok(Answer::Value(json!({ "state": upper(machine.runtime().power_state().name()) })))
        }
        ("POST", [id, "power", rest @ ..]) if kind.0 == "vm" => {
            let action = call.action().or(rest.first().copied());
            power(call, &find(call, kind.2, id)?, action).await
        }
        ("GET", [id, "guest", "identity"]) if kind.0 == "vm" => identity(call, &find(call, kind.2, id)?),
        _ => Err(call.unknown()),
    }
}

/// `POWERED_ON` of `poweredOn`.
fn upper(word: &str) -> String {
    let mut out = String::new();
    for c in word.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

/// `OTHER_LINUX_64` of `otherLinux64Guest`.
pub(super) fn guest_os(id: &str) -> String {
    let mut out = String::new();
    let mut before = '_';
    for c in id.strip_suffix("Guest").unwrap_or(id).chars() {
        if before != '_' && (c.is_ascii_uppercase() || (c.is_ascii_digit() && !before.is_ascii_digit())) {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
        before = c;
    }
    out
}

/// The thing of this identifier; `NOT_FOUND` if it is none of the kind.
fn find(call: &Call, kind: TypeId, id: &str) -> Result<Moref> {
    let moref = call.object::<ManagedEntity>(id).ok().filter(|moref| moref.kind().is_a(kind));
    moref.ok_or_else(|| call.no_object(kind, id))
}

fn view<'a, V: View>(call: &Call, snapshot: &'a Snapshot, moref: &Moref) -> Result<&'a V> {
    snapshot.view(moref).ok_or_else(|| call.no_object(V::TYPE, moref.value()))
}

/// What a thing is in or on, by identifier: its ancestors, and the host and pools of a machine with theirs.
fn surroundings(snapshot: &Snapshot, moref: &Moref) -> Vec<Moref> {
    let mut found = vec![moref.clone()];
    let mut at = 0;
    while let Some(moref) = found.get(at).cloned() {
        at += 1;
        let parent = snapshot.view::<ManagedEntity>(&moref).and_then(|entity| entity.parent());
        let machine = snapshot.view::<VirtualMachine>(&moref);
        let (host, pool) = (machine.and_then(|it| it.runtime().host()), machine.and_then(|it| it.resource_pool()));
        for moref in [parent, host, pool].into_iter().flatten() {
            if !found.contains(&moref) {
                found.push(moref);
            }
        }
    }
    found
}

/// The filters that name what a thing must be in or on.
const AROUND: [&str; 7] =
    ["datacenters", "folders", "parent_folders", "clusters", "hosts", "resource_pools", "parent_resource_pools"];

fn list(call: &Call, name: &str, kind: TypeId) -> Answer {
    let (snapshot, morefs) = call.service().visible_objects(&call.session, kind);
    let own = format!("{name}s");
    let around: Vec<Vec<&str>> = AROUND.iter().filter(|it| **it != own).map(|name| call.wanted(name)).collect();
    let around: Vec<_> = around.into_iter().filter(|wanted| !wanted.is_empty()).collect();
    let (names, ids, states) = (call.wanted("names"), call.wanted(&own), call.wanted("power_states"));
    let types = call.wanted("types").into_iter().chain(call.wanted("type")).collect::<Vec<_>>();
    let fits = |wanted: &[&str], value: &str| wanted.is_empty() || wanted.contains(&value);
    let mut shown = Vec::new();
    for moref in morefs {
        let Some(entity) = snapshot.view::<ManagedEntity>(&moref) else { continue };
        if !fits(&names, entity.name()) || !fits(&ids, moref.value()) {
            continue;
        }
        if !around.is_empty() {
            let surroundings = surroundings(&snapshot, &moref);
            let is_in = |wanted: &Vec<&str>| surroundings.iter().any(|it| wanted.contains(&it.value().as_str()));
            if !around.iter().all(is_in) {
                continue;
            }
        }
        let Some(mut fields) = summary(&snapshot, &moref) else { continue };
        let field = |name: &str| fields.get(name).and_then(Json::as_str).unwrap_or_default();
        if !fits(&states, field("power_state")) || !fits(&types, field("type")) {
            continue;
        }
        fields.insert(name.into(), json!(moref.value().as_str()));
        fields.insert("name".into(), json!(entity.name().as_str()));
        shown.push(Json::Object(fields));
    }
    Answer::Value(Json::Array(shown))
}

/// What a list says of a thing beside its name; `None` of one that does not belong there.
fn summary(snapshot: &Snapshot, moref: &Moref) -> Option<Map<String, Json>> {
    let value = if let Some(machine) = snapshot.view::<VirtualMachine>(moref) {
        let hardware = machine.config().map(|config| config.hardware());
        // Templates are not machines here.
        if machine.config().is_some_and(|config| config.template()) {
            return None;
        }
        json!({
            "power_state": upper(machine.runtime().power_state().name()),
            "cpu_count": hardware.map_or(0, |hardware| hardware.num_cpu()),
            "memory_size_MiB": hardware.map_or(0, |hardware| hardware.memory_mb()),
        })
    } else if let Some(host) = snapshot.view::<HostSystem>(moref) {
        json!({
            "connection_state": upper(host.runtime().connection_state().name()),
            "power_state": upper(host.runtime().power_state().name()),
        })
    } else if let Some(cluster) = snapshot.view::<ClusterComputeResource>(moref) {
        let config = cluster.configuration();
        json!({
            "ha_enabled": config.das_config().enabled().unwrap_or_default(),
            "drs_enabled": config.drs_config().enabled().unwrap_or_default(),
        })
    } else if let Some(datastore) = snapshot.view::<Datastore>(moref) {
        let summary = datastore.summary();
        json!({ "type": summary.type_().to_uppercase(), "free_space": summary.free_space(), "capacity": summary.capacity() })
    } else if let Some(folder) = snapshot.view::<Folder>(moref) {
        let kind = match folder.child_type().iter().find(|it| it.as_str() != "Folder").map(|it| it.as_str()) {
            Some("VirtualMachine" | "VirtualApp") => "VIRTUAL_MACHINE",
            Some("ComputeResource") => "HOST",
            Some("Datastore" | "StoragePod") => "DATASTORE",
            Some("Network" | "DistributedVirtualSwitch") => "NETWORK",
            _ => "DATACENTER",
        };
        json!({ "type": kind })
    } else if moref.is::<Network>() {
        json!({ "type": network_type(moref) })
    } else {
        json!({})
    };
    match value {
        Json::Object(fields) => Some(fields),
        _ => None,
    }
}

fn network_type(moref: &Moref) -> &'static str {
    if moref.is::<DistributedVirtualPortgroup>() {
        "DISTRIBUTED_PORTGROUP"
    } else if moref.is::<OpaqueNetwork>() {
        "OPAQUE_NETWORK"
    } else {
        "STANDARD_PORTGROUP"
    }
}

/// What there is to say of one thing.
fn describe(call: &Call, kind: TypeId, id: &str) -> Result {
    let moref = find(call, kind, id)?;
    let snapshot = call.service().snapshot();
    let text = |moref: Moref| moref.value().to_string();
    if let Some(machine) = snapshot.view::<VirtualMachine>(&moref) {
        return Ok(Answer::Value(describe_machine(call, machine)));
    }
    let name = view::<ManagedEntity>(call, &snapshot, &moref)?.name().to_string();
    let described = if let Some(datacenter) = snapshot.view::<Datacenter>(&moref) {
        json!({
            "name": name,
            "datastore_folder": text(datacenter.datastore_folder()),
            "host_folder": text(datacenter.host_folder()),
            "network_folder": text(datacenter.network_folder()),
            "vm_folder": text(datacenter.vm_folder()),
        })
    } else if let Some(cluster) = snapshot.view::<ClusterComputeResource>(&moref) {
        json!({ "name": name, "resource_pool": cluster.resource_pool().map(text) })
    } else if let Some(datastore) = snapshot.view::<Datastore>(&moref) {
        let summary = datastore.summary();
        json!({
            "name": name,
            "type": summary.type_().to_uppercase(),
            "accessible": summary.accessible(),
            "free_space": summary.free_space(),
            "multiple_host_access": summary.multiple_host_access().unwrap_or_default(),
            "thin_provisioning_supported": datastore.capability().per_file_thin_provisioning_supported(),
        })
    } else if let Some(pool) = snapshot.view::<ResourcePool>(&moref) {
        let allocation = |it: &vimsim_types::views::ResourceAllocationInfo| {
            let shares = it.shares();
            json!({
                "reservation": it.reservation(), "expandable_reservation": it.expandable_reservation(), "limit": it.limit(),
                "shares": shares.map(|it| json!({ "level": upper(it.level().name()), "shares": it.shares() })),
            })
        };
        let config = pool.config();
        json!({
            "name": name,
            "resource_pools": pool.resource_pool().iter().map(text).collect::<Vec<_>>(),
            "cpu_allocation": allocation(config.cpu_allocation()),
            "memory_allocation": allocation(config.memory_allocation()),
        })
    } else {
        let mut fields = summary(&snapshot, &moref).unwrap_or_default();
        fields.insert("name".into(), json!(name));
        Json::Object(fields)
    };
    Ok(Answer::Value(described))
}

/// A map by key, as this family of paths writes it.
fn map(call: &Call, entries: Vec<(i32, Json)>) -> Json {
    match call.rest.style {
        Style::Rest => {
            entries.into_iter().map(|(key, value)| json!({ "key": key.to_string(), "value": value })).collect()
        }
        Style::Api => Json::Object(entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect()),
    }
}

fn describe_machine(call: &Call, machine: &VirtualMachine) -> Json {
    let Some(config) = machine.config() else { return json!({ "name": machine.name().as_str() }) };
    let hardware = config.hardware();
    let (mut disks, mut nics) = (Vec::new(), Vec::new());
    for device in hardware.device() {
        let label = device.device_info().map(|info| info.label().to_string());
        if let Some(disk) = device.downcast::<VirtualDisk>() {
            let file = disk.backing().and_then(|it| it.as_object().field("fileName").text().map(str::to_string));
            let capacity = disk.capacity_in_bytes().unwrap_or(disk.capacity_in_kb() * 1024);
            let backing = json!({ "type": "VMDK_FILE", "vmdk_file": file });
            disks.push((
                device.key(),
                json!({ "label": label, "type": "SCSI", "capacity": capacity, "backing": backing }),
            ));
        } else if let Some(card) = device.downcast::<VirtualEthernetCard>() {
            let network = machine.network().get(nics.len());
            let connected = card.connectable().is_some_and(|it| it.connected());
            let kind = card.as_object().kind().name().trim_start_matches("Virtual").to_uppercase();
            nics.push((
                device.key(),
                json!({
                    "label": label,
                    "type": kind,
                    "mac_type": if card.address_type().is_some_and(|it| *it == "manual") { "MANUAL" } else { "ASSIGNED" },
                    "mac_address": card.mac_address().map(|it| it.to_string()),
                    "state": if connected { "CONNECTED" } else { "NOT_CONNECTED" },
                    "start_connected": card.connectable().is_some_and(|it| it.start_connected()),
                    "allow_guest_control": card.connectable().is_some_and(|it| it.allow_guest_control()),
                    "wake_on_lan_enabled": card.wake_on_lan_enabled().unwrap_or_default(),
                    "backing": network.map(|it| json!({ "type": network_type(&it), "network": it.value().as_str() })),
                }),
            ));
        }
    }
    json!({
        "name": machine.name().as_str(),
        "identity": {
            "name": machine.name().as_str(),
            "bios_uuid": config.uuid().as_str(),
            "instance_uuid": config.instance_uuid().map(|it| it.to_string()),
        },
        "guest_OS": guest_os(config.guest_id()),
        "power_state": upper(machine.runtime().power_state().name()),
        "cpu": {
            "count": hardware.num_cpu(),
            "cores_per_socket": hardware.num_cores_per_socket().unwrap_or(1),
            "hot_add_enabled": config.cpu_hot_add_enabled().unwrap_or_default(),
            "hot_remove_enabled": config.cpu_hot_remove_enabled().unwrap_or_default(),
        },
        "memory": {
            "size_MiB": hardware.memory_mb(),
            "hot_add_enabled": config.memory_hot_add_enabled().unwrap_or_default(),
        },
        "hardware": {
            "version": config.version().to_uppercase().replace('-', "_"),
            "upgrade_policy": "NEVER",
            "upgrade_status": "NONE",
        },
        "boot": {
            "type": if config.firmware().is_some_and(|it| *it == "efi") { "EFI" } else { "BIOS" },
            "delay": config.boot_options().and_then(|it| it.boot_delay()).unwrap_or_default(),
            "retry": config.boot_options().and_then(|it| it.boot_retry_enabled()).unwrap_or_default(),
            "retry_delay": config.boot_options().and_then(|it| it.boot_retry_delay()).unwrap_or(10_000),
            "enter_setup_mode": config.boot_options().and_then(|it| it.enter_bios_setup()).unwrap_or_default(),
        },
        "boot_devices": [],
        "disks": map(call, disks),
        "nics": map(call, nics),
        "instant_clone_frozen": machine.runtime().instant_clone_frozen().unwrap_or_default(),
    })
}

/// What the guest says of itself, while it runs.
fn identity(call: &Call, moref: &Moref) -> Result {
    let snapshot = call.service().snapshot();
    let machine = view::<VirtualMachine>(call, &snapshot, moref)?;
    let guest = machine.guest().filter(|_| machine.runtime().power_state() == Power::PoweredOn);
    let guest = guest.ok_or_else(|| RestError::unavailable("VMware Tools is not running."))?;
    Ok(Answer::Value(json!({
        "name": guest.guest_id().map(|it| guest_os(it)),
        "family": guest.guest_family().map(|it| it.trim_end_matches("Guest").to_uppercase()),
        "full_name": { "id": "", "default_message": guest.guest_full_name().map(|it| it.to_string()), "args": [] },
        "host_name": guest.host_name().map(|it| it.to_string()),
        "ip_address": guest.ip_address().map(|it| it.to_string()),
    })))
}

/// Changes whether a machine runs.
async fn power(call: &Call, moref: &Moref, action: Option<&str>) -> Result {
    match action {
        Some("start") => call.task(moref, PowerOnVMTask::new()).await?,
        Some("stop") => call.task(moref, PowerOffVMTask::new()).await?,
        Some("suspend") => call.task(moref, SuspendVMTask::new()).await?,
        Some("reset") => call.task(moref, ResetVMTask::new()).await?,
        _ => return Err(call.unknown()),
    };
    Ok(Answer::Nothing)
}

/// Creates a datacenter, in the root folder unless another is named.
async fn create_datacenter(call: &Call) -> Result {
    let wanted = call.body.get("spec").unwrap_or(&call.body);
    let name = wanted["name"].as_str().unwrap_or_default();
    let folder = match wanted["folder"].as_str() {
        Some(id) => call.object::<Folder>(id)?,
        None => call.service().root_folder(),
    };
    let made = call.soap(&folder, CreateDatacenter::with(|request| _ = request.set_name(name))).await?;
    let made = made.moref().map(|moref| moref.value().to_string()).unwrap_or_default();
    Ok(Answer::Created(json!(made)))
}
