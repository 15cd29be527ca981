//! The names, references and UUIDs of the inventory that a simulator starts with: those of `vcsim` with the same flags.
//!
//! Each file of `tests/golden/inventory` has the flags, and below them a line for each entity: its inventory path, its
//! reference and, where it has one, its UUID.

use std::fmt::Write as _;
use std::path::PathBuf;

use vimsim::types::views::{
    ComputeResource, Datacenter, DistributedVirtualSwitch, Folder, HostSystem, ManagedEntity, ResourcePool,
    VirtualMachine,
};
use vimsim::types::{Moref, Value};
use vimsim::{Config, Model, Product, Simulator};

use crate::root_folder;

/// Lists an entity and what is in it, in the order of a `find`.
fn list(simulator: &Simulator, moref: &Moref, path: &str, lines: &mut String) {
    let snapshot = simulator.service().snapshot();
    let object = snapshot.object(moref).expect("every reference is to an object");
    write!(lines, "{path} {moref}").unwrap();
    let mut children: Vec<Moref> = Vec::new();
    let mut uuid = None;
    if let Some(folder) = object.view::<Folder>() {
        children.extend(folder.child_entity());
    } else if let Some(datacenter) = object.view::<Datacenter>() {
        children.extend([datacenter.vm_folder(), datacenter.host_folder()]);
        children.extend([datacenter.datastore_folder(), datacenter.network_folder()]);
    } else if let Some(compute_resource) = object.view::<ComputeResource>() {
        children.extend(compute_resource.host());
        children.extend(compute_resource.resource_pool());
    } else if let Some(pool) = object.view::<ResourcePool>() {
        children.extend(pool.resource_pool());
    } else if let Some(host) = object.view::<HostSystem>() {
        uuid = host.hardware().map(|hardware| hardware.system_info().uuid().clone());
    } else if let Some(machine) = object.view::<VirtualMachine>() {
        uuid = machine.config().map(|config| config.uuid().clone());
    } else if let Some(switch) = object.view::<DistributedVirtualSwitch>() {
        uuid = Some(switch.uuid().clone());
    }
    match uuid {
        Some(uuid) => writeln!(lines, " {uuid}").unwrap(),
        None => lines.push('\n'),
    }
    for child in &children {
        let name = snapshot.view::<ManagedEntity>(child).map(|entity| entity.name().clone()).unwrap_or_default();
        list(simulator, child, &format!("{}/{name}", path.trim_end_matches('/')), lines);
    }
}

/// Starts a simulator with this inventory, and compares it with what `vcsim` has.
async fn check(name: &str, change: impl FnOnce(&mut Model)) {
    let mut config = Config::default();
    change(&mut config.model);
    compare(name, config, &root_folder()).await;
}

async fn compare(name: &str, config: Config, root: &Moref) {
    let simulator = Simulator::start(config).await.unwrap();
    let mut lines = String::new();
    list(&simulator, root, "/", &mut lines);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/inventory").join(name).with_extension("txt");
    let golden = std::fs::read_to_string(&file).unwrap();
    let expected: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    let found: Vec<&str> = lines.lines().collect();
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
    let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{name}: missing {missing:#?}, not in vcsim {surplus:#?}");
    assert_eq!(found, expected, "{name}: the order differs");
    simulator.stop().await;
}

/// The inventories without resource pools, vApps and virtual machines.
#[tokio::test]
async fn hosts_networks_and_datastores_are_those_of_vcsim() {
    check("vm0", |model| model.machine = 0).await;
    check("ds0-vm0", |model| (model.datastore, model.machine) = (0, 0)).await;
    check("host0-vm0", |model| (model.cluster_host, model.machine) = (0, 0)).await;
    check("dc0", |model| model.datacenter = 0).await;
}

#[tokio::test]
async fn the_default_inventory_is_that_of_vcsim() {
    check("default", |_| {}).await;
    check("autostart-false", |model| model.autostart = false).await;
    check("unique", |model| (model.cluster_host, model.machine) = (1, 1)).await;
}

#[tokio::test]
async fn inventories_with_fewer_things_are_those_of_vcsim() {
    check("standalone0", |model| model.host = 0).await;
    check("cluster0", |model| model.cluster = 0).await;
    check("pg0", |model| model.portgroup = 0).await;
}

#[tokio::test]
async fn inventories_with_more_things_are_those_of_vcsim() {
    check("ds3", |model| model.datastore = 3).await;
    check("dc3-ds2", |model| (model.datacenter, model.datastore) = (3, 2)).await;
    check("pg-nsx1", |model| model.portgroup_nsx = 1).await;
    check("nsx1", |model| model.opaque_network = 1).await;
    check("folder1-dc2", |model| (model.datacenter, model.folder) = (2, 1)).await;
    check("folder2-dc2", |model| (model.datacenter, model.folder) = (2, 2)).await;
}

#[tokio::test]
async fn inventories_with_pools_and_apps_are_those_of_vcsim() {
    check("pod1-app1", |model| (model.pod, model.app) = (1, 1)).await;
    check("pool2", |model| model.pool = 2).await;
    check("big", |model| {
        (model.datacenter, model.cluster, model.cluster_host, model.host) = (2, 2, 2, 2);
        (model.datastore, model.machine, model.pool, model.app, model.pod, model.portgroup) = (2, 3, 1, 1, 1, 2);
    })
    .await;
}

#[tokio::test]
async fn the_inventory_of_a_host_is_that_of_vcsim() {
    let root = Moref::of::<Folder>("ha-folder-root");
    for (name, datastores, machines) in [("esx-default", 1, 2), ("esx-vm0", 1, 0), ("esx-vm3-ds2", 2, 3)] {
        let mut config = Config { product: Product::EsxHost, ..Config::default() };
        (config.model.datastore, config.model.machine) = (datastores, machines);
        compare(name, config, &root).await;
    }
}

/// vcsim panics here: it looks for a switch that it has not made.
#[tokio::test]
async fn opaque_networks_bring_a_switch() {
    let mut config = Config::default();
    (config.model.portgroup, config.model.opaque_network, config.model.machine) = (0, 1, 0);
    let simulator = Simulator::start(config).await.unwrap();
    let mut lines = String::new();
    list(&simulator, &root_folder(), "/", &mut lines);
    assert!(lines.contains("/DC0/network/DVS0 DistributedVirtualSwitch:dvs-8"), "{lines}");
    assert!(lines.contains("/DC0/network/DC0_NSX0 OpaqueNetwork:"), "{lines}");
    let snapshot = simulator.service().snapshot();
    let datacenter = snapshot.object_by_value("datacenter-1").unwrap();
    let networks = datacenter.properties().field("network").items();
    assert_eq!(networks.iter().filter_map(Value::moref).count(), 4);
}
