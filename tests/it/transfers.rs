//! Import and export: descriptors, leases, and the bytes that travel.

use std::sync::Arc;

use hyper::StatusCode;
use vimsim::types::enums::HttpNfcLeaseState;
use vimsim::types::method::{
    CreateDescriptor, CreateImportSpec, DestroyTask, ExportVm, FindByInventoryPath, HttpNfcLeaseAbort,
    HttpNfcLeaseComplete, HttpNfcLeaseGetManifest, HttpNfcLeaseProgress, ImportVApp, Logout, ParseDescriptor,
    PowerOffVMTask, PowerOnVMTask, ValidateHost,
};
use vimsim::types::views::{
    HttpNfcLease, HttpNfcLeaseInfo, HttpNfcLeaseManifestEntry, InvalidArgument, InvalidPowerState, InvalidState,
    OvfCreateDescriptorResult, OvfCreateImportSpecParams, OvfCreateImportSpecResult, OvfFile, OvfParseDescriptorResult,
    OvfValidateHostResult, RequestCanceled, SearchIndex, SessionManager, TaskInProgress, Timedout,
    VirtualMachineImportSpec,
};
use vimsim::types::{DateTime, Moref, Value, View};
use vimsim::{Client, Config, FileClient, ManualClock, Simulator};

use crate::check_fault;

const OVF: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>
    <File ovf:id="file1" ovf:href="disk1.vmdk" ovf:size="70000"/>
    <File ovf:id="file2" ovf:href="seed.iso" ovf:size="4"/>
  </References>
  <DiskSection>
    <Info>Disks</Info>
    <Disk ovf:capacity="30" ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="vmdisk1" ovf:fileRef="file1"/>
    <Disk ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk2"/>
  </DiskSection>
  <NetworkSection><Info>Networks</Info><Network ovf:name="nat"><Description>NAT</Description></Network></NetworkSection>
  <DeploymentOptionSection><Info>Sizes</Info>
    <Configuration ovf:id="small"><Label>Small</Label><Description>1 processor</Description></Configuration>
    <Configuration ovf:id="large" ovf:default="true"><Label>Large</Label><Description>4 processors</Description></Configuration>
  </DeploymentOptionSection>
  <VirtualSystem ovf:id="appliance">
    <Info>A machine</Info><Name>appliance</Name>
    <ProductSection ovf:class="app"><Info>P</Info><Product>Appliance</Product><Version>2.1</Version>
      <Property ovf:key="hostname" ovf:type="string" ovf:userConfigurable="true" ovf:value="none"><Label>Name</Label></Property>
    </ProductSection>
    <OperatingSystemSection ovf:id="94" vmw:osType="ubuntu64Guest"><Info>OS</Info></OperatingSystemSection>
    <VirtualHardwareSection><Info>Hardware</Info>
      <System><vssd:ElementName>H</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType></System>
      <Item ovf:configuration="small"><rasd:ElementName>1 CPU</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
      <Item ovf:configuration="large"><rasd:ElementName>4 CPU</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>4</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ElementName>512MB</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>scsi</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType><rasd:ResourceType>6</rasd:ResourceType></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>ide</rasd:ElementName><rasd:InstanceID>4</rasd:InstanceID>
        <rasd:ResourceType>5</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>disk1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>5</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:ElementName>disk2</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk2</rasd:HostResource><rasd:InstanceID>6</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>cd</rasd:ElementName>
        <rasd:HostResource>ovf:/file/file2</rasd:HostResource><rasd:InstanceID>7</rasd:InstanceID>
        <rasd:Parent>4</rasd:Parent><rasd:ResourceType>15</rasd:ResourceType></Item>
      <Item><rasd:Connection>nat</rasd:Connection><rasd:ElementName>net</rasd:ElementName>
        <rasd:InstanceID>8</rasd:InstanceID><rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType></Item>
      <Item ovf:required="false"><rasd:ElementName>odd</rasd:ElementName><rasd:InstanceID>9</rasd:InstanceID>
        <rasd:ResourceType>99</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>"#;

pub(crate) async fn start() -> (Simulator, Client, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(DateTime::parse("2026-01-01T00:00:00Z").unwrap()));
    let simulator = Simulator::start_with_clock(Config::default(), clock.clone()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    (simulator, client, clock)
}

pub(crate) async fn found(client: &Client, path: &str) -> Option<Moref> {
    let request = FindByInventoryPath::with(|request| _ = request.set_inventory_path(path));
    client.call(&Moref::of::<SearchIndex>("SearchIndex"), request).await.unwrap().moref()
}

pub(crate) async fn there(client: &Client, path: &str) -> Moref {
    found(client, path).await.unwrap_or_else(|| panic!("{path} is there"))
}

