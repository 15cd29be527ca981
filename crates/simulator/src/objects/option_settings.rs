//! The settings that `VpxSettings` and `HostAgentSettings` begin with.

use vimsim_types::views::{BoolOption, IntOption, OptionDef, OptionManager, OptionType, OptionValue, StringOption};
use vimsim_types::{ArcStr, Value, View};

use super::option_manager;
use crate::call::Context;

/// A setting, its label, and what it begins with.
type Row = (ArcStr, &'static str, Value);

/// The properties of the option manager of the service.
pub(crate) fn properties(context: &Context) -> OptionManager {
    let rows = if context.is_virtual_center() { virtual_center(context) } else { host_agent(context) };
    OptionManager::with(|manager| {
        manager.set_supported_option(rows.iter().map(definition));
        for (key, _, value) in rows {
            option_manager::set(
                manager,
                OptionValue::with(|option| {
                    option.set_key(key);
                    option.set_value(value);
                }),
            );
        }
    })
}

/// Where clients reach the service: `https://127.0.0.1:8989`.
pub(crate) fn base_url(context: &Context) -> String {
    base_url_of(context.service.config())
}

/// [`base_url`] of a configuration.
pub(crate) fn base_url_of(config: &crate::config::Config) -> String {
    let scheme = if config.plain_http { "http" } else { "https" };
    config.address.map_or_else(|| format!("{scheme}://localhost"), |address| format!("{scheme}://{address}"))
}

fn host_name(context: &Context) -> String {
    context.service.config().address.map_or_else(|| "localhost".into(), |address| address.ip().to_string())
}

fn text(value: impl Into<ArcStr>) -> Value {
    Value::String(value.into())
}

/// The settings of a vCenter. Clients read the single sign-on addresses from here.
fn virtual_center(context: &Context) -> Vec<Row> {
    let url = base_url(context);
    let admin = format!("{url}/sso-adminserver/sdk/vsphere.local");
    let machine = crate::uuid::named("vpxd");
    let rows = [
        ("VirtualCenter.InstanceName", "Name of this vCenter Server", text(host_name(context))),
        ("VirtualCenter.ManagedIP", "Address under which hosts know this vCenter Server", text(host_name(context))),
        ("VirtualCenter.MaxDBConnection", "Most connections to the database", Value::Int(50)),
        ("ads.checkInterval", "Minutes between checks of the directory", Value::Int(1_440)),
        ("ads.checkIntervalEnabled", "The directory is checked", Value::Bool(true)),
        ("ads.maxFetch", "Most users that the directory is asked for", Value::Int(5_000)),
        ("ads.maxFetchEnabled", "The directory is not asked for all users", Value::Bool(true)),
        ("ads.timeout", "Seconds until the directory must have answered", Value::Int(60)),
        ("client.timeout.long", "Seconds for what takes clients long", Value::Int(120)),
        ("client.timeout.normal", "Seconds for what else clients do", Value::Int(30)),
        ("config.vpxd.sso.admin.uri", "Address of the single sign-on administration", text(admin.as_str())),
        ("config.vpxd.sso.default.admin", "Default administrator", text("Administrator@vsphere.local")),
        ("config.vpxd.sso.default.isGroup", "Default administrator is a group", text("false")),
        ("config.vpxd.sso.enabled", "Single sign-on", text("false")),
        ("config.vpxd.sso.groupcheck.uri", "Address of the group check", text(admin.as_str())),
        (
            "config.vpxd.sso.solutionUser.certificate",
            "Certificate of the solution user",
            text("/etc/vmware-vpx/ssl/vcsoluser.crt"),
        ),
        (
            "config.vpxd.sso.solutionUser.name",
            "Name of the solution user",
            text(format!("vpxd-{machine}@vsphere.local")),
        ),
        (
            "config.vpxd.sso.solutionUser.privateKey",
            "Private key of the solution user",
            text("/etc/vmware-vpx/ssl/vcsoluser.key"),
        ),
        (
            "config.vpxd.sso.sts.uri",
            "Address of the security token service",
            text(format!("{url}/sts/STSService/vsphere.local")),
        ),
        ("event.batchsize", "Events written at a time", Value::Int(2_000)),
        ("event.maxAge", "Days for which events are kept", Value::Int(30)),
        ("event.maxAgeEnabled", "Old events are removed", Value::Bool(true)),
        ("instance.id", "Number of this vCenter Server among those that share a network", Value::Int(1)),
        ("log.level", "How much is logged", text("info")),
        ("mail.sender", "From whom mail is", text("")),
        ("mail.smtp.server", "Where mail is sent to", text("")),
        ("task.maxAge", "Days for which tasks are kept", Value::Int(30)),
        ("task.maxAgeEnabled", "Old tasks are removed", Value::Bool(true)),
        ("vcsim.server.url", "Address of the API", text(format!("{url}/sdk"))),
    ];
    rows.into_iter().map(|(key, label, value)| (key.into(), label, value)).chain((1..=4).flat_map(receiver)).collect()
}

/// The settings of one of those who receive a vCenter's SNMP traps: by default the first, on the same machine.
fn receiver(number: i32) -> [Row; 4] {
    let key = |name: &str| ArcStr::from(format!("snmp.receiver.{number}.{name}"));
    let (is_first, name) = (number == 1, if number == 1 { "localhost" } else { "" });
    [
        (key("community"), "Community of the receiver of traps", text(if is_first { "public" } else { "" })),
        (key("enabled"), "Traps are sent there", Value::Bool(is_first)),
        (key("name"), "Name of the receiver of traps", text(name)),
        (key("port"), "Port of the receiver of traps", Value::Int(162)),
    ]
}

/// The settings of a host agent.
fn host_agent(context: &Context) -> Vec<Row> {
    let url = base_url(context);
    let rows = [
        ("Config.HostAgent.log.level", "How much the host agent logs", text("info")),
        ("Config.HostAgent.plugins.solo.enableMob", "Managed object browser", Value::Bool(false)),
        ("vcsim.server.url", "Address of the API", text(format!("{url}/sdk"))),
    ];
    rows.into_iter().map(|(key, label, value)| (key.into(), label, value)).collect()
}

/// What a setting may be: of the type that it has.
fn definition((key, label, value): &Row) -> OptionDef {
    OptionDef::with(|definition| {
        definition.set_key(key.clone()).set_label(*label).set_summary(*label);
        match value {
            Value::Bool(value) => definition.set_option_type(BoolOption::with(|option| {
                option.set_supported(true).set_default_value(*value);
                writable(option);
            })),
            Value::Int(value) => definition.set_option_type(IntOption::with(|option| {
                option.set_min(0).set_max(i32::MAX).set_default_value(*value);
                writable(option);
            })),
            value => definition.set_option_type(StringOption::with(|option| {
                option.set_default_value(value.text().unwrap_or_default());
                writable(option);
            })),
        };
    })
}

fn writable(option: &mut OptionType) {
    option.set_value_is_readonly(false);
}
