//! Hosts and their managers.

use rcgen::{CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, KeyPair};
use vimsim_simulator::{Config, Service};
use vimsim_types::method::{
    AddPortGroup, AddVirtualSwitch, DisconnectHostTask, EnableRuleset, GenerateCertificateSigningRequest,
    GenerateCertificateSigningRequestByDn, InstallServerCertificate, QueryNetConfig, QueryNetworkHint, RemovePortGroup,
    RemoveVirtualSwitch, SelectVnicForNicType, StartService, StopService, UpdateOptions,
};
use vimsim_types::views::{
    AlreadyExists, HostCertificateManager, HostConfigFault, HostConfigInfo, HostFirewallSystem, HostNetworkConfig,
    HostNotConnected, HostServiceSystem, HostSystem, HostVirtualNicManager, InvalidArgument, InvalidState, NotFound,
    OptionManager, OptionValue, ResourceInUse,
};
use vimsim_types::{DateTime, Moref, Value, View};

use crate::client::Client;

/// The hosts, in the order of their names.
fn hosts(client: &Client) -> Vec<HostSystem> {
    let snapshot = client.service.snapshot();
    let mut hosts: Vec<HostSystem> = snapshot.objects().filter_map(|object| object.view().cloned()).collect();
    hosts.sort_by_key(|host| host.name().clone());
    hosts
}

fn moref(host: &HostSystem) -> Moref {
    host.summary().host().expect("set")
}

fn host(client: &Client, moref: &Moref) -> HostSystem {
    client.service.snapshot().view::<HostSystem>(moref).expect("exists").clone()
}

#[test]
fn hosts_share_what_is_the_same_in_all() {
    let client = Client::virtual_center();
    let hosts = hosts(&client);
    for slot in [HostConfigInfo::FIREWALL, HostConfigInfo::OPTION, HostConfigInfo::STORAGE_DEVICE] {
        let values = hosts.iter().map(|host| host.config().expect("set").as_object().get(slot));
        assert!(values.clone().zip(values.skip(1)).all(|(a, b)| a.same(b)), "{slot}");
    }
    let uuids: std::collections::BTreeSet<_> =
        hosts.iter().map(|host| host.summary().hardware().expect("set").uuid().clone()).collect();
    assert_eq!(uuids.len(), hosts.len());
}

#[test]
fn a_manager_and_its_host_show_the_same() {
    let client = Client::virtual_center();
    let first = moref(&hosts(&client)[0]);
    let firewall = host(&client, &first).config_manager().firewall_system().expect("set");
    client.call(&firewall, EnableRuleset::with(|request| _ = request.set_id("sshClient"))).expect("exists");
    let snapshot = client.service.snapshot();
    let shown = snapshot.view::<HostFirewallSystem>(&firewall).expect("exists").firewall_info().expect("set").clone();
    let config = host(&client, &first);
    assert!(shown.as_object().same(config.config().expect("set").firewall().expect("set").as_object()));
    assert!(shown.ruleset().iter().any(|ruleset| ruleset.key() == "sshClient" && ruleset.enabled()));
    let other = &hosts(&client)[1];
    let rulesets = other.config().expect("set").firewall().expect("set").ruleset();
    assert!(rulesets.iter().any(|ruleset| ruleset.key() == "sshClient" && !ruleset.enabled()));
    let unknown = client.call(&firewall, EnableRuleset::with(|request| _ = request.set_id("none")));
    assert!(unknown.expect_err("there is none").is::<NotFound>());
}

#[test]
fn options_of_a_host_are_in_its_configuration() {
    let client = Client::virtual_center();
    let hosts = hosts(&client);
    let option = OptionValue::with(|option| {
        option.set_key("Mem.ShareScanTime").set_value(Value::Long(90));
    });
    let manager = hosts[0].config_manager().advanced_option().expect("set");
    client.call(&manager, UpdateOptions::with(|request| _ = request.push_changed_value(option))).expect("is known");
    let value = |host: &HostSystem| {
        let options = host.config().expect("set").option();
        options.iter().find(|option| option.key() == "Mem.ShareScanTime").map(|option| option.value().clone())
    };
    assert_eq!(value(&host(&client, &moref(&hosts[0]))), Some(Value::Long(90)));
    assert_eq!(value(&host(&client, &moref(&hosts[1]))), Some(Value::Long(60)));
    let snapshot = client.service.snapshot();
    let known = snapshot.view::<OptionManager>(&manager).expect("exists");
    assert_eq!(known.setting().len(), known.supported_option().len());
}

