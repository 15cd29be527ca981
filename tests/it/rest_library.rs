//! Content libraries: files that come in, stay on a datastore, go out again, and become machines.

use hyper::Method;
use serde_json::{Value, json};
use vimsim::{RestClient, Simulator};

use crate::start;

const CONTENT: &str = "/rest/com/vmware/content";

async fn value(client: &RestClient, path: &str, body: Value) -> Value {
    let answer = client.post(path, body).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body["value"].clone()
}

async fn get(client: &RestClient, path: &str) -> Value {
    let answer = client.get(path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body["value"].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A library on the first datastore.
async fn library(client: &RestClient, more: Value) -> String {
    let datastore = get(client, "/rest/vcenter/datastore").await[0]["datastore"].clone();
    let mut spec = json!({ "name": "l", "storage_backings": [{ "type": "DATASTORE", "datastore_id": datastore }] });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let kind = if more["subscription_info"].is_object() { "subscribed-library" } else { "local-library" };
    text(&value(client, &format!("{CONTENT}/{kind}"), json!({ "create_spec": spec })).await).into()
}

async fn item(client: &RestClient, library: &str, name: &str) -> String {
    let spec = json!({ "create_spec": { "library_id": library, "name": name, "type": "ovf" } });
    text(&value(client, &format!("{CONTENT}/library/item"), spec).await).into()
}

/// Sends a file into an item, and returns the session.
async fn send(client: &RestClient, simulator: &Simulator, item: &str, name: &str, bytes: &Value) -> String {
    let sessions = format!("{CONTENT}/library/item/update-session");
    let spec = json!({ "create_spec": { "library_item_id": item } });
    let session = text(&value(client, &sessions, spec).await).to_string();
    let add = format!("{CONTENT}/library/item/updatesession/file/id:{session}?~action=add");
    let file = value(client, &add, json!({ "file_spec": { "name": name, "source_type": "PUSH" } })).await;
    let path = text(&file["upload_endpoint"]["uri"]).strip_prefix(simulator.url()).unwrap().to_string();
    assert_eq!(client.send(Method::PUT, &path, Some(bytes.clone())).await.unwrap().status, 200);
    let done = client.post(&format!("{sessions}/id:{session}?~action=complete"), json!({})).await.unwrap();
    assert_eq!(done.status, 200);
    // It was for once.
    assert_eq!(client.send(Method::PUT, &path, Some(bytes.clone())).await.unwrap().status, 404);
    session
}

#[tokio::test]
async fn files_come_in_and_go_out() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let library = library(&client, json!({})).await;
    let id = item(&client, &library, "i").await;
    let bytes = json!("what is in it");
    send(&client, &simulator, &id, "a.txt", &bytes).await;
    let again = json!({ "create_spec": { "library_id": library, "name": "i", "type": "ovf" } });
    assert_eq!(client.post(&format!("{CONTENT}/library/item"), again).await.unwrap().status, 400);

    let files = get(&client, &format!("{CONTENT}/library/item/file?library_item_id={id}")).await;
    assert_eq!((&files[0]["name"], &files[0]["size"]), (&json!("a.txt"), &json!(bytes.to_string().len())));
    let on_datastore = format!("/folder/contentlib-{library}/{id}/a.txt?dsName=LocalDS_0");
    let files = RestClient::new(&simulator).authorize("user", "pass");
    assert_eq!(files.get(&on_datastore).await.unwrap().body, bytes);

    let sessions = format!("{CONTENT}/library/item/download-session");
    let spec = json!({ "create_spec": { "library_item_id": id } });
    let session = text(&value(&client, &sessions, spec).await).to_string();
    let prepare = format!("{CONTENT}/library/item/downloadsession/file/id:{session}?~action=prepare");
    let file = value(&client, &prepare, json!({ "file_name": "a.txt" })).await;
    let path = text(&file["download_endpoint"]["uri"]).strip_prefix(simulator.url()).unwrap().to_string();
    assert_eq!(client.get(&path).await.unwrap().body, bytes);

    assert_eq!(client.delete(&format!("{CONTENT}/local-library/id:{library}")).await.unwrap().status, 200);
    assert_eq!(files.get(&on_datastore).await.unwrap().status, 404);
    assert_eq!(client.get(&format!("{CONTENT}/library/item/id:{id}")).await.unwrap().status, 404);
}

#[tokio::test]
async fn what_is_published_is_followed() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let published = library(&client, json!({ "publish_info": { "published": true } })).await;
    let id = item(&client, &published, "i").await;
    send(&client, &simulator, &id, "a.iso", &json!("bytes")).await;
    let info = get(&client, &format!("{CONTENT}/library/id:{published}")).await;
    let url = info["publish_info"]["publish_url"].clone();
    let follow = json!({ "subscription_info": { "subscription_url": url, "on_demand": true } });
    let follower = library(&client, follow).await;
    let items = get(&client, &format!("{CONTENT}/library/item?library_id={follower}")).await;
    let path = format!("{CONTENT}/library/item/id:{}", text(&items[0]));
    assert_eq!(get(&client, &path).await["cached"], false);
    let sync = format!("{CONTENT}/library/subscribed-item/id:{}?~action=sync", text(&items[0]));
    client.post(&sync, json!({ "force_sync_content": true })).await.unwrap();
    assert_eq!(get(&client, &path).await["cached"], true);
    let add = json!({ "create_spec": { "library_id": follower, "name": "own", "type": "iso" } });
    assert_eq!(client.post(&format!("{CONTENT}/library/item"), add).await.unwrap().status, 400);
}

