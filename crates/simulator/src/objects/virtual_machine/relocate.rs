//! Moving virtual machines: to other hosts, pools, datastores and folders.

use vimsim_types::enums::{VirtualMachinePowerState as Power, VirtualMachineRelocateDiskMoveOptions as DiskMove};
use vimsim_types::method::{MigrateVMTask, PromoteDisksTask, RelocateVMTask};
use vimsim_types::views::{
    ClusterConfigInfoEx, ComputeResource, Datacenter, DatacenterEventArgument, Datastore, DatastoreEventArgument,
    Folder, HostEventArgument, HostSystem, ManagedEntity, ResourcePool, VirtualApp, VirtualDeviceConfigSpec,
    VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualMachine, VirtualMachineConfigInfo, VirtualMachineRelocateSpec,
    VirtualMachineSnapshot, VmBeingHotMigratedEvent, VmBeingMigratedEvent, VmBeingRelocatedEvent, VmMigratedEvent,
    VmRelocatedEvent, VmResourcePoolMovedEvent,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, Value, View};

use super::destination::{self, Destination};
use super::device::{self, Site};
use super::disk::DatastorePath;
use super::{chain, clone, config, create, places, power, snapshot, summary};
use crate::call::Call;
use crate::containers;
use crate::files::{edit, fault};
use crate::objects::{event_manager, folder, managed_entity, pbm_profile_manager};
use crate::walk::remove_reference;

/// Moves the machine as the specification says.
///
/// - `ManagedObjectNotFound` for what the specification names and is not there; `NotSupported` for another vCenter or a
///   folder of other things;
/// - as faults of the task: what [`destination::resolve`] raises; `DuplicateName` in the new folder; `CannotAccessNetwork`.
pub(super) fn relocate_vm(call: &mut Call<'_, VirtualMachine>, request: RelocateVMTask) -> Result<Moref, Fault> {
    destination::check_references(call, request.spec())?;
    if let Some(folder) = request.spec().folder() {
        folder::expect_child_type::<VirtualMachine>(call.get::<Folder>(&folder)?)?;
    }
    call.start_task(move |call| {
        let this = call.moref();
        relocate(call, &this, request.spec())
    })
}

/// Moves the machine to another host or pool.
///
/// - As [`relocate_vm`]; `InvalidArgument` if neither is named; `InvalidPowerState` unless the machine is in the state asked
///   for.
pub(super) fn migrate_vm(call: &mut Call<'_, VirtualMachine>, request: MigrateVMTask) -> Result<Moref, Fault> {
    let spec = VirtualMachineRelocateSpec::with(|spec| {
        spec.set_pool(request.pool()).set_host(request.host());
    });
    destination::check_references(call, &spec)?;
    if spec.pool().is_none() && spec.host().is_none() {
        return Err(Fault::invalid_argument("host", "neither a host nor a pool is named"));
    }
    call.start_task(move |call| {
        let this = call.moref();
        let machine = call.this()?;
        destination::resolve(call, &this, machine, &spec, &destination::staying(machine, &spec), false)?;
        let existing = call.this()?.runtime().power_state();
        if let Some(wanted) = request.state().filter(|wanted| *wanted != existing) {
            return Err(power::invalid_power_state(wanted, existing));
        }
        relocate(call, &this, &spec)
    })
}

