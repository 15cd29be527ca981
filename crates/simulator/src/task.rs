//! Starting tasks and carrying them out.
//!
//! ```text
//!  start_task ──▶ queued ──▶ running ─┬─▶ success (result)
//!  (the call)      the body's write   └─▶ error (the fault; the body has changed nothing)
//!
//!  start_work ──▶ queued ──▶ running ──▶ ... progress ... ─┬─▶ success (result)
//!  (the call)      a write   the future, no lock held      └─▶ error (the fault)
//!                                                          the end's write
//! ```

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use vimsim_registry::{Transaction, Turn};
use vimsim_types::enums::TaskInfoState;
use vimsim_types::views::{ManagedEntity, Task, TaskInfo, TaskReasonUser};
use vimsim_types::{Fault, IntoValue, List, Method, Moref, Value, View};

use crate::call::{Call, Context};
use crate::clock;
use crate::config::Fidelity;
use crate::objects::{event_manager, task_manager};
use crate::occupied::{self, Hold, is_exclusive};
use crate::service::{Service, declare_result, panicked};
use crate::session::Session;
use crate::work::{Work, unwinding};

/// What a task does in a transaction.
type Write = Box<dyn FnOnce(&mut Transaction, &Context) -> Result<Value, Fault> + Send>;
/// What a task does outside the lock, until it knows how it ends.
type Outside = Pin<Box<dyn Future<Output = Result<Write, Fault>> + Send>>;

/// The body of a task.
enum Body {
    /// One transaction.
    Write(Write),
    /// A future, and a transaction that ends it.
    Work(Box<dyn FnOnce(Work) -> Outside + Send>),
}

/// A task that has been started and is to be carried out.
pub(crate) struct Job {
    task: Moref,
    method: &'static Method,
    session: Option<Arc<Session>>,
    body: Body,
    /// What nobody else may begin something with until the task has ended.
    hold: Option<Hold>,
}

/// What a method's work is asked for beside what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// The work goes on to its end.
    No,
    /// `CancelTask` asks the work to end; [`Work::cancelled`] tells it so.
    Yes,
}

