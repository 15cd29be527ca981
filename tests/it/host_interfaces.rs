//! VMkernel interfaces of hosts.

use vimsim::types::method::{
    AddPortGroup, AddVirtualNic, CreateDVPortgroupTask, DeselectVnicForNicType, DestroyTask, FetchDVPorts,
    FindByInventoryPath, FindByIp, ReconfigureDvsTask, RemovePortGroup, RemoveVirtualNic, SelectVnicForNicType,
    UpdateVirtualNic,
};
use vimsim::types::views::{
    AlreadyExists, DVPortgroupConfigSpec, DistributedVirtualPort, DistributedVirtualSwitchHostMemberConfigSpec,
    HostConfigFault, HostConfigInfo, HostPortGroupSpec, HostVirtualNicSpec, InvalidArgument, InvalidState, NotFound,
    ResourceInUse, SearchIndex, VMwareDVSConfigSpec,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Error};

use crate::{check_fault, start};

async fn found(client: &Client, path: &str) -> Moref {
    let request = FindByInventoryPath::with(|request| _ = request.set_inventory_path(path));
    let index = Moref::of::<SearchIndex>("SearchIndex");
    client.call(&index, request).await.unwrap().moref().unwrap_or_else(|| panic!("{path} is there"))
}

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
