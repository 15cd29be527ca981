//! `vcenter/namespace-management` and `vcenter/namespaces`: Supervisors, the namespaces on them, and the classes of machines
//! that those may use.
//!
//! A Supervisor is a cluster for which it was enabled. No Kubernetes runs; what can be asked of the configuration can be
//! asked.
// Fidelity: as in vcsim, a cluster whose name begins with `WCP-` is one from the beginning, and there are two services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use vimsim_types::enums::TaskInfoState;
use vimsim_types::method::{CreateTask, SetTaskState};
use vimsim_types::views::{
    ClusterComputeResource, DistributedVirtualSwitch, ManagedEntity, SystemError, TaskInfo, TaskManager, VirtualMachine,
};
use vimsim_types::{Fault, Moref, View};

use super::call::Call;
use super::{Answer, ErrorKind, RestError, Result};

/// What is kept of it.
#[derive(Clone, Default)]
pub(super) struct Namespaces {
    /// The clusters for which a Supervisor was enabled, and how.
    enabled: BTreeMap<String, Value>,
    /// Those for which it was disabled.
    disabled: BTreeSet<String>,
    instances: BTreeMap<String, Value>,
    classes: BTreeMap<String, Value>,
    /// Zones, and the clusters in them.
    zones: BTreeMap<String, (Value, BTreeSet<String>)>,
    /// The services that were turned on or off since the beginning.
    services: BTreeMap<String, &'static str>,
}

/// A service: its identifier, name and first state, and its versions with their states.
type Service = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const SERVICES: [Service; 2] = [
    ("service1", "mock-service-1", "ACTIVATED", &[("1.0.0", "ACTIVATED"), ("2.0.0", "DEACTIVATED")]),
    ("service2", "mock-service-2", "DEACTIVATED", &[("1.1.0", "ACTIVATED")]),
];

fn not_found(id: &str) -> RestError {
    RestError::new(ErrorKind::NotFound, "vcenter.wcp.not_found", format!("There is no '{id}'."))
}

impl Call {
    fn change_namespaces<R>(&self, change: impl FnOnce(&mut Namespaces) -> Result<R>) -> Result<R> {
        self.may(None, "Namespaces.Manage")?;
        self.change(|kept| change(Arc::make_mut(&mut kept.namespaces)))
    }
}

/// Answers what is below `vcenter/namespace-management`.
pub(super) fn management(call: &Call, rest: &[&str]) -> Result {
    let kept = call.kept();
    let kept = &kept.namespaces;
    match (call.method.as_str(), rest) {
        ("GET", ["clusters"]) => {
            Ok(Answer::Value(supervisors(call).iter().map(|(id, name)| supervisor(id, name)).collect()))
        }
        ("GET", ["clusters", id]) => {
            let known = supervisors(call).into_iter().find(|(known, _)| known == id).ok_or_else(|| not_found(id))?;
            let mut shown = supervisor(&known.0, &known.1);
            if let (Some(Value::Object(spec)), Value::Object(shown)) = (kept.enabled.get(*id), &mut shown) {
                shown.extend(spec.clone());
            }
            Ok(Answer::Value(shown))
        }
        ("POST", ["clusters", id]) => switch(call, id),
        ("POST", ["clusters", id, "support-bundle"]) => support_bundle(call, id),
        ("GET", ["distributed-switch-compatibility"]) => {
            let (snapshot, switches) = call.service().visible_objects(&call.session, DistributedVirtualSwitch::TYPE);
            // Fidelity: vCenter asks NSX. A switch without hosts is of no use in any case.
            let hosts = |moref: &Moref| {
                snapshot.view::<DistributedVirtualSwitch>(moref).is_some_and(|it| !it.config().host().is_empty())
            };
            let only = call.parameters.get("compatible").is_none_or(|only| only == "true");
            let found = switches.iter().map(|moref| (moref, hosts(moref))).filter(|(_, fits)| *fits || !only);
            let one = |(moref, fits): (&Moref, bool)| json!({ "distributed_switch": moref.value().as_str(), "compatible": fits });
            Ok(Answer::Value(found.map(one).collect()))
        }
        // NSX has none here, but for those that vcsim names.
        ("GET", ["edge-cluster-compatibility"]) => {
            let one = |n: u32| json!({ "edge_cluster": format!("Compat-Edge-ID{n}"), "display_name": format!("Edge-Cluster-{n}"), "compatible": true });
            Ok(Answer::Value((1..=2).map(one).collect()))
        }
        (_, ["supervisor-services", rest @ ..]) => services(call, rest),
        (_, ["virtual-machine-classes", rest @ ..]) => classes(call, rest),
        ("GET", ["supervisors", "summaries"]) => {
            let one = |(id, name): &(String, String)| {
                let info = json!({ "name": name, "config_status": "RUNNING", "kubernetes_status": "READY" });
                json!({ "supervisor": id, "info": info })
            };
            Ok(Answer::Value(json!({ "items": supervisors(call).iter().map(one).collect::<Vec<_>>() })))
        }
        _ => Err(call.unknown()),
    }
}

