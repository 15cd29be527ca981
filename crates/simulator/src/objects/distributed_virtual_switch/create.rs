//! Creating switches and portgroups.

use vimsim_types::method::{AddDVPortgroupTask, CreateDVPortgroupTask, CreateDVSTask};
use vimsim_types::views::{
    DVPortgroupConfigSpec, DVPortgroupCreatedEvent, DVSConfigSpec, DVSContactInfo, DVSCreateSpec,
    DVSNameArrayUplinkPortPolicy, DVSRuntimeInfo, DVSSummary, DistributedVirtualPortgroup, DistributedVirtualSwitch,
    DvsCreatedEvent, Folder, LinkDiscoveryProtocolConfig, Tag, VMwareDVSConfigInfo, VMwareDVSConfigSpec,
    VMwareDVSTeamingHealthCheckConfig, VMwareDVSVlanMtuHealthCheckConfig, VMwareIpfixConfig,
    VmwareDistributedVirtualSwitch,
};
use vimsim_types::{ArcStr, Fault, MethodView, Moref, Object, TypeId, View};

use super::{product, reconfigure, setting};
use crate::call::{Call, Context};
use crate::objects::{distributed_virtual_portgroup, folder, managed_entity};

/// Creates a distributed switch in a network folder, with its uplink portgroup.
///
/// - `NotSupported` if the folder takes no switches; `InvalidArgument` for a product version that there is not;
/// - `DuplicateName`, `InvalidName` and what `ReconfigureDvs_Task` raises, as faults of the task.
pub(crate) fn create_dvs(call: &mut Call<'_, Folder>, request: CreateDVSTask) -> Result<Moref, Fault> {
    folder::expect_child_type::<DistributedVirtualSwitch>(call.this()?)?;
    product::wanted(request.spec().product_info())?;
    reconfigure::check(request.spec().config_spec())?;
    call.start_task(move |call| create(call, request.spec()))
}

fn create(call: &mut Call<'_, Folder>, spec: &DVSCreateSpec) -> Result<Moref, Fault> {
    let parent = call.moref();
    let wanted = spec.config_spec();
    let name = managed_entity::check_name(call, &parent, wanted.name().map_or("", |name| name.as_str()))?;
    let moref = call.create_moref(concrete_type(call.context()));
    let switch = properties(call.context(), &parent, &name, spec)?;
    call.insert(moref.clone(), of_type(moref.kind(), switch));
    folder::add_child(call, &parent, &moref)?;
    let argument = call.folder_argument(&parent);
    call.post(&moref, DvsCreatedEvent::with(|event| _ = event.set_parent(argument)))?;
    create_uplinks(call, &moref, &name)?;
    reconfigure::apply(&mut call.on(&moref), &without_name(wanted))?;
    Ok(moref)
}

/// The type of a new switch: VMware's, the only one that a vCenter still makes, whichever spec describes it.
// Fidelity: the switch of the model is of the base type, as vcsim's is.
fn concrete_type(context: &Context) -> TypeId {
    if context.session.is_some() { VmwareDistributedVirtualSwitch::TYPE } else { DistributedVirtualSwitch::TYPE }
}

/// The properties as those of an object of this type, which is a switch's and adds none.
fn of_type(kind: TypeId, switch: DistributedVirtualSwitch) -> Object {
    let switch: Object = switch.into();
    if switch.kind() == kind {
        return switch;
    }
    let mut object = Object::new(kind);
    for (slot, value) in switch.slots().iter().enumerate() {
        object.set(slot, value.clone());
    }
    object
}

fn without_name(spec: &DVSConfigSpec) -> DVSConfigSpec {
    let mut spec = spec.clone();
    spec.set_name(None::<ArcStr>).set_config_version(None::<ArcStr>);
    spec
}

/// A new switch, with the defaults of the API reference where it gives them and of vCenter otherwise.
fn properties(
    context: &Context,
    parent: &Moref,
    name: &ArcStr,
    spec: &DVSCreateSpec,
) -> Result<DistributedVirtualSwitch, Fault> {
    let product = product::wanted(spec.product_info())?;
    let version = product.version().cloned().unwrap_or_default();
    let uuid = crate::uuid::named(name);
    Ok(DistributedVirtualSwitch::with(|switch| {
        managed_entity::initialize(switch, name, parent);
        switch.set_uuid(&uuid);
        switch.set_capability(spec.capability().cloned().unwrap_or_else(|| product::capability(&version)));
        switch.set_summary(DVSSummary::with(|summary| {
            summary.set_name(name).set_uuid(&uuid).set_num_ports(0).set_num_hosts(0);
            summary.set_product_info(product.clone());
            summary.set_host_member(std::iter::empty::<Moref>());
            summary.set_portgroup_name(std::iter::empty::<ArcStr>());
            summary.set_contact(DVSContactInfo::new());
        }));
        switch.set_portgroup(std::iter::empty::<Moref>());
        switch.set_runtime(DVSRuntimeInfo::new());
        let mut config = configuration(name, &uuid);
        config.set_product_info(product);
        config.set_create_time(context.now);
        switch.set_config(config);
    }))
}

