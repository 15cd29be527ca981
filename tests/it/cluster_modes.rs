//! EVC modes and recommendations of clusters, hosts that could be added to datacenters, pools of network resources, and
//! what is kept of performance counters.

use vimsim::Client;
use vimsim::types::enums::{DrsBehavior, SharesLevel};
use vimsim::types::method::{
    AddNetworkResourcePool, ApplyRecommendation, BatchQueryConnectInfo, CancelRecommendation,
    CheckConfigureEvcModeTask, ConfigureEvcModeTask, DestroyTask, DisableEvcModeTask, EvcManager, PowerOffVMTask,
    QueryConnectionInfo, QueryDatacenterConfigOptionDescriptor, QueryPerfComposite, ReconfigureComputeResourceTask,
    ReconfigureDatacenterTask, ReconfigureDvsTask, RefreshRecommendation, RemoveNetworkResourcePool,
    StampAllRulesWithUuidTask, UpdateNetworkResourcePool, UpdatePerfInterval,
};
use vimsim::types::views::{
    ActiveVMsBlockingEVC, AlreadyConnected, ClusterAntiAffinityRuleSpec, ClusterConfigSpecEx, ClusterRuleSpec,
    ConcurrentAccess, DVSNetworkResourcePoolConfigSpec, EVCModeIllegalByVendor, EVCModeUnsupportedByHosts,
    HostConnectSpec, InvalidArgument, InvalidLogin, InvalidName, ManagedObjectNotFound, NoHost, NotFound, NotSupported,
    PerfInterval, PerfQuerySpec, PerformanceManager, ServiceInstance, VMwareDVSConfigSpec,
};
use vimsim::types::{Moref, Value, View};

use crate::inventory::found;
use crate::{check_fault, create, start};

async fn text(client: &Client, moref: &Moref, path: &str) -> Option<String> {
    client.property(moref, path).await.unwrap().text().map(ToOwned::to_owned)
}

#[tokio::test]
async fn a_cluster_has_a_mode() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let host = found(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let manager = create(&client, &cluster, EvcManager::new()).await;
    assert_eq!(create(&client, &cluster, EvcManager::new()).await, manager);
    let set =
        async |mode: &str| client.run(&manager, ConfigureEvcModeTask::with(|it| _ = it.set_evc_mode_key(mode))).await;
    let modes = client.property(&manager, "evcState.supportedEVCMode").await.unwrap();
    assert!(modes.items().len() > 20);
    check_fault::<InvalidArgument>(set("intel-8086").await);
    check_fault::<EVCModeIllegalByVendor>(set("amd-zen").await);
    check_fault::<EVCModeUnsupportedByHosts>(set("intel-icelake").await);
    check_fault::<ActiveVMsBlockingEVC>(set("intel-nehalem").await);
    let check = CheckConfigureEvcModeTask::with(|it| _ = it.set_evc_mode_key("intel-nehalem"));
    let obstacles = client.run(&manager, check).await.unwrap();
    assert_eq!(obstacles.items().len(), 1);
    set("intel-ivybridge").await.unwrap();
    for (moref, path) in [
        (&manager, "evcState.currentEVCModeKey"),
        (&host, "summary.currentEVCModeKey"),
        (&cluster, "summary.currentEVCModeKey"),
    ] {
        assert_eq!(text(&client, moref, path).await.as_deref(), Some("intel-ivybridge"), "{path}");
    }
    for number in 0..2 {
        let machine = found(&client, &format!("DC0/vm/DC0_C0_RP0_VM{number}")).await;
        client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    }
    set("intel-nehalem").await.unwrap();
    assert_eq!(text(&client, &host, "summary.currentEVCModeKey").await.as_deref(), Some("intel-nehalem"));
    client.run(&manager, DisableEvcModeTask::new()).await.unwrap();
    assert_eq!(text(&client, &host, "summary.currentEVCModeKey").await, None);
    assert_eq!(text(&client, &manager, "evcState.currentEVCModeKey").await, None);
    client.run(&cluster, DestroyTask::new()).await.unwrap_err();
    for number in 0..2 {
        let machine = found(&client, &format!("DC0/vm/DC0_C0_RP0_VM{number}")).await;
        client.run(&machine, DestroyTask::new()).await.unwrap();
    }
    client.run(&cluster, DestroyTask::new()).await.unwrap();
    check_fault::<ManagedObjectNotFound>(client.call(&manager, DisableEvcModeTask::new()).await);
}

