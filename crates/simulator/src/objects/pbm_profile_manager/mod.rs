//! `PbmProfileProfileManager`: storage policies.
//!
//! Which datastores meet a policy is for `PbmPlacementSolver` to say, whether machines do for `PbmComplianceManager`.

mod assigned;
mod associated;
mod defaults;
mod kubernetes;
mod metadata;
mod storage;

use std::sync::Arc;

use rpds::RedBlackTreeMapSync as Map;
use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::method::{
    PbmCreate, PbmDelete, PbmFetchResourceType, PbmQueryProfile, PbmRetrieveContent, PbmUpdate,
};
use vimsim_types::views::{
    PbmCapabilityConstraintInstance, PbmCapabilityConstraints, PbmCapabilityInstance, PbmCapabilityProfile,
    PbmCapabilityPropertyInstance, PbmCapabilitySubProfile, PbmCapabilitySubProfileConstraints, PbmDuplicateName,
    PbmFaultNotFound, PbmProfile, PbmProfileId, PbmProfileOperationOutcome, PbmProfileProfileManager,
    PbmProfileResourceType, ResourceInUse,
};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, Value, View};

use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) use assigned::{Assignment, Changes, HOME, disk_of, forget};
pub(crate) use storage::Storage;

type Manager = PbmProfileProfileManager;

pub(crate) fn kind() -> Kind<Manager> {
    Kind::new()
        .read(fetch_resource_type)
        .read(query_profile)
        .read(retrieve_content)
        .read(associated::profile)
        .read(associated::profiles_of)
        .read(associated::entity)
        .read(associated::entities)
        .read(associated::io_filters)
        .read(associated::details)
        .write(create)
        .write(update)
        .write(delete)
        .read(metadata::vendor_info)
        .read(metadata::capability_metadata)
        .read(metadata::capability_schema)
        .read(defaults::query)
        .read(defaults::query_all)
        .read(defaults::applicable)
        .read(defaults::space)
        .write(defaults::assign)
        .write(defaults::reset_vsan)
        .write(defaults::reset_any)
        .write(kubernetes::resolve)
        .write(kubernetes::update)
}

/// The identifier of the one there is.
pub(crate) fn moref() -> Moref {
    Moref::of::<Manager>("ProfileManager")
}

/// All that policies can be about.
const STORAGE: &str = "STORAGE";
const REQUIREMENT: &str = "REQUIREMENT";
const CATEGORIES: [&str; 3] = [REQUIREMENT, "RESOURCE", "DATA_SERVICE_POLICY"];
/// The policy of the service that encrypts, which others refer to.
const ENCRYPTION: &str = "ad5a249d-cbc2-43af-9366-694d7664fa52";
/// Who made the policies that a vCenter begins with.
const MAKER: &str = "Temporary user handle";

/// The default of vSAN datastores.
const VSAN_DEFAULT: &str = "aa6d5a82-1c88-45da-85d3-3d74b91a5bad";

/// The namespaces of capabilities.
const TAGS: &str = "http://www.vmware.com/storage/tag";
const VSAN: &str = "VSAN";
const PMEM: &str = "PMem";
const VMCRYPT: &str = "vmwarevmcrypt";
/// What every datastore can do: be used in zones, and allocate as is asked.
const ZONES: &str = "com.vmware.storage.consumptiondomain";
const ALLOCATION: &str = "com.vmware.storage.volumeallocation";
const ENCRYPTION_SERVICE: &str = "com.vmware.storageprofile.dataservice";

/// The policies, in the order in which they were made, how many ever were, and who has them.
#[derive(Clone, Default)]
pub(crate) struct Profiles {
    all: Arc<Vec<PbmCapabilityProfile>>,
    created: u64,
    /// The policies of machines' homes and disks: by the machine, and the key of the disk or [`HOME`].
    assigned: Map<(ArcStr, i32), Assignment>,
    /// The defaults that datastores were given.
    defaults: Map<ArcStr, ArcStr>,
}

