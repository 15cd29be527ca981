//! `ResourcePool`: shares of a compute resource, for virtual machines and further pools.
//!
//! The root pool of a compute resource has all that its hosts have; any other has what its configuration says of what its
//! parent has. `runtime` and `summary` follow from that. What running machines reserve is counted when they start and stop.

mod tree;

use vimsim_registry::{ManagedObject, Snapshot, Transaction};
use vimsim_types::enums::{SharesLevel, VirtualAppVAppState};
use vimsim_types::method::{CreateResourcePool, QueryResourceConfigOption, RefreshRuntime, UpdateConfig};
use vimsim_types::views::{
    ComputeResource, ConcurrentAccess, ManagedEntity, ResourceAllocationInfo, ResourceAllocationOption,
    ResourceConfigOption, ResourceConfigSpec, ResourcePool, ResourcePoolCreatedEvent, ResourcePoolReconfiguredEvent,
    ResourcePoolResourceUsage, ResourcePoolRuntimeInfo, ResourcePoolSummary, SharesInfo, SharesOption,
};
use vimsim_types::{ArcStr, Fault, List, Moref, Ty, Value, View};

use super::host_system::put;
use super::{managed_entity, virtual_app, virtual_machine};
use crate::call::{Call, Context, Look};
use crate::kind::Kind;
use crate::usage::{self, Usage};

pub(crate) use tree::{adopt, lineage};

pub(crate) fn kind() -> Kind<ResourcePool> {
    pool_kind().destroy(tree::destroy)
}

