//! HTTP for a simulator: the listener, TLS, limits, and the routes that know nothing of vSphere.
//!
//! What vSphere knows arrives as an [`axum::Router`] of application routes. A server comes up in two steps, because the
//! simulated inventory shows the address it is served from:
//!
//! ```no_run
//! # async fn example() -> Result<(), vimsim_server::Error> {
//! use vimsim_server::{Config, ServerBuilder};
//!
//! let builder = ServerBuilder::bind(Config::default()).await?; // the port is ours, and known
//! let sdk = axum::Router::new(); // ... routes built with builder.endpoint(), builder.metrics() ...
//! let server = builder.start(sdk); // requests are answered from here on
//! println!("{}", server.endpoint().url());
//! server.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! A request passes, from the outside in: `connection` (TLS, HTTP/1.1 or HTTP/2, who is calling), `routes` (metrics,
//! panics, compression, body limit) and then the application's handler, which finds an
//! [`Arc<ConnectionInfo>`](ConnectionInfo) in the request extensions: who is calling, with which client certificate, and
//! when the server stops.

mod body;
mod config;
mod connection;
mod delay;
mod drain;
mod error;
mod fetch;
mod files;
mod metrics;
mod probe;
mod rest;
mod routes;
mod saved;
mod sdk;
mod server;
mod sts;
mod tls;
mod trace;
mod tunnel;
mod vars;

pub use body::{BodyError, read_body};
pub use config::{Config, Limits, Tls};
pub use connection::ConnectionInfo;
pub use delay::{Delay, MethodDelayError, parse_method_delays};
pub use error::Error;
pub use metrics::Metrics;
pub use probe::probe;
pub use saved::{SavedError, read_saved};
pub use sdk::Sdk;
pub use server::{Endpoint, Server, ServerBuilder};
pub use tokio_util::sync::CancellationToken;
pub use trace::Trace;
