//! What the engine's errors mean.

use std::error::Error as _;

use bollard::errors::Error;

use crate::RuntimeError;

/// Translates an error by what the engine has said.
pub(super) fn translate(error: Error) -> RuntimeError {
    match error {
        Error::DockerResponseServerError { status_code, message } => refusal(status_code, message.trim().to_owned()),
        Error::DockerStreamError { error } => RuntimeError::Engine { message: error },
        Error::RequestTimeoutError => RuntimeError::engine("the engine did not answer in time"),
        Error::HyperLegacyError { .. }
        | Error::HyperResponseError { .. }
        | Error::IOError { .. }
        | Error::SocketNotFoundError(_) => RuntimeError::NoEngine { reason: cause(&error) },
        error => RuntimeError::Engine { message: cause(&error) },
    }
}

fn refusal(status: u16, message: String) -> RuntimeError {
    match status {
        404 => RuntimeError::NotFound { message },
        // Docker forbids the removal of a network with running containers.
        409 => RuntimeError::Conflict { message },
        403 if message.contains("active endpoints") => RuntimeError::Conflict { message },
        500 if message.ends_with("is not paused") => RuntimeError::Conflict { message },
        // As Podman says some of this.
        500 if message.contains("name is already in use") => RuntimeError::Conflict { message },
        500 if message.contains("container state improper") => RuntimeError::Conflict { message },
        500 if message.contains("no such container") => RuntimeError::NotFound { message },
        _ if message.is_empty() => RuntimeError::engine(format!("the engine answered with status {status}")),
        _ => RuntimeError::Engine { message },
    }
}

/// An error with all its causes, each once.
pub(super) fn cause(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_engines_words() {
        let error = |status_code, message: &str| {
            translate(Error::DockerResponseServerError { status_code, message: message.into() })
        };
        assert_eq!(error(404, "No such container: x"), RuntimeError::not_found("No such container: x"));
        assert_eq!(error(409, "in use"), RuntimeError::conflict("in use"));
        let busy = "network x has active endpoints";
        assert_eq!(error(403, busy), RuntimeError::conflict(busy));
        assert_eq!(error(500, "disk full"), RuntimeError::engine("disk full"));
        assert_eq!(error(500, ""), RuntimeError::engine("the engine answered with status 500"));
    }
}
