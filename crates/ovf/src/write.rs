//! Writing descriptors.

use std::fmt::{Display, Write};

use crate::xml::escaped;
use crate::{Disk, Envelope, File, Hardware, Item, Product, Property, System};

/// The prefixes that descriptors have, and what they stand for.
const NAMESPACES: &str = "xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" \
    xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" \
    xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData\" \
    xmlns:vmw=\"http://www.vmware.com/schema/ovf\" \
    xmlns:vssd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// A document under way.
#[derive(Default)]
struct Document {
    text: String,
    depth: usize,
}

/// The attributes of an element: those without a value are left out.
type Attributes<'a> = &'a [(&'a str, Option<String>)];

impl Document {
    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.text, "{:width$}{line}", "", width = self.depth * 2);
    }

    fn tag(name: &str, attributes: Attributes<'_>) -> String {
        let mut tag = name.to_string();
        for (name, value) in attributes {
            if let Some(value) = value {
                let _ = write!(tag, " {name}=\"{}\"", escaped(value));
            }
        }
        tag
    }

    /// An element with others in it.
    fn element(&mut self, name: &str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.line(format_args!("<{}>", Self::tag(name, attributes)));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line(format_args!("</{name}>"));
    }

    /// An element with nothing in it.
    fn empty(&mut self, name: &str, attributes: Attributes<'_>) {
        self.line(format_args!("<{}/>", Self::tag(name, attributes)));
    }

    /// An element with text in it.
    fn text(&mut self, name: &str, text: impl Display) {
        self.line(format_args!("<{name}>{}</{name}>", escaped(&text.to_string())));
    }

    /// The same, if there is a text.
    fn maybe(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }
}

fn some(text: impl Display) -> Option<String> {
    Some(text.to_string())
}

pub(crate) fn envelope(envelope: &Envelope) -> String {
    let mut out = Document { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into(), depth: 0 };
    out.line(format_args!("<Envelope {NAMESPACES}>"));
    out.depth += 1;
    out.element("References", &[], |out| envelope.files.iter().for_each(|it| file(out, it)));
    if !envelope.disks.is_empty() {
        out.element("DiskSection", &[], |out| {
            out.text("Info", "Virtual disk information");
            envelope.disks.iter().for_each(|it| disk(out, it));
        });
    }
    if !envelope.networks.is_empty() {
        out.element("NetworkSection", &[], |out| {
            out.text("Info", "The list of logical networks");
            for (name, description) in &envelope.networks {
                out.element("Network", &[("ovf:name", some(name))], |out| out.text("Description", description));
            }
        });
    }
    if !envelope.configurations.is_empty() {
        out.element("DeploymentOptionSection", &[], |out| {
            out.text("Info", "The list of deployment options");
            for it in &envelope.configurations {
                let is_default = it.is_default.then(|| "true".into());
                out.element("Configuration", &[("ovf:id", some(&it.id)), ("ovf:default", is_default)], |out| {
                    out.text("Label", &it.label);
                    out.text("Description", &it.description);
                });
            }
        });
    }
    system(&mut out, &envelope.system);
    out.depth -= 1;
    out.line("</Envelope>");
    out.text
}

fn file(out: &mut Document, file: &File) {
    out.empty(
        "File",
        &[
            ("ovf:id", some(&file.id)),
            ("ovf:href", some(&file.href)),
            ("ovf:size", file.size.and_then(some)),
            ("ovf:compression", file.compression.clone()),
            ("ovf:chunkSize", file.chunk_size.and_then(some)),
        ],
    );
}

fn disk(out: &mut Document, disk: &Disk) {
    // In the largest unit that says it exactly.
    let powers = [40_u32, 30, 20, 10].into_iter();
    let power = powers.into_iter().find(|power| disk.capacity > 0 && disk.capacity % (1_i64 << power) == 0);
    let (capacity, units) = match power {
        Some(power) => (disk.capacity >> power, format!("byte * 2^{power}")),
        None => (disk.capacity, "byte".into()),
    };
    out.empty(
        "Disk",
        &[
            ("ovf:capacity", some(capacity)),
            ("ovf:capacityAllocationUnits", Some(units)),
            ("ovf:diskId", some(&disk.id)),
            ("ovf:fileRef", disk.file.clone()),
            ("ovf:format", disk.format.clone()),
            ("ovf:populatedSize", disk.populated.and_then(some)),
        ],
    );
}

