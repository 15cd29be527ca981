//! Clusters: how they are reconfigured, and what they say about their resources.

use vimsim::types::enums::{ArrayUpdateOperation, DrsBehavior};
use vimsim::types::method::{
    BatchAddStandaloneHostsTask, CreateCluster, DestroyTask, EnterMaintenanceModeTask, GetResourceUsage, MoveIntoTask,
    PowerOffVMTask, QueryHostStatus, ReconfigureClusterTask, ReconfigureComputeResourceTask, RelocateVMTask,
    RetrieveDasAdvancedRuntimeInfo,
};
use vimsim::types::views::{
    ClusterConfigInfo, ClusterConfigInfoEx, ClusterConfigSpec, ClusterConfigSpecEx, ClusterDasVmConfigInfo,
    ClusterDasVmConfigSpec, ClusterDasVmSettings, ClusterDpmHostConfigInfo, ClusterDpmHostConfigSpec,
    ClusterFailoverHostAdmissionControlPolicy, ClusterGroupInfo, ClusterGroupSpec, ClusterHostGroup,
    ClusterReconfiguredEvent, ClusterResourceUsageSummary, ClusterRuleInfo, ClusterRuleSpec, ClusterVmHostRuleInfo,
    ComputeResourceConfigSpec, Datastore, Event, EventManager, FolderBatchAddStandaloneHostsResult, FolderNewHostSpec,
    HostConnectSpec, HostSystem, InvalidArgument, ManagedObjectNotFound, OptionValue, ResourceInUse, VirtualMachine,
    VsanHostClusterStatus, VsanHostConfigInfo,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Error};

use crate::inventory::{found, morefs};
use crate::{check_fault, create, start};

fn spec(fill: impl FnOnce(&mut ClusterConfigSpecEx)) -> ClusterConfigSpecEx {
    ClusterConfigSpecEx::with(fill)
}

fn request(spec: ClusterConfigSpecEx, modify: bool) -> ReconfigureComputeResourceTask {
    ReconfigureComputeResourceTask::with(|request| {
        request.set_spec(spec).set_modify(modify);
    })
}

/// Reconfigures incrementally.
async fn change(client: &Client, cluster: &Moref, fill: impl FnOnce(&mut ClusterConfigSpecEx)) -> Result<Value, Error> {
    client.run(cluster, request(spec(fill), true)).await
}

async fn config(client: &Client, cluster: &Moref) -> ClusterConfigInfoEx {
    let value = client.property(cluster, "configurationEx").await.unwrap();
    value.object().and_then(ClusterConfigInfoEx::from_ref).cloned().expect("a cluster's configuration")
}

async fn old_config(client: &Client, cluster: &Moref) -> ClusterConfigInfo {
    let value = client.property(cluster, "configuration").await.unwrap();
    value.object().and_then(ClusterConfigInfo::from_ref).cloned().expect("a cluster's configuration")
}

fn group_spec(operation: ArrayUpdateOperation, group: impl View) -> ClusterGroupSpec {
    let group = ClusterGroupInfo::from_object(group.into()).expect("a group");
    ClusterGroupSpec::with(|spec| {
        spec.set_info(group).set_operation(operation);
    })
}

fn hosts_group(name: &str, hosts: &[Moref]) -> ClusterHostGroup {
    ClusterHostGroup::with(|group| {
        group.set_host(hosts.iter().cloned()).set_name(name);
    })
}

fn rule_spec(operation: ArrayUpdateOperation, rule: impl View) -> ClusterRuleSpec {
    let rule = ClusterRuleInfo::from_object(rule.into()).expect("a rule");
    ClusterRuleSpec::with(|spec| {
        spec.set_info(rule).set_operation(operation);
    })
}

fn remove_rule(key: impl Into<Value>) -> ClusterRuleSpec {
    ClusterRuleSpec::with(|spec| {
        spec.set_operation(ArrayUpdateOperation::Remove).set_remove_key(key);
    })
}

