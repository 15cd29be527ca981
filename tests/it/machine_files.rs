//! What a machine's files are: their sizes, their contents, where they go, and who may read them.

use hyper::StatusCode;
use vimsim::types::enums::{SharesLevel, VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation};
use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, FileClient, Simulator};

use crate::inventory::find;
use crate::permissions::{give, role, user};
use crate::{check_fault, start};

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

async fn run<M: vimsim::types::MethodView>(client: &Client, this: &Moref, request: M) -> Value {
    client.run(this, request).await.unwrap()
}

fn url(path: &str) -> String {
    format!("/folder/{path}?dcPath=DC0&dsName=LocalDS_0")
}

async fn files(client: &Client, moref: &Moref) -> Vec<(String, String, i64)> {
    let layout = client.property(moref, "layoutEx").await.unwrap();
    let layout = VirtualMachineFileLayoutEx::from_object(layout.object().expect("set").clone()).expect("a layout");
    let of =
        |file: &VirtualMachineFileLayoutExFileInfo| (file.name().to_string(), file.type_().to_string(), file.size());
    layout.file().iter().map(of).collect()
}

fn snapshot(name: &str, memory: bool) -> CreateSnapshotTask {
    CreateSnapshotTask::with(|request| {
        request.set_name(name).set_memory(memory).set_quiesce(false);
    })
}

async fn take(client: &Client, moref: &Moref, name: &str) -> Moref {
    run(client, moref, snapshot(name, false)).await.moref().expect("the snapshot")
}

/// The size of each file that is text, or holds memory, is what a client gets.
async fn check_sizes(client: &Client, http: &FileClient) {
    for (name, kind, size) in files(client, &machine()).await {
        let path = name.strip_prefix("[LocalDS_0] ").expect("on the datastore").to_string();
        if kind == "diskExtent" {
            continue;
        }
        let answer = http.get(&url(&path)).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        assert_eq!(answer.body.len(), usize::try_from(size).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn layout_ex_has_the_sizes_of_files() {
    let (simulator, client) = start().await;
    let http = FileClient::in_session(&simulator, &client);
    check_sizes(&client, &http).await;
    let memory = run(&client, &machine(), snapshot("with memory", true)).await.moref().expect("the snapshot");
    take(&client, &machine(), "without").await;
    check_sizes(&client, &http).await;
    let found = files(&client, &machine()).await;
    let memories: Vec<i64> = found.iter().filter(|file| file.1 == "snapshotMemory").map(|file| file.2).collect();
    assert_eq!(memories, [32 << 20]);
    // The other branch's files are there as well.
    run(&client, &memory, RevertToSnapshotTask::new()).await;
    take(&client, &machine(), "beside").await;
    check_sizes(&client, &http).await;
    assert_eq!(files(&client, &machine()).await.iter().filter(|file| file.1 == "diskExtent").count(), 4);
}

#[tokio::test]
async fn what_is_in_a_disk_is_in_its_copies_and_goes_where_it_goes() {
    let mut config = Config::default();
    config.model.datastore = 2;
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let machine = find(&client, "DC0/vm/DC0_H0_VM0").await.expect("the machine");
    let http = FileClient::in_session(&simulator, &client);
    run(&client, &machine, PowerOffVMTask::new()).await;
    assert!(http.put(&url("DC0_H0_VM0/disk1-flat.vmdk"), "what the guest wrote").await.unwrap().status.is_success());
    let request = CloneVMTask::with(|request| {
        request.set_folder(Moref::of::<Folder>("group-2")).set_name("copy");
        request.spec_mut().set_template(false).set_power_on(false).set_location(VirtualMachineRelocateSpec::new());
    });
    run(&client, &machine, request).await;
    assert_eq!(http.get(&url("copy/copy-flat.vmdk")).await.unwrap().text(), "what the guest wrote");
    let other = find(&client, "DC0/datastore/LocalDS_1").await.expect("the datastore");
    let request = RelocateVMTask::with(|request| _ = request.spec_mut().set_datastore(other));
    run(&client, &machine, request).await;
    let moved = "/folder/DC0_H0_VM0/disk1-flat.vmdk?dcPath=DC0&dsName=LocalDS_1";
    assert_eq!(http.get(moved).await.unwrap().text(), "what the guest wrote");
    assert_eq!(http.get(&url("DC0_H0_VM0/disk1-flat.vmdk")).await.unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn removing_snapshots_keeps_what_was_written_last() {
    let (simulator, client) = start().await;
    let http = FileClient::in_session(&simulator, &client);
    run(&client, &machine(), PowerOffVMTask::new()).await;
    let first = take(&client, &machine(), "first").await;
    let delta = url("DC0_H0_VM0/disk1-000001-delta.vmdk");
    http.put(&delta, "given up").await.unwrap();
    run(&client, &first, RevertToSnapshotTask::new()).await;
    http.put(&delta, "kept").await.unwrap();
    run(&client, &machine(), RemoveAllSnapshotsTask::new()).await;
    assert_eq!(http.get(&url("DC0_H0_VM0/disk1-flat.vmdk")).await.unwrap().text(), "kept");
    assert_eq!(http.get(&delta).await.unwrap().status, StatusCode::NOT_FOUND);
    // A new snapshot's file is empty, though it has the name of one that was written to.
    take(&client, &machine(), "second").await;
    assert_eq!(http.get(&delta).await.unwrap().text(), "");
}

#[tokio::test]
async fn the_snapshots_of_a_machine_move_with_it() {
    let mut config = Config::default();
    config.model.datastore = 2;
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let machine = find(&client, "DC0/vm/DC0_H0_VM0").await.expect("the machine");
    let first = take(&client, &machine, "first").await;
    take(&client, &machine, "second").await;
    run(&client, &first, RevertToSnapshotTask::new()).await;
    let other = find(&client, "DC0/datastore/LocalDS_1").await.expect("the datastore");
    let request = RelocateVMTask::with(|request| _ = request.spec_mut().set_datastore(other));
    run(&client, &machine, request).await;
    let all = files(&client, &machine).await;
    assert!(all.iter().all(|(name, ..)| name.starts_with("[LocalDS_1] ")), "{all:?}");
    let path = client.property(&first, "config.files.vmPathName").await.unwrap();
    assert_eq!(path.text(), Some("[LocalDS_1] DC0_H0_VM0/DC0_H0_VM0.vmx"));
}

fn add_disk(file: &str) -> ReconfigVMTask {
    ReconfigVMTask::with(|request| {
        request.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Add);
            change.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
            change.set_device(VirtualDisk::with(|disk| {
                disk.set_capacity_in_kb(1024).set_key(-1).set_controller_key(202).set_unit_number(5);
                disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                    backing.set_disk_mode("persistent").set_file_name(file);
                }));
            }));
        }));
    })
}

