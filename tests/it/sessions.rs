//! Sessions: who may call what, and what is gone when one ends.

use std::sync::Arc;

use vimsim::types::method::{
    AcquireCloneTicket, AcquireGenericServiceTicket, AcquireLocalTicket, CloneSession, CreateContainerView,
    CreateFolder, CurrentTime, DestroyView, Login, LoginBySSPI, LoginExtensionByCertificate,
    LoginExtensionBySubjectName, Logout, RefreshRuntime, RegisterExtension, RetrieveServiceContent, SessionIsActive,
    TerminateSession,
};
use vimsim::types::views::{
    Extension, ExtensionManager, InvalidArgument, InvalidLogin, ManagedEntity, ManagedObjectNotFound,
    NoClientCertificate, NoSubjectName, NotAuthenticated, NotFound, NotSupported, SessionManager,
    SessionManagerHttpServiceRequestSpec, UserSession, ViewManager, VirtualApp,
};
use vimsim::types::{DateTime, MethodView, Moref, Value, View};
use vimsim::{Client, Config, Credentials, ManualClock, Peer, Request, Simulator};

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

/// `LoginByToken` with a token for this user in the header, valid until then.
async fn login_by_token(client: &Client, user: &str, end: &str) -> bool {
    let body = format!(
        "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Header><w:Security xmlns:w='urn:w'><Assertion>\
         <Subject><NameID>{user}</NameID></Subject><Conditions NotOnOrAfter='{end}'/></Assertion></w:Security></Header>\
         <Body><LoginByToken xmlns='urn:vim25'><_this type='SessionManager'>SessionManager</_this></LoginByToken></Body>\
         </Envelope>"
    );
    let (status, body) = client.post(body).await.unwrap();
    let body = String::from_utf8_lossy(&body);
    assert_eq!(status.is_success(), !body.contains("<faultstring>Login failure</faultstring>"), "{body}");
    status.is_success()
}

#[tokio::test]
async fn a_token_names_who_logs_in() {
    let (late, early) = ("2500-01-01T00:00:00Z", "2000-01-01T00:00:00Z");
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let client = Client::new(&simulator);
    assert!(!login_by_token(&client, "", late).await);
    assert!(!login_by_token(&client, "root@localos", early).await);
    assert!(login_by_token(&client, "root@localos", late).await);
    let session = user_session(&client.property(&session_manager(), "currentSession").await.unwrap());
    assert_eq!(session.user_name(), "root@localos");

    let credentials = Credentials::Fixed { user: "root".into(), password: "secret".into() };
    let simulator = Simulator::start(Config { credentials, ..Config::default() }).await.unwrap();
    assert!(!login_by_token(&Client::new(&simulator), "other", late).await);
    assert!(login_by_token(&Client::new(&simulator), "root@localos", late).await);
}

#[tokio::test]
async fn an_extension_needs_a_certificate() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let login = LoginExtensionByCertificate::with(|request| _ = request.set_extension_key("com.vmware.vsan.health"));
    check_fault::<NoClientCertificate>(Client::new(&simulator).call(&session_manager(), login).await);
}

/// A certificate's subject as it is registered, and the certificate, DER.
fn certificate() -> (&'static str, Arc<[u8]>) {
    let text: String = include_str!("extension.pem").lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
    ("CN=extension.example, O=Example", der.into())
}

#[tokio::test]
async fn an_extension_logs_in_by_the_subject_it_was_registered_with() {
    let (simulator, client) = start().await;
    let (subject, der) = certificate();
    let manager = Moref::of::<ExtensionManager>("ExtensionManager");
    for (key, subject) in [("named", Some(subject)), ("other", Some("CN=other, O=Example")), ("nameless", None)] {
        let extension = Extension::with(|extension| {
            extension.set_key(key).set_version("1").set_subject_name(subject);
            extension.description_mut().set_label(key).set_summary(key);
        });
        let request = RegisterExtension::with(|request| _ = request.set_extension(extension));
        client.call(&manager, request).await.unwrap();
    }
    let login = async |key: &str, certificate: Option<Arc<[u8]>>| {
        let request = Request {
            method: LoginExtensionBySubjectName::method(),
            this: session_manager(),
            arguments: LoginExtensionBySubjectName::with(|request| _ = request.set_extension_key(key)).into(),
            version: simulator.service().api_version(),
            cookie: None,
            token: None,
            peer: Peer { certificate, ..Peer::default() },
        };
        simulator.service().call(request).await.result
    };
    let shown = || Some(der.clone());
    assert_eq!(user_session(&login("named", shown()).await.unwrap()).user_name(), "named");
    assert!(login("named", None).await.unwrap_err().is::<NoClientCertificate>());
    assert!(login("nameless", shown()).await.unwrap_err().is::<NoSubjectName>());
    assert!(login("other", shown()).await.unwrap_err().is::<InvalidLogin>());
    assert!(login("enoent", shown()).await.unwrap_err().is::<NotFound>());
}

