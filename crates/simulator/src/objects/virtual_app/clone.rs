//! Copies of vApps, with everything in them.

use vimsim_types::enums::{VAppCloneSpecProvisioningType, VirtualMachineRelocateTransformation};
use vimsim_types::method::CloneVAppTask;
use vimsim_types::views::{
    ClusterConfigInfoEx, ComputeResource, Datastore, Folder, HostSystem, ManagedEntity, Network,
    NotUserConfigurableProperty, ResourceConfigSpec, ResourcePool, ResourcePoolCreatedEvent, VAppCloneSpec,
    VAppCloneSpecResourceMap, VAppConfigInfo, VirtualApp, VirtualAppLinkInfo, VirtualMachine,
    VirtualMachineRelocateSpec,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::{folder_for, insert_app, links};
use crate::call::Call;
use crate::objects::{folder, managed_entity, resource_pool, virtual_machine};

/// Copies the vApp with the machines, pools and vApps in it, and those linked to it.
///
/// - `ManagedObjectNotFound`, `NotSupported` for what the specification names that is not there, or cannot be used so;
/// - `InvalidArgument` for a target in the vApp itself, a cluster that does not choose hosts by itself, a linked child that is
///   to go nowhere, something that is not in the vApp, or a property that it does not have;
/// - as faults of the task: `DuplicateName`, `InvalidName`, `NotUserConfigurableProperty`, and what copying a machine raises.
pub(super) fn clone_v_app(call: &mut Call<'_, VirtualApp>, request: CloneVAppTask) -> Result<Moref, Fault> {
    let (this, spec, target) = (call.moref(), request.spec(), request.target());
    let owner = call.get::<ResourcePool>(&target)?.owner();
    call.get::<Datastore>(&spec.location())?;
    for pair in spec.network_mapping() {
        call.get::<Network>(&pair.source())?;
        call.get::<Network>(&pair.destination())?;
    }
    if let Some(folder) = spec.vm_folder() {
        folder::expect_child_type::<VirtualApp>(call.get::<Folder>(&folder)?)?;
    }
    if call.is_within(&target, &this) {
        return Err(Fault::invalid_argument("target", format!("{target} is in the vApp itself")));
    }
    check_host(call, &owner, spec)?;
    check_mapping(call, &this, spec)?;
    let provisioning = spec.provisioning().map(|name| VAppCloneSpecProvisioningType::from_name(name));
    if provisioning == Some(None) {
        return Err(Fault::invalid_argument("spec.provisioning", "is no way to provision disks"));
    }
    call.start_task(move |call| {
        let this = call.moref();
        let spec = request.spec();
        let folder = folder_for(call, &request.target(), spec.vm_folder())?;
        let into = Into { parent: request.target(), owner, folder };
        let copy = copy_app(call, spec, &this, request.name(), spec.resource_spec(), &into, 0)?;
        set_properties(call, spec, &copy)?;
        Ok(copy)
    })
}

/// `InvalidArgument` if the machines' host is open, and the cluster does not choose hosts by itself.
fn check_host<T>(call: &Call<'_, T>, owner: &Moref, spec: &VAppCloneSpec) -> Result<(), Fault> {
    let resource = call.get::<ComputeResource>(owner)?;
    if let Some(host) = spec.host() {
        call.get::<HostSystem>(&host)?;
        if !resource.host().contains(&host) {
            return Err(Fault::invalid_argument(
                "spec.host",
                format!("{host} is not of the target's compute resource"),
            ));
        }
        return Ok(());
    }
    let Some(config) = resource.configuration_ex().downcast::<ClusterConfigInfoEx>() else { return Ok(()) };
    let drs = config.drs_config();
    let chooses = drs.enabled().unwrap_or_default()
        && drs.default_vm_behavior() != Some(vimsim_types::enums::DrsBehavior::Manual);
    if chooses {
        Ok(())
    } else {
        Err(Fault::invalid_argument("spec.host", "the cluster does not choose hosts by itself"))
    }
}

/// `InvalidArgument` for a mapping of what is not in the vApp, and for a linked child without a pool to go to.
fn check_mapping<T>(call: &Call<'_, T>, this: &Moref, spec: &VAppCloneSpec) -> Result<(), Fault> {
    let mut linked = links(call, this);
    let mut inside = vec![this.clone()];
    let mut at = 0;
    while let Some(pool) = inside.get(at).cloned() {
        at += 1;
        let Some(view) = call.view::<ResourcePool>(&pool) else { continue };
        let children: Vec<Moref> = view.vm().iter().chain(view.resource_pool().iter()).collect();
        let below = links(call, &pool);
        linked.extend(below.iter().filter(|link| !linked.contains(link)).cloned().collect::<Vec<_>>());
        inside.extend(children.into_iter().chain(below));
    }
    for map in spec.resource_mapping() {
        if !inside.contains(&map.source()) {
            let why = format!("{} is not in the vApp", map.source());
            return Err(Fault::invalid_argument("spec.resourceMapping.source", why));
        }
        map.parent().map(|parent| call.get::<ResourcePool>(&parent).map(|_| ())).transpose()?;
        map.location().map(|location| call.get::<Datastore>(&location).map(|_| ())).transpose()?;
    }
    match linked.iter().find(|link| mapping(spec, link).is_none_or(|map| map.parent().is_none())) {
        Some(link) => {
            let why = format!("the linked child {link} needs a pool to be copied into");
            Err(Fault::invalid_argument("spec.resourceMapping.parent", why))
        }
        None => Ok(()),
    }
}

fn mapping<'a>(spec: &'a VAppCloneSpec, source: &Moref) -> Option<&'a VAppCloneSpecResourceMap> {
    spec.resource_mapping().iter().find(|map| map.source() == *source)
}

