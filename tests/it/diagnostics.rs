//! Logs, alarms that are turned off at an entity, and settings of hosts.

use vimsim::Client;
use vimsim::types::enums::ManagedEntityStatus;
use vimsim::types::method::{
    BrowseDiagnosticLog, CreateAlarm, DisableAlarm, EmitSyslogMark, EnableAlarm, EsxAgentHostManagerUpdateConfig,
    GetAlarmState, LogUserEvent, PowerOffVMTask, PowerOnVMTask, QueryDescriptions, UpdateSystemResources,
    UpdateSystemSwapConfiguration,
};
use vimsim::types::views::{
    AlarmSpec, AlarmState, CannotAccessFile, EventAlarmExpression, HostConfigFault, HostSystemResourceInfo,
    HostSystemSwapConfigurationDatastoreOption, InvalidArgument, OrAlarmExpression, ServiceInstance,
};
use vimsim::types::{Moref, Value, View};

use crate::inventory::found;
use crate::{check_fault, create, root_folder, start};

async fn manager(client: &Client, name: &str) -> Moref {
    let instance = Moref::of::<ServiceInstance>("ServiceInstance");
    client.property(&instance, &format!("content.{name}")).await.unwrap().moref().unwrap()
}

#[tokio::test]
async fn logs_say_what_happened() {
    let (_simulator, client) = start().await;
    let diagnostics = manager(&client, "diagnosticManager").await;
    let events = manager(&client, "eventManager").await;
    let logs = client.call(&diagnostics, QueryDescriptions::new()).await.unwrap();
    assert_eq!(logs.items()[0].object().unwrap().field("key").text(), Some("vpxd:vpxd.log"));
    let browse = async |key: &str, start: i32| {
        let request = BrowseDiagnosticLog::with(|it| _ = it.set_key(key).set_start(start));
        client.call(&diagnostics, request).await
    };
    let lines = |header: &Value| -> Vec<String> {
        let text = header.object().unwrap().field("lineText").items().to_vec();
        text.iter().map(|line| line.text().unwrap().to_owned()).collect()
    };
    let end = |header: &Value| match header.object().unwrap().field("lineEnd") {
        Value::Int(number) => *number,
        other => panic!("{other:?}"),
    };
    check_fault::<CannotAccessFile>(browse("nothing", 1).await);
    check_fault::<InvalidArgument>(browse("vpxd:vpxd.log", -1).await);
    let all = browse("vpxd:vpxd.log", 999_999).await.unwrap();
    assert!(lines(&all).is_empty());
    let last = end(&all);
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let log = LogUserEvent::with(|it| _ = it.set_entity(machine).set_msg("hello"));
    client.call(&events, log).await.unwrap();
    client.call(&diagnostics, EmitSyslogMark::with(|it| _ = it.set_message("here"))).await.unwrap();
    let new = browse("vpxd:vpxd.log", last + 1).await.unwrap();
    let new = lines(&new);
    assert!(new.iter().any(|line| line.contains("hello")), "{new:?}");
    assert!(new.iter().any(|line| line.contains("here")), "{new:?}");
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let of_host = QueryDescriptions::with(|it| _ = it.set_host(host));
    assert_eq!(client.call(&diagnostics, of_host).await.unwrap().items().len(), 2);
}

#[tokio::test]
async fn an_alarm_is_turned_off_at_an_entity() {
    let (_simulator, client) = start().await;
    let alarms = manager(&client, "alarmManager").await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let spec = AlarmSpec::with(|spec| {
        spec.set_name("off").set_description("of a test").set_enabled(true);
        spec.set_expression(OrAlarmExpression::with(|any| {
            any.push_expression(EventAlarmExpression::with(|event| {
                event.set_event_type("VmPoweredOffEvent").set_object_type("VirtualMachine");
                event.set_status(ManagedEntityStatus::Red);
            }));
        }));
    });
    let request = CreateAlarm::with(|it| _ = it.set_entity(root_folder()).set_spec(spec));
    let alarm = create(&client, &alarms, request).await;
    let state = async || -> AlarmState {
        let request = GetAlarmState::with(|it| _ = it.set_entity(machine.clone()));
        let states = client.call(&alarms, request).await.unwrap();
        let states = states.items().iter().filter_map(|it| AlarmState::from_ref(it.object()?).cloned());
        states.collect::<Vec<_>>().into_iter().find(|state| state.alarm() == alarm).unwrap()
    };
    let disable = DisableAlarm::with(|it| _ = it.set_alarm(alarm.clone()).set_entity(machine.clone()));
    client.call(&alarms, disable).await.unwrap();
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    let off = state().await;
    assert_eq!((off.disabled(), off.overall_status()), (Some(true), ManagedEntityStatus::Green));
    let enable = EnableAlarm::with(|it| _ = it.set_alarm(alarm.clone()).set_entity(machine.clone()));
    client.call(&alarms, enable).await.unwrap();
    client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    let on = state().await;
    assert_eq!((on.disabled(), on.overall_status()), (None, ManagedEntityStatus::Red));
}

#[tokio::test]
async fn settings_of_a_host_are_changed() {
    let (_simulator, client) = start().await;
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let swap = |name: &str| {
        UpdateSystemSwapConfiguration::with(|it| {
            it.sys_swap_config_mut().push_option(HostSystemSwapConfigurationDatastoreOption::with(|option| {
                option.set_datastore(name);
                option.set_key(0);
            }));
        })
    };
    client.call(&host, swap("LocalDS_0")).await.unwrap();
    check_fault::<InvalidArgument>(client.call(&host, swap("nothing")).await);
    let options = client.property(&host, "config.systemSwapConfiguration.option").await.unwrap();
    assert_eq!(options.items().len(), 1);
    let tree = client.property(&host, "systemResources").await.unwrap();
    let tree = HostSystemResourceInfo::from_object(tree.object().unwrap().clone()).unwrap();
    let mut pool = tree.child().iter().next().unwrap().clone();
    pool.config_mut().cpu_allocation_mut().set_reservation(17);
    let request = |pool: HostSystemResourceInfo| UpdateSystemResources::with(|it| _ = it.set_resource_info(pool));
    client.call(&host, request(pool.clone())).await.unwrap();
    let changed = client.property(&host, "systemResources").await.unwrap();
    let changed = HostSystemResourceInfo::from_object(changed.object().unwrap().clone()).unwrap();
    let changed = changed.child().iter().find(|it| it.key() == pool.key()).unwrap().clone();
    assert_eq!(changed.config().unwrap().cpu_allocation().reservation(), Some(17));
    pool.set_key("nothing");
    check_fault::<InvalidArgument>(client.call(&host, request(pool)).await);
    let agents = client.property(&host, "configManager.esxAgentHostManager").await.unwrap().moref().unwrap();
    let datastore = found(&client, "DC0/datastore/LocalDS_0").await;
    let configure = |datastore: &Moref| {
        EsxAgentHostManagerUpdateConfig::with(|it| {
            it.config_info_mut().set_agent_vm_datastore(datastore.clone());
        })
    };
    client.call(&agents, configure(&datastore)).await.unwrap();
    let shown = client.property(&agents, "configInfo.agentVmDatastore").await.unwrap();
    assert_eq!(shown.moref(), Some(datastore));
    let other = Moref::of::<vimsim::types::views::Datastore>("datastore-99999");
    check_fault::<HostConfigFault>(client.call(&agents, configure(&other)).await);
}
