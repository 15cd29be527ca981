//! Copies of virtual machines: full ones, linked ones, templates, and copies of running machines.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::enums::{VirtualMachineRelocateDiskMoveOptions as DiskMove, VirtualMachineRelocateTransformation};
use vimsim_types::method::{CloneVMTask, InstantCloneTask};
use vimsim_types::views::{
    ComputeResource, CustomizationSpec, Datastore, EntityEventArgument, Folder, HostEventArgument, HostSystem,
    InvalidPowerState, OptionValue, ResourcePool, VirtualApp, VirtualDevice, VirtualDeviceConfigSpec,
    VirtualDeviceFileBackingInfo, VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualEthernetCard, VirtualMachine,
    VirtualMachineConfigInfo, VirtualMachineConfigSpec, VirtualMachineRelocateSpec, VirtualMachineSnapshot,
    VmBeingClonedEvent, VmBeingDeployedEvent, VmCloneFailedEvent, VmClonedEvent, VmDeployFailedEvent, VmDeployedEvent,
    VmEventArgument,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, Value, View};

use super::destination::{self, Destination};
use super::device::{self, Site};
use super::disk::{self, DatastorePath};
use super::{
    chain, config, create, customize, disk_file, encryption, ethernet, limits, places, power, summary, template,
};
use crate::call::Call;
use crate::config::Fidelity;
use crate::data_sets;
use crate::objects::{folder, managed_entity, pbm_profile_manager};
use crate::rules::{instance_uuid_key, uuid_key};

/// What a copy is to be.
struct Wanted<'a> {
    folder: Moref,
    name: ArcStr,
    location: &'a VirtualMachineRelocateSpec,
    config: Option<&'a VirtualMachineConfigSpec>,
    snapshot: Option<Moref>,
    customization: Option<&'a CustomizationSpec>,
    template: bool,
    /// Whether the copy runs on from where the source is.
    instant: bool,
}

/// Copies the machine.
///
/// - `NotSupported` for a folder of other things; `ManagedObjectNotFound` for what the specification names and is not there;
/// - as faults of the task: `DuplicateName`, `InvalidName`; what [`destination::resolve`] raises; `InvalidArgument` for a
///   snapshot of another machine, or for disks linked to those of no snapshot; what reconfiguring and customizing the copy raise.
pub(super) fn clone_vm(call: &mut Call<'_, VirtualMachine>, request: CloneVMTask) -> Result<Moref, Fault> {
    folder::expect_child_type::<VirtualMachine>(call.get::<Folder>(&request.folder())?)?;
    destination::check_references(call, request.spec().location())?;
    if let Some(snapshot) = request.spec().snapshot() {
        let of = call.get::<VirtualMachineSnapshot>(&snapshot)?.vm();
        if of != call.moref() {
            return Err(Fault::invalid_argument("spec.snapshot", format!("{snapshot} is a snapshot of {of}")));
        }
    }
    call.start_task(move |call| {
        let spec = request.spec();
        let wanted = Wanted {
            folder: spec.location().folder().unwrap_or(request.folder()),
            name: request.name().clone(),
            location: spec.location(),
            config: spec.config(),
            snapshot: spec.snapshot(),
            customization: spec.customization(),
            template: spec.template(),
            instant: false,
        };
        let moref = copy(call, &wanted)?;
        if spec.power_on() && !spec.template() {
            power::start(call, &moref, None)?;
        }
        Ok(moref)
    })
}

