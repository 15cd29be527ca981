//! Events and tasks of the past, and ways through them.

use vimsim_simulator::Product;
use vimsim_types::enums::{EventFilterSpecRecursionOption, TaskFilterSpecRecursionOption};
use vimsim_types::method::{
    CancelTask, CreateCollectorForEvents, CreateCollectorForTasks, CreateFolder, CreateTask, DestroyCollector,
    LogUserEvent, Logout, PostEvent, QueryEvents, ReadNextEvents, ReadNextTasks, ReadPreviousEvents, ReadPreviousTasks,
    RenameTask, ResetCollector, RetrieveArgumentDescription, RewindCollector, SetCollectorPageSize,
};
use vimsim_types::views::{
    Event, EventArgDesc, EventEx, EventFilterSpec, EventFilterSpecByEntity, HostSystem, InvalidArgument, InvalidState,
    ManagedEntity, ManagedObjectNotFound, NotSupported, TaskEvent, TaskFilterSpec, TaskFilterSpecByEntity, TaskInfo,
    TaskReasonUser,
};
use vimsim_types::{Moref, Value, View};

use crate::client::{Client, items, session_manager};

fn query(client: &Client, fill: impl FnOnce(&mut EventFilterSpec)) -> Vec<Event> {
    let events = client.content.event_manager().expect("named");
    let request = QueryEvents::with(|request| _ = request.set_filter(EventFilterSpec::with(fill)));
    items(&client.call(&events, request).expect("answers"))
}

fn about(client: &Client, entity: &str, recursion: EventFilterSpecRecursionOption) -> Vec<String> {
    let by = EventFilterSpecByEntity::with(|by| {
        by.set_entity(client.named::<ManagedEntity>(entity)).set_recursion(recursion);
    });
    let events = query(client, |filter| _ = filter.set_entity(by));
    events.iter().map(|event| event.full_formatted_message().expect("set").to_string()).collect()
}

fn rename(client: &Client, entity: &str, name: &str) {
    let request = RenameTask::with(|request| _ = request.set_new_name(name));
    client.call(&client.named::<ManagedEntity>(entity), request).expect("starts");
}

fn collector(client: &Client, fill: impl FnOnce(&mut EventFilterSpec)) -> Moref {
    let events = client.content.event_manager().expect("named");
    let filter = EventFilterSpec::with(fill);
    client.create(&events, CreateCollectorForEvents::with(|request| _ = request.set_filter(filter)))
}

fn keys(events: &Value) -> Vec<i32> {
    items::<Event>(events).iter().map(|event| event.key()).collect()
}

#[test]
fn events_are_found_by_where_they_happened() {
    use EventFilterSpecRecursionOption::{All, Children, Self_};
    let client = Client::virtual_center();
    rename(&client, "DC0", "DC");
    let renamed = "Renamed datacenter from DC0 to DC".to_string();
    assert!(about(&client, "DC", Self_).contains(&renamed));
    assert!(about(&client, "DC", All).contains(&renamed));
    assert!(!about(&client, "DC", Children).contains(&renamed));
    assert!(about(&client, "Datacenters", Children).contains(&renamed));
    assert!(!about(&client, "DC0_H0", All).contains(&renamed));
}

#[test]
fn events_are_found_by_type_user_category_and_count() {
    let client = Client::virtual_center();
    let of_type = |name: &str| query(&client, |filter| _ = filter.set_event_type_id([name])).len();
    assert_eq!(of_type("UserLoginSessionEvent"), 1);
    assert_eq!(of_type("vim.event.SessionEvent"), 1);
    assert_eq!(of_type("AlarmEvent"), 0);
    assert_eq!(query(&client, |filter| _ = filter.set_category(["error"])).len(), 0);
    assert_eq!(query(&client, |filter| _ = filter.set_max_count(1)).len(), 1);
    let bob = query(&client, |filter| _ = filter.user_name_mut().set_system_user(false).set_user_list(["bob"]));
    assert!(bob.is_empty());
    let silent = query(&client, |filter| _ = filter.set_disable_full_message(true));
    assert!(silent.iter().all(|event| event.full_formatted_message().is_none()));
    let later = client.service.snapshot();
    let last = query(&client, |_| ()).last().expect("one").created_time();
    let after = query(&client, |filter| _ = filter.time_mut().set_begin_time(last.plus_seconds(60)));
    assert!(after.is_empty() && later.version() > 0);
}

#[test]
fn a_login_says_who_and_a_task_what() {
    let client = Client::virtual_center();
    rename(&client, "DC0", "DC");
    let events = query(&client, |_| ());
    let texts: Vec<&str> =
        events.iter().filter_map(|event| event.full_formatted_message()).map(|t| t.as_str()).collect();
    assert!(texts.iter().any(|text| text.starts_with("User administrator@vsphere.local@")), "{texts:?}");
    assert!(texts.contains(&"Task: Rename datacenter"), "{texts:?}");
    let task = events.iter().find_map(|event| event.downcast::<TaskEvent>()).expect("one");
    let renamed = events.last().expect("one");
    assert_eq!(renamed.chain_id(), task.info().event_chain_id());
    assert_eq!(task.chain_id(), renamed.chain_id());
}

