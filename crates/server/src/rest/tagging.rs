//! `cis/tagging`: categories, tags, and what tags hang on.
//!
//! Both families of paths are served alike, but for this: an identifier is `id:{id}` in a path of `/rest`, and what
//! creates or updates is wrapped in `create_spec` or `update_spec` there.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::{Value, json};
use vimsim_simulator::{Cardinality, CategorySpec, TagSpec, TaggedObject};
use vimsim_types::{ArcStr, Fault};

use super::{Answer, Body, Caller, Parameters, Rest, Result, Style, action, no_action};

pub(super) fn routes(router: Router<Rest>, style: Style) -> Router<Rest> {
    let prefix = match style {
        Style::Rest => "/com/vmware/cis/tagging",
        Style::Api => "/cis/tagging",
    };
    router
        .route(&format!("{prefix}/category"), get(categories).post(create_category))
        .route(&format!("{prefix}/category/{{id}}"), get(category).patch(update_category).delete(delete_category))
        .route(&format!("{prefix}/tag"), get(tags).post(create_tag))
        .route(&format!("{prefix}/tag/{{id}}"), get(tag).post(act_on_tag).patch(update_tag).delete(delete_tag))
        .route(&format!("{prefix}/tag-association"), post(associate_many))
        .route(&format!("{prefix}/tag-association/{{id}}"), post(associate_one))
}

/// The identifier in a path.
fn bare(id: &str) -> &str {
    id.strip_prefix("id:").unwrap_or(id)
}

fn strings(ids: &[ArcStr]) -> Value {
    ids.iter().map(|id| id.as_str()).collect()
}

/// A specification, in its wrapping or without.
struct Spec<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Spec<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let wrapped = ["create_spec", "update_spec"].into_iter().find_map(|key| value.get_mut(key).map(Value::take));
        serde_json::from_value(wrapped.unwrap_or(value)).map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
