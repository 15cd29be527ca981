//! Update sessions and download sessions: files on their way.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vimsim_types::DateTime;

use super::{Transfer, Travelling, folder, ids, is_file_name, next, not_found, spec};
use crate::rest::call::{Call, escape};
use crate::rest::{Answer, ErrorKind, RestError, Result};

/// For how long a session lives that nobody keeps alive, in microseconds.
const LIFE: i64 = 60 * 60 * 1_000_000;

fn expiration(call: &Call) -> Value {
    json!(DateTime::from_micros(call.service().now().micros() + LIFE).to_string())
}

fn privilege(is_update: bool) -> &'static str {
    if is_update { "ContentLibrary.UpdateSession" } else { "ContentLibrary.DownloadSession" }
}

/// All sessions of a kind: `GET` and `create`.
pub(super) fn all(call: &Call, is_update: bool) -> Result {
    match (call.method.as_str(), call.action()) {
        ("GET", None) => {
            let kept = call.kept();
            let found = kept.libraries.transfers.iter().filter(|(_, it)| it.is_update == is_update);
            Ok(ids(found.map(|(id, _)| id)))
        }
        ("POST", None | Some("create")) => {
            call.may(None, privilege(is_update))?;
            let item_id = spec(call, "create_spec")["library_item_id"].as_str().unwrap_or_default();
            let id = vimsim_simulator::uuid::random();
            call.change_libraries(|libraries| {
                let item = libraries.item(item_id)?;
                if is_update && libraries.library(&item.library)?.is_subscribed() {
                    return Err(RestError::invalid(&"an item of a subscribed library cannot be changed"));
                }
                let files = item.files.iter().filter(|_| !is_update).map(|file| {
                    let info = json!({ "name": file.name, "size": file.bytes.size(), "status": "UNPREPARED", "bytes_transferred": 0 });
                    (file.name.clone(), Travelling { info, arrived: Vec::new() })
                });
                let files: BTreeMap<_, _> = files.collect();
                let info = json!({
                    "id": id,
                    "library_item_id": item_id,
                    "library_item_content_version": item.info["content_version"],
                    "client_progress": 0,
                    "state": "ACTIVE",
                    "expiration_time": expiration(call),
                });
                let transfer = Transfer { info, item: item_id.into(), is_update, files };
                libraries.transfers.insert(id.clone(), transfer);
                Ok(Answer::Created(json!(id)))
            })
        }
        _ => Err(call.unknown()),
    }
}

/// A session: `GET`, `DELETE`, and how it goes on.
pub(super) fn one(call: &Call, is_update: bool, id: &str) -> Result {
    let kept = call.kept();
    let transfer = kept.libraries.transfer(id).ok().filter(|transfer| transfer.is_update == is_update);
    let transfer = transfer.ok_or_else(|| not_found("session", id))?;
    match (call.method.as_str(), call.action()) {
        ("GET", None) | ("POST", Some("get")) => return Ok(Answer::Value(transfer.info.clone())),
        ("POST", Some("complete")) if is_update => complete(call, id, transfer)?,
        ("POST", Some(action @ ("cancel" | "fail" | "complete"))) => {
            let state = match action {
                "cancel" => "CANCELED",
                "fail" => "ERROR",
                _ => "DONE",
            };
            call.change_libraries(|libraries| {
                let transfer = libraries.transfer_mut(id)?;
                expect_active(transfer)?;
                transfer.info["state"] = json!(state);
                if let Some(message) = call.text("/client_error_message") {
                    transfer.info["error_message"] = json!({ "default_message": message, "id": "client", "args": [] });
                }
                Ok(())
            })?;
            forget_arrived(call, transfer)?;
        }
        ("POST", Some("keep-alive")) => call.change_libraries(|libraries| {
            let transfer = libraries.transfer_mut(id)?;
            expect_active(transfer)?;
            transfer.info["expiration_time"] = expiration(call);
            transfer.info["client_progress"] = call.body.get("client_progress").cloned().unwrap_or(json!(0));
            Ok(())
        })?,
        ("DELETE", None) => {
            call.change_libraries(|libraries| {
                libraries.transfers.remove(id);
                Ok(())
            })?;
            if transfer.info["state"] != "DONE" {
                forget_arrived(call, transfer)?;
            }
        }
        _ => return Err(call.unknown()),
    }
    Ok(Answer::Nothing)
}

