//! Storage policies: which datastores meet them, who has them, and whether those meet them.

use serde_json::json;
use vimsim::types::enums::VirtualDeviceConfigSpecOperation as Operation;
use vimsim::types::method::{
    CloneVMTask, DestroyTask, PbmAssignDefaultRequirementProfile, PbmCheckCompatibility, PbmCheckCompliance,
    PbmCheckRequirements, PbmCheckRollupCompliance, PbmCreate, PbmDelete, PbmFetchCapabilityMetadata,
    PbmFetchCapabilitySchema, PbmFetchVendorInfo, PbmQueryAssociatedEntity, PbmQueryAssociatedProfile,
    PbmQueryByRollupComplianceStatus, PbmQueryDefaultRequirementProfile, PbmQueryMatchingHub,
    PbmResolveK8sCompliantNames, PbmRetrieveContent, PbmUpdate, PbmUpdateK8sCompliantNames, PowerOffVMTask,
    ReconfigVMTask,
};
use vimsim::types::views::{
    InvalidArgument, PbmCapabilityConstraintInstance, PbmCapabilityConstraints, PbmCapabilityInstance,
    PbmCapabilityProfileCreateSpec, PbmCapabilityPropertyInstance, PbmCapabilitySubProfile,
    PbmCapabilitySubProfileConstraints, PbmComplianceManager, PbmComplianceResult, PbmLegacyHubsNotSupported,
    PbmNonExistentHubs, PbmPlacementCapabilityProfileRequirement, PbmPlacementCompatibilityResult, PbmPlacementHub,
    PbmPlacementSolver, PbmProfileId, PbmProfileProfileManager, PbmPropertyMismatchFault, PbmServerObjectRef,
    VirtualDeviceConfigSpec, VirtualDisk, VirtualMachineCloneSpec, VirtualMachineConfigSpec,
    VirtualMachineDefinedProfileSpec, VirtualMachineEmptyProfileSpec,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Model, RestClient, Simulator};

use crate::check_fault;
use crate::inventory::{found, morefs};

const VSAN_DEFAULT: &str = "aa6d5a82-1c88-45da-85d3-3d74b91a5bad";

struct Pbm {
    simulator: Simulator,
    client: Client,
    pbm: Client,
    manager: Moref,
    solver: Moref,
    compliance: Moref,
    datastores: Vec<Moref>,
}

/// A vCenter with two datastores.
async fn start() -> Pbm {
    let model = Model { datastore: 2, ..Model::default() };
    let simulator = Simulator::start(Config { model, ..Config::default() }).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let pbm = Client::at(&simulator, "/pbm").with_session(&client.session().expect("has logged in"));
    let datacenter = found(&client, "DC0").await;
    let datastores = morefs(&client, &datacenter, "datastore").await;
    Pbm {
        simulator,
        client,
        pbm,
        manager: Moref::of::<PbmProfileProfileManager>("ProfileManager"),
        solver: Moref::of::<PbmPlacementSolver>("placementSolver"),
        compliance: Moref::of::<PbmComplianceManager>("complianceManager"),
        datastores,
    }
}

fn id(text: &str) -> PbmProfileId {
    PbmProfileId::with(|id| _ = id.set_unique_id(text))
}

fn hub(datastore: &Moref) -> PbmPlacementHub {
    PbmPlacementHub::with(|hub| _ = hub.set_hub_type("Datastore").set_hub_id(datastore.value()))
}

fn entity(kind: &str, key: &str) -> PbmServerObjectRef {
    PbmServerObjectRef::with(|entity| _ = entity.set_object_type(kind).set_key(key))
}

