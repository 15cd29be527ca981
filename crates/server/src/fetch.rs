//! Getting files over HTTP from wherever clients say they are: for content libraries, and for leases that fetch themselves.
// Fidelity: vCenter wants to know whose certificate a server shows. We take any where none is named, as vcsim does.

use std::error::Error;
use std::io;
use std::time::Duration;

use axum::http::header::{ACCEPT, HOST, HeaderName, HeaderValue, LOCATION};
use axum::http::uri::Authority;
use axum::http::{Method, Request, Uri};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use vimsim_simulator::{Fetch, FetchError, Source, Upload, thumbprints};

/// For how long a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a server may send us elsewhere.
const REDIRECTS: usize = 5;

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Fetches over HTTP.
pub(crate) struct Http;

impl Fetch for Http {
    fn fetch(&self, source: Source, upload: Upload) -> BoxFuture<'static, Result<Upload, FetchError>> {
        fetch(source, upload).boxed()
    }

    fn probe(&self, source: Source) -> BoxFuture<'static, Result<(), FetchError>> {
        async move { exchange(&source, &Method::HEAD, None).await.map(drop) }.boxed()
    }
}

/// The bytes of a file, wherever its server sends us.
pub(crate) async fn fetch(mut source: Source, mut upload: Upload) -> Result<Upload, FetchError> {
    for _ in 0..REDIRECTS {
        let Some(target) = exchange(&source, &Method::GET, Some(&mut upload)).await? else { return Ok(upload) };
        let (from, to) = (parse(&source.uri)?, join(&source.uri, &target)?);
        // What was said to one server, as a password, is no other's.
        if from.authority() != to.authority() {
            source.headers.clear();
        }
        source.uri = to.to_string();
    }
    Err(failed("redirected too often"))
}

fn failed(error: impl ToString) -> FetchError {
    FetchError::Failed(error.to_string())
}

/// An error with what is behind it.
fn told(error: &hyper::Error) -> FetchError {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(source) = behind {
        text = format!("{text}: {source}");
        behind = source.source();
    }
    FetchError::Failed(text)
}

async fn in_time<R>(what: impl Future<Output = R>) -> Result<R, FetchError> {
    timeout(PATIENCE, what).await.map_err(|_| failed("the server says nothing"))
}

fn parse(uri: &str) -> Result<Uri, FetchError> {
    let uri: Uri = uri.parse().map_err(|_| failed("this is no address"))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some() => Ok(uri),
        Some("http" | "https") => Err(failed("there is no host in the address")),
        _ => Err(failed("only http and https can be fetched from")),
    }
}

/// The address that a server sends us to, which may be one on the same server.
fn join(from: &str, target: &str) -> Result<Uri, FetchError> {
    if !target.starts_with('/') {
        return parse(target);
    }
    let from = parse(from)?;
    let (scheme, host) = (from.scheme_str().unwrap_or("http"), from.authority().map_or("", Authority::as_str));
    parse(&format!("{scheme}://{host}{target}"))
}

/// One request: the address where it is instead, if the server says so. Without `upload`, nothing matters but that it answers.
async fn exchange(source: &Source, method: &Method, upload: Option<&mut Upload>) -> Result<Option<String>, FetchError> {
    let uri = parse(&source.uri)?;
    let stream = in_time(connect(source, &uri)).await??;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| told(&e))?;
    let request = request(source, &uri, method)?;
    // The connection does nothing by itself; what comes of it, the exchange is told.
    let driven = async {
        _ = connection.await;
        std::future::pending::<()>().await;
    };
    let exchanged = async {
        let answer = in_time(sender.send_request(request)).await?.map_err(|error| told(&error))?;
        let Some(upload) = upload else { return Ok(None) };
        let location = answer.headers().get(LOCATION).and_then(|target| target.to_str().ok());
        match (answer.status().as_u16(), location) {
            (200, _) => read(answer.into_body(), upload, source.most).await.map(|()| None),
            (301 | 302 | 303 | 307 | 308, Some(target)) => Ok(Some(target.to_owned())),
            (status, _) => {
                let reason = answer.status().canonical_reason().unwrap_or("unknown").to_owned();
                Err(FetchError::Status { status, reason })
            }
        }
    };
    tokio::select! {
        result = exchanged => result,
        () = driven => unreachable!("it goes on for ever"),
    }
}

fn request(source: &Source, uri: &Uri, method: &Method) -> Result<Request<Empty<Bytes>>, FetchError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |host| host.as_str().rsplit('@').next().unwrap_or_default());
    let mut request = Request::builder().method(method).uri(path).header(HOST, host).header(ACCEPT, "*/*");
    for (name, value) in &source.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(failed)?;
        request = request.header(name, HeaderValue::try_from(value.as_str()).map_err(failed)?);
    }
    request.body(Empty::new()).map_err(failed)
}

