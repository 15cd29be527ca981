//! `DistributedVirtualSwitchManager`: what there is and can be of distributed switches.

use vimsim_types::method::{
    DVSManagerLookupDvPortGroup, QueryAvailableDvsSpec, QueryCompatibleHostForExistingDvs,
    QueryCompatibleHostForNewDvs, QueryDvsByUuid, QueryDvsCheckCompatibility, QueryDvsCompatibleHostSpec,
    QueryDvsConfigTarget, QueryDvsFeatureCapability, RectifyDvsOnHostTask,
};
use vimsim_types::views::{
    ComputeResource, DVSFeatureCapability, DVSManagerDvsConfigTarget, DistributedVirtualPortgroup,
    DistributedVirtualPortgroupInfo, DistributedVirtualSwitch, DistributedVirtualSwitchHostProductSpec,
    DistributedVirtualSwitchInfo, DistributedVirtualSwitchManager, DistributedVirtualSwitchManagerCompatibilityResult,
    DistributedVirtualSwitchManagerHostArrayFilter, DistributedVirtualSwitchManagerHostContainer,
    DistributedVirtualSwitchManagerHostContainerFilter, DistributedVirtualSwitchManagerHostDvsFilterSpec,
    DistributedVirtualSwitchManagerHostDvsMembershipFilter, DistributedVirtualSwitchProductSpec, HostSystem, NotFound,
};
use vimsim_types::{Fault, Moref, Object, View};

use super::distributed_virtual_switch::product;
use crate::call::{Call, Look};
use crate::kind::Kind;
use crate::walk::{Inventory, descendants};

type Manager<'a> = Look<'a, DistributedVirtualSwitchManager>;

pub(crate) fn kind() -> Kind<DistributedVirtualSwitchManager> {
    Kind::new()
        .read(query_dvs_by_uuid)
        .read(lookup_portgroup)
        .read(query_available_dvs_spec)
        .read(query_compatible_host_spec)
        .read(query_feature_capability)
        .read(query_compatible_host_for_new)
        .read(query_compatible_host_for_existing)
        .read(query_config_target)
        .read(check_compatibility)
        .write(rectify_host)
}

/// The switches, in the order in which they were made.
fn switches<'a>(look: &Manager<'a>) -> Vec<(&'a Moref, &'a DistributedVirtualSwitch)> {
    let objects = look.snapshot().objects();
    let mut found: Vec<_> = objects.filter_map(|object| Some((object.moref(), object.view()?))).collect();
    found.sort_by_key(|(moref, _)| *moref);
    found
}

fn unknown(uuid: &str) -> Fault {
    Fault::new(NotFound::new(), format!("there is no distributed switch '{uuid}'"))
}

/// UUIDs are written with and without hyphens and blanks, and in either case.
fn same_uuid(a: &str, b: &str) -> bool {
    fn digits(text: &str) -> impl Iterator<Item = u8> {
        text.bytes().filter(u8::is_ascii_hexdigit).map(|byte| byte.to_ascii_lowercase())
    }
    digits(a).eq(digits(b))
}

/// The switch of this UUID. `NotFound` if there is none.
fn query_dvs_by_uuid(look: &Manager<'_>, request: QueryDvsByUuid) -> Result<Moref, Fault> {
    let found = switches(look).into_iter().find(|(_, switch)| same_uuid(switch.uuid(), request.uuid()));
    found.map(|(moref, _)| moref.clone()).ok_or_else(|| unknown(request.uuid()))
}

/// The portgroup of this key in the switch of this UUID. `NotFound` if there is none.
fn lookup_portgroup(look: &Manager<'_>, request: DVSManagerLookupDvPortGroup) -> Result<Moref, Fault> {
    // In several datacenters switches of one name have one UUID.
    let mut same: Vec<_> = switches(look);
    same.retain(|(_, switch)| same_uuid(switch.uuid(), request.switch_uuid()));
    if same.is_empty() {
        return Err(unknown(request.switch_uuid()));
    }
    let mut portgroups = same.iter().flat_map(|(_, switch)| switch.portgroup());
    portgroups.find(|portgroup| portgroup.value() == request.portgroup_key()).ok_or_else(|| {
        Fault::new(NotFound::new(), format!("the switch has no portgroup '{}'", request.portgroup_key()))
    })
}

