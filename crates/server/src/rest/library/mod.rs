//! `content/library`: content libraries, their items, and how files come into them and out again.
//!
//! Both families of paths lead here: `/rest/com/vmware/content/library/id:{id}` and `/api/content/library/{id}`. What is
//! said of a library or item is kept as it is answered; the files are on the library's datastore, and bytes that arrived
//! are shared between both.

mod data;
mod deploy;
mod items;
mod libraries;
mod policies;
mod pull;
mod templates;
mod transfers;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vimsim_simulator::Download;
use vimsim_types::Moref;
use vimsim_types::views::Datastore;

use super::call::Call;
use super::{Answer, ErrorKind, RestError, Result};

pub(super) use data::routes as data_routes;
pub(super) use deploy::answer as ovf;
pub(super) use templates::{answer as templates, copy};

/// A file of an item.
#[derive(Clone)]
struct ItemFile {
    name: String,
    bytes: Download,
    cached: bool,
}

/// An item: an OVF template, a template of a virtual machine, or any files.
#[derive(Clone)]
struct Item {
    /// What is said of it.
    info: Value,
    library: String,
    files: Vec<ItemFile>,
    /// The template, of an item that is one.
    machine: Option<Moref>,
}

/// A library.
#[derive(Clone)]
struct Library {
    /// What is said of it.
    info: Value,
    /// Who is to be given what is published, by subscription.
    subscribers: BTreeMap<String, Value>,
    /// What uses it.
    usages: BTreeMap<String, Value>,
}

/// A file on its way.
#[derive(Clone)]
struct Travelling {
    info: Value,
    /// What arrived: more than one file if it was an archive.
    arrived: Vec<ItemFile>,
}

/// Files on their way into an item, or out of it.
#[derive(Clone)]
struct Transfer {
    info: Value,
    item: String,
    is_update: bool,
    files: BTreeMap<String, Travelling>,
}

/// All libraries.
#[derive(Clone, Default)]
pub(super) struct Libraries {
    created: u64,
    libraries: BTreeMap<String, Library>,
    items: BTreeMap<String, Item>,
    transfers: BTreeMap<String, Transfer>,
    trusted: BTreeMap<String, String>,
}

impl Libraries {
    /// The identifier of something new.
    fn new_id(&mut self) -> String {
        self.created += 1;
        vimsim_simulator::uuid::named(&format!("content library {}", self.created))
    }

    fn library(&self, id: &str) -> Result<&Library> {
        self.libraries.get(id).ok_or_else(|| not_found("library", id))
    }

    fn library_mut(&mut self, id: &str) -> Result<&mut Library> {
        self.libraries.get_mut(id).ok_or_else(|| not_found("library", id))
    }

    fn item(&self, id: &str) -> Result<&Item> {
        self.items.get(id).ok_or_else(|| not_found("library item", id))
    }

    fn item_mut(&mut self, id: &str) -> Result<&mut Item> {
        self.items.get_mut(id).ok_or_else(|| not_found("library item", id))
    }

    fn transfer(&self, id: &str) -> Result<&Transfer> {
        self.transfers.get(id).ok_or_else(|| not_found("session", id))
    }

    fn transfer_mut(&mut self, id: &str) -> Result<&mut Transfer> {
        self.transfers.get_mut(id).ok_or_else(|| not_found("session", id))
    }

    /// The items of a library, by identifier.
    fn items_of<'a>(&'a self, library: &'a str) -> impl Iterator<Item = (&'a String, &'a Item)> {
        self.items.iter().filter(move |(_, item)| item.library == library)
    }
}

fn not_found(what: &str, id: &str) -> RestError {
    RestError::new(ErrorKind::NotFound, "com.vmware.vdcs.cls-main.not_found", format!("There is no {what} '{id}'."))
}

impl Library {
    fn is_subscribed(&self) -> bool {
        self.info["type"] == "SUBSCRIBED"
    }

    /// The datastore that its files are on.
    fn datastore(&self) -> Option<Moref> {
        self.info["storage_backings"][0]["datastore_id"].as_str().map(Moref::of::<Datastore>)
    }
}

/// Where the files of an item, or of all items, are on the library's datastore.
fn folder(library: &str, item: &str) -> String {
    match item {
        "" => format!("contentlib-{library}"),
        item => format!("contentlib-{library}/{item}"),
    }
}

/// Whether a name can be that of a file, and leads nowhere else.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name != "." && !name.contains(['/', '\\']) && !name.contains("..")
}

impl Item {
    /// `LIBRARY.ITEM` files, as they are shown.
    fn show(&self, file: &ItemFile) -> Value {
        let mut shown = json!({
            "name": file.name,
            "cached": file.cached,
            "size": if file.cached { file.bytes.size() } else { 0 },
            "version": self.info["content_version"],
        });
        if let Some(sum) = file.bytes.checksum("SHA1") {
            shown["checksum_info"] = json!({ "algorithm": "SHA1", "checksum": sum });
        }
        shown
    }