/// What [`relocate_vm`] does.
pub(crate) fn relocate<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    spec: &VirtualMachineRelocateSpec,
) -> Result<(), Fault> {
    let old = call.get::<VirtualMachine>(moref)?.clone();
    let is_template = old.config().is_some_and(|config| config.template());
    let spec = &with_pool_s_host(call, spec)?;
    let kept = destination::staying(&old, spec);
    let mut target = destination::resolve(call, moref, &old, spec, &kept, is_template)?;
    if is_template {
        // The pool only says which compute resource it goes to.
        target.pool = None;
    }
    let parent = old.parent();
    let new_folder = spec.folder().filter(|folder| parent.as_ref() != Some(folder));
    if let Some(folder) = &new_folder {
        managed_entity::check_name(call, folder, old.name())?;
    }
    let place = new_folder.clone().or(parent).ok_or_else(|| Fault::invalid_argument("folder", "is missing"))?;
    let datacenter = destination::datacenter(call, &place)?;
    let moves_host = old.runtime().host().as_ref() != Some(&target.host);
    let old_home = old.datastore().first();
    let moves_home = old_home.as_ref() != Some(&target.datastore);
    let is_on = old.runtime().power_state() == Power::PoweredOn;
    tell_before(call, moref, &target, moves_host, moves_home, is_on)?;

    let mut machine = old.clone();
    move_files(call, &mut machine, spec, &target, moves_home)?;
    let uuid = machine.config().map(|config| config.uuid().clone()).unwrap_or_default();
    let site = Site { uuid: &uuid, datacenter: &datacenter, host: &target.host, is_on, is_new: false };
    let changes: Vec<VirtualDeviceConfigSpec> = spec.device_change().iter().cloned().collect();
    let mut policies = pbm_profile_manager::Changes::default();
    policies.location(spec);
    if !changes.is_empty() {
        let keys = device::change(call, &site, &mut machine, &changes)?;
        policies.devices(&changes, &keys);
    }
    policies.apply(call, moref)?;
    if moves_host {
        destination::check_networks(call, &site, &machine)?;
    }
    power::count_reservation(call, moref, -1)?;
    places::refresh(call, &site, moref, &mut machine, &target.datastore)?;
    machine.runtime_mut().set_host(target.host.clone());
    machine.set_environment_browser(call.get::<ComputeResource>(&target.owner)?.environment_browser());
    machine.set_resource_pool(target.pool.clone());
    machine.set_parent_v_app(target.pool.clone().filter(|pool| pool.is::<VirtualApp>()));
    machine.set_parent(place);
    if is_on {
        let speed = call.get::<HostSystem>(&target.host)?.summary().hardware().map_or(0, |hardware| hardware.cpu_mhz());
        let processors = machine.config().map_or(0, |config| config.hardware().num_cpu());
        machine.runtime_mut().set_max_cpu_usage(processors.saturating_mul(speed));
    }
    summary::count_storage(&mut machine, call.now());
    config::touch(machine.config_mut(), call.now());
    *call.edit::<VirtualMachine>(moref)? = machine;
    refer(call, moref, &old, &target, new_folder.as_ref())?;
    power::count_reservation(call, moref, 1)?;
    containers::machine::replug(call, moref);
    tell_after(call, moref, &old, &target, new_folder.as_ref())
}

/// The specification without a host that is not of the pool's compute resource.
// Fidelity: vCenter refuses such a host. vcsim's clients give the host of their environment with any pool; the pool decides.
fn with_pool_s_host<T>(
    call: &Call<'_, T>,
    spec: &VirtualMachineRelocateSpec,
) -> Result<VirtualMachineRelocateSpec, Fault> {
    let mut spec = spec.clone();
    if let (Some(pool), Some(host)) = (spec.pool(), spec.host())
        && call.get::<HostSystem>(&host)?.parent() != Some(call.get::<ResourcePool>(&pool)?.owner())
    {
        spec.set_host(None);
    }
    Ok(spec)
}

/// Brings host, pool and folder up to where the machine is now.
fn refer<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    old: &VirtualMachine,
    target: &Destination,
    new_folder: Option<&Moref>,
) -> Result<(), Fault> {
    let old_host = old.runtime().host();
    if old_host.as_ref() != Some(&target.host) {
        if let Some(host) = old_host.filter(|host| call.object(host).is_some()) {
            remove_reference(&mut call.edit::<HostSystem>(&host)?.vm_mut(), moref);
        }
        call.edit::<HostSystem>(&target.host)?.push_vm(moref.clone());
    }
    let old_pool = old.resource_pool();
    if old_pool != target.pool {
        if let Some(pool) = old_pool.filter(|pool| call.object(pool).is_some()) {
            remove_reference(&mut call.edit::<ResourcePool>(&pool)?.vm_mut(), moref);
        }
        if let Some(pool) = &target.pool {
            call.edit::<ResourcePool>(pool)?.push_vm(moref.clone());
        }
    }
    if let Some(folder) = new_folder {
        if let Some(old) = old.parent().filter(|old| old.is::<Folder>() && call.object(old).is_some()) {
            remove_reference(&mut call.edit::<Folder>(&old)?.child_entity_mut(), moref);
        }
        folder::add_child(call, folder, moref)?;
    }
    Ok(())
}

