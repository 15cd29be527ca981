//! `EventHistoryCollector`: a way through the events that pass a filter.

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::method::{
    DestroyCollector, ReadNextEvents, ReadPreviousEvents, ResetCollector, RewindCollector, SetCollectorPageSize,
};
use vimsim_types::views::{Event, EventFilterSpec, EventHistoryCollector, EventManager, HistoryCollector};
use vimsim_types::{Fault, List, Moref, Ty, Value, View};

use super::event_manager::{self, Filter, Log};
use super::history::{self, History, history_mut};
use crate::call::{Call, Context};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<EventHistoryCollector> {
    Kind::new()
        .computed(EventHistoryCollector::LATEST_PAGE, latest_page)
        .write(read_next_events)
        .write(read_previous_events)
        .write(|call: &mut Call<'_, EventHistoryCollector>, request: SetCollectorPageSize| {
            history::set_page_size::<_, Filter>(call, request.max_count())
        })
        .write(|call: &mut Call<'_, EventHistoryCollector>, _: RewindCollector| history::rewind::<_, Filter>(call))
        .write(reset_collector)
        .write(|call: &mut Call<'_, EventHistoryCollector>, _: DestroyCollector| history::destroy(call))
}

/// Adds a collector to the caller's session.
pub(super) fn create(call: &mut Call<'_, EventManager>, spec: &EventFilterSpec) -> Result<Moref, Fault> {
    let inventory: &vimsim_registry::Transaction = call;
    let filter = Filter::new(spec, inventory)?;
    let collector = EventHistoryCollector::with(|collector| {
        collector.as_object_mut().set(HistoryCollector::FILTER, Value::Object(spec.clone().into()));
        collector.set_initialized(true);
    });
    let manager = call.moref();
    let most = call.this()?.max_collector();
    let made = call.object(&manager).and_then(|object| object.private::<Log>()).map(|log| log.collectors.living(call));
    let made = made.unwrap_or_default();
    let moref = history::create(call, collector, most, filter, &made)?;
    call.private::<Log>(&manager)?.collectors.set(made.into_iter().chain([moref.clone()]).collect());
    Ok(moref)
}

/// The log as a reader or a writer sees it.
fn log<'a>(inventory: &'a impl Inventory, context: &Context) -> Option<&'a Log> {
    inventory.find(&event_manager::moref(context.is_virtual_center()))?.private()
}

/// The newest events that pass the filter, newest first.
fn latest<'a>(
    inventory: &'a impl Inventory,
    context: &Context,
    history: &'a History<Filter>,
) -> impl Iterator<Item = Event> + 'a {
    let entries = log(inventory, context).into_iter().flat_map(|log| log.entries().rev());
    let matching = entries.filter(|entry| history.filter.matches(entry, inventory));
    matching.take(history.page).map(|entry| history.filter.show(entry))
}

/// `latestPage`
fn latest_page(context: &Context, snapshot: &Snapshot, object: &ManagedObject) -> Value {
    let events = object.private::<Option<History<Filter>>>().and_then(Option::as_ref);
    let events = events.into_iter().flat_map(|history| latest(snapshot, context, history));
    let events = events.map(|event| Value::Object(event.into())).collect();
    Value::List(List::new(Ty::Data(Event::TYPE), events))
}

/// The next newer events.
///
/// - `InvalidArgument` for a count that is not within 1 and 1,000.
fn read_next_events(call: &mut Call<'_, EventHistoryCollector>, request: ReadNextEvents) -> Result<Vec<Event>, Fault> {
    let count = history::count(request.max_count())?;
    let context = call.context();
    let history = history_mut::<_, Filter>(call)?.clone();
    let inventory: &vimsim_registry::Transaction = call;
    let position = i32::try_from(history.position).unwrap_or(i32::MAX);
    let entries = log(inventory, context).into_iter().flat_map(|log| log.from(position));
    let matching = entries.filter(|entry| history.filter.matches(entry, inventory));
    let events: Vec<Event> = matching.take(count).map(|entry| history.filter.show(entry)).collect();
    if let Some(last) = events.last() {
        history_mut::<_, Filter>(call)?.position = i64::from(last.key()) + 1;
    }
    Ok(events)
}

/// The next older events, newest first.
///
/// - `InvalidArgument` for a count that is not within 1 and 1,000.
fn read_previous_events(
    call: &mut Call<'_, EventHistoryCollector>,
    request: ReadPreviousEvents,
) -> Result<Vec<Event>, Fault> {
    let count = history::count(request.max_count())?;
    let context = call.context();
    let history = history_mut::<_, Filter>(call)?.clone();
    let inventory: &vimsim_registry::Transaction = call;
    let entries = log(inventory, context).into_iter().flat_map(|log| log.entries().rev());
    let older = entries.skip_while(|entry| i64::from(entry.event().key()) >= history.position);
    let matching = older.filter(|entry| history.filter.matches(entry, inventory));
    let events: Vec<Event> = matching.take(count).map(|entry| history.filter.show(entry)).collect();
    if let Some(oldest) = events.last() {
        history_mut::<_, Filter>(call)?.position = i64::from(oldest.key());
    }
    Ok(events)
}

/// Puts the position before the latest page.
fn reset_collector(call: &mut Call<'_, EventHistoryCollector>, _: ResetCollector) -> Result<(), Fault> {
    let context = call.context();
    let history = history_mut::<_, Filter>(call)?.clone();
    let inventory: &vimsim_registry::Transaction = call;
    let oldest = latest(inventory, context, &history).last().map(|event| i64::from(event.key()));
    history_mut::<_, Filter>(call)?.position = oldest.unwrap_or(0);
    Ok(())
}
