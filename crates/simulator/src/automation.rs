//! What the Automation API keeps that no managed object shows. It lies beside the properties of the service instance, so
//! that it is part of each snapshot, and a write that fails changes nothing of it.

use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::Fault;

use crate::cluster_modules::Modules;
use crate::objects::service_instance;
use crate::tagging::Tags;

/// All of it. Copied by each write that changes any: what can become large shares its parts.
#[derive(Clone, Default)]
pub(crate) struct Automation {
    pub(crate) modules: Modules,
    pub(crate) tags: Tags,
}

/// What is kept, if anything is.
pub(crate) fn of(snapshot: &Snapshot) -> Option<&Automation> {
    snapshot.object(&service_instance::moref())?.private()
}

/// What is kept, to change.
pub(crate) fn edit(transaction: &mut Transaction) -> Result<&mut Automation, Fault> {
    transaction.private(&service_instance::moref())
}
