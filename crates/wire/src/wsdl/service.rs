//! `vimService.wsdl`, `vim.wsdl` and `vimServiceVersions.xml`: what can be called, how and where.

use vimsim_types::Method;
use vimsim_types::views::RuntimeFault;
use vimsim_types::{TypeId, View};

use super::messages::faults;
use super::types::line;
use super::{Api, HEADER, prefix};
use crate::names;

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const WSDL_SOAP: &str = "http://schemas.xmlsoap.org/wsdl/soap/";

/// The service and its address.
pub(super) fn service(api: Api, url: &str) -> String {
    let (urn, prefix, name) = (api.namespace.urn(), prefix(api.namespace), api.capital());
    let mut address = Vec::new();
    crate::xml::encode::escape(url, &mut address);
    let address = String::from_utf8_lossy(&address);
    format!(
        "{HEADER}<definitions targetNamespace=\"{urn}Service\" xmlns=\"{WSDL}\" xmlns:soap=\"{WSDL_SOAP}\" \
         xmlns:interface=\"{urn}\">\n\
         <import namespace=\"{urn}\" location=\"{prefix}.wsdl\"/>\n\
         <service name=\"{name}Service\">\n\
         <port name=\"{name}Port\" binding=\"interface:{name}Binding\"><soap:address location=\"{address}\"/></port>\n\
         </service>\n</definitions>\n"
    )
}

/// Messages, port type and binding.
pub(super) fn binding(api: Api) -> String {
    let mut out = String::with_capacity(1 << 20);
    let (urn, prefix) = (api.namespace.urn(), prefix(api.namespace));
    let declarations = api.declarations();
    let schema = names::SCHEMA;
    out.push_str(HEADER);
    line(
        &mut out,
        format_args!(
            "<definitions targetNamespace=\"{urn}\" xmlns=\"{WSDL}\" xmlns:soap=\"{WSDL_SOAP}\"{declarations}>\n\
             <types><schema xmlns=\"{schema}\" targetNamespace=\"{urn}\">\
             <include schemaLocation=\"{prefix}-messagetypes.xsd\"/></schema></types>"
        ),
    );
    for method in api.methods() {
        message(&mut out, api, method.name, "RequestMsg", "parameters", method.name);
        message(&mut out, api, method.name, "ResponseMsg", "parameters", &format!("{}Response", method.name));
    }
    for name in faults(api).keys() {
        message(&mut out, api, name, "FaultMsg", "fault", &format!("{name}Fault"));
    }
    port_type(&mut out, api);
    soap_binding(&mut out, api);
    out.push_str("</definitions>\n");
    out
}

fn message(out: &mut String, api: Api, name: &str, suffix: &str, part: &str, element: &str) {
    let prefix = api.namespace.name();
    line(
        out,
        format_args!(
            "<message name=\"{name}{suffix}\"><part name=\"{part}\" element=\"{prefix}:{element}\"/></message>"
        ),
    );
}

/// The faults of a method; every one may raise a `RuntimeFault`.
fn method_faults(method: &Method) -> impl Iterator<Item = &'static str> {
    method.faults().chain([RuntimeFault::TYPE]).map(TypeId::name)
}

fn port_type(out: &mut String, api: Api) {
    let prefix = api.namespace.name();
    line(out, format_args!("<portType name=\"{}PortType\">", api.capital()));
    for method in api.methods() {
        let name = method.name;
        line(out, format_args!("<operation name=\"{name}\">"));
        line(out, format_args!("<input message=\"{prefix}:{name}RequestMsg\"/>"));
        line(out, format_args!("<output message=\"{prefix}:{name}ResponseMsg\"/>"));
        for fault in method_faults(method) {
            line(out, format_args!("<fault name=\"{fault}\" message=\"{prefix}:{fault}FaultMsg\"/>"));
        }
        out.push_str("</operation>\n");
    }
    out.push_str("</portType>\n");
}

fn soap_binding(out: &mut String, api: Api) {
    let (prefix, capital) = (api.namespace.name(), api.capital());
    let action = format!("{}/{}", api.namespace.urn(), api.version.id(api.namespace));
    line(
        out,
        format_args!(
            "<binding name=\"{capital}Binding\" type=\"{prefix}:{capital}PortType\">\n\
             <soap:binding style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>"
        ),
    );
    for method in api.methods() {
        line(
            out,
            format_args!(
                "<operation name=\"{}\"><soap:operation soapAction=\"{action}\" style=\"document\"/>\n\
                 <input><soap:body use=\"literal\"/></input><output><soap:body use=\"literal\"/></output>",
                method.name
            ),
        );
        for fault in method_faults(method) {
            line(out, format_args!("<fault name=\"{fault}\"><soap:fault name=\"{fault}\" use=\"literal\"/></fault>"));
        }
        out.push_str("</operation>\n");
    }
    out.push_str("</binding>\n");
}

