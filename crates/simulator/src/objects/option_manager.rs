//! `OptionManager`: settings by key, of the service and one set for each host.

use vimsim_types::method::{QueryOptions, UpdateOptions};
use vimsim_types::views::{InvalidName, OptionManager, OptionValue};
use vimsim_types::{Fault, Value, View};

use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<OptionManager> {
    Kind::new().read(query_options).write(update_options).derive(super::host_managers::derive_options)
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

/// Sets options: changes those that are there, adds the others; removes one whose value is empty and was not built in.
///
/// - `InvalidName` for an empty key and for keys below `ENOENT`;
/// - `InvalidArgument` for a value of another type than the option has.
fn update_options(call: &mut Call<'_, OptionManager>, request: UpdateOptions) -> Result<(), Fault> {
    let changed: Vec<OptionValue> = request.changed_value().iter().cloned().collect();
    for option in &changed {
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
    for option in changed {
        set(call.this_mut()?, option);
    }
    if let Some(limit) = call.this()?.setting().iter().find(|option| option.key() == SESSION_TIMEOUT) {
        call.context().service.set_idle_limit(microseconds(limit.value()));
    }
    Ok(())
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
