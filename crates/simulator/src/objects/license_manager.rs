//! `LicenseManager`: the licences that the server knows.

use vimsim_types::method::{
    AddLicense, DecodeLicense, RemoveLicense, RemoveLicenseLabel, UpdateLicense, UpdateLicenseLabel,
};
use vimsim_types::views::{
    EvaluationLicenseSource, KeyAnyValue, KeyValue, LicenseAssignmentManager, LicenseManager, LicenseManagerLicenseInfo,
};
use vimsim_types::{Fault, Moref, Value, View};

use super::license_assignment_manager::Assigned;
use super::service_instance;
use crate::call::{Call, Context, Look};
use crate::kind::Kind;
use crate::walk::Inventory;

/// The key that stands for evaluation mode.
pub(crate) const EVALUATION_KEY: &str = "00000-00000-00000-00000-00000";
/// How long a server may be evaluated.
const EVALUATION_DAYS: i64 = 60;

pub(crate) fn kind() -> Kind<LicenseManager> {
    Kind::new()
        .write(add_license)
        .write(update_license)
        .write(remove_license)
        .read(decode_license)
        .write(update_license_label)
        .write(remove_license_label)
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

/// Where the licences are.
fn moref(is_virtual_center: bool) -> Moref {
    Moref::of::<LicenseManager>(if is_virtual_center { "LicenseManager" } else { "ha-license-manager" })
}

/// The licence of this key, if the server knows it.
pub(super) fn known(inventory: &impl Inventory, key: &str) -> Option<LicenseManagerLicenseInfo> {
    let manager = [true, false].into_iter().find_map(|product| inventory.seen::<LicenseManager>(&moref(product)))?;
    manager.licenses().iter().find(|license| license.license_key() == key).cloned()
}

/// What a key stands for.
///
/// - `InvalidArgument` for one that does not look like a key: five groups of five letters and digits.
// Fidelity: what a real key licenses cannot be read from it; every key stands for as much as is needed of everything.
fn decode(inventory: &impl Inventory, key: &str) -> Result<LicenseManagerLicenseInfo, Fault> {
    if let Some(license) = known(inventory, key) {
        return Ok(license);
    }
    let is_group = |group: &str| group.len() == 5 && group.chars().all(|c| c.is_ascii_alphanumeric());
    if key.split('-').count() != 5 || !key.split('-').all(is_group) {
        return Err(Fault::invalid_argument("licenseKey", format!("'{key}' is no license key")));
    }
    let evaluation = known(inventory, EVALUATION_KEY);
    Ok(LicenseManagerLicenseInfo::with(|license| {
        license.set_license_key(key);
        license.set_edition_key("esx.enterprisePlus.cpuPackage");
        license.set_name("vSphere Enterprise Plus");
        license.set_total(0);
        license.set_cost_unit("cpuPackage");
        license.set_properties(evaluation.iter().flat_map(|license| license.properties()).cloned());
    }))
}

/// Adds a licence, unless it is known, and returns it.
pub(super) fn add<T>(call: &mut Call<'_, T>, key: &str) -> Result<LicenseManagerLicenseInfo, Fault> {
    let inventory: &vimsim_registry::Transaction = call;
    let license = decode(inventory, key)?;
    if known(inventory, key).is_none() {
        let manager = moref(call.context().is_virtual_center());
        call.edit::<LicenseManager>(&manager)?.push_licenses(license.clone());
    }
    Ok(license)
}

/// Adds a licence.
///
/// - `InvalidArgument` for a key that is none.
fn add_license(call: &mut Call<'_, LicenseManager>, request: AddLicense) -> Result<LicenseManagerLicenseInfo, Fault> {
    add(call, request.license_key())?;
    for label in request.labels() {
        set_label(call, request.license_key(), label.key(), label.value())?;
    }
    known_to(call, request.license_key())
}

/// Labels a licence, or adds it.
///
/// - `InvalidArgument` for a key that is none.
fn update_license(
    call: &mut Call<'_, LicenseManager>,
    request: UpdateLicense,
) -> Result<LicenseManagerLicenseInfo, Fault> {
    add(call, request.license_key())?;
    for label in request.labels() {
        set_label(call, request.license_key(), label.key(), label.value())?;
    }
    known_to(call, request.license_key())
}

/// Removes a licence; nothing happens if it is not known.
///
/// - `InvalidArgument` for that of evaluation mode, and for one that is assigned.
fn remove_license(call: &mut Call<'_, LicenseManager>, request: RemoveLicense) -> Result<(), Fault> {
    let key = request.license_key();
    let assigned = call.object(&assignment_manager()).and_then(|object| object.private::<Assigned>());
    let is_assigned = assigned.is_some_and(|assigned| assigned.0.values().any(|known| known == key));
    if key == EVALUATION_KEY || is_assigned {
        return Err(Fault::invalid_argument("licenseKey", format!("the license {key} is in use")));
    }
    call.this_mut()?.licenses_mut().retain(|license| license.license_key() != key);
    Ok(())
}

/// What a key stands for.
///
/// - `InvalidArgument` for a key that is none.
fn decode_license(look: &Look<'_, LicenseManager>, request: DecodeLicense) -> Result<LicenseManagerLicenseInfo, Fault> {
    decode(look.snapshot(), request.license_key())
}

fn update_license_label(call: &mut Call<'_, LicenseManager>, request: UpdateLicenseLabel) -> Result<(), Fault> {
    set_label(call, request.license_key(), request.label_key(), request.label_value())
}

fn remove_license_label(call: &mut Call<'_, LicenseManager>, request: RemoveLicenseLabel) -> Result<(), Fault> {
    set_label(call, request.license_key(), request.label_key(), "")
}

fn known_to(call: &Call<'_, LicenseManager>, key: &str) -> Result<LicenseManagerLicenseInfo, Fault> {
    let why = || Fault::invalid_argument("licenseKey", format!("the server has no license {key}"));
    known(&**call, key).ok_or_else(why)
}

/// Sets a label of a licence; an empty one is removed.
///
/// - `InvalidArgument` for a licence that is not known.
fn set_label(call: &mut Call<'_, LicenseManager>, license: &str, key: &str, value: &str) -> Result<(), Fault> {
    known_to(call, license)?;
    for known in call.this_mut()?.licenses_mut().iter_mut().filter(|known| known.license_key() == license) {
        let place = known.labels().iter().position(|label| label.key() == key);
        match place {
            Some(_) if value.is_empty() => known.labels_mut().retain(|label| label.key() != key),
            Some(place) => {
                known.labels_mut().iter_mut().skip(place).take(1).for_each(|label| _ = label.set_value(value));
            }
            None if value.is_empty() => {}
            None => _ = known.push_labels(KeyValue::with(|label| _ = label.set_key(key).set_value(value))),
        }
    }
    Ok(())
}
