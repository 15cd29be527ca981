//! The ESX Agent Manager: agencies, their agents, and the virtual machines of these.

use vimsim::types::method::{
    AddIssue, AgencyDisable, AgencyQueryRuntime, AgentQueryConfig, AgentQueryRuntime, CreateAgency, DestroyAgency,
    DestroyTask, GetMaintenanceModePolicy, QueryAgency, QueryAgent, QueryIssue, RegisterAgentVm, Resolve,
    SetMaintenanceModePolicy, UnregisterAgentVm, Update,
};
use vimsim::types::views::{
    AgencyComputeResourceScope, AgencyConfigInfo, AgentConfigInfo, AgentRuntimeInfo, EsxAgentManager,
    InvalidAgencyScope, InvalidArgument, OrphanedAgency,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Simulator};

use crate::inventory::found;
use crate::{check_fault, start};

fn at(simulator: &Simulator, client: &Client) -> Client {
    Client::at(simulator, "/eam/sdk").with_session(&client.session().expect("has logged in"))
}

fn manager() -> Moref {
    Moref::of::<EsxAgentManager>("EsxAgentManager")
}

fn agents(number: usize) -> Vec<AgentConfigInfo> {
    let agent = || AgentConfigInfo::with(|agent| _ = agent.set_ovf_package_url("http://nowhere/agent.ovf"));
    std::iter::repeat_with(agent).take(number).collect()
}

async fn pooled(client: &Client) -> AgencyConfigInfo {
    let cluster = found(client, "DC0/host/DC0_C0").await;
    let pool = client.property(&cluster, "resourcePool").await.unwrap().moref().unwrap();
    AgencyConfigInfo::with(|config| {
        config.set_agency_name("guard").set_agent_config(agents(2));
        config.set_resource_pools([vimsim::types::views::AgencyVMResourcePool::with(|it| {
            it.set_resource_pool_id(pool).set_compute_resource_id(cluster);
        })]);
    })
}

fn create(config: AgencyConfigInfo) -> CreateAgency {
    CreateAgency::with(|request| _ = request.set_agency_config_info(config).set_initial_goal_state("enabled"))
}

async fn list(eam: &Client, agency: &Moref) -> Vec<Moref> {
    let answer = eam.call(agency, QueryAgent::new()).await.unwrap();
    answer.items().iter().filter_map(Value::moref).collect()
}

async fn runtime(eam: &Client, agent: &Moref) -> AgentRuntimeInfo {
    let answer = eam.call(agent, AgentQueryRuntime::new()).await.unwrap();
    AgentRuntimeInfo::from_ref(answer.object().unwrap()).unwrap().clone()
}

#[tokio::test]
async fn an_agency_has_agents_with_machines() {
    let (simulator, client) = start().await;
    let eam = at(&simulator, &client);
    let agency = crate::create(&eam, &manager(), create(pooled(&client).await)).await;
    let all = eam.call(&manager(), QueryAgency::new()).await.unwrap();
    assert_eq!(all.items().iter().filter_map(Value::moref).collect::<Vec<_>>(), [agency.clone()]);
    let agents = list(&eam, &agency).await;
    assert_eq!(agents.len(), 2);
    let first = runtime(&eam, &agents[0]).await;
    assert_eq!(first.vm_name(), "guard (1)");
    assert_eq!(first.agency(), Some(agency.clone()));
    let machine = found(&client, "DC0/vm/guard (1)").await;
    assert_eq!(first.vm(), Some(machine.clone()));
    let config = eam.call(&agents[1], AgentQueryConfig::new()).await.unwrap();
    assert_eq!(config.object().unwrap().field("ovfPackageUrl").text(), Some("http://nowhere/agent.ovf"));

    // An agent whose machine is gone gets another.
    client.run(&machine, DestroyTask::new()).await.unwrap();
    let again = async {
        while runtime(&eam, &agents[0]).await.vm().is_none() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), again).await.unwrap();
    assert_ne!(runtime(&eam, &agents[0]).await.vm(), Some(machine));

    eam.call(&agency, AgencyDisable::new()).await.unwrap();
    let state = eam.call(&agency, AgencyQueryRuntime::new()).await.unwrap();
    assert_eq!(state.object().unwrap().field("goalState").text(), Some("disabled"));
    let fewer = Update::with(|request| {
        request
            .set_config(AgencyConfigInfo::with(|config| _ = config.set_agency_name("guard").set_agent_name("guard")));
    });
    eam.call(&agency, fewer).await.unwrap();
    assert!(list(&eam, &agency).await.is_empty());
    eam.call(&agency, DestroyAgency::new()).await.unwrap();
    assert!(eam.call(&manager(), QueryAgency::new()).await.unwrap().items().is_empty());
}

