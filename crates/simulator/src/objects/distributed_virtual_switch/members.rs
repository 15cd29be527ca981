//! The hosts of a distributed switch.

use vimsim_types::enums::ConfigSpecOperation;
use vimsim_types::views::{
    AlreadyExists, DVSNameArrayUplinkPortPolicy, DistributedVirtualPortgroup, DistributedVirtualSwitch,
    DistributedVirtualSwitchHostMember, DistributedVirtualSwitchHostMemberBacking,
    DistributedVirtualSwitchHostMemberConfigSpec, DistributedVirtualSwitchHostMemberPnicBacking, DvsHostJoinedEvent,
    DvsHostLeftEvent, DvsOperationBulkFault, DvsOperationBulkFaultFaultOnHost, HostEventArgument, HostNetworkInfo,
    HostSystem, NotFound, PhysicalNic, VirtualMachine,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::{interface, lacp, ports, proxy};
use crate::call::Call;
use crate::objects::{managed_entity, network};

type Spec = DistributedVirtualSwitchHostMemberConfigSpec;

/// Adds, changes or removes a member host, as the spec says.
///
/// - `ManagedObjectNotFound` if there is no such host, `InvalidArgument` if it is of another datacenter;
/// - `AlreadyExists` if it is to be added and is a member;
/// - `NotFound` if it is to be changed or removed and is none, or has no such physical adapter;
/// - `DvsOperationBulkFault` for a physical adapter that another distributed switch of the host has;
/// - `ResourceInUse` if it is to be removed and virtual machines on it, or interfaces of it, are connected to the
///   switch.
pub(super) fn configure(call: &mut Call<'_, DistributedVirtualSwitch>, spec: &Spec) -> Result<(), Fault> {
    let host = spec.host();
    call.get::<HostSystem>(&host)?;
    if call.datacenter_of(&host) != call.datacenter_of(&call.moref()) {
        return Err(Fault::invalid_argument("spec.host.host", format!("{host} is of another datacenter")));
    }
    let is_member = is_listed(call.this()?, &host);
    match ConfigSpecOperation::from_name(spec.operation()) {
        Some(ConfigSpecOperation::Add) if is_member => Err(already_a_member(call, &host)),
        Some(ConfigSpecOperation::Add) => join(call, spec),
        Some(_) if !is_member => {
            let name = call.get::<HostSystem>(&host)?.name();
            Err(Fault::new(NotFound::new(), format!("the host '{name}' is not a member of the switch")))
        }
        Some(ConfigSpecOperation::Edit) => edit(call, spec),
        Some(ConfigSpecOperation::Remove) => leave(call, &host),
        None => Err(Fault::invalid_argument("spec.host.operation", format!("'{}' is none", spec.operation()))),
    }
}

/// Gives a member host other physical adapters, as its network system was told to.
///
/// - `NotFound` if the host is no member of a switch of this UUID, or has no such adapter; `DvsOperationBulkFault` for one
///   that another distributed switch of the host has.
pub(crate) fn set_adapters<T>(
    call: &mut Call<'_, T>,
    host: &Moref,
    uuid: &str,
    backing: &DistributedVirtualSwitchHostMemberBacking,
) -> Result<(), Fault> {
    let portgroups = call.get::<HostSystem>(host)?.network();
    let portgroups = portgroups.iter().filter_map(|moref| call.view::<DistributedVirtualPortgroup>(&moref));
    let mut switches = portgroups.filter_map(|portgroup| portgroup.config().distributed_virtual_switch());
    let is_meant =
        |moref: &Moref| call.view::<DistributedVirtualSwitch>(moref).is_some_and(|switch| switch.uuid() == uuid);
    let Some(switch) = switches.find(is_meant) else {
        return Err(Fault::new(NotFound::new(), format!("the host is no member of a distributed switch '{uuid}'")));
    };
    let mut spec = Spec::new();
    spec.set_operation(ConfigSpecOperation::Edit.name()).set_host(host.clone()).set_backing(backing.clone());
    let mut call = call.on::<DistributedVirtualSwitch>(&switch);
    configure(&mut call, &spec)?;
    proxy::show(&mut call)
}

/// Whether the host is a member. (`summary` follows from `config` only when a transaction ends.)
fn is_listed(switch: &DistributedVirtualSwitch, host: &Moref) -> bool {
    switch.config().host().iter().any(|member| member.config().host().as_ref() == Some(host))
}

fn already_a_member(call: &Call<'_, DistributedVirtualSwitch>, host: &Moref) -> Fault {
    let name = call.view::<HostSystem>(host).map(|host| host.name().clone()).unwrap_or_default();
    let why = format!("the host '{name}' is a member of the switch already");
    let detail = AlreadyExists::with(|fault| _ = fault.set_name(name));
    Fault::new(detail, why)
}

fn host_argument(call: &Call<'_, DistributedVirtualSwitch>, host: &Moref) -> HostEventArgument {
    HostEventArgument::with(|argument| {
        argument.set_host(host.clone());
        argument.set_name(call.view::<HostSystem>(host).map(|host| host.name()));
    })
}

/// The backing of a member: its physical adapters, each on an uplink port.
fn backing(
    call: &Call<'_, DistributedVirtualSwitch>,
    spec: &Spec,
    uplink_ports: &[ArcStr],
) -> Result<DistributedVirtualSwitchHostMemberPnicBacking, Fault> {
    let wanted = spec.backing().and_then(|backing| backing.downcast::<DistributedVirtualSwitchHostMemberPnicBacking>());
    let mut backing = wanted.cloned().unwrap_or_else(View::new);
    let uplinks = call.this()?.config().uplink_portgroup().first();
    let host = call.get::<HostSystem>(&spec.host())?;
    let known = host.config().and_then(|config| config.network()).map(|network| network.pnic());
    let switch = call.this()?.uuid();
    let given: Vec<ArcStr> = backing.pnic_spec().iter().filter_map(|pnic| pnic.uplink_port_key().cloned()).collect();
    let mut free = uplink_ports.iter().filter(|port| !given.contains(port));
    for pnic in backing.pnic_spec_mut().iter_mut() {
        let device = pnic.pnic_device();
        // What a host without any description of its adapters has cannot be checked.
        if let Some(known) = known.filter(|known| !known.is_empty())
            && !known.iter().any(|pnic| pnic.device() == device)
        {
            let why = format!("the host '{}' has no physical adapter '{device}'", host.name());
            return Err(Fault::new(NotFound::new(), why));
        }
        if let Some(network) = host.config().and_then(|config| config.network())
            && let Some(other) = other_switch(network, device, switch)
        {
            let why = format!("the resource '{device}' is in use: the switch '{other}' of the host has it");
            return Err(on_host(&spec.host(), managed_entity::in_use(PhysicalNic::TYPE, device, why)));
        }
        if pnic.uplink_portgroup_key().is_none() {
            pnic.set_uplink_portgroup_key(uplinks.as_ref().map(|uplinks| uplinks.value().clone()));
        }
        if pnic.uplink_port_key().is_none() {
            pnic.set_uplink_port_key(free.next().cloned());
        }
    }
    Ok(backing)
}

/// The other distributed switch of the host that has this physical adapter, if one has.
// Fidelity: vCenter refuses one that a standard switch has, too. vcsim does not, and `vmnic0` is what govc takes unless told
// otherwise.
fn other_switch<'a>(network: &'a HostNetworkInfo, device: &str, switch: &str) -> Option<&'a ArcStr> {
    let key = network.pnic().iter().find(|pnic| pnic.device() == device)?.key()?;
    let mut others = network.proxy_switch().iter().filter(|proxy| proxy.dvs_uuid() != switch);
    Some(others.find(|proxy| proxy.pnic().contains(key.as_str()))?.dvs_name())
}

