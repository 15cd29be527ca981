//! Answers with files in them, and to requests that bring some.

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
    IF_RANGE, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use vimsim_simulator::{Download, TransferError, Upload};

use super::range::{self, Range};
use crate::BodyError;
use crate::body::next_chunk;

/// Sends a file, or the part of it that the client asks for. `HEAD` gets all but the bytes.
pub(crate) fn file(download: &Download, method: &Method, headers: &HeaderMap) -> Response {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let (size, tag, modified) = (download.size(), download.tag(), download.last_modified());
    let names_it = |list: &str| list.split(',').map(str::trim).any(|known| known == "*" || known == tag);
    let range = match text(IF_RANGE) {
        Some(known) if known != tag && known != modified => None,
        _ => text(RANGE),
    };
    let (status, part) = if text(IF_MATCH).is_some_and(|list| !names_it(list)) {
        (StatusCode::PRECONDITION_FAILED, None)
    } else if text(IF_NONE_MATCH).is_some_and(names_it) {
        (StatusCode::NOT_MODIFIED, None)
    } else {
        match range.map_or(Range::Whole, |range| range::parse(range, size)) {
            Range::Whole => (StatusCode::OK, Some((0, size))),
            Range::Part(start, count) => (StatusCode::PARTIAL_CONTENT, Some((start, count))),
            Range::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, None),
        }
    };
    let body = match part {
        Some((start, count)) if method != Method::HEAD => {
            Body::from_stream(stream::iter(download.pieces(start, count).map(|piece| piece.map(Bytes::from))))
        }
        _ => Body::empty(),
    };
    let mut response = (status, body).into_response();
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(ACCEPT_RANGES, "bytes".into());
    set(ETAG, tag);
    set(LAST_MODIFIED, modified);
    if let Some((start, count)) = part {
        set(CONTENT_LENGTH, count.to_string());
        set(CONTENT_TYPE, content_type(download.name()).into());
        if status == StatusCode::PARTIAL_CONTENT {
            set(CONTENT_RANGE, format!("bytes {start}-{}/{size}", start + count - 1));
        }
    } else if status == StatusCode::RANGE_NOT_SATISFIABLE {
        set(CONTENT_RANGE, format!("bytes */{size}"));
    }
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("log" | "vmx" | "txt" | "mf") => "text/plain; charset=utf-8",
        Some("xml" | "ovf") => "text/xml",
        _ => "application/octet-stream",
    }
}

/// Takes the bytes that a request brings.
pub(crate) async fn receive(mut body: Body, mut upload: Upload, limit: u64) -> Result<Upload, Response> {
    loop {
        match next_chunk(&mut body).await {
            Ok(None) => return Ok(upload),
            Ok(Some(chunk)) => {
                if upload.size().saturating_add(chunk.len() as u64) > limit {
                    return Err(failed(&TransferError::NoSpace("the datastore is full".into())));
                }
                if let Err(error) = upload.write(&chunk) {
                    tracing::warn!(%error, "cannot keep what is uploaded");
                    return Err(failed(&TransferError::NoSpace(error.to_string())));
                }
            }
            Err(error @ BodyError::Broken(_)) => {
                tracing::debug!(%error, "an upload broke off");
                return Err(error.into_response());
            }
            Err(error) => return Err(error.into_response()),
        }
    }
}

/// The answer to a transfer that cannot be.
pub(super) fn failed(error: &TransferError) -> Response {
    let status = match error {
        TransferError::NotFound(_) => StatusCode::NOT_FOUND,
        TransferError::Forbidden(_) => StatusCode::FORBIDDEN,
        TransferError::BadPath(_) => StatusCode::BAD_REQUEST,
        TransferError::Exists(_) => StatusCode::CONFLICT,
        TransferError::Locked(_) => StatusCode::LOCKED,
        TransferError::NoSpace(_) => StatusCode::INSUFFICIENT_STORAGE,
        TransferError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        TransferError::Other(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{error}\n")).into_response()
}
