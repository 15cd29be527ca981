//! `EventManager`: what happened, in order.

mod failure;
mod log;

use vimsim_types::method::{
    CreateCollectorForEvents, LogUserEvent, PostEvent, QueryEvents, RetrieveArgumentDescription,
};
use vimsim_types::views::{
    ClusterCreatedEvent, ComputeResource, ComputeResourceEventArgument, Datacenter, DatacenterCreatedEvent,
    DatacenterEventArgument, Datastore, DatastoreEventArgument, DistributedVirtualSwitch, DvsEventArgument, Event,
    EventArgDesc, EventEx, EventManager, Folder, FolderEventArgument, GeneralUserEvent, HostEventArgument, HostSystem,
    ManagedEntity, ManagedEntityEventArgument, Network, NetworkEventArgument, ResourcePool, ResourcePoolEvent,
    ResourcePoolEventArgument, Task, VirtualMachine, VmBeingHotMigratedEvent, VmBeingMigratedEvent,
    VmBeingRelocatedEvent, VmCloneFailedEvent, VmEventArgument, VmFailedMigrateEvent, VmMigratedEvent,
    VmRelocatedEvent,
};
use vimsim_types::{Fault, Field, Moref, Namespace, Object, TypeId, View};

use super::descriptions::{element, words};

use super::event_history_collector;
use super::virtual_machine::disk::{DatastorePath, datastore_by_name};
use crate::call::{Call, Look};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) use self::failure::{IfFailed, post_failure};
use self::log::{Entry, names};
pub(crate) use self::log::{Filter, Log, type_id};

/// How many collectors a session may have at a time.
const MOST_COLLECTORS: i32 = 32;

/// The events that say on which datastore their machine is.
const MOVES: [TypeId; 7] = [
    VmMigratedEvent::TYPE,
    VmRelocatedEvent::TYPE,
    VmBeingRelocatedEvent::TYPE,
    VmBeingMigratedEvent::TYPE,
    VmBeingHotMigratedEvent::TYPE,
    VmCloneFailedEvent::TYPE,
    VmFailedMigrateEvent::TYPE,
];

/// The identifier of the one event manager of a vCenter or host.
pub(crate) fn moref(is_virtual_center: bool) -> Moref {
    Moref::of::<EventManager>(if is_virtual_center { "EventManager" } else { "ha-eventmgr" })
}

pub(crate) fn kind() -> Kind<EventManager> {
    Kind::new()
        .computed(EventManager::DESCRIPTION, |_, _, _| super::event_description::description())
        .read(query_events)
        .read(retrieve_argument_description)
        .write(create_collector_for_events)
        .write(log_user_event)
        .write(post_event)
}

/// The event manager's own properties.
pub(crate) fn properties() -> EventManager {
    EventManager::with(|manager| _ = manager.set_max_collector(MOST_COLLECTORS))
}

impl<T> Call<'_, T> {
    /// Writes down that `event` happened to `subject`: fills in who, when and where, and its text.
    pub(crate) fn post(&mut self, subject: &Moref, event: impl View) -> Result<(), Fault> {
        self.untyped().post_of_task(subject, event.into())
    }

    /// [`Call::post`] as a part of a chain of events.
    pub(crate) fn post_in_chain(&mut self, subject: &Moref, chain: Option<i32>, event: impl View) -> Result<(), Fault> {
        self.untyped().write_down(subject, chain, event.into())
    }
}

