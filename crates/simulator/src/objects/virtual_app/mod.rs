//! `VirtualApp`: a resource pool whose machines are started, stopped and moved together.

use std::collections::BTreeSet;

use vimsim_registry::{ManagedObject, Snapshot, Transaction};
use vimsim_types::enums::{
    ArrayUpdateOperation, VAppAutoStartAction, VirtualAppVAppState, VirtualMachinePowerState as Power,
};
use vimsim_types::method::{CreateChildVMTask, CreateVApp, RegisterChildVMTask, RegisterVMTask, UpdateVAppConfig};
use vimsim_types::views::{
    Datacenter, Folder, HostSystem, InvalidState, ResourceConfigSpec, ResourcePool, ResourcePoolDestroyedEvent,
    VAppConfigInfo, VAppConfigSpec, VAppEntityConfigInfo, VirtualApp, VirtualAppSummary, VirtualMachine, VmConfigInfo,
    VmConfigSpec,
};
use vimsim_types::{EnumView, Fault, IntoValue, Items, List, Moref, Object, Value, View};

use super::{folder, managed_entity, resource_pool, virtual_machine};
use crate::call::Call;
use crate::kind::Kind;
use crate::walk::remove_reference;

mod clone;
mod link;
mod power;
mod unregister;

pub(crate) use link::forget as forget_links;

pub(crate) fn kind() -> Kind<VirtualApp> {
    resource_pool::pool_kind()
        .computed(VirtualApp::DATASTORE, |_, snapshot, app| used(snapshot, app, |machine| machine.datastore()))
        .computed(VirtualApp::NETWORK, |_, snapshot, app| used(snapshot, app, |machine| machine.network()))
        .write(power::power_on)
        .write(power::power_off)
        .write(power::suspend)
        .write(update_v_app_config)
        .write(clone::clone_v_app)
        .write(link::update_linked_children)
        .write(unregister::unregister_v_app)
        .write(super::http_nfc_lease::export_v_app)
        .destroy(destroy)
}

/// Creates a vApp in this pool.
///
/// - `DuplicateName`, `InvalidName`; `InvalidArgument` for an incomplete allocation, or a folder that is needed and missing;
/// - `NotSupported` if the folder takes no virtual machines.
pub(super) fn create_v_app(call: &mut Call<'_, ResourcePool>, request: CreateVApp) -> Result<Moref, Fault> {
    let this = call.moref();
    let name = resource_pool::check_new(call, &this, request.name(), request.res_spec())?;
    let folder = folder_for(call, &this, request.vm_folder())?;
    let owner = call.this()?.owner();
    insert_app(call, &this, &owner, &name, request.res_spec(), folder, |moref| new_config(moref, request.config_spec()))
}

/// Adds a vApp to a pool.
///
/// - As [`create_v_app`].
fn insert_app<T>(
    call: &mut Call<'_, T>,
    parent: &Moref,
    owner: &Moref,
    name: &str,
    resources: &ResourceConfigSpec,
    folder: Option<Moref>,
    config: impl FnOnce(&Moref) -> Result<VAppConfigInfo, Fault>,
) -> Result<Moref, Fault> {
    let mut resources = resource_pool::complete(call.now(), resources);
    let moref = call.create_moref(VirtualApp::TYPE);
    let mut app = VirtualApp::new();
    app.set_summary(VirtualAppSummary::new());
    resource_pool::initialize(&mut app, &moref, name, parent, owner, &mut resources);
    app.set_parent_folder(folder);
    app.set_parent_v_app(parent.is::<VirtualApp>().then(|| parent.clone()));
    app.set_datastore(std::iter::empty::<Moref>());
    app.set_network(std::iter::empty::<Moref>());
    app.set_v_app_config(config(&moref)?);
    call.insert(moref.clone(), app);
    call.edit::<ResourcePool>(parent)?.push_resource_pool(moref.clone());
    Ok(moref)
}

