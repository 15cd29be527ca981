//! `ServiceInstance`: the way in, and the managers that it names.

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::enums::VMotionCompatibilityType;
use vimsim_types::method::{
    CurrentTime, QueryVMotionCompatibility, RetrieveInternalContent, RetrieveProductComponents, RetrieveServiceContent,
    ValidateMigration,
};
use vimsim_types::views::{
    AboutInfo, Capability, Folder, HostEventArgument, HostNotConnected, HostSystem, HostVMotionCompatibility,
    InternalServiceInstanceContent, MigrationHostErrorEvent, NfcService, ProductComponentInfo, ResourcePool,
    ServiceContent, ServiceInstance, VirtualMachine,
};
use vimsim_types::{DateTime, EnumView, Fault, Moref, Namespace, Ty, TypeId, Value, Version, View};

use super::host_system;
use crate::call::{Context, Look};
use crate::config::{Config, Fidelity, Product};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ServiceInstance> {
    Kind::new()
        .read(current_time)
        .read(retrieve_service_content)
        .read(query_vmotion_compatibility)
        .read(validate_migration)
        .read(retrieve_product_components)
        .read(retrieve_internal_content)
        .computed(ServiceInstance::SERVER_CLOCK, server_clock)
}

/// What of the service is for other VMware products: where NFC is, by which ovftool could copy files.
fn retrieve_internal_content(
    _: &Look<'_, ServiceInstance>,
    _: RetrieveInternalContent,
) -> Result<InternalServiceInstanceContent, Fault> {
    let service = Moref::of::<NfcService>("NfcService");
    Ok(InternalServiceInstanceContent::with(|content| _ = content.set_nfc_service(service)))
}

/// The identifier of the service's own options.
pub(crate) fn setting(product: Product) -> Moref {
    Moref::of::<vimsim_types::views::OptionManager>(match product {
        Product::VirtualCenter => "VpxSettings",
        Product::EsxHost => "HostAgentSettings",
    })
}

/// The identifier of the one service instance.
pub(crate) fn moref() -> Moref {
    Moref::of::<ServiceInstance>("ServiceInstance")
}

/// The root folder of the inventory.
pub(crate) fn root_folder(is_virtual_center: bool) -> Moref {
    Moref::of::<Folder>(if is_virtual_center { "group-d1" } else { "ha-folder-root" })
}

/// What a vCenter names in its `ServiceContent`: the property and the identifier, as `vcsim` has them; vCenter has some
/// more. The type is the property's own unless a third word says otherwise.
const VIRTUAL_CENTER: &[(&str, &str, &str)] = &[
    ("rootFolder", "group-d1", ""),
    ("propertyCollector", "propertyCollector", ""),
    ("viewManager", "ViewManager", ""),
    ("setting", "VpxSettings", ""),
    ("userDirectory", "UserDirectory", ""),
    ("sessionManager", "SessionManager", ""),
    ("authorizationManager", "AuthorizationManager", ""),
    ("serviceManager", "ServiceMgr", ""),
    ("perfManager", "PerfMgr", ""),
    ("scheduledTaskManager", "ScheduledTaskManager", ""),
    ("alarmManager", "AlarmManager", ""),
    ("eventManager", "EventManager", ""),
    ("taskManager", "TaskManager", ""),
    ("extensionManager", "ExtensionManager", ""),
    ("customizationSpecManager", "CustomizationSpecManager", ""),
    ("guestCustomizationManager", "GuestCustomizationManager", ""),
    ("customFieldsManager", "CustomFieldsManager", ""),
    ("diagnosticManager", "DiagMgr", ""),
    ("licenseManager", "LicenseManager", ""),
    ("searchIndex", "SearchIndex", ""),
    ("fileManager", "FileManager", ""),
    ("datastoreNamespaceManager", "DatastoreNamespaceManager", ""),
    ("virtualDiskManager", "virtualDiskManager", ""),
    ("snmpSystem", "SnmpSystem", ""),
    ("vmProvisioningChecker", "ProvChecker", ""),
    ("vmCompatibilityChecker", "CompatChecker", ""),
    ("ovfManager", "OvfManager", ""),
    ("ipPoolManager", "IpPoolManager", ""),
    ("dvSwitchManager", "DVSManager", ""),
    ("hostProfileManager", "HostProfileManager", ""),
    ("clusterProfileManager", "ClusterProfileManager", ""),
    ("complianceManager", "MoComplianceManager", ""),
    ("localizationManager", "LocalizationManager", ""),
    ("storageResourceManager", "StorageResourceManager", ""),
    ("guestOperationsManager", "guestOperationsManager", ""),
    ("overheadMemoryManager", "OverheadMemoryManager", ""),
    ("certificateManager", "certificateManager", ""),
    ("ioFilterManager", "IoFilterManager", ""),
    ("vStorageObjectManager", "VStorageObjectManager", "VcenterVStorageObjectManager"),
    ("hostSpecManager", "HostSpecificationManager", ""),
    ("cryptoManager", "CryptoManager", "CryptoManagerKmip"),
    ("healthUpdateManager", "HealthUpdateManager", ""),
    ("failoverClusterConfigurator", "FailoverClusterConfigurator", ""),
    ("failoverClusterManager", "FailoverClusterManager", ""),
    ("tenantManager", "TenantManager", ""),
    ("siteInfoManager", "SiteInfoManager", ""),
    ("storageQueryManager", "StorageQueryManager", ""),
];

