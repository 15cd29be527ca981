//! The alarms that a vCenter begins with.

use vimsim_types::enums::{ManagedEntityStatus, StateAlarmOperator};
use vimsim_types::views::{
    Alarm, AlarmTriggeringAction, AlarmTriggeringActionTransitionSpec, AndAlarmExpression, EventAlarmExpression,
    GroupAlarmAction, OrAlarmExpression, SendSNMPAction, StateAlarmExpression,
};
use vimsim_types::{Moref, View};

use crate::call::Context;
use crate::objects::service_instance;

/// An alarm of events, or of states where it has no events: each a type, the identifier of an `EventEx`, and the status it leads to.
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
        // vCenter's own, of states; vcsim has none that watches a host's connection.
        id: "alarm-1",
        name: "Host connection and power state",
        system_name: "alarm.HostConnectionStateAlarm",
        description: "Default alarm to monitor host connection and power state",
        object: "HostSystem",
        events: &[],
    },
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
                match built_in.events.is_empty() {
                    true => any.push_expression(not_responding()),
                    false => {
                        any.set_expression(built_in.events.iter().map(|event| event_expression(built_in.object, event)))
                    }
                };
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

/// The host does not respond, and nobody has put it to sleep.
fn not_responding() -> AndAlarmExpression {
    let state = |operator, path: &str, red: &str| {
        StateAlarmExpression::with(|expression| {
            expression.set_operator(operator).set_type("HostSystem").set_state_path(path).set_red(red);
        })
    };
    AndAlarmExpression::with(|all| {
        all.push_expression(state(StateAlarmOperator::IsEqual, "runtime.connectionState", "notResponding"));
        all.push_expression(state(StateAlarmOperator::IsUnequal, "runtime.powerState", "standBy"));
    })
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
