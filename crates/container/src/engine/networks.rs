//! Networks.

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::{InspectNetworkOptions, ListContainersOptions, ListNetworksOptions};

use crate::engine::containers::cleaned_up;
use crate::engine::convert::{self, checked, checked_new, filters};
use crate::labels::has;
use crate::{ContainerSummary, Engine, Labels, Network, NetworkSpec, Result, RuntimeError, Status};

impl Engine {
    /// The networks of this name, the oldest first: engines allow several.
    async fn networks_named(&self, name: &str) -> Result<Vec<Network>> {
        let options = ListNetworksOptions { filters: Some(filters(&Labels::new(), &[("name", name)])) };
        let mut found = self.docker().await?.list_networks(Some(options)).await.map_err(|error| self.error(error))?;
        // The filter finds parts of names, too.
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by(|one, other| (&one.created, &one.id).cmp(&(&other.created, &other.id)));
        Ok(found.into_iter().map(convert::network).collect())
    }

    pub(super) async fn ensure_network_of(&self, spec: &NetworkSpec) -> Result<(Network, bool)> {
        checked_new(&spec.name)?;
        let _turn = self.0.making_network.lock().await;
        if let Some(network) = self.networks_named(&spec.name).await?.into_iter().next() {
            return Ok((network, false));
        }
        let pool = spec.subnet.clone().map(|subnet| IpamConfig { subnet: Some(subnet), ..IpamConfig::default() });
        let request = NetworkCreateRequest {
            name: spec.name.clone(),
            driver: Some("bridge".into()),
            ipam: pool.map(|pool| Ipam { config: Some(vec![pool]), ..Ipam::default() }),
            labels: Some(spec.labels.clone().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let docker = self.docker().await?;
        let made = match docker.create_network(request).await.map_err(|error| self.error(error)) {
            Ok(made) => made.id,
            // Somebody else was faster, and this engine does not allow duplicates.
            Err(RuntimeError::Conflict { .. }) => String::new(),
            Err(error) => return Err(error),
        };
        let oldest = self.networks_named(&spec.name).await?.into_iter().next();
        let oldest = oldest.ok_or_else(|| RuntimeError::not_found(format!("network {} not found", spec.name)))?;
        let is_made = oldest.id == made;
        if !is_made && !made.is_empty() {
            // Somebody else was faster: one of the two has to go, and it is not theirs.
            docker.remove_network(&made).await.map_err(|error| self.error(error))?;
        }
        Ok((oldest, is_made))
    }

    /// A network by identifier or name; of several of one name, the oldest.
    pub(super) async fn network(&self, network: &str) -> Result<Network> {
        checked(network)?;
        if let Some(network) = self.networks_named(network).await?.into_iter().next() {
            return Ok(network);
        }
        let docker = self.docker().await?;
        let seen = docker.inspect_network(network, None::<InspectNetworkOptions>).await;
        Ok(convert::inspected_network(seen.map_err(|error| self.error(error))?))
    }

    /// Podman disconnects running containers, where Docker refuses to.
    pub(super) async fn remove_network_of(&self, network: &str) -> Result<()> {
        let id = self.network(network).await?.id;
        let users = self.summaries(&Labels::new(), &[("network", &id)]).await?;
        if let Some(user) = users.iter().find(|user| matches!(user.status, Status::Running | Status::Paused)) {
            return Err(RuntimeError::conflict(format!("network {network} has active endpoints: {}", user.name)));
        }
        self.docker().await?.remove_network(&id).await.map_err(|error| self.error(error))
    }

    pub(super) async fn networks(&self, labels: &Labels) -> Result<Vec<Network>> {
        let options = ListNetworksOptions { filters: Some(filters(labels, &[])) };
        let found = self.docker().await?.list_networks(Some(options)).await.map_err(|error| self.error(error))?;
        let mut found: Vec<Network> = found.into_iter().map(convert::network).collect();
        found.retain(|network| has(&network.labels, labels));
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// `NotFound` if there is no such network: the list alone would just be empty.
    pub(super) async fn users_of(&self, network: &str) -> Result<Vec<ContainerSummary>> {
        let id = self.network(network).await?.id;
        self.summaries(&Labels::new(), &[("network", &id)]).await
    }

    pub(super) async fn summaries(&self, labels: &Labels, others: &[(&str, &str)]) -> Result<Vec<ContainerSummary>> {
        let filters = Some(filters(labels, others));
        let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
        let docker = self.docker().await?;
        let found = cleaned_up(|| docker.list_containers(Some(options.clone()))).await;
        let found = found.map_err(|error| self.error(error))?;
        let mut found: Vec<ContainerSummary> = found.into_iter().map(convert::summary).collect();
        found.retain(|container| has(&container.labels, labels));
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }
}
