//! What a method's handler is given: the object it is called on, and the inventory around it.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use vimsim_registry::{Snapshot, Transaction};
use vimsim_types::views::VmwareDistributedVirtualSwitch;
use vimsim_types::{ArcStr, DateTime, Fault, Method, MethodView, Moref, Namespace, Value, Version, View};

use crate::config::{Fidelity, Product};
use crate::objects::event_manager::IfFailed;
use crate::service::Service;
use crate::session::{Peer, Session, Token};
use crate::task::Job;

/// Who is calling, when, and what is to happen once the call has been carried out.
pub(crate) struct Context {
    pub(crate) service: Arc<Service>,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) peer: Peer,
    pub(crate) token: Option<Token>,
    pub(crate) version: Version,
    pub(crate) now: DateTime,
    pub(crate) method: Option<&'static Method>,
    /// Whether tasks are carried out at once, inside the call that starts them, as when the model is built.
    pub(crate) at_once: bool,
    /// The task that this call is the body of.
    pub(crate) task: Option<Moref>,
    /// Whether that task goes on when this call has ended, see [`Call::keep_running`].
    pub(crate) goes_on: Cell<bool>,
    /// Tasks that begin when this call's changes are published.
    pub(crate) jobs: RefCell<Vec<Job>>,
    /// What begins, outside any task, when this call's changes are published.
    pub(crate) afterwards: RefCell<Vec<BoxFuture<'static, ()>>>,
    /// What is posted if the task fails that this call is the body of.
    pub(crate) if_failed: IfFailed,
    /// A session that this call began (`Some`) or ended (`None`), to be told to the client.
    pub(crate) cookie: RefCell<Option<Option<ArcStr>>>,
}

impl Context {
    /// A context without a client.
    pub(crate) fn internal(service: Arc<Service>, at_once: bool) -> Self {
        let now = service.clock().now();
        Self {
            service,
            session: None,
            peer: Peer::default(),
            token: None,
            version: Version::NEWEST,
            now,
            method: None,
            at_once,
            task: None,
            goes_on: Cell::new(false),
            jobs: RefCell::default(),
            afterwards: RefCell::default(),
            if_failed: IfFailed::default(),
            cookie: RefCell::default(),
        }
    }

    /// Runs a future when, and only if, the changes that are being made are published.
    pub(crate) fn after(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.afterwards.borrow_mut().push(Box::pin(future));
    }

    /// The name of the user on whose behalf this happens; empty for the service itself.
    pub(crate) fn user(&self) -> ArcStr {
        self.session.as_ref().map(|session| session.user().clone()).unwrap_or_default()
    }

    /// The session; `NotAuthenticated` without one.
    pub(crate) fn session(&self) -> Result<&Arc<Session>, Fault> {
        self.session.as_ref().ok_or_else(|| vimsim_types::views::NotAuthenticated::new().into())
    }

    /// Whom to follow where vCenter and vcsim differ.
    pub(crate) fn fidelity(&self) -> Fidelity {
        self.service.config().fidelity
    }

    pub(crate) fn is_virtual_center(&self) -> bool {
        self.service.config().product == Product::VirtualCenter
    }
}

/// A call that reads.
pub(crate) struct Look<'a, T> {
    snapshot: &'a Snapshot,
    context: &'a Context,
    this: Moref,
    of: PhantomData<T>,
}

impl<'a, T: View> Look<'a, T> {
    pub(crate) fn new(snapshot: &'a Snapshot, context: &'a Context, this: Moref) -> Self {
        Self { snapshot, context, this, of: PhantomData }
    }

    /// The object's reference.
    pub(crate) fn moref(&self) -> &Moref {
        &self.this
    }

    /// The object's properties.
    pub(crate) fn this(&self) -> Result<&'a T, Fault> {
        self.get(&self.this)
    }

    /// Another object's properties; `ManagedObjectNotFound` if there is no such object.
    pub(crate) fn get<V: View>(&self, moref: &Moref) -> Result<&'a V, Fault> {
        self.snapshot.view(moref).ok_or_else(|| not_found(moref))
    }

    pub(crate) fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    pub(crate) fn context(&self) -> &'a Context {
        self.context
    }
}