/// Where a copy goes.
struct Into {
    parent: Moref,
    owner: Moref,
    /// The folder of a vApp that is in no other.
    folder: Option<Moref>,
}

/// So deep may vApps be in each other: deeper ones would be linked in a circle.
const DEPTH: usize = 64;

fn copy_app(
    call: &mut Call<'_, VirtualApp>,
    spec: &VAppCloneSpec,
    source: &Moref,
    name: &str,
    resources: Option<&ResourceConfigSpec>,
    into: &Into,
    depth: usize,
) -> Result<Moref, Fault> {
    if depth > DEPTH {
        return Err(Fault::invalid_argument("this", "the vApp is too deep"));
    }
    let app = call.get::<VirtualApp>(source)?.clone();
    let mut config = app.v_app_config().cloned().unwrap_or_else(VAppConfigInfo::new);
    let entities: Vec<_> = config.entity_config().iter().cloned().collect();
    config.entity_config_mut().retain(|_| false);
    let resources = allocations(app.config(), resources);
    let name = resource_pool::check_new(call, &into.parent, name, &resources)?;
    let mut copies: Vec<(Moref, Moref)> = Vec::new();
    let copy = insert_app(call, &into.parent, &into.owner, &name, &resources, into.folder.clone(), |moref| {
        config.set_instance_uuid(crate::uuid::named(&moref.to_string()));
        Ok(config)
    })?;
    copy_children(call, spec, source, &copy, into, depth, &mut copies)?;
    for link in app.child_link() {
        let child = link.key();
        let Some(parent) = mapping(spec, &child).and_then(VAppCloneSpecResourceMap::parent) else { continue };
        let owner = call.get::<ResourcePool>(&parent)?.owner();
        let into = Into { parent, owner, folder: into.folder.clone() };
        let copied = copy_child(call, spec, &child, &into, depth)?;
        super::link::link(
            call,
            &copy,
            &VirtualAppLinkInfo::with(|info| {
                info.set_key(copied.clone()).set_destroy_with_parent(link.destroy_with_parent());
            }),
        )?;
        copies.push((child, copied));
    }
    let entities = entities.into_iter().filter_map(|mut entity| {
        let (_, copied) = copies.iter().find(|(source, _)| entity.key().as_ref() == Some(source))?;
        entity.set_key(copied.clone());
        Some(entity)
    });
    let entities: Vec<_> = entities.collect();
    call.edit::<VirtualApp>(&copy)?.v_app_config_mut().set_entity_config(entities);
    Ok(copy)
}

