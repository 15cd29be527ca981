//! vSphere HA, as the hosts of a cluster show it.

use vimsim::Client;
use vimsim::types::enums::EventFilterSpecRecursionOption;
use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{Moref, TypeId, Value, View};

use crate::inventory::{found, morefs};
use crate::{check_fault, start};

async fn switch(client: &Client, cluster: &Moref, on: bool) {
    let request = ReconfigureComputeResourceTask::with(|request| {
        let spec = ClusterConfigSpecEx::with(|spec| _ = spec.das_config_mut().set_enabled(on));
        request.set_modify(true).set_spec(spec);
    });
    client.run(cluster, request).await.unwrap();
}

async fn maintain(client: &Client, host: &Moref, on: bool) {
    let enter = EnterMaintenanceModeTask::with(|request| _ = request.set_timeout(0));
    let exit = ExitMaintenanceModeTask::with(|request| _ = request.set_timeout(0));
    match on {
        true => client.run(host, enter).await.unwrap(),
        false => client.run(host, exit).await.unwrap(),
    };
}

/// The state of a host's agent, and who says so.
async fn state(client: &Client, host: &Moref) -> Option<(String, Option<Moref>)> {
    let state = client.property(host, "runtime.dasHostState").await.unwrap();
    let state = ClusterDasFdmHostState::from_object(state.object()?.clone()).expect("a state");
    Some((state.state().to_string(), state.state_reporter()))
}

async fn states(client: &Client, hosts: &[Moref]) -> Vec<String> {
    let mut states = Vec::new();
    for host in hosts {
        states.push(state(client, host).await.map(|(state, _)| state).unwrap_or_default());
    }
    states
}

/// How many events of a type happened to an entity.
async fn events(client: &Client, entity: &Moref, kind: TypeId) -> usize {
    let request = QueryEvents::with(|request| {
        let filter = request.filter_mut();
        filter.set_event_type_id([kind.name()]);
        filter.entity_mut().set_entity(entity.clone()).set_recursion(EventFilterSpecRecursionOption::Self_);
    });
    client.call(&Moref::of::<EventManager>("EventManager"), request).await.unwrap().items().len()
}

#[tokio::test]
async fn one_of_the_hosts_that_work_is_the_master() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    assert_eq!(states(&client, &hosts).await, ["", "", ""]);
    switch(&client, &cluster, true).await;
    assert_eq!(states(&client, &hosts).await, ["master", "connectedToMaster", "connectedToMaster"]);
    assert_eq!(state(&client, &hosts[1]).await.unwrap().1, Some(hosts[0].clone()));
    let shown = client.property(&hosts[1], "summary.runtime.dasHostState.state").await.unwrap();
    assert_eq!(shown.text(), Some("connectedToMaster"));
    assert_eq!(events(&client, &cluster, DasEnabledEvent::TYPE).await, 1);
    assert_eq!(events(&client, &hosts[2], HostDasEnabledEvent::TYPE).await, 1);

    maintain(&client, &hosts[0], true).await;
    assert_eq!(states(&client, &hosts).await, ["", "master", "connectedToMaster"]);
    maintain(&client, &hosts[0], false).await;
    assert_eq!(states(&client, &hosts).await, ["connectedToMaster", "master", "connectedToMaster"]);
    client.run(&hosts[1], DisconnectHostTask::new()).await.unwrap();
    assert_eq!(states(&client, &hosts).await, ["master", "", "connectedToMaster"]);
    let standalone = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    assert_eq!(state(&client, &standalone).await, None);

    switch(&client, &cluster, false).await;
    assert_eq!(states(&client, &hosts).await, ["", "", ""]);
    assert_eq!(events(&client, &hosts[2], HostDasDisabledEvent::TYPE).await, 1);
    assert_eq!(events(&client, &hosts[1], HostDasDisabledEvent::TYPE).await, 0, "it was not there");
}

#[tokio::test]
async fn a_host_that_leaves_its_cluster_has_no_agent() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    switch(&client, &cluster, true).await;
    let other = CreateClusterEx::with(|request| _ = request.set_name("other").set_spec(ClusterConfigSpecEx::new()));
    let other = client.call(&found(&client, "DC0/host").await, other).await.unwrap().moref().unwrap();
    for machine in morefs(&client, &hosts[0], "vm").await {
        client.run(&machine, PowerOffVMTask::new()).await.unwrap();
        client.run(&machine, DestroyTask::new()).await.unwrap();
    }
    maintain(&client, &hosts[0], true).await;
    let into = MoveIntoTask::with(|request| _ = request.set_host([hosts[0].clone()]));
    client.run(&other, into).await.unwrap();
    maintain(&client, &hosts[0], false).await;
    assert_eq!(states(&client, &hosts).await, ["", "master", "connectedToMaster"]);
    switch(&client, &other, true).await;
    assert_eq!(states(&client, &hosts).await, ["master", "master", "connectedToMaster"]);
}

#[tokio::test]
async fn a_host_is_set_up_for_high_availability_again() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    let again = ReconfigureHostForDASTask::new;
    let standalone = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    check_fault::<DasConfigFault>(client.run(&standalone, again()).await);
    check_fault::<DasConfigFault>(client.run(&hosts[0], again()).await);
    switch(&client, &cluster, true).await;
    assert_eq!(client.run(&hosts[0], again()).await.unwrap(), Value::Unset);
    assert_eq!(events(&client, &hosts[0], HostDasEnablingEvent::TYPE).await, 2);
    assert_eq!(events(&client, &hosts[0], HostDasEnabledEvent::TYPE).await, 2);
    assert_eq!(events(&client, &hosts[1], HostDasEnabledEvent::TYPE).await, 1);
    assert_eq!(states(&client, &hosts).await, ["master", "connectedToMaster", "connectedToMaster"]);
    client.run(&hosts[0], DisconnectHostTask::new()).await.unwrap();
    check_fault::<HostNotConnected>(client.run(&hosts[0], again()).await);
}
