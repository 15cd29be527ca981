//! The JSON-RPC wire of the SDKs: the services of the REST face, with data values.

use hyper::Method;
use serde_json::{Value, json};
use vimsim::{RestClient, Simulator};

use crate::start;

/// A client that has logged in on this wire.
pub(crate) struct Sdk {
    client: RestClient,
    context: Value,
}

impl Sdk {
    pub(crate) async fn login(simulator: &Simulator) -> Self {
        let scheme = "com.vmware.vapi.std.security.user_pass";
        let context = json!({ "schemeId": scheme, "userName": "user", "password": "pass" });
        let mut sdk = Self { client: RestClient::new(simulator), context };
        let id = sdk.call("cis.session", "create", json!({})).await;
        let scheme = "com.vmware.vapi.std.security.session_id";
        sdk.context = json!({ "schemeId": scheme, "sessionId": id["SECRET"] });
        sdk
    }

    pub(crate) async fn result(&self, service: &str, operation: &str, input: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": "1", "method": "invoke", "params": {
            "serviceId": format!("com.vmware.{service}"), "operationId": operation,
            "input": structure("operation-input", input), "ctx": { "securityCtx": self.context },
        }});
        let answer = self.client.post("/api", body).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["result"].clone()
    }

    pub(crate) async fn call(&self, service: &str, operation: &str, input: Value) -> Value {
        let result = self.result(service, operation, input).await;
        result.get("output").unwrap_or_else(|| panic!("{service}.{operation}: {result}")).clone()
    }

    /// The name of the error that the call ends with.
    pub(crate) async fn error(&self, service: &str, operation: &str, input: Value) -> String {
        let result = self.result(service, operation, input).await;
        let errors = result["error"]["ERROR"].as_object().unwrap_or_else(|| panic!("{service}.{operation}: {result}"));
        let (name, error) = errors.iter().next().unwrap();
        let name = name.strip_prefix("com.vmware.vapi.std.errors.").unwrap();
        assert_eq!(error["error_type"], json!({ "OPTIONAL": name.to_ascii_uppercase() }));
        assert!(error["messages"][0]["STRUCTURE"]["com.vmware.vapi.std.localizable_message"]["id"].is_string());
        name.into()
    }
}

fn structure(name: &str, fields: Value) -> Value {
    json!({ "STRUCTURE": { name: fields } })
}

fn set(value: Value) -> Value {
    json!({ "OPTIONAL": value })
}

#[tokio::test]
async fn tags_are_made_attached_and_listed() {
    let (simulator, _) = start().await;
    let sdk = Sdk::login(&simulator).await;
    let spec = json!({
        "name": "c", "description": "d", "cardinality": "SINGLE", "associable_types": [], "category_id": set(Value::Null),
    });
    let spec = json!({ "create_spec": structure("com.vmware.cis.tagging.category.create_spec", spec) });
    let category = sdk.call("cis.tagging.category", "create", spec.clone()).await;
    assert_eq!(sdk.error("cis.tagging.category", "create", spec).await, "already_exists");
    let shown = sdk.call("cis.tagging.category", "get", json!({ "category_id": category })).await;
    let shown = &shown["STRUCTURE"]["com.vmware.cis.tagging.category_model"];
    assert_eq!((&shown["name"], &shown["cardinality"], &shown["used_by"]), (&json!("c"), &json!("SINGLE"), &json!([])));
    let spec = json!({ "name": "t", "description": "", "category_id": category });
    let spec = structure("com.vmware.cis.tagging.tag.create_spec", spec);
    let tag = sdk.call("cis.tagging.tag", "create", json!({ "create_spec": spec })).await;
    assert_eq!(sdk.call("cis.tagging.tag", "list", json!({})).await, json!([tag]));

    let machine = structure("com.vmware.vapi.std.dynamic_ID", json!({ "type": "VirtualMachine", "id": "vm-62" }));
    let input = json!({ "tag_id": tag, "object_ids": [machine] });
    let batch = sdk.call("cis.tagging.tag_association", "attach_tag_to_multiple_objects", input).await;
    let batch = &batch["STRUCTURE"]["com.vmware.cis.tagging.tag_association.batch_result"];
    assert_eq!(*batch, json!({ "success": true, "error_messages": [] }));
    let attached = sdk.call("cis.tagging.tag_association", "list_attached_objects", json!({ "tag_id": tag })).await;
    assert_eq!(attached, json!([machine]));
    let attached = sdk.call("cis.tagging.tag_association", "list_attached_tags", json!({ "object_id": machine })).await;
    assert_eq!(attached, json!([tag]));

    assert_eq!(sdk.call("cis.tagging.tag", "delete", json!({ "tag_id": tag })).await, Value::Null);
    assert_eq!(sdk.error("cis.tagging.tag", "get", json!({ "tag_id": tag })).await, "not_found");
    assert_eq!(sdk.error("cis.tagging.tag", "get", json!({})).await, "invalid_argument");
}

