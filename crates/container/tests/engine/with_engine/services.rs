//! What services leave behind.

use futures_util::future::join_all;
use vimsim_container::{ContainerRuntime, Labels, Mount, NetworkSpec, VolumeSpec, label};

use crate::support::{Scene, scene};

/// A container with a volume, on a network, with these labels.
async fn host(scene: &Scene, labels: &Labels, network: &str) -> String {
    let network = NetworkSpec { name: network.into(), labels: labels.clone(), subnet: None };
    scene.engine.ensure_network(&network).await.unwrap();
    let volume = VolumeSpec { name: scene.name("volume"), labels: labels.clone() };
    scene.engine.create_volume(&volume).await.unwrap();
    let mut spec = scene.spec().await;
    spec.labels = labels.clone();
    spec.mounts = vec![Mount { source: volume.name, target: "/vmfs/volumes/1".into(), read_only: false }];
    spec.networks = vec![network.name];
    scene.run(&spec).await.id
}

#[tokio::test]
async fn the_dead_are_swept_and_nobody_else() {
    let Some(scene) = scene().await else { return };
    let mine = scene.instance.labels("host", "HostSystem:host-1").await.unwrap();
    // A process of this number has lived before us.
    let mut dead = mine.clone();
    dead.insert(label::INSTANCE.into(), format!("{}-dead", scene.instance.id()));
    let process = dead.get_mut(label::PROCESS).unwrap();
    *process = process.replace("\"started\":", "\"started\":1");
    let bystander: Labels = [(format!("{}.test", scene.instance.id()), "bystander".to_owned())].into();
    let networks = ["dead", "mine", "bystander"].map(|what| scene.name(what));
    let all = [(&dead, &networks[0]), (&dead, &networks[0]), (&mine, &networks[1]), (&bystander, &networks[2])];
    let ids = join_all(all.map(|(labels, network)| host(&scene, labels, network))).await;

    let swept = scene.instance.sweep().await.unwrap();
    assert_eq!(swept.failed, []);
    for (id, is_left) in ids.iter().zip([false, false, true, true]) {
        assert_eq!(scene.engine.inspect_container(id).await.is_ok(), is_left);
    }
    for (network, is_left) in networks.iter().zip([false, true, true]) {
        assert_eq!(scene.engine.inspect_network(network).await.is_ok(), is_left);
    }
    for (labels, count) in [(&dead, 0), (&mine, 1), (&bystander, 1)] {
        let [labels, wanted] = [labels.clone(), labels.clone()];
        assert_eq!(scene.engine.list_volumes(&labels).await.unwrap().len(), count, "{wanted:?}");
    }
    // The bystander is ours to remove, only here.
    let removal = vimsim_container::Removal::ALL;
    scene.engine.remove_container(&ids[3], removal).await.unwrap();
    let volume = scene.engine.list_volumes(&bystander).await.unwrap().remove(0);
    scene.engine.remove_volume(&volume.name).await.unwrap();
    scene.engine.remove_network(&networks[2]).await.unwrap();
    scene.end().await;
}

#[tokio::test]
async fn many_go_at_once() {
    let Some(scene) = scene().await else { return };
    let labels = scene.instance.labels("host", "HostSystem:host-1").await.unwrap();
    let network = scene.name("underlay");
    join_all((0..10).map(|_| host(&scene, &labels, &network))).await;
    let begun = std::time::Instant::now();
    let swept = scene.instance.remove_all().await.unwrap();
    eprintln!("10 containers, 10 volumes and a network went in {:?}", begun.elapsed());
    assert_eq!((swept.removed.len(), swept.failed.len()), (21, 0), "{swept:?}");
    scene.end().await;
}