/// Whether a client's reference names this object: by its type, or a base of it.
// Fidelity: vCenter's switches are all of the type that clients may name here; ours are of its base, as vcsim's are.
pub(crate) fn is_named(object: &Moref, reference: &Moref) -> bool {
    let kind = reference.kind();
    let is_foreign = kind.info().namespace != Namespace::VIM25;
    is_foreign || object.kind().is_a(kind) || kind == VmwareDistributedVirtualSwitch::TYPE
}

/// `ManagedObjectNotFound` for this reference.
pub(crate) fn not_found(moref: &Moref) -> Fault {
    vimsim_types::views::ManagedObjectNotFound::with(|fault| {
        fault.set_obj(moref.clone());
    })
    .into()
}

/// A call that changes something. It is the transaction, too: `call.get`, `call.edit`, `call.insert` ...
pub(crate) struct Call<'a, T> {
    transaction: &'a mut Transaction,
    context: &'a Context,
    this: Moref,
    of: PhantomData<T>,
}

impl<'a, T> Call<'a, T> {
    pub(crate) fn new(transaction: &'a mut Transaction, context: &'a Context, this: Moref) -> Self {
        Self { transaction, context, this, of: PhantomData }
    }

    /// The object's reference.
    pub(crate) fn moref(&self) -> Moref {
        self.this.clone()
    }

    /// Who is calling, and when.
    pub(crate) fn context(&self) -> &'a Context {
        self.context
    }

    /// When this happens.
    pub(crate) fn now(&self) -> DateTime {
        self.context.now
    }

    /// The call as one on another object.
    pub(crate) fn on<V>(&mut self, moref: &Moref) -> Call<'_, V> {
        Call { transaction: self.transaction, context: self.context, this: moref.clone(), of: PhantomData }
    }

    /// Calls a method of another object in the same transaction and the same client's name.
    pub(crate) fn invoke<M: MethodView>(&mut self, this: &Moref, request: M) -> Result<Value, Fault> {
        let context = self.context;
        let mut nested = Context::internal(context.service.clone(), context.at_once);
        nested.session.clone_from(&context.session);
        nested.version = context.version;
        nested.now = context.now;
        nested.method = Some(M::method());
        let outcome = context.service.invoke(self.transaction, &nested, this, request);
        context.jobs.borrow_mut().append(&mut nested.jobs.borrow_mut());
        context.afterwards.borrow_mut().append(&mut nested.afterwards.borrow_mut());
        outcome
    }

    /// The call, whatever the type of its object: what is done for all types alike is compiled once, not once for each.
    pub(crate) fn untyped(&mut self) -> Call<'_, ()> {
        Call { transaction: self.transaction, context: self.context, this: self.this.clone(), of: PhantomData }
    }
}

impl<T: View> Call<'_, T> {
    /// The object's properties.
    pub(crate) fn this(&self) -> Result<&T, Fault> {
        self.transaction.get(&self.this)
    }

    /// The object's properties, to change.
    pub(crate) fn this_mut(&mut self) -> Result<&mut T, Fault> {
        self.transaction.edit(&self.this)
    }
}

impl<T> Deref for Call<'_, T> {
    type Target = Transaction;
    fn deref(&self) -> &Transaction {
        self.transaction
    }
}

impl<T> DerefMut for Call<'_, T> {
    fn deref_mut(&mut self) -> &mut Transaction {
        self.transaction
    }
}

/// A call that may have to wait: it owns what it needs.
#[derive(Clone)]
pub(crate) struct Wait {
    pub(crate) service: Arc<Service>,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) version: Version,
    pub(crate) this: Moref,
}

impl Wait {
    /// The session; `NotAuthenticated` without one.
    pub(crate) fn session(&self) -> Result<&Arc<Session>, Fault> {
        self.session.as_ref().ok_or_else(|| vimsim_types::views::NotAuthenticated::new().into())
    }

    /// Changes something in the name of this call, all of it or nothing.
    pub(crate) fn write<V: View, R>(
        &self,
        method: &'static Method,
        body: impl FnOnce(&mut Call<'_, V>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let mut context = self.context();
        context.method = Some(method);
        self.service.in_context(method.name, context, |transaction, context| {
            body(&mut Call::new(transaction, context, self.this.clone()))
        })
    }

    /// A context for reads and writes of this call.
    pub(crate) fn context(&self) -> Context {
        let mut context = Context::internal(self.service.clone(), false);
        context.session.clone_from(&self.session);
        context.version = self.version;
        context
    }
}
