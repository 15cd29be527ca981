//! `HostServiceSystem`: the services that run on a host.

use vimsim_types::enums::HostServicePolicy;
use vimsim_types::method::{RefreshServices, RestartService, StartService, StopService, UpdateServicePolicy};
use vimsim_types::views::{HostService, HostServiceSystem, InvalidState};
use vimsim_types::{EnumView, Fault, View};

use super::host_managers::{edit_config, no_such, refreshed};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostServiceSystem> {
    Kind::new()
        .write(start_service)
        .write(stop_service)
        .write(restart_service)
        .write(update_service_policy)
        .read(refreshed::<HostServiceSystem, RefreshServices>)
}

/// Changes one service; `NotFound` if the host has none of this key.
fn change(
    call: &mut Call<'_, HostServiceSystem>,
    id: &str,
    change: impl FnOnce(&mut HostService) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let services = edit_config(call)?.service_mut();
    match services.service_mut().iter_mut().find(|service| service.key() == id) {
        Some(service) => change(service),
        None => Err(no_such("service", id)),
    }
}

fn invalid_state(service: &HostService, state: &str) -> Fault {
    Fault::new(InvalidState::new(), format!("the service '{}' {state}", service.key()))
}

/// Starts a service.
///
/// - `NotFound` if the host has no such service; `InvalidState` if it runs.
fn start_service(call: &mut Call<'_, HostServiceSystem>, request: StartService) -> Result<(), Fault> {
    change(call, request.id(), |service| {
        if service.running() {
            return Err(invalid_state(service, "is running"));
        }
        service.set_running(true);
        Ok(())
    })
}

/// Stops a service.
///
/// - `NotFound` if the host has no such service; `InvalidState` if it does not run, or the host needs it.
fn stop_service(call: &mut Call<'_, HostServiceSystem>, request: StopService) -> Result<(), Fault> {
    change(call, request.id(), |service| {
        if !service.running() {
            return Err(invalid_state(service, "is not running"));
        }
        if service.required() {
            return Err(invalid_state(service, "is required and cannot be stopped"));
        }
        service.set_running(false);
        Ok(())
    })
}

/// Stops a service if it runs, and starts it.
///
/// - `NotFound` if the host has no such service.
fn restart_service(call: &mut Call<'_, HostServiceSystem>, request: RestartService) -> Result<(), Fault> {
    change(call, request.id(), |service| {
        service.set_running(true);
        Ok(())
    })
}

/// Says when a service is started.
///
/// - `NotFound` if the host has no such service; `InvalidArgument` if there is no such policy.
fn update_service_policy(call: &mut Call<'_, HostServiceSystem>, request: UpdateServicePolicy) -> Result<(), Fault> {
    let policy = HostServicePolicy::from_name(request.policy())
        .ok_or_else(|| Fault::invalid_argument("policy", "is none of on, automatic and off"))?;
    change(call, request.id(), |service| {
        service.set_policy(policy.name());
        Ok(())
    })
}
