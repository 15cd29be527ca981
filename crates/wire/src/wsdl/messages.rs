//! `vim-messagetypes.xsd`: the elements that stand in an envelope's body.

use std::collections::BTreeMap;

use vimsim_types::table::Kind;
use vimsim_types::views::{ManagedObject, MethodFault, RuntimeFault};
use vimsim_types::{Method, Ty, TypeId, View};

use super::types::line;
use super::{Api, HEADER, element, prefix, type_name};
use crate::names;

pub(super) fn schema(api: Api) -> String {
    let mut out = String::with_capacity(1 << 20);
    let (urn, prefix) = (api.namespace.urn(), prefix(api.namespace));
    let declarations = api.declarations();
    let schema = names::SCHEMA;
    out.push_str(HEADER);
    line(
        &mut out,
        format_args!(
            "<schema xmlns=\"{schema}\" targetNamespace=\"{urn}\"{declarations} elementFormDefault=\"qualified\">"
        ),
    );
    line(&mut out, format_args!("<include schemaLocation=\"{prefix}-types.xsd\"/>"));
    if api.namespace != vimsim_types::Namespace::VIM25 {
        line(&mut out, format_args!("<import namespace=\"urn:vim25\" schemaLocation=\"vim-types.xsd\"/>"));
    }
    for (name, id) in faults(api) {
        let fault = type_name(Ty::Data(id));
        line(&mut out, format_args!("<element name=\"{name}Fault\" type=\"{fault}\"/>"));
    }
    for method in api.methods() {
        request(&mut out, api, method);
        response(&mut out, method);
    }
    out.push_str("</schema>\n");
    out
}

/// The faults that a client may meet, by name: those of the namespace, and those that its methods declare.
pub(super) fn faults(api: Api) -> BTreeMap<&'static str, TypeId> {
    let own = api.types().filter(|id| id.info().kind == Kind::Data && id.is_a(MethodFault::TYPE));
    let declared = api.methods().flat_map(Method::faults);
    std::iter::once(RuntimeFault::TYPE).chain(declared).chain(own).map(|id| (id.name(), id)).collect()
}

fn request(out: &mut String, api: Api, method: &Method) {
    let (name, prefix) = (method.name, api.namespace.name());
    line(out, format_args!("<element name=\"{name}\" type=\"{prefix}:{name}RequestType\"/>"));
    line(out, format_args!("<complexType name=\"{name}RequestType\"><sequence>"));
    out.push_str(&element("_this", Ty::Moref(ManagedObject::TYPE), false, false));
    for field in method.request.info().fields().iter().filter(|field| field.since <= api.version) {
        out.push_str(&element(field.name, field.ty, field.is_optional(), field.is_list()));
    }
    out.push_str("</sequence></complexType>\n");
}

fn response(out: &mut String, method: &Method) {
    line(out, format_args!("<element name=\"{}Response\"><complexType><sequence>", method.name));
    if let Some(ty) = method.returns {
        let optional = method.returns_optional() || method.returns_list();
        out.push_str(&element("returnval", ty, optional, method.returns_list()));
    }
    out.push_str("</sequence></complexType></element>\n");
}