fn host_rule(name: &str, group: &str) -> ClusterVmHostRuleInfo {
    ClusterVmHostRuleInfo::with(|rule| {
        rule.set_affine_host_group_name(group).set_name(name);
    })
}

#[tokio::test]
async fn what_a_specification_leaves_out_stays_or_returns_to_its_default() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    change(&client, &cluster, |spec| {
        spec.das_config_mut().set_enabled(true).set_admission_control_enabled(false);
        spec.drs_config_mut().set_default_vm_behavior(DrsBehavior::Manual);
        spec.infra_update_ha_config_mut().set_enabled(true);
        spec.set_vm_swap_placement("hostLocal");
    })
    .await
    .unwrap();
    change(&client, &cluster, |spec| _ = spec.drs_config_mut().set_vmotion_rate(1)).await.unwrap();
    let seen = config(&client, &cluster).await;
    assert_eq!(seen.das_config().enabled(), Some(true));
    assert_eq!(seen.das_config().host_monitoring().map(|state| state.as_str()), Some("enabled"));
    assert_eq!((seen.drs_config().enabled(), seen.drs_config().vmotion_rate()), (Some(true), Some(1)));
    assert_eq!(seen.vm_swap_placement(), "hostLocal");
    let old = old_config(&client, &cluster).await;
    assert_eq!(old.das_config().as_object(), seen.das_config().as_object());
    assert_eq!(old.drs_config().default_vm_behavior(), Some(DrsBehavior::Manual));

    client.run(&cluster, request(spec(|spec| _ = spec.drs_config_mut().set_enabled(true)), false)).await.unwrap();
    let seen = config(&client, &cluster).await;
    assert_eq!(seen.das_config().enabled(), Some(false));
    assert_eq!(seen.drs_config().default_vm_behavior(), Some(DrsBehavior::FullyAutomated));
    assert_eq!(seen.vm_swap_placement(), "vmDirectory");
    assert!(seen.infra_update_ha_config().is_none());
}

#[tokio::test]
async fn the_old_specification_leaves_the_newer_half_alone() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    change(&client, &cluster, |spec| {
        spec.push_group_spec(group_spec(ArrayUpdateOperation::Add, hosts_group("g", &hosts[..1])));
        spec.das_config_mut().set_enabled(true);
    })
    .await
    .unwrap();
    let old = ReconfigureClusterTask::with(|request| {
        request.set_modify(false);
        request.spec_mut().drs_config_mut().set_enabled(true);
    });
    client.run(&cluster, old).await.unwrap();
    let seen = config(&client, &cluster).await;
    assert_eq!((seen.group().len(), seen.das_config().enabled()), (1, Some(false)));

    let folder = client.property(&cluster, "parent").await.unwrap().moref().expect("a folder");
    let new = CreateCluster::with(|request| {
        request.set_name("old");
        request.set_spec(ClusterConfigSpec::with(|spec| _ = spec.das_config_mut().set_enabled(true)));
    });
    let new = create(&client, &folder, new).await;
    assert_eq!(config(&client, &new).await.das_config().enabled(), Some(true));
}

#[tokio::test]
async fn options_are_replaced_one_by_one() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let set = |key: &'static str, value: &'static str| {
        let option = OptionValue::with(|option| {
            option.set_key(key).set_value(Value::from(value));
        });
        change(&client, &cluster, move |spec| _ = spec.das_config_mut().set_option([option]))
    };
    set("das.isolationaddress0", "10.0.0.1").await.unwrap();
    set("das.ignoreRedundantNetWarning", "true").await.unwrap();
    assert_eq!(config(&client, &cluster).await.das_config().option().len(), 2);
    set("das.isolationaddress0", "").await.unwrap();
    let left = config(&client, &cluster).await;
    let left: Vec<_> = left.das_config().option().iter().map(|option| option.key().to_string()).collect();
    assert_eq!(left, ["das.ignoreRedundantNetWarning"]);
}

