//! A request for one of the many services that are told apart by path alone, taken apart, and what it can ask the
//! simulator for.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, FromRequest, Query, Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Method, Uri};
use serde_json::Value as Json;
use vimsim_simulator::{Peer, Request as Soap, Service, Session};
use vimsim_types::enums::TaskInfoState;
use vimsim_types::views::{LocalizedMethodFault, Task};
use vimsim_types::{Fault, MethodView, Moref, Object, TypeId, Value, View};

use super::{Caller, ErrorKind, Rest, RestError, Result};
use super::{appliance, data_sets, inventory, key_providers, library, lifecycle, namespaces, tasks};
use crate::ConnectionInfo;
use crate::sdk::peer;

/// One request.
pub(super) struct Call {
    pub(super) rest: Rest,
    pub(super) session: Arc<Session>,
    pub(super) method: Method,
    /// The path below `/rest` or `/api`, in pieces.
    pub(super) path: Vec<String>,
    pub(super) parameters: BTreeMap<String, String>,
    /// The same, with what comes more than once.
    pairs: Vec<(String, String)>,
    /// Where the client reached us: `https://127.0.0.1:8989`.
    base: String,
    /// The body; an object with nothing in it, if there is none.
    pub(super) body: Json,
    peer: Peer,
}

/// Finds who answers. Each answers `NOT_FOUND` to what it does not know.
pub(super) async fn dispatch(
    State(rest): State<Rest>,
    caller: Caller,
    connection: Extension<Arc<ConnectionInfo>>,
    pairs: Query<Vec<(String, String)>>,
    request: Request,
) -> Result {
    let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
    let body = Bytes::from_request(request, &()).await.map_err(|error| RestError::invalid(&error))?;
    let body = if matches!(body.trim_ascii(), b"" | b"null") { b"{}" } else { &body[..] };
    let call = Call {
        session: caller.session,
        peer: peer(&connection, &headers),
        path: uri.path().split('/').filter(|piece| !piece.is_empty()).map(decode).collect(),
        parameters: pairs.0.iter().cloned().collect(),
        pairs: pairs.0,
        body: serde_json::from_slice(body).map_err(|error| RestError::invalid(&error))?,
        base: base(&connection, &uri, &headers),
        rest,
        method,
    };
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match path[..] {
        ["vcenter", "vm", machine, "data-sets", ref rest @ ..] => data_sets::answer(&call, machine, rest),
        ["appliance", ref rest @ ..] => appliance::answer(&call, rest),
        ["content", ref rest @ ..] | ["com", "vmware", "content", ref rest @ ..] => library::answer(&call, rest).await,
        ["vcenter", "ovf", "library-item", ref rest @ ..]
        | ["com", "vmware", "vcenter", "ovf", "library-item", ref rest @ ..] => library::ovf(&call, rest).await,
        ["vcenter", "vm-template", "library-items", ref rest @ ..] => library::templates(&call, rest).await,
        ["cis", "tasks", ref rest @ ..] => tasks::answer(&call, rest),
        ["esx", "settings", ref rest @ ..] => lifecycle::answer(&call, rest),
        ["vcenter", "namespace-management", ref rest @ ..] => namespaces::management(&call, rest),
        ["vcenter", "namespaces", "instances", ref rest @ ..] => namespaces::instances(&call, rest).await,
        ["vcenter", "consumption-domains", "zones", ref rest @ ..] => namespaces::zones(&call, rest),
        ["vcenter", "crypto-manager", "kms", "providers", ref rest @ ..] => key_providers::answer(&call, rest),
        ["vcenter", ref rest @ ..] => inventory::answer(&call, rest).await,
        _ => Err(nothing_at(&uri)),
    }
}

/// The beginning of the URLs of this service, as the client writes them.
fn base(connection: &ConnectionInfo, uri: &Uri, headers: &HeaderMap) -> String {
    let scheme = if connection.encrypted { "https" } else { "http" };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(|host| host.as_str()));
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

fn nothing_at(uri: &Uri) -> RestError {
    RestError::new(ErrorKind::NotFound, "com.vmware.vapi.rest.httpNotFound", format!("nothing is at {}", uri.path()))
}

