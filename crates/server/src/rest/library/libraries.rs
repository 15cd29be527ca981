//! Libraries themselves: local ones, and those that follow another.

use serde_json::{Value, json};
use vimsim_types::views::Datastore;

use super::{Item, Libraries, Library, folder, ids, items, not_found, policies, spec};
use crate::rest::call::Call;
use crate::rest::{Answer, ErrorKind, RestError, Result};

/// What a path is about: all libraries, or those of a type.
fn kind(path: &str) -> Option<&'static str> {
    match path {
        "local-library" => Some("LOCAL"),
        "subscribed-library" => Some("SUBSCRIBED"),
        _ => None,
    }
}

/// All libraries: `GET`, `find` and `create`.
pub(super) fn all(call: &Call, path: &str) -> Result {
    let kind = kind(path);
    match (call.method.as_str(), call.action()) {
        ("GET", None) => {
            let kept = call.kept();
            let found = kept.libraries.libraries.iter();
            Ok(ids(found.filter(|(_, it)| kind.is_none_or(|kind| it.info["type"] == kind)).map(|(id, _)| id)))
        }
        ("POST", Some("find")) => {
            let wanted = spec(call, "spec");
            let fits = |info: &Value, field: &str| match wanted.get(field).and_then(Value::as_str) {
                None | Some("") => true,
                Some(text) => info[field].as_str().is_some_and(|known| known.eq_ignore_ascii_case(text)),
            };
            let kept = call.kept();
            let found = kept.libraries.libraries.iter();
            Ok(ids(found.filter(|(_, it)| fits(&it.info, "name") && fits(&it.info, "type")).map(|(id, _)| id)))
        }
        ("POST", None) => create(call, kind.unwrap_or("LOCAL")),
        _ => Err(call.unknown()),
    }
}

fn create(call: &Call, kind: &str) -> Result {
    call.may(
        None,
        match kind {
            "SUBSCRIBED" => "ContentLibrary.CreateSubscribedLibrary",
            _ => "ContentLibrary.CreateLocalLibrary",
        },
    )?;
    let wanted = spec(call, "create_spec");
    let name = wanted["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        return Err(RestError::invalid(&"name is missing"));
    }
    for backing in wanted["storage_backings"].as_array().into_iter().flatten() {
        if let Some(datastore) = backing["datastore_id"].as_str() {
            call.object::<Datastore>(datastore)?;
        }
    }
    let policy = wanted["security_policy_id"].as_str().unwrap_or_default();
    if !policy.is_empty() && policy != policies::default_policy() {
        return Err(not_found("security policy", policy));
    }
    let mut info = wanted.clone();
    let now = call.time();
    for (key, value) in [
        ("type", json!(kind)),
        ("creation_time", now.clone()),
        ("last_modified_time", now),
        ("version", json!("1")),
        ("unset_security_policy_id", json!(policy.is_empty())),
        ("server_guid", json!(vimsim_simulator::uuid::named("content library service"))),
        ("state_info", json!({ "state": "ACTIVE" })),
    ] {
        info[key] = value;
    }
    if kind == "LOCAL" && info["publish_info"].is_null() {
        info["publish_info"] =
            json!({ "published": false, "authentication_method": "NONE", "persist_json_enabled": false });
    }
    let id = call.change_libraries(|libraries| {
        let id = libraries.new_id();
        info["id"] = json!(id);
        if info["publish_info"]["published"] == true {
            info["publish_info"]["publish_url"] = json!(format!("{}/cls/vcsp/lib/{id}", call.base()));
        }
        let library = Library { info, subscribers: Default::default(), usages: Default::default() };
        libraries.libraries.insert(id.clone(), library);
        Ok(id)
    })?;
    if kind == "SUBSCRIBED" {
        sync(call, &id)?;
    }
    Ok(Answer::Created(json!(id)))
}

