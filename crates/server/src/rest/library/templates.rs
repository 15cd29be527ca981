//! `vcenter/vm-template/library-items`: items that are templates of virtual machines.

use serde_json::{Value, json};
use vimsim_types::method::CloneVMTask;
use vimsim_types::views::{
    ClusterComputeResource, ComputeResource, Datastore, Folder, HostSystem, ManagedEntity, ResourcePool, VirtualDisk,
    VirtualEthernetCard, VirtualMachine, VirtualMachineCloneSpec,
};
use vimsim_types::{ArcStr, Moref, View};

use super::{Item, items, next};
use crate::rest::call::Call;
use crate::rest::{Answer, ErrorKind, RestError, Result};

pub(in crate::rest) async fn answer(call: &Call, rest: &[&str]) -> Result {
    super::forget_destroyed(call)?;
    match (call.method.as_str(), rest, call.action()) {
        ("POST", [], None) => create(call).await,
        ("GET", [id], None) => info(call, id),
        ("POST", [id], Some("deploy")) => deploy(call, id, "ContentLibrary.ReadStorage").await,
        ("POST", [id, "check-outs"], Some("check-out")) => deploy(call, id, "ContentLibrary.CheckOutTemplate").await,
        ("POST", [id, "check-outs", machine], Some("check-in")) => check_in(call, id, machine),
        _ => Err(call.unknown()),
    }
}

fn spec(call: &Call) -> &Value {
    call.body.get("spec").unwrap_or(&call.body)
}

/// The template that an item is.
fn template(call: &Call, id: &str) -> Result<(Item, Moref)> {
    let item = call.kept().libraries.item(super::bare(id))?.clone();
    let machine = item.machine.clone().ok_or_else(|| RestError::invalid(&"the item is no template of a machine"))?;
    Ok((item, machine))
}

/// Makes a machine's copy an item.
async fn create(call: &Call) -> Result {
    call.may(None, "ContentLibrary.AddLibraryItem")?;
    let wanted = spec(call);
    let text = |field: &str| wanted[field].as_str().unwrap_or_default();
    let source = call.object::<VirtualMachine>(text("source_vm"))?;
    let kept = call.kept();
    let library = kept.libraries.library(text("library"))?;
    let datastore = library.datastore();
    let machine = copy(call, &source, text("name"), &wanted["placement"], datastore, true, false).await?;
    let id = items::add(call, text("library"), text("name"), "vm-template", text("description"), |item| {
        item.machine = Some(machine);
        Ok(())
    })?;
    Ok(Answer::Created(json!(id)))
}

/// What a template is made of.
fn info(call: &Call, id: &str) -> Result {
    let (_, machine) = template(call, id)?;
    let snapshot = call.service().snapshot();
    let view: &VirtualMachine = snapshot.view(&machine).ok_or_else(|| super::not_found("template", id))?;
    let config = view.config().ok_or_else(|| super::not_found("template", id))?;
    let hardware = config.hardware();
    let storage = view.datastore().first().map(|datastore| datastore.value().to_string()).unwrap_or_default();
    let (mut disks, mut nics) = (Vec::new(), Vec::new());
    for device in hardware.device() {
        if let Some(disk) = device.downcast::<VirtualDisk>() {
            let capacity = disk.capacity_in_bytes().unwrap_or(disk.capacity_in_kb() * 1024);
            let value = json!({ "capacity": capacity, "disk_storage": { "datastore": storage } });
            disks.push(json!({ "key": device.key().to_string(), "value": value }));
        } else if device.downcast::<VirtualEthernetCard>().is_some() {
            let network = view.network().get(nics.len()).map(|network| network.value().to_string());
            let value = json!({ "network": network, "backing_type": "STANDARD_PORTGROUP", "mac_type": "ASSIGNED" });
            nics.push(json!({ "key": device.key().to_string(), "value": value }));
        }
    }
    Ok(Answer::Value(json!({
        "cpu": { "count": hardware.num_cpu(), "cores_per_socket": hardware.num_cores_per_socket() },
        "memory": { "size_mib": hardware.memory_mb() },
        "guest_OS": crate::rest::machines::guest_os(config.guest_id()),
        "disks": disks,
        "nics": nics,
        "vm_home_storage": { "datastore": storage },
        "vm_template": machine.value().as_str(),
    })))
}