/// What an ESXi host names in its `ServiceContent`.
const ESX_HOST: &[(&str, &str, &str)] = &[
    ("rootFolder", "ha-folder-root", ""),
    ("propertyCollector", "ha-property-collector", ""),
    ("viewManager", "ViewManager", ""),
    ("setting", "HostAgentSettings", ""),
    ("userDirectory", "ha-user-directory", ""),
    ("sessionManager", "ha-sessionmgr", ""),
    ("authorizationManager", "ha-authmgr", ""),
    ("serviceManager", "ha-servicemanager", ""),
    ("perfManager", "ha-perfmgr", ""),
    ("eventManager", "ha-eventmgr", ""),
    ("taskManager", "ha-taskmgr", ""),
    ("accountManager", "ha-localacctmgr", ""),
    ("diagnosticManager", "ha-diagnosticmgr", ""),
    ("licenseManager", "ha-license-manager", ""),
    ("searchIndex", "ha-searchindex", ""),
    ("fileManager", "ha-nfc-file-manager", ""),
    ("datastoreNamespaceManager", "ha-datastore-namespace-manager", ""),
    ("virtualDiskManager", "ha-vdiskmanager", ""),
    ("ovfManager", "ha-ovf-manager", ""),
    ("dvSwitchManager", "ha-dvsmanager", ""),
    ("localizationManager", "ha-l10n-manager", ""),
    ("storageResourceManager", "ha-storage-resource-manager", ""),
    ("guestOperationsManager", "ha-guest-operations-manager", ""),
    ("vStorageObjectManager", "ha-vstorage-object-manager", "HostVStorageObjectManager"),
    ("cryptoManager", "ha-crypto-manager", ""),
];

/// The references of a `ServiceContent`: the slot in it and the object.
pub(crate) fn managers(product: Product) -> impl Iterator<Item = (usize, Moref)> {
    let table = match product {
        Product::VirtualCenter => VIRTUAL_CENTER,
        Product::EsxHost => ESX_HOST,
    };
    table.iter().filter_map(|(property, id, kind)| {
        let info = ServiceContent::TYPE.info();
        let slot = info.slot(property)?;
        let Ty::Moref(declared) = info.fields()[slot].ty else { return None };
        let kind = TypeId::find(Namespace::VIM25, kind).unwrap_or(declared);
        Some((slot, Moref::new(kind, *id)))
    })
}

/// The version of the API that is claimed when none is asked for.
const DEFAULT_VERSION: &str = "8.0.3.0";

/// Whether a text can be the name of a version: numbers, or a word such as `uE53DA`, as builds that were never released
/// have.
pub(crate) fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The name of the version of the API that is claimed.
pub(crate) fn claimed_version(config: &Config) -> &str {
    config.api_version.as_deref().unwrap_or(DEFAULT_VERSION)
}

/// The newest version of the API that the service speaks: the one asked for, or else 8.0.3.0; for an unknown word all
/// that there is.
pub(crate) fn api_version(config: &Config) -> Version {
    Version::parse(Namespace::VIM25, claimed_version(config)).unwrap_or(Version::NEWEST)
}

/// The version of the product: that of its API as far as this is a number, or else that of the default.
fn product_version(api: &str) -> String {
    let is_number = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    let api = if api.split('.').all(is_number) { api } else { DEFAULT_VERSION };
    api.split('.').chain(["0", "0"]).take(3).collect::<Vec<_>>().join(".")
}

pub(crate) fn about(config: &Config) -> AboutInfo {
    let api = claimed_version(config);
    // Builds of the general releases: vCenter Server 8.0 U3 and ESXi 8.0 U3.
    let (build, host_build) = ("24022515", "24022510");
    let version = product_version(api);
    let remark = match config.fidelity {
        Fidelity::VCenter => "",
        Fidelity::Vcsim => " (govmomi simulator)",
    };
    AboutInfo::with(|about| {
        about.set_vendor("VMware, Inc.");
        about.set_version(&version);
        about.set_locale_version("INTL");
        about.set_locale_build("000");
        about.set_os_type("linux-x64");
        about.set_api_version(api);
        match config.product {
            Product::VirtualCenter => {
                about.set_name("VMware vCenter Server");
                about.set_full_name(format!("VMware vCenter Server {version} build-{build}{remark}"));
                about.set_build(build);
                about.set_product_line_id("vpx");
                about.set_api_type("VirtualCenter");
                about.set_instance_uuid(crate::uuid::named("vimsim"));
                about.set_license_product_name("VMware VirtualCenter Server");
            }
            Product::EsxHost => {
                about.set_name("VMware ESXi");
                about.set_full_name(format!("VMware ESXi {version} build-{host_build}{remark}"));
                about.set_build(host_build);
                about.set_os_type("vmnix-x86");
                about.set_product_line_id("embeddedEsx");
                about.set_api_type("HostAgent");
                about.set_license_product_name("VMware ESX Server");
            }
        }
        about.set_license_product_version(format!("{}.0", version.split('.').next().unwrap_or("8")));
    })
}

