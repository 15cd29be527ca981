//! `IscsiManager`: through which VMkernel interfaces a host's iSCSI adapter talks to its targets.

use std::sync::Arc;

use vimsim_types::method::{
    BindVnic, QueryBoundVnics, QueryCandidateNics, QueryMigrationDependencies, QueryPnicStatus, QueryVnicStatus,
    UnbindVnic,
};
use vimsim_types::views::{
    DistributedVirtualPortgroup, HostHostBusAdapter, HostInternetScsiHba, HostNetworkInfo, HostSystem, HostVirtualNic,
    IscsiDependencyEntity, IscsiFault, IscsiFaultPnicInUse, IscsiFaultVnicAlreadyBound,
    IscsiFaultVnicHasMultipleUplinks, IscsiFaultVnicHasNoUplinks, IscsiFaultVnicInUse, IscsiFaultVnicNotBound,
    IscsiFaultVnicNotFound, IscsiManager, IscsiMigrationDependency, IscsiPortInfo, IscsiStatus, VMwareDVSPortSetting,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::host_managers::{edit_config, host_in, keep, kept, look_host, no_such};
use crate::call::{Call, Look};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<IscsiManager> {
    Kind::new()
        .read(query_bound_vnics)
        .read(query_candidate_nics)
        .read(query_vnic_status)
        .read(query_pnic_status)
        .read(query_migration_dependencies)
        .write(bind_vnic)
        .write(unbind_vnic)
}

/// An adapter, and an interface that is bound to it.
type Pair = (ArcStr, ArcStr);

/// What is bound, in the order in which it was.
struct Bound(Arc<[Pair]>);

fn bound(inventory: &impl Inventory, manager: &Moref) -> Arc<[Pair]> {
    kept::<Bound>(inventory, manager).map(|bound| bound.0.clone()).unwrap_or_default()
}

/// Whether an interface of a host is bound to an adapter.
pub(crate) fn is_bound(inventory: &impl Inventory, host: &HostSystem, vnic: &str) -> bool {
    let manager = host.config_manager().iscsi_manager();
    manager.is_some_and(|manager| bound(inventory, &manager).iter().any(|(_, known)| known == vnic))
}

/// Has no interface bound to an adapter.
pub(crate) fn unbind_all<T>(call: &mut Call<'_, T>, manager: &Moref, adapter: &str) -> Result<(), Fault> {
    let known = bound(&**call, manager);
    let left: Arc<[Pair]> = known.iter().filter(|(of, _)| of != adapter).cloned().collect();
    keep(call, manager, Bound(left))
}

/// `NotFound` unless the host has this iSCSI adapter.
fn expect_adapter(host: &HostSystem, name: &str) -> Result<(), Fault> {
    let device = host.config().and_then(|config| config.storage_device());
    let mut adapters = device.into_iter().flat_map(|device| device.host_bus_adapter());
    let is_it =
        |adapter: &HostHostBusAdapter| adapter.device() == name && adapter.as_object().is::<HostInternetScsiHba>();
    if adapters.any(is_it) { Ok(()) } else { Err(no_such("iSCSI adapter", name)) }
}

fn network(host: &HostSystem) -> Option<&HostNetworkInfo> {
    host.config()?.network()
}

fn vnic<'a>(host: &'a HostSystem, device: &str) -> Option<&'a HostVirtualNic> {
    network(host)?.vnic().iter().find(|nic| nic.device() == device)
}

/// Where an interface is connected to, and the physical adapters that it may use.
#[derive(Default)]
struct Way {
    uplinks: Vec<ArcStr>,
    switch_name: Option<ArcStr>,
    switch_uuid: Option<ArcStr>,
    portgroup: Option<ArcStr>,
    portgroup_key: Option<ArcStr>,
    port_key: Option<ArcStr>,
}

