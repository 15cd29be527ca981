//! First class disks: their files, snapshots, tags and machines, through the manager of a vCenter, that of a host, and the
//! service of `/vslm`.

use vimsim::types::enums::VirtualDeviceConfigSpecOperation;
use vimsim::types::method::{
    AttachDiskTask, CloneVStorageObjectTask, CreateDiskFromSnapshotTask, CreateDiskTask, DeleteDatastoreFileTask,
    DeleteSnapshotTask, DeleteVStorageObjectTask, DestroyTask, DetachDiskTask, ExtendDiskTask, HostCreateDiskTask,
    HostExtendDiskTask, HostListVStorageObject, HostRetrieveVStorageObjectMetadataValue,
    HostUpdateVStorageObjectMetadataTask, InflateDiskTask, ListVStorageObject, PowerOffVMTask,
    ReconcileDatastoreInventoryTask, ReconfigVMTask, RegisterDisk, RelocateVStorageObjectTask, RenameVStorageObject,
    RetrieveContent, RetrieveSnapshotDetails, RetrieveSnapshotInfo, RetrieveVStorageObject,
    RetrieveVStorageObjectAssociations, RevertVStorageObjectTask, SetVStorageObjectControlFlags,
    VCenterUpdateVStorageObjectMetadataExTask, VStorageObjectCreateSnapshotTask, VslmAttachDiskTask,
    VslmCreateDiskTask, VslmListVStorageObjectForSpec, VslmQueryDatastoreInfo, VslmQueryGlobalCatalogSyncStatus,
    VslmQueryInfo, VslmQueryTaskResult, VslmRegisterDisk, VslmRetrieveVStorageObject, VslmRetrieveVStorageObjects,
    VstorageObjectVCenterQueryChangedDiskAreas,
};
use vimsim::types::views::{
    AlreadyExists, Datacenter, DiskChangeInfo, FileFault, FileManager, HostVStorageObjectManager, ID, InvalidArgument,
    InvalidState, KeyNotFound, KeyValue, NotFound, RetrieveVStorageObjSpec, VStorageObject, VStorageObjectSnapshotInfo,
    VcenterVStorageObjectManager, VirtualDeviceConfigSpec, VslmCloneSpec, VslmCreateSpec,
    VslmCreateSpecDiskFileBackingSpec, VslmRelocateSpec, VslmServiceInstance, VslmServiceInstanceContent, VslmTaskInfo,
    VslmVsoVStorageObjectQueryResult, VslmVsoVStorageObjectQuerySpec,
};
use vimsim::types::{MethodView, Moref, Object, Value, View};
use vimsim::{Client, Config, Product, Simulator};

use crate::inventory::found;
use crate::{check_fault, start};

fn manager() -> Moref {
    Moref::of::<VcenterVStorageObjectManager>("VStorageObjectManager")
}

fn id(text: &str) -> ID {
    ID::with(|id| _ = id.set_id(text))
}

fn spec(name: &str, datastore: &Moref, megabytes: i64, provisioning: &str) -> VslmCreateSpec {
    VslmCreateSpec::with(|spec| {
        spec.set_name(name).set_capacity_in_mb(megabytes);
        spec.set_backing_spec(VslmCreateSpecDiskFileBackingSpec::with(|backing| {
            backing.set_provisioning_type(provisioning);
            backing.set_datastore(datastore.clone());
        }));
    })
}

/// The arguments of a method: the disk, its datastore, and what else is set.
fn of<M: MethodView>(disk: &str, datastore: &Moref, fill: impl FnOnce(&mut M)) -> M {
    let mut request = M::new();
    let kind = request.as_object().kind().info();
    let set = |request: &mut M, name: &str, value: Value| {
        let slot = kind.slot(name).expect("the method has it");
        request.as_object_mut().set(slot, value);
    };
    set(&mut request, "id", Object::from(id(disk)).into());
    set(&mut request, "datastore", datastore.clone().into());
    fill(&mut request);
    request
}

fn object(value: &Value) -> VStorageObject {
    VStorageObject::from_ref(value.object().expect("an object")).expect("a disk").clone()
}

async fn free(client: &Client, datastore: &Moref) -> i64 {
    match client.property(datastore, "summary.freeSpace").await.unwrap() {
        Value::Long(bytes) => bytes,
        other => panic!("{other:?} is no size"),
    }
}

