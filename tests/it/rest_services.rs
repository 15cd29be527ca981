//! Services of the REST face: the inventory, data sets, the appliance, Supervisors; and what else came with them: esxcli and
//! the administration of single sign-on.

use hyper::Method;
use serde_json::{Value, json};
use vimsim::types::method::{
    AddAuthorizationRole, CreateSnapshotTask, ExecuteSoap, PowerOffVMTask, PowerOnVMTask, ReconfigVMTask,
    RetrieveManagedMethodExecuter, RevertToSnapshotTask, SetEntityPermissions, SsoCreateLocalPersonUser,
    SsoDisableUserAccount, SsoFindPersonUsers, SuspendVMTask,
};
use vimsim::types::views::{
    AuthorizationManager, HostSystem, NoPermission, Permission, ReflectManagedMethodExecuterSoapArgument,
    ReflectManagedMethodExecuterSoapResult, SsoAdminPersonDetails, SsoAdminPrincipalDiscoveryService,
    SsoAdminPrincipalManagementService, VirtualMachine, VirtualMachineConfigSpec,
};
use vimsim::types::{Moref, View};
use vimsim::{Client, Config, Credentials, RestClient, Simulator};

use crate::{check_fault, create, root_folder, start};

fn status(answer: &vimsim::RestAnswer) -> u16 {
    answer.status.as_u16()
}

async fn find(soap: &Client, path: &str) -> Moref {
    crate::inventory::find(soap, path).await.unwrap_or_else(|| panic!("nothing is at {path}"))
}

/// The identifiers that a list has.
async fn ids(client: &RestClient, path: &str, name: &str) -> Vec<String> {
    let answer = client.get(path).await.unwrap();
    let all = answer.body.as_array().unwrap_or_else(|| panic!("{path}: {answer:?}")).clone();
    all.iter().map(|one| one[name].as_str().unwrap().to_string()).collect()
}

#[tokio::test]
async fn the_inventory_is_listed_and_filtered() {
    let (simulator, soap) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let machine = find(&soap, "/DC0/vm/DC0_C0_RP0_VM0").await;
    let host = find(&soap, "/DC0/host/DC0_H0/DC0_H0").await;
    let all = ids(&client, "/api/vcenter/vm", "vm").await;
    assert_eq!((all.len(), all.contains(&machine.value().to_string())), (4, true));
    for (path, name, count) in [
        ("/api/vcenter/host", "host", 4),
        ("/api/vcenter/cluster", "cluster", 1),
        ("/api/vcenter/datacenter", "datacenter", 1),
        ("/api/vcenter/datastore", "datastore", 1),
        ("/api/vcenter/folder?type=HOST", "folder", 1),
        ("/api/vcenter/network?types=STANDARD_PORTGROUP", "network", 1),
        ("/api/vcenter/resource-pool", "resource_pool", 2),
        ("/api/vcenter/vm?names=DC0_H0_VM0&names=DC0_H0_VM1&names=x", "vm", 2),
        ("/api/vcenter/vm?power_states=POWERED_OFF", "vm", 0),
    ] {
        assert_eq!(ids(&client, path, name).await.len(), count, "{path}");
    }
    assert_eq!(ids(&client, &format!("/api/vcenter/vm?hosts={}", host.value()), "vm").await.len(), 2);
    let old = client.get("/rest/vcenter/vm?filter.names.1=DC0_C0_RP0_VM0").await.unwrap().body;
    assert_eq!(old["value"][0]["vm"], machine.value().as_str());
    assert_eq!(status(&client.get("/api/vcenter/vm/vm-999").await.unwrap()), 404);
    assert_eq!(status(&client.get(&format!("/api/vcenter/vm/{}", host.value())).await.unwrap()), 404);

    let path = format!("/api/vcenter/vm/{}", machine.value());
    assert_eq!(client.get(&path).await.unwrap().body["power_state"], "POWERED_ON");
    assert_eq!(status(&client.delete(&path).await.unwrap()), 400);
    let power = format!("{path}/power");
    assert_eq!(status(&client.post(&format!("{power}?action=stop"), Value::Null).await.unwrap()), 204);
    assert_eq!(client.get(&power).await.unwrap().body, json!({ "state": "POWERED_OFF" }));
    assert_eq!(status(&client.post(&format!("{power}?action=stop"), Value::Null).await.unwrap()), 400);
    assert_eq!(status(&client.delete(&path).await.unwrap()), 204);
    assert_eq!(ids(&client, "/api/vcenter/vm", "vm").await.len(), 3);
}

