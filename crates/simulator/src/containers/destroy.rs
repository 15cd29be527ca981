//! What is destroyed takes the containers of its hosts and virtual machines with it, first.

use std::sync::Arc;

use futures_util::future::join_all;
use vimsim_types::views::{
    ComputeResource, Datacenter, Folder, HostSystem, ManagedEntity, ResourceInUse, VirtualMachine,
};
use vimsim_types::{Fault, Moref, View};

use super::backing::{self, Backed};
use super::engine::{Turn, held};
use super::make::unmake;
use super::{machine, observe};
use crate::call::Call;
use crate::service::Service;
use crate::task::Cancel;
use crate::walk::descendants;
use crate::work::Work;

/// The hosts and virtual machines that go with an entity, or it itself, that have containers, or are about to get them.
pub(crate) fn holds_backed<T>(call: &Call<'_, T>, moref: &Moref) -> Vec<Moref> {
    let may_hold =
        moref.is::<HostSystem>() || moref.is::<Folder>() || moref.is::<Datacenter>() || moref.is::<ComputeResource>();
    let engine = call.context().service.engine();
    if !engine.is_used() {
        return Vec::new();
    }
    let mut hosts = machine::leaving(call, moref);
    if !may_hold {
        return hosts;
    }
    let mut visit = |moref: &Moref| {
        if moref.is::<HostSystem>() && (backing::is_backed(call, moref) || engine.is_pending(moref)) {
            hosts.push(moref.clone());
        }
    };
    visit(moref);
    descendants(&**call, moref, true, &mut visit);
    hosts
}

/// `ResourceInUse` while the host has a container: the host is gone only when that is.
pub(crate) fn expect_torn_down<T>(call: &Call<'_, T>, host: &Moref) -> Result<(), Fault> {
    let Some(backed) = backing::of(call, host) else { return Ok(()) };
    let name = call.get::<HostSystem>(host)?.name().clone();
    let detail = ResourceInUse::with(|fault| _ = fault.set_type(HostSystem::TYPE.name()).set_name(&name));
    Err(Fault::new(detail, format!("the host '{name}' has the container {}", backed.name)))
}

/// How an entity leaves: it is destroyed, or what is in it is unregistered.
pub(crate) type End = fn(&mut Call<'_, ManagedEntity>, &Moref) -> Result<(), Fault>;

/// Starts the task that ends the entity with these hosts and machines in it, when their containers are gone. Whether it can be
/// destroyed is tried first.
///
/// - What keeps the entity from being destroyed, and `PlatformConfigFault` with the engine's words, as faults of the task;
///   a host whose container is gone by then does not respond and can be connected again, a machine's is made anew;
/// - `TaskInProgress` while a task is under way on one of them.
pub(crate) fn destroy_backed(call: &mut Call<'_, ManagedEntity>, hosts: Vec<Moref>, end: End) -> Result<Moref, Fault> {
    let method = call.context().method.ok_or_else(|| Fault::invalid_request("only a method starts a task"))?;
    let this = call.moref();
    call.start_work_with(method, Cancel::No, hosts.clone(), move |work| async move {
        let turns = turns(&work, hosts).await;
        let hosts: Vec<Moref> = turns.iter().map(|(host, _)| host.clone()).collect();
        attempt(&work, &this, &hosts, end)?;
        work.progress(10, "removing containers");
        let snapshot = work.snapshot();
        let backed: Vec<Arc<Backed>> = hosts.iter().filter_map(|host| backing::seen(&snapshot, host)).collect();
        let machines: Vec<_> = hosts.iter().filter_map(|owner| machine::seen(&snapshot, owner)).collect();
        let engine = work.service().engine();
        // Machines go first: they may be on their hosts' networks.
        let mut removed = join_all(machines.iter().map(|backed| machine::unmake(engine, backed))).await;
        removed.extend(join_all(backed.iter().map(|backed| unmake(engine, backed))).await);
        if let Some(fault) = removed.into_iter().find_map(Result::err) {
            hosts.iter().for_each(|owner| look(work.service(), owner));
            return Err(fault);
        }
        Ok(move |call: &mut Call<'_, ManagedEntity>| {
            let service = call.context().service.clone();
            // Should it fail, they do not respond.
            hosts.iter().for_each(|owner| look(&service, owner));
            held(call, turns);
            tear_down(call, &this, &hosts, end)?;
            hosts.iter().for_each(|host| service.engine().forget(host));
            Ok(())
        })
    })
}

fn look(service: &Arc<Service>, owner: &Moref) {
    match owner.is::<VirtualMachine>() {
        true => machine::look_later(service, owner),
        false => observe::look_later(service, owner),
    }
}

/// Takes the turn of each host, in one order for all who take several.
async fn turns(work: &Work, mut hosts: Vec<Moref>) -> Vec<(Moref, Turn)> {
    hosts.sort_by(|a, b| a.value().cmp(b.value()));
    let mut turns = Vec::new();
    for host in hosts {
        let turn = work.service().engine().turn(&host).await;
        turns.push((host, turn));
    }
    turns
}

fn tear_down(call: &mut Call<'_, ManagedEntity>, this: &Moref, hosts: &[Moref], end: End) -> Result<(), Fault> {
    for owner in hosts {
        match owner.is::<VirtualMachine>() {
            true => machine::tear_down(call, owner)?,
            false => backing::set(call, owner, None)?,
        }
    }
    end(call, this)
}

/// Destroys it in a write that is not kept: the fault that keeps it from being destroyed.
fn attempt(work: &Work, this: &Moref, hosts: &[Moref], end: End) -> Result<(), Fault> {
    work.attempt::<ManagedEntity, _>(this, |call| tear_down(call, this, hosts, end))
}
