//! Machines that are out of the inventory while their files are there, and their way back into it.

use std::collections::BTreeMap;

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::RegisterVMTask;
use vimsim_types::views::{
    AlreadyExists, ComputeResource, Datastore, Folder, HostSystem, NotFound, ResourcePool, VirtualApp, VirtualMachine,
    VirtualMachineSnapshot, VmRegisteredEvent,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View};

use super::device::Site;
use super::disk::{DatastorePath, datastore_by_name, invalid_datastore, invalid_path};
use super::{config, create, destination, places, snapshot, summary};
use crate::call::Call;
use crate::objects::{folder, managed_entity};
use crate::rules::path_key;

/// What the configuration files of unregistered machines say, by their paths; kept by their datacenter.
#[derive(Clone, Default)]
struct Kept(BTreeMap<ArcStr, Unregistered>);

#[derive(Clone)]
struct Unregistered {
    machine: VirtualMachine,
    snapshots: Vec<(Moref, VirtualMachineSnapshot)>,
}

/// Keeps what a machine's file says when the machine leaves the inventory.
pub(super) fn keep<T>(call: &mut Call<'_, T>, moref: &Moref, machine: &VirtualMachine) -> Result<(), Fault> {
    let Some(datacenter) = call.datacenter_of(moref) else { return Ok(()) };
    let path = machine.config().and_then(|config| config.files().vm_path_name()).cloned();
    let snapshots = snapshot::of(machine).into_iter().filter_map(|node| {
        let moref = node.snapshot();
        Some((moref.clone(), call.view::<VirtualMachineSnapshot>(&moref)?.clone()))
    });
    let kept = Unregistered { machine: machine.clone(), snapshots: snapshots.collect() };
    if let Some(path) = path {
        call.private::<Kept>(&datacenter)?.0.insert(path, kept);
    }
    Ok(())
}

/// Adds a machine whose files are there to this folder.
///
/// - `NotSupported` if this is no folder of virtual machines;
/// - as faults of the task: `InvalidArgument` without a path; for a template without a host or with a pool; for another
///   machine without a pool; `InvalidDatastorePath`, `InvalidDatastore` for a path that leads nowhere; `AlreadyExists` if a
///   machine has the file; `NotFound` if there is no such file; `DuplicateName`, `InvalidName`; what
///   [`destination::resolve`] raises.
pub(crate) fn register_vm(call: &mut Call<'_, Folder>, request: RegisterVMTask) -> Result<Moref, Fault> {
    folder::expect_child_type::<VirtualMachine>(call.this()?)?;
    request.pool().map(|pool| call.get::<ResourcePool>(&pool).map(|_| ())).transpose()?;
    request.host().map(|host| call.get::<HostSystem>(&host).map(|_| ())).transpose()?;
    call.start_task(move |call| register(call, &request))
}

fn register(call: &mut Call<'_, Folder>, request: &RegisterVMTask) -> Result<Moref, Fault> {
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
    let path = DatastorePath::parse(request.path()).filter(|path| !path.path.is_empty());
    let path = path.ok_or_else(|| invalid_path(request.path()))?;
    let datastore = datastore_by_name(call, &datacenter, &path.datastore)
        .ok_or_else(|| invalid_datastore(&path.datastore, None, "the datacenter has no such datastore"))?;
    let file: ArcStr = path.to_string().into();
    if let Some(other) = call.indexed(path_key(&file)).next() {
        let name = other.view::<VirtualMachine>().map(|machine| machine.name().clone()).unwrap_or_default();
        let why = format!("'{file}' is the file of the virtual machine '{name}'");
        return Err(Fault::new(AlreadyExists::with(|fault| _ = fault.set_name(&name)), why));
    }
    let kept = call.private::<Kept>(&datacenter)?.0.remove(&file);
    let kept = kept.ok_or_else(|| Fault::new(NotFound::new(), format!("there is no file '{file}'")))?;
    let name = request.name().filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| kept.machine.name().clone());
    let name = managed_entity::check_name(call, &this, &name)?;
    let (owner, host) = place(call, request, &kept.machine, &datastore)?;

    let moref = call.create_moref(VirtualMachine::TYPE);
    let mut machine = kept.machine;
    let pool = request.pool();
    machine.set_name(&name).set_parent(this.clone());
    machine.set_environment_browser(call.get::<ComputeResource>(&owner)?.environment_browser());
    machine.set_resource_pool(pool.clone());
    machine.set_parent_v_app(pool.clone().filter(|pool| pool.is::<VirtualApp>()));
    machine.runtime_mut().set_host(host.clone()).set_power_state(Power::PoweredOff);
    let now = call.now();
    let config = machine.config_mut();
    config.set_name(&name).set_template(request.as_template());
    config::touch(config, now);
    // The files have been counted since the machine was made.
    places::give_back(call, &machine)?;
    machine.set_datastore(std::iter::empty::<Moref>());
    machine.as_object_mut().set(VirtualMachine::NETWORK, Value::Unset);
    let old = machine.clone();
    for (snapshot, mut properties) in kept.snapshots {
        properties.set_vm(moref.clone());
        call.insert(snapshot, properties);
    }
    snapshot::adopt(&mut machine, &moref);
    call.insert(moref.clone(), without_disks(old));
    let uuid = machine.config().map(|config| config.uuid().clone()).unwrap_or_default();
    let site = Site { uuid: &uuid, datacenter: &datacenter, host: &host, is_on: false, is_new: false };
    places::refresh(call, &site, &moref, &mut machine, &datastore)?;
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

/// The machine as one that uses nothing yet.
fn without_disks(mut machine: VirtualMachine) -> VirtualMachine {
    machine.config_mut().hardware_mut().device_mut().retain(|_| false);
    machine
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
        None => destination::choose_host(call, &owner, machine, &owner, None, &[datastore.clone()])?,
    };
    let is_mounted = call.get::<HostSystem>(&host)?.datastore().contains(datastore);
    if !is_mounted {
        let name = call.get::<Datastore>(datastore)?.name().to_string();
        return Err(invalid_datastore(&name, Some(datastore.clone()), "the host does not have it"));
    }
    Ok((owner, host))
}
