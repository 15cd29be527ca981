//! Folders, hosts and clusters: what comes, moves and goes, and that references stay true both ways.

use vimsim::types::method::{
    AddHostTask, AddStandaloneHostTask, CreateClusterEx, CreateDatacenter, CreateFolder, DestroyTask,
    DisconnectHostTask, EnterMaintenanceModeTask, ExitMaintenanceModeTask, FindByInventoryPath, FindChild,
    MoveIntoFolderTask, MoveIntoTask, ReconnectHostTask, RenameTask,
};
use vimsim::types::views::{
    ClusterConfigSpecEx, DuplicateName, HostConnectSpec, InvalidFolder, InvalidName, InvalidState,
    ManagedObjectNotFound, NoHost, NotSupported, SearchIndex,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Error};

use crate::{check_fault, create, root_folder, start};

fn folder(name: &str) -> CreateFolder {
    CreateFolder::with(|request| _ = request.set_name(name))
}

pub(crate) async fn find(client: &Client, path: &str) -> Option<Moref> {
    let request = FindByInventoryPath::with(|request| _ = request.set_inventory_path(path));
    client.call(&Moref::of::<SearchIndex>("SearchIndex"), request).await.unwrap().moref()
}

pub(crate) async fn found(client: &Client, path: &str) -> Moref {
    find(client, path).await.unwrap_or_else(|| panic!("{path} is there"))
}

pub(crate) async fn morefs(client: &Client, moref: &Moref, path: &str) -> Vec<Moref> {
    client.property(moref, path).await.unwrap().items().iter().filter_map(Value::moref).collect()
}

fn spec(name: &str) -> HostConnectSpec {
    HostConnectSpec::with(|spec| {
        spec.set_host_name(name).set_force(false);
    })
}

fn add_host(name: &str) -> AddHostTask {
    AddHostTask::with(|request| {
        request.set_spec(spec(name)).set_as_connected(true);
    })
}

#[tokio::test]
async fn names_are_checked() {
    let (_simulator, client) = start().await;
    create(&client, &root_folder(), folder("a")).await;
    check_fault::<DuplicateName>(client.call(&root_folder(), folder("a")).await);
    check_fault::<InvalidName>(client.call(&root_folder(), folder("")).await);
    check_fault::<InvalidName>(client.call(&root_folder(), folder(&"x".repeat(81))).await);
    let slash = create(&client, &root_folder(), folder("a/b")).await;
    assert_eq!(client.property(&slash, "name").await.unwrap().text(), Some("a%2fb"));
    let rename = RenameTask::with(|request| _ = request.set_new_name("a"));
    check_fault::<DuplicateName>(client.run(&slash, rename).await);
}

#[tokio::test]
async fn folders_take_only_their_kind() {
    let (_simulator, client) = start().await;
    let machines = found(&client, "DC0/vm").await;
    let datacenter = CreateDatacenter::with(|request| _ = request.set_name("d"));
    check_fault::<NotSupported>(client.call(&machines, datacenter).await);
    let cluster = CreateClusterEx::with(|request| {
        request.set_name("c").set_spec(ClusterConfigSpecEx::new());
    });
    check_fault::<NotSupported>(client.call(&machines, cluster).await);
}

#[tokio::test]
async fn a_folder_moves_with_what_is_in_it() {
    let (_simulator, client) = start().await;
    let a = create(&client, &root_folder(), folder("a")).await;
    let b = create(&client, &a, folder("b")).await;
    let c = create(&client, &root_folder(), folder("c")).await;
    let into = |list: Moref| MoveIntoFolderTask::with(|request| _ = request.set_list([list]));
    client.run(&c, into(a.clone())).await.unwrap();
    assert_eq!(find(&client, "c/a/b").await, Some(b.clone()));
    assert_eq!(client.property(&a, "parent").await.unwrap().moref(), Some(c.clone()));
    assert!(!morefs(&client, &root_folder(), "childEntity").await.contains(&a));
    check_fault::<InvalidFolder>(client.run(&b, into(c)).await);
}

