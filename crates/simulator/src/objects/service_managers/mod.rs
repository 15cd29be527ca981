//! What the managers that `ServiceContent` names begin with, and the objects that these refer to.

mod small;

use vimsim_registry::Transaction;
use vimsim_types::views::{
    Alarm, GuestAliasManager, GuestAuthManager, GuestFileManager, GuestProcessManager, GuestWindowsRegistryManager,
    LicenseAssignmentManager, NfcService,
};
use vimsim_types::{Fault, Moref, Object, TypeId, View};

use super::{
    alarm_manager, authorization_manager, cns_volume_manager, custom_fields_manager, customization_spec_manager,
    esx_agent_manager, event_manager, extension_manager, license_manager, lookup_service_instance, option_settings,
    pbm_profile_manager, pbm_service_instance, performance_manager, sso_admin_service_instance, task_manager,
    user_directory, vsan_stretched_cluster_system, vsan_vc_cluster_config_system, vslm_service_instance,
};
use crate::call::Context;

/// The properties of a manager of this type.
pub(crate) fn properties(kind: TypeId, context: &Context) -> Object {
    let is_virtual_center = context.is_virtual_center();
    match kind.name() {
        "AlarmManager" => alarm_manager::properties().into(),
        "AuthorizationManager" => authorization_manager::properties().into(),
        "CryptoManager" => small::crypto_manager().into(),
        "CryptoManagerKmip" => small::crypto_manager_kmip().into(),
        "CustomFieldsManager" => custom_fields_manager::properties().into(),
        "CustomizationSpecManager" => customization_spec_manager::properties(context).into(),
        "EventManager" => event_manager::properties().into(),
        "ExtensionManager" => extension_manager::properties(context.now).into(),
        "GuestOperationsManager" => small::guest_operations_manager().into(),
        "HostSnmpSystem" => small::snmp_system().into(),
        "LicenseManager" => license_manager::properties(context).into(),
        "LocalizationManager" => small::localization_manager(is_virtual_center).into(),
        "OptionManager" => option_settings::properties(context).into(),
        "OvfManager" => small::ovf_manager().into(),
        "PerformanceManager" => performance_manager::properties(is_virtual_center).into(),
        "ScheduledTaskManager" => small::scheduled_task_manager().into(),
        "ServiceManager" => small::service_manager().into(),
        "TaskManager" => task_manager::properties().into(),
        "UserDirectory" => user_directory::properties(is_virtual_center).into(),
        _ => Object::new(kind),
    }
}

/// The objects that the managers refer to, and the alarms that a vCenter begins with.
pub(crate) fn extra(context: &Context) -> Vec<(Moref, Object)> {
    let plain = [
        Moref::of::<GuestAuthManager>("guestOperationsAuthManager"),
        Moref::of::<GuestFileManager>("guestOperationsFileManager"),
        Moref::of::<GuestProcessManager>("guestOperationsProcessManager"),
        Moref::of::<GuestWindowsRegistryManager>("guestOperationsWindowsRegistryManager"),
        Moref::of::<GuestAliasManager>("guestOperationsAliasManager"),
    ];
    let mut objects: Vec<(Moref, Object)> =
        plain.into_iter().map(|moref| (moref.clone(), Object::new(moref.kind()))).collect();
    if context.is_virtual_center() {
        objects.push((license_manager::assignment_manager(), LicenseAssignmentManager::new().into()));
        objects.extend(pbm_service_instance::objects(context));
        objects.extend(lookup_service_instance::objects());
        objects.extend(sso_admin_service_instance::objects());
        objects.extend(vslm_service_instance::objects(context));
        let others = [
            vsan_stretched_cluster_system::moref(),
            vsan_vc_cluster_config_system::moref(),
            cns_volume_manager::moref(),
            esx_agent_manager::moref(),
            Moref::of::<NfcService>("NfcService"),
        ];
        objects.extend(others.map(|moref| (moref.clone(), Object::new(moref.kind()))));
        let alarms = alarm_manager::built_in(context);
        objects.extend(alarms.into_iter().map(|(moref, alarm): (Moref, Alarm)| (moref, alarm.into())));
    }
    objects
}

/// What follows once all of them exist: who may do what, and what alarms wait for.
pub(crate) fn begin(transaction: &mut Transaction, context: &Context) -> Result<(), Fault> {
    let is_virtual_center = context.is_virtual_center();
    authorization_manager::begin(transaction, is_virtual_center)?;
    if is_virtual_center {
        pbm_profile_manager::begin(transaction, context.now)?;
        let alarms = alarm_manager::built_in(context);
        alarm_manager::begin(transaction, alarms.into_iter().map(|(moref, _)| moref).collect())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
