//! Networks, distributed switches and their portgroups.

use vimsim::types::method::{
    AddDVPortgroupTask, CreateDVPortgroupTask, CreateDVSTask, DVSManagerLookupDvPortGroup, DestroyNetwork, DestroyTask,
    FetchDVPortKeys, FetchDVPorts, LookupDvPortGroup, PerformDvsProductSpecOperationTask, QueryAvailableDvsSpec,
    QueryDvsByUuid, QueryUsedVlanIdInDvs, ReconfigureDVPortgroupTask, ReconfigureDvsTask, RenameTask,
};
use vimsim::types::views::{
    AlreadyExists, ConcurrentAccess, DVPortgroupConfigSpec, DVSConfigSpec, DistributedVirtualPort,
    DistributedVirtualSwitchHostMemberConfigSpec, DistributedVirtualSwitchManager,
    DistributedVirtualSwitchPortCriteria, DuplicateName, InvalidArgument, InvalidName, InvalidState, NotFound,
    NotSupported, ResourceInUse, VMwareDVSConfigSpec, VMwareDVSPortSetting, VmwareDistributedVirtualSwitchVlanIdSpec,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Simulator};

use crate::inventory::{found, morefs};
use crate::{check_fault, start};

async fn text(client: &Client, moref: &Moref, path: &str) -> String {
    client.property(moref, path).await.unwrap().text().unwrap_or_default().to_string()
}

fn manager() -> Moref {
    Moref::of::<DistributedVirtualSwitchManager>("DVSManager")
}

fn create_switch(name: &str) -> CreateDVSTask {
    CreateDVSTask::with(|request| _ = request.spec_mut().config_spec_mut().set_name(name))
}

async fn new_switch(client: &Client, name: &str) -> Moref {
    let folder = found(client, "DC0/network").await;
    client.run(&folder, create_switch(name)).await.unwrap().moref().expect("the task's result is the switch")
}

fn portgroup(name: &str, ports: i32) -> DVPortgroupConfigSpec {
    DVPortgroupConfigSpec::with(|spec| {
        spec.set_name(name).set_type("earlyBinding").set_num_ports(ports);
    })
}

fn add(spec: DVPortgroupConfigSpec) -> CreateDVPortgroupTask {
    CreateDVPortgroupTask::with(|request| _ = request.set_spec(spec))
}

fn vlan(id: i32) -> VMwareDVSPortSetting {
    VMwareDVSPortSetting::with(|setting| {
        setting.set_vlan(VmwareDistributedVirtualSwitchVlanIdSpec::with(|vlan| {
            vlan.set_vlan_id(id);
            vlan.set_inherited(false);
        }));
    })
}

fn reconfigure(change: impl FnOnce(&mut VMwareDVSConfigSpec)) -> ReconfigureDvsTask {
    ReconfigureDvsTask::with(|request| _ = request.set_spec(VMwareDVSConfigSpec::with(change)))
}

fn member(operation: &str, host: &Moref) -> ReconfigureDvsTask {
    reconfigure(|spec| {
        spec.push_host(DistributedVirtualSwitchHostMemberConfigSpec::with(|member| {
            member.set_operation(operation).set_host(host.clone());
        }));
    })
}

#[tokio::test]
async fn hosts_and_networks_know_each_other() {
    let (_simulator, client) = start().await;
    let network = found(&client, "DC0/network/VM Network").await;
    let hosts = morefs(&client, &network, "host").await;
    assert_eq!(hosts.len(), 4);
    for host in &hosts {
        let networks = morefs(&client, host, "network").await;
        assert_eq!(
            networks.iter().map(|moref| moref.value().as_str()).collect::<Vec<_>>(),
            ["network-6", "dvportgroup-10", "dvportgroup-12"]
        );
    }
    let datacenter = found(&client, "DC0").await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    assert_eq!(morefs(&client, &datacenter, "network").await, morefs(&client, &cluster, "network").await);
    assert_eq!(client.property(&network, "summary.accessible").await.unwrap(), Value::Bool(true));
    assert_eq!(client.property(&network, "summary.network").await.unwrap().moref(), Some(network));
}

