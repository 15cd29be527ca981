//! Roles and permissions, fields, extensions, licences, counters and alarms.

use vimsim_types::enums::ManagedEntityStatus;
use vimsim_types::method::{
    AcknowledgeAlarm, AddAuthorizationRole, AddCustomFieldDef, AddLicense, AllocateIpv4Address, CreateAlarm,
    CreateFolder, CreateIpPool, DeleteCustomizationSpec, DestroyIpPool, DestroyTask, DuplicateCustomizationSpec,
    FetchUserPrivilegeOnEntities, FindExtension, GetAlarm, GetCustomizationSpec, HasUserPrivilegeOnEntities,
    MoveIntoFolderTask, OverwriteCustomizationSpec, PostEvent, PowerOffVMTask, QueryAssignedLicenses,
    QueryAvailablePerfMetric, QueryIpPools, QueryPerf, RegisterExtension, ReleaseIpAllocation, RemoveAlarm,
    RemoveAuthorizationRole, RemoveCustomFieldDef, RemoveEntityPermission, RemoveLicense, RetrieveEntityPermissions,
    RetrieveUserGroups, SetEntityPermissions, SetField, UnregisterExtension, UpdateAssignedLicense,
    UpdateAuthorizationRole,
};
use vimsim_types::views::{
    AlarmSpec, AlarmState, AlreadyExists, AuthMinimumAdminPermission, ConcurrentAccess, CustomFieldDef,
    CustomFieldStringValue, CustomizationSpecItem, Datacenter, EntityPrivilege, EventAlarmExpression, EventEx,
    Extension, Folder, HostSystem, InvalidArgument, InvalidState, IpPool, LicenseAssignmentManagerLicenseAssignment,
    LicenseEntityNotFound, ManagedEntity, NotFound, OrAlarmExpression, PerfEntityMetric, PerfMetricId, PerfQuerySpec,
    Permission, RemoveFailed, UserPrivilegeResult, UserSearchResult,
};
use vimsim_types::{Moref, Value, View};

use crate::client::{Client, items};

fn permission(principal: &str, role: i32) -> Permission {
    Permission::with(|permission| {
        permission.set_principal(principal).set_group(false).set_role_id(role).set_propagate(true);
    })
}

fn give(entity: &Moref, permission: Permission) -> SetEntityPermissions {
    SetEntityPermissions::with(|request| _ = request.set_entity(entity.clone()).set_permission([permission]))
}

fn may(client: &Client, user: &str, entity: &Moref, privilege: &str) -> bool {
    let manager = client.content.authorization_manager().expect("named");
    let request = HasUserPrivilegeOnEntities::with(|request| {
        request.set_entities([entity.clone()]).set_user_name(user).set_priv_id([privilege]);
    });
    let answer = items::<EntityPrivilege>(&client.call(&manager, request).expect("answers"));
    answer[0].priv_availability().first().expect("one").is_granted()
}

#[test]
fn roles_come_and_go() {
    let client = Client::virtual_center();
    let manager = client.content.authorization_manager().expect("named");
    let add = |name: &str, id: &str| AddAuthorizationRole::with(|r| _ = r.set_name(name).set_priv_ids([id]));
    let role = client.call(&manager, add("operator", "VirtualMachine.Interact.PowerOn")).expect("answers");
    let Value::Int(role) = role else { panic!("{role:?} is no number") };
    assert!(role > 0);
    assert!(client.call(&manager, add("operator", "System.View")).expect_err("same name").is::<AlreadyExists>());
    assert!(client.call(&manager, add("other", "enoent")).expect_err("no privilege").is::<InvalidArgument>());
    let update = |id: i32| {
        UpdateAuthorizationRole::with(|r| _ = r.set_role_id(id).set_new_name("boss").set_priv_ids(["Global.LogEvent"]))
    };
    client.call(&manager, update(role)).expect("answers");
    assert!(client.call(&manager, update(-1)).expect_err("the system's").is::<InvalidArgument>());
    assert!(client.call(&manager, update(99)).expect_err("unknown").is::<NotFound>());

    let host = client.named::<HostSystem>("DC0_H0");
    client.call(&manager, give(&host, permission("bob", role))).expect("answers");
    let remove = |fail: bool| RemoveAuthorizationRole::with(|r| _ = r.set_role_id(role).set_fail_if_used(fail));
    assert!(client.call(&manager, remove(true)).expect_err("in use").is::<RemoveFailed>());
    client.call(&manager, remove(false)).expect("answers");
    assert!(client.get(&host, "permission").items().is_empty());
}

