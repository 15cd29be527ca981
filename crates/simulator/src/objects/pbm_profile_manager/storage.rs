//! Which datastores meet a policy.
//!
//! A policy is met by a datastore that meets one of its sets of rules, and a set of rules by one that meets all of these.

use vimsim_registry::Snapshot;
use vimsim_types::views::{
    Datastore, PbmCapabilityConstraintInstance, PbmCapabilityConstraints, PbmCapabilityInstance, PbmCapabilityProfile,
    PbmCapabilityPropertyInstance, PbmCapabilitySubProfile, PbmCapabilitySubProfileConstraints, PbmNonExistentHubs,
    PbmPlacementHub, PbmPropertyMismatchFault, StoragePod,
};
use vimsim_types::{ArcStr, Fault, Moref, Value, View};

use super::{ALLOCATION, ENCRYPTION_SERVICE, PMEM, TAGS, VMCRYPT, VSAN, ZONES};
use crate::automation;
use crate::tagging::TaggedObject;
use crate::walk::Inventory;

/// The datastores of an inventory, as policies look at them.
pub(crate) struct Storage<'a> {
    snapshot: &'a Snapshot,
    datastores: Vec<Moref>,
}

/// The kinds of datastores that rules of a namespace are about, and the kind of file system these have.
const KINDS: [(&str, &str); 2] = [(VSAN, "vsan"), (PMEM, "PMEM")];

/// The kind of file system of a datastore.
pub(crate) fn file_system(datastore: &Datastore) -> &ArcStr {
    datastore.summary().type_()
}

impl<'a> Storage<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, datastores: snapshot.all(Datastore::TYPE) }
    }

    /// All datastores, as hubs.
    pub(crate) fn hubs(&self) -> Vec<PbmPlacementHub> {
        self.datastores.iter().map(hub).collect()
    }

    /// The datastores that a hub stands for: itself, or those of the datastore cluster.
    ///
    /// - `PbmNonExistentHubs` if there is nothing of that name.
    pub(crate) fn datastores(&self, hub: &PbmPlacementHub) -> Result<Vec<Moref>, Fault> {
        let is_one = |moref: &&Moref| hub.hub_type() == "Datastore" && moref.value() == hub.hub_id();
        if let Some(found) = self.datastores.iter().find(is_one) {
            return Ok(vec![found.clone()]);
        }
        let pod = Moref::of::<StoragePod>(hub.hub_id().clone());
        match self.snapshot.view::<StoragePod>(&pod).filter(|_| hub.hub_type() == "StoragePod") {
            Some(pod) => Ok(pod.child_entity().iter().collect()),
            None => Err(no_hub(hub)),
        }
    }

    /// Whether the inventory has a datastore with this kind of file system.
    fn has(&self, kind: &str) -> bool {
        let is_of = |moref: &Moref| self.snapshot.view::<Datastore>(moref).is_some_and(|it| file_system(it) == kind);
        self.datastores.iter().any(is_of)
    }

    /// Why a hub does not meet constraints; nothing if it does. Of a datastore cluster, one datastore has to.
    ///
    /// - `PbmNonExistentHubs`.
    pub(crate) fn mismatches(
        &self,
        hub: &PbmPlacementHub,
        constraints: &PbmCapabilityConstraints,
    ) -> Result<Vec<Fault>, Fault> {
        let mut found = Vec::new();
        for datastore in self.datastores(hub)? {
            found = self.of_datastore(&datastore, constraints).into_iter().map(|it| mismatch(hub, it)).collect();
            if found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// The rules that a datastore does not meet: none if it meets one of the sets of rules, or else those of the first.
    pub(crate) fn of_datastore<'c>(
        &self,
        datastore: &Moref,
        constraints: &'c PbmCapabilityConstraints,
    ) -> Vec<&'c PbmCapabilityInstance> {
        let Some(sets) = constraints.downcast::<PbmCapabilitySubProfileConstraints>() else { return Vec::new() };
        let unmet = |set: &'c PbmCapabilitySubProfile| {
            let rules = set.capability().iter();
            rules.filter(|rule| !self.meets(datastore, rule, set)).collect::<Vec<_>>()
        };
        let mut all = sets.sub_profiles().iter().map(unmet);
        let first = all.next().unwrap_or_default();
        if first.is_empty() || all.any(|unmet| unmet.is_empty()) { Vec::new() } else { first }
    }

    // Fidelity: rules about a kind of datastore that the inventory has none of are passed over. vcsim calls every datastore
    // compatible with every policy, and clients written for it use the policy of vSAN without a vSAN.
    fn meets(&self, moref: &Moref, rule: &PbmCapabilityInstance, set: &PbmCapabilitySubProfile) -> bool {
        let Some(datastore) = self.snapshot.view::<Datastore>(moref) else { return false };
        let space = rule.id().namespace().as_str();
        if let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == space) {
            return match file_system(datastore) == kind {
                true => space != VSAN || has_hosts(datastore, rule, set),
                false => !self.has(kind),
            };
        }
        match space {
            TAGS => rule.constraint().iter().any(|constraint| self.has_tags(moref, rule.id().id(), constraint)),
            VMCRYPT | ENCRYPTION_SERVICE | ZONES | ALLOCATION => true,
            _ => false,
        }
    }

    /// Whether a datastore has one of the tags of a category that each property names, or none if that is asked for.
    fn has_tags(&self, datastore: &Moref, category: &str, constraint: &PbmCapabilityConstraintInstance) -> bool {
        let object = TaggedObject { kind: datastore.kind().name().into(), id: datastore.value().clone() };
        let tags = automation::of(self.snapshot).map(|kept| &kept.tags);
        let names = tags.into_iter().flat_map(|tags| tags.of(&object).into_iter().filter_map(|id| tags.names(&id)));
        let own: Vec<ArcStr> = names.filter(|(its, _)| its == category).map(|(_, name)| name).collect();
        let holds = |property: &PbmCapabilityPropertyInstance| {
            let is_not = property.operator().is_some_and(|operator| operator == "NOT");
            own.iter().any(|name| names_tag(property.value(), name)) != is_not
        };
        constraint.property_instance().iter().all(holds)
    }
}

