//! What a container is given, and what it goes through.

use vimsim_container::{
    ContainerRuntime, ExecSpec, Mount, NetworkSpec, Port, Protocol, Removal, RuntimeError, Status, VolumeSpec,
};

use crate::support::scene;

#[tokio::test]
async fn says_who_it_is() {
    let Some(scene) = scene().await else { return };
    let version = scene.engine.version().await.unwrap();
    assert!(!version.name.is_empty() && !version.version.is_empty(), "{version:?}");
    assert!(version.api_version.starts_with("1."), "{version:?}");
}

#[tokio::test]
async fn a_container_has_what_it_was_given() {
    let Some(scene) = scene().await else { return };
    let labels = scene.instance.labels("volume", "HostSystem:host-1").await.unwrap();
    let (disk, boot) = (scene.name("disk"), scene.name("boot"));
    for name in [&disk, &boot] {
        let volume = VolumeSpec { name: name.clone(), labels: labels.clone() };
        let made = scene.engine.create_volume(&volume).await.unwrap();
        assert_eq!(made, scene.engine.inspect_volume(name).await.unwrap());
        assert!(made.mountpoint.contains(name.as_str()), "{made:?}");
        let again = scene.engine.create_volume(&volume).await.unwrap_err();
        assert!(matches!(again, RuntimeError::Conflict { .. }), "{again}");
    }
    let networks = [scene.name("b"), scene.name("a")];
    for name in &networks {
        let network = scene.instance.acquire_network(name).await.unwrap();
        assert_eq!((network.name.as_str(), network.driver.as_str()), (name.as_str(), "bridge"));
    }
    let mut spec = scene.spec().await;
    spec.mounts = vec![
        Mount { source: disk.clone(), target: "/vmfs/volumes/disk".into(), read_only: false },
        Mount { source: boot.clone(), target: "/vmfs/volumes/boot".into(), read_only: true },
    ];
    spec.networks = networks.to_vec();
    spec.env = vec![("GREETING".into(), "hello world".into())];
    spec.hostname = Some("esx-1".into());
    spec.tmpfs = vec![("/scratch".into(), "size=1m".into())];
    spec.ports = vec![Port { container: 80, host: None, host_address: None, protocol: Protocol::Tcp }];

    let id = scene.engine.create_container(&spec).await.unwrap();
    let made = scene.engine.inspect_container(&spec.name).await.unwrap();
    assert_eq!((made.id.as_str(), made.state.status, made.state.exit_code), (id.as_str(), Status::Created, None));
    assert!(made.endpoints.iter().all(|endpoint| endpoint.address.is_none() && endpoint.mac_address.is_none()));
    scene.engine.start_container(&id).await.unwrap();
    scene.engine.start_container(&id).await.unwrap();
    let running = scene.engine.inspect_container(&id).await.unwrap();
    assert_eq!((running.name.as_str(), running.hostname.as_str()), (spec.name.as_str(), "esx-1"));
    assert_eq!(running.labels, spec.labels);
    assert!(running.is_running() && running.state.pid > 0 && running.state.started_at.starts_with("20"), "{running:?}");
    for name in &networks {
        let (endpoint, network) = (running.endpoint(name).unwrap(), scene.engine.inspect_network(name).await.unwrap());
        assert!([&network.id, &network.name].contains(&&endpoint.network_id), "{endpoint:?}");
        assert_eq!(endpoint.mac_address.as_ref().map(String::len), Some(17), "{endpoint:?}");
        assert!(endpoint.address.is_some() && endpoint.gateway == network.gateway, "{endpoint:?}");
        assert!(network.subnet.unwrap().ends_with(&format!("/{}", endpoint.prefix_length)));
        let users = scene.engine.network_users(name).await.unwrap();
        assert_eq!(users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    }
    let mounts: Vec<_> =
        running.mounts.iter().map(|mount| (mount.volume.clone(), mount.target.as_str(), mount.read_only)).collect();
    assert_eq!(mounts, [(Some(boot), "/vmfs/volumes/boot", true), (Some(disk.clone()), "/vmfs/volumes/disk", false)]);

    let script = "hostname; echo $GREETING; touch /vmfs/volumes/disk/file /scratch/file && echo written; \
                  touch /vmfs/volumes/boot/file 2>/dev/null || echo refused; ls /sys/class/net | wc -l";
    let outcome = scene.engine.exec(&id, &ExecSpec::new(["sh", "-c", script])).await.unwrap();
    assert_eq!(outcome.text(), "esx-1\nhello world\nwritten\nrefused\n3", "{outcome:?}");

    let in_use = scene.engine.remove_volume(&disk).await.unwrap_err();
    assert!(matches!(in_use, RuntimeError::Conflict { .. }), "{in_use}");
    let in_use = scene.engine.remove_network(&networks[0]).await.unwrap_err();
    assert!(matches!(in_use, RuntimeError::Conflict { .. }), "{in_use}");
    scene.end().await;
}

#[tokio::test]
async fn a_container_lives_and_dies() {
    let Some(scene) = scene().await else { return };
    let engine = &scene.engine;
    let spec = scene.spec().await;
    let id = scene.run(&spec).await.id;
    let status = async || engine.inspect_container(&id).await.unwrap().state.status;
    let is_conflict = |result: Result<(), RuntimeError>| matches!(result, Err(RuntimeError::Conflict { .. }));

    engine.pause_container(&id).await.unwrap();
    assert_eq!(status().await, Status::Paused);
    assert!(is_conflict(engine.pause_container(&id).await), "paused twice");
    engine.unpause_container(&id).await.unwrap();
    assert_eq!(status().await, Status::Running);
    assert!(is_conflict(engine.unpause_container(&id).await), "unpaused twice");
    let before = engine.inspect_container(&id).await.unwrap().state;
    engine.restart_container(&id, 1).await.unwrap();
    let after = engine.inspect_container(&id).await.unwrap().state;
    assert!(after.status == Status::Running && after.pid != before.pid && after.started_at > before.started_at);
    engine.kill_container(&id, "SIGKILL").await.unwrap();
    while status().await != Status::Exited {}
    assert_eq!(engine.inspect_container(&id).await.unwrap().state.exit_code, Some(137));
    assert!(is_conflict(engine.kill_container(&id, "SIGKILL").await), "killed twice");
    engine.stop_container(&id, 1).await.unwrap();
    engine.start_container(&id).await.unwrap();
    assert!(is_conflict(engine.remove_container(&id, Removal::default()).await), "removed while it runs");
    engine.stop_container(&id, 1).await.unwrap();
    assert_eq!(status().await, Status::Exited);
    engine.start_container(&id).await.unwrap();
    engine.pause_container(&id).await.unwrap();
    engine.remove_container(&id, Removal::ALL).await.unwrap();
    assert!(engine.inspect_container(&id).await.unwrap_err().is_not_found());
    assert!(engine.remove_container(&id, Removal::ALL).await.unwrap_err().is_not_found());
    scene.end().await;
}

#[tokio::test]
async fn a_container_joins_and_leaves_networks() {
    let Some(scene) = scene().await else { return };
    let engine = &scene.engine;
    let [first, second] = ["first", "second"].map(|what| scene.name(what));
    for network in [&first, &second] {
        scene.instance.acquire_network(network).await.unwrap();
    }
    let mut spec = scene.spec().await;
    spec.networks = vec![first.clone()];
    let id = scene.run(&spec).await.id;
    for _ in 0..2 {
        engine.join_network(&id, &second).await.unwrap();
    }
    let seen = engine.inspect_container(&id).await.unwrap();
    assert!(seen.endpoint(&second).unwrap().address.is_some());
    for _ in 0..2 {
        engine.leave_network(&id, &first).await.unwrap();
    }
    engine.kill_container(&id, "SIGKILL").await.unwrap();
    while engine.inspect_container(&id).await.unwrap().state.status != Status::Exited {}
    // One that does not run comes up in the networks that it has joined meanwhile.
    engine.join_network(&id, &first).await.unwrap();
    engine.leave_network(&id, &second).await.unwrap();
    engine.start_container(&id).await.unwrap();
    let seen = engine.inspect_container(&id).await.unwrap();
    assert!(seen.endpoint(&first).unwrap().address.is_some());
    assert_eq!(seen.endpoints.len(), 1);
    assert!(engine.join_network(&id, &scene.name("missing")).await.unwrap_err().is_not_found());
    engine.remove_container(&id, Removal::ALL).await.unwrap();
    for network in [&first, &second] {
        scene.instance.release_network(network).await.unwrap();
    }
    scene.end().await;
}

#[tokio::test]
async fn containers_on_a_network_reach_each_other() {
    let Some(scene) = scene().await else { return };
    let network = scene.name("underlay");
    scene.instance.acquire_network(&network).await.unwrap();
    let mut ids = Vec::new();
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let mut spec = scene.spec().await;
        spec.networks = vec![network.clone()];
        // Not every engine lets its containers ping.
        spec.capabilities = vec!["NET_RAW".into()];
        let running = scene.run(&spec).await;
        addresses.push(running.endpoint(&network).unwrap().address.unwrap().to_string());
        ids.push(running.id);
    }
    assert_ne!(addresses[0], addresses[1]);
    for (id, address) in ids.iter().zip(addresses.iter().rev()) {
        let ping = ExecSpec::new(["ping", "-c", "1", "-W", "5", address]);
        let outcome = scene.engine.exec(id, &ping).await.unwrap();
        assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    }
    for id in ids {
        scene.engine.remove_container(&id, Removal::ALL).await.unwrap();
    }
    scene.instance.release_network(&network).await.unwrap();
    assert!(scene.engine.inspect_network(&network).await.unwrap_err().is_not_found());
    scene.end().await;
}

#[tokio::test]
async fn a_container_that_cannot_be_made_leaves_nothing() {
    let Some(scene) = scene().await else { return };
    let mut spec = scene.spec().await;
    spec.image = "vimsim.invalid/no/such:image".into();
    let error = scene.engine.create_container(&spec).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Image { .. }), "{error}");
    assert!(!scene.engine.has_image(&spec.image).await.unwrap());
    let error = scene.engine.pull_image(&spec.image, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Image { .. }), "{error}");

    let mut spec = scene.spec().await;
    let network = NetworkSpec { name: scene.name("here"), labels: scene.instance.selector(), subnet: None };
    assert!(scene.engine.ensure_network(&network).await.unwrap().1, "it is made");
    assert!(!scene.engine.ensure_network(&network).await.unwrap().1, "it is joined");
    spec.networks = vec![network.name, scene.name("missing")];
    let error = scene.engine.create_container(&spec).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(scene.engine.list_containers(&scene.instance.selector()).await.unwrap(), []);
    let spec = scene.spec().await;
    scene.engine.create_container(&spec).await.unwrap();
    let error = scene.engine.create_container(&spec).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Conflict { .. }), "{error}");
    scene.end().await;
}
