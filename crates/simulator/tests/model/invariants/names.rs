//! Names and identifiers that only one may have.

use std::collections::BTreeMap;

use vimsim_registry::Snapshot;
use vimsim_types::Moref;
use vimsim_types::views::{
    Datastore, DistributedVirtualPortgroup, DistributedVirtualSwitch, HostSystem, ManagedEntity, VirtualMachine,
};

use super::{Wrong, all};
use crate::chooser::datacenter;

/// Writes down what more than one has.
fn check_unique<K: Ord + std::fmt::Debug>(what: &str, items: impl Iterator<Item = (K, Moref)>, wrong: &mut Wrong) {
    let mut known: BTreeMap<K, Moref> = BTreeMap::new();
    for (key, moref) in items {
        if let Some(other) = known.get(&key) {
            wrong.0.push(format!("{other} and {moref} have one {what}: {key:?}"));
        }
        known.insert(key, moref);
    }
}

pub(super) fn check(snapshot: &Snapshot, wrong: &mut Wrong) {
    let named = all::<ManagedEntity>(snapshot).filter_map(|(moref, entity)| {
        // A host's network may have the name of what is distributed, of which the host knows nothing, and a host that of its
        // compute resource's pool.
        let is_apart = moref.is::<DistributedVirtualPortgroup>()
            || moref.is::<DistributedVirtualSwitch>()
            || moref.is::<HostSystem>();
        Some(((entity.parent()?.value().clone(), entity.name().clone(), is_apart), moref.clone()))
    });
    check_unique("name in a container", named, wrong);
    for (moref, entity) in all::<ManagedEntity>(snapshot) {
        wrong.unless(!entity.name().is_empty(), || format!("{moref} has no name"));
    }
    let datastores = all::<Datastore>(snapshot);
    let datastores = datastores.map(|(moref, it)| ((datacenter(snapshot, moref), it.name().clone()), moref.clone()));
    check_unique("name in a datacenter", datastores, wrong);
    let machines = || all::<VirtualMachine>(snapshot).filter_map(|(moref, it)| Some((moref, it.config()?)));
    let paths = machines()
        .map(|(moref, config)| ((datacenter(snapshot, moref), config.files().vm_path_name().cloned()), moref.clone()));
    check_unique("configuration file", paths, wrong);
    let uuids = machines().filter_map(|(moref, config)| Some((config.instance_uuid()?.clone(), moref.clone())));
    check_unique("instanceUuid", uuids, wrong);
}