/// Whether a value is this text, or a set with it.
fn names_tag(value: &Value, name: &str) -> bool {
    let set = value.object().filter(|object| object.kind().name() == "PbmCapabilityDiscreteSet");
    let values = set.map_or(value, |set| set.field("values"));
    values.text() == Some(name) || values.items().iter().any(|value| value.text() == Some(name))
}

/// The first value of a rule.
fn value(rule: &PbmCapabilityInstance) -> Option<&Value> {
    Some(rule.constraint().first()?.property_instance().first()?.value())
}

/// Whether a vSAN datastore has the hosts that tolerating so many failures takes, each with a copy or its part of one, and
/// witnesses: that is what keeps vSAN from placing objects.
fn has_hosts(datastore: &Datastore, rule: &PbmCapabilityInstance, set: &PbmCapabilitySubProfile) -> bool {
    let other = |id: &str| set.capability().iter().find(|it| it.id().id() == id).and_then(value);
    let Some(Value::Int(failures)) = value(rule).filter(|_| rule.id().id() == "hostFailuresToTolerate") else {
        return true;
    };
    let is_erasure = other("replicaPreference").and_then(Value::text).is_some_and(|text| text.starts_with("RAID-5/6"));
    let needed = match (failures, is_erasure) {
        (1, true) => 4,
        (2, true) => 6,
        _ => failures.saturating_mul(2).saturating_add(1),
    };
    let is_forced = matches!(other("forceProvisioning"), Some(Value::Bool(true)));
    is_forced || i32::try_from(datastore.host().len()).is_ok_and(|hosts| hosts >= needed)
}

/// A datastore as a hub.
pub(crate) fn hub(datastore: &Moref) -> PbmPlacementHub {
    PbmPlacementHub::with(|hub| {
        hub.set_hub_type(datastore.kind().name()).set_hub_id(datastore.value());
    })
}

/// `PbmNonExistentHubs` for this hub.
pub(crate) fn no_hub(hub: &PbmPlacementHub) -> Fault {
    let detail = PbmNonExistentHubs::with(|fault| _ = fault.set_hubs([hub.clone()]));
    Fault::new(detail, format!("there is no {} '{}'", hub.hub_type(), hub.hub_id()))
}

/// `PbmPropertyMismatchFault` for a rule that a hub does not meet.
fn mismatch(hub: &PbmPlacementHub, rule: &PbmCapabilityInstance) -> Fault {
    let property = rule.constraint().first().and_then(|constraint| constraint.property_instance().first());
    let detail =
        PbmPropertyMismatchFault::with(|fault| {
            fault.set_hub(hub.clone());
            fault.set_capability_instance_id(rule.id().clone());
            fault.set_requirement_property_instance(property.cloned().unwrap_or_else(|| {
                PbmCapabilityPropertyInstance::with(|it| _ = it.set_id(rule.id().id()).set_value(""))
            }));
        });
    Fault::new(detail, format!("Datastore does not match current VM policy: '{}'", rule.id().id()))
}

/// The datastores' kind that a policy of the system is the default of.
pub(crate) fn default_of(profile: &PbmCapabilityProfile) -> Option<&'static str> {
    match profile.system_created_profile_type()?.as_str() {
        "VsanDefaultProfile" => Some("vsan"),
        "VVolDefaultProfile" => Some("VVOL"),
        "PmemDefaultProfile" => Some("PMEM"),
        _ => None,
    }
}
