//! A simulator of a test's own.

use std::sync::Arc;

use vimsim_server::{Delay, Sdk, Server, ServerBuilder, Tls, Trace};
use vimsim_simulator::{Clock, Config, Service, SystemClock};
use vimsim_types::Fault;

/// Why a simulator, or a call of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server could not be started.
    #[error("cannot serve")]
    Server(#[from] vimsim_server::Error),
    /// The inventory could not be built.
    #[error("cannot start the service")]
    Service(#[from] vimsim_simulator::Error),
    /// The connection failed.
    #[error("cannot talk to the simulator: {0}")]
    Connection(String),
    /// The simulator answered a fault.
    #[error("{0}")]
    Fault(#[from] Fault),
}

impl Error {
    /// The fault that was answered, if it was one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Error::Fault(fault) => Some(fault),
            _ => None,
        }
    }
}

/// A simulator on a port of its own, over plain HTTP. Stops when it is dropped; containers that it has made are removed
/// only by [`Simulator::stop`].
pub struct Simulator {
    server: Option<Server>,
    service: Arc<Service>,
    url: String,
}

impl Simulator {
    /// Starts a simulator on a free port of the loopback interface. Needs a tokio runtime.
    pub async fn start(config: Config) -> Result<Self, Error> {
        Self::start_with_clock(config, Arc::new(SystemClock)).await
    }

    /// Starts a simulator whose time is that of `clock`.
    pub async fn start_with_clock(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let listen = "127.0.0.1:0".to_string();
        let server = vimsim_server::Config { listen, tls: Tls::Off, ..vimsim_server::Config::default() };
        Self::start_with(config, server, clock).await
    }

    async fn start_with(
        mut config: Config,
        server: vimsim_server::Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let body_limit = server.limits.body;
        config.plain_http = server.tls == Tls::Off;
        let builder = ServerBuilder::bind(server).await?;
        config.address.get_or_insert(builder.endpoint().address);
        if config.certificate.is_none() {
            config.certificate = builder.endpoint().certificate.as_ref().map(|certificate| certificate.to_vec());
        }
        let service = Service::start_with_clock(config, clock)?;
        if let Err(error) = service.begin_containers(|_| {}).await {
            service.stop();
            service.end_containers().await;
            return Err(error.into());
        }
        let sdk = Sdk {
            service: service.clone(),
            trace: Trace::off(),
            delay: Arc::new(Delay::default()),
            metrics: builder.metrics().clone(),
            body_limit,
            secure_cookies: false,
        };
        let server = builder.start(sdk.routes());
        let url = server.endpoint().url();
        Ok(Self { server: Some(server), service, url })
    }

    /// The URL of the server's root: `http://127.0.0.1:41234`. Clients connect to `/sdk` below it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The service behind the server.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Stops, and returns when nothing is left of it.
    pub async fn stop(mut self) {
        self.service.stop();
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        self.service.end_containers().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.service.stop();
    }
}
