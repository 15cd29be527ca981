//! What clients do with a distributed switch beyond making one: its type, link aggregation, single ports, resources.

use vimsim::Client;
use vimsim::types::enums::SharesLevel;
use vimsim::types::method::{
    CreateContainerView, CreateDVPortgroupTask, CreateDVSTask, DvsReconfigureVmVnicNetworkResourcePoolTask,
    FetchDVPorts, MoveDVPortTask, QueryAvailableDvsSpec, QueryDvsByUuid, ReconfigureDVPortTask,
    ReconfigureDVPortgroupTask, ReconfigureDvsTask, UpdateDVSLacpGroupConfigTask,
};
use vimsim::types::views::{
    ConcurrentAccess, DVPortConfigSpec, DVPortgroupConfigSpec, DistributedVirtualPort,
    DistributedVirtualSwitchHostMemberConfigSpec, DistributedVirtualSwitchHostMemberPnicBacking,
    DistributedVirtualSwitchHostMemberPnicSpec, DistributedVirtualSwitchManager, DvsFault,
    DvsHostInfrastructureTrafficResource, DvsOperationBulkFault, DvsVmVnicResourcePoolConfigSpec, InvalidArgument,
    InvalidName, NotFound, ResourceInUse, SharesInfo, VMwareDVSConfigSpec, VMwareDVSPortSetting,
    VMwareDVSPortgroupPolicy, VMwareDvsLacpGroupConfig, VMwareDvsLacpGroupSpec, ViewManager,
    VmwareDistributedVirtualSwitchVlanIdSpec,
};
use vimsim::types::{Moref, Value, View};

use crate::inventory::found;
use crate::{check_fault, start};

/// A switch as Terraform asks for one.
async fn new_switch(client: &Client, name: &str) -> Moref {
    let request = CreateDVSTask::with(|request| {
        request.spec_mut().set_config_spec(VMwareDVSConfigSpec::with(|spec| _ = spec.set_name(name)));
    });
    client.run(&found(client, "DC0/network").await, request).await.unwrap().moref().expect("the switch")
}

async fn new_portgroup(client: &Client, switch: &Moref, name: &str, policy: VMwareDVSPortgroupPolicy) -> Moref {
    let request = CreateDVPortgroupTask::with(|request| {
        request.set_spec(DVPortgroupConfigSpec::with(|spec| {
            spec.set_name(name).set_type("earlyBinding").set_num_ports(4).set_policy(policy);
        }));
    });
    client.run(switch, request).await.unwrap().moref().expect("the portgroup")
}

fn reconfigure(change: impl FnOnce(&mut VMwareDVSConfigSpec)) -> ReconfigureDvsTask {
    ReconfigureDvsTask::with(|request| _ = request.set_spec(VMwareDVSConfigSpec::with(change)))
}

fn add_host(host: &Moref, adapter: &str) -> ReconfigureDvsTask {
    reconfigure(|spec| {
        spec.push_host(DistributedVirtualSwitchHostMemberConfigSpec::with(|member| {
            member.set_operation("add").set_host(host.clone());
            member.set_backing(DistributedVirtualSwitchHostMemberPnicBacking::with(|backing| {
                backing.push_pnic_spec(DistributedVirtualSwitchHostMemberPnicSpec::with(|pnic| {
                    pnic.set_pnic_device(adapter);
                }));
            }));
        }));
    })
}

fn group(operation: &str, change: impl FnOnce(&mut VMwareDvsLacpGroupConfig)) -> UpdateDVSLacpGroupConfigTask {
    UpdateDVSLacpGroupConfigTask::with(|request| {
        request.push_lacp_group_spec(VMwareDvsLacpGroupSpec::with(|spec| {
            spec.set_operation(operation).set_lacp_group_config(VMwareDvsLacpGroupConfig::with(change));
        }));
    })
}

async fn texts(client: &Client, moref: &Moref, path: &str) -> Vec<String> {
    let value = client.property(moref, path).await.unwrap();
    value.items().iter().filter_map(|value| value.text().map(str::to_owned)).collect()
}

