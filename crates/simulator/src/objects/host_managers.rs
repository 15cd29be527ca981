//! What the managers of a host show.
//!
//! The host's own properties are the truth: most managers show one of them, the same object, and [`derive`] keeps it so.
//! The one exception is the advanced options, which [`OptionManager`] keeps, as it does those of the service; there the
//! host's `config.option` follows ([`derive_options`]).

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::enums::{HostSnmpAgentCapability, HostSystemConnectionState};
use vimsim_types::views::{
    CryptoManagerHost, HostAccessManager, HostActiveDirectoryAuthentication, HostActiveDirectoryInfo,
    HostAssignableHardwareManager, HostAuthenticationManager, HostAutoStartManager, HostCacheConfigurationManager,
    HostConfigInfo, HostCpuSchedulerSystem, HostDatastoreBrowser, HostDatastoreSystem, HostDateTimeSystem,
    HostDiagnosticSystem, HostEsxAgentHostManager, HostEsxAgentHostManagerConfigInfo, HostFirewallSystem,
    HostGraphicsManager, HostHealthStatusSystem, HostLocalAuthentication, HostLocalAuthenticationInfo,
    HostMemorySystem, HostNetworkInfo, HostNetworkSystem, HostNotConnected, HostNvdimmSystem, HostPciPassthruSystem,
    HostPowerSystem, HostRuntimeInfo, HostServiceSystem, HostSnmpSystem, HostStorageSystem, HostSystem,
    HostVFlashManager, HostVMotionInfo, HostVMotionSystem, HostVirtualNicManager, HostVsanSystem, LicenseManager,
    NotFound, NvdimmSystemInfo, OptionManager, UserDirectory,
};
use vimsim_types::{ArcStr, Fault, Moref, Object, TypeId, Value, View};

use super::host_datastore_browser;
use super::host_local_account_manager::{Account, Accounts};
use super::host_system::{self, put};
use crate::call::{Call, Look, not_found};

/// A manager's property that is one of `HostSystem.config`.
type Shown = (TypeId, usize, usize);

