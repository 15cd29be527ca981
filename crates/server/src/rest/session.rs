//! `com.vmware.cis.session`: logins of REST clients, which are logins like any other.

use std::io::Read;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::header::{AUTHORIZATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::json;
use vimsim_simulator::{Request, Token};
use vimsim_types::method::{Login, LoginByToken, Logout};
use vimsim_types::views::SessionManager;
use vimsim_types::{ArcStr, Fault, MethodView, Moref, View};

use super::{Answer, Caller, ErrorKind, Parameters, Rest, RestError, Result, SESSION_ID, action, no_action};
use crate::ConnectionInfo;
use crate::sdk::peer;
use crate::sts::token;

/// The largest SAML token that is read, in bytes.
const TOKEN_LIMIT: u64 = 1 << 20;

pub(super) fn routes() -> MethodRouter<Rest> {
    get(current).delete(logout).post(act)
}

/// `POST`: a login, unless an action is named.
async fn act(
    State(rest): State<Rest>,
    caller: Result<Caller>,
    parameters: Parameters,
    connection: Extension<Arc<ConnectionInfo>>,
    headers: HeaderMap,
) -> Result<Response> {
    match action(&parameters) {
        None => login(&rest, &headers, &connection).await,
        Some("get") => Ok(current(caller?).await.into_response()),
        Some(_) => Err(no_action(&parameters)),
    }
}

/// Who has logged in, and when.
async fn current(Caller { session }: Caller) -> Answer {
    Answer::Value(json!({
        "user": session.user().as_str(),
        "created_time": session.login_time().to_string(),
        "last_accessed_time": session.last_active().to_string(),
    }))
}

/// Begins a session, with a password or a SAML token.
async fn login(rest: &Rest, headers: &HeaderMap, connection: &ConnectionInfo) -> Result<Response> {
    let credentials = Credentials::read(headers).ok_or_else(RestError::unauthenticated)?;
    let (arguments, token) = match credentials {
        Credentials::Password(user, password) => {
            let login = Login::with(|login| {
                login.set_user_name(user).set_password(password);
            });
            (Call::of(login), None)
        }
        Credentials::Token(token) => (Call::of(LoginByToken::new()), Some(token)),
    };
    let cookie = call(rest, headers, connection, arguments, None, token).await;
    let failed = |fault: Fault| {
        let id = "vapi.security.authentication.invalid";
        RestError::new(ErrorKind::Unauthenticated, id, fault.message().as_str())
    };
    let id = cookie.map_err(failed)?.ok_or_else(RestError::unauthenticated)?;
    let mut response = Answer::Created(json!(id.as_str())).into_response();
    let in_header =
        headers.get("vmware-use-header-authn").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    let secure = if connection.encrypted || rest.secure_cookies { "; Secure" } else { "" };
    let cookie = format!("{SESSION_ID}={id}; Path={}; HttpOnly{secure}", rest.style.prefix());
    if !in_header && let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Ends the session.
async fn logout(
    State(rest): State<Rest>,
    caller: Caller,
    connection: Extension<Arc<ConnectionInfo>>,
    headers: HeaderMap,
) -> Result {
    let cookie = Some(caller.session.cookie().clone());
    call(&rest, &headers, &connection, Call::of(Logout::new()), cookie, None).await?;
    Ok(Answer::Nothing)
}

/// A method of the session manager with its arguments.
pub(super) struct Call {
    method: &'static vimsim_types::Method,
    arguments: vimsim_types::Object,
}

impl Call {
    pub(super) fn of<M: MethodView>(arguments: M) -> Self {
        Self { method: M::method(), arguments: arguments.into() }
    }
}

/// Calls a method of the session manager, and returns the cookie of the session that it began.
pub(super) async fn call(
    rest: &Rest,
    headers: &HeaderMap,
    connection: &ConnectionInfo,
    call: Call,
    cookie: Option<ArcStr>,
    token: Option<Token>,
) -> Result<Option<ArcStr>, Fault> {
    let request = Request {
        method: call.method,
        this: Moref::of::<SessionManager>("SessionManager"),
        arguments: call.arguments,
        version: rest.service.api_version(),
        cookie,
        token,
        peer: peer(connection, headers),
    };
    let reply = rest.service.call(request).await;
    reply.result.map(|_| reply.cookie.flatten())
}

/// What a client shows to log in.
enum Credentials {
    Password(String, String),
    Token(Token),
}

impl Credentials {
    /// Reads the `Authorization` headers: `Basic`, or `SIGN` with a SAML token that is compressed with gzip and may be
    /// in several pieces.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let values = || headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
        if let Some(pair) = values().find_map(|value| after_scheme(value, "Basic ")) {
            let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
            let (user, password) = pair.split_once(':')?;
            return Some(Self::Password(user.into(), password.into()));
        }
        let pieces = values().filter_map(|value| after_scheme(value, "SIGN ")).flat_map(|value| value.split(','));
        let pieces = pieces.filter_map(|piece| piece.trim().strip_prefix("token=\"")?.strip_suffix('"'));
        let packed = STANDARD.decode(pieces.collect::<String>()).ok()?;
        let mut text = String::new();
        GzDecoder::new(packed.as_slice()).take(TOKEN_LIMIT).read_to_string(&mut text).ok()?;
        vimsim_wire::Assertion::read(&text).map(|assertion| Self::Token(token(assertion)))
    }
}

/// What follows the name of the scheme, if it is this one.
fn after_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = value.split_at_checked(scheme.len())?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}
