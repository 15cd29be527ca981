//! A host's software iSCSI adapter, its targets and interfaces, and the paths and marks of LUNs.

use vimsim::Client;
use vimsim::types::method::{
    AddInternetScsiSendTargets, AddInternetScsiStaticTargets, AttachScsiLunExTask, BindVnic, ChangeNFSUserPassword,
    ClearNFSUser, DetachScsiLunExTask, DisableMultipathPath, EnableMultipathPath, MarkAsNonSsdTask, QueryBoundVnics,
    QueryCandidateNics, QueryMigrationDependencies, QueryNFSUser, QueryPathSelectionPolicyOptions, QueryPnicStatus,
    QueryStorageArrayTypePolicyOptions, QueryVnicStatus, RemoveInternetScsiSendTargets,
    RemoveInternetScsiStaticTargets, SetMultipathLunPolicy, SetNFSUser, UnbindVnic, UnmountVmfsVolumeExTask,
    UpdateInternetScsiAdvancedOptions, UpdateInternetScsiAlias, UpdateInternetScsiAuthenticationProperties,
    UpdateInternetScsiName, UpdateScsiLunDisplayName, UpdateSoftwareInternetScsiEnabled, UpdateVmfsUnmapPriority,
};
use vimsim::types::views::{
    DuplicateName, HostConfigFault, HostInternetScsiHba, HostInternetScsiHbaAuthenticationProperties,
    HostInternetScsiHbaSendTarget, HostInternetScsiHbaStaticTarget, HostInternetScsiHbaTargetSet,
    HostMultipathInfoFixedLogicalUnitPolicy, HostMultipathInfoLogicalUnitPolicy, HostStorageDeviceInfo,
    IscsiFaultVnicAlreadyBound, IscsiFaultVnicNotBound, IscsiFaultVnicNotFound, NotFound, OptionValue,
};
use vimsim::types::{MethodView, Moref, Value, View};

use crate::inventory::found;
use crate::{check_fault, create, start};

const HBA: &str = "vmhba65";

struct Host {
    client: Client,
    storage: Moref,
    iscsi: Moref,
    _simulator: vimsim::Simulator,
}

