//! `vcenter/cluster/modules`: groups of virtual machines within clusters.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{delete, get};
use serde::Deserialize;
use serde_json::json;
use vimsim_simulator::MemberChange;

use super::{Answer, Body, Caller, Parameters, Rest, Result, action, no_action};

pub(super) fn routes(router: Router<Rest>) -> Router<Rest> {
    router
        .route("/vcenter/cluster/modules", get(list).post(create))
        .route("/vcenter/cluster/modules/{module}", delete(remove))
        .route("/vcenter/cluster/modules/vm/{module}/members", get(members).post(change))
}

async fn list(_: Caller, State(rest): State<Rest>) -> Answer {
    let modules = rest.service.cluster_modules();
    let show = |(id, cluster): (vimsim_types::ArcStr, vimsim_types::Moref)| json!({ "module": id.as_str(), "cluster": cluster.value().as_str() });
    Answer::Value(json!({ "summaries": modules.into_iter().map(show).collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
struct Create {
    spec: CreateSpec,
}

#[derive(Deserialize)]
struct CreateSpec {
    cluster: String,
}

async fn create(caller: Caller, State(rest): State<Rest>, Body(request): Body<Create>) -> Result {
    caller.may(&rest, Some(&request.spec.cluster), "Host.Inventory.EditCluster")?;
    let id = rest.service.create_cluster_module(&request.spec.cluster)?;
    Ok(Answer::Created(json!(id.as_str())))
}

async fn remove(caller: Caller, State(rest): State<Rest>, Path(module): Path<String>) -> Result {
    caller.may(&rest, None, "Host.Inventory.EditCluster")?;
    rest.service.delete_cluster_module(&module)?;
    Ok(Answer::Nothing)
}

async fn members(_: Caller, State(rest): State<Rest>, Path(module): Path<String>) -> Result {
    let machines = rest.service.cluster_module_members(&module)?;
    let machines: Vec<&str> = machines.iter().map(|machine| machine.as_str()).collect();
    Ok(Answer::Value(json!({ "vms": machines })))
}

#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    vms: Vec<String>,
}

async fn change(
    caller: Caller,
    State(rest): State<Rest>,
    Path(module): Path<String>,
    parameters: Parameters,
    Body(request): Body<Members>,
) -> Result {
    caller.may(&rest, None, "Host.Inventory.EditCluster")?;
    let change = match action(&parameters) {
        Some("add") => MemberChange::Add,
        Some("remove") => MemberChange::Remove,
        _ => return Err(no_action(&parameters)),
    };
    let machines: Vec<&str> = request.vms.iter().map(String::as_str).collect();
    let success = rest.service.change_cluster_module(&module, change, &machines)?;
    Ok(Answer::Value(json!({ "success": success })))
}