#[tokio::test]
async fn the_inventory_is_listed_by_filter() {
    let (simulator, _) = start().await;
    let sdk = Sdk::login(&simulator).await;
    let filter = json!({ "names": set(json!(["DC0_H0_VM0", "x"])), "vms": set(Value::Null) });
    let filter = json!({ "filter": set(structure("com.vmware.vcenter.VM.filter_spec", filter)) });
    let found = sdk.call("vcenter.VM", "list", filter).await;
    assert_eq!(
        found,
        json!([structure(
            "com.vmware.vcenter.VM.summary",
            json!({
                "vm": "vm-62", "name": "DC0_H0_VM0", "power_state": "POWERED_ON",
                "cpu_count": set(json!(1)), "memory_size_MiB": set(json!(32)),
            })
        )])
    );
    for (service, count) in [("host", 4), ("cluster", 1), ("datacenter", 1), ("datastore", 1), ("resource_pool", 2)] {
        let found = sdk.call(&format!("vcenter.{service}"), "list", json!({ "filter": set(Value::Null) })).await;
        assert_eq!(found.as_array().map(Vec::len), Some(count), "{service}");
    }
    assert_eq!(sdk.error("vcenter.VM", "get", json!({ "vm": "vm-9999" })).await, "not_found");
    assert_eq!(sdk.error("vcenter.VM", "enoent", json!({})).await, "operation_not_found");
    assert_eq!(sdk.error("vcenter.enoent", "get", json!({})).await, "operation_not_found");
    let nobody = Sdk { client: RestClient::new(&simulator), context: Value::Null };
    assert_eq!(nobody.error("vcenter.VM", "get", json!({ "vm": "vm-62" })).await, "unauthenticated");
}

#[tokio::test]
async fn files_come_into_a_library() {
    let (simulator, _) = start().await;
    let sdk = Sdk::login(&simulator).await;
    let backing = json!({ "type": "DATASTORE", "datastore_id": set(json!("datastore-59")) });
    let backing = structure("com.vmware.content.library.storage_backing", backing);
    let library =
        json!({ "name": set(json!("l")), "type": set(json!("LOCAL")), "storage_backings": set(json!([backing])) });
    let library = json!({ "create_spec": structure("com.vmware.content.library_model", library) });
    let library = sdk.call("content.local_library", "create", library).await;
    let item = json!({ "library_id": set(library.clone()), "name": set(json!("i")), "type": set(json!("iso")) });
    let item = json!({ "create_spec": structure("com.vmware.content.library.item_model", item) });
    let item = sdk.call("content.library.item", "create", item).await;
    let model = json!({ "library_item_id": set(item.clone()) });
    let model = json!({ "create_spec": structure("com.vmware.content.library.item.update_session_model", model) });
    let session = sdk.call("content.library.item.update_session", "create", model).await;
    let file = json!({ "name": "f.iso", "source_type": "PUSH", "size": set(Value::Null) });
    let file = structure("com.vmware.content.library.item.updatesession.file.add_spec", file);
    let file = json!({ "update_session_id": session, "file_spec": file });
    let info = sdk.call("content.library.item.updatesession.file", "add", file).await;
    let endpoint = &info["STRUCTURE"]["com.vmware.content.library.item.updatesession.file.info"]["upload_endpoint"];
    let endpoint = &endpoint["OPTIONAL"]["STRUCTURE"]["com.vmware.content.library.item.transfer_endpoint"];
    let path = endpoint["uri"].as_str().unwrap().strip_prefix(simulator.url()).unwrap();
    assert_eq!(sdk.client.send(Method::PUT, path, Some(json!("12345"))).await.unwrap().status, 200);
    let id = json!({ "update_session_id": session });
    let valid = sdk.call("content.library.item.updatesession.file", "validate", id.clone()).await;
    let valid = &valid["STRUCTURE"]["com.vmware.content.library.item.updatesession.file.validation_result"];
    assert_eq!(valid["has_errors"], false);
    sdk.call("content.library.item.update_session", "complete", id).await;
    let files = sdk.call("content.library.item.file", "list", json!({ "library_item_id": item })).await;
    let file = &files[0]["STRUCTURE"]["com.vmware.content.library.item.file.info"];
    assert_eq!((&file["name"], &file["size"]), (&json!("f.iso"), &json!(7)));
    let shown = sdk.call("content.library.item", "get", json!({ "library_item_id": item })).await;
    let shown = &shown["STRUCTURE"]["com.vmware.content.library.item_model"];
    let time = shown["creation_time"]["OPTIONAL"].as_str().unwrap();
    assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"), "{time}");
    assert_eq!(shown["size"], set(json!(7)));
}
