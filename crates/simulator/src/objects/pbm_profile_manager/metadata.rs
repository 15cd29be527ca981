//! What storage policies can ask for: tags of datastores, vSAN, encryption, persistent memory.

use vimsim_types::method::{PbmFetchCapabilityMetadata, PbmFetchCapabilitySchema, PbmFetchVendorInfo};
use vimsim_types::views::{
    PbmCapabilityGenericTypeInfo, PbmCapabilityMetadata, PbmCapabilityMetadataPerCategory, PbmCapabilityNamespaceInfo,
    PbmCapabilityPropertyMetadata, PbmCapabilitySchema, PbmCapabilitySchemaVendorInfo, PbmCapabilityTypeInfo,
    PbmCapabilityVendorNamespaceInfo, PbmCapabilityVendorResourceTypeInfo, PbmExtendedElementDescription,
    PbmLineOfServiceInfo, PbmPersistenceBasedDataServiceInfo,
};
use vimsim_types::{ArcStr, Fault, List, Object, Ty, TypeId, Value, View};

use super::{Manager, PMEM, STORAGE, TAGS, VMCRYPT, VSAN, check};
use crate::automation;
use crate::call::Look;
use crate::tagging::{Category, Tag};

/// What a property may be.
enum Kind {
    Bool(bool),
    /// From, to, and the usual.
    Int(i32, i32, i32),
    /// One of these.
    Text(&'static [&'static str]),
}

