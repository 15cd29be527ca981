//! Finding first class disks in the catalog.

use vimsim_types::views::{
    Datastore, SystemError, VStorageObjectAssociationsVmDiskAssociations, VslmFault, VslmVsoVStorageObjectQueryResult,
    VslmVsoVStorageObjectQuerySpec, VslmVsoVStorageObjectResult, VslmVsoVStorageObjectSnapshotResult,
};
use vimsim_types::{DateTime, Fault, Items, Moref, View};

use super::{FirstClassDisk, MEGABYTE, catalog, holder, id_of, pairs, stored};
use crate::walk::Inventory;

/// How values are compared.
#[derive(Clone, Copy)]
enum Operator {
    Equals,
    NotEquals,
    Less,
    Greater,
    AtMost,
    AtLeast,
    Contains,
    StartsWith,
    EndsWith,
}

impl Operator {
    fn parse(text: &str) -> Result<Self, Fault> {
        Ok(match text {
            "equals" => Self::Equals,
            "notEquals" => Self::NotEquals,
            "lessThan" => Self::Less,
            "greaterThan" => Self::Greater,
            "lessThanOrEqual" => Self::AtMost,
            "greaterThanOrEqual" => Self::AtLeast,
            "contains" => Self::Contains,
            "startsWith" => Self::StartsWith,
            "endsWith" => Self::EndsWith,
            other => return Err(unexpected(&format!("'{other}' is no operator"))),
        })
    }

    /// Compares what has an order.
    fn compare<T: PartialOrd>(self, left: &T, right: &T) -> Result<bool, Fault> {
        Ok(match self {
            Self::Equals => left == right,
            Self::NotEquals => left != right,
            Self::Less => left < right,
            Self::Greater => left > right,
            Self::AtMost => left <= right,
            Self::AtLeast => left >= right,
            Self::Contains | Self::StartsWith | Self::EndsWith => {
                return Err(unexpected("numbers and times have no letters"));
            }
        })
    }

    fn matches(self, text: &str, wanted: &str) -> Result<bool, Fault> {
        match self {
            Self::Contains => Ok(text.contains(wanted)),
            Self::StartsWith => Ok(text.starts_with(wanted)),
            Self::EndsWith => Ok(text.ends_with(wanted)),
            other => other.compare(&text, &wanted),
        }
    }
}

/// `SystemError` over `VslmFault`: what a query that makes no sense is answered, as vCenter does.
fn unexpected(why: &str) -> Fault {
    let cause = VslmFault::with(|fault| _ = fault.set_msg("Unexpected exception"));
    let detail = SystemError::with(|fault| {
        fault.set_reason("Undeclared fault");
        fault.set_fault_cause(Fault::new(cause, why).localized());
    });
    Fault::new(detail, why)
}

/// Whether a disk is one that a query is about.
fn is_wanted(
    inventory: &impl Inventory,
    disk: &FirstClassDisk,
    query: &VslmVsoVStorageObjectQuerySpec,
) -> Result<bool, Fault> {
    let [wanted] = query.query_value().iter().collect::<Vec<_>>()[..] else {
        return Err(Fault::invalid_argument("values", "a query compares with one value"));
    };
    let operator = Operator::parse(query.query_operator())?;
    let any = |texts: &mut dyn Iterator<Item = &str>| {
        let mut found = false;
        for text in texts {
            found |= operator.matches(text, wanted)?;
        }
        Ok(found)
    };
    match query.query_field().as_str() {
        "id" => operator.matches(&disk.id, wanted),
        "name" => operator.matches(&disk.name, wanted),
        "capacity" => {
            let wanted: i64 = wanted.parse().map_err(|_| unexpected(&format!("'{wanted}' is no number")))?;
            let size = stored(inventory, disk).map_or(0, |(_, file)| file.capacity / MEGABYTE);
            operator.compare(&size, &wanted)
        }
        "createTime" => {
            let wanted = DateTime::parse(wanted).ok_or_else(|| unexpected(&format!("'{wanted}' is no time")))?;
            operator.compare(&disk.created.micros(), &wanted.micros())
        }
        "datastoreMoId" => {
            let own = disk.datastore.value().as_str();
            let number = own.strip_prefix("datastore-").unwrap_or(own);
            Ok(operator.matches(own, wanted)? || operator.matches(number, wanted)?)
        }
        "metadataKey" => any(&mut disk.metadata.iter().map(|(key, _)| key.as_str())),
        "metadataValue" => any(&mut disk.metadata.iter().map(|(_, value)| value.as_str())),
        // As vCenter does.
        "backingObjectId" => Err(unexpected("Query field backingObjectId is not supported")),
        other => Err(unexpected(&format!("'{other}' is no field"))),
    }
}

