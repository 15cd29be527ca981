//! `CustomizationSpecManager`: stored specifications of how a new virtual machine's guest is set up.

use std::collections::BTreeMap;

use vimsim_types::enums::CustomizationLicenseDataMode;
use vimsim_types::views::{
    CustomizationAdapterMapping, CustomizationDhcpIpGenerator, CustomizationIPSettings, CustomizationLinuxOptions,
    CustomizationLinuxPrep, CustomizationPassword, CustomizationPrefixName, CustomizationSpec, CustomizationSpecItem,
    CustomizationSpecManager, CustomizationSysprep, CustomizationUnknownIpGenerator, CustomizationVirtualMachineName,
    CustomizationWinOptions,
};
use vimsim_types::{ArcStr, DateTime, View};

use crate::kind::Kind;

pub(crate) fn kind() -> Kind<CustomizationSpecManager> {
    Kind::new()
}

/// The specifications, by name.
#[derive(Clone)]
struct Stored(BTreeMap<ArcStr, CustomizationSpecItem>);

/// The names, types and change versions of the specifications that vcsim begins with.
const PRESETS: &[(&str, &str, &str)] = &[
    ("vcsim-linux", "Linux", "1569965707"),
    ("vcsim-linux-static", "Linux", "1569969598"),
    ("vcsim-windows-static", "Windows", "1569978029"),
    ("vcsim-windows-domain", "Windows", "1569970234"),
];

/// The manager's own properties.
pub(crate) fn properties(now: DateTime) -> CustomizationSpecManager {
    CustomizationSpecManager::with(|manager| {
        manager.set_info(presets(now).map(|item| item.info().clone()));
    })
}

/// The specifications that the manager begins with.
fn presets(now: DateTime) -> impl Iterator<Item = CustomizationSpecItem> {
    PRESETS.iter().map(move |(name, kind, version)| {
        CustomizationSpecItem::with(|item| {
            let info = item.info_mut();
            info.set_name(*name).set_description("").set_type(*kind).set_change_version(*version);
            info.set_last_update_time(now);
            item.set_spec(if *kind == "Linux" { linux(name) } else { windows(name) });
        })
    })
}

fn adapter(is_dhcp: bool) -> CustomizationAdapterMapping {
    CustomizationAdapterMapping::with(|mapping| {
        mapping.set_adapter(CustomizationIPSettings::with(|settings| {
            if is_dhcp {
                settings.set_ip(CustomizationDhcpIpGenerator::new());
            } else {
                settings.set_ip(CustomizationUnknownIpGenerator::new());
                settings.set_subnet_mask("255.255.255.0");
                settings.set_gateway(["10.0.0.1"]);
            }
        }));
    })
}

fn linux(name: &str) -> CustomizationSpec {
    let is_dhcp = name == "vcsim-linux";
    CustomizationSpec::with(|spec| {
        spec.set_options(CustomizationLinuxOptions::new());
        spec.set_identity(CustomizationLinuxPrep::with(|identity| {
            if is_dhcp {
                identity.set_host_name(CustomizationVirtualMachineName::new());
            } else {
                identity.set_host_name(CustomizationPrefixName::with(|name| _ = name.set_base("vcsim")));
            }
            identity.set_domain("eng.vmware.com");
            identity.set_time_zone(if is_dhcp { "Pacific/Apia" } else { "Africa/Cairo" });
            identity.set_hw_clock_utc(true);
        }));
        spec.global_ip_settings_mut().set_dns_server_list(["127.0.1.1"]);
        spec.set_nic_setting_map([adapter(is_dhcp)]);
    })
}

fn password(value: &str) -> CustomizationPassword {
    CustomizationPassword::with(|password| _ = password.set_value(value).set_plain_text(false))
}

fn windows(name: &str) -> CustomizationSpec {
    let in_domain = name == "vcsim-windows-domain";
    CustomizationSpec::with(|spec| {
        spec.set_options(CustomizationWinOptions::with(|options| {
            options.set_change_sid(true).set_delete_accounts(false);
        }));
        spec.set_identity(CustomizationSysprep::with(|identity| {
            let unattended = identity.gui_unattended_mut();
            unattended.set_time_zone(if in_domain { 15 } else { 2 }).set_auto_logon(false).set_auto_logon_count(1);
            if in_domain {
                unattended.set_password(password("3Gs...=="));
            }
            let user = identity.user_data_mut();
            user.set_full_name("vcsim").set_org_name("VMware").set_product_id("");
            user.set_computer_name(CustomizationVirtualMachineName::new());
            let identification = identity.identification_mut();
            if in_domain {
                identification.set_join_domain("DOMAIN").set_domain_admin("vcsim");
                identification.set_domain_admin_password(password("H3g...=="));
            } else {
                identification.set_join_workgroup("WORKGROUP");
            }
            let license = identity.license_file_print_data_mut();
            license.set_auto_mode(CustomizationLicenseDataMode::PerServer).set_auto_users(5);
        }));
        spec.set_global_ip_settings(vimsim_types::views::CustomizationGlobalIPSettings::new());
        spec.set_nic_setting_map([adapter(false)]);
    })
}
