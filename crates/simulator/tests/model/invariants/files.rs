//! The files of datastores are those of machines.

use std::collections::BTreeSet;

use vimsim_registry::Snapshot;
use vimsim_types::method::SearchDatastoreSubFoldersTask;
use vimsim_types::views::*;
use vimsim_types::{Fault, View};

use super::{Wrong, all};
use crate::driver::Run;

/// The paths of all files of a datastore.
pub(crate) async fn list(run: &Run, datastore: &Datastore) -> Result<Vec<String>, Fault> {
    let root = format!("[{}]", datastore.name());
    let request = SearchDatastoreSubFoldersTask::with(|request| _ = request.set_datastore_path(root));
    let answer = run.call(&datastore.browser(), request).await?;
    let folders = answer.items().iter().filter_map(|it| HostDatastoreBrowserSearchResults::from_ref(it.object()?));
    let mut files = Vec::new();
    for folder in folders {
        let above = folder.folder_path().map_or("", |path| path);
        for file in folder.file().iter().filter(|file| file.downcast::<FolderFileInfo>().is_none()) {
            let separator = if above.ends_with('/') {
                ""
            } else if above.ends_with(']') {
                " "
            } else {
                "/"
            };
            files.push(format!("{above}{separator}{}", file.path()));
        }
    }
    Ok(files)
}

/// The configuration files that there are, are those of registered machines and of unregistered ones; and of registered
/// machines all files are there.
pub(crate) async fn check(run: &Run, snapshot: &Snapshot, left: &[String], wrong: &mut Wrong) {
    // Paths on a datastore with a bracket in its name cannot be told from others.
    let can_be_listed = |it: &Datastore| it.summary().accessible() && !it.name().contains(['[', ']']);
    for (moref, datastore) in all::<Datastore>(snapshot).filter(|(_, datastore)| can_be_listed(datastore)) {
        let files: BTreeSet<String> = match list(run, datastore).await {
            Ok(files) => files.into_iter().collect(),
            Err(fault) => {
                wrong.0.push(format!("the files of {moref} cannot be listed: {fault}"));
                continue;
            }
        };
        let mut own = BTreeSet::new();
        for machine in datastore.vm().iter().filter_map(|machine| snapshot.view::<VirtualMachine>(&machine)) {
            let Some(config) = machine.config() else { continue };
            let disks = config.hardware().device().iter().filter_map(|it| it.downcast::<VirtualDisk>());
            let disks = disks.filter_map(|disk| {
                Some(disk.backing()?.downcast::<VirtualDeviceFileBackingInfo>()?.file_name().clone())
            });
            for path in config.files().vm_path_name().cloned().into_iter().chain(disks) {
                if path.starts_with(&format!("[{}]", datastore.name())) {
                    // A client may have deleted a file of its own that it has attached, and the machine moved since.
                    let is_client_s =
                        ["/a.vmdk", "/b.vmdk", "/c.vmdk", "/all.vmdk"].iter().any(|end| path.ends_with(end));
                    wrong.unless(files.contains(path.as_str()) || is_client_s, || {
                        format!("'{path}' of '{}' is not on {moref}", machine.name())
                    });
                    own.insert(path.to_string());
                }
            }
        }
        for path in files.iter().filter(|path| path.ends_with(".vmx") && !own.contains(*path)) {
            // Its datastore may have had another name then, and it may have been moved between the look and the call.
            let name = path.rsplit('/').next().unwrap_or_default();
            let is_left = left.iter().any(|known| known.ends_with(&format!("/{name}")));
            wrong.unless(is_left, || format!("'{path}' is on {moref}, and of no machine"));
        }
    }
}
