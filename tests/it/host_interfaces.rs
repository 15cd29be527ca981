//! VMkernel interfaces of hosts.

use vimsim::types::method::{
    AddPortGroup, AddVirtualNic, CreateDVPortgroupTask, DeselectVnic, DeselectVnicForNicType, DestroyTask,
    FetchDVPorts, FindByIp, ReconfigureDvsTask, RemovePortGroup, RemoveVirtualNic, SelectVnic, SelectVnicForNicType,
    UpdateIpRouteTableConfig, UpdateNetworkConfig, UpdatePhysicalNicLinkSpeed, UpdateVirtualNic,
};
use vimsim::types::views::{
    AlreadyExists, DVPortgroupConfigSpec, DistributedVirtualPort, DistributedVirtualSwitchHostMemberConfigSpec,
    DistributedVirtualSwitchHostMemberPnicBacking, DistributedVirtualSwitchHostMemberPnicSpec, HostConfigFault,
    HostConfigInfo, HostIpRouteEntry, HostIpRouteOp, HostNetworkConfig, HostPortGroupConfig, HostPortGroupSpec,
    HostProxySwitchConfig, HostVirtualNicConfig, HostVirtualNicSpec, HostVirtualSwitchBondBridge,
    HostVirtualSwitchConfig, HostVirtualSwitchSpec, InvalidArgument, InvalidState, NotFound, PhysicalNicLinkInfo,
    ResourceInUse, SearchIndex, VMwareDVSConfigSpec,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Error};

use crate::inventory::found;
use crate::{check_fault, start};

/// A host, its network system and its manager of interfaces.
struct Host<'a> {
    client: &'a Client,
    moref: Moref,
    network: Moref,
    nics: Moref,
}

impl<'a> Host<'a> {
    async fn find(client: &'a Client) -> Self {
        let moref = found(client, "DC0/host/DC0_H0/DC0_H0").await;
        let manager = async |path: &str| client.property(&moref, path).await.unwrap().moref().unwrap();
        let (network, nics) =
            (manager("configManager.networkSystem").await, manager("configManager.virtualNicManager").await);
        Self { client, moref, network, nics }
    }

    async fn config(&self) -> HostConfigInfo {
        let config = self.client.property(&self.moref, "config").await.unwrap();
        HostConfigInfo::from_ref(config.object().unwrap()).unwrap().clone()
    }

    async fn add(&self, portgroup: &str, nic: HostVirtualNicSpec) -> Result<Value, Error> {
        let request = AddVirtualNic::with(|request| _ = request.set_portgroup(portgroup).set_nic(nic));
        self.client.call(&self.network, request).await
    }

    async fn update(&self, device: &str, nic: HostVirtualNicSpec) -> Result<Value, Error> {
        let request = UpdateVirtualNic::with(|request| _ = request.set_device(device).set_nic(nic));
        self.client.call(&self.network, request).await
    }

    async fn remove(&self, device: &str) -> Result<Value, Error> {
        self.client.call(&self.network, RemoveVirtualNic::with(|request| _ = request.set_device(device))).await
    }

    async fn add_port_group(&self, name: &str) {
        let request = AddPortGroup::with(|request| {
            request.set_portgrp(HostPortGroupSpec::with(|spec| {
                spec.set_name(name).set_vlan_id(0).set_vswitch_name("vSwitch0").policy_mut();
            }));
        });
        self.client.call(&self.network, request).await.unwrap();
    }

    /// The interfaces that can be, and that are, selected for a use.
    async fn uses(&self, nic_type: &str) -> (Vec<String>, Vec<String>) {
        let config = self.config().await;
        let uses = config.virtual_nic_manager_info().unwrap().net_config();
        let found = uses.iter().find(|uses| uses.nic_type() == nic_type).unwrap();
        let candidates = found.candidate_vnic().iter().map(|nic| nic.device().to_string()).collect();
        (candidates, found.selected_vnic().iter().map(ToString::to_string).collect())
    }
}