const SHOWN: &[Shown] = &[
    (HostAccessManager::TYPE, HostAccessManager::LOCKDOWN_MODE, HostConfigInfo::LOCKDOWN_MODE),
    (
        HostAssignableHardwareManager::TYPE,
        HostAssignableHardwareManager::BINDING,
        HostConfigInfo::ASSIGNABLE_HARDWARE_BINDING,
    ),
    (
        HostAssignableHardwareManager::TYPE,
        HostAssignableHardwareManager::CONFIG,
        HostConfigInfo::ASSIGNABLE_HARDWARE_CONFIG,
    ),
    (HostAuthenticationManager::TYPE, HostAuthenticationManager::INFO, HostConfigInfo::AUTHENTICATION_MANAGER_INFO),
    (HostAutoStartManager::TYPE, HostAutoStartManager::CONFIG, HostConfigInfo::AUTO_START),
    (
        HostCacheConfigurationManager::TYPE,
        HostCacheConfigurationManager::CACHE_CONFIGURATION_INFO,
        HostConfigInfo::CACHE_CONFIGURATION_INFO,
    ),
    (HostCpuSchedulerSystem::TYPE, HostCpuSchedulerSystem::HYPERTHREAD_INFO, HostConfigInfo::HYPER_THREAD),
    (HostCpuSchedulerSystem::TYPE, HostCpuSchedulerSystem::CPU_SCHEDULER_INFO, HostConfigInfo::CPU_SCHEDULER),
    (HostDatastoreSystem::TYPE, HostDatastoreSystem::CAPABILITIES, HostConfigInfo::DATASTORE_CAPABILITIES),
    (HostDateTimeSystem::TYPE, HostDateTimeSystem::DATE_TIME_INFO, HostConfigInfo::DATE_TIME_INFO),
    (HostDiagnosticSystem::TYPE, HostDiagnosticSystem::ACTIVE_PARTITION, HostConfigInfo::ACTIVE_DIAGNOSTIC_PARTITION),
    (HostFirewallSystem::TYPE, HostFirewallSystem::FIREWALL_INFO, HostConfigInfo::FIREWALL),
    (HostGraphicsManager::TYPE, HostGraphicsManager::GRAPHICS_INFO, HostConfigInfo::GRAPHICS_INFO),
    (HostGraphicsManager::TYPE, HostGraphicsManager::GRAPHICS_CONFIG, HostConfigInfo::GRAPHICS_CONFIG),
    (
        HostGraphicsManager::TYPE,
        HostGraphicsManager::SHARED_PASSTHRU_GPU_TYPES,
        HostConfigInfo::SHARED_PASSTHRU_GPU_TYPES,
    ),
    (HostGraphicsManager::TYPE, HostGraphicsManager::SHARED_GPU_CAPABILITIES, HostConfigInfo::SHARED_GPU_CAPABILITIES),
    (HostMemorySystem::TYPE, HostMemorySystem::CONSOLE_RESERVATION_INFO, HostConfigInfo::CONSOLE_RESERVATION),
    (
        HostMemorySystem::TYPE,
        HostMemorySystem::VIRTUAL_MACHINE_RESERVATION_INFO,
        HostConfigInfo::VIRTUAL_MACHINE_RESERVATION,
    ),
    (HostNetworkSystem::TYPE, HostNetworkSystem::CAPABILITIES, HostConfigInfo::CAPABILITIES),
    (HostNetworkSystem::TYPE, HostNetworkSystem::NETWORK_INFO, HostConfigInfo::NETWORK),
    (HostNetworkSystem::TYPE, HostNetworkSystem::OFFLOAD_CAPABILITIES, HostConfigInfo::OFFLOAD_CAPABILITIES),
    (HostPciPassthruSystem::TYPE, HostPciPassthruSystem::PCI_PASSTHRU_INFO, HostConfigInfo::PCI_PASSTHRU_INFO),
    (HostPciPassthruSystem::TYPE, HostPciPassthruSystem::SRIOV_DEVICE_POOL_INFO, HostConfigInfo::SRIOV_DEVICE_POOL),
    (HostPowerSystem::TYPE, HostPowerSystem::CAPABILITY, HostConfigInfo::POWER_SYSTEM_CAPABILITY),
    (HostPowerSystem::TYPE, HostPowerSystem::INFO, HostConfigInfo::POWER_SYSTEM_INFO),
    (HostServiceSystem::TYPE, HostServiceSystem::SERVICE_INFO, HostConfigInfo::SERVICE),
    (HostStorageSystem::TYPE, HostStorageSystem::STORAGE_DEVICE_INFO, HostConfigInfo::STORAGE_DEVICE),
    (HostStorageSystem::TYPE, HostStorageSystem::FILE_SYSTEM_VOLUME_INFO, HostConfigInfo::FILE_SYSTEM_VOLUME),
    (HostStorageSystem::TYPE, HostStorageSystem::SYSTEM_FILE, HostConfigInfo::SYSTEM_FILE),
    (HostStorageSystem::TYPE, HostStorageSystem::MULTIPATH_STATE_INFO, HostConfigInfo::MULTIPATH_STATE),
    (HostVFlashManager::TYPE, HostVFlashManager::V_FLASH_CONFIG_INFO, HostConfigInfo::V_FLASH_CONFIG_INFO),
    (HostVirtualNicManager::TYPE, HostVirtualNicManager::INFO, HostConfigInfo::VIRTUAL_NIC_MANAGER_INFO),
    (HostVsanSystem::TYPE, HostVsanSystem::CONFIG, HostConfigInfo::VSAN_HOST_CONFIG),
];

/// What a manager keeps beside its properties.
#[derive(Clone, Default)]
struct Beside {
    /// The host that it belongs to.
    host: Option<Moref>,
    /// The public key (`SubjectPublicKeyInfo`, DER) that the host last asked to have certified.
    requested_key: Option<Arc<[u8]>>,
    /// The users of the host that somebody has made.
    accounts: Accounts,
    /// The users that lockdown mode does not concern.
    exceptions: Arc<[ArcStr]>,
    /// What only managers of this type keep.
    kept: Option<Arc<dyn Any + Send + Sync>>,
}