#[tokio::test]
async fn groups_are_added_edited_and_removed() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    let standalone = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let put = |operation, hosts: &[Moref]| {
        let group = group_spec(operation, hosts_group("g", hosts));
        change(&client, &cluster, move |spec| _ = spec.push_group_spec(group))
    };
    let members = async || {
        let config = config(&client, &cluster).await;
        let group = config.group().first().and_then(|group| group.downcast::<ClusterHostGroup>()).cloned();
        group.map(|group| group.host().iter().collect::<Vec<_>>())
    };
    check_fault::<InvalidArgument>(put(ArrayUpdateOperation::Edit, &hosts).await);
    check_fault::<InvalidArgument>(put(ArrayUpdateOperation::Add, &[standalone]).await);
    let nothing = Moref::of::<HostSystem>("host-0");
    check_fault::<ManagedObjectNotFound>(put(ArrayUpdateOperation::Add, &[nothing]).await);
    put(ArrayUpdateOperation::Add, &hosts[..1]).await.unwrap();
    check_fault::<InvalidArgument>(put(ArrayUpdateOperation::Add, &hosts[..1]).await);
    let before = config(&client, &cluster).await;
    let before = before.group().first().expect("a group");
    assert_eq!(before.user_created(), Some(true));
    put(ArrayUpdateOperation::Edit, &hosts[1..]).await.unwrap();
    assert_eq!(members().await.as_deref(), Some(&hosts[1..]));
    let after = config(&client, &cluster).await;
    assert_eq!(after.group().first().and_then(|group| group.unique_id()), before.unique_id());

    // A host that leaves the inventory leaves its groups.
    client.run(&hosts[2], EnterMaintenanceModeTask::with(|request| _ = request.set_timeout(0))).await.unwrap();
    client.run(&hosts[2], DestroyTask::new()).await.unwrap();
    assert_eq!(members().await.as_deref(), Some(&hosts[1..2]));

    let remove = |name: &'static str| {
        let removal = ClusterGroupSpec::with(|spec| {
            spec.set_operation(ArrayUpdateOperation::Remove).set_remove_key(name);
        });
        change(&client, &cluster, move |spec| _ = spec.push_group_spec(removal))
    };
    check_fault::<InvalidArgument>(remove("other").await);
    remove("g").await.unwrap();
    assert_eq!(members().await, None);
}

#[tokio::test]
async fn hosts_that_are_gone_are_in_no_part_of_the_configuration() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    let name = |hosts: Vec<Moref>| {
        let host = |host: Moref| VsanHostConfigInfo::with(|info| _ = info.set_host_system(host));
        let policy = ClusterFailoverHostAdmissionControlPolicy::with(|it| _ = it.set_failover_hosts(hosts.clone()));
        change(&client, &cluster, move |spec| {
            spec.set_vsan_host_config_spec(hosts.into_iter().map(host));
            spec.das_config_mut().set_admission_control_policy(policy);
        })
    };
    check_fault::<ManagedObjectNotFound>(name(vec![Moref::of::<HostSystem>("host-0")]).await);
    let standalone = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    check_fault::<InvalidArgument>(name(vec![standalone]).await);
    name(hosts.clone()).await.unwrap();

    client.run(&hosts[2], EnterMaintenanceModeTask::with(|request| _ = request.set_timeout(0))).await.unwrap();
    client.run(&hosts[2], DestroyTask::new()).await.unwrap();
    let config = config(&client, &cluster).await;
    let of_vsan: Vec<Option<Moref>> = config.vsan_host_config().iter().map(|info| info.host_system()).collect();
    assert_eq!(of_vsan, [Some(hosts[0].clone()), Some(hosts[1].clone())]);
    let policy = config.das_config().admission_control_policy().and_then(|policy| policy.downcast());
    let policy: &ClusterFailoverHostAdmissionControlPolicy = policy.expect("a policy");
    assert_eq!(policy.failover_hosts().iter().collect::<Vec<_>>(), hosts[..2]);
}