/// The folder for a new vApp in this pool, if it is to be in one: what is asked for, or the datacenter's for machines.
fn folder_for<T>(call: &Call<'_, T>, pool: &Moref, wanted: Option<Moref>) -> Result<Option<Moref>, Fault> {
    match wanted {
        Some(moref) => {
            folder::expect_child_type::<VirtualApp>(call.get::<Folder>(&moref)?)?;
            Ok(Some(moref))
        }
        // One in another vApp is where that is.
        None if pool.is::<VirtualApp>() => Ok(None),
        None => Ok(call.datacenter_of(pool).and_then(|it| Some(call.view::<Datacenter>(&it)?.vm_folder()))),
    }
}

/// The configuration of a new vApp: what is required, and over it the specification.
fn new_config(moref: &Moref, spec: &VAppConfigSpec) -> Result<VAppConfigInfo, Fault> {
    let mut config = VAppConfigInfo::with(|config| {
        config.set_annotation("");
        config.set_instance_uuid(crate::uuid::named(&moref.to_string()));
        config.set_entity_config(std::iter::empty::<VAppEntityConfigInfo>());
        initialize_config(config);
    });
    apply_v_app(&mut config, spec)?;
    Ok(config)
}

/// What is required of the vApp configuration of an application or machine.
pub(crate) fn initialize_config(config: &mut VmConfigInfo) {
    config.set_install_boot_required(false);
    config.set_install_boot_stop_delay(0);
    config.set_ip_assignment(vimsim_types::views::VAppIPAssignmentInfo::with(|assignment| {
        assignment.set_ip_allocation_policy("fixedPolicy");
        assignment.set_ip_protocol("IPv4");
    }));
}

fn apply_v_app(config: &mut VAppConfigInfo, spec: &VAppConfigSpec) -> Result<(), Fault> {
    if let Some(annotation) = spec.annotation() {
        config.set_annotation(annotation);
    }
    if let Some(uuid) = spec.instance_uuid() {
        config.set_instance_uuid(uuid);
    }
    if let Some(managed_by) = spec.managed_by() {
        config.set_managed_by(managed_by.clone());
    }
    for entity in spec.entity_config() {
        config.entity_config_mut().retain(|known| known.key() != entity.key());
        config.push_entity_config(entity.clone());
    }
    apply_config(config, spec)
}

/// Lays what a specification says of products, properties and the rest over a configuration.
///
/// - `InvalidArgument` for the key of a product, property or section that is not there, or is already.
pub(crate) fn apply_config(config: &mut VmConfigInfo, spec: &VmConfigSpec) -> Result<(), Fault> {
    let lists = [
        ("product", VmConfigSpec::PRODUCT, VmConfigInfo::PRODUCT),
        ("property", VmConfigSpec::PROPERTY, VmConfigInfo::PROPERTY),
        ("ovfSection", VmConfigSpec::OVF_SECTION, VmConfigInfo::OVF_SECTION),
    ];
    for (name, from, to) in lists {
        let changes = spec.as_object().get(from).items();
        if !changes.is_empty() {
            update_list(config, to, name, changes)?;
        }
    }
    let same = [
        (VmConfigSpec::IP_ASSIGNMENT, VmConfigInfo::IP_ASSIGNMENT),
        (VmConfigSpec::EULA, VmConfigInfo::EULA),
        (VmConfigSpec::OVF_ENVIRONMENT_TRANSPORT, VmConfigInfo::OVF_ENVIRONMENT_TRANSPORT),
        (VmConfigSpec::INSTALL_BOOT_REQUIRED, VmConfigInfo::INSTALL_BOOT_REQUIRED),
        (VmConfigSpec::INSTALL_BOOT_STOP_DELAY, VmConfigInfo::INSTALL_BOOT_STOP_DELAY),
    ];
    for (from, to) in same {
        let value = spec.as_object().get(from);
        if !value.is_unset() {
            config.as_object_mut().set(to, value.clone());
        }
    }
    Ok(())
}

