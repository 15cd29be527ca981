//! `/api/appliance`: the machine that vCenter itself runs on: what it is, how it is, who
//! may log in to it how, and when it is to go down.
// Fidelity: vCenter asks for membership in an SSO group here; we ask for the privilege to change its settings.

use std::sync::Arc;

use serde_json::{Value, json};
use vimsim_types::DateTime;
use vimsim_types::views::ServiceInstance;

use super::call::Call;
use super::{Answer, RestError, Result};

/// The state of the appliance.
#[derive(Clone, Default)]
pub(super) struct Appliance {
    consolecli: bool,
    dcui: bool,
    ssh: bool,
    shell: bool,
    /// For how many seconds the shell stays open.
    shell_timeout: i64,
    /// What is to happen, why, and when.
    shutdown: Option<(&'static str, String, DateTime)>,
}

/// What can be asked for its health.
const HEALTH: [&str; 8] =
    ["applmgmt", "database-storage", "load", "mem", "software-packages", "storage", "swap", "system"];

impl Appliance {
    fn access(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "consolecli" => Some(&mut self.consolecli),
            "dcui" => Some(&mut self.dcui),
            "ssh" => Some(&mut self.ssh),
            "shell" => Some(&mut self.shell),
            _ => None,
        }
    }
}

pub(super) fn answer(call: &Call, rest: &[&str]) -> Result {
    call.may(None, if call.method == "GET" { "System.Read" } else { "Global.Settings" })?;
    let mut known = Appliance::clone(&call.kept().appliance);
    match (call.method.as_str(), rest) {
        ("GET", ["access", "shell"]) => {
            Ok(Answer::Value(json!({ "enabled": known.shell, "timeout": known.shell_timeout })))
        }
        ("GET", ["access", name]) => {
            let enabled = known.access(name).ok_or_else(|| call.unknown())?;
            Ok(Answer::Value(json!(enabled)))
        }
        ("PUT", ["access", name]) => {
            let enabled = call.body.get("enabled").and_then(Value::as_bool);
            let enabled = enabled.ok_or_else(|| RestError::invalid(&"enabled is missing"))?;
            let timeout = call.body.get("timeout").and_then(Value::as_i64);
            call.change(|kept| {
                let appliance = Arc::make_mut(&mut kept.appliance);
                *appliance.access(name).ok_or_else(|| call.unknown())? = enabled;
                if *name == "shell" {
                    appliance.shell_timeout = timeout.unwrap_or_default();
                }
                Ok(Answer::Nothing)
            })
        }
        ("GET", ["system", "version"]) => version(call),
        // There is no appliance that could be ill.
        ("GET", ["health", part]) if HEALTH.contains(part) => Ok(Answer::Value(json!("green"))),
        ("GET", ["health", "system", "lastcheck"]) => Ok(Answer::Value(json!(call.service().now().to_string()))),
        ("GET", ["shutdown"]) => {
            let (action, reason, time) = match &known.shutdown {
                Some((action, reason, time)) => (*action, reason.as_str(), time.to_string()),
                None => ("", "", String::new()),
            };
            Ok(Answer::Value(json!({ "action": action, "reason": reason, "shutdown_time": time })))
        }
        ("POST", ["shutdown"]) => {
            let shutdown = match call.action() {
                Some("cancel") => None,
                Some("reboot") => Some(planned(call, "reboot")?),
                Some("poweroff") => Some(planned(call, "poweroff")?),
                _ => return Err(call.unknown()),
            };
            call.change(|kept| {
                Arc::make_mut(&mut kept.appliance).shutdown = shutdown;
                Ok(Answer::Nothing)
            })
        }
        _ => Err(call.unknown()),
    }
}

/// What the appliance says it is, which is what the service says of itself.
fn version(call: &Call) -> Result {
    let snapshot = call.service().snapshot();
    let instance = snapshot.objects().find_map(|object| object.view::<ServiceInstance>().cloned());
    let instance = instance.ok_or_else(|| call.unknown())?;
    let about = instance.content().about();
    Ok(Answer::Value(json!({
        "version": about.version().as_str(),
        "product": about.name().as_str(),
        "build": about.build().as_str(),
        "type": "vCenter Server with an embedded Platform Services Controller",
        "summary": "",
        "releasedate": "",
        "install_time": call.service().started().to_string(),
    })))
}

/// What is to happen after the delay, in minutes. It stays planned: the simulator outlives its appliance.
fn planned(call: &Call, action: &'static str) -> Result<(&'static str, String, DateTime)> {
    let delay = call.body.get("delay").and_then(Value::as_i64).unwrap_or_default();
    if !(0..=525_600).contains(&delay) {
        return Err(RestError::invalid(&"delay must be from 0 minutes to a year"));
    }
    let time = DateTime::from_micros(call.service().now().micros() + delay * 60_000_000);
    Ok((action, call.text("/reason").unwrap_or_default().to_string(), time))
}
