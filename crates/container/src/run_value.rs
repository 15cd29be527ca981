//! The value of a virtual machine's `RUN.container`: what `docker run` would be given.
//!
//! ```text
//!  -v /srv/www:/usr/share/nginx/html:ro --tmpfs /tmp nginx nginx -g 'daemon off;'
//!  └───────────── options ─────────────────────────┘ image └───── command ──────┘
//! ```

use std::net::IpAddr;

use crate::{ContainerSpec, ImageValueError, Mount, Port, Protocol};

/// What a `RUN.container` key of a virtual machine asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunValue {
    /// What is asked for; it has no name yet.
    pub spec: ContainerSpec,
}

impl RunValue {
    /// Reads a value: words with a shell's quotes, which no shell ever sees, or a JSON array of strings. `None` if it is
    /// empty: no container is asked for.
    pub fn parse(value: &str) -> Result<Option<Self>, ImageValueError> {
        let value = value.trim();
        if value.is_empty() {
            return Ok(None);
        }
        let words: Vec<String> = if value.starts_with('[') {
            serde_json::from_str(value).map_err(|error| ImageValueError::Json(error.to_string()))?
        } else {
            shell_words::split(value).map_err(|_| ImageValueError::Quote(value.to_owned()))?
        };
        // One text in an array is what it would be without the array, as vcsim reads it.
        if let [only] = words.as_slice()
            && value.starts_with('[')
            && only.contains(char::is_whitespace)
        {
            return Self::parse(only);
        }
        let mut words = words.into_iter().peekable();
        let mut spec = ContainerSpec::default();
        while let Some(word) = words.next_if(|word| word.starts_with('-')) {
            option(&mut spec, &word, &mut || words.next())?;
        }
        spec.image = words.next().filter(|image| !image.trim().is_empty()).ok_or(ImageValueError::NoImage)?;
        spec.command = words.collect();
        Ok(Some(Self { spec }))
    }
}

/// The options without a value that change nothing here: the container runs without a terminal of ours anyway, and it is
/// removed with its machine.
const IDLE: [&str; 8] = ["-d", "--detach", "-i", "--interactive", "--rm", "-di", "-id", "--no-healthcheck"];

fn option(
    spec: &mut ContainerSpec,
    word: &str,
    next: &mut dyn FnMut() -> Option<String>,
) -> Result<(), ImageValueError> {
    match word {
        _ if IDLE.contains(&word) => return Ok(()),
        "-t" | "--tty" | "-it" | "-ti" | "-dit" | "-dt" | "-td" | "-itd" => {
            spec.terminal = true;
            return Ok(());
        }
        "--init" => {
            spec.init = true;
            return Ok(());
        }
        "--privileged" => {
            spec.privileged = true;
            return Ok(());
        }
        _ => {}
    }
    // `--name=value`, `--name value`, `-n value`, `-nvalue`.
    let (name, given) = match word.split_once('=') {
        Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
        _ if !word.starts_with("--") && word.is_char_boundary(2) && word.len() > 2 => {
            (&word[..2], Some(word[2..].trim_start_matches('=').to_owned()))
        }
        _ => (word, None),
    };
    let bad = |why: String| ImageValueError::Option { option: name.to_owned(), why };
    if !TAKEN.contains(&name) {
        return Err(bad(format!("is not one of {}", TAKEN.join(", "))));
    }
    let value = given.or_else(next).ok_or_else(|| bad("has no value".into()))?;
    match name {
        "-v" | "--volume" => spec.mounts.push(volume(&value).ok_or_else(|| bad(format!("cannot be '{value}'")))?),
        "--mount" => spec.mounts.push(mount(&value).ok_or_else(|| bad(format!("cannot be '{value}'")))?),
        "--tmpfs" => {
            let (path, options) = value.split_once(':').unwrap_or((&value, ""));
            spec.tmpfs.push((path.to_owned(), options.to_owned()));
        }
        "-e" | "--env" => {
            let (name, value) = value.split_once('=').ok_or_else(|| bad(format!("'{value}' has no value")))?;
            spec.env.push((name.to_owned(), value.to_owned()));
        }
        "-p" | "--publish" => spec.ports.push(port(&value).ok_or_else(|| bad(format!("cannot be '{value}'")))?),
        "--network" | "--net" => spec.networks.push(value),
        "-h" | "--hostname" => spec.hostname = Some(value),
        "-u" | "--user" => spec.user = Some(value),
        "-w" | "--workdir" => spec.working_dir = Some(value),
        "--entrypoint" => spec.entrypoint = vec![value],
        "-l" | "--label" => {
            let (name, value) = value.split_once('=').unwrap_or((&value, ""));
            spec.labels.insert(name.to_owned(), value.to_owned());
        }
        "--cap-add" => spec.capabilities.push(value),
        "--dns" => spec.name_servers.push(value),
        "--add-host" => spec.hosts.push(value),
        _ => spec.stop_signal = Some(value),
    }
    Ok(())
}

