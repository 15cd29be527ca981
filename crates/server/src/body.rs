//! Reading a request body whole, within limits.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body_util::BodyExt;
use tokio::time::timeout;

/// How long a client may send nothing in the middle of a body.
const STALL: Duration = Duration::from_secs(60);

/// How long we go on reading a body that is too large.
///
/// A client that is still sending does not see our answer if we close the connection under it.
const LINGER: Duration = Duration::from_secs(5);

/// Reads a request body whole; one of more than `limit` bytes is refused, without holding more than that in memory.
pub async fn read_body(mut body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let result = collect(&mut body, limit).await;
    if let Err(BodyError::TooLarge { .. }) = result {
        let discard = async { while let Ok(Some(_)) = next_chunk(&mut body).await {} };
        let _ = timeout(LINGER, discard).await;
    }
    result
}

async fn collect(body: &mut Body, limit: usize) -> Result<Bytes, BodyError> {
    let too_large = || BodyError::TooLarge { limit };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let Some(first) = next_chunk(body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(first); // the usual case, and nothing is copied
    }
    let mut whole = BytesMut::from(first);
    while let Some(chunk) = next_chunk(body).await? {
        if chunk.len() > limit - whole.len() {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// The next bytes of a body; `None` at its end.
pub(crate) async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    // A small compressed body can expand to many chunks that are all ready at once.
    tokio::task::coop::consume_budget().await;
    loop {
        match timeout(STALL, body.frame()).await {
            Err(_) => return Err(BodyError::Stalled),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(BodyError::Broken(error)),
            Ok(Some(Ok(frame))) => {
                if let Ok(chunk) = frame.into_data() {
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

/// Why a request body could not be read. As a response it is a line of text with a fitting status.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than the route allows, perhaps only after decompression.
    #[error("request body is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What the route allows.
        limit: usize,
    },
    /// The client stopped sending in the middle.
    #[error("request body stopped arriving")]
    Stalled,
    /// The connection broke, or the body is not encoded as its headers say.
    #[error("request body cannot be read")]
    Broken(#[source] axum::Error),
}

impl BodyError {
    /// The HTTP status that says the same.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        (self.status(), format!("{self}\n")).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    fn in_chunks(chunks: &[&'static str]) -> Body {
        let frames: Vec<_> = chunks.iter().map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from(*chunk)))).collect();
        Body::new(StreamBody::new(stream::iter(frames)))
    }

    #[tokio::test]
    async fn reads_up_to_the_limit() {
        assert_eq!(read_body(Body::empty(), 0).await.unwrap(), "");
        assert_eq!(read_body(Body::from("12345"), 5).await.unwrap(), "12345");
        assert_eq!(read_body(in_chunks(&["12", "345"]), 5).await.unwrap(), "12345");
    }

    #[tokio::test]
    async fn refuses_more_than_the_limit() {
        for body in [Body::from("123456"), in_chunks(&["123456"]), in_chunks(&["123", "456"])] {
            let error = read_body(body, 5).await.unwrap_err();
            assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(error.to_string(), "request body is larger than the limit of 5 bytes");
        }
    }
}
