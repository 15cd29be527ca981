//! Alarms of states, and the alarms that entities have.

use vimsim::Client;
use vimsim::types::enums::{ManagedEntityStatus, StateAlarmOperator};
use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{Moref, Value, View};

use crate::{create, root_folder, start};

fn machine() -> Moref {
    Moref::of::<VirtualMachine>("vm-62")
}

async fn states(client: &Client, entity: &Moref, path: &str) -> Vec<AlarmState> {
    let Value::List(list) = client.property(entity, path).await.unwrap() else { return Vec::new() };
    list.items().iter().filter_map(|item| AlarmState::from_object(item.object()?.clone())).collect()
}

async fn triggered(client: &Client, entity: &Moref) -> Vec<(Moref, ManagedEntityStatus)> {
    let states = states(client, entity, "triggeredAlarmState").await;
    states.iter().map(|state| (state.entity(), state.overall_status())).collect()
}

/// The states of all alarms that apply to an entity.
async fn all_states(client: &Client, entity: &Moref) -> Vec<AlarmState> {
    let request = GetAlarmState::with(|request| _ = request.set_entity(entity.clone()));
    let states = client.call(&Moref::of::<AlarmManager>("AlarmManager"), request).await.unwrap();
    states.items().iter().map(|state| AlarmState::from_object(state.object().unwrap().clone()).unwrap()).collect()
}

/// An alarm that is red for machines that are off.
async fn watch(client: &Client, entity: &Moref, name: &str) -> Moref {
    let expression = StateAlarmExpression::with(|expression| {
        expression.set_operator(StateAlarmOperator::IsEqual);
        expression.set_type("VirtualMachine").set_state_path("runtime.powerState").set_red("poweredOff");
    });
    let request = CreateAlarm::with(|request| {
        request.set_entity(entity.clone());
        let spec = request.spec_mut();
        spec.set_name(name).set_description("").set_enabled(true);
        spec.set_expression(OrAlarmExpression::with(|any| _ = any.push_expression(expression)));
    });
    create(client, &Moref::of::<AlarmManager>("AlarmManager"), request).await
}

#[tokio::test]
async fn an_alarm_of_states_follows_them() {
    let (_simulator, client) = start().await;
    let folder = client.property(&machine(), "parent").await.unwrap().moref().unwrap();
    let datacenter = client.property(&folder, "parent").await.unwrap().moref().unwrap();
    client.run(&machine(), PowerOffVMTask::new()).await.unwrap();
    let alarm = watch(&client, &datacenter, "off").await;
    let red = (machine(), ManagedEntityStatus::Red);
    assert_eq!(triggered(&client, &machine()).await, std::slice::from_ref(&red), "it was off already");
    assert_eq!(triggered(&client, &datacenter).await, std::slice::from_ref(&red));
    client.run(&machine(), PowerOnVMTask::new()).await.unwrap();
    assert!(triggered(&client, &machine()).await.is_empty());
    let other = Moref::of::<VirtualMachine>("vm-65");
    client.run(&other, PowerOffVMTask::new()).await.unwrap();
    assert_eq!(triggered(&client, &datacenter).await, [(other.clone(), ManagedEntityStatus::Red)]);
    client.call(&alarm, RemoveAlarm::new()).await.unwrap();
    assert!(triggered(&client, &other).await.is_empty());
}

#[tokio::test]
async fn an_entity_has_its_alarms_and_those_from_above_that_concern_it() {
    let (_simulator, client) = start().await;
    let alarm = watch(&client, &root_folder(), "off").await;
    let declared = async |entity: &Moref| {
        let states = all_states(&client, entity).await;
        states.iter().map(|state| state.alarm().value().to_string()).collect::<Vec<_>>()
    };
    let host = client.property(&machine(), "runtime.host").await.unwrap().moref().unwrap();
    let own = alarm.value().as_str();
    assert_eq!(declared(&machine()).await, ["alarm-384", "alarm-12", own]);
    assert_eq!(declared(&host).await, ["alarm-1", "alarm-11"]);
    assert_eq!(declared(&root_folder()).await, ["alarm-1", "alarm-384", "alarm-11", "alarm-12", own]);
    client.run(&machine(), PowerOffVMTask::new()).await.unwrap();
    let states = all_states(&client, &machine()).await;
    let state = states.iter().find(|state| state.alarm() == alarm).unwrap();
    assert_eq!(state.overall_status(), ManagedEntityStatus::Red);
}

#[tokio::test]
async fn an_alarm_knows_the_event_of_its_creation() {
    let (_simulator, client) = start().await;
    let alarm = watch(&client, &root_folder(), "off").await;
    let info = client.property(&alarm, "info").await.unwrap().object().unwrap().clone();
    let info = AlarmInfo::from_object(info).unwrap();
    let manager = Moref::of::<EventManager>("EventManager");
    let latest = client.property(&manager, "latestEvent").await.unwrap().object().unwrap().clone();
    assert!(latest.is::<AlarmCreatedEvent>());
    assert_eq!(Event::from_object(latest).unwrap().key(), info.creation_event_id());
}
