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

/// Whether the request comes from somebody who has logged in, or does so with it.
pub(super) async fn is_known(service: &Arc<Service>, headers: &HeaderMap, connection: &ConnectionInfo) -> bool {
    if cookie(headers, COOKIE_NAME).is_some_and(|cookie| service.session(unquoted(&cookie)).is_some()) {
        return true;
    }
    if cookie(headers, TICKET_NAME).is_some_and(|ticket| service.redeem_service_ticket(&ticket).is_some()) {
        return true;
    }
    let Some((user, password)) = password(headers) else { return false };
    let login = Login::with(|login| _ = login.set_user_name(user).set_password(password));
    let reply = call(service, headers, connection, login, None).await;
    let Some(session) = reply else { return false };
    // The session is for this request only.
    call(service, headers, connection, Logout::new(), Some(session)).await;
    true
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
