//! Reconfiguring a cluster: how a specification changes its configuration.

use vimsim_types::enums::{
    ClusterCryptoConfigInfoCryptoMode as CryptoMode, ClusterDasConfigInfoHBDatastoreCandidate,
    ClusterDasConfigInfoServiceState, ClusterDasConfigInfoVmMonitoringState, ClusterDasVmSettingsIsolationResponse,
    ClusterDasVmSettingsRestartPriority, ClusterInfraUpdateHaConfigInfoBehaviorType,
    ClusterInfraUpdateHaConfigInfoRemediationType, ClusterVmReadinessReadyCondition, DrsBehavior,
};
use vimsim_types::method::{ReconfigureClusterTask, ReconfigureComputeResourceTask, SetCryptoMode};
use vimsim_types::views::{
    ClusterComputeResource, ClusterConfigInfo, ClusterConfigInfoEx, ClusterConfigSpec, ClusterConfigSpecEx,
    ClusterDasConfigInfo, ClusterDasVmSettings, ClusterDpmConfigInfo, ClusterDrsConfigInfo,
    ClusterInfraUpdateHaConfigInfo, ClusterReconfiguredEvent, ClusterVmReadiness, ComputeResource, CryptoKeyId,
    OptionValue, VsanClusterConfigInfo,
};
use vimsim_types::{EnumView, Fault, Moref, Object, Value, View};

use super::{availability, lists};
use crate::call::Call;
use crate::objects::{compute_resource, host_system};

/// What a new cluster begins with: the defaults of the API reference.
pub(super) fn default_configuration() -> ClusterConfigInfoEx {
    ClusterConfigInfoEx::with(|config| {
        config.set_vm_swap_placement("vmDirectory");
        config.set_das_config(ClusterDasConfigInfo::with(|das| {
            das.set_enabled(false);
            das.set_vm_monitoring("vmMonitoringDisabled");
            das.set_host_monitoring("enabled");
            das.set_failover_level(1);
            das.set_admission_control_enabled(true);
        }));
        config.set_drs_config(ClusterDrsConfigInfo::with(|drs| {
            drs.set_enabled(false);
            drs.set_enable_vm_behavior_overrides(true);
            drs.set_default_vm_behavior(DrsBehavior::FullyAutomated);
            drs.set_vmotion_rate(3);
        }));
        config.set_dpm_config_info(ClusterDpmConfigInfo::with(|dpm| {
            dpm.set_enabled(false);
            dpm.set_host_power_action_rate(3);
        }));
        config.proactive_drs_config_mut().set_enabled(false);
        config.set_vsan_config_info(VsanClusterConfigInfo::with(|vsan| {
            vsan.set_enabled(false);
            vsan.default_config_mut().set_auto_claim_storage(false);
        }));
    })
}

/// Changes the cluster's configuration. With `modify`, what the specification leaves unset stays as it is; without, it
/// returns to its default.
///
/// - As faults of the task: `InvalidArgument` for a value that does not exist or is out of its range, for an element that
///   is added twice, or edited or removed where there is none, and for a virtual machine, host or group that is not of
///   the cluster; `ManagedObjectNotFound` for a reference to nothing.
pub(super) fn reconfigure_ex(
    call: &mut Call<'_, ClusterComputeResource>,
    request: ReconfigureComputeResourceTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let spec = request.spec();
        let base = if request.modify() { current(call)? } else { default_configuration() };
        // A specification for any compute resource will do: it says less.
        let config = match spec.downcast::<ClusterConfigSpecEx>() {
            Some(spec) => apply(call, base, spec)?,
            None => {
                let mut config = base;
                compute_resource::apply(&mut config, spec)?;
                config
            }
        };
        write(call, config)
    })
}

/// [`reconfigure_ex`] with the specification of old, which reaches only half of the configuration; the other half stays.
pub(super) fn reconfigure(
    call: &mut Call<'_, ClusterComputeResource>,
    request: ReconfigureClusterTask,
) -> Result<Moref, Fault> {
    call.start_task(move |call| {
        let mut base = current(call)?;
        if !request.modify() {
            let default = default_configuration();
            base.set_das_config(default.das_config().clone());
            base.set_drs_config(default.drs_config().clone());
            for slot in
                [ClusterConfigInfoEx::DAS_VM_CONFIG, ClusterConfigInfoEx::DRS_VM_CONFIG, ClusterConfigInfoEx::RULE]
            {
                base.as_object_mut().set(slot, Value::Unset);
            }
        }
        let config = apply(call, base, &extended(request.spec()))?;
        write(call, config)
    })
}

