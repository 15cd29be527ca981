//! `CreateImportSpec`: the specification of the machines that a descriptor describes.

use vimsim_ovf::{Envelope, Item, System};
use vimsim_types::enums::ArrayUpdateOperation;
use vimsim_types::method::CreateImportSpec;
use vimsim_types::views::{
    Datacenter, Datastore, HostSystem, ImportSpec, LocalizedMethodFault, Network, OptionValue,
    OvfCreateImportSpecParams, OvfCreateImportSpecResult, OvfFileItem, OvfInvalidVmName, OvfManager, ResourcePool,
    VAppConfigSpec, VAppEntityConfigInfo, VAppProductSpec, VAppPropertySpec, VirtualAppImportSpec,
    VirtualMachineConfigSpec, VirtualMachineImportSpec, VmConfigSpec,
};
use vimsim_types::{Fault, Moref, View};

use super::hardware::{Builder, Upload};
use super::{configuration, guest, hardware_version, malformed, product};
use crate::call::Look;
use crate::objects::resource_pool;
use crate::walk::Inventory;

/// Makes the specification with which `ImportVApp` creates what a descriptor describes, and says which files to send then.
/// What is wrong with the descriptor or the wishes is in the answer.
///
/// - `ManagedObjectNotFound` for a pool, datastore, host or network that does not exist;
/// - `InvalidDatastore` for a datastore of another datacenter.
pub(super) fn create_import_spec(
    look: &Look<'_, OvfManager>,
    request: CreateImportSpec,
) -> Result<OvfCreateImportSpecResult, Fault> {
    let (pool, datastore, wishes) = (request.resource_pool(), request.datastore(), request.cisp());
    look.get::<ResourcePool>(&pool)?;
    let name = look.get::<Datastore>(&datastore)?.name();
    let datacenter = look.snapshot().ancestor::<Datacenter>(&pool);
    if datacenter != look.snapshot().ancestor::<Datacenter>(&datastore) {
        let why = "it is in another datacenter than the resource pool";
        return Err(crate::files::place::invalid_datastore(name, Some(datastore), why));
    }
    if let Some(host) = wishes.host_system() {
        look.get::<HostSystem>(&host)?;
    }
    for mapping in wishes.network_mapping() {
        look.get::<Network>(&mapping.network())?;
    }
    let mut result = OvfCreateImportSpecResult::new();
    let envelope = match Envelope::parse(request.ovf_descriptor()) {
        Ok(envelope) => envelope,
        Err(error) => {
            result.push_error(malformed(&error));
            return Ok(result);
        }
    };
    let chosen = match configuration(&envelope, wishes.deployment_option()) {
        Ok(chosen) => chosen,
        Err(error) => {
            result.push_error(error);
            return Ok(result);
        }
    };
    let networks = wishes.network_mapping().iter().map(|it| (it.name().to_string(), it.network())).collect();
    let values = wishes.property_mapping().iter().map(|it| (it.key().to_string(), it.value().to_string())).collect();
    let fallback = datacenter.and_then(|datacenter| default_network(look.snapshot(), &datacenter));
    let mut import = Import {
        look,
        envelope: &envelope,
        wishes,
        configuration: chosen,
        networks,
        values,
        fallback,
        uploads: Vec::new(),
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    let given = wishes.entity_name();
    let title = if given.is_empty() { envelope.system.title() } else { given };
    let spec = import.system(&envelope.system, title, &pool, &datastore)?;
    let Import { uploads, errors, warnings, .. } = import;
    if errors.is_empty() {
        result.set_file_item(uploads.iter().map(file_item));
        result.set_import_spec(spec);
    }
    result.set_error(errors).set_warning(warnings);
    Ok(result)
}

/// The network for an adapter that is mapped to none: `VM Network`, or else the datacenter's first.
fn default_network(inventory: &impl Inventory, datacenter: &Moref) -> Option<Moref> {
    let networks: Vec<Moref> = inventory.seen::<Datacenter>(datacenter)?.network().iter().collect();
    let is_usual = |moref: &&Moref| inventory.seen::<Network>(moref).is_some_and(|it| it.name() == "VM Network");
    networks.iter().find(is_usual).or(networks.first()).cloned()
}

/// A file to send.
fn file_item(upload: &Upload) -> OvfFileItem {
    OvfFileItem::with(|item| {
        item.set_device_id(&upload.device).set_path(&upload.file.href).set_size(upload.file.size);
        item.set_compression_method(upload.file.compression.as_deref()).set_chunk_size(upload.file.chunk_size);
        item.set_cim_type(upload.resource_type).set_create(upload.creates);
    })
}

struct Import<'a> {
    look: &'a Look<'a, OvfManager>,
    envelope: &'a Envelope,
    wishes: &'a OvfCreateImportSpecParams,
    configuration: String,
    networks: Vec<(String, Moref)>,
    /// The values of properties, by their full names.
    values: Vec<(String, String)>,
    fallback: Option<Moref>,
    uploads: Vec<Upload>,
    errors: Vec<LocalizedMethodFault>,
    warnings: Vec<LocalizedMethodFault>,
}

