//! `vim-types.xsd`: data objects and enumerations.

use std::collections::BTreeSet;
use std::fmt::Write;

use vimsim_types::table::Kind;
use vimsim_types::views::{DataObject, ManagedObject, MethodFault};
use vimsim_types::{Namespace, Ty, TypeId, View};

use super::{Api, HEADER, element, prefix};
use crate::names;

pub(super) fn schema(api: Api) -> String {
    let mut out = String::with_capacity(2 << 20);
    let urn = api.namespace.urn();
    let declarations = api.declarations();
    let schema = names::SCHEMA;
    out.push_str(HEADER);
    line(
        &mut out,
        format_args!(
            "<schema xmlns=\"{schema}\" targetNamespace=\"{urn}\"{declarations} elementFormDefault=\"qualified\">"
        ),
    );
    for namespace in imports(api) {
        let (urn, prefix) = (namespace.urn(), prefix(namespace));
        line(&mut out, format_args!("<import namespace=\"{urn}\" schemaLocation=\"{prefix}-types.xsd\"/>"));
    }
    if api.namespace == Namespace::VIM25 {
        out.push_str(REFERENCE);
        let primitives = names::PRIMITIVES.iter().map(|(_, ty)| *ty);
        primitives.for_each(|ty| array(&mut out, ty));
        array(&mut out, Ty::Moref(ManagedObject::TYPE));
    }
    for id in api.types() {
        match id.info().kind {
            Kind::Data if id != DataObject::TYPE => {
                data_object(&mut out, api, id);
                // A list of faults is one of `LocalizedMethodFault`, under the name of the fault.
                if id != MethodFault::TYPE {
                    array(&mut out, Ty::Data(id));
                }
            }
            Kind::Enum => {
                enumeration(&mut out, id);
                array(&mut out, Ty::Enum(id));
            }
            _ => (),
        }
    }
    out.push_str("</schema>\n");
    out
}

/// What stands for a managed object.
const REFERENCE: &str = concat!(
    "<complexType name=\"ManagedObjectReference\"><simpleContent><extension base=\"xsd:string\">\n",
    "<attribute name=\"type\" type=\"xsd:string\" use=\"required\"/>\n",
    "<attribute name=\"serverGuid\" type=\"xsd:string\"/>\n",
    "</extension></simpleContent></complexType>\n",
);

/// The other namespaces that the types refer to.
fn imports(api: Api) -> BTreeSet<Namespace> {
    let mut found = BTreeSet::new();
    for id in api.types() {
        let bases = id.info().base();
        let fields = id.info().own_fields().iter().filter_map(|field| match field.ty {
            Ty::Data(id) | Ty::Enum(id) => Some(id),
            _ => None,
        });
        found.extend(bases.into_iter().chain(fields).map(|id| id.info().namespace));
    }
    // Every namespace may refer to a managed object.
    found.insert(Namespace::VIM25);
    found.remove(&api.namespace);
    found
}

fn data_object(out: &mut String, api: Api, id: TypeId) {
    let info = id.info();
    let base = info.base().filter(|base| *base != DataObject::TYPE);
    line(out, format_args!("<complexType name=\"{}\">", info.name));
    if let Some(base) = base {
        let base = super::type_name(Ty::Data(base));
        line(out, format_args!("<complexContent><extension base=\"{base}\">"));
    }
    out.push_str("<sequence>\n");
    for field in info.own_fields().iter().filter(|field| field.since <= api.version) {
        out.push_str(&element(field.name, field.ty, field.is_optional(), field.is_list()));
    }
    out.push_str("</sequence>\n");
    if base.is_some() {
        out.push_str("</extension></complexContent>\n");
    }
    out.push_str("</complexType>\n");
}

/// A list, as it is called where anything may stand.
fn array(out: &mut String, item: Ty) {
    let list = names::list(item);
    line(out, format_args!("<complexType name=\"{list}\"><sequence>"));
    out.push_str(&element(names::item(item), item, true, true));
    out.push_str("</sequence></complexType>\n");
}

fn enumeration(out: &mut String, id: TypeId) {
    line(out, format_args!("<simpleType name=\"{}\"><restriction base=\"xsd:string\">", id.name()));
    for value in id.info().values {
        line(out, format_args!("<enumeration value=\"{value}\"/>"));
    }
    out.push_str("</restriction></simpleType>\n");
}

/// Adds a line to a document.
pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
    out.push('\n');
}
