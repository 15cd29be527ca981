//! One running service, and what it shares with others: networks.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OnceCell};

use crate::error::gone;
use crate::identity::{Identity, Verdict};
use crate::{ContainerRuntime, Labels, Network, NetworkSpec, Result, RuntimeError, label};

/// One running service. Everything that it makes in the engine carries its labels; what a dead one has left is found by
/// them ([`Instance::sweep`]).
pub struct Instance {
    pub(crate) runtime: Arc<dyn ContainerRuntime>,
    id: String,
    identity: OnceCell<Identity>,
    /// How many users each network has here. The lock is held while a network is made or removed.
    networks: std::sync::Mutex<BTreeMap<String, Arc<Mutex<usize>>>>,
}

impl Instance {
    /// A service with an identifier of its own. The engine is not asked anything yet.
    pub fn new(runtime: Arc<dyn ContainerRuntime>) -> Self {
        // Without randomness the process and the address of a fresh allocation are still nobody else's.
        let random = getrandom::u64().unwrap_or_else(|_| {
            let place = Arc::new(0_u8);
            u64::from(std::process::id()) << 32 ^ Arc::as_ptr(&place).addr() as u64
        });
        Self::with_id(runtime, format!("{random:016x}"))
    }

    /// A service with a given identifier, which must be no other's.
    pub fn with_id(runtime: Arc<dyn ContainerRuntime>, id: impl Into<String>) -> Self {
        Self { runtime, id: id.into(), identity: OnceCell::new(), networks: Default::default() }
    }

    /// What identifies it: the value of [`label::INSTANCE`].
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The engine that it uses.
    pub fn runtime(&self) -> &Arc<dyn ContainerRuntime> {
        &self.runtime
    }

    /// The labels that find everything of this service.
    pub fn selector(&self) -> Labels {
        select([(label::PRODUCT, label::VIMSIM), (label::INSTANCE, self.id())])
    }

    /// The labels of something that goes with its owner: what it is (`host`, `vm`, `volume`), and the owner's reference.
    pub async fn labels(&self, kind: &str, owner: &str) -> Result<Labels> {
        let mut labels = self.selector();
        let process = self.identity().await?.to_label();
        labels.extend(select([
            (label::PROCESS, process.as_str()),
            (label::KIND, kind),
            (label::OWNER, owner),
            (label::LIFECYCLE, label::WITH_OWNER),
        ]));
        Ok(labels)
    }

    pub(crate) async fn identity(&self) -> Result<&Identity> {
        self.identity.get_or_try_init(|| Identity::of_this_process(&*self.runtime)).await
    }

    /// Joins the network of this name, which is made if there is none, for one more user.
    pub async fn acquire_network(&self, name: &str) -> Result<Network> {
        let mut labels = self.labels("underlay", "").await?;
        labels.remove(label::OWNER);
        labels.insert(label::LIFECYCLE.into(), label::WITH_USERS.into());
        let slot = self.slot(name);
        let mut users = slot.lock().await;
        let spec = NetworkSpec { name: name.into(), labels, subnet: None };
        let (network, _) = self.runtime.ensure_network(&spec).await?;
        *users += 1;
        Ok(network)
    }

    /// One user less, whose container is gone. With the last one goes the network, if this service made it, or one that has died
    /// since, and no container of anybody is in it.
    pub async fn release_network(&self, name: &str) -> Result<()> {
        let slot = self.slot(name);
        let mut users = slot.lock().await;
        *users = users.saturating_sub(1);
        if *users == 0 { self.remove_unused(name).await } else { Ok(()) }
    }

    fn slot(&self, name: &str) -> Arc<Mutex<usize>> {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        networks.entry(name.to_owned()).or_default().clone()
    }

    /// Removes a network that is ours or a dead service's and has no users.
    async fn remove_unused(&self, name: &str) -> Result<()> {
        let network = match self.runtime.inspect_network(name).await {
            Err(RuntimeError::NotFound { .. }) => return Ok(()),
            network => network?,
        };
        let is_mine = network.labels.get(label::INSTANCE) == Some(&self.id);
        if !is_mine && self.judge(&network.labels).await? != Verdict::Dead {
            return Ok(());
        }
        remove_network(&*self.runtime, &network.id).await.map(drop)
    }

    /// Whether the service that made something lives. What is not labelled belongs to somebody who lives.
    pub(crate) async fn judge(&self, labels: &Labels) -> Result<Verdict> {
        if labels.get(label::PRODUCT).is_none_or(|product| product != label::VIMSIM) {
            return Ok(Verdict::Alive);
        }
        if labels.get(label::INSTANCE) == Some(&self.id) {
            return Ok(Verdict::Alive);
        }
        match labels.get(label::PROCESS).and_then(|process| Identity::from_label(process)) {
            Some(other) => Ok(self.identity().await?.judge(&other, &*self.runtime).await),
            None => Ok(Verdict::Unsure),
        }
    }
}

/// Removes a network unless somebody uses it; whether it is gone.
pub(crate) async fn remove_network(runtime: &dyn ContainerRuntime, network: &str) -> Result<bool> {
    match runtime.network_users(network).await {
        Ok(users) if !users.is_empty() => return Ok(false),
        Err(RuntimeError::NotFound { .. }) => return Ok(true),
        result => result?,
    };
    match gone(runtime.remove_network(network).await) {
        // Somebody joined it meanwhile.
        Err(RuntimeError::Conflict { .. }) => Ok(false),
        result => result.map(|()| true),
    }
}

/// Labels from names and values.
pub(crate) fn select<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Labels {
    labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
