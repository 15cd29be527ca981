//! LUNs, their partitions, and the VMFS datastores on them.

use vimsim::Client;
use vimsim::types::method::{
    AddStandaloneHostTask, AttachScsiLun, ComputeDiskPartitionInfo, CreateVmfsDatastore, DestroyDatastore,
    DetachScsiLun, ExpandVmfsDatastore, ExtendVmfsDatastore, FormatVmfs, MountVmfsVolume, QueryAvailableDisksForVmfs,
    QueryUnresolvedVmfsVolumes, QueryVmfsConfigOption, QueryVmfsDatastoreCreateOptions,
    QueryVmfsDatastoreExpandOptions, QueryVmfsDatastoreExtendOptions, RemoveDatastore, RenameDatastore,
    RetrieveDiskPartitionInfo, UnmountVmfsVolume, UpdateDiskPartitions, UpdateLocalSwapDatastore,
};
use vimsim::types::views::{
    AlreadyExists, DuplicateName, HostConfigFault, HostConnectSpec, HostDiskPartitionInfo, HostVmfsSpec,
    InaccessibleDatastore, InvalidState, NotFound, ResourceInUse, VmfsDatastoreCreateSpec, VmfsDatastoreExpandSpec,
    VmfsDatastoreExtendSpec, VmfsDatastoreOption,
};
use vimsim::types::{Moref, Value, View};

use crate::datastores::start;
use crate::inventory::found;
use crate::{check_fault, create};

const LOCAL: &str = "mpx.vmhba0:C0:T1:L0";
const SHARED: &str = "naa.6000c2901d5a7e3b94c8f06d2b7a4e11";
const OTHER: &str = "naa.6000c2955b0e9f1c2d7a8364e0c19b22";
const GIB: i64 = 1 << 30;
/// What VMFS divides LUNs in.
const UNIT: i64 = 256 << 20;

/// A host, and its managers of datastores and storage.
async fn host(client: &Client, path: &str) -> (Moref, Moref, Moref) {
    let host = found(client, path).await;
    let managers = client.property(&host, "configManager").await.unwrap();
    let manager = |name: &str| managers.object().unwrap().field(name).moref().unwrap();
    (host, manager("datastoreSystem"), manager("storageSystem"))
}

fn device(name: &str) -> String {
    format!("/vmfs/devices/disks/{name}")
}

async fn available(client: &Client, system: &Moref, datastore: Option<&Moref>) -> Vec<String> {
    let request = QueryAvailableDisksForVmfs::with(|request| _ = request.set_datastore(datastore.cloned()));
    let disks = client.call(system, request).await.unwrap();
    disks.items().iter().map(|disk| disk.object().unwrap().field("canonicalName").text().unwrap().into()).collect()
}

fn spec<S: View>(option: &Value) -> S {
    let option = VmfsDatastoreOption::from_object(option.object().unwrap().clone()).unwrap();
    option.spec().downcast::<S>().cloned().unwrap()
}

async fn options(client: &Client, system: &Moref, disk: &str) -> Vec<Value> {
    let request = QueryVmfsDatastoreCreateOptions::with(|request| _ = request.set_device_path(device(disk)));
    client.call(system, request).await.unwrap().items().to_vec()
}

/// What makes a datastore of a LUN: all of it, or only so many bytes.
async fn wanted(client: &Client, system: &Moref, disk: &str, name: &str, size: Option<i64>) -> CreateVmfsDatastore {
    let mut spec: VmfsDatastoreCreateSpec = spec(&options(client, system, disk).await[0]);
    spec.vmfs_mut().set_volume_name(name);
    if let Some(size) = size {
        for partition in spec.partition_mut().partition_mut().iter_mut() {
            partition.set_end_sector(2_048 + size / 512 - 1);
        }
    }
    CreateVmfsDatastore::with(|request| _ = request.set_spec(spec))
}

async fn made(client: &Client, system: &Moref, disk: &str, name: &str, size: Option<i64>) -> Moref {
    create(client, system, wanted(client, system, disk, name, size).await).await
}

