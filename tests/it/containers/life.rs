//! What happens to a container happens to its host, and the other way round.

use std::sync::Arc;
use std::time::Duration;

use vimsim::container::{ContainerRuntime, Status, Step};
use vimsim::types::enums::{
    HostSystemConnectionState as Connection, HostSystemPowerState as Power, ManagedEntityStatus,
    VirtualMachineConnectionState,
};
use vimsim::types::method::{
    DisconnectHostTask, PowerDownHostToStandByTask, PowerUpHostFromStandByTask, QueryEvents, RebootHostTask,
    ReconnectHostTask, ShutdownHostTask,
};
use vimsim::types::views::{
    Event, EventFilterSpec, EventFilterSpecByEntity, EventManager, HostSystem, InvalidState, PlatformConfigFault,
    VirtualMachine,
};
use vimsim::types::{Moref, View};

use super::Lab;
use crate::check_fault;

fn is(state: Connection) -> impl Fn(&HostSystem) -> bool {
    move |host| host.runtime().connection_state() == state
}

/// The types and texts of what happened to a host, oldest first.
async fn events(lab: &Lab, host: &Moref) -> Vec<(String, String)> {
    let request = QueryEvents::with(|request| {
        request.set_filter(EventFilterSpec::with(|filter| {
            filter.set_entity(EventFilterSpecByEntity::with(|entity| {
                entity
                    .set_entity(host.clone())
                    .set_recursion(vimsim::types::enums::EventFilterSpecRecursionOption::Self_);
            }));
        }));
    });
    let answer = lab.client.call(&Moref::of::<EventManager>("EventManager"), request).await.unwrap();
    let event = |item: &vimsim::types::Value| {
        let event = Event::from_ref(item.object()?)?;
        let text = event.full_formatted_message().map(ToString::to_string).unwrap_or_default();
        Some((event.as_object().kind().name().to_string(), text))
    };
    answer.items().iter().filter_map(event).collect()
}

async fn backed(name: &str) -> (Lab, Moref, String) {
    let lab = Lab::start().await;
    let host = lab.host(name);
    lab.back(&host, &[("RUN.container", "true")]).await.unwrap();
    let container = lab.container().await.name;
    (lab, host, container)
}

#[tokio::test]
async fn a_killed_container_is_a_host_that_does_not_respond() {
    let (lab, host, container) = backed("DC0_H0").await;
    lab.engine.kill_outside(&container).unwrap();
    lab.until(&host, "not responding", is(Connection::NotResponding)).await;
    let seen = lab.seen(&host);
    assert_eq!(seen.runtime().power_state(), Power::Unknown);
    assert_eq!(seen.overall_status(), ManagedEntityStatus::Red);
    let alarm = seen.triggered_alarm_state().first().cloned().expect("an alarm is triggered");
    assert_eq!(alarm.overall_status(), ManagedEntityStatus::Red);
    let machines: Vec<Moref> = seen.vm().iter().collect();
    assert!(!machines.is_empty());
    let snapshot = lab.simulator.service().snapshot();
    for machine in &machines {
        let state = snapshot.view::<VirtualMachine>(machine).unwrap().runtime().connection_state();
        assert_eq!(state, VirtualMachineConnectionState::Disconnected);
    }
    let told = events(&lab, &host).await;
    let lost = told.iter().find(|(kind, _)| kind == "HostConnectionLostEvent").expect("it is told");
    assert!(lost.1.contains("exit code 137"), "{}", lost.1);

    lab.engine.start_outside(&container).unwrap();
    lab.until(&host, "connected", is(Connection::Connected)).await;
    let seen = lab.seen(&host);
    assert_eq!((seen.runtime().power_state(), seen.overall_status()), (Power::PoweredOn, ManagedEntityStatus::Green));
    assert!(seen.triggered_alarm_state().is_empty());
    let address = lab.container().await.endpoint("vcsim-underlay").unwrap().address.unwrap().to_string();
    assert_eq!(lab.network(&host).vnic().first().unwrap().spec().ip().unwrap().ip_address().unwrap(), &*address);
    assert!(events(&lab, &host).await.iter().any(|(kind, _)| kind == "HostConnectedEvent"));
}