/// The rules for datastores with a tag of a category, or without it.
fn tagged(category: &str, tag: &str, operator: Option<&str>) -> PbmCapabilityConstraints {
    let property = PbmCapabilityPropertyInstance::with(|property| {
        property.set_id(format!("com.vmware.storage.tag.{category}.property")).set_operator(operator).set_value(tag);
    });
    let capability = PbmCapabilityInstance::with(|capability| {
        capability.id_mut().set_namespace("http://www.vmware.com/storage/tag").set_id(category);
        capability
            .set_constraint([PbmCapabilityConstraintInstance::with(|it| _ = it.set_property_instance([property]))]);
    });
    let rules = PbmCapabilitySubProfileConstraints::with(|constraints| {
        constraints.set_sub_profiles([PbmCapabilitySubProfile::with(|rules| {
            rules.set_name("rules").set_capability([capability]);
        })]);
    });
    PbmCapabilityConstraints::from_object_unchecked(rules.into())
}

impl Pbm {
    async fn create(&self, name: &str, constraints: PbmCapabilityConstraints) -> PbmProfileId {
        let spec = PbmCapabilityProfileCreateSpec::with(|spec| {
            spec.set_name(name).set_constraints(constraints);
            spec.resource_type_mut().set_resource_type("STORAGE");
        });
        let request = PbmCreate::with(|request| _ = request.set_create_spec(spec));
        let answer = self.pbm.call(&self.manager, request).await.unwrap();
        answer.object().and_then(PbmProfileId::from_ref).cloned().expect("an identifier")
    }

    /// Hangs a new tag of a new category on a datastore.
    async fn tag(&self, category: &str, tag: &str, datastore: &Moref) {
        let rest = RestClient::login(&self.simulator).await.unwrap();
        let made = async |path: &str, spec: serde_json::Value| {
            let path = format!("/rest/com/vmware/cis/tagging/{path}");
            let answer = rest.post(&path, json!({ "create_spec": spec })).await.unwrap();
            answer.body["value"].as_str().unwrap().to_string()
        };
        let spec = json!({ "name": category, "cardinality": "MULTIPLE", "associable_types": ["Datastore"] });
        let category = made("category", spec).await;
        let tag = made("tag", json!({ "name": tag, "category_id": category })).await;
        let object = json!({ "object_id": { "type": "Datastore", "id": datastore.value().as_str() } });
        let path = format!("/rest/com/vmware/cis/tagging/tag-association/id:{tag}?~action=attach");
        assert_eq!(rest.post(&path, object).await.unwrap().status, 200);
    }

    /// Which datastores meet a policy.
    async fn compatible(&self, profile: &PbmProfileId) -> Vec<bool> {
        let request = PbmCheckCompatibility::with(|request| {
            request.set_profile(profile.clone()).set_hubs_to_search(self.datastores.iter().map(hub));
        });
        let answer = self.pbm.call(&self.solver, request).await.unwrap();
        let results = answer.items().iter();
        let results = results.map(|it| PbmPlacementCompatibilityResult::from_ref(it.object().unwrap()).unwrap());
        results.map(|result| result.error().is_empty()).collect()
    }

    async fn profiles_of(&self, kind: &str, key: &str) -> Vec<String> {
        let request = PbmQueryAssociatedProfile::with(|request| _ = request.set_entity(entity(kind, key)));
        let answer = self.pbm.call(&self.manager, request).await.unwrap();
        let ids = answer.items().iter().map(|it| it.object().unwrap().field("uniqueId").text().unwrap().to_string());
        ids.collect()
    }

    async fn statuses(&self, kind: &str, key: &str) -> Vec<String> {
        let request = PbmCheckCompliance::with(|request| _ = request.set_entities([entity(kind, key)]));
        let answer = self.pbm.call(&self.compliance, request).await.unwrap();
        let results = answer.items().iter().map(|it| PbmComplianceResult::from_ref(it.object().unwrap()).unwrap());
        results.map(|result| result.compliance_status().to_string()).collect()
    }

    async fn reconfigure(&self, machine: &Moref, spec: VirtualMachineConfigSpec) {
        let request = ReconfigVMTask::with(|request| _ = request.set_spec(spec));
        self.client.run(machine, request).await.unwrap();
    }
}

fn defined(profile: &PbmProfileId) -> VirtualMachineDefinedProfileSpec {
    VirtualMachineDefinedProfileSpec::with(|spec| _ = spec.set_profile_id(profile.unique_id()))
}

