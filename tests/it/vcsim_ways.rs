//! What vcsim has beside the API of a vCenter, and scripts count on.

use std::collections::BTreeSet;

use serde_json::json;
use vimsim::types::enums::{VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation};
use vimsim::types::method::{
    CreateVMTask, FetchVmGroupForMultiwriterDisks, FindAllByIp, FindByDnsName, PowerOffVMTask, ReconfigVMTask,
    ReconfigureComputeResourceTask, RenameTask, RetrieveInternalContent,
};
use vimsim::types::views::{
    CannotCreateFile, ClusterConfigSpecEx, GuestInfo, HostSystem, InvalidArgument, InvalidProperty, OptionValue,
    SearchIndex, SharedDiskVmGroupInfo, VirtualDeviceConfigSpec, VirtualDisk, VirtualDiskFlatVer2BackingInfo,
    VirtualMachineConfigSpec,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Error, Fidelity, Model, RestClient, Simulator};

use crate::inventory::{found, morefs};
use crate::{check_fault, start};

fn search_index() -> Moref {
    Moref::of::<SearchIndex>("SearchIndex")
}

/// Reconfigures a machine with one more option.
async fn option(client: &Client, machine: &Moref, key: &str, value: &str) -> Result<Value, Error> {
    let option = OptionValue::with(|option| _ = option.set_key(key).set_value(value));
    let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.push_extra_config(option));
    client.run(machine, ReconfigVMTask::with(|request| _ = request.set_spec(spec))).await
}

#[tokio::test]
async fn debug_vars_count_the_model() {
    let (simulator, _client) = start().await;
    let vars = RestClient::new(&simulator).get("/debug/vars").await.unwrap().body;
    let expected = json!({
        "app": 0, "cluster": 1, "datacenter": 1, "datastore": 1, "folder": 5, "host": 4, "machine": 4,
        "opaqueNetwork": 0, "pod": 0, "pool": 2, "portgroup": 2, "portgroupNSX": 0,
    });
    assert_eq!(vars["vcsim"]["model"], expected);
    assert!(vars["vcsim"]["registry"]["objects"].as_u64().unwrap() > 100);
}

#[tokio::test]
async fn an_option_sets_what_the_guest_says() {
    let (_simulator, client) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    option(&client, &machine, "SET.guest.ipAddress", "10.0.0.1").await.unwrap();
    option(&client, &machine, "SET.guest.hostName", "localhost.localdomain").await.unwrap();
    let guest = client.property(&machine, "guest").await.unwrap();
    let guest = guest.object().and_then(GuestInfo::from_ref).expect("set");
    assert_eq!(guest.ip_address().map(|ip| ip.as_str()), Some("10.0.0.1"));
    assert!(guest.net().first().expect("an adapter").ip_address().contains("10.0.0.1"));
    for (path, text) in [("summary.guest.ipAddress", "10.0.0.1"), ("summary.guest.hostName", "localhost.localdomain")] {
        assert_eq!(client.property(&machine, path).await.unwrap().text(), Some(text));
    }
    let by_ip = FindAllByIp::with(|request| _ = request.set_ip("10.0.0.1").set_vm_search(true));
    let by_ip = client.call(&search_index(), by_ip).await.unwrap();
    assert_eq!(by_ip.items().iter().filter_map(Value::moref).collect::<Vec<_>>(), [machine.clone()]);
    let by_name = FindByDnsName::with(|request| _ = request.set_dns_name("localhost.localdomain").set_vm_search(true));
    assert_eq!(client.call(&search_index(), by_name).await.unwrap().moref(), Some(machine.clone()));
    // The options themselves are not kept.
    let options = client.property(&machine, "config.extraConfig").await.unwrap();
    let is_ours = |option: &Value| option.object().is_some_and(|it| it.field("key").text().unwrap().starts_with("SET"));
    assert!(!options.items().iter().any(is_ours));
}

