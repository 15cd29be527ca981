//! `UserDirectory`: users and groups.

use vimsim_types::View;
use vimsim_types::views::UserDirectory;

use crate::kind::Kind;

pub(crate) fn kind() -> Kind<UserDirectory> {
    Kind::new()
}

/// The single sign-on domain of a vCenter.
pub(crate) const DOMAIN: &str = "VSPHERE.LOCAL";

/// The directory's own properties.
pub(crate) fn properties(is_virtual_center: bool) -> UserDirectory {
    UserDirectory::with(|directory| {
        directory.set_domain_list(is_virtual_center.then_some(DOMAIN));
    })
}
