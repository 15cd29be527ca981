//! What a host's advanced options ask for.

use std::collections::BTreeMap;

use vimsim_container::ImageValue;
use vimsim_types::views::{HostNetworkInfo, OptionValue};
use vimsim_types::{Fault, Value};

use crate::config::Containers;

/// The option that makes a host, or a virtual machine, a container.
pub(crate) const CONTAINER: &str = "RUN.container";
/// Before the name of a physical adapter: the option that names the network behind it.
pub(crate) const UNDERLAY: &str = "RUN.underlay.";
/// The network behind an adapter without such an option.
const DEFAULT_UNDERLAY: &str = "vcsim-underlay";

/// Whether an option is one of those that are for us.
pub(crate) fn concerns_containers(key: &str) -> bool {
    key == CONTAINER || key.starts_with(UNDERLAY)
}

/// The text of an option for us: clients may say `true` as a truth value, too. None where it says no.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(true) => Some("true".into()),
        Value::Bool(false) | Value::Unset => None,
        value => value.text().map(str::to_owned),
    }
}

/// The container that a host's options ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The image's name.
    pub(crate) image: String,
    /// The command's words; none for the image's own.
    pub(crate) command: Vec<String>,
    /// Whether the command is our default, which has nothing to lose when it is killed.
    pub(crate) is_default: bool,
    /// The networks that options name, by adapter.
    pub(crate) underlays: BTreeMap<String, String>,
}

impl Wanted {
    /// What these options ask for; none if they ask for no container.
    ///
    /// - `InvalidArgument` for a value that names no image.
    pub(crate) fn read<'a>(
        options: impl IntoIterator<Item = &'a OptionValue>,
        config: &Containers,
    ) -> Result<Option<Self>, Fault> {
        let (mut value, mut underlays) = (None, BTreeMap::new());
        for option in options {
            if option.key() == CONTAINER {
                value = text(option.value());
            } else if let Some(adapter) = option.key().strip_prefix(UNDERLAY)
                && let Some(network) = text(option.value()).filter(|network| !network.is_empty())
            {
                underlays.insert(adapter.to_owned(), network);
            }
        }
        let Some(value) = value else { return Ok(None) };
        let value = ImageValue::parse(&value).map_err(|error| Fault::invalid_argument(CONTAINER, error))?;
        Ok(Some(match value {
            ImageValue::Default => {
                let (image, command) = config.default_image();
                Self { image, command, is_default: true, underlays }
            }
            ImageValue::Image { image, command } => Self { image, command, is_default: false, underlays },
        }))
    }

    /// The network behind each of the host's physical adapters, in their order. The default is behind the first adapter,
    /// and behind another one as long as nothing else is on it: an adapter that is left over has no cable.
    ///
    /// - `InvalidArgument` for an adapter that the host does not have; for two that are on one network.
    pub(crate) fn cables(&self, network: &HostNetworkInfo) -> Result<Vec<(String, Option<String>)>, Fault> {
        let adapters: Vec<&str> = network.pnic().iter().map(|adapter| adapter.device().as_str()).collect();
        if let Some(unknown) = self.underlays.keys().find(|adapter| !adapters.contains(&adapter.as_str())) {
            let why = format!("the host has no physical adapter '{unknown}', it has {}", adapters.join(", "));
            return Err(Fault::invalid_argument(&format!("{UNDERLAY}{unknown}"), why));
        }
        let mut cables: Vec<(String, Option<String>)> = Vec::new();
        for (place, adapter) in adapters.iter().enumerate() {
            let named = self.underlays.get(*adapter).cloned();
            let is_used = self.underlays.values().any(|network| network == DEFAULT_UNDERLAY)
                || cables.iter().any(|(_, network)| network.as_deref() == Some(DEFAULT_UNDERLAY));
            let by_default = (place == 0 || !is_used).then(|| DEFAULT_UNDERLAY.to_owned());
            let network = named.or(by_default);
            let on_it = cables.iter().find(|(_, known)| known.is_some() && *known == network);
            if let (Some((other, _)), Some(network)) = (on_it, &network) {
                let why =
                    format!("the physical adapters '{other}' and '{adapter}' are both on the underlay '{network}'");
                return Err(Fault::invalid_argument(&format!("{UNDERLAY}{adapter}"), why));
            }
            cables.push(((*adapter).to_owned(), network));
        }
        Ok(cables)
    }
}

#[cfg(test)]
mod tests {
    use vimsim_types::View;
    use vimsim_types::views::PhysicalNic;

    use super::*;

    fn cables(options: &[(&str, &str)]) -> Result<Vec<(String, Option<String>)>, Fault> {
        let options: Vec<OptionValue> = [(CONTAINER, "true")]
            .iter()
            .chain(options)
            .map(|(key, value)| OptionValue::with(|option| _ = option.set_key(*key).set_value(*value)))
            .collect();
        let wanted = Wanted::read(&options, &Containers::default())?.expect("a container is asked for");
        let network = HostNetworkInfo::with(|network| {
            for device in ["vmnic0", "vmnic1"] {
                network.push_pnic(PhysicalNic::with(|adapter| _ = adapter.set_device(device)));
            }
        });
        wanted.cables(&network)
    }

    fn check(options: &[(&str, &str)], first: &str, second: Option<&str>) {
        let expected =
            vec![("vmnic0".to_owned(), Some(first.to_owned())), ("vmnic1".to_owned(), second.map(str::to_owned))];
        assert_eq!(cables(options).expect("is allowed"), expected);
    }

    #[test]
    fn only_one_adapter_is_on_the_default_underlay() {
        check(&[], "vcsim-underlay", None);
        check(&[("RUN.underlay.vmnic0", "a")], "a", Some("vcsim-underlay"));
        check(&[("RUN.underlay.vmnic1", "b")], "vcsim-underlay", Some("b"));
        check(&[("RUN.underlay.vmnic0", "a"), ("RUN.underlay.vmnic1", "b")], "a", Some("b"));
    }

    #[test]
    fn two_adapters_on_one_underlay_are_named() {
        for options in [
            &[("RUN.underlay.vmnic0", "a"), ("RUN.underlay.vmnic1", "a")][..],
            &[("RUN.underlay.vmnic1", "vcsim-underlay")],
        ] {
            let fault = cables(options).expect_err("is refused");
            assert!(fault.message().contains("'vmnic0' and 'vmnic1'"), "{fault}");
        }
        assert!(cables(&[("RUN.underlay.vmnic7", "a")]).is_err());
    }
}
