//! The service: where every request comes in.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;
use vimsim_registry::{Registry, Snapshot};
use vimsim_types::table::Kind as TypeKind;
use vimsim_types::views::{
    LookupServiceInstance, PbmServiceInstance, SearchIndex, SsoGroupcheckServiceInstance, Task, VslmServiceInstance,
    VslmTask,
};
use vimsim_types::{
    ArcStr, DateTime, Fault, List, Method, Moref, Namespace, Object, Ty, TypeId, Value, Version, View, views,
};

use crate::call::{Context, Wait, is_named, not_found};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Product};
use crate::containers::Engine;
use crate::fetch::Fetch;
use crate::files::content::Scratch;
use crate::guest::Guests;
use crate::kind::Handler;
use crate::kinds::Kinds;
use crate::model::saved;
use crate::objects;
use crate::objects::authorization_manager::Access;
use crate::objects::host_system::Certificate;
use crate::occupied::{self, Occupied, is_exclusive};
use crate::rules::InventoryRules;
use crate::session::{Peer, Session, Sessions, Token};
use crate::spawn::Spawner;

/// How long a session may be idle unless `config.vmacore.soap.sessionTimeout` says otherwise: 30 minutes, as in vCenter.
const DEFAULT_IDLE_LIMIT: i64 = 30 * 60 * 1_000_000;

/// Why a service could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration asks for something that does not exist.
    #[error("{0}")]
    Config(String),
    /// The model could not be built.
    #[error("cannot build the inventory")]
    Model(#[source] Fault),
    /// The containers of hosts could not be made.
    #[error("cannot make the containers of hosts")]
    Containers(#[source] Fault),
}

/// One method call, taken off the wire.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: &'static Method,
    /// The object that it is called on.
    pub this: Moref,
    /// The parameters: an object of the method's request type.
    pub arguments: Object,
    /// The version that the client speaks.
    pub version: Version,
    /// The session cookie, if the client sent one.
    pub cookie: Option<ArcStr>,
    /// The SAML token that came with the call, if one did.
    pub token: Option<Token>,
    /// Where the call comes from.
    pub peer: Peer,
}

/// What a call answers.
#[derive(Debug)]
pub struct Reply {
    /// The value that the method returns, unset for none; or the fault.
    pub result: Result<Value, Fault>,
    /// `Some(Some(cookie))`: a session began, the client is to keep this cookie. `Some(None)`: its session ended.
    pub cookie: Option<Option<ArcStr>>,
}

/// One simulated vCenter or ESXi host.
pub struct Service {
    registry: Registry,
    kinds: Arc<Kinds>,
    config: Config,
    certificate: Certificate,
    clock: Arc<dyn Clock>,
    sessions: Sessions,
    collectors: objects::property_collector::Collectors,
    spawner: Spawner,
    engine: Engine,
    guests: Guests,
    occupied: Occupied,
    scratch: Arc<Scratch>,
    /// Who gets files from elsewhere.
    fetch: OnceLock<Arc<dyn Fetch>>,
    stopping: watch::Sender<bool>,
    /// When it was started.
    started: DateTime,
    /// In microseconds; 0 for none.
    idle_limit: AtomicI64,
    /// The unwritten methods that were called, so that each is logged once.
    unwritten: Mutex<BTreeSet<&'static str>>,
    /// What objects of a saved inventory answer to some methods.
    answers: saved::Answers,
}

impl Service {
    /// Builds the inventory that `config` asks for, with the time of day as its clock.
    pub fn start(config: Config) -> Result<Arc<Self>, Error> {
        Self::start_with_clock(config, Arc::new(SystemClock))
    }

    /// Builds the inventory that `config` asks for.
    pub fn start_with_clock(mut config: Config, clock: Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        let kinds = Arc::new(Kinds::new(objects::kinds()));
        let engine = Engine::new(&config.containers);
        let saved = config.saved.take();
        let objects = saved.as_deref().unwrap_or_default();
        saved::configure(&mut config, objects);
        let answers = saved::answers(objects, |kind, method| kinds.handler(kind, method.request).is_some());
        let certificate = Certificate::of_service(config.certificate.as_deref(), clock.now())?;
        let service = Arc::new(Self {
            registry: Registry::new(InventoryRules::new(kinds.clone(), config.fidelity)),
            kinds,
            config,
            certificate,
            started: clock.now(),
            clock,
            sessions: Sessions::default(),
            collectors: objects::property_collector::Collectors::default(),
            spawner: Spawner::default(),
            engine,
            guests: Guests::default(),
            occupied: Occupied::default(),
            scratch: Scratch::new(),
            fetch: OnceLock::new(),
            stopping: watch::Sender::new(false),
            idle_limit: AtomicI64::new(DEFAULT_IDLE_LIMIT),
            unwritten: Mutex::default(),
            answers,
        });
        crate::model::build(&service, saved)?;
        Ok(service)
    }

