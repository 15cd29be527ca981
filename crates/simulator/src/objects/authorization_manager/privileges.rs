//! All privileges. The lists are made when somebody asks for them.

use std::sync::OnceLock;

use vimsim_types::views::{AuthorizationDescription, AuthorizationPrivilege, ElementDescription};
use vimsim_types::{ArcStr, List, Ty, Value, View};

use crate::objects::descriptions::{element, rows, words};

/// A privilege, and the letters that say which roles of the system differ from the rule about it.
pub(super) struct Privilege {
    pub(super) id: ArcStr,
    pub(super) marks: &'static str,
}

/// All privileges, by identifier.
pub(super) fn all() -> &'static [Privilege] {
    static ALL: OnceLock<Vec<Privilege>> = OnceLock::new();
    ALL.get_or_init(|| {
        let rows = rows(include_str!("../../../data/privileges.txt"), 2);
        rows.map(|row| Privilege { id: row[0].into(), marks: row.get(1).copied().unwrap_or_default() }).collect()
    })
}

/// Whether there is such a privilege.
pub(super) fn exists(id: &str) -> bool {
    all().binary_search_by(|privilege| privilege.id.as_str().cmp(id)).is_ok()
}

/// `VirtualMachine.Interact` of `VirtualMachine.Interact.PowerOn`, and `PowerOn`.
fn split(id: &str) -> (&str, &str) {
    id.rsplit_once('.').unwrap_or(("", id))
}

/// Privileges that removing or moving an entity needs on its parent as well.
const ON_PARENT: &[&str] = &[
    "DVPortgroup.Delete",
    "DVSwitch.Delete",
    "Datacenter.Delete",
    "Datacenter.Move",
    "Datastore.Delete",
    "Datastore.Move",
    "Folder.Delete",
    "Folder.Move",
    "Host.Inventory.DeleteCluster",
    "Host.Inventory.MoveCluster",
    "Host.Inventory.MoveHost",
    "Host.Inventory.RemoveHostFromCluster",
    "Network.Delete",
    "Network.Move",
    "Resource.DeletePool",
    "Resource.MovePool",
    "VApp.Delete",
    "VirtualMachine.Inventory.Delete",
    "VirtualMachine.Inventory.Move",
];

/// `privilegeList`
pub(super) fn list() -> Value {
    static LIST: OnceLock<Value> = OnceLock::new();
    let make = || {
        let items = all().iter().map(|privilege| {
            let (group, name) = split(&privilege.id);
            Value::Object(
                AuthorizationPrivilege::with(|item| {
                    item.set_priv_id(&privilege.id);
                    item.set_name(name);
                    item.set_priv_group_name(group);
                    item.set_on_parent(ON_PARENT.contains(&privilege.id.as_str()));
                })
                .into(),
            )
        });
        Value::List(List::new(Ty::Data(AuthorizationPrivilege::TYPE), items.collect()))
    };
    LIST.get_or_init(make).clone()
}

/// `description`
pub(super) fn description() -> Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| Value::Object(describe().into())).clone()
}

fn describe() -> AuthorizationDescription {
    let group_label = |group: &str| group.split('.').map(words).collect::<Vec<_>>().join(": ");
    let privileges = all().iter().map(|privilege| {
        let (group, name) = split(&privilege.id);
        let label = words(name);
        element(&privilege.id, &label, &format!("{}: {label}", group_label(group)))
    });
    let mut groups: Vec<&str> = all().iter().map(|privilege| split(&privilege.id).0).collect();
    groups.dedup();
    groups.sort_unstable();
    groups.dedup();
    let groups = groups.iter().map(|group| element(group, &group_label(group), &group_label(group)));
    AuthorizationDescription::with(|description| {
        description.set_privilege(privileges.collect::<Vec<ElementDescription>>());
        description.set_privilege_group(groups.collect::<Vec<ElementDescription>>());
    })
}
