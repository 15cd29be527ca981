//! Datastores that enter maintenance mode, and leave it.

use std::time::Duration;

use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Simulator};

use crate::check_fault;
use crate::inventory::{found, morefs};

/// A vCenter whose pod has two datastores with Storage DRS as wanted; the machines are on the first.
struct Stores {
    _simulator: Simulator,
    client: Client,
    pod: Moref,
    first: Moref,
    second: Moref,
}

fn drs() -> Moref {
    Moref::of::<StorageResourceManager>("StorageResourceManager")
}

impl Stores {
    async fn start(behavior: Option<&str>) -> Self {
        let mut config = Config::default();
        (config.model.pod, config.model.datastore) = (1, 2);
        let simulator = Simulator::start(config).await.unwrap();
        let client = Client::login(&simulator).await.unwrap();
        let pod = found(&client, "DC0/datastore/DC0_POD0").await;
        let first = found(&client, "DC0/datastore/LocalDS_0").await;
        let second = found(&client, "DC0/datastore/LocalDS_1").await;
        let into = MoveIntoFolderTask::with(|request| _ = request.set_list([first.clone(), second.clone()]));
        client.run(&pod, into).await.unwrap();
        let configure = ConfigureStorageDrsForPodTask::with(|request| {
            request.set_pod(pod.clone()).set_modify(true);
            let config = request.spec_mut().pod_config_spec_mut();
            config.set_enabled(behavior.is_some()).set_default_vm_behavior(behavior.unwrap_or("manual"));
        });
        client.run(&drs(), configure).await.unwrap();
        Self { _simulator: simulator, client, pod, first, second }
    }

    /// Asks for maintenance of the first datastore: the answer, and its task.
    async fn enter(&self) -> (StoragePlacementResult, Moref) {
        let answer = self.client.call(&self.first, DatastoreEnterMaintenanceMode::new()).await.unwrap();
        let result = StoragePlacementResult::from_object(answer.object().unwrap().clone()).unwrap();
        let task = result.task().expect("a task");
        (result, task)
    }

    async fn mode(&self) -> String {
        let mode = self.client.property(&self.first, "summary.maintenanceMode").await.unwrap();
        mode.text().expect("set").to_owned()
    }

    async fn until_mode(&self, mode: &str) {
        let waiting = async {
            while self.mode().await != mode {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), waiting).await.is_ok(), "never {mode}");
    }

    async fn state(&self, task: &Moref) -> String {
        self.client.property(task, "info.state").await.unwrap().text().expect("set").to_owned()
    }

    async fn machines(&self, datastore: &Moref) -> Vec<Moref> {
        morefs(&self.client, datastore, "vm").await
    }

    /// How many recommendations the pod lists.
    async fn recommended(&self) -> usize {
        self.client.property(&self.pod, "podStorageDrsEntry.recommendation").await.unwrap().items().len()
    }

    async fn relocate(&self, machine: &Moref, to: &Moref) -> Result<Value, vimsim::Error> {
        let request = RelocateVMTask::with(|request| _ = request.spec_mut().set_datastore(to.clone()));
        self.client.run(machine, request).await
    }
}

#[tokio::test]
async fn maintenance_begins_when_the_last_machine_has_left() {
    let stores = Stores::start(None).await;
    let (result, task) = stores.enter().await;
    assert!(result.recommendations().is_empty() && result.drs_fault().is_none(), "Storage DRS is off");
    stores.until_mode("enteringMaintenance").await;
    assert_eq!(stores.state(&task).await, "running");
    assert_eq!(stores.client.property(&task, "info.cancelable").await.unwrap(), Value::Bool(true));
    check_fault::<InvalidState>(stores.client.call(&stores.first, DatastoreEnterMaintenanceMode::new()).await);
    let exit = stores.client.run(&stores.first, DatastoreExitMaintenanceModeTask::new()).await;
    check_fault::<InvalidDatastoreState>(exit);

    let machines = stores.machines(&stores.first).await;
    let [moved, gone, destroyed, last] = &machines[..] else { panic!("four machines") };
    for machine in [gone, destroyed] {
        stores.client.run(machine, PowerOffVMTask::new()).await.unwrap();
    }
    stores.relocate(moved, &stores.second).await.unwrap();
    stores.client.call(gone, UnregisterVM::new()).await.unwrap();
    stores.client.run(destroyed, DestroyTask::new()).await.unwrap();
    assert_eq!((stores.mode().await.as_str(), stores.state(&task).await.as_str()), ("enteringMaintenance", "running"));
    stores.relocate(last, &stores.second).await.unwrap();
    assert_eq!(stores.mode().await, "inMaintenance");
    assert!(stores.client.wait_for_task(&task).await.unwrap().is_unset());
    // What has ended cannot be cancelled any more.
    check_fault::<InvalidState>(stores.client.call(&task, CancelTask::new()).await);
    stores.client.run(&stores.first, DatastoreExitMaintenanceModeTask::new()).await.unwrap();
    assert_eq!(stores.mode().await, "normal");
}