#[tokio::test]
async fn privileges_are_those_of_soap() {
    let (simulator, soap) = start().await;
    let manager = Moref::of::<AuthorizationManager>("AuthorizationManager");
    let role = AddAuthorizationRole::with(|request| {
        request.set_name("look").set_priv_ids(["System.View", "System.Read", "System.Anonymous"]);
    });
    let vimsim::types::Value::Int(role) = soap.call(&manager, role).await.unwrap() else { panic!("a number") };
    let permission = Permission::with(|permission| {
        permission.set_principal("eve").set_group(false).set_role_id(role).set_propagate(true);
    });
    let give = SetEntityPermissions::with(|it| _ = it.set_entity(root_folder()).set_permission([permission]));
    soap.call(&manager, give).await.unwrap();

    let begun = RestClient::new(&simulator).authorize("eve", "x").post("/api/session", Value::Null).await.unwrap();
    let eve = RestClient::new(&simulator).header("vmware-api-session-id", begun.body.as_str().unwrap());
    let machine = ids(&eve, "/api/vcenter/vm", "vm").await.remove(0);
    let unauthorized = "com.vmware.vapi.std.errors.unauthorized";
    for (path, body) in [
        ("/rest/com/vmware/cis/tagging/category", json!({ "create_spec": { "name": "c", "cardinality": "SINGLE" } })),
        ("/rest/com/vmware/content/local-library", json!({ "create_spec": { "name": "l" } })),
        (&*format!("/rest/vcenter/vm/{machine}/power/stop"), Value::Null),
        (&*format!("/rest/vcenter/vm/{machine}/data-sets"), json!({ "name": "d" })),
    ] {
        let answer = eve.post(path, body).await.unwrap();
        assert_eq!((status(&answer), answer.body["type"].as_str()), (403, Some(unauthorized)), "{path}");
    }
    let shutdown = eve.post("/api/appliance/shutdown?action=reboot", json!({ "reason": "r" })).await.unwrap();
    assert_eq!((status(&shutdown), &shutdown.body["error_type"]), (403, &json!("UNAUTHORIZED")));
    assert_eq!(status(&eve.get("/api/appliance/access/ssh").await.unwrap()), 200);
    let sso = Moref::of::<SsoAdminPrincipalManagementService>("principalManagementService");
    let eve = Client::new(&simulator).with_session(begun.body.as_str().unwrap());
    check_fault::<NoPermission>(eve.call(&sso, person("mallory")).await);
}

#[tokio::test]
async fn the_appliance_says_what_it_is_and_how() {
    let (simulator, _) = start().await;
    let rest = RestClient::login(&simulator).await.unwrap();
    let version = rest.get("/api/appliance/system/version").await.unwrap();
    assert_eq!(version.body["version"], "8.0.3");
    assert_eq!(rest.get("/api/appliance/health/system").await.unwrap().body, "green");
    assert_eq!(rest.get("/rest/appliance/health/database-storage").await.unwrap().body["value"], "green");
    assert_eq!(status(&rest.get("/api/appliance/health/soul").await.unwrap()), 404);
}

#[tokio::test]
async fn data_sets_go_with_their_machine() {
    let (simulator, soap) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let machine = find(&soap, "/DC0/vm/DC0_H0_VM0").await;
    let path = format!("/api/vcenter/vm/{}/data-sets", machine.value());
    let old = client.get(&path).await.unwrap();
    assert_eq!((status(&old), &old.body), (400, &json!({ "error_type": "UNSUPPORTED", "messages": [] })));
    soap.run(&machine, PowerOffVMTask::new()).await.unwrap();
    let newer = VirtualMachineConfigSpec::with(|spec| _ = spec.set_version("vmx-21"));
    soap.run(&machine, ReconfigVMTask::with(|request| _ = request.set_spec(newer))).await.unwrap();
    soap.run(&machine, PowerOnVMTask::new()).await.unwrap();

    let spec = json!({ "name": "d", "description": "x", "host": "READ_WRITE", "guest": "NONE" });
    assert_eq!(client.post(&path, spec.clone()).await.unwrap().body, "d");
    assert_eq!(client.post(&path, spec).await.unwrap().body["error_type"], "ALREADY_EXISTS");
    let entry = format!("{path}/d/entries/a%2Fb");
    let set = client.send(Method::PUT, &entry, Some(json!("value"))).await.unwrap();
    assert_eq!(status(&set), 204);
    assert_eq!(client.get(&entry).await.unwrap().body, "value");
    assert_eq!(client.get(&format!("{path}/d")).await.unwrap().body["used"], 8);
    assert_eq!(status(&client.delete(&format!("{path}/d")).await.unwrap()), 400);

    let request = CreateSnapshotTask::with(|it| _ = it.set_name("s").set_memory(false).set_quiesce(false));
    let snapshot = soap.run(&machine, request).await.unwrap().moref().unwrap();
    assert_eq!(status(&client.delete(&format!("{path}/d?force=true")).await.unwrap()), 204);
    assert_eq!(client.get(&path).await.unwrap().body, json!([]));
    soap.run(&snapshot, RevertToSnapshotTask::new()).await.unwrap();
    assert_eq!(client.get(&entry).await.unwrap().body, "value");
    client.post(&format!("/api/vcenter/vm/{}/power?action=start", machine.value()), Value::Null).await.unwrap();
    soap.run(&machine, SuspendVMTask::new()).await.unwrap();
    assert_eq!(client.delete(&entry).await.unwrap().body["error_type"], "NOT_ALLOWED_IN_CURRENT_STATE");
}

