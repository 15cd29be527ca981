//! `Folder`: containers of entities of certain types.

use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::method::{
    AddStandaloneHostTask, CreateCluster, CreateClusterEx, CreateDatacenter, CreateFolder, MoveIntoFolderTask,
    UnregisterAndDestroyTask,
};
use vimsim_types::views::{
    ClusterComputeResource, ClusterConfigSpecEx, ComputeResource, Datacenter, DistributedVirtualSwitch, Folder,
    HostSystem, InvalidFolder, InvalidState, ManagedEntity, NotSupported, StoragePod, VirtualMachine,
};
use vimsim_types::{Fault, MethodView, Moref, View};

use super::{
    cluster_compute_resource, compute_resource, crypto_manager_kmip, datacenter, event_manager, managed_entity,
    virtual_app, virtual_machine,
};
use crate::call::Call;
use crate::containers;
use crate::kind::Kind;
use crate::walk::{descendants, remove_reference};

pub(crate) fn kind() -> Kind<Folder> {
    entity_kind()
}

/// The methods of a folder, for it and `StoragePod`.
pub(crate) fn entity_kind<T: View>() -> Kind<T> {
    managed_entity::kind::<T>()
        .write(create_folder)
        .write(create_datacenter)
        .write(create_cluster)
        .write(create_cluster_ex)
        .write(add_standalone_host)
        .read(super::placement::place_vms_x_cluster)
        .write(unregister_and_destroy)
        .write(super::folder_batch::batch_add_standalone_hosts)
        .write(super::folder_batch::batch_add_hosts_to_cluster)
        .write(move_into_folder)
        .write(super::distributed_virtual_switch::create_dvs)
        .write(super::storage_pod::create_storage_pod)
        .write(super::virtual_machine::create_vm)
        .write(super::virtual_machine::register_vm)
        .destroy(|call| destroy(&mut call.on(&call.moref())))
}

/// Puts a new folder below `parent`, which has none of its name (the caller has checked).
pub(crate) fn add_folder<T>(
    call: &mut Call<'_, T>,
    parent: &Moref,
    name: &str,
    child_type: &[&str],
) -> Result<Moref, Fault> {
    let folder = Folder::with(|folder| {
        managed_entity::initialize(folder, name, parent);
        folder.set_child_type(child_type.iter().copied());
        folder.set_child_entity(std::iter::empty::<Moref>());
    });
    Ok(call.create(folder))
}

/// Lists an entity among the children of its folder.
pub(crate) fn add_child<T>(call: &mut Call<'_, T>, folder: &Moref, child: &Moref) -> Result<(), Fault> {
    call.edit::<Folder>(folder)?.push_child_entity(child.clone());
    Ok(())
}

/// `NotSupported` unless the folder takes children of type `V`.
pub(crate) fn expect_child_type<V: View>(folder: &Folder) -> Result<(), Fault> {
    if accepts(folder, V::TYPE) {
        return Ok(());
    }
    let message = format!("the folder '{}' takes no {}", folder.name(), V::TYPE.name());
    Err(Fault::new(NotSupported::new(), message))
}

/// Whether the folder's `childType` names this type or one of its bases; a storage pod is not just any folder.
fn accepts(folder: &Folder, kind: vimsim_types::TypeId) -> bool {
    if kind.is_a(StoragePod::TYPE) {
        return folder.child_type().contains(StoragePod::TYPE.name());
    }
    kind.lineage().any(|kind| folder.child_type().contains(kind.name()))
}

/// Creates a folder that takes what this one takes.
///
/// - `DuplicateName`, `InvalidName`; `NotSupported` if folders are not taken.
fn create_folder(call: &mut Call<'_, Folder>, request: CreateFolder) -> Result<Moref, Fault> {
    let this = call.moref();
    expect_child_type::<Folder>(call.this()?)?;
    let name = managed_entity::check_name(call, &this, request.name())?;
    let child_type: Vec<String> = call.this()?.child_type().iter().map(ToString::to_string).collect();
    let child_type: Vec<&str> = child_type.iter().map(String::as_str).collect();
    let folder = add_folder(call, &this, &name, &child_type)?;
    add_child(call, &this, &folder)?;
    Ok(folder)
}

