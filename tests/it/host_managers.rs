//! The smaller managers of a host: modules, image, domain, SNMP, graphics, devices, clock, access, automatic start.

use vimsim::types::enums::HostAccessMode;
use vimsim::types::method::{
    AutoStartPowerOff, AutoStartPowerOn, ChangeAccessMode, ConfigureHostCacheTask, EnableSmartCardAuthentication,
    FetchSoftwarePackages, HostImageConfigGetAcceptance, HostImageConfigGetProfile, InstallSmartCardTrustAnchor,
    IsSharedGraphicsActive, JoinDomainTask, LeaveCurrentDomainTask, ListSmartCardTrustAnchors, QueryAvailablePartition,
    QueryBootDevices, QueryConfiguredModuleOptionString, QueryDateTime, QueryModules, QuerySystemUsers, RebootHostTask,
    ReconfigureAutostart, ReconfigureSnmpAgent, RetrieveHostAccessControlEntries, SelectActivePartition,
    SendTestNotification, TestTimeService, UpdateBootDevice, UpdateDateTime, UpdateGraphicsConfig,
    UpdateHostImageAcceptanceLevel, UpdateModuleOptionString, UpdatePassthruConfig, UpdateSystemUsers,
};
use vimsim::types::views::{
    ActiveDirectoryFault, AuthMinimumAdminPermission, AutoStartPowerInfo, DomainNotFound, HostActiveDirectoryInfo,
    HostConfigFault, HostGraphicsConfig, HostPciPassthruConfig, HostSnmpDestination, InsufficientResourcesFault,
    InvalidArgument, InvalidDatastore, InvalidLogin, InvalidState, NotFound, UserNotFound,
};
use vimsim::types::{DateTime, MethodView, Moref, Value, View};
use vimsim::{Client, Simulator};

use crate::inventory::found;
use crate::{check_fault, start};

struct Host {
    client: Client,
    moref: Moref,
    _simulator: Simulator,
}

impl Host {
    async fn start() -> Self {
        let (simulator, client) = start().await;
        let moref = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
        Self { client, moref, _simulator: simulator }
    }

    async fn manager(&self, name: &str) -> Moref {
        self.client.property(&self.moref, &format!("configManager.{name}")).await.unwrap().moref().unwrap()
    }

    async fn config(&self, path: &str) -> Value {
        self.client.property(&self.moref, &format!("config.{path}")).await.unwrap()
    }
}

