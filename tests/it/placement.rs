//! Where virtual machines would go, and folders that let theirs go.

use std::sync::Arc;

use vimsim::types::enums::ArrayUpdateOperation;
use vimsim::types::method::{
    CancelTask, CreateClusterEx, CreateFolder, EnterMaintenanceModeTask, MoveIntoFolderTask, PlaceVm, PlaceVmsXCluster,
    PowerOffVMTask, PowerOnMultiVMTask, ReconfigureComputeResourceTask, UnregisterAndDestroyTask,
};
use vimsim::types::views::{
    ClusterClusterInitialPlacementAction, ClusterClusterRelocatePlacementAction, ClusterConfigInfoEx,
    ClusterConfigSpecEx, ClusterGroupSpec, ClusterPowerOnVmResult, ClusterVmGroup, InvalidArgument, InvalidPowerState,
    InvalidState, ManagedObjectNotFound, NotSupported, PlaceVmsXClusterResult, PlaceVmsXClusterSpec,
    PlaceVmsXClusterSpecVmPlacementSpec, PlacementAction, PlacementResult, PlacementSpec, RequestCanceled,
    TaskInProgress, Timedout, VirtualMachine, VirtualMachineConfigSpec, VirtualMachineRelocateSpec,
};
use vimsim::types::{DateTime, Moref, Value, View};
use vimsim::{Client, Config, Error, ManualClock, Simulator};

use crate::inventory::{found, morefs};
use crate::{check_fault, create, root_folder, start};

fn place(fill: impl FnOnce(&mut PlacementSpec)) -> PlaceVm {
    PlaceVm::with(|request| _ = request.set_placement_spec(PlacementSpec::with(fill)))
}

/// What a cluster recommends: the one action of the one recommendation.
async fn placed(client: &Client, cluster: &Moref, request: PlaceVm) -> PlacementAction {
    let answer = client.call(cluster, request).await.unwrap();
    let result = answer.object().and_then(PlacementResult::from_ref).expect("a result");
    let recommendation = result.recommendations().first().expect("a recommendation");
    let action = recommendation.action().first().and_then(|action| action.downcast::<PlacementAction>());
    action.expect("a placement").clone()
}

#[tokio::test]
async fn a_new_machine_is_placed_on_a_host_that_mounts_the_datastore() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let create_spec = |hosts: Vec<Moref>| {
        place(move |spec| {
            spec.set_placement_type("create").set_config_spec(VirtualMachineConfigSpec::new()).set_hosts(hosts);
        })
    };
    let hosts = morefs(&client, &cluster, "host").await;
    let action = placed(&client, &cluster, create_spec(vec![hosts[2].clone()])).await;
    assert_eq!(action.target_host().as_ref(), Some(&hosts[2]));
    let datastore = action.relocate_spec().expect("set").datastore().expect("set");
    assert!(morefs(&client, &hosts[2], "datastore").await.contains(&datastore));
    assert_eq!(action.type_(), "PlacementV1");

    let empty = create(
        &client,
        &found(&client, "DC0/host").await,
        CreateClusterEx::with(|request| {
            request.set_name("empty").set_spec(ClusterConfigSpecEx::new());
        }),
    )
    .await;
    check_fault::<InvalidState>(client.call(&empty, create_spec(Vec::new())).await);
}

#[tokio::test]
async fn a_placement_must_say_what_is_placed() {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let machine = found(&client, "DC0/vm/DC0_C0_RP0_VM0").await;
    let kind = |kind: &'static str, machine: Option<&Moref>| {
        place(|spec| _ = spec.set_placement_type(kind).set_vm(machine.cloned()))
    };
    check_fault::<NotSupported>(client.call(&cluster, kind("beam", Some(&machine))).await);
    check_fault::<InvalidArgument>(client.call(&cluster, kind("relocate", None)).await);
    check_fault::<InvalidArgument>(client.call(&cluster, kind("reconfigure", Some(&machine))).await);
    let gone = Moref::of::<vimsim::types::views::Datastore>("datastore-0");
    let request = place(|spec| {
        spec.set_placement_type("relocate").set_vm(machine.clone());
        spec.set_relocate_spec(VirtualMachineRelocateSpec::with(|spec| _ = spec.set_datastore(gone)));
    });
    check_fault::<ManagedObjectNotFound>(client.call(&cluster, request).await);
    // A machine that works where it is stays there.
    let action = placed(&client, &cluster, kind("relocate", Some(&machine))).await;
    assert_eq!(action.target_host(), client.property(&machine, "runtime.host").await.unwrap().moref());
    assert_eq!(action.relocate_spec().expect("set").disk().len(), 1);
}

