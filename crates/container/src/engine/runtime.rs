//! A real engine as a [`ContainerRuntime`].

use async_trait::async_trait;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{
    KillContainerOptions, ListVolumesOptions, RemoveVolumeOptions, RestartContainerOptions, StartContainerOptions,
    StopContainerOptions,
};
use futures_util::stream::BoxStream;

use crate::engine::convert::{self, checked, checked_new, filters};
use crate::engine::events;
use crate::labels::has;
use crate::{
    ByteStream, Container, ContainerRuntime, ContainerSpec, ContainerSummary, Engine, EngineEvent, EngineVersion,
    ExecOutcome, ExecSpec, ExecStream, Labels, Network, NetworkSpec, PathStat, Process, Progress, Removal, Result,
    RuntimeError, Volume, VolumeSpec,
};

#[async_trait]
impl ContainerRuntime for Engine {
    async fn version(&self) -> Result<EngineVersion> {
        let seen = self.docker().await?.version().await.map_err(|error| self.error(error))?;
        let component = seen.components.unwrap_or_default().into_iter().next().map(|component| component.name);
        Ok(EngineVersion {
            name: component.unwrap_or_else(|| "Engine".into()),
            version: seen.version.unwrap_or_default(),
            api_version: seen.api_version.unwrap_or_default(),
        })
    }

    async fn has_image(&self, image: &str) -> Result<bool> {
        self.is_here(image).await
    }

    async fn pull_image(&self, image: &str, progress: Progress<'_>) -> Result<()> {
        self.pull(image, progress).await
    }

    /// Engines answer a name that is taken with the volume that has it, so it is looked up first.
    async fn create_volume(&self, spec: &VolumeSpec) -> Result<Volume> {
        match self.inspect_volume(checked_new(&spec.name)?).await {
            Ok(_) => return Err(RuntimeError::conflict(format!("volume {} exists already", spec.name))),
            Err(RuntimeError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let request = VolumeCreateRequest {
            name: Some(spec.name.clone()),
            labels: Some(spec.labels.clone().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        let made = self.docker().await?.create_volume(request).await;
        made.map(convert::volume).map_err(|error| self.error(error))
    }

    async fn inspect_volume(&self, name: &str) -> Result<Volume> {
        let seen = self.docker().await?.inspect_volume(checked(name)?).await;
        seen.map(convert::volume).map_err(|error| self.error(error))
    }

    async fn list_volumes(&self, labels: &Labels) -> Result<Vec<Volume>> {
        let options = ListVolumesOptions { filters: Some(filters(labels, &[])) };
        let found = self.docker().await?.list_volumes(Some(options)).await.map_err(|error| self.error(error))?;
        let mut found: Vec<Volume> = found.volumes.unwrap_or_default().into_iter().map(convert::volume).collect();
        found.retain(|volume| has(&volume.labels, labels));
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        let removed = self.docker().await?.remove_volume(checked(name)?, None::<RemoveVolumeOptions>).await;
        removed.map_err(|error| self.error(error))
    }

    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<(Network, bool)> {
        self.ensure_network_of(spec).await
    }

    async fn inspect_network(&self, network: &str) -> Result<Network> {
        self.network(network).await
    }

    async fn list_networks(&self, labels: &Labels) -> Result<Vec<Network>> {
        self.networks(labels).await
    }

    async fn network_users(&self, network: &str) -> Result<Vec<ContainerSummary>> {
        self.users_of(network).await
    }

    async fn remove_network(&self, network: &str) -> Result<()> {
        self.remove_network_of(network).await
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<String> {
        self.create(spec).await
    }

    async fn join_network(&self, container: &str, network: &str) -> Result<()> {
        self.join_one(container, network).await
    }

    async fn leave_network(&self, container: &str, network: &str) -> Result<()> {
        self.leave_one(container, network).await
    }

    async fn start_container(&self, container: &str) -> Result<()> {
        let started = self.docker().await?.start_container(checked(container)?, None::<StartContainerOptions>).await;
        started.map_err(|error| self.error(error))
    }

    async fn stop_container(&self, container: &str, seconds: u32) -> Result<()> {
        let options = StopContainerOptions { t: Some(patience(seconds)), ..StopContainerOptions::default() };
        let stopped = self.docker().await?.stop_container(checked(container)?, Some(options)).await;
        stopped.map_err(|error| self.error(error))
    }

    async fn restart_container(&self, container: &str, seconds: u32) -> Result<()> {
        let options = RestartContainerOptions { t: Some(patience(seconds)), ..RestartContainerOptions::default() };
        let restarted = self.docker().await?.restart_container(checked(container)?, Some(options)).await;
        restarted.map_err(|error| self.error(error))
    }

    async fn kill_container(&self, container: &str, signal: &str) -> Result<()> {
        let options = KillContainerOptions { signal: signal.into() };
        let killed = self.docker().await?.kill_container(checked(container)?, Some(options)).await;
        killed.map_err(|error| self.error(error))
    }

    async fn pause_container(&self, container: &str) -> Result<()> {
        self.docker().await?.pause_container(checked(container)?).await.map_err(|error| self.error(error))
    }

    async fn unpause_container(&self, container: &str) -> Result<()> {
        self.docker().await?.unpause_container(checked(container)?).await.map_err(|error| self.error(error))
    }

    async fn remove_container(&self, container: &str, removal: Removal) -> Result<()> {
        self.remove(container, removal).await
    }

    async fn inspect_container(&self, container: &str) -> Result<Container> {
        self.container(container).await
    }

    async fn list_containers(&self, labels: &Labels) -> Result<Vec<ContainerSummary>> {
        self.summaries(labels, &[]).await
    }

    async fn processes(&self, container: &str) -> Result<Vec<Process>> {
        self.top(container).await
    }

    async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<ExecOutcome> {
        self.run(container, spec).await
    }

    async fn exec_stream(&self, container: &str, spec: &ExecSpec, stdin: Option<ByteStream>) -> Result<ExecStream> {
        self.run_stream(container, spec, stdin).await
    }

    async fn upload(&self, container: &str, directory: &str, tar: ByteStream) -> Result<()> {
        self.put(container, directory, tar).await
    }

    async fn download(&self, container: &str, path: &str) -> Result<ByteStream> {
        self.get(container, path).await
    }

    async fn stat_path(&self, container: &str, path: &str) -> Result<PathStat> {
        self.stat(container, path).await
    }

    fn events(&self, labels: &Labels) -> BoxStream<'static, EngineEvent> {
        events::listen(self, labels)
    }
}

/// An engine waits forever for a negative time, and our own wait for it ends after two minutes.
fn patience(seconds: u32) -> i32 {
    seconds.min(100) as i32
}
