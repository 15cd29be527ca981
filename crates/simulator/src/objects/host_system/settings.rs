//! Settings of a host as a whole: where it swaps, and what its own work gets.

use vimsim_types::method::{UpdateSystemResources, UpdateSystemSwapConfiguration};
use vimsim_types::views::{
    Datastore, HostSystem, HostSystemResourceInfo, HostSystemSwapConfigurationDatastoreOption, ResourceConfigSpec,
};
use vimsim_types::{Fault, View};

use super::super::host_managers::expect_connected;
use crate::call::Call;
use crate::kind::Kind;

/// Adds the methods.
pub(super) fn add(kind: Kind<HostSystem>) -> Kind<HostSystem> {
    kind.write(update_swap).write(update_resources)
}

/// Says where the host swaps its own memory to.
///
/// - `InvalidArgument` for a datastore that it does not mount, and for two options of one key; `HostNotConnected`.
fn update_swap(call: &mut Call<'_, HostSystem>, request: UpdateSystemSwapConfiguration) -> Result<(), Fault> {
    let host = call.this()?;
    expect_connected(host)?;
    let wanted = request.sys_swap_config();
    let mounts = |name: &str| {
        let mut known = host.datastore().iter().filter_map(|moref| call.view::<Datastore>(&moref));
        known.any(|datastore| datastore.name() == name)
    };
    let mut keys = Vec::new();
    for option in wanted.option() {
        let on = option.downcast::<HostSystemSwapConfigurationDatastoreOption>().map(|option| option.datastore());
        if let Some(name) = on.filter(|name| !mounts(name)) {
            let why = format!("the host has no datastore '{name}'");
            return Err(Fault::invalid_argument("sysSwapConfig.option.datastore", why));
        }
        if keys.contains(&option.key()) {
            return Err(Fault::invalid_argument("sysSwapConfig.option.key", "two options have it"));
        }
        keys.push(option.key());
    }
    call.this_mut()?.config_mut().set_system_swap_configuration(wanted.clone());
    Ok(())
}

/// Writes a pool's configuration where it is in the tree.
fn write(pool: &mut HostSystemResourceInfo, key: &str, config: &ResourceConfigSpec) -> bool {
    if pool.key() == key {
        pool.set_config(config.clone());
        return true;
    }
    if pool.child().is_empty() {
        return false;
    }
    pool.child_mut().iter_mut().any(|child| write(child, key, config))
}

/// Changes what one of the pools of the host's own work gets.
///
/// - `InvalidArgument` for a pool that there is not, or without a configuration; `HostNotConnected`.
fn update_resources(call: &mut Call<'_, HostSystem>, request: UpdateSystemResources) -> Result<(), Fault> {
    let wanted = request.resource_info();
    let host = call.this_mut()?;
    expect_connected(host)?;
    let Some(config) = wanted.config() else {
        return Err(Fault::invalid_argument("resourceInfo.config", "is not set"));
    };
    if !write(host.system_resources_mut(), wanted.key(), config) {
        return Err(Fault::invalid_argument("resourceInfo.key", format!("there is no pool '{}'", wanted.key())));
    }
    if let Some(tree) = host.system_resources().cloned() {
        host.config_mut().set_system_resources(tree);
    }
    Ok(())
}
