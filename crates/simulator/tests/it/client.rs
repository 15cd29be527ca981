//! A client that calls the service as a wire would, without one.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use vimsim_simulator::{Config, Peer, Product, Request, Service};
use vimsim_types::method::{Login, RetrievePropertiesEx};
use vimsim_types::views::{
    ManagedEntity, ObjectSpec, PropertyFilterSpec, PropertySpec, RetrieveOptions, RetrieveResult, ServiceContent,
    ServiceInstance, SessionManager, Task,
};
use vimsim_types::{ArcStr, Fault, MethodView, Moref, Value, Version, View};

/// A service and a session of it.
pub(crate) struct Client {
    pub(crate) service: Arc<Service>,
    runtime: Runtime,
    cookie: Option<ArcStr>,
    pub(crate) content: ServiceContent,
}

impl Client {
    /// A default service and a session of its administrator.
    pub(crate) fn start(product: Product) -> Self {
        Self::configured(Config { product, ..Config::default() })
    }

    /// A service that was told this, and a session of its administrator.
    pub(crate) fn configured(config: Config) -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let service = Service::start(config).expect("starts");
        let instance = Moref::of::<ServiceInstance>("ServiceInstance");
        let content = service.snapshot().view::<ServiceInstance>(&instance).expect("exists").content().clone();
        let mut client = Self { service, runtime, cookie: None, content };
        client.cookie = client.log_in("administrator@vsphere.local");
        client
    }

    pub(crate) fn virtual_center() -> Self {
        Self::start(Product::VirtualCenter)
    }

    /// Begins another session and returns its cookie.
    pub(crate) fn log_in(&self, user: &str) -> Option<ArcStr> {
        let sessions = self.content.session_manager().expect("named");
        let request = Login::with(|request| _ = request.set_user_name(user).set_password("secret"));
        self.request(None, &sessions, request).1
    }

    fn request<M: MethodView>(
        &self,
        cookie: Option<ArcStr>,
        this: &Moref,
        arguments: M,
    ) -> (Result<Value, Fault>, Option<ArcStr>) {
        let request = Request {
            method: M::method(),
            this: this.clone(),
            arguments: arguments.into(),
            version: Version::NEWEST,
            cookie,
            token: None,
            peer: Peer::default(),
        };
        let reply = self.runtime.block_on(async {
            let reply = self.service.call(request).await;
            // What was started is carried out before the next call.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            reply
        });
        (reply.result, reply.cookie.flatten())
    }

    /// Calls a method; tasks that it starts are done when this returns.
    pub(crate) fn call<M: MethodView>(&self, this: &Moref, arguments: M) -> Result<Value, Fault> {
        self.request(self.cookie.clone(), this, arguments).0
    }

    /// Calls a method in the session of this cookie.
    pub(crate) fn call_as<M: MethodView>(&self, cookie: &ArcStr, this: &Moref, arguments: M) -> Result<Value, Fault> {
        self.request(Some(cookie.clone()), this, arguments).0
    }

    /// Calls a method that answers a reference; what the task results in, if that is what it is.
    pub(crate) fn create<M: MethodView>(&self, this: &Moref, arguments: M) -> Moref {
        let answer = self.call(this, arguments).expect("answers").moref().expect("a reference");
        match self.service.snapshot().view::<Task>(&answer) {
            Some(task) => task.info().result().moref().unwrap_or(answer),
            None => answer,
        }
    }

    /// Reads a property as a client does.
    pub(crate) fn get(&self, moref: &Moref, path: &str) -> Value {
        let spec = PropertyFilterSpec::with(|spec| {
            spec.set_prop_set([PropertySpec::with(|spec| _ = spec.set_type(moref.kind().name()).set_path_set([path]))]);
            spec.set_object_set([ObjectSpec::with(|spec| _ = spec.set_obj(moref.clone()))]);
        });
        let request = RetrievePropertiesEx::with(|request| {
            request.set_spec_set([spec]).set_options(RetrieveOptions::new());
        });
        let answer = self.call(&self.content.property_collector(), request).expect("answers");
        let result = answer.object().and_then(RetrieveResult::from_ref).expect("a result").clone();
        let content = result.objects().first().expect("one object");
        content.prop_set().first().map_or(Value::Unset, |property| property.val().clone())
    }

    /// The entity of this type and name.
    pub(crate) fn named<V: View>(&self, name: &str) -> Moref {
        let snapshot = self.service.snapshot();
        let mut found = snapshot.objects().filter(|object| {
            object.moref().is::<V>() && object.view::<ManagedEntity>().is_some_and(|entity| entity.name() == name)
        });
        found.next().expect("there is one of that name").moref().clone()
    }
}

/// The sessions of a vCenter.
pub(crate) fn session_manager() -> Moref {
    Moref::of::<SessionManager>("SessionManager")
}

/// The objects of a list that is answered.
pub(crate) fn items<V: View>(value: &Value) -> Vec<V> {
    value.items().iter().filter_map(|item| V::from_ref(item.object()?).cloned()).collect()
}
