//! News from the engine.

use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};

use crate::engine::convert::{filters, seconds};
use crate::labels::has;
use crate::{ContainerAction, ContainerEvent, Engine, EngineEvent, Labels, Result, RuntimeError};

/// So long is the first pause before the engine is looked for again, and so long the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Messages = BoxStream<'static, Result<EventMessage, bollard::errors::Error>>;

struct Listener {
    engine: Engine,
    labels: Labels,
    state: State,
}

enum State {
    /// Looking for the engine; whether its absence has been told, and how long to wait first.
    Absent {
        is_told: bool,
        pause: Duration,
    },
    Listening(Messages),
}

/// News without an end.
pub(super) fn listen(engine: &Engine, labels: &Labels) -> BoxStream<'static, EngineEvent> {
    let state = State::Absent { is_told: false, pause: Duration::ZERO };
    let listener = Listener { engine: engine.clone(), labels: labels.clone(), state };
    stream::unfold(listener, |mut listener| {
        async move {
            let event = listener.next().await;
            Some((event, listener))
        }
        .boxed()
    })
    .boxed()
}

impl Listener {
    async fn next(&mut self) -> EngineEvent {
        loop {
            match &mut self.state {
                State::Absent { is_told, pause } => {
                    let (is_told, pause) = (*is_told, *pause);
                    tokio::time::sleep(pause).await;
                    match connect(&self.engine, &self.labels).await {
                        Ok(messages) => {
                            self.state = State::Listening(messages);
                            return EngineEvent::Connected;
                        }
                        Err(error) => {
                            let pause = (pause * 2).clamp(PAUSES.0, PAUSES.1);
                            self.state = State::Absent { is_told: true, pause };
                            if !is_told {
                                return EngineEvent::Lost(error);
                            }
                        }
                    }
                }
                State::Listening(messages) => {
                    let error = match messages.next().await {
                        Some(Ok(message)) => match event(message) {
                            Some(event) if has(&event.labels, &self.labels) => return EngineEvent::Container(event),
                            _ => continue,
                        },
                        Some(Err(error)) => self.engine.error(error),
                        None => RuntimeError::NoEngine { reason: "it ended the connection".into() },
                    };
                    self.state = State::Absent { is_told: true, pause: PAUSES.0 };
                    return EngineEvent::Lost(error);
                }
            }
        }
    }
}

/// Listens to what happens from this moment on, by the engine's clock.
async fn connect(engine: &Engine, labels: &Labels) -> Result<Messages> {
    let docker = engine.docker().await?;
    let info = docker.info().await.map_err(|error| engine.error(error))?;
    let now = info.system_time.as_deref().and_then(seconds);
    let options = EventsOptions {
        since: now.map(|seconds| seconds.to_string()),
        filters: Some(filters(labels, &[("type", "container")])),
        ..EventsOptions::default()
    };
    Ok(docker.events(Some(options)).boxed())
}

/// What a message says, if it is about a container's state.
fn event(message: EventMessage) -> Option<ContainerEvent> {
    let actor = message.actor?;
    let mut attributes = actor.attributes.unwrap_or_default();
    // Some actions go on with details after a colon. Podman has words of its own for some.
    let action = message.action?;
    let action = match action.split(':').next().unwrap_or_default() {
        "create" => ContainerAction::Create,
        "start" => ContainerAction::Start,
        "die" | "died" => {
            let code = attributes.get("exitCode").or_else(|| attributes.get("containerExitCode"));
            ContainerAction::Die { exit_code: code.and_then(|code| code.parse().ok()) }
        }
        "pause" => ContainerAction::Pause,
        "unpause" => ContainerAction::Unpause,
        "destroy" | "remove" => ContainerAction::Destroy,
        "rename" | "connect" | "disconnect" => ContainerAction::Change,
        _ => return None,
    };
    let name = attributes.remove("name").unwrap_or_default();
    Some(ContainerEvent { id: actor.id?, name, labels: attributes.into_iter().collect(), action })
}