fn manager() -> Moref {
    Moref::of::<vimsim::types::views::OvfManager>("OvfManager")
}

async fn specify(
    client: &Client,
    text: &str,
    wish: impl FnOnce(&mut OvfCreateImportSpecParams),
) -> OvfCreateImportSpecResult {
    let pool = there(client, "DC0/host/DC0_C0/Resources").await;
    let datastore = there(client, "DC0/datastore/LocalDS_0").await;
    let request = CreateImportSpec::with(|request| {
        request.set_ovf_descriptor(text).set_resource_pool(pool).set_datastore(datastore);
        let wishes = request.cisp_mut();
        wishes.set_entity_name("box").set_disk_provisioning("thin");
        wishes.set_locale("").set_deployment_option("");
        wish(wishes);
    });
    let result = client.call(&manager(), request).await.unwrap();
    OvfCreateImportSpecResult::from_ref(result.object().unwrap()).unwrap().clone()
}

/// Begins to import the descriptor, and waits until the files can be sent.
pub(crate) async fn import(client: &Client) -> (Moref, HttpNfcLeaseInfo, OvfCreateImportSpecResult) {
    let specified = specify(client, OVF, |_| {}).await;
    let pool = there(client, "DC0/host/DC0_C0/Resources").await;
    let spec = specified.import_spec().unwrap().clone();
    let request = ImportVApp::with(|request| _ = request.set_spec(spec));
    let lease = client.call(&pool, request).await.unwrap().moref().unwrap();
    (lease.clone(), ready(client, &lease).await, specified)
}

async fn ready(client: &Client, lease: &Moref) -> HttpNfcLeaseInfo {
    while client.property(lease, "state").await.unwrap().text() == Some(HttpNfcLeaseState::Initializing.name()) {
        tokio::task::yield_now().await;
    }
    let info = client.property(lease, "info").await.unwrap();
    HttpNfcLeaseInfo::from_ref(info.object().unwrap_or_else(|| panic!("{lease} is ready"))).unwrap().clone()
}

use vimsim::types::EnumView;

fn progress(percent: i32) -> HttpNfcLeaseProgress {
    HttpNfcLeaseProgress::with(|request| _ = request.set_percent(percent))
}

pub(crate) async fn manifest(client: &Client, lease: &Moref) -> Vec<HttpNfcLeaseManifestEntry> {
    let entries = client.call(lease, HttpNfcLeaseGetManifest::new()).await.unwrap();
    let entries = entries.items().iter().filter_map(|it| HttpNfcLeaseManifestEntry::from_ref(it.object()?).cloned());
    entries.collect()
}

