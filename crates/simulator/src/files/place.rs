//! Where a file is: what clients write, and the datastore and path that they mean.

use vimsim_types::views::{Datacenter, Datastore, Folder, InvalidDatastore, InvalidDatastorePath, ManagedEntity};
use vimsim_types::{Fault, Moref, View};

use super::path;
use crate::call::not_found;
use crate::walk::{self, Inventory};

/// A datastore and a path on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) datastore: Moref,
    pub(crate) path: String,
    /// The place as clients write it.
    pub(crate) text: String,
}

impl Place {
    /// The place that a client means by `text`: `[datastore] folder/file`, or the URL of either kind, `ds:///vmfs/volumes/`
    /// or `https://host/folder/`, of a datastore in this datacenter. A host has one datacenter, which may be left out.
    ///
    /// - `InvalidDatastorePath` for a text that is no path, or that leads out of its datastore;
    /// - `InvalidDatastore` if the datacenter has no such datastore;
    /// - `InvalidArgument` without a datacenter; `ManagedObjectNotFound` for one that does not exist.
    pub(crate) fn find(inventory: &impl Inventory, datacenter: Option<&Moref>, text: &str) -> Result<Self, Fault> {
        if let Some(url) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
            return Self::of_url(inventory, datacenter, url).ok_or_else(|| invalid_path(text))?;
        }
        let datacenter = match datacenter {
            Some(datacenter) => datacenter.clone(),
            None => only_datacenter(inventory)
                .ok_or_else(|| Fault::invalid_argument("datacenter", "the path alone does not say where"))?,
        };
        let stores = inventory.seen::<Datacenter>(&datacenter).ok_or_else(|| not_found(&datacenter))?.datastore();
        let mut known = stores.iter().filter_map(|moref| Some((inventory.seen::<Datastore>(&moref)?, moref)));
        if text.starts_with("ds:///") || text.starts_with("/vmfs/volumes/") {
            let full = text.strip_prefix("ds://").unwrap_or(text);
            let found = known.find_map(|(datastore, moref)| {
                let url = datastore.summary().url();
                let root = url.strip_prefix("ds://").unwrap_or(url).trim_end_matches('/');
                let rest = full.strip_prefix(root)?;
                (rest.is_empty() || rest.starts_with('/')).then(|| (datastore, moref, rest.to_string()))
            });
            let (datastore, moref, rest) = found.ok_or_else(|| invalid_path(text))?;
            return Self::new(&moref, datastore, &rest, text);
        }
        let (name, rest) =
            text.trim().strip_prefix('[').and_then(|text| text.split_once(']')).ok_or_else(|| invalid_path(text))?;
        match known.find(|(datastore, _)| datastore.name() == name) {
            Some((datastore, moref)) => Self::new(&moref, datastore, rest.trim(), text),
            None => Err(invalid_datastore(name, None, "the datacenter has no such datastore")),
        }
    }

    /// A path on a datastore that is known.
    ///
    /// - `InvalidDatastorePath` if it leads out of the datastore.
    pub(crate) fn new(moref: &Moref, datastore: &Datastore, path: &str, text: &str) -> Result<Self, Fault> {
        let path = path::normalize(path).ok_or_else(|| invalid_path(text))?;
        let text = format!("[{}] {path}", datastore.name());
        Ok(Self { datastore: moref.clone(), path, text })
    }

    /// `host/folder/path?dcPath=..&dsName=..`
    fn of_url(inventory: &impl Inventory, datacenter: Option<&Moref>, url: &str) -> Option<Result<Self, Fault>> {
        let (_, rest) = url.split_once("/folder/")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let value = |key: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == key).and_then(|(_, value)| decode(value, true))
        };
        let datacenter = match value("dcPath") {
            Some(path) => find_datacenter(inventory, &path)?,
            None => datacenter.cloned().or_else(|| only_datacenter(inventory))?,
        };
        Some(Self::find(inventory, Some(&datacenter), &format!("[{}] {}", value("dsName")?, decode(path, false)?)))
    }

    /// The folder that the file is in.
    pub(crate) fn parent(&self) -> &str {
        path::split(&self.path).0
    }

    /// The name in the folder.
    pub(crate) fn name(&self) -> &str {
        path::split(&self.path).1
    }

    /// Another file of the folder.
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let text = self.text.strip_suffix(self.name()).unwrap_or(&self.text);
        Self { datastore: self.datastore.clone(), path: path::join(self.parent(), name), text: format!("{text}{name}") }
    }
}

/// Undoes the escapes of a URL; `None` if they stand for no text. In a query, a plus is a space.
fn decode(text: &str, is_query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
                bytes.push(u8::try_from(value).ok()?);
            }
            b'+' if is_query => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The datacenter, if there is but one.
pub(crate) fn only_datacenter(inventory: &impl Inventory) -> Option<Moref> {
    let mut all = datacenters(inventory).into_iter();
    all.next().filter(|_| all.next().is_none())
}

/// All datacenters, in the order of the inventory.
pub(crate) fn datacenters(inventory: &impl Inventory) -> Vec<Moref> {
    let root = ["group-d1", "ha-folder-root"].into_iter().find_map(|value| inventory.find_value(value));
    let mut found = Vec::new();
    let mut pending: Vec<Moref> = root.map(|root| vec![root.moref().clone()]).unwrap_or_default();
    while let Some(moref) = pending.pop() {
        if moref.is::<Datacenter>() {
            found.push(moref);
        } else if moref.is::<Folder>()
            && let Some(object) = inventory.find(&moref)
        {
            let children = walk::children(object);
            pending.extend(children.into_iter().rev());
        }
    }
    found
}

/// The datacenter at this path of the inventory, from the root folder.
pub(crate) fn find_datacenter(inventory: &impl Inventory, path: &str) -> Option<Moref> {
    let wanted = path.trim_matches('/');
    datacenters(inventory).into_iter().find(|moref| path_of(inventory, moref) == wanted)
}

/// The path of an entity in the inventory, without the root folder.
pub(crate) fn path_of(inventory: &impl Inventory, moref: &Moref) -> String {
    let names = inventory.ancestry(moref).into_iter().filter_map(|moref| {
        let entity = inventory.seen::<ManagedEntity>(&moref)?;
        entity.parent().map(|_| entity.name().to_string())
    });
    let mut names: Vec<String> = names.collect();
    names.reverse();
    names.join("/")
}

/// `InvalidDatastorePath`.
pub(crate) fn invalid_path(text: &str) -> Fault {
    let detail = InvalidDatastorePath::with(|fault| _ = fault.set_datastore_path(text));
    Fault::new(detail, format!("Invalid datastore path '{text}'"))
}

/// `InvalidDatastore`.
pub(crate) fn invalid_datastore(name: &str, datastore: Option<Moref>, why: &str) -> Fault {
    let detail = InvalidDatastore::with(|fault| {
        fault.set_name(name).set_datastore(datastore);
    });
    Fault::new(detail, format!("Invalid datastore '{name}': {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_urls_are_undone() {
        assert_eq!(decode("a%20b+c%2Fd", true).as_deref(), Some("a b c/d"));
        assert_eq!((decode("%", true), decode("%zz", true), decode("%ff", true)), (None, None, None));
    }
}