/// The methods of a pool, for it and `VirtualApp`.
pub(crate) fn pool_kind<T: View>() -> Kind<T> {
    managed_entity::kind::<T>()
        .write(create_resource_pool)
        .write(update_config)
        .write(tree::destroy_children)
        .write(tree::move_into_resource_pool)
        .write(tree::update_child_resource_configuration)
        .write(virtual_app::create_v_app)
        .write(virtual_app::create_child_vm)
        .write(virtual_app::register_child_vm)
        .write(super::http_nfc_lease::import_v_app)
        .read(query_resource_config_option)
        .read(|look: &Look<'_, ResourcePool>, _: RefreshRuntime| look.this().map(|_| ()))
        .computed(ResourcePool::CHILD_CONFIGURATION, child_configuration)
        .derive(derive)
        .derive(super::cluster_compute_resource::forget_moved)
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

/// The configuration of a pool that takes what it gets.
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
    let mut pool = ResourcePool::new();
    initialize(&mut pool, &moref, name, parent, owner, config);
    call.insert(moref, pool);
}

/// Sets what every pool, a vApp too, begins with.
pub(crate) fn initialize(
    pool: &mut ResourcePool,
    moref: &Moref,
    name: &str,
    parent: &Moref,
    owner: &Moref,
    config: &mut ResourceConfigSpec,
) {
    config.set_entity(moref.clone());
    managed_entity::initialize(pool, name, parent);
    pool.set_owner(owner.clone());
    pool.set_config(config.clone());
    pool.set_resource_pool(std::iter::empty::<Moref>());
    pool.set_vm(std::iter::empty::<Moref>());
}

/// Checks a new pool's name and configuration, and returns the name.
///
/// - `DuplicateName`, `InvalidName`; `InvalidArgument` for an allocation that is incomplete or contradicts itself;
/// - `InsufficientCpuResourcesFault` or `InsufficientMemoryResourcesFault` for a reservation that the parent has not left.
pub(crate) fn check_new<T>(
    call: &Call<'_, T>,
    parent: &Moref,
    name: &str,
    config: &ResourceConfigSpec,
) -> Result<ArcStr, Fault> {
    let name = managed_entity::check_name(call, parent, name)?;
    for (property, allocation) in
        [("spec.cpuAllocation", config.cpu_allocation()), ("spec.memoryAllocation", config.memory_allocation())]
    {
        let is_complete = allocation.reservation().is_some()
            && allocation.limit().is_some()
            && allocation.shares().is_some()
            && allocation.expandable_reservation().is_some();
        if !is_complete {
            return Err(Fault::invalid_argument(property, "a new pool needs all of its fields"));
        }
        virtual_machine::check_allocation(property, Some(allocation))?;
    }
    admit(call, parent, None, config)?;
    Ok(name)
}

/// `InsufficientCpuResourcesFault` or `InsufficientMemoryResourcesFault` if a pool is to reserve more than it does now, and
/// the pool that it is in has not as much left (API reference, `ResourcePool.UpdateConfig`).
fn admit<T>(
    call: &Call<'_, T>,
    parent: &Moref,
    old: Option<&ResourceConfigSpec>,
    new: &ResourceConfigSpec,
) -> Result<(), Fault> {
    let Some(above) = call.view::<ResourcePool>(parent).map(ResourcePool::runtime) else { return Ok(()) };
    let reserved = |allocation: &ResourceAllocationInfo| allocation.reservation().unwrap_or_default();
    let asked = |old: Option<&ResourceAllocationInfo>, new, scale| {
        reserved(new).saturating_sub(old.map_or(0, reserved)).saturating_mul(scale)
    };
    let cpu = asked(old.map(|old| old.cpu_allocation()), new.cpu_allocation(), 1);
    let memory = asked(old.map(|old| old.memory_allocation()), new.memory_allocation(), 1 << 20);
    if cpu > 0 {
        virtual_machine::expect_cpu(cpu, above.cpu().unreserved_for_pool())?;
    }
    if memory > 0 {
        virtual_machine::expect_memory(memory, above.memory().unreserved_for_pool())?;
    }
    Ok(())
}

/// A level of shares stands for a number: 2000, 4000 or 8000 (API reference, `SharesInfo.level`).
fn set_shares(allocation: &mut ResourceAllocationInfo) {
    let Some(shares) = allocation.shares() else { return };
    let number = match shares.level() {
        SharesLevel::Low => 2000,
        SharesLevel::Normal => 4000,
        SharesLevel::High => 8000,
        SharesLevel::Custom => return,
    };
    if shares.shares() != number {
        allocation.shares_mut().set_shares(number);
    }
}

/// A new pool's configuration, complete.
pub(crate) fn complete(call_now: vimsim_types::DateTime, config: &ResourceConfigSpec) -> ResourceConfigSpec {
    let mut config = config.clone();
    set_shares(config.cpu_allocation_mut());
    set_shares(config.memory_allocation_mut());
    config.set_last_modified(call_now);
    config.set_change_version(call_now.micros().to_string());
    config
}

/// Creates a pool in this one.
///
/// - As [`check_new`].
fn create_resource_pool(call: &mut Call<'_, ResourcePool>, request: CreateResourcePool) -> Result<Moref, Fault> {
    let this = call.moref();
    let name = check_new(call, &this, request.name(), request.spec())?;
    let owner = call.this()?.owner();
    let config = complete(call.now(), request.spec());
    let pool = create(call, &name, &this, &owner, config)?;
    call.this_mut()?.push_resource_pool(pool.clone());
    let parent = call.pool_argument(&this);
    call.post(&pool, ResourcePoolCreatedEvent::with(|event| _ = event.set_parent(parent)))?;
    Ok(pool)
}

/// Changes the pool's name and configuration.
///
/// - `DuplicateName`, `InvalidName`; `InvalidArgument` for an allocation that contradicts itself;
/// - `InsufficientCpuResourcesFault` or `InsufficientMemoryResourcesFault` for a reservation that the parent has not left;
/// - `ConcurrentAccess` if it has changed since `changeVersion`.
fn update_config(call: &mut Call<'_, ResourcePool>, request: UpdateConfig) -> Result<(), Fault> {
    let this = call.moref();
    if let Some(config) = request.config() {
        configure(call, &this, config)?;
    }
    let pool = call.this()?;
    let (old, parent) = (pool.name().clone(), pool.parent());
    if let Some(name) = request.name().filter(|name| !name.is_empty() && old != managed_entity::escape(name).as_str())
        && let Some(parent) = parent
    {
        let name = managed_entity::check_name(call, &parent, name)?;
        call.this_mut()?.set_name(&name);
    }
    call.post(&this, ResourcePoolReconfiguredEvent::new())
}

/// Lays a configuration over that of the pool.
pub(crate) fn configure<T>(call: &mut Call<'_, T>, moref: &Moref, wanted: &ResourceConfigSpec) -> Result<(), Fault> {
    let now = call.now();
    let old = call.get::<ResourcePool>(moref)?.config().clone();
    if let (Some(wanted), Some(current)) = (wanted.change_version(), old.change_version())
        && !wanted.is_empty()
        && wanted != current
    {
        return Err(Fault::new(ConcurrentAccess::new(), "the resource pool has been changed by another"));
    }
    let mut new = super::cluster_compute_resource::overlay(
        &old,
        &ResourceConfigSpec::with(|config| {
            config.set_scale_descendants_shares(wanted.scale_descendants_shares());
        }),
    );
    new.set_cpu_allocation(super::cluster_compute_resource::overlay(old.cpu_allocation(), wanted.cpu_allocation()));
    new.set_memory_allocation(super::cluster_compute_resource::overlay(
        old.memory_allocation(),
        wanted.memory_allocation(),
    ));
    virtual_machine::check_allocation("spec.cpuAllocation", Some(new.cpu_allocation()))?;
    virtual_machine::check_allocation("spec.memoryAllocation", Some(new.memory_allocation()))?;
    let parent = call.get::<ManagedEntity>(moref)?.parent().filter(|parent| parent.is::<ResourcePool>());
    parent.iter().try_for_each(|parent| admit(call, parent, Some(&old), &new))?;
    call.edit::<ResourcePool>(moref)?.set_config(complete(now, &new));
    // The parent counts what its pools reserve.
    match parent {
        Some(parent) => call.edit::<ResourcePool>(&parent).map(|_| ()),
        None => Ok(()),
    }
}

/// The defaults for a pool's allocations.
fn query_resource_config_option(
    look: &Look<'_, ResourcePool>,
    _: QueryResourceConfigOption,
) -> Result<ResourceConfigOption, Fault> {
    look.this()?;
    let shares = SharesOption::with(|option| {
        let numbers = option.shares_option_mut();
        numbers.set_min(0).set_max(1_000_000).set_default_value(4000);
        option.set_default_level(SharesLevel::Normal);
    });
    let allocation = ResourceAllocationOption::with(|option| _ = option.set_shares_option(shares));
    Ok(ResourceConfigOption::with(|option| {
        option.set_cpu_allocation_option(allocation.clone());
        option.set_memory_allocation_option(allocation);
    }))
}

/// The configurations of the pools and machines directly in this one.
fn child_configuration(_: &Context, snapshot: &Snapshot, object: &ManagedObject) -> Value {
    let Some(pool) = object.view::<ResourcePool>() else { return Value::Unset };
    let pools = pool.resource_pool();
    let pools = pools.iter().filter_map(|child| Some(snapshot.view::<ResourcePool>(&child)?.config().clone()));
    let machines = pool.vm();
    let machines = machines.iter().filter_map(|child| snapshot.object(&child));
    let machines = machines.map(|machine| virtual_machine::resource_config(machine.moref(), machine.properties()));
    let children = pools.map(|config| Value::Object(config.into())).chain(machines).collect();
    Value::List(List::new(Ty::Data(ResourceConfigSpec::TYPE), children))
}

/// What is kept beside a pool's properties: above all what its running machines reserve, MHz and megabytes.
#[derive(Clone, Copy, Default)]
struct Reserved {
    cpu: i64,
    memory: i64,
    /// What the machines that are directly in the pool use.
    used: Usage,
    /// What a task is bringing the vApp to.
    changing: Option<VirtualAppVAppState>,
}

/// Writes down what a task is bringing a vApp to, or that it has ended.
pub(crate) fn set_app_state<T>(
    call: &mut Call<'_, T>,
    app: &Moref,
    state: Option<VirtualAppVAppState>,
) -> Result<(), Fault> {
    call.private::<Reserved>(app)?.changing = state;
    Ok(())
}

/// Counts what a machine reserves that starts (1) or stops (-1) in the pool.
pub(crate) fn reserve<T>(call: &mut Call<'_, T>, pool: &Moref, cpu: i64, memory: i64, sign: i64) -> Result<(), Fault> {
    let reserved = call.private::<Reserved>(pool)?;
    reserved.cpu = (reserved.cpu + sign * cpu).max(0);
    reserved.memory = (reserved.memory + sign * memory).max(0);
    Ok(())
}

/// What the machines that are directly in a pool use.
pub(crate) fn usage_of(pool: &ManagedObject) -> Usage {
    pool.private::<Reserved>().map_or_else(Usage::default, |reserved| reserved.used)
}

/// Writes down what the machines use that are directly in the pool.
pub(crate) fn set_usage(transaction: &mut Transaction, pool: &Moref, used: Usage) -> Result<(), Fault> {
    transaction.private::<Reserved>(pool)?.used = used;
    Ok(())
}

/// Brings `config` of a root pool, and `runtime` and `summary` of any, up to what the hosts and the configuration say.
fn derive(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let object = transaction.object(moref).ok_or_else(|| crate::call::not_found(moref))?;
    let reserved = object.private::<Reserved>().copied().unwrap_or_default();
    let pool = transaction.get::<ResourcePool>(moref)?;
    let mut changed = pool.clone();
    let parent = pool.parent().filter(|parent| parent.is::<ResourcePool>());
    let above = parent.as_ref().and_then(|parent| transaction.view::<ResourcePool>(parent)).map(ResourcePool::runtime);
    let total = transaction.view::<ComputeResource>(&pool.owner()).map(|owner| {
        let summary = owner.summary();
        (i64::from(summary.effective_cpu()), summary.effective_memory())
    });
    let total = total.unwrap_or_default();
    let mut config = pool.config().clone();
    if parent.is_none() {
        let (cpu, memory) = (own_all(config.cpu_allocation(), total.0), own_all(config.memory_allocation(), total.1));
        put(config.as_object_mut(), ResourceConfigSpec::CPU_ALLOCATION, Value::Object(cpu.into()));
        put(config.as_object_mut(), ResourceConfigSpec::MEMORY_ALLOCATION, Value::Object(memory.into()));
        put(changed.as_object_mut(), ResourcePool::CONFIG, Value::Object(config.clone().into()));
    }
    let below = pool.resource_pool();
    let below = below.iter().filter_map(|child| Some(transaction.view::<ResourcePool>(&child)?.config()));
    let (mut cpu, mut memory) = (0, 0);
    for child in below {
        cpu = child.cpu_allocation().reservation().unwrap_or_default().saturating_add(cpu);
        memory = child.memory_allocation().reservation().unwrap_or_default().saturating_add(memory);
    }
    let mut cpu = usage(config.cpu_allocation(), above.map(|above| above.cpu()), cpu, reserved.cpu, 1);
    let mut memory =
        usage(config.memory_allocation(), above.map(|above| above.memory()), memory, reserved.memory, 1 << 20);
    let (cpu_most, memory_most) = (cpu.max_usage(), memory.max_usage());
    let used = usage::below(&|moref| transaction.object(moref).map(|object| &**object), moref);
    let grew = !same_room(pool.runtime().cpu(), &cpu) || !same_room(pool.runtime().memory(), &memory);
    let children: Vec<Moref> = if grew { pool.resource_pool().iter().collect() } else { Vec::new() };
    cpu.set_overall_usage(used.cpu.min(cpu_most));
    memory.set_overall_usage((used.consumed() << 20).min(memory_most));
    let mut runtime = pool.runtime().clone();
    let object = runtime.as_object_mut();
    put(object, ResourcePoolRuntimeInfo::OVERALL_STATUS, pool.as_object().get(ManagedEntity::OVERALL_STATUS).clone());
    put(object, ResourcePoolRuntimeInfo::CPU, Value::Object(cpu.into()));
    put(object, ResourcePoolRuntimeInfo::MEMORY, Value::Object(memory.into()));
    virtual_app::summarize(transaction, &mut changed, reserved.changing);
    let mut summary = changed.summary().clone();
    let object = summary.as_object_mut();
    put(object, ResourcePoolSummary::NAME, Value::String(pool.name().clone()));
    put(object, ResourcePoolSummary::CONFIG, Value::Object(config.into()));
    put(object, ResourcePoolSummary::RUNTIME, Value::Object(runtime.clone().into()));
    put(object, ResourcePoolSummary::QUICK_STATS, Value::Object(usage::of_pool(&used).into()));
    put(changed.as_object_mut(), ResourcePool::RUNTIME, Value::Object(runtime.into()));
    put(changed.as_object_mut(), ResourcePool::SUMMARY, Value::Object(summary.into()));
    if changed.as_object() != transaction.get::<ResourcePool>(moref)?.as_object() {
        transaction.settle(moref, changed)?;
    }
    for child in children.iter().filter(|child| transaction.object(child).is_some()).cloned().collect::<Vec<_>>() {
        transaction.edit::<ResourcePool>(&child)?;
    }
    Ok(())
}

/// Whether a pool's children find as much in it as before.
fn same_room(old: &ResourcePoolResourceUsage, new: &ResourcePoolResourceUsage) -> bool {
    let room = |usage: &ResourcePoolResourceUsage| {
        (usage.reservation_used(), usage.reservation_used_for_vm(), usage.unreserved_for_pool(), usage.max_usage())
    };
    room(old) == room(new)
}

/// A root pool has all of this resource, and cannot get more.
fn own_all(allocation: &ResourceAllocationInfo, total: i64) -> ResourceAllocationInfo {
    let mut all = allocation.clone();
    all.set_reservation(total);
    all.set_limit(total);
    all.set_expandable_reservation(false);
    all
}

/// What a pool has of a resource: `children` and `machines` are what they reserve, in units of `scale`.
fn usage(
    allocation: &ResourceAllocationInfo,
    above: Option<&ResourcePoolResourceUsage>,
    children: i64,
    machines: i64,
    scale: i64,
) -> ResourcePoolResourceUsage {
    let own = allocation.reservation().unwrap_or_default().saturating_mul(scale);
    let limit = allocation.limit().filter(|limit| *limit >= 0).map(|limit| limit.saturating_mul(scale));
    let most = above.map_or(limit.unwrap_or(own), |above| limit.unwrap_or(i64::MAX).min(above.max_usage()));
    let used = children.saturating_add(machines).saturating_mul(scale);
    let expands = above.is_some() && allocation.expandable_reservation().unwrap_or_default();
    let more = above.filter(|_| expands).map_or(0, |above| above.unreserved_for_pool());
    let free = own.saturating_sub(used).max(0).saturating_add(more).min(most);
    ResourcePoolResourceUsage::with(|usage| {
        usage.set_reservation_used(used);
        usage.set_reservation_used_for_vm(machines.saturating_mul(scale));
        usage.set_unreserved_for_pool(free);
        usage.set_unreserved_for_vm(free);
        usage.set_overall_usage(0);
        usage.set_max_usage(most);
    })
}