#[tokio::test]
async fn what_rules_want_is_recommended_or_done() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let mut machines = Vec::new();
    for number in 0..2 {
        machines.push(found(&client, &format!("DC0/vm/DC0_C0_RP0_VM{number}")).await);
    }
    let host = async |machine: &Moref| client.property(machine, "runtime.host").await.unwrap().moref().unwrap();
    // Both on one host, which a rule forbids.
    let first = host(&machines[0]).await;
    let migrate = vimsim::types::method::MigrateVMTask::with(|it| {
        it.set_host(first.clone());
        it.set_priority(vimsim::types::enums::VirtualMachineMovePriority::DefaultPriority);
    });
    if host(&machines[1]).await != first {
        client.run(&machines[1], migrate).await.unwrap();
    }
    let configure = async |behavior: DrsBehavior, rule: bool| {
        let spec = ClusterConfigSpecEx::with(|spec| {
            spec.drs_config_mut().set_enabled(true).set_default_vm_behavior(behavior);
            if rule {
                spec.push_rules_spec(ClusterRuleSpec::with(|rule| {
                    rule.set_info(ClusterAntiAffinityRuleSpec::with(|info| {
                        info.set_vm(machines.iter().cloned());
                        info.set_name("apart").set_enabled(true);
                    }));
                    rule.set_operation(vimsim::types::enums::ArrayUpdateOperation::Add);
                }));
            }
        });
        let request = ReconfigureComputeResourceTask::with(|it| _ = it.set_spec(spec).set_modify(true));
        client.run(&cluster, request).await.unwrap();
    };
    configure(DrsBehavior::Manual, true).await;
    let recommended = async || client.property(&cluster, "recommendation").await.unwrap().items().to_vec();
    let refresh = async || client.call(&cluster, RefreshRecommendation::new()).await.unwrap();
    refresh().await;
    assert_eq!(recommended().await.len(), 1);
    let key = recommended().await[0].object().unwrap().field("key").text().unwrap().to_owned();
    assert_eq!(recommended().await[0].object().unwrap().field("reason").text(), Some("antiAffin"));
    client.call(&cluster, CancelRecommendation::with(|it| _ = it.set_key(&key))).await.unwrap();
    check_fault::<InvalidArgument>(client.call(&cluster, ApplyRecommendation::with(|it| _ = it.set_key(&key))).await);
    refresh().await;
    client.call(&cluster, ApplyRecommendation::with(|it| _ = it.set_key(&key))).await.unwrap();
    assert_ne!(host(&machines[0]).await, host(&machines[1]).await);
    assert!(recommended().await.is_empty());
    refresh().await;
    assert!(recommended().await.is_empty());
    client.run(&cluster, StampAllRulesWithUuidTask::new()).await.unwrap();
    // What DRS may do itself is done.
    let back = vimsim::types::method::MigrateVMTask::with(|it| {
        it.set_priority(vimsim::types::enums::VirtualMachineMovePriority::DefaultPriority);
    });
    let mut back = back;
    back.set_host(host(&machines[0]).await);
    client.run(&machines[1], back).await.unwrap();
    configure(DrsBehavior::FullyAutomated, false).await;
    refresh().await;
    assert!(recommended().await.is_empty());
    assert_ne!(host(&machines[0]).await, host(&machines[1]).await);
}

#[tokio::test]
async fn a_datacenter_tells_of_hosts_and_hardware() {
    let (_simulator, client) = start().await;
    let datacenter = found(&client, "DC0").await;
    let ask = async |name: &str, user: &str| {
        let request = QueryConnectionInfo::with(|it| {
            it.set_hostname(name).set_port(443).set_username(user).set_password("secret");
        });
        client.call(&datacenter, request).await
    };
    let info = ask("new.example.com", "root").await.unwrap();
    let summary = info.object().unwrap().field("host").object().unwrap();
    assert_eq!(summary.field("config").object().unwrap().field("name").text(), Some("new.example.com"));
    check_fault::<NoHost>(ask("", "root").await);
    check_fault::<InvalidLogin>(ask("new.example.com", "").await);
    check_fault::<AlreadyConnected>(ask("DC0_H0", "root").await);
    let spec =
        |name: &str| HostConnectSpec::with(|it| _ = it.set_host_name(name).set_user_name("root").set_force(true));
    let batch = BatchQueryConnectInfo::with(|it| _ = it.set_host_specs([spec("a.example.com"), spec("DC0_H0")]));
    let answers = client.call(&datacenter, batch).await.unwrap();
    let failed: Vec<bool> =
        answers.items().iter().map(|it| it.object().unwrap().field("error").object().is_some()).collect();
    assert_eq!(failed, [false, true]);
    let default = async || {
        let all = client.call(&datacenter, QueryDatacenterConfigOptionDescriptor::new()).await.unwrap();
        let is_it = |it: &&Value| it.object().unwrap().field("defaultConfigOption") == &Value::Bool(true);
        all.items().iter().find(is_it).unwrap().object().unwrap().field("key").text().unwrap().to_owned()
    };
    assert_eq!(default().await, "vmx-21");
    let reconfigure = |key: &str| {
        ReconfigureDatacenterTask::with(|it| {
            it.set_modify(true).spec_mut().set_default_hardware_version_key(key);
        })
    };
    check_fault::<InvalidArgument>(client.call(&datacenter, reconfigure("vmx-99")).await);
    client.run(&datacenter, reconfigure("vmx-19")).await.unwrap();
    assert_eq!(default().await, "vmx-19");
    client.run(&datacenter, reconfigure("")).await.unwrap();
    assert_eq!(default().await, "vmx-21");
}

