//! What the keys of a machine's `extraConfig` ask for.
//!
//! | key | meaning |
//! | --- | --- |
//! | `RUN.container` | options, image and command, as words or as a JSON array |
//! | `RUN.port.N` | the port of the engine's machine that the container's port N is published on |
//! | `RUN.env.NAME` | an environment variable |
//! | `RUN.network` | the engine's network that it joins |
//! | `RUN.mountdmi` | `false`: the machine's UUID is not shown in `/sys/class/dmi/id` |
//! | `guestinfo.a.b` | the environment variable `VMX_GUESTINFO_A_B` |

use vimsim_container::{ContainerSpec, Port, RunValue};
use vimsim_types::views::{OptionValue, VirtualMachineConfigInfo};
use vimsim_types::{Fault, Value};

use crate::containers::CONTAINER;

const PORT: &str = "RUN.port.";
const ENV: &str = "RUN.env.";
const NETWORK: &str = "RUN.network";
const MOUNT_DMI: &str = "RUN.mountdmi";
const GUEST_INFO: &str = "guestinfo.";

/// The container that a machine's keys ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The container, as far as the keys `RUN.*` say; it has no name yet.
    pub(crate) spec: ContainerSpec,
    /// Whether the machine's UUID is shown as that of a computer's firmware.
    pub(crate) has_dmi: bool,
}

/// The text of a key's value: clients may send numbers and truth values, too.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Long(value) => Some(value.to_string()),
        value => value.text().map(str::to_owned),
    }
}

fn bad(key: &str, why: impl std::fmt::Display) -> Fault {
    Fault::invalid_argument(key, why.to_string())
}

/// A key's last word.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn container(value: &Value) -> Result<Option<RunValue>, Fault> {
    RunValue::parse(&text(value).unwrap_or_default()).map_err(|error| bad(CONTAINER, error))
}

fn port(option: &OptionValue) -> Result<Option<Port>, Fault> {
    let outside = text(option.value()).unwrap_or_default();
    // The last word may have a protocol: `RUN.port.53/udp`.
    let port = Port::parse(last(option.key()), &outside);
    port.map(Some).ok_or_else(|| bad(option.key(), format!("'{outside}' is no port of the engine's machine")))
}

/// `InvalidArgument` for a value that is neither text nor a number nor a truth value, and so cannot be in a configuration
/// file; and for a key of ours with a value that it cannot have.
pub(crate) fn check_option(option: &OptionValue) -> Result<(), Fault> {
    if matches!(option.value(), Value::Object(_) | Value::List(_) | Value::Moref(..)) {
        return Err(Fault::invalid_argument("configSpec.extraConfig", format!("'{}' is no text", option.key())));
    }
    let value = text(option.value()).unwrap_or_default();
    if value.is_empty() {
        return Ok(());
    }
    match option.key().as_str() {
        CONTAINER => container(option.value()).map(drop),
        key if key.starts_with(PORT) => port(option).map(drop),
        _ => Ok(()),
    }
}

/// Whether the machine is to have a container.
pub(crate) fn is_contained(config: &VirtualMachineConfigInfo) -> bool {
    let value = config.extra_config().iter().find(|option| option.key() == CONTAINER);
    value.is_some_and(|option| text(option.value()).is_some_and(|value| !value.trim().is_empty()))
}

impl Wanted {
    /// What a machine's keys ask for; none if they ask for no container.
    ///
    /// - `InvalidArgument` for a value that names no image, or no port.
    pub(crate) fn read(config: &VirtualMachineConfigInfo) -> Result<Option<Self>, Fault> {
        let options = config.extra_config();
        let Some(value) = options.iter().find(|option| option.key() == CONTAINER) else { return Ok(None) };
        let Some(RunValue { mut spec }) = container(value.value())? else { return Ok(None) };
        let mut has_dmi = true;
        for option in options {
            let key = option.key().as_str();
            let value = text(option.value()).unwrap_or_default();
            if key == MOUNT_DMI {
                has_dmi = !value.eq_ignore_ascii_case("false");
            } else if key == NETWORK && !value.is_empty() {
                spec.networks.push(value);
            } else if key.starts_with(PORT) {
                spec.ports.extend(port(option)?);
            } else if key.starts_with(ENV) {
                spec.env.push((last(key).to_owned(), value));
            }
        }
        Ok(Some(Self { spec, has_dmi }))
    }

    /// The container's environment: what the keys name, and what the guest is told (`guestinfo.`).
    pub(crate) fn environment(&self, config: &VirtualMachineConfigInfo) -> Vec<(String, String)> {
        let mut env = self.spec.env.clone();
        for option in config.extra_config().iter().filter(|option| option.key().starts_with(GUEST_INFO)) {
            let name = option.key().to_ascii_uppercase().replace('.', "_");
            env.push((format!("VMX_{name}"), text(option.value()).unwrap_or_default()));
        }
        if !env.is_empty() {
            // It tells cloud-init where to look for what it is told.
            env.push(("VMX_GUESTINFO".into(), "true".into()));
        }
        env
    }
}

#[cfg(test)]
mod tests {
    use vimsim_types::View;

    use super::*;

    fn config(options: &[(&str, &str)]) -> VirtualMachineConfigInfo {
        VirtualMachineConfigInfo::with(|config| {
            config.set_extra_config(
                options
                    .iter()
                    .map(|(key, value)| OptionValue::with(|option| _ = option.set_key(*key).set_value(*value))),
            );
        })
    }

    #[test]
    fn keys_become_a_container() {
        let config = config(&[
            (CONTAINER, "-e A=1 nginx sleep 1"),
            ("RUN.port.80", "8080"),
            ("RUN.env.B", "2 3"),
            ("RUN.network", "blue"),
            ("RUN.mountdmi", "false"),
            ("guestinfo.meta.data", "x;y"),
        ]);
        assert!(is_contained(&config));
        let wanted = Wanted::read(&config).unwrap().expect("it asks for one");
        assert_eq!((wanted.spec.image.as_str(), wanted.has_dmi), ("nginx", false));
        assert_eq!((wanted.spec.ports[0].container, wanted.spec.ports[0].host), (80, Some(8080)));
        assert_eq!(wanted.spec.networks, ["blue"]);
        let env: Vec<String> =
            wanted.environment(&config).iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(env, ["A=1", "B=2 3", "VMX_GUESTINFO_META_DATA=x;y", "VMX_GUESTINFO=true"]);
    }

    #[test]
    fn without_the_key_there_is_none() {
        assert_eq!(Wanted::read(&config(&[("RUN.env.A", "1")])), Ok(None));
        assert_eq!(Wanted::read(&config(&[(CONTAINER, "")])), Ok(None));
        assert!(Wanted::read(&config(&[(CONTAINER, "--gpus all nginx")])).is_err());
        assert!(Wanted::read(&config(&[(CONTAINER, "nginx"), ("RUN.port.80", "http")])).is_err());
    }
}
