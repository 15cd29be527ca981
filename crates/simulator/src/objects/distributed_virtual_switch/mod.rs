//! `DistributedVirtualSwitch`: a switch that spans hosts.
//!
//! `config.host` says which hosts are members; `summary`, `runtime` and the counts follow from it. A member host is
//! connected to every portgroup of the switch.

mod create;
mod interface;
mod lacp;
mod members;
mod port_config;
mod ports;
pub(crate) mod product;
mod proxy;
mod reconfigure;
mod resource_pools;
pub(crate) mod setting;
mod traffic_pools;

use std::ops::RangeInclusive;

use vimsim_registry::Transaction;
use vimsim_types::method::RenameTask;
use vimsim_types::views::{
    DistributedVirtualPortgroup, DistributedVirtualSwitch, DvsDestroyedEvent, HostMemberRuntimeInfo, ManagedEntity,
};
use vimsim_types::{Fault, Moref, View};

use super::{distributed_virtual_portgroup, managed_entity, network};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) use create::create_dvs;
pub(crate) use interface::{adapter_port, connect_interface, expect_no_interface, is_port_taken, used_ports};
pub(crate) use lacp::update_lacp_groups;
pub(crate) use members::{remove_host, set_adapters};
pub(crate) use ports::new_port_keys;
pub(crate) use reconfigure::{expect_version, next_version};

/// The frame sizes that a switch can be set to.
pub(crate) const MTU: RangeInclusive<i32> = 1280..=9190;

pub(crate) fn kind() -> Kind<DistributedVirtualSwitch> {
    traffic_pools::add(managed_entity::kind())
        .write(rename)
        .write(create::add_dv_portgroup)
        .write(create::create_dv_portgroup)
        .write(reconfigure::reconfigure_dvs)
        .write(reconfigure::enable_network_resource_management)
        .write(reconfigure::update_health_check)
        .write(reconfigure::rectify_host)
        .write(reconfigure::perform_product_spec_operation)
        .write(port_config::reconfigure_dv_port)
        .write(port_config::move_dv_port)
        .write(resource_pools::reconfigure)
        .read(ports::fetch_dv_ports)
        .read(ports::fetch_dv_port_keys)
        .read(ports::query_used_vlan_id)
        .read(ports::lookup_portgroup)
        .read(ports::refresh_port_state)
        .derive(derive)
        .destroy(destroy)
}

/// Gives the switch another name; its uplink portgroup keeps its own.
///
/// - `DuplicateName`, `InvalidName`, as faults of the task.
fn rename(call: &mut Call<'_, DistributedVirtualSwitch>, request: RenameTask) -> Result<Moref, Fault> {
    let name = request.new_name().clone();
    call.start_task(move |call| rename_to(call, &name))
}

fn rename_to(call: &mut Call<'_, DistributedVirtualSwitch>, name: &str) -> Result<(), Fault> {
    let this = call.this()?;
    if *this.name() == managed_entity::escape(name).as_str() {
        return Ok(());
    }
    let parent = this.parent().ok_or_else(|| Fault::invalid_request("the switch is in no folder"))?;
    let name = managed_entity::check_name(call, &parent, name)?;
    managed_entity::rename_to(call, name)?;
    proxy::show(call)
}

/// Removes the switch with its portgroups.
///
/// - `ResourceInUse` while a virtual machine, or an interface of a host, is connected to one of them.
// Fidelity: the hosts leave the switch with it, as in vcsim; vCenter wants them removed before.
fn destroy(call: &mut Call<'_, DistributedVirtualSwitch>) -> Result<(), Fault> {
    let this = call.moref();
    let portgroups: Vec<Moref> = call.this()?.portgroup().iter().collect();
    for portgroup in &portgroups {
        network::expect_no_machine(call, portgroup)?;
        expect_no_interface(call, portgroup)?;
    }
    for portgroup in &portgroups {
        distributed_virtual_portgroup::remove(call, portgroup)?;
    }
    let switch = call.this()?.clone();
    for member in switch.config().host().iter().filter_map(|member| member.config().host()) {
        proxy::hide(call, switch.uuid(), &member)?;
    }
    call.post(&this, DvsDestroyedEvent::new())?;
    managed_entity::remove(call, &this)
}

/// Brings names, counts, `summary` and `runtime` up to what the members and portgroups say.
fn derive(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let switch = transaction.get::<DistributedVirtualSwitch>(moref)?;
    let mut changed = switch.clone();
    let name = switch.name().clone();
    let hosts: Vec<Moref> = switch.config().host().iter().filter_map(|member| member.config().host()).collect();
    let mut names = Vec::new();
    let mut ports = 0;
    for portgroup in switch.portgroup() {
        if let Some(portgroup) = transaction.view::<DistributedVirtualPortgroup>(&portgroup) {
            names.push(portgroup.name().clone());
            ports += i32::try_from(portgroup.port_keys().len()).unwrap_or(i32::MAX);
        }
    }
    let ports = ports.saturating_add(switch.config().num_standalone_ports());
    let count = i32::try_from(hosts.len()).unwrap_or(i32::MAX);
    changed.config_mut().set_name(&name).set_num_ports(ports);
    traffic_pools::follow(&mut changed);
    let summary = changed.summary_mut();
    summary.set_name(&name).set_num_ports(ports).set_num_hosts(count);
    summary.set_description(switch.config().description());
    summary.set_contact(switch.config().contact().clone());
    if !summary.host_member().iter().eq(hosts.iter().cloned()) {
        summary.set_host_member(hosts.iter().cloned());
        summary.set_host(hosts.iter().cloned());
        changed.runtime_mut().set_host_member_runtime(hosts.iter().map(runtime));
    }
    if !changed.summary().portgroup_name().iter().eq(names.iter()) {
        changed.summary_mut().set_portgroup_name(names);
    }
    if changed.as_object() != transaction.get::<DistributedVirtualSwitch>(moref)?.as_object() {
        *transaction.edit::<DistributedVirtualSwitch>(moref)? = changed;
    }
    Ok(())
}

fn runtime(host: &Moref) -> HostMemberRuntimeInfo {
    HostMemberRuntimeInfo::with(|runtime| {
        runtime.set_host(host.clone()).set_status("up");
    })
}

/// The private VLANs of a switch.
pub(crate) fn private_vlans(switch: &DistributedVirtualSwitch) -> Vec<i32> {
    let config = switch.config().downcast::<vimsim_types::views::VMwareDVSConfigInfo>();
    config
        .map(|config| config.pvlan_config().iter().map(|entry| entry.secondary_vlan_id()).collect())
        .unwrap_or_default()
}

/// Has the counts and names of the switch worked out anew.
pub(crate) fn touch<T>(call: &mut Call<'_, T>, switch: &Moref) -> Result<(), Fault> {
    call.edit::<ManagedEntity>(switch).map(|_| ())
}
