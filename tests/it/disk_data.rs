//! What was written into disks that grow with use: wherever its size is told, it is the same.

use std::collections::BTreeMap;

use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, FileClient, Simulator};

use crate::inventory::found;

const GIB: i64 = 1 << 30;

/// The bytes of a snapshot's file without memory.
const STATE: i64 = 28_672;

/// Two datastores, and a machine that is off, with a thin disk of 10 GiB that nobody has written to.
struct Lab {
    simulator: Simulator,
    client: Client,
    machine: Moref,
}

impl Lab {
    async fn start() -> Self {
        let mut config = Config::default();
        config.model.datastore = 2;
        let simulator = Simulator::start(config).await.unwrap();
        let client = Client::login(&simulator).await.unwrap();
        let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
        client.run(&machine, PowerOffVMTask::new()).await.unwrap();
        Self { simulator, client, machine }
    }

    fn files(&self) -> FileClient {
        FileClient::in_session(&self.simulator, &self.client)
    }

    async fn put(&self, path: &str, bytes: usize) {
        let answer = self.files().put(&at(path), vec![7_u8; bytes]).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
    }

    async fn free(&self, datastore: &str) -> i64 {
        let datastore = found(&self.client, &format!("DC0/datastore/{datastore}")).await;
        match self.client.property(&datastore, "summary.freeSpace").await.unwrap() {
            Value::Long(bytes) => bytes,
            other => panic!("{other:?} is no size"),
        }
    }

    /// The sizes of the files in a folder, as the datastore's browser tells them.
    async fn browse(&self, datastore: &str, folder: &str, query: Option<FileQuery>) -> BTreeMap<String, i64> {
        let moref = found(&self.client, &format!("DC0/datastore/{datastore}")).await;
        let browser = self.client.property(&moref, "browser").await.unwrap().moref().unwrap();
        let request = SearchDatastoreTask::with(|request| {
            request.set_datastore_path(format!("[{datastore}] {folder}"));
            let spec = request.search_spec_mut();
            spec.details_mut().set_file_size(true).set_file_type(false).set_modification(false);
            if let Some(query) = query {
                spec.push_query(query);
            }
        });
        let result = self.client.run(&browser, request).await.unwrap();
        let result = HostDatastoreBrowserSearchResults::from_ref(result.object().unwrap()).unwrap().clone();
        let files = result.file();
        files
            .iter()
            .map(|it| (format!("[{datastore}] {folder}/{}", it.path()), it.file_size().expect("asked")))
            .collect()
    }

    /// The data of the machine's disks, by the names of their files: where ever their sizes are told, they are the same.
    async fn data(&self, machine: &Moref) -> BTreeMap<String, i64> {
        let layout = self.client.property(machine, "layoutEx").await.unwrap();
        let layout = VirtualMachineFileLayoutEx::from_object(layout.object().unwrap().clone()).unwrap();
        let storage = self.client.property(machine, "storage").await.unwrap();
        let storage = VirtualMachineStorageInfo::from_object(storage.object().unwrap().clone()).unwrap();
        let (mut told, mut committed) = (BTreeMap::new(), BTreeMap::<String, i64>::new());
        for file in layout.file() {
            let (datastore, path) = file.name().strip_prefix('[').unwrap().split_once("] ").unwrap();
            let (folder, _) = path.rsplit_once('/').unwrap();
            let browsed = self.browse(datastore, folder, None).await;
            assert_eq!(browsed.get(file.name().as_str()), Some(&file.size()), "{}", file.name());
            assert_eq!(file.unique_size(), Some(file.size()));
            if file.type_() == "diskExtent" {
                told.insert(path.rsplit('/').next().unwrap().to_owned(), file.size());
            }
            if ["diskExtent", "nvram", "snapshotData", "snapshotMemory"].contains(&file.type_().as_str()) {
                *committed.entry(datastore.to_owned()).or_default() += file.size();
            }
        }
        for usage in storage.per_datastore_usage() {
            let name = self.client.property(&usage.datastore(), "name").await.unwrap();
            assert_eq!(committed.get(name.text().unwrap()), Some(&usage.committed()), "{name:?}");
            assert_eq!(usage.unshared(), usage.committed());
        }
        let summary = self.client.property(machine, "summary.storage.committed").await.unwrap();
        assert_eq!(summary, Value::Long(committed.values().sum()));
        told
    }

    async fn uncommitted(&self) -> Value {
        self.client.property(&self.machine, "summary.storage.uncommitted").await.unwrap()
    }
}

fn at(path: &str) -> String {
    format!("/folder/{path}?dcPath=DC0&dsName=LocalDS_0")
}

fn sizes<const N: usize>(all: [(&str, i64); N]) -> BTreeMap<String, i64> {
    all.into_iter().map(|(name, size)| (name.to_owned(), size)).collect()
}

