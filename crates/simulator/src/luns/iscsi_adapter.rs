//! The software iSCSI adapter of a host, as it is when it is turned on.

use vimsim_types::enums::HostInternetScsiHbaNetworkBindingSupportType;
use vimsim_types::views::{
    BoolOption, HostInternetScsiHba, HostInternetScsiHbaAuthenticationProperties, HostInternetScsiHbaParamValue,
    IntOption, OptionDef, OptionType, OptionValue,
};
use vimsim_types::{Fault, Value, View};

use super::refused;

/// The name of the adapter: the one after those that every host has.
pub(super) const DEVICE: &str = "vmhba65";
pub(super) const KEY: &str = "key-vim.host.InternetScsiHba-vmhba65";

const PROHIBITED: &str = "chapProhibited";

/// What a setting of the protocol may be, and what it is at first.
enum Setting {
    Flag(bool),
    Number { min: i32, max: i32, first: i32 },
}

const fn number(min: i32, max: i32, first: i32) -> Setting {
    Setting::Number { min, max, first }
}

/// The settings that ESXi's administrators are told of: key, range and first value, and what it is about.
const SETTINGS: [(&str, Setting, &str); 13] = [
    ("ErrorRecoveryLevel", number(0, 2, 0), "Level of error recovery that the initiator negotiates"),
    ("LoginRetryMax", number(1, 64, 4), "How often the initiator tries to log in"),
    ("MaxOutstandingR2T", number(1, 8, 1), "R2T (Ready To Transfer) PDUs that may be outstanding"),
    ("FirstBurstLength", number(512, 16_777_215, 262_144), "Bytes of unsolicited data in one command"),
    ("MaxBurstLength", number(512, 16_777_215, 262_144), "Bytes of solicited data in one sequence"),
    ("MaxRecvDataSegment", number(512, 16_777_215, 131_072), "Bytes of a data segment that can be received"),
    ("NoopOutInterval", number(1, 60, 15), "Seconds between two NOP-Out requests"),
    ("NoopOutTimeout", number(10, 30, 10), "Seconds to wait for the answer to a NOP-Out request"),
    ("RecoveryTimeout", number(1, 120, 10), "Seconds in which a lost session may come back"),
    ("LoginTimeout", number(1, 60, 30), "Seconds to wait for a login"),
    ("DelayedAck", Setting::Flag(true), "Whether received data is acknowledged late"),
    ("InitialR2T", Setting::Flag(false), "Whether data needs an R2T first"),
    ("ImmediateData", Setting::Flag(true), "Whether data goes along with commands"),
];

impl Setting {
    fn option_type(&self) -> OptionType {
        let made = match self {
            Self::Flag(first) => BoolOption::with(|it| _ = it.set_supported(true).set_default_value(*first)).into(),
            Self::Number { min, max, first } => {
                IntOption::with(|it| _ = it.set_min(*min).set_max(*max).set_default_value(*first)).into()
            }
        };
        let mut kind = OptionType::from_object_unchecked(made);
        kind.set_value_is_readonly(false);
        kind
    }

    fn first(&self) -> Value {
        match self {
            Self::Flag(first) => (*first).into(),
            Self::Number { first, .. } => (*first).into(),
        }
    }

    /// The value as the setting's type, if it can be one.
    fn of(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Flag(_), Value::Bool(_)) => Some(value.clone()),
            (Self::Number { min, max, .. }, Value::Int(given)) if (min..=max).contains(&given) => Some(value.clone()),
            (Self::Number { .. }, Value::Long(given)) => self.of(&Value::Int(i32::try_from(*given).ok()?)),
            _ => None,
        }
    }
}

