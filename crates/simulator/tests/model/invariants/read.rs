//! Everything can be read, and what is worked out when it is read agrees with what it follows from.

use vimsim_registry::Snapshot;
use vimsim_types::method::RetrievePropertiesEx;
use vimsim_types::views::*;
use vimsim_types::{Moref, Value, View};

use super::Wrong;
use crate::driver::Run;

/// Reads all properties of all objects, and checks the summaries of machines.
pub(crate) async fn check(run: &Run, snapshot: &Snapshot, wrong: &mut Wrong) {
    let objects = snapshot.objects().filter(|it| it.session().is_none() && !it.moref().is::<Task>());
    let mut objects: Vec<Moref> = objects.map(|object| object.moref().clone()).collect();
    objects.sort_by(|a, b| a.value().cmp(b.value()));
    let spec = PropertyFilterSpec::with(|spec| {
        spec.push_prop_set(PropertySpec::with(|it| _ = it.set_type("ManagedObject").set_all(true)));
        spec.set_object_set(objects.iter().map(|moref| ObjectSpec::with(|it| _ = it.set_obj(moref.clone()))));
        spec.set_report_missing_objects_in_results(true);
    });
    let request = RetrievePropertiesEx::with(|request| {
        request.push_spec_set(spec).set_options(RetrieveOptions::new());
    });
    let answer = match run.call(&run.content().property_collector(), request).await {
        Ok(answer) => answer,
        Err(fault) => return wrong.0.push(format!("not everything can be read: {fault}")),
    };
    let contents = answer.object().and_then(RetrieveResult::from_ref).map(|result| result.objects());
    for content in contents.iter().flat_map(|it| it.iter()).filter(|it| it.obj().is::<VirtualMachine>()) {
        let machine = content.obj();
        for missing in content.missing_set() {
            wrong.0.push(format!("{} of {machine} cannot be read", missing.path()));
        }
        let property = |name: &str| {
            let mut set = content.prop_set().iter();
            set.find(|property| property.name() == name).map(|it| it.val().clone()).unwrap_or_default()
        };
        check_summary(&machine, &property("summary"), &property("config"), &property("runtime"), wrong);
    }
}

fn check_summary(moref: &Moref, summary: &Value, config: &Value, runtime: &Value, wrong: &mut Wrong) {
    let summary = summary.object().and_then(VirtualMachineSummary::from_ref);
    let config = config.object().and_then(VirtualMachineConfigInfo::from_ref);
    let (Some(summary), Some(config)) = (summary, config) else {
        return wrong.0.push(format!("{moref} has no summary or no configuration"));
    };
    wrong.unless(Some(summary.runtime().as_object()) == runtime.object(), || {
        format!("{moref}.summary.runtime is not its runtime")
    });
    let told = summary.config();
    let devices = config.hardware().device();
    let disks = devices.iter().filter(|it| it.downcast::<VirtualDisk>().is_some()).count() as i32;
    let cards = devices.iter().filter(|it| it.downcast::<VirtualEthernetCard>().is_some()).count() as i32;
    let is_same = told.num_cpu() == Some(config.hardware().num_cpu())
        && told.memory_size_mb() == Some(config.hardware().memory_mb())
        && told.num_virtual_disks() == Some(disks)
        && told.num_ethernet_cards() == Some(cards)
        && told.template() == config.template()
        && told.name() == config.name()
        && Some(told.vm_path_name()) == config.files().vm_path_name();
    wrong.unless(is_same, || format!("{moref}.summary.config is not what its configuration says"));
}
