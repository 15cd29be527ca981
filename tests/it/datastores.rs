//! Datastores, their hosts, and storage pods.

use vimsim::types::method::{
    ApplyStorageDrsRecommendationTask, CancelStorageDrsRecommendation, ConfigureStorageDrsForPodTask,
    CreateLocalDatastore, CreateNasDatastore, CreateStoragePod, DatastoreEnterMaintenanceMode,
    DatastoreExitMaintenanceModeTask, DestroyDatastore, DestroyTask, MoveIntoFolderTask, RecommendDatastores,
    RefreshDatastore, RemoveDatastore, RenameDatastore,
};
use vimsim::types::views::{
    AlreadyExists, DuplicateName, HostNasVolumeSpec, InvalidArgument, InvalidName, InvalidState, ManagedObjectNotFound,
    NotFound, NotSupported, ResourceInUse, StorageResourceManager,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Simulator};

use crate::inventory::{found, morefs};
use crate::{check_fault, create};

const TIB: i64 = 1 << 40;

/// A vCenter without virtual machines, whose datastores nothing holds.
pub(crate) async fn start() -> (Simulator, Client) {
    let mut config = Config::default();
    config.model.machine = 0;
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    (simulator, client)
}

async fn datastore_system(client: &Client, host: &str) -> Moref {
    let host = found(client, host).await;
    client.property(&host, "configManager.datastoreSystem").await.unwrap().moref().unwrap()
}

fn local(name: &str, path: &str) -> CreateLocalDatastore {
    CreateLocalDatastore::with(|request| _ = request.set_name(name).set_path(path))
}

fn export(name: &str, path: &str) -> CreateNasDatastore {
    CreateNasDatastore::with(|request| {
        request.set_spec(HostNasVolumeSpec::with(|spec| {
            spec.set_remote_host("nas").set_remote_path(path).set_local_path(name).set_access_mode("readWrite");
        }));
    })
}

#[tokio::test]
async fn hosts_and_datastores_know_each_other() {
    let (_simulator, client) = start().await;
    let datastore = found(&client, "DC0/datastore/LocalDS_0").await;
    let mounts = client.property(&datastore, "host").await.unwrap();
    assert_eq!(mounts.items().len(), 4);
    for mount in mounts.items() {
        let host = mount.object().unwrap().field("key").moref().unwrap();
        assert_eq!(morefs(&client, &host, "datastore").await, [datastore.clone()]);
    }
    let (datacenter, cluster) = (found(&client, "DC0").await, found(&client, "DC0/host/DC0_C0").await);
    assert_eq!(morefs(&client, &datacenter, "datastore").await, [datastore.clone()]);
    assert_eq!(morefs(&client, &cluster, "datastore").await, [datastore.clone()]);
    assert_eq!(client.property(&datastore, "summary.capacity").await.unwrap(), Value::Long(4 * TIB));
    assert_eq!(client.property(&datastore, "summary.type").await.unwrap().text(), Some("OTHER"));
    let browser = client.property(&datastore, "browser").await.unwrap().moref().unwrap();
    assert_eq!(morefs(&client, &browser, "datastore").await, [datastore]);
}