impl<T: View> Call<'_, T> {
    /// Starts a task on this object that does what `body` does, all of it or nothing, and returns the task. Check first,
    /// then start: what the method refuses to begin with is a fault of the method, not of the task.
    pub(crate) fn start_task<R: IntoValue>(
        &mut self,
        body: impl FnOnce(&mut Call<'_, T>) -> Result<R, Fault> + Send + 'static,
    ) -> Result<Moref, Fault> {
        let method = self.context().method.ok_or_else(|| Fault::invalid_request("only a method starts a task"))?;
        self.start_task_for(method, body)
    }

    /// [`Call::start_task`] under another method's name.
    pub(crate) fn start_task_for<R: IntoValue>(
        &mut self,
        method: &'static Method,
        body: impl FnOnce(&mut Call<'_, T>) -> Result<R, Fault> + Send + 'static,
    ) -> Result<Moref, Fault> {
        let this = self.moref();
        self.untyped().start_write(
            method,
            Box::new(move |transaction, context| {
                body(&mut Call::new(transaction, context, this)).map(IntoValue::into_value)
            }),
        )
    }

    /// Starts a task on this object that takes time: `work` is a future, run without any lock and dropped when the service
    /// stops, which answers what is to be written at its end. That write and the task's success become visible together.
    /// The future looks objects up again whenever it writes: they may be gone.
    ///
    /// - `TaskInProgress` while another such task is under way on this object, as [`Call::expect_free`].
    pub(crate) fn start_work<F, E, R>(
        &mut self,
        method: &'static Method,
        cancel: Cancel,
        work: impl FnOnce(Work) -> F + Send + 'static,
    ) -> Result<Moref, Fault>
    where
        F: Future<Output = Result<E, Fault>> + Send + 'static,
        E: FnOnce(&mut Call<'_, T>) -> Result<R, Fault> + Send + 'static,
        R: IntoValue,
    {
        self.start_work_with(method, cancel, Vec::new(), work)
    }

    /// [`Call::start_work`] that has `others` to itself, too.
    pub(crate) fn start_work_with<F, E, R>(
        &mut self,
        method: &'static Method,
        cancel: Cancel,
        others: Vec<Moref>,
        work: impl FnOnce(Work) -> F + Send + 'static,
    ) -> Result<Moref, Fault>
    where
        F: Future<Output = Result<E, Fault>> + Send + 'static,
        E: FnOnce(&mut Call<'_, T>) -> Result<R, Fault> + Send + 'static,
        R: IntoValue,
    {
        let this = self.moref();
        if self.context().at_once {
            let why = format!("{} takes time, and the inventory is still being made", method.name);
            return Err(Fault::invalid_request(why));
        }
        let mut entities = others;
        entities.push(this.clone());
        let (task, hold) = match self.untyped().begin_work(method, cancel, &entities)? {
            Begun::Refused(task) => return Ok(task),
            Begun::Free(task, hold) => (task, hold),
        };
        let body: Body = Body::Work(Box::new(move |work_of| {
            let work = work(work_of);
            Box::pin(async move {
                let end = work.await?;
                let write: Write = Box::new(move |transaction, context| {
                    end(&mut Call::new(transaction, context, this)).map(IntoValue::into_value)
                });
                Ok(write)
            })
        }));
        let session = self.context().session.clone();
        let hold = Some(hold);
        self.context().jobs.borrow_mut().push(Job { task: task.clone(), method, session, body, hold });
        Ok(task)
    }
}

/// What became of a task that is to take time.
enum Begun {
    /// It fails at once: another is in progress.
    Refused(Moref),
    /// It has these to itself.
    Free(Moref, Hold),
}

impl<T> Call<'_, T> {
    /// `TaskInProgress`, with the task, while a task that takes time is under way on the entity.
    pub(crate) fn expect_free(&self, entity: &Moref) -> Result<(), Fault> {
        let context = self.context();
        context.service.occupied().expect_free(&**self, entity, context.task.as_ref())
    }
}

impl<T> Call<'_, T> {
    /// Begins a task on this object whose end somebody writes by [`Call::end_task`], and which has these entities to itself
    /// until then.
    ///
    /// - `TaskInProgress`, as [`Call::expect_free`].
    pub(crate) fn begin_task(&mut self, method: &'static Method, entities: &[Moref]) -> Result<(Moref, Hold), Fault> {
        entities.iter().try_for_each(|entity| self.expect_free(entity))?;
        let task = create(&mut self.untyped(), method)?;
        let context = self.context();
        run(self, &task, context)?;
        let hold = context.service.occupied().hold(&**self, entities, &task);
        Ok((task, hold))
    }

    /// Has the task whose body this is go on when its body has ended, as one that [`Call::begin_task`] began.
    pub(crate) fn keep_running(&mut self, entities: &[Moref]) -> Option<(Moref, Hold)> {
        let context = self.context();
        let task = context.task.clone()?;
        context.goes_on.set(true);
        let hold = context.service.occupied().hold(&**self, entities, &task);
        Some((task, hold))
    }

    /// Writes down how a task ended that was begun by [`Call::begin_task`] or went on by [`Call::keep_running`].
    pub(crate) fn end_task(&mut self, task: &Moref, result: Result<Value, Fault>) -> Result<(), Fault> {
        let context = self.context();
        finish(self, task, context, result)
    }
}

impl Call<'_, ()> {
    /// Adds a task that has these entities to itself.
    fn begin_work(&mut self, method: &'static Method, cancel: Cancel, entities: &[Moref]) -> Result<Begun, Fault> {
        if is_exclusive(method)
            && let Some(fault) = entities.iter().find_map(|entity| self.expect_free(entity).err())
        {
            return self.refuse(method, fault).map(Begun::Refused);
        }
        let task = create(self, method)?;
        if cancel == Cancel::Yes {
            self.edit::<Task>(&task)?.info_mut().set_cancelable(true);
        }
        // What is no operation on the entity itself, as a change of its options, others may wait for.
        let entities = if is_exclusive(method) { entities } else { &[] };
        let hold = self.context().service.occupied().hold(&**self, entities, &task);
        Ok(Begun::Free(task, hold))
    }

    /// Has a task of this method fail. An ESXi host does not even start it.
    fn refuse(&mut self, method: &'static Method, fault: Fault) -> Result<Moref, Fault> {
        if !self.context().is_virtual_center() {
            return Err(fault);
        }
        self.push_write(method, Box::new(move |_, _| Err(fault)))
    }

    /// Starts a task whose body is one transaction, or carries it out at once.
    fn start_write(&mut self, method: &'static Method, body: Write) -> Result<Moref, Fault> {
        let context = self.context();
        if context.at_once {
            let task = create(self, method)?;
            let result = declare_result(method, body(self, context)?);
            finish(self, &task, context, Ok(result))?;
            return Ok(task);
        }
        let entity = occupied::entity_of(self, &self.moref());
        match self.expect_free(&entity) {
            Err(fault) if is_exclusive(method) => self.refuse(method, fault),
            _ => match self.delay(method) {
                None => self.push_write(method, body),
                Some(delay) => self.push_delayed(method, &entity, delay, body),
            },
        }
    }

    /// How long tasks of this method are to take.
    fn delay(&self, method: &Method) -> Option<Duration> {
        let delays = &self.context().service.config().task_delays;
        if delays.is_empty() { None } else { delays.get(&capitalized(vmodl_name(method))).copied() }
    }

    /// Starts a task whose body is one transaction, and comes after a time in which the task can be cancelled.
    fn push_delayed(
        &mut self,
        method: &'static Method,
        entity: &Moref,
        delay: Duration,
        body: Write,
    ) -> Result<Moref, Fault> {
        let (task, hold) = match self.begin_work(method, Cancel::Yes, std::slice::from_ref(entity))? {
            Begun::Refused(task) => return Ok(task),
            Begun::Free(task, hold) => (task, hold),
        };
        let body: Body = Body::Work(Box::new(move |work| {
            Box::pin(async move {
                let steps = 10;
                for step in 0..steps {
                    work.progress(step * 10, "waiting, as it was told to");
                    let part = clock::pass(work.service().clock(), delay / steps.unsigned_abs());
                    work.unless_cancelled(part).await?;
                }
                Ok(body)
            })
        }));
        let context = self.context();
        let (session, hold) = (context.session.clone(), Some(hold));
        context.jobs.borrow_mut().push(Job { task: task.clone(), method, session, body, hold });
        Ok(task)
    }

    fn push_write(&mut self, method: &'static Method, body: Write) -> Result<Moref, Fault> {
        let task = create(self, method)?;
        let context = self.context();
        let (session, body) = (context.session.clone(), Body::Write(body));
        context.jobs.borrow_mut().push(Job { task: task.clone(), method, session, body, hold: None });
        Ok(task)
    }
}

