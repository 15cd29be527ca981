//! Files over HTTP: what the server's `/folder` asks of the service. Bytes flow outside the registry's lock; only what a
//! file's name stands for changes inside it.

use std::sync::Arc;

use md5::Md5;
use sha2::{Digest, Sha512};
use vimsim_types::views::{
    Datacenter, Datastore, FileAlreadyExists, FileFault, FileLocked, FileNotFound, InaccessibleDatastore,
    InvalidDatastorePath, NoDiskSpace,
};
use vimsim_types::{DateTime, Fault, Moref};

use super::content::{Blob, Pieces, Upload};
use super::edit::{self, Author, IfThere};
use super::{Content, Item, Place, Volume, place};
use crate::call::Context;
use crate::config::Product;
use crate::objects::authorization_manager::Access;
use crate::service::Service;
use crate::walk::Inventory;

/// What a client's request for a file names.
#[derive(Clone, Debug, Default)]
pub struct FolderRequest {
    /// The path on the datastore.
    pub path: String,
    /// The path of the datacenter in the inventory; without it, the only one, or else the first.
    pub datacenter: Option<String>,
    /// The name of the datastore; without it, the only one, or else the first.
    pub datastore: Option<String>,
}

/// Why a file could not be transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is no such datacenter, datastore, file or lease.
    #[error("{0}")]
    NotFound(String),
    /// The user may not.
    #[error("{0}")]
    Forbidden(String),
    /// The path is none, or leads out of its datastore.
    #[error("{0}")]
    BadPath(String),
    /// There is a file or folder already.
    #[error("{0}")]
    Exists(String),
    /// A running machine has the file.
    #[error("{0}")]
    Locked(String),
    /// The datastore is full.
    #[error("{0}")]
    NoSpace(String),
    /// The file cannot be had now.
    #[error("{0}")]
    Unavailable(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl From<Fault> for TransferError {
    fn from(fault: Fault) -> Self {
        let message = fault.message().to_string();
        if fault.is::<FileNotFound>() {
            Self::NotFound(message)
        } else if fault.is::<FileAlreadyExists>() {
            Self::Exists(message)
        } else if fault.is::<FileLocked>() {
            Self::Locked(message)
        } else if fault.is::<NoDiskSpace>() {
            Self::NoSpace(message)
        } else if fault.is::<InvalidDatastorePath>() {
            Self::BadPath(message)
        } else if fault.is::<InaccessibleDatastore>() || fault.is::<FileFault>() {
            Self::Unavailable(message)
        } else {
            Self::Other(message)
        }
    }
}

/// A file that a client reads.
#[derive(Clone)]
pub struct Download {
    blob: Arc<Blob>,
    name: String,
    modified: DateTime,
}

impl Download {
    pub(crate) fn new(blob: Arc<Blob>, name: String, modified: DateTime) -> Self {
        Self { blob, name, modified }
    }

    pub(crate) fn blob(&self) -> &Arc<Blob> {
        &self.blob
    }

    /// The checksum of all bytes by this algorithm, in hexadecimal; `None` for one that we do not know.
    pub fn checksum(&self, algorithm: &str) -> Option<String> {
        let digests = self.blob.digests().ok()?;
        match algorithm {
            "SHA1" => Some(digests.sha1.clone()),
            "SHA256" => Some(digests.sha256.clone()),
            "MD5" => self.digest::<Md5>(),
            "SHA512" => self.digest::<Sha512>(),
            _ => None,
        }
    }

    /// A checksum that is not kept.
    fn digest<D: Digest>(&self) -> Option<String> {
        let mut digest = D::new();
        for piece in self.pieces(0, self.size()) {
            digest.update(&piece.ok()?);
        }
        Some(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// All bytes, if they are no more than so many.
    pub fn bytes(&self, limit: u64) -> Option<Vec<u8>> {
        let pieces = (self.size() <= limit).then(|| self.pieces(0, self.size()))?;
        pieces.collect::<Result<Vec<_>, _>>().ok().map(|pieces| pieces.concat())
    }

    /// The name, without its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.blob.size()
    }

    /// When it was last written, as HTTP says it: `Sun, 22 Nov 2026 19:00:00 GMT`.
    pub fn last_modified(&self) -> String {
        let time = jiff::Timestamp::from_microsecond(self.modified.micros()).unwrap_or_default();
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
    }

    /// What changes whenever the file does.
    pub fn tag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.modified.micros(), self.blob.size())
    }

    /// The bytes from `start`, `count` of them, in pieces.
    pub fn pieces(&self, start: u64, count: u64) -> Pieces {
        self.blob.read(start, count)
    }
}

/// What is in a folder.
#[derive(Clone, Debug)]
pub struct FolderEntry {
    /// The name.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_folder: bool,
    /// How many bytes a file has.
    pub size: u64,
    /// When it was last written.
    pub modified: DateTime,
}

/// What is at a path.
pub enum Found {
    /// A file.
    File(Download),
    /// A folder, and what is in it.
    Folder(Vec<FolderEntry>),
}

impl Service {
    /// A place for bytes that arrive.
    pub fn upload(&self) -> Upload {
        Upload::new(self.scratch().clone())
    }

    /// Whether the user may read at the datastore, or write there: `Datastore.Browse`, `Datastore.FileManagement`.
    pub fn folder_permit(&self, request: &FolderRequest, user: &str, is_write: bool) -> Result<(), TransferError> {
        let snapshot = self.snapshot();
        let is_virtual_center = self.config().product == Product::VirtualCenter;
        let Some(access) = Access::of_user(&snapshot, user, is_virtual_center) else { return Ok(()) };
        let place = locate(&snapshot, request)?;
        let privilege = if is_write { "Datastore.FileManagement" } else { "Datastore.Browse" };
        access.check(&place.datastore, privilege).map_err(|fault| TransferError::Forbidden(fault.message().to_string()))
    }

