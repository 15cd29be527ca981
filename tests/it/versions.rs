//! A client is served the version of the API that it speaks.

use vimsim::types::method::CreateContainerView;
use vimsim::types::views::{HostSystem, ViewManager};
use vimsim::types::{Moref, View};
use vimsim::{Client, Config, Simulator};

/// The API version that a service of this configuration claims.
async fn about_api(config: Config, speaking: &'static str) -> String {
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::login(&simulator).await.unwrap().speaking(speaking);
    let about = client.property(&Client::service_instance(), "content.about.apiVersion").await.unwrap();
    about.text().unwrap_or_default().to_string()
}

#[tokio::test]
async fn the_version_that_is_claimed_can_be_chosen() {
    assert_eq!(about_api(Config::default(), "8.0.3.0").await, "8.0.3.0");
    let old = Config { api_version: Some("6.7".into()), ..Config::default() };
    assert_eq!(about_api(old, "8.0.3.0").await, "6.7");
}

#[tokio::test]
async fn a_word_can_be_claimed_for_a_version() {
    let config = || Config { api_version: Some("uE53DA".into()), ..Config::default() };
    assert_eq!(about_api(config(), "8.0.3.0").await, "uE53DA");
    let simulator = Simulator::start(config()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap().speaking("uE53DA");
    let version = client.property(&Client::service_instance(), "content.about.version").await.unwrap();
    assert_eq!(version.text(), Some("8.0.3"));
    let bad = Config { api_version: Some("8 0".into()), ..Config::default() };
    assert!(Simulator::start(bad).await.is_err());
}

#[tokio::test]
async fn an_old_client_does_not_see_what_is_newer() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    let host = first_host(&client).await;
    // `HostSystem.answerFileValidationState` came in 6.7: a client of 6.5 has never heard of it.
    let path = "answerFileValidationState";
    client.properties(&host, &[path]).await.unwrap();
    let old = Client::login(&simulator).await.unwrap().speaking("6.5");
    assert!(old.properties(&host, &[path]).await.is_err());
}

async fn first_host(client: &Client) -> Moref {
    let request = CreateContainerView::with(|request| {
        request.set_container(crate::root_folder()).set_recursive(true);
        request.set_type([HostSystem::TYPE.name()]);
    });
    let view = crate::create(client, &Moref::of::<ViewManager>("ViewManager"), request).await;
    let hosts = client.property(&view, "view").await.unwrap();
    hosts.items().first().and_then(|host| host.moref()).expect("the model has hosts")
}
