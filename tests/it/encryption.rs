//! Encrypted machines, their disks and TPMs, and the hosts that they are on.

use serde_json::json;
use vimsim::types::enums::{VirtualDeviceConfigSpecFileOperation, VirtualDeviceConfigSpecOperation};
use vimsim::types::method::{
    ConfigureCryptoKey, CryptoUnlockTask, EnableCrypto, PowerOffVMTask, PrepareCrypto, QueryCryptoKeyStatus,
    ReconfigVMTask, RegisterKmipServer, SetCryptoMode,
};
use vimsim::types::views::{
    ClusterConfigInfoEx, CryptoKeyId, CryptoManagerKmip, CryptoManagerKmipCryptoKeyStatus, CryptoSpecDecrypt,
    CryptoSpecEncrypt, CryptoSpecShallowRecrypt, InvalidArgument, InvalidPowerState, InvalidState, NotSupported,
    VirtualDeviceConfigSpec, VirtualDeviceConfigSpecBackingSpec, VirtualDisk, VirtualDiskFlatVer2BackingInfo,
    VirtualMachineConfigSpec, VirtualTPM,
};
use vimsim::types::{Moref, Object, Value, View};
use vimsim::{Client, RestClient};

use crate::inventory::find;
use crate::{check_fault, start};

fn manager() -> Moref {
    Moref::of::<CryptoManagerKmip>("CryptoManager")
}

fn view<V: View>(value: &Value) -> V {
    let Value::Object(object) = value else { panic!("no object: {value:?}") };
    V::from_object(Object::clone(object)).unwrap()
}

pub(crate) async fn add_provider(soap: &Client) {
    let request = RegisterKmipServer::with(|request| {
        let server = request.server_mut();
        server.cluster_id_mut().set_id("kp");
        server.info_mut().set_name("a").set_address("kms.example.com").set_port(5_696);
    });
    soap.call(&manager(), request).await.unwrap();
}

fn any_key() -> CryptoKeyId {
    CryptoKeyId::with(|key| _ = key.set_key_id(""))
}

async fn reconfigure(soap: &Client, machine: &Moref, spec: VirtualMachineConfigSpec) -> Result<Value, vimsim::Error> {
    let request = ReconfigVMTask::with(|request| _ = request.set_spec(spec));
    let task = soap.call(machine, request).await?.moref().unwrap();
    soap.wait_for_task(&task).await
}

async fn apply(soap: &Client, machine: &Moref, crypto: impl View) -> Result<Value, vimsim::Error> {
    reconfigure(soap, machine, VirtualMachineConfigSpec::with(|spec| _ = spec.set_crypto(crypto))).await
}

async fn property(soap: &Client, moref: &Moref, path: &str) -> Value {
    let content = soap.properties(moref, &[path]).await.unwrap();
    content.prop_set().first().map_or(Value::Unset, |property| property.val().clone())
}

async fn machine_at_rest(soap: &Client) -> Moref {
    let machine = find(soap, "/DC0/vm/DC0_H0_VM0").await.unwrap();
    let task = soap.call(&machine, PowerOffVMTask::new()).await.unwrap().moref().unwrap();
    soap.wait_for_task(&task).await.unwrap();
    machine
}

#[tokio::test]
async fn machines_are_encrypted_and_decrypted() {
    let (_simulator, soap) = start().await;
    let encrypt = || CryptoSpecEncrypt::with(|spec| _ = spec.set_crypto_key_id(any_key()));
    let running = find(&soap, "/DC0/vm/DC0_H0_VM1").await.unwrap();
    let machine = machine_at_rest(&soap).await;
    check_fault::<InvalidArgument>(apply(&soap, &machine, encrypt()).await);
    add_provider(&soap).await;
    check_fault::<InvalidPowerState>(apply(&soap, &running, encrypt()).await);
    check_fault::<InvalidState>(apply(&soap, &machine, CryptoSpecDecrypt::new()).await);
    check_fault::<NotSupported>(soap.call(&machine, CryptoUnlockTask::new()).await);
    let unknown = CryptoSpecEncrypt::with(|spec| _ = spec.crypto_key_id_mut().set_key_id("nobody's"));
    check_fault::<InvalidArgument>(apply(&soap, &machine, unknown).await);
    assert_eq!(property(&soap, &machine, "config.keyId").await, Value::Unset);

    apply(&soap, &machine, encrypt()).await.unwrap();
    let key: CryptoKeyId = view(&property(&soap, &machine, "config.keyId").await);
    assert_eq!(key.provider_id().unwrap().id(), "kp");
    assert_eq!(property(&soap, &machine, "runtime.cryptoState").await.text(), Some("unlocked"));
    let host = property(&soap, &machine, "runtime.host").await.moref().unwrap();
    assert_eq!(property(&soap, &host, "runtime.cryptoState").await.text(), Some("safe"));
    check_fault::<InvalidState>(apply(&soap, &machine, encrypt()).await);
    let task = soap.call(&machine, CryptoUnlockTask::new()).await.unwrap().moref().unwrap();
    soap.wait_for_task(&task).await.unwrap();

    let again = CryptoSpecShallowRecrypt::with(|spec| _ = spec.set_new_key_id(any_key()));
    apply(&soap, &machine, again).await.unwrap();
    let other: CryptoKeyId = view(&property(&soap, &machine, "config.keyId").await);
    assert_ne!(key.key_id(), other.key_id());
    let query = QueryCryptoKeyStatus::with(|request| {
        request.set_key_ids([other]).set_check_key_bit_map(2);
    });
    let status = soap.call(&manager(), query).await.unwrap();
    let status: CryptoManagerKmipCryptoKeyStatus = view(&status.items()[0]);
    assert_eq!(status.encrypted_vms().iter().collect::<Vec<_>>(), [machine.clone()]);
    apply(&soap, &machine, CryptoSpecDecrypt::new()).await.unwrap();
    assert_eq!(property(&soap, &machine, "config.keyId").await, Value::Unset);
    assert_eq!(property(&soap, &machine, "runtime.cryptoState").await, Value::Unset);
}

