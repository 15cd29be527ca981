//! Services in containers, whose processes nobody else can see.

use std::time::Duration;

use vimsim_container::{ContainerRuntime, Labels, Mount, VolumeSpec, label};

use crate::relay::{Relay, socket};
use crate::support::{Scene, scene};

/// Says to this test program that it is the service in the container, and names its volume.
const VOLUME: &str = "VIMSIM_TEST_VOLUME";

/// This very program in a container, as a service that makes a volume.
async fn service(scene: &Scene, volume: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap().to_str().unwrap();
    let mut spec = scene.spec().await;
    let test = "with_engine::namespaces::a_service_in_a_container_lives_as_long_as_it";
    spec.command = vec![program.to_str().unwrap().into(), "--exact".into(), test.into()];
    spec.env = vec![(VOLUME.into(), volume.into()), ("CI".into(), "true".into())];
    let socket = socket();
    spec.mounts = [("/usr/lib", "/lib"), ("/usr/lib64", "/lib64"), (folder, folder), (&socket, "/var/run/docker.sock")]
        .map(|(source, target)| Mount { source: source.into(), target: target.into(), read_only: true })
        .into();
    scene.run(&spec).await.id
}

#[tokio::test]
async fn a_service_in_a_container_lives_as_long_as_it() {
    let Some(scene) = scene().await else { return };
    if let Ok(name) = std::env::var(VOLUME) {
        let labels = scene.instance.labels("volume", "HostSystem:host-1").await.unwrap();
        scene.engine.create_volume(&VolumeSpec { name, labels }).await.unwrap();
        return std::future::pending().await;
    }
    let has_libraries = ["/usr/lib", "/usr/lib64"].iter().all(|path| std::path::Path::new(path).is_dir());
    if !Relay::is_possible().await || !has_libraries {
        eprintln!("not run: this program does not run in a container of the engine");
        return;
    }
    let volume = scene.name("volume");
    let id = service(&scene, &volume).await;
    let exists = async || scene.engine.inspect_volume(&volume).await.is_ok();
    let made = async {
        while !exists().await {
            let state = scene.engine.inspect_container(&id).await.unwrap().state;
            assert_eq!(state.exit_code, None, "the service has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), made).await.expect("the service makes a volume");
    let labels: Labels = scene.engine.inspect_volume(&volume).await.unwrap().labels;
    assert!(labels[label::PROCESS].contains(&id), "it knows its container: {labels:?}");
    scene.instance.sweep().await.unwrap();
    assert!(exists().await, "the service lives");
    scene.engine.kill_container(&id, "SIGKILL").await.unwrap();
    while scene.engine.inspect_container(&id).await.unwrap().state.exit_code.is_none() {}
    scene.instance.sweep().await.unwrap();
    assert!(!exists().await, "the service is dead");
    scene.end().await;
}