fn fixed(address: &str, mask: &str) -> HostVirtualNicSpec {
    HostVirtualNicSpec::with(|spec| {
        spec.ip_mut().set_dhcp(false).set_ip_address(address).set_subnet_mask(mask);
    })
}

fn on_stack(stack: &str) -> HostVirtualNicSpec {
    HostVirtualNicSpec::with(|spec| {
        spec.set_net_stack_instance_key(stack).ip_mut().set_dhcp(true);
    })
}

fn on_port(uuid: &str, portgroup: &str, port: Option<&str>) -> HostVirtualNicSpec {
    HostVirtualNicSpec::with(|spec| {
        spec.ip_mut().set_dhcp(true);
        spec.distributed_virtual_port_mut().set_switch_uuid(uuid).set_portgroup_key(portgroup).set_port_key(port);
    })
}

#[tokio::test]
async fn an_interface_is_added_to_a_standard_portgroup_and_removed() {
    let (_simulator, client) = start().await;
    let host = Host::find(&client).await;
    host.add_port_group("storage").await;
    let network = found(&client, "DC0/network/storage").await;
    let added = host.add("storage", fixed("10.1.2.3", "255.255.255.0")).await.unwrap();
    assert_eq!(added.text(), Some("vmk1"));
    let config = host.config().await;
    let shown = config.network().unwrap();
    let nic = shown.vnic().iter().find(|nic| nic.device() == "vmk1").unwrap();
    assert_eq!((nic.key().as_str(), nic.portgroup().as_str()), ("key-vim.host.VirtualNic-vmk1", "storage"));
    assert_eq!((nic.spec().mtu(), nic.spec().mac().unwrap().starts_with("00:50:56:6")), (Some(1500), true));
    assert_eq!(nic.spec().net_stack_instance_key().map(|stack| stack.as_str()), Some("defaultTcpipStack"));
    let group = shown.portgroup().iter().find(|group| group.spec().name() == "storage").unwrap();
    assert_eq!(group.port().iter().map(|port| port.key().cloned()).collect::<Vec<_>>(), [nic.port().cloned()]);
    let routes = shown.route_table_info().unwrap().ip_route();
    let own = routes.iter().find(|route| route.device_name().is_some_and(|device| device == "vmk1")).unwrap();
    assert_eq!((own.network().as_str(), own.prefix_length()), ("10.1.2.0", 24));
    // The network system says the same, and what would make it; the host is found by the address.
    let specs = client.property(&host.network, "networkConfig.vnic").await.unwrap();
    assert_eq!(specs.items().len(), 2);
    let by_ip = FindByIp::with(|request| _ = request.set_ip("10.1.2.3").set_vm_search(false));
    let index = Moref::of::<SearchIndex>("SearchIndex");
    assert_eq!(client.call(&index, by_ip).await.unwrap().moref(), Some(host.moref.clone()));
    // A portgroup of interfaces is no network of virtual machines.
    assert!(client.property(&network, "name").await.is_err());
    let remove = || RemovePortGroup::with(|request| _ = request.set_pg_name("storage"));
    check_fault::<ResourceInUse>(client.call(&host.network, remove()).await);
    host.remove("vmk1").await.unwrap();
    let config = host.config().await;
    let shown = config.network().unwrap();
    assert_eq!(shown.vnic().iter().map(|nic| nic.device().as_str()).collect::<Vec<_>>(), ["vmk0"]);
    assert!(shown.portgroup().iter().find(|group| group.spec().name() == "storage").unwrap().port().is_empty());
    assert_eq!(shown.route_table_info().unwrap().ip_route().len(), 2);
    found(&client, "DC0/network/storage").await;
    client.call(&host.network, remove()).await.unwrap();
    check_fault::<NotFound>(host.remove("vmk1").await);
}

