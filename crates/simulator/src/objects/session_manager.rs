//! `SessionManager`: who is logged in.

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::method::{
    AcquireCloneTicket, AcquireGenericServiceTicket, AcquireLocalTicket, CloneSession, ImpersonateUser, Login,
    LoginBySSPI, LoginByToken, LoginExtensionByCertificate, LoginExtensionBySubjectName, Logout, SessionIsActive,
    SetLocale, TerminateSession, UpdateServiceMessage,
};
use vimsim_types::views::{
    ExtensionManager, InvalidLocale, InvalidLogin, LookupServiceRegistration, NoClientCertificate, NoSubjectName,
    NotFound, NotSupported, ServiceInstance, SessionManager, SessionManagerGenericServiceTicket,
    SessionManagerLocalTicket, UserLoginSessionEvent, UserLogoutSessionEvent, UserSession,
};
use vimsim_types::{ArcStr, DateTime, Fault, List, Method, Moref, Ty, Value, View};

use super::{host_system, property_collector, service_instance, sso_principal_management_service};
use crate::call::{Call, Context, Look};
use crate::config::{Credentials, Product};
use crate::kind::Kind;
use crate::service::Service;
use crate::session::{Session, Token};

pub(crate) fn kind() -> Kind<SessionManager> {
    Kind::new()
        .write(login)
        .write(login_by_token)
        .read(login_by_sspi)
        .write(login_extension_by_certificate)
        .write(login_extension_by_subject_name)
        .read(acquire_local_ticket)
        .write(logout)
        .read(session_is_active)
        .write(terminate_session)
        .write(acquire_clone_ticket)
        .write(acquire_generic_service_ticket)
        .write(clone_session)
        .write(impersonate_user)
        .read(set_locale)
        .write(update_service_message)
        .computed(SessionManager::SESSION_LIST, session_list)
        .computed(SessionManager::CURRENT_SESSION, current_session)
}

/// How many seconds our clock may differ from that of whoever issued a token.
const CLOCK_TOLERANCE: i64 = 60;

/// How many seconds a service ticket is good for.
const TICKET_LIFETIME: i64 = 120;

/// What the session manager remembers.
#[derive(Clone, Default)]
struct Remembered {
    /// Clone tickets and the user each one stands for.
    tickets: std::collections::BTreeMap<ArcStr, ArcStr>,
    /// Service tickets: the user each one stands for, and until when.
    service_tickets: std::collections::BTreeMap<ArcStr, (ArcStr, DateTime)>,
    /// Rises with each login and logout, so that who watches `sessionList` is told.
    generation: u64,
}

/// The methods that can be called without a session, as a vCenter lets them through.
pub(crate) fn open_to_all(method: &Method) -> bool {
    matches!(
        method.name,
        "Login"
            | "LoginByToken"
            | "LoginBySSPI"
            | "LoginExtensionByCertificate"
            | "LoginExtensionBySubjectName"
            | "AcquireLocalTicket"
            | "CloneSession"
            | "RetrieveServiceContent"
            | "RetrieveInternalContent"
            | "Fetch"
            | "RetrieveProperties"
            | "RetrievePropertiesEx"
            | "ContinueRetrievePropertiesEx"
            | "QueryServiceList"
            | "PbmRetrieveServiceContent"
            | "RetrieveContent"
            | "SsoAdminServiceInstance"
            | "SsoGroupcheckServiceInstance"
            | "GetTrustedCertificates"
    ) || (method.owner == LookupServiceRegistration::TYPE && !matches!(method.name, "Create" | "Set" | "Delete"))
}

fn session_list(context: &Context, _: &Snapshot, _: &ManagedObject) -> Value {
    if context.session.is_none() {
        return Value::Unset;
    }
    let sessions = context.service.sessions().all();
    let sessions = sessions.iter().map(|session| Value::Object(session.user_session().into())).collect();
    Value::List(List::new(Ty::Data(UserSession::TYPE), sessions))
}

fn current_session(context: &Context, _: &Snapshot, _: &ManagedObject) -> Value {
    context.session.as_ref().map_or(Value::Unset, |session| Value::Object(session.user_session().into()))
}

/// Begins a session.
///
/// - `InvalidLogin` if the name or password is wrong, or the client has a session already.
fn login(call: &mut Call<'_, SessionManager>, request: Login) -> Result<UserSession, Fault> {
    let known = knows(&call.context().service, request.user_name(), request.password());
    if !known || call.context().session.is_some() {
        return Err(login_failure());
    }
    begin(call, request.user_name().clone(), false)
}

