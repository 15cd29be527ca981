//! `FileManager`: files and folders on datastores, whichever host reaches them.

use vimsim_types::method::{
    ChangeOwner, CopyDatastoreFileTask, DeleteDatastoreFileTask, MakeDirectory, MoveDatastoreFileTask,
    QueryFileLockInfo,
};
use vimsim_types::views::{FileLockInfo, FileLockInfoResult, FileManager, HostSystem, UserNotFound, VirtualMachine};
use vimsim_types::{Fault, Moref, View};

use crate::call::{Call, Look};
use crate::files::edit::{self, Author, IfThere};
use crate::files::{Place, Volume, fault, place};
use crate::kind::Kind;
use crate::walk::Inventory;

pub(crate) fn kind() -> Kind<FileManager> {
    Kind::new()
        .write(make_directory)
        .write(delete)
        .write(rename)
        .write(copy)
        .write(change_owner)
        .read(query_file_lock_info)
}

/// The place that a client names, on a datastore that can be reached.
///
/// - what [`Place::find`] raises; `InaccessibleDatastore`.
pub(crate) fn locate<T>(call: &Call<'_, T>, datacenter: Option<&Moref>, name: &str) -> Result<Place, Fault> {
    let mut place = Place::find(&**call, datacenter, name)?;
    edit::expect_accessible(call, &place.datastore)?;
    place.path = Volume::of(&**call, &place.datastore)?.named(&place.path);
    Ok(place)
}

/// Makes a folder.
///
/// - what [`locate`] and [`edit::make_folder`] raise.
fn make_directory(call: &mut Call<'_, FileManager>, request: MakeDirectory) -> Result<(), Fault> {
    let place = locate(call, request.datacenter().as_ref(), request.name())?;
    let author = Author::of(call.context());
    edit::make_folder(call, &author, &place, request.create_parent_directories() == Some(true))
}

/// Deletes a file, or a folder with what is in it.
///
/// - as faults of the task, what [`locate`] and [`edit::remove`] raise.
fn delete(call: &mut Call<'_, FileManager>, request: DeleteDatastoreFileTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let place = locate(call, request.datacenter().as_ref(), request.name())?;
        edit::remove(call, &place)
    })
}

fn if_there(force: Option<bool>) -> IfThere {
    if force == Some(true) { IfThere::Replace } else { IfThere::Fail }
}

/// Moves a file or folder. Its new datacenter is that of the old place unless it is named.
///
/// - as faults of the task, what [`locate`] and [`edit::rename`] raise.
fn rename(call: &mut Call<'_, FileManager>, request: MoveDatastoreFileTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let source = request.source_datacenter();
        let from = locate(call, source.as_ref(), request.source_name())?;
        let target = request.destination_datacenter().or(source);
        let to = locate(call, target.as_ref(), request.destination_name())?;
        let author = Author::of(call.context());
        edit::rename(call, &author, &from, &to, if_there(request.force()))
    })
}

/// Copies a file or folder. Its new datacenter is that of the old place unless it is named.
///
/// - as faults of the task, what [`locate`] and [`edit::copy`] raise.
fn copy(call: &mut Call<'_, FileManager>, request: CopyDatastoreFileTask) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let source = request.source_datacenter();
        let from = locate(call, source.as_ref(), request.source_name())?;
        let target = request.destination_datacenter().or(source);
        let to = locate(call, target.as_ref(), request.destination_name())?;
        let author = Author::of(call.context());
        edit::copy(call, &author, &from, &to, if_there(request.force()))
    })
}

/// Gives a file another owner.
///
/// - what [`locate`] raises; `FileNotFound`; `UserNotFound` without a name.
fn change_owner(call: &mut Call<'_, FileManager>, request: ChangeOwner) -> Result<(), Fault> {
    let place = locate(call, request.datacenter().as_ref(), request.name())?;
    let owner = request.owner();
    if owner.is_empty() {
        let detail = UserNotFound::with(|fault| {
            fault.set_principal(owner).set_unresolved(true);
        });
        return Err(Fault::new(detail, "a file needs an owner"));
    }
    edit::set_owner(call, &place, owner)
}

/// Who has locked a file: the hosts that run machines with it.
///
/// - what [`Place::find`] raises; `FileNotFound`.
fn query_file_lock_info(look: &Look<'_, FileManager>, request: QueryFileLockInfo) -> Result<FileLockInfoResult, Fault> {
    let host = request.host();
    let datacenter = match &host {
        Some(host) => look.snapshot().ancestor::<vimsim_types::views::Datacenter>(host),
        None => place::datacenters(look.snapshot()).into_iter().next(),
    };
    let place = Place::find(look.snapshot(), datacenter.as_ref(), request.path())?;
    let volume = Volume::of(look.snapshot(), &place.datastore)?;
    if volume.get(&place.path).is_none() {
        return Err(fault::not_found(&place.text));
    }
    let holders = volume.holders(&place.path);
    let lock = |machine: Moref| {
        let view: &VirtualMachine = look.get(&machine)?;
        let host = view.runtime().host();
        let host = host.as_ref().and_then(|host| look.snapshot().view::<HostSystem>(host));
        let address = host.and_then(|host| host.config()?.network()?.pnic().first()?.mac().to_string().into());
        Ok(FileLockInfo::with(|lock| {
            lock.set_file_path(&place.text).set_host(host.map_or("", |host| host.name()));
            lock.set_mac(address.unwrap_or_default()).set_id(machine.value()).set_world_name("vmx");
            lock.set_lock_mode("exclusive").set_acquired(view.runtime().boot_time());
        }))
    };
    let locks: Vec<FileLockInfo> = holders.into_iter().map(lock).collect::<Result<_, Fault>>()?;
    Ok(FileLockInfoResult::with(|result| _ = result.set_lock_info(locks)))
}