#[test]
fn a_collector_of_events_goes_both_ways() {
    let client = Client::virtual_center();
    for number in 0..30 {
        rename(
            &client,
            &format!("DC{}", if number == 0 { "0".into() } else { format!("-{number}") }),
            &format!("DC-{}", number + 1),
        );
    }
    let collector = collector(&client, |filter| _ = filter.set_event_type_id(["DatacenterRenamedEvent"]));
    let next = |count| client.call(&collector, ReadNextEvents::with(|r| _ = r.set_max_count(count))).expect("answers");
    let previous =
        |count| client.call(&collector, ReadPreviousEvents::with(|r| _ = r.set_max_count(count))).expect("answers");

    let first = keys(&next(20));
    assert_eq!(first.len(), 20);
    assert!(first.is_sorted());
    assert_eq!(keys(&next(20)).len(), 10);
    assert_eq!(keys(&next(20)).len(), 0);
    assert_eq!(keys(&previous(30)).len(), 30);
    assert_eq!(keys(&previous(30)).len(), 0);
    client.call(&collector, RewindCollector::new()).expect("answers");
    assert_eq!(keys(&next(20)), first);

    assert_eq!(client.get(&collector, "latestPage").items().len(), 10);
    client.call(&collector, SetCollectorPageSize::with(|r| _ = r.set_max_count(15))).expect("answers");
    let page = keys(&client.get(&collector, "latestPage"));
    assert_eq!(page.len(), 15);
    assert!(page.is_sorted_by(|a, b| a > b), "newest first");
    client.call(&collector, ResetCollector::new()).expect("answers");
    let older = keys(&previous(30));
    assert_eq!(older.len(), 15);
    assert!(older.iter().all(|key| key < page.last().expect("not empty")));

    for wrong in [0, -1, 1_001] {
        let answer = client.call(&collector, ReadNextEvents::with(|r| _ = r.set_max_count(wrong)));
        assert!(answer.expect_err("refused").is::<InvalidArgument>());
    }
    client.call(&collector, DestroyCollector::new()).expect("answers");
    let answer = client.call(&collector, ReadNextEvents::with(|r| _ = r.set_max_count(1)));
    assert!(answer.expect_err("gone").is::<ManagedObjectNotFound>());
}

#[test]
fn a_session_has_32_collectors_at_most_and_they_end_with_it() {
    let client = Client::virtual_center();
    let cookie = client.log_in("bob").expect("logs in");
    let events = client.content.event_manager().expect("named");
    let request = || CreateCollectorForEvents::with(|request| _ = request.set_filter(EventFilterSpec::new()));
    let objects = client.service.snapshot().len();
    for _ in 0..32 {
        client.call_as(&cookie, &events, request()).expect("answers");
    }
    assert!(client.call_as(&cookie, &events, request()).expect_err("one too many").is::<InvalidState>());
    assert!(client.call(&events, request()).is_ok(), "another session has its own");
    client.call_as(&cookie, &session_manager(), Logout::new()).expect("ends");
    assert_eq!(client.service.snapshot().len(), objects + 1);
}

#[test]
fn users_and_extensions_write_events() {
    let client = Client::virtual_center();
    let events = client.content.event_manager().expect("named");
    let host = client.named::<HostSystem>("DC0_H0");
    let request = LogUserEvent::with(|request| _ = request.set_entity(host.clone()).set_msg("broken fan"));
    client.call(&events, request).expect("answers");
    let latest = client.get(&events, "latestEvent");
    let latest = Event::from_ref(latest.object().expect("set")).expect("an event").clone();
    assert_eq!(latest.full_formatted_message().map(|text| text.as_str()), Some("User logged event: broken fan"));
    assert_eq!(latest.host().map(|argument| argument.host()), Some(host.clone()));
    assert_eq!(query(&client, |filter| _ = filter.set_category(["user"])).len(), 1);

    let event = EventEx::with(|event| {
        event.set_event_type_id("com.example.fan").set_severity("warning").set_message("fan 3");
        event.set_object_id(host.value()).set_object_type("HostSystem");
    });
    client.call(&events, PostEvent::with(|request| _ = request.set_event_to_post(event))).expect("answers");
    let found = query(&client, |filter| _ = filter.set_event_type_id(["com.example.fan"]).set_category(["warning"]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].full_formatted_message().map(|text| text.as_str()), Some("fan 3"));
    assert_eq!(found[0].host().map(|argument| argument.name().to_string()).as_deref(), Some("DC0_H0"));

    let describe = |id: &str| RetrieveArgumentDescription::with(|request| _ = request.set_event_type_id(id));
    let arguments = client.call(&events, describe("VmUuidAssignedEvent")).expect("answers");
    let names: Vec<String> = items::<EventArgDesc>(&arguments).iter().map(|item| item.name().to_string()).collect();
    assert_eq!(names, ["template", "uuid"]);
    assert!(client.call(&events, describe("Folder")).expect_err("no event").is::<InvalidArgument>());
}

