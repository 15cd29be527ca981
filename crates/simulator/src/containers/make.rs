//! Making a container for a host, and taking it away. A step that fails takes those before it back.

use std::sync::Arc;

use vimsim_container::{
    Archive, Container, ContainerSpec, Instance, Mount, Removal, RuntimeError, Status, Undo, VolumeSpec, label,
    stream_of,
};
use vimsim_types::views::{HostVmfsVolume, RequestCanceled};
use vimsim_types::{Fault, View};

use super::backing::Backed;
use super::engine::{Engine, fault};
use super::plan::{Plan, Volume};
use crate::work::Work;

/// What the labels of containers say that they are.
pub(crate) const HOST: &str = "host";

/// Whether volumes that are there already may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Volumes {
    New,
    /// Those of the host's container before: it was removed and its volumes were not.
    Kept,
}

/// A container that was made, and how to take it back until somebody has written it down.
pub(crate) struct Made {
    pub(crate) seen: Container,
    pub(crate) undo: Undo,
}

/// Makes the container of a host, and starts it; how far it is, is told from 0 to 95 percent.
///
/// - `PlatformConfigFault` with the engine's words; `RequestCanceled`. Nothing is left then of what was made here.
pub(crate) async fn make(engine: &Engine, plan: &Plan, volumes: Volumes, work: &Work) -> Result<Made, Fault> {
    let instance = engine.instance()?;
    pull(instance, &plan.wanted.image, Some(work)).await?;
    let _busy = engine.permit().await;
    let mut undo = Undo::new();
    match steps(instance, plan, volumes, work, &mut undo).await {
        Ok(seen) => Ok(Made { seen, undo }),
        Err(error) => {
            let left = undo.rollback().await;
            Err(and_left(error, &left))
        }
    }
}

/// Gets the image, if it is not here. That may take long, and can be given up.
pub(crate) async fn pull(instance: &Arc<Instance>, image: &str, work: Option<&Work>) -> Result<(), Fault> {
    let doing = format!("getting the image {image}");
    let Some(work) = work else {
        return instance.runtime().ensure_image(image, &mut |_| ()).await.map_err(|error| fault(&error));
    };
    work.progress(0, &doing);
    let mut progress = |percent: u8| work.progress(i32::from(percent) / 2, &doing);
    let pulled = instance.runtime().ensure_image(image, &mut progress);
    work.unless_cancelled(pulled).await?.map_err(|error| fault(&error))
}

/// Names what could not be taken back, beside what went wrong.
pub(super) fn and_left(error: Fault, left: &[(String, RuntimeError)]) -> Fault {
    if left.is_empty() {
        return error;
    }
    let left: Vec<String> = left.iter().map(|(what, why)| format!("{what} ({why})")).collect();
    let message = format!("{}; and this could not be removed: {}", error.message(), left.join(", "));
    fault(&RuntimeError::engine(message))
}

async fn steps(
    instance: &Arc<Instance>,
    plan: &Plan,
    volumes: Volumes,
    work: &Work,
    undo: &mut Undo,
) -> Result<Container, Fault> {
    let runtime = instance.runtime();
    let failed = |error: RuntimeError| fault(&error);
    let go_on = || if work.is_cancelled() { Err(Fault::from(RequestCanceled::new())) } else { Ok(()) };
    let owner = plan.host.to_string();

    work.progress(50, "making volumes");
    for volume in &plan.volumes {
        go_on()?;
        make_volume(instance, plan, volume, volumes, undo).await.map_err(failed)?;
    }

    work.progress(60, "joining networks");
    for network in plan.cables.iter().filter_map(|(_, network)| network.as_deref()) {
        go_on()?;
        instance.acquire_network(network).await.map_err(failed)?;
        let (instance, name) = (instance.clone(), network.to_owned());
        undo.push(format!("network {network}"), async move { instance.release_network(&name).await });
    }

    go_on()?;
    work.progress(70, "making the container");
    let mut labels = instance.labels(HOST, &owner).await.map_err(failed)?;
    labels.insert("lifecycle".into(), "container".into());
    let spec = ContainerSpec {
        name: free_name(instance, &plan.name).await.map_err(failed)?,
        image: plan.wanted.image.clone(),
        command: plan.wanted.command.clone(),
        labels,
        mounts: plan.volumes.iter().map(mount).collect(),
        networks: plan.cables.iter().filter_map(|(_, network)| network.clone()).collect(),
        hostname: Some(plan.hostname.clone()),
        // A shell's `sleep` takes no notice of being asked, and has nothing to save.
        stop_signal: plan.wanted.is_default.then(|| "SIGKILL".to_owned()),
        ..ContainerSpec::default()
    };
    let id = runtime.create_container(&spec).await.map_err(failed)?;
    let (again, container) = (runtime.clone(), id.clone());
    undo.push(
        format!("container {}", spec.name),
        async move { again.remove_container(&container, Removal::ALL).await },
    );

    go_on()?;
    work.progress(80, "linking file systems");
    runtime.upload(&id, "/", stream_of(links(&plan.volumes).map_err(failed)?)).await.map_err(failed)?;

    work.progress(85, "starting the container");
    runtime.start_container(&id).await.map_err(failed)?;

    work.progress(95, "reading addresses");
    let seen = runtime.inspect_container(&id).await.map_err(failed)?;
    match seen.state.status {
        Status::Running => Ok(seen),
        _ => Err(failed(RuntimeError::engine(ended(&seen)))),
    }
}