/// A setting, checked.
///
/// - `HostConfigFault` if there is no such setting, or it cannot have this value.
pub(super) fn setting(option: &OptionValue, is_inherited: bool) -> Result<HostInternetScsiHbaParamValue, Fault> {
    let known = SETTINGS.iter().find(|(key, ..)| key == option.key());
    let (key, setting, _) = known.ok_or_else(|| refused(format!("iSCSI has no setting '{}'", option.key())))?;
    let value = setting.of(option.as_object().get(OptionValue::VALUE));
    let value = value.ok_or_else(|| refused(format!("the setting '{key}' cannot have this value")))?;
    Ok(param(key, value, is_inherited))
}

fn param(key: &str, value: Value, is_inherited: bool) -> HostInternetScsiHbaParamValue {
    HostInternetScsiHbaParamValue::with(|param| {
        param.set_is_inherited(is_inherited).set_key(key);
        param.as_object_mut().set(OptionValue::VALUE, value);
    })
}

/// The adapter of a host of this iSCSI name.
pub(super) fn adapter(name: &str) -> HostInternetScsiHba {
    HostInternetScsiHba::with(|hba| {
        hba.set_key(KEY).set_device(DEVICE).set_bus(0).set_status("online").set_model("iSCSI Software Adapter");
        hba.set_driver("iscsi_vmk").set_storage_protocol("scsi");
        hba.set_is_software_based(true).set_can_be_disabled(true).set_i_scsi_name(name);
        hba.set_network_binding_support(HostInternetScsiHbaNetworkBindingSupportType::Optional);
        // Always on, and what needs a server of its own never.
        let can = hba.discovery_capabilities_mut();
        can.set_i_sns_discovery_settable(false).set_slp_discovery_settable(false);
        can.set_static_target_discovery_settable(false).set_send_targets_discovery_settable(false);
        let discovery = hba.discovery_properties_mut();
        discovery.set_i_sns_discovery_enabled(false).set_slp_discovery_enabled(false);
        discovery.set_static_target_discovery_enabled(true).set_send_targets_discovery_enabled(true);
        let can = hba.authentication_capabilities_mut();
        can.set_chap_auth_settable(true).set_mutual_chap_settable(true);
        can.set_target_chap_settable(true).set_target_mutual_chap_settable(true);
        can.set_krb5_auth_settable(false).set_srp_auth_settable(false).set_spkm_auth_settable(false);
        hba.set_authentication_properties(authentication());
        let can = hba.digest_capabilities_mut();
        can.set_header_digest_settable(true).set_data_digest_settable(true);
        can.set_target_header_digest_settable(true).set_target_data_digest_settable(true);
        let digest = hba.digest_properties_mut();
        digest.set_header_digest_type("digestProhibited").set_data_digest_type("digestProhibited");
        // The addresses are those of VMkernel interfaces.
        let can = hba.ip_capabilities_mut();
        can.set_address_settable(false).set_ip_configuration_method_settable(false).set_subnet_mask_settable(false);
        can.set_default_gateway_settable(false).set_primary_dns_server_address_settable(false);
        can.set_alternate_dns_server_address_settable(false).set_ipv6_supported(false);
        can.set_arp_redirect_settable(false).set_mtu_settable(false);
        can.set_host_name_as_target_address(true).set_name_alias_settable(true);
        hba.ip_properties_mut().set_dhcp_configuration_enabled(false);
        hba.set_supported_advanced_options(SETTINGS.iter().map(|(key, setting, summary)| {
            OptionDef::with(|definition| {
                definition.set_key(*key).set_label(*key).set_summary(*summary);
                definition.set_option_type(setting.option_type());
            })
        }));
        hba.set_advanced_options(SETTINGS.iter().map(|(key, setting, _)| param(key, setting.first(), false)));
    })
}

/// Nobody has to say who they are.
fn authentication() -> HostInternetScsiHbaAuthenticationProperties {
    HostInternetScsiHbaAuthenticationProperties::with(|authentication| {
        authentication.set_chap_auth_enabled(false).set_chap_authentication_type(PROHIBITED);
        authentication.set_mutual_chap_authentication_type(PROHIBITED);
    })
}