#[test]
fn privileges_follow_from_permissions() {
    let client = Client::virtual_center();
    let manager = client.content.authorization_manager().expect("named");
    let (root, host) = (client.content.root_folder(), client.named::<HostSystem>("DC0_H0"));
    assert!(may(&client, "bob", &host, "Host.Config.Power"), "who has no role of their own is an administrator");
    client.call(&manager, give(&root, permission("VSPHERE.LOCAL\\bob", -2))).expect("answers");
    assert!(may(&client, "bob", &host, "System.Read"));
    assert!(!may(&client, "bob@vsphere.local", &host, "Host.Config.Power"));
    assert!(may(&client, "eve", &host, "Host.Config.Power"));
    client.call(&manager, give(&host, permission("bob", -1))).expect("answers");
    assert!(may(&client, "bob", &host, "Host.Config.Power"), "the nearest decides");
    assert!(!may(&client, "bob", &root, "Host.Config.Power"));
    assert!(!may(&client, "bob", &host, "enoent"));

    let fetch =
        FetchUserPrivilegeOnEntities::with(|request| _ = request.set_entities([root.clone()]).set_user_name("bob"));
    let privileges = items::<UserPrivilegeResult>(&client.call(&manager, fetch).expect("answers"));
    assert_eq!(privileges[0].privileges().len(), 3);

    let all = RetrieveEntityPermissions::with(|request| _ = request.set_entity(host.clone()).set_inherited(true));
    assert_eq!(client.call(&manager, all).expect("answers").items().len(), 5);
    let remove = |entity: &Moref, user: &str, is_group: bool| {
        RemoveEntityPermission::with(|r| _ = r.set_entity(entity.clone()).set_user(user).set_is_group(is_group))
    };
    client.call(&manager, remove(&host, "bob", false)).expect("answers");
    assert!(client.call(&manager, remove(&host, "bob", false)).expect_err("gone").is::<NotFound>());
    for (user, is_group) in [("root", false), ("admin", false)] {
        client.call(&manager, remove(&root, user, is_group)).expect("answers");
    }
    let last = client.call(&manager, remove(&root, "root", true)).expect_err("the last administrator");
    assert!(last.is::<AuthMinimumAdminPermission>());
}

#[test]
fn fields_are_offered_and_set() {
    let client = Client::virtual_center();
    let manager = client.content.custom_fields_manager().expect("named");
    let add = AddCustomFieldDef::with(|request| _ = request.set_name("rack").set_mo_type("HostSystem"));
    let field = client.call(&manager, add).expect("answers");
    let field = CustomFieldDef::from_ref(field.object().expect("set")).expect("a field").clone();
    let (host, root) = (client.named::<HostSystem>("DC0_H0"), client.content.root_folder());
    assert_eq!(client.get(&host, "availableField").items().len(), 1);
    assert_eq!(client.get(&root, "availableField").items().len(), 0);
    let set = |entity: &Moref, value: &str| {
        SetField::with(|request| _ = request.set_entity(entity.clone()).set_key(field.key()).set_value(value))
    };
    client.call(&manager, set(&host, "B12")).expect("answers");
    assert!(client.call(&manager, set(&root, "B12")).expect_err("not a host").is::<InvalidArgument>());
    let values = items::<CustomFieldStringValue>(&client.get(&host, "customValue"));
    assert_eq!(values[0].value(), "B12");
    assert_eq!(client.get(&host, "value"), client.get(&host, "customValue"));

    let add = AddCustomFieldDef::with(|request| _ = request.set_name("owner"));
    client.call(&manager, add).expect("answers");
    let folder = client.create(&root, CreateFolder::with(|request| _ = request.set_name("new")));
    assert_eq!(client.get(&folder, "availableField").items().len(), 1, "new entities are offered it, too");

    client.call(&manager, RemoveCustomFieldDef::with(|r| _ = r.set_key(field.key()))).expect("answers");
    assert!(client.get(&host, "customValue").items().is_empty());
}

