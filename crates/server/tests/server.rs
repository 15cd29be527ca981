//! A server on a real socket, and clients that behave well or badly.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request};
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vimsim_server::{BodyError, Config, ConnectionInfo, Limits, Server, ServerBuilder, Tls, read_body};

const BODY_LIMIT: usize = 1000;

fn config(tls: Tls) -> Config {
    Config { listen: "127.0.0.1:0".to_owned(), tls, ..Config::default() }
}

async fn start(config: Config) -> Server {
    let application = Router::new()
        .route("/who", get(who))
        .route("/wait", get(wait))
        .route("/hang", get(async || std::future::pending::<()>().await))
        .route("/body", post(body));
    ServerBuilder::bind(config).await.unwrap().start(application)
}

/// How the caller is connected.
async fn who(Extension(info): Extension<Arc<ConnectionInfo>>, request: Request) -> String {
    let certificate = info.client_certificate.as_ref().map(|der| der.len());
    let ConnectionInfo { peer, encrypted, .. } = &*info;
    format!("{:?} {} encrypted={encrypted} certificate={}", request.version(), peer.ip(), certificate.is_some())
}

/// A long poll that minds the shutdown.
async fn wait(Extension(info): Extension<Arc<ConnectionInfo>>) -> &'static str {
    info.shutdown.cancelled().await;
    "stopping"
}

async fn body(body: Body) -> Result<Response, BodyError> {
    let bytes = read_body(body, BODY_LIMIT).await?;
    Ok(bytes.len().to_string().into_response())
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.endpoint().address).await.unwrap()
}