async fn long(client: &Client, moref: &Moref, path: &str) -> i64 {
    match client.property(moref, path).await.unwrap() {
        Value::Long(number) => number,
        other => panic!("{path}: {other:?}"),
    }
}

async fn hosts(client: &Client, datastore: &Moref) -> usize {
    client.property(datastore, "host").await.unwrap().items().len()
}

/// The names of the volumes that a host shows, as far as they are on the LUN.
async fn volumes(client: &Client, storage: &Moref, disk: &str) -> Vec<String> {
    let mounts = client.property(storage, "fileSystemVolumeInfo.mountInfo").await.unwrap();
    let volumes = mounts.items().iter().map(|mount| mount.object().unwrap().field("volume").object().unwrap().clone());
    let is_on = |volume: &vimsim::types::Object| {
        let extents = volume.field("extent").items().iter();
        extents.clone().any(|extent| extent.object().unwrap().field("diskName").text() == Some(disk))
    };
    volumes.filter(is_on).map(|volume| volume.field("name").text().unwrap().into()).collect()
}

async fn table(client: &Client, storage: &Moref, disk: &str) -> HostDiskPartitionInfo {
    let request = RetrieveDiskPartitionInfo::with(|request| _ = request.push_device_path(device(disk)));
    let tables = client.call(storage, request).await.unwrap();
    HostDiskPartitionInfo::from_object(tables.items()[0].object().unwrap().clone()).unwrap()
}

