//! `PropertyCollector`: reading properties, and being told when they change.

mod collectors;
mod world;

use vimsim_property::{Selection, retrieve};
use vimsim_registry::{ManagedObject, Snapshot, Transaction};
use vimsim_types::method::{
    CancelRetrievePropertiesEx, CancelWaitForUpdates, CheckForUpdates, ContinueRetrievePropertiesEx, CreateFilter,
    CreatePropertyCollector, DestroyPropertyCollector, RetrieveProperties, RetrievePropertiesEx, WaitForUpdates,
    WaitForUpdatesEx,
};
use vimsim_types::views::{
    ObjectContent, PropertyCollector, PropertyFilter, PropertyFilterSpec, RetrieveOptions, RetrieveResult, UpdateSet,
};
use vimsim_types::{ArcStr, Fault, List, Moref, Object, Ty, Value, View};

pub(crate) use collectors::Collectors;
pub(crate) use world::SessionWorld;

use crate::call::{Call, Context, Look, Wait};
use crate::config::Fidelity;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<PropertyCollector> {
    Kind::new()
        .read(retrieve_properties)
        .read(retrieve_properties_ex)
        .read(continue_retrieve_properties_ex)
        .read(cancel_retrieve_properties_ex)
        .write(create_filter)
        .write(create_property_collector)
        .write(destroy_property_collector)
        .wait(wait_for_updates_ex)
        .wait(wait_for_updates)
        .wait(check_for_updates)
        .read(cancel_wait_for_updates)
        .computed(PropertyCollector::FILTER, filters)
}

/// The identifier of a new object of this session.
pub(crate) fn session_moref<V: View>(session: &ArcStr) -> Moref {
    Moref::of::<V>(format!("session[{session}]{}", crate::uuid::random()))
}

/// Removes all that belongs to a session.
pub(crate) fn remove_session_objects(transaction: &mut Transaction, session: &ArcStr) {
    let owned = transaction.objects().filter(|object| object.session() == Some(session));
    let owned: Vec<Moref> = owned.map(|object| object.moref().clone()).collect();
    owned.iter().for_each(|moref| transaction.remove(moref));
}

/// `filter`: the caller's filters of this collector.
fn filters(context: &Context, _: &Snapshot, object: &ManagedObject) -> Value {
    let filters =
        context.session.as_ref().map(|session| context.service.collectors().get(session.key(), object.moref()));
    let filters = filters.map_or_else(Vec::new, |collector| collector.filters());
    let element = Ty::Moref(PropertyFilter::TYPE);
    Value::List(List::new(element, filters.iter().map(Value::from).collect()))
}

fn selections<'a>(
    specs: impl IntoIterator<Item = &'a PropertyFilterSpec>,
    context: &Context,
) -> Result<Vec<Selection>, Fault> {
    specs.into_iter().map(|spec| selection(spec, context)).collect()
}

fn selection(spec: &PropertyFilterSpec, context: &Context) -> Result<Selection, Fault> {
    match context.fidelity() {
        Fidelity::VCenter => Selection::compile(spec, context.version),
        Fidelity::Vcsim => Selection::compile_leniently(spec, context.version),
    }
}

/// The properties that the filter specifications ask for.
///
/// - `InvalidProperty` for a path that its type does not have, `ManagedObjectNotFound` for an object that is not there;
/// - `InvalidType`, `InvalidArgument` for specifications that make no sense.
fn retrieve_properties(
    look: &Look<'_, PropertyCollector>,
    request: RetrieveProperties,
) -> Result<Vec<ObjectContent>, Fault> {
    let selections = selections(request.spec_set(), look.context())?;
    retrieve(&SessionWorld::new(look.snapshot(), look.context()), &selections)
}

/// [`retrieve_properties`], a page at a time if `options.maxObjects` says so.
///
/// - `InvalidArgument` for a `maxObjects` that is not positive.
fn retrieve_properties_ex(
    look: &Look<'_, PropertyCollector>,
    request: RetrievePropertiesEx,
) -> Result<Option<RetrieveResult>, Fault> {
    let page = page_size(request.options())?;
    let selections = selections(request.spec_set(), look.context())?;
    let contents = retrieve(&SessionWorld::new(look.snapshot(), look.context()), &selections)?;
    page_of(look, contents, page)
}

fn page_size(options: &RetrieveOptions) -> Result<usize, Fault> {
    match options.max_objects() {
        None => Ok(usize::MAX),
        Some(most) => match usize::try_from(most) {
            Ok(most) if most > 0 => Ok(most),
            _ => Err(Fault::invalid_argument("options.maxObjects", format!("{most} is not a positive number"))),
        },
    }
}

/// The first page; the rest is kept for the session under a token.
fn page_of(
    look: &Look<'_, PropertyCollector>,
    mut contents: Vec<ObjectContent>,
    page: usize,
) -> Result<Option<RetrieveResult>, Fault> {
    if contents.is_empty() {
        return Ok(None);
    }
    let mut token = None;
    if contents.len() > page {
        let context = look.context();
        let rest = contents.split_off(page).into_iter().map(Object::from).collect();
        token = Some(context.service.collectors().keep_page(context.session()?.key(), look.moref(), rest, page));
    }
    Ok(Some(RetrieveResult::with(|result| {
        result.set_token(token);
        result.set_objects(contents);
    })))
}

