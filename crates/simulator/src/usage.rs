//! What running machines use of their hosts and pools.
//!
//! Nobody measures anything here: what a machine uses follows from its reference, its hardware and whether it runs, and is
//! worked out whenever it is asked for. Hosts and pools keep the sums, brought up to date by what each write changed, so that
//! starting one of many machines costs no more than starting one of few. The real-time samples of `PerformanceManager` are
//! waves around the same numbers.

use std::hash::Hasher;

use rustc_hash::FxHasher;
use vimsim_registry::{ManagedObject, Transaction};
use vimsim_types::enums::{ManagedEntityStatus, VirtualMachinePowerState as Power};
use vimsim_types::views::{
    ClusterUsageSummary, HostListSummary, HostSystem, ManagedEntity, ResourcePool, ResourcePoolQuickStats,
    VirtualMachine, VirtualMachineQuickStats,
};
use vimsim_types::{DateTime, Fault, Moref, View};

use crate::config::Fidelity;
use crate::containers;
use crate::objects::resource_pool;

/// What a host uses by itself, in MHz: what vcsim shows of a host that has nothing to do.
const HOST_CPU: i64 = 67;
/// What a host uses by itself, in megabytes.
const HOST_MEMORY: i64 = 1_404;
/// Seconds between two looks at how long a machine has been running, as between two samples of `PerformanceManager`.
const STEP: i64 = 20;

/// What machines use: MHz and megabytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu: i64,
    pub(crate) demand: i64,
    /// What the guests touched of late.
    pub(crate) active: i64,
    /// What the hosts gave the guests, the shared part included.
    pub(crate) granted: i64,
    pub(crate) shared: i64,
    /// What the hosts need for the machines besides.
    pub(crate) overhead: i64,
    /// The most that they could have.
    static_cpu: i64,
    static_memory: i64,
    /// How many machines there are.
    machines: i64,
    /// How many of them are off.
    off: i64,
}

impl Usage {
    /// What the hosts' memory holds for the machines.
    pub(crate) fn consumed(&self) -> i64 {
        self.granted + self.overhead
    }