/// Creates a datacenter with its four folders.
///
/// - `DuplicateName`, `InvalidName`; `NotSupported` if this is no folder of datacenters.
fn create_datacenter(call: &mut Call<'_, Folder>, request: CreateDatacenter) -> Result<Moref, Fault> {
    let this = call.moref();
    expect_child_type::<Datacenter>(call.this()?)?;
    if !call.context().is_virtual_center() {
        return Err(Fault::new(NotSupported::new(), "an ESXi host has one datacenter"));
    }
    let name = managed_entity::check_name(call, &this, request.name())?;
    let datacenter = datacenter::create(call, &this, &name)?;
    add_child(call, &this, &datacenter)?;
    event_manager::datacenter_created(call, &this, &datacenter)?;
    Ok(datacenter)
}

/// Creates a cluster.
///
/// - `DuplicateName`, `InvalidName`; `NotSupported` if this is no folder of hosts;
/// - `InvalidArgument` for what a cluster cannot be configured to.
fn create_cluster_ex(call: &mut Call<'_, Folder>, request: CreateClusterEx) -> Result<Moref, Fault> {
    add_cluster(call, request.name(), request.spec())
}

/// [`create_cluster_ex`] with the specification of old.
fn create_cluster(call: &mut Call<'_, Folder>, request: CreateCluster) -> Result<Moref, Fault> {
    add_cluster(call, request.name(), &cluster_compute_resource::extended(request.spec()))
}

fn add_cluster(call: &mut Call<'_, Folder>, name: &str, spec: &ClusterConfigSpecEx) -> Result<Moref, Fault> {
    let this = call.moref();
    expect_child_type::<ComputeResource>(call.this()?)?;
    let name = managed_entity::check_name(call, &this, name)?;
    let cluster = cluster_compute_resource::create(call, &this, &name, spec)?;
    add_child(call, &this, &cluster)?;
    event_manager::cluster_created(call, &this, &cluster)?;
    Ok(cluster)
}

/// Adds a host by itself, in a compute resource of its own.
///
/// A host whose options ask for a container is added when that runs.
///
/// - `DuplicateName` if the inventory has the host already; `NoHost` if the spec names none;
/// - `NotSupported` if this is no folder of hosts; `InvalidArgument` for options that no container can be made of;
/// - `PlatformConfigFault` with the container engine's words, as a fault of the task.
fn add_standalone_host(call: &mut Call<'_, Folder>, request: AddStandaloneHostTask) -> Result<Moref, Fault> {
    expect_child_type::<ComputeResource>(call.this()?)?;
    compute_resource::check_connect_spec(call, request.spec())?;
    let of = containers::of_new_host(call, request.spec())?;
    let add = move |call: &mut Call<'_, Folder>, reserved| {
        let this = call.moref();
        compute_resource::create_standalone(call, &this, &request, reserved)
    };
    let reserve = compute_resource::reserve_standalone::<Folder>;
    if of.asks_for_container() {
        return containers::add_backed(call, AddStandaloneHostTask::method(), of, reserve, |id| id.host.clone(), add);
    }
    call.start_task(move |call| {
        let reserved = reserve(call);
        let host = reserved.host.clone();
        let added = add(call, reserved)?;
        containers::begin_backed(call, &host, &of)?;
        Ok(added)
    })
}

/// Moves entities into this folder, all or none.
///
/// - `DuplicateName` if one of that name is here already;
/// - `NotSupported` if this folder does not take one of them, or it is a host of a cluster or a root;
/// - `InvalidFolder` if a folder would come into itself.
fn move_into_folder(call: &mut Call<'_, Folder>, request: MoveIntoFolderTask) -> Result<Moref, Fault> {
    for moref in request.list() {
        call.get::<ManagedEntity>(&moref)?;
    }
    call.start_task(move |call| request.list().iter().try_for_each(|moref| move_one(call, moref)))
}

fn move_one(call: &mut Call<'_, Folder>, moref: Moref) -> Result<(), Fault> {
    let this = call.moref();
    // A standalone host moves with its compute resource.
    let moref = match call.view::<HostSystem>(&moref).and_then(|host| host.parent()) {
        Some(parent) if !parent.is::<ClusterComputeResource>() => parent,
        _ => moref,
    };
    let entity = call.get::<ManagedEntity>(&moref)?;
    let (name, parent) = (entity.name().clone(), entity.parent());
    let kind = moref.kind();
    let Some(parent) = parent.filter(|parent| parent.is::<Folder>()) else {
        return Err(Fault::new(NotSupported::new(), format!("{moref} cannot be moved into a folder")));
    };
    // A folder of hosts goes into no folder of machines.
    let holds_others = |folder: &Folder| {
        let taken = call.this().map(|this| this.child_type());
        taken.is_ok_and(|taken| folder.child_type().iter().any(|kind| !taken.contains(kind)))
    };
    if !accepts(call.this()?, kind)
        || call.view::<Folder>(&moref).is_some_and(holds_others)
        || call.datacenter_of(&moref) != call.datacenter_of(&this) && !moves_anywhere(kind)
    {
        let message = format!("the folder '{}' does not take {moref}", call.this()?.name());
        return Err(Fault::new(NotSupported::new(), message));
    }
    if call.is_within(&this, &moref) {
        return Err(InvalidFolder::with(|fault| {
            fault.set_target(this);
        })
        .into());
    }
    if parent == this {
        return Ok(());
    }
    managed_entity::check_name(call, &this, &name)?;
    remove_reference(&mut call.edit::<Folder>(&parent)?.child_entity_mut(), &moref);
    call.edit::<ManagedEntity>(&moref)?.set_parent(this.clone());
    add_child(call, &this, &moref)?;
    event_manager::moved(call, &moref, &parent, &this)
}