impl Profiles {
    fn find(&self, id: &PbmProfileId) -> Option<&PbmCapabilityProfile> {
        self.all.iter().find(|profile| profile.profile_id().unique_id() == id.unique_id())
    }

    fn has_name(&self, name: &str) -> bool {
        self.all.iter().any(|profile| profile.name() == name)
    }
}

/// The policies, and who has them.
pub(crate) fn known(snapshot: &Snapshot) -> Option<&Profiles> {
    snapshot.object(&moref())?.private()
}

/// The policy of this identifier.
pub(crate) fn find<'a>(snapshot: &'a Snapshot, id: &str) -> Option<&'a PbmCapabilityProfile> {
    known(snapshot)?.all.iter().find(|profile| profile.profile_id().unique_id() == id)
}

fn profiles<'a>(look: &Look<'a, Manager>) -> &'a [PbmCapabilityProfile] {
    known(look.snapshot()).map_or(&[], |kept| &kept.all)
}

/// Gives the manager the policies that a vCenter begins with.
pub(crate) fn begin(transaction: &mut Transaction, now: DateTime) -> Result<(), Fault> {
    transaction.private::<Profiles>(&moref())?.all = Arc::new(presets(now));
    Ok(())
}

/// What there are policies for.
fn fetch_resource_type(_: &Look<'_, Manager>, _: PbmFetchResourceType) -> Result<Vec<PbmProfileResourceType>, Fault> {
    Ok(vec![PbmProfileResourceType::with(|kind| _ = kind.set_resource_type(STORAGE))])
}

/// - `InvalidArgument` for a kind of resource, or a category, that there is not.
fn check(resource: &PbmProfileResourceType, category: Option<&ArcStr>) -> Result<(), Fault> {
    if resource.resource_type() != STORAGE {
        let why = format!("there are no policies for '{}'", resource.resource_type());
        return Err(Fault::invalid_argument("resourceType", why));
    }
    check_category(category)
}

/// - `InvalidArgument` for a category that there is not.
fn check_category(category: Option<&ArcStr>) -> Result<(), Fault> {
    match category {
        Some(category) if !CATEGORIES.contains(&category.as_str()) => {
            Err(Fault::invalid_argument("profileCategory", format!("there is no category '{category}'")))
        }
        _ => Ok(()),
    }
}

/// The policies of a category; all of them if none is named.
///
/// - `InvalidArgument`, as [`check`] says.
fn query_profile(look: &Look<'_, Manager>, request: PbmQueryProfile) -> Result<Vec<PbmProfileId>, Fault> {
    let category = request.profile_category().filter(|category| !category.is_empty());
    check(request.resource_type(), category)?;
    let is_wanted = |profile: &&PbmCapabilityProfile| category.is_none_or(|it| profile.profile_category() == it);
    Ok(profiles(look).iter().filter(is_wanted).map(|profile| profile.profile_id().clone()).collect())
}

/// What the policies of these identifiers are.
///
/// - `InvalidArgument` without any, or for one that there is not.
fn retrieve_content(look: &Look<'_, Manager>, request: PbmRetrieveContent) -> Result<Vec<PbmProfile>, Fault> {
    if request.profile_ids().is_empty() {
        return Err(Fault::invalid_argument("profileIds", "names no policy"));
    }
    let find = |id: &PbmProfileId| {
        let found = profiles(look).iter().find(|profile| profile.profile_id().unique_id() == id.unique_id());
        let found = found.ok_or_else(|| unknown(id))?;
        Ok(PbmProfile::from_object_unchecked(found.as_object().clone()))
    };
    request.profile_ids().iter().map(find).collect()
}

pub(crate) fn unknown(id: &PbmProfileId) -> Fault {
    Fault::invalid_argument("profileId", format!("there is no policy '{}'", id.unique_id()))
}

fn check_name(profiles: &Profiles, name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::invalid_argument("name", "a policy needs a name"));
    }
    if profiles.has_name(name) {
        let detail = PbmDuplicateName::with(|fault| _ = fault.set_name(name));
        return Err(Fault::new(detail, format!("there is a policy '{name}' already")));
    }
    Ok(())
}