/// The versions of switches that can be made, newest first; if that is asked, only those that are recommended, or only the
/// others: the oldest.
fn query_available_dvs_spec(
    _: &Manager<'_>,
    request: QueryAvailableDvsSpec,
) -> Result<Vec<DistributedVirtualSwitchProductSpec>, Fault> {
    let (recommended, others) = product::VERSIONS.split_at(product::VERSIONS.len() - 1);
    let wanted = match request.recommended() {
        None => &product::VERSIONS,
        Some(true) => recommended,
        Some(false) => others,
    };
    Ok(wanted.iter().map(|version| product::specification(version)).collect())
}

/// The version of a description; the newest without one.
fn version(spec: Option<&DistributedVirtualSwitchProductSpec>) -> Result<String, Fault> {
    Ok(product::wanted(spec)?.version().map(ToString::to_string).unwrap_or_default())
}

/// The hosts that a switch of this description takes. `InvalidArgument` for a version that there is not.
fn query_compatible_host_spec(
    _: &Manager<'_>,
    request: QueryDvsCompatibleHostSpec,
) -> Result<Vec<DistributedVirtualSwitchHostProductSpec>, Fault> {
    Ok(product::compatible_hosts(&version(request.switch_product_spec())?))
}

/// What a switch of this description can do. `InvalidArgument` for a version that there is not.
fn query_feature_capability(
    _: &Manager<'_>,
    request: QueryDvsFeatureCapability,
) -> Result<DVSFeatureCapability, Fault> {
    let features: Object = product::features(&version(request.switch_product_spec())?).into();
    Ok(DVSFeatureCapability::from_object(features).unwrap_or_else(View::new))
}

/// The hosts in a container; only those directly in it unless `recursive`.
fn hosts(look: &Manager<'_>, container: &Moref, recursive: bool) -> Result<Vec<Moref>, Fault> {
    look.get::<vimsim_types::views::ManagedEntity>(container)?;
    if container.is::<HostSystem>() {
        return Ok(vec![container.clone()]);
    }
    let mut found = Vec::new();
    descendants(look.snapshot(), container, recursive, &mut |moref| {
        if moref.is::<HostSystem>() {
            found.push(moref.clone());
        } else if !recursive && let Some(compute_resource) = look.snapshot().view::<ComputeResource>(moref) {
            // A standalone host stands for its compute resource.
            found.extend(compute_resource.host());
        }
    });
    Ok(found)
}

fn is_connected(look: &Manager<'_>, host: &Moref) -> bool {
    use vimsim_types::enums::HostSystemConnectionState::Connected;
    look.snapshot().view::<HostSystem>(host).is_some_and(|host| host.runtime().connection_state() == Connected)
}

/// The hosts of a container that can be members of a new switch. `ManagedObjectNotFound` if there is no such container.
fn query_compatible_host_for_new(
    look: &Manager<'_>,
    request: QueryCompatibleHostForNewDvs,
) -> Result<Vec<Moref>, Fault> {
    version(request.switch_product_spec())?;
    let mut hosts = hosts(look, &request.container(), request.recursive())?;
    hosts.retain(|host| is_connected(look, host));
    Ok(hosts)
}

/// The hosts of a container that can become members of a switch: those of its datacenter that are not.
///
/// - `ManagedObjectNotFound` if there is no such container or switch.
fn query_compatible_host_for_existing(
    look: &Manager<'_>,
    request: QueryCompatibleHostForExistingDvs,
) -> Result<Vec<Moref>, Fault> {
    let switch = look.get::<DistributedVirtualSwitch>(&request.dvs())?;
    let datacenter = datacenter_of(look, &request.dvs());
    let mut hosts = hosts(look, &request.container(), request.recursive())?;
    hosts.retain(|host| {
        is_connected(look, host)
            && !switch.summary().host_member().contains(host)
            && datacenter_of(look, host) == datacenter
    });
    Ok(hosts)
}

fn datacenter_of(look: &Manager<'_>, moref: &Moref) -> Option<Moref> {
    look.snapshot().ancestor::<vimsim_types::views::Datacenter>(moref)
}

