//! A host's firewall.

use vimsim_types::View;
use vimsim_types::enums::{HostFirewallRuleDirection, HostFirewallRulePortType};
use vimsim_types::views::{HostFirewallInfo, HostFirewallRule, HostFirewallRuleset, HostFirewallRulesetIpList};

/// A ruleset: key, label, the service it belongs to, whether it is required, whether it is enabled, and its rules:
/// direction, protocol, port or range of ports; `src` where the port is the sender's.
type Row = (&'static str, &'static str, &'static str, bool, bool, &'static str);

#[rustfmt::skip]
const RULESETS: &[Row] = &[
    ("CIMHttpServer", "CIM Server", "sfcbd-watchdog", false, true, "in tcp 5988"),
    ("CIMHttpsServer", "CIM Secure Server", "sfcbd-watchdog", false, true, "in tcp 5989"),
    ("CIMSLP", "CIM SLP", "", false, true, "in udp 427, out udp 427, in tcp 427, out tcp 427"),
    ("DHCPv6", "DHCPv6", "", false, true, "out tcp 547, in tcp 546, out udp 547, in udp 546"),
    ("DVFilter", "DVFilter", "", false, false, "in tcp 2222"),
    ("DVSSync", "DVSSync", "", false, true, "out udp 8302, in udp 8301, out udp 8301, in udp 8302"),
    ("HBR", "HBR", "", false, true, "out tcp 31031, out tcp 44046"),
    ("NFC", "NFC", "", false, true, "in tcp 902, out tcp 902"),
    ("WOL", "WOL", "", false, true, "out udp 9"),
    ("activeDirectoryAll", "Active Directory All", "", false, false,
        "out udp 88, out tcp 88, out udp 123, out udp 137, out tcp 139, out tcp 389, out udp 389, out tcp 445, out udp 464, out tcp 464, out tcp 3268, out tcp 7476, in tcp 2020"),
    ("cmmds", "Virtual SAN Clustering Service", "", false, false,
        "in udp 12345, in udp 23451, out udp 12345, out udp 23451, in udp 12321, out udp 12321"),
    ("dhcp", "DHCP Client", "", false, true, "in udp 68, out udp 68 src"),
    ("dns", "DNS Client", "", false, true, "in udp 53, out udp 53, out tcp 53"),
    ("esxupdate", "esxupdate", "", false, false, "out tcp 443"),
    ("faultTolerance", "Fault Tolerance", "", false, true, "out tcp 80, in tcp 8300, out tcp 8300"),
    ("ftpClient", "FTP Client", "", false, false, "out tcp 21, in tcp 20 src"),
    ("gdbserver", "gdbserver", "", false, false, "in tcp 1000-9999, in tcp 50000-50999"),
    ("httpClient", "httpClient", "", false, false, "out tcp 80, out tcp 443"),
    ("iSCSI", "Software iSCSI Client", "", false, false, "out tcp 3260"),
    ("iofiltervp", "iofiltervp", "", false, true, "in tcp 9080"),
    ("ipfam", "NSX Distributed Logical Router Service", "", false, false, "in udp 6999, out udp 6999"),
    ("nfs41Client", "nfs41Client", "", false, false, "out tcp 0-65535"),
    ("nfsClient", "NFS Client", "", false, false, "out tcp 0-65535"),
    ("ntpClient", "NTP Client", "ntpd", false, false, "out udp 123"),
    ("pvrdma", "pvrdma", "", false, false, "out tcp 28250-28761, in tcp 28250-28761"),
    ("rabbitmqproxy", "rabbitmqproxy", "", false, true, "out tcp 5671"),
    ("rdt", "Virtual SAN Transport", "", false, false, "in tcp 2233, out tcp 2233"),
    ("remoteSerialPort", "VM serial port connected over network", "", false, false,
        "out tcp 0-65535, in tcp 23, in tcp 1024-65535"),
    ("snmp", "SNMP Server", "snmpd", false, true, "in udp 161"),
    ("sshClient", "SSH Client", "", false, false, "out tcp 22"),
    ("sshServer", "SSH Server", "", true, true, "in tcp 22"),
    ("syslog", "syslog", "", false, false, "out udp 514, out tcp 514, out tcp 1514"),
    ("updateManager", "vCenter Update Manager", "", false, true, "out tcp 80, out tcp 9000-9100"),
    ("vMotion", "vMotion", "", false, true, "in tcp 8000, out tcp 8000"),
    ("vSPC", "VM serial port connected to vSPC", "", false, false, "out tcp 0-65535"),
    ("vSphereClient", "vSphere Web Client", "", true, true, "in tcp 902, in tcp 443"),
    ("vpxHeartbeats", "VMware vCenter Agent", "vpxa", false, true, "out udp 902"),
    ("vsanEncryption", "vsanEncryption", "", false, false, "out tcp 0-65535"),
    ("vsanhealth-multicasttest", "vsanhealth-multicasttest", "", false, false, "out udp 5001, in udp 5001"),
    ("vsanvp", "vsanvp", "", false, false, "in tcp 8080, out tcp 8080"),
    ("vvold", "vvold", "", false, false, "out tcp 0-65535"),
    ("webAccess", "vSphere Web Access", "", false, true, "in tcp 80"),
];

/// `config.firewall`.
pub(super) fn firewall() -> HostFirewallInfo {
    let everybody = HostFirewallRulesetIpList::with(|hosts| _ = hosts.set_all_ip(true));
    HostFirewallInfo::with(|firewall| {
        firewall.default_policy_mut().set_incoming_blocked(true).set_outgoing_blocked(true);
        firewall.set_ruleset(RULESETS.iter().map(|(key, label, service, required, enabled, rules)| {
            HostFirewallRuleset::with(|ruleset| {
                ruleset.set_key(*key).set_label(*label).set_required(*required).set_enabled(*enabled);
                ruleset.set_service(Some(*service).filter(|service| !service.is_empty()));
                ruleset.set_rule(rules.split(", ").map(rule));
                ruleset.set_allowed_hosts(everybody.clone());
                ruleset.set_user_controllable(!required).set_ip_list_user_configurable(true);
            })
        }));
    })
}

fn rule(text: &str) -> HostFirewallRule {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (direction, protocol, ports, side) = (word(), word(), word(), word());
    let (first, last) = ports.split_once('-').map_or((ports, None), |(first, last)| (first, Some(last)));
    HostFirewallRule::with(|rule| {
        rule.set_direction(match direction {
            "in" => HostFirewallRuleDirection::Inbound,
            _ => HostFirewallRuleDirection::Outbound,
        });
        rule.set_protocol(protocol);
        rule.set_port(first.parse::<i32>().unwrap_or_default());
        rule.set_end_port(last.and_then(|last| last.parse::<i32>().ok()));
        rule.set_port_type(match side {
            "src" => HostFirewallRulePortType::Src,
            _ => HostFirewallRulePortType::Dst,
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_from_their_text() {
        let rule = rule("in tcp 1000-9999");
        assert_eq!((rule.port(), rule.end_port(), rule.protocol().as_str()), (1000, Some(9999), "tcp"));
        assert_eq!(rule.direction(), HostFirewallRuleDirection::Inbound);
        let source = super::rule("out udp 68 src");
        assert_eq!((source.end_port(), source.port_type()), (None, Some(HostFirewallRulePortType::Src)));
    }

    #[test]
    fn every_rule_has_a_port_and_a_protocol() {
        for ruleset in firewall().ruleset() {
            assert!(ruleset.rule().iter().all(|rule| matches!(rule.protocol().as_str(), "tcp" | "udp")));
        }
    }
}