    /// Brings what follows from the files up to date.
    fn count(&mut self) {
        let size: u64 = self.files.iter().filter(|file| file.cached).map(|file| file.bytes.size()).sum();
        self.info["size"] = json!(size);
    }
}

/// The identifier in a path.
fn bare(id: &str) -> &str {
    id.strip_prefix("id:").unwrap_or(id)
}

/// What creates or updates, in its wrapping or without.
fn spec<'a>(call: &'a Call, name: &str) -> &'a Value {
    call.body.get(name).unwrap_or(&call.body)
}

/// The number after this one, as text.
fn next(version: &Value) -> Value {
    let version = version.as_str().and_then(|version| version.parse::<u64>().ok()).unwrap_or_default();
    json!((version + 1).to_string())
}

fn ids<'a>(ids: impl Iterator<Item = &'a String>) -> Answer {
    Answer::Value(ids.map(String::as_str).collect())
}

/// Answers what is below `content`.
pub(super) async fn answer(call: &Call, rest: &[&str]) -> Result {
    let forget = forget_destroyed(call);
    forget?;
    match *rest {
        ["library" | "local-library" | "subscribed-library"] => libraries::all(call, rest[0]),
        ["library", "subscriptions"] => libraries::subscriptions(call),
        ["library", "subscriptions", id] => libraries::subscription(call, bare(id)),
        ["library", "item"] => items::all(call),
        ["library", "item", "storage" | "file"] => {
            let id = call.parameters.get("library_item_id").map_or("", String::as_str);
            items::files(call, rest[2] == "storage", id, None)
        }
        ["library", "item", "storage" | "file", id] => {
            let name = call.text("/file_name").or(call.text("/name"));
            items::files(call, rest[2] == "storage", bare(id), Some(name.unwrap_or_default()))
        }
        ["library", "item", "update-session" | "download-session"] => transfers::all(call, rest[2] == "update-session"),
        ["library", "item", "update-session" | "download-session", id] => {
            transfers::one(call, rest[2] == "update-session", bare(id))
        }
        ["library", "item", "updatesession" | "downloadsession", "file"] => transfers::files(call),
        ["library", "item", "updatesession", "file", id] => {
            transfers::update_file(call, bare(id), call.action(), call.text("/file_name").unwrap_or_default()).await
        }
        ["library", "item", "downloadsession", "file", id] => transfers::download_file(call, bare(id)),
        ["library", "item", "update-session" | "download-session", id, "file", ref name @ ..] if name.len() < 2 => {
            transfers::file(call, rest[2] == "update-session", id, name.first().copied()).await
        }
        ["library", "item", id, "file" | "storage"] => {
            let name = call.parameters.get("name").or(call.parameters.get("file_name"));
            items::files(call, rest[3] == "storage", id, name.map(String::as_str))
        }
        ["library", "item" | "subscribed-item", id] => items::one(call, bare(id)).await,
        ["library", id, "subscriptions"] => libraries::subscriptions_of(call, id),
        ["library", id, "subscriptions", subscription] => libraries::subscription_of(call, id, subscription),
        ["library", id, "usages"] => libraries::usages(call, id),
        ["library", id, "usages", usage] => libraries::usage(call, id, usage),
        ["library" | "local-library" | "subscribed-library", id] => libraries::one(call, bare(id)).await,
        ["security-policies"] => policies::policies(call),
        ["trusted-certificates"] => policies::certificates(call),
        ["trusted-certificates", id] => policies::certificate(call, id),
        _ => Err(call.unknown()),
    }
}

/// Templates that somebody destroyed are no longer items.
fn forget_destroyed(call: &Call) -> Result<()> {
    let snapshot = call.service().snapshot();
    let is_gone = |item: &Item| item.machine.as_ref().is_some_and(|machine| snapshot.object(machine).is_none());
    if !call.kept().libraries.items.values().any(is_gone) {
        return Ok(());
    }
    call.change_libraries(|libraries| {
        libraries.items.retain(|_, item| !is_gone(item));
        Ok(())
    })
}

impl Call {
    /// Changes the libraries; an error changes nothing.
    fn change_libraries<R>(&self, change: impl FnOnce(&mut Libraries) -> Result<R>) -> Result<R> {
        self.change(|kept| change(std::sync::Arc::make_mut(&mut kept.libraries)))
    }

    /// What time it is, as answers say it.
    fn time(&self) -> Value {
        json!(self.service().now().to_string())
    }

    /// Puts an item's file on the library's datastore.
    fn store(&self, library: &Library, id: &str, item: &str, file: &ItemFile) -> Result<()> {
        let Some(datastore) = library.datastore() else { return Ok(()) };
        let path = format!("{}/{}", folder(id, item), file.name);
        Ok(self.service().datastore_put(Some(&self.session), &datastore, &path, &file.bytes)?)
    }
}
