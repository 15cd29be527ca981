//! `AlarmManager`: what is watched for, and what it has come to.

mod built_in;
mod compare;
mod trigger;

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::enums::{
    HostSystemConnectionState, HostSystemPowerState, ManagedEntityStatus, MetricAlarmOperator, StateAlarmOperator,
    VirtualMachinePowerState,
};
use vimsim_types::method::{
    AcknowledgeAlarm, AreAlarmActionsEnabled, ClearTriggeredAlarms, CreateAlarm, DisableAlarm, EnableAlarm,
    EnableAlarmActions, GetAlarm, GetAlarmState,
};
use vimsim_types::views::{
    Alarm, AlarmAcknowledgedEvent, AlarmCreatedEvent, AlarmEventArgument, AlarmInfo, AlarmManager, AlarmSpec,
    AlarmState, DuplicateName, EventManager, InvalidName, ManagedEntity, StateAlarmExpression,
};
use vimsim_types::{Fault, Moref, View};

pub(crate) use self::built_in::built_in;
pub(crate) use self::compare::{compare_all, compare_states};
use self::trigger::Triggers;
pub(crate) use self::trigger::{begin, recompile, set_state, trigger};
use super::descriptions::{element, type_description, values};
use super::event_manager;
use crate::call::{Call, Look};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<AlarmManager> {
    Kind::new()
        .write(create_alarm)
        .read(get_alarm)
        .read(get_alarm_state)
        .write(acknowledge_alarm)
        .write(clear_triggered_alarms)
        .write(enable_alarm_actions)
        .write(disable_alarm)
        .write(enable_alarm)
        .read(are_alarm_actions_enabled)
}

/// The alarm manager's own properties.
pub(crate) fn properties() -> AlarmManager {
    AlarmManager::with(|manager| {
        manager.set_default_expression([
            state("HostSystem", "runtime.connectionState", None, Some("notResponding")),
            state("VirtualMachine", "runtime.powerState", Some("suspended"), Some("poweredOff")),
        ]);
        let description = manager.description_mut();
        description.set_expr([
            type_description("StateAlarmExpression", "State", "Compares a state with a value"),
            type_description("MetricAlarmExpression", "Metric", "Compares a counter with limits"),
            type_description("EventAlarmExpression", "Event", "Waits for a type of event"),
            type_description("AndAlarmExpression", "And", "All of several expressions"),
            type_description("OrAlarmExpression", "Or", "One of several expressions"),
        ]);
        description.set_state_operator(values::<StateAlarmOperator>());
        description.set_metric_operator(values::<MetricAlarmOperator>());
        description.set_host_system_connection_state(values::<HostSystemConnectionState>());
        description.set_virtual_machine_power_state(values::<VirtualMachinePowerState>());
        description.set_datastore_connection_state([
            element("true", "Connected", "The datastore is accessible"),
            element("false", "Disconnected", "The datastore is not accessible"),
        ]);
        description.set_host_system_power_state(values::<HostSystemPowerState>());
        description.set_virtual_machine_guest_heartbeat_status(values::<ManagedEntityStatus>());
        description.set_entity_status(values::<ManagedEntityStatus>());
        description.set_action([
            type_description("SendEmailAction", "Send e-mail", "Sends a message by e-mail"),
            type_description("SendSNMPAction", "Send SNMP trap", "Sends a trap to the SNMP receivers"),
            type_description("RunScriptAction", "Run script", "Runs a script on the server"),
            type_description("MethodAction", "Method", "Calls a method of the entity"),
        ]);
    })
}

fn state(kind: &str, path: &str, yellow: Option<&str>, red: Option<&str>) -> StateAlarmExpression {
    StateAlarmExpression::with(|expression| {
        expression.set_operator(StateAlarmOperator::IsEqual);
        expression.set_type(kind).set_state_path(path).set_yellow(yellow).set_red(red);
    })
}

/// The identifier of the one alarm manager.
pub(crate) fn moref() -> Moref {
    Moref::of::<AlarmManager>("AlarmManager")
}

/// All alarms, in the order in which they came.
fn alarms(inventory: &impl Inventory) -> Vec<Moref> {
    let triggers = inventory.find(&moref()).and_then(|manager| manager.private::<Triggers>());
    triggers.map_or_else(Vec::new, |triggers| triggers.alarms().to_vec())
}

