//! What is found by a name.

use vimsim::types::method::{AddStandaloneHostTask, FindByDnsName, FindByInventoryPath};
use vimsim::types::views::SearchIndex;
use vimsim::types::{Moref, View};

use crate::start;

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
