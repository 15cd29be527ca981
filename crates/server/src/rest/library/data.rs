//! The bytes of files: `PUT` into an update session, `GET` out of a download session. Who knows a session's identifier may
//! do so: it cannot be guessed.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::json;
use vimsim_simulator::{Download, Service};

use super::{ItemFile, Libraries, folder, is_file_name};
use crate::files::answer as files;
use crate::rest::kept::Kept;
use crate::rest::{Rest, RestError};

pub(crate) fn routes(router: Router<Rest>) -> Router<Rest> {
    router.route("/com/vmware/cis/data/{session}/{name}", any(transfer))
}

async fn transfer(
    State(rest): State<Rest>,
    Path((id, name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let kept = rest.service.kept::<Kept>();
    let Some(session) = kept.libraries.transfers.get(&id).filter(|it| it.info["state"] == "ACTIVE") else {
        return (StatusCode::NOT_FOUND, "there is no such session\n").into_response();
    };
    match method {
        Method::GET | Method::HEAD if !session.is_update => {
            let item = kept.libraries.items.get(&session.item);
            match item.and_then(|item| item.files.iter().find(|file| file.name == name)) {
                Some(file) => files::file(&file.bytes, &method, &headers),
                None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
            }
        }
        Method::PUT | Method::POST if session.is_update => receive(&rest, &id, &name, body).await,
        method => (StatusCode::METHOD_NOT_ALLOWED, format!("this session does not take {method}\n")).into_response(),
    }
}

async fn receive(rest: &Rest, id: &str, name: &str, body: Body) -> Response {
    let known = rest.service.kept::<Kept>();
    if !known.libraries.transfers.get(id).is_some_and(|it| it.files.contains_key(name)) {
        return (StatusCode::NOT_FOUND, "the file has not been added to the session\n").into_response();
    }
    let upload = match files::receive(body, rest.service.upload(), u64::MAX).await {
        Ok(upload) => upload,
        Err(response) => return response,
    };
    let (service, id, name) = (rest.service.clone(), id.to_string(), name.to_string());
    let bytes = service.arrived(upload, &name);
    let kept = tokio::task::spawn_blocking(move || keep(&service, &id, &name, &bytes)).await;
    match kept {
        Ok(Ok(())) => StatusCode::OK.into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Keeps a file that has arrived, unpacked if it is an archive, and puts it on the library's datastore.
pub(super) fn keep(service: &Arc<Service>, id: &str, name: &str, bytes: &Download) -> Result<(), String> {
    let kept = service.kept::<Kept>();
    let session = kept.libraries.transfers.get(id).ok_or("there is no such session")?;
    let wanted = &session.files.get(name).ok_or("there is no such file")?.info["checksum_info"];
    let arrived = checked(bytes, wanted).and_then(|()| match name.to_ascii_lowercase().ends_with(".ova") {
        true => unpack(service, bytes),
        false => Ok(vec![ItemFile { name: name.into(), bytes: bytes.clone(), cached: true }]),
    });
    if let Ok(arrived) = &arrived {
        put(service, &kept.libraries, &session.item, arrived)?;
    }
    let outcome = arrived.as_ref().map(drop).map_err(Clone::clone);
    let noted = service.change_kept::<Kept, (), RestError>(|kept, _| {
        let libraries = Arc::make_mut(&mut kept.libraries);
        let transfer = libraries.transfer_mut(id)?;
        let Some(file) = transfer.files.get_mut(name) else { return Ok(()) };
        file.info["bytes_transferred"] = json!(bytes.size());
        file.info["size"] = json!(bytes.size());
        match arrived {
            Ok(arrived) => {
                file.info["status"] = json!("READY");
                file.arrived = arrived;
            }
            Err(why) => {
                file.info["status"] = json!("ERROR");
                file.info["error_message"] = json!({ "id": "checksum", "default_message": why, "args": [] });
            }
        }
        Ok(())
    });
    noted.map_err(|_| "the session is gone".to_string())?;
    outcome
}

fn checked(bytes: &Download, wanted: &serde_json::Value) -> Result<(), String> {
    let Some(sum) = wanted["checksum"].as_str().filter(|sum| !sum.is_empty()) else { return Ok(()) };
    let algorithm = wanted["algorithm"].as_str().unwrap_or("SHA1");
    let actual = bytes.checksum(algorithm).unwrap_or_default();
    if actual.eq_ignore_ascii_case(sum) {
        return Ok(());
    }
    Err(format!("checksum mismatch: file={}, alg={algorithm}, actual={actual}, expected={sum}", bytes.name()))
}

/// Puts files on the datastore of the item's library.
fn put(service: &Arc<Service>, libraries: &Libraries, item_id: &str, files: &[ItemFile]) -> Result<(), String> {
    let item = libraries.items.get(item_id).ok_or("there is no such item")?;
    let Some(datastore) = libraries.libraries.get(&item.library).and_then(|it| it.datastore()) else { return Ok(()) };
    for file in files {
        let path = format!("{}/{}", folder(&item.library, item_id), file.name);
        let put = service.datastore_put(None, &datastore, &path, &file.bytes);
        put.map_err(|fault| fault.message().to_string())?;
    }
    Ok(())
}

/// The size of the blocks that an archive is made of.
const BLOCK: u64 = 512;

/// The files in an archive (`.ova` is a `tar`).
fn unpack(service: &Arc<Service>, archive: &Download) -> Result<Vec<ItemFile>, String> {
    let bad = |error: &dyn std::fmt::Display| format!("the archive cannot be read: {error}");
    let (mut at, mut files) = (0, Vec::new());
    while at + BLOCK <= archive.size() {
        let mut head = Vec::new();
        for piece in archive.pieces(at, BLOCK) {
            head.extend(piece.map_err(|error| bad(&error))?);
        }
        let text = |range: std::ops::Range<usize>| {
            let field = head.get(range).unwrap_or_default();
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).trim().to_string()
        };
        let name = text(0..100);
        if name.is_empty() {
            break;
        }
        let size = u64::from_str_radix(&text(124..136), 8).map_err(|error| bad(&error))?;
        at += BLOCK;
        if size > archive.size() - at {
            return Err(bad(&"it ends too early"));
        }
        let is_file = matches!(head.get(156), Some(b'0' | 0));
        if is_file && is_file_name(&name) {
            let mut upload = service.upload();
            for piece in archive.pieces(at, size) {
                let piece = piece.map_err(|error| bad(&error))?;
                upload.write(&piece).map_err(|error| bad(&error))?;
            }
            files.push(ItemFile { bytes: service.arrived(upload, &name), name, cached: true });
        }
        at += size.div_ceil(BLOCK) * BLOCK;
    }
    if files.is_empty() { Err(bad(&"there are no files in it")) } else { Ok(files) }
}
