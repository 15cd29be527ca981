//! `vcenter/ovf/library-item`: items that are OVF templates, made of machines and made into machines.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vimsim_simulator::{Download, TransferError};
use vimsim_types::enums::{HttpNfcLeaseState as State, VirtualMachinePowerState as Power};
use vimsim_types::method::{
    CreateDescriptor, CreateImportSpec, DestroyTask, ExportVm, HttpNfcLeaseAbort, HttpNfcLeaseComplete, ImportVApp,
    ReconfigVMTask,
};
use vimsim_types::views::{
    Datastore, Folder, HostSystem, HttpNfcLease, HttpNfcLeaseInfo, KeyValue, Network, OvfCreateDescriptorParams,
    OvfCreateDescriptorResult, OvfCreateImportSpecParams, OvfCreateImportSpecResult, OvfFile, OvfManager,
    OvfNetworkMapping, ResourcePool, VirtualMachine, VirtualMachineConfigSpec,
};
use vimsim_types::{Fault, Moref, Namespace, Ty, View};

use super::{Item, ItemFile, bare, folder, items};
use crate::rest::call::Call;
use crate::rest::{Answer, RestError, Result};

/// The largest descriptor that is read, in bytes.
pub(super) const LARGEST_DESCRIPTOR: u64 = 16 << 20;

pub(in crate::rest) async fn answer(call: &Call, rest: &[&str]) -> Result {
    match (call.method.as_str(), rest, call.action()) {
        ("POST", [], None | Some("create")) => create(call).await,
        ("POST", [id], Some("deploy")) => {
            let deployed = deploy(call, bare(id)).await;
            Ok(Answer::Value(match deployed {
                Ok(machine) => json!({
                    "succeeded": true,
                    "resource_id": { "type": machine.kind().name(), "id": machine.value().as_str() },
                }),
                Err(Failure::Ours(why)) => json!({ "succeeded": false, "error": error(&why) }),
                Err(Failure::Theirs(error)) => return Err(error),
            }))
        }
        ("POST", [id], Some("filter")) => filter(call, bare(id)).await,
        _ => Err(call.unknown()),
    }
}

/// Why a deployment failed: by itself, or because the request makes no sense.
enum Failure {
    Ours(String),
    Theirs(RestError),
}

impl From<RestError> for Failure {
    fn from(error: RestError) -> Self {
        Self::Theirs(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Ours(fault.message().to_string())
    }
}

fn error(why: &str) -> Value {
    let messages = json!([{ "id": "com.vmware.ovfs.ovfs-main.failed", "default_message": why, "args": [] }]);
    let error = json!({ "@class": "com.vmware.vapi.std.errors.error", "messages": messages });
    json!({ "errors": [{ "category": "SERVER", "error": error }] })
}

fn ovf_manager() -> Moref {
    Moref::of::<OvfManager>("OvfManager")
}

/// The descriptor of an item, which must be on its datastore.
fn descriptor(call: &Call, id: &str, item: &Item) -> std::result::Result<String, Failure> {
    let file = item.files.iter().find(|file| file.name.to_ascii_lowercase().ends_with(".ovf"));
    let file = file.ok_or_else(|| Failure::Theirs(RestError::invalid(&"the item is no OVF template")))?;
    let kept = call.kept();
    if let Some(datastore) = kept.libraries.library(&item.library)?.datastore() {
        let path = format!("{}/{}", folder(&item.library, id), file.name);
        if !call.service().datastore_has(&datastore, &path) {
            return Err(Failure::Ours(format!("the file {path} is not there")));
        }
    }
    let text = file.bytes.bytes(LARGEST_DESCRIPTOR).and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Failure::Ours(format!("{} cannot be read", file.name)))
}

