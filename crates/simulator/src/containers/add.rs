//! Hosts that have a container from the beginning.
//!
//! A client says so in one of two ways, since the API has no advanced options of a host that is not there yet:
//!
//! - for one host, in its `HostConnectSpec`: `hostGateway.hostAuthParams`, which are keys and values of whatever the host
//!   is reached through, with the options' own keys (`RUN.container`, `RUN.underlay.vmnic1`);
//! - for all hosts that are added from now on, as options of the service itself (`content.setting`; govc's `option.set`):
//!   what vcsim reads from its template of a host.

use vimsim_types::views::{HostConnectSpec, HostSystem, OptionManager, OptionValue};
use vimsim_types::{Fault, Method, Moref, View};

use super::change::{change, made};
use super::engine::held;
use super::make::{Volumes, make};
use super::observe;
use super::plan::{Plan, container_name};
use super::reflect::Before;
use super::wanted::{Wanted, concerns_containers};
use crate::call::Call;
use crate::objects::{option_manager, service_instance};
use crate::task::Cancel;

/// The options that a new host is to have.
#[derive(Clone, Default)]
pub(crate) struct OfNewHost {
    options: Vec<OptionValue>,
    wanted: Option<Wanted>,
}

impl OfNewHost {
    /// Whether a container is among what they ask for.
    pub(crate) fn asks_for_container(&self) -> bool {
        self.wanted.is_some()
    }
}

/// The options for us that a host has which is added with this specification.
///
/// - `InvalidArgument` for a value that names no image.
pub(crate) fn of_new_host<T>(call: &Call<'_, T>, spec: &HostConnectSpec) -> Result<OfNewHost, Fault> {
    let mut options: Vec<OptionValue> = Vec::new();
    let config = call.context().service.config();
    let own = call.view::<OptionManager>(&service_instance::setting(config.product));
    let own = own.into_iter().flat_map(|manager| manager.setting()).cloned();
    let given = spec.host_gateway().into_iter().flat_map(|gateway| gateway.host_auth_params());
    let given =
        given.map(|pair| OptionValue::with(|option| _ = option.set_key(pair.key()).set_value(pair.value().as_str())));
    for option in own.chain(given).filter(|option| concerns_containers(option.key())) {
        options.retain(|known| known.key() != option.key());
        options.push(option);
    }
    let wanted = Wanted::read(&options, &config.containers)?;
    Ok(OfNewHost { options, wanted })
}

/// Writes the options into a host that was added.
fn give<T>(call: &mut Call<'_, T>, host: &Moref, options: &[OptionValue]) -> Result<(), Fault> {
    let manager = call.get::<HostSystem>(host)?.config_manager().advanced_option();
    let Some(manager) = manager.filter(|_| !options.is_empty()) else { return Ok(()) };
    let manager = call.edit::<OptionManager>(&manager)?;
    options.iter().for_each(|option| option_manager::set(manager, option.clone()));
    Ok(())
}

/// Gives a host that was added its options, and starts the task that makes its container, if they ask for one.
pub(crate) fn begin_backed<T>(call: &mut Call<'_, T>, host: &Moref, of: &OfNewHost) -> Result<(), Fault> {
    give(call, host, &of.options)?;
    match &of.wanted {
        Some(wanted) => change(call, host, Some(wanted.clone()), Vec::new()).map(drop),
        None => Ok(()),
    }
}

/// Starts the task that makes a container and then adds the host that it is behind. `reserve` gives out the identifiers of
/// what is added, `host` says which of them is the host's, and `add` adds all of it, first on trial.
///
/// - `PlatformConfigFault` with the engine's words, and what `add` faults, as faults of the task; nothing is added then.
pub(crate) fn add_backed<T: View, I: Clone + Send + Sync + 'static>(
    call: &mut Call<'_, T>,
    method: &'static Method,
    of: OfNewHost,
    reserve: fn(&mut Call<'_, T>) -> I,
    host: fn(&I) -> Moref,
    add: impl Fn(&mut Call<'_, T>, I) -> Result<Moref, Fault> + Send + Sync + 'static,
) -> Result<Moref, Fault> {
    let this = call.moref();
    let wanted = of.wanted.clone().ok_or_else(|| Fault::invalid_request("no container is asked for"))?;
    call.start_work(method, Cancel::Yes, move |work| async move {
        let engine = work.service().engine();
        engine.expect().await?;
        observe::watch(work.service());
        let reserved = work.write::<T, _>(&this, |call| Ok(reserve(call)))?;
        let host = host(&reserved);
        let mut properties = None;
        work.attempt::<T, _>(&this, |call| {
            add(call, reserved.clone())?;
            properties = call.view::<HostSystem>(&host).cloned();
            Ok(())
        })?;
        let properties = properties.ok_or_else(|| crate::call::not_found(&host))?;
        let name = container_name(&work.snapshot(), &host, &properties);
        let plan = Plan::new(engine.instance()?.id(), &host, &properties, wanted, name, None)?;
        let turn = engine.turn(&host).await;
        let container = make(engine, &plan, Volumes::New, &work).await?;
        let before = Before::of(&properties);
        Ok(move |call: &mut Call<'_, T>| {
            held(call, turn);
            let added = add(call, reserved)?;
            give(call, &host, &of.options)?;
            made(plan, before, container).write(call, &host)?;
            Ok(added)
        })
    })
}
