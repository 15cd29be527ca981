//! `CustomFieldsManager`: fields that users add to entities.

use vimsim_types::View;
use vimsim_types::views::{CustomFieldDef, CustomFieldsManager};

use crate::kind::Kind;

pub(crate) fn kind() -> Kind<CustomFieldsManager> {
    Kind::new()
}

/// The manager's own properties: no fields.
pub(crate) fn properties() -> CustomFieldsManager {
    CustomFieldsManager::with(|manager| _ = manager.set_field(std::iter::empty::<CustomFieldDef>()))
}
