//! `Datacenter`: four folders, and what is in them.

use std::collections::BTreeSet;

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::PowerOnMultiVMTask;
use vimsim_types::views::{
    ClusterAttemptedVmInfo, ClusterNotAttemptedVmInfo, ClusterPowerOnVmResult, Datacenter, DatacenterConfigInfo,
    Folder, NotSupported, VirtualMachine,
};
use vimsim_types::{Fault, Moref, View};

use super::{datacenter_queries, folder, managed_entity, network, virtual_machine};
use crate::call::Call;
use crate::config::Fidelity;
use crate::kind::Kind;
use crate::walk::descendants;

pub(crate) fn kind() -> Kind<Datacenter> {
    datacenter_queries::add(managed_entity::kind()).write(power_on_multi_vm).destroy(destroy)
}

/// Starts virtual machines of this datacenter, each as a task of its own.
///
/// - `ManagedObjectNotFound` for a machine that is not there; `NotSupported` on a host, which starts them one by one.
fn power_on_multi_vm(call: &mut Call<'_, Datacenter>, request: PowerOnMultiVMTask) -> Result<Moref, Fault> {
    if !call.context().is_virtual_center() {
        return Err(Fault::new(NotSupported::new(), "only vCenter starts several machines at once"));
    }
    request.vm().iter().try_for_each(|machine| call.get::<VirtualMachine>(&machine).map(|_| ()))?;
    call.start_task(move |call| {
        let this = call.moref();
        let mut result = ClusterPowerOnVmResult::new();
        let mut seen = BTreeSet::new();
        for moref in request.vm().iter().filter(|moref| seen.insert(moref.clone())) {
            let machine = call.get::<VirtualMachine>(&moref)?;
            let is_on = machine.runtime().power_state() == Power::PoweredOn;
            let refusal = if call.datacenter_of(&moref).as_ref() != Some(&this) {
                Some(Fault::invalid_argument("vm", format!("{moref} is not of this datacenter")))
            } else if machine.config().is_some_and(|config| config.template()) {
                Some(Fault::new(NotSupported::new(), format!("'{}' is a template", machine.name())))
            } else if is_on && call.context().fidelity() == Fidelity::VCenter {
                Some(virtual_machine::invalid_power_state(Power::PoweredOff, Power::PoweredOn))
            } else {
                None
            };
            if let Some(fault) = refusal {
                result.push_not_attempted(ClusterNotAttemptedVmInfo::with(|info| {
                    info.set_vm(moref).set_fault(fault.localized());
                }));
                continue;
            }
            // vcsim attempts to start one that runs already, without a task.
            let task = match is_on {
                true => None,
                false => Some(virtual_machine::start_as_task(&mut call.on(&moref))?),
            };
            result.push_attempted(ClusterAttemptedVmInfo::with(|info| _ = info.set_vm(moref).set_task(task)));
        }
        Ok(result)
    })
}

/// Creates a datacenter with its folders; the caller lists it in `parent`.
pub(crate) fn create<T>(call: &mut Call<'_, T>, parent: &Moref, name: &str) -> Result<Moref, Fault> {
    let moref = call.create_moref(Datacenter::TYPE);
    let machines = folder::add_folder(call, &moref, "vm", &["Folder", "VirtualMachine", "VirtualApp"])?;
    let hosts = folder::add_folder(call, &moref, "host", &["Folder", "ComputeResource"])?;
    let datastores = folder::add_folder(call, &moref, "datastore", &["Folder", "Datastore", "StoragePod"])?;
    let networks = folder::add_folder(call, &moref, "network", &["Folder", "Network", "DistributedVirtualSwitch"])?;
    let datacenter = Datacenter::with(|datacenter| {
        managed_entity::initialize(datacenter, name, parent);
        datacenter.set_vm_folder(machines);
        datacenter.set_host_folder(hosts);
        datacenter.set_datastore_folder(datastores);
        datacenter.set_network_folder(networks);
        datacenter.set_datastore(std::iter::empty::<Moref>());
        datacenter.set_network(std::iter::empty::<Moref>());
        datacenter.set_configuration(DatacenterConfigInfo::with(|config| {
            config.set_default_hardware_version_key("vmx-21");
        }));
    });
    let networks = datacenter.network_folder();
    call.insert(moref.clone(), datacenter);
    // Fidelity: as in vcsim, a datacenter begins with the network that its first host would bring.
    network::create(call, &networks, network::DEFAULT)?;
    Ok(moref)
}

/// Destroys the datacenter and all that is in it: virtual machines, then hosts, then the rest.
fn destroy(call: &mut Call<'_, Datacenter>) -> Result<(), Fault> {
    let this = call.moref();
    let datacenter = call.this()?;
    let folders =
        [datacenter.vm_folder(), datacenter.host_folder(), datacenter.network_folder(), datacenter.datastore_folder()];
    // Virtual machines in vApps and pools are in no folder, or in one of another kind.
    let mut machines = Vec::new();
    descendants(&**call, &this, true, &mut |moref| {
        if moref.is::<VirtualMachine>() {
            machines.push(moref.clone());
        }
    });
    for machine in &machines {
        managed_entity::destroy_entity(call, machine)?;
    }
    for moref in &folders {
        if call.object(moref).is_some() {
            folder::destroy(&mut call.on::<Folder>(moref))?;
        }
    }
    managed_entity::remove(call, &this)
}