#[tokio::test]
async fn a_network_in_use_stays() {
    let (_simulator, client) = start().await;
    let network = found(&client, "DC0/network/VM Network").await;
    check_fault::<ResourceInUse>(client.call(&network, DestroyNetwork::new()).await);
    check_fault::<ResourceInUse>(client.run(&network, DestroyTask::new()).await);
}

#[tokio::test]
async fn a_host_that_goes_leaves_its_networks() {
    let mut config = Config::default();
    config.model.machine = 0;
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let (network, switch) = (found(&client, "DC0/network/VM Network").await, found(&client, "DC0/network/DVS0").await);
    client.run(&host, DestroyTask::new()).await.unwrap();
    assert!(!morefs(&client, &network, "host").await.contains(&host));
    assert!(!morefs(&client, &switch, "summary.hostMember").await.contains(&host));
    assert_eq!(client.property(&switch, "config.host").await.unwrap().items().len(), 3);
    assert_eq!(client.property(&switch, "runtime.hostMemberRuntime").await.unwrap().items().len(), 3);
    let uplinks = found(&client, "DC0/network/DVS0-DVUplinks-8").await;
    assert_eq!(client.property(&uplinks, "portKeys").await.unwrap().items().len(), 12);
}

#[tokio::test]
async fn a_new_switch_has_uplinks() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    assert_eq!(text(&client, &switch, "config.name").await, "a");
    let portgroups = morefs(&client, &switch, "portgroup").await;
    assert_eq!(portgroups, morefs(&client, &switch, "config.uplinkPortgroup").await);
    let number = switch.value().trim_start_matches("dvs-");
    assert_eq!(text(&client, &portgroups[0], "name").await, format!("a-DVUplinks-{number}"));
    assert_eq!(client.property(&portgroups[0], "config.uplink").await.unwrap(), Value::Bool(true));
    let tags = client.property(&portgroups[0], "tag").await.unwrap();
    assert_eq!(tags.items()[0].object().unwrap().field("key").text(), Some("SYSTEM/DVS.UPLINKPG"));
    let datacenter = found(&client, "DC0").await;
    assert!(morefs(&client, &datacenter, "network").await.contains(&portgroups[0]));
    check_fault::<NotSupported>(client.run(&portgroups[0], DestroyTask::new()).await);
}

#[tokio::test]
async fn switches_are_checked() {
    let (_simulator, client) = start().await;
    let (networks, machines) = (found(&client, "DC0/network").await, found(&client, "DC0/vm").await);
    check_fault::<NotSupported>(client.run(&machines, create_switch("a")).await);
    check_fault::<DuplicateName>(client.run(&networks, create_switch("DVS0")).await);
    check_fault::<InvalidName>(client.run(&networks, create_switch("")).await);
    let old = CreateDVSTask::with(|request| {
        request.spec_mut().config_spec_mut().set_name("a");
        request.spec_mut().product_info_mut().set_version("4.0");
    });
    check_fault::<InvalidArgument>(client.run(&networks, old).await);
    let switch = found(&client, "DC0/network/DVS0").await;
    check_fault::<InvalidArgument>(client.run(&switch, reconfigure(|spec| _ = spec.set_max_mtu(100))).await);
}

#[tokio::test]
async fn a_switch_is_reconfigured_by_who_knows_its_version() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let version = text(&client, &switch, "config.configVersion").await;
    let change = |version: &str| {
        reconfigure(|spec| {
            spec.set_max_mtu(9000).set_config_version(version);
            spec.set_name("b").set_description("d").set_default_port_config(vlan(7));
        })
    };
    client.run(&switch, change(&version)).await.unwrap();
    assert_eq!(client.property(&switch, "config.maxMtu").await.unwrap(), Value::Int(9000));
    assert_eq!(text(&client, &switch, "name").await, "b");
    assert_eq!(text(&client, &switch, "summary.name").await, "b");
    assert_eq!(text(&client, &switch, "summary.description").await, "d");
    check_fault::<ConcurrentAccess>(client.run(&switch, change(&version)).await);
    // A portgroup follows where it says nothing itself.
    let plain = client.run(&switch, add(portgroup("p", 1))).await.unwrap().moref().unwrap();
    let number = client.property(&plain, "config.defaultPortConfig.vlan.vlanId").await.unwrap();
    assert_eq!(number, Value::Int(7));
    let eight = ReconfigureDvsTask::with(|request| {
        request.set_spec(DVSConfigSpec::with(|spec| _ = spec.set_default_port_config(vlan(8))));
    });
    client.run(&switch, eight).await.unwrap();
    let number = client.property(&plain, "config.defaultPortConfig.vlan.vlanId").await.unwrap();
    assert_eq!(number, Value::Int(8));
}