/// What the OVF manager makes of a descriptor for a place.
async fn import_spec(
    call: &Call,
    text: String,
    pool: &Moref,
    wanted: &Value,
) -> std::result::Result<OvfCreateImportSpecResult, Failure> {
    let snapshot = call.service().snapshot();
    let given = wanted["default_datastore_id"].as_str().filter(|id| !id.is_empty());
    let datastore = match given {
        Some(id) => call.object::<Datastore>(id)?,
        None => usual_datastore(call, pool).ok_or_else(|| Failure::Ours("there is no datastore".into()))?,
    };
    let mut networks = Vec::new();
    for (key, id) in pairs(&wanted["network_mappings"]) {
        let network = snapshot.object_by_value(id).map(|object| object.moref().clone());
        let network = network.filter(|network| network.is::<Network>());
        let network = network.ok_or_else(|| RestError::invalid(&format!("there is no network '{id}'")))?;
        networks.push(OvfNetworkMapping::with(|mapping| _ = mapping.set_name(key).set_network(network)));
    }
    let parameters = || wanted["additional_parameters"].as_array().into_iter().flatten();
    let properties = parameters().flat_map(|it| it["properties"].as_array().into_iter().flatten());
    let property = |it: &Value| {
        let (id, value) = (it["id"].as_str()?, it["value"].as_str()?);
        Some(KeyValue::with(|pair| _ = pair.set_key(id).set_value(value)))
    };
    let properties: Vec<KeyValue> = properties.filter_map(property).collect();
    let option = parameters().find_map(|it| it["selected_key"].as_str());
    let request = CreateImportSpec::with(|request| {
        request.set_ovf_descriptor(text).set_resource_pool(pool.clone()).set_datastore(datastore);
        request.set_cisp(OvfCreateImportSpecParams::with(|params| {
            params.set_locale("US").set_deployment_option(option.unwrap_or_default());
            params.set_entity_name(wanted["name"].as_str().unwrap_or_default());
            params.set_disk_provisioning(wanted["storage_provisioning"].as_str());
            params.set_network_mapping(networks).set_property_mapping(properties);
        }));
    });
    let made = call.soap(&ovf_manager(), request).await?;
    let made = made.object().and_then(OvfCreateImportSpecResult::from_ref).cloned();
    let made = made.ok_or_else(|| Failure::Ours("the descriptor says nothing".into()))?;
    match made.error().first() {
        Some(error) => Err(Failure::Ours(error.localized_message().cloned().unwrap_or_default().to_string())),
        None => Ok(made),
    }
}

/// A map from text to text, which is a list of pairs in the older paths.
fn pairs(map: &Value) -> Vec<(&str, &str)> {
    match map {
        Value::Object(map) => map.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect(),
        Value::Array(pairs) => {
            pairs.iter().filter_map(|pair| Some((pair["key"].as_str()?, pair["value"].as_str()?))).collect()
        }
        _ => Vec::new(),
    }
}

/// A datastore that the hosts of a pool have.
fn usual_datastore(call: &Call, pool: &Moref) -> Option<Moref> {
    let snapshot = call.service().snapshot();
    let owner = snapshot.view::<ResourcePool>(pool)?.owner();
    snapshot.view::<vimsim_types::views::ComputeResource>(&owner)?.datastore().first()
}

/// Makes a machine of an item.
async fn deploy(call: &Call, id: &str) -> std::result::Result<Moref, Failure> {
    call.may(None, "ContentLibrary.ReadStorage")?;
    let kept = call.kept();
    let mut item = kept.libraries.item(id)?.clone();
    if kept.libraries.library(&item.library)?.is_subscribed() && item.info["cached"] != true {
        items::sync(call, id, true)?;
        item = call.kept().libraries.item(id)?.clone();
    }
    let (wanted, target) = (&call.body["deployment_spec"], &call.body["target"]);
    let pool = call.object::<ResourcePool>(target["resource_pool_id"].as_str().unwrap_or_default())?;
    let host = target["host_id"].as_str().filter(|id| !id.is_empty());
    let host = host.map(|id| call.object::<HostSystem>(id)).transpose()?;
    let place = target["folder_id"].as_str().filter(|id| !id.is_empty());
    let place = place.map(|id| call.object::<Folder>(id)).transpose()?;
    let config = configuration(&wanted["vm_config_spec"])?;
    let made = import_spec(call, descriptor(call, id, &item)?, &pool, wanted).await?;
    let spec = made.import_spec().cloned().ok_or_else(|| Failure::Ours("there is nothing to import".into()))?;
    let request = ImportVApp::with(|request| _ = request.set_spec(spec).set_folder(place).set_host(host));
    let lease = call.soap(&pool, request).await?.moref();
    let lease = lease.ok_or_else(|| Failure::Ours("there is no lease".into()))?;
    let info = ready(call, &lease).await?;
    let sent: std::result::Result<(), String> = made.file_item().iter().try_for_each(|wanted| {
        let url = info.device_url().iter().find(|url| url.import_key() == wanted.device_id());
        let url = url.ok_or_else(|| format!("no device takes {}", wanted.path()))?;
        // Fidelity: a disk whose file never came stays blank, as in vcsim; govc's tests deploy such an item.
        let Some(file) = item.files.iter().find(|file| file.name == wanted.path().as_str()) else { return Ok(()) };
        send(call, url.url(), &file.bytes).map_err(|error| error.to_string())
    });
    if let Err(why) = sent {
        call.soap(&lease, HttpNfcLeaseAbort::new()).await?;
        return Err(Failure::Ours(why));
    }
    call.soap(&lease, HttpNfcLeaseComplete::new()).await?;
    if let Some(config) = config {
        call.task(&info.entity(), ReconfigVMTask::with(|request| _ = request.set_spec(config))).await?;
    }
    Ok(info.entity())
}

