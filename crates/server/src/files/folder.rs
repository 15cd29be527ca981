//! `/folder`: the files of datastores.
//!
//! `/folder/a/b.iso?dcPath=DC0&dsName=LocalDS_0` is `[LocalDS_0] a/b.iso` in the datacenter `DC0`. Files are read with
//! `GET` and `HEAD`, written with `PUT`, or with `POST` if they are new, and removed with `DELETE`; folders are listed as
//! pages, up to the list of datacenters. As in vCenter, who reads needs `Datastore.Browse`, and who writes
//! `Datastore.FileManagement`; who may not, is told 403.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde::Deserialize;
use vimsim_simulator::{FolderRequest, Found, Service};

use super::{answer, caller, listing};
use crate::ConnectionInfo;

pub(super) fn routes(service: Arc<Service>) -> Router {
    Router::new()
        .route("/folder", any(root))
        .route("/folder/", any(root))
        .route("/folder/{*path}", any(inside))
        .with_state(service)
}

/// Where the path is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Where {
    dc_path: Option<String>,
    ds_name: Option<String>,
}

async fn root(
    state: State<Arc<Service>>,
    query: Query<Where>,
    connection: Extension<Arc<ConnectionInfo>>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    inside(state, Path(String::new()), query, connection, method, headers, body).await
}

async fn inside(
    State(service): State<Arc<Service>>,
    Path(path): Path<String>,
    Query(place): Query<Where>,
    Extension(connection): Extension<Arc<ConnectionInfo>>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(user) = caller::user(&service, &headers, &connection).await else { return caller::refused() };
    let request = FolderRequest { path, datacenter: place.dc_path, datastore: place.ds_name };
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if is_read && request.path.is_empty() && request.datastore.is_none() {
        return list(&service, &request, &user);
    }
    if let Err(error) = service.folder_permit(&request, &user, !is_read) {
        return answer::failed(&error);
    }
    match method {
        Method::GET | Method::HEAD => read(&service, &request, &method, &headers),
        Method::PUT => write(&service, &request, &headers, body, true).await,
        Method::POST => write(&service, &request, &headers, body, false).await,
        Method::DELETE => match service.folder_delete(&request) {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(error) => answer::failed(&error),
        },
        method => (StatusCode::METHOD_NOT_ALLOWED, format!("files do not take {method}\n")).into_response(),
    }
}

/// The datacenters, or the datastores of one.
fn list(service: &Service, request: &FolderRequest, user: &str) -> Response {
    let all = service.datastores(user);
    match &request.datacenter {
        None => listing::datacenters(&all),
        Some(wanted) => match all.iter().find(|(path, _)| path == wanted.trim_matches('/')) {
            Some((path, names)) => listing::datastores(path, names),
            None => (StatusCode::NOT_FOUND, format!("there is no datacenter '{wanted}'\n")).into_response(),
        },
    }
}

fn read(service: &Service, request: &FolderRequest, method: &Method, headers: &HeaderMap) -> Response {
    match service.folder_get(request) {
        Ok(Found::File(download)) => answer::file(&download, method, headers),
        Ok(Found::Folder(entries)) => listing::folder(request, &entries),
        Err(error) => answer::failed(&error),
    }
}

async fn write(
    service: &Arc<Service>,
    request: &FolderRequest,
    headers: &HeaderMap,
    body: Body,
    replace: bool,
) -> Response {
    let size = headers.get(CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
    let free = match service.folder_check(request, replace, size) {
        Ok(free) => free,
        Err(error) => return answer::failed(&error),
    };
    let upload = match answer::receive(body, service.upload(), free).await {
        Ok(upload) => upload,
        Err(response) => return response,
    };
    match service.folder_put(request, upload, replace) {
        Ok(true) => StatusCode::CREATED.into_response(),
        Ok(false) => StatusCode::OK.into_response(),
        Err(error) => answer::failed(&error),
    }
}
