//! The endpoints beside `/sdk`: storage policies, vSAN, container volumes, the lookup service.

use vimsim::types::method::{
    CnsQueryVolume, LookupCreate, LookupDelete, LookupGet, LookupGetSiteId, LookupList, LookupRetrieveServiceContent,
    LookupSet, PbmCreate, PbmDelete, PbmQueryAssociatedProfile, PbmQueryIOFiltersFromProfileId, PbmQueryProfile,
    PbmQueryProfileDetails, PbmRetrieveContent, PbmRetrieveServiceContent, PbmUpdate, VSANVcConvertToStretchedCluster,
    VSANVcGetPreferredFaultDomain, VSANVcGetWitnessHosts, VSANVcIsWitnessHost, VSANVcRemoveWitnessHost,
    VSANVcSetPreferredFaultDomain, VsanClusterGetConfig, VsanClusterReconfig,
};
use vimsim::types::views::{
    CnsQueryFilter, CnsVolumeManager, InvalidArgument, InvalidState, LookupFaultEntryNotFoundFault,
    LookupFaultServiceFault, LookupServiceInstance, LookupServiceRegistrationFilter, NotAuthenticated,
    PbmCapabilityConstraints, PbmCapabilityProfileCreateSpec, PbmDuplicateName, PbmProfileId, PbmProfileResourceType,
    PbmServiceInstance, ServiceContent, VimClusterVSANStretchedClusterFaultDomainConfig,
    VimClusterVsanVcStretchedClusterSystem, VsanVcClusterConfigSystem,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Simulator};

use crate::inventory::{found, morefs};
use crate::{check_fault, start};

/// A client of another endpoint of the same simulator, in the session of this one.
fn at(simulator: &Simulator, path: &str, client: &Client) -> Client {
    Client::at(simulator, path).with_session(&client.session().expect("has logged in"))
}

fn text(value: &Value, name: &str) -> String {
    value.object().expect("an object").field(name).text().expect("text").to_owned()
}

#[tokio::test]
async fn every_endpoint_has_a_service_instance_of_its_own() {
    let (simulator, client) = start().await;
    let pbm = at(&simulator, "/pbm", &client);
    let instance = Moref::of::<PbmServiceInstance>("ServiceInstance");
    let content = pbm.call(&instance, PbmRetrieveServiceContent::new()).await.unwrap();
    assert_eq!(text(content.object().unwrap().field("aboutInfo"), "name"), "PBM");
    let lookup = Client::at(&simulator, "/lookupservice/sdk");
    let instance = Moref::of::<LookupServiceInstance>("ServiceInstance");
    let content = lookup.call(&instance, LookupRetrieveServiceContent::new()).await.unwrap();
    assert!(content.object().unwrap().field("serviceRegistration").moref().is_some());
    let content = client.property(&Client::service_instance(), "content").await.unwrap();
    assert!(content.object().and_then(ServiceContent::from_ref).is_some());
}

fn storage() -> PbmProfileResourceType {
    PbmProfileResourceType::with(|kind| _ = kind.set_resource_type("STORAGE"))
}

fn profile(name: &str) -> PbmCreate {
    PbmCreate::with(|request| {
        request.set_create_spec(PbmCapabilityProfileCreateSpec::with(|spec| {
            spec.set_name(name).set_resource_type(storage()).set_constraints(PbmCapabilityConstraints::new());
        }));
    })
}

