//! Managers with little to do: a host's own users, tenants, registered services; and what is in the way of Fault Tolerance.

use vimsim::types::enums::VmFaultToleranceConfigIssueReasonForIssue as Reason;
use vimsim::types::method::{
    AbortCustomizationTask, ChangePassword, CheckCustomizationResources, CloneVMTask,
    CreateCollectorWithInfoFilterForTasks, CreateSecondaryVMTask, CreateUser, CustomizationSpecItemToXml,
    CustomizeGuestTask, GetCustomizationSpec, MarkServiceProviderEntities, PowerOffVMTask,
    QueryFaultToleranceCompatibility, QueryFaultToleranceCompatibilityEx, QueryLockdownExceptions, QueryServiceList,
    ReadNextTasks, RemoveUser, RetrieveServiceProviderEntities, RetrieveUserGroups, StartGuestNetworkTask,
    StartRecordingTask, TurnOffFaultToleranceForVMTask, UnmarkServiceProviderEntities, UpdateLockdownExceptions,
    UpdateUser, XmlToCustomizationSpecItem,
};
use vimsim::types::views::{
    AlreadyExists, CustomizationAdapterMapping, CustomizationFault, CustomizationFixedIp, CustomizationFixedName,
    CustomizationGlobalIPSettings, CustomizationLinuxPrep, CustomizationSpec, CustomizationSpecItem,
    CustomizationSpecManager, Folder, HostAccountSpec, HostIncompatibleForRecordReplay, InvalidArgument, InvalidLogin,
    InvalidState, LocalizedMethodFault, ManagedObjectNotFound, NamePasswordAuthentication, ServiceInstance,
    TaskFilterSpec, TaskInfoFilterSpec, TaskManager, UncustomizableGuest, UserNotFound, UserSearchResult,
    VirtualMachineGuestCustomizationManager, VmFaultToleranceConfigIssue,
};
use vimsim::types::{EnumView, Moref, Value, View};

use crate::inventory::found;
use crate::{check_fault, start};

fn account(id: &str, password: &str) -> HostAccountSpec {
    HostAccountSpec::with(|spec| {
        spec.set_id(id).set_password(password).set_description("of a test");
    })
}

