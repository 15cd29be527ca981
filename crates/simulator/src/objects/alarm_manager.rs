//! `AlarmManager`: what is watched for, and what it has come to.

use vimsim_types::enums::{
    HostSystemConnectionState, HostSystemPowerState, ManagedEntityStatus, MetricAlarmOperator, StateAlarmOperator,
    VirtualMachinePowerState,
};
use vimsim_types::views::{
    Alarm, AlarmManager, AlarmTriggeringAction, AlarmTriggeringActionTransitionSpec, EventAlarmExpression,
    GroupAlarmAction, OrAlarmExpression, SendSNMPAction, StateAlarmExpression,
};
use vimsim_types::{Moref, View};

use super::descriptions::{element, type_description, values};
use super::service_instance;
use crate::call::Context;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<AlarmManager> {
    Kind::new()
}

/// The alarm manager's own properties.
pub(crate) fn properties() -> AlarmManager {
    AlarmManager::with(|manager| {
        manager.set_default_expression([
            state("HostSystem", "runtime.connectionState", None, Some("notResponding")),
            state("VirtualMachine", "runtime.powerState", Some("suspended"), Some("poweredOff")),
        ]);
        let description = manager.description_mut();
        description.set_expr([
            type_description("StateAlarmExpression", "State", "Compares a state with a value"),
            type_description("MetricAlarmExpression", "Metric", "Compares a counter with limits"),
            type_description("EventAlarmExpression", "Event", "Waits for a type of event"),
            type_description("AndAlarmExpression", "And", "All of several expressions"),
            type_description("OrAlarmExpression", "Or", "One of several expressions"),
        ]);
        description.set_state_operator(values::<StateAlarmOperator>());
        description.set_metric_operator(values::<MetricAlarmOperator>());
        description.set_host_system_connection_state(values::<HostSystemConnectionState>());
        description.set_virtual_machine_power_state(values::<VirtualMachinePowerState>());
        description.set_datastore_connection_state([
            element("true", "Connected", "The datastore is accessible"),
            element("false", "Disconnected", "The datastore is not accessible"),
        ]);
        description.set_host_system_power_state(values::<HostSystemPowerState>());
        description.set_virtual_machine_guest_heartbeat_status(values::<ManagedEntityStatus>());
        description.set_entity_status(values::<ManagedEntityStatus>());
        description.set_action([
            type_description("SendEmailAction", "Send e-mail", "Sends a message by e-mail"),
            type_description("SendSNMPAction", "Send SNMP trap", "Sends a trap to the SNMP receivers"),
            type_description("RunScriptAction", "Run script", "Runs a script on the server"),
            type_description("MethodAction", "Method", "Calls a method of the entity"),
        ]);
    })
}

fn state(kind: &str, path: &str, yellow: Option<&str>, red: Option<&str>) -> StateAlarmExpression {
    StateAlarmExpression::with(|expression| {
        expression.set_operator(StateAlarmOperator::IsEqual);
        expression.set_type(kind).set_state_path(path).set_yellow(yellow).set_red(red);
    })
}

/// An alarm of events: each a type, the identifier of an `EventEx`, and the status it leads to.
struct BuiltIn {
    id: &'static str,
    name: &'static str,
    system_name: &'static str,
    description: &'static str,
    object: &'static str,
    events: &'static [(&'static str, &'static str, Option<ManagedEntityStatus>)],
}

/// The alarms that vcsim has, under their identifiers.
const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        id: "alarm-384",
        name: "vcsim VM Alarm",
        system_name: "",
        description: "Virtual machine alarm of the simulator, set by events",
        object: "VirtualMachine",
        events: &[
            ("EventEx", "vcsim.vm.success", Some(ManagedEntityStatus::Green)),
            ("EventEx", "vcsim.vm.failure", Some(ManagedEntityStatus::Yellow)),
            ("EventEx", "vcsim.vm.fatal", Some(ManagedEntityStatus::Red)),
        ],
    },
    BuiltIn {
        id: "alarm-11",
        name: "Host error",
        system_name: "alarm.HostErrorAlarm",
        description: "Errors and warnings of hosts",
        object: "HostSystem",
        events: &[("GeneralHostErrorEvent", "", None), ("GeneralHostWarningEvent", "", None)],
    },
    BuiltIn {
        id: "alarm-12",
        name: "Virtual machine error",
        system_name: "alarm.VmErrorAlarm",
        description: "Errors and warnings of virtual machines",
        object: "VirtualMachine",
        events: &[("GeneralVmErrorEvent", "", None), ("GeneralVmWarningEvent", "", None)],
    },
];

/// The text, unless it is empty.
fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The alarms that a vCenter begins with.
pub(crate) fn built_in(context: &Context) -> Vec<(Moref, Alarm)> {
    let root = service_instance::root_folder(true);
    let make = |built_in: &BuiltIn| {
        let moref = Moref::of::<Alarm>(built_in.id);
        let alarm = Alarm::with(|alarm| {
            let info = alarm.info_mut();
            info.set_key(built_in.id).set_alarm(moref.clone()).set_entity(root.clone());
            info.set_last_modified_time(context.now).set_last_modified_user("").set_creation_event_id(0);
            info.set_name(built_in.name).set_system_name(some(built_in.system_name));
            info.set_description(built_in.description).set_enabled(true);
            info.set_expression(OrAlarmExpression::with(|any| {
                any.set_expression(built_in.events.iter().map(|event| event_expression(built_in.object, event)));
            }));
            if !built_in.system_name.is_empty() {
                info.set_action(trap_when_red());
            }
            info.setting_mut().set_tolerance_range(0).set_reporting_frequency(300);
        });
        (moref, alarm)
    };
    BUILT_IN.iter().map(make).collect()
}

fn event_expression(
    object: &str,
    (kind, id, status): &(&'static str, &'static str, Option<ManagedEntityStatus>),
) -> EventAlarmExpression {
    EventAlarmExpression::with(|expression| {
        expression.set_event_type(*kind).set_event_type_id(some(id)).set_object_type(object).set_status(*status);
    })
}

/// Sends a trap each time the status becomes red.
fn trap_when_red() -> GroupAlarmAction {
    GroupAlarmAction::with(|group| {
        group.set_action([AlarmTriggeringAction::with(|action| {
            action.set_action(SendSNMPAction::new());
            action.set_transition_specs([AlarmTriggeringActionTransitionSpec::with(|transition| {
                transition.set_start_state(ManagedEntityStatus::Yellow).set_final_state(ManagedEntityStatus::Red);
                transition.set_repeats(true);
            })]);
            action.set_green2yellow(false).set_yellow2red(false).set_red2yellow(false).set_yellow2green(false);
        })]);
    })
}
