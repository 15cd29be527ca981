//! `/sdk`: the SOAP face of the service.
//!
//! A `POST` is one method call: its envelope is decoded within limits, [`Service::call`] carries it out, and what that
//! answers, a value or a fault, is encoded for the version of the API that the client speaks. The documents that describe
//! the service are beside it, for `GET`.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, OriginalUri, Path, State};
use axum::http::header::{CONTENT_TYPE, HOST, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tracing::{Instrument, debug, info_span};
use vimsim_simulator::{Peer, Product, Reply, Request, Service};
use vimsim_types::{ArcStr, Fault, Method, Namespace, Version, View};
use vimsim_wire as wire;

use crate::files;
use crate::rest::{self, cookie};
use crate::sts;
use crate::vars;
use crate::{BodyError, ConnectionInfo, Delay, Metrics, Trace, read_body};

/// The name of the cookie that names a session, as every vSphere client knows it.
pub(crate) const COOKIE_NAME: &str = "vmware_soap_session";
const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");

/// What `/sdk` needs to know beside the service itself.
#[derive(Clone)]
pub struct Sdk {
    /// The service that calls are made to.
    pub service: Arc<Service>,
    /// Where requests and responses are written down.
    pub trace: Trace,
    /// How long calls wait before they are carried out.
    pub delay: Arc<Delay>,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// The largest request body that is read, in bytes.
    pub body_limit: usize,
    /// Whether session cookies are marked for secure connections only, even where the connection is not.
    pub secure_cookies: bool,
}

impl Sdk {
    /// The routes: calls, and the documents that describe them.
    pub fn routes(self) -> Router {
        let newest = self.service.api_version();
        self.service.fetch_with(Arc::new(crate::fetch::Http));
        let (service, gauges) = (self.service.clone(), self.metrics.clone());
        gauges.gauge("vimsim_managed_objects", "Managed objects, sessions' own included.", {
            let service = service.clone();
            move || service.snapshot().len() as f64
        });
        gauges.gauge("vimsim_version", "The version of the inventory: how many writes changed it.", {
            let service = service.clone();
            move || service.snapshot().version() as f64
        });
        gauges.gauge("vimsim_sessions", "Sessions.", move || service.session_count() as f64);
        let mut others = vars::routes(self.service.clone());
        if self.service.config().product == Product::VirtualCenter {
            others =
                others.merge(rest::routes(&self.service, self.secure_cookies)).merge(sts::routes(self.service.clone()));
            others = others.merge(rest::backup_routes(&self.service));
        }
        let files = files::routes(&self.service);
        Router::new()
            .route("/sdk", post(call))
            .route("/sdk/", post(call))
            .route("/sdk/vimService", post(call))
            .route("/lookupservice/sdk", post(call))
            .route("/pbm", post(call))
            .route("/pbm/sdk", post(call))
            .route("/vsanHealth", post(call))
            .route("/sso-adminserver/sdk", post(call))
            .route("/sso-adminserver/sdk/{domain}", post(call))
            .route("/sso-adminserver/system-sdk", post(call))
            .route("/vslm/sdk", post(call))
            .route("/eam/sdk", post(call))
            .route("/sdk/{document}", get(document))
            .with_state((Arc::new(self), newest))
            .merge(files)
            .merge(others)
    }
}

type Shared = State<(Arc<Sdk>, Version)>;

/// One of the documents that describe the service.
async fn document(
    State((sdk, newest)): Shared,
    Path(name): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Extension(connection): Extension<Arc<ConnectionInfo>>,
) -> Response {
    let scheme = if connection.encrypted { "https" } else { "http" };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(|host| host.as_str()));
    let url = format!("{scheme}://{}/sdk/vimService", host.unwrap_or("localhost"));
    let claimed = Some(sdk.service.claimed_version());
    match wire::wsdl::document(Namespace::VIM25, &name, newest, claimed, &url) {
        Some(text) => ([(CONTENT_TYPE, XML)], text).into_response(),
        None => (StatusCode::NOT_FOUND, format!("no document {}\n", uri.path())).into_response(),
    }
}

