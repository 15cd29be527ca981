//! Sessions: who may call what, and what is gone when one ends.

use std::sync::Arc;

use vimsim::types::method::{
    AcquireCloneTicket, CloneSession, CreateContainerView, CreateFolder, CurrentTime, DestroyView, Login, Logout,
    RetrieveServiceContent, SessionIsActive, TerminateSession,
};
use vimsim::types::views::{
    InvalidArgument, InvalidLogin, ManagedObjectNotFound, NotAuthenticated, SessionManager, UserSession, ViewManager,
};
use vimsim::types::{DateTime, Moref, Value, View};
use vimsim::{Client, Config, Credentials, ManualClock, Simulator};

use crate::{check_fault, create, root_folder, start};

fn session_manager() -> Moref {
    Moref::of::<SessionManager>("SessionManager")
}

fn login(user: &str, password: &str) -> Login {
    Login::with(|request| {
        request.set_user_name(user).set_password(password);
    })
}

fn user_session(value: &Value) -> UserSession {
    value.object().and_then(UserSession::from_ref).cloned().expect("a UserSession")
}

#[tokio::test]
async fn without_a_session_only_the_way_in_is_open() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let client = Client::new(&simulator);
    client.call(&Client::service_instance(), RetrieveServiceContent::new()).await.unwrap();
    check_fault::<NotAuthenticated>(client.call(&Client::service_instance(), CurrentTime::new()).await);
    let folder = CreateFolder::with(|request| _ = request.set_name("f"));
    check_fault::<NotAuthenticated>(client.call(&root_folder(), folder).await);
    let content = client.properties(&root_folder(), &["name"]).await.unwrap();
    assert!(content.prop_set().is_empty());
    let missing = content.missing_set().first().expect("the property is missing");
    assert!(missing.fault().fault().as_object().is::<NotAuthenticated>());
}

#[tokio::test]
async fn an_empty_password_is_refused() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let client = Client::new(&simulator);
    check_fault::<InvalidLogin>(client.call(&session_manager(), login("user", "")).await);
    check_fault::<InvalidLogin>(client.call(&session_manager(), login("", "pass")).await);
}

#[tokio::test]
async fn fixed_credentials_let_only_their_user_in() {
    let credentials = Credentials::Fixed { user: "root".into(), password: "secret".into() };
    let simulator = Simulator::start(Config { credentials, ..Config::default() }).await.unwrap();
    let client = Client::new(&simulator);
    check_fault::<InvalidLogin>(client.call(&session_manager(), login("root", "wrong")).await);
    check_fault::<InvalidLogin>(client.call(&session_manager(), login("other", "secret")).await);
    client.call(&session_manager(), login("root", "secret")).await.unwrap();
    // Who is in cannot log in again.
    check_fault::<InvalidLogin>(client.call(&session_manager(), login("root", "secret")).await);
}

#[tokio::test]
async fn logout_ends_the_session_and_what_it_owns() {
    let (_simulator, client) = start().await;
    let view = CreateContainerView::with(|request| {
        request.set_container(root_folder()).set_recursive(true);
    });
    let view = create(&client, &Moref::of::<ViewManager>("ViewManager"), view).await;
    client.call(&session_manager(), Logout::new()).await.unwrap();
    check_fault::<NotAuthenticated>(client.call(&Client::service_instance(), CurrentTime::new()).await);
    client.call(&session_manager(), login("user", "pass")).await.unwrap();
    check_fault::<ManagedObjectNotFound>(client.call(&view, DestroyView::new()).await);
}

#[tokio::test]
async fn a_view_belongs_to_its_session() {
    let (simulator, client) = start().await;
    let view = CreateContainerView::with(|request| {
        request.set_container(root_folder()).set_recursive(true);
    });
    let view = create(&client, &Moref::of::<ViewManager>("ViewManager"), view).await;
    let other = Client::login(&simulator).await.unwrap();
    check_fault::<ManagedObjectNotFound>(other.call(&view, DestroyView::new()).await);
    client.call(&view, DestroyView::new()).await.unwrap();
}

#[tokio::test]
async fn sessions_are_listed_and_can_be_terminated() {
    let (simulator, client) = start().await;
    let other = Client::login(&simulator).await.unwrap();
    let own = user_session(&client.property(&session_manager(), "currentSession").await.unwrap());
    let theirs = user_session(&other.property(&session_manager(), "currentSession").await.unwrap());
    let list = client.property(&session_manager(), "sessionList").await.unwrap();
    let keys: Vec<_> = list.items().iter().map(|session| user_session(session).key().clone()).collect();
    assert!(keys.contains(own.key()) && keys.contains(theirs.key()));

    let active = |session: &UserSession| {
        SessionIsActive::with(|request| {
            request.set_session_id(session.key()).set_user_name(session.user_name());
        })
    };
    assert_eq!(client.call(&session_manager(), active(&theirs)).await.unwrap(), Value::Bool(true));
    let terminate =
        |session: &UserSession| TerminateSession::with(|request| _ = request.set_session_id([session.key()]));
    check_fault::<InvalidArgument>(client.call(&session_manager(), terminate(&own)).await);
    client.call(&session_manager(), terminate(&theirs)).await.unwrap();
    assert_eq!(client.call(&session_manager(), active(&theirs)).await.unwrap(), Value::Bool(false));
    check_fault::<NotAuthenticated>(other.call(&Client::service_instance(), CurrentTime::new()).await);
}

#[tokio::test]
async fn a_clone_ticket_works_once() {
    let (simulator, client) = start().await;
    let ticket = client.call(&session_manager(), AcquireCloneTicket::new()).await.unwrap();
    let clone = || CloneSession::with(|request| _ = request.set_clone_ticket(ticket.text()));
    let other = Client::new(&simulator);
    let session = user_session(&other.call(&session_manager(), clone()).await.unwrap());
    assert_eq!(session.user_name(), "user");
    other.call(&Client::service_instance(), CurrentTime::new()).await.unwrap();
    check_fault::<InvalidLogin>(Client::new(&simulator).call(&session_manager(), clone()).await);
}

#[tokio::test]
async fn an_idle_session_ends() {
    let clock = Arc::new(ManualClock::new(DateTime::from_micros(1_700_000_000_000_000)));
    let simulator = Simulator::start_with_clock(Config::default(), clock.clone()).await.unwrap();
    let client = Client::login(&simulator).await.unwrap();
    clock.advance(29 * 60);
    client.call(&Client::service_instance(), CurrentTime::new()).await.unwrap();
    clock.advance(29 * 60);
    client.call(&Client::service_instance(), CurrentTime::new()).await.unwrap();
    clock.advance(31 * 60);
    check_fault::<NotAuthenticated>(client.call(&Client::service_instance(), CurrentTime::new()).await);
    // Who logs in afterwards does not see it any more.
    let other = Client::login(&simulator).await.unwrap();
    let list = other.property(&session_manager(), "sessionList").await.unwrap();
    assert_eq!(list.items().len(), 1);
}