#[tokio::test]
async fn hosts_join_and_leave_a_switch() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let portgroup = client.run(&switch, add(portgroup("p", 1))).await.unwrap().moref().unwrap();
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    client.run(&switch, member("add", &host)).await.unwrap();
    assert_eq!(morefs(&client, &switch, "summary.hostMember").await, [host.clone()]);
    assert_eq!(morefs(&client, &portgroup, "host").await, [host.clone()]);
    assert!(morefs(&client, &host, "network").await.contains(&portgroup));
    let uplinks = morefs(&client, &switch, "config.uplinkPortgroup").await.remove(0);
    assert_eq!(client.property(&uplinks, "portKeys").await.unwrap().items().len(), 4);
    check_fault::<AlreadyExists>(client.run(&switch, member("add", &host)).await);
    client.run(&switch, member("edit", &host)).await.unwrap();
    let shown = client.property(&host, "config.network.proxySwitch").await.unwrap();
    let names: Vec<_> = shown.items().iter().filter_map(|proxy| proxy.object()?.field("dvsName").text()).collect();
    assert_eq!(names, ["DVS0", "a"]);
    client.run(&switch, member("remove", &host)).await.unwrap();
    assert!(morefs(&client, &switch, "summary.hostMember").await.is_empty());
    assert!(!morefs(&client, &host, "network").await.contains(&portgroup));
    assert!(client.property(&uplinks, "portKeys").await.unwrap().items().is_empty());
    let shown = client.property(&host, "config.network.proxySwitch").await.unwrap();
    assert_eq!(shown.items().len(), 1);
    check_fault::<NotFound>(client.run(&switch, member("remove", &host)).await);
    check_fault::<InvalidArgument>(client.run(&switch, member("none", &host)).await);
}

#[tokio::test]
async fn portgroups_are_checked() {
    let (_simulator, client) = start().await;
    let switch = found(&client, "DC0/network/DVS0").await;
    check_fault::<DuplicateName>(client.run(&switch, add(portgroup("DC0_DVPG0", 1))).await);
    check_fault::<InvalidName>(client.run(&switch, add(portgroup("", 1))).await);
    check_fault::<InvalidArgument>(client.run(&switch, add(portgroup("p", -1))).await);
    let mut spec = portgroup("p", 1);
    spec.set_type("none");
    check_fault::<InvalidArgument>(client.run(&switch, add(spec)).await);
    let mut spec = portgroup("p", 1);
    spec.set_default_port_config(vlan(4095));
    check_fault::<InvalidArgument>(client.run(&switch, add(spec)).await);
    // All or none.
    let two = AddDVPortgroupTask::with(|request| {
        request.push_spec(portgroup("first", 1)).push_spec(portgroup("first", 1));
    });
    check_fault::<DuplicateName>(client.run(&switch, two).await);
    assert_eq!(morefs(&client, &switch, "portgroup").await.len(), 2);
}