/// The disks that all queries are about, by their identifiers, and whether there are no more than asked for.
///
/// - `InvalidArgument` for a query that compares with several values; `SystemError` for one that makes no sense.
pub(crate) fn list(
    inventory: &impl Inventory,
    queries: Items<'_, VslmVsoVStorageObjectQuerySpec>,
    most: i32,
) -> Result<VslmVsoVStorageObjectQueryResult, Fault> {
    let most = usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let mut result = VslmVsoVStorageObjectQueryResult::new();
    result.set_all_records_returned(true);
    let mut found = 0;
    'disks: for disk in catalog(inventory).into_iter().flat_map(super::Catalog::disks) {
        for query in queries {
            if !is_wanted(inventory, disk, query)? {
                continue 'disks;
            }
        }
        if found == most {
            result.set_all_records_returned(false);
            break;
        }
        found += 1;
        result.push_id(id_of(&disk.id)).push_query_results(describe(inventory, disk));
    }
    Ok(result)
}

/// What the catalog knows of a disk. One whose file is gone has an error.
pub(crate) fn describe(inventory: &impl Inventory, disk: &FirstClassDisk) -> VslmVsoVStorageObjectResult {
    VslmVsoVStorageObjectResult::with(|result| {
        result.set_id(id_of(&disk.id)).set_name(&disk.name).set_create_time(disk.created);
        let url = inventory.seen::<Datastore>(&disk.datastore).map(|store| store.summary().url().clone());
        result.set_datastore_url(url);
        match stored(inventory, disk) {
            Ok((place, file)) => {
                let used = if file.is_thin() { 0 } else { file.capacity };
                result.set_capacity_in_mb(file.capacity / MEGABYTE).set_used_capacity_in_mb(used / MEGABYTE);
                for snapshot in &disk.snapshots {
                    let name = crate::files::path::split(&snapshot.path).1;
                    result.push_snapshot_info(VslmVsoVStorageObjectSnapshotResult::with(|it| {
                        let object = crate::uuid::named(&format!("{}/{}", disk.datastore, snapshot.path));
                        it.set_backing_object_id(id_of(&object)).set_snapshot_id(id_of(&snapshot.id));
                        it.set_disk_path(place.sibling(name).text);
                        if !snapshot.description.is_empty() {
                            it.set_description(&snapshot.description);
                        }
                    }));
                }
                result.set_disk_path(place.text);
            }
            Err(fault) => {
                result.set_capacity_in_mb(0).set_error(fault.localized());
            }
        }
        if !disk.metadata.is_empty() {
            result.set_metadata(pairs(&disk.metadata));
        }
    })
}

/// The machine that has a disk, as clients see it.
pub(crate) fn association(
    inventory: &impl Inventory,
    disk: &FirstClassDisk,
) -> Option<VStorageObjectAssociationsVmDiskAssociations> {
    holder(inventory, disk).map(|(machine, key): (Moref, i32)| {
        VStorageObjectAssociationsVmDiskAssociations::with(|it| {
            it.set_vm_id(machine.value()).set_disk_key(key);
        })
    })
}
