//! What is done to folders, clusters, and entities of any type.

use vimsim_types::View;
use vimsim_types::method::*;
use vimsim_types::views::*;

use crate::chooser::{Chooser, Operation};

pub(super) fn create_folder(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<Folder>() >= 40 {
        return destroy_folder(chooser);
    }
    let (folder, name) = (chooser.some::<Folder>()?, chooser.name("folder"));
    Operation::new(folder, CreateFolder::with(|request| _ = request.set_name(name)))
}

pub(super) fn move_into_folder(chooser: &mut Chooser) -> Option<Operation> {
    let folder = chooser.some::<Folder>()?;
    let count = 1 + chooser.random.below(2);
    let what: Vec<_> = (0..count)
        .filter_map(|_| match chooser.random.below(3) {
            0 => chooser.machine(),
            1 => chooser.some_where::<Folder>(|_| true),
            _ => chooser.some_where::<ManagedEntity>(|_| true),
        })
        .collect();
    Operation::new(folder, MoveIntoFolderTask::with(|request| _ = request.set_list(what)))
}

/// Folders that hold little: one with hosts in it would take half of the inventory along.
pub(super) fn destroy_folder(chooser: &mut Chooser) -> Option<Operation> {
    let folder = chooser.some_where::<Folder>(|folder| folder.child_entity().len() < 3)?;
    match chooser.random.once_in(3) {
        true => {
            chooser.leave_all();
            Operation::new(folder, UnregisterAndDestroyTask::new())
        }
        false => Operation::new(folder, DestroyTask::new()),
    }
}

pub(super) fn rename(chooser: &mut Chooser) -> Option<Operation> {
    let (entity, name) = (chooser.some::<ManagedEntity>()?, chooser.name("entity"));
    Operation::new(entity, RenameTask::with(|request| _ = request.set_new_name(name)))
}

pub(super) fn create_cluster(chooser: &mut Chooser) -> Option<Operation> {
    if chooser.count::<ComputeResource>() >= 8 {
        return destroy_cluster(chooser);
    }
    let folder = chooser.some_where::<Folder>(|folder| folder.child_type().contains("ComputeResource"))?;
    let name = chooser.name("cluster");
    let request = CreateClusterEx::with(|request| {
        request.set_name(name).spec_mut().drs_config_mut().set_enabled(true);
    });
    Operation::new(folder, request)
}

/// Clusters that hold few hosts.
pub(super) fn destroy_cluster(chooser: &mut Chooser) -> Option<Operation> {
    let cluster = chooser.some_where::<ComputeResource>(|cluster| cluster.host().len() < 2)?;
    Operation::new(cluster, DestroyTask::new())
}
