//! A host's disks and file systems: a CD drive, the disk with the volumes of an ESXi installation, a second local disk that
//! nothing is on, and the LUNs that all hosts share.

use vimsim_types::views::{
    HostBlockAdapterTargetTransport, HostBlockHba, HostDatastoreSystemCapabilities, HostDiagnosticPartition,
    HostDiskDimensionsLba, HostDiskPartitionAttributes, HostFileSystemMountInfo, HostFileSystemVolume,
    HostFileSystemVolumeInfo, HostHostBusAdapter, HostMountInfo, HostMultipathInfoFixedLogicalUnitPolicy,
    HostMultipathInfoLogicalUnit, HostMultipathInfoLogicalUnitStorageArrayTypePolicy, HostMultipathInfoPath,
    HostMultipathStateInfo, HostMultipathStateInfoPath, HostParallelScsiHba, HostParallelScsiTargetTransport,
    HostPlugStoreTopology, HostPlugStoreTopologyAdapter, HostPlugStoreTopologyDevice, HostPlugStoreTopologyPath,
    HostPlugStoreTopologyPlugin, HostPlugStoreTopologyTarget, HostScsiDisk, HostScsiDiskPartition,
    HostScsiTopologyInterface, HostScsiTopologyLun, HostScsiTopologyTarget, HostStorageDeviceInfo, HostTargetTransport,
    HostVfatVolume, HostVmfsVolume, ScsiLun, ScsiLunCapabilities, ScsiLunDescriptor, ScsiLunDurableName,
    VmfsUnmapBandwidthSpec,
};
use vimsim_types::{Object, View};

use super::super::datastore::volume_id;
use super::pci;
use crate::luns::partition as partition_of;

const DISK: &str = "mpx.vmhba0:C0:T0:L0";
/// Big enough for the volumes: 1 TiB, 128 GiB, two of 4 GiB, and what a partition table takes.
const DISK_BLOCKS: i64 = (1_168 << 30) / 512;
/// The number that the kernel makes of an `mpx` path: `vmhba0:0:0` in hexadecimal behind the device's class.
const DISK_ID: &str = "0000000000766d686261303a303a30";
const CD_DRIVE: &str = "mpx.vmhba1:C0:T0:L0";
const CD_DRIVE_ID: &str = "0005000000766d686261313a303a30";

const KEY: &str = "key-vim.host.";

/// A disk that nothing is on.
struct Free {
    name: &'static str,
    id: &'static str,
    size: i64,
    is_local: bool,
}

/// What VMFS datastores can be made on. Shared LUNs have the identifiers that virtual disks get, with `Virtua` at the end.
const FREE: [Free; 3] = [
    Free { name: "mpx.vmhba0:C0:T1:L0", id: "0000000000766d686261303a313a30", size: 512 * GIB, is_local: true },
    Free {
        name: "naa.6000c2901d5a7e3b94c8f06d2b7a4e11",
        id: "02000000006000c2901d5a7e3b94c8f06d2b7a4e11566972747561",
        size: 1_024 * GIB,
        is_local: false,
    },
    Free {
        name: "naa.6000c2955b0e9f1c2d7a8364e0c19b22",
        id: "02000000006000c2955b0e9f1c2d7a8364e0c19b22566972747561",
        size: 2_048 * GIB,
        is_local: false,
    },
];

/// A logical unit and the one path to it: each is a target of its own.
struct Unit {
    id: &'static str,
    lun_type: &'static str,
    adapter: &'static str,
    adapter_type: &'static str,
    bus: &'static str,
    target: i32,
}

const fn disk_at(id: &'static str, target: i32) -> Unit {
    Unit { id, lun_type: "ScsiDisk", adapter: "vmhba0", adapter_type: "ParallelScsiHba", bus: "pscsi", target }
}

const UNITS: [Unit; 5] = [
    Unit { id: CD_DRIVE_ID, lun_type: "ScsiLun", adapter: "vmhba1", adapter_type: "BlockHba", bus: "ide", target: 0 },
    disk_at(DISK_ID, 0),
    disk_at(FREE[0].id, 1),
    disk_at(FREE[1].id, 2),
    disk_at(FREE[2].id, 3),
];

/// The adapters that have units, in the order of their names.
const ADAPTERS: [&str; 2] = ["vmhba0", "vmhba1"];

