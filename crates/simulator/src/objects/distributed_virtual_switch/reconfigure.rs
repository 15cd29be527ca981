//! Changing a distributed switch.

use vimsim_types::method::{
    EnableNetworkResourceManagement, PerformDvsProductSpecOperationTask, ReconfigureDvsTask, RectifyDvsHostTask,
    UpdateDVSHealthCheckConfigTask,
};
use vimsim_types::views::{
    ConcurrentAccess, DVPortSetting, DVSConfigSpec, DVSNameArrayUplinkPortPolicy, DistributedVirtualPortgroup,
    DistributedVirtualSwitch, DistributedVirtualSwitchProductSpec, DvsReconfiguredEvent, DvsUpgradedEvent,
    InvalidState, NotFound, NotSupported, VMwareDVSConfigInfo, VMwareDVSConfigSpec, VMwareIpfixConfig,
};
use vimsim_types::{EnumView, Fault, Moref, Value, View, enums::ConfigSpecOperation};

use super::{MTU, create::vmware, members, product, proxy, setting};
use crate::call::Call;

/// Changes the switch as the spec says, all of it or nothing.
///
/// - `InvalidArgument` for a value that cannot be;
/// - `ConcurrentAccess` if `configVersion` is given and is not the switch's, as a fault of the task, as are
///   `DuplicateName` and `InvalidName` for a new name, and what adding, changing and removing hosts raises.
pub(super) fn reconfigure_dvs(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    request: ReconfigureDvsTask,
) -> Result<Moref, Fault> {
    check(request.spec())?;
    call.start_task(move |call| {
        let this = call.moref();
        expect_version(call.this()?.config().config_version(), request.spec().config_version())?;
        apply(call, request.spec())?;
        let version = next_version(call.this()?.config().config_version());
        call.this_mut()?.config_mut().set_config_version(version);
        call.post(&this, DvsReconfiguredEvent::with(|event| _ = event.set_config_spec(request.spec().clone())))
    })
}

/// `ConcurrentAccess` if the version that a client wants to change is not the current one.
// Fidelity: vCenter wants the version given; vcsim takes a spec without one, and so do we.
pub(crate) fn expect_version(current: &str, wanted: Option<&vimsim_types::ArcStr>) -> Result<(), Fault> {
    match wanted {
        Some(wanted) if !wanted.is_empty() && wanted != current => {
            let why = format!("the configuration has changed: its version is {current}, not {wanted}");
            Err(Fault::new(ConcurrentAccess::new(), why))
        }
        _ => Ok(()),
    }
}

/// The version after this one.
pub(crate) fn next_version(current: &str) -> String {
    (current.parse::<u64>().unwrap_or_default() + 1).to_string()
}

/// `InvalidArgument` for a value that a switch cannot have.
pub(super) fn check(spec: &DVSConfigSpec) -> Result<(), Fault> {
    let spec = vmware(spec);
    if let Some(mtu) = spec.max_mtu()
        && !MTU.contains(&mtu)
    {
        let why = format!("{mtu} is not from {} to {}", MTU.start(), MTU.end());
        return Err(Fault::invalid_argument("spec.maxMtu", why));
    }
    for (name, number) in [("maxPorts", spec.max_ports()), ("numStandalonePorts", spec.num_standalone_ports())] {
        if number.is_some_and(|number| number < 0) {
            return Err(Fault::invalid_argument(&format!("spec.{name}"), "is negative"));
        }
    }
    if let Some(policy) = spec.uplink_port_policy().and_then(|policy| policy.downcast::<DVSNameArrayUplinkPortPolicy>())
    {
        let names = policy.uplink_port_name();
        if names.is_empty() || names.len() > 32 || names.iter().any(|name| name.is_empty()) {
            let why = "a switch has 1 to 32 uplinks, each with a name";
            return Err(Fault::invalid_argument("spec.uplinkPortPolicy.uplinkPortName", why));
        }
    }
    if let Some(discovery) = spec.link_discovery_protocol_config() {
        known("spec.linkDiscoveryProtocolConfig.protocol", discovery.protocol(), &["cdp", "lldp"])?;
        let operations = ["none", "listen", "advertise", "both"];
        known("spec.linkDiscoveryProtocolConfig.operation", discovery.operation(), &operations)?;
    }
    if let Some(version) = spec.network_resource_control_version() {
        known("spec.networkResourceControlVersion", version, &["version2", "version3"])?;
    }
    if let Some(version) = spec.lacp_api_version() {
        known("spec.lacpApiVersion", version, &["singleLag", "multipleLag"])?;
    }
    if let Some(mode) = spec.multicast_filtering_mode() {
        known("spec.multicastFilteringMode", mode, &["legacyFiltering", "snooping"])?;
    }
    if let Some(ipfix) = spec.ipfix_config() {
        check_ipfix(ipfix)?;
    }
    for traffic in spec.infrastructure_traffic_resource_config() {
        let keys: Vec<_> = product::traffic_resources().iter().map(|known| known.key().clone()).collect();
        if !keys.contains(traffic.key()) {
            let why = format!("there is no traffic '{}'", traffic.key());
            return Err(Fault::invalid_argument("spec.infrastructureTrafficResourceConfig.key", why));
        }
    }
    if let Some(setting) = spec.default_port_config() {
        setting::check(setting, &[])?;
    }
    Ok(())
}

