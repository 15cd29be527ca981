//! The REST face: its sessions are those of SOAP, and what it answers has the shapes of `/rest` and `/api`.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vimsim::types::method::{CreateFolder, CurrentTime, DestroyTask, Logout};
use vimsim::types::views::{ClusterComputeResource, NotAuthenticated, SessionManager};
use vimsim::types::{Moref, View};
use vimsim::{Client, Config, Credentials, Product, RestClient, Simulator};

use crate::{check_fault, start};

const OLD_SESSION: &str = "/rest/com/vmware/cis/session";

/// The kind of an error, in either shape.
fn kind(body: &Value) -> Option<&str> {
    body["error_type"].as_str().or(body["type"].as_str())
}

#[tokio::test]
async fn a_session_of_api_begins_shows_itself_and_ends() {
    let (simulator, _) = start().await;
    let client = RestClient::new(&simulator).authorize("user", "pass");
    let begun = client.post("/api/session", json!(null)).await.unwrap();
    assert_eq!(begun.status, 201);
    let cookie = begun.headers["set-cookie"].to_str().unwrap().to_string();
    let token = begun.body.as_str().unwrap().to_string();
    assert_eq!(cookie, format!("vmware-api-session-id={token}; Path=/api; HttpOnly"));

    for client in [
        RestClient::new(&simulator).header("vmware-api-session-id", &token),
        RestClient::new(&simulator).header("cookie", &cookie),
    ] {
        let shown = client.get("/api/session").await.unwrap();
        assert_eq!((shown.status.as_u16(), shown.body["user"].as_str()), (200, Some("user")));
        assert!(shown.body["created_time"].is_string() && shown.body["last_accessed_time"].is_string());
    }
    let client = RestClient::new(&simulator).header("vmware-api-session-id", &token);
    assert_eq!(client.delete("/api/session").await.unwrap().status, 204);
    let gone = client.get("/api/session").await.unwrap();
    assert_eq!((gone.status.as_u16(), kind(&gone.body)), (401, Some("UNAUTHENTICATED")));
    assert!(gone.body["messages"][0]["id"].is_string());
}

#[tokio::test]
async fn a_session_of_rest_is_wrapped() {
    let (simulator, _) = start().await;
    let client = RestClient::new(&simulator).authorize("user", "pass").header("vmware-use-header-authn", "true");
    let begun = client.post(OLD_SESSION, json!(null)).await.unwrap();
    assert_eq!(begun.status, 200);
    assert!(!begun.headers.contains_key("set-cookie"));
    let token = begun.body["value"].as_str().unwrap().to_string();

    let client = RestClient::new(&simulator).header("vmware-api-session-id", &token);
    let shown = client.post(&format!("{OLD_SESSION}?~action=get"), json!(null)).await.unwrap();
    assert_eq!((shown.status.as_u16(), shown.body["value"]["user"].as_str()), (200, Some("user")));
    assert_eq!(client.get(OLD_SESSION).await.unwrap().body["value"]["user"], "user");
    assert_eq!(client.delete(OLD_SESSION).await.unwrap().status, 200);
    let gone = client.post(&format!("{OLD_SESSION}?~action=get"), json!(null)).await.unwrap();
    let unauthenticated = "com.vmware.vapi.std.errors.unauthenticated";
    assert_eq!((gone.status.as_u16(), gone.body["type"].as_str()), (401, Some(unauthenticated)));
}