fn configuration(name: &ArcStr, uuid: &str) -> VMwareDVSConfigInfo {
    let uplinks = ["Uplink 1", "Uplink 2", "Uplink 3", "Uplink 4"];
    VMwareDVSConfigInfo::with(|config| {
        config.set_uuid(uuid).set_name(name);
        config.set_num_standalone_ports(0).set_num_ports(0).set_max_ports(i32::MAX);
        config.set_uplink_port_policy(DVSNameArrayUplinkPortPolicy::with(|policy| {
            policy.set_uplink_port_name(uplinks);
        }));
        config.set_default_port_config(setting::default(uplinks));
        config.policy_mut().set_auto_pre_install_allowed(false).set_auto_upgrade_allowed(false);
        config.policy_mut().set_partial_upgrade_allowed(false);
        config.set_config_version("1");
        config.set_contact(DVSContactInfo::new());
        config.set_network_resource_management_enabled(false);
        config.set_network_resource_control_version("version3");
        config.set_infrastructure_traffic_resource_config(product::traffic_resources());
        config.set_pnic_capacity_ratio_for_reservation(75);
        config.set_default_proxy_switch_max_num_ports(512);
        config.push_health_check_config(VMwareDVSVlanMtuHealthCheckConfig::with(|check| {
            check.set_enable(false).set_interval(0);
        }));
        config.push_health_check_config(VMwareDVSTeamingHealthCheckConfig::with(|check| {
            check.set_enable(false).set_interval(0);
        }));
        config.set_max_mtu(1500);
        config.set_link_discovery_protocol_config(LinkDiscoveryProtocolConfig::with(|discovery| {
            discovery.set_protocol("cdp").set_operation("listen");
        }));
        config.set_ipfix_config(VMwareIpfixConfig::with(|ipfix| {
            ipfix.set_collector_port(0).set_observation_domain_id(0).set_active_flow_timeout(60);
            ipfix.set_idle_flow_timeout(15).set_sampling_rate(4096).set_internal_flows_only(false);
        }));
        config.set_lacp_api_version("multipleLag");
        config.set_multicast_filtering_mode("legacyFiltering");
    })
}

/// Creates the portgroup that the hosts' physical adapters are connected to.
fn create_uplinks(call: &mut Call<'_, Folder>, switch: &Moref, name: &str) -> Result<(), Fault> {
    let number = switch.value().rsplit('-').next().unwrap_or_default();
    let suffix = format!("-DVUplinks-{number}");
    // The name must stay within what a name may have.
    let short: String = name.chars().take(80 - suffix.len()).collect();
    let spec = DVPortgroupConfigSpec::with(|spec| {
        spec.set_name(format!("{short}{suffix}")).set_type("earlyBinding").set_num_ports(0).set_auto_expand(false);
        spec.set_default_port_config(setting::trunk());
    });
    // A task of its own, as in vcsim: identifiers of what comes after depend on it.
    let context = call.context();
    let mut nested = Context::internal(context.service.clone(), true);
    nested.session.clone_from(&context.session);
    nested.now = context.now;
    nested.method = Some(AddDVPortgroupTask::method());
    let request = AddDVPortgroupTask::with(|request| _ = request.push_spec(spec));
    context.service.invoke(call, &nested, switch, request)?;
    let uplinks = call.get::<DistributedVirtualSwitch>(switch)?.portgroup().first();
    let uplinks = uplinks.ok_or_else(|| Fault::invalid_request("the switch has no uplink portgroup"))?;
    let portgroup = call.edit::<DistributedVirtualPortgroup>(&uplinks)?;
    portgroup.config_mut().set_uplink(true);
    portgroup.set_tag([Tag::with(|tag| _ = tag.set_key("SYSTEM/DVS.UPLINKPG"))]);
    call.edit::<DistributedVirtualSwitch>(switch)?.config_mut().set_uplink_portgroup([uplinks]);
    Ok(())
}

/// Adds portgroups to the switch, all or none.
///
/// - `InvalidArgument` for a type, number of ports or VLAN that cannot be;
/// - `DuplicateName`, `InvalidName`, as faults of the task.
pub(super) fn add_dv_portgroup(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    request: AddDVPortgroupTask,
) -> Result<Moref, Fault> {
    for spec in request.spec() {
        distributed_virtual_portgroup::check(call.this()?, spec)?;
    }
    call.start_task(move |call| add_portgroups(call, request.spec().iter()).map(|_| ()))
}

/// Adds one portgroup to the switch, and answers it.
///
/// - As `AddDVPortgroup_Task`.
pub(super) fn create_dv_portgroup(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    request: CreateDVPortgroupTask,
) -> Result<Moref, Fault> {
    distributed_virtual_portgroup::check(call.this()?, request.spec())?;
    call.start_task(move |call| Ok(add_portgroups(call, [request.spec()])?.into_iter().next()))
}

/// Adds portgroups to the switch.
pub(crate) fn add_portgroups<'a>(
    call: &mut Call<'_, DistributedVirtualSwitch>,
    specs: impl IntoIterator<Item = &'a DVPortgroupConfigSpec>,
) -> Result<Vec<Moref>, Fault> {
    let mut added = Vec::new();
    for spec in specs {
        let portgroup = distributed_virtual_portgroup::create(call, spec)?;
        distributed_virtual_portgroup::post(call, &portgroup, DVPortgroupCreatedEvent::new())?;
        added.push(portgroup);
    }
    Ok(added)
}

/// The spec as one of a VMware switch, which every one is that we make; fields that it does not have stay unset.
pub(super) fn vmware(spec: &DVSConfigSpec) -> VMwareDVSConfigSpec {
    spec.downcast::<VMwareDVSConfigSpec>().cloned().unwrap_or_else(|| {
        let mut wide = Object::new(VMwareDVSConfigSpec::TYPE);
        for (slot, value) in spec.as_object().slots().iter().enumerate() {
            wide.set(slot, value.clone());
        }
        VMwareDVSConfigSpec::from_object(wide).unwrap_or_else(View::new)
    })
}