#[tokio::test]
async fn a_portgroup_is_changed_in_part() {
    let (_simulator, client) = start().await;
    let switch = found(&client, "DC0/network/DVS0").await;
    let mut spec = portgroup("p", 16);
    spec.set_default_port_config(vlan(7)).set_description("d");
    let moref = client.run(&switch, add(spec)).await.unwrap().moref().unwrap();
    assert_eq!(text(&client, &moref, "config.key").await, moref.value().as_str());
    assert_eq!(client.property(&moref, "portKeys").await.unwrap().items().len(), 16);
    let change = |ports: i32, version: &str| {
        ReconfigureDVPortgroupTask::with(|request| {
            request.spec_mut().set_num_ports(ports).set_config_version(version).set_name("q");
        })
    };
    client.run(&moref, change(4, "0")).await.unwrap();
    assert_eq!(client.property(&moref, "portKeys").await.unwrap().items().len(), 4);
    assert_eq!(client.property(&moref, "config.numPorts").await.unwrap(), Value::Int(4));
    assert_eq!(text(&client, &moref, "config.name").await, "q");
    assert_eq!(text(&client, &moref, "config.description").await, "d");
    assert_eq!(text(&client, &moref, "config.type").await, "earlyBinding");
    assert_eq!(client.property(&moref, "config.defaultPortConfig.vlan.vlanId").await.unwrap(), Value::Int(7));
    check_fault::<ConcurrentAccess>(client.run(&moref, change(5, "0")).await);
    let rename = |name: &str| RenameTask::with(|request| _ = request.set_new_name(name));
    check_fault::<DuplicateName>(client.run(&moref, rename("DC0_DVPG0")).await);
    client.run(&moref, rename("r")).await.unwrap();
    let names = client.property(&switch, "summary.portgroupName").await.unwrap();
    assert!(names.items().iter().any(|name| name.text() == Some("r")));
}

#[tokio::test]
async fn a_switch_goes_with_its_portgroups() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let portgroup = client.run(&switch, add(portgroup("p", 1))).await.unwrap().moref().unwrap();
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    client.run(&switch, member("add", &host)).await.unwrap();
    client.run(&switch, DestroyTask::new()).await.unwrap();
    assert!(client.property(&portgroup, "name").await.is_err());
    let datacenter = found(&client, "DC0").await;
    for (moref, path) in
        [(&datacenter, "network"), (&host, "network"), (&found(&client, "DC0/network").await, "childEntity")]
    {
        let names = morefs(&client, moref, path).await;
        assert!(!names.contains(&portgroup) && !names.contains(&switch), "{path}");
    }
}

#[tokio::test]
async fn a_portgroup_goes_from_its_switch() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let portgroup = client.run(&switch, add(portgroup("p", 1))).await.unwrap().moref().unwrap();
    client.run(&portgroup, DestroyTask::new()).await.unwrap();
    assert!(!morefs(&client, &switch, "portgroup").await.contains(&portgroup));
    assert_eq!(client.property(&switch, "summary.portgroupName").await.unwrap().items().len(), 1);
}

#[tokio::test]
async fn ports_are_found_by_criteria() {
    let (_simulator, client) = start().await;
    let switch = new_switch(&client, "a").await;
    let mut spec = portgroup("p", 3);
    spec.set_default_port_config(vlan(7));
    let moref = client.run(&switch, add(spec)).await.unwrap().moref().unwrap();
    let fetch = |change: fn(&mut DistributedVirtualSwitchPortCriteria)| {
        let key = moref.value().clone();
        let request = FetchDVPorts::with(|request| {
            let criteria = request.criteria_mut();
            change(criteria);
            if criteria.inside().is_some() {
                criteria.set_portgroup_key([key]);
            }
        });
        client.call(&switch, request)
    };
    let inside = fetch(|criteria| _ = criteria.set_inside(true)).await.unwrap();
    let ports: Vec<_> =
        inside.items().iter().filter_map(|port| DistributedVirtualPort::from_ref(port.object()?)).collect();
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|port| port.portgroup_key().is_some_and(|key| key == moref.value())));
    assert!(fetch(|criteria| _ = criteria.set_inside(false)).await.unwrap().items().is_empty());
    assert!(fetch(|criteria| _ = criteria.set_connected(true)).await.unwrap().items().is_empty());
    assert_eq!(fetch(|criteria| _ = criteria.set_uplink_port(false)).await.unwrap().items().len(), 3);
    let keys = client.call(&switch, FetchDVPortKeys::new()).await.unwrap();
    assert_eq!(keys.items().len(), 3);
    let used = client.call(&switch, QueryUsedVlanIdInDvs::new()).await.unwrap();
    assert_eq!(used.items(), [Value::Int(7)]);
}