#[tokio::test]
async fn supervisors_and_software_are_kept() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let cluster = ids(&client, "/api/vcenter/cluster", "cluster").await.remove(0);
    let clusters = "/api/vcenter/namespace-management/clusters";
    assert_eq!(client.get(clusters).await.unwrap().body, json!([]));
    let enable = format!("{clusters}/{cluster}?action=enable");
    assert_eq!(status(&client.post(&enable, json!({ "size_hint": "TINY" })).await.unwrap()), 204);
    assert_eq!(ids(&client, clusters, "cluster").await, [cluster.clone()]);
    let instances = "/api/vcenter/namespaces/instances";
    client.post(instances, json!({ "cluster": cluster, "namespace": "n" })).await.unwrap();
    assert_eq!(client.get(&format!("{instances}/n")).await.unwrap().body["cluster"], cluster);
    assert_eq!(status(&client.get(&format!("{instances}/m")).await.unwrap()), 404);
    client.post(&format!("{clusters}/{cluster}?action=disable"), Value::Null).await.unwrap();
    assert_eq!(client.get(clusters).await.unwrap().body, json!([]));

    let drafts = format!("/api/esx/settings/clusters/{cluster}/software/drafts");
    assert_eq!(client.post(&drafts, Value::Null).await.unwrap().body, "1");
    assert_eq!(status(&client.post(&drafts, Value::Null).await.unwrap()), 400);
    let components = json!({ "components_to_set": { "c": "1.2" } });
    client.patch(&format!("{drafts}/1/software/components"), components).await.unwrap();
    let task = client.post(&format!("{drafts}/1?action=commit"), json!({})).await.unwrap();
    let task = client.get(&format!("/api/cis/tasks/{}", task.body.as_str().unwrap())).await.unwrap();
    assert_eq!(task.body["status"], "SUCCEEDED");
    let software = format!("/api/esx/settings/clusters/{cluster}/software");
    assert_eq!(client.get(&software).await.unwrap().body["components"]["c"]["version"], "1.2");
    assert_eq!(client.get(&drafts).await.unwrap().body, json!({}));
}

/// Has a host carry out a command of esxcli.
async fn esxcli(soap: &Client, method: &str, arguments: &[(&str, &str)]) -> ReflectManagedMethodExecuterSoapResult {
    let host = find(soap, "/DC0/host/DC0_H0/DC0_H0").await;
    assert!(host.is::<HostSystem>());
    let executer = create(soap, &host, RetrieveManagedMethodExecuter::new()).await;
    let request = ExecuteSoap::with(|request| {
        request.set_moid("ha-cli-handler").set_version("urn:vim25/5.0").set_method(method);
        request.set_argument(arguments.iter().map(|(name, value)| {
            ReflectManagedMethodExecuterSoapArgument::with(|it| {
                it.set_name(*name).set_val(format!("<{name}>{value}</{name}>"));
            })
        }));
    });
    let answer = soap.call(&executer, request).await.unwrap();
    let object = answer.object().unwrap();
    ReflectManagedMethodExecuterSoapResult::from_ref(object).unwrap().clone()
}

