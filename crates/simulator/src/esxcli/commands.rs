//! What a host answers to commands, out of what the API shows of it.

use std::collections::BTreeMap;

use vimsim_registry::Snapshot;
use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::views::{Datastore, HostSystem, OptionDef, OptionManager, OptionValue, VirtualMachine};
use vimsim_types::{DateTime, Moref, Object, Value, View};

use super::{network, table};

/// A record: names and values. A name that comes again is a list.
pub(crate) type Record = Vec<(&'static str, String)>;

/// What a command answers.
pub(crate) enum Answer {
    Simple(String),
    Records(Vec<Record>),
    Nothing,
}

/// Why it did not.
pub(crate) enum Failure {
    /// There is no such command.
    Unknown,
    /// The command says so.
    Command(Vec<String>),
}

impl Failure {
    pub(super) fn says(words: impl Into<String>) -> Self {
        Self::Command(vec![words.into()])
    }
}

/// What is asked, and of whom.
pub(crate) struct Asked<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) host: &'a HostSystem,
    pub(crate) now: DateTime,
    pub(crate) arguments: BTreeMap<String, String>,
}

impl Asked<'_> {
    /// An argument, if it is given.
    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The machines that run on the host.
    pub(super) fn running(&self) -> impl Iterator<Item = (Moref, &VirtualMachine)> {
        let all = self.host.vm().iter();
        let all = all.filter_map(|moref| Some((moref.clone(), self.snapshot.view::<VirtualMachine>(&moref)?)));
        all.filter(|(_, machine)| machine.runtime().power_state() == Power::PoweredOn)
    }

    /// The machine of a world.
    pub(crate) fn machine(&self, world: &str) -> Result<Moref, Failure> {
        let found = self.running().find(|(moref, _)| world_id(moref).to_string() == world);
        found.map(|(moref, _)| moref).ok_or_else(|| Failure::says(format!("Unable to find a VM of world {world}")))
    }
}

/// The number of the world that a machine is.
pub(super) fn world_id(machine: &Moref) -> u64 {
    let digits: String = machine.value().chars().filter(char::is_ascii_digit).collect();
    2_000_000 + digits.parse::<u64>().unwrap_or_default() * 2
}

/// Carries out a command that only looks.
pub(crate) fn run(name: &str, asked: &Asked<'_>) -> Result<Answer, Failure> {
    let host = asked.host;
    let config = || host.config().ok_or_else(|| Failure::says("The host is not connected"));
    let simple = |value: String| Ok(Answer::Simple(value));
    let record = |record: Record| Ok(Answer::Records(vec![record]));
    match name {
        "hardware.clock.get" => simple(format!("{}Z", asked.now.to_string().split(['.', 'Z']).next().unwrap_or(""))),
        "hardware.platform.get" => {
            let info = host.hardware().ok_or(Failure::Unknown)?;
            let system = info.system_info();
            record(vec![
                ("UUID", system.uuid().to_string()),
                ("ProductName", system.model().to_string()),
                ("VendorName", system.vendor().to_string()),
                ("SerialNumber", system.serial_number().map(ToString::to_string).unwrap_or_default()),
                ("IPMISupported", host.config().is_some_and(|config| config.ipmi().is_some()).to_string()),
            ])
        }
        "iscsi.software.get" => {
            let storage = config()?.storage_device();
            simple(storage.is_some_and(|storage| storage.software_internet_scsi_enabled()).to_string())
        }
        "storage.filesystem.list" => Ok(Answer::Records(volumes(asked))),
        "software.vib.list" => Ok(Answer::Records(packages(host))),
        "software.vib.get" => match asked.argument("vibname") {
            None => Ok(Answer::Records(packages(host))),
            Some(name) => {
                let is_it = |package: &Record| package.iter().any(|(key, value)| *key == "Name" && value == name);
                let found: Vec<Record> = packages(host).into_iter().filter(is_it).collect();
                match found.is_empty() {
                    true => Err(Failure::Command(vec!["[NoMatchError]".into(), format!("id={name}")])),
                    false => Ok(Answer::Records(found)),
                }
            }
        },
        "software.profile.get" => {
            let product = config()?.product();
            let mut profile: Record = vec![
                ("Name", format!("ESXi-{}-{}-standard", product.version(), product.build())),
                ("Vendor", "VMware, Inc.".into()),
            ];
            let names = packages(host).into_iter().flatten().filter(|(key, _)| *key == "ID");
            profile.extend(names.map(|(_, id)| ("VIBs", id)));
            record(profile)
        }
        "system.hostname.get" => {
            let dns = config()?.network().and_then(|network| network.dns_config()).ok_or(Failure::Unknown)?;
            let full = [dns.host_name().as_str(), dns.domain_name()].into_iter().filter(|part| !part.is_empty());
            record(vec![
                ("DomainName", dns.domain_name().to_string()),
                ("FullyQualifiedDomainName", full.collect::<Vec<_>>().join(".")),
                ("HostName", dns.host_name().to_string()),
            ])
        }
        "system.maintenanceMode.get" => {
            simple(if host.runtime().in_maintenance_mode() { "Enabled" } else { "Disabled" }.into())
        }
        "system.settings.advanced.list" => options(asked),
        "system.stats.uptime.get" => {
            let since = host.runtime().boot_time().map_or(0, |boot| asked.now.micros() - boot.micros());
            simple(since.max(0).to_string())
        }
        "system.uuid.get" => simple(host.hardware().map(|it| it.system_info().uuid().to_string()).unwrap_or_default()),
        "system.version.get" => {
            let product = config()?.product();
            record(vec![
                ("Product", product.name().to_string()),
                ("Version", product.version().to_string()),
                ("Build", format!("Releasebuild-{}", product.build())),
                ("Update", product.version().rsplit('.').next().unwrap_or_default().to_string()),
                ("Patch", product.patch_level().map(ToString::to_string).unwrap_or_default()),
            ])
        }
        "vm.process.list" => {
            Ok(Answer::Records(asked.running().map(|(moref, machine)| process(&moref, machine)).collect()))
        }
        name if table::find(name).is_some() => network::run(name, asked),
        _ => Err(Failure::Unknown),
    }
}

