//! Machines whose files were elsewhere when a datastore was mounted elsewhere.

use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Product, Simulator};

use crate::check_fault;
use crate::inventory::{found, morefs};

const OLD: &str = "/vmfs/volumes/0000-old";

async fn start() -> (Simulator, Client, [Moref; 2]) {
    let mut config = Config::default();
    config.model.datastore = 2;
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let stores = [found(&client, "DC0/datastore/LocalDS_0").await, found(&client, "DC0/datastore/LocalDS_1").await];
    (simulator, client, stores)
}

fn update(mount: &str, datastore: &Moref) -> UpdateVirtualMachineFilesTask {
    UpdateVirtualMachineFilesTask::with(|request| {
        request.push_mount_path_datastore_mapping(DatastoreMountPathDatastorePair::with(|pair| {
            pair.set_old_mount_path(mount).set_datastore(datastore.clone());
        }));
    })
}

async fn drive(client: &Client, machine: &Moref) -> VirtualCdrom {
    let devices = client.property(machine, "config.hardware.device").await.unwrap();
    let mut drives = devices.items().iter().filter_map(|it| VirtualCdrom::from_object(it.object()?.clone()));
    drives.next().expect("a drive")
}

/// Has a machine's CD drive hold an image that is on no datastore that is known, and its logs be there.
async fn lose(client: &Client, machine: &Moref) {
    let mut drive = drive(client, machine).await;
    drive.set_backing(VirtualCdromIsoBackingInfo::with(|it| _ = it.set_file_name(format!("[] {OLD}/iso/a.iso"))));
    let request = ReconfigVMTask::with(|request| {
        let spec = request.spec_mut();
        spec.files_mut().set_log_directory(format!("{OLD}/logs"));
        spec.push_device_change(VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(vimsim::types::enums::VirtualDeviceConfigSpecOperation::Edit).set_device(drive);
        }));
    });
    client.run(machine, request).await.unwrap();
}

async fn image(client: &Client, machine: &Moref) -> (String, Option<Moref>) {
    let drive = drive(client, machine).await;
    let file = drive.backing().and_then(|it| it.downcast::<VirtualDeviceFileBackingInfo>()).expect("an image");
    (file.file_name().to_string(), file.datastore())
}

#[tokio::test]
async fn machines_find_their_files_where_they_are_now() {
    let (_simulator, client, [first, second]) = start().await;
    let machines = morefs(&client, &first, "vm").await;
    let (off, on) = (machines[0].clone(), machines[1].clone());
    for machine in [&off, &on] {
        lose(&client, machine).await;
    }
    client.run(&off, PowerOffVMTask::new()).await.unwrap();
    assert_eq!(image(&client, &off).await, (format!("[] {OLD}/iso/a.iso"), None));
    assert_eq!(morefs(&client, &off, "datastore").await, [first.clone()]);

    // What was mounted elsewhere by a like name is something else.
    let nothing = client.run(&first, update("/vmfs/volumes/0000", &second)).await.unwrap();
    assert!(nothing.object().unwrap().field("failedVmFile").items().is_empty());
    assert_eq!(image(&client, &off).await.1, None);

    let result = client.run(&first, update(OLD, &second)).await.unwrap();
    assert_eq!(image(&client, &off).await, ("[LocalDS_1] iso/a.iso".into(), Some(second.clone())));
    let logs = client.property(&off, "config.files.logDirectory").await.unwrap();
    assert_eq!(logs.text(), Some("[LocalDS_1] logs"));
    assert_eq!(morefs(&client, &off, "datastore").await, [first.clone(), second.clone()]);
    assert_eq!(morefs(&client, &second, "vm").await, [off.clone()]);

    // One that runs stays as it is, and is told.
    assert_eq!(image(&client, &on).await.1, None);
    let failed = result.object().unwrap().field("failedVmFile").items()[0].object().unwrap().clone();
    let failed = UpdateVirtualMachineFilesResultFailedVmFileInfo::from_object(failed).expect("a file");
    let path = client.property(&on, "config.files.vmPathName").await.unwrap();
    assert_eq!(Some(failed.vm_file().as_str()), path.text());
    assert!(failed.fault().fault().downcast::<InvalidPowerState>().is_some());
    client.run(&on, PowerOffVMTask::new()).await.unwrap();
    let result = client.run(&first, update(OLD, &second)).await.unwrap();
    assert!(result.object().unwrap().field("failedVmFile").items().is_empty());
    assert_eq!(image(&client, &on).await.1, Some(second));
}

#[tokio::test]
async fn only_datastores_that_can_be_reached_are_updated() {
    let (_simulator, client, [first, _]) = start().await;
    let nothing = Moref::of::<Datastore>("datastore-0");
    check_fault::<ManagedObjectNotFound>(client.run(&first, update(OLD, &nothing)).await);
    // The only host that has it goes.
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let system = client.property(&host, "configManager.datastoreSystem").await.unwrap().moref().unwrap();
    let create = CreateNasDatastore::with(|request| {
        let spec = request.spec_mut();
        spec.set_remote_host("nas").set_remote_path("/a").set_local_path("lonely").set_access_mode("readWrite");
    });
    let lonely = client.call(&system, create).await.unwrap().moref().unwrap();
    client.run(&first, update(OLD, &lonely)).await.unwrap();
    for machine in morefs(&client, &host, "vm").await {
        client.run(&machine, PowerOffVMTask::new()).await.unwrap();
        client.run(&machine, DestroyTask::new()).await.unwrap();
    }
    client.run(&host, DestroyTask::new()).await.unwrap();
    assert_eq!(client.property(&lonely, "summary.accessible").await.unwrap(), Value::Bool(false));
    check_fault::<InvalidDatastore>(client.run(&first, update(OLD, &lonely)).await);
    check_fault::<InvalidDatastore>(client.run(&lonely, UpdateVirtualMachineFilesTask::new()).await);
}

#[tokio::test]
async fn a_host_updates_no_files() {
    let simulator = Simulator::start(Config { product: Product::EsxHost, ..Config::default() }).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let datastores = morefs(&client, &Moref::of::<HostSystem>("ha-host"), "datastore").await;
    check_fault::<NotSupported>(client.run(&datastores[0], update(OLD, &datastores[0])).await);
}