/// Makes a copy of the running machine that runs on from the same moment.
///
/// - As [`clone_vm`]; `InvalidPowerState` unless the machine runs, as a fault of the task.
pub(super) fn instant_clone(call: &mut Call<'_, VirtualMachine>, request: InstantCloneTask) -> Result<Moref, Fault> {
    destination::check_references(call, request.spec().location())?;
    call.start_task(move |call| {
        let state = call.this()?.runtime().power_state();
        if state != Power::PoweredOn {
            let detail = InvalidPowerState::with(|fault| {
                fault.set_requested_state(Power::PoweredOn).set_existing_state(state);
            });
            return Err(detail.into());
        }
        let spec = request.spec();
        let parent = call.this()?.parent();
        let folder = spec.location().folder().or(parent);
        let config = VirtualMachineConfigSpec::with(|config| {
            config.set_extra_config(spec.config().iter().cloned().collect::<Vec<OptionValue>>());
            config.set_uuid(spec.bios_uuid());
        });
        let wanted = Wanted {
            folder: folder.ok_or_else(|| Fault::invalid_argument("spec.location.folder", "is missing"))?,
            name: spec.name().clone(),
            location: spec.location(),
            config: Some(&config),
            snapshot: None,
            customization: None,
            template: false,
            instant: true,
        };
        let moref = copy(call, &wanted)?;
        let guest = call.this()?.guest().cloned();
        power::start(call, &moref, None)?;
        if let Some(mut guest) = guest {
            // The adapters are the copy's own.
            let adapters = call.get::<VirtualMachine>(&moref)?.guest().map(|own| own.net().iter().cloned().collect());
            guest.set_net(adapters.unwrap_or_else(Vec::new));
            guest.as_object_mut().set(vimsim_types::views::GuestInfo::IP_ADDRESS, Value::Unset);
            guest.as_object_mut().set(vimsim_types::views::GuestInfo::IP_STACK, Value::Unset);
            call.edit::<VirtualMachine>(&moref)?.set_guest(guest);
        }
        Ok(moref)
    })
}

/// Copies a machine as a part of a task on something else.
pub(crate) fn copy_to(
    call: &mut Call<'_, VirtualMachine>,
    folder: Moref,
    name: ArcStr,
    location: &VirtualMachineRelocateSpec,
) -> Result<Moref, Fault> {
    let wanted = Wanted {
        folder,
        name,
        location,
        config: None,
        snapshot: None,
        customization: None,
        template: false,
        instant: false,
    };
    copy(call, &wanted)
}

