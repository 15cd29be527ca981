//! `HostDatastoreSystem`: the datastores that a host mounts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use vimsim_types::enums::{HostMountMode, VirtualMachinePowerState};
use vimsim_types::method::{
    ConfigureDatastorePrincipal, CreateLocalDatastore, CreateNasDatastore, QueryMaxQueueDepth, RemoveDatastore,
    RemoveDatastoreExTask, SetMaxQueueDepth,
};
use vimsim_types::views::{
    AlreadyExists, Datacenter, Datastore, DatastoreEventArgument, DuplicateName, HostConfigFault, HostDatastoreSystem,
    HostDatastoreSystemDatastoreResult, HostNasVolumeSpec, HostSystem, InvalidName, InvalidState,
    LocalDatastoreCreatedEvent, LocalDatastoreInfo, NASDatastoreCreatedEvent, NasDatastoreInfo, NotFound,
    VirtualMachine,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::{datastore, host_managers, managed_entity};
use crate::call::{Call, Look};
use crate::files::Files;
use crate::kind::Kind;
use crate::luns;

pub(crate) fn kind() -> Kind<HostDatastoreSystem> {
    luns::add_to_datastore_system(Kind::new())
        .write(create_local_datastore)
        .write(create_nas_datastore)
        .write(remove_datastore)
        .write(remove_datastore_ex)
        .write(configure_principal)
        .write(set_max_queue_depth)
        .read(query_max_queue_depth)
}

/// Says as whom the host's machines reach files on NFS.
///
/// - `InvalidState` while machines are on; `HostConfigFault` for a user without a name; `HostNotConnected`.
fn configure_principal(
    call: &mut Call<'_, HostDatastoreSystem>,
    request: ConfigureDatastorePrincipal,
) -> Result<(), Fault> {
    let host = host(call)?;
    host_managers::edit_config(call)?;
    let machines = call.get::<HostSystem>(&host)?.vm().iter().collect::<Vec<_>>();
    let is_on = |machine: &Moref| {
        let machine = call.view::<VirtualMachine>(machine);
        machine.is_some_and(|it| it.runtime().power_state() != VirtualMachinePowerState::PoweredOff)
    };
    if machines.iter().any(is_on) {
        return Err(Fault::new(InvalidState::new(), "virtual machines are on"));
    }
    if request.user_name().is_empty() {
        return Err(Fault::new(HostConfigFault::new(), "the user has no name"));
    }
    host_managers::edit_config(call)?.set_datastore_principal(request.user_name());
    Ok(())
}

/// How many requests may wait for an NFS datastore, where somebody has said it.
type Depths = BTreeMap<Moref, i64>;
/// How many may where nobody has: the first value of `NFS.MaxQueueDepth`.
const DEPTH: i64 = 4_294_967_295;

/// `NotFound` unless the host mounts this datastore over NFS.
fn expect_nfs(inventory: &impl crate::walk::Inventory, host: &HostSystem, moref: &Moref) -> Result<(), Fault> {
    let datastore = inventory.seen::<Datastore>(moref).filter(|_| host.datastore().contains(moref));
    let is_nfs = datastore.is_some_and(|datastore| datastore.info().as_object().is::<NasDatastoreInfo>());
    if is_nfs { Ok(()) } else { Err(Fault::new(NotFound::new(), format!("the host mounts no {moref} over NFS"))) }
}

/// Says how many requests may wait for an NFS datastore.
///
/// - `NotFound` for a datastore that the host does not mount over NFS; `InvalidArgument` for less than one request.
fn set_max_queue_depth(call: &mut Call<'_, HostDatastoreSystem>, request: SetMaxQueueDepth) -> Result<(), Fault> {
    let (this, host) = (call.moref(), host(call)?);
    host_managers::edit_config(call)?;
    expect_nfs(&**call, call.get(&host)?, &request.datastore())?;
    if !(1..=DEPTH).contains(&request.max_qdepth()) {
        return Err(Fault::invalid_argument("maxQdepth", "is no number of requests"));
    }
    let mut depths = host_managers::kept::<Depths>(&**call, &this).cloned().unwrap_or_default();
    depths.insert(request.datastore(), request.max_qdepth());
    host_managers::keep(call, &this, depths)
}

/// How many requests may wait for an NFS datastore.
///
/// - `NotFound` for a datastore that the host does not mount over NFS.
fn query_max_queue_depth(look: &Look<'_, HostDatastoreSystem>, request: QueryMaxQueueDepth) -> Result<i64, Fault> {
    expect_nfs(look.snapshot(), host_managers::look_host(look)?, &request.datastore())?;
    let depths = host_managers::kept::<Depths>(look.snapshot(), look.moref());
    Ok(depths.and_then(|depths| depths.get(&request.datastore()).copied()).unwrap_or(DEPTH))
}

/// Creates a datastore over a directory of the host.
///
/// - `InvalidName` for a name or a path that is empty or too long;
/// - `DuplicateName` if the host has a datastore of this name, or the datacenter one over another directory.
// Fidelity: a second host that creates the same datastore mounts it, as in vcsim, where a directory is one for all hosts.
fn create_local_datastore(
    call: &mut Call<'_, HostDatastoreSystem>,
    request: CreateLocalDatastore,
) -> Result<Moref, Fault> {
    let host = host(call)?;
    create_local(call, &host, request.name(), request.path(), None)
}

/// [`create_local_datastore`] of `host`; a new datastore goes into `folder`, or else into its datacenter's own.
pub(crate) fn create_local<T>(
    call: &mut Call<'_, T>,
    host: &Moref,
    name: &str,
    path: &str,
    folder: Option<&Moref>,
) -> Result<Moref, Fault> {
    if path.is_empty() {
        return Err(Fault::new(InvalidName::with(|fault| _ = fault.set_name(path)), "the path is empty"));
    }
    let (datacenter, folder) = place(call, host, folder)?;
    expect_not_mounted(call, host, name)?;
    let moref = match find(call, &datacenter, name) {
        Some(known) if is_over(call, &known, path) => known,
        Some(known) => return Err(duplicate(name, &known)),
        None => {
            let name = managed_entity::check_name(call, &folder, name)?;
            let volume = datastore::volume_id(&crate::uuid::named(&format!("{datacenter}/{name}/{path}")));
            // Fidelity: vcsim's URL is a directory that it makes; ours names a volume, unless we are to be vcsim.
            let directory = directory(call, &datacenter, &name)?;
            let url = match &directory {
                Some(directory) => directory.to_string_lossy().into_owned(),
                None => format!("ds:///vmfs/volumes/{volume}/"),
            };
            let info = LocalDatastoreInfo::with(|info| {
                info.set_url(url);
                info.set_path(path);
            });
            let moref = datastore::create(call, &folder, &name, "OTHER", info)?;
            if directory.is_some() {
                call.private::<Files>(&moref)?.directory = directory.map(Arc::from);
            }
            moref
        }
    };
    let mount_path = mount_path(call.get(&moref)?);
    datastore::mount(call, &moref, host, &mount_path, HostMountMode::ReadWrite.name())?;
    datastore::set_local_capacity(call.edit::<Datastore>(&moref)?);
    let (argument, url) = argument(call, &moref)?;
    call.post(
        host,
        LocalDatastoreCreatedEvent::with(|event| {
            event.set_datastore(argument).set_datastore_url(url);
        }),
    )?;
    Ok(moref)
}

/// The directory of this machine for a datastore of the model, if it is to have one.
///
/// - `HostConfigFault` if it cannot be made.
fn directory<T>(call: &Call<'_, T>, datacenter: &Moref, name: &str) -> Result<Option<PathBuf>, Fault> {
    let service = &call.context().service;
    if !service.config().datastore_directories || !call.context().at_once {
        return Ok(None);
    }
    let name = match call.view::<Datacenter>(datacenter) {
        Some(datacenter) => format!("{}-{name}", datacenter.name()),
        None => name.into(),
    };
    let made = service.scratch().make_directory(&name);
    made.map(Some).map_err(|error| Fault::new(HostConfigFault::new(), format!("no directory for '{name}': {error}")))
}

/// The host whose datastore system this is.
pub(crate) fn host(call: &Call<'_, HostDatastoreSystem>) -> Result<Moref, Fault> {
    let this = call.moref();
    host_managers::host_of(call, &this).ok_or_else(|| crate::call::not_found(&this))
}

/// The datacenter of a host, and where a new datastore goes.
pub(crate) fn place<T>(call: &Call<'_, T>, host: &Moref, folder: Option<&Moref>) -> Result<(Moref, Moref), Fault> {
    let datacenter = call.datacenter_of(host);
    let datacenter = datacenter.ok_or_else(|| Fault::new(HostConfigFault::new(), "the host is in no datacenter"))?;
    let own = call.get::<Datacenter>(&datacenter)?.datastore_folder();
    Ok((datacenter, folder.cloned().unwrap_or(own)))
}

fn named<T>(call: &Call<'_, T>, moref: &Moref, name: &str) -> bool {
    call.view::<Datastore>(moref).is_some_and(|datastore| *datastore.name() == managed_entity::escape(name).as_str())
}

fn find<T>(call: &Call<'_, T>, datacenter: &Moref, name: &str) -> Option<Moref> {
    call.view::<Datacenter>(datacenter)?.datastore().iter().find(|moref| named(call, moref, name))
}

fn duplicate(name: &str, known: &Moref) -> Fault {
    DuplicateName::with(|fault| {
        fault.set_name(name);
        fault.set_object(known.clone());
    })
    .into()
}

/// `DuplicateName` if the host, or another of its datacenter, has a datastore of this name.
pub(crate) fn expect_new<T>(call: &Call<'_, T>, host: &Moref, name: &str) -> Result<(), Fault> {
    expect_not_mounted(call, host, name)?;
    let (datacenter, _) = place(call, host, None)?;
    find(call, &datacenter, name).map_or(Ok(()), |known| Err(duplicate(name, &known)))
}

/// `DuplicateName` if the host mounts a datastore of this name.
fn expect_not_mounted<T>(call: &Call<'_, T>, host: &Moref, name: &str) -> Result<(), Fault> {
    match call.get::<HostSystem>(host)?.datastore().iter().find(|moref| named(call, moref, name)) {
        Some(known) => Err(duplicate(name, &known)),
        None => Ok(()),
    }
}

fn is_over<T>(call: &Call<'_, T>, moref: &Moref, path: &str) -> bool {
    let info = call.view::<Datastore>(moref).and_then(|datastore| datastore.info().downcast::<LocalDatastoreInfo>());
    info.and_then(|info| info.path()).is_some_and(|known| known == path)
}

/// Where hosts mount the datastore: `/vmfs/volumes/` and the volume.
fn mount_path(datastore: &Datastore) -> String {
    let url = datastore.summary().url();
    url.strip_prefix("ds://").unwrap_or(url).trim_end_matches('/').to_string()
}

fn argument<T>(call: &Call<'_, T>, moref: &Moref) -> Result<(DatastoreEventArgument, ArcStr), Fault> {
    let datastore = call.get::<Datastore>(moref)?;
    let argument = DatastoreEventArgument::with(|argument| {
        argument.set_datastore(moref.clone());
        argument.set_name(datastore.name());
    });
    Ok((argument, datastore.summary().url().clone()))
}

/// Mounts an NFS or CIFS export as a datastore. Hosts that mount the same export under the same name share it.
///
/// - `InvalidArgument` without a remote host, path, or a name, or for an access mode or type that there is not;
/// - `DuplicateName` if the host has a datastore of this name, or the datacenter one of another export;
/// - `AlreadyExists` if the host mounts the export under another name.
fn create_nas_datastore(call: &mut Call<'_, HostDatastoreSystem>, request: CreateNasDatastore) -> Result<Moref, Fault> {
    let host = host(call)?;
    let spec = request.spec();
    check_nas(spec)?;
    let name = spec.local_path();
    let (datacenter, folder) = place(call, &host, None)?;
    expect_not_mounted(call, &host, name)?;
    if let Some(known) = call.get::<HostSystem>(&host)?.datastore().iter().find(|moref| is_export(call, moref, spec)) {
        let known = call.get::<Datastore>(&known)?.name().clone();
        let why = format!("the host mounts the export already, as '{known}'");
        return Err(Fault::new(AlreadyExists::with(|fault| _ = fault.set_name(known)), why));
    }
    let moref = match find(call, &datacenter, name) {
        Some(known) if is_export(call, &known, spec) => known,
        Some(known) => return Err(duplicate(name, &known)),
        None => create_nas(call, &folder, spec)?,
    };
    let mount_path = mount_path(call.get(&moref)?);
    datastore::mount(call, &moref, &host, &mount_path, spec.access_mode())?;
    let (argument, url) = argument(call, &moref)?;
    call.post(
        &host,
        NASDatastoreCreatedEvent::with(|event| {
            event.set_datastore(argument).set_datastore_url(url);
        }),
    )?;
    Ok(moref)
}

fn check_nas(spec: &HostNasVolumeSpec) -> Result<(), Fault> {
    for (property, value) in
        [("remoteHost", spec.remote_host()), ("remotePath", spec.remote_path()), ("localPath", spec.local_path())]
    {
        if value.is_empty() {
            return Err(Fault::invalid_argument(&format!("spec.{property}"), "is empty"));
        }
    }
    if HostMountMode::from_name(spec.access_mode()).is_none() {
        return Err(Fault::invalid_argument("spec.accessMode", format!("'{}' is none", spec.access_mode())));
    }
    let kind = nas_type(spec);
    if ["NFS", "NFS41", "CIFS"].contains(&kind.as_str()) {
        return Ok(());
    }
    Err(Fault::invalid_argument("spec.type", format!("'{kind}' is none of NFS, NFS41, CIFS")))
}

/// The type of the export, which clients write in any case.
fn nas_type(spec: &HostNasVolumeSpec) -> String {
    match spec.type_().map(|kind| kind.to_ascii_uppercase()) {
        Some(kind) if !kind.is_empty() => kind,
        _ => "NFS".into(),
    }
}

fn is_export<T>(call: &Call<'_, T>, moref: &Moref, spec: &HostNasVolumeSpec) -> bool {
    let info = call.view::<Datastore>(moref).and_then(|datastore| datastore.info().downcast::<NasDatastoreInfo>());
    let volume = info.and_then(|info| info.nas());
    volume.is_some_and(|nas| nas.remote_host() == spec.remote_host() && nas.remote_path() == spec.remote_path())
}

fn create_nas<T>(call: &mut Call<'_, T>, folder: &Moref, spec: &HostNasVolumeSpec) -> Result<Moref, Fault> {
    let name = managed_entity::check_name(call, folder, spec.local_path())?;
    // As hosts do, the volume's identifier follows from the export: it is the same on every host.
    let export = crate::uuid::named(&format!("{}:{}", spec.remote_host(), spec.remote_path()));
    let volume = datastore::volume_id(&export);
    let volume: String = volume.chars().filter(|c| *c != '-').collect();
    let (first, second) = volume.split_at(8);
    let info = NasDatastoreInfo::with(|info| {
        info.set_url(format!("ds:///vmfs/volumes/{first}-{}/", &second[..8]));
        let nas = info.nas_mut();
        nas.set_type(nas_type(spec)).set_name(&name).set_capacity(datastore::BYTES_PER_HOST);
        nas.set_remote_host(spec.remote_host()).set_remote_path(spec.remote_path()).set_user_name(spec.user_name());
        let names: Vec<ArcStr> = spec.remote_host_names().iter().cloned().collect();
        nas.set_remote_host_names(if names.is_empty() { vec![spec.remote_host().clone()] } else { names });
        nas.set_security_type(spec.security_type()).set_protocol_endpoint(false);
    });
    let moref = datastore::create(call, folder, &name, &nas_type(spec), info)?;
    datastore::set_capacity(call.edit::<Datastore>(&moref)?, datastore::BYTES_PER_HOST);
    Ok(moref)
}

/// Unmounts a datastore from the host; one that no other host mounts leaves the inventory. A VMFS volume is deleted, for all
/// hosts.
///
/// - `NotFound` if the host does not mount it;
/// - `ResourceInUse` while virtual machines on this host use it, or any if this is its last host.
fn remove_datastore(call: &mut Call<'_, HostDatastoreSystem>, request: RemoveDatastore) -> Result<(), Fault> {
    let host = host(call)?;
    remove(call, &host, &request.datastore())
}

fn remove<T>(call: &mut Call<'_, T>, host: &Moref, moref: &Moref) -> Result<(), Fault> {
    let properties = call.get::<HostSystem>(host)?;
    let datastore = call.get::<Datastore>(moref)?;
    if !properties.datastore().contains(moref) {
        let why = format!("the host '{}' does not mount '{}'", properties.name(), datastore.name());
        return Err(Fault::new(NotFound::new(), why));
    }
    if datastore.host().len() == 1 || luns::is_volume(datastore) {
        return datastore::destroy(&mut call.on(moref));
    }
    datastore::expect_unused(call, moref, host)?;
    datastore::unmount(call, moref, host)
}

/// [`remove_datastore`] of several, each for itself: the task's result says which failed.
fn remove_datastore_ex(
    call: &mut Call<'_, HostDatastoreSystem>,
    request: RemoveDatastoreExTask,
) -> Result<Moref, Fault> {
    let host = host(call)?;
    call.start_task(move |call| {
        let result = |call: &mut Call<'_, HostDatastoreSystem>, datastore: Moref| {
            let outcome = remove(call, &host, &datastore);
            HostDatastoreSystemDatastoreResult::with(|result| {
                result.set_key(datastore);
                if let Err(fault) = outcome {
                    result.set_fault(fault.localized());
                }
            })
        };
        Ok(request.datastore().iter().map(|datastore| result(call, datastore)).collect::<Vec<_>>())
    })
}