/// Makes a machine of a template.
async fn deploy(call: &Call, id: &str, privilege: &str) -> Result {
    call.may(None, privilege)?;
    let (_, machine) = template(call, id)?;
    let wanted = spec(call);
    let placement = &wanted["placement"];
    if !["cluster", "host", "resource_pool"].iter().any(|field| placement[field].is_string()) {
        return Err(RestError::invalid(&"placement must name a cluster, host or resource_pool"));
    }
    let storage =
        [&wanted["vm_home_storage"], &wanted["disk_storage"]].into_iter().find_map(|it| it["datastore"].as_str());
    let datastore = storage.map(|id| call.object::<Datastore>(id)).transpose()?;
    let name = wanted["name"].as_str().unwrap_or_default();
    let made = copy(call, &machine, name, placement, datastore, false, wanted["powered_on"] == true).await?;
    Ok(Answer::Value(json!(made.value().as_str())))
}

/// Makes the copy that was checked out the template, in its stead; the version that this is.
fn check_in(call: &Call, id: &str, machine: &str) -> Result {
    call.may(None, "ContentLibrary.CheckInTemplate")?;
    let (_, _) = template(call, id)?;
    call.object::<VirtualMachine>(machine)?;
    call.change_libraries(|libraries| {
        let item = libraries.item_mut(super::bare(id))?;
        item.info["content_version"] = next(&item.info["content_version"]);
        item.info["last_modified_time"] = call.time();
        Ok(Answer::Value(item.info["content_version"].clone()))
    })
}

/// Copies a machine to where a placement says.
pub(in crate::rest) async fn copy(
    call: &Call,
    source: &Moref,
    name: &str,
    placement: &Value,
    datastore: Option<Moref>,
    template: bool,
    power_on: bool,
) -> Result<Moref> {
    let given = |field: &str| placement[field].as_str().filter(|id| !id.is_empty());
    let pool = match (given("resource_pool"), given("cluster")) {
        (Some(pool), _) => Some(call.object::<ResourcePool>(pool)?),
        (None, Some(cluster)) => {
            let cluster = call.object::<ClusterComputeResource>(cluster)?;
            call.service().snapshot().view::<ComputeResource>(&cluster).and_then(|it| it.resource_pool())
        }
        (None, None) => None,
    };
    let host = given("host").map(|id| call.object::<HostSystem>(id)).transpose()?;
    let snapshot = call.service().snapshot();
    let above_host = || snapshot.view::<ManagedEntity>(host.as_ref()?)?.parent();
    let pool = pool.or_else(|| snapshot.view::<ComputeResource>(&above_host()?)?.resource_pool());
    let above = || snapshot.view::<ManagedEntity>(source).and_then(|machine| machine.parent());
    let folder = given("folder").map(|id| call.object::<Folder>(id)).transpose()?.or_else(above);
    let folder = folder.ok_or_else(|| RestError::invalid(&"placement must name a folder"))?;
    let name = ArcStr::from(name);
    let request = CloneVMTask::with(|request| {
        request.set_folder(folder.clone()).set_name(name);
        request.set_spec(VirtualMachineCloneSpec::with(|spec| {
            spec.set_template(template).set_power_on(power_on);
            spec.location_mut().set_pool(pool).set_host(host).set_datastore(datastore).set_folder(folder);
        }));
    });
    let made = call.task(source, request).await?.moref();
    let failed = || RestError::new(ErrorKind::Internal, "com.vmware.vdcs.cls-main.failed", "nothing was made");
    made.ok_or_else(failed)
}
