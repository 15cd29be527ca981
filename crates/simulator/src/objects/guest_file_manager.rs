//! `GuestFileManager`: files in guests. What is done is in [`crate::guest`]; all methods raise what [`Guest::enter`] does.

use vimsim_types::Fault;
use vimsim_types::method::{
    ChangeFileAttributesInGuest, CreateTemporaryDirectoryInGuest, CreateTemporaryFileInGuest, DeleteDirectoryInGuest,
    DeleteFileInGuest, InitiateFileTransferFromGuest, InitiateFileTransferToGuest, ListFilesInGuest,
    MakeDirectoryInGuest, MoveDirectoryInGuest, MoveFileInGuest,
};
use vimsim_types::views::{FileTransferInformation, GuestFileManager, GuestListFileInfo};

use crate::call::Wait;
use crate::guest::Guest;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<GuestFileManager> {
    Kind::new()
        .wait(make_directory)
        .wait(delete_file)
        .wait(delete_directory)
        .wait(move_directory)
        .wait(move_file)
        .wait(create_temporary_file)
        .wait(create_temporary_directory)
        .wait(list_files)
        .wait(change_file_attributes)
        .wait(initiate_file_transfer_from_guest)
        .wait(initiate_file_transfer_to_guest)
}

async fn make_directory(wait: Wait, request: MakeDirectoryInGuest) -> Result<(), Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    guest.make_directory(request.directory_path(), request.create_parent_directories()).await
}

async fn delete_file(wait: Wait, request: DeleteFileInGuest) -> Result<(), Fault> {
    Guest::enter(&wait, &request.vm(), request.auth())?.delete_file(request.file_path()).await
}

async fn delete_directory(wait: Wait, request: DeleteDirectoryInGuest) -> Result<(), Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    guest.delete_directory(request.directory_path(), request.recursive()).await
}

async fn move_directory(wait: Wait, request: MoveDirectoryInGuest) -> Result<(), Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    guest.move_path(request.src_directory_path(), request.dst_directory_path(), true, false).await
}

async fn move_file(wait: Wait, request: MoveFileInGuest) -> Result<(), Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    guest.move_path(request.src_file_path(), request.dst_file_path(), false, request.overwrite()).await
}

async fn create_temporary_file(wait: Wait, request: CreateTemporaryFileInGuest) -> Result<String, Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    let folder = request.directory_path().map(|path| path.as_str());
    guest.make_temporary(folder, request.prefix(), request.suffix(), false).await
}

async fn create_temporary_directory(wait: Wait, request: CreateTemporaryDirectoryInGuest) -> Result<String, Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    let folder = request.directory_path().map(|path| path.as_str());
    guest.make_temporary(folder, request.prefix(), request.suffix(), true).await
}

async fn list_files(wait: Wait, request: ListFilesInGuest) -> Result<GuestListFileInfo, Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    let number = |value: Option<i32>, name: &str| {
        let value = value.unwrap_or_default();
        usize::try_from(value).map_err(|_| Fault::invalid_argument(name, format!("{value} is less than nothing")))
    };
    let pattern = request.match_pattern().map(|pattern| pattern.as_str());
    let (index, most) = (number(request.index(), "index")?, number(request.max_results(), "maxResults")?);
    guest.list_files(request.file_path(), pattern, index, most).await
}

async fn change_file_attributes(wait: Wait, request: ChangeFileAttributesInGuest) -> Result<(), Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    guest.change_attributes(request.guest_file_path(), request.file_attributes()).await
}

async fn initiate_file_transfer_from_guest(
    wait: Wait,
    request: InitiateFileTransferFromGuest,
) -> Result<FileTransferInformation, Fault> {
    Guest::enter(&wait, &request.vm(), request.auth())?.offer(request.guest_file_path()).await
}

async fn initiate_file_transfer_to_guest(wait: Wait, request: InitiateFileTransferToGuest) -> Result<String, Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    guest.accept(request.guest_file_path(), request.file_attributes(), request.overwrite()).await
}
