//! The counters that tell what `summary.quickStats` tell too, of machines, hosts, pools and clusters.

use vimsim_types::Moref;
use vimsim_types::views::{
    ClusterComputeResource, HostListSummaryQuickStats, HostSystem, PerformanceManager, ResourcePool, VirtualMachine,
};

use super::counters::Counter;
use crate::call::Look;
use crate::usage;
use crate::walk::Inventory;

/// What an entity has and uses, MHz and megabytes.
struct Level {
    cpu: i64,
    demand: i64,
    has_cpu: i64,
    active: i64,
    granted: i64,
    consumed: i64,
    shared: i64,
    overhead: i64,
    has_memory: i64,
}

/// The value around which a counter moves, if `quickStats` or the hardware say it: kilobytes, MHz or hundredths of a percent.
pub(super) fn of(look: &Look<'_, PerformanceManager>, entity: &Moref, counter: &Counter) -> Option<i64> {
    let level = level(look, entity)?;
    let percent = |used: i64, has: i64| (has > 0).then(|| used.saturating_mul(10_000) / has);
    match (counter.group, counter.name) {
        ("cpu", "usagemhz" | "capacity.usage") => Some(level.cpu),
        ("cpu", "demand" | "capacity.demand") => Some(level.demand),
        ("cpu", "usage") => percent(level.cpu, level.has_cpu),
        ("mem", "usage") => {
            let used = if entity.is::<VirtualMachine>() { level.active } else { level.consumed };
            percent(used, level.has_memory)
        }
        ("mem", "active") => Some(level.active << 10),
        ("mem", "granted") => Some(level.granted << 10),
        ("mem", "consumed" | "capacity.usage") => Some(level.consumed << 10),
        ("mem", "shared") => Some(level.shared << 10),
        ("mem", "overhead") => Some(level.overhead << 10),
        ("mem", "swapped" | "swapused" | "vmmemctl" | "vmmemctltarget" | "swaptarget" | "compressed") => Some(0),
        _ => None,
    }
}

fn level(look: &Look<'_, PerformanceManager>, entity: &Moref) -> Option<Level> {
    let snapshot = look.snapshot();
    let whole = |usage: &usage::Usage| Level {
        cpu: usage.cpu,
        demand: usage.demand,
        has_cpu: 0,
        active: usage.active,
        granted: usage.granted,
        consumed: usage.consumed(),
        shared: usage.shared,
        overhead: usage.overhead,
        has_memory: 0,
    };
    let of_host = |host: &Moref| {
        let object = snapshot.object(host)?;
        let view = object.view::<HostSystem>()?;
        let mut level = whole(&crate::containers::usage(object));
        let stats: &HostListSummaryQuickStats = view.summary().quick_stats();
        level.cpu = i64::from(stats.overall_cpu_usage().unwrap_or_default());
        level.consumed = i64::from(stats.overall_memory_usage().unwrap_or_default());
        let hardware = view.summary().hardware();
        level.has_cpu = hardware.map_or(0, |it| i64::from(it.cpu_mhz()) * i64::from(it.num_cpu_cores()));
        level.has_memory = hardware.map_or(0, |it| it.memory_size() >> 20);
        Some(level)
    };
    if let Some(machine) = snapshot.seen::<VirtualMachine>(entity) {
        let mut level = whole(&usage::of(entity, machine));
        level.has_cpu = i64::from(machine.runtime().max_cpu_usage().unwrap_or_default());
        level.has_memory = machine.config().map_or(0, |config| i64::from(config.hardware().memory_mb()));
        return Some(level);
    }
    if entity.is::<HostSystem>() {
        return of_host(entity);
    }
    if entity.is::<ResourcePool>() {
        return Some(whole(&usage::below(&|moref| snapshot.object(moref).map(|object| &**object), entity)));
    }
    let cluster = snapshot.seen::<ClusterComputeResource>(entity)?;
    cluster.host().iter().filter_map(|host| of_host(&host)).reduce(|sum, host| Level {
        cpu: sum.cpu + host.cpu,
        demand: sum.demand + host.demand,
        has_cpu: sum.has_cpu + host.has_cpu,
        active: sum.active + host.active,
        granted: sum.granted + host.granted,
        consumed: sum.consumed + host.consumed,
        shared: sum.shared + host.shared,
        overhead: sum.overhead + host.overhead,
        has_memory: sum.has_memory + host.has_memory,
    })
}