/// The ranges are those of the API reference.
fn check_ipfix(ipfix: &VMwareIpfixConfig) -> Result<(), Fault> {
    let numbers = [
        ("activeFlowTimeout", ipfix.active_flow_timeout(), 60..=3600),
        ("idleFlowTimeout", ipfix.idle_flow_timeout().unwrap_or(15), 10..=600),
        ("samplingRate", ipfix.sampling_rate(), 0..=16384),
        ("collectorPort", ipfix.collector_port().unwrap_or_default(), 0..=65535),
    ];
    for (name, number, range) in numbers {
        if !range.contains(&number) {
            let why = format!("{number} is not from {} to {}", range.start(), range.end());
            return Err(Fault::invalid_argument(&format!("spec.ipfixConfig.{name}"), why));
        }
    }
    Ok(())
}

fn known(property: &str, value: &str, values: &[&str]) -> Result<(), Fault> {
    if values.contains(&value) {
        return Ok(());
    }
    Err(Fault::invalid_argument(property, format!("'{value}' is none of {}", values.join(", "))))
}

/// What needs more than being copied from the spec.
const SPECIAL: [&str; 6] =
    ["configVersion", "name", "host", "defaultPortConfig", "uplinkPortPolicy", "infrastructureTrafficResourceConfig"];

/// Applies a checked spec.
pub(super) fn apply(call: &mut Call<'_, DistributedVirtualSwitch>, spec: &DVSConfigSpec) -> Result<(), Fault> {
    if let Some(name) = spec.name() {
        super::rename_to(call, name)?;
    }
    let spec = vmware(spec);
    for portgroup in spec.uplink_portgroup() {
        let config = call.get::<DistributedVirtualPortgroup>(&portgroup)?.config();
        if config.uplink() != Some(true) || config.distributed_virtual_switch() != Some(call.moref()) {
            return Err(Fault::invalid_argument("spec.uplinkPortgroup", format!("{portgroup} has no uplinks of it")));
        }
    }
    copy(call.this_mut()?, &spec);
    allocate_traffic(call.this_mut()?, &spec);
    if let Some(policy) = spec.uplink_port_policy() {
        set_uplinks(call.this_mut()?, policy);
    }
    private_vlans(call, &spec)?;
    mirror_sessions(call, &spec)?;
    if let Some(wanted) = spec.default_port_config() {
        set_default(call, wanted)?;
    }
    spec.host().iter().try_for_each(|host| members::configure(call, host))?;
    // Joining shows the switch on the new host; what else changed concerns all.
    let changes_hosts_only = spec.max_mtu().is_none()
        && spec.uplink_port_policy().is_none()
        && spec.host().iter().all(|host| host.operation() != ConfigSpecOperation::Edit.name());
    if changes_hosts_only { Ok(()) } else { proxy::show(call) }
}

/// Copies the fields that the spec and the configuration both have.
fn copy(switch: &mut DistributedVirtualSwitch, spec: &VMwareDVSConfigSpec) {
    let config = switch.config_mut().as_object_mut();
    let fields = spec.as_object().kind().info().fields();
    for (field, value) in fields.iter().zip(spec.as_object().slots()) {
        if value.is_unset() || SPECIAL.contains(&field.name) {
            continue;
        }
        if let Some(slot) = config.kind().info().slot(field.name) {
            config.set(slot, value.clone());
        }
    }
}

