//! A container engine that exists in memory only.
//!
//! It behaves as an engine does: names are unique, networks hand out addresses and take them back, containers have a
//! state, and changes are told as events. It can be told to fail, to be slow, to go away and to come back, and others
//! can meddle with its containers behind the simulator's back. It knows what is left in the end.

mod files;
mod runtime;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use crate::memory::world::World;
use crate::{Container, ContainerAction, EngineEvent, ExecOutcome, ExecSpec, Result, RuntimeError};

/// What a command in a container of this engine does.
pub type ExecHandler = dyn Fn(&Container, &ExecSpec) -> ExecOutcome + Send + Sync;

macro_rules! steps {
    ($($step:ident),*) => {
        /// A method of [`ContainerRuntime`](crate::ContainerRuntime), to be counted, delayed or to fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "they have the methods' names")]
        pub enum Step { $($step),* }

        impl Step {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$step),*];
        }
    };
}

steps! {
    Version, HasImage, PullImage, CreateVolume, InspectVolume, ListVolumes, RemoveVolume, EnsureNetwork, InspectNetwork,
    ListNetworks, NetworkUsers, RemoveNetwork, CreateContainer, JoinNetwork, LeaveNetwork, StartContainer, StopContainer, RestartContainer,
    KillContainer, PauseContainer, UnpauseContainer, RemoveContainer, InspectContainer, ListContainers, Processes, Exec,
    Upload, Download, StatPath
}

/// An engine in memory. Clones are the same engine.
#[derive(Clone)]
pub struct MemoryRuntime {
    world: Arc<Mutex<World>>,
    events: broadcast::Sender<EngineEvent>,
}

impl Default for MemoryRuntime {
    fn default() -> Self {
        Self { world: Arc::default(), events: broadcast::channel(4096).0 }
    }
}

impl MemoryRuntime {
    /// An engine with nothing in it, whose registry has every image.
    pub fn new() -> Self {
        Self::default()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `nth` call of this step from now on (1 is the next) fails with this.
    pub fn fail(&self, step: Step, nth: usize, error: RuntimeError) {
        self.world().failures.push((step, nth.max(1), error));
    }

    /// Every call of this step takes so long from now on.
    pub fn delay(&self, step: Step, time: Duration) {
        self.world().delays.insert(step, time);
    }

    /// The calls so far, in order, with the name of what they were about.
    pub fn calls(&self) -> Vec<(Step, String)> {
        self.world().calls.clone()
    }

    /// What commands do from now on. Without a handler they do nothing and succeed.
    pub fn on_exec(&self, handler: impl Fn(&Container, &ExecSpec) -> ExecOutcome + Send + Sync + 'static) {
        self.world().exec = Some(Arc::new(handler));
    }

    /// The image is here, and need not be pulled.
    pub fn add_image(&self, image: &str) {
        self.world().images.insert(image.into());
    }

    /// The registry does not have this image.
    pub fn forget_image(&self, image: &str) {
        let mut world = self.world();
        world.images.remove(image);
        world.unknown_images.insert(image.into());
    }

    /// The engine goes away: every call fails until it comes back. Its containers keep running.
    pub fn lose(&self) {
        let error = {
            let mut world = self.world();
            world.is_lost = true;
            world.lost()
        };
        self.tell(EngineEvent::Lost(error));
    }

    /// The engine comes back.
    pub fn come_back(&self) {
        self.world().is_lost = false;
        self.tell(EngineEvent::Connected);
    }

    /// Somebody else kills a container: `docker kill`.
    pub fn kill_outside(&self, container: &str) -> Result<()> {
        self.end(container, 137)
    }

    /// Somebody else freezes a container: `docker pause`.
    pub fn pause_outside(&self, container: &str) -> Result<()> {
        self.change(container, World::pause, ContainerAction::Pause)
    }

    /// Somebody else lets a container go on: `docker unpause`.
    pub fn unpause_outside(&self, container: &str) -> Result<()> {
        self.change(container, World::unpause, ContainerAction::Unpause)
    }

    /// Somebody else starts a container: `docker start`.
    pub fn start_outside(&self, container: &str) -> Result<()> {
        let started = self.world().start(container)?;
        if let Some(told) = started {
            self.tell_container(told, ContainerAction::Start);
        }
        Ok(())
    }

    /// Somebody else removes a container: `docker rm -f`.
    pub fn remove_outside(&self, container: &str) -> Result<()> {
        self.remove(container, true)
    }

    /// All that exists: `container NAME`, `network NAME`, `volume NAME`, in this order and by name.
    pub fn left(&self) -> Vec<String> {
        self.world().left()
    }

    /// The content of a file that was put into a container.
    pub fn file(&self, container: &str, path: &str) -> Option<Vec<u8>> {
        let world = self.world();
        world.container(container).ok()?.files.content(path)
    }

    /// The target of a symbolic link that was put into a container.
    pub fn link(&self, container: &str, path: &str) -> Option<String> {
        let world = self.world();
        world.container(container).ok()?.files.stat(path)?.link_target
    }

    fn tell(&self, event: EngineEvent) {
        // Without a listener there is nobody to tell.
        let _ = self.events.send(event);
    }

    fn tell_container(&self, container: Container, action: ContainerAction) {
        let Container { id, name, labels, .. } = container;
        self.tell(EngineEvent::Container(crate::ContainerEvent { id, name, labels, action }));
    }

    fn change(
        &self,
        container: &str,
        change: impl FnOnce(&mut World, &str) -> Result<Container>,
        action: ContainerAction,
    ) -> Result<()> {
        let changed = change(&mut self.world(), container)?;
        self.tell_container(changed, action);
        Ok(())
    }

    fn end(&self, container: &str, code: i64) -> Result<()> {
        let die = ContainerAction::Die { exit_code: Some(code) };
        self.change(container, |world, container| world.end(container, code), die)
    }

    fn remove(&self, container: &str, force: bool) -> Result<()> {
        let (removed, was_running) = self.world().remove(container, force)?;
        if was_running {
            self.tell_container(removed.clone(), ContainerAction::Die { exit_code: Some(137) });
        }
        self.tell_container(removed, ContainerAction::Destroy);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