#[tokio::test]
async fn a_new_disk_does_not_take_the_file_of_another() {
    let (simulator, client) = start().await;
    let taken = "[LocalDS_0] DC0_H0_VM1/disk1.vmdk";
    check_fault::<FileAlreadyExists>(client.run(&machine(), add_disk(taken)).await);
    let own = "[LocalDS_0] DC0_H0_VM0/disk1.vmdk";
    check_fault::<FileAlreadyExists>(client.run(&machine(), add_disk(own)).await);
    let http = FileClient::in_session(&simulator, &client);
    http.put(&url("mine.vmdk"), "mine").await.unwrap();
    check_fault::<FileAlreadyExists>(client.run(&machine(), add_disk("[LocalDS_0] mine.vmdk")).await);
    run(&client, &machine(), add_disk("[LocalDS_0] DC0_H0_VM0/new.vmdk")).await;
}

/// Takes a disk that is there.
fn attach_disk(file: &str, unit: i32) -> ReconfigVMTask {
    let mut request = add_disk(file);
    for change in request.spec_mut().device_change_mut().iter_mut() {
        change.set_file_operation(None).device_mut().set_unit_number(unit);
    }
    request
}

#[tokio::test]
async fn a_disk_that_is_taken_is_there_and_is_not_the_machine_s_own() {
    let (_simulator, client) = start().await;
    let missing = attach_disk("[LocalDS_0] DC0_H0_VM0/missing.vmdk", 5);
    check_fault::<FileNotFound>(client.run(&machine(), missing).await);
    let own = attach_disk("[LocalDS_0] DC0_H0_VM0/disk1.vmdk", 5);
    check_fault::<InvalidDeviceBacking>(client.run(&machine(), own).await);

    run(&client, &machine(), add_disk("[LocalDS_0] DC0_H0_VM0/new.vmdk")).await;
    let disks = client.property(&machine(), "config.hardware.device").await.unwrap();
    let new = disks.items().iter().filter_map(|it| it.object()).find(|it| it.field("unitNumber") == &Value::Int(5));
    let new = VirtualDevice::from_object(new.expect("the disk").clone()).unwrap();
    let remove = ReconfigVMTask::with(|request| {
        request.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Remove).set_device(new);
        }));
    });
    run(&client, &machine(), remove).await;
    run(&client, &machine(), attach_disk("[LocalDS_0] DC0_H0_VM0/new.vmdk", 6)).await;
    let again = attach_disk("[LocalDS_0] DC0_H0_VM0/new.vmdk", 8);
    check_fault::<InvalidDeviceBacking>(client.run(&machine(), again).await);
}