    /// What is at a path.
    pub fn folder_get(&self, request: &FolderRequest) -> Result<Found, TransferError> {
        let snapshot = self.snapshot();
        let place = locate(&snapshot, request)?;
        let volume = Volume::of(&snapshot, &place.datastore)?;
        if !volume.datastore().summary().accessible() {
            return Err(TransferError::Unavailable(format!("{} cannot be reached", place.text)));
        }
        match volume.get(&place.path) {
            None => Err(TransferError::NotFound(format!("{} was not found", place.text))),
            Some(Item::File(file)) => {
                let blob = file.content.bytes(place.name());
                Ok(Found::File(Download::new(blob, place.name().into(), file.modified)))
            }
            Some(Item::Folder(_)) => {
                let items = volume.list(&place.path).unwrap_or_default();
                let entry = |(name, item): (String, Item)| match item {
                    Item::Folder(folder) => FolderEntry { name, is_folder: true, size: 0, modified: folder.modified },
                    Item::File(file) => {
                        let size = file.content.bytes(&name).size();
                        FolderEntry { name, is_folder: false, size, modified: file.modified }
                    }
                };
                Ok(Found::Folder(items.into_iter().map(entry).collect()))
            }
        }
    }

    /// Whether a file can be written, with so many bytes, before they come: how many there may be.
    pub fn folder_check(
        &self,
        request: &FolderRequest,
        replace: bool,
        size: Option<u64>,
    ) -> Result<u64, TransferError> {
        let snapshot = self.snapshot();
        let place = locate(&snapshot, request)?;
        let volume = Volume::of(&snapshot, &place.datastore)?;
        if place.path.is_empty() {
            return Err(TransferError::BadPath("the path names no file".into()));
        }
        match volume.get(&place.path) {
            Some(Item::File(_)) if replace => {}
            None => {}
            Some(_) => return Err(TransferError::Exists(format!("{} already exists", place.text))),
        }
        let free = u64::try_from(volume.datastore().summary().free_space()).unwrap_or_default();
        if size.is_some_and(|size| size > free) {
            return Err(TransferError::NoSpace(format!("{} does not fit on its datastore", place.text)));
        }
        Ok(free)
    }

    /// Writes a file whose bytes have come; whether it is new.
    pub fn folder_put(
        self: &Arc<Self>,
        request: &FolderRequest,
        upload: Upload,
        replace: bool,
    ) -> Result<bool, TransferError> {
        let context = Context::internal(self.clone(), false);
        let author = Author::of(&context);
        let content = Content::Bytes(upload.finish());
        let if_there = if replace { IfThere::Replace } else { IfThere::Fail };
        self.registry().write(|transaction| {
            let place = locate(transaction, request)?;
            edit::expect_accessible(transaction, &place.datastore)?;
            let is_new = edit::volume(transaction, &place.datastore)?.get(&place.path).is_none();
            edit::put(transaction, &author, &place, content, if_there)?;
            Ok(is_new)
        })
    }

    /// Deletes a file, or a folder with all that is in it.
    pub fn folder_delete(self: &Arc<Self>, request: &FolderRequest) -> Result<(), TransferError> {
        self.registry().write(|transaction| {
            let place = locate(transaction, request)?;
            edit::expect_accessible(transaction, &place.datastore)?;
            Ok(edit::remove(transaction, &place)?)
        })
    }

    /// The datacenters, by their paths in the inventory, and the names of the datastores of each that the user may browse.
    pub fn datastores(&self, user: &str) -> Vec<(String, Vec<String>)> {
        let snapshot = self.snapshot();
        let is_virtual_center = self.config().product == Product::VirtualCenter;
        let access = Access::of_user(&snapshot, user, is_virtual_center);
        let may = |moref: &Moref| access.as_ref().is_none_or(|access| access.allows(moref, "Datastore.Browse"));
        let names = |moref: &Moref| -> Vec<String> {
            let stores = snapshot.view::<Datacenter>(moref).map(|it| it.datastore().iter().collect::<Vec<_>>());
            let stores = stores.into_iter().flatten().filter(may);
            stores.filter_map(|moref| Some(snapshot.view::<Datastore>(&moref)?.name().to_string())).collect()
        };
        let all = place::datacenters(&snapshot);
        all.iter().map(|moref| (place::path_of(&snapshot, moref), names(moref))).collect()
    }
}

/// The place that a request names. A path may begin with the UUID of an object on a vSAN datastore.
fn locate(inventory: &impl Inventory, request: &FolderRequest) -> Result<Place, TransferError> {
    let none = |what: &str, name: &str| TransferError::NotFound(format!("there is no {what} '{name}'"));
    let datacenter = match request.datacenter.as_deref().filter(|path| !path.is_empty()) {
        Some(path) => place::find_datacenter(inventory, path).ok_or_else(|| none("datacenter", path))?,
        None => place::datacenters(inventory).into_iter().next().ok_or_else(|| none("datacenter", ""))?,
    };
    let stores = inventory.seen::<Datacenter>(&datacenter).map(|it| it.datastore().iter().collect::<Vec<_>>());
    let mut stores = stores.into_iter().flatten().filter_map(|moref| {
        let view: &Datastore = inventory.seen(&moref)?;
        Some((moref, view))
    });
    let (moref, datastore) = match request.datastore.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => stores.find(|(_, datastore)| datastore.name() == name).ok_or_else(|| none("datastore", name))?,
        None => stores.next().ok_or_else(|| none("datastore", ""))?,
    };
    let mut place = Place::new(&moref, datastore, &request.path, &request.path)?;
    place.path = Volume::of(inventory, &moref)?.named(&place.path);
    Ok(place)
}
