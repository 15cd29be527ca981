use std::collections::BTreeMap;

use futures_util::StreamExt;

use crate::*;

const IMAGE: &str = "alpine";

async fn running(runtime: &MemoryRuntime, name: &str, networks: &[&str]) -> Container {
    runtime.add_image(IMAGE);
    for network in networks {
        let spec = NetworkSpec { name: (*network).into(), ..NetworkSpec::default() };
        runtime.ensure_network(&spec).await.unwrap();
    }
    let spec = ContainerSpec {
        name: name.into(),
        image: IMAGE.into(),
        networks: networks.iter().map(|name| (*name).into()).collect(),
        ..ContainerSpec::default()
    };
    let id = runtime.create_container(&spec).await.unwrap();
    runtime.start_container(&id).await.unwrap();
    runtime.inspect_container(&id).await.unwrap()
}

#[tokio::test]
async fn networks_hand_out_addresses_and_take_them_back() {
    let runtime = MemoryRuntime::new();
    let address = |container: &Container| container.endpoint("n").unwrap().address.unwrap().to_string();
    let (one, two) = (running(&runtime, "one", &["n", "m"]).await, running(&runtime, "two", &["n"]).await);
    assert_eq!((address(&one), address(&two)), ("172.17.0.2".into(), "172.17.0.3".into()));
    assert_eq!(one.endpoint("n").unwrap().mac_address.as_deref(), Some("02:42:ac:11:00:02"));
    assert_eq!(one.endpoint("m").unwrap().prefix_length, 16);
    runtime.stop_container("one", 1).await.unwrap();
    assert_eq!(runtime.inspect_container("one").await.unwrap().endpoint("n").unwrap().address, None);
    let three = running(&runtime, "three", &["n"]).await;
    assert_eq!(address(&three), "172.17.0.2");
    assert_eq!(three.id.len(), 64);
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let runtime = MemoryRuntime::new();
    running(&runtime, "one", &["n"]).await;
    assert!(matches!(runtime.remove_network("n").await, Err(RuntimeError::Conflict { .. })));
    let removal = Removal::default();
    assert!(matches!(runtime.remove_container("one", removal).await, Err(RuntimeError::Conflict { .. })));
    runtime.remove_container("one", Removal::ALL).await.unwrap();
    runtime.remove_network("n").await.unwrap();
    assert!(runtime.left().is_empty());
}

#[tokio::test]
async fn fails_slows_and_goes_away_when_told() {
    let runtime = MemoryRuntime::new();
    let error = RuntimeError::engine("disk full");
    runtime.fail(Step::CreateVolume, 2, error.clone());
    let create = async |name: &str| {
        runtime.create_volume(&VolumeSpec { name: name.into(), ..VolumeSpec::default() }).await.map(drop)
    };
    assert_eq!(create("a").await, Ok(()));
    assert_eq!(create("b").await, Err(error));
    assert_eq!(create("b").await, Ok(()));
    assert_eq!(runtime.left(), ["volume a", "volume b"]);
    runtime.lose();
    assert!(create("c").await.unwrap_err().is_no_engine());
    runtime.come_back();
    assert_eq!(create("c").await, Ok(()));
}

#[tokio::test]
async fn tells_what_happens() {
    let runtime = MemoryRuntime::new();
    let mut events = runtime.events(&BTreeMap::new());
    running(&runtime, "one", &[]).await;
    runtime.pause_outside("one").unwrap();
    runtime.unpause_outside("one").unwrap();
    runtime.lose();
    runtime.come_back();
    runtime.remove_outside("one").unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "Destroy") {
        seen.push(match events.next().await.unwrap() {
            EngineEvent::Connected => "connected".into(),
            EngineEvent::Lost(_) => "lost".into(),
            EngineEvent::Container(event) => format!("{:?}", event.action),
        });
    }
    let die = "Die { exit_code: Some(137) }";
    assert_eq!(seen, ["connected", "Create", "Start", "Pause", "Unpause", "lost", "connected", die, "Destroy"],);
}

#[tokio::test]
async fn keeps_files() {
    let runtime = MemoryRuntime::new();
    running(&runtime, "one", &[]).await;
    let archive = Archive::new().directory("d", 0o755).file("d/f", 0o644, "text").link("d/l", "f").finish().unwrap();
    runtime.upload("one", "/vmfs", stream_of(archive)).await.unwrap();
    assert_eq!(runtime.file("one", "/vmfs/d/f").as_deref(), Some(&b"text"[..]));
    assert_eq!(runtime.link("one", "/vmfs/d/l").as_deref(), Some("f"));
    assert_eq!(runtime.stat_path("one", "/vmfs/d/").await.unwrap().kind, PathKind::Directory);
    let packed = bytes_of(runtime.download("one", "/vmfs/d").await.unwrap()).await.unwrap();
    runtime.upload("one", "/copy", stream_of(packed)).await.unwrap();
    assert_eq!(runtime.file("one", "/copy/d/f").as_deref(), Some(&b"text"[..]));
    assert!(runtime.stat_path("one", "/nothing").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn commands_do_what_they_are_told() {
    let runtime = MemoryRuntime::new();
    let id = running(&runtime, "one", &[]).await.id;
    runtime.on_exec(|container, spec| ExecOutcome {
        exit_code: 3,
        stdout: format!("{} in {}", spec.command.join(" "), container.name).into_bytes(),
        ..ExecOutcome::default()
    });
    let outcome = runtime.exec(&id, &ExecSpec::new(["ls", "-l"])).await.unwrap();
    assert_eq!((outcome.exit_code, outcome.text()), (3, "ls -l in one".into()));
    runtime.kill_outside("one").unwrap();
    assert!(matches!(runtime.exec(&id, &ExecSpec::new(["ls"])).await, Err(RuntimeError::Conflict { .. })));
}