/// Sends a file to a device, through its URL.
fn send(call: &Call, url: &str, bytes: &Download) -> std::result::Result<(), TransferError> {
    let mut upload = call.service().upload();
    for piece in bytes.pieces(0, bytes.size()) {
        let written = piece.and_then(|piece| upload.write(&piece));
        written.map_err(|error| TransferError::Other(error.to_string()))?;
    }
    let (token, name) = token_and_name(url);
    call.service().nfc_put(token, name, upload)
}

/// The lease and the file of `https://host/nfc/LEASE/FILE`.
fn token_and_name(url: &str) -> (&str, &str) {
    url.split_once("/nfc/").and_then(|(_, rest)| rest.split_once('/')).unwrap_or_default()
}

/// What a lease says once it is ready.
async fn ready(call: &Call, lease: &Moref) -> std::result::Result<HttpNfcLeaseInfo, Failure> {
    let mut versions = call.service().versions();
    loop {
        let snapshot = call.service().snapshot();
        let view: &HttpNfcLease = snapshot.view(lease).ok_or_else(|| Failure::Ours("the lease is gone".into()))?;
        match view.state() {
            State::Ready => return Ok(view.info().cloned().unwrap_or_else(View::new)),
            State::Error => {
                let message = view.error().and_then(|error| error.localized_message()).cloned();
                return Err(Failure::Ours(message.unwrap_or_default().to_string()));
            }
            _ => {}
        }
        drop(snapshot);
        if versions.changed().await.is_err() {
            return Err(Failure::Ours("the service is stopping".into()));
        }
    }
}

/// The specification that a request brings along, packed as XML.
fn configuration(packed: &Value) -> std::result::Result<Option<VirtualMachineConfigSpec>, Failure> {
    let Some(text) = packed["xml"].as_str() else { return Ok(None) };
    let bad = |why: &dyn std::fmt::Display| RestError::invalid(&format!("vm_config_spec cannot be read: {why}"));
    let xml = STANDARD.decode(text.trim()).map_err(|error| bad(&error))?;
    let limits = vimsim_wire::Limits::default();
    let ty = Ty::Data(VirtualMachineConfigSpec::TYPE);
    let value = vimsim_wire::decode_value(&xml, ty, Namespace::VIM25, &limits);
    let value = value.map_err(|fault| bad(&fault.message()))?;
    Ok(value.object().and_then(VirtualMachineConfigSpec::from_ref).cloned())
}

/// What there is to decide before an item is deployed.
async fn filter(call: &Call, id: &str) -> Result {
    let kept = call.kept();
    let item = kept.libraries.item(id)?;
    let text = match descriptor(call, id, item) {
        Ok(text) => text,
        Err(Failure::Theirs(error)) => return Err(error),
        Err(Failure::Ours(why)) => return Err(RestError::invalid(&why)),
    };
    let names = |tag: &str| -> Vec<String> {
        let rest = text.split(tag).skip(1).filter_map(|rest| rest.split("ovf:name=\"").nth(1));
        rest.filter_map(|rest| rest.split('"').next()).map(str::to_string).collect()
    };
    Ok(Answer::Value(json!({
        "name": item.info["name"], "Networks": names("<Network "), "storage_groups": [], "EULAs": [], "Annotation": "",
        "additional_params": [],
    })))
}

