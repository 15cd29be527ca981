//! Reading descriptors.

use std::collections::HashMap;

use crate::xml::{Error, Node};
use crate::{
    Configuration, Disk, Envelope, File, Guest, Hardware, Item, Product, Property, Startup, System, multiplier,
};

/// The texts that a descriptor has apart, by their identifiers.
type Messages = HashMap<String, String>;

pub(crate) fn envelope(root: &Node) -> Result<Envelope, Error> {
    if root.name != "Envelope" {
        return Err(Error::Missing("Envelope"));
    }
    // Of several languages, the first is the descriptor's own.
    let strings = root.child("Strings").into_iter().flat_map(|strings| strings.children("Msg"));
    let messages = strings.filter_map(|message| Some((message.owned("msgid")?, message.text.trim().to_string())));
    let reader = Reader { messages: messages.collect() };
    let references = root.child("References").into_iter().flat_map(|it| it.children("File"));
    let disks = root.child("DiskSection").into_iter().flat_map(|it| it.children("Disk"));
    let networks = root.child("NetworkSection").into_iter().flat_map(|it| it.children("Network"));
    let configurations = root.child("DeploymentOptionSection").into_iter().flat_map(|it| it.children("Configuration"));
    let system = root.child("VirtualSystem").or_else(|| root.child("VirtualSystemCollection"));
    Ok(Envelope {
        files: references.map(file).collect::<Result<_, _>>()?,
        disks: disks.map(disk).collect::<Result<_, _>>()?,
        networks: networks
            .map(|it| (it.owned("name").unwrap_or_default(), reader.text(it, "Description").unwrap_or_default()))
            .collect(),
        configurations: configurations.map(|it| reader.configuration(it)).collect(),
        system: reader.system(system.ok_or(Error::Missing("VirtualSystem"))?)?,
    })
}

/// A number, if it is there.
fn number(name: &'static str, text: Option<&str>) -> Result<Option<i64>, Error> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let value = text.parse::<i64>().map_err(|_| Error::Value { name, value: text.into() })?;
    match value {
        0.. => Ok(Some(value)),
        _ => Err(Error::Value { name, value: text.into() }),
    }
}

fn small(name: &'static str, text: Option<&str>) -> Result<Option<i32>, Error> {
    let value = number(name, text)?;
    value.map(|value| i32::try_from(value).map_err(|_| Error::Value { name, value: value.to_string() })).transpose()
}

fn is_true(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "1" | "yes")
}

fn file(node: &Node) -> Result<File, Error> {
    Ok(File {
        id: node.owned("id").unwrap_or_default(),
        href: node.owned("href").ok_or(Error::Missing("href of a File"))?,
        size: number("the size of a file", node.attribute("size"))?,
        compression: node.owned("compression").filter(|name| !name.is_empty() && name != "identity"),
        chunk_size: number("the chunk size of a file", node.attribute("chunkSize"))?,
    })
}

fn disk(node: &Node) -> Result<Disk, Error> {
    // Some descriptors have it a property: `${disk.size}`. What that stands for is not known before deployment.
    let capacity = node.attribute("capacity").filter(|text| !text.starts_with("${"));
    let capacity = number("the capacity of a disk", capacity)?.unwrap_or_default();
    let units = multiplier(node.attribute("capacityAllocationUnits").unwrap_or("byte"));
    Ok(Disk {
        id: node.owned("diskId").ok_or(Error::Missing("diskId of a Disk"))?,
        capacity: capacity.saturating_mul(units),
        file: node.owned("fileRef").filter(|id| !id.is_empty()),
        format: node.owned("format"),
        populated: number("the populated size of a disk", node.attribute("populatedSize"))?,
    })
}

struct Reader {
    messages: Messages,
}

impl Reader {
    /// The text of a child, or the message that it names.
    fn text(&self, node: &Node, name: &str) -> Option<String> {
        let child = node.child(name)?;
        let message = child.attribute("msgid").and_then(|id| self.messages.get(id));
        Some(message.cloned().unwrap_or_else(|| child.text.trim().to_string()))
    }

    fn configuration(&self, node: &Node) -> Configuration {
        Configuration {
            id: node.owned("id").unwrap_or_default(),
            label: self.text(node, "Label").unwrap_or_default(),
            description: self.text(node, "Description").unwrap_or_default(),
            is_default: node.attribute("default").is_some_and(is_true),
        }
    }

    fn system(&self, node: &Node) -> Result<System, Error> {
        let is_group = node.name == "VirtualSystemCollection";
        let parts = ["VirtualSystem", "VirtualSystemCollection"];
        let children = node.children.iter().filter(|child| parts.contains(&child.name.as_str()));
        let children = children.map(|child| self.system(child)).collect::<Result<Vec<_>, _>>()?;
        let startup = node.child("StartupSection").into_iter().flat_map(|it| it.children("Item"));
        let hardware = node.child("VirtualHardwareSection");
        let transport = hardware.and_then(|it| it.attribute("transport")).unwrap_or_default();
        Ok(System {
            id: node.owned("id").unwrap_or_default(),
            name: self.text(node, "Name"),
            annotation: node.child("AnnotationSection").and_then(|it| self.text(it, "Annotation")),
            eula: node.children("EulaSection").filter_map(|it| self.text(it, "License")).collect(),
            products: node.children("ProductSection").map(|it| self.product(it)).collect(),
            transport: transport.split_whitespace().map(String::from).collect(),
            children: is_group.then_some(children),
            startup: startup.map(startup_item).collect::<Result<_, _>>()?,
            guest: node.child("OperatingSystemSection").map(|it| self.guest(it)).transpose()?,
            hardware: hardware.map(|it| self.hardware(it)).transpose()?.unwrap_or_default(),
        })
    }

