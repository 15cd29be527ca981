//! Request bodies that nobody reads.
//!
//! hyper closes an HTTP/1 connection after a request whose body was not read to its end, even if all that is missing is
//! the end itself, which a client may send in a packet of its own. The client, who was told nothing, then loses its next
//! request. So a handler that does not care for the body has it read for it, before its response goes out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::header::EXPECT;
use axum::http::{Request, Version};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// How much of an unread body is read, and for how long: past this, losing the connection costs less.
const MOST_BYTES: usize = 1 << 20;
const MOST_TIME: Duration = Duration::from_secs(2);

/// Where a body comes back to that was dropped before its end.
#[derive(Default)]
pub(crate) struct Unread(Arc<Mutex<Option<Incoming>>>);

/// A request's body, which comes back to [`Unread`] if it is dropped before its end.
pub(crate) struct Lent {
    body: Option<Incoming>,
    home: Option<Arc<Mutex<Option<Incoming>>>>,
}

impl Unread {
    /// Lends a request's body to its handler.
    pub(crate) fn lend(&self, request: Request<Incoming>) -> Request<Lent> {
        // Other versions end a request without ending the connection; and who waits for our consent to send the body is
        // glad not to be asked for it.
        let is_needed = request.version() <= Version::HTTP_11 && !request.headers().contains_key(EXPECT);
        request.map(|body| Lent { body: Some(body), home: is_needed.then(|| self.0.clone()) })
    }

    /// Reads what has come back, if anything has.
    pub(crate) async fn drain(self) {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = body else { return };
        let read = async {
            let mut left = MOST_BYTES;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        };
        let _ = timeout(MOST_TIME, read).await;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let body = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(home)) = (body, &self.home) {
            *home.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
