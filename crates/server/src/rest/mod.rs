//! The REST face: `/rest`, whose answers are wrapped in `{"value": ...}`, and its successor `/api`, whose are not.
//!
//! It has no state of its own: a login here is a session like that of a SOAP `Login`, and what is changed here is
//! changed in the one inventory.

mod answer;
mod appliance;
mod call;
mod certificate_authority;
mod cluster_modules;
mod compute;
mod data_sets;
mod inventory;
mod json_rpc;
mod kept;
mod key_providers;
mod library;
mod lifecycle;
mod machines;
mod namespaces;
mod session;
mod tagging;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware;
use axum::routing::any;
use serde::de::DeserializeOwned;
use vimsim_simulator::{Service, Session};
use vimsim_types::ArcStr;

pub(crate) use key_providers::backup_routes;

use answer::{Answer, ErrorKind, RestError, render};

/// The header, and the cookie, in which a client names its session.
const SESSION_ID: &str = "vmware-api-session-id";

/// What the routes of one family share.
#[derive(Clone)]
struct Rest {
    service: Arc<Service>,
    style: Style,
    /// Whether cookies are marked for secure connections only, even where the connection is not.
    secure_cookies: bool,
}

/// Which of the two families of paths is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Rest,
    Api,
}

impl Style {
    fn prefix(self) -> &'static str {
        match self {
            Style::Rest => "/rest",
            Style::Api => "/api",
        }
    }
}

/// All routes.
pub(crate) fn routes(service: &Arc<Service>, secure_cookies: bool) -> Router {
    let old = Router::new().route("/com/vmware/cis/session", session::routes());
    let old = library::data_routes(certificate_authority::routes(cluster_modules::routes(old)));
    let new = Router::new().route("/session", session::routes());
    [(Style::Rest, old), (Style::Api, new)].into_iter().fold(Router::new(), |all, (style, routes)| {
        let routes = [
            "/appliance/{*path}",
            "/content/{*path}",
            "/vcenter/{*path}",
            "/com/vmware/{*path}",
            "/cis/tasks",
            "/cis/tasks/{*path}",
            "/esx/{*path}",
        ]
        .into_iter()
        .fold(routes, |routes, path| routes.route(path, any(call::dispatch)));
        let rest = Rest { service: service.clone(), style, secure_cookies };
        let mut routes = tagging::routes(routes, style)
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .with_state(rest.clone());
        if style == Style::Api {
            routes = routes.clone().route("/", json_rpc::routes(rest, routes));
        }
        all.nest(style.prefix(), routes.layer(middleware::map_response_with_state(style, render)))
    })
}

async fn not_found(uri: Uri) -> RestError {
    RestError::new(ErrorKind::NotFound, "com.vmware.vapi.rest.httpNotFound", format!("nothing is at {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> RestError {
    let message = format!("{} does not take {method}", uri.path());
    RestError::new(ErrorKind::MethodNotAllowed, "com.vmware.vapi.rest.httpMethodNotAllowed", message)
}

/// Who calls: a request without a live session does not get past this.
struct Caller {
    session: Arc<Session>,
}

impl Caller {
    /// `UNAUTHORIZED` unless the user has the privilege at the object of this identifier, or else at the root folder.
    fn may(&self, rest: &Rest, object: Option<&str>, privilege: &str) -> Result<()> {
        let snapshot = rest.service.snapshot();
        let object = object.and_then(|id| snapshot.object_by_value(id)).map(|object| object.moref());
        Ok(rest.service.authorize(&self.session, object, privilege)?)
    }
}

impl FromRequestParts<Rest> for Caller {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, RestError> {
        let session = session_id(&parts.headers).and_then(|id| rest.service.session(&id));
        session.map(|session| Self { session }).ok_or_else(RestError::unauthenticated)
    }
}

/// The session that the client names, in the header or else in the cookie.
fn session_id(headers: &HeaderMap) -> Option<ArcStr> {
    let header = headers.get(SESSION_ID).and_then(|value| value.to_str().ok());
    header.map(ArcStr::from).or_else(|| cookie(headers, SESSION_ID))
}

/// The value of a cookie, which may be quoted.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<ArcStr> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.trim_matches('"').into())
}

/// What follows `?` in the URL: the action of a `POST` is `action` or, in the oldest paths, `~action`.
type Parameters = Query<BTreeMap<String, String>>;

fn action(parameters: &Parameters) -> Option<&str> {
    parameters.get("action").or_else(|| parameters.get("~action")).map(String::as_str)
}

/// The answer to an action that there is not.
fn no_action(parameters: &Parameters) -> RestError {
    let message = format!("there is no action '{}'", action(parameters).unwrap_or_default());
    RestError::new(ErrorKind::NotFound, "com.vmware.vapi.rest.httpNotFound", message)
}

/// The body of a request: JSON, whatever its type is said to be. None, or `null`, is an object with nothing in
/// it.
struct Body<T>(T);

impl<T: DeserializeOwned> FromRequest<Rest> for Body<T> {
    type Rejection = RestError;

    async fn from_request(request: Request, rest: &Rest) -> Result<Self, RestError> {
        let body = Bytes::from_request(request, rest).await.map_err(|error| RestError::invalid(&error))?;
        let body = if matches!(body.trim_ascii(), b"" | b"null") { b"{}" } else { &body[..] };
        serde_json::from_slice(body).map(Self).map_err(|error| RestError::invalid(&error))
    }
}

/// What a handler answers.
type Result<T = Answer, E = RestError> = std::result::Result<T, E>;
