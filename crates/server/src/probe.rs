//! Asking a running service whether it is well, as a container engine's health check does.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A service that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than this is no answer to `/healthz`.
const MOST_BYTES: u64 = 64 << 10;

/// Asks the service at `HOST:PORT` for `/healthz`, over TLS or without. Whose certificate it shows does not matter: nothing is
/// told that is worth knowing. Fails if it does not answer in 5 s that it is well.
pub async fn probe(address: &str, tls: bool) -> io::Result<()> {
    let answer = timeout(PATIENCE, ask(address, tls)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return Ok(());
    }
    let line = answer.lines().next().unwrap_or_default();
    Err(io::Error::other(format!("it answers {line:?}")))
}

async fn ask(address: &str, tls: bool) -> io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    if !tls {
        return exchange(stream, address).await;
    }
    exchange(secured(stream, None).await?, address).await
}

/// TLS over a connection, with whoever is there; the host's name is told to them, if it has one.
pub(crate) async fn secured(stream: TcpStream, host: Option<&str>) -> io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServerCertificate(provider)))
        .with_no_client_auth();
    let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
    let name = name.unwrap_or(ServerName::from(stream.peer_addr()?.ip()));
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, address: &str) -> io::Result<String> {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.take(MOST_BYTES).read_to_end(&mut answer).await {
        // Some end TLS without saying goodbye.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        result => drop(result?),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Takes any certificate whose key the server holds.
#[derive(Debug)]
struct AnyServerCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServerCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