/// Adds, replaces and removes items of a list by their keys, as `ArrayUpdateSpec`s say.
fn update_list(config: &mut VmConfigInfo, slot: usize, name: &str, changes: &[Value]) -> Result<(), Fault> {
    let element = match VmConfigInfo::TYPE.info().fields().get(slot).map(|field| field.ty) {
        Some(element) => element,
        None => return Ok(()),
    };
    let mut items: Vec<Value> = config.as_object().get(slot).items().to_vec();
    let key = |item: &Value| item.object().map(|item| item.field("key").clone());
    for change in changes.iter().filter_map(Value::object) {
        let operation = change.field("operation").text().unwrap_or_default();
        let info = change.field("info");
        let removed = change.field("removeKey");
        let wanted = if operation == ArrayUpdateOperation::Remove.name() { removed.clone() } else { info_key(info) };
        let at = items.iter().position(|item| key(item).as_ref() == Some(&wanted));
        let invalid = |why: &str| Fault::invalid_argument(&format!("spec.vAppConfig.{name}.key"), why);
        match (ArrayUpdateOperation::from_name(operation), at) {
            (Some(ArrayUpdateOperation::Add), None) => items.push(info.clone()),
            (Some(ArrayUpdateOperation::Add), Some(_)) => return Err(invalid("is there already")),
            (Some(ArrayUpdateOperation::Edit), Some(at)) => match (&mut items[at], info.object()) {
                (Value::Object(old), Some(new)) if old.kind() == new.kind() => overlay(old, new),
                (old, _) => *old = info.clone(),
            },
            (Some(ArrayUpdateOperation::Remove), Some(at)) => _ = items.remove(at),
            _ => return Err(invalid("is not there")),
        }
    }
    config.as_object_mut().set(slot, Value::List(List::new(element, items)));
    Ok(())
}

fn info_key(info: &Value) -> Value {
    info.object().map_or(Value::Unset, |info| info.field("key").clone())
}

fn overlay(base: &mut Object, wanted: &Object) {
    for (slot, value) in wanted.slots().iter().enumerate().filter(|(_, value)| !value.is_unset()) {
        base.set(slot, value.clone());
    }
}

/// Changes the configuration of the vApp.
///
/// - `InvalidArgument` as [`apply_config`], and for an entity that is not in the vApp.
fn update_v_app_config(call: &mut Call<'_, VirtualApp>, request: UpdateVAppConfig) -> Result<(), Fault> {
    let app = call.this()?;
    for key in request.spec().entity_config().iter().filter_map(|entity| entity.key()) {
        if !has_child(app, &key) {
            return Err(Fault::invalid_argument("spec.entityConfig.key", format!("{key} is not in the vApp")));
        }
    }
    apply_v_app(call.this_mut()?.v_app_config_mut(), request.spec())
}

/// Creates a virtual machine in the vApp, in the folder that the vApp is in.
///
/// - `InvalidState` for a pool that is no vApp: a machine is created in a folder then. What `CreateVM_Task` raises.
pub(super) fn create_child_vm(call: &mut Call<'_, ResourcePool>, request: CreateChildVMTask) -> Result<Moref, Fault> {
    let this = call.moref();
    let Some(folder) = folder_of(call, &this) else {
        return Err(Fault::new(InvalidState::new(), format!("{this} is in no vApp")));
    };
    call.start_task(move |call| virtual_machine::create(call, &folder, request.config(), &this, request.host()))
}

/// Adds a machine whose files are there to the vApp, and to the folder that the vApp is in.
///
/// - `InvalidState` for a pool that is no vApp: a machine is registered in a folder then. What `RegisterVM_Task` raises.
pub(super) fn register_child_vm(
    call: &mut Call<'_, ResourcePool>,
    request: RegisterChildVMTask,
) -> Result<Moref, Fault> {
    let this = call.moref();
    let Some(folder) = folder_of(call, &this) else {
        return Err(Fault::new(InvalidState::new(), format!("{this} is in no vApp")));
    };
    request.host().map(|host| call.get::<HostSystem>(&host).map(|_| ())).transpose()?;
    let wanted = RegisterVMTask::with(|wanted| {
        wanted.set_path(request.path()).set_name(request.name()).set_as_template(false);
        wanted.set_pool(this.clone()).set_host(request.host());
    });
    call.start_task(move |call| virtual_machine::register(&mut call.on(&folder), &wanted))
}

/// The folder of a vApp, or of the one that it is in.
pub(crate) fn folder_of<T>(call: &Call<'_, T>, moref: &Moref) -> Option<Moref> {
    let apps = resource_pool::lineage(call, moref);
    apps.iter().find_map(|app| call.view::<VirtualApp>(app)?.parent_folder())
}

