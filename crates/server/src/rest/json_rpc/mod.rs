//! `POST /api`: the JSON-RPC 2.0 wire of the Automation API, by which the SDKs call.
//!
//! `params` names the service and the operation, and in `ctx.securityCtx` who calls. An operation's own error is a result,
//! too; an `error` beside it is for requests that are none.
//!
//! But for `com.vmware.cis.session`, what is invoked is what the REST face answers: the call becomes the request that
//! `wsdl/vapi.schema` says, and its answer the data value of the declared type.

mod data;
mod schema;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Request as HttpRequest, StatusCode};
use axum::routing::{MethodRouter, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower::ServiceExt;
use vimsim_simulator::{Session, Token};
use vimsim_types::ArcStr;
use vimsim_types::method::{Login, LoginByToken, Logout};
use vimsim_types::{Fault, View};

use self::schema::{Operation, Schema};
use super::answer::{Answer, RestError, outcome};
use super::call::escape;
use super::session::{Call, call};
use super::{Rest, SESSION_ID, session_id};
use crate::ConnectionInfo;
use crate::sts::token;

/// The wire, before the services that the router answers for.
pub(super) fn routes(rest: Rest, services: Router) -> MethodRouter {
    let wire = Arc::new(Wire { rest, services });
    post(async move |connection: Extension<Arc<ConnectionInfo>>, headers: HeaderMap, body: Bytes| {
        wire.answer(&connection, &headers, &body).await
    })
}

struct Wire {
    rest: Rest,
    services: Router,
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
    input: Value,
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
    saml_token: Option<String>,
    /// Of a token that its holder signs for: beside the signature is the token.
    signature: Option<Signature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    saml_token: Option<String>,
}

/// An error that the operation declares: its name below `com.vmware.vapi.std.errors`, the message's identifier, the
/// message.
struct OperationError(&'static str, &'static str, String);

impl From<RestError> for OperationError {
    fn from(error: RestError) -> Self {
        match error.id() {
            "com.vmware.vapi.rest.httpNotFound" | "com.vmware.vapi.rest.httpMethodNotAllowed" => {
                Self("operation_not_found", "vapi.method.input.invalid.method", error.into_message())
            }
            id => Self(error.name(), id, error.into_message()),
        }
    }
}

impl Wire {
    async fn answer(&self, connection: &Arc<ConnectionInfo>, headers: &HeaderMap, body: &[u8]) -> Json<Value> {
        let request = match serde_json::from_slice::<Value>(body) {
            Err(error) => return refused(&Value::Null, PARSE_ERROR, &error.to_string()),
            Ok(value) => match Request::deserialize(&value) {
                Err(error) => return refused(&value["id"], INVALID_REQUEST, &error.to_string()),
                Ok(request) => request,
            },
        };
        if request.method != "invoke" {
            return refused(&request.id, METHOD_NOT_FOUND, &format!("there is no method '{}'", request.method));
        }
        let parameters = &request.params;
        let result = match parameters.service_id.as_str() {
            SESSION_SERVICE => session(&self.rest, headers, connection, parameters).await,
            _ => self.invoke(headers, connection, parameters).await,
        };
        let result = match result {
            Ok(output) => json!({ "output": output }),
            Err(OperationError(name, id, message)) => {
                let messages = json!([{ "args": [], "default_message": message, "id": id }]);
                json!({ "error": data::error(name, &messages) })
            }
        };
        Json(json!({ "jsonrpc": "2.0", "id": request.id, "result": result }))
    }

    /// Calls what answers for the operation in REST.
    async fn invoke(
        &self,
        headers: &HeaderMap,
        connection: &Arc<ConnectionInfo>,
        parameters: &Parameters,
    ) -> Result<Value, OperationError> {
        let (service, name) = (parameters.service_id.as_str(), parameters.operation_id.as_str());
        let operation = Schema::get().operation(service, name).ok_or_else(|| unknown(service, name))?;
        let context = parameters.ctx.security_ctx.as_ref();
        let session = caller(&self.rest, headers, context)?;
        let (uri, body) = http(&operation, &parameters.input)?;
        let mut request =
            HttpRequest::builder().method(operation.method).uri(uri).header(CONTENT_TYPE, "application/json");
        request = request.header(SESSION_ID, session.cookie().as_str()).extension(connection.clone());
        if let Some(host) = headers.get(HOST) {
            request = request.header(HOST, host);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.body(body).map_err(|error| RestError::invalid(&error))?;
        let Ok(mut response) = self.services.clone().oneshot(request).await;
        match outcome(&mut response) {
            Some(Ok(Answer::Value(value) | Answer::Created(value))) => Ok(data::write(operation.result, &value)),
            Some(Ok(_)) => Ok(data::write(operation.result, &Value::Null)),
            Some(Err(error)) => Err(error.into()),
            None if response.status() == StatusCode::METHOD_NOT_ALLOWED => Err(unknown(service, name)),
            None => Err(RestError::invalid(&"the request cannot be understood").into()),
        }
    }
}

fn unknown(service: &str, operation: &str) -> OperationError {
    let message = format!("there is no operation '{operation}' of '{service}'");
    OperationError("operation_not_found", "vapi.method.input.invalid.interface", message)
}

/// Where the request for an operation goes, and its body.
fn http(operation: &Operation, input: &Value) -> Result<(String, Value), OperationError> {
    let input = input.pointer("/STRUCTURE/operation-input").unwrap_or(&Value::Null);
    let (path, constants) = operation.path.split_once('?').unwrap_or((operation.path, ""));
    let (mut path, mut query) = (path.to_string(), constants.to_string());
    let (mut body, mut whole) = (Map::new(), None);
    let has_body = matches!(operation.method, "POST" | "PUT" | "PATCH");
    for parameter in &operation.parameters {
        let name = parameter.name;
        let value = data::read(parameter.kind, &input[name]);
        if value.is_null() {
            if parameter.kind.starts_with('?') {
                continue;
            }
            let message = format!("The parameter '{name}' is missing.");
            return Err(OperationError("invalid_argument", "vapi.data.structure.field.missing", message));
        }
        let place = format!("{{{name}}}");
        if path.contains(&place) {
            path = path.replace(&place, &escape(value.as_str().unwrap_or_default()));
        } else if operation.body == Some(name) {
            whole = Some(value);
        } else if let Some(name) = parameter.query {
            add_query(&mut query, name, &value);
        } else if has_body {
            body.insert(name.into(), value);
        } else {
            add_query(&mut query, name, &value);
        }
    }
    let separator = if query.is_empty() { "" } else { "?" };
    let body = whole.or_else(|| has_body.then_some(Value::Object(body)));
    Ok((format!("{path}{separator}{query}"), body.unwrap_or_default()))
}

/// Adds what a URL can say of a value: a list again and again, a structure by its fields.
fn add_query(query: &mut String, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(name, value)| add_query(query, name, value)),
        Value::Array(values) => values.iter().for_each(|value| add_query(query, name, value)),
        plain => {
            let text = plain.as_str().map_or_else(|| plain.to_string(), str::to_string);
            let separator = if query.is_empty() { "" } else { "&" };
            *query += &format!("{separator}{name}={}", escape(&text));
        }
    }
}

