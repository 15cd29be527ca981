//! Files on datastores: over HTTP, and through the managers that make, move and find them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, COOKIE, IF_NONE_MATCH, IF_RANGE, RANGE};
use hyper::{Method, StatusCode};
use vimsim::types::enums::{VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation};
use vimsim::types::method::{
    AcquireGenericServiceTicket, CopyDatastoreFileTask, CopyVirtualDiskTask, CreateChildDiskTask,
    CreateVirtualDiskTask, DeleteDatastoreFileTask, DeleteVirtualDiskTask, DestroyTask, ExtendVirtualDiskTask,
    InflateVirtualDiskTask, MakeDirectory, MoveDatastoreFileTask, PowerOffVMTask, QueryVirtualDiskGeometry,
    QueryVirtualDiskInfoTask, QueryVirtualDiskUuid, ReconfigVMTask, SearchDatastoreSubFoldersTask, SearchDatastoreTask,
    SetVirtualDiskUuid, UnregisterVM,
};
use vimsim::types::views::{
    FileAlreadyExists, FileBackedVirtualDiskSpec, FileFault, FileLocked, FileManager, FileNotFound, FileQueryFlags,
    FolderFileInfo, FolderFileQuery, HostDatastoreBrowserSearchResults, HostDatastoreBrowserSearchSpec,
    InvalidArgument, InvalidDatastore, InvalidDatastorePath, NoDiskSpace, SessionManager,
    SessionManagerGenericServiceTicket, SessionManagerHttpServiceRequestSpec, VirtualDeviceConfigSpec, VirtualDisk,
    VirtualDiskInfo, VirtualDiskManager, VmConfigFileInfo, VmDiskFileInfo, VmDiskFileQuery,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, FileClient, Simulator};

use crate::check_fault;
use crate::inventory::found;

const QUERY: &str = "?dcPath=DC0&dsName=LocalDS_0";

async fn start() -> (Simulator, Client, FileClient) {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let files = FileClient::in_session(&simulator, &client);
    (simulator, client, files)
}

fn at(path: &str) -> String {
    format!("/folder/{path}{QUERY}")
}

fn on(path: &str) -> String {
    format!("[LocalDS_0] {path}")
}

fn manager() -> Moref {
    Moref::of::<FileManager>("FileManager")
}

fn disks() -> Moref {
    Moref::of::<VirtualDiskManager>("virtualDiskManager")
}

async fn free_space(client: &Client) -> i64 {
    let datastore = found(client, "DC0/datastore/LocalDS_0").await;
    match client.property(&datastore, "summary.freeSpace").await.unwrap() {
        Value::Long(bytes) => bytes,
        other => panic!("{other:?} is no size"),
    }
}

async fn search(client: &Client, folder: &str, spec: HostDatastoreBrowserSearchSpec) -> Vec<(String, Value)> {
    let datastore = found(client, "DC0/datastore/LocalDS_0").await;
    let browser = client.property(&datastore, "browser").await.unwrap().moref().unwrap();
    let request = SearchDatastoreTask::with(|request| {
        request.set_datastore_path(on(folder)).set_search_spec(spec);
    });
    let result = client.run(&browser, request).await.unwrap();
    let result = HostDatastoreBrowserSearchResults::from_ref(result.object().unwrap()).unwrap().clone();
    let files = result.file();
    files.iter().map(|file| (file.path().to_string(), Value::Object(file.as_object().clone()))).collect()
}

async fn names(client: &Client, folder: &str) -> Vec<String> {
    let all = search(client, folder, HostDatastoreBrowserSearchSpec::new()).await;
    all.into_iter().map(|(name, _)| name).collect()
}

fn make(path: &str) -> MakeDirectory {
    MakeDirectory::with(|request| {
        request.set_name(on(path)).set_datacenter(Moref::of::<vimsim::types::views::Datacenter>("datacenter-1"));
    })
}

fn datacenter() -> Moref {
    Moref::of::<vimsim::types::views::Datacenter>("datacenter-1")
}

fn delete(path: &str) -> DeleteDatastoreFileTask {
    DeleteDatastoreFileTask::with(|request| {
        request.set_name(on(path)).set_datacenter(datacenter());
    })
}

fn rename(from: &str, to: &str) -> MoveDatastoreFileTask {
    MoveDatastoreFileTask::with(|request| {
        request.set_source_name(on(from)).set_source_datacenter(datacenter()).set_destination_name(on(to));
    })
}