/// The options with a value.
const TAKEN: [&str; 23] = [
    "-v",
    "--volume",
    "--mount",
    "--tmpfs",
    "-e",
    "--env",
    "-p",
    "--publish",
    "--network",
    "--net",
    "-h",
    "--hostname",
    "-u",
    "--user",
    "-w",
    "--workdir",
    "--entrypoint",
    "-l",
    "--label",
    "--cap-add",
    "--dns",
    "--add-host",
    "--stop-signal",
];

/// `source:target`, with `:ro` or more behind it.
fn volume(value: &str) -> Option<Mount> {
    let mut parts = value.split(':');
    let (source, target) = (parts.next()?, parts.next()?);
    let read_only = parts.next().is_some_and(|options| options.split(',').any(|option| option == "ro"));
    (!source.is_empty() && target.starts_with('/')).then(|| Mount {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
    })
}

/// `type=bind,source=/a,target=/b,readonly`.
fn mount(value: &str) -> Option<Mount> {
    let (mut source, mut target, mut read_only) = (None, None, false);
    for part in value.split(',') {
        match part.split_once('=').unwrap_or((part, "true")) {
            ("source" | "src", given) => source = Some(given.to_owned()),
            ("target" | "destination" | "dst", given) => target = Some(given.to_owned()),
            ("readonly" | "ro", given) => read_only = given == "true" || given == "1",
            ("type", "bind" | "volume") => {}
            _ => return None,
        }
    }
    Some(Mount { source: source?, target: target?, read_only })
}

/// `80`, `8080:80`, `127.0.0.1:8080:80`, each with `/udp` or `/tcp`.
fn port(value: &str) -> Option<Port> {
    let (value, protocol) = match value.split_once('/') {
        Some((value, "udp")) => (value, Protocol::Udp),
        Some((value, "tcp")) => (value, Protocol::Tcp),
        Some(_) => return None,
        None => (value, Protocol::Tcp),
    };
    let mut parts = value.rsplitn(3, ':');
    let container = parts.next()?.parse().ok()?;
    let host = match parts.next() {
        Some("") | None => None,
        Some(host) => Some(host.parse().ok()?),
    };
    let host_address: Option<IpAddr> = match parts.next() {
        Some(address) => Some(address.trim_matches(['[', ']']).parse().ok()?),
        None => None,
    };
    Some(Port { container, host, host_address, protocol })
}

impl Port {
    /// A published port from the text that names the port inside (`80`, `53/udp`) and the one outside (`8080`,
    /// `127.0.0.1:8080`, or nothing for any).
    pub fn parse(inside: &str, outside: &str) -> Option<Self> {
        port(&if outside.is_empty() { inside.to_owned() } else { format!("{outside}:{inside}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> ContainerSpec {
        RunValue::parse(value).unwrap().expect("a container is asked for").spec
    }

    #[test]
    fn options_come_before_the_image() {
        let spec =
            parse("-v '/a b:/c:ro' --tmpfs /tmp:size=1m -e A=b=c --network=n -p127.0.0.1:1:2/udp nginx -g 'x y'");
        let mount = Mount { source: "/a b".into(), target: "/c".into(), read_only: true };
        assert_eq!((spec.image.as_str(), spec.command), ("nginx", vec!["-g".to_owned(), "x y".into()]));
        assert_eq!((spec.mounts, spec.networks), (vec![mount], vec!["n".to_owned()]));
        assert_eq!(spec.tmpfs, [("/tmp".to_owned(), "size=1m".to_owned())]);
        assert_eq!(spec.env, [("A".to_owned(), "b=c".to_owned())]);
        let address = Some("127.0.0.1".parse().unwrap());
        assert_eq!(spec.ports, [Port { container: 2, host: Some(1), host_address: address, protocol: Protocol::Udp }]);
    }

    #[test]
    fn json_and_words_mean_the_same() {
        assert_eq!(parse(r#"["-v", "/a:/b:ro", "nginx"]"#), parse("-v /a:/b:ro nginx"));
        assert_eq!(parse(r#"["--rm -it nginx sh"]"#), parse("-t nginx sh"));
        assert_eq!(parse("--mount type=bind,src=/a,dst=/b,readonly nginx"), parse("-v /a:/b:ro nginx"));
        assert_eq!(RunValue::parse("  "), Ok(None));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for value in ["--gpus all nginx", "-v nginx", "-v a nginx", "-p x nginx", "-e A nginx", "-it", "nginx '"] {
            assert!(RunValue::parse(value).is_err(), "{value:?}");
        }
    }
}
