//! The inventory of one ESXi host.

use vimsim_types::Fault;

use super::Builder;

impl Builder<'_> {
    /// The one datacenter, host, network, datastore and virtual machines of an ESXi host.
    pub(super) fn esx_host(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}
