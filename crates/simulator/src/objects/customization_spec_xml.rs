//! Stored customization specifications as files: the XML that vCenter exports and takes back.
//!
//! ```text
//! <ConfigRoot>
//!   <_type>vim.CustomizationSpecItem</_type>
//!   <info> <_type>vim.CustomizationSpecInfo</_type> ... </info>
//!   <spec> ... <dnsServerList> <_length>1</_length> <_type>string[]</_type> <e id="0">10.0.0.1</e> </dnsServerList> ...
//! ```
//!
//! Every object names its type as vSphere's model does, not as its WSDL; properties stand in the order of their names.

use std::fmt::Write;

use vimsim_ovf::Node;
use vimsim_types::views::{CustomizationFault, CustomizationSpecItem};
use vimsim_types::{DateTime, Fault, List, Namespace, Object, Ty, TypeId, Value, View};

/// How deep specifications are nested at most.
const DEPTH: usize = 16;
/// Where the model has these types.
const PLACE: &str = "vim.vm.customization.";
/// What the types are called that do not follow the rule.
const NAMES: [(&str, &str); 8] = [
    ("CustomizationSpecItem", "vim.CustomizationSpecItem"),
    ("CustomizationSpecInfo", "vim.CustomizationSpecInfo"),
    ("CustomizationSpec", "vim.vm.customization.Specification"),
    ("CustomizationVirtualMachineName", "vim.vm.customization.VirtualMachineNameGenerator"),
    ("CustomizationPrefixName", "vim.vm.customization.PrefixNameGenerator"),
    ("CustomizationCustomName", "vim.vm.customization.CustomNameGenerator"),
    ("CustomizationUnknownName", "vim.vm.customization.UnknownNameGenerator"),
    ("CustomizationIPSettingsIpV6AddressSpec", "vim.vm.customization.IPSettings.IpV6AddressSpec"),
];

fn model_name(name: &str) -> String {
    match NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, model)) => (*model).into(),
        None => format!("{PLACE}{}", name.strip_prefix("Customization").unwrap_or(name)),
    }
}

/// The type of this name in the model.
fn find(model: &str) -> Option<TypeId> {
    let known = NAMES.iter().find(|(_, known)| *known == model).map(|(name, _)| (*name).to_string());
    let name = known.or_else(|| Some(format!("Customization{}", model.strip_prefix(PLACE)?)))?;
    TypeId::find(Namespace::VIM25, &name)
}