/// Whether the files that a disk is linked to move with it.
pub(super) fn moves_parents(spec: &VirtualMachineRelocateSpec, disk: i32) -> bool {
    let own = spec.disk().iter().find(|locator| locator.disk_id() == disk).and_then(|it| it.disk_move_type());
    let name = own.or(spec.disk_move_type());
    let kind = name.and_then(|name| DiskMove::from_name(name));
    !matches!(kind, Some(DiskMove::MoveChildMostDiskBacking | DiskMove::CreateNewChildDiskBacking))
}

/// Moves the machine's files to where they belong now, those of its snapshots as well.
fn move_files<T>(
    call: &mut Call<'_, T>,
    machine: &mut VirtualMachine,
    spec: &VirtualMachineRelocateSpec,
    target: &Destination,
    moves_home: bool,
) -> Result<(), Fault> {
    let old_home = machine.config().and_then(|config| config.files().vm_path_name()).cloned().unwrap_or_default();
    let mut home = DatastorePath::parse(&old_home).map(|path| path.parent());
    if moves_home {
        let datastore = call.get::<Datastore>(&target.datastore)?.name().to_string();
        let folder = home.as_ref().map(|home| home.path.clone()).unwrap_or_default();
        let name = old_home.rsplit('/').next().unwrap_or_default().trim_end_matches(".vmx").to_string();
        let wanted = DatastorePath { datastore, path: folder.clone() };
        let wanted = if folder.is_empty() { DatastorePath { path: String::new(), ..wanted } } else { wanted };
        let file = create::configuration_file(call, wanted, &name)?;
        home = DatastorePath::parse(&file).map(|path| path.parent());
        let directory = home.as_ref().map(ToString::to_string);
        let files = machine.config_mut().files_mut();
        files.set_vm_path_name(&file).set_snapshot_directory(directory.clone());
        files.set_suspend_directory(directory.clone()).set_log_directory(directory);
    }
    let Some(home) = home else { return Ok(()) };
    let snapshots: Vec<Moref> = snapshot::of(machine).iter().map(|node| node.snapshot()).collect();
    let mut configs: Vec<VirtualMachineConfigInfo> = machine.config().into_iter().cloned().collect();
    for snapshot in &snapshots {
        configs.push(call.get::<VirtualMachineSnapshot>(snapshot)?.config().clone());
    }
    let goal = Goal { spec, target, moves_home, home, taken: snapshot::taken_names(call, machine) };
    // What each file was, and what it is afterwards.
    let mut moved: Vec<Moved> = Vec::new();
    for config in &configs {
        let disks = config.hardware().device().iter();
        for (key, backing) in disks.filter_map(|device| Some((device.key(), chain::backing(device)?))) {
            name_files(call, &goal, key, backing, &mut moved)?;
        }
    }
    for one in &moved {
        chain::carry(call, &one.old, &one.new, true)?;
    }
    if !moved.is_empty() {
        rename_files(machine.config_mut(), &moved, spec);
    }
    let files = machine.config().map(|config| config.files().clone());
    for snapshot in snapshots {
        let config = call.edit::<VirtualMachineSnapshot>(&snapshot)?.config_mut();
        rename_files(config, &moved, spec);
        if let Some(files) = &files {
            config.set_files(files.clone());
        }
    }
    Ok(())
}