/// The switches and portgroups that a virtual machine on the host, or of the switch, can be connected to.
fn query_config_target(look: &Manager<'_>, request: QueryDvsConfigTarget) -> Result<DVSManagerDvsConfigTarget, Fault> {
    let is_meant = |moref: &Moref, switch: &DistributedVirtualSwitch| {
        request.dvs().is_none_or(|dvs| dvs == *moref)
            && request.host().is_none_or(|host| switch.summary().host_member().contains(&host))
    };
    let mut target = DVSManagerDvsConfigTarget::new();
    for (moref, switch) in switches(look).into_iter().filter(|(moref, switch)| is_meant(moref, switch)) {
        target.push_distributed_virtual_switch(DistributedVirtualSwitchInfo::with(|info| {
            info.set_switch_name(switch.name()).set_switch_uuid(switch.uuid());
            info.set_distributed_virtual_switch(moref.clone()).set_network_reservation_supported(true);
        }));
        for portgroup in switch.portgroup() {
            let Some(properties) = look.snapshot().view::<DistributedVirtualPortgroup>(&portgroup) else { continue };
            target.push_distributed_virtual_portgroup(portgroup_info(switch, &portgroup, properties));
        }
    }
    Ok(target)
}

/// A portgroup as something to connect to.
pub(crate) fn portgroup_info(
    switch: &DistributedVirtualSwitch,
    moref: &Moref,
    portgroup: &DistributedVirtualPortgroup,
) -> DistributedVirtualPortgroupInfo {
    let config = portgroup.config();
    DistributedVirtualPortgroupInfo::with(|info| {
        info.set_switch_name(switch.name()).set_switch_uuid(switch.uuid());
        info.set_portgroup_name(portgroup.name()).set_portgroup_key(portgroup.key());
        info.set_portgroup_type(config.type_()).set_uplink_portgroup(config.uplink().unwrap_or(false));
        info.set_portgroup(moref.clone()).set_network_reservation_supported(true);
        info.set_backing_type(config.backing_type()).set_logical_switch_uuid(config.logical_switch_uuid());
        info.set_segment_id(config.segment_id());
    })
}

/// Whether each host of a container that the filters let through can be a member of a switch: all can.
///
/// - `ManagedObjectNotFound` if there is no such container; `InvalidArgument` for a version that there is not.
fn check_compatibility(
    look: &Manager<'_>,
    request: QueryDvsCheckCompatibility,
) -> Result<Vec<DistributedVirtualSwitchManagerCompatibilityResult>, Fault> {
    if let Some(spec) = request.dvs_product_spec() {
        version(spec.new_switch_product_spec())?;
    }
    let container: &DistributedVirtualSwitchManagerHostContainer = request.host_container();
    let mut found = hosts(look, &container.container(), container.recursive())?;
    for filter in request.host_filter_spec() {
        let wanted = filtered(look, filter)?;
        found.retain(|host| wanted.contains(host) == filter.inclusive());
    }
    let result =
        |host: Moref| DistributedVirtualSwitchManagerCompatibilityResult::with(|result| _ = result.set_host(host));
    Ok(found.into_iter().map(result).collect())
}

/// The hosts that a filter names.
fn filtered(
    look: &Manager<'_>,
    filter: &DistributedVirtualSwitchManagerHostDvsFilterSpec,
) -> Result<Vec<Moref>, Fault> {
    if let Some(filter) = filter.downcast::<DistributedVirtualSwitchManagerHostArrayFilter>() {
        Ok(filter.host().iter().collect())
    } else if let Some(filter) = filter.downcast::<DistributedVirtualSwitchManagerHostContainerFilter>() {
        hosts(look, &filter.host_container().container(), filter.host_container().recursive())
    } else if let Some(filter) = filter.downcast::<DistributedVirtualSwitchManagerHostDvsMembershipFilter>() {
        let switch = look.get::<DistributedVirtualSwitch>(&filter.distributed_virtual_switch())?;
        Ok(switch.summary().host_member().iter().collect())
    } else {
        Err(Fault::invalid_argument("hostFilterSpec", "is of no known type"))
    }
}

/// Brings hosts' switches back to what the vCenter says. They never differ.
///
/// - `ManagedObjectNotFound` if there is no such host.
fn rectify_host(
    call: &mut Call<'_, DistributedVirtualSwitchManager>,
    request: RectifyDvsOnHostTask,
) -> Result<Moref, Fault> {
    for host in request.hosts() {
        call.get::<HostSystem>(&host)?;
    }
    call.start_task(|_| Ok(()))
}
