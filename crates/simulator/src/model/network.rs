//! The model's switches, networks, storage pods and datastores.

use vimsim_types::{Fault, Moref};

use super::{Builder, Place};
use crate::config::Model;

impl Builder<'_> {
    /// The storage pods of a datacenter.
    pub(super) fn storage_pods(&mut self, place: &Place, model: &Model) -> Result<(), Fault> {
        let _ = (place, model);
        Ok(())
    }

    /// The distributed switch of a datacenter, its portgroups, and opaque networks.
    pub(super) fn networks(&mut self, place: &mut Place, model: &Model) -> Result<(), Fault> {
        let _ = (place, model);
        Ok(())
    }

    /// Adds new hosts to the datacenter's distributed switch.
    pub(super) fn join_switch(&mut self, place: &Place, hosts: Vec<Moref>) -> Result<(), Fault> {
        let _ = (place, hosts);
        Ok(())
    }

    /// The datastores of a datacenter, mounted by all its hosts.
    pub(super) fn datastores(&mut self, place: &Place, model: &Model) -> Result<(), Fault> {
        let _ = (place, model);
        Ok(())
    }
}
