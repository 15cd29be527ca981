//! Where an engine may be found.

use std::fmt;
use std::path::PathBuf;

/// A place where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAddress {
    /// A socket in the file system.
    Unix(String),
    /// `HOST:PORT`, in plain text.
    Tcp(String),
    /// `HOST:PORT`, with TLS.
    Tls {
        /// The address.
        host: String,
        /// The folder of `ca.pem`, `cert.pem` and `key.pem`.
        certificates: PathBuf,
    },
    /// Something else that was asked for.
    Unsupported(String),
}

impl EngineAddress {
    /// Reads the variables that Docker's and Podman's own clients read. `DOCKER_HOST` (with `DOCKER_TLS_VERIFY` and
    /// `DOCKER_CERT_PATH`) or `CONTAINER_HOST` is the only place, if set; otherwise Docker's sockets come first, then Podman's.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Vec<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(host) = variable("DOCKER_HOST").or_else(|| variable("CONTAINER_HOST")) {
            let certificates = variable("DOCKER_CERT_PATH").map(PathBuf::from);
            let home = || PathBuf::from(variable("HOME").unwrap_or_default()).join(".docker");
            let tls = variable("DOCKER_TLS_VERIFY").map(|_| certificates.unwrap_or_else(home));
            return vec![Self::parse(&host, tls)];
        }
        let below = |folder: &str, path: &str| variable(folder).map(|folder| format!("{folder}/{path}"));
        let sockets = [
            Some("/var/run/docker.sock".into()),
            below("XDG_RUNTIME_DIR", "docker.sock"),
            below("HOME", ".docker/run/docker.sock"),
            below("XDG_RUNTIME_DIR", "podman/podman.sock"),
            Some("/run/podman/podman.sock".into()),
        ];
        sockets.into_iter().flatten().map(Self::Unix).collect()
    }

    /// Reads an address as `DOCKER_HOST` has it; with a folder of certificates, TCP is secured.
    pub fn parse(host: &str, certificates: Option<PathBuf>) -> Self {
        match (host.split_once("://"), certificates) {
            (Some(("unix", path)), _) => Self::Unix(path.into()),
            (Some(("tcp" | "http" | "https", host)), Some(certificates)) => {
                Self::Tls { host: with_port(host, 2376), certificates }
            }
            (Some(("tcp" | "http", host)), None) => Self::Tcp(with_port(host, 2375)),
            (None, _) if host.starts_with('/') => Self::Unix(host.into()),
            _ => Self::Unsupported(host.into()),
        }
    }
}

fn with_port(host: &str, port: u16) -> String {
    let host = host.trim_end_matches('/');
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { host.into() } else { format!("{host}:{port}") }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp(host) | Self::Tls { host, .. } => write!(f, "tcp://{host}"),
            Self::Unsupported(host) => f.write_str(host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expected: &str) {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let found = EngineAddress::from_environment(variable);
        let found: Vec<String> = found.iter().map(|address| format!("{address:?}")).collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn the_environment_says_where() {
        check(&[("DOCKER_HOST", "unix:///a/b.sock")], r#"Unix("/a/b.sock")"#);
        check(&[("DOCKER_HOST", "tcp://engine:1234/")], r#"Tcp("engine:1234")"#);
        check(&[("DOCKER_HOST", "tcp://engine")], r#"Tcp("engine:2375")"#);
        check(&[("CONTAINER_HOST", "unix:///podman.sock")], r#"Unix("/podman.sock")"#);
        check(&[("DOCKER_HOST", "ssh://me@engine")], r#"Unsupported("ssh://me@engine")"#);
        let tls = [("DOCKER_HOST", "tcp://[::1]:2376"), ("DOCKER_TLS_VERIFY", "1")];
        let expected = r#"Tls { host: "[::1]:2376", certificates: "/certs" }"#;
        check(&[tls[0], tls[1], ("DOCKER_CERT_PATH", "/certs")], expected);
        check(&[tls[0], tls[1], ("HOME", "/me")], r#"Tls { host: "[::1]:2376", certificates: "/me/.docker" }"#);
    }

    #[test]
    fn without_it_the_sockets_are_tried() {
        check(&[("DOCKER_HOST", "")], r#"Unix("/var/run/docker.sock") Unix("/run/podman/podman.sock")"#);
        let paths = ["docker.sock", "podman/podman.sock"].map(|path| format!("Unix(\"/run/user/1/{path}\")"));
        let expected =
            format!(r#"Unix("/var/run/docker.sock") {} {} Unix("/run/podman/podman.sock")"#, paths[0], paths[1]);
        check(&[("XDG_RUNTIME_DIR", "/run/user/1")], &expected);
    }
}