#[test]
fn extensions_are_registered_and_found() {
    let client = Client::virtual_center();
    let manager = client.content.extension_manager().expect("named");
    let extension = Extension::with(|extension| {
        extension.set_key("com.example").set_version("1.0");
        extension.description_mut().set_label("Example").set_summary("An example");
    });
    let register = || RegisterExtension::with(|request| _ = request.set_extension(extension.clone()));
    client.call(&manager, register()).expect("answers");
    assert!(client.call(&manager, register()).expect_err("twice").is::<InvalidArgument>());
    let find = || FindExtension::with(|request| _ = request.set_extension_key("com.example"));
    assert!(client.call(&manager, find()).expect("answers").object().is_some());
    let remove = || UnregisterExtension::with(|request| _ = request.set_extension_key("com.example"));
    client.call(&manager, remove()).expect("answers");
    assert!(client.call(&manager, find()).expect("answers").is_unset());
    assert!(client.call(&manager, remove()).expect_err("gone").is::<NotFound>());
}

#[test]
fn licenses_are_assigned() {
    let client = Client::virtual_center();
    let manager = client.content.license_manager().expect("named");
    let assignments = client.get(&manager, "licenseAssignmentManager").moref().expect("named");
    let host = client.named::<HostSystem>("DC0_H0");
    let (key, add) = ("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", |key: &str| AddLicense::with(|r| _ = r.set_license_key(key)));
    client.call(&manager, add(key)).expect("answers");
    assert!(client.call(&manager, add("short")).expect_err("no key").is::<InvalidArgument>());
    let assign = |entity: &str| UpdateAssignedLicense::with(|r| _ = r.set_entity(entity).set_license_key(key));
    client.call(&assignments, assign(host.value())).expect("answers");
    assert!(client.call(&assignments, assign("enoent")).expect_err("nothing").is::<LicenseEntityNotFound>());
    let remove = RemoveLicense::with(|request| _ = request.set_license_key(key));
    assert!(client.call(&manager, remove).expect_err("in use").is::<InvalidArgument>());
    let all = client.call(&assignments, QueryAssignedLicenses::new()).expect("answers");
    let all = items::<LicenseAssignmentManagerLicenseAssignment>(&all);
    // The server, four hosts and a cluster.
    assert_eq!(all.len(), 6);
    let of_host = all.iter().find(|assignment| assignment.entity_id() == host.value()).expect("listed");
    assert_eq!(of_host.assigned_license().license_key(), key);
}

#[test]
fn specifications_are_kept_by_name_and_version() {
    let client = Client::virtual_center();
    let manager = client.content.customization_spec_manager().expect("named");
    let get = |name: &str| GetCustomizationSpec::with(|request| _ = request.set_name(name));
    let item = client.call(&manager, get("vcsim-linux")).expect("answers");
    let item = CustomizationSpecItem::from_ref(item.object().expect("set")).expect("an item").clone();
    let overwrite = || OverwriteCustomizationSpec::with(|request| _ = request.set_item(item.clone()));
    client.call(&manager, overwrite()).expect("answers");
    assert!(client.call(&manager, overwrite()).expect_err("an old version").is::<ConcurrentAccess>());
    let copy = || DuplicateCustomizationSpec::with(|r| _ = r.set_name("vcsim-linux").set_new_name("copy"));
    client.call(&manager, copy()).expect("answers");
    assert!(client.call(&manager, copy()).expect_err("twice").is::<AlreadyExists>());
    assert_eq!(client.get(&manager, "info").items().len(), 5);
    client.call(&manager, DeleteCustomizationSpec::with(|r| _ = r.set_name("copy"))).expect("answers");
    assert!(client.call(&manager, get("copy")).expect_err("gone").is::<NotFound>());
}

#[test]
fn samples_are_the_same_each_time() {
    let client = Client::virtual_center();
    let manager = client.content.perf_manager().expect("named");
    let host = client.named::<HostSystem>("DC0_H0");
    let available = QueryAvailablePerfMetric::with(|request| _ = request.set_entity(host.clone()).set_interval_id(20));
    let available = items::<PerfMetricId>(&client.call(&manager, available).expect("answers"));
    assert!(available.len() > 150);
    let now = client.service.snapshot().version();
    let spec = |interval: i32| {
        PerfQuerySpec::with(|spec| {
            spec.set_entity(host.clone()).set_interval_id(interval).set_max_sample(5);
            spec.set_end_time(vimsim_types::DateTime::from_micros(1_700_000_000_000_000));
            spec.set_metric_id([available[0].clone()]);
        })
    };
    let query = |interval| QueryPerf::with(|request| _ = request.set_query_spec([spec(interval)]));
    let first = client.call(&manager, query(20)).expect("answers");
    assert_eq!(first, client.call(&manager, query(20)).expect("answers"));
    let entity = items::<PerfEntityMetric>(&first).remove(0);
    assert_eq!(entity.sample_info().len(), 5);
    assert!(client.call(&manager, query(17)).expect_err("no interval").is::<InvalidArgument>());
    assert_eq!(client.service.snapshot().version(), now, "a question changes nothing");
}