#[tokio::test]
async fn a_machine_becomes_an_item_and_that_a_machine() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let library = library(&client, json!({})).await;
    let machine = get(&client, "/rest/vcenter/vm?filter.names=DC0_H0_VM0").await[0]["vm"].clone();
    let capture = json!({
        "source": { "type": "VirtualMachine", "id": machine },
        "target": { "library_id": library },
        "create_spec": { "name": "captured" },
    });
    let ovf = "/rest/com/vmware/vcenter/ovf/library-item";
    let made = value(&client, ovf, capture).await;
    assert_eq!(made["succeeded"], true, "{made}");
    let id = text(&made["ovf_library_item_id"]).to_string();
    let pool = get(&client, "/rest/vcenter/resource-pool").await[0]["resource_pool"].clone();
    let deploy = json!({ "deployment_spec": { "name": "made" }, "target": { "resource_pool_id": pool } });
    let made = value(&client, &format!("{ovf}/id:{id}?~action=deploy"), deploy).await;
    assert_eq!(made["succeeded"], true, "{made}");
    let shown = get(&client, &format!("/rest/vcenter/vm/{}", text(&made["resource_id"]["id"]))).await;
    assert_eq!((&shown["name"], shown["disks"].as_array().map(Vec::len)), (&json!("made"), Some(1)));

    let template = json!({ "spec": {
        "source_vm": machine, "library": library, "name": "t", "placement": { "resource_pool": pool },
    } });
    let templates = "/rest/vcenter/vm-template/library-items";
    let id = text(&value(&client, templates, template).await).to_string();
    assert_eq!(get(&client, &format!("{templates}/{id}")).await["cpu"]["count"], 1);
    let deploy = json!({ "spec": { "name": "t1", "placement": { "resource_pool": pool } } });
    let made = value(&client, &format!("{templates}/{id}?action=deploy"), deploy).await;
    assert_eq!(get(&client, &format!("/rest/vcenter/vm/{}", text(&made))).await["name"], "t1");
}

