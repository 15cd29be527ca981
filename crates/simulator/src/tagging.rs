//! Tags: words that users hang on objects, grouped in categories.
//!
//! A tag that hangs on a managed object is gone with it: what refers to nothing is passed over, since no identifier is
//! ever given twice.

use rpds::RedBlackTreeMapSync as Map;
use rpds::RedBlackTreeSetSync as Set;
use vimsim_registry::Snapshot;
use vimsim_types::views::{AlreadyExists, NotFound};
use vimsim_types::{ArcStr, Fault, Namespace, TypeId, View};

use crate::service::{Service, is_managed};
use crate::{automation, uuid};

const CATEGORY_PREFIX: &str = "urn:vmomi:InventoryServiceCategory:";
const TAG_PREFIX: &str = "urn:vmomi:InventoryServiceTag:";

/// How many tags of a category an object can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One.
    Single,
    /// Any number.
    Multiple,
}

/// A group of tags.
#[derive(Clone, Debug)]
pub struct Category {
    /// The name, which no other category has.
    pub name: ArcStr,
    /// What it is for.
    pub description: ArcStr,
    /// How many of its tags an object can have.
    pub cardinality: Cardinality,
    /// The types of the objects that can have its tags; none for all.
    pub associable_types: Vec<ArcStr>,
}

/// A tag.
#[derive(Clone, Debug)]
pub struct Tag {
    /// The identifier of its category.
    pub category: ArcStr,
    /// The name, which no other tag of the category has.
    pub name: ArcStr,
    /// What it means.
    pub description: ArcStr,
}

/// What a category is to be. To create one a name is needed; in an update, what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct CategorySpec {
    /// The identifier, to create one of a chosen identifier.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How many of its tags an object can have.
    pub cardinality: Option<Cardinality>,
    /// The types of the objects that can have its tags.
    pub associable_types: Option<Vec<String>>,
}

/// What a tag is to be. To create one a name and a category are needed; in an update, what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct TagSpec {
    /// The identifier, to create one of a chosen identifier.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// The identifier of the category, which cannot change.
    pub category: Option<String>,
}

/// An object that can have tags: its type and its identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaggedObject {
    /// The type.
    pub kind: ArcStr,
    /// The identifier.
    pub id: ArcStr,
}

/// All categories and tags, and which hang where.
#[derive(Clone, Default)]
pub(crate) struct Tags {
    created: u64,
    categories: Map<ArcStr, Category>,
    tags: Map<ArcStr, Tag>,
    /// The objects of each tag that has some.
    objects: Map<ArcStr, Set<TaggedObject>>,
    /// The tags of each object that has some.
    attached: Map<TaggedObject, Set<ArcStr>>,
}

/// The tags of a service.
#[derive(Clone, Copy)]
pub struct Tagging<'a>(&'a Service);

impl Service {
    /// The tags.
    pub fn tagging(&self) -> Tagging<'_> {
        Tagging(self)
    }
}

