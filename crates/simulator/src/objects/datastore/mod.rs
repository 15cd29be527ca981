//! `Datastore`: where virtual machine files are.
//!
//! `datastore.host` and `host.datastore` are kept both ways here, `datastore.vm` and `vm.datastore` by
//! `virtual_machine::places`; `summary` and `info` follow from them and from the space that is in use.

pub(crate) mod maintenance;

use vimsim_registry::Transaction;
use vimsim_types::enums::{DatastoreSummaryMaintenanceModeState, VirtualMachinePowerState};
use vimsim_types::method::{
    DestroyDatastore, IsClusteredVmdkEnabled, RefreshDatastore, RefreshDatastoreStorageInfo, RenameDatastore,
    UpdateVirtualMachineFilesTask,
};
use vimsim_types::views::{
    Datacenter, Datastore, DatastoreDestroyedEvent, DatastoreEventArgument, DatastoreHostMount, DatastoreInfo,
    HostDatastoreBrowser, HostSystem, InsufficientStorageSpace, InvalidDatastore, InvalidPowerState,
    LocalDatastoreInfo, NotSupported, StorageIORMInfo, UpdateVirtualMachineFilesResult,
    UpdateVirtualMachineFilesResultFailedVmFileInfo, VirtualMachine, VsanDatastoreInfo,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::virtual_machine::disk;
use super::{folder, host_datastore_browser, managed_entity, network, storage_pod};
use crate::call::Call;
use crate::files::{Files, machine, renamed};
use crate::kind::Kind;
use crate::luns;
use crate::walk::remove_reference;

pub(crate) fn kind() -> Kind<Datastore> {
    managed_entity::kind()
        .write(refresh)
        .write(refresh_storage_info)
        .write(rename_datastore)
        .write(destroy_datastore)
        .write(maintenance::enter)
        .write(maintenance::exit)
        .write(update_virtual_machine_files)
        .read(|look: &crate::call::Look<'_, Datastore>, _: IsClusteredVmdkEnabled| look.this().map(|_| false))
        .derive(derive)
        .destroy(destroy)
}

/// What a local datastore offers on each host that mounts it.
// Fidelity: a local datastore of vcsim has 1 TiB for each host; a real one has what its disk has.
pub(crate) const BYTES_PER_HOST: i64 = 1 << 40;

/// The identifier of a volume, as hosts form it: that of a UUID with its digits grouped in 8, 8, 4 and 12.
pub(crate) fn volume_id(uuid: &str) -> String {
    let digits: String = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    match (digits.get(..8), digits.get(8..16), digits.get(16..20), digits.get(20..32)) {
        (Some(a), Some(b), Some(c), Some(d)) => format!("{a}-{b}-{c}-{d}"),
        _ => digits,
    }
}

/// Adds a datastore with its browser to `folder`. `info` says of what type it is and where; nobody mounts it yet.
pub(crate) fn create<T>(
    call: &mut Call<'_, T>,
    folder: &Moref,
    name: &str,
    kind: &str,
    info: impl View,
) -> Result<Moref, Fault> {
    let moref = call.create_moref(Datastore::TYPE);
    let browser = call.create_moref(HostDatastoreBrowser::TYPE);
    call.insert(browser.clone(), host_datastore_browser::properties([moref.clone()]));
    let now = call.now();
    let mut datastore = Datastore::new();
    managed_entity::initialize(&mut datastore, name, folder);
    datastore.as_object_mut().set(Datastore::INFO, vimsim_types::Value::Object(info.into()));
    let url = {
        let info = datastore.info_mut();
        info.set_name(name).set_free_space(0).set_max_file_size(0).set_max_memory_file_size(0);
        info.set_timestamp(now);
        info.url().clone()
    };
    let summary = datastore.summary_mut();
    summary.set_datastore(moref.clone()).set_name(name).set_url(url).set_type(kind);
    // Nothing is uncommitted: what thin disks may grow to is taken from the free space already (`places::account`).
    summary.set_capacity(0).set_free_space(0).set_uncommitted(0).set_accessible(false);
    summary.set_multiple_host_access(false).set_maintenance_mode(DatastoreSummaryMaintenanceModeState::Normal.name());
    datastore.set_host(std::iter::empty::<DatastoreHostMount>());
    datastore.set_vm(std::iter::empty::<Moref>());
    datastore.set_browser(browser);
    let capability = datastore.capability_mut();
    capability.set_directory_hierarchy_supported(true).set_raw_disk_mappings_supported(false);
    capability.set_per_file_thin_provisioning_supported(true).set_storage_iorm_supported(false);
    capability.set_native_snapshot_supported(false).set_top_level_directory_create_supported(true);
    capability.set_se_sparse_supported(false).set_vmfs_sparse_supported(true).set_vsan_sparse_supported(false);
    capability.set_upit_supported(false).set_vmdk_expand_supported(true).set_clustered_vmdk_supported(false);
    datastore.set_iorm_configuration(io_control());
    call.insert(moref.clone(), datastore);
    folder::add_child(call, folder, &moref)?;
    if let Some(datacenter) = call.datacenter_of(folder) {
        call.edit::<Datacenter>(&datacenter)?.push_datastore(moref.clone());
    }
    Ok(moref)
}

/// Storage I/O Control, off, with the defaults of the API reference.
fn io_control() -> StorageIORMInfo {
    StorageIORMInfo::with(|info| {
        info.set_enabled(false).set_congestion_threshold_mode("automatic").set_congestion_threshold(30);
        info.set_percent_of_peak_throughput(90).set_stats_collection_enabled(false);
        info.set_reservation_enabled(false).set_stats_aggregation_disabled(false);
    })
}

/// Mounts the datastore on a host.
pub(crate) fn mount<T>(
    call: &mut Call<'_, T>,
    datastore: &Moref,
    host: &Moref,
    path: &str,
    access_mode: &str,
) -> Result<(), Fault> {
    let mount = DatastoreHostMount::with(|mount| {
        mount.set_key(host.clone());
        let info = mount.mount_info_mut();
        info.set_path(path).set_access_mode(access_mode).set_mounted(true).set_accessible(true);
    });
    call.edit::<Datastore>(datastore)?.push_host(mount);
    call.edit::<HostSystem>(host)?.push_datastore(datastore.clone());
    network::touch_parent(call, host)
}

/// `ResourceInUse` while a virtual machine on the host has files on the datastore.
pub(crate) fn expect_unused<T>(call: &Call<'_, T>, datastore: &Moref, host: &Moref) -> Result<(), Fault> {
    let datastore = call.get::<Datastore>(datastore)?;
    match call.get::<HostSystem>(host)?.vm().iter().find(|machine| datastore.vm().contains(machine)) {
        Some(machine) => {
            let why = format!("{machine} on the host has files on '{}'", datastore.name());
            Err(managed_entity::in_use(Datastore::TYPE, datastore.name(), why))
        }
        None => Ok(()),
    }
}

/// Unmounts the datastore from a host.
pub(crate) fn unmount<T>(call: &mut Call<'_, T>, datastore: &Moref, host: &Moref) -> Result<(), Fault> {
    call.edit::<Datastore>(datastore)?.host_mut().retain(|mount| mount.key() != *host);
    let properties = call.edit::<HostSystem>(host)?;
    remove_reference(&mut properties.datastore_mut(), datastore);
    if properties.config().and_then(|config| config.local_swap_datastore()).as_ref() == Some(datastore) {
        properties.config_mut().set_local_swap_datastore(None);
    }
    network::touch_parent(call, host)
}

/// Takes a host that is being removed off its datastores. A datastore that no host mounts any more stays, inaccessible.
pub(crate) fn unmount_all<T>(call: &mut Call<'_, T>, moref: &Moref, host: &HostSystem) -> Result<(), Fault> {
    for datastore in host.datastore() {
        if call.object(&datastore).is_some() {
            unmount(call, &datastore, moref)?;
        }
    }
    Ok(())
}

/// Takes this many bytes of the datastore, or gives them back if they are negative. What does not fit is thin.
pub(crate) fn reserve<T>(call: &mut Call<'_, T>, datastore: &Moref, bytes: i64) -> Result<(), Fault> {
    reserve_in(call, datastore, bytes)
}

/// [`reserve`] without a call.
pub(crate) fn reserve_in(transaction: &mut Transaction, datastore: &Moref, bytes: i64) -> Result<(), Fault> {
    if bytes != 0 {
        let used = used(transaction, datastore)?;
        transaction.private::<Files>(datastore)?.used = Some(used.saturating_add(bytes).max(0));
    }
    Ok(())
}

/// The bytes of the datastore that are in use.
fn used(transaction: &Transaction, datastore: &Moref) -> Result<i64, Fault> {
    let object = transaction.object(datastore).ok_or_else(|| crate::call::not_found(datastore))?;
    if let Some(used) = object.private::<Files>().and_then(|files| files.used) {
        return Ok(used);
    }
    // It may come from a saved inventory.
    let summary = transaction.get::<Datastore>(datastore)?.summary();
    Ok(summary.capacity() - summary.free_space())
}

/// The bytes of the datastore that are free.
pub(crate) fn free_space(transaction: &Transaction, datastore: &Moref) -> Result<i64, Fault> {
    let capacity = transaction.get::<Datastore>(datastore)?.summary().capacity();
    Ok((capacity - used(transaction, datastore)?).max(0))
}

/// `InsufficientStorageSpace` unless so many bytes of the datastore are free.
pub(crate) fn expect_space(transaction: &Transaction, datastore: &Moref, bytes: i64) -> Result<(), Fault> {
    let free = free_space(transaction, datastore)?;
    if bytes <= free {
        return Ok(());
    }
    let name = transaction.get::<Datastore>(datastore)?.name();
    let why = format!("Insufficient disk space on datastore '{name}': {bytes} bytes are needed, {free} are free");
    Err(Fault::new(InsufficientStorageSpace::new(), why))
}

/// Brings `summary`, `info` and the sizes up to what the other properties say.
fn derive(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let object = transaction.object(moref).ok_or_else(|| crate::call::not_found(moref))?;
    let used = object.private::<Files>().and_then(|files| files.used);
    let Some(datastore) = object.view::<Datastore>() else { return Ok(()) };
    let summary = datastore.summary();
    let mounts = datastore.host();
    let hosts = mounts.iter().filter(|mount| mount.mount_info().accessible() != Some(false)).count();
    let (name, capacity) = (datastore.name(), summary.capacity());
    let free = used.map_or(summary.free_space(), |used| (capacity - used).max(0));
    let is_current = summary.name() == name
        && summary.free_space() == free
        && summary.accessible() == (hosts > 0)
        && summary.multiple_host_access() == Some(hosts > 1)
        && datastore.info().free_space() == free
        && datastore.info().name() == name;
    if !is_current {
        let (name, old) = (name.clone(), summary.name().clone());
        if name != old {
            renamed::follow(transaction, moref, &old, &name)?;
        }
        let datastore = transaction.edit::<Datastore>(moref)?;
        let summary = datastore.summary_mut();
        summary.set_name(&name).set_free_space(free);
        summary.set_accessible(hosts > 0).set_multiple_host_access(hosts > 1);
        datastore.info_mut().set_name(&name).set_free_space(free);
        if name != old {
            luns::rename(transaction, moref)?;
        }
    }
    machine::tell(transaction, moref)?;
    maintenance::derive(transaction, moref)?;
    storage_pod::touch_parent(transaction, moref)
}

/// Sets the size of a local datastore to what its hosts have.
pub(crate) fn set_local_capacity(datastore: &mut Datastore) {
    let hosts = i64::try_from(datastore.host().len()).unwrap_or(i64::MAX);
    set_capacity(datastore, BYTES_PER_HOST.saturating_mul(hosts));
}

/// Sets the size of a datastore.
pub(crate) fn set_capacity(datastore: &mut Datastore, capacity: i64) {
    let used = datastore.summary().capacity() - datastore.summary().free_space();
    datastore.summary_mut().set_capacity(capacity).set_free_space((capacity - used).max(0));
    let info: &mut DatastoreInfo = datastore.info_mut();
    info.set_max_file_size(capacity).set_max_memory_file_size(capacity).set_free_space((capacity - used).max(0));
    info.set_max_virtual_disk_capacity(capacity);
}

/// Reads the datastore's state anew: its size follows from its hosts, and its time stamp is now.
fn refresh(call: &mut Call<'_, Datastore>, _: RefreshDatastore) -> Result<(), Fault> {
    let now = call.now();
    let datastore = call.this_mut()?;
    datastore.info_mut().set_timestamp(now);
    let info = datastore.info().as_object();
    if info.is::<LocalDatastoreInfo>() || info.is::<VsanDatastoreInfo>() {
        set_local_capacity(datastore);
    }
    Ok(())
}

/// Reads the datastore's usage anew. Ours is never stale.
fn refresh_storage_info(call: &mut Call<'_, Datastore>, _: RefreshDatastoreStorageInfo) -> Result<(), Fault> {
    call.this().map(|_| ())
}

/// `Rename_Task` without a task.
///
/// - `DuplicateName`, `InvalidName`.
fn rename_datastore(call: &mut Call<'_, Datastore>, request: RenameDatastore) -> Result<(), Fault> {
    let this = call.this()?;
    if *this.name() == managed_entity::escape(request.new_name()).as_str() {
        return Ok(());
    }
    let name: ArcStr = match this.parent() {
        Some(parent) => managed_entity::check_name(call, &parent, request.new_name())?,
        None => managed_entity::escape(request.new_name()).into(),
    };
    managed_entity::rename_to(call, name)
}

/// [`destroy`], without a task.
fn destroy_datastore(call: &mut Call<'_, Datastore>, _: DestroyDatastore) -> Result<(), Fault> {
    destroy(call)
}

/// Removes the datastore from its hosts and the inventory.
///
/// - `ResourceInUse` while virtual machines are on it.
pub(crate) fn destroy(call: &mut Call<'_, Datastore>) -> Result<(), Fault> {
    let this = call.moref();
    let datastore = call.this()?.clone();
    if let Some(machine) = datastore.vm().first() {
        let name = call.view::<VirtualMachine>(&machine).map(|machine| machine.name().clone()).unwrap_or_default();
        let why = format!("the virtual machine '{name}' is on the datastore '{}'", datastore.name());
        return Err(managed_entity::in_use(Datastore::TYPE, datastore.name(), why));
    }
    let argument = DatastoreEventArgument::with(|argument| {
        argument.set_datastore(this.clone());
        argument.set_name(datastore.name());
    });
    call.post(&this, DatastoreDestroyedEvent::with(|event| _ = event.set_datastore(argument)))?;
    luns::free(call, &datastore)?;
    for mount in datastore.host() {
        unmount(call, &this, &mount.key())?;
    }
    call.remove(&datastore.browser());
    if let Some(datacenter) = call.datacenter_of(&this) {
        remove_reference(&mut call.edit::<Datacenter>(&datacenter)?.datastore_mut(), &this);
    }
    managed_entity::remove(call, &this)
}

/// `InvalidDatastore` for a datastore that no host reaches.
fn expect_reachable(moref: &Moref, datastore: &Datastore) -> Result<(), Fault> {
    if datastore.summary().accessible() {
        return Ok(());
    }
    let detail = InvalidDatastore::with(|fault| _ = fault.set_datastore(moref.clone()).set_name(datastore.name()));
    Err(Fault::new(detail, format!("no host can reach the datastore '{}'", datastore.name())))
}

/// Has the machines on the datastore say where their files are now, that were elsewhere when a volume was mounted
/// elsewhere. What was not changed because its machine runs is in the task's result.
///
/// - `InvalidDatastore` for a datastore that no host reaches, this one or one of the others; `ManagedObjectNotFound` for one
///   that does not exist; `NotSupported` on a host, which knows no other datastores than its own.
fn update_virtual_machine_files(
    call: &mut Call<'_, Datastore>,
    request: UpdateVirtualMachineFilesTask,
) -> Result<Moref, Fault> {
    if !call.context().is_virtual_center() {
        return Err(Fault::new(NotSupported::new(), "only vCenter updates the files of virtual machines"));
    }
    expect_reachable(&call.moref(), call.this()?)?;
    let mut mounts: Vec<(ArcStr, ArcStr)> = Vec::new();
    for pair in request.mount_path_datastore_mapping() {
        let (moref, datastore) = (pair.datastore(), call.get::<Datastore>(&pair.datastore())?);
        expect_reachable(&moref, datastore)?;
        mounts.push((pair.old_mount_path().clone(), datastore.name().clone()));
    }
    call.start_task(move |call| {
        let this = call.moref();
        let (moved, running) = renamed::remount(call, &this, &mounts)?;
        moved.iter().try_for_each(|machine| disk::find_files(call, machine))?;
        let failed = running.iter().filter_map(|moref| {
            let machine = call.view::<VirtualMachine>(moref)?;
            let detail = InvalidPowerState::with(|fault| {
                fault.set_requested_state(VirtualMachinePowerState::PoweredOff);
                fault.set_existing_state(machine.runtime().power_state());
            });
            let fault = Fault::new(detail, format!("the virtual machine '{}' runs", machine.name()));
            Some(UpdateVirtualMachineFilesResultFailedVmFileInfo::with(|info| {
                info.set_vm_file(machine.config().and_then(|config| config.files().vm_path_name()));
                info.set_fault(fault.localized());
            }))
        });
        Ok(UpdateVirtualMachineFilesResult::with(|result| _ = result.set_failed_vm_file(failed)))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn volumes_have_their_digits_grouped_as_hosts_do() {
        let id = super::volume_id("63d40cc5-9cba-5cc1-884a-f7f19070ecea");
        assert_eq!(id, "63d40cc5-9cba5cc1-884a-f7f19070ecea");
    }
}
