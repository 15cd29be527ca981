//! The policies that datastores give to what asks for none.

use vimsim_types::method::{
    PbmAssignDefaultRequirementProfile, PbmFindApplicableDefaultProfile, PbmQueryDefaultRequirementProfile,
    PbmQueryDefaultRequirementProfiles, PbmQuerySpaceStatsForStorageContainer, PbmResetDefaultRequirementProfile,
    PbmResetVSanDefaultProfile,
};
use vimsim_types::views::{
    Datastore, PbmCapabilityProfile, PbmDatastoreSpaceStatistics, PbmDefaultProfileInfo, PbmLegacyHubsNotSupported,
    PbmPlacementHub, PbmProfile, PbmProfileId,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::storage::{Storage, default_of, file_system, no_hub};
use super::{Manager, Profiles, VSAN_DEFAULT, presets, profiles, unknown};
use crate::call::{Call, Look};
use crate::walk::Inventory;

/// The kinds of file systems whose datastores have a default.
const KINDS: [&str; 3] = ["vsan", "VVOL", "PMEM"];
const MEGABYTE: i64 = 1 << 20;

/// - `PbmNonExistentHubs` unless it is a datastore.
fn datastore<'a>(inventory: &'a impl Inventory, hub: &PbmPlacementHub) -> Result<(Moref, &'a Datastore), Fault> {
    let moref = Moref::of::<Datastore>(hub.hub_id().clone());
    let found = inventory.seen(&moref).filter(|_| hub.hub_type() == "Datastore");
    found.map(|datastore| (moref, datastore)).ok_or_else(|| no_hub(hub))
}

/// - `PbmNonExistentHubs`; `PbmLegacyHubsNotSupported` for a datastore that has no default: one that is not of vSAN, of
///   virtual volumes, or persistent memory.
fn modern<'a>(inventory: &'a impl Inventory, hub: &PbmPlacementHub) -> Result<(Moref, &'a Datastore), Fault> {
    let (moref, found) = datastore(inventory, hub)?;
    if !KINDS.contains(&file_system(found).as_str()) {
        let detail = PbmLegacyHubsNotSupported::with(|fault| _ = fault.set_hubs([hub.clone()]));
        return Err(Fault::new(detail, format!("the datastore '{}' has no default policy", found.name())));
    }
    Ok((moref, found))
}

/// The default of a datastore: the one it was given, or that of its kind.
fn of<'a>(known: &'a Profiles, moref: &Moref, datastore: &Datastore) -> Option<&'a PbmCapabilityProfile> {
    let given = known.defaults.get(moref.value());
    let given = given.and_then(|id| known.all.iter().find(|profile| profile.profile_id().unique_id() == id));
    given
        .or_else(|| known.all.iter().find(|profile| default_of(profile).is_some_and(|it| it == file_system(datastore))))
}

fn known<'a>(look: &Look<'a, Manager>) -> Result<&'a Profiles, Fault> {
    super::known(look.snapshot()).ok_or_else(|| crate::call::not_found(look.moref()))
}

/// The default of a datastore, if it has one.
///
/// - `PbmNonExistentHubs`.
pub(super) fn query(
    look: &Look<'_, Manager>,
    request: PbmQueryDefaultRequirementProfile,
) -> Result<Option<PbmProfileId>, Fault> {
    let (moref, datastore) = datastore(look.snapshot(), request.hub())?;
    Ok(of(known(look)?, &moref, datastore).map(|profile| profile.profile_id().clone()))
}

/// The defaults of datastores, each with the datastores that have it.
///
/// - `PbmNonExistentHubs`.
pub(super) fn query_all(
    look: &Look<'_, Manager>,
    request: PbmQueryDefaultRequirementProfiles,
) -> Result<Vec<PbmDefaultProfileInfo>, Fault> {
    let known = known(look)?;
    let mut found: Vec<(Option<ArcStr>, PbmDefaultProfileInfo)> = Vec::new();
    for hub in request.datastores() {
        let (moref, datastore) = datastore(look.snapshot(), hub)?;
        let profile = of(known, &moref, datastore);
        let id = profile.map(|profile| profile.profile_id().unique_id().clone());
        if let Some((_, info)) = found.iter_mut().find(|(other, _)| *other == id) {
            info.push_datastores(hub.clone());
            continue;
        }
        let info = PbmDefaultProfileInfo::with(|info| {
            info.set_datastores([hub.clone()]);
            if let Some(profile) = profile {
                info.set_default_profile(profile.clone());
            }
        });
        found.push((id, info));
    }
    Ok(found.into_iter().map(|(_, info)| info).collect())
}