fn expect_active(transfer: &Transfer) -> Result<()> {
    if transfer.info["state"] == "ACTIVE" {
        return Ok(());
    }
    let message = format!("not allowed in state {}", transfer.info["state"].as_str().unwrap_or_default());
    Err(RestError::new(ErrorKind::NotAllowedInCurrentState, "com.vmware.vdcs.cls-main.wrong_state", message))
}

/// Removes what arrived from the datastore, unless the item has it.
fn forget_arrived(call: &Call, transfer: &Transfer) -> Result<()> {
    let kept = call.kept();
    let Ok(item) = kept.libraries.item(&transfer.item) else { return Ok(()) };
    let Some(datastore) = kept.libraries.library(&item.library)?.datastore() else { return Ok(()) };
    for file in transfer.files.values().flat_map(|file| &file.arrived) {
        if !item.files.iter().any(|known| known.name == file.name) {
            let path = format!("{}/{}", folder(&item.library, &transfer.item), file.name);
            call.service().datastore_remove(&datastore, &path)?;
        }
    }
    Ok(())
}

/// Makes what arrived the item's.
fn complete(call: &Call, id: &str, transfer: &Transfer) -> Result<()> {
    call.change_libraries(|libraries| {
        let known = libraries.transfer_mut(id)?;
        expect_active(known)?;
        let failed = known.files.values().find(|file| file.info["status"] == "ERROR");
        if let Some(failed) = failed {
            known.info["state"] = json!("ERROR");
            known.info["error_message"] = failed.info["error_message"].clone();
            return Ok(());
        }
        known.info["state"] = json!("DONE");
        let arrived: Vec<_> = known.files.values().flat_map(|file| file.arrived.clone()).collect();
        let item = libraries.item_mut(&transfer.item)?;
        if arrived.is_empty() {
            return Ok(());
        }
        if !item.files.is_empty() {
            item.info["content_version"] = next(&item.info["content_version"]);
        }
        for file in arrived {
            item.files.retain(|known| known.name != file.name);
            item.files.push(file);
        }
        item.info["last_modified_time"] = call.time();
        item.count();
        Ok(())
    })
}

/// The files of a session.
pub(super) fn files(call: &Call) -> Result {
    if call.method == "POST" && call.action() == Some("probe") {
        return Ok(Answer::Value(probe(call.text("/source_endpoint/uri").unwrap_or_default())));
    }
    let id = call.parameters.get("update_session_id").or(call.parameters.get("download_session_id"));
    let kept = call.kept();
    let transfer = kept.libraries.transfer(id.map_or("", String::as_str))?;
    Ok(Answer::Value(transfer.files.values().map(|file| file.info.clone()).collect()))
}

/// Whether something could be fetched from there, as far as can be said without doing it.
// Fidelity: vCenter asks the other side. We fetch nothing, and say of an address only whether it is one.
fn probe(uri: &str) -> Value {
    let known = ["http://", "https://"].iter().find_map(|scheme| uri.strip_prefix(scheme));
    match known {
        Some(host) if !host.is_empty() => json!({ "status": "SUCCESS", "error_messages": [] }),
        _ => json!({
            "status": "INVALID_URL",
            "error_messages": [{
                "id": "com.vmware.vdcs.cls-main.file_probe_unsupported_uri_scheme",
                "default_message": format!("The specified URI {uri} is not supported"),
                "args": [uri],
            }],
        }),
    }
}

fn one_file<'a>(transfer: &'a Transfer, name: &str) -> Result<&'a Travelling> {
    transfer.files.get(name).ok_or_else(|| not_found("file", name))
}

