//! `/nfc`: the files that leases let through. Who knows a lease's URL may use it: the key in it is the right to.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use vimsim_simulator::{Service, TransferError};

use super::answer;

pub(super) fn routes(service: Arc<Service>) -> Router {
    Router::new().route("/nfc/{lease}/{name}", any(transfer)).with_state(service)
}

async fn transfer(
    State(service): State<Arc<Service>>,
    Path((lease, name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match method {
        Method::GET | Method::HEAD => {
            // A disk may have to be packed first.
            let found = tokio::task::spawn_blocking(move || service.nfc_get(&lease, &name)).await;
            match found.unwrap_or_else(|error| Err(TransferError::Other(error.to_string()))) {
                Ok(download) => answer::file(&download, &method, &headers),
                Err(error) => answer::failed(&error),
            }
        }
        Method::PUT | Method::POST => receive(&service, &lease, &name, body).await,
        method => (StatusCode::METHOD_NOT_ALLOWED, format!("a lease does not take {method}\n")).into_response(),
    }
}

async fn receive(service: &Arc<Service>, lease: &str, name: &str, body: Body) -> Response {
    let limit = match service.nfc_check(lease, name) {
        Ok(limit) => limit,
        Err(error) => return answer::failed(&error),
    };
    let upload = match answer::receive(body, service.upload(), limit).await {
        Ok(upload) => upload,
        Err(response) => return response,
    };
    match service.nfc_put(lease, name, upload) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => answer::failed(&error),
    }
}