/// The next page of a retrieval.
///
/// - `InvalidProperty` naming `token` if the session has no retrieval of that token.
fn continue_retrieve_properties_ex(
    look: &Look<'_, PropertyCollector>,
    request: ContinueRetrievePropertiesEx,
) -> Result<Option<RetrieveResult>, Fault> {
    let context = look.context();
    let kept = context.service.collectors().take_page(context.session()?.key(), look.moref(), request.token());
    let (contents, page) = kept.ok_or_else(invalid_token)?;
    page_of(look, contents.into_iter().map(ObjectContent::from_object_unchecked).collect(), page)
}

/// Gives up the rest of a retrieval.
///
/// - `InvalidProperty` naming `token` if the session has no retrieval of that token.
fn cancel_retrieve_properties_ex(
    look: &Look<'_, PropertyCollector>,
    request: CancelRetrievePropertiesEx,
) -> Result<(), Fault> {
    let context = look.context();
    let kept = context.service.collectors().take_page(context.session()?.key(), look.moref(), request.token());
    kept.map(|_| ()).ok_or_else(invalid_token)
}

fn invalid_token() -> Fault {
    let detail = vimsim_types::views::InvalidProperty::with(|fault| {
        fault.set_name("token");
    });
    Fault::new(detail, "The token is not one of a retrieval of this session")
}

/// Creates a filter whose changes this collector tells.
///
/// - `InvalidProperty`, `InvalidType`, `InvalidArgument`, `ManagedObjectNotFound` as for reading.
fn create_filter(call: &mut Call<'_, PropertyCollector>, request: CreateFilter) -> Result<Moref, Fault> {
    let context = call.context();
    let session = context.session()?.key().clone();
    let selection = selection(request.spec(), context)?;
    selection.check(&SessionWorld::new(&context.service.snapshot(), context))?;
    let filter = session_moref::<PropertyFilter>(&session);
    let properties = PropertyFilter::with(|filter| {
        filter.set_spec(request.spec().clone());
        filter.set_partial_updates(request.partial_updates());
    });
    call.insert_for_session(filter.clone(), properties, Some(session.clone()));
    let collector = context.service.collectors().get(&session, &call.moref());
    collector.add_filter(filter.clone(), selection, request.partial_updates());
    Ok(filter)
}

/// Creates another collector for this session.
fn create_property_collector(
    call: &mut Call<'_, PropertyCollector>,
    _: CreatePropertyCollector,
) -> Result<Moref, Fault> {
    let session = call.context().session()?.key().clone();
    let collector = session_moref::<PropertyCollector>(&session);
    call.insert_for_session(collector.clone(), PropertyCollector::new(), Some(session));
    Ok(collector)
}

/// Destroys a collector and its filters. The session's default one loses its filters and stays.
fn destroy_property_collector(
    call: &mut Call<'_, PropertyCollector>,
    _: DestroyPropertyCollector,
) -> Result<(), Fault> {
    let context = call.context();
    let session = context.session()?.key().clone();
    let this = call.moref();
    for filter in context.service.collectors().remove(&session, &this) {
        call.remove(&filter);
    }
    if call.object(&this).is_some_and(|object| object.session().is_some()) {
        call.remove(&this);
    }
    Ok(())
}

/// Waits until something that the collector's filters select is not as the client knows it, and tells what.
///
/// - `InvalidCollectorVersion` for a version that this collector did not return of late;
/// - `RequestCanceled` after `CancelWaitForUpdates`; `InvalidArgument` for negative options.
async fn wait_for_updates_ex(wait: Wait, request: WaitForUpdatesEx) -> Result<Option<UpdateSet>, Fault> {
    let seconds = positive("options.maxWaitSeconds", request.options().and_then(|options| options.max_wait_seconds()))?;
    let limit =
        match positive("options.maxObjectUpdates", request.options().and_then(|options| options.max_object_updates()))?
        {
            Some(0) => return Err(Fault::invalid_argument("options.maxObjectUpdates", "0 is not a positive number")),
            limit => limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX),
        };
    let session = wait.session()?.key().clone();
    let collector = wait.service.collectors().get(&session, &wait.this);
    collector.wait(&wait, request.version().map_or("", |version| version), limit, seconds).await
}

fn positive(name: &str, value: Option<i32>) -> Result<Option<u64>, Fault> {
    value
        .map(|value| u64::try_from(value).map_err(|_| Fault::invalid_argument(name, format!("{value} is negative"))))
        .transpose()
}

/// [`wait_for_updates_ex`] without end.
async fn wait_for_updates(wait: Wait, request: WaitForUpdates) -> Result<Option<UpdateSet>, Fault> {
    let session = wait.session()?.key().clone();
    let collector = wait.service.collectors().get(&session, &wait.this);
    collector.wait(&wait, request.version().map_or("", |version| version), usize::MAX, None).await
}

/// [`wait_for_updates_ex`] without waiting.
async fn check_for_updates(wait: Wait, request: CheckForUpdates) -> Result<Option<UpdateSet>, Fault> {
    let session = wait.session()?.key().clone();
    let collector = wait.service.collectors().get(&session, &wait.this);
    collector.wait(&wait, request.version().map_or("", |version| version), usize::MAX, Some(0)).await
}

/// Ends the session's waits for this collector with `RequestCanceled`.
fn cancel_wait_for_updates(look: &Look<'_, PropertyCollector>, _: CancelWaitForUpdates) -> Result<(), Fault> {
    let context = look.context();
    context.service.collectors().get(context.session()?.key(), look.moref()).cancel();
    Ok(())
}
