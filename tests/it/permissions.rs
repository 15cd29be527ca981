//! Permissions: what somebody may do and see who is not an administrator.

use vimsim::types::method::{
    AddAuthorizationRole, CreateContainerView, CreateFilter, CreateFolder, CurrentTime, DestroyTask, FindByUuid,
    HasUserPrivilegeOnEntities, Login, Logout, PowerOffVMTask, PowerOnVMTask, ReconfigVMTask, RemoveEntityPermission,
    SetEntityPermissions, WaitForUpdatesEx,
};
use vimsim::types::views::{
    AuthorizationManager, Folder, NoPermission, Permission, PropertyFilterSpec, SearchIndex, ServiceInstance,
    SessionManager, UpdateSet, ViewManager, VirtualMachine, VirtualMachineConfigSpec,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Error, Simulator};

use crate::inventory::{find, found, morefs};
use crate::{check_fault, create, root_folder, start};

const READ_ONLY: i32 = -2;
const NO_ACCESS: i32 = -5;
const ADMIN: i32 = -1;

fn authorization_manager() -> Moref {
    Moref::of::<AuthorizationManager>("AuthorizationManager")
}

/// Gives a user a role at an entity, and below it.
pub(crate) async fn give(client: &Client, entity: &Moref, user: &str, role: i32) {
    let permission = Permission::with(|permission| {
        permission.set_principal(user).set_group(false).set_role_id(role).set_propagate(true);
    });
    let request = SetEntityPermissions::with(|request| {
        request.set_entity(entity.clone()).set_permission([permission]);
    });
    client.call(&authorization_manager(), request).await.unwrap();
}

pub(crate) async fn role(client: &Client, name: &str, privileges: &[&str]) -> i32 {
    let request = AddAuthorizationRole::with(|request| {
        request.set_name(name).set_priv_ids(privileges.iter().copied());
    });
    match client.call(&authorization_manager(), request).await.unwrap() {
        Value::Int(id) => id,
        other => panic!("a role's number, not {other:?}"),
    }
}

/// A client that has logged in by this name.
pub(crate) async fn user(simulator: &Simulator, name: &str) -> Client {
    let client = Client::new(simulator);
    let login = Login::with(|login| _ = login.set_user_name(name).set_password("secret"));
    client.call(&Moref::of::<SessionManager>("SessionManager"), login).await.unwrap();
    client
}

/// What the call needs that the caller does not have: the object and the privilege.
#[track_caller]
fn missing(answer: Result<Value, Error>) -> (Moref, String) {
    let error = answer.expect_err("may not");
    let fault = error.fault().expect("a fault");
    let detail = fault.detail().downcast::<NoPermission>().expect("NoPermission");
    (detail.object().expect("set"), detail.privilege_id().expect("set").to_string())
}

/// What reading a property needs that the caller does not have: the object and the privilege.
async fn denied(client: &Client, moref: &Moref, path: &str) -> (Moref, String) {
    let content = client.properties(moref, &[path]).await.unwrap();
    assert!(content.prop_set().is_empty());
    let fault = content.missing_set().first().expect("is missing").fault().fault().clone();
    let detail = fault.downcast::<NoPermission>().expect("NoPermission");
    (detail.object().expect("set"), detail.privilege_id().expect("set").to_string())
}

#[tokio::test]
async fn who_has_no_permission_of_their_own_may_do_everything() {
    let (simulator, client) = start().await;
    let datacenter = found(&client, "DC0").await;
    give(&client, &datacenter, "somebody@vsphere.local", READ_ONLY).await;
    let other = user(&simulator, "anybody else").await;
    create(&other, &root_folder(), CreateFolder::with(|request| _ = request.set_name("f"))).await;
    assert_eq!(other.property(&datacenter, "effectiveRole").await.unwrap().items(), [Value::Int(ADMIN)]);
}

