//! Property paths: `config.hardware.device[4000].macAddress`.

use std::borrow::Cow;

use vimsim_types::table::Field;
use vimsim_types::{ArcStr, Fault, List, Namespace, Object, Ty, TypeId, Value, Version, View, views};

use crate::key::Key;

/// Longer paths are not valid: none that vSphere has comes near, keys included.
const MAX_LENGTH: usize = 4096;
/// Paths of more names are not valid: data objects nest endlessly only where a type contains itself.
const MAX_NAMES: usize = 64;

/// A property path, resolved against a type: following it reads slots and does not look at names.
///
/// - A name is a field of the type that the path has reached. Where that type is abstract, as a device's `backing`, it may
///   also be a field of a type derived from it; objects that turn out to be of another type have no such value.
/// - `list[key]` is the item with this key (see the module `key`). No such item means no value.
/// - A name after a list without a key reaches into every item: `config.hardware.device.key` is the list of all keys.
#[derive(Clone, Debug)]
pub struct Path {
    name: ArcStr,
    slot: usize,
    rest: Box<[Step]>,
    /// For a path through a list without a key: the type of the items that it gives.
    items: Option<Ty>,
    /// For a managed object's property that is a list: the empty list, which it is where none is kept.
    empty: Option<Value>,
    version: Version,
}

#[derive(Clone, Debug)]
enum Step {
    /// A field that the declared type has, and so every derived type in the same slot.
    Slot(usize),
    /// A field that only derived types have.
    Field(ArcStr),
    /// An item of a list.
    Item(Key),
}

impl Path {
    /// Resolves a path against a managed (or data) type, as a client of this version knows it. Fails with
    /// `InvalidProperty` if it cannot be read or names something that the type does not have.
    pub fn compile(text: &str, kind: TypeId, version: Version) -> Result<Path, Fault> {
        resolve(text, kind, version).ok_or_else(|| invalid_property(text))
    }

    /// Resolves a path whose names may begin with a capital, as names of fields do in Go. Fails as [`Path::compile`] does.
    pub(crate) fn compile_leniently(text: &str, kind: TypeId, version: Version) -> Result<Path, Fault> {
        Self::compile(text, kind, version).or_else(|fault| {
            let path = resolve(&uncapitalized(text), kind, version).ok_or(fault)?;
            Ok(Path { name: text.into(), ..path })
        })
    }

    /// The paths of all properties of a type that the version knows.
    pub(crate) fn all(kind: TypeId, version: Version) -> impl Iterator<Item = Path> {
        let fields = kind.info().fields().iter().enumerate();
        fields.filter(move |(_, field)| is_known(kind, field, version)).map(move |(slot, field)| Path {
            name: field.name.into(),
            slot,
            rest: Box::default(),
            items: None,
            empty: empty_list(kind, field),
            version,
        })
    }

    /// The path as the client wrote it.
    pub fn name(&self) -> &ArcStr {
        &self.name
    }

    /// The slot of the property that the path begins with.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// The version of the API that the path is read in.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The value that the path leads to; unset if there is none.
    pub fn get<'a>(&self, object: &'a Object) -> Cow<'a, Value> {
        let property = object.get(self.slot);
        if let (Value::Unset, Some(empty)) = (property, &self.empty) {
            return Cow::Owned(empty.clone());
        }
        match self.items {
            None => Cow::Borrowed(follow(property, &self.rest)),
            Some(ty) => {
                let mut items = Vec::new();
                let through_list = gather(property, &self.rest, &mut items);
                Cow::Owned(if through_list { List::new(ty, items).into() } else { Value::Unset })
            }
        }
    }

    /// The value that holds what the path leads to; `None` for a property of the object itself.
    pub(crate) fn parent<'a>(&self, object: &'a Object) -> Option<&'a Value> {
        let (_, before) = self.rest.split_last()?;
        Some(follow(object.get(self.slot), before))
    }

    /// Whether the path ends at an item of a list.
    pub(crate) fn ends_at_item(&self) -> bool {
        matches!(self.rest.last(), Some(Step::Item(_)))
    }

    /// The paths that this one goes on from.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.name.match_indices(['.', '[']).map(|(end, _)| &self.name[..end])
    }

    /// Whether the path goes through a list without a key.
    pub(crate) fn is_projection(&self) -> bool {
        self.items.is_some()
    }
}

/// `InvalidProperty` naming this path.
pub(crate) fn invalid_property(text: &str) -> Fault {
    views::InvalidProperty::with(|fault| _ = fault.set_name(text)).into()
}

/// A path with the first letter of each name made small, but for keys.
fn uncapitalized(text: &str) -> String {
    let (path, keyed) = text.split_at(text.find('[').unwrap_or(text.len()));
    let names = path.split('.').map(|name| {
        let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
        first.to_lowercase() + rest
    });
    names.collect::<Vec<_>>().join(".") + keyed
}

