//! Files that are elsewhere: what is asked of whoever knows how to get them. The server does, over HTTP.

use futures_util::future::BoxFuture;
use vimsim_types::views::{HttpFault, SSLVerifyFault};
use vimsim_types::{Fault, View};

use crate::files::content::Upload;

/// Where a file is.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Its address: `http://` or `https://`.
    pub uri: String,
    /// What is said with the request, beside what HTTP needs.
    pub headers: Vec<(String, String)>,
    /// The SHA-1 or SHA-256 of the server's certificate, as hexadecimal digits with colons or without; any server's will do
    /// where there is none.
    pub thumbprint: Option<String>,
    /// The server's certificate itself, as PEM.
    pub certificate: Option<String>,
    /// How many bytes it may have.
    pub most: Option<u64>,
}

/// Why a file cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server answers something else.
    #[error("the server answers {status} {reason}")]
    Status {
        /// The status of its answer.
        status: u16,
        /// What it says of that.
        reason: String,
    },
    /// The server shows another certificate than it was said to.
    #[error("the server's certificate is another: its thumbprint is {thumbprint}")]
    OtherCertificate {
        /// The SHA-1 of the certificate that it shows.
        thumbprint: String,
    },
    /// The server cannot be reached, or does not speak HTTP to its end.
    #[error("{0}")]
    Failed(String),
}

impl FetchError {
    /// The fault for a client: `HttpFault`, or `SSLVerifyFault` for another certificate.
    pub(crate) fn fault(&self, uri: &str) -> Fault {
        let message = format!("{uri}: {self}");
        match self {
            Self::Status { status, reason } => {
                let detail = HttpFault::with(|fault| {
                    fault.set_status_code(i32::from(*status)).set_status_message(reason.as_str());
                });
                Fault::new(detail, message)
            }
            Self::OtherCertificate { thumbprint } => {
                let detail = SSLVerifyFault::with(|fault| {
                    fault.set_self_signed(false).set_thumbprint(thumbprint.as_str());
                });
                Fault::new(detail, message)
            }
            // No server gave this status: there was no answer.
            Self::Failed(why) => {
                let detail = HttpFault::with(|fault| _ = fault.set_status_code(0).set_status_message(why.as_str()));
                Fault::new(detail, message)
            }
        }
    }
}

/// Who gets files from elsewhere.
pub trait Fetch: Send + Sync {
    /// Gets a file.
    fn fetch(&self, source: Source, upload: Upload) -> BoxFuture<'static, Result<Upload, FetchError>>;

    /// Asks whether a server answers where a file is to be, whatever it answers.
    fn probe(&self, source: Source) -> BoxFuture<'static, Result<(), FetchError>>;
}