fn copy(call: &mut Call<'_, VirtualMachine>, wanted: &Wanted<'_>) -> Result<Moref, Fault> {
    let this = call.moref();
    let source = call.this()?.clone();
    let mut config = match &wanted.snapshot {
        Some(snapshot) => call.get::<VirtualMachineSnapshot>(snapshot)?.config().clone(),
        None => source.config().cloned().unwrap_or_else(View::new),
    };
    let name = managed_entity::check_name(call, &wanted.folder, &wanted.name)?;
    let datacenter = destination::datacenter(call, &wanted.folder)?;
    check_links(&config, wanted)?;
    let kept = linked_to(&config, wanted);
    let target = destination::resolve(call, &this, &source, wanted.location, &kept, wanted.template)?;
    if let Some(spec) = wanted.config {
        config::check(spec, Some(&config))?;
        if call.context().fidelity() == Fidelity::VCenter {
            limits::check(spec, Some(&config))?;
        }
    }
    if let Some(spec) = wanted.customization {
        customize::check(&source, spec)?;
    }
    // A machine made of a template is deployed; all else is cloned.
    let deploys = source.config().is_some_and(|config| config.template()) && !wanted.template;
    if !deploys {
        announce(call, &this, wanted, &name, &target)?;
    }

    let home = call.get::<Datastore>(&target.datastore)?.name().to_string();
    if deploys {
        let destination = EntityEventArgument::with(|argument| _ = argument.set_name(&home));
        call.post_if_failed(
            &this,
            VmDeployFailedEvent::with(|event| {
                event.set_template(false);
                event.set_dest_datastore(destination);
            }),
        );
    }
    let home = DatastorePath { datastore: home, path: String::new() };
    let file = create::configuration_file(call, home, &name)?;
    let moref = call.create_moref(VirtualMachine::TYPE);
    identify(call, &mut config, &file, &moref);
    config.set_name(managed_entity::written(&wanted.name, &name));
    create::complete_files(&mut config, &file);
    config.set_template(wanted.template).set_create_date(call.now());
    let sources = copy_disks(call, &mut config, wanted, &target, &datacenter, &file)?;
    let uuid = config.uuid().clone();
    let site = Site { uuid: &uuid, datacenter: &datacenter, host: &target.host, is_on: false, is_new: false };
    renew_addresses(call, &site, &mut config)?;
    if let Some(spec) = wanted.config {
        config::apply(&mut config, spec);
        config::apply_v_app(&mut config, spec)?;
        if let Some(uuid) = spec.uuid().filter(|uuid| !uuid.is_empty()) {
            config.set_uuid(uuid);
        }
    }
    config::touch(&mut config, call.now());

    let mut machine = template::machine();
    managed_entity::initialize(&mut machine, &name, &wanted.folder);
    machine.set_environment_browser(call.get::<ComputeResource>(&target.owner)?.environment_browser());
    let pool = target.pool.clone().filter(|_| !wanted.template);
    machine.set_resource_pool(pool.clone());
    machine.set_parent_v_app(pool.clone().filter(|pool| pool.is::<VirtualApp>()));
    machine.runtime_mut().set_host(target.host.clone());
    machine.set_config(config);
    device::set_connected(&mut machine, false);
    if !source.custom_value().is_empty() {
        machine.set_custom_value(source.custom_value().iter().cloned());
    }
    if !source.value().is_empty() {
        machine.set_value(source.value().iter().cloned());
    }
    call.insert(moref.clone(), early(&name, &wanted.folder, &target));
    let argument = VmEventArgument::with(|argument| {
        argument.set_vm(this.clone());
        argument.set_name(source.name());
    });
    if deploys {
        call.post(
            &moref,
            VmBeingDeployedEvent::with(|event| {
                event.set_template(false);
                event.set_src_template(argument.clone());
            }),
        )?;
    }
    let changes = wanted.config.into_iter().flat_map(|spec| spec.device_change().iter());
    let mut changes: Vec<VirtualDeviceConfigSpec> =
        wanted.location.device_change().iter().chain(changes).cloned().collect();
    if let Some(config) = source.config() {
        changes.iter_mut().for_each(|change| disk_file::of_copy(config, change.device_mut()));
    }
    let mut policies = pbm_profile_manager::Changes::default();
    policies.location(wanted.location);
    wanted.config.into_iter().for_each(|spec| policies.home(spec.vm_profile()));
    if !changes.is_empty() {
        let keys = device::change(call, &site, &mut machine, &changes)?;
        policies.devices(&changes, &keys);
    }
    destination::check_networks(call, &site, &machine)?;
    places::refresh(call, &site, &moref, &mut machine, &target.datastore)?;
    encryption::show(&mut machine);
    summary::count_storage(&mut machine, call.now());
    create::share_with_neighbour(call, &mut machine, &target.host);
    *call.edit::<VirtualMachine>(&moref)? = machine;
    for (source, copy) in &sources {
        chain::carry(call, source, copy, false)?;
    }
    policies.apply(call, &moref)?;
    folder::add_child(call, &wanted.folder, &moref)?;
    if let Some(pool) = pool {
        call.edit::<ResourcePool>(&pool)?.push_vm(moref.clone());
    }
    call.edit::<HostSystem>(&target.host)?.push_vm(moref.clone());
    if deploys {
        call.post(
            &moref,
            VmDeployedEvent::with(|event| {
                event.set_template(false);
                event.set_src_template(argument);
            }),
        )?;
    } else {
        let event = VmClonedEvent::with(|event| {
            event.set_template(wanted.template);
            event.set_source_vm(argument);
        });
        call.post(&moref, event)?;
    }
    data_sets::copy(call, wanted.snapshot.as_ref().unwrap_or(&this), &moref)?;
    if let Some(spec) = wanted.customization {
        customize::apply(call, &moref, spec)?;
    }
    Ok(moref)
}

/// What others see of the copy while it is made.
fn early(name: &ArcStr, folder: &Moref, target: &Destination) -> VirtualMachine {
    let mut early = template::machine();
    managed_entity::initialize(&mut early, name, folder);
    early.runtime_mut().set_host(target.host.clone());
    early
}