/// Whether a client of this version knows the field. Versions are those of vim25; other namespaces have lines of their
/// own and are taken to be known.
pub(crate) fn is_known(kind: TypeId, field: &Field, version: Version) -> bool {
    field.since <= version || kind.info().namespace != Namespace::VIM25
}

/// The empty list for a managed object's property that is a list: a client finds it empty and not missing, as vcsim answers
/// for all of them. An inventory need not keep it for each of many thousand entities.
fn empty_list(kind: TypeId, field: &Field) -> Option<Value> {
    let is_list = field.is_list() && kind.is_a(views::ManagedObject::TYPE);
    is_list.then(|| List::new(field.ty, Vec::new()).into())
}

static UNSET: Value = Value::Unset;

fn follow<'a>(value: &'a Value, steps: &[Step]) -> &'a Value {
    steps.iter().fold(value, step_into)
}

fn step_into<'a>(value: &'a Value, step: &Step) -> &'a Value {
    let next = match (step, value) {
        (Step::Slot(slot), Value::Object(object)) => Some(object.get(*slot)),
        (Step::Field(name), Value::Object(object)) => Some(object.field(name)),
        (Step::Item(key), Value::List(list)) => key.find(list.items()),
        _ => None,
    };
    next.unwrap_or(&UNSET)
}

/// Collects what the steps lead to from every item of the lists on the way. Says whether there was such a list.
fn gather(value: &Value, steps: &[Step], found: &mut Vec<Value>) -> bool {
    match (value, steps) {
        (Value::Unset, _) => false,
        (Value::List(list), [] | [Step::Slot(_) | Step::Field(_), ..]) => {
            list.items().iter().for_each(|item| {
                gather(item, steps, found);
            });
            true
        }
        (value, []) => {
            found.push(value.clone());
            false
        }
        (value, [step, rest @ ..]) => gather(step_into(value, step), rest, found),
    }
}

fn resolve(text: &str, kind: TypeId, version: Version) -> Option<Path> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let mut names = Names(Some(text));
    let (name, key) = names.next()??;
    let slot = kind.info().slot(name)?;
    let field = &kind.info().fields()[slot];
    if !is_known(kind, field, version) {
        return None;
    }
    let mut rest = Vec::new();
    let mut places = vec![Place::of(field)];
    let mut projected = false;
    index(&mut places, key, &mut rest)?;
    for (count, segment) in names.enumerate() {
        let (name, key) = segment?;
        if count == MAX_NAMES {
            return None;
        }
        projected |= places.iter().any(|place| place.is_list);
        let (step, next) = enter(&places, name, version)?;
        rest.push(step);
        places = next;
        index(&mut places, key, &mut rest)?;
    }
    let items = projected.then(|| match places[..] {
        [place] => place.ty,
        _ => Ty::Any,
    });
    let empty = if rest.is_empty() { empty_list(kind, field) } else { None };
    Some(Path { name: text.into(), slot, rest: rest.into(), items, empty, version })
}

/// The names of a path, each with the key after it; `None` where it cannot be read.
struct Names<'a>(Option<&'a str>);

impl<'a> Iterator for Names<'a> {
    type Item = Option<(&'a str, Option<Key>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.take()?;
        let (name, mut rest) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
        let mut key = None;
        if let Some(keyed) = rest.strip_prefix('[') {
            let Some((read, after)) = Key::parse(keyed) else { return Some(None) };
            (key, rest) = (Some(read), after);
        }
        self.0 = rest.strip_prefix('.');
        let is_read = !name.is_empty() && (rest.is_empty() || self.0.is_some());
        Some(is_read.then_some((name, key)))
    }
}

/// What a path may have reached, as far as declarations tell.
#[derive(Clone, Copy, PartialEq)]
struct Place {
    ty: Ty,
    is_list: bool,
}

impl Place {
    fn of(field: &Field) -> Place {
        Place { ty: field.ty, is_list: field.is_list() }
    }
}

/// Takes the key after a name, if there is one, which only lists have.
fn index(places: &mut Vec<Place>, key: Option<Key>, steps: &mut Vec<Step>) -> Option<()> {
    if let Some(key) = key {
        places.retain(|place| place.is_list && key.fits(place.ty));
        places.iter_mut().for_each(|place| place.is_list = false);
        steps.push(Step::Item(key));
    }
    (!places.is_empty()).then_some(())
}

