//! Changing many parts of a host's network in one go, its routes and the speed of its adapters.

use vimsim_types::enums::{HostConfigChangeMode, HostConfigChangeOperation};
use vimsim_types::method::{
    AddPortGroup, AddVirtualNic, AddVirtualSwitch, RemovePortGroup, RemoveVirtualNic, RemoveVirtualSwitch,
    UpdateIpRouteTableConfig, UpdateNetworkConfig, UpdatePhysicalNicLinkSpeed, UpdatePortGroup, UpdateVirtualNic,
    UpdateVirtualSwitch,
};
use vimsim_types::views::{
    HostIpRouteOp, HostIpRouteTableConfig, HostNetStackInstance, HostNetworkConfig, HostNetworkConfigNetStackSpec,
    HostNetworkConfigResult, HostNetworkInfo, HostNetworkSystem, HostPortGroupConfig, HostVirtualNicConfig,
    HostVirtualSwitchConfig, PhysicalNic, PhysicalNicLinkInfo, ResourceInUse,
};
use vimsim_types::{ArcStr, EnumView, Fault, View};

use super::super::distributed_virtual_switch;
use super::super::host_managers::{edit_config, no_such};
use super::{interface, is_default, set_dns, set_routes, switch};
use crate::call::Call;
use crate::kind::Kind;

/// Adds the methods of this file.
pub(super) fn add(kind: Kind<HostNetworkSystem>) -> Kind<HostNetworkSystem> {
    kind.write(update_network_config).write(update_ip_route_table_config).write(update_physical_nic_link_speed)
}

type System<'a> = Call<'a, HostNetworkSystem>;
use HostConfigChangeOperation as Operation;

/// What is to be done with a part of the configuration that is there or not.
///
/// - `InvalidArgument` for an operation that is none.
fn operation(
    mode: HostConfigChangeMode,
    wanted: Option<&ArcStr>,
    property: &str,
    exists: bool,
) -> Result<Operation, Fault> {
    let by_itself = if exists { Operation::Edit } else { Operation::Add };
    match wanted.filter(|wanted| !wanted.is_empty()) {
        // What is to be there in the end says all.
        _ if mode == HostConfigChangeMode::Replace => Ok(by_itself),
        None => Ok(by_itself),
        Some(wanted) => Operation::from_name(wanted).ok_or_else(|| {
            Fault::invalid_argument(&format!("config.{property}.changeOperation"), format!("'{wanted}' is none"))
        }),
    }
}

/// Changes the network as the configuration says, all of it or nothing; with `replace`, of the kinds of parts that it lists,
/// what it does not list goes. Answers the devices of the interfaces that were added.
///
/// - `InvalidArgument` for a mode or operation that is none; else what the methods for each part raise: `AlreadyExists`,
///   `NotFound`, `ResourceInUse`, `HostConfigFault`.
fn update_network_config(
    call: &mut System<'_>,
    request: UpdateNetworkConfig,
) -> Result<HostNetworkConfigResult, Fault> {
    let config = request.config();
    let Some(mode) = HostConfigChangeMode::from_name(request.change_mode()) else {
        return Err(Fault::invalid_argument("changeMode", format!("'{}' is none", request.change_mode())));
    };
    // What is added, before what may need it; what is removed, after what may have it.
    for part in config.vswitch() {
        change_switch(call, mode, part, false)?;
    }
    for part in config.portgroup() {
        change_port_group(call, mode, part, false)?;
    }
    for part in config.proxy_switch() {
        let host = switch::host(call)?;
        if let Some(backing) = part.spec().and_then(|spec| spec.backing())
            && operation(mode, part.change_operation(), "proxySwitch", true)? == Operation::Edit
        {
            distributed_virtual_switch::set_adapters(call, &host, part.uuid(), backing)?;
        }
    }
    let mut added = Vec::new();
    for part in config.vnic() {
        added.extend(change_interface(call, mode, part)?);
    }
    for part in config.portgroup() {
        change_port_group(call, mode, part, true)?;
    }
    for part in config.vswitch() {
        change_switch(call, mode, part, true)?;
    }
    if mode == HostConfigChangeMode::Replace {
        remove_others(call, config, &added)?;
    }
    for part in config.pnic() {
        set_link_speed(edit_config(call)?.network_mut(), part.device(), part.spec().link_speed())?;
    }
    if let Some(dns) = config.dns_config() {
        set_dns(call, dns)?;
    }
    if let Some(routes) = config.ip_route_config() {
        set_routes(call, routes)?;
    }
    if let Some(table) = config.route_table_config() {
        change_route_table(edit_config(call)?.network_mut(), table)?;
    }
    for part in config.net_stack_spec() {
        change_stack(edit_config(call)?.network_mut(), mode, part)?;
    }
    if let Some(enabled) = config.ip_v6_enabled() {
        // Fidelity: ESXi waits for its next start.
        edit_config(call)?.network_mut().set_ip_v6_enabled(enabled).set_at_boot_ip_v6_enabled(enabled);
    }
    Ok(HostNetworkConfigResult::with(|result| _ = result.set_vnic_device(added)))
}

