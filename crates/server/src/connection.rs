//! One connection, from accepted to closed.
//!
//! ```text
//! accepted ── TLS handshake ── first request ── more requests ── closed
//!     └──────── limits.first_request ─────┘   └ limits.keep_alive between them
//! ```
//!
//! Once the server stops, a connection may finish the requests it has within `limits.stop`. Nothing that goes wrong
//! here reaches the listener: it is logged at debug level, and the connection ends.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::http::header::{ACCEPT_ENCODING, CONNECTION};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::Limits;
use crate::drain::Unread;
use crate::routes::Routes;

/// How long to wait when no connection can be accepted, for example because file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is calling. Handlers find it in the request extensions, in an [`Arc`].
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The client's address.
    pub peer: SocketAddr,
    /// Whether the connection is secured by TLS.
    pub encrypted: bool,
    /// The certificate the client showed, and holds the key of. Nobody has checked who signed it.
    pub client_certificate: Option<CertificateDer<'static>>,
    /// Cancelled when the server stops, which is when a long poll should answer.
    pub shutdown: CancellationToken,
}

/// Runs `serve` for every connection until the shutdown.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                tasks.spawn(serve(stream, peer));
            }
            Err(error) if is_of_one_connection(&error) => debug!(%error, "connection lost"),
            Err(error) => {
                warn!(%error, "cannot accept connections, trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether an accept failed because the client is gone already, which says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Turns accepted connections into requests to the routes.
pub(crate) struct Connections {
    pub(crate) routes: Routes,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: Limits,
    pub(crate) compress_loopback: bool,
    pub(crate) shutdown: CancellationToken,
    pub(crate) http: auto::Builder<TokioExecutor>,
}

/// HTTP/1.1 and HTTP/2 as we speak them.
pub(crate) fn http(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // hyper counts this time from the end of the previous response. It also limits a request head to 100 fields and
    // about 400 kB, and answers 431 to more.
    http.http1().timer(TokioTimer::new()).header_read_timeout(limits.keep_alive);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(60)) // finds clients that vanished
        .max_header_list_size(64 << 10)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    http
}

impl Connections {
    /// Serves one connection until it ends.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let deadline = Instant::now() + self.limits.first_request;
        let mut info =
            ConnectionInfo { peer, encrypted: false, client_certificate: None, shutdown: self.shutdown.clone() };
        let Some(tls) = &self.tls else {
            return self.serve_http(stream, info, deadline).await;
        };
        let handshake = async {
            let mut first_byte = [0];
            stream.peek(&mut first_byte).await?;
            if first_byte[0].is_ascii_alphabetic() {
                refuse_plain_http(stream).await;
                return Ok(None);
            }
            tls.accept(stream).await.map(Some)
        };
        let stream = tokio::select! {
            () = self.shutdown.cancelled() => return,
            result = timeout_at(deadline, handshake) => match result {
                Ok(Ok(Some(stream))) => stream,
                Ok(Ok(None)) => return,
                Ok(Err(error)) => return debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => return debug!(%peer, "TLS handshake took too long"),
            },
        };
        info.encrypted = true;
        let (_, session) = stream.get_ref();
        info.client_certificate =
            session.peer_certificates().and_then(|chain| chain.first()).map(|c| c.clone().into_owned());
        self.serve_http(stream, info, deadline).await;
    }

    async fn serve_http<S>(&self, stream: S, info: ConnectionInfo, deadline: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = info.peer;
        let compress = self.compress_loopback || !peer.ip().to_canonical().is_loopback();
        let info = Arc::new(info);
        let requested = AtomicBool::new(false);
        let service = service_fn(|mut request: Request<Incoming>| {
            requested.store(true, Relaxed);
            request.extensions_mut().insert(Arc::clone(&info));
            if !compress {
                request.headers_mut().remove(ACCEPT_ENCODING);
            }
            let unread = Unread::default();
            let answer = self.routes.call(unread.lend(request));
            async {
                let response = answer.await;
                unread.drain().await;
                response
            }
        });

        let connection = self.http.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let no_request = async {
            sleep_until(deadline).await;
            if requested.load(Relaxed) {
                pending().await
            }
        };
        tokio::select! {
            result = connection.as_mut() => if let Err(error) = result {
                debug!(%peer, %error, "connection failed");
            },
            () = no_request => debug!(%peer, "no request in time"),
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(self.limits.stop, connection).await;
            }
        }
    }
}

/// Tells a client that speaks plain HTTP to a TLS port what is wrong.
async fn refuse_plain_http(stream: TcpStream) {
    let refuse = service_fn(|_| async {
        Response::builder()
            .status(StatusCode::BAD_REQUEST)
            .header(CONNECTION, "close")
            .body("this port speaks HTTPS, and the request was plain HTTP\n".to_owned())
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), refuse).await;
}
