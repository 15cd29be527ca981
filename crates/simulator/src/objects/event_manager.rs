//! `EventManager`: what happened, in order.

use vimsim_types::views::{
    ClusterCreatedEvent, ComputeResource, ComputeResourceEventArgument, Datacenter, DatacenterCreatedEvent,
    DatacenterEventArgument, Datastore, DatastoreEventArgument, DistributedVirtualSwitch, DvsEventArgument, Event,
    EventManager, Folder, FolderEventArgument, HostEventArgument, HostSystem, ManagedEntity,
    ManagedEntityEventArgument, Network, NetworkEventArgument, ResourcePool, ResourcePoolEventArgument, Task,
    VirtualMachine, VmEventArgument,
};
use vimsim_types::{Fault, Moref, Object, View};

use crate::call::Call;
use crate::kind::Kind;
use crate::walk::Inventory;

/// The events that are kept: as many as vCenter's `event.maxAge` would on a quiet day, and bounded.
const MOST_KEPT: usize = 1_000;

/// How many collectors a session may have at a time.
const MOST_COLLECTORS: i32 = 32;

/// The identifier of the one event manager of a vCenter or host.
pub(crate) fn moref(is_virtual_center: bool) -> Moref {
    Moref::of::<EventManager>(if is_virtual_center { "EventManager" } else { "ha-eventmgr" })
}

pub(crate) fn kind() -> Kind<EventManager> {
    Kind::new().computed(EventManager::DESCRIPTION, |_, _, _| super::event_description::description())
}

/// The event manager's own properties.
pub(crate) fn properties() -> EventManager {
    EventManager::with(|manager| _ = manager.set_max_collector(MOST_COLLECTORS))
}

/// The events, oldest first, as `Event` objects.
#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) events: std::collections::VecDeque<Object>,
    last_key: i32,
}

impl<T> Call<'_, T> {
    /// Writes down that `event` happened to `subject`: fills in who, when and where, and its text.
    pub(crate) fn post(&mut self, subject: &Moref, mut event: impl View) -> Result<(), Fault> {
        let manager = moref(self.context().is_virtual_center());
        if self.object(&manager).is_none() {
            return Ok(());
        }
        let (now, user) = (self.now(), self.context().user());
        let task = self.context().task.clone();
        let chain = task.and_then(|task| Some(self.view::<Task>(&task)?.info().event_chain_id()));
        let key = self.private::<Log>(&manager)?.last_key + 1;
        let object = event.as_object_mut();
        let event = Event::from_mut(object).ok_or_else(|| Fault::invalid_request("not an event"))?;
        event.set_key(key);
        event.set_chain_id(chain.unwrap_or(key));
        event.set_created_time(now);
        event.set_user_name(user);
        self.fill_arguments(subject, event);
        let text = super::event_text::text(event);
        event.set_full_formatted_message(text);
        let event = object.clone();
        self.edit::<EventManager>(&manager)?.as_object_mut().set(EventManager::LATEST_EVENT, event.clone().into());
        let log = self.private::<Log>(&manager)?;
        log.last_key = key;
        log.events.push_back(event);
        while log.events.len() > MOST_KEPT {
            log.events.pop_front();
        }
        Ok(())
    }

    /// Names the subject and what it is in, as far as the event has not done so itself.
    fn fill_arguments(&self, subject: &Moref, event: &mut Event) {
        let inventory: &vimsim_registry::Transaction = self;
        let mut places = inventory.ancestry(subject);
        if let Some(machine) = inventory.seen::<VirtualMachine>(subject)
            && let Some(host) = machine.runtime().host()
        {
            places.extend(inventory.ancestry(&host));
        }
        for place in &places {
            let Some(entity) = inventory.seen::<ManagedEntity>(place) else { continue };
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
        }
    }

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