#[tokio::test]
async fn clients_make_switches_of_vmwares_type() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    assert_eq!(switch.kind().name(), "VmwareDistributedVirtualSwitch");
    // The base type in the spec is no request for a switch of another vendor.
    let plain = CreateDVSTask::with(|request| _ = request.spec_mut().config_spec_mut().set_name("b"));
    let plain = client.run(&found(&client, "DC0/network").await, plain).await.unwrap().moref().unwrap();
    assert_eq!(plain.kind(), switch.kind());
    let config = client.property(&switch, "config").await.unwrap();
    assert_eq!(config.object().unwrap().kind().name(), "VMwareDVSConfigInfo");
    let model = found(&client, "DC0/network/DVS0").await;
    assert_eq!(model.kind().name(), "DistributedVirtualSwitch");
    let seen = async |kind: &str| {
        let request = CreateContainerView::with(|request| {
            request.set_container(crate::root_folder()).push_type(kind).set_recursive(true);
        });
        let view = crate::create(&client, &Moref::of::<ViewManager>("ViewManager"), request).await;
        let seen = client.property(&view, "view").await.unwrap();
        seen.items().iter().filter_map(Value::moref).collect::<Vec<_>>()
    };
    assert_eq!(seen("VmwareDistributedVirtualSwitch").await, [switch.clone(), plain.clone()]);
    assert_eq!(seen("DistributedVirtualSwitch").await, [model, switch.clone(), plain]);
    let uuid = client.property(&switch, "uuid").await.unwrap();
    let by_uuid = QueryDvsByUuid::with(|request| _ = request.set_uuid(uuid.text().unwrap()));
    let manager = Moref::of::<DistributedVirtualSwitchManager>("DVSManager");
    assert_eq!(client.call(&manager, by_uuid).await.unwrap().moref(), Some(switch));
}

#[tokio::test]
async fn a_link_aggregation_group_has_ports_on_every_member() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    client.run(&switch, add_host(&host, "vmnic1")).await.unwrap();
    client.run(&switch, group("add", |group| _ = group.set_name("lag1").set_uplink_num(3))).await.unwrap();
    let config = client.property(&switch, "config").await.unwrap();
    let config = config.object().unwrap();
    let lag = config.field("lacpGroupConfig").items()[0].object().unwrap().clone();
    assert_eq!(lag.field("mode").text(), Some("passive"));
    assert_eq!(lag.field("uplinkName").items().len(), 3);
    assert_eq!(lag.field("uplinkPortKey").items().len(), 3);
    let key = lag.field("key").text().unwrap().to_owned();
    // Four uplinks and three of the group.
    let uplinks = client.property(&switch, "config.uplinkPortgroup").await.unwrap().items()[0].moref().unwrap();
    assert_eq!(texts(&client, &uplinks, "portKeys").await.len(), 7);
    let proxy = async || {
        let shown = client.property(&host, "config.network.proxySwitch").await.unwrap();
        let shown = shown.items().iter().filter_map(|proxy| proxy.object().cloned());
        shown.into_iter().find(|proxy| proxy.field("dvsName").text() == Some("a")).unwrap()
    };
    let shown = proxy().await;
    assert_eq!(shown.field("uplinkPort").items().len(), 4);
    let lags = shown.field("hostLag").items();
    assert_eq!(lags[0].object().unwrap().field("lagName").text(), Some("lag1"));
    assert_eq!(lags[0].object().unwrap().field("uplinkPort").items().len(), 3);
    // A host that joins later has them, too, and one that leaves has them no more.
    let second = found(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    client.run(&switch, add_host(&second, "vmnic1")).await.unwrap();
    assert_eq!(texts(&client, &switch, "config.lacpGroupConfig[\"1\"].uplinkPortKey").await.len(), 6);
    let change = |change: fn(&mut VMwareDvsLacpGroupConfig)| {
        let key = key.clone();
        group("edit", move |group| {
            group.set_key(key);
            change(group);
        })
    };
    client.run(&switch, change(|group| _ = group.set_uplink_num(2).set_mode("active").set_name("lag2"))).await.unwrap();
    assert_eq!(
        texts(&client, &switch, "config.lacpGroupConfig[\"1\"].uplinkName").await,
        ["lag2-0".to_owned(), "lag2-1".to_owned()]
    );
    assert_eq!(texts(&client, &uplinks, "portKeys").await.len(), 12);
    check_fault::<DvsFault>(client.run(&switch, group("add", |group| _ = group.set_name("lag2"))).await);
    check_fault::<InvalidArgument>(client.run(&switch, group("add", |_| ())).await);
    check_fault::<InvalidArgument>(client.run(&switch, change(|group| _ = group.set_mode("none"))).await);
    check_fault::<InvalidArgument>(client.run(&switch, change(|group| _ = group.set_uplink_num(0))).await);
    check_fault::<InvalidArgument>(client.run(&switch, group("remove", |group| _ = group.set_key("9"))).await);
    client.run(&switch, group("remove", |group| _ = group.set_key(&key))).await.unwrap();
    assert!(client.property(&switch, "config.lacpGroupConfig").await.unwrap().items().is_empty());
    assert_eq!(texts(&client, &uplinks, "portKeys").await.len(), 8);
    assert!(proxy().await.field("hostLag").items().is_empty());
}

