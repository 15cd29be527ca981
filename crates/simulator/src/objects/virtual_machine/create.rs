//! Creating virtual machines.

use vimsim_types::enums::{HostSystemConnectionState, HostSystemPowerState};
use vimsim_types::method::CreateVMTask;
use vimsim_types::views::{
    ComputeResource, Datastore, FileAlreadyExists, Folder, HostSystem, InvalidState, ResourcePool, VirtualApp,
    VirtualDeviceConfigSpec, VirtualMachine, VirtualMachineConfigInfo, VirtualMachineConfigSpec, VmBeingCreatedEvent,
    VmCreatedEvent, VmInstanceUuidAssignedEvent, VmUuidAssignedEvent,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::device::{self, Site};
use super::disk::{DatastorePath, datastore_by_name, invalid_datastore, invalid_path};
use super::{config, encryption, limits, places, set_property, share, summary, template};
use crate::call::Call;
use crate::config::Fidelity;
use crate::objects::{cluster_compute_resource, folder, managed_entity, pbm_profile_manager};
use crate::rules::{instance_uuid_key, path_key, uuid_key};

/// Creates a virtual machine in this folder.
///
/// - `NotSupported` if this is no folder of virtual machines;
/// - as faults of the task: `InvalidVmConfig` without a name or a place for its files, `DuplicateName`, `InvalidName`,
///   `InvalidDatastore` for a datastore that the host does not have, `InvalidArgument` for a host that is not of the pool's
///   compute resource or sizes that are none, `InvalidState` for a host that cannot take it, `FileAlreadyExists` if its
///   configuration file is another's, and what [`device::change`] says of devices.
pub(crate) fn create_vm(call: &mut Call<'_, Folder>, request: CreateVMTask) -> Result<Moref, Fault> {
    folder::expect_child_type::<VirtualMachine>(call.this()?)?;
    call.get::<ResourcePool>(&request.pool())?;
    if let Some(host) = request.host() {
        call.get::<HostSystem>(&host)?;
    }
    call.start_task(move |call| {
        let parent = call.moref();
        create(call, &parent, request.config(), &request.pool(), request.host())
    })
}

/// Creates a virtual machine in the folder `parent`.
pub(crate) fn create<T>(
    call: &mut Call<'_, T>,
    parent: &Moref,
    spec: &VirtualMachineConfigSpec,
    pool: &Moref,
    host: Option<Moref>,
) -> Result<Moref, Fault> {
    let (rest, assignments) = set_property::split(spec).unzip();
    let spec = rest.as_ref().unwrap_or(spec);
    let name = spec.name().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| config::invalid("configSpec.name", "a machine needs a name"))?.clone();
    let file = spec.files().and_then(|files| files.vm_path_name()).filter(|path| !path.is_empty());
    let file =
        file.ok_or_else(|| config::invalid("configSpec.files.vmPathName", "the place for its files is missing"))?;
    let file = file.clone();
    config::check(spec, None)?;
    if call.context().fidelity() == Fidelity::VCenter && !call.context().at_once {
        limits::check(spec, None)?;
    }
    let name = match call.context().fidelity() {
        Fidelity::VCenter => managed_entity::check_name(call, parent, &name)?,
        Fidelity::Vcsim => managed_entity::valid_name(&name)?,
    };
    let datacenter =
        call.datacenter_of(parent).ok_or_else(|| Fault::invalid_argument("this", "is in no datacenter"))?;
    let wanted =
        DatastorePath::parse(&file).filter(|path| !path.datastore.is_empty()).ok_or_else(|| invalid_path(&file))?;
    let datastore = datastore_by_name(call, &datacenter, &wanted.datastore)
        .ok_or_else(|| invalid_datastore(&wanted.datastore, None, "the datacenter has no such datastore"))?;
    let file = configuration_file(call, wanted, &name)?;
    let owner = call.get::<ResourcePool>(pool)?.owner();
    let host = choose_host(call, &owner, host, &datastore)?;
    cluster_compute_resource::check_new_object(call, &datastore, &file)?;

    let moref = call.create_moref(VirtualMachine::TYPE);
    let mut machine = template::machine();
    managed_entity::initialize(&mut machine, "", parent);
    machine.set_name(&name);
    machine.set_environment_browser(call.get::<ComputeResource>(&owner)?.environment_browser());
    machine.set_resource_pool(pool.clone());
    if pool.is::<VirtualApp>() {
        machine.set_parent_v_app(pool.clone());
    }
    machine.runtime_mut().set_host(host.clone());
    identify(call, machine.config_mut(), spec, &name, &file)?;
    config::apply(machine.config_mut(), spec);
    config::apply_v_app(machine.config_mut(), spec)?;
    config::set_guest_family(&mut machine);
    complete_files(machine.config_mut(), &file);
    machine.config_mut().set_create_date(spec.create_date().unwrap_or(call.now()));
    config::touch(machine.config_mut(), call.now());

    announce(call, &moref, &name, parent, &host, spec)?;
    let uuid = machine.config().map(|config| config.uuid().clone()).unwrap_or_default();
    let site = Site { uuid: &uuid, datacenter: &datacenter, host: &host, is_on: false, is_new: true };
    let mut changes: Vec<VirtualDeviceConfigSpec> = spec.device_change().iter().cloned().collect();
    encryption::apply(call, Some(&host), &mut machine, spec.crypto())?;
    encryption::with_keys(call, &host, &machine, &mut changes)?;
    let keys = device::change(call, &site, &mut machine, &changes)?;
    encryption::follow_tpm(call, Some(&host), &mut machine)?;
    if let Some(config) = machine.config() {
        limits::check_boot_order(spec, config)?;
    }
    encryption::show(&mut machine);
    places::refresh(call, &site, &moref, &mut machine, &datastore)?;
    summary::count_storage(&mut machine, call.now());
    set_property::assign(&mut machine, assignments.as_deref().unwrap_or_default())?;
    share_with_neighbour(call, &mut machine, &host);

    // The place where the machine waited is taken by what it has become.
    *call.edit::<VirtualMachine>(&moref)? = machine;
    folder::add_child(call, parent, &moref)?;
    call.edit::<ResourcePool>(pool)?.push_vm(moref.clone());
    call.edit::<HostSystem>(&host)?.push_vm(moref.clone());
    let mut policies = pbm_profile_manager::Changes::default();
    policies.home(spec.vm_profile());
    policies.devices(&changes, &keys);
    policies.apply(call, &moref)?;
    tell(call, &moref)?;
    Ok(moref)
}