/// What a copy has of its pool: what its source has, but for what is asked for.
fn allocations(source: &ResourceConfigSpec, wanted: Option<&ResourceConfigSpec>) -> ResourceConfigSpec {
    let overlay = crate::objects::cluster_compute_resource::overlay;
    let mut config = ResourceConfigSpec::with(|config| {
        config.set_cpu_allocation(source.cpu_allocation().clone());
        config.set_memory_allocation(source.memory_allocation().clone());
        config.set_scale_descendants_shares(source.scale_descendants_shares());
    });
    if let Some(wanted) = wanted {
        let (cpu, memory) = (config.cpu_allocation().clone(), config.memory_allocation().clone());
        config.set_cpu_allocation(overlay(&cpu, wanted.cpu_allocation()));
        config.set_memory_allocation(crate::objects::cluster_compute_resource::overlay(
            &memory,
            wanted.memory_allocation(),
        ));
    }
    config
}

fn copy_children(
    call: &mut Call<'_, VirtualApp>,
    spec: &VAppCloneSpec,
    source: &Moref,
    copy: &Moref,
    into: &Into,
    depth: usize,
    copies: &mut Vec<(Moref, Moref)>,
) -> Result<(), Fault> {
    let pool = call.get::<ResourcePool>(source)?;
    let children: Vec<Moref> = pool.vm().iter().chain(pool.resource_pool().iter()).collect();
    for child in children {
        let into = Into { parent: copy.clone(), owner: into.owner.clone(), folder: None };
        let copied = copy_child(call, spec, &child, &into, depth)?;
        copies.push((child, copied));
    }
    Ok(())
}

/// Copies a machine, pool or vApp of the vApp.
fn copy_child(
    call: &mut Call<'_, VirtualApp>,
    spec: &VAppCloneSpec,
    child: &Moref,
    into: &Into,
    depth: usize,
) -> Result<Moref, Fault> {
    let map = mapping(spec, child);
    let resources = map.and_then(|map| map.resource_spec());
    let name = call.get::<ManagedEntity>(child)?.name().clone();
    if child.is::<VirtualMachine>() {
        return copy_machine(call, spec, child, into, &name);
    }
    if child.is::<VirtualApp>() {
        return copy_app(call, spec, child, &name, resources, into, depth + 1);
    }
    let config = allocations(call.get::<ResourcePool>(child)?.config(), resources);
    let name = resource_pool::check_new(call, &into.parent, &name, &config)?;
    let config = resource_pool::complete(call.now(), &config);
    let copy = resource_pool::create(call, &name, &into.parent, &into.owner, config)?;
    call.edit::<ResourcePool>(&into.parent)?.push_resource_pool(copy.clone());
    let parent = call.pool_argument(&into.parent);
    call.post(&copy, ResourcePoolCreatedEvent::with(|event| _ = event.set_parent(parent)))?;
    copy_children(call, spec, child, &copy, into, depth, &mut Vec::new())?;
    Ok(copy)
}

fn copy_machine(
    call: &mut Call<'_, VirtualApp>,
    spec: &VAppCloneSpec,
    source: &Moref,
    into: &Into,
    name: &ArcStr,
) -> Result<Moref, Fault> {
    call.expect_free(source)?;
    let map = mapping(spec, source);
    let folder = super::folder_of(call, &into.parent).or_else(|| call.view::<ManagedEntity>(source)?.parent());
    let folder = folder.ok_or_else(|| Fault::invalid_argument("spec.vmFolder", "is missing"))?;
    let devices = networks(call, spec, source)?;
    let location = VirtualMachineRelocateSpec::with(|location| {
        location.set_pool(into.parent.clone()).set_host(spec.host());
        location.set_datastore(map.and_then(|map| map.location()).unwrap_or_else(|| spec.location()));
        let provisioning = spec.provisioning().and_then(|name| VAppCloneSpecProvisioningType::from_name(name));
        location.set_transform(match provisioning {
            Some(VAppCloneSpecProvisioningType::Thin) => Some(VirtualMachineRelocateTransformation::Sparse),
            Some(VAppCloneSpecProvisioningType::Thick) => Some(VirtualMachineRelocateTransformation::Flat),
            _ => None,
        });
        location.set_device_change(devices);
    });
    let name = free_name(call, &folder, name);
    let copy = virtual_machine::copy_to(&mut call.on(source), folder, name, &location)?;
    if let Some(resources) = map.and_then(|map| map.resource_spec()) {
        virtual_machine::set_allocations(call, &copy, resources)?;
    }
    Ok(copy)
}

