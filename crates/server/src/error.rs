//! Why a server cannot start.

use std::io;
use std::path::PathBuf;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The listen address is not `HOST:PORT`.
    #[error("listen address `{0}` is not HOST:PORT")]
    Address(String),
    /// The listen address, or the tunnel's, cannot be bound.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address as configured.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A certificate or key file cannot be read, or holds none.
    #[error("cannot read `{}`", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate and key cannot be used, alone or together.
    #[error("cannot use the TLS certificate and key")]
    Tls(#[from] rustls::Error),
    /// A self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate")]
    SelfSigned(#[from] rcgen::Error),
}
