//! `EsxAgentManager`: the agencies, by which solutions have agents on hosts. It is what the endpoint `/eam/sdk` begins with.

use vimsim_types::method::{
    CreateAgency, GetMaintenanceModePolicy, QueryAgency, ScanForUnknownAgentVm, SetMaintenanceModePolicy,
};
use vimsim_types::views::EsxAgentManager;
use vimsim_types::{ArcStr, Fault, Moref, literal};

use super::{agency, eam_object};
use crate::call::{Call, Look};
use crate::kind::Kind;

type Manager = EsxAgentManager;

pub(crate) fn kind() -> Kind<Manager> {
    eam_object::methods(Kind::new())
        .write(create_agency)
        .read(query_agency)
        .read(scan_for_unknown_agent_vm)
        .read(get_maintenance_mode_policy)
        .write(set_maintenance_mode_policy)
}

/// The identifier of the one there is.
pub(crate) fn moref() -> Moref {
    Moref::of::<Manager>("EsxAgentManager")
}

/// What `EsxAgentManagerMaintenanceModePolicy` knows; the first is the usual.
const POLICIES: [ArcStr; 2] = [literal!("singleHost"), literal!("multipleHosts")];

/// How many agencies and agents there ever were, and how many hosts of a cluster may enter maintenance mode at a time.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) made: u64,
    policy: Option<ArcStr>,
}

/// Makes an agency with its agents, and the virtual machines of these.
///
/// - `InvalidArgument` for a goal that there is not; what [`agency::create`] raises.
fn create_agency(call: &mut Call<'_, Manager>, request: CreateAgency) -> Result<Moref, Fault> {
    let goal = request.initial_goal_state();
    if !agency::GOALS.contains(&goal.as_str()) {
        return Err(Fault::invalid_argument("initialGoalState", format!("there is no goal '{goal}'")));
    }
    let moref = agency::create(call, request.agency_config_info().clone(), goal)?;
    call.this_mut()?.push_agency(moref.clone());
    Ok(moref)
}

/// All agencies.
fn query_agency(look: &Look<'_, Manager>, _: QueryAgency) -> Result<Vec<Moref>, Fault> {
    Ok(look.this()?.agency().iter().collect())
}

/// Looks for virtual machines of agents that no agency has. As nothing but an agency makes such, there are none.
fn scan_for_unknown_agent_vm(_: &Look<'_, Manager>, _: ScanForUnknownAgentVm) -> Result<(), Fault> {
    Ok(())
}

/// How many hosts of a cluster may be in maintenance mode at a time.
fn get_maintenance_mode_policy(look: &Look<'_, Manager>, _: GetMaintenanceModePolicy) -> Result<ArcStr, Fault> {
    let kept = look.snapshot().object(look.moref()).and_then(|object| object.private::<Kept>());
    Ok(kept.and_then(|kept| kept.policy.clone()).unwrap_or_else(|| POLICIES[0].clone()))
}

/// - `InvalidArgument` for a policy that there is not.
fn set_maintenance_mode_policy(call: &mut Call<'_, Manager>, request: SetMaintenanceModePolicy) -> Result<(), Fault> {
    let policy = request.policy().clone();
    if !POLICIES.contains(&policy) {
        return Err(Fault::invalid_argument("policy", format!("there is no policy '{policy}'")));
    }
    let this = call.moref();
    call.private::<Kept>(&this)?.policy = Some(policy);
    Ok(())
}