impl Call<'_, ()> {
    /// Writes down an event as a part of what the task does that this call is the body of.
    fn post_of_task(&mut self, subject: &Moref, event: Object) -> Result<(), Fault> {
        let task = self.context().task.clone();
        let chain = task.and_then(|task| Some(self.view::<Task>(&task)?.info().event_chain_id()));
        self.write_down(subject, chain, event)
    }

    fn write_down(&mut self, subject: &Moref, chain: Option<i32>, mut object: Object) -> Result<(), Fault> {
        let manager = moref(self.context().is_virtual_center());
        let Some(log) = self.object(&manager) else { return Ok(()) };
        let key = log.private::<Log>().map_or(0, Log::last_key) + 1;
        let (now, user) = (self.now(), self.context().user());
        let event = Event::from_mut(&mut object).ok_or_else(|| Fault::invalid_request("not an event"))?;
        event.set_key(key);
        event.set_chain_id(chain.unwrap_or(key));
        event.set_created_time(now);
        // A session that begins or ends is another's than the caller's.
        if event.user_name().is_empty() {
            event.set_user_name(user);
        }
        self.fill_arguments(subject, event);
        if event.full_formatted_message().is_none() {
            let text = super::event_text::text(event);
            event.set_full_formatted_message(text);
        }
        self.edit::<EventManager>(&manager)?.as_object_mut().set(EventManager::LATEST_EVENT, object.clone().into());
        let parent = self.view::<ManagedEntity>(subject).and_then(|entity| entity.parent());
        self.private::<Log>(&manager)?.push(Entry::new(object.clone(), subject.clone(), parent));
        super::alarm_manager::trigger(self, subject, Event::from_ref_unchecked(&object))
    }

    /// Names the subject and what it is in, as far as the event has not done so itself.
    fn fill_arguments(&self, subject: &Moref, event: &mut Event) {
        self.name_places(subject, event);
        if let Some(host) = self.view::<VirtualMachine>(subject).and_then(|machine| machine.runtime().host()) {
            self.name_places(&host, event);
        }
        if subject.is::<ResourcePool>()
            && let Some(event) = ResourcePoolEvent::from_mut(event.as_object_mut())
        {
            event.set_resource_pool(self.pool_argument(subject));
        }
        self.fill_datastore(subject, event);
    }

    /// Names an entity and what it is in, up to its datacenter.
    fn name_places(&self, entity: &Moref, event: &mut Event) {
        let mut next = Some(entity.clone());
        while let Some(place) = &next {
            let Some(entity) = self.view::<ManagedEntity>(place) else { return };
            let name = entity.name();
            if place.is::<Datacenter>() && event.datacenter().is_none() {
                event.set_datacenter(DatacenterEventArgument::with(|argument| {
                    argument.set_datacenter(place.clone());
                    argument.set_name(name);
                }));
            } else if place.is::<ComputeResource>() && event.compute_resource().is_none() {
                event.set_compute_resource(ComputeResourceEventArgument::with(|argument| {
                    argument.set_compute_resource(place.clone());
                    argument.set_name(name);
                }));
            } else if place.is::<HostSystem>() && event.host().is_none() {
                event.set_host(HostEventArgument::with(|argument| {
                    argument.set_host(place.clone());
                    argument.set_name(name);
                }));
            } else if place.is::<VirtualMachine>() && event.vm().is_none() {
                event.set_vm(VmEventArgument::with(|argument| {
                    argument.set_vm(place.clone());
                    argument.set_name(name);
                }));
            } else if place.is::<Datastore>() && event.ds().is_none() {
                event.set_ds(DatastoreEventArgument::with(|argument| {
                    argument.set_datastore(place.clone());
                    argument.set_name(name);
                }));
            } else if place.is::<Network>() && event.net().is_none() {
                event.set_net(NetworkEventArgument::with(|argument| {
                    argument.set_network(place.clone());
                    argument.set_name(name);
                }));
            } else if place.is::<DistributedVirtualSwitch>() && event.dvs().is_none() {
                event.set_dvs(DvsEventArgument::with(|argument| {
                    argument.set_dvs(place.clone());
                    argument.set_name(name);
                }));
            }
            // A host that its machine's datacenter is known of already has nothing above its compute resource to name.
            let is_last = place.is::<Datacenter>() || place.is::<ComputeResource>() && event.datacenter().is_some();
            next = entity.parent().filter(|_| !is_last);
        }
    }

    /// Names the datastore of a machine's configuration, where the event's text does.
    fn fill_datastore(&self, subject: &Moref, event: &mut Event) {
        let kind = event.as_object().kind();
        if event.ds().is_some() || !MOVES.iter().any(|moved| kind.is_a(*moved)) {
            return;
        }
        let inventory: &vimsim_registry::Transaction = self;
        let home = inventory.seen::<VirtualMachine>(subject).and_then(|machine| {
            let path = DatastorePath::parse(machine.config()?.files().vm_path_name()?)?;
            let datacenter = inventory.ancestry(subject).into_iter().find(|place| place.is::<Datacenter>())?;
            datastore_by_name(self, &datacenter, &path.datastore)
        });
        if let Some((moref, name)) =
            home.and_then(|moref| Some((moref.clone(), inventory.seen::<Datastore>(&moref)?.name().clone())))
        {
            event.set_ds(DatastoreEventArgument::with(|argument| {
                argument.set_datastore(moref).set_name(name);
            }));
        }
    }
}

impl<T> Call<'_, T> {
    /// The event argument that names a folder.
    pub(crate) fn folder_argument(&self, moref: &Moref) -> FolderEventArgument {
        FolderEventArgument::with(|argument| {
            argument.set_folder(moref.clone());
            argument.set_name(self.view::<Folder>(moref).map(|folder| folder.name()));
        })
    }

    /// The event argument that names an entity.
    pub(crate) fn entity_argument(&self, moref: &Moref) -> ManagedEntityEventArgument {
        ManagedEntityEventArgument::with(|argument| {
            argument.set_entity(moref.clone());
            argument.set_name(self.view::<ManagedEntity>(moref).map(|entity| entity.name()));
        })
    }

    /// The event argument that names a resource pool.
    pub(crate) fn pool_argument(&self, moref: &Moref) -> ResourcePoolEventArgument {
        ResourcePoolEventArgument::with(|argument| {
            argument.set_resource_pool(moref.clone());
            argument.set_name(self.view::<ResourcePool>(moref).map(|pool| pool.name()));
        })
    }
}

