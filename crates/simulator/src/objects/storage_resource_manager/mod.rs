//! `StorageResourceManager`: Storage I/O Control and Storage DRS.

pub(crate) mod evacuate;
mod recommend;

use vimsim_types::enums::ArrayUpdateOperation;
use vimsim_types::method::{
    ConfigureDatastoreIORMTask, ConfigureStorageDrsForPodTask, QueryIORMConfigOption, RefreshStorageDrsRecommendation,
    RefreshStorageDrsRecommendationsForPodTask, ValidateStoragePodConfig,
};
use vimsim_types::views::{
    BoolOption, Datastore, HostSystem, IntOption, LocalizedMethodFault, StorageDrsConfigInfo, StorageDrsConfigSpec,
    StorageIORMConfigOption, StoragePod, StorageResourceManager, VirtualMachine,
};
use vimsim_types::{Fault, Moref, View};

use super::cluster_compute_resource::overlay;
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<StorageResourceManager> {
    Kind::new()
        .write(configure_datastore_iorm)
        .write(configure_storage_drs_for_pod)
        .write(refresh_recommendations_for_pod)
        .read(refresh_recommendation)
        .read(query_iorm_config_option)
        .read(validate_storage_pod_config)
        .write(recommend::recommend_datastores)
        .write(recommend::apply)
        .write(recommend::apply_to_pod)
        .write(recommend::cancel)
}

/// Changes Storage I/O Control of a datastore.
///
/// - `ManagedObjectNotFound` if there is no such datastore; `InvalidArgument` for a threshold out of range.
fn configure_datastore_iorm(
    call: &mut Call<'_, StorageResourceManager>,
    request: ConfigureDatastoreIORMTask,
) -> Result<Moref, Fault> {
    call.get::<Datastore>(&request.datastore())?;
    let spec = request.spec();
    if let Some(threshold) = spec.congestion_threshold()
        && !(5..=100).contains(&threshold)
    {
        return Err(Fault::invalid_argument("spec.congestionThreshold", format!("{threshold} is not from 5 to 100")));
    }
    if let Some(percent) = spec.percent_of_peak_throughput()
        && !(50..=100).contains(&percent)
    {
        return Err(Fault::invalid_argument(
            "spec.percentOfPeakThroughput",
            format!("{percent} is not from 50 to 100"),
        ));
    }
    call.start_task(move |call| {
        let info = call.edit::<Datastore>(&request.datastore())?.iorm_configuration_mut();
        let fields = request.spec().as_object().kind().info().fields();
        for (field, value) in fields.iter().zip(request.spec().as_object().slots()) {
            if let Some(slot) = info.as_object().kind().info().slot(field.name).filter(|_| !value.is_unset()) {
                info.as_object_mut().set(slot, value.clone());
            }
        }
        Ok(())
    })
}

/// Changes Storage DRS of a pod: what the spec sets over what there is, or over the defaults if not `modify`.
///
/// - `ManagedObjectNotFound` if there is no such pod or virtual machine; `InvalidArgument` for a value out of range.
fn configure_storage_drs_for_pod(
    call: &mut Call<'_, StorageResourceManager>,
    request: ConfigureStorageDrsForPodTask,
) -> Result<Moref, Fault> {
    call.get::<StoragePod>(&request.pod())?;
    check(request.spec())?;
    for machine in request.spec().vm_config_spec().iter().filter_map(|spec| spec.info()?.vm()) {
        call.get::<VirtualMachine>(&machine)?;
    }
    call.start_task(move |call| {
        let pod = call.edit::<StoragePod>(&request.pod())?;
        let config = pod.pod_storage_drs_entry_mut().storage_drs_config_mut();
        if !request.modify() {
            *config = super::storage_pod::default_config();
        }
        apply(config, request.spec())
    })
}

/// `InvalidArgument` for a behaviour that there is not or a threshold out of range.
fn check(spec: &StorageDrsConfigSpec) -> Result<(), Fault> {
    let Some(pod) = spec.pod_config_spec() else { return Ok(()) };
    if let Some(behavior) = pod.default_vm_behavior()
        && !["manual", "automated"].contains(&behavior.as_str())
    {
        let why = format!("'{behavior}' is none of manual, automated");
        return Err(Fault::invalid_argument("spec.podConfigSpec.defaultVmBehavior", why));
    }
    let space = pod.space_load_balance_config();
    let in_range = |property: &str, value: Option<i32>, least: i32, most: i32| match value {
        Some(value) if !(least..=most).contains(&value) => {
            let why = format!("{value} is not from {least} to {most}");
            Err(Fault::invalid_argument(&format!("spec.podConfigSpec.{property}"), why))
        }
        _ => Ok(()),
    };
    let utilization = space.and_then(|space| space.space_utilization_threshold());
    in_range("spaceLoadBalanceConfig.spaceUtilizationThreshold", utilization, 50, 100)?;
    let latency = pod.io_load_balance_config().and_then(|io| io.io_latency_threshold());
    in_range("ioLoadBalanceConfig.ioLatencyThreshold", latency, 5, 100)
}