/// The specification of old as one of today.
pub(crate) fn extended(spec: &ClusterConfigSpec) -> ClusterConfigSpecEx {
    ClusterConfigSpecEx::with(|extended| {
        let fields = ClusterConfigSpec::TYPE.info().fields();
        for (field, value) in fields.iter().zip(spec.as_object().slots()) {
            if let Some(slot) = ClusterConfigSpecEx::TYPE.info().slot(field.name) {
                extended.as_object_mut().set(slot, value.clone());
            }
        }
    })
}

/// Changes the configuration as [`reconfigure_ex`] does with `modify`.
///
/// - as its task's faults.
pub(crate) fn change(call: &mut Call<'_, ClusterComputeResource>, spec: &ClusterConfigSpecEx) -> Result<(), Fault> {
    let base = current(call)?;
    let config = apply(call, base, spec)?;
    write(call, config)
}

fn current(call: &Call<'_, ClusterComputeResource>) -> Result<ClusterConfigInfoEx, Fault> {
    let config = call.this()?.configuration_ex();
    Ok(config.downcast::<ClusterConfigInfoEx>().cloned().unwrap_or_else(default_configuration))
}

fn write(call: &mut Call<'_, ClusterComputeResource>, config: ClusterConfigInfoEx) -> Result<(), Fault> {
    let this = call.moref();
    let (was_on, is_on) = (availability::is_on(&current(call)?), availability::is_on(&config));
    call.this_mut()?.set_configuration_ex(config);
    super::vsan::follow(call)?;
    availability::tell(call, was_on, is_on)?;
    call.post(&this, ClusterReconfiguredEvent::new())
}

/// Says when the hosts of the cluster get keys: when they need them, or all of them now.
///
/// - `InvalidArgument` for a mode that there is not, or hosts that need a key where neither the policy nor a default says of
///   which provider.
pub(super) fn set_crypto_mode(
    call: &mut Call<'_, ClusterComputeResource>,
    request: SetCryptoMode,
) -> Result<(), Fault> {
    let mode = Some(request.crypto_mode()).filter(|mode| !mode.is_empty());
    let mode = mode.map_or(Some(CryptoMode::OnDemand), |mode| CryptoMode::from_name(mode));
    let mode = mode.ok_or_else(|| {
        Fault::invalid_argument("cryptoMode", format!("'{}' is no encryption mode", request.crypto_mode()))
    })?;
    let policy = request.policy();
    let key = policy.and_then(|policy| policy.key_id()).cloned().unwrap_or_else(|| {
        CryptoKeyId::with(|key| {
            key.set_key_id("");
            if let Some(id) = policy.and_then(|policy| policy.provider_id()) {
                key.set_provider_id(id.clone());
            }
        })
    });
    if mode == CryptoMode::ForceEnable {
        let hosts: Vec<Moref> = call.this()?.host().iter().collect();
        for host in hosts {
            host_system::make_safe_with(call, &host, &key)?;
        }
    }
    let mut config = current(call)?;
    let crypto = config.crypto_config_mut();
    crypto.set_crypto_mode(mode.name());
    if let Some(policy) = policy {
        crypto.set_policy(policy.clone());
    }
    write(call, config)
}

