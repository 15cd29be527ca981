//! Saved inventories: what was saved is there again, and what was not is made up or left out.

use std::fs;
use std::path::PathBuf;

use vimsim::types::method::{CreateFolder, QueryNetworkHint, RetrieveServiceContent};
use vimsim::types::views::{
    Datacenter, DynamicProperty, Folder, HostNetworkSystem, ManagedEntity, Network, ObjectContent, ServiceContent,
    ServiceInstance, VirtualMachine,
};
use vimsim::types::{Moref, Object, Ty, Value, View};
use vimsim::{Client, Config, Product, SavedObject, Simulator, read_saved};

use crate::inventory::{find, found, morefs};
use crate::{create, root_folder, start};

/// All objects of a simulator, as they can be saved.
fn saved(simulator: &Simulator) -> Vec<SavedObject> {
    let snapshot = simulator.service().snapshot();
    let mut objects: Vec<SavedObject> = snapshot
        .objects()
        .map(|object| SavedObject {
            moref: object.moref().clone(),
            properties: object.properties().clone(),
            answers: Vec::new(),
        })
        .collect();
    objects.sort_by_key(|object| object.moref.clone());
    objects
}

async fn load(saved: Vec<SavedObject>) -> (Simulator, Client) {
    let simulator = Simulator::start(Config { saved: Some(saved), ..Config::default() }).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    (simulator, client)
}