#[tokio::test]
async fn a_host_has_users_of_its_own() {
    let (_simulator, client) = start().await;
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let manager = client.property(&host, "configManager.accountManager").await.unwrap().moref().unwrap();
    let create = |id: &str| CreateUser::with(|request| _ = request.set_user(account(id, "secret")));
    client.call(&manager, create("ann")).await.unwrap();
    for taken in ["ann", "root"] {
        check_fault::<AlreadyExists>(client.call(&manager, create(taken)).await);
    }
    for wrong in ["", "a b", "1st"] {
        check_fault::<InvalidArgument>(client.call(&manager, create(wrong)).await);
    }
    // Its directory knows the user; vCenter's and another host's do not.
    let knows = async |directory: &Moref| {
        let request = RetrieveUserGroups::with(|request| {
            request.set_search_str("ann").set_exact_match(true).set_find_users(true).set_find_groups(false);
        });
        let users = client.call(directory, request).await.unwrap();
        let users = users.items().iter().filter_map(|user| UserSearchResult::from_ref(user.object()?).cloned());
        users.map(|user| user.full_name().cloned().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    let directory =
        async |host: &Moref| client.property(host, "configManager.userDirectory").await.unwrap().moref().unwrap();
    assert_eq!(knows(&directory(&host).await).await, ["of a test"]);
    let other = found(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    assert!(knows(&directory(&other).await).await.is_empty());
    let instance = Moref::of::<ServiceInstance>("ServiceInstance");
    let of_service = client.property(&instance, "content.userDirectory").await.unwrap().moref().unwrap();
    assert!(knows(&of_service).await.is_empty());
    let change = |old: &str| {
        ChangePassword::with(|request| {
            request.set_user("ann").set_old_password(old).set_new_password("other");
        })
    };
    client.call(&manager, change("secret")).await.unwrap();
    check_fault::<InvalidLogin>(client.call(&manager, change("secret")).await);
    let update = |id: &str| UpdateUser::with(|request| _ = request.set_user(account(id, "third")));
    client.call(&manager, update("ann")).await.unwrap();
    client.call(&manager, change("third")).await.unwrap();
    check_fault::<UserNotFound>(client.call(&manager, update("bob")).await);
    let remove = |name: &str| RemoveUser::with(|request| _ = request.set_user_name(name));
    client.call(&manager, remove("ann")).await.unwrap();
    check_fault::<UserNotFound>(client.call(&manager, remove("ann")).await);
    check_fault::<InvalidArgument>(client.call(&manager, remove("root")).await);
}

#[tokio::test]
async fn entities_are_marked_as_the_providers() {
    let (_simulator, client) = start().await;
    let instance = Moref::of::<ServiceInstance>("ServiceInstance");
    let manager = client.property(&instance, "content.tenantManager").await.unwrap().moref().unwrap();
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let mark = |entity: &Moref| MarkServiceProviderEntities::with(|request| _ = request.push_entity(entity.clone()));
    client.call(&manager, mark(&machine)).await.unwrap();
    client.call(&manager, mark(&machine)).await.unwrap();
    check_fault::<ManagedObjectNotFound>(client.call(&manager, mark(&Moref::of::<Folder>("group-0"))).await);
    let marked = async || {
        let found = client.call(&manager, RetrieveServiceProviderEntities::new()).await.unwrap();
        found.items().iter().filter_map(Value::moref).collect::<Vec<_>>()
    };
    assert_eq!(marked().await, [machine.clone()]);
    let unmark = UnmarkServiceProviderEntities::with(|request| _ = request.push_entity(machine.clone()));
    client.call(&manager, unmark).await.unwrap();
    assert!(marked().await.is_empty());
}

#[tokio::test]
async fn no_other_server_has_registered_a_service() {
    let (_simulator, client) = start().await;
    let instance = Moref::of::<ServiceInstance>("ServiceInstance");
    let manager = client.property(&instance, "content.serviceManager").await.unwrap().moref().unwrap();
    assert!(client.call(&manager, QueryServiceList::new()).await.unwrap().items().is_empty());
}

#[tokio::test]
async fn what_is_in_the_way_of_fault_tolerance_is_told() {
    let (_simulator, client) = start().await;
    let machine = found(&client, "DC0/vm/DC0_C0_RP0_VM0").await;
    let reasons = |issues: Value| -> Vec<String> {
        let issues = issues.items().iter().filter_map(|issue| LocalizedMethodFault::from_ref(issue.object()?).cloned());
        let issues = issues.filter_map(|issue| issue.fault().downcast::<VmFaultToleranceConfigIssue>().cloned());
        issues.filter_map(|issue| issue.reason().map(ToString::to_string)).collect()
    };
    let found = reasons(client.call(&machine, QueryFaultToleranceCompatibilityEx::new()).await.unwrap());
    let expected = [Reason::HaNotEnabled, Reason::MissingVMotionNic, Reason::MissingFTLoggingNic];
    assert_eq!(found, expected.map(|reason| reason.name().to_string()));
    assert_eq!(reasons(client.call(&machine, QueryFaultToleranceCompatibility::new()).await.unwrap()), found);
    check_fault::<VmFaultToleranceConfigIssue>(client.call(&machine, CreateSecondaryVMTask::new()).await);
    check_fault::<InvalidState>(client.call(&machine, TurnOffFaultToleranceForVMTask::new()).await);
    let record = StartRecordingTask::with(|request| _ = request.set_name("r"));
    check_fault::<HostIncompatibleForRecordReplay>(client.call(&machine, record).await);
}

#[tokio::test]
async fn guests_that_run_are_customized_at_once() {
    let (_simulator, client) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let manager = Moref::of::<VirtualMachineGuestCustomizationManager>("GuestCustomizationManager");
    let auth = || {
        NamePasswordAuthentication::with(|auth| {
            auth.set_username("root").set_password("x").set_interactive_session(false);
        })
    };
    let spec = CustomizationSpec::with(|spec| {
        spec.set_identity(CustomizationLinuxPrep::with(|prep| {
            prep.set_host_name(CustomizationFixedName::with(|name| _ = name.set_name("box"))).set_domain("lab");
        }));
        spec.set_global_ip_settings(CustomizationGlobalIPSettings::new());
        spec.set_nic_setting_map([CustomizationAdapterMapping::with(|mapping| {
            mapping.adapter_mut().set_ip(CustomizationFixedIp::with(|ip| _ = ip.set_ip_address("10.0.0.9")));
        })]);
    });
    let customize = || {
        CustomizeGuestTask::with(|request| {
            request.set_vm(machine.clone()).set_auth(auth()).set_spec(spec.clone());
        })
    };
    client.run(&manager, customize()).await.unwrap();
    for (path, text) in [("guest.hostName", "box"), ("guest.ipAddress", "10.0.0.9")] {
        assert_eq!(client.property(&machine, path).await.unwrap().text(), Some(text));
    }
    let start = StartGuestNetworkTask::with(|request| _ = request.set_vm(machine.clone()).set_auth(auth()));
    client.run(&manager, start).await.unwrap();
    let abort = AbortCustomizationTask::with(|request| _ = request.set_vm(machine.clone()).set_auth(auth()));
    check_fault::<InvalidState>(client.call(&manager, abort).await);
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    check_fault::<InvalidState>(client.call(&manager, customize()).await);
    let resources = |guest: &str| CheckCustomizationResources::with(|request| _ = request.set_guest_os(guest));
    let specs = Moref::of::<CustomizationSpecManager>("CustomizationSpecManager");
    client.call(&specs, resources("ubuntu64Guest")).await.unwrap();
    // What is written as XML is read again.
    let get = GetCustomizationSpec::with(|request| _ = request.set_name("vcsim-windows-static"));
    let item = client.call(&specs, get).await.unwrap();
    let stored = CustomizationSpecItem::from_ref(item.object().unwrap()).unwrap().clone();
    let xml = CustomizationSpecItemToXml::with(|request| _ = request.set_item(stored));
    let xml = client.call(&specs, xml).await.unwrap();
    let read = |text: &str| XmlToCustomizationSpecItem::with(|request| _ = request.set_spec_item_xml(text));
    assert_eq!(client.call(&specs, read(xml.text().unwrap())).await.unwrap(), item);
    check_fault::<CustomizationFault>(client.call(&specs, read("<a/>")).await);
    check_fault::<UncustomizableGuest>(client.call(&specs, resources("freebsd14_64Guest")).await);
}

#[tokio::test]
async fn collectors_of_tasks_leave_out_results() {
    let (_simulator, client) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let folder = found(&client, "DC0/vm").await;
    let clone = CloneVMTask::with(|request| {
        request.set_folder(folder).set_name("copy");
        request.spec_mut().set_power_on(false).set_template(false).location_mut();
    });
    client.run(&machine, clone).await.unwrap();
    let manager = Moref::of::<TaskManager>("TaskManager");
    let results = async |info: Option<TaskInfoFilterSpec>| {
        let request = CreateCollectorWithInfoFilterForTasks::with(|request| {
            request.set_filter(TaskFilterSpec::new());
            info.into_iter().for_each(|info| _ = request.set_info_filter(info));
        });
        let collector = crate::create(&client, &manager, request).await;
        let read = ReadNextTasks::with(|request| _ = request.set_max_count(100));
        let tasks = client.call(&collector, read).await.unwrap();
        tasks.items().iter().filter(|task| !task.object().unwrap().field("result").is_unset()).count()
    };
    let filter = |ids: &[&str], keeps: bool, all: bool| {
        TaskInfoFilterSpec::with(|info| {
            let results = info.filter_task_results_mut();
            results.set_description_ids(ids.iter().copied()).set_filter_in(keeps).set_remove_all(all);
        })
    };
    let all = results(None).await;
    assert!(all > 0);
    assert_eq!(results(Some(filter(&[], false, true))).await, 0);
    assert_eq!(results(Some(filter(&["VirtualMachine.clone"], true, false))).await, 1);
    assert_eq!(results(Some(filter(&["VirtualMachine.clone"], false, false))).await, all - 1);
}

#[tokio::test]
async fn users_whom_lockdown_mode_does_not_concern_are_kept() {
    let (_simulator, client) = start().await;
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let manager = client.property(&host, "configManager.hostAccessManager").await.unwrap().moref().unwrap();
    let update =
        |users: &[&str]| UpdateLockdownExceptions::with(|request| _ = request.set_users(users.iter().copied()));
    let exceptions = async || {
        let found = client.call(&manager, QueryLockdownExceptions::new()).await.unwrap();
        found.items().iter().filter_map(|user| user.text().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert!(exceptions().await.is_empty());
    client.call(&manager, update(&["root", "CORP\\ann"])).await.unwrap();
    assert_eq!(exceptions().await, ["root", "CORP\\ann"]);
    check_fault::<UserNotFound>(client.call(&manager, update(&["bob"])).await);
    client.call(&manager, update(&[])).await.unwrap();
    assert!(exceptions().await.is_empty());
}