impl Unit {
    fn lun_key(&self) -> String {
        format!("{KEY}{}-{}", self.lun_type, self.id)
    }
    fn adapter_key(&self) -> String {
        format!("{KEY}{}-{}", self.adapter_type, self.adapter)
    }
    fn path(&self) -> String {
        format!("{}:C0:T{}:L0", self.adapter, self.target)
    }
    fn plug_store_key(&self, of: &str, what: &str) -> String {
        format!("{KEY}PlugStoreTopology.{of}-{what}")
    }
    fn path_key(&self) -> String {
        self.plug_store_key("Path", &self.path())
    }
    fn device_key(&self) -> String {
        self.plug_store_key("Device", self.id)
    }
    fn target_key(&self) -> String {
        self.plug_store_key("Target", &format!("{}.0:{}", self.bus, self.target))
    }
    fn transport(&self) -> HostTargetTransport {
        let transport: Object = match self.adapter_type {
            "BlockHba" => HostBlockAdapterTargetTransport::new().into(),
            _ => HostParallelScsiTargetTransport::new().into(),
        };
        HostTargetTransport::from_object(transport).unwrap_or_else(View::new)
    }
}

/// The units of an adapter.
fn units_of(adapter: &str) -> impl Iterator<Item = &'static Unit> {
    UNITS.iter().filter(move |unit| unit.adapter == adapter)
}

/// `config.storageDevice`.
pub(super) fn devices() -> HostStorageDeviceInfo {
    HostStorageDeviceInfo::with(|info| {
        info.push_host_bus_adapter(HostParallelScsiHba::with(|hba| {
            adapter(hba, "vmhba0", "ParallelScsiHba", 3, "PVSCSI SCSI Controller", "pvscsi", pci::STORAGE);
        }));
        for name in ["vmhba1", "vmhba64"] {
            info.push_host_bus_adapter(HostBlockHba::with(|hba| {
                adapter(hba, name, "BlockHba", 0, "PIIX4 for 430TX/440BX/MX IDE Controller", "vmkata", pci::IDE);
            }));
        }
        info.push_scsi_lun(cd_drive());
        info.push_scsi_lun(disk(DISK, DISK_ID, DISK_BLOCKS, true));
        for free in FREE {
            info.push_scsi_lun(disk(free.name, free.id, free.size / 512, free.is_local));
        }
        info.scsi_topology_mut().set_adapter(scsi_topology());
        info.multipath_info_mut().set_lun(UNITS.iter().map(multipath));
        info.set_plug_store_topology(plug_store());
        info.set_software_internet_scsi_enabled(false);
    })
}

fn adapter(
    hba: &mut HostHostBusAdapter,
    name: &str,
    kind: &str,
    bus: i32,
    model: &str,
    driver: &str,
    address: &'static str,
) {
    hba.set_key(format!("{KEY}{kind}-{name}")).set_device(name).set_bus(bus).set_status("unknown");
    hba.set_model(model).set_driver(driver).set_pci(address).set_storage_protocol("scsi");
}

fn cd_drive() -> ScsiLun {
    ScsiLun::with(|lun| {
        lun.set_device_name(format!("/vmfs/devices/cdrom/{CD_DRIVE}")).set_device_type("cdrom");
        logical_unit(lun, CD_DRIVE, CD_DRIVE_ID, "ScsiLun");
        lun.set_lun_type("cdrom").set_display_name(format!("Local NECVMWar CD-ROM ({CD_DRIVE})"));
        lun.set_vendor("NECVMWar").set_model("VMware IDE CDR00").set_revision("1.00").set_scsi_level(5);
    })
}

fn disk(name: &str, id: &str, blocks: i64, is_local: bool) -> HostScsiDisk {
    HostScsiDisk::with(|disk| {
        let path = format!("/vmfs/devices/disks/{name}");
        disk.set_device_name(&path).set_device_type("disk");
        logical_unit(disk, name, id, "ScsiDisk");
        let kind = if is_local { "Local VMware Disk" } else { "VMware Disk" };
        disk.set_lun_type("disk").set_display_name(format!("{kind} ({name})"));
        // SCSI pads the vendor to 8 characters and the revision to 4.
        disk.set_vendor("VMware  ").set_model("Virtual disk    ").set_revision("2.0 ").set_scsi_level(6);
        disk.set_queue_depth(1024);
        disk.set_capacity(HostDiskDimensionsLba::with(|size| _ = size.set_block_size(512).set_block(blocks)));
        disk.set_device_path(path).set_ssd(true).set_local_disk(is_local);
        disk.set_emulated_dixdif_enabled(false).set_scsi_disk_type("native512");
        disk.set_used_by_memory_tiering(false);
    })
}