impl Host {
    async fn start() -> Self {
        let (simulator, client) = start().await;
        let host = found(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
        let managers = client.property(&host, "configManager").await.unwrap();
        let manager = |name: &str| managers.object().unwrap().field(name).moref().unwrap();
        Self { storage: manager("storageSystem"), iscsi: manager("iscsiManager"), client, _simulator: simulator }
    }

    async fn devices(&self) -> HostStorageDeviceInfo {
        let info = self.client.property(&self.storage, "storageDeviceInfo").await.unwrap();
        HostStorageDeviceInfo::from_object(info.object().unwrap().clone()).unwrap()
    }

    async fn adapter(&self) -> Option<HostInternetScsiHba> {
        let devices = self.devices().await;
        devices.host_bus_adapter().iter().find_map(|adapter| adapter.downcast::<HostInternetScsiHba>().cloned())
    }

    async fn enable(&self, enabled: bool) {
        let request = UpdateSoftwareInternetScsiEnabled::with(|request| _ = request.set_enabled(enabled));
        self.client.call(&self.storage, request).await.unwrap();
    }

    async fn storage<M: MethodView>(&self, fill: impl FnOnce(&mut M)) -> Result<Value, vimsim::Error> {
        self.client.call(&self.storage, M::with(fill)).await
    }

    async fn iscsi<M: MethodView>(&self, fill: impl FnOnce(&mut M)) -> Result<Value, vimsim::Error> {
        self.client.call(&self.iscsi, M::with(fill)).await
    }
}

fn send(address: &str) -> HostInternetScsiHbaSendTarget {
    HostInternetScsiHbaSendTarget::with(|target| _ = target.set_address(address))
}

fn fixed(address: &str, name: &str) -> HostInternetScsiHbaStaticTarget {
    HostInternetScsiHbaStaticTarget::with(|target| _ = target.set_address(address).set_i_scsi_name(name))
}

#[tokio::test]
async fn the_software_adapter_comes_and_goes() {
    let host = Host::start().await;
    assert!(host.adapter().await.is_none());
    host.enable(true).await;
    host.enable(true).await;
    let adapter = host.adapter().await.unwrap();
    assert_eq!(adapter.device(), HBA);
    assert!(adapter.i_scsi_name().starts_with("iqn.1998-01.com.vmware:"), "{}", adapter.i_scsi_name());
    let devices = host.devices().await;
    assert!(devices.software_internet_scsi_enabled());
    let topology = devices.scsi_topology().unwrap();
    assert!(topology.adapter().iter().any(|interface| Some(interface.adapter()) == adapter.key()));
    host.enable(false).await;
    assert!(host.adapter().await.is_none());
    assert!(!host.devices().await.software_internet_scsi_enabled());
    check_fault::<NotFound>(
        host.storage::<UpdateInternetScsiAlias>(|it| _ = it.set_i_scsi_hba_device(HBA).set_i_scsi_alias("a")).await,
    );
}

#[tokio::test]
async fn targets_are_configured_and_inherit() {
    let host = Host::start().await;
    host.enable(true).await;
    let add = async |targets: &[HostInternetScsiHbaSendTarget]| {
        host.storage::<AddInternetScsiSendTargets>(|it| {
            it.set_i_scsi_hba_device(HBA).set_targets(targets.iter().cloned());
        })
        .await
    };
    add(&[send("192.0.2.1"), send("192.0.2.2")]).await.unwrap();
    check_fault::<HostConfigFault>(add(&[send("192.0.2.1")]).await);
    check_fault::<HostConfigFault>(add(&[send("")]).await);
    let add = async |name: &str| {
        host.storage::<AddInternetScsiStaticTargets>(|it| {
            it.set_i_scsi_hba_device(HBA).set_targets([fixed("192.0.2.1", name)]);
        })
        .await
    };
    add("iqn.2020-01.test:a").await.unwrap();
    check_fault::<HostConfigFault>(add("a").await);
    check_fault::<HostConfigFault>(add("iqn.2020-01.test:a").await);
    let chap = |name: &str| {
        HostInternetScsiHbaAuthenticationProperties::with(|it| {
            it.set_chap_auth_enabled(true).set_chap_name(name).set_chap_secret("secret");
            it.set_chap_authentication_type("chapRequired");
        })
    };
    let authenticate = async |set: Option<HostInternetScsiHbaTargetSet>, name: &str| {
        host.storage::<UpdateInternetScsiAuthenticationProperties>(|it| {
            it.set_i_scsi_hba_device(HBA).set_authentication_properties(chap(name));
            if let Some(set) = set {
                it.set_target_set(set);
            }
        })
        .await
    };
    authenticate(None, "all").await.unwrap();
    check_fault::<HostConfigFault>(authenticate(None, "").await);
    let set = |address: &str| HostInternetScsiHbaTargetSet::with(|set| _ = set.push_send_targets(send(address)));
    authenticate(Some(set("192.0.2.2")), "own").await.unwrap();
    check_fault::<NotFound>(authenticate(Some(set("192.0.2.3")), "own").await);
    let adapter = host.adapter().await.unwrap();
    assert_eq!(adapter.authentication_properties().chap_secret(), None);
    let names = |adapter: &HostInternetScsiHba| -> Vec<String> {
        let targets = adapter.configured_send_target();
        let names = targets.iter().map(|it| it.authentication_properties().unwrap().chap_name().unwrap().to_string());
        names.collect()
    };
    assert_eq!(names(&adapter), ["all", "own"]);
    assert_eq!(adapter.configured_send_target().first().unwrap().port(), Some(3_260));
    let option = |key: &str, value: Value| {
        OptionValue::with(|option| {
            option.set_key(key);
            option.as_object_mut().set(OptionValue::VALUE, value);
        })
    };
    let configure = async |value: Value| {
        host.storage::<UpdateInternetScsiAdvancedOptions>(|it| {
            it.set_i_scsi_hba_device(HBA);
            let mut param = vimsim::types::views::HostInternetScsiHbaParamValue::new();
            let option = option("LoginTimeout", value);
            param.set_key(option.key());
            param.as_object_mut().set(OptionValue::VALUE, option.as_object().get(OptionValue::VALUE).clone());
            it.set_options([param]);
        })
        .await
    };
    configure(Value::Int(45)).await.unwrap();
    check_fault::<HostConfigFault>(configure(Value::Int(4_500)).await);
    let adapter = host.adapter().await.unwrap();
    let target = adapter.configured_static_target().first().unwrap().clone();
    let of_target = target.advanced_options().iter().find(|option| option.key() == "LoginTimeout").unwrap().clone();
    assert_eq!(of_target.as_object().get(OptionValue::VALUE), &Value::Int(45));
    host.storage::<UpdateInternetScsiName>(|it| {
        it.set_i_scsi_hba_device(HBA).set_i_scsi_name("iqn.2020-01.test:me");
    })
    .await
    .unwrap();
    check_fault::<HostConfigFault>(
        host.storage::<UpdateInternetScsiName>(|it| _ = it.set_i_scsi_hba_device(HBA).set_i_scsi_name("me")).await,
    );
    assert_eq!(host.adapter().await.unwrap().i_scsi_name(), "iqn.2020-01.test:me");
    let remove = async || {
        host.storage::<RemoveInternetScsiSendTargets>(|it| {
            it.set_i_scsi_hba_device(HBA).set_targets([send("192.0.2.1")]);
        })
        .await
    };
    remove().await.unwrap();
    check_fault::<NotFound>(remove().await);
    host.storage::<RemoveInternetScsiStaticTargets>(|it| {
        it.set_i_scsi_hba_device(HBA).set_targets([fixed("192.0.2.1", "iqn.2020-01.test:a")]);
    })
    .await
    .unwrap();
    let adapter = host.adapter().await.unwrap();
    assert_eq!(names(&adapter), ["own"]);
    assert!(adapter.configured_static_target().is_empty());
}

#[tokio::test]
async fn interfaces_are_bound_to_the_adapter() {
    let host = Host::start().await;
    host.enable(true).await;
    let bound =
        async || host.iscsi::<QueryBoundVnics>(|it| _ = it.set_i_scsi_hba_name(HBA)).await.unwrap().items().len();
    let candidates =
        async || host.iscsi::<QueryCandidateNics>(|it| _ = it.set_i_scsi_hba_name(HBA)).await.unwrap().items().len();
    let bind =
        async |device: &str| host.iscsi::<BindVnic>(|it| _ = it.set_i_scsi_hba_name(HBA).set_vnic_device(device)).await;
    assert_eq!((bound().await, candidates().await), (0, 1));
    bind("vmk0").await.unwrap();
    check_fault::<IscsiFaultVnicAlreadyBound>(bind("vmk0").await);
    check_fault::<IscsiFaultVnicNotFound>(bind("vmk7").await);
    assert_eq!((bound().await, candidates().await), (1, 0));
    let reasons = |status: &Value| status.object().unwrap().field("reason").items().len();
    let vnic = host.iscsi::<QueryVnicStatus>(|it| _ = it.set_vnic_device("vmk0")).await.unwrap();
    let pnic = host.iscsi::<QueryPnicStatus>(|it| _ = it.set_pnic_device("vmnic0")).await.unwrap();
    assert_eq!((reasons(&vnic), reasons(&pnic)), (1, 1));
    let depends = host.iscsi::<QueryMigrationDependencies>(|it| _ = it.set_pnic_device(["vmnic0"])).await.unwrap();
    assert_eq!(depends.object().unwrap().field("migrationAllowed"), &Value::Bool(false));
    let unbind = async || {
        host.iscsi::<UnbindVnic>(|it| {
            it.set_i_scsi_hba_name(HBA).set_vnic_device("vmk0").set_force(false);
        })
        .await
    };
    unbind().await.unwrap();
    check_fault::<IscsiFaultVnicNotBound>(unbind().await);
    bind("vmk0").await.unwrap();
    host.enable(false).await;
    check_fault::<NotFound>(host.iscsi::<QueryBoundVnics>(|it| _ = it.set_i_scsi_hba_name(HBA)).await);
    host.enable(true).await;
    assert_eq!(bound().await, 0);
}

#[tokio::test]
async fn paths_are_chosen_and_disabled() {
    let host = Host::start().await;
    let policies = host.storage::<QueryPathSelectionPolicyOptions>(|_| {}).await.unwrap();
    assert_eq!(policies.items().len(), 3);
    assert!(!host.storage::<QueryStorageArrayTypePolicyOptions>(|_| {}).await.unwrap().items().is_empty());
    let units = async || host.devices().await.multipath_info().unwrap().clone();
    // The second local disk, which nothing is on, and the boot disk.
    let all = units().await;
    let (boot, free) = (all.lun().iter().nth(1).unwrap().clone(), all.lun().iter().nth(2).unwrap().clone());
    let set = async |id: &str, policy: HostMultipathInfoLogicalUnitPolicy| {
        host.storage::<SetMultipathLunPolicy>(|it| _ = it.set_lun_id(id).set_policy(policy)).await
    };
    let plain = |name: &str| HostMultipathInfoLogicalUnitPolicy::with(|policy| _ = policy.set_policy(name));
    set(free.id(), plain("VMW_PSP_RR")).await.unwrap();
    assert_eq!(units().await.lun().iter().nth(2).unwrap().policy().policy(), "VMW_PSP_RR");
    check_fault::<HostConfigFault>(set(free.id(), plain("VMW_PSP_OTHER")).await);
    check_fault::<NotFound>(set("nothing", plain("VMW_PSP_RR")).await);
    let wrong = HostMultipathInfoFixedLogicalUnitPolicy::with(|policy| {
        policy.set_prefer("vmhba9:C0:T0:L0");
        policy.set_policy("VMW_PSP_FIXED");
    });
    let wrong = HostMultipathInfoLogicalUnitPolicy::from_object(wrong.into()).unwrap();
    check_fault::<HostConfigFault>(set(free.id(), wrong).await);
    let path = |unit: &vimsim::types::views::HostMultipathInfoLogicalUnit| unit.path().first().unwrap().name().clone();
    check_fault::<HostConfigFault>(host.storage::<DisableMultipathPath>(|it| _ = it.set_path_name(path(&boot))).await);
    check_fault::<NotFound>(host.storage::<DisableMultipathPath>(|it| _ = it.set_path_name("nowhere")).await);
    let state = async || {
        let devices = host.devices().await;
        let lun = devices.scsi_lun().iter().find(|lun| lun.uuid() == free.id()).unwrap().clone();
        let unit = devices.multipath_info().unwrap().lun().iter().find(|it| it.id() == free.id()).unwrap().clone();
        (lun.operational_state().first().unwrap().to_string(), unit.path().first().unwrap().path_state().to_string())
    };
    host.storage::<DisableMultipathPath>(|it| _ = it.set_path_name(path(&free))).await.unwrap();
    assert_eq!(state().await, ("lostCommunication".to_owned(), "disabled".to_owned()));
    host.storage::<EnableMultipathPath>(|it| _ = it.set_path_name(path(&free))).await.unwrap();
    assert_eq!(state().await, ("ok".to_owned(), "active".to_owned()));
}

#[tokio::test]
async fn disks_are_named_marked_and_detached_together() {
    let host = Host::start().await;
    let luns = host.devices().await;
    let lun = |name: &str| {
        luns.scsi_lun().iter().find(|lun| lun.canonical_name().is_some_and(|it| it.starts_with(name))).unwrap().clone()
    };
    let (local, shared, other) = (lun("mpx.vmhba0:C0:T1"), lun("naa.6000c2901"), lun("naa.6000c2955"));
    let name = async |uuid: &str, name: &str| {
        host.storage::<UpdateScsiLunDisplayName>(|it| _ = it.set_lun_uuid(uuid).set_display_name(name)).await
    };
    name(shared.uuid(), "fast").await.unwrap();
    check_fault::<DuplicateName>(name(other.uuid(), "fast").await);
    check_fault::<HostConfigFault>(name(local.uuid(), "slow").await);
    check_fault::<NotFound>(name("nothing", "slow").await);
    let ssd = MarkAsNonSsdTask::with(|it| _ = it.set_scsi_disk_uuid(local.uuid()));
    let task = create(&host.client, &host.storage, ssd).await;
    host.client.wait_for_task(&task).await.unwrap();
    let seen = host.devices().await;
    let seen = seen.scsi_lun().iter().find(|lun| lun.uuid() == local.uuid()).unwrap().clone();
    assert_eq!(seen.as_object().field("ssd"), &Value::Bool(false));
    let detach = DetachScsiLunExTask::with(|it| _ = it.set_lun_uuid([shared.uuid().as_str(), "nothing"]));
    let task = create(&host.client, &host.storage, detach).await;
    let results = host.client.wait_for_task(&task).await.unwrap();
    let failed: Vec<bool> =
        results.items().iter().map(|it| it.object().unwrap().field("fault").object().is_some()).collect();
    assert_eq!(failed, [false, true]);
    let attach = AttachScsiLunExTask::with(|it| _ = it.set_lun_uuid([shared.uuid().as_str()]));
    let task = create(&host.client, &host.storage, attach).await;
    host.client.wait_for_task(&task).await.unwrap();
    let volumes = host.client.property(&host.storage, "fileSystemVolumeInfo.mountInfo").await.unwrap();
    let uuid = volumes.items()[0].object().unwrap().field("volume").object().unwrap().field("uuid").clone();
    let uuid = uuid.text().unwrap().to_owned();
    // The volume that the host runs from is no datastore here.
    check_fault::<HostConfigFault>(
        host.storage::<UpdateVmfsUnmapPriority>(|it| _ = it.set_vmfs_uuid(&uuid).set_unmap_priority("none")).await,
    );
    let unmount = UnmountVmfsVolumeExTask::with(|it| _ = it.set_vmfs_uuid(["nothing"]));
    let task = create(&host.client, &host.storage, unmount).await;
    let results = host.client.wait_for_task(&task).await.unwrap();
    assert!(results.items()[0].object().unwrap().field("fault").object().is_some());
}

#[tokio::test]
async fn the_user_for_nfs_is_kept() {
    let host = Host::start().await;
    let user = async || host.storage::<QueryNFSUser>(|_| {}).await.unwrap();
    assert!(user().await.object().is_none());
    check_fault::<NotFound>(host.storage::<ChangeNFSUserPassword>(|it| _ = it.set_password("b")).await);
    host.storage::<SetNFSUser>(|it| _ = it.set_user("ann").set_password("a")).await.unwrap();
    host.storage::<ChangeNFSUserPassword>(|it| _ = it.set_password("b")).await.unwrap();
    assert_eq!(user().await.object().unwrap().field("user").text(), Some("ann"));
    host.storage::<ClearNFSUser>(|_| {}).await.unwrap();
    assert!(user().await.object().is_none());
}
