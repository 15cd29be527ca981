//! Options of a machine's configuration that set properties which a client cannot: `SET.guest.ipAddress` says which
//! address the guest has.
//!
//! They are vcsim's, for tests of what waits for a guest. They are not kept among the options.

use vimsim_types::views::{OptionValue, VirtualMachine, VirtualMachineConfigSpec};
use vimsim_types::{ArcStr, Fault, Field, Object, Ty, Value, View};

/// What the keys begin with.
const PREFIX: &str = "SET.";
/// Other names for some, as OVF environments have them.
const ALIASES: [(&str, &str); 1] = [("ip0", "guest.ipAddress")];

/// What may be set so: what a guest reports, and the machine's configuration.
// Fidelity: vcsim takes any property, and then says of a machine that it runs, or is on a host, what is not so.
const SETTABLE: [&str; 3] = ["guest", "guestHeartbeatStatus", "config"];

/// A property, and what it is to be.
pub(super) type Assignment = (ArcStr, Value);

/// The path of the property that an option sets, if it is one of ours.
fn path(key: &str) -> Option<&str> {
    let alias = ALIASES.iter().find(|(name, _)| *name == key).map(|(_, path)| *path);
    key.strip_prefix(PREFIX).or(alias)
}

/// The specification without the options that set properties, and these; `None` if there are none.
pub(super) fn split(spec: &VirtualMachineConfigSpec) -> Option<(VirtualMachineConfigSpec, Vec<Assignment>)> {
    if !spec.extra_config().iter().any(|option| path(option.key()).is_some()) {
        return None;
    }
    let (ours, others): (Vec<&OptionValue>, Vec<&OptionValue>) =
        spec.extra_config().iter().partition(|option| path(option.key()).is_some());
    let mut rest = spec.clone();
    rest.set_extra_config(others.into_iter().cloned().collect::<Vec<_>>());
    let assignments = ours.iter().filter_map(|option| Some((path(option.key())?.into(), option.value().clone())));
    Some((rest, assignments.collect()))
}

/// Sets the properties. The guest's address is also that of its first network adapter.
///
/// - `InvalidArgument` for a property that there is not or that is none of the guest or the configuration, that holds a list or an object, or cannot hold the value.
pub(super) fn assign(machine: &mut VirtualMachine, assignments: &[Assignment]) -> Result<(), Fault> {
    for (path, value) in assignments {
        if !path.split('.').next().is_some_and(|first| SETTABLE.contains(&first)) {
            return Err(wrong(path, "names no property that can be set"));
        }
        set(machine.as_object_mut(), path, path, value)?;
        if path == "guest.ipAddress"
            && let Some(adapter) = machine.guest_mut().net_mut().iter_mut().next()
        {
            adapter.set_ip_address(value.text());
        }
    }
    Ok(())
}

fn wrong(path: &str, why: &str) -> Fault {
    Fault::invalid_argument("configSpec.extraConfig", format!("{PREFIX}{path} {why}"))
}

/// Sets the property at the end of `rest`, which is a part of `path`.
fn set(object: &mut Object, path: &str, rest: &str, value: &Value) -> Result<(), Fault> {
    let (name, rest) = rest.split_once('.').map_or((rest, None), |(name, rest)| (name, Some(rest)));
    let unknown = || wrong(path, "names no property");
    let slot = object.kind().info().slot(name).ok_or_else(unknown)?;
    let field = &object.kind().info().fields()[slot];
    let new = match (rest, field.ty) {
        (_, _) if field.is_list() => return Err(wrong(path, "names a list")),
        (Some(rest), Ty::Data(kind)) => {
            let mut inner = object.get(slot).object().cloned().unwrap_or_else(|| Object::new(kind));
            set(&mut inner, path, rest, value)?;
            Value::Object(inner)
        }
        (Some(_), _) => return Err(unknown()),
        (None, _) => convert(field, value).ok_or_else(|| wrong(path, "cannot have this value"))?,
    };
    object.set(slot, new);
    Ok(())
}

/// The value as one of the property's type. Clients send text for everything.
fn convert(field: &Field, value: &Value) -> Option<Value> {
    if value.ty() == Some(field.ty) && !matches!(field.ty, Ty::Data(_) | Ty::Moref(_)) {
        return Some(value.clone());
    }
    let text = value.text()?;
    match field.ty {
        Ty::String | Ty::Uri if text.is_empty() && field.is_optional() => Some(Value::Unset),
        Ty::String => Some(Value::from(text)),
        Ty::Bool => text.parse().ok().map(Value::Bool),
        Ty::Int => text.parse().ok().map(Value::Int),
        Ty::Long => text.parse().ok().map(Value::Long),
        Ty::Enum(kind) => {
            let at = kind.info().values.iter().position(|known| *known == text)?;
            Some(Value::Enum(kind, u16::try_from(at).ok()?))
        }
        _ => None,
    }
}