struct Disk {
    id: String,
    path: String,
}

async fn make(client: &Client, spec: VslmCreateSpec) -> Disk {
    let request = CreateDiskTask::with(|request| _ = request.set_spec(spec));
    let made = object(&client.run(&manager(), request).await.unwrap());
    let path = made.config().backing().as_object().field("filePath").text().expect("a path").to_owned();
    Disk { id: made.config().id().id().to_string(), path }
}

async fn retrieve(client: &Client, disk: &Disk, datastore: &Moref) -> VStorageObject {
    let request = of::<RetrieveVStorageObject>(&disk.id, datastore, |_| ());
    object(&client.call(&manager(), request).await.unwrap())
}

#[tokio::test]
async fn a_disk_is_a_file_of_its_size() {
    let (_simulator, client) = start().await;
    let store = found(&client, "DC0/datastore/LocalDS_0").await;
    let before = free(&client, &store).await;
    let disk = make(&client, spec("thin", &store, 10, "thin")).await;
    assert_eq!(disk.path, format!("[LocalDS_0] fcd/{}.vmdk", disk.id));
    assert_eq!(free(&client, &store).await, before);
    client.run(&manager(), of::<InflateDiskTask>(&disk.id, &store, |_| ())).await.unwrap();
    assert_eq!(free(&client, &store).await, before - (10 << 20));
    let extend = |size| of::<ExtendDiskTask>(&disk.id, &store, |it| _ = it.set_new_capacity_in_mb(size));
    check_fault::<InvalidArgument>(client.run(&manager(), extend(9)).await);
    client.run(&manager(), extend(20)).await.unwrap();
    assert_eq!(free(&client, &store).await, before - (20 << 20));
    let rename = |name: &str| of::<RenameVStorageObject>(&disk.id, &store, |it| _ = it.set_name(name));
    check_fault::<InvalidArgument>(client.call(&manager(), rename("")).await);
    client.call(&manager(), rename("fat")).await.unwrap();
    let known = retrieve(&client, &disk, &store).await;
    assert_eq!((known.config().name().as_str(), known.config().capacity_in_mb()), ("fat", 20));
    let kind = known.config().backing().as_object().field("provisioningType").text().map(str::to_owned);
    assert_eq!(kind.as_deref(), Some("eagerZeroedThick"));
    client.run(&manager(), of::<DeleteVStorageObjectTask>(&disk.id, &store, |_| ())).await.unwrap();
    assert_eq!(free(&client, &store).await, before);
    check_fault::<NotFound>(client.run(&manager(), of::<DeleteVStorageObjectTask>(&disk.id, &store, |_| ())).await);
    let wrong = CreateDiskTask::with(|request| _ = request.set_spec(spec("x", &store, 0, "thin")));
    check_fault::<InvalidArgument>(client.run(&manager(), wrong).await);
    let wrong = CreateDiskTask::with(|request| _ = request.set_spec(spec("x", &store, 1, "fat")));
    check_fault::<InvalidArgument>(client.run(&manager(), wrong).await);
}

