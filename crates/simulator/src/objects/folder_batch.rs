//! `Folder`: adding many hosts at once. A host that cannot be added keeps none of the others from it.

use vimsim_types::method::{
    AddHostTask, AddStandaloneHostTask, BatchAddHostsToClusterTask, BatchAddStandaloneHostsTask,
};
use vimsim_types::views::{
    ClusterComputeResource, ComputeResource, Folder, FolderBatchAddHostsToClusterResult,
    FolderBatchAddStandaloneHostsResult, FolderFailedHostResult, FolderNewHostSpec, HostSystem, LocalizableMessage,
};
use vimsim_types::{Fault, Moref, View};

use super::{cluster_compute_resource, compute_resource, folder, managed_entity};
use crate::call::Call;
use crate::containers;

/// Says which host failed, at what, and why.
fn failed(name: &str, host: Option<Moref>, context: &str, fault: &Fault) -> FolderFailedHostResult {
    FolderFailedHostResult::with(|result| {
        result.set_host_name(name).set_host(host);
        result.set_context(LocalizableMessage::with(|message| {
            message.set_key("com.vmware.vim.folder.batchAddHosts").set_message(context);
        }));
        result.set_fault(fault.localized());
    })
}

fn name(host: &FolderNewHostSpec) -> &str {
    host.host_cnx_spec().host_name().map_or("", |name| name.as_str())
}

/// Adds hosts by themselves.
///
/// - `NotSupported` if this is no folder of hosts; what is wrong with a host is in the result.
pub(super) fn batch_add_standalone_hosts(
    call: &mut Call<'_, Folder>,
    request: BatchAddStandaloneHostsTask,
) -> Result<Moref, Fault> {
    folder::expect_child_type::<ComputeResource>(call.this()?)?;
    call.start_task(move |call| {
        let (mut added, mut failures) = (Vec::new(), Vec::new());
        for host in request.new_hosts() {
            match add_standalone(call, host, &request) {
                Ok(hosts) => added.extend(hosts),
                Err(fault) => failures.push(failed(name(host), None, "the host cannot be added", &fault)),
            }
        }
        Ok(FolderBatchAddStandaloneHostsResult::with(|result| {
            result.set_added_hosts(added).set_hosts_failed_inventory_add(failures);
        }))
    })
}

fn add_standalone(
    call: &mut Call<'_, Folder>,
    host: &FolderNewHostSpec,
    batch: &BatchAddStandaloneHostsTask,
) -> Result<Vec<Moref>, Fault> {
    let this = call.moref();
    compute_resource::check_connect_spec(call, host.host_cnx_spec())?;
    managed_entity::check_name(call, &this, name(host))?;
    let mut request = AddStandaloneHostTask::new();
    request.set_spec(host.host_cnx_spec().clone()).set_add_connected(batch.add_connected());
    if let Some(spec) = batch.comp_res_spec() {
        // Checked on a copy, so that nothing has been made when it is wrong.
        compute_resource::apply(&mut View::new(), spec)?;
        request.set_comp_res_spec(spec.clone());
    }
    let of = containers::of_new_host(call, request.spec())?;
    let reserved = compute_resource::reserve_standalone(call);
    let host = reserved.host.clone();
    let compute_resource = compute_resource::create_standalone(call, &this, &request, reserved)?;
    // The container comes with a task of the host's own: the batch does not wait for it.
    containers::begin_backed(call, &host, &of)?;
    Ok(call.get::<ComputeResource>(&compute_resource)?.host().iter().collect())
}

/// Adds new hosts to a cluster, and moves hosts of the inventory into it.
///
/// - `NotSupported` if this is no folder of hosts; `ManagedObjectNotFound` for a cluster or host that is not there; what
///   else is wrong with a host is in the result.
pub(super) fn batch_add_hosts_to_cluster(
    call: &mut Call<'_, Folder>,
    request: BatchAddHostsToClusterTask,
) -> Result<Moref, Fault> {
    folder::expect_child_type::<ComputeResource>(call.this()?)?;
    let cluster = request.cluster();
    call.get::<ClusterComputeResource>(&cluster)?;
    for host in request.existing_hosts() {
        call.get::<HostSystem>(&host)?;
    }
    call.start_task(move |call| {
        let (mut added, mut not_added, mut not_moved) = (Vec::new(), Vec::new(), Vec::new());
        let mut on = call.on::<ClusterComputeResource>(&cluster);
        for host in request.new_hosts() {
            let mut request = AddHostTask::new();
            request.set_spec(host.host_cnx_spec().clone()).set_as_connected(true);
            let checked = compute_resource::check_connect_spec(&on, host.host_cnx_spec());
            let of = checked.and_then(|()| containers::of_new_host(&on, host.host_cnx_spec()));
            let reserved = cluster_compute_resource::reserve(&mut on);
            let add = |on: &mut Call<'_, ClusterComputeResource>, of| {
                let host = cluster_compute_resource::add(on, &request, reserved)?;
                containers::begin_backed(on, &host, &of).map(|()| host)
            };
            match of.and_then(|of| add(&mut on, of)) {
                Ok(host) => added.push(host),
                Err(fault) => not_added.push(failed(name(host), None, "the host cannot be added", &fault)),
            }
        }
        for host in request.existing_hosts() {
            match cluster_compute_resource::move_one(&mut on, &host, None) {
                Ok(()) => added.push(host),
                Err(fault) => {
                    let name = on.get::<HostSystem>(&host)?.name().clone();
                    not_moved.push(failed(&name, Some(host), "the host cannot be moved into the cluster", &fault));
                }
            }
        }
        Ok(FolderBatchAddHostsToClusterResult::with(|result| {
            result.set_hosts_added_to_cluster(added);
            result.set_hosts_failed_inventory_add(not_added).set_hosts_failed_move_to_cluster(not_moved);
        }))
    })
}