#[tokio::test]
async fn pools_of_version_2_are_changed() {
    let (_simulator, client) = start().await;
    let switch = found(&client, "DC0/network/DVS0").await;
    let spec = |key: &str, shares: i32| {
        DVSNetworkResourcePoolConfigSpec::with(|it| {
            it.set_key(key);
            it.allocation_info_mut().shares_mut().set_level(SharesLevel::Custom).set_shares(shares);
        })
    };
    let update = async |spec: DVSNetworkResourcePoolConfigSpec| {
        client.call(&switch, UpdateNetworkResourcePool::with(|it| _ = it.set_config_spec([spec]))).await
    };
    check_fault::<NotSupported>(update(spec("vmotion", 20)).await);
    let version = VMwareDVSConfigSpec::with(|it| _ = it.set_network_resource_control_version("version2"));
    let request = ReconfigureDvsTask::with(|it| _ = it.set_spec(version));
    client.run(&switch, request).await.unwrap();
    let pools = async || client.property(&switch, "networkResourcePool").await.unwrap().items().to_vec();
    assert_eq!(pools().await.len(), 9);
    update(spec("vmotion", 20)).await.unwrap();
    check_fault::<NotFound>(update(spec("nothing", 20)).await);
    check_fault::<InvalidArgument>(update(spec("vmotion", 101)).await);
    let mut stale = spec("vmotion", 20);
    stale.set_config_version("0");
    check_fault::<ConcurrentAccess>(update(stale).await);
    let add = async |name: &str| {
        let mut spec = spec("-1", 10);
        spec.set_name(name);
        client.call(&switch, AddNetworkResourcePool::with(|it| _ = it.set_config_spec([spec]))).await
    };
    add("mine").await.unwrap();
    check_fault::<InvalidName>(add("mine").await);
    let key = pools().await[9].object().unwrap().field("key").text().unwrap().to_owned();
    let remove =
        async |key: &str| client.call(&switch, RemoveNetworkResourcePool::with(|it| _ = it.set_key([key]))).await;
    check_fault::<InvalidArgument>(remove("nfs").await);
    remove(&key).await.unwrap();
    check_fault::<NotFound>(remove(&key).await);
    assert_eq!(pools().await.len(), 9);
}

#[tokio::test]
async fn intervals_of_counters_are_changed() {
    let (_simulator, client) = start().await;
    let instance = Moref::of::<ServiceInstance>("ServiceInstance");
    let manager = client.property(&instance, "content.perfManager").await.unwrap().moref().unwrap();
    assert!(manager.is::<PerformanceManager>());
    let intervals = async || -> Vec<PerfInterval> {
        let all = client.property(&manager, "historicalInterval").await.unwrap();
        all.items().iter().filter_map(|it| PerfInterval::from_ref(it.object()?).cloned()).collect()
    };
    let update = async |interval: PerfInterval| {
        client.call(&manager, UpdatePerfInterval::with(|it| _ = it.set_interval(interval))).await
    };
    let level = |interval: &PerfInterval, level: i32| {
        let mut interval = interval.clone();
        interval.set_level(level);
        interval
    };
    let known = intervals().await;
    check_fault::<InvalidArgument>(update(level(&known[1], 2)).await);
    update(level(&known[0], 3)).await.unwrap();
    update(level(&known[1], 2)).await.unwrap();
    check_fault::<InvalidArgument>(update(level(&known[0], 1)).await);
    check_fault::<InvalidArgument>(update(level(&known[0], 5)).await);
    let mut longer = level(&known[0], 3);
    longer.set_length(3 * 86_400);
    update(longer.clone()).await.unwrap();
    longer.set_length(100);
    check_fault::<InvalidArgument>(update(longer).await);
    let levels: Vec<_> = intervals().await.iter().map(|it| (it.level(), it.length())).collect();
    assert_eq!(levels[0], (Some(3), 259_200));
    assert_eq!(levels[1].0, Some(2));
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let composite = async |entity: Moref| {
        let spec = PerfQuerySpec::with(|spec| _ = spec.set_entity(entity).set_interval_id(20).set_max_sample(1));
        client.call(&manager, QueryPerfComposite::with(|it| _ = it.set_query_spec(spec))).await
    };
    let answer = composite(host).await.unwrap();
    assert_eq!(answer.object().unwrap().field("childEntity").items().len(), 2);
    let folder = found(&client, "DC0/vm").await;
    check_fault::<InvalidArgument>(composite(folder).await);
}