/// The name for a copy of a machine.
// Fidelity: in vCenter a machine of a vApp is in no folder, and keeps its name. Here it is in the vApp's, as in vcsim, where
// its source may be, too.
fn free_name<T>(call: &Call<'_, T>, folder: &Moref, name: &ArcStr) -> ArcStr {
    let is_free = |name: &str| managed_entity::child(call, folder, name).is_none();
    if is_free(name) {
        return name.clone();
    }
    let mut numbered = (1..).map(|number| ArcStr::from(format!("{name} ({number})")));
    numbered.find(|name| is_free(name)).unwrap_or_else(|| name.clone())
}

/// The changes that bring a copy's adapters to the networks that theirs are mapped to.
fn networks<T>(
    call: &Call<'_, T>,
    spec: &VAppCloneSpec,
    source: &Moref,
) -> Result<Vec<vimsim_types::views::VirtualDeviceConfigSpec>, Fault> {
    let mut changes = Vec::new();
    if spec.network_mapping().is_empty() {
        return Ok(changes);
    }
    for (mut card, network) in virtual_machine::cards(call, source)? {
        let Some(pair) = spec.network_mapping().iter().find(|pair| pair.source() == network) else { continue };
        let backing = crate::objects::ovf_manager::backing_on(&**call, &pair.destination());
        let Some(backing) = backing else { continue };
        card.as_object_mut().set(vimsim_types::views::VirtualDevice::BACKING, backing.into());
        changes.push(vimsim_types::views::VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(vimsim_types::enums::VirtualDeviceConfigSpecOperation::Edit).set_device(card);
        }));
    }
    Ok(changes)
}

/// Gives the copy's properties the values that are asked for.
fn set_properties(call: &mut Call<'_, VirtualApp>, spec: &VAppCloneSpec, copy: &Moref) -> Result<(), Fault> {
    for wanted in spec.property() {
        let app = call.edit::<VirtualApp>(copy)?;
        let mut properties = app.v_app_config_mut().property_mut();
        let mut known = properties.iter_mut();
        let info = known.find(|info| {
            let class = info.class_id().map(|class| format!("{class}.")).unwrap_or_default();
            let instance =
                info.instance_id().filter(|it| !it.is_empty()).map(|it| format!(".{it}")).unwrap_or_default();
            let id = info.id().cloned().unwrap_or_default();
            let full = format!("{}{id}{instance}", if class == "." { "" } else { &class });
            *wanted.key() == full || *wanted.key() == id
        });
        let Some(info) = info else {
            return Err(Fault::invalid_argument(
                "spec.property.key",
                format!("there is no property '{}'", wanted.key()),
            ));
        };
        if info.user_configurable() == Some(false) {
            let detail = NotUserConfigurableProperty::with(|fault| {
                fault.set_id(info.id().cloned().unwrap_or_default());
                fault.set_category(info.category().cloned().unwrap_or_default());
                fault.set_label(info.label().cloned().unwrap_or_default());
                fault.set_type(info.type_().cloned().unwrap_or_default());
                fault.set_value(wanted.value());
            });
            return Err(Fault::new(detail, format!("the property '{}' cannot be set", wanted.key())));
        }
        info.set_value(wanted.value());
    }
    Ok(())
}
