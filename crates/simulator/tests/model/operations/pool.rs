//! What is done with resource pools and vApps.

use vimsim_types::View;
use vimsim_types::enums::SharesLevel;
use vimsim_types::method::*;
use vimsim_types::views::*;

use super::machine;
use crate::chooser::{Chooser, Operation};

/// More pools and vApps than this are not created.
const MOST: usize = 40;

fn allocation(reservation: i64) -> ResourceAllocationInfo {
    ResourceAllocationInfo::with(|allocation| {
        allocation.set_reservation(reservation).set_limit(-1).set_expandable_reservation(true);
        allocation.shares_mut().set_shares(4000).set_level(SharesLevel::Normal);
    })
}

fn resources(chooser: &mut Chooser) -> ResourceConfigSpec {
    let reservation = chooser.random.of(&[0, 0, 0, 0, 0, 100, 100, 1 << 40, -7]);
    ResourceConfigSpec::with(|spec| {
        spec.set_cpu_allocation(allocation(reservation)).set_memory_allocation(allocation(reservation));
    })
}

pub(super) fn create(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<ResourcePool>() >= MOST {
        return destroy(chooser);
    }
    let (pool, name, spec) = (chooser.some::<ResourcePool>()?, chooser.name("pool"), resources(chooser));
    Operation::new(pool, CreateResourcePool::with(|request| _ = request.set_name(name).set_spec(spec)))
}

pub(super) fn update(chooser: &mut Chooser) -> Option<Operation> {
    let (pool, spec) = (chooser.some::<ResourcePool>()?, resources(chooser));
    let name = chooser.random.once_in(4).then(|| chooser.name("pool"));
    Operation::new(pool, UpdateConfig::with(|request| _ = request.set_name(name).set_config(spec)))
}

pub(super) fn destroy(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.some::<ResourcePool>()?, DestroyTask::new())
}

pub(super) fn destroy_children(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.some::<ResourcePool>()?, DestroyChildren::new())
}

pub(super) fn move_into(chooser: &mut Chooser) -> Option<Operation> {
    let pool = chooser.some::<ResourcePool>()?;
    let what = match chooser.random.below(3) {
        0 => chooser.some::<ResourcePool>()?,
        _ => chooser.machine()?,
    };
    Operation::new(pool, MoveIntoResourcePool::with(|request| _ = request.set_list([what])))
}

pub(super) fn create_app(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<ResourcePool>() >= MOST {
        return destroy_app(chooser);
    }
    let (pool, name, spec) = (chooser.some::<ResourcePool>()?, chooser.name("app"), resources(chooser));
    let folder = if chooser.random.once_in(3) { chooser.some::<Folder>() } else { None };
    let request = CreateVApp::with(|request| {
        request.set_name(name).set_res_spec(spec).set_config_spec(VAppConfigSpec::new()).set_vm_folder(folder);
    });
    Operation::new(pool, request)
}

pub(super) fn create_child(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<VirtualMachine>() >= machine::MOST {
        return destroy_app(chooser);
    }
    let app = chooser.some::<VirtualApp>()?;
    let config = machine::new_config(chooser, &app);
    Operation::new(app, CreateChildVMTask::with(|request| _ = request.set_config(config)))
}

pub(super) fn power_on_app(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.some::<VirtualApp>()?, PowerOnVAppTask::new())
}

pub(super) fn power_off_app(chooser: &mut Chooser) -> Option<Operation> {
    let force = chooser.random.once_in(2);
    Operation::new(chooser.some::<VirtualApp>()?, PowerOffVAppTask::with(|request| _ = request.set_force(force)))
}

pub(super) fn suspend_app(chooser: &mut Chooser) -> Option<Operation> {
    Operation::new(chooser.some::<VirtualApp>()?, SuspendVAppTask::new())
}

pub(super) fn destroy_app(chooser: &mut Chooser) -> Option<Operation> {
    let app = chooser.some::<VirtualApp>()?;
    if chooser.random.once_in(3) {
        chooser.leave_all();
        return Operation::new(app, UnregisterVAppTask::new());
    }
    Operation::new(app, DestroyTask::new())
}