/// The name of the physical adapter behind a link to it.
fn name_of(network: &HostNetworkInfo, key: &str) -> Option<ArcStr> {
    network.pnic().iter().find(|nic| nic.key().is_some_and(|known| known == key)).map(|nic| nic.device().clone())
}

fn way(inventory: &impl Inventory, host: &HostSystem, nic: &HostVirtualNic) -> Way {
    let Some(network) = network(host) else { return Way::default() };
    if let Some(port) = nic.spec().distributed_virtual_port() {
        let switch = network.proxy_switch().iter().find(|switch| switch.dvs_uuid() == port.switch_uuid());
        let key = port.portgroup_key().cloned();
        let portgroup = key.as_ref().map(|key| Moref::of::<DistributedVirtualPortgroup>(key.clone()));
        let portgroup = portgroup.and_then(|moref| inventory.seen::<DistributedVirtualPortgroup>(&moref));
        let setting = portgroup.and_then(|group| group.config().default_port_config());
        let teaming = setting.and_then(|setting| setting.downcast::<VMwareDVSPortSetting>()?.uplink_teaming_policy());
        let order = teaming.and_then(|teaming| teaming.uplink_port_order());
        let all: Vec<ArcStr> =
            switch.into_iter().flat_map(|switch| switch.pnic()).filter_map(|key| name_of(network, key)).collect();
        let usable =
            order.map_or(all.len(), |order| order.active_uplink_port().len() + order.standby_uplink_port().len());
        return Way {
            uplinks: all.into_iter().take(usable).collect(),
            switch_name: switch.map(|switch| switch.dvs_name().clone()),
            switch_uuid: Some(port.switch_uuid().clone()),
            portgroup: portgroup.map(|group| group.name().clone()),
            portgroup_key: key,
            port_key: port.port_key().cloned(),
        };
    }
    let group = network.portgroup().iter().find(|group| group.spec().name() == nic.portgroup());
    let order = group.and_then(|group| group.computed_policy().nic_teaming()?.nic_order());
    let uplinks = order.into_iter().flat_map(|order| order.active_nic().iter().chain(order.standby_nic().iter()));
    Way {
        uplinks: uplinks.cloned().collect(),
        switch_name: group.map(|group| group.spec().vswitch_name().clone()),
        portgroup: Some(nic.portgroup().clone()),
        ..Way::default()
    }
}

/// Why an interface cannot be bound: it needs one physical adapter, and no more.
fn unfit(way: &Way, device: &str) -> Option<Fault> {
    match way.uplinks.len() {
        0 => {
            let detail = IscsiFaultVnicHasNoUplinks::with(|fault| _ = fault.set_vnic_device(device));
            Some(Fault::new(detail, format!("the interface '{device}' has no uplink")))
        }
        1 => None,
        _ => {
            let detail = IscsiFaultVnicHasMultipleUplinks::with(|fault| _ = fault.set_vnic_device(device));
            Some(Fault::new(detail, format!("the interface '{device}' has more than one uplink")))
        }
    }
}

fn status(why: Option<Fault>) -> IscsiStatus {
    IscsiStatus::with(|status| {
        if let Some(fault) = why {
            status.push_reason(fault.localized());
        }
    })
}

fn port(inventory: &impl Inventory, host: &HostSystem, nic: &HostVirtualNic, path: &str) -> IscsiPortInfo {
    let way = way(inventory, host, nic);
    IscsiPortInfo::with(|port| {
        port.set_vnic_device(nic.device()).set_vnic(nic.clone());
        port.set_compliance_status(status(unfit(&way, nic.device()))).set_path_status(path);
        if let Some(name) = way.uplinks.first() {
            let known = network(host).and_then(|network| network.pnic().iter().find(|pnic| pnic.device() == name));
            port.set_pnic_device(name);
            if let Some(known) = known {
                port.set_pnic(known.clone());
            }
        }
        port.set_switch_name(way.switch_name).set_switch_uuid(way.switch_uuid);
        port.set_portgroup_name(way.portgroup).set_portgroup_key(way.portgroup_key).set_port_key(way.port_key);
    })
}