/// What every local unit has in common.
fn logical_unit(lun: &mut ScsiLun, name: &str, id: &str, kind: &str) {
    let descriptor = |id: String| {
        ScsiLunDescriptor::with(|descriptor| {
            descriptor.set_quality("lowQuality").set_id(id);
        })
    };
    lun.set_key(format!("{KEY}{kind}-{id}")).set_uuid(id).set_canonical_name(name);
    lun.set_descriptor([name.to_owned(), format!("vml.{id}"), id.to_owned()].map(descriptor));
    lun.set_serial_number("unavailable");
    // Vital product data pages 0 and 0x83 and the inquiry data, as the virtual device answers them.
    lun.set_alternate_name([
        durable_name(&[0, 0, 0, 4, 0, 0xb0, 0xb1, 0xb2]),
        durable_name(&[0, 0xb2, 0, 4, 1, 0x60, 0, 0]),
    ]);
    lun.set_standard_inquiry([0, 0, 6, 2, 0x1f, 0, 0, 0x72_i8]);
    lun.set_operational_state(["ok"]);
    lun.set_capabilities(ScsiLunCapabilities::with(|can| {
        _ = can.set_update_display_name_supported(name.starts_with("naa."))
    }));
    lun.set_v_storage_support("vStorageUnsupported").set_protocol_endpoint(false);
    lun.set_perennially_reserved(false).set_clustered_vmdk_supported(false).set_application_protocol("SCSI");
}

fn durable_name(data: &[u8]) -> ScsiLunDurableName {
    ScsiLunDurableName::with(|name| {
        name.set_namespace("GENERIC_VPD").set_namespace_id(5);
        name.set_data(data.iter().map(|byte| byte.cast_signed()));
    })
}

fn scsi_topology() -> impl Iterator<Item = HostScsiTopologyInterface> {
    let target = |unit: &Unit| {
        HostScsiTopologyTarget::with(|target| {
            let number = unit.target;
            target.set_key(format!("{KEY}ScsiTopology.Target-{}:0:{number}", unit.adapter)).set_target(number);
            target.push_lun(HostScsiTopologyLun::with(|lun| {
                lun.set_key(format!("{KEY}ScsiTopology.Lun-{}", unit.id)).set_lun(0);
                lun.set_scsi_lun(unit.lun_key());
            }));
            target.set_transport(unit.transport());
        })
    };
    let interface = move |name: &str| {
        HostScsiTopologyInterface::with(|interface| {
            let key = units_of(name).next().map_or_else(|| format!("{KEY}BlockHba-{name}"), Unit::adapter_key);
            interface.set_key(format!("{KEY}ScsiTopology.Interface-{name}")).set_adapter(key);
            for unit in units_of(name) {
                interface.push_target(target(unit));
            }
        })
    };
    ADAPTERS.into_iter().chain(["vmhba64"]).map(interface)
}

fn multipath(unit: &Unit) -> HostMultipathInfoLogicalUnit {
    HostMultipathInfoLogicalUnit::with(|lun| {
        let key = format!("{KEY}MultipathInfo.LogicalUnit-{}", unit.id);
        lun.set_key(&key).set_id(unit.id).set_lun(unit.lun_key());
        lun.push_path(HostMultipathInfoPath::with(|path| {
            let name = unit.path();
            path.set_key(format!("{KEY}MultipathInfo.Path-{name}")).set_name(name);
            path.set_path_state("active").set_state("active").set_is_working_path(true);
            path.set_adapter(unit.adapter_key()).set_lun(key).set_transport(unit.transport());
        }));
        lun.set_policy(HostMultipathInfoFixedLogicalUnitPolicy::with(|policy| {
            policy.set_policy("VMW_PSP_FIXED");
            policy.set_prefer(unit.path());
        }));
        lun.set_storage_array_type_policy(HostMultipathInfoLogicalUnitStorageArrayTypePolicy::with(|policy| {
            policy.set_policy("VMW_SATP_LOCAL");
        }));
    })
}

