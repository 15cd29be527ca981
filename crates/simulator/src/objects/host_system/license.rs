//! The licence of a new host: the evaluation of everything.

use vimsim_types::views::{
    KeyAnyValue, KeyValue, LicenseManager, LicenseManagerEvaluationInfo, LicenseManagerLicenseInfo, LicenseSource,
};
use vimsim_types::{Value, View};

/// What a host's own licence manager says.
pub(crate) fn licenses(manager: &mut LicenseManager) {
    manager.set_source(LicenseSource::new()).set_source_available(true);
    manager.set_licensed_edition("eval");
    manager.set_licenses([evaluation()]);
    manager.set_evaluation(LicenseManagerEvaluationInfo::with(|info| {
        info.set_properties([property("diagnostic", "evaluation mode"), property("ProductName", "VMware ESX Server")]);
    }));
}

fn property(key: &str, value: &str) -> KeyAnyValue {
    KeyAnyValue::with(|property| _ = property.set_key(key).set_value(Value::from(value)))
}

fn feature(key: &str, name: &str) -> KeyAnyValue {
    let feature = KeyValue::with(|feature| _ = feature.set_key(key).set_value(name));
    KeyAnyValue::with(|property| _ = property.set_key("feature").set_value(Value::Object(feature.into())))
}

fn evaluation() -> LicenseManagerLicenseInfo {
    LicenseManagerLicenseInfo::with(|license| {
        license.set_license_key("00000-00000-00000-00000-00000").set_edition_key("eval").set_name("Evaluation Mode");
        // An evaluation counts nothing, and the unit of it is required.
        license.set_total(0).set_cost_unit("");
        license.set_properties([
            feature("serialuri:2", "Remote virtual Serial Port Concentrator"),
            feature("dvs", "vSphere Distributed Switch"),
            feature("vmotion", "vSphere vMotion"),
            property("ProductName", "VMware ESX Server"),
            property("ProductVersion", "8.0"),
        ]);
    })
}
