//! Files over HTTP: datastores under `/folder`, and what virtual machines are imported from and exported to under `/nfc`.

mod answer;
mod caller;
mod folder;
mod listing;
mod nfc;
mod range;

use std::sync::Arc;

use axum::Router;
use vimsim_simulator::Service;

/// The routes of both.
pub(crate) fn routes(service: &Arc<Service>) -> Router {
    folder::routes(service.clone()).merge(nfc::routes(service.clone()))
}