fn plug_store() -> HostPlugStoreTopology {
    let adapter = |name: &str| {
        HostPlugStoreTopologyAdapter::with(|adapter| {
            let key = units_of(name).next().map_or_else(|| format!("{KEY}BlockHba-{name}"), Unit::adapter_key);
            adapter.set_key(format!("{KEY}PlugStoreTopology.Adapter-{name}")).set_adapter(key);
            if units_of(name).next().is_some() {
                adapter.set_path(units_of(name).map(Unit::path_key));
            }
        })
    };
    HostPlugStoreTopology::with(|topology| {
        for name in ADAPTERS {
            topology.push_adapter(adapter(name));
            for unit in units_of(name) {
                topology.push_path(HostPlugStoreTopologyPath::with(|path| {
                    path.set_key(unit.path_key()).set_name(unit.path());
                    path.set_channel_number(0).set_target_number(unit.target).set_lun_number(0);
                    path.set_adapter(unit.plug_store_key("Adapter", unit.adapter));
                    path.set_target(unit.target_key()).set_device(unit.device_key());
                }));
                topology.push_target(HostPlugStoreTopologyTarget::with(|target| {
                    target.set_key(unit.target_key()).set_transport(unit.transport());
                }));
            }
        }
        topology.push_adapter(adapter("vmhba64"));
        topology.set_device(UNITS.iter().map(|unit| {
            HostPlugStoreTopologyDevice::with(|device| {
                device.set_key(unit.device_key()).set_lun(unit.lun_key()).set_path([unit.path_key()]);
            })
        }));
        topology.push_plugin(HostPlugStoreTopologyPlugin::with(|plugin| {
            plugin.set_key(format!("{KEY}PlugStoreTopology.Plugin-NMP")).set_name("NMP");
            plugin.set_device(UNITS.iter().map(Unit::device_key));
            plugin.set_claimed_path(UNITS.iter().rev().map(Unit::path_key));
        }));
    })
}

/// `config.multipathState`.
pub(super) fn multipath_state() -> HostMultipathStateInfo {
    HostMultipathStateInfo::with(|info| {
        info.set_path(UNITS.iter().rev().map(|unit| {
            HostMultipathStateInfoPath::with(|path| {
                path.set_name(unit.path()).set_path_state("active");
            })
        }));
    })
}

/// `config.activeDiagnosticPartition`.
pub(crate) fn diagnostic_partition() -> HostDiagnosticPartition {
    HostDiagnosticPartition::with(|partition| {
        partition.set_storage_type("directAttached").set_diagnostic_type("singleHost").set_slots(-15);
        partition.set_id(self::partition(9));
    })
}

fn partition(number: i32) -> HostScsiDiskPartition {
    HostScsiDiskPartition::with(|partition| {
        partition.set_disk_name(DISK).set_partition(number);
    })
}

/// `config.datastoreCapabilities`.
pub(super) fn datastore_capabilities() -> HostDatastoreSystemCapabilities {
    HostDatastoreSystemCapabilities::with(|can| {
        can.set_nfs_mount_creation_required(true).set_nfs_mount_creation_supported(true);
        can.set_local_datastore_supported(false).set_vmfs_extent_expansion_supported(true);
    })
}

const GIB: i64 = 1 << 30;

/// The names of the volumes, which become their identifiers.
const VOLUMES: [&str; 4] = ["datastore1", "OSDATA", "BOOTBANK1", "BOOTBANK2"];

/// `config.fileSystemVolume` without what identifies the volumes: those that every installation of ESXi has.
pub(super) fn volumes() -> HostFileSystemVolumeInfo {
    HostFileSystemVolumeInfo::with(|info| {
        info.set_volume_type_list(["VMFS", "NFS", "NFS41", "vsan", "VVOL", "VFFS", "OTHER", "PMEM"]);
        for name in VOLUMES {
            info.push_mount_info(match name {
                "datastore1" => mount("readWrite", vmfs(name, "VMFS", 1_024 * GIB)),
                "OSDATA" => mount("readWrite", vmfs(name, "OTHER", 128 * GIB)),
                _ => mount(
                    "readOnly",
                    HostVfatVolume::with(|volume| {
                        volume.set_type("OTHER").set_name(name).set_capacity(4 * GIB);
                    }),
                ),
            });
        }
    })
}