#[tokio::test]
async fn an_agency_of_a_cluster_has_an_agent_on_each_host() {
    let (simulator, client) = start().await;
    let eam = at(&simulator, &client);
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let scoped = |resource: Moref| {
        AgencyConfigInfo::with(|config| {
            config.set_agency_name("guard").set_agent_config(agents(1));
            config.set_scope(AgencyComputeResourceScope::with(|scope| _ = scope.set_compute_resource([resource])));
        })
    };
    let agency = crate::create(&eam, &manager(), create(scoped(cluster))).await;
    let mut hosts = Vec::new();
    for agent in list(&eam, &agency).await {
        hosts.push(runtime(&eam, &agent).await.host().unwrap().value().to_string());
    }
    hosts.dedup();
    assert_eq!(hosts.len(), 3);
    let nowhere = Moref::of::<vimsim::types::views::ComputeResource>("domain-s999");
    check_fault::<InvalidAgencyScope>(eam.call(&manager(), create(scoped(nowhere))).await);
    let aimless = AgencyConfigInfo::with(|config| _ = config.set_agent_config(agents(1)));
    check_fault::<InvalidAgencyScope>(eam.call(&manager(), create(aimless)).await);

    // A machine that somebody made becomes an agent's, and stays when it no longer is.
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let register = RegisterAgentVm::with(|request| _ = request.set_agent_vm(machine.clone()));
    let agent = crate::create(&eam, &agency, register).await;
    assert_eq!(runtime(&eam, &agent).await.vm(), Some(machine.clone()));
    let unregister = UnregisterAgentVm::with(|request| _ = request.set_agent_vm(machine.clone()));
    eam.call(&agency, unregister).await.unwrap();
    assert_eq!(list(&eam, &agency).await.len(), 3);
    found(&client, "DC0/vm/DC0_H0_VM0").await;
}

#[tokio::test]
async fn issues_are_added_and_resolved() {
    let (simulator, client) = start().await;
    let eam = at(&simulator, &client);
    let config = AgencyConfigInfo::with(|config| _ = config.set_agency_name("guard"));
    let agency = crate::create(&eam, &manager(), create(config)).await;
    let orphaned = |agency: &Moref| {
        let issue = OrphanedAgency::with(|issue| {
            issue.set_agency(agency.clone()).set_agency_name("guard").set_solution_id("s").set_solution_name("s");
        });
        AddIssue::with(|request| _ = request.set_issue(issue))
    };
    let issue = eam.call(&agency, orphaned(&agency)).await.unwrap();
    let issue = issue.object().unwrap();
    assert_eq!((issue.kind().name(), issue.field("key").clone()), ("OrphanedAgency", Value::Int(1)));
    let other = Moref::of::<vimsim::types::views::Agency>("other");
    check_fault::<InvalidArgument>(eam.call(&agency, orphaned(&other)).await);
    let known = async || eam.call(&agency, QueryIssue::new()).await.unwrap().items().len();
    assert_eq!(known().await, 1);
    let status = eam.call(&agency, AgencyQueryRuntime::new()).await.unwrap();
    assert_eq!(status.object().unwrap().field("status").text(), Some("yellow"));
    let resolve = Resolve::with(|request| _ = request.set_issue_key([1, 7]));
    let unknown = eam.call(&agency, resolve).await.unwrap();
    assert_eq!(unknown.items(), [Value::Int(7)]);
    assert_eq!(known().await, 0);
}

#[tokio::test]
async fn the_manager_wants_a_session_and_keeps_its_policy() {
    let (simulator, client) = start().await;
    let eam = at(&simulator, &client);
    let stranger = Client::at(&simulator, "/eam/sdk");
    let error = stranger.call(&manager(), QueryAgency::new()).await.expect_err("no session");
    assert_eq!(error.fault().unwrap().detail().as_object().kind().name(), "EamInvalidLogin");
    let policy = async || eam.call(&manager(), GetMaintenanceModePolicy::new()).await.unwrap();
    assert_eq!(policy().await.text(), Some("singleHost"));
    let set = |policy: &str| SetMaintenanceModePolicy::with(|request| _ = request.set_policy(policy));
    eam.call(&manager(), set("multipleHosts")).await.unwrap();
    assert_eq!(policy().await.text(), Some("multipleHosts"));
    check_fault::<InvalidArgument>(eam.call(&manager(), set("all")).await);
}
