//! `esx/settings`: depots of software for hosts, and the drafts in which the software of a cluster is put together.
// Fidelity: nothing is installed. As in vcsim, a depot has one component, and any component can be chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use vimsim_types::View;
use vimsim_types::views::{ClusterComputeResource, HostSystem};

use super::call::Call;
use super::{Answer, ErrorKind, RestError, Result};

/// A draft: who began it, and what is in it.
#[derive(Clone)]
struct Draft {
    metadata: Value,
    base_image: Value,
    components: BTreeMap<String, Value>,
}

/// The software of a cluster.
#[derive(Clone, Default)]
struct Software {
    enabled: bool,
    drafts: BTreeMap<String, Draft>,
    created: u64,
    /// What was committed last.
    base_image: Value,
    components: BTreeMap<String, Value>,
}

/// What is kept of it.
#[derive(Clone, Default)]
pub(super) struct Lifecycle {
    created: u64,
    depots: BTreeMap<String, Value>,
    clusters: BTreeMap<String, Software>,
}

fn not_found(id: &str) -> RestError {
    RestError::new(ErrorKind::NotFound, "com.vmware.vcIntegrity.lifecycle.NotFound", format!("There is no '{id}'."))
}

impl Call {
    fn change_lifecycle<R>(&self, privilege: &str, change: impl FnOnce(&mut Lifecycle) -> Result<R>) -> Result<R> {
        self.may(None, privilege)?;
        self.change(|kept| change(Arc::make_mut(&mut kept.lifecycle)))
    }
}

const SPECIFY: &str = "VcIntegrity.lifecycleSoftwareSpecification.Write";

/// Answers what is below `esx/settings`.
pub(super) fn answer(call: &Call, rest: &[&str]) -> Result {
    let kept = call.kept();
    let kept = &kept.lifecycle;
    match (call.method.as_str(), rest) {
        ("GET", ["depots", "offline"]) => Ok(Answer::Value(json!(kept.depots))),
        ("POST", ["depots", "offline"]) => create_depot(call),
        ("GET", ["depots", "offline", id]) => {
            kept.depots.get(*id).cloned().map(Answer::Value).ok_or_else(|| not_found(id))
        }
        ("GET", ["depots", "offline", id, "content"]) => {
            kept.depots.get(*id).ok_or_else(|| not_found(id))?;
            let versions = json!([{ "version": "1.0.0", "display_version": "1.0.0" }]);
            let component = json!({ "display_name": "DummyComponent", "versions": versions });
            let bundle = json!({ "file_name": "", "independent_components": { "dummy-component": component } });
            Ok(Answer::Value(json!({ "metadata_bundles": { "dummy-content": [bundle] } })))
        }
        ("DELETE", ["depots", "offline", id]) => {
            kept.depots.get(*id).ok_or_else(|| not_found(id))?;
            call.change_lifecycle("VcIntegrity.lifecycleDepots.Delete", |kept| {
                kept.depots.remove(*id);
                Ok(())
            })?;
            task(call, "com.vmware.esx.settings.depots.offline.delete")
        }
        ("GET", ["depot-content", "base-images"]) => Ok(Answer::Value(json!([base_image(call)]))),
        (_, ["clusters", cluster, rest @ ..]) => {
            call.object::<ClusterComputeResource>(cluster).or_else(|error| any_cluster(call, cluster).ok_or(error))?;
            let software = kept.clusters.get(*cluster).cloned().unwrap_or_default();
            of_cluster(call, cluster, &software, rest)
        }
        _ => Err(call.unknown()),
    }
}

/// An identifier that may stand for a cluster.
// Fidelity: vcsim takes any; govc's tests name clusters that are not there.
fn any_cluster(call: &Call, id: &str) -> Option<vimsim_types::Moref> {
    let is_free = call.service().snapshot().object_by_value(id).is_none();
    (is_free && id.starts_with("domain-c")).then(|| vimsim_types::Moref::of::<ClusterComputeResource>(id))
}

/// The image that the hosts here run.
fn base_image(call: &Call) -> Value {
    let (snapshot, hosts) = call.service().visible_objects(&call.session, HostSystem::TYPE);
    let config = hosts.first().and_then(|host| snapshot.view::<HostSystem>(host)?.config());
    let product = config.map(|config| config.product());
    let version = product.map(|it| format!("{}-0.0.{}", it.version(), it.build())).unwrap_or_default();
    json!({
        "display_name": "ESXi", "display_version": product.map(|it| it.version().to_string()), "version": version,
        "kb": "", "release_date": "", "summary": "",
    })
}

fn create_depot(call: &Call) -> Result {
    let source = call.required("/source_type")?;
    let depot = json!({
        "source_type": source,
        "location": call.text("/location").unwrap_or_default(),
        "file_id": call.text("/file_id").unwrap_or_default(),
        "description": call.text("/description").unwrap_or_default(),
        "owner_data": call.text("/owner_data").unwrap_or_default(),
        "owner": call.session.user().as_str(),
        "create_time": call.service().now().to_string(),
    });
    call.change_lifecycle("VcIntegrity.lifecycleSettings.Write", |kept| {
        kept.created += 1;
        kept.depots.insert(format!("depot-{}", kept.created), depot);
        Ok(())
    })?;
    task(call, "com.vmware.esx.settings.depots.offline.create")
}

