//! `ImportVApp`: machines from a specification, and a lease to send their files.

use vimsim_types::method::{CreateVApp, ImportVApp};
use vimsim_types::views::{
    Datacenter, Folder, HostSystem, ImportSpec, NotUserConfigurableProperty, ResourcePool, VAppConfigSpec,
    VAppEntityConfigInfo, VirtualApp, VirtualAppImportSpec, VirtualMachine, VirtualMachineConfigSpec,
    VirtualMachineImportSpec, VmConfigInfo,
};
use vimsim_types::{Fault, Moref, View};

use super::{create, device, make_ready, watch};
use crate::call::Call;
use crate::objects::{folder, virtual_app, virtual_machine};

/// Creates the machine or vApp of a specification in this pool, and returns a lease to send its files.
///
/// - `InvalidArgument` for a specification that is of neither, or a folder for what goes into a vApp;
/// - `NotSupported` if the folder takes no machines; `ManagedObjectNotFound`;
/// - as the error of the lease: `NotUserConfigurableProperty`, `InsufficientStorageSpace`, and what creating raises.
pub(crate) fn import_v_app(call: &mut Call<'_, ResourcePool>, request: ImportVApp) -> Result<Moref, Fault> {
    let pool = call.moref();
    if let Some(host) = request.host() {
        call.get::<HostSystem>(&host)?;
    }
    if machines_of(request.spec()).is_none() {
        return Err(Fault::invalid_argument("spec", "is of neither a machine nor a vApp"));
    }
    let folder = match (request.folder(), virtual_app::folder_of(call, &pool)) {
        (Some(_), Some(_)) => return Err(Fault::invalid_argument("folder", "what is in a vApp is where the vApp is")),
        (Some(folder), None) => folder,
        (None, Some(folder)) => folder,
        (None, None) => {
            let datacenter =
                call.datacenter_of(&pool).ok_or_else(|| Fault::invalid_argument("folder", "is missing"))?;
            call.get::<Datacenter>(&datacenter)?.vm_folder()
        }
    };
    folder::expect_child_type::<VirtualMachine>(call.get::<Folder>(&folder)?)?;
    // Fidelity: vcsim takes a host of another compute resource than the pool's, and its clients name one; ours then
    // chooses among the pool's hosts.
    let owner = call.this()?.owner();
    let is_own = |host: &Moref| call.view::<HostSystem>(host).and_then(|host| host.parent()) == Some(owner.clone());
    let host = request.host().filter(is_own);
    let lease = create(call, true)?;
    let own = lease.clone();
    let task = call.start_task(move |call| {
        let mut import = Import { folder, host, made: Vec::new(), devices: Vec::new(), taken: Vec::new() };
        let entity = import.entity(call, request.spec(), &pool)?;
        let running = call.keep_running(&import.made);
        make_ready(call, &own, &entity, import.made, import.devices, running)?;
        Ok(entity)
    })?;
    watch(call.context(), &lease, Some(task));
    Ok(lease)
}

/// The configurations of a specification's machines; `None` for one that is none.
fn machines_of(spec: &ImportSpec) -> Option<Vec<&VirtualMachineConfigSpec>> {
    if let Some(machine) = spec.downcast::<VirtualMachineImportSpec>() {
        return Some(vec![machine.config_spec()]);
    }
    let app = spec.downcast::<VirtualAppImportSpec>()?;
    app.child().iter().map(machines_of).collect::<Option<Vec<_>>>().map(|lists| lists.into_iter().flatten().collect())
}

/// What an import has made so far.
struct Import {
    folder: Moref,
    host: Option<Moref>,
    made: Vec<Moref>,
    devices: Vec<device::Device>,
    taken: Vec<vimsim_types::ArcStr>,
}

impl Import {
    /// Creates the machine or vApp of a specification.
    fn entity<T>(&mut self, call: &mut Call<'_, T>, spec: &ImportSpec, pool: &Moref) -> Result<Moref, Fault> {
        match spec.downcast::<VirtualAppImportSpec>() {
            Some(app) => self.app(call, app, pool),
            None => match spec.downcast::<VirtualMachineImportSpec>() {
                Some(machine) => self.machine(call, machine.config_spec(), pool),
                None => Err(Fault::invalid_argument("spec", "is of neither a machine nor a vApp")),
            },
        }
    }

