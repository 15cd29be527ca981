//! What the guest says of itself while it runs, and what it is asked to do.

use serde_json::{Map, Value as Json, json};
use vimsim_types::method::{RebootGuest, ShutdownGuest, StandbyGuest, UpgradeToolsTask};
use vimsim_types::views::{GuestInfo, GuestStackInfo, NetDnsConfigInfo, VirtualMachineConfigSpec};
use vimsim_types::{Fault, Value, View};

use super::{Machine, Power, guest_os, spec};
use crate::rest::call::Call;
use crate::rest::inventory::upper;
use crate::rest::{Answer, RestError, Result};

/// The guest, while it runs and its tools do; `SERVICE_UNAVAILABLE` otherwise.
fn running(machine: &Machine) -> Result<&GuestInfo> {
    let view = machine.view()?;
    let guest = view.guest().filter(|_| view.runtime().power_state() == Power::PoweredOn);
    let guest = guest.filter(|guest| guest.tools_running_status().is_none_or(|it| *it != "guestToolsNotRunning"));
    guest.ok_or_else(|| RestError::unavailable("VMware Tools is not running."))
}

pub(super) async fn answer(call: &Call, machine: &Machine, rest: &[&str]) -> Result {
    match (call.method.as_str(), rest) {
        ("GET", ["identity"]) => identity(machine),
        ("GET", ["networking"]) => {
            let stack = running(machine)?.ip_stack().first();
            let dns = stack.and_then(GuestStackInfo::dns_config);
            Ok(Answer::Value(match dns {
                Some(dns) => json!({ "dns_values": names(dns), "dns": servers(dns) }),
                None => json!({}),
            }))
        }
        ("GET", ["networking", "interfaces"]) => Ok(Answer::Value(interfaces(running(machine)?))),
        ("GET", ["networking", "routes"]) => Ok(Answer::Value(routes(running(machine)?))),
        ("GET", ["local-filesystem"]) => Ok(Answer::Value(file_systems(running(machine)?))),
        ("GET", ["power"]) => {
            let guest = machine.view()?.guest();
            let state = guest.map_or("NOT_RUNNING".into(), |guest| upper(guest.guest_state()));
            let ready = guest.and_then(|guest| guest.guest_operations_ready()).unwrap_or_default();
            let state = if state == "UNKNOWN" { "UNAVAILABLE".into() } else { state };
            Ok(Answer::Value(json!({ "state": state, "operations_ready": ready })))
        }
        ("POST", ["power"]) => {
            let done: Result<Value, Fault> = match call.action() {
                Some("shutdown") => call.soap(&machine.moref, ShutdownGuest::new()).await,
                Some("reboot") => call.soap(&machine.moref, RebootGuest::new()).await,
                Some("standby") => call.soap(&machine.moref, StandbyGuest::new()).await,
                _ => return Err(call.unknown()),
            };
            done?;
            Ok(Answer::Nothing)
        }
        _ => Err(call.unknown()),
    }
}

fn identity(machine: &Machine) -> Result {
    let guest = running(machine)?;
    let family = guest.guest_family().map(|it| match it.as_str() {
        "windowsGuest" => "WINDOWS",
        "linuxGuest" => "LINUX",
        "netwareGuest" => "NETWARE",
        "solarisGuest" => "SOLARIS",
        "darwinGuestFamily" => "DARWIN",
        _ => "OTHER",
    });
    Ok(Answer::Value(json!({
        "name": guest.guest_id().map(|it| guest_os(it)),
        "family": family,
        "full_name": { "id": "", "default_message": guest.guest_full_name().map(|it| it.to_string()), "args": [] },
        "host_name": guest.host_name().map(|it| it.to_string()),
        "ip_address": guest.ip_address().map(|it| it.to_string()),
    })))
}

fn names(dns: &NetDnsConfigInfo) -> Json {
    json!({ "host_name": dns.host_name().as_str(), "domain_name": dns.domain_name().as_str() })
}

fn servers(dns: &NetDnsConfigInfo) -> Json {
    let texts =
        |it: vimsim_types::Items<'_, vimsim_types::ArcStr>| it.iter().map(|it| it.to_string()).collect::<Json>();
    json!({ "ip_addresses": texts(dns.ip_address()), "search_domains": texts(dns.search_domain()) })
}