impl Import<'_> {
    /// The specification of a machine or a group.
    fn system(&mut self, system: &System, name: &str, pool: &Moref, datastore: &Moref) -> Result<ImportSpec, Fault> {
        if name.is_empty() || name.chars().count() > 80 {
            let detail = OvfInvalidVmName::with(|fault| {
                fault.set_name(name).set_line_number(0);
            });
            self.errors.push(Fault::new(detail, format!("'{name}' cannot be a name")).localized());
        }
        // Parts of a group may be wanted elsewhere.
        let mapping = self.wishes.resource_mapping().iter().find(|it| *it.source() == system.id);
        let parent = mapping.and_then(|it| it.parent());
        let pool = parent.as_ref().unwrap_or(pool);
        let own = mapping.and_then(|it| it.datastore());
        let datastore = own.as_ref().unwrap_or(datastore);
        self.look.get::<ResourcePool>(pool)?;
        self.look.get::<Datastore>(datastore)?;
        let object = match &system.children {
            Some(children) => self.group(system, children, name, pool, datastore)?.into(),
            None => VirtualMachineImportSpec::with(|spec| {
                spec.set_config_spec(self.machine(system, name, datastore)).set_res_pool_entity(pool.clone());
            })
            .into(),
        };
        Ok(ImportSpec::from_object_unchecked(object))
    }

    fn group(
        &mut self,
        system: &System,
        children: &[System],
        name: &str,
        pool: &Moref,
        datastore: &Moref,
    ) -> Result<VirtualAppImportSpec, Fault> {
        let mut parts = Vec::new();
        for child in children {
            let mut part = self.system(child, child.title(), pool, datastore)?;
            let startup = system.startup.iter().find(|it| it.id == child.id);
            part.set_entity_config(VAppEntityConfigInfo::with(|config| {
                config.set_tag(child.title()).set_start_order(startup.map_or(0, |it| it.order));
                config.set_start_delay(startup.and_then(|it| it.start_delay).unwrap_or(0));
                config.set_stop_delay(startup.and_then(|it| it.stop_delay).unwrap_or(0));
                config.set_waiting_for_guest(startup.and_then(|it| it.waiting_for_guest).unwrap_or(false));
                config.set_start_action(startup.and_then(|it| it.start_action.as_deref()).unwrap_or("powerOn"));
                config.set_stop_action(startup.and_then(|it| it.stop_action.as_deref()).unwrap_or("powerOff"));
            }));
            parts.push(part);
        }
        Ok(VirtualAppImportSpec::with(|spec| {
            spec.set_name(name).set_resource_pool_spec(resource_pool::default_config()).set_child(parts);
            let config = spec.v_app_config_spec_mut();
            config.set_annotation(system.annotation.as_deref());
            self.v_app(config, system);
        }))
    }

    /// Products, properties and agreements.
    fn v_app(&self, config: &mut VmConfigSpec, system: &System) {
        let keys = 0_i32..;
        config.set_product(keys.zip(&system.products).map(|(key, it)| {
            VAppProductSpec::with(|spec| {
                spec.set_info(product::info(key, it)).set_operation(ArrayUpdateOperation::Add);
            })
        }));
        let properties = product::properties(system.products.iter(), &self.configuration, &self.values);
        config.set_property(properties.into_iter().map(|info| {
            VAppPropertySpec::with(|spec| _ = spec.set_info(info).set_operation(ArrayUpdateOperation::Add))
        }));
        config.set_eula(system.eula.iter().map(String::as_str));
        config.set_ovf_environment_transport(system.transport.iter().map(String::as_str));
        let (policy, protocol) = (self.wishes.ip_allocation_policy(), self.wishes.ip_protocol());
        if policy.is_some() || protocol.is_some() {
            let assignment = config.ip_assignment_mut();
            assignment.set_ip_allocation_policy(policy).set_ip_protocol(protocol);
        }
    }

    fn machine(&mut self, system: &System, name: &str, datastore: &Moref) -> VirtualMachineConfigSpec {
        let version = hardware_version(system).unwrap_or_else(|error| {
            self.errors.push(error);
            None
        });
        let place = self.look.snapshot().view::<Datastore>(datastore).map(|it| format!("[{}]", it.name()));
        let items: Vec<&Item> = system.hardware.items.iter().filter(|it| it.is_in(&self.configuration)).collect();
        let provisioning = self.wishes.disk_provisioning().map_or("", |kind| kind);
        let fallback = self.fallback.clone();
        let (inventory, datastore) = (self.look.snapshot(), datastore.clone());
        let mut builder =
            Builder::new(inventory, self.envelope, name, datastore, provisioning, &self.networks, fallback);
        // Controllers first, in whatever order the descriptor has its parts.
        let is_controller = |item: &&&Item| [5, 6, 20, 23].contains(&item.resource_type);
        let rest = items.iter().filter(|item| !is_controller(item) && ![3, 4].contains(&item.resource_type));
        items.iter().filter(is_controller).chain(rest).for_each(|item| builder.add(item));
        let changes = builder.changes();
        let Builder { uploads, errors, warnings, .. } = builder;
        self.uploads.extend(uploads);
        self.errors.extend(errors);
        self.warnings.extend(warnings);
        VirtualMachineConfigSpec::with(|spec| {
            spec.set_name(name).set_version(version.as_deref());
            spec.files_mut().set_vm_path_name(place.as_deref());
            let guest = system.guest.as_ref();
            let guest = guest.map(|it| it.os_type.as_deref().unwrap_or_else(|| guest::name(it.id)));
            spec.set_guest_id(guest.unwrap_or("otherGuest"));
            spec.set_annotation(system.annotation.as_deref());
            spec.set_num_cpus(1).set_memory_mb(32).set_num_cores_per_socket(1);
            items.iter().for_each(|item| allocate(spec, item));
            spec.set_device_change(changes);
            settings(spec, &system.hardware.config);
            let mut options = system.hardware.extra_config.clone();
            // Fidelity: vcsim puts every value that is mapped into extraConfig as well, which is how its users run a
            // machine's container; ours does so with what the descriptor has no property for.
            options.extend(self.values.iter().filter(|(key, _)| !self.is_property(key)).cloned());
            spec.set_extra_config(
                options
                    .iter()
                    .map(|(key, value)| OptionValue::with(|option| _ = option.set_key(key).set_value(value.as_str()))),
            );
            let config = VAppConfigSpec::with(|config| self.v_app(config, system));
            spec.as_object_mut()
                .set(VirtualMachineConfigSpec::V_APP_CONFIG, vimsim_types::Value::Object(config.into()));
        })
    }

    fn is_property(&self, name: &str) -> bool {
        let products = self.envelope.system.all().into_iter().flat_map(|part| &part.products);
        products.into_iter().any(|product| product.properties.iter().any(|it| product.property_name(it) == name))
    }
}

