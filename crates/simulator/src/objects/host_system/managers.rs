//! The managers that a host's `configManager` names.

use vimsim_types::views::{
    CryptoManagerHost, HostActiveDirectoryAuthentication, HostCertificateManager, HostConfigManager,
    HostDatastoreBrowser, HostLocalAuthentication, HostSystem,
};
use vimsim_types::{Fault, Moref, Ty, TypeId, Value, View};

use super::super::host_managers;
use crate::call::Call;

/// The managers that have numbers of their own, in the order in which `vcsim` gives them out.
const NUMBERED: [&str; 7] = [
    "datastoreSystem",
    "networkSystem",
    "virtualNicManager",
    "advancedOption",
    "firewallSystem",
    "storageSystem",
    "certificateManager",
];

/// The others: the property and the word that the identifier begins with. vCenter appends the host's number to it, and an
/// ESXi host has the word alone.
const NAMED: [(&str, &str); 31] = [
    ("cpuScheduler", "cpuSchedulerSystem"),
    ("memoryManager", "memoryManagerSystem"),
    ("vmotionSystem", "ha-vmotion-system"),
    ("serviceSystem", "serviceSystem"),
    ("diagnosticSystem", "diagnosticsystem"),
    ("autoStartManager", "ha-autostart-mgr"),
    ("snmpSystem", "ha-snmp-agent"),
    ("dateTimeSystem", "dateTimeSystem"),
    ("patchManager", "ha-host-patch-manager"),
    ("imageConfigManager", "ha-image-config-manager"),
    ("bootDeviceSystem", "ha-boot-device-system"),
    ("firmwareSystem", "ha-firmwareSystem"),
    ("healthStatusSystem", "healthStatusSystem"),
    ("pciPassthruSystem", "ha-pcipassthrusystem"),
    ("licenseManager", "ha-license-manager"),
    ("kernelModuleSystem", "kernelModuleSystem"),
    ("authenticationManager", "ha-auth-manager"),
    ("powerSystem", "ha-power-system"),
    ("cacheConfigurationManager", "ha-cache-configuration-manager"),
    ("esxAgentHostManager", "esxAgentHostManager"),
    ("iscsiManager", "iscsiManager"),
    ("vFlashManager", "ha-vflash-manager"),
    ("vsanSystem", "vsanSystem"),
    ("messageBusProxy", "messageBusProxy"),
    ("userDirectory", "ha-user-directory"),
    ("accountManager", "ha-localacctmgr"),
    ("hostAccessManager", "ha-host-access-manager"),
    ("graphicsManager", "ha-graphics-manager"),
    ("vsanInternalSystem", "ha-vsan-internal-system"),
    ("nvdimmSystem", "ha-nvdimm-system"),
    ("assignableHardwareManager", "ha-assignable-hardware-manager"),
];

/// The numbered managers' references, made before the host's.
#[derive(Clone)]
pub(crate) struct Managers(Vec<Moref>);

fn slot(property: &str) -> Option<(usize, TypeId)> {
    let info = HostConfigManager::TYPE.info();
    let slot = info.slot(property)?;
    match info.fields()[slot].ty {
        Ty::Moref(kind) => Some((slot, kind)),
        _ => None,
    }
}

/// Gives out the identifiers of a new host's managers.
pub(crate) fn create_managers<T>(call: &mut Call<'_, T>) -> Managers {
    Managers(NUMBERED.iter().filter_map(|name| slot(name)).map(|(_, kind)| call.create_moref(kind)).collect())
}

/// Adds the managers of a host, and names them in its `configManager`.
pub(crate) fn insert<T>(
    call: &mut Call<'_, T>,
    moref: &Moref,
    host: &mut HostSystem,
    numbered: Managers,
) -> Result<(), Fault> {
    let number = moref.value().rsplit('-').next().filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let suffix = number.map(|number| format!("-{number}")).unwrap_or_default();
    let numbered =
        NUMBERED.iter().filter_map(|name| slot(name)).zip(numbered.0).map(|((slot, _), moref)| (slot, moref));
    let named = NAMED.iter().filter_map(|(name, word)| {
        let (slot, kind) = slot(name)?;
        Some((slot, Moref::new(kind, format!("{word}{suffix}"))))
    });
    let crypto = slot("cryptoManager")
        .map(|(slot, _)| (slot, Moref::of::<CryptoManagerHost>(format!("ha-crypto-manager{suffix}"))));
    let managers: Vec<(usize, Moref)> = numbered.chain(named).chain(crypto).collect();
    for (slot, manager) in &managers {
        host.config_manager_mut().as_object_mut().set(*slot, Value::from(manager));
    }
    let browser = match number {
        Some(_) => format!("datastoreBrowser-{}", moref.value()),
        None => "ha-host-datastorebrowser".into(),
    };
    host.set_datastore_browser(Moref::of::<HostDatastoreBrowser>(browser));
    for manager in of(host) {
        // On an ESXi host, some are managers of the service too, and there already.
        if call.object(&manager).is_none() {
            let properties = match manager.is::<HostCertificateManager>() {
                true => call.context().service.certificate().manager(),
                false => host_managers::properties(manager.kind(), host),
            };
            call.insert(manager.clone(), properties);
        }
        host_managers::set_host(call, &manager, moref)?;
    }
    Ok(())
}

/// The managers of a host, its datastore browser, and the stores of users that it knows.
pub(crate) fn of(host: &HostSystem) -> Vec<Moref> {
    let managers = host.config_manager().as_object().slots().iter().filter_map(Value::moref);
    managers.chain(host.as_object().get(HostSystem::DATASTORE_BROWSER).moref()).chain(stores(host)).collect()
}

/// The stores of users that a host knows: its own, and the directory. They are numbered as its managers are.
pub(crate) fn stores(host: &HostSystem) -> Vec<Moref> {
    let Some(manager) = host.config_manager().authentication_manager() else { return Vec::new() };
    let Some(suffix) = manager.value().strip_prefix("ha-auth-manager") else { return Vec::new() };
    vec![
        Moref::of::<HostLocalAuthentication>(format!("ha-local-auth{suffix}")),
        Moref::of::<HostActiveDirectoryAuthentication>(format!("ha-ad-auth{suffix}")),
    ]
}