/// The configuration that `spec` makes of `config`.
pub(super) fn apply<T>(
    call: &mut Call<'_, T>,
    mut config: ClusterConfigInfoEx,
    spec: &ClusterConfigSpecEx,
) -> Result<ClusterConfigInfoEx, Fault> {
    check(spec)?;
    compute_resource::apply(&mut config, spec)?;
    // Parts that have the same shape in both, and what they are called there.
    let parts = [
        (ClusterConfigInfoEx::DAS_CONFIG, ClusterConfigSpecEx::DAS_CONFIG),
        (ClusterConfigInfoEx::DRS_CONFIG, ClusterConfigSpecEx::DRS_CONFIG),
        (ClusterConfigInfoEx::ORCHESTRATION, ClusterConfigSpecEx::ORCHESTRATION),
        (ClusterConfigInfoEx::DPM_CONFIG_INFO, ClusterConfigSpecEx::DPM_CONFIG),
        (ClusterConfigInfoEx::VSAN_CONFIG_INFO, ClusterConfigSpecEx::VSAN_CONFIG),
        (ClusterConfigInfoEx::VSAN_HOST_CONFIG, ClusterConfigSpecEx::VSAN_HOST_CONFIG_SPEC),
        (ClusterConfigInfoEx::INFRA_UPDATE_HA_CONFIG, ClusterConfigSpecEx::INFRA_UPDATE_HA_CONFIG),
        (ClusterConfigInfoEx::PROACTIVE_DRS_CONFIG, ClusterConfigSpecEx::PROACTIVE_DRS_CONFIG),
        (ClusterConfigInfoEx::CRYPTO_CONFIG, ClusterConfigSpecEx::CRYPTO_CONFIG),
    ];
    for (place, wanted) in parts {
        let merged = merge(config.as_object().get(place), spec.as_object().get(wanted));
        config.as_object_mut().set(place, merged);
    }
    if let Some(vsan) = config.vsan_config_info().cloned() {
        config.set_vsan_config_info(with_uuid(vsan, call));
    }
    for host in spec.vsan_host_config_spec() {
        lists::check_references(call, "spec.vsanHostConfigSpec", host.as_object())?;
    }
    lists::apply(call, &mut config, spec)?;
    Ok(config)
}

/// A vSAN cluster has a UUID from the moment on when it is one.
fn with_uuid<T>(mut vsan: VsanClusterConfigInfo, call: &Call<'_, T>) -> VsanClusterConfigInfo {
    if vsan.enabled() == Some(true) && vsan.default_config().and_then(|config| config.uuid()).is_none() {
        let uuid = super::vsan::own_uuid(&call.moref());
        vsan.default_config_mut().set_uuid(uuid);
    }
    vsan
}

/// `base` with every field replaced that `wanted` sets, in the objects inside it too. Options are replaced one by one,
/// and one with an empty value is removed.
pub(crate) fn overlay<V: View>(base: &V, wanted: &V) -> V {
    V::from_object_unchecked(overlay_object(base.as_object(), wanted.as_object()))
}

fn overlay_object(base: &Object, wanted: &Object) -> Object {
    let mut result = base.clone();
    for (slot, value) in wanted.slots().iter().enumerate().filter(|(_, value)| !value.is_unset()) {
        result.set(slot, merge(base.get(slot), value));
    }
    result
}

fn merge(base: &Value, wanted: &Value) -> Value {
    let options = |value: &Value| value.items().first().is_some_and(|item| option(item).is_some());
    match (base, wanted) {
        (_, Value::Unset) => base.clone(),
        (Value::Object(base), Value::Object(wanted)) if base.kind() == wanted.kind() => {
            overlay_object(base, wanted).into()
        }
        (_, Value::List(list)) if options(wanted) => {
            let replaced = |known: &&Value| !wanted.items().iter().any(|item| option_key(item) == option_key(known));
            let kept = base.items().iter().filter(replaced);
            let new = wanted
                .items()
                .iter()
                .filter(|item| option(item).is_some_and(|option| option.value().text() != Some("")));
            vimsim_types::List::new(list.element(), kept.chain(new).cloned().collect()).into()
        }
        _ => wanted.clone(),
    }
}

fn option(value: &Value) -> Option<&OptionValue> {
    value.object().and_then(OptionValue::from_ref)
}

fn option_key(value: &Value) -> Option<&str> {
    option(value).map(|option| option.key().as_str())
}

/// `InvalidArgument` unless the text, if there is one, names a value of the enumeration.
pub(crate) fn expect_choice<E: EnumView>(property: &str, text: Option<&vimsim_types::ArcStr>) -> Result<(), Fault> {
    match text {
        Some(text) if E::from_name(text).is_none() => Err(Fault::invalid_argument(
            property,
            format!("'{text}' is not one of {}", E::TYPE.info().values.join(", ")),
        )),
        _ => Ok(()),
    }
}

fn expect_range(property: &str, number: Option<i32>, least: i32, most: i32) -> Result<(), Fault> {
    match number {
        Some(number) if !(least..=most).contains(&number) => {
            Err(Fault::invalid_argument(property, format!("{number} is not in {least} to {most}")))
        }
        _ => Ok(()),
    }
}