#[tokio::test]
async fn rules_have_keys_of_their_own() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    let put = |rules: Vec<ClusterRuleSpec>| {
        change(&client, &cluster, move |spec| {
            spec.set_rules_spec(rules);
        })
    };
    let add = |name: &str| rule_spec(ArrayUpdateOperation::Add, host_rule(name, "g"));
    check_fault::<InvalidArgument>(put(vec![add("a")]).await);
    let group = group_spec(ArrayUpdateOperation::Add, hosts_group("g", &hosts));
    change(&client, &cluster, |spec| {
        spec.push_group_spec(group).push_rules_spec(add("a")).push_rules_spec(add("b"));
    })
    .await
    .unwrap();
    check_fault::<InvalidArgument>(put(vec![add("a")]).await);
    check_fault::<InvalidArgument>(put(vec![remove_rule(9)]).await);
    check_fault::<InvalidArgument>(put(vec![remove_rule("a")]).await);
    put(vec![remove_rule(2), add("c")]).await.unwrap();
    let keys = async || {
        let config = config(&client, &cluster).await;
        config.rule().iter().map(|rule| (rule.key(), rule.name().cloned())).collect::<Vec<_>>()
    };
    assert_eq!(keys().await, [(Some(1), Some("a".into())), (Some(3), Some("c".into()))]);

    // A key names the rule, so that its name can change.
    let mut renamed = host_rule("new", "g");
    renamed.set_key(3).set_enabled(true);
    put(vec![rule_spec(ArrayUpdateOperation::Edit, renamed)]).await.unwrap();
    assert_eq!(keys().await[1], (Some(3), Some("new".into())));
    let rule = config(&client, &cluster).await;
    let rule = rule.rule().get(1).expect("two rules");
    assert_eq!((rule.enabled(), rule.user_created(), rule.in_compliance()), (Some(true), Some(true), Some(true)));
    assert!(rule.rule_uuid().is_some());
    // All or nothing: one bad change undoes the good ones.
    check_fault::<InvalidArgument>(put(vec![add("d"), add("d")]).await);
    assert_eq!(keys().await.len(), 2);
}

#[tokio::test]
async fn overrides_are_for_machines_and_hosts_of_the_cluster() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    let dpm = |operation, host: &Moref, enabled: Option<bool>| {
        let spec = ClusterDpmHostConfigSpec::with(|spec| {
            spec.set_operation(operation);
            spec.set_info(ClusterDpmHostConfigInfo::with(|info| {
                info.set_key(host.clone()).set_enabled(enabled);
            }));
        });
        change(&client, &cluster, move |change| _ = change.push_dpm_host_config_spec(spec))
    };
    dpm(ArrayUpdateOperation::Add, &hosts[0], Some(true)).await.unwrap();
    check_fault::<InvalidArgument>(dpm(ArrayUpdateOperation::Add, &hosts[0], None).await);
    check_fault::<InvalidArgument>(dpm(ArrayUpdateOperation::Edit, &hosts[1], None).await);
    dpm(ArrayUpdateOperation::Edit, &hosts[0], None).await.unwrap();
    let seen = config(&client, &cluster).await;
    assert_eq!(seen.dpm_host_config().first().and_then(|info| info.enabled()), Some(true));
    let machine = ClusterDasVmConfigSpec::with(|spec| {
        spec.set_operation(ArrayUpdateOperation::Add);
        spec.set_info(ClusterDasVmConfigInfo::with(|info| {
            info.set_key(Moref::of::<VirtualMachine>("vm-0"));
            info.set_das_settings(ClusterDasVmSettings::with(|settings| _ = settings.set_restart_priority("high")));
        }));
    });
    check_fault::<ManagedObjectNotFound>(
        change(&client, &cluster, |spec| _ = spec.push_das_vm_config_spec(machine)).await,
    );
}

