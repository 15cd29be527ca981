//! The inventory of one ESXi host.

use vimsim_types::views::{
    Datacenter, DatacenterConfigInfo, EnvironmentBrowser, Folder, HostConnectSpec, HostSystem, Network, ResourcePool,
};
use vimsim_types::{Fault, Moref, View};

use super::{Builder, Place};
use crate::call::Call;
use crate::objects::{compute_resource, folder, host_system, managed_entity, network, service_instance};

const HOST: &str = "ha-host";
const NAME: &str = "localhost.localdomain";

impl Builder<'_> {
    /// The one datacenter, host, network, datastore and virtual machines of an ESXi host. Their identifiers are those of
    /// every ESXi host; the host's numbered managers come first, then the browser.
    pub(super) fn esx_host(&mut self) -> Result<(), Fault> {
        let model = self.context.service.config().model.clone();
        let datacenter = self.esx_datacenter()?;
        self.esx_network(&datacenter)?;
        let mut place = Place::new(self.transaction.get(&datacenter)?, datacenter, "ha-datacenter".into());
        let (compute_resource, host) = self.esx_compute_resource(&place.hosts)?;
        place.all_hosts.push(host);
        place.standalone.push((HOST.into(), compute_resource));
        self.datastores(&place, &model)?;
        self.machines(&place, &model)
    }

    fn on<V: View>(&mut self, moref: &Moref) -> Call<'_, V> {
        Call::new(self.transaction, self.context, moref.clone())
    }

    fn esx_datacenter(&mut self) -> Result<Moref, Fault> {
        let root = service_instance::root_folder(false);
        let moref = Moref::of::<Datacenter>("ha-datacenter");
        let mut call = self.on::<Folder>(&root);
        let folders =
            [("vm", "VirtualMachine"), ("host", "ComputeResource"), ("datastore", "Datastore"), ("network", "Network")]
                .map(|(name, child)| {
                    let folder = Folder::with(|folder| {
                        managed_entity::initialize(folder, name, &moref);
                        folder.set_child_type([child]).set_child_entity(std::iter::empty::<Moref>());
                    });
                    let moref = Moref::of::<Folder>(format!("ha-folder-{name}"));
                    call.insert(moref.clone(), folder);
                    moref
                });
        let [machines, hosts, datastores, networks] = folders;
        let datacenter = Datacenter::with(|datacenter| {
            managed_entity::initialize(datacenter, "ha-datacenter", &root);
            datacenter.set_vm_folder(machines).set_host_folder(hosts);
            datacenter.set_datastore_folder(datastores).set_network_folder(networks);
            datacenter.set_datastore(std::iter::empty::<Moref>()).set_network(std::iter::empty::<Moref>());
            datacenter.set_configuration(DatacenterConfigInfo::new());
        });
        call.insert(moref.clone(), datacenter);
        folder::add_child(&mut call, &root, &moref)?;
        Ok(moref)
    }

    /// The network of the host's portgroup for virtual machines.
    fn esx_network(&mut self, datacenter: &Moref) -> Result<(), Fault> {
        let folder = self.transaction.get::<Datacenter>(datacenter)?.network_folder();
        let moref = Moref::of::<Network>("HaNetwork-VM Network");
        network::insert(&mut self.on::<Folder>(&folder), moref, &folder, network::DEFAULT, Network::new())
    }

    fn esx_compute_resource(&mut self, folder: &Moref) -> Result<(Moref, Moref), Fault> {
        let host = Moref::of::<HostSystem>(HOST);
        let pool = Moref::of::<ResourcePool>("ha-root-pool");
        let moref = Moref::of::<vimsim_types::views::ComputeResource>("ha-compute-res");
        let mut call = self.on::<Folder>(folder);
        let managers = host_system::create_managers(&mut call);
        let browser = call.create(EnvironmentBrowser::new());
        compute_resource::insert(&mut call, &moref, NAME, folder, &browser, &pool);
        let spec = HostConnectSpec::with(|spec| _ = spec.set_host_name(NAME));
        host_system::insert(&mut call, &host, &spec, &moref, managers)?;
        call.edit::<vimsim_types::views::ComputeResource>(&moref)?.set_host([host.clone()]);
        folder::add_child(&mut call, folder, &moref)?;
        Ok((moref, host))
    }
}
