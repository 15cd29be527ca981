//! What must be true for a client, seen from outside: over HTTP, one simulator a test.
#![allow(
    clippy::unwrap_used,
    clippy::cloned_ref_to_slice_refs,
    reason = "a test that cannot go on fails, and says it plainly"
)]

mod agents;
mod alarms;
mod cluster;
mod cluster_modes;
mod containers;
mod crypto;
mod datastore_maintenance;
mod datastores;
mod default_inventory;
mod device_changes;
mod device_limits;
mod diagnostics;
mod disk_data;
mod distributed_switches;
mod encryption;
mod endpoints;
mod environment_browser;
mod events;
mod files;
mod first_class_disks;
mod high_availability;
mod host_interfaces;
mod host_managers;
mod hostile;
mod inventory;
mod iscsi;
mod json_rpc;
mod lease_pulls;
mod load;
mod luns;
mod machine_files;
mod machine_sizes;
mod machines;
mod networks;
mod permissions;
mod placement;
mod property_collector;
mod remounted;
mod rest;
mod rest_library;
mod rest_machines;
mod rest_services;
mod scheduled_tasks;
mod search;
mod sessions;
mod small_managers;
mod snapshots;
mod storage_policies;
mod tasks;
mod transfers;
mod usage;
mod vapps;
mod vcsim_ways;
mod versions;
mod volumes;
mod vsan_disks;

use vimsim::types::{MethodView, Moref, Value, View};
use vimsim::{Client, Config, Simulator};

/// A default vCenter, and a client that has logged in.
async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    (simulator, client)
}

/// Checks that a call answers a fault of type `F`, with a message.
#[track_caller]
fn check_fault<F: View>(answer: Result<Value, vimsim::Error>) {
    let error = answer.expect_err("must be a fault");
    let fault = error.fault().expect("must be a fault and no other error");
    assert!(fault.is::<F>(), "expected {:?}, found {fault}", F::TYPE);
    assert!(!fault.message().is_empty());
}

/// Calls a method that must answer a reference.
async fn create<M: MethodView>(client: &Client, this: &Moref, arguments: M) -> Moref {
    client.call(this, arguments).await.unwrap().moref().expect("a reference")
}

fn root_folder() -> Moref {
    Moref::of::<vimsim::types::views::Folder>("group-d1")
}
