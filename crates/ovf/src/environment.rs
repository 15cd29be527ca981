//! OVF environments: what a machine's guest is told of itself (DMTF DSP0243, section 11, with VMware's additions).

use crate::xml::escaped;

/// What a guest is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// The machine's reference.
    pub id: String,
    /// What it runs on, and in which version.
    pub platform: (String, String),
    /// Properties and their values.
    pub properties: Vec<(String, String)>,
    /// Network adapters: their addresses, networks and unit numbers.
    pub adapters: Vec<(String, String, i32)>,
}

impl Environment {
    /// The environment as a document.
    pub fn write(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Environment\n");
        out += "     xmlns=\"http://schemas.dmtf.org/ovf/environment/1\"\n";
        out += "     xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n";
        out += "     xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\"\n";
        out += "     xmlns:ve=\"http://www.vmware.com/schema/ovfenv\"\n";
        out += &format!("     oe:id=\"\"\n     ve:vCenterId=\"{}\">\n", escaped(&self.id));
        let (kind, version) = &self.platform;
        out += &format!("   <PlatformSection>\n      <Kind>{}</Kind>\n", escaped(kind));
        out += &format!("      <Version>{}</Version>\n", escaped(version));
        out += "      <Vendor>VMware, Inc.</Vendor>\n      <Locale>en</Locale>\n   </PlatformSection>\n";
        if !self.properties.is_empty() {
            out += "   <PropertySection>\n";
            for (key, value) in &self.properties {
                out += &format!("      <Property oe:key=\"{}\" oe:value=\"{}\"/>\n", escaped(key), escaped(value));
            }
            out += "   </PropertySection>\n";
        }
        out += "   <ve:EthernetAdapterSection>\n";
        for (address, network, unit) in &self.adapters {
            let (address, network) = (escaped(address), escaped(network));
            out += &format!(
                "      <ve:Adapter ve:mac=\"{address}\" ve:network=\"{network}\" ve:unitNumber=\"{unit}\"/>\n"
            );
        }
        out + "   </ve:EthernetAdapterSection>\n</Environment>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_xml() {
        let environment = Environment {
            id: "vm-1".into(),
            platform: ("VMware ESXi".into(), "8.0.3".into()),
            properties: vec![("app.name".into(), "a<b".into())],
            adapters: vec![("00:0c:29:00:00:01".into(), "VM Network".into(), 7)],
        };
        let root = crate::xml::parse(&environment.write()).expect("XML");
        let property = root.child("PropertySection").and_then(|section| section.child("Property")).expect("a property");
        assert_eq!((property.attribute("key"), property.attribute("value")), (Some("app.name"), Some("a<b")));
        assert_eq!(root.attribute("vCenterId"), Some("vm-1"));
    }
}