fn interfaces(guest: &GuestInfo) -> Json {
    let mut shown = Vec::new();
    for card in guest.net().iter() {
        let mut one = json!({ "mac_address": card.mac_address().map(|it| it.to_string()) });
        if card.device_config_id() >= 0 {
            one["nic"] = json!(card.device_config_id().to_string());
        }
        if let Some(config) = card.ip_config() {
            let mut addresses = Vec::new();
            for address in config.ip_address().iter() {
                let mut shown = json!({
                    "ip_address": address.ip_address().as_str(),
                    "prefix_length": address.prefix_length(),
                    "state": address.state().map_or("PREFERRED".into(), |it| upper(it)),
                });
                if let Some(origin) = address.origin() {
                    shown["origin"] = json!(upper(origin));
                }
                addresses.push(shown);
            }
            one["ip"] = json!({ "ip_addresses": addresses });
            if let Some(dhcp) = config.dhcp() {
                one["ip"]["dhcp"] = json!({
                    "ipv4_enabled": dhcp.ipv4().is_some_and(|it| it.enable()),
                    "ipv6_enabled": dhcp.ipv6().is_some_and(|it| it.enable()),
                });
            }
        }
        if let Some(dns) = card.dns_config() {
            one["dns_values"] = names(dns);
            one["dns"] = servers(dns);
        }
        shown.push(one);
    }
    json!(shown)
}

fn routes(guest: &GuestInfo) -> Json {
    let mut shown = Vec::new();
    for route in guest.ip_stack().iter().filter_map(|stack| stack.ip_route_config()).flat_map(|it| it.ip_route().iter())
    {
        let mut one = json!({ "network": route.network().as_str(), "prefix_length": route.prefix_length() });
        if let Some(address) = route.gateway().ip_address() {
            one["gateway_address"] = json!(address.as_str());
        }
        if let Some(device) = route.gateway().device().and_then(|it| it.parse::<i64>().ok()) {
            one["interface_index"] = json!(device);
        }
        shown.push(one);
    }
    json!(shown)
}

fn file_systems(guest: &GuestInfo) -> Json {
    let mut shown = Map::new();
    for disk in guest.disk().iter() {
        let mut one = json!({ "capacity": disk.capacity().unwrap_or_default(), "free_space": disk.free_space().unwrap_or_default() });
        if let Some(kind) = disk.filesystem_type() {
            one["filesystem"] = json!(kind.as_str());
        }
        let disks: Vec<_> = disk.mappings().iter().map(|it| json!({ "disk": it.key().to_string() })).collect();
        if !disks.is_empty() {
            one["mappings"] = json!(disks);
        }
        shown.insert(disk.disk_path().map(|it| it.to_string()).unwrap_or_default(), one);
    }
    Json::Object(shown)
}

fn install_type(name: &str) -> &'static str {
    match name {
        "guestToolsTypeMSI" => "MSI",
        "guestToolsTypeTar" => "TAR",
        "guestToolsTypeOSP" => "OSP",
        "guestToolsTypeOpenVMTools" => "OPEN_VM_TOOLS",
        _ => "UNKNOWN",
    }
}

/// `tools`: what there is of them, their policy, and their upgrade.
pub(super) async fn tools(call: &Call, machine: &Machine) -> Result {
    match (call.method.as_str(), call.action()) {
        ("GET", None) => {}
        ("PATCH", None) => {
            let policy = match spec(call)["upgrade_policy"].as_str() {
                None => return Ok(Answer::Nothing),
                Some("MANUAL") => "manual",
                Some("UPGRADE_AT_POWER_CYCLE") => "upgradeAtPowerCycle",
                Some(_) => return Err(RestError::invalid(&"no such upgrade_policy")),
            };
            let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.tools_mut().set_tools_upgrade_policy(policy));
            return machine.reconfigure(call, spec).await;
        }
        ("POST", Some("upgrade")) => {
            let options = call.text("/command_line_options").map(str::to_string);
            let request = UpgradeToolsTask::with(|request| _ = request.set_installer_options(options));
            call.task(&machine.moref, request).await?;
            return Ok(Answer::Nothing);
        }
        _ => return Err(call.unknown()),
    }
    let tools = machine.config()?.tools();
    let policy = tools.and_then(|it| it.tools_upgrade_policy()).map_or("MANUAL".into(), |it| upper(it));
    let mut shown = json!({ "auto_update_supported": false, "upgrade_policy": policy, "run_state": "NOT_RUNNING" });
    let Some(guest) = machine.view()?.guest() else { return Ok(Answer::Value(shown)) };
    shown["run_state"] = json!(match guest.tools_running_status().map(|it| it.as_str()) {
        Some("guestToolsRunning") => "RUNNING",
        Some("guestToolsExecutingScripts") => "EXECUTING_SCRIPTS",
        _ => "NOT_RUNNING",
    });
    let version = guest.tools_version().map(|it| it.to_string()).filter(|it| !it.is_empty());
    if let Some(number) = version.as_ref().and_then(|it| it.parse::<i64>().ok()) {
        shown["version_number"] = json!(number);
    }
    for (name, value) in [
        ("version", version),
        ("version_status", guest.tools_version_status2().map(|it| upper(it.trim_start_matches("guestTools")))),
        ("install_type", guest.tools_install_type().map(|it| install_type(it).to_string())),
    ] {
        if let Some(value) = value {
            shown[name] = json!(value);
        }
    }
    Ok(Answer::Value(shown))
}