/// A library: `GET`, `PATCH`, `DELETE`, and what is done to it.
pub(super) async fn one(call: &Call, id: &str) -> Result {
    let kept = call.kept();
    let library = kept.libraries.library(id)?;
    match (call.method.as_str(), call.action()) {
        ("GET", None) | ("POST", Some("get")) => Ok(Answer::Value(library.info.clone())),
        ("PATCH", None) => {
            call.may(None, if library.is_subscribed() { UPDATE_SUBSCRIBED } else { UPDATE_LOCAL })?;
            let wanted = spec(call, "update_spec");
            call.change_libraries(|libraries| {
                let info = &mut libraries.library_mut(id)?.info;
                for field in ["name", "description", "version", "configuration_info", "publish_info"] {
                    if let Some(value) = wanted.get(field).filter(|value| !value.is_null() && **value != json!("")) {
                        info[field] = value.clone();
                    }
                }
                info["last_modified_time"] = call.time();
                Ok(Answer::Nothing)
            })
        }
        ("DELETE", action @ (None | Some("force-delete"))) => {
            call.may(None, if library.is_subscribed() { DELETE_SUBSCRIBED } else { DELETE_LOCAL })?;
            if !library.usages.is_empty() && action.is_none() {
                return Err(in_use());
            }
            let gone: Vec<Item> = kept.libraries.items_of(id).map(|(_, item)| item.clone()).collect();
            if let Some(datastore) = library.datastore() {
                call.service().datastore_remove(&datastore, &folder(id, ""))?;
            }
            call.change_libraries(|libraries| {
                libraries.items.retain(|_, item| item.library != id);
                libraries.libraries.remove(id);
                Ok(())
            })?;
            for item in gone {
                items::destroy_machine(call, &item).await?;
            }
            Ok(Answer::Nothing)
        }
        ("POST", Some("sync")) if library.is_subscribed() => {
            call.may(None, "ContentLibrary.SyncLibrary")?;
            sync(call, id)?;
            Ok(Answer::Nothing)
        }
        ("POST", Some("evict")) if library.is_subscribed() => {
            call.may(None, "ContentLibrary.EvictSubscribedLibrary")?;
            call.change_libraries(|libraries| {
                libraries.items.values_mut().filter(|item| item.library == id).for_each(items::evict);
                Ok(Answer::Nothing)
            })
        }
        ("POST", Some("publish")) => {
            call.may(None, "ContentLibrary.PublishLibrary")?;
            let items: Vec<String> = kept.libraries.items_of(id).map(|(id, _)| id.clone()).collect();
            for item in items {
                publish(call, id, &item).await?;
            }
            Ok(Answer::Nothing)
        }
        _ => Err(call.unknown()),
    }
}

const UPDATE_LOCAL: &str = "ContentLibrary.UpdateLocalLibrary";
const UPDATE_SUBSCRIBED: &str = "ContentLibrary.UpdateSubscribedLibrary";
const DELETE_LOCAL: &str = "ContentLibrary.DeleteLocalLibrary";
const DELETE_SUBSCRIBED: &str = "ContentLibrary.DeleteSubscribedLibrary";

// Fidelity: an internal error, as in vcsim; clients only look whether it failed.
fn in_use() -> RestError {
    RestError::new(ErrorKind::Internal, "com.vmware.vdcs.cls-main.library_in_use", "library is in use")
}

/// The library here that a subscribed one follows; those elsewhere cannot be reached.
pub(super) fn source(libraries: &Libraries, library: &Library) -> Option<String> {
    let url = library.info["subscription_info"]["subscription_url"].as_str()?;
    let id = url.trim_end_matches("/lib.json").rsplit('/').next()?;
    libraries.libraries.contains_key(id).then(|| id.to_string())
}

/// Brings a subscribed library up to what it follows.
fn sync(call: &Call, id: &str) -> Result<()> {
    let kept = call.kept();
    let library = kept.libraries.library(id)?;
    let Some(source) = source(&kept.libraries, library) else { return Ok(()) };
    let all = library.info["subscription_info"]["on_demand"] == false;
    let known = |of: &str| kept.libraries.items_of(id).find(|(_, item)| item.info["source_id"] == of);
    let mut wanted: Vec<(Option<String>, Item)> = Vec::new();
    for (source_id, item) in kept.libraries.items_of(&source).filter(|(_, item)| item.machine.is_none()) {
        let old = known(source_id);
        let cached = all || old.is_some_and(|(_, old)| old.info["cached"] == true);
        wanted.push((old.map(|(id, _)| id.clone()), items::follow(item, id, cached)));
    }
    let now = call.time();
    let stored = call.change_libraries(|libraries| {
        libraries.items.retain(|_, item| {
            item.library != id
                || item.machine.is_some()
                || wanted.iter().any(|(_, new)| new.info["source_id"] == item.info["source_id"])
        });
        let mut stored = Vec::new();
        for (old, mut item) in wanted {
            let item_id = old.unwrap_or_else(|| libraries.new_id());
            item.info["id"] = json!(item_id);
            item.info["last_sync_time"] = now.clone();
            stored.push((item_id.clone(), item.files.clone()));
            libraries.items.insert(item_id, item);
        }
        libraries.library_mut(id)?.info["last_sync_time"] = now;
        Ok(stored)
    })?;
    for (item, files) in &stored {
        for file in files.iter().filter(|file| file.cached) {
            call.store(library, id, item, file)?;
        }
    }
    Ok(())
}

