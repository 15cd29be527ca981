//! The HTTP CONNECT tunnel: a proxy in front of the SDK port.
//!
//! A vCenter extension that logs in by certificate connects to `sdkTunnel:8089` through the vCenter's port 80. Whatever
//! name it asks for, it means us, and nothing else can be reached.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

/// How long a client may take to ask for its tunnel.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Forwards connections to one address.
#[derive(Clone)]
pub(crate) struct Tunnel {
    pub(crate) target: SocketAddr,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl Tunnel {
    /// Serves one connection until its tunnel is open, or refused.
    pub(crate) async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        let service = service_fn(|request| {
            let tunnel = self.clone();
            async move { Ok::<_, Infallible>(tunnel.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Some(Err(error)) = self.shutdown.run_until_cancelled(connection).await {
            debug!(%peer, %error, "tunnel connection failed");
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Response<String> {
        if request.method() != Method::CONNECT {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "this port only takes CONNECT\n".to_owned());
        }
        match TcpStream::connect(self.target).await {
            Ok(server) => {
                let (tasks, shutdown) = (self.tasks, self.shutdown);
                tasks.spawn(async move { shutdown.run_until_cancelled(forward(request, server)).await });
                Response::new(String::new())
            }
            Err(error) => refusal(StatusCode::BAD_GATEWAY, format!("cannot reach {}: {error}\n", self.target)),
        }
    }
}

/// Copies bytes both ways until both sides have closed.
async fn forward(request: Request<Incoming>, mut server: TcpStream) {
    let _ = server.set_nodelay(true);
    match hyper::upgrade::on(request).await {
        Ok(client) => {
            let _ = copy_bidirectional(&mut TokioIo::new(client), &mut server).await;
        }
        Err(error) => debug!(%error, "tunnel not opened"),
    }
}

fn refusal(status: StatusCode, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
}