#[test]
fn events_trigger_alarms() {
    let client = Client::virtual_center();
    let (alarms, events) =
        (client.content.alarm_manager().expect("named"), client.content.event_manager().expect("named"));
    let (root, machine) = (client.content.root_folder(), client.service.snapshot());
    let machine = machine.objects().find(|object| object.moref().is::<vimsim_types::views::VirtualMachine>());
    assert_eq!(client.call(&alarms, GetAlarm::new()).expect("answers").items().len(), 4);
    let Some(machine) = machine.map(|object| object.moref().clone()) else { return };
    let post = |id: &str| {
        let event = EventEx::with(|event| {
            event.set_event_type_id(id).set_object_id(machine.value()).set_object_type("VirtualMachine");
        });
        client.call(&events, PostEvent::with(|request| _ = request.set_event_to_post(event))).expect("answers");
    };
    let states = |moref: &Moref| items::<AlarmState>(&client.get(moref, "triggeredAlarmState"));
    post("vcsim.vm.failure");
    assert_eq!(states(&machine)[0].overall_status(), ManagedEntityStatus::Yellow);
    assert_eq!(states(&root).len(), 1);
    let acknowledge = AcknowledgeAlarm::with(|request| {
        request.set_alarm(states(&root)[0].alarm()).set_entity(machine.clone());
    });
    client.call(&alarms, acknowledge).expect("answers");
    assert_eq!(states(&root)[0].acknowledged(), Some(true));
    post("vcsim.vm.success");
    assert!(states(&machine).is_empty() && states(&root).is_empty());
    let entity = client.service.snapshot();
    let entity = entity.view::<ManagedEntity>(&machine).expect("exists");
    assert_eq!(entity.overall_status(), ManagedEntityStatus::Green);
}

#[test]
fn what_is_triggered_moves_and_goes_with_its_entity() {
    let client = Client::virtual_center();
    let events = client.content.event_manager().expect("named");
    let machine = client.named::<vimsim_types::views::VirtualMachine>("DC0_H0_VM0");
    let states = |moref: &Moref| items::<AlarmState>(&client.get(moref, "triggeredAlarmState")).len();
    let event = EventEx::with(|event| {
        event.set_event_type_id("vcsim.vm.failure").set_object_id(machine.value()).set_object_type("VirtualMachine");
    });
    client.call(&events, PostEvent::with(|request| _ = request.set_event_to_post(event))).expect("answers");
    let old = client.get(&machine, "parent").moref().expect("a folder");
    let folder = client.call(&old, CreateFolder::with(|request| _ = request.set_name("new"))).expect("a folder");
    let folder = folder.moref().expect("a folder");
    assert_eq!((states(&machine), states(&folder), states(&old)), (1, 0, 1));
    client.call(&folder, MoveIntoFolderTask::with(|request| _ = request.set_list([machine.clone()]))).expect("moves");
    assert_eq!((states(&machine), states(&folder), states(&old)), (1, 1, 1));
    client.call(&old, MoveIntoFolderTask::with(|request| _ = request.set_list([machine.clone()]))).expect("moves");
    assert_eq!((states(&machine), states(&folder), states(&old)), (1, 0, 1));
    client.call(&machine, PowerOffVMTask::new()).expect("stops");
    client.call(&machine, DestroyTask::new()).expect("goes");
    assert_eq!((states(&old), states(&client.content.root_folder())), (0, 0));
}