fn announce<T>(
    call: &mut Call<'_, T>,
    source: &Moref,
    wanted: &Wanted<'_>,
    name: &ArcStr,
    target: &Destination,
) -> Result<(), Fault> {
    let folder = call.folder_argument(&wanted.folder);
    let host = HostEventArgument::with(|argument| {
        argument.set_host(target.host.clone());
        argument.set_name(call.view::<HostSystem>(&target.host).map(|host| host.name()));
    });
    let failed = VmCloneFailedEvent::with(|event| {
        event.set_template(wanted.template);
        event.set_dest_folder(folder.clone()).set_dest_name(name).set_dest_host(host.clone());
    });
    let event = VmBeingClonedEvent::with(|event| {
        event.set_template(wanted.template);
        event.set_dest_folder(folder).set_dest_name(name).set_dest_host(host);
    });
    call.post_if_failed(source, event.clone());
    call.post_if_failed(source, failed);
    call.post(source, event)
}

/// The copy's name and identifiers, which follow from its file's path as those of a new machine.
pub(super) fn identify<T>(call: &Call<'_, T>, config: &mut VirtualMachineConfigInfo, file: &ArcStr, moref: &Moref) {
    let (mut uuid, mut instance) = (crate::uuid::named(file), crate::uuid::named(&file.to_uppercase()));
    if call.indexed(uuid_key(&uuid)).next().is_some() {
        uuid = crate::uuid::named(&format!("{uuid}{moref}"));
    }
    if call.indexed(instance_uuid_key(&instance)).next().is_some() {
        instance = crate::uuid::named(&format!("{instance}{moref}"));
    }
    config.set_uuid(uuid).set_instance_uuid(instance);
    let home = DatastorePath::parse(file).map(|path| path.parent().to_string());
    let files = config.files_mut();
    files.set_snapshot_directory(home.clone()).set_suspend_directory(home.clone()).set_log_directory(home);
}

/// How a disk is copied: as its own locator says, or as the location does.
fn move_type(wanted: &Wanted<'_>, disk: i32) -> DiskMove {
    if wanted.instant {
        return DiskMove::CreateNewChildDiskBacking;
    }
    let own = wanted.location.disk().iter().find(|locator| locator.disk_id() == disk);
    let own = own.and_then(|locator| locator.disk_move_type());
    let name = own.or(wanted.location.disk_move_type()).filter(|name| !name.is_empty());
    name.and_then(|name| DiskMove::from_name(name)).unwrap_or(DiskMove::MoveAllDiskBackingsAndDisallowSharing)
}

/// `InvalidArgument` for a copy whose disks would be on top of those that the source goes on writing to: only a snapshot's
/// stay as they are. vCenter names the snapshot that is missing.
fn check_links(config: &VirtualMachineConfigInfo, wanted: &Wanted<'_>) -> Result<(), Fault> {
    let is_link = |device: &VirtualDevice| move_type(wanted, device.key()) == DiskMove::CreateNewChildDiskBacking;
    let mut disks = config.hardware().device().iter().filter(|device| chain::backing(device).is_some());
    match wanted.snapshot.is_none() && !wanted.instant && disks.any(is_link) {
        true => Err(Fault::invalid_argument("spec.snapshot", "a linked clone is one of a snapshot")),
        false => Ok(()),
    }
}

/// The datastores of the files that the copy is linked to, and of images.
fn linked_to(config: &VirtualMachineConfigInfo, wanted: &Wanted<'_>) -> Vec<Moref> {
    let mut kept = Vec::new();
    for device in config.hardware().device() {
        let below = match (chain::backing(device), move_type(wanted, device.key())) {
            (Some(backing), DiskMove::CreateNewChildDiskBacking) => chain::files(backing),
            (Some(backing), DiskMove::MoveChildMostDiskBacking) => chain::files(backing).split_off(1),
            _ => Vec::new(),
        };
        kept.extend(below.into_iter().filter_map(|file| file.datastore()));
        if device.downcast::<VirtualDisk>().is_none() {
            let file = device.backing().and_then(|backing| backing.downcast::<VirtualDeviceFileBackingInfo>());
            kept.extend(file.and_then(|file| file.datastore()));
        }
    }
    kept
}