/// Gives those who subscribed to a library one of its templates, as machines of their own.
pub(super) async fn publish(call: &Call, id: &str, item: &str) -> Result<()> {
    let kept = call.kept();
    let (library, item) = (kept.libraries.library(id)?, kept.libraries.item(item)?);
    let Some(template) = item.machine.clone() else { return Ok(()) };
    let wanted: Option<Vec<&str>> = call
        .body
        .get("subscriptions")
        .and_then(Value::as_array)
        .map(|wanted| wanted.iter().filter_map(|it| it["subscription"].as_str()).collect());
    let wanted = wanted.filter(|wanted| !wanted.is_empty());
    if let Some(unknown) = wanted.iter().flatten().find(|id| !library.subscribers.contains_key(**id)) {
        return Err(not_found("subscription", unknown));
    }
    let subscribers = library.subscribers.iter();
    for (_, subscriber) in
        subscribers.filter(|(id, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(&id.as_str())))
    {
        let target = subscriber["subscribed_library"].as_str().unwrap_or_default();
        let Some(library) = kept.libraries.libraries.get(target) else { continue };
        let source_id = &item.info["id"];
        if kept.libraries.items_of(target).any(|(_, known)| known.info["source_id"] == *source_id) {
            continue;
        }
        let name = item.info["name"].as_str().unwrap_or_default();
        let placement = &subscriber["subscribed_library_placement"];
        let machine =
            super::templates::copy(call, &template, name, placement, library.datastore(), true, false).await?;
        call.change_libraries(|libraries| {
            let new_id = libraries.new_id();
            let mut copy = Item { library: target.into(), machine: Some(machine), ..item.clone() };
            copy.info["id"] = json!(new_id);
            copy.info["library_id"] = json!(target);
            copy.info["source_id"] = source_id.clone();
            libraries.items.insert(new_id, copy);
            Ok(())
        })?;
    }
    Ok(())
}

/// The subscriptions to a library.
pub(super) fn subscriptions(call: &Call) -> Result {
    list_subscriptions(call, call.parameters.get("library").map_or("", String::as_str))
}

/// The subscriptions to a library, as the newer paths say it: by method.
pub(super) fn subscriptions_of(call: &Call, id: &str) -> Result {
    match call.method.as_str() {
        "GET" => list_subscriptions(call, id),
        "POST" => change_subscription(call, id, "", "create"),
        _ => Err(call.unknown()),
    }
}

/// A subscription to a library, as the newer paths say it: by method.
pub(super) fn subscription_of(call: &Call, id: &str, subscription: &str) -> Result {
    match call.method.as_str() {
        "GET" => change_subscription(call, id, subscription, "get"),
        "DELETE" => change_subscription(call, id, subscription, "delete"),
        "PATCH" => change_subscription(call, id, subscription, "update"),
        _ => Err(call.unknown()),
    }
}

/// A subscription to a library: `create`, `get` and `delete`.
pub(super) fn subscription(call: &Call, id: &str) -> Result {
    let subscription = call.text("/subscription").unwrap_or_default();
    change_subscription(call, id, subscription, call.action().unwrap_or("create"))
}

fn list_subscriptions(call: &Call, id: &str) -> Result {
    let kept = call.kept();
    let library = kept.libraries.library(id)?;
    let one = |(id, subscriber): (&String, &Value)| {
        json!({
            "subscription": id,
            "subscribed_library": subscriber["subscribed_library"],
            "subscribed_library_name": subscriber["subscribed_library_name"],
            "subscribed_library_vcenter_hostname": "",
        })
    };
    Ok(Answer::Value(library.subscribers.iter().map(one).collect()))
}

