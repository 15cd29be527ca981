//! Network resource pools of Network I/O Control version 2: those of the host's own traffic, and those that users add.
//!
//! They are there while the switch has version 2; version 3 has `infrastructureTrafficResourceConfig` instead.

use vimsim_types::enums::SharesLevel;
use vimsim_types::method::{AddNetworkResourcePool, RemoveNetworkResourcePool, UpdateNetworkResourcePool};
use vimsim_types::views::{
    ConcurrentAccess, DVSNetworkResourcePool, DVSNetworkResourcePoolAllocationInfo, DVSNetworkResourcePoolConfigSpec,
    DistributedVirtualPortgroup, DistributedVirtualSwitch, InvalidName, NotFound, NotSupported, VMwareDVSConfigInfo,
};
use vimsim_types::{Fault, Value, View};

use super::reconfigure::next_version;
use crate::call::Call;
use crate::kind::Kind;
use crate::objects::managed_entity;

type Switch<'a> = Call<'a, DistributedVirtualSwitch>;

/// Adds the methods.
pub(super) fn add(kind: Kind<DistributedVirtualSwitch>) -> Kind<DistributedVirtualSwitch> {
    kind.write(add_pools).write(update_pools).write(remove_pools)
}

/// The pools that every switch has: key, name and shares.
const SYSTEM: [(&str, &str, i32); 9] = [
    ("management", "Management Traffic", 50),
    ("faultTolerance", "Fault Tolerance (FT) Traffic", 50),
    ("vmotion", "vMotion Traffic", 50),
    ("virtualMachine", "Virtual Machine Traffic", 100),
    ("iSCSI", "iSCSI Traffic", 50),
    ("nfs", "NFS Traffic", 50),
    ("hbr", "vSphere Replication (VR) Traffic", 50),
    ("vsan", "vSAN Traffic", 50),
    ("vdp", "vSphere Backup NFC Traffic", 50),
];

fn is_second(switch: &DistributedVirtualSwitch) -> bool {
    let config = switch.config().downcast::<VMwareDVSConfigInfo>();
    config.and_then(|config| config.network_resource_control_version()).is_some_and(|version| version == "version2")
}

/// Gives a switch the pools that it has in this version, and takes them away in any other.
pub(super) fn follow(switch: &mut DistributedVirtualSwitch) {
    match (is_second(switch), switch.network_resource_pool().is_empty()) {
        (true, true) => {
            switch.set_network_resource_pool(SYSTEM.map(|(key, name, shares)| {
                DVSNetworkResourcePool::with(|pool| {
                    pool.set_key(key).set_name(name).set_description(name).set_config_version("0");
                    let allocation = pool.allocation_info_mut();
                    allocation.set_limit(-1).set_priority_tag(0);
                    let level = if shares == 100 { SharesLevel::High } else { SharesLevel::Normal };
                    allocation.shares_mut().set_level(level).set_shares(shares);
                })
            }));
        }
        (false, false) => switch.as_object_mut().set(DistributedVirtualSwitch::NETWORK_RESOURCE_POOL, Value::Unset),
        _ => {}
    }
}

/// - `NotSupported` on a switch of another version; `InvalidArgument` for shares, a limit or a tag that cannot be.
fn check(call: &Switch<'_>, specs: &[DVSNetworkResourcePoolConfigSpec]) -> Result<(), Fault> {
    if !is_second(call.this()?) {
        let why = "the switch has not version 2 of Network I/O Control";
        return Err(Fault::new(NotSupported::new(), why));
    }
    for allocation in specs.iter().filter_map(|spec| spec.allocation_info()) {
        let wrong = |property: &str| {
            let path = format!("configSpec.allocationInfo.{property}");
            Err(Fault::invalid_argument(&path, "is out of its range"))
        };
        if allocation.limit().is_some_and(|limit| limit < -1) {
            return wrong("limit");
        }
        if allocation.priority_tag().is_some_and(|tag| !(0..=7).contains(&tag)) {
            return wrong("priorityTag");
        }
        let custom = allocation.shares().filter(|shares| shares.level() == SharesLevel::Custom);
        if custom.is_some_and(|shares| !(1..=100).contains(&shares.shares())) {
            return wrong("shares");
        }
    }
    Ok(())
}

/// `InvalidName` for an empty name and for that of another pool.
fn check_name(call: &Switch<'_>, key: Option<&str>, name: &str) -> Result<(), Fault> {
    let mut others = call.this()?.network_resource_pool().iter().filter(|pool| Some(pool.key().as_str()) != key);
    let is_taken = others.any(|pool| pool.name().is_some_and(|known| known == name));
    if !name.is_empty() && !is_taken {
        return Ok(());
    }
    let why = if is_taken { "another network resource pool has this name" } else { "the name is empty" };
    Err(Fault::new(InvalidName::with(|fault| _ = fault.set_name(name)), why))
}

