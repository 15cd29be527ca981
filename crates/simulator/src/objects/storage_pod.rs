//! `StoragePod`: a folder of datastores that are used as one, a datastore cluster.

use vimsim_registry::Transaction;
use vimsim_types::method::CreateStoragePod;
use vimsim_types::views::{
    Datastore, Folder, ManagedEntity, PodStorageDrsEntry, StorageDrsConfigInfo, StorageDrsPodConfigInfo, StoragePod,
};
use vimsim_types::{Fault, Moref, View};

use super::{folder, managed_entity};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<StoragePod> {
    folder::entity_kind().derive(derive)
}

/// Creates a datastore cluster, empty, with Storage DRS off.
///
/// - `DuplicateName`, `InvalidName`; `NotSupported` if this folder takes none.
pub(crate) fn create_storage_pod(call: &mut Call<'_, Folder>, request: CreateStoragePod) -> Result<Moref, Fault> {
    let this = call.moref();
    folder::expect_child_type::<StoragePod>(call.this()?)?;
    let name = managed_entity::check_name(call, &this, request.name())?;
    let pod = StoragePod::with(|pod| {
        managed_entity::initialize(pod, &name, &this);
        pod.set_child_type(["Datastore"]);
        pod.set_child_entity(std::iter::empty::<Moref>());
        pod.summary_mut().set_name(&name).set_capacity(0).set_free_space(0);
        pod.set_pod_storage_drs_entry(PodStorageDrsEntry::with(|entry| {
            entry.set_storage_drs_config(default_config());
        }));
    });
    let moref = call.create(pod);
    folder::add_child(call, &this, &moref)?;
    Ok(moref)
}

/// The configuration of Storage DRS that a new pod has: off, with vCenter's thresholds.
pub(crate) fn default_config() -> StorageDrsConfigInfo {
    let pod = StorageDrsPodConfigInfo::with(|config| {
        config.set_enabled(false).set_io_load_balance_enabled(false).set_default_vm_behavior("manual");
        config.set_load_balance_interval(480).set_default_intra_vm_affinity(true);
        let space = config.space_load_balance_config_mut();
        space.set_space_threshold_mode("utilization").set_space_utilization_threshold(80);
        space.set_free_space_threshold_gb(50).set_min_space_utilization_difference(5);
        let io = config.io_load_balance_config_mut();
        io.set_reservable_percent_threshold(60).set_reservable_iops_threshold(2000);
        io.set_reservable_threshold_mode("automatic").set_io_latency_threshold(15).set_io_load_imbalance_threshold(5);
    });
    StorageDrsConfigInfo::with(|config| _ = config.set_pod_config(pod))
}

/// Has the pod's sizes worked out anew, if the datastore is in one and they are not what they were.
pub(crate) fn touch_parent(transaction: &mut Transaction, datastore: &Moref) -> Result<(), Fault> {
    let parent = transaction.get::<Datastore>(datastore)?.parent();
    match parent.filter(|parent| parent.is::<StoragePod>()) {
        Some(pod) if sizes(transaction, &pod).is_some_and(|(current, sizes)| current != sizes) => {
            transaction.edit::<ManagedEntity>(&pod).map(|_| ())
        }
        _ => Ok(()),
    }
}

/// What the pod says of its size, and what its datastores say: capacity and free space.
fn sizes(transaction: &Transaction, moref: &Moref) -> Option<((i64, i64), (i64, i64))> {
    let pod = transaction.view::<StoragePod>(moref)?;
    let summary = pod.summary()?;
    let mut total = (0_i64, 0_i64);
    for datastore in pod.child_entity() {
        if let Some(datastore) = transaction.view::<Datastore>(&datastore) {
            total.0 = total.0.saturating_add(datastore.summary().capacity());
            total.1 = total.1.saturating_add(datastore.summary().free_space());
        }
    }
    Some(((summary.capacity(), summary.free_space()), total))
}

/// Brings `summary` up to what the datastores and the name say.
fn derive(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let Some((current, sizes)) = sizes(transaction, moref) else { return Ok(()) };
    let pod = transaction.get::<StoragePod>(moref)?;
    let name = pod.name().clone();
    if current != sizes || pod.summary().is_some_and(|summary| *summary.name() != name) {
        let summary = transaction.edit::<StoragePod>(moref)?.summary_mut();
        summary.set_name(name).set_capacity(sizes.0).set_free_space(sizes.1);
    }
    Ok(())
}
