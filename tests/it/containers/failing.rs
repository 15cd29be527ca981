//! The engine fails, at each step.

use vimsim::container::{RuntimeError, Step};
use vimsim::types::method::{DestroyTask, ReconnectHostTask};
use vimsim::types::views::{InvalidName, PlatformConfigFault};
use vimsim::types::{Moref, Value, View};

use super::{Lab, is_same};
use crate::check_fault;

/// The steps of making a host's container, and how often each is taken.
const MAKING: [(Step, usize); 9] = [
    (Step::HasImage, 1),
    (Step::PullImage, 1),
    (Step::CreateVolume, 4),
    (Step::EnsureNetwork, 2),
    (Step::CreateContainer, 1),
    (Step::Upload, 1),
    (Step::StartContainer, 1),
    // Whether the name is free, and what has come of it.
    (Step::InspectContainer, 2),
    (Step::Version, 1),
];

fn broken() -> RuntimeError {
    RuntimeError::engine("the disk is on fire")
}

#[tokio::test]
async fn a_failure_at_any_step_leaves_nothing() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    let before = lab.seen(&host);
    for (step, times) in MAKING {
        for nth in 1..=times {
            lab.engine.forget_image("anything");
            lab.engine.fail(step, nth, broken());
            let image = format!("image-{step:?}-{nth}");
            let options = [("RUN.container", image.as_str()), ("RUN.underlay.vmnic1", "blue")];
            let error = lab.back(&host, &options).await.expect_err("the engine fails");
            let fault = error.fault().expect("a fault");
            assert!(fault.is::<PlatformConfigFault>(), "{step:?} {nth}: {fault}");
            assert_eq!(fault.message(), "the disk is on fire", "{step:?} {nth}");
            assert!(lab.engine.left().is_empty(), "{step:?} {nth} left {:?}", lab.engine.left());
            let after = lab.seen(&host);
            assert!(is_same(after.config(), before.config()), "{step:?} {nth}");
            assert!(is_same(Some(after.runtime()), Some(before.runtime())), "{step:?} {nth}");
            check_fault::<InvalidName>(lab.option(&host, "RUN.container").await);
            check_fault::<InvalidName>(lab.option(&host, "RUN.underlay.vmnic1").await);
        }
    }
    lab.back(&host, &[("RUN.container", "fine")]).await.unwrap();
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_named() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    lab.engine.forget_image("no/such:1");
    let error = lab.back(&host, &[("RUN.container", "no/such:1")]).await.expect_err("there is no such image");
    assert!(error.to_string().contains("no/such:1"), "{error}");
}

#[tokio::test]
async fn a_replacement_that_fails_brings_the_container_back() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    lab.back(&host, &[("RUN.container", "one")]).await.unwrap();
    for step in [Step::PullImage, Step::CreateVolume, Step::CreateContainer, Step::StartContainer] {
        lab.engine.fail(step, 1, broken());
        let value = format!("two-{step:?}");
        check_fault::<PlatformConfigFault>(lab.back(&host, &[("RUN.container", &value)]).await);
        assert_eq!(lab.container().await.image, "one", "{step:?}");
        assert_eq!(lab.option(&host, "RUN.container").await.unwrap(), Value::from("one"));
        let address = lab.container().await.endpoint("vcsim-underlay").unwrap().address.unwrap().to_string();
        let network = lab.network(&host);
        assert_eq!(network.vnic().first().unwrap().spec().ip().unwrap().ip_address().unwrap(), &*address);
    }
    lab.back(&host, &[("RUN.container", "")]).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

#[tokio::test]
async fn a_host_stays_until_its_container_is_gone() {
    for step in [Step::RemoveContainer, Step::RemoveVolume, Step::RemoveNetwork] {
        let lab = Lab::start().await;
        let host = lab.host("DC0_C0_H0");
        lab.back(&host, &[("RUN.container", "true")]).await.unwrap();
        lab.engine.fail(step, 1, broken());
        let error =
            lab.client.run(&host, DestroyTask::new()).await.expect_err("a fault of the machine or of the engine");
        // Virtual machines are on it, and that is found out first.
        assert!(!error.to_string().contains("fire"), "{error}");
        let free = add(&lab, "free.example.com").await;
        lab.back(&free, &[("RUN.container", "true"), ("RUN.underlay.vmnic0", "own")]).await.unwrap();
        let error = lab.client.run(&free, DestroyTask::new()).await.expect_err("the engine fails");
        assert!(error.to_string().contains("the disk is on fire"), "{error}");
        lab.seen(&free);
        if step == Step::RemoveContainer {
            continue;
        }
        lab.until(&free, "not responding", |host| {
            use vimsim::types::enums::HostSystemConnectionState::NotResponding;
            host.runtime().connection_state() == NotResponding
        })
        .await;
        // It can be connected again, and then be destroyed.
        lab.client.run(&free, ReconnectHostTask::new()).await.unwrap();
        lab.client.run(&free, DestroyTask::new()).await.unwrap();
        assert!(!lab.engine.left().iter().any(|name| name.contains("free") || name.contains("own")));
    }
}

/// Adds a standalone host.
async fn add(lab: &Lab, name: &str) -> Moref {
    super::adding::add(lab, name, &[]).await.unwrap();
    lab.host(name)
}

#[tokio::test]
async fn a_host_that_is_destroyed_while_its_container_is_made_takes_it_along() {
    let lab = Lab::start().await;
    let host = add(&lab, "short.example.com").await;
    lab.engine.delay(Step::StartContainer, std::time::Duration::from_millis(100));
    lab.set(&host, &[("RUN.container", "true")]).await.unwrap();
    lab.client.run(&host, DestroyTask::new()).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

#[tokio::test]
async fn an_option_that_cannot_be_emptied_stays() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    lab.back(&host, &[("RUN.container", "true")]).await.unwrap();
    lab.engine.fail(Step::RemoveContainer, 1, broken());
    check_fault::<PlatformConfigFault>(lab.back(&host, &[("RUN.container", "")]).await);
    assert_eq!(lab.option(&host, "RUN.container").await.unwrap(), Value::from("true"));
    assert_eq!(lab.names().await.len(), 1);
    lab.back(&host, &[("RUN.container", "")]).await.unwrap();
    assert!(lab.engine.left().is_empty());
}