/// `DvsOperationBulkFault`, which says what is wrong on which host.
fn on_host(host: &Moref, cause: Fault) -> Fault {
    let why = cause.message().to_owned();
    let detail = DvsOperationBulkFault::with(|fault| {
        fault.push_host_fault(DvsOperationBulkFaultFaultOnHost::with(|fault| {
            fault.set_host(host.clone()).set_fault(cause.localized());
        }));
    });
    Fault::new(detail, why)
}

/// Makes a host a member: it gets uplink ports, and is connected to every portgroup.
fn join(call: &mut Call<'_, DistributedVirtualSwitch>, spec: &Spec) -> Result<(), Fault> {
    let (this, host) = (call.moref(), spec.host());
    let policy = call.this()?.config().uplink_port_policy().downcast::<DVSNameArrayUplinkPortPolicy>();
    let uplinks = policy.map_or(0, |policy| policy.uplink_port_name().len());
    let uplink_ports = ports::new_port_keys(call, &this, uplinks)?;
    if let Some(portgroup) = call.this()?.config().uplink_portgroup().first() {
        let portgroup = call.edit::<DistributedVirtualPortgroup>(&portgroup)?;
        for key in &uplink_ports {
            portgroup.push_port_keys(key);
        }
    }
    let backing = backing(call, spec, &uplink_ports)?;
    let config = call.this()?.config();
    let ports = spec.max_proxy_switch_ports().or(config.default_proxy_switch_max_num_ports()).unwrap_or(512);
    let product = call.this()?.config().product_info().clone();
    let member = DistributedVirtualSwitchHostMember::with(|member| {
        let config = member.config_mut();
        config.set_host(host.clone()).set_max_proxy_switch_ports(ports).set_backing(backing);
        member.set_product_info(product);
        member.set_uplink_port_key(&uplink_ports);
        member.set_status("up");
    });
    call.this_mut()?.config_mut().push_host(member.clone());
    lacp::join(call, &host)?;
    let switch = call.this()?.clone();
    proxy::show_on(call, &switch, &host)?;
    let portgroups: Vec<Moref> = call.this()?.portgroup().iter().collect();
    for portgroup in &portgroups {
        network::connect_host(call, portgroup, &host)?;
    }
    let joined = host_argument(call, &host);
    call.post(&this, DvsHostJoinedEvent::with(|event| _ = event.set_host_joined(joined)))
}

