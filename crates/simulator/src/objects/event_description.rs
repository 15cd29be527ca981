//! `EventManager.description`: all types of events. Made when somebody asks for it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use vimsim_types::enums::EventCategory;
use vimsim_types::table::Kind as TypeKind;
use vimsim_types::views::{ElementDescription, EnumDescription, Event, EventDescription, EventDescriptionEventDetail};
use vimsim_types::{EnumView, Namespace, Ty, TypeId, Value, View};

use super::descriptions::{element, words};
use super::event_text::style;

/// The types of events, in the order of the table: a base type before those derived from it.
pub(crate) fn types() -> impl Iterator<Item = TypeId> {
    TypeId::all().filter(|kind| kind.is_a(Event::TYPE) && kind.info().namespace == Namespace::VIM25)
}

/// `description`
pub(crate) fn description() -> Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| Value::Object(describe().into())).clone()
}

fn describe() -> EventDescription {
    EventDescription::with(|description| {
        description.set_category(EventCategory::ALL.iter().map(|category| {
            let (label, summary) = match category {
                EventCategory::Info => ("Information", "Something happened"),
                EventCategory::Warning => ("Warning", "Something may need attention"),
                EventCategory::Error => ("Error", "Something went wrong"),
                EventCategory::User => ("User", "A user wrote a message"),
            };
            element(category.name(), label, summary)
        }));
        description.set_event_info(types().map(detail));
        description.set_enumerated_types(enumerations().into_iter().map(|kind| {
            EnumDescription::with(|described| {
                described.set_key(kind.name());
                let tag = |value: &&str| element(value, &words(value), &words(value));
                described.set_tags(kind.info().values.iter().map(tag).collect::<Vec<ElementDescription>>());
            })
        }));
    })
}

fn detail(kind: TypeId) -> EventDescriptionEventDetail {
    let style = style(kind);
    EventDescriptionEventDetail::with(|detail| {
        detail.set_key(kind.name());
        detail.set_description(&style.description);
        detail.set_category(style.category);
        detail.set_format_on_datacenter(&style.format);
        detail.set_format_on_compute_resource(&style.format);
        detail.set_format_on_host(&style.format);
        detail.set_format_on_vm(&style.format);
        detail.set_full_format(&style.format);
    })
}

/// The enumerations whose values stand in events.
fn enumerations() -> BTreeSet<TypeId> {
    let fields = types().flat_map(|kind| kind.info().fields());
    fields
        .filter_map(|field| match field.ty {
            Ty::Enum(kind) if kind.info().kind == TypeKind::Enum => Some(kind),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_event_is_described() {
        let value = description();
        let description = EventDescription::from_ref(value.object().expect("set")).expect("of this type");
        assert!(description.event_info().len() > 400);
        let on = description.event_info().iter().find(|info| info.key() == "VmPoweredOnEvent").expect("known");
        assert_eq!(on.full_format(), "{vm.name} on {host.name} in {datacenter.name} is powered on");
        assert!(description.event_info().iter().all(|info| !info.full_format().is_empty()));
    }

    #[test]
    fn formats_name_properties_that_exist() {
        for kind in types() {
            let format = style(kind).format;
            for path in format.split('{').skip(1).filter_map(|part| part.split('}').next()) {
                let first = path.split('.').next().expect("at least one word");
                assert!(kind.info().slot(first).is_some(), "{kind:?} has no {first}");
            }
        }
    }
}