fn home(profile: &PbmProfileId) -> VirtualMachineConfigSpec {
    VirtualMachineConfigSpec::with(|spec| _ = spec.push_vm_profile(defined(profile)))
}

#[tokio::test]
async fn datastores_meet_policies_by_their_tags() {
    let it = start().await;
    it.tag("tier", "gold", &it.datastores[1]).await;
    let gold = it.create("gold", tagged("tier", "gold", None)).await;
    let others = it.create("others", tagged("tier", "gold", Some("NOT"))).await;
    let silver = it.create("silver", tagged("tier", "silver", None)).await;
    let any = it.create("any", PbmCapabilityConstraints::new()).await;
    assert_eq!(it.compatible(&gold).await, [false, true]);
    assert_eq!(it.compatible(&others).await, [true, false]);
    assert_eq!(it.compatible(&silver).await, [false, false]);
    assert_eq!(it.compatible(&any).await, [true, true]);
    // Without any vSAN, its policy keeps nobody out.
    assert_eq!(it.compatible(&id(VSAN_DEFAULT)).await, [true, true]);

    let request = PbmQueryMatchingHub::with(|request| _ = request.set_profile(gold.clone()));
    let hubs = it.pbm.call(&it.solver, request).await.unwrap();
    assert_eq!(hubs.items()[0].object().unwrap().field("hubId").text(), Some(it.datastores[1].value().as_str()));
    let requirement = |profile: &PbmProfileId| {
        PbmPlacementCapabilityProfileRequirement::with(|it| _ = it.set_profile_id(profile.clone()))
    };
    let request = PbmCheckRequirements::with(|request| {
        request.set_placement_subject_requirement([requirement(&gold), requirement(&others)]);
    });
    let answer = it.pbm.call(&it.solver, request).await.unwrap();
    assert_eq!(answer.items().len(), 2);
    for result in answer.items() {
        let result = PbmPlacementCompatibilityResult::from_ref(result.object().unwrap()).unwrap();
        assert_eq!(result.error().len(), 1);
        assert!(result.error().first().unwrap().fault().downcast::<PbmPropertyMismatchFault>().is_some());
    }
    let check = |profile: PbmProfileId, hubs: Vec<PbmPlacementHub>| {
        PbmCheckCompatibility::with(|request| _ = request.set_profile(profile).set_hubs_to_search(hubs))
    };
    check_fault::<InvalidArgument>(it.pbm.call(&it.solver, check(id("none"), Vec::new())).await);
    let nowhere = Moref::of::<vimsim::types::views::Datastore>("datastore-none");
    check_fault::<PbmNonExistentHubs>(it.pbm.call(&it.solver, check(gold, vec![hub(&nowhere)])).await);
}

