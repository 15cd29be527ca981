//! `ClusterComputeResource`: hosts together.

pub(crate) mod availability;
mod lists;
mod recommendation;
mod reconfigure;
mod usage;
mod vsan;

use vimsim_types::method::{AddHostTask, MoveHostIntoTask, MoveIntoTask};
use vimsim_types::views::{
    ClusterComputeResource, ClusterComputeResourceSummary, ClusterConfigSpecEx, ComputeResource, DuplicateName,
    EnvironmentBrowser, HostSystem, InvalidState, NotSupported, ResourcePool, VirtualMachine,
};
use vimsim_types::{Fault, MethodView, Moref, View};

use super::{cluster_evc_manager, compute_resource, host_system, managed_entity, resource_pool};
use crate::call::Call;
use crate::containers;
use crate::kind::Kind;
use crate::walk::remove_reference;

pub(crate) use lists::forget_moved;
pub(crate) use reconfigure::{change, extended, overlay};
pub(crate) use usage::may_run_on;
pub(crate) use vsan::check_new_object;

pub(crate) fn kind() -> Kind<ClusterComputeResource> {
    recommendation::add(managed_entity::kind())
        .write(add_host)
        .write(move_into)
        .write(move_host_into)
        .write(reconfigure::reconfigure)
        .write(reconfigure::reconfigure_ex)
        .write(reconfigure::set_crypto_mode)
        .write(cluster_evc_manager::evc_manager)
        .read(super::placement::place_vm)
        .read(usage::get_resource_usage)
        .read(usage::find_rules_for_vm)
        .read(usage::recommend_hosts_for_vm)
        .read(usage::retrieve_das_advanced_runtime_info)
        .computed(ComputeResource::SUMMARY, usage::summary)
        .derive(compute_resource::derive)
        .derive(reconfigure::derive)
        .derive(availability::follow)
        .destroy(|call| {
            let this = call.moref();
            compute_resource::destroy(call, &this)
        })
}

/// Creates a cluster; the caller lists it in `parent`.
pub(crate) fn create<T>(
    call: &mut Call<'_, T>,
    parent: &Moref,
    name: &str,
    spec: &ClusterConfigSpecEx,
) -> Result<Moref, Fault> {
    // The order in which identifiers are given out is vcsim's: browser, pool, cluster.
    let browser = call.create(EnvironmentBrowser::new());
    let pool = call.create_moref(ResourcePool::TYPE);
    let moref = call.create_moref(ClusterComputeResource::TYPE);
    let cluster = ClusterComputeResource::with(|cluster| {
        managed_entity::initialize(cluster, name, parent);
        compute_resource::initialize(cluster, &browser, &pool);
        cluster.set_summary(ClusterComputeResourceSummary::with(|summary| {
            summary.set_current_failover_level(0);
            summary.set_num_vmotions(0);
            summary.set_current_balance(-1000);
            summary.set_target_balance(-1000);
        }));
        cluster.set_configuration_ex(reconfigure::default_configuration());
        cluster.set_drs_recommendation(std::iter::empty::<vimsim_types::views::ClusterDrsRecommendation>());
        cluster.set_migration_history(std::iter::empty::<vimsim_types::views::ClusterDrsMigration>());
    });
    call.insert(moref.clone(), cluster);
    let mut on = call.on::<ClusterComputeResource>(&moref);
    let config = reconfigure::apply(&mut on, reconfigure::default_configuration(), spec)?;
    on.this_mut()?.set_configuration_ex(config);
    vsan::follow(&mut on)?;
    resource_pool::insert(call, pool, "Resources", &moref, &moref, &mut resource_pool::default_config());
    Ok(moref)
}

/// Adds a new host to the cluster. One whose options ask for a container is added when that runs.
///
/// - `NoHost` if the spec names none, `DuplicateName` if the inventory has it; `InvalidArgument` for options that no
///   container can be made of; `PlatformConfigFault` with the container engine's words, as a fault of the task.
fn add_host(call: &mut Call<'_, ClusterComputeResource>, request: AddHostTask) -> Result<Moref, Fault> {
    compute_resource::check_connect_spec(call, request.spec())?;
    let of = containers::of_new_host(call, request.spec())?;
    let add = move |call: &mut Call<'_, ClusterComputeResource>, reserved| add(call, &request, reserved);
    if of.asks_for_container() {
        return containers::add_backed(call, AddHostTask::method(), of, reserve, |id| id.1.clone(), add);
    }
    call.start_task(move |call| {
        let reserved = reserve(call);
        let host = add(call, reserved)?;
        containers::begin_backed(call, &host, &of)?;
        Ok(host)
    })
}

