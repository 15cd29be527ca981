//! Files through a lease, as the server's `/nfc` asks for them.

use std::sync::Arc;

use vimsim_registry::Snapshot;
use vimsim_types::views::HttpNfcLease;
use vimsim_types::{DateTime, Moref};

use super::{LeaseFile, Transfer, expect_ready};
use crate::call::Context;
use crate::files::content::{Blob, Upload};
use crate::files::disk::Disk;
use crate::files::edit::{self, Author, IfThere};
use crate::files::transfer::{Download, TransferError};
use crate::files::{Content, stream};
use crate::service::Service;

/// When the lease began, which is when its files are as they are.
fn snapshot_time(snapshot: &Snapshot, lease: &Moref) -> DateTime {
    let transfer = snapshot.object(lease).and_then(|object| object.private::<Transfer>());
    transfer.and_then(|transfer| transfer.alive).unwrap_or(DateTime::from_micros(0))
}

/// How long a session's key, or any UUID, is.
const KEY: usize = 36;

/// The lease of this part of a URL.
fn lease_of(token: &str) -> Option<Moref> {
    let (session, rest) = token.split_at_checked(KEY)?;
    Some(Moref::of::<HttpNfcLease>(format!("session[{session}]{}", rest.strip_prefix('-')?)))
}

impl Service {
    /// The file of a lease, if the lease is ready.
    fn lease_file(
        &self,
        snapshot: &Snapshot,
        token: &str,
        name: &str,
    ) -> Result<(Moref, bool, LeaseFile), TransferError> {
        let none = || TransferError::NotFound("there is no such lease, or it has ended".into());
        let lease = lease_of(token).ok_or_else(none)?;
        let object = snapshot.object(&lease).ok_or_else(none)?;
        expect_ready(object, self.clock().now()).map_err(|_| none())?;
        let transfer = object.private::<Transfer>().ok_or_else(none)?;
        let file = transfer.files.iter().find(|file| file.name == name);
        let file = file.ok_or_else(|| TransferError::NotFound(format!("the lease has no file '{name}'")))?;
        Ok((lease, transfer.is_import, file.clone()))
    }

    /// The bytes of a file that a lease gives out, or that were sent through it. May take its time.
    pub fn nfc_get(self: &Arc<Self>, token: &str, name: &str) -> Result<Download, TransferError> {
        let snapshot = self.snapshot();
        let (lease, _, file) = self.lease_file(&snapshot, token, name)?;
        let blob = match (file.blob, file.unpacked) {
            (Some(blob), _) => blob,
            (None, Some((disk, data))) => {
                let packed = stream::pack(&disk, &data, self.upload());
                let blob = packed.map_err(|error| TransferError::Other(error.to_string()))?.finish();
                self.keep(&lease, name, &blob)?;
                blob
            }
            (None, None) => return Err(TransferError::NotFound(format!("nothing was sent to '{name}' yet"))),
        };
        Ok(Download::new(blob, name.into(), snapshot_time(&snapshot, &lease)))
    }

    /// Remembers the bytes of a lease's file.
    fn keep(&self, lease: &Moref, name: &str, blob: &Arc<Blob>) -> Result<(), TransferError> {
        self.registry().write(|transaction| {
            let files = &mut transaction.private::<Transfer>(lease)?.files;
            if let Some(file) = files.iter_mut().find(|file| file.name == name) {
                file.blob = Some(blob.clone());
                file.unpacked = None;
            }
            Ok(())
        })
    }

    /// Whether a file can be sent through a lease: how many bytes it may have.
    pub fn nfc_check(&self, token: &str, name: &str) -> Result<u64, TransferError> {
        let snapshot = self.snapshot();
        let (_, is_import, file) = self.lease_file(&snapshot, token, name)?;
        if !is_import {
            return Err(TransferError::Exists("the lease gives out files and takes none".into()));
        }
        let datastore = snapshot.view::<vimsim_types::views::Datastore>(&file.place.datastore);
        Ok(datastore.map_or(0, |datastore| u64::try_from(datastore.summary().free_space()).unwrap_or_default()))
    }

    /// Keeps a file whose bytes have come through a lease.
    pub fn nfc_put(self: &Arc<Self>, token: &str, name: &str, upload: Upload) -> Result<(), TransferError> {
        let context = Context::internal(self.clone(), false);
        let author = Author::of(&context);
        let blob = upload.finish();
        self.registry().write(|transaction| {
            let snapshot = self.snapshot();
            let (lease, _, file) = self.lease_file(&snapshot, token, name)?;
            let place = &file.place;
            if file.is_disk {
                let volume = edit::volume(transaction, &place.datastore)?;
                let (_, disk) = edit::disk(&volume, place)?;
                let disk = Disk { stream: Some(blob.clone()), ..disk };
                edit::put_owned(transaction, &author, place, Content::Disk(Arc::new(disk)))?;
            } else {
                edit::put(transaction, &author, place, Content::Bytes(blob.clone()), IfThere::Replace)?;
            }
            let transfer = transaction.private::<Transfer>(&lease)?;
            transfer.alive = Some(context.now);
            if let Some(known) = transfer.files.iter_mut().find(|known| known.name == file.name) {
                known.blob = Some(blob);
            }
            Ok(())
        })
    }
}
