//! Modules of clusters: groups of virtual machines that other products make, and that vSphere keeps for them.
//!
//! No managed object shows them.

use std::collections::{BTreeMap, BTreeSet};

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::views::{ClusterComputeResource, HostSystem, NotFound, ResourcePool, VirtualMachine};
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::automation;
use crate::service::Service;
use crate::uuid;

/// All modules, and how many there ever were.
#[derive(Clone, Default)]
pub(crate) struct Modules {
    created: u64,
    by_id: BTreeMap<ArcStr, Module>,
}

#[derive(Clone)]
struct Module {
    cluster: Moref,
    machines: BTreeSet<ArcStr>,
}

/// What to do with members of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Machines become members.
    Add,
    /// Members no longer are.
    Remove,
}

impl Service {
    /// The modules: the identifier of each, and its cluster.
    pub fn cluster_modules(&self) -> Vec<(ArcStr, Moref)> {
        let snapshot = self.snapshot();
        let live = live(&snapshot).map(|(id, module)| (id.clone(), module.cluster.clone()));
        live.collect()
    }

    /// Creates an empty module in a cluster, and returns its identifier.
    ///
    /// - `InvalidArgument` if there is no such cluster.
    pub fn create_cluster_module(&self, cluster: &str) -> Result<ArcStr, Fault> {
        self.registry().write(|transaction| {
            let cluster = transaction.object_by_value(cluster).map(|object| object.moref().clone());
            let Some(cluster) = cluster.filter(|cluster| cluster.is::<ClusterComputeResource>()) else {
                return Err(Fault::invalid_argument("cluster", "there is no such cluster"));
            };
            let modules = edit(transaction)?;
            modules.created += 1;
            let id = ArcStr::from(uuid::named(&format!("module {} of {}", modules.created, cluster.value())));
            modules.by_id.insert(id.clone(), Module { cluster, machines: BTreeSet::new() });
            Ok(id)
        })
    }

    /// Deletes a module.
    ///
    /// - `NotFound` if there is none of this identifier.
    pub fn delete_cluster_module(&self, id: &str) -> Result<(), Fault> {
        self.registry().write(|transaction| edit(transaction)?.by_id.remove(id).map(drop).ok_or_else(|| no_module(id)))
    }

    /// The identifiers of the virtual machines in a module.
    ///
    /// - `NotFound` if there is no such module.
    pub fn cluster_module_members(&self, id: &str) -> Result<Vec<ArcStr>, Fault> {
        let snapshot = self.snapshot();
        let (_, module) = live(&snapshot).find(|(known, _)| *known == id).ok_or_else(|| no_module(id))?;
        let exists = |machine: &&ArcStr| snapshot.object_by_value(machine).is_some();
        Ok(module.machines.iter().filter(exists).cloned().collect())
    }

    /// Adds virtual machines to a module or takes them out of it: all of them, or none and `false` if one is not in the
    /// module's cluster, or is already as it should become.
    ///
    /// - `NotFound` if there is no such module.
    pub fn change_cluster_module(&self, id: &str, change: MemberChange, machines: &[&str]) -> Result<bool, Fault> {
        self.registry().write(|transaction| {
            let module = edit(transaction)?.by_id.get(id).cloned().ok_or_else(|| no_module(id))?;
            let mut members = module.machines;
            for machine in machines {
                let changed = match change {
                    MemberChange::Add => {
                        cluster_of(transaction, machine) == Some(module.cluster.clone())
                            && members.insert((*machine).into())
                    }
                    MemberChange::Remove => members.remove(*machine),
                };
                if !changed {
                    return Ok(false);
                }
            }
            if let Some(module) = edit(transaction)?.by_id.get_mut(id) {
                module.machines = members;
            }
            Ok(true)
        })
    }
}

/// The modules whose clusters exist.
fn live(snapshot: &Snapshot) -> impl Iterator<Item = (&ArcStr, &Module)> {
    let exists = |module: &Module| snapshot.object(&module.cluster).is_some();
    let kept = automation::of(snapshot).into_iter();
    kept.flat_map(|kept| &kept.modules.by_id).filter(move |(_, module)| exists(module))
}

/// The modules, to change, without those whose clusters are gone.
fn edit(transaction: &mut Transaction) -> Result<&mut Modules, Fault> {
    let clusters: Vec<_> =
        automation::edit(transaction)?.modules.by_id.values().map(|module| module.cluster.clone()).collect();
    let gone: Vec<_> = clusters.into_iter().filter(|cluster| transaction.object(cluster).is_none()).collect();
    let modules = &mut automation::edit(transaction)?.modules;
    modules.by_id.retain(|_, module| !gone.contains(&module.cluster));
    Ok(modules)
}

/// The cluster, or other compute resource, that a virtual machine runs in.
fn cluster_of(transaction: &Transaction, machine: &str) -> Option<Moref> {
    let machine: &VirtualMachine = transaction.object_by_value(machine)?.view()?;
    let on_host = transaction.view::<HostSystem>(&machine.runtime().host()?).and_then(|host| host.parent());
    let in_pool = || Some(transaction.view::<ResourcePool>(&machine.resource_pool()?)?.owner());
    on_host.or_else(in_pool)
}

fn no_module(id: &str) -> Fault {
    Fault::new(NotFound::new(), format!("no cluster module has the identifier '{id}'"))
}
