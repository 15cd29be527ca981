//! The model's resource pools, vApps and virtual machines.

use vimsim_types::enums::{VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation, VirtualSCSISharing};
use vimsim_types::method::{CreateResourcePool, CreateVApp, CreateVMTask, PowerOnVMTask};
use vimsim_types::views::{
    ComputeResource, Datacenter, DistributedVirtualPortgroup, DistributedVirtualSwitch, Folder, ManagedEntity, Network,
    OptionValue, ParaVirtualSCSIController, ResourcePool, StorageIOAllocationInfo, VAppConfigSpec, VirtualCdrom,
    VirtualCdromAtapiBackingInfo, VirtualController, VirtualDevice, VirtualDeviceBackingInfo, VirtualDeviceConfigSpec,
    VirtualDeviceConnectInfo, VirtualDevicePciBusSlotInfo, VirtualDisk, VirtualDiskFlatVer2BackingInfo, VirtualE1000,
    VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualEthernetCardNetworkBackingInfo, VirtualMachine,
    VirtualMachineConfigSpec,
};
use vimsim_types::{ArcStr, Fault, Moref, Object, View, literal};

use super::{Builder, Place};
use crate::call::Call;
use crate::config::Model;
use crate::objects::resource_pool;
use crate::objects::virtual_machine::{Copies, Original};

/// The datastore that all machines of the model are on, whatever others there are.
const DATASTORE: &str = "LocalDS_0";

/// The size of the machines' one disk.
const DISK_SIZE: i64 = 10 << 30;

