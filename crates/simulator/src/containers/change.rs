//! A host's options ask for another container than it has, or for none any more.

use std::sync::Arc;

use vimsim_container::Container;
use vimsim_types::method::UpdateOptions;
use vimsim_types::views::{HostSystem, OptionManager, OptionValue};
use vimsim_types::{Fault, MethodView, Moref, Value, View};

use super::backing::{self, Backed};
use super::engine::held;
use super::make::{Made, Volumes, make, pull, unmake};
use super::observe;
use super::plan::{Plan, container_name};
use super::reflect::{self, Before};
use super::wanted::Wanted;
use crate::call::{Call, not_found};
use crate::objects::host_system::{connected, is_disconnected};
use crate::objects::option_manager;
use crate::task::Cancel;
use crate::work::Work;

/// An option that was changed, to be taken back if the container cannot be had.
#[derive(Clone)]
pub(crate) struct Changed {
    pub(crate) key: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// What became of a host's container.
pub(super) enum Outcome {
    /// It was made, and is taken back unless it is written down.
    Made(Box<(Backed, Made)>),
    /// It runs again.
    Back(Box<(Backed, Container)>),
    Removed(Arc<Backed>),
    Nothing,
}

impl Outcome {
    /// Writes it down: in the host's properties, and beside them.
    pub(super) fn write<T>(self, call: &mut Call<'_, T>, host: &Moref) -> Result<(), Fault> {
        let service = call.context().service.clone();
        match self {
            Self::Made(made) => {
                let (backed, made) = *made;
                Self::Back(Box::new((backed, made.seen))).write(call, host)?;
                made.undo.commit();
            }
            Self::Back(back) => {
                let (backed, seen) = *back;
                reflect::show(call, host, &backed, &seen)?;
                service.engine().remember(&backed.container, host);
                backing::set(call, host, Some(backed))?;
                if !is_disconnected(call.get::<HostSystem>(host)?) {
                    connected(call, host)?;
                }
                // It may have ended since it was looked at, unseen.
                observe::look_later(&service, host);
            }
            Self::Removed(backed) => {
                reflect::hide(call, host, &backed)?;
                backing::set(call, host, None)?;
                service.engine().forget(host);
                if !is_disconnected(call.get::<HostSystem>(host)?) {
                    connected(call, host)?;
                }
            }
            Self::Nothing => {}
        }
        Ok(())
    }
}

/// Starts the task that gives a host the container that its options ask for now; `wanted` is none if they ask for none. If
/// that fails, the options, the container and the host are as before.
pub(crate) fn change<T>(
    call: &mut Call<'_, T>,
    host: &Moref,
    wanted: Option<Wanted>,
    changed: Vec<Changed>,
) -> Result<Moref, Fault> {
    let this = host.clone();
    let pending = call.context().service.engine().pend(host);
    call.on::<HostSystem>(host).start_work(UpdateOptions::method(), Cancel::Yes, move |work| async move {
        let service = work.service().clone();
        let turn = service.engine().turn(&this).await;
        match replace(&work, &this, wanted).await {
            Ok(outcome) => Ok(move |call: &mut Call<'_, HostSystem>| {
                held(call, (turn, pending));
                outcome.write(call, &this)
            }),
            Err(fault) => {
                take_back(&work, &this, &changed);
                Err(fault)
            }
        }
    })
}

/// Has the engine do what is asked for.
async fn replace(work: &Work, host: &Moref, wanted: Option<Wanted>) -> Result<Outcome, Fault> {
    let service = work.service();
    let engine = service.engine();
    let snapshot = work.snapshot();
    let properties = snapshot.view::<HostSystem>(host).ok_or_else(|| not_found(host))?;
    let old = backing::seen(&snapshot, host);
    let Some(wanted) = wanted else {
        let Some(old) = old else { return Ok(Outcome::Nothing) };
        work.progress(10, "removing the container");
        if let Err(fault) = unmake(engine, &old).await {
            observe::look_later(service, host);
            return Err(fault);
        }
        return Ok(Outcome::Removed(old));
    };
    let instance = engine.instance()?;
    observe::watch(service);
    let name = container_name(&snapshot, host, properties);
    let plan = Plan::new(instance.id(), host, properties, wanted, name, old.as_deref())?;
    let Some(old) = old else {
        let before = Before::of(properties);
        let container = make(engine, &plan, Volumes::New, work).await?;
        return Ok(made(plan, before, container));
    };
    // What is most likely to fail comes before anything is lost.
    pull(instance, &plan.wanted.image, Some(work)).await?;
    if let Err(fault) = unmake(engine, &old).await {
        observe::look_later(service, host);
        return Err(fault);
    }
    let failed = match make(engine, &plan, Volumes::New, work).await {
        Ok(container) => return Ok(made(plan, old.before.clone(), container)),
        Err(fault) => fault,
    };
    let as_before = Plan { wanted: old.wanted.clone(), cables: old.cables.clone(), ..plan };
    let outcome = make(engine, &as_before, Volumes::New, &work.regardless()).await;
    let written = match outcome {
        Ok(container) => {
            let outcome = made(as_before, old.before.clone(), container);
            work.write::<HostSystem, _>(host, |call| outcome.write(call, host))
        }
        Err(fault) => Err(fault),
    };
    if let Err(fault) = written {
        tracing::error!(%host, %fault, "the container that was to be replaced cannot be brought back");
        observe::look_later(service, host);
    }
    Err(failed)
}

/// A container as it was made.
pub(super) fn made(plan: Plan, before: Before, made: Made) -> Outcome {
    let backed = Backed {
        wanted: plan.wanted,
        cables: plan.cables,
        container: made.seen.id.clone(),
        name: made.seen.name.clone(),
        volumes: plan.volumes,
        before,
        is_gone: false,
    };
    Outcome::Made(Box::new((backed, made)))
}

/// Sets options back to what they were, unless somebody has changed them since.
fn take_back(work: &Work, host: &Moref, changed: &[Changed]) {
    let written = work.write::<HostSystem, _>(host, |call| {
        let Some(manager) = call.this()?.config_manager().advanced_option() else { return Ok(()) };
        let mut call = call.on::<OptionManager>(&manager);
        for option in changed {
            let now = call.this()?.setting().iter().find(|known| known.key() == option.key.as_str());
            if now.map(|known| known.value()) != option.after.as_ref() {
                continue;
            }
            let manager = call.this_mut()?;
            match &option.before {
                Some(value) => option_manager::set(
                    manager,
                    OptionValue::with(|known| {
                        known.set_key(&*option.key).set_value(value.clone());
                    }),
                ),
                None => option_manager::unset(manager, &option.key),
            }
        }
        Ok(())
    });
    if let Err(fault) = written {
        tracing::error!(%host, %fault, "cannot take options back");
    }
}