async fn connect(source: &Source, uri: &Uri) -> Result<Box<dyn Stream>, FetchError> {
    let is_safe = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if is_safe { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    if !is_safe {
        return Ok(Box::new(stream));
    }
    let stream = crate::probe::secured(stream, Some(host)).await.map_err(failed)?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    check(source, shown.map_or(&[], |certificate| certificate.as_ref()))?;
    Ok(Box::new(stream))
}

/// Whether this is the certificate that the server was said to have. Nothing was said to the server before.
fn check(source: &Source, shown: &[u8]) -> Result<(), FetchError> {
    let digits = |text: &str| text.replace([':', ' '], "").to_ascii_lowercase();
    let known = thumbprints(shown);
    if let Some(wanted) = source.thumbprint.as_deref().filter(|wanted| !wanted.is_empty())
        && !known.iter().any(|known| digits(known) == digits(wanted))
    {
        return Err(FetchError::OtherCertificate { thumbprint: known[0].clone() });
    }
    match source.certificate.as_deref().filter(|wanted| !wanted.is_empty()) {
        Some(wanted) if !CertificateDer::from_pem_slice(wanted.as_bytes()).is_ok_and(|it| it.as_ref() == shown) => {
            Err(FetchError::OtherCertificate { thumbprint: known[0].clone() })
        }
        _ => Ok(()),
    }
}

/// Reads an answer to its end.
async fn read(mut body: Incoming, upload: &mut Upload, most: Option<u64>) -> Result<(), FetchError> {
    let has_length = hyper::body::Body::size_hint(&body).exact().is_some();
    while let Some(frame) = in_time(body.frame()).await? {
        let frame = match frame {
            Ok(frame) => frame,
            // Some end TLS without saying goodbye.
            Err(error) if !has_length && is_end(&error) => break,
            Err(error) => return Err(told(&error)),
        };
        if let Ok(piece) = frame.into_data() {
            upload.write(&piece).map_err(failed)?;
            if most.is_some_and(|most| upload.size() > most) {
                return Err(failed("there is no room for it"));
            }
        }
    }
    Ok(())
}

fn is_end(error: &hyper::Error) -> bool {
    let behind = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    behind.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_send_us_to_another_path_or_another_server() {
        let joined = |target: &str| join("https://a:8443/b?c", target).map(|uri| uri.to_string()).ok();
        assert_eq!(joined("/d?e").as_deref(), Some("https://a:8443/d?e"));
        assert_eq!(joined("http://f/g").as_deref(), Some("http://f/g"));
        assert_eq!((joined("ftp://f/g"), joined("g")), (None, None));
    }

    #[tokio::test]
    async fn a_server_is_asked_only_if_it_is_who_it_is_said_to_be() {
        let config = crate::Config { listen: "127.0.0.1:0".into(), ..crate::Config::default() };
        let routes = axum::Router::new()
            .route("/file", axum::routing::get(|| async { "of a server with TLS" }))
            .route("/elsewhere", axum::routing::get(|| async { axum::response::Redirect::temporary("/file") }));
        let server = crate::ServerBuilder::bind(config).await.expect("a port").start(routes);
        let service = vimsim_simulator::Service::start(vimsim_simulator::Config::default()).expect("an inventory");
        let certificate = server.endpoint().certificate.clone().expect("it has TLS");
        let [sha1, sha256] = thumbprints(&certificate);
        let uri = |path: &str| format!("{}{path}", server.endpoint().url());
        let at = |path: &str, thumbprint: &str| Source {
            uri: uri(path),
            thumbprint: Some(thumbprint.into()),
            ..Source::default()
        };
        for source in [at("/file", &sha256), at("/elsewhere", &sha1), at("/file", "")] {
            let fetched = fetch(source, service.upload()).await.expect("a file");
            assert_eq!(service.arrived(fetched, "file").bytes(100).as_deref(), Some(&b"of a server with TLS"[..]));
        }
        let other = sha1.replace(char::is_numeric, "F");
        let refused = fetch(at("/file", &other), service.upload()).await.map(drop);
        assert!(matches!(refused, Err(FetchError::OtherCertificate { thumbprint }) if thumbprint == sha1));
        assert!(Http.probe(at("/nothing", &sha1)).await.is_ok() && Http.probe(at("/file", &other)).await.is_err());
        let missing = fetch(at("/nothing", &sha1), service.upload()).await.map(drop);
        assert!(matches!(missing, Err(FetchError::Status { status: 404, .. })));
        let limited = Source { most: Some(3), ..at("/file", &sha1) };
        assert!(matches!(fetch(limited, service.upload()).await.map(drop), Err(FetchError::Failed(_))));
        server.stop().await;
    }

    #[test]
    fn a_certificate_is_known_by_its_digests_or_itself() {
        let shown = b"any bytes";
        let [sha1, sha256] = thumbprints(shown);
        let with = |thumbprint: &str| Source { thumbprint: Some(thumbprint.into()), ..Source::default() };
        for wanted in [&sha1, &sha256, &sha1.to_lowercase(), &sha256.replace(':', ""), ""] {
            assert!(check(&with(wanted), shown).is_ok(), "{wanted}");
        }
        assert!(check(&with(&sha1), b"other bytes").is_err());
        let certificate = "-----BEGIN CERTIFICATE-----\nYW55IGJ5dGVz\n-----END CERTIFICATE-----\n";
        let with = Source { certificate: Some(certificate.into()), ..Source::default() };
        assert!(check(&with, shown).is_ok() && check(&with, b"other bytes").is_err());
    }
}
