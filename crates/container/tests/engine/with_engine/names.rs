//! Names, and who has them.

use std::sync::Arc;

use futures_util::future::join_all;
use vimsim_container::{ContainerRuntime, Instance, NetworkSpec, RuntimeError, VolumeSpec};

use crate::support::scene;

#[tokio::test]
async fn many_who_want_a_network_get_the_same() {
    let Some(scene) = scene().await else { return };
    let name = scene.name("underlay");
    let labels = scene.instance.selector();
    let specs = vec![NetworkSpec { name: name.clone(), labels: labels.clone(), subnet: None }; 8];
    let found = join_all(specs.iter().map(|spec| scene.engine.ensure_network(spec))).await;
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found.iter().filter(|(_, is_made)| *is_made).count(), 1, "{found:?}");
    assert!(found.iter().all(|(network, _)| network.id == found[0].0.id), "{found:?}");
    assert_eq!(scene.engine.list_networks(&labels).await.unwrap().len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn the_last_service_takes_the_network_with_it() {
    let Some(scene) = scene().await else { return };
    let name = scene.name("shared");
    let other = Instance::new(Arc::new(scene.engine.clone()));
    other.acquire_network(&name).await.unwrap();
    scene.instance.acquire_network(&name).await.unwrap();
    scene.instance.release_network(&name).await.unwrap();
    scene.engine.inspect_network(&name).await.expect("the other service has made it and lives");
    other.release_network(&name).await.unwrap();
    assert!(scene.engine.inspect_network(&name).await.unwrap_err().is_not_found());
    scene.end().await;
}

#[tokio::test]
async fn names_that_no_engine_knows_are_refused() {
    let Some(scene) = scene().await else { return };
    let engine = &scene.engine;
    for name in ["", "../images", "a/b", "ä", "a b", "x?force=1"] {
        assert!(engine.inspect_container(name).await.unwrap_err().is_not_found(), "{name}");
        assert!(engine.remove_network(name).await.unwrap_err().is_not_found(), "{name}");
        let network = NetworkSpec { name: name.into(), ..NetworkSpec::default() };
        assert!(matches!(engine.ensure_network(&network).await, Err(RuntimeError::Engine { .. })), "{name}");
        let volume = VolumeSpec { name: name.into(), ..VolumeSpec::default() };
        assert!(engine.create_volume(&volume).await.is_err(), "{name}");
    }
    scene.end().await;
}
