//! `esxcli network`.

use vimsim_types::enums::{HostFirewallRuleDirection, HostFirewallRulePortType};
use vimsim_types::views::{
    DistributedVirtualPortgroup, HostFirewallInfo, ManagedEntity, VirtualDevice, VirtualEthernetCard,
    VirtualEthernetCardDistributedVirtualPortBackingInfo, VirtualMachine,
};
use vimsim_types::{Moref, View};

use super::commands::{Answer, Asked, Failure, Record, world_id};

pub(super) fn run(name: &str, asked: &Asked<'_>) -> Result<Answer, Failure> {
    let config = asked.host.config().ok_or_else(|| Failure::says("The host is not connected"))?;
    let network = || config.network().ok_or(Failure::Unknown);
    let firewall = || config.firewall().ok_or(Failure::Unknown);
    let records = match name {
        "network.firewall.get" => {
            let blocked = firewall()?.default_policy().incoming_blocked().unwrap_or_default();
            vec![vec![
                ("DefaultAction", if blocked { "DROP" } else { "PASS" }.into()),
                ("Enabled", blocked.to_string()),
                ("Loaded", "true".into()),
            ]]
        }
        "network.firewall.ruleset.list" => {
            let wanted = asked.argument("rulesetid");
            let all = firewall()?.ruleset().iter();
            let all = all.filter(|ruleset| wanted.is_none_or(|wanted| ruleset.key() == wanted));
            all.map(|it| vec![("Name", it.key().to_string()), ("Enabled", it.enabled().to_string())]).collect()
        }
        "network.ip.connection.list" => match asked.argument("type") {
            None | Some("ip" | "tcp" | "udp" | "all") => listening(firewall()?, asked.argument("type")),
            Some(_) => return Err(Failure::says("Invalid data constraint for parameter 'type'.")),
        },
        "network.ip.interface.list" => {
            let one = |nic: &vimsim_types::views::HostVirtualNic| {
                vec![
                    ("Name", nic.device().to_string()),
                    ("MACAddress", nic.spec().mac().map(ToString::to_string).unwrap_or_default()),
                    ("Enabled", "true".into()),
                    ("Portgroup", nic.portgroup().to_string()),
                    ("MTU", nic.spec().mtu().unwrap_or(1500).to_string()),
                ]
            };
            network()?.vnic().iter().map(one).collect()
        }
        "network.nic.list" => {
            let one = |nic: &vimsim_types::views::PhysicalNic| {
                let link = nic.link_speed();
                vec![
                    ("Name", nic.device().to_string()),
                    ("PCIDevice", nic.pci().to_string()),
                    ("Driver", nic.driver().map(ToString::to_string).unwrap_or_default()),
                    ("AdminStatus", "Up".into()),
                    ("LinkStatus", if link.is_some() { "Up" } else { "Down" }.into()),
                    ("Speed", link.map_or(0, |link| link.speed_mb()).to_string()),
                    ("Duplex", if link.is_some_and(|link| link.duplex()) { "Full" } else { "Half" }.into()),
                    ("MACAddress", nic.mac().to_string()),
                    ("MTU", "1500".into()),
                ]
            };
            network()?.pnic().iter().map(one).collect()
        }
        "network.vm.list" => asked.running().map(|(moref, machine)| machine_networks(asked, &moref, machine)).collect(),
        "network.vm.port.list" => {
            let world =
                asked.argument("worldid").ok_or_else(|| Failure::says("Missing required parameter -w|--world-id"))?;
            let machine = asked.machine(world)?;
            ports(asked, asked.snapshot.view(&machine).ok_or(Failure::Unknown)?)
        }
        _ => return Err(Failure::Unknown),
    };
    Ok(Answer::Records(records))
}

/// What waits for connections: the ports that the firewall's open rulesets let in.
fn listening(firewall: &HostFirewallInfo, wanted: Option<&str>) -> Vec<Record> {
    let mut found: Vec<Record> = Vec::new();
    for ruleset in firewall.ruleset().iter().filter(|ruleset| ruleset.enabled()) {
        for rule in ruleset.rule() {
            let is_in = rule.direction() == HostFirewallRuleDirection::Inbound;
            let is_here = rule.port_type().is_none_or(|kind| kind == HostFirewallRulePortType::Dst);
            let is_wanted = wanted.is_none_or(|wanted| matches!(wanted, "ip" | "all") || rule.protocol() == wanted);
            if !is_in || !is_here || !is_wanted {
                continue;
            }
            let is_tcp = rule.protocol() == "tcp";
            found.push(vec![
                ("CCAlgo", if is_tcp { "newreno" } else { "" }.into()),
                ("ForeignAddress", "0.0.0.0:0".into()),
                ("LocalAddress", format!("0.0.0.0:{}", rule.port())),
                ("Proto", rule.protocol().to_string()),
                ("RecvQ", "0".into()),
                ("SendQ", "0".into()),
                ("State", if is_tcp { "LISTEN" } else { "" }.into()),
                ("WorldID", (524_288 + rule.port()).to_string()),
                ("WorldName", ruleset.service().map_or_else(|| ruleset.key().to_string(), ToString::to_string)),
            ]);
        }
    }
    found
}

fn machine_networks(asked: &Asked<'_>, moref: &Moref, machine: &VirtualMachine) -> Record {
    let names = machine.network().iter().filter_map(|moref| asked.snapshot.view::<ManagedEntity>(&moref));
    let names: Vec<String> = names.map(|network| network.name().to_string()).collect();
    let mut record: Record = vec![
        ("Name", machine.name().to_string()),
        ("NumPorts", cards(machine).count().to_string()),
        ("WorldID", world_id(moref).to_string()),
    ];
    record.extend(names.into_iter().map(|name| ("Networks", name)));
    record
}

fn cards(machine: &VirtualMachine) -> impl Iterator<Item = &VirtualEthernetCard> {
    let devices = machine.config().into_iter().flat_map(|config| config.hardware().device().iter());
    devices.filter_map(|device: &VirtualDevice| device.downcast::<VirtualEthernetCard>())
}

fn ports(asked: &Asked<'_>, machine: &VirtualMachine) -> Vec<Record> {
    let name = |moref: Moref| asked.snapshot.view::<ManagedEntity>(&moref).map(|entity| entity.name().to_string());
    let mut found = Vec::new();
    for (place, card) in cards(machine).enumerate() {
        let distributed =
            card.backing().and_then(|it| it.downcast::<VirtualEthernetCardDistributedVirtualPortBackingInfo>());
        let port = distributed.map(|backing| backing.port());
        let group = port.and_then(|port| port.portgroup_key());
        let group = group.map(|key| Moref::of::<DistributedVirtualPortgroup>(key.clone()));
        let portgroup = group.and_then(name).or_else(|| machine.network().get(place).and_then(name));
        let guest = machine.guest().into_iter().flat_map(|guest| guest.net().iter());
        let guest = guest.filter(|nic| nic.mac_address() == card.mac_address());
        let address = guest.flat_map(|nic| nic.ip_address().iter()).next().map(ToString::to_string);
        found.push(vec![
            ("PortID", (67_108_864 + place).to_string()),
            ("Portgroup", portgroup.unwrap_or_default()),
            ("DVPortID", port.and_then(|port| port.port_key()).map(ToString::to_string).unwrap_or_default()),
            ("MACAddress", card.mac_address().map(ToString::to_string).unwrap_or_default()),
            ("IPAddress", address.unwrap_or_else(|| "0.0.0.0".into())),
        ]);
    }
    found
}