/// Gives kinds of traffic the resources that the spec says; the kinds that it does not name keep theirs.
fn allocate_traffic(switch: &mut DistributedVirtualSwitch, spec: &VMwareDVSConfigSpec) {
    for wanted in spec.infrastructure_traffic_resource_config() {
        let mut known = switch.config_mut().infrastructure_traffic_resource_config_mut();
        for known in known.iter_mut().filter(|known| known.key() == wanted.key()) {
            setting::merge(known.as_object_mut(), wanted.as_object());
        }
    }
}

/// New uplinks; where all were active in the default teaming, all of the new ones are.
fn set_uplinks(switch: &mut DistributedVirtualSwitch, policy: &vimsim_types::views::DVSUplinkPortPolicy) {
    let config = switch.config_mut();
    let names = |policy: &vimsim_types::views::DVSUplinkPortPolicy| {
        let names = policy.downcast::<DVSNameArrayUplinkPortPolicy>().map(|policy| policy.uplink_port_name().iter());
        names.into_iter().flatten().cloned().collect::<Vec<_>>()
    };
    let (old, new) = (names(config.uplink_port_policy()), names(policy));
    config.set_uplink_port_policy(policy.clone());
    let Some(setting) = config.default_port_config_mut().downcast_mut::<vimsim_types::views::VMwareDVSPortSetting>()
    else {
        return;
    };
    let order = setting.uplink_teaming_policy_mut().uplink_port_order_mut();
    if order.active_uplink_port().iter().eq(old.iter()) {
        order.set_active_uplink_port(new);
    }
}

/// Changes the default setting; portgroups follow where they inherit.
fn set_default(call: &mut Call<'_, DistributedVirtualSwitch>, wanted: &DVPortSetting) -> Result<(), Fault> {
    setting::merge(call.this_mut()?.config_mut().default_port_config_mut().as_object_mut(), wanted.as_object());
    let parent = call.this()?.config().default_port_config().clone();
    let portgroups: Vec<Moref> = call.this()?.portgroup().iter().collect();
    for portgroup in &portgroups {
        let config = call.edit::<DistributedVirtualPortgroup>(portgroup)?.config_mut();
        let setting = setting::below(&parent, config.default_port_config(), None);
        config.set_default_port_config(setting);
    }
    Ok(())
}

fn operation(property: &str, operation: &str) -> Result<ConfigSpecOperation, Fault> {
    ConfigSpecOperation::from_name(operation)
        .ok_or_else(|| Fault::invalid_argument(property, format!("'{operation}' is none")))
}

/// The configuration as that of a VMware switch, which every one is that we make.
pub(super) fn configuration<'a>(
    call: &'a mut Call<'_, DistributedVirtualSwitch>,
) -> Result<&'a mut VMwareDVSConfigInfo, Fault> {
    let config = call.this_mut()?.config_mut();
    let config = config.downcast_mut::<VMwareDVSConfigInfo>();
    config.ok_or_else(|| Fault::invalid_request("the switch is none of VMware's"))
}

/// Adds and removes private VLANs. `NotFound` for one to remove that there is not.
fn private_vlans(call: &mut Call<'_, DistributedVirtualSwitch>, spec: &VMwareDVSConfigSpec) -> Result<(), Fault> {
    for change in spec.pvlan_config_spec() {
        let entry = change.pvlan_entry();
        let config = configuration(call)?;
        let before = config.pvlan_config().len();
        match operation("spec.pvlanConfigSpec.operation", change.operation())? {
            ConfigSpecOperation::Remove => {
                config.pvlan_config_mut().retain(|known| known.as_object() != entry.as_object());
                if config.pvlan_config().len() == before {
                    let why = format!("there is no private VLAN {}", entry.secondary_vlan_id());
                    return Err(Fault::new(NotFound::new(), why));
                }
            }
            _ => {
                let ids = [entry.primary_vlan_id(), entry.secondary_vlan_id()];
                if let Some(id) = ids.iter().find(|id| !(1..=4094).contains(*id)) {
                    let why = format!("{id} is no VLAN: they go from 1 to 4094");
                    return Err(Fault::invalid_argument("spec.pvlanConfigSpec.pvlanEntry", why));
                }
                known(
                    "spec.pvlanConfigSpec.pvlanEntry.pvlanType",
                    entry.pvlan_type(),
                    &["promiscuous", "isolated", "community"],
                )?;
                config.pvlan_config_mut().retain(|known| known.secondary_vlan_id() != entry.secondary_vlan_id());
                config.push_pvlan_config(entry.clone());
            }
        }
    }
    Ok(())
}