#[tokio::test]
async fn a_descriptor_is_understood() {
    let (_simulator, client, _) = start().await;
    let parse = ParseDescriptor::with(|request| {
        request.set_ovf_descriptor(OVF).pdp_mut().set_locale("").set_deployment_option("");
    });
    let result = client.call(&manager(), parse).await.unwrap();
    let result = OvfParseDescriptorResult::from_ref(result.object().unwrap()).unwrap().clone();
    assert_eq!((result.default_entity_name().as_str(), result.virtual_app()), ("appliance", false));
    assert_eq!(result.default_deployment_option(), "large");
    assert_eq!((result.deployment_option().len(), result.network().len(), result.property().len()), (2, 1, 1));
    assert_eq!(result.approximate_download_size(), Some(70_004));
    assert_eq!(result.approximate_flat_deployment_size(), Some((30 << 20) + (1 << 30)));
    assert!(result.error().is_empty());

    let specified = specify(&client, OVF, |_| {}).await;
    assert!(specified.error().is_empty());
    // The part that is not known is not required.
    assert_eq!(specified.warning().len(), 1);
    let spec = specified.import_spec().unwrap().downcast::<VirtualMachineImportSpec>().unwrap();
    let config = spec.config_spec();
    assert_eq!((config.num_cpus(), config.memory_mb()), (Some(4), Some(512)));
    assert_eq!(config.guest_id().map(|id| id.as_str()), Some("ubuntu64Guest"));
    let items: Vec<_> = specified.file_item().iter().map(|it| (it.device_id().to_string(), it.create())).collect();
    let expected = [("/box/ParaVirtualSCSIController0:0", false), ("/box/VirtualIDEController0:0", true)];
    assert_eq!(items, expected.map(|(key, creates)| (key.to_string(), creates)));
    let small = specify(&client, OVF, |wishes| _ = wishes.set_deployment_option("small")).await;
    let small = small.import_spec().unwrap().downcast::<VirtualMachineImportSpec>().unwrap().config_spec().num_cpus();
    assert_eq!(small, Some(1));

    let none = specify(&client, OVF, |wishes| _ = wishes.set_deployment_option("huge")).await;
    assert!(none.import_spec().is_none() && none.error().len() == 1);
    for text in ["", "<a/>", "<Envelope/>", "<!DOCTYPE a><Envelope/>", &"<a>".repeat(5_000)] {
        let refused = specify(&client, text, |_| {}).await;
        assert_eq!(
            (refused.import_spec().is_none(), refused.error().len()),
            (true, 1),
            "{}",
            &text[..text.len().min(9)]
        );
    }
    let host = there(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let validate = ValidateHost::with(|request| {
        request.set_ovf_descriptor(OVF).set_host(host).vhp_mut().set_locale("").set_deployment_option("");
    });
    let valid = client.call(&manager(), validate).await.unwrap();
    let valid = OvfValidateHostResult::from_ref(valid.object().unwrap()).unwrap().clone();
    assert_eq!((valid.error().len(), valid.download_size()), (0, Some(70_004)));
}

#[tokio::test]
async fn bytes_come_back_as_they_went_in() {
    let (simulator, client, _) = start().await;
    let stranger = FileClient::new(&simulator);
    let (lease, info, specified) = import(&client).await;
    let urls: Vec<_> = info.device_url().iter().cloned().collect();
    let disk: Vec<u8> = (0..70_000_u32).map(|at| (at % 253) as u8).collect();
    for item in specified.file_item().iter() {
        let url = urls.iter().find(|url| url.import_key() == item.device_id()).unwrap();
        let sent = match item.create() {
            true => stranger.put(url.url(), "iso!").await.unwrap(),
            false => stranger.post(url.url(), disk.clone()).await.unwrap(),
        };
        assert_eq!(sent.status, StatusCode::OK);
    }
    client.call(&lease, progress(50)).await.unwrap();
    check_fault::<InvalidArgument>(client.call(&lease, progress(101)).await);
    let entries = manifest(&client, &lease).await;
    assert_eq!((entries.len(), entries[0].size(), entries[0].sha1().len()), (2, 70_000, 40));
    client.call(&lease, HttpNfcLeaseComplete::new()).await.unwrap();
    assert_eq!(client.property(&lease, "state").await.unwrap().text(), Some("done"));
    check_fault::<InvalidState>(client.call(&lease, HttpNfcLeaseComplete::new()).await);
    check_fault::<InvalidState>(client.call(&lease, progress(1)).await);
    assert_eq!(stranger.get(urls[0].url()).await.unwrap().status, StatusCode::NOT_FOUND);

    let machine = there(&client, "DC0/vm/box").await;
    // The disks are thin, and take what was sent.
    let storage = client.property(&machine, "summary.storage").await.unwrap();
    let storage = storage.object().unwrap();
    assert_eq!(storage.field("committed"), &Value::Long(8_684 + 70_000));
    assert_eq!(storage.field("uncommitted"), &Value::Long((30 << 20) + (1 << 30) - 70_000));
    let layout = client.property(&machine, "layoutEx.file").await.unwrap();
    let data = layout
        .items()
        .iter()
        .filter_map(|file| file.object())
        .filter(|file| file.field("type").text() == Some("diskExtent"));
    let data: Vec<_> = data.map(|file| (file.field("size").clone(), file.field("uniqueSize").clone())).collect();
    assert_eq!(data, [70_000, 0].map(|size| (Value::Long(size), Value::Long(size))));
    assert_eq!(client.property(&machine, "config.hardware.numCPU").await.unwrap(), Value::Int(4));
    let lease = client.call(&machine, ExportVm::new()).await.unwrap().moref().unwrap();
    let info = ready(&client, &lease).await;
    let urls: Vec<_> = info.device_url().iter().cloned().collect();
    assert_eq!(urls.len(), 3);
    let first = stranger.get(urls[0].url()).await.unwrap();
    assert_eq!((first.status, first.body.as_ref()), (StatusCode::OK, disk.as_slice()));
    assert_eq!(urls[0].file_size(), Some(70_000));
    // A disk that nobody wrote is an empty one that can be imported again.
    assert!(stranger.get(urls[1].url()).await.unwrap().body.starts_with(b"KDMV"));
    assert_eq!(stranger.get(urls[2].url()).await.unwrap().text(), "iso!");
    assert_eq!(stranger.put(urls[0].url(), "x").await.unwrap().status, StatusCode::CONFLICT);
    assert_eq!(manifest(&client, &lease).await[0].sha1(), entries[0].sha1());

    let describe = CreateDescriptor::with(|request| {
        request.set_obj(machine.clone()).cdp_mut().set_ovf_files(urls.iter().map(|url| {
            OvfFile::with(|file| {
                file.set_device_id(url.key()).set_path(url.target_id()).set_size(url.file_size());
            })
        }));
    });
    let described = client.call(&manager(), describe).await.unwrap();
    let text = OvfCreateDescriptorResult::from_ref(described.object().unwrap()).unwrap().ovf_descriptor().clone();
    let again = specify(&client, &text, |wishes| _ = wishes.set_entity_name("copy")).await;
    assert_eq!((again.error().len(), again.file_item().len()), (0, 3), "{text}");
    let again = again.import_spec().unwrap().downcast::<VirtualMachineImportSpec>().unwrap().config_spec().clone();
    assert_eq!((again.num_cpus(), again.memory_mb()), (Some(4), Some(512)));
    client.call(&lease, HttpNfcLeaseComplete::new()).await.unwrap();
    client.run(&machine, DestroyTask::new()).await.unwrap();
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    let (simulator, client, clock) = start().await;
    let files = FileClient::new(&simulator);
    let (lease, _, _) = import(&client).await;
    assert!(found(&client, "DC0/vm/box").await.is_some());
    client.call(&lease, HttpNfcLeaseAbort::new()).await.unwrap();
    assert!(found(&client, "DC0/vm/box").await.is_none());
    let state = client.properties(&lease, &["state", "error"]).await.unwrap();
    assert_eq!(state.prop_set().len(), 2);
    check_fault::<InvalidState>(client.call(&lease, HttpNfcLeaseAbort::new()).await);

    let (lease, info, _) = import(&client).await;
    let url = info.device_url().first().unwrap().url().clone();
    clock.advance(299);
    client.call(&lease, progress(1)).await.unwrap();
    clock.advance(301);
    check_fault::<Timedout>(client.call(&lease, progress(2)).await);
    check_fault::<Timedout>(client.call(&lease, HttpNfcLeaseComplete::new()).await);
    assert_eq!(files.post(&url, "late").await.unwrap().status, StatusCode::NOT_FOUND);
    let other = Client::login(&simulator).await.unwrap();
    assert!(other.call(&lease, progress(2)).await.is_err());
    for path in ["/nfc/x/y", "/nfc/%00/y", &format!("/nfc/{}/disk-0.vmdk", "é".repeat(40))] {
        assert_eq!(files.get(path).await.map_or(StatusCode::NOT_FOUND, |answer| answer.status), StatusCode::NOT_FOUND);
    }
    let machine = there(&client, "DC0/vm/DC0_H0_VM0").await;
    check_fault::<InvalidPowerState>(client.call(&machine, ExportVm::new()).await);
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    let lease = client.call(&machine, ExportVm::new()).await.unwrap().moref().unwrap();
    assert!(lease.is::<HttpNfcLease>());
}

#[tokio::test]
async fn a_lease_has_its_machine_to_itself() {
    let (simulator, client, _) = start().await;
    let task_of = async |machine: &Moref| {
        let tasks = client.property(machine, "recentTask").await.unwrap();
        tasks.items().last().and_then(Value::moref).expect("a task")
    };
    let (lease, _, _) = import(&client).await;
    let machine = there(&client, "DC0/vm/box").await;
    check_fault::<TaskInProgress>(client.run(&machine, PowerOnVMTask::new()).await);
    check_fault::<TaskInProgress>(client.run(&machine, DestroyTask::new()).await);
    client.call(&lease, HttpNfcLeaseComplete::new()).await.unwrap();
    client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();

    let lease = client.call(&machine, ExportVm::new()).await.unwrap().moref().unwrap();
    let task = task_of(&machine).await;
    client.call(&lease, progress(40)).await.unwrap();
    let info = client.properties(&task, &["info.state", "info.progress"]).await.unwrap();
    let values: Vec<_> = info.prop_set().iter().map(|property| property.val().clone()).collect();
    assert!(values[0].text() == Some("running") && values[1] == Value::Int(40), "{values:?}");
    check_fault::<TaskInProgress>(client.call(&machine, ExportVm::new()).await);
    client.call(&lease, HttpNfcLeaseAbort::new()).await.unwrap();
    check_fault::<RequestCanceled>(client.wait_for_task(&task).await);

    // Nothing is left blocked by a client that has gone.
    let gone = Client::login(&simulator).await.unwrap();
    gone.call(&machine, ExportVm::new()).await.unwrap();
    gone.call(&Moref::of::<SessionManager>("SessionManager"), Logout::new()).await.unwrap();
    while client.run(&machine, DestroyTask::new()).await.is_err() {}
}
