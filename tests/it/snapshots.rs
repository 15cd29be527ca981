//! Snapshots: the tree, the files, and the way back.

use vimsim::types::enums::VirtualMachinePowerState as Power;
use vimsim::types::method::{
    ConsolidateVMDisksTask, CreateSnapshotTask, PowerOffVMTask, PowerOnVMTask, ReconfigVMTask, RemoveAllSnapshotsTask,
    RemoveSnapshotTask, RenameSnapshot, RevertToCurrentSnapshotTask, RevertToSnapshotTask,
};
use vimsim::types::views::{
    InvalidName, ManagedObjectNotFound, NotFound, VirtualMachine, VirtualMachineConfigInfo, VirtualMachineFileLayoutEx,
    VirtualMachineRuntimeInfo, VirtualMachineSnapshotInfo, VirtualMachineSnapshotTree,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Simulator};

use crate::{check_fault, start};

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

async fn snapshot(client: &Client, name: &str, memory: bool) -> Moref {
    let request = CreateSnapshotTask::with(|request| {
        request.set_name(name).set_memory(memory).set_quiesce(false);
    });
    client.run(&machine(), request).await.unwrap().moref().expect("the snapshot")
}

async fn set_memory(client: &Client, megabytes: i64) {
    let request = ReconfigVMTask::with(|request| _ = request.spec_mut().set_memory_mb(megabytes));
    client.run(&machine(), request).await.unwrap();
}

async fn revert(client: &Client, snapshot: &Moref) {
    client.run(snapshot, RevertToSnapshotTask::new()).await.unwrap();
}

async fn memory(client: &Client) -> i32 {
    match client.property(&machine(), "config.hardware.memoryMB").await.unwrap() {
        Value::Int(megabytes) => megabytes,
        other => panic!("{other:?}"),
    }
}

async fn power(client: &Client) -> Power {
    let runtime = client.property(&machine(), "runtime").await.unwrap();
    let runtime = VirtualMachineRuntimeInfo::from_object(runtime.object().expect("set").clone()).expect("set");
    runtime.power_state()
}

/// `name(children)` for each node.
fn shape<'a>(nodes: impl Iterator<Item = &'a VirtualMachineSnapshotTree>) -> String {
    let of = |node: &VirtualMachineSnapshotTree| {
        let children = node.child_snapshot_list();
        if children.is_empty() {
            return node.name().to_string();
        }
        format!("{}({})", node.name(), shape(Box::new(children.iter()) as Box<dyn Iterator<Item = _>>))
    };
    nodes.map(of).collect::<Vec<_>>().join(" ")
}

async fn tree(client: &Client) -> (String, Option<Moref>) {
    match client.property(&machine(), "snapshot").await.unwrap() {
        Value::Unset => (String::new(), None),
        Value::Object(info) => {
            let info = VirtualMachineSnapshotInfo::from_object(info).expect("the tree");
            (shape(info.root_snapshot_list().iter()), info.current_snapshot())
        }
        other => panic!("{other:?}"),
    }
}

/// The files of the machine's one disk, from the first on.
async fn disk_files(client: &Client) -> Vec<String> {
    let layout = client.property(&machine(), "layoutEx").await.unwrap();
    let layout = VirtualMachineFileLayoutEx::from_object(layout.object().expect("a layout").clone()).expect("a layout");
    let path = |key: i32| layout.file().iter().find(|file| file.key() == key).expect("a file").name().to_string();
    let units = layout.disk().first().expect("a disk").chain().iter();
    units.flat_map(|unit| unit.file_key().iter().map(path).collect::<Vec<_>>()).collect()
}

async fn files(client: &Client) -> Vec<String> {
    let layout = client.property(&machine(), "layoutEx.file").await.unwrap();
    let name = |file: &Value| file.object().and_then(|file| file.field("name").text().map(String::from));
    layout.items().iter().filter_map(name).collect()
}

async fn off() -> (Simulator, Client) {
    let (simulator, client) = start().await;
    client.run(&machine(), PowerOffVMTask::new()).await.unwrap();
    (simulator, client)
}

#[tokio::test]
async fn a_revert_brings_back_the_configuration() {
    let (_simulator, client) = off().await;
    let first = snapshot(&client, "first", false).await;
    set_memory(&client, 64).await;
    let second = snapshot(&client, "second", false).await;
    set_memory(&client, 128).await;
    assert_eq!(tree(&client).await, ("first(second)".into(), Some(second.clone())));
    revert(&client, &first).await;
    assert_eq!((memory(&client).await, tree(&client).await.1), (32, Some(first.clone())));
    revert(&client, &second).await;
    assert_eq!(memory(&client).await, 64);
    client.run(&machine(), RevertToCurrentSnapshotTask::new()).await.unwrap();
    assert_eq!(memory(&client).await, 64);
    let kept = client.property(&first, "config.hardware.memoryMB").await.unwrap();
    assert_eq!(kept, Value::Int(32));
    assert_eq!(client.property(&first, "childSnapshot").await.unwrap().items().len(), 1);
    assert_eq!(client.property(&machine(), "rootSnapshot").await.unwrap().items().len(), 1);
}

