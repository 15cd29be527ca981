//! The engine in memory as a [`ContainerRuntime`].

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::broadcast::error::RecvError;

use crate::labels::has;
use crate::memory::{MemoryRuntime, Step};
use crate::{
    ByteStream, Container, ContainerAction, ContainerRuntime, ContainerSpec, ContainerSummary, EngineEvent,
    EngineVersion, ExecOutcome, ExecPart, ExecSpec, ExecStream, Labels, Network, NetworkSpec, PathStat, Process,
    Progress, Removal, Result, RuntimeError, Volume, VolumeSpec, bytes_of, stream_of,
};

impl MemoryRuntime {
    async fn enter(&self, step: Step, about: &str) -> Result<()> {
        let delay = self.world().delays.get(&step).copied();
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        self.world().enter(step, about)
    }

    fn exit(&self, container: &str, code: i64) -> Result<()> {
        if self.world().container(container)?.seen.state.pid == 0 {
            return Ok(());
        }
        self.end(container, code)
    }
}

#[async_trait]
impl ContainerRuntime for MemoryRuntime {
    async fn version(&self) -> Result<EngineVersion> {
        self.enter(Step::Version, "").await?;
        Ok(EngineVersion { name: "memory".into(), version: "1.0".into(), api_version: "1.41".into() })
    }

    async fn has_image(&self, image: &str) -> Result<bool> {
        self.enter(Step::HasImage, image).await?;
        Ok(self.world().images.contains(image))
    }