/// A file of a disk that moves: what it was, and what it is afterwards.
struct Moved {
    old: VirtualDiskFlatVer2BackingInfo,
    new: VirtualDiskFlatVer2BackingInfo,
}

/// Where a machine's files are to go.
struct Goal<'a> {
    spec: &'a VirtualMachineRelocateSpec,
    target: &'a Destination,
    moves_home: bool,
    /// The machine's folder, as it is afterwards.
    home: DatastorePath,
    /// The names of the machine's files before.
    taken: Vec<ArcStr>,
}

/// Says what the files of a disk are called afterwards, and where they are.
fn name_files<T>(
    call: &Call<'_, T>,
    goal: &Goal<'_>,
    key: i32,
    backing: &VirtualDiskFlatVer2BackingInfo,
    moved: &mut Vec<Moved>,
) -> Result<(), Fault> {
    let datastore = goal.target.datastore_for(key);
    let is_asked = goal.moves_home || goal.target.disks.iter().any(|(disk, _)| *disk == key);
    if !is_asked || backing.datastore().as_ref() == Some(datastore) {
        return Ok(());
    }
    let name = call.get::<Datastore>(datastore)?.name().to_string();
    let folder = DatastorePath { datastore: name, path: goal.home.path.clone() };
    let volume = edit::volume(call, datastore)?;
    let files = chain::files(backing);
    let own = files.first().and_then(|file| DatastorePath::parse(file.file_name())).map(|path| path.parent());
    for file in files {
        let path = DatastorePath::parse(file.file_name());
        let is_own = path.as_ref().map(DatastorePath::parent) == own;
        let is_known = moved.iter().any(|known| known.old.file_name() == file.file_name());
        if is_known || !is_own && !moves_parents(goal.spec, key) {
            continue;
        }
        let stem = path.and_then(|path| path.path.rsplit('/').next().map(String::from)).unwrap_or_default();
        let candidate = |number: usize| match number {
            0 => folder.join(&stem),
            1 => folder.join(&format!("{key}-{stem}")),
            _ => folder.join(&format!("{key}-{number}-{stem}")),
        };
        let is_free = |path: &DatastorePath| {
            let name = path.to_string();
            volume.get(&path.path).is_none()
                && moved.iter().all(|known| *known.new.file_name() != name)
                && goal.taken.iter().all(|known| *known != name)
        };
        let free = (0..1_000).map(candidate).find(is_free);
        let name = free.ok_or_else(|| fault::already_exists(&candidate(0).to_string()))?.to_string();
        let mut new = file.clone();
        new.set_file_name(name).set_datastore(datastore.clone());
        moved.push(Moved { old: file.clone(), new });
    }
    Ok(())
}

fn rename_files(config: &mut VirtualMachineConfigInfo, moved: &[Moved], spec: &VirtualMachineRelocateSpec) {
    for device in config.hardware_mut().device_mut().iter_mut() {
        let key = device.key();
        let Some(backing) = chain::backing(device) else { continue };
        if !chain::files(backing).iter().any(|file| moved.iter().any(|one| one.old.file_name() == file.file_name())) {
            continue;
        }
        let mut renamed = renamed(backing, moved);
        clone::shape(&mut renamed, spec, key);
        device.set_backing(renamed);
    }
}

fn renamed(backing: &VirtualDiskFlatVer2BackingInfo, moved: &[Moved]) -> VirtualDiskFlatVer2BackingInfo {
    let mut new = backing.clone();
    if let Some(one) = moved.iter().find(|one| one.old.file_name() == backing.file_name()) {
        new.set_file_name(one.new.file_name()).set_datastore(one.new.datastore());
    }
    if let Some(parent) = backing.parent() {
        new.set_parent(renamed(parent, moved));
    }
    new
}

fn host_argument<T>(call: &Call<'_, T>, host: &Moref) -> HostEventArgument {
    HostEventArgument::with(|argument| {
        argument.set_host(host.clone());
        argument.set_name(call.view::<HostSystem>(host).map(|host| host.name()));
    })
}

