//! `PbmComplianceManager`: whether machines and their disks lie where their storage policies want them.
//!
//! It is worked out whenever somebody asks: what was found before and what is found now are the same.

use vimsim_types::method::{
    PbmCheckCompliance, PbmCheckRollupCompliance, PbmFetchComplianceResult, PbmFetchRollupComplianceResult,
    PbmQueryByRollupComplianceStatus,
};
use vimsim_types::views::{
    Datastore, ManagedObjectNotFound, PbmComplianceManager, PbmCompliancePolicyStatus, PbmComplianceResult,
    PbmRollupComplianceResult, PbmServerObjectRef, VirtualDeviceFileBackingInfo, VirtualMachine,
};
use vimsim_types::{ArcStr, DateTime, Fault, Items, Moref, View};

use super::pbm_profile_manager::{self, HOME, Storage, disk_of};
use crate::call::Look;
use crate::first_class;
use crate::kind::Kind;

type Manager = PbmComplianceManager;

pub(crate) fn kind() -> Kind<Manager> {
    Kind::new()
        .read(check_compliance)
        .read(fetch_compliance_result)
        .read(check_rollup_compliance)
        .read(fetch_rollup_compliance_result)
        .read(query_by_rollup_compliance_status)
}

/// What `PbmComplianceStatus` knows.
const COMPLIANT: &str = "compliant";
const NON_COMPLIANT: &str = "nonCompliant";
const OUT_OF_DATE: &str = "outOfDate";
const UNKNOWN: &str = "unknown";
const NOT_APPLICABLE: &str = "notApplicable";

/// Something that has a policy: what clients call it, where it lies, and the policy, with the generation that was applied.
struct Subject {
    entity: PbmServerObjectRef,
    datastore: Moref,
    profile: ArcStr,
    generation: Option<i64>,
}

fn reference(kind: &str, key: &str) -> PbmServerObjectRef {
    PbmServerObjectRef::with(|entity| _ = entity.set_object_type(kind).set_key(key))
}

/// The home (if wanted) and the disks (if wanted, all or one) of a machine, as far as they have policies.
fn of_machine(look: &Look<'_, Manager>, moref: &Moref, home: bool, disk: Option<Option<i32>>) -> Vec<Subject> {
    let Some(machine) = look.snapshot().view::<VirtualMachine>(moref) else { return Vec::new() };
    let Some(known) = pbm_profile_manager::known(look.snapshot()) else { return Vec::new() };
    let is_wanted = |key: i32| match key {
        HOME => home,
        _ => disk.is_some_and(|wanted| wanted.is_none_or(|wanted| wanted == key)),
    };
    let found = known.of_machine(moref).filter(|(key, _)| is_wanted(*key));
    let subject = |(key, it): (i32, &pbm_profile_manager::Assignment)| {
        let entity = match key {
            HOME => reference("virtualMachine", moref.value()),
            _ => reference("virtualDiskId", &format!("{}:{key}", moref.value())),
        };
        let datastore = match key {
            HOME => machine.datastore().first()?,
            _ => {
                let device = machine.config()?.hardware().device().iter().find(|device| device.key() == key)?;
                device.backing()?.downcast::<VirtualDeviceFileBackingInfo>()?.datastore()?
            }
        };
        Some(Subject { entity, datastore, profile: it.profile.clone(), generation: Some(it.generation) })
    };
    found.filter_map(subject).collect()
}