/// Says where the bundle of a cluster is, or gives it to who has been told: an archive of what is kept of the cluster.
fn support_bundle(call: &Call, id: &str) -> Result {
    call.object::<ClusterComputeResource>(id)?;
    if call.text("/wcp-support-bundle-token").is_none() {
        let url = format!("{}/api/vcenter/namespace-management/clusters/{id}/support-bundle", call.base());
        let token = json!({ "token": vimsim_simulator::uuid::random(), "expiry": call.service().now().to_string() });
        return Ok(Answer::Value(json!({ "wcp_support_bundle_token": token, "url": url })));
    }
    let kept = call.kept();
    let instances = kept.namespaces.instances.iter().filter(|(_, it)| it["cluster"] == id);
    let said = json!({
        "cluster": id,
        "enabled": kept.namespaces.enabled.get(id),
        "namespaces": instances.collect::<BTreeMap<_, _>>(),
    });
    let date: String = call.service().now().to_string().chars().take(10).collect();
    Ok(Answer::File(format!("wcp-support-bundle-{id}-{date}--00-00.tar"), archive("README", &format!("{said:#}\n"))))
}

/// A `tar` with one file in it.
fn archive(name: &str, text: &str) -> Vec<u8> {
    let mut head = vec![0; 512];
    let mut put = |at: usize, field: &str| head[at..at + field.len()].copy_from_slice(field.as_bytes());
    put(0, name);
    put(100, "0000444\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", text.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    head.extend(text.as_bytes());
    head.resize(head.len().div_ceil(512) * 512 + 1024, 0);
    head
}

/// The clusters that are Supervisors, by identifier, and their names.
fn supervisors(call: &Call) -> Vec<(String, String)> {
    let kept = call.kept();
    let kept = &kept.namespaces;
    let (snapshot, clusters) = call.service().visible_objects(&call.session, ClusterComputeResource::TYPE);
    let named = clusters.iter().filter_map(|moref| {
        let name = snapshot.view::<ManagedEntity>(moref)?.name().to_string();
        Some((moref.value().to_string(), name))
    });
    let is_one = |id: &String, name: &String| {
        !kept.disabled.contains(id) && (name.starts_with("WCP-") || kept.enabled.contains_key(id))
    };
    named.filter(|(id, name)| is_one(id, name)).collect()
}

fn supervisor(id: &str, name: &str) -> Value {
    json!({ "cluster": id, "cluster_name": name, "config_status": "RUNNING", "kubernetes_status": "READY" })
}

/// Makes a cluster a Supervisor, or no longer one.
fn switch(call: &Call, id: &str) -> Result {
    let cluster = call.object::<ClusterComputeResource>(id)?;
    call.may(Some(&cluster), "Namespaces.Configure")?;
    let spec = call.body.clone();
    call.change_namespaces(|kept| {
        match call.action() {
            Some("enable") => {
                kept.disabled.remove(id);
                kept.enabled.insert(id.into(), spec);
            }
            Some("disable") => {
                kept.enabled.remove(id);
                kept.disabled.insert(id.into());
                kept.instances.retain(|_, instance| instance["cluster"] != id);
            }
            _ => return Err(call.unknown()),
        }
        Ok(Answer::Nothing)
    })
}

fn services(call: &Call, rest: &[&str]) -> Result {
    let kept = call.kept();
    let state = |id: &str, first: &'static str| kept.namespaces.services.get(id).copied().unwrap_or(first);
    let show = |(id, name, first, _): &(&str, &str, &'static str, _)| json!({ "supervisor_service": id, "display_name": name, "state": state(id, first) });
    let Some((id, rest)) = rest.split_first() else {
        return match call.method.as_str() {
            "GET" => Ok(Answer::Value(SERVICES.iter().map(|(a, b, c, d)| show(&(a, b, c, d))).collect())),
            _ => Err(call.unknown()),
        };
    };
    let (name, service, first, versions) = SERVICES.iter().find(|it| it.0 == *id).ok_or_else(|| not_found(id))?;
    let version = |(version, state): &(&str, &str)| {
        json!({
            "version": version,
            "display_name": format!("{service} v{} display name", version.split('.').next().unwrap_or_default()),
            "state": state,
            "description": format!("This is service {} version {version}", name.trim_start_matches("service")),
        })
    };
    match (call.method.as_str(), rest, call.action()) {
        ("GET", [], None) => Ok(Answer::Value(show(&(name, service, first, versions)))),
        ("GET", ["versions"], None) => Ok(Answer::Value(versions.iter().map(version).collect())),
        ("GET", ["versions", wanted], None) => {
            let found = versions.iter().find(|it| it.0 == *wanted).ok_or_else(|| not_found(wanted))?;
            let mut shown = version(found);
            shown["content_type"] = json!("CARVEL_APPS_YAML");
            shown["content"] = json!("abc");
            Ok(Answer::Value(shown))
        }
        ("PATCH", [], Some(action @ ("activate" | "deactivate"))) => call.change_namespaces(|kept| {
            let state = if action == "activate" { "ACTIVATED" } else { "DEACTIVATED" };
            kept.services.insert((*id).to_string(), state);
            Ok(Answer::Nothing)
        }),
        _ => Err(call.unknown()),
    }
}

/// Fields of the body that are given, put over what is there.
fn patch(known: &mut Value, body: &Value) {
    if let (Value::Object(known), Value::Object(body)) = (known, body) {
        known
            .extend(body.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())));
    }
}