/// A specification as XML.
pub(super) fn write(item: &CustomizationSpecItem) -> String {
    let mut out = String::new();
    write_value(&mut out, 0, "ConfigRoot", "", &Value::Object(item.as_object().clone()));
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn write_value(out: &mut String, depth: usize, name: &str, attribute: &str, value: &Value) {
    let space = "  ".repeat(depth);
    match value {
        Value::Unset => {}
        Value::Object(object) => {
            let mut fields: Vec<_> = object.kind().info().fields().iter().zip(object.slots()).collect();
            fields.sort_by_key(|(field, _)| field.name);
            let mut inner = String::new();
            for (field, value) in fields {
                write_value(&mut inner, depth + 1, field.name, "", value);
            }
            let kind = model_name(object.kind().name());
            _ = write!(out, "{space}<{name}{attribute}>\n{space}  <_type>{kind}</_type>\n{inner}{space}</{name}>\n");
        }
        Value::List(list) => {
            let element = match list.element() {
                Ty::Data(kind) => model_name(kind.name()),
                other => other.name().to_string(),
            };
            _ = writeln!(out, "{space}<{name}>");
            let mut line = |name: &str, text: &str| _ = writeln!(out, "{space}  <{name}>{}</{name}>", escape(text));
            line("_length", &list.items().len().to_string());
            line("_type", &format!("{element}[]"));
            for (index, item) in list.items().iter().enumerate() {
                write_value(out, depth + 1, "e", &format!(" id=\"{index}\""), item);
            }
            _ = writeln!(out, "{space}</{name}>");
        }
        plain => {
            _ = writeln!(out, "{space}<{name}{attribute}>{}</{name}>", escape(&text_of(plain)));
        }
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Byte(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::DateTime(value) => value.to_string(),
        other => other.text().unwrap_or_default().to_string(),
    }
}

fn refused(why: impl std::fmt::Display) -> Fault {
    Fault::new(CustomizationFault::new(), format!("this is no customization specification: {why}"))
}

/// Reads a specification.
///
/// - `CustomizationFault` if the text is none.
pub(super) fn read(text: &str) -> Result<CustomizationSpecItem, Fault> {
    let root = vimsim_ovf::parse_xml(text).map_err(refused)?;
    if root.name != "ConfigRoot" {
        return Err(refused(format!("it begins with {}", root.name)));
    }
    let item = read_object(&root, CustomizationSpecItem::TYPE, 0)?;
    CustomizationSpecItem::from_object(item).ok_or_else(|| refused("it is something else"))
}

fn read_object(node: &Node, declared: TypeId, depth: usize) -> Result<Object, Fault> {
    let named = node.child_text("_type");
    let kind = named.as_deref().map_or(Some(declared), find).filter(|kind| kind.is_a(declared) && depth < DEPTH);
    let kind = kind.ok_or_else(|| refused(format!("{} cannot be '{}'", node.name, named.unwrap_or_default())))?;
    let mut object = Object::new(kind);
    for (slot, field) in kind.info().fields().iter().enumerate() {
        match node.child(field.name) {
            Some(child) if field.is_list() => {
                let items = child.children("e").map(|item| read_value(item, field.ty, depth + 1));
                object.set(slot, List::new(field.ty, items.collect::<Result<_, _>>()?).into());
            }
            Some(child) => object.set(slot, read_value(child, field.ty, depth + 1)?),
            None if field.is_optional() => {}
            None => return Err(refused(format!("{} has no {}", node.name, field.name))),
        }
    }
    Ok(object)
}

fn read_value(node: &Node, ty: Ty, depth: usize) -> Result<Value, Fault> {
    let text = node.text.trim();
    let read = match ty {
        Ty::Data(kind) => Some(read_object(node, kind, depth)?.into()),
        Ty::Bool => text.parse().ok().map(Value::Bool),
        Ty::Byte => text.parse().ok().map(Value::Byte),
        Ty::Int => text.parse().ok().map(Value::Int),
        Ty::Long => text.parse().ok().map(Value::Long),
        Ty::DateTime => DateTime::parse(text).map(Value::DateTime),
        Ty::Enum(kind) => {
            let place = kind.info().values.iter().position(|known| *known == text);
            place.and_then(|place| u16::try_from(place).ok()).map(|place| Value::Enum(kind, place))
        }
        Ty::String => Some(Value::String(node.text.as_str().into())),
        _ => None,
    };
    read.ok_or_else(|| refused(format!("'{text}' is no value for {}", node.name)))
}

#[cfg(test)]
mod tests {
    use vimsim_types::views::{
        CustomizationFixedIp, CustomizationLinuxPrep, CustomizationSpec, CustomizationVirtualMachineName,
    };

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let spec = CustomizationSpec::with(|spec| {
            spec.set_identity(CustomizationLinuxPrep::with(|prep| {
                prep.set_host_name(CustomizationVirtualMachineName::new()).set_domain("a & b").set_hw_clock_utc(true);
            }));
            spec.global_ip_settings_mut().set_dns_server_list(["10.0.0.1", "10.0.0.2"]);
            spec.set_nic_setting_map([vimsim_types::views::CustomizationAdapterMapping::with(|mapping| {
                let ip = CustomizationFixedIp::with(|ip| _ = ip.set_ip_address("10.0.0.7"));
                mapping.adapter_mut().set_ip(ip);
            })]);
            spec.set_encryption_key([-3i8, 7]);
        });
        let item = CustomizationSpecItem::with(|item| {
            item.info_mut().set_name("n").set_description("").set_type("Linux").set_change_version("1");
            item.info_mut().set_last_update_time(DateTime::from_micros(1_700_000_000_000_000));
            item.set_spec(spec);
        });
        let text = write(&item);
        assert!(text.contains("<_type>vim.vm.customization.VirtualMachineNameGenerator</_type>"), "{text}");
        assert!(text.contains("<domain>a &amp; b</domain>"), "{text}");
        let read = read(&text).expect("readable");
        assert!(read.as_object() == item.as_object(), "{}", write(&read));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "<a/>", "<ConfigRoot/>", "<ConfigRoot><_type>vim.VirtualMachine</_type></ConfigRoot>", "<"] {
            assert!(read(text).is_err_and(|fault| fault.is::<CustomizationFault>()), "{text}");
        }
    }
}