/// Adds, changes and removes port mirroring sessions. `NotFound` for one to change or remove that there is not.
fn mirror_sessions(call: &mut Call<'_, DistributedVirtualSwitch>, spec: &VMwareDVSConfigSpec) -> Result<(), Fault> {
    for change in spec.vspan_config_spec() {
        let mut session = change.vspan_session().clone();
        let config = configuration(call)?;
        let operation = operation("spec.vspanConfigSpec.operation", change.operation())?;
        if operation == ConfigSpecOperation::Add {
            let keys = config.vspan_session().iter().filter_map(|known| known.key()?.parse::<u32>().ok());
            session.set_key((keys.max().unwrap_or_default() + 1).to_string());
            config.push_vspan_session(session);
            continue;
        }
        let is_meant = |known: &vimsim_types::views::VMwareVspanSession| known.key() == session.key();
        if !config.vspan_session().iter().any(is_meant) {
            return Err(Fault::new(NotFound::new(), "there is no such port mirroring session"));
        }
        if operation == ConfigSpecOperation::Remove {
            config.vspan_session_mut().retain(|known| known.key() != session.key());
        } else {
            for known in config.vspan_session_mut().iter_mut().filter(|known| known.key() == session.key()) {
                *known = session.clone();
            }
        }
    }
    Ok(())
}

/// Turns Network I/O Control on or off.
pub(super) fn enable_network_resource_management(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    request: EnableNetworkResourceManagement,
) -> Result<(), Fault> {
    call.this_mut()?.config_mut().set_network_resource_management_enabled(request.enable());
    Ok(())
}

/// Replaces the health checks of the given types.
pub(super) fn update_health_check(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    request: UpdateDVSHealthCheckConfigTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let config = call.this_mut()?.config_mut();
        for wanted in request.health_check_config() {
            let slot = wanted.as_object().kind();
            for known in config.health_check_config_mut().values() {
                if known.object().is_some_and(|known| known.kind() == slot) {
                    *known = Value::Object(wanted.as_object().clone());
                }
            }
        }
        Ok(())
    })
}

/// Carries out the hosts' part of the configuration anew, which never lags behind.
///
/// - `NotFound` for a host that is no member.
pub(super) fn rectify_host(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    request: RectifyDvsHostTask,
) -> Result<Moref, Fault> {
    let members = call.this()?.summary().host_member();
    if let Some(host) = request.hosts().iter().find(|host| !members.contains(host)) {
        return Err(Fault::new(NotFound::new(), format!("{host} is not a member of the switch")));
    }
    call.start_task(|_| Ok(()))
}

/// Upgrades the switch to a newer version.
///
/// - `InvalidArgument` for a version that there is not or an operation that is none;
/// - `InvalidState` if the switch is newer already; `NotSupported` for the operations of switches that are not VMware's.
pub(super) fn perform_product_spec_operation(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    request: PerformDvsProductSpecOperationTask,
) -> Result<Moref, Fault> {
    use vimsim_types::enums::DistributedVirtualSwitchProductSpecOperationType as Operation;
    match Operation::from_name(request.operation()) {
        Some(Operation::Upgrade) => {}
        Some(_) => {
            let why = format!("'{}' is for switches of other vendors", request.operation());
            return Err(Fault::new(NotSupported::new(), why));
        }
        None => return Err(Fault::invalid_argument("operation", format!("'{}' is none", request.operation()))),
    }
    let wanted = product::wanted(request.product_spec())?;
    let age = |spec: &DistributedVirtualSwitchProductSpec| {
        product::VERSIONS.iter().position(|version| spec.version().is_some_and(|known| known == version))
    };
    if age(&wanted) > age(call.this()?.config().product_info()) {
        let why = format!("the switch '{}' is of a newer version", call.this()?.name());
        return Err(Fault::new(InvalidState::new(), why));
    }
    call.start_task(move |call| {
        let this = call.moref();
        let version = wanted.version().cloned().unwrap_or_default();
        let switch = call.this_mut()?;
        switch.set_capability(product::capability(&version));
        switch.summary_mut().set_product_info(wanted.clone());
        switch.config_mut().set_product_info(wanted.clone());
        for member in switch.config_mut().host_mut().iter_mut() {
            member.set_product_info(wanted.clone());
        }
        call.post(&this, DvsUpgradedEvent::with(|event| _ = event.set_product_info(wanted)))
    })
}
