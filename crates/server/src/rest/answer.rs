//! Answers and errors, and how the two families of paths write them.

use std::fmt::Display;

use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use vimsim_types::views::{
    AlreadyExists, CpuHotPlugNotSupported, DuplicateName, FileAlreadyExists, FileNotFound, InaccessibleDatastore,
    InsufficientResourcesFault, InvalidArgument, InvalidDatastorePath, InvalidLogin, InvalidName, InvalidRequest,
    InvalidState, ManagedObjectNotFound, MemoryHotPlugNotSupported, NoPermission, NotAuthenticated, NotFound,
    NotSupported, ResourceInUse, TaskInProgress, ToolsUnavailable, VmConfigFault,
};
use vimsim_types::{Fault, View};

use super::Style;

/// What a handler answers when all is well.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A value.
    Value(Value),
    /// The value that stands for what was created; `/api` has a status of its own for it.
    Created(Value),
    /// A file of this name.
    File(String, Vec<u8>),
    /// Done.
    Nothing,
}

/// A standard error of the vSphere Automation API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorKind {
    AlreadyExists,
    AlreadyInDesiredState,
    Internal,
    InvalidArgument,
    InvalidElementType,
    MethodNotAllowed,
    NotAllowedInCurrentState,
    NotFound,
    ResourceBusy,
    ResourceInaccessible,
    ResourceInUse,
    ServiceUnavailable,
    UnableToAllocateResource,
    Unauthenticated,
    Unauthorized,
    Unsupported,
}

impl ErrorKind {
    /// Its name, and the status of a response that says so.
    fn facts(self) -> (&'static str, StatusCode) {
        match self {
            Self::AlreadyExists => ("already_exists", StatusCode::BAD_REQUEST),
            Self::AlreadyInDesiredState => ("already_in_desired_state", StatusCode::BAD_REQUEST),
            Self::Internal => ("internal_server_error", StatusCode::INTERNAL_SERVER_ERROR),
            Self::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
            Self::InvalidElementType => ("invalid_element_type", StatusCode::BAD_REQUEST),
            Self::MethodNotAllowed => ("operation_not_found", StatusCode::METHOD_NOT_ALLOWED),
            Self::NotAllowedInCurrentState => ("not_allowed_in_current_state", StatusCode::BAD_REQUEST),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND),
            Self::ResourceBusy => ("resource_busy", StatusCode::BAD_REQUEST),
            Self::ResourceInaccessible => ("resource_inaccessible", StatusCode::BAD_REQUEST),
            Self::ResourceInUse => ("resource_in_use", StatusCode::BAD_REQUEST),
            Self::ServiceUnavailable => ("service_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::UnableToAllocateResource => ("unable_to_allocate_resource", StatusCode::BAD_REQUEST),
            Self::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
            Self::Unauthorized => ("unauthorized", StatusCode::FORBIDDEN),
            Self::Unsupported => ("unsupported", StatusCode::BAD_REQUEST),
        }
    }
}

/// What went wrong.
#[derive(Clone, Debug)]
pub(super) struct RestError {
    kind: ErrorKind,
    /// The identifier of the message, by which programs know it.
    id: &'static str,
    message: String,
    /// Whether it is written without messages, and as a bad request, as vcsim does.
    bare: bool,
}

impl RestError {
    pub(super) fn new(kind: ErrorKind, id: &'static str, message: impl Into<String>) -> Self {
        Self { kind, id, message: message.into(), bare: false }
    }

    /// The same, as vcsim writes it: without messages, and as a bad request if it is about permissions.
    pub(super) fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// The same, as an error of another kind.
    pub(super) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// What is asked cannot answer now.
    pub(super) fn unavailable(why: &str) -> Self {
        Self::new(ErrorKind::ServiceUnavailable, "com.vmware.api.vcenter.unavailable", why)
    }

    /// There is no session.
    pub(super) fn unauthenticated() -> Self {
        let id = "com.vmware.vapi.endpoint.method.authentication.required";
        Self::new(ErrorKind::Unauthenticated, id, "Authentication required.")
    }

    /// The request cannot be understood.
    pub(super) fn invalid(error: &dyn Display) -> Self {
        Self::new(ErrorKind::InvalidArgument, "com.vmware.vapi.rest.invalidRequestBody", error.to_string())
    }
}

impl RestError {
    /// Its name below `com.vmware.vapi.std.errors`.
    pub(super) fn name(&self) -> &'static str {
        self.kind.facts().0
    }

    /// The identifier of its message.
    pub(super) fn id(&self) -> &'static str {
        self.id
    }

    pub(super) fn into_message(self) -> String {
        self.message
    }
}