/// The path of the machine's `.vmx` file. A client that names only a datastore, or a folder, leaves the rest to us.
///
/// - `FileAlreadyExists` if the client named the very file, and another machine has it.
pub(super) fn configuration_file<T>(call: &Call<'_, T>, wanted: DatastorePath, name: &str) -> Result<ArcStr, Fault> {
    let is_taken = |path: &str| call.indexed(path_key(path)).next().is_some();
    if wanted.path.ends_with(".vmx") {
        let path = wanted.to_string();
        if is_taken(&path) {
            let detail = FileAlreadyExists::with(|fault| {
                fault.set_file(&path);
            });
            return Err(Fault::new(detail, format!("the file '{path}' belongs to another virtual machine")));
        }
        return Ok(path.into());
    }
    let folder = if wanted.path.is_empty() { wanted.join(name) } else { wanted };
    let candidate = |number: usize| {
        let path = match number {
            0 => folder.path.clone(),
            // The second machine of a name gets a folder with a number, as in vcsim.
            _ => format!("{} ({})", folder.path, number - 1),
        };
        DatastorePath { datastore: folder.datastore.clone(), path }.join(&format!("{name}.vmx")).to_string()
    };
    let free = (0..1_024).map(candidate).find(|path| !is_taken(path));
    free.map(ArcStr::from).ok_or_else(|| invalid_path(&folder.to_string()))
}

/// The host for a new machine: the one asked for, or the one with the fewest machines.
///
/// - `InvalidArgument` for a host of another compute resource; `InvalidState` for one that cannot take machines;
/// - `InvalidDatastore` if it does not have the datastore.
fn choose_host<T>(call: &Call<'_, T>, owner: &Moref, wanted: Option<Moref>, datastore: &Moref) -> Result<Moref, Fault> {
    let mounts = |host: &HostSystem| host.datastore().contains(datastore);
    let name = || call.view::<Datastore>(datastore).map(|it| it.name().to_string()).unwrap_or_default();
    if let Some(moref) = wanted {
        let host = call.get::<HostSystem>(&moref)?;
        if host.parent().as_ref() != Some(owner) {
            return Err(Fault::invalid_argument("host", format!("{moref} is not of the pool's compute resource")));
        }
        check_host(host)?;
        if !mounts(host) {
            return Err(invalid_datastore(&name(), Some(datastore.clone()), "the host does not have it"));
        }
        return Ok(moref);
    }
    let hosts = call.get::<ComputeResource>(owner)?.host();
    let mut has_any = false;
    let usable = hosts.iter().filter_map(|moref| Some((call.view::<HostSystem>(&moref)?.clone(), moref)));
    let usable = usable.filter(|(host, _)| check_host(host).is_ok()).inspect(|_| has_any = true);
    let best = usable.filter(|(host, _)| mounts(host)).min_by_key(|(host, _)| host.vm().len());
    match best {
        Some((_, moref)) => Ok(moref),
        None if has_any => Err(invalid_datastore(&name(), Some(datastore.clone()), "no host of the pool has it")),
        None => Err(Fault::new(InvalidState::new(), "the pool's compute resource has no host that takes machines")),
    }
}