/// The vApps that were created in this folder.
pub(super) fn in_folder<T>(call: &Call<'_, T>, folder: &Moref) -> Vec<Moref> {
    let takes_apps = call.view::<Folder>(folder).is_some_and(|folder| folder.child_type().contains("VirtualApp"));
    let objects = call.objects().filter(|object| takes_apps && object.moref().is::<VirtualApp>());
    let is_in = |app: &VirtualApp| app.parent_folder().as_ref() == Some(folder);
    let mut apps: Vec<Moref> =
        objects.filter(|it| it.view::<VirtualApp>().is_some_and(is_in)).map(|it| it.moref().clone()).collect();
    apps.sort_by(|a, b| a.value().cmp(b.value()));
    apps
}

/// The machines of the vApp and of the pools and vApps in it.
pub(crate) fn machines<T>(call: &Call<'_, T>, moref: &Moref) -> Vec<Moref> {
    let Some(pool) = call.view::<ResourcePool>(moref) else { return Vec::new() };
    let mut found: Vec<Moref> = pool.vm().iter().collect();
    pool.resource_pool().iter().for_each(|child| found.extend(machines(call, &child)));
    found
}

/// The machines and vApps that are linked to the vApp: they are elsewhere, and belong to it all the same.
pub(crate) fn links<T>(call: &Call<'_, T>, moref: &Moref) -> Vec<Moref> {
    let app = call.view::<VirtualApp>(moref);
    app.map(|app| app.child_link().iter().map(|link| link.key()).collect()).unwrap_or_default()
}

fn state_of<T>(call: &Call<'_, T>, machine: &Moref) -> Power {
    call.view::<VirtualMachine>(machine).map_or(Power::PoweredOff, |machine| machine.runtime().power_state())
}

/// Destroys the vApp with the machines and vApps in it, and those linked to it that are to go with it.
///
/// - `InvalidPowerState` while one of its machines is not off.
// Fidelity: vcsim moves the machines into the pool above, as it does for a resource pool. vCenter deletes them.
fn destroy(call: &mut Call<'_, VirtualApp>) -> Result<(), Fault> {
    let this = call.moref();
    let app = call.this()?;
    let parent = app.parent();
    // Those in pools of the vApp, too: with a pool alone, they would only come into the vApp, as do the pools in it.
    for machine in machines(call, &this) {
        managed_entity::destroy_entity(call, &machine)?;
    }
    while let Some(pool) = call.this()?.resource_pool().first() {
        managed_entity::destroy_entity(call, &pool)?;
    }
    for linked in call.this()?.child_link().iter().cloned().collect::<Vec<_>>() {
        link::unlink(call, &this, &linked.key())?;
        if linked.destroy_with_parent().unwrap_or_default() {
            managed_entity::destroy_entity(call, &linked.key())?;
        }
    }
    remove(call, parent)
}

/// Takes a vApp with nothing in it out of the inventory.
fn remove(call: &mut Call<'_, VirtualApp>, parent: Option<Moref>) -> Result<(), Fault> {
    let this = call.moref();
    link::forget(call, &this)?;
    call.post(&this, ResourcePoolDestroyedEvent::new())?;
    if let Some(parent) = parent.filter(|parent| parent.is::<ResourcePool>()) {
        remove_reference(&mut call.edit::<ResourcePool>(&parent)?.resource_pool_mut(), &this);
    }
    call.remove(&this);
    Ok(())
}

/// Whether this is a machine or vApp that is right in the vApp.
fn has_child(app: &VirtualApp, moref: &Moref) -> bool {
    app.vm().contains(moref)
        || app.resource_pool().contains(moref)
        || app.child_link().iter().any(|link| link.key() == *moref)
}

