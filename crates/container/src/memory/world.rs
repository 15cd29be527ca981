//! What exists in the engine in memory, and how it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::memory::files::Files;
use crate::memory::{ExecHandler, Step};
use crate::{
    Container, ContainerSpec, ContainerState, Endpoint, Labels, MountPoint, Network, NetworkSpec, Result, RuntimeError,
    Status, Volume, VolumeSpec,
};

/// The network of containers that ask for none.
const DEFAULT_NETWORK: &str = "bridge";

#[derive(Default)]
pub(super) struct World {
    counter: u64,
    pub(super) is_lost: bool,
    pub(super) images: BTreeSet<String>,
    pub(super) unknown_images: BTreeSet<String>,
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) networks: BTreeMap<String, Bridge>,
    pub(super) containers: BTreeMap<String, Guest>,
    /// Each with the number of calls until it happens.
    pub(super) failures: Vec<(Step, usize, RuntimeError)>,
    pub(super) delays: BTreeMap<Step, Duration>,
    pub(super) calls: Vec<(Step, String)>,
    pub(super) exec: Option<Arc<ExecHandler>>,
}

/// A network and the addresses that it has handed out.
pub(super) struct Bridge {
    pub(super) network: Network,
    base: u32,
    prefix_length: u8,
    taken: BTreeSet<u32>,
}

pub(super) struct Guest {
    pub(super) seen: Container,
    pub(super) files: Files,
}

impl World {
    /// Counts a call; the error that it is to fail with.
    pub(super) fn enter(&mut self, step: Step, about: &str) -> Result<()> {
        self.calls.push((step, about.to_owned()));
        if self.is_lost {
            return Err(self.lost());
        }
        for (_, left, _) in self.failures.iter_mut().filter(|(failing, ..)| *failing == step) {
            *left -= 1;
        }
        match self.failures.iter().position(|(failing, left, _)| *failing == step && *left == 0) {
            Some(index) => Err(self.failures.remove(index).2),
            None => Ok(()),
        }
    }

    pub(super) fn lost(&self) -> RuntimeError {
        RuntimeError::NoEngine { reason: "the engine in memory has gone away".into() }
    }

    /// 64 hexadecimal digits that no other thing has.
    fn id(&mut self) -> String {
        self.counter += 1;
        (1..=4).map(|part| format!("{:016x}", scramble(self.counter * 4 + part))).collect()
    }

    pub(super) fn create_volume(&mut self, spec: &VolumeSpec) -> Result<Volume> {
        let VolumeSpec { name, labels } = spec.clone();
        if self.volumes.contains_key(&name) {
            return Err(RuntimeError::conflict(format!("volume {name} exists already")));
        }
        let mountpoint = format!("/var/lib/memory/volumes/{name}/_data");
        let volume = Volume { name, mountpoint, labels };
        self.volumes.insert(volume.name.clone(), volume.clone());
        Ok(volume)
    }

    pub(super) fn volume(&self, name: &str) -> Result<&Volume> {
        self.volumes.get(name).ok_or_else(|| RuntimeError::not_found(format!("no such volume: {name}")))
    }

    pub(super) fn remove_volume(&mut self, name: &str) -> Result<()> {
        self.volume(name)?;
        let uses = |guest: &&Guest| guest.seen.mounts.iter().any(|mount| mount.volume.as_deref() == Some(name));
        if let Some(user) = self.containers.values().find(uses) {
            return Err(RuntimeError::conflict(format!("volume {name} is in use by {}", user.seen.id)));
        }
        self.volumes.remove(name);
        Ok(())
    }

