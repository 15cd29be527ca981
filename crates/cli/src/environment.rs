//! The environment: the ready line, by which a shell and govc learn where we are, and what the shell tells us.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use vimsim_server::Endpoint;

use crate::options::Credentials;

/// `export GOVC_URL=https://user:pass@127.0.0.1:8989/sdk GOVC_SIM_PID=4711`
pub(crate) fn ready_line(endpoint: &Endpoint, credentials: Option<&Credentials>, pid: u32) -> String {
    let (username, password) = match credentials {
        Some(Credentials { username, password }) => (escape(username), escape(password)),
        // Anybody may log in, for example so.
        None => ("user".to_owned(), "pass".to_owned()),
    };
    let tunnel = match endpoint.tunnel_port {
        Some(port) => format!("?GOVMOMI_TUNNEL_PROXY_PORT={port}"),
        None => String::new(),
    };
    let (scheme, address) = (endpoint.scheme(), endpoint.address);
    format!("export GOVC_URL={scheme}://{username}:{password}@{address}/sdk{tunnel} GOVC_SIM_PID={pid}\n")
}

/// Whether session cookies are for secure connections only even where ours are not: `VCSIM_SECURE_COOKIES=true`.
pub(crate) fn secure_cookies() -> bool {
    std::env::var_os("VCSIM_SECURE_COOKIES").is_some_and(|value| value == "true")
}

/// Whether every host shows a port of its own: `VCSIM_HOST_PORT_UNIQUE=true`.
pub(crate) fn unique_host_ports() -> bool {
    std::env::var_os("VCSIM_HOST_PORT_UNIQUE").is_some_and(|value| value == "true")
}

/// Writes the ready line to standard output (`-`), a FIFO or a file. Waits until somebody opens the FIFO to read.
pub(crate) fn write(path: &Path, line: &str) -> io::Result<()> {
    if path == Path::new("-") {
        let mut stdout = io::stdout();
        stdout.write_all(line.as_bytes())?;
        return stdout.flush();
    }
    // Fidelity: vcsim wants the file to exist; we make one, and leave nothing of an older line in it.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(line.as_bytes())
}

/// Escapes a user name or a password for a URL that a shell reads.
///
/// Fidelity: vcsim leaves `$`, `&` and `;` as they are, which a URL may but a shell does not.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~+,=".contains(&byte) {
            escaped.push(byte.into());
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: &str, tunnel_port: Option<u16>) -> Endpoint {
        Endpoint { address: address.parse().unwrap(), certificate: None, tunnel_port }
    }

    #[test]
    fn the_ready_line_is_that_of_vcsim() {
        assert_eq!(
            ready_line(&endpoint("127.0.0.1:8989", None), None, 4711),
            "export GOVC_URL=http://user:pass@127.0.0.1:8989/sdk GOVC_SIM_PID=4711\n"
        );
        assert_eq!(
            ready_line(&endpoint("[::1]:80", Some(8080)), None, 1),
            "export GOVC_URL=http://user:pass@[::1]:80/sdk?GOVMOMI_TUNNEL_PROXY_PORT=8080 GOVC_SIM_PID=1\n"
        );
    }

    #[test]
    fn credentials_are_escaped_for_url_and_shell() {
        let credentials =
            Credentials { username: "root@vsphere.local".to_owned(), password: "p:$a&b/c d\u{e9}".to_owned() };
        let line = ready_line(&endpoint("127.0.0.1:1", None), Some(&credentials), 1);
        assert!(line.contains("//root%40vsphere.local:p%3A%24a%26b%2Fc%20d%C3%A9@127.0.0.1:1/"), "{line}");
    }
}
