//! What the registry asks about vSphere: dependent properties, the index, and what counts as a move.

use std::sync::Arc;

use vimsim_registry::{IndexKey, ManagedObject, Rules, Transaction};
use vimsim_types::views::{
    ClusterComputeResource, ComputeResource, Datacenter, DistributedVirtualSwitch, Folder, HostSystem, ManagedEntity,
    ResourcePool, StoragePod, VirtualApp, VirtualMachine,
};
use vimsim_types::{Moref, Object};

use crate::config::Fidelity;
use crate::kinds::Kinds;
use crate::objects::{alarm_manager, scheduled_task, virtual_machine};
use crate::usage;

/// The rules of a vSphere inventory.
pub(crate) struct InventoryRules {
    kinds: Arc<Kinds>,
    fidelity: Fidelity,
}

impl InventoryRules {
    pub(crate) fn new(kinds: Arc<Kinds>, fidelity: Fidelity) -> Self {
        Self { kinds, fidelity }
    }
}

/// The index key of an entity by its parent and name.
pub(crate) fn child_key(parent: &Moref, name: &str) -> IndexKey {
    IndexKey::new(("child", parent.value().as_str(), name))
}

/// The index key of a host or virtual machine by its UUID.
pub(crate) fn uuid_key(uuid: &str) -> IndexKey {
    IndexKey::new(("uuid", uuid.to_ascii_lowercase()))
}

/// The index key of a virtual machine by its instance UUID.
pub(crate) fn instance_uuid_key(uuid: &str) -> IndexKey {
    IndexKey::new(("instanceUuid", uuid.to_ascii_lowercase()))
}

/// The index key of a host or virtual machine by an address.
pub(crate) fn ip_key(ip: &str) -> IndexKey {
    IndexKey::new(("ip", ip))
}

/// The index key of a host by the name under which it was added.
pub(crate) fn host_key(name: &str) -> IndexKey {
    IndexKey::new(("host", name.to_ascii_lowercase()))
}

/// Whether a host was added under what can be a DNS name: there is no underscore in one (RFC 952).
fn is_dns_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

/// The index key of a host or virtual machine by its DNS name.
pub(crate) fn dns_key(name: &str) -> IndexKey {
    IndexKey::new(("dns", name.to_ascii_lowercase()))
}

/// The index key of a virtual machine by the path of its `.vmx` file.
pub(crate) fn path_key(path: &str) -> IndexKey {
    IndexKey::new(("path", path))
}

/// The index key of a virtual machine by a port of a distributed portgroup that one of its network adapters names.
pub(crate) fn port_key(portgroup: &str, port: &str) -> IndexKey {
    IndexKey::new(("port", portgroup, port))
}

/// The index key of a virtual machine by the file of a disk that it has outside of its folder.
pub(crate) fn disk_key(datastore: &Moref, path: &str) -> IndexKey {
    IndexKey::new(("disk", datastore.value().as_str(), path))
}

/// Finds the vApp that something is linked to.
pub(crate) fn link_key(child: &Moref) -> IndexKey {
    IndexKey::new(("link", child.value().as_str()))
}

impl Rules for InventoryRules {
    fn derive(&self, transaction: &mut Transaction, touched: &[Moref]) {
        if let Err(fault) = usage::follow(transaction, touched, self.fidelity) {
            tracing::error!(%fault, "what machines use could not be summed up");
        }
        for moref in touched {
            if moref.is::<ManagedEntity>()
                && let Err(fault) = alarm_manager::follow(transaction, moref)
            {
                tracing::error!(%moref, %fault, "the alarms of an entity could not follow it");
            }
            let Some(object) = transaction.object(moref) else {
                if let Err(fault) = scheduled_task::follow(transaction, moref) {
                    tracing::error!(%moref, %fault, "the scheduled tasks of an object could not go with it");
                }
                continue;
            };
            let Some(table) = self.kinds.table(object.moref().kind()) else { continue };
            for rule in &table.derive {
                if let Err(fault) = rule(transaction, moref) {
                    tracing::error!(%moref, %fault, "a dependent property could not be brought up to date");
                }
            }
        }
    }