    async fn pull_image(&self, image: &str, progress: Progress<'_>) -> Result<()> {
        self.enter(Step::PullImage, image).await?;
        if self.world().unknown_images.contains(image) {
            return Err(RuntimeError::Image { image: image.into(), message: "manifest unknown".into() });
        }
        for percent in [0, 50, 100] {
            progress(percent);
        }
        self.add_image(image);
        Ok(())
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<Volume> {
        self.enter(Step::CreateVolume, &spec.name).await?;
        self.world().create_volume(spec)
    }

    async fn inspect_volume(&self, name: &str) -> Result<Volume> {
        self.enter(Step::InspectVolume, name).await?;
        self.world().volume(name).cloned()
    }

    async fn list_volumes(&self, labels: &Labels) -> Result<Vec<Volume>> {
        self.enter(Step::ListVolumes, "").await?;
        Ok(self.world().volumes.values().filter(|volume| has(&volume.labels, labels)).cloned().collect())
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        self.enter(Step::RemoveVolume, name).await?;
        self.world().remove_volume(name)
    }

    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<(Network, bool)> {
        self.enter(Step::EnsureNetwork, &spec.name).await?;
        self.world().ensure_network(spec)
    }

    async fn inspect_network(&self, network: &str) -> Result<Network> {
        self.enter(Step::InspectNetwork, network).await?;
        Ok(self.world().bridge(network)?.network.clone())
    }

    async fn list_networks(&self, labels: &Labels) -> Result<Vec<Network>> {
        self.enter(Step::ListNetworks, "").await?;
        let world = self.world();
        let networks = world.networks.values().map(|bridge| &bridge.network);
        Ok(networks.filter(|network| has(&network.labels, labels)).cloned().collect())
    }

    async fn network_users(&self, network: &str) -> Result<Vec<ContainerSummary>> {
        self.enter(Step::NetworkUsers, network).await?;
        Ok(self.world().network_users(network)?.into_iter().map(summary).collect())
    }

    async fn remove_network(&self, network: &str) -> Result<()> {
        self.enter(Step::RemoveNetwork, network).await?;
        self.world().remove_network(network)
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<String> {
        self.enter(Step::CreateContainer, &spec.name).await?;
        let created = self.world().create_container(spec)?;
        let id = created.id.clone();
        self.tell_container(created, ContainerAction::Create);
        Ok(id)
    }

    async fn join_network(&self, container: &str, network: &str) -> Result<()> {
        self.enter(Step::JoinNetwork, network).await?;
        self.world().join_network(container, network)
    }

    async fn leave_network(&self, container: &str, network: &str) -> Result<()> {
        self.enter(Step::LeaveNetwork, network).await?;
        self.world().leave_network(container, network)
    }

    async fn start_container(&self, container: &str) -> Result<()> {
        self.enter(Step::StartContainer, container).await?;
        self.start_outside(container)
    }

    async fn stop_container(&self, container: &str, _: u32) -> Result<()> {
        self.enter(Step::StopContainer, container).await?;
        self.exit(container, 143)
    }

    async fn restart_container(&self, container: &str, _: u32) -> Result<()> {
        self.enter(Step::RestartContainer, container).await?;
        self.exit(container, 143)?;
        self.start_outside(container)
    }

    async fn kill_container(&self, container: &str, _: &str) -> Result<()> {
        self.enter(Step::KillContainer, container).await?;
        self.kill_outside(container)
    }

    async fn pause_container(&self, container: &str) -> Result<()> {
        self.enter(Step::PauseContainer, container).await?;
        self.pause_outside(container)
    }

    async fn unpause_container(&self, container: &str) -> Result<()> {
        self.enter(Step::UnpauseContainer, container).await?;
        self.unpause_outside(container)
    }

    async fn remove_container(&self, container: &str, removal: Removal) -> Result<()> {
        self.enter(Step::RemoveContainer, container).await?;
        self.remove(container, removal.force)
    }

    async fn inspect_container(&self, container: &str) -> Result<Container> {
        self.enter(Step::InspectContainer, container).await?;
        Ok(self.world().container(container)?.seen.clone())
    }

    async fn list_containers(&self, labels: &Labels) -> Result<Vec<ContainerSummary>> {
        self.enter(Step::ListContainers, "").await?;
        let world = self.world();
        let containers = world.containers.values().map(|guest| &guest.seen);
        Ok(containers.filter(|container| has(&container.labels, labels)).map(summary).collect())
    }

    async fn processes(&self, container: &str) -> Result<Vec<Process>> {
        self.enter(Step::Processes, container).await?;
        let world = self.world();
        let seen = &world.container(container)?.seen;
        if seen.state.pid == 0 {
            return Err(RuntimeError::conflict(format!("Container {} is not running", seen.id)));
        }
        Ok(vec![Process { pid: seen.state.pid, user: "root".into(), command: seen.image.clone() }])
    }

    async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<ExecOutcome> {
        self.enter(Step::Exec, container).await?;
        let (seen, handler) = {
            let world = self.world();
            (world.container(container)?.seen.clone(), world.exec.clone())
        };
        if !seen.is_running() {
            return Err(RuntimeError::conflict(format!("Container {} is not running", seen.id)));
        }
        Ok(handler.map_or_else(ExecOutcome::default, |handler| handler(&seen, spec)))
    }

    async fn exec_stream(&self, container: &str, spec: &ExecSpec, stdin: Option<ByteStream>) -> Result<ExecStream> {
        let mut spec = spec.clone();
        if let Some(stdin) = stdin {
            spec.stdin.extend(bytes_of(stdin).await?);
        }
        let ExecOutcome { exit_code, stdout, stderr } = self.exec(container, &spec).await?;
        let parts = [ExecPart::Stdout(stdout.into()), ExecPart::Stderr(stderr.into()), ExecPart::Exit(exit_code)];
        Ok(stream::iter(parts.map(Ok)).boxed())
    }

    async fn upload(&self, container: &str, directory: &str, tar: ByteStream) -> Result<()> {
        self.enter(Step::Upload, container).await?;
        let tar = bytes_of(tar).await?;
        self.world().container_mut(container)?.files.unpack(directory, &tar)
    }

    async fn download(&self, container: &str, path: &str) -> Result<ByteStream> {
        self.enter(Step::Download, container).await?;
        let world = self.world();
        let files = &world.container(container)?.files;
        files.stat(path).ok_or_else(|| no_path(container, path))?;
        Ok(stream_of(files.pack(path)?))
    }

    async fn stat_path(&self, container: &str, path: &str) -> Result<PathStat> {
        self.enter(Step::StatPath, container).await?;
        self.world().container(container)?.files.stat(path).ok_or_else(|| no_path(container, path))
    }

    fn events(&self, labels: &Labels) -> BoxStream<'static, EngineEvent> {
        let receiver = self.events.subscribe();
        let world = self.world();
        let first = if world.is_lost { EngineEvent::Lost(world.lost()) } else { EngineEvent::Connected };
        let labels = labels.clone();
        let later = stream::unfold(receiver, |mut receiver| {
            async move {
                match receiver.recv().await {
                    Ok(event) => Some((event, receiver)),
                    // Whoever listens too slowly has to look at everything again.
                    Err(RecvError::Lagged(_)) => Some((EngineEvent::Connected, receiver)),
                    Err(RecvError::Closed) => None,
                }
            }
            .boxed()
        });
        let is_wanted = move |event: &EngineEvent| match event {
            EngineEvent::Container(event) => has(&event.labels, &labels),
            _ => true,
        };
        stream::iter([first]).chain(later).filter(move |event| std::future::ready(is_wanted(event))).boxed()
    }
}

fn no_path(container: &str, path: &str) -> RuntimeError {
    RuntimeError::not_found(format!("Could not find the file {path} in container {container}"))
}

fn summary(container: &Container) -> ContainerSummary {
    let Container { id, name, state, labels, .. } = container.clone();
    ContainerSummary { id, name, status: state.status, labels }
}