/// The bytes of a snapshot's file without memory.
const STATE: i64 = 28_672;

/// What the machine's disks, snapshots and settings of its firmware take, as `storage` and as `layoutEx` have it.
async fn sums(client: &Client) -> (i64, i64) {
    let long = |value: &Value| if let Value::Long(number) = value { *number } else { 0 };
    let usage = client.property(&machine(), "storage.perDatastoreUsage").await.unwrap();
    let used = usage.items().iter().map(|usage| long(usage.object().unwrap().field("committed"))).sum();
    let layout = client.property(&machine(), "layoutEx.file").await.unwrap();
    let files = layout.items().iter().filter_map(Value::object);
    let counted = ["diskExtent", "nvram", "snapshotData", "snapshotMemory"].map(Some);
    let data = files.filter(|file| counted.contains(&file.field("type").text()));
    (used, data.map(|file| long(file.field("uniqueSize"))).sum())
}

async fn free(client: &Client) -> Value {
    let datastore = client.property(&machine(), "datastore").await.unwrap().items()[0].moref().unwrap();
    client.property(&datastore, "summary.freeSpace").await.unwrap()
}

/// Takes the newest disk away, with its files.
async fn remove_disk(client: &Client) {
    let devices = client.property(&machine(), "config.hardware.device").await.unwrap();
    let added = devices.items().iter().filter_map(Value::object).rfind(|it| it.is::<VirtualDisk>()).unwrap();
    let remove = ReconfigVMTask::with(|request| {
        request.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Remove);
            change.set_file_operation(VirtualDeviceConfigSpecFileOperation::Destroy);
            change.set_device(VirtualDisk::from_object(added.clone()).unwrap());
        }));
    });
    run(client, &machine(), remove).await;
}

#[tokio::test]
async fn the_disks_of_snapshots_are_counted_and_follow_their_datastore_s_name() {
    let (_simulator, client) = start().await;
    client.run(&machine(), PowerOffVMTask::new()).await.unwrap();
    let datastore = client.property(&machine(), "datastore").await.unwrap().items()[0].moref().unwrap();
    let before = (sums(&client).await, free(&client).await);
    run(&client, &machine(), add_disk("[LocalDS_0] DC0_H0_VM0/kept.vmdk")).await;
    let with_disk = (sums(&client).await, free(&client).await);
    assert_eq!((with_disk.0.0, with_disk.0.0), (before.0.0 + (1 << 20), with_disk.0.1));
    let kept = take(&client, &machine(), "with the disk").await;
    let with_state = (sums(&client).await, free(&client).await);
    assert_eq!(with_state.0, (with_disk.0.0 + STATE, with_disk.0.1 + STATE));
    remove_disk(&client).await;
    assert_eq!((sums(&client).await, free(&client).await), with_state);

    let rename = RenameDatastore::with(|request| _ = request.set_new_name("other"));
    client.call(&datastore, rename).await.unwrap();
    let all = files(&client, &machine()).await;
    assert!(all.iter().all(|(name, ..)| name.starts_with("[other] ")), "{all:?}");
    let listed = client.property(&machine(), "layout.snapshot").await.unwrap();
    let listed = listed.items()[0].object().unwrap().field("snapshotFile").clone();
    assert_eq!(listed.items()[0].text(), Some("DC0_H0_VM0-Snapshot1.vmsn"), "from the snapshots' directory");
    assert_eq!((sums(&client).await, free(&client).await), with_state);

    run(&client, &kept, RemoveSnapshotTask::with(|request| _ = request.set_remove_children(false))).await;
    assert_eq!((sums(&client).await, free(&client).await), before);
}

#[tokio::test]
async fn the_memory_of_a_snapshot_takes_room_until_it_is_removed() {
    let (_simulator, client) = start().await;
    let before = (sums(&client).await, free(&client).await);
    let Value::Long(room) = before.1 else { panic!("no number") };
    let snapshot = run(&client, &machine(), snapshot("with memory", true)).await.moref().expect("the snapshot");
    let taken = (32 << 20) + STATE;
    assert_eq!(sums(&client).await, (before.0.0 + taken, before.0.1 + taken));
    assert_eq!(free(&client).await, Value::Long(room - taken));
    run(&client, &snapshot, RemoveSnapshotTask::with(|request| _ = request.set_remove_children(false))).await;
    assert_eq!((sums(&client).await, free(&client).await), before);
}

