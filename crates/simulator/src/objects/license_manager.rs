//! `LicenseManager`: the licences that the server knows.

use vimsim_types::views::{
    EvaluationLicenseSource, KeyAnyValue, KeyValue, LicenseAssignmentManager, LicenseManager, LicenseManagerLicenseInfo,
};
use vimsim_types::{Moref, Value, View};

use crate::call::Context;
use crate::kind::Kind;
use crate::objects::service_instance;

/// The key that stands for evaluation mode.
pub(crate) const EVALUATION_KEY: &str = "00000-00000-00000-00000-00000";
/// How long a server may be evaluated.
const EVALUATION_DAYS: i64 = 60;

pub(crate) fn kind() -> Kind<LicenseManager> {
    Kind::new()
}

/// The manager of which licence goes where.
pub(crate) fn assignment_manager() -> Moref {
    Moref::of::<LicenseAssignmentManager>("LicenseAssignmentManager")
}

/// A property of a licence.
pub(super) fn property(key: &str, value: impl Into<Value>) -> KeyAnyValue {
    KeyAnyValue::with(|property| {
        property.set_key(key);
        property.set_value(value);
    })
}

/// A feature of a licence.
pub(super) fn feature(key: &str, name: &str) -> KeyAnyValue {
    let value = KeyValue::with(|value| {
        value.set_key(key);
        value.set_value(name);
    });
    property("feature", Value::Object(value.into()))
}

/// The licence of evaluation mode.
pub(super) fn evaluation_license(product: &str, version: &str) -> LicenseManagerLicenseInfo {
    LicenseManagerLicenseInfo::with(|license| {
        license.set_license_key(EVALUATION_KEY);
        license.set_edition_key("eval");
        license.set_name("Evaluation Mode");
        license.set_total(0);
        license.set_cost_unit("");
        license.set_properties([
            feature("serialuri:2", "Remote virtual Serial Port Concentrator"),
            feature("dvs", "vSphere Distributed Switch"),
            property("ProductName", product),
            property("ProductVersion", version),
        ]);
    })
}

/// The license manager's own properties: a server in evaluation mode that has just been installed.
pub(crate) fn properties(context: &Context) -> LicenseManager {
    let about = service_instance::about(context.service.config());
    let product = about.license_product_name().cloned().unwrap_or_default();
    let version = about.license_product_version().cloned().unwrap_or_default();
    LicenseManager::with(|manager| {
        manager.set_source(EvaluationLicenseSource::new());
        manager.set_source_available(true);
        manager.set_licensed_edition("eval");
        manager.set_licenses([evaluation_license(&product, &version)]);
        manager.set_license_assignment_manager(context.is_virtual_center().then(assignment_manager));
        manager.evaluation_mut().set_properties([
            property("ProductName", product.as_str()),
            property("ProductVersion", version.as_str()),
            property("expirationHours", EVALUATION_DAYS * 24),
            property("expirationDate", context.now.plus_seconds(EVALUATION_DAYS * 24 * 3_600)),
        ]);
    })
}
