//! `SessionManager`: who is logged in.

use vimsim_registry::{ManagedObject, Snapshot};
use vimsim_types::method::{
    AcquireCloneTicket, CloneSession, ImpersonateUser, Login, Logout, SessionIsActive, SetLocale, TerminateSession,
    UpdateServiceMessage,
};
use vimsim_types::views::{
    InvalidLocale, InvalidLogin, NotFound, SessionManager, UserLoginSessionEvent, UserLogoutSessionEvent, UserSession,
};
use vimsim_types::{ArcStr, Fault, List, Method, Moref, Ty, Value, View};

use super::{property_collector, service_instance};
use crate::call::{Call, Context, Look};
use crate::config::Credentials;
use crate::kind::Kind;
use crate::service::Service;
use crate::session::Session;

pub(crate) fn kind() -> Kind<SessionManager> {
    Kind::new()
        .write(login)
        .write(logout)
        .read(session_is_active)
        .write(terminate_session)
        .write(acquire_clone_ticket)
        .write(clone_session)
        .write(impersonate_user)
        .read(set_locale)
        .write(update_service_message)
        .computed(SessionManager::SESSION_LIST, session_list)
        .computed(SessionManager::CURRENT_SESSION, current_session)
}

/// What the session manager remembers.
#[derive(Clone, Default)]
struct Remembered {
    /// Clone tickets and the user each one stands for.
    tickets: std::collections::BTreeMap<ArcStr, ArcStr>,
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
            | "CloneSession"
            | "RetrieveServiceContent"
            | "RetrieveInternalContent"
            | "Fetch"
            | "RetrieveProperties"
            | "RetrievePropertiesEx"
            | "ContinueRetrievePropertiesEx"
            | "QueryServiceList"
    )
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
    let service = &call.context().service;
    let (user, password) = (request.user_name(), request.password());
    let known = match &service.config().credentials {
        Credentials::Any => !user.is_empty() && !password.is_empty(),
        Credentials::Fixed { user: expected, password: secret } => {
            bare_name(user) == bare_name(expected) && password == secret.as_str()
        }
    };
    if !known || call.context().session.is_some() {
        return Err(InvalidLogin::new().into());
    }
    begin(call, user.clone())
}

/// `name` of `name@domain` and `DOMAIN\name`.
fn bare_name(user: &str) -> &str {
    let user = user.rsplit('\\').next().unwrap_or(user);
    user.split('@').next().unwrap_or(user)
}

fn begin(call: &mut Call<'_, SessionManager>, user: ArcStr) -> Result<UserSession, Fault> {
    let context = call.context();
    let session = context.service.sessions().begin(user.clone(), context.peer.clone(), call.now());
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

/// Begins a session with a clone ticket.
///
/// - `InvalidLogin` if the ticket is not one, or was used.
fn clone_session(call: &mut Call<'_, SessionManager>, request: CloneSession) -> Result<UserSession, Fault> {
    let this = call.moref();
    let user = call.private::<Remembered>(&this)?.tickets.remove(request.clone_ticket());
    match user {
        Some(user) => begin(call, user),
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
    begin(call, request.user_name().clone())
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