fn datacenter_argument<T>(call: &Call<'_, T>, of: &Moref) -> Option<DatacenterEventArgument> {
    let datacenter = call.datacenter_of(of)?;
    Some(DatacenterEventArgument::with(|argument| {
        argument.set_name(call.view::<Datacenter>(&datacenter).map(|it| it.name()));
        argument.set_datacenter(datacenter.clone());
    }))
}

fn datastore_argument<T>(call: &Call<'_, T>, datastore: &Moref) -> DatastoreEventArgument {
    DatastoreEventArgument::with(|argument| {
        argument.set_datastore(datastore.clone());
        argument.set_name(call.view::<ManagedEntity>(datastore).map(|it| it.name()));
    })
}

fn tell_before<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    target: &Destination,
    moves_host: bool,
    moves_home: bool,
    is_on: bool,
) -> Result<(), Fault> {
    let host = host_argument(call, &target.host);
    let datastore = datastore_argument(call, &target.datastore);
    let datacenter = datacenter_argument(call, &target.datastore);
    if moves_host && is_on {
        let event = VmBeingHotMigratedEvent::with(|event| {
            event.set_template(false);
            event.set_dest_host(host).set_dest_datastore(datastore);
            datacenter.into_iter().for_each(|datacenter| _ = event.set_dest_datacenter(datacenter));
        });
        call.post(moref, event)
    } else if moves_host {
        let event = VmBeingMigratedEvent::with(|event| {
            event.set_template(false);
            event.set_dest_host(host).set_dest_datastore(datastore);
            datacenter.into_iter().for_each(|datacenter| _ = event.set_dest_datacenter(datacenter));
        });
        call.post(moref, event)
    } else if moves_home {
        let event = VmBeingRelocatedEvent::with(|event| {
            event.set_template(false);
            event.set_dest_host(host).set_dest_datastore(datastore);
            datacenter.into_iter().for_each(|datacenter| _ = event.set_dest_datacenter(datacenter));
        });
        call.post(moref, event)
    } else {
        Ok(())
    }
}

fn tell_after<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    old: &VirtualMachine,
    target: &Destination,
    new_folder: Option<&Moref>,
) -> Result<(), Fault> {
    let old_host = old.runtime().host().unwrap_or_else(|| target.host.clone());
    let old_home = old.datastore().first().unwrap_or_else(|| target.datastore.clone());
    let host = host_argument(call, &old_host);
    let datastore = datastore_argument(call, &old_home);
    let datacenter = datacenter_argument(call, &old_home);
    if old_host != target.host {
        let event = VmMigratedEvent::with(|event| {
            event.set_template(false);
            event.set_source_host(host).set_source_datastore(datastore);
            datacenter.into_iter().for_each(|datacenter| _ = event.set_source_datacenter(datacenter));
        });
        call.post(moref, event)?;
    } else if old_home != target.datastore {
        let event = VmRelocatedEvent::with(|event| {
            event.set_template(false);
            event.set_source_host(host).set_source_datastore(datastore);
            datacenter.into_iter().for_each(|datacenter| _ = event.set_source_datacenter(datacenter));
        });
        call.post(moref, event)?;
    }
    if let (Some(from), Some(to)) = (old.resource_pool(), &target.pool)
        && from != *to
    {
        let (from, to) = (call.pool_argument(&from), call.pool_argument(to));
        let event = VmResourcePoolMovedEvent::with(|event| {
            event.set_template(false);
            event.set_old_parent(from).set_new_parent(to);
        });
        call.post(moref, event)?;
    }
    match (old.parent(), new_folder) {
        (Some(from), Some(to)) => event_manager::moved(call, moref, &from, to),
        _ => Ok(()),
    }
}