    // What this reads, `indexed_alike` compares.
    fn index(&self, object: &ManagedObject, keys: &mut Vec<IndexKey>) {
        let Some(entity) = object.view::<ManagedEntity>() else { return };
        keys.extend(entity.parent().map(|parent| child_key(&parent, entity.name())));
        if let Some(app) = object.view::<VirtualApp>() {
            keys.extend(app.child_link().iter().map(|link| link_key(&link.key())));
        }
        if let Some(machine) = object.view::<VirtualMachine>() {
            if let Some(config) = machine.config() {
                keys.push(uuid_key(config.uuid()));
                keys.extend(config.instance_uuid().map(|uuid| instance_uuid_key(uuid)));
                keys.push(path_key(config.files().vm_path_name().map_or("", |path| path)));
                let foreign = virtual_machine::foreign_disks(config);
                keys.extend(foreign.map(|(datastore, file)| disk_key(&datastore, &file.path)));
                keys.extend(virtual_machine::ports_of(config).map(|(portgroup, port)| port_key(portgroup, port)));
            }
            if let Some(guest) = machine.guest() {
                keys.extend(guest.ip_address().map(|ip| ip_key(ip)));
                keys.extend(guest.host_name().map(|name| dns_key(name)));
                let addresses = guest.net().iter().flat_map(|nic| nic.ip_address().iter());
                keys.extend(addresses.map(|ip| ip_key(ip)));
            }
        } else if let Some(host) = object.view::<HostSystem>() {
            keys.extend(host.hardware().map(|hardware| uuid_key(hardware.system_info().uuid())));
            keys.push(host_key(host.name()));
            keys.extend(is_dns_name(host.name()).then(|| dns_key(host.name())));
            if let Some(network) = host.config().and_then(|config| config.network()) {
                let addresses = network.vnic().iter().filter_map(|vnic| vnic.spec().ip()?.ip_address());
                keys.extend(addresses.map(|ip| ip_key(ip)));
                if let Some(dns) = network.dns_config() {
                    keys.push(dns_key(dns.host_name()));
                    keys.push(dns_key(&format!("{}.{}", dns.host_name(), dns.domain_name())));
                }
            }
        }
        keys.sort_unstable();
        keys.dedup();
    }

    fn indexed_alike(&self, old: &ManagedObject, new: &ManagedObject) -> bool {
        let (old, new) = (old.properties(), new.properties());
        // What `index` reads.
        let slots: &[usize] = if !new.is::<ManagedEntity>() {
            return true;
        } else if new.is::<VirtualMachine>() {
            &[ManagedEntity::PARENT, ManagedEntity::NAME, VirtualMachine::CONFIG, VirtualMachine::GUEST]
        } else if new.is::<HostSystem>() {
            &[ManagedEntity::PARENT, ManagedEntity::NAME, HostSystem::HARDWARE, HostSystem::CONFIG]
        } else if new.is::<VirtualApp>() {
            &[ManagedEntity::PARENT, ManagedEntity::NAME, VirtualApp::CHILD_LINK]
        } else {
            &[ManagedEntity::PARENT, ManagedEntity::NAME]
        };
        slots.iter().all(|slot| old.get(*slot).same(new.get(*slot)))
    }

    fn moves(&self, old: &Object, new: &Object) -> bool {
        containment(old).iter().any(|slot| {
            let (old, new) = (old.get(*slot), new.get(*slot));
            !old.same(new) && old != new
        })
    }
}

/// The properties of an object that say what it contains or is contained in.
fn containment(object: &Object) -> &'static [usize] {
    if object.is::<VirtualMachine>() {
        &[ManagedEntity::PARENT, VirtualMachine::RESOURCE_POOL]
    } else if object.is::<Folder>() || object.is::<StoragePod>() {
        &[ManagedEntity::PARENT, Folder::CHILD_ENTITY]
    } else if object.is::<Datacenter>() {
        &[
            ManagedEntity::PARENT,
            Datacenter::VM_FOLDER,
            Datacenter::HOST_FOLDER,
            Datacenter::DATASTORE_FOLDER,
            Datacenter::NETWORK_FOLDER,
        ]
    } else if object.is::<ComputeResource>() || object.is::<ClusterComputeResource>() {
        &[ManagedEntity::PARENT, ComputeResource::HOST, ComputeResource::RESOURCE_POOL]
    } else if object.is::<ResourcePool>() {
        &[ManagedEntity::PARENT, ResourcePool::RESOURCE_POOL, ResourcePool::VM]
    } else if object.is::<HostSystem>() {
        &[ManagedEntity::PARENT, HostSystem::VM]
    } else if object.is::<DistributedVirtualSwitch>() {
        &[ManagedEntity::PARENT, DistributedVirtualSwitch::PORTGROUP]
    } else if object.is::<ManagedEntity>() {
        &[ManagedEntity::PARENT]
    } else {
        &[]
    }
}