#[tokio::test]
async fn machines_and_disks_have_the_policies_they_are_given() {
    let it = start().await;
    let machine = found(&it.client, "DC0/vm/DC0_H0_VM0").await;
    let policy = it.create("policy", PbmCapabilityConstraints::new()).await;
    let other = it.create("other", PbmCapabilityConstraints::new()).await;
    let key = machine.value().as_str();
    assert!(it.profiles_of("virtualMachineAndDisks", key).await.is_empty());
    assert!(it.statuses("virtualMachine", key).await.is_empty());

    it.reconfigure(&machine, home(&policy)).await;
    assert_eq!(it.profiles_of("virtualMachine", key).await, [policy.unique_id().as_str()]);
    let devices = it.client.property(&machine, "config.hardware.device").await.unwrap();
    let disks = devices.items().iter().filter_map(|device| VirtualDisk::from_ref(device.object()?).cloned());
    let disk = disks.collect::<Vec<_>>().remove(0);
    let disk_key = format!("{key}:{}", disk.key());
    let change = |operation| {
        let change = VirtualDeviceConfigSpec::with(|change| {
            change.set_operation(operation).set_device(disk.clone()).push_profile(defined(&other));
        });
        VirtualMachineConfigSpec::with(|spec| _ = spec.push_device_change(change))
    };
    it.reconfigure(&machine, change(Some(Operation::Edit))).await;
    assert_eq!(it.profiles_of("virtualDiskId", &disk_key).await, [other.unique_id().as_str()]);
    assert_eq!(it.profiles_of("virtualMachineAndDisks", key).await.len(), 2);

    let request = |kind: Option<&str>| {
        PbmQueryAssociatedEntity::with(|request| _ = request.set_profile(other.clone()).set_entity_type(kind))
    };
    let entities = it.pbm.call(&it.manager, request(None)).await.unwrap();
    assert_eq!(entities.items()[0].object().unwrap().field("key").text(), Some(disk_key.as_str()));
    assert!(it.pbm.call(&it.manager, request(Some("virtualMachine"))).await.unwrap().items().is_empty());

    // A policy that something has stays.
    let delete = || PbmDelete::with(|request| _ = request.set_profile_id([other.clone()]));
    let is_refused = async || {
        let outcomes = it.pbm.call(&it.manager, delete()).await.unwrap();
        !outcomes.items()[0].object().unwrap().field("fault").is_unset()
    };
    assert!(is_refused().await);

    // A copy has those that it is given; a disk that is removed, and a machine that is gone, have none.
    let spec = VirtualMachineCloneSpec::with(|spec| {
        spec.set_power_on(false).set_template(false).location_mut().push_profile(defined(&other));
    });
    let parent = it.client.property(&machine, "parent").await.unwrap().moref().unwrap();
    let clone = CloneVMTask::with(|request| _ = request.set_folder(parent).set_name("copy").set_spec(spec));
    let copy = it.client.run(&machine, clone).await.unwrap().moref().unwrap();
    assert_eq!(it.profiles_of("virtualMachineAndDisks", copy.value()).await, [other.unique_id().as_str()]);
    it.client.run(&copy, DestroyTask::new()).await.unwrap();
    assert!(it.profiles_of("virtualMachineAndDisks", copy.value()).await.is_empty());
    it.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    it.reconfigure(&machine, change(Some(Operation::Remove))).await;
    assert!(it.profiles_of("virtualDiskId", &disk_key).await.is_empty());
    assert!(!is_refused().await);
    let none = VirtualMachineConfigSpec::with(|spec| _ = spec.push_vm_profile(VirtualMachineEmptyProfileSpec::new()));
    it.reconfigure(&machine, none).await;
    assert!(it.profiles_of("virtualMachine", key).await.is_empty());
}

#[tokio::test]
async fn compliance_follows_tags_and_changed_policies() {
    let it = start().await;
    let machine = found(&it.client, "DC0/vm/DC0_H0_VM0").await;
    let key = machine.value().as_str();
    it.tag("tier", "gold", &it.datastores[0]).await;
    let gold = it.create("gold", tagged("tier", "gold", None)).await;
    it.reconfigure(&machine, home(&gold)).await;
    let own = morefs(&it.client, &machine, "datastore").await;
    let expected = if own[0] == it.datastores[0] { "compliant" } else { "nonCompliant" };
    assert_eq!(it.statuses("virtualMachine", key).await, [expected]);
    let by_status = async |status: &str| {
        let request = PbmQueryByRollupComplianceStatus::with(|request| _ = request.set_status(status));
        it.pbm.call(&it.compliance, request).await
    };
    assert_eq!(by_status(expected).await.unwrap().items().len(), 1);
    check_fault::<InvalidArgument>(by_status("good").await);

    let update = PbmUpdate::with(|request| {
        request.set_profile_id(gold.clone());
        request.update_spec_mut().set_constraints(tagged("tier", "none such", None));
    });
    it.pbm.call(&it.manager, update).await.unwrap();
    assert_eq!(it.statuses("virtualMachine", key).await, ["outOfDate"]);
    it.reconfigure(&machine, home(&gold)).await;
    assert_eq!(it.statuses("virtualMachineAndDisks", key).await, ["nonCompliant"]);
    let request = PbmCheckRollupCompliance::with(|request| {
        request.set_entity([entity("virtualMachine", key), entity("virtualMachine", "vm-none")]);
    });
    let rollups = it.pbm.call(&it.compliance, request).await.unwrap();
    let of = |index: usize| rollups.items()[index].object().unwrap().field("overallComplianceStatus").text().unwrap();
    assert_eq!((of(0), of(1)), ("nonCompliant", "unknown"));
}

