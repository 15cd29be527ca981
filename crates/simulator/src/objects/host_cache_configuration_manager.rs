//! `HostCacheConfigurationManager`: the flash datastores that a host swaps machines' memory to.

use vimsim_types::method::ConfigureHostCacheTask;
use vimsim_types::views::{
    Datastore, HostCacheConfigurationInfo, HostCacheConfigurationManager, HostSystem, InvalidDatastore,
    VmfsDatastoreInfo,
};
use vimsim_types::{Fault, Moref, View};

use super::host_managers::{edit_config, host_of};
use crate::call::{Call, not_found};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostCacheConfigurationManager> {
    Kind::new().write(configure)
}

/// Gives swapping so many MB of a datastore, or none.
///
/// - `InvalidDatastore` for one that the host does not mount, or that is not a VMFS volume on flash disks;
/// - `InvalidArgument` for more than it has, or less than nothing.
fn configure(
    call: &mut Call<'_, HostCacheConfigurationManager>,
    request: ConfigureHostCacheTask,
) -> Result<Moref, Fault> {
    edit_config(call)?;
    let this = call.moref();
    let host = host_of(call, &this).ok_or_else(|| not_found(&this))?;
    let (moref, size) = (request.spec().datastore(), request.spec().swap_size());
    let datastore = call.get::<Datastore>(&moref)?;
    let volume = datastore.info().downcast::<VmfsDatastoreInfo>().and_then(|info| info.vmfs());
    let is_flash = volume.is_some_and(|volume| volume.ssd() == Some(true));
    if !is_flash || !call.get::<HostSystem>(&host)?.datastore().contains(&moref) {
        let detail = InvalidDatastore::with(|fault| _ = fault.set_datastore(moref.clone()).set_name(datastore.name()));
        return Err(Fault::new(detail, format!("the host has no flash datastore '{}'", datastore.name())));
    }
    if size < 0 || size.saturating_mul(1 << 20) > datastore.summary().capacity() {
        return Err(Fault::invalid_argument("spec.swapSize", "is more than the datastore has"));
    }
    call.start_task(move |call| {
        let config = edit_config(call)?;
        config.cache_configuration_info_mut().retain(|info| info.key() != moref);
        if size > 0 {
            config.push_cache_configuration_info(HostCacheConfigurationInfo::with(|info| {
                info.set_key(moref).set_swap_size(size);
            }));
        }
        Ok(())
    })
}
