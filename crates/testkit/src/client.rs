//! A client for tests: speaks SOAP over HTTP like any other, with the project's own codec.

use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{COOKIE, SET_COOKIE};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::{Client as Http, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use vimsim_types::enums::TaskInfoState;
use vimsim_types::method::{Login, RetrievePropertiesEx};
use vimsim_types::views::{
    ObjectContent, ObjectSpec, PropertyCollector, PropertyFilterSpec, PropertySpec, RetrieveOptions, RetrieveResult,
    ServiceInstance, SessionManager,
};
use vimsim_types::{Method, MethodView, Moref, Value, Version, View};
use vimsim_wire as wire;

use crate::{Error, Simulator};

/// A client with a session of its own.
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    url: String,
    version: &'static str,
    collector: Moref,
    cookie: Mutex<Option<String>>,
}

impl Client {
    /// A client without a session.
    pub fn new(simulator: &Simulator) -> Self {
        Self {
            http: Http::builder(TokioExecutor::new()).build_http(),
            url: format!("{}/sdk", simulator.url()),
            version: "8.0.3.0",
            collector: Moref::of::<PropertyCollector>("propertyCollector"),
            cookie: Mutex::default(),
        }
    }

    /// A client of another path than `/sdk`.
    pub fn at(simulator: &Simulator, path: &str) -> Self {
        Self { url: format!("{}{path}", simulator.url()), ..Self::new(simulator) }
    }

    /// A client that has logged in.
    pub async fn login(simulator: &Simulator) -> Result<Self, Error> {
        let mut client = Self::new(simulator);
        let snapshot = simulator.service().snapshot();
        let content = snapshot.view::<ServiceInstance>(&Self::service_instance()).map(|instance| instance.content());
        let sessions = content.and_then(|content| content.session_manager());
        if let Some(content) = content {
            client.collector = content.property_collector();
        }
        let request = Login::with(|request| {
            request.set_user_name("user").set_password("pass");
        });
        let sessions = sessions.unwrap_or_else(|| Moref::of::<SessionManager>("SessionManager"));
        client.call(&sessions, request).await?;
        Ok(client)
    }

    /// The same connection, speaking another version of the API.
    pub fn speaking(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// The same connection, in a session that exists.
    pub fn with_session(self, session: &str) -> Self {
        Self { cookie: Mutex::new(Some(format!("vmware_soap_session={session}"))), ..self }
    }

    /// The session's cookie, as the service set it.
    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().ok()?.clone()
    }

    /// The session, as its cookie names it.
    pub fn session(&self) -> Option<String> {
        let cookie = self.cookie.lock().ok()?;
        cookie.as_deref()?.split_once('=').map(|(_, session)| session.trim_matches('"').to_string())
    }

    /// The reference of the service instance.
    pub fn service_instance() -> Moref {
        Moref::of::<ServiceInstance>("ServiceInstance")
    }

    /// Calls a method, and returns what it answers.
    pub async fn call<M: MethodView>(&self, this: &Moref, arguments: M) -> Result<Value, Error> {
        let method = M::method();
        let mut body = Vec::new();
        let request = wire::Request {
            namespace: method.namespace(),
            method,
            this: this.clone(),
            arguments: arguments.into(),
            header: wire::Header::default(),
        };
        wire::encode_request(&request, Version::NEWEST, false, &mut body);
        let (_, body) = self.post(body).await?;
        self.decode(method, &body)
    }

    fn decode(&self, method: &Method, body: &[u8]) -> Result<Value, Error> {
        Ok(wire::decode_response(method, body, &wire::Limits::default())??)
    }

    /// Sends these bytes, whatever they are, and returns the status and body of the answer.
    pub async fn post(&self, body: impl Into<Bytes>) -> Result<(StatusCode, Bytes), Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Connection(error.to_string());
        let mut request = Request::post(&self.url)
            .header("SOAPAction", format!("\"urn:vim25/{}\"", self.version))
            .header("Content-Type", "text/xml; charset=utf-8");
        let cookie = self.cookie.lock().map(|cookie| cookie.clone()).unwrap_or_default();
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request.body(Full::new(body.into())).map_err(|error| failed(&error))?;
        let response = self.http.request(request).await.map_err(|error| failed(&error))?;
        let cookie = response.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        if let Some(cookie) = cookie.and_then(|cookie| cookie.split(';').next())
            && let Ok(mut known) = self.cookie.lock()
        {
            *known = Some(cookie.to_string());
        }
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| failed(&error))?;
        Ok((status, body.to_bytes()))
    }

    /// Reads properties of one object; all that are set if `paths` is empty.
    pub async fn properties(&self, moref: &Moref, paths: &[&str]) -> Result<ObjectContent, Error> {
        let spec = PropertyFilterSpec::with(|spec| {
            spec.push_prop_set(PropertySpec::with(|properties| {
                properties.set_type(moref.kind().name()).set_all(paths.is_empty());
                properties.set_path_set(paths.iter().copied());
            }));
            spec.push_object_set(ObjectSpec::with(|object| {
                object.set_obj(moref.clone());
            }));
        });
        let mut contents = self.retrieve(spec).await?;
        contents.pop().ok_or_else(|| Error::Connection(format!("nothing was answered for {moref}")))
    }

    /// Reads one property of one object.
    pub async fn property(&self, moref: &Moref, path: &str) -> Result<Value, Error> {
        let content = self.properties(moref, &[path]).await?;
        Ok(content.prop_set().first().map(|property| property.val().clone()).unwrap_or_default())
    }

    /// Reads what a filter specification selects.
    pub async fn retrieve(&self, spec: PropertyFilterSpec) -> Result<Vec<ObjectContent>, Error> {
        let request = RetrievePropertiesEx::with(|request| {
            request.push_spec_set(spec).set_options(RetrieveOptions::new());
        });
        let answer = self.call(&self.collector, request).await?;
        let result = answer.object().and_then(RetrieveResult::from_ref);
        Ok(result.map(|result| result.objects().iter().cloned().collect()).unwrap_or_default())
    }

    /// Calls a method that starts a task, waits for the task to end, and returns its result.
    pub async fn run<M: MethodView>(&self, this: &Moref, arguments: M) -> Result<Value, Error> {
        let task = self.call(this, arguments).await?;
        let task = task.moref().ok_or_else(|| Error::Connection(format!("{} answered no task", M::NAME)))?;
        self.wait_for_task(&task).await
    }

    /// Waits for a task to end, and returns its result; its error becomes a fault.
    pub async fn wait_for_task(&self, task: &Moref) -> Result<Value, Error> {
        use vimsim_types::views::TaskInfo;
        loop {
            let info = self.property(task, "info").await?;
            let info = info.object().and_then(TaskInfo::from_ref).cloned().unwrap_or_else(TaskInfo::new);
            match info.state() {
                TaskInfoState::Success => return Ok(info.result().clone()),
                TaskInfoState::Error => {
                    let error = info.error().cloned().unwrap_or_else(View::new);
                    let message = error.localized_message().cloned().unwrap_or_default();
                    let detail = error.fault().as_object().clone();
                    return Err(vimsim_types::Fault::from_object(detail, message).into());
                }
                TaskInfoState::Queued | TaskInfoState::Running => tokio::task::yield_now().await,
            }
        }
    }
}