/// The files of a session, or the one of a name, as the newer paths say it: by method.
pub(super) async fn file(call: &Call, is_update: bool, id: &str, name: Option<&str>) -> Result {
    let asked = call.parameters.get("file_name").map(String::as_str);
    match (call.method.as_str(), name.or(asked), call.action()) {
        ("GET", None, None) => {
            let kept = call.kept();
            Ok(Answer::Value(kept.libraries.transfer(id)?.files.values().map(|file| file.info.clone()).collect()))
        }
        ("GET", Some(name), None) => {
            Ok(Answer::Value(one_file(call.kept().libraries.transfer(id)?, name)?.info.clone()))
        }
        ("POST", None, None) if is_update => update_file(call, id, Some("add"), "").await,
        ("POST", None, Some("validate")) if is_update => update_file(call, id, Some("validate"), "").await,
        ("DELETE", Some(name), None) if is_update => update_file(call, id, Some("remove"), name).await,
        ("POST", None, Some("prepare")) if !is_update => download_file(call, id),
        _ => Err(call.unknown()),
    }
}

/// A file of an update session: `add`, `get`, `remove`, and `validate` of all.
pub(super) async fn update_file(call: &Call, id: &str, action: Option<&str>, name: &str) -> Result {
    let kept = call.kept();
    let transfer = kept.libraries.transfer(id)?;
    match action {
        Some("add") => add(call, id).await,
        Some("get") => Ok(Answer::Value(one_file(transfer, name)?.info.clone())),
        Some("remove") => {
            // Fidelity: an internal error, as in vcsim, which govc's tests compare with.
            expect_active(transfer).map_err(|error| error.of_kind(ErrorKind::Internal))?;
            one_file(transfer, name)?;
            call.change_libraries(|libraries| {
                libraries.transfer_mut(id)?.files.remove(name);
                Ok(Answer::Nothing)
            })
        }
        Some("validate") => {
            expect_active(transfer)?;
            let item = kept.libraries.item(&transfer.item)?;
            let missing = missing(transfer, item);
            Ok(Answer::Value(
                json!({ "has_errors": !missing.is_empty(), "missing_files": missing, "invalid_files": [] }),
            ))
        }
        _ => Err(call.unknown()),
    }
}

/// The files that descriptors speak of and that are not there.
fn missing(transfer: &Transfer, item: &super::Item) -> Vec<String> {
    let arrived = transfer.files.values().flat_map(|file| &file.arrived);
    let all: Vec<_> = arrived.chain(&item.files).collect();
    let mut missing = Vec::new();
    for descriptor in all.iter().filter(|file| file.name.to_ascii_lowercase().ends_with(".ovf")) {
        let text = descriptor.bytes.bytes(super::deploy::LARGEST_DESCRIPTOR).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        for name in text.split("ovf:href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            if !all.iter().any(|file| file.name == name) {
                missing.push(name.to_string());
            }
        }
    }
    missing
}