    pub(super) fn ensure_network(&mut self, spec: &NetworkSpec) -> Result<(Network, bool)> {
        if let Some(bridge) = self.networks.get(&spec.name) {
            return Ok((bridge.network.clone(), false));
        }
        let (base, prefix_length) = match &spec.subnet {
            Some(subnet) => parse_subnet(subnet)?,
            None => (self.free_subnet(), 16),
        };
        let address = |host: u32| IpAddr::V4(Ipv4Addr::from_bits(base + host));
        let network = Network {
            id: self.id(),
            name: spec.name.clone(),
            driver: "bridge".into(),
            subnet: Some(format!("{}/{prefix_length}", address(0))),
            gateway: Some(address(1)),
            labels: spec.labels.clone(),
        };
        let bridge = Bridge { network: network.clone(), base, prefix_length, taken: BTreeSet::new() };
        self.networks.insert(spec.name.clone(), bridge);
        Ok((network, true))
    }

    /// The first of 172.17.0.0/16, 172.18.0.0/16 and so on that no network has.
    fn free_subnet(&self) -> u32 {
        let first = Ipv4Addr::new(172, 17, 0, 0).to_bits();
        let is_free = |base: &u32| self.networks.values().all(|bridge| bridge.base != *base);
        (0..).map(|number| first + (number << 16)).find(is_free).expect("there are more addresses than networks")
    }

    pub(super) fn bridge(&self, network: &str) -> Result<&Bridge> {
        let is_named = |bridge: &&Bridge| bridge.network.name == network || bridge.network.id == network;
        let found = self.networks.values().find(is_named);
        found.ok_or_else(|| RuntimeError::not_found(format!("network {network} not found")))
    }

    pub(super) fn network_users(&self, network: &str) -> Result<Vec<&Container>> {
        let name = &self.bridge(network)?.network.name;
        let containers = self.containers.values().map(|guest| &guest.seen);
        Ok(containers.filter(|container| container.endpoint(name).is_some()).collect())
    }

    pub(super) fn remove_network(&mut self, network: &str) -> Result<()> {
        let name = self.bridge(network)?.network.name.clone();
        let running = self.network_users(network)?.into_iter().find(|user| user.state.pid != 0);
        if let Some(user) = running {
            let message = format!("network {name} has active endpoints: {}", user.name);
            return Err(RuntimeError::conflict(message));
        }
        self.networks.remove(&name);
        Ok(())
    }

    pub(super) fn container(&self, container: &str) -> Result<&Guest> {
        let is_named = |guest: &&Guest| guest.seen.name == container || guest.seen.id == container;
        let found = self.containers.values().find(is_named);
        found.ok_or_else(|| RuntimeError::not_found(format!("No such container: {container}")))
    }

    pub(super) fn container_mut(&mut self, container: &str) -> Result<&mut Guest> {
        let name = self.container(container)?.seen.name.clone();
        Ok(self.containers.get_mut(&name).expect("it was found under its name"))
    }

    pub(super) fn create_container(&mut self, spec: &ContainerSpec) -> Result<Container> {
        if let Some(other) = self.containers.get(&spec.name) {
            let message =
                format!("The container name {:?} is already in use by container {}", spec.name, other.seen.id);
            return Err(RuntimeError::conflict(message));
        }
        if !self.images.contains(&spec.image) {
            return Err(RuntimeError::Image { image: spec.image.clone(), message: "No such image".into() });
        }
        let mut names = spec.networks.clone();
        if names.is_empty() {
            let spec = NetworkSpec { name: DEFAULT_NETWORK.into(), ..NetworkSpec::default() };
            self.ensure_network(&spec)?;
            names.push(spec.name);
        }
        names.sort();
        let endpoints = names.iter().map(|name| Ok(self.bridge(name)?.absent_endpoint())).collect::<Result<_>>()?;
        let mounts = self.mount_points(spec)?;
        let id = self.id();
        let hostname = spec.hostname.clone().unwrap_or_else(|| id[..12].to_owned());
        let seen = Container {
            id,
            name: spec.name.clone(),
            image: spec.image.clone(),
            hostname,
            state: ContainerState::default(),
            labels: spec.labels.clone(),
            endpoints,
            mounts,
        };
        self.containers.insert(spec.name.clone(), Guest { seen: seen.clone(), files: Files::default() });
        Ok(seen)
    }