fn system(out: &mut Document, it: &System) {
    let name = if it.children.is_some() { "VirtualSystemCollection" } else { "VirtualSystem" };
    out.element(name, &[("ovf:id", some(&it.id))], |out| {
        out.text("Info", if it.children.is_some() { "A group of virtual machines" } else { "A virtual machine" });
        out.maybe("Name", it.name.as_ref());
        if let Some(annotation) = &it.annotation {
            out.element("AnnotationSection", &[], |out| {
                out.text("Info", "A human-readable annotation");
                out.text("Annotation", annotation);
            });
        }
        for license in &it.eula {
            out.element("EulaSection", &[], |out| {
                out.text("Info", "An end-user license agreement");
                out.text("License", license);
            });
        }
        it.products.iter().for_each(|it| product(out, it));
        if !it.startup.is_empty() {
            startup(out, it);
        }
        match &it.children {
            Some(children) => children.iter().for_each(|child| system(out, child)),
            None => machine(out, it),
        }
    });
}

fn startup(out: &mut Document, it: &System) {
    out.element("StartupSection", &[], |out| {
        out.text("Info", "Startup order of the virtual machines");
        for it in &it.startup {
            out.empty(
                "Item",
                &[
                    ("ovf:id", some(&it.id)),
                    ("ovf:order", some(it.order)),
                    ("ovf:startDelay", it.start_delay.and_then(some)),
                    ("ovf:stopDelay", it.stop_delay.and_then(some)),
                    ("ovf:waitingForGuest", it.waiting_for_guest.and_then(some)),
                    ("ovf:startAction", it.start_action.clone()),
                    ("ovf:stopAction", it.stop_action.clone()),
                ],
            );
        }
    });
}

fn product(out: &mut Document, it: &Product) {
    let attribute = |text: &String| (!text.is_empty()).then(|| text.clone());
    let attributes = [("ovf:class", attribute(&it.class)), ("ovf:instance", attribute(&it.instance))];
    out.element("ProductSection", &attributes, |out| {
        out.text("Info", "Information about the installed software");
        out.maybe("Product", it.name.as_ref());
        out.maybe("Vendor", it.vendor.as_ref());
        out.maybe("Version", it.version.as_ref());
        out.maybe("FullVersion", it.full_version.as_ref());
        out.maybe("ProductUrl", it.product_url.as_ref());
        out.maybe("VendorUrl", it.vendor_url.as_ref());
        out.maybe("AppUrl", it.app_url.as_ref());
        let mut category = None;
        for it in &it.properties {
            if it.category != category {
                category.clone_from(&it.category);
                out.maybe("Category", category.as_ref());
            }
            property(out, it);
        }
    });
}

fn property(out: &mut Document, it: &Property) {
    let (kind, qualifiers) = match it.type_name.split_once('(') {
        Some((kind, rest)) => (kind, rest.strip_suffix(')')),
        None => (it.type_name.as_str(), None),
    };
    let is_password = kind == "password";
    let attributes = [
        ("ovf:key", some(&it.key)),
        ("ovf:type", some(if is_password { "string" } else { kind })),
        ("ovf:password", is_password.then(|| "true".into())),
        ("ovf:qualifiers", qualifiers.map(String::from)),
        ("ovf:userConfigurable", some(it.user_configurable)),
        ("ovf:value", some(&it.default)),
    ];
    out.element("Property", &attributes, |out| {
        out.maybe("Label", it.label.as_ref());
        out.maybe("Description", it.description.as_ref());
        for (configuration, value) in &it.defaults {
            out.empty("Value", &[("ovf:configuration", some(configuration)), ("ovf:value", some(value))]);
        }
    });
}

fn machine(out: &mut Document, it: &System) {
    if let Some(guest) = &it.guest {
        let attributes = [("ovf:id", some(guest.id)), ("vmw:osType", guest.os_type.clone())];
        out.element("OperatingSystemSection", &attributes, |out| {
            out.text("Info", "The kind of installed guest operating system");
            out.maybe("Description", guest.description.as_ref());
        });
    }
    let transport = (!it.transport.is_empty()).then(|| it.transport.join(" "));
    out.element("VirtualHardwareSection", &[("ovf:transport", transport)], |out| hardware(out, it, &it.hardware));
}

fn hardware(out: &mut Document, system: &System, it: &Hardware) {
    out.text("Info", "Virtual hardware requirements");
    out.element("System", &[], |out| {
        out.text("vssd:ElementName", "Virtual Hardware Family");
        out.text("vssd:InstanceID", 0);
        out.text("vssd:VirtualSystemIdentifier", system.title());
        out.text("vssd:VirtualSystemType", it.system_types.join(","));
    });
    it.items.iter().for_each(|it| item(out, it));
    pairs(out, "vmw:Config", &it.config);
    pairs(out, "vmw:ExtraConfig", &it.extra_config);
}