/// Begins a session of the user whom the SAML token names that came with the call.
///
/// - `InvalidLogin` without a token or a name in it, if it is not valid at this time or stands for somebody who may not
///   log in, or if the client has a session already.
pub(crate) fn login_by_token(call: &mut Call<'_, SessionManager>, _: LoginByToken) -> Result<UserSession, Fault> {
    let context = call.context();
    let token = context.token.as_ref().filter(|token| trusts(&context.service, token));
    match token {
        Some(token) if context.session.is_none() => begin(call, token.subject.clone(), false),
        _ => Err(login_failure()),
    }
}

/// Begins a session of an extension.
///
/// - `NoClientCertificate` if the client showed none.
/// - `InvalidLogin` without an extension's key, or if the client has a session already.
// Fidelity: any certificate is good for any extension, as with vcsim: clients connect without registering one first.
fn login_extension_by_certificate(
    call: &mut Call<'_, SessionManager>,
    request: LoginExtensionByCertificate,
) -> Result<UserSession, Fault> {
    if call.context().peer.certificate.is_none() {
        return Err(NoClientCertificate::new().into());
    }
    if request.extension_key().is_empty() || call.context().session.is_some() {
        return Err(login_failure());
    }
    begin(call, request.extension_key().clone(), true)
}

/// Begins a session of an extension that has been registered with the subject of the client's certificate.
///
/// - `NotFound` if no extension has this key; `NoClientCertificate` if the client showed no certificate;
///   `NoSubjectName` if the extension was registered without a subject.
/// - `InvalidLogin` if the certificate is somebody else's, or if the client has a session already.
fn login_extension_by_subject_name(
    call: &mut Call<'_, SessionManager>,
    request: LoginExtensionBySubjectName,
) -> Result<UserSession, Fault> {
    let key = request.extension_key();
    let content = call.get::<ServiceInstance>(&service_instance::moref())?.content();
    let manager = content.extension_manager().and_then(|manager| call.view::<ExtensionManager>(&manager));
    let extension = manager.and_then(|manager| manager.extension_list().iter().find(|known| known.key() == key));
    let extension =
        extension.ok_or_else(|| Fault::new(NotFound::new(), format!("no extension has the key '{key}'")))?;
    let Some(certificate) = &call.context().peer.certificate else {
        return Err(NoClientCertificate::new().into());
    };
    let registered = extension.subject_name().filter(|subject| !subject.is_empty());
    let registered = registered.ok_or_else(|| {
        Fault::new(NoSubjectName::new(), format!("the extension '{key}' was registered without a subject name"))
    })?;
    let shown = host_system::subject(certificate);
    if call.context().session.is_some() || shown.is_none_or(|shown| parts(&shown) != parts(registered)) {
        return Err(login_failure());
    }
    begin(call, key.clone(), true)
}

/// The parts of a distinguished name, in an order of their own: some write the last one first.
fn parts(name: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = name.trim_start_matches('/').split([',', '/']).map(str::trim).collect();
    parts.sort_unstable();
    parts
}

/// Would log in who has logged in to Windows.
///
/// - `NotSupported`, as of every server that does not run on Windows.
fn login_by_sspi(_: &Look<'_, SessionManager>, _: LoginBySSPI) -> Result<UserSession, Fault> {
    Err(Fault::new(NotSupported::new(), "this server does not run on Windows, and cannot log in by SSPI"))
}

/// Would put a password, good once, into a file that only a user of the server's own machine can read.
///
/// - `NotSupported`: this server has no such users, as a vCenter has none.
fn acquire_local_ticket(
    _: &Look<'_, SessionManager>,
    request: AcquireLocalTicket,
) -> Result<SessionManagerLocalTicket, Fault> {
    let message = format!("this server has no files to share with a local user '{}'", request.user_name());
    Err(Fault::new(NotSupported::new(), message))
}

// Fidelity: the words are those of vcsim, which tests of clients compare with.
pub(crate) fn login_failure() -> Fault {
    Fault::new(InvalidLogin::new(), "Login failure")
}

/// Whether this user may log in with this password.
pub(crate) fn knows(service: &Service, user: &str, password: &str) -> bool {
    match &service.config().credentials {
        Credentials::Any => !user.is_empty() && !password.is_empty(),
        Credentials::Fixed { user: expected, password: secret } => {
            let in_directory = sso_principal_management_service::lets_in(&service.snapshot(), user, password);
            let is_own = || bare_name(user) == bare_name(expected) && password == secret.as_str();
            in_directory.unwrap_or_else(is_own)
        }
    }
}