#[tokio::test]
async fn cancelled_maintenance_leaves_the_datastore_as_it_was() {
    let stores = Stores::start(Some("manual")).await;
    let (result, task) = stores.enter().await;
    stores.until_mode("enteringMaintenance").await;
    assert_eq!(stores.recommended().await, 4);
    stores.client.call(&task, CancelTask::new()).await.unwrap();
    check_fault::<RequestCanceled>(stores.client.wait_for_task(&task).await);
    assert_eq!(stores.mode().await, "normal");
    // What was recommended is void.
    assert_eq!(stores.recommended().await, 0);
    let key = result.recommendations().first().expect("one").key().clone();
    let apply = ApplyStorageDrsRecommendationTask::with(|request| _ = request.set_key([key.as_str()]));
    check_fault::<InvalidArgument>(stores.client.call(&drs(), apply).await);
    assert_eq!(stores.machines(&stores.first).await.len(), 4);
}

#[tokio::test]
async fn nothing_is_provisioned_or_started_on_a_datastore_in_maintenance() {
    let stores = Stores::start(None).await;
    let machines = stores.machines(&stores.first).await;
    let client = &stores.client;
    stores.relocate(&machines[0], &stores.second).await.unwrap();
    client.run(&machines[1], PowerOffVMTask::new()).await.unwrap();
    let (_, task) = stores.enter().await;
    stores.until_mode("enteringMaintenance").await;

    let folder = found(client, "DC0/vm").await;
    let pool = found(client, "DC0/host/DC0_C0/Resources").await;
    let create = CreateVMTask::with(|request| {
        request.set_pool(pool).config_mut().set_name("new").files_mut().set_vm_path_name("[LocalDS_0]");
    });
    let clone = CloneVMTask::with(|request| {
        request.set_folder(folder.clone()).set_name("copy");
        request.spec_mut().set_template(false).set_power_on(false).set_location(VirtualMachineRelocateSpec::new());
    });
    check_fault::<InvalidDatastoreState>(client.run(&folder, create).await);
    check_fault::<InvalidDatastoreState>(client.run(&machines[1], clone).await);
    check_fault::<InvalidDatastoreState>(stores.relocate(&machines[0], &stores.first).await);
    check_fault::<InvalidDatastoreState>(client.run(&machines[1], PowerOnVMTask::new()).await);
    let reconfigure = |file: &str| {
        ReconfigVMTask::with(|request| {
            request.spec_mut().push_device_change(VirtualDeviceConfigSpec::with(|change| {
                change.set_operation(vimsim::types::enums::VirtualDeviceConfigSpecOperation::Add);
                change.set_file_operation(vimsim::types::enums::VirtualDeviceConfigSpecFileOperation::Create);
                change.set_device(VirtualDisk::with(|disk| {
                    disk.set_key(-1).set_controller_key(202).set_unit_number(5);
                    disk.set_capacity_in_kb(1024);
                    let backing = VirtualDiskFlatVer2BackingInfo::with(|it| {
                        it.set_disk_mode("persistent").set_thin_provisioned(true).set_file_name(file);
                    });
                    disk.set_backing(backing);
                }));
            }));
        })
    };
    for machine in &machines[..2] {
        check_fault::<InvalidDatastoreState>(client.run(machine, reconfigure("[LocalDS_0]")).await);
    }
    // What is there may run, change and go. A running machine stays on its datastore while it changes hosts.
    client.run(&machines[2], ResetVMTask::new()).await.unwrap();
    let rename = ReconfigVMTask::with(|request| _ = request.spec_mut().set_annotation("to be moved"));
    client.run(&machines[2], rename).await.unwrap();
    for machine in &machines[1..] {
        stores.relocate(machine, &stores.second).await.unwrap();
    }
    client.wait_for_task(&task).await.unwrap();
    client.run(&machines[1], PowerOnVMTask::new()).await.unwrap();
    client.run(&stores.first, DatastoreExitMaintenanceModeTask::new()).await.unwrap();
    client.run(&machines[0], reconfigure("[LocalDS_0]")).await.unwrap();
}

