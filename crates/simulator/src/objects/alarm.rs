//! `Alarm`: something that is watched for.

use vimsim_types::method::{ReconfigureAlarm, RemoveAlarm};
use vimsim_types::views::{Alarm, AlarmReconfiguredEvent, AlarmRemovedEvent, AlarmState, ManagedEntity};
use vimsim_types::{Fault, Moref, View};

use super::alarm_manager;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<Alarm> {
    Kind::new().write(reconfigure_alarm).write(remove_alarm)
}

/// Sets everywhere where this alarm is triggered back to green.
fn clear(call: &mut Call<'_, Alarm>) -> Result<(), Fault> {
    let this = call.moref();
    let entity = call.this()?.info().entity();
    let Some(entity) = call.view::<ManagedEntity>(&entity) else { return Ok(()) };
    let states = entity.triggered_alarm_state().iter().filter(|state| state.alarm() == this);
    let states: Vec<AlarmState> = states.cloned().collect();
    for state in states {
        alarm_manager::set_state(call, &state.entity(), &this, None)?;
    }
    Ok(())
}

/// Changes what is watched for; the alarm is green until that happens again, or if it is so.
///
/// - `InvalidName`, `DuplicateName`
fn reconfigure_alarm(call: &mut Call<'_, Alarm>, request: ReconfigureAlarm) -> Result<(), Fault> {
    let this = call.moref();
    alarm_manager::check_name(call, request.spec().name(), Some(&this))?;
    clear(call)?;
    let (now, user) = (call.now(), call.context().user());
    let info = call.this_mut()?.info_mut();
    alarm_manager::apply(info, request.spec());
    info.set_last_modified_time(now).set_last_modified_user(user);
    let info = info.clone();
    alarm_manager::recompile(call, |_| ())?;
    let place = call.entity_argument(&info.entity());
    let event = AlarmReconfiguredEvent::with(|event| {
        event.set_entity(place);
        event.set_alarm(alarm_manager::argument(&info));
    });
    call.post(&info.entity(), event)?;
    alarm_manager::compare_all(call, &this)
}

/// Watches no longer.
fn remove_alarm(call: &mut Call<'_, Alarm>, _: RemoveAlarm) -> Result<(), Fault> {
    let this: Moref = call.moref();
    clear(call)?;
    let info = call.this()?.info().clone();
    call.remove(&this);
    alarm_manager::recompile(call, |alarms| alarms.retain(|alarm| *alarm != this))?;
    let place = call.entity_argument(&info.entity());
    let event = AlarmRemovedEvent::with(|event| {
        event.set_entity(place);
        event.set_alarm(alarm_manager::argument(&info));
    });
    call.post(&info.entity(), event)
}
