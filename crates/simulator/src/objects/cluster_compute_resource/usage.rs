//! What a cluster says about its resources: usage, rules that apply, hosts that suit, HA's state.

use std::cmp::Reverse;

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::method::{FindRulesForVm, GetResourceUsage, RecommendHostsForVm, RetrieveDasAdvancedRuntimeInfo};
use vimsim_types::views::{
    ClusterAffinityRuleSpec, ClusterAntiAffinityRuleSpec, ClusterComputeResource, ClusterComputeResourceSummary,
    ClusterConfigInfoEx, ClusterDasAdvancedRuntimeInfo, ClusterDasAdvancedRuntimeInfoVmcpCapabilityInfo,
    ClusterDependencyRuleInfo, ClusterHostGroup, ClusterHostRecommendation, ClusterResourceUsageSummary,
    ClusterRuleInfo, ClusterUsageSummary, ClusterVmGroup, ClusterVmHostRuleInfo, DasHeartbeatDatastoreInfo, Datastore,
    HostSystem, ResourcePool,
};
use vimsim_types::{Fault, Moref, Value, View};

use super::lists::owner;
use crate::call::{Context, Look};
use crate::objects::host_system;
use crate::usage;

const MEBIBYTE: i64 = 1 << 20;

/// How much of the cluster's CPU, memory and storage is used: the sums over its hosts and datastores.
pub(super) fn get_resource_usage(
    look: &Look<'_, ClusterComputeResource>,
    _: GetResourceUsage,
) -> Result<ClusterResourceUsageSummary, Fault> {
    let cluster = look.this()?;
    let hosts: Vec<&HostSystem> = cluster.host().iter().filter_map(|host| look.snapshot().view(&host)).collect();
    let datastores: Vec<&Datastore> =
        cluster.datastore().iter().filter_map(|datastore| look.snapshot().view(&datastore)).collect();
    let used = |of: fn(&vimsim_types::views::HostListSummaryQuickStats) -> Option<i32>| {
        hosts.iter().filter_map(|host| of(host.summary().quick_stats())).fold(0, i32::saturating_add)
    };
    let capacity: i64 = datastores.iter().map(|datastore| datastore.summary().capacity()).sum();
    let free: i64 = datastores.iter().map(|datastore| datastore.summary().free_space()).sum();
    Ok(ClusterResourceUsageSummary::with(|usage| {
        usage.set_cpu_used_mhz(used(|stats| stats.overall_cpu_usage()));
        usage.set_cpu_capacity_mhz(cluster.summary().total_cpu());
        usage.set_mem_used_mb(used(|stats| stats.overall_memory_usage()));
        usage.set_mem_capacity_mb(i32::try_from(cluster.summary().total_memory() / MEBIBYTE).unwrap_or(i32::MAX));
        usage.set_storage_used_mb((capacity - free) / MEBIBYTE);
        usage.set_storage_capacity_mb(capacity / MEBIBYTE);
    }))
}

/// `summary`, with what the machines in the cluster's pools use and reserve. Worked out when it is read, so that starting a
/// machine leaves a cluster of many hosts alone.
pub(super) fn summary(_: &Context, snapshot: &Snapshot, object: &ManagedObject) -> Value {
    let Some(cluster) = object.view::<ClusterComputeResource>() else { return Value::Unset };
    let Some(summary) = cluster.summary().downcast::<ClusterComputeResourceSummary>() else {
        return Value::Object(cluster.summary().clone().into());
    };
    let Some((moref, pool)) = cluster.resource_pool().and_then(|pool| Some((pool.clone(), snapshot.view(&pool)?)))
    else {
        return Value::Object(summary.clone().into());
    };
    let pool: &ResourcePool = pool;
    let used = usage::below(&|moref| snapshot.object(moref).map(|object| &**object), &moref);
    let int = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
    let mut summary = summary.clone();
    summary.set_usage_summary(ClusterUsageSummary::with(|usage| {
        usage.set_total_cpu_capacity_mhz(cluster.summary().effective_cpu());
        usage.set_total_mem_capacity_mb(int(cluster.summary().effective_memory()));
        usage.set_cpu_reservation_mhz(int(pool.runtime().cpu().reservation_used()));
        usage.set_mem_reservation_mb(int(pool.runtime().memory().reservation_used() / MEBIBYTE));
        // The number of a round of DRS; there are none.
        usage.set_stats_gen_number(0);
        usage::set_cluster(usage, &used);
    }));
    Value::Object(summary.into())
}

fn configuration<'a>(look: &Look<'a, ClusterComputeResource>) -> Result<Option<&'a ClusterConfigInfoEx>, Fault> {
    Ok(look.this()?.configuration_ex().downcast::<ClusterConfigInfoEx>())
}

/// Whether a virtual machine is in the group of this name.
fn in_group(config: &ClusterConfigInfoEx, name: &str, vm: &Moref) -> bool {
    let mut groups = config.group().iter().filter(|group| group.name() == name);
    groups.any(|group| group.downcast::<ClusterVmGroup>().is_some_and(|group| group.vm().contains(vm)))
}

/// Whether a rule is about a virtual machine, by itself or by its group.
pub(super) fn applies(config: &ClusterConfigInfoEx, rule: &ClusterRuleInfo, vm: &Moref) -> bool {
    if let Some(rule) = rule.downcast::<ClusterAffinityRuleSpec>() {
        rule.vm().contains(vm)
    } else if let Some(rule) = rule.downcast::<ClusterAntiAffinityRuleSpec>() {
        rule.vm().contains(vm)
    } else if let Some(rule) = rule.downcast::<ClusterVmHostRuleInfo>() {
        rule.vm_group_name().is_some_and(|name| in_group(config, name, vm))
    } else if let Some(rule) = rule.downcast::<ClusterDependencyRuleInfo>() {
        in_group(config, rule.vm_group(), vm) || in_group(config, rule.depends_on_vm_group(), vm)
    } else {
        false
    }
}

