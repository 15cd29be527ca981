//! `/nfc`: the files that leases let through.

use std::sync::Arc;

use axum::Router;
use vimsim_simulator::Service;

pub(super) fn routes(_: Arc<Service>) -> Router {
    Router::new()
}
