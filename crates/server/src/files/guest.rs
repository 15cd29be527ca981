//! `/guestFile`: files on their way into virtual machines' guests, and out of them. Who knows a transfer's URL may use it:
//! the token in it is the right to.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream;
use serde::Deserialize;
use vimsim_simulator::Service;

use super::answer;
use crate::body::next_chunk;

pub(super) fn routes(service: Arc<Service>) -> Router {
    Router::new()
        .route("/guestFile", any(transfer))
        .route("/guestFile/", any(transfer))
        .route("/guestFile/{*path}", any(transfer))
        .with_state(service)
}

/// Which transfer.
#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    token: String,
}

async fn transfer(
    State(service): State<Arc<Service>>,
    Query(which): Query<Which>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match method {
        Method::GET | Method::HEAD => match service.guest_get(&which.token).await {
            Ok(file) => {
                let headers =
                    [(CONTENT_LENGTH, file.size.to_string()), (CONTENT_TYPE, "application/octet-stream".to_owned())];
                let body = if method == Method::HEAD { Body::empty() } else { Body::from_stream(file.bytes) };
                (headers, body).into_response()
            }
            Err(error) => answer::failed(&error),
        },
        Method::PUT | Method::POST => {
            let size = headers.get(CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
            let bytes = stream::unfold(Some(body), |body| async move {
                let mut body = body?;
                match next_chunk(&mut body).await {
                    Ok(None) => None,
                    Ok(Some(bytes)) => Some((Ok(bytes), Some(body))),
                    Err(error) => Some((Err(std::io::Error::other(error.to_string())), None)),
                }
            });
            match service.guest_put(&which.token, size, Box::pin(bytes)).await {
                Ok(()) => StatusCode::OK.into_response(),
                Err(error) => answer::failed(&error),
            }
        }
        method => (StatusCode::METHOD_NOT_ALLOWED, format!("a transfer does not take {method}\n")).into_response(),
    }
}