    fn guest(&self, node: &Node) -> Result<Guest, Error> {
        Ok(Guest {
            id: small("the id of an operating system", node.attribute("id"))?.unwrap_or_default(),
            os_type: node.owned("osType").filter(|name| !name.is_empty()),
            description: self.text(node, "Description"),
        })
    }

    fn product(&self, node: &Node) -> Product {
        let mut product = Product {
            class: node.owned("class").unwrap_or_default(),
            instance: node.owned("instance").unwrap_or_default(),
            name: self.text(node, "Product"),
            vendor: self.text(node, "Vendor"),
            version: self.text(node, "Version"),
            full_version: self.text(node, "FullVersion"),
            product_url: self.text(node, "ProductUrl"),
            vendor_url: self.text(node, "VendorUrl"),
            app_url: self.text(node, "AppUrl"),
            properties: Vec::new(),
        };
        // A heading holds for what follows it.
        let mut category = None;
        for child in &node.children {
            match child.name.as_str() {
                "Category" => {
                    let message = child.attribute("msgid").and_then(|id| self.messages.get(id));
                    category = Some(message.cloned().unwrap_or_else(|| child.text.trim().to_string()));
                }
                "Property" => product.properties.push(self.property(child, category.clone())),
                _ => {}
            }
        }
        product
    }

    fn property(&self, node: &Node, category: Option<String>) -> Property {
        let kind = node.attribute("type").unwrap_or("string");
        let qualifiers = node.attribute("qualifiers").filter(|text| !text.is_empty());
        let is_password = node.attribute("password").is_some_and(is_true);
        let values = node.children("Value").filter_map(|it| Some((it.owned("configuration")?, it.owned("value")?)));
        Property {
            key: node.owned("key").unwrap_or_default(),
            category,
            type_name: match (kind, qualifiers) {
                ("string", None) if is_password => "password".into(),
                ("string", Some(text)) if is_password => format!("password({text})"),
                (kind, Some(text)) => format!("{kind}({text})"),
                (kind, None) => kind.into(),
            },
            user_configurable: node.attribute("userConfigurable").is_some_and(is_true),
            default: node.owned("value").unwrap_or_default(),
            defaults: values.collect(),
            label: self.text(node, "Label"),
            description: self.text(node, "Description"),
        }
    }

    fn hardware(&self, node: &Node) -> Result<Hardware, Error> {
        let types = node.child("System").and_then(|it| it.child_text("VirtualSystemType")).unwrap_or_default();
        let parts = ["Item", "StorageItem", "EthernetPortItem"];
        let items = node.children.iter().filter(|child| parts.contains(&child.name.as_str()));
        Ok(Hardware {
            system_types: types.split([',', ' ']).filter(|name| !name.is_empty()).map(String::from).collect(),
            items: items.map(|it| self.item(it)).collect::<Result<_, _>>()?,
            config: pairs(node, "Config"),
            extra_config: pairs(node, "ExtraConfig"),
        })
    }

    fn item(&self, node: &Node) -> Result<Item, Error> {
        let text = |name: &str| node.child_text(name).filter(|text| !text.is_empty());
        let amount = |name: &'static str| number(name, text(name).as_deref());
        let list = |name: &'static str| node.children(name).map(|it| it.text.trim().to_string()).collect::<Vec<_>>();
        let configurations = node.attribute("configuration").unwrap_or_default();
        // An adapter's address is its MAC address, a controller's its number.
        let address = text("Address");
        let number = address.as_deref().and_then(|text| text.parse().ok());
        // Units of a network adapter may be anything.
        let unit = text("AddressOnParent").and_then(|text| text.parse().ok());
        // A negative limit is none.
        let limit = text("Limit").and_then(|text| text.parse().ok()).filter(|limit| *limit >= 0);
        let kind = small("ResourceType", text("ResourceType").as_deref())?;
        Ok(Item {
            instance_id: text("InstanceID").or_else(|| text("InstanceId")).unwrap_or_default(),
            resource_type: kind.ok_or(Error::Missing("ResourceType of an Item"))?,
            sub_type: text("ResourceSubType"),
            name: self.text(node, "ElementName").or_else(|| self.text(node, "Caption")).unwrap_or_default(),
            description: self.text(node, "Description"),
            address: number,
            address_on_parent: unit,
            parent: text("Parent"),
            host_resource: list("HostResource"),
            connection: list("Connection"),
            quantity: amount("VirtualQuantity")?,
            units: text("AllocationUnits"),
            reservation: amount("Reservation")?,
            limit,
            weight: amount("Weight")?,
            automatic: text("AutomaticAllocation").map(|text| is_true(&text)),
            own_address: address.filter(|_| number.is_none()),
            is_required: node.attribute("required").is_none_or(is_true),
            configurations: configurations.split_whitespace().map(String::from).collect(),
            is_bound: node.attribute("bound").is_some_and(|bound| bound != "normal"),
            config: pairs(node, "Config"),
        })
    }
}

/// Keys and values of VMware's own elements.
fn pairs(node: &Node, name: &str) -> Vec<(String, String)> {
    let pair = |it: &Node| Some((it.owned("key")?, it.owned("value")?));
    node.children(name).filter_map(pair).collect()
}

fn startup_item(node: &Node) -> Result<Startup, Error> {
    Ok(Startup {
        id: node.owned("id").unwrap_or_default(),
        order: small("the order of a start", node.attribute("order"))?.unwrap_or_default(),
        start_delay: small("the delay of a start", node.attribute("startDelay"))?,
        stop_delay: small("the delay of a stop", node.attribute("stopDelay"))?,
        waiting_for_guest: node.attribute("waitingForGuest").map(is_true),
        start_action: node.owned("startAction"),
        stop_action: node.owned("stopAction"),
    })
}
