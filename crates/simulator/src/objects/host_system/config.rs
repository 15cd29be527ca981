//! The parts of a host's configuration that are neither network nor storage.

use vimsim_types::View;
use vimsim_types::enums::{HostLockdownMode, SharesLevel};
use vimsim_types::views::{
    AboutInfo, AutoStartDefaults, HostActiveDirectoryInfo, HostAssignableHardwareConfig, HostAuthenticationManagerInfo,
    HostAutoStartManagerConfig, HostCacheConfigurationInfo, HostConfigInfo, HostDateTimeInfo, HostFeatureCapability,
    HostFlagInfo, HostGraphicsConfig, HostGraphicsInfo, HostIoFilterInfo, HostLocalAuthenticationInfo, HostPowerPolicy,
    HostSslThumbprintInfo, HostSystemResourceInfo, HostSystemSwapConfiguration,
    HostSystemSwapConfigurationHostCacheOption, HostSystemSwapConfigurationHostLocalSwapOption,
    HostVFlashManagerVFlashConfigInfo, PowerSystemCapability, PowerSystemInfo, ResourceAllocationInfo,
    ResourceConfigSpec, SharesInfo, VsanHostConfigInfo,
};

use super::{firewall, network, option, pci, service, storage};

/// The configuration without what is the host's own. `is_managed` says whether a vCenter manages it.
pub(super) fn config(is_managed: bool) -> HostConfigInfo {
    HostConfigInfo::with(|config| {
        config.set_product(product());
        config.deployment_info_mut().set_booted_from_stateless_cache(false);
        config.hyper_thread_mut().set_available(false).set_active(false).set_config(true);
        config.cpu_scheduler_mut().set_policy("systemDefault");
        config.set_storage_device(storage::devices());
        config.set_multipath_state(storage::multipath_state());
        config.set_active_diagnostic_partition(storage::diagnostic_partition());
        config.set_datastore_capabilities(storage::datastore_capabilities());
        config.set_network(network::network());
        config.set_vmotion(network::vmotion());
        config.set_virtual_nic_manager_info(network::nic_manager());
        config.set_file_system_volume(storage::volumes());
        config.set_capabilities(network::capabilities());
        config.set_offload_capabilities(network::offload());
        config.set_service(service::services(is_managed));
        config.set_firewall(firewall::firewall());
        config.set_option(option::values());
        config.set_option_def(option::definitions());
        config.set_auto_start(auto_start());
        config.set_system_swap_configuration(swap());
        config.set_system_resources(resources());
        config.set_date_time_info(date_time());
        config.set_flags(HostFlagInfo::with(|flags| _ = flags.set_background_snapshots_enabled(false)));
        config.set_wake_on_lan_capable(false);
        config.set_graphics_info([graphics()]);
        config.set_graphics_config(HostGraphicsConfig::with(|graphics| {
            graphics.set_host_default_graphics_type("shared").set_shared_passthru_assignment_policy("performance");
        }));
        config.set_pci_passthru_info(pci::passthrough());
        config.set_assignable_hardware_config(HostAssignableHardwareConfig::new());
        config.set_cache_configuration_info(std::iter::empty::<HostCacheConfigurationInfo>());
        config.set_v_flash_config_info(HostVFlashManagerVFlashConfigInfo::new());
        config.set_vsan_host_config(vsan());
        config.set_io_filter_info(io_filters());
        config.set_feature_capability(features());
        config.set_masked_feature_capability(features());
        security(config, is_managed);
        power(config);
    })
}

/// What the hypervisor is: ESXi 8.0 U3.
fn product() -> AboutInfo {
    AboutInfo::with(|about| {
        about.set_name("VMware ESXi").set_full_name("VMware ESXi 8.0.3 build-24022510");
        about.set_vendor("VMware, Inc.").set_version("8.0.3").set_patch_level("0.0").set_build("24022510");
        about.set_locale_version("INTL").set_locale_build("000");
        about.set_os_type("vmnix-x86").set_product_line_id("embeddedEsx");
        about.set_api_type("HostAgent").set_api_version("8.0.3.0");
        about.set_license_product_name("VMware ESX Server").set_license_product_version("8.0");
    })
}

