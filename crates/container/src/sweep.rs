//! Removing what services have left behind.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};

use crate::error::gone;
use crate::identity::Verdict;
use crate::instance::{remove_network, select};
use crate::{Instance, Labels, Removal, Result, RuntimeError, label};

/// So many things are removed at once.
const AT_ONCE: usize = 16;

/// What a sweep has done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// What was removed, as `container NAME`, `volume NAME`, `network NAME`.
    pub removed: Vec<String>,
    /// The identifiers of services that may live where we cannot see them; their things were left alone.
    pub unsure: Vec<String>,
    /// What could not be removed, and why.
    pub failed: Vec<(String, RuntimeError)>,
}

/// What is to be removed: containers and networks by identifier and name, volumes by name.
#[derive(Default)]
struct Things {
    containers: Vec<(String, String)>,
    volumes: Vec<String>,
    networks: Vec<(String, String)>,
}

impl Instance {
    /// Removes what dead services have left: containers, volumes, and networks that nobody uses. What belongs to a service
    /// that lives, or to nobody, is left alone. Fails if the engine is not there; what cannot be removed is in the answer.
    pub async fn sweep(&self) -> Result<Swept> {
        let all = select([(label::PRODUCT, label::VIMSIM)]);
        let mut judged = Judged { instance: self, verdicts: BTreeMap::new() };
        let mut things = Things::default();
        for container in self.runtime.list_containers(&all).await? {
            if judged.is_dead(&container.labels).await? {
                things.containers.push((container.id, container.name));
            }
        }
        for volume in self.runtime.list_volumes(&all).await? {
            if judged.is_dead(&volume.labels).await? {
                things.volumes.push(volume.name);
            }
        }
        for network in self.runtime.list_networks(&all).await? {
            if judged.is_dead(&network.labels).await? {
                things.networks.push((network.id, network.name));
            }
        }
        let unsure = judged.verdicts.into_iter().filter(|(_, verdict)| *verdict == Verdict::Unsure).map(|(id, _)| id);
        let unsure = unsure.collect();
        Ok(Swept { unsure, ..self.remove(things).await })
    }

    /// Removes everything of this service, many things at once; networks that others use stay.
    pub async fn remove_all(&self) -> Result<Swept> {
        let mine = self.selector();
        let containers = self.runtime.list_containers(&mine).await?;
        let volumes = self.runtime.list_volumes(&mine).await?;
        let networks = self.runtime.list_networks(&mine).await?;
        let things = Things {
            containers: containers.into_iter().map(|container| (container.id, container.name)).collect(),
            volumes: volumes.into_iter().map(|volume| volume.name).collect(),
            networks: networks.into_iter().map(|network| (network.id, network.name)).collect(),
        };
        Ok(self.remove(things).await)
    }

    /// Containers go first: they use the rest.
    async fn remove(&self, things: Things) -> Swept {
        let runtime = &*self.runtime;
        let mut swept = Swept::default();
        let containers = things.containers.into_iter().map(|(id, name)| async move {
            (format!("container {name}"), gone(runtime.remove_container(&id, Removal::ALL).await).map(|()| true))
        });
        swept.note(stream::iter(containers).buffered(AT_ONCE).collect().await);
        let volumes = things.volumes.into_iter().map(|name| async move {
            let removed = gone(runtime.remove_volume(&name).await).map(|()| true);
            (format!("volume {name}"), removed)
        });
        swept.note(stream::iter(volumes).buffered(AT_ONCE).collect().await);
        let networks = things.networks.into_iter().map(|(id, name)| async move {
            let removed = remove_network(runtime, &id).await;
            (format!("network {name}"), removed)
        });
        swept.note(stream::iter(networks).buffered(AT_ONCE).collect().await);
        swept
    }
}

impl Swept {
    /// Notes what was removed (`true`), what stays for others (`false`), and what failed.
    fn note(&mut self, results: Vec<(String, Result<bool>)>) {
        for (what, result) in results {
            match result {
                Ok(true) => self.removed.push(what),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(what, %error, "cannot remove");
                    self.failed.push((what, error));
                }
            }
        }
    }
}

/// Services by identifier, each judged once.
struct Judged<'a> {
    instance: &'a Instance,
    verdicts: BTreeMap<String, Verdict>,
}

