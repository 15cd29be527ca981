//! The inventory that a simulator starts with. It is built by calling the service's own methods.

mod esx_host;
mod machine;
mod network;
pub(crate) mod saved;

use std::sync::Arc;

use vimsim_registry::Transaction;
use vimsim_types::method::{AddHostTask, AddStandaloneHostTask, CreateClusterEx, CreateDatacenter, CreateFolder};
use vimsim_types::views::{ClusterConfigSpecEx, ComputeResource, Datacenter, Folder, HostConnectSpec, Task};
use vimsim_types::{Fault, MethodView, Moref, Object, Value, View};

use crate::call::Context;
use crate::config::{Model, Product, SavedObject};
use crate::objects::{managed_entity, service_instance, session_manager};
use crate::service::{Error, Service};

/// Builds the inventory of a new service: the saved one, or else that of the model.
pub(crate) fn build(service: &Arc<Service>, saved: Option<Vec<SavedObject>>) -> Result<(), Error> {
    let config = service.config();
    if let Some(version) = config.api_version.as_deref().filter(|version| !service_instance::is_version(version)) {
        return Err(Error::Config(format!("'{version}' is no API version")));
    }
    let context = Context::internal(service.clone(), true);
    service
        .registry()
        .write(|transaction| {
            let mut builder = Builder { transaction, context: &context };
            builder.managers()?;
            match (saved, config.product) {
                (Some(saved), _) => builder.saved(saved),
                (None, Product::VirtualCenter) => builder.virtual_center(),
                (None, Product::EsxHost) => builder.esx_host(),
            }
        })
        .map_err(Error::Model)
}

/// Calls methods, one after the other, in one transaction.
struct Builder<'a> {
    transaction: &'a mut Transaction,
    context: &'a Context,
}