fn change_switch(
    call: &mut System<'_>,
    mode: HostConfigChangeMode,
    part: &HostVirtualSwitchConfig,
    removing: bool,
) -> Result<(), Fault> {
    let name = part.name();
    let exists = switch::find_switch(edit_config(call)?.network_mut(), name).is_some();
    let operation = operation(mode, part.change_operation(), "vswitch", exists)?;
    match (operation, part.spec()) {
        (Operation::Remove, _) if removing => {
            let request = RemoveVirtualSwitch::with(|request| _ = request.set_vswitch_name(name));
            switch::remove_virtual_switch(call, request)
        }
        (Operation::Add, spec) if !removing => {
            let request = AddVirtualSwitch::with(|request| {
                request.set_vswitch_name(name);
                if let Some(spec) = spec {
                    request.set_spec(spec.clone());
                }
            });
            switch::add_virtual_switch(call, request)
        }
        (Operation::Edit, Some(spec)) if !removing => {
            let request = UpdateVirtualSwitch::with(|request| {
                request.set_vswitch_name(name).set_spec(spec.clone());
            });
            switch::update_virtual_switch(call, request)
        }
        _ => Ok(()),
    }
}

fn change_port_group(
    call: &mut System<'_>,
    mode: HostConfigChangeMode,
    part: &HostPortGroupConfig,
    removing: bool,
) -> Result<(), Fault> {
    let Some(spec) = part.spec() else { return Ok(()) };
    let exists = switch::find_port_group(edit_config(call)?.network_mut(), spec.name()).is_some();
    match operation(mode, part.change_operation(), "portgroup", exists)? {
        Operation::Remove if removing => {
            switch::remove_port_group(call, RemovePortGroup::with(|request| _ = request.set_pg_name(spec.name())))
        }
        Operation::Add if !removing => {
            switch::add_port_group(call, AddPortGroup::with(|request| _ = request.set_portgrp(spec.clone())))
        }
        Operation::Edit if !removing => {
            let request = UpdatePortGroup::with(|request| {
                request.set_pg_name(spec.name()).set_portgrp(spec.clone());
            });
            switch::update_port_group(call, request)
        }
        _ => Ok(()),
    }
}

