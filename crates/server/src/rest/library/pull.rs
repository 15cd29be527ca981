//! Files that the library fetches itself: over HTTP, or from a datastore.
// Fidelity: vCenter wants to know whose certificate a server shows. We take any, as vcsim does.

use std::io;
use std::time::Duration;

use axum::http::Uri;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use vimsim_simulator::{Download, FolderRequest, Found, Upload};
use vimsim_types::View;
use vimsim_types::views::Datastore;

use super::data;
use crate::rest::RestError;
use crate::rest::call::Call;
use crate::rest::kept::Kept;

/// For how long a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a server may send us elsewhere.
const REDIRECTS: usize = 5;
/// More than this is no head of an answer.
const LARGEST_HEAD: usize = 64 << 10;

/// Fetches a file of an update session, and says in the session what came of it.
pub(super) async fn pull(call: &Call, id: &str, name: &str, uri: &str) {
    let kept = match fetch(call, name, uri).await {
        Ok(bytes) => {
            let (service, id, name) = (call.service().clone(), id.to_string(), name.to_string());
            // That the file is not what was wanted, the session says already.
            let kept = tokio::task::spawn_blocking(move || data::keep(&service, &id, &name, &bytes)).await;
            kept.map(drop).map_err(|error| error.to_string())
        }
        Err(why) => Err(why),
    };
    let Err(why) = kept else { return };
    tracing::warn!(%uri, %why, "cannot fetch a file for a library");
    let noted = call.service().change_kept::<Kept, (), RestError>(|kept, _| {
        let libraries = std::sync::Arc::make_mut(&mut kept.libraries);
        if let Some(file) = libraries.transfer_mut(id)?.files.get_mut(name) {
            file.info["status"] = json!("ERROR");
            let id = "com.vmware.vdcs.cls-main.file_transfer_failed";
            file.info["error_message"] = json!({ "id": id, "default_message": why, "args": [] });
        }
        Ok(())
    });
    if noted.is_err() {
        tracing::debug!("the session is gone");
    }
}

/// The bytes at an address.
async fn fetch(call: &Call, name: &str, uri: &str) -> Result<Download, String> {
    if let Some(request) = own(call, uri)? {
        let user = call.session.user();
        let service = call.service();
        service.folder_permit(&request, user, false).map_err(|error| error.to_string())?;
        return match service.folder_get(&request).map_err(|error| error.to_string())? {
            Found::File(file) => Ok(file),
            Found::Folder(_) => Err(format!("{uri} is a folder")),
        };
    }
    let mut uri = uri.to_string();
    for _ in 0..REDIRECTS {
        let mut upload = call.service().upload();
        match get(&uri, &mut upload).await.map_err(|error| format!("{uri}: {error}"))? {
            None => return Ok(call.service().arrived(upload, name)),
            Some(elsewhere) => uri = elsewhere,
        }
    }
    Err(format!("{uri}: redirected too often"))
}

/// What an address on a datastore of ours says: `ds:///vmfs/volumes/...`, or one below `/folder` of this service.
fn own(call: &Call, uri: &str) -> Result<Option<FolderRequest>, String> {
    if uri.starts_with("ds:") {
        let (snapshot, morefs) = call.service().visible_objects(&call.session, Datastore::TYPE);
        for moref in morefs {
            let Some(datastore) = snapshot.view::<Datastore>(&moref) else { continue };
            let Some(path) = uri.strip_prefix(datastore.summary().url().trim_end_matches('/')) else { continue };
            if let Some(path) = path.strip_prefix('/') {
                let name = datastore.name().to_string();
                return Ok(Some(FolderRequest { path: path.into(), datacenter: None, datastore: Some(name) }));
            }
        }
        return Err(format!("{uri} is on no datastore"));
    }
    let Some(path) = uri.strip_prefix(call.base()).and_then(|path| path.strip_prefix("/folder/")) else {
        return Ok(None);
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let given = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| crate::rest::call::decode(value))
    };
    let path = crate::rest::call::decode(path);
    Ok(Some(FolderRequest { path, datacenter: given("dcPath"), datastore: given("dsName") }))
}

/// Gets what is at an address, or the address where it is instead.
async fn get(uri: &str, upload: &mut Upload) -> io::Result<Option<String>> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_string());
    let parsed: Uri = uri.parse().map_err(|_| invalid("this is no address"))?;
    let is_safe = match parsed.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(invalid("only http, https and ds can be fetched from")),
    };
    let host = parsed.host().ok_or_else(|| invalid("there is no host in it"))?;
    let port = parsed.port_u16().unwrap_or(if is_safe { 443 } else { 80 });
    let path = parsed.path_and_query().map_or("/", |path| path.as_str());
    // By this version of the protocol, an answer comes in one piece and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    let address = (host.trim_matches(['[', ']']), port);
    let stream = timeout(PATIENCE, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if is_safe {
        let mut stream = crate::probe::secured(stream).await?;
        stream.write_all(request.as_bytes()).await?;
        return read(&mut stream, upload).await;
    }
    let mut stream = stream;
    stream.write_all(request.as_bytes()).await?;
    read(&mut stream, upload).await
}

/// Reads an answer: its head, then the rest of it.
async fn read(stream: &mut (dyn AsyncRead + Send + Unpin), upload: &mut Upload) -> io::Result<Option<String>> {
    let (mut head, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let mut length = None;
    let mut in_body = false;
    loop {
        let count = match timeout(PATIENCE, stream.read(&mut buffer)).await.map_err(|_| io::ErrorKind::TimedOut)? {
            Ok(count) => count,
            // Some end TLS without saying goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        let piece = &buffer[..count];
        if in_body {
            upload.write(piece)?;
        } else {
            head.extend_from_slice(piece);
            if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&head[..end]).into_owned();
                if let Some(target) = redirection(&text)? {
                    return Ok(Some(target));
                }
                length = header(&text, "content-length").and_then(|length| length.parse::<u64>().ok());
                upload.write(&head[end + 4..])?;
                in_body = true;
            } else if head.len() > LARGEST_HEAD {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no HTTP"));
            }
        }
        let is_all = in_body && length.is_some_and(|length| upload.size() >= length);
        if count == 0 || is_all {
            break;
        }
    }
    if !in_body || length.is_some_and(|length| upload.size() != length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(None)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Where the answer sends us. Fails if the answer is neither this nor the file.
fn redirection(head: &str) -> io::Result<Option<String>> {
    let status = head.split_ascii_whitespace().nth(1).unwrap_or_default();
    match (status, header(head, "location")) {
        ("200", _) => Ok(None),
        ("301" | "302" | "303" | "307" | "308", Some(target)) => Ok(Some(target.into())),
        _ => Err(io::Error::other(format!("the server answers {:?}", head.lines().next().unwrap_or_default()))),
    }
}
