//! Tar archives, as engines take and give files.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use tar::{Builder, EntryType, Header};

use crate::{Result, RuntimeError};

/// Bytes as they come.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// Bytes that are all here, as a stream.
pub fn stream_of(bytes: impl Into<Bytes>) -> ByteStream {
    stream::iter([Ok(bytes.into())]).boxed()
}

/// A stream's bytes, all at once. `Engine` if it breaks off.
pub async fn bytes_of(stream: ByteStream) -> Result<Vec<u8>> {
    let append = |mut all: Vec<u8>, part: Bytes| async move {
        all.extend_from_slice(&part);
        Ok(all)
    };
    stream.try_fold(Vec::new(), append).await.map_err(|error| RuntimeError::engine(error.to_string()))
}

/// A small tar archive in the making. Everything in it belongs to root and is as old as time.
pub struct Archive {
    builder: Builder<Vec<u8>>,
    /// The first name that no archive can have, such as one with `..` in it.
    error: Option<io::Error>,
}

impl Archive {
    /// An empty archive.
    #[expect(clippy::new_without_default, reason = "an empty archive is not a useful default")]
    pub fn new() -> Self {
        Self { builder: Builder::new(Vec::new()), error: None }
    }

    /// Adds a directory.
    pub fn directory(self, path: &str, permissions: u32) -> Self {
        self.add(path, permissions, EntryType::Directory, &[])
    }

    /// Adds a file.
    pub fn file(self, path: &str, permissions: u32, content: impl AsRef<[u8]>) -> Self {
        self.add(path, permissions, EntryType::Regular, content.as_ref())
    }

    /// Adds a symbolic link.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        let result = self.builder.append_link(&mut header, relative(path), target);
        self.note(result)
    }

    fn add(mut self, path: &str, permissions: u32, kind: EntryType, content: &[u8]) -> Self {
        let mut header = header(kind, permissions, content.len());
        let result = self.builder.append_data(&mut header, relative(path), content);
        self.note(result)
    }

    fn note(mut self, result: io::Result<()>) -> Self {
        self.error = self.error.or(result.err());
        self
    }

    /// The archive's bytes. Fails if a name cannot be in an archive.
    pub fn finish(self) -> Result<Vec<u8>> {
        let result = self.error.map_or_else(|| self.builder.into_inner(), Err);
        result.map_err(|error| RuntimeError::engine(error.to_string()))
    }
}

/// Paths in an archive are relative to where it is unpacked.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn header(kind: EntryType, permissions: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(permissions);
    header.set_size(size as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}
