//! What a task that takes time has to itself: another task on the same machine, host or vApp is refused meanwhile.
//!
//! Tasks that are one transaction never get in each other's way. One that goes on between transactions holds its entities
//! from the call that starts it until its end is written; what else is started on them then fails with `TaskInProgress`, as
//! the API declares it, and changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::enums::TaskInfoState;
use vimsim_types::views::{
    HostSystem, ManagedEntity, Task, TaskInProgress, VAppTaskInProgress, VirtualApp, VirtualMachine,
    VirtualMachineSnapshot,
};
use vimsim_types::{ArcStr, Fault, Method, Moref, View};

type Tasks = Arc<Mutex<BTreeMap<ArcStr, Moref>>>;

/// The entities that tasks hold, and which task holds each.
#[derive(Default)]
pub(crate) struct Occupied(Tasks);

/// A task's hold on entities, until it is dropped.
pub(crate) struct Hold {
    tasks: Tasks,
    task: Moref,
    entities: Vec<ArcStr>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for entity in &self.entities {
            if tasks.get(entity) == Some(&self.task) {
                tasks.remove(entity);
            }
        }
    }
}

/// Where a task is looked up.
pub(crate) trait Tell {
    fn task(&self, moref: &Moref) -> Option<&Task>;
}

impl Tell for Transaction {
    fn task(&self, moref: &Moref) -> Option<&Task> {
        self.view(moref)
    }
}

impl Tell for Snapshot {
    fn task(&self, moref: &Moref) -> Option<&Task> {
        self.view(moref)
    }
}

impl Occupied {
    /// Has a task hold those of these that can be held and are not yet.
    pub(crate) fn hold(&self, among: &dyn Tell, entities: &[Moref], task: &Moref) -> Hold {
        let mut held = Vec::new();
        for entity in entities {
            let is_holdable = entity.is::<VirtualMachine>() || entity.is::<HostSystem>() || entity.is::<VirtualApp>();
            if is_holdable && self.holder(among, entity).is_none() {
                self.tasks().insert(entity.value().clone(), task.clone());
                held.push(entity.value().clone());
            }
        }
        Hold { tasks: self.0.clone(), task: task.clone(), entities: held }
    }

    /// The task under way that holds an entity.
    pub(crate) fn holder(&self, among: &dyn Tell, entity: &Moref) -> Option<Moref> {
        let task = self.tasks().get(entity.value())?.clone();
        // What has ended is over, even if whoever carried it out has not let go yet.
        let state = among.task(&task)?.info().state();
        matches!(state, TaskInfoState::Queued | TaskInfoState::Running).then_some(task)
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, BTreeMap<ArcStr, Moref>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `TaskInProgress` if another task than `own` holds the entity: `VAppTaskInProgress` if that is one of its vApp.
    pub(crate) fn expect_free(&self, among: &dyn Tell, entity: &Moref, own: Option<&Moref>) -> Result<(), Fault> {
        let Some(task) = self.holder(among, entity).filter(|task| own != Some(task)) else { return Ok(()) };
        let of = among.task(&task).and_then(|task| task.info().entity());
        let why = "Another task is already in progress.";
        if of.is_some_and(|of| of.is::<VirtualApp>() && of != *entity) {
            return Err(Fault::new(VAppTaskInProgress::with(|fault| _ = fault.set_task(task)), why));
        }
        Err(Fault::new(TaskInProgress::with(|fault| _ = fault.set_task(task)), why))
    }
}

/// Whether a method has to have the entity to itself: the API declares so, or it is a task of a machine or host.
pub(crate) fn is_exclusive(method: &Method) -> bool {
    let is_task = method.name.ends_with("_Task");
    (is_task && (method.owner == VirtualMachine::TYPE || method.owner == HostSystem::TYPE))
        || (is_task && method.owner == ManagedEntity::TYPE && method.name == "Destroy_Task")
        || method.faults().any(|fault| fault == TaskInProgress::TYPE)
}

/// Whose task one on this object is: a snapshot's is one on its machine.
pub(crate) fn entity_of(among: &Transaction, moref: &Moref) -> Moref {
    among.view::<VirtualMachineSnapshot>(moref).map_or_else(|| moref.clone(), VirtualMachineSnapshot::vm)
}
