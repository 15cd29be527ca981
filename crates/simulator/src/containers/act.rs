//! What is done to a host is done to its container.

use std::sync::Arc;

use vimsim_container::{Container, RuntimeError, Status};
use vimsim_types::method::ReconnectHostTask;
use vimsim_types::views::HostSystem;
use vimsim_types::{Fault, MethodView, Moref};

use super::backing::{self, Backed};
use super::change::{Outcome, made};
use super::engine::{Engine, fault, held};
use super::make::{Volumes, ended, make};
use super::observe;
use super::plan::{Plan, container_name};
use super::reflect;
use crate::call::{Call, not_found};
use crate::objects::host_system::{connected, expect_not_connected};
use crate::task::Cancel;
use crate::work::Work;

/// What is done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Start,
    Stop,
    /// Stopped, then started again.
    Restart,
}

/// How long a container may take to stop when it is asked to, in seconds.
const GRACE: u32 = 10;

/// Starts a task of the method that was called, which does this to the host's container. `begin` is written before that,
/// `end` when the engine has done it.
///
/// - `PlatformConfigFault` with the engine's words, as a fault of the task; the host is then as its container is.
pub(crate) fn act<B, E>(call: &mut Call<'_, HostSystem>, deed: Deed, begin: B, end: E) -> Result<Moref, Fault>
where
    B: FnOnce(&mut Call<'_, HostSystem>) -> Result<(), Fault> + Send + 'static,
    E: FnOnce(&mut Call<'_, HostSystem>) -> Result<(), Fault> + Send + 'static,
{
    let method = call.context().method.ok_or_else(|| Fault::invalid_request("only a method starts a task"))?;
    let host = call.moref();
    call.start_work(method, Cancel::No, move |work| async move {
        let engine = work.service().engine();
        let turn = engine.turn(&host).await;
        let backed = backing::seen(&work.snapshot(), &host);
        work.write::<HostSystem, _>(&host, begin)?;
        work.progress(10, "the container engine is at work");
        let seen = match &backed {
            Some(backed) => match carry_out(engine, backed, deed).await {
                Ok(seen) => seen,
                Err(error) => {
                    observe::look_later(work.service(), &host);
                    return Err(error);
                }
            },
            None => None,
        };
        Ok(move |call: &mut Call<'_, HostSystem>| {
            held(call, turn);
            if let (Some(backed), Some(seen)) = (&backed, &seen) {
                reflect::show(call, &host, backed, seen)?;
            }
            end(call)?;
            observe::look_later(&call.context().service, &host);
            Ok(())
        })
    })
}

/// Does it. The container as it is then, if it runs.
async fn carry_out(engine: &Engine, backed: &Backed, deed: Deed) -> Result<Option<Container>, Fault> {
    let runtime = engine.runtime()?;
    let id = &backed.container;
    let seen = match runtime.inspect_container(id).await {
        Ok(seen) => seen,
        // What is gone does not run.
        Err(error) if error.is_not_found() && deed == Deed::Stop => return Ok(None),
        Err(error) => return Err(fault(&error)),
    };
    let failed = |error: RuntimeError| fault(&error);
    if seen.state.status == Status::Paused {
        runtime.unpause_container(id).await.map_err(failed)?;
    }
    match deed {
        Deed::Start => runtime.start_container(id).await,
        Deed::Stop => runtime.stop_container(id, GRACE).await,
        Deed::Restart => runtime.restart_container(id, GRACE).await,
    }
    .map_err(failed)?;
    if deed == Deed::Stop {
        return Ok(None);
    }
    expect_running(runtime.inspect_container(id).await.map_err(failed)?).map(Some)
}

fn expect_running(seen: Container) -> Result<Container, Fault> {
    match seen.state.status {
        Status::Running => Ok(seen),
        _ => Err(fault(&RuntimeError::engine(ended(&seen)))),
    }
}

/// `ReconnectHost_Task` of a host with a container, which is started if it stands still, and made anew if it is gone.
///
/// - `InvalidState` if the host is connected; `PlatformConfigFault` with the engine's words; as faults of the task.
pub(crate) fn reconnect(call: &mut Call<'_, HostSystem>) -> Result<Moref, Fault> {
    let host = call.moref();
    call.start_work(ReconnectHostTask::method(), Cancel::Yes, move |work| async move {
        let turn = work.service().engine().turn(&host).await;
        let snapshot = work.snapshot();
        expect_not_connected(snapshot.view::<HostSystem>(&host).ok_or_else(|| not_found(&host))?)?;
        let outcome = match backing::seen(&snapshot, &host) {
            Some(backed) => bring_back(&work, &host, &backed).await?,
            None => Outcome::Nothing,
        };
        Ok(move |call: &mut Call<'_, HostSystem>| {
            held(call, turn);
            outcome.write(call, &host)?;
            connected(call, &host)
        })
    })
}

/// Brings the container of a host back, whatever has become of it.
async fn bring_back(work: &Work, host: &Moref, backed: &Arc<Backed>) -> Result<Outcome, Fault> {
    let engine = work.service().engine();
    let runtime = engine.runtime()?;
    match runtime.inspect_container(&backed.container).await {
        Ok(_) => {
            let seen = carry_out(engine, backed, Deed::Start).await?;
            let seen = seen.ok_or_else(|| not_found(host))?;
            Ok(Outcome::Back(Box::new((Backed { is_gone: false, ..Backed::clone(backed) }, seen))))
        }
        Err(error) if error.is_not_found() => {
            let snapshot = work.snapshot();
            let properties = snapshot.view::<HostSystem>(host).ok_or_else(|| not_found(host))?;
            let plan = Plan::again(host, properties, backed, container_name(&snapshot, host, properties));
            let container = make(engine, &plan, Volumes::Kept, work).await?;
            // The container that is gone used its networks, too.
            for network in backed.networks() {
                engine.instance()?.release_network(network).await.map_err(|error| fault(&error))?;
            }
            Ok(made(plan, backed.before.clone(), container))
        }
        Err(error) => Err(fault(&error)),
    }
}
