//! What a server can be told before it starts.

use std::path::PathBuf;
use std::time::Duration;

/// Everything a [`ServerBuilder`](crate::ServerBuilder) needs to know to listen.
#[derive(Clone, Debug)]
pub struct Config {
    /// `HOST:PORT`. The host is a name, an IPv4 or a bracketed IPv6 address, or empty for every address of this
    /// machine; port 0 takes any free one.
    pub listen: String,
    /// How connections are secured.
    pub tls: Tls,
    /// The port of the HTTP CONNECT tunnel to our own address; 0 takes any free one, `None` opens no tunnel.
    pub tunnel: Option<u16>,
    /// What a client may use of us.
    pub limits: Limits,
    /// Whether responses to this machine itself are compressed too when the client asks for it.
    ///
    /// Every Go and Python client asks, but over a loopback interface compression costs more time than it saves.
    pub compress_loopback: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8989".to_owned(),
            tls: Tls::SelfSigned,
            tunnel: None,
            limits: Limits::default(),
            compress_loopback: false,
        }
    }
}

/// How connections are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP.
    Off,
    /// TLS with a certificate made at start, for the listen address and this machine's names.
    SelfSigned,
    /// TLS with a certificate from PEM files.
    Files {
        /// The certificate chain, our own certificate first.
        certificate: PathBuf,
        /// The private key of the first certificate.
        key: PathBuf,
    },
}

/// What a client may use of us.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest request body in bytes, counted after decompression. Routes that stream may allow themselves more.
    pub body: usize,
    /// How long a new connection may take until its first request's headers are read, TLS handshake included.
    pub first_request: Duration,
    /// How long a connection may stay quiet between two HTTP/1.1 requests, and until the headers of the next are read.
    ///
    /// pyVmomi reuses a pooled connection for up to 15 minutes, and fails when it was closed meanwhile.
    pub keep_alive: Duration,
    /// How long requests in progress may go on once the server stops.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 64 << 20,
            first_request: Duration::from_secs(30),
            keep_alive: Duration::from_secs(16 * 60),
            stop: Duration::from_millis(500),
        }
    }
}
