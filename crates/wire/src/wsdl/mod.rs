//! The description of the service as WSDL and XML Schema, written from the tables for one version of the API.
//!
//! A namespace has five documents, which refer to each other by these names; for vim25 the prefix is `vim`:
//!
//! | document | what is in it |
//! | --- | --- |
//! | `vimService.wsdl` | the service and its address; imports `vim.wsdl` |
//! | `vim.wsdl` | messages, port type and binding |
//! | `vim-messagetypes.xsd` | the elements of requests, responses and faults |
//! | `vim-types.xsd` | the data objects and enumerations |
//! | `vimServiceVersions.xml` | the versions that the service speaks |

mod messages;
mod service;
mod types;

use vimsim_types::{Method, Namespace, Ty, TypeId, Version};

use crate::names;

/// The document of this name, which may be of another namespace that documents of `namespace` refer to; that is then
/// described in its newest version.
///
/// `version` is the newest one that is served; `claimed` is what the service calls it where this is no name of it, and
/// `url` is its address.
pub fn document(
    namespace: Namespace,
    name: &str,
    version: Version,
    claimed: Option<&str>,
    url: &str,
) -> Option<String> {
    let (described, kind) = Namespace::all().find_map(|described| {
        let kind = name.strip_prefix(prefix(described))?;
        KINDS.contains(&kind).then_some((described, kind))
    })?;
    let version = if described == namespace { version } else { Version::NEWEST };
    let api = Api { namespace: described, version };
    Some(match kind {
        "Service.wsdl" => service::service(api, url),
        ".wsdl" => service::binding(api),
        "-messagetypes.xsd" => messages::schema(api),
        "-types.xsd" => types::schema(api),
        _ => service::versions(api, claimed.filter(|_| described == namespace)),
    })
}

const KINDS: [&str; 5] = ["Service.wsdl", ".wsdl", "-messagetypes.xsd", "-types.xsd", "ServiceVersions.xml"];

const HEADER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// What the files of a namespace are called, up to what is in them.
fn prefix(namespace: Namespace) -> &'static str {
    if namespace == Namespace::VIM25 { "vim" } else { namespace.name() }
}

/// A namespace as of a version: what the documents describe.
#[derive(Clone, Copy)]
struct Api {
    namespace: Namespace,
    version: Version,
}

impl Api {
    /// The types that the namespace declares, in table order.
    fn types(self) -> impl Iterator<Item = TypeId> {
        TypeId::all().filter(move |id| {
            let info = id.info();
            info.namespace == self.namespace && info.since <= self.version
        })
    }

    /// The published methods.
    fn methods(self) -> impl Iterator<Item = &'static Method> {
        let known = move |method: &&Method| method.namespace() == self.namespace && method.since <= self.version;
        Method::all().iter().filter(|method| !method.is_internal()).filter(known)
    }

    /// The prefix of its names in what clients generate: `Vim`.
    fn capital(self) -> String {
        let (first, rest) = prefix(self.namespace).split_at(1);
        first.to_ascii_uppercase() + rest
    }

    /// The prefix declarations of a document: every namespace has one.
    fn declarations(self) -> String {
        let one = |namespace: Namespace| format!(" xmlns:{}=\"{}\"", namespace.name(), namespace.urn());
        Namespace::all().map(one).collect::<String>() + " xmlns:xsd=\"" + names::SCHEMA + "\""
    }
}

/// The qualified name of a type, with the prefixes of [`Api::declarations`].
fn type_name(ty: Ty) -> String {
    match ty {
        Ty::Data(id) | Ty::Enum(id) => format!("{}:{}", id.info().namespace.name(), id.name()),
        Ty::Moref(_) => "vim25:ManagedObjectReference".into(),
        _ => format!("xsd:{}", ty.name()),
    }
}

/// The declaration of an element in a sequence.
fn element(name: &str, ty: Ty, optional: bool, list: bool) -> String {
    let minimum = if optional { " minOccurs=\"0\"" } else { "" };
    let maximum = if list { " maxOccurs=\"unbounded\"" } else { "" };
    format!("<element name=\"{name}\" type=\"{}\"{minimum}{maximum}/>\n", type_name(ty))
}