/// A TLS connection that trusts the server's certificate and nothing else.
async fn connect_tls(
    server: &Server,
    name: &str,
    alpn: &str,
    client: Option<CertificateParams>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(server.endpoint().certificate.clone().unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(params) => {
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            let key = PrivatePkcs8KeyDer::from(key.serialize_der());
            builder.with_client_auth_cert(vec![certificate.into()], key.into()).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, connect(server).await).await
}

async fn get_http1<S>(stream: S, path: &str) -> (StatusCode, String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "vimsim").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn get_http2<S>(stream: S, path: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://vimsim{path}");
    let request = Request::get(uri).version(Version::HTTP_2).body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Sends bytes as they are and reads until the server closes.
async fn exchange(mut stream: TcpStream, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    read_to_end(stream).await
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer))
        .await
        .expect("the server closes the connection");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn speaks_http1_and_http2_without_tls() {
    let server = start(config(Tls::Off)).await;
    assert!(server.endpoint().url().starts_with("http://127.0.0.1:"));
    let (_, answer) = get_http1(connect(&server).await, "/who").await;
    assert_eq!(answer, "HTTP/1.1 127.0.0.1 encrypted=false certificate=false");
    let answer = get_http2(connect(&server).await, "/who").await;
    assert_eq!(answer, "HTTP/2.0 127.0.0.1 encrypted=false certificate=false");
}

#[tokio::test]
async fn speaks_http1_and_http2_over_tls_under_every_local_name() {
    let server = start(config(Tls::SelfSigned)).await;
    assert!(server.endpoint().url().starts_with("https://127.0.0.1:"));
    for name in ["127.0.0.1", "::1", "localhost"] {
        let stream = connect_tls(&server, name, "http/1.1", None).await.unwrap();
        let (_, answer) = get_http1(stream, "/who").await;
        assert_eq!(answer, "HTTP/1.1 127.0.0.1 encrypted=true certificate=false");
    }
    let stream = connect_tls(&server, "localhost", "h2", None).await.unwrap();
    let answer = get_http2(stream, "/who").await;
    assert_eq!(answer, "HTTP/2.0 127.0.0.1 encrypted=true certificate=false");
    assert!(connect_tls(&server, "example.com", "h2", None).await.is_err());
}

#[tokio::test]
async fn takes_any_client_certificate() {
    let server = start(config(Tls::SelfSigned)).await;
    let client = CertificateParams::new(vec!["com.example.extension".to_owned()]).unwrap();
    let stream = connect_tls(&server, "localhost", "http/1.1", Some(client)).await.unwrap();
    let (_, answer) = get_http1(stream, "/who").await;
    assert_eq!(answer, "HTTP/1.1 127.0.0.1 encrypted=true certificate=true");
}

#[tokio::test]
async fn shows_the_certificate_it_was_given() {
    let key = KeyPair::generate().unwrap();
    let given = CertificateParams::new(vec!["vc.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
    let file = |name: &str, text: String| -> PathBuf {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("given.crt", given.pem());
    let key = file("given.key", key.serialize_pem());
    let server = start(config(Tls::Files { certificate, key })).await;
    assert_eq!(server.endpoint().certificate.as_ref(), Some(given.der()));
    connect_tls(&server, "vc.example.com", "h2", None).await.unwrap();
}

#[tokio::test]
async fn tells_a_plain_http_client_that_the_port_speaks_https() {
    let server = start(config(Tls::SelfSigned)).await;
    let (status, answer) = get_http1(connect(&server).await, "/who").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(answer, "this port speaks HTTPS, and the request was plain HTTP\n");
}

#[tokio::test]
async fn goes_on_after_connections_that_fail() {
    let server = start(config(Tls::SelfSigned)).await;
    drop(connect(&server).await);
    exchange(connect(&server).await, "\x16\x03\x01\x00\x04junk").await;
    let plain = start(config(Tls::Off)).await;
    exchange(connect(&plain).await, "\x00\x01\x02\r\n\r\n").await;
    get_http1(connect(&plain).await, "/who").await;
    connect_tls(&server, "localhost", "h2", None).await.unwrap();
}

#[tokio::test]
async fn answers_413_to_a_client_that_sends_its_whole_body_first() {
    let server = start(config(Tls::Off)).await;
    let size = 64 << 20;
    let head = format!("POST /body HTTP/1.1\r\nhost: v\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n");
    let answer = exchange(connect(&server).await, &(head + &"x".repeat(size))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with("request body is larger than the limit of 1000 bytes\n"), "{answer}");
}

#[tokio::test]
async fn keeps_a_connection_whose_request_body_nobody_reads() {
    let handled = Arc::new(tokio::sync::Notify::new());
    let handler = {
        let handled = handled.clone();
        async move || handled.notify_one()
    };
    let application = Router::new().route("/deaf", post(handler));
    let server = ServerBuilder::bind(config(Tls::Off)).await.unwrap().start(application);
    let mut stream = connect(&server).await;
    stream.write_all(b"POST /deaf HTTP/1.1\r\nhost: v\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    handled.notified().await;
    // As Go does: the end of the body in a packet of its own.
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = exchange(stream, "GET /healthz HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
}

#[tokio::test]
async fn refuses_too_many_headers() {
    let server = start(config(Tls::Off)).await;
    let headers = "a: b\r\n".repeat(200);
    let answer = exchange(connect(&server).await, &format!("GET /who HTTP/1.1\r\n{headers}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn drops_clients_that_do_not_send_a_request_in_time() {
    let limits = Limits { first_request: Duration::from_millis(50), ..Limits::default() };
    for tls in [Tls::Off, Tls::SelfSigned] {
        let server = start(Config { limits: limits.clone(), ..config(tls) }).await;
        for sent in ["", "P", "GET /who HT"] {
            assert!(!exchange(connect(&server).await, sent).await.contains(" 200 "));
        }
    }
}

#[tokio::test]
async fn drops_connections_that_stay_quiet_between_requests() {
    let keep_alive = Duration::from_millis(50);
    let limits = Limits { keep_alive, ..Limits::default() };
    let server = start(Config { limits, ..config(Tls::Off) }).await;
    let answer = exchange(connect(&server).await, "GET /healthz HTTP/1.1\r\nhost: v\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn keeps_a_connection_past_the_time_for_the_first_request() {
    let limits = Limits { first_request: Duration::from_millis(50), ..Limits::default() };
    let server = start(Config { limits, ..config(Tls::Off) }).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: v\r\n\r\n").await.unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let request = "GET /who HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\r\n";
    assert!(exchange(stream, request).await.contains("encrypted=false"));
}

#[tokio::test]
async fn stops_within_a_second_whatever_clients_do() {
    for tls in [Tls::Off, Tls::SelfSigned] {
        let server = start(Config { tunnel: Some(0), ..config(tls.clone()) }).await;
        let silent = connect(&server).await;
        let address = server.endpoint().address;
        if tls == Tls::Off {
            for path in ["/hang", "/wait"] {
                let mut stream = connect(&server).await;
                let request = format!("GET {path} HTTP/1.1\r\nhost: v\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                tokio::spawn(read_to_end(stream));
            }
            tokio::spawn(get_http2(connect(&server).await, "/wait"));
        }
        get_something(&server).await; // the requests before have arrived
        let started = Instant::now();
        server.stop().await;
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        assert!(TcpStream::connect(address).await.is_err());
        assert_eq!(read_to_end(silent).await, "");
    }
}

async fn get_something(server: &Server) {
    if server.endpoint().scheme() == "http" {
        get_http1(connect(server).await, "/healthz").await;
    } else {
        let stream = connect_tls(server, "localhost", "http/1.1", None).await.unwrap();
        get_http1(stream, "/healthz").await;
    }
}

#[tokio::test]
async fn a_long_poll_that_minds_the_shutdown_still_answers() {
    let server = start(config(Tls::Off)).await;
    let poll = tokio::spawn(get_http1(connect(&server).await, "/wait"));
    while !get_http1(connect(&server).await, "/metrics").await.1.contains("in_flight 2") {
        tokio::task::yield_now().await;
    }
    server.stop().await;
    assert_eq!(poll.await.unwrap(), (StatusCode::OK, "stopping".to_owned()));
}

#[tokio::test]
async fn the_tunnel_leads_to_the_server() {
    let server = start(Config { tunnel: Some(0), ..config(Tls::Off) }).await;
    let mut tunnel = server.endpoint().address;
    tunnel.set_port(server.endpoint().tunnel_port.unwrap());

    let mut stream = TcpStream::connect(tunnel).await.unwrap();
    stream.write_all(b"CONNECT sdkTunnel:8089 HTTP/1.1\r\nhost: sdkTunnel:8089\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    let (_, answer) = get_http1(stream, "/who").await;
    assert_eq!(answer, "HTTP/1.1 127.0.0.1 encrypted=false certificate=false");

    let (status, _) = get_http1(TcpStream::connect(tunnel).await.unwrap(), "/who").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn says_what_is_wrong_with_an_address() {
    let error = |listen: &str| {
        let config = Config { listen: listen.to_owned(), ..config(Tls::Off) };
        async move { ServerBuilder::bind(config).await.err().unwrap().to_string() }
    };
    assert_eq!(error("nonsense").await, "listen address `nonsense` is not HOST:PORT");
    assert_eq!(error("192.0.2.1:80").await, "cannot listen on `192.0.2.1:80`");
}
