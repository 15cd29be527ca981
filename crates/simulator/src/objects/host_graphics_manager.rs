//! `HostGraphicsManager`: what a host's graphics devices are for.

use vimsim_types::enums::{
    HostGraphicsConfigGraphicsType as Kinds, HostGraphicsConfigSharedPassthruAssignmentPolicy as Assignment,
};
use vimsim_types::method::{IsSharedGraphicsActive, RefreshGraphicsManager, UpdateGraphicsConfig};
use vimsim_types::views::HostGraphicsManager;
use vimsim_types::{EnumView, Fault};

use super::host_managers::{edit_config, look_host, refreshed};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostGraphicsManager> {
    Kind::new()
        .read(refreshed::<HostGraphicsManager, RefreshGraphicsManager>)
        .read(is_shared_active)
        .write(update_config)
}

/// Whether virtual machines share graphics devices: if that is what these are for, and the X server runs.
fn is_shared_active(look: &Look<'_, HostGraphicsManager>, _: IsSharedGraphicsActive) -> Result<bool, Fault> {
    let config = look_host(look)?.config();
    let is_shared = config.and_then(|config| config.graphics_config());
    let is_shared = is_shared.is_some_and(|graphics| *graphics.host_default_graphics_type() == Kinds::Shared.name());
    let mut services = config.and_then(|config| config.service()).into_iter().flat_map(|info| info.service());
    Ok(is_shared && services.any(|service| *service.key() == "xorg" && service.running()))
}

/// Changes what graphics devices are for.
///
/// - `InvalidArgument` for a use, a policy or a device that there is not.
fn update_config(call: &mut Call<'_, HostGraphicsManager>, request: UpdateGraphicsConfig) -> Result<(), Fault> {
    let wanted = request.config();
    let config = edit_config(call)?;
    let unknown = |property: &str, what: &str| Err(Fault::invalid_argument(property, format!("there is no '{what}'")));
    let default = wanted.host_default_graphics_type();
    if Kinds::from_name(default).is_none() {
        return unknown("config.hostDefaultGraphicsType", default);
    }
    let policy = wanted.shared_passthru_assignment_policy();
    if Assignment::from_name(policy).is_none() {
        return unknown("config.sharedPassthruAssignmentPolicy", policy);
    }
    for device in wanted.device_type() {
        if !config.graphics_info().iter().any(|known| known.pci_id() == device.device_id()) {
            return unknown("config.deviceType.deviceId", device.device_id());
        }
        if Kinds::from_name(device.graphics_type()).is_none() {
            return unknown("config.deviceType.graphicsType", device.graphics_type());
        }
    }
    config.set_graphics_config(wanted.clone());
    Ok(())
}
