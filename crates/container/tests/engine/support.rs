//! An engine for a test, and names that are no other test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use vimsim_container::{Container, ContainerAction, ContainerRuntime, ContainerSpec, Engine, EngineEvent, Instance};

/// The image of all tests. It stays, so that the next run need not make it.
pub(crate) const IMAGE: &str = "vimsim-busybox:1";

/// A real engine and what a test makes in it.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) instance: Instance,
    made: AtomicUsize,
}

impl Scene {
    /// Removes all that the test has made. What a test leaves that fails, the next run sweeps.
    pub(crate) async fn end(self) {
        let swept = self.instance.remove_all().await.unwrap();
        assert_eq!(swept.failed, [], "cannot remove all");
        for what in [
            self.engine.list_containers(&self.instance.selector()).await.unwrap().len(),
            self.engine.list_volumes(&self.instance.selector()).await.unwrap().len(),
            self.engine.list_networks(&self.instance.selector()).await.unwrap().len(),
        ] {
            assert_eq!(what, 0, "something is left");
        }
    }

    /// A name that nobody else has.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("vimsim-test-{}-{what}-{}", self.instance.id(), self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// What a container needs at least.
    pub(crate) async fn spec(&self) -> ContainerSpec {
        ContainerSpec {
            name: self.name("container"),
            image: IMAGE.into(),
            command: ["sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait"].map(Into::into).into(),
            labels: self.instance.labels("host", "HostSystem:host-1").await.unwrap(),
            ..ContainerSpec::default()
        }
    }

    /// Makes a container and starts it.
    pub(crate) async fn run(&self, spec: &ContainerSpec) -> Container {
        let id = self.engine.create_container(spec).await.unwrap();
        self.engine.start_container(&id).await.unwrap();
        self.engine.inspect_container(&id).await.unwrap()
    }
}

/// The engine, if there is one.
pub(crate) async fn scene() -> Option<Scene> {
    let engine = Engine::from_environment(|name| std::env::var(name).ok());
    if let Err(error) = engine.version().await {
        assert!(std::env::var_os("CI").is_none(), "CI needs an engine: {error}");
        eprintln!("not run: {error}");
        return None;
    }
    // Tests run side by side, in processes of their own.
    let turn = std::fs::File::create(std::env::temp_dir().join("vimsim-test-image.lock")).unwrap();
    turn.lock().unwrap();
    if !engine.has_image(IMAGE).await.unwrap() {
        engine.import_busybox(IMAGE).await.unwrap();
    }
    turn.unlock().unwrap();
    let instance = Instance::new(Arc::new(engine.clone()));
    Some(Scene { engine, instance, made: AtomicUsize::new(0) })
}

/// The next event that is wanted, within half a minute.
pub(crate) async fn wait_for(events: &mut BoxStream<'static, EngineEvent>, is_wanted: impl Fn(&EngineEvent) -> bool) {
    let wait = async { while !is_wanted(&events.next().await.expect("the stream has no end")) {} };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the event did not come");
}

/// The next event of a container, within half a minute.
pub(crate) async fn wait_for_action(events: &mut BoxStream<'static, EngineEvent>, id: &str, wanted: ContainerAction) {
    let is_wanted = |event: &EngineEvent| matches!(event, EngineEvent::Container(event) if event.id == id && event.action == wanted);
    wait_for(events, is_wanted).await;
}
