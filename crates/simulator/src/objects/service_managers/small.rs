//! Managers with little to say.

use vimsim_types::enums::{DayOfWeek, HostSnmpAgentCapability, TaskInfoState, WeekOfMonth};
use vimsim_types::views::{
    CryptoManager, CryptoManagerKmip, GuestAliasManager, GuestAuthManager, GuestFileManager, GuestOperationsManager,
    GuestProcessManager, GuestWindowsRegistryManager, HostSnmpSystem, LocalizableMessage, LocalizationManager,
    LocalizationManagerMessageCatalog, OvfManager, OvfOptionInfo, ScheduledTaskDetail, ScheduledTaskManager,
    ServiceManager, ServiceManagerServiceInfo,
};
use vimsim_types::{Moref, View};

use crate::objects::descriptions::{type_description, values};

pub(super) fn crypto_manager() -> CryptoManager {
    CryptoManager::with(|manager| _ = manager.set_enabled(false))
}

pub(super) fn crypto_manager_kmip() -> CryptoManagerKmip {
    CryptoManagerKmip::with(|manager| {
        manager.set_enabled(false);
        manager.set_kmip_servers(std::iter::empty::<vimsim_types::views::KmipClusterInfo>());
    })
}

pub(super) fn guest_operations_manager() -> GuestOperationsManager {
    GuestOperationsManager::with(|manager| {
        manager.set_auth_manager(Moref::of::<GuestAuthManager>("guestOperationsAuthManager"));
        manager.set_file_manager(Moref::of::<GuestFileManager>("guestOperationsFileManager"));
        manager.set_process_manager(Moref::of::<GuestProcessManager>("guestOperationsProcessManager"));
        let registry = Moref::of::<GuestWindowsRegistryManager>("guestOperationsWindowsRegistryManager");
        manager.set_guest_windows_registry_manager(registry);
        manager.set_alias_manager(Moref::of::<GuestAliasManager>("guestOperationsAliasManager"));
    })
}

/// The agent of vCenter: off, with room for what an administrator would configure.
pub(super) fn snmp_system() -> HostSnmpSystem {
    HostSnmpSystem::with(|system| {
        system.configuration_mut().set_enabled(false).set_port(161);
        let limits = system.limits_mut();
        limits.set_max_read_only_communities(10);
        limits.set_max_trap_destinations(4);
        limits.set_max_community_length(64);
        limits.set_max_buffer_size(4_096);
        limits.set_capability(HostSnmpAgentCapability::COMPLETE);
    })
}

/// The modules whose messages a server has in English.
pub(super) fn localization_manager(is_virtual_center: bool) -> LocalizationManager {
    let modules: &[(&str, &[&str])] = if is_virtual_center {
        &[(
            "vpxd",
            &[
                "alarm", "auth", "cluster", "default", "enum", "evc", "event", "fault", "gos", "host", "locmsg",
                "option", "perf", "question", "stask", "task", "vm",
            ],
        )]
    } else {
        &[(
            "hostd",
            &[
                "auth", "default", "enum", "evc", "fault", "gos", "host", "locmsg", "option", "perf", "question",
                "task", "vm",
            ],
        )]
    };
    LocalizationManager::with(|manager| {
        for (module, catalogs) in modules {
            for catalog in *catalogs {
                manager.push_catalog(LocalizationManagerMessageCatalog::with(|entry| {
                    entry.set_module_name(*module);
                    entry.set_catalog_name(*catalog);
                    entry.set_locale("en");
                    entry.set_catalog_uri(format!("/locale/{module}/en/{catalog}.vmsg"));
                }));
            }
        }
    })
}

pub(super) fn ovf_manager() -> OvfManager {
    let option = |name: &str, text: &str| {
        OvfOptionInfo::with(|option| {
            option.set_option(name);
            option.set_description(LocalizableMessage::with(|message| {
                message.set_key(format!("com.vmware.vim.ovf.option.{name}"));
                message.set_message(text);
            }));
        })
    };
    OvfManager::with(|manager| {
        manager.set_ovf_import_option([
            option("force", "Ignore manifest and certificate problems"),
            option("noImageFiles", "Leave out CD and floppy images"),
        ]);
        manager.set_ovf_export_option([
            option("mac", "Keep the MAC addresses of network adapters"),
            option("uuid", "Keep the UUIDs of virtual machines"),
            option("extraconfig", "Keep the extra configuration"),
        ]);
    })
}

/// The actions and schedulers that a scheduled task can have.
pub(super) fn scheduled_task_manager() -> ScheduledTaskManager {
    let schedulers = [
        ("AfterStartupTaskScheduler", "After startup", "Minutes after the server starts"),
        ("OnceTaskScheduler", "Once", "At one time"),
        ("HourlyTaskScheduler", "Hourly", "Every number of hours"),
        ("DailyTaskScheduler", "Daily", "Every number of days"),
        ("WeeklyTaskScheduler", "Weekly", "Every number of weeks, on certain days"),
        ("MonthlyByDayTaskScheduler", "Monthly by day", "Every number of months, on a day of the month"),
        ("MonthlyByWeekdayTaskScheduler", "Monthly by weekday", "Every number of months, on a day of a certain week"),
    ];
    ScheduledTaskManager::with(|manager| {
        manager.set_scheduled_task(std::iter::empty::<Moref>());
        let description = manager.description_mut();
        description.set_action([
            type_description("MethodAction", "Method", "Calls a method of an entity"),
            type_description("CreateTaskAction", "Create task", "Creates a task of an extension"),
            type_description("RunScriptAction", "Run script", "Runs a script on the server"),
            type_description("SendEmailAction", "Send e-mail", "Sends a message by e-mail"),
            type_description("SendSNMPAction", "Send SNMP trap", "Sends a trap to the SNMP receivers"),
        ]);
        description.set_scheduler_info(schedulers.map(|(key, label, summary)| {
            ScheduledTaskDetail::with(|detail| {
                detail.set_key(key);
                detail.set_label(label);
                detail.set_summary(summary);
                detail.set_frequency(label);
            })
        }));
        description.set_state(values::<TaskInfoState>());
        description.set_day_of_week(values::<DayOfWeek>());
        description.set_week_of_month(values::<WeekOfMonth>());
    })
}

/// Services are registered by other servers; there are none.
pub(super) fn service_manager() -> ServiceManager {
    ServiceManager::with(|manager| _ = manager.set_service(std::iter::empty::<ServiceManagerServiceInfo>()))
}
