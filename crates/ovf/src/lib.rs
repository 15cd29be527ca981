//! OVF descriptors: virtual machines and groups of them as XML documents (DMTF DSP0243, with VMware's additions).
//!
//! [`Envelope::parse`] reads one, [`Envelope::write`] writes one. What they mean for vSphere is not decided here.

mod environment;
mod read;
mod write;
mod xml;

pub use environment::Environment;
pub use xml::{Error, Node, parse as parse_xml};

/// A descriptor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// The files that come with it.
    pub files: Vec<File>,
    /// The virtual disks.
    pub disks: Vec<Disk>,
    /// The networks that machines are on: their names and descriptions.
    pub networks: Vec<(String, String)>,
    /// The deployment options.
    pub configurations: Vec<Configuration>,
    /// The machine, or the group of machines.
    pub system: System,
}

/// A file that comes with a descriptor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// The name by which the descriptor knows it.
    pub id: String,
    /// Where it is, from the descriptor on.
    pub href: String,
    /// How many bytes it has, if that is said.
    pub size: Option<i64>,
    /// How it is compressed, if it is: `gzip`.
    pub compression: Option<String>,
    /// How many bytes each piece of it has, if it is in pieces.
    pub chunk_size: Option<i64>,
}

/// A virtual disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disk {
    /// The name by which the descriptor knows it.
    pub id: String,
    /// In bytes.
    pub capacity: i64,
    /// The file with its data; an empty disk has none.
    pub file: Option<String>,
    /// The format of that file, as a URL.
    pub format: Option<String>,
    /// How many bytes of it are used, if that is said.
    pub populated: Option<i64>,
}

/// A deployment option.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// What it is called in the descriptor.
    pub id: String,
    /// What people are shown.
    pub label: String,
    /// What it is for.
    pub description: String,
    /// Whether it is the one for who has not chosen.
    pub is_default: bool,
}

/// A machine, or a group of machines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct System {
    /// What it is called in the descriptor.
    pub id: String,
    /// Its name, if that is another.
    pub name: Option<String>,
    /// What is said of it.
    pub annotation: Option<String>,
    /// The agreements to consent to.
    pub eula: Vec<String>,
    /// The products in it, with their properties.
    pub products: Vec<Product>,
    /// How machines learn their properties: `com.vmware.guestInfo`, `iso`.
    pub transport: Vec<String>,
    /// What is in a group; `None` for a machine.
    pub children: Option<Vec<System>>,
    /// In which order what is in a group starts.
    pub startup: Vec<Startup>,
    /// The guest's operating system: vSphere's name for it, or else the number that CIM has.
    pub guest: Option<Guest>,
    /// What the machine is made of.
    pub hardware: Hardware,
}

/// A guest's operating system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guest {
    /// CIM's number.
    pub id: i32,
    /// vSphere's name, such as `otherLinux64Guest`.
    pub os_type: Option<String>,
    /// What people are shown.
    pub description: Option<String>,
}

/// When a part of a group starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Startup {
    /// The part.
    pub id: String,
    /// Smaller ones start first.
    pub order: i32,
    /// Seconds to wait after it has started.
    pub start_delay: Option<i32>,
    /// Seconds to wait after it has stopped.
    pub stop_delay: Option<i32>,
    /// Whether to wait for the guest.
    pub waiting_for_guest: Option<bool>,
    /// `powerOn` or `none`.
    pub start_action: Option<String>,
    /// `powerOff`, `guestShutdown` or `none`.
    pub stop_action: Option<String>,
}

/// A product, with the properties that deploying it asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Product {
    /// Its class, which begins the names of its properties.
    pub class: String,
    /// Which of several of a class.
    pub instance: String,
    /// The product's name.
    pub name: Option<String>,
    /// Who makes it.
    pub vendor: Option<String>,
    /// Its version, in short.
    pub version: Option<String>,
    /// Its version.
    pub full_version: Option<String>,
    /// Where to read of it.
    pub product_url: Option<String>,
    /// Where to read of its vendor.
    pub vendor_url: Option<String>,
    /// Where to use it, once it runs.
    pub app_url: Option<String>,
    /// Its properties.
    pub properties: Vec<Property>,
}

/// Something that deploying a product asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Property {
    /// Its name in its product.
    pub key: String,
    /// The heading that it is shown under.
    pub category: Option<String>,
    /// Its type, with qualifiers in parentheses, as vSphere has it.
    pub type_name: String,
    /// Whether who deploys may set it.
    pub user_configurable: bool,
    /// Its value for who sets none.
    pub default: String,
    /// The same for deployment options.
    pub defaults: Vec<(String, String)>,
    /// What people are shown.
    pub label: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// What a machine is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hardware {
    /// The versions of hardware that it runs on: `vmx-13`.
    pub system_types: Vec<String>,
    /// Its parts.
    pub items: Vec<Item>,
    /// What vSphere is told of it beside: `vmw:Config`.
    pub config: Vec<(String, String)>,
    /// What its configuration file has beside: `vmw:ExtraConfig`.
    pub extra_config: Vec<(String, String)>,
}

