//! vSphere HA, as the hosts of a cluster show it: `runtime.dasHostState`, and what is told of it.

use vimsim_registry::Transaction;
use vimsim_types::enums::{ClusterDasFdmAvailabilityState as State, HostSystemConnectionState};
use vimsim_types::views::{
    ClusterComputeResource, ClusterConfigInfoEx, ClusterDasFdmHostState, ComputeResource, DasDisabledEvent,
    DasEnabledEvent, HostDasDisabledEvent, HostDasDisablingEvent, HostDasEnabledEvent, HostDasEnablingEvent,
    HostRuntimeInfo, HostSystem,
};
use vimsim_types::{EnumView, Fault, Moref, Value, View};

use crate::call::Call;
use crate::objects::host_system;

/// Whether high availability is on.
pub(super) fn is_on(config: &ClusterConfigInfoEx) -> bool {
    config.das_config().enabled() == Some(true)
}

/// Tells that high availability was switched on or off, and what the hosts that work make of it.
pub(super) fn tell(call: &mut Call<'_, ClusterComputeResource>, was_on: bool, is_on: bool) -> Result<(), Fault> {
    if was_on == is_on {
        return Ok(());
    }
    let this = call.moref();
    match is_on {
        true => call.post(&this, DasEnabledEvent::new())?,
        false => call.post(&this, DasDisabledEvent::new())?,
    }
    let hosts: Vec<Moref> = call.this()?.host().iter().collect();
    for host in hosts {
        if !host_system::is_effective(call.get(&host)?) {
            continue;
        }
        if is_on {
            configured(call, &host)?;
        } else {
            call.post(&host, HostDasDisablingEvent::new())?;
            call.post(&host, HostDasDisabledEvent::new())?;
        }
    }
    Ok(())
}

/// Tells that a host was set up for high availability.
pub(crate) fn configured<T>(call: &mut Call<'_, T>, host: &Moref) -> Result<(), Fault> {
    call.post(host, HostDasEnablingEvent::new())?;
    call.post(host, HostDasEnabledEvent::new())
}

/// Brings `runtime.dasHostState` of the hosts up to date, as the API reference has it: unset where high availability is off,
/// and for a host in maintenance or standby mode or disconnected; `hostDown` for one that does not answer. The first of the
/// others is the master, until it is none of them any more.
pub(crate) fn follow(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let resource = transaction.get::<ComputeResource>(moref)?;
    let hosts: Vec<Moref> = resource.host().iter().filter(|host| transaction.object(host).is_some()).collect();
    let is_on = resource.configuration_ex().downcast::<ClusterConfigInfoEx>().is_some_and(is_on);
    let state_of = |host: &HostSystem| host.runtime().das_host_state().map(|state| state.state().clone());
    let (mut master, mut first) = (None, None);
    for moref in hosts.iter().filter(|_| is_on) {
        let host = transaction.get::<HostSystem>(moref)?;
        if host_system::is_effective(host) {
            first = first.or(Some(moref.clone()));
            if state_of(host).is_some_and(|state| state == State::Master.name()) {
                master = master.or(Some(moref.clone()));
            }
        }
    }
    let master = master.or(first);
    for moref in hosts {
        let host = transaction.get::<HostSystem>(&moref)?;
        let state = match host.runtime().connection_state() {
            _ if !is_on => None,
            HostSystemConnectionState::NotResponding => Some(State::HostDown),
            _ if !host_system::is_effective(host) => None,
            _ if master.as_ref() == Some(&moref) => Some(State::Master),
            _ => Some(State::ConnectedToMaster),
        };
        // Nobody but vCenter is left to say so, if there is no master.
        let wanted = state.map(|state| {
            ClusterDasFdmHostState::with(|it| _ = it.set_state(state.name()).set_state_reporter(master.clone()))
        });
        let known = host.runtime().das_host_state();
        if known.map(|it| (it.state(), it.state_reporter()))
            != wanted.as_ref().map(|it| (it.state(), it.state_reporter()))
        {
            let runtime = transaction.edit::<HostSystem>(&moref)?.runtime_mut();
            match wanted {
                Some(wanted) => _ = runtime.set_das_host_state(wanted),
                None => runtime.as_object_mut().set(HostRuntimeInfo::DAS_HOST_STATE, Value::Unset),
            }
        }
    }
    Ok(())
}
