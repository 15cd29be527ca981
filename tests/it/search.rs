//! What is found by a name.

use vimsim::types::method::{AddStandaloneHostTask, FindByDnsName, FindByInventoryPath, Query, QueryNext};
use vimsim::types::views::{
    InvalidArgument, SearchIndex, SearchIndexFilter, SearchIndexPredicate, SearchIndexQuerySpec, SearchIndexResultSet,
};
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Config, Simulator};

use crate::{check_fault, start};

#[tokio::test]
async fn a_host_is_found_by_the_name_that_it_was_added_with() {
    let (_simulator, client) = start().await;
    let search = Moref::of::<SearchIndex>("SearchIndex");
    let folder = FindByInventoryPath::with(|request| _ = request.set_inventory_path("/DC0/host"));
    let folder = client.call(&search, folder).await.unwrap().moref().expect("a folder");
    let request = AddStandaloneHostTask::with(|request| {
        request.set_add_connected(true).spec_mut().set_host_name("esx-9.example.com").set_user_name("root");
        request.spec_mut().set_password("x").set_force(true);
    });
    client.run(&folder, request).await.unwrap();
    let by_name = |name: &str| FindByDnsName::with(|request| _ = request.set_dns_name(name).set_vm_search(false));
    assert!(!client.call(&search, by_name("esx-9.example.com")).await.unwrap().is_unset());
    // There is no underscore in a DNS name.
    assert!(client.call(&search, by_name("DC0_C0_H0")).await.unwrap().is_unset());
}

async fn start_with_queries() -> (Simulator, Client) {
    let simulator =
        Simulator::start(Config { api_version: Some("9.1.0.0".into()), ..Config::default() }).await.unwrap();
    let client = Client::login(&simulator).await.unwrap().speaking("9.1.0.0");
    (simulator, client)
}

/// A query of virtual machines, by predicates of path, operator and value.
fn machines(properties: &[&str], predicates: &[(&str, &str, Value)]) -> SearchIndexQuerySpec {
    SearchIndexQuerySpec::with(|spec| {
        spec.set_resource_type("VirtualMachine").set_properties(properties.iter().copied());
        spec.push_filters(SearchIndexFilter::with(|filter| {
            filter.set_predicates(predicates.iter().map(|(path, operator, value)| {
                SearchIndexPredicate::with(|predicate| {
                    predicate.set_property_path(*path).set_operator(*operator).set_comparable_value(value.clone());
                    if path.contains("[*]") {
                        predicate.set_array_operator("AnyElement");
                    }
                })
            }));
        }));
    })
}

async fn query(client: &Client, spec: SearchIndexQuerySpec) -> Result<SearchIndexResultSet, vimsim::Error> {
    let index = Moref::of::<SearchIndex>("SearchIndex");
    let result = client.call(&index, Query::with(|request| _ = request.set_query_spec(spec))).await?;
    Ok(SearchIndexResultSet::from_object(result.object().expect("a result set").clone()).expect("a result set"))
}

/// The first property of each item.
fn firsts(result: &SearchIndexResultSet) -> Vec<String> {
    let first = |item: &vimsim::types::views::SearchIndexResourceItem| {
        let values = item.property_values();
        let value = values.iter().next().map(|optional| optional.value().clone());
        value.and_then(|value| value.text().map(str::to_owned)).unwrap_or_default()
    };
    result.items().iter().map(first).collect()
}

#[tokio::test]
async fn machines_are_queried_by_what_they_are() {
    let (_simulator, client) = start_with_queries().await;
    let is = |path, operator, value: Value| machines(&["name", "no.such", "@moRef"], &[(path, operator, value)]);
    let text = |text: &str| Value::String(text.into());
    let all = ["DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1", "DC0_H0_VM0", "DC0_H0_VM1"];
    let sorted = |result: &SearchIndexResultSet| {
        let mut names = firsts(result);
        names.sort();
        names
    };
    let on = query(&client, is("runtime.powerState", "Equal", text("poweredOn"))).await.unwrap();
    assert_eq!(sorted(&on), all);
    let item = on.items().iter().next().cloned().unwrap();
    assert_eq!(item.property_values().len(), 3, "what does not exist has its place");
    assert!(item.property_values().iter().nth(1).unwrap().value().is_unset());
    assert!(item.property_values().iter().nth(2).unwrap().value().moref().is_some());

    let like = query(&client, is("name", "Like", text("DC0_H0*"))).await.unwrap();
    assert_eq!(sorted(&like), all[2..]);
    let unlike = query(&client, is("name", "NotLike", text("*VM0"))).await.unwrap();
    assert_eq!(sorted(&unlike), ["DC0_C0_RP0_VM1", "DC0_H0_VM1"]);
    let small = query(&client, is("config.hardware.memoryMB", "Less", Value::Int(32))).await.unwrap();
    assert_eq!(small.items().len(), 0);
    let disk = query(&client, is("config.hardware.device[*].key", "GreaterOrEqual", Value::Int(4000))).await.unwrap();
    assert_eq!(sorted(&disk), all, "each has a network card");

    for (path, operator, value) in [
        ("name", "Greater", text("a")),
        ("name", "Alike", text("a")),
        ("no.such", "Equal", text("a")),
        ("name", "In", text("a")),
        ("config.hardware.device.key", "Equal", Value::Int(4000)),
    ] {
        check_fault::<InvalidArgument>(query(&client, is(path, operator, value)).await.map(|_| Value::Unset));
    }
}

#[tokio::test]
async fn a_query_comes_in_pages() {
    let (_simulator, client) = start_with_queries().await;
    let mut spec = machines(&["name"], &[]);
    spec.set_limit(3).set_return_total_count(true);
    let page = query(&client, spec).await.unwrap();
    assert_eq!((page.items().len(), page.total_count()), (3, Some(4)));
    let index = Moref::of::<SearchIndex>("SearchIndex");
    let next = |marker: &str| QueryNext::with(|request| _ = request.iteration_spec_mut().set_marker(marker));
    let marker = page.marker().expect("there is more").clone();
    let rest = client.call(&index, next(&marker)).await.unwrap();
    let rest = SearchIndexResultSet::from_object(rest.object().unwrap().clone()).unwrap();
    assert_eq!((rest.items().len(), rest.marker()), (1, None));
    // A page is read once.
    check_fault::<InvalidArgument>(client.call(&index, next(&marker)).await);
}