/// The interfaces that are bound to an adapter.
///
/// - `NotFound` for an adapter that there is not.
fn query_bound_vnics(look: &Look<'_, IscsiManager>, request: QueryBoundVnics) -> Result<Vec<IscsiPortInfo>, Fault> {
    let host = look_host(look)?;
    expect_adapter(host, request.i_scsi_hba_name())?;
    let bound = bound(look.snapshot(), look.moref());
    let own = bound.iter().filter(|(adapter, _)| adapter == request.i_scsi_hba_name());
    Ok(own.filter_map(|(_, device)| Some(port(look.snapshot(), host, vnic(host, device)?, "notUsed"))).collect())
}

/// The interfaces that are not bound to the adapter yet, with what would be in the way.
///
/// - `NotFound` for an adapter that there is not.
fn query_candidate_nics(
    look: &Look<'_, IscsiManager>,
    request: QueryCandidateNics,
) -> Result<Vec<IscsiPortInfo>, Fault> {
    let host = look_host(look)?;
    expect_adapter(host, request.i_scsi_hba_name())?;
    let bound = bound(look.snapshot(), look.moref());
    let is_free = |nic: &&HostVirtualNic| {
        !bound.iter().any(|(adapter, device)| adapter == request.i_scsi_hba_name() && device == nic.device())
    };
    let nics = network(host).into_iter().flat_map(|network| network.vnic()).filter(is_free);
    Ok(nics.map(|nic| port(look.snapshot(), host, nic, "notUsed")).collect())
}

fn unknown_vnic(device: &str) -> Fault {
    let detail = IscsiFaultVnicNotFound::with(|fault| _ = fault.set_vnic_device(device));
    Fault::new(detail, format!("the host has no interface '{device}'"))
}

/// Whether an interface is bound to an adapter: `IscsiFaultVnicInUse` as the reason.
///
/// - `IscsiFaultVnicNotFound` for an interface that there is not.
fn query_vnic_status(look: &Look<'_, IscsiManager>, request: QueryVnicStatus) -> Result<IscsiStatus, Fault> {
    let host = look_host(look)?;
    let device = request.vnic_device();
    vnic(host, device).ok_or_else(|| unknown_vnic(device))?;
    let is_used = bound(look.snapshot(), look.moref()).iter().any(|(_, known)| known == device);
    Ok(status(is_used.then(|| {
        let detail = IscsiFaultVnicInUse::with(|fault| _ = fault.set_vnic_device(device));
        Fault::new(detail, format!("iSCSI uses the interface '{device}'"))
    })))
}

/// What is bound, as far as it goes over these physical adapters.
fn dependencies(look: &Look<'_, IscsiManager>, host: &HostSystem, pnics: &[&ArcStr]) -> Vec<IscsiDependencyEntity> {
    let bound = bound(look.snapshot(), look.moref());
    let mut found = Vec::new();
    for (adapter, device) in bound.iter() {
        let Some(nic) = vnic(host, device) else { continue };
        for pnic in way(look.snapshot(), host, nic).uplinks {
            if pnics.contains(&&pnic) {
                found.push(IscsiDependencyEntity::with(|it| {
                    it.set_pnic_device(&pnic).set_vnic_device(device).set_vmhba_name(adapter);
                }));
            }
        }
    }
    found
}

fn in_use(pnic: &ArcStr) -> Fault {
    let detail = IscsiFaultPnicInUse::with(|fault| _ = fault.set_pnic_device(pnic));
    Fault::new(detail, format!("iSCSI uses the physical adapter '{pnic}'"))
}

