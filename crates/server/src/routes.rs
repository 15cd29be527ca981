//! The routes that know nothing of vSphere, and what every route shares.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{self, Extensions, HeaderMap, Method, StatusCode, Uri, Version};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{BoxError, Router};
use tower::{Service, ServiceBuilder};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::decompression::RequestDecompressionLayer;
use tracing::{debug, error};

use crate::Metrics;

/// Makes the answer to `GET /about`.
pub(crate) type About = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// Responses smaller than this are not worth compressing.
const COMPRESS_ABOVE: u16 = 1024;

/// The application's routes and ours, with everything around them.
#[derive(Clone)]
pub(crate) struct Routes {
    plain: Router,
    /// The same, for requests with a coding of their body, or that accept one of the response's.
    coded: Router,
}

impl Routes {
    /// Puts the routes together.
    pub(crate) fn new(application: Router, about: Option<About>, metrics: Metrics, body_limit: usize) -> Self {
        let mut ours = Router::new().route("/healthz", get("ok\n")).route("/metrics", get(render_metrics));
        if let Some(about) = about {
            ours = ours.route("/about", get(async move || Json(about())));
        }
        let routes = ours
            .with_state(metrics.clone())
            .merge(application)
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed);
        let compression = CompressionLayer::new()
            .quality(CompressionLevel::Fastest)
            .compress_when(SizeAbove::new(COMPRESS_ABOVE).and(is_text));
        // From the outside in. Each `Router::layer` costs every request some allocations, so that there is but one.
        let around = ServiceBuilder::new()
            .layer(middleware::from_fn_with_state(metrics, observe))
            .layer(CatchPanicLayer::custom(panicked));
        let limit = DefaultBodyLimit::max(body_limit);
        let coding = ServiceBuilder::new().layer(compression).layer(RequestDecompressionLayer::new());
        Self {
            coded: routes.clone().layer(around.clone().layer(coding).layer(limit)),
            plain: routes.layer(around.layer(limit)),
        }
    }

    /// Answers a request.
    pub(crate) fn call<B>(
        &self,
        request: http::Request<B>,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<B>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let is_coded = [ACCEPT_ENCODING, CONTENT_ENCODING].iter().any(|name| request.headers().contains_key(name));
        let mut routes = if is_coded { self.coded.clone() } else { self.plain.clone() };
        routes.call(request)
    }
}

async fn render_metrics(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}

async fn not_found(uri: Uri) -> impl IntoResponse {
    (StatusCode::NOT_FOUND, format!("nothing is served at {}\n", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> impl IntoResponse {
    (StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}\n", uri.path()))
}

/// Whether a response is text, as opposed to a file whose size and bytes a client may count on.
fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["text/", "application/json", "application/xml"].iter().any(|text| content_type.starts_with(text))
}

/// A handler that panics fails its own request only.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    error!(message, "a request handler panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, format!("internal error: {message}\n")).into_response()
}

/// Counts and logs every request.
async fn observe(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _in_flight = metrics.in_flight();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    // Paths that match no route are the client's words, and there is no end of them.
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let status = response.status();
    metrics.request(route, status);
    debug!(%method, path = uri.path(), status = status.as_u16(), elapsed = ?started.elapsed(), "request");
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    use axum::body::Body;
    use axum::http::Request;
    use axum::routing::post;
    use flate2::read::GzDecoder;
    use flate2::write::GzEncoder;
    use http_body_util::BodyExt;
    use serde_json::json;

    const LIMIT: usize = 4096;

    fn all_routes() -> Routes {
        let application = Router::new()
            .route("/echo", post(async |body: Bytes| ([(CONTENT_TYPE, "text/xml")], body)))
            .route("/file", post(async |body: Bytes| body))
            .route("/panic", get(async || -> () { panic!("out of cheese") }));
        let about: About = Arc::new(|| json!({"methods": ["Login"]}));
        Routes::new(application, Some(about), Metrics::new(), LIMIT)
    }

    async fn send(routes: &Routes, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
        let response = routes.call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    async fn check_get(path: &str, status: StatusCode, body: &str) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (actual, _, text) = send(&all_routes(), request).await;
        assert_eq!((actual, str::from_utf8(&text).unwrap()), (status, body));
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn answers_plainly() {
        check_get("/healthz", StatusCode::OK, "ok\n").await;
        check_get("/about", StatusCode::OK, r#"{"methods":["Login"]}"#).await;
        check_get("/no/such?q", StatusCode::NOT_FOUND, "nothing is served at /no/such\n").await;
        check_get("/echo", StatusCode::METHOD_NOT_ALLOWED, "/echo does not take GET\n").await;
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        check_get("/panic", status, "internal error: out of cheese\n").await;
    }

    #[tokio::test]
    async fn metrics_count_by_route() {
        let routes = all_routes();
        for path in ["/healthz", "/a", "/b"] {
            send(&routes, Request::get(path).body(Body::empty()).unwrap()).await;
        }
        let (_, headers, text) = send(&routes, Request::get("/metrics").body(Body::empty()).unwrap()).await;
        assert_eq!(headers[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
        let text = str::from_utf8(&text).unwrap();
        assert!(text.contains("requests_total{route=\"/healthz\",status=\"200\"} 1\n"), "{text}");
        assert!(text.contains("requests_total{route=\"unmatched\",status=\"404\"} 2\n"), "{text}");
        assert!(text.contains("requests_in_flight 1\n"), "{text}");
    }

    async fn check_compression(path: &str, size: usize, asked: bool, compressed: bool) {
        let body = vec![b'x'; size];
        let mut request = Request::post(path);
        if asked {
            request = request.header("accept-encoding", "gzip, deflate");
        }
        let request = request.body(Body::from(body.clone())).unwrap();
        let (_, headers, bytes) = send(&all_routes(), request).await;
        assert_eq!(headers.get("content-encoding").is_some_and(|v| v == "gzip"), compressed);
        if compressed {
            let mut decoded = Vec::new();
            GzDecoder::new(&*bytes).read_to_end(&mut decoded).unwrap();
            assert!(bytes.len() < size && decoded == body);
        } else {
            assert_eq!(bytes, body);
        }
    }

    #[tokio::test]
    async fn compresses_large_text_when_asked() {
        check_compression("/echo", 2000, true, true).await;
        check_compression("/echo", 2000, false, false).await;
        check_compression("/echo", 200, true, false).await;
        check_compression("/file", 2000, true, false).await;
    }

    async fn check_upload(body: &[u8], encoding: Option<&str>, status: StatusCode) {
        let mut request = Request::post("/file");
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let (actual, _, text) = send(&all_routes(), request).await;
        assert_eq!(actual, status, "{text:?}");
    }

    #[tokio::test]
    async fn request_bodies_are_limited_after_decompression() {
        let (fits, too_large) = (vec![b'x'; LIMIT], vec![b'x'; LIMIT + 1]);
        check_upload(&fits, None, StatusCode::OK).await;
        check_upload(&gzip(&fits), Some("gzip"), StatusCode::OK).await;
        check_upload(&too_large, None, StatusCode::PAYLOAD_TOO_LARGE).await;
        check_upload(&gzip(&too_large), Some("gzip"), StatusCode::PAYLOAD_TOO_LARGE).await;
        check_upload(b"no gzip", Some("gzip"), StatusCode::BAD_REQUEST).await;
        check_upload(&fits, Some("br"), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    }
}
