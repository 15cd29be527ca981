//! `PbmPlacementSolver`: where something with a storage policy can be placed.

use vimsim_types::method::{
    PbmCheckCompatibility, PbmCheckCompatibilityWithSpec, PbmCheckRequirements, PbmQueryMatchingHub,
    PbmQueryMatchingHubWithSpec,
};
use vimsim_types::views::{
    PbmCapabilityConstraints, PbmPlacementCapabilityConstraintsRequirement, PbmPlacementCapabilityProfileRequirement,
    PbmPlacementCompatibilityResult, PbmPlacementHub, PbmPlacementRequirement, PbmPlacementSolver, PbmProfileId,
};
use vimsim_types::{Fault, Items, View};

use super::pbm_profile_manager::{self, Storage};
use crate::call::Look;
use crate::kind::Kind;

type Solver = PbmPlacementSolver;

pub(crate) fn kind() -> Kind<Solver> {
    Kind::new()
        .read(check_compatibility)
        .read(check_compatibility_with_spec)
        .read(check_requirements)
        .read(query_matching_hub)
        .read(query_matching_hub_with_spec)
}

/// `InvalidArgument` for a policy that there is not.
fn constraints(look: &Look<'_, Solver>, id: &PbmProfileId) -> Result<PbmCapabilityConstraints, Fault> {
    let known = pbm_profile_manager::find(look.snapshot(), id.unique_id());
    known.map(|profile| profile.constraints().clone()).ok_or_else(|| pbm_profile_manager::unknown(id))
}

/// Each hub, or each datastore if none is named, and why it does not meet the constraints.
///
/// - `PbmNonExistentHubs` for a hub that there is not.
fn solve(
    look: &Look<'_, Solver>,
    hubs: Items<'_, PbmPlacementHub>,
    wanted: &[PbmCapabilityConstraints],
) -> Result<Vec<PbmPlacementCompatibilityResult>, Fault> {
    let storage = Storage::of(look.snapshot());
    let hubs = match hubs.is_empty() {
        true => storage.hubs(),
        false => hubs.iter().cloned().collect(),
    };
    let mut results = Vec::with_capacity(hubs.len());
    for hub in hubs {
        let mut errors = Vec::new();
        for constraints in wanted {
            errors.extend(storage.mismatches(&hub, constraints)?.iter().map(Fault::localized));
        }
        results.push(PbmPlacementCompatibilityResult::with(|result| {
            result.set_hub(hub);
            if !errors.is_empty() {
                result.set_error(errors);
            }
        }));
    }
    Ok(results)
}

/// The hubs that meet the constraints.
fn matching(
    look: &Look<'_, Solver>,
    hubs: Items<'_, PbmPlacementHub>,
    wanted: PbmCapabilityConstraints,
) -> Result<Vec<PbmPlacementHub>, Fault> {
    let results = solve(look, hubs, &[wanted])?;
    Ok(results.iter().filter(|result| result.error().is_empty()).map(|result| result.hub().clone()).collect())
}

/// Which hubs meet a policy, and why others do not.
///
/// - `InvalidArgument` for a policy that there is not; `PbmNonExistentHubs` for a hub.
fn check_compatibility(
    look: &Look<'_, Solver>,
    request: PbmCheckCompatibility,
) -> Result<Vec<PbmPlacementCompatibilityResult>, Fault> {
    solve(look, request.hubs_to_search(), &[constraints(look, request.profile())?])
}

/// [`check_compatibility`] with a policy that is not there yet.
fn check_compatibility_with_spec(
    look: &Look<'_, Solver>,
    request: PbmCheckCompatibilityWithSpec,
) -> Result<Vec<PbmPlacementCompatibilityResult>, Fault> {
    solve(look, request.hubs_to_search(), &[request.profile_spec().constraints().clone()])
}

/// Which hubs meet all of these requirements, and why others do not. Without any, all do.
///
/// - `InvalidArgument` for a policy that there is not; `PbmNonExistentHubs` for a hub.
fn check_requirements(
    look: &Look<'_, Solver>,
    request: PbmCheckRequirements,
) -> Result<Vec<PbmPlacementCompatibilityResult>, Fault> {
    let mut wanted = Vec::new();
    let requirements = request.placement_subject_requirement();
    for requirement in requirements {
        let requirement: &PbmPlacementRequirement = requirement;
        if let Some(one) = requirement.downcast::<PbmPlacementCapabilityProfileRequirement>() {
            wanted.push(constraints(look, one.profile_id())?);
        } else if let Some(one) = requirement.downcast::<PbmPlacementCapabilityConstraintsRequirement>() {
            wanted.push(one.constraints().clone());
        }
    }
    solve(look, request.hubs_to_search(), &wanted)
}

/// The hubs that meet a policy.
///
/// - As [`check_compatibility`].
fn query_matching_hub(look: &Look<'_, Solver>, request: PbmQueryMatchingHub) -> Result<Vec<PbmPlacementHub>, Fault> {
    matching(look, request.hubs_to_search(), constraints(look, request.profile())?)
}

/// [`query_matching_hub`] with a policy that is not there yet.
fn query_matching_hub_with_spec(
    look: &Look<'_, Solver>,
    request: PbmQueryMatchingHubWithSpec,
) -> Result<Vec<PbmPlacementHub>, Fault> {
    matching(look, request.hubs_to_search(), request.create_spec().constraints().clone())
}
