//! `PbmReplicationManager`: which replication groups machines and disks are in. No storage here replicates.

use vimsim_types::Fault;
use vimsim_types::View;
use vimsim_types::method::PbmQueryReplicationGroups;
use vimsim_types::views::{
    PbmFaultNotFound, PbmQueryReplicationGroupResult, PbmReplicationManager, PbmServerObjectRef,
};

use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<PbmReplicationManager> {
    Kind::new().read(query_replication_groups)
}

/// The groups of entities: of each, that it has none (`PbmFaultNotFound`).
fn query_replication_groups(
    _: &Look<'_, PbmReplicationManager>,
    request: PbmQueryReplicationGroups,
) -> Result<Vec<PbmQueryReplicationGroupResult>, Fault> {
    let one = |entity: &PbmServerObjectRef| {
        PbmQueryReplicationGroupResult::with(|result| {
            let fault = Fault::new(PbmFaultNotFound::new(), format!("'{}' is not replicated", entity.key()));
            result.set_object(entity.clone()).set_fault(fault.localized());
        })
    };
    Ok(request.entities().iter().map(one).collect())
}