#[tokio::test]
async fn esxcli_answers_out_of_the_host() {
    let (_simulator, soap) = start().await;
    let processes = esxcli(&soap, "vim.EsxCLI.vm.process.list", &[]).await;
    let text = processes.response().unwrap();
    assert!(text.contains("<DisplayName>DC0_H0_VM0</DisplayName>") && !text.contains("DC0_C0"), "{text}");
    for (name, value, expected) in [("option", "/Net/GuestIPHack", "<IntValue>0<"), ("option", "/Net/x", "")] {
        let options = esxcli(&soap, "vim.EsxCLI.system.settings.advanced.list", &[(name, value)]).await;
        assert_eq!(options.fault().is_some(), expected.is_empty(), "{value}");
        assert!(options.response().is_none_or(|text| text.contains(expected)));
    }
    let set = [("option", "/Net/GuestIPHack"), ("intvalue", "1")];
    assert!(esxcli(&soap, "vim.EsxCLI.system.settings.advanced.set", &set).await.fault().is_none());
    let options = esxcli(&soap, "vim.EsxCLI.system.settings.advanced.list", &set[..1]).await;
    assert!(options.response().unwrap().contains("<IntValue>1<"));
    let set = [("option", "/Net/GuestIPHack"), ("intvalue", "2")];
    assert!(esxcli(&soap, "vim.EsxCLI.system.settings.advanced.set", &set).await.fault().is_some());
    let unknown = esxcli(&soap, "vim.EsxCLI.no.such.command", &[]).await;
    assert!(unknown.fault().unwrap().fault_detail().unwrap().contains("NotFound"));
    // vcsim fails every search after this.
    assert!(find(&soap, "/DC0/vm/DC0_H0_VM0").await.is::<VirtualMachine>());
}

/// A request to add a person.
fn person(name: &str) -> SsoCreateLocalPersonUser {
    SsoCreateLocalPersonUser::with(|request| {
        request.set_user_name(name).set_user_details(SsoAdminPersonDetails::new()).set_password("pass");
    })
}

#[tokio::test]
async fn users_of_single_sign_on_log_in() {
    let credentials = Credentials::Fixed { user: "root".into(), password: "secret".into() };
    let simulator = Simulator::start(Config { credentials, ..Config::default() }).await.unwrap();
    let login = async |user, password| {
        let client = RestClient::new(&simulator).authorize(user, password);
        client.post("/api/session", Value::Null).await.unwrap()
    };
    assert_eq!(status(&login("eve", "pass").await), 401);
    let begun = login("root", "secret").await;
    let soap = Client::new(&simulator).with_session(begun.body.as_str().unwrap());
    let service = Moref::of::<SsoAdminPrincipalManagementService>("principalManagementService");
    let add = person("eve");
    soap.call(&service, add.clone()).await.unwrap();
    check_fault::<vimsim::types::views::DuplicateName>(soap.call(&service, add).await);
    let discovery = Moref::of::<SsoAdminPrincipalDiscoveryService>("principalDiscoveryService");
    let request = SsoFindPersonUsers::with(|request| {
        request.criteria_mut().set_search_string("").set_domain("vsphere.local");
        request.set_limit(100);
    });
    let all = soap.call(&discovery, request).await.unwrap();
    assert_eq!(all.items().len(), 2);
    assert_eq!(status(&login("eve", "pass").await), 201);
    assert_eq!(status(&login("eve", "wrong").await), 401);
    assert_eq!(status(&login("root", "secret").await), 201);
    let disable = SsoDisableUserAccount::with(|request| {
        request.user_id_mut().set_name("eve").set_domain("vsphere.local");
    });
    soap.call(&service, disable).await.unwrap();
    assert_eq!(status(&login("eve", "pass").await), 401);
}

#[tokio::test]
async fn a_machine_takes_nothing_from_the_tags() {
    let (simulator, soap) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let category = json!({ "create_spec": { "name": "c", "cardinality": "SINGLE" } });
    client.post("/rest/com/vmware/cis/tagging/category", category).await.unwrap();
    // Generates a MAC address, which is kept, too.
    let machine = find(&soap, "/DC0/vm/DC0_H0_VM0").await;
    let folder = find(&soap, "/DC0/vm").await;
    let request = vimsim::types::method::CloneVMTask::with(|request| {
        request.set_folder(folder).set_name("copy");
        request.spec_mut().set_template(false).set_power_on(false).location_mut();
    });
    soap.run(&machine, request).await.unwrap();
    let left = client.get("/rest/com/vmware/cis/tagging/category").await.unwrap().body;
    assert_eq!(left["value"].as_array().map(Vec::len), Some(1));
}