/// Whether an interface that goes over a physical adapter is bound: `IscsiFaultPnicInUse` as the reason.
///
/// - `IscsiFault` for an adapter that there is not.
fn query_pnic_status(look: &Look<'_, IscsiManager>, request: QueryPnicStatus) -> Result<IscsiStatus, Fault> {
    let host = look_host(look)?;
    let device = request.pnic_device();
    if !network(host).is_some_and(|network| network.pnic().iter().any(|nic| nic.device() == device)) {
        return Err(Fault::new(IscsiFault::new(), format!("the host has no physical adapter '{device}'")));
    }
    let is_used = !dependencies(look, host, &[device]).is_empty();
    Ok(status(is_used.then(|| in_use(device))))
}

/// Whether physical adapters can go to another switch: not while an interface that goes over them is bound.
fn query_migration_dependencies(
    look: &Look<'_, IscsiManager>,
    request: QueryMigrationDependencies,
) -> Result<IscsiMigrationDependency, Fault> {
    let host = look_host(look)?;
    let pnics: Vec<&ArcStr> = request.pnic_device().iter().collect();
    let found = dependencies(look, host, &pnics);
    Ok(IscsiMigrationDependency::with(|answer| {
        answer.set_migration_allowed(found.is_empty());
        if let Some(first) = found.first() {
            answer.set_disallow_reason(status(Some(in_use(first.pnic_device()))));
            answer.set_dependency(found);
        }
    }))
}

/// Binds an interface to an adapter.
///
/// - `NotFound` for an adapter, `IscsiFaultVnicNotFound` for an interface that there is not;
/// - `IscsiFaultVnicAlreadyBound`; `IscsiFaultVnicHasNoUplinks` and `IscsiFaultVnicHasMultipleUplinks` unless it goes over
///   one physical adapter.
fn bind_vnic(call: &mut Call<'_, IscsiManager>, request: BindVnic) -> Result<(), Fault> {
    edit_config(call)?;
    let this = call.moref();
    let (adapter, device) = (request.i_scsi_hba_name(), request.vnic_device());
    let inventory: &vimsim_registry::Transaction = call;
    let host = host_in(inventory, &this).ok_or_else(|| crate::call::not_found(&this))?;
    let host = inventory.get::<HostSystem>(&host)?;
    expect_adapter(host, adapter)?;
    let nic = vnic(host, device).ok_or_else(|| unknown_vnic(device))?;
    let known = bound(inventory, &this);
    if known.iter().any(|(of, known)| of == adapter && known == device) {
        let detail = IscsiFaultVnicAlreadyBound::with(|fault| _ = fault.set_vnic_device(device));
        return Err(Fault::new(detail, format!("the interface '{device}' is bound already")));
    }
    if let Some(fault) = unfit(&way(inventory, host, nic), device) {
        return Err(fault);
    }
    let pair = (adapter.clone(), device.clone());
    keep(call, &this, Bound(known.iter().cloned().chain([pair]).collect()))
}

/// Has an interface bound to an adapter no more.
///
/// - `NotFound` for an adapter that there is not; `IscsiFaultVnicNotBound` for an interface that is not bound to it.
fn unbind_vnic(call: &mut Call<'_, IscsiManager>, request: UnbindVnic) -> Result<(), Fault> {
    edit_config(call)?;
    let this = call.moref();
    let inventory: &vimsim_registry::Transaction = call;
    let host = host_in(inventory, &this).ok_or_else(|| crate::call::not_found(&this))?;
    let (adapter, device) = (request.i_scsi_hba_name(), request.vnic_device());
    expect_adapter(inventory.get::<HostSystem>(&host)?, adapter)?;
    let known = bound(inventory, &this);
    let is_it = |pair: &&Pair| pair.0 == *adapter && pair.1 == *device;
    if !known.iter().any(|pair| is_it(&pair)) {
        let detail = IscsiFaultVnicNotBound::with(|fault| _ = fault.set_vnic_device(device));
        return Err(Fault::new(detail, format!("the interface '{device}' is not bound to '{adapter}'")));
    }
    keep(call, &this, Bound(known.iter().filter(|pair| !is_it(pair)).cloned().collect()))
}