/// A capability: its identifier, its name, what it means, and what it may be.
type Capability = (&'static str, &'static str, &'static str, Kind);

/// Capabilities that somebody offers.
struct Vendor {
    id: &'static str,
    name: &'static str,
    namespace: &'static str,
    category: &'static str,
    line: &'static str,
    capabilities: &'static [Capability],
}

const VENDORS: [Vendor; 4] = [
    Vendor {
        id: "3de8b7b8-ef55-4a0c-b2b1-6c5c1d3b4a01",
        name: "Tags",
        namespace: TAGS,
        category: "tag",
        line: "PERSISTENCE",
        capabilities: &[],
    },
    Vendor {
        id: "aa6d5a82-1c88-45da-85d3-3d74b91a5bae",
        name: "vSAN",
        namespace: VSAN,
        category: "Availability",
        line: "PERSISTENCE",
        capabilities: &[
            (
                "hostFailuresToTolerate",
                "Failures to tolerate",
                "How many host failures objects survive",
                Kind::Int(0, 3, 1),
            ),
            ("stripeWidth", "Number of disk stripes per object", "How many disks each copy is on", Kind::Int(1, 12, 1)),
            (
                "forceProvisioning",
                "Force provisioning",
                "Whether objects are made where they cannot comply",
                Kind::Bool(false),
            ),
            ("proportionalCapacity", "Object space reservation", "The reserved part, in percent", Kind::Int(0, 100, 0)),
            (
                "cacheReservation",
                "Flash read cache reservation",
                "In millionths of the size",
                Kind::Int(0, 1_000_000, 0),
            ),
            ("iopsLimit", "IOPS limit for object", "Zero for none", Kind::Int(0, i32::MAX, 0)),
            ("checksumDisabled", "Disable object checksum", "Whether data goes unchecked", Kind::Bool(false)),
            ("subFailuresToTolerate", "Secondary level of failures to tolerate", "Within a site", Kind::Int(0, 3, 1)),
            (
                "replicaPreference",
                "Failure tolerance method",
                "Copies, or parity",
                Kind::Text(&["RAID-1 (Mirroring) - Performance", "RAID-5/6 (Erasure Coding) - Capacity"]),
            ),
            (
                "locality",
                "Site disaster tolerance",
                "The site of objects that are on one site only",
                Kind::Text(&["None", "Preferred Fault Domain", "Secondary Fault Domain"]),
            ),
            ("storageType", "Storage tier", "The disks of the datastore", Kind::Text(&["Hybrid", "Allflash"])),
        ],
    },
    Vendor {
        id: "4d5f673c-536f-11e6-beb8-9e71128cae78",
        name: "VMware VM Encryption",
        namespace: VMCRYPT,
        category: "Encryption",
        line: "ENCRYPTION",
        capabilities: &[(
            "vmwarevmcrypt@encryption",
            "VM Encryption",
            "Encrypts machines and disks",
            Kind::Text(&["True", "False"]),
        )],
    },
    Vendor {
        id: "c268da1b-b343-49f7-a468-b1deeb7078e1",
        name: "Persistent memory",
        namespace: PMEM,
        category: "Placement",
        line: "PERSISTENCE",
        capabilities: &[("PMemType", "PMem type", "Where the memory is", Kind::Text(&["LocalPMem"]))],
    },
];

fn description(label: &str, summary: &str, key: &str) -> PbmExtendedElementDescription {
    PbmExtendedElementDescription::with(|it| {
        it.set_label(label).set_summary(summary).set_key(key).set_message_catalog_key_prefix(key);
    })
}

/// A value of a type that stands nowhere but where any value may.
fn value(kind: &str, fields: &[(&str, Value)]) -> Value {
    let Some(kind) = TypeId::find(PbmCapabilityMetadata::TYPE.info().namespace, kind) else { return Value::Unset };
    let mut object = Object::new(kind);
    for (name, value) in fields {
        if let Some(slot) = kind.info().slot(name) {
            object.set(slot, value.clone());
        }
    }
    object.into()
}

/// Texts with what they mean, as the values that are allowed.
fn texts(texts: &[(&str, &str)]) -> Value {
    let one = |(text, summary): &(&str, &str)| {
        let description = Object::from(description(text, summary, text)).into();
        value("PbmCapabilityDescription", &[("description", description), ("value", (*text).into())])
    };
    let list = List::new(Ty::Any, texts.iter().map(one).collect());
    value("PbmCapabilityDiscreteSet", &[("values", list.into())])
}

fn capability(
    namespace: &str,
    id: &str,
    label: &str,
    summary: &str,
    property: PbmCapabilityPropertyMetadata,
) -> PbmCapabilityMetadata {
    PbmCapabilityMetadata::with(|it| {
        it.id_mut().set_namespace(namespace).set_id(id);
        it.set_summary(description(label, summary, id)).set_mandatory(false).set_hint(false);
        it.set_allow_multiple_constraints(false).set_property_metadata([property]);
    })
}

fn property(id: &str, label: &str, summary: &str) -> PbmCapabilityPropertyMetadata {
    PbmCapabilityPropertyMetadata::with(|it| {
        it.set_id(id).set_summary(description(label, summary, id)).set_mandatory(false);
    })
}

fn plain(it: &mut PbmCapabilityPropertyMetadata, name: &str) {
    it.set_type(PbmCapabilityTypeInfo::with(|kind| _ = kind.set_type_name(name)));
}

fn known(namespace: &str, (id, label, summary, kind): &Capability) -> PbmCapabilityMetadata {
    let mut it = property(id, label, summary);
    match kind {
        Kind::Bool(usual) => {
            plain(&mut it, "XSD_BOOLEAN");
            it.set_default_value(Value::Bool(*usual));
        }
        Kind::Int(least, most, usual) => {
            plain(&mut it, "XSD_INT");
            let range = [("min", Value::Int(*least)), ("max", Value::Int(*most))];
            it.set_default_value(Value::Int(*usual)).set_allowed_value(value("PbmCapabilityRange", &range));
        }
        Kind::Text(values) => {
            plain(&mut it, "XSD_STRING");
            it.set_allowed_value(texts(&values.iter().map(|value| (*value, *value)).collect::<Vec<_>>()));
        }
    }
    capability(namespace, id, label, summary, it)
}

/// The categories of tags that datastores can have, each a capability whose values are its tags.
fn of_tags(look: &Look<'_, Manager>) -> Vec<PbmCapabilityMetadata> {
    let Some(kept) = automation::of(look.snapshot()) else { return Vec::new() };
    let one = |(category, tags): (&Category, Vec<&Tag>)| {
        let (name, summary) = (&category.name, &category.description);
        let mut it = property(&format!("com.vmware.storage.tag.{name}.property"), name, summary);
        it.set_type(PbmCapabilityGenericTypeInfo::with(|kind| {
            kind.set_generic_type_name("VMW_SET");
            kind.set_type_name("XSD_STRING");
        }));
        let tags: Vec<_> = tags.iter().map(|tag| (tag.name.as_str(), tag.description.as_str())).collect();
        it.set_allowed_value(texts(&tags));
        capability(TAGS, name, name, summary, it)
    };
    kept.tags.for_datastores().into_iter().map(one).collect()
}

fn category(look: &Look<'_, Manager>, vendor: &Vendor) -> PbmCapabilityMetadataPerCategory {
    let capabilities = match vendor.namespace {
        TAGS => of_tags(look),
        space => vendor.capabilities.iter().map(|it| known(space, it)).collect(),
    };
    PbmCapabilityMetadataPerCategory::with(|it| {
        it.set_sub_category(vendor.category).set_capability_metadata(capabilities);
    })
}

fn info(vendor: &Vendor) -> PbmCapabilitySchemaVendorInfo {
    PbmCapabilitySchemaVendorInfo::with(|it| {
        it.set_vendor_uuid(vendor.id).set_info(description(vendor.name, vendor.name, vendor.namespace));
    })
}

fn namespace(vendor: &Vendor) -> PbmCapabilityNamespaceInfo {
    PbmCapabilityNamespaceInfo::with(|it| {
        it.set_version("1.0").set_namespace(vendor.namespace);
        it.set_info(description(vendor.name, vendor.name, vendor.namespace));
    })
}

/// Those of a vendor, or all; `InvalidArgument` for one that there is not.
fn vendors(id: Option<&ArcStr>) -> Result<impl Iterator<Item = &'static Vendor>, Fault> {
    let id = id.filter(|id| !id.is_empty()).cloned();
    if let Some(id) = id.as_ref().filter(|id| !VENDORS.iter().any(|vendor| vendor.id == id.as_str())) {
        return Err(Fault::invalid_argument("vendorUuid", format!("there is no vendor '{id}'")));
    }
    Ok(VENDORS.iter().filter(move |vendor| id.as_ref().is_none_or(|id| vendor.id == id.as_str())))
}

