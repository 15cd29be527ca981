//! The disks that hosts give to vSAN.

use vimsim::Client;
use vimsim::types::method::{
    AddDisksTask, InitializeDisksTask, MarkAsLocalTask, MarkAsSsdTask, QueryAvailableDisksForVmfs, QueryDisksForVsan,
    RecommissionVsanNodeTask, RemoveDiskMappingTask, RemoveDiskTask, UnmountDiskMappingTask, UpdateVsanTask,
};
use vimsim::types::views::{
    DiskIsNonLocal, HostScsiDisk, InvalidArgument, InvalidState, ResourceInUse, VsanHostDiskMapResult,
    VsanHostDiskMapping, VsanHostDiskResult,
};
use vimsim::types::{Moref, Value, View};

use crate::check_fault;
use crate::datastores::start;
use crate::inventory::found;

const LOCAL: &str = "mpx.vmhba0:C0:T1:L0";
const SHARED: &str = "naa.6000c2901d5a7e3b94c8f06d2b7a4e11";
const OTHER: &str = "naa.6000c2955b0e9f1c2d7a8364e0c19b22";

struct Host {
    vsan: Moref,
    storage: Moref,
    datastores: Moref,
}

async fn host(client: &Client) -> Host {
    let host = found(client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let managers = client.property(&host, "configManager").await.unwrap();
    let manager = |name: &str| managers.object().unwrap().field(name).moref().unwrap();
    Host { vsan: manager("vsanSystem"), storage: manager("storageSystem"), datastores: manager("datastoreSystem") }
}

async fn disks(client: &Client, host: &Host) -> Vec<VsanHostDiskResult> {
    let answer = client.call(&host.vsan, QueryDisksForVsan::new()).await.unwrap();
    answer.items().iter().map(|it| VsanHostDiskResult::from_ref(it.object().unwrap()).unwrap().clone()).collect()
}

async fn state(client: &Client, host: &Host, name: &str) -> String {
    let all = disks(client, host).await;
    let found = all.iter().find(|it| it.disk().canonical_name().is_some_and(|it| *it == name)).expect("a disk");
    found.state().to_string()
}

fn disk(name: &str) -> HostScsiDisk {
    HostScsiDisk::with(|disk| _ = disk.set_canonical_name(name))
}

fn group(ssd: &str, data: &str) -> VsanHostDiskMapping {
    VsanHostDiskMapping::with(|group| _ = group.set_ssd(disk(ssd)).set_non_ssd([disk(data)]))
}

fn initialize(ssd: &str, data: &str) -> InitializeDisksTask {
    InitializeDisksTask::with(|request| _ = request.set_mapping([group(ssd, data)]))
}

/// The fault of the only result.
fn fault(results: &Value) -> Option<vimsim::types::Object> {
    let result = VsanHostDiskMapResult::from_ref(results.items()[0].object().unwrap()).unwrap();
    result.error().map(|error| error.fault().as_object().clone())
}

#[tokio::test]
async fn disk_groups_are_made_of_a_host_s_own_disks() {
    let (_simulator, client) = start().await;
    let host = host(&client).await;
    let uuid = async |name: &str| {
        let all = disks(&client, &host).await;
        all.iter().find(|it| it.disk().canonical_name().is_some_and(|it| *it == name)).unwrap().disk().uuid().clone()
    };
    assert_eq!(state(&client, &host, SHARED).await, "ineligible");
    let refused = client.run(&host.vsan, initialize(LOCAL, SHARED)).await.unwrap();
    assert!(fault(&refused).is_some_and(|fault| fault.is::<InvalidArgument>() || fault.is::<DiskIsNonLocal>()));
    let (local, other) = (uuid(LOCAL).await, uuid(OTHER).await);
    let mark = MarkAsSsdTask::with(|request| _ = request.set_scsi_disk_uuid(&local));
    client.run(&host.storage, mark).await.unwrap();
    let refused = client.run(&host.vsan, initialize(LOCAL, OTHER)).await.unwrap();
    assert!(fault(&refused).is_some_and(|fault| fault.is::<DiskIsNonLocal>()));
    let mark = MarkAsLocalTask::with(|request| _ = request.set_scsi_disk_uuid(&other));
    client.run(&host.storage, mark).await.unwrap();
    let available = async || {
        let answer = client.call(&host.datastores, QueryAvailableDisksForVmfs::new()).await.unwrap();
        answer.items().len()
    };
    assert_eq!((state(&client, &host, OTHER).await.as_str(), available().await), ("eligible", 3));

    let made = client.run(&host.vsan, initialize(LOCAL, OTHER)).await.unwrap();
    assert!(fault(&made).is_none());
    for name in [LOCAL, OTHER] {
        assert_eq!(state(&client, &host, name).await, "inUse");
    }
    // What vSAN has, nothing else can be put on.
    assert_eq!(available().await, 1);
    let again = client.run(&host.vsan, initialize(LOCAL, OTHER)).await.unwrap();
    assert!(fault(&again).is_some_and(|fault| fault.is::<ResourceInUse>()));
    let groups = async || client.property(&host.vsan, "config.storageInfo.diskMapping").await.unwrap().items().len();
    let mounted = async || {
        let maps = client.property(&host.vsan, "config.storageInfo.diskMapInfo").await.unwrap();
        maps.items()[0].object().unwrap().field("mounted").clone()
    };
    assert_eq!((groups().await, mounted().await), (1, Value::Bool(true)));
    let unmount = UnmountDiskMappingTask::with(|request| _ = request.set_mapping([group(LOCAL, OTHER)]));
    client.run(&host.vsan, unmount).await.unwrap();
    assert_eq!((groups().await, mounted().await), (1, Value::Bool(false)));
    let shared = uuid(SHARED).await;
    let mark = MarkAsLocalTask::with(|request| _ = request.set_scsi_disk_uuid(&shared));
    client.run(&host.storage, mark).await.unwrap();
    let add = AddDisksTask::with(|request| _ = request.set_disk([disk(SHARED)]));
    assert!(fault(&client.run(&host.vsan, add).await.unwrap()).is_none());
    assert_eq!(state(&client, &host, SHARED).await, "inUse");
    let remove = RemoveDiskTask::with(|request| _ = request.set_disk([disk(SHARED)]));
    client.run(&host.vsan, remove).await.unwrap();
    assert_eq!((state(&client, &host, SHARED).await.as_str(), groups().await), ("eligible", 1));
    let remove = RemoveDiskMappingTask::with(|request| _ = request.set_mapping([group(LOCAL, OTHER)]));
    client.run(&host.vsan, remove).await.unwrap();
    assert_eq!((groups().await, available().await), (0, 3));
}

#[tokio::test]
async fn a_host_s_part_in_vsan_is_changed() {
    let (_simulator, client) = start().await;
    let host = host(&client).await;
    let update = UpdateVsanTask::with(|request| {
        request.config_mut().fault_domain_info_mut().set_name("rack");
        request.config_mut().storage_info_mut().set_auto_claim_storage(true);
    });
    client.run(&host.vsan, update).await.unwrap();
    let domain = client.property(&host.vsan, "config.faultDomainInfo.name").await.unwrap();
    assert_eq!(domain.text(), Some("rack"));
    let claims = client.property(&host.vsan, "config.storageInfo.autoClaimStorage").await.unwrap();
    assert_eq!(claims, Value::Bool(true));
    check_fault::<InvalidState>(client.call(&host.vsan, RecommissionVsanNodeTask::new()).await);
}