/// Makes an item of a machine: its descriptor and its disks.
async fn create(call: &Call) -> Result {
    call.may(None, "ContentLibrary.AddLibraryItem")?;
    let body = &call.body;
    let source = call.object::<VirtualMachine>(body["source"]["id"].as_str().unwrap_or_default())?;
    let wanted = &body["create_spec"];
    let name = wanted["name"].as_str().unwrap_or_default();
    let known = body["target"]["library_item_id"].as_str().filter(|id| !id.is_empty());
    let library = body["target"]["library_id"].as_str().filter(|id| !id.is_empty());
    if known.is_none() && library.is_none() {
        return Err(RestError::invalid(&"target must name a library or an item"));
    }
    let keeps_addresses = wanted["flags"].as_array().is_some_and(|flags| flags.iter().any(|it| it == "PRESERVE_MAC"));
    let files = match export_any(call, &source, name, keeps_addresses).await {
        Ok(files) => files,
        Err(Failure::Theirs(error)) => return Err(error),
        Err(Failure::Ours(why)) => return Ok(Answer::Value(json!({ "succeeded": false, "error": error(&why) }))),
    };
    let id = match known {
        Some(id) => id.to_string(),
        None => {
            let description = wanted["description"].as_str().unwrap_or_default();
            items::add(call, library.unwrap_or_default(), name, "ovf", description, |_| Ok(()))?
        }
    };
    let kept = call.kept();
    let of = kept.libraries.item(&id)?.library.clone();
    for file in &files {
        call.store(kept.libraries.library(&of)?, &of, &id, file)?;
    }
    call.change_libraries(|libraries| {
        let item = libraries.item_mut(&id)?;
        item.files = files;
        item.info["type"] = json!("ovf");
        item.count();
        Ok(())
    })?;
    Ok(Answer::Value(json!({ "succeeded": true, "ovf_library_item_id": id })))
}

/// [`export`] of any machine. Of one that runs a copy is exported, as it is now.
// Fidelity: vCenter refuses machines that run, which govc's tests export.
async fn export_any(
    call: &Call,
    machine: &Moref,
    name: &str,
    keeps_addresses: bool,
) -> std::result::Result<Vec<ItemFile>, Failure> {
    let snapshot = call.service().snapshot();
    let state = snapshot.view::<VirtualMachine>(machine).map(|machine| machine.runtime().power_state());
    if state.is_none_or(|state| state == Power::PoweredOff) {
        return export(call, machine, name, keeps_addresses).await;
    }
    let temporary = format!("{name}-{}", vimsim_simulator::uuid::random());
    let copy = super::templates::copy(call, machine, &temporary, &Value::Null, None, false, false).await?;
    let files = export(call, &copy, name, keeps_addresses).await;
    call.task(&copy, DestroyTask::new()).await?;
    files
}

/// The files of a machine: what a lease gives out, and the descriptor of it.
async fn export(
    call: &Call,
    machine: &Moref,
    name: &str,
    keeps_addresses: bool,
) -> std::result::Result<Vec<ItemFile>, Failure> {
    let lease = call.soap(machine, ExportVm::new()).await?.moref();
    let lease = lease.ok_or_else(|| Failure::Ours("there is no lease".into()))?;
    let info = ready(call, &lease).await?;
    let (mut files, mut described) = (Vec::new(), Vec::new());
    let mut taken: BTreeMap<String, ()> = BTreeMap::new();
    for device in info.device_url().iter() {
        let (token, file) = token_and_name(device.url());
        let (service, token, file) = (call.service().clone(), token.to_string(), file.to_string());
        let fetched = {
            let (token, file) = (token.clone(), file.clone());
            tokio::task::spawn_blocking(move || service.nfc_get(&token, &file)).await
        };
        let fetched = fetched.map_err(|error| Failure::Ours(error.to_string()))?;
        let bytes = fetched.map_err(|error| Failure::Ours(error.to_string()))?;
        let mut target = format!("{name}-{file}");
        while taken.insert(target.clone(), ()).is_some() {
            target = format!("x{target}");
        }
        described.push(OvfFile::with(|described| {
            described.set_device_id(device.key()).set_path(target.as_str());
            described.set_size(i64::try_from(bytes.size()).unwrap_or(i64::MAX));
        }));
        files.push(ItemFile { name: target, bytes, cached: true });
    }
    call.soap(&lease, HttpNfcLeaseComplete::new()).await?;
    let request = CreateDescriptor::with(|request| {
        request.set_obj(machine.clone());
        request.set_cdp(OvfCreateDescriptorParams::with(|params| {
            params.set_name(name).set_ovf_files(described);
            if keeps_addresses {
                params.set_export_option(["mac"]);
            }
        }));
    });
    let made = call.soap(&ovf_manager(), request).await?;
    let made = made.object().and_then(OvfCreateDescriptorResult::from_ref).cloned();
    let made = made.ok_or_else(|| Failure::Ours("there is no descriptor".into()))?;
    if let Some(error) = made.error().first() {
        return Err(Failure::Ours(error.localized_message().cloned().unwrap_or_default().to_string()));
    }
    let mut upload = call.service().upload();
    upload.write(made.ovf_descriptor().as_bytes()).map_err(|error| Failure::Ours(error.to_string()))?;
    let descriptor = format!("{name}.ovf");
    let bytes = call.service().arrived(upload, &descriptor);
    files.insert(0, ItemFile { name: descriptor, bytes, cached: true });
    Ok(files)
}