impl Builder<'_> {
    /// The service instance, its managers, and the root folder.
    fn managers(&mut self) -> Result<(), Fault> {
        let config = self.context.service.config();
        self.transaction.insert(service_instance::moref(), service_instance::properties(config));
        for (_, moref) in service_instance::managers(config.product) {
            let properties: Object = match moref.kind().name() {
                "Folder" => self.root_folder().into(),
                "SessionManager" => session_manager::properties().into(),
                _ => crate::objects::service_managers::properties(moref.kind(), self.context),
            };
            self.transaction.insert(moref, properties);
        }
        for (moref, properties) in crate::objects::service_managers::extra(self.context) {
            self.transaction.insert(moref, properties);
        }
        crate::objects::service_managers::begin(self.transaction, self.context)
    }

    fn root_folder(&self) -> Folder {
        let is_virtual_center = self.context.is_virtual_center();
        Folder::with(|folder| {
            let moref = service_instance::root_folder(is_virtual_center);
            managed_entity::initialize(
                folder,
                if is_virtual_center { "Datacenters" } else { "ha-folder-root" },
                &moref,
            );
            folder.as_object_mut().set(vimsim_types::views::ManagedEntity::PARENT, Value::Unset);
            folder.set_child_type(
                if is_virtual_center { &["Folder", "Datacenter"][..] } else { &["Datacenter"][..] }.iter().copied(),
            );
            folder.set_child_entity(std::iter::empty::<Moref>());
        })
    }

    /// Calls a method, and returns what it answers; for a task, what the task results in.
    fn call<M: MethodView>(&mut self, this: &Moref, arguments: M) -> Result<Value, Fault> {
        let mut context = Context::internal(self.context.service.clone(), true);
        // All of the model was made at one moment.
        context.now = self.context.now;
        context.method = Some(M::method());
        let answer = self.context.service.invoke(self.transaction, &context, this, arguments)?;
        match answer.moref().filter(|moref| moref.is::<Task>()) {
            Some(task) => Ok(self.transaction.get::<Task>(&task)?.info().result().clone()),
            None => Ok(answer),
        }
    }

    /// [`Builder::call`] of a method that answers a reference.
    fn create<M: MethodView>(&mut self, this: &Moref, arguments: M) -> Result<Moref, Fault> {
        self.call(this, arguments)?
            .moref()
            .ok_or_else(|| Fault::invalid_request(format!("{} created nothing", M::NAME)))
    }

    /// The inventory of `vcsim`, in its order, which is what gives every object its identifier.
    fn virtual_center(&mut self) -> Result<(), Fault> {
        let model = self.context.service.config().model.clone();
        let root = service_instance::root_folder(true);
        let mut places = Vec::new();
        for number in 0..model.datacenter {
            // The last `folder` datacenters are in folders F0, F1 ... of their own.
            let in_folder = number.checked_sub(model.datacenter.saturating_sub(model.folder));
            let parent = match in_folder {
                Some(folder) => self.folder(&root, &format!("F{folder}"))?,
                None => root.clone(),
            };
            let name = format!("DC{number}");
            let datacenter = self.create(&parent, CreateDatacenter::with(|request| _ = request.set_name(&name)))?;
            let mut place = Place::new(self.transaction.get(&datacenter)?, datacenter, name);
            self.storage_pods(&place, &model)?;
            if let Some(folder) = in_folder {
                let name = format!("F{folder}");
                for folder in [&mut place.datastores, &mut place.hosts, &mut place.networks, &mut place.machines] {
                    *folder = self.folder(folder, &name)?;
                }
            }
            self.networks(&mut place, &model)?;
            self.hosts(&mut place, &model)?;
            places.push(place);
        }
        for place in &places {
            self.datastores(place, &model)?;
        }
        places.iter().try_for_each(|place| self.machines(place, &model))
    }

    fn folder(&mut self, parent: &Moref, name: &str) -> Result<Moref, Fault> {
        self.create(parent, CreateFolder::with(|request| _ = request.set_name(name)))
    }

    /// Standalone hosts, then clusters with their hosts, pools and vApps.
    fn hosts(&mut self, place: &mut Place, model: &Model) -> Result<(), Fault> {
        for host in 0..model.host {
            let name = format!("{}_H{host}", place.name);
            let request = AddStandaloneHostTask::with(|request| {
                request.set_spec(connect_spec(&name)).set_add_connected(true);
            });
            let moref = self.create(&place.hosts, request)?;
            let compute_resource = self.transaction.get::<ComputeResource>(&moref)?;
            place.standalone.push((name, moref.clone()));
            place.all_hosts.extend(compute_resource.host().iter());
            self.join_switch(place, compute_resource_hosts(self.transaction, &moref)?)?;
        }
        for cluster in 0..model.cluster {
            let name = format!("{}_C{cluster}", place.name);
            let request = CreateClusterEx::with(|request| {
                request.set_name(&name).set_spec(cluster_spec());
            });
            let moref = self.create(&place.hosts, request)?;
            for host in 0..model.cluster_host {
                let request = AddHostTask::with(|request| {
                    request.set_spec(connect_spec(&format!("{name}_H{host}"))).set_as_connected(true);
                });
                let host = self.create(&moref, request)?;
                place.all_hosts.push(host.clone());
                self.join_switch(place, vec![host])?;
            }
            let pools = self.pools(&moref, &name, model)?;
            place.clusters.push(Cluster { pools });
        }
        Ok(())
    }
}

/// A datacenter of the model, and where things go in it.
struct Place {
    name: String,
    datacenter: Moref,
    machines: Moref,
    hosts: Moref,
    datastores: Moref,
    networks: Moref,
    /// The distributed switch, if there is one.
    switch: Option<Moref>,
    all_hosts: Vec<Moref>,
    /// Standalone hosts: the name and the compute resource.
    standalone: Vec<(String, Moref)>,
    clusters: Vec<Cluster>,
}

/// A cluster of the model.
struct Cluster {
    /// The resource pools and vApps that get virtual machines: the names' prefix (`DC0_C0_RP0`) and the pool.
    pools: Vec<(String, Moref)>,
}

impl Place {
    fn new(datacenter: &Datacenter, moref: Moref, name: String) -> Self {
        Self {
            name,
            datacenter: moref,
            machines: datacenter.vm_folder(),
            hosts: datacenter.host_folder(),
            datastores: datacenter.datastore_folder(),
            networks: datacenter.network_folder(),
            switch: None,
            all_hosts: Vec::new(),
            standalone: Vec::new(),
            clusters: Vec::new(),
        }
    }
}

fn compute_resource_hosts(transaction: &Transaction, moref: &Moref) -> Result<Vec<Moref>, Fault> {
    Ok(transaction.get::<ComputeResource>(moref)?.host().iter().collect())
}

/// The clusters of `vcsim` have DRS enabled.
fn cluster_spec() -> ClusterConfigSpecEx {
    ClusterConfigSpecEx::with(|spec| {
        spec.drs_config_mut().set_enabled(true);
    })
}

fn connect_spec(name: &str) -> HostConnectSpec {
    HostConnectSpec::with(|spec| {
        spec.set_host_name(name).set_force(false);
    })
}