#[tokio::test]
async fn values_that_do_not_exist_are_refused() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let standalone = found(&client, "DC0/host/DC0_H0").await;
    let refused = async |fill: fn(&mut ClusterConfigSpecEx)| {
        check_fault::<InvalidArgument>(change(&client, &cluster, fill).await);
    };
    refused(|spec| _ = spec.set_vm_swap_placement("nowhere")).await;
    refused(|spec| _ = spec.das_config_mut().set_vm_monitoring("sometimes")).await;
    refused(|spec| _ = spec.drs_config_mut().set_vmotion_rate(6)).await;
    refused(|spec| _ = spec.das_config_mut().default_vm_settings_mut().set_isolation_response("panic")).await;
    check_fault::<InvalidArgument>(client.run(&standalone, request(ClusterConfigSpecEx::new(), true)).await);

    let plain = ReconfigureComputeResourceTask::with(|request| {
        request.set_modify(true);
        request.set_spec(ComputeResourceConfigSpec::with(|spec| _ = spec.set_vm_swap_placement("hostLocal")));
    });
    for moref in [&cluster, &standalone] {
        client.run(moref, plain.clone()).await.unwrap();
        let placement = client.property(moref, "configurationEx.vmSwapPlacement").await.unwrap();
        assert_eq!(placement.text(), Some("hostLocal"));
    }
}

#[tokio::test]
async fn reconfiguring_is_told_in_an_event() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    change(&client, &cluster, |spec| _ = spec.das_config_mut().set_enabled(true)).await.unwrap();
    let latest = client.property(&Moref::of::<EventManager>("EventManager"), "latestEvent").await.unwrap();
    let event = latest.object().and_then(Event::from_ref).expect("an event");
    assert!(event.as_object().is::<ClusterReconfiguredEvent>());
    assert_eq!(event.compute_resource().map(|argument| argument.compute_resource()), Some(cluster));
}

#[tokio::test]
async fn usage_adds_up() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let usage = client.call(&cluster, GetResourceUsage::new()).await.unwrap();
    let usage = usage.object().and_then(ClusterResourceUsageSummary::from_ref).expect("a usage").clone();
    let total = client.property(&cluster, "summary.totalCpu").await.unwrap();
    assert_eq!(Value::Int(usage.cpu_capacity_mhz()), total);
    assert!(usage.mem_used_mb() <= usage.mem_capacity_mb() && usage.storage_used_mb() <= usage.storage_capacity_mb());

    let runtime = async || client.call(&cluster, RetrieveDasAdvancedRuntimeInfo::new()).await.unwrap();
    assert!(runtime().await.is_unset());
    change(&client, &cluster, |spec| _ = spec.das_config_mut().set_enabled(true)).await.unwrap();
    assert!(!runtime().await.is_unset());
}

#[tokio::test]
async fn hosts_are_added_in_batches() {
    let (_simulator, client) = start().await;
    let folder = found(&client, "DC0/host").await;
    let new = |name: &str| {
        FolderNewHostSpec::with(|spec| {
            spec.set_host_cnx_spec(HostConnectSpec::with(|spec| {
                spec.set_host_name(name).set_force(false);
            }));
        })
    };
    let request = BatchAddStandaloneHostsTask::with(|request| {
        request.set_new_hosts([new("h1"), new("DC0_H0"), new("h2")]).set_add_connected(true);
    });
    let result = client.run(&folder, request).await.unwrap();
    let result = result.object().and_then(FolderBatchAddStandaloneHostsResult::from_ref).expect("a result").clone();
    assert_eq!(result.added_hosts().len(), 2);
    let failed: Vec<_> = result.hosts_failed_inventory_add().iter().map(|failed| failed.host_name().cloned()).collect();
    assert_eq!(failed, [Some("DC0_H0".into())]);
    found(&client, "DC0/host/h2").await;
}