fn copy(from: &str, to: &str) -> CopyDatastoreFileTask {
    CopyDatastoreFileTask::with(|request| {
        request.set_source_name(on(from)).set_source_datacenter(datacenter()).set_destination_name(on(to));
    })
}

fn create_disk(path: &str, kind: &str, kilobytes: i64) -> CreateVirtualDiskTask {
    CreateVirtualDiskTask::with(|request| {
        request.set_name(on(path)).set_datacenter(datacenter());
        request.set_spec(FileBackedVirtualDiskSpec::with(|spec| {
            spec.set_capacity_kb(kilobytes).set_disk_type(kind).set_adapter_type("lsiLogic");
        }));
    })
}

#[tokio::test]
async fn files_are_written_and_read_back() {
    let (simulator, client, files) = start().await;
    let free = free_space(&client).await;
    // More than is kept in memory, so that it goes through a file.
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    assert_eq!(files.put(&at("a/b/c.iso"), bytes.clone()).await.unwrap().status, StatusCode::CREATED);
    assert_eq!(free_space(&client).await, free - 3_000_000);
    let answer = files.get(&at("a/b/c.iso")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, bytes.as_slice()));
    assert_eq!(answer.header("content-length"), Some("3000000"));
    assert_eq!(names(&client, "a/b").await, ["c.iso"]);
    assert_eq!(files.put(&at("a/b/c.iso"), "short").await.unwrap().status, StatusCode::OK);
    assert_eq!(free_space(&client).await, free - 5);
    assert_eq!(files.post(&at("a/b/c.iso"), "new").await.unwrap().status, StatusCode::CONFLICT);
    assert_eq!(files.post(&at("a/b/d.iso"), "new").await.unwrap().status, StatusCode::CREATED);
    assert_eq!(files.delete(&at("a/b/c.iso")).await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(files.get(&at("a/b/c.iso")).await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(files.delete(&at("a/b/c.iso")).await.unwrap().status, StatusCode::NOT_FOUND);
    let listing = files.get(&at("a")).await.unwrap();
    assert!(listing.text().contains("href=\"/folder/a/b/?dcPath=DC0&amp;dsName=LocalDS_0\""), "{}", listing.text());
    client.run(&manager(), delete("a")).await.unwrap();
    assert_eq!(free_space(&client).await, free);
    simulator.stop().await;
}

#[tokio::test]
async fn parts_of_files_are_read() {
    let (_simulator, _client, files) = start().await;
    files.put(&at("x.bin"), "0123456789").await.unwrap();
    let get = async |headers: &[_]| files.send(Method::GET, &at("x.bin"), headers, "").await.unwrap();
    let part = get(&[(RANGE, "bytes=2-4")]).await;
    assert_eq!((part.status, part.text().as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(get(&[(RANGE, "bytes=-3")]).await.text(), "789");
    let beyond = get(&[(RANGE, "bytes=10-")]).await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (StatusCode::RANGE_NOT_SATISFIABLE, Some("bytes */10"))
    );
    assert_eq!(get(&[(RANGE, "bytes=0-1,3-4")]).await.status, StatusCode::OK);
    let tag = part.header("etag").unwrap().to_string();
    assert_eq!(get(&[(IF_NONE_MATCH, tag.as_str())]).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(get(&[(RANGE, "bytes=0-1"), (IF_RANGE, tag.as_str())]).await.text(), "01");
    assert_eq!(get(&[(RANGE, "bytes=0-1"), (IF_RANGE, "\"other\"")]).await.text(), "0123456789");
    let head = files.send(Method::HEAD, &at("x.bin"), &[], "").await.unwrap();
    assert_eq!((head.header("content-length"), head.body.len()), (Some("10"), 0));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    assert_eq!(files.send(Method::PATCH, &at("x.bin"), &[], "").await.unwrap().status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn no_path_leaves_its_datastore() {
    let (_simulator, client, files) = start().await;
    let bad = ["%2e%2e/x", "../x", "a/%2e%2e/%2e%2e/etc/passwd", "a%00b", "a%5c..%5cb", "..%2f..%2fetc%2fpasswd"];
    for path in bad {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = files.send(method.clone(), &at(path), &[], "x").await.unwrap();
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {path}");
        }
    }
    assert_eq!(files.get(&at("/etc/passwd")).await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(files.put(&at("a/%2e%2e/b"), "x").await.unwrap().status, StatusCode::CREATED);
    assert_eq!(names(&client, "").await.iter().filter(|name| *name == "b").count(), 1);
    for path in ["../x", "a/../../x", "a\\b"] {
        check_fault::<InvalidDatastorePath>(client.call(&manager(), make(path)).await);
        check_fault::<InvalidDatastorePath>(client.run(&manager(), delete(path)).await);
        check_fault::<InvalidDatastorePath>(client.run(&manager(), rename("b", path)).await);
        check_fault::<InvalidDatastorePath>(client.run(&disks(), create_disk(path, "thin", 1024)).await);
    }
    let elsewhere = DeleteDatastoreFileTask::with(|request| {
        request.set_name("/etc/passwd").set_datacenter(datacenter());
    });
    check_fault::<InvalidDatastorePath>(client.run(&manager(), elsewhere).await);
    check_fault::<FileFault>(client.run(&manager(), delete("")).await);
}

#[tokio::test]
async fn only_who_is_known_gets_files() {
    let (simulator, client, files) = start().await;
    files.put(&at("x"), "hello").await.unwrap();
    let stranger = FileClient::new(&simulator);
    let refused = stranger.get(&at("x")).await.unwrap();
    assert_eq!((refused.status, refused.header("www-authenticate").is_some()), (StatusCode::UNAUTHORIZED, true));
    assert_eq!(stranger.put(&at("y"), "x").await.unwrap().status, StatusCode::UNAUTHORIZED);
    let basic =
        |text: &str| FileClient::new(&simulator).header(AUTHORIZATION, &format!("Basic {}", STANDARD.encode(text)));
    assert_eq!(basic("user:pass").get(&at("x")).await.unwrap().text(), "hello");
    assert_eq!(basic("user:").get(&at("x")).await.unwrap().status, StatusCode::UNAUTHORIZED);
    let request = AcquireGenericServiceTicket::with(|request| {
        request.set_spec(SessionManagerHttpServiceRequestSpec::with(|spec| _ = spec.set_url("https://x/folder/x")));
    });
    let ticket = client.call(&Moref::of::<SessionManager>("SessionManager"), request).await.unwrap();
    let ticket = SessionManagerGenericServiceTicket::from_ref(ticket.object().unwrap()).unwrap().clone();
    let holder = FileClient::new(&simulator).header(COOKIE, &format!("vmware_cgi_ticket={}", ticket.id()));
    assert_eq!(holder.get(&at("x")).await.unwrap().text(), "hello");
    assert_eq!(holder.get(&at("x")).await.unwrap().status, StatusCode::UNAUTHORIZED);
    assert_eq!(files.get("/folder/x?dcPath=DC0&dsName=none").await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(files.get("/folder/x?dcPath=none&dsName=LocalDS_0").await.unwrap().status, StatusCode::NOT_FOUND);
    assert!(files.get("/folder").await.unwrap().text().contains("dcPath=DC0"));
    assert!(files.get("/folder?dcPath=DC0").await.unwrap().text().contains("dsName=LocalDS_0"));
}

#[tokio::test]
async fn machines_have_files_that_nobody_stored() {
    let (_simulator, client, files) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let own = ["DC0_H0_VM0.nvram", "DC0_H0_VM0.vmx", "disk1-flat.vmdk", "disk1.vmdk", "vmware.log"];
    assert_eq!(names(&client, "DC0_H0_VM0").await, own);
    let vmx = files.get(&at("DC0_H0_VM0/DC0_H0_VM0.vmx")).await.unwrap();
    assert!(vmx.text().contains("displayName = \"DC0_H0_VM0\"\n"), "{}", vmx.text());
    let disk = files.get(&at("DC0_H0_VM0/disk1.vmdk")).await.unwrap();
    assert!(disk.text().contains("RW 20971520 VMFS \"disk1-flat.vmdk\""), "{}", disk.text());
    let flat = files.send(Method::GET, &at("DC0_H0_VM0/disk1-flat.vmdk"), &[(RANGE, "bytes=-4")], "").await.unwrap();
    assert_eq!(flat.header("content-range"), Some("bytes 10737418236-10737418239/10737418240"));
    check_fault::<FileLocked>(client.run(&manager(), delete("DC0_H0_VM0/disk1.vmdk")).await);
    check_fault::<FileAlreadyExists>(client.call(&manager(), make("DC0_H0_VM0")).await);
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    client.run(&manager(), delete("DC0_H0_VM0/vmware.log")).await.unwrap();
    assert!(!names(&client, "DC0_H0_VM0").await.contains(&"vmware.log".to_string()));
    files.put(&at("DC0_H0_VM0/notes.txt"), "mine").await.unwrap();
    client.run(&machine, DestroyTask::new()).await.unwrap();
    assert_eq!(names(&client, "DC0_H0_VM0").await, ["notes.txt"]);
    let other = found(&client, "DC0/vm/DC0_H0_VM1").await;
    client.run(&other, PowerOffVMTask::new()).await.unwrap();
    let free = free_space(&client).await;
    client.call(&other, UnregisterVM::new()).await.unwrap();
    assert_eq!(free_space(&client).await, free);
    assert_eq!(names(&client, "DC0_H0_VM1").await.len(), 5);
    client.run(&manager(), delete("DC0_H0_VM1")).await.unwrap();
    assert_eq!(free_space(&client).await, free + (10 << 30));
}

#[tokio::test]
async fn files_are_moved_and_copied() {
    let (_simulator, client, files) = start().await;
    check_fault::<FileNotFound>(client.call(&manager(), make("a/b")).await);
    client.call(&manager(), make("a")).await.unwrap();
    check_fault::<FileAlreadyExists>(client.call(&manager(), make("a")).await);
    files.put(&at("a/x"), "one").await.unwrap();
    client.run(&manager(), copy("a/x", "a/y")).await.unwrap();
    check_fault::<FileAlreadyExists>(client.run(&manager(), copy("a/x", "a/y")).await);
    check_fault::<FileNotFound>(client.run(&manager(), copy("a/none", "a/z")).await);
    check_fault::<FileNotFound>(client.run(&manager(), copy("a/x", "none/z")).await);
    check_fault::<InvalidArgument>(client.run(&manager(), rename("a", "a/b")).await);
    files.put(&at("a/x"), "two").await.unwrap();
    assert_eq!(files.get(&at("a/y")).await.unwrap().text(), "one");
    client.run(&manager(), rename("a", "b")).await.unwrap();
    assert_eq!(names(&client, "b").await, ["x", "y"]);
    check_fault::<FileNotFound>(client.run(&manager(), delete("a")).await);
    let mut nowhere = rename("b", "c");
    nowhere.set_destination_name("[none] c");
    check_fault::<InvalidDatastore>(client.run(&manager(), nowhere).await);
    let mut unnamed = delete("b");
    unnamed.set_datacenter(None);
    client.run(&manager(), unnamed).await.unwrap();
}

#[tokio::test]
async fn a_browser_finds_what_is_asked_for() {
    let (_simulator, client, files) = start().await;
    client.call(&manager(), make("z")).await.unwrap();
    for name in ["a.ISO", "b.iso", "c.txt"] {
        files.put(&at(&format!("z/{name}")), "12345").await.unwrap();
    }
    client.call(&manager(), make("z/y")).await.unwrap();
    client.run(&disks(), create_disk("z/d.vmdk", "thin", 1024)).await.unwrap();
    let pattern = |pattern: &str, ignore_case: bool| {
        HostDatastoreBrowserSearchSpec::with(|spec| {
            spec.push_match_pattern(pattern).set_search_case_insensitive(ignore_case);
        })
    };
    assert_eq!(search(&client, "z", pattern("*.iso", false)).await.len(), 1);
    assert_eq!(search(&client, "z", pattern("*.iso", true)).await.len(), 2);
    let folders = HostDatastoreBrowserSearchSpec::with(|spec| _ = spec.push_query(FolderFileQuery::new()));
    assert_eq!(search(&client, "z", folders).await[0].0, "y");
    let first = HostDatastoreBrowserSearchSpec::with(|spec| _ = spec.set_sort_folders_first(true));
    assert_eq!(search(&client, "z", first).await[0].0, "y");
    let details = HostDatastoreBrowserSearchSpec::with(|spec| {
        spec.set_details(FileQueryFlags::with(|flags| {
            flags.set_file_type(true).set_file_size(true).set_modification(true).set_file_owner(true);
        }));
        spec.push_query(VmDiskFileQuery::with(|query| {
            let details = query.details_mut();
            details.set_capacity_kb(true).set_thin(true).set_disk_type(true).set_hardware_version(true);
            details.set_disk_extents(true).set_controller_type(true);
        }));
    });
    let found_disks = search(&client, "z", details).await;
    assert_eq!(found_disks.len(), 1);
    let disk = VmDiskFileInfo::from_ref(found_disks[0].1.object().unwrap()).unwrap();
    assert_eq!((disk.capacity_kb(), disk.thin()), (Some(1024), Some(true)));
    assert_eq!(disk.disk_extents().first().map(|name| name.as_str()), Some("d-flat.vmdk"));
    assert_eq!(disk.owner().map(|owner| owner.as_str()), Some("root"));
    let types = HostDatastoreBrowserSearchSpec::with(|spec| {
        spec.set_details(FileQueryFlags::with(|flags| _ = flags.set_file_type(true).set_file_size(true)));
    });
    let machine = search(&client, "DC0_H0_VM0", types).await;
    assert!(machine.iter().any(|(_, info)| info.object().unwrap().is::<VmConfigFileInfo>()));
    let datastore = found(&client, "DC0/datastore/LocalDS_0").await;
    let browser = client.property(&datastore, "browser").await.unwrap().moref().unwrap();
    let below = SearchDatastoreSubFoldersTask::with(|request| _ = request.set_datastore_path(on("z")));
    let results = client.run(&browser, below.clone()).await.unwrap();
    let paths: Vec<&str> = results.items().iter().filter_map(|it| it.object()?.field("folderPath").text()).collect();
    assert_eq!(paths, ["[LocalDS_0] z/", "[LocalDS_0] z/y/"]);
    let folder = results.items()[0].object().unwrap().field("file").items().iter().filter_map(Value::object);
    assert_eq!(folder.filter(|info| info.is::<FolderFileInfo>()).count(), 1);
    let mut none = below;
    none.set_datastore_path(on("none"));
    check_fault::<FileNotFound>(client.run(&browser, none.clone()).await);
    none.set_datastore_path("[none] z");
    check_fault::<InvalidDatastore>(client.run(&browser, none).await);
}

#[tokio::test]
async fn disks_are_made_and_changed() {
    let (_simulator, client, files) = start().await;
    let free = free_space(&client).await;
    check_fault::<FileNotFound>(client.run(&disks(), create_disk("d/d.vmdk", "thin", 10_240)).await);
    client.call(&manager(), make("d")).await.unwrap();
    check_fault::<InvalidArgument>(client.run(&disks(), create_disk("d/d.vmdk", "none", 10_240)).await);
    check_fault::<InvalidArgument>(client.run(&disks(), create_disk("d/d.vmdk", "thin", 0)).await);
    let made = client.run(&disks(), create_disk("d/d.vmdk", "thin", 10_240)).await.unwrap();
    assert_eq!(made.text(), Some("[LocalDS_0] d/d.vmdk"));
    check_fault::<FileAlreadyExists>(client.run(&disks(), create_disk("d/d.vmdk", "thin", 10_240)).await);
    check_fault::<NoDiskSpace>(client.run(&disks(), create_disk("d/e.vmdk", "preallocated", 8 << 30)).await);
    assert_eq!((free_space(&client).await, names(&client, "d").await.len()), (free, 2));
    let inflate = InflateVirtualDiskTask::with(|request| {
        request.set_name(on("d/d.vmdk")).set_datacenter(datacenter());
    });
    client.run(&disks(), inflate).await.unwrap();
    assert_eq!(free_space(&client).await, free - (10 << 20));
    let extend = |kilobytes: i64| {
        ExtendVirtualDiskTask::with(|request| {
            request.set_name(on("d/d.vmdk")).set_datacenter(datacenter()).set_new_capacity_kb(kilobytes);
        })
    };
    check_fault::<FileFault>(client.run(&disks(), extend(1024)).await);
    check_fault::<InvalidArgument>(client.run(&disks(), extend(i64::MAX)).await);
    client.run(&disks(), extend(20_480)).await.unwrap();
    assert_eq!(free_space(&client).await, free - (20 << 20));
    let geometry = QueryVirtualDiskGeometry::with(|request| {
        request.set_name(on("d/d.vmdk")).set_datacenter(datacenter());
    });
    let geometry = client.call(&disks(), geometry).await.unwrap();
    assert_eq!(geometry.object().unwrap().field("cylinder"), &Value::Long(20));
    let uuid = || {
        QueryVirtualDiskUuid::with(|request| {
            request.set_name(on("d/d.vmdk")).set_datacenter(datacenter());
        })
    };
    let set = |text: &str| {
        SetVirtualDiskUuid::with(|request| {
            request.set_name(on("d/d.vmdk")).set_datacenter(datacenter()).set_uuid(text);
        })
    };
    check_fault::<InvalidArgument>(client.call(&disks(), set("none")).await);
    client.call(&disks(), set("60 00 C2 9f 4f 5d 6c 0f-1c f4 4d 6f 6d 5f 01 5e")).await.unwrap();
    let told = client.call(&disks(), uuid()).await.unwrap();
    assert_eq!(told.text(), Some("6000c29f-4f5d-6c0f-1cf4-4d6f6d5f015e"));
    let child = CreateChildDiskTask::with(|request| {
        request.set_child_name(on("d/c.vmdk")).set_child_datacenter(datacenter());
        request.set_parent_name(on("d/d.vmdk")).set_is_linked_clone(true);
    });
    client.run(&disks(), child).await.unwrap();
    let info = QueryVirtualDiskInfoTask::with(|request| {
        request.set_name(on("d/c.vmdk")).set_datacenter(datacenter()).set_include_parents(true);
    });
    let infos = client.run(&disks(), info).await.unwrap();
    let infos: Vec<&VirtualDiskInfo> =
        infos.items().iter().filter_map(|it| VirtualDiskInfo::from_ref(it.object()?)).collect();
    assert_eq!(infos.len(), 2);
    assert_eq!((infos[0].disk_type().as_str(), infos[1].disk_type().as_str()), ("delta", "eagerZeroedThick"));
    let clone = CopyVirtualDiskTask::with(|request| {
        request.set_source_name(on("d/d.vmdk")).set_source_datacenter(datacenter()).set_dest_name(on("d/e.vmdk"));
    });
    client.run(&disks(), clone).await.unwrap();
    assert!(files.get(&at("d/e.vmdk")).await.unwrap().text().contains("e-flat.vmdk"));
    let remove = DeleteVirtualDiskTask::with(|request| {
        request.set_name(on("d/e.vmdk")).set_datacenter(datacenter());
    });
    client.run(&disks(), remove.clone()).await.unwrap();
    check_fault::<FileNotFound>(client.run(&disks(), remove).await);
    assert_eq!(names(&client, "d").await, ["c-delta.vmdk", "c.vmdk", "d-flat.vmdk", "d.vmdk"]);
    client.run(&manager(), delete("d")).await.unwrap();
    assert_eq!(free_space(&client).await, free);
}

#[tokio::test]
async fn a_disk_that_is_detached_stays_and_one_that_is_destroyed_goes() {
    let (_simulator, client, _) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    let free = free_space(&client).await;
    let devices = client.property(&machine, "config.hardware.device").await.unwrap();
    let is_disk = |value: &&Value| value.object().is_some_and(|object| object.is::<VirtualDisk>());
    let disk = VirtualDisk::from_ref(devices.items().iter().find(is_disk).unwrap().object().unwrap()).unwrap().clone();
    let change = |operation, file_operation: Option<VirtualDeviceConfigSpecFileOperation>| {
        ReconfigVMTask::with(|request| {
            request.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
                change.set_operation(operation).set_file_operation(file_operation).set_device(disk.clone());
            }));
        })
    };
    use VirtualDeviceConfigSpecOperation::{Add, Remove};
    client.run(&machine, change(Remove, None)).await.unwrap();
    assert!(names(&client, "DC0_H0_VM0").await.contains(&"disk1.vmdk".to_string()));
    assert_eq!(free_space(&client).await, free);
    client.run(&machine, change(Add, None)).await.unwrap();
    assert_eq!(free_space(&client).await, free);
    let destroy = Some(VirtualDeviceConfigSpecFileOperation::Destroy);
    client.run(&machine, change(Remove, destroy)).await.unwrap();
    assert!(!names(&client, "DC0_H0_VM0").await.contains(&"disk1.vmdk".to_string()));
    assert_eq!(free_space(&client).await, free + (10 << 30));
}
