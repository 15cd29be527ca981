//! Hosts that are containers from the beginning, and those that take them along when they go.

use vimsim::container::{ContainerRuntime, Labels, RuntimeError, Step};
use vimsim::types::method::{
    AddHostTask, AddStandaloneHostTask, CreateDatacenter, DestroyTask, PowerOffVMTask, UpdateOptions,
};
use vimsim::types::views::{
    ClusterComputeResource, ComputeResource, Datacenter, Folder, HostConnectSpec, HostSystem, InvalidArgument,
    KeyValue, ManagedEntity, OptionManager, PlatformConfigFault, VirtualMachine,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Config, Error};

use super::{Lab, option};
use crate::{check_fault, create, root_folder};

fn spec(name: &str, options: &[(&str, &str)]) -> HostConnectSpec {
    HostConnectSpec::with(|spec| {
        spec.set_host_name(name).set_force(false);
        if !options.is_empty() {
            let gateway = spec.host_gateway_mut();
            gateway.set_gateway_type("vimsim");
            gateway.set_host_auth_params(
                options.iter().map(|(key, value)| KeyValue::with(|pair| _ = pair.set_key(*key).set_value(*value))),
            );
        }
    })
}

/// Adds a standalone host with these options to the first datacenter; the answer is its compute resource.
pub(super) async fn add(lab: &Lab, name: &str, options: &[(&str, &str)]) -> Result<Value, Error> {
    let folder = lab.client.property(&named::<Datacenter>(lab, "DC0"), "hostFolder").await?.moref().unwrap();
    let request = AddStandaloneHostTask::with(|request| {
        request.set_spec(spec(name, options)).set_add_connected(true);
    });
    lab.client.run(&folder, request).await
}

fn named<V: View>(lab: &Lab, name: &str) -> Moref {
    let snapshot = lab.simulator.service().snapshot();
    let mut found = snapshot.objects().filter(|object| {
        object.moref().is::<V>() && object.view::<ManagedEntity>().is_some_and(|entity| entity.name() == name)
    });
    found.next().unwrap().moref().clone()
}

#[tokio::test]
async fn a_host_is_added_with_its_container() {
    let lab = Lab::start().await;
    let answer =
        add(&lab, "esx1.example.com", &[("RUN.container", "busybox sleep 1000"), ("RUN.underlay.vmnic1", "b")]);
    let resource = answer.await.unwrap().moref().unwrap();
    let host = lab.host("esx1.example.com");
    assert_eq!(lab.seen(&host).parent(), Some(resource));
    assert_eq!(lab.option(&host, "RUN.container").await.unwrap(), Value::from("busybox sleep 1000"));
    let container = lab.container().await;
    assert_eq!((container.image.as_str(), container.endpoints.len()), ("busybox", 2));
    assert_eq!(container.labels["vimsim.owner"], host.to_string());
    let address = container.endpoint("vcsim-underlay").unwrap().address.unwrap().to_string();
    let network = lab.network(&host);
    assert_eq!(network.vnic().first().unwrap().spec().ip().unwrap().ip_address().unwrap(), &*address);
    lab.client.run(&host, DestroyTask::new()).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

#[tokio::test]
async fn a_cluster_s_host_is_added_with_its_container() {
    let lab = Lab::start().await;
    let cluster = named::<ClusterComputeResource>(&lab, "DC0_C0");
    let request = AddHostTask::with(|request| {
        request.set_spec(spec("esx2", &[("RUN.container", "true")])).set_as_connected(true);
    });
    let host = lab.client.run(&cluster, request).await.unwrap().moref().unwrap();
    assert_eq!(host, lab.host("esx2"));
    assert_eq!(lab.names().await.len(), 1);
}

#[tokio::test]
async fn options_of_the_service_are_those_of_hosts_to_come() {
    let lab = Lab::start().await;
    let settings = Moref::of::<OptionManager>("VpxSettings");
    let request = UpdateOptions::with(|request| _ = request.push_changed_value(option("RUN.container", "nginx")));
    lab.client.call(&settings, request).await.unwrap();
    add(&lab, "esx3", &[]).await.unwrap();
    assert_eq!(lab.container().await.image, "nginx");
    assert_eq!(lab.option(&lab.host("esx3"), "RUN.container").await.unwrap(), Value::from("nginx"));
    // What is said of one host counts more.
    add(&lab, "esx4", &[("RUN.container", "caddy")]).await.unwrap();
    assert_eq!(lab.option(&lab.host("esx4"), "RUN.container").await.unwrap(), Value::from("caddy"));
    let request = UpdateOptions::with(|request| _ = request.push_changed_value(option("RUN.container", "")));
    lab.client.call(&settings, request).await.unwrap();
    add(&lab, "esx5", &[]).await.unwrap();
    assert_eq!(lab.names().await.len(), 2);
}

#[tokio::test]
async fn a_host_whose_container_fails_is_not_added() {
    let lab = Lab::start().await;
    let hosts = |lab: &Lab| {
        let snapshot = lab.simulator.service().snapshot();
        snapshot.objects().filter(|object| object.moref().is::<HostSystem>()).count()
    };
    let before = hosts(&lab);
    for step in [Step::PullImage, Step::CreateVolume, Step::EnsureNetwork, Step::StartContainer] {
        lab.engine.fail(step, 1, RuntimeError::engine("no"));
        check_fault::<PlatformConfigFault>(add(&lab, "esx6", &[("RUN.container", &format!("{step:?}"))]).await);
        assert!(lab.engine.left().is_empty(), "{step:?}");
        assert_eq!(hosts(&lab), before);
    }
    check_fault::<InvalidArgument>(add(&lab, "esx6", &[("RUN.container", "[")]).await);
    add(&lab, "esx6", &[("RUN.container", "true")]).await.unwrap();
}

#[tokio::test]
async fn hosts_of_one_name_have_containers_of_their_own() {
    let lab = Lab::start().await;
    let other =
        create(&lab.client, &root_folder(), CreateDatacenter::with(|request| _ = request.set_name("other"))).await;
    add(&lab, "twin (1/2)", &[("RUN.container", "true")]).await.unwrap();
    let folder = lab.client.property(&other, "hostFolder").await.unwrap().moref().unwrap();
    let request = AddStandaloneHostTask::with(|request| {
        request.set_spec(spec("twin (1/2)", &[("RUN.container", "true")])).set_add_connected(true);
    });
    lab.client.run(&folder, request).await.unwrap();
    let names = lab.names().await;
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with("vcsim-twin--1-2--")), "{names:?}");
}