fn across(
    kind: &str,
    pools: &[Moref],
    fill: impl FnOnce(&mut PlaceVmsXClusterSpecVmPlacementSpec),
) -> PlaceVmsXCluster {
    PlaceVmsXCluster::with(|request| {
        request.set_placement_spec(PlaceVmsXClusterSpec::with(|spec| {
            spec.set_placement_type(kind).set_resource_pools(pools.iter().cloned());
            spec.set_host_recomm_required(true);
            spec.set_vm_placement_specs([PlaceVmsXClusterSpecVmPlacementSpec::with(|machine| {
                machine.set_config_spec(VirtualMachineConfigSpec::with(|spec| _ = spec.set_name("new")));
                fill(machine);
            })]);
        }));
    })
}

#[tokio::test]
async fn the_root_folder_places_machines_in_the_clusters_of_pools() {
    let (_simulator, client) = start().await;
    let pool = found(&client, "DC0/host/DC0_C0/Resources").await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let request = across("createAndPowerOn", &[pool.clone()], |_| ());
    let answer = client.call(&root_folder(), request.clone()).await.unwrap();
    let result = answer.object().and_then(PlaceVmsXClusterResult::from_ref).expect("a result");
    let info = result.placement_infos().first().expect("a placement");
    assert_eq!(info.vm_name(), "new");
    let action = info.recommendation().action().first().expect("an action");
    let action = action.downcast::<ClusterClusterInitialPlacementAction>().expect("of a new machine");
    assert_eq!(action.pool(), pool);
    assert!(action.target_host().is_some(), "asked for");
    assert!(action.config_spec().is_none(), "no datastore was asked for");

    let relocate = across("relocate", &[pool.clone()], |spec| {
        spec.set_vm(machine.clone()).set_relocate_spec(VirtualMachineRelocateSpec::new());
    });
    let answer = client.call(&root_folder(), relocate).await.unwrap();
    let result = answer.object().and_then(PlaceVmsXClusterResult::from_ref).expect("a result");
    let recommendation = result.placement_infos().first().expect("a placement").recommendation();
    let action = recommendation.action().first().expect("an action");
    assert!(action.downcast::<ClusterClusterRelocatePlacementAction>().is_some());

    check_fault::<NotSupported>(client.call(&found(&client, "DC0/vm").await, request).await);
    for wrong in [across("createAndPowerOn", &[], |_| ()), across("beam", &[pool.clone()], |_| ())] {
        check_fault::<InvalidArgument>(client.call(&root_folder(), wrong).await);
    }
    let relocate = across("relocate", &[pool], |spec| _ = spec.set_vm(machine));
    check_fault::<InvalidArgument>(client.call(&root_folder(), relocate).await);
}

