use std::collections::BTreeSet;

use vimsim_types::views::OptionValue;
use vimsim_types::{Field, Moref, Object, Ty, Value};

use crate::call::Context;
use crate::config::{Config, Product};
use crate::service::Service;

/// Every required field that is unset and every text that is empty where nothing would do, as `Type.field`.
fn missing(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (slot, field) in object.kind().info().fields().iter().enumerate() {
                check_field(object, field, object.get(slot), found);
            }
        }
        Value::List(list) => list.items().iter().for_each(|item| missing(item, found)),
        _ => {}
    }
}

fn check_field(object: &Object, field: &Field, value: &Value, found: &mut BTreeSet<String>) {
    // The value of an option may well be an empty text.
    let is_empty_text = matches!(value, Value::String(text) if text.is_empty()) && !object.is::<OptionValue>();
    if (value.is_unset() && !field.is_optional()) || (is_empty_text && field.is_optional()) {
        found.insert(format!("{}.{}", object.kind().name(), field.name));
    }
    let matches = match (field.ty, value.ty()) {
        (_, None) | (Ty::Any, _) => true,
        (Ty::Data(declared), Some(Ty::Data(is))) => is.is_a(declared),
        (Ty::Moref(declared), Some(Ty::Moref(is))) => is.is_a(declared),
        (declared, Some(is)) => declared == is,
    };
    if !matches {
        found.insert(format!("{}.{} is of another type", object.kind().name(), field.name));
    }
    missing(value, found);
}

fn check_managers(product: Product) {
    let service = Service::start(Config { product, ..Config::default() }).expect("starts");
    let snapshot = service.snapshot();
    let context = Context::internal(service.clone(), false);
    let mut found = BTreeSet::new();
    let managers = super::super::service_instance::managers(product).map(|(_, moref)| moref);
    let extra = super::extra(&context).into_iter().map(|(moref, _)| moref);
    for moref in managers.chain(extra) {
        let object = snapshot.object(&moref).unwrap_or_else(|| panic!("{moref} does not exist"));
        for (slot, field) in object.moref().kind().info().fields().iter().enumerate() {
            let value = match service.kinds().compute(object.moref().kind(), slot) {
                Some(compute) => compute(&context, &snapshot, object),
                None => object.properties().get(slot).clone(),
            };
            check_field(object.properties(), field, &value, &mut found);
            dangling(&snapshot, &value, &mut found);
        }
    }
    assert_eq!(found, BTreeSet::new());
}

fn dangling(snapshot: &vimsim_registry::Snapshot, value: &Value, found: &mut BTreeSet<String>) {
    let mut morefs: Vec<Moref> = value.moref().into_iter().collect();
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        morefs.extend(value.moref());
        pending.extend(value.items());
        pending.extend(value.object().into_iter().flat_map(Object::slots));
    }
    let gone = morefs.into_iter().filter(|moref| snapshot.object(moref).is_none());
    found.extend(gone.map(|moref| format!("{moref} does not exist")));
}

#[test]
fn the_managers_of_a_vcenter_have_what_they_must() {
    check_managers(Product::VirtualCenter);
}

#[test]
fn the_managers_of_a_host_have_what_they_must() {
    check_managers(Product::EsxHost);
}