/// Answers the device of an interface that was added.
fn change_interface(
    call: &mut System<'_>,
    mode: HostConfigChangeMode,
    part: &HostVirtualNicConfig,
) -> Result<Option<ArcStr>, Fault> {
    let device = part.device().filter(|device| !device.is_empty());
    let known = edit_config(call)?.network_mut().vnic();
    let exists = device.is_some_and(|device| known.iter().any(|nic| nic.device() == device));
    let mut spec = part.spec().cloned().unwrap_or_else(View::new);
    match (operation(mode, part.change_operation(), "vnic", exists)?, device) {
        (Operation::Add, _) => {
            let request = AddVirtualNic::with(|request| {
                request.set_portgroup(part.portgroup()).set_nic(spec);
            });
            interface::add_virtual_nic(call, request).map(Some)
        }
        (Operation::Edit, Some(device)) => {
            if !part.portgroup().is_empty() {
                spec.set_portgroup(part.portgroup());
            }
            let request = UpdateVirtualNic::with(|request| {
                request.set_device(device).set_nic(spec);
            });
            interface::update_virtual_nic(call, request).map(|()| None)
        }
        (Operation::Remove, Some(device)) => {
            let request = RemoveVirtualNic::with(|request| _ = request.set_device(device));
            interface::remove_virtual_nic(call, request).map(|()| None)
        }
        (Operation::Ignore, _) => Ok(None),
        (_, None) => Err(Fault::invalid_argument("config.vnic.device", "is not given")),
    }
}

/// Removes what a configuration that replaces the whole does not list, of the kinds of parts that it lists any of.
fn remove_others(call: &mut System<'_>, config: &HostNetworkConfig, added: &[ArcStr]) -> Result<(), Fault> {
    let network = edit_config(call)?.network_mut().clone();
    let devices: Vec<&ArcStr> = config.vnic().iter().filter_map(|part| part.device()).chain(added).collect();
    for nic in network.vnic().iter().filter(|nic| !devices.is_empty() && !devices.contains(&nic.device())) {
        let request = RemoveVirtualNic::with(|request| _ = request.set_device(nic.device()));
        interface::remove_virtual_nic(call, request)?;
    }
    let groups: Vec<&ArcStr> = config.portgroup().iter().filter_map(|part| Some(part.spec()?.name())).collect();
    for group in network.portgroup().iter().map(|group| group.spec().name()) {
        if !groups.is_empty() && !groups.contains(&group) {
            switch::remove_port_group(call, RemovePortGroup::with(|request| _ = request.set_pg_name(group)))?;
        }
    }
    let switches: Vec<&ArcStr> = config.vswitch().iter().map(|part| part.name()).collect();
    for name in network.vswitch().iter().map(|switch| switch.name()) {
        if !switches.is_empty() && !switches.contains(&name) {
            let request = RemoveVirtualSwitch::with(|request| _ = request.set_vswitch_name(name));
            switch::remove_virtual_switch(call, request)?;
        }
    }
    Ok(())
}

/// Adds routes to, and removes them from, the table of the default stack.
///
/// - `InvalidArgument` for an operation that is none, or a route to remove that there is not.
fn update_ip_route_table_config(call: &mut System<'_>, request: UpdateIpRouteTableConfig) -> Result<(), Fault> {
    change_route_table(edit_config(call)?.network_mut(), request.config())
}

fn change_route_table(network: &mut HostNetworkInfo, config: &HostIpRouteTableConfig) -> Result<(), Fault> {
    let table = network.route_table_info_mut();
    for change in config.ip_route() {
        let route = change.route();
        let is_same = |known: &vimsim_types::views::HostIpRouteEntry| {
            known.network() == route.network()
                && known.prefix_length() == route.prefix_length()
                && known.gateway() == route.gateway()
        };
        let exists = table.ip_route().iter().any(is_same);
        match Operation::from_name(change.change_operation()) {
            Some(Operation::Add) if !exists => _ = table.push_ip_route(route.clone()),
            Some(Operation::Add | Operation::Edit | Operation::Ignore) => {}
            Some(Operation::Remove) if exists => table.ip_route_mut().retain(|known| !is_same(known)),
            Some(Operation::Remove) => {
                let why = format!("there is no route to {}/{}", route.network(), route.prefix_length());
                return Err(Fault::invalid_argument("config.ipRoute.route", why));
            }
            None => {
                let why = format!("'{}' is none", change.change_operation());
                return Err(Fault::invalid_argument("config.ipRoute.changeOperation", why));
            }
        }
    }
    let operations: Vec<HostIpRouteOp> = table
        .ip_route()
        .iter()
        .map(|route| {
            HostIpRouteOp::with(|operation| {
                operation.set_change_operation(Operation::Ignore.name()).set_route(route.clone());
            })
        })
        .collect();
    for stack in network.net_stack_instance_mut().iter_mut().filter(is_default) {
        stack.route_table_config_mut().set_ip_route(operations.iter().cloned());
    }
    Ok(())
}

