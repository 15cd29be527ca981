//! Files over HTTP: datastores under `/folder`, what virtual machines are imported from and exported to under `/nfc`, and
//! files of guests under `/guestFile`.

pub(crate) mod answer;
mod caller;
mod folder;
mod guest;
mod listing;
mod nfc;
mod range;

use std::sync::Arc;

use axum::Router;
use vimsim_simulator::Service;

/// The routes of all three.
pub(crate) fn routes(service: &Arc<Service>) -> Router {
    let routes = folder::routes(service.clone()).merge(nfc::routes(service.clone()));
    routes.merge(guest::routes(service.clone()))
}
