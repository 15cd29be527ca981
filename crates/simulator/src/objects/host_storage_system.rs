//! `HostStorageSystem`: a host's disks and file systems.

use vimsim_types::Fault;
use vimsim_types::method::{RefreshStorageSystem, RescanAllHba, RescanHba, RescanVffs, RescanVmfs};
use vimsim_types::views::HostStorageSystem;

use super::host_managers::{look_host, no_such, refreshed};
use crate::call::Look;
use crate::kind::Kind;
use crate::luns;

pub(crate) fn kind() -> Kind<HostStorageSystem> {
    luns::add_to_storage_system(Kind::new())
        .read(refreshed::<HostStorageSystem, RefreshStorageSystem>)
        .read(refreshed::<HostStorageSystem, RescanAllHba>)
        .read(refreshed::<HostStorageSystem, RescanVmfs>)
        .read(refreshed::<HostStorageSystem, RescanVffs>)
        .read(rescan_hba)
}

/// Looks for new devices behind one adapter. There never are any.
///
/// - `NotFound` if the host has no such adapter.
fn rescan_hba(look: &Look<'_, HostStorageSystem>, request: RescanHba) -> Result<(), Fault> {
    let storage = look_host(look)?.config().and_then(|config| config.storage_device());
    let mut adapters = storage.into_iter().flat_map(|storage| storage.host_bus_adapter());
    match adapters.any(|adapter| adapter.device() == request.hba_device()) {
        true => Ok(()),
        false => Err(no_such("adapter", request.hba_device())),
    }
}