    /// As engines do, makes the volumes that are missing.
    fn mount_points(&mut self, spec: &ContainerSpec) -> Result<Vec<MountPoint>> {
        let mut mounts = Vec::new();
        for mount in &spec.mounts {
            let is_path = mount.source.starts_with('/');
            if !is_path && !self.volumes.contains_key(&mount.source) {
                self.create_volume(&VolumeSpec { name: mount.source.clone(), labels: Labels::new() })?;
            }
            mounts.push(MountPoint {
                volume: (!is_path).then(|| mount.source.clone()),
                source: self.volumes.get(&mount.source).map_or(&mount.source, |volume| &volume.mountpoint).clone(),
                target: mount.target.clone(),
                read_only: mount.read_only,
            });
        }
        mounts.sort_by(|one, other| one.target.cmp(&other.target));
        Ok(mounts)
    }

    /// Starts a container; nothing if it runs already.
    pub(super) fn start(&mut self, container: &str) -> Result<Option<Container>> {
        let guest = self.container(container)?;
        if guest.seen.state.pid != 0 {
            return Ok(None);
        }
        let names: Vec<String> = guest.seen.endpoints.iter().map(|endpoint| endpoint.network.clone()).collect();
        if let Some(missing) = names.iter().find(|name| !self.networks.contains_key(*name)) {
            return Err(RuntimeError::not_found(format!("network {missing} not found")));
        }
        let join = |name: &String| self.networks.get_mut(name).expect("looked up before").join();
        let endpoints = names.iter().map(join).collect::<Result<_>>()?;
        self.counter += 1;
        let (pid, time) = (1000 + self.counter as i64, self.counter);
        let guest = self.container_mut(container)?;
        guest.seen.endpoints = endpoints;
        guest.seen.state = ContainerState {
            status: Status::Running,
            started_at: format!("2026-01-01T{:02}:{:02}:{:02}Z", time / 3600 % 24, time / 60 % 60, time % 60),
            pid,
            ..ContainerState::default()
        };
        Ok(Some(guest.seen.clone()))
    }

    /// Its first process ends. `Conflict` if it does not run.
    pub(super) fn end(&mut self, container: &str, code: i64) -> Result<Container> {
        let guest = self.container_mut(container)?;
        if guest.seen.state.pid == 0 {
            return Err(RuntimeError::conflict(format!("Container {} is not running", guest.seen.id)));
        }
        let state = &mut guest.seen.state;
        (state.status, state.exit_code, state.pid) = (Status::Exited, Some(code), 0);
        let endpoints = std::mem::take(&mut guest.seen.endpoints);
        let left = endpoints.into_iter().map(|endpoint| self.leave(endpoint)).collect();
        let guest = self.container_mut(container)?;
        guest.seen.endpoints = left;
        Ok(guest.seen.clone())
    }

    pub(super) fn join_network(&mut self, container: &str, network: &str) -> Result<()> {
        let seen = &self.container(container)?.seen;
        let (runs, name) = (seen.state.pid != 0, self.bridge(network)?.network.name.clone());
        if seen.endpoint(&name).is_some() {
            return Ok(());
        }
        let bridge = self.networks.get_mut(&name).expect("looked up before");
        let endpoint = if runs { bridge.join()? } else { bridge.absent_endpoint() };
        let endpoints = &mut self.container_mut(container)?.seen.endpoints;
        endpoints.push(endpoint);
        endpoints.sort_by(|one, other| one.network.cmp(&other.network));
        Ok(())
    }

    pub(super) fn leave_network(&mut self, container: &str, network: &str) -> Result<()> {
        let endpoints = &mut self.container_mut(container)?.seen.endpoints;
        if let Some(at) = endpoints.iter().position(|endpoint| endpoint.network == network) {
            let endpoint = endpoints.remove(at);
            self.leave(endpoint);
        }
        Ok(())
    }