/// Moves the running machines of a host that enters maintenance mode to others of its cluster, and those that are off if
/// that is asked for, where DRS does so by itself.
pub(crate) fn evacuate<T>(call: &mut Call<'_, T>, host: &Moref, powered_off: bool) -> Result<(), Fault> {
    let cluster = call.get::<HostSystem>(host)?.parent();
    let cluster = cluster.and_then(|cluster| call.view::<ComputeResource>(&cluster));
    let config = cluster.and_then(|cluster| cluster.configuration_ex().downcast::<ClusterConfigInfoEx>());
    if !config.is_some_and(|config| config.drs_config().enabled().unwrap_or_default()) {
        return Ok(());
    }
    let machines: Vec<Moref> = call.get::<HostSystem>(host)?.vm().iter().collect();
    for moref in machines {
        let machine = call.get::<VirtualMachine>(&moref)?.clone();
        let is_wanted = powered_off || machine.runtime().power_state() != Power::PoweredOff;
        let Some(owner) = call.get::<HostSystem>(host)?.parent().filter(|_| is_wanted) else { continue };
        let datastores: Vec<Moref> = machine.datastore().iter().collect();
        let Ok(to) = destination::choose_host(call, &moref, &machine, &owner, None, &datastores) else { continue };
        let Some(datacenter) = call.datacenter_of(&moref) else { continue };
        let site = Site { uuid: "", datacenter: &datacenter, host: &to, is_on: true, is_new: false };
        if destination::check_networks(call, &site, &machine).is_ok() {
            relocate(call, &moref, &VirtualMachineRelocateSpec::with(|spec| _ = spec.set_host(to)))?;
        }
    }
    Ok(())
}

/// Makes the machine's disks, or some of them, independent of the files of others that they are linked to.
///
/// - `InvalidArgument` for a disk that the machine does not have, as a fault of the task.
pub(super) fn promote_disks(call: &mut Call<'_, VirtualMachine>, request: PromoteDisksTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let wanted: Vec<i32> = request.disks().iter().map(|disk| disk.key()).collect();
        let mut machine = call.this()?.clone();
        let Some(config) = machine.config() else { return Ok(()) };
        let is_disk = |key: i32| {
            let mut devices = config.hardware().device().iter();
            devices.any(|device| device.key() == key && device.downcast::<VirtualDisk>().is_some())
        };
        if let Some(unknown) = wanted.iter().find(|key| !is_disk(**key)) {
            return Err(Fault::invalid_argument("disks", format!("the machine has no disk with the key {unknown}")));
        }
        if !request.unlink() {
            return Ok(());
        }
        let is_linked = chain::backings(config).any(|backing| backing.parent().is_some());
        if !is_linked {
            return Ok(());
        }
        unlink(machine.config_mut(), &wanted);
        config::touch(machine.config_mut(), call.now());
        // What its snapshots have of these disks is the machine's own as well.
        for node in snapshot::of(&machine) {
            unlink(call.edit::<VirtualMachineSnapshot>(&node.snapshot())?.config_mut(), &wanted);
        }
        let this = call.moref();
        snapshot::store(call, &this, machine)
    })
}

/// Takes the files of other machines out of the chains of the disks with these keys, or of all.
fn unlink(config: &mut VirtualMachineConfigInfo, wanted: &[i32]) {
    for device in config.hardware_mut().device_mut().iter_mut() {
        if !wanted.is_empty() && !wanted.contains(&device.key()) {
            continue;
        }
        if let Some(own) = chain::backing(device).and_then(unlinked) {
            device.set_backing(own);
        }
    }
}

/// The chain without the files that are in another machine's folder; `None` if there are none.
fn unlinked(backing: &VirtualDiskFlatVer2BackingInfo) -> Option<VirtualDiskFlatVer2BackingInfo> {
    let folder = |file: &str| DatastorePath::parse(file).map(|path| path.parent());
    let parent = backing.parent()?;
    let mut own = backing.clone();
    if folder(parent.file_name()) == folder(backing.file_name()) {
        own.set_parent(unlinked(parent)?);
    } else {
        own.as_object_mut().set(VirtualDiskFlatVer2BackingInfo::PARENT, Value::Unset);
        own.as_object_mut().set(VirtualDiskFlatVer2BackingInfo::DELTA_DISK_FORMAT, Value::Unset);
    }
    Some(own)
}
