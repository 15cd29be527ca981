//! Events that change the status of alarms.

use vimsim_registry::Transaction;
use vimsim_types::enums::ManagedEntityStatus;
use vimsim_types::views::{
    Alarm, AlarmEvent, AlarmExpression, AlarmState, AlarmStatusChangedEvent, AndAlarmExpression, ComputeResource,
    Datacenter, Event, EventAlarmExpression, EventAlarmExpressionComparison, Folder, HostSystem, ManagedEntity,
    OrAlarmExpression, ResourcePool, VirtualMachine,
};
use vimsim_types::{DateTime, EnumView, Fault, Moref, Namespace, TypeId, View};

use super::compare::{self, Comparing, compare_states};
use super::{argument, moref};
use crate::call::Call;
use crate::objects::event_manager::type_id;
use crate::walk::Inventory;

/// The alarms, and the events that each waits for, made ready to be compared with many events.
#[derive(Clone, Default)]
pub(super) struct Triggers {
    alarms: Vec<Moref>,
    /// The types of the entities that each of the alarms can be triggered at.
    kinds: Vec<Vec<TypeId>>,
    waiting: Vec<Waiting>,
    /// The alarms that compare states.
    pub(super) comparing: Vec<Comparing>,
    /// The entities at which an alarm is turned off.
    disabled: Vec<(Moref, Moref)>,
}

/// One event that an alarm waits for.
#[derive(Clone)]
struct Waiting {
    alarm: Moref,
    kind: TypeId,
    object: TypeId,
    expression: EventAlarmExpression,
    status: ManagedEntityStatus,
}

impl Triggers {
    pub(super) fn alarms(&self) -> &[Moref] {
        &self.alarms
    }

    /// The alarms that can be triggered at an entity, or at something in it, if they are defined where they watch it.
    pub(super) fn about(&self, entity: &Moref) -> impl Iterator<Item = (&Moref, bool)> {
        self.alarms
            .iter()
            .zip(&self.kinds)
            .map(|(alarm, kinds)| (alarm, kinds.iter().any(|kind| concerns(entity, *kind))))
    }

    /// Whether an alarm is turned off at an entity.
    pub(super) fn is_disabled(&self, alarm: &Moref, entity: &Moref) -> bool {
        self.disabled.iter().any(|(known, at)| known == alarm && at == entity)
    }
}

/// Whether an alarm of entities of this type can be triggered at an entity, or at what may be in it.
fn concerns(entity: &Moref, kind: TypeId) -> bool {
    let is_one_of = |types: &[TypeId]| types.iter().any(|of| of.is_a(kind) || kind.is_a(*of));
    if entity.is::<Folder>() || entity.is::<Datacenter>() {
        true
    } else if entity.is::<ComputeResource>() {
        is_one_of(&[ComputeResource::TYPE, HostSystem::TYPE, ResourcePool::TYPE, VirtualMachine::TYPE])
    } else if entity.is::<ResourcePool>() {
        is_one_of(&[ResourcePool::TYPE, VirtualMachine::TYPE])
    } else {
        entity.kind().is_a(kind)
    }
}

/// Turns an alarm off at an entity, or on again.
pub(super) fn set_disabled(
    transaction: &mut Transaction,
    alarm: &Moref,
    entity: &Moref,
    is_disabled: bool,
) -> Result<(), Fault> {
    let disabled = &mut transaction.private::<Triggers>(&moref())?.disabled;
    disabled.retain(|(known, at)| known != alarm || at != entity);
    if is_disabled {
        disabled.push((alarm.clone(), entity.clone()));
        set_state(transaction, entity, alarm, None)?;
    }
    Ok(())
}

/// Lets the alarms of a new inventory wait for their events.
pub(crate) fn begin(transaction: &mut Transaction, alarms: Vec<Moref>) -> Result<(), Fault> {
    recompile(transaction, |known| *known = alarms)
}

