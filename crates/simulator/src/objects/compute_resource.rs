//! `ComputeResource`: hosts that share resource pools. By itself it is a standalone host.

use vimsim_types::enums::ManagedEntityStatus;
use vimsim_types::method::{AddStandaloneHostTask, ReconfigureComputeResourceTask};
use vimsim_types::views::{
    ClusterConfigSpecEx, ComputeResource, ComputeResourceConfigInfo, ComputeResourceConfigSpec, ComputeResourceSummary,
    EnvironmentBrowser, HostConnectSpec, HostSystem, ManagedEntity, NoHost, ResourcePool,
};
use vimsim_types::{Fault, Moref, View};

use super::cluster_compute_resource::availability;
use super::{cluster_evc_manager, crypto_manager_kmip, host_system, managed_entity, resource_pool};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ComputeResource> {
    managed_entity::kind().write(reconfigure).derive(derive).derive(availability::follow).destroy(|call| {
        let this = call.moref();
        destroy(call, &this)
    })
}

/// Changes the configuration. With `modify`, what the specification leaves unset stays as it is; without, it returns to
/// its default.
///
/// - `InvalidArgument` for a cluster's specification, or values that are not allowed, as faults of the task.
fn reconfigure(call: &mut Call<'_, ComputeResource>, request: ReconfigureComputeResourceTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        if request.spec().as_object().is::<ClusterConfigSpecEx>() {
            return Err(Fault::invalid_argument("spec", "this is no cluster"));
        }
        let mut config =
            if request.modify() { call.this()?.configuration_ex().clone() } else { default_configuration() };
        apply(&mut config, request.spec())?;
        call.this_mut()?.set_configuration_ex(config);
        Ok(())
    })
}

fn default_configuration() -> ComputeResourceConfigInfo {
    ComputeResourceConfigInfo::with(|config| {
        config.set_vm_swap_placement("vmDirectory");
    })
}

/// Changes what every compute resource has in its configuration as `spec` says.
///
/// - `InvalidArgument` for a swap placement that does not exist.
pub(crate) fn apply(config: &mut ComputeResourceConfigInfo, spec: &ComputeResourceConfigSpec) -> Result<(), Fault> {
    if let Some(placement) = spec.vm_swap_placement() {
        // A machine may inherit the placement; from what would a compute resource?
        if !["vmDirectory", "hostLocal"].contains(&placement.as_str()) {
            let why = format!("'{placement}' is neither vmDirectory nor hostLocal");
            return Err(Fault::invalid_argument("spec.vmSwapPlacement", why));
        }
        config.set_vm_swap_placement(placement);
    }
    if spec.spbm_enabled().is_some() {
        config.set_spbm_enabled(spec.spbm_enabled());
    }
    // An empty key returns to what the datacenter says.
    let key = |wanted: &vimsim_types::ArcStr| Some(wanted.clone()).filter(|key| !key.is_empty());
    if let Some(wanted) = spec.default_hardware_version_key() {
        config.set_default_hardware_version_key(key(wanted));
    }
    if let Some(wanted) = spec.maximum_hardware_version_key() {
        config.set_maximum_hardware_version_key(key(wanted));
    }
    Ok(())
}

/// `NoHost` if the spec names no host; `DuplicateName` if the inventory has a host of that name.
pub(crate) fn check_connect_spec<T>(call: &Call<'_, T>, spec: &HostConnectSpec) -> Result<(), Fault> {
    let name = spec.host_name().map_or("", |name| name.as_str());
    if name.is_empty() {
        let detail = NoHost::with(|fault| {
            fault.set_name("");
        });
        return Err(Fault::new(detail, "the spec names no host"));
    }
    host_system::check_unknown(call, &call.moref(), name)
}

/// The identifiers of a standalone host and what comes with it.
#[derive(Clone)]
pub(crate) struct Standalone {
    managers: host_system::Managers,
    pub(crate) host: Moref,
    browser: Moref,
    pool: Moref,
    moref: Moref,
}

/// Gives out the identifiers of a standalone host. Their order is vcsim's: host, browser, pool, compute resource.
pub(crate) fn reserve_standalone<T>(call: &mut Call<'_, T>) -> Standalone {
    Standalone {
        managers: host_system::create_managers(call),
        host: call.create_moref(HostSystem::TYPE),
        browser: call.create_moref(EnvironmentBrowser::TYPE),
        pool: call.create_moref(ResourcePool::TYPE),
        moref: call.create_moref(ComputeResource::TYPE),
    }
}

/// Creates the compute resource of a standalone host, with the host, and lists it in `parent`.
pub(crate) fn create_standalone<T>(
    call: &mut Call<'_, T>,
    parent: &Moref,
    request: &AddStandaloneHostTask,
    reserved: Standalone,
) -> Result<Moref, Fault> {
    let name = request.spec().host_name().cloned().unwrap_or_default();
    let name = managed_entity::check_name(call, parent, &name)?;
    let Standalone { managers, host, browser, pool, moref } = reserved;
    call.insert(browser.clone(), EnvironmentBrowser::new());
    insert(call, &moref, &name, parent, &browser, &pool);
    if let Some(spec) = request.comp_res_spec() {
        apply(call.edit::<ComputeResource>(&moref)?.configuration_ex_mut(), spec)?;
    }
    host_system::insert(call, &host, request.spec(), &moref, managers)?;
    call.edit::<ComputeResource>(&moref)?.set_host([host.clone()]);
    host_system::added(call, &host, request.add_connected())?;
    super::folder::add_child(call, parent, &moref)?;
    Ok(moref)
}

