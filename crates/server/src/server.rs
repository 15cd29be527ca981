//! The server's life: bound, started, stopped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use axum::Router;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::connection::{Connections, accept, http};
use crate::routes::{About, Routes};
use crate::tls::{Identity, self_signed_names};
use crate::tunnel::Tunnel;
use crate::{Config, Error, Limits, Metrics, Tls};

/// How clients reach a server.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The address to connect to. If we listen on every address of this machine, the one that others would use.
    pub address: SocketAddr,
    /// The certificate we show, if connections are secured by TLS.
    pub certificate: Option<CertificateDer<'static>>,
    /// The port of the HTTP CONNECT tunnel, if there is one.
    pub tunnel_port: Option<u16>,
}

impl Endpoint {
    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }

    /// The URL of our root, without a slash at its end: `https://127.0.0.1:8989`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }
}

/// A server that listens but does not answer yet: clients that connect wait until it is started.
pub struct ServerBuilder {
    endpoint: Endpoint,
    listener: TcpListener,
    tunnel: Option<TcpListener>,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    compress_loopback: bool,
    metrics: Metrics,
    about: Option<About>,
    shutdown: CancellationToken,
}

impl ServerBuilder {
    /// Binds the listen address and prepares TLS.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let (host, port) = split_host_port(&config.listen)?;
        let listener = Bound::new(host, port).await?;
        let tunnel = match config.tunnel {
            Some(port) => Some(Bound::new(host, port).await?),
            None => None,
        };
        let address = advertised(listener.address);
        let identity = match &config.tls {
            Tls::Off => None,
            Tls::SelfSigned => Some(Identity::self_signed(self_signed_names(host, address.ip()))?),
            Tls::Files { certificate, key } => Some(Identity::read(certificate, key)?),
        };
        let endpoint = Endpoint {
            address,
            certificate: identity.as_ref().and_then(|identity| identity.chain.first().cloned()),
            tunnel_port: tunnel.as_ref().map(|tunnel| tunnel.address.port()),
        };
        let tls = identity.map(Identity::into_server_config).transpose()?;
        Ok(Self {
            endpoint,
            listener: listener.listener,
            tunnel: tunnel.map(|tunnel| tunnel.listener),
            tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))),
            limits: config.limits,
            compress_loopback: config.compress_loopback,
            metrics: Metrics::new(),
            about: None,
            shutdown: CancellationToken::new(),
        })
    }

    /// How clients will reach us.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What `/metrics` will show.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Cancelled when the server stops. Handlers also find it in their [`ConnectionInfo`].
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Serves `GET /about` with what `about` returns at that moment.
    pub fn about(mut self, about: impl Fn() -> serde_json::Value + Send + Sync + 'static) -> Self {
        self.about = Some(Arc::new(about));
        self
    }

    /// Answers requests from here on, in tasks of the current tokio runtime.
    ///
    /// `/healthz`, `/metrics`, `/about` and everything that `application` does not route are ours to answer.
    ///
    /// # Panics
    ///
    /// If `application` has a route or a fallback of its own for one of these.
    pub fn start(self, application: Router) -> Server {
        let Self { endpoint, listener, limits, metrics, shutdown, .. } = self;
        let tasks = TaskTracker::new();
        let connections = Arc::new(Connections {
            routes: Routes::new(application, self.about, metrics, limits.body),
            tls: self.tls,
            http: http(&limits),
            limits,
            compress_loopback: self.compress_loopback,
            shutdown: shutdown.clone(),
        });
        let serve = move |stream, peer| Arc::clone(&connections).serve(stream, peer);
        tasks.spawn(accept(listener, tasks.clone(), shutdown.clone(), serve));

        if let Some(listener) = self.tunnel {
            let tunnel = Tunnel { target: endpoint.address, tasks: tasks.clone(), shutdown: shutdown.clone() };
            let serve = move |stream, peer| tunnel.clone().serve(stream, peer);
            tasks.spawn(accept(listener, tasks.clone(), shutdown.clone(), serve));
        }
        info!(url = endpoint.url(), "listening");
        Server { endpoint, tasks, shutdown }
    }
}

/// A server that answers requests until it is stopped, or dropped.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Server {
    /// How clients reach us.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Stops: no new connections, [`Limits::stop`] for requests in progress, and nothing left when this returns.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    /// Stops in the background.
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A listener and where it is.
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    async fn new(host: &str, port: u16) -> Result<Self, Error> {
        let bind = async {
            let listener = match host {
                "" => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
                    // A machine without IPv6.
                    Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?,
                    Ok(listener) => listener,
                },
                host => TcpListener::bind((host, port)).await?,
            };
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bind.await.map_err(|source: io::Error| Error::Listen { address: format!("{host}:{port}"), source })
    }
}

/// Splits `HOST:PORT`, and takes the brackets off an IPv6 address.
fn split_host_port(listen: &str) -> Result<(&str, u16), Error> {
    let split = || {
        let (host, port) = listen.rsplit_once(':')?;
        let port = port.parse().ok()?;
        match host.strip_prefix('[') {
            Some(host) => Some((host.strip_suffix(']')?, port)),
            None => (!host.contains(':')).then_some((host, port)),
        }
    };
    split().ok_or_else(|| Error::Address(listen.to_owned()))
}

/// The address to tell others: the listen address, or for "all of them" the one on the way out of this machine.
fn advertised(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    // Connecting a UDP socket sends nothing, but chooses a route. 192.0.2.1 is nobody's.
    let outgoing = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    let ip = outgoing().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_split(listen: &str, expected: Option<(&str, u16)>) {
        assert_eq!(split_host_port(listen).ok(), expected, "{listen}");
    }

    #[test]
    fn splits_listen_addresses() {
        check_split("127.0.0.1:8989", Some(("127.0.0.1", 8989)));
        check_split("localhost:0", Some(("localhost", 0)));
        check_split("[::1]:443", Some(("::1", 443)));
        check_split(":8989", Some(("", 8989)));
        check_split("127.0.0.1", None);
        check_split("::1", None);
        check_split("[::1:443", None);
        check_split("localhost:https", None);
        check_split("localhost:65536", None);
    }

    #[test]
    fn advertises_a_real_address() {
        let listen: SocketAddr = "192.0.2.7:443".parse().unwrap();
        assert_eq!(advertised(listen), listen);
        let any = advertised("[::]:443".parse().unwrap());
        assert!(!any.ip().is_unspecified() && any.port() == 443);
    }
}