#[tokio::test]
async fn a_snapshot_keeps_what_the_disk_was() {
    let (_simulator, client) = start().await;
    let store = found(&client, "DC0/datastore/LocalDS_0").await;
    let disk = make(&client, spec("d", &store, 10, "thin")).await;
    let set = |key: &str, value: &str| {
        of::<VCenterUpdateVStorageObjectMetadataExTask>(&disk.id, &store, |it| {
            it.push_metadata(KeyValue::with(|pair| {
                pair.set_key(key).set_value(value);
            }));
        })
    };
    client.run(&manager(), set("k", "old")).await.unwrap();
    let snap = of::<VStorageObjectCreateSnapshotTask>(&disk.id, &store, |it| _ = it.set_description("s"));
    let made = client.run(&manager(), snap).await.unwrap();
    let snapshot = made.object().unwrap().field("id").text().unwrap().to_owned();
    client.run(&manager(), set("k", "new")).await.unwrap();
    let extend = of::<ExtendDiskTask>(&disk.id, &store, |it| _ = it.set_new_capacity_in_mb(20));
    check_fault::<InvalidState>(client.run(&manager(), extend).await);
    let list = of::<RetrieveSnapshotInfo>(&disk.id, &store, |_| ());
    let known = client.call(&manager(), list.clone()).await.unwrap();
    let known = VStorageObjectSnapshotInfo::from_ref(known.object().unwrap()).unwrap().clone();
    assert_eq!(known.snapshots().first().unwrap().description(), "s");
    let details = of::<RetrieveSnapshotDetails>(&disk.id, &store, |it| _ = it.set_snapshot_id(id(&snapshot)));
    let details = client.call(&manager(), details).await.unwrap();
    let path = format!("[LocalDS_0] fcd/{}-000001.vmdk", disk.id);
    assert_eq!(details.object().unwrap().field("path").text(), Some(path.as_str()));
    let revert = of::<RevertVStorageObjectTask>(&disk.id, &store, |it| _ = it.set_snapshot_id(id(&snapshot)));
    client.run(&manager(), revert).await.unwrap();
    let now = retrieve(&client, &disk, &store).await;
    assert_eq!(now.config().metadata().first().unwrap().value(), "old");
    let copy = of::<CreateDiskFromSnapshotTask>(&disk.id, &store, |it| {
        it.set_snapshot_id(id(&snapshot)).set_name("copy");
    });
    let copy = object(&client.run(&manager(), copy).await.unwrap());
    assert_eq!((copy.config().name().as_str(), copy.config().capacity_in_mb()), ("copy", 10));
    let delete = of::<DeleteSnapshotTask>(&disk.id, &store, |it| _ = it.set_snapshot_id(id(&snapshot)));
    client.run(&manager(), delete.clone()).await.unwrap();
    check_fault::<NotFound>(client.run(&manager(), delete).await);
}

#[tokio::test]
async fn changes_are_tracked_where_that_is_asked_for() {
    let (_simulator, client) = start().await;
    let store = found(&client, "DC0/datastore/LocalDS_0").await;
    let disk = make(&client, spec("d", &store, 10, "thin")).await;
    let snap = of::<VStorageObjectCreateSnapshotTask>(&disk.id, &store, |it| _ = it.set_description("s"));
    let made = client.run(&manager(), snap).await.unwrap();
    let snapshot = made.object().unwrap().field("id").text().unwrap().to_owned();
    let changed = |start: i64, since: &str| {
        of::<VstorageObjectVCenterQueryChangedDiskAreas>(&disk.id, &store, |it| {
            it.set_snapshot_id(id(&snapshot)).set_start_offset(start).set_change_id(since);
        })
    };
    check_fault::<FileFault>(client.call(&manager(), changed(0, "*")).await);
    let flags =
        |flag: &str| of::<SetVStorageObjectControlFlags>(&disk.id, &store, |it| _ = it.push_control_flags(flag));
    check_fault::<InvalidArgument>(client.call(&manager(), flags("none")).await);
    client.call(&manager(), flags("enableChangedBlockTracking")).await.unwrap();
    check_fault::<InvalidArgument>(client.call(&manager(), changed(11 << 20, "*")).await);
    check_fault::<FileFault>(client.call(&manager(), changed(0, "nonsense")).await);
    let areas = client.call(&manager(), changed(1 << 20, "*")).await.unwrap();
    let areas = DiskChangeInfo::from_ref(areas.object().unwrap()).unwrap().clone();
    assert_eq!((areas.length(), areas.changed_area().len()), (9 << 20, 1));
}

