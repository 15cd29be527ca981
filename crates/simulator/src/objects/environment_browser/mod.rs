//! `EnvironmentBrowser`: what virtual machines on the hosts of a compute resource can be made of.

pub(crate) mod guest_os;
pub(crate) mod hardware;
mod target;

use vimsim_registry::Snapshot;
use vimsim_types::method::{
    QueryConfigOption, QueryConfigOptionDescriptor, QueryConfigOptionEx, QueryConfigTarget, QueryTargetCapabilities,
};
use vimsim_types::views::{
    ComputeResource, ConfigTarget, EnvironmentBrowser, HostCapability, HostSystem, VirtualMachineConfigOption,
    VirtualMachineConfigOptionDescriptor,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use crate::call::{Look, not_found};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<EnvironmentBrowser> {
    Kind::new()
        .read(query_config_option_descriptor)
        .read(query_config_option)
        .read(query_config_option_ex)
        .read(query_config_target)
        .read(query_target_capabilities)
}

/// The name of a guest operating system, as vCenter shows it.
pub(crate) fn guest_full_name(id: &str) -> String {
    guest_os::full_name(id)
}

/// The family of a guest operating system: `linuxGuest`, `windowsGuest` ...
pub(crate) fn guest_family(id: &str) -> &'static str {
    use vimsim_types::EnumView;
    guest_os::family(id).name()
}

/// The hosts of the compute resource whose browser this is.
fn hosts(look: &Look<'_, EnvironmentBrowser>) -> Vec<Moref> {
    let is_own =
        |compute_resource: &&ComputeResource| compute_resource.environment_browser().as_ref() == Some(look.moref());
    let mut found = look.snapshot().objects().filter_map(|object| object.view::<ComputeResource>());
    found.find(is_own).map(|compute_resource| compute_resource.host().iter().collect()).unwrap_or_default()
}

/// The hosts that a question is about: this one, or all of the compute resource.
///
/// - `ManagedObjectNotFound` for a host that is not there.
// Fidelity: vCenter refuses a host of another compute resource. vcsim does not look, and govc gives the host of its
// environment with the browser of any machine.
fn hosts_of(look: &Look<'_, EnvironmentBrowser>, host: Option<Moref>) -> Result<Vec<Moref>, Fault> {
    match host {
        None => Ok(hosts(look)),
        Some(host) if look.snapshot().view::<HostSystem>(&host).is_some() => Ok(vec![host]),
        Some(host) => Err(not_found(&host)),
    }
}

/// The newest virtual hardware that a host runs.
fn newest(snapshot: &Snapshot, host: &Moref) -> i32 {
    let host = snapshot.view::<HostSystem>(host);
    let product = host.and_then(|host| host.config()).map(|config| config.product().version().clone());
    hardware::newest_for(product.as_deref().unwrap_or("8.0.3"))
}

/// The versions of virtual hardware that the hosts run, and which runs which. The newest is the default.
fn query_config_option_descriptor(
    look: &Look<'_, EnvironmentBrowser>,
    _: QueryConfigOptionDescriptor,
) -> Result<Vec<VirtualMachineConfigOptionDescriptor>, Fault> {
    Ok(descriptors_of(look.snapshot(), &hosts(look), None))
}

/// The number of a version of virtual hardware; `None` if there has been no such one.
pub(crate) fn version_number(key: &str) -> Option<i32> {
    hardware::parse(key)
}

/// The versions of virtual hardware that hosts run. The default is the one given, or else the newest.
pub(crate) fn descriptors_of(
    snapshot: &Snapshot,
    hosts: &[Moref],
    default: Option<&ArcStr>,
) -> Vec<VirtualMachineConfigOptionDescriptor> {
    let hosts: Vec<(&Moref, i32)> = hosts.iter().map(|host| (host, newest(snapshot, host))).collect();
    let Some(best) = hosts.iter().map(|(_, newest)| *newest).max() else { return Vec::new() };
    let default = default.and_then(|key| hardware::parse(key)).filter(|number| *number <= best).unwrap_or(best);
    let describe = |(number, name): (i32, &str)| {
        VirtualMachineConfigOptionDescriptor::with(|descriptor| {
            descriptor.set_key(hardware::key(number));
            descriptor.set_description(format!("{name} virtual machine"));
            descriptor.set_host(hosts.iter().filter(|(_, newest)| *newest >= number).map(|(host, _)| (*host).clone()));
            descriptor.set_create_supported(true).set_run_supported(true).set_upgrade_supported(true);
            descriptor.set_default_config_option(number == default);
        })
    };
    hardware::versions(best).map(describe).collect()
}

/// What a machine of one version of virtual hardware can be made of: of the newest one if none is named.
///
/// - `InvalidArgument` for a version that the hosts do not run.
fn query_config_option(
    look: &Look<'_, EnvironmentBrowser>,
    request: QueryConfigOption,
) -> Result<Option<VirtualMachineConfigOption>, Fault> {
    options(look, request.key().map(|key| key.as_str()), request.host(), &[])
}

/// [`query_config_option`] for some guest operating systems.
fn query_config_option_ex(
    look: &Look<'_, EnvironmentBrowser>,
    request: QueryConfigOptionEx,
) -> Result<Option<VirtualMachineConfigOption>, Fault> {
    let spec = request.spec();
    let guests: Vec<&str> = spec.iter().flat_map(|spec| spec.guest_id().iter()).map(|id| id.as_str()).collect();
    options(look, spec.and_then(|spec| spec.key()).map(|key| key.as_str()), spec.and_then(|spec| spec.host()), &guests)
}

fn options(
    look: &Look<'_, EnvironmentBrowser>,
    key: Option<&str>,
    host: Option<Moref>,
    guests: &[&str],
) -> Result<Option<VirtualMachineConfigOption>, Fault> {
    let newest = hosts_of(look, host)?.iter().map(|host| newest(look.snapshot(), host)).max();
    let Some(newest) = newest else { return Ok(None) };
    let number = match key.filter(|key| !key.is_empty()) {
        None => newest,
        Some(key) => hardware::parse(key)
            .filter(|number| *number <= newest)
            .ok_or_else(|| Fault::invalid_argument("key", format!("'{key}' is no version that the hosts run")))?,
    };
    Ok(Some(hardware::option(number, guests)))
}

/// What the hosts have that a machine can be connected to.
///
/// - `ManagedObjectNotFound` for a host that is not there.
fn query_config_target(
    look: &Look<'_, EnvironmentBrowser>,
    request: QueryConfigTarget,
) -> Result<Option<ConfigTarget>, Fault> {
    let hosts = hosts_of(look, request.host())?;
    if hosts.is_empty() {
        return Ok(None);
    }
    Ok(Some(target::target(look, &hosts)))
}

/// What the hosts can do: what all of them can, where no host is named.
///
/// - `ManagedObjectNotFound` for a host that is not there.
fn query_target_capabilities(
    look: &Look<'_, EnvironmentBrowser>,
    request: QueryTargetCapabilities,
) -> Result<Option<HostCapability>, Fault> {
    let hosts = hosts_of(look, request.host())?;
    let mut capabilities = hosts.iter().filter_map(|host| look.snapshot().view::<HostSystem>(host)?.capability());
    let Some(first) = capabilities.next() else { return Ok(None) };
    let mut all = first.clone();
    for other in capabilities {
        for (slot, value) in other.as_object().slots().iter().enumerate() {
            if *value == vimsim_types::Value::Bool(false) {
                all.as_object_mut().set(slot, value.clone());
            }
        }
    }
    Ok(Some(all))
}