#[tokio::test]
async fn what_policies_can_ask_for_is_told() {
    let it = start().await;
    it.tag("tier", "gold", &it.datastores[0]).await;
    let metadata = it.pbm.call(&it.manager, PbmFetchCapabilityMetadata::new()).await.unwrap();
    let first = metadata.items()[0].object().unwrap().field("capabilityMetadata");
    assert_eq!(first.items()[0].object().unwrap().field("id").object().unwrap().field("id").text(), Some("tier"));
    assert_eq!(metadata.items().len(), 4);
    let vendors = it.pbm.call(&it.manager, PbmFetchVendorInfo::new()).await.unwrap();
    assert_eq!(vendors.items()[0].object().unwrap().field("vendorNamespaceInfo").items().len(), 4);
    let schema = PbmFetchCapabilitySchema::with(|request| _ = request.set_line_of_service(["ENCRYPTION"]));
    assert_eq!(it.pbm.call(&it.manager, schema).await.unwrap().items().len(), 1);
    let unknown = PbmFetchCapabilityMetadata::with(|request| _ = request.set_vendor_uuid("nobody"));
    check_fault::<InvalidArgument>(it.pbm.call(&it.manager, unknown).await);
}

#[tokio::test]
async fn datastores_of_old_kinds_have_no_default_policy() {
    let it = start().await;
    let request = PbmQueryDefaultRequirementProfile::with(|request| _ = request.set_hub(hub(&it.datastores[0])));
    assert!(it.pbm.call(&it.manager, request).await.unwrap().is_unset());
    let request = PbmAssignDefaultRequirementProfile::with(|request| {
        request.set_profile(id(VSAN_DEFAULT)).set_datastores([hub(&it.datastores[0])]);
    });
    check_fault::<PbmLegacyHubsNotSupported>(it.pbm.call(&it.manager, request).await);
}

#[tokio::test]
async fn policies_have_names_for_kubernetes() {
    let it = start().await;
    let names = async |profile: &PbmProfileId| {
        let request = PbmRetrieveContent::with(|request| _ = request.set_profile_ids([profile.clone()]));
        let answer = it.pbm.call(&it.manager, request).await.unwrap();
        let profile = answer.items()[0].object().unwrap().clone();
        let others = profile.field("otherK8sCompliantNames").items().iter().filter_map(Value::text).map(String::from);
        (profile.field("k8sCompliantName").text().map(String::from), others.collect::<Vec<_>>())
    };
    let vsan = id(VSAN_DEFAULT);
    assert_eq!(names(&vsan).await, (Some("vsan-default-storage-policy".into()), Vec::new()));
    let own = it.create("My Own", PbmCapabilityConstraints::new()).await;
    assert_eq!(names(&own).await.0, None);
    for _ in 0..2 {
        it.pbm.call(&it.manager, PbmResolveK8sCompliantNames::new()).await.unwrap();
        assert_eq!(names(&own).await, (Some("my-own".into()), vec!["my-own-latebinding".into()]));
    }
    let update = |name: &str, other: &str| {
        PbmUpdateK8sCompliantNames::with(|request| {
            let spec = request.k8s_compliant_name_spec_mut();
            spec.set_profile_id(own.unique_id()).set_k8s_compliant_name(name).set_other_k8s_compliant_names([other]);
        })
    };
    it.pbm.call(&it.manager, update("my-own", "mine")).await.unwrap();
    assert_eq!(names(&own).await.1, ["mine"]);
    check_fault::<InvalidArgument>(it.pbm.call(&it.manager, update("another", "mine")).await);
    let same = it.pbm.call(&it.manager, update("my-own", "my-own")).await;
    check_fault::<vimsim::types::views::PbmDuplicateName>(same);
}