fn pairs(out: &mut Document, name: &str, pairs: &[(String, String)]) {
    for (key, value) in pairs {
        let required = ("ovf:required", some(false));
        out.empty(name, &[required, ("vmw:key", some(key)), ("vmw:value", some(value))]);
    }
}

/// The elements of a part are in the order of the alphabet, as the schema wants them.
fn item(out: &mut Document, it: &Item) {
    let configurations = (!it.configurations.is_empty()).then(|| it.configurations.join(" "));
    let required = (!it.is_required).then(|| "false".into());
    out.element("Item", &[("ovf:required", required), ("ovf:configuration", configurations)], |out| {
        out.maybe("rasd:Address", it.own_address.clone().or(it.address.and_then(some)));
        out.maybe("rasd:AddressOnParent", it.address_on_parent);
        out.maybe("rasd:AllocationUnits", it.units.as_ref());
        out.maybe("rasd:AutomaticAllocation", it.automatic);
        it.connection.iter().for_each(|name| out.text("rasd:Connection", name));
        out.maybe("rasd:Description", it.description.as_ref());
        out.text("rasd:ElementName", &it.name);
        it.host_resource.iter().for_each(|name| out.text("rasd:HostResource", name));
        out.text("rasd:InstanceID", &it.instance_id);
        out.maybe("rasd:Limit", it.limit);
        out.maybe("rasd:Parent", it.parent.as_ref());
        out.maybe("rasd:Reservation", it.reservation);
        out.maybe("rasd:ResourceSubType", it.sub_type.as_ref());
        out.text("rasd:ResourceType", it.resource_type);
        out.maybe("rasd:VirtualQuantity", it.quantity);
        out.maybe("rasd:Weight", it.weight);
        pairs(out, "vmw:Config", &it.config);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Configuration, Guest, Startup};

    #[test]
    fn what_is_written_is_read_back() {
        let property = Property {
            key: "password".into(),
            category: Some("Access".into()),
            type_name: "password(MinLen(8))".into(),
            user_configurable: true,
            default: "a \"<&".into(),
            defaults: vec![("small".into(), "b".into())],
            label: Some("Label".into()),
            description: Some("Description".into()),
        };
        let product = Product {
            class: "com.example".into(),
            name: Some("Example".into()),
            version: Some("1".into()),
            properties: vec![property],
            ..Product::default()
        };
        let disk_item = Item {
            instance_id: "3".into(),
            resource_type: 17,
            name: "disk0".into(),
            address_on_parent: Some(0),
            parent: Some("2".into()),
            host_resource: vec!["ovf:/disk/vmdisk1".into()],
            is_required: true,
            config: vec![("backing.writeThrough".into(), "false".into())],
            ..Item::default()
        };
        let adapter = Item {
            instance_id: "4".into(),
            resource_type: 10,
            sub_type: Some("VmxNet3".into()),
            name: "ethernet0".into(),
            own_address: Some("00:50:56:00:00:01".into()),
            connection: vec!["nat".into()],
            automatic: Some(true),
            configurations: vec!["small".into(), "large".into()],
            ..Item::default()
        };
        let machine = System {
            id: "vm".into(),
            name: Some("a & b".into()),
            annotation: Some("first\nsecond".into()),
            eula: vec!["yes".into()],
            products: vec![product],
            transport: vec!["iso".into()],
            guest: Some(Guest { id: 36, os_type: Some("otherLinuxGuest".into()), description: None }),
            hardware: Hardware {
                system_types: vec!["vmx-13".into()],
                items: vec![disk_item, adapter],
                config: vec![("firmware".into(), "efi".into())],
                extra_config: vec![("a".into(), "b".into())],
            },
            ..System::default()
        };
        let startup = Startup { id: "vm".into(), order: 1, start_delay: Some(30), ..Startup::default() };
        let disk = Disk { id: "vmdisk1".into(), capacity: 30 << 20, file: Some("file1".into()), ..Disk::default() };
        let group =
            System { id: "group".into(), children: Some(vec![machine]), startup: vec![startup], ..System::default() };
        let envelope = Envelope {
            files: vec![File { id: "file1".into(), href: "disk.vmdk".into(), size: Some(5), ..File::default() }],
            disks: vec![disk, Disk { id: "vmdisk2".into(), capacity: 1_000_001, ..Disk::default() }],
            networks: vec![("nat".into(), "The nat network".into())],
            configurations: vec![Configuration { id: "small".into(), is_default: true, ..Configuration::default() }],
            system: group,
        };
        let text = envelope.write();
        let read = Envelope::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read, envelope, "{text}");
    }
}
