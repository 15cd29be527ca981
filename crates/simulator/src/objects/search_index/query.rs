//! `SearchIndex.Query`: resources of one type by what their properties are, and as many of their properties as are wanted.
//!
//! A query is a retrieval of all resources of the type by the rules of the property collector, of which those stay that
//! match (API reference, `SearchIndex.QuerySpec` and `Predicate`).

use std::cmp::Ordering;

use vimsim_property::{Path, Selection, retrieve};
use vimsim_types::enums::{
    SearchIndexPredicateArrayOperator as ArrayOperator, SearchIndexPredicateComparisonOperator as Operator,
    SearchIndexQuerySpecResourceType as ResourceType,
};
use vimsim_types::method::{Query, QueryNext};
use vimsim_types::views::{
    ObjectContent, ObjectSpec, PropertyFilterSpec, PropertySpec, SearchIndex, SearchIndexFilter,
    SearchIndexOptionalValue, SearchIndexPredicate, SearchIndexQuerySpec, SearchIndexResourceItem,
    SearchIndexResultSet,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, Namespace, TypeId, Value, View};

use crate::call::Look;
use crate::objects::authorization_manager::Access;
use crate::objects::property_collector::SessionWorld;

/// The property that stands for the reference to the resource itself.
const MOREF: &str = "@moRef";
/// The size of a page that names none, as the API reference has it for `IterationSpec.limit`.
const PAGE: usize = 100;

/// The resources that match all filters.
///
/// - `InvalidArgument` for a type, operator or property that does not exist, for properties that are named twice, and for
///   values that cannot be compared in this way.
pub(super) fn query(look: &Look<'_, SearchIndex>, request: Query) -> Result<SearchIndexResultSet, Fault> {
    let spec = request.query_spec();
    let kind = resource_type(spec)?;
    let page = spec.limit().map(page_size).transpose()?.unwrap_or(usize::MAX);
    let filters = spec.filters();
    let predicates = filters.iter().flat_map(SearchIndexFilter::predicates);
    let predicates =
        predicates.map(|predicate| Condition::new(look, predicate, kind)).collect::<Result<Vec<_>, _>>()?;
    let wanted = wanted(look, spec, kind)?;

    let mut paths: Vec<&str> = wanted.iter().flatten().map(String::as_str).collect();
    paths.extend(predicates.iter().map(|condition| &*condition.path));
    paths.retain(|path| *path != MOREF);
    paths.sort_unstable();
    paths.dedup();
    let contents = contents(look, kind, &paths)?;

    let mut items = Vec::new();
    for content in contents {
        let matches = predicates.iter().map(|condition| condition.holds(&content)).collect::<Result<Vec<_>, _>>()?;
        if matches.into_iter().all(|holds| holds) {
            items.push(item(&content, &wanted));
        }
    }
    let result = SearchIndexResultSet::with(|result| {
        result.set_properties(spec.properties().iter());
        let count = spec.return_total_count() == Some(true);
        result.set_total_count(count.then(|| i32::try_from(items.len()).unwrap_or(i32::MAX)));
        result.set_items(items);
    });
    page_of(look, result, page)
}

/// The next page of a query.
///
/// - `InvalidArgument` for a marker that is not one of a query of this session.
pub(super) fn query_next(look: &Look<'_, SearchIndex>, request: QueryNext) -> Result<SearchIndexResultSet, Fault> {
    let spec = request.iteration_spec();
    let page = spec.limit().map(page_size).transpose()?.unwrap_or(PAGE);
    let collectors = look.context().service.collectors();
    let session = look.context().session()?;
    let marker = spec.marker().map_or("", |marker| &**marker);
    let kept = collectors.take_page(session.key(), look.moref(), marker);
    let rest = kept.and_then(|(mut rest, _)| rest.pop()).map(SearchIndexResultSet::from_object_unchecked);
    let no_query = || Fault::invalid_argument("iterationSpec.marker", "it is not that of a query of this session");
    page_of(look, rest.ok_or_else(no_query)?, page)
}

/// The first page of the result; the rest is kept for the session under the marker.
fn page_of(
    look: &Look<'_, SearchIndex>,
    mut result: SearchIndexResultSet,
    page: usize,
) -> Result<SearchIndexResultSet, Fault> {
    if result.items().len() > page {
        let mut rest = result.clone();
        let mut items: Vec<SearchIndexResourceItem> = result.items().iter().cloned().collect();
        rest.set_items(items.split_off(page));
        result.set_items(items);
        let context = look.context();
        let rest = vec![rest.into()];
        result.set_marker(context.service.collectors().keep_page(context.session()?.key(), look.moref(), rest, page));
    }
    Ok(result)
}