    /// What the service was started with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The certificate of a new host.
    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The newest version of the API that is served; older clients are served theirs.
    pub fn api_version(&self) -> Version {
        objects::service_instance::api_version(&self.config)
    }

    /// The name of the version of the API that is claimed, which may be a word that stands for no version we know.
    pub fn claimed_version(&self) -> &str {
        objects::service_instance::claimed_version(&self.config)
    }

    /// The newest snapshot of the inventory.
    pub fn snapshot(&self) -> Snapshot {
        self.registry.snapshot()
    }

    /// What time it is for the service.
    pub fn now(&self) -> DateTime {
        self.clock.now()
    }

    /// When the service was started.
    pub fn started(&self) -> DateTime {
        self.started
    }

    /// Changes with each version of the inventory.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.registry.subscribe()
    }

    /// The number of sessions.
    pub fn session_count(&self) -> usize {
        self.sessions.all().len()
    }

    /// The methods that are written, and the managed types that they are written for.
    pub fn written_methods() -> Vec<(TypeId, &'static Method)> {
        let kinds = Kinds::new(objects::kinds());
        let methods: HashMap<TypeId, &Method> = Method::all().iter().map(|method| (method.request, method)).collect();
        kinds.written().filter_map(|(kind, request)| Some((kind, *methods.get(&request)?))).collect()
    }

    /// Ends everything that waits: long polls answer, tasks under way are dropped.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
        self.spawner.stop();
        self.scratch.remove();
    }

    /// Ends the sessions that have been idle for too long. An idle session cannot be used whether this is called or not;
    /// calling it frees what belongs to them.
    fn expire_sessions(&self, now: DateTime) {
        for session in self.sessions.all() {
            if self.is_expired(&session, now) {
                objects::session_manager::end(self, &session);
            }
        }
    }

    fn is_expired(&self, session: &Session, now: DateTime) -> bool {
        let limit = self.idle_limit.load(Ordering::Relaxed);
        limit > 0 && now.micros() - session.last_active().micros() > limit
    }

    /// Sets the number of microseconds after which an idle session ends; 0 for never.
    pub(crate) fn set_idle_limit(&self, micros: i64) {
        self.idle_limit.store(micros, Ordering::Relaxed);
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn collectors(&self) -> &objects::property_collector::Collectors {
        &self.collectors
    }

    /// Where uploaded bytes are kept.
    pub(crate) fn scratch(&self) -> &Arc<Scratch> {
        &self.scratch
    }

    /// Has files that are elsewhere be fetched this way; the first to say so is heeded.
    pub fn fetch_with(&self, fetch: Arc<dyn Fetch>) {
        // Who comes later fetches as the first does.
        _ = self.fetch.set(fetch);
    }

    /// Who gets files from elsewhere: nobody, as long as nothing serves the service.
    pub(crate) fn fetch(&self) -> Option<&Arc<dyn Fetch>> {
        self.fetch.get()
    }

    pub(crate) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is remembered of guests.
    pub(crate) fn guests(&self) -> &Guests {
        &self.guests
    }

    /// What tasks under way have to themselves.
    pub(crate) fn occupied(&self) -> &Occupied {
        &self.occupied
    }

    /// Becomes true when the service is to stop.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Carries out one call. Never fails and never hangs for good: whatever is wrong becomes the fault in the reply.
    pub async fn call(self: &Arc<Self>, mut request: Request) -> Reply {
        // Four endpoints have a `ServiceInstance`; the registry keeps one object of each identifier.
        if request.this.kind() == PbmServiceInstance::TYPE {
            request.this = objects::pbm_service_instance::moref();
        } else if request.this.kind() == LookupServiceInstance::TYPE {
            request.this = objects::lookup_service_instance::moref();
        } else if request.this.kind() == SsoGroupcheckServiceInstance::TYPE {
            request.this = objects::sso_groupcheck_service_instance::moref();
        } else if request.this.kind() == VslmServiceInstance::TYPE {
            request.this = objects::vslm_service_instance::moref();
        }
        let now = self.clock.now();
        if request.method.name.starts_with("Login") {
            self.expire_sessions(now);
        }
        let session = self.live_session(request.cookie.as_deref(), now);
        let (snapshot, handler) = match self.resolve(&request, session.as_deref()) {
            Ok(found) => found,
            Err(fault) => return Reply { result: Err(fault), cookie: None },
        };
        // Clients may name the object by a base type; from here on it is the object's own.
        let this = snapshot.object(&request.this).map_or(request.this, |object| object.moref().clone());
        // What a search finds, the user must be allowed to see.
        let searcher = session.clone().filter(|_| request.method.owner == SearchIndex::TYPE);
        let (result, cookie) = match handler {
            Handler::Wait(run) => {
                let free = match is_exclusive(request.method) {
                    true => self.occupied.expect_free(&snapshot, &this, None),
                    false => Ok(()),
                };
                let wait = Wait { service: self.clone(), session, version: request.version, this };
                let result = match free {
                    Ok(()) => run(wait, request.arguments).await,
                    Err(fault) => Err(fault),
                };
                (result, None)
            }
            handler => {
                // Reads need no turn.
                let first = match handler {
                    Handler::Write(_) => Some(self.registry.line().await),
                    _ => None,
                };
                let context = Context {
                    service: self.clone(),
                    session,
                    peer: request.peer,
                    token: request.token,
                    version: request.version,
                    now,
                    method: Some(request.method),
                    at_once: false,
                    task: None,
                    goes_on: Default::default(),
                    jobs: Default::default(),
                    afterwards: Default::default(),
                    if_failed: Default::default(),
                    cookie: Default::default(),
                };
                let result = self.run(&snapshot, &handler, &context, this, request.arguments);
                drop(first);
                self.go_on(&context, result.is_ok());
                (result, context.cookie.take())
            }
        };
        let result = result.map(|value| declare(request.method, value));
        let result = match searcher {
            Some(session) => result.map(|value| self.visible(&snapshot, &session, value)),
            None => result,
        };
        Reply { result, cookie }
    }

    /// A value without the references to what the session's user may not know of.
    fn visible(&self, snapshot: &Snapshot, session: &Session, value: Value) -> Value {
        match Access::of(snapshot, Some(session), self.config.product == Product::VirtualCenter) {
            Some(access) => access.visible(value),
            None => value,
        }
    }

    /// Runs a handler that does not wait. A panic in it becomes a fault, and its transaction changes nothing.
    fn run(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        handler: &Handler,
        context: &Context,
        this: Moref,
        arguments: Object,
    ) -> Result<Value, Fault> {
        let outcome = catch_unwind(AssertUnwindSafe(|| match handler {
            Handler::Read(run) => run(snapshot, context, this, arguments),
            Handler::Write(run) => {
                let turn = self.registry.turn();
                // A task says for itself what is in its way.
                let method = context.method.filter(|method| !method.name.ends_with("_Task") && is_exclusive(method));
                let value = turn.write(|transaction| {
                    // It was there when the call came, and may have gone while others wrote.
                    if transaction.object(&this).is_none() {
                        return Err(not_found(&this));
                    }
                    if method.is_some() {
                        let entity = occupied::entity_of(transaction, &this);
                        self.occupied.expect_free(transaction, &entity, None)?;
                    }
                    run(transaction, context, this, arguments)
                })?;
                self.carry_out(&turn, context.jobs.take());
                Ok(value)
            }
            Handler::Wait(_) => Err(Fault::invalid_request("a method that waits cannot be called here")),
        }));
        let name = context.method.map_or("task", |method| method.name);
        outcome.unwrap_or_else(|panic| Err(panicked(name, &*panic)))
    }

    /// The session of this cookie, which counts as used by this.
    pub fn session(&self, cookie: &str) -> Option<Arc<Session>> {
        self.live_session(Some(cookie), self.clock.now())
    }

    /// Uses up a ticket of `AcquireGenericServiceTicket`: the user it stands for, if it is good.
    pub fn redeem_service_ticket(&self, id: &str) -> Option<ArcStr> {
        objects::session_manager::redeem_service_ticket(self, id)
    }

    fn live_session(&self, cookie: Option<&str>, now: DateTime) -> Option<Arc<Session>> {
        let session = self.sessions.find(cookie?)?;
        if self.is_expired(&session, now) {
            objects::session_manager::end(self, &session);
            return None;
        }
        session.touch(now);
        Some(session)
    }

    /// Finds the object and the method's handler, or says what is wrong.
    fn resolve(&self, request: &Request, session: Option<&Session>) -> Result<(Snapshot, Handler), Fault> {
        let method = request.method;
        if method.since > request.version && method.namespace() == Namespace::VIM25 {
            let version = request.version.id(Namespace::VIM25);
            return Err(Fault::invalid_request(format!("{} is not in version {version} of the API", method.name)));
        }
        if session.is_none() && !objects::session_manager::open_to_all(method) {
            // The ESX Agent Manager has a fault of its own for that.
            let own = TypeId::find(method.namespace(), "EamInvalidLogin").map(Object::new);
            let fault = own.map(|detail| Fault::from_object(detail, "The session is not authenticated."));
            return Err(fault.unwrap_or_else(|| not_authenticated(&request.this, "System.View")));
        }
        let snapshot = self.registry.snapshot();
        let object = snapshot.object(&request.this).filter(|object| is_named(object.moref(), &request.this));
        let object = object.ok_or_else(|| not_found(&request.this))?;
        if object.session().is_some_and(|owner| session.is_none_or(|session| session.key() != owner)) {
            return Err(not_found(&request.this));
        }
        let mut kind = object.moref().kind();
        // The service of first class disks names the same tasks otherwise.
        if kind == Task::TYPE && request.this.kind() == VslmTask::TYPE {
            kind = VslmTask::TYPE;
        }
        if !kind.is_a(method.owner) {
            return Err(method_not_found(object.moref(), method));
        }
        let is_virtual_center = self.config.product == Product::VirtualCenter;
        if let Some(access) = Access::of(&snapshot, session, is_virtual_center) {
            access.check_call(method, object.moref(), &request.arguments)?;
        }
        if let Some(answer) = self.answer(object.moref(), request) {
            return Ok((snapshot, Handler::Read(Arc::new(move |_, _, _, _| Ok(answer.clone())))));
        }
        match self.kinds.handler(kind, method.request) {
            Some(handler) => {
                let handler = handler.clone();
                Ok((snapshot, handler))
            }
            None => Err(self.unwritten(method)),
        }
    }

    /// The saved answer to this request. It was given to one without parameters, and answers only such.
    fn answer(&self, this: &Moref, request: &Request) -> Option<Value> {
        if self.answers.is_empty() || request.arguments.slots().iter().any(|value| !value.is_unset()) {
            return None;
        }
        self.answers.get(&(this.value().clone(), request.method.request)).cloned()
    }

    /// The answer of every method that nobody has written.
    fn unwritten(&self, method: &'static Method) -> Fault {
        let mut known = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(method.name) {
            tracing::warn!(method = method.name, "called a method that is not simulated");
        }
        Fault::new(views::NotSupported::new(), format!("{} is not simulated", method.name))
    }

    /// Calls a method inside a transaction, as the service itself.
    pub(crate) fn invoke<M: vimsim_types::MethodView>(
        &self,
        transaction: &mut vimsim_registry::Transaction,
        context: &Context,
        this: &Moref,
        arguments: M,
    ) -> Result<Value, Fault> {
        let kind = transaction.object(this).ok_or_else(|| not_found(this))?.moref().kind();
        match self.kinds.handler(kind, M::TYPE) {
            Some(Handler::Write(run)) => run(transaction, context, this.clone(), arguments.into()),
            Some(_) => Err(Fault::invalid_request(format!("{} does not write", M::NAME))),
            None => Err(self.unwritten(M::method())),
        }
    }
}