/// Datacenters are not bound to a datacenter; what is in one stays in it, and so do the folders that it is in.
fn moves_anywhere(kind: vimsim_types::TypeId) -> bool {
    kind.is_a(Datacenter::TYPE)
}

/// Unregisters the virtual machines in the folder and in those below it, and removes the folders. Files stay.
///
/// - `NotSupported` if this is no folder of virtual machines, or a datacenter's own, or a vApp is in it;
/// - `InvalidState` if a virtual machine is not off, and `PlatformConfigFault` with the container engine's words, as faults
///   of the task.
fn unregister_and_destroy(call: &mut Call<'_, Folder>, _: UnregisterAndDestroyTask) -> Result<Moref, Fault> {
    let folder = call.this()?;
    expect_child_type::<VirtualMachine>(folder)?;
    if folder.parent().is_none_or(|parent| parent.is::<Datacenter>()) {
        let message = format!("the folder '{}' belongs to its datacenter", folder.name());
        return Err(Fault::new(NotSupported::new(), message));
    }
    let this = call.moref();
    let backed = containers::holds_backed(call, &this);
    if !backed.is_empty() {
        let end: containers::End = |call, this| unregister_all(&mut call.on(this));
        return containers::destroy_backed(&mut call.on(&this), backed, end);
    }
    call.start_task(unregister_all)
}

fn unregister_all(call: &mut Call<'_, Folder>) -> Result<(), Fault> {
    let children: Vec<Moref> = call.this()?.child_entity().iter().collect();
    for child in &children {
        if child.is::<VirtualMachine>() {
            let machine = call.get::<VirtualMachine>(child)?;
            if machine.runtime().power_state() != VirtualMachinePowerState::PoweredOff {
                let message = format!("the virtual machine '{}' is not off", machine.name());
                return Err(Fault::new(InvalidState::new(), message));
            }
            virtual_machine::unregister(&mut call.on(child))?;
        } else if child.is::<Folder>() {
            unregister_all(&mut call.on(child))?;
        } else {
            return Err(Fault::new(NotSupported::new(), format!("{child} cannot be unregistered")));
        }
    }
    let this = call.moref();
    if let Some(app) = virtual_app::in_folder(call, &this).first() {
        return Err(Fault::new(NotSupported::new(), format!("the vApp {app} is in the folder")));
    }
    crypto_manager_kmip::forget(call, &this)?;
    managed_entity::remove(call, &this)
}

/// Destroys all that is in the folder, and it. Virtual machines are deleted from disk, hosts removed.
pub(crate) fn destroy(call: &mut Call<'_, Folder>) -> Result<(), Fault> {
    let this = call.moref();
    let children: Vec<Moref> = call.this()?.child_entity().iter().collect();
    // Virtual machines first: what holds them cannot go while they are there.
    let (machines, mut others): (Vec<_>, Vec<_>) = children.into_iter().partition(|child| child.is::<VirtualMachine>());
    // A distributed switch takes its portgroups with it, wherever they are.
    let mut switches = Vec::new();
    if accepts(call.this()?, DistributedVirtualSwitch::TYPE) {
        descendants(&**call, &this, true, &mut |moref| {
            if moref.is::<DistributedVirtualSwitch>() {
                switches.push(moref.clone());
            }
        });
    }
    others.splice(0..0, switches);
    for child in machines.iter().chain(&others) {
        if call.object(child).is_some() {
            managed_entity::destroy_entity(call, child)?;
        }
    }
    for app in virtual_app::in_folder(call, &this) {
        if call.object(&app).is_some() {
            managed_entity::destroy_entity(call, &app)?;
        }
    }
    crypto_manager_kmip::forget(call, &this)?;
    managed_entity::remove(call, &this)
}
