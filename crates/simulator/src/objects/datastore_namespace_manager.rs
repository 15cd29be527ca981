//! `DatastoreNamespaceManager`: the folders at the top of vSAN datastores, which are objects of their own.

use vimsim_types::method::{
    ConvertNamespacePathToUuidPath, CreateDirectory, DeleteDirectory, IncreaseDirectorySize, QueryDirectoryInfo,
};
use vimsim_types::views::{
    CannotCreateFile, Datastore, DatastoreNamespaceManager, DatastoreNamespaceManagerDirectoryInfo, FileFault,
    InvalidDatastore, NotSupported,
};
use vimsim_types::{Fault, Moref, View};

use crate::call::{Call, Look};
use crate::files::edit::{self, Author};
use crate::files::{Item, Place, Volume, fault, place};
use crate::kind::Kind;
use crate::walk::Inventory;

type Manager<'a> = Call<'a, DatastoreNamespaceManager>;

pub(crate) fn kind() -> Kind<DatastoreNamespaceManager> {
    Kind::new()
        .write(create_directory)
        .write(delete_directory)
        .read(convert_namespace_path)
        .read(query_directory_info)
        .write(increase_directory_size)
}

/// The path of an object, as hosts mount it: `/vmfs/volumes/vsan:…/` and its UUID.
fn object_path(datastore: &Datastore, id: &str) -> String {
    let url = datastore.summary().url();
    format!("{}/{id}", url.strip_prefix("ds://").unwrap_or(url).trim_end_matches('/'))
}

/// Makes a folder at the top of a vSAN datastore, and returns its path by UUID.
///
/// - `CannotCreateFile` on a datastore of another kind; `InvalidDatastorePath` for a name with a path in it;
/// - `FileAlreadyExists`; `InaccessibleDatastore`; `ManagedObjectNotFound`.
fn create_directory(call: &mut Manager<'_>, request: CreateDirectory) -> Result<String, Fault> {
    let moref = request.datastore();
    let volume = edit::volume(call, &moref)?;
    if !volume.is_vsan() {
        let why = "folders at the top of this datastore are made with FileManager";
        let detail = CannotCreateFile::with(|fault| _ = fault.set_file(volume.name("")));
        return Err(Fault::new(detail, why));
    }
    edit::expect_accessible(call, &moref)?;
    let name = match request.display_name() {
        Some(name) if !name.is_empty() => name.to_string(),
        // Without a name, it is known by its UUID only.
        _ => crate::uuid::named(&format!("{moref}/{}", call.now().micros())),
    };
    if name.contains(['/', '\\', '\0']) || name == "." || name.contains("..") {
        return Err(place::invalid_path(&name));
    }
    let place = Place::new(&moref, call.get::<Datastore>(&moref)?, &name, &name)?;
    let author = Author::of(call.context());
    edit::make_folder(call, &author, &place, false)?;
    let volume = edit::volume(call, &moref)?;
    match volume.get(&place.path) {
        Some(Item::Folder(folder)) => Ok(object_path(volume.datastore(), &folder.id)),
        _ => Err(fault::not_found(&place.text)),
    }
}

/// The place of an object that is named by its path with its UUID.
///
/// - `InvalidDatastorePath` for a path that is none, or names no object; `FileFault` on a datastore of another kind.
fn object(inventory: &impl Inventory, datacenter: Option<&Moref>, text: &str) -> Result<Place, Fault> {
    let datacenter = datacenter.cloned().or_else(|| place::datacenters(inventory).into_iter().next());
    let datacenter = datacenter.ok_or_else(|| Fault::invalid_argument("datacenter", "there is none"))?;
    if text.contains("..") {
        return Err(place::invalid_path(text));
    }
    let mut place = Place::find(inventory, Some(&datacenter), text)?;
    let volume = Volume::of(inventory, &place.datastore)?;
    if !volume.is_vsan() {
        let detail = FileFault::with(|fault| _ = fault.set_file(text));
        return Err(Fault::new(detail, "folders at the top of this datastore are deleted with FileManager"));
    }
    let named = volume.named(&place.path);
    if place.path.is_empty() || place.path.contains('/') || named == place.path {
        return Err(place::invalid_path(text));
    }
    place.path = named;
    Ok(place)
}

/// Deletes a folder at the top of a vSAN datastore, by its path with its UUID.
///
/// - what [`object`] and [`edit::remove`] raise.
fn delete_directory(call: &mut Manager<'_>, request: DeleteDirectory) -> Result<(), Fault> {
    let place = object(&**call, request.datacenter().as_ref(), request.datastore_path())?;
    edit::remove(call, &place)
}

/// A path with the UUID of an object in place of its name. What is given and returned are URLs: `ds:///vmfs/volumes/…`.
///
/// - `InvalidDatastorePath` for a path on no datastore; `InvalidDatastore` for one that is not of vSAN.
fn convert_namespace_path(
    look: &Look<'_, DatastoreNamespaceManager>,
    request: ConvertNamespacePathToUuidPath,
) -> Result<String, Fault> {
    let url = request.namespace_url();
    let datacenter = request.datacenter().or_else(|| place::datacenters(look.snapshot()).into_iter().next());
    let datacenter = datacenter.ok_or_else(|| Fault::invalid_argument("datacenter", "there is none"))?;
    let place = Place::find(look.snapshot(), Some(&datacenter), url)?;
    let volume = Volume::of(look.snapshot(), &place.datastore)?;
    if !volume.is_vsan() {
        let detail = InvalidDatastore::with(|fault| {
            fault.set_datastore(place.datastore.clone()).set_name(volume.datastore().name());
        });
        return Err(Fault::new(detail, format!("'{}' is no vSAN datastore", volume.datastore().name())));
    }
    let (first, rest) = place.path.split_once('/').map_or((place.path.as_str(), ""), |(first, rest)| (first, rest));
    let top = volume.list("").unwrap_or_default();
    let Some(Item::Folder(folder)) = top.get(&volume.named(first)) else {
        return Err(place::invalid_path(url));
    };
    let scheme = if url.starts_with("ds://") { "ds://" } else { "" };
    let slash = if rest.is_empty() { "" } else { "/" };
    Ok(format!("{scheme}{}{slash}{rest}", object_path(volume.datastore(), &folder.id)))
}

/// How large an object is, and how much of it is used.
///
/// - what [`object`] raises.
fn query_directory_info(
    look: &Look<'_, DatastoreNamespaceManager>,
    request: QueryDirectoryInfo,
) -> Result<DatastoreNamespaceManagerDirectoryInfo, Fault> {
    let place = object(look.snapshot(), request.datacenter().as_ref(), request.stable_name())?;
    let volume = Volume::of(look.snapshot(), &place.datastore)?;
    let sizes = volume.walk(&place.path).into_iter().map(|(_, item)| match item {
        Item::File(file) => file.allocated,
        Item::Folder(_) => 0,
    });
    let used: i64 = sizes.sum();
    Ok(DatastoreNamespaceManagerDirectoryInfo::with(|info| {
        // A namespace object has 255 GiB, and its size is told in megabytes.
        info.set_capacity(255 * 1024).set_used(used >> 20);
    }))
}

/// Makes an object larger. Ours has no quota that could be raised.
///
/// - what [`object`] raises; `NotSupported`.
fn increase_directory_size(call: &mut Manager<'_>, request: IncreaseDirectorySize) -> Result<(), Fault> {
    object(&**call, request.datacenter().as_ref(), request.stable_name())?;
    Err(Fault::new(NotSupported::new(), "the objects of this datastore are as large as they can be"))
}
