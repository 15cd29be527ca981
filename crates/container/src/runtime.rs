//! What the simulator asks of a container engine.

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::{
    ByteStream, Container, ContainerSpec, ContainerSummary, EngineEvent, EngineVersion, ExecOutcome, ExecSpec,
    ExecStream, Labels, Network, NetworkSpec, PathStat, Process, Removal, Result, Volume, VolumeSpec,
};

/// Told how far a pull is, from 0 to 100, never less than before.
pub type Progress<'a> = &'a mut (dyn FnMut(u8) + Send);

/// A container engine. Containers and networks are named by identifier or name, volumes by name.
///
/// Every method may fail with [`RuntimeError::NoEngine`] when the engine is not there, and is done when it returns: a
/// container that was started runs, one that was removed is gone.
///
/// [`RuntimeError::NoEngine`]: crate::RuntimeError::NoEngine
#[async_trait]
pub trait ContainerRuntime: Send + Sync {
    /// Which engine answers, if one does.
    async fn version(&self) -> Result<EngineVersion>;

    /// Whether the image is here already.
    async fn has_image(&self, image: &str) -> Result<bool>;

    /// Gets the image from its registry. `Image` if it cannot be had.
    async fn pull_image(&self, image: &str, progress: Progress<'_>) -> Result<()>;

    /// Makes sure that the image is here; gets it only if it is not.
    async fn ensure_image(&self, image: &str, progress: Progress<'_>) -> Result<()> {
        if !self.has_image(image).await? {
            self.pull_image(image, progress).await?;
        }
        progress(100);
        Ok(())
    }

    /// Makes a volume. `Conflict` if there is one of this name: engines would silently hand out that one.
    async fn create_volume(&self, spec: &VolumeSpec) -> Result<Volume>;

    /// Looks at a volume.
    async fn inspect_volume(&self, name: &str) -> Result<Volume>;

    /// The volumes with all of these labels, by name. A label with an empty value matches any value.
    async fn list_volumes(&self, labels: &Labels) -> Result<Vec<Volume>>;

    /// Removes a volume. `Conflict` while a container uses it.
    async fn remove_volume(&self, name: &str) -> Result<()>;

    /// The network of this name, and whether it had to be made.
    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<(Network, bool)>;

    /// Looks at a network.
    async fn inspect_network(&self, network: &str) -> Result<Network>;

    /// The networks with all of these labels, by name. A label with an empty value matches any value.
    async fn list_networks(&self, labels: &Labels) -> Result<Vec<Network>>;

    /// The containers that have joined a network, running or not, by name.
    async fn network_users(&self, network: &str) -> Result<Vec<ContainerSummary>>;

    /// Removes a network. `Conflict` while a running container is in it.
    async fn remove_network(&self, network: &str) -> Result<()>;

    /// Makes a container with all its networks, and returns its identifier. `Conflict` if the name is taken, `Image` if
    /// the image is not here, `NotFound` for a missing network. Leaves nothing behind when it fails.
    async fn create_container(&self, spec: &ContainerSpec) -> Result<String>;

    /// Has a container join one network more, running or not; nothing happens if it is in it already. `NotFound` for a
    /// missing network.
    async fn join_network(&self, container: &str, network: &str) -> Result<()>;

    /// Has a container leave a network; nothing happens if it is not in it.
    async fn leave_network(&self, container: &str, network: &str) -> Result<()>;

    /// Starts it; nothing happens if it runs already.
    async fn start_container(&self, container: &str) -> Result<()>;

    /// Asks it to stop, and kills it after so many seconds; nothing happens if it does not run.
    async fn stop_container(&self, container: &str, seconds: u32) -> Result<()>;

    /// Stops it as above, and starts it again.
    async fn restart_container(&self, container: &str, seconds: u32) -> Result<()>;

    /// Sends a signal, such as `SIGKILL`. `Conflict` if it does not run.
    async fn kill_container(&self, container: &str, signal: &str) -> Result<()>;

    /// Freezes it. `Conflict` if it does not run or is frozen.
    async fn pause_container(&self, container: &str) -> Result<()>;

    /// Lets it go on. `Conflict` if it is not frozen.
    async fn unpause_container(&self, container: &str) -> Result<()>;

    /// Removes it. `Conflict` if it runs and is not to be killed.
    async fn remove_container(&self, container: &str, removal: Removal) -> Result<()>;

    /// Looks at a container.
    async fn inspect_container(&self, container: &str) -> Result<Container>;

    /// The containers with all of these labels, running or not, by name. A label with an empty value matches any value.
    async fn list_containers(&self, labels: &Labels) -> Result<Vec<ContainerSummary>>;

    /// The processes of a running container. `Conflict` if it does not run.
    async fn processes(&self, container: &str) -> Result<Vec<Process>>;

    /// Runs a command in a running container and waits for its end. `Conflict` if the container does not run.
    async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<ExecOutcome>;

    /// Runs a command in a running container, and answers what it writes as it writes it, up to its end. It reads `stdin`
    /// beside what the specification gives it. Dropping the stream does not end the command. `Conflict` if the container
    /// does not run.
    async fn exec_stream(&self, container: &str, spec: &ExecSpec, stdin: Option<ByteStream>) -> Result<ExecStream>;

    /// Unpacks a tar archive in a directory of a container, running or not.
    async fn upload(&self, container: &str, directory: &str, tar: ByteStream) -> Result<()>;

    /// Packs a path of a container, running or not, as a tar archive.
    async fn download(&self, container: &str, path: &str) -> Result<ByteStream>;

    /// Looks at a path of a container, running or not.
    async fn stat_path(&self, container: &str, path: &str) -> Result<PathStat>;

    /// News of the containers with all of these labels (an empty value matches any), without an end. It begins with `Connected` or `Lost`; after a
    /// loss it tries again by itself, waiting longer each time, up to some seconds.
    fn events(&self, labels: &Labels) -> BoxStream<'static, EngineEvent>;
}
