//! Tasks: how long they can be read.

use std::sync::Arc;
use std::time::Duration;

use vimsim::types::method::{CancelTask, PowerOffVMTask, RenameTask, SuspendVMTask};
use vimsim::types::views::{ManagedObjectNotFound, RequestCanceled, TaskInProgress, TaskManager, VirtualMachine};
use vimsim::types::{DateTime, Moref, Value, View};
use vimsim::{Client, Config, ManualClock, Simulator};

use crate::{check_fault, create, root_folder, start};

fn rename(name: &str) -> RenameTask {
    RenameTask::with(|request| _ = request.set_new_name(name))
}

#[tokio::test]
async fn who_starts_many_tasks_can_wait_for_each() {
    let (_simulator, client) = start().await;
    let mut tasks = Vec::new();
    for number in 0..300 {
        tasks.push(create(&client, &root_folder(), rename(&format!("n{number}"))).await);
    }
    for task in &tasks {
        client.wait_for_task(task).await.unwrap();
    }
    let recent = client.property(&Moref::of::<TaskManager>("TaskManager"), "recentTask").await.unwrap();
    assert_eq!(recent.items().len(), 200);
    assert_eq!(recent.items().last().and_then(Value::moref).as_ref(), tasks.last());
}

#[tokio::test]
async fn a_task_is_gone_ten_minutes_after_it_has_ended() {
    let clock = Arc::new(ManualClock::new(DateTime::from_micros(1_700_000_000_000_000)));
    let simulator = Simulator::start_with_clock(Config::default(), clock.clone()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let first = create(&client, &root_folder(), rename("first")).await;
    client.wait_for_task(&first).await.unwrap();
    let several = |client: Client| async move {
        for number in 0..201 {
            client.run(&root_folder(), rename(&format!("n{number}"))).await.unwrap();
        }
        client
    };
    let client = several(client).await;
    client.property(&first, "info").await.unwrap();
    clock.advance(11 * 60);
    client.run(&root_folder(), rename("last")).await.unwrap();
    check_fault::<ManagedObjectNotFound>(client.property(&first, "info").await);
}

#[tokio::test]
async fn a_task_that_takes_time_runs_can_be_cancelled_and_has_its_machine_to_itself() {
    let clock = Arc::new(ManualClock::new(DateTime::from_micros(1_700_000_000_000_000)));
    let task_delays = [("PowerOff".to_string(), Duration::from_secs(100))].into();
    let config = Config { task_delays, ..Config::default() };
    let simulator = Simulator::start_with_clock(config, clock.clone()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let machine = Moref::of::<VirtualMachine>("vm-62");
    let state = async || client.property(&machine, "runtime.powerState").await.unwrap();
    let is_running = async |task: &Moref| {
        while client.property(task, "info.state").await.unwrap().text() != Some("running") {}
    };

    let first = create(&client, &machine, PowerOffVMTask::new()).await;
    is_running(&first).await;
    assert_eq!(client.property(&first, "info.cancelable").await.unwrap(), Value::Bool(true));
    check_fault::<TaskInProgress>(client.run(&machine, SuspendVMTask::new()).await);
    client.call(&first, CancelTask::new()).await.unwrap();
    check_fault::<RequestCanceled>(client.wait_for_task(&first).await);
    assert_eq!(state().await.text(), Some("poweredOn"));

    let second = create(&client, &machine, PowerOffVMTask::new()).await;
    is_running(&second).await;
    clock.advance(15);
    while client.property(&second, "info.progress").await.unwrap() != Value::Int(10) {}
    assert_eq!(state().await.text(), Some("poweredOn"));
    for _ in 0..10 {
        let progress = client.property(&second, "info.progress").await.unwrap();
        clock.advance(15);
        while client.property(&second, "info.state").await.unwrap().text() == Some("running")
            && client.property(&second, "info.progress").await.unwrap() == progress
        {}
    }
    client.wait_for_task(&second).await.unwrap();
    assert_eq!(state().await.text(), Some("poweredOff"));
}
