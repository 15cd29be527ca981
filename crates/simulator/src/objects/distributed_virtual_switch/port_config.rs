//! Configuring single ports, and moving them from one portgroup to another.

use vimsim_types::enums::ConfigSpecOperation;
use vimsim_types::method::{MoveDVPortTask, ReconfigureDVPortTask};
use vimsim_types::views::{
    ConcurrentAccess, DVPortConfigInfo, DVPortConfigSpec, DVPortSetting, DVPortgroupPolicy,
    DistributedVirtualPortgroup, DistributedVirtualSwitch, DvsFault, DvsPortReconfiguredEvent, InheritablePolicy,
    NotFound, VMwareDVSPortSetting, VMwareDVSPortgroupPolicy, VirtualEthernetCard,
    VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualMachine,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, Value, View};

use super::ports::Ports;
use super::reconfigure::next_version;
use super::{private_vlans, setting};
use crate::call::Call;

type Switch<'a> = Call<'a, DistributedVirtualSwitch>;

fn no_port(key: &str) -> Fault {
    Fault::new(NotFound::new(), format!("the switch has no port '{key}'"))
}

/// The portgroup that has this port. `NotFound` if none of the switch has.
fn portgroup_of(call: &Switch<'_>, key: &str) -> Result<Moref, Fault> {
    let has = |moref: &Moref| {
        call.view::<DistributedVirtualPortgroup>(moref).is_some_and(|portgroup| portgroup.port_keys().contains(key))
    };
    call.this()?.portgroup().iter().find(has).ok_or_else(|| no_port(key))
}

/// Configures ports one by one, over what their portgroups say; what a spec does not set stays.
///
/// - `InvalidArgument` for an operation other than `edit`, a VLAN that cannot be, or a setting that the portgroup does not
///   let its ports have for themselves;
/// - `NotFound` for a port that there is not, and `ConcurrentAccess` if its version is not the one given, as faults of the
///   task.
pub(super) fn reconfigure_dv_port(call: &mut Switch<'_>, request: ReconfigureDVPortTask) -> Result<Moref, Fault> {
    let vlans = private_vlans(call.this()?);
    for port in request.port() {
        if port.operation() != ConfigSpecOperation::Edit.name() {
            // Ports are the portgroups' and come and go with their number.
            return Err(Fault::invalid_argument("port.operation", format!("'{}' is not 'edit'", port.operation())));
        }
        if port.key().is_none() {
            return Err(Fault::invalid_argument("port.key", "is not given"));
        }
        if let Some(setting) = port.setting() {
            setting::check(setting, &vlans)?;
        }
    }
    call.start_task(move |call| {
        let this = call.moref();
        for spec in request.port() {
            configure(call, spec)?;
        }
        let keys: Vec<ArcStr> = request.port().iter().filter_map(|port| port.key().cloned()).collect();
        call.post(&this, DvsPortReconfiguredEvent::with(|event| _ = event.set_port_key(keys)))
    })
}

fn configure(call: &mut Switch<'_>, spec: &DVPortConfigSpec) -> Result<(), Fault> {
    let (this, key) = (call.moref(), spec.key().cloned().unwrap_or_default());
    let portgroup = portgroup_of(call, &key)?;
    let portgroup = call.get::<DistributedVirtualPortgroup>(&portgroup)?.config();
    if let Some(setting) = spec.setting()
        && let Some(refused) = not_overridable(setting, portgroup.policy())
    {
        let why = format!("the portgroup '{}' does not let a port have its own", portgroup.name());
        return Err(Fault::invalid_argument(&format!("port.setting.{refused}"), why));
    }
    let above = portgroup.default_port_config().cloned();
    let ports = call.private::<Ports>(&this)?;
    let fresh = || DVPortConfigInfo::with(|config| _ = config.set_config_version("0"));
    let config = ports.own.entry(key.clone()).or_insert_with(fresh);
    let version = config.config_version().clone();
    if let Some(wanted) = spec.config_version().filter(|wanted| !wanted.is_empty())
        && *wanted != version
    {
        let why = format!("the port '{key}' has changed: its version is {version}, not {wanted}");
        return Err(Fault::new(ConcurrentAccess::new(), why));
    }
    if let Some(name) = spec.name() {
        config.set_name(name);
    }
    if let Some(description) = spec.description() {
        config.set_description(description);
    }
    if !spec.scope().is_empty() {
        config.set_scope(spec.scope().iter());
    }
    if let (Some(wanted), Some(above)) = (spec.setting(), above) {
        let setting = setting::below(&above, config.setting(), Some(wanted));
        config.set_setting(setting);
    }
    config.set_config_version(next_version(&version));
    Ok(())
}