#[tokio::test]
async fn what_an_interface_cannot_have_is_refused() {
    let (_simulator, client) = start().await;
    let host = Host::find(&client).await;
    host.add_port_group("a").await;
    for (address, mask) in [("", ""), ("10.0.0.300", "255.0.0.0"), ("10.0.0.1", "255.0.255.0"), ("10.0.0.1", "")] {
        check_fault::<InvalidArgument>(host.add("a", fixed(address, mask)).await);
    }
    check_fault::<NotFound>(host.add("none", fixed("10.0.0.1", "255.0.0.0")).await);
    check_fault::<InvalidArgument>(host.add("", fixed("10.0.0.1", "255.0.0.0")).await);
    check_fault::<InvalidArgument>(host.add("a", on_stack("none")).await);
    let mut spec = fixed("10.0.0.1", "255.0.0.0");
    spec.set_mtu(100);
    check_fault::<InvalidArgument>(host.add("a", spec).await);
    let mut spec = fixed("10.0.0.1", "255.0.0.0");
    spec.ip_mut().ip_v6_config_mut().push_ip_v6_address(View::with(
        |address: &mut vimsim::types::views::HostIpConfigIpV6Address| {
            address.set_ip_address("fd00::1").set_prefix_length(64);
        },
    ));
    check_fault::<InvalidState>(host.add("a", spec).await);
    check_fault::<AlreadyExists>(host.add("Management Network", fixed("10.0.0.1", "255.0.0.0")).await);
    // The host is managed through its first interface.
    check_fault::<HostConfigFault>(host.remove("vmk0").await);
    assert_eq!(host.config().await.network().unwrap().vnic().len(), 1);
}

#[tokio::test]
async fn interfaces_are_selected_for_what_their_stack_serves() {
    let (_simulator, client) = start().await;
    let host = Host::find(&client).await;
    for name in ["a", "b"] {
        host.add_port_group(name).await;
    }
    host.add("a", fixed("10.1.0.1", "255.255.0.0")).await.unwrap();
    host.add("b", on_stack("vmotion")).await.unwrap();
    let (candidates, selected) = host.uses("vmotion").await;
    assert_eq!(candidates, ["vmk0", "vmk1", "vmk2"]);
    assert_eq!(selected, ["vmotion.key-vim.host.VirtualNic-vmk2"]);
    assert_eq!(client.property(&host.moref, "summary.config.vmotionEnabled").await.unwrap(), Value::Bool(true));
    assert_eq!(host.uses("vsan").await.0, ["vmk0", "vmk1"]);
    // One that asks for an address, which nobody gives, has one of its link.
    let config = host.config().await;
    let address = config.network().unwrap().vnic().iter().nth(2).unwrap().spec().ip().unwrap().ip_address().cloned();
    assert!(address.unwrap().starts_with("169.254."));
    let select =
        |device: &str| SelectVnicForNicType::with(|request| _ = request.set_nic_type("management").set_device(device));
    check_fault::<InvalidArgument>(client.call(&host.nics, select("vmk2")).await);
    client.call(&host.nics, select("vmk1")).await.unwrap();
    // Managed through another, the host can do without its first.
    host.remove("vmk0").await.unwrap();
    assert_eq!(host.uses("management").await.1, ["management.key-vim.host.VirtualNic-vmk1"]);
    host.remove("vmk2").await.unwrap();
    assert!(host.uses("vmotion").await.1.is_empty());
    assert_eq!(client.property(&host.moref, "summary.config.vmotionEnabled").await.unwrap(), Value::Bool(false));
    // The lowest number that is free.
    host.add_port_group("c").await;
    assert_eq!(host.add("c", on_stack("defaultTcpipStack")).await.unwrap().text(), Some("vmk0"));
    let deselect = DeselectVnicForNicType::with(|request| _ = request.set_nic_type("vmotion").set_device("vmk9"));
    check_fault::<InvalidArgument>(client.call(&host.nics, deselect).await);
}