fn classes(call: &Call, rest: &[&str]) -> Result {
    let kept = call.kept();
    let classes = &kept.namespaces.classes;
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(Answer::Value(classes.values().cloned().collect())),
        ("POST", []) => {
            let id = call.required("/id")?;
            let mut class =
                json!({ "id": id, "cpu_count": 0, "memory_mb": 0, "config_status": "READY", "namespaces": [] });
            patch(&mut class, &call.body);
            call.change_namespaces(|kept| {
                if kept.classes.contains_key(id) {
                    let message = format!("There is a class '{id}' already.");
                    return Err(RestError::new(ErrorKind::AlreadyExists, "vcenter.wcp.already_exists", message));
                }
                kept.classes.insert(id.into(), class);
                Ok(Answer::Nothing)
            })
        }
        (method, [id]) => {
            let class = classes.get(*id).ok_or_else(|| not_found(id))?;
            match method {
                "GET" => Ok(Answer::Value(class.clone())),
                "PATCH" => call.change_namespaces(|kept| {
                    kept.classes.entry((*id).to_string()).and_modify(|class| patch(class, &call.body));
                    Ok(Answer::Nothing)
                }),
                "DELETE" => call.change_namespaces(|kept| {
                    kept.classes.remove(*id);
                    Ok(Answer::Nothing)
                }),
                _ => Err(call.unknown()),
            }
        }
        _ => Err(call.unknown()),
    }
}

/// Answers what is below `vcenter/namespaces/instances`.
pub(super) async fn instances(call: &Call, rest: &[&str]) -> Result {
    let kept = call.kept();
    let instances = &kept.namespaces.instances;
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let show = |(name, instance): (&String, &Value)| {
                json!({
                    "namespace": name,
                    "cluster": instance["cluster"],
                    "config_status": instance["config_status"],
                    "description": instance["description"],
                    "stats": instance["stats"],
                })
            };
            Ok(Answer::Value(instances.iter().map(show).collect()))
        }
        ("POST", []) => {
            let (name, cluster) = (call.required("/namespace")?, call.required("/cluster")?);
            call.object::<ClusterComputeResource>(cluster)?;
            let mut instance = json!({
                "config_status": "RUNNING",
                "description": "",
                "messages": [],
                "stats": { "cpu_used": 0, "memory_used": 0, "storage_used": 0 },
                "vm_service_spec": { "content_libraries": [], "vm_classes": [] },
            });
            patch(&mut instance, &call.body);
            // Fidelity: as in vcsim, and other than in vCenter, creating one that is there creates it anew.
            call.change_namespaces(|kept| {
                kept.instances.insert(name.into(), instance);
                Ok(Answer::Nothing)
            })
        }
        (method, [name]) => {
            let instance = instances.get(*name).ok_or_else(|| not_found(name))?;
            match method {
                "GET" => Ok(Answer::Value(instance.clone())),
                "PATCH" | "PUT" => call.change_namespaces(|kept| {
                    kept.instances.entry((*name).to_string()).and_modify(|instance| patch(instance, &call.body));
                    Ok(Answer::Nothing)
                }),
                "DELETE" => call.change_namespaces(|kept| {
                    kept.instances.remove(*name);
                    Ok(Answer::Nothing)
                }),
                _ => Err(call.unknown()),
            }
        }
        ("POST", [name, "registervm"]) => {
            instances.get(*name).ok_or_else(|| not_found(name))?;
            register(call).await
        }
        _ => Err(call.unknown()),
    }
}