/// The identifier of a task that has done what it was to do.
fn task(call: &Call, service: &str) -> Result {
    let id = vimsim_simulator::uuid::random();
    call.begin_task(&id, service, None)?;
    Ok(Answer::Value(json!(id)))
}

fn of_cluster(call: &Call, cluster: &str, software: &Software, rest: &[&str]) -> Result {
    let edit = |change: &mut dyn FnMut(&mut Software) -> Result<Answer>| {
        call.change_lifecycle(SPECIFY, |kept| change(kept.clusters.entry(cluster.into()).or_default()))
    };
    let draft = |id: &str| software.drafts.get(id).ok_or_else(|| not_found(id));
    match (call.method.as_str(), rest) {
        ("GET", ["enablement", "software"]) => Ok(Answer::Value(json!({ "enabled": software.enabled }))),
        ("PUT", ["enablement", "software"]) => {
            edit(&mut |software| {
                software.enabled = true;
                Ok(Answer::Nothing)
            })?;
            task(call, "com.vmware.esx.settings.clusters.enablement.software.enable")
        }
        ("GET", ["software"]) => Ok(Answer::Value(
            json!({ "base_image": software.base_image, "components": software.components, "solutions": {} }),
        )),
        ("GET", ["software", "drafts"]) => {
            let drafts: BTreeMap<_, _> = software.drafts.iter().map(|(id, draft)| (id, &draft.metadata)).collect();
            Ok(Answer::Value(json!(drafts)))
        }
        ("POST", ["software", "drafts"]) => edit(&mut |software| {
            if !software.drafts.is_empty() {
                let id = "com.vmware.vcIntegrity.lifecycle.DraftExists";
                return Err(RestError::new(
                    ErrorKind::NotAllowedInCurrentState,
                    id,
                    "The cluster has a draft already.",
                ));
            }
            software.created += 1;
            // Fidelity: the owner is left empty, which govc's tests compare with.
            let metadata = json!({ "owner": "", "status": "VALID", "creation_time": call.service().now().to_string() });
            let draft =
                Draft { metadata, base_image: software.base_image.clone(), components: software.components.clone() };
            software.drafts.insert(software.created.to_string(), draft);
            Ok(Answer::Created(json!(software.created.to_string())))
        }),
        ("GET", ["software", "drafts", id]) => {
            let draft = draft(id)?;
            let software = json!({ "base_image": draft.base_image, "components": draft.components, "solutions": {} });
            Ok(Answer::Value(json!({ "metadata": draft.metadata, "software": software })))
        }
        ("DELETE", ["software", "drafts", id]) => {
            draft(id)?;
            edit(&mut |software| {
                software.drafts.remove(*id);
                Ok(Answer::Nothing)
            })
        }
        ("POST", ["software", "drafts", id]) if call.action() == Some("commit") => {
            draft(id)?;
            edit(&mut |software| {
                if let Some(draft) = software.drafts.remove(*id) {
                    software.base_image = draft.base_image;
                    software.components = draft.components;
                }
                Ok(Answer::Nothing)
            })?;
            task(call, "com.vmware.esx.settings.clusters.software.drafts.commit")
        }
        ("GET", ["software", "drafts", id, "software", "components"]) => {
            Ok(Answer::Value(json!(draft(id)?.components)))
        }
        ("PATCH", ["software", "drafts", id, "software", "components"]) => {
            draft(id)?;
            edit(&mut |software| {
                let Some(draft) = software.drafts.get_mut(*id) else { return Err(not_found(id)) };
                for (name, version) in call.body["components_to_set"].as_object().into_iter().flatten() {
                    let details = json!({ "display_name": "DummyComponent", "vendor": "" });
                    draft.components.insert(name.clone(), json!({ "version": version, "details": details }));
                }
                for name in call.body["components_to_delete"].as_array().into_iter().flatten().filter_map(Value::as_str)
                {
                    draft.components.remove(name);
                }
                Ok(Answer::Nothing)
            })
        }
        (method, ["software", "drafts", id, "software", "components", name]) => {
            let component = draft(id)?.components.get(*name).ok_or_else(|| not_found(name))?;
            match method {
                "GET" => Ok(Answer::Value(component.clone())),
                "DELETE" => edit(&mut |software| {
                    software.drafts.get_mut(*id).map(|draft| draft.components.remove(*name));
                    Ok(Answer::Nothing)
                }),
                _ => Err(call.unknown()),
            }
        }
        ("GET", ["software", "drafts", id, "software", "base-image"]) => {
            Ok(Answer::Value(draft(id)?.base_image.clone()))
        }
        ("PUT", ["software", "drafts", id, "software", "base-image"]) => {
            draft(id)?;
            let version = call.required("/version")?;
            edit(&mut |software| {
                let details = json!({ "display_name": "ESXi", "display_version": version, "release_date": "" });
                let image = json!({ "version": version, "details": details });
                software.drafts.get_mut(*id).into_iter().for_each(|draft| draft.base_image = image.clone());
                Ok(Answer::Nothing)
            })
        }
        _ => Err(call.unknown()),
    }
}