impl Builder<'_> {
    /// The resource pools and vApps of a cluster that get virtual machines: the prefix of their names and the pool. The
    /// root pool, `RP0`, gets them only where there are no others.
    pub(super) fn pools(&mut self, cluster: &Moref, name: &str, model: &Model) -> Result<Vec<(String, Moref)>, Fault> {
        let root = self.root_pool(cluster)?;
        let mut pools = Vec::new();
        if model.pool == 0 {
            pools.push((format!("{name}_RP0"), root.clone()));
        }
        for number in 1..=model.pool {
            let name = format!("{name}_RP{number}");
            let request = CreateResourcePool::with(|request| {
                request.set_name(&name).set_spec(resource_pool::default_config());
            });
            let pool = self.create(&root, request)?;
            pools.push((name, pool));
        }
        for number in 0..model.app {
            let name = format!("{name}_APP{number}");
            let request = CreateVApp::with(|request| {
                request.set_name(&name).set_res_spec(resource_pool::default_config());
                request.set_config_spec(VAppConfigSpec::new());
            });
            let app = self.create(&root, request)?;
            pools.push((name, app));
        }
        Ok(pools)
    }

    fn root_pool(&self, compute_resource: &Moref) -> Result<Moref, Fault> {
        let pool = self.transaction.get::<ComputeResource>(compute_resource)?.resource_pool();
        pool.ok_or_else(|| Fault::invalid_request(format!("{compute_resource} has no resource pool")))
    }

    /// The virtual machines of a datacenter: those of its standalone hosts, then those of its clusters.
    pub(super) fn machines(&mut self, place: &Place, model: &Model) -> Result<(), Fault> {
        let Some(devices) = self.devices(place, model) else { return Ok(()) };
        for (name, compute_resource) in &place.standalone {
            let pool = self.root_pool(compute_resource)?;
            let hosts = super::compute_resource_hosts(self.transaction, compute_resource)?;
            self.group(&devices, &place.machines, name, &pool, &hosts, model)?;
        }
        for cluster in &place.clusters {
            // Fidelity: vcsim chooses the hosts of a cluster's machines at random; ours take turns.
            let mut turn = 0;
            for (name, pool) in &cluster.pools {
                let owner = self.transaction.get::<ResourcePool>(pool)?.owner();
                let mut hosts = super::compute_resource_hosts(self.transaction, &owner)?;
                if hosts.is_empty() {
                    continue;
                }
                let first = turn % hosts.len();
                hosts.rotate_left(first);
                self.group(&devices, &place.machines, name, pool, &hosts, model)?;
                turn += model.machine;
            }
        }
        Ok(())
    }

    /// What the machines of a datacenter are made of; `None` where there is no datastore to keep them.
    fn devices(&self, place: &Place, model: &Model) -> Option<Devices> {
        let datacenter = self.transaction.view::<Datacenter>(&place.datacenter)?;
        let is_named = |moref: &Moref, name: &str| {
            self.transaction.view::<ManagedEntity>(moref).is_some_and(|entity| *entity.name() == name)
        };
        datacenter.datastore().iter().find(|moref| is_named(moref, DATASTORE))?;
        let portgroup = (model.portgroup > 0).then(|| format!("{}_DVPG0", place.name));
        let find = |name: &str| datacenter.network().iter().find(|moref| is_named(moref, name));
        let network = portgroup.and_then(|name| find(&name)).or_else(|| find("VM Network"))?;
        self.devices_on(&network)
    }

    /// What machines on this network are made of.
    fn devices_on(&self, network: &Moref) -> Option<Devices> {
        let object = self.transaction.object(network)?;
        let backing: Object = match object.view::<DistributedVirtualPortgroup>() {
            Some(portgroup) => {
                let switch = portgroup.config().distributed_virtual_switch();
                let uuid = switch.and_then(|switch| {
                    Some(self.transaction.view::<DistributedVirtualSwitch>(&switch)?.uuid().clone())
                });
                VirtualEthernetCardDistributedVirtualPortBackingInfo::with(|backing| {
                    backing.port_mut().set_portgroup_key(portgroup.key()).set_switch_uuid(uuid.unwrap_or_default());
                })
                .into()
            }
            None => VirtualEthernetCardNetworkBackingInfo::with(|backing| {
                backing.set_device_name(object.view::<Network>().map(|network| network.name()));
                backing.set_use_auto_detect(false);
                backing.set_network(network.clone());
                backing.set_in_passthrough_mode(false);
            })
            .into(),
        };
        VirtualDeviceBackingInfo::from_object(backing).map(Devices::new)
    }

    /// The machines `PREFIX_VM0`, `PREFIX_VM1` ... of a pool, which take turns on these hosts. The first ones are created and
    /// started as a client would do it; thousands more are copies of these.
    fn group(
        &mut self,
        devices: &Devices,
        folder: &Moref,
        prefix: &str,
        pool: &Moref,
        hosts: &[Moref],
        model: &Model,
    ) -> Result<(), Fault> {
        let mut originals: Vec<Original> = Vec::new();
        let mut copies = Copies::default();
        for number in 0..model.machine {
            let name = format!("{prefix}_VM{number}");
            let turn = number.checked_rem(hosts.len()).unwrap_or_default();
            if number >= model.created.max(hosts.len()) {
                let mut call = Call::<Folder>::new(self.transaction, self.context, folder.clone());
                // The identifiers that its tasks would have had stay free.
                call.next_number();
                let moref = call.create_moref(VirtualMachine::TYPE);
                if model.autostart {
                    call.next_number();
                }
                copies.add(&mut call, (turn, &originals[turn]), moref, &name)?;
                continue;
            }
            let request = CreateVMTask::with(|request| {
                request.set_config(devices.machine(&name)).set_pool(pool.clone()).set_host(hosts.get(turn).cloned());
            });
            let machine = self.create(folder, request)?;
            if model.autostart {
                self.call(&machine, PowerOnVMTask::new())?;
            }
            if originals.len() == turn {
                let call = Call::<Folder>::new(self.transaction, self.context, folder.clone());
                originals.push(Original::new(&call, &machine)?);
            }
        }
        copies.finish(&mut Call::<Folder>::new(self.transaction, self.context, folder.clone()), &originals)
    }
}

/// What the model's machines are made of, as specifications. The same objects go into every machine.
struct Devices {
    controller: VirtualDeviceConfigSpec,
    cdrom: VirtualDeviceConfigSpec,
    /// All of it but the file's name.
    disk: VirtualDeviceConfigSpec,
    card: VirtualDeviceConfigSpec,
    options: Vec<OptionValue>,
}

