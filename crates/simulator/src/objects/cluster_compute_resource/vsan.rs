//! The datastore of a vSAN cluster: there while vSAN is on, mounted by the cluster's hosts.

use vimsim_types::enums::{HostFileSystemVolumeFileSystemType, HostMountMode};
use vimsim_types::views::{
    CannotCreateFile, ClusterComputeResource, ClusterConfigInfoEx, Datacenter, Datastore, HostSystem,
    LocalizableMessage, VsanDatastoreInfo,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use crate::call::Call;
use crate::objects::{datastore, managed_entity};

/// Creates, mounts, unmounts and destroys the vSAN datastore, so that it is what the cluster's configuration and hosts
/// ask for.
///
/// - `ResourceInUse` if vSAN has been turned off while virtual machines are on the datastore, or a host with such has left.
pub(super) fn follow(call: &mut Call<'_, ClusterComputeResource>) -> Result<(), Fault> {
    let cluster = call.this()?;
    let config = cluster.configuration_ex().downcast::<ClusterConfigInfoEx>();
    let Some(vsan) = config.and_then(|config| config.vsan_config_info()) else {
        return destroy(call, None);
    };
    let uuid = vsan.default_config().and_then(|config| config.uuid()).cloned();
    let (Some(uuid), true) = (uuid.clone(), vsan.enabled() == Some(true)) else {
        return destroy(call, uuid.as_deref());
    };
    let hosts: Vec<Moref> = cluster.host().iter().collect();
    let Some(datastore) = find(call, &uuid).map_or_else(|| create(call, &uuid), |known| Ok(Some(known)))? else {
        return Ok(());
    };
    for host in &hosts {
        if !call.get::<HostSystem>(host)?.datastore().contains(&datastore) {
            let path = format!("/vmfs/volumes/vsan:{uuid}");
            datastore::mount(call, &datastore, host, &path, HostMountMode::ReadWrite.name())?;
        }
        set_host(call, host, Some(&uuid))?;
    }
    let mounts = call.get::<Datastore>(&datastore)?.host().iter().map(|mount| mount.key());
    for host in mounts.filter(|host| !hosts.contains(host)).collect::<Vec<_>>() {
        datastore::expect_unused(call, &datastore, &host)?;
        datastore::unmount(call, &datastore, &host)?;
        set_host(call, &host, None)?;
    }
    datastore::set_local_capacity(call.edit::<Datastore>(&datastore)?);
    Ok(())
}

/// The fault domains, and so the hosts, that an object of vSAN needs: two for its replicas and one for its witness, as the
/// default storage policy has it.
const FAULT_DOMAINS: usize = 3;

/// Checks that an object of vSAN can be made on a datastore, which may be of another kind.
///
/// - `CannotCreateFile` on one with less than three hosts, with vSAN's own messages.
pub(crate) fn check_new_object<T>(call: &Call<'_, T>, datastore: &Moref, file: &str) -> Result<(), Fault> {
    let datastore = call.get::<Datastore>(datastore)?;
    let hosts = datastore.host().len();
    if datastore.info().downcast::<VsanDatastoreInfo>().is_none() || hosts >= FAULT_DOMAINS {
        return Ok(());
    }
    let missing = FAULT_DOMAINS - hosts;
    let why = format!(
        "There are currently {hosts} usable fault domains. The operation requires {missing} more usable fault domains."
    );
    let message =
        |key: &str, text: &str| LocalizableMessage::with(|message| _ = message.set_key(key).set_message(text));
    let detail = CannotCreateFile::with(|fault| {
        fault.set_file(file);
        fault.set_fault_message([
            message("vob.vsanprovider.object.creation.failed", "Failed to create object."),
            message("vob.vsan.clomd.needMoreFaultDomains2", &why),
        ]);
    });
    Err(Fault::new(detail, format!("cannot create '{file}': {why}")))
}

/// The vSAN datastore of the cluster with this UUID.
fn find<T>(call: &Call<'_, T>, uuid: &str) -> Option<Moref> {
    let datacenter = call.datacenter_of(&call.moref())?;
    call.view::<Datacenter>(&datacenter)?.datastore().iter().find(|moref| {
        let info = call.view::<Datastore>(moref).and_then(|datastore| datastore.info().downcast::<VsanDatastoreInfo>());
        info.and_then(|info| info.membership_uuid()).is_some_and(|known| known == uuid)
    })
}

/// A new vSAN datastore in the cluster's datacenter: `vsanDatastore`, or `vsanDatastore (1)` beside another.
fn create<T>(call: &mut Call<'_, T>, uuid: &str) -> Result<Option<Moref>, Fault> {
    let Some(datacenter) = call.datacenter_of(&call.moref()) else { return Ok(None) };
    let folder = call.get::<Datacenter>(&datacenter)?.datastore_folder();
    let names = std::iter::once("vsanDatastore".to_string()).chain((1..).map(|i| format!("vsanDatastore ({i})")));
    let name = names.into_iter().find(|name| managed_entity::child(call, &folder, name).is_none()).unwrap_or_default();
    let info = VsanDatastoreInfo::with(|info| {
        info.set_membership_uuid(uuid).set_access_gen_no(0);
        info.set_url(format!("ds:///vmfs/volumes/vsan:{uuid}/"));
    });
    let kind = HostFileSystemVolumeFileSystemType::Vsan.name();
    let datastore = datastore::create(call, &folder, &name, kind, info)?;
    // What is at the top of a vSAN datastore are namespaces, not directories.
    call.edit::<Datastore>(&datastore)?
        .capability_mut()
        .set_top_level_directory_create_supported(false)
        .set_vsan_sparse_supported(true);
    Ok(Some(datastore))
}

fn destroy(call: &mut Call<'_, ClusterComputeResource>, uuid: Option<&str>) -> Result<(), Fault> {
    let hosts: Vec<Moref> = call.this()?.host().iter().collect();
    for host in &hosts {
        set_host(call, host, None)?;
    }
    // Without a configuration that tells the UUID, the datastore is the one that the cluster always had.
    let own = own_uuid(&call.moref());
    match find(call, uuid.unwrap_or(&own)) {
        Some(datastore) => datastore::destroy(&mut call.on(&datastore)),
        None => Ok(()),
    }
}

/// The UUID that a vSAN cluster gets unless it is given one.
pub(super) fn own_uuid(cluster: &Moref) -> ArcStr {
    crate::uuid::named(&format!("{cluster}/vsan")).into()
}

/// Says in a host's configuration whether it takes part in a vSAN cluster, and in which.
fn set_host<T>(call: &mut Call<'_, T>, moref: &Moref, uuid: Option<&str>) -> Result<(), Fault> {
    let host = call.get::<HostSystem>(moref)?;
    let known = host.config().and_then(|config| config.vsan_host_config());
    if known.is_none_or(|known| known.enabled() == Some(uuid.is_some())) {
        return Ok(());
    }
    let config = call.edit::<HostSystem>(moref)?.config_mut().vsan_host_config_mut();
    config.set_enabled(uuid.is_some());
    config.cluster_info_mut().set_uuid(uuid);
    Ok(())
}
