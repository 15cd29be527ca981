//! `IpPoolManager`: addresses for virtual machines, in pools.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vimsim_types::method::{
    AllocateIpv4Address, AllocateIpv6Address, CreateIpPool, DestroyIpPool, QueryIPAllocations, QueryIpPools,
    ReleaseIpAllocation, UpdateIpPool,
};
use vimsim_types::views::{
    Datacenter, InvalidState, IpPool, IpPoolIpPoolConfigInfo, IpPoolManager, IpPoolManagerIpAllocation,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::call::{Call, Look};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<IpPoolManager> {
    Kind::new()
        .read(query_ip_pools)
        .write(create_ip_pool)
        .write(update_ip_pool)
        .write(destroy_ip_pool)
        .write(|call: &mut Manager<'_>, r: AllocateIpv4Address| {
            allocate(call, &r.dc(), r.pool_id(), r.allocation_id(), IpPool::ipv4_config)
        })
        .write(|call: &mut Manager<'_>, r: AllocateIpv6Address| {
            allocate(call, &r.dc(), r.pool_id(), r.allocation_id(), IpPool::ipv6_config)
        })
        .write(release_ip_allocation)
        .read(query_ip_allocations)
}

type Manager<'a> = Call<'a, IpPoolManager>;

/// The pools, by number.
#[derive(Clone, Default)]
struct Pools(Option<BTreeMap<i32, Pool>>);

/// A pool.
#[derive(Clone)]
struct Pool {
    /// The datacenter that it belongs to; `None` for the one that all begin with.
    datacenter: Option<Moref>,
    settings: IpPool,
    /// The addresses in use, each with what it was asked for as.
    taken: BTreeMap<IpAddr, ArcStr>,
}

/// The pool that vcsim begins with.
fn preset() -> BTreeMap<i32, Pool> {
    let settings = IpPool::with(|pool| {
        pool.set_id(1).set_name("ip-pool");
        let config = pool.ipv4_config_mut();
        config.set_subnet_address("10.10.10.0").set_netmask("255.255.255.0").set_gateway("10.10.10.1");
        config.set_range("10.10.10.2#250").set_ip_pool_enabled(true).set_dhcp_server_available(false);
        let config = pool.ipv6_config_mut();
        config.set_subnet_address("2001:4860:0:2001::0").set_netmask("2001:4860:0:2001::ff");
        config.set_gateway("2001:4860:0:2001::1").set_range("2001:4860:0:2001::2#250");
        config.set_ip_pool_enabled(true).set_dhcp_server_available(false);
    });
    BTreeMap::from([(1, Pool { datacenter: None, settings, taken: BTreeMap::new() })])
}

/// The addresses of a range, `10.10.10.2#250, 10.10.11.1#3`: the first and how many.
fn ranges(config: Option<&IpPoolIpPoolConfigInfo>) -> Result<Vec<(IpAddr, u32)>, Fault> {
    let range = config.and_then(|config| config.range()).map_or("", |range| range.as_str());
    let wrong = |part: &str| Fault::invalid_argument("pool.range", format!("'{part}' is no range of addresses"));
    let parts = range.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (first, count) = part.split_once('#').ok_or_else(|| wrong(part))?;
            let first = first.trim().parse().map_err(|_| wrong(part))?;
            Ok((first, count.trim().parse().map_err(|_| wrong(part))?))
        })
        .collect()
}

/// The address this many behind another.
fn nth(first: IpAddr, number: u32) -> Option<IpAddr> {
    match first {
        IpAddr::V4(first) => u32::from(first).checked_add(number).map(|bits| Ipv4Addr::from(bits).into()),
        IpAddr::V6(first) => u128::from(first).checked_add(number.into()).map(|bits| Ipv6Addr::from(bits).into()),
    }
}

impl Pool {
    fn is_of(&self, datacenter: &Moref) -> bool {
        self.datacenter.as_ref().is_none_or(|own| own == datacenter)
    }

