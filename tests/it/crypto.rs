//! Key providers, their keys, and who trusts whom.

use serde_json::json;
use vimsim::types::method::{
    CreateFolder, DestroyTask, GenerateClientCsr, GenerateKey, GenerateSelfSignedClientCert, GetDefaultKmsCluster,
    IsKmsClusterActive, ListKeys, ListKmsClusters, QueryCryptoKeyStatus, RegisterKmipServer, RegisterKmsCluster,
    RemoveKeys, RemoveKmipServer, RetrieveClientCert, RetrieveKmipServerCert, RetrieveKmipServersStatusTask,
    SetDefaultKmsCluster, UnregisterKmsCluster, UpdateKmsSignedCsrClientCert, UpdateSelfSignedClientCert,
    UploadKmipServerCert,
};
use vimsim::types::views::{
    CryptoKeyId, CryptoKeyResult, CryptoManagerKmip, CryptoManagerKmipClusterStatus, CryptoManagerKmipCryptoKeyStatus,
    CryptoManagerKmipServerCertInfo, InvalidArgument, InvalidState, KeyProviderId, KmipClusterInfo,
};
use vimsim::types::{Moref, Object, Value, View};
use vimsim::{Client, RestClient};

use crate::inventory::find;
use crate::{check_fault, create, start};

fn manager() -> Moref {
    Moref::of::<CryptoManagerKmip>("CryptoManager")
}

fn id(name: &str) -> KeyProviderId {
    KeyProviderId::with(|id| _ = id.set_id(name))
}

fn view<V: View>(value: &Value) -> V {
    let Value::Object(object) = value else { panic!("no object: {value:?}") };
    V::from_object(Object::clone(object)).unwrap()
}

fn views<V: View>(value: &Value) -> Vec<V> {
    value.items().iter().map(view).collect()
}

fn server(provider: &str, name: &str) -> RegisterKmipServer {
    RegisterKmipServer::with(|request| {
        let server = request.server_mut();
        server.set_cluster_id(id(provider));
        server.info_mut().set_name(name).set_address("kms.example.com").set_port(5_696);
    })
}

async fn providers(soap: &Client) -> Vec<KmipClusterInfo> {
    let request = ListKmsClusters::with(|request| _ = request.set_include_kms_servers(true));
    views(&soap.call(&manager(), request).await.unwrap())
}

async fn default_of(soap: &Client, entity: &Moref, with_parents: bool) -> Option<String> {
    let request = GetDefaultKmsCluster::with(|request| {
        request.set_entity(entity.clone()).set_defaults_to_parent(with_parents);
    });
    match soap.call(&manager(), request).await.unwrap() {
        Value::Unset => None,
        value => Some(view::<KeyProviderId>(&value).id().to_string()),
    }
}

#[tokio::test]
async fn providers_come_with_their_first_server() {
    let (_simulator, soap) = start().await;
    for wrong in [server("kp", ""), server("", "a")] {
        check_fault::<InvalidArgument>(soap.call(&manager(), wrong).await);
    }
    soap.call(&manager(), server("kp", "a")).await.unwrap();
    check_fault::<InvalidArgument>(soap.call(&manager(), server("kp", "a")).await);
    soap.call(&manager(), server("kp", "b")).await.unwrap();
    soap.call(&manager(), server("other", "a")).await.unwrap();
    let known = providers(&soap).await;
    let shown: Vec<_> = known.iter().map(|known| (known.servers().len(), known.use_as_default())).collect();
    assert_eq!(shown, [(2, true), (1, false)]);

    let status = RetrieveKmipServersStatusTask::with(|request| {
        request.set_clusters([KmipClusterInfo::with(|wanted| {
            wanted.set_cluster_id(id("kp")).set_use_as_default(false);
        })]);
    });
    let task = soap.call(&manager(), status).await.unwrap().moref().unwrap();
    let status: Vec<CryptoManagerKmipClusterStatus> = views(&soap.wait_for_task(&task).await.unwrap());
    assert_eq!((status.len(), status[0].servers().len()), (1, 2));

    let remove =
        |name: &str| RemoveKmipServer::with(|request| _ = request.set_cluster_id(id("other")).set_server_name(name));
    check_fault::<InvalidArgument>(soap.call(&manager(), remove("b")).await);
    soap.call(&manager(), remove("a")).await.unwrap();
    let active = IsKmsClusterActive::with(|request| _ = request.set_cluster(id("other")));
    assert_eq!(soap.call(&manager(), active).await.unwrap(), Value::Bool(false));
    let unregister = UnregisterKmsCluster::with(|request| _ = request.set_cluster_id(id("other")));
    soap.call(&manager(), unregister.clone()).await.unwrap();
    check_fault::<InvalidArgument>(soap.call(&manager(), unregister).await);
    let wrong = RegisterKmsCluster::with(|request| {
        request.set_cluster_id(id("x")).set_management_type("vCenter");
    });
    check_fault::<InvalidArgument>(soap.call(&manager(), wrong).await);
    assert_eq!(providers(&soap).await.len(), 1);
}