impl Tagging<'_> {
    fn read<R>(self, look: impl FnOnce(&Tags, &Snapshot) -> R) -> R {
        let snapshot = self.0.snapshot();
        match automation::of(&snapshot) {
            Some(kept) => look(&kept.tags, &snapshot),
            None => look(&Tags::default(), &snapshot),
        }
    }

    fn write<R>(self, change: impl FnOnce(&mut Tags) -> Result<R, Fault>) -> Result<R, Fault> {
        self.0.registry().write(|transaction| change(&mut automation::edit(transaction)?.tags))
    }

    /// The identifiers of all categories.
    pub fn categories(self) -> Vec<ArcStr> {
        self.read(|tags, _| tags.categories.keys().cloned().collect())
    }

    /// A category; `NotFound` if there is none of this identifier.
    pub fn category(self, id: &str) -> Result<Category, Fault> {
        self.read(|tags, _| tags.category(id).cloned())
    }

    /// Creates a category, and returns its identifier.
    ///
    /// - `InvalidArgument` without a name, or with an identifier that is none of a category.
    /// - `AlreadyExists` if another category has the name or the identifier.
    pub fn create_category(self, spec: &CategorySpec) -> Result<ArcStr, Fault> {
        self.write(|tags| {
            let name = required("name", spec.name.as_deref())?;
            tags.check_category_name(name, "")?;
            let id = tags.new_id(CATEGORY_PREFIX, spec.id.as_deref())?;
            let category = Category {
                name: name.into(),
                description: spec.description.as_deref().unwrap_or_default().into(),
                cardinality: spec.cardinality.unwrap_or(Cardinality::Multiple),
                associable_types: spec.associable_types.iter().flatten().map(|name| plain(name).into()).collect(),
            };
            tags.categories.insert_mut(id.clone(), category);
            Ok(id)
        })
    }

    /// Changes a category.
    ///
    /// - `NotFound` if there is none of this identifier; `AlreadyExists` if another one has the name.
    /// - `InvalidArgument` if objects that can have its tags no longer could.
    pub fn update_category(self, id: &str, spec: &CategorySpec) -> Result<(), Fault> {
        self.write(|tags| {
            let mut category = tags.category(id)?.clone();
            if let Some(name) = spec.name.as_deref().filter(|name| !name.is_empty()) {
                tags.check_category_name(name, id)?;
                category.name = name.into();
            }
            if let Some(description) = &spec.description {
                category.description = description.into();
            }
            if let Some(cardinality) = spec.cardinality {
                if cardinality == Cardinality::Single && category.cardinality == Cardinality::Multiple {
                    return Err(Fault::invalid_argument("cardinality", "it cannot become smaller"));
                }
                category.cardinality = cardinality;
            }
            if let Some(types) = spec.associable_types.as_ref().filter(|types| !types.is_empty()) {
                if !category.associable_types.iter().all(|known| types.iter().any(|kind| plain(kind) == known)) {
                    return Err(Fault::invalid_argument("associable_types", "types can be added, but not removed"));
                }
                category.associable_types = types.iter().map(|name| plain(name).into()).collect();
            }
            tags.categories.insert_mut(id.into(), category);
            Ok(())
        })
    }

    /// Deletes a category and its tags; `NotFound` if there is none of this identifier.
    pub fn delete_category(self, id: &str) -> Result<(), Fault> {
        self.write(|tags| {
            tags.category(id)?;
            tags.of_category(id).iter().for_each(|tag| tags.remove_tag(tag));
            tags.categories.remove_mut(id);
            Ok(())
        })
    }

    /// The identifiers of all tags.
    pub fn tags(self) -> Vec<ArcStr> {
        self.read(|tags, _| tags.tags.keys().cloned().collect())
    }

    /// The identifiers of the tags of a category; `NotFound` if there is no such category.
    pub fn tags_of_category(self, id: &str) -> Result<Vec<ArcStr>, Fault> {
        self.read(|tags, _| tags.category(id).map(|_| tags.of_category(id)))
    }

    /// A tag; `NotFound` if there is none of this identifier.
    pub fn tag(self, id: &str) -> Result<Tag, Fault> {
        self.read(|tags, _| tags.tag(id).cloned())
    }

    /// Creates a tag, and returns its identifier.
    ///
    /// - `InvalidArgument` without a name, or with an identifier that is none of a tag.
    /// - `NotFound` if there is no such category.
    /// - `AlreadyExists` if another tag of the category has the name, or any the identifier.
    pub fn create_tag(self, spec: &TagSpec) -> Result<ArcStr, Fault> {
        self.write(|tags| {
            let name = required("name", spec.name.as_deref())?;
            let category = spec.category.as_deref().unwrap_or_default();
            tags.category(category)?;
            tags.check_tag_name(name, category, "")?;
            let id = tags.new_id(TAG_PREFIX, spec.id.as_deref())?;
            let description = spec.description.as_deref().unwrap_or_default().into();
            tags.tags.insert_mut(id.clone(), Tag { category: category.into(), name: name.into(), description });
            Ok(id)
        })
    }

    /// Changes a tag: `NotFound` if there is none of this identifier; `AlreadyExists` if another one has the name.
    pub fn update_tag(self, id: &str, spec: &TagSpec) -> Result<(), Fault> {
        self.write(|tags| {
            let mut tag = tags.tag(id)?.clone();
            if let Some(name) = spec.name.as_deref().filter(|name| !name.is_empty()) {
                tags.check_tag_name(name, &tag.category, id)?;
                tag.name = name.into();
            }
            if let Some(description) = &spec.description {
                tag.description = description.into();
            }
            tags.tags.insert_mut(id.into(), tag);
            Ok(())
        })
    }

    /// Deletes a tag; `NotFound` if there is none of this identifier.
    pub fn delete_tag(self, id: &str) -> Result<(), Fault> {
        self.write(|tags| {
            tags.tag(id)?;
            tags.remove_tag(id);
            Ok(())
        })
    }

    /// Hangs a tag on an object.
    ///
    /// - `NotFound` if there is no such tag, or no such object.
    /// - `InvalidArgument` if objects of the type cannot have the tag, or the object has another one of a category of
    ///   which it can only have one.
    pub fn attach(self, id: &str, object: &TaggedObject) -> Result<(), Fault> {
        self.0.registry().write(|transaction| {
            let exists = exists(object, |id| transaction.object_by_value(id).is_some());
            automation::edit(transaction)?.tags.hang(id, object, exists)
        })
    }

    /// Takes a tag off an object, if it hangs there; `NotFound` if there is no such tag.
    pub fn detach(self, id: &str, object: &TaggedObject) -> Result<(), Fault> {
        self.write(|tags| {
            tags.tag(id)?;
            tags.unhang(id, object);
            Ok(())
        })
    }

    /// The objects that a tag hangs on; `NotFound` if there is no such tag.
    pub fn objects(self, id: &str) -> Result<Vec<TaggedObject>, Fault> {
        self.read(|tags, snapshot| {
            tags.tag(id)?;
            let objects = tags.objects.get(id).into_iter().flatten();
            let is_live = |object: &&TaggedObject| exists(object, |id| snapshot.object_by_value(id).is_some());
            Ok(objects.filter(is_live).cloned().collect())
        })
    }

    /// The identifiers of the tags of an object.
    pub fn attached(self, object: &TaggedObject) -> Vec<ArcStr> {
        self.read(|tags, snapshot| match exists(object, |id| snapshot.object_by_value(id).is_some()) {
            true => tags.attached.get(object).into_iter().flatten().cloned().collect(),
            false => Vec::new(),
        })
    }
}