    /// The pool as clients see it, with how much of it is in use.
    fn show(&self) -> IpPool {
        let mut shown = self.settings.clone();
        let count = |is_v4: bool| self.taken.keys().filter(|address| address.is_ipv4() == is_v4).count();
        let size = |config| {
            let ranges = ranges(config).unwrap_or_default();
            ranges.iter().fold(0_u32, |sum, (_, count)| sum.saturating_add(*count))
        };
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let free = |config, taken: usize| number(usize::try_from(size(config)).unwrap_or(0).saturating_sub(taken));
        let (v4, v6) = (count(true), count(false));
        shown.set_available_ipv4_addresses(free(self.settings.ipv4_config(), v4));
        shown.set_available_ipv6_addresses(free(self.settings.ipv6_config(), v6));
        shown.set_allocated_ipv4_addresses(number(v4)).set_allocated_ipv6_addresses(number(v6));
        shown
    }
}

/// The pools, as the manager keeps them.
fn pools(inventory: &impl Inventory, manager: &Moref) -> BTreeMap<i32, Pool> {
    let kept = inventory.find(manager).and_then(|manager| manager.private::<Pools>());
    kept.and_then(|pools| pools.0.clone()).unwrap_or_else(preset)
}

fn not_found(id: i32) -> Fault {
    Fault::invalid_argument("poolId", format!("the datacenter has no pool {id}"))
}

/// Changes one pool of a datacenter.
///
/// - `ManagedObjectNotFound` for the datacenter; `InvalidArgument` if it has no such pool.
fn change<R>(
    call: &mut Manager<'_>,
    datacenter: &Moref,
    id: i32,
    change: impl FnOnce(&mut Pool) -> Result<R, Fault>,
) -> Result<R, Fault> {
    call.get::<Datacenter>(datacenter)?;
    let this = call.moref();
    let mut pools = pools(&**call, &this);
    let pool = pools.get_mut(&id).filter(|pool| pool.is_of(datacenter)).ok_or_else(|| not_found(id))?;
    let answer = change(pool)?;
    call.private::<Pools>(&this)?.0 = Some(pools);
    Ok(answer)
}

fn query_ip_pools(look: &Look<'_, IpPoolManager>, request: QueryIpPools) -> Result<Vec<IpPool>, Fault> {
    let datacenter = request.dc();
    look.get::<Datacenter>(&datacenter)?;
    let pools = pools(look.snapshot(), look.moref());
    Ok(pools.values().filter(|pool| pool.is_of(&datacenter)).map(Pool::show).collect())
}

/// - `InvalidArgument` for ranges that are none.
fn check(pool: &IpPool) -> Result<(), Fault> {
    ranges(pool.ipv4_config())?;
    ranges(pool.ipv6_config()).map(|_| ())
}

/// Adds a pool to a datacenter and answers its number.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` without a name, or for ranges that are none.
fn create_ip_pool(call: &mut Manager<'_>, request: CreateIpPool) -> Result<i32, Fault> {
    let datacenter = request.dc();
    call.get::<Datacenter>(&datacenter)?;
    let mut settings = request.pool().clone();
    if settings.name().is_none_or(|name| name.is_empty()) {
        return Err(Fault::invalid_argument("pool.name", "a pool must have a name"));
    }
    check(&settings)?;
    let this = call.moref();
    let mut pools = pools(&**call, &this);
    let id = pools.keys().last().copied().unwrap_or(0) + 1;
    settings.set_id(id);
    pools.insert(id, Pool { datacenter: Some(datacenter), settings, taken: BTreeMap::new() });
    call.private::<Pools>(&this)?.0 = Some(pools);
    Ok(id)
}