/// Has what is triggered at an entity follow it to where it is now; with an entity that is gone go the alarms defined on it.
pub(crate) fn follow(transaction: &mut Transaction, entity: &Moref) -> Result<(), Fault> {
    let before = transaction.before();
    let Some(old) = before.view::<ManagedEntity>(entity) else { return Ok(()) };
    let now = transaction.view::<ManagedEntity>(entity);
    if now.is_some_and(|now| old.parent() == now.parent()) {
        return Ok(());
    }
    let is_gone = now.is_none();
    let now = now.map(|entity| entity.triggered_alarm_state());
    let states: Vec<AlarmState> = now.iter().flat_map(|states| states.iter()).cloned().collect();
    let is_of = |state: &AlarmState| state.entity() == *entity || states.iter().any(|it| it.key() == state.key());
    for place in before.ancestry(entity).iter().skip(1) {
        let there = transaction.view::<ManagedEntity>(place);
        if there.is_some_and(|there| there.triggered_alarm_state().iter().any(is_of)) {
            transaction.edit::<ManagedEntity>(place)?.triggered_alarm_state_mut().retain(|state| !is_of(state));
        }
    }
    if is_gone {
        return forget_entity(transaction, entity);
    }
    // What has left the entity that an alarm is defined on is watched no longer.
    let (states, left): (Vec<_>, Vec<_>) = states.iter().cloned().partition(|state| watches(transaction, state));
    for state in left {
        trigger::set_state(transaction, &state.entity(), &state.alarm(), None)?;
    }
    for place in transaction.ancestry(entity).iter().skip(1).filter(|_| !states.is_empty()) {
        let there = transaction.edit::<ManagedEntity>(place)?;
        there.triggered_alarm_state_mut().retain(|state| !is_of(state));
        states.iter().for_each(|state| _ = there.push_triggered_alarm_state(state.clone()));
    }
    Ok(())
}

/// Whether the alarm of a state is there, and defined on the entity of the state or on one above it.
fn watches(transaction: &Transaction, state: &AlarmState) -> bool {
    let alarm = transaction.view::<Alarm>(&state.alarm());
    alarm.is_some_and(|alarm| transaction.ancestry(&state.entity()).contains(&alarm.info().entity()))
}

/// Removes the alarms that were defined on what is gone.
fn forget_entity(transaction: &mut Transaction, gone: &Moref) -> Result<(), Fault> {
    let is_of = |alarm: &Moref| transaction.view::<Alarm>(alarm).is_some_and(|it| it.info().entity() == *gone);
    let defined: Vec<Moref> = alarms(&*transaction).into_iter().filter(is_of).collect();
    if defined.is_empty() {
        return Ok(());
    }
    defined.iter().for_each(|alarm| transaction.remove(alarm));
    trigger::recompile(transaction, |alarms| alarms.retain(|alarm| !defined.contains(alarm)))
}

/// The event argument that names an alarm.
pub(crate) fn argument(info: &AlarmInfo) -> AlarmEventArgument {
    AlarmEventArgument::with(|argument| {
        argument.set_alarm(info.alarm());
        argument.set_name(info.name());
    })
}

/// - `InvalidName` for an empty name; `DuplicateName` if another alarm has it.
pub(crate) fn check_name<T>(call: &Call<'_, T>, name: &str, own: Option<&Moref>) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(InvalidName::with(|fault| _ = fault.set_name(name)).into());
    }
    let inventory: &vimsim_registry::Transaction = call;
    let has_name = |moref: &Moref| inventory.seen::<Alarm>(moref).is_some_and(|alarm| alarm.info().name() == name);
    match alarms(inventory).into_iter().find(|moref| Some(moref) != own && has_name(moref)) {
        Some(other) => Err(DuplicateName::with(|fault| _ = fault.set_name(name).set_object(other)).into()),
        None => Ok(()),
    }
}

/// Writes what a specification says into an alarm's information.
pub(crate) fn apply(info: &mut AlarmInfo, spec: &AlarmSpec) {
    for (slot, value) in spec.as_object().slots().iter().enumerate() {
        info.as_object_mut().set(slot, value.clone());
    }
}

