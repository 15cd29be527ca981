//! `HostBootDeviceSystem`: what a host starts from.

use vimsim_types::method::{QueryBootDevices, UpdateBootDevice};
use vimsim_types::views::{HostBootDevice, HostBootDeviceInfo, HostBootDeviceSystem};
use vimsim_types::{ArcStr, Fault, View};

use super::host_managers::{edit_config, keep, kept, look_host};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostBootDeviceSystem> {
    Kind::new().read(query_boot_devices).write(update_boot_device)
}

/// The devices: key and description. The first is the one with the installation.
const DEVICES: [(&str, &str); 3] =
    [("0", "Hard drive"), ("1", "CD-ROM drive"), ("2", "Network boot from VMware VMXNET3")];

struct Chosen(ArcStr);

/// What the host can start from, and what it does.
fn query_boot_devices(look: &Look<'_, HostBootDeviceSystem>, _: QueryBootDevices) -> Result<HostBootDeviceInfo, Fault> {
    look_host(look)?;
    let chosen = kept::<Chosen>(look.snapshot(), look.moref()).map_or(DEVICES[0].0, |chosen| chosen.0.as_str());
    Ok(HostBootDeviceInfo::with(|info| {
        info.set_boot_devices(DEVICES.map(|(key, description)| {
            HostBootDevice::with(|device| _ = device.set_key(key).set_description(description))
        }));
        info.set_current_boot_device_key(chosen);
    }))
}

/// Says what the host starts from.
///
/// - `InvalidArgument` for a device that there is not.
fn update_boot_device(call: &mut Call<'_, HostBootDeviceSystem>, request: UpdateBootDevice) -> Result<(), Fault> {
    edit_config(call)?;
    if !DEVICES.iter().any(|(key, _)| key == request.key()) {
        return Err(Fault::invalid_argument("key", format!("there is no device '{}'", request.key())));
    }
    let this = call.moref();
    keep(call, &this, Chosen(request.key().clone()))
}
