//! Files that the library fetches itself: over HTTP, or from a datastore.

use serde_json::json;
use vimsim_simulator::{Download, FolderRequest, Found, Source};
use vimsim_types::View;
use vimsim_types::views::Datastore;

use super::data;
use crate::rest::RestError;
use crate::rest::call::Call;
use crate::rest::kept::Kept;

/// Fetches a file of an update session, and says in the session what came of it.
pub(super) async fn pull(call: &Call, id: &str, name: &str, uri: &str, thumbprint: Option<&str>) {
    let kept = match fetch(call, name, uri, thumbprint).await {
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

/// The bytes at an address. If a thumbprint is given, its server must have the certificate of it.
async fn fetch(call: &Call, name: &str, uri: &str, thumbprint: Option<&str>) -> Result<Download, String> {
    if let Some(request) = own(call, uri)? {
        let user = call.session.user();
        let service = call.service();
        service.folder_permit(&request, user, false).map_err(|error| error.to_string())?;
        return match service.folder_get(&request).map_err(|error| error.to_string())? {
            Found::File(file) => Ok(file),
            Found::Folder(_) => Err(format!("{uri} is a folder")),
        };
    }
    let source = Source { uri: uri.to_string(), thumbprint: thumbprint.map(Into::into), ..Source::default() };
    let fetched = crate::fetch::fetch(source, call.service().upload()).await;
    let upload = fetched.map_err(|error| format!("{uri}: {error}"))?;
    Ok(call.service().arrived(upload, name))
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