struct CategoryBody {
    category_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    cardinality: Option<CardinalityBody>,
    associable_types: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum CardinalityBody {
    Single,
    Multiple,
}

impl From<CategoryBody> for CategorySpec {
    fn from(body: CategoryBody) -> Self {
        Self {
            id: body.category_id,
            name: body.name,
            description: body.description,
            cardinality: body.cardinality.map(|cardinality| match cardinality {
                CardinalityBody::Single => Cardinality::Single,
                CardinalityBody::Multiple => Cardinality::Multiple,
            }),
            associable_types: body.associable_types,
        }
    }
}

async fn categories(_: Caller, State(rest): State<Rest>) -> Answer {
    Answer::Value(strings(&rest.service.tagging().categories()))
}

async fn create_category(
    caller: Caller,
    State(rest): State<Rest>,
    Body(Spec(body)): Body<Spec<CategoryBody>>,
) -> Result {
    caller.may(&rest, None, "InventoryService.Tagging.CreateCategory")?;
    let id = rest.service.tagging().create_category(&body.into())?;
    Ok(Answer::Created(json!(id.as_str())))
}

async fn category(_: Caller, State(rest): State<Rest>, Path(id): Path<String>) -> Result {
    let category = rest.service.tagging().category(bare(&id))?;
    let cardinality = match category.cardinality {
        Cardinality::Single => "SINGLE",
        Cardinality::Multiple => "MULTIPLE",
    };
    Ok(Answer::Value(json!({
        "id": bare(&id),
        "name": category.name.as_str(),
        "description": category.description.as_str(),
        "cardinality": cardinality,
        "associable_types": strings(&category.associable_types),
        "used_by": [],
    })))
}

async fn update_category(
    caller: Caller,
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(Spec(body)): Body<Spec<CategoryBody>>,
) -> Result {
    caller.may(&rest, None, "InventoryService.Tagging.EditCategory")?;
    rest.service.tagging().update_category(bare(&id), &body.into())?;
    Ok(Answer::Nothing)
}

async fn delete_category(caller: Caller, State(rest): State<Rest>, Path(id): Path<String>) -> Result {
    caller.may(&rest, None, "InventoryService.Tagging.DeleteCategory")?;
    rest.service.tagging().delete_category(bare(&id))?;
    Ok(Answer::Nothing)
}

#[derive(Deserialize)]
struct TagBody {
    tag_id: Option<String>,
    category_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
}

impl From<TagBody> for TagSpec {
    fn from(body: TagBody) -> Self {
        Self { id: body.tag_id, category: body.category_id, name: body.name, description: body.description }
    }
}

async fn tags(_: Caller, State(rest): State<Rest>) -> Answer {
    Answer::Value(strings(&rest.service.tagging().tags()))
}

/// Creates a tag; or, in `/api`, lists those of a category.
async fn create_tag(
    caller: Caller,
    State(rest): State<Rest>,
    parameters: Parameters,
    Body(Spec(body)): Body<Spec<TagBody>>,
) -> Result {
    caller.may(&rest, None, "InventoryService.Tagging.CreateTag")?;
    let tagging = rest.service.tagging();
    match action(&parameters) {
        None => Ok(Answer::Created(json!(tagging.create_tag(&body.into())?.as_str()))),
        Some("list-tags-for-category") => {
            let tags = tagging.tags_of_category(&body.category_id.unwrap_or_default())?;
            Ok(Answer::Value(strings(&tags)))
        }
        Some(_) => Err(no_action(&parameters)),
    }
}

/// `/rest` names the category in the place of a tag.
async fn act_on_tag(_: Caller, State(rest): State<Rest>, Path(id): Path<String>, parameters: Parameters) -> Result {
    match action(&parameters) {
        Some("list-tags-for-category") => {
            Ok(Answer::Value(strings(&rest.service.tagging().tags_of_category(bare(&id))?)))
        }
        _ => Err(no_action(&parameters)),
    }
}

async fn tag(_: Caller, State(rest): State<Rest>, Path(id): Path<String>) -> Result {
    let tag = rest.service.tagging().tag(bare(&id))?;
    Ok(Answer::Value(json!({
        "id": bare(&id),
        "category_id": tag.category.as_str(),
        "name": tag.name.as_str(),
        "description": tag.description.as_str(),
        "used_by": [],
    })))
}

async fn update_tag(
    caller: Caller,
    State(rest): State<Rest>,
    Path(id): Path<String>,
    Body(Spec(body)): Body<Spec<TagBody>>,
) -> Result {
    caller.may(&rest, None, "InventoryService.Tagging.EditTag")?;
    rest.service.tagging().update_tag(bare(&id), &body.into())?;
    Ok(Answer::Nothing)
}

async fn delete_tag(caller: Caller, State(rest): State<Rest>, Path(id): Path<String>) -> Result {
    caller.may(&rest, None, "InventoryService.Tagging.DeleteTag")?;
    rest.service.tagging().delete_tag(bare(&id))?;
    Ok(Answer::Nothing)
}

#[derive(Deserialize)]
struct ObjectBody {
    r#type: String,
    id: String,
}

impl From<&ObjectBody> for TaggedObject {
    fn from(body: &ObjectBody) -> Self {
        Self { kind: body.r#type.as_str().into(), id: body.id.as_str().into() }
    }
}

/// What the actions on tags and objects take, each some of it.
#[derive(Deserialize)]
struct Association {
    object_id: Option<ObjectBody>,
    #[serde(default)]
    object_ids: Vec<ObjectBody>,
    #[serde(default)]
    tag_ids: Vec<String>,
}

impl Association {
    fn object(&self) -> Result<TaggedObject, Fault> {
        let object = self.object_id.as_ref().map(TaggedObject::from);
        object.ok_or_else(|| Fault::invalid_argument("object_id", "it is missing"))
    }
}

fn show(object: &TaggedObject) -> Value {
    json!({ "type": object.kind.as_str(), "id": object.id.as_str() })
}

/// The result of doing one thing to many: what failed, and why.
fn batch(results: impl Iterator<Item = Result<(), Fault>>) -> Answer {
    let errors: Vec<Value> = results
        .filter_map(Result::err)
        .map(|fault| {
            let id = match fault.is::<vimsim_types::views::NotFound>() {
                true => "cis.tagging.objectNotFound.error",
                false => "cis.tagging.invalidArgument.error",
            };
            json!({ "id": id, "default_message": fault.message().as_str(), "args": [] })
        })
        .collect();
    Answer::Value(json!({ "success": errors.is_empty(), "error_messages": errors }))
}

/// Hanging tags on objects, and taking them off, needs a privilege at each of the objects.
fn may_associate(caller: &Caller, rest: &Rest, parameters: &Parameters, body: &Association) -> Result<()> {
    if action(parameters).is_none_or(|action| action.starts_with("list")) {
        return Ok(());
    }
    let mut objects = body.object_id.iter().chain(&body.object_ids);
    objects.try_for_each(|object| caller.may(rest, Some(&object.id), "InventoryService.Tagging.AttachTag"))
}

/// An action on one tag.
async fn associate_one(
    caller: Caller,
    State(rest): State<Rest>,
    Path(id): Path<String>,
    parameters: Parameters,
    Body(body): Body<Association>,
) -> Result {
    may_associate(&caller, &rest, &parameters, &body)?;
    let (tagging, id) = (rest.service.tagging(), bare(&id));
    match action(&parameters) {
        Some("attach") => tagging.attach(id, &body.object()?)?,
        Some("detach") => tagging.detach(id, &body.object()?)?,
        Some("list-attached-objects") => {
            return Ok(Answer::Value(tagging.objects(id)?.iter().map(show).collect()));
        }
        Some("attach-tag-to-multiple-objects") => {
            return Ok(batch(body.object_ids.iter().map(|object| tagging.attach(id, &object.into()))));
        }
        Some("detach-tag-from-multiple-objects") => {
            return Ok(batch(body.object_ids.iter().map(|object| tagging.detach(id, &object.into()))));
        }
        _ => return Err(no_action(&parameters)),
    }
    Ok(Answer::Nothing)
}

/// An action on objects, or on several tags.
async fn associate_many(
    caller: Caller,
    State(rest): State<Rest>,
    parameters: Parameters,
    Body(body): Body<Association>,
) -> Result {
    may_associate(&caller, &rest, &parameters, &body)?;
    let tagging = rest.service.tagging();
    Ok(match action(&parameters) {
        Some("list-attached-tags") => Answer::Value(strings(&tagging.attached(&body.object()?))),
        Some("list-attached-objects-on-tags") => {
            let one = |id: &String| {
                Ok(json!({
                    "tag_id": id,
                    "object_ids": tagging.objects(id)?.iter().map(show).collect::<Value>(),
                }))
            };
            Answer::Value(body.tag_ids.iter().map(one).collect::<Result<Value, Fault>>()?)
        }
        Some("list-attached-tags-on-objects") => {
            let one = |object: &ObjectBody| {
                let object = TaggedObject::from(object);
                json!({ "object_id": show(&object), "tag_ids": strings(&tagging.attached(&object)) })
            };
            Answer::Value(body.object_ids.iter().map(one).collect())
        }
        Some("attach-multiple-tags-to-object") => {
            let object = body.object()?;
            batch(body.tag_ids.iter().map(|id| tagging.attach(id, &object)))
        }
        Some("detach-multiple-tags-from-object") => {
            let object = body.object()?;
            batch(body.tag_ids.iter().map(|id| tagging.detach(id, &object)))
        }
        _ => return Err(no_action(&parameters)),
    })
}