/// Changes the list of alarms, and works out again what they wait for.
pub(crate) fn recompile(transaction: &mut Transaction, change: impl FnOnce(&mut Vec<Moref>)) -> Result<(), Fault> {
    let known = transaction.private::<Triggers>(&moref())?;
    let (mut alarms, mut disabled) = (known.alarms.clone(), known.disabled.clone());
    change(&mut alarms);
    disabled.retain(|(alarm, entity)| alarms.contains(alarm) && transaction.object(entity).is_some());
    let (mut waiting, mut comparing, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for moref in &alarms {
        let alarm = transaction.view::<Alarm>(moref);
        kinds.push(alarm.map_or_else(Vec::new, |alarm| compare::kinds(alarm.info().expression())));
        let Some(alarm) = alarm else { continue };
        if alarm.info().enabled() {
            collect(moref, alarm.info().expression(), &mut waiting);
            comparing.extend(Comparing::new(moref, alarm.info().expression()));
        }
    }
    *transaction.private(&moref())? = Triggers { alarms, kinds, waiting, comparing, disabled };
    Ok(())
}

/// The events in an expression. One without a status changes none: such an alarm only acts.
fn collect(alarm: &Moref, expression: &AlarmExpression, waiting: &mut Vec<Waiting>) {
    if let Some(any) = expression.downcast::<OrAlarmExpression>() {
        any.expression().iter().for_each(|part| collect(alarm, part, waiting));
    } else if let Some(all) = expression.downcast::<AndAlarmExpression>() {
        all.expression().iter().for_each(|part| collect(alarm, part, waiting));
    } else if let Some(event) = expression.downcast::<EventAlarmExpression>()
        && let Some(status) = event.status()
    {
        let find = |name: &str| TypeId::find(Namespace::VIM25, name);
        waiting.push(Waiting {
            alarm: alarm.clone(),
            kind: find(event.event_type()).unwrap_or(Event::TYPE),
            object: event.object_type().and_then(|name| find(name)).unwrap_or(ManagedEntity::TYPE),
            expression: event.clone(),
            status,
        });
    }
}

impl Waiting {
    fn matches(&self, subject: &Moref, event: &Event) -> bool {
        let expression = &self.expression;
        event.as_object().kind().is_a(self.kind)
            && subject.kind().is_a(self.object)
            && expression.event_type_id().is_none_or(|id| type_id(event).is_none_or(|own| own == id))
            && expression.comparisons().iter().all(|comparison| compare(event, comparison))
    }
}

/// Whether a property of the event is as an alarm's condition wants it.
fn compare(event: &Event, comparison: &EventAlarmExpressionComparison) -> bool {
    let mut value = event.as_object().field(comparison.attribute_name().split('.').next().unwrap_or_default());
    for name in comparison.attribute_name().split('.').skip(1) {
        let Some(object) = value.object() else { return false };
        value = object.field(name);
    }
    let (text, wanted) = (value.text().unwrap_or_default(), comparison.value().as_str());
    match comparison.operator().as_str() {
        "notEqualTo" => text != wanted,
        "startsWith" => text.starts_with(wanted),
        "doesNotStartWith" => !text.starts_with(wanted),
        "endsWith" => text.ends_with(wanted),
        "doesNotEndWith" => !text.ends_with(wanted),
        _ => text == wanted,
    }
}

/// Lets alarms that wait for this event change.
pub(crate) fn trigger(call: &mut Call<'_, ()>, subject: &Moref, event: &Event) -> Result<(), Fault> {
    let Some(triggers) = call.object(&moref()).and_then(|manager| manager.private::<Triggers>()) else {
        return Ok(());
    };
    // What alarms tell of themselves must not go round in circles.
    let kind = event.as_object().kind();
    if kind.is_a(AlarmEvent::TYPE) {
        return Ok(());
    }
    let matching = triggers.waiting.iter().filter(|waiting| waiting.matches(subject, event));
    let matching: Vec<(Moref, ManagedEntityStatus)> =
        matching.map(|waiting| (waiting.alarm.clone(), waiting.status)).collect();
    let (key, now) = (event.key(), event.created_time());
    for (alarm, status) in matching {
        change(call, subject, &alarm, status, Some(key), now)?;
    }
    // There is an event for whatever alarms of states look at.
    compare_states(call, subject)
}

/// Brings an alarm at an entity to a status, if the entity is one that it watches.
pub(super) fn change(
    call: &mut Call<'_, ()>,
    subject: &Moref,
    alarm: &Moref,
    status: ManagedEntityStatus,
    event_key: Option<i32>,
    now: DateTime,
) -> Result<(), Fault> {
    let info = call.get::<Alarm>(alarm)?.info().clone();
    if !call.is_within(subject, &info.entity()) {
        return Ok(());
    }
    let triggers = call.object(&moref()).and_then(|manager| manager.private::<Triggers>());
    if triggers.is_some_and(|triggers| triggers.is_disabled(alarm, subject)) {
        return Ok(());
    }
    let triggered = call.get::<ManagedEntity>(subject)?.triggered_alarm_state();
    let before = triggered.iter().find(|state| state.alarm() == *alarm && state.entity() == *subject);
    let before = before.map_or(ManagedEntityStatus::Green, |state| state.overall_status());
    if before == status {
        return Ok(());
    }
    let is_set = status != ManagedEntityStatus::Green;
    set_state(call, subject, alarm, is_set.then(|| state(alarm, subject, status, now, event_key)))?;
    let (source, place) = (call.entity_argument(&info.entity()), call.entity_argument(subject));
    let event = AlarmStatusChangedEvent::with(|event| {
        event.set_source(source).set_entity(place).set_from(before.name()).set_to(status.name());
        event.set_alarm(argument(&info));
    });
    call.post(subject, event)
}

/// The state of an alarm at an entity.
pub(super) fn state(
    alarm: &Moref,
    entity: &Moref,
    status: ManagedEntityStatus,
    now: DateTime,
    event_key: Option<i32>,
) -> AlarmState {
    AlarmState::with(|state| {
        state.set_key(format!("{}.{}", alarm.value(), entity.value()));
        state.set_entity(entity.clone()).set_alarm(alarm.clone()).set_overall_status(status).set_time(now);
        state.set_acknowledged(false).set_event_key(event_key);
    })
}

/// Writes the state of an alarm at an entity into it and what it is in; none for one that is green.
pub(crate) fn set_state(
    transaction: &mut Transaction,
    entity: &Moref,
    alarm: &Moref,
    state: Option<AlarmState>,
) -> Result<(), Fault> {
    for place in transaction.ancestry(entity) {
        let view = transaction.edit::<ManagedEntity>(&place)?;
        view.triggered_alarm_state_mut().retain(|known| known.alarm() != *alarm || known.entity() != *entity);
        if let Some(state) = &state {
            view.push_triggered_alarm_state(state.clone());
        }
    }
    let view = transaction.edit::<ManagedEntity>(entity)?;
    let own = view.triggered_alarm_state().iter().filter(|state| state.entity() == *entity);
    let worst = own.map(|state| state.overall_status()).max_by_key(|status| status.index());
    view.set_overall_status(worst.unwrap_or(ManagedEntityStatus::Green));
    Ok(())
}
