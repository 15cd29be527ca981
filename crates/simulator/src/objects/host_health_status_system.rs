//! `HostHealthStatusSystem`: what a host's sensors say.

use vimsim_types::method::RefreshHealthStatusSystem;
use vimsim_types::views::HostHealthStatusSystem;

use super::host_managers::refreshed;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostHealthStatusSystem> {
    Kind::new().read(refreshed::<HostHealthStatusSystem, RefreshHealthStatusSystem>)
}
