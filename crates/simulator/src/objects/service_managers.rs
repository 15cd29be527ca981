//! What the managers that `ServiceContent` names begin with.

use vimsim_types::{Object, TypeId};

use crate::config::Config;

/// The properties of a manager of this type.
pub(crate) fn properties(kind: TypeId, config: &Config) -> Object {
    let _ = config;
    Object::new(kind)
}