#[tokio::test]
async fn a_local_datastore_is_created_and_shared() {
    let (_simulator, client) = start().await;
    let first = datastore_system(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let second = datastore_system(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let datastore = create(&client, &first, local("a", "/tmp/a")).await;
    assert_eq!(client.property(&datastore, "info.path").await.unwrap().text(), Some("/tmp/a"));
    assert_eq!(client.property(&datastore, "summary.multipleHostAccess").await.unwrap(), Value::Bool(false));
    assert!(morefs(&client, &first, "datastore").await.contains(&datastore));
    check_fault::<DuplicateName>(client.call(&first, local("a", "/tmp/a")).await);
    check_fault::<DuplicateName>(client.call(&second, local("a", "/tmp/b")).await);
    check_fault::<InvalidName>(client.call(&first, local("", "/tmp/c")).await);
    check_fault::<InvalidName>(client.call(&first, local("c", "")).await);
    assert_eq!(create(&client, &second, local("a", "/tmp/a")).await, datastore);
    assert_eq!(client.property(&datastore, "summary.capacity").await.unwrap(), Value::Long(2 * TIB));
    assert_eq!(client.property(&datastore, "summary.multipleHostAccess").await.unwrap(), Value::Bool(true));
}

#[tokio::test]
async fn an_export_is_mounted_once_on_each_host() {
    let (_simulator, client) = start().await;
    let first = datastore_system(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let second = datastore_system(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let datastore = create(&client, &first, export("n", "/export")).await;
    assert_eq!(client.property(&datastore, "summary.type").await.unwrap().text(), Some("NFS"));
    assert_eq!(client.property(&datastore, "info.nas.remoteHost").await.unwrap().text(), Some("nas"));
    check_fault::<DuplicateName>(client.call(&first, export("n", "/export")).await);
    check_fault::<AlreadyExists>(client.call(&first, export("m", "/export")).await);
    check_fault::<DuplicateName>(client.call(&second, export("n", "/other")).await);
    check_fault::<InvalidArgument>(client.call(&second, export("", "/other")).await);
    assert_eq!(create(&client, &second, export("n", "/export")).await, datastore);
    assert_eq!(client.property(&datastore, "summary.capacity").await.unwrap(), Value::Long(TIB));
}

#[tokio::test]
async fn a_datastore_goes_with_its_last_host() {
    let (_simulator, client) = start().await;
    let first = datastore_system(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let second = datastore_system(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let datastore = create(&client, &first, export("n", "/export")).await;
    let remove = || RemoveDatastore::with(|request| _ = request.set_datastore(datastore.clone()));
    check_fault::<NotFound>(client.call(&second, remove()).await);
    create(&client, &second, export("n", "/export")).await;
    client.call(&first, remove()).await.unwrap();
    assert_eq!(client.property(&datastore, "host").await.unwrap().items().len(), 1);
    client.call(&second, remove()).await.unwrap();
    check_fault::<ManagedObjectNotFound>(client.call(&datastore, RefreshDatastore::new()).await);
    let datacenter = found(&client, "DC0").await;
    assert!(!morefs(&client, &datacenter, "datastore").await.contains(&datastore));
}

#[tokio::test]
async fn a_datastore_is_renamed_and_destroyed() {
    let (_simulator, client) = start().await;
    let first = datastore_system(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let datastore = create(&client, &first, local("a", "/tmp/a")).await;
    let browser = client.property(&datastore, "browser").await.unwrap().moref().unwrap();
    let rename = |name: &str| RenameDatastore::with(|request| _ = request.set_new_name(name));
    check_fault::<DuplicateName>(client.call(&datastore, rename("LocalDS_0")).await);
    client.call(&datastore, rename("b")).await.unwrap();
    assert_eq!(client.property(&datastore, "summary.name").await.unwrap().text(), Some("b"));
    assert_eq!(client.property(&datastore, "info.name").await.unwrap().text(), Some("b"));
    client.call(&datastore, DestroyDatastore::new()).await.unwrap();
    assert!(client.property(&browser, "datastore").await.is_err());
    assert!(!morefs(&client, &first, "datastore").await.contains(&datastore));
    let other = found(&client, "DC0/datastore/LocalDS_0").await;
    client.run(&other, DestroyTask::new()).await.unwrap();
}

#[tokio::test]
async fn a_pod_has_the_size_of_its_datastores() {
    let (_simulator, client) = start().await;
    let (folder, machines) = (found(&client, "DC0/datastore").await, found(&client, "DC0/vm").await);
    let pod = |name: &str| CreateStoragePod::with(|request| _ = request.set_name(name));
    check_fault::<NotSupported>(client.call(&machines, pod("p")).await);
    let moref = create(&client, &folder, pod("p")).await;
    check_fault::<DuplicateName>(client.call(&folder, pod("p")).await);
    let datastore = found(&client, "DC0/datastore/LocalDS_0").await;
    check_fault::<InvalidState>(client.call(&datastore, DatastoreEnterMaintenanceMode::new()).await);
    let into = MoveIntoFolderTask::with(|request| _ = request.set_list([datastore.clone()]));
    client.run(&moref, into).await.unwrap();
    assert_eq!(found(&client, "DC0/datastore/p/LocalDS_0").await, datastore);
    assert_eq!(client.property(&moref, "summary.capacity").await.unwrap(), Value::Long(4 * TIB));
    assert_eq!(client.property(&moref, "summary.freeSpace").await.unwrap(), Value::Long(4 * TIB));
    let out = MoveIntoFolderTask::with(|request| _ = request.set_list([datastore.clone()]));
    let mode = client.property(&datastore, "summary.maintenanceMode").await.unwrap();
    assert_eq!(mode.text(), Some("normal"));
    let entered = client.call(&datastore, DatastoreEnterMaintenanceMode::new()).await.unwrap();
    let task = entered.object().unwrap().field("task").moref().expect("a task");
    client.wait_for_task(&task).await.unwrap();
    let mode = client.property(&datastore, "summary.maintenanceMode").await.unwrap();
    assert_eq!(mode.text(), Some("inMaintenance"));
    client.run(&datastore, DatastoreExitMaintenanceModeTask::new()).await.unwrap();
    check_fault::<InvalidState>(client.run(&datastore, DatastoreExitMaintenanceModeTask::new()).await);
    client.run(&folder, out).await.unwrap();
    assert_eq!(client.property(&moref, "summary.capacity").await.unwrap(), Value::Long(0));
    client.run(&moref, DestroyTask::new()).await.unwrap();
}

#[tokio::test]
async fn storage_drs_is_configured_in_part() {
    let (_simulator, client) = start().await;
    let folder = found(&client, "DC0/datastore").await;
    let pod = create(&client, &folder, CreateStoragePod::with(|request| _ = request.set_name("p"))).await;
    let manager = Moref::of::<StorageResourceManager>("StorageResourceManager");
    let configure = |threshold: i32, modify: bool| {
        ConfigureStorageDrsForPodTask::with(|request| {
            request.set_pod(pod.clone()).set_modify(modify);
            let config = request.spec_mut().pod_config_spec_mut();
            config.set_enabled(true);
            config.space_load_balance_config_mut().set_space_utilization_threshold(threshold);
        })
    };
    check_fault::<InvalidArgument>(client.run(&manager, configure(10, true)).await);
    client.run(&manager, configure(70, true)).await.unwrap();
    let config = "podStorageDrsEntry.storageDrsConfig.podConfig";
    let read = |path: &str| {
        let path = format!("{config}.{path}");
        let (client, pod) = (&client, &pod);
        async move { client.property(pod, &path).await.unwrap() }
    };
    assert_eq!(read("enabled").await, Value::Bool(true));
    assert_eq!(read("spaceLoadBalanceConfig.spaceUtilizationThreshold").await, Value::Int(70));
    assert_eq!(read("spaceLoadBalanceConfig.minSpaceUtilizationDifference").await, Value::Int(5));
    assert_eq!(read("defaultVmBehavior").await.text(), Some("manual"));
}

#[tokio::test]
async fn virtual_machines_hold_their_datastore() {
    let (_simulator, client) = crate::start().await;
    let datastore = found(&client, "DC0/datastore/LocalDS_0").await;
    let machines = morefs(&client, &datastore, "vm").await;
    assert_eq!(machines.len(), 4);
    assert_eq!(morefs(&client, &machines[0], "datastore").await, [datastore.clone()]);
    check_fault::<ResourceInUse>(client.run(&datastore, DestroyTask::new()).await);
    check_fault::<ResourceInUse>(client.call(&datastore, DestroyDatastore::new()).await);
    // 10 GiB for each.
    let free = 4 * TIB - 4 * 10 * (1 << 30);
    assert_eq!(client.property(&datastore, "summary.freeSpace").await.unwrap(), Value::Long(free));
    assert_eq!(client.property(&datastore, "info.freeSpace").await.unwrap(), Value::Long(free));
    client.call(&datastore, RefreshDatastore::new()).await.unwrap();
    assert_eq!(client.property(&datastore, "summary.freeSpace").await.unwrap(), Value::Long(free));
}

#[tokio::test]
async fn a_pod_recommends_where_a_machine_would_be() {
    let mut config = Config::default();
    (config.model.pod, config.model.datastore) = (1, 2);
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let (pod, store) =
        (found(&client, "DC0/datastore/DC0_POD0").await, found(&client, "DC0/datastore/LocalDS_1").await);
    let (pool, machines) = (found(&client, "DC0/host/DC0_C0/Resources").await, found(&client, "DC0/vm").await);
    let manager = Moref::of::<StorageResourceManager>("StorageResourceManager");
    let recommend = |kind: &str, pool: Option<&Moref>| {
        RecommendDatastores::with(|request| {
            let spec = request.storage_spec_mut();
            spec.set_type(kind).set_resource_pool(pool.cloned()).set_folder(machines.clone());
            spec.config_spec_mut().set_name("placed").set_guest_id("otherGuest");
            spec.pod_selection_spec_mut().set_storage_pod(pod.clone());
        })
    };
    check_fault::<InvalidArgument>(client.call(&manager, recommend("nonsense", Some(&pool))).await);
    check_fault::<InvalidArgument>(client.call(&manager, recommend("create", None)).await);
    check_fault::<InvalidArgument>(client.call(&manager, recommend("clone", Some(&pool))).await);
    let nowhere = client.call(&manager, recommend("create", Some(&pool))).await.unwrap();
    assert!(!nowhere.object().unwrap().field("drsFault").is_unset());
    let into = MoveIntoFolderTask::with(|request| _ = request.set_list([store.clone()]));
    client.run(&pod, into).await.unwrap();
    let found_one = client.call(&manager, recommend("create", Some(&pool))).await.unwrap();
    let recommendation = found_one.object().unwrap().field("recommendations").items()[0].object().unwrap().clone();
    let action = recommendation.field("action").items()[0].object().unwrap().clone();
    assert_eq!(action.field("destination").moref(), Some(store.clone()));
    let key = recommendation.field("key").text().unwrap().to_owned();
    let apply = ApplyStorageDrsRecommendationTask::with(|request| _ = request.set_key([key.as_str()]));
    let result = client.run(&manager, apply.clone()).await.unwrap();
    let machine = result.object().unwrap().field("vm").moref().unwrap();
    assert_eq!(client.property(&machine, "name").await.unwrap().text(), Some("placed"));
    let stores = client.property(&machine, "datastore").await.unwrap();
    assert_eq!(stores.items().iter().filter_map(Value::moref).collect::<Vec<_>>(), [store]);
    check_fault::<InvalidArgument>(client.call(&manager, apply).await);
    let cancel = CancelStorageDrsRecommendation::with(|request| _ = request.set_key([key.as_str()]));
    check_fault::<InvalidArgument>(client.call(&manager, cancel).await);
    let off = ConfigureStorageDrsForPodTask::with(|request| {
        request.set_pod(pod.clone()).set_modify(true);
        request.spec_mut().pod_config_spec_mut().set_enabled(false);
    });
    client.run(&manager, off).await.unwrap();
    check_fault::<InvalidArgument>(client.call(&manager, recommend("create", Some(&pool))).await);
}