/// Takes the field of this name of the data objects that may be here, or else of those derived from them.
fn enter(places: &[Place], name: &str, version: Version) -> Option<(Step, Vec<Place>)> {
    let mut next: Vec<Place> = Vec::new();
    let mut slots: Vec<usize> = Vec::new();
    let mut found = |kind: TypeId, field: &Field| {
        if is_known(kind, field, version) && !next.contains(&Place::of(field)) {
            next.push(Place::of(field));
        }
    };
    let mut is_declared = true;
    for place in places {
        let Ty::Data(kind) = place.ty else { continue };
        match kind.info().slot(name) {
            Some(slot) => {
                slots.push(slot);
                found(kind, &kind.info().fields()[slot]);
            }
            None => {
                is_declared = false;
                let derived = TypeId::all().skip(kind.index() + 1).take_while(|derived| derived.is_a(kind));
                for derived in derived {
                    let field = derived.info().own_fields().iter().find(|field| field.name == name);
                    field.into_iter().for_each(|field| found(derived, field));
                }
            }
        }
    }
    let step = match slots[..] {
        [slot, ref others @ ..] if is_declared && others.iter().all(|other| *other == slot) => Step::Slot(slot),
        _ => Step::Field(name.into()),
    };
    (!next.is_empty()).then_some((step, next))
}

#[cfg(test)]
mod tests {
    use vimsim_types::views::*;
    use vimsim_types::{Moref, View, enums};

    use super::*;

