//! What can go wrong between us and an engine.

/// What the methods of a runtime return.
pub type Result<T, E = RuntimeError> = std::result::Result<T, E>;

/// An engine's refusal, in its own words, or its absence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// No engine answers. The reason says which endpoints were tried.
    #[error(
        "no container engine answers ({reason}); install and start Docker (Debian: apt install docker.io) or Podman \
         (systemctl --user enable --now podman.socket), or set DOCKER_HOST"
    )]
    NoEngine {
        /// Why, for each place that was looked at.
        reason: String,
    },
    /// There is no such container, volume, network or path.
    #[error("{message}")]
    NotFound {
        /// The engine's words.
        message: String,
    },
    /// The name is taken, the thing is in use, or it is in the wrong state for this.
    #[error("{message}")]
    Conflict {
        /// The engine's words.
        message: String,
    },
    /// An image is not here and cannot be had.
    #[error("image {image}: {message}")]
    Image {
        /// The image's name.
        image: String,
        /// The engine's words.
        message: String,
    },
    /// Anything else that the engine says.
    #[error("{message}")]
    Engine {
        /// The engine's words.
        message: String,
    },
}

impl RuntimeError {
    /// The object's absence, in words like an engine's.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound { message: message.into() }
    }

    /// A conflict, in words like an engine's.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict { message: message.into() }
    }

    /// Any other refusal, in words like an engine's.
    pub fn engine(message: impl Into<String>) -> Self {
        Self::Engine { message: message.into() }
    }

    /// Whether what was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the engine itself is missing.
    pub fn is_no_engine(&self) -> bool {
        matches!(self, Self::NoEngine { .. })
    }
}

/// Makes "it is not there" a success: what was to be removed is gone.
pub(crate) fn gone(result: Result<()>) -> Result<()> {
    match result {
        Err(RuntimeError::NotFound { .. }) => Ok(()),
        result => result,
    }
}
