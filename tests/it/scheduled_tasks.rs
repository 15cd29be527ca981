//! Scheduled tasks: methods that are called at their time, by the service's clock.

use std::sync::Arc;

use vimsim::types::enums::{TaskInfoState, VirtualMachinePowerState as Power};
use vimsim::types::method::{
    CreateObjectScheduledTask, CreateScheduledTask, DestroyTask, QueryEvents, ReconfigureScheduledTask,
    RemoveScheduledTask, RetrieveEntityScheduledTask, RetrieveObjectScheduledTask, RunScheduledTask,
};
use vimsim::types::views::{
    DuplicateName, Event, EventFilterSpec, EventManager, HourlyTaskScheduler, InvalidArgument, InvalidName,
    ManagedObjectNotFound, MethodAction, MethodActionArgument, NotSupported, OnceTaskScheduler, RunScriptAction,
    ScheduledTask, ScheduledTaskManager, ScheduledTaskSpec, SessionManager, Task, VirtualMachine,
};
use vimsim::types::{DateTime, Moref, Value, View};
use vimsim::{Client, Config, ManualClock, Simulator};

use crate::{check_fault, create};

struct Lab {
    simulator: Simulator,
    client: Client,
    clock: Arc<ManualClock>,
    machine: Moref,
}

fn at(text: &str) -> DateTime {
    DateTime::parse(text).unwrap()
}

fn manager() -> Moref {
    Moref::of::<ScheduledTaskManager>("ScheduledTaskManager")
}

fn action(name: &str, arguments: impl IntoIterator<Item = Value>) -> MethodAction {
    MethodAction::with(|action| {
        action.set_name(name);
        action.set_argument(arguments.into_iter().map(|value| {
            MethodActionArgument::with(|argument| {
                argument.as_object_mut().set(MethodActionArgument::VALUE, value);
            })
        }));
    })
}

fn spec(name: &str, scheduler: impl View, action: impl View) -> ScheduledTaskSpec {
    ScheduledTaskSpec::with(|spec| {
        spec.set_name(name).set_description("d").set_enabled(true);
        spec.as_object_mut().set(ScheduledTaskSpec::SCHEDULER, Value::Object(scheduler.as_object().clone()));
        spec.as_object_mut().set(ScheduledTaskSpec::ACTION, Value::Object(action.as_object().clone()));
    })
}

fn once(time: &str) -> OnceTaskScheduler {
    OnceTaskScheduler::with(|once| _ = once.set_run_at(at(time)))
}

impl Lab {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::new(at("2026-03-01T09:00:00Z")));
        let simulator = Simulator::start_with_clock(Config::default(), clock.clone()).await.unwrap();
        let client = Client::login(&simulator).await.unwrap();
        let snapshot = simulator.service().snapshot();
        let machine = snapshot.objects().find(|object| object.view::<VirtualMachine>().is_some()).unwrap();
        let machine = machine.moref().clone();
        Self { simulator, client, clock, machine }
    }

    fn create(&self, spec: ScheduledTaskSpec) -> CreateScheduledTask {
        CreateScheduledTask::with(|request| _ = request.set_entity(self.machine.clone()).set_spec(spec))
    }

    async fn schedule(&self, spec: ScheduledTaskSpec) -> Moref {
        create(&self.client, &manager(), self.create(spec)).await
    }

    fn see(&self, moref: &Moref) -> ScheduledTask {
        self.simulator.service().snapshot().view::<ScheduledTask>(moref).expect("is there").clone()
    }

    /// Waits until the task has run so that it is in this state, with this time to run next.
    async fn until(&self, moref: &Moref, state: TaskInfoState, next: Option<DateTime>) {
        let is_so = || {
            let task = self.see(moref);
            task.info().state() == state && task.info().next_run_time() == next
        };
        let wait = async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), wait).await;
        let info = self.see(moref).info().clone();
        assert!(waited.is_ok(), "{:?}, next at {:?}", info.state(), info.next_run_time());
    }

    fn power(&self) -> Power {
        self.simulator.service().snapshot().view::<VirtualMachine>(&self.machine).unwrap().runtime().power_state()
    }

    /// Goes on by this many seconds, which no idle session survives.
    async fn advance(&mut self, seconds: i64) {
        self.clock.advance(seconds);
        self.client = Client::login(&self.simulator).await.unwrap();
    }

    async fn events(&self) -> Vec<&'static str> {
        let request = QueryEvents::with(|request| _ = request.set_filter(EventFilterSpec::new()));
        let found = self.client.call(&Moref::of::<EventManager>("EventManager"), request).await.unwrap();
        let mut events: Vec<Event> =
            found.items().iter().filter_map(|event| Event::from_ref(event.object()?).cloned()).collect();
        events.sort_by_key(|event| event.key());
        let names = events.iter().map(|event| event.as_object().kind().name());
        names.filter(|name| name.starts_with("ScheduledTask")).collect()
    }
}

