//! Being told of changes.

use std::time::Duration;

use vimsim::types::enums::ObjectUpdateKind;
use vimsim::types::method::{
    CancelWaitForUpdates, CreateContainerView, CreateFilter, CreateFolder, DestroyTask, RenameTask, WaitForUpdatesEx,
};
use vimsim::types::views::{
    InvalidCollectorVersion, ObjectSpec, ObjectUpdate, PropertyCollector, PropertyFilterSpec, PropertySpec,
    RequestCanceled, TraversalSpec, UpdateSet, ViewManager, WaitOptions,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Error};

use crate::{check_fault, create, root_folder, start};

fn collector() -> Moref {
    Moref::of::<PropertyCollector>("propertyCollector")
}

/// Watches the names of what is in a new recursive view of folders.
async fn watch_folders(client: &Client) {
    let view = CreateContainerView::with(|request| {
        request.set_container(root_folder()).set_recursive(true).set_type(["Folder"]);
    });
    let view = create(client, &Moref::of::<ViewManager>("ViewManager"), view).await;
    let spec = PropertyFilterSpec::with(|spec| {
        spec.push_prop_set(PropertySpec::with(|properties| {
            properties.set_type("Folder").set_path_set(["name"]);
        }));
        spec.push_object_set(ObjectSpec::with(|object| {
            object.set_obj(view).set_skip(true);
            object.push_select_set(TraversalSpec::with(|traversal| {
                traversal.set_type("ContainerView").set_path("view").set_skip(false);
            }));
        }));
    });
    let filter = CreateFilter::with(|request| {
        request.set_spec(spec).set_partial_updates(false);
    });
    create(client, &collector(), filter).await;
}

async fn wait(client: &Client, version: &str, seconds: i32) -> Result<Option<UpdateSet>, Error> {
    let request = WaitForUpdatesEx::with(|request| {
        request.set_version(version);
        request.set_options(WaitOptions::with(|options| _ = options.set_max_wait_seconds(seconds)));
    });
    let answer = client.call(&collector(), request).await?;
    Ok(answer.object().and_then(UpdateSet::from_ref).cloned())
}

fn updates(set: &UpdateSet) -> Vec<ObjectUpdate> {
    set.filter_set().iter().flat_map(|filter| filter.object_set().iter()).cloned().collect()
}

#[tokio::test]
async fn objects_enter_change_and_leave() {
    let (_simulator, client) = start().await;
    watch_folders(&client).await;
    let first = wait(&client, "", 0).await.unwrap().expect("the first state");
    assert!(updates(&first).iter().all(|update| update.kind() == ObjectUpdateKind::Enter));
    assert!(wait(&client, first.version(), 0).await.unwrap().is_none());

    let folder = create(&client, &root_folder(), CreateFolder::with(|request| _ = request.set_name("new"))).await;
    let entered = wait(&client, first.version(), 5).await.unwrap().expect("a folder came");
    let [update] = &updates(&entered)[..] else { panic!("one update, not {:?}", updates(&entered).len()) };
    assert_eq!((update.kind(), update.obj()), (ObjectUpdateKind::Enter, folder.clone()));

    client.run(&folder, RenameTask::with(|request| _ = request.set_new_name("newer"))).await.unwrap();
    let renamed = wait(&client, entered.version(), 5).await.unwrap().expect("it has another name");
    let [update] = &updates(&renamed)[..] else { panic!("one update") };
    assert_eq!(update.kind(), ObjectUpdateKind::Modify);
    assert_eq!(update.change_set().first().map(|change| change.val().clone()), Some(Value::from("newer")));

    client.run(&folder, DestroyTask::new()).await.unwrap();
    let left = wait(&client, renamed.version(), 5).await.unwrap().expect("it is gone");
    let [update] = &updates(&left)[..] else { panic!("one update") };
    assert_eq!((update.kind(), update.obj()), (ObjectUpdateKind::Leave, folder));
}

#[tokio::test]
async fn an_answer_that_was_lost_can_be_asked_for_again() {
    let (_simulator, client) = start().await;
    watch_folders(&client).await;
    let first = wait(&client, "", 0).await.unwrap().expect("the first state");
    create(&client, &root_folder(), CreateFolder::with(|request| _ = request.set_name("new"))).await;
    let second = wait(&client, first.version(), 5).await.unwrap().expect("a folder came");
    let again = wait(&client, first.version(), 5).await.unwrap().expect("a folder came");
    assert_eq!(updates(&second).len(), updates(&again).len());
    let all = wait(&client, "", 0).await.unwrap().expect("everything");
    assert_eq!(updates(&all).len(), updates(&first).len() + 1);
}

