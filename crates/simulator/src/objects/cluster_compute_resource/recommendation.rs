//! What DRS recommends: to move machines that break the cluster's rules. Where it may, it moves them itself.
// Fidelity: DRS does not balance load: that of simulated machines is no reason to move them.

use std::collections::BTreeMap;

use vimsim_registry::Transaction;
use vimsim_types::enums::{DrsBehavior, RecommendationReasonCode as Reason, VirtualMachinePowerState};
use vimsim_types::method::{
    ApplyRecommendation, CancelRecommendation, MigrateVMTask, RefreshRecommendation, StampAllRulesWithUuidTask,
};
use vimsim_types::views::{
    ClusterAffinityRuleSpec, ClusterAntiAffinityRuleSpec, ClusterComputeResource, ClusterConfigInfoEx,
    ClusterDrsMigration, ClusterMigrationAction, ClusterRecommendation, ClusterRuleInfo, ClusterVmHostRuleInfo,
    HostSystem, VirtualMachine,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::usage::{applies, may_run_on, suits};
use crate::call::Call;
use crate::kind::Kind;
use crate::objects::host_system;

type Cluster<'a> = Call<'a, ClusterComputeResource>;

/// Adds the methods.
pub(super) fn add(kind: Kind<ClusterComputeResource>) -> Kind<ClusterComputeResource> {
    kind.write(refresh).write(apply).write(cancel).write(stamp_rules)
}

/// A machine that breaks a rule, and where it would not.
struct Move {
    machine: Moref,
    from: Moref,
    to: Moref,
    reason: Reason,
    rule: ArcStr,
}

/// The machines that are on, and their hosts.
fn placed(call: &Cluster<'_>, hosts: &[Moref]) -> BTreeMap<Moref, Moref> {
    let mut placed = BTreeMap::new();
    for host in hosts {
        for moref in call.view::<HostSystem>(host).into_iter().flat_map(|host| host.vm().iter()) {
            let machine = call.view::<VirtualMachine>(&moref);
            if machine.is_some_and(|it| it.runtime().power_state() == VirtualMachinePowerState::PoweredOn) {
                placed.insert(moref, host.clone());
            }
        }
    }
    placed
}

/// What should move so that each rule is kept.
fn moves(call: &Cluster<'_>, config: &ClusterConfigInfoEx) -> Result<Vec<Move>, Fault> {
    let all: Vec<Moref> = call.this()?.host().iter().collect();
    let mut placed = placed(call, &all);
    let is_usable = |host: &&Moref| call.view::<HostSystem>(host).is_some_and(host_system::is_effective);
    let hosts: Vec<Moref> = all.iter().filter(is_usable).cloned().collect();
    let mut found: Vec<Move> = Vec::new();
    for rule in config.rule().iter().filter(|rule| rule.enabled() == Some(true)) {
        let about: Vec<Moref> = placed.keys().filter(|machine| applies(config, rule, machine)).cloned().collect();
        for machine in about {
            let from = placed.get(&machine).cloned().unwrap_or_else(|| machine.clone());
            if found.iter().any(|known| known.machine == machine) {
                continue;
            }
            let Some((reason, fits)) = verdict(config, rule, &machine, &from, &placed) else { continue };
            let suited = |host: &&Moref| **host != from && may_run_on(config, &machine, host) && fits(host);
            // The one with the fewest machines.
            let load = |host: &&Moref| placed.values().filter(|known| known == host).count();
            let Some(to) = hosts.iter().filter(suited).min_by_key(load).cloned() else { continue };
            drop(fits);
            placed.insert(machine.clone(), to.clone());
            let rule = rule.name().cloned().unwrap_or_default();
            found.push(Move { machine, from, to, reason, rule });
        }
    }
    Ok(found)
}

type Fits<'a> = Box<dyn Fn(&Moref) -> bool + 'a>;

/// Why a machine should not be where it is, and which hosts would do.
fn verdict<'a>(
    config: &'a ClusterConfigInfoEx,
    rule: &'a ClusterRuleInfo,
    machine: &'a Moref,
    from: &Moref,
    placed: &'a BTreeMap<Moref, Moref>,
) -> Option<(Reason, Fits<'a>)> {
    if let Some(apart) = rule.downcast::<ClusterAntiAffinityRuleSpec>() {
        let shares = move |host: &Moref| {
            let mut others = apart.vm().iter().filter(|other| other != machine);
            others.any(|other| placed.get(&other) == Some(host))
        };
        return shares(from).then(|| (Reason::AntiAffin, Box::new(move |host: &Moref| !shares(host)) as Fits<'a>));
    }
    if let Some(together) = rule.downcast::<ClusterAffinityRuleSpec>() {
        // They come to the host of the first of them.
        let first = together.vm().iter().find_map(|other| placed.get(&other))?;
        return (first != from).then(|| (Reason::JointAffin, Box::new(move |host: &Moref| host == first) as Fits<'a>));
    }
    let bound = rule.downcast::<ClusterVmHostRuleInfo>()?;
    let reason = if bound.mandatory() == Some(true) { Reason::VmHostHardAffinity } else { Reason::VmHostSoftAffinity };
    let is_kept = suits(config, bound, from);
    (!is_kept).then(|| (reason, Box::new(move |host: &Moref| suits(config, bound, host)) as Fits<'a>))
}

/// What DRS may do with a machine.
fn behavior(config: &ClusterConfigInfoEx, machine: &Moref) -> Option<DrsBehavior> {
    let drs = config.drs_config();
    if drs.enabled() != Some(true) {
        return None;
    }
    let own = config.drs_vm_config().iter().find(|own| own.key() == *machine);
    if own.is_some_and(|own| own.enabled() == Some(false)) {
        return None;
    }
    let own = own.filter(|_| drs.enable_vm_behavior_overrides() != Some(false)).and_then(|own| own.behavior());
    Some(own.or(drs.default_vm_behavior()).unwrap_or(DrsBehavior::FullyAutomated))
}

/// Has DRS look at the rules anew. What it may do it does; the rest it recommends.
fn refresh(call: &mut Cluster<'_>, _: RefreshRecommendation) -> Result<(), Fault> {
    let Some(config) = call.this()?.configuration_ex().downcast::<ClusterConfigInfoEx>().cloned() else {
        return Ok(());
    };
    let now = call.now();
    let mut recommendations: Vec<ClusterRecommendation> = Vec::new();
    for it in moves(call, &config)? {
        match behavior(&config, &it.machine) {
            None => {}
            Some(DrsBehavior::FullyAutomated) => migrate(call, &it.machine, &it.to)?,
            Some(_) => {
                let key = (recommendations.len() + 1).to_string();
                recommendations.push(ClusterRecommendation::with(|recommendation| {
                    recommendation.set_key(&key).set_type("V1").set_time(now).set_rating(1);
                    recommendation.set_reason(it.reason.name()).set_target(call.moref());
                    recommendation.set_reason_text(format!("The rule '{}' is broken", it.rule));
                    recommendation.push_action(ClusterMigrationAction::with(|action| {
                        action.set_drs_migration(ClusterDrsMigration::with(|migration| {
                            migration.set_key(&key).set_time(now).set_vm(it.machine.clone());
                            migration.set_source(it.from.clone()).set_destination(it.to.clone());
                        }));
                        action.set_type("MigrationV1").set_target(it.machine.clone());
                    }));
                }));
            }
        }
    }
    call.this_mut()?.set_recommendation(recommendations);
    Ok(())
}

fn migrate(call: &mut Cluster<'_>, machine: &Moref, host: &Moref) -> Result<(), Fault> {
    let request = MigrateVMTask::with(|request| {
        request.set_host(host.clone());
        request.set_priority(vimsim_types::enums::VirtualMachineMovePriority::DefaultPriority);
    });
    call.invoke(machine, request).map(|_| ())
}

/// The machines that a recommendation is about, and where they are to go.
fn migrations(recommendation: &ClusterRecommendation) -> Vec<(Moref, Moref)> {
    let actions = recommendation.action().iter().filter_map(|action| action.downcast::<ClusterMigrationAction>());
    actions.filter_map(|action| action.drs_migration()).map(|it| (it.vm(), it.destination())).collect()
}

fn take(call: &mut Cluster<'_>, key: &str) -> Result<ClusterRecommendation, Fault> {
    let found = call.this()?.recommendation().iter().find(|it| it.key() == key).cloned();
    let found = found.ok_or_else(|| Fault::invalid_argument("key", format!("there is no recommendation '{key}'")))?;
    call.this_mut()?.recommendation_mut().retain(|it| it.key() != key);
    Ok(found)
}

/// Does what is recommended.
///
/// - `InvalidArgument` if there is no such recommendation (any more).
fn apply(call: &mut Cluster<'_>, request: ApplyRecommendation) -> Result<(), Fault> {
    let recommendation = take(call, request.key())?;
    migrations(&recommendation).iter().try_for_each(|(machine, host)| migrate(call, machine, host))
}

/// Forgets what is recommended.
///
/// - `InvalidArgument` if there is no such recommendation.
fn cancel(call: &mut Cluster<'_>, request: CancelRecommendation) -> Result<(), Fault> {
    take(call, request.key()).map(|_| ())
}

/// Forgets recommendations about machines and hosts that are gone.
pub(super) fn forget_gone(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let cluster = transaction.get::<ClusterComputeResource>(moref)?;
    let is_stale = |recommendation: &ClusterRecommendation| {
        recommendation.action().iter().filter_map(|action| action.downcast::<ClusterMigrationAction>()).any(|action| {
            let migration = action.drs_migration();
            migration.is_none_or(|it| {
                [it.vm(), it.source(), it.destination()].iter().any(|moref| transaction.object(moref).is_none())
            })
        })
    };
    let stale: Vec<ArcStr> =
        cluster.recommendation().iter().filter(|it| is_stale(it)).map(|it| it.key().clone()).collect();
    if !stale.is_empty() {
        let cluster = transaction.edit::<ClusterComputeResource>(moref)?;
        cluster.recommendation_mut().retain(|it| !stale.contains(it.key()));
    }
    Ok(())
}

/// Gives each rule that has none a UUID.
fn stamp_rules(call: &mut Cluster<'_>, _: StampAllRulesWithUuidTask) -> Result<Moref, Fault> {
    call.start_task(|call| {
        let this = call.moref();
        let is_bare = |config: &ClusterConfigInfoEx| config.rule().iter().any(|rule| rule.rule_uuid().is_none());
        if !call.this()?.configuration_ex().downcast::<ClusterConfigInfoEx>().is_some_and(is_bare) {
            return Ok(());
        }
        if let Some(config) = call.this_mut()?.configuration_ex_mut().downcast_mut::<ClusterConfigInfoEx>() {
            for rule in config.rule_mut().iter_mut().filter(|rule| rule.rule_uuid().is_none()) {
                let name = format!("{this}/rule/{}", rule.key().unwrap_or_default());
                rule.set_rule_uuid(crate::uuid::named(&name));
            }
        }
        Ok(())
    })
}