/// The version that the service claims to be, and the older ones that it also speaks, newest first.
pub(super) fn versions(api: Api, claimed: Option<&str>) -> String {
    let ids = api.namespace.versions();
    let current = usize::from(api.version.0).min(ids.len() - 1);
    let is_number = |id: &&&str| id.split('.').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let mut published = ids[..=current].iter().rev().filter(is_number);
    let mut out = String::from(HEADER);
    let urn = api.namespace.urn();
    line(&mut out, format_args!("<namespaces version=\"1.0\">\n<namespace>\n<name>{urn}</name>"));
    if let Some(newest) = claimed.or_else(|| published.next().copied()) {
        line(&mut out, format_args!("<version>{newest}</version>\n<priorVersions>"));
    }
    for id in published {
        line(&mut out, format_args!("<version>{id}</version>"));
    }
    out.push_str("</priorVersions>\n</namespace>\n</namespaces>\n");
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use quick_xml::Reader;
    use quick_xml::events::Event;
    use vimsim_types::{Namespace, Version};

    use crate::wsdl::document;

    fn vim(name: &str, version: &str) -> String {
        let version = Version::parse(Namespace::VIM25, version).expect("a version");
        document(Namespace::VIM25, name, version, None, "https://host/sdk?a&b").expect(name)
    }

    /// All attributes of this name.
    fn attributes(document: &str, wanted: &str) -> Vec<String> {
        let mut reader = Reader::from_str(document);
        let mut found = Vec::new();
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(tag) | Event::Empty(tag) => {
                    let attributes = tag.attributes().map(|attribute| attribute.expect("well-formed"));
                    let values = attributes.filter(|attribute| attribute.key.0 == wanted.as_bytes());
                    found.extend(values.map(|attribute| String::from_utf8(attribute.value.into()).expect("UTF-8")));
                }
                Event::Eof => return found,
                _ => (),
            }
        }
    }

    #[test]
    fn every_reference_to_a_type_is_to_one_that_is_there() {
        for namespace in Namespace::all() {
            let prefix = super::prefix(namespace);
            let last = namespace.versions().len() as u8 - 1;
            for version in [Version(last), Version(last / 2), Version(0)] {
                let document =
                    |kind| document(namespace, &format!("{prefix}{kind}"), version, None, "").expect("known");
                let (types, messages) = (document("-types.xsd"), document("-messagetypes.xsd"));
                let names = attributes(&types, "name").into_iter().chain(attributes(&messages, "name"));
                let names: HashSet<String> = names.collect();
                let own = format!("{}:", namespace.name());
                for attribute in ["type", "base"] {
                    for used in attributes(&types, attribute).into_iter().chain(attributes(&messages, attribute)) {
                        let Some(local) = used.strip_prefix(&own) else { continue };
                        assert!(names.contains(local), "{used} in {}", version.id(namespace));
                    }
                }
            }
        }
    }

    #[test]
    fn versions_are_those_up_to_the_claimed_one() {
        let versions = vim("vimServiceVersions.xml", "6.7.3");
        assert!(
            versions.contains("<name>urn:vim25</name>\n<version>6.7.3</version>\n<priorVersions>\n<version>6.7.2<")
        );
        assert!(
            !versions.contains("7.0") && !versions.contains("2.5u2") && versions.contains("<version>2.5</version>")
        );
        let newest = document(Namespace::VIM25, "vimServiceVersions.xml", Version::NEWEST, None, "").expect("known");
        assert!(!newest.contains("m5CA1EF4D"), "{newest}");
        let claimed = document(Namespace::VIM25, "vimServiceVersions.xml", Version::NEWEST, Some("uE53DA"), "");
        assert!(claimed.expect("known").contains("</name>\n<version>uE53DA</version>\n<priorVersions>\n<version>9"));
    }

    #[test]
    fn the_service_has_the_address_it_is_reached_at() {
        assert_eq!(attributes(&vim("vimService.wsdl", "8.0.3.0"), "location")[1], "https://host/sdk?a&amp;b");
        assert!(vim("vim.wsdl", "8.0.3.0").contains("soapAction=\"urn:vim25/8.0.3.0\""));
    }

    #[test]
    fn internal_methods_and_newer_ones_are_not_described() {
        let wsdl = vim("vim.wsdl", "6.7");
        assert!(wsdl.contains("<operation name=\"PowerOnVM_Task\">"));
        assert!(!wsdl.contains("<operation name=\"Fetch\">"));
        assert!(!wsdl.contains("<operation name=\"IncreaseDirectorySize\">"));
        assert!(vim("vim.wsdl", "9.0.0.0").contains("<operation name=\"IncreaseDirectorySize\">"));
    }

    #[test]
    fn other_names_have_no_document() {
        for name in ["", "vim", "vim.xsd", "../vim.wsdl", "vim25Service.wsdl", "Service.wsdl"] {
            assert!(document(Namespace::VIM25, name, Version::NEWEST, None, "").is_none(), "{name}");
        }
        assert!(document(Namespace::VIM25, "pbm-types.xsd", Version::NEWEST, None, "").is_some());
    }
}