#[tokio::test]
async fn a_machine_comes_back_with_the_disks_of_its_snapshots() {
    let (_simulator, client) = start().await;
    client.run(&machine(), PowerOffVMTask::new()).await.unwrap();
    let datastore = client.property(&machine(), "datastore").await.unwrap().items()[0].moref().unwrap();
    let free = async || client.property(&datastore, "summary.freeSpace").await.unwrap();
    let before = free().await;
    run(&client, &machine(), add_disk("[LocalDS_0] DC0_H0_VM0/kept.vmdk")).await;
    let kept = take(&client, &machine(), "with the disk").await;
    let with_disk = free().await;
    remove_disk(&client).await;
    let property = async |name: &str| client.property(&machine(), name).await.unwrap();
    let path = property("config.files.vmPathName").await;
    let (folder, pool) = (property("parent").await.moref().unwrap(), property("resourcePool").await.moref());
    client.call(&machine(), UnregisterVM::new()).await.unwrap();
    assert_eq!(free().await, with_disk);
    let register = RegisterVMTask::with(|request| {
        request.set_path(path.text().unwrap()).set_as_template(false).set_pool(pool);
    });
    let back = run(&client, &folder, register).await.moref().expect("the machine");
    assert_eq!(free().await, with_disk);
    let all = files(&client, &back).await;
    assert!(all.iter().any(|(name, ..)| name.ends_with("/kept-flat.vmdk")), "{all:?}");
    run(&client, &kept, RemoveSnapshotTask::with(|request| _ = request.set_remove_children(false))).await;
    assert_eq!(free().await, before);
}

#[tokio::test]
async fn files_ask_for_the_privileges_of_datastores() {
    let (simulator, client) = start().await;
    let http = FileClient::in_session(&simulator, &client);
    http.put(&url("a.txt"), "text").await.unwrap();
    let root = crate::root_folder();
    let browsing = role(&client, "browsing", &["Datastore.Browse"]).await;
    let writing = role(&client, "writing", &["Datastore.Browse", "Datastore.FileManagement"]).await;
    give(&client, &root, "reader", -2).await;
    give(&client, &root, "browser", browsing).await;
    give(&client, &root, "writer", writing).await;
    let of = |client: &Client| FileClient::in_session(&simulator, client);
    let reader = of(&user(&simulator, "reader").await);
    assert_eq!(reader.get(&url("a.txt")).await.unwrap().status, StatusCode::FORBIDDEN);
    assert!(!reader.get("/folder?dcPath=DC0").await.unwrap().text().contains("LocalDS_0"));
    let browser = of(&user(&simulator, "browser").await);
    assert_eq!(browser.get(&url("a.txt")).await.unwrap().text(), "text");
    assert!(browser.get("/folder?dcPath=DC0").await.unwrap().text().contains("LocalDS_0"));
    assert_eq!(browser.put(&url("a.txt"), "other").await.unwrap().status, StatusCode::FORBIDDEN);
    assert_eq!(browser.delete(&url("a.txt")).await.unwrap().status, StatusCode::FORBIDDEN);
    let writer = of(&user(&simulator, "writer").await);
    assert!(writer.put(&url("a.txt"), "other").await.unwrap().status.is_success());
    assert!(writer.delete(&url("a.txt")).await.unwrap().status.is_success());
}

#[tokio::test]
async fn a_screenshot_is_a_picture_beside_the_machine_s_files() {
    let (simulator, client) = start().await;
    let path = run(&client, &machine(), CreateScreenshotTask::new()).await;
    let path = path.text().and_then(|path| path.strip_prefix("[LocalDS_0] ")).expect("a path").to_string();
    let answer = FileClient::in_session(&simulator, &client).get(&url(&path)).await.unwrap();
    assert_eq!((answer.status, &answer.body[..4]), (StatusCode::OK, &b"\x89PNG"[..]));
}