#[tokio::test]
async fn an_option_that_sets_nothing_that_can_be_set_is_refused() {
    let (_simulator, client) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    for (key, value) in [
        ("SET.guest.enoent", "x"),
        ("SET.guest.net", "x"),
        ("SET.config.hardware", "x"),
        ("SET.config.hardware.numCPU", "many"),
        ("SET.guest.toolsStatus", "none such"),
        ("SET.runtime.powerState", "poweredOff"),
        ("SET.", "x"),
    ] {
        let answer = option(&client, &machine, key, value).await;
        assert!(answer.is_err(), "{key}");
        check_fault::<InvalidArgument>(answer);
    }
    option(&client, &machine, "SET.config.uuid", "421f6ca2-43f8-4d63-a2e1-11ba0f3f5d3e").await.unwrap();
    let uuid = client.property(&machine, "summary.config.uuid").await.unwrap();
    assert_eq!(uuid.text(), Some("421f6ca2-43f8-4d63-a2e1-11ba0f3f5d3e"));
}

#[tokio::test]
async fn hosts_may_have_ports_of_their_own() {
    let address = Some("127.0.0.1:18989".parse().unwrap());
    let model = Model { cluster_host: 20, ..Model::default() };
    let simulator =
        Simulator::start(Config { unique_host_ports: true, address, model, ..Config::default() }).await.unwrap();
    let snapshot = simulator.service().snapshot();
    let hosts = snapshot.objects().filter_map(|object| object.view::<HostSystem>());
    let ports: Vec<i32> = hosts.map(|host| host.summary().config().port()).collect();
    let different: BTreeSet<i32> = ports.iter().copied().collect();
    assert_eq!((ports.len(), different.len()), (21, 21));
    assert!(!different.contains(&18_989) && different.iter().all(|port| (1_024..65_536).contains(port)));
}

#[tokio::test]
async fn a_virtual_machine_on_vsan_needs_three_hosts() {
    let model = Model { cluster_host: 1, ..Model::default() };
    let simulator = Simulator::start(Config { model, ..Config::default() }).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let spec = ClusterConfigSpecEx::with(|spec| _ = spec.vsan_config_mut().set_enabled(true));
    let request = ReconfigureComputeResourceTask::with(|request| _ = request.set_spec(spec).set_modify(true));
    client.run(&cluster, request).await.unwrap();
    let pool = client.property(&cluster, "resourcePool").await.unwrap().moref().expect("a pool");
    let create = CreateVMTask::with(|request| {
        request.set_pool(pool);
        let spec = request.config_mut();
        spec.set_name("new").set_guest_id("otherGuest");
        spec.files_mut().set_vm_path_name("[vsanDatastore]");
    });
    let answer = client.run(&found(&client, "DC0/vm").await, create).await;
    let text = answer.as_ref().expect_err("too few hosts").fault().expect("a fault").to_string();
    assert!(text.contains("requires 2 more usable fault domains"), "{text}");
    check_fault::<CannotCreateFile>(answer);
    assert_eq!(morefs(&client, &cluster, "host").await.len(), 1);
}

#[tokio::test]
async fn json_rpc_begins_and_ends_a_session() {
    let (simulator, _) = start().await;
    let invoke = |operation: &str, context: serde_json::Value| {
        json!({ "jsonrpc": "2.0", "id": "7", "method": "invoke", "params": {
            "serviceId": "com.vmware.cis.session", "operationId": operation, "ctx": { "securityCtx": context },
        }})
    };
    let client = RestClient::new(&simulator);
    let user = |password: &str| {
        let scheme = "com.vmware.vapi.std.security.user_pass";
        json!({ "schemeId": scheme, "userName": "user", "password": password })
    };
    let wrong = client.post("/api", invoke("create", user(""))).await.unwrap();
    assert!(wrong.body["result"]["error"]["ERROR"]["com.vmware.vapi.std.errors.unauthenticated"].is_object());
    let begun = client.post("/api", invoke("create", user("pass"))).await.unwrap();
    assert_eq!((begun.status.as_u16(), &begun.body["id"]), (200, &json!("7")));
    let id = begun.body["result"]["output"]["SECRET"].as_str().expect("a session").to_owned();
    let session = json!({ "schemeId": "com.vmware.vapi.std.security.session_id", "sessionId": id });
    let shown = client.post("/api", invoke("get", session.clone())).await.unwrap();
    assert_eq!(shown.body["result"]["output"]["STRUCTURE"]["com.vmware.cis.session.info"]["user"], "user");
    let own = RestClient::new(&simulator).header("vmware-api-session-id", &id);
    assert_eq!(own.get("/api/session").await.unwrap().status, 200, "it is a session like any other");
    client.post("/api", invoke("delete", session)).await.unwrap();
    assert_eq!(own.get("/api/session").await.unwrap().status, 401);

    let nobody = client.post("/api", invoke("enoent", json!(null))).await.unwrap();
    assert!(nobody.body["result"]["error"]["ERROR"]["com.vmware.vapi.std.errors.operation_not_found"].is_object());
    for wrong in [json!([]), json!({ "method": "invoke" }), json!({ "method": "x", "params": {} })] {
        assert!(client.post("/api", wrong).await.unwrap().body["error"]["code"].as_i64().unwrap() < 0);
    }
}

