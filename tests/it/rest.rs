//! The REST face: its sessions are those of SOAP, and what it answers has the shapes of `/rest` and `/api`.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vimsim::types::method::{CurrentTime, Logout};
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
