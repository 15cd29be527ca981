//! A client that sends and fetches files, for tests.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{COOKIE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::{Client as Http, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use crate::{Client, Error, Simulator};

/// What a request for a file is answered.
#[derive(Clone, Debug)]
pub struct FileAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The bytes.
    pub body: Bytes,
}

impl FileAnswer {
    /// A header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client that sends the same headers with each request.
pub struct FileClient {
    http: Http<HttpConnector, Full<Bytes>>,
    url: String,
    headers: HeaderMap,
}

impl FileClient {
    /// A client without a session.
    pub fn new(simulator: &Simulator) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self { http, url: simulator.url().to_string(), headers: HeaderMap::new() }
    }

    /// A client in the session of another.
    pub fn in_session(simulator: &Simulator, client: &Client) -> Self {
        let cookie = client.session().map(|session| format!("vmware_soap_session={session}")).unwrap_or_default();
        Self::new(simulator).header(COOKIE, &cookie)
    }

    /// The same client, sending another header.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Sends a request to a path such as `/folder/a?dsName=b`, or to a URL of the simulator.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: impl Into<Bytes>,
    ) -> Result<FileAnswer, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Connection(error.to_string());
        let url = if path.starts_with("http") { path.to_string() } else { format!("{}{path}", self.url) };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let mut request = request.body(Full::new(body.into())).map_err(|error| failed(&error))?;
        request.headers_mut().extend(self.headers.clone());
        let response = self.http.request(request).await.map_err(|error| failed(&error))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| failed(&error))?.to_bytes();
        Ok(FileAnswer { status: parts.status, headers: parts.headers, body })
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Result<FileAnswer, Error> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// `PUT`.
    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Result<FileAnswer, Error> {
        self.send(Method::PUT, path, &[], body).await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<FileAnswer, Error> {
        self.send(Method::POST, path, &[], body).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<FileAnswer, Error> {
        self.send(Method::DELETE, path, &[], Bytes::new()).await
    }
}
