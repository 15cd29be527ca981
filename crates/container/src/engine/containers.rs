//! Making and removing containers.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, Mount, MountType, NetworkConnectRequest,
    NetworkDisconnectRequest, NetworkingConfig, PortBinding,
};
use bollard::query_parameters::{CreateContainerOptions, InspectContainerOptions, RemoveContainerOptions};

use crate::engine::convert::{self, checked, checked_new};
use crate::{Container, ContainerSpec, Engine, Port, Protocol, Removal, Result, RuntimeError};

/// So long may another's removal of the same container take.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(30);

/// So long may an engine clean up after a container, and so often is looked whether it has.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(10);
const CLEANUP_PAUSE: Duration = Duration::from_millis(20);

/// Asks again while a container is being cleaned up: Podman says `stopped` between its end and the end of its cleanup, which
/// is no state of Docker's, and cannot be read.
pub(super) async fn cleaned_up<T, F: Future<Output = std::result::Result<T, Error>>>(
    ask: impl Fn() -> F,
) -> std::result::Result<T, Error> {
    let mut waited = Duration::ZERO;
    loop {
        match ask().await {
            Err(Error::JsonDataError { message, .. }) if message.contains("`stopped`") && waited < CLEANUP_PATIENCE => {
                tokio::time::sleep(CLEANUP_PAUSE).await;
                waited += CLEANUP_PAUSE;
            }
            answer => return answer,
        }
    }
}

impl Engine {
    /// Older engines take one network at first, so the others are joined one by one. If that fails, the container goes.
    pub(super) async fn create(&self, spec: &ContainerSpec) -> Result<String> {
        checked_new(&spec.name)?;
        // Engines let a container that does not run join a network that is not there, and names may be ambiguous.
        let mut networks = Vec::new();
        for network in &spec.networks {
            // These are modes rather than networks, and have no identifier that a container could be given.
            match network.as_str() {
                "host" | "none" => networks.push(network.clone()),
                network => networks.push(self.network(network).await?.id),
            }
        }
        let docker = self.docker().await?;
        let options = CreateContainerOptions { name: Some(spec.name.clone()), ..CreateContainerOptions::default() };
        let created = docker
            .create_container(Some(options), body(spec, networks.first()))
            .await
            .map_err(|error| self.error(error));
        let id = match created {
            // A missing image is not found just as a missing network is.
            Err(RuntimeError::NotFound { message }) if is_about_image(&message) => {
                return Err(RuntimeError::Image { image: spec.image.clone(), message });
            }
            created => created?.id,
        };
        for network in networks.iter().skip(1) {
            if let Err(error) = self.join(&id, network).await {
                if let Err(also) = self.remove(&id, Removal::ALL).await {
                    tracing::warn!(container = id, error = %also, "cannot remove a container without its networks");
                }
                return Err(error);
            }
        }
        Ok(id)
    }

    pub(super) async fn join_one(&self, container: &str, network: &str) -> Result<()> {
        let network = self.network(network).await?;
        let seen = self.container(container).await?;
        if seen.endpoint(&network.name).is_some() { Ok(()) } else { self.join(&seen.id, &network.id).await }
    }

    pub(super) async fn leave_one(&self, container: &str, network: &str) -> Result<()> {
        let seen = self.container(container).await?;
        let Some(endpoint) = seen.endpoint(network) else { return Ok(()) };
        let request = NetworkDisconnectRequest { container: seen.id.clone(), force: Some(false) };
        // A container that never ran is in its networks by name only.
        let place = if endpoint.network_id.is_empty() { network } else { &endpoint.network_id };
        let left = self.docker().await?.disconnect_network(checked(place)?, request).await;
        left.map_err(|error| self.error(error))
    }

    async fn join(&self, container: &str, network: &str) -> Result<()> {
        let endpoint_config = Some(EndpointSettings::default());
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config };
        let joined = self.docker().await?.connect_network(checked(network)?, request).await;
        joined.map_err(|error| self.error(error))
    }

    pub(super) async fn container(&self, container: &str) -> Result<Container> {
        let (docker, container) = (self.docker().await?, checked(container)?);
        let seen = cleaned_up(|| docker.inspect_container(container, None::<InspectContainerOptions>)).await;
        Ok(convert::container(seen.map_err(|error| self.error(error))?))
    }

    /// If somebody else is removing it already, waits until it is gone.
    pub(super) async fn remove(&self, container: &str, removal: Removal) -> Result<()> {
        let Removal { force, volumes } = removal;
        let options = RemoveContainerOptions { force, v: volumes, ..RemoveContainerOptions::default() };
        let removed = self.docker().await?.remove_container(checked(container)?, Some(options)).await;
        match removed.map_err(|error| self.error(error)) {
            Err(RuntimeError::Conflict { message }) if message.contains("already in progress") => {
                let gone = async {
                    while !self.container(container).await.is_err_and(|error| error.is_not_found()) {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                };
                let waited = tokio::time::timeout(REMOVAL_PATIENCE, gone).await;
                waited.map_err(|_| RuntimeError::Conflict { message })
            }
            removed => removed,
        }
    }
}

fn is_about_image(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("no such image") || message.contains("image not known")
}

fn body(spec: &ContainerSpec, network: Option<&String>) -> ContainerCreateBody {
    let networking = network.map(|first| NetworkingConfig {
        endpoints_config: Some(HashMap::from([(first.clone(), EndpointSettings::default())])),
    });
    let host = HostConfig {
        mounts: Some(spec.mounts.iter().map(mount).collect()),
        network_mode: network.cloned(),
        port_bindings: (!spec.ports.is_empty()).then(|| port_bindings(&spec.ports)),
        tmpfs: (!spec.tmpfs.is_empty()).then(|| spec.tmpfs.iter().cloned().collect()),
        init: spec.init.then_some(true),
        privileged: spec.privileged.then_some(true),
        cap_add: (!spec.capabilities.is_empty()).then(|| spec.capabilities.clone()),
        dns: (!spec.name_servers.is_empty()).then(|| spec.name_servers.clone()),
        extra_hosts: (!spec.hosts.is_empty()).then(|| spec.hosts.clone()),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: (!spec.command.is_empty()).then(|| spec.command.clone()),
        entrypoint: (!spec.entrypoint.is_empty()).then(|| spec.entrypoint.clone()),
        user: spec.user.clone(),
        working_dir: spec.working_dir.clone(),
        tty: spec.terminal.then_some(true),
        open_stdin: spec.terminal.then_some(true),
        env: (!spec.env.is_empty()).then(|| env(&spec.env)),
        labels: Some(spec.labels.clone().into_iter().collect()),
        hostname: spec.hostname.clone(),
        stop_signal: spec.stop_signal.clone(),
        exposed_ports: (!spec.ports.is_empty()).then(|| spec.ports.iter().map(port_name).collect()),
        host_config: Some(host),
        networking_config: networking,
        ..ContainerCreateBody::default()
    }
}

pub(super) fn env(variables: &[(String, String)]) -> Vec<String> {
    variables.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn mount(mount: &crate::Mount) -> Mount {
    let typ = if mount.source.starts_with('/') { MountType::BIND } else { MountType::VOLUME };
    Mount {
        typ: Some(typ),
        source: Some(mount.source.clone()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    }
}

fn port_name(port: &Port) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{}/{protocol}", port.container)
}

fn port_bindings(ports: &[Port]) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: port.host_address.map(|address| address.to_string()),
            host_port: Some(port.host.unwrap_or_default().to_string()),
        };
        bindings.entry(port_name(port)).or_default().get_or_insert_default().push(binding);
    }
    bindings
}