#[tokio::test]
async fn an_interface_is_changed_in_part_and_moves() {
    let (_simulator, client) = start().await;
    let host = Host::find(&client).await;
    for name in ["a", "b"] {
        host.add_port_group(name).await;
    }
    host.add("a", fixed("10.1.0.1", "255.255.0.0")).await.unwrap();
    host.update("vmk1", HostVirtualNicSpec::with(|spec| _ = spec.set_mtu(9000).set_portgroup("b"))).await.unwrap();
    let config = host.config().await;
    let nic = config.network().unwrap().vnic().iter().nth(1).unwrap();
    assert_eq!((nic.portgroup().as_str(), nic.spec().mtu()), ("b", Some(9000)));
    assert_eq!(nic.spec().ip().unwrap().ip_address().map(|ip| ip.as_str()), Some("10.1.0.1"));
    host.update("vmk1", fixed("10.2.0.1", "255.255.0.0")).await.unwrap();
    let config = host.config().await;
    let candidates = config.virtual_nic_manager_info().unwrap().net_config();
    let shown = candidates.first().unwrap().candidate_vnic().iter().nth(1).unwrap();
    assert_eq!(shown.spec().ip().unwrap().ip_address().map(|ip| ip.as_str()), Some("10.2.0.1"));
    found(&client, "DC0/network/a").await;
    check_fault::<AlreadyExists>(
        host.update("vmk1", HostVirtualNicSpec::with(|spec| _ = spec.set_portgroup("Management Network"))).await,
    );
    check_fault::<InvalidArgument>(host.update("vmk1", on_stack("vmotion")).await);
    check_fault::<NotFound>(host.update("vmk9", View::new()).await);
}

#[tokio::test]
async fn an_interface_has_a_port_of_a_distributed_switch() {
    let (_simulator, client) = start().await;
    let host = Host::find(&client).await;
    let switch = found(&client, "DC0/network/DVS0").await;
    let uuid = client.property(&switch, "uuid").await.unwrap().text().unwrap().to_owned();
    let request = CreateDVPortgroupTask::with(|request| {
        request.set_spec(DVPortgroupConfigSpec::with(|spec| {
            spec.set_name("vmk").set_type("earlyBinding").set_num_ports(1).set_auto_expand(false);
        }));
    });
    let portgroup = client.run(&switch, request).await.unwrap().moref().unwrap();
    host.add("", on_port(&uuid, portgroup.value(), None)).await.unwrap();
    let config = host.config().await;
    let nic = config.network().unwrap().vnic().iter().nth(1).unwrap();
    let port = nic.spec().distributed_virtual_port().unwrap().port_key().unwrap().clone();
    assert_eq!(nic.portgroup(), "");
    let fetch = FetchDVPorts::with(|request| _ = request.criteria_mut().set_port_key([&port]));
    let ports = client.call(&switch, fetch).await.unwrap();
    let shown = DistributedVirtualPort::from_ref(ports.items()[0].object().unwrap()).unwrap();
    let connectee = shown.connectee().unwrap();
    assert_eq!(connectee.connected_entity(), Some(host.moref.clone()));
    assert_eq!(connectee.type_().map(|kind| kind.as_str()), Some("hostVmkVnic"));
    assert_eq!(connectee.nic_key().map(|key| key.as_str()), Some("vmk1"));
    // The portgroup has no more ports, and this one is taken.
    check_fault::<HostConfigFault>(host.add("", on_port(&uuid, portgroup.value(), None)).await);
    check_fault::<ResourceInUse>(host.add("", on_port(&uuid, portgroup.value(), Some(&port))).await);
    check_fault::<NotFound>(host.add("", on_port("none", portgroup.value(), None)).await);
    check_fault::<NotFound>(host.add("", on_port(&uuid, "dvportgroup-0", None)).await);
    check_fault::<InvalidArgument>(host.add("VM Network", on_port(&uuid, portgroup.value(), None)).await);
    // Neither the portgroup nor the host's membership goes while it is connected.
    check_fault::<ResourceInUse>(client.run(&portgroup, DestroyTask::new()).await);
    let leave = || {
        ReconfigureDvsTask::with(|request| {
            request.set_spec(VMwareDVSConfigSpec::with(|spec| {
                spec.push_host(DistributedVirtualSwitchHostMemberConfigSpec::with(|member| {
                    member.set_operation("remove").set_host(host.moref.clone());
                }));
            }));
        })
    };
    check_fault::<ResourceInUse>(client.run(&switch, leave()).await);
    // It can be moved to a standard portgroup and back.
    host.add_port_group("a").await;
    host.update("vmk1", HostVirtualNicSpec::with(|spec| _ = spec.set_portgroup("a"))).await.unwrap();
    let config = host.config().await;
    let nic = config.network().unwrap().vnic().iter().nth(1).unwrap();
    assert!(nic.spec().distributed_virtual_port().is_none());
    host.update("vmk1", on_port(&uuid, portgroup.value(), Some(&port))).await.unwrap();
    host.remove("vmk1").await.unwrap();
    client.run(&portgroup, DestroyTask::new()).await.unwrap();
}