/// Answers requests, whatever they are, with these bytes; where it listens.
async fn answering(answers: &[&str]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers: Vec<String> = answers.iter().map(|answer| answer.to_string()).collect();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn files_are_fetched() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let library = library(&client, json!({})).await;
    let item = item(&client, &library, "i").await;
    let sessions = format!("{CONTENT}/library/item/update-session");
    let spec = json!({ "create_spec": { "library_item_id": item } });
    let session = text(&value(&client, &sessions, spec).await).to_string();
    let add = format!("{CONTENT}/library/item/updatesession/file/id:{session}?~action=add");
    let pull = async |name: &str, uri: String, sum: &str| {
        let algorithm = if sum.len() == 32 { "MD5" } else { "SHA256" };
        let checksum = json!({ "algorithm": algorithm, "checksum": sum });
        let spec = json!({ "name": name, "source_type": "PULL", "source_endpoint": { "uri": uri }, "checksum_info": checksum });
        let info = value(&client, &add, json!({ "file_spec": spec })).await;
        (text(&info["status"]).to_string(), info["size"].as_u64(), info["error_message"]["default_message"].to_string())
    };
    // Of a server, which may send us elsewhere.
    let there = answering(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]).await;
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {there}/x\r\n\r\n");
    let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let (status, size, _) = pull("a.txt", answering(&[&answer]).await, sum).await;
    assert_eq!((status.as_str(), size), ("READY", Some(5)));
    // Of our own datastores, in two ways.
    let path = "/folder/some/b.txt?dcPath=DC0&dsName=LocalDS_0";
    let own = RestClient::new(&simulator).authorize("user", "pass");
    assert!(own.send(Method::PUT, path, Some(json!("12345"))).await.unwrap().status.is_success());
    assert_eq!(pull("b.txt", format!("{}{path}", simulator.url()), "").await.0, "READY");
    // With a descriptor comes what it speaks of.
    let ovf = "HTTP/1.1 200 OK\r\n\r\n<File ovf:href=\"d.nvram\"/>";
    let there = answering(&[ovf, "HTTP/1.1 200 OK\r\n\r\nx"]).await;
    assert_eq!(pull("d.ovf", format!("{there}/some/d.ovf"), "").await.0, "READY");
    let files = get(&client, &format!("{CONTENT}/library/item/storage?library_item_id={item}")).await;
    assert_eq!(files, json!([]), "nothing is the item's before the session is complete");
    for (answer, why) in
        [("HTTP/1.1 404 Not Found\r\n\r\n", "404"), ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "end of file")]
    {
        let (status, _, message) = pull("c.txt", answering(&[answer]).await, "").await;
        assert_eq!((status.as_str(), message.contains(why)), ("ERROR", true), "{message}");
    }
    for uri in ["file:///etc/passwd", "ds:///enoent/x", "nothing"] {
        assert_eq!(pull("c.txt", uri.into(), "").await.0, "ERROR");
    }
    let there = answering(&["HTTP/1.1 200 OK\r\n\r\nhello"]).await;
    let (status, _, message) = pull("c.txt", there, "0000").await;
    assert_eq!((status.as_str(), message.contains("checksum mismatch")), ("ERROR", true), "{message}");
    let there = answering(&["HTTP/1.1 200 OK\r\n\r\nhello"]).await;
    assert_eq!(pull("c.txt", there, "5d41402abc4b2a76b9719d911017c592").await.0, "READY");
    let complete = format!("{sessions}/id:{session}?~action=complete");
    assert_eq!(client.post(&complete, json!({})).await.unwrap().status, 200);
    let files = get(&client, &format!("{CONTENT}/library/item/storage?library_item_id={item}")).await;
    let names: Vec<&str> = files.as_array().unwrap().iter().map(|file| text(&file["name"])).collect();
    assert_eq!(names, ["a.txt", "b.txt", "c.txt", "d.nvram", "d.ovf"]);
    let uri = text(&files[0]["storage_uris"][0]).to_string();
    let other = self::item(&client, &library, "other").await;
    let spec = json!({ "create_spec": { "library_item_id": other } });
    let session = value(&client, &sessions, spec).await;
    let add = format!("{CONTENT}/library/item/updatesession/file/id:{}?~action=add", text(&session));
    let spec = json!({ "name": "a.txt", "source_type": "PULL", "source_endpoint": { "uri": uri } });
    assert_eq!(value(&client, &add, json!({ "file_spec": spec })).await["status"], "READY", "{uri}");
}