fn apply(config: &mut StorageDrsConfigInfo, spec: &StorageDrsConfigSpec) -> Result<(), Fault> {
    if let Some(wanted) = spec.pod_config_spec() {
        let pod = config.pod_config_mut();
        let fields = wanted.as_object().kind().info().fields();
        for (field, value) in fields.iter().zip(wanted.as_object().slots()) {
            // Rules and options come as changes to a list.
            if value.is_unset() || ["rule", "option"].contains(&field.name) {
                continue;
            }
            if let Some(slot) = pod.as_object().kind().info().slot(field.name) {
                let merged = match (pod.as_object().get(slot), value) {
                    (vimsim_types::Value::Object(old), vimsim_types::Value::Object(new)) => {
                        let mut merged = old.clone();
                        super::distributed_virtual_switch::setting::merge(&mut merged, new);
                        merged.into()
                    }
                    (_, value) => value.clone(),
                };
                pod.as_object_mut().set(slot, merged);
            }
        }
        for change in wanted.option() {
            let Some(option) = change.option() else { continue };
            pod.option_mut().retain(|known| known.key() != option.key());
            if change.operation() != ArrayUpdateOperation::Remove {
                pod.push_option(option.clone());
            }
        }
    }
    for change in spec.vm_config_spec() {
        let info = change.info();
        let machine = change.remove_key().moref().or_else(|| info.and_then(|info| info.vm()));
        let old = config.vm_config().iter().find(|known| known.vm() == machine).cloned();
        config.vm_config_mut().retain(|known| known.vm() != machine);
        if let Some(info) = info.filter(|_| change.operation() != ArrayUpdateOperation::Remove) {
            config.push_vm_config(old.map_or_else(|| info.clone(), |old| overlay(&old, info)));
        }
    }
    Ok(())
}

/// Works out recommendations anew. There are none: nothing is out of balance.
///
/// - `ManagedObjectNotFound` if there is no such pod.
fn refresh_recommendation(
    look: &Look<'_, StorageResourceManager>,
    request: RefreshStorageDrsRecommendation,
) -> Result<(), Fault> {
    look.get::<StoragePod>(&request.pod()).map(|_| ())
}

/// [`refresh_recommendation`], as a task.
fn refresh_recommendations_for_pod(
    call: &mut Call<'_, StorageResourceManager>,
    request: RefreshStorageDrsRecommendationsForPodTask,
) -> Result<Moref, Fault> {
    call.get::<StoragePod>(&request.pod())?;
    call.start_task(|_| Ok(()))
}

/// What Storage I/O Control can be set to on a host.
///
/// - `ManagedObjectNotFound` if there is no such host.
fn query_iorm_config_option(
    look: &Look<'_, StorageResourceManager>,
    request: QueryIORMConfigOption,
) -> Result<StorageIORMConfigOption, Fault> {
    look.get::<HostSystem>(&request.host())?;
    let boolean = || {
        BoolOption::with(|option| {
            option.set_value_is_readonly(false);
            option.set_supported(true).set_default_value(false);
        })
    };
    let integer = |least: i32, most: i32, usual: i32| {
        IntOption::with(|option| {
            option.set_value_is_readonly(false);
            option.set_min(least).set_max(most).set_default_value(usual);
        })
    };
    Ok(StorageIORMConfigOption::with(|option| {
        option.set_enabled_option(boolean()).set_stats_collection_enabled_option(boolean());
        option.set_reservation_enabled_option(boolean());
        option.set_congestion_threshold_option(integer(5, 100, 30));
    }))
}

/// What `ConfigureStorageDrsForPod_Task` would raise for this spec.
///
/// - `ManagedObjectNotFound` if there is no such pod.
fn validate_storage_pod_config(
    look: &Look<'_, StorageResourceManager>,
    request: ValidateStoragePodConfig,
) -> Result<Option<LocalizedMethodFault>, Fault> {
    look.get::<StoragePod>(&request.pod())?;
    Ok(check(request.spec()).err().map(|fault| fault.localized()))
}