/// Adds the `Task` object of a method call, queued.
fn create(call: &mut Call<'_, ()>, method: &'static Method) -> Result<Moref, Fault> {
    let entity = call.moref();
    let context = call.context();
    let task = call.create_moref(Task::TYPE);
    let properties = Task::with(|properties| {
        let info = properties.info_mut();
        info.set_key(task.value());
        info.set_task(task.clone());
        match context.fidelity() {
            Fidelity::VCenter => info.set_name(method.name),
            Fidelity::Vcsim => info.set_name(capitalized(vmodl_name(method))),
        };
        info.set_description_id(description_id(entity.kind(), method));
        if let Some(entity) = call.view::<ManagedEntity>(&entity) {
            info.set_entity(call.moref());
            info.set_entity_name(entity.name());
        }
        info.set_state(TaskInfoState::Queued);
        info.set_cancelled(false);
        info.set_cancelable(false);
        info.set_queue_time(context.now);
        info.set_event_chain_id(i32::try_from(task_manager::number(&task)).unwrap_or_default());
        info.set_reason(TaskReasonUser::with(|reason| {
            // What the service does by itself, such as building the model, its administrator does.
            let user = context.user();
            let administrator = if context.is_virtual_center() { "VSPHERE.LOCAL\\Administrator" } else { "root" };
            reason.set_user_name(if user.is_empty() { administrator.into() } else { user });
        }));
    });
    call.insert(task.clone(), properties);
    task_manager::remember(call, &task)?;
    Ok(task)
}

/// `VirtualMachine.powerOn`: the method's description, under the name of the object's own type, as vCenter logs it.
fn description_id(kind: vimsim_types::TypeId, method: &Method) -> String {
    let name = vmodl_name(method);
    let is_inherited = kind.is_a(method.owner) && method.owner != kind;
    if kind.is_a(ManagedEntity::TYPE) && is_inherited && kind.name() != "ClusterComputeResource" {
        return format!("{}.{name}", kind.name());
    }
    method.vmodl.into()
}

/// The method's own name in VMODL.
fn vmodl_name(method: &Method) -> &'static str {
    method.vmodl.rsplit('.').next().unwrap_or(method.vmodl)
}

/// A name with a capital first.
fn capitalized(name: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    first.to_ascii_uppercase() + rest
}

/// Gives a list that a task results in its declared element type.
fn declare(method: Option<&Method>, result: Value) -> Value {
    match (method.and_then(|method| method.task_result), result) {
        (Some(element), Value::List(list)) if list.element() != element => {
            Value::List(List::new(element, list.items().to_vec()))
        }
        (_, result) => result,
    }
}

/// Writes a task's end into it.
fn finish(
    transaction: &mut Transaction,
    task: &Moref,
    context: &Context,
    result: Result<Value, Fault>,
) -> Result<(), Fault> {
    // The task may be gone: its object may have been removed by its own body, or aged out.
    if transaction.object(task).is_none() {
        return Ok(());
    }
    let info = transaction.edit::<Task>(task)?.info_mut();
    if info.start_time().is_none() {
        info.set_start_time(context.now);
    }
    info.set_complete_time(context.service.clock().now());
    match result {
        Ok(result) => {
            info.set_state(TaskInfoState::Success);
            info.as_object_mut().set(TaskInfo::RESULT, declare(context.method, result));
        }
        Err(fault) => {
            info.set_state(TaskInfoState::Error);
            info.set_error(fault.localized());
        }
    }
    Ok(())
}

