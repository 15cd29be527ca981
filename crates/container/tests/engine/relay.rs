//! Other ways to this machine's engine, which can go away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Where the engine has to listen for these tests.
pub(crate) fn socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned()
}

/// What leads to the engine's socket. Once it is stopped, nothing of it is left.
pub(crate) struct Relay(JoinHandle<()>, Option<PathBuf>);

impl Relay {
    /// Whether the engine has a socket here; says so if not.
    pub(crate) async fn is_possible() -> bool {
        let is_possible = UnixStream::connect(socket()).await.is_ok();
        if !is_possible {
            eprintln!("not run: the engine is not at {}", socket());
        }
        is_possible
    }

    /// Another socket.
    pub(crate) fn on_socket(path: PathBuf) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        let relay = async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(forward(client));
            }
        };
        Self(tokio::spawn(relay), Some(path))
    }

    /// A port, in plain text or with TLS; and its address.
    pub(crate) async fn on_port(tls: Option<TlsAcceptor>) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let relay = async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => forward(client).await,
                        Some(tls) => {
                            if let Ok(client) = tls.accept(client).await {
                                forward(client).await;
                            }
                        }
                    }
                });
            }
        };
        (Self(tokio::spawn(relay), None), address)
    }

    pub(crate) async fn stop(self) {
        self.0.abort();
        let _ = self.0.await;
        self.1.inspect(|path| std::fs::remove_file(path).unwrap());
    }
}

async fn forward(mut client: impl AsyncRead + AsyncWrite + Unpin) {
    if let Ok(mut engine) = UnixStream::connect(socket()).await {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
    }
}

/// Writes `ca.pem`, `cert.pem` and `key.pem` of a client into a folder, and returns a server that lets only that client in.
pub(crate) fn certificates(folder: &Path) -> TlsAcceptor {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let issue = |certificate: &str, key: &str| {
        let pair = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        write(certificate, params.signed_by(&pair, &issuer).unwrap().pem());
        write(key, pair.serialize_pem());
    };
    issue("cert.pem", "key.pem");
    issue("server.pem", "server-key.pem");
    write("ca.pem", root.pem());

    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("server-key.pem")).unwrap();
    let config = rustls::ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}