/// `InvalidArgument` for values that the API reference does not allow.
fn check(spec: &ClusterConfigSpecEx) -> Result<(), Fault> {
    if let Some(das) = spec.das_config() {
        expect_choice::<ClusterDasConfigInfoVmMonitoringState>("spec.dasConfig.vmMonitoring", das.vm_monitoring())?;
        expect_choice::<ClusterDasConfigInfoServiceState>("spec.dasConfig.hostMonitoring", das.host_monitoring())?;
        expect_choice::<ClusterDasConfigInfoServiceState>(
            "spec.dasConfig.vmComponentProtecting",
            das.vm_component_protecting(),
        )?;
        expect_choice::<ClusterDasConfigInfoHBDatastoreCandidate>(
            "spec.dasConfig.hBDatastoreCandidatePolicy",
            das.h_b_datastore_candidate_policy(),
        )?;
        expect_range("spec.dasConfig.failoverLevel", das.failover_level(), 0, i32::MAX)?;
        das.default_vm_settings()
            .map_or(Ok(()), |settings| check_settings("spec.dasConfig.defaultVmSettings", settings))?;
    }
    expect_range("spec.drsConfig.vmotionRate", spec.drs_config().and_then(|drs| drs.vmotion_rate()), 1, 5)?;
    let rate = spec.dpm_config().and_then(|dpm| dpm.host_power_action_rate());
    expect_range("spec.dpmConfig.hostPowerActionRate", rate, 1, 5)?;
    spec.infra_update_ha_config().map_or(Ok(()), check_infra_update_ha)?;
    let readiness = spec.orchestration().and_then(|orchestration| orchestration.default_vm_readiness());
    readiness.map_or(Ok(()), |readiness| check_readiness("spec.orchestration.defaultVmReadiness", readiness))
}

fn check_infra_update_ha(config: &ClusterInfraUpdateHaConfigInfo) -> Result<(), Fault> {
    use ClusterInfraUpdateHaConfigInfoRemediationType as Remediation;
    expect_choice::<ClusterInfraUpdateHaConfigInfoBehaviorType>(
        "spec.infraUpdateHaConfig.behavior",
        config.behavior(),
    )?;
    expect_choice::<Remediation>("spec.infraUpdateHaConfig.moderateRemediation", config.moderate_remediation())?;
    expect_choice::<Remediation>("spec.infraUpdateHaConfig.severeRemediation", config.severe_remediation())
}

pub(super) fn check_settings(property: &str, settings: &ClusterDasVmSettings) -> Result<(), Fault> {
    let at = |field: &str| format!("{property}.{field}");
    expect_choice::<ClusterDasVmSettingsRestartPriority>(&at("restartPriority"), settings.restart_priority())?;
    expect_choice::<ClusterDasVmSettingsIsolationResponse>(&at("isolationResponse"), settings.isolation_response())
}

pub(super) fn check_readiness(property: &str, readiness: &ClusterVmReadiness) -> Result<(), Fault> {
    let at = format!("{property}.readyCondition");
    expect_choice::<ClusterVmReadinessReadyCondition>(&at, readiness.ready_condition())
}

/// Brings the properties that repeat others up to date: `configuration` and `summaryEx`.
pub(super) fn derive(transaction: &mut vimsim_registry::Transaction, moref: &Moref) -> Result<(), Fault> {
    lists::forget_removed(transaction, moref)?;
    super::recommendation::forget_gone(transaction, moref)?;
    let cluster = transaction.get::<ClusterComputeResource>(moref)?;
    let mut changed = cluster.clone();
    if let Some(config) = cluster.configuration_ex().downcast::<ClusterConfigInfoEx>() {
        let old = changed.configuration_mut().as_object_mut();
        for (slot, field) in ClusterConfigInfo::TYPE.info().fields().iter().enumerate() {
            old.set(slot, config.as_object().field(field.name).clone());
        }
    }
    let summary = cluster.as_object().get(ComputeResource::SUMMARY).clone();
    changed.as_object_mut().set(ClusterComputeResource::SUMMARY_EX, summary);
    if changed.as_object() != cluster.as_object() {
        *transaction.edit::<ClusterComputeResource>(moref)? = changed;
    }
    Ok(())
}
