//! Network resource pools for the adapters of virtual machines, of Network I/O Control version 3.

use vimsim_types::enums::ConfigSpecOperation;
use vimsim_types::method::DvsReconfigureVmVnicNetworkResourcePoolTask;
use vimsim_types::views::{
    ConcurrentAccess, DVSVmVnicNetworkResourcePool, DistributedVirtualPortgroup, DistributedVirtualSwitch,
    DvsVmVnicResourcePoolConfigSpec, InvalidName, NotFound,
};
use vimsim_types::{EnumView, Fault, Moref, View};

use super::reconfigure::next_version;
use crate::call::Call;
use crate::objects::managed_entity;

type Switch<'a> = Call<'a, DistributedVirtualSwitch>;

/// Adds, changes and removes network resource pools for adapters of virtual machines.
///
/// - `InvalidArgument` for an operation that is none or a negative quota;
/// - `InvalidName` for an empty name or that of another pool, `NotFound` for a pool that there is not, `ConcurrentAccess` if
///   its version is not the one given, `ResourceInUse` for one to remove that a portgroup draws from: as faults of the task.
pub(super) fn reconfigure(
    call: &mut Switch<'_>,
    request: DvsReconfigureVmVnicNetworkResourcePoolTask,
) -> Result<Moref, Fault> {
    for spec in request.config_spec() {
        operation(spec)?;
        let quota = spec.allocation_info().and_then(|allocation| allocation.reservation_quota());
        if quota.is_some_and(|quota| quota < 0) {
            return Err(Fault::invalid_argument("configSpec.allocationInfo.reservationQuota", "is negative"));
        }
    }
    call.start_task(move |call| {
        for spec in request.config_spec() {
            match operation(spec)? {
                ConfigSpecOperation::Add => add(call, spec)?,
                ConfigSpecOperation::Edit => edit(call, spec)?,
                ConfigSpecOperation::Remove => remove(call, spec)?,
            }
        }
        let version = next_version(call.this()?.config().config_version());
        call.this_mut()?.config_mut().set_config_version(version);
        Ok(())
    })
}

fn operation(spec: &DvsVmVnicResourcePoolConfigSpec) -> Result<ConfigSpecOperation, Fault> {
    ConfigSpecOperation::from_name(spec.operation())
        .ok_or_else(|| Fault::invalid_argument("configSpec.operation", format!("'{}' is none", spec.operation())))
}

/// `InvalidName` for an empty name and for that of another pool.
fn check_name(call: &Switch<'_>, spec: &DvsVmVnicResourcePoolConfigSpec) -> Result<(), Fault> {
    let name = spec.name().map_or("", |name| name.as_str());
    let mut others = call.this()?.config().vm_vnic_network_resource_pool().iter();
    let is_taken = others.any(|pool| Some(pool.key()) != spec.key() && pool.name().is_some_and(|known| known == name));
    if !name.is_empty() && !is_taken {
        return Ok(());
    }
    let why = if is_taken { "another network resource pool has this name" } else { "the name is empty" };
    Err(Fault::new(InvalidName::with(|fault| _ = fault.set_name(name)), why))
}

fn add(call: &mut Switch<'_>, spec: &DvsVmVnicResourcePoolConfigSpec) -> Result<(), Fault> {
    check_name(call, spec)?;
    let (pools, uuid) = (call.this()?.config().vm_vnic_network_resource_pool(), call.this()?.uuid());
    let numbers = pools.iter().filter_map(|pool| pool.key().rsplit('-').next()?.parse::<u32>().ok());
    let key = format!("{uuid}-{}", numbers.max().unwrap_or_default() + 1);
    let pool = DVSVmVnicNetworkResourcePool::with(|pool| {
        pool.set_key(key).set_name(spec.name().cloned()).set_description(spec.description().cloned());
        pool.set_config_version("0");
        let quota = spec.allocation_info().and_then(|allocation| allocation.reservation_quota());
        pool.allocation_info_mut().set_reservation_quota(quota.unwrap_or(0));
    });
    call.this_mut()?.config_mut().push_vm_vnic_network_resource_pool(pool);
    Ok(())
}

/// `NotFound` if the switch has no such pool; `ConcurrentAccess` if its version is not the one given.
fn expect(call: &Switch<'_>, spec: &DvsVmVnicResourcePoolConfigSpec) -> Result<(), Fault> {
    let mut pools = call.this()?.config().vm_vnic_network_resource_pool().iter();
    let Some(pool) = pools.find(|pool| Some(pool.key()) == spec.key()) else {
        let key = spec.key().map_or("", |key| key.as_str());
        return Err(Fault::new(NotFound::new(), format!("the switch has no network resource pool '{key}'")));
    };
    match spec.config_version().filter(|wanted| !wanted.is_empty() && *wanted != pool.config_version()) {
        Some(wanted) => {
            let why = format!("the pool has changed: its version is {}, not {wanted}", pool.config_version());
            Err(Fault::new(ConcurrentAccess::new(), why))
        }
        None => Ok(()),
    }
}

fn edit(call: &mut Switch<'_>, spec: &DvsVmVnicResourcePoolConfigSpec) -> Result<(), Fault> {
    expect(call, spec)?;
    if spec.name().is_some() {
        check_name(call, spec)?;
    }
    for pool in call.this_mut()?.config_mut().vm_vnic_network_resource_pool_mut().iter_mut() {
        if Some(pool.key()) != spec.key() {
            continue;
        }
        if let Some(name) = spec.name() {
            pool.set_name(name);
        }
        if let Some(description) = spec.description() {
            pool.set_description(description);
        }
        if let Some(quota) = spec.allocation_info().and_then(|allocation| allocation.reservation_quota()) {
            pool.allocation_info_mut().set_reservation_quota(quota);
        }
        let version = next_version(pool.config_version());
        pool.set_config_version(version);
    }
    Ok(())
}

fn remove(call: &mut Switch<'_>, spec: &DvsVmVnicResourcePoolConfigSpec) -> Result<(), Fault> {
    expect(call, spec)?;
    let key = spec.key().cloned().unwrap_or_default();
    for moref in call.this()?.portgroup() {
        let Some(portgroup) = call.view::<DistributedVirtualPortgroup>(&moref) else { continue };
        if portgroup.config().vm_vnic_network_resource_pool_key().is_some_and(|known| *known == key) {
            let why = format!("the portgroup '{}' draws from the pool", portgroup.name());
            return Err(managed_entity::in_use(DVSVmVnicNetworkResourcePool::TYPE, &key, why));
        }
    }
    call.this_mut()?.config_mut().vm_vnic_network_resource_pool_mut().retain(|pool| *pool.key() != key);
    Ok(())
}
