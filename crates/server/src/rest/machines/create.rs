//! Machines that come: made new, copied, registered; and that go elsewhere.

use serde_json::{Value as Json, json};
use vimsim_types::method::{CreateVMTask, InstantCloneTask, RegisterVMTask, RelocateVMTask, UnregisterVM};
use vimsim_types::views::{
    ClusterComputeResource, ComputeResource, Datacenter, Datastore, Folder, HostSystem, ManagedEntity, ResourcePool,
    VirtualMachine, VirtualMachineFileInfo, VirtualMachineInstantCloneSpec, VirtualMachineRelocateSpec,
};
use vimsim_types::{Moref, Value, View};

use super::change::Change;
use super::{Machine, boot, boot_from, cpu, guest_os, memory, spec};
use crate::rest::call::Call;
use crate::rest::{Answer, ErrorKind, RestError, Result, library};

/// The memory of a machine of which none is said, in MiB.
// Fidelity: in vCenter this depends on the guest.
const USUAL_MEMORY: i64 = 2048;

/// Where a machine is to be.
struct Place {
    folder: Option<Moref>,
    pool: Option<Moref>,
    host: Option<Moref>,
    datastore: Option<Moref>,
}

impl Place {
    /// Reads a placement. The pool is that of the cluster or host, where only these are named.
    fn read(call: &Call, wanted: &Json) -> Result<Self> {
        let given = |field: &str| wanted[field].as_str().filter(|id| !id.is_empty());
        let snapshot = call.service().snapshot();
        let host = given("host").map(|id| call.object::<HostSystem>(id)).transpose()?;
        let cluster = given("cluster").map(|id| call.object::<ClusterComputeResource>(id)).transpose()?;
        let above = host.as_ref().and_then(|host| snapshot.view::<ManagedEntity>(host)?.parent());
        let pool = given("resource_pool").map(|id| call.object::<ResourcePool>(id)).transpose()?;
        let compute = cluster.or(above);
        let own = || snapshot.view::<ComputeResource>(compute.as_ref()?)?.resource_pool();
        Ok(Self {
            folder: given("folder").map(|id| call.object::<Folder>(id)).transpose()?,
            pool: pool.or_else(own),
            host,
            datastore: given("datastore").map(|id| call.object::<Datastore>(id)).transpose()?,
        })
    }

    /// The folder and the pool; where no folder is named, that for machines in the pool's datacenter.
    fn complete(&self, call: &Call) -> Result<(Moref, Moref)> {
        let missing = || RestError::invalid(&"placement must name a resource_pool, cluster or host");
        let pool = self.pool.clone().ok_or_else(missing)?;
        let snapshot = call.service().snapshot();
        let mut above = Some(pool.clone());
        let mut folder = self.folder.clone();
        while folder.is_none() {
            let at = above.ok_or_else(|| RestError::invalid(&"placement must name a folder"))?;
            folder = snapshot.view::<Datacenter>(&at).map(|datacenter| datacenter.vm_folder());
            above = snapshot.view::<ManagedEntity>(&at).and_then(|entity| entity.parent());
        }
        Ok((folder.ok_or_else(missing)?, pool))
    }

    /// The datastore by name: the one asked for, or the first that the pool's hosts have.
    fn datastore(&self, call: &Call, pool: &Moref) -> Result<String> {
        let snapshot = call.service().snapshot();
        let usual = || {
            let owner = snapshot.view::<ResourcePool>(pool)?.owner();
            snapshot.view::<ComputeResource>(&owner)?.datastore().first()
        };
        let datastore = self.datastore.clone().or_else(usual);
        let name = datastore.and_then(|moref| Some(snapshot.view::<Datastore>(&moref)?.name().to_string()));
        name.ok_or_else(|| RestError::invalid(&"placement must name a datastore"))
    }
}

/// `POST` of a new machine, whichever way.
pub(super) async fn answer(call: &Call) -> Result {
    let wanted = spec(call);
    let made = match call.action() {
        None => create(call, wanted).await?,
        Some("clone") => clone(call, wanted).await?,
        Some("instant-clone") => instant_clone(call, wanted).await?,
        Some("register") => register(call, wanted).await?,
        _ => return Err(call.unknown()),
    };
    Ok(Answer::Created(json!(made.value().as_str())))
}

/// What is done to a machine as a whole.
pub(super) async fn act(call: &Call, machine: &Moref) -> Result {
    match call.action() {
        Some("relocate") => {
            let place = Place::read(call, &spec(call)["placement"])?;
            let request = RelocateVMTask::with(|request| {
                request.set_spec(VirtualMachineRelocateSpec::with(|spec| {
                    spec.set_folder(place.folder).set_pool(place.pool).set_host(place.host);
                    spec.set_datastore(place.datastore);
                }));
            });
            call.task(machine, request).await?;
        }
        Some("unregister") => _ = call.soap(machine, UnregisterVM::new()).await?,
        _ => return Err(call.unknown()),
    }
    Ok(Answer::Nothing)
}

fn made(value: &Value) -> Result<Moref> {
    let failed = || RestError::new(ErrorKind::Internal, "com.vmware.api.vcenter.vm.failed", "nothing was made");
    value.moref().ok_or_else(failed)
}

fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

/// Refuses what is asked for in these fields.
fn refuse(wanted: &Json, fields: &[&str]) -> Result<()> {
    let Some(field) = fields.iter().find(|field| !wanted[**field].is_null()) else { return Ok(()) };
    let message = format!("{field} is not supported");
    Err(RestError::new(ErrorKind::Unsupported, "com.vmware.api.vcenter.vm.unsupported", message))
}