/// Makes a policy.
///
/// - `InvalidArgument` without a name, for a resource that is not storage, or an unknown category; `PbmDuplicateName`.
fn create(call: &mut Call<'_, Manager>, request: PbmCreate) -> Result<PbmProfileId, Fault> {
    let spec = request.create_spec();
    let category = spec.category().filter(|category| !category.is_empty());
    check(spec.resource_type(), category)?;
    let (this, now, user) = (call.moref(), call.now(), call.context().user());
    let known = call.private::<Profiles>(&this)?;
    check_name(known, spec.name())?;
    known.created += 1;
    let id = crate::uuid::named(&format!("PbmProfile/{}/{}", known.created, spec.name()));
    let mut profile = profile(&id, spec.name(), spec.description().map_or("", |text| text), now, &user);
    profile.set_profile_category(category.map_or(REQUIREMENT, |category| category));
    profile.set_constraints(spec.constraints().clone());
    profile.set_k8s_compliant_name(spec.k8s_compliant_name());
    let id = profile.profile_id().clone();
    Arc::make_mut(&mut known.all).push(profile);
    Ok(id)
}

/// Changes a policy: what the specification leaves out stays.
///
/// - `InvalidArgument` for a policy that there is not, or an empty name; `PbmDuplicateName`.
fn update(call: &mut Call<'_, Manager>, request: PbmUpdate) -> Result<(), Fault> {
    let spec = request.update_spec();
    let (this, now, user) = (call.moref(), call.now(), call.context().user());
    let known = call.private::<Profiles>(&this)?;
    let old = known.find(request.profile_id()).ok_or_else(|| unknown(request.profile_id()))?;
    if let Some(name) = spec.name().filter(|name| *name != old.name()) {
        check_name(known, name)?;
    }
    for profile in Arc::make_mut(&mut known.all) {
        if profile.profile_id().unique_id() != request.profile_id().unique_id() {
            continue;
        }
        if let Some(name) = spec.name() {
            profile.set_name(name);
        }
        if let Some(description) = spec.description() {
            profile.set_description(description);
        }
        if let Some(constraints) = spec.constraints() {
            profile.set_constraints(constraints.clone());
            let generation = profile.generation_id().unwrap_or_default();
            profile.set_generation_id(generation + 1);
        }
        profile.set_last_updated_time(now).set_last_updated_by(&user);
    }
    Ok(())
}

/// Removes policies, those that can be, and says of the others why not: `PbmFaultNotFound`, or `ResourceInUse` for one that
/// is the default of some kind of datastore, or that a virtual machine or its disk has.
fn delete(call: &mut Call<'_, Manager>, request: PbmDelete) -> Result<Vec<PbmProfileOperationOutcome>, Fault> {
    let this = call.moref();
    let snapshot = call.before();
    let known = call.private::<Profiles>(&this)?;
    let used: Vec<ArcStr> = known.in_use(&snapshot).map(|(_, _, it)| it.profile.clone()).collect();
    let outcomes = request.profile_id().iter().map(|id| {
        let fault = match known.find(id) {
            None => Some(Fault::new(PbmFaultNotFound::new(), format!("there is no policy '{}'", id.unique_id()))),
            Some(profile) if profile.system_created_profile_type().is_some() => {
                Some(Fault::new(ResourceInUse::new(), format!("the policy '{}' is a default", profile.name())))
            }
            Some(profile) if used.contains(profile.profile_id().unique_id()) => {
                Some(Fault::new(ResourceInUse::new(), format!("the policy '{}' is in use", profile.name())))
            }
            Some(_) => None,
        };
        if fault.is_none() {
            Arc::make_mut(&mut known.all).retain(|profile| profile.profile_id().unique_id() != id.unique_id());
        }
        PbmProfileOperationOutcome::with(|outcome| {
            outcome.set_profile_id(id.clone());
            if let Some(fault) = fault {
                outcome.set_fault(fault.localized());
            }
        })
    });
    Ok(outcomes.collect())
}