/// Writes what a specification says of a pool's share.
fn allocate(known: &mut DVSNetworkResourcePoolAllocationInfo, wanted: &DVSNetworkResourcePoolAllocationInfo) {
    if wanted.limit().is_some() {
        known.set_limit(wanted.limit());
    }
    if wanted.priority_tag().is_some() {
        known.set_priority_tag(wanted.priority_tag());
    }
    if let Some(shares) = wanted.shares() {
        let number = match shares.level() {
            SharesLevel::Low => 25,
            SharesLevel::Normal => 50,
            SharesLevel::High => 100,
            SharesLevel::Custom => shares.shares(),
        };
        known.shares_mut().set_level(shares.level()).set_shares(number);
    }
}

/// Adds pools.
///
/// - `NotSupported`, `InvalidArgument` as [`check`]; `InvalidName` for an empty name and for that of another pool.
fn add_pools(call: &mut Switch<'_>, request: AddNetworkResourcePool) -> Result<(), Fault> {
    let specs: Vec<_> = request.config_spec().iter().cloned().collect();
    check(call, &specs)?;
    for spec in specs {
        let name = spec.name().cloned().unwrap_or_default();
        check_name(call, None, &name)?;
        let pools = call.this()?.network_resource_pool();
        let numbers =
            pools.iter().filter_map(|pool| pool.key().strip_prefix("NetworkResourcePool-")?.parse::<u32>().ok());
        let key = format!("NetworkResourcePool-{}", numbers.max().unwrap_or_default() + 1);
        let pool = DVSNetworkResourcePool::with(|pool| {
            pool.set_key(key).set_name(name).set_description(spec.description()).set_config_version("0");
            let allocation = pool.allocation_info_mut();
            allocation.set_limit(-1).set_priority_tag(0);
            allocation.shares_mut().set_level(SharesLevel::Normal).set_shares(50);
            if let Some(wanted) = spec.allocation_info() {
                allocate(allocation, wanted);
            }
        });
        call.this_mut()?.push_network_resource_pool(pool);
    }
    Ok(())
}

fn unknown(key: &str) -> Fault {
    Fault::new(NotFound::new(), format!("the switch has no network resource pool '{key}'"))
}

/// Changes pools.
///
/// - `NotSupported`, `InvalidArgument` as [`check`]; `NotFound` for a pool that there is not; `InvalidName`;
/// - `ConcurrentAccess` if its version is not the one given.
fn update_pools(call: &mut Switch<'_>, request: UpdateNetworkResourcePool) -> Result<(), Fault> {
    let specs: Vec<_> = request.config_spec().iter().cloned().collect();
    check(call, &specs)?;
    for spec in specs {
        let known = call.this()?.network_resource_pool().iter().find(|pool| pool.key() == spec.key());
        let known = known.ok_or_else(|| unknown(spec.key()))?;
        if spec.config_version().is_some_and(|wanted| !wanted.is_empty() && wanted != known.config_version()) {
            let why = format!("the pool has changed: its version is {}", known.config_version());
            return Err(Fault::new(ConcurrentAccess::new(), why));
        }
        if let Some(name) = spec.name() {
            check_name(call, Some(spec.key()), name)?;
        }
        for pool in call.this_mut()?.network_resource_pool_mut().iter_mut().filter(|pool| pool.key() == spec.key()) {
            if let Some(name) = spec.name() {
                pool.set_name(name);
            }
            if let Some(description) = spec.description() {
                pool.set_description(description);
            }
            if let Some(wanted) = spec.allocation_info() {
                allocate(pool.allocation_info_mut(), wanted);
            }
            let version = next_version(pool.config_version());
            pool.set_config_version(version);
        }
    }
    Ok(())
}

/// Removes pools that users have added.
///
/// - `NotSupported` on a switch of another version; `NotFound` for a pool that there is not; `InvalidArgument` for one that
///   every switch has; `ResourceInUse` for one that a portgroup draws from.
fn remove_pools(call: &mut Switch<'_>, request: RemoveNetworkResourcePool) -> Result<(), Fault> {
    check(call, &[])?;
    for key in request.key() {
        if !call.this()?.network_resource_pool().iter().any(|pool| pool.key() == key) {
            return Err(unknown(key));
        }
        if SYSTEM.iter().any(|(known, ..)| known == key) {
            return Err(Fault::invalid_argument("key", format!("every switch has the pool '{key}'")));
        }
        for moref in call.this()?.portgroup() {
            let Some(portgroup) = call.view::<DistributedVirtualPortgroup>(&moref) else { continue };
            let setting = portgroup.config().default_port_config();
            let drawn = setting.and_then(|setting| setting.network_resource_pool_key()?.value());
            if drawn.is_some_and(|drawn| drawn == key) {
                let why = format!("the portgroup '{}' draws from the pool", portgroup.name());
                return Err(managed_entity::in_use(DVSNetworkResourcePool::TYPE, key, why));
            }
        }
        call.this_mut()?.network_resource_pool_mut().retain(|pool| pool.key() != key);
    }
    Ok(())
}