async fn create(call: &Call, wanted: &Json) -> Result<Moref> {
    refuse(wanted, &["floppies", "parallel_ports", "serial_ports", "storage_policy"])?;
    let guest = wanted["guest_OS"].as_str().unwrap_or_default();
    let guest = guest_os::identifier(guest).ok_or_else(|| RestError::invalid(&"there is no such guest_OS"))?;
    let place = Place::read(call, &wanted["placement"])?;
    let (folder, pool) = place.complete(call)?;
    let datastore = place.datastore(call, &pool)?;
    let name = match wanted["name"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => name.to_string(),
        None => free_name(call, &folder),
    };
    let mut change = Change::new(call, None, format!("[{datastore}] {name}/"));
    for (field, name) in [("scsi_adapters", "scsi"), ("sata_adapters", "sata"), ("nvme_adapters", "nvme")] {
        list(&wanted[field]).try_for_each(|adapter| change.add_adapter(name, adapter).map(|_| ()))?;
    }
    let one = json!([{ "new_vmdk": {} }]);
    let disks = Some(&wanted["disks"]).filter(|disks| !disks.is_null()).unwrap_or(&one);
    list(disks).try_for_each(|disk| change.add_disk(disk))?;
    list(&wanted["nics"]).try_for_each(|card| change.add_card(card))?;
    list(&wanted["cdroms"]).try_for_each(|drive| change.add_cdrom(drive))?;
    let mut config = change.spec;
    config.set_name(name.as_str()).set_guest_id(guest).set_num_cpus(1).set_memory_mb(USUAL_MEMORY);
    config.set_files(VirtualMachineFileInfo::with(|files| _ = files.set_vm_path_name(format!("[{datastore}]"))));
    config.set_version(wanted["hardware_version"].as_str().map(|version| version.to_lowercase().replace('_', "-")));
    if wanted["cpu"].is_object() {
        cpu(&mut config, &wanted["cpu"]);
        if config.num_cpus().is_none() {
            config.set_num_cpus(1);
        }
    }
    if wanted["memory"].is_object() {
        memory(&mut config, &wanted["memory"]);
        if config.memory_mb().is_none() {
            config.set_memory_mb(USUAL_MEMORY);
        }
    }
    if wanted["boot"].is_object() {
        boot(&mut config, &wanted["boot"]);
    }
    let request = CreateVMTask::with(|request| _ = request.set_config(config).set_pool(pool).set_host(place.host));
    let machine = made(&call.task(&folder, request).await?)?;
    if !wanted["boot_devices"].is_null() {
        boot_from(call, &Machine::find(call, machine.value())?, &wanted["boot_devices"]).await?;
    }
    Ok(machine)
}

/// A name that nothing in a folder has: `New Virtual Machine`, or that with a number.
fn free_name(call: &Call, folder: &Moref) -> String {
    let snapshot = call.service().snapshot();
    let children = snapshot.view::<Folder>(folder).into_iter().flat_map(|folder| folder.child_entity().iter());
    let name_of = |moref: Moref| Some(snapshot.view::<ManagedEntity>(&moref)?.name().to_string());
    let names: Vec<_> = children.filter_map(name_of).collect();
    let name = |number: usize| match number {
        0 => "New Virtual Machine".to_string(),
        number => format!("New Virtual Machine {number}"),
    };
    (0..).map(name).find(|name| !names.contains(name)).unwrap_or_default()
}

async fn clone(call: &Call, wanted: &Json) -> Result<Moref> {
    refuse(wanted, &["disks_to_remove", "disks_to_update", "guest_customization_spec"])?;
    let source = call.object::<VirtualMachine>(wanted["source"].as_str().unwrap_or_default())?;
    let place = Place::read(call, &wanted["placement"])?;
    let name = wanted["name"].as_str().unwrap_or_default();
    library::copy(call, &source, name, &wanted["placement"], place.datastore, false, wanted["power_on"] == true).await
}

async fn instant_clone(call: &Call, wanted: &Json) -> Result<Moref> {
    refuse(wanted, &["nics_to_update", "disconnect_all_nics", "parallel_ports_to_update", "serial_ports_to_update"])?;
    let source = call.object::<VirtualMachine>(wanted["source"].as_str().unwrap_or_default())?;
    let place = Place::read(call, &wanted["placement"])?;
    let request = InstantCloneTask::with(|request| {
        request.set_spec(VirtualMachineInstantCloneSpec::with(|spec| {
            spec.set_name(wanted["name"].as_str().unwrap_or_default()).set_bios_uuid(wanted["bios_uuid"].as_str());
            spec.location_mut().set_folder(place.folder).set_pool(place.pool).set_datastore(place.datastore);
        }));
    });
    made(&call.task(&source, request).await?)
}

async fn register(call: &Call, wanted: &Json) -> Result<Moref> {
    let place = Place::read(call, &wanted["placement"])?;
    let (folder, pool) = place.complete(call)?;
    let path = match (wanted["datastore_path"].as_str(), wanted["datastore"].as_str(), wanted["path"].as_str()) {
        (Some(path), ..) => path.to_string(),
        (None, Some(datastore), Some(path)) => {
            let datastore = call.object::<Datastore>(datastore)?;
            let snapshot = call.service().snapshot();
            let name = snapshot.view::<Datastore>(&datastore).map(|it| it.name().to_string()).unwrap_or_default();
            format!("[{name}] {path}")
        }
        _ => return Err(RestError::invalid(&"datastore_path, or datastore and path, must be given")),
    };
    let request = RegisterVMTask::with(|request| {
        request.set_path(path).set_name(wanted["name"].as_str()).set_as_template(false);
        request.set_pool(pool).set_host(place.host);
    });
    made(&call.task(&folder, request).await?)
}