fn refused(id: &Value, code: i64, message: &str) -> Json<Value> {
    Json(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
}

/// The operations of `com.vmware.cis.session`.
async fn session(
    rest: &Rest,
    headers: &HeaderMap,
    connection: &ConnectionInfo,
    parameters: &Parameters,
) -> Result<Value, OperationError> {
    let context = parameters.ctx.security_ctx.as_ref();
    match parameters.operation_id.as_str() {
        "create" => {
            let (login, token) = context.and_then(credentials).ok_or_else(unauthenticated)?;
            let cookie = call(rest, headers, connection, login, None, token).await.map_err(failed)?;
            let id = cookie.ok_or_else(unauthenticated)?;
            Ok(json!({ "SECRET": id.as_str() }))
        }
        "delete" => {
            let session = caller(rest, headers, context)?;
            let cookie = Some(session.cookie().clone());
            call(rest, headers, connection, Call::of(Logout::new()), cookie, None).await.map_err(failed)?;
            Ok(Value::Null)
        }
        "get" => {
            let session = caller(rest, headers, context)?;
            Ok(json!({ "STRUCTURE": { "com.vmware.cis.session.info": {
                "user": session.user().as_str(),
                "created_time": data::write("time", &json!(session.login_time().to_string())),
                "last_accessed_time": data::write("time", &json!(session.last_active().to_string())),
            } } }))
        }
        operation => Err(unknown(SESSION_SERVICE, operation)),
    }
}

/// How to log in with what is shown: the user's name and password, or a SAML token.
fn credentials(context: &SecurityContext) -> Option<(Call, Option<Token>)> {
    if context.scheme_id.ends_with(".user_pass") {
        let (user, password) = (context.user_name.as_ref()?, context.password.as_ref()?);
        let login = Login::with(|login| {
            login.set_user_name(user.as_str()).set_password(password.as_str());
        });
        return Some((Call::of(login), None));
    }
    let signed = context.signature.as_ref().and_then(|signature| signature.saml_token.as_ref());
    let assertion = vimsim_wire::Assertion::read(context.saml_token.as_ref().or(signed)?)?;
    Some((Call::of(LoginByToken::new()), Some(token(assertion))))
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
