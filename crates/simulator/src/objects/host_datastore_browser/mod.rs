//! `HostDatastoreBrowser`: looks for files on datastores.

mod query;

use std::collections::BTreeMap;

use vimsim_types::method::{DeleteFile, SearchDatastoreSubFoldersTask, SearchDatastoreTask};
use vimsim_types::views::{
    Datastore, FileInfo, FileQuery, FloppyImageFileQuery, FolderFileQuery, HostDatastoreBrowser,
    HostDatastoreBrowserSearchResults, HostDatastoreBrowserSearchSpec, IsoImageFileQuery, TemplateConfigFileQuery,
    VmConfigFileQuery, VmDiskFileQuery, VmLogFileQuery, VmNvramFileQuery, VmSnapshotFileQuery,
};
use vimsim_types::{Fault, Moref, Object, Value, View};

use crate::call::Call;
use crate::files::{Item, Place, Volume, edit, fault, path, place};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<HostDatastoreBrowser> {
    Kind::new().write(search).write(search_sub_folders).write(delete_file)
}

/// A browser of these datastores.
pub(crate) fn properties(datastores: impl IntoIterator<Item = Moref>) -> HostDatastoreBrowser {
    HostDatastoreBrowser::with(|browser| {
        browser.set_datastore(datastores);
        browser.set_supported_type(std::iter::empty::<FileQuery>());
        let kinds = [
            FloppyImageFileQuery::TYPE,
            FolderFileQuery::TYPE,
            IsoImageFileQuery::TYPE,
            VmConfigFileQuery::TYPE,
            TemplateConfigFileQuery::TYPE,
            VmDiskFileQuery::TYPE,
            VmLogFileQuery::TYPE,
            VmNvramFileQuery::TYPE,
            VmSnapshotFileQuery::TYPE,
        ];
        browser.supported_type_mut().values().extend(kinds.map(|kind| Value::Object(Object::new(kind))));
    })
}

/// The place that a path means on one of the browser's datastores.
///
/// - `InvalidDatastorePath`; `InvalidDatastore` if the browser has no such datastore; `InaccessibleDatastore`.
fn locate(call: &Call<'_, HostDatastoreBrowser>, text: &str) -> Result<Place, Fault> {
    let (name, rest) =
        text.trim().strip_prefix('[').and_then(|text| text.split_once(']')).ok_or_else(|| place::invalid_path(text))?;
    let is_named = |moref: &Moref| call.view::<Datastore>(moref).is_some_and(|datastore| datastore.name() == name);
    let moref = call.this()?.datastore().iter().find(is_named);
    let moref = moref.ok_or_else(|| place::invalid_datastore(name, None, "it cannot be browsed here"))?;
    edit::expect_accessible(call, &moref)?;
    let mut place = Place::new(&moref, call.get::<Datastore>(&moref)?, rest.trim(), text)?;
    place.path = edit::volume(call, &moref)?.named(&place.path);
    Ok(place)
}

/// Looks for files in a folder; the task's result says what it found.
///
/// - `InvalidDatastorePath`; as faults of the task: `InvalidDatastore`, `InaccessibleDatastore`, `FileNotFound` without
///   such a folder.
fn search(call: &mut Call<'_, HostDatastoreBrowser>, request: SearchDatastoreTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let place = locate(call, request.datastore_path())?;
        let spec = request.search_spec().cloned().unwrap_or_else(View::new);
        let volume = edit::volume(call, &place.datastore)?;
        let items = volume.list(&place.path).ok_or_else(|| fault::not_found(&place.text))?;
        Ok(found(&volume, &place.path, &items, &spec))
    })
}

/// [`search`] in a folder and all that are below it: a result for each folder.
fn search_sub_folders(
    call: &mut Call<'_, HostDatastoreBrowser>,
    request: SearchDatastoreSubFoldersTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let place = locate(call, request.datastore_path())?;
        let spec = request.search_spec().cloned().unwrap_or_else(View::new);
        let volume = edit::volume(call, &place.datastore)?;
        let mut results: Vec<HostDatastoreBrowserSearchResults> = Vec::new();
        let mut pending = vec![place.path.clone()];
        while let Some(folder) = pending.pop() {
            let items = volume.list(&folder);
            let Some(items) = items else {
                return Err(fault::not_found(&place.text));
            };
            let below = items.iter().filter(|(_, item)| matches!(item, Item::Folder(_)));
            let first = pending.len();
            pending.extend(below.map(|(name, _)| path::join(&folder, name)));
            pending[first..].reverse();
            results.push(found(&volume, &folder, &items, &spec));
        }
        Ok(results)
    })
}

/// What a specification selects of a folder.
fn found(
    volume: &Volume<'_, impl Inventory>,
    folder: &str,
    items: &BTreeMap<String, Item>,
    spec: &HostDatastoreBrowserSearchSpec,
) -> HostDatastoreBrowserSearchResults {
    let ignore_case = spec.search_case_insensitive() == Some(true);
    let is_top_of_vsan = folder.is_empty() && volume.is_vsan();
    let mut infos: Vec<(bool, FileInfo)> = Vec::new();
    for (name, item) in items {
        // At the top of a vSAN datastore are objects: their UUIDs are their names, and the names that people gave them
        // are beside it.
        let (own, friendly) = match item {
            Item::Folder(folder) if is_top_of_vsan => (folder.id.as_str(), Some(name.as_str())),
            _ => (name.as_str(), None),
        };
        let is_meant = |pattern: &str| {
            [Some(own), friendly].into_iter().flatten().any(|name| path::matches(pattern, name, ignore_case))
        };
        let patterns = spec.match_pattern();
        if !patterns.is_empty() && !patterns.iter().any(|pattern| is_meant(pattern)) {
            continue;
        }
        if let Some(mut info) = query::info(name, item, items, spec) {
            info.set_path(own).set_friendly_name(friendly);
            infos.push((matches!(item, Item::Folder(_)), info));
        }
    }
    if spec.sort_folders_first() == Some(true) {
        infos.sort_by_key(|(is_folder, _)| !is_folder);
    }
    HostDatastoreBrowserSearchResults::with(|results| {
        results.set_datastore(volume.moref().clone());
        let slash = if folder.is_empty() { "" } else { "/" };
        results.set_folder_path(format!("{}{slash}", volume.name(folder)));
        results.set_file(infos.into_iter().map(|(_, info)| info));
    })
}

/// Deletes a file.
///
/// - what [`locate`] and [`edit::remove`] raise.
fn delete_file(call: &mut Call<'_, HostDatastoreBrowser>, request: DeleteFile) -> Result<(), Fault> {
    let place = locate(call, request.datastore_path())?;
    edit::remove(call, &place)
}