// Fidelity: vCenter would give the three devices the keys 1000, 3000 and 2000. vcsim's model has these.
/// The key of the disk's controller; the drive's and the disk's follow.
const CONTROLLER_KEY: i32 = 202;

impl Devices {
    fn new(network: VirtualDeviceBackingInfo) -> Self {
        let add = |device: Object| {
            VirtualDeviceConfigSpec::with(|spec| {
                spec.set_operation(VirtualDeviceConfigSpecOperation::Add);
                spec.as_object_mut().set(VirtualDeviceConfigSpec::DEVICE, device.into());
            })
        };
        let controller = ParaVirtualSCSIController::with(|controller| {
            controller.set_key(CONTROLLER_KEY);
            controller.set_shared_bus(VirtualSCSISharing::NoSharing);
            controller.set_scsi_ctlr_unit_number(7);
            let controller: &mut VirtualController = controller;
            controller.set_bus_number(0);
        });
        let cdrom = VirtualCdrom::with(|cdrom| {
            cdrom.set_key(203);
            // Fidelity: vcsim puts the drive where the disk is. A CD drive is on an IDE controller.
            cdrom.set_controller_key(200);
            cdrom.set_backing(VirtualCdromAtapiBackingInfo::with(|backing| {
                backing.set_device_name(literal!("cdrom-203"));
                backing.set_use_auto_detect(false);
            }));
            cdrom.set_connectable(connectable());
        });
        let card = VirtualE1000::with(|card| {
            card.set_key(4000);
            // Fidelity: vCenter would label it `Network adapter 1`. govc's own suite looks for vcsim's name of it.
            card.device_info_mut().set_label(literal!("ethernet-0"));
            card.as_object_mut().set(VirtualDevice::BACKING, Object::from(network).into());
            card.set_connectable({
                let mut info = connectable();
                info.set_status(literal!("untried"));
                info
            });
            card.set_slot_info(VirtualDevicePciBusSlotInfo::with(|slot| _ = slot.set_pci_slot_number(32)));
            card.set_controller_key(100);
            card.set_unit_number(7);
            card.set_wake_on_lan_enabled(true);
        });
        Self {
            controller: add(controller.into()),
            cdrom: add(cdrom.into()),
            disk: {
                let mut spec = add(disk().into());
                spec.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
                spec
            },
            card: add(card.into()),
            options: vec![OptionValue::with(|option| {
                option.set_key(literal!("govcsim"));
                option.set_value(vimsim_types::Value::String(literal!("TRUE")));
            })],
        }
    }

    /// The specification of the machine of this name.
    fn machine(&self, name: &str) -> VirtualMachineConfigSpec {
        let name: ArcStr = name.into();
        let mut disk = self.disk.clone();
        if let Some(backing) = disk.device_mut().backing_mut().downcast_mut::<VirtualDiskFlatVer2BackingInfo>() {
            backing.set_file_name(format!("[{DATASTORE}] {name}/disk1.vmdk"));
        }
        VirtualMachineConfigSpec::with(|spec| {
            spec.set_name(name);
            spec.set_guest_id(literal!("otherGuest"));
            spec.files_mut().set_vm_path_name(literal!("[LocalDS_0]"));
            spec.set_device_change([self.controller.clone(), self.cdrom.clone(), disk, self.card.clone()]);
            spec.set_extra_config(self.options.iter().cloned());
        })
    }
}

fn connectable() -> VirtualDeviceConnectInfo {
    VirtualDeviceConnectInfo::with(|info| {
        info.set_start_connected(true).set_allow_guest_control(true).set_connected(true);
    })
}

fn disk() -> VirtualDisk {
    VirtualDisk::with(|disk| {
        disk.set_key(204);
        disk.set_controller_key(CONTROLLER_KEY);
        disk.set_unit_number(0);
        disk.set_capacity_in_kb(DISK_SIZE / 1024);
        disk.set_storage_io_allocation(StorageIOAllocationInfo::with(|allocation| _ = allocation.set_limit(-1)));
        disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
            backing.set_disk_mode(literal!("persistent"));
            backing.set_thin_provisioned(true);
        }));
    })
}