/// A handler's panic, as the fault of its call.
pub(crate) fn panicked(method: &str, panic: &(dyn std::any::Any + Send)) -> Fault {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    tracing::error!(method, reason, "a handler panicked");
    let detail = views::SystemError::with(|fault| {
        fault.set_reason(reason);
    });
    Fault::new(detail, format!("A general system error occurred in {method}: {reason}"))
}

/// `NotAuthenticated` for an object.
pub(crate) fn not_authenticated(object: &Moref, privilege: &str) -> Fault {
    views::NotAuthenticated::with(|fault| {
        fault.set_object(object.clone());
        fault.set_privilege_id(privilege);
    })
    .into()
}

fn method_not_found(receiver: &Moref, method: &Method) -> Fault {
    let detail = views::MethodNotFound::with(|fault| {
        fault.set_receiver(receiver.clone());
        fault.set_method(method.name);
    });
    Fault::new(detail, format!("{receiver} does not implement: {}", method.name))
}

/// Gives a list that is answered its declared element type.
fn declare(method: &Method, value: Value) -> Value {
    match (method.returns, value) {
        (Some(element), value) if method.returns_list() => declare_list(element, value),
        (_, value) => value,
    }
}

/// Gives a list that is a task's result the element type that its method declares.
pub(crate) fn declare_result(method: &Method, value: Value) -> Value {
    match method.task_result {
        Some(element) => declare_list(element, value),
        None => value,
    }
}

fn declare_list(element: Ty, value: Value) -> Value {
    match value {
        Value::List(list) if list.element() != element => Value::List(List::new(element, list.items().to_vec())),
        value => value,
    }
}

/// Whether the type is one of a managed object.
pub(crate) fn is_managed(kind: TypeId) -> bool {
    kind.info().kind == TypeKind::Managed
}
