//! A machine that was moved to another host, or whose network cards were changed: its container leaves the networks that
//! these led to and joins those that they lead to now, as at its making.

use std::sync::Arc;

use vimsim_container::{RuntimeError, Undo};
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::views::VirtualMachine;
use vimsim_types::{Fault, Moref};

use super::backing::{self, Backed};
use super::plan::Plan;
use super::show;
use crate::call::Call;
use crate::containers::engine::fault;
use crate::containers::make::and_left;
use crate::service::Service;

/// Told of every change of a machine's host or network cards, in the transaction that makes it.
pub(crate) fn replug<T>(call: &mut Call<'_, T>, this: &Moref) {
    if !backing::is_backed(call, this) {
        return;
    }
    let (service, this) = (call.context().service.clone(), this.clone());
    let pending = service.engine().pend(&this);
    call.context().after(async move {
        let turn = service.engine().turn(&this).await;
        let result = follow(&service, &this).await;
        drop((turn, pending));
        if let Err(fault) = result {
            tracing::warn!(machine = %this, %fault, "a machine's container cannot follow its network cards");
        }
    });
}

/// Brings the container into the networks that the machine's cards lead to. Where they lead to none, it stays where it is.
async fn follow(service: &Arc<Service>, this: &Moref) -> Result<(), Fault> {
    let snapshot = service.snapshot();
    let (Some(machine), Some(old)) = (snapshot.view::<VirtualMachine>(this), backing::seen(&snapshot, this)) else {
        return Ok(());
    };
    let plan = Plan::new(&snapshot, this, machine, old.wanted.clone(), machine.runtime().host().as_ref());
    if !plan.is_user || old.is_gone || (plan.networks == old.networks && plan.cards == old.cards) {
        return Ok(());
    }
    let instance = service.engine().instance()?.clone();
    let runtime = instance.runtime().clone();
    let failed = |error: RuntimeError| fault(&error);
    let mut undo = Undo::new();
    let joined = async {
        for network in plan.networks.iter().filter(|network| !old.networks.contains(network)) {
            instance.acquire_network(network).await?;
            let (again, name) = (instance.clone(), network.clone());
            undo.push(format!("network {network}"), async move { again.release_network(&name).await });
            runtime.join_network(&old.container, network).await?;
            let (again, container, name) = (runtime.clone(), old.container.clone(), network.clone());
            undo.push(format!("a place in {network}"), async move { again.leave_network(&container, &name).await });
        }
        runtime.inspect_container(&old.container).await
    };
    let before = match joined.await {
        Ok(seen) => seen,
        Err(error) => {
            let left = undo.rollback().await;
            return Err(and_left(failed(error), &left));
        }
    };
    undo.commit();
    for endpoint in before.endpoints.iter().filter(|endpoint| !plan.networks.contains(&endpoint.network)) {
        runtime.leave_network(&old.container, &endpoint.network).await.map_err(failed)?;
    }
    for network in old.networks.iter().filter(|network| old.is_user && !plan.networks.contains(network)) {
        instance.release_network(network).await.map_err(failed)?;
    }
    let seen = runtime.inspect_container(&old.container).await.map_err(failed)?;
    service.transact::<VirtualMachine, _>(this, |call| {
        let Some(current) = backing::of(call, this) else { return Ok(()) };
        let backed = Backed { networks: plan.networks, is_user: true, cards: plan.cards, ..Backed::clone(&current) };
        if backed.state == Power::PoweredOn {
            show::show(call, this, &backed, &seen)?;
        }
        backing::set(call, this, Some(backed))
    })
}