/// The policies that could be the default of all of these datastores: those of requirements that each of them meets.
///
/// - `PbmNonExistentHubs`, `PbmLegacyHubsNotSupported`; `InvalidArgument` without any.
pub(super) fn applicable(
    look: &Look<'_, Manager>,
    request: PbmFindApplicableDefaultProfile,
) -> Result<Vec<PbmProfile>, Fault> {
    if request.datastores().is_empty() {
        return Err(Fault::invalid_argument("datastores", "names no datastore"));
    }
    let mut kinds = Vec::new();
    for hub in request.datastores() {
        kinds.push(modern(look.snapshot(), hub)?);
    }
    let storage = Storage::of(look.snapshot());
    let fits = |profile: &&PbmCapabilityProfile| {
        let mut all = kinds.iter();
        profile.profile_category() == super::REQUIREMENT
            && all.all(|(moref, datastore)| {
                default_of(profile).is_none_or(|kind| file_system(datastore) == kind)
                    && storage.of_datastore(moref, profile.constraints()).is_empty()
            })
    };
    let found = profiles(look).iter().filter(fits);
    Ok(found.map(|profile| PbmProfile::from_object_unchecked(profile.as_object().clone())).collect())
}

/// Makes a policy the default of datastores.
///
/// - `PbmNonExistentHubs`, `PbmLegacyHubsNotSupported`; `InvalidArgument` for a policy that there is not.
pub(super) fn assign(call: &mut Call<'_, Manager>, request: PbmAssignDefaultRequirementProfile) -> Result<(), Fault> {
    let mut wanted = Vec::new();
    for hub in request.datastores() {
        wanted.push(modern(&**call, hub)?.0);
    }
    let this = call.moref();
    let known = call.private::<Profiles>(&this)?;
    let id = request.profile();
    if known.find(id).is_none() {
        return Err(unknown(id));
    }
    wanted.iter().for_each(|moref| known.defaults.insert_mut(moref.value().clone(), id.unique_id().clone()));
    Ok(())
}

/// Makes the default of vSAN datastores what it is in a new vCenter.
pub(super) fn reset_vsan(call: &mut Call<'_, Manager>, _: PbmResetVSanDefaultProfile) -> Result<(), Fault> {
    reset(call, VSAN_DEFAULT)
}

/// Makes a policy of the system, or that of vSAN, what it is in a new vCenter.
///
/// - `InvalidArgument` for a policy that is no default.
pub(super) fn reset_any(call: &mut Call<'_, Manager>, request: PbmResetDefaultRequirementProfile) -> Result<(), Fault> {
    reset(call, request.profile().map_or(VSAN_DEFAULT, |profile| profile.unique_id()))
}

fn reset(call: &mut Call<'_, Manager>, id: &str) -> Result<(), Fault> {
    let (this, now) = (call.moref(), call.now());
    let of_system = |profile: &&PbmCapabilityProfile| profile.system_created_profile_type().is_some();
    let preset = presets(now).into_iter().find(|profile| profile.profile_id().unique_id() == id);
    let preset = preset.as_ref().filter(of_system);
    let preset = preset.ok_or_else(|| Fault::invalid_argument("profile", format!("'{id}' is no default")))?.clone();
    let known = call.private::<Profiles>(&this)?;
    let generation = known.generation(id) + 1;
    let all = std::sync::Arc::make_mut(&mut known.all);
    if let Some(profile) = all.iter_mut().find(|profile| profile.profile_id().unique_id() == id) {
        profile.set_name(preset.name()).set_description(preset.description());
        profile.set_constraints(preset.constraints().clone()).set_generation_id(generation);
        profile.set_last_updated_time(now);
    }
    Ok(())
}

/// The space of a datastore, and of the policies that are named in it.
///
/// - `InvalidArgument` for a datastore, or a policy, that there is not.
pub(super) fn space(
    look: &Look<'_, Manager>,
    request: PbmQuerySpaceStatsForStorageContainer,
) -> Result<Vec<PbmDatastoreSpaceStatistics>, Fault> {
    let entity = request.datastore();
    let found = look.snapshot().view::<Datastore>(&Moref::of::<Datastore>(entity.key().clone()));
    let found = found.filter(|_| entity.object_type() == "datastore");
    let found = found.ok_or_else(|| Fault::invalid_argument("datastore", format!("there is no '{}'", entity.key())))?;
    let (total, free) = (found.summary().capacity() / MEGABYTE, found.summary().free_space() / MEGABYTE);
    let of = |id: Option<&PbmProfileId>| {
        PbmDatastoreSpaceStatistics::with(|it| {
            it.set_physical_total_in_mb(total).set_physical_free_in_mb(free).set_physical_used_in_mb(total - free);
            it.set_logical_free_in_mb(free).set_logical_used_in_mb(total - free).set_logical_limit_in_mb(total);
            it.set_profile_id(id.map(|id| id.unique_id()));
        })
    };
    let policies = request.capability_profile_id();
    if policies.is_empty() {
        return Ok(vec![of(None)]);
    }
    let one = |id: &PbmProfileId| match storage_policy(look, id) {
        true => Ok(of(Some(id))),
        false => Err(unknown(id)),
    };
    policies.iter().map(one).collect()
}

fn storage_policy(look: &Look<'_, Manager>, id: &PbmProfileId) -> bool {
    super::find(look.snapshot(), id.unique_id()).is_some()
}