#[tokio::test]
async fn storage_policies_are_made_changed_and_deleted() {
    let (simulator, client) = start().await;
    let pbm = at(&simulator, "/pbm", &client);
    let manager = Moref::of::<vimsim::types::views::PbmProfileProfileManager>("ProfileManager");
    let all = async || {
        let request = PbmQueryProfile::with(|request| _ = request.set_resource_type(storage()));
        pbm.call(&manager, request).await.unwrap().items().to_vec()
    };
    let id = |value: &Value| value.object().and_then(PbmProfileId::from_ref).cloned().expect("an identifier");
    let content = async |id: PbmProfileId| {
        let request = PbmRetrieveContent::with(|request| _ = request.set_profile_ids([id]));
        pbm.call(&manager, request).await
    };
    assert_eq!(all().await.len(), 4);
    let vsan = id(&all().await[0]);
    assert_eq!(vsan.unique_id(), "aa6d5a82-1c88-45da-85d3-3d74b91a5bad");
    assert_eq!(text(&content(vsan.clone()).await.unwrap().items()[0], "name"), "vSAN Default Storage Policy");

    let gold = id(&pbm.call(&manager, profile("gold")).await.unwrap());
    check_fault::<PbmDuplicateName>(pbm.call(&manager, profile("gold")).await);
    check_fault::<InvalidArgument>(pbm.call(&manager, profile("")).await);
    let update = PbmUpdate::with(|request| {
        request.set_profile_id(gold.clone());
        request.update_spec_mut().set_name("silver").set_description("less");
    });
    pbm.call(&manager, update).await.unwrap();
    let silver = content(gold.clone()).await.unwrap();
    assert_eq!(
        (text(&silver.items()[0], "name"), text(&silver.items()[0], "createdBy")),
        ("silver".into(), "user".into())
    );

    // What is the default of some kind of datastore stays.
    let delete = PbmDelete::with(|request| _ = request.set_profile_id([vsan, gold.clone()]));
    let outcomes = pbm.call(&manager, delete).await.unwrap();
    let failed: Vec<bool> = outcomes.items().iter().map(|it| !it.object().unwrap().field("fault").is_unset()).collect();
    assert_eq!(failed, [true, false]);
    assert_eq!(all().await.len(), 4);
    check_fault::<InvalidArgument>(content(gold).await);
    let nobody = Client::at(&simulator, "/pbm");
    check_fault::<NotAuthenticated>(nobody.call(&manager, profile("x")).await);
}

#[tokio::test]
async fn a_cluster_is_stretched_over_two_sites_and_a_witness() {
    let (simulator, client) = start().await;
    let vsan = at(&simulator, "/vsanHealth", &client);
    let system = Moref::of::<VimClusterVsanVcStretchedClusterSystem>("vsan-stretched-cluster-system");
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let witness = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let hosts = morefs(&client, &cluster, "host").await;
    let convert = |witness: &Moref, preferred: &str, second: &[Moref]| {
        VSANVcConvertToStretchedCluster::with(|request| {
            request.set_cluster(cluster.clone()).set_witness_host(witness.clone()).set_preferred_fd(preferred);
            request.set_fault_domain_config(VimClusterVSANStretchedClusterFaultDomainConfig::with(|config| {
                config.set_first_fd_name("here").set_first_fd_hosts([hosts[0].clone()]);
                config.set_second_fd_name("there").set_second_fd_hosts(second.iter().cloned());
            }));
        })
    };
    let is_witness = async || {
        let request = VSANVcIsWitnessHost::with(|request| _ = request.set_host(witness.clone()));
        vsan.call(&system, request).await.unwrap()
    };
    let prefer = |name: &str| {
        VSANVcSetPreferredFaultDomain::with(|request| {
            request.set_cluster(cluster.clone()).set_preferred_fd(name);
        })
    };
    check_fault::<InvalidState>(vsan.call(&system, prefer("here")).await);
    let others = &hosts[1..];
    check_fault::<InvalidArgument>(vsan.call(&system, convert(&hosts[2], "here", others)).await);
    check_fault::<InvalidArgument>(vsan.call(&system, convert(&witness, "nowhere", others)).await);
    check_fault::<InvalidArgument>(vsan.call(&system, convert(&witness, "here", &[witness.clone()])).await);
    check_fault::<InvalidArgument>(vsan.call(&system, convert(&witness, "here", &[])).await);
    assert_eq!(is_witness().await, Value::Bool(false));

    let task = vsan.call(&system, convert(&witness, "here", others)).await.unwrap().moref().expect("a task");
    client.wait_for_task(&task).await.unwrap();
    for (host, name) in hosts.iter().zip(["here", "there", "there"]) {
        let domain = client.property(host, "config.vsanHostConfig.faultDomainInfo.name").await.unwrap();
        assert_eq!(domain.text(), Some(name));
    }
    assert_eq!(is_witness().await, Value::Bool(true));
    let task = vsan.call(&system, prefer("there")).await.unwrap().moref().expect("a task");
    client.wait_for_task(&task).await.unwrap();
    let preferred = VSANVcGetPreferredFaultDomain::with(|request| _ = request.set_cluster(cluster.clone()));
    let preferred = vsan.call(&system, preferred).await.unwrap();
    assert_eq!(text(&preferred, "preferredFaultDomainName"), "there");
    let witnesses = VSANVcGetWitnessHosts::with(|request| _ = request.set_cluster(cluster.clone()));
    let witnesses = vsan.call(&system, witnesses).await.unwrap();
    assert_eq!(witnesses.items()[0].object().unwrap().field("host").moref(), Some(witness.clone()));

    let remove = || VSANVcRemoveWitnessHost::with(|request| _ = request.set_cluster(cluster.clone()));
    let task = vsan.call(&system, remove()).await.unwrap().moref().expect("a task");
    client.wait_for_task(&task).await.unwrap();
    check_fault::<InvalidState>(vsan.call(&system, remove()).await);
    assert_eq!(is_witness().await, Value::Bool(false));
}