/// Defines an alarm on an entity and everything in it.
///
/// - `InvalidName`, `DuplicateName`; `ManagedObjectNotFound`.
fn create_alarm(call: &mut Call<'_, AlarmManager>, request: CreateAlarm) -> Result<Moref, Fault> {
    let entity = request.entity();
    call.get::<ManagedEntity>(&entity)?;
    check_name(call, request.spec().name(), None)?;
    let moref = call.create_moref(Alarm::TYPE);
    let (now, user) = (call.now(), call.context().user());
    let info = AlarmInfo::with(|info| {
        apply(info, request.spec());
        info.set_key(moref.value()).set_alarm(moref.clone()).set_entity(entity.clone());
        info.set_last_modified_time(now).set_last_modified_user(user).set_creation_event_id(0);
    });
    call.insert(moref.clone(), Alarm::with(|alarm| _ = alarm.set_info(info.clone())));
    recompile(call, |alarms| alarms.push(moref.clone()))?;
    let place = call.entity_argument(&entity);
    let event = AlarmCreatedEvent::with(|event| {
        event.set_entity(place);
        event.set_alarm(argument(&info));
    });
    call.post(&entity, event)?;
    let manager = event_manager::moref(call.context().is_virtual_center());
    let created = call.view::<EventManager>(&manager).and_then(|manager| Some(manager.latest_event()?.key()));
    call.edit::<Alarm>(&moref)?.info_mut().set_creation_event_id(created.unwrap_or_default());
    compare_all(call, &moref)?;
    Ok(moref)
}

/// The alarms defined on an entity, or all.
///
/// - `ManagedObjectNotFound`
fn get_alarm(look: &Look<'_, AlarmManager>, request: GetAlarm) -> Result<Vec<Moref>, Fault> {
    let mut found = alarms(look.snapshot());
    if let Some(entity) = request.entity() {
        look.get::<ManagedEntity>(&entity)?;
        let is_here = |alarm: &Moref| look.get::<Alarm>(alarm).is_ok_and(|alarm| alarm.info().entity() == entity);
        found.retain(is_here);
    }
    Ok(found)
}

/// The states of the alarms that apply to an entity: its own, and those from above that can be triggered at it or at what is
/// in it. Green, unless one was triggered there.
fn applying(snapshot: &Snapshot, moref: &Moref) -> Vec<AlarmState> {
    let triggers = snapshot.object(&self::moref()).and_then(|manager| manager.private::<Triggers>());
    let (Some(triggers), Some(entity)) = (triggers, snapshot.view::<ManagedEntity>(moref)) else { return Vec::new() };
    let above = snapshot.ancestry(moref);
    let state = |(alarm, concerns): (&Moref, bool)| {
        let info = snapshot.view::<Alarm>(alarm)?.info();
        let place = info.entity();
        if place != *moref && !(concerns && above.contains(&place)) {
            return None;
        }
        let mut own = entity.triggered_alarm_state().iter();
        let own = own.find(|state| state.alarm() == *alarm && state.entity() == *moref).cloned();
        let green = || trigger::state(alarm, moref, ManagedEntityStatus::Green, info.last_modified_time(), None);
        let mut state = own.unwrap_or_else(green);
        if triggers.is_disabled(alarm, moref) {
            state.set_disabled(true);
        }
        Some(state)
    };
    triggers.about(moref).filter_map(state).collect()
}

/// The state of every alarm that applies to an entity.
///
/// - `ManagedObjectNotFound`
// Fidelity: vCenter has the same in each entity's `declaredAlarmState`. It changes with alarms and places far away from the
// entity, of which nobody who waits for the entity would hear, so that we leave that property empty.
fn get_alarm_state(look: &Look<'_, AlarmManager>, request: GetAlarmState) -> Result<Vec<AlarmState>, Fault> {
    look.get::<ManagedEntity>(&request.entity())?;
    Ok(applying(look.snapshot(), &request.entity()))
}

