//! What the managers of a host begin with.

use vimsim_types::views::HostSystem;
use vimsim_types::{Object, TypeId};

/// The properties of a new manager of this type, for this host.
pub(crate) fn properties(kind: TypeId, host: &HostSystem) -> Object {
    let _ = host;
    Object::new(kind)
}