/// Gives the copy files of its own for every disk: each with what it was.
fn copy_disks<T>(
    call: &Call<'_, T>,
    config: &mut VirtualMachineConfigInfo,
    wanted: &Wanted<'_>,
    target: &Destination,
    datacenter: &Moref,
    file: &ArcStr,
) -> Result<Vec<(VirtualDiskFlatVer2BackingInfo, VirtualDiskFlatVer2BackingInfo)>, Fault> {
    let mut copies = Vec::new();
    let home = DatastorePath::parse(file)
        .map(|path| path.parent())
        .unwrap_or_else(|| DatastorePath { datastore: String::new(), path: config.name().to_string() });
    let name = managed_entity::escape(config.name());
    let mut number = 0;
    for device in config.hardware_mut().device_mut().iter_mut() {
        let key = device.key();
        if device.downcast::<VirtualDisk>().is_none() {
            continue;
        }
        let Some(backing) = chain::backing(device).cloned() else { continue };
        let datastore = target.datastore_for(key).clone();
        let folder =
            DatastorePath { datastore: call.get::<Datastore>(&datastore)?.name().to_string(), path: home.path.clone() };
        let path: ArcStr = match number {
            0 => folder.join(&format!("{name}.vmdk")),
            _ => folder.join(&format!("{name}_{number}.vmdk")),
        }
        .to_string()
        .into();
        number += 1;
        let mut copy = match move_type(wanted, key) {
            DiskMove::CreateNewChildDiskBacking => chain::child(&backing, &path),
            DiskMove::MoveChildMostDiskBacking if backing.parent().is_some() => backing.clone(),
            _ => flat(&backing, wanted, key),
        };
        copy.set_file_name(&path);
        copy.set_datastore(datastore);
        copy.set_uuid(disk::uuid(datacenter, &path));
        if move_type(wanted, key) != DiskMove::CreateNewChildDiskBacking {
            copies.push((backing, copy.clone()));
        }
        device.set_backing(copy);
    }
    Ok(copies)
}

/// The whole of a disk in one file, thin or thick as the source or as asked for.
fn flat(backing: &VirtualDiskFlatVer2BackingInfo, wanted: &Wanted<'_>, key: i32) -> VirtualDiskFlatVer2BackingInfo {
    let files = chain::files(backing);
    let base = files.last().copied().unwrap_or(backing);
    let mut copy = backing.clone();
    copy.as_object_mut().set(VirtualDiskFlatVer2BackingInfo::PARENT, Value::Unset);
    copy.as_object_mut().set(VirtualDiskFlatVer2BackingInfo::DELTA_DISK_FORMAT, Value::Unset);
    copy.set_thin_provisioned(base.thin_provisioned()).set_eagerly_scrub(base.eagerly_scrub());
    shape(&mut copy, wanted.location, key);
    copy
}

/// Makes a disk thin or thick as a location asks for it.
pub(super) fn shape(backing: &mut VirtualDiskFlatVer2BackingInfo, location: &VirtualMachineRelocateSpec, key: i32) {
    match location.transform() {
        Some(VirtualMachineRelocateTransformation::Sparse) => _ = backing.set_thin_provisioned(true),
        Some(VirtualMachineRelocateTransformation::Flat) => _ = backing.set_thin_provisioned(false),
        None => {}
    }
    let own = location.disk().iter().find(|locator| locator.disk_id() == key);
    let asked = own.and_then(|locator| locator.disk_backing_info()?.downcast::<VirtualDiskFlatVer2BackingInfo>());
    if let Some(asked) = asked {
        asked.thin_provisioned().into_iter().for_each(|thin| _ = backing.set_thin_provisioned(thin));
        asked.eagerly_scrub().into_iter().for_each(|eager| _ = backing.set_eagerly_scrub(eager));
    }
}

/// Gives the copy's network adapters addresses of their own, but for those that somebody chose.
fn renew_addresses<T>(
    call: &mut Call<'_, T>,
    site: &Site<'_>,
    config: &mut VirtualMachineConfigInfo,
) -> Result<(), Fault> {
    let is_generated = |device: &VirtualDevice| {
        let card = device.downcast::<VirtualEthernetCard>();
        card.is_some_and(|card| card.address_type().is_none_or(|kind| !kind.eq_ignore_ascii_case("manual")))
    };
    for device in config.hardware_mut().device_mut().iter_mut().filter(|device| is_generated(device)) {
        if let Some(card) = device.downcast_mut::<VirtualEthernetCard>() {
            ethernet::renew_address(call, site, card)?;
        }
    }
    Ok(())
}