/// Says which host a manager belongs to.
pub(crate) fn set_host<T>(call: &mut Call<'_, T>, manager: &Moref, host: &Moref) -> Result<(), Fault> {
    call.private::<Beside>(manager)?.host = Some(host.clone());
    Ok(())
}

/// The host that a manager belongs to; `None` if it is one of the service's.
pub(crate) fn host_of(transaction: &Transaction, manager: &Moref) -> Option<Moref> {
    transaction.object(manager)?.private::<Beside>()?.host.clone()
}

/// Keeps the key that a host asks to have certified.
pub(crate) fn set_requested_key<T>(call: &mut Call<'_, T>, key: Vec<u8>) -> Result<(), Fault> {
    let manager = call.moref();
    call.private::<Beside>(&manager)?.requested_key = Some(key.into());
    Ok(())
}

/// The key that the host last asked to have certified.
pub(crate) fn requested_key(transaction: &Transaction, manager: &Moref) -> Option<Arc<[u8]>> {
    transaction.object(manager)?.private::<Beside>()?.requested_key.clone()
}

/// The users of the host that this manager keeps, to change.
pub(crate) fn accounts_mut<'a, T>(call: &'a mut Call<'_, T>) -> Result<&'a mut BTreeMap<ArcStr, Account>, Fault> {
    let manager = call.moref();
    Ok(Arc::make_mut(&mut call.private::<Beside>(&manager)?.accounts))
}

/// The users of the host that another manager of it keeps.
pub(crate) fn accounts(inventory: &impl crate::walk::Inventory, manager: &Moref) -> Accounts {
    let host = host_in(inventory, manager).and_then(|host| inventory.seen::<HostSystem>(&host));
    let keeper = host.and_then(|host| host.config_manager().account_manager());
    let kept = keeper.and_then(|keeper| Some(inventory.find(&keeper)?.private::<Beside>()?.accounts.clone()));
    kept.unwrap_or_default()
}

/// Keeps the users that lockdown mode does not concern.
pub(crate) fn set_exceptions<T>(call: &mut Call<'_, T>, users: Vec<ArcStr>) -> Result<(), Fault> {
    let manager = call.moref();
    call.private::<Beside>(&manager)?.exceptions = users.into();
    Ok(())
}

/// The users that lockdown mode does not concern.
pub(crate) fn exceptions(snapshot: &Snapshot, manager: &Moref) -> Arc<[ArcStr]> {
    let kept = snapshot.object(manager).and_then(|object| object.private::<Beside>());
    kept.map(|kept| kept.exceptions.clone()).unwrap_or_default()
}

/// Keeps something that only managers of this type do.
pub(crate) fn keep<T, K: Any + Send + Sync>(call: &mut Call<'_, T>, manager: &Moref, what: K) -> Result<(), Fault> {
    call.private::<Beside>(manager)?.kept = Some(Arc::new(what));
    Ok(())
}

/// What a manager keeps with [`keep`].
pub(crate) fn kept<'a, K: Any>(inventory: &'a impl crate::walk::Inventory, manager: &Moref) -> Option<&'a K> {
    inventory.find(manager)?.private::<Beside>()?.kept.as_ref()?.downcast_ref()
}

/// [`host_of`] in either.
pub(crate) fn host_in(inventory: &impl crate::walk::Inventory, manager: &Moref) -> Option<Moref> {
    inventory.find(manager)?.private::<Beside>()?.host.clone()
}

/// [`host_of`] in a snapshot.
pub(crate) fn host_seen(snapshot: &Snapshot, manager: &Moref) -> Option<Moref> {
    snapshot.object(manager)?.private::<Beside>()?.host.clone()
}

/// The configuration of the host that the manager belongs to, to change.
///
/// - `ManagedObjectNotFound` if it belongs to none; `HostNotConnected` if vCenter cannot reach the host.
pub(crate) fn edit_config<'a, T>(call: &'a mut Call<'_, T>) -> Result<&'a mut HostConfigInfo, Fault> {
    let manager = call.moref();
    let host = host_of(call, &manager).ok_or_else(|| not_found(&manager))?;
    expect_connected(call.get(&host)?)?;
    Ok(call.edit::<HostSystem>(&host)?.config_mut())
}