#[tokio::test]
async fn a_method_needs_its_privilege() {
    let (simulator, client) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let operator = role(&client, "operator", &["VirtualMachine.Interact.PowerOff"]).await;
    give(&client, &root_folder(), "operator", operator).await;
    let operator = user(&simulator, "VSPHERE.LOCAL\\Operator").await;
    operator.run(&machine, PowerOffVMTask::new()).await.unwrap();
    let (object, privilege) = missing(operator.run(&machine, PowerOnVMTask::new()).await);
    assert_eq!((object, privilege.as_str()), (machine.clone(), "VirtualMachine.Interact.PowerOn"));
    let folder = CreateFolder::with(|request| _ = request.set_name("f"));
    assert_eq!(missing(operator.call(&root_folder(), folder).await).1, "Folder.Create");
    // Of the reference's dynamic privileges.
    assert_eq!(missing(operator.run(&machine, DestroyTask::new()).await).1, "VirtualMachine.Inventory.Delete");
    let annotate = ReconfigVMTask::with(|request| {
        request.set_spec(VirtualMachineConfigSpec::with(|spec| _ = spec.set_annotation("mine")));
    });
    assert_eq!(missing(operator.run(&machine, annotate).await).1, "VirtualMachine.Config.Annotation");
    // Those of parameters.
    let (object, privilege) = missing({
        let request = SetEntityPermissions::with(|request| _ = request.set_entity(machine.clone()));
        operator.call(&authorization_manager(), request).await
    });
    assert_eq!((object, privilege.as_str()), (machine, "Authorization.ModifyPermissions"));
    // What is about no entity is open to who has logged in.
    operator.call(&Client::service_instance(), CurrentTime::new()).await.unwrap();
    operator.call(&Moref::of::<SessionManager>("SessionManager"), Logout::new()).await.unwrap();
}

#[tokio::test]
async fn a_property_needs_system_read_and_the_way_there_system_view() {
    let (simulator, client) = start().await;
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    let hidden = found(&client, "DC0/vm/DC0_H0_VM1").await;
    give(&client, &machine, "guest", READ_ONLY).await;
    let guest = user(&simulator, "guest").await;
    assert_eq!(guest.property(&machine, "name").await.unwrap().text(), Some("DC0_H0_VM0"));
    assert!(!guest.property(&machine, "runtime.powerState").await.unwrap().is_unset());

    // The folders above can be found, and show only the way to it.
    let folder = found(&guest, "DC0/vm").await;
    assert_eq!(morefs(&guest, &folder, "childEntity").await, [machine.clone()]);
    assert_eq!(guest.property(&folder, "name").await.unwrap().text(), Some("vm"));
    let (object, privilege) = denied(&guest, &folder, "overallStatus").await;
    assert_eq!((object, privilege.as_str()), (folder.clone(), "System.Read"));
    let (object, privilege) = denied(&guest, &hidden, "name").await;
    assert_eq!((object, privilege.as_str()), (hidden.clone(), "System.View"));
    let content = guest.properties(&folder, &["name", "overallStatus"]).await.unwrap();
    assert_eq!((content.prop_set().len(), content.missing_set().len()), (1, 1));
    let fault = content.missing_set().first().unwrap().fault().fault().clone();
    assert!(fault.downcast::<NoPermission>().is_some());

    // Nothing finds the other machine.
    assert_eq!(find(&guest, "DC0/vm/DC0_H0_VM1").await, None);
    let uuid = client.property(&hidden, "config.uuid").await.unwrap().text().unwrap().to_owned();
    let by_uuid = FindByUuid::with(|request| _ = request.set_uuid(uuid).set_vm_search(true));
    let index = Moref::of::<SearchIndex>("SearchIndex");
    assert!(guest.call(&index, by_uuid.clone()).await.unwrap().is_unset());
    assert_eq!(client.call(&index, by_uuid).await.unwrap().moref(), Some(hidden));
    let view = CreateContainerView::with(|request| {
        request.set_container(root_folder()).set_recursive(true).set_type(["VirtualMachine"]);
    });
    let view = create(&guest, &Moref::of::<ViewManager>("ViewManager"), view).await;
    assert_eq!(morefs(&guest, &view, "view").await, [machine]);
}