/// The configuration that moves the management interface and its adapter to a distributed switch, as the wizard sends it.
fn migration(uuid: &str, portgroup: &str) -> HostNetworkConfig {
    HostNetworkConfig::with(|config| {
        config.push_vswitch(HostVirtualSwitchConfig::with(|part| {
            part.set_change_operation("edit").set_name("vSwitch0");
            part.set_spec(HostVirtualSwitchSpec::with(|spec| {
                spec.set_num_ports(128).set_bridge(HostVirtualSwitchBondBridge::new());
            }));
        }));
        config.push_portgroup(HostPortGroupConfig::with(|part| {
            part.set_change_operation("remove").spec_mut().set_name("Management Network").set_vswitch_name("vSwitch0");
            part.spec_mut().set_vlan_id(0).policy_mut();
        }));
        config.push_proxy_switch(HostProxySwitchConfig::with(|part| {
            part.set_change_operation("edit").set_uuid(uuid);
            part.spec_mut().set_backing(DistributedVirtualSwitchHostMemberPnicBacking::with(|backing| {
                backing.push_pnic_spec(DistributedVirtualSwitchHostMemberPnicSpec::with(|pnic| {
                    pnic.set_pnic_device("vmnic0");
                }));
            }));
        }));
        config.push_vnic(HostVirtualNicConfig::with(|part| {
            part.set_change_operation("edit").set_device("vmk0").set_portgroup("");
            part.set_spec(on_port(uuid, portgroup, None));
        }));
    })
}

#[tokio::test]
async fn a_host_moves_to_a_distributed_switch_in_one_go() {
    let (_simulator, client) = start().await;
    let host = Host::find(&client).await;
    let switch = found(&client, "DC0/network/DVS0").await;
    let uuid = client.property(&switch, "uuid").await.unwrap().text().unwrap().to_owned();
    let portgroup = found(&client, "DC0/network/DC0_DVPG0").await;
    let change = |config: HostNetworkConfig, mode: &str| {
        let request = UpdateNetworkConfig::with(|request| _ = request.set_config(config).set_change_mode(mode));
        client.call(&host.network, request)
    };
    check_fault::<InvalidArgument>(change(HostNetworkConfig::new(), "none").await);
    // All of it or nothing: the switch is none of the host's.
    check_fault::<NotFound>(change(migration("none", portgroup.value()), "modify").await);
    assert_eq!(host.config().await.network().unwrap().vswitch().first().unwrap().pnic().len(), 1);
    change(migration(&uuid, portgroup.value()), "modify").await.unwrap();
    let config = host.config().await;
    let network = config.network().unwrap();
    assert!(network.vswitch().first().unwrap().pnic().is_empty());
    assert_eq!(
        network.proxy_switch().first().unwrap().pnic().iter().collect::<Vec<_>>(),
        ["key-vim.host.PhysicalNic-vmnic0"]
    );
    let names: Vec<_> = network.portgroup().iter().map(|group| group.spec().name().to_string()).collect();
    assert_eq!(names, ["VM Network"]);
    let nic = network.vnic().first().unwrap();
    assert_eq!(nic.spec().distributed_virtual_port().unwrap().portgroup_key(), Some(portgroup.value()));
    assert_eq!(host.uses("management").await.1, ["management.key-vim.host.VirtualNic-vmk0"]);
    // New parts, and the interfaces that were added.
    let more = HostNetworkConfig::with(|config| {
        config.push_vswitch(HostVirtualSwitchConfig::with(|part| {
            _ = part.set_change_operation("add").set_name("vSwitch1")
        }));
        config.push_portgroup(HostPortGroupConfig::with(|part| {
            part.set_change_operation("add").spec_mut().set_name("storage").set_vswitch_name("vSwitch1");
            part.spec_mut().set_vlan_id(5).policy_mut();
        }));
        config.push_vnic(HostVirtualNicConfig::with(|part| {
            part.set_change_operation("add").set_portgroup("storage");
            part.set_spec(fixed("10.0.0.1", "255.0.0.0"));
        }));
    });
    let result = change(more.clone(), "modify").await.unwrap();
    let devices = result.object().unwrap().field("vnicDevice").items();
    assert_eq!(devices.iter().filter_map(Value::text).collect::<Vec<_>>(), ["vmk1"]);
    check_fault::<AlreadyExists>(change(more, "modify").await);
    // What a replacement does not list goes.
    let whole = HostNetworkConfig::with(|config| {
        config.push_portgroup(HostPortGroupConfig::with(|part| {
            part.spec_mut().set_name("VM Network").set_vswitch_name("vSwitch0").set_vlan_id(0).policy_mut();
        }));
        config.push_vnic(HostVirtualNicConfig::with(|part| _ = part.set_device("vmk0").set_portgroup("")));
    });
    change(whole, "replace").await.unwrap();
    let config = host.config().await;
    let network = config.network().unwrap();
    assert_eq!((network.vnic().len(), network.portgroup().len(), network.vswitch().len()), (1, 1, 2));
}