/// The first part of a setting that the policy of a portgroup keeps from its ports.
fn not_overridable(setting: &DVPortSetting, policy: &DVPortgroupPolicy) -> Option<&'static str> {
    let vmware = policy.downcast::<VMwareDVSPortgroupPolicy>();
    let allowed = |allows: fn(&VMwareDVSPortgroupPolicy) -> bool| vmware.is_some_and(allows);
    let teaming = allowed(|policy| policy.uplink_teaming_override_allowed());
    let shaping = policy.shaping_override_allowed();
    let rules = [
        ("blocked", DVPortSetting::BLOCKED, policy.block_override_allowed()),
        ("inShapingPolicy", DVPortSetting::IN_SHAPING_POLICY, shaping),
        ("outShapingPolicy", DVPortSetting::OUT_SHAPING_POLICY, shaping),
        ("vendorSpecificConfig", DVPortSetting::VENDOR_SPECIFIC_CONFIG, policy.vendor_config_override_allowed()),
        (
            "networkResourcePoolKey",
            DVPortSetting::NETWORK_RESOURCE_POOL_KEY,
            policy.network_resource_pool_override_allowed().unwrap_or(false),
        ),
        ("filterPolicy", DVPortSetting::FILTER_POLICY, policy.traffic_filter_override_allowed().unwrap_or(false)),
        ("vlan", VMwareDVSPortSetting::VLAN, allowed(|policy| policy.vlan_override_allowed())),
        ("uplinkTeamingPolicy", VMwareDVSPortSetting::UPLINK_TEAMING_POLICY, teaming),
        (
            "securityPolicy",
            VMwareDVSPortSetting::SECURITY_POLICY,
            allowed(|policy| policy.security_policy_override_allowed()),
        ),
        (
            "ipfixEnabled",
            VMwareDVSPortSetting::IPFIX_ENABLED,
            allowed(|policy| policy.ipfix_override_allowed().unwrap_or(false)),
        ),
        (
            "macManagementPolicy",
            VMwareDVSPortSetting::MAC_MANAGEMENT_POLICY,
            allowed(|policy| policy.mac_management_override_allowed().unwrap_or(false)),
        ),
    ];
    // What says only that it is inherited overrides nothing.
    let sets = |slot: usize| match setting.as_object().slots().get(slot) {
        Some(Value::Object(policy)) => !InheritablePolicy::from_ref(policy).is_some_and(|policy| policy.inherited()),
        Some(value) => !value.is_unset(),
        None => false,
    };
    rules.into_iter().find(|(_, slot, allowed)| !allowed && sets(*slot)).map(|(name, ..)| name)
}

/// Moves ports to another portgroup, which has so many more then; they keep their keys.
///
/// - `InvalidArgument` if no portgroup to move to is given, as there are no ports outside of portgroups;
/// - `NotFound` for a port or portgroup that there is not, and `DvsFault` for one of the uplinks, or a port that something
///   is connected to, as faults of the task.
pub(super) fn move_dv_port(call: &mut Switch<'_>, request: MoveDVPortTask) -> Result<Moref, Fault> {
    let Some(wanted) = request.destination_portgroup_key().filter(|key| !key.is_empty()).cloned() else {
        return Err(Fault::invalid_argument("destinationPortgroupKey", "is not given"));
    };
    let keys: Vec<ArcStr> = request.port_key().iter().cloned().collect();
    call.start_task(move |call| {
        let this = call.moref();
        let found = call.this()?.portgroup().iter().find(|moref| *moref.value() == wanted);
        let why = || Fault::new(NotFound::new(), format!("the switch has no portgroup '{wanted}'"));
        let destination = found.ok_or_else(why)?;
        for key in &keys {
            let source = portgroup_of(call, key)?;
            for moref in [&source, &destination] {
                if call.get::<DistributedVirtualPortgroup>(moref)?.config().uplink() == Some(true) {
                    return Err(Fault::new(DvsFault::new(), "the uplinks stay in their portgroup"));
                }
            }
            if is_connected(call, &source, key)? {
                return Err(Fault::new(DvsFault::new(), format!("something is connected to the port '{key}'")));
            }
            call.edit::<DistributedVirtualPortgroup>(&source)?.port_keys_mut().retain(|known| known != key);
            call.edit::<DistributedVirtualPortgroup>(&destination)?.push_port_keys(key);
        }
        super::touch(call, &this)?;
        call.post(&this, DvsPortReconfiguredEvent::with(|event| _ = event.set_port_key(keys)))
    })
}

/// Whether a virtual machine names this port, or may need it because the portgroup has no more than its machines.
fn is_connected(call: &Switch<'_>, portgroup: &Moref, key: &str) -> Result<bool, Fault> {
    let portgroup = call.get::<DistributedVirtualPortgroup>(portgroup)?;
    if portgroup.port_keys().len() <= portgroup.vm().len() {
        return Ok(true);
    }
    let machines = portgroup.vm().iter().filter_map(|machine| call.view::<VirtualMachine>(&machine));
    let mut cards = machines.filter_map(|machine| machine.config()).flat_map(|config| config.hardware().device());
    Ok(cards.any(|device| {
        let backing = device.downcast::<VirtualEthernetCard>().and_then(|card| card.backing());
        let backing =
            backing.and_then(|backing| backing.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>());
        backing.is_some_and(|backing| backing.port().port_key().is_some_and(|known| known == key))
    }))
}