#[tokio::test]
async fn a_switch_is_upgraded_and_not_downgraded() {
    let (_simulator, client) = start().await;
    let folder = found(&client, "DC0/network").await;
    let old = CreateDVSTask::with(|request| {
        request.spec_mut().config_spec_mut().set_name("a");
        request.spec_mut().product_info_mut().set_version("7.0.0");
    });
    let switch = client.run(&folder, old).await.unwrap().moref().unwrap();
    let to = |version: &str, operation: &str| {
        PerformDvsProductSpecOperationTask::with(|request| {
            request.set_operation(operation);
            request.product_spec_mut().set_version(version);
        })
    };
    check_fault::<InvalidState>(client.run(&switch, to("6.6.0", "upgrade")).await);
    check_fault::<InvalidArgument>(client.run(&switch, to("8.0.3", "none")).await);
    client.run(&switch, to("8.0.3", "upgrade")).await.unwrap();
    assert_eq!(text(&client, &switch, "summary.productInfo.version").await, "8.0.3");
    assert_eq!(text(&client, &switch, "config.productInfo.version").await, "8.0.3");
}

#[tokio::test]
async fn switches_and_portgroups_are_looked_up() {
    let (_simulator, client) = start().await;
    let switch = found(&client, "DC0/network/DVS0").await;
    let uuid = "a86ec114-1915-5fba-b48e-5c2b06075be0";
    let by_uuid = |uuid: &str| QueryDvsByUuid::with(|request| _ = request.set_uuid(uuid));
    assert_eq!(client.call(&manager(), by_uuid(uuid)).await.unwrap().moref(), Some(switch.clone()));
    let spaced = uuid.replace('-', " ").to_uppercase();
    assert_eq!(client.call(&manager(), by_uuid(&spaced)).await.unwrap().moref(), Some(switch.clone()));
    check_fault::<NotFound>(client.call(&manager(), by_uuid("none")).await);
    let lookup = |key: &str| {
        DVSManagerLookupDvPortGroup::with(|request| _ = request.set_switch_uuid(uuid).set_portgroup_key(key))
    };
    let portgroup = client.call(&manager(), lookup("dvportgroup-12")).await.unwrap().moref();
    assert_eq!(portgroup.map(|moref| moref.value().to_string()).as_deref(), Some("dvportgroup-12"));
    check_fault::<NotFound>(client.call(&manager(), lookup("dvportgroup-99")).await);
    let lookup = LookupDvPortGroup::with(|request| _ = request.set_portgroup_key("dvportgroup-99"));
    check_fault::<NotFound>(client.call(&switch, lookup).await);
    let specs = client.call(&manager(), QueryAvailableDvsSpec::new()).await.unwrap();
    assert_eq!(specs.items()[0].object().unwrap().field("version").text(), Some("8.0.3"));
}

#[tokio::test]
async fn virtual_machines_hold_what_they_are_connected_to() {
    let (_simulator, client) = start().await;
    let (switch, portgroup) = (found(&client, "DC0/network/DVS0").await, found(&client, "DC0/network/DC0_DVPG0").await);
    let machines = morefs(&client, &portgroup, "vm").await;
    assert_eq!(machines.len(), 4);
    assert_eq!(morefs(&client, &machines[0], "network").await, [portgroup.clone()]);
    check_fault::<ResourceInUse>(client.run(&portgroup, DestroyTask::new()).await);
    check_fault::<ResourceInUse>(client.call(&portgroup, DestroyNetwork::new()).await);
    check_fault::<ResourceInUse>(client.run(&switch, DestroyTask::new()).await);
    let host = client.property(&machines[0], "runtime.host").await.unwrap().moref().unwrap();
    check_fault::<ResourceInUse>(client.run(&switch, member("remove", &host)).await);
    // The portgroup began with one port, and expands.
    assert!(client.property(&portgroup, "portKeys").await.unwrap().items().len() >= machines.len());
    let connected = FetchDVPorts::with(|request| {
        request.criteria_mut().set_connected(true).set_uplink_port(false);
    });
    let ports = client.call(&switch, connected).await.unwrap();
    let entity = |port: &Value| port.object()?.field("connectee").object()?.field("connectedEntity").moref();
    let connectees: Vec<_> = ports.items().iter().filter_map(entity).collect();
    assert_eq!(connectees, machines);
}