/// Whether a token is valid at this time, and stands for somebody who may log in.
// Fidelity: who signed the token is not looked at, as with vcsim: tests write tokens by hand.
pub(crate) fn trusts(service: &Service, token: &Token) -> bool {
    let now = service.clock().now();
    let begun = token.not_before.is_none_or(|begin| begin <= now.plus_seconds(CLOCK_TOLERANCE));
    let ended = token.not_on_or_after.is_some_and(|end| end.plus_seconds(CLOCK_TOLERANCE) <= now);
    let known = match &service.config().credentials {
        Credentials::Any => !token.subject.is_empty(),
        Credentials::Fixed { user, .. } => {
            let in_directory = || sso_principal_management_service::has_user(&service.snapshot(), &token.subject);
            bare_name(&token.subject) == bare_name(user) || in_directory()
        }
    };
    known && begun && !ended
}

/// `name` of `name@domain` and `DOMAIN\name`.
fn bare_name(user: &str) -> &str {
    let user = user.rsplit('\\').next().unwrap_or(user);
    user.split('@').next().unwrap_or(user)
}

fn begin(call: &mut Call<'_, SessionManager>, user: ArcStr, is_extension: bool) -> Result<UserSession, Fault> {
    let context = call.context();
    let session = context.service.sessions().begin(user.clone(), is_extension, context.peer.clone(), call.now());
    context.cookie.replace(Some(Some(session.cookie().clone())));
    touch(call)?;
    let event = UserLoginSessionEvent::with(|event| {
        event.set_ip_address(context.peer.address.map_or_else(String::new, |address| address.to_string()));
        event.set_user_agent(context.peer.user_agent.as_ref());
        event.set_locale("en");
        event.set_session_id(session.key());
        event.set_user_name(&user);
    });
    let root = service_instance::root_folder(context.is_virtual_center());
    call.post(&root, event)?;
    Ok(session.user_session())
}

fn touch(call: &mut Call<'_, SessionManager>) -> Result<(), Fault> {
    let this = call.moref();
    call.private::<Remembered>(&this)?.generation += 1;
    Ok(())
}

/// Ends a session and what belongs to it, from outside a call.
pub(crate) fn end(service: &Service, session: &Session) {
    service.sessions().end(session.key());
    service.collectors().forget(session.key());
    let removed = service.registry().write(|transaction| {
        property_collector::remove_session_objects(transaction, session.key());
        Ok::<_, Fault>(())
    });
    debug_assert!(removed.is_ok());
}

/// Ends a session inside a call.
fn end_in(call: &mut Call<'_, SessionManager>, session: &Session) -> Result<(), Fault> {
    let context = call.context();
    context.service.sessions().end(session.key());
    context.service.collectors().forget(session.key());
    property_collector::remove_session_objects(call, session.key());
    touch(call)?;
    let event = UserLogoutSessionEvent::with(|event| {
        event.set_ip_address(context.peer.address.map(|address| address.to_string()));
        event.set_user_agent(context.peer.user_agent.as_ref());
        event.set_session_id(session.key());
        event.set_login_time(session.user_session().login_time());
        event.set_call_count(session.user_session().call_count());
        event.set_user_name(session.user());
    });
    let root = service_instance::root_folder(context.is_virtual_center());
    call.post(&root, event)
}

/// Ends the caller's session.
fn logout(call: &mut Call<'_, SessionManager>, _: Logout) -> Result<(), Fault> {
    let context = call.context();
    let session = context.session()?.clone();
    end_in(call, &session)?;
    context.cookie.replace(Some(None));
    Ok(())
}

/// Whether there is a session of this key and user.
fn session_is_active(look: &Look<'_, SessionManager>, request: SessionIsActive) -> Result<bool, Fault> {
    let session = look.context().service.sessions().by_key(request.session_id());
    Ok(session.is_some_and(|session| session.user() == request.user_name()))
}

/// Ends other sessions.
///
/// - `InvalidArgument` for the caller's own; `NotFound` if there is none of that key.
fn terminate_session(call: &mut Call<'_, SessionManager>, request: TerminateSession) -> Result<(), Fault> {
    let context = call.context();
    let own = context.session()?.key().clone();
    let mut ending = Vec::new();
    for key in request.session_id() {
        if *key == own {
            return Err(Fault::invalid_argument("sessionId", "a session cannot terminate itself; log out instead"));
        }
        let session = context.service.sessions().by_key(key);
        ending.push(session.ok_or_else(|| Fault::new(NotFound::new(), format!("no session has the key '{key}'")))?);
    }
    ending.iter().try_for_each(|session| end_in(call, session))
}

