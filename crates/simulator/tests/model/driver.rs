//! Clients that call the service side by side, and what is written down of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::RwLock;
use vimsim_simulator::{Peer, Request, Service};
use vimsim_types::enums::TaskInfoState;
use vimsim_types::method::{CancelTask, Login, QueryEvents};
use vimsim_types::views::{Event, EventFilterSpec, ServiceInstance, SystemError, Task, TaskInfo};
use vimsim_types::{ArcStr, Fault, MethodView, Moref, Object, Value, Version, View};

use crate::chooser::{Chooser, Operation};
use crate::operations::{KINDS, choose};

/// A task that has not ended after this long is stuck.
const PATIENCE: Duration = Duration::from_secs(30);
/// One that waits for others, and can be cancelled, is cancelled after this long.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);
/// How many of the last calls are shown when something is wrong.
const SHOWN: usize = 40;
/// How many calls a client makes between two looks at the inventory.
const LOOK: usize = 8;
/// Of how many calls that succeeded the events are looked at: of one in this many.
const EVENTS: usize = 8;

/// How many calls succeeded, and how many came to which fault.
type Count = (usize, BTreeMap<&'static str, usize>);

/// What all clients share.
pub(crate) struct Run {
    pub(crate) service: Arc<Service>,
    pub(crate) cookie: ArcStr,
    calls: Mutex<VecDeque<String>>,
    /// How many calls of each kind succeeded, and how many came to which fault.
    pub(crate) counts: Mutex<BTreeMap<usize, Count>>,
    failures: Mutex<Vec<String>>,
    /// Closed by a call that nobody else may call beside.
    gate: RwLock<()>,
    /// Where all calls are written to: the file that `VIMSIM_MODEL_LOG` names.
    log: Option<Mutex<File>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    /// A run on this service, logged in.
    pub(crate) async fn new(service: Arc<Service>) -> Self {
        let mut run = Self {
            service,
            cookie: ArcStr::new(),
            calls: Mutex::default(),
            counts: Mutex::default(),
            failures: Mutex::default(),
            gate: RwLock::default(),
            log: std::env::var("VIMSIM_MODEL_LOG")
                .ok()
                .map(|path| Mutex::new(File::options().create(true).append(true).open(path).unwrap())),
        };
        let sessions = run.content().session_manager().expect("named");
        let login = Login::with(|request| _ = request.set_user_name("administrator").set_password("secret"));
        let request = run.request(&sessions, Login::method(), login.into());
        let reply = run.service.call(Request { cookie: None, ..request }).await;
        run.cookie = reply.cookie.flatten().expect("a session");
        run
    }

    pub(crate) fn content(&self) -> vimsim_types::views::ServiceContent {
        let instance = Moref::of::<ServiceInstance>("ServiceInstance");
        self.service.snapshot().view::<ServiceInstance>(&instance).expect("exists").content().clone()
    }

    fn request(&self, this: &Moref, method: &'static vimsim_types::Method, arguments: Object) -> Request {
        Request {
            method,
            this: this.clone(),
            arguments,
            version: Version::NEWEST,
            cookie: Some(self.cookie.clone()),
            token: None,
            peer: Peer::default(),
        }
    }

    /// Calls a method and waits for the task that it may start.
    pub(crate) async fn call<M: MethodView>(&self, this: &Moref, arguments: M) -> Result<Value, Fault> {
        self.carry_out(this, M::method(), arguments.into()).await.0
    }

    /// What a call comes to, and its task.
    async fn carry_out(
        &self,
        this: &Moref,
        method: &'static vimsim_types::Method,
        arguments: Object,
    ) -> (Result<Value, Fault>, Option<TaskInfo>) {
        let value = match self.service.call(self.request(this, method, arguments)).await.result {
            Ok(value) => value,
            Err(fault) => return (Err(fault), None),
        };
        match value.moref().filter(|moref| moref.is::<Task>()) {
            Some(task) => self.wait(method.name, &task).await,
            None => (Ok(value), None),
        }
    }

    async fn wait(&self, name: &str, task: &Moref) -> (Result<Value, Fault>, Option<TaskInfo>) {
        let begun = Instant::now();
        let mut is_cancelled = false;
        while begun.elapsed() < PATIENCE {
            let Some(info) = self.service.snapshot().view::<Task>(task).map(|task| task.info().clone()) else {
                self.fail(format!("{task} of {name} is gone while its client waits for it"));
                return (Ok(Value::Unset), None);
            };
            match info.state() {
                TaskInfoState::Success => return (Ok(info.result().clone()), Some(info)),
                TaskInfoState::Error => {
                    let error = info.error().cloned().unwrap_or_else(View::new);
                    let message = error.localized_message().cloned().unwrap_or_default();
                    return (Err(Fault::from_object(error.fault().as_object().clone(), message)), Some(info));
                }
                TaskInfoState::Queued | TaskInfoState::Running => tokio::task::yield_now().await,
            }
            if !is_cancelled && info.cancelable() && begun.elapsed() > SHORT_PATIENCE {
                is_cancelled = true;
                // It may have ended by now.
                let cancel = self.request(task, CancelTask::method(), CancelTask::new().into());
                let _ = self.service.call(cancel).await;
            }
        }
        self.fail(format!("{task} of {name} is stuck"));
        (Ok(Value::Unset), None)
    }

    /// Makes this number of calls, one after the other, until something is wrong.
    pub(crate) async fn work(&self, client: usize, chooser: &mut Chooser, calls: usize) {
        for number in 0..calls {
            if self.has_failed() {
                return;
            }
            if number % LOOK == 0 {
                chooser.look(self.service.snapshot());
            }
            let (kind, operation) = choose(chooser);
            let Operation { this, method, arguments, events } = operation;
            let shown = format!("{client}: {this}.{}({})", method.name, show(&arguments));
            let (result, info) = if chooser.leaves_all() {
                // Others have made machines since the last look, and must make none until it is done.
                let _alone = self.gate.write().await;
                chooser.look_closely(self.service.snapshot());
                chooser.leave_all();
                chooser.leaves_all();
                self.carry_out(&this, method, arguments).await
            } else {
                let _among_others = self.gate.read().await;
                self.carry_out(&this, method, arguments).await
            };
            self.write_down(kind, shown, &result);
            if let (Ok(_), Some(info)) = (&result, info)
                && !events.is_empty()
                && chooser.random.once_in(EVENTS)
            {
                self.check_events(&info, events).await;
            }
        }
    }

    fn write_down(&self, kind: usize, shown: String, result: &Result<Value, Fault>) {
        let count = &mut *lock(&self.counts);
        let count = count.entry(kind).or_default();
        let (shown, wrong) = match result {
            Ok(_) => {
                count.0 += 1;
                (format!("{shown} -> done"), None)
            }
            Err(fault) => {
                *count.1.entry(fault.detail().as_object().kind().name()).or_default() += 1;
                // One with a cause is what vCenter answers as well, to a query for disks that makes no sense.
                let system = SystemError::from_ref(fault.detail().as_object());
                let is_internal = system.is_some_and(|it| it.fault_cause().is_none()) || fault.message().is_empty();
                let name = fault.detail().as_object().kind().name();
                let shown = format!("{shown} -> {name}: {}", fault.message());
                (shown.clone(), is_internal.then_some(shown))
            }
        };
        let mut calls = lock(&self.calls);
        let shown = format!("[{}] {shown}", KINDS[kind].0);
        if let Some(log) = &self.log {
            writeln!(lock(log), "{shown}").unwrap();
        }
        calls.push_back(shown);
        if calls.len() > SHOWN {
            calls.pop_front();
        }
        drop(calls);
        if let Some(wrong) = wrong {
            self.fail(format!("an internal error: {wrong}"));
        }
    }

    /// The events that must be told of what a task did; one of several is enough where `|` is between them.
    async fn check_events(&self, info: &TaskInfo, wanted: &[&str]) {
        let filter = EventFilterSpec::with(|filter| _ = filter.set_event_chain_id(info.event_chain_id()));
        let manager = self.content().event_manager().expect("named");
        let found = self.call(&manager, QueryEvents::with(|request| _ = request.set_filter(filter))).await;
        let found = found.unwrap_or_default();
        let names: Vec<&str> = found.items().iter().filter_map(|event| Some(event.object()?.kind().name())).collect();
        for wanted in wanted {
            if !wanted.split('|').any(|wanted| names.contains(&wanted)) {
                let entity = info.entity_name().cloned().unwrap_or_default();
                self.fail(format!("no {wanted} of {} on {entity}, only {names:?}", info.description_id()));
            }
        }
        let keys: Vec<i32> =
            found.items().iter().filter_map(|event| Some(Event::from_ref(event.object()?)?.key())).collect();
        if !keys.is_sorted() {
            self.fail(format!("events are not in order: {keys:?}"));
        }
    }

    pub(crate) fn fail(&self, why: String) {
        lock(&self.failures).push(why);
    }

    pub(crate) fn has_failed(&self) -> bool {
        !lock(&self.failures).is_empty()
    }

    /// Prints what is wrong if nothing of its kind was before, with the last call, and forgets it.
    pub(crate) fn survey(&self, known: &mut BTreeSet<String>) {
        let call = lock(&self.calls).back().cloned().unwrap_or_default();
        for failure in std::mem::take(&mut *lock(&self.failures)) {
            let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
            let kind = digits(&failure).split('\'').step_by(2).collect::<String>();
            if known.insert(kind) {
                eprintln!("WRONG: {failure}\n  after {call}\n");
            }
        }
    }

    /// What is wrong, after the last calls.
    pub(crate) fn failure(&self) -> Option<String> {
        let failures = lock(&self.failures);
        if failures.is_empty() {
            return None;
        }
        let mut text = String::from("the last calls, as client: object.method(arguments) -> result:\n");
        for call in lock(&self.calls).iter() {
            let _ = writeln!(text, "  {call}");
        }
        for failure in failures.iter().take(30) {
            let _ = writeln!(text, "WRONG: {failure}");
        }
        Some(text)
    }
}

/// An object's set fields, in short.
fn show(object: &Object) -> String {
    let fields = object.kind().info().fields().iter().zip(object.slots()).filter(|(_, value)| !value.is_unset());
    let fields: Vec<String> = fields.map(|(field, value)| format!("{}={}", field.name, show_value(value))).collect();
    fields.join(" ")
}

fn show_value(value: &Value) -> String {
    match value {
        Value::Object(object) => format!("{}({})", object.kind().name(), show(object)),
        Value::List(list) => format!("[{}]", list.items().iter().map(show_value).collect::<Vec<_>>().join(", ")),
        Value::Moref(_, value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Enum(kind, at) => kind.info().values.get(usize::from(*at)).copied().unwrap_or("?").to_string(),
        _ => match value.text() {
            Some(text) if text.len() > 90 => format!("{:?}...", text.chars().take(20).collect::<String>()),
            Some(text) => format!("{text:?}"),
            None => "...".into(),
        },
    }
}