#[tokio::test]
async fn a_method_is_called_at_its_time() {
    let mut lab = Lab::start().await;
    let task = lab.schedule(spec("off", once("2026-03-01T10:00:00Z"), action("PowerOffVM_Task", []))).await;
    assert!(task.value().starts_with("schedule-"));
    let info = lab.see(&task).info().clone();
    assert_eq!((info.state(), info.next_run_time()), (TaskInfoState::Queued, Some(at("2026-03-01T10:00:00Z"))));
    assert_eq!((info.entity(), info.task_object()), (lab.machine.clone(), lab.machine.clone()));
    let listed = lab.client.property(&manager(), "scheduledTask").await.unwrap();
    assert_eq!(listed.items().iter().filter_map(Value::moref).collect::<Vec<_>>(), [task.clone()]);
    assert_eq!(lab.power(), Power::PoweredOn);
    lab.advance(3600).await;
    lab.until(&task, TaskInfoState::Success, None).await;
    assert_eq!(lab.power(), Power::PoweredOff);
    assert_eq!(lab.see(&task).info().prev_run_time(), Some(at("2026-03-01T10:00:00Z")));
    assert!(lab.see(&task).info().active_task().is_none());
    let expected = ["ScheduledTaskCreatedEvent", "ScheduledTaskStartedEvent", "ScheduledTaskCompletedEvent"];
    assert_eq!(lab.events().await, expected);
    // The task that it started says why it was.
    let snapshot = lab.simulator.service().snapshot();
    let started = snapshot.objects().filter_map(|object| object.view::<Task>());
    let reasons: Vec<_> = started
        .filter(|task| {
            task.info().description_id() == "VirtualMachine.powerOff"
                && task.info().entity().as_ref() == Some(&lab.machine)
        })
        .map(|task| task.info().reason().as_object().kind().name())
        .collect();
    assert_eq!(reasons, ["TaskReasonSchedule"]);
}

#[tokio::test]
async fn a_recurring_task_runs_again_and_again_until_it_is_changed() {
    let mut lab = Lab::start().await;
    let hourly = |minute: i32| HourlyTaskScheduler::with(|hourly| _ = hourly.set_minute(minute).set_interval(2));
    let refresh = || action("RefreshStorageInfo", []);
    let task = lab.schedule(spec("refresh", hourly(30), refresh())).await;
    lab.advance(1800).await;
    lab.until(&task, TaskInfoState::Success, Some(at("2026-03-01T11:30:00Z"))).await;
    lab.advance(7200).await;
    lab.until(&task, TaskInfoState::Success, Some(at("2026-03-01T13:30:00Z"))).await;
    let change = |spec: ScheduledTaskSpec| ReconfigureScheduledTask::with(|request| _ = request.set_spec(spec));
    lab.client.call(&task, change(spec("refresh", hourly(45), refresh()))).await.unwrap();
    lab.until(&task, TaskInfoState::Queued, Some(at("2026-03-01T11:45:00Z"))).await;
    // One that is not enabled has no next time, and runs when it is told to.
    let mut disabled = spec("refresh", hourly(45), refresh());
    disabled.set_enabled(false);
    lab.client.call(&task, change(disabled)).await.unwrap();
    lab.until(&task, TaskInfoState::Queued, None).await;
    lab.client.call(&task, RunScheduledTask::new()).await.unwrap();
    lab.until(&task, TaskInfoState::Success, None).await;
    lab.client.call(&task, RemoveScheduledTask::new()).await.unwrap();
    check_fault::<ManagedObjectNotFound>(lab.client.call(&task, RunScheduledTask::new()).await);
    assert!(lab.client.property(&manager(), "scheduledTask").await.unwrap().items().is_empty());
    assert_eq!(lab.events().await.last(), Some(&"ScheduledTaskRemovedEvent"));
}

