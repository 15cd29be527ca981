//! A saved inventory: the directory that `govc object.save` writes.
//!
//! `NNNN-Type-value.xml` holds an object's properties; `Type-value/Method.xml` what the object answered to a method.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io, thread};

use tracing::warn;
use vimsim_simulator::SavedObject;
use vimsim_types::{Fault, Method, Moref, Namespace};
use vimsim_wire as wire;

/// Why a saved inventory cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// The directory or a file in it cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("cannot load `{}`: {}", path.display(), fault.message())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        fault: Fault,
    },
    /// There is nothing in the directory.
    #[error("`{}` holds no saved objects: it has no .xml files", .0.display())]
    Empty(PathBuf),
}

/// Reads all objects of a saved inventory, in the order of their files' names.
pub fn read_saved(folder: &Path) -> Result<Vec<SavedObject>, SavedError> {
    let (files, folders) = list(folder)?;
    if files.is_empty() {
        return Err(SavedError::Empty(folder.into()));
    }
    // Reading is most of the work of starting with a large inventory.
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let chunk = files.len().div_ceil(workers);
    let results: Vec<Result<Vec<SavedObject>, SavedError>> = thread::scope(|scope| {
        let read =
            |files: &[PathBuf]| files.iter().filter_map(|path| object(path, folder, &folders).transpose()).collect();
        let workers: Vec<_> = files.chunks(chunk).map(|files| scope.spawn(move || read(files))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a panic has been reported")).collect()
    });
    let objects: Result<Vec<Vec<SavedObject>>, SavedError> = results.into_iter().collect();
    Ok(objects?.into_iter().flatten().collect())
}

/// The files of the directory that hold objects, in order, and the names of the directories in it.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, BTreeSet<String>), SavedError> {
    let failed = |source| SavedError::Read { path: folder.into(), source };
    let (mut files, mut folders) = (Vec::new(), BTreeSet::new());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if path.is_dir() {
            folders.extend(entry.file_name().into_string().ok());
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            files.push(path);
        }
    }
    files.sort();
    Ok((files, folders))
}

/// The object in a file, with the answers beside it; `None` for one of a type that we do not know.
fn object(path: &Path, folder: &Path, folders: &BTreeSet<String>) -> Result<Option<SavedObject>, SavedError> {
    let content = read(path)?;
    let found =
        wire::decode_saved_object(&content).map_err(|fault| SavedError::Content { path: path.into(), fault })?;
    let Some((moref, properties)) = found else {
        warn!(file = %path.display(), "an object of an unknown type is left out");
        return Ok(None);
    };
    let name = folder_name(&moref);
    let answers = if folders.contains(&name) { answers(&folder.join(name))? } else { Vec::new() };
    Ok(Some(SavedObject { moref, properties, answers }))
}

fn read(path: &Path) -> Result<Vec<u8>, SavedError> {
    fs::read(path).map_err(|source| SavedError::Read { path: path.into(), source })
}

/// What an object answered to methods.
fn answers(folder: &Path) -> Result<Vec<(&'static Method, vimsim_types::Value)>, SavedError> {
    let (files, _) = list(folder)?;
    let mut answers = Vec::new();
    for path in files {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(method) = Method::find(Namespace::VIM25, name) else {
            warn!(file = %path.display(), "an answer of an unknown method is left out");
            continue;
        };
        let answer = wire::decode_saved_answer(method, &read(&path)?);
        answers.push((method, answer.map_err(|fault| SavedError::Content { path, fault })?));
    }
    Ok(answers)
}

/// `Type-value`, where the value is escaped as in the query of a URL.
fn folder_name(moref: &Moref) -> String {
    let mut name = format!("{}-", moref.kind().name());
    for byte in moref.value().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => name.push(char::from(byte)),
            b' ' => name.push('+'),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use vimsim_types::views::Network;

    use super::*;

    #[test]
    fn folders_are_named_as_govc_names_them() {
        let name = |value: &str| folder_name(&Moref::of::<Network>(value));
        assert_eq!(name("HaNetwork-VM Network"), "Network-HaNetwork-VM+Network");
        assert_eq!(name("a/b"), "Network-a%2Fb");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = read_saved(Path::new("/no/such/folder")).expect_err("there is none");
        assert_eq!(error.to_string(), "cannot read `/no/such/folder`");
    }
}
