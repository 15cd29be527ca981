//! `ExtensionManager`: programs that extend the server.

use vimsim_types::views::{Extension, ExtensionManager, ExtensionTaskTypeInfo};
use vimsim_types::{DateTime, View};

use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ExtensionManager> {
    Kind::new()
}

/// The extension that the server begins with, and the type of its tasks.
// Fidelity: clients' tests look for this key of vcsim's (govc's task.create); the rest of it is ours.
const KEY: &str = "com.vmware.govmomi.simulator";

/// The extension manager's own properties.
pub(crate) fn properties(now: DateTime) -> ExtensionManager {
    let extension = Extension::with(|extension| {
        extension.set_key(KEY);
        extension.description_mut().set_label("vimsim").set_summary("vSphere simulator");
        extension.set_version(env!("CARGO_PKG_VERSION"));
        extension.push_task_list(ExtensionTaskTypeInfo::with(|task| _ = task.set_task_id(format!("{KEY}.test"))));
        extension.set_last_heartbeat_time(now);
        extension.set_shown_in_solution_manager(false);
    });
    ExtensionManager::with(|manager| _ = manager.set_extension_list([extension]))
}