impl Judged<'_> {
    async fn is_dead(&mut self, labels: &Labels) -> Result<bool> {
        let id = labels.get(label::INSTANCE).cloned().unwrap_or_default();
        let verdict = match self.verdicts.get(&id) {
            Some(verdict) => *verdict,
            None => self.instance.judge(labels).await?,
        };
        self.verdicts.insert(id, verdict);
        Ok(verdict == Verdict::Dead)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{ContainerRuntime, ContainerSpec, MemoryRuntime, Mount, VolumeSpec};

    /// A service with a host behind a container, on a network.
    async fn host(runtime: &MemoryRuntime, id: &str) -> Instance {
        let instance = Instance::with_id(Arc::new(runtime.clone()), id);
        let labels = instance.labels("host", "HostSystem:host-1").await.unwrap();
        make(runtime, id, labels).await;
        instance.acquire_network("underlay").await.unwrap();
        instance
    }

    async fn make(runtime: &MemoryRuntime, id: &str, labels: Labels) {
        runtime.add_image("alpine");
        runtime.create_volume(&VolumeSpec { name: format!("{id}-disk"), labels: labels.clone() }).await.unwrap();
        runtime.ensure_network(&crate::NetworkSpec { name: "underlay".into(), ..Default::default() }).await.unwrap();
        let spec = ContainerSpec {
            name: format!("{id}-host"),
            image: "alpine".into(),
            labels,
            mounts: vec![Mount { source: format!("{id}-disk"), target: "/disk".into(), read_only: false }],
            networks: vec!["underlay".into()],
            ..ContainerSpec::default()
        };
        let container = runtime.create_container(&spec).await.unwrap();
        runtime.start_container(&container).await.unwrap();
    }

    /// The labels of a service whose process has ended.
    async fn dead_labels(runtime: &MemoryRuntime) -> Labels {
        let mut labels = Instance::with_id(Arc::new(runtime.clone()), "dead").labels("host", "").await.unwrap();
        let process = labels.get_mut(label::PROCESS).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(process).unwrap();
        json["started"] = 1.into();
        *process = json.to_string();
        labels
    }

    #[tokio::test]
    async fn sweeps_what_the_dead_have_left_and_nothing_else() {
        let runtime = MemoryRuntime::new();
        let (mut unsure, dead) = (dead_labels(&runtime).await, dead_labels(&runtime).await);
        let network = crate::NetworkSpec { name: "old".into(), labels: dead.clone(), subnet: None };
        runtime.ensure_network(&network).await.unwrap();
        make(&runtime, "dead", dead).await;
        make(&runtime, "bystander", Labels::new()).await;
        unsure.insert(label::INSTANCE.into(), "unreadable".into());
        unsure.insert(label::PROCESS.into(), "?".into());
        make(&runtime, "unreadable", unsure).await;
        let living = host(&runtime, "living").await;
        let instance = host(&runtime, "mine").await;
        let swept = instance.sweep().await.unwrap();
        assert_eq!(swept.removed, ["container dead-host", "volume dead-disk", "network old"]);
        assert_eq!(swept.unsure, ["unreadable"]);
        assert!(swept.failed.is_empty());
        assert_eq!(living.remove_all().await.unwrap().removed, ["container living-host", "volume living-disk"]);
        assert_eq!(instance.remove_all().await.unwrap().removed, ["container mine-host", "volume mine-disk"]);
        let left = ["bystander", "unreadable"];
        let expected: Vec<String> = left.iter().map(|id| format!("container {id}-host")).collect();
        assert_eq!(runtime.left()[..2], expected);
    }

    #[tokio::test]
    async fn says_what_cannot_be_removed_and_goes_on() {
        let runtime = MemoryRuntime::new();
        let instance = host(&runtime, "mine").await;
        let error = RuntimeError::engine("device busy");
        runtime.fail(crate::Step::RemoveVolume, 1, error.clone());
        let swept = instance.remove_all().await.unwrap();
        assert_eq!(swept.removed, ["container mine-host"]);
        assert_eq!(swept.failed, [("volume mine-disk".to_owned(), error)]);
        runtime.lose();
        assert!(instance.sweep().await.unwrap_err().is_no_engine());
    }

    #[tokio::test]
    async fn a_network_goes_with_its_last_user() {
        let runtime = MemoryRuntime::new();
        let instance = Instance::with_id(Arc::new(runtime.clone()), "mine");
        instance.acquire_network("net").await.unwrap();
        instance.acquire_network("net").await.unwrap();
        instance.release_network("net").await.unwrap();
        assert_eq!(runtime.left(), ["network net"]);
        instance.release_network("net").await.unwrap();
        assert!(runtime.left().is_empty());
    }

    #[tokio::test]
    async fn the_network_of_somebody_else_stays() {
        let runtime = MemoryRuntime::new();
        runtime.ensure_network(&crate::NetworkSpec { name: "theirs".into(), ..Default::default() }).await.unwrap();
        let other = Instance::with_id(Arc::new(runtime.clone()), "other");
        other.acquire_network("other").await.unwrap();
        let instance = Instance::with_id(Arc::new(runtime.clone()), "mine");
        for name in ["theirs", "other"] {
            instance.acquire_network(name).await.unwrap();
            instance.release_network(name).await.unwrap();
        }
        assert_eq!(runtime.left(), ["network other", "network theirs"]);
    }
}
