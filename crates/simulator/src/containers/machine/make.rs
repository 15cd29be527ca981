//! Making a container for a machine, and taking it away. A step that fails takes those before it back.

use std::sync::Arc;

use vimsim_container::{Container, ContainerSpec, Instance, Mount, Removal, RuntimeError, Undo, VolumeSpec, stream_of};
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::views::RequestCanceled;
use vimsim_types::{Fault, View};

use super::backing::Backed;
use super::dmi;
use super::plan::Plan;
use super::show::Before;
use crate::containers::engine::{Engine, fault};
use crate::containers::make::{and_left, free_name, pull};
use crate::work::Work;

/// What the labels of containers say that they are.
const MACHINE: &str = "vm";

/// A container that was made or started, and how to take it back until somebody has written it down.
pub(super) struct Made {
    pub(super) backed: Backed,
    pub(super) seen: Container,
    pub(super) undo: Undo,
}

/// Makes the container of a machine, and starts it.
///
/// - `PlatformConfigFault` with the engine's words; `RequestCanceled`. Nothing is left then of what was made here.
pub(super) async fn make(engine: &Engine, plan: &Plan, before: Before, work: Option<&Work>) -> Result<Made, Fault> {
    let instance = engine.instance()?;
    pull(instance, &plan.wanted.spec.image, work).await?;
    let _busy = engine.permit().await;
    loop {
        let has_firmware = engine.has_firmware();
        let mut undo = Undo::new();
        match steps(instance, plan, has_firmware, work, &mut undo).await {
            Ok((seen, volume)) => {
                let backed = Backed {
                    wanted: plan.wanted.clone(),
                    container: seen.id.clone(),
                    name: seen.name.clone(),
                    volume,
                    networks: plan.networks.clone(),
                    is_user: plan.is_user,
                    cards: plan.cards.clone(),
                    before,
                    state: Power::PoweredOn,
                    is_gone: false,
                };
                return Ok(Made { backed, seen, undo });
            }
            Err(error) => {
                let left = undo.rollback().await;
                if has_firmware && plan.wanted.has_dmi && error.message().contains("/sys/class/dmi") {
                    engine.note_no_firmware();
                    continue;
                }
                return Err(and_left(error, &left));
            }
        }
    }
}

async fn steps(
    instance: &Arc<Instance>,
    plan: &Plan,
    has_firmware: bool,
    work: Option<&Work>,
    undo: &mut Undo,
) -> Result<(Container, Option<String>), Fault> {
    let runtime = instance.runtime();
    let failed = |error: RuntimeError| fault(&error);
    let go_on = |percent: i32, doing: &str| {
        let Some(work) = work else { return Ok(()) };
        work.progress(percent, doing);
        if work.is_cancelled() { Err(Fault::from(RequestCanceled::new())) } else { Ok(()) }
    };
    let owner = plan.machine.to_string();
    let name = free_name(instance, &plan.name).await.map_err(failed)?;

    let mut mounts = plan.wanted.spec.mounts.clone();
    let folder = if has_firmware { dmi::FOLDER } else { dmi::PARENT };
    let mut volume = None;
    if plan.wanted.has_dmi {
        go_on(50, "making volumes")?;
        let source = format!("{name}--dmi");
        let mut labels = instance.labels("volume", &owner).await.map_err(failed)?;
        labels.insert("lifecycle".into(), "container".into());
        labels.insert("container".into(), name.clone());
        runtime.create_volume(&VolumeSpec { name: source.clone(), labels }).await.map_err(failed)?;
        let (again, made) = (runtime.clone(), source.clone());
        undo.push(format!("volume {source}"), async move { again.remove_volume(&made).await });
        mounts.push(Mount { source: source.clone(), target: folder.into(), read_only: false });
        volume = Some(source);
    }

    if plan.is_user {
        go_on(60, "joining networks")?;
        for network in &plan.networks {
            instance.acquire_network(network).await.map_err(failed)?;
            let (instance, name) = (instance.clone(), network.clone());
            undo.push(format!("network {network}"), async move { instance.release_network(&name).await });
        }
    }

    go_on(70, "making the container")?;
    let mut labels = plan.wanted.spec.labels.clone();
    labels.extend(instance.labels(MACHINE, &owner).await.map_err(failed)?);
    let spec = ContainerSpec {
        name,
        labels,
        mounts,
        env: plan.env.clone(),
        networks: plan.networks.clone(),
        ..plan.wanted.spec.clone()
    };
    let id = runtime.create_container(&spec).await.map_err(failed)?;
    let (again, container) = (runtime.clone(), id.clone());
    undo.push(
        format!("container {}", spec.name),
        async move { again.remove_container(&container, Removal::ALL).await },
    );
    if volume.is_some() {
        let files = dmi::files(&plan.uuid, !has_firmware).map_err(failed)?;
        runtime.upload(&id, folder, stream_of(files)).await.map_err(failed)?;
    }

    go_on(85, "starting the container")?;
    runtime.start_container(&id).await.map_err(failed)?;
    go_on(95, "reading addresses")?;
    // Its command may have come to its end already, which is a machine that has shut down.
    let seen = runtime.inspect_container(&id).await.map_err(failed)?;
    Ok((seen, volume))
}

/// Takes the container of a machine away, with its volume, and the networks that nobody else uses. What is gone already is
/// no hindrance.
///
/// - `PlatformConfigFault` with the engine's words.
pub(in crate::containers) async fn unmake(engine: &Engine, backed: &Backed) -> Result<(), Fault> {
    let volumes = backed.volume.iter().map(String::as_str).collect();
    let networks = backed.networks.iter().filter(|_| backed.is_user).map(String::as_str).collect();
    crate::containers::make::remove(engine, &backed.container, volumes, networks).await
}
