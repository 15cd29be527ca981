//! What is answered when a file cannot be had.

use vimsim_types::views::{
    CannotAccessFile, CannotCreateFile, CannotDeleteFile, FileAlreadyExists, FileFault, FileLocked, FileNotFound,
    NoDiskSpace,
};
use vimsim_types::{Fault, View};

/// `FileNotFound`.
pub(crate) fn not_found(file: &str) -> Fault {
    Fault::new(FileNotFound::with(|fault| _ = fault.set_file(file)), format!("File {file} was not found"))
}

/// `FileAlreadyExists`.
pub(crate) fn already_exists(file: &str) -> Fault {
    let detail = FileAlreadyExists::with(|fault| _ = fault.set_file(file));
    Fault::new(detail, format!("Cannot complete the operation because the file or folder {file} already exists"))
}

/// `CannotCreateFile`.
pub(crate) fn cannot_create(file: &str, why: &str) -> Fault {
    Fault::new(CannotCreateFile::with(|fault| _ = fault.set_file(file)), format!("Cannot create file {file}: {why}"))
}

/// `CannotDeleteFile`.
pub(crate) fn cannot_delete(file: &str, why: &str) -> Fault {
    Fault::new(CannotDeleteFile::with(|fault| _ = fault.set_file(file)), format!("Cannot delete file {file}: {why}"))
}

/// `CannotAccessFile`.
pub(crate) fn cannot_access(file: &str, why: &str) -> Fault {
    Fault::new(CannotAccessFile::with(|fault| _ = fault.set_file(file)), format!("Unable to access file {file}: {why}"))
}

/// `FileLocked`.
pub(crate) fn locked(file: &str) -> Fault {
    let detail = FileLocked::with(|fault| _ = fault.set_file(file));
    Fault::new(detail, format!("Unable to access file {file} since it is locked by a running virtual machine"))
}

/// `FileFault`, for what has no fault of its own.
pub(crate) fn general(file: &str, why: &str) -> Fault {
    Fault::new(FileFault::with(|fault| _ = fault.set_file(file)), format!("{file}: {why}"))
}

/// `NoDiskSpace`.
pub(crate) fn no_space(file: &str, datastore: &str) -> Fault {
    let detail = NoDiskSpace::with(|fault| {
        fault.set_datastore(datastore).set_file(file);
    });
    Fault::new(detail, format!("Insufficient disk space on datastore '{datastore}' for {file}"))
}
