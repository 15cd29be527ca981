//! The devices whose files travel.

use vimsim_types::views::{
    HttpNfcLeaseDeviceUrl, VirtualController, VirtualDevice, VirtualDeviceFileBackingInfo, VirtualDisk,
    VirtualMachineConfigInfo,
};
use vimsim_types::{ArcStr, Moref, View};

use super::LeaseFile;
use crate::call::Call;
use crate::files::content::Blob;
use crate::files::{Place, edit, stream};

/// A device, and the file of it that travels.
pub(super) struct Device {
    pub(super) file: LeaseFile,
    import_key: String,
    size: Option<i64>,
}

impl Device {
    /// Where its file is fetched or put.
    pub(super) fn url(&self, base: &str) -> HttpNfcLeaseDeviceUrl {
        HttpNfcLeaseDeviceUrl::with(|url| {
            url.set_key(&self.file.key).set_import_key(&self.import_key);
            url.set_url(format!("{base}/{}", self.file.name)).set_ssl_thumbprint("");
            url.set_disk(self.file.is_disk).set_target_id(&self.file.name);
            url.set_datastore_key(self.file.place.datastore.value()).set_file_size(self.size);
        })
    }
}

/// The place of a device among those of its machine: `VirtualIDEController0:1`.
pub(crate) fn address(devices: &[VirtualDevice], device: &VirtualDevice) -> String {
    let controller = devices.iter().find(|it| Some(it.key()) == device.controller_key());
    let controller = controller.and_then(|controller| controller.downcast::<VirtualController>());
    let (kind, bus) = controller
        .map_or(("VirtualController", 0), |controller| (controller.as_object().kind().name(), controller.bus_number()));
    format!("{kind}{bus}:{}", device.unit_number().unwrap_or_default())
}

/// The devices of a machine that are files: its disks, and its CDs and floppies. `is_wanted` says which.
pub(super) fn of<T>(
    call: &Call<'_, T>,
    machine: &Moref,
    name: &str,
    config: &VirtualMachineConfigInfo,
    taken: &mut Vec<ArcStr>,
) -> Vec<Device> {
    let devices: Vec<VirtualDevice> = config.hardware().device().iter().cloned().collect();
    let datacenter = call.datacenter_of(machine);
    let mut found = Vec::new();
    let mut disks = 0;
    for device in &devices {
        let Some(file) = device.backing().and_then(|it| it.downcast::<VirtualDeviceFileBackingInfo>()) else {
            continue;
        };
        // A CD may be one that the host has, and not a datastore.
        let Ok(place) = Place::find(&**call, datacenter.as_ref(), file.file_name()) else { continue };
        let disk = device.downcast::<VirtualDisk>();
        let wanted = match disk {
            Some(_) => {
                disks += 1;
                format!("disk-{}.vmdk", disks - 1)
            }
            None => place.name().to_string(),
        };
        let free = |number: usize| match number {
            0 => wanted.clone(),
            _ => format!("{number}-{wanted}"),
        };
        let unique = (0..).map(free).find(|name| !taken.iter().any(|known| known == name)).unwrap_or_default();
        let unique = ArcStr::from(unique);
        taken.push(unique.clone());
        let address = address(&devices, device);
        let capacity = disk
            .map_or(0, |disk| disk.capacity_in_bytes().unwrap_or_else(|| disk.capacity_in_kb().saturating_mul(1024)));
        let file = LeaseFile {
            name: unique,
            key: format!("/{}/{address}", machine.value()).into(),
            place,
            is_disk: disk.is_some(),
            capacity,
            blob: None,
            unpacked: None,
            checksum: None,
        };
        found.push(Device { file, import_key: format!("/{name}/{address}"), size: None });
    }
    found
}

/// Finds the bytes that go out with an export. A CD or floppy whose image is not there stays behind.
pub(super) fn load<T>(call: &Call<'_, T>, devices: Vec<Device>) -> Result<Vec<Device>, vimsim_types::Fault> {
    let mut loaded = Vec::new();
    for mut device in devices {
        let volume = edit::volume(call, &device.file.place.datastore)?;
        if device.file.is_disk {
            match edit::travelling(&volume, &device.file.place)? {
                Ok(blob) => device.file.blob = Some(blob),
                Err((disk, Some(data))) => device.file.unpacked = Some((disk, data)),
                Err((disk, None)) => device.file.blob = Some(Blob::new(stream::empty(&disk))),
            }
        } else {
            let Some(file) = volume.file(&device.file.place.path) else { continue };
            device.file.blob = Some(file.content.bytes(device.file.place.name()));
        }
        device.size = device.file.blob.as_ref().and_then(|blob| i64::try_from(blob.size()).ok());
        loaded.push(device);
    }
    Ok(loaded)
}