#[tokio::test]
async fn a_thin_disk_takes_what_was_written_into_it() {
    let lab = Lab::start().await;
    assert_eq!(lab.data(&lab.machine).await, sizes([("disk1-flat.vmdk", 0)]));
    assert_eq!(lab.uncommitted().await, Value::Long(10 * GIB));
    let free = lab.free("LocalDS_0").await;
    lab.put("DC0_H0_VM0/disk1-flat.vmdk", 5_000).await;
    assert_eq!(lab.data(&lab.machine).await, sizes([("disk1-flat.vmdk", 5_000)]));
    assert_eq!(lab.uncommitted().await, Value::Long(10 * GIB - 5_000));
    // The disk is counted whole already.
    assert_eq!(lab.free("LocalDS_0").await, free);
    lab.put("DC0_H0_VM0/disk1-flat.vmdk", 3_000).await;
    assert_eq!(lab.data(&lab.machine).await, sizes([("disk1-flat.vmdk", 3_000)]));
    // Who asks for disks is told what their data take.
    let disks = lab
        .browse("LocalDS_0", "DC0_H0_VM0", Some(FileQuery::from_object_unchecked(VmDiskFileQuery::new().into())))
        .await;
    assert_eq!(disks, sizes([("[LocalDS_0] DC0_H0_VM0/disk1.vmdk", 3_000)]));
    let change = ReconfigVMTask::with(|request| _ = request.spec_mut().set_annotation("changed"));
    lab.client.run(&lab.machine, change).await.unwrap();
    assert_eq!(lab.data(&lab.machine).await, sizes([("disk1-flat.vmdk", 3_000)]));
    assert_eq!(lab.free("LocalDS_0").await, free);
    lab.client.run(&lab.machine, DestroyTask::new()).await.unwrap();
    assert_eq!(lab.free("LocalDS_0").await, free + 10 * GIB);
}

#[tokio::test]
async fn what_was_written_is_counted_where_the_disk_goes_and_in_its_copies() {
    let lab = Lab::start().await;
    lab.put("DC0_H0_VM0/disk1-flat.vmdk", 5_000).await;
    let clone = CloneVMTask::with(|request| {
        request.set_folder(Moref::of::<Folder>("group-2")).set_name("copy");
        request.spec_mut().set_template(false).set_power_on(false).set_location(VirtualMachineRelocateSpec::new());
    });
    let copy = lab.client.run(&lab.machine, clone).await.unwrap().moref().unwrap();
    assert_eq!(lab.data(&copy).await, sizes([("copy-flat.vmdk", 5_000)]));
    let (here, there) = (lab.free("LocalDS_0").await, lab.free("LocalDS_1").await);
    let other = found(&lab.client, "DC0/datastore/LocalDS_1").await;
    let relocate = RelocateVMTask::with(|request| _ = request.spec_mut().set_datastore(other));
    lab.client.run(&lab.machine, relocate).await.unwrap();
    assert_eq!(lab.data(&lab.machine).await, sizes([("disk1-flat.vmdk", 5_000)]));
    assert_eq!(lab.free("LocalDS_0").await, here + 10 * GIB);
    assert_eq!(lab.free("LocalDS_1").await, there - 10 * GIB);
    lab.client.run(&lab.machine, DestroyTask::new()).await.unwrap();
    assert_eq!(lab.free("LocalDS_1").await, there);
    assert_eq!(lab.data(&copy).await, sizes([("copy-flat.vmdk", 5_000)]));
}

#[tokio::test]
async fn what_was_written_since_a_snapshot_is_counted_beside() {
    let lab = Lab::start().await;
    let free = lab.free("LocalDS_0").await;
    lab.put("DC0_H0_VM0/disk1-flat.vmdk", 5_000).await;
    let snapshot = CreateSnapshotTask::with(|request| {
        request.set_name("first").set_memory(false).set_quiesce(false);
    });
    let first = lab.client.run(&lab.machine, snapshot).await.unwrap().moref().unwrap();
    let expected = |delta: i64| sizes([("disk1-flat.vmdk", 5_000), ("disk1-000001-delta.vmdk", delta)]);
    assert_eq!(lab.data(&lab.machine).await, expected(0));
    lab.put("DC0_H0_VM0/disk1-000001-delta.vmdk", 700).await;
    assert_eq!(lab.data(&lab.machine).await, expected(700));
    assert_eq!(lab.free("LocalDS_0").await, free - 700 - STATE);
    lab.client.run(&first, RevertToSnapshotTask::new()).await.unwrap();
    assert_eq!(lab.data(&lab.machine).await, expected(0));
    lab.client.run(&lab.machine, RemoveAllSnapshotsTask::new()).await.unwrap();
    assert_eq!(lab.data(&lab.machine).await, sizes([("disk1-flat.vmdk", 5_000)]));
    assert_eq!(lab.free("LocalDS_0").await, free);
}
