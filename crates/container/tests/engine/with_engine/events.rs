//! News from the engine, and its loss.

use vimsim_container::ContainerAction::{Create, Destroy, Die, Pause, Start, Unpause};
use vimsim_container::{ContainerRuntime, Engine, EngineAddress, EngineEvent, Removal};

use crate::relay::Relay;
use crate::support::{scene, wait_for, wait_for_action};

#[tokio::test]
async fn tells_what_happens_to_containers_of_its_own() {
    let Some(scene) = scene().await else { return };
    let engine = &scene.engine;
    let mut events = engine.events(&scene.instance.selector());
    wait_for(&mut events, |event| *event == EngineEvent::Connected).await;
    let mut stranger = scene.spec().await;
    stranger.labels.clear();
    let stranger = scene.run(&stranger).await.id;
    engine.remove_container(&stranger, Removal::ALL).await.unwrap();
    let id = scene.run(&scene.spec().await).await.id;
    for wanted in [Create, Start] {
        wait_for_action(&mut events, &id, wanted).await;
    }
    engine.pause_container(&id).await.unwrap();
    wait_for_action(&mut events, &id, Pause).await;
    engine.unpause_container(&id).await.unwrap();
    wait_for_action(&mut events, &id, Unpause).await;
    engine.kill_container(&id, "SIGKILL").await.unwrap();
    wait_for_action(&mut events, &id, Die { exit_code: Some(137) }).await;
    engine.remove_container(&id, Removal::ALL).await.unwrap();
    wait_for(&mut events, |event| {
        let EngineEvent::Container(event) = event else { panic!("{event:?}") };
        assert_ne!(event.id, stranger, "it is not ours");
        assert!(scene.instance.selector().iter().all(|(name, value)| event.labels.get(name) == Some(value)));
        event.action == Destroy
    })
    .await;
    scene.end().await;
}

#[tokio::test]
async fn finds_the_engine_again() {
    let Some(scene) = scene().await else { return };
    if !Relay::is_possible().await {
        return;
    }
    let path = std::env::temp_dir().join(scene.name("relay"));
    let engine = Engine::at(vec![EngineAddress::Unix(path.to_string_lossy().into_owned())]);
    let mut events = engine.events(&scene.instance.selector());
    let is_lost = |event: &EngineEvent| matches!(event, EngineEvent::Lost(error) if error.is_no_engine());
    wait_for(&mut events, is_lost).await;
    for _ in 0..2 {
        let relay = Relay::on_socket(path.clone());
        wait_for(&mut events, |event| {
            assert!(!is_lost(event), "a loss is told once");
            *event == EngineEvent::Connected
        })
        .await;
        let id = scene.engine.create_container(&scene.spec().await).await.unwrap();
        wait_for_action(&mut events, &id, Create).await;
        engine.version().await.unwrap();
        relay.stop().await;
        wait_for(&mut events, is_lost).await;
        assert!(engine.version().await.unwrap_err().is_no_engine());
    }
    scene.end().await;
}
