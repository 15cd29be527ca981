//! Files that the content library keeps on datastores.

use std::sync::Arc;

use vimsim_types::views::Datastore;
use vimsim_types::{Fault, Moref};

use crate::call::{Context, not_found};
use crate::files::content::Upload;
use crate::files::disk::Disk;
use crate::files::edit::{self, Author, IfThere};
use crate::files::transfer::Download;
use crate::files::{Content, Item, Place, Volume};
use crate::service::Service;
use crate::session::Session;
use crate::walk::Inventory;

/// How much of a disk is read to find its descriptor.
const HEAD: u64 = 64 << 10;

fn place(inventory: &impl Inventory, datastore: &Moref, path: &str) -> Result<Place, Fault> {
    let view: &Datastore = inventory.seen(datastore).ok_or_else(|| not_found(datastore))?;
    Place::new(datastore, view, path, &format!("[{}] {path}", view.name()))
}

impl Service {
    /// What has arrived, under a name.
    pub fn arrived(&self, upload: Upload, name: &str) -> Download {
        Download::new(upload.finish(), name.into(), self.clock().now())
    }

    /// Puts bytes on a datastore, for a user. Of a disk the descriptor is put there, and a file for its data.
    ///
    /// - `ManagedObjectNotFound` without the datastore; `InvalidDatastorePath`; `NoDiskSpace`; `InaccessibleDatastore`.
    pub fn datastore_put(
        self: &Arc<Self>,
        session: Option<&Arc<Session>>,
        datastore: &Moref,
        path: &str,
        bytes: &Download,
    ) -> Result<(), Fault> {
        let mut context = Context::internal(self.clone(), false);
        context.session = session.cloned();
        let author = Author::of(&context);
        let blob = bytes.blob().clone();
        let is_disk = path.ends_with(".vmdk");
        let disk = is_disk.then(|| blob.head(HEAD).ok().and_then(|head| Disk::parse(&head))).flatten();
        self.registry().write(|transaction| {
            let place = place(transaction, datastore, path)?;
            edit::expect_accessible(transaction, datastore)?;
            match disk {
                Some(disk) => {
                    let disk = Disk { kind: "thin".into(), stream: None, parent: None, ..disk };
                    edit::put_disk(transaction, &author, &place, disk, None, IfThere::Replace)
                }
                None => edit::put(transaction, &author, &place, Content::Bytes(blob), IfThere::Replace),
            }
        })
    }

    /// Whether there is a file, or a folder, at a path of a datastore.
    pub fn datastore_has(&self, datastore: &Moref, path: &str) -> bool {
        let snapshot = self.snapshot();
        let there = place(&snapshot, datastore, path).and_then(|place| {
            let volume = Volume::of(&snapshot, datastore)?;
            Ok(matches!(volume.get(&place.path), Some(Item::File(_) | Item::Folder(_))))
        });
        there.unwrap_or_default()
    }

    /// Removes a file, or a folder with all that is in it, if it is there.
    ///
    /// - `FileLocked` if a running machine has it.
    pub fn datastore_remove(&self, datastore: &Moref, path: &str) -> Result<(), Fault> {
        if !self.datastore_has(datastore, path) {
            return Ok(());
        }
        self.registry().write(|transaction| {
            let place = place(transaction, datastore, path)?;
            edit::remove(transaction, &place)
        })
    }
}