#[tokio::test]
async fn a_version_from_nowhere_is_refused() {
    let (_simulator, client) = start().await;
    watch_folders(&client).await;
    for version in ["17", "-", "one"] {
        let answer = wait(&client, version, 0).await.map(|_| Value::Unset);
        check_fault::<InvalidCollectorVersion>(answer);
    }
}

#[tokio::test]
async fn a_wait_can_be_cancelled() {
    let (_simulator, client) = start().await;
    watch_folders(&client).await;
    let first = wait(&client, "", 0).await.unwrap().expect("the first state");
    let waiting = wait(&client, first.version(), 60);
    let cancel = async {
        // The wait may not have begun yet: cancel until it ends.
        loop {
            client.call(&collector(), CancelWaitForUpdates::new()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let answer = tokio::select! {
        answer = waiting => answer,
        () = cancel => unreachable!("it does not end"),
    };
    check_fault::<RequestCanceled>(answer.map(|_| Value::Unset));
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let (simulator, client) = start().await;
    watch_folders(&client).await;
    let first = wait(&client, "", 0).await.unwrap().expect("the first state");
    for _ in 0..20 {
        let waiting = wait(&client, first.version(), 60);
        assert!(tokio::time::timeout(Duration::from_millis(2), waiting).await.is_err());
    }
    create(&client, &root_folder(), CreateFolder::with(|request| _ = request.set_name("new"))).await;
    let second = wait(&client, first.version(), 5).await.unwrap().expect("nobody else has taken the update");
    assert_eq!(updates(&second).len(), 1);
    simulator.stop().await;
}

#[tokio::test]
async fn stopping_ends_the_waits() {
    let (simulator, client) = start().await;
    watch_folders(&client).await;
    let first = wait(&client, "", 0).await.unwrap().expect("the first state");
    let waiting = tokio::spawn(async move { wait(&client, first.version(), 600).await });
    simulator.stop().await;
    // Whether it was answered or cut off, it ended.
    let ended = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(ended.is_ok());
}

#[tokio::test]
async fn pages_come_one_after_the_other() {
    use vimsim::types::method::{ContinueRetrievePropertiesEx, RetrievePropertiesEx};
    use vimsim::types::views::{InvalidProperty, RetrieveOptions, RetrieveResult};
    let (_simulator, client) = start().await;
    for number in 0..5 {
        let request = CreateFolder::with(|request| _ = request.set_name(format!("f{number}")));
        create(&client, &root_folder(), request).await;
    }
    let spec = PropertyFilterSpec::with(|spec| {
        spec.push_prop_set(PropertySpec::with(|properties| {
            properties.set_type("Folder").set_path_set(["name"]);
        }));
        spec.push_object_set(ObjectSpec::with(|object| {
            object.set_obj(root_folder()).set_skip(true);
            object.push_select_set(TraversalSpec::with(|traversal| {
                traversal.set_type("Folder").set_path("childEntity");
            }));
        }));
    });
    let request = RetrievePropertiesEx::with(|request| {
        request.push_spec_set(spec);
        request.set_options(RetrieveOptions::with(|options| _ = options.set_max_objects(2)));
    });
    let mut names = Vec::new();
    let mut page = client.call(&collector(), request).await.unwrap();
    loop {
        let result = page.object().and_then(RetrieveResult::from_ref).cloned().expect("a page");
        assert!(result.objects().len() <= 2);
        names.extend(result.objects().iter().filter_map(|content| Some(content.prop_set().first()?.val().clone())));
        let Some(token) = result.token().cloned() else { break };
        let next = || ContinueRetrievePropertiesEx::with(|request| _ = request.set_token(&token));
        page = client.call(&collector(), next()).await.unwrap();
        check_fault::<InvalidProperty>(client.call(&collector(), next()).await);
    }
    assert_eq!(names, (0..5).map(|number| Value::from(format!("f{number}").as_str())).collect::<Vec<_>>());
}