/// Says that somebody has taken note of a triggered alarm.
///
/// - `ManagedObjectNotFound`; nothing happens if the alarm is not triggered there.
fn acknowledge_alarm(call: &mut Call<'_, AlarmManager>, request: AcknowledgeAlarm) -> Result<(), Fault> {
    let (alarm, entity) = (request.alarm(), request.entity());
    let info = call.get::<Alarm>(&alarm)?.info().clone();
    let triggered = call.get::<ManagedEntity>(&entity)?.triggered_alarm_state();
    let mut states: Vec<AlarmState> = triggered.iter().filter(|state| state.alarm() == alarm).cloned().collect();
    let (now, user) = (call.now(), call.context().user());
    for state in states.iter_mut().filter(|state| state.acknowledged() != Some(true)) {
        state.set_acknowledged(true).set_acknowledged_by_user(&user).set_acknowledged_time(now);
        let subject = state.entity();
        set_state(call, &subject, &alarm, Some(state.clone()))?;
        let (source, place) = (call.entity_argument(&info.entity()), call.entity_argument(&subject));
        let event = AlarmAcknowledgedEvent::with(|event| {
            event.set_source(source).set_entity(place);
            event.set_alarm(argument(&info));
        });
        call.post(&subject, event)?;
    }
    Ok(())
}

/// Sets triggered alarms back to green, all that have one of the statuses asked for.
fn clear_triggered_alarms(call: &mut Call<'_, AlarmManager>, request: ClearTriggeredAlarms) -> Result<(), Fault> {
    let root = super::service_instance::root_folder(true);
    let wanted = request.filter().status();
    let of_type = match request.filter().type_entity().map(|text| text.as_str()) {
        Some("entityTypeHost") => "HostSystem",
        Some("entityTypeVm") => "VirtualMachine",
        _ => "ManagedEntity",
    };
    let of_type = vimsim_types::TypeId::find(vimsim_types::Namespace::VIM25, of_type);
    let states: Vec<AlarmState> = call.get::<ManagedEntity>(&root)?.triggered_alarm_state().iter().cloned().collect();
    for state in states {
        let has_status = wanted.is_empty() || wanted.iter().any(|status| status == state.overall_status());
        if has_status && of_type.is_none_or(|kind| state.entity().kind().is_a(kind)) {
            set_state(call, &state.entity(), &state.alarm(), None)?;
        }
    }
    Ok(())
}

/// Turns an alarm off at one entity that it watches, where it is green from then on.
///
/// - `ManagedObjectNotFound`; `InvalidArgument` for an entity that it does not watch.
fn disable_alarm(call: &mut Call<'_, AlarmManager>, request: DisableAlarm) -> Result<(), Fault> {
    toggle(call, &request.alarm(), &request.entity(), true)
}

/// Turns an alarm on again at an entity; faults as [`disable_alarm`].
fn enable_alarm(call: &mut Call<'_, AlarmManager>, request: EnableAlarm) -> Result<(), Fault> {
    toggle(call, &request.alarm(), &request.entity(), false)
}

fn toggle(call: &mut Call<'_, AlarmManager>, alarm: &Moref, entity: &Moref, is_disabled: bool) -> Result<(), Fault> {
    let place = call.get::<Alarm>(alarm)?.info().entity();
    call.get::<ManagedEntity>(entity)?;
    if !call.is_within(entity, &place) {
        return Err(Fault::invalid_argument("entity", format!("the alarm does not watch {entity}")));
    }
    trigger::set_disabled(call, alarm, entity, is_disabled)
}

/// Says whether alarms of an entity do more than show.
///
/// - `ManagedObjectNotFound`
fn enable_alarm_actions(call: &mut Call<'_, AlarmManager>, request: EnableAlarmActions) -> Result<(), Fault> {
    call.edit::<ManagedEntity>(&request.entity())?.set_alarm_actions_enabled(request.enabled());
    Ok(())
}

/// Whether alarms of an entity do more than show; they do unless somebody said otherwise.
///
/// - `ManagedObjectNotFound`
fn are_alarm_actions_enabled(look: &Look<'_, AlarmManager>, request: AreAlarmActionsEnabled) -> Result<bool, Fault> {
    Ok(look.get::<ManagedEntity>(&request.entity())?.alarm_actions_enabled().unwrap_or(true))
}
