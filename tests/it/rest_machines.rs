//! Machines over REST: made with their hardware, changed, copied, and what is refused.

use hyper::Method;
use serde_json::{Value, json};
use vimsim::RestClient;

use crate::json_rpc::Sdk;
use crate::start;

async fn created(client: &RestClient, path: &str, body: Value) -> String {
    let answer = client.post(path, body).await.unwrap();
    assert_eq!(answer.status, 201, "{path}: {answer:?}");
    answer.body.as_str().unwrap_or_else(|| panic!("{path}: {answer:?}")).into()
}

async fn get(client: &RestClient, path: &str) -> Value {
    let answer = client.get(path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body
}

async fn refused(client: &RestClient, method: Method, path: &str, body: Value) -> (u16, String) {
    let answer = client.send(method, path, Some(body)).await.unwrap();
    let kind = answer.body["error_type"].as_str().unwrap_or_else(|| panic!("{path}: {answer:?}"));
    (answer.status.as_u16(), kind.into())
}

async fn done(client: &RestClient, method: Method, path: &str, body: Value) {
    let answer = client.send(method, path, Some(body)).await.unwrap();
    assert_eq!(answer.status, 204, "{path}: {answer:?}");
}

async fn first(client: &RestClient, path: &str, name: &str) -> String {
    get(client, path).await[0][name].as_str().unwrap().into()
}

async fn placement(client: &RestClient) -> Value {
    json!({
        "folder": first(client, "/api/vcenter/folder?names=vm", "folder").await,
        "cluster": first(client, "/api/vcenter/cluster", "cluster").await,
        "datastore": first(client, "/api/vcenter/datastore", "datastore").await,
    })
}

#[tokio::test]
async fn a_machine_is_made_with_its_hardware() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let standard = first(&client, "/api/vcenter/network?types=STANDARD_PORTGROUP", "network").await;
    let group = first(&client, "/api/vcenter/network?names=DC0_DVPG0", "network").await;
    let spec = json!({
        "guest_OS": "RHEL_8_64", "name": "new", "placement": placement(&client).await, "hardware_version": "VMX_19",
        "cpu": { "count": 2, "hot_add_enabled": true }, "memory": { "size_MiB": 512 },
        "disks": [
            { "type": "SCSI", "scsi": { "bus": 0, "unit": 3 }, "new_vmdk": { "name": "boot", "capacity": 1 << 20 } },
            { "type": "SATA", "new_vmdk": { "capacity": 2 << 20 } },
        ],
        "nics": [
            { "type": "E1000E", "start_connected": true, "backing": { "type": "STANDARD_PORTGROUP", "network": standard } },
            { "mac_type": "MANUAL", "mac_address": "00:50:56:01:02:03",
              "backing": { "type": "DISTRIBUTED_PORTGROUP", "network": group } },
        ],
        "cdroms": [{ "type": "IDE", "backing": { "type": "CLIENT_DEVICE" } }],
        "scsi_adapters": [{ "type": "LSILOGICSAS" }],
        "boot": { "type": "EFI", "delay": 100 },
        "boot_devices": [{ "type": "CDROM" }, { "type": "DISK" }, { "type": "ETHERNET" }],
    });
    let id = created(&client, "/api/vcenter/vm", spec.clone()).await;
    assert_eq!(refused(&client, Method::POST, "/api/vcenter/vm", spec).await, (400, "ALREADY_EXISTS".into()));
    let machine = get(&client, &format!("/api/vcenter/vm/{id}")).await;
    assert_eq!((&machine["guest_OS"], &machine["power_state"]), (&json!("RHEL_8_64"), &json!("POWERED_OFF")));
    assert_eq!((&machine["cpu"]["count"], &machine["memory"]["size_MiB"]), (&json!(2), &json!(512)));
    assert_eq!((&machine["boot"]["type"], &machine["boot"]["delay"]), (&json!("EFI"), &json!(100)));
    assert_eq!(machine["hardware"]["version"], "VMX_19");
    let disk = &machine["disks"]["2003"];
    assert_eq!((&disk["type"], &disk["scsi"]), (&json!("SCSI"), &json!({ "bus": 0, "unit": 3 })));
    assert_eq!(
        (&disk["capacity"], &disk["backing"]["vmdk_file"]),
        (&json!(1 << 20), &json!("[LocalDS_0] new/boot.vmdk"))
    );
    assert_eq!(machine["scsi_adapters"]["1000"]["type"], "LSILOGICSAS");
    let cards: Vec<&Value> = machine["nics"].as_object().unwrap().values().collect();
    assert_eq!(
        cards[0]["backing"],
        json!({ "type": "STANDARD_PORTGROUP", "network": standard, "network_name": "VM Network" })
    );
    assert_eq!(
        (&cards[1]["mac_address"], &cards[1]["backing"]["network"]),
        (&json!("00:50:56:01:02:03"), &json!(group))
    );
    assert_eq!(machine["cdroms"]["3000"]["ide"], json!({ "primary": true, "master": true }));
    let order: Vec<&Value> = machine["boot_devices"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert_eq!(order, ["CDROM", "DISK", "ETHERNET", "ETHERNET"]);

    // The same machine, as the SDKs read it.
    let shown = Sdk::login(&simulator).await.call("vcenter.VM", "get", json!({ "vm": id })).await;
    let shown = &shown["STRUCTURE"]["com.vmware.vcenter.VM.info"];
    let disks: Vec<&Value> =
        shown["disks"].as_array().unwrap().iter().map(|it| &it["STRUCTURE"]["map-entry"]["key"]).collect();
    assert_eq!(disks, machine["disks"].as_object().unwrap().keys().collect::<Vec<_>>());

    let small = json!({ "guest_OS": "OTHER_64", "placement": placement(&client).await });
    let small = created(&client, "/api/vcenter/vm", small).await;
    let small = get(&client, &format!("/api/vcenter/vm/{small}")).await;
    assert_eq!((&small["name"], small["disks"].as_object().unwrap().len()), (&json!("New Virtual Machine"), 1));
    let wrong = json!({ "guest_OS": "ENOENT", "placement": placement(&client).await });
    assert_eq!(refused(&client, Method::POST, "/api/vcenter/vm", wrong).await, (400, "INVALID_ARGUMENT".into()));
    let wrong = json!({ "guest_OS": "DOS", "placement": { "folder": "group-9999" } });
    assert_eq!(refused(&client, Method::POST, "/api/vcenter/vm", wrong).await, (404, "NOT_FOUND".into()));
}

#[tokio::test]
async fn hardware_comes_changes_and_goes() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let machine = format!("/api/vcenter/vm/{}", first(&client, "/api/vcenter/vm?names=DC0_H0_VM0", "vm").await);
    let at = |path: &str| format!("{machine}/{path}");
    let already = (400, "ALREADY_IN_DESIRED_STATE".to_string());
    let not_now = (400, "NOT_ALLOWED_IN_CURRENT_STATE".to_string());
    assert_eq!(refused(&client, Method::POST, &at("power?action=start"), json!({})).await, already);
    assert_eq!(refused(&client, Method::DELETE, &machine, json!({})).await, not_now);
    done(&client, Method::POST, &at("power?action=stop"), json!({})).await;
    assert_eq!(refused(&client, Method::POST, &at("power?action=stop"), json!({})).await, already);
    assert_eq!(refused(&client, Method::POST, &at("power?action=reset"), json!({})).await, not_now);
    assert_eq!(
        refused(&client, Method::GET, &at("guest/identity"), json!({})).await,
        (503, "SERVICE_UNAVAILABLE".into())
    );

    done(&client, Method::PATCH, &at("hardware/cpu"), json!({ "count": 4 })).await;
    done(&client, Method::PATCH, &at("hardware/memory"), json!({ "size_MiB": 64 })).await;
    done(&client, Method::PATCH, &at("hardware/boot"), json!({ "retry": true, "retry_delay": 20_000 })).await;
    assert_eq!(get(&client, &at("hardware/cpu")).await["count"], 4);
    assert_eq!(get(&client, &at("hardware/memory")).await["size_MiB"], 64);
    assert_eq!(get(&client, &at("hardware/boot")).await["retry_delay"], 20_000);

    let before = get(&client, &at("hardware/disk")).await;
    let disk = created(&client, &at("hardware/disk"), json!({ "new_vmdk": { "capacity": 3 << 20 } })).await;
    let shown = get(&client, &at(&format!("hardware/disk/{disk}"))).await;
    assert_eq!(shown["capacity"], 3 << 20);
    let taken = json!({ "type": shown["type"], "scsi": shown["scsi"], "new_vmdk": {} });
    assert_eq!(refused(&client, Method::POST, &at("hardware/disk"), taken).await, (400, "RESOURCE_IN_USE".into()));
    done(&client, Method::DELETE, &at(&format!("hardware/disk/{disk}")), json!({})).await;
    assert_eq!(get(&client, &at("hardware/disk")).await, before);
    let gone = refused(&client, Method::GET, &at(&format!("hardware/disk/{disk}")), json!({})).await;
    assert_eq!(gone, (404, "NOT_FOUND".into()));

    let drive =
        created(&client, &at("hardware/cdrom"), json!({ "type": "SATA", "backing": { "type": "CLIENT_DEVICE" } }))
            .await;
    done(&client, Method::PATCH, &at(&format!("hardware/cdrom/{drive}")), json!({ "start_connected": true })).await;
    let shown = get(&client, &at(&format!("hardware/cdrom/{drive}"))).await;
    assert_eq!((&shown["start_connected"], &shown["sata"]["bus"]), (&json!(true), &json!(0)));
    let adapter = created(&client, &at("hardware/adapter/scsi"), json!({ "sharing": "VIRTUAL" })).await;
    let path = at(&format!("hardware/adapter/scsi/{adapter}"));
    assert_eq!(get(&client, &path).await["sharing"], "VIRTUAL");
    done(&client, Method::DELETE, &path, json!({})).await;

    let card = first(&client, &at("hardware/ethernet"), "nic").await;
    done(
        &client,
        Method::PUT,
        &at("hardware/boot/device"),
        json!({ "devices": [{ "type": "ETHERNET", "nic": card }] }),
    )
    .await;
    assert_eq!(get(&client, &at("hardware/boot/device")).await, json!([{ "type": "ETHERNET", "nic": card }]));
    done(&client, Method::PATCH, &at("tools"), json!({ "upgrade_policy": "UPGRADE_AT_POWER_CYCLE" })).await;
    assert_eq!(get(&client, &at("tools")).await["upgrade_policy"], "UPGRADE_AT_POWER_CYCLE");
    done(&client, Method::POST, &at("power?action=start"), json!({})).await;
    done(&client, Method::POST, &at(&format!("hardware/ethernet/{card}?action=disconnect")), json!({})).await;
    assert_eq!(get(&client, &at(&format!("hardware/ethernet/{card}"))).await["state"], "NOT_CONNECTED");
}