#[tokio::test]
async fn what_a_scheduled_task_fails_with_is_written_down() {
    let lab = Lab::start().await;
    let task = lab.schedule(spec("on", once("2026-03-01T10:00:00Z"), action("PowerOnVM_Task", []))).await;
    lab.client.call(&task, RunScheduledTask::new()).await.unwrap();
    lab.until(&task, TaskInfoState::Error, Some(at("2026-03-01T10:00:00Z"))).await;
    let error = lab.see(&task).info().error().unwrap().clone();
    assert_eq!(error.fault().as_object().kind().name(), "InvalidPowerState");
    assert_eq!(lab.events().await.last(), Some(&"ScheduledTaskFailedEvent"));
    // It runs as who made it, also when that one's session is over.
    lab.client
        .call(&Moref::of::<SessionManager>("SessionManager"), vimsim::types::method::Logout::new())
        .await
        .unwrap();
    lab.clock.advance(3600);
    lab.until(&task, TaskInfoState::Error, None).await;
}

#[tokio::test]
async fn what_cannot_be_scheduled_is_refused() {
    let lab = Lab::start().await;
    let later = || once("2026-03-01T10:00:00Z");
    let refused = async |spec: ScheduledTaskSpec| lab.client.call(&manager(), lab.create(spec)).await;
    lab.schedule(spec("a", later(), action("PowerOffVM_Task", []))).await;
    check_fault::<DuplicateName>(refused(spec("a", later(), action("PowerOffVM_Task", []))).await);
    check_fault::<InvalidName>(refused(spec("", later(), action("PowerOffVM_Task", []))).await);
    let early = once("2026-03-01T08:00:00Z");
    check_fault::<InvalidArgument>(refused(spec("b", early, action("PowerOffVM_Task", []))).await);
    check_fault::<InvalidArgument>(refused(spec("b", later(), action("EnterMaintenanceMode_Task", []))).await);
    check_fault::<InvalidArgument>(refused(spec("b", later(), action("Rename_Task", []))).await);
    check_fault::<InvalidArgument>(refused(spec("b", later(), action("Rename_Task", [Value::Int(1)]))).await);
    let script = RunScriptAction::with(|action| _ = action.set_script("true"));
    check_fault::<NotSupported>(refused(spec("b", later(), script)).await);
    let nothing = CreateScheduledTask::with(|request| {
        request.set_entity(Moref::of::<VirtualMachine>("vm-0")).set_spec(spec("b", later(), action("Reload", [])));
    });
    check_fault::<ManagedObjectNotFound>(lab.client.call(&manager(), nothing).await);
}

#[tokio::test]
async fn scheduled_tasks_are_found_by_their_object_and_go_with_it() {
    let lab = Lab::start().await;
    let renamed = action("Rename_Task", [Value::String("other".into())]);
    let rename = lab.schedule(spec("rename", once("2026-03-01T10:00:00Z"), renamed)).await;
    let update = action("UpdateServiceMessage", [Value::String("hello".into())]);
    let sessions = Moref::of::<SessionManager>("SessionManager");
    let request = CreateObjectScheduledTask::with(|request| {
        request.set_obj(sessions.clone()).set_spec(spec("message", OnceTaskScheduler::new(), update));
    });
    // Without a time it runs at once.
    let message = create(&lab.client, &manager(), request).await;
    lab.until(&message, TaskInfoState::Success, None).await;
    assert_eq!(lab.client.property(&sessions, "message").await.unwrap().text(), Some("hello"));
    let of = async |entity: Option<Moref>| {
        let request = RetrieveEntityScheduledTask::with(|request| _ = request.set_entity(entity));
        let found = lab.client.call(&manager(), request).await.unwrap();
        found.items().iter().filter_map(Value::moref).collect::<Vec<_>>()
    };
    assert_eq!(of(None).await, [rename.clone(), message.clone()]);
    assert_eq!(of(Some(lab.machine.clone())).await, [rename.clone()]);
    let by_object = RetrieveObjectScheduledTask::with(|request| _ = request.set_obj(sessions));
    assert_eq!(lab.client.call(&manager(), by_object).await.unwrap().items().len(), 1);
    lab.client.run(&lab.machine, vimsim::types::method::PowerOffVMTask::new()).await.unwrap();
    lab.client.run(&lab.machine, DestroyTask::new()).await.unwrap();
    assert_eq!(of(None).await, [message]);
}
