//! The events that are kept, and the part of them that a filter asks for.

use archery::ArcTK;
use rpds::Vector;
use vimsim_types::enums::EventFilterSpecRecursionOption;
use vimsim_types::views::{Event, EventEx, EventFilterSpec, ExtendedEvent};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, Namespace, Object, TypeId, View};

use super::super::event_text;
use super::super::history::Made;
use crate::walk::Inventory;

/// The events that are kept at least; up to twice as many are, so that the old ones go many at a time.
const KEPT: usize = 5_000;

/// The events, oldest first. A clone shares them all.
#[derive(Clone)]
pub(crate) struct Log {
    entries: Vector<Entry, ArcTK>,
    last_key: i32,
    pub(crate) collectors: Made,
}

impl Default for Log {
    fn default() -> Self {
        Self { entries: Vector::new_with_ptr_kind(), last_key: 0, collectors: Made::default() }
    }
}

/// An event, and what it happened to.
#[derive(Clone)]
pub(crate) struct Entry {
    event: Object,
    subject: Moref,
    /// What the subject was in: it may have gone since.
    parent: Option<Moref>,
}

impl Entry {
    pub(super) fn new(event: Object, subject: Moref, parent: Option<Moref>) -> Self {
        Self { event, subject, parent }
    }

    pub(crate) fn event(&self) -> &Event {
        Event::from_ref_unchecked(&self.event)
    }
}

impl Log {
    /// The key of the newest event, 0 before the first.
    pub(super) fn last_key(&self) -> i32 {
        self.last_key
    }

    /// Adds an event, whose key is the next.
    pub(super) fn push(&mut self, entry: Entry) {
        self.last_key = entry.event().key();
        self.entries.push_back_mut(entry);
        if self.entries.len() > 2 * KEPT {
            let mut kept = Vector::new_with_ptr_kind();
            for entry in self.entries.iter().skip(self.entries.len() - KEPT) {
                kept.push_back_mut(entry.clone());
            }
            self.entries = kept;
        }
    }

    /// The events, oldest first.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The events from this key on, oldest first.
    pub(crate) fn from(&self, key: i32) -> impl Iterator<Item = &Entry> {
        let first = self.entries.first().map_or(0, |entry| entry.event().key());
        let skipped = usize::try_from(key.saturating_sub(first)).unwrap_or(0);
        self.entries.iter().skip(skipped)
    }
}

/// What is asked for, made ready to be compared with many events.
#[derive(Clone)]
pub(crate) struct Filter {
    spec: EventFilterSpec,
    types: Vec<Wanted>,
}

/// A type of events asked for.
#[derive(Clone)]
enum Wanted {
    /// A type of the API, or one derived from it.
    Type(TypeId),
    /// The identifier of an `EventEx` or `ExtendedEvent`.
    Id(ArcStr),
}

impl Wanted {
    /// Events of the API may be named as vCenter's own identifiers do: `vim.event.VmPoweredOnEvent`.
    fn new(id: &ArcStr) -> Self {
        let name = id.strip_prefix("vim.event.").unwrap_or(id);
        let kind = TypeId::find(Namespace::VIM25, name).filter(|kind| kind.is_a(Event::TYPE));
        kind.map_or_else(|| Self::Id(id.clone()), Self::Type)
    }

    fn matches(&self, event: &Event) -> bool {
        match self {
            Self::Type(kind) => event.as_object().kind().is_a(*kind),
            Self::Id(id) => type_id(event) == Some(id),
        }
    }
}

/// The identifier that an event gives of its own type.
pub(crate) fn type_id(event: &Event) -> Option<&ArcStr> {
    let extended = event.downcast::<EventEx>().map(|event| event.event_type_id());
    extended.or_else(|| event.downcast::<ExtendedEvent>().map(|event| event.event_type_id()))
}