/// A policy without constraints.
fn profile(id: &str, name: &str, description: &str, now: DateTime, user: &str) -> PbmCapabilityProfile {
    PbmCapabilityProfile::with(|profile| {
        profile.set_profile_id(PbmProfileId::with(|profile| _ = profile.set_unique_id(id)));
        profile.set_name(name).set_description(description);
        profile.set_creation_time(now).set_created_by(user);
        profile.set_last_updated_time(now).set_last_updated_by(user);
        profile.set_profile_category(REQUIREMENT).set_generation_id(0).set_is_default(false);
        profile.set_resource_type(PbmProfileResourceType::with(|kind| _ = kind.set_resource_type(STORAGE)));
        profile.set_constraints(PbmCapabilityConstraints::new());
    })
}

/// A capability that must have this value.
fn capability(namespace: &str, id: &str, value: impl Into<Value>) -> PbmCapabilityInstance {
    PbmCapabilityInstance::with(|capability| {
        capability.id_mut().set_namespace(namespace).set_id(id);
        capability.set_constraint([PbmCapabilityConstraintInstance::with(|constraint| {
            constraint.set_property_instance([PbmCapabilityPropertyInstance::with(|property| {
                property.set_id(id).set_value(value);
            })]);
        })]);
    })
}

fn constraints(name: &str, capabilities: Vec<PbmCapabilityInstance>) -> PbmCapabilitySubProfileConstraints {
    PbmCapabilitySubProfileConstraints::with(|constraints| {
        constraints.set_sub_profiles([PbmCapabilitySubProfile::with(|rules| {
            rules.set_name(name).set_capability(capabilities);
        })]);
    })
}

/// The policies of a new vCenter. Clients know them by their identifiers, which are the same everywhere.
fn presets(now: DateTime) -> Vec<PbmCapabilityProfile> {
    let preset = |id: &str, name: &str, description: &str, of_system: Option<&str>| {
        let mut profile = profile(id, name, description, now, MAKER);
        profile.set_system_created_profile_type(of_system);
        profile
    };
    let mut vsan = preset(
        VSAN_DEFAULT,
        "vSAN Default Storage Policy",
        "Storage policy used as default for vSAN datastores",
        Some("VsanDefaultProfile"),
    );
    vsan.set_constraints(constraints(
        "VSAN sub-profile",
        vec![
            capability(VSAN, "hostFailuresToTolerate", 1),
            capability(VSAN, "stripeWidth", 1),
            capability(VSAN, "forceProvisioning", false),
            capability(VSAN, "proportionalCapacity", 0),
            capability(VSAN, "cacheReservation", 0),
        ],
    ));
    let vvol = preset(
        "f4e5bade-15a2-4805-bf8e-52318c4ce443",
        "VVol No Requirements Policy",
        "Allow the datastore to determine the best placement strategy for storage objects",
        Some("VVolDefaultProfile"),
    );
    let mut encryption = preset(
        "4d5f673c-536f-11e6-beb8-9e71128cae77",
        "VM Encryption Policy",
        "Sample storage policy for VMware's VM and virtual disk encryption",
        None,
    );
    let service = capability(ENCRYPTION_SERVICE, ENCRYPTION, ENCRYPTION);
    encryption.set_constraints(constraints("sp-1", vec![service]));
    let mut memory = preset(
        "c268da1b-b343-49f7-a468-b1deeb7078e0",
        "Host-local PMem Default Storage Policy",
        "Storage policy used as default for Host-local PMem datastores",
        Some("PmemDefaultProfile"),
    );
    memory.set_constraints(constraints("PMem sub-profile", vec![capability(PMEM, "PMemType", "LocalPMem")]));
    let mut presets = vec![vsan, vvol, encryption, memory];
    for preset in &mut presets {
        let name = kubernetes::compliant(preset.name());
        preset.set_k8s_compliant_name(name);
    }
    presets
}
