//! `HostSnmpSystem`: the SNMP agent of a host, or of the service.

use vimsim_types::method::{ReconfigureSnmpAgent, SendTestNotification};
use vimsim_types::views::{
    HostSnmpConfigSpec, HostSnmpDestination, HostSnmpSystem, HostSnmpSystemAgentLimits, InsufficientResourcesFault,
    KeyValue, NotFound,
};
use vimsim_types::{ArcStr, Fault, Value, View};

use super::host_managers::{edit_config, host_of};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostSnmpSystem> {
    Kind::new().write(reconfigure).write(send_test_notification)
}

fn too_many(what: &str, most: i32) -> Fault {
    Fault::new(InsufficientResourcesFault::new(), format!("the agent has room for {most} {what}"))
}

fn more_than(count: usize, most: i32) -> bool {
    i32::try_from(count).is_ok_and(|count| count > most)
}

/// - `InvalidArgument` for a port or a community that cannot be; `InsufficientResourcesFault` for more than fits.
fn check(spec: &HostSnmpConfigSpec, limits: &HostSnmpSystemAgentLimits) -> Result<(), Fault> {
    let is_port = |port: i32| (1..=65_535).contains(&port);
    if spec.port().is_some_and(|port| port != 0 && !is_port(port)) {
        return Err(Fault::invalid_argument("spec.port", "is no port"));
    }
    if more_than(spec.read_only_communities().len(), limits.max_read_only_communities()) {
        return Err(too_many("communities", limits.max_read_only_communities()));
    }
    if more_than(spec.trap_targets().len(), limits.max_trap_destinations()) {
        return Err(too_many("receivers of traps", limits.max_trap_destinations()));
    }
    let communities = spec.trap_targets().iter().map(|target| target.community());
    for community in spec.read_only_communities().iter().chain(communities) {
        if more_than(community.len(), limits.max_community_length()) {
            return Err(Fault::invalid_argument("spec", format!("the community '{community}' is too long")));
        }
    }
    match spec.trap_targets().iter().find(|target| target.host_name().is_empty() || !is_port(target.port())) {
        Some(target) => {
            Err(Fault::invalid_argument("spec.trapTargets", format!("there is no '{}'", target.host_name())))
        }
        None => Ok(()),
    }
}

/// Configures the agent: what the specification does not say stays, but lists are said anew. A host's agent is a service of
/// it, which runs while it is enabled.
///
/// - `InvalidArgument` for a port, a receiver or a community that cannot be;
/// - `InsufficientResourcesFault` for more communities or receivers than the agent has room for.
fn reconfigure(call: &mut Call<'_, HostSnmpSystem>, request: ReconfigureSnmpAgent) -> Result<(), Fault> {
    let this = call.moref();
    let is_of_host = host_of(call, &this).is_some();
    if is_of_host {
        edit_config(call)?;
    }
    let spec = request.spec();
    check(spec, call.this()?.limits())?;
    let config = call.this_mut()?.configuration_mut();
    if spec.enabled().is_some() {
        config.set_enabled(spec.enabled());
    }
    if let Some(port) = spec.port().filter(|port| *port != 0) {
        config.set_port(port);
    }
    config.set_read_only_communities(spec.read_only_communities().iter().filter(|it| !it.is_empty()).cloned());
    config.set_trap_targets(spec.trap_targets().iter().cloned().collect::<Vec<HostSnmpDestination>>());
    let mut options: Vec<KeyValue> = config.option().iter().cloned().collect();
    for option in spec.option() {
        options.retain(|known| known.key() != option.key());
        options.push(option.clone());
    }
    config.set_option(options);
    for slot in
        [HostSnmpConfigSpec::READ_ONLY_COMMUNITIES, HostSnmpConfigSpec::TRAP_TARGETS, HostSnmpConfigSpec::OPTION]
    {
        if config.as_object().get(slot).items().is_empty() {
            config.as_object_mut().set(slot, Value::Unset);
        }
    }
    let is_enabled = config.enabled() == Some(true);
    if is_of_host {
        for service in edit_config(call)?.service_mut().service_mut().iter_mut() {
            if *service.key() == "snmpd" {
                service.set_running(is_enabled);
            }
        }
    }
    Ok(())
}

/// Sends a trap to those who receive them. No trap leaves the simulator; what would be in the way of one is.
///
/// - `NotFound` if nobody receives traps, or the agent is off.
fn send_test_notification(call: &mut Call<'_, HostSnmpSystem>, _: SendTestNotification) -> Result<(), Fault> {
    let config = call.this()?.configuration();
    let why: Option<ArcStr> = if config.enabled() != Some(true) {
        Some("the agent is off".into())
    } else if config.trap_targets().is_empty() {
        Some("nobody receives traps".into())
    } else {
        None
    };
    why.map_or(Ok(()), |why| Err(Fault::new(NotFound::new(), why)))
}