/// The service instance's own properties.
pub(crate) fn properties(config: &Config) -> ServiceInstance {
    let is_virtual_center = config.product == Product::VirtualCenter;
    ServiceInstance::with(|instance| {
        instance.set_capability(Capability::with(|capability| {
            capability.set_provisioning_supported(is_virtual_center);
            capability.set_multi_host_supported(is_virtual_center);
            capability.set_user_shell_access_supported(!is_virtual_center);
            let modes = if is_virtual_center { super::cluster_evc_manager::modes() } else { Vec::new() };
            capability.set_supported_evc_mode(modes);
            capability.set_network_backup_and_restore_supported(is_virtual_center);
        }));
        let content = instance.content_mut();
        content.set_about(about(config));
        for (slot, moref) in managers(config.product) {
            content.as_object_mut().set(slot, moref.into());
        }
    })
}

fn server_clock(context: &Context, _: &Snapshot, _: &ManagedObject) -> Value {
    let now: DateTime = context.now;
    now.into()
}

/// The server's time.
fn current_time(look: &Look<'_, ServiceInstance>, _: CurrentTime) -> Result<DateTime, Fault> {
    Ok(look.context().now)
}

/// The managers and what the server is.
fn retrieve_service_content(
    look: &Look<'_, ServiceInstance>,
    _: RetrieveServiceContent,
) -> Result<ServiceContent, Fault> {
    Ok(look.this()?.content().clone())
}

/// On which of the hosts the virtual machine could run, and by what measure. The simulated hosts have one kind of
/// processor and one kind of software, so that all measures hold wherever a host can be used at all.
///
/// - `InvalidArgument` for a measure that is none of `VMotionCompatibilityType`.
fn query_vmotion_compatibility(
    look: &Look<'_, ServiceInstance>,
    request: QueryVMotionCompatibility,
) -> Result<Vec<HostVMotionCompatibility>, Fault> {
    look.get::<VirtualMachine>(&request.vm())?;
    let mut measures: Vec<&str> = VMotionCompatibilityType::ALL.iter().map(|measure| measure.name()).collect();
    if let Some(unknown) = request.compatibility().iter().find(|name| !measures.contains(&name.as_str())) {
        return Err(Fault::invalid_argument("compatibility", format!("'{unknown}' is no VMotionCompatibilityType")));
    }
    measures.retain(|measure| request.compatibility().is_empty() || request.compatibility().contains(measure));
    let compatibility = request.host().iter().map(|moref| {
        let usable = host_system::is_effective(look.get::<HostSystem>(&moref)?);
        Ok(HostVMotionCompatibility::with(|compatibility| {
            compatibility.set_host(moref);
            compatibility.set_compatibility(measures.iter().copied().filter(|_| usable));
        }))
    });
    compatibility.collect()
}

/// What would keep the virtual machines from running on the host (or in the pool), as events.
fn validate_migration(
    look: &Look<'_, ServiceInstance>,
    request: ValidateMigration,
) -> Result<Vec<MigrationHostErrorEvent>, Fault> {
    if let Some(pool) = request.pool() {
        look.get::<ResourcePool>(&pool)?;
    }
    let mut events = Vec::new();
    for machine in request.vm() {
        look.get::<VirtualMachine>(&machine)?;
        let Some(moref) = request.host() else { continue };
        let host = look.get::<HostSystem>(&moref)?;
        if !host_system::is_effective(host) {
            let why = format!("the host '{}' is not connected, or in maintenance mode", host.name());
            events.push(MigrationHostErrorEvent::with(|event| {
                event.set_fault(Fault::new(HostNotConnected::new(), why.as_str()).localized());
                let mut argument = HostEventArgument::new();
                argument.set_host(moref.clone());
                argument.set_name(host.name());
                event.set_dst_host(argument);
                event.set_created_time(look.context().now).set_user_name(look.context().user());
                event.set_full_formatted_message(why);
            }));
        }
    }
    Ok(events)
}

/// The components of the product: itself.
fn retrieve_product_components(
    look: &Look<'_, ServiceInstance>,
    _: RetrieveProductComponents,
) -> Result<Vec<ProductComponentInfo>, Fault> {
    let about = look.this()?.content().about();
    Ok(vec![ProductComponentInfo::with(|component| {
        component.set_id(about.product_line_id()).set_name(about.name()).set_version(about.version()).set_release(0);
    })])
}