/// A part of a machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Its name among the parts.
    pub instance_id: String,
    /// What it is, by CIM's number: 3 is a processor, 4 memory, 17 a disk ...
    pub resource_type: i32,
    /// Which kind of that.
    pub sub_type: Option<String>,
    /// What people are shown.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its number, if it is a controller.
    pub address: Option<i32>,
    /// Its unit, if it is on a controller.
    pub address_on_parent: Option<i32>,
    /// The controller.
    pub parent: Option<String>,
    /// The disk or file behind it: `ovf:/disk/vmdisk1`.
    pub host_resource: Vec<String>,
    /// The networks that it is on.
    pub connection: Vec<String>,
    /// How much of it there is.
    pub quantity: Option<i64>,
    /// In what: `byte * 2^20`.
    pub units: Option<String>,
    /// How much is reserved.
    pub reservation: Option<i64>,
    /// How much there may be at most.
    pub limit: Option<i64>,
    /// Its shares.
    pub weight: Option<i64>,
    /// Whether it is there when the machine starts.
    pub automatic: Option<bool>,
    /// Its own address: a MAC address.
    pub own_address: Option<String>,
    /// Whether a machine without it is not the machine that is meant.
    pub is_required: bool,
    /// The deployment options that it belongs to; all, if there are none.
    pub configurations: Vec<String>,
    /// Whether it is a bound (`min`, `max`) of another rather than a part.
    pub is_bound: bool,
    /// What vSphere is told of it beside.
    pub config: Vec<(String, String)>,
}

impl Envelope {
    /// Reads a descriptor.
    pub fn parse(text: &str) -> Result<Self, Error> {
        read::envelope(&xml::parse(text)?)
    }

    /// Writes a descriptor.
    pub fn write(&self) -> String {
        write::envelope(self)
    }

    /// The file of this name in the descriptor.
    pub fn file(&self, id: &str) -> Option<&File> {
        self.files.iter().find(|file| file.id == id)
    }

    /// The disk or file that a part names: `ovf:/disk/vmdisk1`, `/disk/vmdisk1`.
    pub fn disk(&self, resource: &str) -> Option<&Disk> {
        let id = resource.rsplit_once("/disk/").map(|(_, id)| id)?;
        self.disks.iter().find(|disk| disk.id == id)
    }

    /// The file that a part names: `ovf:/file/file2`.
    pub fn resource_file(&self, resource: &str) -> Option<&File> {
        let id = resource.rsplit_once("/file/").map(|(_, id)| id)?;
        self.file(id)
    }

    /// The deployment option for who has not chosen: the one marked so, or the first.
    pub fn default_configuration(&self) -> Option<&Configuration> {
        self.configurations.iter().find(|it| it.is_default).or(self.configurations.first())
    }
}

impl System {
    /// The name that people know it by.
    pub fn title(&self) -> &str {
        self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.id)
    }

    /// Itself and all that is in it.
    pub fn all(&self) -> Vec<&System> {
        let mut all = vec![self];
        self.children.iter().flatten().for_each(|child| all.extend(child.all()));
        all
    }
}

impl Product {
    /// The full name of one of its properties: `class.key.instance`.
    pub fn property_name(&self, property: &Property) -> String {
        let parts = [&self.class, &property.key, &self.instance];
        parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(".")
    }
}

impl Item {
    /// Whether the part is there with this deployment option.
    pub fn is_in(&self, configuration: &str) -> bool {
        !self.is_bound
            && (self.configurations.is_empty() || self.configurations.iter().any(|known| known == configuration))
    }

    /// How much of it there is, in its basic unit: bytes, hertz.
    pub fn amount(&self) -> Option<i64> {
        self.quantity.map(|quantity| quantity.saturating_mul(multiplier(self.units.as_deref().unwrap_or_default())))
    }
}

/// What a unit stands for: `byte * 2^20` is 1,048,576.
pub fn multiplier(units: &str) -> i64 {
    let mut product: i64 = 1;
    for factor in units.split('*').skip(1).map(str::trim) {
        let (base, power) = factor.split_once('^').unwrap_or((factor, "1"));
        let (Ok(base), Ok(power)) = (base.trim().parse::<i64>(), power.trim().parse::<u32>()) else { continue };
        product = product.saturating_mul(base.saturating_pow(power));
    }
    // Older descriptors name the unit.
    match units.trim() {
        "KiloBytes" => 1 << 10,
        "MegaBytes" => 1 << 20,
        "GigaBytes" => 1 << 30,
        _ => product,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_numbers() {
        let cases =
            [("byte * 2^20", 1 << 20), ("byte", 1), ("", 1), ("MegaBytes", 1 << 20), ("hertz * 10^6", 1_000_000)];
        for (text, number) in cases {
            assert_eq!(multiplier(text), number, "{text}");
        }
        assert_eq!(multiplier("byte * 9^99999"), i64::MAX);
        assert_eq!(multiplier("byte * x^y"), 1);
    }
}