#[tokio::test]
async fn disks_whose_changes_are_tracked_have_an_identifier_for_each_snapshot() {
    let (_simulator, client) = start().await;
    let track = ReconfigVMTask::with(|request| _ = request.spec_mut().set_change_tracking_enabled(true));
    run(&client, &machine(), track).await;
    let (first, second) = (take(&client, &machine(), "first").await, take(&client, &machine(), "second").await);
    let id = async |snapshot: &Moref| {
        let value = client.property(snapshot, "config.hardware.device[204].backing.changeId").await.unwrap();
        value.text().expect("an identifier").to_string()
    };
    let (old, new) = (id(&first).await, id(&second).await);
    assert_ne!(old, new);
    let changed = async |since: &str| {
        let request = QueryChangedDiskAreas::with(|request| {
            request.set_snapshot(second.clone()).set_device_key(204).set_start_offset(0).set_change_id(since);
        });
        let info = client.call(&machine(), request).await.unwrap();
        let info = DiskChangeInfo::from_object(info.object().expect("set").clone()).expect("the changes");
        (info.length(), info.changed_area().len())
    };
    assert_eq!(changed(&new).await, (10 << 30, 0));
    assert_eq!(changed(&old).await, (10 << 30, 1));
}

#[tokio::test]
async fn an_identifier_of_changes_is_never_given_twice() {
    let (_simulator, client) = start().await;
    let track = ReconfigVMTask::with(|request| _ = request.spec_mut().set_change_tracking_enabled(true));
    run(&client, &machine(), track).await;
    let mut known = Vec::new();
    for _ in 0..3 {
        let snapshot = take(&client, &machine(), "backup").await;
        let id = client.property(&snapshot, "config.hardware.device[204].backing.changeId").await.unwrap();
        assert!(!known.contains(&id), "{id:?} again");
        known.push(id);
        run(&client, &snapshot, RemoveSnapshotTask::with(|request| _ = request.set_remove_children(false))).await;
    }
}

async fn first_disk(client: &Client) -> VirtualDisk {
    let devices = client.property(&machine(), "config.hardware.device").await.unwrap();
    let disk = devices.items().iter().filter_map(Value::object).find(|device| device.is::<VirtualDisk>());
    VirtualDisk::from_object(disk.expect("a disk").clone()).unwrap()
}

#[tokio::test]
async fn a_disk_has_the_shares_that_its_level_stands_for() {
    let (_simulator, client) = start().await;
    let edit = async |fill: &dyn Fn(&mut VirtualDisk)| {
        let mut disk = first_disk(&client).await;
        fill(&mut disk);
        let request = ReconfigVMTask::with(|request| {
            request.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
                change.set_operation(VirtualDeviceConfigSpecOperation::Edit).set_device(disk);
            }));
        });
        run(&client, &machine(), request).await;
    };
    let shares = async || {
        let disk = first_disk(&client).await;
        let (older, newer) = (disk.shares().unwrap(), disk.storage_io_allocation().unwrap().shares().unwrap());
        assert_eq!(older.as_object(), newer.as_object());
        (older.level(), older.shares())
    };
    assert_eq!(shares().await, (SharesLevel::Normal, 1000));
    edit(&|disk| _ = disk.storage_io_allocation_mut().shares_mut().set_level(SharesLevel::High)).await;
    assert_eq!(shares().await, (SharesLevel::High, 2000));
    edit(&|disk| {
        disk.as_object_mut().set(VirtualDisk::STORAGE_IO_ALLOCATION, Value::Unset);
        disk.shares_mut().set_level(SharesLevel::Custom).set_shares(700);
    })
    .await;
    assert_eq!(shares().await, (SharesLevel::Custom, 700));
}

#[tokio::test]
async fn the_paths_of_a_layout_are_relative_to_their_directories() {
    let (_simulator, client) = crate::start().await;
    let machine = Moref::of::<VirtualMachine>("vm-62");
    let request = vimsim::types::method::CreateSnapshotTask::with(|request| {
        request.set_name("one").set_memory(false).set_quiesce(false);
    });
    client.run(&machine, request).await.unwrap();
    let layout = client.property(&machine, "layout").await.unwrap().object().unwrap().clone();
    let layout = vimsim::types::views::VirtualMachineFileLayout::from_object(layout).unwrap();
    let config: Vec<String> = layout.config_file().iter().map(ToString::to_string).collect();
    let log: Vec<String> = layout.log_file().iter().map(ToString::to_string).collect();
    assert_eq!((config, log), (vec!["DC0_H0_VM0.nvram".to_string()], vec!["vmware.log".to_string()]));
    let snapshot = layout.snapshot().first().unwrap();
    assert!(snapshot.snapshot_file().iter().all(|file| file.starts_with("DC0_H0_VM0-Snapshot") && !file.contains('/')));
    assert!(layout.disk().first().unwrap().disk_file().iter().all(|file| file.starts_with("[LocalDS_0] DC0_H0_VM0/")));
}