#[tokio::test]
async fn destroying_a_folder_destroys_what_is_in_it() {
    let (_simulator, client) = start().await;
    let a = create(&client, &root_folder(), folder("a")).await;
    let b = create(&client, &a, folder("b")).await;
    let datacenter = CreateDatacenter::with(|request| _ = request.set_name("d"));
    let datacenter = create(&client, &b, datacenter).await;
    client.run(&a, DestroyTask::new()).await.unwrap();
    for moref in [a, b, datacenter] {
        check_fault::<ManagedObjectNotFound>(client.property(&moref, "name").await);
    }
    check_fault::<NotSupported>(client.call(&root_folder(), DestroyTask::new()).await);
}

#[tokio::test]
async fn hosts_come_move_and_go() {
    let (_simulator, client) = start().await;
    let hosts = found(&client, "DC0/host").await;
    let cluster = CreateClusterEx::with(|request| {
        request.set_name("c").set_spec(ClusterConfigSpecEx::new());
    });
    let cluster = create(&client, &hosts, cluster).await;
    let host = client.run(&cluster, add_host("h1")).await.unwrap().moref().expect("a host");
    assert_eq!(morefs(&client, &cluster, "host").await, [host.clone()]);
    assert_eq!(client.property(&cluster, "summary.numHosts").await.unwrap(), Value::Int(1));
    check_fault::<DuplicateName>(client.run(&cluster, add_host("h1")).await);
    check_fault::<NoHost>(client.run(&cluster, add_host("")).await);

    let standalone = AddStandaloneHostTask::with(|request| {
        request.set_spec(spec("h2")).set_add_connected(true);
    });
    let compute_resource = client.run(&hosts, standalone).await.unwrap().moref().expect("a compute resource");
    let second = morefs(&client, &compute_resource, "host").await.remove(0);
    let into = |host: &Moref| MoveIntoTask::with(|request| _ = request.set_host([host.clone()]));
    client.run(&cluster, into(&second)).await.unwrap();
    assert_eq!(client.property(&second, "parent").await.unwrap().moref(), Some(cluster.clone()));
    assert_eq!(client.property(&cluster, "summary.numHosts").await.unwrap(), Value::Int(2));
    check_fault::<ManagedObjectNotFound>(client.property(&compute_resource, "name").await);
    check_fault::<DuplicateName>(client.run(&cluster, into(&second)).await);

    client.run(&second, DestroyTask::new()).await.unwrap();
    client.run(&host, DestroyTask::new()).await.unwrap();
    assert_eq!(client.property(&cluster, "summary.numHosts").await.unwrap(), Value::Int(0));
    client.run(&cluster, DestroyTask::new()).await.unwrap();
    let child = FindChild::with(|request| {
        request.set_entity(hosts).set_name("c");
    });
    assert!(client.call(&Moref::of::<SearchIndex>("SearchIndex"), child).await.unwrap().is_unset());
}

#[tokio::test]
async fn a_host_is_disconnected_and_maintained() -> Result<(), Error> {
    let (_simulator, client) = start().await;
    let host = found(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let effective = || client.property(&cluster, "summary.numEffectiveHosts");
    let before = effective().await?;
    client.run(&host, DisconnectHostTask::new()).await?;
    assert_eq!(client.property(&host, "summary.runtime.connectionState").await?.text(), Some("disconnected"));
    assert_ne!(effective().await?, before);
    check_fault::<InvalidState>(client.run(&host, DisconnectHostTask::new()).await);
    client.run(&host, ReconnectHostTask::new()).await?;
    check_fault::<InvalidState>(client.run(&host, ReconnectHostTask::new()).await);
    assert_eq!(effective().await?, before);

    let enter = || EnterMaintenanceModeTask::with(|request| _ = request.set_timeout(0));
    let exit = || ExitMaintenanceModeTask::with(|request| _ = request.set_timeout(0));
    let empty = client.run(&cluster, add_host("spare")).await?.moref().expect("a host");
    client.run(&empty, enter()).await?;
    assert_eq!(client.property(&empty, "summary.runtime.inMaintenanceMode").await?, Value::Bool(true));
    check_fault::<InvalidState>(client.run(&empty, enter()).await);
    client.run(&empty, exit()).await?;
    check_fault::<InvalidState>(client.run(&empty, exit()).await);
    Ok(())
}