/// Announces a file that a client is to send, or fetches it from where the client says.
async fn add(call: &Call, id: &str) -> Result {
    let wanted = spec(call, "file_spec");
    let name = wanted["name"].as_str().unwrap_or_default();
    if !is_file_name(name) {
        return Err(RestError::invalid(&format!("'{name}' cannot be the name of a file")));
    }
    let source = match wanted["source_type"].as_str() {
        Some("PUSH") => None,
        Some("PULL") => {
            let source = wanted["source_endpoint"]["uri"].as_str().filter(|uri| !uri.is_empty());
            Some(source.ok_or_else(|| RestError::invalid(&"source_endpoint.uri is missing"))?)
        }
        _ => return Err(RestError::invalid(&"source_type must be PUSH or PULL")),
    };
    let algorithm = wanted["checksum_info"]["algorithm"].as_str().unwrap_or("SHA1");
    if wanted["checksum_info"]["checksum"].is_string() && !["MD5", "SHA1", "SHA256", "SHA512"].contains(&algorithm) {
        return Err(RestError::invalid(&format!("checksums are not made by {algorithm}")));
    }
    let mut info = wanted.clone();
    info["bytes_transferred"] = json!(0);
    if source.is_some() {
        info["status"] = json!("TRANSFERRING");
    } else {
        info["status"] = json!("WAITING_FOR_TRANSFER");
        info["upload_endpoint"] = json!({ "uri": call.data_url(id, name) });
    }
    call.change_libraries(|libraries| {
        let transfer = libraries.transfer_mut(id)?;
        expect_active(transfer)?;
        transfer.files.insert(name.into(), Travelling { info: info.clone(), arrived: Vec::new() });
        Ok(())
    })?;
    if let Some(source) = source {
        // Fidelity: vCenter answers at once, and fetches then.
        let thumbprint = wanted["source_endpoint"]["ssl_certificate_thumbprint"].as_str();
        super::pull::pull(call, id, name, source, thumbprint).await;
        follow(call, id, name, source, thumbprint).await?;
        info = one_file(call.kept().libraries.transfer(id)?, name)?.info.clone();
    }
    Ok(Answer::Value(info))
}

/// Fetches what a descriptor that was fetched speaks of, from beside it.
// Fidelity: what is not there is left out, as in vcsim, which fetches none of it; vCenter's session would fail.
async fn follow(call: &Call, id: &str, name: &str, source: &str, thumbprint: Option<&str>) -> Result<()> {
    let kept = call.kept();
    let transfer = kept.libraries.transfer(id)?;
    let arrived = transfer.files.get(name).into_iter().flat_map(|file| &file.arrived);
    if !name.to_ascii_lowercase().ends_with(".ovf") || arrived.count() == 0 {
        return Ok(());
    }
    let (path, query) =
        source.split_once('?').map_or((source, String::new()), |(path, rest)| (path, format!("?{rest}")));
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for name in missing(transfer, kept.libraries.item(&transfer.item)?) {
        if !is_file_name(&name) {
            continue;
        }
        let source = format!("{folder}/{}{query}", escape(&name));
        let info = json!({
            "name": name, "source_type": "PULL", "source_endpoint": { "uri": source },
            "status": "TRANSFERRING", "bytes_transferred": 0,
        });
        call.change_libraries(|libraries| {
            let known = &mut libraries.transfer_mut(id)?.files;
            known.insert(name.clone(), Travelling { info, arrived: Vec::new() });
            Ok(())
        })?;
        super::pull::pull(call, id, &name, &source, thumbprint).await;
        call.change_libraries(|libraries| {
            let known = &mut libraries.transfer_mut(id)?.files;
            known.retain(|known, file| *known != name || file.info["status"] == "READY");
            Ok(())
        })?;
    }
    Ok(())
}

/// A file of a download session: `prepare` and `get`.
pub(super) fn download_file(call: &Call, id: &str) -> Result {
    let name = call.text("/file_name").unwrap_or_default();
    match call.action() {
        Some("prepare") => call.change_libraries(|libraries| {
            let transfer = libraries.transfer_mut(id)?;
            expect_active(transfer)?;
            let file = transfer.files.get_mut(name).ok_or_else(|| not_found("file", name))?;
            file.info["status"] = json!("PREPARED");
            file.info["download_endpoint"] = json!({ "uri": call.data_url(id, name) });
            Ok(Answer::Value(file.info.clone()))
        }),
        Some("get") => Ok(Answer::Value(one_file(call.kept().libraries.transfer(id)?, name)?.info.clone())),
        _ => Err(call.unknown()),
    }
}

impl Call {
    /// Where the bytes of a file go to or come from. Who knows the session may use it.
    fn data_url(&self, session: &str, name: &str) -> String {
        format!("{}/rest/com/vmware/cis/data/{session}/{}", self.base(), escape(name))
    }
}