#[tokio::test]
async fn a_machine_has_a_disk_and_gives_it_back() {
    let (_simulator, client) = start().await;
    let store = found(&client, "DC0/datastore/LocalDS_0").await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let disk = make(&client, spec("d", &store, 10, "thin")).await;
    let attach = AttachDiskTask::with(|it| {
        it.set_disk_id(id(&disk.id)).set_datastore(store.clone());
    });
    client.run(&machine, attach.clone()).await.unwrap();
    check_fault::<InvalidState>(client.run(&machine, attach.clone()).await);
    let known = retrieve(&client, &disk, &store).await;
    let uuid = client.property(&machine, "config.uuid").await.unwrap();
    assert_eq!(known.config().consumer_id().first().map(|id| id.id().to_string()).as_deref(), uuid.text());
    check_fault::<InvalidState>(client.run(&manager(), of::<DeleteVStorageObjectTask>(&disk.id, &store, |_| ())).await);
    let extend = of::<ExtendDiskTask>(&disk.id, &store, |it| _ = it.set_new_capacity_in_mb(20));
    client.run(&manager(), extend).await.unwrap();
    assert_eq!(retrieve(&client, &disk, &store).await.config().capacity_in_mb(), 20);
    let ask = RetrieveVStorageObjectAssociations::with(|it| {
        it.push_ids(RetrieveVStorageObjSpec::with(|spec| {
            spec.set_id(id(&disk.id)).set_datastore(store.clone());
        }));
    });
    let answer = client.call(&manager(), ask).await.unwrap();
    let held = answer.items()[0].object().unwrap().field("vmDiskAssociations").items()[0].clone();
    assert_eq!(held.object().unwrap().field("vmId").text(), Some(machine.value().as_str()));
    let detach = DetachDiskTask::with(|it| _ = it.set_disk_id(id(&disk.id)));
    client.run(&machine, detach.clone()).await.unwrap();
    check_fault::<NotFound>(client.run(&machine, detach).await);
    assert!(retrieve(&client, &disk, &store).await.config().consumer_id().is_empty());
    assert_eq!(retrieve(&client, &disk, &store).await.config().capacity_in_mb(), 20);
}

#[tokio::test]
async fn a_disk_outlives_its_machine_if_it_is_to() {
    let (_simulator, client) = start().await;
    let store = found(&client, "DC0/datastore/LocalDS_0").await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let (kept, gone) =
        (make(&client, spec("kept", &store, 10, "thin")).await, make(&client, spec("gone", &store, 10, "thin")).await);
    let keep =
        of::<SetVStorageObjectControlFlags>(&kept.id, &store, |it| _ = it.push_control_flags("keepAfterDeleteVm"));
    client.call(&manager(), keep).await.unwrap();
    for disk in [&kept, &gone] {
        let attach = AttachDiskTask::with(|it| {
            it.set_disk_id(id(&disk.id)).set_datastore(store.clone());
        });
        client.run(&machine, attach).await.unwrap();
    }
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    client.run(&machine, DestroyTask::new()).await.unwrap();
    assert_eq!(retrieve(&client, &kept, &store).await.config().name(), "kept");
    let request = of::<RetrieveVStorageObject>(&gone.id, &store, |_| ());
    check_fault::<NotFound>(client.call(&manager(), request).await);
    let list = ListVStorageObject::with(|it| _ = it.set_datastore(store.clone()));
    assert_eq!(client.call(&manager(), list.clone()).await.unwrap().items().len(), 2);
    let reconcile = ReconcileDatastoreInventoryTask::with(|it| _ = it.set_datastore(store.clone()));
    client.run(&manager(), reconcile).await.unwrap();
    assert_eq!(client.call(&manager(), list).await.unwrap().items().len(), 1);
}

#[tokio::test]
async fn disks_are_registered_copied_and_moved() {
    let mut config = Config::default();
    config.model.datastore = 2;
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let store = found(&client, "DC0/datastore/LocalDS_0").await;
    let other = found(&client, "DC0/datastore/LocalDS_1").await;
    let url = |path: &str| format!("https://host/folder/{path}?dcPath=DC0&dsName=LocalDS_0");
    let register = |path: &str| RegisterDisk::with(|it| _ = it.set_path(url(path)));
    check_fault::<FileFault>(client.call(&manager(), register("DC0_H0_VM0")).await);
    check_fault::<FileFault>(client.call(&manager(), register("none.vmdk")).await);
    let own = object(&client.call(&manager(), register("DC0_H0_VM0/disk1.vmdk")).await.unwrap());
    assert_eq!((own.config().name().as_str(), own.config().consumer_id().len()), ("disk1", 1));
    check_fault::<AlreadyExists>(client.call(&manager(), register("DC0_H0_VM0/disk1.vmdk")).await);
    let backing = |datastore: &Moref| {
        VslmCreateSpecDiskFileBackingSpec::with(|backing| _ = backing.set_datastore(datastore.clone()))
    };
    let clone = of::<CloneVStorageObjectTask>(own.config().id().id(), &store, |it| {
        it.set_spec(VslmCloneSpec::with(|spec| {
            spec.set_name("copy");
            spec.set_backing_spec(backing(&other));
        }));
    });
    let copy = object(&client.run(&manager(), clone).await.unwrap());
    assert_eq!(copy.config().backing().datastore(), other);
    assert_eq!(copy.config().capacity_in_mb(), own.config().capacity_in_mb());
    let relocate = |disk: &VStorageObject, from: &Moref, to: &Moref| {
        of::<RelocateVStorageObjectTask>(disk.config().id().id(), from, |it| {
            it.set_spec(VslmRelocateSpec::with(|spec| _ = spec.set_backing_spec(backing(to))));
        })
    };
    check_fault::<InvalidState>(client.run(&manager(), relocate(&own, &store, &other)).await);
    check_fault::<InvalidState>(client.run(&manager(), relocate(&copy, &other, &other)).await);
    let moved = object(&client.run(&manager(), relocate(&copy, &other, &store)).await.unwrap());
    assert_eq!(moved.config().backing().datastore(), store);
}