#[tokio::test]
async fn a_tree_of_five_has_branches() {
    let (_simulator, client) = off().await;
    let root = snapshot(&client, "root", false).await;
    for name in ["a", "b"] {
        snapshot(&client, name, false).await;
    }
    revert(&client, &root).await;
    let other = snapshot(&client, "c", false).await;
    snapshot(&client, "d", false).await;
    assert_eq!(tree(&client).await.0, "root(a(b) c(d))");
    let remove = |children: bool| RemoveSnapshotTask::with(|request| _ = request.set_remove_children(children));
    client.run(&other, remove(false)).await.unwrap();
    assert_eq!(tree(&client).await.0, "root(a(b) d)");
    check_fault::<ManagedObjectNotFound>(client.call(&other, remove(false)).await);
    client.run(&root, remove(true)).await.unwrap();
    assert_eq!(tree(&client).await, (String::new(), None));
    assert_eq!(disk_files(&client).await.len(), 2);
}

#[tokio::test]
async fn disks_grow_chains_and_lose_them() {
    let (_simulator, client) = off().await;
    let before = files(&client).await;
    let first = snapshot(&client, "first", false).await;
    snapshot(&client, "second", false).await;
    let folder = "[LocalDS_0] DC0_H0_VM0";
    let expected = [
        "disk1-flat.vmdk",
        "disk1.vmdk",
        "disk1-000001-delta.vmdk",
        "disk1-000001.vmdk",
        "disk1-000002-delta.vmdk",
        "disk1-000002.vmdk",
    ];
    assert_eq!(disk_files(&client).await, expected.map(|name| format!("{folder}/{name}")));
    let all = files(&client).await;
    for name in ["DC0_H0_VM0-Snapshot1.vmsn", "DC0_H0_VM0-Snapshot2.vmsn", "DC0_H0_VM0.vmsd"] {
        assert!(all.contains(&format!("{folder}/{name}")), "{name} in {all:?}");
    }
    let request = RemoveSnapshotTask::with(|request| _ = request.set_remove_children(false).set_consolidate(false));
    client.run(&first, request).await.unwrap();
    assert_eq!(client.property(&machine(), "runtime.consolidationNeeded").await.unwrap(), Value::Bool(true));
    assert_eq!(disk_files(&client).await.len(), 6);
    client.run(&machine(), ConsolidateVMDisksTask::new()).await.unwrap();
    assert_eq!(disk_files(&client).await.len(), 4);
    assert_eq!(client.property(&machine(), "runtime.consolidationNeeded").await.unwrap(), Value::Bool(false));
    client.run(&machine(), RemoveAllSnapshotsTask::new()).await.unwrap();
    assert_eq!(files(&client).await, before);
    check_fault::<NotFound>(client.run(&machine(), RevertToCurrentSnapshotTask::new()).await);
}

#[tokio::test]
async fn a_running_machine_comes_back_running_only_with_its_memory() {
    let (_simulator, client) = start().await;
    let with = snapshot(&client, "with", true).await;
    let without = snapshot(&client, "without", false).await;
    revert(&client, &without).await;
    assert_eq!(power(&client).await, Power::PoweredOff);
    revert(&client, &with).await;
    assert_eq!(power(&client).await, Power::PoweredOn);
    let request = RevertToSnapshotTask::with(|request| _ = request.set_suppress_power_on(true));
    client.run(&with, request).await.unwrap();
    assert_eq!(power(&client).await, Power::PoweredOff);
    client.run(&machine(), PowerOnVMTask::new()).await.unwrap();
    // The configuration as it was is that of a machine; it can be read whole.
    let config = client.property(&with, "config").await.unwrap();
    assert!(VirtualMachineConfigInfo::from_object(config.object().expect("set").clone()).is_some());
}

#[tokio::test]
async fn names_are_checked_and_can_change() {
    let (_simulator, client) = off().await;
    let unnamed = CreateSnapshotTask::with(|request| _ = request.set_name("").set_memory(false).set_quiesce(false));
    check_fault::<InvalidName>(client.run(&machine(), unnamed).await);
    let first = snapshot(&client, "first", false).await;
    let request = RenameSnapshot::with(|request| _ = request.set_name("one").set_description("the first"));
    client.call(&first, request).await.unwrap();
    assert_eq!(tree(&client).await.0, "one");
}