#[tokio::test]
async fn routes_and_speeds_are_changed() {
    let (_simulator, client) = start().await;
    let host = Host::find(&client).await;
    let route = |operation: &str| {
        UpdateIpRouteTableConfig::with(|request| {
            request.config_mut().push_ip_route(HostIpRouteOp::with(|change| {
                change.set_change_operation(operation).set_route(HostIpRouteEntry::with(|route| {
                    route.set_network("10.9.0.0").set_prefix_length(16).set_gateway("127.0.0.2");
                }));
            }));
        })
    };
    client.call(&host.network, route("add")).await.unwrap();
    let shown = host.config().await;
    assert_eq!(shown.network().unwrap().route_table_info().unwrap().ip_route().len(), 3);
    client.call(&host.network, route("remove")).await.unwrap();
    check_fault::<InvalidArgument>(client.call(&host.network, route("remove")).await);
    let speed = |device: &str, speed: i32| {
        UpdatePhysicalNicLinkSpeed::with(|request| {
            let link = PhysicalNicLinkInfo::with(|link| _ = link.set_speed_mb(speed).set_duplex(true));
            request.set_device(device).set_link_speed(link);
        })
    };
    client.call(&host.network, speed("vmnic1", 10_000)).await.unwrap();
    check_fault::<InvalidArgument>(client.call(&host.network, speed("vmnic1", 7)).await);
    check_fault::<NotFound>(client.call(&host.network, speed("vmnic9", 10_000)).await);
}

#[tokio::test]
async fn the_older_way_of_choosing_the_interface_for_vmotion_says_the_same() {
    let (_simulator, client) = start().await;
    let host = Host::find(&client).await;
    let system = client.property(&host.moref, "configManager.vmotionSystem").await.unwrap().moref().unwrap();
    let select = |device: &str| SelectVnic::with(|request| _ = request.set_device(device));
    check_fault::<InvalidArgument>(client.call(&system, select("vmk9")).await);
    client.call(&system, select("vmk0")).await.unwrap();
    assert_eq!(host.uses("vmotion").await.1, ["vmotion.key-vim.host.VirtualNic-vmk0"]);
    let selected = client.property(&system, "netConfig.selectedVnic").await.unwrap();
    assert_eq!(selected.text(), Some("VMotionConfig.vmotion.key-vim.host.VirtualNic-vmk0"));
    client.call(&system, DeselectVnic::new()).await.unwrap();
    assert!(host.uses("vmotion").await.1.is_empty());
    assert!(client.property(&system, "netConfig.selectedVnic").await.unwrap().is_unset());
}
