//! Items of libraries.

use serde_json::{Value, json};
use vimsim_types::View;
use vimsim_types::method::DestroyTask;
use vimsim_types::views::Datastore;

use super::{Item, folder, ids, is_file_name, libraries, not_found, spec};
use crate::rest::call::Call;
use crate::rest::{Answer, ErrorKind, RestError, Result};

/// The items of a library: `GET`, `find` and `create`.
pub(super) fn all(call: &Call) -> Result {
    match (call.method.as_str(), call.action()) {
        ("GET", None) => {
            let kept = call.kept();
            let named = call.parameters.get("library_id").filter(|id| !id.is_empty());
            // Ansible's vmware_rest asks so.
            let named = named.or_else(|| call.parameters.get("library_id?library_id"));
            let library = named.map_or("", String::as_str);
            kept.libraries.library(library)?;
            Ok(ids(kept.libraries.items_of(library).map(|(id, _)| id)))
        }
        ("POST", Some("find")) => {
            let wanted = spec(call, "spec");
            let fits = |info: &Value| {
                let fields = ["library_id", "name", "type", "source_id", "cached"].into_iter();
                let mut given = fields.filter_map(|field| Some((field, wanted.get(field)?)));
                given.all(|(field, value)| value.is_null() || *value == json!("") || info[field] == *value)
            };
            let kept = call.kept();
            Ok(ids(kept.libraries.items.iter().filter(|(_, item)| fits(&item.info)).map(|(id, _)| id)))
        }
        ("POST", None | Some("create")) => create(call),
        _ => Err(call.unknown()),
    }
}

fn create(call: &Call) -> Result {
    call.may(None, "ContentLibrary.AddLibraryItem")?;
    let wanted = spec(call, "create_spec");
    let library = wanted["library_id"].as_str().unwrap_or_default();
    let name = wanted["name"].as_str().unwrap_or_default();
    let kind = wanted["type"].as_str().unwrap_or_default();
    let description = wanted["description"].as_str().unwrap_or_default();
    let id = add(call, library, name, kind, description, |_| Ok(()))?;
    Ok(Answer::Created(json!(id)))
}

/// Adds an item to a local library, and returns its identifier.
pub(super) fn add(
    call: &Call,
    library: &str,
    name: &str,
    kind: &str,
    description: &str,
    fill: impl FnOnce(&mut Item) -> Result<()>,
) -> Result<String> {
    let now = call.time();
    call.change_libraries(|libraries| {
        let of = libraries.library(library)?;
        if of.is_subscribed() {
            let id = "com.vmware.vdcs.cls-main.invalid_element_type";
            return Err(RestError::new(
                ErrorKind::InvalidElementType,
                id,
                "items cannot be added to a subscribed library",
            ));
        }
        if libraries.items_of(library).any(|(_, item)| item.info["name"] == name) {
            let message = format!("The library has an item '{name}' already.");
            return Err(RestError::new(ErrorKind::AlreadyExists, "com.vmware.vdcs.cls-main.already_exists", message));
        }
        if !is_file_name(name) {
            return Err(RestError::invalid(&format!("'{name}' cannot be the name of an item")));
        }
        let mut info = json!({
            "library_id": library, "name": name, "type": kind, "description": description,
            "creation_time": now, "last_modified_time": now,
            "cached": true, "content_version": "1", "metadata_version": "1", "version": "1", "size": 0,
        });
        if libraries.library(library)?.info["unset_security_policy_id"] == false {
            info["security_compliance"] = json!(false);
            info["certificate_verification_info"] = json!({ "status": "NOT_AVAILABLE" });
        }
        let id = libraries.new_id();
        info["id"] = json!(id);
        let mut item = Item { info, library: library.into(), files: Vec::new(), machine: None };
        fill(&mut item)?;
        libraries.items.insert(id.clone(), item);
        Ok(id)
    })
}

/// An item: `GET`, `PATCH`, `DELETE`, and what is done to it.
pub(super) async fn one(call: &Call, id: &str) -> Result {
    let kept = call.kept();
    let item = kept.libraries.item(id)?;
    let library = kept.libraries.library(&item.library)?;
    match (call.method.as_str(), call.action()) {
        ("GET", None) | ("POST", Some("get")) => Ok(Answer::Value(item.info.clone())),
        ("PATCH", None) => {
            call.may(None, "ContentLibrary.UpdateLibraryItem")?;
            let wanted = spec(call, "update_spec");
            call.change_libraries(|libraries| {
                let info = &mut libraries.item_mut(id)?.info;
                for field in ["name", "description", "type"] {
                    if let Some(value) = wanted.get(field).filter(|value| !value.is_null() && **value != json!("")) {
                        info[field] = value.clone();
                    }
                }
                info["metadata_version"] = super::next(&info["metadata_version"]);
                info["last_modified_time"] = call.time();
                Ok(Answer::Nothing)
            })
        }
        ("DELETE", None) => {
            call.may(None, "ContentLibrary.DeleteLibraryItem")?;
            libraries::expect_unused(library)?;
            if let Some(datastore) = library.datastore() {
                call.service().datastore_remove(&datastore, &folder(&item.library, id))?;
            }
            call.change_libraries(|libraries| {
                libraries.items.remove(id);
                Ok(())
            })?;
            destroy_machine(call, item).await?;
            Ok(Answer::Nothing)
        }
        ("POST", Some("copy")) => copy(call, id),
        ("POST", Some("sync")) if library.is_subscribed() => {
            call.may(None, "ContentLibrary.SyncLibraryItem")?;
            sync(call, id, call.body["force_sync_content"] == true)?;
            Ok(Answer::Nothing)
        }
        ("POST", Some("sync" | "publish")) => {
            call.may(None, "ContentLibrary.PublishLibraryItem")?;
            libraries::publish(call, &item.library, id).await?;
            Ok(Answer::Nothing)
        }
        ("POST", Some("evict")) if library.is_subscribed() => {
            call.may(None, "ContentLibrary.EvictLibraryItem")?;
            call.change_libraries(|libraries| {
                evict(libraries.item_mut(id)?);
                Ok(Answer::Nothing)
            })
        }
        _ => Err(call.unknown()),
    }
}