fn edit(call: &mut Call<'_, DistributedVirtualSwitch>, spec: &Spec) -> Result<(), Fault> {
    let host = spec.host();
    let mut members = call.this()?.config().host().iter();
    let member = members.find(|member| member.config().host().as_ref() == Some(&host));
    let uplink_ports: Vec<ArcStr> =
        member.map(|member| member.uplink_port_key().iter().cloned().collect()).unwrap_or_default();
    let wanted = spec.backing().is_some().then(|| backing(call, spec, &uplink_ports)).transpose()?;
    for member in call.this_mut()?.config_mut().host_mut().iter_mut() {
        if member.config().host().as_ref() == Some(&host) {
            if let Some(ports) = spec.max_proxy_switch_ports() {
                member.config_mut().set_max_proxy_switch_ports(ports);
            }
            if let Some(wanted) = &wanted {
                member.config_mut().set_backing(wanted.clone());
            }
        }
    }
    Ok(())
}

fn leave(call: &mut Call<'_, DistributedVirtualSwitch>, host: &Moref) -> Result<(), Fault> {
    let portgroups: Vec<Moref> = call.this()?.portgroup().iter().collect();
    for machine in call.get::<HostSystem>(host)?.vm() {
        let Some(machine) = call.view::<VirtualMachine>(&machine) else { continue };
        if let Some(portgroup) = machine.network().iter().find(|network| portgroups.contains(network)) {
            let why = format!("the virtual machine '{}' on the host is connected to the switch", machine.name());
            return Err(managed_entity::in_use(portgroup.kind(), portgroup.value(), why));
        }
    }
    portgroups.iter().try_for_each(|portgroup| interface::expect_no_interface_of(call, portgroup, host))?;
    forget(call, host)?;
    for portgroup in &portgroups {
        network::disconnect_host(call, portgroup, host)?;
    }
    Ok(())
}

/// Takes the host out of `config.host`, with its uplink ports, and tells of it.
fn forget(call: &mut Call<'_, DistributedVirtualSwitch>, host: &Moref) -> Result<(), Fault> {
    let this = call.moref();
    let mut members = call.this()?.config().host().iter();
    let Some(member) = members.find(|member| member.config().host().as_ref() == Some(host)) else { return Ok(()) };
    let ports: Vec<ArcStr> = member.uplink_port_key().iter().cloned().collect();
    if let Some(portgroup) = call.this()?.config().uplink_portgroup().first() {
        let portgroup = call.edit::<DistributedVirtualPortgroup>(&portgroup)?;
        portgroup.port_keys_mut().retain(|key| !ports.contains(key));
    }
    lacp::leave(call, &ports)?;
    let switch = call.this_mut()?;
    switch.config_mut().host_mut().retain(|member| member.config().host().as_ref() != Some(host));
    let uuid = switch.uuid().clone();
    proxy::hide(call, &uuid, host)?;
    let left = host_argument(call, host);
    call.post(&this, DvsHostLeftEvent::with(|event| _ = event.set_host_left(left)))
}

/// Takes a host that is being removed out of the switches that it is a member of. Its networks are the caller's to clear.
pub(crate) fn remove_host<T>(call: &mut Call<'_, T>, moref: &Moref, host: &HostSystem) -> Result<(), Fault> {
    let mut switches: Vec<Moref> = Vec::new();
    for network in host.network() {
        let portgroup = call.view::<DistributedVirtualPortgroup>(&network);
        if let Some(switch) = portgroup.and_then(|portgroup| portgroup.config().distributed_virtual_switch())
            && !switches.contains(&switch)
        {
            switches.push(switch);
        }
    }
    switches.iter().try_for_each(|switch| forget(&mut call.on(switch), moref))
}
