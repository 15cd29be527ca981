//! Files of this machine that show through a datastore.
//!
//! Run as `vcsim`, a datastore's URL is a directory of this machine, and what its user puts there is on the datastore, as
//! with vcsim; a link is followed, because whoever made it could read what it leads to. Clients can read these files and no
//! others: a path has been normalized before it comes here, no client can make a link, and nothing is ever written.

use std::fs::{self, Metadata};
use std::path::Path;
use std::time::UNIX_EPOCH;

use vimsim_types::{ArcStr, DateTime, literal};

use super::content::Blob;
use super::store::{Content, File, Folder, Item};

/// What is at a path below this directory.
pub(super) fn get(root: &Path, path: &str) -> Option<Item> {
    let full = root.join(path);
    let found = fs::metadata(&full).ok()?;
    item(&full, &found)
}

/// What is in a folder below this directory.
pub(super) fn list(root: &Path, folder: &str) -> Vec<(String, Item)> {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return Vec::new() };
    let named = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let path = entry.path();
        Some((name, item(&path, &fs::metadata(&path).ok()?)?))
    };
    entries.filter_map(|entry| named(entry.ok()?)).collect()
}

fn item(path: &Path, found: &Metadata) -> Option<Item> {
    let since = found.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified = DateTime::from_micros(i64::try_from(since.as_micros()).unwrap_or_default());
    if found.is_dir() {
        let id = ArcStr::from(crate::uuid::named(&path.to_string_lossy()));
        return Some(Item::Folder(Folder { modified, owner: literal!("root"), id }));
    }
    // Whatever else there may be in a directory would block who reads it.
    found.is_file().then(|| {
        let content = Content::Bytes(Blob::foreign(path.to_path_buf(), found.len()));
        Item::File(File { content, modified, owner: literal!("root"), allocated: 0 })
    })
}
