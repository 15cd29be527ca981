//! Machines that are out of the inventory while their files are there, and their way back into it.

use std::collections::BTreeMap;

use vimsim_types::method::RegisterVMTask;
use vimsim_types::views::{
    AlreadyExists, ComputeResource, Datastore, Folder, HostSystem, ResourcePool, VirtualApp, VirtualMachine,
    VirtualMachineConfigInfo, VirtualMachineSnapshot, VirtualMachineSnapshotInfo, VmRegisteredEvent,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::device::{self, Site};
use super::disk::{invalid_datastore, invalid_path};
use super::{clone, config, create, destination, encryption, places, snapshot, summary, template};
use crate::call::Call;
use crate::files::{Content, Place, edit, fault};
use crate::objects::{folder, managed_entity, network};
use crate::rules::path_key;

/// The snapshots of unregistered machines, by the paths of the machines' configuration files; kept by their datacenter.
#[derive(Clone, Default)]
struct Kept(BTreeMap<ArcStr, Snapshots>);

#[derive(Clone)]
struct Snapshots {
    tree: VirtualMachineSnapshotInfo,
    objects: Vec<(Moref, VirtualMachineSnapshot)>,
}

/// Keeps the snapshots of a machine that leaves the inventory. What its configuration file says, its datastore keeps.
pub(super) fn keep<T>(call: &mut Call<'_, T>, moref: &Moref, machine: &VirtualMachine) -> Result<(), Fault> {
    let path = machine.config().and_then(|config| config.files().vm_path_name()).cloned();
    let (Some(datacenter), Some(path), Some(tree)) = (call.datacenter_of(moref), path, machine.snapshot()) else {
        return Ok(());
    };
    let objects = snapshot::of(machine).into_iter().filter_map(|node| {
        let moref = node.snapshot();
        Some((moref.clone(), call.view::<VirtualMachineSnapshot>(&moref)?.clone()))
    });
    let kept = Snapshots { tree: tree.clone(), objects: objects.collect() };
    call.private::<Kept>(&datacenter)?.0.insert(path, kept);
    Ok(())
}

/// Has adapters know only the names of networks that went while their machine was not in the inventory.
fn forget_lost_networks<T>(call: &Call<'_, T>, config: &mut VirtualMachineConfigInfo) {
    network::forget_in(config, &|network| call.object(network).is_none());
}

/// Adds a machine whose files are there to this folder.
///
/// - `NotSupported` if this is no folder of virtual machines;
/// - as faults of the task: `InvalidArgument` without a path; for a template without a host or with a pool; for another
///   machine without a pool; `InvalidDatastorePath`, `InvalidDatastore` for a path that leads nowhere; `AlreadyExists` if a
///   machine has the file; `FileNotFound` if there is no such file; `DuplicateName`, `InvalidName`; what
///   [`destination::resolve`] raises.
pub(crate) fn register_vm(call: &mut Call<'_, Folder>, request: RegisterVMTask) -> Result<Moref, Fault> {
    folder::expect_child_type::<VirtualMachine>(call.this()?)?;
    request.pool().map(|pool| call.get::<ResourcePool>(&pool).map(|_| ())).transpose()?;
    request.host().map(|host| call.get::<HostSystem>(&host).map(|_| ())).transpose()?;
    call.start_task(move |call| register(call, &request))
}

/// What [`register_vm`] does.
pub(crate) fn register(call: &mut Call<'_, Folder>, request: &RegisterVMTask) -> Result<Moref, Fault> {
    let missing = |name: &str, why: &str| Err(Fault::invalid_argument(name, why));
    match (request.as_template(), request.host(), request.pool()) {
        (true, None, _) => return missing("host", "a template is registered on a host"),
        (true, _, Some(_)) => return missing("pool", "a template is in no pool"),
        (false, _, None) => return missing("pool", "a virtual machine is in a pool"),
        _ => {}
    }
    if request.path().is_empty() {
        return missing("path", "is empty");
    }
    let this = call.moref();
    let datacenter = destination::datacenter(call, &this)?;
    let path = Place::find(&**call, Some(&datacenter), request.path())?;
    if path.path.is_empty() {
        return Err(invalid_path(request.path()));
    }
    let datastore = path.datastore.clone();
    let file: ArcStr = edit::volume(call, &datastore)?.name(&path.path).into();
    if let Some(other) = call.indexed(path_key(&file)).next() {
        let name = other.view::<VirtualMachine>().map(|machine| machine.name().clone()).unwrap_or_default();
        let why = format!("'{file}' is the file of the virtual machine '{name}'");
        return Err(Fault::new(AlreadyExists::with(|fault| _ = fault.set_name(&name)), why));
    }
    let content = edit::volume(call, &datastore)?.file(&path.path).ok_or_else(|| fault::not_found(&file))?.content;
    let config = match content {
        Content::Machine(config) => Some(config),
        // Fidelity: what a client wrote into a file is not read, as in vcsim: the machine is one with the usual devices.
        _ => None,
    };
    let snapshots = call.private::<Kept>(&datacenter)?.0.remove(&file);
    let mut machine = template::machine();
    let folder = path.path.rsplit('/').nth(1).unwrap_or(&path.path).trim_end_matches(".vmx").to_string();
    let known = config.as_ref().map(|config| config.name().to_string());
    let given = request.name().filter(|name| !name.is_empty()).map(ToString::to_string);
    let name = given.or(known).unwrap_or(folder);
    let escaped = managed_entity::check_name(call, &this, &name)?;
    match config {
        Some(config) => machine.set_config(config),
        None => &mut machine,
    };
    if machine.config().is_none_or(|config| config.hardware().device().is_empty()) {
        machine.config_mut().hardware_mut().set_device(template::devices().iter().cloned());
    }
    let (owner, host) = place(call, request, &machine, &datastore)?;

    let moref = call.create_moref(VirtualMachine::TYPE);
    let pool = request.pool();
    managed_entity::initialize(&mut machine, &escaped, &this);
    machine.set_environment_browser(call.get::<ComputeResource>(&owner)?.environment_browser());
    machine.set_resource_pool(pool.clone());
    machine.set_parent_v_app(pool.clone().filter(|pool| pool.is::<VirtualApp>()));
    machine.runtime_mut().set_host(host.clone());
    let now = call.now();
    let config = machine.config_mut();
    if config.uuid().is_empty() {
        clone::identify(call, config, &file, &moref);
    }
    config.files_mut().set_vm_path_name(&file);
    create::complete_files(config, &file);
    config.set_name(managed_entity::written(&name, &escaped)).set_template(request.as_template());
    config::touch(config, now);
    forget_lost_networks(call, config);
    device::set_connected(&mut machine, false);
    if let Some(snapshots) = snapshots {
        for (snapshot, mut properties) in snapshots.objects {
            properties.set_vm(moref.clone());
            forget_lost_networks(call, properties.config_mut());
            call.insert(snapshot, properties);
        }
        machine.set_snapshot(snapshots.tree);
        snapshot::adopt(&mut machine, &moref);
    }
    edit::give_to_machine(call, &path)?;
    let mut early = template::machine();
    managed_entity::initialize(&mut early, &escaped, &this);
    call.insert(moref.clone(), early);
    let uuid = machine.config().map(|config| config.uuid().clone()).unwrap_or_default();
    let site = Site { uuid: &uuid, datacenter: &datacenter, host: &host, is_on: false, is_new: false };
    places::refresh(call, &site, &moref, &mut machine, &datastore)?;
    encryption::show(&mut machine);
    summary::count_storage(&mut machine, now);
    *call.edit::<VirtualMachine>(&moref)? = machine;
    folder::add_child(call, &this, &moref)?;
    if let Some(pool) = pool {
        call.edit::<ResourcePool>(&pool)?.push_vm(moref.clone());
    }
    call.edit::<HostSystem>(&host)?.push_vm(moref.clone());
    let template = request.as_template();
    call.post(&moref, VmRegisteredEvent::with(|event| _ = event.set_template(template)))?;
    Ok(moref)
}

/// The compute resource and host for the machine.
fn place<T>(
    call: &Call<'_, T>,
    request: &RegisterVMTask,
    machine: &VirtualMachine,
    datastore: &Moref,
) -> Result<(Moref, Moref), Fault> {
    let parent = |host: &Moref| call.get::<HostSystem>(host).map(|host| host.parent());
    let owner = match (request.pool(), request.host()) {
        (Some(pool), _) => Some(call.get::<ResourcePool>(&pool)?.owner()),
        (None, Some(host)) => parent(&host)?,
        (None, None) => None,
    };
    let owner = owner.ok_or_else(|| Fault::invalid_argument("host", "is in no compute resource"))?;
    let host = match request.host() {
        Some(host) if parent(&host)?.as_ref() != Some(&owner) => {
            return Err(Fault::invalid_argument("host", format!("{host} is not of the pool's compute resource")));
        }
        Some(host) => {
            create::check_host(call.get::<HostSystem>(&host)?)?;
            host
        }
        None => destination::choose_host(call, &owner, machine, &owner, None, std::slice::from_ref(datastore))?,
    };
    let is_mounted = call.get::<HostSystem>(&host)?.datastore().contains(datastore);
    if !is_mounted {
        let name = call.get::<Datastore>(datastore)?.name().to_string();
        return Err(invalid_datastore(&name, Some(datastore.clone()), "the host does not have it"));
    }
    Ok((owner, host))
}
