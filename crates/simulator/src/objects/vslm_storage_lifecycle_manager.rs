//! `VslmStorageLifecycleManager`: how the catalog of first class disks follows the datastores.

use vimsim_types::method::{VslmQueryDatastoreInfo, VslmSyncDatastore};
use vimsim_types::views::{VslmQueryDatastoreInfoResult, VslmStorageLifecycleManager};
use vimsim_types::{Fault, View};

use crate::call::{Call, Look};
use crate::first_class::forward::datastore_of_url;
use crate::first_class::{create, find, manager};
use crate::kind::Kind;

type Manager = VslmStorageLifecycleManager;

pub(crate) fn kind() -> Kind<Manager> {
    Kind::new().write(sync_datastore).read(query_datastore_info)
}

/// Brings the catalog up to what is on a datastore: all of it with `fullSync`, else what changed, which it knows.
///
/// - `NotFound` for a URL that is no datastore's, or a disk that there is not.
fn sync_datastore(call: &mut Call<'_, Manager>, request: VslmSyncDatastore) -> Result<(), Fault> {
    let datastore = datastore_of_url(&**call, request.datastore_url())?;
    if let Some(id) = request.fcd_id() {
        find(&**call, id.id(), Some(&datastore))?;
    }
    if request.full_sync() {
        let manager = manager(&**call)?;
        create::reconcile(&mut call.on(&manager), &datastore, false)?;
    }
    Ok(())
}

/// The datastore of a URL, and its datacenter.
///
/// - `NotFound`.
fn query_datastore_info(
    look: &Look<'_, Manager>,
    request: VslmQueryDatastoreInfo,
) -> Result<Vec<VslmQueryDatastoreInfoResult>, Fault> {
    let datastore = datastore_of_url(look.snapshot(), request.datastore_url())?;
    let datacenter = create::datacenter_of(look.snapshot(), &datastore);
    Ok(vec![VslmQueryDatastoreInfoResult::with(|info| {
        info.set_datastore(datastore).set_datacenter(datacenter);
    })])
}