/// Takes a machine into a namespace, which must carry the resource that describes it: the task that does so.
async fn register(call: &Call) -> Result {
    const RESOURCE: &str = "vmservice.virtualmachine.resource.yaml";
    let machine = call.object::<VirtualMachine>(call.required("/vm")?)?;
    let has = {
        let snapshot = call.service().snapshot();
        let config = snapshot.view::<VirtualMachine>(&machine).and_then(|machine| machine.config());
        config.is_some_and(|config| config.extra_config().iter().any(|option| option.key() == RESOURCE))
    };
    let request = CreateTask::with(|request| {
        request.set_obj(machine.clone()).set_task_type_id("com.vmware.govmomi.simulator.test").set_cancelable(false);
    });
    let made = call.soap(&Moref::of::<TaskManager>("TaskManager"), request).await?;
    let task = made.object().and_then(TaskInfo::from_ref).map(|info| info.task());
    let task = task.ok_or_else(|| not_found("task"))?;
    let set = |state: TaskInfoState| SetTaskState::with(|request| _ = request.set_state(state));
    call.soap(&task, set(TaskInfoState::Running)).await?;
    let mut end = set(if has { TaskInfoState::Success } else { TaskInfoState::Error });
    if !has {
        let why = format!("{machine} has no {RESOURCE}");
        let detail = SystemError::with(|fault| _ = fault.set_reason(why.as_str()));
        end.set_fault(Fault::new(detail, why).localized());
    }
    call.soap(&task, end).await?;
    Ok(Answer::Value(json!(format!("{}:{}", task.value(), vimsim_simulator::uuid::random()))))
}

/// Answers what is below `vcenter/consumption-domains/zones`.
pub(super) fn zones(call: &Call, rest: &[&str]) -> Result {
    let kept = call.kept();
    let zones = &kept.namespaces.zones;
    let show = |(name, (info, _)): (&String, &(Value, BTreeSet<String>))| json!({ "zone": name, "info": info });
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(Answer::Value(json!({ "items": zones.iter().map(show).collect::<Vec<_>>() }))),
        ("POST", []) => {
            let name = call.required("/zone")?;
            let info = json!({ "description": call.text("/description").unwrap_or_default(), "namespaces": [], "vsphere_zone": name });
            call.change_namespaces(|kept| {
                kept.zones.insert(name.into(), (info, BTreeSet::new()));
                Ok(Answer::Created(json!(name)))
            })
        }
        ("GET", [name]) => zones.get(*name).map(|(info, _)| Answer::Value(info.clone())).ok_or_else(|| not_found(name)),
        ("DELETE", [name]) => call
            .change_namespaces(|kept| kept.zones.remove(*name).map(|_| Answer::Nothing).ok_or_else(|| not_found(name))),
        ("GET", ["cluster", name, "associations"]) => {
            let (_, clusters) = zones.get(*name).ok_or_else(|| not_found(name))?;
            Ok(Answer::Value(json!(clusters)))
        }
        ("POST", ["cluster", name, "associations"]) => {
            let wanted = call.body.as_array().into_iter().flatten().filter_map(Value::as_str);
            let wanted: Vec<String> = wanted.map(str::to_string).collect();
            call.change_namespaces(|kept| {
                let (_, clusters) = kept.zones.get_mut(*name).ok_or_else(|| not_found(name))?;
                match call.action() {
                    Some("add") => clusters.extend(wanted),
                    Some("remove") => clusters.retain(|cluster| !wanted.contains(cluster)),
                    _ => return Err(call.unknown()),
                }
                Ok(Answer::Value(json!({ "success": true, "status": [] })))
            })
        }
        _ => Err(call.unknown()),
    }
}