/// The rules that are about a virtual machine.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` for one of another cluster.
pub(super) fn find_rules_for_vm(
    look: &Look<'_, ClusterComputeResource>,
    request: FindRulesForVm,
) -> Result<Vec<ClusterRuleInfo>, Fault> {
    let vm = request.vm();
    check_member(look, &vm)?;
    let Some(config) = configuration(look)? else { return Ok(Vec::new()) };
    Ok(config.rule().iter().filter(|rule| applies(config, rule, &vm)).cloned().collect())
}

fn check_member(look: &Look<'_, ClusterComputeResource>, vm: &Moref) -> Result<(), Fault> {
    look.get::<vimsim_types::views::VirtualMachine>(vm)?;
    match owner(look.snapshot(), vm) {
        Some(owner) if owner == *look.moref() => Ok(()),
        _ => Err(Fault::invalid_argument("vm", format!("{vm} is not of this cluster"))),
    }
}

/// The hosts that a virtual machine could be powered on on, best first: those that work and that no mandatory rule
/// forbids, by free memory.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` for a pool of another cluster.
pub(super) fn recommend_hosts_for_vm(
    look: &Look<'_, ClusterComputeResource>,
    request: RecommendHostsForVm,
) -> Result<Vec<ClusterHostRecommendation>, Fault> {
    let vm = request.vm();
    look.get::<vimsim_types::views::VirtualMachine>(&vm)?;
    match request.pool() {
        Some(pool) if look.get::<ResourcePool>(&pool)?.owner() != *look.moref() => {
            return Err(Fault::invalid_argument("pool", format!("{pool} is not of this cluster")));
        }
        Some(_) => {}
        None => check_member(look, &vm)?,
    }
    let config = configuration(look)?;
    let mut hosts: Vec<(i64, Moref)> = Vec::new();
    for moref in look.this()?.host() {
        let Some(host) = look.snapshot().view::<HostSystem>(&moref) else { continue };
        if host_system::is_effective(host) && config.is_none_or(|config| may_run_on(config, &vm, &moref)) {
            let size = host.summary().hardware().map_or(0, |hardware| hardware.memory_size() / MEBIBYTE);
            let used = host.summary().quick_stats().overall_memory_usage().unwrap_or_default();
            hosts.push((size - i64::from(used), moref));
        }
    }
    hosts.sort_by_key(|(free, _)| Reverse(*free));
    // Ratings go from 5, the best, to 1.
    let rated = hosts.into_iter().zip([5, 4, 3, 2].into_iter().chain(std::iter::repeat(1)));
    Ok(rated
        .map(|((_, host), rating)| {
            ClusterHostRecommendation::with(|recommendation| {
                recommendation.set_host(host).set_rating(rating);
            })
        })
        .collect())
}

/// Whether the mandatory rules let a virtual machine run on a host.
pub(crate) fn may_run_on(config: &ClusterConfigInfoEx, vm: &Moref, host: &Moref) -> bool {
    config.rule().iter().filter_map(|rule| rule.downcast::<ClusterVmHostRuleInfo>()).all(|rule| {
        let binds = rule.enabled() == Some(true) && rule.mandatory() == Some(true) && applies(config, rule, vm);
        !binds || suits(config, rule, host)
    })
}

/// Whether a host is one that a rule wants its machines on.
pub(super) fn suits(config: &ClusterConfigInfoEx, rule: &ClusterVmHostRuleInfo, host: &Moref) -> bool {
    let has_host = |name: &str| {
        let mut groups = config.group().iter().filter(|group| group.name() == name);
        groups.any(|group| group.downcast::<ClusterHostGroup>().is_some_and(|group| group.host().contains(host)))
    };
    rule.affine_host_group_name().is_none_or(|name| has_host(name))
        && !rule.anti_affine_host_group_name().is_some_and(|name| has_host(name))
}

/// The state of HA; nothing while it is off. Its heartbeats use the datastores that several hosts mount.
pub(super) fn retrieve_das_advanced_runtime_info(
    look: &Look<'_, ClusterComputeResource>,
    _: RetrieveDasAdvancedRuntimeInfo,
) -> Result<Option<ClusterDasAdvancedRuntimeInfo>, Fault> {
    let cluster = look.this()?;
    if configuration(look)?.is_none_or(|config| config.das_config().enabled() != Some(true)) {
        return Ok(None);
    }
    let heartbeats = cluster.datastore().iter().filter_map(|moref| {
        let datastore = look.snapshot().view::<Datastore>(&moref)?;
        let hosts: Vec<Moref> =
            datastore.host().iter().map(|mount| mount.key()).filter(|host| cluster.host().contains(host)).collect();
        (hosts.len() > 1).then(|| {
            DasHeartbeatDatastoreInfo::with(|info| {
                info.set_datastore(moref);
                info.set_hosts(hosts);
            })
        })
    });
    Ok(Some(ClusterDasAdvancedRuntimeInfo::with(|info| {
        info.set_vmcp_supported(ClusterDasAdvancedRuntimeInfoVmcpCapabilityInfo::with(|vmcp| {
            vmcp.set_storage_apd_supported(true).set_storage_pdl_supported(true);
        }));
        info.set_heartbeat_datastore_info(heartbeats);
    })))
}
