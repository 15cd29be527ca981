//! The engine's words for things, and ours.

use std::collections::HashMap;

use bollard::models;

use crate::{
    Container, ContainerState, ContainerSummary, Endpoint, Labels, MountPoint, Network, Result, RuntimeError, Status,
    Volume,
};

/// Filters for lists and events: all of these labels, and what else is said. Podman 4 finds volumes with any one of the labels,
/// so what is found has to be looked at again.
pub(super) fn filters(labels: &Labels, others: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    let label = |(name, value): (&String, &String)| {
        if value.is_empty() { name.clone() } else { format!("{name}={value}") }
    };
    let mut filters: HashMap<String, Vec<String>> = HashMap::new();
    if !labels.is_empty() {
        filters.insert("label".into(), labels.iter().map(label).collect());
    }
    for (name, value) in others {
        filters.entry((*name).into()).or_default().push((*value).into());
    }
    filters
}

/// A name that can be part of a request's path. What cannot, does not exist.
pub(super) fn checked(name: &str) -> Result<&str> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if !name.is_empty() && name.bytes().all(is_fine) && !name.starts_with('.') {
        return Ok(name);
    }
    Err(RuntimeError::not_found(format!("{name:?} is no name: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")))
}

/// A name for something new.
pub(super) fn checked_new(name: &str) -> Result<&str> {
    checked(name).map_err(|error| RuntimeError::engine(error.to_string()))
}

pub(super) fn container(seen: models::ContainerInspectResponse) -> Container {
    let config = seen.config.unwrap_or_default();
    let networks = seen.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let mut endpoints: Vec<Endpoint> = networks.into_iter().map(|(name, settings)| endpoint(name, settings)).collect();
    endpoints.sort_by(|one, other| one.network.cmp(&other.network));
    let mut mounts: Vec<MountPoint> = seen.mounts.unwrap_or_default().into_iter().map(mount_point).collect();
    mounts.sort_by(|one, other| one.target.cmp(&other.target));
    Container {
        id: seen.id.unwrap_or_default(),
        name: bare(seen.name.unwrap_or_default()),
        image: config.image.unwrap_or_default(),
        hostname: config.hostname.unwrap_or_default(),
        state: state(seen.state.unwrap_or_default()),
        labels: labels(config.labels),
        endpoints,
        mounts,
    }
}

pub(super) fn summary(seen: models::ContainerSummary) -> ContainerSummary {
    let status = seen.state.map(|state| status(state.as_ref())).unwrap_or_default();
    let name = seen.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    ContainerSummary { id: seen.id.unwrap_or_default(), name: bare(name), status, labels: labels(seen.labels) }
}

fn state(seen: models::ContainerState) -> ContainerState {
    let status = seen.status.map(|state| status(state.as_ref())).unwrap_or_default();
    let has_ended = matches!(status, Status::Exited | Status::Dead | Status::Removing);
    ContainerState {
        status,
        exit_code: seen.exit_code.filter(|_| has_ended),
        error: seen.error.unwrap_or_default(),
        // What was never started has the year 1.
        started_at: seen.started_at.filter(|time| !time.starts_with("0001-")).unwrap_or_default(),
        pid: seen.pid.unwrap_or_default(),
    }
}

fn status(word: &str) -> Status {
    match word {
        "running" | "stopping" => Status::Running,
        "paused" => Status::Paused,
        "restarting" => Status::Restarting,
        "removing" => Status::Removing,
        "exited" => Status::Exited,
        "dead" => Status::Dead,
        _ => Status::Created,
    }
}

fn endpoint(network: String, seen: models::EndpointSettings) -> Endpoint {
    let address = seen.ip_address.and_then(|address| address.parse().ok());
    Endpoint {
        network,
        network_id: seen.network_id.unwrap_or_default(),
        mac_address: seen.mac_address.filter(|mac| !mac.is_empty() && address.is_some()),
        address,
        prefix_length: seen.ip_prefix_len.and_then(|length| length.try_into().ok()).unwrap_or_default(),
        gateway: seen.gateway.and_then(|gateway| gateway.parse().ok()),
    }
}

fn mount_point(seen: models::MountPoint) -> MountPoint {
    let is_volume = seen.typ.as_deref() == Some("volume");
    MountPoint {
        volume: seen.name.filter(|_| is_volume),
        source: seen.source.unwrap_or_default(),
        target: seen.destination.unwrap_or_default(),
        read_only: seen.rw == Some(false),
    }
}

pub(super) fn volume(seen: models::Volume) -> Volume {
    Volume { name: seen.name, mountpoint: seen.mountpoint, labels: labels(Some(seen.labels)) }
}

pub(super) fn network(seen: models::Network) -> Network {
    named_network(seen.id, seen.name, seen.driver, seen.ipam, seen.labels)
}

pub(super) fn inspected_network(seen: models::NetworkInspect) -> Network {
    named_network(seen.id, seen.name, seen.driver, seen.ipam, seen.labels)
}

fn named_network(
    id: Option<String>,
    name: Option<String>,
    driver: Option<String>,
    ipam: Option<models::Ipam>,
    of: Option<HashMap<String, String>>,
) -> Network {
    // The first pool with IPv4 addresses.
    let pools = ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let pool = pools.into_iter().find(|pool| pool.subnet.as_ref().is_some_and(|subnet| subnet.contains('.')));
    let pool = pool.unwrap_or_default();
    Network {
        id: id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        driver: driver.unwrap_or_default(),
        subnet: pool.subnet,
        gateway: pool.gateway.and_then(|gateway| gateway.parse().ok()),
        labels: labels(of),
    }
}

fn labels(labels: Option<HashMap<String, String>>) -> Labels {
    labels.unwrap_or_default().into_iter().collect()
}

fn bare(name: String) -> String {
    name.strip_prefix('/').map(str::to_owned).unwrap_or(name)
}

/// Seconds since 1970 of an RFC 3339 time, without its fraction.
pub(super) fn seconds(time: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| time.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let of_day = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let zone = time.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, zone) => {
            let minutes = zone.get(0..2)?.parse::<i64>().ok()? * 60 + zone.get(3..5)?.parse::<i64>().ok()?;
            if sign == "-" { -minutes * 60 } else { minutes * 60 }
        }
    };
    // Years that begin in March, so that a leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + of_day - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_seconds() {
        for (time, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2024-02-29T12:34:56.789Z", 1_709_210_096),
            ("2026-11-22T20:00:00.5+01:00", 1_795_374_000),
            ("2026-11-22T18:00:00-01:00", 1_795_374_000),
        ] {
            assert_eq!(seconds(time), Some(expected), "{time}");
        }
        for nonsense in ["", "now", "2026-11-22", "2026-11-22T20:00:00"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn names_stay_within_their_place() {
        for name in ["vcsim-underlay", "a.b_c", "0"] {
            assert_eq!(checked(name), Ok(name));
        }
        for name in ["", "..", "a/b", "../x", "a b", "ä", "a?b", "a%2f"] {
            assert!(checked(name).unwrap_err().is_not_found(), "{name}");
        }
    }
}
