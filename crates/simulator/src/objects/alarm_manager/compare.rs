//! Alarms that compare an entity's states with values.

use vimsim_types::enums::{ManagedEntityStatus, StateAlarmOperator};
use vimsim_types::views::{
    AlarmExpression, AndAlarmExpression, EventAlarmExpression, ManagedEntity, MetricAlarmExpression, OrAlarmExpression,
    StateAlarmExpression,
};
use vimsim_types::{Fault, Moref, Namespace, Object, TypeId, Value, View};

use super::moref;
use super::trigger::{Triggers, change};
use crate::call::Call;

/// An alarm of states only.
#[derive(Clone)]
pub(super) struct Comparing {
    pub(super) alarm: Moref,
    expression: AlarmExpression,
    /// The types of the entities that it says something of.
    kinds: Vec<TypeId>,
}

impl Comparing {
    /// The alarm, if its expression compares states and nothing else.
    pub(super) fn new(alarm: &Moref, expression: &AlarmExpression) -> Option<Self> {
        let of_states = only_states(expression);
        of_states.then(|| Self { alarm: alarm.clone(), expression: expression.clone(), kinds: kinds(expression) })
    }

    /// The status that the alarm has at an entity, if it is about such.
    fn status(&self, entity: &Object) -> Option<ManagedEntityStatus> {
        let is_about = self.kinds.iter().any(|kind| entity.kind().is_a(*kind));
        if is_about { status(&self.expression, entity) } else { None }
    }
}

/// The types of the entities that an alarm can be triggered at.
pub(super) fn kinds(expression: &AlarmExpression) -> Vec<TypeId> {
    if let Some(parts) = parts(expression) {
        return parts.iter().flat_map(kinds).collect();
    }
    let find = |name: &str| TypeId::find(Namespace::VIM25, name);
    if let Some(state) = expression.downcast::<StateAlarmExpression>() {
        return find(state.type_()).into_iter().collect();
    }
    if let Some(metric) = expression.downcast::<MetricAlarmExpression>() {
        return find(metric.type_()).into_iter().collect();
    }
    let event = expression.downcast::<EventAlarmExpression>().and_then(|event| event.object_type());
    vec![event.and_then(|name| find(name)).unwrap_or(ManagedEntity::TYPE)]
}

fn parts(expression: &AlarmExpression) -> Option<Vec<AlarmExpression>> {
    let any = expression.downcast::<OrAlarmExpression>().map(|any| any.expression());
    let parts = any.or_else(|| expression.downcast::<AndAlarmExpression>().map(|all| all.expression()))?;
    Some(parts.iter().cloned().collect())
}

fn only_states(expression: &AlarmExpression) -> bool {
    match parts(expression) {
        Some(parts) => !parts.is_empty() && parts.iter().all(only_states),
        None => expression.as_object().is::<StateAlarmExpression>(),
    }
}

/// The status that the expression gives an entity; `None` where it says nothing of entities of this type.
fn status(expression: &AlarmExpression, entity: &Object) -> Option<ManagedEntityStatus> {
    use vimsim_types::EnumView;
    if let Some(parts) = parts(expression) {
        let of_parts = parts.iter().filter_map(|part| status(part, entity));
        return match expression.as_object().is::<AndAlarmExpression>() {
            true => of_parts.min_by_key(|status| status.index()),
            false => of_parts.max_by_key(|status| status.index()),
        };
    }
    let state = expression.downcast::<StateAlarmExpression>()?;
    let kind = TypeId::find(Namespace::VIM25, state.type_())?;
    if !entity.kind().is_a(kind) {
        return None;
    }
    let mut names = state.state_path().split('.');
    let mut value = entity.field(names.next()?);
    for name in names {
        value = value.object().map_or(&Value::Unset, |object| object.field(name));
    }
    let value = value.text()?;
    let is_so = |wanted: &str| (value == wanted) == (state.operator() == StateAlarmOperator::IsEqual);
    Some(if state.red().is_some_and(|red| is_so(red)) {
        ManagedEntityStatus::Red
    } else if state.yellow().is_some_and(|yellow| is_so(yellow)) {
        ManagedEntityStatus::Yellow
    } else {
        ManagedEntityStatus::Green
    })
}

/// Compares the states of everything that a new alarm watches.
// Fidelity: vCenter triggers alarms of metrics, too. Ours are kept, and stay green: no metric ever leaves its usual range.
pub(crate) fn compare_all<T>(call: &mut Call<'_, T>, alarm: &Moref) -> Result<(), Fault> {
    let triggers = call.object(&moref()).and_then(|manager| manager.private::<Triggers>());
    let Some(comparing) = triggers.and_then(|it| it.comparing.iter().find(|it| it.alarm == *alarm)).cloned() else {
        return Ok(());
    };
    let found =
        call.objects().filter_map(|object| Some((object.moref().clone(), comparing.status(object.properties())?)));
    let mut found: Vec<_> = found.filter(|(_, status)| *status != ManagedEntityStatus::Green).collect();
    found.sort_by(|(a, _), (b, _)| a.value().cmp(b.value()));
    let now = call.now();
    let mut call = call.untyped();
    found.into_iter().try_for_each(|(subject, status)| change(&mut call, &subject, alarm, status, None, now))
}

/// Brings the alarms that compare states up to date for an entity whose state has changed.
pub(crate) fn compare_states<T>(call: &mut Call<'_, T>, subject: &Moref) -> Result<(), Fault> {
    let Some(triggers) = call.object(&moref()).and_then(|manager| manager.private::<Triggers>()) else {
        return Ok(());
    };
    let Some(entity) = call.object(subject) else { return Ok(()) };
    let entity = entity.properties();
    let found: Vec<(Moref, ManagedEntityStatus)> =
        triggers.comparing.iter().filter_map(|alarm| Some((alarm.alarm.clone(), alarm.status(entity)?))).collect();
    if found.is_empty() {
        return Ok(());
    }
    let now = call.now();
    let mut call = call.untyped();
    found.into_iter().try_for_each(|(alarm, status)| change(&mut call, subject, &alarm, status, None, now))
}