/// The host that the manager belongs to; faults as [`edit_config`] does.
pub(crate) fn look_host<'a, T: View>(look: &Look<'a, T>) -> Result<&'a HostSystem, Fault> {
    let host = host_seen(look.snapshot(), look.moref()).ok_or_else(|| not_found(look.moref()))?;
    let host = look.get(&host)?;
    expect_connected(host)?;
    Ok(host)
}

/// `HostNotConnected` unless the host is connected.
pub(crate) fn expect_connected(host: &HostSystem) -> Result<(), Fault> {
    match host.runtime().connection_state() {
        HostSystemConnectionState::Connected => Ok(()),
        _ => Err(Fault::new(HostNotConnected::new(), format!("the host '{}' is not connected", host.name()))),
    }
}

/// `NotFound`, with what is not there.
pub(crate) fn no_such(what: &str, id: &str) -> Fault {
    Fault::new(NotFound::new(), format!("the host has no {what} '{id}'"))
}

/// A method that has the host look at its state anew. Ours is never stale.
pub(crate) fn refreshed<T: View, M>(look: &Look<'_, T>, _: M) -> Result<(), Fault> {
    look_host(look).map(|_| ())
}

/// The properties of a new manager of this type, for this host.
pub(crate) fn properties(kind: TypeId, host: &HostSystem) -> Object {
    if kind == HostDatastoreBrowser::TYPE {
        return host_datastore_browser::properties(host.datastore()).into();
    }
    let mut object = ALIKE.iter().find(|object| object.kind() == kind).cloned().unwrap_or_else(|| Object::new(kind));
    if let Some(manager) = HostAuthenticationManager::from_mut(&mut object) {
        manager.set_supported_store(host_system::stores(host));
    } else if let Some(manager) = OptionManager::from_mut(&mut object)
        && let Some(config) = host.config()
    {
        let config = config.as_object();
        manager.as_object_mut().set(OptionManager::SETTING, config.get(HostConfigInfo::OPTION).clone());
        manager.as_object_mut().set(OptionManager::SUPPORTED_OPTION, config.get(HostConfigInfo::OPTION_DEF).clone());
    }
    show(&mut object, host);
    object
}

/// The managers that begin alike on every host.
static ALIKE: LazyLock<Vec<Object>> = LazyLock::new(|| {
    vec![
        CryptoManagerHost::with(|manager| _ = manager.set_enabled(true)).into(),
        HostSnmpSystem::with(snmp).into(),
        HostNvdimmSystem::with(|manager| _ = manager.set_nvdimm_system_info(NvdimmSystemInfo::new())).into(),
        UserDirectory::with(|directory| _ = directory.set_domain_list(std::iter::empty::<&str>())).into(),
        LicenseManager::with(host_system::licenses).into(),
        HostLocalAuthentication::with(|store| {
            store.set_info(HostLocalAuthenticationInfo::with(|info| _ = info.set_enabled(true)));
        })
        .into(),
        HostActiveDirectoryAuthentication::with(|store| {
            store.set_info(HostActiveDirectoryInfo::with(|info| {
                info.set_enabled(false);
                info.set_smart_card_authentication_enabled(false);
            }));
        })
        .into(),
    ]
});

/// The agent is there and turned off.
fn snmp(manager: &mut HostSnmpSystem) {
    manager.configuration_mut().set_enabled(false).set_port(161);
    let limits = manager.limits_mut();
    limits.set_max_read_only_communities(10).set_max_trap_destinations(3).set_max_community_length(64);
    limits.set_max_buffer_size(65_535).set_capability(HostSnmpAgentCapability::COMPLETE);
}

/// Brings the properties of the host's managers up to what the host says.
pub(crate) fn derive(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let host = transaction.get::<HostSystem>(moref)?.clone();
    for manager in host_system::managers(&host) {
        let Some(object) = transaction.object(&manager) else { continue };
        let mut properties = object.properties().clone();
        show(&mut properties, &host);
        if !properties.same(object.properties()) {
            *transaction.edit::<vimsim_types::views::ManagedObject>(&manager)?.as_object_mut() = properties;
        }
    }
    Ok(())
}

