//! The ways to an engine.

use std::collections::BTreeMap;

use vimsim_container::{ContainerRuntime, Engine, ExecSpec};

use crate::relay::{Relay, certificates};
use crate::support::{Scene, scene};

/// What the environment's variables lead to works, commands included, which take over their connection.
async fn check(scene: &Scene, variables: &[(&str, &str)]) {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let engine = Engine::from_environment(|name| variables.get(name).map(|value| (*value).to_owned()));
    let id = scene.run(&scene.spec().await).await.id;
    let spec = ExecSpec { stdin: b"hello".to_vec(), ..ExecSpec::new(["cat"]) };
    assert_eq!(engine.exec(&id, &spec).await.unwrap().text(), "hello");
    assert!(engine.inspect_container(&id).await.unwrap().is_running());
}

#[tokio::test]
async fn plain_tcp_is_one() {
    let Some(scene) = scene().await else { return };
    if !Relay::is_possible().await {
        return;
    }
    let (relay, address) = Relay::on_port(None).await;
    check(&scene, &[("DOCKER_HOST", &format!("tcp://{address}"))]).await;
    relay.stop().await;
    scene.end().await;
}

#[tokio::test]
async fn tls_is_one() {
    let Some(scene) = scene().await else { return };
    if !Relay::is_possible().await {
        return;
    }
    let folder = std::env::temp_dir().join(scene.name("certificates"));
    let strangers = folder.join("strangers");
    std::fs::create_dir_all(&strangers).unwrap();
    let (relay, address) = Relay::on_port(Some(certificates(&folder))).await;
    let host = format!("tcp://{address}");
    let folder = folder.to_str().unwrap();
    let variables = [("DOCKER_HOST", host.as_str()), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", folder)];
    check(&scene, &variables).await;

    // Without certificates, or with somebody else's, nobody comes in, and it is said why.
    let fails = async |path: &str| {
        let variables = variables.map(|(name, value)| (name, if name == "DOCKER_CERT_PATH" { path } else { value }));
        let variables: BTreeMap<&str, &str> = variables.into();
        let engine = Engine::from_environment(|name| variables.get(name).map(|value| (*value).to_owned()));
        engine.version().await.unwrap_err().to_string()
    };
    let error = fails("/nonexistent").await;
    assert!(error.contains("/nonexistent/ca.pem"), "{error}");
    certificates(&strangers);
    let error = fails(strangers.to_str().unwrap()).await;
    assert!(error.contains("certificate"), "{error}");
    relay.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
    scene.end().await;
}