#[tokio::test]
async fn credentials_are_those_of_soap() {
    let credentials = Credentials::Fixed { user: "root".into(), password: "se:cret".into() };
    let simulator = Simulator::start(Config { credentials, ..Config::default() }).await.unwrap();
    let login = async |user, password| {
        let client = RestClient::new(&simulator).authorize(user, password);
        client.post("/api/session", json!(null)).await.unwrap().status.as_u16()
    };
    assert_eq!(login("root", "se:cret").await, 201);
    assert_eq!(login("root@vsphere.local", "se:cret").await, 201);
    assert_eq!(login("root", "wrong").await, 401);
    assert_eq!(login("user", "se:cret").await, 401);
    let nobody = RestClient::new(&simulator).post("/api/session", json!(null)).await.unwrap();
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn a_session_is_one_on_both_faces() {
    let (simulator, soap) = start().await;
    let session_manager = Moref::of::<SessionManager>("SessionManager");
    let rest = RestClient::new(&simulator).header("vmware-api-session-id", &soap.session().unwrap());
    assert_eq!(rest.get("/api/session").await.unwrap().body["user"], "user");
    soap.call(&session_manager, Logout::new()).await.unwrap();
    assert_eq!(rest.get("/api/session").await.unwrap().status, 401);

    let begun = RestClient::new(&simulator).authorize("user", "pass").post("/api/session", json!(null)).await.unwrap();
    let soap = Client::new(&simulator).with_session(begun.body.as_str().unwrap());
    soap.call(&Client::service_instance(), CurrentTime::new()).await.unwrap();
    let rest = RestClient::new(&simulator).header("vmware-api-session-id", begun.body.as_str().unwrap());
    rest.delete("/api/session").await.unwrap();
    check_fault::<NotAuthenticated>(soap.call(&Client::service_instance(), CurrentTime::new()).await);
}

#[tokio::test]
async fn a_saml_token_is_as_good_as_a_password() {
    let (simulator, _) = start().await;
    let login = async |token: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(token.as_bytes()).unwrap();
        let token = STANDARD.encode(packed.finish().unwrap());
        let value = format!("SIGN token=\"{token}\", signature_alg=\"RSA-SHA256\"");
        let client = RestClient::new(&simulator).header("authorization", &value);
        client.post(OLD_SESSION, json!(null)).await.unwrap().status.as_u16()
    };
    let token = "<Assertion><Subject><NameID>root@localos</NameID></Subject></Assertion>";
    assert_eq!(login(token).await, 200);
    assert_eq!(login(&token.replace("root@localos", "")).await, 401);
    assert_eq!(login("no token").await, 401);
    let bad = RestClient::new(&simulator).header("authorization", "SIGN token=\"!\"");
    assert_eq!(bad.post(OLD_SESSION, json!(null)).await.unwrap().status, 401);
}

#[tokio::test]
async fn unknown_paths_are_answered_in_json() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    for (path, status, expected) in [
        ("/rest", 404, "com.vmware.vapi.std.errors.not_found"),
        ("/rest/enoent", 404, "com.vmware.vapi.std.errors.not_found"),
        ("/api/enoent/more", 404, "NOT_FOUND"),
        ("/rest/vcenter/cluster/modules/x", 405, "com.vmware.vapi.std.errors.operation_not_found"),
    ] {
        let answer = client.get(path).await.unwrap();
        let found = answer.body["type"].as_str().or(answer.body["error_type"].as_str());
        assert_eq!((answer.status.as_u16(), found), (status, Some(expected)), "{path}");
    }
    let host = Simulator::start(Config { product: Product::EsxHost, ..Config::default() }).await.unwrap();
    let answer = RestClient::new(&host).authorize("user", "pass").post("/api/session", json!(null)).await.unwrap();
    assert_eq!(answer.status, 404);
}

const MODULES: &str = "/rest/vcenter/cluster/modules";

/// The first cluster.
fn cluster(simulator: &Simulator) -> String {
    let snapshot = simulator.service().snapshot();
    let mut clusters = snapshot.objects().filter(|object| object.moref().is::<ClusterComputeResource>());
    clusters.next().expect("the model has one").moref().value().to_string()
}

#[tokio::test]
async fn modules_belong_to_clusters() {
    let (simulator, _) = start().await;
    assert_eq!(RestClient::new(&simulator).get(MODULES).await.unwrap().status, 401);
    let client = RestClient::login(&simulator).await.unwrap();
    let refused = client.post(MODULES, json!({ "spec": { "cluster": "domain-c999" } })).await.unwrap();
    assert_eq!(refused.status, 400);
    assert_eq!(client.post(MODULES, json!({ "spec": 1 })).await.unwrap().status, 400);
    let cluster = cluster(&simulator);
    let module = client.post(MODULES, json!({ "spec": { "cluster": cluster } })).await.unwrap();
    let module = module.body["value"].as_str().unwrap().to_string();
    let list = client.get(MODULES).await.unwrap().body;
    assert_eq!(list, json!({ "value": { "summaries": [{ "cluster": cluster, "module": module }] } }));

    let members = format!("{MODULES}/vm/{module}/members");
    assert_eq!(client.get(&members).await.unwrap().body, json!({ "value": { "vms": [] } }));
    let stranger = json!({ "vms": ["vm-999"] });
    let added = client.post(&format!("{members}?action=add"), stranger.clone()).await.unwrap();
    assert_eq!(added.body, json!({ "value": { "success": false } }));
    assert_eq!(client.post(&format!("{members}?action=invalid"), stranger).await.unwrap().status, 404);

    assert_eq!(client.delete(&format!("{MODULES}/{module}")).await.unwrap().status, 200);
    assert_eq!(client.delete(&format!("{MODULES}/{module}")).await.unwrap().status, 404);
    assert_eq!(client.get(&members).await.unwrap().status, 404);
}

const TAGGING: &str = "/rest/com/vmware/cis/tagging";