#[tokio::test]
async fn entities_have_default_providers() {
    let (_simulator, soap) = start().await;
    soap.call(&manager(), server("all", "a")).await.unwrap();
    soap.call(&manager(), server("some", "a")).await.unwrap();
    let cluster = find(&soap, "/DC0/host/DC0_C0").await.unwrap();
    let host = find(&soap, "/DC0/host/DC0_C0/DC0_C0_H0").await.unwrap();
    let set = |entity: &Moref, name: Option<&str>| {
        SetDefaultKmsCluster::with(|request| {
            request.set_entity(entity.clone());
            if let Some(name) = name {
                request.set_cluster_id(id(name));
            }
        })
    };
    check_fault::<InvalidArgument>(soap.call(&manager(), set(&host, Some("some"))).await);
    check_fault::<InvalidArgument>(soap.call(&manager(), set(&cluster, Some("none"))).await);
    soap.call(&manager(), set(&cluster, Some("some"))).await.unwrap();
    assert_eq!(default_of(&soap, &host, false).await, None);
    assert_eq!(default_of(&soap, &host, true).await.as_deref(), Some("some"));
    soap.call(&manager(), set(&cluster, None)).await.unwrap();
    assert_eq!(default_of(&soap, &host, true).await.as_deref(), Some("all"));
    soap.call(&manager(), set(&cluster, Some("all"))).await.unwrap();
    // What is no more is nobody's default.
    let folder =
        create(&soap, &find(&soap, "/DC0/host").await.unwrap(), CreateFolder::with(|it| _ = it.set_name("f"))).await;
    soap.call(&manager(), set(&folder, Some("some"))).await.unwrap();
    let task = soap.call(&folder, DestroyTask::new()).await.unwrap().moref().unwrap();
    soap.wait_for_task(&task).await.unwrap();
    let known = providers(&soap).await;
    assert_eq!(known.iter().map(|known| known.use_as_entity_default().len()).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test]
async fn keys_are_made_by_standard_providers() {
    let (simulator, soap) = start().await;
    let generate = |name: &str| GenerateKey::with(|request| _ = request.set_key_provider(id(name)));
    soap.call(&manager(), server("kp", "a")).await.unwrap();
    let rest = RestClient::login(&simulator).await.unwrap();
    let made = rest.post("/api/vcenter/crypto-manager/kms/providers", json!({ "provider": "nkp" })).await.unwrap();
    assert!(made.status.is_success(), "{made:?}");
    for wrong in ["nkp", "none"] {
        let result: CryptoKeyResult = view(&soap.call(&manager(), generate(wrong)).await.unwrap());
        assert!(!result.success() && result.fault().is_some(), "{wrong}");
    }
    let result: CryptoKeyResult = view(&soap.call(&manager(), generate("kp")).await.unwrap());
    assert!(result.success());
    let key = result.key_id().clone();
    assert_eq!(views::<CryptoKeyId>(&soap.call(&manager(), ListKeys::new()).await.unwrap()).len(), 1);
    let other = CryptoKeyId::with(|other| _ = other.set_key_id(key.key_id()).set_provider_id(id("nkp")));
    let query = QueryCryptoKeyStatus::with(|request| {
        request.set_key_ids([key.clone(), other]).set_check_key_bit_map(1);
    });
    let status: Vec<CryptoManagerKmipCryptoKeyStatus> = views(&soap.call(&manager(), query).await.unwrap());
    assert_eq!(status[0].key_available(), Some(true));
    assert_eq!(status[1].key_available(), Some(false));
    assert_eq!(status[1].reason().map(|reason| reason.as_str()), Some("KeyStateManagedByNKP"));
    let remove = RemoveKeys::with(|request| _ = request.set_keys([key]).set_force(false));
    let results: Vec<CryptoKeyResult> = views(&soap.call(&manager(), remove.clone()).await.unwrap());
    assert!(results[0].success());
    let results: Vec<CryptoKeyResult> = views(&soap.call(&manager(), remove).await.unwrap());
    assert!(!results[0].success());
}

#[tokio::test]
async fn servers_and_vcenter_learn_to_trust_each_other() {
    let (_simulator, soap) = start().await;
    soap.call(&manager(), server("kp", "a")).await.unwrap();
    let show = RetrieveKmipServerCert::with(|request| {
        request.set_key_provider(id("kp"));
        request.server_mut().set_name("a").set_address("kms.example.com").set_port(5_696);
    });
    let shown: CryptoManagerKmipServerCertInfo = view(&soap.call(&manager(), show.clone()).await.unwrap());
    assert_eq!(shown.client_trust_server(), Some(false));
    let upload = UploadKmipServerCert::with(|request| {
        request.set_cluster(id("kp")).set_certificate(shown.certificate());
    });
    soap.call(&manager(), upload).await.unwrap();
    let shown: CryptoManagerKmipServerCertInfo = view(&soap.call(&manager(), show).await.unwrap());
    assert_eq!(shown.client_trust_server(), Some(true));

    let current = RetrieveClientCert::with(|request| _ = request.set_cluster(id("kp")));
    check_fault::<InvalidState>(soap.call(&manager(), current.clone()).await);
    let csr = GenerateClientCsr::with(|request| _ = request.set_cluster(id("kp")));
    let csr = soap.call(&manager(), csr).await.unwrap();
    assert!(csr.text().unwrap().contains("CERTIFICATE REQUEST"));
    let own = GenerateSelfSignedClientCert::with(|request| _ = request.set_cluster(id("kp")));
    let own = soap.call(&manager(), own).await.unwrap();
    let signed = UpdateKmsSignedCsrClientCert::with(|request| {
        request.set_cluster(id("kp")).set_certificate(own.text().unwrap());
    });
    check_fault::<InvalidArgument>(soap.call(&manager(), signed).await);
    let update = UpdateSelfSignedClientCert::with(|request| {
        request.set_cluster(id("kp")).set_certificate(own.text().unwrap());
    });
    soap.call(&manager(), update).await.unwrap();
    assert_eq!(soap.call(&manager(), current).await.unwrap(), own);
}

#[tokio::test]
async fn native_providers_are_made_backed_up_and_removed() {
    const PATH: &str = "/api/vcenter/crypto-manager/kms/providers";
    let (simulator, soap) = start().await;
    let rest = RestClient::login(&simulator).await.unwrap();
    let made = json!({ "provider": "nkp", "constraints": { "tpm_required": false } });
    assert!(rest.post(PATH, made.clone()).await.unwrap().status.is_success());
    assert_eq!(rest.post(PATH, made).await.unwrap().status.as_u16(), 400);
    soap.call(&manager(), server("kp", "a")).await.unwrap();
    let export = format!("{PATH}?action=export");
    assert_eq!(rest.post(&export, json!({ "provider": "kp" })).await.unwrap().status.as_u16(), 400);
    assert_eq!(rest.get(&format!("{PATH}/nkp")).await.unwrap().body["health"], "WARNING");
    let location = rest.post(&export, json!({ "provider": "nkp" })).await.unwrap().body["location"].clone();
    let url = location["url"].as_str().unwrap();
    let path = &url[url.find("/cryptomanager").unwrap()..];
    let token = format!("Bearer {}", location["download_token"]["token"].as_str().unwrap());
    let client = || RestClient::new(&simulator).header("authorization", &token);
    assert_eq!(RestClient::new(&simulator).get(path).await.unwrap().status.as_u16(), 401);
    assert!(client().get(path).await.unwrap().status.is_success());
    assert_eq!(client().get(path).await.unwrap().status.as_u16(), 401, "once is enough");
    assert_eq!(rest.get(&format!("{PATH}/nkp")).await.unwrap().body["health"], "OK");
    let deleted = [("kp", 400), ("none", 404), ("nkp", 204), ("nkp", 404)];
    for (name, status) in deleted {
        assert_eq!(rest.delete(&format!("{PATH}/{name}")).await.unwrap().status.as_u16(), status, "{name}");
    }
}
