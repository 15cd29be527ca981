//! `ResourcePool`: shares of a compute resource.

use vimsim_types::enums::SharesLevel;
use vimsim_types::views::{ComputeResource, ResourceAllocationInfo, ResourceConfigSpec, ResourcePool, SharesInfo};
use vimsim_types::{Fault, Moref, View};

use super::managed_entity;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ResourcePool> {
    managed_entity::kind().derive(derive)
}

/// An allocation without limits or reservations.
fn unlimited() -> ResourceAllocationInfo {
    ResourceAllocationInfo::with(|allocation| {
        allocation.set_reservation(0);
        allocation.set_expandable_reservation(true);
        allocation.set_limit(-1);
        allocation.set_shares(SharesInfo::with(|shares| {
            shares.set_shares(4000);
            shares.set_level(SharesLevel::Normal);
        }));
    })
}

/// The configuration of a root resource pool.
pub(crate) fn default_config() -> ResourceConfigSpec {
    ResourceConfigSpec::with(|config| {
        config.set_cpu_allocation(unlimited());
        config.set_memory_allocation(unlimited());
    })
}

/// Creates a pool; the caller lists it in its parent. `owner` is the compute resource.
pub(crate) fn create<T>(
    call: &mut Call<'_, T>,
    name: &str,
    parent: &Moref,
    owner: &Moref,
    mut config: ResourceConfigSpec,
) -> Result<Moref, Fault> {
    let moref = call.create_moref(ResourcePool::TYPE);
    insert(call, moref.clone(), name, parent, owner, &mut config);
    Ok(moref)
}

/// Adds a pool under a reference of the caller's.
pub(crate) fn insert<T>(
    call: &mut Call<'_, T>,
    moref: Moref,
    name: &str,
    parent: &Moref,
    owner: &Moref,
    config: &mut ResourceConfigSpec,
) {
    config.set_entity(moref.clone());
    let pool = ResourcePool::with(|pool| {
        managed_entity::initialize(pool, name, parent);
        pool.set_owner(owner.clone());
        pool.set_config(config.clone());
        pool.set_resource_pool(std::iter::empty::<Moref>());
        pool.set_vm(std::iter::empty::<Moref>());
        pool.set_child_configuration(std::iter::empty::<ResourceConfigSpec>());
    });
    call.insert(moref, pool);
}

/// Brings `summary` and `runtime` up to what the pool's configuration and its owner say.
fn derive(transaction: &mut vimsim_registry::Transaction, moref: &Moref) -> Result<(), Fault> {
    let pool = transaction.get::<ResourcePool>(moref)?;
    let owner = transaction.view::<ComputeResource>(&pool.owner());
    let (cpu, memory) = owner.map_or((0, 0), |owner| {
        let summary = owner.summary();
        (i64::from(summary.effective_cpu()), summary.effective_memory() * 1024 * 1024)
    });
    let mut changed = pool.clone();
    let runtime = changed.runtime_mut();
    runtime.set_overall_status(pool.overall_status());
    for (usage, most) in [(0, cpu), (1, memory)] {
        let usage = if usage == 0 { runtime.cpu_mut() } else { runtime.memory_mut() };
        if usage.max_usage() == most && usage.unreserved_for_pool() == most {
            continue;
        }
        usage.set_reservation_used(0);
        usage.set_reservation_used_for_vm(0);
        usage.set_unreserved_for_pool(most);
        usage.set_unreserved_for_vm(most);
        usage.set_overall_usage(0);
        usage.set_max_usage(most);
    }
    let (name, config, runtime) = (pool.name().clone(), pool.config().clone(), changed.runtime().clone());
    let summary = changed.summary_mut();
    summary.set_name(name);
    summary.set_config(config);
    summary.set_runtime(runtime);
    if changed.as_object() != transaction.get::<ResourcePool>(moref)?.as_object() {
        *transaction.edit::<ResourcePool>(moref)? = changed;
    }
    Ok(())
}