    fn add(&mut self, other: &Self, sign: i64) {
        self.cpu += sign * other.cpu;
        self.demand += sign * other.demand;
        self.active += sign * other.active;
        self.granted += sign * other.granted;
        self.shared += sign * other.shared;
        self.overhead += sign * other.overhead;
        self.static_cpu += sign * other.static_cpu;
        self.static_memory += sign * other.static_memory;
        self.machines += sign * other.machines;
        self.off += sign * other.off;
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a machine uses: nothing unless it is on. An idle guest, with a bit of its memory in use.
pub(crate) fn of(moref: &Moref, machine: &VirtualMachine) -> Usage {
    let state = machine.runtime().power_state();
    let mut usage = Usage { machines: 1, off: i64::from(state == Power::PoweredOff), ..Usage::default() };
    let Some(config) = machine.config().filter(|_| state == Power::PoweredOn) else { return usage };
    let mut hasher = FxHasher::default();
    hasher.write(moref.value().as_bytes());
    let seed = hasher.finish();
    let part = |from: u32, of: u64| i64::try_from((seed >> from) % of).unwrap_or(0);
    let (processors, memory) = (config.hardware().num_cpu(), i64::from(config.hardware().memory_mb()));
    let processors = i64::from(processors);
    usage.static_cpu = i64::from(machine.runtime().max_cpu_usage().unwrap_or_default());
    usage.static_memory = memory;
    usage.cpu = processors * (12 + part(20, 30));
    if usage.static_cpu > 0 {
        usage.cpu = usage.cpu.min(usage.static_cpu);
    }
    usage.demand = usage.cpu + usage.cpu / 10;
    usage.active = (memory * (5 + part(30, 15)) / 100).max(1);
    usage.granted = (memory * (60 + part(40, 30)) / 100).max(1);
    usage.shared = usage.granted / 20;
    usage.overhead = 20 + 4 * processors + memory / 200;
    usage
}

fn int(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// For how many seconds a machine has been running, in whole steps.
fn uptime(machine: &VirtualMachine, now: DateTime) -> i32 {
    let runtime = machine.runtime();
    let boot = runtime.boot_time().filter(|_| runtime.power_state() == Power::PoweredOn);
    let seconds = boot.map_or(0, |boot| (now.micros() - boot.micros()).max(0) / 1_000_000);
    int(seconds / STEP * STEP)
}

/// `summary.quickStats` of a machine. What it uses changes when it is started, stopped or reconfigured, and a property
/// collector tells of it then. `uptimeSeconds` goes on by steps of 20 seconds, as vCenter refreshes it; it is worked out when
/// somebody reads it, and nobody is woken because of it: each of 10,000 machines would be told anew three times a minute.
pub(crate) fn of_machine(moref: &Moref, machine: &VirtualMachine, now: DateTime) -> VirtualMachineQuickStats {
    let usage = of(moref, machine);
    VirtualMachineQuickStats::with(|stats| {
        stats.set_overall_cpu_usage(int(usage.cpu)).set_overall_cpu_demand(int(usage.demand));
        stats.set_overall_cpu_readiness(0);
        stats.set_guest_memory_usage(int(usage.active)).set_host_memory_usage(int(usage.consumed()));
        stats.set_guest_heartbeat_status(machine.guest_heartbeat_status());
        stats.set_distributed_cpu_entitlement(int(usage.demand));
        stats.set_distributed_memory_entitlement(int(usage.granted));
        stats.set_static_cpu_entitlement(int(usage.static_cpu)).set_static_memory_entitlement(int(usage.static_memory));
        stats.set_granted_memory(int(usage.granted));
        stats.set_private_memory(int(usage.granted - usage.shared)).set_shared_memory(int(usage.shared));
        stats.set_swapped_memory(0).set_ballooned_memory(0).set_consumed_overhead_memory(int(usage.overhead));
        // No fault tolerance.
        stats.set_ft_log_bandwidth(-1).set_ft_secondary_latency(-1).set_ft_latency_status(ManagedEntityStatus::Gray);
        stats.set_compressed_memory(0).set_uptime_seconds(uptime(machine, now)).set_ssd_swapped_memory(0);
    })
}

/// `summary.quickStats` of a pool whose machines, and those of the pools below, use this.
pub(crate) fn of_pool(usage: &Usage) -> ResourcePoolQuickStats {
    ResourcePoolQuickStats::with(|stats| {
        stats.set_overall_cpu_usage(usage.cpu).set_overall_cpu_demand(usage.demand);
        stats.set_guest_memory_usage(usage.active).set_host_memory_usage(usage.consumed());
        stats.set_distributed_cpu_entitlement(usage.demand).set_distributed_memory_entitlement(usage.granted);
        stats.set_static_cpu_entitlement(int(usage.static_cpu)).set_static_memory_entitlement(int(usage.static_memory));
        stats.set_private_memory(usage.granted - usage.shared).set_shared_memory(usage.shared);
        stats.set_swapped_memory(0).set_ballooned_memory(0);
        stats.set_overhead_memory(usage.overhead).set_consumed_overhead_memory(usage.overhead);
        stats.set_compressed_memory(0);
    })
}

/// Writes what a cluster's machines use, of whose root pool this is the usage.
pub(crate) fn set_cluster(summary: &mut ClusterUsageSummary, usage: &Usage) {
    summary.set_cpu_demand_mhz(int(usage.demand)).set_mem_demand_mb(int(usage.active));
    summary.set_cpu_entitled_mhz(int(usage.demand)).set_mem_entitled_mb(int(usage.granted));
    summary.set_powered_off_vm_count(int(usage.off)).set_total_vm_count(int(usage.machines));
}

/// What a host uses for its machines and itself, MHz and megabytes: no more than it has.
pub(crate) fn set_host(summary: &mut HostListSummary, usage: &Usage) {
    let hardware = summary.hardware();
    let has = hardware.map(|it| (i64::from(it.cpu_mhz()) * i64::from(it.num_cpu_cores()), it.memory_size() >> 20));
    let (has_cpu, has_memory) = has.filter(|(cpu, memory)| *cpu > 0 && *memory > 0).unwrap_or((i64::MAX, i64::MAX));
    let (cpu, memory) =
        (int((HOST_CPU + usage.cpu).min(has_cpu)), int((HOST_MEMORY + usage.consumed()).min(has_memory)));
    let stats = summary.quick_stats();
    if (stats.overall_cpu_usage(), stats.overall_memory_usage()) != (Some(cpu), Some(memory)) {
        summary.quick_stats_mut().set_overall_cpu_usage(cpu).set_overall_memory_usage(memory);
    }
}

/// Where a machine uses something, and what.
fn place(object: &ManagedObject) -> Option<([Option<Moref>; 2], Usage)> {
    let machine = object.view::<VirtualMachine>()?;
    Some(([machine.runtime().host(), machine.resource_pool()], of(object.moref(), machine)))
}

/// Brings what hosts and pools say of their machines up to what this write has made of these so far.
pub(crate) fn follow(transaction: &mut Transaction, touched: &[Moref], fidelity: Fidelity) -> Result<(), Fault> {
    let moved: Vec<Moref> = touched.iter().filter(|moref| moref.is::<ResourcePool>()).cloned().collect();
    for pool in &moved {
        follow_move(transaction, pool)?;
    }
    if !touched.iter().any(|moref| moref.is::<VirtualMachine>()) {
        return Ok(());
    }
    let before = transaction.before();
    let mut changes: Vec<(Moref, Usage)> = Vec::new();
    let mut at = rustc_hash::FxHashMap::default();
    for machine in transaction.noted().iter().filter(|moref| moref.is::<VirtualMachine>()) {
        let old = before.object(machine).and_then(|object| place(object));
        let new = transaction.object(machine).and_then(|object| place(object));
        if old == new {
            continue;
        }
        for (place, sign) in [(old, -1), (new, 1)] {
            let Some((places, usage)) = place else { continue };
            for moref in places.into_iter().flatten() {
                let at = *at.entry(moref.value().clone()).or_insert_with(|| {
                    changes.push((moref, Usage::default()));
                    changes.len() - 1
                });
                changes[at].1.add(&usage, sign);
            }
        }
    }
    // Fidelity: vcsim's hosts say the same whatever runs on them.
    let counts = |moref: &Moref| fidelity == Fidelity::VCenter || !moref.is::<HostSystem>();
    for (moref, change) in changes.into_iter().filter(|(moref, _)| counts(moref)) {
        // What it was before this write, and not what an earlier round made of it.
        let mut usage = before.object(&moref).map(|object| kept(object)).unwrap_or_default();
        usage.add(&change, 1);
        let Some(now) = transaction.object(&moref).map(|object| kept(object)) else { continue };
        if now == usage {
            continue;
        }
        if moref.is::<HostSystem>() {
            containers::set_usage(transaction, &moref, usage)?;
        } else {
            resource_pool::set_usage(transaction, &moref, usage)?;
            touch_above(transaction, &moref)?;
        }
    }
    Ok(())
}

/// What is kept beside a host or pool.
fn kept(object: &ManagedObject) -> Usage {
    if object.moref().is::<HostSystem>() { containers::usage(object) } else { resource_pool::usage_of(object) }
}

/// Has those pools that a moved pool was and is in count anew.
fn follow_move(transaction: &mut Transaction, pool: &Moref) -> Result<(), Fault> {
    let parent = |object: &ManagedObject| object.view::<ManagedEntity>().and_then(ManagedEntity::parent);
    let old = transaction.before().object(pool).and_then(|object| parent(object));
    let new = transaction.object(pool).and_then(|object| parent(object));
    if old == new {
        return Ok(());
    }
    for parent in
        [old, new].into_iter().flatten().filter(|parent| transaction.object(parent).is_some()).collect::<Vec<_>>()
    {
        touch_above(transaction, &parent)?;
    }
    Ok(())
}

/// Has the pools above this one, and what owns them, count anew.
fn touch_above(transaction: &mut Transaction, pool: &Moref) -> Result<(), Fault> {
    let mut above = Some(pool.clone());
    while let Some(pool) = above.filter(|above| above.is::<ResourcePool>() && transaction.object(above).is_some()) {
        above = transaction.edit::<ResourcePool>(&pool)?.parent();
    }
    Ok(())
}

/// What the machines of a pool, and of those below it, use.
pub(crate) fn below<'a>(find: &dyn Fn(&Moref) -> Option<&'a ManagedObject>, pool: &Moref) -> Usage {
    let Some(object) = find(pool) else { return Usage::default() };
    let mut usage = resource_pool::usage_of(object);
    for child in object.view::<ResourcePool>().into_iter().flat_map(|pool| pool.resource_pool().iter()) {
        let child = below(find, &child);
        if !child.is_nothing() {
            usage.add(&child, 1);
        }
    }
    usage
}