    fn machine<T>(
        &mut self,
        call: &mut Call<'_, T>,
        spec: &VirtualMachineConfigSpec,
        pool: &Moref,
    ) -> Result<Moref, Fault> {
        check_properties(spec)?;
        let moref = virtual_machine::create(call, &self.folder, spec, pool, self.host.clone())?;
        self.made.insert(0, moref.clone());
        set_v_app_config(call, &moref, spec)?;
        let machine = call.get::<VirtualMachine>(&moref)?.clone();
        if let Some(config) = machine.config() {
            self.devices.extend(device::of(call, &moref, machine.name(), config, &mut self.taken));
        }
        Ok(moref)
    }

    fn app<T>(&mut self, call: &mut Call<'_, T>, spec: &VirtualAppImportSpec, pool: &Moref) -> Result<Moref, Fault> {
        let is_inside = virtual_app::folder_of(call, pool).is_some();
        let request = CreateVApp::with(|request| {
            request.set_name(spec.name()).set_res_spec(spec.resource_pool_spec().clone());
            request.set_config_spec(spec.v_app_config_spec().clone());
            if !is_inside {
                request.set_vm_folder(self.folder.clone());
            }
        });
        let app = virtual_app::create_v_app(&mut call.on(pool), request)?;
        // The vApp goes after what is in it.
        self.made.push(app.clone());
        for child in spec.child().iter() {
            let moref = self.entity(call, child, &app)?;
            if let Some(wanted) = child.entity_config() {
                let config = call.edit::<VirtualApp>(&app)?.v_app_config_mut();
                config.entity_config_mut().retain(|known| known.key().as_ref() != Some(&moref));
                let entity = VAppEntityConfigInfo::with(|entity| {
                    *entity.as_object_mut() = wanted.as_object().clone();
                    entity.set_key(moref);
                });
                config.push_entity_config(entity);
            }
        }
        Ok(app)
    }
}

/// Gives a new machine the products and properties of its specification.
///
/// - `InvalidArgument` for a key that is there twice.
fn set_v_app_config<T>(call: &mut Call<'_, T>, machine: &Moref, spec: &VirtualMachineConfigSpec) -> Result<(), Fault> {
    let Some(wanted) = spec.v_app_config() else { return Ok(()) };
    let config = call.get::<VirtualMachine>(machine)?.config();
    if config.is_none_or(|config| config.v_app_config().is_some()) {
        return Ok(());
    }
    let mut info = VmConfigInfo::new();
    virtual_app::initialize_config(&mut info);
    virtual_app::apply_config(&mut info, wanted)?;
    call.edit::<VirtualMachine>(machine)?.config_mut().set_v_app_config(info);
    Ok(())
}

/// `NotUserConfigurableProperty` for a value that the author of the template has kept for himself.
fn check_properties(spec: &VirtualMachineConfigSpec) -> Result<(), Fault> {
    let Some(config) = spec.v_app_config().and_then(|config| config.downcast::<VAppConfigSpec>()) else {
        return Ok(());
    };
    for info in config.property().iter().filter_map(|property| property.info()) {
        let value = info.value().map_or("", |value| value);
        let default = info.default_value().map_or("", |value| value);
        if info.user_configurable() == Some(true) || value.is_empty() || value == default {
            continue;
        }
        let text = |text: Option<&vimsim_types::ArcStr>| text.cloned().unwrap_or_default();
        let detail = NotUserConfigurableProperty::with(|fault| {
            fault.set_id(text(info.id())).set_category(text(info.category())).set_label(text(info.label()));
            fault.set_type(text(info.type_())).set_value(value);
        });
        let name = format!("{}.{}", text(info.class_id()), text(info.id()));
        return Err(Fault::new(detail, format!("Property {name} is not user configurable")));
    }
    Ok(())
}