fn query(field: &str, operator: &str, value: &str) -> VslmVsoVStorageObjectQuerySpec {
    VslmVsoVStorageObjectQuerySpec::with(|query| {
        query.set_query_field(field).set_query_operator(operator).set_query_value([value]);
    })
}

#[tokio::test]
async fn the_catalog_finds_disks_wherever_they_are() {
    let (simulator, client) = start().await;
    let store = found(&client, "DC0/datastore/LocalDS_0").await;
    let vslm = Client::at(&simulator, "/vslm/sdk");
    let instance = Moref::of::<VslmServiceInstance>("ServiceInstance");
    let content = vslm.call(&instance, RetrieveContent::new()).await.unwrap();
    let content = VslmServiceInstanceContent::from_ref(content.object().unwrap()).unwrap().clone();
    let (manager, lifecycle) = (content.v_storage_object_manager(), content.storage_lifecycle_manager());
    let vslm = vslm.with_session(&client.session().unwrap());
    let create = VslmCreateDiskTask::with(|it| _ = it.set_spec(spec("alpha", &store, 10, "thin")));
    let task = vslm.call(&manager, create).await.unwrap().moref().unwrap();
    assert_eq!(task.kind().name(), "VslmTask");
    let made = loop {
        let info = vslm.call(&task, VslmQueryInfo::new()).await.unwrap();
        let info = VslmTaskInfo::from_ref(info.object().unwrap()).unwrap().clone();
        if info.complete_time().is_some() {
            break object(&vslm.call(&task, VslmQueryTaskResult::new()).await.unwrap());
        }
    };
    let disk = made.config().id().id().to_string();
    make(&client, spec("beta", &store, 20, "thin")).await;
    let list = |queries: Vec<VslmVsoVStorageObjectQuerySpec>, most: i32| {
        VslmListVStorageObjectForSpec::with(|it| {
            it.set_query(queries).set_max_result(most);
        })
    };
    let count = async |request| {
        let answer = vslm.call(&manager, request).await.unwrap();
        let answer = VslmVsoVStorageObjectQueryResult::from_ref(answer.object().unwrap()).unwrap().clone();
        (answer.id().len(), answer.all_records_returned())
    };
    assert_eq!(count(list(vec![], 10)).await, (2, true));
    assert_eq!(count(list(vec![], 1)).await, (1, false));
    let both = vec![query("capacity", "greaterThan", "10"), query("name", "startsWith", "be")];
    assert_eq!(count(list(both, 10)).await, (1, true));
    assert_eq!(count(list(vec![query("datastoreMoId", "equals", store.value())], 10)).await, (2, true));
    assert!(vslm.call(&manager, list(vec![query("nonsense", "equals", "1")], 10)).await.is_err());
    check_fault::<NotFound>(vslm.call(&manager, VslmRetrieveVStorageObject::with(|it| _ = it.set_id(id("x")))).await);
    let found_again = VslmRetrieveVStorageObject::with(|it| _ = it.set_id(id(&disk)));
    assert_eq!(object(&vslm.call(&manager, found_again).await.unwrap()).config().name(), "alpha");
    let all = vslm.call(&manager, VslmRetrieveVStorageObjects::new()).await.unwrap();
    assert_eq!(all.items().len(), 2);
    let status = vslm.call(&manager, VslmQueryGlobalCatalogSyncStatus::new()).await.unwrap();
    let url = status.items()[0].object().unwrap().field("datastoreURL").text().unwrap().to_owned();
    let info = VslmQueryDatastoreInfo::with(|it| _ = it.set_datastore_url(url));
    let info = vslm.call(&lifecycle, info).await.unwrap();
    assert_eq!(info.items()[0].object().unwrap().field("datastore").moref(), Some(store.clone()));
    let machine = crate::inventory::found(&client, "DC0/vm/DC0_H0_VM0").await;
    let attach = VslmAttachDiskTask::with(|it| {
        it.set_id(id(&disk)).set_vm(machine.clone());
    });
    let task = vslm.call(&manager, attach).await.unwrap().moref().unwrap();
    client.wait_for_task(&Moref::of::<vimsim::types::views::Task>(task.value())).await.unwrap();
    let register = VslmRegisterDisk::with(|it| _ = it.set_path("nowhere"));
    assert!(vslm.call(&manager, register).await.is_err());
}

