//! `POST /api`: the JSON-RPC 2.0 wire of the Automation API, by which older SDKs call. Of its services there is
//! `com.vmware.cis.session`: what clients do on this wire is to log in and out.
//!
//! `params` names the service and the operation, and in `ctx.securityCtx` who calls. An operation's own error is a result,
//! too; an `error` beside it is for requests that are none.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::routing::{MethodRouter, post};
use serde::Deserialize;
use serde_json::{Value, json};
use vimsim_simulator::Session;
use vimsim_types::ArcStr;
use vimsim_types::method::{Login, Logout};
use vimsim_types::{Fault, View};

use super::session::{Call, call};
use super::{Rest, session_id};
use crate::ConnectionInfo;

pub(super) fn routes() -> MethodRouter<Rest> {
    post(answer)
}

const SESSION_SERVICE: &str = "com.vmware.cis.session";
/// The code of JSON-RPC for a body that is no request.
const INVALID_REQUEST: i64 = -32_600;
/// The code for one that is not JSON.
const PARSE_ERROR: i64 = -32_700;
/// The code for another method than `invoke`, the only one.
const METHOD_NOT_FOUND: i64 = -32_601;

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    id: Value,
    method: String,
    params: Parameters,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    service_id: String,
    operation_id: String,
    #[serde(default)]
    ctx: ExecutionContext,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExecutionContext {
    security_ctx: Option<SecurityContext>,
}

/// Who calls: `schemeId` says which of the others are there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    scheme_id: String,
    user_name: Option<String>,
    password: Option<String>,
    session_id: Option<String>,
}

/// An error that the operation declares: its name below `com.vmware.vapi.std.errors`, the message's identifier, the
/// message.
struct OperationError(&'static str, &'static str, String);

async fn answer(
    State(rest): State<Rest>,
    connection: Extension<Arc<ConnectionInfo>>,
    headers: HeaderMap,
    body: Bytes,
) -> Json<Value> {
    let request = match serde_json::from_slice::<Value>(&body) {
        Err(error) => return refused(&Value::Null, PARSE_ERROR, &error.to_string()),
        Ok(value) => match Request::deserialize(&value) {
            Err(error) => return refused(&value["id"], INVALID_REQUEST, &error.to_string()),
            Ok(request) => request,
        },
    };
    if request.method != "invoke" {
        return refused(&request.id, METHOD_NOT_FOUND, &format!("there is no method '{}'", request.method));
    }
    let result = match invoke(&rest, &headers, &connection, &request.params).await {
        Ok(output) => json!({ "output": output }),
        Err(OperationError(name, id, message)) => {
            let message = json!({ "args": [], "default_message": message, "id": id });
            let messages = json!([{ "STRUCTURE": { "com.vmware.vapi.std.localizable_message": message } }]);
            let name = format!("com.vmware.vapi.std.errors.{name}");
            json!({ "error": { "ERROR": { name: { "messages": messages } } } })
        }
    };
    Json(json!({ "jsonrpc": "2.0", "id": request.id, "result": result }))
}

fn refused(id: &Value, code: i64, message: &str) -> Json<Value> {
    Json(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
}

async fn invoke(
    rest: &Rest,
    headers: &HeaderMap,
    connection: &ConnectionInfo,
    parameters: &Parameters,
) -> Result<Value, OperationError> {
    let context = parameters.ctx.security_ctx.as_ref();
    match (parameters.service_id.as_str(), parameters.operation_id.as_str()) {
        (SESSION_SERVICE, "create") => {
            let login = context.and_then(password).ok_or_else(unauthenticated)?;
            let cookie = call(rest, headers, connection, Call::of(login), None, None).await.map_err(failed)?;
            let id = cookie.ok_or_else(unauthenticated)?;
            Ok(json!({ "SECRET": id.as_str() }))
        }
        (SESSION_SERVICE, "delete") => {
            let session = caller(rest, headers, context)?;
            let cookie = Some(session.cookie().clone());
            call(rest, headers, connection, Call::of(Logout::new()), cookie, None).await.map_err(failed)?;
            Ok(Value::Null)
        }
        (SESSION_SERVICE, "get") => {
            let session = caller(rest, headers, context)?;
            Ok(json!({ "STRUCTURE": { "com.vmware.cis.session.info": {
                "user": session.user().as_str(),
                "created_time": session.login_time().to_string(),
                "last_accessed_time": session.last_active().to_string(),
            } } }))
        }
        (service, operation) => {
            let message = format!("there is no operation '{operation}' of '{service}'");
            Err(OperationError("operation_not_found", "vapi.method.input.invalid.interface", message))
        }
    }
}

/// The login with the user's name and password.
fn password(context: &SecurityContext) -> Option<Login> {
    let is_password = context.scheme_id.ends_with(".user_pass");
    let (user, password) = is_password.then_some((context.user_name.as_ref()?, context.password.as_ref()?))?;
    Some(Login::with(|login| {
        login.set_user_name(user.as_str()).set_password(password.as_str());
    }))
}

/// The live session that the request names, in its context or else in its header.
fn caller(rest: &Rest, headers: &HeaderMap, context: Option<&SecurityContext>) -> Result<Arc<Session>, OperationError> {
    let named = context.and_then(|context| context.session_id.as_deref().map(ArcStr::from));
    let id = named.or_else(|| session_id(headers));
    id.and_then(|id| rest.service.session(&id)).ok_or_else(unauthenticated)
}

fn unauthenticated() -> OperationError {
    let id = "vapi.method.authentication.required";
    OperationError("unauthenticated", id, "Authentication required.".into())
}

fn failed(fault: Fault) -> OperationError {
    OperationError("unauthenticated", "vapi.security.authentication.invalid", fault.message().to_string())
}