impl From<Fault> for RestError {
    fn from(fault: Fault) -> Self {
        let is = |kinds: &[bool]| kinds.contains(&true);
        let kind = if is(&[fault.is::<InvalidLogin>(), fault.is::<NotAuthenticated>()]) {
            ErrorKind::Unauthenticated
        } else if is(&[fault.is::<NotFound>(), fault.is::<ManagedObjectNotFound>(), fault.is::<FileNotFound>()]) {
            ErrorKind::NotFound
        } else if is(&[fault.is::<AlreadyExists>(), fault.is::<DuplicateName>(), fault.is::<FileAlreadyExists>()]) {
            ErrorKind::AlreadyExists
        } else if fault.is::<NoPermission>() {
            ErrorKind::Unauthorized
        } else if fault.is::<NotSupported>() {
            ErrorKind::Unsupported
        } else if fault.is::<ResourceInUse>() {
            ErrorKind::ResourceInUse
        } else if fault.is::<TaskInProgress>() {
            ErrorKind::ResourceBusy
        } else if fault.is::<ToolsUnavailable>() {
            ErrorKind::ServiceUnavailable
        } else if fault.is::<InaccessibleDatastore>() {
            ErrorKind::ResourceInaccessible
        } else if fault.is::<InsufficientResourcesFault>() {
            ErrorKind::UnableToAllocateResource
        } else if is(&[
            fault.is::<InvalidState>(),
            fault.is::<CpuHotPlugNotSupported>(),
            fault.is::<MemoryHotPlugNotSupported>(),
        ]) {
            ErrorKind::NotAllowedInCurrentState
        } else if is(&[
            fault.is::<InvalidArgument>(),
            fault.is::<InvalidRequest>(),
            fault.is::<InvalidName>(),
            fault.is::<InvalidDatastorePath>(),
            fault.is::<VmConfigFault>(),
        ]) {
            ErrorKind::InvalidArgument
        } else {
            ErrorKind::Internal
        };
        Self::new(kind, fault.detail().as_object().kind().name(), fault.message().as_str())
    }
}

/// What [`render`] finds in a response.
#[derive(Clone)]
struct Outcome(Result<Answer, RestError>);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(Outcome(Ok(self)));
        response
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(Outcome(Err(self)));
        response
    }
}

/// What a handler answered; `None` if no handler did.
pub(super) fn outcome(response: &mut Response) -> Option<Result<Answer, RestError>> {
    response.extensions_mut().remove().map(|Outcome(outcome)| outcome)
}

/// Writes what a handler answered, as the path it was called by wants it.
pub(super) async fn render(State(style): State<Style>, mut response: Response) -> Response {
    let Some(outcome) = outcome(&mut response) else { return response };
    let (status, body) = match outcome {
        Ok(Answer::File(name, bytes)) => {
            let disposition = HeaderValue::from_str(&format!("attachment; filename={name}"));
            let headers = response.headers_mut();
            headers.extend(disposition.map(|value| (CONTENT_DISPOSITION, value)));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            *response.body_mut() = bytes.into();
            return response;
        }
        Ok(answer) => render_answer(style, answer),
        Err(error) => {
            let (name, status) = error.kind.facts();
            if error.kind == ErrorKind::Unauthenticated {
                let basic = HeaderValue::from_static("Basic realm=\"VAPI endpoint\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, basic);
            }
            if error.bare && style == Style::Api {
                let status = if status == StatusCode::FORBIDDEN { StatusCode::BAD_REQUEST } else { status };
                *response.status_mut() = status;
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let body = format!("{{\"error_type\":\"{}\", \"messages\":[]}}", name.to_ascii_uppercase());
                *response.body_mut() = body.into();
                return response;
            }
            (status, Some(render_error(style, name, &error)))
        }
    };
    *response.status_mut() = status;
    if let Some(body) = body {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = body.to_string().into();
    }
    response
}

fn render_answer(style: Style, answer: Answer) -> (StatusCode, Option<Value>) {
    match (style, answer) {
        (Style::Rest, Answer::Value(value) | Answer::Created(value)) => {
            (StatusCode::OK, Some(json!({ "value": value })))
        }
        (Style::Rest, Answer::Nothing) => (StatusCode::OK, None),
        (Style::Api, Answer::Value(value)) => (StatusCode::OK, Some(value)),
        (Style::Api, Answer::Created(value)) => (StatusCode::CREATED, Some(value)),
        (Style::Api, Answer::Nothing) => (StatusCode::NO_CONTENT, None),
        (_, Answer::File(..)) => (StatusCode::OK, None),
    }
}

fn render_error(style: Style, name: &str, error: &RestError) -> Value {
    let kind = name.to_ascii_uppercase();
    let messages = json!([{ "args": [], "default_message": error.message, "id": error.id }]);
    match style {
        Style::Rest => {
            let name = format!("com.vmware.vapi.std.errors.{name}");
            json!({ "type": name, "value": { "error_type": kind, "messages": messages } })
        }
        Style::Api => json!({ "error_type": kind, "messages": messages }),
    }
}
