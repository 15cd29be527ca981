//! The privileges that a call needs. Most stand in the schema, of the method and of its parameters; those that the API
//! reference calls dynamic, because they depend on what the method is called on or asked for, stand here.

use vimsim_registry::Snapshot;
use vimsim_types::enums::VirtualDeviceConfigSpecOperation as Operation;
use vimsim_types::method::{CloneVMTask, MigrateVMTask, MoveIntoFolderTask, MoveIntoResourcePool, ReconfigVMTask};
use vimsim_types::views::{
    ClusterComputeResource, ComputeResource, Datacenter, Datastore, DistributedVirtualPortgroup,
    DistributedVirtualSwitch, Folder, HostSystem, ManagedEntity, Network, ResourcePool, VirtualApp, VirtualDisk,
    VirtualMachine, VirtualMachineConfigSpec,
};
use vimsim_types::{Method, Moref, Object, TypeId, Value, View};

use crate::walk::Inventory;

type Required = Vec<(Moref, &'static str)>;

/// What removing, renaming and moving an entity of a type needs. The first type that fits counts.
struct Entity {
    kind: TypeId,
    delete: &'static str,
    rename: &'static str,
    r#move: &'static str,
}

const fn entity(kind: TypeId, delete: &'static str, rename: &'static str, r#move: &'static str) -> Entity {
    Entity { kind, delete, rename, r#move }
}

const ENTITIES: &[Entity] = &[
    entity(
        VirtualMachine::TYPE,
        "VirtualMachine.Inventory.Delete",
        "VirtualMachine.Config.Rename",
        "VirtualMachine.Inventory.Move",
    ),
    entity(Folder::TYPE, "Folder.Delete", "Folder.Rename", "Folder.Move"),
    entity(Datacenter::TYPE, "Datacenter.Delete", "Datacenter.Rename", "Datacenter.Move"),
    entity(Datastore::TYPE, "Datastore.Delete", "Datastore.Rename", "Datastore.Move"),
    entity(DistributedVirtualPortgroup::TYPE, "DVPortgroup.Delete", "DVPortgroup.Modify", "Network.Move"),
    entity(DistributedVirtualSwitch::TYPE, "DVSwitch.Delete", "DVSwitch.Modify", "DVSwitch.Move"),
    entity(Network::TYPE, "Network.Delete", "Network.Config", "Network.Move"),
    entity(VirtualApp::TYPE, "VApp.Delete", "VApp.Rename", "VApp.Move"),
    entity(ResourcePool::TYPE, "Resource.DeletePool", "Resource.RenamePool", "Resource.MovePool"),
    entity(
        ClusterComputeResource::TYPE,
        "Host.Inventory.DeleteCluster",
        "Host.Inventory.RenameCluster",
        "Host.Inventory.MoveCluster",
    ),
    entity(
        ComputeResource::TYPE,
        "Host.Inventory.RemoveHostFromCluster",
        "Host.Inventory.RenameCluster",
        "Host.Inventory.MoveHost",
    ),
    entity(
        HostSystem::TYPE,
        "Host.Inventory.RemoveHostFromCluster",
        "Host.Inventory.RenameCluster",
        "Host.Inventory.MoveHost",
    ),
];

fn of_kind(moref: &Moref) -> Option<&'static Entity> {
    ENTITIES.iter().find(|entity| moref.kind().is_a(entity.kind))
}

/// What methods need on the object they are called on where the schema says nothing and it is always the same.
const METHODS: &[(&str, &str)] = &[
    ("ReconfigureDvs_Task", "DVSwitch.Modify"),
    ("DVSRollback_Task", "DVSwitch.Modify"),
    ("ReconfigureDVPortgroup_Task", "DVPortgroup.Modify"),
    ("DVPortgroupRollback_Task", "DVPortgroup.Modify"),
    ("setCustomValue", "Global.SetCustomField"),
    ("UpdateOptions", "Global.Settings"),
    ("BatchAddHostsToCluster_Task", "Host.Inventory.AddHostToCluster"),
    ("UpdateConfig", "Resource.EditPool"),
    ("UpdateChildResourceConfiguration", "Resource.EditPool"),
    ("DestroyChildren", "Resource.DeletePool"),
    ("UpdateVAppConfig", "VApp.ApplicationConfig"),
    ("UpdateLinkedChildren", "VApp.AssignVApp"),
    ("UpdateNetworkConfig", "Host.Config.Network"),
    ("AddVirtualNic", "Host.Config.Network"),
    ("UpdateVirtualNic", "Host.Config.Network"),
    ("SearchDatastore_Task", "Datastore.Browse"),
    ("SearchDatastoreSubFolders_Task", "Datastore.Browse"),
    ("AcquireTicket", "VirtualMachine.Interact.ConsoleInteract"),
    ("CreateIpPool", "Datacenter.IpPoolConfig"),
    ("UpdateIpPool", "Datacenter.IpPoolConfig"),
    ("DestroyIpPool", "Datacenter.IpPoolConfig"),
];

/// Everything that a call needs.
pub(super) fn required(snapshot: &Snapshot, method: &Method, this: &Moref, arguments: &Object) -> Required {
    let mut required = Vec::new();
    match method.privilege() {
        Some(privilege) => required.push((this.clone(), privilege)),
        None => dynamic(snapshot, method, this, arguments, &mut required),
    }
    for (field, value) in arguments.kind().info().fields().iter().zip(arguments.slots()) {
        let Some(privilege) = field.privilege() else { continue };
        let given = value.moref().into_iter().chain(value.items().iter().filter_map(Value::moref));
        required.extend(given.map(|moref| (moref, privilege)));
    }
    required
}

fn dynamic(snapshot: &Snapshot, method: &Method, this: &Moref, arguments: &Object, required: &mut Required) {
    let known = METHODS.iter().find(|(name, _)| *name == method.name);
    required.extend(known.map(|(_, privilege)| (this.clone(), *privilege)));
    match method.name {
        "Destroy_Task" => {
            let Some(entity) = of_kind(this) else { return };
            required.push((this.clone(), entity.delete));
            // Removing is a change of what the parent contains.
            let parent = snapshot.seen::<ManagedEntity>(this).and_then(|entity| entity.parent());
            required.extend(parent.map(|parent| (parent, entity.delete)));
        }
        "Rename_Task" => required.extend(of_kind(this).map(|entity| (this.clone(), entity.rename))),
        "MoveIntoFolder_Task" => {
            if let Some(request) = MoveIntoFolderTask::from_ref(arguments) {
                required.extend(request.list().iter().filter_map(|moref| of_kind(&moref).map(|it| (moref, it.r#move))));
            }
        }
        "MoveIntoResourcePool" => {
            if let Some(request) = MoveIntoResourcePool::from_ref(arguments) {
                for moref in request.list() {
                    match moref.is::<VirtualMachine>() {
                        true => required.push((this.clone(), "Resource.AssignVMToPool")),
                        false => required.extend(of_kind(&moref).map(|it| (moref.clone(), it.r#move))),
                    }
                }
            }
        }
        "CloneVM_Task" => {
            let Some(request) = CloneVMTask::from_ref(arguments) else { return };
            let template = snapshot.seen::<VirtualMachine>(this).and_then(|machine| machine.config());
            let privilege = match (template.is_some_and(|config| config.template()), request.spec().template()) {
                (true, false) => "VirtualMachine.Provisioning.DeployTemplate",
                (true, true) => "VirtualMachine.Provisioning.CloneTemplate",
                (false, true) => "VirtualMachine.Provisioning.CreateTemplateFromVM",
                (false, false) => "VirtualMachine.Provisioning.Clone",
            };
            let location = request.spec().location();
            required.push((this.clone(), privilege));
            required.push((request.folder(), "VirtualMachine.Inventory.CreateFromExisting"));
            required.extend(location.pool().map(|pool| (pool, "Resource.AssignVMToPool")));
            required.extend(location.datastore().map(|datastore| (datastore, "Datastore.AllocateSpace")));
        }
        "MigrateVM_Task" => {
            required.push((this.clone(), "Resource.HotMigrate"));
            let pool = MigrateVMTask::from_ref(arguments).and_then(|request| request.pool());
            required.extend(pool.map(|pool| (pool, "Resource.AssignVMToPool")));
        }
        "ReconfigVM_Task" => {
            if let Some(request) = ReconfigVMTask::from_ref(arguments) {
                reconfigure(this, request.spec(), required);
            }
        }
        _ => {}
    }
}

/// The parts of a specification that have privileges of their own; all others need `VirtualMachine.Config.Settings`.
const PARTS: &[(usize, &str)] = &[
    (VirtualMachineConfigSpec::NAME, "VirtualMachine.Config.Rename"),
    (VirtualMachineConfigSpec::ANNOTATION, "VirtualMachine.Config.Annotation"),
    (VirtualMachineConfigSpec::NUM_CPUS, "VirtualMachine.Config.CPUCount"),
    (VirtualMachineConfigSpec::MEMORY_MB, "VirtualMachine.Config.Memory"),
    (VirtualMachineConfigSpec::EXTRA_CONFIG, "VirtualMachine.Config.AdvancedConfig"),
    (VirtualMachineConfigSpec::CPU_ALLOCATION, "VirtualMachine.Config.Resource"),
    (VirtualMachineConfigSpec::MEMORY_ALLOCATION, "VirtualMachine.Config.Resource"),
    (VirtualMachineConfigSpec::SWAP_PLACEMENT, "VirtualMachine.Config.SwapPlacement"),
    (VirtualMachineConfigSpec::MANAGED_BY, "VirtualMachine.Config.ManagedBy"),
    (VirtualMachineConfigSpec::CHANGE_TRACKING_ENABLED, "VirtualMachine.Config.ChangeTracking"),
];

fn reconfigure(this: &Moref, spec: &VirtualMachineConfigSpec, required: &mut Required) {
    let is_given = |value: &Value| !value.is_unset() && value.list().is_none_or(|list| !list.items().is_empty());
    let mut add = |privilege: &'static str| {
        if !required.iter().any(|(_, known)| *known == privilege) {
            required.push((this.clone(), privilege));
        }
    };
    for (slot, _) in spec.as_object().slots().iter().enumerate().filter(|(_, value)| is_given(value)) {
        match slot {
            VirtualMachineConfigSpec::CHANGE_VERSION => {}
            VirtualMachineConfigSpec::DEVICE_CHANGE => {
                for change in spec.device_change() {
                    let is_disk = change.device().downcast::<VirtualDisk>().is_some();
                    add(match (change.operation(), is_disk) {
                        (Some(Operation::Add), true) if change.file_operation().is_none() => {
                            "VirtualMachine.Config.AddExistingDisk"
                        }
                        (Some(Operation::Add), true) => "VirtualMachine.Config.AddNewDisk",
                        (Some(Operation::Remove), true) => "VirtualMachine.Config.RemoveDisk",
                        (_, true) => "VirtualMachine.Config.DiskExtend",
                        (Some(Operation::Add | Operation::Remove), false) => "VirtualMachine.Config.AddRemoveDevice",
                        (_, false) => "VirtualMachine.Config.EditDevice",
                    });
                }
            }
            slot => {
                let part = PARTS.iter().find(|(known, _)| *known == slot);
                add(part.map_or("VirtualMachine.Config.Settings", |(_, privilege)| privilege));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::privileges::exists;
    use super::*;

    #[test]
    fn privileges_and_methods_exist() {
        let of_entities = ENTITIES.iter().flat_map(|it| [it.delete, it.rename, it.r#move]);
        let others = METHODS.iter().chain(&[("", "Resource.AssignVMToPool")]).map(|(_, privilege)| *privilege);
        for privilege in of_entities.chain(others).chain(PARTS.iter().map(|(_, privilege)| *privilege)) {
            assert!(exists(privilege), "{privilege}");
        }
        for (name, _) in METHODS {
            let method = Method::find(vimsim_types::Namespace::VIM25, name).unwrap_or_else(|| panic!("{name}"));
            assert!(method.privilege().is_none(), "the schema knows what {name} needs");
        }
    }
}