#[tokio::test]
async fn a_host_has_the_same_under_other_names() {
    let config = Config { product: Product::EsxHost, ..Config::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let manager = Moref::of::<HostVStorageObjectManager>("ha-vstorage-object-manager");
    let datacenter = Moref::of::<Datacenter>("ha-datacenter");
    let store = client.property(&datacenter, "datastore").await.unwrap().items()[0].moref().unwrap();
    let request = HostCreateDiskTask::with(|request| _ = request.set_spec(spec("d", &store, 10, "thin")));
    let made = object(&client.run(&manager, request).await.unwrap());
    let disk = made.config().id().id().to_string();
    let extend = of::<HostExtendDiskTask>(&disk, &store, |it| _ = it.set_new_capacity_in_mb(20));
    client.run(&manager, extend).await.unwrap();
    let list = HostListVStorageObject::with(|it| _ = it.set_datastore(store.clone()));
    assert_eq!(client.call(&manager, list).await.unwrap().items().len(), 1);
    let update = of::<HostUpdateVStorageObjectMetadataTask>(&disk, &store, |it| {
        it.push_metadata(KeyValue::with(|pair| {
            pair.set_key("k").set_value("v");
        }));
    });
    client.run(&manager, update).await.unwrap();
    let value = |key: &str| of::<HostRetrieveVStorageObjectMetadataValue>(&disk, &store, |it| _ = it.set_key(key));
    assert_eq!(client.call(&manager, value("k")).await.unwrap().text(), Some("v"));
    check_fault::<KeyNotFound>(client.call(&manager, value("x")).await);
}

#[tokio::test]
async fn who_deletes_the_file_loses_the_disk() {
    let (_simulator, client) = start().await;
    let store = found(&client, "DC0/datastore/LocalDS_0").await;
    let datacenter = found(&client, "DC0").await;
    let disk = make(&client, spec("d", &store, 10, "thin")).await;
    let delete = DeleteDatastoreFileTask::with(|it| {
        it.set_name(&disk.path).set_datacenter(datacenter);
    });
    client.run(&Moref::of::<FileManager>("FileManager"), delete).await.unwrap();
    check_fault::<NotFound>(client.call(&manager(), of::<RetrieveVStorageObject>(&disk.id, &store, |_| ())).await);
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let lost = make(&client, spec("e", &store, 10, "thin")).await;
    let attach = AttachDiskTask::with(|it| {
        it.set_disk_id(id(&lost.id)).set_datastore(store.clone());
    });
    client.run(&machine, attach).await.unwrap();
    let devices = client.property(&machine, "config.hardware.device").await.unwrap();
    let device = devices.items().iter().find(|it| !it.object().unwrap().field("vDiskId").is_unset()).unwrap();
    let remove = ReconfigVMTask::with(|it| {
        it.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Remove);
            let device = device.object().unwrap().clone();
            change.set_device(vimsim::types::views::VirtualDevice::from_object(device).unwrap());
        }));
    });
    client.run(&machine, remove).await.unwrap();
    assert!(retrieve(&client, &lost, &store).await.config().consumer_id().is_empty());
}