#[test]
fn services_start_and_stop_once() {
    let client = Client::virtual_center();
    let services = hosts(&client)[0].config_manager().service_system().expect("set");
    let start = |id: &str| client.call(&services, StartService::with(|request| _ = request.set_id(id)));
    let stop = |id: &str| client.call(&services, StopService::with(|request| _ = request.set_id(id)));
    start("TSM-SSH").expect("was stopped");
    assert!(start("TSM-SSH").expect_err("runs").is::<InvalidState>());
    stop("TSM-SSH").expect("runs");
    assert!(stop("TSM-SSH").expect_err("was stopped").is::<InvalidState>());
    assert!(stop("vmsyslogd").expect_err("is required").is::<InvalidState>());
    assert!(start("none").expect_err("there is none").is::<NotFound>());
    let snapshot = client.service.snapshot();
    let info = snapshot.view::<HostServiceSystem>(&services).expect("exists").service_info();
    assert!(info.service().iter().any(|service| service.key() == "TSM-SSH" && !service.running()));
}

#[test]
fn selecting_an_interface_for_vmotion_shows_in_the_summary() {
    let client = Client::virtual_center();
    let first = moref(&hosts(&client)[0]);
    let manager = host(&client, &first).config_manager().virtual_nic_manager().expect("set");
    assert!(!host(&client, &first).summary().config().vmotion_enabled());
    let select = |nic_type: &str, device: &str| {
        let request = SelectVnicForNicType::with(|request| _ = request.set_nic_type(nic_type).set_device(device));
        client.call(&manager, request)
    };
    select("vmotion", "vmk0").expect("a candidate");
    assert!(host(&client, &first).summary().config().vmotion_enabled());
    assert!(select("vmotion", "vmk9").expect_err("no candidate").is::<InvalidArgument>());
    assert!(select("none", "vmk0").expect_err("no use").is::<InvalidArgument>());
    let query = QueryNetConfig::with(|request| _ = request.set_nic_type("vmotion"));
    let config = client.call(&manager, query).expect("a use");
    assert!(config.object().is_some());
    let snapshot = client.service.snapshot();
    assert!(snapshot.view::<HostVirtualNicManager>(&manager).is_some());
}

#[test]
fn portgroups_bring_networks_and_take_them_away() {
    let client = Client::virtual_center();
    let hosts = hosts(&client);
    let systems: Vec<Moref> = hosts.iter().map(|host| host.config_manager().network_system().expect("set")).collect();
    let switch = AddVirtualSwitch::with(|request| _ = request.set_vswitch_name("vSwitch1"));
    client.call(&systems[0], switch.clone()).expect("is new");
    assert!(client.call(&systems[0], switch).expect_err("is there").is::<AlreadyExists>());
    let group = |switch: &str| {
        AddPortGroup::with(|request| {
            let group = request.portgrp_mut();
            group.set_name("blue").set_vlan_id(7).set_vswitch_name(switch);
            group.policy_mut();
        })
    };
    client.call(&systems[0], group("vSwitch1")).expect("is new");
    client.call(&systems[1], group("vSwitch0")).expect("another host may have one of the same name");
    assert!(client.call(&systems[0], group("vSwitch1")).expect_err("is there").is::<AlreadyExists>());
    assert!(client.call(&systems[2], group("vSwitch1")).expect_err("no switch").is::<NotFound>());
    let networks = |moref: &Moref| host(&client, moref).network().iter().collect::<Vec<_>>();
    let blue = networks(&moref(&hosts[0])).pop().expect("connected");
    assert!(networks(&moref(&hosts[1])).contains(&blue));
    let remove = RemovePortGroup::with(|request| _ = request.set_pg_name("blue"));
    let remove_switch = RemoveVirtualSwitch::with(|request| _ = request.set_vswitch_name("vSwitch1"));
    client.call(&systems[0], remove_switch).expect("goes with its portgroup");
    assert!(client.service.snapshot().object(&blue).is_some());
    client.call(&systems[1], remove).expect("is there");
    assert!(client.service.snapshot().object(&blue).is_none());
    let management = RemovePortGroup::with(|request| _ = request.set_pg_name("Management Network"));
    assert!(client.call(&systems[0], management).expect_err("vmk0 is connected").is::<ResourceInUse>());
    let config = client.get(&systems[0], "networkConfig");
    let config = config.object().and_then(HostNetworkConfig::from_ref).expect("set");
    assert_eq!(config.vswitch().len(), 1);
}

#[test]
fn managers_of_a_disconnected_host_are_not_reached() {
    let client = Client::virtual_center();
    let first = moref(&hosts(&client)[0]);
    let system = host(&client, &first).config_manager().network_system().expect("set");
    let hints = client.call(&system, QueryNetworkHint::new()).expect("connected");
    assert_eq!(hints.items().len(), 2);
    client.call(&first, DisconnectHostTask::new()).expect("connected");
    let fault = client.call(&system, QueryNetworkHint::new()).expect_err("disconnected");
    assert!(fault.is::<HostNotConnected>());
}

