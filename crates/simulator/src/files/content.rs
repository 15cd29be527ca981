//! The bytes of files: in memory while they are few, in a file of the service's own directory when they are many.
//!
//! Content never changes once it is there. So a copy of a file shares it, an old snapshot goes on reading what it saw, and
//! what nobody holds any more is gone from the disk, too.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// How many bytes are kept in memory before they go to a file.
const SMALL: usize = 64 << 10;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// The directory in which a service keeps the bytes that were uploaded to it. It is made when it is first needed, and
/// removed with the service.
pub(crate) struct Scratch {
    directory: Mutex<Option<PathBuf>>,
    next: AtomicU64,
}

impl Scratch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { directory: Mutex::default(), next: AtomicU64::new(1) })
    }

    /// Makes a directory in ours that the machine's user can put files into: a datastore's.
    pub(crate) fn make_directory(&self, name: &str) -> io::Result<PathBuf> {
        // A name may have anything in it but what paths are made of.
        let path = self.root()?.join(name.replace(['/', '\\', '\0'], "_"));
        private_directory(&path)?;
        Ok(path)
    }

    /// The directory, which is made now if it was not needed before.
    fn root(&self) -> io::Result<PathBuf> {
        let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = &*directory {
            return Ok(directory.clone());
        }
        let path = std::env::temp_dir().join(format!("vimsim-{}", crate::uuid::random()));
        private_directory(&path)?;
        Ok(directory.insert(path).clone())
    }

    fn create(&self) -> io::Result<Stored> {
        let path = self.root()?.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Stored { path, file: Some(file) })
    }

    /// Removes everything. What is read at this moment is read to its end.
    pub(crate) fn remove(&self) {
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(directory) = directory
            && let Err(error) = fs::remove_dir_all(&directory)
        {
            tracing::warn!(%error, directory = %directory.display(), "cannot remove the directory of uploaded files");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Makes a directory that nobody else can read.
fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A file of [`Scratch`], removed when nobody holds it any more.
struct Stored {
    path: PathBuf,
    /// Open while it is written.
    file: Option<File>,
}

impl Stored {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or_else(|| Err(io::ErrorKind::BrokenPipe.into()), |file| file.write_all(bytes))
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        // It may be gone with its directory.
        let _ = fs::remove_file(&self.path);
    }
}

/// The checksums of some bytes, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) sha1: String,
    pub(crate) sha256: String,
}

enum Source {
    Memory(Box<[u8]>),
    Stored(Stored),
    /// A file that the machine's user put into a datastore's directory.
    Foreign(PathBuf),
    /// So many zeros.
    Zeros,
}

/// Some bytes.
pub(crate) struct Blob {
    source: Source,
    size: u64,
    digests: OnceLock<Digests>,
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.size)
    }
}

impl Blob {
    /// These bytes.
    pub(crate) fn new(bytes: impl Into<Box<[u8]>>) -> Arc<Self> {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        Arc::new(Self { source: Source::Memory(bytes), size, digests: OnceLock::new() })
    }

    /// So many zeros, which take no room.
    pub(crate) fn zeros(size: u64) -> Arc<Self> {
        Arc::new(Self { source: Source::Zeros, size, digests: OnceLock::new() })
    }

    /// A file of this machine, as it is now.
    pub(crate) fn foreign(path: PathBuf, size: u64) -> Arc<Self> {
        Arc::new(Self { source: Source::Foreign(path), size, digests: OnceLock::new() })
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether they are nothing but zeros that nobody wrote.
    pub(crate) fn is_zeros(&self) -> bool {
        matches!(self.source, Source::Zeros)
    }

    /// The bytes from `start`, `count` of them, in pieces.
    pub(crate) fn read(self: &Arc<Self>, start: u64, count: u64) -> Pieces {
        let left = count.min(self.size.saturating_sub(start));
        Pieces { blob: self.clone(), at: start, left, file: None }
    }

    /// The first bytes, at most `count`.
    pub(crate) fn head(self: &Arc<Self>, count: u64) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        for piece in self.read(0, count) {
            head.extend_from_slice(&piece?);
        }
        Ok(head)
    }

    /// The checksums; worked out once.
    pub(crate) fn digests(self: &Arc<Self>) -> io::Result<&Digests> {
        if let Some(known) = self.digests.get() {
            return Ok(known);
        }
        let mut hashes = Hashes::default();
        for piece in self.read(0, self.size) {
            hashes.update(&piece?);
        }
        Ok(self.digests.get_or_init(|| hashes.finish()))
    }
}

/// Bytes of a [`Blob`], piece by piece.
pub struct Pieces {
    blob: Arc<Blob>,
    at: u64,
    left: u64,
    file: Option<File>,
}

