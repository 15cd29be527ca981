//! What happens to containers in the engine happens to their hosts.

use std::sync::Arc;

use futures_util::StreamExt;
use vimsim_container::{Container, EngineEvent, RuntimeError};
use vimsim_types::enums::HostSystemConnectionState;
use vimsim_types::views::{HostConnectionLostEvent, HostSystem, VirtualMachine};
use vimsim_types::{Fault, Moref, View};

use super::backing::{self, Backed};
use super::make::ended;
use super::{machine, reflect};
use crate::call::Call;
use crate::objects::host_system::{connected, is_disconnected, lost};
use crate::service::Service;

/// What was seen of a container.
enum Seen {
    Container(Box<Container>),
    /// There is no container of this identifier.
    Gone(String),
    /// The engine does not answer, or not what it should.
    Hidden(RuntimeError),
}

/// Listens to the engine from now on.
pub(super) fn watch(service: &Arc<Service>) {
    if service.engine().begin_watching() {
        let listener = service.clone();
        service.spawner().spawn(async move { listen(&listener).await });
    }
}

async fn listen(service: &Arc<Service>) {
    let Ok(instance) = service.engine().instance() else { return };
    let hosts = || service.engine().owners().into_iter().filter(Moref::is::<HostSystem>);
    let mut events = instance.runtime().events(&instance.selector());
    while let Some(event) = events.next().await {
        match event {
            EngineEvent::Connected => {
                hosts().for_each(|host| look_later(service, &host));
                machine::look_all(service);
            }
            EngineEvent::Lost(error) => {
                tracing::warn!(%error, "the container engine went away");
                for host in hosts() {
                    let seen = Seen::Hidden(error.clone());
                    service.spawner().spawn({
                        let service = service.clone();
                        async move {
                            let _turn = service.engine().turn(&host).await;
                            note(&service, &host, seen);
                        }
                    });
                }
            }
            EngineEvent::Container(event) => match service.engine().owner_of(&event.id) {
                Some(owner) if owner.is::<VirtualMachine>() => machine::look_later(service, &owner),
                Some(host) => look_later(service, &host),
                None => {}
            },
        }
    }
}

/// Looks at a host's container as soon as nobody changes it.
pub(super) fn look_later(service: &Arc<Service>, host: &Moref) {
    let (service, host) = (service.clone(), host.clone());
    let looking = service.clone();
    service.spawner().spawn(async move { look(&looking, &host).await });
}

async fn look(service: &Arc<Service>, host: &Moref) {
    let _turn = service.engine().turn(host).await;
    let Some(backed) = backing::seen(&service.snapshot(), host) else { return };
    let Ok(runtime) = service.engine().runtime() else { return };
    let seen = match runtime.inspect_container(&backed.container).await {
        Ok(seen) => Seen::Container(Box::new(seen)),
        Err(error) if error.is_not_found() => Seen::Gone(backed.container.clone()),
        Err(error) => Seen::Hidden(error),
    };
    note(service, host, seen);
}

/// Writes down what was seen.
fn note(service: &Arc<Service>, host: &Moref, seen: Seen) {
    let written = service.transact::<HostSystem, _>(host, |call| match backing::of(call, host) {
        Some(backed) => apply(call, host, &backed, &seen),
        None => Ok(()),
    });
    if let Err(fault) = written {
        tracing::error!(%host, %fault, "cannot write down what became of a host's container");
    }
}

fn apply(call: &mut Call<'_, HostSystem>, host: &Moref, backed: &Backed, seen: &Seen) -> Result<(), Fault> {
    // Who is disconnected is not watched.
    if is_disconnected(call.this()?) {
        return Ok(());
    }
    // The host may have another one since, if what was looked at came from the version before.
    let is_its_own = match seen {
        Seen::Container(seen) => seen.id == backed.container,
        Seen::Gone(container) => *container == backed.container,
        Seen::Hidden(_) => true,
    };
    if !is_its_own {
        return Ok(());
    }
    match seen {
        Seen::Container(seen) if seen.is_running() => {
            if call.this()?.runtime().connection_state() != HostSystemConnectionState::Connected {
                reflect::show(call, host, backed, seen)?;
            }
            connected(call, host)
        }
        Seen::Container(seen) => lost(call, host, &ended(seen)),
        Seen::Hidden(error) => lost(call, host, &format!("the container engine does not answer: {error}")),
        Seen::Gone(_) if backed.is_gone => Ok(()),
        Seen::Gone(_) => {
            let why = format!("its container {} was removed; ReconnectHost_Task makes it anew", backed.name);
            backing::set(call, host, Some(Backed { is_gone: true, ..backed.clone() }))?;
            if call.this()?.runtime().connection_state() != HostSystemConnectionState::NotResponding {
                return lost(call, host, &why);
            }
            // It did not respond before, for a lesser reason.
            let message = format!("Host {} is not responding: {why}", call.this()?.name());
            call.post(host, HostConnectionLostEvent::with(|event| _ = event.set_full_formatted_message(message)))
        }
    }
}
