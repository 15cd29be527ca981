//! `TaskHistoryCollector`: a way through the tasks that pass a filter.

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::method::{
    DestroyCollector, ReadNextTasks, ReadPreviousTasks, ResetCollector, RewindCollector, SetCollectorPageSize,
};
use vimsim_types::views::{
    HistoryCollector, TaskFilterSpec, TaskHistoryCollector, TaskInfo, TaskInfoFilterSpec, TaskManager,
};
use vimsim_types::{Fault, List, Moref, Ty, Value, View};

use super::history::{self, History, history_mut};
use super::task_manager::{self, Filter, Kept};
use crate::call::{Call, Context};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<TaskHistoryCollector> {
    Kind::new()
        .computed(TaskHistoryCollector::LATEST_PAGE, latest_page)
        .write(read_next_tasks)
        .write(read_previous_tasks)
        .write(|call: &mut Call<'_, TaskHistoryCollector>, request: SetCollectorPageSize| {
            history::set_page_size::<_, Filter>(call, request.max_count())
        })
        .write(|call: &mut Call<'_, TaskHistoryCollector>, _: RewindCollector| history::rewind::<_, Filter>(call))
        .write(reset_collector)
        .write(|call: &mut Call<'_, TaskHistoryCollector>, _: DestroyCollector| history::destroy(call))
}

/// Adds a collector to the caller's session.
pub(super) fn create(
    call: &mut Call<'_, TaskManager>,
    spec: &TaskFilterSpec,
    info: Option<&TaskInfoFilterSpec>,
) -> Result<Moref, Fault> {
    let inventory: &vimsim_registry::Transaction = call;
    let filter = Filter::new(spec, inventory)?.showing(info);
    let collector = TaskHistoryCollector::with(|collector| {
        collector.as_object_mut().set(HistoryCollector::FILTER, Value::Object(spec.clone().into()));
    });
    let manager = call.moref();
    let most = call.this()?.max_collector();
    let made = call.object(&manager).and_then(|object| object.private::<Kept>());
    let made = made.map(|kept| kept.collectors.living(call)).unwrap_or_default();
    let moref = history::create(call, collector, most, filter, &made)?;
    call.private::<Kept>(&manager)?.collectors.set(made.into_iter().chain([moref.clone()]).collect());
    Ok(moref)
}

/// The tasks that pass the filter, with their numbers; oldest first.
pub(super) fn matching<'a>(
    inventory: &'a impl Inventory,
    context: &Context,
    filter: &Filter,
) -> Vec<(i64, &'a TaskInfo)> {
    let manager = inventory.find(&task_manager::moref(context.is_virtual_center()));
    let mut tasks = manager.map_or_else(Vec::new, |manager| task_manager::all(manager, inventory));
    tasks.retain(|(_, info)| filter.matches(info, inventory));
    tasks
}

/// `latestPage`: the newest tasks that pass the filter, newest first.
fn latest_page(context: &Context, snapshot: &Snapshot, object: &ManagedObject) -> Value {
    let mut page = Vec::new();
    if let Some(Some(history)) = object.private::<Option<History<Filter>>>() {
        let newest = matching(snapshot, context, &history.filter).into_iter().rev().take(history.page);
        page.extend(newest.map(|(_, info)| Value::Object(history.filter.shown(info).into())));
    }
    Value::List(List::new(Ty::Data(TaskInfo::TYPE), page))
}

/// The next newer tasks.
///
/// - `InvalidArgument` for a count that is not within 1 and 1,000.
fn read_next_tasks(call: &mut Call<'_, TaskHistoryCollector>, request: ReadNextTasks) -> Result<Vec<TaskInfo>, Fault> {
    let count = history::count(request.max_count())?;
    let context = call.context();
    let history = history_mut::<_, Filter>(call)?.clone();
    let inventory: &vimsim_registry::Transaction = call;
    let newer = matching(inventory, context, &history.filter);
    let newer = newer.into_iter().filter(|(number, _)| *number >= history.position);
    let found: Vec<(i64, TaskInfo)> =
        newer.take(count).map(|(number, info)| (number, history.filter.shown(info))).collect();
    if let Some((last, _)) = found.last() {
        history_mut::<_, Filter>(call)?.position = last + 1;
    }
    Ok(found.into_iter().map(|(_, info)| info).collect())
}

/// The next older tasks, newest first.
///
/// - `InvalidArgument` for a count that is not within 1 and 1,000.
fn read_previous_tasks(
    call: &mut Call<'_, TaskHistoryCollector>,
    request: ReadPreviousTasks,
) -> Result<Vec<TaskInfo>, Fault> {
    let count = history::count(request.max_count())?;
    let context = call.context();
    let history = history_mut::<_, Filter>(call)?.clone();
    let inventory: &vimsim_registry::Transaction = call;
    let older = matching(inventory, context, &history.filter);
    let older = older.into_iter().rev().filter(|(number, _)| *number < history.position);
    let found: Vec<(i64, TaskInfo)> =
        older.take(count).map(|(number, info)| (number, history.filter.shown(info))).collect();
    if let Some((oldest, _)) = found.last() {
        history_mut::<_, Filter>(call)?.position = *oldest;
    }
    Ok(found.into_iter().map(|(_, info)| info).collect())
}

/// Puts the position before the latest page.
fn reset_collector(call: &mut Call<'_, TaskHistoryCollector>, _: ResetCollector) -> Result<(), Fault> {
    let context = call.context();
    let history = history_mut::<_, Filter>(call)?.clone();
    let inventory: &vimsim_registry::Transaction = call;
    let page = matching(inventory, context, &history.filter).into_iter().rev().take(history.page);
    let oldest = page.min_by_key(|(number, _)| *number).map_or(0, |(number, _)| number);
    history_mut::<_, Filter>(call)?.position = oldest;
    Ok(())
}
