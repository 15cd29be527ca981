//! The model's resource pools, vApps and virtual machines.

use vimsim_types::{Fault, Moref};

use super::{Builder, Place};
use crate::config::Model;

impl Builder<'_> {
    /// The resource pools and vApps of a cluster that get virtual machines: the prefix of their names and the pool.
    pub(super) fn pools(&mut self, cluster: &Moref, name: &str, model: &Model) -> Result<Vec<(String, Moref)>, Fault> {
        let _ = (cluster, name, model);
        Ok(Vec::new())
    }

    /// The virtual machines of a datacenter.
    pub(super) fn machines(&mut self, place: &Place, model: &Model) -> Result<(), Fault> {
        let _ = (place, model);
        Ok(())
    }
}