/// Changes what is set in the specification.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` if there is no such pool, or for ranges that are none.
fn update_ip_pool(call: &mut Manager<'_>, request: UpdateIpPool) -> Result<(), Fault> {
    let spec = request.pool();
    check(spec)?;
    change(call, &request.dc(), spec.id().unwrap_or(0), |pool| {
        for (slot, value) in spec.as_object().slots().iter().enumerate().filter(|(_, value)| !value.is_unset()) {
            pool.settings.as_object_mut().set(slot, value.clone());
        }
        Ok(())
    })
}

/// Removes a pool; one with addresses in use only by `force`.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` if there is no such pool; `InvalidState` if it is in use.
fn destroy_ip_pool(call: &mut Manager<'_>, request: DestroyIpPool) -> Result<(), Fault> {
    let (id, is_forced) = (request.id(), request.force());
    change(call, &request.dc(), id, |pool| {
        if !pool.taken.is_empty() && !is_forced {
            return Err(Fault::new(InvalidState::new(), format!("addresses of the pool {id} are in use")));
        }
        Ok(())
    })?;
    let this = call.moref();
    if let Some(pools) = &mut call.private::<Pools>(&this)?.0 {
        pools.remove(&id);
    }
    Ok(())
}

/// Takes an address, the same one for the same identifier; the highest that is free, as vcsim does.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` if there is no such pool; `InvalidState` if none is free.
fn allocate(
    call: &mut Manager<'_>,
    datacenter: &Moref,
    id: i32,
    allocation: &ArcStr,
    config: fn(&IpPool) -> Option<&IpPoolIpPoolConfigInfo>,
) -> Result<String, Fault> {
    change(call, datacenter, id, |pool| {
        let ranges = ranges(config(&pool.settings))?;
        let is_within = |address: &IpAddr| ranges.iter().any(|(first, _)| first.is_ipv4() == address.is_ipv4());
        let known = pool.taken.iter().find(|(address, owner)| *owner == allocation && is_within(address));
        if let Some((address, _)) = known {
            return Ok(address.to_string());
        }
        let all = ranges.iter().flat_map(|(first, count)| (0..*count).rev().filter_map(|number| nth(*first, number)));
        let free = all.into_iter().find(|address| !pool.taken.contains_key(address));
        let free = free.ok_or_else(|| Fault::new(InvalidState::new(), format!("the pool {id} has no free address")))?;
        pool.taken.insert(free, allocation.clone());
        Ok(free.to_string())
    })
}

/// Gives addresses back.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` if there is no such pool or allocation.
fn release_ip_allocation(call: &mut Manager<'_>, request: ReleaseIpAllocation) -> Result<(), Fault> {
    let allocation = request.allocation_id().clone();
    change(call, &request.dc(), request.pool_id(), |pool| {
        let before = pool.taken.len();
        pool.taken.retain(|_, owner| *owner != allocation);
        if pool.taken.len() == before {
            return Err(Fault::invalid_argument("allocationId", format!("'{allocation}' has no address")));
        }
        Ok(())
    })
}

/// The addresses in use.
// Fidelity: vcsim takes the extension's key for an allocation's identifier, and govmomi's tests rely on it; an empty key
// asks for all.
fn query_ip_allocations(
    look: &Look<'_, IpPoolManager>,
    request: QueryIPAllocations,
) -> Result<Vec<IpPoolManagerIpAllocation>, Fault> {
    let (datacenter, key) = (request.dc(), request.extension_key());
    look.get::<Datacenter>(&datacenter)?;
    let pools = pools(look.snapshot(), look.moref());
    let pool = pools.get(&request.pool_id()).filter(|pool| pool.is_of(&datacenter));
    let pool = pool.ok_or_else(|| not_found(request.pool_id()))?;
    let wanted = pool.taken.iter().filter(|(_, owner)| key.is_empty() || *owner == key);
    let show = |(address, owner): (&IpAddr, &ArcStr)| {
        IpPoolManagerIpAllocation::with(|allocation| {
            allocation.set_ip_address(address.to_string()).set_allocation_id(owner);
        })
    };
    Ok(wanted.map(show).collect())
}