/// What a processor or memory part says.
fn allocate(spec: &mut VirtualMachineConfigSpec, item: &Item) {
    let reservation = item.reservation.filter(|amount| *amount > 0);
    match item.resource_type {
        3 => {
            spec.set_num_cpus(item.quantity.and_then(|count| i32::try_from(count).ok()).filter(|count| *count > 0));
            if reservation.is_some() || item.limit.is_some() {
                spec.cpu_allocation_mut().set_reservation(reservation).set_limit(item.limit);
            }
        }
        4 => {
            // A descriptor that names no unit means megabytes, as those who write such ones do.
            let has_unit = item.units.as_deref().is_some_and(|units| vimsim_ovf::multiplier(units) > 1);
            let megabytes = if has_unit { item.amount().map(|bytes| bytes >> 20) } else { item.quantity };
            spec.set_memory_mb(megabytes.filter(|size| *size > 0));
            if reservation.is_some() || item.limit.is_some() {
                spec.memory_allocation_mut().set_reservation(reservation).set_limit(item.limit);
            }
        }
        _ => {}
    }
}

/// VMware's own settings, as far as a machine's specification has them.
fn settings(spec: &mut VirtualMachineConfigSpec, config: &[(String, String)]) {
    for (key, value) in config {
        let is_on = value == "true";
        match key.as_str() {
            "firmware" => _ = spec.set_firmware(value),
            "cpuHotAddEnabled" => _ = spec.set_cpu_hot_add_enabled(is_on),
            "cpuHotRemoveEnabled" => _ = spec.set_cpu_hot_remove_enabled(is_on),
            "memoryHotAddEnabled" => _ = spec.set_memory_hot_add_enabled(is_on),
            "nestedHVEnabled" => _ = spec.set_nested_hv_enabled(is_on),
            "virtualICH7MPresent" => _ = spec.set_virtual_ich7_m_present(is_on),
            "virtualSMCPresent" => _ = spec.set_virtual_smc_present(is_on),
            "bootOptions.efiSecureBootEnabled" => _ = spec.boot_options_mut().set_efi_secure_boot_enabled(is_on),
            "powerOpInfo.powerOffType" => _ = spec.power_op_info_mut().set_power_off_type(value),
            "powerOpInfo.suspendType" => _ = spec.power_op_info_mut().set_suspend_type(value),
            "powerOpInfo.resetType" => _ = spec.power_op_info_mut().set_reset_type(value),
            "powerOpInfo.standbyAction" => _ = spec.power_op_info_mut().set_standby_action(value),
            "tools.syncTimeWithHost" => _ = spec.tools_mut().set_sync_time_with_host(is_on),
            "tools.toolsUpgradePolicy" => _ = spec.tools_mut().set_tools_upgrade_policy(value),
            "tools.afterPowerOn" => _ = spec.tools_mut().set_after_power_on(is_on),
            "tools.afterResume" => _ = spec.tools_mut().set_after_resume(is_on),
            "tools.beforeGuestShutdown" => _ = spec.tools_mut().set_before_guest_shutdown(is_on),
            "tools.beforeGuestStandby" => _ = spec.tools_mut().set_before_guest_standby(is_on),
            _ => {}
        }
    }
}