#[tokio::test]
async fn machines_are_copied_moved_and_registered() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let source = first(&client, "/api/vcenter/vm?names=DC0_H0_VM0", "vm").await;
    let place = placement(&client).await;
    let spec = json!({ "source": source, "name": "copy", "placement": place });
    let copy = created(&client, "/api/vcenter/vm?action=clone", spec).await;
    let host = first(&client, "/api/vcenter/host?names=DC0_C0_H1", "host").await;
    let relocate = format!("/api/vcenter/vm/{copy}?action=relocate");
    done(&client, Method::POST, &relocate, json!({ "placement": { "host": host } })).await;
    assert_eq!(first(&client, &format!("/api/vcenter/vm?hosts={host}&names=copy"), "vm").await, copy);
    done(&client, Method::POST, &format!("/api/vcenter/vm/{copy}?action=unregister"), json!({})).await;
    let spec = json!({ "datastore_path": "[LocalDS_0] copy/copy.vmx", "name": "back", "placement": place });
    let back = created(&client, "/api/vcenter/vm?action=register", spec).await;
    done(&client, Method::DELETE, &format!("/api/vcenter/vm/{back}"), json!({})).await;
    assert_eq!(client.get(&format!("/api/vcenter/vm/{back}")).await.unwrap().status, 404);
    let spec = json!({ "source": source, "name": "instant" });
    created(&client, "/api/vcenter/vm?action=instant-clone", spec).await;
}