fn security(config: &mut HostConfigInfo, is_managed: bool) {
    config.set_admin_disabled(false).set_lockdown_mode(HostLockdownMode::LockdownDisabled);
    if is_managed {
        config.set_ssl_thumbprint_info(HostSslThumbprintInfo::with(|info| {
            info.set_principal("vpxuser").set_owner_tag("vCenter");
        }));
    }
    config.set_authentication_manager_info(HostAuthenticationManagerInfo::with(|info| {
        info.push_auth_config(HostLocalAuthenticationInfo::with(|local| _ = local.set_enabled(true)));
        info.push_auth_config(HostActiveDirectoryInfo::with(|directory| {
            directory.set_enabled(false);
            directory.set_smart_card_authentication_enabled(false);
        }));
    }));
}

/// The policies between which an ESXi host can choose.
const POWER_POLICIES: [(i32, &str); 4] = [(1, "static"), (2, "dynamic"), (3, "low"), (4, "custom")];

pub(super) fn power_policy(key: i32) -> Option<HostPowerPolicy> {
    let (key, name) = POWER_POLICIES.into_iter().find(|(known, _)| *known == key)?;
    Some(HostPowerPolicy::with(|policy| {
        policy.set_key(key).set_short_name(name);
        // The names of messages, which clients look up in their own catalogue.
        policy.set_name(format!("PowerPolicy.{name}.name")).set_description(format!("PowerPolicy.{name}.description"));
    }))
}

fn power(config: &mut HostConfigInfo) {
    config.set_power_system_capability(PowerSystemCapability::with(|capability| {
        capability.set_available_policy(POWER_POLICIES.iter().filter_map(|(key, _)| power_policy(*key)));
    }));
    if let Some(balanced) = power_policy(2) {
        config.set_power_system_info(PowerSystemInfo::with(|info| _ = info.set_current_policy(balanced)));
    }
}

fn auto_start() -> HostAutoStartManagerConfig {
    HostAutoStartManagerConfig::with(|config| {
        config.set_defaults(AutoStartDefaults::with(|defaults| {
            defaults.set_enabled(false).set_start_delay(120).set_stop_delay(120);
            defaults.set_wait_for_heartbeat(false).set_stop_action("PowerOff");
        }));
        config.set_power_info(std::iter::empty::<vimsim_types::views::AutoStartPowerInfo>());
    })
}

fn swap() -> HostSystemSwapConfiguration {
    HostSystemSwapConfiguration::with(|swap| {
        swap.push_option(HostSystemSwapConfigurationHostCacheOption::with(|option| _ = option.set_key(0)));
        swap.push_option(HostSystemSwapConfigurationHostLocalSwapOption::with(|option| _ = option.set_key(1)));
    })
}

/// `config.dateTimeInfo`: UTC, with no server to take the time from.
fn date_time() -> HostDateTimeInfo {
    HostDateTimeInfo::with(|info| {
        let zone = info.time_zone_mut();
        zone.set_key("UTC").set_name("UTC").set_description("UTC").set_gmt_offset(0);
        info.set_system_clock_protocol("ntp").set_enabled(false);
        info.set_disable_events(false).set_disable_fallback(false).set_in_fallback_state(false);
        info.ntp_config_mut().set_server(std::iter::empty::<&str>());
    })
}

/// The system's own resource pools.
const POOLS: [&str; 7] =
    ["host", "host/iofilters", "host/system", "host/system/kernel", "host/user", "host/vim", "host/vim/vmvisor"];

/// `systemResources`.
fn resources() -> HostSystemResourceInfo {
    pool("host")
}

