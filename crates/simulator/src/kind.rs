//! The methods of one kind of managed object.

use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use vimsim_registry::{ManagedObject, Snapshot, Transaction};
use vimsim_types::{DateTime, Fault, IntoValue, MethodView, Moref, Object, TypeId, Value, View};

use crate::call::{Call, Context, Look, Wait};

type Reader = dyn Fn(&Snapshot, &Context, Moref, Object) -> Result<Value, Fault> + Send + Sync;
type Writer = dyn Fn(&mut Transaction, &Context, Moref, Object) -> Result<Value, Fault> + Send + Sync;
type Destroyer = dyn Fn(&mut Transaction, &Context, Moref) -> Result<(), Fault> + Send + Sync;
type Waiter = dyn Fn(Wait, Object) -> Pin<Box<dyn Future<Output = Result<Value, Fault>> + Send>> + Send + Sync;

/// How a method is run.
#[derive(Clone)]
pub(crate) enum Handler {
    /// On a snapshot; changes nothing.
    Read(Arc<Reader>),
    /// In a transaction.
    Write(Arc<Writer>),
    /// As a future, with a transaction or snapshot whenever it wants one.
    Wait(Arc<Waiter>),
}

/// Brings an object's dependent properties up to date.
pub(crate) type Derive = fn(&mut Transaction, &Moref) -> Result<(), Fault>;
/// A property that is worked out when it is read: its value for this object and session.
pub(crate) type Compute = fn(&Context, &Snapshot, &ManagedObject) -> Value;

/// A property that follows from the object's reference, its stored properties and the time: its value.
pub(crate) type Follow = fn(&Moref, &Object, DateTime) -> Value;

/// The methods, rules and computed properties of the managed objects of type `T`.
pub(crate) struct Kind<T> {
    table: Table,
    of: PhantomData<T>,
}

/// A [`Kind`] without its type.
#[derive(Clone, Default)]
pub(crate) struct Table {
    pub(crate) kind: Option<TypeId>,
    pub(crate) methods: HashMap<TypeId, Handler>,
    pub(crate) derive: Vec<Derive>,
    pub(crate) computed: Vec<(usize, Compute)>,
    pub(crate) follows: Vec<(usize, Follow)>,
    pub(crate) destroy: Option<Arc<Destroyer>>,
}

impl Table {
    /// Adds a method.
    fn add(&mut self, method: TypeId, handler: Handler) {
        self.methods.insert(method, handler);
    }
}

impl<T: View> Kind<T> {
    /// A kind with no methods.
    pub(crate) fn new() -> Self {
        Self { table: Table { kind: Some(T::TYPE), ..Table::default() }, of: PhantomData }
    }

    /// Adds a method that only reads. `B` is the type that declares it: `T` or one of its bases.
    pub(crate) fn read<B: View, M: MethodView, R: IntoValue + 'static>(
        mut self,
        handler: fn(&Look<'_, B>, M) -> Result<R, Fault>,
    ) -> Self {
        self.table.add(
            M::TYPE,
            Handler::Read(Arc::new(move |snapshot, context, this, arguments| {
                let look = Look::new(snapshot, context, this);
                handler(&look, M::from_object_unchecked(arguments)).map(IntoValue::into_value)
            })),
        );
        self
    }

    /// Adds a method that changes something.
    pub(crate) fn write<B: View, M: MethodView, R: IntoValue + 'static>(
        mut self,
        handler: fn(&mut Call<'_, B>, M) -> Result<R, Fault>,
    ) -> Self {
        self.table.add(
            M::TYPE,
            Handler::Write(Arc::new(move |transaction, context, this, arguments| {
                let mut call = Call::new(transaction, context, this);
                handler(&mut call, M::from_object_unchecked(arguments)).map(IntoValue::into_value)
            })),
        );
        self
    }

    /// Adds a method that may have to wait for something.
    pub(crate) fn wait<M, R, F>(mut self, handler: fn(Wait, M) -> F) -> Self
    where
        M: MethodView,
        R: IntoValue,
        F: Future<Output = Result<R, Fault>> + Send + 'static,
    {
        self.table.add(
            M::TYPE,
            Handler::Wait(Arc::new(move |wait, arguments| {
                let future = handler(wait, M::from_object_unchecked(arguments));
                Box::pin(async move { future.await.map(IntoValue::into_value) })
            })),
        );
        self
    }

    /// Adds a rule that brings dependent properties up to date after every write that touched the object.
    pub(crate) fn derive(mut self, rule: Derive) -> Self {
        self.table.derive.push(rule);
        self
    }

    /// Makes a property one that is worked out when it is read.
    pub(crate) fn computed(mut self, slot: usize, compute: Compute) -> Self {
        self.table.computed.push((slot, compute));
        self
    }

    /// Makes a property one that is not kept, because it follows from the object's other properties. Time alone does not make
    /// a property collector tell of it.
    pub(crate) fn follows(mut self, slot: usize, follow: Follow) -> Self {
        self.table.follows.push((slot, follow));
        self
    }

    /// Says how an entity is destroyed: what `Destroy_Task` does, and what its container's does to it. Faults if it
    /// cannot be.
    pub(crate) fn destroy(mut self, destroy: fn(&mut Call<'_, T>) -> Result<(), Fault>) -> Self {
        self.table.destroy =
            Some(Arc::new(move |transaction, context, this| destroy(&mut Call::new(transaction, context, this))));
        self
    }

    /// The kind of the objects of a subtype, which do all that those of `T` do.
    pub(crate) fn subtype<S: View>(self) -> Kind<S> {
        Kind { table: Table { kind: Some(S::TYPE), ..self.table }, of: PhantomData }
    }

    /// The kind without its type.
    pub(crate) fn into_table(self) -> Table {
        self.table
    }
}