/// A text as a piece of a path, or of what follows it.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// A piece of a path, without its `%` escapes.
pub(super) fn decode(piece: &str) -> String {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Call {
    pub(super) fn service(&self) -> &Arc<Service> {
        &self.rest.service
    }

    /// Where the client reached us.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The action that the URL names.
    pub(super) fn action(&self) -> Option<&str> {
        self.parameters.get("action").or_else(|| self.parameters.get("~action")).map(String::as_str)
    }

    /// The answer to a path, method or action that there is not.
    pub(super) fn unknown(&self) -> RestError {
        let message = match self.action() {
            Some(action) => format!("there is no action '{action}' at {}", self.path.join("/")),
            None => format!("{} is not served at {}", self.method, self.path.join("/")),
        };
        RestError::new(ErrorKind::NotFound, "com.vmware.vapi.rest.httpNotFound", message)
    }

    /// A text of the body.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer)?.as_str()
    }

    /// A text of the body that must be there.
    pub(super) fn required(&self, pointer: &str) -> Result<&str> {
        let missing =
            || RestError::invalid(&format!("{} is missing", pointer.trim_start_matches('/').replace('/', ".")));
        self.text(pointer).filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    /// `UNAUTHORIZED` unless the user has the privilege at an object, or else at the root folder.
    pub(super) fn may(&self, object: Option<&Moref>, privilege: &str) -> Result<()> {
        Ok(self.service().authorize(&self.session, object, privilege)?)
    }

    /// The object of this identifier, if it is a `V` that the user may know of; `NOT_FOUND` otherwise.
    pub(super) fn object<V: View>(&self, id: &str) -> Result<Moref> {
        let found = self.service().snapshot().object_by_value(id).map(|object| object.moref().clone());
        let found = found.filter(|moref| moref.is::<V>() && self.service().may_see(&self.session, moref));
        found.ok_or_else(|| self.no_object(V::TYPE, id))
    }

    /// `NOT_FOUND` for an object of a type.
    pub(super) fn no_object(&self, kind: TypeId, id: &str) -> RestError {
        let message = format!("{} with identifier '{id}' does not exist.", kind.name());
        RestError::new(ErrorKind::NotFound, "com.vmware.api.vcenter.object_not_found", message)
    }

    /// What a filter of a list names: `names=a&names=b`, or `filter.names.1=a` in the oldest paths.
    pub(super) fn wanted(&self, name: &str) -> Vec<&str> {
        let is_it = |key: &str| {
            let key = key.strip_prefix("filter.").unwrap_or(key);
            let rest = key.strip_prefix(name);
            rest.is_some_and(|rest| rest.trim_start_matches('.').bytes().all(|byte| byte.is_ascii_digit()))
        };
        self.pairs.iter().filter(|(key, _)| is_it(key)).map(|(_, value)| value.as_str()).collect()
    }

    /// Calls a method of the Web Services API in the caller's session, with all its checks.
    pub(super) async fn soap<M: MethodView>(&self, this: &Moref, arguments: M) -> Result<Value, Fault> {
        self.call(M::method(), this, arguments.into()).await
    }

    /// [`Self::soap`] of a method that starts a task: what the task results in.
    pub(super) async fn task<M: MethodView>(&self, this: &Moref, arguments: M) -> Result<Value, Fault> {
        let task = self.call(M::method(), this, arguments.into()).await?;
        self.finished(task).await
    }

    async fn call(
        &self,
        method: &'static vimsim_types::Method,
        this: &Moref,
        arguments: Object,
    ) -> Result<Value, Fault> {
        let request = Soap {
            method,
            this: this.clone(),
            arguments,
            version: self.service().api_version(),
            cookie: Some(self.session.cookie().clone()),
            token: None,
            peer: self.peer.clone(),
        };
        self.service().call(request).await.result
    }

    async fn finished(&self, task: Value) -> Result<Value, Fault> {
        let Some(task) = task.moref() else { return Ok(Value::Unset) };
        let mut versions = self.service().versions();
        loop {
            let snapshot = self.service().snapshot();
            let Some(view) = snapshot.view::<Task>(&task) else { return Ok(Value::Unset) };
            match view.info().state() {
                TaskInfoState::Success => return Ok(view.info().result().clone()),
                TaskInfoState::Error => return Err(fault_of(view.info().error())),
                _ => {}
            }
            drop(snapshot);
            if versions.changed().await.is_err() {
                return Err(Fault::invalid_request("the service is stopping"));
            }
        }
    }
}

/// The fault that a task ended with.
fn fault_of(error: Option<&LocalizedMethodFault>) -> Fault {
    let Some(error) = error else { return Fault::invalid_request("the task failed") };
    let message = error.localized_message().cloned().unwrap_or_default();
    Fault::from_object(error.fault().as_object().clone(), message)
}
