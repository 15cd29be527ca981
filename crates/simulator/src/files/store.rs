//! What a datastore keeps of its files: those that clients made, and those of machines that clients changed or deleted.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use vimsim_types::views::VirtualMachineConfigInfo;
use vimsim_types::{ArcStr, DateTime, View};

use super::content::Blob;
use super::disk::Disk;
use super::{machine, path, renamed};

/// What is in a file.
#[derive(Clone)]
pub(crate) enum Content {
    /// These bytes.
    Bytes(Arc<Blob>),
    /// The descriptor of a virtual disk.
    Disk(Arc<Disk>),
    /// The configuration of a virtual machine: a `.vmx` file.
    Machine(VirtualMachineConfigInfo),
}

impl Content {
    /// The bytes that a client reads from the file of this name.
    pub(crate) fn bytes(&self, name: &str) -> Arc<Blob> {
        match self {
            Self::Bytes(blob) => blob.clone(),
            Self::Disk(disk) => match &disk.stream {
                Some(stream) => stream.clone(),
                None => Blob::new(disk.descriptor(name).into_bytes()),
            },
            Self::Machine(config) => Blob::new(machine::configuration_text(config.as_object()).into_bytes()),
        }
    }
}

/// A file.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) content: Content,
    pub(crate) modified: DateTime,
    pub(crate) owner: ArcStr,
    /// The bytes of the datastore that it takes beside what machines take of it.
    pub(crate) allocated: i64,
}

impl File {
    /// How many bytes were written into this file of a disk's data, if any were.
    pub(crate) fn data_of_extent(&self) -> Option<i64> {
        match &self.content {
            Content::Bytes(blob) if !blob.is_zeros() => Some(i64::try_from(blob.size()).unwrap_or(i64::MAX)),
            _ => None,
        }
    }

    /// How many bytes were uploaded as the disk of this descriptor, if it came with its data.
    pub(crate) fn data_of_descriptor(&self) -> Option<i64> {
        let stream = match &self.content {
            Content::Disk(disk) => disk.stream.clone()?,
            Content::Bytes(blob) if !blob.is_zeros() => {
                Disk::parse(&blob.head(64 << 10).ok()?).filter(|disk| disk.kind == "sparseMonolithic")?;
                blob.clone()
            }
            _ => return None,
        };
        Some(i64::try_from(stream.size()).unwrap_or(i64::MAX))
    }
}

/// A folder.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) modified: DateTime,
    pub(crate) owner: ArcStr,
    /// The name of the object that a folder at the top of a vSAN datastore is.
    pub(crate) id: ArcStr,
}

/// What is at a path.
#[derive(Clone)]
pub(crate) enum Item {
    Folder(Folder),
    File(File),
}

/// What is kept at a path.
#[derive(Clone)]
pub(super) enum Entry {
    Is(Item),
    /// A file that its machine thinks it has was deleted.
    Gone,
}

/// The files that a datastore keeps, and the space in use. Cloning it shares everything.
#[derive(Clone, Default)]
pub(crate) struct Files {
    /// The bytes in use; unknown while nobody asked, as that of a saved inventory.
    pub(crate) used: Option<i64>,
    /// How many folders were ever made.
    pub(super) made: u64,
    /// The directory of this machine whose files are seen here as well, where nothing else is.
    pub(crate) directory: Option<Arc<Path>>,
    /// The files of disks that have changed since machines were last told.
    changed: Vec<ArcStr>,
    entries: Map<ArcStr, Entry>,
}

impl Files {
    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Whether a file was deleted that its machine thinks it has.
    pub(crate) fn is_gone(&self, path: &str) -> bool {
        matches!(self.get(path), Some(Entry::Gone))
    }

    pub(super) fn set(&mut self, path: &str, entry: Entry) {
        self.note(path);
        self.entries.insert_mut(path.into(), entry);
    }

    pub(super) fn remove(&mut self, path: &str) -> Option<Entry> {
        let known = self.entries.get(path).cloned()?;
        self.entries.remove_mut(path);
        self.note(path);
        Some(known)
    }

    /// Remembers that the file of a disk has changed.
    fn note(&mut self, path: &str) {
        if path.ends_with(".vmdk") {
            self.changed.push(path.into());
        }
    }

    /// Whether files of disks have changed.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The files of disks that have changed, once.
    pub(super) fn take_changed(&mut self) -> Vec<ArcStr> {
        std::mem::take(&mut self.changed)
    }

    /// What was written into a disk that grows with use: in how many bytes, and when.
    pub(super) fn written(&self, descriptor: &str, extent: &str) -> Option<(i64, DateTime)> {
        let file = |path: &str| match self.get(path) {
            Some(Entry::Is(Item::File(file))) => Some(file),
            _ => None,
        };
        let found = file(extent).and_then(|data| Some((data.data_of_extent()?, data.modified)));
        found.or_else(|| file(descriptor).and_then(|file| Some((file.data_of_descriptor()?, file.modified))))
    }

    /// What is kept below a folder, by path.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a ArcStr, &'a Entry)> {
        let (first, end) = match folder {
            "" => (Bound::Unbounded, Bound::Unbounded),
            // `0` comes after `/`.
            folder => (Bound::Excluded(format!("{folder}/")), Bound::Excluded(format!("{folder}0"))),
        };
        let as_text = |bound: &Bound<String>| bound.as_ref().map(|text| ArcStr::from(text.as_str()));
        let range = (as_text(&first), as_text(&end));
        self.entries.range(range).filter(move |(known, _)| path::below(known, folder).is_some())
    }

    /// Puts another name of the datastore into the descriptors and configurations that are kept.
    pub(super) fn rename(&mut self, old: &str, new: &str) {
        let renamed: Vec<(ArcStr, Entry)> = self
            .entries
            .iter()
            .filter_map(|(path, entry)| {
                let Entry::Is(Item::File(file)) = entry else { return None };
                let content = match &file.content {
                    Content::Disk(disk) => {
                        let parent = Some(renamed::path(disk.parent.as_deref()?, old, new)?);
                        Content::Disk(Arc::new(Disk { parent, ..Disk::clone(disk) }))
                    }
                    Content::Machine(config) => Content::Machine(renamed::configuration(config, old, new)?),
                    Content::Bytes(_) => return None,
                };
                Some((path.clone(), Entry::Is(Item::File(File { content, ..file.clone() }))))
            })
            .collect();
        for (path, entry) in renamed {
            self.entries.insert_mut(path, entry);
        }
    }

    /// Whether nothing is kept at all.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_what_is_below_it() {
        let mut files = Files::default();
        for path in ["a", "a-b", "a/b", "a/b/c", "a0", "ab"] {
            files.set(path, Entry::Gone);
        }
        let below: Vec<&str> = files.below("a").map(|(path, _)| path.as_str()).collect();
        assert_eq!(below, ["a/b", "a/b/c"]);
        assert_eq!(files.below("").count(), 6);
        assert!(files.remove("a").is_some() && files.remove("a").is_none());
    }
}