fn pool(key: &str) -> HostSystemResourceInfo {
    let is_child = |path: &str| path.strip_prefix(key).is_some_and(|rest| rest.rfind('/') == Some(0));
    HostSystemResourceInfo::with(|info| {
        info.set_key(key);
        info.set_config(ResourceConfigSpec::with(|config| {
            config.set_cpu_allocation(allocation(1_000));
            config.set_memory_allocation(allocation(1_000));
        }));
        let children: Vec<_> = POOLS.iter().filter(|path| is_child(path)).map(|path| pool(path)).collect();
        if !children.is_empty() {
            info.set_child(children);
        }
    })
}

fn allocation(shares: i32) -> ResourceAllocationInfo {
    ResourceAllocationInfo::with(|allocation| {
        allocation.set_reservation(0).set_expandable_reservation(true).set_limit(-1);
        allocation.set_shares(SharesInfo::with(|info| {
            info.set_shares(shares).set_level(SharesLevel::Custom);
        }));
    })
}

fn graphics() -> HostGraphicsInfo {
    HostGraphicsInfo::with(|info| {
        info.set_device_name("SVGA II Adapter").set_vendor_name("VMware").set_pci_id("0000:00:0f.0");
        info.set_graphics_type("basic").set_vgpu_mode("none").set_memory_size_in_kb(0);
    })
}

fn vsan() -> VsanHostConfigInfo {
    VsanHostConfigInfo::with(|vsan| {
        vsan.set_enabled(false).set_vsan_esa_enabled(false);
        vsan.cluster_info_mut();
        vsan.storage_info_mut().set_auto_claim_storage(false).set_checksum_enabled(false);
        vsan.network_info_mut();
        // Required, and the host is in no fault domain.
        vsan.fault_domain_info_mut().set_name("");
    })
}

fn io_filters() -> [HostIoFilterInfo; 2] {
    let filter = |id: &str, name: &str, version: &str, kind: &str, summary: &str| {
        HostIoFilterInfo::with(|info| {
            info.set_id(id).set_name(name).set_vendor("VMW").set_version(version).set_type(kind).set_summary(summary);
            info.set_release_date("2024-06-12");
            info.set_available(true);
        })
    };
    [
        filter("VMW_spm_1.0.0", "spm", "1.0.230", "datastoreIoControl", "VMware Storage I/O Control"),
        filter("VMW_vmwarevmcrypt_1.0.0", "vmwarevmcrypt", "1.0.0", "encryption", "VMcrypt IO Filter"),
    ]
}

/// What the processors offer to virtual machines, as EVC names it: an Ivy Bridge processor.
const CPU_FEATURES: [&str; 31] = [
    "cpuid.AES",
    "cpuid.AVX",
    "cpuid.CMPXCHG16B",
    "cpuid.DS",
    "cpuid.ENFSTRG",
    "cpuid.F16C",
    "cpuid.FSGSBASE",
    "cpuid.IBPB",
    "cpuid.IBRS",
    "cpuid.INTEL",
    "cpuid.LAHF64",
    "cpuid.LM",
    "cpuid.MWAIT",
    "cpuid.NX",
    "cpuid.PCLMULQDQ",
    "cpuid.PDPE1GB",
    "cpuid.POPCNT",
    "cpuid.RDRAND",
    "cpuid.RDTSCP",
    "cpuid.SMEP",
    "cpuid.SS",
    "cpuid.SSE3",
    "cpuid.SSE41",
    "cpuid.SSE42",
    "cpuid.SSSE3",
    "cpuid.STIBP",
    "cpuid.VMX",
    "cpuid.XCR0_MASTER_SSE",
    "cpuid.XCR0_MASTER_YMM_H",
    "cpuid.XSAVE",
    "cpuid.XSAVEOPT",
];

fn features() -> impl Iterator<Item = HostFeatureCapability> {
    CPU_FEATURES.iter().map(|name| {
        HostFeatureCapability::with(|feature| {
            feature.set_key(*name).set_feature_name(*name).set_value("1");
        })
    })
}
