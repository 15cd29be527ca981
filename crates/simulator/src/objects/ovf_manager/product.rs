//! Products and their properties, as vSphere has them.

use vimsim_ovf::{Product, Property};
use vimsim_types::View;
use vimsim_types::views::{VAppProductInfo, VAppPropertyInfo};

/// A product.
pub(super) fn info(key: i32, product: &Product) -> VAppProductInfo {
    VAppProductInfo::with(|info| {
        info.set_key(key).set_class_id(&product.class).set_instance_id(&product.instance);
        info.set_name(product.name.as_deref()).set_vendor(product.vendor.as_deref());
        info.set_version(product.version.as_deref()).set_full_version(product.full_version.as_deref());
        info.set_product_url(product.product_url.as_deref()).set_vendor_url(product.vendor_url.as_deref());
        info.set_app_url(product.app_url.as_deref());
    })
}

/// The properties of products with a deployment option, and the values that were chosen for them by their full names.
pub(super) fn properties<'a>(
    products: impl Iterator<Item = &'a Product>,
    configuration: &str,
    chosen: &[(String, String)],
) -> Vec<VAppPropertyInfo> {
    let all = products.flat_map(|product| product.properties.iter().map(move |property| (product, property)));
    let key = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
    all.enumerate().map(|(at, (product, it))| property(key(at), product, it, configuration, chosen)).collect()
}

fn property(
    key: i32,
    product: &Product,
    it: &Property,
    configuration: &str,
    chosen: &[(String, String)],
) -> VAppPropertyInfo {
    let name = product.property_name(it);
    let value = chosen.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
    let default = it.defaults.iter().find(|(known, _)| known == configuration).map_or(&it.default, |(_, value)| value);
    VAppPropertyInfo::with(|info| {
        info.set_key(key).set_class_id(&product.class).set_instance_id(&product.instance).set_id(&it.key);
        info.set_category(it.category.as_deref().unwrap_or_default());
        info.set_label(it.label.as_deref().unwrap_or_default()).set_type(&it.type_name).set_type_reference("");
        info.set_user_configurable(it.user_configurable).set_default_value(default).set_value(value);
        info.set_description(it.description.as_deref().unwrap_or_default());
    })
}