/// Adds a standalone host's compute resource with its root pool, under references of the caller's.
pub(crate) fn insert<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    name: &str,
    parent: &Moref,
    browser: &Moref,
    pool: &Moref,
) {
    let compute_resource = ComputeResource::with(|compute_resource| {
        managed_entity::initialize(compute_resource, name, parent);
        initialize(compute_resource, browser, pool);
        compute_resource.set_summary(ComputeResourceSummary::new());
        compute_resource.set_configuration_ex(default_configuration());
    });
    call.insert(moref.clone(), compute_resource);
    resource_pool::insert(call, pool.clone(), "Resources", moref, moref, &mut resource_pool::default_config());
}

/// Sets what every compute resource, a cluster too, begins with.
pub(crate) fn initialize(compute_resource: &mut ComputeResource, browser: &Moref, pool: &Moref) {
    compute_resource.set_environment_browser(browser.clone());
    compute_resource.set_resource_pool(pool.clone());
    compute_resource.set_host(std::iter::empty::<Moref>());
    compute_resource.set_datastore(std::iter::empty::<Moref>());
    compute_resource.set_network(std::iter::empty::<Moref>());
}

/// Removes the compute resource with its hosts, pools and browser.
///
/// - What keeps a host from being removed keeps this from it.
pub(crate) fn destroy<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let compute_resource = call.get::<ComputeResource>(moref)?;
    let hosts: Vec<Moref> = compute_resource.host().iter().collect();
    let pool = compute_resource.resource_pool();
    let browser = compute_resource.environment_browser();
    for host in &hosts {
        host_system::remove(&mut call.on(host))?;
    }
    if let Some(pool) = pool {
        remove_pools(call, &pool)?;
    }
    if let Some(browser) = browser {
        call.remove(&browser);
    }
    crypto_manager_kmip::forget(call, moref)?;
    cluster_evc_manager::forget(call, moref);
    managed_entity::remove(call, moref)
}

fn remove_pools<T>(call: &mut Call<'_, T>, pool: &Moref) -> Result<(), Fault> {
    let below: Vec<Moref> = call.get::<ResourcePool>(pool)?.resource_pool().iter().collect();
    below.iter().try_for_each(|pool| remove_pools(call, pool))?;
    call.remove(pool);
    Ok(())
}

/// Brings `summary`, `datastore` and `network` up to what the hosts say.
pub(crate) fn derive(transaction: &mut vimsim_registry::Transaction, moref: &Moref) -> Result<(), Fault> {
    let compute_resource = transaction.get::<ComputeResource>(moref)?;
    let mut changed = compute_resource.clone();
    let (mut datastores, mut networks) = (Vec::<Moref>::new(), Vec::<Moref>::new());
    let mut seen = rustc_hash::FxHashSet::default();
    let (mut cpu, mut memory, mut cores, mut threads) = (0, 0, 0, 0);
    let (mut effective_cpu, mut effective_memory, mut effective_hosts, mut hosts) = (0, 0, 0, 0);
    for host in compute_resource.host() {
        let Some(host) = transaction.view::<HostSystem>(&host) else { continue };
        let hardware = host.summary().hardware().cloned().unwrap_or_else(View::new);
        hosts += 1;
        let host_cpu = hardware.cpu_mhz() * i32::from(hardware.num_cpu_cores());
        cpu += host_cpu;
        memory += hardware.memory_size();
        cores += hardware.num_cpu_cores();
        threads += hardware.num_cpu_threads();
        if host_system::is_effective(host) {
            effective_hosts += 1;
            effective_cpu += host_cpu;
            effective_memory += hardware.memory_size() / (1024 * 1024);
        }
        datastores.extend(host.datastore().iter().filter(|moref| seen.insert(moref.value().clone())));
        networks.extend(host.network().iter().filter(|moref| seen.insert(moref.value().clone())));
    }
    let summary = changed.summary_mut();
    summary.set_total_cpu(cpu);
    summary.set_total_memory(memory);
    summary.set_num_cpu_cores(cores);
    summary.set_num_cpu_threads(threads);
    summary.set_effective_cpu(effective_cpu);
    summary.set_effective_memory(effective_memory);
    summary.set_num_hosts(hosts);
    summary.set_num_effective_hosts(effective_hosts);
    summary.set_overall_status(ManagedEntityStatus::Green);
    if !changed.datastore().iter().eq(datastores.iter().cloned()) {
        changed.set_datastore(datastores);
    }
    if !changed.network().iter().eq(networks.iter().cloned()) {
        changed.set_network(networks);
    }
    let current = transaction.get::<ComputeResource>(moref)?;
    if current.as_object() != changed.as_object() {
        let pool = changed.resource_pool();
        *transaction.edit::<ComputeResource>(moref)? = changed;
        // The pool's limits are the sum of what the hosts give.
        if let Some(pool) = pool.filter(|pool| transaction.object(pool).is_some()) {
            transaction.edit::<ManagedEntity>(&pool)?;
        }
    }
    Ok(())
}