#[tokio::test]
async fn there_are_no_container_volumes() {
    let (simulator, client) = start().await;
    let cns = at(&simulator, "/vsanHealth", &client);
    let query = |offset: i64| {
        CnsQueryVolume::with(|request| {
            request.set_filter(CnsQueryFilter::with(|filter| _ = filter.cursor_mut().set_offset(offset).set_limit(10)));
        })
    };
    let manager = Moref::of::<CnsVolumeManager>("cns-volume-manager");
    let answer = cns.call(&manager, query(0)).await.unwrap();
    assert_eq!(*answer.object().unwrap().field("cursor").object().unwrap().field("totalRecords"), Value::Long(0));
    check_fault::<InvalidArgument>(cns.call(&manager, query(-1)).await);
}

#[tokio::test]
async fn the_lookup_service_tells_everybody_where_the_services_are() {
    let address = Some("127.0.0.1:8989".parse().unwrap());
    let simulator = Simulator::start(Config { address, ..Config::default() }).await.unwrap();
    let lookup = Client::at(&simulator, "/lookupservice/sdk");
    let registration = Moref::of::<vimsim::types::views::LookupServiceRegistration>("ServiceRegistration");
    let list = |protocol: Option<&str>| {
        LookupList::with(|request| {
            request.set_filter_criteria(LookupServiceRegistrationFilter::with(|filter| {
                if let Some(protocol) = protocol {
                    filter.endpoint_type_mut().set_protocol(protocol);
                }
            }));
        })
    };
    let all = lookup.call(&registration, list(None)).await.unwrap();
    assert_eq!(all.items().len(), 3);
    let vmomi = lookup.call(&registration, list(Some("vmomi"))).await.unwrap();
    let endpoint = vmomi.items()[0].object().unwrap().field("serviceEndpoints").items()[0].clone();
    assert_eq!((vmomi.items().len(), text(&endpoint, "url")), (1, "http://127.0.0.1:8989/sdk".into()));
    let id = text(&vmomi.items()[0], "serviceId");
    let get = |id: &str| LookupGet::with(|request| _ = request.set_service_id(id));
    assert_eq!(text(&lookup.call(&registration, get(&id)).await.unwrap(), "serviceId"), id);
    check_fault::<LookupFaultEntryNotFoundFault>(lookup.call(&registration, get("enoent")).await);
    check_fault::<LookupFaultServiceFault>(lookup.call(&registration, LookupList::new()).await);
    assert_eq!(lookup.call(&registration, LookupGetSiteId::new()).await.unwrap().text(), Some("vcsim"));
}

