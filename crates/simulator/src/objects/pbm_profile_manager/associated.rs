//! What has which storage policy, and what filters a policy brings with it: homes and disks of virtual machines, and first
//! class disks.

use vimsim_types::method::{
    PbmQueryAssociatedEntities, PbmQueryAssociatedEntity, PbmQueryAssociatedProfile, PbmQueryAssociatedProfiles,
    PbmQueryIOFiltersFromProfileId, PbmQueryProfileDetails,
};
use vimsim_types::views::{
    PbmCapabilityProfile, PbmIofilterInfo, PbmProfileDetails, PbmProfileId, PbmProfileToIofilterMap,
    PbmQueryProfileResult, PbmServerObjectRef, VirtualMachine,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::{HOME, Manager, check_category, disk_of, known, profiles, unknown};
use crate::call::Look;
use crate::first_class::{Catalog, catalog, find};

/// The type of an entity that is a first class disk.
const DISK: &str = "virtualDiskUUID";
/// The types of the home of a machine, of that with all disks, and of one disk.
const MACHINE: &str = "virtualMachine";
const WHOLE: &str = "virtualMachineAndDisks";
const MACHINE_DISK: &str = "virtualDiskId";
/// All types of entities.
const TYPES: [&str; 8] = [MACHINE, WHOLE, MACHINE_DISK, DISK, "datastore", "vsanObjectId", "fileShareId", "unknown"];
/// The namespaces of the capabilities that ask for encryption: by what it is, and by the policy of the service that does it.
const ENCRYPTION: [(&str, &str); 2] =
    [("vmwarevmcrypt", ""), ("com.vmware.storageprofile.dataservice", super::ENCRYPTION)];

fn id_of(id: &ArcStr) -> PbmProfileId {
    PbmProfileId::with(|it| _ = it.set_unique_id(id))
}

fn of_entity(look: &Look<'_, Manager>, entity: &PbmServerObjectRef) -> Result<Vec<PbmProfileId>, Fault> {
    if !TYPES.contains(&entity.object_type().as_str()) {
        let why = format!("'{}' is no type of entity", entity.object_type());
        return Err(Fault::invalid_argument("entity.objectType", why));
    }
    let known = known(look.snapshot());
    let of_machine = |machine: &Moref, is_wanted: &dyn Fn(i32) -> bool| {
        let all = known.into_iter().flat_map(|known| known.of_machine(machine));
        let mut ids: Vec<ArcStr> = all.filter(|(key, _)| is_wanted(*key)).map(|(_, it)| it.profile.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    let machine = Moref::of::<VirtualMachine>(entity.key().clone());
    let ids = match entity.object_type().as_str() {
        MACHINE => of_machine(&machine, &|key| key == HOME),
        WHOLE => of_machine(&machine, &|_| true),
        MACHINE_DISK => match disk_of(entity.key()) {
            Some((machine, disk)) => of_machine(&machine, &|key| key == disk),
            None => Vec::new(),
        },
        DISK => {
            let disk = find(look.snapshot(), entity.key(), None).ok();
            disk.and_then(|disk| disk.profile.clone()).into_iter().collect()
        }
        _ => Vec::new(),
    };
    Ok(ids.iter().map(id_of).collect())
}

/// The policies of an entity.
///
/// - `InvalidArgument` for a type of entity that there is not.
pub(super) fn profile(
    look: &Look<'_, Manager>,
    request: PbmQueryAssociatedProfile,
) -> Result<Vec<PbmProfileId>, Fault> {
    of_entity(look, request.entity())
}

/// The policies of entities, or why they cannot be told.
pub(super) fn profiles_of(
    look: &Look<'_, Manager>,
    request: PbmQueryAssociatedProfiles,
) -> Result<Vec<PbmQueryProfileResult>, Fault> {
    let one = |entity: &PbmServerObjectRef| {
        PbmQueryProfileResult::with(|result| {
            result.set_object(entity.clone());
            match of_entity(look, entity) {
                Ok(profiles) => _ = result.set_profile_id(profiles),
                Err(fault) => _ = result.set_fault(fault.localized()),
            }
        })
    };
    Ok(request.entities().iter().map(one).collect())
}

/// What has a policy, as entities.
fn subjects(look: &Look<'_, Manager>, is_wanted: &dyn Fn(&str) -> bool) -> Vec<(PbmServerObjectRef, ArcStr)> {
    let entity = |kind: &str, key: &str| PbmServerObjectRef::with(|it| _ = it.set_object_type(kind).set_key(key));
    let known = known(look.snapshot()).into_iter().flat_map(|known| known.in_use(look.snapshot()));
    let machines = known.filter(|(_, _, it)| is_wanted(&it.profile)).map(|(machine, key, it)| {
        let entity = match key {
            HOME => entity(MACHINE, machine.value()),
            _ => entity(MACHINE_DISK, &format!("{}:{key}", machine.value())),
        };
        (entity, it.profile.clone())
    });
    let all = catalog(look.snapshot()).into_iter().flat_map(Catalog::disks);
    let disks = all.filter_map(|disk| Some((disk, disk.profile.clone().filter(|profile| is_wanted(profile))?)));
    machines.chain(disks.map(|(disk, profile)| (entity(DISK, &disk.id), profile))).collect()
}

/// `InvalidArgument` for a policy that there is not.
fn expect_profile(look: &Look<'_, Manager>, id: &PbmProfileId) -> Result<(), Fault> {
    let known = profiles(look).iter().any(|profile| profile.profile_id().unique_id() == id.unique_id());
    if known { Ok(()) } else { Err(unknown(id)) }
}

/// What has a policy, of one type or of all.
///
/// - `InvalidArgument` for a policy that there is not.
pub(super) fn entity(
    look: &Look<'_, Manager>,
    request: PbmQueryAssociatedEntity,
) -> Result<Vec<PbmServerObjectRef>, Fault> {
    expect_profile(look, request.profile())?;
    let kind = request.entity_type().filter(|kind| !kind.is_empty()).map(|kind| match kind.as_str() {
        WHOLE => MACHINE,
        kind => kind,
    });
    let found = subjects(look, &|profile| profile == request.profile().unique_id().as_str());
    let entities = found.into_iter().map(|(entity, _)| entity);
    Ok(entities.filter(|entity| kind.is_none_or(|kind| entity.object_type() == kind)).collect())
}

/// Everything that has one of these policies, or any, each with its own.
///
/// - `InvalidArgument` for a policy that there is not.
pub(super) fn entities(
    look: &Look<'_, Manager>,
    request: PbmQueryAssociatedEntities,
) -> Result<Vec<PbmQueryProfileResult>, Fault> {
    let wanted = request.profiles();
    wanted.iter().try_for_each(|id| expect_profile(look, id))?;
    let found = subjects(look, &|profile| wanted.is_empty() || wanted.iter().any(|id| id.unique_id() == profile));
    let result = |(entity, profile): (PbmServerObjectRef, ArcStr)| {
        PbmQueryProfileResult::with(|result| {
            result.set_object(entity).set_profile_id([id_of(&profile)]);
        })
    };
    Ok(found.into_iter().map(result).collect())
}

/// The filters that a policy needs on hosts: that of encryption.
fn filters(profile: &PbmCapabilityProfile) -> Option<PbmIofilterInfo> {
    let constraints = profile.constraints().downcast::<vimsim_types::views::PbmCapabilitySubProfileConstraints>();
    let rules = constraints.into_iter().flat_map(|constraints| constraints.sub_profiles());
    let mut needed = rules.flat_map(|rules| rules.capability());
    let asks = |space: &str, id: &str| {
        ENCRYPTION.iter().any(|(known, service)| *known == space && (service.is_empty() || *service == id))
    };
    needed.any(|capability| asks(capability.id().namespace(), capability.id().id())).then(|| {
        PbmIofilterInfo::with(|info| {
            info.set_vib_id("VMW_bootbank_vmwarevmcrypt").set_filter_type("ENCRYPTION");
        })
    })
}

/// The filters that policies need.
///
/// - `InvalidArgument` for a policy that there is not.
pub(super) fn io_filters(
    look: &Look<'_, Manager>,
    request: PbmQueryIOFiltersFromProfileId,
) -> Result<Vec<PbmProfileToIofilterMap>, Fault> {
    let one = |id: &PbmProfileId| {
        let known = profiles(look).iter().find(|profile| profile.profile_id().unique_id() == id.unique_id());
        let filters = filters(known.ok_or_else(|| unknown(id))?);
        Ok(PbmProfileToIofilterMap::with(|map| {
            map.set_key(id.clone());
            if let Some(filter) = filters {
                map.push_iofilters(filter);
            }
        }))
    };
    request.profile_ids().iter().map(one).collect()
}

/// The policies of a category, or all, with the filters that they need.
///
/// - `InvalidArgument` for a category that there is not.
pub(super) fn details(
    look: &Look<'_, Manager>,
    request: PbmQueryProfileDetails,
) -> Result<Vec<PbmProfileDetails>, Fault> {
    let category = request.profile_category().filter(|category| !category.is_empty());
    check_category(category)?;
    let wanted = profiles(look).iter().filter(|it| category.is_none_or(|category| it.profile_category() == category));
    let describe = |profile: &PbmCapabilityProfile| {
        PbmProfileDetails::with(|details| {
            details.set_profile(profile.clone()).set_is_replication_policy(false);
            if let Some(filter) = filters(profile) {
                details.push_iof_infos(filter);
            }
        })
    };
    Ok(wanted.map(describe).collect())
}