#[tokio::test]
async fn ways_to_log_in_that_only_windows_has_are_refused() {
    let simulator = Simulator::start(Config::default()).await.unwrap();
    let client = Client::new(&simulator);
    let sspi = LoginBySSPI::with(|request| _ = request.set_base64_token("TlRMTVNTUAAB"));
    check_fault::<NotSupported>(client.call(&session_manager(), sspi).await);
    let ticket = AcquireLocalTicket::with(|request| _ = request.set_user_name("root"));
    check_fault::<NotSupported>(client.call(&session_manager(), ticket).await);
}

#[tokio::test]
async fn a_service_ticket_works_once() {
    let (simulator, client) = start().await;
    let request = || {
        AcquireGenericServiceTicket::with(|request| {
            let spec = SessionManagerHttpServiceRequestSpec::with(|spec| _ = spec.set_url("https://h/folder/f"));
            request.set_spec(spec);
        })
    };
    let ticket = client.call(&session_manager(), request()).await.unwrap();
    let ticket = ticket.object().unwrap().field("id").text().unwrap().to_string();
    assert_eq!(simulator.service().redeem_service_ticket(&ticket).as_deref(), Some("user"));
    assert_eq!(simulator.service().redeem_service_ticket(&ticket), None);
    check_fault::<NotAuthenticated>(Client::new(&simulator).call(&session_manager(), request()).await);
}

/// The time at which the token in a response of the token service ends, or the fault.
async fn issue(simulator: &Simulator, password: &str, seconds: i64) -> Result<i64, String> {
    let now = DateTime::from_micros(1_700_000_000_000_000);
    let (created, expires) = (now, now.plus_seconds(seconds));
    let body = format!(
        "<Envelope><Header><Security><UsernameToken><Username>user</Username><Password>{password}</Password>\
         </UsernameToken></Security></Header><Body><RequestSecurityToken><RequestType>x/Issue</RequestType><Lifetime>\
         <Created>{created}</Created><Expires>{expires}</Expires></Lifetime></RequestSecurityToken></Body></Envelope>"
    );
    let (_, answer) = Client::at(simulator, "/sts/STSService").post(body).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let end = answer.split("NotOnOrAfter=\"").nth(1).and_then(|rest| rest.split('"').next());
    let end = end.and_then(DateTime::parse).ok_or(answer)?;
    Ok((end.micros() - now.micros()) / 1_000_000)
}

#[tokio::test]
async fn the_token_service_checks_who_asks_and_limits_how_long() {
    let clock = Arc::new(ManualClock::new(DateTime::from_micros(1_700_000_000_000_000)));
    let credentials = Credentials::Fixed { user: "user".into(), password: "pass".into() };
    let config = Config { credentials, ..Config::default() };
    let simulator = Simulator::start_with_clock(config, clock).await.unwrap();
    assert_eq!(issue(&simulator, "pass", 60).await, Ok(60));
    assert_eq!(issue(&simulator, "pass", 6000).await, Ok(300));
    let refused = issue(&simulator, "wrong", 60).await.unwrap_err();
    assert!(refused.contains("FailedAuthentication"), "{refused}");
}

/// Python's clients take the session's key from between the cookie's quotation marks.
#[tokio::test]
async fn a_session_is_quoted_in_its_cookie() {
    let (simulator, client) = start().await;
    let key = client.session().expect("a session");
    for session in [format!("\"{key}\""), key.clone()] {
        let client = Client::new(&simulator).with_session(&session);
        client.call(&Client::service_instance(), CurrentTime::new()).await.unwrap();
    }
    assert!(client.cookie().is_some_and(|cookie| cookie == format!("vmware_soap_session=\"{key}\"")));
}

#[tokio::test]
async fn a_reference_of_another_type_names_nothing() {
    let (_simulator, client) = start().await;
    let pool = Moref::of::<VirtualApp>("resgroup-27");
    check_fault::<ManagedObjectNotFound>(client.property(&pool, "name").await);
    check_fault::<ManagedObjectNotFound>(client.call(&pool, RefreshRuntime::new()).await);
    let entity = Moref::of::<ManagedEntity>("resgroup-27");
    assert_eq!(client.property(&entity, "name").await.unwrap().text(), Some("Resources"));
}
