//! `Agency`: the agents that a solution has on hosts, made after one pattern.
//!
//! Each agent is a virtual machine without devices of its own. Where the configuration names pools, there is one agent for
//! each `agentConfig`, as vcsim has it; where it only names compute resources, there is one on each of their hosts.
// Fidelity: the machines are not started, and go on when the agency is disabled or uninstalled, as in vcsim: its clients start
// them themselves.

use vimsim_types::method::{
    AddIssue, AgencyDisable, AgencyEnable, AgencyQueryRuntime, DestroyAgency, QueryAgent, QueryConfig, QuerySolutionId,
    RegisterAgentVm, Uninstall, UnregisterAgentVm, Update,
};
use vimsim_types::views::{
    Agency, AgencyComputeResourceScope, AgencyConfigInfo, AgencyIssue, Agent, AgentConfigInfo, AgentIssue,
    ComputeResource, Datacenter, Datastore, EamObjectRuntimeInfo, EsxAgentManager, Folder, HostSystem,
    InvalidAgencyScope, Issue, OptionValue, ResourcePool, VirtualMachine, VirtualMachineConfigSpec,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::esx_agent_manager::{self, Kept};
use super::{eam_object, managed_entity, virtual_machine};
use crate::call::{Call, Context, Look, not_found};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<Agency> {
    eam_object::methods(Kind::new())
        .read(query_solution_id)
        .read(query_config)
        .read(agency_query_runtime)
        .read(query_agent)
        .write(update)
        .write(register_agent_vm)
        .write(unregister_agent_vm)
        .write(enable)
        .write(disable)
        .write(uninstall)
        .write(destroy_agency)
        .write(add_issue)
}

/// What `EamObjectRuntimeInfoGoalState` knows.
pub(crate) const GOALS: [&str; 3] = ["enabled", "disabled", "uninstalled"];

/// Where an agent is to be, and as what.
struct Place {
    config: AgentConfigInfo,
    pool: Moref,
    host: Moref,
    folder: Moref,
    datastore: Moref,
}

/// Makes an agency with its agents.
///
/// - `InvalidAgencyScope` for compute resources that there are not, or none with pools neither; `InvalidArgument` for a pool
///   without hosts; `ManagedObjectNotFound`, and what creating a virtual machine raises.
pub(crate) fn create(
    call: &mut Call<'_, EsxAgentManager>,
    mut config: AgencyConfigInfo,
    goal: &str,
) -> Result<Moref, Fault> {
    if config.agent_name().is_none_or(|name| name.is_empty()) {
        let name = config.agency_name().cloned();
        config.set_agent_name(name);
    }
    check_scope(&**call, &config)?;
    let user = call.context().user();
    let moref = Moref::of::<Agency>(new_id(call, "Agency")?);
    let agency = Agency::with(|agency| {
        agency.set_solution_id(&user).set_owner(&user);
        agency.set_config(config);
        agency.set_runtime(EamObjectRuntimeInfo::with(|runtime| {
            runtime.set_status("green").set_goal_state(goal).set_entity(moref.clone());
        }));
    });
    call.insert(moref.clone(), agency);
    complete(&mut call.on(&moref))?;
    Ok(moref)
}

fn new_id<T>(call: &mut Call<'_, T>, what: &str) -> Result<ArcStr, Fault> {
    let kept = call.private::<Kept>(&esx_agent_manager::moref())?;
    kept.made += 1;
    Ok(crate::uuid::named(&format!("{what}/{}", kept.made)).into())
}

/// - `InvalidAgencyScope` with the compute resources that there are not.
fn check_scope(inventory: &impl Inventory, config: &AgencyConfigInfo) -> Result<(), Fault> {
    let unknown: Vec<Moref> =
        scope(config).into_iter().filter(|moref| inventory.seen::<ComputeResource>(moref).is_none()).collect();
    let is_nowhere =
        !config.agent_config().is_empty() && config.resource_pools().is_empty() && scope(config).is_empty();
    if unknown.is_empty() && !is_nowhere {
        return Ok(());
    }
    let why = match is_nowhere {
        true => "the agency has neither compute resources nor pools",
        false => "the agency is about compute resources that there are not",
    };
    let detail = InvalidAgencyScope::with(|fault| {
        if !unknown.is_empty() {
            fault.set_unknown_compute_resource(unknown);
        }
    });
    Err(Fault::new(detail, why))
}

fn scope(config: &AgencyConfigInfo) -> Vec<Moref> {
    let scope = config.scope().and_then(|scope| scope.downcast::<AgencyComputeResourceScope>());
    scope.map(|scope| scope.compute_resource().iter().collect()).unwrap_or_default()
}

/// Of a list that may have one for each agent, that of an agent; or else the lists' share of it.
fn nth<T>(all: &[T], index: usize) -> Option<&T> {
    all.get(index.checked_rem(all.len())?)
}

/// Where the agents of an agency are to be.
fn places<T>(call: &Call<'_, T>, config: &AgencyConfigInfo) -> Result<Vec<Place>, Fault> {
    let agents: Vec<AgentConfigInfo> = config.agent_config().iter().cloned().collect();
    let pools: Vec<Moref> = config.resource_pools().iter().map(|it| it.resource_pool_id()).collect();
    let mut places = Vec::new();
    if pools.is_empty() {
        for resource in scope(config) {
            let (hosts, pool) = {
                let resource = call.get::<ComputeResource>(&resource)?;
                (resource.host().iter().collect::<Vec<_>>(), resource.resource_pool())
            };
            for host in hosts {
                let version = call.get::<HostSystem>(&host)?.config().map(|it| it.product().version().clone());
                let agent = agents.iter().find(|agent| runs_on(agent, version.as_deref().unwrap_or_default()));
                if let (Some(agent), Some(pool)) = (agent, pool.clone()) {
                    places.push(place(call, config, agent, pool, Some(host), places.len())?);
                }
            }
        }
        return Ok(places);
    }
    for (index, agent) in agents.iter().enumerate() {
        if let Some(pool) = nth(&pools, index) {
            places.push(place(call, config, agent, pool.clone(), None, index)?);
        }
    }
    Ok(places)
}

/// Whether an agent is for hosts of this version: its own may end in `*`.
fn runs_on(agent: &AgentConfigInfo, version: &str) -> bool {
    let wanted = agent.host_version().map_or("", |wanted| wanted.as_str());
    match wanted.split_once('*') {
        Some((start, _)) => version.starts_with(start),
        None => wanted.is_empty() || version == wanted,
    }
}

fn place<T>(
    call: &Call<'_, T>,
    config: &AgencyConfigInfo,
    agent: &AgentConfigInfo,
    pool: Moref,
    host: Option<Moref>,
    index: usize,
) -> Result<Place, Fault> {
    let owner = call.get::<ResourcePool>(&pool)?.owner();
    let datastores: Vec<Moref> = config.agent_vm_datastore().iter().collect();
    let wanted = nth(&datastores, index);
    let hosts: Vec<Moref> = match host {
        Some(host) => vec![host],
        None => call.get::<ComputeResource>(&owner)?.host().iter().collect(),
    };
    let has = |host: &&Moref| {
        let host = call.view::<HostSystem>(host);
        wanted.is_none_or(|it| host.is_some_and(|host| host.datastore().contains(it)))
    };
    let fitting: Vec<&Moref> = hosts.iter().filter(has).collect();
    let host = nth(&fitting, index).copied().cloned();
    let host = host.ok_or_else(|| Fault::invalid_argument("config.resourcePools", format!("{pool} has no host")))?;
    let datastore = wanted.cloned().or_else(|| call.view::<HostSystem>(&host)?.datastore().first());
    let datastore =
        datastore.ok_or_else(|| Fault::invalid_argument("config.agentVmDatastore", format!("{host} has none")))?;
    let folders: Vec<Moref> = config.folders().iter().map(|it| it.folder_id()).collect();
    let own = || Some(call.view::<Datacenter>(&call.datacenter_of(&pool)?)?.vm_folder());
    let folder = nth(&folders, index).cloned().or_else(own).ok_or_else(|| not_found(&pool))?;
    Ok(Place { config: agent.clone(), pool, host, folder, datastore })
}

/// Makes the agents that the agency does not have yet, and removes those that it has too many.
fn complete(call: &mut Call<'_, Agency>) -> Result<(), Fault> {
    let this = call.moref();
    let config = call.this()?.config().clone();
    let known: Vec<Moref> = call.this()?.agent().iter().collect();
    let places = places(call, &config)?;
    for (agent, place) in known.iter().zip(&places) {
        call.edit::<Agent>(agent)?.set_config(place.config.clone());
    }
    for surplus in known.iter().skip(places.len()) {
        remove_agent(call, surplus)?;
    }
    for (index, place) in places.iter().enumerate().skip(known.len()) {
        let moref = Moref::of::<Agent>(new_id(call, "Agent")?);
        let name = config.agent_name().map_or("agent", |name| name.as_str());
        let machine = deploy(call, place, name, index)?;
        let machine_name = call.get::<VirtualMachine>(&machine)?.name().clone();
        let agent = Agent::with(|agent| {
            agent.set_config(place.config.clone());
            let runtime = agent.runtime_mut();
            runtime.set_status("green").set_goal_state("enabled").set_entity(moref.clone());
            runtime.set_vm(machine).set_host(place.host.clone()).set_agency(this.clone());
            runtime.set_vm_name(machine_name).set_receiving_heart_beat(false);
            runtime.set_esx_agent_resource_pool(place.pool.clone()).set_esx_agent_folder(place.folder.clone());
        });
        call.insert(moref.clone(), agent);
        call.this_mut()?.push_agent(moref);
    }
    Ok(())
}

/// Makes the virtual machine of an agent.
///
/// - what creating a virtual machine raises.
fn deploy<T>(call: &mut Call<'_, T>, place: &Place, agent: &str, index: usize) -> Result<Moref, Fault> {
    let is_free = |name: &String| managed_entity::child(call, &place.folder, name).is_none();
    let name = (index + 1..).map(|number| format!("{agent} ({number})")).find(is_free).unwrap_or_default();
    call.get::<Folder>(&place.folder)?;
    let datastore = call.get::<Datastore>(&place.datastore)?.name().clone();
    let option = |key: &str, value: &str| OptionValue::with(|option| _ = option.set_key(key).set_value(value));
    let mut options = Vec::new();
    let url = place.config.ovf_package_url().map_or("", |url| url.as_str());
    // What is no path and no address is the image of a container.
    let is_file = ["/", "./", "http:", "https:"].iter().any(|start| url.starts_with(start));
    if !url.is_empty() && !is_file {
        options.push(option("RUN.container", url));
    }
    let environment = place.config.ovf_environment();
    for property in environment.into_iter().flat_map(|environment| environment.ovf_property()) {
        options.push(option(property.key(), property.value()));
    }
    let spec = VirtualMachineConfigSpec::with(|spec| {
        spec.set_name(&name).set_extra_config(options);
        spec.files_mut().set_vm_path_name(format!("[{datastore}] {name}/{name}.vmx"));
    });
    let (folder, pool, host) = (place.folder.clone(), place.pool.clone(), place.host.clone());
    virtual_machine::create(call, &folder, &spec, &pool, Some(host))
}

/// Removes an agent, and its virtual machine where nothing is in the way of that.
fn remove_agent(call: &mut Call<'_, Agency>, agent: &Moref) -> Result<(), Fault> {
    let machine = call.view::<Agent>(agent).and_then(|agent| agent.runtime().vm());
    call.remove(agent);
    call.this_mut()?.agent_mut().retain(|known| known != *agent);
    let Some(machine) = machine.filter(|machine| call.object(machine).is_some()) else { return Ok(()) };
    if !call.context().service.snapshot().object(&machine).is_some_and(|_| is_idle(call, &machine)) {
        return Ok(());
    }
    managed_entity::destroy_entity(call, &machine)
}

/// Whether a machine is off, and nothing goes on with it.
fn is_idle<T>(call: &Call<'_, T>, machine: &Moref) -> bool {
    use vimsim_types::enums::VirtualMachinePowerState::PoweredOff;
    let is_off = call.view::<VirtualMachine>(machine).is_some_and(|it| it.runtime().power_state() == PoweredOff);
    is_off && call.expect_free(machine).is_ok() && crate::containers::machine::expect_torn_down(call, machine).is_ok()
}

/// Who the agency is for: who made it.
fn query_solution_id(look: &Look<'_, Agency>, _: QuerySolutionId) -> Result<ArcStr, Fault> {
    Ok(look.this()?.solution_id().clone())
}

/// What the agency is to be.
fn query_config(look: &Look<'_, Agency>, _: QueryConfig) -> Result<AgencyConfigInfo, Fault> {
    Ok(look.this()?.config().clone())
}

/// What the agency is.
fn agency_query_runtime(look: &Look<'_, Agency>, _: AgencyQueryRuntime) -> Result<EamObjectRuntimeInfo, Fault> {
    Ok(look.this()?.runtime().clone())
}

/// The agents of the agency.
fn query_agent(look: &Look<'_, Agency>, _: QueryAgent) -> Result<Vec<Moref>, Fault> {
    Ok(look.this()?.agent().iter().collect())
}

/// Makes the agency what it is to be now, with the agents that this takes.
///
/// - As [`create`].
fn update(call: &mut Call<'_, Agency>, request: Update) -> Result<(), Fault> {
    check_scope(&**call, request.config())?;
    call.this_mut()?.set_config(request.config().clone());
    complete(call)
}

/// Makes a virtual machine that somebody else made that of an agent: of one on its host without any, or of a new one.
///
/// - `ManagedObjectNotFound` for a machine that there is not.
fn register_agent_vm(call: &mut Call<'_, Agency>, request: RegisterAgentVm) -> Result<Moref, Fault> {
    let (this, machine) = (call.moref(), request.agent_vm());
    let (host, pool, folder, name) = {
        let machine = call.get::<VirtualMachine>(&machine)?;
        (machine.runtime().host(), machine.resource_pool(), machine.parent(), machine.name().clone())
    };
    let agents: Vec<Moref> = call.this()?.agent().iter().collect();
    let runtime = |moref: &Moref| call.view::<Agent>(moref).map(|agent| agent.runtime());
    if let Some(known) = agents.iter().find(|moref| runtime(moref).and_then(|it| it.vm()).as_ref() == Some(&machine)) {
        return Ok(known.clone());
    }
    let is_bare = |moref: &&Moref| {
        let vm = runtime(moref).and_then(|it| it.vm());
        runtime(moref).is_some_and(|it| it.host() == host) && vm.is_none_or(|vm| call.object(&vm).is_none())
    };
    let found = agents.iter().find(is_bare).cloned();
    let moref = match found {
        Some(moref) => moref,
        None => {
            let moref = Moref::of::<Agent>(new_id(call, "Agent")?);
            let config = call.this()?.config().agent_config().first().cloned().unwrap_or_else(View::new);
            let agent = Agent::with(|agent| {
                agent.set_config(config);
                let runtime = agent.runtime_mut();
                runtime.set_status("green").set_goal_state("enabled").set_entity(moref.clone());
                runtime.set_agency(this).set_receiving_heart_beat(false);
            });
            call.insert(moref.clone(), agent);
            call.this_mut()?.push_agent(moref.clone());
            moref
        }
    };
    let runtime = call.edit::<Agent>(&moref)?.runtime_mut();
    runtime.set_vm(machine).set_vm_name(name).set_host(host);
    runtime.set_esx_agent_resource_pool(pool).set_esx_agent_folder(folder);
    Ok(moref)
}

/// Takes the agent of a virtual machine from the agency. The machine stays.
fn unregister_agent_vm(call: &mut Call<'_, Agency>, request: UnregisterAgentVm) -> Result<(), Fault> {
    let machine = request.agent_vm();
    let agents: Vec<Moref> = call.this()?.agent().iter().collect();
    let has =
        |moref: &&Moref| call.view::<Agent>(moref).and_then(|agent| agent.runtime().vm()).as_ref() == Some(&machine);
    if let Some(agent) = agents.iter().find(has) {
        call.remove(agent);
        call.this_mut()?.agent_mut().retain(|known| known != *agent);
    }
    Ok(())
}

fn set_goal(call: &mut Call<'_, Agency>, goal: &str) -> Result<(), Fault> {
    call.this_mut()?.runtime_mut().set_goal_state(goal);
    let agents: Vec<Moref> = call.this()?.agent().iter().collect();
    agents.iter().try_for_each(|agent| {
        call.edit::<Agent>(agent)?.runtime_mut().set_goal_state(goal);
        Ok(())
    })
}

fn enable(call: &mut Call<'_, Agency>, _: AgencyEnable) -> Result<(), Fault> {
    set_goal(call, GOALS[0])
}

fn disable(call: &mut Call<'_, Agency>, _: AgencyDisable) -> Result<(), Fault> {
    set_goal(call, GOALS[1])
}

fn uninstall(call: &mut Call<'_, Agency>, _: Uninstall) -> Result<(), Fault> {
    set_goal(call, GOALS[2])
}

/// Removes the agency with its agents, and the virtual machines of these that are off.
fn destroy_agency(call: &mut Call<'_, Agency>, _: DestroyAgency) -> Result<(), Fault> {
    let this = call.moref();
    let agents: Vec<Moref> = call.this()?.agent().iter().collect();
    agents.iter().try_for_each(|agent| remove_agent(call, agent))?;
    call.edit::<EsxAgentManager>(&esx_agent_manager::moref())?.agency_mut().retain(|known| known != this);
    call.remove(&this);
    Ok(())
}

/// Adds an issue, with a key that no other has.
///
/// - `InvalidArgument` for an issue of another agency.
fn add_issue(call: &mut Call<'_, Agency>, request: AddIssue) -> Result<Issue, Fault> {
    let this = call.moref();
    let mut issue = request.issue().clone();
    if issue.downcast::<AgencyIssue>().is_some_and(|issue| issue.agency() != this) {
        return Err(Fault::invalid_argument("issue.agency", "is another agency"));
    }
    let manager = esx_agent_manager::moref();
    let agencies: Vec<Moref> = call.get::<EsxAgentManager>(&manager)?.agency().iter().collect();
    let agents = agencies.iter().filter_map(|agency| call.view::<Agency>(agency)).flat_map(|it| it.agent());
    let all: Vec<Moref> = agents.chain(agencies.iter().cloned()).chain([manager]).collect();
    let objects = all.iter().filter_map(|moref| call.object(moref));
    let keys: Vec<i32> = objects.flat_map(|it| eam_object::issues(it.properties())).map(|issue| issue.key()).collect();
    issue.set_key((1..).find(|key| !keys.contains(key)).unwrap_or_default()).set_time(call.now());
    // An issue of an agent is the agent's.
    let agent = issue.downcast::<AgentIssue>().map(|issue| issue.agent());
    let owner = agent.filter(|agent| call.view::<Agent>(agent).is_some()).unwrap_or(this);
    let mut issues = call.object(&owner).map(|object| eam_object::issues(object.properties())).unwrap_or_default();
    issues.push(issue.clone());
    eam_object::set_issues(&mut call.on::<Agency>(&owner), issues)?;
    Ok(issue)
}

/// Gives an agent whose virtual machine is gone another, once that is done: its agency is to have it.
pub(crate) fn replace<T>(call: &mut Call<'_, T>, machine: &Moref) -> Result<(), Fault> {
    let Some(manager) = call.view::<EsxAgentManager>(&esx_agent_manager::moref()) else { return Ok(()) };
    for agency in manager.agency() {
        let Some(found) = call.view::<Agency>(&agency) else { continue };
        let is_its =
            |moref: &Moref| call.view::<Agent>(moref).and_then(|it| it.runtime().vm()).as_ref() == Some(machine);
        let is_wanted =
            found.runtime().goal_state() == GOALS[0] && !found.config().manually_provisioned().unwrap_or_default();
        let Some(index) = found.agent().iter().position(|moref| is_its(&moref)).filter(|_| is_wanted) else { continue };
        let service = call.context().service.clone();
        call.context().after(async move {
            let context = Context::internal(service.clone(), false);
            let redeployed = service.in_context("Update", context, |transaction, context| {
                redeploy(&mut Call::new(transaction, context, agency), index)
            });
            if let Err(fault) = redeployed {
                tracing::warn!(%fault, "the virtual machine of an agent cannot be made again");
            }
        });
    }
    Ok(())
}

/// Makes the virtual machine of an agent again.
fn redeploy(call: &mut Call<'_, Agency>, index: usize) -> Result<(), Fault> {
    let config = call.this()?.config().clone();
    let Some(agent) = call.this()?.agent().get(index) else { return Ok(()) };
    let places = places(call, &config)?;
    let Some(place) = places.get(index) else { return Ok(()) };
    let name = config.agent_name().map_or("agent", |name| name.as_str());
    let machine = deploy(call, place, name, index)?;
    let name = call.get::<VirtualMachine>(&machine)?.name().clone();
    call.edit::<Agent>(&agent)?.runtime_mut().set_vm(machine).set_vm_name(name);
    Ok(())
}
