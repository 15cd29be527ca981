//! `OptionManager`: settings by key, of the service and one set for each host.

use vimsim_types::method::{QueryOptions, UpdateOptions};
use vimsim_types::views::{HostSystem, InvalidName, OptionManager, OptionValue};
use vimsim_types::{Fault, MethodView, Value, View};

use crate::call::{Call, Look, Wait};
use crate::containers::{self, Changed, Wanted};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<OptionManager> {
    Kind::new().read(query_options).wait(update_options).derive(super::host_managers::derive_options)
}

/// The option that limits how long a session may be idle.
const SESSION_TIMEOUT: &str = "config.vmacore.soap.sessionTimeout";

/// The microseconds of a time limit: a number of minutes, as vCenter has it, or a number with a unit (`100ms`, `30s`),
/// as vcsim has it; 0, which is no limit, for anything else.
fn microseconds(value: &Value) -> i64 {
    const MINUTE: i64 = 60 * 1_000_000;
    let text = match value {
        Value::Int(number) => return i64::from(*number).saturating_mul(MINUTE),
        Value::Long(number) => return number.saturating_mul(MINUTE),
        value => value.text().unwrap_or_default(),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i64 = text[..digits].parse().unwrap_or(0);
    number.saturating_mul(match &text[digits..] {
        "ms" => 1_000,
        "s" => 1_000_000,
        "" | "m" => MINUTE,
        "h" => 60 * MINUTE,
        _ => 0,
    })
}

/// The settings whose key is `name` or starts with it: `Config.` names a whole branch. All settings if there is no name.
///
/// - `InvalidName` if there is none.
fn query_options(look: &Look<'_, OptionManager>, request: QueryOptions) -> Result<Vec<OptionValue>, Fault> {
    let name = request.name().map_or("", |name| name.as_str());
    let all = look.this()?.setting();
    // A name without a full stop at its end is a key, or a branch where there is no such key.
    let exact: Vec<OptionValue> = all.iter().filter(|option| option.key() == name).cloned().collect();
    let found = match exact.is_empty() {
        true => all.iter().filter(|option| option.key().starts_with(name)).cloned().collect(),
        false => exact,
    };
    if found.is_empty() && !name.is_empty() { Err(invalid_name(name)) } else { Ok(found) }
}

fn invalid_name(name: &str) -> Fault {
    let detail = InvalidName::with(|fault| {
        fault.set_name(name);
    });
    Fault::new(detail, format!("There is no option '{name}'"))
}

/// Sets options: changes those that are there, adds the others.
///
/// Options for containers (`RUN.container`, `RUN.underlay.vmnic0`) of a host have it get another container, or none, which
/// is a task of the host. One of them that is emptied is removed; `RUN.container` that is set to nothing where it was not
/// set before asks for the default image.
///
/// - `InvalidName` for an empty key and for keys below `ENOENT`;
/// - `InvalidArgument` for a value of another type than the option has, or one that no container can be made of;
/// - `PlatformConfigFault` where a container is asked for and no engine answers.
async fn update_options(wait: Wait, request: UpdateOptions) -> Result<(), Fault> {
    let asks =
        |option: &OptionValue| option.key() == containers::CONTAINER && containers::text(option.value()).is_some();
    let is_of_host = super::host_managers::host_seen(&wait.service.snapshot(), &wait.this).is_some();
    if is_of_host && request.changed_value().iter().any(asks) {
        wait.service.engine().expect().await?;
    }
    wait.write(UpdateOptions::method(), |call| update(call, &request))
}

fn update(call: &mut Call<'_, OptionManager>, request: &UpdateOptions) -> Result<(), Fault> {
    let (own, options): (Vec<OptionValue>, Vec<OptionValue>) =
        request.changed_value().iter().cloned().partition(|option| containers::concerns_containers(option.key()));
    for option in &options {
        // Fidelity: `ENOENT.` stands for "no such option" in govmomi's test suite (option.bats), as it does for vcsim.
        if option.key().is_empty() || option.key().starts_with("ENOENT.") {
            return Err(invalid_name(option.key()));
        }
        if option.value().is_unset() {
            return Err(Fault::invalid_argument("changedValue", format!("the option '{}' has no value", option.key())));
        }
        let known = call.this()?.setting().iter().find(|known| known.key() == option.key());
        if let Some(known) = known
            && known.value().ty() != option.value().ty()
        {
            return Err(Fault::invalid_argument(option.key(), "the value is not of the option's type"));
        }
    }
    for option in options {
        set(call.this_mut()?, option);
    }
    if let Some(limit) = call.this()?.setting().iter().find(|option| option.key() == SESSION_TIMEOUT) {
        call.context().service.set_idle_limit(microseconds(limit.value()));
    }
    if own.is_empty() { Ok(()) } else { update_container(call, own) }
}

/// Sets the options for containers, and has the host follow.
fn update_container(call: &mut Call<'_, OptionManager>, options: Vec<OptionValue>) -> Result<(), Fault> {
    let service = call.context().service.clone();
    let config = &service.config().containers;
    let before = Wanted::read(call.this()?.setting(), config).unwrap_or_default();
    let mut changed = Vec::new();
    for option in options {
        let name = option.key().clone();
        let known = call.this()?.setting().iter().find(|known| *known.key() == name);
        let known = known.map(|known| known.value().clone());
        let text = containers::text(option.value());
        let is_emptied = text.as_ref().is_none_or(|text| text.trim().is_empty());
        let begins = known.is_none() && name == containers::CONTAINER && text.is_some();
        let manager = call.this_mut()?;
        let after = if is_emptied && !begins {
            unset(manager, &name);
            None
        } else {
            let value = option.value().clone();
            set(manager, option);
            Some(value)
        };
        changed.push(Changed { key: name.to_string(), before: known, after });
    }
    let after = Wanted::read(call.this()?.setting(), config)?;
    let this = call.moref();
    let Some(host) = super::host_managers::host_of(call, &this) else { return Ok(()) };
    if let Some(wanted) = &after {
        let network = call.get::<HostSystem>(&host)?.config().and_then(|config| config.network());
        wanted.cables(network.unwrap_or(&View::new()))?;
    }
    if before == after {
        return Ok(());
    }
    containers::change(call, &host, after, changed).map(drop)
}

/// Removes an option.
pub(crate) fn unset(manager: &mut OptionManager, name: &str) {
    manager.setting_mut().values().retain(|known| key(known) != Some(name));
}

/// Puts one option into its place: settings are kept sorted by key.
pub(crate) fn set(manager: &mut OptionManager, option: OptionValue) {
    let mut settings = manager.setting_mut();
    let values = settings.values();
    let at = values.partition_point(|known| key(known) < Some(option.key().as_str()));
    let is_known = values.get(at).and_then(key) == Some(option.key().as_str());
    let value = Value::Object(option.into());
    if is_known {
        values[at] = value;
    } else {
        values.insert(at, value);
    }
}

fn key(value: &Value) -> Option<&str> {
    Some(OptionValue::from_ref(value.object()?)?.key())
}
