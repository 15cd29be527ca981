//! `com.vmware.content.library`: content libraries. There are none yet, and nothing here makes any.

use axum::Router;
use axum::routing::get;
use serde_json::json;

use super::{Answer, Caller, Rest};

pub(super) fn routes(router: Router<Rest>) -> Router<Rest> {
    router
        .route("/com/vmware/content/library", get(list))
        .route("/com/vmware/content/local-library", get(list))
        .route("/com/vmware/content/subscribed-library", get(list))
}

/// The identifiers of all libraries.
async fn list(_: Caller) -> Answer {
    Answer::Value(json!([]))
}