#[test]
fn what_leaves_the_entity_of_an_alarm_is_watched_no_longer() {
    let client = Client::virtual_center();
    let (alarms, events) =
        (client.content.alarm_manager().expect("named"), client.content.event_manager().expect("named"));
    let machine = client.named::<vimsim_types::views::VirtualMachine>("DC0_H0_VM0");
    let old = client.get(&machine, "parent").moref().expect("a folder");
    let folder = client.create(&old, CreateFolder::with(|request| _ = request.set_name("new")));
    let into = |folder: &Moref| {
        let request = MoveIntoFolderTask::with(|request| _ = request.set_list([machine.clone()]));
        client.call(folder, request).expect("moves");
    };
    into(&folder);
    let expression = EventAlarmExpression::with(|expression| {
        expression.set_event_type("EventEx").set_event_type_id("test.failure").set_object_type("VirtualMachine");
        expression.set_status(ManagedEntityStatus::Red);
    });
    let spec = AlarmSpec::with(|spec| {
        spec.set_name("here").set_description("").set_enabled(true);
        spec.set_expression(OrAlarmExpression::with(|any| _ = any.set_expression([expression])));
    });
    let create = CreateAlarm::with(|request| _ = request.set_entity(folder.clone()).set_spec(spec));
    let alarm = client.create(&alarms, create);
    let event = EventEx::with(|event| {
        event.set_event_type_id("test.failure").set_object_id(machine.value()).set_object_type("VirtualMachine");
    });
    client.call(&events, PostEvent::with(|request| _ = request.set_event_to_post(event))).expect("answers");
    let states = |moref: &Moref| items::<AlarmState>(&client.get(moref, "triggeredAlarmState")).len();
    let status = || client.get(&machine, "overallStatus").text().map(String::from);
    assert_eq!((states(&machine), states(&folder), states(&old), status().as_deref()), (1, 1, 1, Some("red")));
    into(&old);
    assert_eq!((states(&machine), states(&folder), states(&old), status().as_deref()), (0, 0, 0, Some("green")));
    client.call(&alarm, RemoveAlarm::new()).expect("goes");
}

#[test]
fn users_and_groups_are_found_by_name() {
    let client = Client::virtual_center();
    let directory = client.content.user_directory().expect("named");
    let find = |text: &str, exact: bool| {
        let request = RetrieveUserGroups::with(|request| {
            request.set_search_str(text).set_exact_match(exact).set_find_users(true).set_find_groups(true);
        });
        items::<UserSearchResult>(&client.call(&directory, request).expect("answers")).len()
    };
    assert_eq!((find("root", true), find("oo", false), find("enoent", false)), (2, 2, 0));
    assert!(client.named::<Folder>("Datacenters").value().starts_with("group"));
}

#[test]
fn addresses_are_taken_from_pools_and_given_back() {
    let client = Client::virtual_center();
    let manager = client.content.ip_pool_manager().expect("named");
    let datacenter = client.named::<Datacenter>("DC0");
    let pool = IpPool::with(|pool| {
        pool.set_name("small");
        pool.ipv4_config_mut().set_range("10.1.0.1#2");
    });
    let create = CreateIpPool::with(|request| _ = request.set_dc(datacenter.clone()).set_pool(pool));
    let Ok(Value::Int(id)) = client.call(&manager, create) else { panic!("no number") };
    let take = |name: &str| {
        AllocateIpv4Address::with(|r| _ = r.set_dc(datacenter.clone()).set_pool_id(id).set_allocation_id(name))
    };
    assert_eq!(client.call(&manager, take("a")), Ok("10.1.0.2".into()));
    assert_eq!(client.call(&manager, take("a")), Ok("10.1.0.2".into()));
    assert_eq!(client.call(&manager, take("b")), Ok("10.1.0.1".into()));
    assert!(client.call(&manager, take("c")).expect_err("no more").is::<InvalidState>());
    let query = || QueryIpPools::with(|request| _ = request.set_dc(datacenter.clone()));
    let pools = items::<IpPool>(&client.call(&manager, query()).expect("answers"));
    assert_eq!((pools.len(), pools[1].available_ipv4_addresses()), (2, Some(0)));
    let give_back = ReleaseIpAllocation::with(|r| {
        r.set_dc(datacenter.clone()).set_pool_id(id).set_allocation_id("a");
    });
    client.call(&manager, give_back).expect("answers");
    let destroy = |force: bool| DestroyIpPool::with(|r| _ = r.set_dc(datacenter.clone()).set_id(id).set_force(force));
    assert!(client.call(&manager, destroy(false)).expect_err("in use").is::<InvalidState>());
    client.call(&manager, destroy(true)).expect("answers");
    assert_eq!(client.call(&manager, query()).expect("answers").items().len(), 1);
}
