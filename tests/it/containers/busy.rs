//! One task at a time on a machine or host that a container is behind: another is refused while the first is under way.

use std::time::Duration;

use vimsim::container::Step;
use vimsim::types::enums::{TaskInfoState, VirtualMachinePowerState as Power};
use vimsim::types::method::{
    CloneVMTask, DestroyTask, MarkAsTemplate, PowerOffVMTask, PowerOnVMTask, RebootHostTask, ReconfigVMTask,
    RenameTask, ShutdownGuest, UnregisterVM,
};
use vimsim::types::views::{
    Folder, Task, TaskInProgress, VirtualMachine, VirtualMachineCloneSpec, VirtualMachineConfigSpec,
};
use vimsim::types::{MethodView, Moref, Value, View};
use vimsim::{Config, Error, Product};

use super::Lab;

/// Long enough for a few calls; tests that see the first task end before do not say what they should.
const SLOW: Duration = Duration::from_millis(1500);

fn reference(value: &Value) -> Moref {
    value.moref().expect("a task was started")
}

/// What was refused names the task that is in the way.
fn check_refused(result: Result<Value, Error>, by: &Moref) {
    let error = result.expect_err("it is refused");
    let fault = error.fault().unwrap_or_else(|| panic!("{error}"));
    let detail = fault.detail().downcast::<TaskInProgress>().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(detail.task(), *by);
    assert_eq!(fault.message(), "Another task is already in progress.");
}

async fn lab(product: Product) -> Lab {
    let mut config = Config { product, ..Config::default() };
    config.model.autostart = false;
    Lab::with(config).await
}

impl Lab {
    async fn begin<M: MethodView>(&self, this: &Moref, request: M) -> Moref {
        reference(&self.client.call(this, request).await.unwrap())
    }

    fn state(&self, task: &Moref) -> TaskInfoState {
        self.simulator.service().snapshot().view::<Task>(task).expect("the task is there").info().state()
    }
}

#[tokio::test]
async fn a_machine_that_is_being_started_is_left_alone() {
    let lab = lab(Product::VirtualCenter).await;
    let machine = lab.machine("DC0_H0_VM0");
    lab.keys(&machine, &[("RUN.container", "nginx")]).await.unwrap();
    lab.engine.delay(Step::StartContainer, SLOW);
    let first = lab.begin(&machine, PowerOnVMTask::new()).await;
    let before = lab.vm(&machine);

    check_refused(lab.client.run(&machine, PowerOnVMTask::new()).await, &first);
    check_refused(lab.client.run(&machine, PowerOffVMTask::new()).await, &first);
    check_refused(lab.client.run(&machine, DestroyTask::new()).await, &first);
    check_refused(lab.client.call(&machine, UnregisterVM::new()).await, &first);
    check_refused(lab.client.call(&machine, ShutdownGuest::new()).await, &first);
    check_refused(lab.client.call(&machine, MarkAsTemplate::new()).await, &first);
    check_refused(lab.keys(&machine, &[("RUN.container", "")]).await, &first);
    let spec = VirtualMachineConfigSpec::with(|spec| _ = spec.set_num_cpus(2));
    check_refused(lab.client.run(&machine, ReconfigVMTask::with(|request| _ = request.set_spec(spec))).await, &first);
    let clone = CloneVMTask::with(|request| {
        request.set_folder(before.parent().unwrap()).set_name("copy");
        request.set_spec(VirtualMachineCloneSpec::new());
    });
    check_refused(lab.client.run(&machine, clone).await, &first);
    // What holds it goes with it only when the task is done.
    let folder = before.parent().unwrap();
    let rename = RenameTask::with(|request| _ = request.set_new_name("other"));
    lab.client.run(&lab.machine("DC0_H0_VM1"), rename).await.unwrap();
    assert!(lab.simulator.service().snapshot().view::<Folder>(&folder).unwrap().child_entity().contains(&machine));

    assert_eq!(lab.state(&first), TaskInfoState::Running, "the engine was too fast for this test");
    let same =
        |a: &VirtualMachine, b: &VirtualMachine| a.config().map(View::as_object) == b.config().map(View::as_object);
    assert!(same(&before, &lab.vm(&machine)), "something was changed");
    lab.client.wait_for_task(&first).await.unwrap();
    assert_eq!(lab.vm(&machine).runtime().power_state(), Power::PoweredOn);

    // Whoever waits for the one may begin the next at once.
    lab.engine.delay(Step::StartContainer, Duration::ZERO);
    for _ in 0..20 {
        lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
        lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    }
    lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    lab.client.run(&machine, DestroyTask::new()).await.unwrap();
    assert!(lab.engine.left().is_empty(), "{:?}", lab.engine.left());
}

#[tokio::test]
async fn a_machine_that_is_being_destroyed_is_left_alone() {
    let lab = lab(Product::VirtualCenter).await;
    let machine = lab.machine("DC0_H0_VM0");
    lab.keys(&machine, &[("RUN.container", "nginx")]).await.unwrap();
    lab.client.run(&machine, PowerOnVMTask::new()).await.unwrap();
    lab.client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    lab.engine.delay(Step::RemoveContainer, SLOW);
    let folder = lab.vm(&machine).parent().unwrap();
    let first = lab.begin(&machine, DestroyTask::new()).await;
    check_refused(lab.client.run(&machine, PowerOnVMTask::new()).await, &first);
    check_refused(lab.client.run(&machine, DestroyTask::new()).await, &first);
    assert_eq!(lab.state(&first), TaskInfoState::Running);
    lab.client.wait_for_task(&first).await.unwrap();
    let snapshot = lab.simulator.service().snapshot();
    assert!(!snapshot.view::<Folder>(&folder).unwrap().child_entity().contains(&machine));
}

#[tokio::test]
async fn a_host_that_is_being_restarted_is_left_alone() {
    let lab = lab(Product::VirtualCenter).await;
    let host = lab.host("DC0_H0");
    lab.back(&host, &[("RUN.container", "")]).await.unwrap();
    lab.engine.delay(Step::RestartContainer, SLOW);
    let first = lab.begin(&host, RebootHostTask::with(|request| _ = request.set_force(true))).await;
    check_refused(lab.client.run(&host, DestroyTask::new()).await, &first);
    assert_eq!(lab.state(&first), TaskInfoState::Running);
    lab.client.wait_for_task(&first).await.unwrap();
}

#[tokio::test]
async fn an_esxi_host_does_not_start_a_second_task() {
    let lab = lab(Product::EsxHost).await;
    let machine = lab.machine("ha-host_VM0");
    lab.keys(&machine, &[("RUN.container", "nginx")]).await.unwrap();
    lab.engine.delay(Step::StartContainer, SLOW);
    let first = lab.begin(&machine, PowerOnVMTask::new()).await;
    check_refused(lab.client.call(&machine, PowerOffVMTask::new()).await, &first);
    assert_eq!(lab.state(&first), TaskInfoState::Running);
    lab.client.wait_for_task(&first).await.unwrap();
}