/// `InvalidState` for a host that cannot take or start machines.
pub(super) fn check_host(host: &HostSystem) -> Result<(), Fault> {
    let runtime = host.runtime();
    let why = if runtime.connection_state() != HostSystemConnectionState::Connected {
        "is not connected"
    } else if runtime.power_state() != HostSystemPowerState::PoweredOn {
        "is not running"
    } else if runtime.in_maintenance_mode() {
        "is in maintenance mode"
    } else {
        return Ok(());
    };
    Err(Fault::new(InvalidState::new(), format!("the host '{}' {why}", host.name())))
}

/// The machine's name, file and identifiers. Those that it was not given follow from its file's path, as in vcsim; should
/// another machine have them (of a datastore of the same name in another datacenter), from its reference as well.
fn identify<T>(
    call: &Call<'_, T>,
    config: &mut VirtualMachineConfigInfo,
    spec: &VirtualMachineConfigSpec,
    name: &ArcStr,
    file: &ArcStr,
) -> Result<(), Fault> {
    config.set_name(spec.name().map_or_else(|| name.clone(), |given| managed_entity::written(given, name)));
    let given = |text: Option<&ArcStr>| text.filter(|text| !text.is_empty()).cloned();
    let uuid = given(spec.uuid()).unwrap_or_else(|| {
        let uuid = crate::uuid::named(file);
        match call.indexed(uuid_key(&uuid)).next() {
            Some(other) => crate::uuid::named(&format!("{uuid}{}", other.moref())).into(),
            None => uuid.into(),
        }
    });
    let is_free = |uuid: &ArcStr| call.indexed(instance_uuid_key(uuid)).next().is_none();
    let instance = given(spec.instance_uuid()).filter(is_free).unwrap_or_else(|| {
        let uuid = crate::uuid::named(&file.to_uppercase());
        match call.indexed(instance_uuid_key(&uuid)).next() {
            Some(other) => crate::uuid::named(&format!("{uuid}{}", other.moref())).into(),
            None => uuid.into(),
        }
    });
    config.set_uuid(uuid);
    config.set_instance_uuid(instance);
    Ok(())
}

/// The instance UUID that a client chose for a machine, or another where it is another machine's: the server assigns a new
/// one "when VirtualCenter detects an identifier conflict" (API reference, `VirtualMachineConfigSpec.instanceUuid`).
pub(super) fn instance_uuid<T>(call: &Call<'_, T>, wanted: &ArcStr, moref: &Moref) -> ArcStr {
    match call.indexed(instance_uuid_key(wanted)).any(|other| other.moref() != moref) {
        true => crate::uuid::named(&format!("{wanted}{moref}")).into(),
        false => wanted.clone(),
    }
}

/// The machine's file, and its folder for what has no other.
pub(super) fn complete_files(config: &mut VirtualMachineConfigInfo, file: &ArcStr) {
    let folder: ArcStr = file.rsplit_once('/').map_or(file.as_str(), |(folder, _)| folder).into();
    let files = config.files_mut();
    files.set_vm_path_name(file);
    if files.snapshot_directory().is_none_or(|path| path.is_empty()) {
        files.set_snapshot_directory(&folder);
    }
    if files.suspend_directory().is_none_or(|path| path.is_empty()) {
        files.set_suspend_directory(&folder);
    }
    if files.log_directory().is_none_or(|path| path.is_empty()) {
        files.set_log_directory(&folder);
    }
}

/// Tells that a machine is being created. For what is told of it, it is there already.
fn announce<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    name: &ArcStr,
    parent: &Moref,
    host: &Moref,
    spec: &VirtualMachineConfigSpec,
) -> Result<(), Fault> {
    let mut early = template::machine();
    managed_entity::initialize(&mut early, name, parent);
    early.runtime_mut().set_host(host.clone());
    call.insert(moref.clone(), early);
    call.post(
        moref,
        VmBeingCreatedEvent::with(|event| {
            event.set_template(false);
            event.set_config_spec(spec.clone());
        }),
    )
}

fn tell<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let config = call.get::<VirtualMachine>(moref)?.config();
    let (uuid, instance) =
        config.map(|config| (config.uuid().clone(), config.instance_uuid().cloned())).unwrap_or_default();
    call.post(
        moref,
        VmInstanceUuidAssignedEvent::with(|event| {
            event.set_template(false);
            event.set_instance_uuid(instance.unwrap_or_default());
        }),
    )?;
    call.post(
        moref,
        VmUuidAssignedEvent::with(|event| {
            event.set_template(false);
            event.set_uuid(uuid);
        }),
    )?;
    call.post(moref, VmCreatedEvent::with(|event| _ = event.set_template(false)))
}

/// Shares what is equal with the first machine of the host, and keeps no more room than the rest needs.
pub(super) fn share_with_neighbour<T>(call: &Call<'_, T>, machine: &mut VirtualMachine, host: &Moref) {
    let neighbour = call.view::<HostSystem>(host).and_then(|host| host.vm().first());
    if let Some(neighbour) = neighbour.and_then(|neighbour| call.view::<VirtualMachine>(&neighbour)) {
        let neighbour = neighbour.clone();
        share::share(machine.as_object_mut(), neighbour.as_object());
    }
    machine.as_object_mut().compact();
}