/// A ticket with which `CloneSession` begins another session of the same user, once.
fn acquire_clone_ticket(call: &mut Call<'_, SessionManager>, _: AcquireCloneTicket) -> Result<String, Fault> {
    let user = call.context().session()?.user().clone();
    let ticket = format!("cst-VCT-{}", crate::uuid::random());
    let this = call.moref();
    call.private::<Remembered>(&this)?.tickets.insert(ticket.as_str().into(), user);
    Ok(ticket)
}

/// A ticket that stands for the caller in one request to another service, such as a file transfer.
fn acquire_generic_service_ticket(
    call: &mut Call<'_, SessionManager>,
    _: AcquireGenericServiceTicket,
) -> Result<SessionManagerGenericServiceTicket, Fault> {
    let (now, this) = (call.now(), call.moref());
    let user = call.context().session()?.user().clone();
    let host = call.context().service.config().address.map(|address| address.ip().to_string());
    let id = crate::uuid::random();
    let tickets = &mut call.private::<Remembered>(&this)?.service_tickets;
    tickets.retain(|_, (_, end)| *end > now);
    tickets.insert(id.as_str().into(), (user, now.plus_seconds(TICKET_LIFETIME)));
    Ok(SessionManagerGenericServiceTicket::with(|ticket| {
        ticket.set_id(id).set_host_name(host);
    }))
}

/// Uses up a service ticket: the user it stands for, if it is good.
pub(crate) fn redeem_service_ticket(service: &Service, id: &str) -> Option<ArcStr> {
    let this = moref(service.config().product == Product::VirtualCenter);
    let now = service.clock().now();
    let redeemed = service.registry().write(|transaction| {
        let taken = transaction.private::<Remembered>(&this)?.service_tickets.remove(id);
        Ok::<_, Fault>(taken.filter(|(_, end)| *end > now).map(|(user, _)| user))
    });
    redeemed.ok().flatten()
}

/// Begins a session with a clone ticket.
///
/// - `InvalidLogin` if the ticket is not one, or was used.
fn clone_session(call: &mut Call<'_, SessionManager>, request: CloneSession) -> Result<UserSession, Fault> {
    let this = call.moref();
    let user = call.private::<Remembered>(&this)?.tickets.remove(request.clone_ticket());
    match user {
        Some(user) => begin(call, user, false),
        None => Err(Fault::new(InvalidLogin::new(), "the clone ticket is not valid")),
    }
}

/// Makes the caller's session one of another user.
///
/// - `InvalidLogin` if that user is nowhere logged in, which is how the user is known to exist.
fn impersonate_user(call: &mut Call<'_, SessionManager>, request: ImpersonateUser) -> Result<UserSession, Fault> {
    let context = call.context();
    context.session()?;
    let known = context.service.sessions().all().iter().any(|session| session.user() == request.user_name());
    if !known {
        return Err(Fault::new(
            InvalidLogin::new(),
            format!("the user '{}' cannot be impersonated", request.user_name()),
        ));
    }
    begin(call, request.user_name().clone(), false)
}

/// Chooses the language of messages. There is one.
///
/// - `InvalidLocale` for one that is none of `supportedLocaleList`.
fn set_locale(look: &Look<'_, SessionManager>, request: SetLocale) -> Result<(), Fault> {
    look.context().session()?;
    let supported = look.this()?.supported_locale_list();
    let locale = request.locale().replace('-', "_");
    let language = locale.split('_').next().unwrap_or(&locale);
    if supported.contains(&locale) || supported.contains(language) {
        return Ok(());
    }
    Err(Fault::new(InvalidLocale::new(), format!("The locale '{}' is not supported", request.locale())))
}

/// Sets the message that every session is shown.
fn update_service_message(call: &mut Call<'_, SessionManager>, request: UpdateServiceMessage) -> Result<(), Fault> {
    call.this_mut()?.set_message(request.message());
    Ok(())
}

/// The session manager's own properties.
pub(crate) fn properties() -> SessionManager {
    SessionManager::with(|manager| {
        manager.set_message_locale_list(["en"]);
        manager.set_supported_locale_list(["en"]);
        manager.set_default_locale("en");
    })
}

/// The identifier of the one session manager of a vCenter or host.
pub(crate) fn moref(is_virtual_center: bool) -> Moref {
    Moref::of::<SessionManager>(if is_virtual_center { "SessionManager" } else { "ha-sessionmgr" })
}