/// Brings `config.option` of the host up to what its option manager says.
pub(crate) fn derive_options(transaction: &mut Transaction, manager: &Moref) -> Result<(), Fault> {
    let Some(moref) = host_of(transaction, manager) else { return Ok(()) };
    let options = transaction.get::<OptionManager>(manager)?.as_object().get(OptionManager::SETTING).clone();
    let Some(config) = transaction.get::<HostSystem>(&moref)?.config() else { return Ok(()) };
    if !config.as_object().get(HostConfigInfo::OPTION).same(&options) {
        let config = transaction.edit::<HostSystem>(&moref)?.config_mut();
        config.as_object_mut().set(HostConfigInfo::OPTION, options);
    }
    Ok(())
}

/// Makes a manager show what the host says. Leaves it as it is, and shared, if it does.
fn show(manager: &mut Object, host: &HostSystem) {
    let kind = manager.kind();
    let Some(config) = host.config() else { return };
    if kind == HostNetworkSystem::TYPE {
        show_network(manager, config);
    }
    for (_, slot, from) in SHOWN.iter().filter(|(known, ..)| *known == kind) {
        put(manager, *slot, config.as_object().get(*from).clone());
    }
    if kind == HostDatastoreSystem::TYPE {
        put(manager, HostDatastoreSystem::DATASTORE, host.as_object().get(HostSystem::DATASTORE).clone());
    } else if kind == HostDatastoreBrowser::TYPE {
        put(manager, HostDatastoreBrowser::DATASTORE, host.as_object().get(HostSystem::DATASTORE).clone());
    } else if kind == HostHealthStatusSystem::TYPE {
        let health = host.runtime().as_object().get(HostRuntimeInfo::HEALTH_SYSTEM_RUNTIME).clone();
        put(manager, HostHealthStatusSystem::RUNTIME, health);
    } else if kind == HostVMotionSystem::TYPE {
        let vmotion = |slot| config.vmotion().map_or(Value::Unset, |info| info.as_object().get(slot).clone());
        put(manager, HostVMotionSystem::NET_CONFIG, vmotion(HostVMotionInfo::NET_CONFIG));
        put(manager, HostVMotionSystem::IP_CONFIG, vmotion(HostVMotionInfo::IP_CONFIG));
    } else if kind == HostEsxAgentHostManager::TYPE {
        let summary = host.summary().config();
        let info = HostEsxAgentHostManagerConfigInfo::with(|info| {
            info.set_agent_vm_datastore(summary.agent_vm_datastore()).set_agent_vm_network(summary.agent_vm_network());
        });
        put(manager, HostEsxAgentHostManager::CONFIG_INFO, Value::Object(info.into()));
    }
}

/// What a network system shows of `networkInfo` beside it, unless it does already.
fn show_network(manager: &mut Object, config: &HostConfigInfo) {
    let Some(network) = config.network() else { return };
    let object = network.as_object();
    if manager.get(HostNetworkSystem::NETWORK_INFO).object().is_some_and(|known| known.same(object)) {
        return;
    }
    put(manager, HostNetworkSystem::DNS_CONFIG, object.get(HostNetworkInfo::DNS_CONFIG).clone());
    put(manager, HostNetworkSystem::IP_ROUTE_CONFIG, object.get(HostNetworkInfo::IP_ROUTE_CONFIG).clone());
    let console = object.get(HostNetworkInfo::CONSOLE_IP_ROUTE_CONFIG).clone();
    put(manager, HostNetworkSystem::CONSOLE_IP_ROUTE_CONFIG, console);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_of_the_property_s_type() {
        for (kind, slot, from) in SHOWN {
            let (to, from) = (&kind.info().fields()[*slot], &HostConfigInfo::TYPE.info().fields()[*from]);
            assert!(to.ty == from.ty && to.is_list() == from.is_list(), "{}.{}", kind.name(), to.name);
        }
    }
}
