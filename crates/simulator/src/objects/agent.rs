//! `Agent`: a virtual machine that a solution has on a host.

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::enums::VirtualMachinePowerState;
use vimsim_types::method::{AgentQueryConfig, AgentQueryRuntime, MarkAsAvailable};
use vimsim_types::views::{Agent, AgentConfigInfo, AgentRuntimeInfo, VirtualMachine};
use vimsim_types::{Fault, Value};

use super::eam_object;
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<Agent> {
    eam_object::methods(Kind::new())
        .read(agent_query_config)
        .read(agent_query_runtime)
        .read(mark_as_available)
        .computed(Agent::RUNTIME, |_, snapshot, object| runtime_of(snapshot, object))
}

/// What is kept of an agent, with what its virtual machine does now.
fn live(snapshot: &Snapshot, kept: &AgentRuntimeInfo) -> AgentRuntimeInfo {
    let mut runtime = kept.clone();
    let machine = kept.vm().and_then(|vm| snapshot.view::<VirtualMachine>(&vm));
    match machine {
        Some(machine) => {
            runtime.set_vm_power_state(machine.runtime().power_state()).set_vm_name(machine.name());
            runtime.set_host(machine.runtime().host());
            let guest = machine.guest();
            runtime.set_vm_ip(guest.and_then(|guest| guest.ip_address()));
        }
        None => {
            runtime.set_vm(None).set_vm_power_state(VirtualMachinePowerState::PoweredOff);
        }
    }
    runtime
}

fn runtime_of(snapshot: &Snapshot, object: &ManagedObject) -> Value {
    match object.view::<Agent>() {
        Some(agent) => vimsim_types::Object::from(live(snapshot, agent.runtime())).into(),
        None => Value::Unset,
    }
}

/// What the agent is to be.
fn agent_query_config(look: &Look<'_, Agent>, _: AgentQueryConfig) -> Result<AgentConfigInfo, Fault> {
    Ok(look.this()?.config().clone())
}

/// What the agent is, and its virtual machine.
fn agent_query_runtime(look: &Look<'_, Agent>, _: AgentQueryRuntime) -> Result<AgentRuntimeInfo, Fault> {
    Ok(live(look.snapshot(), look.this()?.runtime()))
}

/// Says that the virtual machine is ready. No agent waits for that.
fn mark_as_available(_: &Look<'_, Agent>, _: MarkAsAvailable) -> Result<(), Fault> {
    Ok(())
}
