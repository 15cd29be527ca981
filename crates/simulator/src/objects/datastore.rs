//! `Datastore`: where virtual machine files are.

use vimsim_types::views::{Datastore, DatastoreHostMount, HostSystem};
use vimsim_types::{Fault, Moref, View};

use super::managed_entity;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<Datastore> {
    managed_entity::kind()
}

/// Takes a host that is being removed off its datastores.
pub(crate) fn unmount_all<T>(call: &mut Call<'_, T>, moref: &Moref, host: &HostSystem) -> Result<(), Fault> {
    for datastore in host.datastore() {
        if call.object(&datastore).is_some() {
            let keep = |mount: &DatastoreHostMount| mount.key() != *moref;
            call.edit::<Datastore>(&datastore)?.host_mut().retain(keep);
        }
    }
    Ok(())
}
