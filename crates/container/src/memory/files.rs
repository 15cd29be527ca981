//! The files that were put into a container in memory.

use std::collections::BTreeMap;
use std::io::Read;

use tar::{EntryType, Header};

use crate::{PathKind, PathStat, Result, RuntimeError};

#[derive(Default)]
pub(super) struct Files(BTreeMap<String, Entry>);

struct Entry {
    stat: PathStat,
    content: Vec<u8>,
}

impl Files {
    /// Unpacks an archive in a directory.
    pub(super) fn unpack(&mut self, directory: &str, tar: &[u8]) -> Result<()> {
        let bad = |error: std::io::Error| RuntimeError::engine(error.to_string());
        for entry in tar::Archive::new(tar).entries().map_err(bad)? {
            let mut entry = entry.map_err(bad)?;
            let path = join(directory, &entry.path().map_err(bad)?.to_string_lossy());
            let link_target = entry.link_name().map_err(bad)?.map(|target| target.to_string_lossy().into_owned());
            let kind = match entry.header().entry_type() {
                EntryType::Directory => PathKind::Directory,
                EntryType::Symlink => PathKind::Link,
                EntryType::Regular => PathKind::File,
                _ => PathKind::Other,
            };
            let header = entry.header();
            let stat = PathStat {
                name: path.rsplit('/').next().unwrap_or_default().to_owned(),
                size: entry.size(),
                kind,
                permissions: header.mode().map_err(bad)? & 0o7777,
                modified: header.mtime().map_err(bad)? as i64,
                link_target,
            };
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(bad)?;
            self.0.insert(path, Entry { stat, content });
        }
        Ok(())
    }

    /// Packs a path and all below it.
    pub(super) fn pack(&self, path: &str) -> Result<Vec<u8>> {
        let path = join(path, "");
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let below = format!("{path}/");
        let mut builder = tar::Builder::new(Vec::new());
        for (name, entry) in self.0.iter().filter(|(name, _)| **name == path || name.starts_with(&below)) {
            let mut header = Header::new_gnu();
            header.set_mode(entry.stat.permissions);
            header.set_size(entry.content.len() as u64);
            header.set_mtime(entry.stat.modified.max(0) as u64);
            header.set_entry_type(match entry.stat.kind {
                PathKind::Directory => EntryType::Directory,
                PathKind::Link => EntryType::Symlink,
                PathKind::File | PathKind::Other => EntryType::Regular,
            });
            let name = name[parent.len()..].trim_start_matches('/');
            let appended = match &entry.stat.link_target {
                Some(target) => builder.append_link(&mut header, name, target),
                None => builder.append_data(&mut header, name, entry.content.as_slice()),
            };
            appended.map_err(|error| RuntimeError::engine(error.to_string()))?;
        }
        builder.into_inner().map_err(|error| RuntimeError::engine(error.to_string()))
    }

    pub(super) fn content(&self, path: &str) -> Option<Vec<u8>> {
        Some(self.0.get(&join(path, ""))?.content.clone())
    }

    pub(super) fn stat(&self, path: &str) -> Option<PathStat> {
        Some(self.0.get(&join(path, ""))?.stat.clone())
    }
}

/// An absolute path without needless slashes.
fn join(directory: &str, path: &str) -> String {
    let parts = directory.split('/').chain(path.split('/')).filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |joined, part| joined + "/" + part)
}
