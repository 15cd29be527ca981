//! What virtual machines can be made of.

use vimsim::types::method::{
    QueryConfigOptionDescriptor, QueryConfigOptionEx, QueryConfigTarget, QueryTargetCapabilities,
};
use vimsim::types::views::{
    ConfigTarget, EnvironmentBrowser, HostSystem, InvalidArgument, ManagedObjectNotFound, VirtualMachineConfigOption,
};
use vimsim::types::{Moref, Value, View};

use crate::{check_fault, start};

fn browser() -> Moref {
    Moref::of::<EnvironmentBrowser>("envbrowser-26")
}

fn option(answer: Value) -> VirtualMachineConfigOption {
    VirtualMachineConfigOption::from_object(answer.object().expect("an option").clone()).expect("an option")
}

#[tokio::test]
async fn the_newest_hardware_is_the_default() {
    let (_simulator, client) = start().await;
    let answer = client.call(&browser(), QueryConfigOptionDescriptor::new()).await.unwrap();
    let newest = answer.items().last().and_then(Value::object).expect("a descriptor");
    assert_eq!((newest.field("key").text(), newest.field("defaultConfigOption")), (Some("vmx-21"), &Value::Bool(true)));
    assert_eq!(newest.field("host").items().len(), 3);
    let all = option(client.call(&browser(), QueryConfigOptionEx::new()).await.unwrap());
    assert_eq!(*all.version(), "vmx-21");
    assert!(all.guest_os_descriptor().len() > 200);
}

#[tokio::test]
async fn one_guest_of_one_version_can_be_asked_for() {
    let (_simulator, client) = start().await;
    let ask = |key: &'static str| {
        QueryConfigOptionEx::with(|request| {
            request.spec_mut().set_key(key).set_guest_id(["ubuntu64Guest"]);
        })
    };
    let found = option(client.call(&browser(), ask("vmx-13")).await.unwrap());
    let guest = found.guest_os_descriptor().first().expect("the guest");
    assert_eq!((found.guest_os_descriptor().len(), guest.family().as_str()), (1, "linuxGuest"));
    assert_eq!((found.hardware_options().hw_version(), guest.full_name().as_str()), (13, "Ubuntu Linux (64-bit)"));
    check_fault::<InvalidArgument>(client.call(&browser(), ask("vmx-99")).await);
}

#[tokio::test]
async fn targets_are_those_of_the_hosts() {
    let (_simulator, client) = start().await;
    let target = client.call(&browser(), QueryConfigTarget::new()).await.unwrap();
    let target = ConfigTarget::from_object(target.object().expect("a target").clone()).expect("a target");
    assert_eq!((target.datastore().len(), target.network().len()), (1, 1));
    assert_eq!(target.distributed_virtual_portgroup().len(), 2);
    assert!(client.call(&browser(), QueryTargetCapabilities::new()).await.unwrap().object().is_some());
    let ask = |host: &str| QueryConfigTarget::with(|request| _ = request.set_host(Moref::of::<HostSystem>(host)));
    check_fault::<ManagedObjectNotFound>(client.call(&browser(), ask("host-9999")).await);
}