/// The newest 1,000 events that pass the filter, or as many as it asks for; oldest first.
///
/// - `ManagedObjectNotFound` for an entity of the filter that is not there.
fn query_events(look: &Look<'_, EventManager>, request: QueryEvents) -> Result<Vec<Event>, Fault> {
    let filter = Filter::new(request.filter(), look.snapshot())?;
    let Some(log) = look.snapshot().object(look.moref()).and_then(|object| object.private::<Log>()) else {
        return Ok(Vec::new());
    };
    let matching = log.entries().rev().filter(|entry| filter.matches(entry, look.snapshot()));
    let mut events: Vec<Event> =
        matching.take(filter.most().unwrap_or(1_000)).map(|entry| filter.show(entry)).collect();
    events.reverse();
    Ok(events)
}

/// What events of a type say beyond what all do.
///
/// - `InvalidArgument` for a type that is none.
fn retrieve_argument_description(
    _: &Look<'_, EventManager>,
    request: RetrieveArgumentDescription,
) -> Result<Vec<EventArgDesc>, Fault> {
    let id = request.event_type_id();
    let kind = TypeId::find(Namespace::VIM25, id.strip_prefix("vim.event.").unwrap_or(id));
    let kind = kind.filter(|kind| kind.is_a(Event::TYPE));
    let kind = kind.ok_or_else(|| Fault::invalid_argument("eventTypeId", format!("'{id}' is no type of events")))?;
    let fields = kind.info().fields().iter().skip(Event::TYPE.info().fields().len());
    let describe = |field: &Field| {
        EventArgDesc::with(|argument| {
            argument.set_name(field.name);
            argument.set_type(field.ty.name());
            argument.set_description(element(field.name, &words(field.name), &words(field.name)));
        })
    };
    Ok(fields.map(describe).collect())
}

/// Creates a collector of the events that pass a filter, for the caller's session.
///
/// - `InvalidState` if the session has `maxCollector` of them already; `ManagedObjectNotFound` for an entity of the
///   filter that is not there.
fn create_collector_for_events(
    call: &mut Call<'_, EventManager>,
    request: CreateCollectorForEvents,
) -> Result<Moref, Fault> {
    event_history_collector::create(call, request.filter())
}

/// Writes down what a user has to say about an entity.
///
/// - `ManagedObjectNotFound` if there is no such entity.
fn log_user_event(call: &mut Call<'_, EventManager>, request: LogUserEvent) -> Result<(), Fault> {
    let entity = call.get::<ManagedEntity>(&request.entity()).map(|_| request.entity())?;
    let argument = call.entity_argument(&entity);
    let event = GeneralUserEvent::with(|event| {
        event.set_message(request.msg());
        event.set_entity(argument);
    });
    call.post(&entity, event)
}

/// Writes down an event of a client's. It happened to what it names: the object of an `EventEx`, or its most specific
/// argument, or else the whole inventory.
fn post_event(call: &mut Call<'_, EventManager>, request: PostEvent) -> Result<(), Fault> {
    let mut event = request.event_to_post().clone();
    event.set_user_name(call.context().user());
    let named = event.downcast::<EventEx>().and_then(|event| event.object_id());
    let inventory: &vimsim_registry::Transaction = call;
    let named = named.and_then(|id| Some(inventory.find_value(id)?.moref().clone()));
    let subject = named.or_else(|| names(&event).find(|moref| inventory.find(moref).is_some()));
    let subject = subject.unwrap_or_else(|| super::service_instance::root_folder(call.context().is_virtual_center()));
    if let Some(extended) = event.downcast_mut::<EventEx>()
        && extended.object_name().is_none()
    {
        extended.set_object_name(call.view::<ManagedEntity>(&subject).map(|entity| entity.name()));
    }
    let chain = request.task_info().map(|info| info.event_chain_id());
    call.post_in_chain(&subject, chain, event)
}

/// `DatacenterCreatedEvent`
pub(crate) fn datacenter_created<T>(call: &mut Call<'_, T>, parent: &Moref, datacenter: &Moref) -> Result<(), Fault> {
    let argument = call.folder_argument(parent);
    let event = DatacenterCreatedEvent::with(|event| {
        event.set_parent(argument);
    });
    call.post(datacenter, event)
}

/// `ClusterCreatedEvent`
pub(crate) fn cluster_created<T>(call: &mut Call<'_, T>, parent: &Moref, cluster: &Moref) -> Result<(), Fault> {
    let argument = call.folder_argument(parent);
    let event = ClusterCreatedEvent::with(|event| {
        event.set_parent(argument);
    });
    call.post(cluster, event)
}

/// The event that tells of an entity's new name, where the API has one for its type.
pub(crate) fn renamed<T>(call: &mut Call<'_, T>, moref: &Moref, old: &str, new: &str) -> Result<(), Fault> {
    super::event_text::renamed(call, moref, old, new)
}

/// The event that tells that an entity was moved to another folder, where the API has one for its type.
pub(crate) fn moved<T>(call: &mut Call<'_, T>, moref: &Moref, from: &Moref, to: &Moref) -> Result<(), Fault> {
    super::event_text::moved(call, moref, from, to)
}