#[tokio::test]
async fn the_nearest_permission_decides() {
    let (simulator, client) = start().await;
    let (folder, host) = (found(&client, "DC0/vm").await, found(&client, "DC0/host").await);
    give(&client, &root_folder(), "reader", READ_ONLY).await;
    give(&client, &folder, "reader", NO_ACCESS).await;
    let reader = user(&simulator, "reader").await;
    assert_eq!(reader.property(&host, "overallStatus").await.unwrap().text(), Some("green"));
    assert_eq!(denied(&reader, &folder, "name").await.1, "System.View");
    assert!(!morefs(&reader, &found(&reader, "DC0").await, "datastore").await.is_empty());
    assert_eq!(find(&reader, "DC0/vm").await, None);
    // A virtual machine has roles from its resource pool, too.
    let machine = found(&client, "DC0/vm/DC0_H0_VM0").await;
    assert_eq!(reader.property(&machine, "name").await.unwrap().text(), Some("DC0_H0_VM0"));
    assert_eq!(
        reader.property(&machine, "effectiveRole").await.unwrap().items(),
        [Value::Int(NO_ACCESS), Value::Int(READ_ONLY)]
    );

    let request = HasUserPrivilegeOnEntities::with(|request| {
        request.set_entities([folder.clone()]).set_user_name("reader").set_priv_id(["System.Read"]);
    });
    let answer = client.call(&authorization_manager(), request).await.unwrap();
    let granted = answer.items()[0].object().unwrap().field("privAvailability").items()[0].object().unwrap();
    assert_eq!(*granted.field("isGranted"), Value::Bool(false));
    for entity in [folder.clone(), root_folder()] {
        let request = RemoveEntityPermission::with(|request| {
            request.set_entity(entity).set_user("reader").set_is_group(false);
        });
        client.call(&authorization_manager(), request).await.unwrap();
    }
    assert_eq!(reader.property(&folder, "name").await.unwrap().text(), Some("vm"));
}

#[tokio::test]
async fn an_update_shows_what_a_permission_opens() {
    let (simulator, client) = start().await;
    let machines = [found(&client, "DC0/vm/DC0_H0_VM0").await, found(&client, "DC0/vm/DC0_H0_VM1").await];
    give(&client, &machines[0], "guest", READ_ONLY).await;
    let guest = user(&simulator, "guest").await;
    let folder = found(&guest, "DC0/vm").await;
    let spec = PropertyFilterSpec::with(|spec| {
        spec.push_object_set(vimsim::types::views::ObjectSpec::with(|object| _ = object.set_obj(folder.clone())));
        spec.push_prop_set(vimsim::types::views::PropertySpec::with(|property| {
            property.set_type(Folder::TYPE.name()).set_path_set(["childEntity"]);
        }));
    });
    let collector = guest.property(&Client::service_instance(), "content.propertyCollector").await.unwrap();
    let collector = collector.moref().expect("a collector");
    let request = CreateFilter::with(|request| _ = request.set_spec(spec).set_partial_updates(false));
    guest.call(&collector, request).await.unwrap();
    let updates = async |version: Option<&str>| {
        let request = WaitForUpdatesEx::with(|request| _ = request.set_version(version));
        let answer = guest.call(&collector, request).await.unwrap();
        let set = answer.object().and_then(UpdateSet::from_ref).expect("updates").clone();
        let update = set.filter_set().first().unwrap().object_set().first().unwrap().clone();
        let children = update.change_set().first().unwrap().val().items().len();
        (set.version().to_string(), children)
    };
    let (version, children) = updates(None).await;
    assert_eq!(children, 1);
    give(&client, &machines[1], "guest", READ_ONLY).await;
    assert_eq!(updates(Some(&version)).await.1, 2);
    assert!(machines.iter().all(|machine| machine.is::<VirtualMachine>()));
    assert!(Client::service_instance().is::<ServiceInstance>());
    check_fault::<NoPermission>(guest.call(&folder, CreateFolder::with(|it| _ = it.set_name("f"))).await);
}
