//! Who asks for a file: a session, a name and password, or a ticket for this one request.

use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vimsim_simulator::{Request, Service};
use vimsim_types::method::{Login, Logout};
use vimsim_types::views::SessionManager;
use vimsim_types::{ArcStr, MethodView, Moref, Object, View};

use crate::ConnectionInfo;
use crate::rest::cookie;
use crate::sdk::{COOKIE_NAME, peer};

/// The cookie that brings a ticket of `AcquireGenericServiceTicket`.
const TICKET_NAME: &str = "vmware_cgi_ticket";

/// Who the request comes from, if it is somebody who has logged in, or does so with it.
pub(super) async fn user(service: &Arc<Service>, headers: &HeaderMap, connection: &ConnectionInfo) -> Option<ArcStr> {
    let session = cookie(headers, COOKIE_NAME).and_then(|cookie| service.session(unquoted(&cookie)));
    if let Some(session) = session {
        return Some(session.user().clone());
    }
    if let Some(user) = cookie(headers, TICKET_NAME).and_then(|ticket| service.redeem_service_ticket(&ticket)) {
        return Some(user);
    }
    let (user, password) = password(headers)?;
    let login = Login::with(|login| _ = login.set_user_name(user).set_password(password));
    let session = call(service, headers, connection, login, None).await?;
    let user = service.session(&session).map(|session| session.user().clone());
    // The session is for this request only.
    call(service, headers, connection, Logout::new(), Some(session)).await;
    user
}

/// pyVmomi keeps the cookie's value in quotation marks, and its samples send it so.
fn unquoted(cookie: &str) -> &str {
    cookie.trim_matches('"')
}

/// The answer to who is not known.
pub(super) fn refused() -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, "log in first\n").into_response();
    let realm = HeaderValue::from_static("Basic realm=\"VMware HTTP server\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    response
}

/// A name and password of the `Authorization` header.
fn password(headers: &HeaderMap) -> Option<(String, String)> {
    let values = headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
    let pair =
        values.filter_map(|value| value.split_once(' ')).find(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"));
    let pair = String::from_utf8(STANDARD.decode(pair?.1.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.into(), password.into()))
}

/// Calls a method of the session manager; the cookie of the session that it began.
async fn call<M: MethodView>(
    service: &Arc<Service>,
    headers: &HeaderMap,
    connection: &ConnectionInfo,
    arguments: M,
    cookie: Option<ArcStr>,
) -> Option<ArcStr> {
    let is_host = service.config().product == vimsim_simulator::Product::EsxHost;
    let this = Moref::of::<SessionManager>(if is_host { "ha-sessionmgr" } else { "SessionManager" });
    let arguments: Object = arguments.into();
    let version = service.api_version();
    let peer = peer(connection, headers);
    let request = Request { method: M::method(), this, arguments, version, cookie, token: None, peer };
    let reply = service.call(request).await;
    reply.result.ok().and(reply.cookie.flatten())
}