fn change_subscription(call: &Call, id: &str, subscription: &str, action: &str) -> Result {
    match action {
        "get" => {
            let kept = call.kept();
            let found = kept.libraries.library(id)?.subscribers.get(subscription).cloned();
            found.map(Answer::Value).ok_or_else(|| not_found("subscription", subscription))
        }
        "delete" => {
            call.may(None, "ContentLibrary.DeleteSubscription")?;
            call.change_libraries(|libraries| {
                libraries.library_mut(id)?.subscribers.remove(subscription);
                Ok(Answer::Nothing)
            })
        }
        "update" => {
            call.may(None, "ContentLibrary.UpdateSubscription")?;
            let wanted = spec(call, "spec");
            call.change_libraries(|libraries| {
                let subscriber = libraries.library_mut(id)?.subscribers.get_mut(subscription);
                let subscriber = subscriber.ok_or_else(|| not_found("subscription", subscription))?;
                for field in ["subscribed_library_placement", "subscribed_library_vcenter"] {
                    if !wanted[field].is_null() {
                        subscriber[field] = wanted[field].clone();
                    }
                }
                Ok(Answer::Nothing)
            })
        }
        "create" => {
            call.may(None, "ContentLibrary.AddSubscription")?;
            let wanted = &spec(call, "spec")["subscribed_library"];
            let target = wanted["subscribed_library"].as_str().unwrap_or_default();
            call.change_libraries(|libraries| {
                let name = libraries.library(target)?.info["name"].clone();
                let new_id = libraries.new_id();
                let subscriber = json!({
                    "subscribed_library": target,
                    "subscribed_library_name": name,
                    "subscribed_library_location": wanted["location"],
                    "subscribed_library_placement": wanted["placement"],
                    "subscribed_library_vcenter": wanted["vcenter"],
                });
                libraries.library_mut(id)?.subscribers.insert(new_id.clone(), subscriber);
                Ok(Answer::Created(json!(new_id)))
            })
        }
        _ => Err(call.unknown()),
    }
}

/// What uses a library.
pub(super) fn usages(call: &Call, id: &str) -> Result {
    match call.method.as_str() {
        "GET" => {
            let kept = call.kept();
            let usages: Vec<&Value> = kept.libraries.library(id)?.usages.values().collect();
            Ok(Answer::Value(json!({ "library_usage_list": usages })))
        }
        "POST" => {
            call.may(None, UPDATE_LOCAL)?;
            let urn = spec(call, "spec")["resource_urn"].as_str().filter(|urn| !urn.is_empty());
            let urn = urn.ok_or_else(|| RestError::invalid(&"resource_urn is missing"))?;
            call.change_libraries(|libraries| {
                let usage = libraries.new_id();
                let info = json!({ "usage": usage, "resource_urn": urn, "addition_time": call.time() });
                libraries.library_mut(id)?.usages.insert(usage.clone(), info);
                Ok(Answer::Created(json!(usage)))
            })
        }
        _ => Err(call.unknown()),
    }
}

/// One use of a library.
pub(super) fn usage(call: &Call, id: &str, usage: &str) -> Result {
    match call.method.as_str() {
        "GET" => {
            let kept = call.kept();
            let found = kept.libraries.library(id)?.usages.get(usage).cloned();
            found.map(Answer::Value).ok_or_else(|| not_found("usage", usage))
        }
        "DELETE" => {
            call.may(None, UPDATE_LOCAL)?;
            call.change_libraries(|libraries| {
                let removed = libraries.library_mut(id)?.usages.remove(usage);
                removed.map(|_| Answer::Nothing).ok_or_else(|| not_found("usage", usage))
            })
        }
        _ => Err(call.unknown()),
    }
}

/// Fails if what uses the library keeps its items, too.
pub(super) fn expect_unused(library: &Library) -> Result<()> {
    let applies = library.info["configuration_info"]["apply_library_usage_to_items"] == true;
    if applies && !library.usages.is_empty() { Err(in_use()) } else { Ok(()) }
}