/// One call.
async fn call(
    State((sdk, newest)): Shared,
    uri: Uri,
    headers: HeaderMap,
    connection: Extension<Arc<ConnectionInfo>>,
    body: Body,
) -> Response {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (namespace, spoken) = wire::parse_action(text(HeaderName::from_static("soapaction")));
    // The versions of other namespaces say nothing of vSphere's types, which theirs are made of.
    let version = if namespace == Namespace::VIM25 { spoken.min(newest) } else { newest };
    let secure = connection.encrypted || sdk.secure_cookies;
    let body = match read_body(body, sdk.body_limit).await {
        Ok(body) => body,
        Err(error) => return refused(&error, version),
    };
    sdk.trace.request(&body);
    let limits = wire::Limits { version: Some(version), ..wire::Limits::default() };
    let (response, method) = match wire::decode_request(&body, &limits) {
        Err(fault) => {
            debug!(%fault, path = uri.path(), "a request could not be read");
            (encode(None, Reply { result: Err(fault), cookie: None }, version, secure), None)
        }
        Ok(request) => {
            let method = request.method;
            let cookie = cookie(&headers, COOKIE_NAME).or(request.header.vc_session_cookie);
            let span = info_span!(
                "call",
                method = method.name,
                moref = %request.this,
                operation = request.header.operation_id.as_deref(),
                fault = tracing::field::Empty
            );
            let request = Request {
                method,
                this: request.this,
                arguments: request.arguments,
                version,
                cookie,
                token: request.header.security.as_deref().and_then(wire::Assertion::read).map(sts::token),
                peer: peer(&connection, &headers),
            };
            let reply = perform(&sdk, request).instrument(span).await;
            // What the method's own namespace has, the client knows as far as the version goes that it speaks of that.
            let known = match method.namespace() {
                Namespace::VIM25 => version,
                own if own == namespace => spoken,
                _ => Version::NEWEST,
            };
            (encode(Some(method), reply, known, secure), Some(method))
        }
    };
    if let Some(method) = method {
        sdk.metrics.call(method.name, !response.0.is_success());
    }
    sdk.trace.response(&response.2);
    respond(response)
}

/// Carries out a call, and says so to who watches.
async fn perform(sdk: &Sdk, request: Request) -> Reply {
    let begun = Instant::now();
    sdk.delay.wait(request.method.name).await;
    let reply = sdk.service.call(request).await;
    if let Err(fault) = &reply.result {
        tracing::Span::current().record("fault", fault.detail().as_object().kind().name());
    }
    debug!(elapsed = ?begun.elapsed(), "called");
    reply
}

/// Where a request comes from.
pub(crate) fn peer(connection: &ConnectionInfo, headers: &HeaderMap) -> Peer {
    Peer {
        address: Some(connection.peer.ip()),
        user_agent: headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(ArcStr::from),
        certificate: connection.client_certificate.as_ref().map(|certificate| certificate.as_ref().into()),
    }
}

/// A response in parts: status, cookie, body.
type Parts = (StatusCode, Option<HeaderValue>, Vec<u8>);

fn encode(method: Option<&Method>, reply: Reply, version: Version, secure: bool) -> Parts {
    let mut body = Vec::with_capacity(1024);
    let namespace = method.map_or(Namespace::VIM25, Method::namespace);
    let status = match (method, &reply.result) {
        (Some(method), Ok(value)) => {
            wire::encode_response(method, value, version, &mut body);
            StatusCode::OK
        }
        (_, Err(fault)) => {
            wire::encode_fault(fault, namespace, version, &mut body);
            StatusCode::INTERNAL_SERVER_ERROR
        }
        (None, Ok(_)) => StatusCode::OK,
    };
    let secure = if secure { "; Secure" } else { "" };
    let cookie = reply.cookie.and_then(|cookie| {
        let text = match cookie {
            // In quotation marks, between which Python's clients look for it.
            Some(cookie) => format!("{COOKIE_NAME}=\"{cookie}\"; Path=/; HttpOnly{secure}"),
            None => format!("{COOKIE_NAME}=\"\"; Path=/; HttpOnly{secure}; Max-Age=0"),
        };
        HeaderValue::from_str(&text).ok()
    });
    (status, cookie, body)
}

fn respond((status, cookie, body): Parts) -> Response {
    let mut response = (status, [(CONTENT_TYPE, XML)], body).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// The answer to a body that could not be read: a fault, like that to any other bad request.
fn refused(error: &BodyError, version: Version) -> Response {
    let fault = Fault::invalid_request(error);
    let mut body = Vec::new();
    wire::encode_fault(&fault, Namespace::VIM25, version, &mut body);
    respond((StatusCode::INTERNAL_SERVER_ERROR, None, body))
}