impl Tags {
    fn category(&self, id: &str) -> Result<&Category, Fault> {
        self.categories.get(id).ok_or_else(|| not_found(id))
    }

    fn tag(&self, id: &str) -> Result<&Tag, Fault> {
        self.tags.get(id).ok_or_else(|| not_found(id))
    }

    /// The identifier of the tag of this name in the category of this name; `NotFound` if there is none.
    pub(crate) fn find(&self, category: &str, name: &str) -> Result<ArcStr, Fault> {
        let is_named = |tag: &Tag| tag.name == name && self.category(&tag.category).is_ok_and(|it| it.name == category);
        let found = self.tags.iter().find(|(_, tag)| is_named(tag)).map(|(id, _)| id.clone());
        found.ok_or_else(|| not_found(&format!("{category}:{name}")))
    }

    /// The names of a tag's category and of the tag.
    pub(crate) fn names(&self, id: &str) -> Option<(ArcStr, ArcStr)> {
        let tag = self.tags.get(id)?;
        Some((self.categories.get(&tag.category)?.name.clone(), tag.name.clone()))
    }

    /// The identifiers of the tags of an object.
    pub(crate) fn of(&self, object: &TaggedObject) -> Vec<ArcStr> {
        self.attached.get(object).into_iter().flatten().cloned().collect()
    }

    /// The categories whose tags datastores can have, each with its tags.
    pub(crate) fn for_datastores(&self) -> Vec<(&Category, Vec<&Tag>)> {
        let fits = |category: &&Category| {
            let types = &category.associable_types;
            types.is_empty() || types.iter().any(|kind| is_of("Datastore", kind))
        };
        let fitting = self.categories.iter().filter(|(_, category)| fits(category));
        fitting.map(|(id, it)| (it, self.tags.values().filter(|tag| tag.category == *id).collect())).collect()
    }

    /// The objects that a tag hangs on.
    pub(crate) fn hangs_on(&self, id: &str) -> Vec<TaggedObject> {
        self.objects.get(id).into_iter().flatten().cloned().collect()
    }

    /// Hangs a tag on an object, if it exists.
    ///
    /// - as [`Tagging::attach`].
    pub(crate) fn hang(&mut self, id: &str, object: &TaggedObject, exists: bool) -> Result<(), Fault> {
        self.check_attach(id, object, exists)?;
        let mut objects = self.objects.get(id).cloned().unwrap_or_default();
        objects.insert_mut(object.clone());
        self.objects.insert_mut(id.into(), objects);
        let mut attached = self.attached.get(object).cloned().unwrap_or_default();
        attached.insert_mut(id.into());
        self.attached.insert_mut(object.clone(), attached);
        Ok(())
    }

    fn of_category(&self, id: &str) -> Vec<ArcStr> {
        self.tags.iter().filter(|(_, tag)| tag.category == id).map(|(id, _)| id.clone()).collect()
    }