/// What of an entity has policies.
fn subjects(look: &Look<'_, Manager>, entity: &PbmServerObjectRef) -> Vec<Subject> {
    let machine = || Moref::of::<VirtualMachine>(entity.key().clone());
    match entity.object_type().as_str() {
        "virtualMachine" => of_machine(look, &machine(), true, None),
        "virtualMachineAndDisks" => of_machine(look, &machine(), true, Some(None)),
        "virtualDiskId" => match disk_of(entity.key()) {
            Some((machine, disk)) => of_machine(look, &machine, false, Some(Some(disk))),
            None => Vec::new(),
        },
        "virtualDiskUUID" => {
            let disk = first_class::find(look.snapshot(), entity.key(), None).ok();
            let subject = disk.and_then(|disk| {
                let (datastore, profile) = (disk.datastore.clone(), disk.profile.clone()?);
                Some(Subject { entity: entity.clone(), datastore, profile, generation: None })
            });
            subject.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a subject lies where its policy wants it: `outOfDate` if the policy has changed since it was applied, `unknown` if
/// it is gone.
fn judge(look: &Look<'_, Manager>, storage: &Storage<'_>, subject: Subject, now: DateTime) -> PbmComplianceResult {
    let profile = pbm_profile_manager::find(look.snapshot(), &subject.profile);
    let unmet = profile.map(|profile| storage.of_datastore(&subject.datastore, profile.constraints()));
    let is_old = subject.generation.is_some_and(|generation| {
        profile.and_then(|profile| profile.generation_id()).is_some_and(|current| current != generation)
    });
    let status = match &unmet {
        None => UNKNOWN,
        Some(_) if is_old => OUT_OF_DATE,
        Some(unmet) if unmet.is_empty() => COMPLIANT,
        Some(_) => NON_COMPLIANT,
    };
    let violated = unmet
        .into_iter()
        .flatten()
        .map(|rule| PbmCompliancePolicyStatus::with(|policy| _ = policy.set_expected_value(rule.clone())));
    let violated: Vec<_> = violated.collect();
    PbmComplianceResult::with(|result| {
        result.set_check_time(now).set_entity(subject.entity);
        result.profile_mut().set_unique_id(&subject.profile);
        result.set_compliance_task_status("success").set_compliance_status(status).set_mismatch(is_old);
        if status == NON_COMPLIANT {
            result.set_violated_policies(violated);
        }
        if is_old || status == COMPLIANT || status == NON_COMPLIANT {
            let exists = look.snapshot().view::<Datastore>(&subject.datastore);
            let is_healthy = exists.is_some_and(|datastore| datastore.summary().accessible());
            result.operational_status_mut().set_healthy(is_healthy).set_transitional(false);
        }
    })
}

fn results(look: &Look<'_, Manager>, entities: Items<'_, PbmServerObjectRef>) -> Vec<PbmComplianceResult> {
    let storage = Storage::of(look.snapshot());
    let now = look.context().now;
    let all = entities.iter().flat_map(|entity| subjects(look, entity));
    all.map(|subject| judge(look, &storage, subject, now)).collect()
}

/// Whether entities meet their policies. Those without one are left out.
fn check_compliance(look: &Look<'_, Manager>, request: PbmCheckCompliance) -> Result<Vec<PbmComplianceResult>, Fault> {
    Ok(results(look, request.entities()))
}

/// [`check_compliance`].
fn fetch_compliance_result(
    look: &Look<'_, Manager>,
    request: PbmFetchComplianceResult,
) -> Result<Vec<PbmComplianceResult>, Fault> {
    let wanted = request.profile().map(|profile| profile.unique_id());
    let mut found = results(look, request.entities());
    found.retain(|result| wanted.is_none_or(|id| result.profile().is_some_and(|it| it.unique_id() == id)));
    Ok(found)
}

/// The worst of the statuses, by which a machine with its disks goes.
fn worst(results: &[PbmComplianceResult]) -> &'static str {
    let order = [NON_COMPLIANT, OUT_OF_DATE, UNKNOWN, COMPLIANT];
    let has = |status: &&&str| results.iter().any(|result| result.compliance_status() == **status);
    order.iter().find(has).copied().unwrap_or(NOT_APPLICABLE)
}

fn rollup(look: &Look<'_, Manager>, storage: &Storage<'_>, moref: &Moref) -> PbmRollupComplianceResult {
    let now = look.context().now;
    let subjects = of_machine(look, moref, true, Some(None));
    let results: Vec<_> = subjects.into_iter().map(|subject| judge(look, storage, subject, now)).collect();
    PbmRollupComplianceResult::with(|rollup| {
        rollup.set_oldest_check_time(now).set_entity(reference("virtualMachine", moref.value()));
        rollup.set_overall_compliance_status(worst(&results)).set_overall_compliance_task_status("success");
        rollup.set_profile_mismatch(results.iter().any(|result| result.mismatch()));
        if !results.is_empty() {
            rollup.set_result(results);
        }
    })
}

/// A machine that there is not gets the fault beside its (unknown) status.
fn rollups(look: &Look<'_, Manager>, entities: Items<'_, PbmServerObjectRef>) -> Vec<PbmRollupComplianceResult> {
    let storage = Storage::of(look.snapshot());
    let one = |entity: &PbmServerObjectRef| {
        let moref = Moref::of::<VirtualMachine>(entity.key().clone());
        if look.snapshot().view::<VirtualMachine>(&moref).is_some() {
            return rollup(look, &storage, &moref);
        }
        let fault = Fault::from(ManagedObjectNotFound::with(|fault| _ = fault.set_obj(moref.clone())));
        PbmRollupComplianceResult::with(|rollup| {
            rollup.set_oldest_check_time(look.context().now).set_entity(entity.clone());
            rollup.set_overall_compliance_status(UNKNOWN).set_overall_compliance_task_status("failed");
            rollup.set_profile_mismatch(false).set_error_cause([fault.localized()]);
        })
    };
    entities.iter().map(one).collect()
}

/// Whether machines, with all their disks, meet their policies.
fn check_rollup_compliance(
    look: &Look<'_, Manager>,
    request: PbmCheckRollupCompliance,
) -> Result<Vec<PbmRollupComplianceResult>, Fault> {
    Ok(rollups(look, request.entity()))
}

/// [`check_rollup_compliance`].
fn fetch_rollup_compliance_result(
    look: &Look<'_, Manager>,
    request: PbmFetchRollupComplianceResult,
) -> Result<Vec<PbmRollupComplianceResult>, Fault> {
    Ok(rollups(look, request.entity()))
}

/// The machines with policies of which, with all their disks, this is so.
///
/// - `InvalidArgument` for a status that there is not.
fn query_by_rollup_compliance_status(
    look: &Look<'_, Manager>,
    request: PbmQueryByRollupComplianceStatus,
) -> Result<Vec<PbmServerObjectRef>, Fault> {
    let wanted = request.status().as_str();
    if ![COMPLIANT, NON_COMPLIANT, OUT_OF_DATE, UNKNOWN, NOT_APPLICABLE].contains(&wanted) {
        return Err(Fault::invalid_argument("status", format!("'{wanted}' is none")));
    }
    let storage = Storage::of(look.snapshot());
    let known = pbm_profile_manager::known(look.snapshot());
    let mut machines: Vec<Moref> =
        known.into_iter().flat_map(|known| known.in_use(look.snapshot())).map(|(machine, _, _)| machine).collect();
    machines.dedup();
    let is_so = |moref: &Moref| rollup(look, &storage, moref).overall_compliance_status() == wanted;
    Ok(machines.iter().filter(|moref| is_so(moref)).map(|moref| reference("virtualMachine", moref.value())).collect())
}