#[tokio::test]
async fn the_certificate_authority_signs_what_a_host_asks_for() {
    use vimsim::types::method::{GenerateCertificateSigningRequest, InstallServerCertificate};
    let (simulator, client) = start().await;
    let rest = RestClient::login(&simulator).await.unwrap();
    let root = rest.get("/rest/vcenter/certificate-authority/get-root").await.unwrap();
    assert!(root.body["value"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let manager = client.property(&host, "configManager.certificateManager").await.unwrap().moref().unwrap();
    let request = GenerateCertificateSigningRequest::with(|request| {
        request.set_use_ip_address_as_common_name(false);
    });
    let request = client.call(&manager, request).await.unwrap();
    let path = "/rest/vcenter/certificate-authority/sign-cert";
    let signed = rest.post(path, json!({ "csr": request.text(), "duration": "30" })).await.unwrap();
    let certificate = signed.body["value"].as_str().expect("a certificate").to_owned();
    client.call(&manager, InstallServerCertificate::with(|request| _ = request.set_cert(certificate))).await.unwrap();
    let issuer = client.property(&manager, "certificateInfo.issuer").await.unwrap();
    assert_eq!(issuer.text(), Some("OU=VMware Engineering,O=vimsim,ST=California,C=US,CN=CA"));

    for wrong in [json!({ "csr": "none", "duration": "30" }), json!({ "csr": request.text(), "duration": "0" })] {
        assert_eq!(rest.post(path, wrong).await.unwrap().status, 400);
    }
    let nobody = RestClient::new(&simulator);
    assert_eq!(nobody.get("/rest/vcenter/certificate-authority/get-root").await.unwrap().status, 401);
}

#[tokio::test]
async fn machines_that_share_disks_are_told() {
    let (_simulator, client) = start().await;
    let first = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let second = found(&client, "DC0/vm/DC0_H0_VM1").await;
    let devices = client.property(&first, "config.hardware.device").await.unwrap();
    let known = devices.items().iter().find_map(|device| VirtualDisk::from_ref(device.object()?)).unwrap();
    let controller = known.controller_key();
    let add = |create: bool| {
        let disk = VirtualDisk::with(|disk| {
            disk.set_key(-1).set_controller_key(controller).set_unit_number(5);
            disk.set_capacity_in_kb(1024);
            disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_disk_mode("persistent").set_sharing("sharingMultiWriter").set_thin_provisioned(true);
                backing.set_file_name("[LocalDS_0] shared.vmdk");
            }));
        });
        let change = VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(VirtualDeviceConfigSpecOperation::Add).set_device(disk);
            if create {
                change.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
            }
        });
        let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.push_device_change(change));
        ReconfigVMTask::with(|request| _ = request.set_spec(spec))
    };
    client.run(&first, add(true)).await.unwrap();
    client.run(&second, add(false)).await.unwrap();
    let group = client.call(&first, FetchVmGroupForMultiwriterDisks::new()).await.unwrap();
    let group = SharedDiskVmGroupInfo::from_ref(group.object().unwrap()).unwrap().clone();
    let rows: Vec<_> = group.shared_disk_vm_info().iter().collect();
    assert_eq!(rows.len(), 1);
    let peers: Vec<Moref> = rows[0].virtual_disk_id().iter().map(|id| id.vm()).collect();
    assert_eq!(peers, [second]);
    let wrong = FetchVmGroupForMultiwriterDisks::with(|request| _ = request.disk_ids_mut().set_int([7]));
    check_fault::<InvalidArgument>(client.call(&first, wrong).await);
    let content = client.call(&Client::service_instance(), RetrieveInternalContent::new()).await.unwrap();
    assert_eq!(content.object().unwrap().field("nfcService").moref().unwrap().kind().name(), "NfcService");
}