#[tokio::test]
async fn vsan_is_configured_in_part() {
    let (simulator, client) = start().await;
    let vsan = at(&simulator, "/vsanHealth", &client);
    let system = Moref::of::<VsanVcClusterConfigSystem>("vsan-cluster-config-system");
    let cluster = found(&client, "DC0/host/DC0_C0").await;
    let get = VsanClusterGetConfig::with(|request| _ = request.set_cluster(cluster.clone()));
    let config = vsan.call(&system, get.clone()).await.unwrap();
    assert!(config.object().unwrap().field("unmapConfig").is_unset());
    let change = VsanClusterReconfig::with(|request| {
        request.set_cluster(cluster.clone());
        request.vsan_reconfig_spec_mut().set_modify(true).unmap_config_mut().set_enable(true);
    });
    let task = vsan.call(&system, change).await.unwrap().moref().unwrap();
    client.wait_for_task(&task).await.unwrap();
    let config = vsan.call(&system, get).await.unwrap();
    let unmap = config.object().unwrap().field("unmapConfig").object().unwrap().clone();
    assert_eq!(unmap.field("enable"), &Value::Bool(true));
}

#[tokio::test]
async fn a_policy_tells_its_filters_and_its_disks() {
    let (simulator, client) = start().await;
    let pbm = at(&simulator, "/pbm", &client);
    let manager = Moref::of::<vimsim::types::views::PbmProfileProfileManager>("ProfileManager");
    let encryption = PbmProfileId::with(|id| _ = id.set_unique_id("4d5f673c-536f-11e6-beb8-9e71128cae77"));
    let ask = PbmQueryIOFiltersFromProfileId::with(|request| _ = request.set_profile_ids([encryption.clone()]));
    let answer = pbm.call(&manager, ask).await.unwrap();
    let filter = answer.items()[0].object().unwrap().field("iofilters").items()[0].clone();
    assert_eq!(text(&filter, "filterType"), "ENCRYPTION");
    let details = PbmQueryProfileDetails::with(|request| _ = request.set_profile_category("REQUIREMENT"));
    assert!(!pbm.call(&manager, details).await.unwrap().items().is_empty());
    let entity = |kind: &str| {
        PbmQueryAssociatedProfile::with(|request| _ = request.entity_mut().set_object_type(kind).set_key("vm-1"))
    };
    assert!(pbm.call(&manager, entity("virtualMachine")).await.unwrap().items().is_empty());
    check_fault::<InvalidArgument>(pbm.call(&manager, entity("nonsense")).await);
}

#[tokio::test]
async fn services_register_themselves_at_the_lookup_service() {
    let (simulator, client) = start().await;
    let lookup = at(&simulator, "/lookupservice/sdk", &client);
    let registration = Moref::of::<vimsim::types::views::LookupServiceRegistration>("ServiceRegistration");
    let create = |version: &str| {
        LookupCreate::with(|request| {
            request.set_service_id("mine");
            let spec = request.create_spec_mut();
            spec.set_owner_id("me").set_service_version(version);
            spec.service_type_mut().set_product("com.example").set_type("mine");
        })
    };
    let get = LookupGet::with(|request| _ = request.set_service_id("mine"));
    check_fault::<LookupFaultEntryNotFoundFault>(lookup.call(&registration, get.clone()).await);
    let stranger = Client::at(&simulator, "/lookupservice/sdk");
    check_fault::<NotAuthenticated>(stranger.call(&registration, create("1")).await);
    for version in ["1", "2"] {
        lookup.call(&registration, create(version)).await.unwrap();
        let found = stranger.call(&registration, get.clone()).await.unwrap();
        assert_eq!((text(&found, "serviceVersion"), text(&found, "ownerId")), (version.into(), "me".into()));
    }
    let set = LookupSet::with(|request| {
        request.set_service_id("mine").service_spec_mut().set_service_version("3");
    });
    lookup.call(&registration, set).await.unwrap();
    let found = lookup.call(&registration, get.clone()).await.unwrap();
    assert_eq!((text(&found, "serviceVersion"), text(&found, "ownerId")), ("3".into(), "me".into()));
    let delete = || LookupDelete::with(|request| _ = request.set_service_id("mine"));
    lookup.call(&registration, delete()).await.unwrap();
    check_fault::<LookupFaultEntryNotFoundFault>(lookup.call(&registration, delete()).await);
}