#[tokio::test]
async fn unregistering_a_folder_leaves_no_machine_of_it() -> Result<(), Error> {
    let (_simulator, client) = start().await;
    let machines = found(&client, "DC0/vm").await;
    let machine = found(&client, "DC0/vm/DC0_C0_RP0_VM0").await;
    let outer = create(&client, &machines, CreateFolder::with(|request| _ = request.set_name("outer"))).await;
    let inner = create(&client, &outer, CreateFolder::with(|request| _ = request.set_name("inner"))).await;
    client.run(&inner, MoveIntoFolderTask::with(|request| _ = request.set_list([machine.clone()]))).await?;

    check_fault::<NotSupported>(client.run(&machines, UnregisterAndDestroyTask::new()).await);
    check_fault::<InvalidState>(client.run(&outer, UnregisterAndDestroyTask::new()).await);
    assert_eq!(client.property(&inner, "name").await?.text(), Some("inner"), "nothing happened");
    client.run(&machine, PowerOffVMTask::new()).await?;
    client.run(&outer, UnregisterAndDestroyTask::new()).await?;
    for gone in [&outer, &inner, &machine] {
        check_fault::<ManagedObjectNotFound>(client.property(gone, "name").await);
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_forgets_machines_that_are_gone() -> Result<(), Error> {
    let (_simulator, client) = start().await;
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let gone = found(&client, "DC0/vm/DC0_C0_RP0_VM0").await;
    let stays = found(&client, "DC0/vm/DC0_C0_RP0_VM1").await;
    let group = ClusterVmGroup::with(|group| _ = group.set_vm([gone.clone(), stays.clone()]).set_name("both"));
    let spec = ClusterConfigSpecEx::with(|spec| {
        spec.set_group_spec([ClusterGroupSpec::with(|change| {
            change.set_operation(ArrayUpdateOperation::Add);
            change.set_info(group);
        })]);
    });
    let request = ReconfigureComputeResourceTask::with(|request| _ = request.set_spec(spec).set_modify(true));
    client.run(&cluster, request).await?;
    client.run(&gone, PowerOffVMTask::new()).await?;
    client.call(&gone, vimsim::types::method::UnregisterVM::new()).await?;
    let config = client.property(&cluster, "configurationEx").await?;
    let config = config.object().and_then(ClusterConfigInfoEx::from_ref).expect("set");
    let group = config.group().first().and_then(|group| group.downcast::<ClusterVmGroup>()).expect("is there");
    assert_eq!(group.vm().iter().collect::<Vec<Moref>>(), [stays]);
    Ok(())
}

#[tokio::test]
async fn starting_several_machines_names_those_that_it_does_not_start() {
    let (_simulator, client) = start().await;
    let machines = ["DC0_H0_VM0", "DC0_H0_VM1"];
    let (mut running, mut off) = (Moref::of::<VirtualMachine>(""), Moref::of::<VirtualMachine>(""));
    for (name, moref) in machines.iter().zip([&mut running, &mut off]) {
        *moref = crate::inventory::found(&client, &format!("DC0/vm/{name}")).await;
    }
    client.run(&off, PowerOffVMTask::new()).await.unwrap();
    let datacenter = crate::inventory::found(&client, "DC0").await;
    let request = PowerOnMultiVMTask::with(|request| _ = request.set_vm([running.clone(), off.clone(), off.clone()]));
    let result = client.run(&datacenter, request).await.unwrap();
    let result = ClusterPowerOnVmResult::from_object(result.object().expect("set").clone()).unwrap();
    let attempted: Vec<Moref> = result.attempted().iter().map(|info| info.vm()).collect();
    assert_eq!(attempted, [off]);
    let refused = result.not_attempted().first().expect("the other");
    assert_eq!(refused.vm(), running);
    assert!(InvalidPowerState::from_ref(refused.fault().fault().as_object()).is_some());
}

#[tokio::test]
async fn a_host_enters_maintenance_when_the_last_machine_on_it_is_off() {
    let clock = Arc::new(ManualClock::new(DateTime::from_micros(1_700_000_000_000_000)));
    let simulator = Simulator::start_with_clock(Config::default(), clock.clone()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let machines = morefs(&client, &host, "vm").await;
    let enter = |seconds: i32| EnterMaintenanceModeTask::with(|request| _ = request.set_timeout(seconds));
    let is_in_it = async || client.property(&host, "runtime.inMaintenanceMode").await.unwrap() == Value::Bool(true);
    let entering = async |seconds: i32| {
        let task = create(&client, &host, enter(seconds)).await;
        while client.property(&task, "info.state").await.unwrap().text() != Some("running") {}
        task
    };

    let given_up = entering(0).await;
    check_fault::<TaskInProgress>(client.run(&host, enter(0)).await);
    client.call(&given_up, CancelTask::new()).await.unwrap();
    check_fault::<RequestCanceled>(client.wait_for_task(&given_up).await);
    let late = entering(60).await;
    clock.advance(61);
    check_fault::<Timedout>(client.wait_for_task(&late).await);
    assert!(!is_in_it().await);

    let task = entering(0).await;
    for machine in &machines {
        assert!(!is_in_it().await, "a machine still runs");
        client.run(machine, PowerOffVMTask::new()).await.unwrap();
    }
    client.wait_for_task(&task).await.unwrap();
    assert!(is_in_it().await);
}