#[tokio::test]
async fn a_vsan_cluster_has_a_datastore_of_its_own() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let standalone = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let enable = |enabled| change(&client, &cluster, move |spec| _ = spec.vsan_config_mut().set_enabled(enabled));
    enable(true).await.unwrap();
    let datastore = found(&client, "DC0/datastore/vsanDatastore").await;
    assert!(morefs(&client, &cluster, "datastore").await.contains(&datastore));
    let kind = client.property(&datastore, "summary.type").await.unwrap();
    assert_eq!(kind.text(), Some("vsan"));
    let into = MoveIntoTask::with(|request| _ = request.set_host([standalone.clone()]));
    client.run(&cluster, into).await.unwrap();
    assert!(morefs(&client, &standalone, "datastore").await.contains(&datastore));
    let mounts = client.property(&datastore, "host").await.unwrap();
    assert_eq!(mounts.items().len(), 4);
    assert_eq!(client.property(&datastore, "summary.capacity").await.unwrap(), Value::Long(4 << 40));
    enable(false).await.unwrap();
    check_fault::<ManagedObjectNotFound>(client.property(&datastore, "name").await);
    assert!(!morefs(&client, &standalone, "datastore").await.contains(&datastore));
}

#[tokio::test]
async fn a_host_tells_its_part_in_vsan() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let status = async |host: &str| {
        let host = found(&client, &format!("DC0/host/DC0_C0/{host}")).await;
        let system = client.property(&host, "configManager.vsanSystem").await.unwrap().moref().unwrap();
        let status = client.call(&system, QueryHostStatus::new()).await.unwrap();
        let status = VsanHostClusterStatus::from_ref(status.object().unwrap()).unwrap().clone();
        let state = status.node_state().state().to_string();
        (status.health().to_string(), state, status.member_uuid().len(), status.uuid().is_some())
    };
    assert_eq!(status("DC0_C0_H0").await, ("unknown".into(), "disabled".into(), 0, false));
    change(&client, &cluster, |spec| _ = spec.vsan_config_mut().set_enabled(true)).await.unwrap();
    for (host, state) in [("DC0_C0_H0", "master"), ("DC0_C0_H1", "backup"), ("DC0_C0_H2", "agent")] {
        assert_eq!(status(host).await, ("healthy".into(), state.into(), 3, true), "{host}");
    }
}

#[tokio::test]
async fn a_host_whose_machine_is_on_the_vsan_datastore_stays_in_its_cluster() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    change(&client, &cluster, |spec| _ = spec.vsan_config_mut().set_enabled(true)).await.unwrap();
    let datastore = found(&client, "DC0/datastore/vsanDatastore").await;
    let machine = found(&client, "DC0/vm/DC0_C0_RP0_VM0").await;
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    let to = RelocateVMTask::with(|request| _ = request.spec_mut().set_datastore(datastore));
    client.run(&machine, to).await.unwrap();
    let host = client.property(&machine, "runtime.host").await.unwrap().moref().unwrap();
    let enter = EnterMaintenanceModeTask::with(|request| _ = request.set_timeout(0));
    client.run(&host, enter).await.unwrap();
    let hosts = found(&client, "DC0/host").await;
    let other = create(
        &client,
        &hosts,
        CreateCluster::with(|request| _ = request.set_name("other").set_spec(ClusterConfigSpec::new())),
    )
    .await;
    let into = || MoveIntoTask::with(|request| _ = request.set_host([host.clone()]));
    check_fault::<ResourceInUse>(client.run(&other, into()).await);
    let away = RelocateVMTask::with(|request| {
        request.spec_mut().set_datastore(Moref::of::<Datastore>("datastore-59"));
    });
    client.run(&machine, away).await.unwrap();
    client.run(&other, into()).await.unwrap();
}