#[tokio::test]
async fn a_paused_container_is_a_host_that_does_not_respond() {
    let (lab, host, container) = backed("DC0_H0").await;
    lab.engine.pause_outside(&container).unwrap();
    lab.until(&host, "not responding", is(Connection::NotResponding)).await;
    lab.engine.unpause_outside(&container).unwrap();
    lab.until(&host, "connected", is(Connection::Connected)).await;
    // Connecting it lets it go on, too.
    lab.engine.pause_outside(&container).unwrap();
    lab.until(&host, "not responding", is(Connection::NotResponding)).await;
    lab.client.run(&host, ReconnectHostTask::new()).await.unwrap();
    assert_eq!(lab.container().await.state.status, Status::Running);
}

#[tokio::test]
async fn a_container_that_is_gone_is_made_anew() {
    let (lab, host, container) = backed("DC0_H0").await;
    let before = lab.container().await;
    lab.engine.remove_outside(&container).unwrap();
    lab.until(&host, "not responding", is(Connection::NotResponding)).await;
    let is_told = async {
        while !events(&lab, &host).await.iter().any(|(_, text)| text.contains("was removed")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_told).await.expect("it is told that it was removed");
    lab.client.run(&host, ReconnectHostTask::new()).await.unwrap();
    assert_eq!(lab.seen(&host).runtime().connection_state(), Connection::Connected);
    let after = lab.container().await;
    assert_ne!(after.id, before.id);
    // What was on its disks is still there.
    assert_eq!(after.mounts, before.mounts);
    check_fault::<InvalidState>(lab.client.run(&host, ReconnectHostTask::new()).await);
    lab.back(&host, &[("RUN.container", "")]).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_made_anew_is_not_taken_for_the_one_that_is_gone() {
    let (lab, host, _) = backed("DC0_H0").await;
    for _ in 0..50 {
        let container = lab.container().await;
        // What is told of the old one may be looked at after the new one was made.
        lab.engine.remove_outside(&container.name).unwrap();
        lab.until(&host, "not responding", is(Connection::NotResponding)).await;
        lab.client.run(&host, ReconnectHostTask::new()).await.unwrap();
        assert_eq!(lab.seen(&host).runtime().connection_state(), Connection::Connected);
    }
}

#[tokio::test]
async fn the_power_of_a_host_is_its_container_s() {
    let (lab, host, _) = backed("DC0_H0").await;
    check_fault::<InvalidState>(
        lab.client.run(&host, ShutdownHostTask::with(|request| _ = request.set_force(false))).await,
    );
    lab.client.run(&host, ShutdownHostTask::with(|request| _ = request.set_force(true))).await.unwrap();
    assert_eq!(lab.container().await.state.status, Status::Exited);
    let runtime = lab.seen(&host).runtime().clone();
    assert_eq!((runtime.connection_state(), runtime.power_state()), (Connection::NotResponding, Power::PoweredOff));
    lab.client.run(&host, ReconnectHostTask::new()).await.unwrap();
    assert_eq!(lab.container().await.state.status, Status::Running);

    let started = lab.container().await.state.started_at;
    lab.client.run(&host, RebootHostTask::with(|request| _ = request.set_force(true))).await.unwrap();
    let container = lab.container().await;
    assert_eq!(container.state.status, Status::Running);
    assert_ne!(container.state.started_at, started);
    assert_eq!(lab.seen(&host).runtime().connection_state(), Connection::Connected);

    lab.client.run(&host, PowerDownHostToStandByTask::with(|request| _ = request.set_timeout_sec(0))).await.unwrap();
    assert_eq!(lab.container().await.state.status, Status::Exited);
    let runtime = lab.seen(&host).runtime().clone();
    assert_eq!((runtime.power_state(), runtime.standby_mode().unwrap().as_str()), (Power::StandBy, "in"));
    // Who sleeps on purpose is no reason for alarm.
    assert!(lab.seen(&host).triggered_alarm_state().is_empty());
    lab.client.run(&host, PowerUpHostFromStandByTask::with(|request| _ = request.set_timeout_sec(0))).await.unwrap();
    assert_eq!(lab.container().await.state.status, Status::Running);
    let runtime = lab.seen(&host).runtime().clone();
    assert_eq!((runtime.power_state(), runtime.standby_mode().unwrap().as_str()), (Power::PoweredOn, "none"));
    check_fault::<InvalidState>(
        lab.client.run(&host, PowerUpHostFromStandByTask::with(|request| _ = request.set_timeout_sec(0))).await,
    );
}

#[tokio::test]
async fn what_the_engine_refuses_is_the_task_s_fault() {
    let (lab, host, _) = backed("DC0_H0").await;
    lab.engine.fail(Step::StopContainer, 1, vimsim::container::RuntimeError::engine("it will not stop"));
    let shutdown = ShutdownHostTask::with(|request| _ = request.set_force(true));
    check_fault::<PlatformConfigFault>(lab.client.run(&host, shutdown).await);
    assert_eq!(lab.seen(&host).runtime().connection_state(), Connection::Connected);
    lab.engine.fail(Step::RestartContainer, 1, vimsim::container::RuntimeError::engine("no"));
    let reboot = RebootHostTask::with(|request| _ = request.set_force(true));
    check_fault::<PlatformConfigFault>(lab.client.run(&host, reboot).await);
    lab.until(&host, "connected", is(Connection::Connected)).await;
}

#[tokio::test]
async fn a_disconnected_host_is_not_watched() {
    let (lab, host, container) = backed("DC0_H0").await;
    lab.client.run(&host, DisconnectHostTask::new()).await.unwrap();
    assert_eq!(lab.container().await.state.status, Status::Running);
    lab.engine.kill_outside(&container).unwrap();
    let calls = |lab: &Lab| lab.engine.calls().iter().filter(|(step, _)| *step == Step::InspectContainer).count();
    let before = calls(&lab);
    lab.until(&host, "a look", |_| calls(&lab) > before).await;
    assert_eq!(lab.seen(&host).runtime().connection_state(), Connection::Disconnected);
    lab.client.run(&host, ReconnectHostTask::new()).await.unwrap();
    assert_eq!(lab.container().await.state.status, Status::Running);
    assert_eq!(lab.seen(&host).runtime().connection_state(), Connection::Connected);
}

#[tokio::test]
async fn an_engine_that_goes_away_takes_its_hosts_along() {
    let (lab, host, _) = backed("DC0_H0").await;
    lab.engine.lose();
    lab.until(&host, "not responding", is(Connection::NotResponding)).await;
    lab.engine.come_back();
    lab.until(&host, "connected", is(Connection::Connected)).await;
}

#[tokio::test]
async fn a_slow_engine_delays_nobody_else() {
    let lab = Lab::start().await;
    let host = lab.host("DC0_H0");
    lab.engine.delay(Step::StartContainer, Duration::from_secs(600));
    lab.set(&host, &[("RUN.container", "true")]).await.unwrap();
    let task = lab.task(&host);
    let progress = |lab: &Lab| {
        let snapshot = lab.simulator.service().snapshot();
        snapshot.view::<vimsim::types::views::Task>(&task).and_then(|task| task.info().progress()).unwrap_or_default()
    };
    lab.until(&host, "the start", |_| progress(&lab) == 85).await;
    lab.client.property(&host, "config").await.unwrap();
    lab.set(&lab.host("DC0_C0_H0"), &[("My.option", "yes")]).await.unwrap();
    // The stop does not wait for it either, and leaves nothing.
    let engine = lab.engine.clone();
    lab.simulator.stop().await;
    assert!(engine.left().is_empty(), "{:?}", engine.left());
    let _ = Arc::new(engine).version().await;
}
