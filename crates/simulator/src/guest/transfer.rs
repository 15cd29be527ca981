//! Files on their way into a guest, and out of it, over HTTP.
//!
//! Who knows the token of a transfer's URL may do that one thing: the token is the right to. vCenter's URLs have only
//! `id` and `token`; as in vcsim the path in the guest is in ours, too, for people to read.

use std::sync::Arc;

use futures_util::StreamExt;
use vimsim_container::{ByteStream, ExecPart, ExecStream};
use vimsim_types::views::{FileTransferInformation, GuestFileAttributes};
use vimsim_types::{Fault, Moref, View};

use super::access::{self, Guest};
use super::attributes::{self, FORMAT, parse};
use super::shell;
use crate::files::transfer::TransferError;
use crate::objects::option_settings;
use crate::service::Service;

/// So many transfers may be under way; of more, the oldest is forgotten.
const MOST: usize = 1_000;

/// What may be transferred.
#[derive(Clone)]
pub(super) struct Transfer {
    token: String,
    pub(super) machine: Moref,
    path: String,
    /// What the file is to be like that is sent; none for one that is fetched.
    upload: Option<[String; 5]>,
}

/// The path, which has to be a file's.
const LOOK: &str = r#"
[ -e "$1" ] || exit 64
[ -d "$1" ] && exit 67
stat -L -c "$2" "$1"
"#;

/// The path, and whether it may be there already.
const ACCEPT: &str = r#"
[ -d "$1" ] && exit 67
[ "$2" = true ] || [ ! -e "$1" ] || exit 65
[ -d "${1%/*}/" ] || exit 64
"#;

/// The path, and how many bytes there are to be. A file comes whole or not at all.
const RECEIVE: &str = r#"
part="$1.vmware-part$$"
trap 'rm -f "$part"' EXIT
trap 'exit 1' HUP INT TERM
cat > "$part" || exit 1
if [ -n "$2" ]; then
    size=$(wc -c < "$part") || exit 1
    [ "$((size))" = "$2" ] || { echo "of $2 bytes only $((size)) came" >&2; exit 1; }
fi
if [ -e "$1" ]; then cat "$part" > "$1"; else mv "$part" "$1"; fi
"#;

impl Guest {
    /// The URL that a file can be sent to.
    ///
    /// - `FileAlreadyExists`, `NotAFile`; `FileNotFound` without the directory that it is to be in;
    ///   `OperationNotSupportedByGuest` for attributes that only Windows has.
    pub(crate) async fn accept(
        &self,
        path: &str,
        attributes: &GuestFileAttributes,
        replace: bool,
    ) -> Result<String, Fault> {
        let attributes = attributes::changes(attributes)?;
        self.about(ACCEPT, &[path, if replace { "true" } else { "false" }]).await?;
        Ok(self.remember(path, Some(attributes)))
    }

    /// The URL that a file can be fetched from.
    ///
    /// - `FileNotFound`, `NotAFile`.
    pub(crate) async fn offer(&self, path: &str) -> Result<FileTransferInformation, Fault> {
        let text = self.about(LOOK, &[path, FORMAT]).await?;
        let file = parse(text.trim_end_matches('\n'));
        let file = file.ok_or_else(|| Fault::invalid_argument("guestFilePath", "the guest does not say what it is"))?;
        let url = self.remember(path, None);
        Ok(FileTransferInformation::with(|info| {
            info.set_size(file.size()).set_url(url).set_attributes(file.attributes().clone());
        }))
    }

    fn remember(&self, path: &str, upload: Option<[String; 5]>) -> String {
        let token = crate::uuid::random();
        let transfer = Transfer { token: token.clone(), machine: self.machine.clone(), path: path.to_owned(), upload };
        let mut known = self.service.guests().known();
        let excess = (known.transfers.len() + 1).saturating_sub(MOST);
        known.transfers.drain(..excess);
        known.transfers.push(transfer);
        let id = self.machine.value().rsplit('-').next().unwrap_or_default().to_owned();
        // The client puts in the address at which it reaches the service, as with a host's own URLs.
        let base = option_settings::base_url_of(self.service.config());
        let (scheme, rest) = base.split_once("://").unwrap_or(("https", &base));
        let port = rest.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://*{port}/guestFile/{}?id={id}&token={token}", quoted(path.trim_start_matches('/')))
    }
}