impl Service {
    /// Carries out the tasks that a transaction has started, in their order and in the same turn: what the method found to be
    /// so is still so when its task begins. Those that take time are only begun.
    pub(crate) fn carry_out(self: &Arc<Self>, turn: &Turn<'_>, jobs: Vec<Job>) {
        for Job { task, method, session, body, hold } in jobs {
            match body {
                Body::Write(write) => {
                    let context = self.context_of(&task, method, session);
                    let written = self.in_turn(turn, method.name, &context, |transaction, context| {
                        run(transaction, &task, context)?;
                        let result = declare_result(method, write(transaction, context)?);
                        if context.goes_on.get() {
                            return Ok(());
                        }
                        finish(transaction, &task, context, Ok(result))
                    });
                    if let Err(fault) = written {
                        self.fail(turn, &task, &context, fault);
                    }
                }
                Body::Work(work) => {
                    let service = self.clone();
                    self.spawner().spawn(async move {
                        service.work(task, method, session, work).await;
                        drop(hold);
                    });
                }
            }
        }
    }

    /// Carries out a task that takes time.
    async fn work(
        self: &Arc<Self>,
        task: Moref,
        method: &'static Method,
        session: Option<Arc<Session>>,
        work: Box<dyn FnOnce(Work) -> Outside + Send>,
    ) {
        let context = || self.context_of(&task, method, session.clone());
        let begun = self.in_context(method.name, context(), |transaction, context| run(transaction, &task, context));
        let result = match begun {
            Ok(true) => {
                let of = Work::new(self.clone(), task.clone(), method, session.clone());
                unwinding(method.name, async { work(of).await }).await.and_then(|end| {
                    self.in_context(method.name, context(), |transaction, context| {
                        let result = declare_result(method, end(transaction, context)?);
                        finish(transaction, &task, context, Ok(result))
                    })
                })
            }
            Ok(false) => return,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = result {
            self.fail(&self.registry().turn(), &task, &context(), fault);
        }
    }

    /// The context of what is done in the name of a task.
    fn context_of(self: &Arc<Self>, task: &Moref, method: &'static Method, session: Option<Arc<Session>>) -> Context {
        let mut context = Context::internal(self.clone(), false);
        context.session = session;
        context.method = Some(method);
        context.task = Some(task.clone());
        context
    }

    /// Runs a transaction, and what it starts. A panic in it becomes a fault.
    pub(crate) fn in_context<R>(
        self: &Arc<Self>,
        name: &str,
        context: Context,
        write: impl FnOnce(&mut Transaction, &Context) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        self.in_turn(&self.registry().turn(), name, &context, write)
    }

    fn in_turn<R>(
        self: &Arc<Self>,
        turn: &Turn<'_>,
        name: &str,
        context: &Context,
        write: impl FnOnce(&mut Transaction, &Context) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let outcome = catch_unwind(AssertUnwindSafe(|| turn.write(|transaction| write(transaction, context))));
        let result = outcome.unwrap_or_else(|panic| Err(panicked(name, &*panic)));
        if result.is_ok() {
            self.carry_out(turn, context.jobs.take());
        }
        self.go_on(context, result.is_ok());
        result
    }

    /// Runs what is to follow a transaction that was carried out.
    pub(crate) fn go_on(&self, context: &Context, is_done: bool) {
        for future in context.afterwards.take() {
            if is_done {
                self.spawner().spawn(future);
            }
        }
    }

    /// Changes something by itself, all of it or nothing, outside any call or task.
    pub(crate) fn transact<V: View, R>(
        self: &Arc<Self>,
        on: &Moref,
        body: impl FnOnce(&mut Call<'_, V>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let context = Context::internal(self.clone(), false);
        self.in_context("service", context, |transaction, context| {
            body(&mut Call::new(transaction, context, on.clone()))
        })
    }

    /// Writes down that a task failed.
    fn fail(&self, turn: &Turn<'_>, task: &Moref, context: &Context, fault: Fault) {
        let written = turn.write(|transaction| {
            finish(transaction, task, context, Err(fault.clone()))?;
            event_manager::post_failure(transaction, context, task, &fault)
        });
        if let Err(fault) = written {
            tracing::error!(%task, %fault, "cannot write down that a task failed");
        }
    }
}

/// Sets a task running; `false` if it was cancelled while it was queued and does nothing.
fn run(transaction: &mut Transaction, task: &Moref, context: &Context) -> Result<bool, Fault> {
    if transaction.get::<Task>(task)?.info().state() != TaskInfoState::Queued {
        return Ok(false);
    }
    transaction.edit::<Task>(task)?.info_mut().set_state(TaskInfoState::Running).set_start_time(context.now);
    Ok(true)
}