/// Calls a method of a manager.
async fn ask<M: MethodView>(
    client: &Client,
    manager: &Moref,
    fill: impl FnOnce(&mut M),
) -> Result<Value, vimsim::Error> {
    client.call(manager, M::with(fill)).await
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    value.items().iter().map(|it| it.object().unwrap().field(field).text().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn modules_have_options() {
    let host = Host::start().await;
    let (client, modules) = (&host.client, host.manager("kernelModuleSystem").await);
    let set = async |name: &str| {
        ask::<UpdateModuleOptionString>(client, &modules, |it| _ = it.set_name(name).set_options("a=1")).await
    };
    set("nvmxnet3").await.unwrap();
    check_fault::<NotFound>(set("nothing").await);
    let get = ask::<QueryConfiguredModuleOptionString>(client, &modules, |it| _ = it.set_name("nvmxnet3")).await;
    assert_eq!(get.unwrap().text(), Some("a=1"));
    let all = ask::<QueryModules>(client, &modules, |_| {}).await.unwrap();
    assert!(texts(&all, "optionString").contains(&"a=1".to_owned()));
}

#[tokio::test]
async fn the_image_has_a_level_and_packages() {
    let host = Host::start().await;
    let (client, image) = (&host.client, host.manager("imageConfigManager").await);
    let level = async || ask::<HostImageConfigGetAcceptance>(client, &image, |_| {}).await.unwrap();
    assert_eq!(level().await.text(), Some("partner"));
    let set = async |level: &str| {
        ask::<UpdateHostImageAcceptanceLevel>(client, &image, |it| _ = it.set_new_acceptance_level(level)).await
    };
    set("community").await.unwrap();
    assert_eq!(level().await.text(), Some("community"));
    check_fault::<HostConfigFault>(set("anybody").await);
    let profile = ask::<HostImageConfigGetProfile>(client, &image, |_| {}).await.unwrap();
    assert!(profile.object().unwrap().field("name").text().unwrap().starts_with("ESXi-"));
    let packages = ask::<FetchSoftwarePackages>(client, &image, |_| {}).await.unwrap();
    assert!(texts(&packages, "name").contains(&"esx-base".to_owned()));
}

#[tokio::test]
async fn a_domain_is_joined_and_left() {
    let host = Host::start().await;
    let client = &host.client;
    let authentication = host.manager("authenticationManager").await;
    let stores = client.property(&authentication, "supportedStore").await.unwrap();
    let store = stores.items().iter().filter_map(Value::moref).find(|store| store.value().starts_with("ha-ad-auth"));
    let store = store.unwrap().clone();
    let join = async |domain: &str, user: &str| {
        let request = JoinDomainTask::with(|it| {
            it.set_domain_name(domain).set_user_name(user).set_password("secret");
        });
        client.run(&store, request).await
    };
    let info = async || {
        let shown = host.config("authenticationManagerInfo.authConfig").await;
        let info = shown.items().iter().find_map(|it| HostActiveDirectoryInfo::from_ref(it.object()?)).cloned();
        let own = client.property(&store, "info").await.unwrap();
        let own = HostActiveDirectoryInfo::from_ref(own.object().unwrap()).cloned();
        assert_eq!(info.clone().unwrap().as_object(), own.unwrap().as_object());
        info.unwrap()
    };
    check_fault::<DomainNotFound>(join("no domain", "ann").await);
    check_fault::<InvalidLogin>(join("example.com", "").await);
    check_fault::<ActiveDirectoryFault>(ask::<EnableSmartCardAuthentication>(client, &store, |_| {}).await);
    join("example.com/unit", "ann").await.unwrap();
    check_fault::<InvalidState>(join("example.com", "ann").await);
    let joined = info().await;
    assert!(joined.enabled());
    assert_eq!(joined.joined_domain().map(|it| it.as_str()), Some("EXAMPLE.COM"));
    assert_eq!(joined.domain_membership_status().map(|it| it.as_str()), Some("ok"));
    check_fault::<HostConfigFault>(ask::<EnableSmartCardAuthentication>(client, &store, |_| {}).await);
    let install =
        async |cert: &str| ask::<InstallSmartCardTrustAnchor>(client, &store, |it| _ = it.set_cert(cert)).await;
    check_fault::<HostConfigFault>(install("nothing").await);
    install("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n").await.unwrap();
    assert_eq!(ask::<ListSmartCardTrustAnchors>(client, &store, |_| {}).await.unwrap().items().len(), 1);
    ask::<EnableSmartCardAuthentication>(client, &store, |_| {}).await.unwrap();
    assert_eq!(info().await.smart_card_authentication_enabled(), Some(true));
    let leave = async || client.run(&store, LeaveCurrentDomainTask::with(|it| _ = it.set_force(false))).await;
    leave().await.unwrap();
    check_fault::<InvalidState>(leave().await);
    assert!(!info().await.enabled());
    assert_eq!(info().await.joined_domain(), None);
}

#[tokio::test]
async fn the_agent_is_configured() {
    let host = Host::start().await;
    let (client, agent) = (&host.client, host.manager("snmpSystem").await);
    let receiver =
        |name: &str| HostSnmpDestination::with(|it| _ = it.set_host_name(name).set_port(162).set_community("public"));
    let configure = async |receivers: usize| {
        ask::<ReconfigureSnmpAgent>(client, &agent, |it| {
            it.spec_mut().set_enabled(true).set_read_only_communities(["public"]);
            it.spec_mut().set_trap_targets((0..receivers).map(|number| receiver(&format!("192.0.2.{number}"))));
        })
        .await
    };
    check_fault::<NotFound>(ask::<SendTestNotification>(client, &agent, |_| {}).await);
    configure(2).await.unwrap();
    check_fault::<InsufficientResourcesFault>(configure(9).await);
    ask::<SendTestNotification>(client, &agent, |_| {}).await.unwrap();
    let shown = client.property(&agent, "configuration").await.unwrap();
    assert_eq!(shown.object().unwrap().field("trapTargets").items().len(), 2);
    assert_eq!(shown.object().unwrap().field("port"), &Value::Int(161));
    let services = host.config("service.service").await;
    let runs = |it: &&Value| it.object().unwrap().field("key").text() == Some("snmpd");
    assert_eq!(services.items().iter().find(runs).unwrap().object().unwrap().field("running"), &Value::Bool(true));
}

#[tokio::test]
async fn graphics_boot_and_diagnostics_are_chosen() {
    let host = Host::start().await;
    let client = &host.client;
    let graphics = host.manager("graphicsManager").await;
    let configure = async |kind: &str| {
        let config = HostGraphicsConfig::with(|it| {
            it.set_host_default_graphics_type(kind).set_shared_passthru_assignment_policy("consolidation");
        });
        ask::<UpdateGraphicsConfig>(client, &graphics, |it| _ = it.set_config(config)).await
    };
    configure("sharedDirect").await.unwrap();
    check_fault::<InvalidArgument>(configure("other").await);
    assert_eq!(host.config("graphicsConfig.hostDefaultGraphicsType").await.text(), Some("sharedDirect"));
    assert_eq!(ask::<IsSharedGraphicsActive>(client, &graphics, |_| {}).await.unwrap(), Value::Bool(false));
    let boot = host.manager("bootDeviceSystem").await;
    let choose = async |key: &str| ask::<UpdateBootDevice>(client, &boot, |it| _ = it.set_key(key)).await;
    choose("2").await.unwrap();
    check_fault::<InvalidArgument>(choose("9").await);
    let devices = ask::<QueryBootDevices>(client, &boot, |_| {}).await.unwrap();
    assert_eq!(devices.object().unwrap().field("currentBootDeviceKey").text(), Some("2"));
    let diagnostic = host.manager("diagnosticSystem").await;
    let available = ask::<QueryAvailablePartition>(client, &diagnostic, |_| {}).await.unwrap();
    let id = available.items()[0].object().unwrap().field("id").object().unwrap().clone();
    let id = vimsim::types::views::HostScsiDiskPartition::from_object(id).unwrap();
    ask::<SelectActivePartition>(client, &diagnostic, |_| {}).await.unwrap();
    assert!(host.config("activeDiagnosticPartition").await.object().is_none());
    let mut other = id.clone();
    other.set_partition(77);
    check_fault::<NotFound>(ask::<SelectActivePartition>(client, &diagnostic, |it| _ = it.set_partition(other)).await);
    ask::<SelectActivePartition>(client, &diagnostic, |it| _ = it.set_partition(id)).await.unwrap();
    assert!(host.config("activeDiagnosticPartition").await.object().is_some());
    let cache = host.manager("cacheConfigurationManager").await;
    let datastore = found(client, "DC0/datastore/LocalDS_0").await;
    let configure = ConfigureHostCacheTask::with(|it| {
        it.spec_mut().set_datastore(datastore).set_swap_size(1);
    });
    check_fault::<InvalidDatastore>(client.call(&cache, configure).await);
}

#[tokio::test]
async fn devices_are_left_to_machines_after_a_start() {
    let host = Host::start().await;
    let (client, passthru) = (&host.client, host.manager("pciPassthruSystem").await);
    let set = async |id: &str, now: bool| {
        let config = HostPciPassthruConfig::with(|it| {
            it.set_id(id).set_passthru_enabled(true).set_apply_now(now).set_hardware_label("spare");
        });
        ask::<UpdatePassthruConfig>(client, &passthru, |it| _ = it.set_config([config])).await
    };
    let known = host.config("pciPassthruInfo").await;
    let capable = |it: &&Value| it.object().unwrap().field("passthruCapable") == &Value::Bool(true);
    let id = known.items().iter().find(capable).unwrap().object().unwrap().field("id").text().unwrap().to_owned();
    check_fault::<HostConfigFault>(set("0000:00:00.0", false).await);
    check_fault::<HostConfigFault>(set("nothing", false).await);
    set(&id, false).await.unwrap();
    let flags = async || {
        let known = host.config("pciPassthruInfo").await;
        let info = known.items().iter().find(capable).unwrap().object().unwrap().clone();
        (info.field("passthruEnabled").clone(), info.field("passthruActive").clone())
    };
    assert_eq!(flags().await, (Value::Bool(true), Value::Bool(false)));
    client.run(&host.moref, RebootHostTask::with(|it| _ = it.set_force(true))).await.unwrap();
    assert_eq!(flags().await, (Value::Bool(true), Value::Bool(true)));
}

#[tokio::test]
async fn a_host_has_its_own_clock() {
    let host = Host::start().await;
    let (client, clock) = (&host.client, host.manager("dateTimeSystem").await);
    let wanted = DateTime::parse("2040-01-02T03:04:05Z").unwrap();
    ask::<UpdateDateTime>(client, &clock, |it| _ = it.set_date_time(wanted)).await.unwrap();
    let now = ask::<QueryDateTime>(client, &clock, |_| {}).await.unwrap();
    let Value::DateTime(now) = now else { panic!("{now:?}") };
    assert!((now.micros() - wanted.micros()).abs() < 3_600_000_000);
    let test = ask::<TestTimeService>(client, &clock, |_| {}).await.unwrap();
    assert_eq!(test.object().unwrap().field("workingNormally"), &Value::Bool(false));
}

#[tokio::test]
async fn access_to_a_host_is_given_and_taken() {
    let host = Host::start().await;
    let (client, access) = (&host.client, host.manager("hostAccessManager").await);
    let entries = async || {
        let entries = ask::<RetrieveHostAccessControlEntries>(client, &access, |_| {}).await.unwrap();
        texts(&entries, "principal")
    };
    let change = async |who: &str, mode: HostAccessMode| {
        ask::<ChangeAccessMode>(client, &access, |it| {
            it.set_principal(who).set_is_group(false).set_access_mode(mode);
        })
        .await
    };
    assert_eq!(entries().await, ["dcui", "root", "vpxuser"]);
    change("EXAMPLE\\ann", HostAccessMode::AccessAdmin).await.unwrap();
    check_fault::<UserNotFound>(change("bob", HostAccessMode::AccessAdmin).await);
    check_fault::<InvalidArgument>(change("root", HostAccessMode::AccessOther).await);
    check_fault::<AuthMinimumAdminPermission>(change("vpxuser", HostAccessMode::AccessNone).await);
    change("root", HostAccessMode::AccessNone).await.unwrap();
    assert_eq!(entries().await, ["EXAMPLE\\ann", "dcui", "vpxuser"]);
    check_fault::<AuthMinimumAdminPermission>(change("EXAMPLE\\ann", HostAccessMode::AccessNone).await);
    check_fault::<UserNotFound>(ask::<UpdateSystemUsers>(client, &access, |it| _ = it.set_users(["bob"])).await);
    ask::<UpdateSystemUsers>(client, &access, |it| _ = it.set_users(["dcui"])).await.unwrap();
    assert_eq!(ask::<QuerySystemUsers>(client, &access, |_| {}).await.unwrap().items().len(), 1);
}

#[tokio::test]
async fn machines_start_and_stop_with_their_host() {
    let host = Host::start().await;
    let (client, manager) = (&host.client, host.manager("autoStartManager").await);
    let machine = found(client, "DC0/vm/DC0_H0_VM0").await;
    let info = AutoStartPowerInfo::with(|it| {
        it.set_key(machine.clone()).set_start_order(1).set_start_delay(-1).set_stop_delay(-1);
        it.set_start_action("powerOn").set_stop_action("powerOff");
        it.set_wait_for_heartbeat(vimsim::types::enums::AutoStartWaitHeartbeatSetting::SystemDefault);
    });
    ask::<ReconfigureAutostart>(client, &manager, |it| _ = it.spec_mut().set_power_info([info])).await.unwrap();
    let state = async || client.property(&machine, "runtime.powerState").await.unwrap();
    ask::<AutoStartPowerOff>(client, &manager, |_| {}).await.unwrap();
    assert_eq!(state().await.text(), Some("poweredOff"));
    ask::<AutoStartPowerOn>(client, &manager, |_| {}).await.unwrap();
    assert_eq!(state().await.text(), Some("poweredOn"));
}
