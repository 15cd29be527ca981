//! `DistributedVirtualPortgroup`: ports of a distributed switch that share their settings.

use vimsim_registry::Transaction;
use vimsim_types::method::{DestroyNetwork, ReconfigureDVPortgroupTask, RenameTask};
use vimsim_types::views::{
    DVPortgroupConfigInfo, DVPortgroupConfigSpec, DVPortgroupDestroyedEvent, DVPortgroupReconfiguredEvent,
    DistributedVirtualPortgroup, DistributedVirtualSwitch, DvsEventArgument, Event, NotSupported,
    VMwareDVSPortgroupPolicy,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::distributed_virtual_switch::{self as switch, setting};
use super::{managed_entity, network};
use crate::call::Call;
use crate::kind::Kind;
use crate::walk::remove_reference;

pub(crate) fn kind() -> Kind<DistributedVirtualPortgroup> {
    managed_entity::kind().write(rename).write(reconfigure).write(destroy_network).derive(derive).destroy(destroy)
}

/// The most ports that a portgroup can have.
const MOST_PORTS: i32 = 65_536;

/// `InvalidArgument` for a type, a number of ports or a VLAN that cannot be.
pub(crate) fn check(switch: &DistributedVirtualSwitch, spec: &DVPortgroupConfigSpec) -> Result<(), Fault> {
    let types = ["earlyBinding", "lateBinding", "ephemeral"];
    if let Some(kind) = spec.type_()
        && !types.contains(&kind.as_str())
    {
        let why = format!("'{kind}' is none of {}", types.join(", "));
        return Err(Fault::invalid_argument("spec.type", why));
    }
    if let Some(ports) = spec.num_ports()
        && !(0..=MOST_PORTS).contains(&ports)
    {
        return Err(Fault::invalid_argument("spec.numPorts", format!("{ports} is not from 0 to {MOST_PORTS}")));
    }
    match spec.default_port_config() {
        Some(setting) => setting::check(setting, &switch::private_vlans(switch)),
        None => Ok(()),
    }
}

/// Whether portgroups of NSX may share a name, as those that it makes do.
fn may_share_name(name: &str, backing: Option<&ArcStr>) -> bool {
    name.starts_with("NSX-") || backing.is_some_and(|backing| backing == "nsx")
}

/// Creates a portgroup of the switch, beside it, and connects the switch's hosts to it.
///
/// - `DuplicateName`, `InvalidName`.
pub(crate) fn create(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    spec: &DVPortgroupConfigSpec,
) -> Result<Moref, Fault> {
    let (this, parent) = (call.moref(), call.this()?.parent());
    let parent = parent.ok_or_else(|| Fault::invalid_request("the switch is in no folder"))?;
    let name = spec.name().map_or("", |name| name.as_str());
    let shared = may_share_name(name, spec.backing_type());
    let name =
        if shared { managed_entity::escape(name).into() } else { managed_entity::check_name(call, &parent, name)? };
    let moref = call.create_moref(DistributedVirtualPortgroup::TYPE);
    let config = configuration(call, &moref, &name, spec, shared)?;
    let ports = usize::try_from(config.num_ports()).unwrap_or_default();
    let keys = switch::new_port_keys(call, &this, ports)?;
    let portgroup = DistributedVirtualPortgroup::with(|portgroup| {
        portgroup.set_key(moref.value()).set_config(config).set_port_keys(keys);
    });
    network::insert(call, moref.clone(), &parent, &name, portgroup)?;
    call.this_mut()?.push_portgroup(moref.clone());
    let hosts: Vec<Moref> = call.this()?.config().host().iter().filter_map(|member| member.config().host()).collect();
    hosts.iter().try_for_each(|host| network::connect_host(call, &moref, host))?;
    Ok(moref)
}

/// The configuration of a new portgroup: what the spec says, and the switch where it says nothing.
fn configuration(
    call: &Call<'_, DistributedVirtualSwitch>,
    moref: &Moref,
    name: &ArcStr,
    spec: &DVPortgroupConfigSpec,
    nsx: bool,
) -> Result<DVPortgroupConfigInfo, Fault> {
    let parent = call.this()?.config().default_port_config();
    let mut config = DVPortgroupConfigInfo::with(|config| {
        config.set_key(moref.value());
        config.set_num_ports(0).set_type("earlyBinding").set_backing_type("standard");
        config.set_distributed_virtual_switch(call.moref());
        config.set_policy(default_policy());
        config.set_auto_expand(true).set_uplink(false);
        config.set_vm_vnic_network_resource_pool_key("-1");
        config.set_config_version("0");
        if nsx {
            // NSX would name them; they follow from the portgroup, so that every run gives the same.
            let segment = crate::uuid::named(&format!("{moref}"));
            config.set_backing_type("nsx").set_segment_id(format!("/infra/segments/vnet_{segment}"));
            config.set_logical_switch_uuid(segment);
        }
    });
    copy(&mut config, spec);
    config.set_name(name).set_config_version("0");
    config.set_default_port_config(setting::below(parent, None, spec.default_port_config()));
    Ok(config)
}

fn default_policy() -> VMwareDVSPortgroupPolicy {
    VMwareDVSPortgroupPolicy::with(|policy| {
        policy.set_block_override_allowed(true).set_shaping_override_allowed(false);
        policy.set_vendor_config_override_allowed(false).set_live_port_moving_allowed(false);
        policy.set_port_config_reset_at_disconnect(true).set_network_resource_pool_override_allowed(false);
        policy.set_traffic_filter_override_allowed(false);
        policy.set_vlan_override_allowed(false).set_uplink_teaming_override_allowed(false);
        policy.set_security_policy_override_allowed(false).set_ipfix_override_allowed(false);
        policy.set_mac_management_override_allowed(false);
    })
}

/// Copies what the spec and the configuration both have and the spec sets, but for what needs more than that.
fn copy(config: &mut DVPortgroupConfigInfo, spec: &DVPortgroupConfigSpec) {
    let fields = spec.as_object().kind().info().fields();
    for (field, value) in fields.iter().zip(spec.as_object().slots()) {
        // Clients written in Go send texts that they do not set as empty ones.
        if value.is_unset()
            || value.text() == Some("")
            || ["configVersion", "name", "defaultPortConfig", "policy"].contains(&field.name)
        {
            continue;
        }
        if let Some(slot) = config.as_object().kind().info().slot(field.name) {
            config.as_object_mut().set(slot, value.clone());
        }
    }
    if let Some(policy) = spec.policy() {
        setting::merge(config.policy_mut().as_object_mut(), policy.as_object());
    }
}

/// Changes the portgroup as the spec says; what it does not set stays.
///
/// - `InvalidArgument` for a value that cannot be;
/// - `ConcurrentAccess` if `configVersion` is given and is not the portgroup's, as a fault of the task, as are
///   `DuplicateName`, `InvalidName`, and `ResourceInUse` for fewer ports than virtual machines are connected to.
fn reconfigure(
    call: &mut Call<'_, DistributedVirtualPortgroup>,
    request: ReconfigureDVPortgroupTask,
) -> Result<Moref, Fault> {
    let owner = owner(call)?;
    check(call.get(&owner)?, request.spec())?;
    call.start_task(move |call| apply(call, &owner, request.spec()))
}

fn apply(
    call: &mut Call<'_, DistributedVirtualPortgroup>,
    owner: &Moref,
    spec: &DVPortgroupConfigSpec,
) -> Result<(), Fault> {
    let this = call.moref();
    let mut config = call.this()?.config().clone();
    switch::expect_version(config.config_version().map_or("", |version| version.as_str()), spec.config_version())?;
    if let Some(name) = spec.name().filter(|name| !name.is_empty()) {
        rename_to(call, name)?;
    }
    copy(&mut config, spec);
    let parent = call.get::<DistributedVirtualSwitch>(owner)?.config().default_port_config();
    config.set_default_port_config(setting::below(parent, config.default_port_config(), spec.default_port_config()));
    config.set_config_version(switch::next_version(config.config_version().map_or("", |version| version.as_str())));
    let ports = usize::try_from(config.num_ports()).unwrap_or_default();
    call.this_mut()?.set_config(config);
    if spec.num_ports().is_some() {
        set_ports(call, owner, ports)?;
    }
    post(call, &this, DVPortgroupReconfiguredEvent::with(|event| _ = event.set_config_spec(spec.clone())))
}

/// Gives the portgroup this many ports. `ResourceInUse` if more than that are in use; those that are stay.
fn set_ports(call: &mut Call<'_, DistributedVirtualPortgroup>, owner: &Moref, ports: usize) -> Result<(), Fault> {
    let this = call.this()?;
    let (name, known) = (this.name().clone(), this.port_keys().len());
    let (used, needed) = switch::used_ports(call, &call.moref())?;
    let this = call.this()?;
    if ports < needed && ports < known {
        let why = format!("{needed} ports of '{name}' are in use");
        return Err(managed_entity::in_use(DistributedVirtualPortgroup::TYPE, this.name(), why));
    }
    let more = switch::new_port_keys(call, owner, ports.saturating_sub(known))?;
    let mut keys = call.this_mut()?.port_keys_mut();
    let keys = keys.values();
    let mut surplus = keys.len().saturating_sub(ports);
    for at in (0..keys.len()).rev() {
        if surplus > 0 && keys[at].text().is_none_or(|key| !used.contains(key)) {
            keys.remove(at);
            surplus -= 1;
        }
    }
    keys.extend(more.into_iter().map(vimsim_types::Value::String));
    switch::touch(call, owner)
}

/// Tells of something that happened to a portgroup, and of which switch it is.
pub(crate) fn post<T>(call: &mut Call<'_, T>, moref: &Moref, mut event: impl View) -> Result<(), Fault> {
    let switch = call.get::<DistributedVirtualPortgroup>(moref)?.config().distributed_virtual_switch();
    if let Some(switch) = switch
        && let Some(name) = call.view::<DistributedVirtualSwitch>(&switch).map(|switch| switch.name().clone())
        && let Some(event) = event.downcast_mut::<Event>()
    {
        event.set_dvs(DvsEventArgument::with(|argument| {
            argument.set_dvs(switch);
            argument.set_name(name);
        }));
    }
    call.post(moref, event)
}

/// The switch that the portgroup is of.
fn owner(call: &Call<'_, DistributedVirtualPortgroup>) -> Result<Moref, Fault> {
    let switch = call.this()?.config().distributed_virtual_switch();
    switch.ok_or_else(|| Fault::new(NotSupported::new(), "the portgroup is of no switch"))
}

/// Gives the portgroup another name.
///
/// - `DuplicateName`, unless it is one of NSX, and `InvalidName`, as faults of the task.
fn rename(call: &mut Call<'_, DistributedVirtualPortgroup>, request: RenameTask) -> Result<Moref, Fault> {
    let name = request.new_name().clone();
    call.start_task(move |call| rename_to(call, &name))
}

fn rename_to(call: &mut Call<'_, DistributedVirtualPortgroup>, name: &str) -> Result<(), Fault> {
    let this = call.this()?;
    let escaped = managed_entity::escape(name);
    if *this.name() == escaped.as_str() {
        return Ok(());
    }
    let shared = may_share_name(name, this.config().backing_type());
    let name = match this.parent() {
        Some(parent) if !shared => managed_entity::check_name(call, &parent, name)?,
        _ => escaped.into(),
    };
    managed_entity::rename_to(call, name)
}

/// [`destroy`], without a task.
fn destroy_network(call: &mut Call<'_, DistributedVirtualPortgroup>, _: DestroyNetwork) -> Result<(), Fault> {
    destroy(call)
}

/// Removes the portgroup.
///
/// - `ResourceInUse` while a virtual machine, or an interface of a host, is connected to it;
/// - `NotSupported` for the uplinks, which go with their switch.
fn destroy(call: &mut Call<'_, DistributedVirtualPortgroup>) -> Result<(), Fault> {
    let this = call.moref();
    network::expect_no_machine(call, &this)?;
    switch::expect_no_interface(call, &this)?;
    if call.this()?.config().uplink() == Some(true) {
        let why = format!("'{}' holds the uplinks of a switch and goes with it", call.this()?.name());
        return Err(Fault::new(NotSupported::new(), why));
    }
    remove(call, &this)
}

/// Takes the portgroup out of its switch and the inventory.
pub(crate) fn remove<T>(call: &mut Call<'_, T>, moref: &Moref) -> Result<(), Fault> {
    let portgroup = call.get::<DistributedVirtualPortgroup>(moref)?.clone();
    // Fidelity: vcsim tells of the portgroups that clients made, not of the uplinks that come and go with a switch.
    if portgroup.config().uplink() != Some(true) {
        post(call, moref, DVPortgroupDestroyedEvent::new())?;
    }
    for host in portgroup.host() {
        network::disconnect_host(call, moref, &host)?;
    }
    if let Some(owner) = portgroup.config().distributed_virtual_switch()
        && call.object(&owner).is_some()
    {
        let switch = call.edit::<DistributedVirtualSwitch>(&owner)?;
        remove_reference(&mut switch.portgroup_mut(), moref);
        if switch.config().uplink_portgroup().contains(moref) {
            remove_reference(&mut switch.config_mut().uplink_portgroup_mut(), moref);
        }
    }
    network::remove(call, moref)
}

/// Brings `config` and `summary` up to what the other properties say, and gives the portgroup ports for all its virtual
/// machines if it expands.
fn derive(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    network::derive(transaction, moref)?;
    let portgroup = transaction.get::<DistributedVirtualPortgroup>(moref)?;
    let (config, known) = (portgroup.config(), portgroup.port_keys().len());
    let owner = config.distributed_virtual_switch().filter(|owner| transaction.object(owner).is_some());
    let missing = portgroup.vm().len().saturating_sub(known);
    let expands = config.auto_expand().unwrap_or(false) || config.type_() == "ephemeral";
    let more = match &owner {
        // Eight at a time, so that not every new virtual machine changes the list.
        Some(owner) if missing > 0 && expands => {
            switch::new_port_keys(transaction, owner, missing.next_multiple_of(8))?
        }
        _ => Vec::new(),
    };
    let portgroup = transaction.get::<DistributedVirtualPortgroup>(moref)?;
    let ports = i32::try_from(known + more.len()).unwrap_or(i32::MAX);
    let name = portgroup.name().clone();
    if *portgroup.config().name() == name && portgroup.config().num_ports() == ports {
        return Ok(());
    }
    let portgroup = transaction.edit::<DistributedVirtualPortgroup>(moref)?;
    portgroup.config_mut().set_name(name).set_num_ports(ports);
    portgroup.port_keys_mut().values().extend(more.into_iter().map(vimsim_types::Value::String));
    // The switch counts the ports and lists the names.
    match owner {
        Some(owner) => transaction.edit::<DistributedVirtualSwitch>(&owner).map(|_| ()),
        None => Ok(()),
    }
}