/// A service that follows vcsim where it differs from vCenter.
async fn start_as_vcsim() -> (Simulator, Client) {
    let simulator = Simulator::start(Config { fidelity: Fidelity::Vcsim, ..Config::default() }).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    (simulator, client)
}

fn reconfigured(change: impl FnOnce(&mut VirtualMachineConfigSpec)) -> ReconfigVMTask {
    ReconfigVMTask::with(|request| _ = request.set_spec(VirtualMachineConfigSpec::with(change)))
}

#[tokio::test]
async fn as_vcsim_a_running_machine_takes_processors_and_memory() {
    let (_simulator, client) = start_as_vcsim().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    client.run(&machine, reconfigured(|spec| _ = spec.set_num_cpus(2).set_memory_mb(1024))).await.unwrap();
    assert_eq!(client.property(&machine, "summary.config.numCpu").await.unwrap(), Value::Int(2));
    assert_eq!(client.property(&machine, "summary.config.memorySizeMB").await.unwrap(), Value::Int(1024));
}

#[tokio::test]
async fn as_vcsim_two_machines_of_a_folder_may_have_one_name() {
    let (_simulator, client) = start_as_vcsim().await;
    let folder = found(&client, "DC0/vm").await;
    let pool = found(&client, "DC0/host/DC0_C0/Resources").await;
    let spec = VirtualMachineConfigSpec::with(|spec| {
        spec.set_name("twin").files_mut().set_vm_path_name("[LocalDS_0]");
    });
    let request = CreateVMTask::with(|request| _ = request.set_config(spec).set_pool(pool));
    client.run(&folder, request.clone()).await.unwrap();
    client.run(&folder, request).await.unwrap();
    let mut named = 0;
    for machine in morefs(&client, &folder, "childEntity").await {
        named += usize::from(client.property(&machine, "name").await.unwrap().text() == Some("twin"));
    }
    assert_eq!(named, 2);
}

#[tokio::test]
async fn as_vcsim_a_new_name_keeps_its_slash() {
    let (_simulator, client) = start_as_vcsim().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    client.run(&machine, reconfigured(|spec| _ = spec.set_name("a/b"))).await.unwrap();
    assert_eq!(client.property(&machine, "name").await.unwrap().text(), Some("a/b"));
    client.run(&machine, RenameTask::with(|request| _ = request.set_new_name("c/d"))).await.unwrap();
    assert_eq!(client.property(&machine, "summary.config.name").await.unwrap().text(), Some("c/d"));
}

#[tokio::test]
async fn as_vcsim_tasks_have_the_names_of_vmodl() {
    let (_simulator, client) = start_as_vcsim().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let task = client.call(&machine, PowerOffVMTask::new()).await.unwrap().moref().expect("a task");
    client.wait_for_task(&task).await.unwrap();
    assert_eq!(client.property(&task, "info.name").await.unwrap().text(), Some("PowerOff"));
    assert_eq!(client.property(&task, "info.descriptionId").await.unwrap().text(), Some("VirtualMachine.powerOff"));
}

#[tokio::test]
async fn as_vcsim_paths_may_have_capitals_and_unknown_ones_are_missing() {
    let (_simulator, client) = start_as_vcsim().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let content = client.properties(&machine, &["Config.GuestId", "config.nope", "name"]).await.unwrap();
    let known: Vec<&str> = content.prop_set().iter().map(|property| property.name().as_str()).collect();
    assert_eq!(known, ["Config.GuestId", "name"]);
    let missing = content.missing_set().first().expect("the other one");
    assert_eq!(missing.path().as_str(), "config.nope");
    assert!(InvalidProperty::from_ref(missing.fault().fault().as_object()).is_some());
}

#[tokio::test]
async fn as_vcsim_a_host_says_that_it_uses_the_same_whatever_runs_on_it() {
    let (_simulator, client) = start_as_vcsim().await;
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let stats =
        client.properties(&host, &["summary.quickStats.overallCpuUsage", "summary.quickStats.overallMemoryUsage"]);
    let values: Vec<Value> = stats.await.unwrap().prop_set().iter().map(|property| property.val().clone()).collect();
    assert_eq!(values, [Value::Int(67), Value::Int(1404)]);
}