#[tokio::test]
async fn a_group_that_a_portgroup_sends_through_stays() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    client.run(&switch, group("add", |group| _ = group.set_name("lag1"))).await.unwrap();
    let portgroup = new_portgroup(&client, &switch, "p", View::new()).await;
    let through = |uplink: &str| {
        ReconfigureDVPortgroupTask::with(|request| {
            request.spec_mut().set_default_port_config(VMwareDVSPortSetting::with(|setting| {
                let order = setting.uplink_teaming_policy_mut().uplink_port_order_mut();
                order.set_active_uplink_port([uplink]).set_inherited(false);
                setting.uplink_teaming_policy_mut().set_inherited(false);
            }));
        })
    };
    client.run(&portgroup, through("lag1")).await.unwrap();
    let remove = || group("remove", |group| _ = group.set_key("1"));
    check_fault::<DvsFault>(client.run(&switch, remove()).await);
    let rename = group("edit", |group| _ = group.set_key("1").set_name("lag2"));
    client.run(&switch, rename).await.unwrap();
    let path = "config.defaultPortConfig.uplinkTeamingPolicy.uplinkPortOrder.activeUplinkPort";
    assert_eq!(texts(&client, &portgroup, path).await, ["lag2"]);
    client.run(&portgroup, through("Uplink 1")).await.unwrap();
    client.run(&switch, remove()).await.unwrap();
    // A switch of the older LACP has no groups.
    client.run(&switch, reconfigure(|spec| _ = spec.set_lacp_api_version("singleLag"))).await.unwrap();
    check_fault::<DvsFault>(client.run(&switch, group("add", |group| _ = group.set_name("lag1"))).await);
}

#[tokio::test]
async fn a_physical_adapter_is_on_one_distributed_switch() {
    let (_simulator, client) = start().await;
    let (first, second) = (new_switch(&client, "a").await, new_switch(&client, "b").await);
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    client.run(&first, add_host(&host, "vmnic1")).await.unwrap();
    check_fault::<DvsOperationBulkFault>(client.run(&second, add_host(&host, "vmnic1")).await);
    check_fault::<NotFound>(client.run(&second, add_host(&host, "vmnic9")).await);
    assert!(client.property(&second, "config.host").await.unwrap().items().is_empty());
}

