//! A client of the REST face, for tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::{Client as Http, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::{Error, Simulator};

/// What a REST request is answered.
#[derive(Clone, Debug)]
pub struct RestAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it is JSON.
    pub body: Value,
}

/// A client that sends JSON and the same headers with each request.
pub struct RestClient {
    http: Http<HttpConnector, Full<Bytes>>,
    url: String,
    headers: HeaderMap,
}

impl RestClient {
    /// A client without a session.
    pub fn new(simulator: &Simulator) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self { http, url: simulator.url().to_string(), headers: HeaderMap::new() }
    }

    /// A client that has logged in.
    pub async fn login(simulator: &Simulator) -> Result<Self, Error> {
        let client = Self::new(simulator).authorize("user", "pass");
        let answer = client.send(Method::POST, "/api/session", None).await?;
        let Some(session) = answer.body.as_str() else {
            return Err(Error::Connection(format!("the login was answered {}", answer.status)));
        };
        Ok(Self::new(simulator).header("vmware-api-session-id", session))
    }

    /// The same client, sending another header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// The same client, sending a name and password.
    pub fn authorize(self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.header("authorization", &format!("Basic {pair}"))
    }

    /// Sends a request to a path such as `/api/session`, and returns what it is answered.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<RestAnswer, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Connection(error.to_string());
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        let mut request = request.body(Full::new(body.into())).map_err(|error| failed(&error))?;
        request.headers_mut().extend(self.headers.clone());
        let response = self.http.request(request).await.map_err(|error| failed(&error))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| failed(&error))?.to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(RestAnswer { status: parts.status, headers: parts.headers, body })
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Result<RestAnswer, Error> {
        self.send(Method::GET, path, None).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: Value) -> Result<RestAnswer, Error> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// `PATCH` with JSON.
    pub async fn patch(&self, path: &str, body: Value) -> Result<RestAnswer, Error> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<RestAnswer, Error> {
        self.send(Method::DELETE, path, None).await
    }
}