/// Gives out the identifiers of a new host: its managers', and its own.
pub(super) fn reserve(call: &mut Call<'_, ClusterComputeResource>) -> (host_system::Managers, Moref) {
    (host_system::create_managers(call), call.create_moref(HostSystem::TYPE))
}

/// [`add_host`], once the specification has been checked.
pub(super) fn add(
    call: &mut Call<'_, ClusterComputeResource>,
    request: &AddHostTask,
    (managers, host): (host_system::Managers, Moref),
) -> Result<Moref, Fault> {
    let this = call.moref();
    host_system::insert(call, &host, request.spec(), &this, managers)?;
    call.edit::<ComputeResource>(&this)?.push_host(host.clone());
    host_system::added(call, &host, request.as_connected())?;
    vsan::follow(call)?;
    Ok(host)
}

/// Moves hosts of this datacenter into the cluster. A standalone host comes as it is; one of another cluster must be in
/// maintenance mode.
///
/// - `DuplicateName` if a host is in the cluster already; `InvalidState` if one is in another cluster and not in
///   maintenance mode; `NotSupported` if one is of another datacenter.
fn move_into(call: &mut Call<'_, ClusterComputeResource>, request: MoveIntoTask) -> Result<Moref, Fault> {
    let hosts: Vec<Moref> = request.host().iter().collect();
    hosts.iter().try_for_each(|host| check_move(call, host))?;
    call.start_task(move |call| hosts.iter().try_for_each(|host| move_one(call, host, None)))
}

/// [`move_into`] for one host, whose virtual machines come into `resourcePool` if it is given.
///
/// - As `MoveInto_Task`; `InvalidArgument` for a pool of another compute resource.
fn move_host_into(call: &mut Call<'_, ClusterComputeResource>, request: MoveHostIntoTask) -> Result<Moref, Fault> {
    let host = request.host();
    check_move(call, &host)?;
    if let Some(pool) = request.resource_pool() {
        let owner = call.get::<ResourcePool>(&pool)?.owner();
        if owner != call.moref() {
            return Err(Fault::invalid_argument("resourcePool", format!("{pool} is not of this cluster")));
        }
    }
    call.start_task(move |call| move_one(call, &host, request.resource_pool()))
}

fn check_move(call: &Call<'_, ClusterComputeResource>, moref: &Moref) -> Result<(), Fault> {
    let this = call.moref();
    let host = call.get::<HostSystem>(moref)?;
    let parent = host.parent();
    if parent.as_ref() == Some(&this) {
        return Err(DuplicateName::with(|fault| {
            fault.set_name(host.name());
            fault.set_object(moref.clone());
        })
        .into());
    }
    if call.datacenter_of(moref) != call.datacenter_of(&this) {
        let message = format!("{moref} is of another datacenter");
        return Err(Fault::new(NotSupported::new(), message));
    }
    let in_cluster = parent.is_some_and(|parent| parent.is::<ClusterComputeResource>());
    if in_cluster && !host.runtime().in_maintenance_mode() {
        let message = format!("the host '{}' is in another cluster and not in maintenance mode", host.name());
        return Err(Fault::new(InvalidState::new(), message));
    }
    Ok(())
}

/// Moves one host, with its virtual machines, into the cluster.
pub(super) fn move_one(
    call: &mut Call<'_, ClusterComputeResource>,
    moref: &Moref,
    pool: Option<Moref>,
) -> Result<(), Fault> {
    let this = call.moref();
    check_move(call, moref)?;
    let host = call.get::<HostSystem>(moref)?;
    let old = host.parent().ok_or_else(|| Fault::new(NotSupported::new(), format!("{moref} is nowhere")))?;
    let machines: Vec<Moref> = host.vm().iter().collect();
    let root = call.this()?.resource_pool();
    let pool = pool.or(root).ok_or_else(|| Fault::invalid_argument("resourcePool", "the cluster has none"))?;
    let browser = call.this()?.environment_browser();
    for machine in &machines {
        // A template is in no pool.
        if call.get::<VirtualMachine>(machine)?.resource_pool().is_some() {
            resource_pool::adopt(call, machine, &pool)?;
        }
        call.edit::<VirtualMachine>(machine)?.set_environment_browser(browser.clone());
    }
    remove_reference(&mut call.edit::<ComputeResource>(&old)?.host_mut(), moref);
    call.edit::<HostSystem>(moref)?.set_parent(this.clone());
    call.edit::<ComputeResource>(&this)?.push_host(moref.clone());
    if old.is::<ClusterComputeResource>() {
        vsan::follow(&mut call.on(&old))?;
    } else {
        // What is left is the empty shell of a standalone host.
        compute_resource::destroy(call, &old)?;
    }
    vsan::follow(call)?;
    host_system::moved(call, moref)
}
