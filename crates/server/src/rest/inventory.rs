//! `/vcenter/vm`, `/vcenter/host` and so on: the inventory as lists, and what there is to say of each thing in it.

use serde_json::{Map, Value as Json, json};
use vimsim_simulator::Snapshot;
use vimsim_types::method::{CreateDatacenter, DestroyTask};
use vimsim_types::views::{
    ClusterComputeResource, Datacenter, Datastore, DistributedVirtualPortgroup, Folder, HostSystem, ManagedEntity,
    Network, OpaqueNetwork, ResourcePool, VirtualMachine,
};
use vimsim_types::{EnumView, Moref, TypeId, View};

use super::call::Call;
use super::{Answer, Result, compute, machines};

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
    if (*path, rest) == ("storage", &["policies"]) && call.method == "GET" {
        return compute::policies(call).await;
    }
    let kind = KINDS.iter().find(|(known, ..)| known == path).ok_or_else(|| call.unknown())?;
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(list(call, kind.1, kind.2)),
        ("POST", []) if kind.0 == "datacenter" => create_datacenter(call).await,
        (_, rest) if kind.0 == "vm" => machines::answer(call, rest).await,
        ("GET", [id]) => describe(call, kind.2, id),
        ("POST", []) if kind.0 == "resource-pool" => compute::create_pool(call).await,
        ("PATCH", [id]) if kind.0 == "resource-pool" => compute::update_pool(call, &find(call, kind.2, id)?).await,
        ("POST", []) if kind.0 == "host" => compute::create_host(call).await,
        ("POST", [id, rest @ ..]) if kind.0 == "host" && rest.len() < 2 => {
            let action = call.action().or(rest.first().copied()).unwrap_or_default();
            compute::act_on_host(call, &find(call, kind.2, id)?, Some(action)).await
        }
        ("DELETE", [id]) if kind.0 == "host" => compute::act_on_host(call, &find(call, kind.2, id)?, None).await,
        ("DELETE", [id]) if matches!(kind.0, "datacenter" | "resource-pool") => {
            call.task(&find(call, kind.2, id)?, DestroyTask::new()).await?;
            Ok(Answer::Nothing)
        }
        _ => Err(call.unknown()),
    }
}

/// `POWERED_ON` of `poweredOn`.
pub(super) fn upper(word: &str) -> String {
    let mut out = String::new();
    for c in word.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
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
    let connections = call.wanted("connection_states");
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
        if !fits(&connections, field("connection_state"))
            || !fits(&states, field("power_state"))
            || !fits(&types, field("type"))
        {
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

pub(super) fn network_type(moref: &Moref) -> &'static str {
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