#[tokio::test]
async fn a_shared_volume_is_a_datastore_of_all_hosts_of_its_datacenter() {
    let (_simulator, client) = start().await;
    let (_, first, storage) = host(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let (_, second, other_storage) = host(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    assert_eq!(available(&client, &first, None).await, [LOCAL, SHARED, OTHER]);
    let datastore = made(&client, &first, SHARED, "v", None).await;
    assert_eq!(available(&client, &first, None).await, [LOCAL, OTHER]);
    assert_eq!(available(&client, &second, None).await, [LOCAL, OTHER]);
    assert_eq!(hosts(&client, &datastore).await, 4);
    assert_eq!(volumes(&client, &storage, SHARED).await, ["v"]);
    assert_eq!(volumes(&client, &other_storage, SHARED).await, ["v"]);
    assert_eq!(long(&client, &datastore, "summary.capacity").await, 1_024 * GIB - UNIT);
    assert_eq!(long(&client, &datastore, "info.vmfs.capacity").await, 1_024 * GIB - UNIT);
    assert_eq!(client.property(&datastore, "summary.type").await.unwrap().text(), Some("VMFS"));
    let path = QueryVmfsDatastoreCreateOptions::with(|request| _ = request.set_device_path(device(SHARED)));
    check_fault::<HostConfigFault>(client.call(&second, path).await);
    // A host that is added later sees the volume, too.
    let folder = found(&client, "DC0/host").await;
    let request = AddStandaloneHostTask::with(|request| {
        request.set_add_connected(true).set_spec(HostConnectSpec::with(|spec| {
            spec.set_host_name("new").set_user_name("root").set_password("x").set_force(true);
        }));
    });
    client.run(&folder, request).await.unwrap();
    assert_eq!(hosts(&client, &datastore).await, 5);
    let rename = RenameDatastore::with(|request| _ = request.set_new_name("w"));
    client.call(&datastore, rename).await.unwrap();
    assert_eq!(volumes(&client, &other_storage, SHARED).await, ["w"]);
    assert_eq!(client.property(&datastore, "info.vmfs.name").await.unwrap().text(), Some("w"));
    client.call(&datastore, DestroyDatastore::new()).await.unwrap();
    assert_eq!(available(&client, &second, None).await, [LOCAL, SHARED, OTHER]);
    assert!(volumes(&client, &other_storage, SHARED).await.is_empty());
    assert!(table(&client, &storage, SHARED).await.layout().partition().is_empty());
}

#[tokio::test]
async fn a_local_volume_is_its_host_s_alone() {
    let (_simulator, client) = start().await;
    let (_, first, _) = host(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let (_, second, _) = host(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let one = made(&client, &first, LOCAL, "one", None).await;
    check_fault::<DuplicateName>(client.call(&second, wanted(&client, &second, LOCAL, "one", None).await).await);
    let two = made(&client, &second, LOCAL, "two", None).await;
    assert_eq!((hosts(&client, &one).await, hosts(&client, &two).await), (1, 1));
    let uuid = |datastore: Moref| async { client.property(&{ datastore }, "info.vmfs.uuid").await.unwrap() };
    assert_ne!(uuid(one.clone()).await, uuid(two).await);
    let remove = RemoveDatastore::with(|request| _ = request.set_datastore(one));
    client.call(&first, remove).await.unwrap();
    assert_eq!(available(&client, &first, None).await, [LOCAL, SHARED, OTHER]);
    assert_eq!(available(&client, &second, None).await, [SHARED, OTHER]);
}

#[tokio::test]
async fn a_volume_grows_on_its_lun_and_onto_others() {
    let (_simulator, client) = start().await;
    let (_, system, storage) = host(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let datastore = made(&client, &system, SHARED, "v", Some(20 * GIB)).await;
    assert_eq!(long(&client, &datastore, "summary.capacity").await, 20 * GIB);
    let request = QueryVmfsDatastoreExpandOptions::with(|request| _ = request.set_datastore(datastore.clone()));
    let choices = client.call(&system, request.clone()).await.unwrap();
    let spec_of_growth: VmfsDatastoreExpandSpec = spec(&choices.items()[0]);
    let expand = ExpandVmfsDatastore::with(|request| {
        request.set_datastore(datastore.clone()).set_spec(spec_of_growth);
    });
    client.call(&system, expand.clone()).await.unwrap();
    check_fault::<HostConfigFault>(client.call(&system, expand).await);
    assert_eq!(long(&client, &datastore, "summary.capacity").await, 1_024 * GIB - UNIT);
    assert!(client.call(&system, request).await.unwrap().items().is_empty());

    assert_eq!(available(&client, &system, Some(&datastore)).await, [LOCAL, SHARED, OTHER]);
    let request = |disk: &str| {
        QueryVmfsDatastoreExtendOptions::with(|request| {
            request.set_datastore(datastore.clone()).set_device_path(device(disk));
        })
    };
    let choices = client.call(&system, request(OTHER)).await.unwrap();
    let spec_of_extent: VmfsDatastoreExtendSpec = spec(&choices.items()[0]);
    let extend = ExtendVmfsDatastore::with(|request| {
        request.set_datastore(datastore.clone()).set_spec(spec_of_extent);
    });
    client.call(&system, extend.clone()).await.unwrap();
    check_fault::<HostConfigFault>(client.call(&system, extend).await);
    assert_eq!(long(&client, &datastore, "summary.capacity").await, 3_072 * GIB - 2 * UNIT);
    assert_eq!(long(&client, &datastore, "summary.freeSpace").await, 3_072 * GIB - 2 * UNIT);
    assert_eq!(client.property(&datastore, "info.vmfs.extent").await.unwrap().items().len(), 2);
    assert_eq!(volumes(&client, &storage, OTHER).await, ["v"]);
    assert_eq!(available(&client, &system, None).await, [LOCAL]);
    // Only its own host sees a local LUN.
    let choices = client.call(&system, request(LOCAL)).await.unwrap();
    let extend = ExtendVmfsDatastore::with(|request| {
        request.set_datastore(datastore.clone()).set_spec(spec::<VmfsDatastoreExtendSpec>(&choices.items()[0]));
    });
    check_fault::<HostConfigFault>(client.call(&system, extend).await);
    let local = found(&client, "DC0/datastore/LocalDS_0").await;
    let request = QueryVmfsDatastoreExpandOptions::with(|request| _ = request.set_datastore(local));
    check_fault::<HostConfigFault>(client.call(&system, request).await);
}

#[tokio::test]
async fn what_cannot_be_a_volume_is_refused() {
    let (_simulator, client) = start().await;
    let (_, system, _) = host(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let refused = |change: fn(&mut VmfsDatastoreCreateSpec)| {
        let (client, system) = (&client, &system);
        async move {
            let mut wanted = wanted(client, system, SHARED, "v", None).await;
            change(wanted.spec_mut());
            client.call(system, wanted).await
        }
    };
    check_fault::<HostConfigFault>(refused(|spec| _ = spec.vmfs_mut().set_major_version(3)).await);
    check_fault::<HostConfigFault>(refused(|spec| _ = spec.vmfs_mut().extent_mut().set_partition(2)).await);
    check_fault::<HostConfigFault>(refused(|spec| _ = spec.vmfs_mut().extent_mut().set_disk_name(OTHER)).await);
    let size = |end: i64| {
        move |spec: &mut VmfsDatastoreCreateSpec| {
            spec.partition_mut().partition_mut().iter_mut().for_each(|it| _ = it.set_end_sector(end));
        }
    };
    let (small, large) = (size(4_096), size(i64::MAX));
    for change in [&small, &large] {
        let mut wanted = wanted(&client, &system, SHARED, "v", None).await;
        change(wanted.spec_mut());
        check_fault::<HostConfigFault>(client.call(&system, wanted).await);
    }
    check_fault::<NotFound>(refused(|spec| _ = spec.set_disk_uuid("none")).await);
    check_fault::<DuplicateName>(refused(|spec| _ = spec.vmfs_mut().set_volume_name("LocalDS_0")).await);
    // The disk that the host runs from is no choice, and nothing has changed.
    let path = QueryVmfsDatastoreCreateOptions::with(|it| _ = it.set_device_path(device("mpx.vmhba0:C0:T0:L0")));
    check_fault::<HostConfigFault>(client.call(&system, path).await);
    assert_eq!(available(&client, &system, None).await, [LOCAL, SHARED, OTHER]);
    assert!(client.call(&system, QueryUnresolvedVmfsVolumes::new()).await.unwrap().items().is_empty());
}

#[tokio::test]
async fn partitions_are_made_and_formatted() {
    let (_simulator, client) = start().await;
    let (_, system, storage) = host(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let (_, other, _) = host(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let boot = table(&client, &storage, "mpx.vmhba0:C0:T0:L0").await;
    assert_eq!(boot.spec().partition().len(), 5);
    let mut layout = table(&client, &storage, SHARED).await.layout().clone();
    for (start, end, kind) in [(2_048, 2 * GIB / 512, "linuxNative"), (3 * GIB / 512, 13 * GIB / 512 - 1, "vmfs")] {
        layout.push_partition(vimsim::types::views::HostDiskPartitionBlockRange::with(|range| {
            range.set_type(kind);
            range.start_mut().set_block_size(512).set_block(start);
            range.end_mut().set_block_size(512).set_block(end);
        }));
    }
    let compute = ComputeDiskPartitionInfo::with(|request| {
        request.set_device_path(device(SHARED)).set_layout(layout);
    });
    let computed = client.call(&storage, compute).await.unwrap();
    let computed = HostDiskPartitionInfo::from_object(computed.object().unwrap().clone()).unwrap();
    let update = |spec: vimsim::types::views::HostDiskPartitionSpec| {
        UpdateDiskPartitions::with(|request| _ = request.set_device_path(device(SHARED)).set_spec(spec))
    };
    client.call(&storage, update(computed.spec().clone())).await.unwrap();
    // Whoever sees the LUN sees how it is partitioned.
    assert_eq!(available(&client, &other, None).await, [LOCAL, OTHER]);
    let format = |name: &str, partition: i32| {
        FormatVmfs::with(|request| {
            request.set_create_spec(HostVmfsSpec::with(|spec| {
                spec.extent_mut().set_disk_name(SHARED).set_partition(partition);
                spec.set_major_version(5).set_volume_name(name);
            }));
        })
    };
    check_fault::<HostConfigFault>(client.call(&storage, format("f", 1)).await);
    check_fault::<AlreadyExists>(client.call(&storage, format("LocalDS_0", 2)).await);
    let volume = client.call(&storage, format("f", 2)).await.unwrap();
    assert_eq!(*volume.object().unwrap().field("capacity"), Value::Long(10 * GIB));
    check_fault::<HostConfigFault>(client.call(&storage, format("g", 2)).await);
    let datastore = found(&client, "DC0/datastore/f").await;
    assert_eq!(hosts(&client, &datastore).await, 4);
    check_fault::<HostConfigFault>(client.call(&storage, update(View::new())).await);
    client.call(&datastore, DestroyDatastore::new()).await.unwrap();
    // One partition is left, so that there is a choice.
    assert_eq!(options(&client, &system, SHARED).await.len(), 2);
    client.call(&storage, update(View::new())).await.unwrap();
    assert_eq!(options(&client, &system, SHARED).await.len(), 1);
    assert_eq!(client.call(&storage, QueryVmfsConfigOption::new()).await.unwrap().items().len(), 1);
}

#[tokio::test]
async fn volumes_and_luns_come_and_go() {
    let (_simulator, client) = start().await;
    let (host, system, storage) = host(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let datastore = made(&client, &system, LOCAL, "v", None).await;
    let uuid = client.property(&datastore, "info.vmfs.uuid").await.unwrap().text().unwrap().to_string();
    let unmount = |uuid: &str| UnmountVmfsVolume::with(|request| _ = request.set_vmfs_uuid(uuid));
    let mount = |uuid: &str| MountVmfsVolume::with(|request| _ = request.set_vmfs_uuid(uuid));
    let swap = |datastore: Option<&Moref>| {
        UpdateLocalSwapDatastore::with(|request| _ = request.set_datastore(datastore.cloned()))
    };
    let luns = client.property(&storage, "storageDeviceInfo.scsiLun").await.unwrap();
    let is_local = |lun: &&Value| lun.object().unwrap().field("canonicalName").text() == Some(LOCAL);
    let lun = luns.items().iter().find(is_local).unwrap().object().unwrap().field("uuid").text().unwrap().to_string();
    let detach = || DetachScsiLun::with(|request| _ = request.set_lun_uuid(&lun));
    let attach = || AttachScsiLun::with(|request| _ = request.set_lun_uuid(&lun));

    client.call(&system, swap(Some(&datastore))).await.unwrap();
    assert_eq!(client.property(&host, "config.localSwapDatastore").await.unwrap().moref(), Some(datastore.clone()));
    check_fault::<ResourceInUse>(client.call(&storage, detach()).await);
    check_fault::<NotFound>(client.call(&storage, unmount("none")).await);
    check_fault::<InvalidState>(client.call(&storage, mount(&uuid)).await);
    client.call(&storage, unmount(&uuid)).await.unwrap();
    check_fault::<InvalidState>(client.call(&storage, unmount(&uuid)).await);
    assert_eq!(client.property(&datastore, "summary.accessible").await.unwrap(), Value::Bool(false));
    check_fault::<InaccessibleDatastore>(client.call(&system, swap(Some(&datastore))).await);
    client.call(&storage, detach()).await.unwrap();
    check_fault::<InvalidState>(client.call(&storage, detach()).await);
    check_fault::<HostConfigFault>(client.call(&storage, mount(&uuid)).await);
    client.call(&storage, attach()).await.unwrap();
    check_fault::<InvalidState>(client.call(&storage, attach()).await);
    client.call(&storage, mount(&uuid)).await.unwrap();
    assert_eq!(client.property(&datastore, "summary.accessible").await.unwrap(), Value::Bool(true));
    client.call(&datastore, DestroyDatastore::new()).await.unwrap();
    assert_eq!(client.property(&host, "config.localSwapDatastore").await.unwrap(), Value::Unset);
    client.call(&system, swap(None)).await.unwrap();
    // A detached LUN cannot be formatted.
    client.call(&storage, detach()).await.unwrap();
    assert_eq!(available(&client, &system, None).await, [SHARED, OTHER]);
}
