//! What all objects of the ESX Agent Manager have: issues. They lie in `issue` of the manager, and in `runtime.issue` of
//! agencies and agents.

use vimsim_types::method::{QueryIssue, Resolve, ResolveAll};
use vimsim_types::views::{Agency, Agent, EamObject, EsxAgentManager, Issue};
use vimsim_types::{Fault, Object, View};

use crate::call::{Call, Look};
use crate::kind::Kind;

/// The methods of all of them.
pub(crate) fn methods<T: View>(kind: Kind<T>) -> Kind<T> {
    kind.write(resolve).write(resolve_all).read(query_issue)
}

/// The issues of an object.
pub(crate) fn issues(object: &Object) -> Vec<Issue> {
    let owner = match object.field("runtime").object() {
        Some(runtime) => runtime,
        None => object,
    };
    let all = owner.field("issue").items().iter();
    all.filter_map(|issue| Some(Issue::from_ref(issue.object()?)?.clone())).collect()
}

/// Changes the issues of the object that the call is on.
pub(crate) fn set_issues<T>(call: &mut Call<'_, T>, issues: Vec<Issue>) -> Result<(), Fault> {
    let this = call.moref();
    // Where there are issues something is wrong, but not more than somebody can see to.
    let status = if issues.is_empty() { "green" } else { "yellow" };
    if this.is::<Agency>() {
        call.edit::<Agency>(&this)?.runtime_mut().set_status(status).set_issue(issues);
    } else if this.is::<Agent>() {
        call.edit::<Agent>(&this)?.runtime_mut().set_status(status).set_issue(issues);
    } else {
        call.edit::<EsxAgentManager>(&this)?.set_issue(issues);
    }
    Ok(())
}

/// Takes these issues as resolved; answers the keys of those that the object does not have.
// Fidelity: vcsim answers the keys of the issues that are left. The API reference has those that could not be resolved.
fn resolve(call: &mut Call<'_, EamObject>, request: Resolve) -> Result<Vec<i32>, Fault> {
    let wanted: Vec<i32> = request.issue_key().iter().collect();
    let mut issues = issues(call.this()?.as_object());
    let unknown = wanted.iter().copied().filter(|key| !issues.iter().any(|issue| issue.key() == *key)).collect();
    issues.retain(|issue| !wanted.contains(&issue.key()));
    set_issues(call, issues)?;
    Ok(unknown)
}

/// Takes all issues as resolved.
fn resolve_all(call: &mut Call<'_, EamObject>, _: ResolveAll) -> Result<(), Fault> {
    set_issues(call, Vec::new())
}

/// The issues of these keys, or all of them.
fn query_issue(look: &Look<'_, EamObject>, request: QueryIssue) -> Result<Vec<Issue>, Fault> {
    let wanted: Vec<i32> = request.issue_key().iter().collect();
    let mut issues = issues(look.this()?.as_object());
    issues.retain(|issue| wanted.is_empty() || wanted.contains(&issue.key()));
    Ok(issues)
}