#[tokio::test]
async fn pools_and_hosts_come_and_go() {
    let (simulator, _) = start().await;
    let client = RestClient::login(&simulator).await.unwrap();
    let cluster = first(&client, "/api/vcenter/cluster", "cluster").await;
    let parent = first(&client, &format!("/api/vcenter/resource-pool?clusters={cluster}"), "resource_pool").await;
    let spec = json!({ "name": "p", "parent": parent, "cpu_allocation": { "reservation": 10, "shares": { "level": "HIGH" } } });
    let pool = created(&client, "/api/vcenter/resource-pool", spec.clone()).await;
    assert_eq!(
        refused(&client, Method::POST, "/api/vcenter/resource-pool", spec).await,
        (400, "ALREADY_EXISTS".into())
    );
    let path = format!("/api/vcenter/resource-pool/{pool}");
    done(&client, Method::PATCH, &path, json!({ "name": "q", "memory_allocation": { "limit": 100 } })).await;
    let shown = get(&client, &path).await;
    assert_eq!((&shown["name"], &shown["cpu_allocation"]["reservation"]), (&json!("q"), &json!(10)));
    assert_eq!(
        (&shown["cpu_allocation"]["shares"]["level"], &shown["memory_allocation"]["limit"]),
        (&json!("HIGH"), &json!(100))
    );
    done(&client, Method::DELETE, &path, json!({})).await;

    let folder = first(&client, "/api/vcenter/folder?type=HOST", "folder").await;
    let spec = json!({
        "hostname": "esx9", "user_name": "root", "password": "x", "folder": folder,
        "thumbprint_verification": "NONE", "force_add": true,
    });
    let host = created(&client, "/api/vcenter/host", spec).await;
    let path = format!("/api/vcenter/host/{host}");
    done(&client, Method::POST, &format!("{path}?action=disconnect"), json!({})).await;
    let found = get(&client, "/api/vcenter/host?connection_states=DISCONNECTED").await;
    assert_eq!((found.as_array().map(Vec::len), &found[0]["name"]), (Some(1), &json!("esx9")));
    done(&client, Method::POST, &format!("{path}?action=connect"), json!({})).await;
    done(&client, Method::DELETE, &path, json!({})).await;
    assert_eq!(get(&client, "/api/vcenter/host?names=esx9").await, json!([]));
    let policies = get(&client, "/api/vcenter/storage/policies").await;
    assert!(policies.as_array().unwrap().iter().any(|it| it["name"] == "vSAN Default Storage Policy"));
}
