//! `/debug/vars`: how much there is, in the form of vcsim's `expvar` page, which scripts read to learn what they got.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use vimsim_simulator::Service;
use vimsim_types::TypeId;
use vimsim_types::View;
use vimsim_types::views::{
    ClusterComputeResource, Datacenter, Datastore, DistributedVirtualPortgroup, Folder, HostSystem, OpaqueNetwork,
    ResourcePool, StoragePod, VirtualApp, VirtualMachine,
};

pub(crate) fn routes(service: Arc<Service>) -> Router {
    Router::new().route("/debug/vars", get(vars)).with_state(service)
}

/// What each entity counts as. NSX portgroups count as portgroups, as with vcsim.
const COUNTED: [(&str, TypeId); 11] = [
    ("app", VirtualApp::TYPE),
    ("cluster", ClusterComputeResource::TYPE),
    ("datacenter", Datacenter::TYPE),
    ("datastore", Datastore::TYPE),
    ("folder", Folder::TYPE),
    ("host", HostSystem::TYPE),
    ("machine", VirtualMachine::TYPE),
    ("opaqueNetwork", OpaqueNetwork::TYPE),
    ("pod", StoragePod::TYPE),
    ("pool", ResourcePool::TYPE),
    ("portgroup", DistributedVirtualPortgroup::TYPE),
];

/// The counts, at this moment.
// Fidelity: vcsim has the locks of its objects beside them. Ours have none.
async fn vars(State(service): State<Arc<Service>>) -> Json<Value> {
    let snapshot = service.snapshot();
    let mut counts = [0_u64; COUNTED.len()];
    for object in snapshot.objects() {
        let kind = object.moref().kind();
        if let Some(at) = COUNTED.iter().position(|(_, counted)| *counted == kind) {
            counts[at] += 1;
        }
    }
    let mut model: serde_json::Map<_, _> =
        COUNTED.iter().zip(counts).map(|((name, _), count)| ((*name).to_owned(), json!(count))).collect();
    model.insert("portgroupNSX".into(), json!(0));
    Json(json!({ "vcsim": { "registry": { "objects": snapshot.len(), "locks": 0 }, "model": model } }))
}