#[tokio::test]
async fn storage_drs_recommends_where_the_machines_go() {
    let stores = Stores::start(Some("manual")).await;
    let (result, task) = stores.enter().await;
    let recommendations: Vec<_> = result.recommendations().iter().cloned().collect();
    assert_eq!(recommendations.len(), 4);
    assert!(result.drs_fault().is_none());
    for recommendation in &recommendations {
        assert_eq!((recommendation.reason().as_str(), recommendation.rating()), ("datastoreMaint", 5));
        assert_eq!(recommendation.target(), Some(stores.pod.clone()));
        let action = recommendation.action().first().and_then(|it| it.downcast::<StorageMigrationAction>()).cloned();
        let action = action.expect("a migration");
        assert_eq!((action.source(), action.destination()), (stores.first.clone(), stores.second.clone()));
        let apply = ApplyStorageDrsRecommendationTask::with(|it| _ = it.set_key([recommendation.key().as_str()]));
        assert_eq!(stores.state(&task).await, "running");
        stores.client.run(&drs(), apply).await.unwrap();
        assert!(stores.machines(&stores.second).await.contains(&action.vm()));
    }
    stores.client.wait_for_task(&task).await.unwrap();
    assert_eq!(stores.mode().await, "inMaintenance");
    assert!(stores.machines(&stores.first).await.is_empty());
}

#[tokio::test]
async fn storage_drs_moves_machines_by_itself_where_it_is_automated() {
    let stores = Stores::start(Some("automated")).await;
    let (machines, client) = (stores.machines(&stores.first).await, &stores.client);
    // What is said of a machine counts more than what is said of the pod.
    let own = |machine: &Moref, fill: &dyn Fn(&mut StorageDrsVmConfigInfo)| {
        StorageDrsVmConfigSpec::with(|spec| {
            spec.set_operation(vimsim::types::enums::ArrayUpdateOperation::Add);
            fill(spec.info_mut().set_vm(machine.clone()));
        })
    };
    let configure = ConfigureStorageDrsForPodTask::with(|request| {
        request.set_pod(stores.pod.clone()).set_modify(true);
        let spec = request.spec_mut();
        spec.push_vm_config_spec(own(&machines[0], &|it| _ = it.set_behavior("manual")));
        spec.push_vm_config_spec(own(&machines[1], &|it| _ = it.set_enabled(false)));
    });
    client.run(&drs(), configure).await.unwrap();
    let (result, task) = stores.enter().await;
    let asked: Vec<_> = result.recommendations().iter().filter_map(|it| it.action().first()?.target()).collect();
    assert_eq!(asked, [machines[0].clone()]);
    let faults = result.drs_fault().expect("faults").faults_by_vm();
    let refused: Vec<_> = faults.iter().filter_map(|it| it.vm()).collect();
    assert_eq!(refused, [machines[1].clone()]);
    assert!(faults.first().unwrap().fault().first().unwrap().fault().downcast::<StorageDrsDisabledOnVm>().is_some());
    let waiting = async {
        while stores.machines(&stores.first).await.len() > 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), waiting).await.is_ok(), "the others stay");
    assert_eq!(stores.machines(&stores.second).await, machines[2..]);
    assert_eq!(stores.state(&task).await, "running");
    for machine in &machines[..2] {
        stores.relocate(machine, &stores.second).await.unwrap();
    }
    client.wait_for_task(&task).await.unwrap();
    assert_eq!(stores.recommended().await, 0, "what was recommended is void");
}

#[tokio::test]
async fn only_the_files_on_the_datastore_move() {
    let stores = Stores::start(Some("automated")).await;
    let (machines, client) = (stores.machines(&stores.first).await, &stores.client);
    let disks = disks_of(client, &machines[0]).await;
    // The machine's home goes elsewhere, its disk stays.
    let request = RelocateVMTask::with(|request| {
        let spec = request.spec_mut();
        spec.set_datastore(stores.second.clone());
        for (key, at) in &disks {
            spec.push_disk(VirtualMachineRelocateSpecDiskLocator::with(|it| {
                _ = it.set_disk_id(*key).set_datastore(at.clone())
            }));
        }
    });
    client.run(&machines[0], request).await.unwrap();
    assert_eq!(morefs(client, &machines[0], "datastore").await, [stores.second.clone(), stores.first.clone()]);
    let (_, task) = stores.enter().await;
    client.wait_for_task(&task).await.unwrap();
    for machine in &machines {
        assert_eq!(morefs(client, machine, "datastore").await, [stores.second.clone()]);
        assert!(disks_of(client, machine).await.iter().all(|(_, at)| *at == stores.second));
    }
}

/// The keys of a machine's disks, and their datastores.
async fn disks_of(client: &Client, machine: &Moref) -> Vec<(i32, Moref)> {
    let devices = client.property(machine, "config.hardware.device").await.unwrap();
    let disks = devices.items().iter().filter_map(|it| VirtualDisk::from_object(it.object()?.clone()));
    disks
        .map(|disk| {
            let file = disk.backing().and_then(|it| it.downcast::<VirtualDeviceFileBackingInfo>()).expect("a file");
            (disk.key(), file.datastore().expect("set"))
        })
        .collect()
}