/// The certificate of a host, in PEM.
fn certificate(host: &HostSystem) -> String {
    let bytes = host.config().expect("set").certificate().iter().map(i8::cast_unsigned).collect();
    String::from_utf8(bytes).expect("text")
}

/// A certificate that ends in this year.
fn sign(issuer: &CertifiedIssuer<'_, KeyPair>, request: &str, year: i32) -> String {
    let mut request = CertificateSigningRequestParams::from_pem(request).expect("a request");
    request.params.not_after = rcgen::date_time_ymd(year, 1, 1);
    request.signed_by(issuer).expect("signs").pem()
}

#[test]
fn hosts_have_the_certificate_of_the_service() {
    let key = KeyPair::generate().expect("a key");
    let shown = CertificateParams::new(["vcenter.example".to_owned()]).and_then(|params| params.self_signed(&key));
    let shown = shown.expect("signs");
    let client = Client::configured(Config { certificate: Some(shown.der().to_vec()), ..Config::default() });
    let hosts = hosts(&client);
    assert_eq!(pem::parse(certificate(&hosts[0])).expect("PEM").contents(), &shown.der()[..]);
    let values = hosts.iter().map(|host| host.config().expect("set").as_object().get(HostConfigInfo::CERTIFICATE));
    assert!(values.clone().zip(values.skip(1)).all(|(a, b)| a.same(b)));
    let manager = hosts[0].config_manager().certificate_manager().expect("set");
    let snapshot = client.service.snapshot();
    let info = snapshot.view::<HostCertificateManager>(&manager).expect("exists").certificate_info();
    assert_eq!(info.subject().expect("set"), "CN=rcgen self signed cert");
    assert!(Service::start(Config { certificate: Some(vec![1, 2, 3]), ..Config::default() }).is_err());
}

#[test]
fn a_host_takes_a_certificate_for_its_key() {
    let client = Client::virtual_center();
    let first = moref(&hosts(&client)[0]);
    let before = host(&client, &first);
    let manager = before.config_manager().certificate_manager().expect("set");
    let issuer = CertificateParams::new(Vec::new()).expect("no names");
    let issuer = CertifiedIssuer::self_signed(issuer, KeyPair::generate().expect("a key")).expect("signs");
    let install =
        |cert: &str| client.call(&manager, InstallServerCertificate::with(|request| _ = request.set_cert(cert)));
    let request = |by_address| {
        let request = GenerateCertificateSigningRequest::with(|request| {
            request.set_use_ip_address_as_common_name(by_address);
        });
        client.call(&manager, request).expect("answers").text().expect("text").to_owned()
    };

    assert!(install("none").expect_err("is none").is::<HostConfigFault>());
    let other = issuer.as_ref().pem();
    assert!(install(&other).expect_err("for another key").is::<HostConfigFault>());
    let abandoned = sign(&issuer, &request(false), 2090);
    let signed = sign(&issuer, &request(true), 2091);
    assert!(install(&abandoned).expect_err("for an earlier key").is::<HostConfigFault>());
    install(&signed).expect("for the key");
    let after = host(&client, &first);
    assert_eq!(certificate(&after), signed);
    let thumbprint = |host: &HostSystem| host.summary().config().ssl_thumbprint().expect("set").clone();
    assert_ne!(thumbprint(&after), thumbprint(&before));
    assert_eq!(thumbprint(&hosts(&client)[1]), thumbprint(&before));
    let snapshot = client.service.snapshot();
    let info = snapshot.view::<HostCertificateManager>(&manager).expect("exists").certificate_info();
    assert_eq!(info.not_after(), DateTime::parse("2091-01-01T00:00:00Z"));
    install(&signed).expect("for the key of the present one");

    let by_name = |name: &str| {
        let request = GenerateCertificateSigningRequestByDn::with(|request| _ = request.set_distinguished_name(name));
        client.call(&manager, request)
    };
    let request = by_name(r"CN=esx-1,O=Example\, Inc").expect("a name");
    install(&sign(&issuer, request.text().expect("text"), 2092)).expect("for the key");
    let snapshot = client.service.snapshot();
    let info = snapshot.view::<HostCertificateManager>(&manager).expect("exists").certificate_info();
    assert_eq!(info.subject().expect("set"), r"O=Example\, Inc,CN=esx-1");
    for wrong in ["", "esx-1", "CN=", "NONE=esx-1"] {
        assert!(by_name(wrong).expect_err("no name").is::<HostConfigFault>(), "{wrong}");
    }
}
