//! A real engine, Docker or Podman, through its API.

mod address;
mod containers;
mod convert;
mod error;
mod events;
mod exec;
mod images;
mod networks;
mod runtime;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};

pub use crate::engine::address::EngineAddress;
use crate::engine::error::cause;
use crate::{Result, RuntimeError};

/// So long may an engine think before it answers; long enough for an image to be looked up in its registry.
const PATIENCE: Duration = Duration::from_secs(120);
/// So long may an engine take to say that it is there.
const PING_PATIENCE: Duration = Duration::from_secs(5);

/// Docker or Podman. It is looked for when it is first needed, and again when it has gone. Clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    addresses: Vec<EngineAddress>,
    found: RwLock<Option<Docker>>,
    /// Held while a network is looked for and made: engines allow two of one name, and are confused by them.
    making_network: tokio::sync::Mutex<()>,
}

impl Engine {
    /// The first of these places at which an engine answers; nothing is asked yet.
    pub fn at(addresses: Vec<EngineAddress>) -> Self {
        Self(Arc::new(Inner { addresses, found: RwLock::default(), making_network: Default::default() }))
    }

    /// The engine that an environment leads to: see [`EngineAddress::from_environment`].
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self::at(EngineAddress::from_environment(variable))
    }

    /// The engine, looked for if need be.
    async fn docker(&self) -> Result<Docker> {
        if let Some(docker) = self.0.found.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(docker);
        }
        let mut reasons = Vec::new();
        for address in &self.0.addresses {
            match connect(address).await {
                Ok(docker) => {
                    *self.0.found.write().unwrap_or_else(PoisonError::into_inner) = Some(docker.clone());
                    return Ok(docker);
                }
                Err(reason) => reasons.push(format!("{address}: {reason}")),
            }
        }
        Err(RuntimeError::NoEngine { reason: reasons.join("; ") })
    }

    /// Translates an engine's error. If it is gone, it is looked for again next time.
    fn error(&self, error: bollard::errors::Error) -> RuntimeError {
        let error = error::translate(error);
        if error.is_no_engine() {
            *self.0.found.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        error
    }
}

/// Says hello to the engine at an address.
async fn connect(address: &EngineAddress) -> Result<Docker, String> {
    let seconds = PATIENCE.as_secs();
    let connected = match address {
        EngineAddress::Unix(path) => Docker::connect_with_unix(path, seconds, API_DEFAULT_VERSION),
        EngineAddress::Tcp(host) => Docker::connect_with_http(host, seconds, API_DEFAULT_VERSION),
        EngineAddress::Tls { host, certificates } => {
            let file = |name: &str| certificates.join(name);
            let (key, certificate, authority) = (file("key.pem"), file("cert.pem"), file("ca.pem"));
            Docker::connect_with_ssl(host, &key, &certificate, &authority, seconds, API_DEFAULT_VERSION)
        }
        EngineAddress::Unsupported(_) => return Err("only unix:// and tcp:// are supported".into()),
    };
    let docker = connected.map_err(|error| cause(&error))?;
    match tokio::time::timeout(PING_PATIENCE, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(cause(&error)),
        Err(_) => Err(format!("no answer in {} s", PING_PATIENCE.as_secs())),
    }
}