    fn leave(&mut self, endpoint: Endpoint) -> Endpoint {
        let Some(bridge) = self.networks.get_mut(&endpoint.network) else { return endpoint };
        if let Some(IpAddr::V4(address)) = endpoint.address {
            bridge.taken.remove(&(address.to_bits() - bridge.base));
        }
        bridge.absent_endpoint()
    }

    pub(super) fn pause(&mut self, container: &str) -> Result<Container> {
        self.switch(container, Status::Running, Status::Paused, "is not running or already paused")
    }

    pub(super) fn unpause(&mut self, container: &str) -> Result<Container> {
        self.switch(container, Status::Paused, Status::Running, "is not paused")
    }

    fn switch(&mut self, container: &str, from: Status, to: Status, refusal: &str) -> Result<Container> {
        let guest = self.container_mut(container)?;
        if guest.seen.state.status != from {
            return Err(RuntimeError::conflict(format!("Container {} {refusal}", guest.seen.id)));
        }
        guest.seen.state.status = to;
        Ok(guest.seen.clone())
    }

    /// Removes a container; as it was, and whether it was running.
    pub(super) fn remove(&mut self, container: &str, force: bool) -> Result<(Container, bool)> {
        let seen = self.container(container)?.seen.clone();
        let is_running = seen.state.pid != 0;
        if is_running && !force {
            let message = format!("You cannot remove a running container {}", seen.id);
            return Err(RuntimeError::conflict(message));
        }
        if is_running {
            self.end(container, 137)?;
        }
        self.containers.remove(&seen.name);
        Ok((seen, is_running))
    }

    pub(super) fn left(&self) -> Vec<String> {
        let containers = self.containers.keys().map(|name| format!("container {name}"));
        let networks =
            self.networks.keys().filter(|name| *name != DEFAULT_NETWORK).map(|name| format!("network {name}"));
        let volumes = self.volumes.keys().map(|name| format!("volume {name}"));
        containers.chain(networks).chain(volumes).collect()
    }
}

impl Bridge {
    /// The place of a container that does not run.
    fn absent_endpoint(&self) -> Endpoint {
        Endpoint {
            network: self.network.name.clone(),
            network_id: self.network.id.clone(),
            mac_address: None,
            address: None,
            prefix_length: 0,
            gateway: None,
        }
    }

    /// Hands out the lowest free address, and the MAC that Docker derives from it.
    fn join(&mut self) -> Result<Endpoint> {
        // The network's own address, its gateway and its broadcast address are taken.
        let last = (1_u32 << (32 - u32::from(self.prefix_length))) - 2;
        let free = (2..=last).find(|host| !self.taken.contains(host));
        let host =
            free.ok_or_else(|| RuntimeError::engine("no available IPv4 addresses on this network's address pools"))?;
        self.taken.insert(host);
        let address = Ipv4Addr::from_bits(self.base + host);
        let [a, b, c, d] = address.octets();
        Ok(Endpoint {
            mac_address: Some(format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")),
            address: Some(address.into()),
            prefix_length: self.prefix_length,
            gateway: self.network.gateway,
            ..self.absent_endpoint()
        })
    }
}

fn parse_subnet(subnet: &str) -> Result<(u32, u8)> {
    let parsed = subnet.split_once('/').and_then(|(address, length)| {
        let length: u8 = length.parse().ok().filter(|length| (8..=30).contains(length))?;
        let address: Ipv4Addr = address.parse().ok()?;
        Some((address.to_bits() & (u32::MAX << (32 - u32::from(length))), length))
    });
    parsed.ok_or_else(|| RuntimeError::engine(format!("invalid subnet {subnet}")))
}

/// SplitMix64: spreads a counter over all bits, the same in every run.
fn scramble(counter: u64) -> u64 {
    let mut bits = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