fn process(moref: &Moref, machine: &VirtualMachine) -> Record {
    let config = machine.config();
    let world = world_id(moref);
    vec![
        ("WorldID", world.to_string()),
        ("ProcessID", "0".into()),
        ("VMXCartelID", (world + 1).to_string()),
        ("UUID", config.map(|config| config.uuid().to_string()).unwrap_or_default()),
        ("DisplayName", machine.name().to_string()),
        ("ConfigFile", config.and_then(|it| it.files().vm_path_name()).map(ToString::to_string).unwrap_or_default()),
    ]
}

/// The packages that make up what the host runs: of the product's own version.
pub(crate) fn packages(host: &HostSystem) -> Vec<Record> {
    const PACKAGES: [(&str, &str); 6] = [
        ("esx-base", "ESXi base system"),
        ("esx-dvfilter-generic-fastpath", "ESXi dvfilter generic fastpath"),
        ("esx-ui", "VMware Host Client"),
        ("esx-update", "Package to enable ESXi updates"),
        ("esx-xserver", "ESXi X server"),
        ("native-misc-drivers", "ESXi native drivers"),
    ];
    let Some(product) = host.config().map(|config| config.product()) else { return Vec::new() };
    let version = format!("{}-{}", product.version(), product.build());
    let installed = host.hardware().and_then(|it| it.bios_info()?.release_date()).map(|date| date.to_string());
    let installed = installed.map(|date| date.chars().take(10).collect::<String>()).unwrap_or_default();
    let package = |(name, summary): &(&'static str, &'static str)| {
        vec![
            ("AcceptanceLevel", "VMwareCertified".into()),
            ("ID", format!("VMware_bootbank_{name}_{version}")),
            ("InstallDate", installed.clone()),
            ("Name", (*name).into()),
            ("Platforms", "host".into()),
            ("Summary", (*summary).into()),
            ("Type", "bootbank".into()),
            ("Vendor", "VMware".into()),
            ("Version", version.clone()),
        ]
    };
    PACKAGES.iter().map(package).collect()
}

fn volumes(asked: &Asked<'_>) -> Vec<Record> {
    let stores = asked.host.datastore().iter().filter_map(|moref| asked.snapshot.view::<Datastore>(&moref));
    let one = |store: &Datastore| {
        let summary = store.summary();
        let uuid = summary.url().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_string();
        vec![
            ("MountPoint", format!("/vmfs/volumes/{uuid}")),
            ("VolumeName", store.name().to_string()),
            ("UUID", uuid),
            ("Mounted", summary.accessible().to_string()),
            ("Type", summary.type_().to_string()),
            ("Size", summary.capacity().to_string()),
            ("Free", summary.free_space().to_string()),
        ]
    };
    stores.map(one).collect()
}