#[tokio::test]
async fn a_port_is_configured_over_its_portgroup() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let open = VMwareDVSPortgroupPolicy::with(|policy| {
        policy.set_block_override_allowed(true).set_shaping_override_allowed(false);
        policy.set_vendor_config_override_allowed(false).set_live_port_moving_allowed(false);
        policy.set_port_config_reset_at_disconnect(false);
        policy
            .set_vlan_override_allowed(true)
            .set_uplink_teaming_override_allowed(false)
            .set_security_policy_override_allowed(false);
    });
    let open = new_portgroup(&client, &switch, "open", open).await;
    let closed = new_portgroup(&client, &switch, "closed", View::new()).await;
    let vlan = |key: &str, version: Option<&'static str>| {
        ReconfigureDVPortTask::with(|request| {
            request.push_port(DVPortConfigSpec::with(|spec| {
                spec.set_operation("edit").set_key(key).set_name("mine").set_config_version(version);
                spec.set_setting(VMwareDVSPortSetting::with(|setting| {
                    setting.set_vlan(VmwareDistributedVirtualSwitchVlanIdSpec::with(|vlan| {
                        vlan.set_vlan_id(7);
                        vlan.set_inherited(false);
                    }));
                }));
            }));
        })
    };
    let (mine, other) = (texts(&client, &open, "portKeys").await, texts(&client, &closed, "portKeys").await);
    client.run(&switch, vlan(&mine[0], None)).await.unwrap();
    let port = async |key: &str| {
        let request = FetchDVPorts::with(|request| _ = request.criteria_mut().set_port_key([key]));
        let ports = client.call(&switch, request).await.unwrap();
        DistributedVirtualPort::from_ref(ports.items()[0].object().unwrap()).unwrap().clone()
    };
    let configured = port(&mine[0]).await;
    assert_eq!(configured.config().name().map(|name| name.as_str()), Some("mine"));
    assert_eq!(configured.config().config_version(), "1");
    let ranges = configured.state().unwrap().runtime_info().unwrap().vlan_ids();
    assert_eq!(ranges.iter().map(|range| (range.start(), range.end())).collect::<Vec<_>>(), [(7, 7)]);
    assert_eq!(port(&mine[1]).await.config().config_version(), "0");
    client.run(&switch, vlan(&mine[0], Some("1"))).await.unwrap();
    check_fault::<ConcurrentAccess>(client.run(&switch, vlan(&mine[0], Some("1"))).await);
    check_fault::<InvalidArgument>(client.run(&switch, vlan(&other[0], None)).await);
    check_fault::<NotFound>(client.run(&switch, vlan("999", None)).await);
    // A port that nothing is connected to can be moved.
    let to = |key: &str, portgroup: &Moref| {
        MoveDVPortTask::with(|request| {
            request.set_port_key([key]).set_destination_portgroup_key(portgroup.value());
        })
    };
    client.run(&switch, to(&mine[1], &closed)).await.unwrap();
    assert!(texts(&client, &closed, "portKeys").await.contains(&mine[1]));
    assert_eq!(client.property(&open, "config.numPorts").await.unwrap(), Value::Int(3));
    assert_eq!(client.property(&closed, "config.numPorts").await.unwrap(), Value::Int(5));
    check_fault::<NotFound>(client.run(&switch, to("999", &closed)).await);
}

#[tokio::test]
async fn traffic_that_a_spec_does_not_name_keeps_its_resources() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let before = client.property(&switch, "config.infrastructureTrafficResourceConfig").await.unwrap();
    let traffic = |key: &str| {
        reconfigure(|spec| {
            spec.push_infrastructure_traffic_resource_config(DvsHostInfrastructureTrafficResource::with(|resource| {
                resource.set_key(key).allocation_info_mut().set_limit(1000).set_shares(SharesInfo::with(|shares| {
                    shares.set_level(SharesLevel::Low).set_shares(25);
                }));
            }));
        })
    };
    client.run(&switch, traffic("vmotion")).await.unwrap();
    let after = client.property(&switch, "config.infrastructureTrafficResourceConfig").await.unwrap();
    assert_eq!(after.items().len(), before.items().len());
    let vmotion = after.items().iter().filter_map(Value::object).find(|it| it.field("key").text() == Some("vmotion"));
    let allocation = vmotion.unwrap().field("allocationInfo").object().unwrap().clone();
    assert_eq!(allocation.field("limit"), &Value::Long(1000));
    assert_eq!(allocation.field("reservation"), &Value::Long(0));
    check_fault::<InvalidArgument>(client.run(&switch, traffic("none")).await);
    check_fault::<InvalidArgument>(client.run(&switch, reconfigure(|spec| _ = spec.set_lacp_api_version("x"))).await);
    let timeout = reconfigure(|spec| {
        let ipfix = spec.ipfix_config_mut();
        ipfix.set_active_flow_timeout(59).set_idle_flow_timeout(15).set_sampling_rate(0).set_internal_flows_only(false);
    });
    check_fault::<InvalidArgument>(client.run(&switch, timeout).await);
}