/// Adds, changes or removes a TCP/IP stack.
fn change_stack(
    network: &mut HostNetworkInfo,
    mode: HostConfigChangeMode,
    part: &HostNetworkConfigNetStackSpec,
) -> Result<(), Fault> {
    let wanted = part.net_stack_instance();
    let key = wanted.key().cloned().unwrap_or_default();
    let is_meant = |stack: &HostNetStackInstance| stack.key() == Some(&key);
    let exists = network.net_stack_instance().iter().any(is_meant);
    match operation(mode, part.operation(), "netStackSpec", exists)? {
        Operation::Add if exists => Err(switch::already_exists(&key)),
        Operation::Add => {
            network.push_net_stack_instance(wanted.clone());
            Ok(())
        }
        Operation::Edit | Operation::Remove if !exists => Err(no_such("stack", &key)),
        Operation::Edit => {
            for stack in network.net_stack_instance_mut().iter_mut().filter(|stack| is_meant(stack)) {
                for (slot, value) in wanted.as_object().slots().iter().enumerate() {
                    if !value.is_unset() {
                        stack.as_object_mut().set(slot, value.clone());
                    }
                }
            }
            Ok(())
        }
        Operation::Remove => {
            if network.vnic().iter().any(|nic| nic.spec().net_stack_instance_key() == Some(&key)) {
                let detail = ResourceInUse::with(|fault| _ = fault.set_type("HostNetStackInstance").set_name(&key));
                return Err(Fault::new(detail, format!("an interface is on the stack '{key}'")));
            }
            network.net_stack_instance_mut().retain(|stack| !is_meant(stack));
            Ok(())
        }
        Operation::Ignore => Ok(()),
    }
}

/// Has a physical adapter run at this speed; at the best that it can without one.
///
/// - `NotFound` if the host has no such adapter; `InvalidArgument` for a speed that it does not have.
fn update_physical_nic_link_speed(call: &mut System<'_>, request: UpdatePhysicalNicLinkSpeed) -> Result<(), Fault> {
    set_link_speed(edit_config(call)?.network_mut(), request.device(), request.link_speed())
}

fn set_link_speed(
    network: &mut HostNetworkInfo,
    device: &str,
    wanted: Option<&PhysicalNicLinkInfo>,
) -> Result<(), Fault> {
    let mut adapters = network.pnic_mut();
    let Some(adapter) = adapters.iter_mut().find(|adapter| adapter.device() == device) else {
        return Err(no_such("physical adapter", device));
    };
    let can = |wanted: &PhysicalNicLinkInfo| {
        let mut known = adapter.valid_link_specification().iter();
        known.any(|known| known.as_object() == wanted.as_object())
    };
    if let Some(wanted) = wanted
        && !can(wanted)
    {
        let why = format!("'{device}' cannot run at {} Mbit/s", wanted.speed_mb());
        return Err(Fault::invalid_argument("linkSpeed", why));
    }
    let best = adapter.valid_link_specification().iter().max_by_key(|link| link.speed_mb()).cloned();
    // One without a cable has no speed.
    let has_link = !adapter.as_object().get(PhysicalNic::LINK_SPEED).is_unset();
    if let Some(speed) = wanted.cloned().or(best).filter(|_| has_link) {
        adapter.set_link_speed(speed);
    }
    if let Some(wanted) = wanted {
        adapter.spec_mut().set_link_speed(wanted.clone());
    }
    Ok(())
}