    fn virtual_machine() -> VirtualMachine {
        VirtualMachine::with(|vm| {
            vm.set_name("vm");
            vm.set_datastore([Moref::of::<Datastore>("datastore-1"), Moref::of::<Datastore>("datastore-2")]);
            let config = vm.config_mut();
            config.set_name("vm");
            config.push_extra_config(OptionValue::with(|option| {
                option.set_key("guestinfo.a[0]").set_value("zero");
            }));
            let hardware = config.hardware_mut();
            hardware.push_device(VirtualE1000::with(|card| {
                card.set_key(4000);
                card.set_mac_address("00:0c:29:00:00:01");
            }));
            hardware.push_device(VirtualDisk::with(|disk| {
                disk.set_key(2000);
                disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                    backing.set_file_name("[ds] vm.vmdk");
                }));
            }));
            vm.runtime_mut().set_power_state(enums::VirtualMachinePowerState::PoweredOn);
        })
    }

    fn compile(text: &str) -> Result<Path, Fault> {
        Path::compile(text, VirtualMachine::TYPE, Version::NEWEST)
    }

    fn get(text: &str) -> Value {
        compile(text).expect(text).get(virtual_machine().as_object()).into_owned()
    }

    #[test]
    fn paths_lead_to_values() {
        assert_eq!(get("name").text(), Some("vm"));
        assert_eq!(get("config.name").text(), Some("vm"));
        assert_eq!(get("runtime.powerState").text(), Some("poweredOn"));
        assert_eq!(get("guest.ipAddress"), Value::Unset);
        assert_eq!(get("config.hardware.device").items().len(), 2);
    }

    #[test]
    fn lists_are_empty_and_not_missing_where_nothing_is_kept() {
        assert_eq!(virtual_machine().as_object().get(ManagedEntity::TRIGGERED_ALARM_STATE), &Value::Unset);
        assert!(matches!(get("triggeredAlarmState"), Value::List(list) if list.items().is_empty()));
        assert_eq!(get("guest.net"), Value::Unset, "not a list of the object itself");
        assert_eq!(get(r#"triggeredAlarmState["none"]"#), Value::Unset);
        assert_eq!(get("triggeredAlarmState.key"), Value::Unset);
    }

    #[test]
    fn keys_address_items() {
        assert_eq!(get("config.hardware.device[4000].key"), Value::Int(4000));
        assert_eq!(get(r#"config.extraConfig["guestinfo.a[0]"].value"#).text(), Some("zero"));
        assert_eq!(get(r#"datastore["datastore-2"]"#), Moref::of::<Datastore>("datastore-2").into());
        assert_eq!(get("datastore[datastore-2]"), Moref::of::<Datastore>("datastore-2").into());
        assert_eq!(get("config.hardware.device[1].key"), Value::Unset, "a key, not a position");
        assert_eq!(get("datastore[none]"), Value::Unset);
        assert_eq!(get("snapshot.rootSnapshotList[0]"), Value::Unset);
    }

    #[test]
    fn text_keys_are_quoted_and_numbers_are_not() {
        assert!(compile(r#"config.hardware.device["4000"]"#).is_err());
        assert!(compile("config.hardware.device[x]").is_err());
        assert!(compile("config.extraConfig[guestinfo.a]").is_err());
        assert!(compile(r#"config["guestinfo.a"]"#).is_err());
    }

    #[test]
    fn lists_without_keys_are_indexed() {
        let roles = AuthorizationManager::with(|manager| {
            for name in ["Admin", "ReadOnly"] {
                manager.push_role_list(AuthorizationRole::with(|role| {
                    role.set_name(name);
                }));
            }
        });
        let name = |text| {
            let path = Path::compile(text, AuthorizationManager::TYPE, Version::NEWEST).expect(text);
            path.get(roles.as_object()).text().map(str::to_owned)
        };
        assert_eq!(name("roleList[1].name").as_deref(), Some("ReadOnly"));
        assert_eq!(name("roleList[2].name"), None);
        assert_eq!(name("roleList[-1].name"), None);
        assert_eq!(name("roleList[Admin].name"), None);
    }

    #[test]
    fn derived_types_have_fields_that_the_declared_one_lacks() {
        assert_eq!(get("config.hardware.device[2000].backing.fileName").text(), Some("[ds] vm.vmdk"));
        assert_eq!(get("config.hardware.device[4000].macAddress").text(), Some("00:0c:29:00:00:01"));
        assert_eq!(get("config.hardware.device[2000].macAddress"), Value::Unset, "a disk has none");
    }

    #[test]
    fn lists_are_projected() {
        let keys = get("config.hardware.device.key");
        assert_eq!(keys.items(), [Value::Int(4000), Value::Int(2000)]);
        assert_eq!(keys.list().map(List::element), Some(Ty::Int));
        let files = get("config.hardware.device.backing.fileName");
        assert_eq!(files.items().len(), 1);
        assert_eq!(files.list().map(List::element), Some(Ty::String));
        assert_eq!(get("snapshot.rootSnapshotList.name"), Value::Unset, "no list, no projection of it");
        let mut empty = virtual_machine();
        empty.config_mut().hardware_mut().device_mut().values().clear();
        let path = compile("config.hardware.device.key").expect("valid");
        assert_eq!(path.get(empty.as_object()).list().map(|list| list.items().len()), Some(0));
    }

    #[test]
    fn bad_paths_are_invalid_properties() {
        let long = "name.".repeat(1000);
        let deep = format!("layoutEx{}", ".a".repeat(100));
        let nested = format!("snapshot.rootSnapshotList{}.name", ".childSnapshotList".repeat(100));
        for bad in [
            "",
            ".",
            "nope",
            "name.",
            ".name",
            "name.nope",
            "config..name",
            "config.nope",
            "runtimeX",
            "config name",
            "config[",
            "config[]",
            "config[1]",
            "name[1]",
            "config.hardware.device[",
            "config.hardware.device[]",
            "config.hardware.device[4000",
            "config.hardware.device[4000]key",
            "config.hardware.device[4000][1]",
            "config.hardware.device[\"4000]",
            "config.hardware.device[4000].",
            "runtime.host.name",
            "Name",
            &long,
            &deep,
            &nested,
        ] {
            let fault = compile(bad).expect_err(bad);
            assert!(fault.is::<InvalidProperty>(), "{bad}: {fault}");
            assert_eq!(fault.detail().downcast::<InvalidProperty>().map(|fault| fault.name().as_str()), Some(bad));
        }
        assert!(compile("snapshot.rootSnapshotList.childSnapshotList.childSnapshotList.name").is_ok());
    }

    #[test]
    fn versions_know_their_properties() {
        let old = Version::parse(Namespace::VIM25, "2.5").expect("a version");
        let known = |text: &str, version| Path::compile(text, VirtualMachine::TYPE, version).is_ok();
        assert!(known("config.version", old) && known("config.version", Version::NEWEST));
        assert!(
            !known("config.vmxStatsCollectionEnabled", old)
                && known("config.vmxStatsCollectionEnabled", Version::NEWEST)
        );
        assert!(
            Path::all(VirtualMachine::TYPE, old).count() < Path::all(VirtualMachine::TYPE, Version::NEWEST).count()
        );
    }

    /// What the fuzz target `property_path` does, for a moment and from a fixed seed.
    #[test]
    fn no_text_panics() {
        let words =
            "config hardware device key backing fileName info error fault faultCause name [ ] . \" \\ 4000 -1 é \0";
        let words: Vec<&str> = words.split(' ').collect();
        let objects: Vec<Object> = vec![virtual_machine().into(), Task::new().into(), HostSystem::new().into()];
        let (mut valid, mut random) = (0, 1_u64);
        let mut below = |limit: usize| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) as usize % limit
        };
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..below(12) {
                text += words[below(words.len())];
                text += ["", ".", "[4000]"][below(3)];
            }
            for object in &objects {
                if let Ok(path) = Path::compile(&text, object.kind(), Version::NEWEST) {
                    path.get(object);
                    valid += 1;
                }
            }
        }
        assert!(valid > 100, "{valid}");
    }
}