#[tokio::test]
async fn disks_and_tpms_need_an_encrypted_machine() {
    let (simulator, soap) = start().await;
    let machine = machine_at_rest(&soap).await;
    let tpm = || {
        VirtualMachineConfigSpec::with(|spec| {
            spec.push_device_change(VirtualDeviceConfigSpec::with(|change| {
                change.set_operation(VirtualDeviceConfigSpecOperation::Add);
                change.set_device(VirtualTPM::with(|tpm| _ = tpm.set_key(-1)));
            }));
        })
    };
    let disk = || {
        VirtualMachineConfigSpec::with(|spec| {
            spec.push_device_change(VirtualDeviceConfigSpec::with(|change| {
                change.set_operation(VirtualDeviceConfigSpecOperation::Add);
                change.set_file_operation(VirtualDeviceConfigSpecFileOperation::Create);
                change.set_device(VirtualDisk::with(|disk| {
                    disk.set_capacity_in_kb(1_024).set_controller_key(201).set_unit_number(1).set_key(-2);
                    disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                        backing.set_disk_mode("persistent").set_file_name("");
                    }));
                }));
                change.set_backing(VirtualDeviceConfigSpecBackingSpec::with(|backing| {
                    backing.set_crypto(CryptoSpecEncrypt::with(|spec| _ = spec.set_crypto_key_id(any_key())));
                }));
            }));
        })
    };
    check_fault::<InvalidArgument>(reconfigure(&soap, &machine, tpm()).await);
    check_fault::<InvalidState>(reconfigure(&soap, &machine, disk()).await);
    // A native provider is of no use before there is a backup of it.
    let rest = RestClient::login(&simulator).await.unwrap();
    rest.post("/api/vcenter/crypto-manager/kms/providers", json!({ "provider": "nkp" })).await.unwrap();
    let native = CryptoSpecEncrypt::with(|spec| {
        spec.set_crypto_key_id(any_key());
        spec.crypto_key_id_mut().provider_id_mut().set_id("nkp");
    });
    check_fault::<InvalidState>(apply(&soap, &machine, native).await);
    rest.delete("/api/vcenter/crypto-manager/kms/providers/nkp").await.unwrap();

    add_provider(&soap).await;
    reconfigure(&soap, &machine, tpm()).await.unwrap();
    assert_ne!(property(&soap, &machine, "config.keyId").await, Value::Unset);
    reconfigure(&soap, &machine, disk()).await.unwrap();
    let devices = property(&soap, &machine, "config.hardware.device").await;
    let disks = devices.items().iter().filter_map(|device| match device {
        Value::Object(device) => VirtualDisk::from_object(Object::clone(device)),
        _ => None,
    });
    let keyed = disks.filter(|disk| {
        let backing = disk.backing().and_then(|backing| backing.downcast::<VirtualDiskFlatVer2BackingInfo>());
        backing.is_some_and(|backing| backing.key_id().is_some())
    });
    assert_eq!(keyed.count(), 1);
    check_fault::<InvalidState>(apply(&soap, &machine, CryptoSpecDecrypt::new()).await);
}

#[tokio::test]
async fn hosts_get_their_keys() {
    let (_simulator, soap) = start().await;
    let host = find(&soap, "/DC0/host/DC0_H0/DC0_H0").await.unwrap();
    let cluster = find(&soap, "/DC0/host/DC0_C0").await.unwrap();
    let enable = EnableCrypto::with(|request| {
        let key = request.key_plain_mut();
        key.key_id_mut().set_key_id("mine");
        key.set_algorithm("AES-256").set_key_data("c2VjcmV0");
    });
    check_fault::<InvalidState>(soap.call(&host, enable.clone()).await);
    soap.call(&host, PrepareCrypto::new()).await.unwrap();
    check_fault::<InvalidState>(soap.call(&host, PrepareCrypto::new()).await);
    soap.call(&host, enable).await.unwrap();
    assert_eq!(property(&soap, &host, "runtime.cryptoState").await.text(), Some("safe"));
    let key: CryptoKeyId = view(&property(&soap, &host, "runtime.cryptoKeyId").await);
    assert_eq!(key.key_id(), "mine");

    let mode = |mode: &str| SetCryptoMode::with(|request| _ = request.set_crypto_mode(mode));
    check_fault::<InvalidArgument>(soap.call(&cluster, mode("always")).await);
    check_fault::<InvalidArgument>(soap.call(&cluster, mode("forceEnable")).await);
    add_provider(&soap).await;
    soap.call(&cluster, mode("forceEnable")).await.unwrap();
    let member = find(&soap, "/DC0/host/DC0_C0/DC0_C0_H0").await.unwrap();
    assert_eq!(property(&soap, &member, "runtime.cryptoState").await.text(), Some("safe"));
    soap.call(&member, ConfigureCryptoKey::new()).await.unwrap();
    let config: ClusterConfigInfoEx = view(&property(&soap, &cluster, "configurationEx").await);
    assert_eq!(config.crypto_config().unwrap().crypto_mode().unwrap(), "forceEnable");
}
