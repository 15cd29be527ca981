//! A simulated vCenter or ESXi host to embed in a test: started on a free port, stopped when dropped.
//!
//! ```
//! use vimsim::{Client, Config, Simulator};
//! use vimsim::types::{View, method::CurrentTime, views::ServiceInstance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), vimsim::Error> {
//! let simulator = Simulator::start(Config::default()).await?;
//! let client = Client::login(&simulator).await?;
//! let time = client.call(&Client::service_instance(), CurrentTime::new()).await?;
//! assert!(!time.is_unset());
//! # Ok(())
//! # }
//! ```

mod client;
mod files;
mod rest;
mod simulator;

pub use client::Client;
pub use files::{FileAnswer, FileClient};
pub use rest::{RestAnswer, RestClient};
pub use simulator::{Error, Simulator};
pub use vimsim_container as container;
pub use vimsim_server::{SavedError, read_saved};
pub use vimsim_simulator::{
    Clock, Config, Containers, Credentials, Fidelity, ManualClock, Model, Peer, Product, Request, SavedObject,
    SystemClock,
};
pub use vimsim_types as types;