fn page_size(limit: i32) -> Result<usize, Fault> {
    match usize::try_from(limit) {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(Fault::invalid_argument("limit", format!("{limit} is not a positive number"))),
    }
}

fn resource_type(spec: &SearchIndexQuerySpec) -> Result<TypeId, Fault> {
    let name = spec.resource_type();
    let known = ResourceType::from_name(name).and_then(|known| TypeId::find(Namespace::VIM25, known.name()));
    known.ok_or_else(|| {
        Fault::invalid_argument("querySpec.resourceType", format!("'{name}' is not a type of resources"))
    })
}

/// A property as the property collector writes it: there, a name after a list without a key reaches into every item.
fn path(text: &str) -> String {
    text.replace("[*]", "")
}

/// The paths of the wanted properties. `None` for one that does not exist, whose value is missing in the result.
fn wanted(
    look: &Look<'_, SearchIndex>,
    spec: &SearchIndexQuerySpec,
    kind: TypeId,
) -> Result<Vec<Option<String>>, Fault> {
    let properties = spec.properties();
    let named_twice =
        properties.iter().enumerate().find(|(at, name)| properties.iter().take(*at).any(|one| one == *name));
    if let Some((_, name)) = named_twice {
        return Err(Fault::invalid_argument("querySpec.properties", format!("'{name}' is named twice")));
    }
    let version = look.context().version;
    let exists = |path: &String| path == MOREF || Path::compile(path, kind, version).is_ok();
    Ok(properties.iter().map(|name| Some(path(name)).filter(exists)).collect())
}

/// All resources of a type that the caller may know of, with these properties, always in the same order.
fn contents(look: &Look<'_, SearchIndex>, kind: TypeId, paths: &[&str]) -> Result<Vec<ObjectContent>, Fault> {
    let (snapshot, context) = (look.snapshot(), look.context());
    let access = Access::of(snapshot, context.session.as_deref(), context.is_virtual_center());
    let resources = snapshot.objects().map(|object| object.moref()).filter(|moref| moref.kind().is_a(kind));
    let seen = resources.filter(|moref| access.as_ref().is_none_or(|access| access.sees(moref)));
    let mut morefs: Vec<&Moref> = seen.collect();
    morefs.sort_unstable();
    let spec = PropertyFilterSpec::with(|spec| {
        spec.push_prop_set(PropertySpec::with(|set| {
            set.set_type(kind.name()).set_path_set(paths.iter().copied());
        }));
        spec.set_object_set(
            morefs.into_iter().map(|moref| ObjectSpec::with(|object| _ = object.set_obj(moref.clone()))),
        );
    });
    if spec.object_set().is_empty() {
        return Ok(Vec::new());
    }
    retrieve(&SessionWorld::new(snapshot, context), &[Selection::compile(&spec, context.version)?])
}

/// The value of a property in what was retrieved.
fn value(content: &ObjectContent, path: &str) -> Value {
    if path == MOREF {
        return content.obj().into();
    }
    let found = content.prop_set().iter().find(|property| property.name() == path);
    found.map_or(Value::Unset, |property| property.val().clone())
}

fn item(content: &ObjectContent, wanted: &[Option<String>]) -> SearchIndexResourceItem {
    SearchIndexResourceItem::with(|item| {
        item.set_property_values(wanted.iter().map(|path| {
            SearchIndexOptionalValue::with(|optional| {
                optional.set_value(path.as_ref().map_or(Value::Unset, |path| value(content, path)));
            })
        }));
    })
}

/// A predicate that makes sense.
struct Condition {
    path: String,
    operator: Operator,
    array: Option<ArrayOperator>,
    /// What to compare with: one value, or for `In` and `NotIn` at least one.
    values: Vec<Value>,
}

impl Condition {
    fn new(look: &Look<'_, SearchIndex>, predicate: &SearchIndexPredicate, kind: TypeId) -> Result<Self, Fault> {
        let wrong =
            |field: &str, why: String| Fault::invalid_argument(&format!("querySpec.filters.predicates.{field}"), why);
        let path = path(predicate.property_path());
        if path != MOREF && Path::compile(&path, kind, look.context().version).is_err() {
            return Err(wrong("propertyPath", format!("{} has no '{path}'", kind.name())));
        }
        let operator = Operator::from_name(predicate.operator());
        let operator = operator.ok_or_else(|| wrong("operator", format!("'{}' is none", predicate.operator())))?;
        let array = predicate.array_operator().map(|name| {
            ArrayOperator::from_name(name).ok_or_else(|| wrong("arrayOperator", format!("'{name}' is none")))
        });
        let values = match operator {
            Operator::In | Operator::NotIn => predicate.comparable_list().iter().cloned().collect::<Vec<_>>(),
            _ => Some(predicate.comparable_value().clone()).into_iter().filter(|value| !value.is_unset()).collect(),
        };
        if values.is_empty() {
            return Err(wrong("comparableValue", format!("{} needs something to compare with", operator.name())));
        }
        Ok(Self { path, operator, array: array.transpose()?, values })
    }

