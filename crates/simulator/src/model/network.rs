//! The model's switches, networks, storage pods and datastores.

use vimsim_types::method::{AddDVPortgroupTask, CreateDVSTask, CreateStoragePod, ReconfigureDvsTask};
use vimsim_types::views::{
    DVPortgroupConfigSpec, DVSConfigSpec, Datacenter, DistributedVirtualSwitchHostMemberConfigSpec, OpaqueNetwork,
    StoragePod,
};
use vimsim_types::{Fault, Moref, View};

use super::{Builder, Place};
use crate::call::Call;
use crate::config::Model;
use crate::objects::{host_datastore_system, network, opaque_network};

impl Builder<'_> {
    /// The storage pods of a datacenter.
    pub(super) fn storage_pods(&mut self, place: &Place, model: &Model) -> Result<(), Fault> {
        for number in 0..model.pod {
            let name = format!("{}_POD{number}", place.name);
            let pod = self.create(&place.datastores, CreateStoragePod::with(|request| _ = request.set_name(name)))?;
            // As in vcsim: on a pod without it, nothing could be placed.
            let entry = self.transaction.edit::<StoragePod>(&pod)?.pod_storage_drs_entry_mut();
            entry.storage_drs_config_mut().pod_config_mut().set_enabled(true);
        }
        Ok(())
    }

    /// The distributed switch of a datacenter, its portgroups, and opaque networks, each with its portgroup.
    pub(super) fn networks(&mut self, place: &mut Place, model: &Model) -> Result<(), Fault> {
        let opaque = |number: usize| crate::uuid::named(&format!("{}_NSX{number}", place.name));
        let mut portgroups: Vec<DVPortgroupConfigSpec> =
            (0..model.portgroup).map(|number| portgroup(format!("{}_DVPG{number}", place.name))).collect();
        // Each opaque network is the logical switch of one more NSX portgroup.
        for number in 0..model.portgroup_nsx + model.opaque_network {
            let mut spec = portgroup(format!("{}_NSXPG{number}", place.name));
            spec.set_backing_type("nsx");
            spec.set_logical_switch_uuid(number.checked_sub(model.portgroup_nsx).map(opaque));
            portgroups.push(spec);
        }
        if !portgroups.is_empty() {
            let request = CreateDVSTask::with(|request| {
                let spec = request.spec_mut();
                spec.config_spec_mut().set_name("DVS0");
                // Fidelity: the version that vcsim's switch has, which govc's suite asks for. vCenter has switches of all
                // versions that its hosts know.
                spec.product_info_mut().set_version("6.5.0");
            });
            let switch = self.create(&place.networks, request)?;
            for spec in portgroups {
                self.call(&switch, AddDVPortgroupTask::with(|request| _ = request.push_spec(spec)))?;
            }
            place.switch = Some(switch);
        }
        for number in 0..model.opaque_network {
            let name = format!("{}_NSX{number}", place.name);
            let mut call = Call::<OpaqueNetwork>::new(self.transaction, self.context, place.networks.clone());
            opaque_network::create(&mut call, &place.networks, &name, &opaque(number))?;
        }
        Ok(())
    }

    /// Adds new hosts to the datacenter's distributed switch, and to what NSX provides.
    pub(super) fn join_switch(&mut self, place: &Place, hosts: Vec<Moref>) -> Result<(), Fault> {
        let Some(switch) = &place.switch else { return Ok(()) };
        let request = ReconfigureDvsTask::with(|request| {
            request.set_spec(DVSConfigSpec::with(|spec| {
                spec.set_host(hosts.iter().map(|host| {
                    DistributedVirtualSwitchHostMemberConfigSpec::with(|member| {
                        member.set_operation("add").set_host(host.clone());
                    })
                }));
            }));
        });
        self.call(switch, request)?;
        let networks = self.transaction.get::<Datacenter>(&place.datacenter)?.network();
        let opaque: Vec<Moref> = networks.iter().filter(|network| network.is::<OpaqueNetwork>()).collect();
        for network in &opaque {
            let mut call = Call::<OpaqueNetwork>::new(self.transaction, self.context, network.clone());
            hosts.iter().try_for_each(|host| network::connect_host(&mut call, network, host))?;
        }
        Ok(())
    }

    /// The datastores of a datacenter, mounted by all its hosts.
    // Fidelity: with several datacenters vcsim makes their datastores in any order; ours are in the datacenters' order.
    pub(super) fn datastores(&mut self, place: &Place, model: &Model) -> Result<(), Fault> {
        for number in 0..model.datastore {
            let name = format!("LocalDS_{number}");
            let path = format!("{}-{name}", place.name);
            for host in &place.all_hosts {
                let mut call = Call::<Datacenter>::new(self.transaction, self.context, place.datacenter.clone());
                host_datastore_system::create_local(&mut call, host, &name, &path, Some(&place.datastores))?;
            }
        }
        Ok(())
    }
}

fn portgroup(name: String) -> DVPortgroupConfigSpec {
    DVPortgroupConfigSpec::with(|spec| {
        spec.set_name(name).set_type("earlyBinding").set_num_ports(1);
    })
}
