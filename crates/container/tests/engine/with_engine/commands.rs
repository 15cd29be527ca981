//! Commands and files in containers.

use vimsim_container::{Archive, ContainerRuntime, ExecSpec, PathKind, RuntimeError, bytes_of, stream_of};

use crate::support::scene;

#[tokio::test]
async fn a_command_runs_as_it_is_told() {
    let Some(scene) = scene().await else { return };
    let id = scene.run(&scene.spec().await).await.id;
    let spec = ExecSpec {
        env: vec![("ANSWER".into(), "forty two".into())],
        working_dir: Some("/tmp".into()),
        user: Some("guest".into()),
        stdin: b"one\ntwo".to_vec(),
        ..ExecSpec::new(["sh", "-c", "pwd; whoami; echo $ANSWER; cat; echo oops >&2; exit 3"])
    };
    let outcome = scene.engine.exec(&id, &spec).await.unwrap();
    assert_eq!((outcome.exit_code, outcome.text()), (3, "/tmp\nguest\nforty two\none\ntwo".into()));
    assert_eq!(outcome.stderr, b"oops\n");
    let outcome = scene.engine.exec(&id, &ExecSpec::new(["/no/such/program"])).await;
    // Some engines say so at once, others by the code.
    assert!(outcome.as_ref().map_or(true, |outcome| outcome.exit_code >= 126), "{outcome:?}");
    let processes = scene.engine.processes(&id).await.unwrap();
    assert!(processes.iter().any(|process| process.command.contains("sleep") && process.pid > 0), "{processes:?}");
    scene.engine.kill_container(&id, "SIGKILL").await.unwrap();
    let error = scene.engine.exec(&id, &ExecSpec::new(["true"])).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Conflict { .. }), "{error}");
    scene.end().await;
}

#[tokio::test]
async fn much_goes_in_and_out() {
    let Some(scene) = scene().await else { return };
    let id = scene.run(&scene.spec().await).await.id;
    let much: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let spec = ExecSpec { stdin: much.clone(), ..ExecSpec::new(["cat"]) };
    let outcome = scene.engine.exec(&id, &spec).await.unwrap();
    assert!(outcome.exit_code == 0 && outcome.stdout == much, "{} of {} bytes", outcome.stdout.len(), much.len());
    // A command that does not read what it is given ends all the same.
    let spec = ExecSpec { stdin: much, ..ExecSpec::new(["true"]) };
    assert_eq!(scene.engine.exec(&id, &spec).await.unwrap().exit_code, 0);
    scene.end().await;
}

#[tokio::test]
async fn files_go_in_and_out() {
    let Some(scene) = scene().await else { return };
    // It need not run for that.
    let id = scene.engine.create_container(&scene.spec().await).await.unwrap();
    let engine = &scene.engine;
    let archive = Archive::new()
        .directory("volumes", 0o755)
        .directory("volumes/0123", 0o750)
        .file("volumes/0123/a file", 0o640, "text")
        .link("volumes/datastore1", "0123");
    engine.upload(&id, "/vmfs", stream_of(archive.finish().unwrap())).await.unwrap();
    let file = engine.stat_path(&id, "/vmfs/volumes/0123/a file").await.unwrap();
    assert_eq!((file.name.as_str(), file.size, file.kind, file.permissions), ("a file", 4, PathKind::File, 0o640));
    assert_eq!(file.modified, 0);
    assert_eq!(engine.stat_path(&id, "/vmfs/volumes/0123").await.unwrap().kind, PathKind::Directory);
    let link = engine.stat_path(&id, "/vmfs/volumes/datastore1").await.unwrap();
    assert_eq!(link.kind, PathKind::Link);
    assert!(link.link_target.is_some_and(|target| target.ends_with("0123")));
    let packed = bytes_of(engine.download(&id, "/vmfs/volumes").await.unwrap()).await.unwrap();
    engine.upload(&id, "/tmp", stream_of(packed)).await.unwrap();
    assert_eq!(engine.stat_path(&id, "/tmp/volumes/0123/a file").await.unwrap().size, 4);
    for path in ["/nothing", "/vmfs/nothing/at all"] {
        assert!(engine.stat_path(&id, path).await.unwrap_err().is_not_found());
        let error = engine.download(&id, path).await.map(drop).unwrap_err();
        assert!(error.is_not_found(), "{error}");
    }
    scene.end().await;
}