/// Creates something under a path of tagging, and returns its identifier.
async fn create(client: &RestClient, path: &str, spec: Value) -> String {
    let answer = client.post(&format!("{TAGGING}/{path}"), json!({ "create_spec": spec })).await.unwrap();
    answer.body["value"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_string()
}

#[tokio::test]
async fn categories_and_tags_are_kept() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    // Clients may write the namespace, which is not answered.
    let types = ["urn:vim25:Folder"];
    let spec = json!({ "name": "c", "description": "", "cardinality": "SINGLE", "associable_types": types });
    let category = create(&client, "category", spec.clone()).await;
    assert!(category.starts_with("urn:vmomi:InventoryServiceCategory:"));
    let status = async |path: &str, spec: &Value| {
        client.post(&format!("{TAGGING}/{path}"), json!({ "create_spec": spec })).await.unwrap().status.as_u16()
    };
    assert_eq!(status("category", &spec).await, 400);
    assert_eq!(status("category", &json!({ "name": "d", "cardinality": "SOME" })).await, 400);
    assert_eq!(status("category", &json!({ "name": "d", "category_id": "mine" })).await, 400);
    assert_eq!(status("tag", &json!({ "name": "t", "category_id": "none" })).await, 404);

    let tag = create(&client, "tag", json!({ "name": "t", "description": "x", "category_id": category })).await;
    let path = format!("{TAGGING}/tag/id:{tag}");
    let update = json!({ "update_spec": { "name": "u" } });
    assert_eq!(client.patch(&path, update).await.unwrap().status, 200);
    let expected = json!({ "id": tag, "category_id": category, "name": "u", "description": "x", "used_by": [] });
    assert_eq!(client.get(&path).await.unwrap().body["value"], expected);
    assert_eq!(client.get(&format!("/api/cis/tagging/tag/{tag}")).await.unwrap().body, expected);
    let listed = client.post(&format!("{TAGGING}/tag/id:{category}?~action=list-tags-for-category"), json!({})).await;
    assert_eq!(listed.unwrap().body, json!({ "value": [tag] }));

    let path = format!("{TAGGING}/category/id:{category}");
    let fewer = json!({ "update_spec": { "associable_types": ["Datacenter"] } });
    assert_eq!(client.patch(&path, fewer).await.unwrap().status, 400);
    assert_eq!(client.patch(&path, json!({ "update_spec": { "cardinality": "SOME" } })).await.unwrap().status, 400);
    assert_eq!(client.delete(&path).await.unwrap().status, 200);
    assert_eq!(client.get(&format!("{TAGGING}/tag")).await.unwrap().body, json!({ "value": [] }));
}

#[tokio::test]
async fn tags_hang_where_they_may() {
    let (simulator, soap) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let spec = json!({ "name": "c", "cardinality": "SINGLE", "associable_types": ["Folder"] });
    let category = create(&client, "category", spec).await;
    let tag = create(&client, "tag", json!({ "name": "t", "category_id": category })).await;
    let rival = create(&client, "tag", json!({ "name": "r", "category_id": category })).await;
    let request = CreateFolder::with(|request| _ = request.set_name("tagged"));
    let folder = crate::create(&soap, &crate::root_folder(), request).await;
    let object = json!({ "type": "Folder", "id": folder.value().as_str() });

    let association = format!("{TAGGING}/tag-association");
    let act = async |tag: &str, action: &str, body: Value| {
        client.post(&format!("{association}/id:{tag}?~action={action}"), body).await.unwrap()
    };
    for (tag, object, status) in [
        (&tag, object.clone(), 200),
        (&tag, object.clone(), 200),
        (&rival, object.clone(), 400),
        (&tag, json!({ "type": "Folder", "id": "group-d999" }), 404),
        (&tag, json!({ "type": "Datacenter", "id": folder.value().as_str() }), 400),
        (&"none".to_string(), object.clone(), 404),
    ] {
        let answer = act(tag, "attach", json!({ "object_id": object })).await;
        assert_eq!(answer.status.as_u16(), status, "{tag} on {object}");
    }
    let attached = async || {
        let path = format!("{association}?~action=list-attached-tags");
        client.post(&path, json!({ "object_id": object })).await.unwrap().body["value"].clone()
    };
    assert_eq!(attached().await, json!([tag]));
    assert_eq!(act(&tag, "list-attached-objects", json!(null)).await.body["value"], json!([object]));
    let many = json!({ "object_id": object, "tag_ids": [tag, "none"] });
    let path = format!("{association}?~action=detach-multiple-tags-from-object");
    let result = client.post(&path, many).await.unwrap().body["value"].clone();
    assert_eq!((&result["success"], result["error_messages"].as_array().unwrap().len()), (&json!(false), 1));
    assert_eq!(attached().await, json!([]));

    act(&tag, "attach", json!({ "object_id": object })).await;
    soap.run(&folder, DestroyTask::new()).await.unwrap();
    assert_eq!(attached().await, json!([]));
    assert_eq!(act(&tag, "list-attached-objects", json!({})).await.body["value"], json!([]));
}