/// A directory of this test's own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vimsim-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("in the directory")).unwrap();
        fs::write(path, content).unwrap();
    }

    fn error(&self) -> String {
        read_saved(&self.0).expect_err("cannot be read").to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An object as govc writes it to a file.
fn document(moref: &Moref, properties: &Object) -> Vec<u8> {
    let fields = properties.kind().info().fields().iter();
    let set = fields.zip(properties.slots()).filter(|(_, value)| !value.is_unset());
    let content = ObjectContent::with(|content| {
        content.set_obj(moref.clone());
        content.set_prop_set(set.map(|(field, value)| {
            DynamicProperty::with(|property| {
                property.set_name(field.name).set_val(value.clone());
            })
        }));
    });
    let mut out = Vec::new();
    vimsim_wire::encode_document(
        "ObjectContent",
        &Value::Object(content.into()),
        Ty::Data(ObjectContent::TYPE),
        &mut out,
    );
    out
}

#[tokio::test]
async fn what_was_saved_is_there_again() {
    let (first, _) = start().await;
    let directory = Directory::new("again");
    let objects = saved(&first);
    for (number, object) in objects.iter().enumerate() {
        let name = format!("{number:04}-{}.xml", object.moref.kind().name());
        directory.write(&name, document(&object.moref, &object.properties));
    }
    let (second, client) = load(read_saved(&directory.0).unwrap()).await;
    let (before, after) = (first.service().snapshot(), second.service().snapshot());
    for object in before.objects().filter(|object| object.view::<ManagedEntity>().is_some()) {
        let found = after.object(object.moref()).unwrap_or_else(|| panic!("{} is there", object.moref()));
        // On the wire, a list with nothing in it is the same as none.
        let written = |properties: &Object| {
            let mut properties = properties.clone();
            // Tasks are not loaded.
            properties.set(ManagedEntity::RECENT_TASK, Value::Unset);
            let text = String::from_utf8(document(object.moref(), &properties)).unwrap();
            text.replace("><", ">\n<").lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let (old, new) = (written(object.properties()), written(found.properties()));
        let difference = old.iter().zip(&new).find(|(old, new)| old != new);
        assert!(difference.is_none() && old.len() == new.len(), "{}: {difference:?}", object.moref());
    }
    // No identifier is given out twice.
    let folder = create(&client, &root_folder(), CreateFolder::with(|request| _ = request.set_name("new"))).await;
    assert!(before.object(&folder).is_none());
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    for system in ["configManager.serviceSystem", "configManager.networkSystem"] {
        let manager = client.property(&host, system).await.unwrap().moref().expect("a manager");
        assert!(!client.properties(&manager, &[]).await.unwrap().prop_set().is_empty());
    }
}

#[tokio::test]
async fn the_product_is_what_was_saved() {
    let config = Config { product: Product::EsxHost, ..Config::default() };
    let host = Simulator::start(config).await.unwrap();
    let mut objects = saved(&host);
    for object in &mut objects {
        if let Some(instance) = ServiceInstance::from_mut(&mut object.properties) {
            instance.content_mut().about_mut().set_api_version("7.0.3.0").set_full_name("An old host");
        }
    }
    let host = Simulator::start(Config { saved: Some(objects), ..Config::default() }).await.unwrap();
    let client = Client::new(&host);
    let content = client.call(&Client::service_instance(), RetrieveServiceContent::new()).await.unwrap();
    let content = content.object().and_then(ServiceContent::from_ref).expect("a service content").clone();
    assert_eq!(content.root_folder().value(), "ha-folder-root");
    assert_eq!(
        (content.about().api_version().as_str(), content.about().full_name().as_str()),
        ("7.0.3.0", "An old host")
    );
    assert!(host.service().snapshot().object_by_value("ha-compute-res").is_some());
}

#[tokio::test]
async fn what_was_saved_without_its_parent_gets_another() {
    let machine = Moref::of::<VirtualMachine>("vm-100");
    let network = Moref::of::<Network>("network-7");
    let properties = VirtualMachine::with(|machine| {
        machine.set_name("lonely");
        machine.set_parent(Moref::of::<Folder>("group-v99"));
        machine.set_network([network.clone(), Moref::of::<Network>("network-404")]);
    });
    let other = Network::with(|network| _ = network.set_name("net").set_parent(Moref::of::<Folder>("group-n9")));
    let object =
        |moref: &Moref, properties: Object| SavedObject { moref: moref.clone(), properties, answers: Vec::new() };
    let (_simulator, client) = load(vec![object(&machine, properties.into()), object(&network, other.into())]).await;
    assert_eq!(find(&client, "DC0/vm/lonely").await, Some(machine.clone()));
    assert_eq!(find(&client, "DC0/network/net").await, Some(network.clone()));
    // References are true both ways, and lists name only what there is.
    assert_eq!(morefs(&client, &machine, "network").await, [network.clone()]);
    assert_eq!(morefs(&client, &network, "vm").await, [machine]);
    let datacenter = found(&client, "DC0").await;
    assert!(datacenter.is::<Datacenter>() && morefs(&client, &datacenter, "network").await.contains(&network));
}

#[tokio::test]
async fn saved_answers_are_answered() {
    let (first, client) = start().await;
    let host = found(&client, "DC0/host/DC0_H0/DC0_H0").await;
    let system = client.property(&host, "configManager.networkSystem").await.unwrap().moref().expect("a manager");
    let directory = Directory::new("answers");
    for (number, object) in saved(&first).iter().enumerate() {
        directory.write(&format!("{number:04}.xml"), document(&object.moref, &object.properties));
    }
    directory.write(
        &format!("HostNetworkSystem-{}/QueryNetworkHint.xml", system.value()),
        "<QueryNetworkHintResponse><returnval><device>vmnic9</device></returnval></QueryNetworkHintResponse>",
    );
    let (_second, client) = load(read_saved(&directory.0).unwrap()).await;
    let hints = client.call(&system, QueryNetworkHint::new()).await.unwrap();
    let device = hints.items().first().and_then(Value::object).and_then(|hint| hint.field("device").text());
    assert_eq!(device, Some("vmnic9"));
    // The answer was given for this host alone.
    let other = found(&client, "DC0/host/DC0_C0/DC0_C0_H0").await;
    let other = client.property(&other, "configManager.networkSystem").await.unwrap().moref().expect("a manager");
    assert!(other.is::<HostNetworkSystem>());
    let hints = client.call(&other, QueryNetworkHint::new()).await.unwrap();
    assert!(
        hints
            .items()
            .iter()
            .all(|hint| hint.object().is_some_and(|hint| hint.field("device").text() != Some("vmnic9")))
    );
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let check = |content: &str, what: &str| {
        let directory = Directory::new(&format!("wrong-{}", what.len()));
        directory.write("0000-a.xml", content);
        let error = directory.error();
        assert!(error.contains(what) && error.contains("0000-a.xml") && error.lines().count() == 1, "{error}");
    };
    check("<ObjectContent><obj", "malformed XML");
    check("a\nb\n", "where an element is expected");
    check("<html/>", "no ObjectContent");
    let directory = Directory::new("empty");
    assert!(directory.error().contains("no saved objects"));
    directory.write("0000-a.xml", "<ObjectContent><obj type=\"HostSystem\">host-1</obj></ObjectContent>");
    directory.write("HostSystem-host-1/QueryTpmAttestationReport.xml", "<a><b></a>");
    assert!(directory.error().contains("QueryTpmAttestationReport.xml"));
}