impl Pieces {
    fn next_piece(&mut self) -> io::Result<Vec<u8>> {
        let count = self.left.min(CHUNK as u64) as usize;
        let piece = match &self.blob.source {
            Source::Memory(bytes) => {
                let start = usize::try_from(self.at).unwrap_or(usize::MAX).min(bytes.len());
                bytes[start..bytes.len().min(start + count)].to_vec()
            }
            Source::Zeros => vec![0; count],
            Source::Stored(Stored { path, .. }) | Source::Foreign(path) => {
                let file = match &mut self.file {
                    Some(file) => file,
                    none => {
                        let mut file = File::open(path)?;
                        file.seek(SeekFrom::Start(self.at))?;
                        none.insert(file)
                    }
                };
                let mut piece = vec![0; count];
                let read = file.read(&mut piece)?;
                piece.truncate(read);
                piece
            }
        };
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += piece.len() as u64;
        self.left -= piece.len() as u64;
        Ok(piece)
    }
}

impl Iterator for Pieces {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let piece = self.next_piece();
        if piece.is_err() {
            self.left = 0;
        }
        Some(piece)
    }
}

#[derive(Default)]
struct Hashes {
    sha1: Sha1,
    sha256: Sha256,
}

impl Hashes {
    fn update(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    fn finish(self) -> Digests {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Digests { sha1: hex(&self.sha1.finalize()), sha256: hex(&self.sha256.finalize()) }
    }
}

/// Bytes that are arriving. Dropped unfinished, nothing is left of them.
pub struct Upload {
    scratch: Arc<Scratch>,
    memory: Vec<u8>,
    stored: Option<Stored>,
    size: u64,
    hashes: Hashes,
}

impl Upload {
    pub(crate) fn new(scratch: Arc<Scratch>) -> Self {
        Self { scratch, memory: Vec::new(), stored: None, size: 0, hashes: Hashes::default() }
    }

    /// Takes more bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.hashes.update(bytes);
        if self.stored.is_none() && self.memory.len() + bytes.len() <= SMALL {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let stored = match &mut self.stored {
            Some(stored) => stored,
            none => {
                let mut stored = self.scratch.create()?;
                stored.write(&std::mem::take(&mut self.memory))?;
                none.insert(stored)
            }
        };
        stored.write(bytes)
    }

    /// How many bytes have come.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// All of them.
    pub(crate) fn finish(self) -> Arc<Blob> {
        let source = match self.stored {
            Some(mut stored) => {
                stored.file = None;
                Source::Stored(stored)
            }
            None => Source::Memory(self.memory.into()),
        };
        Arc::new(Blob { source, size: self.size, digests: OnceLock::from(self.hashes.finish()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(scratch: &Arc<Scratch>, bytes: &[u8]) -> Arc<Blob> {
        let mut upload = Upload::new(scratch.clone());
        bytes.chunks(10_000).for_each(|chunk| upload.write(chunk).expect("is written"));
        upload.finish()
    }

    fn files(scratch: &Scratch) -> Option<usize> {
        let directory = scratch.directory.lock().expect("no panic").clone()?;
        Some(fs::read_dir(directory).expect("is there").count())
    }

    #[test]
    fn little_stays_in_memory_and_much_goes_to_a_file() {
        let scratch = Scratch::new();
        let small = upload(&scratch, &[7; SMALL]);
        assert_eq!((small.size(), files(&scratch)), (SMALL as u64, None));
        let bytes: Vec<u8> = (0..3 * CHUNK + 5).map(|at| at as u8).collect();
        let large = upload(&scratch, &bytes);
        assert_eq!(files(&scratch), Some(1));
        let read: Vec<u8> = large.read(0, u64::MAX).flat_map(|piece| piece.expect("is read")).collect();
        assert_eq!(read, bytes);
        let part: Vec<u8> = large.read(300_000, 10).flat_map(|piece| piece.expect("is read")).collect();
        assert_eq!(part, bytes[300_000..300_010]);
        drop(large);
        assert_eq!(files(&scratch), Some(0));
    }

    #[test]
    fn an_upload_that_is_given_up_leaves_nothing() {
        let scratch = Scratch::new();
        let mut upload = Upload::new(scratch.clone());
        upload.write(&[1; SMALL + 1]).expect("is written");
        assert_eq!(files(&scratch), Some(1));
        drop(upload);
        assert_eq!(files(&scratch), Some(0));
        let directory = scratch.directory.lock().expect("no panic").clone().expect("was made");
        drop(scratch);
        assert!(!directory.exists());
    }

    #[test]
    fn checksums_are_those_of_the_bytes() {
        let scratch = Scratch::new();
        let digests = upload(&scratch, b"Hello world\n").digests().expect("are there").clone();
        assert_eq!(digests.sha1, "33ab5639bfd8e7b95eb1d8d0b87781d4ffea4d5d");
        assert_eq!(Blob::new(*b"Hello world\n").digests().expect("are there"), &digests);
        let zeros: Vec<u8> = Blob::zeros(3).read(1, 9).flat_map(|piece| piece.expect("is read")).collect();
        assert_eq!(zeros, [0, 0]);
    }
}