    /// Whether the resource matches. One that has no value for the property matches nothing but an inequality.
    ///
    /// - `InvalidArgument` for a list that is compared without an array operator, or another value with one, and for values
    ///   that the operator does not apply to.
    fn holds(&self, content: &ObjectContent) -> Result<bool, Fault> {
        let value = value(content, &self.path);
        match (&value, self.array) {
            (Value::Unset, _) => Ok(matches!(self.operator, Operator::NotEqual | Operator::NotIn | Operator::NotLike)),
            (Value::List(list), Some(array)) => {
                let holds = list.items().iter().map(|item| self.compare(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(match array {
                    ArrayOperator::AllElements => holds.into_iter().all(|holds| holds),
                    ArrayOperator::AnyElement => holds.into_iter().any(|holds| holds),
                })
            }
            (Value::List(_), None) => Err(self.wrong("it is a list: an arrayOperator is needed")),
            (_, Some(_)) => Err(self.wrong("it is no list: an arrayOperator makes no sense")),
            (value, None) => self.compare(value),
        }
    }

    fn compare(&self, value: &Value) -> Result<bool, Fault> {
        let against = &self.values[0];
        let order = || match (number(value), number(against)) {
            (Some(value), Some(against)) => value.partial_cmp(&against).ok_or_else(|| self.wrong("it has no order")),
            _ => Err(self.wrong("only numbers are greater or less than others")),
        };
        let like = || match (word(value), word(against)) {
            (Some(value), Some(pattern)) => Ok(is_like(&value, &pattern)),
            _ => Err(self.wrong("only texts are like others")),
        };
        match self.operator {
            Operator::Equal => self.equal(value, against),
            Operator::NotEqual => self.equal(value, against).map(|equal| !equal),
            Operator::Greater => order().map(Ordering::is_gt),
            Operator::GreaterOrEqual => order().map(Ordering::is_ge),
            Operator::Less => order().map(Ordering::is_lt),
            Operator::LessOrEqual => order().map(Ordering::is_le),
            Operator::In => self.is_in(value),
            Operator::NotIn => self.is_in(value).map(|is_in| !is_in),
            Operator::Like => like(),
            Operator::NotLike => like().map(|like| !like),
        }
    }

    fn is_in(&self, value: &Value) -> Result<bool, Fault> {
        let equal = self.values.iter().map(|against| self.equal(value, against)).collect::<Result<Vec<_>, _>>()?;
        Ok(equal.into_iter().any(|equal| equal))
    }

    fn equal(&self, value: &Value, against: &Value) -> Result<bool, Fault> {
        match (value, against) {
            (Value::Bool(value), Value::Bool(against)) => Ok(value == against),
            (Value::Moref(..), Value::Moref(..)) => Ok(value == against),
            _ => match (number(value), number(against), word(value), word(against)) {
                (Some(value), Some(against), ..) => Ok(value == against),
                (.., Some(value), Some(against)) => Ok(value == against),
                _ => Err(self.wrong("it cannot be compared with a value of this type")),
            },
        }
    }

    fn wrong(&self, why: &str) -> Fault {
        Fault::invalid_argument("querySpec.filters.predicates", format!("'{}': {why}", self.path))
    }
}

/// What can be ordered, as a number: moments, too.
fn number(value: &Value) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "nothing that is asked for differs only past the 53rd bit")]
    match value {
        Value::Byte(value) => Some(f64::from(*value)),
        Value::Short(value) => Some(f64::from(*value)),
        Value::Int(value) => Some(f64::from(*value)),
        Value::Long(value) => Some(*value as f64),
        Value::Float(value) => Some(f64::from(*value)),
        Value::Double(value) => Some(*value),
        Value::DateTime(value) => Some(value.micros() as f64),
        _ => None,
    }
}

/// Texts, and the words of enumerations, which clients may send as texts.
fn word(value: &Value) -> Option<ArcStr> {
    match value {
        Value::String(text) | Value::Uri(text) => Some(text.clone()),
        Value::Enum(kind, index) => Some(kind.info().values[usize::from(*index)].into()),
        _ => None,
    }
}

/// Whether a text is like a pattern, in which `*` at an end stands for any letters there.
fn is_like(text: &str, pattern: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => text.contains(pattern.trim_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(begin)) => text.starts_with(begin),
        (None, None) => text == pattern,
    }
}