async fn make_volume(
    instance: &Arc<Instance>,
    plan: &Plan,
    volume: &Volume,
    volumes: Volumes,
    undo: &mut Undo,
) -> vimsim_container::Result<()> {
    let runtime = instance.runtime();
    let mut labels = instance.labels("volume", &plan.host.to_string()).await?;
    let file_system = volume.before.volume();
    let kind = if file_system.downcast::<HostVmfsVolume>().is_some() { file_system.type_().as_str() } else { "VFAT" };
    let capacity = file_system.capacity().to_string();
    let access = if volume.read_only { "readOnly" } else { "readWrite" };
    for (name, value) in [
        ("name", volume.name.as_str()),
        ("container", &plan.name),
        ("lifecycle", "container"),
        ("vimsim.volume.type", kind),
        ("vimsim.volume.capacity", &capacity),
        ("vimsim.volume.access", access),
    ] {
        labels.insert(name.into(), value.into());
    }
    let spec = VolumeSpec { name: volume.id.clone(), labels };
    match runtime.create_volume(&spec).await {
        Ok(_) => {}
        Err(RuntimeError::Conflict { .. }) if volumes == Volumes::Kept => {
            let known = runtime.inspect_volume(&volume.id).await?;
            if known.labels.get(label::INSTANCE).is_some_and(|instance_of| instance_of == instance.id()) {
                return Ok(());
            }
            return Err(RuntimeError::conflict(format!("the volume {} is somebody else's", volume.id)));
        }
        Err(error) => return Err(error),
    }
    let (again, name) = (runtime.clone(), volume.id.clone());
    undo.push(format!("volume {name}"), async move { again.remove_volume(&name).await });
    Ok(())
}

/// The container's name, or a longer one if somebody else's container has it: another service on this engine may have a
/// host like ours.
pub(super) async fn free_name(instance: &Arc<Instance>, name: &str) -> vimsim_container::Result<String> {
    match instance.runtime().inspect_container(name).await {
        Err(RuntimeError::NotFound { .. }) => Ok(name.to_owned()),
        Err(error) => Err(error),
        Ok(_) => Ok(format!("{name}-{}", instance.id())),
    }
}

fn mount(volume: &Volume) -> Mount {
    Mount { source: volume.id.clone(), target: volume.path(), read_only: volume.read_only }
}

/// The links by which people find the file systems.
fn links(volumes: &[Volume]) -> vimsim_container::Result<Vec<u8>> {
    let folders = ["vmfs", "vmfs/volumes", "var", "var/lib", "var/lib/vmware"];
    let mut archive = folders.iter().fold(Archive::new(), |archive, folder| archive.directory(folder, 0o755));
    for volume in volumes {
        archive = archive.link(&format!("vmfs/volumes/{}", volume.name), &volume.path());
        if volume.is_system_data {
            archive = archive.link("var/lib/vmware/osdata", &volume.path());
        }
    }
    archive.finish()
}

/// How a container stands that does not run.
pub(crate) fn ended(seen: &Container) -> String {
    let why = if seen.state.error.is_empty() { String::new() } else { format!(": {}", seen.state.error) };
    match (seen.state.status, seen.state.exit_code) {
        (Status::Paused, _) => format!("its container {} is paused", seen.name),
        (_, Some(code)) => format!("its container {} has ended with exit code {code}{why}", seen.name),
        _ => format!("its container {} does not run{why}", seen.name),
    }
}

/// Takes the container of a host away, with its volumes, and the networks that nobody else uses. What is gone already is
/// no hindrance.
///
/// - `PlatformConfigFault` with the engine's words.
pub(crate) async fn unmake(engine: &Engine, backed: &Backed) -> Result<(), Fault> {
    let volumes = backed.volumes.iter().map(|volume| volume.id.as_str()).collect();
    remove(engine, &backed.container, volumes, backed.networks().collect()).await
}

/// Takes a container away, then its volumes, then its networks, as far as they are there.
///
/// - `PlatformConfigFault` with the engine's words.
pub(super) async fn remove(
    engine: &Engine,
    container: &str,
    volumes: Vec<&str>,
    networks: Vec<&str>,
) -> Result<(), Fault> {
    let instance = engine.instance()?;
    let runtime = instance.runtime();
    let gone = |result: vimsim_container::Result<()>| match result {
        Err(error) if !error.is_not_found() => Err(fault(&error)),
        _ => Ok(()),
    };
    gone(runtime.remove_container(container, Removal::ALL).await)?;
    for volume in volumes {
        gone(runtime.remove_volume(volume).await)?;
    }
    for network in networks {
        gone(instance.release_network(network).await)?;
    }
    Ok(())
}