/// Who offers capabilities.
///
/// - `InvalidArgument` for a kind of resource that there is not.
pub(super) fn vendor_info(
    _: &Look<'_, Manager>,
    request: PbmFetchVendorInfo,
) -> Result<Vec<PbmCapabilityVendorResourceTypeInfo>, Fault> {
    request.resource_type().map_or(Ok(()), |resource| check(resource, None))?;
    let all = VENDORS.iter().map(|vendor| {
        PbmCapabilityVendorNamespaceInfo::with(|it| {
            it.set_vendor_info(info(vendor)).set_namespace_info(namespace(vendor));
        })
    });
    Ok(vec![PbmCapabilityVendorResourceTypeInfo::with(|it| {
        it.set_resource_type(STORAGE).set_vendor_namespace_info(all);
    })])
}

/// What policies can ask for.
///
/// - `InvalidArgument` for a kind of resource, or a vendor, that there is not.
pub(super) fn capability_metadata(
    look: &Look<'_, Manager>,
    request: PbmFetchCapabilityMetadata,
) -> Result<Vec<PbmCapabilityMetadataPerCategory>, Fault> {
    request.resource_type().map_or(Ok(()), |resource| check(resource, None))?;
    Ok(vendors(request.vendor_uuid())?.map(|vendor| category(look, vendor)).collect())
}

/// What policies can ask for, with who offers it, of some lines of service or all.
///
/// - `InvalidArgument` for a vendor that there is not.
pub(super) fn capability_schema(
    look: &Look<'_, Manager>,
    request: PbmFetchCapabilitySchema,
) -> Result<Vec<PbmCapabilitySchema>, Fault> {
    let lines = request.line_of_service();
    let all = vendors(request.vendor_uuid())?.filter(|vendor| lines.is_empty() || lines.contains(vendor.line));
    let schema = |vendor: &Vendor| {
        PbmCapabilitySchema::with(|it| {
            it.set_vendor_info(info(vendor)).set_namespace_info(namespace(vendor));
            it.set_capability_metadata_per_category([category(look, vendor)]);
            let name = description(vendor.line, vendor.line, vendor.line);
            match vendor.line {
                "PERSISTENCE" => it.set_line_of_service(PbmPersistenceBasedDataServiceInfo::with(|line| {
                    line.set_line_of_service(vendor.line).set_name(name);
                    line.set_compatible_persistence_schema_namespace([vendor.namespace]);
                })),
                _ => it.set_line_of_service(PbmLineOfServiceInfo::with(|line| {
                    line.set_line_of_service(vendor.line).set_name(name);
                })),
            };
        })
    };
    Ok(all.map(schema).collect())
}