#[tokio::test]
async fn everything_above_a_host_takes_its_container_along() {
    let lab = Lab::start().await;
    for name in ["DC0_H0", "DC0_C0_H0", "DC0_C0_H1"] {
        lab.back(&lab.host(name), &[("RUN.container", "true")]).await.unwrap();
    }
    let snapshot = lab.simulator.service().snapshot();
    let machines: Vec<Moref> =
        snapshot.objects().map(|object| object.moref().clone()).filter(|moref| moref.is::<VirtualMachine>()).collect();
    for machine in machines {
        lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
        lab.client.run(&machine, DestroyTask::new()).await.unwrap();
    }
    lab.client.run(&named::<ClusterComputeResource>(&lab, "DC0_C0"), DestroyTask::new()).await.unwrap();
    assert_eq!(lab.names().await.len(), 1);
    lab.client.run(&named::<ComputeResource>(&lab, "DC0_H0"), DestroyTask::new()).await.unwrap();
    assert!(lab.engine.left().is_empty());
    add(&lab, "last", &[("RUN.container", "true")]).await.unwrap();
    lab.client.run(&named::<Datacenter>(&lab, "DC0"), DestroyTask::new()).await.unwrap();
    assert!(lab.engine.left().is_empty());
    assert!(named::<Folder>(&lab, "Datacenters") == root_folder());
}

#[tokio::test]
async fn every_host_of_the_model_can_have_one() {
    let mut config = Config::default();
    config.containers.hosts = Some("true".into());
    let lab = Lab::with(config).await;
    assert_eq!(lab.names().await.len(), 4);
    for name in ["DC0_H0", "DC0_C0_H2"] {
        assert_eq!(lab.option(&lab.host(name), "RUN.container").await.unwrap(), Value::from("true"));
    }
    let engine = lab.engine.clone();
    let containers = engine.list_containers(&Labels::new()).await.unwrap();
    assert!(containers.iter().all(|container| container.labels.contains_key("vimsim.instance")));
    // A clean stop leaves nothing.
    lab.simulator.stop().await;
    assert!(engine.left().is_empty(), "{:?}", engine.left());
}