/// A path in a URL.
fn quoted(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A file of a guest that a client fetches.
pub struct GuestFile {
    /// In bytes.
    pub size: u64,
    /// Its bytes, as they come.
    pub bytes: ByteStream,
}

impl Service {
    fn transfer(&self, token: &str, is_upload: bool) -> Result<(Transfer, String), TransferError> {
        let known = self.guests().known().transfers.iter().find(|transfer| transfer.token == token).cloned();
        let known = known.filter(|transfer| transfer.upload.is_some() == is_upload);
        let transfer = known.ok_or_else(|| TransferError::NotFound("there is no such transfer".into()))?;
        let container = access::container(self, &transfer.machine)
            .map_err(|fault| TransferError::Unavailable(fault.message().to_string()))?;
        Ok((transfer, container))
    }

    /// Fetches the file that a transfer's token stands for.
    pub async fn guest_get(self: &Arc<Self>, token: &str) -> Result<GuestFile, TransferError> {
        let (transfer, container) = self.transfer(token, false)?;
        let runtime = self.engine().runtime()?;
        let refused = |error| TransferError::from(shell::refused(&error));
        let spec = shell::command(LOOK, &[&transfer.path, "%s"]);
        let seen = runtime.exec(&container, &spec).await.map_err(refused)?;
        let size = match seen.exit_code {
            0 => {
                seen.text().parse().map_err(|_| TransferError::Other("the guest does not say how long it is".into()))?
            }
            _ => return Err(shell::fault(&transfer.path, &seen).into()),
        };
        let spec = shell::command(r#"exec head -c "$2" "$1""#, &[&transfer.path, &seen.text()]);
        let parts = runtime.exec_stream(&container, &spec, None).await.map_err(refused)?;
        Ok(GuestFile { size, bytes: output(parts) })
    }

    /// Takes the file that a transfer's token stands for, of so many bytes if that is known.
    pub async fn guest_put(
        self: &Arc<Self>,
        token: &str,
        size: Option<u64>,
        bytes: ByteStream,
    ) -> Result<(), TransferError> {
        let (transfer, container) = self.transfer(token, true)?;
        let runtime = self.engine().runtime()?;
        let refused = |error| TransferError::from(shell::refused(&error));
        let length = size.map(|size| size.to_string()).unwrap_or_default();
        let spec = shell::command(RECEIVE, &[&transfer.path, &length]);
        let parts = runtime.exec_stream(&container, &spec, Some(bytes)).await.map_err(refused)?;
        let outcome = shell::end(parts).await.map_err(refused)?;
        if outcome.exit_code != 0 {
            return Err(shell::fault(&transfer.path, &outcome).into());
        }
        let changes = transfer.upload.unwrap_or_default();
        let arguments: Vec<&str> =
            [transfer.path.as_str()].into_iter().chain(changes.iter().map(String::as_str)).collect();
        let spec = shell::command(attributes::CHANGE, &arguments);
        let changed = runtime.exec(&container, &spec).await.map_err(refused)?;
        match changed.exit_code {
            0 => Ok(()),
            _ => Err(shell::fault(&transfer.path, &changed).into()),
        }
    }
}

/// What a command writes; an error if it fails.
fn output(parts: ExecStream) -> ByteStream {
    let broken = |error: String| Some(Err(std::io::Error::other(error)));
    parts
        .filter_map(move |part| {
            std::future::ready(match part {
                Ok(ExecPart::Stdout(bytes)) => Some(Ok(bytes)),
                Ok(ExecPart::Stderr(_) | ExecPart::Exit(0)) => None,
                Ok(ExecPart::Exit(code)) => broken(format!("the command returned {code}")),
                Err(error) => broken(error.to_string()),
            })
        })
        .boxed()
}