    fn check_category_name(&self, name: &str, except: &str) -> Result<(), Fault> {
        match self.categories.iter().any(|(id, category)| category.name == name && id != except) {
            true => Err(already_exists(name)),
            false => Ok(()),
        }
    }

    fn check_tag_name(&self, name: &str, category: &str, except: &str) -> Result<(), Fault> {
        match self.tags.iter().any(|(id, tag)| tag.name == name && tag.category == category && id != except) {
            true => Err(already_exists(name)),
            false => Ok(()),
        }
    }

    /// The identifier of something new: the one asked for, or else the next.
    fn new_id(&mut self, prefix: &str, wanted: Option<&str>) -> Result<ArcStr, Fault> {
        match wanted.filter(|wanted| !wanted.is_empty()) {
            Some(wanted) if !wanted.starts_with(prefix) => {
                Err(Fault::invalid_argument("id", format!("'{wanted}' does not begin with {prefix}")))
            }
            Some(wanted) if self.categories.contains_key(wanted) || self.tags.contains_key(wanted) => {
                Err(already_exists(wanted))
            }
            Some(wanted) => Ok(wanted.into()),
            None => {
                self.created += 1;
                Ok(format!("{prefix}{}:GLOBAL", uuid::named(&format!("{prefix}{}", self.created))).into())
            }
        }
    }

    fn check_attach(&self, id: &str, object: &TaggedObject, exists: bool) -> Result<(), Fault> {
        let tag = self.tag(id)?;
        let category = self.category(&tag.category)?;
        if !exists {
            return Err(not_found(&object.id));
        }
        let types = &category.associable_types;
        if !types.is_empty() && !types.iter().any(|kind| is_of(&object.kind, kind)) {
            let message = format!("tags of {} do not go on a {}", category.name, object.kind);
            return Err(Fault::invalid_argument("object_id", message));
        }
        let mut attached = self.attached.get(object).into_iter().flatten();
        let is_rival = |other: &ArcStr| other != id && self.tags.get(other).is_some_and(|o| o.category == tag.category);
        if category.cardinality == Cardinality::Single && attached.any(is_rival) {
            let message = format!("an object can only have one tag of {}", category.name);
            return Err(Fault::invalid_argument("tag_id", message));
        }
        Ok(())
    }

    /// Takes a tag off an object, if it hangs there.
    pub(crate) fn unhang(&mut self, id: &str, object: &TaggedObject) {
        if let Some(mut objects) = self.objects.get(id).cloned() {
            objects.remove_mut(object);
            match objects.is_empty() {
                true => _ = self.objects.remove_mut(id),
                false => self.objects.insert_mut(id.into(), objects),
            }
        }
        if let Some(mut attached) = self.attached.get(object).cloned() {
            attached.remove_mut(id);
            match attached.is_empty() {
                true => _ = self.attached.remove_mut(object),
                false => self.attached.insert_mut(object.clone(), attached),
            }
        }
    }

    fn remove_tag(&mut self, id: &str) {
        for object in
            self.objects.get(id).cloned().into_iter().flat_map(|objects| objects.iter().cloned().collect::<Vec<_>>())
        {
            self.unhang(id, &object);
        }
        self.tags.remove_mut(id);
    }
}

/// Whether an object exists, as far as we can know: only managed objects are ours.
fn exists(object: &TaggedObject, find: impl FnOnce(&str) -> bool) -> bool {
    let kind = TypeId::find(Namespace::VIM25, &object.kind);
    !kind.is_some_and(is_managed) || find(&object.id)
}

/// A type's name without the namespace that clients may write before it, and that vCenter does not answer.
fn plain(name: &str) -> &str {
    name.strip_prefix("urn:vim25:").unwrap_or(name)
}

/// Whether an object of type `kind` is one of those that `allowed` stands for.
fn is_of(kind: &str, allowed: &str) -> bool {
    let find = |name| TypeId::find(Namespace::VIM25, name);
    kind == allowed || find(kind).zip(find(allowed)).is_some_and(|(kind, allowed)| kind.is_a(allowed))
}

fn required<'a>(name: &'static str, text: Option<&'a str>) -> Result<&'a str, Fault> {
    text.filter(|text| !text.is_empty()).ok_or_else(|| Fault::invalid_argument(name, "it must not be empty"))
}

fn not_found(id: &str) -> Fault {
    Fault::new(NotFound::new(), format!("Tagging object {id} not found"))
}

fn already_exists(name: &str) -> Fault {
    let detail = AlreadyExists::with(|fault| _ = fault.set_name(name));
    Fault::new(detail, format!("'{name}' exists already"))
}