/// Brings what only a vApp's summary has up to its machines, or to what a task is changing it to; does nothing for a resource
/// pool.
pub(super) fn summarize(transaction: &Transaction, pool: &mut ResourcePool, changing: Option<VirtualAppVAppState>) {
    let Some(app) = pool.downcast_mut::<VirtualApp>() else { return };
    let state = |machine: &Moref| transaction.view::<VirtualMachine>(machine).map(|it| it.runtime().power_state());
    let (mut started, mut suspended) = (false, false);
    for machine in app.vm() {
        started |= state(&machine) == Some(Power::PoweredOn);
        suspended |= state(&machine) == Some(Power::Suspended);
    }
    for child in app.resource_pool() {
        let child = transaction.view::<VirtualApp>(&child).map(|child| child.summary());
        let child = child.and_then(|summary| summary.downcast::<VirtualAppSummary>()?.v_app_state());
        started |= child == Some(VirtualAppVAppState::Started);
    }
    // What has left says nothing of how to start.
    let is_stale = |entity: &VAppEntityConfigInfo| entity.key().is_some_and(|key| !has_child(app, &key));
    if app.v_app_config().is_some_and(|config| config.entity_config().iter().any(is_stale)) {
        let links = app.child_link().iter().map(|link| link.key());
        let known: Vec<Moref> = app.vm().iter().chain(app.resource_pool().iter()).chain(links).collect();
        let is_known = |entity: &VAppEntityConfigInfo| entity.key().is_none_or(|key| known.contains(&key));
        app.v_app_config_mut().entity_config_mut().retain(is_known);
    }
    complete_entities(app);
    let config = app.v_app_config().cloned();
    let product = config.as_ref().and_then(|config| config.product().first()).cloned();
    let Some(summary) = app.summary_mut().downcast_mut::<VirtualAppSummary>() else { return };
    let state = if started { VirtualAppVAppState::Started } else { VirtualAppVAppState::Stopped };
    summary.set_v_app_state(changing.unwrap_or(state));
    summary.set_suspended(suspended && !started);
    summary.set_install_boot_required(config.as_ref().is_some_and(|config| config.install_boot_required()));
    summary.set_instance_uuid(config.as_ref().and_then(|config| config.instance_uuid()));
    if let Some(product) = product {
        summary.set_product(product);
    }
}

/// Gives what is in a vApp and has no configuration there what vCenter gives it: it comes last.
// Fidelity: vCenter waits for two minutes after each. Scripts written for vcsim, where nothing is waited for, start vApps and
// do not expect to wait.
fn complete_entities(app: &mut VirtualApp) {
    let Some(config) = app.v_app_config() else { return };
    let known: Vec<Moref> = config.entity_config().iter().filter_map(|entity| entity.key()).collect();
    let links = app.child_link().iter().map(|link| link.key());
    let apps = app.resource_pool().iter().filter(Moref::is::<VirtualApp>).collect::<Vec<_>>();
    let mut new: Vec<Moref> = Vec::new();
    for child in app.vm().iter().chain(apps).chain(links) {
        if !known.contains(&child) && !new.contains(&child) {
            new.push(child);
        }
    }
    let last = config.entity_config().iter().filter_map(|entity| entity.start_order()).max().unwrap_or(0);
    for (child, order) in new.into_iter().zip(last.saturating_add(1)..) {
        app.v_app_config_mut().push_entity_config(VAppEntityConfigInfo::with(|entity| {
            entity.set_key(child).set_start_order(order).set_start_delay(0).set_waiting_for_guest(false);
            entity.set_start_action(VAppAutoStartAction::PowerOn.name());
            entity.set_stop_delay(0).set_stop_action(VAppAutoStartAction::PowerOff.name());
        }));
    }
}

/// What the virtual machines of a vApp use, each once: those in it at any depth, and those linked to it.
fn used(snapshot: &Snapshot, app: &ManagedObject, of: fn(&VirtualMachine) -> Items<'_, Moref>) -> Value {
    let (mut next, mut seen, mut found) = (vec![app.moref().clone()], BTreeSet::new(), Vec::new());
    while let Some(moref) = next.pop() {
        if !seen.insert(moref.clone()) {
            continue;
        }
        if let Some(machine) = snapshot.view::<VirtualMachine>(&moref) {
            found.extend(of(machine));
        } else if let Some(pool) = snapshot.view::<ResourcePool>(&moref) {
            next.extend(pool.vm().iter().chain(pool.resource_pool().iter()));
            next.extend(
                snapshot.view::<VirtualApp>(&moref).into_iter().flat_map(|app| app.child_link()).map(|it| it.key()),
            );
        }
    }
    found.sort();
    found.dedup();
    found.into_value()
}