impl Filter {
    /// The filter of a specification.
    ///
    /// - `ManagedObjectNotFound` for an entity that is not there; `InvalidArgument` for a count below zero.
    pub(crate) fn new(spec: &EventFilterSpec, inventory: &impl Inventory) -> Result<Self, Fault> {
        if let Some(entity) = spec.entity().map(|by| by.entity())
            && inventory.find(&entity).is_none()
        {
            return Err(crate::call::not_found(&entity));
        }
        if spec.max_count().is_some_and(|count| count < 0) {
            return Err(Fault::invalid_argument("filter.maxCount", "a count cannot be below zero"));
        }
        // `type` is the older way to say `eventTypeId`, and does not count beside it.
        let ids = if spec.event_type_id().is_empty() { spec.type_() } else { spec.event_type_id() };
        Ok(Self { spec: spec.clone(), types: ids.iter().map(Wanted::new).collect() })
    }

    /// The number of events asked for at most.
    pub(crate) fn most(&self) -> Option<usize> {
        self.spec.max_count().and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0)
    }

    /// Whether the event is asked for.
    pub(crate) fn matches(&self, entry: &Entry, inventory: &impl Inventory) -> bool {
        let (spec, event) = (&self.spec, entry.event());
        let in_time = |time: DateTime| {
            spec.time().is_none_or(|by| {
                by.begin_time().is_none_or(|begin| begin <= time) && by.end_time().is_none_or(|end| time <= end)
            })
        };
        let by_user = || {
            spec.user_name().is_none_or(|by| {
                (by.system_user() && event.user_name().is_empty()) || by.user_list().contains(event.user_name())
            })
        };
        let tagged = || spec.tag().is_empty() || event.change_tag().is_some_and(|tag| spec.tag().contains(tag));
        let refers = |field: &str, wanted: Option<Moref>| {
            let named = |moref: &Moref| {
                let argument = event.as_object().field(field).object();
                argument.and_then(|argument| argument.field(field).moref()).as_ref() == Some(moref)
            };
            wanted.as_ref().is_none_or(named)
        };
        spec.event_chain_id().is_none_or(|chain| chain == event.chain_id())
            && in_time(event.created_time())
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted.matches(event)))
            && (spec.category().is_empty() || spec.category().contains(event_text::category(event)))
            && by_user()
            && tagged()
            && refers("alarm", spec.alarm())
            && refers("scheduledTask", spec.scheduled_task())
            && self.is_within(entry, inventory)
    }

    /// Whether the event happened to the entity asked for, or to something in it.
    fn is_within(&self, entry: &Entry, inventory: &impl Inventory) -> bool {
        let Some(by) = self.spec.entity() else { return true };
        let entity = by.entity();
        let is_self = entry.subject.value() == entity.value();
        let is_below = || {
            let above = |moref: &Moref| inventory.ancestry(moref).iter().any(|above| above.value() == entity.value());
            names(entry.event()).any(|named| named == entity)
                || above(&entry.subject)
                || entry.parent.as_ref().is_some_and(above)
        };
        match by.recursion() {
            EventFilterSpecRecursionOption::Self_ => is_self,
            EventFilterSpecRecursionOption::Children => !is_self && is_below(),
            EventFilterSpecRecursionOption::All => is_self || is_below(),
        }
    }

    /// The event as this filter's owner is shown it.
    pub(crate) fn show(&self, entry: &Entry) -> Event {
        let mut event = entry.event().clone();
        if self.spec.disable_full_message() == Some(true) {
            event.set_full_formatted_message(None::<ArcStr>);
        }
        event
    }
}

/// What an event names, most specific first.
pub(super) fn names(event: &Event) -> impl Iterator<Item = Moref> {
    [
        event.vm().map(|argument| argument.vm()),
        event.ds().map(|argument| argument.datastore()),
        event.net().map(|argument| argument.network()),
        event.dvs().map(|argument| argument.dvs()),
        event.host().map(|argument| argument.host()),
        event.compute_resource().map(|argument| argument.compute_resource()),
        event.datacenter().map(|argument| argument.datacenter()),
    ]
    .into_iter()
    .flatten()
}