/// Copies an item, with its files, to a library.
fn copy(call: &Call, id: &str) -> Result {
    call.may(None, "ContentLibrary.AddLibraryItem")?;
    let kept = call.kept();
    let item = kept.libraries.item(id)?;
    let wanted = &call.body["destination_create_spec"];
    let target = wanted["library_id"].as_str().unwrap_or_default();
    let text = |field: &str| wanted[field].as_str().or(item.info[field].as_str()).unwrap_or_default();
    let files = item.files.clone();
    let new_id = add(call, target, text("name"), text("type"), text("description"), |new| {
        new.files = files;
        new.count();
        Ok(())
    })?;
    for file in &item.files {
        call.store(kept.libraries.library(target)?, target, &new_id, file)?;
    }
    Ok(Answer::Created(json!(new_id)))
}

/// Whether a file is always there, even of an item that is fetched on demand.
fn is_always_cached(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".ovf") || name.ends_with(".mf")
}

/// An item of a subscribed library as it follows another: with all files, or only with those that describe it.
pub(super) fn follow(source: &Item, library: &str, cached: bool) -> Item {
    let mut item = Item { library: library.into(), ..source.clone() };
    item.info["source_id"] = source.info["id"].clone();
    item.info["library_id"] = json!(library);
    item.info["cached"] = json!(cached);
    item.files.iter_mut().for_each(|file| file.cached = cached || is_always_cached(&file.name));
    item.count();
    item
}

/// Brings an item of a subscribed library up to what it follows.
pub(super) fn sync(call: &Call, id: &str, force: bool) -> Result<()> {
    let kept = call.kept();
    let item = kept.libraries.item(id)?;
    let library = kept.libraries.library(&item.library)?;
    let source = item.info["source_id"].as_str().and_then(|source| kept.libraries.items.get(source));
    let Some(source) = source else {
        return call.change_libraries(|libraries| {
            libraries.items.remove(id);
            Ok(())
        });
    };
    let mut new = follow(source, &item.library, force || item.info["cached"] == true);
    new.info["id"] = json!(id);
    new.info["last_sync_time"] = call.time();
    for file in new.files.iter().filter(|file| file.cached) {
        call.store(library, &item.library, id, file)?;
    }
    call.change_libraries(|libraries| {
        libraries.items.insert(id.into(), new);
        Ok(())
    })
}

/// Lets go of an item's files; they come again when they are needed.
pub(super) fn evict(item: &mut Item) {
    item.info["cached"] = json!(false);
    item.files.iter_mut().for_each(|file| file.cached = is_always_cached(&file.name));
    item.count();
}

/// Destroys the template that an item was.
pub(super) async fn destroy_machine(call: &Call, item: &Item) -> Result<()> {
    let Some(machine) = item.machine.as_ref().filter(|it| call.service().snapshot().object(it).is_some()) else {
        return Ok(());
    };
    call.task(machine, DestroyTask::new()).await?;
    Ok(())
}

/// The files of an item, or the one of a name; with where they are, if that is asked for.
pub(super) fn files(call: &Call, with_storage: bool, id: &str, name: Option<&str>) -> Result {
    if with_storage {
        call.may(None, "ContentLibrary.ReadStorage")?;
    }
    let kept = call.kept();
    let item = kept.libraries.item(id)?;
    let library = kept.libraries.library(&item.library)?;
    let snapshot = call.service().snapshot();
    let datastore = library.datastore().and_then(|moref| snapshot.view::<Datastore>(&moref));
    let url = datastore.map(|datastore| datastore.summary().url().to_string()).unwrap_or_default();
    let show = |file: &super::ItemFile| {
        let mut shown = item.show(file);
        if with_storage {
            let path = format!("{}/{}/{}", url.trim_end_matches('/'), folder(&item.library, id), file.name);
            shown["storage_backing"] = library.info["storage_backings"][0].clone();
            shown["storage_uris"] = json!([path]);
        }
        shown
    };
    match name {
        None => Ok(Answer::Value(item.files.iter().map(show).collect())),
        Some(name) => {
            let file = item.files.iter().find(|file| file.name == name).ok_or_else(|| not_found("file", name))?;
            Ok(Answer::Value(if with_storage { json!([show(file)]) } else { show(file) }))
        }
    }
}
