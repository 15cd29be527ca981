//! A datastore's maintenance mode: no virtual machine has files on it, and none gets any.
//!
//! ```text
//!  normal ──DatastoreEnterMaintenanceMode──▶ enteringMaintenance ──the last machine leaves──▶ inMaintenance
//!    ▲                                          │ CancelTask                                       │
//!    └──────────────────────────────────────────┴───────────── DatastoreExitMaintenanceMode_Task ──┘
//! ```

use vimsim_registry::Transaction;
use vimsim_types::enums::DatastoreSummaryMaintenanceModeState as Mode;
use vimsim_types::method::{DatastoreEnterMaintenanceMode, DatastoreExitMaintenanceModeTask};
use vimsim_types::views::{Datastore, InvalidDatastoreState, StoragePlacementResult, StoragePod, VirtualMachine};
use vimsim_types::{EnumView, Fault, MethodView, Moref, View};

use crate::call::Call;
use crate::objects::storage_resource_manager::evacuate;
use crate::task::Cancel;

fn is_in(datastore: &Datastore, mode: Mode) -> bool {
    datastore.summary().maintenance_mode().is_some_and(|it| it == mode.name())
}

/// Whether the datastore is in no maintenance, nor about to be.
pub(crate) fn is_normal(datastore: &Datastore) -> bool {
    datastore.summary().maintenance_mode().is_none_or(|it| it == Mode::Normal.name())
}

fn invalid_state(datastore: &Datastore, why: &str) -> Fault {
    let detail = InvalidDatastoreState::with(|fault| _ = fault.set_datastore_name(datastore.name()));
    Fault::new(detail, format!("the datastore '{}' {why}", datastore.name()))
}

/// `InvalidDatastoreState` for a datastore in maintenance mode or about to be: nothing is provisioned there.
pub(crate) fn expect_normal(transaction: &Transaction, datastore: &Moref) -> Result<(), Fault> {
    let datastore = transaction.get::<Datastore>(datastore)?;
    if is_normal(datastore) { Ok(()) } else { Err(invalid_state(datastore, "is in maintenance mode")) }
}

/// [`expect_normal`] of all datastores that a machine has files on: where one is not, it does not start.
pub(crate) fn expect_startable(transaction: &Transaction, machine: &VirtualMachine) -> Result<(), Fault> {
    machine.datastore().iter().try_for_each(|datastore| expect_normal(transaction, &datastore))
}

/// What keeps a datastore from entering maintenance mode.
fn check(datastore: &Datastore) -> Result<(), Fault> {
    if !is_normal(datastore) {
        return Err(invalid_state(datastore, "is in maintenance mode, or about to be"));
    }
    // vSphere Resource Management, "Place a Datastore in Maintenance Mode": a standalone one has none.
    if !datastore.parent().is_some_and(|parent| parent.is::<StoragePod>()) {
        return Err(invalid_state(datastore, "is in no storage pod"));
    }
    Ok(())
}

/// Begins maintenance. The task ends when no virtual machine has files here; cancelled, it leaves things as they were. What
/// Storage DRS would do about the machines is in the answer, or done where it is to do so by itself.
///
/// - `InvalidDatastoreState`, an `InvalidState`, if it is in maintenance mode or about to be, or in no storage pod;
/// - `RequestCanceled` as a fault of the task.
pub(super) fn enter(
    call: &mut Call<'_, Datastore>,
    _: DatastoreEnterMaintenanceMode,
) -> Result<StoragePlacementResult, Fault> {
    check(call.this()?)?;
    let this = call.moref();
    let plan = evacuate::plan(call, &this)?;
    let mut result = plan.result.unwrap_or_else(StoragePlacementResult::new);
    let task = call.start_work(DatastoreEnterMaintenanceMode::method(), Cancel::Yes, move |work| async move {
        work.write::<Datastore, _>(&this, |call| {
            check(call.this()?)?;
            set(call, Mode::EnteringMaintenance)
        })?;
        evacuate::carry_out(&work, &plan.moves);
        let has_ended = |datastore: &Datastore| !is_in(datastore, Mode::EnteringMaintenance);
        let waited = work.until(&|snapshot| snapshot.view::<Datastore>(&this).is_none_or(has_ended)).await;
        evacuate::forget(&work, &plan.keys);
        let is_in_it = work.write::<Datastore, _>(&this, |call| {
            let is_in_it = is_in(call.this()?, Mode::InMaintenance);
            if !is_in_it {
                set(call, Mode::Normal)?;
            }
            Ok(is_in_it)
        })?;
        match waited {
            Err(fault) if !is_in_it => Err(fault),
            _ => Ok(|_: &mut Call<'_, Datastore>| Ok(())),
        }
    })?;
    result.set_task(task);
    Ok(result)
}

fn set(call: &mut Call<'_, Datastore>, mode: Mode) -> Result<(), Fault> {
    call.this_mut()?.summary_mut().set_maintenance_mode(mode.name());
    Ok(())
}

/// A datastore that is entering maintenance mode is in it once its last virtual machine has gone.
pub(super) fn derive(transaction: &mut Transaction, moref: &Moref) -> Result<(), Fault> {
    let datastore = transaction.get::<Datastore>(moref)?;
    if is_in(datastore, Mode::EnteringMaintenance) && datastore.vm().is_empty() {
        transaction.edit::<Datastore>(moref)?.summary_mut().set_maintenance_mode(Mode::InMaintenance.name());
    }
    Ok(())
}

/// Ends maintenance. One that has not yet begun is given up by cancelling its task.
///
/// - `InvalidDatastoreState`, an `InvalidState`, if it is not in maintenance mode, as a fault of the task.
pub(super) fn exit(call: &mut Call<'_, Datastore>, _: DatastoreExitMaintenanceModeTask) -> Result<Moref, Fault> {
    call.start_task(|call| match call.this()? {
        datastore if !is_in(datastore, Mode::InMaintenance) => {
            Err(invalid_state(datastore, "is not in maintenance mode"))
        }
        _ => set(call, Mode::Normal),
    })
}