/// The file systems of a host that has not said which it has.
pub(crate) fn default_volumes() -> Vec<HostFileSystemMountInfo> {
    volumes().mount_info().iter().cloned().collect()
}

/// Gives the volumes identifiers of their own, because a volume that two hosts name is one that they share.
pub(super) fn identify(volumes: &mut HostFileSystemVolumeInfo, uuid: &str) {
    for (name, mount) in VOLUMES.into_iter().zip(volumes.mount_info_mut().iter_mut()) {
        let id = volume_id(&crate::uuid::named(&format!("{uuid} {name}")));
        mount.mount_info_mut().set_path(format!("/vmfs/volumes/{id}"));
        if let Some(volume) = mount.volume_mut().downcast_mut::<HostVmfsVolume>() {
            if name == "OSDATA" {
                volume.set_name(format!("OSDATA-{id}"));
            }
            volume.set_uuid(id);
        }
    }
}

/// How the disk with the installation is partitioned; other disks are not.
pub(crate) fn boot_partitions(name: &str) -> Vec<HostDiskPartitionAttributes> {
    if name != DISK {
        return Vec::new();
    }
    let sizes = [(1, 100 << 20, "none"), (5, 4 * GIB, "linuxNative"), (6, 4 * GIB, "linuxNative")];
    let sizes = sizes.into_iter().chain([(7, 128 * GIB, "vmfs"), (8, 1_024 * GIB, "vmfs")]);
    let mut start = 64;
    let mut next = |(number, size, kind): (i32, i64, &str)| {
        let end = start + size / 512 - 1;
        let made = partition_of(number, start, end, kind);
        // The next one begins at a mebibyte.
        start = (end / 2_048 + 1) * 2_048;
        made
    };
    sizes.map(&mut next).collect()
}

/// A VMFS volume of this name and size.
pub(crate) fn vmfs_volume(name: &str, capacity: i64) -> HostVmfsVolume {
    vmfs(name, "VMFS", capacity)
}

/// A volume as a host shows that it has mounted it.
pub(crate) fn mounted(volume: HostVmfsVolume) -> HostFileSystemMountInfo {
    mount("readWrite", volume)
}

fn mount(mode: &str, volume: impl View) -> HostFileSystemMountInfo {
    HostFileSystemMountInfo::with(|info| {
        info.set_mount_info(HostMountInfo::with(|mount| {
            mount.set_access_mode(mode).set_mounted(true).set_accessible(true);
        }));
        if let Some(volume) = HostFileSystemVolume::from_object(volume.into()) {
            info.set_volume(volume);
        }
        info.set_v_storage_support("vStorageUnsupported");
    })
}

fn vmfs(name: &str, kind: &str, capacity: i64) -> HostVmfsVolume {
    let is_datastore = kind == "VMFS";
    HostVmfsVolume::with(|volume| {
        volume.set_type(kind).set_name(name).set_capacity(capacity);
        volume.set_block_size_mb(1).set_block_size(1024).set_unmap_granularity(1024).set_unmap_priority("low");
        volume.set_unmap_bandwidth_spec(VmfsUnmapBandwidthSpec::with(|spec| {
            spec.set_policy("fixed").set_fixed_value(100).set_dynamic_min(0).set_dynamic_max(0);
        }));
        volume.set_max_blocks(63_963_136).set_major_version(6).set_version("6.82");
        volume.set_extent([partition(if is_datastore { 8 } else { 7 })]);
        volume.set_vmfs_upgradable(false).set_ssd(true).set_local(true).set_scsi_disk_type("native512");
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_volumes_fit_on_the_disk() {
        let volumes = super::volumes();
        let sum: i64 = volumes.mount_info().iter().map(|mount| mount.volume().capacity()).sum();
        assert!(sum < super::DISK_BLOCKS * 512);
        let last = super::boot_partitions(super::DISK).last().map(|partition| partition.end_sector());
        assert!(last.is_some_and(|last| last < super::DISK_BLOCKS));
    }
}