/// The option's path for esxcli: `/Net/GuestIPHack` of `Net.GuestIPHack`.
fn path(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

fn options(asked: &Asked<'_>) -> Result<Answer, Failure> {
    let manager = asked.host.config_manager().advanced_option().ok_or(Failure::Unknown)?;
    let manager: &OptionManager = asked.snapshot.view(&manager).ok_or(Failure::Unknown)?;
    let (wanted, tree) = (asked.argument("option"), asked.argument("tree"));
    let delta = asked.argument("delta").is_some_and(|delta| delta == "true");
    let mut found = Vec::new();
    for option in manager.setting() {
        let path = path(option.key());
        if wanted.is_some_and(|wanted| wanted != path) || tree.is_some_and(|tree| !path.starts_with(tree)) {
            continue;
        }
        let definition = manager.supported_option().iter().find(|known| known.key() == option.key());
        let record = describe(path, option, definition);
        let value = |name: &str| record.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
        let differs =
            value("IntValue") != value("DefaultIntValue") || value("StringValue") != value("DefaultStringValue");
        if !delta || differs {
            found.push(record);
        }
    }
    match wanted {
        Some(wanted) if found.is_empty() => Err(Failure::says(format!("Unable to find option {wanted}"))),
        _ => Ok(Answer::Records(found)),
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Int(value) => Some(i64::from(*value)),
        Value::Long(value) => Some(*value),
        _ => None,
    }
}

fn describe(path: String, option: &OptionValue, definition: Option<&OptionDef>) -> Record {
    let kind: Option<&Object> = definition.map(|definition| definition.option_type().as_object());
    let limit = |name: &str| kind.map(|kind| kind.field(name)).and_then(number);
    let default = kind.map(|kind| kind.field("defaultValue"));
    let mut record: Record = vec![("Path", path)];
    match number(option.value()) {
        Some(value) => {
            record.push(("Type", "integer".into()));
            record.push(("IntValue", value.to_string()));
            record.push(("DefaultIntValue", default.and_then(number).unwrap_or(value).to_string()));
            record.push(("MinValue", limit("min").unwrap_or(0).to_string()));
            record.push(("MaxValue", limit("max").unwrap_or(1).to_string()));
        }
        None => {
            let value = option.value().text().unwrap_or_default().to_string();
            record.push(("Type", "string".into()));
            record.push(("DefaultStringValue", default.and_then(|it| it.text()).unwrap_or(&value).to_string()));
            record.push(("StringValue", value));
        }
    }
    let summary = definition.map(|definition| definition.summary().to_string());
    record.push(("Description", summary.unwrap_or_default()));
    record.push(("HostSpecific", "false".into()));
    record.push(("Impact", "none".into()));
    record
}

/// The option that `system.settings.advanced.set` is to set, and its new value.
pub(crate) fn changed_option(asked: &Asked<'_>) -> Result<(Moref, OptionValue), Failure> {
    let moref = asked.host.config_manager().advanced_option().ok_or(Failure::Unknown)?;
    let manager: &OptionManager = asked.snapshot.view(&moref).ok_or(Failure::Unknown)?;
    let wanted = asked.argument("option").ok_or_else(|| Failure::says("Missing required parameter -o|--option"))?;
    let option = manager.setting().iter().find(|known| path(known.key()) == wanted);
    let option = option.ok_or_else(|| Failure::says(format!("Unable to find option {wanted}")))?;
    let definition = manager.supported_option().iter().find(|known| known.key() == option.key());
    let default = definition.map(|definition| definition.option_type().as_object().field("defaultValue").clone());
    let given = |name: &str| asked.argument(name).and_then(|value| value.parse::<i64>().ok());
    let bad =
        || Failure::says(format!("Unable to set option {wanted}: the value is not of its type or beyond its limits"));
    let value = if asked.argument("default").is_some_and(|it| it == "true") {
        default.filter(|value| !value.is_unset()).ok_or_else(bad)?
    } else {
        match option.value() {
            Value::Bool(_) => {
                Value::Bool(given("intvalue").filter(|value| (0..=1).contains(value)).ok_or_else(bad)? == 1)
            }
            Value::Int(_) => Value::Int(given("intvalue").and_then(|value| value.try_into().ok()).ok_or_else(bad)?),
            Value::Long(_) => {
                let kind = definition.map(|definition| definition.option_type().as_object());
                let limit = |name: &str| kind.map(|kind| kind.field(name)).and_then(number);
                let fits = |value: &i64| {
                    limit("min").is_none_or(|min| *value >= min) && limit("max").is_none_or(|max| *value <= max)
                };
                Value::Long(given("intvalue").filter(fits).ok_or_else(bad)?)
            }
            _ => Value::from(asked.argument("stringvalue").ok_or_else(bad)?),
        }
    };
    Ok((moref, OptionValue::with(|changed| _ = changed.set_key(option.key()).set_value(value))))
}