#[tokio::test]
async fn a_portgroup_draws_from_a_network_resource_pool() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let pool = |operation: &str, key: Option<&str>, name: &str, version: Option<&str>| {
        DvsReconfigureVmVnicNetworkResourcePoolTask::with(|request| {
            request.push_config_spec(DvsVmVnicResourcePoolConfigSpec::with(|spec| {
                spec.set_operation(operation).set_key(key).set_name(name).set_config_version(version);
                spec.allocation_info_mut().set_reservation_quota(100);
            }));
        })
    };
    client.run(&switch, pool("add", None, "gold", None)).await.unwrap();
    check_fault::<InvalidName>(client.run(&switch, pool("add", None, "gold", None)).await);
    let pools = client.property(&switch, "config.vmVnicNetworkResourcePool").await.unwrap();
    let key = pools.items()[0].object().unwrap().field("key").text().unwrap().to_owned();
    client.run(&switch, pool("edit", Some(&key), "silver", Some("0"))).await.unwrap();
    check_fault::<ConcurrentAccess>(client.run(&switch, pool("edit", Some(&key), "bronze", Some("0"))).await);
    check_fault::<NotFound>(client.run(&switch, pool("remove", Some("none"), "", None)).await);
    let portgroup = new_portgroup(&client, &switch, "p", View::new()).await;
    let draw = |key: &str| {
        ReconfigureDVPortgroupTask::with(|request| _ = request.spec_mut().set_vm_vnic_network_resource_pool_key(key))
    };
    client.run(&portgroup, draw(&key)).await.unwrap();
    check_fault::<ResourceInUse>(client.run(&switch, pool("remove", Some(&key), "", None)).await);
    client.run(&portgroup, draw("-1")).await.unwrap();
    client.run(&switch, pool("remove", Some(&key), "", None)).await.unwrap();
    assert!(client.property(&switch, "config.vmVnicNetworkResourcePool").await.unwrap().items().is_empty());
}

#[tokio::test]
async fn all_versions_but_the_oldest_are_recommended() {
    let (_simulator, client) = start().await;
    let manager = Moref::of::<DistributedVirtualSwitchManager>("DVSManager");
    let versions = async |recommended: Option<bool>| {
        let request = QueryAvailableDvsSpec::with(|request| _ = request.set_recommended(recommended));
        let found = client.call(&manager, request).await.unwrap();
        let versions =
            found.items().iter().map(|spec| spec.object().unwrap().field("version").text().unwrap().to_string());
        versions.collect::<Vec<_>>()
    };
    let (all, recommended, others) = (versions(None).await, versions(Some(true)).await, versions(Some(false)).await);
    assert!(recommended.contains(&"8.0.0".into()) && recommended.contains(&"7.0.3".into()), "{recommended:?}");
    assert_eq!([recommended, others].concat(), all);
}

#[tokio::test]
async fn the_ports_of_uplinks_have_their_names() {
    let (_simulator, client) = start().await;
    let switch = found(&client, "DC0/network/DVS0").await;
    let request = FetchDVPorts::with(|request| _ = request.criteria_mut().set_uplink_port(true));
    let ports = client.call(&switch, request).await.unwrap();
    let ports = ports.items().iter().map(|port| DistributedVirtualPort::from_ref(port.object().unwrap()).unwrap());
    let taken: Vec<_> = ports.filter(|port| port.proxy_host().is_some()).collect();
    assert!(!taken.is_empty());
    for port in taken {
        assert!(port.config().name().is_some(), "{}", port.key());
    }
}