#[test]
fn the_log_is_bounded_and_keeps_the_newest() {
    let client = Client::virtual_center();
    let events = client.content.event_manager().expect("named");
    let host = client.named::<HostSystem>("DC0_H0");
    for number in 0..11_000 {
        let request =
            LogUserEvent::with(|request| _ = request.set_entity(host.clone()).set_msg(format!("event {number}")));
        client.call(&events, request).expect("answers");
    }
    let found = query(&client, |filter| _ = filter.set_max_count(100_000));
    assert!((5_000..=10_000).contains(&found.len()), "{}", found.len());
    let text = found.last().and_then(|event| event.full_formatted_message()).map(|text| text.as_str());
    assert_eq!(text, Some("User logged event: event 10999"));
    assert!(found.is_sorted_by_key(|event| event.key()));
}

#[test]
fn a_collector_of_tasks_goes_both_ways_beyond_the_recent_ones() {
    let client = Client::virtual_center();
    let tasks = client.content.task_manager().expect("named");
    let root = client.content.root_folder();
    let folder = client.create(&root, CreateFolder::with(|request| _ = request.set_name("folder")));
    for number in 0..250 {
        let request = RenameTask::with(|request| _ = request.set_new_name(format!("folder-{number}")));
        client.call(&folder, request).expect("starts");
    }
    assert!(client.get(&tasks, "recentTask").items().len() <= 201);
    let by = TaskFilterSpecByEntity::with(|by| {
        by.set_entity(folder.clone()).set_recursion(TaskFilterSpecRecursionOption::Self_);
    });
    let filter = TaskFilterSpec::with(|filter| _ = filter.set_entity(by));
    let collector = client.create(&tasks, CreateCollectorForTasks::with(|request| _ = request.set_filter(filter)));
    let all = client.call(&collector, ReadNextTasks::with(|r| _ = r.set_max_count(1_000))).expect("answers");
    let all = items::<TaskInfo>(&all);
    assert_eq!(all.len(), 250);
    assert!(all.is_sorted_by_key(|info| info.event_chain_id()));
    let back = client.call(&collector, ReadPreviousTasks::with(|r| _ = r.set_max_count(3))).expect("answers");
    let back: Vec<i32> = items::<TaskInfo>(&back).iter().map(|info| info.event_chain_id()).collect();
    let newest: Vec<i32> = all.iter().rev().take(3).map(|info| info.event_chain_id()).collect();
    assert_eq!(back, newest);
    assert_eq!(items::<TaskInfo>(&client.get(&collector, "latestPage")).len(), 10);
}

#[test]
fn extensions_have_tasks_of_their_own() {
    let client = Client::virtual_center();
    let tasks = client.content.task_manager().expect("named");
    let host = client.named::<HostSystem>("DC0_H0");
    let create = |id: &str| {
        CreateTask::with(|request| {
            request.set_obj(host.clone()).set_task_type_id(id).set_cancelable(true);
        })
    };
    assert!(client.call(&tasks, create("enoent")).expect_err("unknown").is::<InvalidArgument>());
    let info = client.call(&tasks, create("com.vmware.govmomi.simulator.test")).expect("answers");
    let info = TaskInfo::from_ref(info.object().expect("set")).expect("an info").clone();
    assert_eq!(info.entity_name().map(|name| name.as_str()), Some("DC0_H0"));
    assert!(client.get(&host, "recentTask").items().contains(&Value::from(info.task())));
    client.call(&info.task(), CancelTask::new()).expect("answers");
    assert_eq!(client.get(&info.task(), "info.cancelled"), Value::Bool(true));
}

#[test]
fn a_host_keeps_events_and_no_history_of_tasks() {
    let client = Client::start(Product::EsxHost);
    assert_eq!(query(&client, |filter| _ = filter.set_event_type_id(["UserLoginSessionEvent"])).len(), 1);
    let tasks = client.content.task_manager().expect("named");
    let request = CreateCollectorForTasks::with(|request| _ = request.set_filter(TaskFilterSpec::new()));
    assert!(client.call(&tasks, request).expect_err("refused").is::<NotSupported>());
}

#[test]
fn every_task_was_started_by_somebody() {
    let client = Client::virtual_center();
    rename(&client, "DC0", "DC");
    let tasks = client.content.task_manager().expect("named");
    let recent = client.get(&tasks, "recentTask");
    let users: Vec<String> = recent
        .items()
        .iter()
        .filter_map(Value::moref)
        .map(|task| {
            let reason = client.get(&task, "info.reason");
            let reason = TaskReasonUser::from_ref(reason.object().expect("set")).expect("a user").clone();
            reason.user_name().to_string()
        })
        .collect();
    assert_eq!(users.first().map(String::as_str), Some("VSPHERE.LOCAL\\Administrator"));
    assert_eq!(users.last().map(String::as_str), Some("administrator@vsphere.local"));
}
