//! The calls that are measured, as text, and the little that is read of their answers.

use anyhow::{Context, Result};

use crate::client::{Connection, find};

/// A managed object: its type and its identifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moref {
    pub(crate) kind: String,
    pub(crate) value: String,
}

impl Moref {
    pub(crate) fn new(kind: &str, value: &str) -> Self {
        Self { kind: kind.into(), value: value.into() }
    }

    pub(crate) fn virtual_machine(value: &str) -> Self {
        Self::new("VirtualMachine", value)
    }
}

/// The service's objects that a client needs.
pub(crate) struct Content {
    pub(crate) root_folder: Moref,
    pub(crate) property_collector: Moref,
    pub(crate) view_manager: Moref,
    pub(crate) session_manager: Moref,
}

/// The envelope of a call.
pub(crate) fn call(this: &Moref, method: &str, arguments: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><{method} xmlns=\"urn:vim25\">{}\
         {arguments}</{method}></soapenv:Body></soapenv:Envelope>",
        element("_this", this)
    )
}

/// An element that holds a reference.
pub(crate) fn element(name: &str, moref: &Moref) -> String {
    format!("<{name} type=\"{}\">{}</{name}>", moref.kind, moref.value)
}

/// A `specSet` for properties of one object, or all of them if none is named.
pub(crate) fn object_spec(name: &str, object: &Moref, paths: &[&str]) -> String {
    let (properties, object) = (property_spec(&object.kind, paths), element("obj", object));
    format!("<{name}><propSet>{properties}</propSet><objectSet>{object}</objectSet></{name}>")
}

/// A `specSet` for properties of the objects of a type in a container view, or what else it is called.
pub(crate) fn view_spec(name: &str, view: &Moref, kind: &str, paths: &[&str]) -> String {
    let (properties, view) = (property_spec(kind, paths), element("obj", view));
    format!(
        "<{name}><propSet>{properties}</propSet><objectSet>{view}<skip>true</skip><selectSet \
         xsi:type=\"TraversalSpec\"><name>view</name><type>ContainerView</type><path>view</path></selectSet>\
         </objectSet></{name}>"
    )
}

fn property_spec(kind: &str, paths: &[&str]) -> String {
    let all = paths.is_empty();
    let paths: String = paths.iter().map(|path| format!("<pathSet>{path}</pathSet>")).collect();
    format!("<type>{kind}</type><all>{all}</all>{paths}")
}

/// `RetrievePropertiesEx` for one object.
pub(crate) fn retrieve(content: &Content, object: &Moref, paths: &[&str]) -> String {
    let specification = object_spec("specSet", object, paths);
    call(&content.property_collector, "RetrievePropertiesEx", &format!("{specification}<options/>"))
}

/// Reads the service content and begins a session on this connection.
pub(crate) async fn log_in(connection: &mut Connection) -> Result<Content> {
    let service_instance = Moref::new("ServiceInstance", "ServiceInstance");
    let body = connection.call(&call(&service_instance, "RetrieveServiceContent", "")).await?;
    let named =
        |name, kind| text(body, name).map(|value| Moref::new(kind, value)).with_context(|| format!("no {name}"));
    let content = Content {
        root_folder: named("rootFolder", "Folder")?,
        property_collector: named("propertyCollector", "PropertyCollector")?,
        view_manager: named("viewManager", "ViewManager")?,
        session_manager: named("sessionManager", "SessionManager")?,
    };
    let credentials = "<userName>user</userName><password>pass</password>";
    connection.call(&call(&content.session_manager, "Login", credentials)).await?;
    Ok(content)
}

/// Makes a view of all virtual machines.
pub(crate) async fn view_all(connection: &mut Connection, content: &Content) -> Result<Moref> {
    view_of(connection, content, "VirtualMachine").await
}

/// Makes a view of all objects of a type.
pub(crate) async fn view_of(connection: &mut Connection, content: &Content, kind: &str) -> Result<Moref> {
    let container = element("container", &content.root_folder);
    let arguments = format!("{container}<type>{kind}</type><recursive>true</recursive>");
    let body = connection.call(&call(&content.view_manager, "CreateContainerView", &arguments)).await?;
    Ok(Moref::new("ContainerView", text(body, "returnval").context("no view")?))
}

/// Makes a property collector.
pub(crate) async fn create_collector(connection: &mut Connection, content: &Content) -> Result<Moref> {
    let body = connection.call(&call(&content.property_collector, "CreatePropertyCollector", "")).await?;
    Ok(Moref::new("PropertyCollector", text(body, "returnval").context("no property collector")?))
}

/// `RetrievePropertiesEx` for the virtual machines in a view.
pub(crate) fn retrieve_all(content: &Content, view: &Moref, paths: &[&str]) -> String {
    retrieve_view(content, view, "VirtualMachine", paths)
}

/// `RetrievePropertiesEx` for the objects of a type in a view.
pub(crate) fn retrieve_view(content: &Content, view: &Moref, kind: &str, paths: &[&str]) -> String {
    let specification = view_spec("specSet", view, kind, paths);
    call(&content.property_collector, "RetrievePropertiesEx", &format!("{specification}<options/>"))
}

/// The text in the first element of this name, whatever its prefix and attributes; none if the element is empty.
pub(crate) fn text<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    elements(body, name).next()
}

/// The text in each element of this name, as far as it begins with some.
pub(crate) fn elements<'a>(body: &'a [u8], name: &str) -> impl Iterator<Item = &'a str> {
    let start = format!("<{name}");
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[find(rest, start.as_bytes())? + start.len()..];
            if !matches!(rest.first()?, b'>' | b' ' | b'\n') {
                continue;
            }
            rest = &rest[find(rest, b">")? + 1..];
            let end = rest.iter().position(|byte| *byte == b'<')?;
            if end > 0 {
                return str::from_utf8(&rest[..end]).ok();
            }
        }
    })
}

/// How often an element of this name begins.
pub(crate) fn count(body: &[u8], name: &str) -> usize {
    let start = format!("<{name}>");
    let (mut rest, mut count) = (body, 0);
    while let Some(at) = find(rest, start.as_bytes()) {
        rest = &rest[at + start.len()..];
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_in_elements() {
        let body = b"<a><names>no</names><name/><name x='1'>one</name>\n<name>two</name><b><name></name></b></a>";
        assert_eq!(elements(body, "name").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(text(body, "nam"), None);
        assert_eq!(count(body, "name"), 2);
    }

    #[test]
    fn names_properties_or_asks_for_all() {
        let machine = Moref::virtual_machine("vm-1");
        let spec = object_spec("spec", &machine, &["name"]);
        assert!(spec.contains("<all>false</all><pathSet>name</pathSet></propSet>"), "{spec}");
        assert!(object_spec("spec", &machine, &[]).contains("<type>VirtualMachine</type><all>true</all></propSet>"));
    }
}
